"""The visible table of what reads files that are handed in: which reader, and of which channel.

Owns the choice for a file, and which files may be of one chat: those are read one after the other,
because what the second one says depends on the first (`ingest/align.py`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from ingest.adapters import sms_backup, sms_backup_rows, whatsapp_export, whatsapp_export_zip
from ingest.adapters.sms_backup import SmsBackup
from ingest.adapters.whatsapp_export import WhatsAppExport
from ingest.adapters.whatsapp_export_chat import title_of
from ingest.imports import ImportedFile, Reader
from ingest.ledger import ImportLedger
from schemas.errors import Refused
from schemas.events import CapturedEvent


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file: its name, its reader, the channel that its messages are of."""

    name: str
    reader: Reader
    channel: str


READERS: Final[Mapping[str, Kind]] = {
    "whatsapp-export": Kind("whatsapp-export", WhatsAppExport(), whatsapp_export.CHANNEL),
    "sms-backup": Kind("sms-backup", SmsBackup(), sms_backup_rows.CHANNEL),
}
# What exports and backups are called; a file of another name in a folder is not one of them.
ENDINGS: Final = (".txt", ".zip", ".xml")

# Of a chat's lines those of at least so many bytes are compared: a short one says nothing.
_TELLING_BYTES: Final = 32
# Their ends: the head of a line differs with the telephone's language.
_TAIL_BYTES: Final = 24
_LINES_MAX: Final = 20_000
# A line that so many chats have is a notice of the app.
_HOLDERS_MAX: Final = 16
_SAMPLED: Final = 8
_PIECE_BYTES: Final = 256 * 1024
# Two chats may share the app's own notices and a text that was sent to many.
_SHARED_MIN: Final = 2
_SHARED_OF: Final = 50


def kind_of(file: ImportedFile) -> Kind | None:
    """Whose the file is, or null."""
    return next((one for one in READERS.values() if one.reader.recognises(file)), None)


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is looked at of a file before it is read: enough to see whether another one can be of
    the same chat. `title` is null where the app did not name the file. Not a word is kept."""

    kind: str
    account: str
    title: str | None = None
    tails: frozenset[int] = field(default=frozenset(), repr=False)


def sketch(file: ImportedFile, kind: Kind, account: str) -> Sketch:
    """A look at all of an export's lines, about a hundredth of what reading costs. A backup has no
    title: it is of its account as a whole."""
    if kind.name != "whatsapp-export":
        return Sketch(kind.name, account)
    try:
        found = whatsapp_export_zip.contained(file)
        title = title_of((file.name, found.text_name), (), (), None)
        with closing(found.open_text()) as stream:
            tails = _tails(stream)
    except Refused:
        return Sketch(kind.name, account)
    return Sketch(kind.name, account, title.text if title and title.is_sure else None, tails)


def groups_of(sketches: Sequence[Sketch]) -> list[list[int]]:
    """Places of files that must be read in order, in one process; each group in order.

    Together are the backups of one account, and the exports of one account that have one title or
    lines in common; all of them where one has a name that is not the app's: the reader may find in
    its lines whose chat it is. Two files that are of one chat all the same (under another title, of
    another time) become two chats, as they would with nothing in common.
    """
    leader = list(range(len(sketches)))

    def lead(at: int) -> int:
        while leader[at] != at:
            at = leader[at]
        return at

    seen: dict[tuple[str, str, str | None], int] = {}
    unnamed = {(one.kind, one.account) for one in sketches if one.title is None}
    for at, one in enumerate(sketches):
        title = None if (one.kind, one.account) in unnamed else one.title
        first = seen.setdefault((one.kind, one.account, title), at)
        leader[lead(at)] = lead(first)
    for (at, other), shared in _shared(sketches).items():
        least = min(len(sketches[at].tails), len(sketches[other].tails))
        if shared >= max(_SHARED_MIN, least // _SHARED_OF):
            leader[lead(at)] = lead(other)
    groups: dict[int, list[int]] = {}
    for at in range(len(sketches)):
        groups.setdefault(lead(at), []).append(at)
    return sorted(groups.values())


def _shared(sketches: Sequence[Sketch]) -> Counter[tuple[int, int]]:
    """How many lines two exports of one account have in common, for those that have any."""
    counts: Counter[tuple[int, int]] = Counter()
    holders: dict[tuple[str, int], list[int]] = {}
    for at, one in enumerate(sketches):
        for tail in one.tails:
            held = holders.setdefault((one.account, tail), [])
            counts.update((other, at) for other in held)
            if len(held) < _HOLDERS_MAX:
                held.append(at)
    return counts


def restore(found: Sequence[CapturedEvent], ledger: ImportLedger) -> None:
    """Tell a ledger that was lost what the archive's events of one reader, account and chat say, in
    order of capture."""
    if not found:
        return
    if found[0].source == whatsapp_export.SOURCE:
        whatsapp_export.restore([one for one in found if one.detail("line")], ledger)
        for event in found:
            if event.detail("type") == "file_without_message":
                # Its id is the fact by which the file is known.
                ledger.add(bytes.fromhex((event.native_id or "").removeprefix("export:")))
        return
    for event in found:
        sms_backup.restore(event, ledger)


def restore_file(fact: CapturedEvent, ledger: ImportLedger) -> None:
    """Tell it of a file that was stored: `schemas/media.py`'s fact, of whatever source."""
    whatsapp_export.restore_file(fact, ledger)


def group_of(event: CapturedEvent) -> tuple[str, str, str] | None:
    """(reader, account, chat) of an imported event; null for an event of another source."""
    if event.source == whatsapp_export.SOURCE:
        return event.source, event.account, event.detail("chat") or ""
    if event.source == sms_backup_rows.SOURCE:
        return event.source, event.account, ""
    return None


def _tails(stream: BinaryIO) -> frozenset[int]:
    found: set[int] = set()
    for number, line in enumerate(_lines(stream)):
        if len(line) >= _TELLING_BYTES:
            tail = zlib.crc32(line.rstrip()[-_TAIL_BYTES:])
            # Of a long file a sample, by the line itself: the same lines of every file.
            if number < _LINES_MAX or tail % _SAMPLED == 0:
                found.add(tail)
    return frozenset(found)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """In pieces: a stream out of a zip has no quick readline."""
    rest = b""
    while piece := stream.read(_PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        rest = rest[-_PIECE_BYTES:]
    if rest:
        yield rest
