"""The ids that join events: pure functions of an event's own fields, frozen with format 1.

They live inside sealed bytes only. Whatever leaves them (document ids, tokens, tags) is an HMAC of
these under a key of its own (PROTOCOL I1). Not stored in the datum: docs/decisions/0001.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct

from schemas.events import CapturedEvent, Identity

ID_BYTES = 16
_LENGTH = struct.Struct(">I")
_INTEGER = struct.Struct(">IQ")
_DIGITS = re.compile(r"[0-9]{5,20}")


def canonical(*parts: bytes | str | int) -> bytes:
    """Injective encoding: each part as u32 big-endian length and bytes; integers as u64."""
    out: list[bytes] = []
    for part in parts:
        if isinstance(part, int):
            out.append(_INTEGER.pack(8, part))
            continue
        body = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else bytes(part)
        out += _LENGTH.pack(len(body)), body
    return b"".join(out)


def keyed(key: bytes, label: str, *parts: bytes | str | int) -> bytes:
    """16 bytes of HMAC-SHA256 under `key` over a label and canonical parts."""
    return hmac.digest(key, canonical(label, *parts), "sha256")[:ID_BYTES]


def _hash(label: str, *parts: bytes | str | int) -> bytes:
    return hashlib.sha256(canonical(label, *parts)).digest()[:ID_BYTES]


def message_key(event: CapturedEvent) -> bytes:
    """What all events about one message at one account share (PROTOCOL I2).

    An edit or retraction has its target's key, an orphan too; an event without a target that is
    about no known message has a key of its own.
    """
    if event.target_key is not None:
        return event.target_key
    subject = event.target if event.target is not None else event.native_id
    if subject is None:
        return _hash("counterfoil/alone/v1", event_id(event))
    return key_of(event.channel, event.account, subject)


def key_of(channel: str, account: str, native_id: str) -> bytes:
    """The message_key of the message that `account` knows as `native_id`."""
    return _hash("counterfoil/message/v1", channel, account, native_id)


def event_id(event: CapturedEvent) -> bytes:
    """The same fact captured twice has the same id; captured_at and raw bytes are not in it."""
    return _hash(
        "counterfoil/event/v1",
        event.channel,
        event.account,
        event.native_id or "",
        event.target or "",
        event.target_key or b"",
        event.kind,
        event.revision,
    )


def shared_key(event: CapturedEvent) -> bytes | None:
    """Links copies of one message at several accounts; null where the id is not global."""
    subject = event.target if event.target is not None else event.native_id
    if event.channel != "whatsapp" or subject is None:
        return None
    stanza = stanza_of(subject)
    return _hash("counterfoil/shared/v1", event.channel, stanza) if stanza else None


def delivery_id(captured_at: int, body: bytes) -> bytes:
    """Names one request: 16 bytes of a hash over our time and its whole body."""
    return _hash("counterfoil/delivery/v1", captured_at, body)


def stanza_of(wamid: str) -> str | None:
    """The stanza id inside a wamid, best effort (CAPTURE §1, undocumented), or null."""
    inside = _inside(wamid)
    return inside[1] if inside else None


def peer_of(wamid: str) -> Identity | None:
    """The number inside a wamid: the other side's. Best effort, as `stanza_of`; null for a group's
    and for what is no number."""
    inside = _inside(wamid)
    return phone(inside[0]) if inside else None


def _inside(wamid: str) -> tuple[str, str] | None:
    """(peer, stanza id) in a wamid, or null.

    Layout: 1C 18 <len> <peer digits> 15 02 00 <11|12> 18 <len> <stanza id> 00, in base64.
    """
    if not wamid.startswith("wamid."):
        return None
    body = wamid[6:]
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) < 9 or data[:2] != b"\x1c\x18":
        return None
    at = 3 + data[2]
    if data[at:at + 3] != b"\x15\x02\x00" or data[at + 4:at + 5] != b"\x18":
        return None
    length = data[at + 5] if at + 5 < len(data) else 0
    stanza = data[at + 6:at + 6 + length]
    if length < 8 or len(stanza) != length:
        return None
    try:
        return data[3:at].decode("latin-1"), stanza.decode("ascii")
    except UnicodeDecodeError:
        return None


def phone(raw: str, *, channel_prefix: str = "") -> Identity | None:
    """An e164 identity from digits as WhatsApp (no plus) or Twilio (plus) write them, or null."""
    text = raw.removeprefix(channel_prefix).strip()
    digits = text.removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return None
    return Identity(native_id="+" + digits, id_type="e164")


def pair(first: str, second: str) -> str:
    """The conversation of two parties: the same whichever of them speaks."""
    low, high = sorted((first, second))
    return f"pair:{low}|{high}"


def group(native_id: str) -> str:
    """The conversation of a group."""
    return f"group:{native_id}"
