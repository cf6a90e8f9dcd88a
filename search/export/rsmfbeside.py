"""What happened beside a message, as RSMF has it: reactions, receipts, and the rest in words.

Owns which reactions stand at the end. What the format has no word for is a custom property: nothing
is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from schemas import events
from schemas.events import Identity
from search.export.rsmfmoments import said, written
from search.export.rsmfpeople import People
from search.export.rsmfversions import Pairs
from search.thread import RelatedView

REACTION_CHARS_MAX: Final = 30
_RECEIPTS: Final = ("delivered", "read")


def reactions(related: Sequence[RelatedView],
               people: People) -> tuple[list[dict[str, Any]], Pairs]:
    """(Those that stand at the end, every one in order.) A person has one: a later one takes its
    place, and one without a sign takes it away."""
    standing: dict[tuple[str, int], tuple[str, Identity | None]] = {}
    told: Pairs = []
    for number, one in enumerate(
            (one for one in related if one.kind == events.REACTION), 1):
        who = (one.actor.native_id, 0) if one.actor else ("", number)
        standing.pop(who, None)
        if one.text:
            standing[who] = one.text, one.actor
        name = people.name_of(one.actor)
        told.append((f"Reaction {number}",
                     f"{one.text or 'taken away'}, by {name}, {_happened(one)}"))
    grouped: dict[str, list[Identity | None]] = {}
    for sign, actor in standing.values():
        grouped.setdefault(sign, []).append(actor)
    out: list[dict[str, Any]] = []
    for sign, actors in grouped.items():
        row: dict[str, Any] = {"value": sign[:REACTION_CHARS_MAX], "count": len(actors)}
        known = [people.id_of(actor) for actor in actors if actor is not None]
        out.append({**row, "participants": known} if known else row)
    return out, told


def receipts(related: Sequence[RelatedView],
              people: People) -> tuple[list[dict[str, Any]], Pairs]:
    """(Read and delivered by somebody, everything else that happened to the message.)"""
    out: list[dict[str, Any]] = []
    told: Pairs = []
    for one in related:
        if one.kind == events.REACTION:
            continue
        if one.kind == events.RECEIPT and one.subkind in _RECEIPTS and one.actor is not None:
            row = {"participant": people.id_of(one.actor), "action": one.subkind}
            at = written(one.occurred_at)
            out.append({**row, "timestamp": at} if at else row)
            continue
        what = " ".join(filter(None, (one.kind, one.subkind, one.text)))
        told.append((f"Also recorded {len(told) + 1}", "; ".join(filter(None, (
            what, f"by {people.name_of(one.actor)}" if one.actor else "", _happened(one),
            one.problem)))))
    return out, told


def _happened(one: RelatedView) -> str:
    return said(one.occurred_at) if one.occurred_at is not None else (
        f"captured at {said(one.captured_at)}")
