"""The versions of one message as RSMF's `body`, `edits` and `deleted`, and what the schema has no
place for as custom properties.

Owns the table of decision 0036's formats for edits and retractions: a full chain where it was
captured, no invented text where it was not, and every other version named beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas import events
from schemas.gaps import Gap
from search.export.model import Item, Record
from search.export.rsmfmoments import said, written
from search.export.rsmfpeople import UNKNOWN, People
from search.project import BASE_KINDS
from search.thread import VersionView
from search.web import chat

Pairs = list[tuple[str, str | None]]

_TURNS: Final = {events.RETRACTION: ("Retracted", "Retraction"),
                 events.RESTORATION: ("Restored", "Restoration")}
_CAPTURED: Final = "Content captured before retraction"


@dataclass(frozen=True, slots=True)
class Chain:
    """`body`: the last text that is known, "" = none; `edits`: the oldest first; `custom`: in the
    order in which they are shown; `is_known`: whether any text is."""

    body: str
    edits: tuple[dict[str, Any], ...]
    custom: Pairs
    is_known: bool


def chain_of(item: Item, people: People) -> Chain:
    """What was written, and what it was changed to."""
    view = item.view
    content = [one for one in view.versions if one.kind in (*BASE_KINDS, events.EDIT)]
    # What a custodian handed in never changes what a provider vouches for (PROTOCOL C5).
    chosen = [one for one in content if _is_strong(one)] or content
    if view.hit.text and all(one.text is None for one in chosen):
        # But for it no text would be known at all: it is shown, and how it is known is said.
        chosen = content
    bases = [one for one in chosen if one.kind in BASE_KINDS]
    base = max(bases, key=lambda one: (one.content_state == events.PRESENT, bases.index(one)),
               default=None)
    changes = [one for one in chosen if one.kind == events.EDIT]
    records = recorder(item.records)
    previous = _text(base) if base else None
    edits: list[dict[str, Any]] = []
    custom: Pairs = []
    body, latest = previous, ""
    for number, one in enumerate(changes, 1):
        new, at = _text(one), written(one.occurred_at)
        edit: dict[str, Any] = {"participant": people.id_of(one.actor or view.hit.actor)}
        # Times go upwards. One that does not was not believed where versions are put in order.
        if at is not None and at >= latest:
            edit["timestamp"] = latest = at
        edit |= {name: value for name, value in (("previous", previous), ("new", new))
                 if value is not None}
        edits.append(edit)
        custom.append((f"Edit {number}", _told(one, records)))
        if new is None:
            custom.append((f"Edit {number} text", f"not captured: {_why(one)}"))
        previous, body = new, body if new is None else new
    if changes and base is None:
        custom.append(("Original captured", "no"))
    first = base or next(iter(view.versions), None)
    if first is not None:
        custom.insert(0, ("How it is known", chat.known(first)))
    custom += _others([one for one in content if one is not base and one not in changes], records)
    # A reaction, a receipt … whose message was never captured stands for itself.
    alone = [one for one in view.versions if one not in content and one.kind not in _TURNS]
    custom += _alone(alone, people, records)
    if not content and view.hit.kind not in _TURNS:
        body = view.hit.text
    custom += _differing(view.versions, records)
    return Chain(body or "", tuple(edits), custom, body is not None)


def turns_of(item: Item, people: People, gaps: Sequence[Gap], *, is_known: bool) -> Pairs:
    """Who took the message back and put it back again, when, and whether its text was captured
    before."""
    records = recorder(item.records)
    turns = [one for one in item.view.versions if one.kind in _TURNS]
    out: Pairs = []
    seen = dict.fromkeys(_TURNS, 0)
    has_strong = any(map(_is_strong, item.view.versions))
    for one in turns:
        seen[one.kind] += 1
        done, deed = _TURNS[one.kind]
        again = f" ({seen[one.kind]})" if seen[one.kind] > 1 else ""
        who = people.id_of(one.actor) if one.actor else UNKNOWN
        name = people.name(one.actor.native_id) if one.actor else _stated(item.records, one)
        out += [(f"{done} at{again}", _moment(one)), (f"{done} by{again}", who),
                (f"{done} by name{again}", name), (f"{deed} record id{again}", records(one))]
        if has_strong and not _is_strong(one):
            out.append((f"{deed} claimed{again}",
                        "by a file that the custodian handed in; it does not count here"))
    last = next((one for one in reversed(turns) if one.kind == events.RETRACTION), None)
    if last is not None:
        out.append((_CAPTURED, _captured(item, last, is_known=is_known)))
        if not is_known:
            out += [("Gap", gap.name or gap.reason) for gap in gaps if _covers(gap, item.at)]
    return out


def recorder(records: Sequence[Record]) -> Callable[[VersionView], str]:
    """Version -> the number of its record in data/native/events.jsonl, "" = it is not there."""
    numbers = {(one.pointer.segment, one.pointer.offset, one.pointer.index): str(one.number)
               for one in records}
    return lambda one: numbers.get((one.segment, one.offset, one.index), "")


def _text(one: VersionView) -> str | None:
    """Null = not captured. A text of nobody's is a text: a picture has none."""
    if one.text is not None or one.problem or one.content_state != events.PRESENT:
        return one.text
    return ""


