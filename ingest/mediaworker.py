"""Fetches the files of captured messages: at once, again while it may help, and says what came of
each as an event (PROTOCOL M1, CAPTURE §1 and cases 20, 48).

Owns the ports TaskList, SealedFiles and Fetcher, and the order of the steps. Lives on the gateway's
event loop; what blocks runs in threads of the executor handed in. The text of a message never waits
for this: it is durable and answered first.

    row on disk -> fetched and sealed into a scratch file -> row says so -> PUT -> fact -> row done

A crash between any two steps repeats at most the step after the last arrow: the same object, the
same fact. Only bytes that were put under a row that was lost become an orphan.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, Final, Protocol, TypeVar

from ingest.media import (
    ChunkSealer,
    FetchFailed,
    MediaStore,
    failed_fact,
    put_sealed,
    stored_fact,
)
from ingest.mediatask import MediaTask, RetryRules, TaskCipher, TaskRow, tasks_of
from ingest.status import AlarmBoard
from schemas import limits, media
from schemas.errors import CounterfoilError, Missing, Refused, Transient
from schemas.events import Attachment, CapturedEvent
from schemas.media import StoredMedia

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

# Between two looks at the list when nothing wakes us.
_TICK_S: Final = 1.0
# For threads that are told to let go, at a stop. What they had not finished is fetched again.
_STOP_S: Final = 2.0
# Rows that are remembered as done: a provider delivers again for 7 days.
_DONE_MS: Final = limits.MEDIA_KEPT_MS + 86_400_000
# Tasks kept in memory while the list cannot be written; more are lost, with an alarm all the time.
_UNWRITTEN_MAX: Final = 10_000
_OCCURRENCE_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """What waits: source -> (how many files, since when the oldest, UTC ms)."""

    sources: Mapping[str, tuple[int, int]]

    @property
    def count(self) -> int:
        """All of them."""
        return sum(count for count, _ in self.sources.values())


class TaskList(Protocol):
    """Rows on this machine's disk. Blocking; raises Transient when the disk fails."""

    def put(self, rows: Sequence[TaskRow]) -> None:
        """Add rows whose names are not known, done or not; on disk (fsync) when it returns."""

    def due(self, now: int, sources: Collection[str], rows_max: int,
            without: Collection[bytes]) -> Sequence[TaskRow]:
        """Up to `rows_max` rows, the longest due first: due at `now` and of one of `sources`, or
        expired. Names in `without` are left out."""

    def save(self, row: TaskRow) -> None:
        """Replace a row's due time and bytes; on disk when it returns."""

    def finish(self, name: bytes, forget_at: int) -> None:
        """The row is done: its bytes go, its name stays until `forget_at` (UTC ms)."""

    def wake(self, now: int) -> Sequence[bytes]:
        """At a start: every waiting row is due, and names past their time are forgotten. The names
        of the rows that wait."""

    def summary(self) -> TaskSummary:
        """What waits now."""


class SealedFiles(Protocol):
    """Sealed bytes between fetch and PUT, by a task's name. Raises Transient, Missing."""

    def create(self, name: bytes) -> AbstractContextManager[BinaryIO]:
        """A new file, over what was there; on disk (fsync) when the context ends without error."""

    def open(self, name: bytes) -> AbstractContextManager[BinaryIO]:
        """A file that was created. Raises Missing."""

    def remove(self, name: bytes) -> None:
        """Idempotent."""

    def sweep(self, keep: Collection[bytes]) -> None:
        """Remove all others."""

    def has_room(self) -> bool:
        """Whether another file may be fetched."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a provider said of the file beside its bytes."""

    media_type: str | None = None
    sha256: bytes | None = None


