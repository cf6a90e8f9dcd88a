"""Packages of an exporter who lies, by name: what `verify.py` and `verify.html` have to refuse.

Owns one builder for each lie that the archive disproves (tests/export/test_verify_dishonest.py says
why it does), and some that look like lies and are none. Files are not sealed: `resealed` does that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from archive.tlog import note
from tests.export import dishonest, offline_archive
from tests.export.dishonest import COMPLETE, EVENTS, TAGS, WITHHELD, Row, rows
from tests.export.offline_archive import ANN, BEN, DAN, EVE, archive
from tests.export.packages import SHAPES, Files, Shape, edit, lines, open_tag, package, spelled

Builder = Callable[[], Files]
_TRUST, _CHECKPOINT = "data/proof/trust.json", "data/proof/checkpoint"


# -- completeness

def _filled() -> Files:
    """Ben's message under Ann's number, in the cell from which Ann's was taken away."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    kept: list[tuple[int, Row]] = []
    for row, (one, proof) in enumerate(dishonest.pairs(files)):
        is_ann = one["conversation"] == "C-0001"
        if is_ann != (proof["leaf"] == 4):
            kept.append((row, {} if is_ann else {"conversation": "C-0001"}))
    dishonest.keep(files, kept)
    dishonest.named(files, {"C-0001": dishonest.tag(ANN)}, dishonest.domains_of(ANN))
    return files


def _exchanged() -> Files:
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    dishonest.named(files, {"C-0001": dishonest.tag(BEN), "C-0002": dishonest.tag(ANN)},
                    dishonest.domains_of(ANN, BEN))
    return files


def _one_number() -> Files:
    """Two conversations under one number, each with its tag."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    dishonest.claimed(files, conversations=[
        {"conversation": "C-0001", "tag": dishonest.tag(one).hex()} for one in (ANN, BEN)])
    files[EVENTS] = lines(one | {"conversation": "C-0001"} for one in rows(files, EVENTS))
    files[TAGS] = lines(line if line.get("erased") else line | {"open": [
        one | {"conversation": "C-0001"} for one in line["open"]]} for line in rows(files, TAGS))
    return files


def _filled_in_the_sum() -> Files:
    """Ann and Ben under one number, and two of Dan's records in place of two of Ben's."""
    files = package(Shape(chosen=(ANN, BEN, DAN), claim="conversations"))
    label = {"conversation": "C-0001"}
    kept: list[tuple[int, Row]] = []
    for row, (one, proof) in enumerate(dishonest.pairs(files)):
        is_first = proof["leaf"] == 0
        if {"C-0001": True, "C-0002": not is_first, "C-0003": is_first}[one["conversation"]]:
            kept.append((row, label))
    dishonest.keep(files, kept)
    dishonest.claimed(files, conversations=[
        label | {"tag": dishonest.tag(one).hex()} for one in (ANN, BEN)])
    wanted = dishonest.domains_of(ANN, BEN)
    files[TAGS] = lines(
        {"leaf": cell.index, "tag_key": cell.tag_key.hex(), "tags": len(cell.tags),
         "open": [open_tag(cell, "C-0001", dishonest.tag(one)) for one in (ANN, BEN)]}
        for cell in archive().cells if cell.leaf.cell.domain in wanted)
    return files


def _shared() -> Files:
    """A receipt of Ann's message came under Ben's name: her number has his tag, too."""
    files = package(Shape(chosen=(ANN, BEN, DAN), claim="conversations"))
    tags = [("C-0001", ANN), ("C-0001", BEN), ("C-0002", BEN), ("C-0003", DAN)]
    dishonest.opened(files, [(name, dishonest.tag(who)) for name, who in tags],
                     dishonest.domains_of(ANN, BEN, DAN))
    return files


def _shared_without(name: str, *, is_filled: bool) -> Builder:
    """The same without a record of that number; filled: with one of Dan's in its place."""
    def build() -> Files:
        files = _shared()
        found = dishonest.pairs(files)
        gone, stand_in = next(
            (one["document"], two["document"]) for one, at in found for two, beside in found
            if (one["conversation"], two["conversation"]) == (name, "C-0003")
            and at["leaf"] == beside["leaf"])
        dishonest.keep(files, [
            (row, {"conversation": name} if is_filled and one["document"] == stand_in else {})
            for row, (one, _) in enumerate(found) if one["document"] != gone])
        return files
    return build


