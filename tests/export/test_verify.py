"""The stand-alone verifier: clean packages are accepted, and each violation is named.

Owns one careful change for each check; the flood of seeded ones is test_verify_tamper.py.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from archive.tlog import note
from archive.tlog.note import Note
from search.export.offline import verify
from tests.export import dishonest, packages
from tests.export.certified import certified
from tests.export.offline_archive import ANN, BEN, CAT, DAN, EVE, LOG, PACKAGE, THIEF, WITNESSES
from tests.export.packages import (
    SHAPES,
    Files,
    Shape,
    bagged,
    checked,
    edit,
    package,
    resealed,
    sealed,
    spelled,
    write,
)

EVENTS, PROOFS = "data/native/events.jsonl", "data/proof/events.jsonl"
CELLS, TAGS = "data/proof/cells.jsonl", "data/proof/tags.jsonl"
WITHHELD, COMPLETE = "data/proof/withheld.jsonl", "data/proof/complete.json"
TRUST, CHECKPOINT = "data/proof/trust.json", "data/proof/checkpoint"


def problems(files: Files, folder: Path, *options: str) -> list[tuple[str, str]]:
    """(item, what) of everything that is wrong."""
    report = checked(write(files, folder / "package"), *options)
    assert (report.count == 0) == (report.problems == [])
    return [(one["item"], one["what"]) for one in report.problems]


def named(files: Files, folder: Path, item: str, what: str, *options: str) -> None:
    """Exactly one thing, or several of which one is this; the message names the item."""
    found = problems(files, folder, *options)
    assert any(item in one and what in said for one, said in found), found


@pytest.mark.parametrize("shape", SHAPES)
def test_a_clean_package_is_accepted(shape: str, tmp_path: Path) -> None:
    """Of every shape, also under the keys that the reader was told."""
    files = package(SHAPES[shape])
    keys = ("--log-key", LOG.key.vkey(), "--package-key", PACKAGE.key.vkey())
    assert [] == problems(files, tmp_path)
    assert [] == problems(files, tmp_path, *keys)


def test_erased_cells_are_said_and_accepted(tmp_path: Path) -> None:
    """A cell whose key is gone counts as that, of conversations and of custodians."""
    for claim in ("conversations", "custodians"):
        files = package(Shape(chosen=(ANN, BEN, CAT, DAN), claim=claim, erased=frozenset({1})))
        folder = tmp_path / claim
        report = checked(write(files, folder))
        assert [] == report.problems
        assert any("erased" in one for one in report.notes)


def test_absent_witnesses_and_stamps_are_notes(tmp_path: Path) -> None:
    """Nothing is wrong, and it is said."""
    report = checked(write(package(SHAPES["a query"]), tmp_path / "package"))
    assert 0 == report.count
    assert any("No witness cosigned" in one for one in report.notes)
    assert any("No time stamp authority" in one for one in report.notes)


def test_the_sentences_count(tmp_path: Path) -> None:
    """A lawyer reads how many, and of what."""
    said = {one["title"]: one["said"] for one in checked(write(
        package(SHAPES["conversations"]), tmp_path / "package")).steps}
    assert "all 13 archived events of 2 conversations in the 5 cells" in said["Completeness"]
    assert said["The package is whole"] == "31 files, every hash matches."
    assert ("seen by witness1.example (a key of the package) at 2026-01-15 11:00:00 UTC"
            in said["The log's head"])


# -- the bag and the seal

def test_each_change_of_a_file_is_named(tmp_path: Path) -> None:
    """Changed, missing, added, an empty folder, a link: the path is in the message."""
    clean = package(SHAPES["a query"])
    for number, (path, body, what) in enumerate((
            ("data/withheld.csv", b"other", "changed"), ("data/withheld.csv", None, "missing"),
            ("data/more.txt", b"more", "added"), ("more.txt", b"more", "added"),
            ("seal.note", None, "missing"), ("bagit.txt", None, "missing"),
            ("manifest-sha256.txt", None, "missing"),
            ("tagmanifest-sha256.txt", None, "missing"))):
        files = {one: kept for one, kept in clean.items() if one != path}
        named(files | ({path: body} if body else {}), tmp_path / str(number), path, what)


def test_a_manifest_that_does_not_read_accuses_no_other_file(tmp_path: Path) -> None:
    """The one line is named; that the files behind it were added is not said."""
    files = package(SHAPES["a query"])
    files["manifest-sha256.txt"] = b"no line\n" + files["manifest-sha256.txt"]
    assert not [one for one, _ in problems(files, tmp_path) if one.startswith("data/")]


def test_links_devices_and_empty_folders_are_named(tmp_path: Path) -> None:
    """And never opened: a pipe would hang whoever reads it."""
    folder = write(package(SHAPES["one record"]), tmp_path / "package")
    (folder / "data" / "empty").mkdir()
    (folder / "data" / "link").symlink_to("/etc/hostname")
    os.mkfifo(folder / "data" / "pipe")
    (folder / "data" / "withheld.csv").unlink()
    (folder / "data" / "withheld.csv").symlink_to(folder / "START-HERE.txt")
    items = {one["item"] for one in checked(folder).problems}
    assert {"data/empty/", "data/link", "data/pipe", "data/withheld.csv"} <= items


@pytest.mark.parametrize("path", ["../outside", "data/../../outside", "/etc/passwd", "data//x",
                                  "data/%2e%2e/x", "data\\x", "data/./x"])
def test_a_path_that_leaves_is_refused(path: str, tmp_path: Path) -> None:
    """It is named and nothing there is read."""
    files = package(SHAPES["one record"])
    files["manifest-sha256.txt"] += b"0" * 64 + b"  " + path.encode() + b"\n"
    (tmp_path / "outside").write_bytes(b"secret")
    named(files, tmp_path, "manifest-sha256.txt", "")


def test_the_bag_is_bagit_1_0(tmp_path: Path) -> None:
    """Version, size and number of the payload, no list that nobody checks, no fetch.txt."""
    clean = package(SHAPES["one record"])
    for number, (path, body, what) in enumerate((
            ("bagit.txt", b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n", "1.0"),
            ("bag-info.txt", b"Payload-Oxum: 1.1\n", "bytes.files"),
            ("fetch.txt", b"", "no such file"), ("manifest-sha512.txt", b"", "no such file"))):
        named(clean | {path: body}, tmp_path / str(number), path, what)


def test_manifests_made_anew_break_the_seal(tmp_path: Path) -> None:
    """Anybody can compute hashes; nobody without the key can seal them."""
    clean = package(SHAPES["a query"])
    changed = clean | {"data/withheld.csv": b"nothing\r\n"}
    files = bagged(changed | {"certificate.json": certified(changed)})
    assert [one for one, _ in problems(files, tmp_path)] == ["seal.note"]
    other = sealed(clean, THIEF)
    named(other, tmp_path / "2", "seal.note", "not signed by the key")
    named(clean, tmp_path / "3", "seal.note", "--package-key", "--package-key", THIEF.key.vkey())


def test_a_seal_has_one_signature(tmp_path: Path) -> None:
    """A line that is added to it changes nothing that it says, and is found."""
    files = package(SHAPES["one record"])
    files["seal.note"] += files["seal.note"].splitlines(keepends=True)[-1]
    named(files, tmp_path, "seal.note", "not one signature")


@pytest.mark.parametrize(("names", "value", "what"), [
    (("export_id",), "f" * 32, "another export"), (("counts", "records"), 7, "records"),
    (("counts", "exported"), 70, "messages"), (("checkpoint", "size"), 8, "size"),
    (("checkpoint", "root"), "0" * 64, "root"), (("checkpoint", "note"), "x", "note"),
    (("log_keys",), [], "log_keys"), (("package_key",), THIEF.key.vkey(), "package_key"),
    (("completeness", "kind"), "custodians", "kind"), (("payload", "files"), 1, "(payload)"),
    (("payload", "bytes"), 1, "(payload)"), (("files",), [], "each once"),
    (("counts", "matched"), 7, "asked for"), (("counts", "conversations"), 2, "conversations"),
    (("counts", "files"), 1, "files"), (("counts", "file_bytes"), 1, "file_bytes"),
    (("counts", "files_missing"), 1, "files_missing"),
    (("counts", "withheld"), {"erased": {"messages": 1, "records": 1}}, "withheld"),
    (("counts", "withheld"), {"erased": 1}, "cannot be"), (("counts",), {}, "cannot be"),
    (("documents", "last"), "CF-0000002", "documents"), (("documents",), {}, "cannot be"),
    (("capture", "channels"), ["sms"], "capture"), (("key_ids",), [], "key_ids"),
    (("retention", "first"), 1, "retention, first"), (("retention", "last"), 1, "last"),
    (("cosignatures",), [{"name": "a", "key": "b", "at": 1}], "cosignatures"),
    (("time_stamps",), [{"authority": "a", "at": 1, "size": 7, "token": "b"}], "time stamps"),
    (("completeness", "why"), "Because.", "why"), (("period", "since"), 1, "period"),
    (("more",), 1, "has the name"), (("shows",), [1], "cannot be"), (("v",), 2, "cannot be"),
    (("approved",), {"by": "x"}, "cannot be"), (("gaps",), [{}], "cannot be"),
    (("manifests", "manifest-sha256.txt"), "0" * 64, "manifests"),
    (("files", 0, "sha256"), "0" * 64, "another size or SHA-256"),
    (("files", 0, "bytes"), 0, "another size or SHA-256"),
    (("files", 1, "path"), "data/a", "out of order")])
def test_the_certificate_says_what_is_there(names: tuple[Any, ...], value: Any, what: str,
                                            tmp_path: Path) -> None:
    """Each thing in it that a verifier can know; also where all hashes and the seal fit."""
    files = package(SHAPES["one record"])
    said = json.loads(files["certificate.json"])
    inner = said
    for name in names[:-1]:
        inner = inner[name]
    inner[names[-1]] = value
    named(sealed(files | {"certificate.json": spelled(said) + b"\n"}), tmp_path,
          "certificate.json", what)


# -- keys and heads

def forged(clean: Files) -> Files:
    """A package that brings a log of its own: everything in it fits."""
    text = clean[CHECKPOINT].decode().rpartition("\n\n")[0] + "\n"
    trust = json.loads(clean[TRUST]) | {"log": [THIEF.key.vkey()], "witnesses": []}
    signed = Note(text, (note.sign(text, THIEF),)).render().encode()
    return resealed(clean | {TRUST: spelled(trust) + b"\n", CHECKPOINT: signed})


def test_who_was_told_the_logs_key_is_not_fooled(tmp_path: Path) -> None:
    """A package with a log of its own is whole, and no more than that."""
    files = forged(package(SHAPES["a query"]))
    report = checked(write(files, tmp_path / "package"))
    assert 0 == report.count
    assert any("the one that the package brings" in one for one in report.notes)
    named(files, tmp_path, CHECKPOINT, "not signed by the log's key", "--log-key", LOG.key.vkey())


def test_a_witness_that_the_reader_names_must_have_signed(tmp_path: Path) -> None:
    """Of trust.json an absent one is a note; of --witness it is wrong."""
    files = package(SHAPES["everything"])     # seen by the first alone
    assert [] == problems(files, tmp_path, "--witness", WITNESSES[0].key.vkey())
    named(files, tmp_path, CHECKPOINT, "not cosigned", "--witness", WITNESSES[1].key.vkey())


def test_a_changed_head_is_named(tmp_path: Path) -> None:
    """Its size, its root, a cosignature of a known witness."""
    clean = package(SHAPES["a query with privilege"])
    lines = clean[CHECKPOINT].decode().split("\n")
    for number, (row, line) in enumerate((
            (1, "8"), (2, base64.b64encode(bytes(32)).decode()), (0, "other.example/log"),
            (5, lines[5][:-8] + ("AAAA" + lines[5][-4:])))):
        text = "\n".join([*lines[:row], line, *lines[row + 1:]])
        found = problems(sealed(clean | {CHECKPOINT: text.encode()}), tmp_path / str(number))
        assert found[0][0] == CHECKPOINT, found


# -- records and proofs, by somebody who holds the package's key

def changed(shape: str, path: str, row: int, change: Callable[[dict[str, Any]], Any]) -> Files:
    """A package with one line changed, sealed anew."""
    files = package(SHAPES[shape])
    edit(files, path, row, change)
    return sealed(files)


@pytest.mark.parametrize(("path", "row", "change", "item", "what"), [
    (EVENTS, 1, lambda v: v["event"].update(text="no"), "record 2 (CF-0000002)", "'text'"),
    (EVENTS, 1, lambda v: v["event"].update(captured_at=1), "record 2", "'captured_at'"),
    (EVENTS, 1, lambda v: v["event"].update(more=1), "record 2", "'more'"),
    (EVENTS, 1, lambda v: v["event"].pop("text"), "record 2", "'text'"),
    (EVENTS, 1, lambda v: v["address"].update(offset=1), "record 2", "lead to the root"),
    (EVENTS, 1, lambda v: v["address"].update(offset=99), "record 2", "not in the segment"),
    (EVENTS, 1, lambda v: v["address"].update(partition=2), "record 2", "not in the segment"),
    (EVENTS, 1, lambda v: v["address"].update(topic_id="0" * 32), "record 2", "the segment"),
    (EVENTS, 1, lambda v: v.update(record=3), "record 2", "here stands record 3"),
    (EVENTS, 1, lambda v: v.update(document="CF-0000001"), "record 2", "another message"),
    (EVENTS, 1, lambda v: v.update(document="CF-0000009"), "CF-0000002", "missing"),
    (EVENTS, 1, lambda v: v.update(document="XX-0000002"), "record 2", "another spelling"),
    (EVENTS, 1, lambda v: v.update(raw=None), "0000002.json", "no record names"),
    (EVENTS, 1, lambda v: v["raw"].update(kind="own"), "record 2", "has the name 'of'"),
    (EVENTS, 1, lambda v: v["raw"].update(of=5), "record 2", "holds no whole delivery"),
    (EVENTS, 1, lambda v: v["raw"].update(of=99), "record 2", "there is not"),
    (EVENTS, 1, lambda v: v.update(more=1), "record 2", "has the name 'more'"),
    (EVENTS, 1, lambda v: v.pop("custodian"), "record 2", "lacks the name 'custodian'"),
    (EVENTS, 1, lambda v: v.update(whole={}), "record 2", "no part of anything"),
    (PROOFS, 1, lambda v: v.update(salt="0" * 64), "record 2", "lead to the root"),
    (PROOFS, 1, lambda v: v.update(position=2), "record 2", "lead to the root"),
    (PROOFS, 1, lambda v: v.update(leaf=1), "record 2", "in the segment"),
    (PROOFS, 1, lambda v: v.update(leaf=99), "record 2", "not in data/proof/cells"),
    (PROOFS, 1, lambda v: v["path"].pop(), "record 2", "lead to the root"),
    (PROOFS, 1, lambda v: v["path"].reverse(), "record 2", "lead to the root"),
    (PROOFS, 1, lambda v: v["path"].append(v["path"][0]), "record 2", "lead to the root"),
    (PROOFS, 1, lambda v: v.update(record=1), "record 2", "the proof of 1"),
    (CELLS, 1, lambda v: v["path"].pop(), "leaf 1", "root that the log signed"),
    (CELLS, 1, lambda v: v.update(leaf=3), "leaf 3", "root that the log signed"),
    (CELLS, 1, lambda v: v.update(entry=v["entry"].replace('"count":6', '"count":7')), "leaf 1",
     "root that the log signed"),
])
def test_each_field_of_a_proof_is_held(path: str, row: int, change: Callable[[Any], Any], item: str,
                                       what: str, tmp_path: Path) -> None:
    """Whoever holds the package's key changes one thing: it is named with its record or leaf."""
    named(changed("a query", path, row, change), tmp_path, item, what)


