"""What credentials may do with a bucket: the gateway's are to put files below `media/`, no more.

Owns that check, for `doctor`. A store that does what it should keeps nothing of it: what is put has
a wrong checksum, so the answer tells who was let in, and no object is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.s3 import S3Settings, connect, mapped, sha256_base64

_BELOW: Final = "media/doctor"
_ELSEWHERE: Final = ("segments/doctor", "keyring/doctor", "doctor/doctor")
_LOCK_S: Final = 600
_BODY: Final = b"tried by doctor"
_NOT_ALLOWED: Final = (401, 403)


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing that was tried: `is_allowed` is the store's answer, `is_needed` what it should
    be."""

    name: str
    is_allowed: bool
    is_needed: bool
    answer: str


def try_gateway(settings: S3Settings, some_key: str | None) -> Iterator[Tried]:
    """What these credentials may do. `some_key` names an object that is there, to be read; reading
    is not tried without one. Raises Transient when the store does not answer."""
    client, bucket = connect(settings), settings.bucket

    def put(key: str) -> Callable[[], Any]:
        until = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) + _LOCK_S, UTC)
        return lambda: client.put_object(
            Bucket=bucket, Key=key, Body=_BODY, ChecksumSHA256=sha256_base64(b"another body"),
            ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)

    yield _tried("put below media/", put(_BELOW), is_needed=True)
    for key in _ELSEWHERE:
        yield _tried(f"put below {key.partition('/')[0]}/", put(key), is_needed=False)
    yield _tried("list", lambda: client.list_objects_v2(Bucket=bucket, MaxKeys=1), is_needed=False)
    if some_key is not None:
        yield _tried("read", lambda: client.head_object(Bucket=bucket, Key=some_key),
                     is_needed=False)
    # Of a name that is not there: at worst a marker on nothing is left.
    yield _tried("mark as deleted", lambda: client.delete_object(Bucket=bucket, Key=_BELOW),
                 is_needed=False)


def _tried(name: str, call: Callable[[], Any], *, is_needed: bool) -> Tried:
    with mapped(name):
        try:
            call()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status >= 500:
                raise
            code = error.response["Error"].get("Code", "")
            return Tried(name, status not in _NOT_ALLOWED, is_needed, f"{status} {code}")
    return Tried(name, True, is_needed, "done")
