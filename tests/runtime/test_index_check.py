"""`verify --index`: the index in force is what the archive makes of itself, or it is said."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import carry
from infra.config import load
from infra.embedded.index import _packed, _unpacked
from infra.verbs.check import Depth, verify
from infra.wire import Wire
from search.project import document
from tests.runtime.test_log import carried, say

Change = Callable[[sqlite3.Connection], object]


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with five messages."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    carried(made, *(f"word{number} quince" for number in range(5)))
    return made


def report(wire: Wire, capsys: pytest.CaptureFixture[str], of: int = 1) -> dict[str, Any]:
    """`verify --index`."""
    capsys.readouterr()
    verify(wire, json=True, head_file=None, depth=Depth(index=of))
    read = json.loads(capsys.readouterr().out)
    assert isinstance(read, dict)
    return read


def changed(wire: Wire, change: Change) -> None:
    """Somebody who can write to the index's file."""
    path = wire.home / "index" / f"{wire.indexes().current()}.sqlite"
    assert path.exists(), sorted((wire.home / "index").iterdir())
    with closing(sqlite3.connect(path)) as database, database:
        change(database)


def test_a_clean_index_has_no_finding(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it, and a share; nothing is left behind."""
    said = report(wire, capsys)
    assert [] == said["findings"]
    assert any("5 documents compared" in one for one in said["notes"])
    assert [] == report(wire, capsys, of=3)["findings"]
    assert [] == list((wire.home / "run").glob("index-check-*"))
    say(wire, "later")      # captured, not archived: neither has it
    assert [] == report(wire, capsys)["findings"]


def _later(database: sqlite3.Connection) -> None:
    """One document says that it was captured a millisecond later."""
    doc_id, body = database.execute("SELECT doc_id, entries FROM documents").fetchone()
    found = _unpacked(doc_id, body)
    first = found.entries[0]
    changed = document(doc_id, (replace(first, captured_at=first.captured_at + 1),
                                *found.entries[1:]))
    database.execute("UPDATE documents SET entries = ? WHERE doc_id = ?",
                     (_packed(changed), doc_id))


CHANGES: dict[str, Change] = {
    "a document is gone": lambda db: (
        db.execute("DELETE FROM terms WHERE rowid = 1"),
        db.execute("DELETE FROM documents WHERE id = 1")),
    "a document's words are gone": lambda db: db.execute(
        "UPDATE terms SET words = '' WHERE rowid = 2"),
    "a document is found for another": lambda db: db.execute(
        "UPDATE documents SET doc_id = substr(doc_id, 2) || '0' WHERE id = 2"),
    "a column beside is another": lambda db: db.execute(
        "UPDATE documents SET sort_at = sort_at + 1 WHERE id = 3"),
    "a document has another's entries": lambda db: db.execute(
        "UPDATE documents SET entries = (SELECT entries FROM documents WHERE id = 4) "
        "WHERE id = 3"),
    "entries that do not read": lambda db: db.execute(
        "UPDATE documents SET entries = x'00' WHERE id = 3"),
    "entries of another time": _later,
    "a row of nobody's": lambda db: db.execute(
        "INSERT INTO terms (rowid, words) VALUES (99, 'evil')"),
    "the cursor is ahead": lambda db: db.execute(
        "UPDATE cursors SET next_offset = next_offset + 5"),
    "a row of the full-text index is gone": lambda db: db.execute(
        "DELETE FROM terms_docsize WHERE id = 2"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(wire: Wire, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """By its code and the document, whatever the search would have said."""
    changed(wire, CHANGES[name])
    assert {"index_differs"} == {one["code"] for one in report(wire, capsys)["findings"]}


def test_what_comes_meanwhile_is_no_difference(wire: Wire,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    """The index is behind the archive: what it has not seen is not asked of it."""
    say(wire, "more")
    with closing(wire.archive_log()) as log:
        carry._archive(wire, log, lambda _said: None)
    assert [] == report(wire, capsys)["findings"]
