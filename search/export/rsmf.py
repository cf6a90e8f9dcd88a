"""RSMF 2.0: a slice as `data/rsmf/<slice>.rsmf` (Relativity Short Message Format).

Owns which events go into which file and what the headers say. The events are `rsmfevents.py`, the
text is `rsmftext.py`, the bytes are `rsmfenvelope.py`; `rsmfcheck.py` checks what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, Final

from schemas.errors import Refused
from search.export import canonical
from search.export import loadfile_text as words
from search.export import rsmfenvelope as envelope
from search.export.model import Counts, Item, Job, Sink, Slice
from search.export.rsmfenclosed import Enclosed, unavailable
from search.export.rsmfevents import (
    Made,
    Scene,
    members,
    of_gap,
    of_message,
    of_withheld,
    scene_of,
)
from search.export.rsmfmoments import of_header
from search.export.rsmfpeople import custom
from search.export.rsmftext import text_of
from search.web import chat

VERSION: Final = "2.0.0"
GENERATOR: Final = "Counterfoil"
EVENTS_MAX: Final = 10_000
# The format knows no file of 2 GB. This leaves room for the text part and the headers.
BYTES_MAX: Final = 1_900_000_000
# Readers hold a manifest in memory, several times over.
MANIFEST_BYTES_MAX: Final = 128 << 20
# Below it a file is put in one piece; above it in pieces, so that memory holds one of them.
WHOLE_BYTES_MAX: Final = 16 << 20
TOO_LARGE: Final = "files too large for RSMF: they are in data/native/attachments"
CONTROLS: Final = "RSMF text: control characters shown as [U+…]"
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one file. `manifest`, `total` and `whole` in bytes; tests make them small."""

    events: int = EVENTS_MAX
    manifest: int = MANIFEST_BYTES_MAX
    total: int = BYTES_MAX
    whole: int = WHOLE_BYTES_MAX


class RsmfWriter:
    """A `model.Writer`. Holds nothing between slices."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits

    def begin(self, job: Job, sink: Sink) -> None:
        """Nothing stands before the first slice."""

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """One file; several where one would be too large. Raises Refused when an attachment is not
        what its item says of it."""
        scene = scene_of(job, one)
        made = sorted(_events(scene), key=lambda event: (event.at, event.rank))
        made = [_within(event, sink, self._limits) for event in made]
        done: list[Made] = []
        for number, piece in enumerate(_pieces(made, self._limits), 1):
            name = f"data/rsmf/{one.name}{f'_more{number:03d}' if number > 1 else ''}.rsmf"
            self._write(name, _File(scene, tuple(done), tuple(piece)), sink)
            done += piece

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """Nothing stands after the last: each file is whole."""

    def _write(self, name: str, file: _File, sink: Sink) -> None:
        text, changed = text_of(file.scene, file.made)
        if changed:
            sink.note(CONTROLS, changed)
        manifest = canonical.document(file.manifest())
        enclosed = [Enclosed(envelope.MANIFEST_NAME, len(manifest), body=manifest),
                    *(one for event in file.made for one in event.files)]
        digest = sha256(manifest + sha256(text.encode()).digest()).digest()
        parts = envelope.message(file.headers(digest), text, envelope.zipped(
            [envelope.Member(one.name, one.size, partial(_read, one, sink))
             for one in enclosed]), digest)
        if _size(enclosed) <= self._limits.whole:
            sink.put(name, b"".join(parts))
            return
        for part in parts:
            sink.append(name, part)


@dataclass(frozen=True, slots=True)
class _File:
    """One file: the events `made`, and those `before` it of the same slice."""

    scene: Scene
    before: tuple[Made, ...]
    made: tuple[Made, ...]

    def manifest(self) -> dict[str, Any]:
        """The JSON layer."""
        one, people = self.scene.slice, self.scene.people
        here = {event.event.get("id") for event in self.made}
        talk: dict[str, Any] = {
            "id": one.conversation, "platform": one.channel or "unknown",
            "display": one.title or one.conversation,
            "type": "channel" if one.is_group else "direct",
            "participants": members(self.scene, self.before, self.made),
            "custom": custom(self._about())}
        if people.custodian:
            talk["custodian"] = people.custodian
        return {
            "version": VERSION, "eventcollectionid": self.collection(),
            "participants": people.rows(), "conversations": [talk],
            # An answer to what lies in another file names it as a custom property alone.
            "events": [{name: value for name, value in event.event.items()
                        if name != "parent" or value in here} for event in self.made]}

    def headers(self, digest: bytes) -> Sequence[tuple[str, str]]:
        """The email's, in the order of the specification."""
        one, people, first = self.scene.slice, self.scene.people, self.made[0]
        everybody = people.everybody()
        sender = people.sender()
        shared = _shared(self.made)
        said = [
            ("X-RSMF-Version", VERSION), ("X-RSMF-Generator", GENERATOR),
            ("X-RSMF-BeginDate", first.event["timestamp"]),
            ("X-RSMF-EndDate", self.made[-1].event["timestamp"]),
            ("X-RSMF-EventCount", str(len(self.made))),
            ("X-RSMF-Application", chat.channel(one.channel)),
            ("X-RSMF-Custodian", words.one_line(one.custodian)),
            ("X-RSMF-Participants", ", ".join(
                words.one_line(people.name(who)).replace(",", " ") for who in everybody)),
            ("X-RSMF-AttachmentCount", str(sum(len(event.files) for event in self.made))),
            ("X-RSMF-EventCollectionID", self.collection()), *shared,
            ("X-RSMF-Counterfoil-Export", self.scene.job.export_id),
            ("X-RSMF-Counterfoil-Documents", _span(self.made)),
            ("X-RSMF-Counterfoil-Generator", self.scene.job.produced_by)]
        part = f", part {one.part} of {one.parts}" if one.parts > 1 else ""
        more = f", continued from {_span(self.made)}" if self.before else ""
        return [
            *([envelope.addresses("From", [people.mailbox(sender)])] if sender is not None else []),
            *([envelope.addresses("To", map(people.mailbox, everybody))] if everybody else []),
            envelope.header("Subject", words.one_line(
                f"{one.title or one.conversation}, {one.day.isoformat()}{part}{more}")),
            ("Date", of_header(first.at)),
            ("Message-ID", f"<{digest.hex()[:32]}@counterfoil.invalid>"),
            *(envelope.header(name, value) for name, value in said if value)]

    def collection(self) -> str:
        """The same for every file of one conversation at one account in one export."""
        one = self.scene.slice
        return f"{self.scene.job.export_id}/{one.conversation}/{one.account or 'unknown'}"

    def _about(self) -> list[tuple[str, str | None]]:
        one, job = self.scene.slice, self.scene.job
        return [
            ("Source id", one.native_conversation), ("Custodian", one.custodian),
            ("Captured at account", one.account), ("Day", one.day.isoformat()),
            ("Zone of the day", job.zone_name), ("Export", job.export_id), ("Matter", job.matter),
            ("Part", f"{one.part} of {one.parts}" if one.parts > 1 else None),
            ("Withheld", str(len(one.withheld)) if one.withheld else None),
            ("Log", f"{job.origin}, {job.tree_size} cells, root {job.tree_root}")]


