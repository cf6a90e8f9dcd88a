"""Times as a person reads them: in the viewer's zone, with what the source meant beside it. Pure.

Owns the words. A time that a source did not state is never shown as one that it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEANINGS: Final = {
    "sent": "when it was sent, as the source states",
    "provider_webhook": "when the provider told us",
    "device_received": "when the telephone received it",
}
STATED: Final = "as the source states"
RECEIVED: Final = "when we received it; the source gave no time"
LOCAL: Final = "as the file shows it; the zone is not known"
BETWEEN: Final = "not earlier than this; the source gave no time"
NONE: Final = "no time is known"


@dataclass(frozen=True, slots=True)
class Zone:
    """The viewer's. `name`: as "Europe/London"."""

    name: str
    info: tzinfo


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment. `day`: "Thu 19 Nov 2026" (also what days are told apart by); `clock`: "09:15:20";
    `iso`: for machines, "" where there is none; `meaning`: what the time means; `title`: all of it
    in words; `prefix`: what stands before it where it is not exact."""

    day: str
    clock: str
    iso: str
    meaning: str
    title: str
    prefix: str = ""

    @property
    def full(self) -> str:
        """Day and time."""
        return " ".join(one for one in (self.prefix, self.day, self.clock) if one)


class Dated(Protocol):
    """A hit or a version."""

    @property
    def occurred_at(self) -> int | None:
        """UTC ms; null = the source stated none."""

    @property
    def captured_at(self) -> int | None:
        """UTC ms of our clock."""

    @property
    def occurred_local(self) -> str | None:
        """As a file shows it."""

    @property
    def occurred_not_before(self) -> int | None:
        """UTC ms; where no time is known, when it cannot have been earlier."""


def stamp(at: int | None, zone: Zone, meaning: str = "") -> Stamp:
    """`at`: UTC ms."""
    moment = _moment(at)
    if at is None or moment is None:
        said = NONE if at is None else f"{at} ms since 1970"
        return Stamp("", said, "", meaning, said)
    local = moment.astimezone(zone.info)
    offset = local.strftime("%z")
    title = (f"{local:%A, %d %B %Y, %H:%M:%S} {zone.name} (UTC{offset[:3]}:{offset[3:5]}); "
             f"{moment:%Y-%m-%d %H:%M:%S}.{at % 1000:03d} UTC")
    return Stamp(f"{local:%a} {local.day} {local:%b %Y}", f"{local:%H:%M:%S}",
                 f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z", meaning,
                 f"{title}. {meaning[:1].upper()}{meaning[1:]}" if meaning else title)


def of(dated: Dated, zone: Zone, meaning: str | None = None) -> Stamp:
    """When something was. `meaning`: the source's code for its time, null = not said."""
    if dated.occurred_at is not None:
        return stamp(dated.occurred_at, zone, _MEANINGS.get(meaning or "", STATED))
    if dated.occurred_local:
        return _local(dated.occurred_local)
    if dated.occurred_not_before is not None:
        found = stamp(dated.occurred_not_before, zone, BETWEEN)
        return Stamp(found.day, found.clock, found.iso, BETWEEN, found.title, "after")
    found = stamp(dated.captured_at, zone, RECEIVED)
    return Stamp(found.day, found.clock, found.iso, RECEIVED, found.title, "received")


def lasted(ms: int) -> str:
    """A length of time in its two largest units: "42 s", "1 min 35 s", "3 d 4 h"."""
    seconds = max(0, ms) // 1000
    parts = []
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "less than a second"


def _moment(at: int | None) -> datetime | None:
    if at is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=at)
    except OverflowError:
        return None  # a source's time outside the years 1 to 9999


def _local(said: str) -> Stamp:
    try:
        found = datetime.fromisoformat(said).replace(tzinfo=UTC)
    except ValueError:
        return Stamp("", said, "", LOCAL, f"{said}. {LOCAL}")
    clock = f"{found:%H:%M:%S}" if said.count(":") > 1 else f"{found:%H:%M}"
    day = f"{found:%a} {found.day} {found:%b %Y}"
    return Stamp(day, clock, "", LOCAL, f"{day} {clock}, {LOCAL}")
