"""Service tokens: hashed, expiring, revocable, never more than their owner."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from schemas.directory import Directory, Group
from schemas.errors import Denied, Refused
from search.access import roles, tokens
from search.access.lockout import TooManyAttempts
from search.access.own import FRESH_MS, NewToken
from search.access.people import Grant, viewer_of
from search.access.signin import NotSignedIn, Signed
from tests.search.access.signin_world import ANNA, BEN, DAY, DESK, GOOD, STRANGER, Firm

CAN = frozenset({roles.SEARCH, roles.VIEW})


@pytest.fixture
def firm() -> Firm:
    """Ben is of compliance and has an account."""
    made = Firm()
    made.has(BEN)
    return made


def given(firm: Firm, may: frozenset[str] = CAN, days: int = 30) -> str:
    """A token of Ben's."""
    return firm.admin.add_token("b.ito", "operator", "nightly report", days, may)[1]


def bearer(firm: Firm, token: str) -> frozenset[str] | None:
    """What the gate lets it do."""
    return firm.gate.bearer(f"Bearer {token}", DESK).capabilities


def test_a_token_is_its_owner_and_no_more(firm: Firm) -> None:
    """Named in records by its id; limited to what it was given."""
    token = given(firm)
    live = firm.gate.bearer(f"bearer {token}", DESK)
    assert ("b.ito", "token", CAN) == (live.person, live.how, live.capabilities)
    assert re.fullmatch(r"cf_[0-9a-f]{16}_[0-9a-f]{64}", token)
    assert token.split("_")[1] == live.session
    assert "" == live.csrf


def test_only_its_hash_is_kept(firm: Firm) -> None:
    """Neither the file nor the records nor the state have it."""
    secret = given(firm).split("_")[2]
    bearer(firm, f"cf_{firm.accounts.book.tokens[0].token_id}_{secret}")
    for kept in (firm.accounts.book, firm.records.said, list(firm.state.scan(""))):
        assert secret not in str(kept)


def test_what_is_no_token_is_refused(firm: Firm) -> None:
    """All in the same words; recorded, and counted by address."""
    token = given(firm)
    _, token_id, secret = token.split("_")
    wrong = ["", "cf_", f"cf_{token_id}_{'0' * 64}", f"cf_{'0' * 16}_{secret}", token[:-1],
             token + "0", token.upper(), f"cf_{token_id}_{token_id}"]
    said = set()
    for number, one in enumerate(wrong):
        with pytest.raises(NotSignedIn) as refused:
            firm.gate.bearer(f"Bearer {one}", type(DESK)(f"10.0.0.{number}"))
        said.add(str(refused.value))
        assert ("sign_in_failed", "(nobody)", "token") == (
            *firm.records.last[:2], firm.records.last[2]["how"])
    with pytest.raises(NotSignedIn):
        firm.gate.bearer(f"Basic {token}", DESK)
    with pytest.raises(NotSignedIn):
        firm.gate.bearer("Bearer " + "x" * 10_000, DESK)
    assert 1 == len(said)
    assert CAN == bearer(firm, token)


def test_a_guessing_address_waits(firm: Firm) -> None:
    """And writes our log full no longer."""
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            firm.gate.bearer("Bearer cf_x", STRANGER)
    records = len(firm.records.said)
    for _ in range(10):
        with pytest.raises(TooManyAttempts):
            firm.gate.bearer("Bearer cf_x", STRANGER)
    assert records == len(firm.records.said)
    assert CAN == bearer(firm, given(firm))
    # People behind the same address sign in all the same.
    assert isinstance(firm.sign_in.begin("b.ito", GOOD, STRANGER), Signed)


def test_it_expires(firm: Firm) -> None:
    """To the millisecond; and not later than in a year."""
    token = given(firm, days=1)
    firm.clock.now += DAY - 1
    assert CAN == bearer(firm, token)
    firm.clock.now += 1
    with pytest.raises(NotSignedIn):
        bearer(firm, token)
    for days in (0, -1, 367):
        with pytest.raises(Refused, match="1 to 366 days"):
            given(firm, days=days)


def test_it_is_revoked_at_once(firm: Firm) -> None:
    """And stays in the list."""
    token = given(firm)
    token_id = token.split("_")[1]
    firm.admin.revoke_token(token_id, "operator")
    firm.admin.revoke_token(token_id, "operator")
    with pytest.raises(NotSignedIn):
        bearer(firm, token)
    ((listed, _),) = firm.admin.tokens()
    assert firm.clock.now == listed.revoked_at
    with pytest.raises(Refused, match="no such token"):
        firm.admin.revoke_token("0" * 16, "operator")


@pytest.mark.parametrize("how", ["disabled", "inactive", "gone"])
def test_it_is_as_dead_as_its_owner(firm: Firm, how: str) -> None:
    """Recorded under the owner's name."""
    token = given(firm)
    if how == "disabled":
        firm.admin.disable("b.ito", "operator")
    elif how == "inactive":
        firm.becomes(BEN, active=False)
    else:
        firm.becomes(BEN, person_id="somebody.else")
    with pytest.raises(NotSignedIn):
        bearer(firm, token)
    assert ("sign_in_failed", "b.ito") == firm.records.last[:2]


def test_what_the_owner_loses_it_loses(firm: Firm) -> None:
    """Roles count at the moment of use."""
    token = given(firm, frozenset({roles.SEARCH, roles.AUDIT}))
    firm.becomes(BEN, roles=("auditor",))
    assert frozenset({roles.AUDIT}) == bearer(firm, token)


