"""Large events in parts, and where a pack is full (PROTOCOL C3, T3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parts import encoded, items_of, join, pack_length, split
from schemas import codec, limits
from schemas.errors import Refused
from schemas.events import CapturedEvent, EventPart
from schemas.identity import event_id, message_key
from schemas.pack import Item
from tests.ingest.doorway import NOW, Clock, Keys

EVENT = CapturedEvent(
    kind="message", channel="sms", source="test/1", account="+1", conversation="pair:1|2",
    captured_at=NOW, native_id="SM1", custodian="asmith")


@given(st.binary(min_size=1, max_size=4_000), st.integers(200, 1_000), st.randoms())
def test_parts_join_to_the_same_event(raw: bytes, part_bytes_max: int, random: object) -> None:
    """In any order and with repetitions; no part's datum is above the limit."""
    event = replace(EVENT, raw=raw)
    datum = codec.encode(event)
    parts = split(event, datum, part_bytes_max)
    assert all(len(codec.encode_part(part)) <= part_bytes_max for part in parts)
    shuffled = [*parts, *parts]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert join(shuffled) == datum


def test_parts_carry_the_whole_events_ids() -> None:
    """So that all meet in one document, in one domain and conversation."""
    keys = Keys(Clock())
    event = replace(EVENT, raw=b"x" * 3_000_000)
    items = items_of(event, keys.router)
    assert {(one.domain, one.tag) for one in items} == {
        (keys.router.domain(event), keys.router.tag(event))}
    parts = [codec.decode(one.datum) for one in items]
    for number, part in enumerate(parts):
        assert isinstance(part, EventPart)
        assert (part.set_id, part.message_key) == (event_id(event), message_key(event))
        assert (part.number, part.total, part.kind) == (number, 4, "message")


def test_a_small_event_is_one_datum() -> None:
    """No parts where none are needed."""
    keys = Keys(Clock())
    assert [one.datum for one in items_of(EVENT, keys.router)] == [codec.encode(EVENT)]


def test_incomplete_or_contradicting_parts_are_refused() -> None:
    """Parts never join to something that was not said."""
    datum = codec.encode(replace(EVENT, raw=b"x" * 1_000))
    parts = split(EVENT, datum, 400)
    for wrong in ([], parts[:-1], [*parts, replace(parts[0], body=b"other")],
                  [*parts[1:], replace(parts[0], set_id=bytes(16))],
                  [*parts[1:], replace(parts[0], total=9)]):
        with pytest.raises(Refused):
            join(wrong)


def test_too_many_parts_are_refused() -> None:
    """A limit on everything."""
    with pytest.raises(Refused):
        split(EVENT, bytes(1_000 * (limits.PARTS_MAX + 1)), 1_000)


@pytest.mark.parametrize("broken", [
    replace(EVENT, text="\ud800"), replace(EVENT, captured_at=1 << 70),
    replace(EVENT, raw="text"),  # type: ignore[arg-type]
    replace(EVENT, actor="nobody"),  # type: ignore[arg-type]
])
def test_what_the_schema_cannot_hold_is_refused(broken: CapturedEvent) -> None:
    """One error for all of it: the caller sets the event aside."""
    with pytest.raises(Refused):
        encoded(broken)


def test_a_pack_closes_before_the_limits() -> None:
    """By bytes, by count, and never empty."""
    def items(count: int, size: int) -> list[Item]:
        return [Item(bytes(16), bytes(16), bytes(size))] * count

    assert pack_length([]) == 0
    assert pack_length(items(3, limits.PACK_BYTES_MAX)) == 1
    assert pack_length(items(9, limits.PACK_BYTES_MAX // 4)) == 3
    assert pack_length(items(limits.PACK_EVENTS_MAX + 5, 1)) == limits.PACK_EVENTS_MAX
