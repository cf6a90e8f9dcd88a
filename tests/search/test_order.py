"""Messages of one time stand in the order in which they came, and local times where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events, limits
from schemas.document import Document, Entry
from schemas.events import CapturedEvent
from search.project import document, effective_time, merge, sort_time
from tests.search import world
from tests.search.world import NOON, PROJECTOR, MemoryArchive

MINUTE = 60_000
DAY = 86_400_000
HANDED_IN: dict[str, Any] = {
    "captured_at": NOON + 400 * DAY + 123, "provenance": events.CUSTODIAN_SUPPLIED,
    "occurred_precision": "minute"}


def placed(items: Sequence[CapturedEvent], places: Sequence[tuple[int, int]]) -> list[Document]:
    """The documents of events that lie at these (offset, index)."""
    archive = MemoryArchive()
    archive.seal(items)
    made: list[Document] = []
    for read, (offset, index) in zip(archive.events(), places, strict=True):
        moved = replace(read.pointer, offset=offset, index=index)
        found = PROJECTOR.project(read._replace(pointer=moved), 0)
        assert found is not None
        made.append(document(found[0], [found[1]]))
    return made


def texts_in_order(items: Sequence[CapturedEvent],
                   places: Sequence[tuple[int, int]]) -> list[str | None]:
    """The texts as a conversation shows them."""
    found = zip(placed(items, places), items, strict=True)
    return [event.text for _, event in sorted(
        found, key=lambda one: (one[0].sort_at, one[0].doc_id))]


def lines(count: int, **more: Any) -> list[CapturedEvent]:
    """Messages that differ in id and text."""
    return [world.event(native_id=f"m{n}", text=f"line {n}", **more) for n in range(count)]


@given(st.integers(0, 10 ** 9), st.integers(0, 50))
@settings(max_examples=30)
def test_the_items_of_one_request_keep_their_order(offset: int, first: int) -> None:
    """Eight messages of one second in one POST, wherever its record lies."""
    said = lines(8)
    assert [one.text for one in said] == texts_in_order(
        said, [(offset, first + n) for n in range(8)])


def test_requests_of_one_second_keep_the_order_in_which_they_came() -> None:
    """An album: every picture its own request."""
    said = lines(10)
    assert [one.text for one in said] == texts_in_order(
        said, [(39_000 + n, 0) for n in range(10)])


@pytest.mark.parametrize("first", [0, 600, limits.PACK_EVENTS_MAX - 6])
def test_the_lines_of_one_minute_keep_their_order(first: int) -> None:
    """Twelve lines of an export, also where a record ends between them."""
    said = lines(12, **HANDED_IN)
    places = [(58_000, first + n) if first + n < limits.PACK_EVENTS_MAX
              else (58_001, first + n - limits.PACK_EVENTS_MAX) for n in range(12)]
    assert [one.text for one in said] == texts_in_order(said, places)


@given(st.integers(0, 10 ** 12), st.integers(0, limits.PACK_EVENTS_MAX - 1), st.booleans())
@settings(max_examples=60)
def test_no_place_moves_a_message_out_of_its_time(offset: int, index: int, minute: bool) -> None:
    """It stays in the second, or in the minute, that its source says: so it does in its day."""
    said = lines(1, **(HANDED_IN if minute else {}))
    (found,) = placed(said, [(offset, index)])
    assert NOON <= found.sort_at < NOON + (MINUTE if minute else 1_000)
    assert found.occurred_at == NOON
    assert effective_time(found.entries[0]) == NOON


@pytest.mark.parametrize(("occurred", "at"), [(NOON + 7, NOON + 7), (None, NOON + 1_000)])
def test_a_time_with_milliseconds_and_our_own_stay(occurred: int | None, at: int) -> None:
    """Only what a source rounded has room for an order."""
    (found,) = placed(lines(1, occurred_at=occurred), [(3, 9)])
    assert at == found.sort_at


@given(st.permutations(range(6)), st.integers(0, 5))
@settings(max_examples=30)
def test_sightings_in_any_order_and_split_are_one_document(order: list[int], cut: int) -> None:
    """The place that decides is that of the sighting that leads."""
    said = [world.event(captured_at=NOON + 1_000 + n // 2) for n in range(6)]
    entries = [found.entries[0] for found in placed(said, [(40 - n, n) for n in range(6)])]
    whole = document("d" * 32, entries)
    mixed = [entries[n] for n in order]
    assert whole == document("d" * 32, mixed)
    assert whole == merge(document("d" * 32, mixed[:cut + 1]), document("d" * 32, mixed[cut:]))
    assert whole.sort_at == sort_time(entries[1])


# --- local times of no known zone ----------------------------------------------------------------


def zoneless(native_id: str = "m1", local: str = "2026-01-15T12:00", **more: Any) -> CapturedEvent:
    """A line of an export that was read without a zone."""
    return world.event(native_id=native_id, **{
        **HANDED_IN, "occurred_at": None, "occurred_local": local, **more})


def entry_of(event: CapturedEvent) -> Entry:
    """Its entry, at the first place of the log."""
    (found,) = placed([event], [(0, 0)])
    return found.entries[0]


def test_a_line_of_no_known_zone_stands_at_its_local_time() -> None:
    """Not at the day of its import, and in the order of the file."""
    said = [zoneless(f"m{n}", text=f"line {n}") for n in range(12)]
    found = placed(said, [(7, n) for n in range(12)])
    assert {NOON} == {one.sort_at // MINUTE * MINUTE for one in found}
    assert [one.text for one in said] == texts_in_order(said, [(7, n) for n in range(12)])
    assert {None} == {one.occurred_at for one in found}
    assert NOON + 30_000 == sort_time(entry_of(zoneless(
        local="2026-01-15T12:00:30", occurred_precision="s")))


@pytest.mark.parametrize("local", [
    "2569-01-15T12:00", "0001-01-01T00:00", "yesterday", "", "24:00"])
def test_a_local_time_that_cannot_be_is_not_believed(local: str) -> None:
    """A date of another calendar, or no date: then when it was imported."""
    event = zoneless(local=local)
    assert event.captured_at == sort_time(entry_of(event)) == effective_time(entry_of(event))


def test_a_local_time_may_be_ahead_of_ours_by_a_zone() -> None:
    """14 hours: Kiribati is so far ahead of UTC."""
    ahead = zoneless(captured_at=NOON - 14 * 60 * MINUTE)
    assert NOON == sort_time(entry_of(ahead))
    far = zoneless(captured_at=NOON - 14 * 60 * MINUTE - 1)
    assert far.captured_at == sort_time(entry_of(far))


def tombstone(**more: Any) -> CapturedEvent:
    """What an export shows in the place of a message that nobody ever captured."""
    return world.retraction(**{
        **HANDED_IN, "occurred_at": None, "occurred_precision": None,
        "occurred_not_before": NOON - 14 * 60 * MINUTE,
        "details": (("line_local", "2026-01-15T12:00"), ("not_before_local", "2026-01-15T12:00")),
        **more})


def test_a_tombstone_stands_where_its_line_stood() -> None:
    """In the list at its line's time; among versions when we were told: after its message."""
    entry = entry_of(tombstone())
    assert (NOON, tombstone().captured_at) == (sort_time(entry), effective_time(entry))
    zoned = entry_of(tombstone(zone="Europe/Zurich", occurred_not_before=NOON - 60 * MINUTE))
    assert NOON - 60 * MINUTE == sort_time(zoned)
    later = entry_of(tombstone(zone="Europe/Zurich", details=(
        ("line_local", "2026-01-15T12:00"), ("not_before_local", "2026-01-20T09:00"))))
    assert NOON == sort_time(later)
    whole = document("d" * 32, [
        entry_of(zoneless()), replace(entry, pointer=replace(entry.pointer, offset=5))])
    assert ("retracted", "message") == (whole.state, whole.kind)
