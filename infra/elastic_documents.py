"""A document <-> what Elasticsearch keeps of it: the fields of `elastic.MAPPING`.

Owns that form, both ways.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.document import Document
from schemas.errors import Halt, Refused
from search import entries
from search.candidates import Seen
from search.project import document


def fields(found: Document) -> dict[str, Any]:
    """What is stored of a document."""
    return {
        "doc_id": found.doc_id, "kind": found.kind, "sort_at": found.sort_at,
        "words": [" ".join(revision) for revision in found.words],
        "chars": found.chars, "actors": found.actors, "recipients": found.recipients,
        "conversation": found.conversation, "shared": found.shared or None,
        "channel": found.channel, "state": found.state, "kinds": found.kinds,
        "marks": found.marks, "direction": found.direction,
        "custodians": found.custodians, "compartments": found.compartments,
        "review": found.review, "review_times": found.review_times,
        "entries": {"list": entries.dump_beside(found)},
    }


def read(doc_id: str, source: Mapping[str, Any]) -> Document:
    """The document again. Raises Halt for what does not read."""
    try:
        said = {"actor": source["actors"], "recipients": source["recipients"],
                "chars": source["chars"], "marks": source["marks"],
                "words": " ".join(source["words"]).split()}
        return document(doc_id, entries.load(source["entries"]["list"], said))
    except (KeyError, TypeError, ValueError, Refused) as error:
        raise Halt("format_unknown", f"{doc_id} does not read, rebuild the index") from error


def is_filed(doc_id: str, source: Mapping[str, Any]) -> bool:
    """Whether what lies there is what its entries make of it."""
    try:
        found = read(doc_id, source)
    except Halt:
        return False
    return bool(json.loads(json.dumps(fields(found))) == dict(source))


def seen(source: Mapping[str, Any]) -> Seen:
    """What was fetched of a document to check it."""
    return Seen(
        channel=source["channel"], kind=source["kind"], kinds=tuple(source["kinds"]),
        state=source["state"], direction=source["direction"],
        conversation=source["conversation"], shared=source["shared"] or "",
        custodians=tuple(source["custodians"]), compartments=tuple(source["compartments"]),
        review=tuple(source["review"]), review_times=tuple(source["review_times"]),
        actors=tuple(source["actors"]),
        recipients=tuple(source["recipients"]), marks=tuple(source["marks"]),
        chars=tuple(source["chars"]), sort_at=source["sort_at"],
        words=tuple(tuple(text.split()) for text in source["words"]))
