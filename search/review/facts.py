"""What an index keeps of a flag or of a review: short codes, from which an item is folded.

Owns the codes, and the fact that they stand for. A fact is the same whether it is made of an event
(`facts.of_event`) or of an index's entry (`facts.of_entry`), so that a queue, a page and a report
cannot tell three stories. Codes hold tokens and names of this program, never content: people, tags
and rules are blind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from schemas import events
from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import event_id
from search.marks import FLAG_KIND, flag_label
from search.review import decisions
from search.review.decisions import LEVEL_FIRST, LEVEL_LAST
from search.tokens import Tokenizer

# What a fact is: an action of a reviewer (search/review/decisions.py), or one of these.
FLAG: Final = "flag"
VERSION: Final = "version"
# What a person wrote or took back: a new one was not seen by who decided before.
VERSION_KINDS: Final = events.ANSWERING_KINDS
# Policies whose flags say no more than "drawn for review".
SAMPLE_PREFIX: Final = "sample:"

LOW: Final = "low"
MEDIUM: Final = "medium"
HIGH: Final = "high"
SEVERITIES: Final = (LOW, MEDIUM, HIGH)
# What a flag of an unknown severity counts as: a typing error must not make it less.
_UNKNOWN_SEVERITY: Final = HIGH


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One thing that is known of an item. `name` is the token of its event_id, `at` when it was
    captured (UTC ms); facts are in order by these two. Persons, tags and rules are tokens; `about`,
    `after`, `flags` and `versions` are names."""

    at: int
    name: str
    what: str
    person: str = ""
    decision: str = ""
    level: int = LEVEL_FIRST
    second: bool = False
    about: str = ""
    after: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    to: str = ""
    tag: str = ""
    severity: str = ""
    rule: str = ""
    is_sample: bool = False
    is_mandatory: bool = False
    is_bulk: bool = False
    is_quality: bool = False


class Entry(Protocol):
    """What is read of `schemas.document.Entry`."""

    @property
    def entry_id(self) -> str:
        """The token of its event_id."""

    @property
    def kind(self) -> str:
        """Of the event."""

    @property
    def captured_at(self) -> int:
        """UTC ms."""

    @property
    def review(self) -> tuple[str, ...]:
        """What `codes` gave."""


# --- events -> codes -----------------------------------------------------------------------------


def codes(event: CapturedEvent, tokenizer: Tokenizer) -> tuple[str, ...]:
    """What an index keeps of `event`, sorted; () for all but flags and reviews."""
    if event.kind == FLAG_KIND:
        return tuple(sorted(_flag_codes(event, tokenizer)))
    if event.kind == events.REVIEW and decisions.is_review(event):
        return tuple(sorted(_review_codes(event, tokenizer)))
    return ()


def person_token(tokenizer: Tokenizer, person: str) -> str:
    """The token of somebody who reviews."""
    return tokenizer.named("mark", "reviewer", person)


def tag_token(tokenizer: Tokenizer, tag: str) -> str:
    """The token of a tag, upper and lower case alike."""
    return tokenizer.named("mark", "tag", tag.casefold())


def rule_token(tokenizer: Tokenizer, rule: str) -> str:
    """The token of a policy's rule: the one that `flag:RULE` looks for."""
    return tokenizer.named("mark", *flag_label(rule))


def _flag_codes(event: CapturedEvent, tokenizer: Tokenizer) -> Iterator[str]:
    if event.target_key is None or event.detail("action") != FLAG:
        return
    yield f"a:{FLAG}"
    severity = event.detail("severity") or ""
    yield f"y:{severity if severity in SEVERITIES else _UNKNOWN_SEVERITY}"
    if event.detail("rule"):
        yield f"r:{rule_token(tokenizer, event.detail('rule') or '')}"
    if event.detail("mandatory") == "true":
        yield "m"
    if (event.detail("policy") or "").startswith(SAMPLE_PREFIX):
        yield "z"


def _review_codes(event: CapturedEvent, tokenizer: Tokenizer) -> Iterator[str]:
    try:
        review = decisions.read_review(event)
    except Refused:
        return                                    # says nothing that could be decided by
    yield f"a:{review.action}"
    yield f"l:{review.level}"
    yield f"p:{person_token(tokenizer, review.person)}"
    for letter, value in (("d", review.decision),
                          ("o", tokenizer.entry(review.about) if review.about else ""),
                          ("t", person_token(tokenizer, review.to) if review.to else ""),
                          ("g", tag_token(tokenizer, review.tag) if review.tag else "")):
        if value:
            yield f"{letter}:{value}"
    for letter, ids in (("n", review.seen.after), ("f", review.seen.flags),
                        ("v", review.seen.versions)):
        yield from (f"{letter}:{tokenizer.entry(one)}" for one in ids)
    yield from (code for code, is_so in (("s", review.second), ("b", bool(review.bulk)),
                                         ("q", review.quality)) if is_so)


# --- codes -> facts ------------------------------------------------------------------------------


def of_event(event: CapturedEvent, tokenizer: Tokenizer) -> Fact | None:
    """The fact that `event` is; null where it is none."""
    return fact(tokenizer.entry(event_id(event)), event.captured_at, event.kind,
                codes(event, tokenizer))


def of_entry(entry: Entry) -> Fact | None:
    """The fact that an index's entry stands for; null where it is none."""
    return fact(entry.entry_id, entry.captured_at, entry.kind, entry.review)


def of_events(found: Iterable[CapturedEvent], tokenizer: Tokenizer) -> tuple[Fact, ...]:
    """The facts among events."""
    return tuple(one for event in found if (one := of_event(event, tokenizer)) is not None)


def of_entries(entries: Iterable[Entry]) -> tuple[Fact, ...]:
    """The facts among entries."""
    return tuple(one for entry in entries if (one := of_entry(entry)) is not None)


def fact(name: str, at: int, kind: str, said: Iterable[str]) -> Fact | None:
    """The fact of these codes. One that this version does not know is none."""
    if kind in VERSION_KINDS:
        return Fact(at, name, VERSION)
    values: dict[str, list[str]] = {}
    for code in said:
        letter, _, value = code.partition(":")
        values.setdefault(letter, []).append(value)
    what = _one(values, "a")
    if what == FLAG:
        return Fact(at, name, FLAG, severity=_one(values, "y"), rule=_one(values, "r"),
                    is_mandatory="m" in values, is_sample="z" in values)
    if what not in decisions.ACTIONS:
        return None
    level = _one(values, "l")
    return Fact(
        at, name, what, person=_one(values, "p"), decision=_one(values, "d"),
        level=min(max(int(level), LEVEL_FIRST), LEVEL_LAST) if level.isdigit() else LEVEL_FIRST,
        second="s" in values, about=_one(values, "o"), after=_all(values, "n"),
        flags=_all(values, "f"), versions=_all(values, "v"), to=_one(values, "t"),
        tag=_one(values, "g"), is_bulk="b" in values, is_quality="q" in values)


def _one(values: dict[str, list[str]], letter: str) -> str:
    return min(values.get(letter, ("",)))


def _all(values: dict[str, list[str]], letter: str) -> tuple[str, ...]:
    return tuple(sorted(set(values.get(letter, ()))))
