"""What a token query means, said a second time as plainly as possible, and what may be asked for
in its place."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from schemas import events
from search import candidates, query
from search.candidates import Seen, holds
from search.query import And, Near, Node, Not, Nothing, Or, Phrase, Words
from tests.search import token_world
from tests.search.token_world import TOKENS

A, B, C, D = TOKENS[:4]
Span = tuple[int, int]


def seen(*texts: str) -> Seen:
    """A document of these texts, a letter a word."""
    named = dict(zip("abcd", (A, B, C, D), strict=True))
    return Seen(channel="sms", kind=events.MESSAGE, kinds=(events.MESSAGE,), state="live",
                direction=None, conversation="", shared="", custodians=(), compartments=(),
                actors=(),
                recipients=(), marks=(), chars=(), sort_at=0,
                words=tuple(tuple(named.get(one, one) for one in text.split()) for text in texts))


def one(token: str) -> Phrase:
    """A word."""
    return Phrase((token,))


def spans(node: Node, text: Sequence[str]) -> set[Span]:
    """The definition, tried on every span of a text."""
    size = len(text)
    if isinstance(node, Phrase | Words):
        places = candidates.as_places(node)
        return {(at, at + len(places) - 1) for at in range(size - len(places) + 1)
                if all(text[at + n] in place for n, place in enumerate(places))}
    if isinstance(node, Or):
        return {span for child in node.children for span in spans(child, text)}
    if isinstance(node, Near):
        return {(min(a, c), max(b, d))
                for a, b in spans(node.left, text) for c, d in spans(node.right, text)
                if (b < c <= b + node.distance)
                or (not node.ordered and d < a <= d + node.distance)}
    return set()


@pytest.mark.parametrize(("text", "distance", "ordered", "expected"), [
    ("a b", 1, True, True), ("a x b", 1, True, False), ("a x b", 2, True, True),
    ("b a", 1, True, False), ("b a", 1, False, True), ("a", 9, False, False),
    ("b x x a x x b", 3, True, True),
])
def test_near_counts_positions(text: str, distance: int, ordered: bool, expected: bool) -> None:
    """Side by side is 1; `ordered` wants the left side first."""
    assert expected is holds(Near(one(A), one(B), distance, ordered), seen(text))


def test_the_two_sides_are_two_words() -> None:
    """A word is not near itself, and phrases that overlap are not near each other."""
    assert not holds(Near(one(A), one(A), 5, False), seen("a b"))
    assert holds(Near(one(A), one(A), 5, False), seen("a b a"))
    twice = Near(Phrase((A, A)), Phrase((A, A)), 5, False)
    assert not holds(twice, seen("a a a"))
    assert holds(twice, seen("a a a a"))


def test_nothing_is_near_across_two_revisions() -> None:
    """However far `w/` reaches."""
    asked = Near(one(A), one(B), 10_000, False)
    assert not holds(asked, seen("a", "b"))
    assert holds(asked, seen("c", "a " + "x " * 9_000 + "b"))


def test_a_longer_span_counts_where_a_shorter_one_is_too_far() -> None:
    """(a w/5 b) pre/2 c: the pair that ends near c is not hidden by the one that is shorter."""
    nested = Near(Near(one(A), one(B), 5, True), one(C), 2, True)
    assert holds(nested, seen("a b x x b x c"))


def test_the_meaning_is_the_definition() -> None:
    """On generated queries and documents, by trying every span."""
    random = Random(1)
    known = token_world.documents(40, seed=2)
    true = 0
    for _ in range(150):
        node = token_world.text(random)
        for found in known:
            expected = any(spans(node, text) for text in found.words)
            assert expected == holds(node, found)
            true += expected
    assert 1_000 < true < 5_000


def test_a_reduced_query_means_the_same() -> None:
    """Nothing is only ever the whole of it."""
    random = Random(3)
    known = token_world.documents(30, seed=4)
    for asked in token_world.queries(200, seed=5):
        root = query.Or((asked.root, And((Nothing(), token_world.tree(random, 2)))))
        reduced = candidates.reduced(root)
        assert reduced == Nothing() or "Nothing" not in repr(reduced)
        assert [holds(root, one) for one in known] == [holds(reduced, one) for one in known]
    assert Nothing() == candidates.reduced(Near(one(A), Or((Nothing(), Nothing())), 3, False))
    assert query.All() == candidates.reduced(Not(Nothing()))


def test_a_candidate_misses_nothing() -> None:
    """Whatever an index can ask for: what the query is true of, the candidate is true of."""
    random = Random(6)
    known = token_world.documents(40, seed=7)
    wider = 0
    for asked in token_world.queries(200, seed=8):
        root = candidates.reduced(asked.root)
        can = {one: random.random() < 0.4 for one in _text_nodes(root)}
        candidate = candidates.candidate(root, lambda one: can.get(one, False))  # noqa: B023
        for found in known:
            if holds(root, found):
                assert holds(candidate, found)
            else:
                wider += holds(candidate, found)
        assert candidates.candidate(root, lambda _: True) == root
    assert wider > 100


def test_a_candidate_under_not_is_everything() -> None:
    """What must not be there may be there in another place: only the check can tell."""
    near = Near(one(A), one(B), 3, False)
    candidate = candidates.candidate(Not(near), lambda _: False)
    assert holds(candidate, seen("a x x x x b"))
    assert holds(candidate, seen("a b"))


def test_a_candidate_is_never_deep() -> None:
    """Nearness inside nearness asks for the words alone, side by side."""
    node: Node = one(A)
    for number in range(30):
        node = Near(node, Or((one(TOKENS[number % 7]), Phrase((B, C)))), 3, True)
    assert 3 >= query.depth(candidates.candidate(node, lambda one: isinstance(one, Phrase)))


def test_sides_are_taken_apart_by_width() -> None:
    """Words stand together, each longer run alone; a Near within has no one width."""
    side = Or((one(B), Words(((A, C),)), Phrase((A, B)), one(A)))
    assert (((A, B, C),), ((A,), (B,))) == candidates.forms(side)
    assert candidates.forms(Or((side, Near(one(A), one(B), 1, True)))) is None
    apart = candidates.pairs(Near(side, one(D), 1, True), 2)
    assert [(((A, B, C),), ((D,),)), (((A,), (B,)), ((D,),))] == apart
    assert candidates.pairs(Near(side, one(D), 1, True), 1) is None


def test_alternatives_are_spelled_out_within_a_bound() -> None:
    """Every combination once, or none where they are too many."""
    run = ((A, B), (C,))
    assert [(A, C), (B, C)] == candidates.spelled([run], 2)
    assert candidates.spelled([run, run], 3) is None


def _text_nodes(node: Node) -> set[candidates.Text]:
    found = set(candidates.text_nodes(node))
    return found | {inner for one in found if isinstance(one, Near)
                    for side in (one.left, one.right) for inner in _text_nodes(side)}
