"""One PUT decides: each answer of the store, each thing that can lie at the key (PROTOCOL S2, S8).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive import layout, segment
from archive.authentic import Authenticator, chain, winner
from archive.commit import Committed, Committer
from archive.layout import SegmentName
from archive.seal import Sealed
from archive.segment import NO_PREVIOUS, Header
from archive.store import Lock
from infra.keyfiles import writer_id
from schemas.errors import Halt, Transient
from schemas.wire import LogRecord
from tests.fakes.faults import FAULTS, Killed
from tests.fakes.store import COMPLIANCE, FakeStore
from tests.golden.firm import NOW, Firm

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))


class Bench:
    """A committer with a sealed segment in its hand. `puts` counts how often the log was asked."""

    def __init__(self, weaknesses: frozenset[str] = frozenset(), *, accuse: bool = True) -> None:
        self.firm = Firm()
        self.store = FakeStore(self.firm.clock, weaknesses=weaknesses, accuse=accuse)
        self.firm.store = self.store
        self.firm.capture(1, self.firm.message(1, 1))
        self.firm.capture(1, self.firm.message(1, 2))
        self.sealed = self.seal()
        self.key = layout.segment(self.firm.log.now(), 1, 0).key()
        self.asked = 0

    def seal(self, count: int = 2) -> Sealed:
        """The first `count` records, sealed anew."""
        return self.firm.segment_sealer().seal(
            self.firm.log.now(), 1, 0, NO_PREVIOUS, self.firm.log.read(1, 0, count), self.firm.now)

    def commit(self, sealed: Sealed | None = None) -> Committed:
        """What an archiver does, once."""
        committer = Committer(self.store, self.firm.authenticator(), lambda _seconds: None)
        return committer.commit(sealed or self.sealed, self._ask, self.record_at)

    def record_at(self, offset: int) -> LogRecord | None:
        """The log's record of partition 1."""
        return self.firm.member.fetch(1, offset)

    def _ask(self) -> None:
        self.asked += 1

    def plant(self, body: bytes, key: str = "", *, locked: bool = True) -> None:
        """Somebody else's object."""
        until = self.sealed.header.retain_until
        self.store.plant(key or self.key, body, Lock(COMPLIANCE, until) if locked else None)

    def versions(self) -> int:
        """How many versions hold a segment of record's bytes or pretend to."""
        return sum(not one.is_delete_marker for versions in self.store.objects.values()
                   for one in versions)


def test_a_commit_is_one_object_locked_as_its_header_says() -> None:
    """And it is read back before anybody calls it stored."""
    bench = Bench()
    done = bench.commit()
    assert (True, bench.key, ()) == (done.ours, done.authentic.key, done.findings)
    assert 1 == bench.versions() == bench.asked
    assert Lock(COMPLIANCE, bench.sealed.header.retain_until) == bench.store.lock(
        bench.key, done.authentic.version_id)


@pytest.mark.parametrize(("fault", "ours"), [
    ("store_put_once_applied_but_error", True), ("store_put_once_not_applied", True)])
def test_an_ambiguous_put_is_settled_by_reading_back(fault: str, ours: bool) -> None:
    """Applied: found. Not applied: the same bytes again. One version either way."""
    bench = Bench()
    bench.store.faults.arm(fault)
    assert ours == bench.commit().ours
    assert 1 == bench.versions()


def test_an_earlier_attempt_of_ours_that_arrives_late_is_the_winner() -> None:
    """The bytes differ (sealed anew), the records are the same, and there is one version."""
    bench = Bench()
    bench.store.faults.arm("store_put_once_killed_after")
    with pytest.raises(Killed):
        bench.commit()
    done = bench.commit(bench.seal())
    assert (False, 1) == (done.ours, bench.versions())
    assert bench.sealed.header.last == done.authentic.segment.header.last


def test_the_loser_of_a_race_takes_the_winner() -> None:
    """Between our look and our PUT another archiver stores a shorter segment."""
    bench = Bench()
    other = bench.seal(1)
    bench.store.faults.before("store.put_once", lambda: bench.plant(other.body))
    done = bench.commit()
    assert (False, 0) == (done.ours, done.authentic.segment.header.last)
    assert 1 == bench.versions()


def test_a_store_that_is_away_decides_nothing() -> None:
    """Every call fails: Transient, and nothing was stored."""
    bench = Bench()
    for nth in range(1, 20):
        bench.store.faults.arm("store_put_once_not_applied", nth)
    with pytest.raises(Transient):
        bench.commit()
    assert 0 == bench.versions()


