"""What an email of an export says to machines: the canonical record of its slice. Pure.

Owns the shape: what people wrote is in it untouched, with document ids, record numbers, leaves,
versions and states; bytes of files by their hash. The proof is in the native records that it names.
"""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256
from typing import Any, Final

from schemas.events import Identity
from search.export import canonical
from search.export import loadfile_text as words
from search.export.model import Item, Job, PackedFile, Slice
from search.thread import RelatedView, VersionView

VERSION: Final = 1


def record(job: Job, one: Slice) -> bytes:
    """Canonical JSON (docs/FORMAT.md §17). Times are UTC ms or null."""
    return canonical.document(_whole({
        "v": VERSION, "export": job.export_id, "slice": one.name,
        "conversation": one.conversation, "native_conversation": one.native_conversation,
        "title": one.title, "channel": one.channel, "account": one.account,
        "custodian": one.custodian, "day": one.day.isoformat(), "zone": job.zone_name,
        "part": one.part, "parts": one.parts, "is_group": one.is_group,
        "parties": [_person(who) for who in one.parties], "firm": sorted(one.firm),
        "log": {"origin": job.origin, "size": job.tree_size, "root": job.tree_root},
        "items": [_item(item) for item in one.items],
        "gaps": [asdict(gap) for gap in one.gaps],
        "withheld": [asdict(held) for held in one.withheld],
    }))


def _item(item: Item) -> dict[str, Any]:
    hit, leading = item.view.hit, item.leading
    return {
        "document": item.document_id, "at": item.at, "channel": item.channel,
        "account": item.account, "custodian": item.custodian, "shared": item.shared,
        "context": item.context, "kind": hit.kind, "direction": hit.direction,
        "state": hit.state, "content_state": hit.content_state,
        "message_id": leading.native_id if leading else None,
        "details": [list(pair) for pair in leading.details] if leading else [],
        "author": _person(hit.actor), "observations": list(hit.observations),
        "records": [{
            "record": one.number, "leaf": one.leaf, "topic_id": one.pointer.topic_id,
            "partition": one.pointer.partition, "offset": one.pointer.offset,
            "index": one.pointer.index, "datum_sha256": sha256(one.datum).hexdigest(),
        } for one in item.records],
        "versions": [_version(item, one) for one in item.view.versions],
        "related": [_related(item, one) for one in item.view.related],
        "files": [_file(item, one) for one in item.files],
    }


def _version(item: Item, one: VersionView) -> dict[str, Any]:
    return {
        "kind": one.kind, "text": one.text, "content_state": one.content_state,
        "actor": _person(one.actor), "occurred_at": one.occurred_at,
        "occurred_local": one.occurred_local, "occurred_not_before": one.occurred_not_before,
        "occurred_meaning": one.occurred_meaning, "captured_at": one.captured_at,
        "target_known": one.target_known, "provenance": one.provenance,
        "observations": list(one.observations), "problem": one.problem,
        "record": _number(item, one),
        "sightings": [{"record": _number(item, seen), "captured_at": seen.captured_at,
                       "differs": seen.differs, "text": seen.text} for seen in one.sightings],
    }


def _related(item: Item, one: RelatedView) -> dict[str, Any]:
    return {"kind": one.kind, "subkind": one.subkind, "text": one.text,
            "actor": _person(one.actor), "occurred_at": one.occurred_at,
            "captured_at": one.captured_at, "problem": one.problem,
            "record": _number(item, one)}


def _file(item: Item, one: PackedFile) -> dict[str, Any]:
    return {"document": words.file_id(item, one), "name": one.view.name,
            "media_type": one.view.media_type, "version": one.view.version,
            "state": one.view.state, "reason": one.view.reason, "path": one.path or None,
            "bytes": one.size if one.path else None, "sha256": one.sha256 or None,
            "stated_bytes": one.view.size, "stated_sha256": one.view.sha256}


def _number(item: Item, place: Any) -> int | None:
    """The record of something that has a place in the archive; null = it is not in the package."""
    found = place.segment, place.offset, place.index
    return next((one.number for one in item.records if found == (
        one.pointer.segment, one.pointer.offset, one.pointer.index)), None)


def _person(who: Identity | None) -> dict[str, str | None] | None:
    return None if who is None else {
        "id": who.native_id, "type": who.id_type, "name": who.display_name}


def _whole(said: Any) -> Any:
    """Halves of characters, which UTF-8 has no bytes for, as U+FFFD."""
    if isinstance(said, dict):
        return {name: _whole(one) for name, one in said.items()}
    if isinstance(said, list | tuple):
        return [_whole(one) for one in said]
    return words.without_halves(said) if isinstance(said, str) else said