def renumbered(files: Files, order: list[int]) -> None:
    """The records in another order (by number, from 0), numbered anew; documents as they are."""
    for path in (EVENTS, PROOFS):
        found = files[path].splitlines()
        files[path] = packages.lines(
            json.loads(found[one]) | {"record": row} for row, one in enumerate(order, 1))


def test_records_that_lie_twice_are_named(tmp_path: Path) -> None:
    """The same record under another number; a cell that nobody needs; an address twice."""
    files = package(SHAPES["one record"])
    renumbered(files, [0, 0])
    named(sealed(files), tmp_path, "record 2", "stands twice")
    more = package(SHAPES["everything"])[CELLS]
    named(sealed(package(SHAPES["one record"]) | {CELLS: more}), tmp_path / "2", "leaf 6",
          "nothing that stays behind")


def test_records_without_a_proof_are_named(tmp_path: Path) -> None:
    """And proofs without a record."""
    for number, path in enumerate((EVENTS, PROOFS)):
        files = package(SHAPES["a query"])
        files[path] = b"".join(files[path].splitlines(keepends=True)[:-1])
        named(sealed(files), tmp_path / str(number), "record 17",
              "no record" if path == EVENTS else "no proof")


def test_documents_lie_together_in_order(tmp_path: Path) -> None:
    """Two messages that change places with all their records are found."""
    files = package(SHAPES["a query"])
    count = files[EVENTS].count(b"\n")
    renumbered(files, [*range(1, count), 0])
    named(sealed(files), tmp_path, f"record {count} (CF-0000001)", "where its number belongs")


