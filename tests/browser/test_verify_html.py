"""verify.html in the real browser: it finds what verify.py finds, in its words, without a network.

Owns whole packages through the page; what it computes by itself is test_verify_math.py.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from archive.tlog import note
from archive.tlog.note import Note
from search.export.offline import verify
from tests.browser.conftest import PHONE, WIDE
from tests.browser.verify_page import PAGE, Checker, Outcome, checker, served
from tests.export import dishonest, offline_archive
from tests.export.lies import HONEST, LIES
from tests.export.offline_archive import LOG, PACKAGE, THIEF, archive
from tests.export.offline_tamper import attacked, innocent
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
BUNDLE = "data/proof/log/tile/entries/000.p/7"
STEPS = 11


@pytest.fixture
def page(browser: Browser) -> Iterator[Checker]:
    """The page from a file, as somebody opens it who got a package."""
    with checker(browser) as one:
        yield one


def plain(text: str) -> str:
    """Apart from how quotation marks are drawn, and from how one gives a key."""
    for drawn in "\u2018\u2019\u201c\u201d`":
        text = text.replace(drawn, "'")
    for way in (" with --log-key and --package-key", " with --log-key", " with --package-key",
                " in the fields above", " in the field above"):
        text = text.replace(way, " above")
    return text.replace("give one to verify.py with --witness", "give one with --witness")


def compare(report: verify.Report, found: Outcome) -> None:
    """The same steps are wrong; what is right is said in the same words, and so is each note (where
    nothing is wrong; time stamps are for verify.py)."""
    assert [one["title"] for one in report.steps] == [plain(one.title) for one in found.steps]
    assert (report.count == 0) == found.is_whole
    for step, shown in zip(report.steps, found.steps, strict=True):
        title = step["title"]
        assert (title, step["ok"]) == (title, shown.state != "wrong"), (
            report.problems, found.problems)
        if step["ok"] and title != "Time stamps":
            assert plain(step["said"]) in plain(shown.text)
    if found.is_whole and "NOT CHECKED" not in found.text:
        assert [plain(one) for one in report.notes] == [plain(one) for one in found.notes]


# -- clean packages

@pytest.mark.parametrize("shape", SHAPES)
def test_a_clean_package_is_accepted(shape: str, page: Checker, tmp_path: Path) -> None:
    """Of every shape, in the words of verify.py, with as many notes."""
    folder = write(package(SHAPES[shape]), tmp_path / "package")
    report, found = checked(folder), page.check(folder)
    compare(report, found)
    assert ("part", STEPS, ()) == (found.state_of_all, len(found.steps), found.problems)
    assert len(report.notes) == len(found.notes)
    for one in verify.CANNOT:
        assert one in plain(found.text)


def test_erased_cells_are_said_and_accepted(page: Checker, tmp_path: Path) -> None:
    """A cell whose key is gone counts as that."""
    for claim in ("conversations", "custodians"):
        folder = write(package(Shape(claim=claim, erased=frozenset({1}))), tmp_path / claim)
        found = page.check(folder)
        compare(checked(folder), found)
        assert "erased" in found.text


KEYS = (LOG.key.vkey(), PACKAGE.key.vkey())


@pytest.mark.parametrize(("keys", "state", "title"), [
    (KEYS, "good", "Nothing is wrong with this package"),
    ((KEYS[0], ""), "part", "The records were archived; who made the package is not known"),
    (("", KEYS[1]), "part", "The package is as it was sealed; its log is not known"),
    (("", ""), "part", "The package is whole, under keys of its own")])
def test_the_verdict_says_no_more_than_the_keys_carry(
        keys: tuple[str, str], state: str, title: str, page: Checker, tmp_path: Path) -> None:
    """In the words of verify.py; with both keys nothing rests on those of the package."""
    folder = write(package(SHAPES["a custodian"]), tmp_path / "package")
    found = page.check(folder, f"  {keys[0]}\n", f"\n{keys[1]} ")
    asked = verify.arguments(options(*keys))
    report = checked(folder, *options(*keys))
    compare(report, found)
    assert (state, title) == (found.state_of_all, found.verdict)
    assert plain(f"verdict: {found.words}").lower() == plain(
        verify.verdict(report, asked)).lower()
    assert ("the one that the package brings" in found.text) == (state != "good")


def options(log_key: str, package_key: str) -> list[str]:
    """The keys, for verify.py."""
    return [part for option, key in (("--log-key", log_key), ("--package-key", package_key))
            if key for part in (option, key)]


@pytest.mark.parametrize(("keys", "step", "what"), [
    ((THIEF.key.vkey(), ""), "The log", f"{CHECKPOINT}: is not signed by the log"),
    (("", THIEF.key.vkey()), "The seal", "seal.note: is not signed by the package\u2019s key that"),
    ((KEYS[1], KEYS[0]), "The seal", "seal.note: is not signed by")],
    ids=["the log", "the package", "exchanged"])
def test_another_key_than_the_one_that_was_told_is_named(
        keys: tuple[str, str], step: str, what: str, page: Checker, tmp_path: Path) -> None:
    """A whole package of somebody else's is not the firm's."""
    folder = write(package(SHAPES["a query"]), tmp_path / "package")
    found = page.check(folder, *keys)
    compare(checked(folder, *options(*keys)), found)
    assert "wrong" == found.state(step)
    assert any(one.startswith(what) for one in found.problems)


def test_a_stranger_who_seals_anew_is_not_the_exporter(page: Checker, tmp_path: Path) -> None:
    """With the log's key alone what he left out is not seen, and the verdict says that; with the
    package's key it is wrong."""
    stranger = offline_archive.signer("nobody", PACKAGE.key.name)
    files = package(SHAPES["a query"])
    dishonest.without(files, lambda one, _: one["event"].get("kind") == "retraction")
    files[TRUST] = spelled(json.loads(files[TRUST]) | {"package": stranger.key.vkey()}) + b"\n"
    folder = write(resealed(files, stranger), tmp_path / "package")
    found = page.check(folder, KEYS[0])
    assert found.is_whole and "Who made the rest is not known" in found.words
    found = page.check(folder, *KEYS)
    compare(checked(folder, *options(*KEYS)), found)
    assert ["seal.note"] == [one.partition(":")[0] for one in found.problems]