def test_no_token_is_given_more_than_its_owner_has(firm: Firm) -> None:
    """Nor what only a person may do, nor what does not exist, nor nothing, nor a nameless one."""
    for may, words in ((frozenset({roles.PRIVILEGED}), "no more than its owner"),
                       (frozenset({roles.TOKENS}), "only a person"),
                       (frozenset({roles.BREAK_GLASS_APPROVE}), "only a person"),
                       (frozenset({"everything"}), "no such capability"),
                       (frozenset[str](), "say what")):
        with pytest.raises(Refused, match=words):
            given(firm, may)
    with pytest.raises(Refused, match="a name of 1 to"):
        firm.admin.add_token("b.ito", "operator", " ", 1, CAN)
    assert () == firm.accounts.book.tokens


def test_there_are_not_too_many(firm: Firm) -> None:
    """Those that are good count."""
    for _ in range(tokens.OF_A_PERSON_MAX):
        given(firm)
    with pytest.raises(Refused, match="revoke one first"):
        given(firm)
    firm.admin.revoke_token(firm.accounts.book.tokens[0].token_id, "operator")
    given(firm)


def test_the_day_of_its_use_is_remembered(firm: Firm) -> None:
    """And no more than the day; one write a day."""
    token = given(firm)
    assert [None] == [used for _, used in firm.admin.tokens()]
    puts = firm.state.puts
    for _ in range(5):
        bearer(firm, token)
    assert puts + 1 == firm.state.puts
    ((_, used),) = firm.admin.tokens()
    assert firm.clock.now // DAY * DAY == used


def test_ones_own_tokens(firm: Firm) -> None:
    """Made, listed and revoked by whoever has TOKENS; never by a token, never another's."""
    signed = firm.sign_in.open_for("b.ito", DESK, "demo").live
    made, text = firm.own.add_token(signed, NewToken("mine", 10, CAN), GOOD, "", DESK)
    assert "token_added" in firm.records.actions
    assert ["mine"] == [one.name for one, _ in firm.own.tokens(signed)]
    assert [made] == [one for one, _ in firm.own.tokens(signed)]
    live = firm.gate.bearer(f"Bearer {text}", DESK)
    with pytest.raises(Denied):
        firm.own.add_token(live, NewToken("more", 10, CAN), GOOD, "", DESK)
    anna = firm.sign_in.open_for("a.novak", DESK, "demo").live
    assert () == firm.own.tokens(anna)
    with pytest.raises(Denied):
        firm.own.add_token(anna, NewToken("hers", 10, CAN), GOOD, "", DESK)
    written = len(firm.records.said)
    with pytest.raises(Refused, match="no such token"):
        firm.own.revoke_token(anna, live.session, DESK)
    assert written == len(firm.records.said)
    firm.own.revoke_token(signed, live.session, DESK)
    with pytest.raises(NotSignedIn):
        bearer(firm, text)
    assert ANNA.person_id == anna.person


def test_a_token_outlives_the_session_that_it_is_made_in(firm: Firm) -> None:
    """So it takes the password; of who has none here, a sign-in of just now. What is wrong with it
    is said first, without a guess."""
    signed = firm.sign_in.open_for("b.ito", DESK, "password").live
    wanted = NewToken("mine", 10, CAN)
    with pytest.raises(Refused, match="1 to 366 days"):
        firm.own.add_token(signed, replace(wanted, days=400), "wrong", "", DESK)
    assert ["sign_in"] == firm.records.actions
    with pytest.raises(NotSignedIn):
        firm.own.add_token(signed, wanted, "wrong", "", DESK)
    firm.has(BEN, password="", subject="provider#ben")
    federated = firm.sign_in.open_for("b.ito", DESK, "oidc").live
    firm.clock.now += FRESH_MS
    assert all(firm.own.add_token(federated, wanted, "", "", DESK))
    firm.clock.now += 1
    with pytest.raises(Refused, match="sign in again"):
        firm.own.add_token(federated, wanted, "", "", DESK)
    assert 1 == firm.records.actions.count("token_added")


def test_nothing_follows_from_what_a_token_was_not_given(firm: Firm) -> None:
    """Of a lawyer who sees privileged messages, and whom somebody opened more to: a token that may
    search sees neither, nor the firm's own records."""
    directory = Directory(groups=(Group("all", ("anna",)),))
    lawyer = replace(BEN, roles=("legal", "compliance"), groups=("all",))
    firm.becomes(BEN, roles=lawyer.roles, groups=lawyer.groups)
    live = firm.gate.bearer(f"Bearer {given(firm, frozenset({roles.SEARCH}))}", DESK)
    grant = Grant("g", "b.ito", "everything", firm.clock.now + 1, privileged=True)
    whole = viewer_of(firm.policy, directory, "b.ito", firm.clock.now, (grant,))
    assert frozenset() == whole.scope.withheld
    assert whole.scope.also
    assert whole.scope.firm_kinds
    seen = viewer_of(firm.policy, directory, "b.ito", firm.clock.now, (grant,),
                     only=live.capabilities)
    assert frozenset({roles.SEARCH}) == seen.may
    assert frozenset({"privileged"}) == seen.scope.withheld
    assert () == seen.scope.also
    assert frozenset() == seen.scope.firm_kinds
    assert whole.scope.reaches == seen.scope.reaches