def test_a_document_that_is_listed_as_unreadable_is_not_missing(tmp_path: Path) -> None:
    """Its number is left out in the records, and stands in withheld.jsonl."""
    files = package(SHAPES["a query"])
    found = [json.loads(one) for one in files[EVENTS].splitlines()]
    gone = next(row for row, one in enumerate(found) if one["event"].get("native_id") ==
                "wamid.EXPORT0011")
    proof = json.loads(files[PROOFS].splitlines()[gone])
    left = {"leaf": proof["leaf"], "position": proof["position"], "reason": "unreadable",
            "document": found[gone]["document"], "conversation": found[gone]["conversation"],
            "offset": found[gone]["address"]["offset"], "index": found[gone]["address"]["index"]}
    renumbered(files, [row for row in range(len(found)) if row != gone])
    for path in [one for one in files if one.startswith("data/native/raw/")]:
        number = int(path[-11:].split("/")[-1].split(".")[0])
        body = files.pop(path)
        if number != gone + 1:
            files[path.replace(f"{number:07d}", f"{number - (number > gone + 1):07d}")] = body
    for row in range(gone, len(found) - 1):
        edit(files, EVENTS, row, lambda value: value["raw"] and value["raw"].update(
            file=f"data/native/raw/{value['record']:07d}{value['raw']['file'][-4:]}"))
    named(resealed(files), tmp_path, found[gone]["document"], "missing")
    files[WITHHELD] = packages.lines([left])
    assert [] == problems(resealed(files), tmp_path / "2")