def _shared_twice() -> Files:
    """A number has the same tag twice."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    dishonest.opened(files, [(name, dishonest.tag(who)) for name, who in (
        ("C-0001", ANN), ("C-0002", BEN), ("C-0001", ANN))], dishonest.domains_of(ANN, BEN))
    return files


def _two_numbers() -> Files:
    """A record of Ann's is named as one of Ben's, where both have one."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    found = dishonest.pairs(files)
    row = next(row for row, (one, _) in enumerate(found) if one["conversation"] == "C-0001")
    document = found[row][0]["document"]
    files[EVENTS] = lines(one | {"conversation": "C-0002"} if one["document"] == document else one
                          for one, _ in found)
    return files


def _other_spelling() -> Files:
    files = package(Shape(chosen=(BEN, DAN), claim="conversations"))
    dishonest.without(files, lambda one, _: one["conversation"] == "C-0002")
    dishonest.named(files, {"C-0001": dishonest.tag(BEN), "C-00001": dishonest.tag(DAN)},
                    dishonest.domains_of(BEN))
    return files


def _domain_left_out(**more: Any) -> Files:
    """Of Ann one record, and her domain is not claimed."""
    files = package(Shape(chosen=(ANN, EVE), claim="conversations"))
    dishonest.without(files, lambda one, proof: one["conversation"] == "C-0001"
                      and proof["leaf"] != 4)
    eves = dishonest.domains_of(EVE)
    said = json.loads(files[COMPLETE])
    dishonest.claimed(files, **more, domains=[
        one for one in said["domains"] if one["domain"] in eves])
    dishonest.named(files, {"C-0001": dishonest.tag(ANN), "C-0002": dishonest.tag(EVE)}, eves)
    return files


def _claim(shape: str, **changes: Any) -> Builder:
    """A package that claims something else."""
    def build() -> Files:
        files = package(SHAPES[shape])
        dishonest.claimed(files, **changes)
        return files
    return build


def _no_cells() -> Files:
    """A domain that the log has no cell of."""
    files = package(SHAPES["a custodian"])
    dishonest.without(files, lambda one, _: one["record"] > 1)
    files[WITHHELD] = b""
    dishonest.listed(files)
    dishonest.claimed(files, until=None, domains=[{
        "domain": "11" * 16, "custodian": "a.person", "class": "default", "month": "2026-01",
        "compartment": "", "role": ""}])
    return files


def _erased_records() -> Files:
    files = package(SHAPES["two custodians"])
    hidden = [(one, proof) for one, proof in dishonest.pairs(files) if _is_change(one)]
    dishonest.without(files, lambda one, _: _is_change(one))
    files[WITHHELD] = lines({
        "leaf": proof["leaf"], "position": proof["position"], "offset": 0, "index": 0,
        "reason": "erased", "document": "", "conversation": ""} for _, proof in hidden)
    dishonest.listed(files)
    return files


def _erased_cell() -> Files:
    files = package(SHAPES["conversations"])
    dishonest.without(files, lambda _, proof: proof["leaf"] == 4)
    dishonest.named(files, {"C-0001": dishonest.tag(ANN), "C-0002": dishonest.tag(BEN)},
                    dishonest.domains_of(ANN, BEN), erased={4})
    return files


def _no_period() -> Files:
    files = package(SHAPES["a custodian"])
    files[WITHHELD] = lines(one | {"reason": "outside_period"} for one in rows(files, WITHHELD))
    dishonest.claimed(files, until=None)
    return files


# -- whose, which, how many

def _is_change(one: Row) -> bool:
    return one["event"].get("kind") in ("retraction", "edit") and "number" not in one["event"]


def _label() -> Files:
    files = package(SHAPES["two custodians"])
    files[EVENTS] = lines(one | {"custodian": "victim"} for one in rows(files, EVENTS))
    return files


def _facts(**changes: str) -> Builder:
    """Every domain is said to be another one."""
    def build() -> Files:
        files = package(SHAPES["two custodians"])
        said = json.loads(files[COMPLETE])["domains"]
        dishonest.claimed(files, domains=[one | changes for one in said])
        return files
    return build


def _two_custodians() -> Files:
    files = package(SHAPES["a query"])
    edit(files, EVENTS, 2, lambda one: one.update(custodian="other"))
    return files


