"""Words: how a text becomes terms, and how a term becomes a token of the index.

Owns normalisation, segmentation and the labelled subkeys of the index key (PROTOCOL I1). Search,
highlighting and the reference evaluator all use these functions, so that a word means one thing.

A text becomes a *stream* of terms at positions 0, 1, 2 …: words of letters, marks and digits;
emoji (a ZWJ sequence is one term; skin tone and presentation selectors are folded, as case is);
and runs of scripts that are written without spaces (Chinese, Japanese, Korean, Thai, Lao, Khmer,
Burmese). A run u1…un gives u1, u1u2, …, un-1un, un: its pairs, and its first and last unit at the
edges (docs/decisions/0008). So a phrase that begins or ends inside a run is found exactly where it
stands. Beside the stream lies the unordered set of single units, which answers one-unit queries.

What an index holds of them is its mode (docs/decisions/0022): tokens that nobody can read without
the index key (blind), the terms as they are (plain), or nothing (none).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Final, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.identity import canonical

TOKEN_BYTES: Final = 8
DOC_ID_BYTES: Final = 16
INDEX_KEY_BYTES: Final = 32
_WORD_CACHE: Final = 200_000

TextMode = Literal["blind", "plain", "none"]
"""What an index holds of words: their keyed tokens, the words themselves, or nothing."""
BLIND: Final = "blind"
PLAIN: Final = "plain"
NONE: Final = "none"
# UTF-8 bytes of a token of the plain mode; Elasticsearch cuts words behind 255 UTF-16 units.
PLAIN_TOKEN_BYTES_MAX: Final = 200

# --- the character classes, computed from the Unicode database of this Python ------------------

_JOINER: Final = "\u200d"
_KEYCAP: Final = 0x20E3
# Scripts written without spaces. Only their letters, marks and letter-like numbers count.
_UNIT_BLOCKS: Final = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x3005, 0x3007),
    (0x3031, 0x3035), (0x3040, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA960, 0xA97F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F), (0x20000, 0x323AF),
)
# Marks that a reader may leave out: Arabic vowels and Koran signs, Hebrew points and accents.
_OPTIONAL_MARKS: Final = (
    (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x05C7, 0x05C7),
    (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC), (0x06DF, 0x06E4),
    (0x06E7, 0x06E8), (0x06EA, 0x06ED),
)
# Fillers, selectors, the Arabic stretcher and skin tones: no part of what was said.
_IGNORED: Final = (
    (0x034F, 0x034F), (0x0640, 0x0640), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0x1F3FB, 0x1F3FF), (0xE0100, 0xE01EF),
)
_ALEF_FORMS: Final = "\u0622\u0623\u0625\u0671"


def _folding() -> dict[int, str | None]:
    """Code point -> what it counts as; null = it does not count."""
    table: dict[int, str | None] = {}
    for point in range(0x80, 0x1FFFF):
        category = unicodedata.category(chr(point))
        if category == "Cf" and chr(point) != _JOINER:
            table[point] = None
        elif category == "Nd":
            table[point] = str(unicodedata.decimal(chr(point)))
    for first, last in (*_OPTIONAL_MARKS, *_IGNORED):
        table.update(dict.fromkeys(range(first, last + 1)))
    table.update(dict.fromkeys(map(ord, _ALEF_FORMS), "\u0627"))
    return table


def _class_of(points: Iterable[int]) -> str:
    """The inside of a regular expression's character class."""
    out: list[str] = []
    first = last = -2
    for point in points:
        if point == last + 1:
            last = point
            continue
        if first >= 0:
            out.append(f"{re.escape(chr(first))}-{re.escape(chr(last))}")
        first = last = point
    if first >= 0:
        out.append(f"{re.escape(chr(first))}-{re.escape(chr(last))}")
    return "".join(out)


def _unit_points() -> Iterator[int]:
    for first, last in _UNIT_BLOCKS:
        for point in range(first, last + 1):
            # Unassigned counts too: the next Unicode version may give it to a letter.
            if unicodedata.category(chr(point))[0] in "LM" or (
                unicodedata.category(chr(point)) in ("Nl", "No", "Cn")
            ):
                yield point


def _picture_points() -> Iterator[int]:
    for point in range(0x2190, 0x3400):
        if point <= 0x21FF or unicodedata.category(chr(point)) == "So":
            yield point
    yield from range(0x1F000, 0x1F3FB)
    yield from range(0x1F400, 0x1FB00)


