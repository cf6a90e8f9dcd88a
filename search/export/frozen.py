"""An export as it was fixed when it began: selection, checkpoint, time stamps.

Owns the shape of the job file and of the selection's lines, so that an export that goes on days
later is the same export, whatever came into the archive meanwhile. Tokens and ids only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from archive.tlog import note
from archive.tlog.note import Key
from schemas.errors import Refused
from search.export import canonical
from search.export.proof import Stamp
from search.export.select import Chosen, Selection

SELECTION: Final = ".work/selection.jsonl"


@dataclass(frozen=True, slots=True)
class Frozen:
    """`wanted`: `Wanted.body`, as text; `checkpoint`: the signed note with the cosignatures of
    `witnesses`; `custodians`: whose messages were chosen; `selection`: SHA-256 (hex) of the
    selection's lines."""

    export_id: str
    wanted: str
    checkpoint: str
    witnesses: tuple[Key, ...]
    stamps: tuple[Stamp, ...]
    custodians: tuple[str, ...]
    selection: str

    def dump(self) -> bytes:
        """The job file."""
        return canonical.document({
            "v": 1, "export_id": self.export_id, "wanted": self.wanted,
            "checkpoint": self.checkpoint,
            "custodians": list(self.custodians), "selection": self.selection,
            "witnesses": [one.vkey() for one in self.witnesses],
            "stamps": [{"authority": one.authority, "size": one.size, "at": one.at,
                        "token": canonical.encoded(one.token),
                        "roots": canonical.encoded(one.roots),
                        "stamped": canonical.encoded(one.stamped)} for one in self.stamps]})


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
            tuple(said["custodians"]), said["selection"])
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
    if sha256(body).hexdigest() != digest:
        raise Refused("the selection of this export was cut or changed: delete the folder and "
                      "begin anew")
    withheld: dict[str, str] = {}
    return Selection(tuple(_read(body.splitlines(), withheld)), withheld)


def _read(lines: Iterable[bytes], withheld: dict[str, str]) -> Iterator[Chosen]:
    for one in lines:
        doc_id, conversation, account, sort_at, context, reason = json.loads(one)
        if reason:
            withheld[doc_id] = reason
        yield Chosen(doc_id, conversation, account, sort_at, context)
