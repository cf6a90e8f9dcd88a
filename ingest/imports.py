"""What reading a file gives: the one shape that every importer speaks.

Owns the types between a reader of files (`ingest/adapters/whatsapp_export.py`,
`ingest/adapters/sms_backup.py`), the ledger that remembers what was read before, and who makes the
events durable. Pure: a file is bytes that the caller opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

from ingest.ledger import ImportLedger
from schemas.errors import Refused
from schemas.events import CapturedEvent

# What a found event says against what was known of its chat before.
NEW: Final = "new"                  # a message, notice or tombstone that was not known
KNOWN: Final = "known"              # read before, in this file or in another
EDIT: Final = "edit"                # another body for a known message
RETRACTION: Final = "retraction"    # a tombstone where a known message was
# Facts beside the messages (absent in a later export, calls of a count that differs ...).
NOTED: Final = "noted"


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file as it was handed over. `name` is its name alone, as the file system has it; `sha256`
    is of all its bytes; `open` gives a new seekable stream at its beginning each time."""

    name: str
    sha256: bytes
    size: int
    open: Callable[[], BinaryIO] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the operator said. Null = not said: the reader infers it or leaves it open.

    `me` is the custodian's own name as the chat shows it, `account` the firm-side number or id,
    `zone` an IANA name, `day_first` the order in 05/06/24. `who` handed the file in; `now` is our
    clock (UTC ms).
    """

    who: str
    now: int
    me: str | None = None
    account: str | None = None
    zone: str | None = None
    day_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside the file (a picture in a zip, a part of an MMS) that is the attachment
    `attachment` (its place in the event's list). `open` may raise Refused when its bytes are
    damaged; `size` is what is stated, not trusted. `fact`, where it is not empty, is a ledger fact
    that says that these bytes are stored: the importer adds it once they are, nobody else does.
    Until then the reader gives the member again with every reading, of a KNOWN event too."""

    attachment: int
    name: str
    media_type: str | None
    size: int | None
    open: Callable[[], BinaryIO] = field(repr=False)
    fact: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """One event. `how` is NEW | KNOWN | EDIT | RETRACTION | NOTED; a KNOWN one needs not be stored
    again. `repairs` names what was put right to read it (each counts once under "repaired");
    `read` is how many bytes of the file are behind us."""

    event: CapturedEvent
    how: str
    repairs: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    read: int = 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes of the file that could not be read, kept in quarantine. [start, end) in the file, or
    in its member `member`."""

    reason: str
    raw: bytes
    start: int = 0
    end: int = 0
    member: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the whole file: `code` is stable (`cut_off`, `count_mismatch`,
    `two_texts` ...), `text` says it in words. `incomplete` = not all of the file was read."""

    code: str
    text: str
    incomplete: bool = False


Item = Found | Unreadable | Remark


class NeedsAnswer(Refused):
    """Only the operator can say it. `option` is the field of `Answers` that would answer, `choices`
    what it may be."""

    def __init__(self, option: str, choices: tuple[str, ...], text: str) -> None:
        super().__init__(text)
        self.option = option
        self.choices = choices


class Reader(Protocol):
    """One kind of file. `source` names reader and version in every event; `is_one_chat`: a file
    holds one conversation."""

    source: str
    is_one_chat: bool

    def recognises(self, file: ImportedFile) -> bool:
        """Whether this reader is the one for `file`, from its name and first bytes. Never raises
        for what is in it."""

    def read(self, file: ImportedFile, answers: Answers, ledger: ImportLedger) -> Iterator[Item]:
        """Everything in `file`, in its order, at bounded memory. `ledger` is asked and told; it
        keeps nothing until the caller saves it after the events are durable.

        Raises Refused when the file as a whole cannot be taken (a bomb, a DTD, no such file) and
        NeedsAnswer when only the operator can say what it means. Nothing was yielded before that.
        """
