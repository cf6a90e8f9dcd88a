"""Items that no adapter could read: listed without content, and read again later (PROTOCOL S10).

Owns both, pure over archived events: who opens the archive and who makes the new events durable is
the caller. The quarantined event itself stays for ever; what a replay makes of it are further
events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ingest.delivery import Deliverer, Parse, Range, rebuild
from ingest.exclusions import added, count_events, counted
from schemas import events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Delivery
from schemas.identity import delivery_id, event_id


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One quarantined item. `id` is 32 hex digits, `at` UTC ms, `size` the item's bytes."""

    id: str
    at: int
    door: str
    reason: str
    size: int


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """What the adapter makes of an item now: new events, or why it still cannot be read."""

    events: tuple[CapturedEvent, ...]
    reason: str = ""


def rows(archived: Iterable[CapturedEvent]) -> Iterator[QuarantineRow]:
    """A row for each quarantined item among `archived`, in their order."""
    for event in archived:
        if event.kind == events.QUARANTINE:
            start, end = _place(event)
            yield QuarantineRow(event_id(event).hex(), event.captured_at,
                                event.detail("door") or "", event.detail("reason") or "",
                                end - start)


def belongs_to(event: CapturedEvent) -> bytes:
    """The delivery that an event came in (16 bytes): replay needs all events that share it."""
    delivery = event.delivery
    if delivery is None:
        return b""
    if delivery.whole:
        return delivery_id(event.captured_at, event.raw or b"")
    return delivery.delivery_id


def replay(item: CapturedEvent, siblings: Iterable[CapturedEvent], parses: Mapping[str, Parse],
           deliverer: Deliverer) -> ReadAgain:
    """Read a quarantined item again, in the delivery that it came in.

    `siblings` are the archived events of that delivery (`belongs_to`), needed because an item alone
    does not say whose it is. The new events keep the item's captured_at and provenance, hold its
    bytes, are stamped by today's directory, and say that they were replayed. Raises Refused when
    the delivery's bytes are no longer all there.
    """
    wanted = belongs_to(item)
    if item.detail("door") == "import":
        raise Refused("it came in a file: hand that file in again")
    found = [one for one in rebuild([item, *siblings]) if one.delivery_id == wanted]
    if not found:
        raise Refused("the delivery that the item came in is not there")
    parse = parses.get(item.detail("door") or "")
    if parse is None:
        raise Refused("no adapter for the door that the item came through")
    at, body = _place(item), found[0].body
    try:
        parsed = parse(body, item.raw_type, item.captured_at)
    except Exception as error:  # noqa: BLE001 - an adapter's fault: the item stays where it is
        return ReadAgain((), f"adapter failed: {type(error).__name__}")
    for one in parsed.quarantined:
        if one.start < at[1] and at[0] < one.end:
            return ReadAgain((), one.reason)
    inside = [one for one in parsed.events if _inside(one, at, body)]
    made = tuple(_replayed(one, wanted, body, deliverer) for one in inside
                 if deliverer.exclusion_of(one) is None)
    # Its bytes stay in quarantine: whose they were was not known when they came.
    counts = added({}, (counted(one, why) for one in inside
                        if (why := deliverer.exclusion_of(one)) is not None))
    return ReadAgain(made + count_events(counts, f"quarantine:{event_id(item).hex()}",
                                         item.captured_at, deliverer.directory.firm_years()))


def _replayed(event: CapturedEvent, wanted: bytes, body: bytes,
              deliverer: Deliverer) -> CapturedEvent:
    delivery = event.delivery or Delivery(b"", 0, len(body))
    at = Delivery(wanted, delivery.start, delivery.end)
    stamped = deliverer.stamp(event, at)
    return replace(stamped, raw=body[at.start:at.end],
                   observations=(*event.observations, "replayed_from_quarantine"))


def _inside(event: CapturedEvent, at: Range, body: bytes) -> bool:
    delivery = event.delivery
    start, end = (delivery.start, delivery.end) if delivery else (0, len(body))
    return at[0] <= start and end <= at[1]


def _place(event: CapturedEvent) -> Range:
    if event.delivery is None:
        return 0, len(event.raw or b"")
    return event.delivery.start, event.delivery.end
