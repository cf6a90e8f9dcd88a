"""The work of a reviewer: the queue, one item, claims, and every act.

Owns how a call becomes a form of the desk (search/review/desk.py). The header Idempotency-Key is
the form's key: a call that is sent again is the same act.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from starlette.responses import Response

from schemas.errors import Missing
from search.access import roles
from search.review import decisions, item, machine, rules, timing
from search.review.facts import SEVERITIES
from search.review.questions import Filters
from search.review.views import Done, Form
from search.web.api import answers
from search.web.api.given import Given, id_of
from search.web.api.problems import of_review
from search.web.ask import Ask
from search.web.ports import ReviewPort

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
ALL: Final = "all"
STATUSES: Final = (*item.STATUSES, ALL)
WHYS: Final = (item.FLAGGED, item.SAMPLED, item.BY_HAND, item.NEW_FLAG, item.CHANGED,
               item.REOPENED, item.QUALITY, item.WENT_UP, item.OBJECTED, item.UNCONFIRMED)
AGES: Final = tuple(name for name, _ in timing.BUCKETS)
NAME_CHARS_MAX: Final = 200
CURSOR_CHARS_MAX: Final = 80
_BASIS_CHARS_MAX: Final = 200
# A call was answered by what an earlier one with the same key had done.
REPLAYED: Final = "idempotency-replayed"


def queue(ask: Ask) -> Response:
    """What waits, the gravest first; with counts, where they are asked for: one look, one
    record."""
    given = Given(ask.query)
    filters = _filters(given)
    limit = given.whole("limit", 1, PAGE_MAX) or PAGE_DEFAULT
    after = given.text("after", CURSOR_CHARS_MAX) or None
    with_counts = given.flag("counts")
    given.done()
    with of_review():
        found = _desk(ask).queue(ask.who, filters, limit, after, with_counts=with_counts)
    return answers.said({"items": [machine.row(one) for one in found.rows], "total": found.total,
                         "next": found.next,
                         **({"counts": dict(found.counts)} if with_counts else {})})


def counts(ask: Ask) -> Response:
    """How many items hold each value."""
    given = Given(ask.query)
    filters = _filters(given)
    given.done()
    with of_review():
        found = _desk(ask).counts(ask.who, filters)
    return answers.said({"counts": dict(found)})


def show(ask: Ask) -> Response:
    """One item. Opening it is not reviewing it."""
    Given(ask.query).done()
    doc_id = id_of(ask.params["id"])
    return answers.said(machine.view(_desk(ask).open(ask.who, doc_id)))


def reviewers(ask: Ask) -> Response:
    """Who can be given items."""
    Given(ask.query).done()
    return answers.said({"reviewers": [{"person": one, "name": ask.parts.name(one)}
                                       for one in _desk(ask).reviewers()]})


def claim(ask: Ask) -> Response:
    """The item is the caller's for a while."""
    Given(ask.body, is_typed=True).done()
    doc_id = id_of(ask.params["id"])
    with of_review():
        return answers.said(machine.claim(_desk(ask).claim(ask.who, doc_id)))


def release(ask: Ask) -> Response:
    """The item is free again, if it was the caller's. Whoever may give items to others ends
    another's claim too, on record; else another's claim stays, and that is no error."""
    Given(ask.body, is_typed=True).done()
    doc_id = id_of(ask.params["id"])
    with of_review():
        _desk(ask).release(ask.who, doc_id)
    return answers.said({"id": doc_id})


def decide(ask: Ask) -> Response:
    """Clear, false positive, escalate or breach."""
    given = _body(ask)
    return _act(ask, given, Form(
        decisions.DECIDE, decision=given.choice("decision", decisions.DECISIONS, required=True),
        reason=_reason(given), note=_note(given), basis=_basis(given),
        level=given.whole("level", decisions.LEVEL_FIRST, decisions.LEVEL_LAST)))


def confirm(ask: Ask) -> Response:
    """The second person agrees."""
    given = _body(ask)
    return _act(ask, given, Form(decisions.CONFIRM, reason=_reason(given), note=_note(given),
                                 basis=_basis(given)))


