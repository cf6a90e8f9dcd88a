"""Slices for the tests of every format writer: real views of invented events, and a sink in memory.

Owns the cast, one story for each thing that a writer must show, and how stories become slices. The
views are made by the archive's own projection, so that no writer is tested on what cannot be.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

from schemas import codec, events, media
from schemas.document import Entry
from schemas.events import Attachment, CapturedEvent, Identity
from schemas.gaps import Gap
from search import thread
from search.bodies import Bodies
from search.export.model import (
    OUTSIDE_PERIOD,
    PRIVILEGED,
    Counts,
    Item,
    Job,
    PackedFile,
    Record,
    Slice,
    Withheld,
)
from search.files import FileView
from search.project import document
from search.thread import MessageView
from tests.search.world import PROJECTOR, RETAIN_UNTIL, MemoryArchive

ZONE: Final = ZoneInfo("Europe/London")
DAY: Final = date(2026, 5, 14)
AUTUMN: Final = date(2026, 10, 25)     # 02:00 in London becomes 01:00 once more
NINE: Final = 1_778_745_600_000        # 2026-05-14T08:00:00Z: nine in London
MINUTE: Final = 60_000

DESK: Final = Identity("+442079460001", "e164", "Bob Jones")
ANN: Final = Identity("+16505551234", "e164", "Ann Lee")
MING: Final = Identity("US.13491208655302741918", "bsuid", "王小明")
NOOR: Final = Identity("+96550001234", "e164", "نور")
NAMELESS: Final = Identity("+447700900123", "e164")
PAIR: Final = "pair:+16505551234|+442079460001"
GROUP: Final = "group:120363041234567890"
PARTIES: Final[Mapping[str, tuple[Identity, ...]]] = {
    PAIR: (ANN, DESK), GROUP: (ANN, DESK, MING, NOOR, NAMELESS),
}

# What breaks a format that does not look.
RIGHT_TO_LEFT: Final = "مرحبا، العقد جاهز للتوقيع غدا"
BIDI: Final = "invoice \u202egnp.exe\u202c \u2066safe\u2069 \u200f!"
EMOJI: Final = "👍🏽 👨‍👩‍👧 🇩🇪 1️⃣ 🏴󠁧󠁢󠁳󠁣󠁴󠁿"
CHINESE: Final = "合同已签，明天见。100元整"
LOAD_FILE: Final = "þorn \x14 and ® and ¶\r\nsecond line\nthird\rfourth\tend"
FORMULA: Final = "=HYPERLINK(\"http://example.test\",\"click\")"
CONTROLS: Final = "null \x00 bell \x07 escape \x1b[31m vertical \x0b form \x0c delete \x7f"
MARKUP: Final = "<script>alert(1)</script> & \"quotes\" 'single' </textarea>\nFrom here on"
VERY_LONG: Final = "".join(f"clause {number}: as agreed, 同意. " for number in range(5_000))
FILE_BODY: Final = b"%PDF-1.4 invented\x00\xff\r\n" * 40
GAP_NAME: Final = "gap-17"


@dataclass(frozen=True, slots=True)
class Story:
    """Events about one message, in the order of capture, and the bytes of its files (null = not
    there)."""

    events: tuple[CapturedEvent, ...]
    files: tuple[bytes | None, ...] = ()


def said(at: int, conversation: str = PAIR, actor: Identity | None = ANN,
         text: str | None = "hello", kind: str = events.MESSAGE, native_id: str | None = "m",
         **more: Any) -> CapturedEvent:
    """One event of the day, captured two seconds after it happened."""
    direction = {None: None, DESK: events.OUT}.get(actor, events.IN)
    values: dict[str, Any] = {
        "channel": "whatsapp", "source": "test/1", "account": DESK.native_id,
        "captured_at": at + 2_000, "occurred_at": at, "occurred_precision": "s",
        "occurred_meaning": "sent", "participants": tuple(
            one for one in PARTIES[conversation] if one != actor),
        "direction": direction, "custodian": "bjones",
        "raw": f'{{"text":"{native_id}"}}'.encode(), "raw_type": "application/json",
    }
    return CapturedEvent(kind=kind, conversation=conversation, actor=actor, text=text,
                         native_id=native_id, **{**values, **more})


def about(base: CapturedEvent, kind: str, after: int, text: str | None = None,
          actor: Identity | None = ANN, **more: Any) -> CapturedEvent:
    """Something that happened to `base`, `after` ms later."""
    at = (base.occurred_at or 0) + after
    state = events.ABSENT_BY_SOURCE if kind == events.RETRACTION else events.PRESENT
    return said(at, base.conversation, actor, text, kind, **{
        "native_id": f"{base.native_id}.{kind}{after}", "target": base.native_id,
        "target_known": events.EXPLICIT, "content_state": state, **more})


def plain(at: int, talk: str, name: str, text: str = "hello",
          actor: Identity | None = ANN) -> Story:
    """A message of which nothing more is known."""
    return Story((said(at, talk, actor, text, native_id=name),))


def edit_chain(at: int, talk: str, name: str) -> Story:
    """Four texts: the first and three edits."""
    base = said(at, talk, text="Pay 100", native_id=name)
    return Story((base, *(about(base, events.EDIT, minutes * MINUTE, text) for minutes, text in (
        (1, "Pay 200"), (2, "Pay 300 today"), (3, "Pay 300 tomorrow")))))


def retracted(at: int, talk: str, name: str) -> Story:
    """Taken back by who wrote it; the text was captured before."""
    base = said(at, talk, text="Delete the file", native_id=name)
    return Story((base, about(base, events.RETRACTION, 95_000)))


def retracted_unseen(at: int, talk: str, name: str) -> Story:
    """Taken back; the text was never captured."""
    base = said(at, talk, native_id=name)
    return Story((about(base, events.RETRACTION, 0),))


def retracted_by_admin(at: int, talk: str, name: str) -> Story:
    """Taken back by somebody else."""
    base = said(at, talk, text="Against the rules", native_id=name)
    return Story((base, about(base, events.RETRACTION, 5 * MINUTE, actor=MING)))


def edited_then_retracted(at: int, talk: str, name: str) -> Story:
    """Both."""
    base = said(at, talk, text="Meet at 5", native_id=name)
    return Story((base, about(base, events.EDIT, MINUTE, "Meet at 6"),
                  about(base, events.RETRACTION, 2 * MINUTE)))


def restored(at: int, talk: str, name: str) -> Story:
    """Taken back, and put back again."""
    base = said(at, talk, text="Here to stay", native_id=name)
    return Story((base, about(base, events.RETRACTION, MINUTE),
                  about(base, events.RESTORATION, 2 * MINUTE)))


def orphan_edit(at: int, talk: str, name: str) -> Story:
    """An edit whose message was never captured."""
    base = said(at, talk, native_id=name)
    return Story((about(base, events.EDIT, 0, "the corrected text"),))


def orphan_edits(at: int, talk: str, name: str) -> Story:
    """Two of them."""
    base = said(at, talk, native_id=name)
    return Story((about(base, events.EDIT, 0, "first correction"),
                  about(base, events.EDIT, MINUTE, "second correction")))


def edit_without_text(at: int, talk: str, name: str) -> Story:
    """The source told of an edit and not what it says."""
    base = said(at, talk, text="before", native_id=name)
    return Story((base, about(base, events.EDIT, MINUTE, None,
                              content_state=events.ABSENT_BY_SOURCE)))


def unknown(at: int, talk: str, name: str) -> Story:
    """A type that no reader knows."""
    return Story((said(at, talk, ANN, "hologram payload words", events.UNKNOWN, name,
                       details=(("type", "hologram"),), observations=("unknown_type",)),))


def call(at: int, talk: str, name: str) -> Story:
    """A call that nobody took."""
    return Story((said(at, talk, ANN, "Missed voice call", events.CALL, name, details=(
        ("call", "voice"), ("missed", "true"), ("type", "call"))),))


def joins(at: int, talk: str, name: str) -> Story:
    """Somebody comes in."""
    return Story((said(at, talk, NAMELESS, None, events.MEMBERSHIP, name,
                       details=(("action", "join"),)),))


def leaves(at: int, talk: str, name: str) -> Story:
    """Somebody goes."""
    return Story((said(at, talk, NOOR, None, events.MEMBERSHIP, name,
                       details=(("action", "leave"),)),))


def reactions(at: int, talk: str, name: str) -> Story:
    """Two thumbs, a heart that was taken away again."""
    base = said(at, talk, DESK, "Agreed?", native_id=name)
    return Story((
        base, about(base, events.REACTION, 1_000, "👍"),
        about(base, events.REACTION, 2_000, "👍", MING if talk == GROUP else DESK),
        about(base, events.REACTION, 3_000, "❤️", native_id=f"{name}.heart"),
        about(base, events.REACTION, 4_000, None, details=(("reaction", "removed"),)),
    ))


def receipts(at: int, talk: str, name: str) -> Story:
    """Delivered, read, and a status that is neither."""
    base = said(at, talk, DESK, "Did you get it?", native_id=name)
    return Story((base, *(
        about(base, events.RECEIPT, 1_000 * place, None, actor, native_id=None,
              revision=f"{status}|x", details=(("status", status),))
        for place, (status, actor) in enumerate((
            ("sent", None), ("delivered", ANN), ("read", ANN)), 1))))


def attachment(at: int, talk: str, name: str) -> Story:
    """A file that is there."""
    return Story((said(at, talk, text="the contract", native_id=name, attachments=(
        Attachment(f"{name}-1", "application/pdf", "Vertrag: Müller/合同.pdf"),)),), (FILE_BODY,))


def attachment_unavailable(at: int, talk: str, name: str) -> Story:
    """A file that could not be fetched."""
    return Story((said(at, talk, text=None, native_id=name, attachments=(
        Attachment(f"{name}-1", "image/jpeg", None, 1_234),)),), (None,))


def attachments(at: int, talk: str, name: str) -> Story:
    """Three files of hostile names; one of them is not there."""
    names = ("../../etc/passwd", "CON.txt", "same.PNG")
    return Story((said(at, talk, DESK, None, native_id=name, attachments=tuple(
        Attachment(f"{name}-{place}", "image/png", one) for place, one in enumerate(names))),),
        (b"first", None, b""))


def reply(at: int, talk: str, name: str) -> Story:
    """An answer that names the message it answers: the plain one of the same slice."""
    return Story((said(at, talk, DESK, "yes to that", native_id=name,
                       details=(("reply_to", "plain"),)),))


def without_time(at: int, talk: str, name: str) -> Story:
    """The source gave no time; it was received at `at`."""
    return Story((said(at, talk, ANN, "when was this?", native_id=name, occurred_at=None,
                       occurred_meaning=None, occurred_precision=None, captured_at=at),))


def by_nobody(at: int, talk: str, name: str) -> Story:
    """Nobody is named as its author."""
    return Story((said(at, talk, None, "from nowhere", native_id=name, participants=()),))


def undecryptable(at: int, talk: str, name: str) -> Story:
    """A message that the source itself could not read."""
    return Story((said(at, talk, ANN, None, native_id=name,
                       content_state=events.UNDECRYPTABLE),))


Teller = Callable[[int, str, str], Story]


def _words(text: str) -> Teller:
    return lambda at, talk, name: plain(at, talk, name, text)


STORIES: Final[Mapping[str, Teller]] = {
    "plain": plain, "edit_chain": edit_chain, "retracted": retracted,
    "retracted_unseen": retracted_unseen, "retracted_by_admin": retracted_by_admin,
    "edited_then_retracted": edited_then_retracted, "restored": restored,
    "orphan_edit": orphan_edit, "orphan_edits": orphan_edits,
    "edit_without_text": edit_without_text, "unknown": unknown, "call": call, "joins": joins,
    "leaves": leaves, "reactions": reactions, "receipts": receipts, "attachment": attachment,
    "attachment_unavailable": attachment_unavailable, "attachments": attachments,
    "reply": reply, "without_time": without_time, "by_nobody": by_nobody,
    "undecryptable": undecryptable, "right_to_left": _words(RIGHT_TO_LEFT), "bidi": _words(BIDI),
    "emoji": _words(EMOJI), "chinese": _words(CHINESE), "load_file": _words(LOAD_FILE),
    "formula": _words(FORMULA), "controls": _words(CONTROLS), "markup": _words(MARKUP),
    "very_long": _words(VERY_LONG), "empty": _words(""), "spaces": _words(" \n\t "),
}
"""Every story by its name. Each is called with (UTC ms, conversation, the message's native id)."""


def view_of(story: Story) -> tuple[MessageView, tuple[Record, ...]]:
    """The view of a story, and its records: numbers from 1, leaf 7."""
    archive = MemoryArchive()
    sealed = archive.seal(story.events)
    entries: dict[str, list[Entry]] = defaultdict(list)
    for read in sealed.events:
        projected = PROJECTOR.project(read, RETAIN_UNTIL)
        assert projected is not None
        entries[projected[0]].append(projected[1])
    (doc_id, found), = entries.items()
    seen = thread.message(document(doc_id, found), Bodies(archive))
    records = tuple(
        Record(number, 7, read.pointer, read.datum or b"", event)
        for number, (read, event) in enumerate(zip(sealed.events, story.events, strict=True), 1))
    return replace(seen, conversation=()), records


def item_of(story: Story, number: int, *, first_record: int = 1, prefix: str = "CF",
            **more: Any) -> Item:
    """The item of a story. Its files lie where `put_files` puts them."""
    seen, records = view_of(story)
    document_id = f"{prefix}-{number:07d}"
    packed = tuple(_packed(one, body, document_id)
                   for one, body in zip(seen.files, story.files, strict=True))
    values: dict[str, Any] = {
        "document_id": document_id, "number": number, "at": _at(story), "channel": "whatsapp",
        "account": DESK.native_id, "custodian": "bjones",
        "view": replace(seen, files=tuple(one.view for one in packed)),
        "records": tuple(replace(one, number=first_record + place, datum=codec.encode(
            story.events[place])) for place, one in enumerate(records)),
        "files": packed, "shared": "",
    }
    return Item(**{**values, **more})


def _at(story: Story) -> int:
    first = story.events[0]
    return first.captured_at if first.occurred_at is None else first.occurred_at


def _packed(seen: FileView, body: bytes | None, document_id: str) -> PackedFile:
    if body is None:
        failed = replace(seen, state=media.FAILED, reason="expired", said_at=NINE + MINUTE)
        return PackedFile(failed)
    digest = sha256(body).hexdigest()
    name = seen.name or ""
    suffix = name.rpartition(".")[2].lower() if "." in name else "bin"
    suffix = suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= 8 else "bin"
    path = f"data/native/attachments/{document_id}_{seen.number}.{suffix}"
    stored = replace(seen, state=media.STORED, size=len(body), sha256=digest)
    return PackedFile(stored, path, len(body), digest)


def slice_of(stories: Iterable[Story], conversation: str = PAIR, *, day: date = DAY,
             first: int = 1, **more: Any) -> Slice:
    """The slice of these stories, by time. Document ids count from `first`, records from tenfold
    that."""
    items = []
    record = first * 10
    for number, story in enumerate(sorted(stories, key=_at), first):
        items.append(item_of(story, number, first_record=record))
        record += len(story.events)
    parties = PARTIES[conversation]
    values: dict[str, Any] = {
        "conversation": "C-0001" if conversation == PAIR else "C-0002",
        "native_conversation": conversation,
        "title": "Ann Lee" if conversation == PAIR else "Project Ölspur 项目",
        "channel": "whatsapp", "account": DESK.native_id, "custodian": "bjones", "day": day,
        "items": tuple(items), "parties": parties, "firm": frozenset({DESK.native_id}),
        "is_group": conversation == GROUP,
    }
    return Slice(**{**values, **more})


def told(names: Sequence[str], conversation: str = PAIR, since: int = NINE) -> list[Story]:
    """These stories of STORIES, ten minutes apart; each message's native id is its name."""
    return [STORIES[name](since + place * 10 * MINUTE, conversation, name)
            for place, name in enumerate(names)]


@cache
def pair_slice() -> Slice:
    """Two people, everything but what only a group has. CF-0000001 on."""
    return slice_of(told([name for name in STORIES if name not in (
        "joins", "leaves", "retracted_by_admin", "very_long")]))


@cache
def autumn_slice() -> Slice:
    """Half past one, twice: the night on which the clocks go back. CF-0000101 on."""
    early = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp() * 1000)
    return slice_of([plain(early, PAIR, "summer", "half past one, summer time"),
                     plain(early + 60 * MINUTE, PAIR, "winter", "half past one, winter time",
                           DESK)], day=AUTUMN, first=101)


