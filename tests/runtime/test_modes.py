"""`search.text` on a data folder: each mode answers alike, and a change of it is a rebuild."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from infra import carry
from infra.config import load
from infra.verbs import doctor, policy, searching
from infra.wire import Wire
from ingest.adapters import twilio
from schemas import limits
from schemas.errors import Refused
from search.access.viewer import operator
from search.index import Outdated
from search.tokens import TextMode
from tests.ingest.doorway import twilio_form
from tests.runtime.test_policy import FIRST as MONEY
from tests.runtime.test_reconcile import capture
from tests.world import NOW

QUESTIONS = ("invoice", "pa*", '"the invoice"', "NOT invoice", "pay w/3 0", "stem:pays", "元",
             "from:+16505551234 OR cash", "*", "xylophone", "给我")
TEXTS = ("pay the invoice", "paid 0 0 in cash", "给我 100元", "nothing")


def in_mode(home: Path, text: TextMode) -> Wire:
    """The data folder with this setting."""
    return Wire(load(home, search={"text": text}))


def answers(wire: Wire) -> list[list[str]]:
    """What is found, and where it is highlighted."""
    searcher = wire.searcher()
    return [[f"{hit.text} {hit.highlights}" for hit in searcher.search(one, operator("dana")).hits]
            for one in QUESTIONS]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder in which four messages were captured in the default mode."""
    wire = Wire(load(tmp_path / "home"))
    wire.provision_once()
    capture(wire, *(event for number, text in enumerate(TEXTS)
                    for event in twilio.parse(twilio_form(number, Body=text), "", NOW).events))
    return wire.home


def test_the_default_is_blind(home: Path) -> None:
    """An index that was never told otherwise."""
    assert "blind" == load(home).search.text
    with pytest.raises(Refused, match=r"search\.text"):
        load(home, search={"text": "clear"})


def test_a_change_of_the_mode_is_a_rebuild(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with what to do until it was made; then the same answers, there and back."""
    expected = answers(in_mode(home, "blind"))
    assert [0] == [len(found) for found, asked in zip(expected, QUESTIONS, strict=True)
                   if asked == "xylophone"]
    before: TextMode = "blind"
    modes: tuple[TextMode, ...] = ("plain", "none", "blind")
    for text in modes:
        wire = in_mode(home, text)
        with pytest.raises(Outdated, match=f"search.text = {before}, .* {text}: rebuild it"):
            wire.searcher().search("invoice", operator("dana"))
        assert 0 == searching.rebuild(wire, json=True, workers=None)
        assert json.loads(capsys.readouterr().out)["index"] == wire.indexes().current()
        assert expected == answers(wire), text
        before = text


def test_doctor_says_what_the_index_holds(home: Path) -> None:
    """In the mode that is set, and that it is not rebuilt yet."""
    told = {"blind": "words are blind tokens", "plain": "reads every word of every message",
            "none": "it holds no words"}
    for text in get_args(TextMode):
        found = {one.name: one.words for one in doctor._index(in_mode(home, text))}
        assert told[text] in found["confidential"]
        assert (text == "blind") == ("shape" not in found)
        assert (text == "blind") == ("once it is rebuilt" not in found["confidential"])


def test_an_indexer_rebuilds_by_itself(home: Path) -> None:
    """As for an index of another version: whoever starts one waits for no verb."""
    wire = in_mode(home, "none")
    carry.index_all(wire)
    assert answers(in_mode(home, "none"))
    with pytest.raises(Outdated):
        answers(in_mode(home, "blind"))


def test_a_search_that_reads_shows_how_far_it_is(
        home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, on stderr; elsewhere not a byte; the answer is the answer's own."""
    wire = in_mode(home, "none")
    searching.rebuild(wire, json=True, workers=None)
    capsys.readouterr()
    for is_terminal in (True, False):
        said = io.StringIO()
        monkeypatch.setattr(searching, "ERR", Console(
            file=said, force_terminal=is_terminal, width=100, highlight=False))
        assert 0 == searching.search(wire, "invoice", json=True, limit=5, cursor=None)
        (hit,) = capsys.readouterr().out.splitlines()
        assert "pay the invoice" == json.loads(hit)["text"]
        assert is_terminal == ("reading the messages that may match" in said.getvalue())
        assert is_terminal == ("4/4" in said.getvalue())


@pytest.mark.parametrize("text", get_args(TextMode))
def test_policies_flag_alike(home: Path, text: TextMode,
                             capsys: pytest.CaptureFixture[str]) -> None:
    """They read the messages, not the index; flags are found in each mode, with the place in the
    text."""
    wire = in_mode(home, text)
    searching.rebuild(wire, json=True, workers=None)
    (home / "policies").mkdir()
    (home / "policies" / "money.toml").write_text(MONEY, "utf-8")
    capsys.readouterr()
    assert 0 == policy.policy_test(wire, policy.Wanted("money", samples=3), json=True)
    assert 1 == json.loads(capsys.readouterr().out.splitlines()[-1])["flags"]
    assert 0 == policy.policy_replay(wire, "money", json=True)
    carry.carry(wire, lambda said: None)
    answer = wire.searcher().search("flag:* cash NOT invoice", operator("dana"))
    assert [("paid 0 0 in cash", ((12, 16),))] == [(hit.text, hit.highlights)
                                                    for hit in answer.hits]


def test_too_much_to_read_says_what_to_add(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal, with the number."""
    wire = in_mode(home, "none")
    carry.index_all(wire)
    monkeypatch.setattr(limits, "READ_TEXTS_MAX", 3)
    with pytest.raises(Refused, match=r"4 messages .* add a date, a person or a conversation"):
        searching.search(wire, "invoice", json=True, limit=5, cursor=None)
    assert 0 == searching.search(wire, "invoice date:..2001", json=True, limit=5, cursor=None)


def test_a_text_that_is_gone_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key of one month was destroyed: nothing is found there, and it is said."""
    wire = in_mode(home, "none")
    searching.rebuild(wire, json=True, workers=None)
    for path in (home / "keyring").rglob("*"):
        if path.is_file():
            path.unlink()
    capsys.readouterr()
    assert 0 == searching.search(in_mode(home, "none"), "invoice", json=True, limit=5, cursor=None)
    said = capsys.readouterr()
    assert "" == said.out and "4 texts had to be read for this and cannot be" in said.err
