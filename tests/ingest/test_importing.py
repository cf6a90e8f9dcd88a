"""One file on its way to the log: what is recorded, once, and what the ledger is told when."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from infra.embedded.ledger import Change, Ledger
from ingest.delivery import Deliverer
from ingest.importing import Importer, ImportParts, Outcome
from ingest.imports import (
    EDIT,
    KNOWN,
    NEW,
    NOTED,
    RETRACTION,
    Answers,
    Found,
    ImportedFile,
    Item,
    Member,
    NeedsAnswer,
    Remark,
    Unreadable,
)
from ingest.ledger import ImportLedger
from ingest.media import MediaWriter
from ingest.parts import join
from ingest.routing import Router
from schemas import codec, events, pack
from schemas.directory import Account, Custodian, Directory, Exclusion
from schemas.errors import Refused, Transient
from schemas.events import Attachment, CapturedEvent, EventPart
from schemas.identity import event_id

NOW = 1_767_225_600_000
ANSWERS = Answers("olga", NOW, account="+49111")
DIRECTORY = Directory(custodians=(Custodian("ben", "Ben"),),
                      accounts=(Account("whatsapp", "+49111", "ben"),), source=b"#")


class MemoryShelf:
    """A ledger's rows in memory."""

    def __init__(self) -> None:
        self.facts: set[bytes] = set()
        self.chats: dict[bytes, list[bytes]] = {}
        self.begun: set[tuple[bytes, bytes]] = set()
        self.saves = 0

    def parts(self, name: bytes) -> list[bytes]:
        return self.chats.get(name, [])

    def has(self, fact: bytes) -> bool:
        return fact in self.facts

    def is_begun(self, file: bytes) -> bool:
        return any(one == file for one, _ in self.begun)

    def was_recorded(self, file: bytes, digest: bytes) -> bool:
        return (file, digest) in self.begun

    def apply(self, change: Change) -> None:
        self.facts |= change.facts
        self.chats |= change.chats
        self.begun = {one for one in self.begun | change.begun if one[0] not in change.finished}
        self.saves += 1


@dataclass
class Recorded:
    """A log: what is on it, and a fault on demand. It accuses a ledger that is saved too early."""

    shelf: MemoryShelf
    items: list[pack.Item] = field(default_factory=list)
    calls: int = 0
    fails_at: int = 0

    def record_items(self, items: Sequence[pack.Item]) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise Transient("the log is away")
        self.items += items

    def events(self) -> list[CapturedEvent]:
        found: list[CapturedEvent] = []
        parts: dict[bytes, list[EventPart]] = {}
        for one in self.items:
            read = codec.decode(one.datum)
            if isinstance(read, EventPart):
                parts.setdefault(read.set_id, []).append(read)
                if len(parts[read.set_id]) < read.total:
                    continue
                read = codec.decode(join(parts[read.set_id]))
            assert isinstance(read, CapturedEvent)
            found.append(read)
        return found


@dataclass
class Scripted:
    """A reader that gives what it was told to, and tells its ledger of it as the contract says."""

    script: list[Item | Exception]
    source: str = "scripted/1"
    is_one_chat: bool = False
    tells_at_end: bool = False

    def recognises(self, file: ImportedFile) -> bool:
        return file.size >= 0

    def read(self, file: ImportedFile, answers: Answers, ledger: ImportLedger) -> Iterator[Item]:
        late = []
        for item in self.script:
            if isinstance(item, Exception):
                raise item
            if not isinstance(item, Found):
                yield item
                continue
            fact = ledger.digest("scripted", event_id(item.event))
            yield replace(item, how=KNOWN) if ledger.has(fact) else item
            if self.tells_at_end:
                late.append(fact)
            else:
                ledger.add(fact)
        for fact in late:
            ledger.add(fact)


def said(name: str, **more: Any) -> CapturedEvent:
    """A message of this name."""
    return CapturedEvent(
        events.MESSAGE, "whatsapp", "scripted/1", "+49111", "export:chat", NOW, native_id=name,
        text=f"text of {name}", raw=name.encode(), occurred_at=NOW - 5_000,
        provenance=events.CUSTODIAN_SUPPLIED, **more)


def found(name: str, how: str = NEW, **more: Any) -> Found:
    """It, as a reader gives it."""
    return Found(said(name, **more), how)


def file_of(raw: bytes = b"a file", name: str = "chat.txt") -> ImportedFile:
    """A file as it is handed over."""
    return ImportedFile(name, hashlib.sha256(raw).digest(), len(raw), lambda: io.BytesIO(raw))


