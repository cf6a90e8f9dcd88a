"""What false positives say of a rule: which of its words do the harm. Pure.

Owns the proposals. They are for whoever writes the policy: nothing is ever suppressed by itself,
and a proposal says what it would have cost, in items that were no false positives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import event_id
from search import tokens
from search.policy.flags import is_flag, read_flag
from search.review import item
from search.review.decisions import FALSE_POSITIVE
from search.review.history import History

# Fewer decided items prove nothing.
DECIDED_MIN: Final = 5
# A word is proposed when so many of a hundred of its items were false positives.
SHARE_MIN: Final = 80
PHRASE_CHARS_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class Hit:
    """One phrase that a rule hit in one item. `is_false`: the item was a false positive."""

    rule: str
    phrase: str
    document: str
    is_false: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A word of a rule that mostly hits what is nothing. `decided`: items it is in, `false`: of
    these false positives, `lost`: the others, `only`: false positives that nothing else of the rule
    hit: what would be gone without the word."""

    rule: str
    phrase: str
    decided: int
    false: int
    lost: int
    only: int


def hits(one: History, read: Iterable[CapturedEvent]) -> tuple[Hit, ...]:
    """What the rules hit in a decided item. `read`: its events."""
    if one.state.status != item.CLOSED:
        return ()
    events = tuple(read)
    texts = {event_id(event): event.text for event in events if event.text}
    found: set[Hit] = set()
    for event in events:
        if is_flag(event):
            found.update(_hits(one, event, texts))
    return tuple(sorted(found, key=lambda hit: (hit.rule, hit.phrase)))


def proposals(found: Iterable[Hit]) -> tuple[Proposal, ...]:
    """Words to leave out, or to ask for together with another; most false positives first."""
    documents: dict[tuple[str, str], dict[str, bool]] = {}
    phrases: dict[tuple[str, str], set[str]] = {}
    for hit in found:
        documents.setdefault((hit.rule, hit.phrase), {})[hit.document] = hit.is_false
        phrases.setdefault((hit.rule, hit.document), set()).add(hit.phrase)
    out = []
    for (rule, phrase), decided in documents.items():
        false = [document for document, is_false in decided.items() if is_false]
        if len(decided) >= DECIDED_MIN and 100 * len(false) >= SHARE_MIN * len(decided):
            only = sum(phrases[rule, document] == {phrase} for document in false)
            out.append(Proposal(rule, phrase, len(decided), len(false),
                                len(decided) - len(false), only))
    return tuple(sorted(out, key=lambda one: (-one.false, one.lost, one.rule, one.phrase)))


def _hits(one: History, event: CapturedEvent, texts: Mapping[bytes, str]) -> Iterable[Hit]:
    try:
        flag = read_flag(event)
    except Refused:
        return
    for place in flag.places:
        text = texts.get(place.version)
        if text is None:
            continue                              # said around it, or not readable any more
        for start, end in place.ranges:
            phrase = tokens.normalise(text[start:end]).strip()[:PHRASE_CHARS_MAX]
            if phrase:
                yield Hit(f"{flag.policy}/{flag.rule}", phrase, one.doc_id,
                          one.state.outcome == FALSE_POSITIVE)
