"""The API of the firm: breaking the glass, people and directory, figures, saved searches, sessions.

Each call for who may, for who may not, behind a wall, with a token, and with what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from infra.saved import SAVED_MAX
from search.access import roles
from search.access.sessions import DEMO, Origin
from search.web.routes import ROUTES
from tests.web.test_api import actions, issued, problem
from tests.web.walls import ALPHA, BETA, MONTH, SEES, Firm, capabilities

pytestmark = pytest.mark.slow

API: Final = "/api/v1"
ACCESS: Final = f"{API}/access"
REQUESTS: Final = f"{ACCESS}/requests"
REASON: Final = "a complaint of this morning"
WANTED: Final = {"what": "custodian:bob.vance", "reason": REASON, "minutes": 30}


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """A firm whose console is asked by programs."""
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path_factory.mktemp("firm") / "home", patch)
        yield made
        made.close()


def asked(firm: Firm, person: str, **more: Any) -> str:
    """The id of a new request."""
    found = firm.ask(person, "POST", REQUESTS, body={**WANTED, **more})
    assert 200 == found.status_code, found.text
    said = found.json()
    assert ("waiting", person, None, None) == (
        said["state"], said["person"], said["second"], said["until"])
    return str(said["request"])


def ended(firm: Firm, person: str, request: str) -> None:
    """It is over."""
    done = firm.ask(person, "POST", f"{REQUESTS}/{request}/end")
    assert {"request": request, "state": "ended"} == done.json()


# --- breaking the glass ---------------------------------------------------------------------------


def test_two_people_break_the_glass(firm: Firm) -> None:
    """Asked, seen by the second, approved, used, ended: each on record as from the page."""
    message = f"{API}/messages/{firm.ids(BETA)[0]}"
    problem(firm.ask("rita", "GET", message), 404, "not_found")
    actions(firm)
    request = asked(firm, "rita")
    assert ["break_glass_requested"] == actions(firm)
    (seen,) = firm.ask("lea", "GET", ACCESS).json()["requests"]
    assert (request, REASON, 30) == (seen["request"], seen["reason"], seen["minutes"])
    assert ["access_read"] == actions(firm)
    problem(firm.ask("rita", "GET", message), 404, "not_found")
    done = firm.ask("lea", "POST", f"{REQUESTS}/{request}/approve").json()
    assert ("open", "lea") == (done["state"], done["second"])
    assert done["until"] > done["asked_at"]
    assert "break_glass_approved" in actions(firm)
    assert "quicksilver" in firm.ask("rita", "GET", message).text
    assert "break_glass_used" in actions(firm)
    problem(firm.ask("rita", "GET", message, token=True), 404, "not_found")
    problem(firm.ask("lea", "POST", f"{REQUESTS}/{request}/approve"), 409, "conflict")
    ended(firm, "rita", request)
    problem(firm.ask("rita", "GET", message), 404, "not_found")
    assert "break_glass_ended" in actions(firm)


def test_a_refusal_says_why_and_is_recorded(firm: Firm) -> None:
    """Then it is gone, for both."""
    request = asked(firm, "rita")
    problem(firm.ask("lea", "POST", f"{REQUESTS}/{request}/refuse", body={"reason": "x" * 401}),
            400, "input")
    actions(firm)
    done = firm.ask("lea", "POST", f"{REQUESTS}/{request}/refuse", body={"reason": "on Monday"})
    assert {"request": request, "state": "refused"} == done.json()
    assert ["break_glass_refused"] == actions(firm)
    for act in ("approve", "refuse", "end"):
        problem(firm.ask("lea", "POST", f"{REQUESTS}/{request}/{act}"), 404, "not_found")
    assert [] == firm.ask("rita", "GET", ACCESS).json()["requests"]


def test_nobody_approves_alone_or_past_his_own_wall(firm: Firm) -> None:
    """One's own request; and a wall that keeps the second person out too: he is told, on record."""
    own = asked(firm, "carl")
    problem(firm.ask("carl", "POST", f"{REQUESTS}/{own}/approve"), 409, "conflict")
    problem(firm.ask("carl", "POST", f"{REQUESTS}/{own}/refuse"), 409, "conflict")
    ended(firm, "carl", own)
    walled = asked(firm, "rita", walls=["the wall"])
    actions(firm)
    found = problem(firm.ask("walt", "POST", f"{REQUESTS}/{walled}/approve"), 403, "denied")
    assert "keeps you out too" in found["detail"]
    assert ["denied"] == actions(firm)
    ended(firm, "lea", walled)