def test_parts_are_put_together(tmp_path: Path) -> None:
    """`whole` is what the parts say, and cannot fall away; its raw bytes are in it."""
    clean = package(SHAPES["a query"])
    rows = [json.loads(one) for one in clean[EVENTS].splitlines()]
    row = next(number for number, one in enumerate(rows) if "whole" in one)
    for number, (field, value, what) in enumerate((
            ("whole", rows[row]["whole"] | {"text": "small"}, "not what its parts say"),
            ("event", rows[row]["event"] | {"number": 1}, "'number'"),
            ("event", rows[row]["event"] | {"body": {"bytes": 1}}, "'body'"))):
        files = dict(clean)
        edit(files, EVENTS, row, partial(dict.update, **{field: value}))
        named(sealed(files), tmp_path / str(number), f"record {row + 1}", what)
    files = dict(clean)
    raw = rows[row]["raw"]["file"]
    edit(files, EVENTS, row, partial(dict.update, raw=None))
    edit(files, EVENTS, row, lambda one: one.pop("whole"))
    named(sealed(files), tmp_path / "none", raw, "no record names this file")


def test_provider_bytes_and_files_are_those_that_the_records_name(tmp_path: Path) -> None:
    """Own bytes, a range of a delivery, an attachment: each under a hash that was made to fit."""
    clean = package(SHAPES["a query"])
    rows = [json.loads(one) for one in clean[EVENTS].splitlines()]
    for number, kind in enumerate(("own", "slice")):
        row = next(at for at, one in enumerate(rows) if one["raw"] and one["raw"]["kind"] == kind)
        path, files = rows[row]["raw"]["file"], dict(clean)
        files[path] = bytes(len(files[path]))
        edit(files, EVENTS, row, partial(dict.update, raw=rows[row]["raw"] | {
            "sha256": sha256(files[path]).hexdigest()}))
        named(sealed(files), tmp_path / str(number), str(row + 1) if kind == "slice" else path,
              "not its range" if kind == "slice" else "not the raw bytes")
    picture = next(path for path in clean if "/attachments/" in path)
    named(sealed(clean | {picture: b"another"}), tmp_path / "file", picture, "no record of")
    other = picture.replace("_1.", "_2.").replace("CF-", "ZZ-")
    named(sealed(clean | {other: b"another"}), tmp_path / "other", other, "no document")


