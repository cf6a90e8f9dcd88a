"""What an edit changed, word by word. Pure.

Owns the cutting of a text into words and the marking of those that went and those that came. In
writing without spaces each character is a word.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

SAME: Final = "same"
GONE: Final = "gone"
NEW: Final = "new"
# Words of both texts that are compared; longer ones are shown whole, as gone and new: the time
# that a comparison takes grows with the product.
_WORDS_MAX: Final = 4_000
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
    if len(old) + len(new) > _WORDS_MAX:
        return _whole(before, after)
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


def _whole(before: str, after: str) -> tuple[Change, ...]:
    if before == after:
        return (Change(SAME, before),)
    return tuple(one for one in (Change(GONE, before), Change(NEW, after)) if one.text)