@pytest.mark.parametrize("key", ["x", LOG.key.vkey()[:-1], "witness.example+00000000+AAAA"])
@pytest.mark.parametrize("where", ["key", "package-key"])
def test_a_key_that_is_none_is_refused_before_the_check(where: str, key: str, page: Checker,
                                                        tmp_path: Path) -> None:
    """The message stands beside its field, which has the focus; the other is not accused."""
    page.open().choose(write(package(SHAPES["one record"]), tmp_path / "package"))
    other = {"key": "package-key", "package-key": "key"}[where]
    page.page.fill(f"#{other}", LOG.key.vkey())
    page.page.fill(f"#{where}", key)
    page.page.click("#start")
    said = page.page.locator(f"#{where}-problem")
    assert said.inner_text().startswith("This is no verifier key")
    field, below = page.page.locator(f"#{where}").bounding_box(), said.bounding_box()
    assert field and below and 0 < below["y"] - field["y"] - field["height"] < 60
    assert where == page.run("() => document.activeElement.id")
    assert ("true", None) == tuple(
        page.page.get_attribute(f"#{one}", "aria-invalid") for one in (where, other))
    assert "" == page.page.inner_text(f"#{other}-problem")
    assert 0 == page.page.locator("#verdict").count()
    page.page.fill(f"#{where}", "")
    page.page.fill(f"#{other}", "")
    page.page.click("#start")
    assert page.outcome().is_whole
    assert "" == page.page.inner_text(f"#{where}-problem")


def test_time_stamps_are_for_verify_py(page: Checker, tmp_path: Path) -> None:
    """It says that they were not checked; the head that was stamped has to be the log's."""
    shape = Shape(claim="custodians", stamps=(
        ("tsa.example", archive().early.signed, b"token", b"roots"),))
    files = package(shape)
    found = page.check(write(files, tmp_path / "clean"))
    assert found.is_whole
    assert "NOT CHECKED" in found.text and "run verify.py" in found.text
    assert "an earlier head of the log" in found.text
    (path,) = [one for one in files if one.endswith("/checkpoint") and "timestamps" in one]
    text = files[path].decode()
    lines = text.split("\n")
    other = "\n".join((lines[0], lines[1], base64.b64encode(bytes(32)).decode())) + "\n"
    lie = Note(other, (note.sign(other, LOG),)).render().encode()
    found = page.check(write(sealed(files | {path: lie}), tmp_path / "lie"))
    assert f"{path}: is a head that the log has never had" in found.problems


# -- changes

def flipped(path: str, at: int = -9) -> Callable[[Files], Files]:
    """One bit of a file."""
    def change(files: Files) -> Files:
        body = bytearray(files[path])
        body[at] ^= 1
        return files | {path: bytes(body)}
    return change


def gone(path: str) -> Callable[[Files], Files]:
    """A file less."""
    return lambda files: {one: body for one, body in files.items() if one != path}


def edited(path: str, row: int, change: Callable[[dict[str, Any]], Any]) -> Callable[[Files],
                                                                                     Files]:
    """One line of a `.jsonl` file."""
    def changed(files: Files) -> Files:
        out = dict(files)
        edit(out, path, row, lambda value: change(value) and None)
        return out
    return changed


def lines(path: str, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Files], Files]:
    """The lines of a file."""
    return lambda files: files | {path: b"".join(change(files[path].splitlines(keepends=True)))}


def swapped(field: str) -> Callable[[Files], Files]:
    """Two records exchange a field."""
    def change(files: Files) -> Files:
        out = dict(files)
        found = [json.loads(one) for one in files[EVENTS].splitlines()]
        found[0][field], found[1][field] = found[1][field], found[0][field]
        out[EVENTS] = b"".join(spelled(one) + b"\n" for one in found)
        return out
    return change


