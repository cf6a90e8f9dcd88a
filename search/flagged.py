"""Why a message was flagged: which rule of which version, in words, and where in its versions.

Owns the way from a document's policy entries to what a person is shown. A flag names a text by the
id of the event that carried it; here that becomes the row of the version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas import events
from schemas.document import Document, Entry
from schemas.errors import Refused
from schemas.identity import event_id
from search.bodies import Bodies
from search.policy.flags import Flag, is_flag, read_flag
from search.results import readable


@dataclass(frozen=True, slots=True)
class FlagPlace:
    """Half-open `ranges` of the text of version `row`, from 1, as `thread.ordered_versions` has
    them."""

    row: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FlagView:
    """One flag. `reason`: in words; `score`: points, null = no scoring rule; `flagged_at`: when it
    was found (UTC ms); `elsewhere`: how many places lie in other messages, or are not listed."""

    policy: str
    rule: str
    version: int
    severity: str
    reason: str
    score: int | None
    mandatory: bool
    flagged_at: int
    places: tuple[FlagPlace, ...] = ()
    elsewhere: int = 0


def flags(found: Document, versions: Sequence[Entry], bodies: Bodies) -> tuple[FlagView, ...]:
    """The flags on `found`, whose `versions` are in rows; each once, the first found first."""
    told: dict[tuple[str, str, int, str], tuple[Flag, int]] = {}
    for flag, at in sorted(_read(found, bodies), key=lambda one: one[1]):
        told.setdefault((flag.policy, flag.rule, flag.version, flag.revision), (flag, at))
    if not told:
        return ()
    rows = _rows(found, versions, bodies)
    return tuple(_view(flag, at, rows) for flag, at in told.values())


def _read(found: Document, bodies: Bodies) -> Iterator[tuple[Flag, int]]:
    for entry in found.entries:
        if entry.kind != events.POLICY:
            continue
        event, _ = readable(found, entry, bodies)
        if event is None or not is_flag(event):
            continue
        try:
            yield read_flag(event), event.captured_at
        except Refused:
            continue  # written by a later version, or damaged; `verify` names the latter


def _rows(found: Document, versions: Sequence[Entry], bodies: Bodies) -> dict[bytes, int]:
    """Event id -> row."""
    rows: dict[bytes, int] = {}
    for row, entry in enumerate(versions, 1):
        event, _ = readable(found, entry, bodies)
        if event is not None:
            rows[event_id(event)] = row
    return rows


def _view(flag: Flag, at: int, rows: dict[bytes, int]) -> FlagView:
    here = [place for place in flag.places if place.message == flag.message
            and place.version in rows]
    elsewhere = flag.left_out + sum(len(place.ranges) for place in flag.places
                                    if place not in here)
    return FlagView(
        flag.policy, flag.rule, flag.version, flag.severity, flag.reason, flag.score,
        flag.mandatory, at,
        tuple(FlagPlace(rows[place.version], place.ranges) for place in here), elsewhere)
