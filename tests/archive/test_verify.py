"""What verify may claim, and what it must not: notes are no findings, doubts are no losses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from archive import heads, segment
from archive.acknowledged import SETTLE_MS, Acknowledged
from archive.heads import HeadLine
from archive.partsets import PartSets
from archive.reader import ReadEvent
from archive.segment import Header
from archive.store import Lock
from archive.verify import Report, Verifier
from ingest.heartbeat import heartbeat
from schemas import codec
from schemas.errors import Refused
from schemas.events import EventPart
from schemas.pack import Item
from schemas.wire import Pointer
from tests.golden.damage import _body, _newest, _sign_again
from tests.golden.firm import Firm
from tests.golden.generate import cut
from tests.golden.load import load


def codes(report: Report) -> list[str]:
    """The codes of a report, sorted."""
    return sorted(finding.code for finding in report.findings)


def verify_now(firm: Firm) -> Report:
    """A verification at once, where `Firm.verify` waits three hours."""
    return Verifier(firm.store, firm.authenticator(), firm.reader(), firm.domain_keys(),
                    "COMPLIANCE").run(firm.now)


def test_a_report_counts_what_it_saw_and_is_json() -> None:
    """Segments, cells, events and bytes; the banner's flag; the first unlock."""
    report = load(clean=False).verify()
    assert (3, 9, True) == (report.partitions, report.segments, report.trial)
    assert report.events > 15 and report.cells > 9 and report.bytes > 10_000
    firm = load(clean=False)
    locks = [one.lock.retain_until for key, versions in firm.store.objects.items()
             for one in versions if key.startswith("segments/") and one.lock.retain_until]
    assert min(locks) == report.earliest_unlock
    json.dumps(asdict(report))


def test_without_a_head_it_says_that_the_tail_was_not_checked() -> None:
    """A note, and no finding."""
    report = load().verify()
    assert [] == report.findings
    assert any("tail not checked" in note for note in report.notes)
    head = heads.read(load().head(), load().sealing_public)
    assert not any("tail" in note for note in load().verify(head=head).notes)


@pytest.mark.parametrize("partition", [0, 1])
@pytest.mark.parametrize("kept", [0, 1, 2])
def test_every_rollback_behind_a_head_is_found(partition: int, kept: int) -> None:
    """However much of a partition's end is gone, all of it included."""
    firm = load()
    head = heads.read(firm.head(), firm.sealing_public)
    for key in firm.keys_of(partition)[kept:]:
        firm.store.remove(key)
    report = firm.verify(head=head)
    assert "head_rollback" in codes(report)
    assert {"head_rollback", "counter_missing"} >= set(codes(report))


def test_a_head_of_another_history_is_found() -> None:
    """The same offsets, other bytes: a bucket written anew by whoever has our sealing key."""
    firm, other = Firm(), Firm(seed="other")
    for one in (firm, other):
        one.capture(1, one.message(1, 1))
        one.archive()
    head = heads.read(firm.head(), firm.sealing_public)
    assert ["head_rollback"] == codes(other.verify(head=head))
    assert [] == codes(firm.verify(head=head))


def test_an_archive_that_went_on_since_the_head_is_in_order() -> None:
    """A head is a lower bound."""
    firm = load()
    head = heads.read(firm.head(), firm.sealing_public)
    firm.capture(1, firm.message(1, 1))
    firm.archive()
    assert [] == codes(firm.verify(head=head))


@pytest.mark.parametrize("change", [
    lambda text: text.replace("head v1", "head v2"), lambda text: text[:-4] + "\n",
    lambda text: text.replace("\nsignature", "\n\nsignature"), lambda text: "", lambda text: "x\ny",
    lambda text: text.replace(" 2 ", " ２ "), lambda text: text + "more\n",
    lambda text: text.replace("time 2", "time 3"), lambda text: "\ud800" + text])
def test_no_change_of_a_head_is_read(change: Callable[[str], str]) -> None:
    """Every character is signed, and the form is exact."""
    firm = load()
    with pytest.raises(Refused, match="head_signature"):
        heads.read(change(firm.head()), firm.sealing_public)


