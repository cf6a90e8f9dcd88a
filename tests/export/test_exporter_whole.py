"""Large events of which no sighting is whole, messages of several custodians, and keys that go
while an export is made: what the verifier asks of an honest package, through the real parts."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive.reader import OpenedCell
from archive.tlog import note
from infra import carry, exportpackage
from infra.config import load
from infra.exportclaim import Claims
from infra.exportlog import checkpoint_for
from infra.wire import Wire
from ingest.parts import items_of
from ingest.routing import Router
from schemas import codec, events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.wire import Pointer
from search.export import complete
from search.export.cells import Cells
from search.export.package import Package
from search.export.wanted import Wanted
from tests.export import home
from tests.export.home import NOON
from tests.export.offline_archive import WITNESSES
from tests.export.test_exporter import NATIVE, Cut, exported, lines, token
from tests.runtime import test_disposition as quiet
from tests.runtime.test_replay import CAROL, archived
from tests.search.world import retraction

LARGE = home.said_by(home.ANN, "big", "y" * 900_000, NOON + 8_000, custodian="dave")


def sighted(wire: Wire, event: CapturedEvent, number: int) -> None:
    """One part of a sighting arrives; the others never do."""
    items = items_of(event, Router(wire.keys_folder.routing_key(), bytes(16)))
    assert 2 == len(items)
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_items([items[number]])
    carry.carry(wire, lambda told: None)


def claim_of(package: Path) -> dict[str, Any]:
    """complete.json."""
    return dict(json.loads((package / "data/proof/complete.json").read_bytes()))


@pytest.fixture
def mixed(tmp_path: Path) -> Wire:
    """A large message of which the end came first, of one sighting, and then the beginning, of
    another; captured for somebody whom the directory does not know (any more). It was edited on
    the telephone that carol has now."""
    wire = home.made(tmp_path / "home")
    sighted(wire, LARGE, 1)
    sighted(wire, replace(LARGE, captured_at=LARGE.captured_at + 5_000), 0)
    archived(wire, home.edit("Short.", NOON + 99_000, "e8", "big", conversation=home.WITH_ANN,
                             participants=(home.ANN, home.DESK)))
    return wire


def test_an_event_of_two_sightings_is_whole_in_the_package(mixed: Wire, tmp_path: Path) -> None:
    """Beside the part that it begins with, as that sighting says it."""
    exported(mixed, tmp_path / "out", Wanted(
        conversations=(token(mixed, home.WITH_ANN),), formats=NATIVE))
    records = lines(tmp_path / "out", "native/events.jsonl")
    wholes = [one["whole"] for one in records if one.get("whole", {}).get("native_id") == "big"]
    assert [(LARGE.text, LARGE.captured_at + 5_000)] == [
        (one["text"], one["captured_at"]) for one in wholes]
    assert 0 == exportpackage.verified(tmp_path / "out").code


def test_a_claim_is_about_everybody_whose_records_are_there(mixed: Wire, tmp_path: Path) -> None:
    """Versions of one message that were captured for two, one of whom has left: each record lies in
    a key domain of the claim, which is about all months of both."""
    out = tmp_path / "out"
    items = items_of(replace(LARGE, native_id="later", text="Bye.", conversation=home.WITH_OMAR,
                             occurred_at=NOON + 31 * home.DAY, captured_at=NOON + 31 * home.DAY),
                     Router(mixed.keys_folder.routing_key(), bytes(16)))
    with closing(mixed.capture_log()) as log:
        mixed.recorder("gateway", log).record_items(items)
    carry.carry(mixed, lambda told: None)
    exported(mixed, out, Wanted(conversations=(token(mixed, home.WITH_ANN),), formats=NATIVE))
    claim = claim_of(out)
    domains = {one["domain"]: one["custodian"] for one in claim["domains"]}
    assert "conversations" == claim["kind"] and {"carol", "dave"} <= set(domains.values())
    of = {one["leaf"]: json.loads(one["entry"])["domain"] for one in lines(
        out, "proof/cells.jsonl")}
    proofs = lines(out, "proof/events.jsonl")
    assert proofs and {of[one["leaf"]] for one in proofs} <= set(domains)
    named = {codec.decode(base64.b64decode(one["datum"])).custodian
             for one in lines(out, "native/events.jsonl")}
    assert {"carol", "dave"} == named
    assert 2 == len({one["month"] for one in claim["domains"] if one["custodian"] == "dave"})
    assert 0 == exportpackage.verified(out).code


def test_what_is_there_is_claimed_whatever_month_it_was_sealed_in(tmp_path: Path) -> None:
    """A message of which only the retraction was captured is within the period; a reaction to it
    was captured a month before, and its key domain is in the claim."""
    wire = home.made(tmp_path / "home")
    archived(wire, home.event(
        events.REACTION, "re7", "👍", conversation=home.WITH_ANN, target="lost",
        target_known=events.EXPLICIT, occurred_at=NOON + 8_000, captured_at=NOON + 9_000))
    archived(wire, retraction(NOON + 31 * home.DAY, "r7", "lost", conversation=home.WITH_ANN))
    exported(wire, tmp_path / "out", Wanted(conversations=(token(wire, home.WITH_ANN),),
                                            since=NOON + 30 * home.DAY, formats=NATIVE))
    domains = {one["domain"] for one in claim_of(tmp_path / "out")["domains"]}
    of = {one["leaf"]: json.loads(one["entry"])["domain"] for one in lines(
        tmp_path / "out", "proof/cells.jsonl")}
    assert {of[one["leaf"]] for one in lines(tmp_path / "out", "proof/events.jsonl")} <= domains
    assert {"2026-01", "2026-02"} == {one["month"] for one in claim_of(
        tmp_path / "out")["domains"]}
    assert 0 == exportpackage.verified(tmp_path / "out").code


def test_a_key_that_nobody_knows_ends_the_claim(mixed: Wire, tmp_path: Path) -> None:
    """What lay under it may have been of anybody: each record is proved, and no more is said."""
    wire = mixed
    (name,) = [f"{domain.hex()}/{number}" for domain, number, opened in wire.domain_keys().all()
               if not isinstance(opened, Refused) and opened.facts.custodian == "dave"]
    wire.keyring.destroy(name)
    exported(home.opened(wire.home), tmp_path / "out", Wanted(
        conversations=(token(wire, home.WITH_ANN),), formats=NATIVE))
    claim = claim_of(tmp_path / "out")
    assert ("none", [], []) == (claim["kind"], claim["domains"], claim["conversations"])
    assert "does not open any more" in claim["why"]
    assert {"unreadable"} == {one["reason"] for one in lines(tmp_path / "out",
                                                              "proof/withheld.jsonl")}
    assert 0 == exportpackage.verified(tmp_path / "out").code


def test_a_domain_that_began_with_what_nobody_reads_is_whose_its_messages_say(
        tmp_path: Path) -> None:
    """The key record says nobody's, for good; the claim says whose, and leaves nothing out."""
    wire = home.made(tmp_path / "home")
    event = home.said_by(home.ANN, "q1", "in March", NOON + 62 * home.DAY)
    (item,) = items_of(event, Router(wire.keys_folder.routing_key(), bytes(16)))
    for one in (replace(item, datum=b"\xc3\x01" + bytes(20)), item):
        with closing(wire.capture_log()) as log:
            wire.recorder("gateway", log).record_items([one])
        carry.carry(wire, lambda _told: None)
    for number, wanted in enumerate((Wanted(custodians=("carol",), formats=NATIVE),
                                     Wanted(conversations=(token(wire, home.WITH_ANN),),
                                            formats=NATIVE))):
        out = tmp_path / str(number)
        exported(wire, out, wanted)
        (said,) = [one for one in claim_of(out)["domains"] if one["domain"] == item.domain.hex()]
        assert ("carol", "default", "2026-03") == (said["custodian"], said["class"], said["month"])
        assert 0 == exportpackage.verified(out).code


