"""What an edit changed, word by word. Pure.

Owns the cutting of a text into words and the marking of those that went and those that came. In
writing without spaces each character is a word.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SAME: Final = "same"
GONE: Final = "gone"
NEW: Final = "new"
# Words of both texts that are compared, their equal ends apart; of more they are shown whole, as
# gone and new.
_WORDS_MAX: Final = 600
# Pairs of equal words, one of each text: each step of a comparison goes through them, and a comma
# that stands a thousand times has a million.
_PAIRS_MAX: Final = 50_000
# Scripts without spaces, letter by letter; else a run of letters and digits, of spaces, or one
# other sign.
_WORD: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"
    r"|\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Change:
    """A run of one text: `kind` SAME | GONE | NEW."""

    kind: str
    text: str


def changes(before: str, after: str) -> tuple[Change, ...]:
    """How `after` came from `before`."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    head, tail = _ends(old, new)
    first, last = "".join(old[:head]), "".join(old[len(old) - tail:])
    return tuple(one for one in (
        Change(SAME, first), *_compared(old[head:len(old) - tail], new[head:len(new) - tail]),
        Change(SAME, last)) if one.text)


def _ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many words both begin with, and how many of the others both end with."""
    most = min(len(old), len(new))
    head = next((at for at in range(most) if old[at] != new[at]), most)
    tail = next((at for at in range(most - head) if old[-1 - at] != new[-1 - at]), most - head)
    return head, tail


def _compared(old: Sequence[str], new: Sequence[str]) -> tuple[Change, ...]:
    """Word by word, or as a whole where that is too much work."""
    if len(old) + len(new) > _WORDS_MAX or _pairs(old, new) > _PAIRS_MAX:
        return Change(GONE, "".join(old)), Change(NEW, "".join(new))
    out: list[Change] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            out.append(Change(SAME, "".join(old[start:end])))
            continue
        if start < end:
            out.append(Change(GONE, "".join(old[start:end])))
        if new_start < new_end:
            out.append(Change(NEW, "".join(new[new_start:new_end])))
    return tuple(out)


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    held = Counter(new)
    return sum(held[word] for word in old)
