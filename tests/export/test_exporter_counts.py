"""What a package says of itself, counted again from its files alone; and what lies where in it."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra import carry, exportpackage
from infra.demo import files as demo
from infra.exports import Exporter
from infra.verbs import imports
from infra.wire import Wire
from schemas import codec
from schemas.assignment import Assignment, assignment_event
from schemas.events import Attachment
from search.access.viewer import operator
from search.export import complete
from search.export.model import Counts
from search.export.wanted import INCLUDE, Wanted
from tests.export import home
from tests.export.home import NOON
from tests.export.test_exporter import GRANTED, NATIVE, exported, lines, silent, token
from tests.runtime.test_replay import archived

TAG_FILES = {
    "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "seal.note",
    "START-HERE.txt", "verify.py", "verify.html", "certificate.json", "certificate.pdf",
    "custody.jsonl"}
PAYLOAD = {"native", "proof", "rsmf", "transcript", "eml", "loadfile", "csv", "withheld.csv",
           "gaps.csv"}
SHA = b"\x07" * 32


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """One archive for every test that only reads: also with files of every fate."""
    made = home.made(tmp_path_factory.mktemp("archive") / "home")
    archived(made, home.said_by(
        home.ANN, "f1", "see these", NOON + 8_000, attachments=(
            Attachment("a", state="failed", reason="expired"), Attachment("b"),
            Attachment("c", sha256=SHA, state="stored"),
            Attachment("d", sha256=SHA, state="stored"))))
    return made


def read(package: Path, path: str) -> Any:
    """A JSON document."""
    return json.loads((package / path).read_bytes())


def recounted(package: Path) -> dict[str, Any]:
    """What `counts` has to say, by the files alone; what only the exporter knows left out."""
    records, left = lines(package, "native/events.jsonl"), lines(package, "proof/withheld.jsonl")
    folder = package / "data/native/attachments"
    files = {one.name: one.read_bytes() for one in folder.iterdir()} if folder.exists() else {}
    behind = {reason: [one for one in left if one["reason"] == reason]
              for reason in {one["reason"] for one in left}}
    withheld = {reason: {"records": len(found), "messages": len({
        one["document"] for one in found if "-W-" in one["document"]})}
        for reason, found in behind.items()}
    documents = len({one["document"] for one in records})
    return {
        "records": len(records), "files": len(files), "file_bytes": sum(map(len, files.values())),
        "conversations": len({one["conversation"] for one in (*records, *left)} - {""}),
        "withheld": withheld, "documents": documents,
        "behind": sum(one["messages"] for one in withheld.values())}


@pytest.mark.parametrize("wanted", [
    Wanted(custodians=("carol",)), Wanted(custodians=("carol",), privileged=INCLUDE),
    Wanted(query="price OR deposit OR settle", context=2), Wanted(query="see"),
    Wanted(custodians=("carol",), since=NOON, until=NOON + home.DAY),
], ids=["custodian", "with privileged", "query", "files", "period"])
def test_whoever_has_the_package_counts_the_same(wire: Wire, tmp_path: Path,
                                                 wanted: Wanted) -> None:
    """Messages, records, conversations, files, what stays behind; ids without a hole; where it came
    from, under which keys, until when it is kept; and the period that is claimed."""
    out = tmp_path / "out"
    done = exported(wire, out, wanted)
    said, found = read(out, "certificate.json"), recounted(out)
    counts = said["counts"]
    assert {"matched", "context", "exported", "records", "conversations", "files", "file_bytes",
            "files_missing", "files_not_archived", "withheld"} == set(counts)
    assert {name: counts[name] for name in (
        "records", "conversations", "files", "file_bytes", "withheld")} == {
            name: found[name] for name in (
                "records", "conversations", "files", "file_bytes", "withheld")}
    assert counts["exported"] + counts["context"] == found["documents"]
    assert counts["matched"] == counts["exported"] + found["behind"]
    ids = sorted({one["document"] for one in lines(out, "native/events.jsonl")})
    assert [f"CF-{number:07d}" for number in range(1, len(ids) + 1)] == ids
    assert {"first": ids[0], "last": ids[-1]} == said["documents"]
    behind = sorted({one["document"] for one in lines(out, "proof/withheld.jsonl")} - {""})
    assert [f"CF-W-{number:04d}" for number in range(1, len(behind) + 1)] == behind
    claim = read(out, "data/proof/complete.json")
    assert {"since": claim["since"], "until": claim["until"]} == said["period"]
    assert {"kind": claim["kind"], "why": claim["why"]} == said["completeness"]
    cells = [json.loads(one["entry"]) for one in lines(out, "proof/cells.jsonl")]
    assert sorted({f"{one['domain']}/{one['generation']}" for one in cells}) == said["key_ids"]
    assert {"first": min(one["retain_until"] for one in cells),
            "last": max(one["retain_until"] for one in cells), "mode": ""} == said["retention"]
    events = [one.get("whole", one["event"]) for one in lines(out, "native/events.jsonl")]
    for name, field in (("adapters", "source"), ("accounts", "account"), ("channels", "channel"),
                        ("provenances", "provenance")):
        assert sorted({one[field] for one in events if field in one} - {""}
                      ) == said["capture"][name]
    assert done == exported(wire, out, wanted)             # a package that is whole says the same
    assert Counts(**{**_plain(done.counts), "notes": {}}) == Counts(**_plain(done.counts))


def _plain(counts: Counts) -> dict[str, Any]:
    """Without what formats could not carry."""
    return {name: getattr(counts, name) for name in Counts.__dataclass_fields__ if name != "notes"}


def test_files_that_are_not_there_are_told_apart(wire: Wire, tmp_path: Path) -> None:
    """Those that a record says are stored, each content once; and those that the archive never had
    the bytes of."""
    done = exported(wire, tmp_path / "out", Wanted(query="see", formats=NATIVE))
    counts = read(tmp_path / "out", "certificate.json")["counts"]
    assert (0, 0, 1, 2) == tuple(counts[name] for name in (
        "files", "file_bytes", "files_missing", "files_not_archived"))
    assert (1, 2) == (done.counts.files_missing, done.counts.files_not_archived)


def test_a_stored_file_that_is_gone_is_missing(tmp_path: Path) -> None:
    """Its record names it, its object was lost: counted, and the other one is there."""
    wire = home.made(tmp_path / "home")
    chat = tmp_path / demo.CHAT
    chat.write_bytes(demo.chat(NOON // 1000, again=False))
    imports.take_in(wire, imports.Wanted([chat], account=home.DESK.native_id, me="Anna Lindt",
                                         zone=demo.ZONE), json=False)
    wanted = Wanted(query="attachment:yes", formats=NATIVE)
    before = exported(wire, tmp_path / "before", wanted).counts
    objects = sorted((wire.home / "store/objects/media").iterdir())
    assert before.files == len(objects) > 0 == before.files_missing
    objects[0].chmod(0o600)
    objects[0].unlink()
    after = exported(home.opened(wire.home), tmp_path / "after", wanted).counts
    assert (before.files - 1, 1) == (after.files, after.files_missing)
    assert 0 == exportpackage.verified(tmp_path / "after").code


def test_nothing_lies_in_a_package_that_has_no_place_there(wire: Wire, tmp_path: Path) -> None:
    """With every format: the tag files, and below data/ what docs/FORMAT.md §17 lists;
    withheld.jsonl is there also where nothing is withheld."""
    out = tmp_path / "out"
    exported(wire, out, Wanted(custodians=("carol",)))
    assert {*TAG_FILES, "data"} == {one.name for one in out.iterdir()}
    assert PAYLOAD == {one.name for one in (out / "data").iterdir()}
    exported(wire, tmp_path / "bare", Wanted(query="deposit", formats=NATIVE))
    assert {*TAG_FILES, "data"} == {one.name for one in (tmp_path / "bare").iterdir()}
    assert {"native", "proof", "withheld.csv", "gaps.csv"} == {
        one.name for one in (tmp_path / "bare/data").iterdir()}
    assert b"" == (tmp_path / "bare/data/proof/withheld.jsonl").read_bytes()


def test_a_claim_is_about_something() -> None:
    """Of no domain, or of conversations without a tag, it is none, and says why."""
    facts: Any = {b"d": object()}
    tags = (("C-0001", b"t"),)
    for kind, domains, named in ((complete.CUSTODIANS, {}, ()), (complete.CONVERSATIONS, {}, tags),
                                 (complete.CONVERSATIONS, facts, ())):
        found = complete.claimed(kind, 1, 2, domains, named)
        assert (complete.NONE, 1, 2, {}, ()) == (
            found.kind, found.since, found.until, found.domains, found.tags)
        assert "not claimed" in found.why or "nobody can look" in found.why
    assert tags == complete.claimed(complete.CONVERSATIONS, None, None, facts, tags).tags
    assert () == complete.claimed(complete.CUSTODIANS, None, None, facts, tags).tags


def test_who_has_no_domain_is_claimed_nothing_of(tmp_path: Path) -> None:
    """Everything of theirs was captured while it was nobody's: it is here, and proved, and no
    more is said; whose it is now stands beside each record."""
    wire = home.made(tmp_path / "home")
    with closing(wire.capture_log()) as log:
        wire.recorder("search", log).record(assignment_event(
            Assignment("a1", NOON + home.DAY, "whatsapp", "+15550009999", "dave"), "ann", 8))
    carry.carry(wire, lambda told: None)
    exported(wire, tmp_path / "out", Wanted(custodians=("dave",), formats=NATIVE))
    claim = read(tmp_path / "out", "data/proof/complete.json")
    assert ("none", [], []) == (claim["kind"], claim["domains"], claim["conversations"])
    assert "no key domain of these custodians" in claim["why"]
    assert ["dave"] == [one["custodian"] for one in lines(tmp_path / "out", "native/events.jsonl")]
    assert 0 == exportpackage.verified(tmp_path / "out").code


def test_whose_a_record_is_stands_in_a_datum_of_its_message(tmp_path: Path) -> None:
    """Also where the version that would be shown cannot be read any more."""
    wire = home.made(tmp_path / "home")
    known = set(wire.keyring.names())
    late = NOON + 70 * home.DAY
    archived(wire, home.edit("The price is 150.", late, "e9", conversation=home.WITH_ANN,
                             participants=(home.ANN, home.DESK)))
    (name,) = set(wire.keyring.names()) - known
    wire.keyring.destroy(name)
    exported(home.opened(wire.home), tmp_path / "out", Wanted(query="price", formats=NATIVE))
    records = lines(tmp_path / "out", "native/events.jsonl")
    assert len(records) == 3 and {"carol"} == {one["custodian"] for one in records}
    assert ["unreadable"] == [one["reason"] for one in lines(tmp_path / "out",
                                                              "proof/withheld.jsonl")]
    for one in records:
        assert one["custodian"] == codec.decode(base64.b64decode(one["datum"])).custodian
    counts = read(tmp_path / "out", "certificate.json")["counts"]
    assert {"unreadable": {"messages": 0, "records": 1}} == counts["withheld"]
    assert 0 == exportpackage.verified(tmp_path / "out").code


def test_a_preview_and_a_package_withhold_the_same_messages(wire: Wire, tmp_path: Path) -> None:
    """A period leaves records behind that nobody chose: they are no messages of the selection."""
    wanted = Wanted(custodians=("carol",), until=NOON + home.DAY, formats=NATIVE)
    seen = Exporter(wire, operator("ann")).preview(wanted)
    done = Exporter(wire, operator("ann")).run(wanted, GRANTED, tmp_path / "out", silent)
    assert seen.withheld == done.counts.withheld == {"privileged": 1}
    assert set(done.counts.left) == {"privileged", "outside_period"}
    assert seen.matched == done.counts.matched


def test_a_conversation_is_one_number(wire: Wire, tmp_path: Path) -> None:
    """However many names the archive has for it."""
    done = exported(wire, tmp_path / "out", Wanted(
        conversations=(token(wire, home.WITH_ANN), token(wire, home.WITH_OMAR)), formats=NATIVE))
    assert 2 == done.counts.conversations
