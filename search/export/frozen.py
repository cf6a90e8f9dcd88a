"""An export as it was fixed when it began: selection, checkpoint, time stamps, and what else is
asked of the index: gaps, whose messages are, what was not chosen by right.

Owns the shape of the job file, of the selection's lines and of that, so that an export that goes on
days later is the same export, whatever came into the archive meanwhile. Of messages tokens and ids
only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final

from archive.tlog import note
from archive.tlog.note import Key
from schemas.assignment import Assignment
from schemas.errors import Refused
from schemas.gaps import Gap
from search.export import canonical
from search.export.places import Places
from search.export.proof import Stamp
from search.export.select import Chosen, Selection, shared

SELECTION: Final = ".work/selection.jsonl"
BEHELD: Final = ".work/beheld.json"


@dataclass(frozen=True, slots=True)
class Frozen:
    """`wanted`: `Wanted.body`, as text; `checkpoint`: the signed note with the cosignatures of
    `witnesses`; `custodians`: whose messages were chosen; `selection`, `beheld`: SHA-256 (hex) of
    the selection's lines, and of what else was read."""

    export_id: str
    wanted: str
    checkpoint: str
    witnesses: tuple[Key, ...]
    stamps: tuple[Stamp, ...]
    custodians: tuple[str, ...]
    selection: str
    beheld: str

    def dump(self) -> bytes:
        """The job file."""
        return canonical.document({
            "v": 1, "export_id": self.export_id, "wanted": self.wanted,
            "checkpoint": self.checkpoint,
            "custodians": list(self.custodians), "selection": self.selection,
            "beheld": self.beheld,
            "witnesses": [one.vkey() for one in self.witnesses],
            "stamps": [{"authority": one.authority, "size": one.size, "at": one.at,
                        "token": canonical.encoded(one.token),
                        "roots": canonical.encoded(one.roots),
                        "stamped": canonical.encoded(one.stamped)} for one in self.stamps]})


@dataclass(frozen=True, slots=True)
class Beheld:
    """What was read at the beginning beside the selection. `gaps`: of its period; `assignments`:
    whose unassigned messages are; `sees_all`: whether who asked sees all of what was chosen;
    `outside`, `beside`: places of what was not chosen by right (`complete.Ports.elsewhere`)."""

    gaps: tuple[Gap, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    sees_all: bool = True
    outside: Places = field(default_factory=Places)
    beside: Places = field(default_factory=Places)

    def dump(self) -> bytes:
        """As a file."""
        return canonical.document({
            "gaps": [asdict(one) for one in self.gaps],
            "assignments": [asdict(one) for one in self.assignments], "sees_all": self.sees_all,
            "outside": canonical.encoded(self.outside.dump()),
            "beside": canonical.encoded(self.beside.dump())})


def read_beheld(body: bytes, digest: str) -> Beheld:
    """What `Beheld.dump` gave. Raises Refused where it is not what the export began with."""
    _require(body, digest, "what this export read when it began")
    said: dict[str, Any] = json.loads(body)
    return Beheld(
        tuple(Gap(**one) for one in said["gaps"]),
        tuple(Assignment(**one) for one in said["assignments"]), said["sees_all"],
        *(Places.load(base64.b64decode(said[name])) for name in ("outside", "beside")))


def load(body: bytes) -> Frozen:
    """What `dump` gave. Raises Refused."""
    try:
        said: dict[str, Any] = json.loads(body)
        if said["v"] != 1:
            raise Refused("an export that another version began: delete the folder and begin anew")
        return Frozen(
            said["export_id"], said["wanted"], said["checkpoint"],
            tuple(note.read_vkey(one) for one in said["witnesses"]),
            tuple(Stamp(one["authority"], base64.b64decode(one["token"]),
                        base64.b64decode(one["roots"]), one["size"],
                        base64.b64decode(one["stamped"]), one["at"]) for one in said["stamps"]),
            tuple(said["custodians"]), said["selection"], said["beheld"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("the job file of this export does not read: delete the folder and begin anew"
                      ) from error


def selection_lines(chosen: Selection) -> bytes:
    """One line for each message, in the package's order."""
    return b"".join(canonical.line([one.doc_id, one.conversation, one.account, one.sort_at,
                                    one.context, chosen.withheld.get(one.doc_id, "")])
                    for one in chosen.chosen)


def read_selection(body: bytes, digest: str) -> Selection:
    """What `selection_lines` gave. Raises Refused where it is not what the export began with."""
    _require(body, digest, "the selection of this export")
    withheld: dict[str, str] = {}
    return Selection(tuple(_read(body.splitlines(), withheld)), withheld)


def _require(body: bytes, digest: str, what: str) -> None:
    if sha256(body).hexdigest() != digest:
        raise Refused(f"{what} was cut or changed: delete the folder and begin anew")


def _read(lines: Iterable[bytes], withheld: dict[str, str]) -> Iterator[Chosen]:
    known: dict[str, str] = {}
    for one in lines:
        doc_id, conversation, account, sort_at, context, reason = json.loads(one)
        if reason:
            withheld[doc_id] = reason
        yield Chosen(doc_id, shared(known, conversation), shared(known, account), sort_at, context)
