"""An import ledger in memory that accuses: of digests that are none, of telling what would leak, of
saving before the events are durable, of a name remembered in two forms."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from ingest.ledger import LedgerLine
from schemas.identity import canonical

_DIGEST_BYTES = 16
_KINDS = ("message", "notice", "tombstone", "placeholder")


class FakeLedger:
    """Implements `ingest.ledger.ImportLedger`. `made_durable` is what the owner of the events says
    before `save`; `crash` forgets everything that was not saved."""

    def __init__(self, key: bytes = b"ledger key of the tests") -> None:
        self._key = key
        self._lines: dict[bytes, tuple[LedgerLine, ...]] = {}
        self._facts: set[bytes] = set()
        self._saved: tuple[dict[bytes, tuple[LedgerLine, ...]], set[bytes]] = ({}, set())
        self._is_durable = True
        self.saves = 0

    def digest(self, label: str, *parts: str | bytes) -> bytes:
        assert label, "a digest without a label can be taken for another's"
        return hmac.digest(self._key, canonical(label, *parts), hashlib.sha256)[:_DIGEST_BYTES]

    def lines(self, chat: bytes) -> Sequence[LedgerLine]:
        _check(chat)
        return self._lines.get(chat, ())

    def remember(self, chat: bytes, lines: Sequence[LedgerLine]) -> None:
        _check(chat)
        for one in lines:
            _check(one.author)
            _check(one.body)
            assert one.kind in _KINDS, one.kind
            assert one.second is None or 0 <= one.second < 60
            assert one.ordinal >= 0
        self._lines[chat] = tuple(lines)
        self._is_durable = False

    def has(self, fact: bytes) -> bool:
        _check(fact)
        return fact in self._facts

    def add(self, fact: bytes) -> None:
        _check(fact)
        self._facts.add(fact)
        self._is_durable = False

    def made_durable(self) -> None:
        """All events that were told of are durable."""
        self._is_durable = True

    def save(self) -> None:
        assert self._is_durable, "saved before the events are durable: a crash would lose them"
        self._saved = dict(self._lines), set(self._facts)
        self.saves += 1

    def crash(self) -> None:
        """The process ends; what was saved is there when it starts again."""
        self._lines, self._facts = dict(self._saved[0]), set(self._saved[1])

    def size(self) -> int:
        """How many lines are remembered, under all names."""
        return sum(len(one) for one in self._lines.values())


def _check(digest: bytes) -> None:
    assert isinstance(digest, bytes), type(digest)
    assert len(digest) == _DIGEST_BYTES, "no digest of this ledger"
