"""Signed heads: where each partition ended at a time, kept in a second place (PROTOCOL V1).

Owns the head's text: printable, one partition a line, signed by the sealing key.

    counterfoil head v1
    time 2026-11-21T10:00:00.000Z
    <topic> <topic id> <partition> <last offset> <segment sha-256>
    signature <sealing key id> <Ed25519 signature, hex>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.errors import Refused

_FIRST: Final = "counterfoil head v1"
_LINE: Final = re.compile(r"([A-Za-z0-9._-]{1,249}) ([0-9a-f]{32}) (0|[1-9][0-9]{0,5})"
                         r" (0|[1-9][0-9]{0,19}) ([0-9a-f]{64})")
_SIGNATURE: Final = re.compile(r"signature ([0-9a-f]{32}) ([0-9a-f]{128})")


@dataclass(frozen=True, slots=True)
class HeadLine:
    """The end of one partition: its last archived offset and that segment's hash (hex)."""

    topic: str
    topic_id: str
    partition: int
    last: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Head:
    """A head that verified. `at` is UTC ms by the archiver's clock."""

    at: int
    lines: tuple[HeadLine, ...]


def render(lines: Sequence[HeadLine], at: int, writer: bytes,
           sign: Callable[[bytes], bytes]) -> str:
    """The head's text, signed."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"
    body = "\n".join([_FIRST, f"time {stamp}", *(
        f"{one.topic} {one.topic_id} {one.partition} {one.last} {one.sha256}"
        for one in sorted(lines, key=lambda one: (one.topic, one.topic_id, one.partition)))])
    return f"{body}\nsignature {writer.hex()} {sign(body.encode()).hex()}\n"


def read(text: str, sealing_keys: Mapping[bytes, bytes]) -> Head:
    """The head in `text`. Raises Refused("head_signature…") unless a known sealing key signed."""
    body, _, last = text.rstrip("\n").rpartition("\n")
    match = _SIGNATURE.fullmatch(last)
    lines = body.split("\n")
    if match is None or len(lines) < 2 or lines[0] != _FIRST:
        raise Refused("head_signature: not a head")
    public = sealing_keys.get(bytes.fromhex(match[1]))
    if public is None:
        raise Refused("head_signature: the sealing key is not known")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(match[2]), body.encode())
        at = datetime.strptime(lines[1], "time %Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except (InvalidSignature, ValueError) as error:
        raise Refused("head_signature: does not verify") from error
    out = []
    for line in lines[2:]:
        read_line = _LINE.fullmatch(line)
        if read_line is None:
            raise Refused("head_signature: a line does not parse")
        topic, topic_id, partition, offset, digest = read_line.groups()
        out.append(HeadLine(topic, topic_id, int(partition), int(offset), digest))
    return Head(round(at.timestamp() * 1000), tuple(out))
