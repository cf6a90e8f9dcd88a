"""Policies in force, and dry runs of one: what it would flag, before it flags anything."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from schemas.errors import Missing, QueryError, Refused
from search.access import roles
from search.web import dates
from search.web.ask import Ask
from search.web.oversight import PolicyView

# How often a browser asks again how far a run is, s; without waiting for it the page has a link.
_AGAIN_S: Final = 4
_NAME_CHARS_MAX: Final = 200
RUNNING: Final = "running"


def show(ask: Ask) -> Response:
    """Every version on disk."""
    policies, error = _every(ask)
    return ask.page("policies.html", "Policies", policies=policies, error=error,
                    may_test=roles.POLICY_TEST in ask.who.may)


def form(ask: Ask, error: str = "", status: int = HTTPStatus.OK) -> Response:
    """The form of a dry run, and one's own runs."""
    policies, broken = _every(ask)
    said = {name: ask.form.get(name, "") or ask.text(name, _NAME_CHARS_MAX)
            for name in ("policy", "since", "until")}
    return ask.page("policytest.html", "Try a policy", status, policies=policies,
                    error=error or broken, said=said, source=ask.form.get("source", ""),
                    runs=ask.parts.watch.policies.runs(ask.who))


def begin(ask: Ask) -> Response:
    """A dry run begins; its page says how far it is."""
    try:
        since, until = dates.span(ask.form.get("since", ""), ask.form.get("until", ""),
                                  # A policy's days are the firm's, whoever looks.
                                  ask.parts.settings.zone)
        run_id = ask.parts.watch.policies.begin(
            ask.who, ask.form.get("policy", ""), ask.form.get("source", ""), since, until)
    except (Refused, QueryError) as error:
        return form(ask, str(error), HTTPStatus.UNPROCESSABLE_ENTITY)
    except Missing:
        return form(ask, "This policy is not in the folder any more. Choose another.",
                    HTTPStatus.UNPROCESSABLE_ENTITY)
    return ask.go(f"/policies/test/{run_id}")


def run(ask: Ask) -> Response:
    """How far a run is, or what it found."""
    found = ask.parts.watch.policies.run(ask.who, ask.params["run"])
    response = ask.page("policyrun.html", "Dry run", run=found)
    if found.state == RUNNING:
        # In a header: the page itself does not move while somebody reads it with a screen reader
        # that says so, and the link is there for who waits.
        response.headers["refresh"] = str(_AGAIN_S)
    return response


def stop(ask: Ask) -> Response:
    """End a run."""
    ask.parts.watch.policies.stop(ask.who, ask.params["run"])
    return ask.go("/policies/test")


def _every(ask: Ask) -> tuple[tuple[PolicyView, ...], str]:
    try:
        return ask.parts.watch.policies.every(ask.who), ""
    except Refused as error:
        return (), str(error)
