"""Patterns that stand for too many words: a refusal tells nobody what lies behind a wall.

A pattern is looked up in the words of the whole archive. That it stands for too many is told; how
many those are, and whether one word more is among them, is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import pytest

from schemas import limits
from schemas.errors import QueryError
from search.access.people import viewer_of
from search.access.scope import EVERYTHING
from search.access.viewer import Viewer, operator
from search.parse import parse
from search.query import Compiler, TooManyWords
from search.words import Slot
from tests.search.access.firm import DIRECTORY, POLICY
from tests.search.test_explain import Office
from tests.search.world import NOON, TOKENIZER
from tests.web.walls import BETA, SEES, Firm, said_of

MANY: Final = limits.QUERY_EXPANSION_MAX + 100
# Who may search, and does not see all: inside the wall, outside, of another group, of nothing.
SCOPED: Final = ("mia", "carl", "walt", "wes", "rita", "sue", "nil")


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """Behind the wall one message holds more words of a kind than a pattern may stand for."""
    first = said_of()[BETA][0]
    long = replace(first, native_id=f"{first.native_id}Z", attachments=(),
                   text=" ".join(f"qx{number}" for number in range(MANY)))
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path_factory.mktemp("patterns") / "home", patch, "", [long])
        yield made
        made.close()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["search", "facets", "explain"])
@pytest.mark.parametrize("query", [
    "qx*", "common OR qx*", "qx1 w/3 qx*", "NOT qx*", "stem:qx1 qx*"])
def test_too_many_words_say_the_same_on_both_sides_of_a_wall(firm: Firm, path: str,
                                                             query: str) -> None:
    """Byte for byte and head for head, to whoever wrote them, and to whoever may see none of them;
    for the same work."""
    answers, work = set(), set()
    for person in SCOPED:
        firm.ask(person, "GET", f"/api/v1/{path}?q={quote(query)}")       # all is warm
        firm.tally.taken()
        answer = firm.ask(person, "GET", f"/api/v1/{path}?q={quote(query)}")
        answers.add((answer.status_code, answer.text, tuple(sorted(
            (name, value) for name, value in answer.headers.items() if name != "set-cookie"))))
        work.add(tuple(firm.tally.taken()))
    assert 1 == len(answers) == len(work), answers
    ((status, text, _),) = answers
    assert status == 422 and not any(str(count) in text.replace(",", "") for count in (
        MANY, limits.QUERY_EXPANSION_MAX))


@pytest.mark.slow
def test_the_page_says_it_too(firm: Firm) -> None:
    """In words, with no count; and what is narrower is answered by what each may see."""
    for person in SCOPED:
        page = firm.ask(person, "GET", "/search?q=qx*").text
        assert "too many words" in page and f"{MANY:,}" not in page
        found = firm.ask(person, "GET", "/api/v1/search?q=qx10*").json()
        assert (BETA in SEES[person]) == (found["total"] > 0)


class Words:
    """An archive's words: `broad?*` stands for as many as may be; `few*` for `few` of them."""

    def __init__(self, few: int) -> None:
        self._few = few

    def expand(self, slot: Slot, terms_max: int) -> tuple[str, ...]:
        """See Expander."""
        made = getattr(slot, "pattern", "")
        count = self._few if made.startswith("few") else terms_max
        return tuple(f"{made}{number}" for number in range(count))

    def read(self) -> None:
        """See Expander."""


# To the brink, exactly: the words of `few*` are one too many, if there are any.
BRINK: Final = " OR ".join([f"broad{number}*" for number in range(
    limits.QUERY_EXPANSIONS_MAX // limits.QUERY_EXPANSION_MAX)] + ["few*"])


def _refusal(few: int, *, counts_exactly: bool) -> str:
    try:
        Compiler(BRINK, TOKENIZER, expander=Words(few), counts_exactly=counts_exactly).compiled(
            parse(BRINK))
    except TooManyWords as error:
        return f"{error.position}"
    return ""


def test_the_brink_of_a_sum_tells_of_no_word() -> None:
    """Whether a word that is hidden is there makes no difference at the limit of all patterns of a
    query; to who sees everything the limit is exact."""
    assert _refusal(0, counts_exactly=True) != _refusal(1, counts_exactly=True)
    assert 1 == len({_refusal(few, counts_exactly=False) for few in range(33)})


def _scoped() -> Viewer:
    found = viewer_of(POLICY, DIRECTORY, "rita", NOON)
    assert found.scope != EVERYTHING
    return found


def test_the_record_of_a_refusal_has_no_count_either() -> None:
    """Who was refused may be who reads the audit; an operator's has it."""
    office = Office(" ".join(f"pay{number}" for number in range(MANY)))
    for viewer, is_told in ((_scoped(), False), (operator("dana"), True)):
        with pytest.raises(QueryError) as caught:
            office.searcher.search("pay*", viewer)
        recorded: Any = office.recorder.recorded[-1].detail("refused")
        assert recorded == str(caught.value)
        assert is_told == (f"{MANY:,}" in recorded)
