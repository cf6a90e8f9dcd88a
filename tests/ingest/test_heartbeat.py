"""Heartbeats state exactly what the log acknowledged (PROTOCOL T4)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.heartbeat import Acknowledged, heartbeat, stated_in
from ingest.own import directory_event, oversized_gap
from schemas import codec, domains
from schemas.directory import Directory
from tests.ingest.doorway import NOW

SESSION = b"s" * 16


def numbers(ranges: list[tuple[int, int]]) -> list[int]:
    """Every counter in the ranges, ascending if they are."""
    return [n for first, last in ranges for n in range(first, last + 1)]


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_ranges_hold_exactly_what_was_added(before: list[int], after: list[int]) -> None:
    """In any order, with repetitions, across a take that could not be stated: nothing more,
    nothing less, nothing twice, and no two ranges touch."""
    counted = Acknowledged()
    for counter in before:
        counted.add(SESSION, counter)
    taken = counted.take()
    for counter in after:
        counted.add(SESSION, counter)
    counted.give_back(taken)
    ranges = list(counted.take().get(SESSION, []))
    assert numbers(ranges) == sorted({*before, *after})
    assert all(second[0] > first[1] + 1 for first, second in pairwise(ranges))
    assert counted.take() == {}


def test_a_heartbeat_says_what_it_was_given() -> None:
    """The statement survives the datum, and lies in the firm's domain."""
    ranges = {b"b" * 16: [(0, 0)], b"a" * 16: [(0, 998), (1000, 1002)]}
    event = heartbeat(ranges, b"c" * 16, NOW, 11, stopping=True)
    again = codec.decode(codec.encode(event))
    assert again == event
    assert stated_in(event) == {b"a" * 16: [(0, 998), (1000, 1002)], b"b" * 16: [(0, 0)]}
    assert event.detail("stopping") == "true"
    assert event.detail("capture_id") == (b"c" * 16).hex()
    assert domains.role_of(event) == domains.FIRM
    assert (event.retention_class, event.retention_years) == ("firm", 11)


def test_our_own_events_differ_when_they_are_different_facts() -> None:
    """The same directory loaded twice, two gaps at two times: four identities."""
    from schemas.identity import event_id

    one = Directory(source=b"a")
    made = [directory_event(one, 1), directory_event(one, 2),
            oversized_gap("whatsapp", 1, 10, bytes(16), 1, 8),
            oversized_gap("whatsapp", 1, 10, bytes(16), 2, 8)]
    assert len({event_id(event) for event in made}) == 4
    assert made[0].raw == b"a"
