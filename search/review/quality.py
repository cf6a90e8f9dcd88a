"""Cleared items that somebody looks at again: the check on the reviewers. Pure.

Owns what the sample is drawn from and what came of it; the draw itself is
`search/policy/sampling.py`, so that an auditor can work it out again. Strata are outcome and
severity; each reviewer who cleared anything is drawn from at least once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from search.policy.sampling import Item, Plan
from search.review.decisions import BREACH, CLEAR, DECIDE, ESCALATE, FALSE_POSITIVE
from search.review.facts import HIGH, LOW, MEDIUM
from search.review.history import Act, History

# No plan of a file has a dot in its name.
PLAN_NAME: Final = "review.cleared"
_SHARES: Final = {HIGH: 2_000, MEDIUM: 500, LOW: 100, "": 100}
# Strata are named "clear/high" and so on.
CHECKED: Final = (CLEAR, FALSE_POSITIVE)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a second look said what the first had said, of one reviewer's."""

    person: str
    checked: int
    agreed: int
    graver: int                   # the second look found a breach, or sent it up


def plan(shares: dict[str, int] | None = None, per_person: int = 1) -> Plan:
    """`shares`: severity -> hundredths of a percent of what was cleared."""
    wanted = {**_SHARES, **(shares or {})}
    return Plan(PLAN_NAME, tuple((f"{outcome}/{severity or 'none'}", share)
                                 for outcome in CHECKED for severity, share in wanted.items()),
                per_person)


def population(histories: Iterable[History], since: int, until: int) -> tuple[Item, ...]:
    """What was cleared in a period (UTC ms, half open) and is closed: whose message it was does not
    count, who cleared it does."""
    found = []
    for one in histories:
        state = one.state
        if state.outcome in CHECKED and state.status == "closed" and (
                state.decided_at is not None and since <= state.decided_at < until):
            found.append(Item(one.message, one.decider, f"{state.outcome}/"
                                                        f"{state.severity or 'none'}"))
    return tuple(found)


def agreements(histories: Iterable[History]) -> tuple[Agreement, ...]:
    """What the second looks said, by who had decided first; by person."""
    counts: dict[str, list[int]] = {}
    for one in histories:
        for first, second in _checks(one.acts):
            mine = counts.setdefault(first.person, [0, 0, 0])
            mine[0] += 1
            mine[1] += first.decision == second.decision
            mine[2] += second.decision in (BREACH, ESCALATE)
    return tuple(Agreement(person, *mine) for person, mine in sorted(counts.items()))


def _checks(acts: Sequence[Act]) -> Iterable[tuple[Act, Act]]:
    """(the decision that was checked, the one that checked it)."""
    first: Act | None = None
    wanted = False
    for one in acts:
        if one.quality:
            wanted = True
        elif one.action == DECIDE:
            if wanted and first is not None:
                yield first, one
            first, wanted = one, False
