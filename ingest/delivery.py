"""One authenticated request -> final events, with its exact bytes kept once (PROTOCOL S10, C4).

Owns what the directory says of each event, where a delivery's raw bytes go, and the way back
(`rebuild`). Reading the bytes is the adapters' part; making events durable is `publish.py`.

A delivery whose items share one key domain and conversation is kept whole in its first item's
event. Otherwise each item's event holds its own slice, and one `delivery` event of the firm holds
the rest: never one custodian's words under another's key, nor one client's in another's event
(docs/decisions/0037), never a byte twice.

Where the directory excludes an item, the delivery that is kept is another one: the bytes of the
other items, one after the other, without the envelope (it names who wrote) and without the
signature, which is over what is gone. Its events say so: `delivery_cut`.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import takewhile
from operator import attrgetter, itemgetter
from typing import Final

from ingest.exclusions import Count, Day, counted, is_excluded
from ingest.parts import encoded
from ingest.routing import Router
from schemas import domains, events
from schemas.directory import Directory, Exclusion
from schemas.errors import Refused
from schemas.events import CapturedEvent, Delivery, Parsed, Quarantined
from schemas.identity import canonical, delivery_id

SOURCE: Final = "gateway/1"
REST_TYPE: Final = "application/vnd.counterfoil.rest"
# (body, content type, captured_at) -> events and what could not be read; an adapter's `parse`.
Parse = Callable[[bytes, str, int], Parsed]
Range = tuple[int, int]
# The fields before those that the gateway adds, which are the last. `replace` would look at each
# one in Python, and takes longer than all else that is done to an event here.
_SAID_BY_SOURCE: Final = attrgetter(*takewhile(
    lambda name: name != "custodian", (one.name for one in fields(CapturedEvent))))
_MAKE: Final[Callable[..., CapturedEvent]] = CapturedEvent
# Accounts whose part of the directory is kept at hand; at the limit all are looked up anew.
_NARROWED_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request that passed its check. `headers` are those that were signed or decide the meaning,
    names in lower case, with ":url" and ":method" where the signature covers them; `verdict` names
    the check and `secret_id` which secret of the list passed it. The body of a GET is its query."""

    door: str
    channel: str
    content_type: str
    body: bytes = field(repr=False)
    captured_at: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    verdict: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a request became: its events, and of each item that is excluded what may be counted.
    Whoever makes the events durable makes the counts durable too."""

    events: tuple[CapturedEvent, ...]
    excluded: tuple[tuple[Day, Count], ...] = ()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A delivery as it was received, put together again from archived events."""

    delivery_id: bytes
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    verdict: str
    secret_id: str


class Deliverer:
    """Turns requests into final events under one directory at a time. Thread-safe."""

    def __init__(self, router: Router, directory: Directory) -> None:
        self._router = router
        self._view = _View(directory)

    @property
    def directory(self) -> Directory:
        """The load that is in force."""
        return self._view.directory

    def use(self, directory: Directory) -> None:
        """From the next request on, this load is in force."""
        self._view = _View(directory)

    def take(self, request: Request, parse: Parse) -> Taken:
        """Every event of a request, the quarantined ones too: never none unless all of it is
        excluded, never an exception for what a provider sent."""
        parsed, view = _parsed(request, parse), self._view
        if not view.directory.exclusions:
            return Taken(self._events(request, parsed, view))
        found = [(one, is_excluded(view.of(one.channel, one.account), one))
                 for one in parsed.events]
        excluded = tuple(counted(event, why) for event, why in found if why is not None)
        if not excluded:
            return Taken(self._events(request, parsed, view))
        kept = tuple(event for event, why in found if why is None)
        if not kept and not parsed.quarantined:
            return Taken((), excluded)
        gone = [_range_of(event, request.body) for event, why in found if why is not None]
        return Taken(self._events(*_cut(request, kept, parsed.quarantined, gone), view), excluded)

    def deliver(self, request: Request, parse: Parse) -> tuple[CapturedEvent, ...]:
        """The events of `take` alone: for whoever has no exclusions."""
        return self.take(request, parse).events

    def exclusion_of(self, event: CapturedEvent) -> Exclusion | None:
        """See `exclusions.is_excluded`; by the load in force."""
        view = self._view
        if not view.directory.exclusions:
            return None
        return is_excluded(view.of(event.channel, event.account), event)

    def _events(self, request: Request, parsed: Parsed, view: _View) -> tuple[CapturedEvent, ...]:
        if len(parsed.events) == 1 and not parsed.quarantined:
            # Almost every delivery: its only item holds it whole, and its domain is its own.
            event, = parsed.events
            return (_stamp(event, _whole_place(event, request), view, request.body,
                           request.content_type),)
        named = delivery_id(request.captured_at, request.body)
        made = _made(request, named, parsed)
        stamped = [_stamp(one, Delivery(named, *_range_of(one, request.body)), view)
                   for one in made]
        found = [self._router.domain(one) for one in stamped]
        if len(set(found)) == 1 and not _is_divisible(stamped, request.body):
            return (_whole(stamped[0], request), *stamped[1:])
        return _sliced(stamped, found, request, named, view)

    def stamp(self, event: CapturedEvent, delivery: Delivery | None) -> CapturedEvent:
        """`event` with what the directory says of it at the time that its retention counts from,
        without raw bytes."""
        return _stamp(event, delivery, self._view)


