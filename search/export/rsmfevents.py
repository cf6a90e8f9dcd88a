"""One item, one gap, one withheld item as one event of an RSMF manifest.

Owns the type, the time, the references and the custom properties of an event. Its versions are
`rsmfversions.py`, what happened beside it `rsmfbeside.py`, its files `rsmfenclosed.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final

from schemas import events
from schemas.gaps import REASONS, Gap
from search.export import loadfile_text as words
from search.export.model import Item, Job, Slice, Withheld
from search.export.rsmfbeside import reactions, receipts
from search.export.rsmfenclosed import Enclosed, display, enclosed
from search.export.rsmfmoments import of_item, said, written
from search.export.rsmfpeople import People, custom
from search.export.rsmfversions import Pairs, chain_of, turns_of
from search.export.transcript_words import reason
from search.web import times

MESSAGE: Final = "message"
DISCLAIMER: Final = "disclaimer"
UNKNOWN: Final = "unknown"
_TALK: Final = (events.MESSAGE, events.EDIT, events.RETRACTION, events.RESTORATION, events.CALL)
_MEMBERSHIP: Final = {
    "join": "join", "joined": "join", "add": "join", "added": "join",
    "leave": "leave", "left": "leave", "remove": "leave", "removed": "leave",
}
_DIRECTIONS: Final = {events.IN: "incoming", events.OUT: "outgoing"}


@dataclass(frozen=True, slots=True)
class Made:
    """An event with its files. `at`: UTC ms, `rank`: its place among events of one time."""

    at: int
    rank: tuple[int, int]
    event: dict[str, Any]
    source: Item | Gap | Withheld
    files: tuple[Enclosed, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What the events of one slice share. `ids`: the source's id of a message -> its event's;
    `native`: an item's document id -> the source's id."""

    job: Job
    slice: Slice
    people: People
    ids: Mapping[str, str]
    native: Mapping[str, str]


def scene_of(job: Job, one: Slice) -> Scene:
    """An event's id is the source's; its document id where the source gave none, or gave one
    twice."""
    people = People(one.channel, one.parties, one.account, one.firm, one.custodian)
    ids: dict[str, str] = {}
    native: dict[str, str] = {}
    for item in one.items:
        subject = _subject(item)
        native[item.document_id] = subject
        if subject and subject not in ids:
            ids[subject] = item.document_id
    return Scene(job, one, people, {subject: subject for subject in ids}, {
        document: subject if ids.get(subject) == document else document
        for document, subject in native.items()})


def of_message(item: Item, scene: Scene) -> Made:
    """An item."""
    hit = item.view.hit
    chain = chain_of(item, scene.people)
    turns = turns_of(item, scene.people, scene.slice.gaps, is_known=chain.is_known)
    at = of_item(item)
    files = tuple(enclosed(item, one) for one in item.files)
    event: dict[str, Any] = {
        "id": scene.native[item.document_id], "type": _type(item), "body": chain.body,
        "conversation": scene.slice.conversation, "timestamp": written(at)}
    if hit.actor is not None:
        event["participant"] = scene.people.id_of(hit.actor)
    if hit.state == "retracted":
        event["deleted"] = True
    if hit.direction in _DIRECTIONS:
        event["direction"] = _DIRECTIONS[hit.direction]
    if chain.edits:
        event["edits"] = list(chain.edits)
    if files:
        event["attachments"] = [
            {"id": one.name, "display": display(packed, one), "size": one.size}
            for one, packed in zip(files, item.files, strict=True)]
    standing, told = reactions(item.view.related, scene.people)
    read, beside = receipts(item.view.related, scene.people)
    if standing:
        event["reactions"] = standing
    if read:
        event["read_receipts"] = read
    answered = item.leading.detail("reply_to") if item.leading else None
    if answered and answered in scene.ids and answered != event["id"]:
        event["parent"] = scene.ids[answered]
    event["custom"] = custom([
        *_identity(item, scene), *_when(item, at), *turns, *chain.custom,
        ("In answer to", answered), *told, *beside, *_facts(item)])
    return Made(at, (2, item.number), event, item, files)


def of_gap(gap: Gap, number: int, scene: Scene) -> Made:
    """A gap, as a notice where it begins, or where the day does."""
    morning = int(datetime.combine(scene.slice.day, time(), scene.job.zone).timestamp()) * 1000
    at = max(morning, gap.since if gap.since is not None else morning)
    why = REASONS.get(gap.reason, gap.reason)
    since = said(gap.since) if gap.since is not None else "before anything is known"
    until = said(gap.until) if gap.until is not None else "now: it goes on"
    state = "Something may be missing here." if gap.is_open else "It was settled."
    return _notice(at, (0, number), scene, gap,
                   f"Gap of capture, {since} to {until}: {why}. {state}", [
        ("Gap", gap.name or gap.reason), ("Gap reason", gap.reason), ("Gap from", since),
        ("Gap until", until), ("Gap settled", gap.settled),
        ("Messages missing", str(gap.missing) if gap.missing else None), ("Gap note", gap.note)])


