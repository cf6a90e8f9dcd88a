"""A report that somebody signed for: canonical JSON under an Ed25519 key. Pure.

Owns that form. The same report has the same bytes, so that a signature is about what it says; the
label keeps it from being taken for anything else that the key signs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.errors import Refused
from schemas.identity import canonical

FORMAT: Final = "counterfoil/review-report/v1"
ALGORITHM: Final = "ed25519"
# Of a file that is to be checked; larger is refused.
BYTES_MAX: Final = 512 * 1024 * 1024


def body(report: Mapping[str, Any]) -> bytes:
    """The one way to write it: sorted keys, no spaces, UTF-8. Raises Refused for a report with a
    number that is none or has a fraction: two machines may write those in two ways."""
    _check(report)
    return json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=False,
                      allow_nan=False).encode("utf-8")


def sign(report: Mapping[str, Any], key_id: bytes, signer: Callable[[bytes], bytes]) -> bytes:
    """The signed file. `signer`: Ed25519 under the key that `key_id` names."""
    signature = signer(_message(body(report)))
    return body({"format": FORMAT, "report": report, "signature": {
        "algorithm": ALGORITHM, "key": key_id.hex(), "value": signature.hex()}}) + b"\n"


def verify(signed: bytes, keys: Mapping[bytes, bytes]) -> tuple[dict[str, Any], bytes]:
    """(the report, id of the key that signed it). `keys`: Ed25519 public keys by id.

    Raises Refused, with the reason, for anything else than what one of them signed.
    """
    if len(signed) > BYTES_MAX:
        raise Refused("the file is larger than any report")
    try:
        read = json.loads(signed)
        if read["format"] != FORMAT or read["signature"]["algorithm"] != ALGORITHM:
            raise Refused("the file is no signed report of this version")
        report, key_id = read["report"], bytes.fromhex(read["signature"]["key"])
        value = bytes.fromhex(read["signature"]["value"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused("the file is no signed report") from error
    public = keys.get(key_id)
    if public is None:
        raise Refused(f"the key {key_id.hex()} that signed it is not known here")
    if not isinstance(report, dict):
        raise Refused("the file is no signed report")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, _message(body(report)))
    except InvalidSignature as error:
        raise Refused("the signature is not that of this report: it was changed, or another key "
                      "signed it") from error
    return report, key_id


def _message(plain: bytes) -> bytes:
    return canonical(FORMAT, plain)


def _check(value: Any) -> None:
    if isinstance(value, float):
        raise Refused("a signed report holds whole numbers")
    if isinstance(value, dict):
        for name, one in value.items():
            if not isinstance(name, str):
                raise Refused("a signed report names its fields by texts")
            _check(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _check(one)
