"""Disposition on a data folder: what is due goes, in every copy, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from archive import certificate
from archive.disposition import Survey
from archive.keyring import KEPT_MS, read_name
from infra import carry
from infra.config import load
from infra.disposition import Disposer, verifiers
from infra.elastic import connect
from infra.elastic_words import words_name
from infra.embedded.keys import FolderKeyring
from infra.s3 import provision
from infra.verbs import hold
from infra.verbs.audit import record_act
from infra.wire import Wire
from schemas import document as shape
from schemas import domains, events
from schemas.disposition import Listing
from schemas.document import Document
from schemas.errors import Missing, Refused, Transient
from schemas.findings import Finding
from schemas.kinds import kinds_of, mask_of
from search.follow import compare, rebuild
from search.tokens import stream_and_units
from tests.conftest import ElasticsearchServer, S3Server
from tests.runtime.test_replay import CAROL, archived
from tests.search.policy.world import edit, said

DAY = 86_400_000
YEAR = 366 * DAY
# 2025-11-10, 00:00 UTC.
THEN = 1_762_732_800_000
WORD = "xylographica"


class Clock:
    """Set by hand."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The month in which the messages are written."""
    return Clock(THEN)


@pytest.fixture
def wire(tmp_path: Path, clock: Clock) -> Wire:
    """An embedded system of Carol's."""
    made = Wire(load(tmp_path / "home", disposition={"wait_days": 1}), clock)
    made.provision_once()
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    return made


def written(wire: Wire, clock: Clock) -> None:
    """Two messages of November 2025, one of them edited a month later; nine years of nothing; and
    a message of today, after which the log could be shortened."""
    archived(wire, said(f"the {WORD} is yours", THEN, "m1"), said("nothing else", THEN, "m2"))
    clock.now = THEN + 30 * DAY
    archived(wire, edit("nothing at all", clock.now, "e2", "m2"))
    clock.now = THEN + 9 * YEAR
    archived(wire, said("good morning", clock.now, "m3"))
    clock.now += 8 * DAY
    archived(wire, said("good night", clock.now, "m4"))


def disposer(wire: Wire, by: str) -> Disposer:
    """Somebody at work, alone on the folder."""
    return Disposer(wire, by, is_alone=True)


def names(wire: Wire, month: str) -> list[str]:
    """Keys of Carol's for a month."""
    return sorted(one.name for one in disposer(wire, "").standings()
                  if one.facts and one.facts.custodian == "carol" and one.facts.month == month)


def documents(wire: Wire) -> list[Document]:
    """The index in force."""
    name = wire.indexes().current()
    assert name is not None
    return list(wire.indexes().open(name).scan())


def findings(wire: Wire) -> list[Finding]:
    """What verify says."""
    return wire.verifier(lambda _done, _key: None).run(wire.clock()).findings


def files(wire: Wire) -> Iterator[tuple[Path, bytes]]:
    """Every file of the data folder."""
    for path in sorted(wire.home.rglob("*")):
        if path.is_file():
            yield path, path.read_bytes()