def test_a_head_comes_back_as_it_was_written() -> None:
    """Sorted lines, time to the millisecond; another archive's keys do not read it."""
    firm = load()
    lines = [HeadLine("capture", "ab" * 16, 2, 7, "cd" * 32),
             HeadLine("capture", "ab" * 16, 0, 0, "ef" * 32)]
    text = heads.render(lines, 1_768_471_200_123, firm.writer, firm.sealing_key.sign)
    assert heads.Head(1_768_471_200_123, tuple(lines[::-1])) == heads.read(
        text, firm.sealing_public)
    with pytest.raises(Refused, match="head_signature"):
        heads.read(text, {})


def test_an_erased_key_is_a_note_and_a_lost_one_a_finding() -> None:
    """K3: an erasure that says so is in order."""
    firm = load()
    one = segment.decode(_body(firm, _newest(firm))).cells[0].cell
    name = f"{one.domain.hex()}/{one.generation}"
    firm.keyring.destroy(name)
    assert ["key_lost"] == sorted(set(codes(firm.verify())))
    report = firm.verify(erased=[name])
    assert [] == report.findings
    assert any("erased" in note for note in report.notes)


def test_counters_in_records_that_cannot_be_read_are_not_called_missing() -> None:
    """The heartbeat states them, the erased cells hold them: a note."""
    firm = load()
    before = firm.verify()
    names = [name for name in firm.keyring.records if not name.startswith("00" * 12)]
    for name in names:
        firm.keyring.destroy(name)
    report = firm.verify(erased=names)
    assert [] == before.findings == report.findings
    assert any("cannot be read" in note for note in report.notes)


def test_a_young_statement_may_still_be_under_way() -> None:
    """What was acknowledged minutes ago may lie on another partition's log."""
    firm = load()
    lost = firm.seal(1, [firm.item(firm.message(1, 1))])
    beat = heartbeat({lost.session_id: [(lost.counter, lost.counter + 2)]},
                     firm.sealer.capture_id, firm.now - SETTLE_MS, 8)
    firm.append(0, [firm.item(beat)])
    firm.archive()
    report = verify_now(firm)
    assert [] == report.findings
    assert any("2 acknowledged records are not archived yet" in note for note in report.notes)


@pytest.mark.parametrize("stated", [
    "", "[]", "7", "{", '{"zz": [[0, 1]]}', '{"00": [[0, 1]]}', '{"%s": [[5, 1]]}' % ("00" * 16),
    '{"%s": [[0, 99999999999]]}' % ("00" * 16), '{"%s": [["a"]]}' % ("00" * 16),
    '{"%s": 5}' % ("00" * 16), "[" * 5_000, '{"%s": [[-5, 1]]}' % ("00" * 16)])
def test_a_heartbeat_that_states_nothing_readable_claims_nothing(stated: str) -> None:
    """It is input too: no finding, no error, no work without end."""
    firm = load()
    beat = heartbeat({}, firm.sealer.capture_id, firm.now, 8)
    firm.append(0, [firm.item(replace(beat, details=(("acknowledged", stated),)))])
    firm.archive()
    assert [] == firm.verify().findings


def test_a_process_speaks_for_its_own_sessions_only() -> None:
    """A gateway that was taken over cannot make verify cry over another's records."""
    acknowledged = Acknowledged()
    firm = Firm()
    beat = heartbeat({b"s" * 16: [(0, 4)]}, b"a" * 16, firm.now, 8)
    for counter in range(3):
        acknowledged.see(b"a" * 16, b"s" * 16, counter)
    acknowledged.state(b"b" * 16, beat, "elsewhere", firm.now)
    [absent] = acknowledged.judged(firm.now + SETTLE_MS).missing
    assert (5, 0) == (absent.count, absent.first)
    acknowledged.state(b"a" * 16, beat, "here", firm.now)
    acknowledged.state(b"a" * 16, beat, "here again", firm.now)
    assert [(5, 0), (2, 3)] == [(one.count, one.first)
                                for one in acknowledged.judged(firm.now + SETTLE_MS).missing]


