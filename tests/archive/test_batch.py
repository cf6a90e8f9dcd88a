"""When a segment closes: bytes, count, age; and who never closes one (PROTOCOL S9)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archive.batch import Batch, BatchLimits
from schemas import pack
from schemas.kinds import mask_of
from schemas.pack import Item
from schemas.wire import LogRecord

LIMITS = BatchLimits(age_ms_max=60_000, age_ms_busy=2_000, busy_bytes=4_000, bytes_max=20_000,
                     records_max=10, age_ms_quiet=3_600_000)


def record(offset: int, kinds: frozenset[str] = frozenset({"message"}), size: int = 0) -> LogRecord:
    """A pack that says which kinds it may carry; `size` pads it."""
    opening = pack.opening_body(1, bytes(8), bytes(16), bytes(16), mask_of(kinds), b"") + bytes(64)
    value = pack.head(opening, 0, bytes(16), 0, [Item(bytes(16), bytes(16), b"")]) + bytes(16)
    return LogRecord(offset, value.ljust(size, b"\x00"))


def test_an_empty_batch_is_never_due() -> None:
    """No segment without a record."""
    batch = Batch(LIMITS)
    assert not batch.due(10**15)
    batch.add([], 5)
    assert not batch.due(10**15)


def test_a_trickle_closes_by_age() -> None:
    """A minute after the first record, not before."""
    batch = Batch(LIMITS)
    batch.add([record(0)], 1_000)
    batch.add([record(1)], 50_000)
    assert not batch.due(60_999)
    assert batch.due(61_000)


def test_a_busy_batch_closes_after_two_seconds() -> None:
    """Age adapts: 64 KiB (here 4 kB) are worth a segment sooner."""
    batch = Batch(LIMITS)
    batch.add([record(0, size=3_999)], 1_000)
    assert not batch.due(3_000)
    batch.add([record(1)], 2_000)
    assert not batch.due(2_999)
    assert batch.due(3_000)


def test_a_full_batch_closes_at_once() -> None:
    """By bytes or by count."""
    by_bytes, by_count = Batch(LIMITS), Batch(LIMITS)
    by_bytes.add([record(0, size=20_000)], 1_000)
    by_count.add([record(offset) for offset in range(10)], 1_000)
    assert by_bytes.due(1_000) and by_count.due(1_000)


def test_heartbeats_alone_wait_for_an_hour() -> None:
    """They say that a process lives; that is not worth an object a minute for seven years."""
    batch = Batch(LIMITS)
    for minute in range(59):
        batch.add([record(minute % 9, frozenset({"heartbeat"}))] if minute < 9 else [],
                  minute * 60_000)
        assert not batch.due(minute * 60_000)
    assert batch.due(3_600_000)


def test_heartbeats_ride_along() -> None:
    """The age that closes a segment is that of the first record that is none."""
    batch = Batch(LIMITS)
    batch.add([record(0, frozenset({"heartbeat"}))], 0)
    batch.add([record(1)], 1_000_000)
    assert not batch.due(1_059_999)
    assert batch.due(1_060_000)
    assert [0, 1] == [one.offset for one in batch.take()]


def test_junk_is_not_quiet() -> None:
    """What is no pack is kept as it came, and soon."""
    batch = Batch(LIMITS)
    batch.add([LogRecord(0, b"junk")], 0)
    assert batch.due(60_000)


def test_a_clock_that_goes_back_closes_nothing_early() -> None:
    """Age is never negative enough to matter, and never wraps."""
    batch = Batch(LIMITS)
    batch.add([record(0)], 1_000_000)
    assert not batch.due(0)
    assert batch.due(1_060_000)


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=40))
def test_segments_are_cut_in_order_within_the_limits_and_nothing_is_left_out(
        sizes: list[int]) -> None:
    """Taking until nothing is left gives every record once, in order; one record is always taken,
    however large."""
    batch = Batch(LIMITS)
    batch.add([record(offset, size=size) for offset, size in enumerate(sizes)], 0)
    out: list[int] = []
    while batch.records:
        taken = batch.take()
        assert taken and len(taken) <= LIMITS.records_max
        assert len(taken) == 1 or sum(len(one.value) for one in taken) <= LIMITS.bytes_max
        out += [one.offset for one in taken]
        batch.drop_through(taken[-1].offset, 5)
        assert batch.size == sum(len(one.value) for one in batch.records)
    assert list(range(len(sizes))) == out


def test_what_is_left_after_a_segment_is_loud_again() -> None:
    """A record that did not fit waits for its own minute, not for ever."""
    batch = Batch(LIMITS)
    batch.add([record(offset) for offset in range(12)], 0)
    batch.drop_through(9, 1_000)
    assert not batch.due(1_000)
    assert batch.due(61_000)
    batch.clear()
    assert not batch.due(10**9) and not batch.size
