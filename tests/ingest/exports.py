"""Chat exports as telephones write them: builders of texts and zips, and one way to import them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ingest.adapters.whatsapp_export import WhatsAppExport
from ingest.imports import Answers, Found, ImportedFile, Item, Remark, Unreadable
from schemas.events import CapturedEvent
from tests.fakes.ledger import FakeLedger

NOW = 1_767_225_600_000          # 2026-01-01T00:00:00Z
ANSWERS = Answers(who="clerk", now=NOW)
READER = WhatsAppExport()
LRM = "\u200e"


@dataclass(frozen=True)
class Said:
    """One line of a chat: local time, sender (null = a notice), body."""

    at: datetime
    sender: str | None
    body: str


def said(when: str, sender: str | None, body: str) -> Said:
    """A line at `when`, "2024-03-18 14:56:01"."""
    return Said(datetime.fromisoformat(when).replace(tzinfo=UTC), sender, body)


def android(lines: Iterable[Said], form: str = "%d/%m/%Y, %H:%M") -> str:
    """Lines as Android writes them: minutes alone, LF."""
    return "".join(
        f"{one.at.strftime(form)} - {'' if one.sender is None else one.sender + ': '}{one.body}\n"
        for one in lines)


def ios(lines: Iterable[Said], form: str = "%d/%m/%Y, %H:%M:%S") -> str:
    """Lines as an iPhone writes them: seconds, CRLF after each message."""
    return "".join(
        f"[{one.at.strftime(form)}] {'' if one.sender is None else one.sender + ': '}{one.body}\r\n"
        for one in lines)


def later(one: Said, seconds: int) -> Said:
    """The same line some seconds later."""
    return replace(one, at=one.at + timedelta(seconds=seconds))


def file_of(content: str | bytes, name: str = "WhatsApp Chat with Ada.txt") -> ImportedFile:
    """A file as it is handed over."""
    raw = content.encode("utf-8") if isinstance(content, str) else content
    return ImportedFile(name, hashlib.sha256(raw).digest(), len(raw), lambda: io.BytesIO(raw))


def zip_of(members: Mapping[str, str | bytes] | Sequence[tuple[str, str | bytes]],
           name: str = "WhatsApp Chat - Ada.zip") -> ImportedFile:
    """A zip of these members, in order."""
    pairs = members.items() if isinstance(members, Mapping) else members
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in pairs:
            archive.writestr(zipfile.ZipInfo(member, (2024, 3, 18, 12, 0, 0)), content,
                             zipfile.ZIP_DEFLATED)
    return file_of(out.getvalue(), name)


@dataclass
class Import:
    """What an import gave."""

    items: list[Item] = field(default_factory=list)

    @property
    def found(self) -> list[Found]:
        return [one for one in self.items if isinstance(one, Found)]

    @property
    def unreadable(self) -> list[Unreadable]:
        return [one for one in self.items if isinstance(one, Unreadable)]

    @property
    def remarks(self) -> dict[str, Remark]:
        return {one.code: one for one in self.items if isinstance(one, Remark)}

    def how(self) -> Counter[str]:
        return Counter(one.how for one in self.found)

    def events(self, *hows: str) -> list[CapturedEvent]:
        return [one.event for one in self.found if not hows or one.how in hows]

    def ids(self) -> list[str | None]:
        """The ids of the lines of the file, in order."""
        return [one.event.target or one.event.native_id for one in self.found
                if one.event.raw is not None]


def import_of(file: ImportedFile, ledger: FakeLedger, answers: Answers = ANSWERS) -> Import:
    """Import a file to the end; the events are durable, and the ledger is saved."""
    done = Import(list(READER.read(file, answers, ledger)))
    ledger.made_durable()
    ledger.save()
    return done
