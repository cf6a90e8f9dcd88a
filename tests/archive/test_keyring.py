"""Domain keys: made once, read back before use, and never begun anew because of a doubt."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from archive.keyring import (
    DomainKeys,
    OpenedRecord,
    _read_record,
    context_of,
    name_of,
    opened,
    rewrapped,
)
from infra import rotate
from infra.embedded.keys import LocalKeyService
from schemas.domains import DomainFacts
from schemas.errors import Ambiguous, Halt, Missing, Refused, Transient
from tests.fakes.faults import FaultPlan
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.golden.firstform import in_first_form, restated
from tests.golden.load import load
from tests.golden.stranger import Stranger
from tests.golden.test_stranger import SCHEMAS
from tests.world import Random

DOMAIN = bytes(range(16))
FACTS = DomainFacts("c", "default", "2026-01", "", 7)


class Ring:
    """A keyring, a service and processes on them."""

    def __init__(self) -> None:
        self.faults = FaultPlan()
        self.keyring = FakeKeyring(self.faults)
        self.service = FakeKeyService(faults=self.faults)
        self.asked = 0

    def process(self, seed: str = "one") -> DomainKeys:
        """A process that remembers nothing."""
        return DomainKeys(self.keyring, self.service, Random(seed), lambda: 1)

    def facts(self) -> DomainFacts:
        """Counts how often it is asked."""
        self.asked += 1
        return FACTS


def test_a_key_is_made_once_and_every_process_has_the_same() -> None:
    """The facts are asked for when there is no key, and never again."""
    ring = Ring()
    first = ring.process().current(DOMAIN, ring.facts)
    second = ring.process("two").current(DOMAIN, ring.facts)
    assert (first.key, FACTS, 0) == (second.key, second.facts, second.generation)
    assert 1 == ring.asked
    assert [name_of(DOMAIN, 0)] == list(ring.keyring.names())


def test_who_loses_the_race_uses_the_winners_key() -> None:
    """Create-once decides; the loser's key is never used."""
    ring = Ring()
    won: list[bytes] = []
    ring.faults.before("keyring.create", lambda: won.append(
        ring.process("faster").current(DOMAIN, ring.facts).key))
    lost = ring.process("slower").current(DOMAIN, ring.facts)
    assert [lost.key] == won


@pytest.mark.parametrize("fault", ["keyring_create_applied_but_error",
                                   "keyring_create_not_applied"])
def test_an_unclear_answer_is_settled_by_reading_back(fault: str) -> None:
    """Whether or not it was applied, the next try has one key that is in the ring."""
    ring = Ring()
    process = ring.process()
    ring.faults.arm(fault)
    with pytest.raises(Ambiguous):
        process.current(DOMAIN, ring.facts)
    used = process.current(DOMAIN, ring.facts)
    assert used.key == ring.process("other").open(DOMAIN, 0).key


def test_a_key_that_was_not_read_back_is_not_used() -> None:
    """A ring that says yes and shows nothing gives no key."""
    ring = Ring()
    ring.keyring._create = lambda name, record: None  # type: ignore[method-assign]
    with pytest.raises(Transient):
        ring.process().current(DOMAIN, ring.facts)


def test_the_newest_generation_is_current_and_old_ones_open() -> None:
    """Closing a domain is beginning a generation."""
    ring = Ring()
    old = ring.process().current(DOMAIN, ring.facts)
    ring.process("next")._make(DOMAIN, 1, FACTS)
    process = ring.process()
    assert 1 == process.current(DOMAIN, ring.facts).generation
    assert old.key == process.open(DOMAIN, 0).key
    assert old.key != process.open(DOMAIN, 1).key