def _events(scene: Scene) -> Iterator[Made]:
    for number, gap in enumerate(scene.slice.gaps, 1):
        yield of_gap(gap, number, scene)
    for one in scene.slice.withheld:
        yield of_withheld(one, scene)
    for item in scene.slice.items:
        yield of_message(item, scene)


def _pieces(made: Iterable[Made], limits: Limits) -> Iterator[list[Made]]:
    """Events in files of at most so many and of at most so many bytes."""
    held: list[Made] = []
    size = said = 0
    for one in made:
        own, words_bytes = _room(one), len(canonical.document(one.event))
        if held and (len(held) >= limits.events or said + words_bytes > limits.manifest
                     or envelope.file_size(size + own) > limits.total):
            yield held
            held, size, said = [], 0, 0
        held.append(one)
        size, said = size + own, said + words_bytes
    if held:
        yield held


def _room(one: Made) -> int:
    """What an event takes of a file at most: its JSON and, in the text part, the same again."""
    return 3 * len(canonical.document(one.event)) + envelope.zip_size(
        (file.name, file.size) for file in one.files)


def _within(one: Made, sink: Sink, limits: Limits) -> Made:
    """An event whose own files no RSMF file could hold has a note instead of the largest."""
    while envelope.file_size(_room(one)) > limits.total and isinstance(one.source, Item):
        largest = max((place for place, file in enumerate(one.files) if file.path),
                      key=lambda place: one.files[place].size, default=None)
        if largest is None:
            raise Refused(f"{one.source.document_id} is too large for an RSMF file: export it in "
                          "another format")
        sink.note(TOO_LARGE)
        packed = one.source.files[largest]
        note = unavailable(one.source, packed, "It is too large for this format. In the package "
                                               f"it is {packed.path} ({packed.size} bytes, "
                                               f"SHA-256 {packed.sha256}).")
        files = tuple(note if place == largest else file for place, file in enumerate(one.files))
        listed = [{"id": note.name, "display": note.name, "size": note.size}
                  if place == largest else row
                  for place, row in enumerate(one.event["attachments"])]
        one = replace(one, files=files, event={**one.event, "attachments": listed})
    return one


def _read(one: Enclosed, sink: Sink) -> Iterator[bytes]:
    """Its bytes. Raises Refused where they are not those that the item names."""
    if not one.path:
        yield one.body
        return
    digest = sha256()
    with sink.open(one.path) as stream:
        while piece := stream.read(_READ_BYTES):
            digest.update(piece)
            yield piece
    if digest.hexdigest() != one.sha256:
        raise Refused(f"{one.path} is not the file that was packed: begin the export anew")


def _size(enclosed: Iterable[Enclosed]) -> int:
    return envelope.file_size(envelope.zip_size((one.name, one.size) for one in enclosed))


def _shared(made: Iterable[Made]) -> Iterator[tuple[str, str]]:
    """What a review platform may drop copies by: its own hash never joins two custodians' copies
    of a conversation. The key is the same where the files hold the same messages, and there is one
    only where each of them has a key."""
    items = [one.source for one in made if isinstance(one.source, Item)]
    keys = sorted(item.shared for item in items if item.shared)
    if not keys:
        return
    if len(keys) == len(items):
        yield "X-RSMF-Counterfoil-SharedKey", sha256(canonical.document(keys)).hexdigest()
    yield "X-RSMF-Counterfoil-SharedCount", f"{len(keys)} of {len(items)}"


def _span(made: Iterable[Made]) -> str:
    """ "CF-0000001 to CF-0000030"; "" = notices only."""
    ids = [one.source for one in made if isinstance(one.source, Item)]
    if not ids:
        return ""
    first, last = (pick(ids, key=lambda item: item.number).document_id for pick in (min, max))
    return first if first == last else f"{first} to {last}"
