"""What has become of one message under review: the fold of its facts. Pure.

Owns the states and the rule that leads from facts to a state:

    none ── flag, or opened by hand ──► open ── escalate, object ──► escalated (level + 1)
                                          │  clear, false positive        │
                                          ├──────────────► second ── confirm ──► closed
                                          └── not of high severity, or breach ─────► closed
    closed, second ── a flag or a version that the decision did not see, or reopen ──► open

The state is a function of the set of facts: any order, any repetition gives the same. A decision
names the versions and flags that were seen and the decisions that it follows; what it does not name
it does not decide. Decisions that follow each other are a chain, whose last leads. Two that do not
know of each other both stand: the one that leaves more to do leads, and the item says so
(`conflict`) until a decision follows both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from search.review.decisions import (
    ASSIGN,
    BREACH,
    CLEAR,
    CONFIRM,
    DECISIVE,
    ESCALATE,
    FALSE_POSITIVE,
    LEVEL_FIRST,
    OBJECT,
    REOPEN,
    TAG,
    UNTAG,
)
from search.review.facts import FLAG, HIGH, SEVERITIES, VERSION, Fact

# status
NONE: Final = "none"
OPEN: Final = "open"
ESCALATED: Final = "escalated"
SECOND: Final = "second"
CLOSED: Final = "closed"
STATUSES: Final = (OPEN, ESCALATED, SECOND, CLOSED)
WAITING: Final = frozenset({OPEN, ESCALATED, SECOND})

# why it waits
FLAGGED: Final = "flagged"
SAMPLED: Final = "sampled"
BY_HAND: Final = "by_hand"
NEW_FLAG: Final = "new_flag"
CHANGED: Final = "changed"
REOPENED: Final = "reopened"
QUALITY: Final = "quality"
WENT_UP: Final = "escalated"
OBJECTED: Final = "objected"
UNCONFIRMED: Final = "unconfirmed"

# needs
A_DECISION: Final = "decision"
A_SECOND: Final = "second"

# The more is left to do the higher.
_RANK: Final = {REOPEN: 5, OBJECT: 4, ESCALATE: 4, BREACH: 3, SECOND: 2, CLOSED: 1}


@dataclass(frozen=True, slots=True)
class ItemState:
    """Where an item stands. People, tags and rules are tokens, `lead` and `heads` names of facts.

    `severity`: the highest of its flags, "" without one. `outcome`: of a closed item, and what the
    first person said of one that waits for a second. `why`: why it waits. `opened_at`: when it
    first became an item; `waiting_since`: since when somebody is wanted, null = nobody (UTC ms).
    `decided_by`: who decided last; `confirmed_by`: and who agreed. `barred`: who may not decide
    next. `fresh`: flags and versions that the leading decision did not see. `conflict`: decisions
    stand that did not know of each other and differ. `heads`: what the next decision follows.
    """

    status: str = NONE
    level: int = LEVEL_FIRST
    severity: str = ""
    outcome: str = ""
    why: tuple[str, ...] = ()
    needs: str = ""
    opened_at: int | None = None
    waiting_since: int | None = None
    decided_at: int | None = None
    decided_by: str = ""
    confirmed_by: str = ""
    barred: tuple[str, ...] = ()
    assigned_to: str = ""
    tags: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    lead: str = ""
    heads: tuple[str, ...] = ()
    conflict: bool = False
    is_sample: bool = False
    is_mandatory: bool = False


def fold(found: Iterable[Fact]) -> ItemState:
    """The state of the item that these facts are about."""
    known = _distinct(found)
    flags = [one for one in known if one.what == FLAG]
    severity = max((one.severity for one in flags), key=SEVERITIES.index, default="")
    said = _valid([one for one in known if one.what in DECISIVE], severity)
    tags = _tags(known)
    if not flags and not said:
        return ItemState(tags=tags)
    first = min(one.at for one in (*flags, *said))
    shared = _Shared(known, flags, severity, first, tags)
    heads = _heads(said)
    return _decided(shared, heads, said) if heads else _undecided(shared)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What is true of an item whatever was decided."""

    known: Sequence[Fact]
    flags: Sequence[Fact]
    severity: str
    first: int
    tags: tuple[str, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(sorted({one.rule for one in self.flags if one.rule}))


def _undecided(shared: _Shared) -> ItemState:
    why = {SAMPLED if one.is_sample else FLAGGED for one in shared.flags}
    return ItemState(
        OPEN, LEVEL_FIRST, shared.severity, why=tuple(sorted(why)), needs=A_DECISION,
        opened_at=shared.first, waiting_since=shared.first,
        assigned_to=_assigned(shared.known, None), tags=shared.tags, rules=shared.rules,
        is_sample=_is_sample(shared.flags), is_mandatory=_is_mandatory(shared.flags))


def _decided(shared: _Shared, heads: Sequence[Fact], said: Sequence[Fact]) -> ItemState:
    by_name = {one.name: one for one in said}
    lead = max(heads, key=lambda one: (_RANK[_turn(one, shared.severity)], one.at, one.name))
    turn = _turn(lead, shared.severity)
    status, why = _status(lead, turn, shared)
    about = by_name.get(lead.about)
    fresh = _fresh(shared, lead, about) if turn in (CLOSED, SECOND, BREACH) else []
    since: int | None = lead.at
    if fresh:
        status = OPEN
        why = tuple(sorted({NEW_FLAG if one.what == FLAG else CHANGED for one in fresh}))
        # It cannot have waited before it was decided.
        since = max(lead.at, min(one.at for one in fresh))
    elif status == CLOSED:
        since = None
    return ItemState(
        status=status, level=lead.level, severity=shared.severity,
        outcome=_outcome(lead, about) if status in (CLOSED, SECOND) else "", why=why,
        needs={OPEN: A_DECISION, ESCALATED: A_DECISION, SECOND: A_SECOND}.get(status, ""),
        opened_at=shared.first, waiting_since=since, decided_at=lead.at,
        decided_by=about.person if lead.what == CONFIRM and about else lead.person,
        confirmed_by=lead.person if lead.what == CONFIRM else "",
        barred=_barred(lead, status, by_name),
        assigned_to="" if status == CLOSED else _assigned(
            shared.known, max(lead, *fresh) if fresh else lead),
        tags=shared.tags, rules=shared.rules, fresh=tuple(sorted(one.name for one in fresh)),
        lead=lead.name, heads=tuple(sorted(one.name for one in heads)),
        conflict=len({_meaning(one, by_name) for one in heads}) > 1,
        is_sample=_is_sample(shared.flags), is_mandatory=_is_mandatory(shared.flags))


def _distinct(found: Iterable[Fact]) -> list[Fact]:
    """Each fact once, in order; of two sightings of one the earliest leads (PROTOCOL I2)."""
    known: dict[str, Fact] = {}
    for one in found:
        held = known.get(one.name)
        if held is None or one < held:
            known[one.name] = one
    return sorted(known.values())


def _valid(said: Sequence[Fact], severity: str) -> list[Fact]:
    """Without second opinions by the person who gave the first, or on what needs none: whatever a
    console lets through, four eyes are four."""
    by_name = {one.name: one for one in said}
    kept = []
    for one in said:
        about = by_name.get(one.about)
        if one.what in (CONFIRM, OBJECT) and about is not None and (
                about.person == one.person or _turn(about, severity) != SECOND):
            continue
        kept.append(one)
    return kept


def _heads(said: Sequence[Fact]) -> list[Fact]:
    """The decisions that no other follows."""
    followed = {name for one in said for name in one.after if name != one.name}
    # A circle cannot be made by people; if one stands there all the same, nobody is left out.
    return [one for one in said if one.name not in followed] or list(said)


def _turn(one: Fact, severity: str) -> str:
    """What a decisive fact does to an item: a key of _RANK."""
    if one.what in (REOPEN, OBJECT):
        return one.what
    if one.what == CONFIRM:
        return CLOSED
    if one.decision in (CLEAR, FALSE_POSITIVE):
        return SECOND if one.second or severity == HIGH else CLOSED
    return BREACH if one.decision == BREACH else ESCALATE


def _status(lead: Fact, turn: str, shared: _Shared) -> tuple[str, tuple[str, ...]]:
    if turn == REOPEN:
        if lead.is_quality:
            return OPEN, (QUALITY,)
        return OPEN, (REOPENED if shared.flags or lead.after else BY_HAND,)
    if turn in (ESCALATE, OBJECT):
        return ESCALATED, (WENT_UP if turn == ESCALATE else OBJECTED,)
    return (SECOND, (UNCONFIRMED,)) if turn == SECOND else (CLOSED, ())


def _fresh(shared: _Shared, lead: Fact, about: Fact | None) -> list[Fact]:
    """What the decision did not see; of a confirmed one, what either of the two did not."""
    flags, versions = set(lead.flags), set(lead.versions)
    if about is not None:
        flags &= set(about.flags)
        versions &= set(about.versions)
    return [one for one in shared.known
            if (one.what == FLAG and one.name not in flags)
            or (one.what == VERSION and one.name not in versions)]


def _outcome(lead: Fact, about: Fact | None) -> str:
    return lead.decision or (about.decision if about else "")


def _meaning(one: Fact, by_name: dict[str, Fact]) -> str:
    if one.what == CONFIRM:
        return _outcome(one, by_name.get(one.about))
    return one.decision or one.what


def _barred(lead: Fact, status: str, by_name: dict[str, Fact]) -> tuple[str, ...]:
    if status == SECOND:
        return (lead.person,)
    if lead.is_quality:
        # A check of one's own work is none.
        checked = [by_name[name] for name in lead.after if name in by_name]
        people = {one.person for one in checked}
        people |= {by_name[one.about].person for one in checked if one.about in by_name}
        return tuple(sorted(people))
    return ()


def _assigned(known: Sequence[Fact], since: Fact | None) -> str:
    """Whose it is: the last word since the item came to where it is now."""
    last = next((one for one in reversed(known) if one.what == ASSIGN), None)
    if last is None or (since is not None and (last.at, last.name) < (since.at, since.name)):
        return ""
    return last.to


def _tags(known: Sequence[Fact]) -> tuple[str, ...]:
    held: set[str] = set()
    for one in known:
        if one.what == TAG:
            held.add(one.tag)
        elif one.what == UNTAG:
            held.discard(one.tag)
    return tuple(sorted(held))


def _is_sample(flags: Sequence[Fact]) -> bool:
    return bool(flags) and all(one.is_sample for one in flags)


def _is_mandatory(flags: Sequence[Fact]) -> bool:
    return any(one.is_mandatory for one in flags)