_FOLDING: Final = _folding()
_MARK: Final = _class_of(
    p for p in range(0x300, 0x1F000)
    if p != _KEYCAP and unicodedata.category(chr(p))[0] == "M" and p not in _FOLDING
)
_UNIT: Final = _class_of(_unit_points())
_PICTURE: Final = _class_of(_picture_points())
_PIECE: Final = re.compile(
    f"(?P<unit>[{_UNIT}]+)"
    f"|(?P<emoji>[0-9#*]{chr(_KEYCAP)}"
    "|[\U0001f1e6-\U0001f1ff]{2}"
    "|\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"
    f"|[{_PICTURE}](?:{_JOINER}[{_PICTURE}])*)"
    f"|(?P<word>(?:(?![0-9]{chr(_KEYCAP)})[^\\W_{_UNIT}])"
    f"(?:(?![0-9]{chr(_KEYCAP)})(?:[^\\W_{_UNIT}]|[{_MARK}]))*)"
)
_RUN: Final = re.compile(f"[{_UNIT}]+")
_UNITS: Final = re.compile(f"[^{_MARK}][{_MARK}]*")
_LOOSE_JOINER: Final = re.compile(f"(?<![{_PICTURE}]){_JOINER}|{_JOINER}(?![{_PICTURE}])")
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+")


# --- text -> terms -----------------------------------------------------------------------------


def normalise(text: str) -> str:
    """NFKC, case folded, digits as ASCII; zero-width, bidi and optional marks removed."""
    if text.isascii():
        return text.lower()
    return _LOOSE_JOINER.sub("", _fold(text.translate(_FOLDING)))


def stream(text: str) -> list[str]:
    """The terms of a text, one per position."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return _stream(normalise(text))


def _stream(plain: str) -> list[str]:
    out: list[str] = []
    for piece in _PIECE.finditer(plain):
        if piece.lastgroup == "unit":
            units = _UNITS.findall(piece.group())
            if units:
                out.append(units[0])
                out.extend(a + b for a, b in pairwise(units))
                out.append(units[-1])
        else:
            out.append(piece.group())
    return out


def units(text: str) -> frozenset[str]:
    """The single units of the scripts written without spaces."""
    return frozenset() if text.isascii() else _units(normalise(text))


def _units(plain: str) -> frozenset[str]:
    return frozenset(
        unit for run in _RUN.findall(plain) for unit in _UNITS.findall(run))


def stream_and_units(text: str) -> tuple[list[str], frozenset[str]]:
    """`stream(text)` and `units(text)` in one look at the text."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower()), frozenset()
    plain = normalise(text)
    return _stream(plain), _units(plain)


def pairs_and_words(text: str) -> list[str]:
    """Words, emoji and pairs of units: what a name is compared by."""
    out: list[str] = []
    for piece in _PIECE.finditer(normalise(text)):
        if piece.lastgroup == "unit":
            run = _UNITS.findall(piece.group())
            out.extend(a + b for a, b in pairwise(run))
        else:
            out.append(piece.group())
    return out


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, an emoji, or a run of a script without spaces. `kind`: word | emoji | unit; `start`,
    `end`: its place in the normalised text."""

    kind: str
    body: str
    start: int
    end: int

    @property
    def units(self) -> tuple[str, ...]:
        """The units of a run; empty for a word or an emoji."""
        return tuple(_UNITS.findall(self.body)) if self.kind == "unit" else ()

    def terms(self, *, opens: bool, closes: bool) -> list[str]:
        """What it looks for in a stream, as a part of a phrase that it opens or closes, or both: an
        edge of a run counts where the phrase goes on past it; an open end may lie inside a run."""
        run = self.units
        if not run:
            return [self.body]
        return [*(() if opens else run[:1]), *(a + b for a, b in pairwise(run)),
                *(() if closes else run[-1:])]


def pieces(plain: str) -> list[Piece]:
    """What a normalised text consists of, in order; what separates is left out."""
    found = [Piece(str(one.lastgroup), one.group(), one.start(), one.end())
             for one in _PIECE.finditer(plain)]
    return [one for one in found if one.kind != "unit" or one.units]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a piece of a query looks for: terms side by side, or one unit anywhere.

    Both empty means that the text holds nothing that could be searched for.
    """

    terms: tuple[str, ...] = ()
    unit: str = ""