@dataclass
class World:
    """One data folder."""

    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    directory: Directory = DIRECTORY
    media: MediaWriter | None = None

    def __post_init__(self) -> None:
        self.log = Recorded(self.shelf)
        self.router = Router(b"r" * 32, bytes(16))

    def importer(self, *, dry: bool = False) -> Importer:
        """A process that starts."""
        count = iter(range(10**9))
        ledger = Ledger(self.shelf, b"k" * 32,
                        lambda length: hashlib.shake_128(str(next(count)).encode()).digest(length))
        return Importer(ImportParts(ledger, Deliverer(self.router, self.directory), self.router,
                                    None if dry else self.log, self.media))

    def take(self, *script: Item | Exception, dry: bool = False, **more: Any) -> Outcome:
        return self.importer(dry=dry).take(file_of(), Scripted([*script], **more), "whatsapp",
                                           ANSWERS)


def test_everything_is_recorded_stamped_and_counted() -> None:
    """Custodian and class of the directory, the exact bytes, and each how under its own name."""
    world = World()
    outcome = world.take(found("1"), replace(found("2"), repairs=("a", "b")), found("3", EDIT),
                         found("4", RETRACTION), found("5", NOTED), Remark("told", "so"))
    tally = outcome.tally
    assert (tally.new, tally.edits, tally.retractions, tally.noted) == (2, 1, 1, 1)
    assert (tally.repaired, tally.known, tally.quarantined) == (2, 0, 0)
    assert outcome.is_whole and [one.code for one in outcome.remarks] == ["told"]
    recorded = world.log.events()
    assert [one.native_id for one in recorded] == ["1", "2", "3", "4", "5"]
    assert {(one.custodian, one.retention_years) for one in recorded} == {("ben", 7)}
    assert [one.raw for one in recorded] == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("tells_at_end", [False, True])
def test_the_same_again_adds_nothing(tells_at_end: bool) -> None:
    """All is known, and not a byte is recorded."""
    world = World()
    world.take(found("1"), found("2"), tells_at_end=tells_at_end)
    before = len(world.log.items)
    tally = world.take(found("1"), found("2"), tells_at_end=tells_at_end).tally
    assert (tally.new, tally.known) == (0, 2)
    assert before == len(world.log.items)


@pytest.mark.parametrize("tells_at_end", [False, True])
def test_an_import_that_ended_in_the_middle_goes_on(monkeypatch: pytest.MonkeyPatch,
                                                    tells_at_end: bool) -> None:
    """What was durable is not recorded again, all is recorded, and the sum is that of one run."""
    monkeypatch.setattr("ingest.importing.BATCH_ITEMS_MAX", 3)
    world = World()
    script = [found(str(number)) for number in range(10)]
    world.log.fails_at = 3
    with pytest.raises(Transient):
        world.take(*script, tells_at_end=tells_at_end)
    outcome = world.take(*script, tells_at_end=tells_at_end)
    assert (outcome.tally.new, outcome.tally.known, outcome.tally.resumed) == (10, 0, 6)
    assert [one.native_id for one in world.log.events()] == [str(number) for number in range(10)]
    assert not world.shelf.begun
    assert world.take(*script, tells_at_end=tells_at_end).tally.known == 10


