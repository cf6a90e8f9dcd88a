"""What the bench `export` exports from: an archive, and the same events as files for the peer.

Owns both, out of one stream of traffic: the embedded archive (captured, sealed, indexed and in the
transparency log by the product's own parts), and a tar of files by each of two habits.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from infra import carry
from infra.config import load
from infra.wire import Wire
from ingest.routing import Router
from schemas.events import CapturedEvent
from tests.bench.traffic import MARKER, Capture, Traffic, Webhook

PEOPLE: Final = 110
PARTITIONS: Final = 4
DAYS: Final = 30
# One chosen message of so many has this word too: what is exported in every format.
FEW: Final = "floccinauciful"
FEW_EVERY: Final = 20
MESSAGE, DAY = "message", "day"
LAYOUTS: Final = (DAY, MESSAGE)
_PACKED: Final = 1_000
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Chosen:
    """A message that the export has to hold: its text; `few`: whether it is of the few, too;
    `files`: layout -> where the peer has it."""

    text: str
    few: bool
    files: dict[str, str]


@dataclass
class Made:
    """What there is. `chosen` by native id; `digests`: layout -> file -> SHA-256 (hex) of each file
    with a chosen message. Sizes in bytes; `seconds`: what was done -> how long it took."""

    chosen: dict[str, Chosen] = field(default_factory=dict)
    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    file_bytes: dict[str, int] = field(default_factory=dict)
    events: int = 0
    segments: int = 0
    segment_bytes: int = 0
    index_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def marked(webhooks: Iterator[Webhook], every: int) -> Iterator[tuple[Webhook, str, str]]:
    """The traffic, one message of `every` posts with the word that is looked for: (post, native id
    and text of a chosen message, or "" twice). What is due when an edit comes waits for the next
    message."""
    owed = taken = 0
    for number, webhook in enumerate(webhooks):
        owed += number % every == 0
        found = _with_words(webhook, few=taken % FEW_EVERY == 0) if owed else None
        if found is None:
            yield webhook, "", ""
            continue
        owed, taken = owed - 1, taken + 1
        yield found


def _with_words(webhook: Webhook, *, few: bool) -> tuple[Webhook, str, str] | None:
    said: dict[str, Any] = json.loads(webhook.body)
    value = said["entry"][0]["changes"][0]["value"]
    item = (value.get("messages") or value["message_echoes"])[0]
    if item["type"] != "text":
        return None
    item["text"]["body"] += f" {MARKER}" + (f" {FEW}" if few else "")
    body = json.dumps(said, separators=(",", ":")).replace("/", "\\/").encode()
    return replace(webhook, body=body), item["id"], item["text"]["body"]


class Source:
    """Makes the archive, and the files of the layouts that are asked for."""

    def __init__(self, home: Path, say: Callable[[str], None]) -> None:
        self._home, self._say = home, say

    def archive(self, events: int, every: int, rounds: int) -> Made:
        """Everything is captured, archived, indexed and in the transparency log, in so many
        rounds: each gives the log one more batch."""
        wire = Wire(load(self._home, log={"partitions": PARTITIONS}))
        wire.provision_once()
        traffic = Traffic(11, PEOPLE, step_s=DAYS * _DAY_S / events)
        capture = Capture(traffic.directory(),
                          Router(wire.keys_folder.routing_key(), bytes(16)))
        made, batch = Made(events=events), list[CapturedEvent]()
        at_round = -(-events // rounds)
        with closing(wire.capture_log()) as log:
            recorder = wire.recorder("gateway", log)
            for number, (webhook, native_id, text) in enumerate(
                    marked(traffic.webhooks(events), every), 1):
                batch += capture.events(webhook)
                if native_id:
                    made.chosen[native_id] = Chosen(text, FEW in text, {
                        layout: place(layout, webhook, number) for layout in LAYOUTS})
                if len(batch) >= _PACKED or number % at_round == 0 or number == events:
                    recorder.record_all(batch)
                    batch.clear()
                if number % at_round == 0 or number == events:
                    carry.carry(wire, self._say)
                    self._say(f"export: {number:,} events archived and indexed")
        return _measured(wire, made)

    def tar(self, path: Path, made: Made, layout: str, every: int) -> None:
        """The same posts once more, as files in a tar: the bytes that the provider posted, after
        their signature, a line each. (A million small files in a folder would take longer to write
        and to remove than all the rest of the bench.)"""
        size = count = 0
        wanted = {one.files[layout] for one in made.chosen.values()}
        digests = made.digests.setdefault(layout, {})
        traffic = Traffic(11, PEOPLE, step_s=DAYS * _DAY_S / made.events)
        posts = marked(traffic.webhooks(made.events), every)
        with path.open("xb") as file:
            for name, body in _grouped(layout, posts):
                about = tarfile.TarInfo(name)
                about.size = len(body)
                # By hand: a TarFile would remember a million of them.
                file.write(about.tobuf(tarfile.USTAR_FORMAT) + body)
                file.write(bytes(-len(body) % tarfile.BLOCKSIZE))
                size, count = size + len(body), count + 1
                if name in wanted:
                    digests[name] = sha256(body).hexdigest()
            file.write(bytes(2 * tarfile.BLOCKSIZE))
        made.files[layout], made.file_bytes[layout] = count, size


def place(layout: str, webhook: Webhook, number: int) -> str:
    """Where a post lies in a layout. `number`: of the post."""
    day = f"{webhook.person:04d}/{webhook.peer}/{webhook.at // 1000 // _DAY_S}"
    return f"{day}/{number:07d}.json" if layout == MESSAGE else f"{day}.jsonl"


def _grouped(layout: str,
             posts: Iterator[tuple[Webhook, str, str]]) -> Iterator[tuple[str, bytes]]:
    """(file, bytes), each file once: a conversation's day is whole when the next day begins."""
    day, held = -1, dict[str, bytearray]()
    for number, (webhook, _, _) in enumerate(posts, 1):
        today = webhook.at // 1000 // _DAY_S if layout == DAY else number
        if today != day:
            yield from ((path, bytes(body)) for path, body in held.items())
            day = today
            held.clear()
        line = webhook.signature().encode() + b" " + webhook.body + b"\n"
        held.setdefault(place(layout, webhook, number), bytearray()).extend(line)
    yield from ((path, bytes(body)) for path, body in held.items())


def _measured(wire: Wire, made: Made) -> Made:
    segments = [one for one in wire.store.versions("segments/") if not one.is_delete_marker]
    made.segments = len(segments)
    made.segment_bytes = sum(one.size for one in segments)
    made.index_bytes = sum(one.stat().st_size for one in (wire.home / "index").iterdir())
    return made
