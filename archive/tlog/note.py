"""C2SP signed notes: a text, and lines that say who signed it. Pure.

Owns keys, their ids and the two kinds of signature that we make and check: Ed25519 of a log (0x01)
and the timestamped cosignature of a witness (0x04). What the text says is `checkpoint.py`'s.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.errors import Refused

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
KINDS: Final = frozenset({ED25519, COSIGNATURE})
# C2SP asks for at least 16 signatures to be accepted, one of which may be of 5 kB.
NOTE_BYTES_MAX: Final = 1024 * 1024
SIGNATURES_MAX: Final = 100
TIME_MAX: Final = 2**63 - 1
_DASH: Final = "\u2014 "
_VKEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Key:
    """A key whose word counts: its name, its kind (0x01 or 0x04) and 32 bytes of Ed25519."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """4 bytes: SHA-256(name ‖ 0A ‖ kind ‖ public key), cut."""
        said = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return sha256(said).digest()[:4]

    def vkey(self) -> str:
        """As it is written into files: name+id+base64(kind ‖ public key)."""
        body = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{body}"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key with its private half, as a function: `sign` makes an Ed25519 signature (RFC 8032)."""

    key: Key
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, and the bytes behind the key id."""

    name: str
    key_id: bytes
    body: bytes

    def line(self) -> str:
        """As it stands in a note, with its line end."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.body).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as read: its text (with its last line end) and who says to have signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def render(self) -> str:
        """The note's bytes, as text."""
        return self.text + "\n" + "".join(one.line() for one in self.signatures)


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that verified. `time` is UTC seconds where the kind states one, else null."""

    key: Key
    signature: Signature
    time: int | None = None


def is_name(name: str) -> bool:
    """Whether a key may be called so: not empty, no space of any script, no plus, no control."""
    return bool(name) and not any(
        char.isspace() or char == "+" or char < " " or "\ud800" <= char <= "\udfff"
        for char in name)


def read_vkey(text: str) -> Key:
    """Raises Refused("tlog_key…")."""
    match = _VKEY.fullmatch(text)
    body = decode_base64(match[3]) if match else None
    if match is None or body is None or not is_name(match[1]):
        raise Refused("tlog_key: not a verifier key")
    if len(body) != 33 or body[0] not in KINDS:
        raise Refused("tlog_key: a kind of key that is not known here")
    key = Key(match[1], body[0], body[1:])
    if key.key_id.hex() != match[2]:
        raise Refused("tlog_key: its id is not that of its name and key")
    return key


def read(text: str) -> Note:
    """The note in `text`; nothing is verified. Raises Refused("tlog_note…")."""
    if len(text) > NOTE_BYTES_MAX:
        raise Refused("tlog_note: too large")
    if any((char < " " and char != "\n") or "\ud800" <= char <= "\udfff" for char in text):
        raise Refused("tlog_note: a character that no note holds")
    front, blank, back = text.rpartition("\n\n")
    if not blank or not back.endswith("\n"):
        raise Refused("tlog_note: no signatures")
    lines = back[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise Refused("tlog_note: too many signatures")
    return Note(front + "\n", tuple(read_signature(line) for line in lines))


def read_bytes(body: bytes) -> Note:
    """`read` of UTF-8."""
    try:
        return read(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused("tlog_note: not UTF-8") from error


def read_signature(line: str) -> Signature:
    """One signature line without its line end. Raises Refused("tlog_note…")."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    body = decode_base64(encoded)
    if (not line.startswith(_DASH) or not space or not is_name(name)
            or body is None or len(body) < 5):
        raise Refused("tlog_note: a signature line does not parse")
    return Signature(name, body[:4], body[4:])


def verify(note: Note, keys: Iterable[Key]) -> tuple[Signed, ...]:
    """Who of `keys` signed: at least one. Signatures of other keys are ignored; one of a known
    key that does not verify spoils the whole note. Raises Refused("tlog_signature…")."""
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[tuple[str, bytes], Signed] = {}
    for one in note.signatures:
        key = known.get((one.name, one.key_id))
        if key is None or (one.name, one.key_id) in found:
            continue
        signed = check(note.text, one, key)
        if signed is None:
            raise Refused(f"tlog_signature: that of {one.name} does not verify")
        found[one.name, one.key_id] = signed
    if not found:
        raise Refused("tlog_signature: no known key signed")
    return tuple(found.values())


def check(text: str, signature: Signature, key: Key) -> Signed | None:
    """The signature if `key` made it over `text`, else null."""
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        return None
    if key.kind == ED25519:
        return (Signed(key, signature)
                if is_ed25519(key.public, signature.body, text.encode()) else None)
    if key.kind != COSIGNATURE or len(signature.body) != 72:
        return None
    time = int.from_bytes(signature.body[:8], "big")
    if time > TIME_MAX or not is_ed25519(key.public, signature.body[8:],
                                         cosigned_message(text, time)):
        return None
    return Signed(key, signature, time)


def sign(text: str, signer: Signer) -> Signature:
    """The log's own signature over a note's text."""
    assert signer.key.kind == ED25519
    assert text.endswith("\n")
    return Signature(signer.key.name, signer.key.key_id, signer.sign(text.encode()))


def cosign(text: str, signer: Signer, time: int) -> Signature:
    """A witness's cosignature; `time` is UTC seconds."""
    assert signer.key.kind == COSIGNATURE
    assert 0 <= time <= TIME_MAX
    return Signature(signer.key.name, signer.key.key_id,
                     time.to_bytes(8, "big") + signer.sign(cosigned_message(text, time)))


def cosigned_message(text: str, time: int) -> bytes:
    """What a witness signs (C2SP tlog-cosignature, Ed25519)."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def with_signatures(note: Note, more: Sequence[Signature]) -> Note:
    """The note with further signatures behind its own, each line once."""
    return Note(note.text, tuple(dict.fromkeys([*note.signatures, *more])))


def is_ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is that of `public` over `message` (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def decode_base64(text: str) -> bytes | None:
    """Standard alphabet, padded, in its one spelling; else null."""
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return body if base64.b64encode(body).decode() == text else None
