"""What a query means on a readable message: by example, by law, and as an index is asked it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import document, events, limits
from schemas.errors import QueryError
from search import candidates, tokens, words
from search.candidates import Seen
from search.evaluate import Reading, Subject, has_words, highlights, matches
from search.parse import parse
from search.query import (
    And,
    Near,
    Nothing,
    Or,
    Phrase,
    Term,
    TooManyWords,
    Words,
    compile_query,
)
from search.stems import Stemmer
from search.vocabulary import TooMany
from search.words import Slot
from tests.search import strategies
from tests.search.world import NOON, TOKENIZER

pytestmark = pytest.mark.slow

ENGLISH = Stemmer(["english"])
TEXTS = st.lists(strategies.texts(), min_size=1, max_size=3)


class Vocabulary:
    """The words of some texts. Implements `search.vocabulary.Expander`."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._terms = frozenset(term for text in texts for term in tokens.stream(text))

    def expand(self, slot: Slot, terms_max: int) -> tuple[str, ...]:
        """See the port."""
        found = tuple(sorted(words.among(slot, self._terms, ENGLISH)))
        if len(found) > terms_max:
            raise TooMany(len(found), terms_max)
        return found

    def read(self) -> None:
        """They are there."""


def message(*texts: str, **more: object) -> Subject:
    """A message of nobody's with these versions."""
    values: dict[str, object] = {
        "actors": frozenset(), "recipients": frozenset(), "channel": "whatsapp",
        "state": document.LIVE, "kind": events.MESSAGE, "kinds": frozenset({events.MESSAGE}),
        "sort_at": NOON, "conversations": frozenset(), **more}
    return Subject(texts=texts, **values)  # type: ignore[arg-type]


def is_true(query: str, *texts: str) -> bool:
    """Whether a query is true of a message with these versions."""
    return matches(parse(query), message(*texts), stems=ENGLISH)


@pytest.mark.parametrize(("query", "text", "expected"), [
    # 1 = side by side, as dtSearch counts
    ("pay w/1 now", "pay now", True),
    ("pay w/1 now", "now pay", True),
    ("pay pre/1 now", "now pay", False),
    ("pay w/1 now", "pay it now", False),
    ("pay w/2 now", "pay it now", True),
    ("pay W/2 now", "now, it: PAY!", True),
    # a word is not near itself, but near the next of the same
    ("pay w/5 pay", "pay", False),
    ("pay w/5 pay", "pay it and pay", True),
    ("pay w/2 pay", "pay it and pay", False),
    # the edges that face each other count
    ('"pay it" w/1 "right now"', "pay it right now", True),
    ('"pay it" w/1 "it right"', "pay it right now", False),
    ('"pay it" w/2 now', "now then pay it", True),
    # left to right, and together from the first word of both to the last
    ("a w/1 b w/1 c", "a b c", True),
    ("a w/1 b w/1 c", "c a b", True),
    ("a w/1 b w/1 c", "a c b", False),
    ("a w/1 (b w/1 c)", "a x b c", False),
    ("(a w/3 b) pre/1 c", "b x a c", True),
    ("(a pre/2 c) w/1 b", "a b c b", True),
    # any of several
    ("(pay OR settle) w/2 (invoice OR bill)", "settle the bill", True),
    ('(pay OR "settle up") w/1 now', "settle up now", True),
    ("(pay OR settle) w/2 (invoice OR bill)", "pay it, the bill", False),
    # patterns
    ("pa*", "the payment", True),
    ("pa*", "the spa", False),
    ("*day", "on Monday", True),
    ("p?y", "a ply", True),
    ("p?y", "a pay-day", True),
    ("p?y", "a py", False),
    ("user@exa*.com", "mail user@example.com", True),
    ("user@exa*.com", "mail user@example.org com", False),
    ("colour~1", "what color", True),
    ("colour~1", "what collar", False),
    ("colour~2", "what collor", True),
    ("teh~1", "the man", True),
    ("stem:pay", "I was paying", True),
    ("stem:pay", "he paid", False),
    ("stem:pay w/2 invo*", "paying the invoices", True),
    # scripts without spaces: positions count units, and one unit has its place
    ("明天 w/2 给我", "明天给我", True),
    ("天 w/2 给", "明天给我", True),
    ("天 pre/1 天", "明天天", True),
    ("给我 pre/9 明天", "明天给我", False),
    ("100 w/1 元", "100元", True),
    ("给我*", "他给我钱", True),
    ("👍 w/2 ok", "ok then 👍🏽", True),
])
def test_it_means(query: str, text: str, expected: bool) -> None:
    """One message, one version."""
    assert expected == is_true(query, text)


