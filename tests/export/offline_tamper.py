"""What somebody does to a package, drawn from a seed; every one of these changes must be found.

Owns the changes, by what he has: hands alone, the hash of every file (anybody can compute them), or
the package's key, with which he seals anew whatever he has written. What is no change, or is
covered by the seal alone for who holds its key, is left out here, each with its reason.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from typing import Any, Final

from tests.export.certified import certified
from tests.export.offline_archive import ANN, BEN, CAT, DAN, EVE, WITNESSES
from tests.export.offline_lies import NOTHING, lie
from tests.export.packages import (
    SHAPES,
    Files,
    Shape,
    bagged,
    edit,
    package,
    sealed,
    spelled,
)

EVENTS, PROOFS = "data/native/events.jsonl", "data/proof/events.jsonl"
CELLS, TAGS = "data/proof/cells.jsonl", "data/proof/tags.jsonl"
WITHHELD, CHECKPOINT = "data/proof/withheld.jsonl", "data/proof/checkpoint"
# What a record says of its arrangement: the exporter's word, covered by the seal.
LABELS: Final = ("document", "conversation", "custodian")
Chance = random.Random


@cache
def clean(shape: str) -> Mapping[str, bytes]:
    """A package that nobody has touched."""
    return package(SHAPES[shape])


def attacked(chance: Chance) -> tuple[str, Files]:
    """(what was done, the package afterwards): never the same bytes as before."""
    while True:
        before = dict(clean(chance.choice(sorted(SHAPES))))
        who = chance.choice((_hands, _hands, _hashes, _key))
        said, after = who(chance, before)
        if after != before:
            return said, after


def innocent(chance: Chance) -> Shape:
    """A shape drawn at random, of which nothing is wrong."""
    everybody = [ANN, BEN, CAT, DAN, EVE]
    chance.shuffle(everybody)
    count = chance.randrange(1, 6)
    claim = chance.choice(("none", "conversations", "custodians"))
    behind = {one: chance.choice(("privileged", "outside_period", "not_chosen"))
              for one in everybody[count:] if chance.random() < 0.5}
    return Shape(
        chosen=tuple(everybody[:count]), withheld=behind, claim=claim,
        erased=frozenset(leaf for leaf in range(7) if chance.random() < 0.15),
        witnesses=WITNESSES[:chance.randrange(3)],
        only=chance.choice((0, chance.randrange(1, 6))) if claim == "none" else 0)


# -- with bare hands

def _hands(chance: Chance, files: Files) -> tuple[str, Files]:
    """Any change of any file, and nothing made to fit."""
    path = chance.choice(sorted(files))
    act = chance.choice((_flip, _cut, _longer, _gone, _added, _moved, _swapped, _lines, _replaced))
    return f"hands: {act.__name__} {path}", act(chance, dict(files), path)


def _hashes(chance: Chance, files: Files) -> tuple[str, Files]:
    """The same, with size, manifest and tag manifest computed anew: only the seal knows."""
    said, after = _hands(chance, files)
    seal = after.get("seal.note", b"")
    after = bagged(after) | {"seal.note": seal}
    # A change of what is computed anew is undone by it: then it was none.
    return said.replace("hands", "hashes"), after


def _flip(chance: Chance, files: Files, path: str) -> Files:
    body = bytearray(files[path] or b"\0")
    at = chance.randrange(len(body) * 8)
    body[at // 8] ^= 1 << at % 8
    return files | {path: bytes(body)}


def _cut(chance: Chance, files: Files, path: str) -> Files:
    body = files[path]
    at = chance.randrange(len(body) + 1)
    return files | {path: chance.choice((body[:at], body[at:], body[:-1]))}


def _longer(chance: Chance, files: Files, path: str) -> Files:
    more = chance.choice((b"\n", b" ", b"\0", files[path], chance.randbytes(9)))
    return files | {path: chance.choice((files[path] + more, more + files[path]))}


def _gone(_chance: Chance, files: Files, path: str) -> Files:
    del files[path]
    return files


def _added(chance: Chance, files: Files, path: str) -> Files:
    return files | {chance.choice((path + ".bak", "data/" + path, "x/" + path, "new.txt")):
                    chance.choice((b"", files[path]))}


def _moved(chance: Chance, files: Files, path: str) -> Files:
    return {path + "~" if one == path else one: body for one, body in files.items()}


def _swapped(chance: Chance, files: Files, path: str) -> Files:
    other = chance.choice(sorted(files))
    return files | {path: files[other], other: files[path]}


def _lines(chance: Chance, files: Files, path: str) -> Files:
    """Two change places, one stands twice, one is gone, all are in another order."""
    rows = files[path].splitlines(keepends=True)
    if not rows:
        return files
    one, other = chance.randrange(len(rows)), chance.randrange(len(rows))
    way = chance.randrange(4)
    if way == 0:
        rows[one], rows[other] = rows[other], rows[one]
    elif way == 1:
        rows.insert(other, rows[one])
    elif way == 2:
        del rows[one]
    else:
        chance.shuffle(rows)
    return files | {path: b"".join(rows)}


def _replaced(chance: Chance, files: Files, path: str) -> Files:
    """By the file of the same name of another package."""
    other = clean(chance.choice(sorted(SHAPES)))
    return files | {path: other.get(path, b"")}


# -- with the package's key: sealed anew, the certificate made to fit

def _key(chance: Chance, files: Files) -> tuple[str, Files]:
    """A change of what is proved; the rest is covered by the seal, which he makes."""
    has_log = "data/proof/log/checkpoint" in files
    acts: tuple[Callable[[Chance, Files], str], ...] = (
        _bytes_of_proof, _bytes_of_proof, _field_of_record, _address, _proof, _exchanged_datums,
        _exchanged_proofs, _exchanged_records, _reordered, _doubled, _raw, _cell,
        lie, lie, lie, lie)
    if has_log:
        acts += (_dropped, _hidden, _log, _log)
    if TAGS in files:
        acts += (_tag, _tag, _tag_line, _relabelled)
    after = dict(files)
    said = chance.choice(acts)(chance, after)
    if after == files or said == NOTHING:
        return said, files
    # What a certificate says of it is made to fit too, where it is not the lie itself.
    if after.get("certificate.json") == files["certificate.json"]:
        after["certificate.json"] = certified(after)
    return f"key: {said}", sealed(after)


def _rows(files: Files, path: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in files[path].splitlines()]


def _put(files: Files, path: str, rows: list[dict[str, Any]]) -> None:
    files[path] = b"".join(spelled(one) + b"\n" for one in rows)


def _unlabelled(body: bytes) -> list[Any]:
    """What is proved of a file of lines: without the labels of the arrangement."""
    try:
        rows = [json.loads(one) for one in body.split(b"\n")[:-1]]
    except ValueError:
        return [body]
    return [{name: value for name, value in one.items() if name not in LABELS}
            if isinstance(one, dict) else one for one in rows] + [body[-1:]]


def _bytes_of_proof(chance: Chance, files: Files) -> str:
    """A bit of a file that is proved. Left out: labels (the exporter's word); lines of the head
    that name witnesses (one that is not known is none, C2SP)."""
    path = chance.choice([one for one in sorted(files) if files[one] and (
        one in (EVENTS, PROOFS, CELLS, CHECKPOINT) or one.startswith((
            "data/native/raw/", "data/native/attachments/", "data/proof/schemas/",
            "data/proof/log/")))])
    body = bytearray(files[path])
    end = len(body)
    if path == CHECKPOINT:
        end = bytes(body).index(b"\n", bytes(body).index(b"\n\n") + 2)
    at = chance.randrange(end * 8)
    body[at // 8] ^= 1 << at % 8
    if path != EVENTS or _unlabelled(bytes(body)) != _unlabelled(files[path]):
        files[path] = bytes(body)
    return f"bit {at} of {path}"


def _some(chance: Chance, files: Files, path: str) -> int:
    count = files[path].count(b"\n")
    return chance.randrange(count) if count else -1


def _field_of_record(chance: Chance, files: Files) -> str:
    """What a record is shown to say, at one field of the event or of its whole."""
    row = _some(chance, files, EVENTS)
    if row < 0:
        return "nothing"

    def change(value: dict[str, Any]) -> None:
        shown = value[chance.choice([one for one in ("event", "whole") if one in value])]
        name = chance.choice(sorted(shown))
        if chance.random() < 0.2:
            del shown[name]
        else:
            others: tuple[Any, ...] = (None, 0, 1, True, False, "", "x", [], {}, shown.get("text"))
            shown[name] = chance.choice([one for one in others
                                         if spelled(one) != spelled(shown[name])])

    edit(files, EVENTS, row, change)
    return f"field of record {row + 1}"


def _address(chance: Chance, files: Files) -> str:
    row = _some(chance, files, EVENTS)
    if row < 0:
        return "nothing"

    def change(value: dict[str, Any]) -> None:
        name = chance.choice(("offset", "index", "partition", "topic_id"))
        old = value["address"][name]
        value["address"][name] = (chance.randbytes(16).hex() if name == "topic_id"
                                  else old + chance.choice((1, 2, 1 << 32)))

    edit(files, EVENTS, row, change)
    return f"address of record {row + 1}"


def _proof(chance: Chance, files: Files) -> str:
    row = _some(chance, files, PROOFS)
    if row < 0:
        return "nothing"

    def change(value: dict[str, Any]) -> None:
        name = chance.choice(("leaf", "position", "salt", "path"))
        if name == "path":
            value[name] = _other_path(chance, value[name])
        else:
            value[name] = (chance.randbytes(32).hex() if name == "salt"
                           else value[name] + chance.randrange(1, 5))

    edit(files, PROOFS, row, change)
    return f"proof of record {row + 1}"


def _other_path(chance: Chance, path: list[str]) -> list[str]:
    fresh = base64.b64encode(chance.randbytes(32)).decode()
    at = chance.randrange(len(path) + 1)
    return chance.choice(([*path[:at], fresh, *path[at:]], [*path[:at], fresh, *path[at + 1:]],
                          path[:-1] if path else [fresh]))


def _exchanged(chance: Chance, files: Files, path: str, names: tuple[str, ...]) -> str:
    """Two lines exchange what they say under `names`."""
    rows = _rows(files, path)
    if len(rows) < 2:
        return "nothing"
    one, other = chance.sample(rows, 2)
    said = f"{names} of {one['record']} and {other['record']}"
    for name in names:
        one[name], other[name] = other[name], one[name]
    _put(files, path, rows)
    return said


def _exchanged_datums(chance: Chance, files: Files) -> str:
    return _exchanged(chance, files, EVENTS, chance.choice((
        ("datum",), ("datum", "event"), ("address",), ("event",), ("raw",),
        ("datum", "event", "address"))))


def _exchanged_proofs(chance: Chance, files: Files) -> str:
    before = files[PROOFS]
    said = _exchanged(chance, files, PROOFS, chance.choice((
        ("salt",), ("path",), ("position",), ("leaf",), ("leaf", "position", "salt", "path"))))
    if _unlabelled(files[PROOFS]) == _unlabelled(before):
        files[PROOFS] = before   # both said the same: no change
    return said


def _exchanged_records(chance: Chance, files: Files) -> str:
    """Two records with their proofs under each other's numbers, everything else of them kept.

    Left out: two of one document. Which of its versions stands first is the exporter's word, and
    their numbers and files can be made to fit; here the files are not, and that is found too."""
    rows, proofs = _rows(files, EVENTS), _rows(files, PROOFS)
    pairs = [(one, other) for one in range(len(rows)) for other in range(one)
             if rows[one]["document"] != rows[other]["document"]]
    if not pairs:
        return "nothing"
    one, other = chance.choice(pairs)
    for some in (rows, proofs):
        some[one], some[other] = some[other], some[one]
        for row in (one, other):
            some[row]["record"] = row + 1
    _put(files, EVENTS, rows)
    _put(files, PROOFS, proofs)
    return f"records {one + 1} and {other + 1} exchanged"


def _reordered(chance: Chance, files: Files) -> str:
    """Whole documents in another order, records numbered anew, the documents' numbers kept."""
    rows, proofs = _rows(files, EVENTS), _rows(files, PROOFS)
    documents = list(dict.fromkeys(one["document"] for one in rows))
    chance.shuffle(documents)
    order = sorted(range(len(rows)), key=lambda row: (documents.index(rows[row]["document"]), row))
    for path, some in ((EVENTS, rows), (PROOFS, proofs)):
        _put(files, path, [some[row] | {"record": number} for number, row in enumerate(order, 1)])
    return "documents reordered"


def _doubled(chance: Chance, files: Files) -> str:
    """A record once more at the end, under its own number and document."""
    rows, proofs = _rows(files, EVENTS), _rows(files, PROOFS)
    if not rows:
        return "nothing"
    row, last = chance.randrange(len(rows)), rows[-1]
    fresh = int(last["document"][3:]) + 1
    more = rows[row] | {"record": len(rows) + 1, "raw": None, "document": chance.choice((
        rows[row]["document"], f"CF-{fresh:07d}"))}
    _put(files, EVENTS, [*rows, more])
    _put(files, PROOFS, [*proofs, proofs[row] | {"record": len(rows) + 1}])
    return f"record {row + 1} doubled"


def _raw(chance: Chance, files: Files) -> str:
    """Other raw bytes, or an other attachment, with the record's hash made to fit."""
    row = _some(chance, files, EVENTS)
    said = _rows(files, EVENTS)[row]["raw"] if row >= 0 else None
    pictures = [path for path in files if "/attachments/" in path]
    if said is None:
        if not pictures:
            return "nothing"
        files[chance.choice(pictures)] = chance.randbytes(5)
        return "an attachment"
    body = chance.choice((files[said["file"]] + b" ", files[said["file"]][:-1],
                          bytes(len(files[said["file"]]))))
    files[said["file"]] = body
    edit(files, EVENTS, row, lambda value: value["raw"].update(
        sha256=sha256(body).hexdigest(), bytes=len(body)))
    return f"raw bytes of record {row + 1}"


def _cell(chance: Chance, files: Files) -> str:
    """An entry of the log as the package shows it."""
    row = _some(chance, files, CELLS)
    if row < 0:
        return "nothing"

    def change(value: dict[str, Any]) -> None:
        said = json.loads(value["entry"])
        name = chance.choice(("leaf", "path", *sorted(said)))
        if name == "leaf":
            value[name] += chance.randrange(1, 4)
        elif name == "path":
            value[name] = _other_path(chance, value[name])
        else:
            old = said[name]
            said[name] = (not old if isinstance(old, bool) else old + 1 if isinstance(old, int)
                          else old[:-1] + ("0" if old[-1] != "0" else "1"))
            value["entry"] = spelled(said).decode()

    edit(files, CELLS, row, change)
    return f"line {row + 1} of cells"


# -- where completeness is claimed

def _dropped(chance: Chance, files: Files) -> str:
    """A document with its records, proofs and files is gone; all numbers are made to fit.

    In a package that claims no completeness that is a smaller package, and no lie."""
    rows, proofs = _rows(files, EVENTS), _rows(files, PROOFS)
    documents = list(dict.fromkeys(one["document"] for one in rows))
    if not documents:
        return "nothing"
    gone = chance.choice(documents)
    documents.remove(gone)
    kept = [row for row, one in enumerate(rows) if one["document"] != gone]
    numbers = {rows[row]["record"]: number for number, row in enumerate(kept, 1)}
    raw = {path: files.pop(path) for path in sorted(files) if path.startswith("data/native/raw/")}
    for path in [one for one in files if gone in one]:
        del files[path]
    fresh = []
    for row in kept:
        one = rows[row] | {"record": numbers[row + 1],
                           "document": f"CF-{documents.index(rows[row]['document']) + 1:07d}"}
        if one["raw"] is not None:
            path = f"data/native/raw/{one['record']:07d}{one['raw']['file'][-4:]}"
            path = path.replace("json", ".json") if path.endswith("json") else path
            files[path] = raw[one["raw"]["file"]]
            one["raw"] = one["raw"] | {"file": path}
            if "of" in one["raw"]:
                one["raw"]["of"] = numbers.get(one["raw"]["of"], 1)
        fresh.append(one)
    _put(files, EVENTS, fresh)
    _put(files, PROOFS, [proofs[row] | {"record": number} for number, row in enumerate(kept, 1)])
    used = {one["leaf"] for one in (*_rows(files, PROOFS), *_rows(files, WITHHELD))}
    _put(files, CELLS, [one for one in _rows(files, CELLS) if one["leaf"] in used])
    return f"{gone} dropped"


def _hidden(chance: Chance, files: Files) -> str:
    """A line of what stays behind is gone, or stands twice."""
    rows = _rows(files, WITHHELD)
    if not rows:
        return "nothing"
    row = chance.randrange(len(rows))
    kept = [*rows, rows[row]] if chance.random() < 0.3 else rows[:row] + rows[row + 1:]
    _put(files, WITHHELD, kept)
    used = {one["leaf"] for one in (*_rows(files, PROOFS), *kept)}
    _put(files, CELLS, [one for one in _rows(files, CELLS) if one["leaf"] in used])
    return f"line {row + 1} of withheld"


def _log(chance: Chance, files: Files) -> str:
    path = chance.choice([one for one in sorted(files) if one.startswith("data/proof/log/")])
    act = chance.choice((_flip, _cut, _longer, _gone, _added))
    after = act(chance, dict(files), path)
    if "x/" + path in after or "new.txt" in after or "data/" + path in after:
        return "nothing"   # outside the log: a file under the seal
    files.clear()
    files.update(after)
    return f"{act.__name__} {path}"


def _tag(chance: Chance, files: Files) -> str:
    """An opened tag, or a neighbour. Left out: the number of tags (it need not be held: decision
    0036), and the key where none of the conversations is (the exporter's word, and said)."""
    rows = _rows(files, TAGS)
    row = chance.randrange(len(rows))
    opened = rows[row].get("open")
    if not opened:
        return "nothing"
    one = chance.choice(opened)
    if "at" in one and chance.random() < 0.3:
        rows[row]["tag_key"] = chance.randbytes(32).hex()
    else:
        target = one if "at" in one else one[chance.choice([
            side for side in ("before", "after") if one[side]])]
        name = chance.choice(("at", "count", "path"))
        target[name] = (_other_path(chance, target[name]) if name == "path"
                        else target[name] + chance.randrange(1, 4))
    _put(files, TAGS, rows)
    return f"line {row + 1} of tags"


def _tag_line(chance: Chance, files: Files) -> str:
    after = _lines(chance, dict(files), TAGS)
    files.update(after)
    return "lines of tags"


def _relabelled(chance: Chance, files: Files) -> str:
    """A document is said to be of another conversation."""
    rows = _rows(files, EVENTS)
    if not rows:
        return "nothing"
    chosen = chance.choice(rows)["document"]
    other = f"C-{chance.randrange(1, 9):04d}"
    if any(one["conversation"] == other for one in rows if one["document"] == chosen):
        return "nothing"
    _put(files, EVENTS, [one | {"conversation": other} if one["document"] == chosen else one
                         for one in rows])
    return f"{chosen} relabelled"
