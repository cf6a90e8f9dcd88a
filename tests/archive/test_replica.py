"""The second copy: what is copied, what never is, and that every difference is named."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

import pytest

from archive import layout, replica
from archive.keyring import DomainKeys
from archive.media import record_of
from archive.replica import Ports, Replicator, copy_keys
from archive.replicacheck import Compared, compare, compare_keys
from archive.retention import DAY_MS
from archive.store import Lock
from infra import rotate
from schemas.errors import CounterfoilError
from schemas.findings import Finding
from tests.fakes.faults import FAULTS, FaultPlan, Killed
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.fakes.store import FakeStore
from tests.golden.firm import HOUR_MS, Firm
from tests.golden.firstform import restated
from tests.golden.load import load
from tests.keys.test_rotate import Both

YEAR_MS = 366 * DAY_MS
LAG_MS = HOUR_MS
T = TypeVar("T")
COPY_FAULTS = sorted(name for name, fault in FAULTS.items() if fault.operation in (
    "store.put_once", "store.get", "store.versions", "store.lock", "store.extend"))


@contextmanager
def in_memory(pieces: Iterator[bytes]) -> Iterator[BinaryIO]:
    """Scratch space of a test."""
    yield io.BytesIO(b"".join(pieces))


def once(call: Callable[[], T]) -> T:
    """No second try."""
    return call()


@dataclass
class Two:
    """A firm and its copy. `firm.store` has two locked objects below log/ and a large file."""

    firm: Firm = field(default_factory=load)

    def __post_init__(self) -> None:
        self.store = FakeStore(self.firm.clock)
        self.keyring = FakeKeyring()
        until = self.firm.now + YEAR_MS
        self.firm.store.plant("log/batch/00000000000000000000", b"batch", self.locked(until))
        self.firm.store.plant("log/tile/0/000", b"tile" * 10, self.locked(until))
        self.media = f"{layout.MEDIA}{7:032x}"
        self.firm.store.plant(self.media, b"x" * (replica.PIECE_BYTES + 5), self.locked(until))

    @staticmethod
    def locked(until: int) -> Lock:
        """In compliance mode."""
        return Lock("COMPLIANCE", until)

    def replicator(self) -> Replicator:
        """A new copying process."""
        return Replicator(Ports(self.firm.store, self.store, self.firm.authenticator(), in_memory,
                                once, self.firm.clock))

    def copy(self) -> replica.Turn:
        """Everything, keys too."""
        keys = copy_keys(self.firm.keyring, self.keyring, self.firm.service, frozenset())
        assert keys.refused == ()
        return self.replicator().turn(locks=True)

    def said(self, *, erased: frozenset[str] = frozenset(), lag_ms: int = LAG_MS,
             ) -> set[tuple[str, str]]:
        """(code, where) of every finding, a day later."""
        now = self.firm.now + DAY_MS
        found = [*compare(Compared(self.firm.store, self.store, self.firm.authenticator(),
                                   "COMPLIANCE", lag_ms, once), now),
                 *compare_keys(self.firm.keyring, self.keyring, self.firm.service, erased, lag_ms,
                               now)]
        return {(one.code, one.where) for one in found if isinstance(one, Finding)}

    def segment(self) -> str:
        """The newest segment of partition 1."""
        return self.firm.keys_of(1)[-1]

    def key_name(self) -> str:
        """A key record."""
        return sorted(self.firm.keyring.records)[0]


@pytest.fixture
def two() -> Two:
    """A firm with a whole copy."""
    made = Two()
    made.copy()
    return made


def test_the_copy_is_the_archive(two: Two) -> None:
    """The same names, bytes and locks; a second turn does nothing; and no difference is named."""
    assert set(two.firm.store.objects) == set(two.store.objects)
    for key, versions in two.firm.store.objects.items():
        (there,) = two.store.objects[key]
        assert versions[0].body == there.body
        assert there.lock.mode == "COMPLIANCE"
        assert there.lock.retain_until >= versions[0].lock.retain_until
    assert two.firm.keyring.records == two.keyring.records
    again = two.copy()
    assert (again.copied, again.relocked, again.refused) == (0, 0, ())
    assert set() == two.said()


def test_a_copy_alone_answers(two: Two) -> None:
    """With the first store and keyring gone, the same datums and roots are read from the copy."""
    def read(firm: Firm) -> list[tuple[str, bytes | None]]:
        return [(segment.sha256, event.datum) for name in firm.reader().names()
                for segment in firm.reader().follow(name.topic_id.hex(), name.partition, 0)
                for event in segment.events]

    before = read(two.firm)
    two.firm.store, two.firm.keyring = two.store, two.keyring
    assert before == read(two.firm)
    assert any(datum for _, datum in before)


@pytest.mark.parametrize("nth", [1, 2, 7])
@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("fault", COPY_FAULTS)
def test_a_copying_that_stops_goes_on(fault: str, side: str, nth: int) -> None:
    """Every call of either store, error and death, applied and not: called again it is whole, and
    nothing lies there twice."""
    two = Two()
    plan = FaultPlan()
    (two.firm.store if side == "source" else two.store).faults = plan
    plan.arm(fault, nth)
    with suppress(CounterfoilError, Killed):
        two.copy()
    plan._armed.clear()
    two.copy()
    assert set() == two.said()
    assert all(len(versions) == 1 for versions in two.store.objects.values())


def test_a_bounded_turn_copies_so_many(two: Two) -> None:
    """And the next goes on; what explains comes first."""
    fresh = Two()
    done = [fresh.replicator().turn(locks=False, copies_max=2).copied for _ in range(2)]
    assert [2, 2] == done
    assert len(fresh.store.objects) == 4
    assert not any(key.startswith(layout.SEGMENTS) for key in list(fresh.store.objects)[:2])


def test_locks_and_holds_grow_in_the_copy(two: Two) -> None:
    """A lock that was made longer, and a legal hold, are copied; a hold that ends stays there."""
    key, until = two.segment(), two.firm.now + 30 * YEAR_MS
    version = record_of(two.firm.store, key).version_id
    two.firm.store.extend(key, version, until)
    two.firm.store.set_legal_hold(key, version, on=True)
    assert {("replica_lock", key)} == two.said()
    assert two.copy().relocked == 2
    there = two.store.objects[key][0].lock
    assert (until, True) == (there.retain_until, there.legal_hold)
    assert set() == two.said()
    two.firm.store.set_legal_hold(key, version, on=False)
    assert two.copy().relocked == 0
    assert two.store.objects[key][0].lock.legal_hold


def test_what_the_copy_does_not_keep_is_refused(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that takes a longer lock or a hold and forgets it is named by the turn itself."""
    key = two.segment()
    version = record_of(two.firm.store, key).version_id
    for name in ("set_legal_hold", "extend"):
        if name == "extend":
            two.firm.store.extend(key, version, two.firm.now + 30 * YEAR_MS)
        else:
            two.firm.store.set_legal_hold(key, version, on=True)
        with monkeypatch.context() as patch:
            patch.setattr(two.store, name, lambda *_, **__: None)
            assert any(key in one and "does not keep" in one for one in two.copy().refused)
        assert two.copy().refused == ()