def test_the_ledger_never_knows_more_than_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it is saved, every event that it calls known is on the log."""
    monkeypatch.setattr("ingest.importing.BATCH_ITEMS_MAX", 2)
    world = World()
    script = [found(str(number)) for number in range(7)]
    for fails_at in range(1, 5):
        world.log.calls, world.log.fails_at = 0, fails_at
        world.importer()
        try:
            world.take(*script)
        except Transient:
            ledger = Ledger(world.shelf, b"k" * 32, bytes)
            known = {one.event.native_id for one in script
                     if ledger.has(ledger.digest("scripted", event_id(one.event)))}
            assert known <= {one.native_id for one in world.log.events()}


def test_what_cannot_be_read_is_kept_once() -> None:
    """A quarantined event with its bytes, place and reason; the same file again adds no second."""
    world = World()
    item = Unreadable("no date", b"half a line", 10, 21)
    outcome = world.take(found("1"), item)
    assert outcome.tally.quarantined == 1 and not outcome.is_whole
    kept = world.log.events()[1]
    assert (kept.kind, kept.raw, kept.detail("reason")) == (
        events.QUARANTINE, b"half a line", "no date")
    assert (kept.detail("door"), kept.detail("file"), kept.provenance_who) == (
        "import", "chat.txt", "olga")
    assert kept.delivery is not None and (kept.delivery.start, kept.delivery.end) == (10, 21)
    assert world.take(found("1"), item).tally.quarantined == 1
    assert len(world.log.events()) == 2


@pytest.mark.parametrize(("fault", "reason"), [
    (Refused("a bomb"), "a bomb"), (ZeroDivisionError("x"), "the reader failed: ZeroDivisionError"),
])
def test_a_file_that_is_refused_is_kept_whole(fault: Exception, reason: str) -> None:
    """Its bytes are in quarantine with the reason, and nothing raises."""
    world = World()
    outcome = world.take(fault)
    (kept,) = world.log.events()
    assert (kept.raw, kept.detail("reason")) == (b"a file", reason)
    assert not outcome.is_whole and outcome.remarks[0].code == "refused"


def test_a_question_is_asked_and_nothing_taken() -> None:
    """The outcome names the option; the log has nothing, so that the answer decides all."""
    world = World()
    outcome = world.take(NeedsAnswer("day_first", ("true", "false"), "5 June or 6 May?"))
    assert outcome.needs == ("day_first", ("true", "false"), "5 June or 6 May?")
    assert not outcome.is_whole and not world.log.items and not world.shelf.saves


def test_an_event_that_cannot_be_written_is_set_aside_alone() -> None:
    """Half a surrogate pair in a text: its bytes are in quarantine, its neighbours are recorded."""
    world = World()
    bad = Found(replace(said("2"), text="\ud83d"), NEW)
    outcome = world.take(found("1"), bad, found("3"))
    assert [one.kind for one in world.log.events()] == ["message", "quarantine", "message"]
    assert world.log.events()[1].raw == b"2" and outcome.tally.quarantined == 1


def test_a_dry_run_writes_nothing() -> None:
    """It counts the same, and neither log nor ledger changes."""
    world = World()
    outcome = world.take(found("1"), Unreadable("x", b"y"), dry=True)
    assert (outcome.tally.new, outcome.tally.quarantined) == (1, 1)
    assert not world.log.items and not world.shelf.saves


def test_a_refused_file_in_a_dry_run() -> None:
    """It says so without keeping a byte."""
    world = World()
    assert world.take(Refused("no"), dry=True).tally.quarantined == 1
    assert not world.log.items


EXCLUDING = replace(DIRECTORY, source=b"# x", exclusions=(
    Exclusion("whatsapp", "+49111", "personal", conversation="export:chat"),))


def test_an_excluded_chat_leaves_its_count_alone() -> None:
    """Nothing of it is recorded, and nothing of its lines is remembered; a count of the day is."""
    world = World(directory=EXCLUDING)
    outcome = world.take(found("1"), found("2"))
    (count,) = world.log.events()
    assert (count.kind, count.detail("messages"), count.detail("reason")) == (
        events.GAP, "2", "excluded")
    assert (outcome.tally.excluded, outcome.tally.new) == (2, 0)
    assert outcome.is_whole
    ledger = Ledger(world.shelf, b"k" * 32, bytes)
    assert not ledger.has(ledger.digest("scripted", event_id(said("1"))))
    world.take(found("1"), found("2"))
    assert len(world.log.events()) == 1


def test_what_was_excluded_is_captured_when_it_no_longer_is() -> None:
    """A part of a file was left out; the exclusion ended; the file again brings that part, once."""
    until = said("2").occurred_at or 0
    world = World(directory=replace(EXCLUDING, exclusions=(
        replace(EXCLUDING.exclusions[0], until=until),)))
    script = Found(replace(said("1"), occurred_at=until - 1), NEW), found("2")
    assert world.take(*script).tally.excluded == 1
    world.directory = DIRECTORY
    tally = world.take(*script).tally
    assert (tally.new, tally.known) == (1, 1)
    names = [one.native_id for one in world.log.events() if one.kind == "message"]
    assert names == ["2", "1"]
    assert world.take(*script).tally.known == 2


UNTIL = NOW - 60_000
PAST = replace(EXCLUDING, exclusions=(replace(EXCLUDING.exclusions[0], until=UNTIL),))
OUT = Found(replace(said("out"), occurred_at=UNTIL - 1), NEW)
IN = Found(replace(said("in"), occurred_at=UNTIL), NEW)
TORN = Unreadable("no date", b"a secret", 3, 11)
INSIDE = Unreadable("encrypted", b"a secret", member="a.jpg")
LOOSE = Found(replace(said("loose"), kind=events.UNKNOWN, occurred_at=None), NOTED)


@pytest.mark.parametrize("odd", [TORN, INSIDE, LOOSE], ids=["line", "member", "loose file"])
@pytest.mark.parametrize(("before", "after", "is_kept"), [
    ([OUT], [OUT], False), ([], [OUT], False), ([OUT], [], False),
    ([IN], [IN], True), ([IN], [], True), ([], [IN], True), ([], [], True),
    ([OUT], [IN], True), ([IN], [OUT], True), ([OUT, IN], [OUT], True),
], ids=lambda value: "".join(one.event.native_id[0] for one in value)
    if isinstance(value, list) else None)
def test_what_has_no_time_goes_with_what_lies_around_it(
        odd: Item, before: list[Found], after: list[Found], *, is_kept: bool) -> None:
    """Of a chat that is left out nothing stays, not even what could not be read; of one that is
    captured nothing is lost."""
    world = World(directory=PAST)
    # What stands for all of the file comes at its end, as the reader gives it.
    script = [*before, odd, *after] if odd is TORN else [*before, *after, odd]
    outcome = world.take(*script, is_one_chat=True)
    kept = [one for one in world.log.events() if one.kind in (events.QUARANTINE, events.UNKNOWN)]
    assert is_kept == bool(kept)
    assert outcome.tally.excluded == (before + after).count(OUT) + (not is_kept)
    assert is_kept or not any(b"secret" in item.datum for item in world.log.items)
    assert outcome.tally.quarantined == (is_kept and odd is not LOOSE)


def test_in_a_file_of_many_chats_what_cannot_be_read_is_anybodys() -> None:
    """Between two excluded messages of a backup a client's may be lost: it is kept."""
    world = World(directory=PAST)
    assert world.take(OUT, TORN, OUT, is_one_chat=False).tally.quarantined == 1