# (what somebody did, to the package of which shape, with the package's key?, which step, which
# item is named). Whoever has no key can only do what manifests and seal show.
CHANGES: dict[str, tuple[Callable[[Files], Files], str, bool, str, str]] = {
    "a file changed": (flipped("data/transcript/index.html"), "a query", False,
                       "The package", "data/transcript/index.html: this file was changed"),
    "a file removed": (gone("data/withheld.csv"), "a query", False,
                       "The package", "data/withheld.csv: this file is missing"),
    "a file added": (lambda files: files | {"data/more.txt": b"more"}, "a query", False,
                     "The package", "data/more.txt: this file is in no manifest"),
    "a tag file added": (lambda files: files | {"more.txt": b"more"}, "a query", False,
                         "The package", "more.txt: this file is in no manifest"),
    "the declaration removed": (gone("bagit.txt"), "a query", False,
                                "The package", "bagit.txt: this file is missing"),
    "the seal removed": (gone("seal.note"), "a query", False, "The seal", "seal.note: this file"),
    "files changed and listed anew": (
        lambda files: bagged(files | {"data/withheld.csv": b"other"}), "a query", False,
        "The seal", "seal.note: was made over another tagmanifest-sha256.txt"),
    "sealed by somebody else": (lambda files: sealed(files, THIEF), "a query", False,
                                "The seal", "seal.note: is not signed by the key"),
    "another head": (flipped(CHECKPOINT, 40), "a query", True, "The log", CHECKPOINT),
    "a readable event changed": (
        edited(EVENTS, 3, lambda one: one["event"].update(text="I never said so")), "a query",
        True, "Records", "what is shown in “event” at “text” is not what its datum says"),
    "a datum changed": (
        edited(EVENTS, 0, lambda one: one.update(datum=one["datum"][:-8] + "AAAAAAA=")), "a query",
        True, "Records", f"{EVENTS}, record 1 (CF-0000001)"),
    "data swapped": (swapped("datum"), "a query", True, "Records", f"{EVENTS}, record 2"),
    "addresses swapped": (swapped("address"), "a query", True, "Records", f"{EVENTS}, record 1"),
    "an address changed": (
        edited(EVENTS, 2, lambda one: one["address"].update(offset=one["address"]["offset"] ^ 1)),
        "a query", True, "Records", f"{EVENTS}, record 3"),
    "a salt changed": (
        edited(PROOFS, 4, lambda one: one.update(salt="00" * 32)), "a query", True, "Records",
        "lead to the root of its cell"),
    "a path cut": (
        edited(PROOFS, 4, lambda one: one["path"].pop()), "a query", True, "Records",
        "lead to the root of its cell"),
    "a record removed": (lines(EVENTS, lambda all_: all_[:-1]), "a query", True, "Records",
                         "this proof belongs to no record"),
    "records reordered": (lines(EVENTS, lambda all_: all_[::-1]), "a query", True, "Records",
                          "lines were removed, added or reordered"),
    "a cell's entry changed": (
        edited(CELLS, 0, lambda one: one.update(entry=one["entry"].replace('"v":1', '"v":2'))),
        "a query", True, "Cells", f"{CELLS}, leaf 0: its entry does not lead to the root"),
    "a withheld record hidden": (lines(WITHHELD, lambda all_: all_[1:]), "a custodian", True,
                                 "Completeness", "leaf 0: its cell holds"),
    "a count of a tag changed": (
        edited(TAGS, 0, lambda one: one["open"][0].update(count=1)), "conversations", True,
        "Completeness", f"{TAGS}, leaf 0: the tag of C-0001 with this count is not in the cell"),
    "a cell's tags hidden": (lines(TAGS, lambda all_: all_[1:]), "conversations", True,
                             "Completeness", "this cell of the domains is not shown"),
    "an entry of the log changed": (flipped(BUNDLE), "a custodian", True, "The whole log",
                                    "its entries do not give the root that the log signed"),
    "a tile of the log changed": (flipped("data/proof/log/tile/0/000.p/7"), "a custodian", True,
                                  "The whole log", "is not what the entries give"),
    "another schema": (
        lambda files: files | {"data/proof/schemas/48fccfefccbc5698.avsc": files[
            "data/proof/schemas/48fccfefccbc5698.avsc"].replace(b'"text"', b'"txet"')}, "a query",
        True, "Schemas", "is another schema than its name says"),
    "a certificate of other numbers": (
        lambda files: files | {"certificate.json": re.sub(
            rb'"records":[0-9]+', b'"records":1', files["certificate.json"])}, "a query", True,
        "The certificate", "certificate.json: says 1 (counts, records); found was"),
    "a file that the certificate does not list": (
        lambda files: files | {"data/csv/messages.csv": b"id\r\n"}, "a query", True,
        "The certificate", "certificate.json: says"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_named(what: str, page: Checker, tmp_path: Path) -> None:
    """By the step that verify.py names it in, with the item."""
    change, shape, has_key, step, item = CHANGES[what]
    files = change(package(SHAPES[shape]))
    folder = write(sealed(files) if has_key else files, tmp_path / "package")
    report, found = checked(folder), page.check(folder)
    assert "This package is not as it has to be" == found.verdict
    assert "wrong" == found.state(step)
    assert any(item in one for one in found.problems), found.problems
    compare(report, found)


@pytest.mark.parametrize("seed", range(30))
def test_both_verifiers_say_the_same_of_a_change(seed: int, page: Checker, tmp_path: Path) -> None:
    """Of the flood that verify.py is tested with: what one finds wrong the other does."""
    what, files = attacked(random.Random(seed))
    folder = write(files, tmp_path / "package")
    found = page.check(folder)
    assert not found.is_whole, what
    compare(checked(folder), found)


@pytest.mark.parametrize("seed", range(6))
def test_both_verifiers_accept_what_nobody_changed(seed: int, page: Checker,
                                                   tmp_path: Path) -> None:
    """Packages of shapes drawn at random."""
    folder = write(package(innocent(random.Random(seed))), tmp_path / "package")
    found = page.check(folder)
    assert (True, ()) == (found.is_whole, found.problems)
    compare(checked(folder), found)


# -- lies of an exporter, who holds the package's key

@pytest.mark.parametrize("what", LIES)
def test_what_the_archive_disproves_is_refused(what: str, page: Checker, tmp_path: Path) -> None:
    """Each lie, by both, in the same words; both keys are given."""
    build, said = LIES[what]
    folder = write(resealed(build()), tmp_path / "package")
    report, found = checked(folder, *options(*KEYS)), page.check(folder, *KEYS)
    compare(report, found)
    assert any(said in plain(f"{one['item']}: {one['what']}") for one in report.problems)
    assert any(said in plain(one) for one in found.problems), found.problems


@pytest.mark.parametrize("what", HONEST)
def test_what_only_looks_like_a_lie_is_accepted(what: str, page: Checker, tmp_path: Path) -> None:
    """By both, and both say what is odd about it."""
    build, said = HONEST[what]
    folder = write(resealed(build()), tmp_path / "package")
    report, found = checked(folder, *options(*KEYS)), page.check(folder, *KEYS)
    assert (0, ()) == (report.count, found.problems)
    compare(report, found)
    assert said in plain(found.text)


# (names in the certificate, what it says there, what is said of that)
CERTIFICATES: list[tuple[tuple[Any, ...], Any, str]] = [
    (("export_id",), "f" * 32, "another export"), (("counts", "records"), 7, "counts, records"),
    (("counts", "exported"), 70, "messages"), (("counts", "matched"), 7, "asked for"),
    (("counts", "exported"), (1 << 63) - 1, "messages"),
    (("counts", "files"), 1 << 63, "cannot be"),
    (("counts", "conversations"), 2, "conversations"), (("counts", "files"), 1, "counts, files"),
    (("counts", "file_bytes"), 1, "file_bytes"), (("counts", "files_missing"), 1, "files_missing"),
    (("counts", "withheld"), {"erased": {"messages": 1, "records": 1}}, "withheld"),
    (("counts", "withheld"), {"erased": 1}, "cannot be"), (("counts",), {}, "cannot be"),
    (("counts", "records"), True, "cannot be"), (("counts", "files_not_archived"), 3, ""),
    (("checkpoint", "size"), 8, "size"), (("checkpoint", "root"), "0" * 64, "root"),
    (("checkpoint", "note"), "x", "note"), (("checkpoint", "origin"), "x", "origin"),
    (("log_keys",), [], "log_keys"), (("package_key",), THIEF.key.vkey(), "package_key"),
    (("cosignatures",), [{"name": "a", "key": "b", "at": 1}], "cosignatures"),
    (("time_stamps",), [{"authority": "a", "at": 1, "size": 7, "token": "b"}], "time stamps"),
    (("completeness", "kind"), "custodians", "completeness"),
    (("completeness", "why"), "Because.", "completeness"), (("period", "since"), 1, "period"),
    (("period", "until"), "x", "cannot be"), (("payload", "files"), 1, "(payload)"),
    (("payload", "bytes"), 1, "(payload)"), (("documents", "last"), "CF-0000002", "documents"),
    (("documents",), {}, "cannot be"), (("capture", "channels"), ["sms"], "(capture)"),
    (("key_ids",), [], "key_ids"), (("retention", "first"), 1, "retention, first"),
    (("retention", "last"), 1, "retention, last"), (("more",), 1, "has the name"),
    (("title",), None, "cannot be"), (("trial",), 0, "cannot be"), (("v",), 2, "cannot be"),
    (("shows",), [1], "cannot be"), (("approved",), {"by": "x"}, "cannot be"),
    (("approved",), {"by": "x", "at": -(10 ** 18)}, ""), (("gaps",), [{}], "cannot be"),
    (("verify", "command"), "python3 verify.py", "verify, command"),
    (("verify", "with_key"), "python3 -I other.py", "verify, with_key"),
    (("trial",), True, ""), (("notes",), {"any": 1}, ""), (("notes",), {"any": -1}, "cannot be"),
    (("manifests", "manifest-sha256.txt"), "0" * 64, "manifests"),
    (("files",), [], "each once"), (("files", 0, "sha256"), "0" * 64, "another size or SHA-256"),
    (("files", 0, "bytes"), 0, "another size or SHA-256"), (("files", 0, "more"), 0, "the name"),
    (("files", 1, "path"), "data/a", "out of order")]


def test_the_certificate_says_what_is_there(page: Checker, tmp_path: Path) -> None:
    """Each thing in it that a verifier can know, and its exact shape; "": nothing is wrong."""
    files = package(SHAPES["one record"])
    for row, (names, value, what) in enumerate(CERTIFICATES):
        said = json.loads(files["certificate.json"])
        inner = said
        for name in names[:-1]:
            inner = inner[name]
        inner[names[-1]] = value
        folder = write(sealed(files | {"certificate.json": spelled(said) + b"\n"}),
                       tmp_path / str(row))
        found = page.check(folder, *KEYS)
        compare(checked(folder, *options(*KEYS)), found)
        assert bool(what) == bool(found.problems), (names, value)
        assert all(one.startswith("certificate.json: ") for one in found.problems)
        assert not what or any(what in one for one in found.problems), (names, found.problems)


def test_what_a_certificate_says_of_a_rich_package(page: Checker, tmp_path: Path) -> None:
    """One lie in each: cosignatures, stamps, what stays behind."""
    shape = Shape(claim="custodians", witnesses=offline_archive.WITNESSES, stamps=(
        ("tsa.example", archive().early.signed, b"token", b"roots"),))
    files = package(shape)
    clean = json.loads(files["certificate.json"])
    for row, (name, value) in enumerate((
            ("cosignatures", clean["cosignatures"][:1]),
            ("cosignatures", [one | {"at": one["at"] + 1} for one in clean["cosignatures"]]),
            ("cosignatures", clean["cosignatures"][::-1]), ("time_stamps", []),
            ("time_stamps", [one | {"size": 7} for one in clean["time_stamps"]]),
            ("time_stamps", [one | {"authority": "x"} for one in clean["time_stamps"]]),
            ("counts", clean["counts"] | {"withheld": {}}), ("title", "An honest one"))):
        body = spelled(clean | {name: value}) + b"\n"
        found = page.check(write(sealed(files | {"certificate.json": body}), tmp_path / str(row)),
                           *KEYS)
        assert (name == "title") == found.is_whole, (name, value, found.problems)
        assert found.is_whole or ("wrong", 1) == (found.state("The certificate"),
                                                  len(found.problems))


def test_pairs_are_found_over_several_cells(page: Checker) -> None:
    """Which conversation has which tag is decided over all cells, as verify.py decides it."""
    cases: list[tuple[list[dict[int, int]], list[dict[int, int]], tuple[int, ...]]] = [
        ([{1: 2, 2: 1}, {1: 1, 2: 2}], [{1: 1, 2: 2}, {1: 2, 2: 1}], ()),
        ([{1: 2, 2: 2}, {1: 1, 2: 1}], [{1: 1, 2: 2}, {1: 2, 2: 1}], ()),
        ([{1: 1}, {1: 1}], [{1: 1}, {1: 1, 2: 1}], (2,)),
        ([{1: 1}, {1: 1}], [{1: 1}, {1: 1, 2: 1}], ()), ([{1: 2}], [{1: 1}], (1,)),
        ([{1: 1}, {1: 2}], [{1: 2}, {1: 3}], (1,)), ([], [{1: 1}], ())]
    chance = random.Random(7)
    for _ in range(300):
        natives, tags = ([{leaf: chance.randrange(1, 3) for leaf in range(3)
                           if chance.random() < 0.7}
                          for _ in range(count)] for count in (3, chance.randrange(3, 6)))
        cases.append((natives, tags, tuple(one for one in range(3) if chance.random() < 0.4)))
    found = page.open().run("""async (cases) => {
        const pace = { breathe: async () => {} };
        const maps = (all) => all.map((one) => new Map(one));
        const out = [];
        for (const [natives, tags, loose] of cases) {
            out.push(await isPaired(maps(natives), maps(tags), new Set(loose), pace));
        }
        return out; }""", [[[list(one.items()) for one in natives],
                            [list(one.items()) for one in tags], loose]
                           for natives, tags, loose in cases])
    expected = [verify.Pairs._is_paired(natives, tags, set(loose))
                for natives, tags, loose in cases]
    assert expected == found
    assert {True, False} == set(found[7:])


@pytest.mark.parametrize(("count", "stays"), [(500, 0), (500, 1), (501, 0), (501, 1)])
def test_only_so_many_pairs_are_tried(count: int, stays: int, page: Checker) -> None:
    """Where nothing stays behind any number is told apart; else as many as verify.py tries, and
    both say the same of more."""
    try:
        expected: bool | str = verify.Pairs._is_paired(
            [{row: 1} for row in range(count)], [{row: 1 + stays} for row in range(count)],
            set(range(count)))
    except verify.Wrong as error:
        expected = str(error)
    assert expected == page.open().run("""async ([count, stays]) => {
        const leaves = Array.from({ length: count }, (_, row) => row);
        const maps = (held) => leaves.map((row) => new Map([[row, held]]));
        try {
            return await isPaired(maps(1), maps(1 + stays), new Set(leaves),
                { breathe: async () => {} });
        } catch (error) { return error instanceof Refused && error.message; } }""",
        [count, stays])
    assert (expected is True) == (count * stays <= 500)


def test_numbers_that_share_a_tag_are_one_group(page: Checker) -> None:
    """As verify.py puts them together, over any number of steps."""
    chance = random.Random(13)
    cases = [[(f"C-{chance.randrange(1, 12):04d}", bytes([chance.randrange(14)]))
              for _ in range(chance.randrange(16))] for _ in range(200)]
    cases.append([(f"C-{row:04d}", bytes([tag])) for row in range(99, 0, -1)
                  for tag in (row, row + 1)])
    found = page.open().run("""(cases) => cases.map((tags) => [...groupsOf(
        tags.map(([name, tag]) => ({ name, tag: unhex(tag) })))])""",
        [[(name, tag.hex()) for name, tag in tags] for tags in cases])
    assert [verify.groups_of(tags) for tags in cases] == [
        {name: tuple(group) for name, group in one} for one in found]
    assert {1, 2, 3, 99} <= {len(group) for one in found for _, group in one}


def test_parts_are_tried_in_the_same_order(page: Checker) -> None:
    """What follows a first part in the log, then every choice: as verify.py tries them, which tries
    no more than so many."""
    chance = random.Random(11)
    cases: list[tuple[int, list[verify.PartLine], int]] = []
    for _ in range(60):
        total = chance.randrange(1, 4)
        parts = [verify.PartLine(row, chance.randrange(total), row, False,
                                 bytes([chance.randrange(3)]), row,
                                 (chance.randrange(2), chance.randrange(5), row), ("message", b""))
                 for row in range(chance.randrange(1, 8))]
        firsts = [one.record for one in parts if one.number == 0]
        cases.append((total, parts, chance.choice([-1, *firsts])))
    expected = [[[one.record for one in chosen] for chosen in verify.choices(
        total, parts, None if first < 0 else parts[first])] for total, parts, first in cases]
    found = page.open().run("""(cases) => cases.map(([total, rows, first]) => {
        const parts = rows.map(([number, place, name, [partition, offset, index]]) => (
            { number, place, name,
              where: { cell: { partition }, offset: BigInt(offset), index } }));
        return [...choices(total, parts, first < 0 ? null : parts[first])].map(
            (chosen) => chosen.map((one) => one.number)); })""", [
        [total, [[one.record, one.number, one.body.hex(), list(one.place)] for one in parts], first]
        for total, parts, first in cases])
    assert expected == found
    assert any(len(one) > 3 for one in found) and [] in found


def test_a_conversation_has_one_number(page: Checker) -> None:
    """Its records do not stand under two of them, though each count fits."""
    assert [["C-0002", "records of the same conversation stand under C-0001, too"]] == (
        page.open().run("""async () => {
            const named = (name, tag) => ({ name, tag: unhex(tag) });
            const pairs = new Pairs({ conversations: [
                named('C-0001', '0a'), named('C-0002', '0b')] });
            const add = (leaf, name, tag, held) => pairs.add(
                leaf, pairs.groups.get(name), new Map([[tag, 1]]), held);
            const held = (native) => ({ here: 1, behind: 0, natives: new Map([[native, 1]]) });
            const said = async () => {
                const out = [];
                for await (const one of pairs.wrong({ breathe: async () => {} })) out.push(one);
                return out;
            };
            add(1, 'C-0001', '0a', held(7));
            add(1, 'C-0002', '0b', held(8));
            if ((await said()).length) return 'wrong too early';
            add(2, 'C-0002', '0b', held(7));
            return (await said()).slice(0, 1); }"""))


# -- harm

HOSTILE = ("<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "\u202egnp.exe",
           "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "%3Cb%3E", "a" * 220,
           "javascript:alert(1)", "\u200bnothing")


def test_hostile_names_are_shown_and_do_nothing(page: Checker, tmp_path: Path) -> None:
    """Markup is text; hidden characters are named; what runs from right to left stays alone."""
    files = package(SHAPES["a query"]) | {
        f"data/{name.replace('/', '')}": b"x" for name in HOSTILE}
    edit(files, EVENTS, 0, lambda one: one.update(custodian=HOSTILE[0], document=HOSTILE[1]))
    files[TRUST] = files[TRUST].replace(b'"origin":"', b'"origin":"<b>\\"&lt;')
    found = page.check(write(files, tmp_path / "package"))
    assert any("<img src=x onerror=alert(1)>: this file is in no" in one for one in found.problems)
    assert any("\u27e8U+202E\u27e9gnp.exe" in one for one in found.problems)
    assert any("\u27e8U+200B\u27e9nothing" in one for one in found.problems)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", found.text)
    assert 0 == page.page.locator("#result img, #result script, #result b:not(.note b)").count()
    assert "isolate" == page.run(
        "() => getComputedStyle(document.querySelector('.problems bdi')).unicodeBidi")
    assert page.run("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("path", "body"), [
    (EVENTS, b"x" * (65 << 20)), (EVENTS, b"[" * 5_000_000 + b"\n"),
    (EVENTS, b"[" + b"[]," * 2_000_000 + b"[]]\n"), (EVENTS, b"{}\n" * 200_000),
    (PROOFS, b"\n" * 500_000), (TRUST, b'{"log":[' + b'"a",' * 3_000_000 + b'"a"]}'),
    (CHECKPOINT, b"a\n1\n" + b"A" * 900_000 + b"\n\n" + "\u2014 a b\n".encode() * 9),
    (CELLS, b'{"entry":"' + b"\\u0001" * 2_000_000 + b'","leaf":0,"path":[]}\n'),
    ("manifest-sha256.txt", b"\xff" * 1_000_000), ("seal.note", b"\n" * 3_000_000)],
    ids=["a line without end", "deep", "many", "many records", "many empty lines", "many keys",
         "a long note", "a long entry", "no text", "no note"])
def test_what_means_harm_is_refused(path: str, body: bytes, page: Checker,
                                    tmp_path: Path) -> None:
    """Lines without end, depth, millions of values: named, and the page goes on to its end."""
    files = package(SHAPES["conversations"]) | {path: body}
    found = page.check(write(files, tmp_path / "package"))
    assert (STEPS, False) == (len(found.steps), found.is_whole)
    assert any(one.startswith(f"{path}: this file was changed") for one in found.problems) or (
        path in ("manifest-sha256.txt", "seal.note"))
    assert any(path in one for one in found.problems)
    assert len(found.problems) < 2_500


def test_it_can_be_stopped(page: Checker, tmp_path: Path) -> None:
    """And says nothing of the package then; another run is possible."""
    folder = write(package(SHAPES["a query"]), tmp_path / "package")
    page.open().choose(folder)
    page.run("() => { document.querySelector('#start').click();"
             " document.querySelector('#stop').click(); }")
    page.page.wait_for_selector("#verdict")
    assert "Stopped" == page.page.inner_text("#verdict")
    assert 0 == page.page.locator(".steps").count()
    page.page.click("#start")
    page.page.wait_for_selector(".verdict.part")


def test_no_network_whoever_asks(browser: Browser, tmp_path: Path) -> None:
    """The policy refuses every way out, also to a script that got in."""
    with served(tmp_path) as (address, asked):
        context = browser.new_context()
        page = context.new_page()
        page.goto(PAGE.as_uri())
        page.evaluate("""async (url) => {
            const tries = [() => fetch(url), () => new WebSocket(url.replace('http', 'ws')),
                () => navigator.sendBeacon(url), () => new EventSource(url),
                () => new Worker(url), () => import(url),
                () => { const one = new XMLHttpRequest(); one.open('GET', url); one.send(); },
                ...['img', 'iframe', 'script', 'audio'].map((name) => () => {
                    const one = document.createElement(name); one.setAttribute('src', url);
                    document.body.append(one); }),
                () => { const one = document.createElement('link'); one.rel = 'stylesheet';
                    one.href = url; document.head.append(one); },
                () => { const one = document.createElement('form'); one.action = url;
                    document.body.append(one); one.submit(); }];
            for (const one of tries) { try { await one(); } catch (error) { void error; } }
            await new Promise((resolve) => setTimeout(resolve, 300));
        }""", address)
        context.close()
        assert [] == asked


def test_the_policy_names_its_script_and_style() -> None:
    """By hash: nothing else runs. After a change of the page the new hashes belong into it."""
    text = PAGE.read_text("utf-8")
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = {name: rest.split(" ") for name, _, rest in (
        one.strip().partition(" ") for one in policy.split(";"))}
    for name in ("script", "style"):
        (body,) = re.findall(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = base64.b64encode(sha256(body.encode()).digest()).decode()
        assert [f"'sha256-{digest}'"] == rules[f"{name}-src"]
    assert ["'none'"] == rules["default-src"] == rules["base-uri"] == rules["form-action"]
    assert ["data:"] == rules["img-src"]
    assert not rules.keys() & {"connect-src", "worker-src", "frame-src", "font-src", "object-src"}
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\("
                          r"|https?://|fetch\(|XMLHttp|WebSocket|localStorage", text)


# -- ways to open it

@pytest.mark.parametrize("is_served", [True, False])
def test_the_copy_in_a_package_checks_it(is_served: bool, browser: Browser,
                                         tmp_path: Path) -> None:
    """Opened from the package's folder, or served from it; the folder is dropped on it."""
    files = sealed(package(SHAPES["a custodian"]) | {"verify.html": PAGE.read_bytes()})
    folder = write(files, tmp_path / "package")
    with served(folder) as (address, asked):
        url = f"{address}verify.html" if is_served else (folder / "verify.html").as_uri()
        with checker(browser, url=url) as one:
            one.open().drop(folder)
            assert f"{len(files)} files" in one.page.inner_text("#chosen")
            one.page.click("#start")
            assert one.outcome().is_whole
        assert (["/verify.html"] if is_served else []) == asked


@pytest.mark.parametrize("subtle", [True, False])
def test_large_files_are_hashed_in_pieces(subtle: bool, browser: Browser, tmp_path: Path) -> None:
    """The same with and without the browser's own hashes; the last byte counts."""
    big, path = bytes(33 << 20), "data/transcript/big.html"
    files = resealed(package(SHAPES["conversations"]) | {path: big})
    folder = write(files, tmp_path / "package")
    with checker(browser, subtle=subtle) as one:
        assert one.check(folder).is_whole
        with (folder / path).open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"x")
        found, stated = one.check(folder).problems
        assert found.startswith(f"{path}: this file was changed")
        assert stated.startswith(f"certificate.json: states another size or SHA-256 of {path}")


def test_what_is_no_package_is_told_before_the_check(page: Checker, tmp_path: Path) -> None:
    """The button stays shut, and the page says which folder it wants."""
    other = write({"holiday.txt": b"sun", "pictures/1.txt": b"sea"}, tmp_path / "other")
    page.open().choose(other)
    assert "is no export package" in page.page.inner_text("#chosen")
    assert page.page.is_disabled("#start")
    page.choose(write(package(SHAPES["one record"]), tmp_path / "package"))
    assert page.page.is_enabled("#start")


def test_without_script_it_says_what_to_do(browser: Browser) -> None:
    """And shows no form that does nothing."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(PAGE.as_uri())
    assert "python3 -I verify.py" in page.inner_text("#unready")
    assert not page.is_visible("#start")
    context.close()


# -- for everybody

def test_by_keyboard_and_screen_reader(page: Checker, tmp_path: Path) -> None:
    """Every field has its label, the order is that of the page, the verdict gets the focus."""
    page.open().choose(write(package(SHAPES["a query"]), tmp_path / "package"))
    names = page.run("""() => [...document.querySelectorAll('input, textarea, button, progress')]
        .map((one) => one.labels?.[0]?.textContent || one.textContent
            || one.getAttribute('aria-labelledby'))""")
    assert all(names) and 6 == len(set(names))
    described = page.run("""() => [...document.querySelectorAll('textarea')].map((one) =>
        one.getAttribute('aria-describedby').split(' ').map((id) =>
            document.getElementById(id).id.startsWith(one.id)))""")
    assert [[True, True]] * 2 == described
    page.page.focus("#folder")
    order = []
    for _ in range(3):
        page.page.keyboard.press("Tab")
        order.append(page.run("() => document.activeElement.id"))
    assert ["key", "package-key", "start"] == order
    page.page.keyboard.press("Enter")
    assert page.outcome().is_whole
    assert "verdict" == page.run("() => document.activeElement.id")
    assert {"status", "alert"} == set(page.run(
        "() => [...document.querySelectorAll('[role]')].map((one) => one.role)"))
    assert [1, 2] == page.run(
        "() => [document.querySelectorAll('h1').length,"
        " document.querySelectorAll('main .box > h2').length]")
    assert "en" == page.run("() => document.documentElement.lang")


PAIRS = [("text", "page"), ("text", "surface"), ("muted", "page"), ("muted", "surface"),
         ("muted", "raised"), ("accent", "surface"), ("accent-text", "accent"), ("wrong", "page"),
         ("wrong", "surface"), ("wrong", "wrong-ground"), ("note", "surface"),
         ("note", "note-ground"), ("good", "good-ground"), ("text", "wrong-ground"),
         ("text", "note-ground"), ("text", "good-ground")]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of #rrggbb."""
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4
                        for one in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_apart(theme: int) -> None:
    """4.5:1 for text, 3:1 for borders of fields and for the focus."""
    blocks = re.findall(r":root \{(.*?)\}", PAGE.read_text("utf-8"), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[theme]))
    for low, pairs in ((4.5, PAIRS), (3.0, [("strong", "surface"), ("strong", "page"),
                                            ("focus", "page"), ("focus", "surface")])):
        for pair in pairs:
            dark, light = sorted(luminance(colours[one]) for one in pair)
            assert low <= (light + 0.05) / (dark + 0.05), pair


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_fits(scheme: str, size: tuple[int, int], browser: Browser, shots: Path,
                 tmp_path: Path) -> None:
    """Nothing runs out of the window, nothing is too small for a finger; a picture of each."""
    clean = package(SHAPES["conversations with privilege"])
    bad = CHANGES["a readable event changed"][0](clean) | {
        f"data/{one.replace('/', '')}": b"x" for one in HOSTILE}
    with checker(browser, size=size, scheme=scheme) as one:
        for name, files in (("whole", clean), ("wrong", bad)):
            one.check(write(files, tmp_path / name))
            one.page.screenshot(path=shots / f"verify-{name}-{scheme}-{size[0]}.png",
                                full_page=True)
            assert one.run("() => document.documentElement.scrollWidth <= innerWidth")
        small = one.run("""() => [...document.querySelectorAll('button, input, textarea')]
            .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 40)
            .map((one) => one.id)""")
        assert [] == small