def _other_domain() -> Files:
    """Of a custodian, in place of the one in which his records lie."""
    files = package(SHAPES["two custodians"])
    first, *rest = json.loads(files[COMPLETE])["domains"]
    dishonest.claimed(files, domains=[first | {"domain": "11" * 16}, *rest])
    return files


def _reserved(domain: str, role: str, **more: str) -> Builder:
    """One more domain, of that id and role."""
    def build() -> Files:
        files = package(SHAPES["a custodian"])
        said = json.loads(files[COMPLETE])["domains"]
        dishonest.claimed(files, domains=[*said, {
            "domain": domain, "custodian": "", "class": "default", "month": "2026-01",
            "compartment": "", "role": role} | more])
        return files
    return build


def _edit_alone() -> Files:
    files = package(SHAPES["a query"])
    found = rows(files, EVENTS)
    odd = [row for row, one in enumerate(found) if _is_change(one)]
    dishonest.keep(files, [*((row, {}) for row in range(len(found)) if row not in odd),
                           *((row, {"document": f"CF-{row + 900:07d}", "conversation": "C-0099"})
                             for row in odd)])
    return files


def _left(first: Row | None) -> Builder:
    """The first line of what stays behind says that too; None: it is gone."""
    def build() -> Files:
        files = package(SHAPES["a query with privilege"])
        left = rows(files, WITHHELD)
        files[WITHHELD] = lines([*([] if first is None else [left[0] | first]), *left[1:]])
        dishonest.listed(files)
        return files
    return build


# -- bytes

def _excerpts() -> Files:
    """Called excerpts, with their own bytes."""
    files = package(SHAPES["conversations"])
    dishonest.excerpts(files)
    return files


def _other_bytes() -> Files:
    files = package(SHAPES["conversations"])
    row = next(row for row, one in enumerate(rows(files, EVENTS))
               if one["raw"] and one["raw"]["kind"] == "slice")
    dishonest.excerpts(files)
    raw = rows(files, EVENTS)[row]["raw"]
    files[raw["file"]] = bytes(raw["bytes"])
    edit(files, EVENTS, row, lambda one: one["raw"].update(
        sha256=sha256(bytes(raw["bytes"])).hexdigest()))
    return files


def _no_whole() -> Files:
    files = package(SHAPES["conversations"])
    found = rows(files, EVENTS)
    row = next(row for row, one in enumerate(found) if "whole" in one)
    del files[found[row]["raw"]["file"]]
    found[row]["raw"] = None
    del found[row]["whole"]
    files[EVENTS] = lines(found)
    return files


def _no_file() -> Files:
    """A stored file is not here, and nothing says otherwise."""
    files = package(SHAPES["a custodian"])
    (path,) = [one for one in files if one.startswith("data/native/attachments/")]
    del files[path]
    return files


def _with(path: str) -> Builder:
    return lambda: package(SHAPES["a query with privilege"]) | {path: b"x"}


def _without(path: str) -> Builder:
    return lambda: {one: body for one, body in package(
        SHAPES["a query with privilege"]).items() if one != path}


def _witness() -> Files:
    """One that nobody knows saw the head."""
    made_up = offline_archive.signer("nobody", "timestamp.example", note.COSIGNATURE)
    files = package(SHAPES["a query"])
    trust = json.loads(files[_TRUST]) | {"witnesses": [made_up.key.vkey()]}
    return files | {_TRUST: spelled(trust) + b"\n",
                    _CHECKPOINT: offline_archive.cosigned(archive().late.signed, made_up)}


