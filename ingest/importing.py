"""One file that was handed in -> durable events, and what it came to (PROTOCOL C5, C6).

Owns the order that makes an import harmless to repeat: events on the log, their files in the store,
then the ledger; and what a reader's findings count as. Which file, which reader, and in which
process, is `infra/importer.py`.

A crash at any line loses nothing: what the ledger does not say is read again. What was durable
already has the same ids; but for the batch that was under way it is not even recorded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from ingest.delivery import Deliverer
from ingest.exclusions import Count, Counts, Day, added, count_events, counted
from ingest.imports import (
    EDIT,
    KNOWN,
    NEW,
    NOTED,
    RETRACTION,
    Answers,
    Found,
    ImportedFile,
    Member,
    NeedsAnswer,
    Reader,
    Remark,
    Unreadable,
)
from ingest.ledger import ImportLedger
from ingest.media import MediaWriter
from ingest.neighbours import Neighbours
from ingest.parts import items_of
from ingest.routing import Router
from schemas import events, limits, media
from schemas.errors import CounterfoilError, Refused
from schemas.events import CapturedEvent, Delivery
from schemas.identity import canonical, event_id
from schemas.pack import Item

DOOR: Final = "import"
RAW_TYPE: Final = "application/octet-stream"
# Sealed and appended at a time; then the ledger is saved. What a crash can make twice is this much.
BATCH_ITEMS_MAX: Final = 2_000
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
_QUARANTINE_PIECE_BYTES: Final = 4 * 1024 * 1024


class ResumableLedger(ImportLedger, Protocol):
    """An import ledger that also remembers how far an unfinished file was made durable."""

    def is_begun(self, file: bytes) -> bool:
        """Whether some of the file is durable, and it was never finished."""

    def was_recorded(self, file: bytes, digest: bytes) -> bool:
        """Whether this event of an unfinished file is durable."""

    def recorded(self, file: bytes, digest: bytes) -> None:
        """It is. Kept when `save` is called."""

    def finish(self, file: bytes) -> None:
        """All of the file is durable: forget which events of it were. Kept by `save`."""

    def forget(self) -> None:
        """Drop what was told since the last `save`."""


class ItemLog(Protocol):
    """Where sealed events go (`ingest.record.LogRecorder`)."""

    def record_items(self, items: Sequence[Item]) -> None:
        """On the log when it returns. Raises Transient: some may be, all may be recorded again."""


@dataclass(slots=True)
class Tally:
    """What a file, or all files, came to. `excluded` were dropped as the directory says; `resumed`
    of the others were durable from an earlier run that did not end; `recorded` went onto the
    log."""

    new: int = 0
    known: int = 0
    edits: int = 0
    retractions: int = 0
    repaired: int = 0
    quarantined: int = 0
    noted: int = 0
    excluded: int = 0
    resumed: int = 0
    recorded: int = 0
    files_stored: int = 0
    files_failed: int = 0

    def add(self, other: Tally) -> None:
        """Both together."""
        for name in Tally.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Outcome:
    """What one file came to. `needs`: the option that only the operator can answer, with its
    choices and the question; then nothing of the file was taken."""

    name: str
    tally: Tally = field(default_factory=Tally)
    remarks: list[Remark] = field(default_factory=list)
    needs: tuple[str, tuple[str, ...], str] | None = None

    @property
    def is_whole(self) -> bool:
        """Everything in the file was read, the files in it too."""
        return (not self.tally.quarantined and not self.tally.files_failed
                and self.needs is None and not any(one.incomplete for one in self.remarks))


@dataclass(frozen=True, slots=True)
class ImportParts:
    """What an importer needs. `log` and `media` are null in a dry run: then nothing is written and
    the ledger is not saved."""

    ledger: ResumableLedger
    deliverer: Deliverer
    router: Router
    log: ItemLog | None
    media: MediaWriter | None
    # Called after each batch; a process states its heartbeats here.
    after_batch: Callable[[], None] = lambda: None


class Importer:
    """Takes files one after the other."""

    def __init__(self, parts: ImportParts) -> None:
        self._parts = parts

    def take(self, file: ImportedFile, reader: Reader, channel: str, answers: Answers,
             progress: Callable[[int], None] = lambda _read: None) -> Outcome:
        """Everything in `file`, durable when this returns. `progress` is told how many bytes of it
        are behind. Raises Transient: call again, nothing is lost or doubled.

        What cannot be read is quarantined, the whole file if need be; a file never raises for what
        is in it.
        """
        taking = _Taking(self._parts, file, reader.source, channel, answers,
                         Neighbours(reader.is_one_chat))
        try:
            for item in reader.read(file, answers, self._parts.ledger):
                if isinstance(item, Found):
                    taking.found(item)
                    progress(item.read)
                elif isinstance(item, Unreadable):
                    taking.unreadable(item)
                else:
                    taking.outcome.remarks.append(item)
        except NeedsAnswer as error:
            taking.outcome.needs = error.option, error.choices, str(error)
            return taking.outcome
        except Refused as error:
            taking.refuse(str(error))
        except CounterfoilError:
            raise
        except OSError as error:
            # The stick was pulled out, or its disk is bad: that is this file's, not the others'.
            taking.outcome.remarks.append(Remark(
                "not_read", f"reading stopped: {error.strerror or type(error).__name__}",
                incomplete=True))
        except Exception as error:  # noqa: BLE001 - a reader's fault: the file is kept all the same
            taking.refuse(f"the reader failed: {type(error).__name__}")
        taking.finish()
        progress(file.size)
        return taking.outcome

    def refuse(self, file: ImportedFile, reason: str, channel: str, answers: Answers) -> Outcome:
        """A file that no reader takes: quarantined as it is."""
        taking = _Taking(self._parts, file, DOOR + "/1", channel, answers, Neighbours(False))
        taking.refuse(reason)
        taking.finish()
        return taking.outcome


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event on its way to the log, and its files on their way to the store."""

    event: CapturedEvent
    members: tuple[Member, ...]


