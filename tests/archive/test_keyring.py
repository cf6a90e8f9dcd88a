"""Domain keys: made once, read back before use, and never begun anew because of a doubt."""

from __future__ import annotations

import random

import pytest

from archive.keyring import DomainKeys, context_of, name_of
from schemas.domains import DomainFacts
from schemas.errors import Ambiguous, Halt, Missing, Refused, Transient
from tests.fakes.faults import FaultPlan
from tests.fakes.keys import FakeKeyring, FakeKeyService
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
    """Whoever may write to the keyring can make a key unreadable, and nothing else."""
    ring = Ring()
    key = ring.process().current(DOMAIN, ring.facts).key
    name, chance = name_of(DOMAIN, 0), random.Random(1)
    record = ring.keyring.records[name]
    for _ in range(1_500):
        changed = bytearray(record)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        cut = bytes(changed[:chance.randrange(len(changed) + 1)]) + b"\x00" * chance.randint(0, 1)
        ring.keyring.records[name] = cut
        try:
            assert key == ring.process().open(DOMAIN, 0).key  # the KEK's name and date are plain
        except Refused:
            continue
    ring.keyring.records[name] = record + b"\x00"
    with pytest.raises(Refused, match="trailing"):
        ring.process().open(DOMAIN, 0)


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
