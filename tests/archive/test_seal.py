"""Sealing never fails for a record's sake, and what it locks is what the class asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from archive import segment
from archive.retention import DAY_MS, end_of
from archive.seal import decode_refused
from schemas import codec, domains
from schemas.domains import DomainFacts
from schemas.errors import Halt
from schemas.events import EventPart
from schemas.pack import Item
from tests.golden.firm import Firm

TAG = b"t" * 16
DOMAIN = b"some new domain!"


def _facts(firm: Firm, domain: bytes = DOMAIN) -> DomainFacts:
    return firm.domain_keys().open(domain, 0).facts


def _archive(datum: bytes, domain: bytes = DOMAIN, **policy: Any) -> Firm:
    firm = Firm(**policy)
    firm.append(1, [Item(domain, TAG, datum)])
    firm.archive()
    return firm


def test_the_first_datum_of_a_domain_says_what_it_stands_for() -> None:
    """Custodian, class, month, compartment and years, once, beside the key."""
    firm = Firm()
    event = firm.message(1, 1, custodian="c.d", retention_class="long", retention_years=10,
                         compartment="m")
    firm.capture(1, event, replace(event, retention_years=3))
    firm.archive()
    assert DomainFacts("c.d", "long", "2026-01", "m", 10) == _facts(firm, firm.item(event).domain)


def test_a_part_says_it_too() -> None:
    """A part may be the first that a domain ever sees."""
    part = EventPart(bytes(16), bytes(16), "message", 0, 2, b"x", "c.d", "long", 10, "m", "2025-12",
                     "")
    firm = _archive(codec.encode_part(part))
    assert DomainFacts("c.d", "long", "2025-12", "m", 10) == _facts(firm)


@pytest.mark.parametrize("datum", [b"", b"junk", codec.CAPTURED_PREFIX,
                                   codec.PART_PREFIX + b"\xff"])
def test_a_datum_that_does_not_parse_is_kept_for_the_longest_class(datum: bytes) -> None:
    """The archiver goes on; the words, whatever they are, are kept and not understood."""
    firm = _archive(datum)
    assert DomainFacts("", "unreadable", "2026-01", "", 8) == _facts(firm)
    [read] = list(firm.reader().follow(firm.log.now().topic_id.hex(), 1, 0))
    assert [datum] == [event.datum for event in read.events]


def test_a_datum_that_does_not_parse_does_not_speak_for_those_that_do() -> None:
    """A newer program's datum may come first: whose domain it is the next one says."""
    firm = Firm()
    item = firm.item(firm.message(1, 1, custodian="c.d", retention_class="long",
                                  retention_years=10, compartment="m"))
    firm.append(1, [Item(item.domain, TAG, b"junk"), item])
    firm.archive()
    assert DomainFacts("c.d", "long", "2026-01", "m", 10) == _facts(firm, item.domain)


@pytest.mark.parametrize("domain", [
    domains.reserved(9, 2026, 1), domains.reserved(1, 2026, 13), domains.reserved(0, 0, 0),
    b"\x00" * 12 + b"\xff" * 4])
def test_a_reserved_domain_of_no_known_role_stops_nobody(domain: bytes) -> None:
    """One odd record must not be read, refused and read again for ever."""
    firm = _archive(b"junk", domain)
    assert "unreadable" == _facts(firm, domain).retention_class


def test_a_reserved_domain_says_itself_what_it_stands_for() -> None:
    """Also when its first datum does not parse."""
    domain = domains.reserved(domains.QUARANTINE, 2025, 11)
    firm = _archive(b"junk", domain)
    assert DomainFacts("", "quarantine", "2025-11", "", 8, "quarantine") == _facts(firm, domain)


@pytest.mark.parametrize("changes", [
    {"captured_at": 2**62, "occurred_at": None}, {"captured_at": -2**62, "occurred_at": None},
    {"captured_at": 253_402_300_799_000, "occurred_at": None}, {"retention_years": -5}])
def test_a_senseless_time_or_class_locks_for_no_longer_than_the_class(
        changes: dict[str, Any]) -> None:
    """A capture clock that is centuries ahead cannot lock for centuries, nor stop the archiver."""
    firm = Firm()
    datum = codec.encode(firm.message(1, 1, **changes))
    firm.append(1, [Item(DOMAIN, TAG, datum)])
    firm.archive()
    facts = _facts(firm)
    assert facts.month <= "2026-01" and facts.years in (0, 7, 8)
    [found] = firm.watcher.segments
    assert found.segment.header.retain_until <= end_of(
        DomainFacts("", "", "2026-01", "", 8)) + DAY_MS