def test_where_nothing_was_found_nothing_is_claimed(mixed: Wire) -> None:
    """An absence over the whole archive would be another claim."""
    claims = Claims(mixed.domain_keys(), _index(mixed), None,  # type: ignore[arg-type]
                    lambda _domain: ())
    found = claims.claim(Wanted(custodians=("carol",), since=5), frozenset(), (), (),
                         sees_all=True)
    assert (complete.NONE, complete.NOTHING, 5, {}) == (
        found.kind, found.why, found.since, found.domains)
    assert "over all of the archive is not claimed" in found.why


def test_witnesses_stand_in_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the certificate as in trust.json, in whatever order they signed."""
    wire = home.made(tmp_path / "home")
    keys = tuple(one.key for one in WITNESSES)

    def vouched(*asked: Any) -> tuple[note.Note, tuple[note.Key, ...]]:
        signed, _ = checkpoint_for(*asked)
        return note.with_signatures(signed, [
            note.cosign(signed.text, one, NOON // 1000 + number)
            for number, one in reversed(list(enumerate(WITNESSES)))]), keys

    monkeypatch.setattr("infra.exports.checkpoint_for", vouched)
    exported(wire, tmp_path / "out", Wanted(query="price", formats=NATIVE))
    said = json.loads((tmp_path / "out/certificate.json").read_bytes())
    assert len(keys) > 1 and [
        {"name": one.name, "key": one.vkey(), "at": NOON + 1_000 * number}
        for number, one in enumerate(keys)] == said["cosignatures"]
    trust = json.loads((tmp_path / "out/data/proof/trust.json").read_bytes())
    assert trust["witnesses"] == [one["key"] for one in said["cosignatures"]]
    assert 0 == exportpackage.verified(tmp_path / "out").code


def _index(wire: Wire) -> Any:
    name = wire.indexes().current()
    assert name is not None
    return wire.indexes().open(name)


def cut_off(wire: Wire, out: Path, wanted: Wanted, monkeypatch: pytest.MonkeyPatch,
            method: str) -> None:
    """An export that ends there."""
    def cut(*_given: Any) -> None:
        raise Cut

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr("search.export.package._COMMIT_ITEMS", 1)
        patched.setattr(Package, method, cut)
        exported(wire, out, wanted)


def test_a_cell_that_is_erased_meanwhile_ends_the_export(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By right, after its records were written: the package would say both. Again it says the same;
    begun anew it is made, and proved."""
    clock = quiet.Clock(quiet.THEN)
    wire = Wire(load(tmp_path / "home", disposition={"wait_days": 1}), clock)
    wire.provision_once()
    (wire.home / "directory.toml").write_text(CAROL, "utf-8")
    quiet.written(wire, clock)
    (talk,) = {one.conversation for one in quiet.documents(wire)} - {""}
    wanted = Wanted(conversations=(talk,), formats=NATIVE)
    cut_off(wire, tmp_path / "out", wanted, monkeypatch, "_end")
    (name,) = quiet.names(wire, "2025-11")
    listing = quiet.disposer(wire, "ann").make_list([name])
    quiet.disposer(wire, "bob").approve(listing.list_id)
    clock.now += 2 * quiet.DAY
    quiet.disposer(wire, "ann").run(listing.list_id)
    again = Wire(wire.config, clock)
    for _ in range(2):
        with pytest.raises(Refused, match="a key was destroyed while this export was made"):
            exported(again, tmp_path / "out", wanted)
    exported(again, tmp_path / "anew", wanted)
    erased = [one for one in lines(tmp_path / "anew", "proof/tags.jsonl") if one.get("erased")]
    assert erased and 0 == exportpackage.verified(tmp_path / "anew").code


