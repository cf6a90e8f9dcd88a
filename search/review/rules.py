"""Who may do what to an item, and what must be said with it. Pure.

Owns the rules that a console, an API and a command line share. What a rule refuses is told in words
for the person who asked: whoever sees an item may know why he may not decide it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from schemas.errors import Denied, Refused
from search.access import roles
from search.access.viewer import Viewer
from search.review import decisions, item
from search.review.decisions import (
    ASSIGN,
    BREACH,
    CLEAR,
    CONFIRM,
    DECIDE,
    ESCALATE,
    FALSE_POSITIVE,
    LEVEL_FIRST,
    LEVEL_LAST,
    NOTE,
    OBJECT,
    REOPEN,
    TAG,
    UNMASK,
    UNTAG,
)
from search.review.facts import HIGH
from search.review.item import ItemState

# Capabilities that each act needs.
NEEDS: Final = {
    DECIDE: frozenset({roles.DECIDE}), CONFIRM: frozenset({roles.SECOND}),
    OBJECT: frozenset({roles.SECOND}), ASSIGN: frozenset({roles.DECIDE}),
    NOTE: frozenset({roles.DECIDE}), TAG: frozenset({roles.DECIDE}),
    UNTAG: frozenset({roles.DECIDE}), REOPEN: frozenset({roles.REOPEN}),
    UNMASK: frozenset({roles.UNMASK}),
}
# And what is needed besides to decide at a level: 1 a reviewer, 2 a supervisor, 3 compliance.
LEVEL_NEEDS: Final = {
    1: frozenset({roles.DECIDE}), 2: frozenset({roles.DECIDE, roles.SECOND}),
    3: frozenset({roles.DECIDE, roles.SECOND, roles.AUDIT}),
}
LEVEL_NAMES: Final = {1: "review", 2: "supervision", 3: "compliance"}

REASON_CHARS_MIN: Final = 5
# Items of one bulk act. More are several acts, each with its reason.
BULK_MAX: Final = 500
BULK_DECISIONS: Final = (CLEAR, FALSE_POSITIVE, ESCALATE)

OWN: Final = "these are your own messages, or those of somebody you report to"
_OWN: Final = f"{OWN}: another person has to review them"


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants to do. `to_self`: an assignment to whoever asks. `is_quality`: a
    reopening to have a cleared item checked."""

    action: str
    decision: str = ""
    level: int | None = None
    reason: str = ""
    to_self: bool = False
    is_bulk: bool = False
    is_quality: bool = False


def check(intent: Intent, state: ItemState, viewer: Viewer, me: str, *, is_own: bool) -> None:
    """Raises Denied for what this person may not do, Refused for what cannot be done to this item.

    `me`: the viewer's token; `is_own`: the conflict rule, see `is_conflict`.
    """
    needed = NEEDS.get(intent.action)
    if needed is None:
        raise Refused(f"the action is one of {', '.join(decisions.ACTIONS)}")
    if not needed <= viewer.may or (intent.is_bulk and roles.BULK not in viewer.may):
        raise Denied()
    if intent.action == ASSIGN and not intent.to_self and roles.ASSIGN not in viewer.may:
        raise Denied("you may take an item yourself, not give it to somebody else")
    if is_own:
        raise Denied(_OWN)
    _check_reason(intent)
    if intent.action == DECIDE:
        _check_decision(intent, state, viewer, me)
    elif intent.action in (CONFIRM, OBJECT):
        _check_second(state, viewer, me)
    elif intent.action == REOPEN:
        _check_reopening(intent, state, viewer)
    elif intent.action == ASSIGN and state.status not in item.WAITING:
        raise Refused("nobody is wanted for this item: reopen it first")


def check_claim(state: ItemState, viewer: Viewer, me: str, *, is_own: bool) -> None:
    """Raises Refused where nobody is wanted, Denied for whoever could not act on the item now: who
    holds what he may not decide only keeps away those who may."""
    if state.status not in item.WAITING:
        raise Refused("nobody is wanted for this item")
    if is_own:
        raise Denied(_OWN)
    if state.status != item.SECOND:
        _check_decision(Intent(DECIDE), state, viewer, me)
    elif NEEDS[CONFIRM] <= viewer.may:
        _check_second(state, viewer, me)
    else:
        raise Denied("it waits for a second person with that right")


