"""One file that is to be fetched: what is remembered of it, sealed, and when it is tried again.

Owns the task, its bytes on disk and the retry rules. The list that keeps them is a port
(`ingest/mediaworker.py`); its SQLite driver is `infra/embedded/media.py`.

A row on disk shows times and which source it is; who wrote to whom and where the file lies are
under AES-256-GCM with a key of this process's own folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ingest.media import FetchFailed
from ingest.parts import encoded
from schemas import codec, limits, media
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import canonical, event_id, keyed
from schemas.media import StoredMedia

_LABEL: Final = "counterfoil/media-task/v1"
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class MediaTask:
    """A file at a provider. `event` is its message without words and people, `place` the file's
    place in it. `attempts` and `misses` count; `missed_at` (UTC ms, 0 = never) is the first miss;
    `last` is the last reason.

    What is to be said is decided before it is said, so that a crash in between says the same:
    `sealed`: the scratch file is to be put, then it is stored; `verdict`: it failed for this
    reason, for good if `final`. `said`: a fact tells of the first failure.
    """

    event: CapturedEvent
    place: int
    attempts: int = 0
    misses: int = 0
    missed_at: int = 0
    last: str = ""
    said: bool = False
    verdict: str = ""
    final: bool = False
    sealed: StoredMedia | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as it lies on disk. `name` (16 bytes) is the same for the same file of the same event,
    `source` the adapter without its version; times are UTC ms."""

    name: bytes
    source: str
    put_at: int
    due_at: int
    expires_at: int
    blob: bytes = field(repr=False)


class TaskCipher:
    """Tasks <-> rows, under a 32-byte key."""

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._key = key
        self._cipher = AESGCM(key)
        self._random = random

    def name(self, task: MediaTask) -> bytes:
        """16 bytes: a redelivery of the message gives the same."""
        return keyed(self._key, _LABEL, event_id(task.event), task.place)

    def row(self, task: MediaTask, now: int, kept_ms: int = limits.MEDIA_KEPT_MS) -> TaskRow:
        """A new task, due at once. Raises Refused when its event does not encode."""
        name = self.name(task)
        return TaskRow(name, source_of(task.event), now, now, task.event.captured_at + kept_ms,
                       self.seal(name, task))

    def seal(self, name: bytes, task: MediaTask) -> bytes:
        """The bytes of a task under its name."""
        stored = task.sealed
        said: dict[str, Any] = {
            "place": task.place, "attempts": task.attempts, "misses": task.misses,
            "missed_at": task.missed_at, "last": task.last, "said": task.said,
            "verdict": task.verdict, "final": task.final, "media_type": task.media_type,
            "sealed": None if stored is None else {
                "object": stored.object, "size": stored.size, "sha256": stored.sha256.hex(),
                "key": stored.key.hex()}}
        plain = json.dumps(said).encode() + b"\n" + encoded(task.event)
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, canonical(_LABEL, name))

    def open(self, row: TaskRow) -> MediaTask:
        """The task of a row. Raises Refused when it is not one of ours."""
        nonce, sealed = row.blob[:_NONCE_BYTES], row.blob[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, sealed, canonical(_LABEL, row.name))
        except (InvalidTag, ValueError) as error:
            raise Refused("a task that does not open") from error
        first, _, datum = plain.partition(b"\n")
        said = json.loads(first)
        event = codec.decode(datum)
        if not isinstance(event, CapturedEvent):
            raise Refused("a task without an event")
        stored = said.pop("sealed")
        return MediaTask(event=event, sealed=None if stored is None else StoredMedia(
            stored["object"], stored["size"], bytes.fromhex(stored["sha256"]),
            bytes.fromhex(stored["key"])), **said)


def tasks_of(events: Iterable[CapturedEvent]) -> Iterator[MediaTask]:
    """Every file that is still at its provider."""
    for event in events:
        for place, one in enumerate(event.attachments):
            if one.state == media.PENDING:
                yield MediaTask(_bare(event), place)


def source_of(event: CapturedEvent) -> str:
    """The adapter that the event came through, without its version."""
    return event.source.partition("/")[0]


def _bare(event: CapturedEvent) -> CapturedEvent:
    """What the facts and the fetching need; its ids are the message's own."""
    return replace(event, actor=None, participants=(), text=None, observations=(), details=(),
                   key_material=None, raw=None, raw_type="", delivery=None)


@dataclass(frozen=True, slots=True)
class RetryRules:
    """When a failed fetch is tried again. `pauses_ms` grow and the last one repeats. A file that is
    not there, or is not the one that was stated, is given up after `misses_min` such answers that
    span `misses_ms_min` or more: an id may be known late, and restarts in a row try at once.
    Everything else, trouble of the line too, is tried until the provider no longer hands it out.
    """

    pauses_ms: tuple[int, ...] = (10_000, 60_000, 300_000, 900_000, 3_600_000, 10_800_000,
                                  21_600_000, 43_200_000)
    misses_min: int = 5
    misses_ms_min: int = 86_400_000
    waiting_ms_max: int = 600_000   # then it is an alarm

    def failed(self, task: MediaTask, failure: FetchFailed, now: int) -> MediaTask:
        """The task after one more attempt. That its time is over is none."""
        if failure.reason == "expired":
            return task
        tried = replace(task, attempts=task.attempts + 1, last=failure.reason)
        if failure.reason not in _MISSES:
            return tried
        return replace(tried, misses=task.misses + 1, missed_at=task.missed_at or now)

    def again_at(self, task: MediaTask, failure: FetchFailed, now: int,
                 expires_at: int) -> int | None:
        """When `task`, which has just failed, is tried again (UTC ms); null = never."""
        if failure.final or now >= expires_at:
            return None
        # Asked of a miss only: a line that fails a day later says nothing about the file.
        if failure.reason in _MISSES and task.misses >= self.misses_min \
                and now - task.missed_at >= self.misses_ms_min:
            return None
        pause = self.pauses_ms[min(task.attempts, len(self.pauses_ms)) - 1]
        next_at = now + max(pause, failure.after_ms)
        if next_at < expires_at:
            return next_at
        # The last attempt is made while it may still succeed.
        last_at = expires_at - 60_000
        return last_at if now < last_at else expires_at

    def put_again_at(self, row: TaskRow, now: int) -> int:
        """When a file is taken up again after this machine's disk, the store or the log failed:
        soon, and for ever."""
        return now + min(max(1_000, (now - row.put_at) // 4), 300_000)


# Answers about the file itself. One that was cut off says nothing but that the line broke.
_MISSES: Final = frozenset({"not_found", "hash_mismatch"})