def test_junk_is_not_copied() -> None:
    """Foreign names, squatters, younger versions, markers and what no key of ours signed stay where
    they are; the version of record is what is copied."""
    two = Two()
    store, key = two.firm.store, two.segment()
    body = store.objects[key][0].body
    squatted = two.firm.keys_of(0)[0]
    store.objects[squatted.replace(".avro", ".1.avro")] = store.objects.pop(squatted)
    store.plant(squatted, b"junk", two.locked(two.firm.now + YEAR_MS))
    store.put_over(key, b"younger")
    store.add_marker(two.media)
    store.plant("readme.txt", b"hello")
    store.plant(two.segment()[:-len(".avro")] + "x.avro", b"hello")
    store.plant(layout.schema("0" * 64), b"no such schema", two.locked(two.firm.now + YEAR_MS))
    turn = two.copy()
    assert turn.refused == ()
    assert [body] == [one.body for one in two.store.objects[key]]
    assert squatted not in two.store.objects
    assert squatted.replace(".avro", ".1.avro") in two.store.objects
    assert len(two.store.objects[two.media]) == 1
    assert not {"readme.txt", layout.schema("0" * 64)} & set(two.store.objects)
    assert set() == two.said()


def test_a_damage_does_not_travel() -> None:
    """A segment that was changed where it lies is refused by name; so is another size under a name
    that the copy has."""
    two = Two()
    key = two.segment()
    body = two.firm.store.objects[key][0].body
    two.firm.store.damage(key, body[:-1] + bytes([body[-1] ^ 1]))
    assert [one.partition(":")[0] for one in two.copy().refused] == [key]
    assert key not in two.store.objects
    two.firm.store.damage(key, body)
    two.copy()
    two.firm.store.damage(key, body[:-1])
    assert [one.partition(":")[0] for one in two.copy().refused] == [key]
    assert two.store.objects[key][0].body == body