def wanted(text: str) -> Wanted:
    """What `text`, as a word or phrase of a query, looks for in a stream."""
    found = pieces(normalise(text))
    if len(found) == 1 and len(found[0].units) == 1:
        return Wanted(unit=found[0].units[0])
    last = len(found) - 1
    return Wanted(terms=tuple(
        term for place, piece in enumerate(found)
        for term in piece.terms(opens=place == 0, closes=place == last)))


@dataclass(frozen=True, slots=True)
class Span:
    """A term and the half-open range of the original text that it came from."""

    term: str
    start: int
    end: int


def spans(text: str) -> list[Span]:
    """`stream(text)`, each term with its place in `text`."""
    plain, places = _mapped(text)
    out: list[Span] = []
    for piece in _PIECE.finditer(plain):
        if piece.lastgroup != "unit":
            out.append(_span(piece.group(), places, piece.start(), piece.end()))
            continue
        run = _run_spans(piece, places)
        if run:
            out.append(run[0])
            out.extend(
                Span(a.term + b.term, a.start, b.end) for a, b in pairwise(run)
            )
            out.append(run[-1])
    return out


def unit_spans(text: str) -> list[Span]:
    """`units(text)`, each occurrence with its place in `text`."""
    plain, places = _mapped(text)
    return [
        span for piece in _PIECE.finditer(plain) if piece.lastgroup == "unit"
        for span in _run_spans(piece, places)
    ]


def places(text: str) -> list[tuple[int, int]]:
    """For each character of `normalise(text)`: which half-open range of `text` it came from."""
    return _mapped(text)[1]


def _run_spans(piece: re.Match[str], places: list[tuple[int, int]]) -> list[Span]:
    base = piece.start()
    return [
        _span(unit.group(), places, base + unit.start(), base + unit.end())
        for unit in _UNITS.finditer(piece.group())
    ]


def _span(term: str, places: list[tuple[int, int]], start: int, end: int) -> Span:
    return Span(term, places[start][0], places[end - 1][1])


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_FOLDING)


def _mapped(text: str) -> tuple[str, list[tuple[int, int]]]:
    """`normalise(text)` and, for each of its characters, where in `text` it came from."""
    if text.isascii():
        return text.lower(), [(at, at + 1) for at in range(len(text))]
    kept: list[tuple[int, str]] = []
    for index, character in enumerate(text):
        folded = character.translate(_FOLDING)
        if folded:
            kept.append((index, folded))
    chunks: list[tuple[int, int, str]] = []
    for index, character in kept:
        if chunks and _joins(character):
            start, _, body = chunks[-1]
            chunks[-1] = (start, index + 1, body + character)
        else:
            chunks.append((index, index + 1, character))
    plain: list[str] = []
    places: list[tuple[int, int]] = []
    for start, end, body in chunks:
        folded = _fold(body) if not body.isascii() else body.lower()
        plain.append(folded)
        places.extend([(start, end)] * len(folded))
    joined = "".join(plain)
    if _JOINER in joined:
        loose = {match.start() for match in _LOOSE_JOINER.finditer(joined)}
        places = [place for at, place in enumerate(places) if at not in loose]
        joined = _LOOSE_JOINER.sub("", joined)
    return joined, places


@lru_cache(maxsize=4096)
def _joins(character: str) -> bool:
    """Whether NFKC may compose this character with the one before it."""
    first = unicodedata.normalize("NFKD", character)[0]
    return unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"


# --- terms -> tokens ---------------------------------------------------------------------------

# What a plain token spells as `_` hex `_`: all of ASCII that is no small letter or digit, which the
# indexes read in their own ways, what counts as space anywhere, and halves of surrogate pairs.
_SPELLED: Final = re.compile(r"[\x00-/:-`{-\x9f\s\ud800-\udfff]")
# No spelled term begins with it: what follows is the blind token of a term that is too long.
_LONG: Final = "-"


