"""C2SP checkpoints: the head of the log's tree as the text of a signed note.

Owns that text, and the port `Latest`: the last head that somebody put a name to, which is what
keeps a signer and a witness from ever going back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from archive.merkle import EMPTY_ROOT
from archive.tlog import note
from archive.tlog.note import Key, Note, Signed, Signer
from archive.tlog.tree import HASH_BYTES, SIZE_MAX
from schemas.errors import Refused

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Head:
    """A tree's size and root."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says. `extensions` are further lines; ours has none."""

    origin: str
    head: Head
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note's text."""
        root = base64.b64encode(self.head.root).decode()
        return "\n".join((self.origin, str(self.head.size), root, *self.extensions)) + "\n"


class Latest(Protocol):
    """The last head that was signed under each origin; durable. Raises Transient."""

    def load(self, origin: str) -> Head | None:
        """Null where none ever was."""

    def swap(self, origin: str, known: Head | None, new: Head) -> bool:
        """Put `new` where `known` is what lies there, in one step; durable when it returns true.
        False when something else lies there."""


def read_text(text: str) -> Checkpoint:
    """The checkpoint that a note's text is. Raises Refused("tlog_checkpoint…")."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise Refused("tlog_checkpoint: fewer than three lines, or an empty one")
    size = read_size(lines[1])
    root = note.decode_base64(lines[2])
    if size is None or root is None or len(root) != HASH_BYTES:
        raise Refused("tlog_checkpoint: its size or root does not parse")
    if size == 0 and root != EMPTY_ROOT:
        raise Refused("tlog_checkpoint: an empty tree with a root of its own")
    return Checkpoint(lines[0], Head(size, root), tuple(lines[3:-1]))


def read_size(text: str) -> int | None:
    """A decimal without leading zeros, or null."""
    if _SIZE.fullmatch(text) is None or int(text) > SIZE_MAX:
        return None
    return int(text)


def signed(origin: str, head: Head, signer: Signer) -> Note:
    """The checkpoint, signed by the log. Equal heads give equal bytes."""
    text = Checkpoint(origin, head).text()
    return Note(text, (note.sign(text, signer),))


def opened(signed_note: Note, keys: Iterable[Key]) -> tuple[Checkpoint, tuple[Signed, ...]]:
    """The checkpoint and who of `keys` signed it, at least one of them the log itself: a key of
    kind 0x01 whose name is the origin. Raises Refused."""
    checkpoint = read_text(signed_note.text)
    by = note.verify(signed_note, keys)
    if not any(one.key.kind == note.ED25519 and one.key.name == checkpoint.origin for one in by):
        raise Refused("tlog_signature: the log itself did not sign")
    return checkpoint, by