def damage_missing(two: Two) -> tuple[str, str]:
    """An object of the copy is gone."""
    two.store.remove(two.segment())
    return "replica_missing", two.segment()


def damage_marked(two: Two) -> tuple[str, str]:
    """A delete marker lies over one."""
    two.store.add_marker(two.media)
    return "replica_foreign", two.media


def damage_differs(two: Two) -> tuple[str, str]:
    """A bit of one is flipped."""
    body = two.store.objects[two.media][0].body
    two.store.damage(two.media, body[:-1] + b"y")
    return "replica_differs", two.media


def damage_shorter(two: Two) -> tuple[str, str]:
    """One is locked for less than the first is."""
    lock = two.firm.store.objects[two.segment()][0].lock
    two.store.relock(two.segment(), Lock("COMPLIANCE", lock.retain_until - 1000))
    return "replica_lock", two.segment()


def damage_mode(two: Two) -> tuple[str, str]:
    """One is locked in a mode that can be lifted."""
    lock = two.firm.store.objects[two.segment()][0].lock
    two.store.relock(two.segment(), Lock("GOVERNANCE", lock.retain_until))
    return "replica_lock", two.segment()


def damage_stranger(two: Two) -> tuple[str, str]:
    """Something else lies beside."""
    two.store.plant("zebra", b"of somebody")
    return "replica_foreign", "zebra"


def damage_more(two: Two) -> tuple[str, str]:
    """The copy has a segment that the archive lost."""
    key = two.segment()
    two.firm.store.remove(key)
    return "replica_foreign", key


def damage_younger(two: Two) -> tuple[str, str]:
    """A second version over one."""
    two.store.put_over(two.segment(), b"younger")
    return "replica_foreign", two.segment()


def damage_key_gone(two: Two) -> tuple[str, str]:
    """A key record of the copy is gone."""
    two.keyring.lose(two.key_name())
    return "replica_key_missing", two.key_name()


def damage_key_other(two: Two) -> tuple[str, str]:
    """A key record of the copy is another one's."""
    other = sorted(two.keyring.records)[1]
    two.keyring.damage(two.key_name(), two.keyring.records[other])
    return "replica_key_differs", two.key_name()


def damage_key_lost(two: Two) -> tuple[str, str]:
    """Only the copy has it any more."""
    name = two.key_name()
    two.firm.keyring.lose(name)
    return "replica_foreign", f"keyring/{name}"


DAMAGES = (damage_missing, damage_marked, damage_differs, damage_shorter, damage_mode,
           damage_stranger, damage_more, damage_younger, damage_key_gone, damage_key_other,
           damage_key_lost)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_named(two: Two, damage: Callable[[Two], tuple[str, str]]) -> None:
    """Each by its code and place, and nothing else."""
    expected = damage(two)
    assert {expected} == two.said()


def test_what_is_young_may_wait() -> None:
    """Within the lag nothing is missing; after it everything is."""
    two = Two()
    assert set() == two.said(lag_ms=99 * YEAR_MS)
    assert {"replica_missing", "replica_key_missing"} == {code for code, _ in two.said()}


def test_an_erased_key_is_erased_in_the_copy_too(two: Two) -> None:
    """What a signed erasure lists goes, and is named while it is there; what is merely gone from
    the first keyring stays, for it may have been lost."""
    gone, lost = sorted(two.firm.keyring.records)[:2]
    two.firm.keyring.destroy(gone)
    two.firm.keyring.lose(lost)
    erased = frozenset({gone})
    assert {("replica_key_kept", gone), ("replica_foreign", f"keyring/{lost}")} == two.said(
        erased=erased)
    done = copy_keys(two.firm.keyring, two.keyring, two.firm.service, erased)
    assert done.destroyed == 1
    assert gone not in two.keyring.records
    assert lost in two.keyring.records
    # A resurrected one is not copied again.
    two.firm.keyring.resurrect(gone, b"whatever")
    assert copy_keys(two.firm.keyring, two.keyring, two.firm.service, erased).copied == 0
    assert gone not in two.keyring.records


