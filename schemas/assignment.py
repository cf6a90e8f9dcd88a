"""An account's unassigned messages, given to a custodian afterwards (PROTOCOL C4, decision 0015).

Owns the decision's shape, its event, and what a set of decisions means together. Nothing that was
captured changes: whose a message is, is looked up when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import domains, events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity

SOURCE: Final = "search/1"
_TIME_MAX: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class Assignment:
    """`account` on `channel` was `custodian_id`'s from `since` until `until` (UTC ms, half open;
    null = open). `decided_at`: our clock; `assignment_id`: told apart by."""

    assignment_id: str
    decided_at: int
    channel: str
    account: str
    custodian_id: str
    since: int | None = None
    until: int | None = None
    reason: str = ""

    def covers(self, at: int) -> bool:
        """Whether a message of that time (UTC ms) is meant."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Window:
    """UTC ms, half open; null = open."""

    channel: str
    account: str
    since: int | None
    until: int | None


class Assignments:
    """Decisions, as one answer. A function of the set: order and repetition do not matter.

    Where two cover one moment the later decision holds: that is how a wrong one is put right.
    """

    def __init__(self, known: Iterable[Assignment] = ()) -> None:
        self._of: dict[tuple[str, str], list[Assignment]] = {}
        for one in sorted(set(known), key=_later_first):
            self._of.setdefault((_channel(one.channel), one.account), []).append(one)

    def __bool__(self) -> bool:
        return bool(self._of)

    def known_at(self, at: int) -> Assignments:
        """Those that had been decided before `at` (UTC ms)."""
        return Assignments(one for several in self._of.values() for one in several
                           if one.decided_at < at)

    def every(self) -> tuple[Assignment, ...]:
        """The decisions, in one order."""
        return tuple(one for _, several in sorted(self._of.items()) for one in several)

    def accounts(self) -> tuple[tuple[str, str], ...]:
        """(channel, account) of every decision, sorted."""
        return tuple(sorted(self._of))

    def custodian(self, channel: str, account: str, at: int) -> str:
        """Whose an unassigned message of `account` at `at` (UTC ms) is; "" = nobody's yet."""
        several = self._of.get((_channel(channel), account), ())
        return next((one.custodian_id for one in several if one.covers(at)), "")

    def windows(self, is_wanted: Callable[[str], bool]) -> list[Window]:
        """When which accounts' unassigned messages are those of a custodian that is wanted, by
        channel and account, in order of time; windows of one account do not touch."""
        return [Window(channel, account, since, until)
                for (channel, account), several in sorted(self._of.items())
                for since, until in _in_force(several, is_wanted)]


def assignment_event(decided: Assignment, actor: str, firm_years: int) -> CapturedEvent:
    """The event that says so, in the firm's domain; its text is the reason."""
    details = {"account": decided.account, "channel": decided.channel,
               "custodian": decided.custodian_id}
    if decided.since is not None:
        details["from"] = str(decided.since)
    if decided.until is not None:
        details["until"] = str(decided.until)
    return CapturedEvent(
        kind=events.ASSIGNMENT, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=decided.decided_at,
        occurred_at=decided.decided_at, occurred_precision="ms", native_id=decided.assignment_id,
        actor=Identity(actor, "user"), text=decided.reason, details=tuple(sorted(details.items())),
        provenance=events.OWN, retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=firm_years)


def read_assignment(event: CapturedEvent) -> Assignment:
    """The decision that an event states. Raises Refused for one that states none."""
    said = dict(event.details)
    try:
        since, until = (_time(said.get(name)) for name in ("from", "until"))
        found = Assignment(event.native_id or "", event.captured_at, said["channel"],
                           said["account"], said["custodian"], since, until, event.text or "")
    except (KeyError, ValueError) as error:
        raise Refused(f"an assignment that does not read: {type(error).__name__}") from error
    if event.kind != events.ASSIGNMENT or not (found.account and found.custodian_id):
        raise Refused("an assignment of nothing")
    return found


def _in_force(several: Sequence[Assignment],
              is_wanted: Callable[[str], bool]) -> list[tuple[int | None, int | None]]:
    """`several` decisions on one account, the later first -> where a wanted one is in force."""
    bounds = sorted({at for one in several for at in (one.since, one.until) if at is not None})
    found: list[tuple[int | None, int | None]] = []
    # Between two bounds, and outside of all, one decision holds throughout.
    for since, until in zip([None, *bounds], [*bounds, None], strict=True):
        at = since if since is not None else (until - 1 if until is not None else 0)
        holds = next((one for one in several if one.covers(at)), None)
        if holds is None or not is_wanted(holds.custodian_id):
            continue
        if found and since is not None and found[-1][1] == since:
            found[-1] = found[-1][0], until
        else:
            found.append((since, until))
    return found


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or len(text) > 17:
        raise ValueError("no time")
    at = int(text)
    if abs(at) > _TIME_MAX:
        raise ValueError("no time")
    return at


def _channel(channel: str) -> str:
    # As the directory reads it: one number has one owner, whichever form a message takes.
    return "sms" if channel == "mms" else channel


def _later_first(one: Assignment) -> tuple[int, str, str]:
    return -one.decided_at, one.assignment_id, repr(one)
