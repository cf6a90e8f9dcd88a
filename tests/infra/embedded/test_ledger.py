"""The import ledger on disk: what it remembers, what it shows, and who may write."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.embedded.ledger import (
    LINES_A_PART,
    Change,
    Ledger,
    LedgerFile,
    NoFile,
    Stale,
    exclusively,
    require_made,
)
from ingest.ledger import LedgerLine
from schemas.errors import Missing, Refused, Transient

KEY = b"k" * 32


def random() -> Callable[[int], bytes]:
    """Deterministic bytes that never repeat."""
    count = 0

    def make(length: int) -> bytes:
        nonlocal count
        count += 1
        return hashlib.shake_128(str(count).encode()).digest(length)
    return make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where it lies."""
    return tmp_path / "importer" / "ledger.db"


@pytest.fixture
def shelf(path: Path) -> Iterator[LedgerFile]:
    """The file, open."""
    file = LedgerFile(path)
    yield file
    file.close()


def opened(shelf: LedgerFile, key: bytes = KEY) -> Ledger:
    """A process that starts."""
    return Ledger(shelf, key, random())


def line(number: int, body: bytes = b"b" * 16) -> LedgerLine:
    """One line of a chat."""
    return LedgerLine(f"export:line-{number}", 28_500_000 + number, number % 60 or None, b"a" * 16,
                      body, number, "message")


def test_what_is_saved_is_there_for_the_next_process(shelf: LedgerFile) -> None:
    """Lines in order, facts, and the place in an unfinished file."""
    ledger = opened(shelf)
    chat, fact, file = (ledger.digest("label", name) for name in ("chat", "fact", "file"))
    lines = [line(number) for number in range(LINES_A_PART * 2 + 5)]
    ledger.remember(chat, lines)
    ledger.add(fact)
    ledger.recorded(file, fact)
    ledger.save()
    again = opened(shelf)
    assert lines == list(again.lines(chat))
    assert again.has(fact) and not again.has(chat)
    assert again.is_begun(file) and again.was_recorded(file, fact)
    again.finish(file)
    again.remember(chat, lines[:2])
    again.save()
    assert lines[:2] == list(opened(shelf).lines(chat))
    assert not opened(shelf).is_begun(file)


def test_what_is_told_is_seen_at_once_and_gone_without_a_save(shelf: LedgerFile) -> None:
    """A reader sees what it told; a crash, or `forget`, leaves what was saved last."""
    ledger = opened(shelf)
    chat = ledger.digest("chat", "one")
    ledger.remember(chat, [line(1)])
    ledger.add(chat)
    assert [line(1)] == list(ledger.lines(chat)) and ledger.has(chat)
    assert not opened(shelf).has(chat) and not opened(shelf).lines(chat)
    ledger.forget()
    assert not ledger.has(chat) and not ledger.lines(chat)


def test_two_who_read_one_chat_do_not_overwrite_each_other(shelf: LedgerFile) -> None:
    """Whoever tells of a chat that another changed meanwhile is told so, and nothing is applied;
    after another look it is."""
    first, second = opened(shelf), opened(shelf)
    chat, fact = first.digest("label", "chat"), first.digest("label", "fact")
    for one in (first, second):
        assert [] == list(one.lines(chat))
    first.remember(chat, [line(1)])
    first.save()
    second.remember(chat, [line(2)])
    second.add(fact)
    with pytest.raises(Stale):
        second.save()
    assert [line(1)] == list(opened(shelf).lines(chat)) and not opened(shelf).has(fact)
    second.forget()
    second.remember(chat, [*second.lines(chat), line(2)])
    second.save()
    assert [line(1), line(2)] == list(opened(shelf).lines(chat))


def test_nothing_in_the_file_can_be_read(shelf: LedgerFile, path: Path) -> None:
    """No name, no word, no id, no hash of a line and no time: keyed digests and ciphertext."""
    ledger = opened(shelf)
    chat = ledger.digest("title", "Ada Lovelace")
    ledger.remember(chat, [line(7, hashlib.sha256(b"yes").digest()[:16])])
    ledger.add(ledger.digest("said", "yes"))
    ledger.check()
    ledger.save()
    shelf.close()
    raw = b"".join(one.read_bytes() for one in path.parent.iterdir())
    for word in (b"Ada", b"Lovelace", b"yes", b"export:line", b"28500007", b"message",
                 b"a" * 16, hashlib.sha256(b"yes").digest()[:16],
                 hashlib.sha256(b"yes").hexdigest()[:32].encode()):
        assert word not in raw
    assert all(one.stat().st_mode & 0o077 == 0 for one in path.parent.iterdir())


def test_a_save_is_whole_or_not_at_all(shelf: LedgerFile) -> None:
    """What fails in the middle changes nothing, and can be saved again."""
    ledger = opened(shelf)
    chat = ledger.digest("chat", "one")
    ledger.remember(chat, [line(1)])
    ledger.add(chat)
    ledger.save()
    bad = Change(facts={b"f" * 16}, chats={chat: [b"1"], b"x" * 16: [None]})  # type: ignore[list-item]
    with pytest.raises(Transient):
        shelf.apply(bad)
    assert not shelf.has(b"f" * 16)
    assert [line(1)] == list(opened(shelf).lines(chat))


def test_another_key_and_damage_are_refused(shelf: LedgerFile, path: Path) -> None:
    """Lines of another key, a moved row and a changed byte never come back as lines."""
    ledger = opened(shelf)
    ledger.check()
    first, second = ledger.digest("chat", "1"), ledger.digest("chat", "2")
    ledger.remember(first, [line(1)])
    ledger.save()
    with pytest.raises(Refused, match="ledger rebuild"):
        opened(shelf, b"o" * 32).check()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE chat SET name = ? WHERE name = ?", (second, first))
    with pytest.raises(Refused):
        opened(shelf).lines(second)


def test_one_import_at_a_time(tmp_path: Path) -> None:
    """A second one is told which process has it; after the first, it may."""
    lock = tmp_path / "ledger.lock"
    with exclusively(lock), pytest.raises(Transient, match="another import runs"), \
            exclusively(lock):
        pass
    with exclusively(lock):
        pass


def test_a_lost_ledger_is_not_an_empty_one(tmp_path: Path) -> None:
    """Where one was made before, a missing file is an error that says what to do."""
    require_made(tmp_path / "ledger.db", made_before=False)
    with pytest.raises(Missing, match="ledger rebuild"):
        require_made(tmp_path / "ledger.db", made_before=True)


def test_a_rehearsal_writes_nothing() -> None:
    """The ledger of a dry run remembers while it lasts, and cannot be saved."""
    ledger = Ledger(NoFile(), KEY, random())
    fact = ledger.digest("a", "b")
    ledger.add(fact)
    assert ledger.has(fact)
    with pytest.raises(AssertionError):
        ledger.save()