@cache
def copies() -> tuple[Slice, Slice]:
    """One message as two custodians have it: the items' `shared` is the same. CF-0000201 on."""
    both = []
    for place, (custodian, account) in enumerate((("bjones", DESK), ("", MING))):
        one = slice_of([plain(NINE, PAIR, "shared", "said to both")], first=201 + place,
                       custodian=custodian, account=account.native_id,
                       firm=frozenset({account.native_id}))
        both.append(replace(one, items=tuple(replace(
            item, shared="S-0001", custodian=custodian, account=account.native_id)
            for item in one.items)))
    return both[0], both[1]


@cache
def group_slice() -> Slice:
    """A group: everything, with a gap and two withheld items. CF-0000301 on."""
    return slice_of(told(list(STORIES), GROUP), GROUP, first=301, gaps=(gap(),),
                    withheld=withheld())


def every_slice() -> tuple[Slice, ...]:
    """What a package of all of them has, in order. (`copies` are of a package of their own.)"""
    return pair_slice(), autumn_slice(), group_slice()


def gap() -> Gap:
    """Ten minutes of the day in which capture is known to have failed."""
    return Gap("spool_overflow", "whatsapp", DESK.native_id, NINE + 5 * MINUTE,
               NINE + 15 * MINUTE, note="requests 3", name=GAP_NAME)