def test_an_excerpt_is_counted_and_said(tmp_path: Path) -> None:
    """A range of a delivery that is not in the package rests on hash and seal."""
    files = package(SHAPES["a query"])
    dishonest.excerpts(files)
    dishonest.without(files, lambda one, _: one["record"] == 1)
    report = checked(write(resealed(files), tmp_path / "package"))
    assert [] == report.problems
    assert any("ranges of deliveries" in one for one in report.notes)


def test_another_schema_of_the_same_fingerprint_is_refused(tmp_path: Path) -> None:
    """64 bits are a checksum: true bytes must not be read by a schema that was made to fit."""
    files = package(SHAPES["a query"])
    path = "data/proof/schemas/48fccfefccbc5698.avsc"
    named(sealed(files | {path: files[path] + b"\n"}), tmp_path, path, "not the released schema")
    swapped = files[path].replace(b'"text"', b'"txet"', 1)
    named(sealed(files | {path: swapped}), tmp_path / "2", path, "another schema")


# -- completeness

def without(shape: Shape, gone: Callable[[dict[str, Any]], bool]) -> Files:
    """A package from which somebody took records, and made the rest fit."""
    files = package(shape)
    found = [json.loads(one) for one in files[EVENTS].splitlines()]
    kept = [row for row, one in enumerate(found) if not gone(one)]
    assert 0 < len(kept) < len(found)
    renumbered(files, kept)
    documents: dict[str, str] = {}
    for row in range(len(kept)):
        edit(files, EVENTS, row, lambda value: value.update(document=documents.setdefault(
            value["document"], f"CF-{len(documents) + 1:07d}")))
    return resealed(files)


