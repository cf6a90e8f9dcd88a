"""The shortcut never keeps a rule back that would hit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Refused
from search import evaluate
from search.policy.look import Look
from search.policy.match import Engine
from search.policy.screen import Screen, bits
from tests.search import strategies
from tests.search.policy.world import edit, of, policy, said

STEMMED = ("stem:pay", "pay* OR stem:guarantee")


def rules(*queries: str) -> list[str]:
    """Those that a policy may have."""
    known = []
    for one in queries:
        try:
            policy(f"query = '''{one}'''")
        except Refused:
            continue  # names what we did, or a triple quote
        known.append(one)
    return known


@given(st.lists(strategies.queries, min_size=1, max_size=4), strategies.texts())
@settings(max_examples=80, deadline=None)
def test_what_hits_passes(queries: list[str], text: str) -> None:
    """For each query of the language and each text: if it matches, the screen lets it through."""
    asked = rules(*queries)
    lexicons = [policy(f"query = '''{one}'''") for one in asked]
    held = [lexicon.rules[0] for lexicon in lexicons]
    passed = set(bits(Screen(held).of(text)))
    message = of(said(text))
    look = Look(message, Engine([])._firm, Engine([])._stems, frozenset())
    for number, (lexicon, rule) in enumerate(zip(lexicons, held, strict=True)):
        (ready,) = Engine([lexicon])._rules
        assert rule.tree is not None
        if look.hits(ready, [message], 0):
            assert number in passed
        subject = look._subject((text,), frozenset())
        if number not in passed:
            assert not evaluate.matches(rule.tree, subject)


@given(st.lists(strategies.queries, min_size=1, max_size=4), strategies.texts(),
       strategies.texts(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_the_engine_flags_what_looking_at_everything_flags(
        queries: list[str], text: str, later: str, is_disguised: bool) -> None:
    """Rules kept back and lines cut off before they are asked: no flag more or less, for a message
    and its edit, of which each may have some of the words, as they are and in disguise."""
    extra = "\nobfuscation = true" if is_disguised else ""
    for one in rules(*queries):
        try:
            lexicon = policy(f"query = '''{one}'''{extra}")
        except Refused:
            continue  # names no word that could be disguised
        message = of(said(text), edit(later))
        engine = Engine([lexicon])
        look = Look(message, engine.firm, engine._stems, frozenset())
        wanted = [hit.version.revision() for hit in look.hits(engine._rules[0], [message], 0)]
        assert wanted == [flag.revision for flag in engine.flags(message)], one


def test_a_rule_without_words_always_passes() -> None:
    """Nor does one with words it need not have."""
    for query in ("from:carol", "NOT pay", "pay OR from:carol"):
        assert 1 == Screen([policy(f"query = '{query}'").rules[0]]).of("xyz")
    for query in ("pay", "pay from:carol", "pay w/2 cash", "(pay OR cash) NOT x", "pay~1", "p?y"):
        assert 0 == Screen([policy(f"query = '{query}'").rules[0]]).of("xyz")


def test_bits_are_places() -> None:
    """In order."""
    assert [0, 3, 70] == list(bits(1 | 1 << 3 | 1 << 70))