class _View:
    """One load of the directory, and the part of it that concerns each account."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._narrowed: dict[tuple[str, str], Directory] = {}

    def of(self, channel: str, account: str) -> Directory:
        """A directory that answers for `account` as the whole one does."""
        known = self._narrowed.get((channel, account))
        if known is not None:
            return known
        if len(self._narrowed) >= _NARROWED_MAX:
            self._narrowed.clear()
        accounts = tuple(one for one in self.directory.accounts if one.account == account)
        owners = {one.custodian_id for one in accounts}
        narrowed = replace(
            self.directory, accounts=accounts, source=b"",
            exclusions=tuple(one for one in self.directory.exclusions if one.account == account),
            custodians=tuple(one for one in self.directory.custodians
                             if one.custodian_id in owners))
        self._narrowed[channel, account] = narrowed
        return narrowed


def rebuild(archived: Iterable[CapturedEvent]) -> list[Rebuilt]:
    """Every delivery whose bytes are among `archived`, byte for byte, in order of first sight.

    Raises Refused when a delivery lacks some of its bytes (an erased custodian's, say) or when two
    events claim the same bytes differently.
    """
    rebuilt: dict[bytes, Rebuilt] = {}
    rests: dict[bytes, CapturedEvent] = {}
    pieces: dict[bytes, dict[Range, bytes]] = {}
    for event in archived:
        delivery = event.delivery
        if delivery is None or event.raw is None:
            continue
        if delivery.whole:
            named = delivery_id(event.captured_at, event.raw)
            rebuilt[named] = Rebuilt(named, event.raw, delivery.headers, delivery.verdict,
                                     delivery.secret_id)
        elif event.kind == events.DELIVERY:
            rests[delivery.delivery_id] = event
        else:
            mine = pieces.setdefault(delivery.delivery_id, {})
            if mine.setdefault((delivery.start, delivery.end), event.raw) != event.raw:
                raise Refused(f"delivery {delivery.delivery_id.hex()}: two different slices")
    for named, event in rests.items():
        rebuilt[named] = _joined(event, pieces.get(named, {}))
    return list(rebuilt.values())


def _joined(rest: CapturedEvent, slices: dict[Range, bytes]) -> Rebuilt:
    delivery = rest.delivery
    if delivery is None or rest.raw is None:
        raise AssertionError("a delivery event without its delivery")
    known = dict(slices)
    at = 0
    for piece in (rest.detail("pieces") or "").split(","):
        if piece:
            start, end = (int(bound) for bound in piece.split("-"))
            known[start, end] = rest.raw[at:at + end - start]
            at += end - start
    body = bytearray()
    for (start, _end), raw in sorted(known.items()):
        if start > len(body):
            break
        # What a replayed item holds again is there already; the id below settles differences.
        body += raw[len(body) - start:]
    if len(body) != delivery.end or delivery_id(rest.captured_at, bytes(body)) \
            != delivery.delivery_id:
        raise Refused(f"delivery {delivery.delivery_id.hex()}: lacks bytes from {len(body)} on")
    return Rebuilt(delivery.delivery_id, bytes(body), delivery.headers, delivery.verdict,
                   delivery.secret_id)


def only_encodable(parse: Parse,
                   exclusion_of: Callable[[CapturedEvent], Exclusion | None] = lambda _event: None,
                   ) -> Parse:
    """`parse`, but an event that cannot be written as a datum is quarantined, and it alone. What
    is excluded is nobody's to keep, in quarantine neither: `take` leaves it out."""

    def checked(body: bytes, content_type: str, captured_at: int) -> Parsed:
        parsed = parse(body, content_type, captured_at)
        good: list[CapturedEvent] = []
        bad = list(parsed.quarantined)
        for event in parsed.events:
            try:
                if exclusion_of(event) is None:
                    encoded(event)
            except Refused as error:
                start, end = _range_of(event, body)
                bad.append(Quarantined(str(error), body[start:end], start, end))
            else:
                good.append(event)
        return Parsed(tuple(good), tuple(bad))

    return checked


def _parsed(request: Request, parse: Parse) -> Parsed:
    body = request.body
    try:
        parsed = parse(body, request.content_type, request.captured_at)
        for start, end in (*(_range_of(one, body) for one in parsed.events),
                           *((one.start, one.end) for one in parsed.quarantined)):
            if not 0 <= start <= end <= len(body):
                raise Refused("an item outside the body")
    except Exception as error:  # noqa: BLE001 - an adapter's fault: all is kept, in quarantine
        reason = f"adapter failed: {type(error).__name__}"
        return Parsed((), (Quarantined(reason, body, 0, len(body)),))
    return parsed


def unwritable(parse: Parse, exclusion_of: Callable[[CapturedEvent], Exclusion | None]) -> Parse:
    """All of a body in quarantine, but for the items that are excluded."""

    def set_aside(body: bytes, content_type: str, captured_at: int) -> Parsed:
        reason = "events could not be written"
        excluded = tuple(one for one in parse(body, content_type, captured_at).events
                         if exclusion_of(one) is not None)
        gone = _clusters(_range_of(one, body) for one in excluded)
        pieces = _between(gone, len(body)) if excluded else [(0, len(body))]
        return Parsed(excluded, tuple(Quarantined(reason, body[start:end], start, end)
                                      for start, end in pieces))

    return set_aside


def _cut(request: Request, kept: tuple[CapturedEvent, ...], quarantined: Sequence[Quarantined],
         gone: Iterable[Range]) -> tuple[Request, Parsed]:
    """(the delivery without what is `gone`, and what is in it): the bytes of the other items,
    each on a line. An item that shares bytes with one that is gone keeps none."""
    body, removed = request.body, _clusters(gone)
    ranges = [*(_range_of(one, body) for one in kept),
              *((one.start, one.end) for one in quarantined)]
    shared = {one for one in ranges if _touches(one, removed)}
    clusters = [one for one in _clusters(one for one in ranges if one not in shared)
                if not _touches(one, removed)]
    starts = [start for start, _ in clusters]
    places = [0]
    for start, end in clusters:
        places.append(places[-1] + end - start + 1)

    def moved(at: Range) -> Range:
        if at in shared or at[0] == at[1] or not clusters:
            return 0, 0
        cluster = bisect_right(starts, at[0]) - 1
        offset = places[cluster] - starts[cluster]
        return at[0] + offset, at[1] + offset

    events_kept = tuple(
        replace(one, delivery=Delivery(b"", *moved(_range_of(one, body))),
                observations=tuple(sorted({*one.observations, "delivery_cut"})))
        for one in kept)
    pieces = tuple(
        Quarantined(one.reason, b"" if (one.start, one.end) in shared else one.raw,
                    *moved((one.start, one.end))) for one in quarantined)
    # No signature is kept: it is over the whole, and a hash of "yes" is "yes".
    return replace(request, body=b"\n".join(body[start:end] for start, end in clusters),
                   headers=()), Parsed(events_kept, pieces)


def _touches(one: Range, removed: Sequence[Range]) -> bool:
    """Whether a range has a byte in common with one of ascending, disjoint ranges."""
    at = bisect_left(removed, one[0], key=itemgetter(1))
    at += at < len(removed) and removed[at][1] == one[0]
    return at < len(removed) and max(removed[at][0], one[0]) < min(removed[at][1], one[1])


def _between(ranges: Sequence[Range], length: int) -> list[Range]:
    """What lies before, between and after ascending `ranges` in `length` bytes."""
    pieces: list[Range] = []
    at = 0
    for start, end in (*ranges, (length, length)):
        if at < start:
            pieces.append((at, start))
        at = end
    return pieces


def _made(request: Request, named: bytes, parsed: Parsed) -> list[CapturedEvent]:
    made = list(parsed.events)
    account = made[0].account if len({one.account for one in made}) == 1 else ""
    for one in parsed.quarantined:
        # No place named means the whole body.
        at = (one.start, one.end) if one.end or not one.raw else (0, len(request.body))
        made.append(_quarantine_event(request, one.reason, at, account, named))
    return made or [_empty_event(request, named)]


def _stamp(event: CapturedEvent, delivery: Delivery | None, view: _View,
           raw: bytes | None = None, raw_type: str | None = None) -> CapturedEvent:
    """`event` with what `view` says of it. Without `raw_type`, its own."""
    raw_type = event.raw_type if raw_type is None else raw_type
    if domains.is_month_from_capture(event):
        codes = {*event.observations, "month_from_capture"}
        event = replace(event, observations=tuple(sorted(codes)))
    role = domains.role_of(event)
    if role in (domains.FIRM, domains.QUARANTINE):
        return _MAKE(
            *_SAID_BY_SOURCE(event), custodian="", retention_class=domains.ROLE_NAMES[role],
            retention_years=view.directory.firm_years(), compartment="", raw=raw,
            raw_type=raw_type, delivery=delivery)
    said = view.of(event.channel, event.account).resolve(
        event.channel, event.account, event.conversation, domains.ground_time(event))
    return _MAKE(
        *_SAID_BY_SOURCE(event), custodian=said.custodian, retention_class=said.retention_class,
        retention_years=said.retention_years, compartment=said.compartment, raw=raw,
        raw_type=raw_type, delivery=delivery)


def _whole(event: CapturedEvent, request: Request) -> CapturedEvent:
    return replace(event, raw=request.body, raw_type=request.content_type,
                   delivery=_whole_place(event, request))


def _whole_place(event: CapturedEvent, request: Request) -> Delivery:
    """Of the event that holds all of `request`."""
    start, end = _range_of(event, request.body)
    return Delivery(b"", start, end, True, request.headers, request.verdict, request.secret_id)


def _is_divisible(stamped: Sequence[CapturedEvent], body: bytes) -> bool:
    """Whether items of several conversations lie beside each other: then each keeps its own bytes.
    An export of one conversation hands out archived bytes, and must not hand out another's words
    with them (docs/decisions/0037)."""
    if len({one.conversation for one in stamped}) == 1:
        return False
    clusters = _clusters(_range_of(one, body) for one in stamped)
    starts = [start for start, _ in clusters]
    talks: dict[int, set[str]] = {}
    for one in stamped:
        start, end = _range_of(one, body)
        if start < end:
            talks.setdefault(bisect_right(starts, start) - 1, set()).add(one.conversation)
    return len({frozenset(inside) for inside in talks.values()}) > 1


def _sliced(stamped: list[CapturedEvent], found: list[bytes], request: Request, named: bytes,
            view: _View) -> tuple[CapturedEvent, ...]:
    ranges = [_range_of(one, request.body) for one in stamped]
    clusters = _clusters(ranges)
    starts = [start for start, _ in clusters]
    inside: list[list[int]] = [[] for _ in clusters]
    for index, (start, end) in enumerate(ranges):
        if start < end:
            inside[bisect_right(starts, start) - 1].append(index)
    out = list(stamped)
    for cluster, members in zip(clusters, inside, strict=True):
        raw = request.body[cluster[0]:cluster[1]]
        delivery = Delivery(named, *cluster)
        carrier = _carrier(cluster, members, stamped, found)
        if carrier is not None:
            out[carrier] = replace(out[carrier], raw=raw, raw_type=request.content_type,
                                   delivery=delivery)
            continue
        held = _quarantine_event(request, "items under different keys overlap", cluster, "", named)
        out.append(replace(_stamp(held, delivery, view), raw=raw))
    out.append(_rest(clusters, request, named, view))
    return tuple(out)


def _rest(clusters: Sequence[Range], request: Request, named: bytes, view: _View) -> CapturedEvent:
    """The `delivery` event: every byte that is in no item, and what was signed."""
    pieces = _between(clusters, len(request.body))
    event = CapturedEvent(
        kind=events.DELIVERY, channel=request.channel, source=SOURCE, account="",
        conversation="firm", captured_at=request.captured_at, native_id=named.hex(),
        details=(("door", request.door),
                 ("pieces", ",".join(f"{start}-{end}" for start, end in pieces))),
        content_state=events.ABSENT_BY_SOURCE,
    )
    delivery = Delivery(named, 0, len(request.body), False, request.headers, request.verdict,
                        request.secret_id)
    rest = b"".join(request.body[start:end] for start, end in pieces)
    return replace(_stamp(event, delivery, view), raw=rest, raw_type=REST_TYPE)


def _range_of(event: CapturedEvent, body: bytes) -> Range:
    """The item's bytes in the body; an adapter that names none means all of it."""
    delivery = event.delivery
    if delivery is None:
        return 0, len(body)
    return delivery.start, delivery.end


def _clusters(ranges: Iterable[Range]) -> list[Range]:
    """The ranges, ascending; those that overlap are one."""
    merged: list[Range] = []
    for start, end in sorted(set(ranges)):
        if start == end:
            continue
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _carrier(cluster: Range, members: list[int], stamped: list[CapturedEvent],
             found: list[bytes]) -> int | None:
    """Which event holds the bytes of `cluster`; null if none may.

    Usually the only one. Several events of one item: the first that is not the firm's own, since
    the bytes are somebody's words. Items under different keys that overlap: none.
    """
    if len({found[index] for index in members}) == 1:
        return members[0]
    ranges = {(d.start, d.end) for index in members if (d := stamped[index].delivery)}
    if ranges != {cluster}:
        return None
    return next((index for index in sorted(members)
                 if domains.role_of(stamped[index]) != domains.FIRM), members[0])


def _quarantine_event(request: Request, reason: str, at: Range, account: str,
                      named: bytes) -> CapturedEvent:
    """An item that could not be read. Its identity is its place in this very delivery, and why."""
    place = hashlib.sha256(
        canonical("counterfoil/quarantine/v1", named, *at, reason)).hexdigest()[:32]
    return CapturedEvent(
        kind=events.QUARANTINE, channel=request.channel, source=SOURCE, account=account,
        conversation="quarantine", captured_at=request.captured_at, revision=place,
        details=(("door", request.door), ("reason", reason)),
        delivery=Delivery(named, *at), raw_type=request.content_type,
    )


def _empty_event(request: Request, named: bytes) -> CapturedEvent:
    """A delivery in which no adapter found an item: kept all the same."""
    return CapturedEvent(
        kind=events.UNKNOWN, channel=request.channel, source=SOURCE, account="",
        conversation="", captured_at=request.captured_at, revision=named.hex(),
        details=(("door", request.door),), observations=("delivery_empty",),
        content_state=events.ABSENT_BY_SOURCE,
    )
