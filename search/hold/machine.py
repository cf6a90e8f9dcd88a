"""The machine interface of holds: JSON objects (docs/interface/hold.schema.json).

Owns the shapes that the verbs `hold` print and the API answers with, stable from version 1 on.
"""

from __future__ import annotations

from typing import Any

from archive.holds import Fact, Hold
from schemas.holdacts import Scope
from search.machine import rfc3339


def hold(one: Hold) -> dict[str, Any]:
    """One hold with its history."""
    return {
        "id": one.hold_id, "name": one.name, "ground": one.ground, "state": one.state,
        "placed_by": one.by, "placed_at": rfc3339(one.placed_at),
        "released_at": rfc3339(one.released_at),
        "scopes": [scope(each) for each in one.scopes],
        "waiting": [_act(each) for each in one.asks],
        "history": [_act(each) for each in one.history],
    }


def scope(one: Scope) -> dict[str, Any]:
    """What is concerned: all of the fields that are given, any of the values of each."""
    return {
        "custodians": list(one.custodians), "matters": list(one.matters),
        "conversations": list(one.conversations), "from": rfc3339(one.since),
        "to": rfc3339(one.until), "query": one.query or None, "zone": one.zone or None,
        "region": one.region or None,
    }


def _act(one: Fact) -> dict[str, Any]:
    act = one.act
    return {"action": act.action, "person": act.person, "at": rfc3339(act.at),
            "reason": act.reason or act.ground}
