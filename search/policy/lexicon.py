"""What a policy is: its rules, who wrote and who approved it, and from when it is in force. Pure.

Owns the shapes, the digest of a policy and the choice of the version in force. The file is read by
`loading.py`; what a rule means for a message is `match.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from schemas import events
from schemas.errors import Refused
from search.tree import Tree

LOW: Final = "low"
MEDIUM: Final = "medium"
HIGH: Final = "high"
SEVERITIES: Final = (LOW, MEDIUM, HIGH)

ANY: Final = "any"
DIRECTIONS: Final = (events.IN, events.OUT, ANY)

# What a group of the directory is named by, among people.
GROUP: Final = "group:"

# Parts of a text that are not its author's words: see `zones.py`.
DISCLAIMER: Final = "disclaimer"
SIGNATURE: Final = "signature"
QUOTED: Final = "quoted"
FORWARDED: Final = "forwarded"
SYSTEM: Final = "system"
ZONES: Final = (DISCLAIMER, SIGNATURE, QUOTED, FORWARDED, SYSTEM)

# The tree is made of the words beside it: it is no part of what a policy is told apart by.
_MADE: Final = {"made": True}


@dataclass(frozen=True, slots=True)
class Term:
    """A query that counts `weight` points, once, where it matches; less than 0 speaks against."""

    find: str
    weight: int
    tree: Tree = field(metadata=_MADE, compare=False)


@dataclass(frozen=True, slots=True)
class Hours:
    """Some time of the week in the firm's zone. `days`: 0 = Monday; minutes of the day, half open.
    Where `until` is not after `since`, it ends on the next day, and counts for the day on which it
    began."""

    days: tuple[int, ...]
    since: int = 0
    until: int = 24 * 60

    def covers(self, at: datetime) -> bool:
        """Whether `at`, in the firm's zone, is in it."""
        minute, day = at.hour * 60 + at.minute, at.weekday()
        if self.since < self.until:
            return day in self.days and self.since <= minute < self.until
        return (day in self.days and minute >= self.since) or (
            (day - 1) % 7 in self.days and minute < self.until)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which messages a rule looks at; all of what is stated. () = whichever.

    People are named as `from:` and `to:` name them, or "group:NAME" (of the directory); one of
    several is enough. `languages`: two-letter codes; a text whose language cannot be told is looked
    at. A message of no known direction is looked at in either.
    """

    direction: str = ANY
    senders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    times: tuple[Hours, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """A message and those before it in its conversation, read as one text: at most so many in all,
    and none older than so many minutes; null = no such bound, one is stated."""

    messages: int | None = None
    minutes: int | None = None
    same_sender: bool = False


@dataclass(frozen=True, slots=True)
class RetractedSoon:
    """Taken back at most so many seconds after a text on which the rule hits."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Removed:
    """Words of the rule that an edit or a retraction took away."""


@dataclass(frozen=True, slots=True)
class NumberChanged:
    """An edit that changes a number after the other side said OK. `ok`: a query for those words."""

    ok: str
    ok_tree: Tree = field(metadata=_MADE, compare=False)


@dataclass(frozen=True, slots=True)
class AboveHabit:
    """Retractions of a custodian in the last `period_h` hours, at least `least` of them, so many
    that by his own rate of the `history_d` days before they would be seen with a probability below
    `tail` (Poisson; see habit.py)."""

    period_h: int
    history_d: int
    least: int
    tail: Decimal


Revision = RetractedSoon | Removed | NumberChanged | AboveHabit


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for and where. `why`: for the reviewer.

    `query`, or `terms` whose points reach `threshold`; neither = every message of the conditions
    (a revision rule). `zones_out`: zones whose words do not count. `exempt`: senders at whose
    messages it does not look. `obfuscation`: disguised words count too.
    """

    rule_id: str
    why: str
    query: str = ""
    terms: tuple[Term, ...] = ()
    threshold: int = 0
    conditions: Conditions = Conditions()
    zones_out: tuple[str, ...] = ZONES
    exempt: tuple[str, ...] = ()
    window: Window | None = None
    obfuscation: bool = False
    revision: Revision | None = None
    tree: Tree | None = field(default=None, metadata=_MADE, compare=False)

    def trees(self) -> tuple[Tree, ...]:
        """Every query of the rule that speaks for a hit."""
        own = () if self.tree is None else (self.tree,)
        return (*own, *(term.tree for term in self.terms if term.weight > 0))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """One version of a policy. `effective`: its first day in the firm's zone. `mandatory`: what it
    flags is reviewed whether a sample draws it or not. `disclaimers`: phrases of the firm's own;
    `lists`: what @NAME stands for in its queries."""

    policy_id: str
    version: int
    title: str
    author: str
    approver: str
    effective: date
    severity: str
    rules: tuple[Rule, ...]
    mandatory: bool = False
    disclaimers: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def digest(self) -> str:
        """SHA-256, hex, of what it says: comments, order of keys and spaces apart."""
        said = json.dumps(_plain(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(f"counterfoil/policy/v1\n{said}".encode("ascii")).hexdigest()


def in_force(known: Iterable[Lexicon], at: int, zone: tzinfo = UTC) -> tuple[Lexicon, ...]:
    """Of each policy the highest version whose first day has come at `at` (UTC ms), by id."""
    today = datetime.fromtimestamp(at / 1000, zone).date()
    chosen: dict[str, Lexicon] = {}
    for one in known:
        held = chosen.get(one.policy_id)
        if one.effective <= today and (held is None or one.version > held.version):
            chosen[one.policy_id] = one
    return tuple(chosen[name] for name in sorted(chosen))


def together(known: Sequence[Lexicon]) -> tuple[Lexicon, ...]:
    """Every version of every policy, each once, by id and version.

    Raises Refused where two say different things under one version: a flag names the version, and
    has to mean one text.
    """
    found: dict[tuple[str, int], Lexicon] = {}
    for one in known:
        held = found.setdefault((one.policy_id, one.version), one)
        if held.digest() != one.digest():
            raise Refused(f"two different policies are both {one.policy_id} version {one.version}:"
                          " give the changed one a higher version")
    return tuple(found[key] for key in sorted(found))


def _plain(value: Any) -> Any:
    """What JSON can say of it. Defaults are left out, so that a field that a later version of this
    program adds does not change what is said by a policy that does not use it."""
    if is_dataclass(value):
        said = {one.name: _plain(getattr(value, one.name)) for one in fields(value)
                if not one.metadata.get("made") and getattr(value, one.name) != one.default}
        return {"is": type(value).__name__, **said}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)
