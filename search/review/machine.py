"""The machine interface of reviews: items as JSON objects (docs/interface/review-*.schema.json).

Owns the shapes that the verbs `review` print and the API answers with, stable from version 1 on.
No word of a message is in them but what a flag's reason says.
"""

from __future__ import annotations

from typing import Any

from search.machine import rfc3339
from search.review.history import Act
from search.review.item import ItemState
from search.review.leases import Claim
from search.review.views import BulkDone, ItemView, QueueRow


def row(one: QueueRow) -> dict[str, Any]:
    """One line of `review queue --json` (docs/interface/review-queue.schema.json)."""
    return {
        "id": one.doc_id, **_state(one.state), "rules": list(one.rules),
        "due_at": rfc3339(one.due_at), "assigned_to": one.assigned_to or None,
        "decided_by": one.decided_by or None,
        "claimed_by": one.claim.person if one.claim else None,
    }


def view(one: ItemView) -> dict[str, Any]:
    """What `review show --json` prints (docs/interface/review-item.schema.json)."""
    return {
        "id": one.doc_id, **_state(one.state), "rules": list(one.rules),
        "due_at": rfc3339(one.due_at), "assigned_to": one.assigned_to or None,
        "decided_by": one.decided_by or None,
        "claimed_by": one.claim.person if one.claim else None,
        "confirmed_by": one.confirmed_by or None, "tags": list(one.tags), "basis": one.basis,
        "pending": one.pending,
        "flags": [{"policy": each.policy, "rule": each.rule, "version": each.version,
                   "severity": each.severity, "at": rfc3339(each.at), "reason": each.reason}
                  for each in one.history.flags],
        "acts": [_act(each) for each in one.history.acts],
    }


def claim(one: Claim) -> dict[str, Any]:
    """Who works on an item, and until when at the latest."""
    return {"id": one.doc_id, "person": one.person, "since": rfc3339(one.since),
            "until": rfc3339(one.until)}


def bulk(one: BulkDone) -> dict[str, Any]:
    """What one act on several items did, and what it left and why."""
    return {"bulk": one.bulk, "done": list(one.done),
            "left": [{"id": doc_id, "reason": reason} for doc_id, reason in one.left]}


def _state(state: ItemState) -> dict[str, Any]:
    return {
        "status": state.status, "level": state.level, "severity": state.severity or None,
        "outcome": state.outcome or None, "needs": state.needs or None, "why": list(state.why),
        "conflict": state.conflict, "opened_at": rfc3339(state.opened_at),
        "waiting_since": rfc3339(state.waiting_since), "decided_at": rfc3339(state.decided_at),
    }


def _act(one: Act) -> dict[str, Any]:
    return {
        "reviewer": one.person, "action": one.action, "decision": one.decision or None,
        "level": one.level, "at": rfc3339(one.at), "version": one.version or None,
        "rules": list(one.rules), "reason": one.reason or None, "note": one.note or None,
        "to": one.to or None, "tag": one.tag or None, "bulk": one.bulk or None,
    }