# Name -> (its files, what both verifiers say of it).
LIES: Final[Mapping[str, tuple[Builder, str]]] = {
    "a gap filled": (_filled, "C-0001: records of 2 conversations of the archive stand under it"),
    "tags exchanged": (_exchanged, "the archive has"),
    "a gap filled in the sum": (_filled_in_the_sum, "C-0001: records of "),
    **{f"of numbers that share a tag, {name} {way}": (_shared_without(name, is_filled=way != "cut"),
                                                      said)
       for name in ("C-0001", "C-0002") for way, said in (
           ("cut", "events of C-0001, C-0002 in this cell"),
           ("filled", "C-0001, C-0002: records of 3 conversations of the archive stand"))},
    "a number with a tag twice": (_shared_twice, f"{COMPLETE}: names a conversation's tag twice"),
    "one conversation, two numbers": (_two_numbers, "the archive has"),
    "a number spelled otherwise": (_other_spelling, "says something at 'conversation' that cannot"),
    "a domain left out": (_domain_left_out, "C-0001: 1 of its records lie in key domains that"),
    "a domain left out, of a period": (
        lambda: _domain_left_out(since=1), "C-0001: 1 of its records lie in key domains that"),
    "another domain": (_other_domain, "is of 'b.person', and in a key domain that the claim"),
    "a domain without cells": (_no_cells, "the log has no cell of it"),
    "a reserved domain without cells": (
        _reserved("00" * 12 + "0307ea01", "unassigned"), "the log has no cell of it"),
    "a reserved domain that is somebody's": (
        _reserved("00" * 12 + "0307ea01", "unassigned", custodian="victim"),
        "says whose domain 000000000000000000000000"),
    "no domain": (_claim("a custodian", domains=[]), "of no key domain"),
    "no conversation": (_claim("conversations", conversations=[]), "of no conversation"),
    "domains for nothing": (_claim("conversations", kind="none"), "claims nothing, of domains"),
    "conversations for nothing": (
        _claim("a custodian", conversations=[{"conversation": "C-0001", "tag": "00" * 16}]),
        "claims nothing of them"),
    "records erased": (_erased_records, "is said to be erased, and what lies under the same key"),
    "a cell erased": (_erased_cell, f"{TAGS}, leaf 4: is said to be erased, and what lies"),
    "no period": (_no_period, "outside a period, and there is none"),
    "another custodian": (_label, "CF-0000001: is said to be of 'victim'; its records say"),
    "a custodian's facts": (_facts(custodian="victim"), "is of the custodian 'a"),
    "a month's facts": (_facts(month="2031-12"), "is of the month '2026-01'"),
    "a class's facts": (_facts(**{"class": "other"}), "is of the class '"),
    "a compartment's facts": (_facts(compartment="secret"), "is of the compartment ''"),
    "a month that is none": (_facts(month="2026-13"), "says something at 'month' that cannot be"),
    "a role that is none": (_facts(role="owner"), "says something at 'role' that cannot be"),
    "two custodians": (_two_custodians, "another custodian than the rest of its document"),
    "a role without its id": (_reserved("11" * 16, "unassigned"), "says of domain 11"),
    "an id without its role": (_reserved("00" * 12 + "0307ea01", ""), "says of domain 00"),
    "an id of another month": (_reserved("00" * 12 + "0307ea02", "unassigned"),
                               "says of domain 00"),
    "an id of another role": (_reserved("00" * 12 + "0207ea01", "unassigned"),
                              "says of domain 00"),
    "an edit alone": (_edit_alone, "is about the same message as CF-0000002"),
    "a number behind the last": (_left({"document": "CF-0000100"}),
                                 "CF-0000099: this document is missing"),
    "a number far behind the last": (_left({"document": "CF-999999999999"}),
                                     "a million numbers of documents are left out"),
    "what stays behind left out": (_left(None), "CF-W-0001: what stays behind under this number"),
    "another prefix": (_left({"document": "XX-W-0001"}), "in another spelling"),
    "another reason": (_left({"document": "CF-W-0002", "reason": "unreadable"}),
                       "gives another reason than the rest of its document"),
    "other bytes as an excerpt": (_other_bytes,
                                  "its raw bytes are not its range of the delivery in record"),
    "parts without their whole": (_no_whole, "lacks 'whole', though all its parts are here"),
    **{f"with {path}": (_with(path), f"{path}: a package has no such file") for path in (
        "Makefile", "argparse.py", "data/setup.exe", "data/other/file.txt", "data/csv/more.csv",
        "data/eml/below/one.eml", "data/transcript/run.js")},
    **{f"without {path}": (_without(path), f"{path}: this file is missing") for path in (
        "START-HERE.txt", "custody.jsonl", "verify.py", "verify.html", "certificate.pdf",
        WITHHELD)}}

# Name -> (its files, what both verifiers say all the same).
HONEST: Final[Mapping[str, tuple[Builder, str]]] = {
    "the same people, two names": (_one_number, "of 1 conversations"),
    "numbers that share a tag": (_shared, "archived events of 3 conversations in the"),
    "clocks that were ahead": (_facts(month="2025-12"), "records are of a later month than"),
    "true excerpts": (_excerpts, "13 records of 8 messages"),
    "a file that is not here": (_no_file, "1 files that records name as stored are not in the"),
    "a witness of the package": (
        _witness, "seen by timestamp.example (a key of the package) at")}
