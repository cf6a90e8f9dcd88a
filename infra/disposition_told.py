"""What a certificate will say, gathered while it can still be read.

Owns the two passes over the archive before a key is destroyed: what the messages are called and
which words are theirs alone; then which of the firm's own records name the one or quote the other.
Words never leave this process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from archive.certificate import NAMED_MAX
from archive.keyring import name_of
from infra.archived import Joiner
from infra.wire import Wire
from schemas import domains, events
from schemas.disposition import Listing
from schemas.events import CapturedEvent
from schemas.exports import FINISHED
from schemas.identity import message_key
from search.tokens import stream_and_units

_ID: Final = re.compile(r"[0-9a-f]{32}")
# Said by machines about machines: no record of a look, and no word of a person in it.
_NOT_TRACES: Final = frozenset({events.HEARTBEAT, events.DISPOSITION, events.GAP})
_BACKUP: Final = "keys_backup"
# What people wrote or kept in this data folder, in clear.
_FILES: Final = ("console/saved-searches.json", "policies/*.toml", "sampling/*.toml", "lists/*.txt",
                 "directory.toml", "access.toml")


@dataclass(slots=True)
class Still:
    """What is there after an erasure. `ids`: the firm's own records that can be read; `backups` of
    keys (id -> file) and `exports` that were ever made, as far back as an erasure counted them."""

    ids: set[str] = field(default_factory=set)
    backups: dict[str, str] = field(default_factory=dict)
    exports: set[str] = field(default_factory=set)


class Told:
    """Gathers for one certificate. `told`: progress in words."""

    def __init__(self, wire: Wire, told: Callable[[str], None]) -> None:
        self._wire, self._told = wire, told
        self._tokenizer = wire.tokenizer()

    def traces(self, names: set[str], before: Mapping[str, Any]) -> dict[str, Any]:
        """Which records still name what goes (`names`: of key records), which backups of keys and
        which exports there are. `before`: what an earlier count said, of keys that are gone; never
        are there fewer than it counted."""
        ids, words = self._erased(names)
        counted: set[str] = set(before.get("ids") or ())
        found = set(counted)
        backups: dict[str, str] = dict(before.get("backups") or {})
        exports: set[str] = set(before.get("exports") or ())
        self._told("looking for records that still name it")
        for event in self._own():
            self._note(event, backups, exports)
            own = self._own_id(event)
            if own not in found and self._names(event, ids, words):
                found.add(own)
        # Of more than fit an earlier count kept the number alone. Which of those that are new here
        # it counted nobody knows any more: as many as that may be.
        unnamed = max(int(before.get("named") or 0) - len(counted), 0)
        return {"ids": sorted(found)[:NAMED_MAX],
                "named": len(counted) + max(unnamed, len(found) - len(counted)),
                "backups": backups,
                "exports": sorted(exports),
                "files": sorted({*self._files(words), *(before.get("files") or ())})}

    def _files(self, words: frozenset[str]) -> Iterator[str]:
        """Files that people wrote and that quote one of `words`. They are theirs to change."""
        for pattern in _FILES:
            for path in sorted(self._wire.home.glob(pattern)):
                if not words.isdisjoint(_words(path.read_text("utf-8", "replace"))):
                    yield str(path.relative_to(self._wire.home))

    def still(self, listings: Iterable[Listing]) -> Still:
        """What is there now. `listings`: all that there ever were: the record of an old backup may
        be erased itself, and the file be there."""
        found = Still()
        for one in (act for listing in listings for act in listing.counted):
            found.backups |= one.value("backups") or {}
            found.exports |= set(one.value("exports") or ())
        for event in self._own():
            found.ids.add(self._own_id(event))
            self._note(event, found.backups, found.exports)
        return found

    def _note(self, event: CapturedEvent, backups: dict[str, str], exports: set[str]) -> None:
        doc_id = self._tokenizer.document(message_key(event))
        if event.kind == events.AUDIT and event.detail("action") == _BACKUP:
            backups[doc_id] = event.detail("file") or "without a name"
        if event.kind == events.EXPORT and event.detail("action") == FINISHED:
            exports.add(doc_id)             # asked for alone, nothing left the archive

    def certificate(self, listing: Listing, copies: list[dict[str, str]],
                    still: Still) -> dict[str, Any]:
        """The data of the certificate (docs/FORMAT.md)."""
        counted, approved = listing.counted[-1], listing.approved
        assert approved is not None
        rows = {str(row["key"]): row for one in listing.counted
                for row in one.value("domains") or ()}
        named = list(counted.value("ids") or ())
        # A record that names what was erased may have been erased with it.
        ids = [one for one in named if one in still.ids]
        more = max(int(counted.value("named") or 0) - len(named), 0)
        return {
            "version": 1, "list": listing.list_id, "digest": listing.listed.digest,
            "listed": {"by": listing.listed.by, "at": listing.listed.at},
            "approved": {"by": approved.by, "at": approved.at},
            "intent_at": listing.intents[0].at, "erased_at": listing.erasures[-1].at,
            "domains": [rows[name] for name in sorted(listing.erased) if name in rows],
            "kept": counted.value("kept") or [], "copies": copies,
            "named_by": {"count": len(ids) + more, "ids": ids},
            "trial": self._wire.config.retention.trial,
        }

    def _erased(self, names: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        """(document ids of what goes, words that are in nothing else)."""
        ids: set[str] = set()
        theirs: set[str] = set()
        others: set[str] = set()
        for name, event in self._events(lambda _domain: True):
            goes = name in names
            if goes:
                ids.add(self._tokenizer.document(message_key(event)))
            if goes or event.kind not in domains.FIRM_KINDS:
                (theirs if goes else others).update(_words(event.text or ""))
        return frozenset(ids), frozenset(theirs - others)

    def _own(self) -> Iterator[CapturedEvent]:
        for _, event in self._events(domains.is_reserved):
            if event.kind in domains.FIRM_KINDS - _NOT_TRACES or event.kind == events.QUARANTINE:
                yield event

    def _names(self, event: CapturedEvent, ids: frozenset[str], words: frozenset[str]) -> bool:
        if event.target_key is not None and self._tokenizer.document(event.target_key) in ids:
            return True
        said = [event.text or "", *(value for _, value in event.details)]
        if event.raw is not None:
            said.append(event.raw.decode("utf-8", "replace"))
        return any(not ids.isdisjoint(_ID.findall(one)) for one in said) or any(
            not words.isdisjoint(_words(one)) for one in said)

    def _own_id(self, event: CapturedEvent) -> str:
        """What `counterfoil show` calls a record: the kind, and the message that it belongs to."""
        return f"{event.kind} {self._tokenizer.document(message_key(event))}"

    def _events(self, opens: Callable[[bytes], bool]) -> Iterator[tuple[str, CapturedEvent]]:
        """Every event of these domains with the name of its key, large ones joined."""
        reader = self._wire.reader()
        for place in reader.partitions():
            joiner = Joiner()
            for cell in reader.survey(*place, opens):
                name = name_of(cell.domain, cell.generation)
                for event in joiner.events(cell.events):
                    yield name, event


def _words(text: str) -> Iterable[str]:
    return stream_and_units(text)[0] if text else ()