def test_who_may_not_ask_or_approve(firm: Firm) -> None:
    """By role, denied and recorded; another's request is not there for whoever may not approve."""
    request = asked(firm, "rita")
    for person in ("otto", "ada"):
        actions(firm)
        problem(firm.ask(person, "POST", REQUESTS, body=WANTED), 403, "denied")
        assert ["denied"] == actions(firm)
    for act in ("approve", "refuse"):
        problem(firm.ask("mia", "POST", f"{REQUESTS}/{request}/{act}"), 403, "denied")
    problem(firm.ask("mia", "POST", f"{REQUESTS}/{request}/end"), 404, "not_found")
    assert [] == firm.ask("mia", "GET", ACCESS).json()["requests"]
    ended(firm, "rita", request)


@pytest.mark.parametrize(("wrong", "key"), [
    ({"what": "planet:mars"}, "what"), ({"what": "custodian:"}, "what"), ({"what": ""}, "what"),
    ({"what": "everything:x"}, "what"), ({"what": 5}, "what"), ({"reason": "short"}, "reason"),
    ({"reason": " " * 20}, "reason"), ({"reason": "x" * 401}, "reason"),
    ({"minutes": 0}, "minutes"), ({"minutes": 241}, "minutes"), ({"minutes": "30"}, "minutes"),
    ({"minutes": True}, "minutes"), ({"walls": "the wall"}, "walls"), ({"walls": [""]}, "walls"),
    ({"walls": ["x"] * 21}, "walls"), ({"privileged": "yes"}, "privileged"),
    ({"kind": "custodian"}, "kind")])
def test_a_request_that_cannot_be_meant(firm: Firm, wrong: dict[str, Any], key: str) -> None:
    """400 with the key; nothing is recorded and nothing waits."""
    actions(firm)
    answer = firm.ask("rita", "POST", REQUESTS, body={**WANTED, **wrong})
    assert key == problem(answer, 400, "input")["key"]
    assert [] == actions(firm)


def test_no_emergency_is_asked_for_six_times(firm: Firm) -> None:
    """409 that says to end one first; a missing value is named."""
    every = [asked(firm, "mia") for _ in range(5)]
    assert "end one of them" in problem(
        firm.ask("mia", "POST", REQUESTS, body=WANTED), 409, "conflict")["detail"]
    for one in every:
        ended(firm, "mia", one)
    for name in WANTED:
        body = {key: value for key, value in WANTED.items() if key != name}
        assert name == problem(firm.ask("mia", "POST", REQUESTS, body=body), 400, "input")["key"]


def test_a_token_opens_no_door(firm: Firm) -> None:
    """Not the words, not the requests, not the people, not the sessions: denied and recorded, for
    whatever owner; and it ends nothing."""
    request = asked(firm, "lea")
    for person, method, path in (
            ("lea", "GET", ACCESS), ("lea", "POST", REQUESTS),
            ("carl", "POST", f"{REQUESTS}/{request}/approve"),
            ("carl", "POST", f"{REQUESTS}/{request}/refuse"),
            ("lea", "POST", f"{REQUESTS}/{request}/end"), ("ada", "GET", f"{API}/people"),
            ("lea", "GET", f"{API}/me/sessions"), ("lea", "POST", f"{API}/me/sessions/end")):
        actions(firm)
        body = {**WANTED} if path == REQUESTS else {"session": "others"} if "me/" in path else {}
        problem(firm.ask(person, method, path, body=body, token=True), 403, "denied")
        assert ["denied"] == actions(firm), path
    ended(firm, "lea", request)


def test_what_may_i_see_in_words(firm: Firm) -> None:
    """As the page says it: the wall by its name, not who is behind it."""
    found = firm.ask("wes", "GET", ACCESS).json()
    assert any("the wall" in one for one in found["kept"])
    assert found["may"] and found["sees"]
    assert "Vancewick" not in str(found)
    assert [] == firm.ask("ada", "GET", ACCESS).json()["sees"]


# --- people and directory -------------------------------------------------------------------------


def test_people_and_their_accounts(firm: Firm) -> None:
    """For who keeps accounts alone; recorded; as the page has it."""
    actions(firm)
    found = firm.ask("ada", "GET", f"{API}/people").json()
    assert ["people_read"] == actions(firm)
    assert set(SEES) == {one["person"] for one in found["people"]}
    (sue,) = [one for one in found["people"] if one["person"] == "sue"]
    assert (["supervisor"], "none", False) == (sue["roles"], sue["account"], sue["has_totp"])
    (wall,) = found["walls"]
    assert ("the wall", ["walt", "wes"], None) == (
        wall["wall"], wall["against"], wall["everybody_but"])
    for person in ("carl", "lea", "otto", "rita"):
        problem(firm.ask(person, "GET", f"{API}/people"), 403, "denied")
    assert "x" == problem(firm.ask("ada", "GET", f"{API}/people?x=1"), 400, "input")["key"]


