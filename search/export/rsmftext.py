"""The text part of an RSMF file: what a review platform indexes. Pure.

Owns its blocks, one an event in time order: who, then what he wrote, then what became of it. Edits
and retractions are in it, or nobody could search for them. A line of ours never comes from a
person: what people wrote stands indented.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from search.export import loadfile_text as words
from search.export.model import Item, Job, Slice
from search.export.rsmfevents import DISCLAIMER, Made, Scene
from search.export.rsmfpeople import UNKNOWN

DELETED: Final = "[deleted]"
_LINE_ENDS: Final = re.compile("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_TURN: Final = re.compile(r"(Retracted|Restored) at( \(\d+\))?")


def text_of(scene: Scene, made: Iterable[Made]) -> tuple[str, int]:
    """(The text with CRLF, how many control characters stand in it by their numbers.)"""
    names = {row["id"]: row["display"] for row in scene.people.rows()}
    out = list(_head(scene.job, scene.slice))
    changed = 0
    for one in made:
        out.append("")
        for line, is_theirs in _block(scene.job, one, names):
            shown, count = words.visible(line) if is_theirs else (words.one_line(line), 0)
            changed += count
            out += [f"  {part}" for part in _LINE_ENDS.split(shown)] if is_theirs else [shown]
    return "".join(f"{line}\r\n" for line in out), changed


def _head(job: Job, one: Slice) -> Iterator[str]:
    part = f", part {one.part} of {one.parts}" if one.parts > 1 else ""
    yield words.one_line(f"{one.title}, {one.day.isoformat()}{part}")
    yield words.one_line(f"Conversation {one.conversation} on {one.channel}, as captured at "
                         f"{one.account or 'an account that is not known'}; times in "
                         f"{job.zone_name}")


def _block(job: Job, one: Made, names: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """(line, whether a person wrote it)."""
    event = one.event
    when = _local(job, one.at)
    if event["type"] == DISCLAIMER:
        yield f"[notice] {when}", False
        yield f"[{event['body']}]", False
        return
    who = names.get(event.get("participant", ""), names.get(UNKNOWN, "not known"))
    document = one.source.document_id if isinstance(one.source, Item) else ""
    kind = {"join": "joins", "leave": "leaves", "unknown": "[not understood]"}.get(event["type"])
    yield f"{who}, {when}, {document}{f', {kind}' if kind else ''}", False
    if event["body"]:
        yield event["body"], True
    said = _customs(event)
    yield from _changes(job, event, names, said)
    yield from _turns(event, said)
    for attached in event.get("attachments", ()):
        yield f"[file] {attached['display']}", False
    for name, value in said.items():
        if name.startswith(("Reaction ", "Other version ", "Captured again ", "Recorded ")):
            yield f"[{name.lower()}] {value}", False
    if "Not readable" in said:
        yield f"[not readable] {said['Not readable']}", False
    elif "Text" in said and not event.get("deleted"):
        yield f"[no text] {said['Text']}", False


def _changes(job: Job, event: dict[str, Any], names: dict[str, str],
             said: dict[str, str]) -> Iterator[tuple[str, bool]]:
    edits = event.get("edits", ())
    if edits and "Original captured" in said:
        yield "[edited] The message before its first edit was never captured.", False
    for number, edit in enumerate(edits, 1):
        at = f", {edit['timestamp']}" if "timestamp" in edit else ""
        yield (f"[edited, {number} of {len(edits)}] by "
               f"{names.get(edit['participant'], 'not known')}{at}"), False
        if "previous" in edit:
            yield "[before]", False
            yield edit["previous"], True
        if "new" in edit:
            yield "[after]", False
            yield edit["new"], True
        else:
            yield "[after] The text was not captured.", False


def _turns(event: dict[str, Any], said: dict[str, str]) -> Iterator[tuple[str, bool]]:
    for name, value in said.items():
        if found := _TURN.fullmatch(name):
            done, again = found[1], found[2] or ""
            by = said.get(f"{done} by name{again}") or said.get(f"{done} by{again}", "")
            yield f"[{done.lower()}] {value}, by {by or 'somebody who is not named'}", False
    if event.get("deleted"):
        captured = said.get("Content captured before retraction", "")
        yield (f"{DELETED} It was retracted before its text was captured." if captured == "no"
               else DELETED), False


def _customs(event: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in event.get("custom", ())}


def _local(job: Job, at: int) -> str:
    """With its offset: on one night of the year an hour comes twice."""
    local: datetime = job.local(at)
    return f"{local:%Y-%m-%d %H:%M:%S} UTC{local:%z}"