def withheld() -> tuple[Withheld, ...]:
    """One for privilege, one outside the period."""
    return (
        Withheld("CF-W-0001", PRIVILEGED, "legal advice", NINE + 7 * MINUTE, "whatsapp", "C-0002",
                 "bjones", events.MESSAGE, "Ann Lee", ("Bob Jones",), 2),
        Withheld("CF-W-0002", OUTSIDE_PERIOD, "not in the period", NINE + 8 * MINUTE, "whatsapp",
                 "C-0002", "bjones", events.MESSAGE, "", (), 1),
    )


def job(**more: Any) -> Job:
    """What the package says of itself."""
    values: dict[str, Any] = {
        "export_id": "0123456789abcdef" * 2, "title": "Lee disclosure", "matter": "M-2026-014",
        "requested_by": "erin", "requested_at": NINE + 86_400_000, "approved_by": "dana",
        "approved_at": NINE + 90_000_000, "basis": "court order of 2 June 2026",
        "query": "pay AND invoice", "scope": "all custodians", "zone": ZONE,
        "zone_name": "Europe/London", "prefix": "CF", "organisation": "Firm & Partners LLP",
        "produced_by": "counterfoil 0.1.0", "origin": "archive.firm.example/log1",
        "tree_size": 1_234, "tree_root": "ab" * 32,
        "checkpoint": "archive.firm.example/log1\n1234\nq6urq6urq6urq6urq6urq6urq6s=\n",
        "trial": False,
    }
    return Job(**{**values, **more})


