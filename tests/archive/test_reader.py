"""A reader hands out what an authentic chain holds, or stops; nobody leads it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from archive import layout
from archive.layout import SegmentName
from archive.reader import ArchiveReader, Dictionaries, stored_by_digest
from archive.store import Lock, ObjectVersion
from archive.trim import Trimmer
from schemas.errors import Halt, Missing, Refused
from tests.fakes.store import COMPLIANCE, FakeStore
from tests.golden.firm import DICTIONARY, Firm
from tests.golden.load import load

TOPIC_ID = (1).to_bytes(16, "big").hex()


def followed(reader: ArchiveReader, start: int = 0, partition: int = 1) -> list[tuple[int, int]]:
    """(first, last) of what is followed."""
    return [(read.first, read.last) for read in reader.follow(TOPIC_ID, partition, start)]


def test_following_goes_on_where_it_stopped() -> None:
    """From any segment's begin; a reader that stays hears what comes later."""
    firm = load()
    reader = firm.reader()
    assert [(0, 0), (1, 1), (2, 2)] == followed(reader)
    assert [(2, 2)] == followed(reader, 2)
    assert [] == followed(reader, 3)
    firm.capture(1, firm.message(1, 1))
    firm.archive()
    assert [(3, 3)] == followed(reader, 3)


@pytest.mark.parametrize(("damage", "finding"), [
    (lambda firm: firm.store.remove(firm.keys_of(1)[1]), "segment_missing"),
    (lambda firm: firm.store.remove(firm.keys_of(1)[0]), "segment_missing"),
    (lambda firm: firm.store.damage(firm.keys_of(1)[1], b"junk"), "segment_missing")])
def test_following_stops_at_a_hole(damage: Callable[[Firm], None], finding: str) -> None:
    """Never past it as if there were none."""
    firm = load()
    damage(firm)
    with pytest.raises(Halt) as halt:
        followed(firm.reader())
    assert finding == halt.value.finding


def test_following_stops_where_the_chain_breaks() -> None:
    """Also between two calls of one reader, and at the first segment of a new one that starts in
    the middle."""
    from tests.golden.damage import chain_broken

    firm = load()
    reader = firm.reader()
    stream = reader.follow(TOPIC_ID, 1, 0)
    next(stream), next(stream)
    chain_broken(firm)
    with pytest.raises(Halt, match="chain_broken"):
        followed(reader, 2)
    for start in (0, 2):
        with pytest.raises(Halt, match="chain_broken"):
            followed(firm.reader(), start)


def test_following_stops_at_segments_that_overlap() -> None:
    """Two segments over one address: which is the record is not for a follower to say."""
    from tests.golden.damage import record_duplicated

    firm = load()
    record_duplicated(firm)
    with pytest.raises(Halt, match="record_duplicated"):
        followed(firm.reader(), partition=0)


class Lagging(FakeStore):
    """A store whose listing, once, began before its newest-but-one object was there."""

    hidden = ""

    def _versions(self, prefix: str, start_after: str) -> Iterator[ObjectVersion]:
        hidden, self.hidden = self.hidden, ""
        return iter([one for one in super()._versions(prefix, start_after)
                     if not hidden or one.key != hidden])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_listing_that_raced_with_a_writer_is_not_a_hole(place: int) -> None:
    """A folder is not listed in one instant: the successor can show before its predecessor. Looked
    at again, both are there; follower and verify say nothing of it."""
    firm = load()
    store = Lagging(firm.clock)
    store.objects, firm.store = firm.store.objects, store
    reader = firm.reader()
    assert [(0, 0), (1, 1), (2, 2)] == followed(reader)
    store.hidden = firm.keys_of(1)[place]
    assert [(0, 0), (1, 1), (2, 2)][:3 if place < 2 else 2] == followed(reader)
    in_partition = 4                    # its listing is the fourth of a verification
    store.faults.before("store.versions",
                        lambda: setattr(store, "hidden", firm.keys_of(1)[place]), in_partition)
    found = {finding.code for finding in firm.verify().findings}
    assert "segment_missing" not in found


def test_a_made_up_topic_with_our_id_hides_nothing() -> None:
    """Anybody who may put objects can use our topic's id under a name that sorts first."""
    firm = load()
    for partition in (0, 1):
        name = SegmentName("aaa", bytes.fromhex(TOPIC_ID), partition, 0, 0)
        firm.store.plant(name.key(), b"junk")
        copied = SegmentName("aab", bytes.fromhex(TOPIC_ID), partition, 0, 0)
        firm.store.plant(copied.key(), firm.store.objects[firm.keys_of(partition)[0]][0].body)
    assert [(0, 0), (1, 1), (2, 2)] == followed(firm.reader())
    assert {"segment_unreadable", "segment_misplaced"} == {
        finding.code for finding in firm.verify().findings}


def test_a_partition_without_a_segment_of_record_is_followed_without_end_or_error() -> None:
    """Junk alone gives nothing."""
    firm = Firm()
    firm.store.plant(layout.segment(firm.log.now(), 1, 0).key(), b"junk")
    assert [(TOPIC_ID, 1)] == firm.reader().partitions()
    assert [] == followed(firm.reader())
    assert [] == list(firm.reader().follow("ff" * 16, 0, 0))


def test_a_lost_key_gives_one_problem_per_event() -> None:
    """Addresses need no key; a follower goes on."""
    from tests.golden.damage import key_lost

    firm = load()
    key_lost(firm)
    problems = [(event.pointer.offset, event.pointer.index, event.problem, event.datum)
                for read in firm.reader().follow(TOPIC_ID, 1, 2) for event in read.events]
    assert [(2, 0, "key_lost", None), (2, 1, "key_lost", None)] == problems