class _Taking:
    """One file on its way."""

    def __init__(self, parts: ImportParts, file: ImportedFile, source: str, channel: str,
                 answers: Answers, neighbours: Neighbours) -> None:
        self.outcome = Outcome(file.name)
        self._neighbours = neighbours
        self._parts, self._ledger = parts, parts.ledger
        self._file, self._source, self._channel, self._answers = file, source, channel, answers
        # Its events are others where the answers or the reader are.
        self._key = parts.ledger.digest(
            "import/file", file.sha256, source, answers.account or "", answers.me or "",
            answers.zone or "", str(answers.day_first))
        self._is_resumed = parts.log is not None and parts.ledger.is_begun(self._key)
        self._waiting: list[_Waiting] = []
        self._items: list[Item] = []
        self._bytes = 0
        self._excluded: Counts = {}
        self._taken = 0

    def found(self, found: Found) -> None:
        """One event of the reader."""
        self._taken += 1
        event, ledger = found.event, self._ledger
        name = event_id(event)
        left_out = self._left_out(event)
        if left_out is not None:
            self._leave_out(*left_out)
            if found.how != KNOWN:
                # The reader will call it known; should the exclusion end, it was never captured.
                ledger.add(self._fact("excluded", name))
                ledger.add(self._fact("excluded-any"))
            return
        self.outcome.tally.repaired += len(found.repairs)
        how, is_durable = self._what_it_is(found.how, name)
        self._count(how)
        # A file that was damaged, too large or left out the last time may be whole in this one.
        members = tuple(one for one in found.members if not (one.fact and ledger.has(one.fact)))
        if how == KNOWN or is_durable:
            self.outcome.tally.resumed += is_durable
            members = tuple(one for one in members if one.fact)
            if members and self._parts.log is not None:
                stamped = self._parts.deliverer.stamp(event, event.delivery)
                self._waiting.append(_Waiting(stamped, members))
            return
        stamped = replace(self._parts.deliverer.stamp(event, event.delivery), raw=event.raw)
        self._add(stamped, members, name)

    def unreadable(self, item: Unreadable) -> None:
        """Bytes that could not be read: an event of their own, once; unless they lie in what the
        directory excludes."""
        self._taken += 1
        self._settle(self._neighbours.unreadable(item))

    def refuse(self, reason: str) -> None:
        """The file as a whole was not taken: its bytes are kept, up to a limit."""
        self.outcome.remarks.append(Remark("refused", reason, incomplete=True))
        if self._taken:
            told = Unreadable(f"not read any further: {reason}", b"")
            self._settle([(told, self._neighbours.of_all())])
            return
        if self._file.size > limits.IMPORT_REFUSED_BYTES_MAX:
            self._quarantine(f"{reason}; {self._file.size} bytes are more than are kept of a file "
                             "that is not taken", b"", 0, "")
            return
        at = 0
        with self._file.open() as stream:
            while piece := stream.read(_QUARANTINE_PIECE_BYTES):
                self._quarantine(reason, piece, at, "")
                at += len(piece)
        if not at:
            self._quarantine(reason, b"", 0, "")

    def finish(self) -> None:
        """Everything is durable, and the ledger knows, when this returns."""
        self._settle(self._neighbours.end())
        if self._parts.log is None:
            return
        if self._excluded and self.outcome.tally.excluded == self._taken:
            # Nothing of a chat that is nobody's business stays, in no form; its counts do.
            self._ledger.forget()
        for event in self._count_events():
            self._once(event, "counted")
        self._ledger.finish(self._key)
        self._flush()

    # --- what is left out ---

    def _left_out(self, event: CapturedEvent) -> tuple[Day, Count] | None:
        """What is counted of an event that the directory excludes; null where it is captured."""
        if self._neighbours.has_say(event):
            day = self._neighbours.of_all()
            return (day, Count(1, 0)) if day else None
        exclusion = self._parts.deliverer.exclusion_of(event)
        left_out = counted(event, exclusion) if exclusion is not None else None
        self._settle(self._neighbours.line(left_out[0] if left_out else None))
        return left_out

    def _leave_out(self, day: Day, count: Count) -> None:
        self._excluded = added(self._excluded, ((day, count),))
        self.outcome.tally.excluded += 1

    def _settle(self, decided: Sequence[tuple[Unreadable, Day | None]]) -> None:
        for item, day in decided:
            if day is None:
                self._quarantine(item.reason, item.raw, item.start, item.member)
            else:
                self._leave_out(day, Count(1, 0))

    # --- what it is ---

    def _what_it_is(self, how: str, name: bytes) -> tuple[str, bool]:
        """(what it counts as, whether it is durable already although it is not known)."""
        if self._is_resumed and self._ledger.was_recorded(self._key, self._fact("event", name)):
            return NEW if how == KNOWN else how, True
        if how == KNOWN and self._ledger.has(self._fact("excluded-any")) \
                and self._ledger.has(self._fact("excluded", name)) \
                and not self._ledger.has(self._fact("included", name)):
            self._ledger.add(self._fact("included", name))
            return NEW, False
        return how, False

    def _count(self, how: str) -> None:
        tally = self.outcome.tally
        tally.new += how == NEW
        tally.known += how == KNOWN
        tally.edits += how == EDIT
        tally.retractions += how == RETRACTION
        tally.noted += how == NOTED

    def _fact(self, label: str, *parts: bytes) -> bytes:
        return self._ledger.digest(f"import/{label}", *parts)

    def _count_events(self) -> tuple[CapturedEvent, ...]:
        directory = self._parts.deliverer.directory
        named = f"import:{self._file.sha256.hex()}:{directory.digest()}"
        return count_events(self._excluded, named, self._answers.now, directory.firm_years())

    # --- to the log ---

    def _quarantine(self, reason: str, raw: bytes, start: int, member: str) -> None:
        self.outcome.tally.quarantined += 1
        event = self._quarantined(reason, raw, start, member)
        stamped = self._parts.deliverer.stamp(event, event.delivery)
        self._once(replace(stamped, raw=raw), "unreadable")

    def _once(self, event: CapturedEvent, label: str) -> None:
        """Recorded, unless this very fact was; the file may be handed in again and again."""
        name = event_id(event)
        fact = self._fact(label, name)
        if not self._ledger.has(fact):
            self._add(event, (), name)
            self._ledger.add(fact)

    def _quarantined(self, reason: str, raw: bytes, start: int, member: str) -> CapturedEvent:
        """Its identity is its place in this very file, and why."""
        answers, file = self._answers, self._file
        end = start + len(raw)
        place = hashlib.sha256(canonical("counterfoil/import-quarantine/v1", file.sha256, member,
                                         start, end, reason)).hexdigest()[:32]
        said = {"door": DOOR, "file": file.name, "reason": reason}
        if member:
            said["member"] = member
        return CapturedEvent(
            kind=events.QUARANTINE, channel=self._channel, source=self._source,
            account=answers.account or "", conversation="quarantine", captured_at=answers.now,
            revision=place, details=tuple(sorted(said.items())),
            provenance=events.CUSTODIAN_SUPPLIED, provenance_who=answers.who,
            provenance_sha256=file.sha256, raw_type=RAW_TYPE,
            delivery=Delivery(file.sha256[:16], start, end))

    def _add(self, event: CapturedEvent, members: tuple[Member, ...], name: bytes) -> None:
        if self._parts.log is None:
            return
        try:
            items = items_of(event, self._parts.router)
        except Refused as error:
            self._unwritable(event, str(error))
            return
        self._items += items
        self._bytes += sum(len(one.datum) for one in items)
        self.outcome.tally.recorded += 1
        if members:
            self._waiting.append(_Waiting(event, members))
        self._ledger.recorded(self._key, self._fact("event", name))
        if len(self._items) >= BATCH_ITEMS_MAX or self._bytes >= BATCH_BYTES_MAX:
            self._flush()

    def _unwritable(self, event: CapturedEvent, reason: str) -> None:
        """An event that the schema cannot hold: its bytes are kept, and it alone is set aside."""
        if event.kind == events.QUARANTINE:
            raise Refused(f"{self._file.name}: {reason}")
        start = event.delivery.start if event.delivery else 0
        self._quarantine(f"could not be written: {reason}", event.raw or b"", start, "")

    def _flush(self) -> None:
        log, writer = self._parts.log, self._parts.media
        if log is None:
            return
        if self._items:
            log.record_items(self._items)
        # From here the texts are durable: a crash before the ledger is saved repeats this batch.
        stored: list[bytes] = []
        facts = [item for one in self._waiting for item in self._stored(one, writer, stored)]
        if facts:
            log.record_items(facts)
        for fact in stored:
            self._ledger.add(fact)
        self._ledger.save()
        self._items, self._waiting, self._bytes = [], [], 0
        self._parts.after_batch()

    def _stored(self, waiting: _Waiting, writer: MediaWriter | None,
                stored: list[bytes]) -> Iterator[Item]:
        """What became of the files, to be recorded; `stored` takes what the ledger is to know."""
        for member in waiting.members:
            if writer is None:
                raise AssertionError("an importer without a store for files")
            fact = writer.write(waiting.event, member.attachment, member.open)
            is_stored = fact.attachments[0].state == media.STORED
            self.outcome.tally.files_stored += is_stored
            self.outcome.tally.files_failed += not is_stored
            if is_stored and member.fact:
                stored.append(member.fact)
            yield from items_of(fact, self._parts.router)
