"""Review items in words: when they are due, who has them, what was done and by whom. Pure.

Owns the wording of the queue and of an item's page. Codes of search/review/ stand here once, beside
what a person reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from schemas.errors import Denied, Refused
from search.access import roles
from search.access.viewer import Viewer
from search.review import decisions, item, rules
from search.review.history import Act, History, Raised
from search.review.item import ItemState
from search.review.leases import Claim
from search.review.rules import Intent
from search.review.views import ItemView, QueueRow
from search.thread import MessageView
from search.web import chat, queuefilters, times
from search.web.ask import sentence
from search.web.chat import Bubble
from search.web.times import Stamp, Zone

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
# What is due within this is marked.
_SOON_MS: Final = _HOUR_MS

DECISIONS: Final[Mapping[str, tuple[str, str]]] = {
    decisions.CLEAR: ("Clear", "You looked, and nothing is wrong."),
    decisions.FALSE_POSITIVE: ("False positive", "The rule should not have flagged it."),
    decisions.ESCALATE: ("Escalate", "Somebody above you decides. Say why."),
    decisions.BREACH: ("Breach", "A rule of the firm or the law was broken. Say why."),
}
_DECIDED: Final[Mapping[str, str]] = {
    decisions.CLEAR: "cleared it", decisions.FALSE_POSITIVE: "called it a false positive",
    decisions.ESCALATE: "escalated it", decisions.BREACH: "found a breach"}
_NOT_YOURS: Final = "Your account may look at items and not decide on them."

Names = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Due:
    """`said`: "due in 3 h", "2 d overdue", "" = nobody is wanted; `how`: overdue | soon | ""."""

    said: str
    how: str
    when: Stamp | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on it: `said` in words, "" = nobody does. `is_me`, `is_other`: by claim."""

    said: str
    is_me: bool = False
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A row of the queue. `number`: its place on the page, from 0."""

    number: int
    row: QueueRow
    bubble: Bubble
    status: str
    why: str
    due: Due
    holder: Holder
    can_claim: bool
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened to an item. `who`: "" = a rule."""

    when: Stamp
    who: str
    what: str
    reason: str = ""
    note: str = ""
    pending: bool = False
    is_flag: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What a person may do with an item. Each is "" = may, else why not; null = not for this
    account, and not spoken of."""

    decide: str | None
    second: str | None
    reopen: str | None
    assign: str | None
    note: str | None
    unmask: str | None
    levels: tuple[tuple[int, str], ...]
    gives: bool


def due(at: int | None, now: int, zone: Zone) -> Due:
    """`at`, `now`: UTC ms."""
    if at is None:
        return Due("", "", None)
    left = at - now
    when = times.stamp(at, zone, "when it is due")
    if left < 0:
        return Due(f"{about(-left)} overdue", "overdue", when)
    return Due(f"due in {about(left)}", "soon" if left < _SOON_MS else "", when)


def about(ms: int) -> str:
    """A length of time as people plan with it: "2 d", "1 d 20 h", "3 h", "12 min"."""
    days, rest = divmod(max(0, ms), _DAY_MS)
    hours = rest // _HOUR_MS
    if days:
        return f"{days} d {hours} h" if days == 1 and hours else f"{days} d"
    if hours:
        return f"{hours} h"
    minutes = rest // _MINUTE_MS
    return f"{minutes} min" if minutes else "less than a minute"


def line(number: int, row: QueueRow, message: MessageView, viewer: Viewer, now: int, zone: Zone,
         name: Names) -> QueueLine:
    """A row of the queue as a page shows it."""
    holder = held(row.claim, row.assigned_to, viewer, zone, name)
    return QueueLine(
        number, row, chat.bubble(message, zone), status(row.state), _beside(row.state),
        due(row.due_at, now, zone), holder,
        row.state.status in item.WAITING and not row.is_own and row.claim is None
        and roles.DECIDE in viewer.may,
        # By name also where the rule is in no policy any more.
        tuple(dict.fromkeys(one.rule for one in message.flags)) or row.rules)


def held(claim: Claim | None, assigned: str, viewer: Viewer, zone: Zone, name: Names) -> Holder:
    """A claim says more than whom it was given to."""
    if claim is not None:
        until = times.stamp(claim.until, zone).clock[:5]
        if claim.person == viewer.person:
            return Holder(f"yours until {until}", is_me=True)
        return Holder(f"held by {name(claim.person)} until {until}", is_other=True)
    if assigned == viewer.person:
        return Holder("assigned to you")
    return Holder(f"assigned to {name(assigned)}" if assigned else "")


def status(state: ItemState) -> str:
    """Where an item stands."""
    if state.status == item.CLOSED:
        return f"closed: {queuefilters.OUTCOMES.get(state.outcome, state.outcome)}"
    said = {item.OPEN: "open", item.ESCALATED: "escalated", item.NONE: "not in the queue",
            item.SECOND: "waits for a second person"}[state.status]
    if state.level > decisions.LEVEL_FIRST:
        return f"{said}, with {rules.LEVEL_NAMES[state.level]} (level {state.level})"
    return said


def why(state: ItemState) -> str:
    """Why it waits; "" where nobody is wanted."""
    return ", ".join(queuefilters.WHY.get(one, one) for one in state.why)


def _beside(state: ItemState) -> str:
    """Why it waits, where its status does not say it already."""
    return why(replace(state, why=tuple(one for one in state.why if one not in (
        item.FLAGGED, item.WENT_UP, item.UNCONFIRMED))))


def offer(view: ItemView, viewer: Viewer) -> Offer:
    """What this person may do now. The same rules are asked again when the form comes."""
    state = view.state
    me = next((one for one in state.barred if view.history.name_of(one) == viewer.person), "")

    def asked(action: str, needs: str, decision: str = "") -> str | None:
        if needs not in viewer.may:
            return None
        try:
            rules.check(Intent(action, decision, reason="-" * rules.REASON_CHARS_MIN, to_self=True),
                        state, viewer, me, is_own=view.is_own)
        except (Denied, Refused) as error:
            return sentence(str(error))
        return ""

    first = min(state.level + 1, decisions.LEVEL_LAST)
    return Offer(
        decide=asked(decisions.DECIDE, roles.DECIDE, decisions.CLEAR),
        second=asked(decisions.CONFIRM, roles.SECOND), reopen=asked(decisions.REOPEN, roles.REOPEN),
        assign=asked(decisions.ASSIGN, roles.DECIDE), note=asked(decisions.NOTE, roles.DECIDE),
        unmask=None if view.names_shown else asked(decisions.UNMASK, roles.UNMASK),
        levels=tuple((one, rules.LEVEL_NAMES[one])
                     for one in range(first, decisions.LEVEL_LAST + 1) if one > state.level),
        gives=roles.ASSIGN in viewer.may)


def barred(view: ItemView, what: Offer) -> str:
    """Why this person cannot decide it now, in one sentence; "" = nothing is in the way."""
    if view.state.status == item.SECOND:
        return what.second if what.second is not None else (
            "It waits for a second person with that right.")
    if view.state.status not in item.WAITING:
        return ""
    return _NOT_YOURS if what.decide is None else what.decide


def story(made: History, zone: Zone, name: Names) -> tuple[Told, ...]:
    """Flags and acts in the order in which they came."""
    by_name = {one.name: one for one in made.acts}
    found = [(one.at, _raised(one, zone)) for one in made.flags]
    found += [(one.at, _act(one, by_name, zone, name)) for one in made.acts]
    return tuple(told for _, told in sorted(found, key=lambda one: one[0]))


def last_of(made: History, person: str, zone: Zone, name: Names) -> Told | None:
    """What a person did last with an item; null = nothing."""
    mine = [one for one in made.acts if one.person == person]
    return _act(mine[-1], {one.name: one for one in made.acts}, zone, name) if mine else None


def leading(made: History) -> Act | None:
    """The decision that the item stands on; null = there is none."""
    return next((one for one in made.acts if one.name == made.state.lead), None)


def fresh(made: History) -> tuple[str, ...]:
    """What the decision did not see: the rules of new flags, and whether the message changed."""
    new = set(made.state.fresh)
    titles = dict.fromkeys(f"flagged by {one.rule}" for one in made.flags if one.name in new)
    changed = len(new) > sum(one.name in new for one in made.flags)
    return (*titles, *(("edited or retracted",) if changed else ()))


def disagreement(made: History, zone: Zone, name: Names) -> Sequence[Told]:
    """The decisions that did not know of each other."""
    heads = set(made.state.heads)
    by_name = {one.name: one for one in made.acts}
    return [_act(one, by_name, zone, name) for one in made.acts if one.name in heads]


def did(act: Act, by_name: Mapping[str, Act], name: Names) -> str:
    """What somebody did, after their name."""
    level = f"level {act.level}, {rules.LEVEL_NAMES.get(act.level, '')}"
    if act.action == decisions.DECIDE:
        said = _DECIDED.get(act.decision, act.decision)
        said += f" to {level}" if act.decision == decisions.ESCALATE else ""
        said += "; a second person has to agree" if act.second else ""
        return f"{said}, together with others" if act.bulk else said
    about = by_name.get(act.about)
    whose = f"{name(about.person)}’s decision" if about is not None else "the decision"
    return {
        decisions.CONFIRM: f"confirmed {whose}",
        decisions.OBJECT: f"objected to {whose}: it goes to {level}",
        decisions.ASSIGN: (f"gave it to {name(act.to)}" if act.to and act.to != act.person else
                           "took it" if act.to else "assigned it to nobody"),
        decisions.NOTE: "noted", decisions.TAG: f"tagged it “{act.tag}”",
        decisions.UNTAG: f"took the tag “{act.tag}” off",
        decisions.REOPEN: "opened it again, to have it checked" if act.quality else "opened it",
        decisions.UNMASK: "asked to see the names",
    }.get(act.action, act.action)


def _act(one: Act, by_name: Mapping[str, Act], zone: Zone, name: Names) -> Told:
    return Told(times.stamp(one.at, zone), name(one.person), did(one, by_name, name), one.reason,
                one.note, one.pending)


def _raised(one: Raised, zone: Zone) -> Told:
    return Told(times.stamp(one.at, zone), "",
                f"{one.rule} of {one.policy}, version {one.version}, flagged it: {one.severity}",
                one.reason, is_flag=True)
