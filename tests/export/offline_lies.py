"""Lies of an exporter, drawn from a seed: everything that he writes fits together, and is sealed.

Owns the lies that the archive disproves whatever he signs (decision 0036); offline_tamper.py draws
them among the other changes, test_verify_dishonest.py has each of them once, by name.
"""

from __future__ import annotations

import json
import random
from hashlib import sha256
from typing import Any

from tests.export import dishonest
from tests.export.certified import certified
from tests.export.dishonest import COMPLETE, EVENTS, TAGS, WITHHELD, pairs, rows
from tests.export.offline_archive import archive
from tests.export.packages import Files, lines, spelled

Chance = random.Random
NOTHING = "nothing"


def lie(chance: Chance, files: Files) -> str:
    """One of them is told in these files; "nothing" where there is nothing to tell it of."""
    return chance.choice((_substituted, _erased, _split, _custodian, _excerpt, _facts,
                          _certificate, _numbers))(chance, files)


def _substituted(chance: Chance, files: Files) -> str:
    """A record of a claimed conversation is gone, and one of another stands in its place."""
    found = pairs(files)
    ways = [(row, other) for row, (one, proof) in enumerate(found)
            for other, (two, beside) in enumerate(found)
            if one["conversation"] != two["conversation"] and proof["leaf"] == beside["leaf"]]
    if not ways or TAGS not in files:
        return NOTHING
    row, other = chance.choice(ways)
    label = {"conversation": found[row][0]["conversation"]}
    document = found[other][0]["document"]
    dishonest.keep(files, [
        (at, label if one["document"] == document else {})
        for at, (one, _) in enumerate(found) if one["document"] != found[row][0]["document"]])
    return f"record {other + 1} for record {row + 1}"


def _erased(chance: Chance, files: Files) -> str:
    """Records, or whole cells of a claim, are said to be erased whose key opens others."""
    found = pairs(files)
    leaves = sorted({proof["leaf"] for _, proof in found})
    if COMPLETE not in files or not leaves or json.loads(files[COMPLETE])["kind"] == "none":
        return NOTHING
    leaf, places = chance.choice(leaves), chance.random()
    gone = [(one, proof) for one, proof in found if proof["leaf"] == leaf]
    if TAGS in files:
        cells = {line["leaf"]: line for line in rows(files, TAGS)}
        cells[leaf] = {"leaf": leaf, "erased": True}
        if not any("tag_key" in line for line in cells.values()):
            return NOTHING
        files[TAGS] = lines(line for _, line in sorted(cells.items()))
    else:
        gone = gone[:1 + int(places * len(gone))]
        if len(gone) == len(found):
            return NOTHING
        files[WITHHELD] = lines([*rows(files, WITHHELD), *(
            {"leaf": leaf, "position": proof["position"], "offset": 0, "index": 0,
             "reason": "erased", "document": "", "conversation": ""} for _, proof in gone)])
    numbers = {one["record"] for one, _ in gone}
    dishonest.without(files, lambda one, _: one["record"] in numbers)
    if not _is_open(files, leaf):
        return NOTHING
    return f"{len(gone)} records of leaf {leaf} erased"


def _is_open(files: Files, leaf: int) -> bool:
    """Whether something else under the key of that cell is in the package."""
    made = archive()

    def key(index: int) -> tuple[str, int]:
        return made.cells[index].leaf.cell.domain, made.cells[index].leaf.cell.generation

    opened = {proof["leaf"] for _, proof in pairs(files)}
    if TAGS in files:
        opened |= {line["leaf"] for line in rows(files, TAGS) if "tag_key" in line}
    return key(leaf) in {key(one) for one in opened}


def _split(chance: Chance, files: Files) -> str:
    """An edit, a retraction, a part: in a document of its own, at the end."""
    found = rows(files, EVENTS)
    later = [row for row in range(1, len(found))
             if found[row]["document"] == found[row - 1]["document"]]
    if not later:
        return NOTHING
    row = chance.choice(later)
    dishonest.keep(files, [*((at, {}) for at in range(len(found)) if at != row),
                           (row, {"document": "CF-0000900"})])
    return f"record {row + 1} by itself"


def _custodian(chance: Chance, files: Files) -> str:
    """All of a document is said to be somebody else's."""
    found = rows(files, EVENTS)
    if not found:
        return NOTHING
    document = chance.choice(found)["document"]
    name = chance.choice(("", "victim", "A.Person"))
    files[EVENTS] = lines(one | {"custodian": name} if one["document"] == document else one
                          for one in found)
    return f"{document} is {name!r}'s"


def _excerpt(chance: Chance, files: Files) -> str:
    """Other bytes for a range of a delivery that is here, which is said not to be."""
    found = rows(files, EVENTS)
    ranges = [row for row, one in enumerate(found) if one["raw"] and one["raw"]["kind"] == "slice"]
    if not ranges:
        return NOTHING
    raw: dict[str, Any] = found[chance.choice(ranges)]["raw"]
    body = chance.randbytes(raw["bytes"])
    files[raw["file"]] = body
    raw |= {"kind": "excerpt", "sha256": sha256(body).hexdigest()}
    del raw["of"]
    files[EVENTS] = lines(found)
    return f"{raw['file']} as an excerpt"


def _facts(chance: Chance, files: Files) -> str:
    """A domain of which records are here is said to be another one."""
    if COMPLETE not in files:
        return NOTHING
    said = json.loads(files[COMPLETE])
    there = {archive().cells[proof["leaf"]].leaf.cell.domain for _, proof in pairs(files)}
    known = [one for one in said["domains"] if one["domain"] in there]
    if not known:
        return NOTHING
    name = chance.choice(("custodian", "class", "month", "compartment", "role"))
    one = chance.choice(known)
    one[name] = {"month": "2026-02", "role": "unassigned"}.get(name, one[name] + "x")
    files[COMPLETE] = spelled(said) + b"\n"
    return f"{name} of {one['domain']}"


def _numbers(chance: Chance, files: Files) -> str:
    """A line of what stays behind gives itself a number far away."""
    found = rows(files, WITHHELD) if WITHHELD in files else []
    if not found:
        return NOTHING
    one = chance.choice(found)
    number = chance.randrange(40, 9000)
    one["document"] = chance.choice((f"CF-{number:07d}", f"CF-W-{number:04d}"))
    files[WITHHELD] = lines(found)
    return f"a number {one['document']}"


def _certificate(chance: Chance, files: Files) -> str:
    """One thing that the package disproves; `certificate.json` itself is left to the caller."""
    said = json.loads(certified(files))
    name = chance.choice(("counts", "capture", "documents", "key_ids", "retention", "checkpoint",
                          "completeness", "period", "payload", "manifests", "files", "log_keys",
                          "package_key", "cosignatures", "time_stamps", "more"))
    value = said.get(name)
    if isinstance(value, dict):
        inner = chance.choice([one for one in value if (name, one) not in (
            ("counts", "files_not_archived"), ("retention", "mode"))])
        before = value[inner]
        value[inner] = (before + 1 if isinstance(before, int) else "x" if before is None
                        else before + "x" if isinstance(before, str)
                        else [*before, "x"] if isinstance(before, list) else {"erased": {}})
    else:
        said[name] = [*value, "x"] if isinstance(value, list) else "x"
    files["certificate.json"] = spelled(said) + b"\n"
    return f"certificate: {name}"
