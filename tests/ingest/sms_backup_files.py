"""Backups for tests: rows put together, a file read, everything that came out of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ingest.adapters.sms_backup import SmsBackup
from ingest.imports import Answers, Found, ImportedFile, Item, Remark, Unreadable
from ingest.ledger import ImportLedger, LedgerLine
from schemas.identity import keyed

FIXTURES: Final = Path(__file__).parent.parent / "vendor" / "sms_backup"
NOW: Final = 1_749_854_600_000
OWN: Final = "+4915550100009"
PEER: Final = "+4915550100001"


class Remembered:
    """A ledger in memory; what is saved is counted."""

    def __init__(self) -> None:
        self.facts: set[bytes] = set()
        self.saved = 0

    def digest(self, label: str, *parts: str | bytes) -> bytes:
        return keyed(b"k" * 32, label, *parts)

    def lines(self, chat: bytes) -> Sequence[LedgerLine]:
        raise AssertionError(f"a backup has no lines: {chat.hex()}")

    def remember(self, chat: bytes, lines: Sequence[LedgerLine]) -> None:
        raise AssertionError(f"a backup has no lines: {chat.hex()}, {len(lines)}")

    def has(self, fact: bytes) -> bool:
        return fact in self.facts

    def add(self, fact: bytes) -> None:
        self.facts.add(fact)

    def save(self) -> None:
        self.saved += 1


def imported(body: bytes, name: str = "sms-20240610.xml") -> ImportedFile:
    """`body` as a file that was handed over."""
    return ImportedFile(name, hashlib.sha256(body).digest(), len(body), lambda: io.BytesIO(body))


def answers(account: str | None = OWN, me: str | None = None) -> Answers:
    """What the operator said."""
    return Answers("olga", NOW, me=me, account=account)


def read(body: bytes, account: str | None = OWN, ledger: ImportLedger | None = None,
         chunk_bytes: int = 1 << 18) -> list[Item]:
    """Everything that a file gives."""
    reader = SmsBackup(chunk_bytes)
    return list(reader.read(imported(body), answers(account), ledger or Remembered()))


def found(items: list[Item]) -> list[Found]:
    """The events among the items."""
    return [one for one in items if isinstance(one, Found)]


def unreadable(items: list[Item]) -> list[Unreadable]:
    """What went to quarantine."""
    return [one for one in items if isinstance(one, Unreadable)]


def remarks(items: list[Item]) -> list[str]:
    """The codes of what was said of the file."""
    return [one.code for one in items if isinstance(one, Remark)]


def sms(body: str = "hi", date: str = "1717401600123", **more: str) -> str:
    """One row; `more` replaces or adds attributes, which are written as they are."""
    fields = {"protocol": "0", "address": PEER, "date": date, "type": "1", "subject": "null",
              "body": body, "date_sent": "0", "contact_name": "(Unknown)", **more}
    return "<sms " + " ".join(f'{name}="{value}"' for name, value in fields.items()) + " />"


def part(media_type: str = "image/jpeg", **more: str) -> str:
    """One part of an MMS."""
    fields = {"seq": "0", "ct": media_type, **more}
    return "<part " + " ".join(f'{name}="{value}"' for name, value in fields.items()) + " />"


def addr(address: str, kind: str) -> str:
    """One address of an MMS."""
    return f'<addr address="{address}" type="{kind}" charset="106" />'


def mms(parts: str, addrs: str = "", **more: str) -> str:
    """One MMS with parts and addresses that are written already."""
    fields = {"date": "1717402020000", "date_sent": "1717402019", "msg_box": "1", "address": PEER,
              "m_type": "132", "m_id": "null", "tr_id": "null", "sub": "null", **more}
    attributes = " ".join(f'{name}="{value}"' for name, value in fields.items())
    return f"<mms {attributes}><parts>{parts}</parts><addrs>{addrs}</addrs></mms>"


def backup(*rows: str, count: int | None = None, root: str = "smses") -> bytes:
    """A whole file; `count` is what it states, by default the truth."""
    stated = len(rows) if count is None else count
    lines = "".join(f"  {row}\n" for row in rows)
    return (f"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
            f'<{root} count="{stated}" type="full">\n{lines}</{root}>\n').encode()