@pytest.mark.parametrize("month", ["", "2026-1", "2026-13", "2026-00", "２０２５-01", "next",
                                   "9999-12"])
def test_a_part_with_a_month_that_is_none_counts_in_ours(month: str) -> None:
    """The month is text from a capture process; the lock is ours."""
    part = EventPart(bytes(16), bytes(16), "message", 0, 2, b"x", month=month)
    assert "2026-01" == _facts(_archive(codec.encode_part(part))).month


@pytest.mark.parametrize("role", [domains.FIRM, domains.QUARANTINE, domains.UNASSIGNED])
def test_the_first_datum_of_a_reserved_domain_does_not_decide_its_lock(role: int) -> None:
    """A month of everybody's events lies under one key: all of it is kept for the longest class of
    today, whoever came first with which class, and also if a class grew since."""
    domain = domains.reserved(role, 2026, 1)
    firm = Firm()
    datum = codec.encode(firm.message(1, 1, custodian="", retention_years=1))
    firm.append(1, [Item(domain, TAG, datum)])
    firm.archive()
    [found] = firm.watcher.segments
    assert end_of(DomainFacts("", "", "2026-01", "", 8)) + DAY_MS == \
        found.segment.header.retain_until


def test_more_years_than_allowed_stop_before_the_key_is_made() -> None:
    """What the keyring says of a domain is said for good, so the typing error must not get there.
    """
    firm = Firm()
    firm.capture(1, firm.message(1, 1, retention_years=700))
    with pytest.raises(Halt, match="lock_years"):
        firm.archive()
    assert {} == firm.keyring.records
    assert {} == firm.store.objects


def test_a_record_that_does_not_authenticate_is_kept_as_it_came() -> None:
    """No offset without an object; the reason stands beside it."""
    firm = Firm()
    firm.capture(1, firm.message(1, 1))
    firm.log.append(1, b"\x00 whatever")
    firm.archive()
    [read] = list(firm.reader().follow(firm.log.now().topic_id.hex(), 1, 0))
    refused = [event for event in read.events if event.problem]
    assert [(1, 0, "record_refused")] == [
        (one.pointer.offset, one.pointer.index, one.problem) for one in refused]
    assert ("not a pack", b"\x00 whatever") == decode_refused(refused[0].datum or b"")
    assert domains.reserved(domains.QUARANTINE, 2026, 1) == refused[0].domain
    assert ["record_refused"] == [finding.code for finding in firm.watcher.findings]


def test_cells_are_one_per_domain_and_no_domain_is_split() -> None:
    """Cells exist for erasure: a key that is destroyed takes its words and no others."""
    firm = Firm()
    for number in range(6):
        firm.capture(1, firm.message(1, number, custodian=f"c{number % 2}"),
                     firm.message(1, number + 50, custodian="c0", compartment="m"))
    firm.archive()
    [found] = firm.watcher.segments
    domain_ids = [placed.cell.domain for placed in found.segment.cells]
    assert domain_ids == sorted(set(domain_ids)) and 3 == len(domain_ids)
    assert [3, 3, 6] == sorted(placed.cell.count for placed in found.segment.cells)


def test_the_lock_in_the_header_is_the_lock_that_is_asked_for() -> None:
    """Header, request and store agree to the millisecond."""
    firm = Firm()
    firm.capture(1, firm.message(1, 1, retention_years=10))
    firm.archive()
    [key] = firm.keys_of(1)
    [version] = firm.store.objects[key]
    header = segment.decode(version.body).header
    assert header.retain_until == version.lock.retain_until == end_of(
        DomainFacts("", "", "2026-01", "", 10)) + DAY_MS


def test_no_word_of_a_message_is_in_an_object_or_a_key_record() -> None:
    """Ciphertext only: not in segments, not in the keyring."""
    firm = Firm()
    firm.capture(1, firm.message(1, 1, text="a canary sang", custodian="canary.person"))
    firm.archive()
    everything = b"".join(version.body for versions in firm.store.objects.values()
                          for version in versions) + b"".join(firm.keyring.records.values())
    for word in (b"canary", b"GOLDEN", b"+1650555", b"golden text"):
        assert word not in everything
