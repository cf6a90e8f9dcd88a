"""One item under review: the message where it was said, why it is here, what was done, and forms to
do something about it.

Owns the order of the page. To open it changes nothing; each form carries what was on the screen and
a key, so that what has changed meanwhile is refused and a form sent twice is one act.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from schemas.errors import Denied, Refused
from search.access.viewer import Viewer
from search.review import decisions, item
from search.review.leases import Taken
from search.review.views import Form, ItemView
from search.web import chat, itemview, queuefilters, times
from search.web.ask import Ask, sentence
from search.web.pages.queue import desk, item_url, key, number
from search.web.times import Zone

# Messages of the conversation that stand around the one under review.
AROUND: Final = 12
_BASIS_CHARS: Final = 32
# Fields that a refused form is shown with again.
_TYPED: Final = ("decision", "reason", "note", "level", "to", "tag")


def show(ask: Ask) -> Response:
    """The page."""
    return _page(ask)


def claim(ask: Ask) -> Response:
    """Nobody else can decide on it for a while."""
    try:
        desk(ask).claim(ask.who, ask.params["id"])
    except Refused as error:
        return _refused(ask, error)
    return _back(ask)


def release(ask: Ask) -> Response:
    """It is free again."""
    desk(ask).release(ask.who, ask.params["id"])
    return _back(ask)


def decide(ask: Ask) -> Response:
    """Clear, false positive, escalate, breach."""
    return _act(ask, decisions.DECIDE)


def second(ask: Ask) -> Response:
    """The second person's word."""
    said = ask.form.get("agrees", "")
    if said not in ("yes", "no"):
        return _refused(ask, Refused("say whether you agree"))
    return _act(ask, decisions.CONFIRM if said == "yes" else decisions.OBJECT)


def assign(ask: Ask) -> Response:
    """To somebody, or to nobody."""
    return _act(ask, decisions.ASSIGN)


def note(ask: Ask) -> Response:
    """Words for the next reader."""
    return _act(ask, decisions.NOTE)


def tag(ask: Ask) -> Response:
    """A tag, or no longer."""
    return _act(ask, decisions.UNTAG if ask.form.get("off") else decisions.TAG)


def reopen(ask: Ask) -> Response:
    """A closed item again, or a message that nothing flagged."""
    return _act(ask, decisions.REOPEN)


def unmask(ask: Ask) -> Response:
    """The names behind the pseudonyms."""
    return _act(ask, decisions.UNMASK)


def _act(ask: Ask, action: str) -> Response:
    try:
        desk(ask).act(ask.who, ask.params["id"], _form(ask, action))
    except Refused as error:
        return _refused(ask, error)
    return _back(ask, done="1")


def _form(ask: Ask, action: str) -> Form:
    """Raises Refused for what no page of ours sends."""
    said = {name: ask.form.get(name, "") for name in (*_TYPED, "basis")}
    if len(said["basis"]) != _BASIS_CHARS:
        raise Refused("this form is none of ours: open the page again")
    level = said["level"]
    if level not in ("", "1", "2", "3"):
        raise Refused("a level is 1 to 3")
    is_level = action == decisions.REOPEN or said["decision"] == decisions.ESCALATE
    return Form(
        action, said["decision"] if action == decisions.DECIDE else "", said["reason"],
        said["note"], int(level) if level and is_level else None, said["to"],
        ask.form.get("off", "") or said["tag"], key(ask), said["basis"])


def _back(ask: Ask, done: str = "") -> Response:
    """To the item, with GET: what is loaded again sends nothing again."""
    back = queuefilters.read_text(ask.form.get("back", "")).query
    url = item_url(ask.params["id"], back, number(ask.form.get("n", "")))
    if done:
        url += f"{'&' if '?' in url else '?'}done={done}"
    return ask.go(url)


def _refused(ask: Ask, error: Refused) -> Response:
    """The page again, with why and with what was typed. A denial is recorded before it is told."""
    if isinstance(error, Denied):
        if str(error) == str(Denied()):
            raise error                           # not for this account: the door says it
        ask.record_denial("review", document=ask.params["id"][:32])
    if isinstance(error, Taken):
        until = times.stamp(error.until, ask.zone).clock[:5]
        words = (f"{ask.parts.name(error.person)} is working on this item until {until}. "
                 "Nothing was recorded.")
    else:
        words = sentence(str(error)) + " Nothing was recorded."
    return _page(ask, words, HTTPStatus.FORBIDDEN if isinstance(error, Denied)
                 else HTTPStatus.CONFLICT)


def _page(ask: Ask, problem: str = "", code: int = HTTPStatus.OK) -> Response:
    parts, viewer, zone = ask.parts, ask.who, ask.zone
    is_sent = ask.method == "POST"
    view = desk(ask).open(viewer, ask.params["id"])
    chosen = queuefilters.read_text((ask.form if is_sent else ask.query).get("back", ""))
    place = number((ask.form if is_sent else ask.query).get("n", ""))
    made, state = view.history, view.state
    offer = itemview.offer(view, viewer)
    holder = itemview.held(view.claim, view.assigned_to, viewer, zone, parts.name)
    rows, title = _talk(ask, view, _seeing(viewer, view), zone)
    return ask.page(
        "item.html", "Item", code, view=view, state=state, problem=problem, rows=rows,
        talk=title, stands=itemview.status(state), why=itemview.why(state),
        due=itemview.due(view.due_at, parts.clock(), zone), holder=holder, offer=offer,
        barred=itemview.barred(view, offer), story=itemview.story(made, zone, parts.name),
        lead=itemview.leading(made), fresh=itemview.fresh(made),
        did=itemview.last_of(made, viewer.person, zone, parts.name)
        if ask.query.get("done") == "1" and not problem else None,
        differ=itemview.disagreement(made, zone, parts.name) if state.conflict else (),
        decisions=itemview.DECISIONS, waits=state.status in item.WAITING,
        is_second=state.status == item.SECOND, is_item=state.status != item.NONE,
        reviewers=[(one, parts.name(one)) for one in desk(ask).reviewers()]
        if offer.gives else [], name=parts.name, back=chosen.query, queue=chosen.url(
            after=chosen.after), n=place, following=_following(view, chosen.query, place),
        typed={name: ask.form.get(name, "") for name in _TYPED},
        key=parts.random(16).hex())


def _seeing(viewer: Viewer, view: ItemView) -> Viewer:
    """Names are shown of an item that was escalated, or whose reader said why he needs them: both
    are on record."""
    return replace(viewer, pseudonyms=False) if view.names_shown else viewer


def _talk(ask: Ask, view: ItemView, seeing: Viewer,
          zone: Zone) -> tuple[tuple[chat.ChatRow, ...], str]:
    """The conversation around the message, and what it is called."""
    token, doc_id = view.document.conversation, view.doc_id
    if token:
        found = ask.parts.desk.conversation(token, seeing, at=doc_id, limit=AROUND)
        if any(one.hit.doc_id == doc_id for one in found.messages):
            return chat.rows(found, zone, doc_id), chat.title(found.parties, found.accounts)
    only = ask.parts.desk.view(doc_id, seeing, 0)
    return (chat.bubble(only, zone, is_this=True),), ""


def _following(view: ItemView, back: str, place: int) -> dict[str, object]:
    return {"back": back, "n": place or None, "not": view.doc_id}