@pytest.mark.parametrize("claim", ["conversations", "custodians"])
def test_a_record_that_was_taken_away_is_missed(claim: str, tmp_path: Path) -> None:
    """Its cell is named, how many it has and how many are here."""
    shape = Shape(chosen=(CAT, BEN), withheld={DAN: "privileged", ANN: "not_chosen"}, claim=claim)
    files = without(shape, lambda one: one["event"]["native_id"] == "wamid.EXPORT0022")
    named(files, tmp_path, "leaf 6", "1 events")


@pytest.mark.parametrize("claim", ["conversations", "custodians"])
def test_a_line_of_what_stays_behind_is_missed(claim: str, tmp_path: Path) -> None:
    """Who hides that something was withheld is found."""
    files = package(Shape(chosen=(ANN, BEN, CAT), withheld={DAN: "privileged"}, claim=claim))
    files[WITHHELD] = b"".join(files[WITHHELD].splitlines(keepends=True)[1:])
    named(sealed(files), tmp_path, "leaf 0", "withheld")


@pytest.mark.parametrize(("change", "what"), [
    (lambda v: v["open"][0].update(count=1), "is not in the cell"),
    (lambda v: v["open"].pop(), "each conversation once"),
    (lambda v: v["open"].reverse(), "in its place"),
    (lambda v: v.update(tag_key="0" * 64), "not in the cell"),
    (lambda v: v.update(tags=99), "cannot be"),
])
def test_each_field_of_an_opened_tag_is_held(change: Callable[[Any], Any], what: str,
                                             tmp_path: Path) -> None:
    """Count, order, key, number."""
    named(changed("conversations", TAGS, 0, change), tmp_path, "leaf 0", what)