def refuse(ask: Ask) -> Response:
    """The second person objects; the item goes up a level."""
    given = _body(ask)
    return _act(ask, given, Form(decisions.OBJECT, reason=_reason(given), note=_note(given),
                                 basis=_basis(given)))


def assign(ask: Ask) -> Response:
    """To somebody; "" = to nobody."""
    given = _body(ask)
    return _act(ask, given, Form(decisions.ASSIGN, to=given.text("to", NAME_CHARS_MAX),
                                 note=_note(given)))


def reopen(ask: Ask) -> Response:
    """A closed item again, or a message that nothing flagged."""
    given = _body(ask)
    return _act(ask, given, Form(
        decisions.REOPEN, reason=_reason(given), note=_note(given),
        level=given.whole("level", decisions.LEVEL_FIRST, decisions.LEVEL_LAST)))


def note(ask: Ask) -> Response:
    """Words for the next reader."""
    given = _body(ask)
    return _act(ask, given, Form(decisions.NOTE, note=_note(given, required=True)))


def tag(ask: Ask) -> Response:
    """A tag."""
    return _tagged(ask, decisions.TAG)


def untag(ask: Ask) -> Response:
    """A tag no longer."""
    return _tagged(ask, decisions.UNTAG)


def unmask(ask: Ask) -> Response:
    """The names behind the pseudonyms of this item."""
    given = _body(ask)
    return _act(ask, given, Form(decisions.UNMASK, reason=_reason(given)))


def bulk(ask: Ask) -> Response:
    """One decision on several items."""
    given = _body(ask)
    ids = given.ids("ids", rules.BULK_MAX)
    form = Form(
        decisions.DECIDE, decision=given.choice("decision", rules.BULK_DECISIONS, required=True),
        reason=_reason(given), note=_note(given), key=ask.key,
        level=given.whole("level", decisions.LEVEL_FIRST, decisions.LEVEL_LAST))
    given.done()
    with of_review():
        return answers.said(machine.bulk(_desk(ask).bulk(ask.who, ids, form)))


def _desk(ask: Ask) -> ReviewPort:
    if ask.parts.review is None:
        raise Missing("no reviews here")
    return ask.parts.review


def _act(ask: Ask, given: Given, form: Form) -> Response:
    given.done()
    # What is done to an item answers with the item: only for who may see it.
    ask.who.require(roles.VIEW)
    doc_id = id_of(ask.params["id"])
    with of_review():
        done: Done = _desk(ask).act(ask.who, doc_id, replace(form, key=ask.key))
    answer = answers.said(machine.view(done.view))
    if done.repeated:
        answer.headers[REPLAYED] = "true"
    return answer


def _tagged(ask: Ask, action: str) -> Response:
    given = _body(ask)
    return _act(ask, given, Form(action, tag=given.text(
        "tag", decisions.TAG_CHARS_MAX, required=True)))


def _filters(given: Given) -> Filters:
    statuses = given.choices("status", STATUSES)
    return Filters(
        status=(Filters().status if statuses is None else () if ALL in statuses else statuses),
        level=given.whole("level", decisions.LEVEL_FIRST, decisions.LEVEL_LAST) or 0,
        severity=given.choice("severity", SEVERITIES),
        outcome=given.choice("outcome", decisions.DECISIONS),
        assigned=given.text("assigned", NAME_CHARS_MAX), rule=given.text("rule", NAME_CHARS_MAX),
        tag=given.text("tag", decisions.TAG_CHARS_MAX), why=given.choice("why", WHYS),
        age=given.choice("age", AGES), overdue=given.flag("overdue"),
        conflict=given.flag("conflict"), sample=given.flag("sample"),
        mandatory=given.flag("mandatory"), mine=given.flag("mine"))


def _body(ask: Ask) -> Given:
    return Given(ask.body, is_typed=True)


def _reason(given: Given) -> str:
    return given.text("reason", decisions.REASON_CHARS_MAX)


def _note(given: Given, *, required: bool = False) -> str:
    return given.text("note", decisions.NOTE_CHARS_MAX, required=required)


def _basis(given: Given) -> str:
    return given.text("basis", _BASIS_CHARS_MAX)