def test_a_flood_that_cannot_be_read_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits is decided by the line before."""
    monkeypatch.setattr("ingest.neighbours.HELD_BYTES_MAX", 10)
    world = World(directory=PAST)
    tally = world.take(OUT, TORN, TORN, TORN, IN, is_one_chat=True).tally
    assert (tally.excluded, tally.quarantined) == (3, 1)


def test_an_excluded_chat_that_breaks_off_says_so_to_the_operator_alone() -> None:
    """The report names it; nothing goes on the log but the count."""
    world = World(directory=EXCLUDING)
    outcome = world.take(found("1"), Refused("a bomb"), is_one_chat=True)
    assert not outcome.is_whole
    assert [events.GAP] == [one.kind for one in world.log.events()]


def test_files_of_a_message_follow_its_text() -> None:
    """The text is on the log first, then the file lies in the store, then its fact is recorded."""
    order: list[str] = []
    world = World()

    class Writer:
        def write(self, event: CapturedEvent, place: int, _open: object) -> CapturedEvent:
            order.append("file" if any(one.native_id == "1" for one in world.log.events())
                         else "file too early")
            return replace(said("fact"), kind=events.DERIVED, target=event.native_id, attachments=(
                replace(event.attachments[place], state="stored"),))

    world.media = Writer()  # type: ignore[assignment]
    event = said("1", attachments=(Attachment("1/0"),))
    outcome = world.take(Found(event, NEW, (), (
        Member(0, "a.jpg", None, 3, lambda: io.BytesIO(b"abc")),)))
    assert order == ["file"] and outcome.tally.files_stored == 1
    assert [one.native_id for one in world.log.events()] == ["1", "fact"]


def test_a_file_that_was_damaged_is_stored_from_a_later_copy() -> None:
    """A damaged picture makes the import not whole, and the same message in an undamaged copy
    brings it, although the message is known; a third time it is stored already."""
    world, states = World(), ["failed", "stored"]

    class Writer:
        def write(self, event: CapturedEvent, place: int, _open: object) -> CapturedEvent:
            state = states.pop(0)
            return replace(said(f"fact {state}"), kind=events.DERIVED, target=event.native_id,
                           attachments=(replace(event.attachments[place], state=state),))

    world.media = Writer()  # type: ignore[assignment]
    event = said("1", attachments=(Attachment("1/0"),))
    member = Member(0, "a.jpg", None, 3, lambda: io.BytesIO(b"abc"), fact=b"f" * 16)
    first = world.take(Found(event, NEW, (), (member,)))
    assert (first.tally.new, first.tally.files_failed, first.is_whole) == (1, 1, False)
    second = world.take(Found(event, KNOWN, (), (member,)))
    assert (second.tally.known, second.tally.files_stored, second.is_whole) == (1, 1, True)
    third = world.take(Found(event, KNOWN, (), (member,)))
    assert (third.tally.known, third.tally.files_stored, states) == (1, 0, [])
    assert [one.native_id for one in world.log.events()] == ["1", "fact failed", "fact stored"]


def test_a_disk_that_fails_ends_its_file_alone() -> None:
    """What was read before is durable and said; the file is not whole; nothing is raised."""
    world = World()

    class Broken:
        source = "test/1"
        is_one_chat = False

        def recognises(self, _file: ImportedFile) -> bool:
            return True

        def read(self, *_asked: object) -> Iterator[Item]:
            yield found("1")
            raise OSError(5, "Input/output error")

    outcome = world.importer().take(file_of(b"x"), Broken(), "whatsapp", ANSWERS)
    assert [one.code for one in outcome.remarks] == ["not_read"] and not outcome.is_whole
    assert [one.native_id for one in world.log.events()] == ["1"]
