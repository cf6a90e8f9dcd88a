"""One person: what is held about them, what may go and when, and a copy for them (UK GDPR 15, 17).

Owns whose an identity is, and what stands in an access package. What can be erased alone is a
group: one custodian, class, month and compartment, because that is what has a key of its own.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from archive.disposition import Standing, Survey
from archive.keyring import name_of
from infra.disposition import Disposer
from infra.replay import current
from schemas import disposition, events
from schemas.disposition import Act, body_of
from schemas.document import STUB_KINDS, Document
from schemas.errors import Exists, Missing, Refused
from schemas.events import CapturedEvent, Identity
from schemas.wire import Pointer
from search import identity, machine
from search.assigned import AssignedReader
from search.bodies import Bodies
from search.links import LinkReader
from search.parse import parse
from search.query import Compiler, party_values

# No bound: a copy, or a request to erase, that leaves something out says too little.
_EVERY: Final = 1 << 40
# A word of a third party's name in a text, at least so long: "Al" would black out half of it.
_NAME_CHARS_MIN: Final = 3
FORMAT: Final = "counterfoil/access-package/v1"
README: Final = """\
What this is: the messages that this archive holds and in which {person} wrote, was written to or
took part, as JSON lines (messages.jsonl), one record a line, every version of a message.

Other people: whoever else took part is written as [third party N], the same number for the same
person throughout. Their names and numbers are replaced in texts where the archive knows them from
who took part. It cannot know them all: a person has to read every text before this is handed over.

What is not here: files that were attached (each is named with its size), records of who looked at
the messages or reviewed them, and messages whose key was destroyed. The original bytes stay in the
archive, sealed.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """What can be erased alone. `records`: of the person in it; `standing`: of its key, with how
    many records there are in all."""

    standing: Standing
    records: int

    @property
    def is_alone(self) -> bool:
        """Whether nothing of anybody else goes with it."""
        return self.records >= self.standing.seen.events


@dataclass(slots=True)
class Held:
    """What is held about somebody. `own`: identities that are theirs; `others`: ids of third
    parties; `unread`: records that cannot be read any more."""

    person: str
    own: dict[str, Identity] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    conversations: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    groups: list[Group] = field(default_factory=list)
    first_at: int | None = None
    last_at: int | None = None
    records: int = 0
    unread: int = 0


