"""What a pattern stands for, one term at a time."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Refused
from search import words
from search.stems import LANGUAGES, Stemmer
from search.words import NO_STEMS, Exact, Fuzzy, Slot, Stem, Wild

LETTERS = st.text(alphabet="ab", max_size=7)
ENGLISH = Stemmer(["english"])


def fits(pattern: str, term: str) -> bool:
    """`*` and `?` by their definition."""
    if not pattern:
        return not term
    if pattern[0] == "*":
        return fits(pattern[1:], term) or (bool(term) and fits(pattern, term[1:]))
    return bool(term) and pattern[0] in ("?", term[0]) and fits(pattern[1:], term[1:])


@given(st.text(alphabet="ab*?", min_size=1, max_size=8), LETTERS)
def test_stars_and_question_marks(pattern: str, term: str) -> None:
    """Any characters or none; one character."""
    assert fits(pattern, term) == words.holds(Wild(pattern), term, NO_STEMS)


def test_no_pattern_takes_long() -> None:
    """A pattern of many stars against a word that nearly fits."""
    assert not words.holds(Wild("*a" * 40 + "b"), "a" * 100, NO_STEMS)
    assert words.holds(Wild("*a" * 40 + "*"), "a" * 100, NO_STEMS)
    assert words.holds(Wild("*.(*"), "a.(b", NO_STEMS)


def test_a_word_beyond_words_is_no_pattern_s() -> None:
    """Of more than 100 characters: an identifier, a blob; it is found as it is."""
    long = "a" * 101
    assert not words.holds(Wild("a*"), long, NO_STEMS)
    assert not words.holds(Fuzzy(long, 1), long, NO_STEMS)
    assert words.holds(Exact(long), long, NO_STEMS)


@given(LETTERS, LETTERS, st.integers(1, 2))
def test_fuzzy_is_the_distance_of_the_textbook(first: str, second: str, distance: int) -> None:
    """Insert, delete, replace, swap two neighbours: each counts one."""
    @cache
    def far(row: int, column: int) -> int:
        if not row or not column:
            return row + column
        best = min(far(row - 1, column) + 1, far(row, column - 1) + 1,
                   far(row - 1, column - 1) + (first[row - 1] != second[column - 1]))
        if (row > 1 and column > 1 and first[row - 1] == second[column - 2]
                and first[row - 2] == second[column - 1]):
            best = min(best, far(row - 2, column - 2) + 1)
        return best

    expected = far(len(first), len(second)) <= distance
    assert expected == words.holds(Fuzzy(first, distance), second, NO_STEMS)
    assert expected == words.holds(Fuzzy(second, distance), first, NO_STEMS)


@pytest.mark.parametrize(("languages", "one", "other", "shares"), [
    (("english",), "pay", "paying", True),
    (("english",), "payments", "payment", True),
    (("english",), "pay", "paid", False),
    (("english",), "invoice", "invoicing", True),
    (("german",), "zahlung", "zahlungen", True),
    (("english",), "zahlung", "zahlungen", False),
    (("english", "german"), "zahlung", "zahlungen", True),
    (("french",), "facture", "factures", True),
    (("russian",), "деньги", "деньгами", True),
    (("english",), "x", "x", True),
])
def test_stems_are_those_of_the_configured_languages(
        languages: tuple[str, ...], one: str, other: str, shares: bool) -> None:
    """One language in which the two agree is enough; a word always is a form of itself."""
    stems = Stemmer(languages)
    assert shares == words.holds(Stem(one), other, stems) == words.holds(Stem(other), one, stems)
    assert words.holds(Stem(one), one, stems)


def test_a_language_without_a_stemmer_is_refused() -> None:
    """By name, with the known ones."""
    with pytest.raises(Refused, match=r"'klingon'; known languages: .*english"):
        Stemmer(["english", "klingon"])
    with pytest.raises(Refused, match="at least one language"):
        Stemmer([])
    assert {"english", "german", "french", "arabic", "hindi"} <= set(LANGUAGES)


def test_to_ask_for_a_stem_without_a_stemmer_is_a_mistake() -> None:
    """Never an answer that leaves something out."""
    with pytest.raises(LookupError):
        words.holds(Stem("pay"), "pays", NO_STEMS)


@given(st.sampled_from((Exact("aa"), Wild("a*"), Fuzzy("aab", 1), Stem("aab"))),
       st.frozensets(LETTERS))
def test_among_is_holds_of_each(slot: Slot, terms: frozenset[str]) -> None:
    """The two ways to ask are one meaning."""
    assert {one for one in terms if words.holds(slot, one, ENGLISH)} == words.among(
        slot, terms, ENGLISH)