def test_groups_and_matters_for_programs(firm: Firm) -> None:
    """With a token that may; and for nobody else."""
    token, _ = issued(firm, "ada", roles.DIRECTORY)
    actions(firm)
    found = firm.send("GET", f"{API}/directory", authorization=f"Bearer {token}").json()
    assert ["directory_read"] == actions(firm)
    assert {"group": "team-a", "members": ["ann.archer"], "supervisors": ["sue"]} in found["groups"]
    assert [{"matter": "m-2", "name": "Lease", "custodians": ["bob.vance"]}] == found["matters"]
    other, _ = issued(firm, "ada", roles.DASHBOARD)
    problem(firm.send("GET", f"{API}/directory", authorization=f"Bearer {other}"), 403, "denied")
    for person in ("carl", "sue", "otto"):
        problem(firm.ask(person, "GET", f"{API}/directory"), 403, "denied")


# --- figures --------------------------------------------------------------------------------------


def test_figures_are_of_what_is_seen(firm: Firm) -> None:
    """A supervisor's own, behind a wall less; the firm's for who sees no message; recorded."""
    def captured(person: str) -> int:
        found = firm.ask(person, "GET", f"{API}/dashboard?days=7").json()
        assert 7 == len(found["days"])
        return sum(one["total"] for one in found["days"])

    actions(firm)
    whole = firm.ask("ada", "GET", f"{API}/dashboard").json()
    assert ["dashboard"] == actions(firm)
    assert (30, True, None) == (len(whole["days"]), whole["is_whole"], whole["reviews"])
    assert {"Capture", "Archive", "Index"} == {one["part"] for one in whole["health"]["parts"]}
    assert captured("otto") > captured("carl") > captured("walt") > 0
    reviews = firm.ask("sue", "GET", f"{API}/dashboard").json()["reviews"]
    assert sum(reviews["waiting"].values()) == 1
    assert "betarule" not in firm.ask("sue", "GET", f"{API}/dashboard").text


def test_figures_for_who_may_not_and_of_no_days(firm: Firm) -> None:
    """Denied by role and by token; a number of days that there is not."""
    for person in ("rita", "lea"):
        problem(firm.ask(person, "GET", f"{API}/dashboard"), 403, "denied")
    token, _ = issued(firm, "carl", roles.SEARCH)
    problem(firm.send("GET", f"{API}/dashboard", authorization=f"Bearer {token}"), 403, "denied")
    for days in ("0", "93", "x", "-1"):
        answer = firm.ask("ada", "GET", f"{API}/dashboard?days={days}")
        assert "days" == problem(answer, 400, "input")["key"]


# --- one's own ------------------------------------------------------------------------------------


def test_saved_searches_are_ones_own(firm: Firm) -> None:
    """Kept, listed, replaced, removed; on the page too; nobody else sees them."""
    path = f"{API}/saved"
    body = {"name": "Taken back", "query": "state:retracted"}
    assert body == firm.ask("rita", "POST", path, body=body, token=True).json()
    firm.ask("rita", "POST", path, body={**body, "query": "state:edited"})
    (one,) = firm.ask("rita", "GET", path).json()["saved"]
    assert ("Taken back", "state:edited") == (one["name"], one["query"])
    assert "Taken back" in firm.ask("rita", "GET", "/search").text
    assert [] == firm.ask("sue", "GET", path).json()["saved"]
    firm.ask("sue", "POST", f"{path}/remove", body={"name": "Taken back"})
    assert 1 == len(firm.ask("rita", "GET", path).json()["saved"])
    for _ in range(2):
        done = firm.ask("rita", "POST", f"{path}/remove", body={"name": "Taken back"})
        assert {"name": "Taken back"} == done.json()
    assert [] == firm.ask("rita", "GET", path).json()["saved"]


@pytest.mark.parametrize(("body", "key"), [
    ({"name": "", "query": "x"}, "name"), ({"name": "  ", "query": "x"}, "name"),
    ({"name": "a\nb", "query": "x"}, "name"), ({"name": "n" * 81, "query": "x"}, "name"),
    ({"name": "n"}, "query"), ({"name": "n", "query": " "}, "query"),
    ({"name": "n", "query": "x" * 10_001}, "query"), ({"name": 1, "query": "x"}, "name"),
    ({"name": "n", "query": "x", "q": "x"}, "q")])
def test_a_saved_search_that_is_none(firm: Firm, body: dict[str, Any], key: str) -> None:
    """400 with the key, and nothing is kept."""
    answer = firm.ask("mia", "POST", f"{API}/saved", body=body)
    assert key == problem(answer, 400, "input")["key"]
    assert [] == firm.ask("mia", "GET", f"{API}/saved").json()["saved"]


