"""Answers of the API, as JSON, and the shapes that no verb prints: pages, conversations.

Owns them; hits, messages and explanations are those of `search/machine.py`, items those of
`search/review/machine.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from schemas.events import Identity
from schemas.gaps import Gap
from search import machine
from search.conversation import ConversationView
from search.searcher import Answer
from search.web.ports import FacetsView
from search.web.security import FILE_POLICY


def said(value: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The answer. A browser that is led here draws nothing of it and runs nothing in it."""
    return Response(
        json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")),
        status.value, media_type="application/json",
        headers={"content-security-policy": FILE_POLICY})


def page(answer: Answer) -> dict[str, Any]:
    """A page of hits. `unread`: texts that had to be read for the answer and could not be."""
    return {"hits": [machine.hit(one) for one in answer.hits], "total": answer.total,
            "next": answer.next, "unread": answer.unread}


def facets(found: FacetsView) -> dict[str, Any]:
    """Field -> its values."""
    return {field: [{"value": one.value, "label": one.label, "count": one.count}
                    for one in values] for field, values in found.items()}


def conversation(view: ConversationView) -> dict[str, Any]:
    """A page of a conversation, the oldest message first."""
    return {
        "conversation": view.conversation,
        "messages": [machine.message(one) for one in view.messages],
        "before": view.earlier, "after": view.later, "total": view.total,
        "gaps": [gap(one) for one in view.gaps],
        "parties": [_identity(one) for one in view.parties],
        "accounts": list(view.accounts),
    }


def gap(one: Gap) -> dict[str, Any]:
    """A gap of capture."""
    return {"reason": one.reason, "channel": one.channel or None, "account": one.account or None,
            "since": machine.rfc3339(one.since), "until": machine.rfc3339(one.until),
            "settled": one.settled or None, "missing": one.missing}


def _identity(one: Identity) -> dict[str, Any]:
    return {"id": one.native_id, "type": one.id_type, "name": one.display_name}
