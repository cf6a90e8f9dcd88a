"""A text becomes words, and words become tokens that nobody can read (PROTOCOL I1)."""

from __future__ import annotations

import hashlib
import hmac
import string
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search import positions, tokens
from search.tokens import TextMode, Tokenizer, Wanted
from tests.search import strategies, world


def occurrences(wanted: Sequence[str], terms: Sequence[str]) -> positions.Spans:
    """Where `wanted` stands in `terms`, side by side."""
    return positions.phrase([term.__eq__ for term in wanted], terms)


@pytest.mark.parametrize(("text", "terms"), [
    ("Pay £1,000 — don’t!", ["pay", "1", "000", "don", "t"]),
    ("a_b@c.de", ["a", "b", "c", "de"]),
    ("café CAFE\u0301", ["café", "café"]),
    ("ﬁn ＡＢＣ ①", ["fin", "abc", "1"]),
    ("straße STRASSE", ["strasse", "strasse"]),
    ("zero\u200bwidth so\u00adft \u202ebidi\u202c", ["zerowidth", "soft", "bidi"]),
    ("我", ["我", "我"]),
    ("明天见", ["明", "明天", "天见", "见"]),
    ("给100元整", ["给", "给", "100", "元", "元整", "整"]),
    ("ｶﾞﾝﾊﾞﾚ", ["ガ", "ガン", "ンバ", "バレ", "レ"]),
    ("감사 합니다", ["감", "감사", "사", "합", "합니", "니다", "다"]),
    ("สวัสดี", ["ส", "สวั", "วัส", "สดี", "ดี"]),
    ("مَرْحَبًا أَحمد ٥٠٠", ["مرحبا", "احمد", "500"]),
    ("שָׁלוֹם", ["שלום"]),
    ("क्षत्रिय", ["क्षत्रिय"]),
    ("👍🏽 👍 ❤️ ❤", ["👍", "👍", "❤", "❤"]),
    ("👨‍👩‍👧🇩🇪1️⃣12", ["👨‍👩‍👧", "🇩🇪", "1⃣", "12"]),
    ("😂😂", ["😂", "😂"]),
    ("क्\u200dष a\u200d", ["क्ष", "a"]),
    ("… !? — ()", []),
    ("\ud83d x", ["x"]),
])
def test_a_text_becomes_these_terms(text: str, terms: list[str]) -> None:
    """Letters, digits and marks; emoji; pairs and edges of scripts without spaces."""
    assert terms == tokens.stream(text)


@given(strategies.wild_texts)
@example("e\u200b\u0301 \u1100\u200b\u1161\u11a8 ㈱ ﷺ ½ \u0344")
@settings(max_examples=200)
def test_every_term_knows_its_place(text: str) -> None:
    """What is highlighted is what is indexed: the same terms, each inside the text, in order."""
    spans = tokens.spans(text)
    assert tokens.stream(text) == [span.term for span in spans]
    assert tokens.units(text) == {span.term for span in tokens.unit_spans(text)}
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    ends = [span.end for span in spans]
    assert sorted(ends) == ends


@given(strategies.wild_texts)
@settings(max_examples=300)
def test_a_text_is_found_by_itself(text: str) -> None:
    """As a phrase, each text occurs in itself; or it holds nothing that could be searched for."""
    wanted, terms = tokens.wanted(text), tokens.stream(text)
    if wanted.unit:
        assert {wanted.unit} == tokens.units(text)
    elif wanted.terms:
        assert occurrences(wanted.terms, terms)
    else:
        assert [] == terms


@given(st.text(alphabet="我你他100明天 元", max_size=12), st.integers(0, 12), st.integers(0, 12))
@settings(max_examples=300)
def test_a_piece_of_a_run_is_found_where_it_stands(text: str, start: int, end: int) -> None:
    """Chinese has no spaces: any piece of a text, digits aside, is found in it and nowhere else."""
    piece = text[start:end]
    outside = text[:start][-1:] + piece[:1], piece[-1:] + text[end:][:1]
    if not piece or " " in piece or any(pair.isdigit() and len(pair) == 2 for pair in outside):
        return  # half of a number is another word
    wanted = tokens.wanted(piece)
    if wanted.terms:
        assert occurrences(wanted.terms, tokens.stream(text))
        assert not occurrences(wanted.terms, tokens.stream(text.replace(piece, " 好 ")))
    elif wanted.unit:
        assert wanted.unit in tokens.units(text)


def test_a_single_unit_looks_anywhere() -> None:
    """One Chinese character is found inside any run."""
    assert Wanted(unit="天") == tokens.wanted("天")
    assert "天" in tokens.units("明天见")


@given(strategies.wild_texts)
def test_normalising_twice_changes_no_term(text: str) -> None:
    """What was normalised already becomes the same terms."""
    assert tokens.stream(text) == tokens.stream(tokens.normalise(text))


