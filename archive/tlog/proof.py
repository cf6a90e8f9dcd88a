"""C2SP `.tlog-proof`: one leaf is in a tree that the log signed; checked offline.

Owns the file's text and its check. Which witnesses must have seen the tree is `policy.py`'s.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from archive.tlog import checkpoint, note, tree
from archive.tlog.checkpoint import Checkpoint, read_size
from archive.tlog.note import Key, Note, Signed
from schemas.errors import Refused

_FIRST: Final = "c2sp.org/tlog-proof@v1"
_PATH_MAX: Final = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as it stands in its file. `extra` is not authenticated by anything; null: no line."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None = None

    def render(self) -> str:
        """The file's text."""
        lines = [_FIRST]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(one).decode() for one in self.path]
        return "\n".join(lines) + "\n\n" + self.checkpoint.render()


def read(text: str) -> TlogProof:
    """The proof in `text`; nothing is verified. Raises Refused("tlog_proof…")."""
    front, blank, back = text.partition("\n\n")
    lines = front.split("\n")
    if not blank or lines.pop(0) != _FIRST:
        raise Refused("tlog_proof: not a proof")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = note.decode_base64(lines.pop(0).removeprefix("extra "))
        if extra is None:
            raise Refused("tlog_proof: its extra data does not parse")
    name, _, number = (lines.pop(0) if lines else "").partition(" ")
    index = read_size(number) if name == "index" else None
    path = read_hashes(lines)
    if index is None or path is None:
        raise Refused("tlog_proof: its index or path does not parse")
    return TlogProof(index, path, note.read(back), extra)


def read_hashes(lines: list[str]) -> tuple[bytes, ...] | None:
    """Up to 63 hashes, one a line in base64; else null."""
    out = [note.decode_base64(line) for line in lines[:_PATH_MAX + 1]]
    if len(out) > _PATH_MAX:
        return None
    path = tuple(one for one in out if one is not None and len(one) == tree.HASH_BYTES)
    return path if len(path) == len(out) else None


def check(given: TlogProof, entry: bytes,
          keys: Iterable[Key]) -> tuple[Checkpoint, tuple[Signed, ...]]:
    """The checkpoint that holds `entry`, and who of `keys` signed it. Raises Refused."""
    found, by = checkpoint.opened(given.checkpoint, keys)
    tree.check_inclusion(tree.leaf_hash(entry), given.index, found.head.size, given.path,
                         found.head.root)
    return found, by