def test_an_event_that_the_archiver_left_out_is_found() -> None:
    """Every offset of a segment has a record or is said to have none; indexes have no holes. Our
    own archiver's bug, or our own archiver's will: no key is needed to see it."""
    firm = load()
    key = firm.keys_of(0)[0]
    read = segment.decode(_body(firm, key))
    fewer = [placed.cell for placed in read.cells][1:]
    firm.store.damage(key, segment.encode(read.header, fewer, firm.sealing_key.sign))
    assert "records_missing" in codes(firm.verify())


@pytest.mark.parametrize("missing", [((0, 0),), ((5, 9),)])
def test_a_header_that_calls_a_record_missing_is_found(missing: tuple[tuple[int, int], ...],
                                                       ) -> None:
    """What is there is there."""
    firm = load()

    def claim(header: Header) -> Header:
        return replace(header, missing=missing)

    _sign_again(firm, _newest(firm), claim)
    assert {"records_missing"} == set(codes(firm.verify()))


def test_a_finding_is_said_once_however_often_it_is_met() -> None:
    """A thousand events under one lost key are one finding per segment, and the report stays
    quick."""
    firm = load()
    firm.append(1, [firm.item(firm.message(1, number)) for number in range(1_000)])
    firm.archive()
    one = segment.decode(_body(firm, _newest(firm))).cells[0].cell
    firm.keyring.lose(f"{one.domain.hex()}/{one.generation}")
    report = firm.verify()
    assert {"key_lost"} == set(codes(report))
    assert len(report.findings) <= report.segments
    assert 1_000 < report.events


def test_progress_is_told_per_segment() -> None:
    """Who waits for hours sees where it is."""
    firm, seen = load(), []
    Verifier(firm.store, firm.authenticator(), firm.reader(), firm.domain_keys(), "COMPLIANCE",
             lambda done, key: seen.append((done, key))).run(firm.now)
    assert list(range(1, 8)) == [done for done, _ in seen]


def test_two_cells_with_one_address_are_found() -> None:
    """Within a segment too an address is one record."""
    firm = load()
    key = _newest(firm)
    read = segment.decode(_body(firm, key))
    twice = [read.cells[0].cell, *(placed.cell for placed in read.cells)]
    firm.store.damage(key, segment.encode(read.header, twice, firm.sealing_key.sign))
    assert ["record_duplicated"] == codes(firm.verify())


def test_a_part_with_a_senseless_number_does_not_complete_a_set() -> None:
    """Numbers outside of the total count for nothing."""
    firm = load()
    for number in (0, 7):
        part = EventPart(b"s" * 16, bytes(16), "message", number, 2, b"x")
        firm.append(1, [Item(b"d" * 16, b"t" * 16, codec.encode_part(part))])
    firm.archive()
    assert ["parts_incomplete"] == codes(firm.verify())


def test_unreadable_records_of_another_time_excuse_nothing() -> None:
    """A custodian's erased year must not hide that yesterday's record is gone; each unreadable
    record excuses one counter, however many heartbeats ask."""
    beat = heartbeat({b"s" * 16: [(0, 4)]}, b"a" * 16, 0, 8)
    for sealed_at, excused in ((100 * SETTLE_MS, 0), (SETTLE_MS, 3)):
        acknowledged = Acknowledged()
        acknowledged.unread(sealed_at, 3)
        for where in ("here", "there"):
            acknowledged.state(b"a" * 16, beat, where, SETTLE_MS)
        judged = acknowledged.judged(200 * SETTLE_MS)
        assert [5 - excused] == [one.count for one in judged.missing]
        assert excused == judged.unreadable