def test_what_is_due_is_listed_approved_and_gone(wire: Wire, clock: Clock) -> None:
    """Due, list, approval by a second person, waiting, intent, destruction, stubs, certificate; the
    archive verifies, and a rebuilt index is the live one."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    assert not findings(wire)
    token = wire.tokenizer().tokens(*stream_and_units(WORD))[0][0]
    assert any(token in body.decode("latin-1") for _, body in files(wire))

    listing = disposer(wire, "ann").make_list([name])
    with pytest.raises(Refused, match="second person"):
        disposer(wire, "ann").run(listing.list_id)
    with pytest.raises(Refused, match="their own"):
        disposer(wire, "Ann ").approve(listing.list_id)
    disposer(wire, "bob").approve(listing.list_id)
    with pytest.raises(Refused, match="nothing is destroyed before"):
        disposer(wire, "ann").run(listing.list_id)
    clock.now += DAY + 1
    done = disposer(wire, "ann").run(listing.list_id)

    assert {name} == done.erased
    with pytest.raises(Missing):
        wire.keyring.read(name)
    assert not findings(wire)
    stubs = [one for one in documents(wire) if one.kind == shape.ERASED]
    assert 2 == len(stubs)
    assert not any(one.words or one.actors or one.custodians for one in stubs)
    indexes = wire.indexes()
    live = indexes.current()
    assert live is not None
    rebuilt = rebuild(wire.reader(), indexes, wire.projector())
    assert [] == list(compare(indexes.open(live), indexes.open(rebuilt)))

    assert done.certificate is not None
    said_there = certificate.check(str(done.certificate.value("text")), verifiers(wire))
    assert ["ann", "bob"] == [said_there["listed"]["by"], said_there["approved"]["by"]]
    assert [2] == [one["events"] for one in said_there["domains"]]
    # What the index says of its own files, in no other words.
    assert [indexes.open(live).purge()] == [
        one["said"] for one in said_there["copies"] if one["what"] == "index"]
    assert done.list_id == disposer(wire, "ann").run(done.list_id).list_id  # again: nothing to do


def test_a_word_is_found_nowhere_afterwards(wire: Wire, clock: Clock) -> None:
    """No file of the folder holds the word or its token; records that quote it are named by id."""
    written(wire, clock)
    archived_at = clock.now
    record_act(wire, "looked_for", {"what": f"who said {WORD}?"})
    (name,) = names(wire, "2025-11")
    token = wire.tokenizer().tokens(*stream_and_units(WORD))[0][0]
    listing = disposer(wire, "ann").make_list([name])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now = archived_at + DAY + 1
    done = disposer(wire, "ann").run(listing.list_id)

    for path, body in files(wire):
        for trace in (WORD.encode(), token.encode(), WORD.encode("utf-16-le")):
            assert trace not in body, f"{path.relative_to(wire.home)} still holds it"
    assert done.certificate is not None
    values = certificate.check(str(done.certificate.value("text")), verifiers(wire))
    assert 1 == values["named_by"]["count"]
    (named,) = values["named_by"]["ids"]
    assert named.startswith("audit ")
    assert named.removeprefix("audit ") in {one.doc_id for one in documents(wire)}


def test_every_copy_of_the_keyring_has_to_confirm(tmp_path: Path, clock: Clock) -> None:
    """A copy that is away stops it and is named; it goes on when the copy is back."""
    away = tmp_path / "copy"
    made = Wire(load(tmp_path / "home", disposition={"wait_days": 1},
                     keyring={"copies": [str(away)]}), clock)
    made.provision_once()
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    written(made, clock)
    (name,) = names(made, "2025-11")
    copy = FolderKeyring(away)
    for one in made.keyring.names():
        copy.create(one, made.keyring.read(one))
    listing = disposer(made, "ann").make_list([name])
    disposer(made, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    away.rename(tmp_path / "elsewhere")
    with pytest.raises(Transient, match=r"is not there: mount it"):
        disposer(made, "ann").run(listing.list_id)
    assert made.keyring.read(name)
    (tmp_path / "elsewhere").rename(away)
    done = disposer(made, "ann").run(listing.list_id)
    assert {name} == done.erased
    for keyring in (made.keyring, FolderKeyring(away)):
        with pytest.raises(Missing):
            keyring.read(name)
    assert not findings(made)


def test_a_refusal_names_the_ground_and_the_date(wire: Wire, clock: Clock) -> None:
    """What is not due is refused with its class and the day from which it is."""
    written(wire, clock)
    (name,) = names(wire, domains.month_text(clock.now))
    with pytest.raises(Refused, match=r"class default, 7 years .* until 20\d\d-\d\d-02"):
        disposer(wire, "ann").make_list([name])


def test_who_refuses_a_list_ends_it(wire: Wire, clock: Clock) -> None:
    """A refused list is neither approved nor run."""
    written(wire, clock)
    listing = disposer(wire, "ann").make_list(names(wire, "2025-11"))
    disposer(wire, "bob").refuse(listing.list_id, "a claim is announced")
    with pytest.raises(Refused, match="refused this list"):
        disposer(wire, "carl").approve(listing.list_id)
    with pytest.raises(Refused, match="refused this list"):
        disposer(wire, "ann").run(listing.list_id)


def test_what_is_held_stays_until_the_hold_ends(wire: Wire, clock: Clock) -> None:
    """A hold placed after the approval keeps the key, and nobody can list it any more."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    listing = disposer(wire, "ann").make_list([name])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    hold.place(wire, "Doe v. Roe", "a claim", hold.Wanted(custodians=("carol",)), json=True)
    with pytest.raises(Refused, match=r"the hold 'Doe v\. Roe' keeps it"):
        disposer(wire, "ann").run(listing.list_id)
    with pytest.raises(Refused, match=r"may not go: the hold 'Doe v\. Roe' keeps it"):
        disposer(wire, "ann").make_list([name])
    assert wire.keyring.read(name)
    assert not any(one.is_due for one in disposer(wire, "").standings() if one.name == name)


