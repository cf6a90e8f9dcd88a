"""The files of a message, numbered, and what became of each (PROTOCOL M1).

Owns the joining of a version's attachments with the facts about them. A file is fetched after its
message is stored, so what the message says of it (pending) is older than what its facts say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas import events, media
from schemas.document import Document, Entry
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent
from schemas.identity import event_id
from schemas.media import MediaFact, StoredMedia
from search.bodies import Bodies
from search.results import readable


@dataclass(frozen=True, slots=True)
class FileView:
    """One file. `number` counts from 1 over all versions; `version` is the row of the version that
    it came with, from 1, or null when that cannot be read. `state`: stored | pending | failed.
    `sha256` (hex) is of the stored bytes, else as the source stated. `said_at`: when its last fact
    was captured (UTC ms). `stored` opens it, and is for nobody's screen."""

    number: int
    version: int | None
    name: str | None
    media_type: str | None
    size: int | None
    sha256: str | None
    state: str
    reason: str | None
    said_at: int | None = None
    stored: StoredMedia | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Said:
    fact: MediaFact
    captured_at: int


def files(found: Document, versions: Sequence[Entry], bodies: Bodies) -> tuple[FileView, ...]:
    """The files of `found` in the order of its `versions`; at the end those whose version is not
    there."""
    facts = _facts(found, bodies)
    if not facts and not any(one.attachments for one in versions):
        return ()
    out: list[FileView] = []
    for row, entry in enumerate(versions, 1):
        event, _ = readable(found, entry, bodies)
        if event is None or event.kind == events.DERIVED:
            continue
        for place, said in enumerate(event.attachments):
            known = facts.pop((event_id(event), place), None)
            out.append(_view(len(out) + 1, row, said, known))
    for known in facts.values():
        out.append(_view(len(out) + 1, None, known.fact.attachment, known))
    return tuple(out)


def _facts(found: Document, bodies: Bodies) -> dict[tuple[bytes, int], _Said]:
    """What holds of each file: that it is stored, else the latest failure."""
    out: dict[tuple[bytes, int], _Said] = {}
    for event in _derived(found, bodies):
        try:
            fact = media.read_fact(event)
        except Refused:
            continue  # `verify` names it
        if fact is None:
            continue
        said = _Said(fact, event.captured_at)
        key = fact.of, fact.place
        if key not in out or _rank(said) > _rank(out[key]):
            out[key] = said
    return out


def _derived(found: Document, bodies: Bodies) -> Iterable[CapturedEvent]:
    for entry in found.entries:
        if entry.kind == events.DERIVED:
            event, _ = readable(found, entry, bodies)
            if event is not None:
                yield event


def _rank(said: _Said) -> tuple[bool, bool, int]:
    """Stored before failed before pending; of several that are stored the first, else the last."""
    state = said.fact.attachment.state
    stored = state == media.STORED
    return stored, state == media.FAILED, -said.captured_at if stored else said.captured_at


def _view(number: int, row: int | None, said: Attachment, known: _Said | None) -> FileView:
    now = known.fact.attachment if known else said
    return FileView(
        number, row, said.name or now.name, now.media_type or said.media_type,
        now.size if now.size is not None else said.size,
        now.sha256.hex() if now.sha256 else None, now.state, now.reason,
        known.captured_at if known else None, known.fact.stored if known else None)