def test_a_refused_record_excuses_the_counter_that_it_states_and_no_other() -> None:
    """It is kept as it came, so it is not missing; a lost one beside it is."""
    firm = load()
    lost, refused = (firm.seal(1, [firm.item(firm.message(1, number))]) for number in (1, 2))
    firm.log.append(1, refused.value[:-1] + bytes([refused.value[-1] ^ 1]))
    beat = heartbeat({lost.session_id: [(lost.counter, refused.counter)]},
                     firm.sealer.capture_id, firm.now, 8)
    firm.append(0, [firm.item(beat)])
    firm.archive()
    report = firm.verify()
    assert ["counter_missing", "record_refused"] == codes(report)
    assert any(f"1 acknowledged records, first {lost.counter}" in one.detail
               for one in report.findings)
    assert any("1 acknowledged records were refused" in note for note in report.notes)


def _parts(firm: Firm, number: int, total: int = 3) -> list[Item]:
    event = firm.message(1, number)
    whole = firm.item(event)
    return [Item(whole.domain, whole.tag, codec.encode_part(part)) for part in cut(event, total)]


def test_a_large_event_that_is_still_arriving_is_a_note() -> None:
    """Half of it lies in a closed segment, half in one that is open."""
    firm = load()
    parts = _parts(firm, 93)
    firm.append(1, parts[:2])
    firm.archive()
    assert [] == codes(verify_now(firm))
    assert any("1 large events are not archived whole yet" in one for one in verify_now(firm).notes)
    assert ["parts_incomplete"] == codes(firm.verify())
    firm.append(1, parts[2:])       # another session of the same process
    firm.archive()
    assert [] == codes(firm.verify())


def test_halves_of_two_sightings_are_no_whole() -> None:
    """Two attempts that each lack a part; a third one that is whole makes the event whole."""
    firm = load()
    parts = _parts(firm, 93)
    for some in (parts[:1], parts[:1], parts[2:]):
        firm.append(1, some)
        firm.archive()
    [finding] = firm.verify().findings
    assert ("parts_incomplete", "1 of 3 parts") == (finding.code, finding.detail)
    firm.append(1, parts)
    firm.archive()
    assert [] == codes(firm.verify())


def test_parts_of_another_process_complete_nothing() -> None:
    """Each process makes its own cut of its own sighting."""
    sets = PartSets()
    for number, who in ((0, b"a" * 16), (1, b"b" * 16)):
        part = EventPart(b"s" * 16, bytes(16), "message", number, 2, b"x")
        sets.add(part, ReadEvent(Pointer("ab", 0, number, 0, "", 0, 0, 0, 0), b"", b"", who,
                                 b"s" * 16, frozenset(), number), 1_000)
    assert [(1, 2, 1_000)] == [(one.there, one.total, one.sealed_at) for one in sets.incomplete()]


@pytest.mark.parametrize(("key", "code"), [
    ("readme.txt", "foreign_object"), ("schemas/readme.txt", "foreign_object"),
    (f"dictionaries/{'ab' * 32}.avsc", "foreign_object"), ("segment/1", "foreign_object"),
    (f"schemas/{'ab' * 32}.avsc", "format_damaged"), ("media/1", "foreign_object"),
    (f"media/{'ab' * 16}", ""), ("doctor/x/y", "")])
def test_every_object_of_the_bucket_has_a_name_of_ours(key: str, code: str) -> None:
    """And what is called after its hash has that hash."""
    firm = load()
    firm.store.plant(key, b"hello")
    assert [(code, key)] * bool(code) == [(one.code, one.where) for one in firm.verify().findings]


def test_a_dictionary_is_locked_as_long_as_what_needs_it() -> None:
    """Two mistakes of a lock, and a deletion as far as the lock allows."""
    firm = load()
    [key] = [key for key in firm.store.objects if key.startswith("dictionaries/")]
    for lock in (Lock("COMPLIANCE", firm.now + 1), Lock("GOVERNANCE", 10**15)):
        firm = load()
        firm.store.relock(key, lock)
        assert [("lock_missing", key)] == [(one.code, one.where) for one in firm.verify().findings]
    firm = load()
    firm.store.add_marker(key)
    assert ["delete_marker"] == codes(firm.verify())
