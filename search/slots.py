"""A word or a phrase as it was typed -> what it looks for, place by place. Pure.

Owns how `*`, `?`, `~1` and `stem:` are read in a word, and what they cannot be written on. What
they then stand for is `search/words.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final, NoReturn

from schemas import limits
from schemas.errors import QueryError
from search import tokens
from search.words import FUZZY_DISTANCE_MAX, PATTERN_WORD_CHARS_MAX, Exact, Fuzzy, Slot, Stem, Wild

# The keycap emoji *️⃣ is one; the wide forms of * and ? are punctuation.
_WILDCARD: Final = re.compile("\\*(?![\ufe00-\ufe0f]*\u20e3)|\\?")
_FUZZY: Final = re.compile(r"(.+)~([0-9]*)", re.DOTALL | re.ASCII)
# Stand for * and ? in a text while it is normalised and cut: private, so part of no word.
_SIGNS: Final = {"\ue000": "*", "\ue001": "?"}
_PRIVATE: Final = str.maketrans(dict.fromkeys(_SIGNS, " "))
_UNITS_HINT: Final = ("in a script without spaces any piece of a text is found as it is; for words "
                      "further apart write one w/5 other")


@dataclass(frozen=True, slots=True)
class Looked:
    """`slots` side by side, or `unit`, a single one of a script without spaces (then none)."""

    slots: tuple[Slot, ...] = ()
    unit: str = ""


def phrase(query: str, start: int, text: str) -> Looked:
    """What stood in quotes: no character in it is an operator."""
    wanted = tokens.wanted(text)
    if wanted == tokens.Wanted():
        hint = " (write AND, OR, NOT)" if set(text) & set("&|!^") else ""
        raise QueryError(query, start,
                         f"expected a letter, a digit or an emoji to search for{hint}")
    return Looked(tuple(map(Exact, wanted.terms)), wanted.unit)


def word(query: str, start: int, text: str) -> Looked:
    """A word outside quotes; `start`: where it begins in `query`. Raises QueryError."""
    if text[0] in "-!" and tokens.wanted(text) != tokens.Wanted():
        raise QueryError(query, start, f"write NOT before a word, not {text[0]}; in quotes it is "
                                       "punctuation")
    fuzzy = _FUZZY.fullmatch(text)
    if fuzzy is not None:
        return _fuzzy(query, start, fuzzy)
    if _WILDCARD.search(text):
        return _wild(query, start, text)
    return phrase(query, start, text)


def stem(query: str, start: int, text: str) -> Looked:
    """The value of `stem:`. Raises QueryError."""
    found = tokens.pieces(tokens.normalise(text))
    if len(found) != 1 or found[0].kind != "word" or _WILDCARD.search(text) or "~" in text:
        raise QueryError(query, start, "expected one word of letters after stem:, such as stem:pay")
    _check_length(query, start, found[0].body)
    return Looked((Stem(found[0].body),))


def _fuzzy(query: str, start: int, match: re.Match[str]) -> Looked:
    text, digits = match.groups()
    at = start + len(text)
    if digits not in [str(one) for one in range(1, FUZZY_DISTANCE_MAX + 1)]:
        raise QueryError(query, at, f"expected ~1 or ~{FUZZY_DISTANCE_MAX}: how many letters may "
                                    "differ (in quotes ~ is punctuation)")
    if _WILDCARD.search(text):
        raise QueryError(query, at, "~ goes with a whole word, not with * or ?")
    found = tokens.pieces(tokens.normalise(text))
    if any(one.kind == "unit" for one in found):
        raise QueryError(query, at, f"~ compares letters of a word; {_UNITS_HINT}")
    if len(found) != 1 or found[0].kind != "word":
        raise QueryError(query, at, "~ goes with one word of letters, such as colour~1")
    term, distance = found[0].body, int(digits)
    if len(term) < distance + limits.PATTERN_LETTERS_MIN:
        raise QueryError(query, at, f"~{distance} needs a word of at least "
                                    f"{distance + limits.PATTERN_LETTERS_MIN} letters")
    _check_length(query, start, term)
    return Looked((Fuzzy(term, distance),))


# --- * and ? -------------------------------------------------------------------------------------


def _wild(query: str, start: int, text: str) -> Looked:
    elements, places = _elements(text)
    groups = _grouped(elements)
    groups[0] = _opened(groups[0])
    groups[-1] = _opened(groups[-1][::-1])[::-1]
    parts = [_part(query, start, group, places) for group in groups]
    if len(parts) == 1 and isinstance(parts[0], tokens.Piece) and len(parts[0].units) == 1:
        return Looked(unit=parts[0].units[0])
    slots: list[Slot] = []
    for place, part in enumerate(parts):
        if isinstance(part, Wild):
            slots.append(part)
        else:
            slots += map(Exact, part.terms(opens=place == 0, closes=place == len(parts) - 1))
    return Looked(tuple(slots))


def _elements(text: str) -> tuple[list[tokens.Piece], dict[int, int]]:
    """Words, emoji, runs, and the signs * and ? as pieces of the kind "sign", in order; and where
    in `text` the sign at each place stood."""
    plain: list[str] = []
    at = 0
    found = list(_WILDCARD.finditer(text))
    for sign in found:
        plain += (_normal(text[at:sign.start()]),
                  next(one for one, meant in _SIGNS.items() if meant == sign.group()))
        at = sign.end()
    joined = "".join((*plain, _normal(text[at:])))
    signs = [tokens.Piece("sign", _SIGNS[one.group()], one.start(), one.end())
             for one in re.finditer("[\ue000\ue001]", joined)]
    places = {sign.start: one.start() for sign, one in zip(signs, found, strict=True)}
    return sorted((*tokens.pieces(joined), *signs), key=lambda one: one.start), places


def _normal(text: str) -> str:
    return tokens.normalise(text.translate(_PRIVATE))


def _grouped(elements: list[tokens.Piece]) -> list[list[tokens.Piece]]:
    """What touches a sign belongs to it."""
    groups: list[list[tokens.Piece]] = []
    for one in elements:
        before = groups[-1][-1] if groups else None
        if before is not None and before.end == one.start and "sign" in (before.kind, one.kind):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _opened(group: list[tokens.Piece]) -> list[tokens.Piece]:
    """Without the stars that a run begins with: what stands at its open end is free anyway."""
    if {one.kind for one in group} == {"unit", "sign"} and all(
            one.kind == "unit" or one.body == "*" for one in group):
        return list(dropwhile(lambda one: one.kind == "sign", group))
    return group


def _part(query: str, start: int, group: list[tokens.Piece],
          places: dict[int, int]) -> Wild | tokens.Piece:
    if len(group) == 1 and group[0].kind != "sign":
        return group[0]
    first = next(one for one in group if one.kind == "sign")
    sign, at = first.body, start + places[first.start]
    kinds = {one.kind for one in group} - {"sign"}

    def refuse(message: str) -> NoReturn:
        raise QueryError(query, at, message)

    if "unit" in kinds:
        refuse(f"{sign} goes with a word of letters, not here: {_UNITS_HINT}")
    if len(kinds) > 1:
        refuse(f"{sign} between a word and an emoji: write the two apart, with w/1 between them")
    if sum(len(one.body) for one in group if one.kind != "sign") < limits.PATTERN_LETTERS_MIN:
        refuse(f"a pattern needs at least {limits.PATTERN_LETTERS_MIN} letters beside {sign}; in "
               "quotes it is punctuation")
    pattern = re.sub(r"\*+", "*", "".join(one.body for one in group))
    _check_length(query, start, pattern.replace("*", ""))
    return Wild(pattern)


def _check_length(query: str, start: int, term: str) -> None:
    if len(term) > PATTERN_WORD_CHARS_MAX:
        raise QueryError(query, start, f"no word of more than {PATTERN_WORD_CHARS_MAX} letters is "
                                       "compared with a pattern")
