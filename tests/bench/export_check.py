"""Whether an exported package holds what was chosen, and what it needed to read for that.

Owns the reading of a package by the bench. Nothing of it is timed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas import codec, events
from schemas.events import CapturedEvent
from tests.bench.export_archive import Chosen

EVENTS: Final = "data/native/events.jsonl"
_CELLS: Final = "data/proof/cells.jsonl"


@dataclass(frozen=True, slots=True)
class Held:
    """What a package holds. `cells`: those that its records lie in, each once, and `cell_bytes` of
    them; `datum_bytes`: of the records alone; `segments`: how many it has cells of. `wrong`: "" or
    what is not as it was chosen."""

    records: int
    datum_bytes: int
    cells: int
    cell_bytes: int
    segments: int
    files: int
    bytes: int
    wrong: str


def held(package: Path, chosen: Mapping[str, Chosen]) -> Held:
    """Every chosen message has to be there, once, with its text; and no other message."""
    records = datum_bytes = 0
    left, wrong = dict(chosen), ""
    for line in _lines(package / EVENTS):
        datum = base64.b64decode(line["datum"])
        records, datum_bytes = records + 1, datum_bytes + len(datum)
        event = codec.decode(datum)
        if not isinstance(event, CapturedEvent) or event.kind != events.MESSAGE:
            continue
        known = left.pop(event.native_id or "", None)
        if known is None:
            wrong = wrong or f"record {line['record']} was not chosen, or is there twice"
        elif not known.text == event.text == line["event"]["text"]:
            wrong = wrong or f"record {line['record']} has another text"
    if left:
        wrong = wrong or f"{len(left)} of {len(chosen)} chosen messages are missing"
    leaves = [json.loads(one["entry"]) for one in _lines(package / _CELLS)]
    files = [one.stat().st_size for one in package.rglob("*") if one.is_file()]
    return Held(records, datum_bytes, len(leaves), sum(one["length"] for one in leaves),
                len({one["key"] for one in leaves}), len(files), sum(files), wrong)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
