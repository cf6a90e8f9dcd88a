"""What an exporter can make who lies: he holds the package's key, and opens every cell.

Owns the making: records left out or under other labels with everything else made to fit, cells and
tags listed anew, other claims. What of it a verifier must refuse is test_verify_dishonest.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from tests.export.offline_archive import Archive, archive, path_of
from tests.export.packages import Files, Shape, b64, domains, lines, open_tag, spelled

EVENTS, PROOFS = "data/native/events.jsonl", "data/proof/events.jsonl"
CELLS, TAGS = "data/proof/cells.jsonl", "data/proof/tags.jsonl"
WITHHELD, COMPLETE = "data/proof/withheld.jsonl", "data/proof/complete.json"
_RAW, _FILES = "data/native/raw/", "data/native/attachments/"
Row = dict[str, Any]


def rows(files: Files, path: str) -> list[Row]:
    """The lines of a `.jsonl` file."""
    return [json.loads(one) for one in files[path].splitlines()]


def pairs(files: Files) -> list[tuple[Row, Row]]:
    """Each record with its proof."""
    return list(zip(rows(files, EVENTS), rows(files, PROOFS), strict=True))


def keep(files: Files, kept: Iterable[tuple[int, Row]]) -> None:
    """Only these records (row from 0, what of it is said otherwise), numbered anew with their
    documents, raw bytes and files; `cells.jsonl` made to fit."""
    events, proofs = rows(files, EVENTS), rows(files, PROOFS)
    raw = {path: files.pop(path) for path in sorted(files) if path.startswith(_RAW)}
    attached = {path: files.pop(path) for path in sorted(files) if path.startswith(_FILES)}
    chosen = list(kept)
    numbers = {row + 1: number for number, (row, _) in enumerate(chosen, 1)}
    documents: dict[str, str] = {}
    out: list[Row] = []
    for number, (row, changes) in enumerate(chosen, 1):
        one = events[row] | changes
        document = documents.setdefault(one["document"], f"CF-{len(documents) + 1:07d}")
        one |= {"record": number, "document": document}
        if one["raw"] is not None:
            path = f"{_RAW}{number:07d}.{one['raw']['file'].rpartition('.')[2]}"
            files[path] = raw[one["raw"]["file"]]
            one["raw"] = one["raw"] | {"file": path}
            if "of" in one["raw"]:
                one["raw"]["of"] = numbers.get(one["raw"]["of"], 0)
        out.append(one)
    for path, body in attached.items():
        document = documents.get(path[len(_FILES):].partition("_")[0], "")
        if document:
            files[f"{_FILES}{document}_{path.rpartition('_')[2]}"] = body
    files[EVENTS] = lines(out)
    files[PROOFS] = lines(proofs[row] | {"record": number}
                          for number, (row, _) in enumerate(chosen, 1))
    listed(files)


def without(files: Files, gone: Callable[[Row, Row], bool]) -> None:
    """All but the records (with their proofs) of which that holds."""
    keep(files, [(row, {}) for row, pair in enumerate(pairs(files)) if not gone(*pair)])


def excerpts(files: Files) -> None:
    """Ranges of deliveries that are here are said to be of ones that are not."""
    found = rows(files, EVENTS)
    for one in found:
        if one["raw"] and one["raw"].pop("of", 0):
            one["raw"]["kind"] = "excerpt"
    files[EVENTS] = lines(found)


def listed(files: Files) -> None:
    """`cells.jsonl` as the records and what stays behind need it."""
    made = archive()
    named = sorted({one["leaf"] for one in (*rows(files, PROOFS), *rows(files, WITHHELD))})
    files[CELLS] = lines({
        "leaf": leaf, "entry": made.cells[leaf].leaf.entry().decode(),
        "path": b64(path_of(made.entries, leaf))} for leaf in named)


def claimed(files: Files, **changes: Any) -> None:
    """`complete.json` says something else."""
    files[COMPLETE] = spelled(json.loads(files[COMPLETE]) | changes) + b"\n"


def named(files: Files, tags: Mapping[str, bytes], wanted: Collection[str],
          erased: Collection[int] = ()) -> None:
    """Completeness of these conversations (number -> tag) in these domains, truly opened; `erased`:
    leaves that are said to be."""
    opened(files, list(tags.items()), wanted, erased)


def opened(files: Files, tags: Sequence[tuple[str, bytes]], wanted: Collection[str],
           erased: Collection[int] = ()) -> None:
    """The same of (number, tag), of which a number may have several."""
    made = archive()
    claimed(files, conversations=[{"conversation": name, "tag": tag.hex()} for name, tag in tags])
    files[TAGS] = lines(
        {"leaf": cell.index, "erased": True} if cell.index in erased else
        {"leaf": cell.index, "tag_key": cell.tag_key.hex(), "tags": len(cell.tags),
         "open": [open_tag(cell, name, tag) for name, tag in tags]}
        for cell in made.cells if cell.leaf.cell.domain in wanted)


def tag(who: tuple[int, int]) -> bytes:
    """Of a conversation."""
    made = archive()
    return made.tags[made.names[who]]


def domains_of(*who: tuple[int, int]) -> Sequence[str]:
    """In which these conversations lie."""
    made: Archive = archive()
    return domains(made, Shape(chosen=who))