class Tokenizer:
    """Tokens under the index key. One per process; safe to share between threads.

    Of names, ids and marks a token is 8 bytes of HMAC-SHA256 under a subkey of its label, as 16 hex
    digits; a document id 16 bytes, as 32. So is that of a word or unit in the mode `blind`. In
    `plain` it is the term itself, spelled so that no index reads it as two or as another one; in
    `none` there is no token of a word. Equal terms have equal tokens: that is what makes them
    searchable, and what docs/THREATS.md measures.
    """

    def __init__(self, index_key: bytes, *, text: TextMode = BLIND,
                 cache_words: int = _WORD_CACHE) -> None:
        """`index_key`: 32 random bytes."""
        if len(index_key) != INDEX_KEY_BYTES:
            raise ValueError(f"the index key has {len(index_key)} bytes, not {INDEX_KEY_BYTES}")
        self.text: Final[TextMode] = text
        self._macs = {label: _mac(_subkey(index_key, label)) for label in _LABELS}
        self._document, self._entry = self._macs["document"], self._macs["entry"]
        self._word = lru_cache(maxsize=cache_words)(_worded(text, self._macs["words"]))
        self._char = lru_cache(maxsize=cache_words)(_worded(text, self._macs["chars"]))

        @lru_cache(maxsize=cache_words)
        def named(label: str, parts: tuple[str, ...]) -> str:
            return _token(self._macs[label], canonical(*parts))

        self._named = named

    def word(self, term: str) -> str:
        """The token of one term of a stream. Raises LookupError in the mode `none`."""
        return self._word(term)

    def char(self, unit: str) -> str:
        """The token of one unit. Raises LookupError in the mode `none`."""
        return self._char(unit)

    def words(self, text: str) -> tuple[str, ...]:
        """The tokens of `stream(text)`, in order."""
        return self.tokens(stream(text), ())[0]

    def chars(self, text: str) -> tuple[str, ...]:
        """The tokens of `units(text)`, sorted."""
        return self.tokens((), units(text))[1]

    def tokens(self, terms: Iterable[str],
               found: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """`words` and `chars` of the text that `stream_and_units` gave these of: what the index
        holds of it."""
        if self.text == NONE:
            return (), ()
        return (tuple(map(self._word, terms)),
                tuple(sorted(map(self._char, found))) if found else ())

    def party(self, kind: str, value: str) -> str:
        """A fact about a person: "id", "phone", "custodian", "name", "names" (see identity)."""
        return self._named("party", (kind, value))

    def named(self, label: str, *parts: str) -> str:
        """A token under `label`: conversation, account, custodian, compartment, shared …"""
        return self._named(label, parts)

    def entry(self, event_id: bytes) -> str:
        """The id of an entry: two captures of one fact share it."""
        return _token(self._entry, event_id)

    def digest(self, label: str, body: bytes) -> str:
        """A keyed digest of content: equal content, equal digest."""
        return _token(self._macs[label], body)

    def document(self, message_key: bytes) -> str:
        """The id of a message's document: 32 hex digits."""
        return self._document(message_key)[:DOC_ID_BYTES].hex()

    def place(self, topic_id: str, partition: int, offset: int, index: int) -> str:
        """The id of a document that stands for an address, not a message (PROTOCOL K3, S5)."""
        body = canonical("place", topic_id, partition, offset, index)
        return self._document(body)[:DOC_ID_BYTES].hex()


_LABELS: Final = (
    "words", "chars", "party", "conversation", "account", "custodian", "compartment", "shared",
    "document", "entry", "content", "text", "capture", "set",
    "mark", "pseudonym",
)


def _subkey(index_key: bytes, label: str) -> bytes:
    return HKDF(
        algorithm=SHA256(), length=32, salt=None,
        info=canonical("counterfoil/v1/index", label),
    ).derive(index_key)


_Mac = Callable[[bytes], bytes]


def _mac(key: bytes) -> _Mac:
    """HMAC-SHA256 (RFC 2104) under one key of at most 64 bytes, its two pads hashed once: a third
    of what a call of `hmac` takes, and an indexed event takes seven."""
    padded = key.ljust(sha256().block_size, b"\0")
    inner_pad = sha256(bytes(byte ^ 0x36 for byte in padded))
    outer_pad = sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(body: bytes) -> bytes:
        inner, outer = inner_pad.copy(), outer_pad.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()
    return digest


def _token(mac: _Mac, body: bytes) -> str:
    return mac(body)[:TOKEN_BYTES].hex()


def _worded(text: TextMode, mac: _Mac) -> Callable[[str], str]:
    """Term or unit -> its token."""
    def blind(term: str) -> str:
        return _token(mac, term.encode("utf-8", "surrogatepass"))

    def plain(term: str) -> str:
        token = _SPELLED.sub(_spell, term)
        if token and len(token.encode("utf-8")) <= PLAIN_TOKEN_BYTES_MAX:
            return token
        return _LONG + blind(term)

    def none(term: str) -> str:
        raise LookupError("an index without words was asked for the token of one")

    return {BLIND: blind, PLAIN: plain, NONE: none}[text]


def _spell(found: re.Match[str]) -> str:
    return f"_{ord(found.group()):x}_"