class Fetcher(Protocol):
    """The providers' media doors."""

    def sources(self) -> Collection[str]:
        """Sources that can be fetched from: those with credentials."""

    def fetch(self, event: CapturedEvent, attachment: Attachment,
              sink: Callable[[bytes], None]) -> Fetched:
        """All bytes of a file into `sink`, piece by piece. Raises FetchFailed; Transient when
        `sink` raises OSError: a full disk of ours is no fact about the provider."""

    def close(self) -> None:
        """Give up what is under way: it fails soon."""


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What a worker is made of. `publish` makes events durable (raises Transient); `domain_of` is
    the router's; `retain_until` maps an event and our clock (UTC ms) to the end of the lock."""

    tasks: TaskList
    files: SealedFiles
    fetcher: Fetcher
    store: Callable[[], MediaStore]
    cipher: TaskCipher
    publish: Callable[[Sequence[CapturedEvent]], Awaitable[None]]
    domain_of: Callable[[CapturedEvent], bytes]
    retain_until: Callable[[CapturedEvent, int], int]
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    alarms: AlarmBoard
    threads: Executor


class MediaWorker:
    """The files of one gateway."""

    def __init__(self, parts: WorkerParts, rules: RetryRules | None = None, *,
                 fetches_max: int = 4, bytes_max: int = limits.MEDIA_BYTES_MAX) -> None:
        self._parts = parts
        self._rules = rules or RetryRules()
        self._fetches_max = fetches_max
        self._bytes_max = bytes_max
        self._busy: dict[bytes, asyncio.Task[None]] = {}
        self._unwritten: list[TaskRow] = []
        # Names of files that this machine's disk did not take, and its words.
        self._disk: dict[bytes, str] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False
        self.waiting = TaskSummary({})

    # -- from the doors

    async def expect(self, events: Sequence[CapturedEvent]) -> None:
        """The files of `events` will be fetched, also after a crash. Called before the events are
        published and so before the provider is told 200: a crash in between leaves a row too many,
        never a message whose picture nobody looks for. (The other way round would lose it where the
        provider does not deliver again, as Twilio.) One fsync, for deliveries with files only.

        Raises nothing: a list that cannot be written keeps no text out of the archive. Then the
        rows wait in memory, and it is an alarm.
        """
        if not any(one.attachments for one in events):
            return
        now, rows = self._parts.clock(), []
        for task in tasks_of(events):
            with suppress(Refused):  # an event that cannot be written is quarantined whole
                rows.append(self._parts.cipher.row(task, now))
        if not rows:
            return
        try:
            await self._in_thread(self._parts.tasks.put, rows)
        except CounterfoilError as error:
            _LOG.error("media not written down", extra={"error": type(error).__name__})
            room = _UNWRITTEN_MAX - len(self._unwritten)
            self._unwritten += rows[:max(0, room)]
        self._wake.set()

    # -- life

    async def start(self) -> None:
        """Take up what an earlier process left; from then on work until `stop`."""
        await self.recover()
        self._loop = asyncio.create_task(self._keep_working())

    async def recover(self) -> None:
        """Everything that waits is due: a restart may have brought credentials."""
        try:
            names = await self._in_thread(self._parts.tasks.wake, self._parts.clock())
            await self._in_thread(self._parts.files.sweep, names)
        except CounterfoilError as error:
            _LOG.error("media list not read", extra={"error": type(error).__name__})

    async def stop(self) -> None:
        """Let go. What is under way is taken up by the next start where its row says."""
        self._stopping = True
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait((self._loop,))
        self._parts.fetcher.close()
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=_STOP_S)
        for one in self._busy.values():
            one.cancel()

    async def turn(self) -> int:
        """Everything that is due now, to its end; how many files were worked on."""
        started = await self._begin_due()
        if started:
            await asyncio.gather(*started)
        await self._look()
        return len(started)

    async def _keep_working(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._begin_due()
                await self._look()
            except Exception as error:  # noqa: BLE001 - the rows are on disk; looked at again
                _LOG.error("media tick failed", extra={"error": type(error).__name__})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _TICK_S)

    async def _begin_due(self) -> list[asyncio.Task[None]]:
        parts = self._parts
        await self._write_down()
        room = self._fetches_max - len(self._busy)
        if room <= 0:
            return []
        rows = await self._in_thread(parts.tasks.due, parts.clock(), parts.fetcher.sources(), room,
                                     list(self._busy))
        started = []
        for row in rows:
            task = asyncio.create_task(self._work(row))
            self._busy[row.name] = task
            task.add_done_callback(partial(self._done, row.name))
            started.append(task)
        return started

    async def _write_down(self) -> None:
        if not self._unwritten:
            return
        waiting = list(self._unwritten)
        self._parts.alarms.set("media_waiting", self._parts.clock(),
                               f"{len(waiting)} files could not be written down: a restart "
                               "forgets them")
        await self._in_thread(self._parts.tasks.put, waiting)
        del self._unwritten[:len(waiting)]

    def _done(self, name: bytes, _task: asyncio.Task[None]) -> None:
        self._busy.pop(name, None)
        self._wake.set()

    # -- one file

    async def _work(self, row: TaskRow) -> None:
        try:
            task = self._parts.cipher.open(row)
        except Refused as error:
            # Another key, or a damaged disk. It is not tried again, and not forgotten in silence.
            self._failed_alarm("a row of the list does not open")
            _LOG.error("media row not read", extra={"error": str(error)})
            await self._finish(row)
            return
        try:
            await self._advance(row, task)
            self._disk.pop(row.name, None)
        except CounterfoilError as error:
            # Store, log or disk: none of it is the file's fault. Logged by name, never by address.
            if not self._stopping:
                _LOG.warning("media waits", extra={"error": type(error).__name__})
        except Exception as error:  # noqa: BLE001 - one file's fault must not stop the others
            _LOG.error("media failed", extra={"error": type(error).__name__})

    async def _advance(self, row: TaskRow, task: MediaTask) -> None:
        """From where the row says to its end, or to the row that says when to go on."""
        parts = self._parts
        if task.verdict:
            await self._say(row, task)
            return
        if task.sealed is None:
            if not await self._in_thread(parts.files.has_room):
                await self._save(replace(row, due_at=parts.clock() + 10_000), task)
                return
            # Written before the fetch: should this very file end us each time, it is not tried
            # again without a pause.
            row = await self._save(replace(row, due_at=parts.clock() + 10_000), task)
            try:
                task = await self._in_thread(self._fetch, row, task)
            except FetchFailed as failure:
                if not self._stopping:
                    await self._record_failure(row, task, failure)
                return
            except Transient as error:
                # Our disk, not the provider: no fact and no attempt, whatever becomes of it.
                self._disk[row.name] = str(error)
                again_at = max(row.due_at, self._rules.put_again_at(row, parts.clock()))
                await self._save(replace(row, due_at=again_at), task)
                raise
            # Fetched and sealed, on disk. From here a restart puts it and asks nobody again.
            row = await self._save(row, task)
        stored = task.sealed
        if stored is None:
            raise AssertionError("fetched, and nothing sealed")
        row = await self._save(replace(
            row, due_at=self._rules.put_again_at(row, parts.clock())), task)
        self._disk.pop(row.name, None)  # it took the file: what fails from here is the store
        try:
            await self._in_thread(self._put, row, task.event, stored)
        except Missing:
            # The disk lost it: fetched again. If it was put already, that object is an orphan.
            await self._save(replace(row, due_at=parts.clock()), replace(task, sealed=None))
            return
        # Stored and locked. Without its fact nobody could open it: the row stays until that is
        # durable, and a second fact would be a second sighting of the same one.
        await parts.publish((stored_fact(
            task.event, task.place, stored, parts.clock(), attempts=task.attempts,
            media_type=task.media_type),))
        await self._finish(row)

    def _fetch(self, row: TaskRow, task: MediaTask) -> MediaTask:
        """In a thread. The plain bytes pass through memory chunk by chunk; the file holds sealed
        ones only."""
        parts = self._parts
        said = task.event.attachments[task.place]
        if parts.clock() >= row.expires_at:
            raise FetchFailed("expired", final=True)
        with parts.files.create(row.name) as out:
            sealer = ChunkSealer(out, media.object_name(parts.random(16)),
                                 parts.domain_of(task.event), parts.random(media.KEY_BYTES),
                                 self._bytes_max)
            fetched = parts.fetcher.fetch(task.event, said, sealer.write)
            stored = sealer.finish()
            stated = said.sha256 or fetched.sha256
            if stated is not None and stated != stored.sha256:
                raise FetchFailed("hash_mismatch")
        return replace(task, sealed=stored, attempts=task.attempts + 1,
                       media_type=fetched.media_type)

    def _put(self, row: TaskRow, event: CapturedEvent, stored: StoredMedia) -> None:
        parts = self._parts
        with parts.files.open(row.name) as body:
            put_sealed(parts.store(), stored, body,
                       parts.retain_until(event, parts.clock()))

    async def _record_failure(self, row: TaskRow, task: MediaTask, failure: FetchFailed) -> None:
        now = self._parts.clock()
        task = self._rules.failed(task, failure, now)
        again_at = self._rules.again_at(task, failure, now, row.expires_at)
        if again_at is None:
            reason = "expired" if now >= row.expires_at else failure.reason
            task = replace(task, verdict=reason, final=True)
        elif not task.said:
            # That it failed is a fact of its own, once; what comes of it is another.
            task = replace(task, verdict=failure.reason)
        row = await self._save(replace(row, due_at=again_at or now), task)
        if task.verdict:
            await self._say(row, task)

    async def _say(self, row: TaskRow, task: MediaTask) -> None:
        """A failure that was decided on. After a crash it is said again, in the same words."""
        parts = self._parts
        until = None if task.final else row.expires_at
        await parts.publish((failed_fact(
            task.event, task.place, task.verdict, parts.clock(), attempts=task.attempts,
            last=task.last, retry_until=until),))
        if task.final:
            self._failed_alarm(task.verdict)
            await self._finish(row)
        else:
            await self._save(row, replace(task, verdict="", said=True))

    def _failed_alarm(self, reason: str) -> None:
        self._parts.alarms.set("media_failed", self._parts.clock(), reason, _OCCURRENCE_MS)

    async def _save(self, row: TaskRow, task: MediaTask) -> TaskRow:
        saved = replace(row, blob=self._parts.cipher.seal(row.name, task))
        try:
            await self._in_thread(self._parts.tasks.save, saved)
        except Transient as error:
            self._disk[row.name] = str(error)
            raise
        return saved

    async def _finish(self, row: TaskRow) -> None:
        await self._in_thread(self._parts.tasks.finish, row.name, self._parts.clock() + _DONE_MS)
        await self._in_thread(self._parts.files.remove, row.name)

    # -- what an operator sees

    async def _look(self) -> None:
        parts, now = self._parts, self._parts.clock()
        self.waiting = summary = await self._in_thread(parts.tasks.summary)
        served = parts.fetcher.sources()
        shut = {name: count for name, (count, _) in summary.sources.items() if name not in served}
        _state(parts.alarms, "media_off", now, ", ".join(
            f"{name}: {count} files wait, no credentials" for name, count in sorted(shut.items())))
        late = sum(count for name, (count, oldest_at) in summary.sources.items()
                   if name in served and now - oldest_at > self._rules.waiting_ms_max)
        if self._unwritten:
            return  # said where they are written down
        # A disk is said at once: it does not mend itself, and each try asks the provider again.
        words = [f"{late} files wait"] if late else []
        if self._disk:
            words.append(f"{len(self._disk)} files are kept out by this machine's disk: "
                         + "; ".join(sorted(set(self._disk.values()))))
        _state(parts.alarms, "media_waiting", now, ", ".join(words))

    async def _in_thread(self, call: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(
            self._parts.threads, partial(call, *arguments))


def _state(alarms: AlarmBoard, code: str, now: int, detail: str) -> None:
    """An alarm while there is something to say."""
    if detail:
        alarms.set(code, now, detail)
    else:
        alarms.clear(code)

