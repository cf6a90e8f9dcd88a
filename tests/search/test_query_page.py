"""docs/QUERY.md says what is true: its examples are read, and those with a text are tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.errors import QueryError
from search import lists
from search.evaluate import matches
from search.lists import SavedList
from search.parse import parse
from search.stems import Stemmer
from tests.search.test_evaluate import message

PAGE = (Path(__file__).parents[2] / "docs" / "QUERY.md").read_text("utf-8")
SURPRISES = PAGE.index("## What does not behave")
QUERIES = [query for row in re.findall(r"^\| (`.*?) \|", PAGE[:SURPRISES], re.MULTILINE)
           for query in re.findall(r"`([^`]+)`", row)]
TRIED = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| ([+-]) \|", PAGE[SURPRISES:], re.MULTILINE)
UNTRIED = re.findall(r"^\| `([^`]+)` \| \| \|", PAGE[SURPRISES:], re.MULTILINE)
ENGLISH = Stemmer(["english"])


class AnyList:
    """Whatever the name, a list of two words. Implements `search.lists.Lists`."""

    def names(self) -> tuple[str, ...]:
        """See the port."""
        return ()

    def get(self, name: str) -> SavedList:
        """See the port."""
        return lists.read(name, b"new account\n" if name == "x" else b"wire\nbank\n")


def test_the_page_has_examples() -> None:
    """The tables are read as they are meant to be."""
    assert len(QUERIES) > 50 and len(TRIED) > 20 and len(UNTRIED) > 3
    rows = [line for line in PAGE[SURPRISES:].splitlines() if line.startswith("| `")]
    assert len(rows) == len(TRIED) + len(UNTRIED)


@pytest.mark.parametrize("query", QUERIES)
def test_an_example_is_a_query(query: str) -> None:
    """What the page tells people to write can be read."""
    assert parse(query, lists=AnyList()).end <= len(query)


@pytest.mark.parametrize(("query", "text", "found"), TRIED)
def test_a_surprise_is_as_described(query: str, text: str, found: str) -> None:
    """Found or not found, as the page says."""
    assert (found == "+") == matches(parse(query), message(text), stems=ENGLISH)


@pytest.mark.parametrize(("query", "text"), [
    ('"coming?"', "are you coming?"), ('"pay now" w/5 please', "pay now, please"),
    ("caf?", "café"), ("cafe~1", "café"), ("m?ller", "Müller"), ("*stanbul", "İstanbul"),
    ("?жик", "ёжик"), ('"p a y"', "p.a.y"), ("stem:pay OR paid", "paid"),
    ("明天 w/2 给我", "明天给我"), ('"明天给我"', "明天给我"),
    ("*كتاب", "الكتاب"), ("*ספר", "הספר"),
    ("पैस*", "पैसे"), ("stem:pay", "pays payed"), ('offchannel OR "off channel"', "off-channel"),
    ("给 w/5 我", "给你我"),
])
def test_what_to_write_instead_finds_it(query: str, text: str) -> None:
    """The way out that the page names is one."""
    assert f"`{query}`" in PAGE
    assert matches(parse(query), message(text), stems=ENGLISH)


def test_what_the_page_calls_an_error_is_one() -> None:
    """And two that it calls not found are."""
    with pytest.raises(QueryError, match="one w/5 other"):
        parse("给*我")
    assert not matches(parse("?stanbul"), message("İstanbul"))
    assert not matches(parse("ส"), message("สัว"))
