"""What the schema of RSMF cannot say of a manifest: references, edit chains, order. Pure.

Owns the rules of Relativity's validator that are known, and the stricter ones that our own files
keep. Works on a manifest for which the schema holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from search.export.rsmfenvelope import MANIFEST_NAME
from search.export.rsmffindings import Findings, quoted
from search.export.rsmfschema import has_zone, moment

EVENTS_MAX: Final = 10_000
_REACTION_CHARS_MAX: Final = 30
_DOCUMENT: Final = "Document id"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def check(said: Mapping[str, Any], sizes: Mapping[str, int] | None, findings: Findings) -> None:
    """Every rule. `sizes`: the files of the zip, null = there is no zip to compare with."""
    people = {one["id"] for one in said["participants"]}
    talks = {one["id"]: one for one in said["conversations"]}
    _conversations(said["conversations"], people, findings)
    for name in ("participants", "conversations"):
        for twice, count in Counter(one["id"] for one in said[name]).items():
            if count > 1:
                findings.add("manifest_id_twice", name, quoted(twice))
    ids: Counter[tuple[str, str]] = Counter(
        (one.get("conversation", ""), one["id"]) for one in said["events"] if "id" in one)
    for place, event in enumerate(said["events"]):
        where = f"events/{place}"
        _references(event, where, people, talks, ids, findings)
        _times(event, where, findings)
        _edits(event, where, findings)
        for number, reaction in enumerate(event.get("reactions", ())):
            if len(reaction["value"]) > _REACTION_CHARS_MAX:
                findings.add("manifest_reaction_long", f"{where}/reactions/{number}/value")
    for (_, twice), count in ids.items():
        if count > 1:
            findings.add("manifest_id_twice", "events", quoted(twice))
    if len(said["events"]) > EVENTS_MAX:
        findings.add("manifest_events_many", "events", str(len(said["events"])))
    order = [_order(event) for event in said["events"]]
    for place, ((time, tie), (later, other)) in enumerate(pairwise(order), 1):
        # An id is asked of threads only: two without say nothing of their order.
        if later < time or (later == time and tie and other and other < tie):
            findings.add("manifest_event_order", f"events/{place}")
    if sizes is not None:
        _files(said, sizes, findings)


def span(said: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """When the first and the last event were; null = no event says."""
    times = [found for event in said["events"]
             if (found := moment(event.get("timestamp"))) is not None]
    return (min(times), max(times)) if times else None


def attachments(said: Mapping[str, Any]) -> int:
    """How many attachments all events have."""
    return sum(len(event.get("attachments", ())) for event in said["events"])


def _conversations(talks: Iterable[Mapping[str, Any]], people: set[str],
                   findings: Findings) -> None:
    for place, talk in enumerate(talks):
        for number, one in enumerate(talk["participants"]):
            if one not in people:
                findings.add("ManifestInvalidConversationParticipant",
                             f"conversations/{place}/participants/{number}", quoted(one))
        custodian = talk.get("custodian")
        if custodian is not None and custodian not in talk["participants"]:
            findings.add("manifest_custodian_unknown", f"conversations/{place}/custodian",
                         quoted(custodian))


def _references(event: Mapping[str, Any], where: str, people: set[str],
                talks: Mapping[str, Any], ids: Counter[tuple[str, str]],
                findings: Findings) -> None:
    for place, one in _people(event):
        if one not in people:
            findings.add("ManifestInvalidEventParticipant", f"{where}/{place}", quoted(one))
    talk = event.get("conversation")
    if talk not in talks and (talk is not None or len(talks) > 1):
        findings.add("manifest_conversation_unknown", f"{where}/conversation",
                     "none" if talk is None else quoted(talk))
    parent = event.get("parent")
    if parent is not None and ((talk or "", parent) not in ids or parent == event.get("id")):
        findings.add("manifest_parent_unknown", f"{where}/parent", quoted(parent))


def _people(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(Where, who) of everybody whom an event names."""
    if "participant" in event:
        yield "participant", event["participant"]
    for name in ("edits", "read_receipts"):
        for number, one in enumerate(event.get(name, ())):
            yield f"{name}/{number}/participant", one["participant"]
    for number, one in enumerate(event.get("reactions", ())):
        for place, who in enumerate(one.get("participants", ())):
            yield f"reactions/{number}/participants/{place}", who


def _times(event: Mapping[str, Any], where: str, findings: Findings) -> None:
    found = [(f"{where}/timestamp", event.get("timestamp"))]
    found += [(f"{where}/{name}/{number}/timestamp", one.get("timestamp"))
              for name in ("edits", "read_receipts")
              for number, one in enumerate(event.get(name, ()))]
    for place, said in found:
        if said is not None and not has_zone(said):
            findings.add("manifest_time_zone", place, quoted(said))


def _edits(event: Mapping[str, Any], where: str, findings: Findings) -> None:
    edits = event.get("edits", ())
    times = [(number, found) for number, one in enumerate(edits)
             if (found := moment(one.get("timestamp"))) is not None]
    for (_, before), (number, after) in pairwise(times):
        if after < before:
            findings.add("manifest_edit_order", f"{where}/edits/{number}")
    for number, (first, second) in enumerate(pairwise(edits), 1):
        # What was never captured is left out on both sides; half of it is a break.
        if first.get("new") != second.get("previous"):
            findings.add("manifest_edit_chain", f"{where}/edits/{number}/previous")
    left = next((one[name] for one in reversed(edits) for name in ("new", "previous")
                 if name in one), None)
    if left is not None and left != event.get("body", ""):
        findings.add("manifest_edit_body", f"{where}/body")


def _order(event: Mapping[str, Any]) -> tuple[datetime, tuple[int, str] | None]:
    """By time, then by id: of a file that numbers its documents by that, in which they were counted
    in the order of the conversation."""
    document = next((one["value"] for one in event.get("custom", ())
                     if one["name"] == _DOCUMENT), None)
    tie = event.get("id") if document is None else document
    return moment(event.get("timestamp")) or _EPOCH, None if tie is None else (
        (0 if document is None else len(tie)), tie)


def _files(said: Mapping[str, Any], sizes: Mapping[str, int], findings: Findings) -> None:
    known = {MANIFEST_NAME}
    for place, event in enumerate(said["events"]):
        for number, one in enumerate(event.get("attachments", ())):
            where = f"events/{place}/attachments/{number}"
            known.add(one["id"])
            if one["id"] not in sizes:
                findings.add("zip_attachment_missing", where, quoted(one["id"]))
            elif "size" in one and one["size"] != sizes[one["id"]]:
                findings.add("zip_attachment_size", where, f"{sizes[one['id']]} bytes")
    for name, key in (("participants", "avatar"), ("conversations", "icon")):
        for place, one in enumerate(said[name]):
            if key in one:
                known.add(one[key])
                if one[key] not in sizes:
                    findings.add("zip_picture_missing", f"{name}/{place}/{key}", quoted(one[key]))
    for name in sizes:
        if name not in known:
            findings.add("zip_file_unreferenced", name)
