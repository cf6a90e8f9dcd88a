"""The API does what the pages do: each address of the console has its call, or a reason why not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from search.web.api.routes import ROWS
from search.web.routes import ROUTES, SIGNED_IN

PAGE: Final = Path(__file__).parents[2] / "docs" / "API.md"
_ROW: Final = re.compile(r"^\| `(GET|POST) (/\S*)` \|([^|]*)\|([^|]*)\|$", re.MULTILINE)
_CALL: Final = re.compile(r"`(GET|POST) (/[^`\s]+)`")
# Calls that no page needs, or that are part of one: said below the table.
ALONE: Final = frozenset({("GET", "/openapi.json"), ("GET", "/directory"), ("GET", "/reviewers")})
# A page is for whoever may do one thing, and a call beside it for whoever may another.
_GUARDS: Final = {(method, path): guard or SIGNED_IN for path, method, _, guard in ROWS}


def table() -> dict[tuple[str, str], tuple[list[tuple[str, str]], str]]:
    """(method, path) of a page -> (its calls, a reason)."""
    text = PAGE.read_text("utf-8")
    rows = _ROW.findall(text[text.index("## Pages and calls"):])
    assert len(rows) == len({row[:2] for row in rows}), "an address stands there twice"
    return {(method, path): (_CALL.findall(calls), why.strip())
            for method, path, calls, why in rows}


def test_every_page_has_a_call_or_a_reason() -> None:
    """A new address of the console fails here, until its call or the reason is written down."""
    pages = {(method, one.path) for one in ROUTES if not one.is_api for method in one.methods}
    said = table()
    assert pages == set(said)
    assert [] == [page for page, (calls, why) in said.items() if not calls and not why]


def test_every_call_of_the_table_is_there() -> None:
    """And every call there is stands in it, or is one of those for programs alone."""
    named = {call for calls, _ in table().values() for call in calls}
    assert named | ALONE == set(_GUARDS)
    assert not named & ALONE
    below = PAGE.read_text("utf-8").partition("For programs alone:")[2].partition("\n\n")[0]
    assert set(_CALL.findall(below)) == ALONE


def test_a_call_has_the_guard_of_its_page() -> None:
    """Of several the first; what is public or a file of a page has no call."""
    guards = {(method, one.path): one.guard for one in ROUTES for method in one.methods}
    for page, (calls, _) in table().items():
        for call in calls[:1]:
            assert _GUARDS[call] == guards[page], (page, call)


def test_the_check_has_teeth() -> None:
    """The table is read whole: it has as many rows as the console has addresses."""
    assert len(table()) == sum(len(one.methods) for one in ROUTES if not one.is_api) > 50
