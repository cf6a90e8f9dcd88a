"""SMS Backup & Restore (Android) XML, messages and calls -> events (CAPTURE §6).

Owns the file as a whole: whether it is one, whose it is, which of its messages are known, and what
is to be said of it (cut off, another count than stated). Nothing is held but the message that is
being read, so that a file may be larger than memory.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from ingest.adapters import sms_backup_mms, sms_backup_people, sms_backup_rows
from ingest.adapters.sms_backup_elements import (
    CUT_OFF,
    Damage,
    Element,
    Root,
    Scanner,
    Token,
    encoding_of,
)
from ingest.adapters.sms_backup_mms import Picture
from ingest.adapters.sms_backup_rows import SOURCE, Reading, Telephone
from ingest.adapters.sms_backup_text import CODECS
from ingest.adapters.sms_backup_window import CHUNK_BYTES, Window
from ingest.imports import (
    KNOWN,
    NEW,
    NOTED,
    Answers,
    Found,
    ImportedFile,
    Item,
    Remark,
    Unreadable,
)
from ingest.ledger import ImportLedger
from schemas import identity
from schemas.errors import Refused
from schemas.events import CapturedEvent

_HEAD_BYTES: Final = 64 * 1024
_ROOT: Final = re.compile(rb"<(?:!DOCTYPE\s+)?(?:smses|calls)(?=[\s/>\[])")
# Unreadable bytes come in pieces of this size, so that a ruin of any size is kept.
_PIECE_BYTES_MAX: Final = 1024 * 1024
# Equals that are remembered to be counted. They lie beside each other in a file; two that are
# further apart than this count as one, told twice.
_EQUALS_MAX: Final = 65_536
_COUNT: Final = re.compile(rb"[0-9]{1,12}")


class SmsBackup:
    """Implements `ingest.imports.Reader`.

    `account` of the answers is the telephone's own number; without it events have the account ""
    (unassigned) and conversations `pair:<number>|unknown`. National numbers are put in
    international form only where that number says which country's.
    """

    source: str = SOURCE
    is_one_chat = False

    def __init__(self, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._chunk_bytes = chunk_bytes

    def recognises(self, file: ImportedFile) -> bool:
        """Whether the root of `file` is one of a backup, a refused spelling of it included."""
        with file.open() as stream:
            head = stream.read(_HEAD_BYTES)
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:4]:
            head = head.replace(b"\0", b"").lstrip(b"\xff\xfe")
        head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        return head.startswith(b"<") and _ROOT.search(head) is not None

    def read(self, file: ImportedFile, answers: Answers, ledger: ImportLedger) -> Iterator[Item]:
        """Every message and call, in the file's order; unreadable bytes where they lie.

        A fact is told to `ledger` when the item after its event is asked for: whoever makes what
        was given durable and then saves has never saved more than that. Raises Refused before the
        first item: no backup, a document type, another encoding.
        """
        with file.open() as stream:
            window = Window(stream, self._chunk_bytes)
            declared = encoding_of(window)
            if declared not in CODECS:
                raise Refused(f"the file is written in {declared}; save it as UTF-8")
            own = sms_backup_people.person(answers.account, None)
            if own and answers.me:
                own = replace(own, display_name=answers.me)
            telephone = Telephone(answers, CODECS[declared], file.sha256, own,
                                  sms_backup_people.region_of(answers.account))
            yield from _Reading(file, telephone, ledger).items(Scanner(window))


def restore(event: CapturedEvent, ledger: ImportLedger) -> None:
    """Tell a ledger that was lost of one archived event of a backup."""
    essence = event.detail(sms_backup_mms.ESSENCE)
    for fact in _facts(ledger, identity.event_id(event),
                       bytes.fromhex(essence) if essence else None):
        ledger.add(fact)


def _facts(ledger: ImportLedger, key: bytes, essence: bytes | None) -> list[bytes]:
    """By which a message is known. One whose id says nothing of its content has two: the same id
    with other parts is told apart."""
    known = ledger.digest("sms-backup/event", key)
    if essence is None:
        return [known]
    return [known, ledger.digest("sms-backup/parts", known, essence)]


@dataclass(slots=True)
class _Counts:
    """The list that is being read: what its root says, and what was in it."""

    stated: int | None = None
    seen: int = 0
    open: bool = False
    ended: bool = False
    told: set[str] = field(default_factory=set)


class _Reading:
    """One file on its way to items."""

    def __init__(self, file: ImportedFile, telephone: Telephone, ledger: ImportLedger) -> None:
        self._file = file
        self._telephone = telephone
        self._ledger = ledger
        self._equals = _Equals()
        self._counts = _Counts()

    def items(self, tokens: Iterator[Token] | Scanner) -> Iterator[Item]:
        cut_at: int | None = None
        for token in tokens:
            if isinstance(token, Root):
                yield from self._root(token)
                continue
            if not self._counts.open:
                yield from self._once("after_end", "messages follow the end of the list")
            if isinstance(token, Damage):
                self._counts.seen += token.begun
                cut_at = token.start if token.reason == CUT_OFF else cut_at
                yield from self._unreadable(token.reason, token.start, token.end)
            else:
                self._counts.seen += 1
                yield from self._element(token)
        if self._counts.open or cut_at is not None:
            where = "after its last message" if cut_at is None else f"at byte {cut_at}"
            yield Remark("cut_off", f"the file ends {where}, without the end of its list",
                         incomplete=True)
            yield from self._compare()

    def _root(self, root: Root) -> Iterator[Item]:
        """A list begins or ends; more than one may lie in a file that was put together."""
        counts = self._counts
        if root.name is None:
            if counts.open:
                yield from self._compare()
            self._counts = _Counts(ended=True, told=counts.told)
            return
        if counts.open:
            yield Remark("cut_off", "a list begins before the one before it ends", incomplete=True)
            yield from self._compare()
        stated = _COUNT.fullmatch(root.attributes.get("count", b""))
        self._counts = _Counts(int(stated[0]) if stated else None, open=True, told=counts.told)

    def _compare(self) -> Iterator[Item]:
        stated, seen = self._counts.stated, self._counts.seen
        if stated is not None and stated != seen:
            yield Remark("count_mismatch", f"the file states {stated} and has {seen}")

    def _once(self, code: str, text: str) -> Iterator[Item]:
        if code not in self._counts.told:
            self._counts.told.add(code)
            yield Remark(code, text)

    def _element(self, element: Element) -> Iterator[Item]:
        try:
            picture = None
            if element.name == "mms":
                picture = sms_backup_mms.read(element, self._telephone, self._file)
                reading = picture.reading
            elif element.name == "sms":
                reading = sms_backup_rows.sms(element, self._telephone)
            else:
                reading = sms_backup_rows.call(element, self._telephone)
        except Refused as refused:
            yield from self._unreadable(str(refused), element.start, element.end)
            return
        event, key = self._numbered(reading)
        yield from self._found(element, event, key, reading, picture)
        for outside in picture.outside if picture else ():
            yield from self._unreadable("a part is no base64", outside.start, outside.end,
                                        f"{event.native_id}/{outside.number}")

    def _numbered(self, reading: Reading) -> tuple[CapturedEvent, bytes]:
        """The event with its ordinal among equals in its id, and in those of its attachments; and
        its event_id."""
        event = reading.event
        key = identity.event_id(event)
        ordinal = self._equals.next(key) if reading.counted else 0
        if not ordinal:
            return event, key
        name = f"{event.native_id}:{ordinal}"
        event = replace(event, native_id=name, attachments=tuple(
            replace(one, native_id=f"{name}/{one.native_id.rpartition('/')[2]}")
            for one in event.attachments))
        return event, identity.event_id(event)

    def _found(self, element: Element, event: CapturedEvent, key: bytes, reading: Reading,
               picture: Picture | None) -> Iterator[Item]:
        facts = _facts(self._ledger, key,
                       picture.essence if picture and not reading.counted else None)
        how = NEW
        if self._ledger.has(facts[0]):
            how = KNOWN if self._ledger.has(facts[-1]) else NOTED
        yield Found(event, how, reading.repairs, picture.members if picture else (), element.end)
        if how != KNOWN:
            for fact in facts:
                self._ledger.add(fact)

    def _unreadable(self, reason: str, start: int, end: int, member: str = "") -> Iterator[Item]:
        """Bytes of the file as they are, in pieces that a record can carry."""
        with self._file.open() as stream:
            for at in range(start, end, _PIECE_BYTES_MAX):
                piece = _exactly(stream, at, min(end, at + _PIECE_BYTES_MAX))
                yield Unreadable(reason, piece, at, at + len(piece), member)


def _exactly(stream: BinaryIO, start: int, end: int) -> bytes:
    stream.seek(start)
    return stream.read(end - start)


class _Equals:
    """How many equals of a row came before it: three "ok" of one millisecond are three."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def next(self, key: bytes) -> int:
        ordinal = self._seen.pop(key, -1) + 1
        self._seen[key] = ordinal
        if len(self._seen) > _EQUALS_MAX:
            self._seen.popitem(last=False)
        return ordinal
