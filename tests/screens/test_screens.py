"""What people wrote is shown as they wrote it: no markup, no terminal tricks, nothing left out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.verbs import imports, refused, screen, searching
from infra.wire import Wire, clock
from schemas.events import CapturedEvent, Identity
from search.access.viewer import operator
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
    found = wire.searcher().search("invoice", operator("test")).hits[0]
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
    found = wire.searcher().search("insider", operator("test")).hits[0]
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


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setattr(screen.OUT, "width", 80)


def take_in(wire: Wire, path: Path, text: str, **more: Any) -> None:
    """Import an export as `import` does, until it is searchable."""
    path.write_text(text, "utf-8")
    imports.take_in(wire, imports.Wanted([path], me="Ben", processes=1, **more), json=True)


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of JSON that were printed."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()
            if line.startswith("{")]


@pytest.mark.parametrize("zone", [None, "Europe/Zurich"])
def test_an_export_reads_as_the_chat_did(wire: Wire, tmp_path: Path, zone: str | None,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve lines of one minute in their order, found by their own day, with the local time."""
    chat = "".join(f"27/03/2022, 10:00 - {who}: line {number}\n" for number, who in enumerate(
        ["Ada", "Ben"] * 6))
    take_in(wire, tmp_path / "WhatsApp Chat with Ada.txt", chat, zone=zone)
    capsys.readouterr()
    searching.search(wire, "date:2022-03-27", json=True, limit=50, cursor=None)
    found = rows(capsys)
    assert [f"line {number}" for number in reversed(range(12))] == [one["text"] for one in found]
    assert {"2022-03-27T10:00"} == {one["occurred_local"] for one in found}
    assert {zone is None} == {one["occurred_at"] is None for one in found}
    middle = found[6]["id"]
    searching.show(wire, middle, json=True, around=20)
    (view,) = rows(capsys)
    assert [f"line {number}" for number in range(12)] == [one["text"] for one in view["context"]]
    assert "2022-03-27T10:00" == view["versions"][0]["occurred_local"]
    searching.show(wire, middle, json=False, around=1)
    shown = capsys.readouterr().out
    assert "gave no time" not in shown
    assert ("2022-03-27 10:00 (local, zone unknown)" in shown) == (zone is None)


def test_what_was_taken_back_between_two_exports_says_between_when(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The window, on the screen and as data; of the message its own time."""
    chat = "27/03/2022, 10:00 - Ada: quinces\n27/03/2022, 10:05 - Ben: pears\n"
    path = tmp_path / "WhatsApp Chat with Ada.txt"
    take_in(wire, path, chat, zone="UTC")
    take_in(wire, path, chat.replace("quinces", "This message was deleted"), zone="UTC")
    capsys.readouterr()
    searching.search(wire, "state:retracted", json=True, limit=5, cursor=None)
    (found,) = rows(capsys)
    assert ("2022-03-27T10:00:00.000Z", None) == (found["occurred_at"],
                                                 found["occurred_not_before"])
    searching.show(wire, found["id"], json=True, around=0)
    (view,) = rows(capsys)
    since = [one["occurred_not_before"] for one in view["versions"]]
    assert since[0] is None and since[1].startswith("2022-03-27T10:0")
    searching.show(wire, found["id"], json=False, around=0)
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "taken back" in told and "between" in told and "gave no time" not in told


@pytest.mark.usefixtures("narrow")
def test_an_id_is_whole_on_80_columns(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """In a search beside the widest state, and in the quarantine."""
    first = message("A name that is rather long", "the insider tip " + "x" * 100)
    back = replace(first, kind="retraction", native_id="SM2", target="SM1", text=None,
                   target_known="explicit", content_state="absent_by_source")
    archived(wire, first, back, replace(first, kind="quarantine", native_id="q1", raw=b"{" * 9,
                                        details=(("reason", "id is not a string " * 4),)))
    searching.search(wire, "insider", json=False, limit=5, cursor=None)
    shown = capsys.readouterr().out
    found = wire.searcher().search("insider", operator("test")).hits[0]
    assert found.doc_id in shown and "retracted" in shown and "(2" in shown
    assert "…" not in shown and max(map(len, shown.splitlines())) <= 80
    refused.quarantine_list(wire, json=True)
    (item,) = rows(capsys)
    refused.quarantine_list(wire, json=False)
    shown = capsys.readouterr().out
    assert item["id"] in shown and "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("as_json", [True, False])
def test_an_index_that_is_not_there_is_said(wire: Wire, as_json: bool,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    """An empty archive has nothing to find; one without its index has, and needs a rebuild."""
    assert searching.search(wire, "invoice", json=as_json, limit=5, cursor=None) == 0
    assert "rebuild" not in capsys.readouterr().err
    archived(wire, message("Bob", "the invoice"))
    shutil.rmtree(wire.home / "index")
    assert searching.search(wire, "invoice", json=as_json, limit=5, cursor=None) == 0
    assert "run `counterfoil rebuild`" in capsys.readouterr().err


def test_a_search_takes_as_many_pages_as_it_needs(
        wire: Wire, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing twice or left out, newest first, and where it stopped it says how to go on."""
    monkeypatch.setattr(searching, "PAGE_HITS_MAX", 2)
    first = message("Bob", "invoice")
    archived(wire, *(replace(first, native_id=f"SM{n}", captured_at=first.captured_at + n)
                     for n in range(7)))
    searching.search(wire, "invoice", json=True, limit=7, cursor=None)
    whole = [one["id"] for one in rows(capsys)]
    assert 7 == len(set(whole))
    searching.search(wire, "invoice", json=True, limit=5, cursor=None)
    answer = capsys.readouterr()
    assert whole[:5] == [json.loads(line)["id"] for line in answer.out.splitlines()]
    cursor = answer.err.split("--cursor ")[1].strip()
    searching.search(wire, "invoice", json=True, limit=90_000, cursor=cursor)
    assert whole[5:] == [one["id"] for one in rows(capsys)]