def test_a_wrap_is_bound_to_its_domain_and_generation() -> None:
    """A record under another name, or another's wrap inside it, does not open."""
    ring = Ring()
    ring.process().current(DOMAIN, ring.facts)
    record = ring.keyring.records[name_of(DOMAIN, 0)]
    ring.keyring.create(name_of(DOMAIN, 5), record)
    with pytest.raises(Refused, match="another name"):
        ring.process().open(DOMAIN, 5)
    wrapped = ring.service.wrap(bytes(32), context_of(DOMAIN, 0))
    with pytest.raises(Refused):
        ring.service.unwrap(wrapped, context_of(DOMAIN, 1))


def test_no_change_of_a_record_opens_or_makes_a_reader_stumble() -> None:
    """Whoever may write to the keyring can make a key unreadable, and nothing else: each bit, and
    many changes at once."""
    ring = Ring()
    ring.process().current(DOMAIN, ring.facts)
    name, chance = name_of(DOMAIN, 0), random.Random(1)
    record = ring.keyring.records[name]
    changes = [record[:at // 8] + bytes([record[at // 8] ^ 1 << at % 8]) + record[at // 8 + 1:]
               for at in range(len(record) * 8)]
    for _ in range(1_500):
        changed = bytearray(record)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        cut = bytes(changed[:chance.randrange(len(changed) + 1)]) + b"\x00" * chance.randint(0, 1)
        changes += [one for one in (bytes(changed), cut) if one != record]
    for change in changes:
        ring.keyring.records[name] = change
        with pytest.raises(Refused):
            ring.process().open(DOMAIN, 0)
    ring.keyring.records[name] = record + b"\x00"
    with pytest.raises(Refused, match="trailing"):
        ring.process().open(DOMAIN, 0)


def test_a_number_that_is_spelled_otherwise_is_refused() -> None:
    """Avro reads the generation 0 from two bytes as well as from one; neither form opens so."""
    ring = Ring()
    ring.process().current(DOMAIN, ring.facts)
    name = name_of(DOMAIN, 0)
    bound = ring.keyring.records[name]
    for record in (bound, in_first_form(bound, name, ring.service)):
        assert record[26:27] == b"\x00"
        ring.keyring.records[name] = record[:26] + b"\x80\x00" + record[27:]
        with pytest.raises(Refused, match="parse"):
            ring.process().open(DOMAIN, 0)


def test_a_record_of_the_first_form_opens_and_is_told_apart() -> None:
    """The key and its facts, and that nothing binds its date and its KEK's name; all else is."""
    ring = Ring()
    made = ring.process().current(DOMAIN, ring.facts)
    name = name_of(DOMAIN, 0)
    record = in_first_form(ring.keyring.records[name], name, ring.service)
    assert made.is_bound
    free = 0
    for at in range(len(record) * 8):
        changed = bytearray(record)
        changed[at // 8] ^= 1 << at % 8
        ring.keyring.records[name] = bytes(changed)
        try:
            assert replace(made, is_bound=False) == ring.process().open(DOMAIN, 0)
            free += 1
        except Refused:
            continue
    # The date is one byte here, whose lowest bit is its sign and whose highest says that more
    # follow; the highest bit of a letter would spell UTF-8.
    assert 6 + 7 * len("fake:1") == free
    with pytest.raises(Refused, match="parse"):
        ring.keyring.records[name] = restated(record, created_at=-1)
        ring.process().open(DOMAIN, 0)


def test_a_bound_record_becomes_none_of_the_first_form() -> None:
    """Without the KEK: no other date, name or wrap of the same key, also with the parts of an
    earlier record of either form."""
    ring = Ring()
    ring.process().current(DOMAIN, ring.facts)
    name = name_of(DOMAIN, 0)
    first = in_first_form(ring.keyring.records[name], name, ring.service)
    record = rewrapped(first, name, ring.service, ring.service)
    assert record is not None and rewrapped(record, name, ring.service, ring.service) is None
    early = _read_record(first)
    late = _read_record(record)
    assert late["wrapped"] != early["wrapped"]
    for fields in ({"created_at": 2}, {"kek": "fake:2"}, {"wrapped": early["wrapped"]},
                   {"created_at": 2, "facts": late["wrapped"]}, {"facts": b""}):
        assert opened(restated(record, **fields), name, ring.service) is None
    # What was there before, whole, is told apart for ever.
    there = opened(restated(record, facts=early["facts"]), name, ring.service)
    assert there is not None and not there.is_bound


def test_golden_records_open_for_ever() -> None:
    """A committed record of each form says what it said, and today's program writes the second to
    the letter; so reads who knows the page alone."""
    stated = json.loads((Path(__file__).parents[1] / "keys" / "records.json").read_text("utf-8"))
    service = LocalKeyService.of(bytes.fromhex(stated["kek"]), Random("golden/wraps"))
    keyring = FakeKeyring()
    DomainKeys(keyring, service, Random("golden/key"), lambda: stated["created_at"]).current(
        DOMAIN, lambda: FACTS)
    name = name_of(DOMAIN, 0)
    assert {name: bytes.fromhex(stated["second"])} == keyring.records
    for form, is_bound in (("first", False), ("second", True)):
        record = bytes.fromhex(stated[form])
        there = opened(record, name, service)
        assert there == OpenedRecord(bytes.fromhex(stated["key"]), json.dumps(
            stated["facts"], separators=(",", ":")).encode(), stated["created_at"], is_bound)
        stranger = Stranger({}, {name: record}, bytes.fromhex(stated["kek"]), {}, SCHEMAS)
        assert bytes.fromhex(stated["key"]) == stranger.domain_key(DOMAIN, 0)
        assert (stated["facts"], is_bound) == stranger.domain_facts(DOMAIN, 0)


def test_records_of_the_first_form_are_counted() -> None:
    """In a note of a verification, and no finding; once they were wrapped anew there is none."""
    firm = load()
    count = len(firm.keyring.records)
    report = firm.verify()
    assert [] == report.findings
    assert 1 == sum(note.startswith(f"{count} key records are of the first form")
                    for note in report.notes)
    new = LocalKeyService.of(bytes(32), Random("new"))
    rotate.rewrap(firm.keyring, firm.service, new)
    firm.service = new
    assert not any("first form" in note for note in firm.verify().notes)


def test_a_key_that_does_not_open_stops_the_archiver() -> None:
    """A wrong KEK or a damaged record must not begin a second key in silence."""
    ring = Ring()
    ring.process().current(DOMAIN, ring.facts)
    other = DomainKeys(ring.keyring, FakeKeyService("fake:2"), Random("x"), lambda: 1)
    with pytest.raises(Halt) as halt:
        other.current(DOMAIN, ring.facts)
    assert "key_service" == halt.value.finding
    assert [name_of(DOMAIN, 0)] == list(ring.keyring.names())


def test_names_that_are_no_keys_are_told_and_passed_by() -> None:
    """Junk in the keyring neither stops the archiver nor hides from verify."""
    ring = Ring()
    key = ring.process().current(DOMAIN, ring.facts)
    for name in (f"{DOMAIN.hex()}/x", f"{DOMAIN.hex()}/00", "readme", f"{DOMAIN.hex()}/"):
        ring.keyring.records[name] = b"junk"
    assert key.key == ring.process().current(DOMAIN, ring.facts).key
    found = list(ring.process().all())
    assert 4 == sum(isinstance(opened, Refused) for _, _, opened in found)
    assert (DOMAIN, 0, key) in found


def test_forgotten_keys_are_read_again() -> None:
    """After an erasure nothing of the key stays in a process that forgets."""
    ring = Ring()
    process = ring.process()
    process.current(DOMAIN, ring.facts)
    ring.keyring.destroy(name_of(DOMAIN, 0))
    process.open(DOMAIN, 0)
    process.forget()
    with pytest.raises(Missing):
        process.open(DOMAIN, 0)


def test_a_key_is_not_in_the_repr() -> None:
    """Whoever logs a key object logs no key."""
    ring = Ring()
    opened = ring.process().current(DOMAIN, ring.facts)
    assert opened.key.hex() not in repr(opened) and repr(opened.key) not in repr(opened)
