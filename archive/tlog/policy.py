"""C2SP tlog-policy: which logs are believed, and how many witnesses must have seen their trees.

Owns the file's text and the question "is this quorum met"; offline, on signatures that verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from archive.tlog import checkpoint, note
from archive.tlog.checkpoint import Checkpoint, read_size
from archive.tlog.note import Key, Note, Signed
from schemas.errors import Refused

_LINES_MAX: Final = 10_000
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Group:
    """Witnessed when `needed` of its members are. A member is a witness or an earlier group."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is believed. `quorum` names a witness or group, or is "none"; `urls` by witness."""

    logs: tuple[Key, ...]
    witnesses: Mapping[str, Key]
    groups: Mapping[str, Group]
    quorum: str
    urls: Mapping[str, str]

    def check(self, signed_note: Note) -> tuple[Checkpoint, tuple[Signed, ...]]:
        """The checkpoint, if a log of the policy signed it and its quorum saw it. Raises Refused.
        """
        found, by = checkpoint.opened(signed_note, (*self.logs, *self.witnesses.values()))
        if not self.is_met(by):
            raise Refused(f"tlog_quorum: {self.quorum} has not witnessed this checkpoint")
        return found, by

    def is_met(self, by: Iterable[Signed]) -> bool:
        """Whether these signatures are a quorum."""
        keys = {one.key for one in by}
        seen = {name for name, key in self.witnesses.items() if key in keys}
        for name, group in self.groups.items():   # in the file's order: members come first
            if sum(member in seen for member in group.members) >= group.needed:
                seen.add(name)
        return self.quorum == _NONE or self.quorum in seen


class _Reader:
    def __init__(self) -> None:
        self.logs: dict[bytes, Key] = {}
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, Group] = {}
        self.urls: dict[str, str] = {}
        self.members: set[str] = set()
        self.quorum = ""

    def take(self, words: list[str]) -> bool:
        """Whether one line reads."""
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                key = note.read_vkey(vkey)
                if key.kind != note.ED25519 or key.public in self.logs:
                    return False
                self.logs[key.public] = key
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                key = note.read_vkey(vkey)
                known = {one.public for one in self.witnesses.values()}
                if not self._is_new(name) or key.kind != note.COSIGNATURE or key.public in known:
                    return False
                self.witnesses[name] = key
                self.urls |= {name: words[3]} if len(words) == 4 else {}
            case ["group", name, needed, *members] if members:
                return self._group(name, needed, members)
            case ["quorum", name] if not self.quorum and (name == _NONE or self._is_known(name)):
                self.quorum = name
            case _:
                return False
        return True

    def _group(self, name: str, needed: str, members: list[str]) -> bool:
        count = {"all": len(members), "any": 1}.get(needed) or read_size(needed) or 0
        taken = self.members & set(members) or len(set(members)) != len(members)
        if (taken or not self._is_new(name) or not all(self._is_known(one) for one in members)
                or not 1 <= count <= len(members)):
            return False
        self.members |= set(members)
        self.groups[name] = Group(count, tuple(members))
        return True

    def _is_known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _is_new(self, name: str) -> bool:
        return name != _NONE and not self._is_known(name)


def read(text: str) -> Policy:
    """Raises Refused("tlog_policy…") with the line's number."""
    reader = _Reader()
    lines = text.split("\n")
    if len(lines) > _LINES_MAX:
        raise Refused("tlog_policy: too long")
    for number, line in enumerate(lines, 1):
        if any((char < " " and char != "\t") or char == "\x7f" for char in line):
            raise Refused(f"tlog_policy: line {number} holds a control character")
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#") and not reader.take(words):
            raise Refused(f"tlog_policy: line {number} does not read")
    if not reader.quorum:
        raise Refused("tlog_policy: it names no quorum")
    return Policy(tuple(reader.logs.values()), reader.witnesses, reader.groups, reader.quorum,
                  reader.urls)