def counts() -> Counts:
    """Some."""
    return Counts(matched=40, exported=40, records=70, conversations=2, files=3, file_bytes=1_005,
                  files_missing=2, files_not_archived=1, withheld={PRIVILEGED: 1},
                  left={PRIVILEGED: 3, OUTSIDE_PERIOD: 6})


@dataclass(slots=True)
class MemorySink:
    """A `model.Sink` whose files are in memory. Refuses to write one whole file twice."""

    files: dict[str, bytes] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def put(self, path: str, body: bytes) -> None:
        assert path not in self.files, path
        assert not path.startswith("/") and ".." not in path.split("/"), path
        self.files[path] = body

    def append(self, path: str, body: bytes) -> None:
        self.files[path] = self.files.get(path, b"") + body

    def open(self, path: str) -> BinaryIO:
        return io.BytesIO(self.files[path])

    def note(self, what: str, times: int = 1) -> None:
        self.notes[what] += times


def sink_for(slices: Iterable[Slice], stories: Iterable[Story] = ()) -> MemorySink:
    """A sink that already has the attachments of these slices, as an export has by then."""
    sink = MemorySink()
    known = {sha256(body).hexdigest(): body for body in (
        FILE_BODY, b"first", b"",
        *(body for story in stories for body in story.files if body is not None))}
    for one in slices:
        for item in one.items:
            for packed in item.files:
                if packed.path and packed.path not in sink.files:
                    sink.put(packed.path, known[packed.sha256])
    return sink
