"""What the gateway says about its own state: alarms, spool, closed doors (PROTOCOL C7).

Owns the board of active alarms and the value that `counterfoil status` shows of a gateway. Written
out through the port StatusSink; infra decides where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schemas.findings import Alarm


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """One look at a gateway. Times are UTC ms; `log` is the topic's name, "" if never reached."""

    at: int
    log: str
    spool_count: int
    spool_bytes: int
    spool_oldest_at: int | None
    rejected_recently: int               # in the last five minutes
    closed_doors: tuple[str, ...]        # doors without a secret
    requests_in_flight: int
    stopping: bool
    alarms: tuple[Alarm, ...]
    media_waiting: int = 0               # files that are not fetched or not stored yet


class StatusSink(Protocol):
    """Where a status goes. Not evidence: it may be lost, and the last one stands."""

    def write(self, status: GatewayStatus) -> None:
        """Replace the status that readers see; readers never see half of it. Raises Transient."""


@dataclass(slots=True)
class _Active:
    alarm: Alarm
    until: int | None


class AlarmBoard:
    """The active alarms of one process. Touched from the event loop's thread only.

    An alarm that is a state (the log is unreachable) stays until it is cleared; one that is an
    occurrence (a request was too large) stays for a stated time after the last one. Alarms of one
    code about several subjects (two doors, two reasons) are several: none hides or ends another.
    """

    def __init__(self) -> None:
        self._active: dict[tuple[str, str], _Active] = {}

    def set(self, code: str, now: int, detail: str = "", hold_ms: int | None = None,
            subject: str = "") -> None:
        """Raise `code` about `subject`, or renew its detail and time; `since` is when it was first
        raised. A subject is written to files: a name, never a number."""
        known = self._active.get((code, subject))
        since = known.alarm.since if known and (known.until is None or known.until > now) else now
        until = None if hold_ms is None else now + hold_ms
        self._active[code, subject] = _Active(Alarm(code, since, detail, subject), until)

    def restore(self, alarm: Alarm, until: int) -> None:
        """An occurrence that an earlier process saw, active until then (UTC ms)."""
        self._active[alarm.code, alarm.subject] = _Active(alarm, until)

    def occurrences(self, now: int) -> tuple[tuple[Alarm, int], ...]:
        """Active alarms that end by themselves, and when, by code and subject."""
        return tuple((one.alarm, one.until) for _, one in sorted(
            self._active.items(), key=lambda item: item[0])
            if one.until is not None and one.until > now)

    def clear(self, code: str, subject: str = "") -> None:
        """The state is over, of that subject alone. No error if it was not raised."""
        self._active.pop((code, subject), None)

    def active(self, now: int) -> tuple[Alarm, ...]:
        """Active alarms by code and subject; those whose time is over are forgotten."""
        for name in [name for name, one in self._active.items()
                     if one.until is not None and one.until <= now]:
            del self._active[name]
        return tuple(self._active[name].alarm for name in sorted(self._active))