def test_the_neighbours_of_an_absent_tag_are_neighbours(tmp_path: Path) -> None:
    """Nobody hides a tag between two that are none, nor calls one absent that is there."""
    clean = package(Shape(chosen=(EVE, CAT, ANN), withheld={BEN: "privileged"},
                          claim="conversations"))
    rows = [json.loads(one) for one in clean[TAGS].splitlines()]
    row, at = next((row, at) for row, one in enumerate(rows)
                   for at, open_ in enumerate(one["open"])
                   if "before" in open_ and one["tags"] > 1)

    def hide(value: dict[str, Any]) -> None:
        one = value["open"][at]
        side = "before" if one["before"] else "after"
        value["open"][at] = one | {side: None}

    files = dict(clean)
    edit(files, TAGS, row, hide)
    named(sealed(files), tmp_path, TAGS, "room for it")
    files = dict(clean)
    files[TAGS] = b"".join(clean[TAGS].splitlines(keepends=True)[1:])
    named(sealed(files), tmp_path / "2", f"leaf {rows[0]['leaf']}", "not shown")


def test_a_cell_called_erased_whose_records_are_here_is_a_lie(tmp_path: Path) -> None:
    """Its key is there."""
    files = package(SHAPES["conversations"])
    found = files[TAGS].splitlines(keepends=True)
    found[0] = spelled({"leaf": 0, "erased": True}) + b"\n"
    named(sealed(files | {TAGS: b"".join(found)}), tmp_path, "leaf 0", "records of it are here")


def test_the_whole_log_is_recomputed(tmp_path: Path) -> None:
    """Entries, tiles, the head: changed, missing, added; a claim without the log."""
    clean = package(SHAPES["a custodian"])
    log = sorted(path for path in clean if path.startswith("data/proof/log/"))
    assert len(log) == 3
    for number, path in enumerate(log):
        body = bytearray(clean[path])
        body[-9] ^= 1
        assert problems(sealed(clean | {path: bytes(body)}), tmp_path / f"flip{number}")
        files = {one: body for one, body in clean.items() if one != path}
        named(sealed(files), tmp_path / f"gone{number}", path, "missing")
        assert not any("archived events" in one["said"] for one in
                       checked(tmp_path / f"gone{number}" / "package").steps if "entries" in path)
    named(sealed(clean | {"data/proof/log/tile/0/001": bytes(32)}), tmp_path / "more",
          "tile/0/001", "no part of the log")
    files = {one: body for one, body in clean.items() if one not in log}
    named(sealed(files), tmp_path / "none", "The whole log", "the log is missing")


# -- bounds

@pytest.mark.parametrize("body", [
    b'{"a":1,"a":2}', b'{"a":1.0}', b'{"a":1e3}', b'{"a":NaN}', b"[" * 100_000,
    b'{"a":' * 50_000, b'{"a":' + b"9" * 5000 + b"}", b"\xff", b"", b"[0" + b",0" * 2_100_000])
def test_json_that_means_harm_is_refused(body: bytes) -> None:
    """Names twice, fractions, depth, numbers without end, more parts than memory."""
    with pytest.raises(verify.Wrong):
        verify.read_json(body, spelling=False)


@pytest.mark.parametrize("datum", [
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80" * 20, b"\xff\xff\xff\xff\x0f", b"",
    b"\x02"])