def is_conflict(custodians: Collection[str], line: Collection[str]) -> bool:
    """Whether a message is of somebody whom a person may not review. Both are tokens or both ids;
    `line`: himself and whom he reports to (search/access/people.py: line_of)."""
    return not frozenset(custodians).isdisjoint(line)


def wants_second(decision: str, severity: str) -> bool:
    """Four eyes: nobody alone says of something grave that it is nothing."""
    return severity == HIGH and decision in (CLEAR, FALSE_POSITIVE)


def level_after(intent: Intent, state: ItemState) -> int:
    """Where the item is afterwards. Raises Refused for a level that an escalation or a reopening
    cannot go to."""
    if intent.action == OBJECT:
        return min(state.level + 1, LEVEL_LAST)
    if intent.action == REOPEN:
        reopened = intent.level or state.level
        # Down there it could be cleared by whom it was taken from.
        if reopened < state.level:
            raise Refused(f"it was closed at level {state.level}: it opens there or above")
        return reopened
    if intent.action != DECIDE or intent.decision != ESCALATE:
        return state.level
    wanted = intent.level or state.level + 1
    if state.level >= LEVEL_LAST:
        raise Refused(f"this is the last level: decide {CLEAR}, {FALSE_POSITIVE} or {BREACH}")
    if not state.level < wanted <= LEVEL_LAST:
        raise Refused(f"escalate to level {state.level + 1} to {LEVEL_LAST}")
    return wanted


def check_bulk(count: int, decision: str, reason: str) -> None:
    """Raises Refused for a bulk act that is none."""
    if not 0 < count <= BULK_MAX:
        raise Refused(f"one act decides 1 to {BULK_MAX} items")
    if decision not in BULK_DECISIONS:
        raise Refused(f"several at once can be decided as {', '.join(BULK_DECISIONS)}")
    if len(reason.strip()) < REASON_CHARS_MIN:
        raise Refused("say why these are decided together")


def _check_reason(intent: Intent) -> None:
    wanted = intent.is_bulk or intent.action in (OBJECT, REOPEN, UNMASK) or (
        intent.decision in (ESCALATE, BREACH))
    if wanted and len(intent.reason.strip()) < REASON_CHARS_MIN:
        raise Refused("say why, in a few words; do not quote the message")


def _check_decision(intent: Intent, state: ItemState, viewer: Viewer, me: str) -> None:
    if state.status == item.SECOND:
        raise Refused("it is decided and waits for a second person: confirm, or object")
    if state.status == item.CLOSED:
        raise Refused("it is closed: reopen it first")
    if state.status == item.NONE and intent.decision in (CLEAR, FALSE_POSITIVE):
        raise Refused("nothing waits here: it was neither flagged nor drawn. Escalate it, or open "
                      "it for review, and say why")
    if not LEVEL_NEEDS[state.level] <= viewer.may:
        raise Denied(f"the item is with {LEVEL_NAMES[state.level]} (level {state.level})")
    if me in state.barred:
        raise Denied("your own decision is being checked: another person has to do that")


def _check_reopening(intent: Intent, state: ItemState, viewer: Viewer) -> None:
    if state.status not in (item.CLOSED, item.NONE):
        raise Refused("the item is open")
    # A quality check lies with the level that closed it, whoever drew it: it decides nothing.
    if state.status == item.CLOSED and not intent.is_quality and (
            not LEVEL_NEEDS[state.level] <= viewer.may):
        raise Denied(f"it was closed by {LEVEL_NAMES[state.level]} (level {state.level})")


def _check_second(state: ItemState, viewer: Viewer, me: str) -> None:
    if state.status != item.SECOND:
        raise Refused("no decision waits for a second person here")
    if me in state.barred:
        raise Denied("the second person is another one than the first")
    if not LEVEL_NEEDS[max(state.level, LEVEL_FIRST)] <= viewer.may:
        raise Denied(f"the item is with {LEVEL_NAMES[state.level]} (level {state.level})")
