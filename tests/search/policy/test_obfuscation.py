"""Disguised words are read; what is no disguise is left as it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.policy import obfuscation
from search.policy.obfuscation import readings
from search.tokens import stream

HOMOGLYPHS = "gu\u0430r\u0430nt\u0435\u0435"      # а and е are Cyrillic


@pytest.mark.parametrize(("text", "word"), [
    ("g u a r a n t e e", "guarantee"),
    ("it is g.u.a.r.a.n.t.e.e.d !", "guaranteed"),
    ("g-u-a-r-a-n-t-e-e", "guarantee"),
    ("g_u_a_r_a_n_t_e_e", "guarantee"),
    ("g*u*a*r*a*n*t*e*e", "guarantee"),
    ("g\nu\na\nr\na\nn\nt\ne\ne", "guarantee"),
    ("gu4r4ntee", "guarantee"),
    ("GU4R4NT33", "guarantee"),
    ("pr0f1t", "profit"),
    ("1nsider", "insider"),
    ("br1be", "bribe"),
    ("ki11", "kill"),
    ("ca$h", "cash"),
    ("p@y me", "pay"),
    ("brib3!!!", "bribe"),
    ("guaraaaaantee", "guarantee"),
    ("freeeee money", "free"),
    (HOMOGLYPHS, "guarantee"),
    ("\u0440\u0430\u0443 me now", "pay"),            # wholly Cyrillic, in an English text
    ("g\u0430rantie", "garantie"),
    ("г\u0061рантия", "гарантия"),                # a Latin a in a Russian word
    ("ε\u0067\u0067\u03cd\u03b7ση".replace("\u0067\u0067", "\u03b3\u03b3"), "εγγύηση"),
    ("gu\u200ba\u200dr\u2060antee", "guarantee"),
    ("g\u0336u\u0336a\u0336r\u0336antee", "guarantee"),
    ("🅶🆄🅰🆁antee", "guarantee"),
    ("保 证 收 益", "保证"),
    ("保.证.收.益", "收益"),
    ("内*幕 消息", "内幕"),
    ("ض م ا ن", "ضمان"),
    ("g 4 r a n t 1 e", "garantie"),
    ("sch.w.a.r.z.g.e.l.d s c h w a r z g e l d", "schwarzgeld"),
])
def test_disguises_are_read(text: str, word: str) -> None:
    """As a person reads them."""
    terms = {term for read in (text, *(one.text for one in readings(text)))
             for term in stream(read)}
    assert word in terms


@pytest.mark.parametrize("text", [
    "I o u 100",
    "J. P. Morgan and J.R. Smith",
    "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000 GB29NWBK60161331926819",
    "call me at 10am or 5pm, 24hrs, the 1st, 2nd, 3rd or 4th",
    "1 2 3 4 5 6 7 8",
    "+1 650 555 1234, 3.5%, 1,000.00, 100k, 2x, 10km, 50kg, Q3, B2B, covid19, mp3, iPhone15",
    "US$ 100, HK$5, $100, 50€, 100!!!",
    "Hello! How are you? Fine, thanks!",
    "это сор и рос, а не pay",
    "Ελληνικά και αγγλικά: ok",
    "明天开会吗？好的",
    "第37代アメリカ大統領, 5년마다, 3條腿, ۲۵۰ تومن",
    "Grüße aus Köln, señor, ça va",
    "see https://example.org/a?b=1 ...",
    "e.g. i.e. U.S. a.m.",
])
def test_what_is_no_disguise_is_left_alone(text: str) -> None:
    """Numbers, initials, units, account numbers, other scripts: no other reading."""
    assert () == readings(text)


@given(st.text(max_size=60) | st.text(alphabet="aе4 .1l!$gG\u200b\u0336保🅰", max_size=30))
@settings(max_examples=200)
def test_every_character_knows_where_it_came_from(text: str) -> None:
    """Places run in order and lie within the text; a letter that was not changed is itself."""
    found = readings(text)
    assert len(found) <= obfuscation.READINGS_MAX
    for read in found:
        assert read.text != text
        assert sorted(read.starts) == list(read.starts) and sorted(read.ends) == list(read.ends)
        for character, start, end in zip(read.text, read.starts, read.ends, strict=True):
            assert 0 <= start < end <= len(text)
            piece = text[start:end]
            assert character in piece or character.casefold() in piece.casefold() or (
                not piece.isalpha() or not piece.isascii())


def test_the_place_of_a_word_is_all_that_stood_for_it() -> None:
    """A hit in a reading is shown in the text as it was written."""
    text = "we g u 4 r a a a n t e e it"
    (read, *_) = [one for one in readings("we guaraaantee it, c4$h") if "guarantee" in one.text]
    start = read.text.index("guarantee")
    low, high = read.origin(start, start + len("guarantee"))
    assert "guaraaantee" == "we guaraaantee it, c4$h"[low:high]
    (read, *_) = readings(text)
    low, high = read.origin(3, 4)
    assert "g" == text[low:high]


def test_a_long_text_is_read_to_its_end() -> None:
    """In pieces, and in time, whatever it is made of; no word is lost between two."""
    for piece in ("a ", "4a", "aaa", "\u0430a", "a.", "保 ", "\u0336", "\u200b"):
        assert all(len(read.text) <= obfuscation.PIECE_CHARS for read in readings(piece * 30_000))
    for before in (0, obfuscation.PIECE_CHARS - 6, 3 * obfuscation.PIECE_CHARS):
        text = "." * before + " gu4r4ntee"
        (place,) = {one.origin(at, at + 9) for one in readings(text)
                    if (at := one.text.find("guarantee")) >= 0}
        assert "gu4r4ntee" == text[slice(*place)]
