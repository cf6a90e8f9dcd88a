"""The fakes accuse misuse, and each fault does what its name says."""

from __future__ import annotations

import pytest

from schemas.errors import Ambiguous, Exists, Missing, Transient
from tests.fakes.faults import FAULTS, OPERATIONS, FaultPlan, Killed
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.fakes.log import FakeArchiveLog, FakeLog
from tests.fakes.store import FakeStore

NOW_MS = 1_790_000_000_000
NAME = "0123456789abcdef" * 2 + "/1"


def owner(log: FakeLog) -> FakeArchiveLog:
    """A member that owns and has sought everything."""
    member = log.member()
    for partition in member.poll(0, 1).assigned:
        member.seek(partition, 0)
    return member


def store_of(plan: FaultPlan | None = None) -> FakeStore:
    """A store with a clock that stands."""
    return FakeStore(lambda: NOW_MS, faults=plan)


def test_every_operation_fails_in_four_ways() -> None:
    """Not applied, applied but error, killed before, killed after."""
    assert 4 * len(OPERATIONS) == len(FAULTS)
    assert {(fault.operation, fault.applied) for fault in FAULTS.values()} == {
        (operation, applied) for operation in OPERATIONS for applied in (True, False)}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_fires_once_at_its_call(name: str) -> None:
    """The armed call goes wrong, those before and after do not; applied means applied."""
    plan, fault, done = FaultPlan(), FAULTS[name], []
    plan.arm(name, nth=2)
    plan.run(fault.operation, lambda: done.append(1))
    with pytest.raises(fault.raises):
        plan.run(fault.operation, lambda: done.append(2))
    assert ([1, 2] if fault.applied else [1]) == done
    assert plan.idle()
    plan.run(fault.operation, lambda: done.append(3))
    assert 3 == done[-1]


def test_killed_is_not_caught_as_an_error() -> None:
    """Code under test that handles every error still dies."""
    assert not issubclass(Killed, Exception)


@pytest.mark.parametrize("applied", [False, True])
def test_an_append_that_failed_may_be_there(applied: bool) -> None:
    """Both ways look the same to the writer."""
    log = FakeLog()
    log.faults.arm("log_append_applied_but_error" if applied else "log_append_not_applied")
    with pytest.raises(Ambiguous):
        log.append(0, b"record")
    assert ({0: b"record"} if applied else {}) == log.values(0)


@pytest.mark.parametrize("applied", [False, True])
def test_a_put_that_failed_may_be_there(applied: bool) -> None:
    """Both ways look the same to the archiver."""
    store = store_of()
    way = "applied_but_error" if applied else "not_applied"
    store.faults.arm(f"store_put_once_{way}")
    with pytest.raises(Ambiguous):
        store.put_once("segments/a", b"1", NOW_MS + 1)
    assert applied == ("segments/a" in store.objects)


def test_somebody_can_be_faster() -> None:
    """A race is lost exactly where the test says."""
    plan = FaultPlan()
    store = store_of(plan)
    plan.before("store.put_once", lambda: store.plant("segments/a", b"theirs"))
    with pytest.raises(Exists):
        store.put_once("segments/a", b"ours", NOW_MS + 1)
    assert b"theirs" == store.get("segments/a")


def test_a_rebalance_under_a_poll_is_seen_by_the_next() -> None:
    """The partition is missing from one poll, and wants a new seek."""
    log = FakeLog()
    log.append(0, b"record")
    member = owner(log)
    log.faults.arm("log_poll_applied_but_error")
    with pytest.raises(Transient):
        member.poll(0, 1)
    assert frozenset() == member.poll(0, 1).assigned
    polled = member.poll(0, 1)
    assert (frozenset({0}), {}) == (polled.assigned, polled.records)
    member.seek(0, 0)
    assert 1 == len(member.poll(0, 1).records[0])


def test_a_zombies_commit_is_dropped() -> None:
    """Who lost its partition changes no hint, and learns of it at its next poll."""
    log = FakeLog()
    for _ in range(3):
        log.append(0, b"record")
    zombie = owner(log)
    log.kill(zombie)
    successor = owner(log)
    successor.commit({0: 3})
    zombie.commit({0: 1})
    assert {0: 3} == log.committed
    assert frozenset() == zombie.poll(0, 1).assigned


def test_the_log_accuses() -> None:
    """Seeking or committing what is not ours, backwards or past the end, trimming too far."""
    log = FakeLog("capture", 2)
    for _ in range(5):
        log.append(0, b"record")
    member = log.member()
    with pytest.raises(AssertionError, match="not ours"):
        member.seek(0, 0)
    member.poll(0, 1)
    member.seek(0, 0)
    with pytest.raises(AssertionError, match="past the end"):
        member.commit({0: 6})
    member.commit({0: 3})
    with pytest.raises(AssertionError, match="backwards"):
        member.commit({0: 2})
    with pytest.raises(AssertionError, match="seek back"):
        member.seek(0, 2)
    with pytest.raises(AssertionError, match="committed 3"):
        member.trim(0, 4)
    member.close()
    with pytest.raises(AssertionError, match="after close"):
        member.poll(0, 1)


def test_the_store_accuses() -> None:
    """A segment without a lock, a lock in the past, a put over a hidden version, an empty range."""
    store = store_of()
    with pytest.raises(AssertionError, match="without a lock"):
        store.put_once("segments/a", b"1", None)
    with pytest.raises(AssertionError, match="in the past"):
        store.put_once("segments/a", b"1", NOW_MS)
    store.put_once("segments/a", b"1", NOW_MS + 1)
    store.add_marker("segments/a")
    with pytest.raises(AssertionError, match="a listing would have shown"):
        store.put_once("segments/a", b"2", NOW_MS + 1)
    with pytest.raises(AssertionError, match="range"):
        store.get("segments/a", None, 0, 0)


def test_the_keyring_and_the_key_service_accuse() -> None:
    """A malformed name, a destroyed name that comes back, a wrap that binds nothing."""
    keyring = FakeKeyring()
    with pytest.raises(AssertionError, match="bad name"):
        keyring.create("domain/1", b"record")
    keyring.create(NAME, b"record")
    keyring.destroy(NAME)
    with pytest.raises(AssertionError, match="created again"):
        keyring.create(NAME, b"record")
    with pytest.raises(Missing):
        keyring.read(NAME)
    with pytest.raises(AssertionError, match="binds nothing"):
        FakeKeyService().wrap(bytes(32), b"")


def test_the_fakes_are_deterministic() -> None:
    """The same calls give the same bytes and ids."""
    def play() -> tuple[str, bytes, bytes]:
        version = store_of().put_once("segments/a", b"1", NOW_MS + 1)
        return version, FakeKeyService().wrap(bytes(32), b"context"), FakeLog().now().topic_id

    assert play() == play()
