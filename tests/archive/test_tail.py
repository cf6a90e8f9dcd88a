"""Where an archive ends is found by authentic segments alone, with little work."""

from __future__ import annotations

import random

import pytest

from archive import layout
from archive.layout import SegmentName
from archive.store import Lock
from archive.tail import OFFSETS_END, last_segment, logs_of, segment_holding
from tests.golden.firm import Firm


class Grown:
    """A firm whose partition 1 has one segment per entry of `sizes`."""

    def __init__(self, sizes: list[int]) -> None:
        self.firm = Firm()
        self.starts = []
        for size in sizes:
            self.starts.append(self.firm.log.ends()[1])
            for _ in range(size):
                self.firm.capture(1, self.firm.message(1, 1))
            self.firm.archive()
        self.log = self.firm.log.now()

    def last(self, log_end: int | None) -> int | None:
        """Where the last segment begins."""
        found, _ = last_segment(self.firm.store, self.firm.authenticator(), self.log, 1, log_end)
        return found.name.expected if found else None

    def junk(self, offset: int) -> None:
        """Somebody's object at a segment's name."""
        self.firm.store.plant(layout.segment(self.log, 1, offset).key(), b"junk")


SIZES = [1, 3, 1, 1, 8, 2, 1]


@pytest.mark.parametrize("lag", [0, 1, 7, 100, 10_000])
def test_the_last_segment_is_found_however_far_the_log_is_ahead(lag: int) -> None:
    """From the log's end, behind it by any number of records."""
    grown = Grown(SIZES)
    assert grown.starts[-1] == grown.last(sum(SIZES) + lag)
    assert grown.starts[-1] == grown.last(None)


def test_an_empty_partition_has_no_last_segment() -> None:
    """Nothing, or junk only: start at 0."""
    grown = Grown([])
    assert grown.last(0) is grown.last(50) is grown.last(None) is None
    grown.junk(0)
    grown.junk(7)
    assert grown.last(5) is None


def test_a_segment_beyond_the_logs_end_is_found() -> None:
    """Then the log is not the one that was archived, and the caller must know."""
    grown = Grown(SIZES)
    for log_end in range(sum(SIZES)):
        assert grown.starts[-1] == grown.last(log_end)


@pytest.mark.parametrize("offset", [18, 100, 2**40, 2**63, OFFSETS_END - 1])
def test_junk_beyond_the_end_leads_nobody_astray(offset: int) -> None:
    """One piece of junk at any offset: the same answer, and work that does not grow with it."""
    grown = Grown(SIZES)
    grown.junk(offset)
    faults = grown.firm.store.faults
    for log_end in (sum(SIZES), None):
        faults.calls.clear()
        assert grown.starts[-1] == grown.last(log_end)
        assert faults.calls["store.versions"] < 160
        assert faults.calls["store.get"] < 160


def test_much_junk_everywhere_costs_a_look_each() -> None:
    """Three hundred squatted names, in front and behind: found, and not with their square."""
    grown = Grown(SIZES)
    chance = random.Random(2)
    for _ in range(300):
        offset = chance.randrange(2**20)
        if offset not in grown.starts:
            grown.junk(offset)
    faults = grown.firm.store.faults
    faults.calls.clear()
    assert grown.starts[-1] == grown.last(sum(SIZES))
    assert faults.calls["store.get"] < 700


def test_a_hole_does_not_hide_the_end() -> None:
    """A removed segment is verify's to name; the archiver goes on behind the last one."""
    grown = Grown(SIZES)
    grown.firm.store.remove(grown.firm.keys_of(1)[3])
    assert grown.starts[-1] == grown.last(sum(SIZES))


def test_markers_and_younger_versions_at_the_end_are_told_and_change_nothing() -> None:
    """The newest segment under a delete marker is still the newest segment (PROTOCOL S3)."""
    grown = Grown(SIZES)
    key = grown.firm.keys_of(1)[-1]
    grown.firm.store.put_over(key, b"younger")
    grown.firm.store.add_marker(key)
    found, findings = last_segment(grown.firm.store, grown.firm.authenticator(), grown.log, 1, 17)
    assert found is not None and key == found.key
    assert {"younger_version", "delete_marker"} <= {finding.code for finding in findings}


def test_the_segment_that_holds_an_offset_is_found() -> None:
    """For every offset of the partition."""
    grown = Grown(SIZES)
    name = SegmentName("capture", grown.log.topic_id, 1, 0, 0)
    for offset in range(sum(SIZES)):
        found = segment_holding(grown.firm.store, grown.firm.authenticator(), name, offset)
        assert found is not None
        assert max(one for one in grown.starts if one <= offset) == found.name.expected


def test_topics_of_one_name_are_told_apart() -> None:
    """By the ids in the keys; junk that is no segment's name counts for nothing."""
    firm = Firm()
    for topic_id in (bytes([7]) * 16, bytes([3]) * 16):
        for offset in (0, 5):
            key = SegmentName("capture", topic_id, 2, offset, 0).key()
            firm.store.plant(key, b"x", Lock("COMPLIANCE", 1))
    firm.store.plant("segments/capture/zzz", b"x")
    firm.store.plant(SegmentName("other", bytes(16), 0, 0, 0).key(), b"x")
    assert [bytes([3]) * 16, bytes([7]) * 16] == logs_of(firm.store, "capture")
    assert [] == logs_of(firm.store, "nobody")
