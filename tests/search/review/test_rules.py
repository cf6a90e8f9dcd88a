"""When an item is due, and who holds it: clocks and claims."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.embedded.state import SqliteState
from schemas.errors import Refused
from search.review import timing
from search.review.facts import HIGH, LOW
from search.review.leases import Leases, Taken
from search.review.timing import Timing
from tests.fakes.state import FakeState

HOUR = 3_600_000
BERLIN = Timing(zone=ZoneInfo("Europe/Berlin"), opens=9, closes=17)


def at(text: str) -> int:
    """UTC ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_hours_count_around_the_clock_or_while_the_firm_works() -> None:
    """Four hours from Friday afternoon end on Monday, in the zone, over a change of clock."""
    friday = at("2026-03-27T16:00+01:00")
    assert Timing().due_at(friday, HIGH) == friday + 4 * HOUR
    assert BERLIN.due_at(friday, HIGH) == at("2026-03-30T12:00+02:00")
    assert BERLIN.due_at(at("2026-03-28T03:00+01:00"), HIGH) == at("2026-03-30T13:00+02:00")
    assert Timing().hours_of("odd") == 4
    with pytest.raises(Refused):
        Timing(opens=9, closes=9)


@given(st.integers(0, 10_000), st.integers(0, 2_000), st.sampled_from((HIGH, LOW)))
@settings(max_examples=60)
def test_overdue_is_asked_as_it_is_told(minutes: int, later: int, severity: str) -> None:
    """What waits since before `due_before` is due by now, and nothing else."""
    since = at("2026-03-20T00:00+00:00") + minutes * 60_000
    now = since + later * 6 * 60_000
    for one in (Timing(), BERLIN):
        assert (one.due_at(since, severity) <= now) == (since < one.due_before(now, severity))


def test_every_age_is_in_one_bucket() -> None:
    """The spans of the buckets meet, and mean what `bucket` says."""
    now = at("2026-01-15T12:00+00:00")
    spans = list(timing.bucket_spans(now))
    for (_, since, _), (_, _, until) in pairwise(spans):
        assert since == until
    for hours in (0, 3, 4, 23, 24, 71, 72, 167, 168, 671, 672, 9_000):
        waits = now - hours * HOUR
        named = [name for name, since, until in spans
                 if (since is None or since <= waits) and waits < until]
        assert named == [timing.bucket(hours * HOUR)]
    assert datetime.fromtimestamp(now / 1000, UTC).hour == 12


class Clock:
    """A clock that stands until it is set."""

    now = 1_000_000

    def __call__(self) -> int:
        """UTC ms."""
        return self.now


def test_a_claim_is_one_person_s_until_it_ends() -> None:
    """Renewed by its holder, taken over after its end, given back by nobody else."""
    clock = Clock()
    leases = Leases(FakeState(clock), clock, lease_ms=1_000)
    assert leases.claim("d" * 32, "ann").until == clock.now + 1_000
    with pytest.raises(Taken, match="ann"):
        leases.claim("d" * 32, "ben")
    clock.now += 900
    renewed = leases.renew("d" * 32, "ann")
    assert renewed is not None and renewed.until == clock.now + 1_000
    assert leases.renew("d" * 32, "ben") is None
    leases.release("d" * 32, "ben")
    assert [one.person for one in leases.all()] == ["ann"]
    clock.now += 1_000
    assert leases.of("d" * 32) is None
    assert leases.claim("d" * 32, "ben").person == "ben"
    leases.release("d" * 32, "ben")
    assert leases.claim("d" * 32, "ann").since == clock.now


def test_two_people_never_hold_one_item(tmp_path: Path) -> None:
    """Ten at once, on one file, each with a connection of his own: one of them has it."""
    clock = Clock()
    ready = threading.Barrier(10)
    won: list[str] = []

    def grab(person: str) -> None:
        leases = Leases(SqliteState(tmp_path / "state.db", clock), clock)
        ready.wait()
        for number in range(20):
            try:
                leases.claim(f"{number:032x}", person)
            except Taken:
                continue
            won.append(f"{number}")

    people = [threading.Thread(target=grab, args=(f"p{number}",)) for number in range(10)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(won, key=int) == [str(number) for number in range(20)]