def test_words_of_two_versions_are_not_near() -> None:
    """Both are searched, each by itself."""
    assert not is_true("pay w/250 now", "pay", "now")
    assert is_true("pay now", "pay", "now")
    assert is_true("pay w/1 now", "nothing", "pay now")


def test_facts_of_the_whole_message() -> None:
    """Direction and marks; what a source does not say is neither."""
    marked = message("x", direction=events.IN, marks=frozenset({
        ("attachment", "any"), ("attachment", "pdf"), ("attachment", "name", "invoice"),
        ("pattern", "iban"), ("pattern", "iban", "DE89370400440532013000"), ("flag",),
        ("flag", "bribery"), ("flag", "bribery", "2")}))
    for query in ("direction:in", "attachment:yes", "attachment:pdf", "attachment:invoice",
                  "pattern:iban", 'pattern:iban="de89 3704 0044 0532 0130 00"', "flag:*",
                  "flag:bribery", "flag:bribery=2", "NOT direction:out NOT flag:bribery=1",
                  "NOT attachment:image", 'NOT attachment:"invoice final"'):
        assert matches(parse(query), marked), query
        assert matches(parse(query), message("x")) == query.startswith("NOT"), query


@pytest.mark.parametrize(("query", "text", "marked"), [
    ("pay w/2 now", "pay it now. But then pay", "[pay] it [now]. But then pay"),
    ("pay w/2 now", "now pay", "[now] [pay]"),
    ("NOT (pay w/2 now)", "pay now", "pay now"),
    ("(pay w/1 it) w/1 now", "pay it now, or pay it", "[pay] [it] [now], or pay it"),
    ("(pay OR buy) w/1 now", "pay now or buy now", "[pay] [now] or [buy] [now]"),
    ('"pay it" pre/1 now', "pay it now it", "[pay it] [now] it"),
    ("pa* OR color~1", "Payday in colour", "[Payday] in [colour]"),
    ("stem:pay", "Paying, paid", "[Paying], paid"),
    ("天 w/2 给", "明天给我", "明[天给我]"),
    ("天", "明天给我", "明[天]给我"),
    ("straße*", "STRASSENBAHN", "[STRASSENBAHN]"),
])
def test_what_matched_is_highlighted(query: str, text: str, marked: str) -> None:
    """Of a near only the pairs that fit."""
    found = highlights(parse(query), text, stems=ENGLISH)
    for start, end in reversed(found):
        text = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    assert marked == text


@given(strategies.nears, strategies.texts())
@settings(max_examples=200)
def test_what_is_true_of_a_text_is_highlighted(query: str, text: str) -> None:
    """And nothing else; what a near highlights alone makes it true."""
    tree = parse(query)
    found = highlights(tree, text, stems=ENGLISH)
    assert has_words(tree)
    assert matches(tree, message(text), stems=ENGLISH) == bool(found)
    assert all(0 <= start < end <= len(text) for start, end in found)
    assert [] == highlights(parse(f"NOT ({query})"), text, stems=ENGLISH)


@given(strategies.nears, strategies.nears, TEXTS, st.integers(1, 20))
@settings(max_examples=200)
def test_the_laws(one: str, other: str, texts: list[str], far: int) -> None:
    """Near is symmetric unless in order; in order implies near; near implies near further away, and
    both words; NOT NOT is nothing."""
    reading = Reading(message(*texts), stems=ENGLISH)

    def said(query: str) -> bool:
        return reading.matches(parse(query))

    near = said(f"{one} w/{far} {other}")
    assert near == said(f"{other} w/{far} {one}") == said(f"NOT NOT ({one} w/{far} {other})")
    assert near == (said(f"{one} pre/{far} {other}") or said(f"{other} pre/{far} {one}"))
    assert not near or said(f"{one} w/{far + 1} {other}")
    assert not near or said(f"{one} {other}")
    assert near == said(f"({one} OR {one}) w/{far} {other}")