def test_saved_searches_have_an_end(firm: Firm) -> None:
    """409 that says to remove one; and who does not search has none."""
    saved = firm.process.parts.saved
    for number in range(SAVED_MAX):
        saved.put("wes", f"{number}", "x")
    answer = firm.ask("wes", "POST", f"{API}/saved", body={"name": "more", "query": "x"})
    assert "remove one" in problem(answer, 409, "conflict")["detail"]
    for person in ("otto", "ada"):
        problem(firm.ask(person, "GET", f"{API}/saved"), 403, "denied")
        problem(firm.ask(person, "POST", f"{API}/saved", body={}), 403, "denied")


def test_who_can_be_given_items(firm: Firm) -> None:
    """For who may give them."""
    found = firm.ask("sue", "GET", f"{API}/reviewers").json()["reviewers"]
    assert {"person": "rita", "name": "Rita"} in found
    assert "otto" not in {one["person"] for one in found}
    problem(firm.ask("rita", "GET", f"{API}/reviewers"), 403, "denied")


def test_where_one_is_signed_in(firm: Firm) -> None:
    """One's own sessions; one is ended, then all others; another's is not there."""
    def sign_in() -> str:
        return firm.process.parts.signin.open_for("nil", Origin("10.0.0.9", "x"), DEMO).live.session

    path, other = f"{API}/me/sessions", sign_in()
    found = firm.ask("nil", "GET", path).json()["sessions"]
    assert other in {one["session"] for one in found}
    assert 1 == sum(one["is_this"] for one in found)
    problem(firm.ask("rita", "POST", f"{path}/end", body={"session": other}), 404, "not_found")
    actions(firm)
    done = firm.ask("nil", "POST", f"{path}/end", body={"session": other})
    assert ({"ended": 1}, ["session_ended"]) == (done.json(), actions(firm))
    sign_in()
    assert {"ended": 1} == firm.ask("nil", "POST", f"{path}/end", body={"session": "others"}).json()
    assert 1 == len(firm.ask("nil", "GET", path).json()["sessions"])
    assert "session" == problem(firm.ask("nil", "POST", f"{path}/end"), 400, "input")["key"]


def test_a_claim_is_given_back_by_whom(firm: Firm) -> None:
    """By whoever holds it; by who may assign; and another's stays without an error."""
    item = f"{API}/items/{firm.ids(ALPHA)[0]}"
    for who, left in (("wes", 1), ("rita", 0), ("sue", 0)):
        assert 200 == firm.ask("rita", "POST", f"{item}/claim").status_code
        actions(firm)
        assert 200 == firm.ask(who, "POST", f"{item}/release").status_code
        assert (["release"] if who == "sue" else []) == actions(firm)
        held = firm.ask("carl", "GET", item).json()["claimed_by"]
        assert left == (held is not None)
        firm.ask("rita", "POST", f"{item}/release")


def test_too_many_reviews_are_refused_in_words(firm: Firm,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """All records and reviews: 422 that says what to choose instead, which does answer. A report
    likewise, on the page too; and of a month that is not over as of now."""
    month = f"month={MONTH}"
    told = firm.ask("carl", "GET", f"{API}/reports/period?{month}").json()
    assert told["until"] <= firm.process.parts.clock()
    monkeypatch.setattr("search.trail.REVIEWED_MAX", 0)
    monkeypatch.setattr("search.review.office.ITEMS_MAX", 0)
    for path in ("", "?group=reviews", "?action=decide"):
        found = problem(firm.ask("carl", "GET", f"{API}/audit{path}"), 422, "too_broad")
        assert "were decided on" in found["detail"]
    for path in ("?group=looks", "?action=search", f"?document={firm.ids(BETA)[0]}"):
        assert 200 == firm.ask("carl", "GET", f"{API}/audit{path}").status_code, path
    page = firm.ask("carl", "GET", "/audit")
    assert (422, True) == (page.status_code, "were decided on" in page.text)
    page = firm.ask("carl", "GET", f"/reports?{month}")
    assert (422, True) == (page.status_code, "More than 0 items" in page.text)
    found = problem(firm.ask("carl", "GET", f"{API}/reports/period?{month}"), 422, "too_broad")
    assert "this report" in found["detail"]


def test_no_call_changes_anything_with_get() -> None:
    """What a link could do is looking."""
    assert {one.methods for one in ROUTES if one.is_api} == {("GET",), ("POST",)}
    assert roles.BREAK_GLASS_APPROVE in capabilities("lea")
