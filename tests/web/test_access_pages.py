"""What one may see, breaking the glass by two people, and the people's page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.web.deskworld import MINUTE, Desk, desk

_REQUEST = re.compile(r"/access/([0-9a-f]{32})/")
ASKED = {"kind": "custodian", "name": "bob", "reason": "a complaint of this morning",
         "minutes": "30"}


@pytest.fixture
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A firm of one test's own: what is opened stays open."""
    with desk(tmp_path_factory.mktemp("access") / "home") as made:
        yield made


def request_of(firm: Desk, person: str) -> str:
    """The one request that a person sees."""
    (found,) = set(_REQUEST.findall(firm.page(person, "/access")))
    return str(found)


def test_what_may_i_see_in_words(firm: Desk) -> None:
    """Groups, walls by name and not what is behind them, capabilities."""
    assert "group litigation: the messages of ann" in firm.page("sue", "/access")
    page = firm.page("lea", "/access")
    assert "the wall “Juniper” (advises the other side)" in page
    assert "bob" not in page
    assert "see who looked at what" in firm.page("otto", "/access")
    assert "None." in firm.page("ada", "/access")


def test_two_people_break_the_glass(firm: Desk) -> None:
    """Asked, approved by another, used with a banner, ended; each step on record."""
    (document,) = firm.documents("closed")
    assert firm.get("sue", f"/message/{document}").status_code == 404
    assert firm.post("sue", "/access", ASKED).status_code == 303
    assert "waits for another person" in firm.page("sue", "/access")
    asked = request_of(firm, "dana")
    assert firm.get("sue", f"/message/{document}").status_code == 404
    assert firm.post("dana", f"/access/{asked}/decide",
                     {"decision": "approve"}).status_code == 303
    page = firm.page("sue", f"/message/{document}")
    assert "Break-glass is active" in page
    assert "my account is closed" in page
    assert "Break-glass is active" in firm.page("sue", "/help")
    assert "Break-glass is active" not in firm.page("rita", "/help")
    assert "30 min left" in firm.page("sue", "/access")
    assert firm.post("sue", f"/access/{asked}/end", {}).status_code == 303
    assert firm.get("sue", f"/message/{document}").status_code == 404
    firm.index()
    said = firm.page("otto", "/audit")
    for words in ("asked to break the glass: custodian:bob", "opened custodian:bob to sue",
                  "used what was opened: custodian:bob", "ended what was opened to sue"):
        assert words in said


def test_it_ends_by_itself(firm: Desk) -> None:
    """When its time is over nothing is open, and that is on record when somebody sweeps."""
    (document,) = firm.documents("closed")
    firm.post("sue", "/access", ASKED)
    firm.post("dana", f"/access/{request_of(firm, 'dana')}/decide", {"decision": "approve"})
    assert firm.get("sue", f"/message/{document}").status_code == 200
    firm.clock.now += 31 * MINUTE
    assert firm.get("sue", f"/message/{document}").status_code == 404
    assert "Break-glass is active" not in firm.page("sue", "/help")
    firm.sweep()
    firm.index()
    assert "its time was over" in firm.page("otto", "/audit?action=break_glass_ended")


def test_nobody_approves_his_own(firm: Desk) -> None:
    """Not even with the right to approve, and not past a wall that keeps him out too."""
    firm.post("dana", "/access", ASKED)
    mine = request_of(firm, "dana")
    refused = firm.post("dana", f"/access/{mine}/decide", {"decision": "approve"})
    assert (422, True) == (refused.status_code, "his own request" in refused.text)
    firm.post("dana", f"/access/{mine}/end", {})
    firm.post("sue", "/access", {**ASKED, "walls": "Juniper"})
    kept = firm.post("lea", f"/access/{request_of(firm, 'lea')}/decide", {"decision": "approve"})
    assert (403, True) == (kept.status_code, "keeps you out too" in kept.text)
    firm.index()
    assert "was denied" in firm.page("otto", "/audit?person=lea&action=denied")


def test_a_refusal_says_why(firm: Desk) -> None:
    """It is recorded and the request is gone."""
    firm.post("sue", "/access", ASKED)
    asked = request_of(firm, "dana")
    assert firm.post("dana", f"/access/{asked}/decide",
                     {"decision": "refuse", "reason": "ask on Monday"}).status_code == 303
    assert not _REQUEST.findall(firm.page("sue", "/access"))
    again = firm.post("dana", f"/access/{asked}/decide", {"decision": "approve"})
    assert (404, True) == (again.status_code, "not there any more" in again.text)
    firm.index()
    assert "ask on Monday" in firm.page("otto", "/audit?action=break_glass_refused")


@pytest.mark.parametrize("wrong", [
    {"reason": "short"}, {"kind": "planet"}, {"minutes": "9999"}, {"minutes": "x"}, {"name": ""},
    {"minutes": "0"}])
def test_what_cannot_be_meant_is_refused(firm: Desk, wrong: dict[str, str]) -> None:
    """In words, with what was typed still there."""
    found = firm.post("sue", "/access", {**ASKED, **wrong})
    assert found.status_code == 422
    assert 'role="alert"' in found.text


def test_who_may_not_ask_has_no_form(firm: Desk) -> None:
    """An auditor reads what he may, and cannot ask; a reviewer cannot decide."""
    assert "Break the glass" not in firm.page("otto", "/access")
    assert firm.post("otto", "/access", ASKED).status_code == 403
    firm.post("sue", "/access", ASKED)
    asked = request_of(firm, "sue")
    assert not _REQUEST.findall(firm.page("rita", "/access"))
    assert firm.post("rita", f"/access/{asked}/decide", {"decision": "approve"}).status_code == 403
    assert firm.post("rita", f"/access/{asked}/end", {}).status_code == 404


def test_the_people_and_their_accounts(firm: Desk) -> None:
    """Roles, groups, walls, sign-in; for the administrator alone, and nothing of messages."""
    page = firm.page("ada", "/people")
    for said in ("Sue Hart", "supervisor", "litigation", "Juniper", "advises the other side",
                 "no account", "directory import access.csv --check", "everybody’s"):
        assert said in page
    for person in ("dana", "sue", "otto", "lea"):
        assert firm.get(person, "/people").status_code == 403
    firm.index()
    assert "looked at the people" in firm.page("otto", "/audit?action=people_read")


def test_a_lock_out_is_seen(firm: Desk) -> None:
    """Whoever guessed too often is named with the wait."""
    for _ in range(6):
        firm.guess("sue")
    assert "locked out for" in firm.page("ada", "/people")
