"""What people wrote is shown as they wrote it: no markup, no terminal tricks, nothing left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.config import load
from infra.verbs import searching
from infra.wire import Wire, clock
from schemas.events import CapturedEvent, Identity
from search.follow import rebuild
from tests.world import Watcher

NASTY = "Bob [/b] [link=https://evil.example]Roe :skull: \x1b[31m\u202eeoR"


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """A provisioned, empty data folder."""
    made = Wire(load(tmp_path / "home"))
    made.provision()
    return made


def message(name: str, text: str) -> CapturedEvent:
    """An SMS from somebody called `name`."""
    return CapturedEvent(
        kind="message", channel="sms", source="twilio/1", account="+15550783881",
        conversation="pair:+15550783881|+16505551234", captured_at=clock(), native_id="SM1",
        actor=Identity("+16505551234", "e164", name), text=text, custodian="anna", direction="in")


def archived(wire: Wire, *events: CapturedEvent) -> None:
    """Capture, seal and index."""
    for event in events:
        wire.recorder("gateway").record(event)
    log = wire.archive_log()
    archiver = wire.archiver(log, Watcher())
    for _ in range(3):
        archiver.turn(0.01, flush=True)
    log.close()
    rebuild(wire.reader(), wire.indexes(), wire.projector())


def test_a_name_cannot_style_hide_or_break_a_screen(
        wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Markup stays text, escapes and direction marks are shown as what they are."""
    archived(wire, message(NASTY, "the [bold]invoice[/] \x07 [/]"))
    assert searching.search(wire, "invoice", json=False, limit=5, cursor=None) == 0
    found = wire.searcher().search("invoice", "test").hits[0]
    assert searching.show(wire, found.doc_id, json=False, around=1) == 0
    shown = capsys.readouterr().out
    flat = "".join(shown.replace("│", "").split())
    assert "[bold]invoice[/]" in flat
    assert "[/b]" in flat
    assert ":skull:" in flat
    assert "\\u001b[31m" in flat
    assert "\\u202e" in flat
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_a_second_capture_with_other_words_is_shown(
        wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """One id, two texts: the search says where the words stand, the view shows both."""
    first = message("Bob", "hello there")
    archived(wire, first, replace(first, text="the insider tip", captured_at=first.captured_at + 5))
    searching.search(wire, "insider", json=False, limit=5, cursor=None)
    assert "insider" in capsys.readouterr().out
    found = wire.searcher().search("insider", "test").hits[0]
    searching.show(wire, found.doc_id, json=False, around=0)
    shown = capsys.readouterr().out
    assert "hello" in shown
    assert "insider" in shown
    assert "differs" in shown


def test_the_caret_stands_under_the_character(wire: Wire) -> None:
    """Also behind wide characters and tabs."""
    from schemas.errors import QueryError

    assert QueryError("合同 (", 3, "x").pointed().split("\n")[1] == "     ^"
    assert QueryError("a\t(", 2, "x").pointed().split("\n")[:2] == ["a (", "  ^"]