def test_a_pointer_reads_exactly_its_datum() -> None:
    """One range; a pointer to elsewhere is refused, never answered with something else."""
    firm = load()
    reader = firm.reader()
    events = [event for read in reader.follow(TOPIC_ID, 0, 0) for event in read.events]
    for event in events:
        assert event.datum == firm.reader().read(event.pointer)
        wrong = event.pointer
        for changed in (
                replace(wrong, position=wrong.position + 1), replace(wrong, position=-1),
                replace(wrong, offset=wrong.offset + 1), replace(wrong, start=wrong.start + 1),
                replace(wrong, start=0), replace(wrong, length=wrong.length - 1),
                replace(wrong, length=0), replace(wrong, length=2**40),
                replace(wrong, last=wrong.last + 1), replace(wrong, segment="segments/x"),
                replace(wrong, segment=firm.keys_of(1)[0])):
            with pytest.raises((Refused, Missing)):
                firm.reader().read(changed)


def test_a_pointer_without_a_version_reads_the_oldest() -> None:
    """Whatever was put over it since."""
    firm = load()
    [first, *_] = list(firm.reader().follow(TOPIC_ID, 1, 0))
    event = first.events[0]
    firm.store.put_over(first.key, b"younger")
    firm.store.add_marker(first.key)
    assert event.datum == firm.reader().read(replace(event.pointer, version=""))
    firm.store.remove(first.key)
    with pytest.raises(Missing):
        firm.reader().read(replace(event.pointer, version=""))


def test_no_changed_byte_under_a_pointer_is_read() -> None:
    """Each byte of a cell, changed: refused, missing, or an error of ours, never other words."""
    firm = load()
    [first, *_] = list(firm.reader().follow(TOPIC_ID, 1, 0))
    pointer, body = first.events[0].pointer, firm.store.objects[first.key][0].body
    for at in range(pointer.start, pointer.start + pointer.length):
        firm.store.damage(first.key, body[:at] + bytes([body[at] ^ 0x41]) + body[at + 1:])
        with pytest.raises((Refused, Missing)):
            firm.reader().read(pointer)


def test_a_dictionary_is_found_by_its_hash_whatever_lies_over_it() -> None:
    """A younger version or a delete marker hides nothing; other content is not it."""
    firm = load()
    [key] = [key for key in firm.store.objects if key.startswith(layout.DICTIONARIES)]
    digest = bytes.fromhex(key.rpartition("/")[2].removesuffix(".zdict"))
    firm.store.put_over(key, b"another dictionary")
    firm.store.put_over(key, bytes(2**20 + 1))
    firm.store.add_marker(key)
    assert DICTIONARY == stored_by_digest(firm.store, key, digest)
    assert [] == [one for read in firm.reader().follow(TOPIC_ID, 0, 3) for one in read.events
                  if one.problem]
    firm.store.objects[key].pop(0)
    with pytest.raises(Refused, match="dictionary_missing"):
        Dictionaries(firm.store).of(digest)


# -- the log is shortened behind what was read back (PROTOCOL L1)


def _trimmer(firm: Firm, safety_ms: int = 0) -> Trimmer:
    return Trimmer(firm.member, firm.reader(), safety_ms)


def test_the_log_is_trimmed_to_the_last_record_of_a_verified_segment() -> None:
    """That record stays for the comparison of the next start."""
    firm = load()
    firm.log.committed.update({0: 8, 1: 3, 2: 0})
    assert 2 == _trimmer(firm).trim(1, 3, firm.now)
    assert [2] == sorted(firm.log.values(1))
    firm.archive()
    assert [] == firm.watcher.findings
    assert 2 == _trimmer(firm).trim(1, 3, firm.now)


def test_young_segments_and_those_that_do_not_open_keep_their_records() -> None:
    """And so does everything behind them."""
    from tests.golden.damage import key_lost

    firm = load()
    firm.log.committed.update({0: 8, 1: 3, 2: 0})
    sealed_at = [read.sealed_at for read in firm.reader().follow(TOPIC_ID, 1, 0)]
    assert 1 == _trimmer(firm, 1_000).trim(1, 3, sealed_at[1] + 1_000)
    key_lost(firm)
    assert 1 == _trimmer(firm).trim(1, 3, firm.now)
    assert [1, 2] == sorted(firm.log.values(1))


def test_a_trim_begins_at_the_logs_start_and_not_at_the_archives() -> None:
    """Seven years of segments are not read again each hour; and none that still has records on the
    log is passed over."""
    firm = load()
    firm.log.committed.update({0: 8, 1: 3, 2: 0})
    firm.log.trim(0, 4)                 # somebody else, into the middle of the segment 3..5
    firm.store.damage(firm.keys_of(0)[0], b"junk")
    assert 7 == _trimmer(firm).trim(0, 8, firm.now)
    firm = load()
    firm.log.committed.update({0: 8, 1: 3, 2: 0})
    firm.log.trim(0, 4)
    [used] = [key for key in firm.store.objects if key.startswith(layout.DICTIONARIES)]
    firm.store.remove(used)             # 3..5 does not open any more
    assert 4 == _trimmer(firm).trim(0, 8, firm.now)
    assert [4, 5, 6, 7] == sorted(firm.log.values(0))


def test_nothing_archived_is_nothing_trimmed() -> None:
    """An empty archive keeps the log."""
    firm = Firm()
    firm.capture(1, firm.message(1, 1))
    assert 0 == _trimmer(firm).trim(1, 1, firm.now)
    assert Lock("", 0) != Lock(COMPLIANCE, 1)
