"""What the indexer watches besides indexing: silence, gaps, quarantine, counters (G8, T4).

Owns the alarms for them and the gap event for a counter hole. The indexer is the one that meets
everything captured in one place. Numbers of accounts stay out of alarms: a state file is no sealed
place; `counterfoil status` names them to who may read the directory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from archive.counterwatch import CounterWatch, Hole, back_to
from archive.reader import SegmentRead
from infra.directory import load_directory
from infra.process import Worker
from infra.voice import Voice
from infra.wire import Wire
from ingest.own import own_event
from schemas import events, gaps
from schemas.directory import Account, Directory
from schemas.errors import CounterfoilError
from schemas.gaps import Gap
from schemas.identity import message_key
from search.bodies import Bodies
from search.follow import Reader
from search.gaps import GapReader
from search.index import Index
from search.lastseen import Named, last_events
from search.partwatch import Overdue
from search.passing import Passing
from search.query import Term, TokenQuery
from search.tokens import Tokenizer
from search.waiting import WAITING_MAX, Waiting

LOOK_MS: Final = 30_000
# While an account is silent it is asked after so often: the alarm ends soon after its event came.
_SOON_MS: Final = 5_000
_HOUR_MS: Final = 3_600_000
# Segments read a second time in one look, where somebody else's are needed.
_BACK_SEGMENTS_MAX: Final = 20
_BACK_AGAIN_MS: Final = 10 * 60_000
_STATED_MS: Final = 60_000
# Gap events are looked for in so much of the past, and once an hour in all of it.
_RECENT_MS: Final = 48 * _HOUR_MS
_DIRECTORIES: Final = TokenQuery(Term("kinds", events.DIRECTORY), frozenset({events.DIRECTORY}))


class Watched(Passing):
    """An archive whose segments somebody else sees too."""

    def __init__(self, reader: Reader, watch: CounterWatch) -> None:
        super().__init__(reader)
        self._watch = watch

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """See search.follow.Reader."""
        for read in super().follow(topic_id, partition, next_offset):
            self._watch.take(read)
            yield read


class SilentAccounts:
    """How long each watched account has been silent, as the index knows it."""

    def __init__(self, tokenizer: Tokenizer, known: Mapping[Named, int] | None = None) -> None:
        """`known`: the newest event of accounts, as the index said before."""
        self._tokenizer = tokenizer
        # The newest event known of an account; never too late, so it is asked for again only when
        # it would be an alarm.
        self._known: dict[Named, int] = {**(known or {})}
        self._first: int | None = None

    def look(self, index: Index, directory: Directory, now: int) -> list[tuple[Account, int]]:
        """(account, ms of silence) of those that are silent for too long. Raises Transient."""
        self._ask(index, [_named(one) for one, limit_ms in _watched(directory, now)
                          if (known := self._known.get(_named(one))) is None
                          or now - known > limit_ms])
        return self.judged(index, directory, now)

    def judged(self, index: Index, directory: Directory, now: int) -> list[tuple[Account, int]]:
        """The same by what is known: no account is asked for again."""
        found = []
        for one, limit_ms in _watched(directory, now):
            silent_ms = now - self._heard_at(index, one, now)
            if silent_ms > limit_ms:
                found.append((one, silent_ms))
        return found

    def _ask(self, index: Index, accounts: list[Named]) -> None:
        if not accounts:
            return
        index.refresh()
        for named, heard_at in zip(accounts, last_events(index, self._tokenizer, accounts),
                                   strict=True):
            if heard_at is not None:
                self._known[named] = heard_at

    def _heard_at(self, index: Index, account: Account, now: int) -> int:
        known = self._known.get(_named(account))
        if known is None:
            # Never heard of: since capture began here, however long it was theirs before.
            known = self._begun(index, now)
        return max(known, account.since or known)

    def _begun(self, index: Index, now: int) -> int:
        if self._first is None:
            page = index.search(_DIRECTORIES, 1, oldest_first=True)
            self._first = page.documents[0].captured_at if page.documents else None
        return now if self._first is None else self._first


class SilenceWatch:
    """The watch of one indexer. `counters` is fed by the reader that the follower reads from."""

    def __init__(self, wire: Wire, worker: Worker, voice: Voice, now: int) -> None:
        self._wire, self._worker, self._voice = wire, worker, voice
        self.counters = CounterWatch(int(wire.config.index.counters_wait_s * 1000), now)
        self._accounts = SilentAccounts(wire.tokenizer())
        self._gaps = GapReader(Bodies(wire.reader()))
        self._directory = Directory()
        self._stamp: tuple[int, int, int] | None = None
        self._looked_at = 0
        self._silent_at = 0
        self._waiting = Waiting(wire.tokenizer())
        self._gaps_at = -_HOUR_MS
        self._settled: set[str] = set()
        # A process begins in the middle: what the last minutes held is read first.
        self._back: Iterator[SegmentRead] | None = None
        self._back_at: int | None = None

    def look(self, now: int, index: Index) -> None:
        """Everything, at most every LOOK_MS. Only at the end of the archive: who catches up
        accuses nobody. Raises Transient."""
        if self._back is not None:
            self._look_back(now, index)
        self._look_silent(now, index)
        if 0 <= now - self._looked_at < LOOK_MS:
            return
        self._looked_at = now
        if self._back is None:
            self._look_back(now, index)
        waiting = self._waiting.look(index)
        if waiting:
            many = "at least " if len(waiting) >= WAITING_MAX else ""
            self._worker.alarm("quarantine_waiting", f"{many}{len(waiting)} items that nobody has "
                               "tried again; `counterfoil quarantine list` names them")
        else:
            self._worker.clear("quarantine_waiting")
        going_on = [one for one in self._all_gaps(now, index) if one.until is None]
        if going_on:
            reasons = ", ".join(sorted({one.reason for one in going_on}))
            self._worker.alarm("capture_gap", f"{len(going_on)} go on: {reasons}; "
                               "`counterfoil status` names them")
        else:
            self._worker.clear("capture_gap")

    def _look_silent(self, now: int, index: Index) -> None:
        is_silent = "account_silent" in self._worker.alarms
        if 0 <= now - self._silent_at < (_SOON_MS if is_silent else LOOK_MS):
            return
        self._silent_at = now
        silent = self._accounts.look(index, self._read_directory(), now)
        if silent:
            longest = max(silent_ms for _, silent_ms in silent) // _HOUR_MS
            self._worker.alarm("account_silent", f"{len(silent)} accounts, the longest for "
                               f"{longest} h; `counterfoil status` names them")
        else:
            self._worker.clear("account_silent")

    def settle_parts(self, now: int, index: Index, overdue: list[Overdue]) -> None:
        """A gap was said of sets that are whole now: that is said too. Raises Transient."""
        if any(one.set_id.startswith("t:") for one in overdue):
            return  # what cannot be read has lost its name
        waiting = {f"parts_incomplete:{one.set_id}" for one in overdue}
        for one in self._all_gaps(now, index):
            if one.reason == "parts_incomplete" and one.is_open and one.name not in waiting:
                self._say_settled(one.name, now)

    def _all_gaps(self, now: int, index: Index) -> list[Gap]:
        if 0 <= now - self._gaps_at < _HOUR_MS:
            return self._gaps.more(index, now - _RECENT_MS)
        self._gaps_at = now
        return self._gaps.all(index)

    def _look_back(self, now: int, index: Index) -> None:
        watch = self.counters
        if self._back is None:
            again = self._back_at is None or (
                bool(watch.suspects(now)) and now - self._back_at >= _BACK_AGAIN_MS)
            if not again:
                self._say_counters(index, now, [])
                return
            self._back_at = now
            ends = dict(index.state().cursors)
            self._back = back_to(self._wire.reader(), watch.horizon, ends)
        for _ in range(_BACK_SEGMENTS_MAX):
            read = next(self._back, None)
            if read is None:
                self._back = None
                # Every segment of that time was looked at: what is not there is not there.
                self._say_counters(index, now, watch.suspects(self._back_at or now))
                return
            watch.take(read)

    def _say_counters(self, index: Index, now: int, holes: list[Hole]) -> None:
        for one in holes:
            self._say_hole(index, one)
            self.counters.say([one])
        for one in self.counters.filled():
            self._say_settled(one.name, now)
        said = self.counters.said()
        if said:
            first = said[0]
            self._worker.alarm("counter_missing", f"{sum(one.count for one in said)} records of "
                               f"{len(said)} sessions; the oldest is session {first.session}")
        else:
            self._worker.clear("counter_missing")
        self.counters.forget(now)

    def _say_hole(self, index: Index, hole: Hole) -> None:
        event = own_event(
            events.GAP, hole.name, hole.stated_at, self._wire.directory().firm_years(),
            gaps.details("counter_missing", gaps.OVER, since=hole.stated_at - _STATED_MS,
                         until=hole.stated_at, session=hole.session, count=str(hole.count)))
        if not index.get([self._wire.tokenizer().document(message_key(event))]):
            self._voice.say(event)

    def _say_settled(self, name: str, now: int) -> None:
        if name in self._settled:
            return
        self._voice.say(own_event(
            events.GAP, f"settled:{name}", now, self._wire.directory().firm_years(),
            gaps.details("settled", gaps.SETTLES, gap=name, settled=gaps.CAME_LATE)))
        self._settled.add(name)

    def _read_directory(self) -> Directory:
        """As the file says; of a broken one, as it said before (the gateway names it)."""
        path = self._wire.directory_path
        try:
            seen = path.stat()
        except OSError:
            return self._directory
        stamp = seen.st_ino, seen.st_mtime_ns, seen.st_size
        if stamp != self._stamp:
            try:
                self._directory = load_directory(path)
                self._stamp = stamp
            except CounterfoilError:
                return self._directory
        return self._directory


def _watched(directory: Directory, now: int) -> list[tuple[Account, float]]:
    """(account, ms that it may be silent for)."""
    return [(one, one.max_silence_h * _HOUR_MS) for one in directory.accounts
            if one.max_silence_h is not None and one.covers(now)]


def _named(account: Account) -> Named:
    return account.channel, account.account


def open_gaps(found: Iterable[Gap]) -> list[Gap]:
    """Those because of which something may still be missing."""
    return [one for one in found if one.is_open]