@pytest.mark.parametrize("nth", range(1, 4))
@pytest.mark.parametrize("fault", [name for name in FAULTS if name.startswith("store_")])
def test_whatever_fails_the_next_try_ends_in_one_version(fault: str, nth: int) -> None:
    """Each call of the store, both ways, dead or alive: then the same again, sealed anew."""
    bench = Bench()
    bench.store.faults.arm(fault, nth)
    try:
        bench.commit()
    except (Transient, Killed):
        done = bench.commit(bench.seal())
        assert 1 == done.authentic.segment.header.last
    assert 1 == bench.versions()


def test_a_squatted_key_is_left_and_the_next_name_taken() -> None:
    """Junk at the key: an alarm, `.1.avro`, and readers find it there."""
    bench = Bench()
    bench.plant(b"junk")
    done = bench.commit()
    assert bench.key.replace(".avro", ".1.avro") == done.authentic.key
    assert {"segment_unreadable", "key_squatted"} == {one.code for one in done.findings}
    found, _ = winner(bench.store, bench.firm.authenticator(),
                      layout.segment(bench.firm.log.now(), 1, 0))
    assert found is not None and done.authentic.key == found.key


def test_names_that_are_all_squatted_stop_the_process() -> None:
    """Eight pieces of junk are an attack; no ninth name is made up."""
    bench = Bench()
    for attempt in range(8):
        bench.plant(b"junk", layout.segment(bench.firm.log.now(), 1, 0, attempt).key())
    with pytest.raises(Halt, match="put_undecided"):
        bench.commit()
    assert 0 == bench.asked


def test_a_delete_marker_over_a_segment_does_not_make_a_second_version() -> None:
    """A conditional PUT over a marker would succeed: it is never sent."""
    bench = Bench()
    first = bench.commit()
    bench.store.add_marker(bench.key)
    done = bench.commit(bench.seal())
    assert (False, first.authentic.version_id) == (done.ours, done.authentic.version_id)
    assert ["delete_marker"] == [one.code for one in done.findings]
    assert 1 == bench.versions() == bench.asked


def test_a_delete_marker_alone_takes_no_name() -> None:
    """Somebody deleted what was not there yet: two archivers still meet at one name, and one
    wins."""
    bench = Bench(accuse=False)
    bench.store.add_marker(bench.key)
    done = bench.commit()
    lost = bench.commit(bench.seal())
    assert (True, False) == (done.ours, lost.ours)
    assert bench.key == done.authentic.key == lost.authentic.key
    assert 1 == bench.versions()


def test_a_marker_that_comes_between_look_and_put_is_named_and_decides_nothing() -> None:
    """The one window that is left: a winner, deleted at once, and our PUT on top. The older
    version is the record, ours is the younger one, and both of us say the same."""
    bench = Bench(accuse=False)
    other = bench.seal(1)

    def win_and_delete() -> None:
        bench.plant(other.body)
        bench.store.add_marker(bench.key)

    bench.store.faults.before("store.put_once", win_and_delete)
    done = bench.commit()
    assert (False, 0) == (done.ours, done.authentic.segment.header.last)
    assert {"younger_version", "delete_marker"} == {one.code for one in done.findings}


def test_words_of_ours_without_a_lock_are_no_segment() -> None:
    """Somebody puts our own bytes first, unlocked, to take them away later: we do not drop ours
    for them."""
    bench = Bench()
    bench.plant(bench.seal().body, locked=False)
    done = bench.commit()
    assert (True, bench.key.replace(".avro", ".1.avro")) == (done.ours, done.authentic.key)
    assert "lock_missing" in {one.code for one in done.findings}
    found, _ = winner(bench.store, bench.firm.authenticator(),
                      layout.segment(bench.firm.log.now(), 1, 0))
    assert found is not None and done.authentic.key == found.key


@pytest.mark.parametrize("lock", [Lock("GOVERNANCE", 10**15), Lock(COMPLIANCE, NOW), Lock("", 0)])
def test_a_winner_must_be_locked_as_long_as_its_header_says(lock: Lock) -> None:
    """The wrong mode and too short a time are no lock; one that ran out since is."""
    bench = Bench()
    bench.store.plant(bench.key, bench.seal().body, lock)
    assert bench.commit().ours


