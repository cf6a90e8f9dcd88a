"""Watching those who watch: who looked at what, and who decided faster than anybody can read. Pure.

Owns what is made of the records of looks. Nothing here accuses: an outlier is a reason to look, and
the report says how it was worked out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Final

from schemas import events
from schemas.events import CapturedEvent
from search.audit import ATTACHMENT, VIEW
from search.review.decisions import CONFIRM, DECIDE
from search.review.history import History

# Fewer say nothing about a person, or about what is usual among people.
DECISIONS_MIN: Final = 5
PEOPLE_MIN: Final = 3
# So many robust standard deviations from the middle is unusual.
DEVIATIONS: Final = 3.0
# Nobody reads a message and its conversation in less, s.
FLOOR_S: Final = 3.0
# Of a normal distribution the standard deviation is this many median absolute deviations.
_MAD_TO_SIGMA: Final = 1.4826
# Where half of the people are exactly alike: the mean absolute deviation in its place.
_MEAN_TO_SIGMA: Final = 1.2533


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody saw something. `document`: "" = no single message (a search, a list)."""

    person: str
    action: str
    at: int
    document: str = ""


@dataclass(frozen=True, slots=True)
class Speed:
    """One reviewer's pace. `decisions`: not in bulk; `median_s`: between the last opening and the
    decision, null = none was opened before; `unopened`: decided without having opened the message;
    `under_floor`: in less than FLOOR_S; `bulk`: decided in bulk, apart. `score`: robust deviations
    from the middle of all reviewers' medians, on a scale of ratios, below 0 = faster; null = too
    few. `is_outlier`: somebody should look."""

    person: str
    decisions: int
    median_s: float | None
    unopened: int
    under_floor: int
    bulk: int
    score: float | None
    is_outlier: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What one person looked at. `actions`: how often each; `documents`: different messages opened;
    `unflagged`: of these such that nothing wanted to be reviewed."""

    person: str
    actions: Mapping[str, int]
    documents: int
    unflagged: tuple[str, ...]


def look_of(event: CapturedEvent) -> Look | None:
    """The look that an audit event records; null = another event."""
    if event.kind != events.AUDIT or event.actor is None:
        return None
    return Look(event.actor.native_id, event.detail("action") or "", event.captured_at,
                event.detail("document") or "")


def looked(looks: Iterable[Look], items: Iterable[str], since: int,
           until: int) -> tuple[Looked, ...]:
    """Who looked at what in a period (UTC ms, half open), by person. `items`: ids of documents that
    were there to be reviewed."""
    flagged = frozenset(items)
    actions: dict[str, Counter[str]] = {}
    opened: dict[str, set[str]] = {}
    for one in looks:
        if since <= one.at < until:
            actions.setdefault(one.person, Counter())[one.action] += 1
            if one.document and one.action in (VIEW, ATTACHMENT):
                opened.setdefault(one.person, set()).add(one.document)
    return tuple(Looked(person, dict(sorted(counts.items())), len(opened.get(person, ())),
                        tuple(sorted(opened.get(person, set()) - flagged)))
                 for person, counts in sorted(actions.items()))


def speeds(histories: Iterable[History], looks: Iterable[Look], since: int,
           until: int) -> tuple[Speed, ...]:
    """Each reviewer's pace in a period, the fastest first."""
    opened: dict[tuple[str, str], list[int]] = {}
    for look in looks:
        if look.action == VIEW and look.document:
            opened.setdefault((look.person, look.document), []).append(look.at)
    for times in opened.values():
        times.sort()
    paces: dict[str, _Pace] = {}
    for one in histories:
        for act in one.acts:
            if act.action not in (DECIDE, CONFIRM) or not since <= act.at < until:
                continue
            pace = paces.setdefault(act.person, _Pace())
            pace.take(act.at, opened.get((act.person, one.doc_id), []), is_bulk=bool(act.bulk))
    return _scored(paces)


class _Pace:
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.unopened = self.bulk = 0

    def take(self, at: int, opened: Sequence[int], *, is_bulk: bool) -> None:
        """One decision."""
        if is_bulk:
            self.bulk += 1
            return
        place = bisect_right(opened, at)
        if place:
            self.seconds.append((at - opened[place - 1]) / 1000)
        else:
            self.unopened += 1


def _scored(paces: Mapping[str, _Pace]) -> tuple[Speed, ...]:
    medians = {person: median(pace.seconds) for person, pace in paces.items()
               if len(pace.seconds) >= DECISIONS_MIN}
    # Ratios, not differences: 2 s beside 20 s is as odd as 20 s beside 200 s.
    scores = _deviations({person: log(max(value, 0.001)) for person, value in medians.items()})
    found = []
    for person, pace in paces.items():
        score, under = scores.get(person), sum(one < FLOOR_S for one in pace.seconds)
        count = len(pace.seconds) + pace.unopened
        is_odd = (score is not None and score < -DEVIATIONS) or (
            count >= DECISIONS_MIN and 2 * (under + pace.unopened) > count)
        found.append(Speed(person, count, median(pace.seconds) if pace.seconds else None,
                           pace.unopened, under, pace.bulk, score, is_odd))
    return tuple(sorted(found, key=lambda one: (
        one.median_s is None, one.median_s or 0.0, one.person)))


def _deviations(values: Mapping[str, float]) -> dict[str, float]:
    """How far from the middle each is, in robust standard deviations; {} for too few."""
    if len(values) < PEOPLE_MIN:
        return {}
    middle = median(values.values())
    away = [abs(one - middle) for one in values.values()]
    sigma = _MAD_TO_SIGMA * median(away) or _MEAN_TO_SIGMA * sum(away) / len(away)
    return {person: (one - middle) / sigma if sigma else 0.0 for person, one in values.items()}