def _is_strong(one: VersionView) -> bool:
    return one.provenance != events.CUSTODIAN_SUPPLIED


def _told(one: VersionView, records: Callable[[VersionView], str]) -> str:
    record = records(one)
    return "; ".join(part for part in (
        f"at {_moment(one)}", f"record {record}" if record else "",
        f"captured at {said(one.captured_at)}", chat.known(one)) if part)


def _others(versions: Iterable[VersionView],
            records: Callable[[VersionView], str]) -> Iterator[tuple[str, str | None]]:
    """Versions that are not in the chain: told twice, or claimed by a file of the custodian."""
    for number, one in enumerate(versions, 1):
        text = _text(one)
        yield f"Other version {number}", f"{one.kind}, {_told(one, records)}"
        yield f"Other version {number} text", text if text is not None else _why(one)


def _alone(versions: Iterable[VersionView], people: People,
           records: Callable[[VersionView], str]) -> Iterator[tuple[str, str | None]]:
    for number, one in enumerate(versions, 1):
        text = f": {one.text}" if one.text else ""
        yield (f"Recorded {number}",
               f"{one.kind}, by {people.name_of(one.actor)}, {_told(one, records)}{text}")


def _differing(versions: Iterable[VersionView],
               records: Callable[[VersionView], str]) -> Iterator[tuple[str, str | None]]:
    """A version that was captured again with other words."""
    number = 0
    for one in versions:
        for sighting in one.sightings:
            if sighting.differs:
                number += 1
                yield (f"Captured again {number}",
                       f"another text of record {records(one)}, captured at "
                       f"{said(sighting.captured_at)}: {sighting.text or 'none'}")


def _why(one: VersionView) -> str:
    return one.problem or one.content_state.replace("_", " ")


def _moment(one: VersionView) -> str:
    """When, as far as it is known."""
    if one.occurred_at is not None:
        return said(one.occurred_at)
    if one.occurred_not_before is not None:
        return f"between {said(one.occurred_not_before)} and {said(one.captured_at)}"
    local = f" ({one.occurred_local} as the file shows it)" if one.occurred_local else ""
    return f"not stated{local}; captured at {said(one.captured_at)}"


def _stated(records: Iterable[Record], one: VersionView) -> str:
    """The name of an administrator, where a file shows no more than that."""
    for record in records:
        place = record.pointer
        if (place.segment, place.offset, place.index) == (one.segment, one.offset, one.index):
            return (record.event and record.event.detail("deleted_by_name")) or ""
    return ""


def _captured(item: Item, last: VersionView, *, is_known: bool) -> str:
    if not is_known:
        return "no"
    first = min((one.captured_at for one in item.view.versions if one.text is not None),
                default=None)
    if first is None or first <= last.captured_at:
        return "yes"
    return f"no: the text was captured at {said(first)}, after the retraction"


def _covers(gap: Gap, at: int) -> bool:
    return (gap.since is None or gap.since <= at) and (gap.until is None or at <= gap.until)