@given(strategies.language, TEXTS)
@settings(max_examples=300, deadline=None)
def test_tokens_mean_what_words_mean(query: str, texts: list[str]) -> None:
    """The compiled query on blind tokens is true of what the query is true of."""
    about = message(*texts)
    tree, asked = compile_query(query, TOKENIZER, expander=Vocabulary(texts))
    assert matches(tree, about, stems=ENGLISH) == candidates.holds(asked.root, blinded(about))


def blinded(about: Subject) -> Seen:
    """The same message as an index holds it; nobody sent it."""
    return Seen(
        channel=about.channel, kind=about.kind, kinds=tuple(about.kinds), state=about.state,
        direction=about.direction, conversation="", shared="", custodians=(), compartments=(),
        actors=(),
        recipients=(), marks=(), sort_at=about.sort_at,
        chars=tuple({token for text in about.texts for token in TOKENIZER.chars(text)}),
        words=tuple(map(TOKENIZER.words, about.texts)))


# --- what an index is asked ----------------------------------------------------------------------


def compiled(query: str, *texts: str) -> object:
    """The root, with a vocabulary of these texts."""
    return compile_query(query, TOKENIZER, expander=Vocabulary(texts))[1].root


def test_patterns_become_alternatives() -> None:
    """A phrase where every place is one word; any of several, sorted, where one is not; nothing
    where a place is none."""
    word = TOKENIZER.word
    assert Phrase((word("pay"), word("now"))) == compiled('"pay now"')
    assert Words((tuple(sorted((word("pay"), word("paid")))),)) == compiled("pa*", "pay paid up")
    assert Words(((word("user"),), (word("example"),), (word("com"),))) == compiled(
        "user@ex*.com", "example")
    assert Nothing() == compiled("pa*")
    assert Nothing() == compiled("user@ex*.com", "user")
    assert Term("marks", TOKENIZER.named("mark", "flag", "x")) == compiled("flag:x")
    assert Term("direction", "in") == compiled("direction:in")


def test_near_stands_over_words_and_alternatives() -> None:
    """Each side a phrase, words, a near, or an or of such, flat."""
    word = TOKENIZER.word
    a, b, c = (Phrase((word(one),)) for one in "abc")
    assert Near(Near(a, b, 5, False), c, 2, True) == compiled("a w/5 b pre/2 c")
    assert Near(Or((a, b, c)), Nothing(), 5, False) == compiled("(a OR (b OR c)) w/5 pa*")
    one_unit = Words((tuple(sorted((word("天"), word("天见")))),))
    assert Near(one_unit, a, 1, False) == compiled("天 w/1 a", "天见 天")
    assert isinstance(compiled('attachment:"a b"'), And)


def test_without_a_vocabulary_a_pattern_is_refused() -> None:
    """Never an answer that leaves something out."""
    with pytest.raises(QueryError, match="words of the archive are not at hand") as caught:
        compile_query("x pa*", TOKENIZER)
    assert 2 == caught.value.position


def test_too_many_words_are_said() -> None:
    """Where, how many, and what to do; one pattern, and all of a query together."""
    many = " ".join(f"pa{number}" for number in range(limits.QUERY_EXPANSION_MAX + 1))
    with pytest.raises(TooManyWords, match=r"pa\* stands for 1,025 words.*more letters") as caught:
        compiled("x pa*", many)
    assert (2, 1025) == (caught.value.position, caught.value.count)
    with pytest.raises(TooManyWords, match=r"天\* stands for 1,025 words.*stand beside it"):
        compiled("x w/1 天", " ".join(f"天{chr(0x4e00 + number)}" for number in range(1024)))
    one_less = " ".join(many.split()[1:])
    times = limits.QUERY_EXPANSIONS_MAX // limits.QUERY_EXPANSION_MAX
    query = " OR ".join(f"(pa* w/1 x{number})" for number in range(times))
    assert compiled(query, one_less)
    with pytest.raises(TooManyWords, match=r"17,408 words .* in several queries") as caught:
        compiled(f"{query} OR (pa* w/1 y)", one_less)
    assert len(query) + 5 == caught.value.position


@pytest.mark.slow
def test_a_long_text_takes_no_square_of_time() -> None:
    """Fifty thousand times one word: near, nested near and highlights are bounded."""
    text = "pay " * limits.INDEXED_TOKENS_MAX
    for query in ("pa* w/250 p?y", "pay w/250 pay w/250 pay"):
        assert matches(parse(query), message(text), stems=ENGLISH)
        assert highlights(parse(query), text, stems=ENGLISH)
