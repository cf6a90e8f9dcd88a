"""What is counted of a package, slice by slice: messages, records, files, where it came from. Pure.

Owns the meaning of each number in certificate.json (docs/FORMAT.md §17): whoever has the package
can count again.
"""

from __future__ import annotations

from collections.abc import Iterable

from archive.tlog.leaf import Leaf
from schemas import media
from search.export.gather import Left
from search.export.model import Counts, Item, Slice


def count(counts: Counts, one: Slice, left: Iterable[Left]) -> None:
    """One slice, and the records that are known of it and not here."""
    exported = sum(not item.context for item in one.items)
    counts.exported += exported
    counts.context += len(one.items) - exported
    counts.matched += exported + len(one.withheld)
    counts.records += sum(len(item.records) for item in one.items)
    for item in one.items:
        _files(counts, item)
    for withheld in one.withheld:
        _add(counts.withheld, withheld.reason)
    for record in left:
        _add(counts.left, record.reason)


def count_left(counts: Counts, left: Iterable[Left], slices: Iterable[str]) -> None:
    """At the end: what the claim found besides, and how many conversations all that is of.
    `slices`: names of those that there are."""
    found = {name.partition("_")[0] for name in slices}
    for record in left:
        _add(counts.left, record.reason)
        found.add(record.conversation)
    counts.conversations = len(found - {""})


def remember(known: dict[str, list[str]], one: Slice) -> None:
    """What the events of a slice say of where they came from; of a large event the whole."""
    events = [record.event for item in one.items for record in item.records
              if record.event is not None]
    for name, values in (("sources", {event.source for event in events}),
                         ("accounts", {event.account for event in events}),
                         ("channels", {event.channel for event in events}),
                         ("provenances", {event.provenance for event in events})):
        known[name] = sorted({*known.get(name, ()), *values} - {""})


def key_of(leaf: Leaf) -> str:
    """The name of the key that a cell is sealed under, never the key."""
    return f"{leaf.cell.domain}/{leaf.cell.generation}"


def _files(counts: Counts, item: Item) -> None:
    here = [one for one in item.files if one.path]
    counts.files += len(here)
    counts.file_bytes += sum(one.size for one in here)
    named = {attached.sha256.hex() for record in item.records if record.event is not None
             for attached in record.event.attachments
             if attached.state == media.STORED and attached.sha256 is not None}
    counts.files_missing += len(named - {one.sha256 for one in here})
    counts.files_not_archived += sum(
        not one.path and one.view.stored is None and one.view.state != media.STORED
        for one in item.files)


def _add(counted: dict[str, int], reason: str) -> None:
    counted[reason] = counted.get(reason, 0) + 1
