"""Key domains: whose words lie under which key (PROTOCOL T4, K4, D1).

Owns the reserved domain ids that every process can name, and the month that an event counts in.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from schemas import events
from schemas.events import CapturedEvent

RESERVED_PREFIX: Final = bytes(12)
FIRM: Final = 1
QUARANTINE: Final = 2
UNASSIGNED: Final = 3
ROLE_NAMES: Final = {FIRM: "firm", QUARANTINE: "quarantine", UNASSIGNED: "unassigned"}

# Kinds that are the firm's own and lie in the firm's domain.
FIRM_KINDS: Final = frozenset({
    events.POLICY, events.DIRECTORY, events.HOLD, events.REVIEW, events.AUDIT, events.EXPORT,
    events.HEARTBEAT, events.GAP, events.ASSIGNMENT, events.DELIVERY, events.NOTICE,
    events.DISPOSITION,
})
# A provider's time later than ours, or longer before it than this, is no ground for retention: a
# time of 1973 would lock for a day (docs/decisions/0011).
_PAST_MS_MAX: Final = 400 * 86_400_000
_MONTH_MS_MAX: Final = 31 * 86_400_000
_VOUCHED: Final = (events.PROVIDER_SIGNED, events.PROVIDER_FETCHED)


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """What a domain id stands for. `month` is "YYYY-MM"."""

    custodian: str
    retention_class: str
    month: str
    compartment: str
    years: int
    role: str = ""


def reserved(role: int, year: int, month: int) -> bytes:
    """12 zero bytes, role u8, year u16 big-endian, month u8: 16 bytes."""
    return RESERVED_PREFIX + struct.pack(">BHB", role, year, month)


def is_reserved(domain: bytes) -> bool:
    """Whether `domain` is a reserved id rather than an HMAC."""
    return domain[:12] == RESERVED_PREFIX


def reserved_parts(domain: bytes) -> tuple[int, int, int]:
    """(role, year, month) of a reserved domain id."""
    role, year, month = struct.unpack(">BHB", domain[12:])
    return role, year, month


def ground_time(event: CapturedEvent) -> int:
    """The time that retention counts from (PROTOCOL D1): the source's where the provider vouches
    for it and it is not later than ours nor more than 400 days before it, else ours. UTC ms."""
    occurred = event.occurred_at
    if event.provenance in _VOUCHED and occurred is not None \
            and max(1, event.captured_at - _PAST_MS_MAX) <= occurred <= event.captured_at:
        return occurred
    return event.captured_at


def is_month_from_capture(event: CapturedEvent) -> bool:
    """Whether the provider vouches for a time, and the month is another than that time's.

    Not where both months are one: a clock of ours that is seconds late would mark every message,
    and tell it from its own redelivery.
    """
    occurred, used = event.occurred_at, ground_time(event)
    if event.provenance not in _VOUCHED or occurred is None or occurred == used:
        return False
    return abs(occurred - used) > _MONTH_MS_MAX or month_text(occurred) != month_text(used)


def month_text(at: int) -> str:
    """ "YYYY-MM" in UTC of `at` (ms)."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment.year:04d}-{moment.month:02d}"


def month_start(month: str) -> int:
    """The first instant of "YYYY-MM" (UTC ms)."""
    year, number = (int(part) for part in month.split("-"))
    return int(datetime(year, number, 1, tzinfo=UTC).timestamp() * 1000)


def month_end(month: str) -> int:
    """The first instant after "YYYY-MM" (UTC ms)."""
    year, number = (int(part) for part in month.split("-"))
    return month_start(f"{year + number // 12:04d}-{number % 12 + 1:02d}")


def month_of(event: CapturedEvent) -> tuple[int, int]:
    """(year, month) in UTC of `ground_time`."""
    at = datetime.fromtimestamp(ground_time(event) / 1000, UTC)
    return at.year, at.month


def role_of(event: CapturedEvent) -> int:
    """The reserved role that this event's domain has, or 0 for a custodian's domain."""
    if event.kind == events.QUARANTINE:
        return QUARANTINE
    if event.kind in FIRM_KINDS:
        return FIRM
    return UNASSIGNED if not event.custodian else 0


def facts_of(event: CapturedEvent) -> DomainFacts:
    """What the domain of this event stands for."""
    year, month = month_of(event)
    role = role_of(event)
    return DomainFacts(
        custodian=event.custodian if not role else "",
        retention_class=event.retention_class,
        month=f"{year:04d}-{month:02d}",
        compartment=event.compartment if not role else "",
        years=event.retention_years,
        role=ROLE_NAMES.get(role, ""),
    )
