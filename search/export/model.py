"""What every format of an export shows: items in slices, and what the package says of itself.

Owns these shapes alone. `select.py` chooses, `gather.py` fills them from the archive; each format
is a writer (`Writer`) that turns slices into files and reads no clock, no setting and no archive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import BinaryIO, Final, Protocol

from schemas.events import CapturedEvent, Identity
from schemas.gaps import Gap
from schemas.wire import Pointer
from search.files import FileView
from search.thread import MessageView

# Why something that was chosen is not in the package (the names stand in the package too).
PRIVILEGED: Final = "privileged"
OUTSIDE_PERIOD: Final = "outside_period"
NOT_CHOSEN: Final = "not_chosen"
UNREADABLE: Final = "unreadable"
ERASED: Final = "erased"


@dataclass(frozen=True, slots=True)
class Record:
    """One archived record. `number`: its line in data/native/events.jsonl, from 1 over the whole
    package; `leaf`: of its cell in the transparency log; `datum`: the bytes as archived; `event`:
    null for a part of a large event, whose whole is the first record of the set."""

    number: int
    leaf: int
    pointer: Pointer
    datum: bytes
    event: CapturedEvent | None


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of an item. `path`: in the package, "" where its bytes are not there (`view.state` and
    `view.reason` say why); `size`, `sha256` (hex): of the bytes that are there."""

    view: FileView
    path: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One message (call, membership …) as the package shows it. `document_id`: "CF-0000001", the
    number that a court cites, the same in every format; `number`: the same as a number. `at`: UTC
    ms, when it counts; `custodian` "" = nobody's yet; `shared`: the same for copies of one message
    at several custodians, "" = none is known (a token of this package, no phone number);
    `context`: it was not asked for, it stands around what was."""

    document_id: str
    number: int
    at: int
    channel: str
    account: str
    custodian: str
    view: MessageView
    records: tuple[Record, ...]
    files: tuple[PackedFile, ...] = ()
    shared: str = ""
    context: bool = False

    @property
    def leading(self) -> CapturedEvent | None:
        """The event that the item is named after; null where none can be read."""
        return next((one.event for one in self.records if one.event is not None), None)


@dataclass(frozen=True, slots=True)
class Withheld:
    """One item that was chosen and stays behind. `reason`: a code above; `words`: the ground in
    words; `records`: how many archived records; nothing here tells what was said."""

    document_id: str                  # "CF-W-0001"
    reason: str
    words: str
    at: int
    channel: str
    conversation: str                 # "C-0001"
    custodian: str
    kind: str
    author: str                       # as the export names people; "" = not known
    recipients: tuple[str, ...]
    records: int


@dataclass(frozen=True, slots=True)
class Slice:
    """One conversation at one account on one day: what one RSMF file, one EML and one transcript
    are made of. `conversation`: "C-0001", the package's own; `native_conversation`: as the source
    calls it; `day`: in the export's zone; `part`, `parts`: a day of more items than a format
    takes is several slices (from 1). `parties`: everybody who takes part, in a fixed order;
    `firm`: the accounts among them that are the firm's. Items by (at, number)."""

    conversation: str
    native_conversation: str
    title: str
    channel: str
    account: str
    custodian: str
    day: date
    items: tuple[Item, ...]
    parties: tuple[Identity, ...]
    firm: frozenset[str] = frozenset()
    gaps: tuple[Gap, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    is_group: bool = False
    part: int = 1
    parts: int = 1
    phone: int = 1

    @property
    def name(self) -> str:
        """What its files are called: "C-0001_bjones_2026-05-14", ASCII, safe everywhere; no two
        slices of a package have one name (`phone`: which account of its conversation)."""
        who = "".join(one if one.isascii() and one.isalnum() else "-"
                      for one in self.custodian or "unassigned")[:40]
        more = (f"_p{self.phone}" if self.phone > 1 else "") + (
            f"_{self.part:03d}" if self.parts > 1 else "")
        return f"{self.conversation}_{who}_{self.day.isoformat()}{more}"


@dataclass(frozen=True, slots=True)
class Job:
    """What the package says of itself. Times UTC ms. `query`, `scope`: verbatim, in words;
    `produced_by`: system, version and commit; `checkpoint`: the signed note that everything is
    proved under; `trial`: the archive is a trial (locks of a day)."""

    export_id: str                    # 32 hex digits
    title: str
    matter: str
    requested_by: str
    requested_at: int
    approved_by: str                  # "" = no approval was needed
    approved_at: int
    basis: str                        # the legal basis in words, "" = not given
    query: str
    scope: str
    zone: tzinfo
    zone_name: str
    prefix: str                       # of document ids: "CF"
    organisation: str
    produced_by: str
    origin: str                       # of the transparency log
    tree_size: int
    tree_root: str                    # hex
    checkpoint: str
    trial: bool

    def local(self, at: int) -> datetime:
        """A time in the export's zone."""
        return datetime.fromtimestamp(at / 1000, self.zone)


@dataclass(slots=True)
class Counts:
    """What went in and what came out, for the certificate and whoever asks. `files_missing`: files
    that a record says are stored, and that are not here; `files_not_archived`: files of which the
    archive never had bytes. `withheld` counts what was chosen and stays behind as a whole, `left`
    every record that is known and not here (the lines of withheld.jsonl)."""

    matched: int = 0
    context: int = 0
    exported: int = 0
    records: int = 0
    conversations: int = 0
    files: int = 0
    file_bytes: int = 0
    files_missing: int = 0
    files_not_archived: int = 0
    withheld: dict[str, int] = field(default_factory=dict)   # reason -> messages
    left: dict[str, int] = field(default_factory=dict)       # reason -> records
    notes: dict[str, int] = field(default_factory=dict)      # what a format had to change -> times


class Sink(Protocol):
    """Where writers put what they make. Paths are relative to the package, with "/". `put` is for
    whole files; `append` for files that grow slice by slice, taken back to where they were if the
    export is interrupted inside a slice."""

    def put(self, path: str, body: bytes) -> None:
        """A whole file."""

    def append(self, path: str, body: bytes) -> None:
        """More of a file."""

    def open(self, path: str) -> BinaryIO:
        """A file of the package, to read: attachments are there before any slice is written."""

    def note(self, what: str, times: int = 1) -> None:
        """Something that the format could not carry as it is, counted for the delivery report."""


class Writer(Protocol):
    """One format. Called in order: `begin`, `slice` for each slice, `end`. Keeps no state between
    calls that it could not do without: an export that was interrupted goes on with the next slice
    in a new process."""

    def begin(self, job: Job, sink: Sink) -> None:
        """What stands before the first slice: header lines."""

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """One slice."""

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """What stands after the last: an index of the slices by name."""