def test_a_hold_after_the_intent_is_read_before_anything_is_destroyed(
        wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announced, then held: nothing goes, and it is said why; what is not held goes."""
    clock.now = THEN + 70 * DAY
    archived(wire, said("of January", clock.now, "m7"))
    written(wire, clock)
    both = [*names(wire, "2025-11"), *names(wire, "2026-01")]
    listing = disposer(wire, "ann").make_list(both)
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    close = Disposer._followed

    def held_meanwhile(self: Disposer, listing: Listing) -> tuple[Survey, Listing]:
        hold.place(wire, "Late", "a claim", hold.Wanted(
            custodians=("carol",), since="2025-11-01", until="2025-11-30"), json=True)
        return close(self, listing)

    monkeypatch.setattr(Disposer, "_followed", held_meanwhile)
    done = disposer(wire, "ann").run(listing.list_id)
    assert {both[1]} == done.erased
    assert wire.keyring.read(both[0])
    assert done.certificate is not None
    values = certificate.check(str(done.certificate.value("text")), verifiers(wire))
    assert [both[0]] == [one["key"] for one in values["kept"]]
    assert not findings(wire)


def test_a_refusal_that_comes_with_the_intent_wins(
        wire: Wire, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded in the same moment: nothing is destroyed, and the list is dead."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    listing = disposer(wire, "ann").make_list([name])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    intend = Disposer._intend

    def refused_meanwhile(self: Disposer, listing: Listing, found: Survey) -> Listing:
        disposer(wire, "bob").refuse(listing.list_id, "a claim is announced")
        return intend(self, listing, found)

    monkeypatch.setattr(Disposer, "_intend", refused_meanwhile)
    with pytest.raises(Refused, match="was refused while it was announced"):
        disposer(wire, "ann").run(listing.list_id)
    assert wire.keyring.read(name)
    assert not findings(wire)


def test_a_late_message_of_an_erased_month_is_read(wire: Wire, clock: Clock) -> None:
    """The domain was closed: what comes after lies under the next generation, and is found."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    listing = disposer(wire, "ann").make_list([name])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    disposer(wire, "ann").run(listing.list_id)
    archived(wire, said("late", THEN, "late", captured_at=THEN + 1_000))
    assert ["carol"] * 1 == [one.facts.custodian for one in disposer(wire, "").standings()
                             if one.facts and one.name == name.replace("/0", "/1")]
    assert not findings(wire)
    assert any(len(one.words) == 1 and one.kind == "message" and len(one.words[0]) == 1
               for one in documents(wire))


def test_a_running_archiver_seals_under_the_new_generation(wire: Wire, clock: Clock) -> None:
    """One that remembers the closed key uses it no longer than it is kept in memory."""
    archived(wire, said("one", THEN, "m1"))
    keys = wire.domain_keys()
    (name,) = names(wire, "2025-11")
    domain, generation = read_name(name)
    facts = keys.current(domain, lambda: pytest.fail("it is there")).facts
    wire.domain_keys().close(domain, generation, facts)
    assert generation == keys.current(domain, lambda: facts).generation
    clock.now += KEPT_MS
    assert generation + 1 == keys.current(domain, lambda: facts).generation
    assert generation + 1 == wire.domain_keys().close(domain, generation, facts)


def test_beside_a_running_system_it_waits(wire: Wire, clock: Clock,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    """Not alone, it destroys nothing until every other process has forgotten the keys."""
    written(wire, clock)
    (name,) = names(wire, "2025-11")
    listing = disposer(wire, "ann").make_list([name])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    monkeypatch.setattr(Disposer, "settle", lambda self: carry.carry(wire, lambda told: None))
    waited: list[int] = []
    beside = Disposer(wire, "ann", pause=waited.append)
    with pytest.raises(Refused, match="may still remember"):
        beside.run(listing.list_id)
    assert wire.keyring.read(name)
    assert [True] == [one > KEPT_MS for one in waited]
    clock.now += waited[0]
    assert {name} == beside.run(listing.list_id).erased
    assert 1 == len(waited)


def test_an_older_folder_may_say_what_is_new(wire: Wire, clock: Clock) -> None:
    """Its keys are enrolled for a kind that came later, by the next command; and only its own."""
    path = wire.keys_folder.root / "public" / "enrolled.json"
    enrolled = json.loads(path.read_text("utf-8"))
    stranger = {"name": "branch", "public": "ab" * 32, "kinds": 1}
    for one in enrolled.values():
        one["kinds"] &= ~mask_of([events.DISPOSITION])
    path.write_text(json.dumps({**enrolled, "cd" * 16: stranger}), "utf-8")
    assert not wire.keys_folder.is_enrolled
    wire.provision_once()
    found = json.loads(path.read_text("utf-8"))
    assert stranger == found.pop("cd" * 16)
    may = {one["name"]: events.DISPOSITION in kinds_of(one["kinds"]) for one in found.values()}
    assert {"search": True, "gateway": False, "archiver": False} == may
    written(wire, clock)
    assert names(wire, "2025-11") == sorted(disposer(wire, "ann").make_list(
        names(wire, "2025-11")).keys)
    assert not findings(wire)


@pytest.mark.slow
def test_on_elasticsearch_it_is_gone_from_the_server(
        tmp_path: Path, clock: Clock, elasticsearch_server: ElasticsearchServer) -> None:
    """The same, with the index on a real server: no document, no deleted document, no word."""
    prefix = f"disposition-{abs(hash(str(tmp_path)))}"
    made = Wire(load(tmp_path / "home", disposition={"wait_days": 1}, index={
        "driver": "elasticsearch", "url": elasticsearch_server.url, "name": prefix}), clock)
    made.provision_once()
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    client = connect(elasticsearch_server.url)
    try:
        written(made, clock)
        (name,) = names(made, "2025-11")
        token = made.tokenizer().tokens(*stream_and_units(WORD))[0][0]
        assert 1 == client.count(index=prefix, query={"term": {"words": token}})["count"]
        listing = disposer(made, "ann").make_list([name])
        disposer(made, "bob").approve(listing.list_id)
        clock.now += DAY + 1
        done = disposer(made, "ann").run(listing.list_id)
        assert {name} == done.erased
        assert 0 == client.count(index=prefix, query={"term": {"words": token}})["count"]
        assert 2 == len([one for one in documents(made) if one.kind == shape.ERASED])
        assert not findings(made)
        assert done.certificate is not None
        text = str(done.certificate.value("text"))
        assert "merged into one segment, without deleted documents" in text
        indexes = made.indexes()
        live = indexes.current()
        assert live is not None
        rebuilt = rebuild(made.reader(), indexes, made.projector())
        assert [] == list(compare(indexes.open(live), indexes.open(rebuilt)))
    finally:
        for one in made.indexes().names():
            client.indices.delete(index=[one, words_name(one)])
        client.close()


@pytest.mark.slow
def test_the_stores_clock_decides(tmp_path: Path, clock: Clock, s3_server: S3Server,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock of ours that is years ahead makes nothing due: the store says what time it is."""
    for name, value in (("AWS_ACCESS_KEY_ID", s3_server.access_key),
                        ("AWS_SECRET_ACCESS_KEY", s3_server.secret_key)):
        monkeypatch.setenv(name, value)
    made = Wire(load(tmp_path / "home", store={
        "driver": "s3", "endpoint": s3_server.endpoint, "region": s3_server.region,
        "bucket": f"clock-{abs(hash(str(tmp_path)))}"}), clock)
    provision(made.s3_settings(made.config.store.bucket))
    clock.now = THEN + 40 * YEAR
    now = Disposer(made, "ann").store_now()
    assert THEN < now < clock.now
    clock.now = THEN
    assert THEN == Disposer(made, "ann").store_now()