def test_a_key_that_was_wrapped_anew_is_followed_and_a_damaged_one_is_not(two: Two) -> None:
    """The copy takes the new wrap of the same key; it never takes another key, nor junk."""
    old, new = two.firm.service, FakeKeyService("fake:new")
    both = Both(old, new)
    rotate.rewrap(two.firm.keyring, both, new)
    done = copy_keys(two.firm.keyring, two.keyring, both, frozenset())
    assert done.replaced == len(two.keyring.records)
    assert two.firm.keyring.records == two.keyring.records
    name = two.key_name()
    assert two.firm.keyring.faults.calls["keyring.read"] > 0
    reads = two.firm.keyring.faults.calls["keyring.read"]
    copy_keys(two.firm.keyring, two.keyring, both, frozenset(), deep=False)
    assert reads == two.firm.keyring.faults.calls["keyring.read"]  # nothing that both have is read
    kept = two.keyring.records[name]
    two.firm.keyring.damage(name, b"junk")
    done = copy_keys(two.firm.keyring, two.keyring, both, frozenset())
    assert [one.partition(":")[0] for one in done.refused] == [name]
    assert kept == two.keyring.records[name]
    fresh = FakeKeyring()
    done = copy_keys(two.firm.keyring, fresh, both, frozenset())
    assert [one.partition(":")[0] for one in done.refused] == [name]
    assert name not in fresh.records


def test_a_record_that_binds_less_does_not_travel(two: Two) -> None:
    """Neither another date of one of the first form, nor one of the first form in the place of one
    that was wrapped anew; both are named. The reverse is what follows a rotation."""
    service, name = two.firm.service, two.key_name()
    first = two.firm.keyring.records[name]
    two.firm.keyring.damage(name, restated(first, created_at=7))
    assert {("replica_key_differs", name)} == two.said()
    done = copy_keys(two.firm.keyring, two.keyring, service, frozenset())
    assert [one.partition(":")[0] for one in done.refused] == [name]
    assert first == two.keyring.records[name]
    two.firm.keyring.damage(name, first)
    rotate.rewrap(two.firm.keyring, service, service)
    assert set() == two.said()
    two.copy()
    bound = two.keyring.records[name]
    assert bound == two.firm.keyring.records[name] != first
    two.firm.keyring.damage(name, first)
    assert {("replica_key_differs", name)} == two.said()
    done = copy_keys(two.firm.keyring, two.keyring, service, frozenset())
    assert [one.partition(":")[0] for one in done.refused] == [name]
    assert bound == two.keyring.records[name]


def test_a_date_that_nobody_wrote_hides_no_missing_record(two: Two) -> None:
    """A record that the copy lacks waits for its turn where its date says so and it opens."""
    name = two.key_name()
    rotate.rewrap(two.firm.keyring, two.firm.service, two.firm.service)
    two.copy()
    two.keyring.lose(name)
    assert set() == two.said(lag_ms=99 * YEAR_MS)
    two.firm.keyring.damage(name, restated(two.firm.keyring.records[name], created_at=1))
    assert {("replica_key_missing", name)} == two.said(lag_ms=99 * YEAR_MS)


def test_no_object_is_put_when_the_wrapping_key_changes(two: Two) -> None:
    """The archive is as it was: not one PUT, and it reads with the new key alone."""
    new = FakeKeyService("fake:new")
    puts = two.firm.store.faults.calls["store.put_once"]
    rotate.rewrap(two.firm.keyring, Both(two.firm.service, new), new)
    two.firm.service = new  # type: ignore[assignment]
    assert two.firm.verify().findings == []
    assert puts == two.firm.store.faults.calls["store.put_once"]
    keys = DomainKeys(two.firm.keyring, new, bytes, two.firm.clock)
    assert all(not isinstance(opened, Exception) for _, _, opened in keys.all())
