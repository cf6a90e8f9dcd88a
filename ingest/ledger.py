"""What an importer must remember of a chat that has no message ids (PROTOCOL C6).

Owns the port alone: per chat the ordered lines that were read, each with the id that it was given
for good, in a form that says nothing without the ledger's key. Kept sealed, rebuilt from the
archive when it is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of a chat. `line_id` is its native id; `minute` the local minute since 1970 as the
    file showed it (no zone), `second` 0-59 or null; `author` and `body` are keyed hashes (16
    bytes), `ordinal` counts equals in their minute. `kind` is message | notice | tombstone |
    placeholder."""

    line_id: str
    minute: int
    second: int | None
    author: bytes
    body: bytes
    ordinal: int
    kind: str


class ImportLedger(Protocol):
    """Implemented by `infra/`. One writer at a time."""

    def digest(self, label: str, *parts: str | bytes) -> bytes:
        """16 bytes of HMAC under the ledger's own key: what stands for a name or body here."""

    def lines(self, chat: bytes) -> Sequence[LedgerLine]:
        """What is remembered of the chat `chat` (a digest), in order; empty when it is new."""

    def remember(self, chat: bytes, lines: Sequence[LedgerLine]) -> None:
        """What is to be remembered of it from now on, in order. Kept when `save` is called."""

    def has(self, fact: bytes) -> bool:
        """Whether a fact (a digest; sources with ids of their own) was read before."""

    def add(self, fact: bytes) -> None:
        """Remember a fact. Kept when `save` is called."""

    def save(self) -> None:
        """All that was told is durable when it returns: called after the events are."""