def test_an_expired_lock_still_counts() -> None:
    """A segment does not stop being the record when its time is over."""
    bench = Bench()
    bench.commit()
    bench.firm.now += 20 * 366 * 86_400_000
    bench.firm.trial = True
    assert not bench.commit(bench.seal()).ours


def test_a_store_that_does_not_lock_what_was_asked_stops_the_process() -> None:
    """Found at the first segment, not in seven years."""
    bench = Bench(frozenset({"ignores_requested_lock"}))
    with pytest.raises(Halt, match="store_unsafe"):
        bench.commit()


def _signed_by_a_stranger(bench: Bench, **changes: Any) -> bytes:
    read = segment.decode(bench.sealed.body)
    public = STRANGER.public_key().public_bytes_raw()
    header: Header = replace(read.header, writer=writer_id(public), **changes)
    return segment.encode(header, [placed.cell for placed in read.cells], STRANGER.sign)


def test_a_whole_segment_of_an_unknown_sealing_key_stops_the_process() -> None:
    """It may be another archiver's of ours, after a key rotation that we were not told of: to
    write beside it would store each record twice."""
    bench = Bench()
    bench.plant(_signed_by_a_stranger(bench))
    with pytest.raises(Halt, match="sealing_key_unknown"):
        bench.commit()
    assert 1 == bench.versions()


@pytest.mark.parametrize("changes", [
    {"last_record": bytes(32)}, {"last": 10**6}, {"last": 10**19}])
def test_a_segment_of_an_unknown_key_that_does_not_know_the_log_stops_nobody(
        changes: dict[str, Any]) -> None:
    """Whoever may put objects, and cannot read our log, can make up a whole segment. It is junk:
    named, locked for years, and the record lies at the next attempt."""
    bench = Bench()
    bench.plant(_signed_by_a_stranger(bench, **changes))
    done = bench.commit()
    assert (True, bench.key.replace(".avro", ".1.avro")) == (done.ours, done.authentic.key)
    assert "segment_signature" in {one.code for one in done.findings}


def test_a_key_that_is_declared_a_strangers_stops_nobody() -> None:
    """The operator's word: what it signs is junk, whatever it knows of the log."""
    bench = Bench()
    bench.plant(_signed_by_a_stranger(bench))
    bench.firm.sealing_public[writer_id(STRANGER.public_key().public_bytes_raw())] = b""
    assert bench.key.replace(".avro", ".1.avro") == bench.commit().authentic.key


def test_an_archiver_whose_own_key_is_unknown_puts_nothing() -> None:
    """Found before the first PUT: no locked junk."""
    bench = Bench()
    committer = Committer(bench.store, Authenticator({}), lambda _seconds: None)
    with pytest.raises(Halt, match="sealing_key_unknown"):
        committer.commit(bench.sealed, lambda: None, bench.record_at)
    assert 0 == bench.versions()


def test_a_topic_whose_name_is_no_key_puts_nothing() -> None:
    """A name that the layout cannot spell back would be foreign to every reader."""
    bench = Bench()
    sealed = replace(bench.sealed, header=replace(bench.sealed.header, topic="a/b"))
    with pytest.raises(Halt, match="put_undecided"):
        bench.commit(sealed)
    assert 0 == bench.versions()


def test_nothing_larger_than_a_segment_is_fetched() -> None:
    """A squatter must not fill our memory."""
    bench = Bench()
    bench.plant(bytes(64 * 2**20 + 1))
    done = bench.commit()
    assert bench.key != done.authentic.key
    assert "segment_oversized" in {one.code for one in done.findings}
    assert bench.store.faults.calls["store.get"] <= 2


def test_a_foreign_name_between_two_attempts_does_not_part_them() -> None:
    """`…0.1.avro`, `…0.1x`, `…0.avro` is the order of the keys: still one place, one segment."""
    bench = Bench()
    bench.commit()
    prefix = bench.key.removesuffix(".avro")
    bench.plant(bench.sealed.body, f"{prefix}.1.avro")
    bench.plant(b"junk", f"{prefix}.1x")
    walked = list(chain(bench.store, bench.firm.authenticator(),
                        SegmentName("capture", bench.firm.log.now().topic_id, 1, 0, 0), 0))
    assert [0] == [expected for expected, _, _ in walked]
    [(_, found, findings)] = walked
    assert found is not None and bench.key == found.key
    assert {"foreign_object", "younger_version"} == {one.code for one in findings}
