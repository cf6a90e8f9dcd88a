"""The machine interface: hits and views as JSON objects (docs/interface/*.schema.json).

Owns the shapes, stable from version 1 on: fields may be added, none changes its meaning or goes.
Ids and times carry no plain hash and no phone number; `actor` is the readable id of a person.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.events import Identity
from search.explain import Explanation, Step
from search.files import FileView
from search.flagged import FlagView
from search.results import HitView, SeenBy
from search.thread import (
    ConversationLine,
    MessageView,
    RelatedView,
    Sighting,
    VersionView,
)


def hit(view: HitView) -> dict[str, Any]:
    """One line of `search --json` (docs/interface/hit.schema.json)."""
    return {
        "id": view.doc_id,
        "channel": view.channel,
        "kind": view.kind,
        "conversation": view.conversation or None,
        **_actor(view.actor),
        "direction": view.direction,
        "occurred_at": rfc3339(view.occurred_at),
        "captured_at": rfc3339(view.captured_at),
        "state": view.state,
        "content_state": view.content_state or None,
        "text": view.text,
        "highlights": [list(pair) for pair in view.highlights],
        "earlier_text": view.earlier_text,
        "earlier_highlights": [list(pair) for pair in view.earlier_highlights],
        "version_count": view.version_count,
        "sighting_count": view.sighting_count,
        "attachments": view.attachments,
        "observations": list(view.observations),
        "copies": list(view.copies),
        "problem": view.problem or None,
        "custodian": view.custodian or None,
        "custodian_assigned": view.assigned,
        "seen_by": [_seen_by(one) for one in view.seen_by],
        "occurred_local": view.occurred_local,
        "occurred_not_before": rfc3339(view.occurred_not_before),
    }


def message(view: MessageView) -> dict[str, Any]:
    """What `show --json` prints (docs/interface/message.schema.json)."""
    return {
        **hit(view.hit),
        "versions": [_version(one) for one in view.versions],
        "related": [_related(one) for one in view.related],
        "context": [_line(one) for one in view.conversation],
        "files": [file(one) for one in view.files],
        "flags": [_flag(one) for one in view.flags],
    }


def file(one: FileView) -> dict[str, Any]:
    """A file of a message; never its key or its object (docs/interface/message.schema.json)."""
    return {
        "number": one.number, "version": one.version, "name": one.name,
        "media_type": one.media_type, "size": one.size, "sha256": one.sha256,
        "state": one.state, "reason": one.reason, "said_at": rfc3339(one.said_at),
    }


def explanation(view: Explanation) -> dict[str, Any]:
    """What `search --explain --json` prints (docs/interface/explain.schema.json)."""
    return {
        "query": view.query, "total": view.total, "words": view.words,
        "is_checked": view.is_checked, "mode": view.mode, "tree": _step(view.root),
    }


def _step(one: Step) -> dict[str, Any]:
    return {
        "kind": one.kind, "said": one.said, "start": one.start, "end": one.end,
        "documents": one.documents,
        "patterns": [{"written": each.written, "words": each.words, "samples": list(each.samples)}
                     for each in one.patterns],
        "steps": [_step(each) for each in one.steps],
    }


def rfc3339(at: int | None) -> str | None:
    """UTC ms as RFC 3339 with three decimals and Z; null stays null."""
    if at is None:
        return None
    try:
        moment = datetime.fromtimestamp(at // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None  # a source's time outside the years 1 to 9999 has no RFC 3339 form
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z".rjust(24, "0")


def _seen_by(one: SeenBy) -> dict[str, Any]:
    return {
        "id": one.doc_id or None, "custodian": one.custodian or None,
        "account": one.account or None, "state": one.state, "text": one.text,
        "text_captured_at": rfc3339(one.text_at),
        "retraction_captured_at": rfc3339(one.retraction_at),
        "before_retraction": one.before_retraction, "version_count": one.version_count,
        "problem": one.problem or None,
    }


def _actor(actor: Identity | None) -> dict[str, Any]:
    return {
        "actor": actor.native_id if actor else None,
        "actor_type": actor.id_type if actor else None,
        "actor_name": actor.display_name if actor else None,
    }


def _version(one: VersionView) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "text": one.text,
        **_actor(one.actor),
        "occurred_at": rfc3339(one.occurred_at),
        "captured_at": rfc3339(one.captured_at or None),
        "content_state": one.content_state or None,
        "target_known": one.target_known,
        "provenance": one.provenance or None,
        "observations": list(one.observations),
        "attachments": one.attachments,
        "segment": one.segment,
        "offset": one.offset,
        "index": one.index,
        "retain_until": rfc3339(one.retain_until),
        "sightings": [_sighting(sighting) for sighting in one.sightings],
        "problem": one.problem or None,
        "occurred_local": one.occurred_local,
        "occurred_not_before": rfc3339(one.occurred_not_before),
    }


def _sighting(one: Sighting) -> dict[str, Any]:
    return {
        "segment": one.segment, "offset": one.offset, "index": one.index,
        "captured_at": rfc3339(one.captured_at or None),
        "retain_until": rfc3339(one.retain_until),
        "differs": one.differs, "text": one.text,
    }


def _related(one: RelatedView) -> dict[str, Any]:
    return {
        "kind": one.kind, "detail": one.subkind or None, "text": one.text,
        **_actor(one.actor),
        "occurred_at": rfc3339(one.occurred_at), "captured_at": rfc3339(one.captured_at),
        "segment": one.segment, "offset": one.offset, "index": one.index,
        "problem": one.problem or None,
    }


def _flag(one: FlagView) -> dict[str, Any]:
    return {
        "policy": one.policy, "rule": one.rule, "version": one.version, "severity": one.severity,
        "reason": one.reason, "score": one.score, "mandatory": one.mandatory,
        "flagged_at": rfc3339(one.flagged_at), "elsewhere": one.elsewhere,
        "places": [{"version": each.row, "ranges": [list(pair) for pair in each.ranges]}
                   for each in one.places],
    }


def _line(one: ConversationLine) -> dict[str, Any]:
    view = one.hit
    return {
        "id": view.doc_id, "is_this": one.is_this, "kind": view.kind,
        **_actor(view.actor),
        "direction": view.direction,
        "occurred_at": rfc3339(view.occurred_at), "captured_at": rfc3339(view.captured_at),
        "state": view.state, "text": view.text, "occurred_local": view.occurred_local,
    }
