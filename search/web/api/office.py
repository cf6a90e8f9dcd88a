"""What is watched over: reports of reviews, the trail of who did what, policies and their dry runs.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from schemas.errors import Missing, Refused
from search import machine, trail
from search.review import reports as period_reports
from search.trail import Record, Wanted
from search.web.api import answers
from search.web.api.given import Given, id_of
from search.web.api.problems import Wrong, of_query, of_review
from search.web.ask import Ask
from search.web.oversight import Oversight, PolicyView, RunView
from search.web.pages import reports as pages
from search.web.ports import ReportPort
from search.web.security import FILE_POLICY

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 200
NAME_CHARS_MAX: Final = 200
CURSOR_CHARS_MAX: Final = 64
# With its escapes it has to fit into a body.
SOURCE_CHARS_MAX: Final = 50_000
RUN_CHARS_MAX: Final = 64
_MONTH_CHARS: Final = 7


def period(ask: Ask) -> Response:
    """The reviews of a month, item by item."""
    month, (since, until) = _month(ask)
    with of_review(HTTPStatus.BAD_REQUEST):
        found = _reports(ask).period(ask.who, since, until)
    return answers.said({"month": month, "file": None, **period_reports.as_json(found)})


def accountability(ask: Ask) -> Response:
    """The same and about those who reviewed, signed: the bytes of the file, as they are."""
    month, (since, until) = _month(ask)
    with of_review(HTTPStatus.BAD_REQUEST):
        found = _reports(ask).signed(ask.who, month, since, until)
    return Response(found, media_type="application/json",
                    headers={"content-security-policy": FILE_POLICY})


def narrowing(ask: Ask) -> Response:
    """Words of rules that mostly hit what is nothing."""
    Given(ask.query).done()
    with of_review(HTTPStatus.BAD_REQUEST):
        found = _reports(ask).proposals(ask.who)
    return answers.said({"proposals": [
        {"rule": one.rule, "words": one.phrase, "decided": one.decided,
         "false_positive": one.false, "lost": one.lost, "gone": one.only} for one in found]})


def audit(ask: Ask) -> Response:
    """Who did what, the newest first."""
    given, zone = Given(ask.query), ask.parts.settings.zone.info
    document = given.text("document", NAME_CHARS_MAX)
    wanted = Wanted(
        person=given.text("person", NAME_CHARS_MAX), action=given.text("action", NAME_CHARS_MAX),
        group=given.choice("group", tuple(trail.GROUPS)), since=given.moment("since", zone),
        until=given.moment("until", zone), document=id_of(document) if document else "")
    limit = given.whole("limit", 1, PAGE_MAX) or PAGE_DEFAULT
    after = given.text("after", CURSOR_CHARS_MAX) or None
    given.done()
    with of_query():
        found = oversight(ask).trail.page(ask.who, wanted, limit, after)
    return answers.said({"records": [_record(one) for one in found.records], "next": found.next,
                         "is_partial": found.is_partial})


def policies(ask: Ask) -> Response:
    """Every version on disk."""
    Given(ask.query).done()
    with of_review(HTTPStatus.BAD_REQUEST):
        found = oversight(ask).policies.every(ask.who)
    return answers.said({"policies": [_policy(one) for one in found]})


def runs(ask: Ask) -> Response:
    """One's own dry runs, the youngest first."""
    Given(ask.query).done()
    with of_review(HTTPStatus.BAD_REQUEST):
        return answers.said({"runs": [
            _run(one) for one in oversight(ask).policies.runs(ask.who)]})


def begin(ask: Ask) -> Response:
    """A dry run of a policy on disk, or of one that is sent. Nothing is flagged."""
    given, zone = Given(ask.body, is_typed=True), ask.parts.settings.zone.info
    name, source = given.text("policy", NAME_CHARS_MAX), given.text("source", SOURCE_CHARS_MAX)
    since, until = given.moment("since", zone), given.moment("until", zone)
    given.done()
    if bool(name) == bool(source):
        raise Wrong("send policy, the name of one, or source, the text of one")
    with of_review(HTTPStatus.BAD_REQUEST):
        run_id = oversight(ask).policies.begin(ask.who, name, source, since, until)
    return answers.said({"run": run_id})


def run(ask: Ask) -> Response:
    """How far a dry run is, or what it found."""
    Given(ask.query).done()
    with of_review(HTTPStatus.BAD_REQUEST):
        return answers.said(_run(oversight(ask).policies.run(ask.who, _run_id(ask))))


def stop(ask: Ask) -> Response:
    """End a dry run."""
    Given(ask.body, is_typed=True).done()
    with of_review(HTTPStatus.BAD_REQUEST):
        oversight(ask).policies.stop(ask.who, _run_id(ask))
    return answers.said({"run": _run_id(ask)})


def _record(one: Record) -> dict[str, Any]:
    return {
        "id": one.record_id, "kind": one.kind, "action": one.action, "person": one.person,
        "at": machine.rfc3339(one.at), "text": one.text, "details": dict(one.details),
        "document": one.document or None, "nth": one.nth or None, "nth_at_least": one.at_least,
        "listed": one.is_listed, "problem": one.problem or None,
    }


def _policy(one: PolicyView) -> dict[str, Any]:
    return {
        "policy": one.policy_id, "version": one.version, "title": one.title, "file": one.file,
        "effective": one.effective, "state": one.state, "severity": one.severity,
        "mandatory": one.mandatory, "author": one.author, "approver": one.approver,
        "rules": [{"rule": name, "why": why} for name, why in one.rules], "source": one.source,
    }


def _run(one: RunView) -> dict[str, Any]:
    return {
        "run": one.run_id, "policy": one.policy, "title": one.title, "state": one.state,
        "percent": one.percent, "since": machine.rfc3339(one.since),
        "until": machine.rfc3339(one.until), "began_at": machine.rfc3339(one.began_at),
        "is_cut": one.is_cut, "problem": one.problem or None, "messages": one.messages,
        "rules": [{
            "rule": each.rule, "why": each.why, "flags": each.flags, "messages": each.messages,
            "samples": [{"hit": machine.hit(sample.hit), "reason": sample.reason,
                         "severity": sample.severity} for sample in each.samples],
        } for each in one.rules],
    }


def _run_id(ask: Ask) -> str:
    found = ask.params["run"]
    if len(found) > RUN_CHARS_MAX or not found.isalnum():
        raise Missing("no run")
    return found


def _month(ask: Ask) -> tuple[str, tuple[int, int]]:
    given = Given(ask.query)
    month = given.text("month", _MONTH_CHARS, required=True)
    given.done()
    try:
        # Of a month that is not over what there is of it, as on the page.
        return month, pages.period(month, ask.parts.settings.zone, ask.parts.clock())
    except Refused as error:
        raise Wrong("month is a month, as 2026-11", key="month") from error


def _reports(ask: Ask) -> ReportPort:
    if ask.parts.reports is None:
        raise Missing("no reports here")
    return ask.parts.reports


def oversight(ask: Ask) -> Oversight:
    """What watches over things. Raises Missing for a console that has none."""
    if ask.parts.oversight is None:
        raise Missing("nothing is watched here")
    return ask.parts.oversight