def of_withheld(one: Withheld, scene: Scene) -> Made:
    """Something that stays behind, as a notice in its place that tells nothing of what was said."""
    ground = reason(one.reason)
    number = int("".join(filter(str.isdigit, one.document_id)) or 0)
    return _notice(one.at, (1, number), scene, one,
                   f"{one.document_id}: withheld, {ground}. {one.words}".rstrip(), [
        ("Withheld document id", one.document_id), ("Withheld reason", one.reason),
        ("Withheld ground", one.words), ("Withheld kind", one.kind),
        ("Withheld author", one.author), ("Withheld recipients", "; ".join(one.recipients)),
        ("Withheld records", str(one.records))])


def _notice(at: int, rank: tuple[int, int], scene: Scene, source: Gap | Withheld, body: str,
            pairs: Pairs) -> Made:
    return Made(at, rank, {
        "type": DISCLAIMER, "conversation": scene.slice.conversation, "timestamp": written(at),
        "body": body, "custom": custom(pairs)}, source)


def _subject(item: Item) -> str:
    """The id by which the source knows the message."""
    one = item.leading
    if one is None:
        return ""
    return (one.target if one.target is not None else one.native_id) or ""


def _type(item: Item) -> str:
    hit = item.view.hit
    if hit.kind in _TALK and not hit.problem:
        return MESSAGE
    if hit.kind == events.MEMBERSHIP:
        action = (item.leading.detail("action") or "") if item.leading else ""
        return _MEMBERSHIP.get(action.lower(), UNKNOWN)
    return UNKNOWN


def _identity(item: Item, scene: Scene) -> Pairs:
    """Where the same is found in the other formats and in the proof."""
    leaves = sorted({one.leaf for one in item.records})
    return [
        ("Document id", item.document_id),
        ("Records", words.ranges(one.number for one in item.records)),
        ("Log leaf", words.ranges(leaves)), ("Shared key", item.shared),
        ("Source id", _subject(item) if _subject(item) != scene.native[item.document_id] else None),
        ("Custodian", item.custodian), ("Context", "it was not asked for; it stands around what "
                                        "was" if item.context else None),
        ("Kind", item.view.hit.kind if item.view.hit.kind != events.MESSAGE else None)]


def _when(item: Item, at: int) -> Pairs:
    hit, leading = item.view.hit, item.leading
    stated = hit.occurred_at
    out: Pairs = [("Captured at", written(hit.captured_at))]
    if stated != at:
        out.append(("Time", f"{said(stated)} as stated, which is not believed; sorted by when it "
                            "was received" if stated is not None else _unstated(item)))
    out.append(("Time as the file shows it", hit.occurred_local))
    out.append(("Time precision", leading.occurred_precision if leading else None))
    out.append(("Time meaning", hit.occurred_meaning))
    return out


def _unstated(item: Item) -> str:
    hit = item.view.hit
    if hit.occurred_local:
        return times.LOCAL
    if hit.occurred_not_before is not None:
        return f"between {said(hit.occurred_not_before)} and {said(hit.captured_at)}; the source " \
               "gave no time"
    return times.RECEIVED


def _facts(item: Item) -> Pairs:
    """What else is known: why there is no text, what the source says beside it."""
    hit, leading = item.view.hit, item.leading
    out: Pairs = []
    if hit.kind == events.RETRACTION and hit.actor is not None:
        out.append(("Participant", "who retracted it: the message itself was never captured"))
    if hit.actor is None:
        out.append(("Participant", "not known"))
    if hit.problem:
        out.append(("Not readable", hit.problem))
    if hit.text is None and hit.content_state != events.PRESENT:
        out.append(("Text", hit.content_state.replace("_", " ")))
    out.append(("Observations", ", ".join(hit.observations)))
    if leading is not None and hit.kind not in events.CONTENT_KINDS:
        out.append(("Raw type", leading.detail("type") or hit.subkind or hit.kind))
        out += [(f"Source says: {name}", value) for name, value in leading.details]
    return out


def members(scene: Scene, before: Iterable[Made], after: Iterable[Made]) -> list[str]:
    """Ids of who is in the conversation when `after` begins: all parties, but who comes in later,
    and who has left."""
    out = dict.fromkeys(scene.people.members)
    met: set[str] = set()
    for one in after:
        kind, native_id = _move(one)
        if native_id and native_id not in met:
            met.add(native_id)
            if kind == "join":
                out.pop(native_id, None)
    for one in before:
        kind, native_id = _move(one)
        if native_id and native_id not in met and kind == "leave":
            out.pop(native_id, None)
    custodian = scene.people.custodian
    found = scene.people.ids(out)
    return found if not custodian or custodian in found else [custodian, *found]


def _move(one: Made) -> tuple[str, str]:
    if one.event["type"] not in ("join", "leave") or not isinstance(one.source, Item):
        return "", ""
    actor = one.source.view.hit.actor
    return one.event["type"], actor.native_id if actor else ""