def test_of_one_key_no_cell_is_open_and_another_erased(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation of which no record goes along: its key went between two cells."""
    wire = home.made(tmp_path / "home")
    wanted = Wanted(conversations=(token(wire, home.WITH_LAWYER),), formats=NATIVE)
    exported(wire, tmp_path / "before", wanted)
    of, seen = Cells.of, set[str]()

    def gone(self: Cells, pointer: Pointer) -> OpenedCell:
        if pointer.segment not in seen and len(seen) > 2:
            raise Missing("the key of this cell")
        seen.add(pointer.segment)
        return of(self, pointer)

    monkeypatch.setattr(Cells, "of", gone)
    monkeypatch.setattr(Claims, "is_erased", lambda *_: True)
    with pytest.raises(Refused, match="a key was destroyed while this export was made"):
        exported(home.opened(wire.home), tmp_path / "out", wanted)
    assert len(seen) == 3


def test_a_record_that_is_erased_meanwhile_ends_the_export(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two slices, before the index knows: half of what lay under that key is written."""
    wire = home.made(tmp_path / "home")
    wanted = Wanted(query="price OR 你好 OR from:+16505550000", formats=NATIVE)
    write, first = Package._slice, [True]

    def once(self: Package, planned: Any) -> None:
        if not first:
            raise Cut
        first.clear()
        write(self, planned)

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr("search.export.package._COMMIT_ITEMS", 1)
        patched.setattr(Package, "_slice", once)
        exported(wire, tmp_path / "out", wanted)
    (leaf,) = {one["leaf"] for one in [json.loads(line) for line in (
        tmp_path / "out.part/data/proof/events.jsonl").read_bytes().splitlines()]}
    gone = home.opened(wire.home)
    for domain, number, opened in list(gone.domain_keys().all()):
        if not isinstance(opened, Refused) and opened.facts.custodian == "carol":
            gone.keyring.destroy(f"{domain.hex()}/{number}")
    monkeypatch.setattr(Claims, "is_erased", lambda *_: True)
    assert leaf >= 0
    with pytest.raises(Refused, match="begin it anew"):
        exported(home.opened(wire.home), tmp_path / "out", wanted)
