"""The queue: what waits for a decision, the gravest and oldest first; several decided at once.

Owns the page's state, which is all in its address. A look at the queue is recorded with what it
showed; it claims nothing and decides nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from schemas.errors import Missing, Refused
from search.review import decisions, rules
from search.review.views import Form, QueueRow
from search.web import itemview, queuefilters
from search.web.ask import Ask, sentence
from search.web.ports import ReviewPort
from search.web.queuefilters import Chosen
from search.web.render import link

# A form has at most 50 fields: each item that is chosen is one.
LIMIT: Final = 25
PICK: Final = "pick-"
_KEY_CHARS_MAX: Final = 64
_PLACE_MAX: Final = 10_000


def show(ask: Ask) -> Response:
    """A page of the queue."""
    return _page(ask, queuefilters.read(ask.query))


def bulk(ask: Ask) -> Response:
    """One decision on what was chosen, with one reason; says what it left and why."""
    chosen = queuefilters.read_text(ask.form.get("back", ""))
    picked = frozenset(name.removeprefix(PICK) for name in ask.form if name.startswith(PICK))
    try:
        if not picked:
            raise Refused("choose the items first: tick the box of each")
        done = desk(ask).bulk(ask.who, sorted(picked), Form(
            decisions.DECIDE, ask.form.get("decision", ""), ask.form.get("reason", ""),
            key=key(ask)))
    except Refused as error:
        return _page(ask, chosen, sentence(str(error)), picked)
    return ask.page("bulkdone.html", "Decided together", done=done, back=chosen.query,
                    decision=itemview.DECISIONS[ask.form["decision"]][0].lower())


def following(ask: Ask) -> Response:
    """To the next item that this person may work on, from where he was in his queue."""
    chosen = queuefilters.read_text(ask.text("back", queuefilters.ADDRESS_CHARS_MAX))
    here, place = ask.text("not", 32), number(ask.text("n", 8))
    page = desk(ask).queue(ask.who, chosen.filters, LIMIT, chosen.after or None)
    ids = [one.doc_id for one in page.rows]
    start = ids.index(here) + 1 if here in ids else min(place, len(ids))
    found = _first(ask, page.rows, range(start, len(ids)), here)
    if found is None and page.next is not None:
        chosen = queuefilters.read_text(chosen.url(after=page.next).partition("?")[2])
        page = desk(ask).queue(ask.who, chosen.filters, LIMIT, page.next)
        found = _first(ask, page.rows, range(len(page.rows)), here)
    elif found is None:
        # What was passed over on the way here is what is left.
        found = _first(ask, page.rows, range(start), here)
    if found is None:
        return ask.go(link(queuefilters.PATH, **dict(chosen.said), end="1"))
    return ask.go(item_url(page.rows[found].doc_id, chosen.query, found))


def desk(ask: Ask) -> ReviewPort:
    """The desk. Raises Missing for a console that has none."""
    if ask.parts.review is None:
        raise Missing("no reviews here")
    return ask.parts.review


def key(ask: Ask) -> str:
    """What makes a form that is sent twice one decision. Raises Refused."""
    found = ask.form.get("key", "")
    if not 16 <= len(found) <= _KEY_CHARS_MAX or not found.isalnum() or not found.isascii():
        raise Refused("this form is none of ours: open the page again")
    return found


def number(said: str) -> int:
    """A place on a page; 0 for what is none."""
    return min(int(said), _PLACE_MAX) if said.isascii() and said.isdigit() else 0


def item_url(doc_id: str, back: str, place: int) -> str:
    """An item, with the queue that it was opened from."""
    return link(f"/item/{doc_id}", back=back, n=place or None)


def _first(ask: Ask, rows: tuple[QueueRow, ...], places: range, here: str) -> int | None:
    """The first of these that nobody else holds and that is not this person's own."""
    me = ask.who.person
    return next((place for place in places if not rows[place].is_own
                 and rows[place].doc_id != here
                 and (rows[place].claim is None or _holder(rows[place]) == me)), None)


def _holder(row: QueueRow) -> str:
    return row.claim.person if row.claim else ""


def _page(ask: Ask, chosen: Chosen, problem: str = "",
          picked: frozenset[str] = frozenset()) -> Response:
    parts, review, viewer = ask.parts, desk(ask), ask.who
    # Counts are of the whole queue: the same on each page, so the first one has them.
    page = review.queue(viewer, chosen.filters, LIMIT, chosen.after or None,
                        with_counts=not chosen.after)
    counts = page.counts
    now = parts.clock()
    messages = review.messages(viewer, page.rows)
    lines = [itemview.line(place, row, message, viewer, now, ask.zone, parts.name)
             for place, (row, message) in enumerate(zip(page.rows, messages, strict=True))]
    return ask.page(
        "queue.html", "Queue", HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
        lines=lines, total=page.total, next=page.next, chosen=chosen,
        tabs=queuefilters.tabs(chosen, counts), chips=queuefilters.chips(chosen),
        groups=queuefilters.groups(chosen, counts) if counts else (),
        problem=problem, picked=picked, at_end=ask.query.get("end") == "1",
        bulk_decisions=[(one, *itemview.DECISIONS[one]) for one in rules.BULK_DECISIONS],
        reason=ask.form.get("reason", ""), decided=ask.form.get("decision", ""),
        key=parts.random(16).hex())