def test_tokens_are_keyed_and_labelled() -> None:
    """No plain hash, no token shared between keys or labels; 16 and 32 hex digits."""
    one, other = world.TOKENIZER, Tokenizer(bytes(32))
    assert one.word("yes") != other.word("yes")
    seen = [one.word("yes"), one.char("yes"), one.party("id", "yes"), one.party("name", "yes"),
            one.named("conversation", "yes"), one.named("account", "yes"), one.entry(b"yes"),
            one.digest("text", b"yes")]
    assert len(seen) == len(set(seen))
    assert {16} == {len(token) for token in seen}
    for algorithm in ("sha256", "sha1", "md5", "sha512"):
        assert hashlib.new(algorithm, b"yes").hexdigest()[:16] not in seen
    assert 32 == len(one.document(b"m" * 16)) == len(one.place("t", 0, 1, 2))


def test_tokens_stay_what_they_are() -> None:
    """An index lives as long as its key: a changed derivation would silently find nothing."""
    one = world.TOKENIZER
    assert GOLDEN == {
        "word": one.word("invoice"), "char": one.char("我"), "party": one.party("phone", "1650"),
        "conversation": one.named("conversation", "group:1"), "entry": one.entry(b"e" * 16),
        "document": one.document(b"m" * 16), "place": one.place("ab" * 16, 1, 2, 3),
    }


@given(strategies.wild_texts)
def test_words_and_units_in_one_look_are_the_same(text: str) -> None:
    """The indexer's way to both says what each says alone."""
    one = world.TOKENIZER
    assert (one.words(text), one.chars(text)) == one.tokens(*tokens.stream_and_units(text))


PLAIN = Tokenizer(world.INDEX_KEY, text="plain")
# Whatever an index reads in a way of its own: quotes, operators, spaces, case, gaps, half letters.
odd_terms = st.text(st.characters(codec=None) | st.sampled_from(
    "0-_*#\"'().:\\ \t\n\x00\x1c\x85\xa0\u2028\u3000\ud800\udfffAZ"), min_size=1, max_size=300)


@given(st.lists(odd_terms, min_size=2, max_size=6) | st.lists(
    st.sampled_from(["0", "-", "0 0", "_", "_5f_", "a_", "A", "a", "a\xa0", "a b", "\ud800",
                     "x" * 200, "x" * 201, "X" * 300, "-" + "a" * 16]), min_size=2, max_size=6))
def test_plain_tokens_are_told_apart(terms: list[str]) -> None:
    """One token for a term, another for another; none that an index takes apart, folds, cuts, or
    takes for its gap between versions."""
    made = [PLAIN.word(term) for term in terms]
    assert len(set(terms)) == len(set(made))
    for token in made:
        assert [token] == token.split() == token.encode("utf-8").decode("utf-8").split()
        assert token == token.strip("\"'*#") and not set(token) & set(string.ascii_uppercase)
        assert 0 < len(token.encode("utf-8")) <= tokens.PLAIN_TOKEN_BYTES_MAX and token != "-"


@given(strategies.wild_texts)
def test_plain_tokens_are_the_words(text: str) -> None:
    """As they are, unless they are too long or hold what an index would read in its own way."""
    said = PLAIN.words(text)
    for term, token in zip(tokens.stream(text), said, strict=True):
        assert term == token or "_" in token or token.startswith("-")
    assert ("pay", "café", "给我", "👨\u200d👩\u200d👧", "1\u20e3", "_23_\u20e3") == tuple(
        map(PLAIN.word, ("pay", "café", "给我", "👨\u200d👩\u200d👧", "1\u20e3", "#\u20e3")))


def test_plain_is_about_words_alone() -> None:
    """People, conversations, marks and ids stay keyed, and are the same in every mode."""
    for mode in get_args(TextMode):
        one = Tokenizer(world.INDEX_KEY, text=mode)
        assert mode == one.text
        assert GOLDEN["party"] == one.party("phone", "1650")
        assert GOLDEN["conversation"] == one.named("conversation", "group:1")
        assert GOLDEN["document"] == one.document(b"m" * 16)
        assert one.named("mark", "pattern", "iban") == world.TOKENIZER.named(
            "mark", "pattern", "iban")


def test_without_words_there_is_no_token_of_one() -> None:
    """To ask for it is a mistake of the caller's."""
    one = Tokenizer(world.INDEX_KEY, text="none")
    assert ((), (), ((), ())) == (one.words("pay 我"), one.chars("我"), one.tokens(["pay"], ["我"]))
    for ask in (one.word, one.char):
        with pytest.raises(LookupError):
            ask("pay")


@given(st.binary(max_size=200))
def test_a_token_is_an_hmac(body: bytes) -> None:
    """The quick form is RFC 2104, as the library computes it."""
    key = tokens._subkey(world.INDEX_KEY, "content")
    assert hmac.digest(key, body, "sha256")[:8].hex() == world.TOKENIZER.digest("content", body)


def test_an_index_key_has_32_bytes() -> None:
    """A short key is refused, not stretched."""
    with pytest.raises(ValueError, match="32"):
        Tokenizer(b"short")


GOLDEN = {
    "word": "bbaf95f6dd9b3799",
    "char": "32000de334c8ee66",
    "party": "1ecdcd0c4ae65dcb",
    "conversation": "f6a66ada625348ce",
    "entry": "46de826cdea23991",
    "document": "f090f40a266d94c167058de5076a4e16",
    "place": "5c781b18e9aa978fbd01b8eb85b7fce7",
}