def test_a_datum_that_means_harm_is_refused(datum: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of as many nothings as there are numbers ends; so does a number without end."""
    monkeypatch.setattr(verify, "PIECES_MAX", 10_000)
    form = verify.canonical_form({"type": "record", "name": "r", "fields": [
        {"name": "a", "type": {"type": "array", "items": "null"}}]})
    with pytest.raises(verify.Wrong):
        verify.Schema(form).read(datum, 0)


def test_a_type_that_holds_itself_ends() -> None:
    """A datum cannot nest without end."""
    form = verify.canonical_form({"type": "record", "name": "r", "fields": [
        {"name": "a", "type": ["null", "r"]}]})
    assert {"a": {"a": None}} == verify.Schema(form).read(b"\x02\x00", 0)
    with pytest.raises(verify.Wrong):
        verify.Schema(form).read(b"\x02" * 10_000, 0)


def test_names_do_nothing_on_the_screen() -> None:
    """Escape sequences and turned-around text are shown, not done."""
    assert "a\\x1b[31mb\\u202ec" == verify.safe("a\x1b[31mb\u202ec")


# -- the command

def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """In a clean interpreter: no site packages, no variables of the environment."""
    return subprocess.run([sys.executable, "-I", "-S", *map(str, command)], capture_output=True,
                          text=True, timeout=60, check=False, encoding="utf-8")


def test_the_copy_in_a_package_checks_it(tmp_path: Path) -> None:
    """Without arguments, in a clean interpreter; nothing is written."""
    folder = write(package(SHAPES["a custodian"]), tmp_path / "package")
    before = sorted((str(one), one.stat().st_mtime_ns) for one in folder.rglob("*"))
    done = run(folder / "verify.py")
    assert (0, "") == (done.returncode, done.stderr)
    assert "all 19 archived events" in done.stdout
    assert "VERDICT: this package is whole" in done.stdout
    assert before == sorted((str(one), one.stat().st_mtime_ns) for one in folder.rglob("*"))
    quiet = run(folder / "verify.py", "--quiet", "--log-key", LOG.key.vkey())
    assert (0, 1) == (quiet.returncode, quiet.stdout.count("\n"))


def test_a_changed_package_ends_with_1_and_json_says_what(tmp_path: Path) -> None:
    """As text and as JSON."""
    folder = write(package(SHAPES["a query"]), tmp_path / "package")
    (folder / "data" / "withheld.csv").write_bytes(b"changed")
    done = run(folder / "verify.py", folder)
    assert 1 == done.returncode
    assert "WRONG  data/withheld.csv: this file was changed" in done.stdout
    said = json.loads(run(folder / "verify.py", "--json").stdout)
    assert (1, "data/withheld.csv") == (said["exit"], said["problems"][0]["item"])
    assert said["wrong"] == len(said["problems"])
    assert "WRONG  data/withheld.csv" in run(folder / "verify.py", "--quiet").stdout


def test_what_is_no_package_ends_with_2(tmp_path: Path) -> None:
    """A folder of something else, no folder, a key that is none."""
    copy = tmp_path / "verify.py"
    copy.write_bytes(Path(verify.__file__).read_bytes())
    folder = write(package(SHAPES["one record"]), tmp_path / "package")
    for options in ((), (tmp_path / "nowhere",), (copy,), (folder, "--log-key", "x"),
                    (folder, "--witness", LOG.key.vkey()), (folder, "--no-such-option")):
        assert 2 == run(copy, *options).returncode, options
    assert 2 == json.loads(run(copy, "--json").stdout)["exit"]


UNFORESEEN = (TypeError("x"), KeyError("x"), RecursionError(), ZeroDivisionError(),
              UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates"))


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda one: type(one).__name__)
def test_what_nobody_foresaw_is_wrong_and_stops_no_other_check(error: Exception) -> None:
    """No traceback in place of a verdict, and no step that is left out because of it."""
    said: list[str] = []
    report = verify.Report(said.append)

    def broken() -> str:
        raise error

    report.step("A step", broken)
    report.step("Another", lambda: "all is well")
    assert (1, [False, True]) == (report.count, [one["ok"] for one in report.steps])
    assert "makes no sense here" in report.problems[0]["what"]
    assert "2. Another: all is well" == said[-1]


def test_what_makes_the_verifier_unusable_still_does() -> None:
    """A folder that is no package is not a package with a fault."""
    def unusable() -> str:
        raise verify.Unusable("no package")

    with pytest.raises(verify.Unusable):
        verify.Report(lambda line: None).step("A step", unusable)
