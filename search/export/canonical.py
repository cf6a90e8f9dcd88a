"""The one spelling of JSON in a package (docs/FORMAT.md §17): equal content is equal bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

# Longer bytes are named by their hash: the datum beside it holds them.
_SHOWN_BYTES_MAX: Final = 64


def document(said: Any) -> bytes:
    """Names sorted, no spaces, nothing escaped that JSON does not ask for."""
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False,
                      allow_nan=False).encode()


def long_document(said: Mapping[str, Any]) -> bytes:
    """The bytes of `document` for an object that has long lists: made element by element, because
    in one go each costs ten times its length."""
    return b"{" + b",".join(
        document(name) + b":" + (b"[" + b",".join(map(document, value)) + b"]"
                                 if isinstance(value, list) else document(value))
        for name, value in sorted(said.items())) + b"}"


def line(said: Any) -> bytes:
    """One line of a `.jsonl` file."""
    return document(said) + b"\n"


def encoded(data: bytes) -> str:
    """Base64 (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def path(hashes: Iterable[bytes]) -> list[str]:
    """A path of a Merkle tree."""
    return [encoded(one) for one in hashes]


def readable(value: Any, *, whole: bool = True) -> Any:
    """What an Avro datum says, as JSON shows it. `whole` false: bytes by their hash, however few.
    """
    if isinstance(value, Mapping):
        return {name: readable(one, whole=whole) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [readable(one, whole=whole) for one in value]
    if isinstance(value, bytes):
        return value.hex() if whole and len(value) <= _SHOWN_BYTES_MAX else {
            "bytes": len(value), "sha256": sha256(value).hexdigest()}
    return value


def part(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a part of a large event: its body is always named by its hash."""
    return {name: readable(one, whole=name != "body") for name, one in said.items()}