class PersonDesk:
    """Answers about one person at a time. `work`: at whose desk; its archive is at rest."""

    def __init__(self, work: Disposer) -> None:
        self._work, self._wire = work, work.wire
        self._reader = self._wire.reader()
        self._bodies = Bodies(self._reader)

    def held(self, person: str, found: Survey | None = None) -> Held:
        """What is held about `person`: a number, an id, an address or a name. Raises Refused for
        what names nobody, Missing where there is no index yet."""
        held, names = Held(person), Counter[str]()
        homes: dict[tuple[str, int], str] = {}
        for document in self._documents(person):
            for entry in document.entries:
                place = entry.pointer.segment, entry.pointer.start
                if place not in homes:
                    homes[place] = self._home(entry.pointer)
                if entry.joined:
                    continue                      # its parts are counted
                names[homes[place]] += 1
                held.records += 1
            self._tell(held, document)
        standings = {one.name: one for one in self._work.standings(found=found)}
        held.groups = [Group(standings[name], count) for name, count in sorted(names.items())
                       if name in standings]
        return held

    def ask(self, person: str, ground: str) -> tuple[Act, Held]:
        """Put on record that somebody wants what is held about them gone. Raises Refused for an
        empty ground, or where nothing is held."""
        if not ground.strip():
            raise Refused("--ground: say on what ground they ask, in a few words")
        held = self.held(person)
        if held.records and not held.groups:
            raise Refused("what is held about them cannot be read now: see `counterfoil verify`")
        if not held.groups:
            raise Refused("nothing is held about them: there is nothing to erase")
        act = Act(disposition.REQUESTED, self._wire.random(16).hex(), self._wire.clock(),
                  self._work.by, ground.strip(), body_of({
                      "person": person, "keys": [one.standing.name for one in held.groups]}))
        self._work.say(act)
        return act, held

    def package(self, person: str, folder: Path) -> tuple[int, int]:
        """Write the access package into a new folder; (records, third parties). Raises Exists."""
        try:
            folder.mkdir(mode=0o700, parents=False)
        except FileExistsError as error:
            raise Exists(f"{folder} is there already; name another folder") from error
        except OSError as error:
            raise Missing(f"{folder}: {error.strerror}") from error
        others: dict[str, int] = {}
        written = 0
        with _private(folder / "messages.jsonl") as file:
            for document in self._documents(person):
                for line in self._lines(document, person, others):
                    file.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")
                    written += 1
        with _private(folder / "README.txt") as file:
            file.write(README.format(person=person))
        with _private(folder / "package.json") as file:
            file.write(json.dumps({
                "format": FORMAT, "person": person, "records": written,
                "third_parties": len(others), "made_at": machine.rfc3339(self._wire.clock()),
                "made_by": self._work.by}, indent=1, sort_keys=True) + "\n")
        return written, len(others)

    # -- helpers

    def _documents(self, person: str) -> Iterator[Document]:
        value = person.strip()
        if not value or '"' in value or not value.isprintable():
            raise Refused("name a person: a number, an id, an address or a name")
        search, index = self._wire.config.search, current(self._wire)
        query = f'with:"{value}"'
        tree = parse(query, zone=ZoneInfo(search.zone))
        tokenizer = self._wire.tokenizer()
        links = LinkReader(self._bodies, tokenizer)
        asked = Compiler(
            query, tokenizer, search.region, assigned=AssignedReader(self._bodies).all(index),
            links=links.of_values(index, party_values(tree), search.region)).compiled(tree)
        index.refresh()
        yield from index.each(asked, _EVERY, oldest_first=True)

    def _home(self, pointer: Pointer) -> str:
        try:
            return name_of(*self._reader.home(pointer))
        except (Missing, Refused):
            return ""                             # of no group; it is counted as not readable

    def _tell(self, held: Held, document: Document) -> None:
        held.conversations.add(document.conversation)
        for entry in document.entries:
            if entry.kind in STUB_KINDS:
                continue
            held.kinds[entry.kind] += 1
            at = entry.occurred_at if entry.occurred_at is not None else entry.captured_at
            held.first_at = at if held.first_at is None else min(at, held.first_at)
            held.last_at = at if held.last_at is None else max(at, held.last_at)
            try:
                event = self._bodies.event(document, entry)
            except (Missing, Refused):
                held.unread += 1
                continue
            for one in _people(event):
                if self.is_own(one, held.person):
                    held.own.setdefault(one.native_id, one)
                elif one.native_id != event.account:
                    held.others.add(one.native_id)

    def is_own(self, one: Identity, person: str) -> bool:
        """Whether an identity is that of whom a value means: the rule of `from:`, but for links."""
        known = set(identity.facts(one))
        return any(known.issuperset(wanted) for wanted in identity.alternatives(
            person, self._wire.config.search.region))

    def _lines(self, document: Document, person: str,
               others: dict[str, int]) -> Iterator[Mapping[str, Any]]:
        for entry in document.entries:
            if entry.kind not in events.CAPTURE_KINDS:
                continue
            try:
                event = self._bodies.event(document, entry)
            except (Missing, Refused) as error:
                yield {"id": document.doc_id, "kind": entry.kind, "problem": str(error)}
                continue
            strangers = [one for one in _people(event) if not self.is_own(one, person)
                         and one.native_id != event.account]
            for one in strangers:
                others.setdefault(one.native_id, len(others) + 1)
            marks = {one.native_id: f"[third party {others[one.native_id]}]" for one in strangers}
            actor = event.actor
            yield {
                "id": document.doc_id, "kind": event.kind, "channel": event.channel,
                "conversation": document.conversation, "direction": event.direction,
                "occurred_at": machine.rfc3339(event.occurred_at),
                "captured_at": machine.rfc3339(event.captured_at),
                "from": _named(actor, marks, event.account) if actor else None,
                "others": [_named(one, marks, event.account) for one in event.participants
                           if actor is None or one.native_id != actor.native_id],
                "text": None if event.text is None else redacted(event.text, strangers, marks),
                "files": [{"name": one.name, "media_type": one.media_type, "size": one.size}
                          for one in event.attachments]}


def redacted(text: str, strangers: Sequence[Identity], marks: Mapping[str, str]) -> str:
    """The text with what names these people replaced by their marks: numbers, ids, whole names,
    and each longer word of a name."""
    found: dict[str, str] = {}
    for one in strangers:
        mark = marks[one.native_id]
        words = (one.display_name or "").split()
        for name in (one.native_id, one.native_id.removeprefix("+"), one.display_name or "",
                     *(word for word in words if len(word) >= _NAME_CHARS_MIN)):
            if name:
                found.setdefault(name.casefold(), mark)
    if not found:
        return text
    # The longest first: a whole name before its words.
    names = sorted(found, key=len, reverse=True)
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, names)) + r")(?!\w)",
                         re.IGNORECASE)
    return pattern.sub(lambda match: found.get(match[0].casefold(), "[third party]"), text)


def _people(event: CapturedEvent) -> Iterable[Identity]:
    return {one.native_id: one for one in (event.actor, *event.participants)
            if one is not None}.values()


def _named(one: Identity, marks: Mapping[str, str], account: str) -> str:
    if one.native_id == account:
        return "[the firm]"
    return marks.get(one.native_id) or one.native_id


def _private(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w",
                     encoding="utf-8")
