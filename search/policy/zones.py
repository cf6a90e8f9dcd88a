"""What of a text is not its author's own words: disclaimers, signatures, quotes, forwarded and
automatic text. Pure.

Owns where such a zone lies and why it is taken for one. Nothing is lost: what is cut is kept beside
the rest, with the reason, and goes into the flag's record. A rule states which zones do not count
for it; who hides his own words behind ">" is found by a rule that cuts no quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from search.policy import forms
from search.policy.lexicon import DISCLAIMER, FORWARDED, QUOTED, SIGNATURE, SYSTEM
from search.policy.reading import Range

# A closing has at most so many lines behind it, none longer; else it is no signature.
_SIGNATURE_LINES_MAX: Final = 8
_SIGNATURE_LINE_CHARS_MAX: Final = 60
_SIGNATURE_CHARS_MAX: Final = 1_000
_SENTENCE_CHARS_MAX: Final = 1_000
_POSTSCRIPT: Final = re.compile(r"\s*p\.? ?s\b", re.IGNORECASE)
_SENTENCE_MARKS: Final = (".", "?", "!", "。", "！", "？", "؟")


@dataclass(frozen=True, slots=True)
class Cut:
    """`start`..`end` of a text is `zone`; `why`: in words."""

    zone: str
    start: int
    end: int
    why: str


@dataclass(frozen=True, slots=True)
class Zoned:
    """A text in parts: what is read, what is not. Together, in order, they are the whole text."""

    text: str
    kept: tuple[Range, ...]
    cut: tuple[Cut, ...]


def find(text: str, whole: tuple[str, str] | None = None,
         own: re.Pattern[str] | None = None) -> tuple[Cut, ...]:
    """Every zone of `text`; they may lie over each other.

    `whole`: (zone, why) of the text as such, from what its source says of it; `own`:
    `forms.phrases` of the firm's disclaimers.
    """
    if not text:
        return ()
    found = [] if whole is None else [Cut(whole[0], 0, len(text), whole[1])]
    found += _disclaimers(text, own)
    found += _signatures(text)
    found += _foreign(text)
    found += (Cut(SYSTEM, *_sentence(text, one.span()), "an automatic text")
              for one in forms.AUTOMATIC.finditer(text))
    return tuple(sorted(found, key=lambda one: (one.start, -one.end, one.zone, one.why)))


def without(text: str, cuts: Iterable[Cut], zones: Iterable[str]) -> Zoned:
    """`text` without those `zones`. Where two lie over each other, the first has all it covers and
    the other what is left of it."""
    out = frozenset(zones)
    kept: list[Range] = []
    cut: list[Cut] = []
    at = 0
    for one in cuts:
        if one.zone not in out or one.end <= at:
            continue
        start = max(at, one.start)
        if start > at:
            kept.append((at, start))
        cut.append(Cut(one.zone, start, one.end, one.why))
        at = one.end
    if at < len(text):
        kept.append((at, len(text)))
    return Zoned(text, tuple(kept), tuple(cut))


def _disclaimers(text: str, own: re.Pattern[str] | None) -> Iterator[Cut]:
    for clause in forms.CLAUSES.finditer(text):
        yield Cut(DISCLAIMER, *clause.span(), "a well-known disclaimer")
    for notice in forms.NOTICES.finditer(text):
        yield Cut(DISCLAIMER, *_sentence(text, notice.span()), "a notice of confidentiality")
    if own is not None:
        for phrase in own.finditer(text):
            yield Cut(DISCLAIMER, *phrase.span(), "a phrase of the policy's disclaimers")


def _sentence(text: str, span: Range) -> Range:
    """The sentence around `span`, as far as it is of one's length."""
    low = max(0, span[0] - _SENTENCE_CHARS_MAX)
    start = low
    for end_of_one in forms.SENTENCE_END.finditer(text, low, span[0]):
        start = end_of_one.end()
    after = forms.SENTENCE_END.search(text, span[1], span[1] + _SENTENCE_CHARS_MAX)
    return start, after.end() if after else min(len(text), span[1] + _SENTENCE_CHARS_MAX)


def _signatures(text: str) -> Iterator[Cut]:
    mark = forms.SIGNATURE_MARK.search(text)
    if mark is not None:
        yield Cut(SIGNATURE, mark.start(), len(text), "below a line of two dashes")
    for sent in forms.SENT_FROM.finditer(text):
        yield Cut(SIGNATURE, *sent.span(), "what a telephone adds")
    # Above a signature stands what is signed: a greeting alone is what somebody said.
    first = len(text) - len(text.lstrip())
    for closing in forms.CLOSING.finditer(text):
        if closing.start() > first and _is_signature(text, closing.end()):
            yield Cut(SIGNATURE, closing.start(), len(text), "below the closing of a letter")
            return


def _is_signature(text: str, end: int) -> bool:
    """Whether what follows a closing is a name and an address, not another sentence."""
    if len(text) - end > _SIGNATURE_CHARS_MAX:
        return False
    rest = text[end:]
    lines = [line for line in rest.split("\n") if line.strip()]
    return len(lines) <= _SIGNATURE_LINES_MAX and all(
        len(line) <= _SIGNATURE_LINE_CHARS_MAX and not _POSTSCRIPT.match(line)
        and not line.rstrip().endswith(_SENTENCE_MARKS) for line in lines)


def _foreign(text: str) -> Iterator[Cut]:
    """What somebody else wrote, and this message repeats."""
    below = forms.FORWARDED.search(text)
    if below is not None:
        yield Cut(FORWARDED, below.start(), len(text), "below the head of a forwarded message")
    quoted = forms.QUOTED_BELOW.search(text)
    if quoted is not None:
        yield Cut(QUOTED, quoted.start(), len(text), "below the head of a quoted message")
    for line in forms.QUOTED_LINE.finditer(text):
        yield Cut(QUOTED, *line.span(), "a line that begins with >")
    for line in forms.COPIED_LINE.finditer(text):
        yield Cut(QUOTED, *line.span(), "a line copied from a chat")
