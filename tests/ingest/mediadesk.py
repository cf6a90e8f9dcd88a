"""A media worker in one process for tests: its own list and sealed files on disk, a fake store, the
providers' fakes over real HTTP, and faults between any two of its steps.

Owns the composition and the reading of what it left. `again` is the process started once more on
the same disk, store and log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from archive.media import MediaReader
from infra.embedded.media import SealedFolder, SqliteTaskList
from infra.media import TWILIO, WHATSAPP, MediaAccess, ProviderFetcher
from ingest.media import MediaStore
from ingest.mediatask import RetryRules, TaskCipher, TaskRow
from ingest.mediaworker import MediaWorker, TaskSummary, WorkerParts
from ingest.routing import Router
from ingest.status import AlarmBoard
from schemas import media
from schemas.events import Attachment, CapturedEvent
from tests.fakes.media_api import AUTH_TOKEN, SID, TOKEN, MediaApi
from tests.fakes.store import FakeStore
from tests.ingest.doorway import NOW, Clock, Random

DAY_MS = 86_400_000
KEY = bytes(range(32))


class Died(BaseException):
    """The process ends here."""


@dataclass
class Steps:
    """Every step that leaves something behind, counted; the process dies before or after one."""

    die_at: int = 0
    after: bool = False
    done: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One of them."""
        self.done.append(name)
        now = len(self.done) == self.die_at
        if now and not self.after:
            raise Died(name)
        try:
            yield
        finally:
            if now:
                raise Died(name)


class _List:
    """The real list, each write of it a step."""

    def __init__(self, inner: SqliteTaskList, steps: Steps) -> None:
        self._inner, self._steps = inner, steps

    def put(self, rows: Sequence[TaskRow]) -> None:
        self._inner.put(rows)

    def due(self, now: int, sources: Collection[str], rows_max: int,
            without: Collection[bytes]) -> Sequence[TaskRow]:
        return self._inner.due(now, sources, rows_max, without)

    def save(self, row: TaskRow) -> None:
        with self._steps.step("save"):
            self._inner.save(row)

    def finish(self, name: bytes, forget_at: int) -> None:
        with self._steps.step("finish"):
            self._inner.finish(name, forget_at)

    def wake(self, now: int) -> Sequence[bytes]:
        return self._inner.wake(now)

    def summary(self) -> TaskSummary:
        return self._inner.summary()


class _Files:
    """The real files, each a step."""

    def __init__(self, inner: SealedFolder, steps: Steps) -> None:
        self._inner, self._steps = inner, steps

    @contextmanager
    def create(self, name: bytes) -> Iterator[BinaryIO]:
        with self._steps.step("seal"), self._inner.create(name) as out:
            yield out

    def open(self, name: bytes) -> AbstractContextManager[BinaryIO]:
        return self._inner.open(name)

    def remove(self, name: bytes) -> None:
        with self._steps.step("remove"):
            self._inner.remove(name)

    def sweep(self, keep: Collection[bytes]) -> None:
        self._inner.sweep(keep)

    def has_room(self) -> bool:
        return self._inner.has_room()


@dataclass
class Desk:
    """One worker and what surrounds it."""

    folder: Path
    api: MediaApi
    clock: Clock = field(default_factory=Clock)
    rules: RetryRules = field(default_factory=RetryRules)
    access: MediaAccess | None = None
    steps: Steps = field(default_factory=Steps)
    said: list[CapturedEvent] = field(default_factory=list)
    store: FakeStore | None = None
    life: int = 1
    bytes_max: int = 32 << 20

    def __post_init__(self) -> None:
        self.access = self.access or access(self.api)
        self.objects = self.store or FakeStore(self.clock)
        self.alarms = AlarmBoard()
        self.threads = ThreadPoolExecutor(4)
        self.router = Router(bytes(range(32)), bytes(16))
        self.tasks = SqliteTaskList(self.folder / "media.db")
        self.files = SealedFolder(self.folder / "sealed", 1 << 30)
        random = Random(f"media {self.life}")
        self.cipher = TaskCipher(KEY, random)
        self.worker = MediaWorker(WorkerParts(
            _List(self.tasks, self.steps), _Files(self.files, self.steps),
            ProviderFetcher(self.access), self._put_only, self.cipher, self.publish,
            self.router.domain, lambda event, now: now + DAY_MS, self.clock, random, self.alarms,
            self.threads), self.rules, bytes_max=self.bytes_max)

    def _put_only(self) -> MediaStore:
        desk = self

        class PutOnly:
            """What capture may do."""

            def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
                with desk.steps.step("put"):
                    desk.objects.put_file(key, body, retain_until)

        return PutOnly()

    async def publish(self, events: Sequence[CapturedEvent]) -> None:
        """Onto the log."""
        with self.steps.step("publish"):
            self.said += events

    def expect(self, *events: CapturedEvent) -> None:
        """As the doors do."""
        asyncio.run(self.worker.expect(events))

    def turn(self) -> int:
        """Everything that is due."""
        return asyncio.run(self.worker.turn())

    def until_done(self, turns_max: int = 60, step_ms: int = 3_600_000) -> None:
        """Turn after turn, an hour apart, until nothing waits."""
        for _ in range(turns_max):
            self.turn()
            if not self.tasks.summary().count:
                return
            self.clock.now += step_ms
        raise AssertionError("it never ends")

    def again(self, **steps: object) -> Desk:
        """The process, started once more after its end."""
        self.close()
        made = replace(self, steps=Steps(**steps), store=self.objects,  # type: ignore[arg-type]
                       life=self.life + 1)
        asyncio.run(made.worker.recover())
        return made

    def close(self) -> None:
        """Let go of the file and the threads."""
        self.threads.shutdown()
        self.tasks.close()

    def facts(self, state: str = "") -> list[CapturedEvent]:
        """What was said (of `state`)."""
        return [one for one in self.said if not state or one.attachments[0].state == state]

    def reasons(self) -> list[tuple[str, str | None]]:
        """State and reason of each fact, in order."""
        return [(one.attachments[0].state, one.attachments[0].reason) for one in self.said]

    def opened(self, fact: CapturedEvent) -> bytes:
        """The file that a fact names."""
        read = media.read_fact(fact)
        assert read is not None and read.stored is not None
        return b"".join(MediaReader(self.objects).open(read.stored))

    def codes(self) -> set[str]:
        """Active alarms."""
        return {one.code for one in self.alarms.active(self.clock())}


def access(api: MediaApi, **changes: object) -> MediaAccess:
    """Both providers are the fake."""
    made = MediaAccess(whatsapp_url=api.base, whatsapp_tokens=(TOKEN,), twilio_url=api.base,
                       twilio_account=SID, twilio_tokens=(AUTH_TOKEN,), bytes_max=32 << 20)
    return replace(made, **changes)  # type: ignore[arg-type]


def whatsapp_message(*files: Attachment, number: int = 1) -> CapturedEvent:
    """A WhatsApp message with files."""
    return CapturedEvent(
        kind="message", channel="whatsapp", source=f"{WHATSAPP}/1", account="+15550783881",
        conversation="pair:+15550783881|+16505551234", captured_at=NOW, occurred_at=NOW - 2000,
        native_id=f"wamid.{number}", text="a secret caption", attachments=files,
        observations=("media_pending",), custodian="asmith", direction="in")


def twilio_message(*files: Attachment, number: int = 1) -> CapturedEvent:
    """An MMS with files."""
    return replace(whatsapp_message(*files), channel="sms", source=f"{TWILIO}/1",
                   native_id=f"MM{number}", occurred_at=None)
