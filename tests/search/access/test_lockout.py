"""Wrong guesses make the next one wait, longer each time, never for ever."""

from __future__ import annotations

import threading

import pytest

from schemas.errors import Transient
from search.access.lockout import DAY_MS, Lockout, LockoutSettings, TooManyAttempts
from tests.fakes.state import FakeState
from tests.search.access.signin_world import Clock

SETTINGS = LockoutSettings(free=3, address_free=5, first_s=30, longest_s=600)


@pytest.fixture
def clock() -> Clock:
    """The test's own time."""
    return Clock()


@pytest.fixture
def state(clock: Clock) -> FakeState:
    """Shared by processes."""
    return FakeState(clock)


@pytest.fixture
def lockout(state: FakeState, clock: Clock) -> Lockout:
    """With few free guesses."""
    return Lockout(state, clock, SETTINGS)


def wait_of(lockout: Lockout, person: str, address: str) -> int:
    """Seconds that the next attempt has to wait."""
    with pytest.raises(TooManyAttempts) as refused:
        lockout.charge(person, address)
    return refused.value.retry_after_s


def test_the_wait_doubles_up_to_its_limit(lockout: Lockout, clock: Clock) -> None:
    """And each wait ends."""
    for number in range(3):
        lockout.charge("anna", f"10.0.0.{number}")
    waits = []
    for number in range(8):
        waits.append(wait_of(lockout, "anna", f"10.0.1.{number}"))
        clock.now += waits[-1] * 1000 - 1
        assert 1 == wait_of(lockout, "anna", f"10.0.1.{number}")
        clock.now += 1
        lockout.charge("anna", f"10.0.1.{number}")
    assert [30, 60, 120, 240, 480, 600, 600, 600] == waits


def test_an_attempt_that_waits_is_not_counted(lockout: Lockout, state: FakeState) -> None:
    """Who hammers does not make it longer, and writes nothing."""
    for _ in range(3):
        lockout.charge("anna", "10.0.0.1")
    puts = state.puts
    for _ in range(20):
        assert 30 == wait_of(lockout, "anna", "10.0.0.1")
    assert puts == state.puts


def test_a_wait_is_written_down_when_it_begins_and_once_a_minute(
        lockout: Lockout, clock: Clock) -> None:
    """With how many came since; the next wait is another one, and none of them is lost."""
    for _ in range(3):
        lockout.charge("anna", "10.0.0.1")
    assert [1, *[0] * 49] == [lockout.to_record("anna", f"10.0.1.{n}") for n in range(50)]
    clock.now += 30_000
    lockout.charge("anna", "10.0.0.1")
    assert [50, 0, 0] == [lockout.to_record("anna", "10.0.0.1") for _ in range(3)]
    clock.now += 59_999
    assert 0 == lockout.to_record("anna", "10.0.0.1")
    clock.now += 1
    # The last millisecond of a wait of 60 s is over: another one begins.
    lockout.charge("anna", "10.0.0.2")
    assert [4, 0] == [lockout.to_record("anna", "10.0.0.2") for _ in range(2)]
    clock.now += 60_000
    assert [2, 0] == [lockout.to_record("anna", "10.0.0.2") for _ in range(2)]


def test_who_changes_the_name_is_one_who_waits(lockout: Lockout) -> None:
    """One record for an address, whatever names come from it."""
    for number in range(5):
        lockout.charge(f"person{number % 2}", "10.0.0.1")
    assert [1, 0, 0, 0] == [lockout.to_record(who, "10.0.0.1") for who in (
        "person0", "person1", "carl", None)]


def test_an_address_alone_is_charged(lockout: Lockout) -> None:
    """Where nobody knows yet who comes."""
    for _ in range(5):
        lockout.charge(None, "10.0.0.1")
    with pytest.raises(TooManyAttempts):
        lockout.charge(None, "10.0.0.1")
    lockout.forgive(None, "10.0.0.1")
    lockout.charge(None, "10.0.0.1")


def test_another_person_does_not_wait(lockout: Lockout) -> None:
    """Whose guesses they are not."""
    for number in range(3):
        lockout.charge("anna", f"10.0.0.{number}")
    lockout.charge("ben", "10.0.0.9")


def test_an_address_waits_too(lockout: Lockout) -> None:
    """Whoever tries one password on many names."""
    for number in range(5):
        lockout.charge(f"person{number}", "10.0.0.1")
    assert 30 == wait_of(lockout, "somebody else", "10.0.0.1")
    lockout.charge("somebody else", "10.0.0.2")


def test_a_good_one_is_taken_back(lockout: Lockout, state: FakeState) -> None:
    """The person begins anew. The address gets its own back and no more: signing in as oneself
    buys no guesses at others."""
    for _ in range(2):
        lockout.charge("anna", "10.0.0.1")
    lockout.forgive("anna", "10.0.0.1")
    for _ in range(2):
        lockout.charge("anna", "10.0.0.2")
    counts = {held.value["count"] for key, held in state.scan("lockout-address")}
    assert {1, 2} == counts
    lockout.forgive("anna", "10.0.0.9")  # where nothing was counted
    lockout.charge("anna", "10.0.0.1")
    lockout.forgive("anna", "10.0.0.1", charges=5)
    assert {0, 2} == {held.value["count"] for key, held in state.scan("lockout-address")}


def test_a_day_forgets(lockout: Lockout, clock: Clock) -> None:
    """Without a guess."""
    for _ in range(3):
        lockout.charge("anna", "10.0.0.1")
    clock.now += DAY_MS
    for _ in range(3):
        lockout.charge("anna", "10.0.0.1")


def test_an_operator_clears_it(lockout: Lockout) -> None:
    """For the person; the address goes on waiting."""
    for _ in range(3):
        lockout.charge("anna", "10.0.0.1")
    lockout.clear("anna")
    lockout.charge("anna", "10.0.0.1")


def test_of_many_at_once_none_is_free(lockout: Lockout) -> None:
    """Counted before it is looked at: ten threads have three guesses between them."""
    through = []

    def guess() -> None:
        try:
            lockout.charge("anna", "10.0.0.1")
        except TooManyAttempts:
            return
        through.append(1)

    threads = [threading.Thread(target=guess) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(through) <= 3


def test_without_state_there_is_no_guess(lockout: Lockout, state: FakeState) -> None:
    """What cannot be counted is not looked at."""
    state.is_away = True
    with pytest.raises(Transient):
        lockout.charge("anna", "10.0.0.1")


def test_neither_names_nor_addresses_are_kept(lockout: Lockout, state: FakeState) -> None:
    """What was typed as a name may have been a password."""
    lockout.charge("a secret in the wrong field", "10.0.0.1")
    for key, held in state.scan(""):
        assert "secret" not in f"{key}{held.value}"
        assert "10.0.0.1" not in f"{key}{held.value}"


def test_the_words_say_how_long() -> None:
    """And not whose it was."""
    assert "45 seconds" in str(TooManyAttempts(45))
    assert "10 minutes" in str(TooManyAttempts(541))
