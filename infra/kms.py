"""The key service on AWS KMS: the KEK never leaves it.

Owns the port KeyService there (PROTOCOL K1). The context is KMS's encryption context, so that it
is bound to the wrap and stands in the account's own audit trail.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from schemas.errors import Halt, Refused, Transient

if TYPE_CHECKING:
    from types_boto3_kms.client import KMSClient

PLAIN_BYTES_MAX: Final = 4096
_CONTEXT: Final = "counterfoil"
# KMS's own limit on an encryption context is 8 KiB of JSON.
_CONTEXT_BYTES_MAX: Final = 4096
# The wrap or its context is wrong, or made under another key: no second try can help.
_WRONG: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException",
                           "InvalidKeyUsageException", "ValidationException"})
# Who we are, or what we may: put right while we wait, by an operator who reads it in `status`.
_NOT_ALLOWED: Final = frozenset({"AccessDeniedException", "UnrecognizedClientException",
                                 "ExpiredTokenException", "InvalidSignatureException",
                                 "MissingAuthenticationTokenException", "IncompleteSignature",
                                 "InvalidClientTokenId", "OptInRequired"})


@dataclass(frozen=True, slots=True)
class KmsSettings:
    """Which key, where, and who we are to it. Keys null: the SDK's own chain (role, profile)."""

    key_id: str                           # key id, ARN or alias
    region: str = "us-east-1"
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    ca_file: str | None = None


class KmsKeyService:
    """`KeyService` on one KMS key. Safe for threads."""

    def __init__(self, settings: KmsSettings) -> None:
        self._settings = settings
        self._client: KMSClient = boto3.client(
            "kms",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            verify=settings.ca_file,
            config=Config(
                # Ours are the caller's; the SDK's would hide how long the service was away.
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=5,
                read_timeout=10,
                max_pool_connections=8,
            ),
        )

    @property
    def key_id(self) -> str:
        """`kms:` and the configured id: what an operator looks for in the account."""
        return f"kms:{self._settings.key_id}"

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """See KeyService."""
        if not 0 < len(plain) <= PLAIN_BYTES_MAX:
            raise Refused(f"{len(plain)} bytes to wrap; 1 to {PLAIN_BYTES_MAX} are allowed")
        with _mapped():
            return self._client.encrypt(
                KeyId=self._settings.key_id, Plaintext=plain, EncryptionContext=_encoded(context),
                EncryptionAlgorithm="SYMMETRIC_DEFAULT")["CiphertextBlob"]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See KeyService. The key is named, so that a wrap made under another one is refused."""
        with _mapped():
            answer = self._client.decrypt(
                KeyId=self._settings.key_id, CiphertextBlob=wrapped,
                EncryptionContext=_encoded(context), EncryptionAlgorithm="SYMMETRIC_DEFAULT")
        return answer["Plaintext"]


def _encoded(context: bytes) -> dict[str, str]:
    if not 0 < len(context) <= _CONTEXT_BYTES_MAX:
        raise Refused(f"a context of {len(context)} bytes")
    return {_CONTEXT: base64.b64encode(context).decode("ascii")}


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _WRONG:
            raise Refused(f"the key service refused: {code}") from error
        if code in ("NotFoundException", "DisabledException", "KMSInvalidStateException"):
            # The KEK is gone, disabled or waiting to be deleted: somebody has to look.
            raise Halt("key_service", f"the key cannot be used: {code}") from error
        if code in _NOT_ALLOWED:
            raise Transient(f"the key service does not let us, an operator has to: {code}") \
                from error
        raise Transient(f"the key service answered {code}") from error
    except (BotoCoreError, OSError) as error:
        raise Transient(f"no answer from the key service: {type(error).__name__}") from error
