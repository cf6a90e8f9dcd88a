"""A conversation as a chat, and one message with everything that is known of it."""

from __future__ import annotations

from starlette.responses import Response

from schemas import media
from search.conversation import PAGE_DEFAULT
from search.web import chat
from search.web.ask import Ask

_CURSOR_CHARS_MAX = 64
_FILE_FACTS = frozenset({media.STORED, media.FAILED, media.PENDING})


def show(ask: Ask) -> Response:
    """A page of the conversation."""
    token, at = ask.params["token"], ask.text("at", _CURSOR_CHARS_MAX)
    view = ask.parts.desk.conversation(
        token, ask.who, at=at or None, before=ask.text("before", _CURSOR_CHARS_MAX) or None,
        after=ask.text("after", _CURSOR_CHARS_MAX) or None, limit=PAGE_DEFAULT)
    first = view.messages[0].hit if view.messages else None
    return ask.page(
        "conversation.html", chat.title(view.parties, view.accounts) or "Conversation",
        view=view, rows=chat.rows(view, ask.zone, at), token=token, at=at,
        channel=chat.channel(first.channel) if first else "",
        custodians=sorted({one.hit.custodian for one in view.messages} - {""}),
        back=ask.text("q"))


def message(ask: Ask) -> Response:
    """One message: versions, why flagged, copies, files, what else happened, where it lies."""
    view = ask.parts.desk.view(ask.params["id"], ask.who, 0)
    bubble = chat.bubble(view, ask.zone, is_this=True)
    related = [one for one in view.related
               if not (one.kind == "derived" and one.subkind in _FILE_FACTS)
               and one.kind not in ("reaction", "policy")]
    return ask.page("message.html", "Message", view=view, bubble_of=bubble, related=related)
