"""Signing in: every way in, every refusal, all recorded, nothing learned by who is outside."""

from __future__ import annotations

import threading
from unittest.mock import patch

import pytest

from schemas.errors import Denied, Exists, Missing, Refused, Transient
from search.access import signin
from search.access.accounts import Account
from search.access.lockout import TooManyAttempts
from search.access.passwords import Parameters, Passwords, Unfit
from search.access.sessions import DEMO, Live, Origin
from search.access.signin import (
    NeedsCode,
    NeedsNewPassword,
    NeedsTotp,
    NotSignedIn,
    Signed,
    Step,
)
from search.access.totp import recovery_digest
from tests.search.access.signin_world import (
    ANNA,
    BEN,
    DAY,
    DESK,
    GONE,
    GOOD,
    MINUTE,
    OTHER,
    STRANGER,
    Firm,
)
from tests.search.access.test_totp import code_at

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RECOVERY = "AAAA-BBBB-CCCC-DDDD"


@pytest.fixture
def firm() -> Firm:
    """Anna has a password; no telephone is asked for."""
    made = Firm()
    made.has(ANNA)
    return made


@pytest.fixture
def strict() -> Firm:
    """A telephone is asked for, and Anna has one."""
    made = Firm(require_totp=True)
    made.has(ANNA, totp=SECRET, recovery=(recovery_digest(RECOVERY),))
    return made


def inside(step: Step) -> Signed:
    """It was the last step."""
    assert isinstance(step, Signed)
    return step


def ticket_of(step: Step) -> str:
    """It was not."""
    assert not isinstance(step, Signed)
    return step.ticket


def now_code(firm: Firm) -> str:
    """What Anna's telephone shows."""
    return code_at(SECRET, firm.clock.now)


def refused(firm: Firm, person: str, password: str, origin: Origin = DESK, code: str = "") -> str:
    """The words of a refusal."""
    with pytest.raises(NotSignedIn) as caught:
        firm.sign_in.begin(person, password, origin, code)
    return str(caught.value)


def test_the_right_password_is_a_session(firm: Firm) -> None:
    """Recorded first, under who it is."""
    signed = inside(firm.sign_in.begin("a.novak", GOOD, DESK))
    assert [("sign_in", "a.novak", {"address": "192.0.2.10", "how": "password"})
            ] == firm.records.said
    live = firm.gate.session(signed.secret)
    assert live is not None
    assert ("a.novak", "password") == (live.person, live.how)


def test_each_sign_in_is_another_session(firm: Firm) -> None:
    """Nobody can hand somebody a session before she signs in."""
    first, second = (inside(firm.sign_in.begin("a.novak", GOOD, DESK)) for _ in range(2))
    assert first.secret != second.secret
    assert first.live.session != second.live.session
    assert first.live.csrf != second.live.csrf


@pytest.mark.parametrize("typed", [" a.novak ", "A.Novak", "A.NOVAK"])
def test_a_telephone_writes_names_its_way(firm: Firm, typed: str) -> None:
    """Spaces and capitals do not matter in a name."""
    inside(firm.sign_in.begin(typed, GOOD, DESK))


def test_every_refusal_is_one_sentence(firm: Firm) -> None:
    """Unknown, wrong, closed, without a password, inactive, expired: nobody outside can tell."""
    firm.has(BEN, disabled=True)
    firm.has(GONE)
    said = {refused(firm, "a.novak", "wrong")}
    said.add(refused(firm, "nobody.at.all", GOOD))
    said.add(refused(firm, "b.ito", GOOD))
    said.add(refused(firm, "gone", GOOD))
    firm.has(BEN, password="")
    said.add(refused(firm, "b.ito", ""))
    firm.has(BEN, must_change=True, initial_until=firm.clock.now)
    said.add(refused(firm, "b.ito", GOOD))
    said.add(refused(firm, "", ""))
    said.add(refused(firm, "x" * 10_000, "y" * 10_000))
    assert 1 == len(said)
    assert ["password", "unknown", "closed", "closed", "no_password", "initial_expired", "unknown",
            "unknown"] == [details["reason"] for _, _, details in firm.records.said]


def test_every_refusal_is_the_same_work(firm: Firm) -> None:
    """One hash is verified, for a name that nobody has as well."""
    firm.has(BEN, disabled=True)
    counts: list[int] = []
    real = Passwords.matches
    with patch.object(Passwords, "matches", autospec=True, side_effect=real) as matches:
        for person in ("a.novak", "nobody", "b.ito", "gone", ""):
            refused(firm, person, "wrong", Origin(f"10.1.0.{len(counts)}"))
            counts.append(matches.call_count)
    assert [1, 2, 3, 4, 5] == counts


def test_what_a_stranger_typed_is_not_kept(firm: Firm) -> None:
    """A name that nobody has may be a password in the wrong field."""
    refused(firm, GOOD, "a.novak", STRANGER)
    assert GOOD not in str(firm.records.said)
    assert GOOD not in str(list(firm.state.scan("")))
    assert signin.NOBODY == firm.records.last[1]


def test_no_password_is_kept_anywhere(strict: Firm) -> None:
    """Nor a code, nor a ticket, nor a cookie: not in records, not in the state."""
    step = strict.sign_in.begin("a.novak", GOOD, DESK)
    code = now_code(strict)
    signed = inside(strict.sign_in.go_on(ticket_of(step), DESK, code=code))
    kept = f"{strict.records.said}{list(strict.state.scan(''))}"
    for secret in (GOOD, ticket_of(step), signed.secret, signed.live.csrf, SECRET):
        assert secret not in kept


def test_wrong_guesses_wait(firm: Firm) -> None:
    """The right password, too, has to wait then; known and unknown names alike."""
    for person in ("a.novak", "nobody"):
        for number in range(5):
            refused(firm, person, "wrong", Origin(f"10.2.0.{number}"))
        with pytest.raises(TooManyAttempts) as caught:
            firm.sign_in.begin(person, GOOD, Origin("10.2.0.9"))
        assert 30 == caught.value.retry_after_s
        assert "wait" == firm.records.last[2]["reason"]
    firm.clock.now += 30_000
    inside(firm.sign_in.begin("a.novak", GOOD, DESK))
    refused(firm, "a.novak", "wrong")


def test_who_hammers_does_not_fill_the_log(firm: Firm) -> None:
    """A thousand attempts that wait are a record when the wait begins and one a minute after, with
    a count; of names that change from one address as well."""
    for number in range(8):
        for _ in range(5):
            with pytest.raises((NotSignedIn, TooManyAttempts)):
                firm.sign_in.begin(f"name{number}", "wrong", STRANGER)
    before = len(firm.records.said)
    for number in range(1_000):
        with pytest.raises(TooManyAttempts):
            firm.sign_in.begin(f"other{number}", "wrong", STRANGER)
    assert before == len(firm.records.said)
    waits = [said for _, _, said in firm.records.said if said.get("reason") == "wait"]
    assert [("1", STRANGER.address)] == [(one["count"], one["address"]) for one in waits]
    firm.clock.now += 30_000
    with pytest.raises(NotSignedIn):
        firm.sign_in.begin("name", "wrong", STRANGER)
    with pytest.raises(TooManyAttempts):
        firm.sign_in.begin("name", "wrong", STRANGER)
    assert ("wait", "1010") == (
        firm.records.last[2]["reason"], firm.records.last[2]["count"])


def test_capitals_are_not_another_name_to_guess_at(firm: Firm) -> None:
    """Five guesses are five, however the name is written."""
    for number, typed in enumerate(("a.novak", "A.novak", "a.Novak", "A.NOVAK", " a.novak")):
        refused(firm, typed, "wrong", Origin(f"10.3.0.{number}"))
    with pytest.raises(TooManyAttempts):
        firm.sign_in.begin("a.novaK", "wrong", Origin("10.3.0.9"))


def test_an_office_signs_in_all_day(strict: Firm) -> None:
    """From one address, with password and code: none of it counts against it."""
    for _ in range(100):
        step = strict.sign_in.begin("a.novak", GOOD, DESK)
        inside(strict.sign_in.go_on(ticket_of(step), DESK, code=now_code(strict)))
        strict.clock.now += 2 * MINUTE


def test_unrecorded_is_not_answered(firm: Firm) -> None:
    """Neither in nor refused: I7."""
    firm.records.is_away = True
    for password in (GOOD, "wrong"):
        with pytest.raises(Transient):
            firm.sign_in.begin("a.novak", password, DESK)
    assert () == firm.parts.sessions.all()


def test_without_state_nobody_gets_in(firm: Firm) -> None:
    """What cannot be counted is not looked at."""
    firm.state.is_away = True
    with pytest.raises(Transient):
        firm.sign_in.begin("a.novak", GOOD, DESK)


def test_old_parameters_are_renewed(firm: Firm) -> None:
    """At the next sign-in; sessions stay."""
    older = Passwords(firm.random, Parameters(2, 16, 1)).hashed(GOOD)
    firm.has(ANNA, password=older)
    first = inside(firm.sign_in.begin("a.novak", GOOD, DESK))
    assert older != firm.account(ANNA).password
    assert not firm.parts.passwords.is_outdated(firm.account(ANNA).password)
    assert firm.gate.session(first.secret) is not None
    inside(firm.sign_in.begin("a.novak", GOOD, DESK))


def test_the_code_comes_second(strict: Firm) -> None:
    """A right password alone is a ticket, recorded, and no session."""
    step = strict.sign_in.begin("a.novak", GOOD, DESK)
    assert isinstance(step, NeedsCode)
    assert () == strict.parts.sessions.all()
    assert ("sign_in_step", "code") == (strict.records.last[0], strict.records.last[2]["step"])
    signed = inside(strict.sign_in.go_on(step.ticket, DESK, code=now_code(strict)))
    assert strict.gate.session(signed.secret) is not None
    with pytest.raises(NotSignedIn):
        strict.sign_in.go_on(step.ticket, DESK, code=now_code(strict))


def test_both_at_once(strict: Firm) -> None:
    """With the code in the same form a wrong one says no more than a wrong password."""
    assert refused(strict, "a.novak", GOOD, code="000000") == refused(strict, "a.novak", "wrong")
    inside(strict.sign_in.begin("a.novak", GOOD, DESK, now_code(strict)))


def test_a_code_is_used_up(strict: Firm) -> None:
    """Whoever looks over her shoulder is too late."""
    code = now_code(strict)
    inside(strict.sign_in.begin("a.novak", GOOD, DESK, code))
    refused(strict, "a.novak", GOOD, STRANGER, code)


def test_codes_are_not_guessed(strict: Firm) -> None:
    """The ticket stays good for a slip; guesses wait."""
    step = strict.sign_in.begin("a.novak", GOOD, DESK)
    for number in range(4):
        with pytest.raises(NotSignedIn):
            strict.sign_in.go_on(ticket_of(step), DESK, code=f"00000{number}")
    with pytest.raises(TooManyAttempts):
        strict.sign_in.go_on(ticket_of(step), DESK, code=now_code(strict))
    strict.clock.now += 30_000
    inside(strict.sign_in.go_on(ticket_of(step), DESK, code=now_code(strict)))


def test_a_recovery_code_is_good_once(strict: Firm) -> None:
    """For the day the telephone is lost; however it is typed; recorded."""
    step = strict.sign_in.begin("a.novak", GOOD, DESK)
    inside(strict.sign_in.go_on(ticket_of(step), DESK, code=RECOVERY.lower().replace("-", "")))
    assert "recovery_code_used" in strict.records.actions
    assert () == strict.account(ANNA).recovery
    refused(strict, "a.novak", GOOD, code=RECOVERY)


def test_of_two_at_once_one_recovery_code_lets_in_one(strict: Firm) -> None:
    """It is taken out under the file's lock."""
    stale = strict.account(ANNA)
    assert strict.sign_in.code_fits(stale, RECOVERY, DESK)
    assert not strict.sign_in.code_fits(stale, RECOVERY, DESK)


def test_the_first_sign_in(strict: Firm) -> None:
    """One-time password, a new one, a telephone, recovery codes: then in, and after that as
    everybody."""
    initial = strict.admin.add("b.ito", "operator")
    first = strict.sign_in.begin("b.ito", initial, DESK)
    assert isinstance(first, NeedsNewPassword)
    for unfit, words in (("short", "at least"), ("Ben Ito 2026!", "guessed"),
                         (initial, "another password")):
        with pytest.raises(Unfit, match=words):
            strict.sign_in.go_on(first.ticket, DESK, password=unfit)
    second = strict.sign_in.go_on(first.ticket, DESK, password=OTHER)
    assert isinstance(second, NeedsTotp)
    assert second.secret in second.uri
    assert second.svg.startswith("<svg")
    with pytest.raises(Unfit, match="does not fit"):
        strict.sign_in.go_on(second.ticket, DESK, code="000000")
    signed = inside(strict.sign_in.go_on(
        second.ticket, DESK, code=code_at(second.secret, strict.clock.now)))
    assert 10 == len(signed.recovery)
    assert ["account_added", "sign_in_step", "password_changed", "sign_in_step", "totp_set",
            "sign_in"] == strict.records.actions
    account = strict.account(BEN)
    assert (False, None, second.secret) == (
        account.must_change, account.initial_until, account.totp)
    assert list(signed.recovery) != list(account.recovery)
    refused(strict, "b.ito", initial)
    strict.clock.now += MINUTE
    again = strict.sign_in.begin("b.ito", OTHER, DESK)
    inside(strict.sign_in.go_on(ticket_of(again), DESK, code=signed.recovery[7]))


def test_a_one_time_password_expires(firm: Firm) -> None:
    """After a week nobody finds it in a drawer."""
    initial = firm.admin.add("b.ito", "operator")
    firm.clock.now += 7 * DAY
    refused(firm, "b.ito", initial)


def test_a_ticket_is_for_its_step_and_time(strict: Firm) -> None:
    """No step is skipped with another's field, none is done after ten minutes or a change."""
    step = strict.sign_in.begin("a.novak", GOOD, DESK)
    with pytest.raises(NotSignedIn):
        strict.sign_in.go_on(ticket_of(step), DESK, password=OTHER)
    for wrong in ("", "x" * 5_000, ticket_of(step)[:-1]):
        with pytest.raises(NotSignedIn, match="sign in again"):
            strict.sign_in.go_on(wrong, DESK, code=now_code(strict))
    strict.clock.now += 10 * MINUTE
    with pytest.raises(NotSignedIn):
        strict.sign_in.go_on(ticket_of(step), DESK, code=now_code(strict))
    step = strict.sign_in.begin("a.novak", GOOD, DESK)
    strict.admin.disable("a.novak", "operator")
    with pytest.raises(NotSignedIn):
        strict.sign_in.go_on(ticket_of(step), DESK, code=now_code(strict))
    strict.admin.enable("a.novak", "operator")
    with pytest.raises(NotSignedIn):
        strict.sign_in.go_on(ticket_of(step), DESK, code=now_code(strict))


def test_another_way_to_show_who_one_is(firm: Firm) -> None:
    """The demo's link, a provider: recorded with how; never for somebody who is closed."""
    signed = firm.sign_in.open_for("b.ito", DESK, DEMO)
    assert (DEMO, ("sign_in", "b.ito")) == (signed.live.how, firm.records.last[:2])
    firm.has(BEN, disabled=True)
    for person in ("b.ito", "gone", "nobody"):
        with pytest.raises(NotSignedIn):
            firm.sign_in.open_for(person, DESK, DEMO)


def test_without_accounts_the_page_says_so() -> None:
    """And one that cannot sign in with a password does not count."""
    firm = Firm()
    assert not firm.sign_in.any_account()
    firm.has(ANNA, password="", subject="x y")
    assert not firm.sign_in.any_account()
    firm.has(ANNA)
    assert firm.sign_in.any_account()


def test_signing_out_is_recorded(firm: Firm) -> None:
    """Once; a cookie that is nobody's is nothing."""
    signed = inside(firm.sign_in.begin("a.novak", GOOD, DESK))
    firm.gate.sign_out(signed.secret, DESK)
    assert ("sign_out", "a.novak") == firm.records.last[:2]
    assert firm.gate.session(signed.secret) is None
    count = len(firm.records.said)
    firm.gate.sign_out(signed.secret, DESK)
    assert count == len(firm.records.said)


# --- one's own account -------------------------------------------------------------------------


def signed_in(firm: Firm) -> Signed:
    """Anna, with whatever she needs."""
    code = now_code(firm) if firm.account(ANNA).totp else ""
    return inside(firm.sign_in.begin("a.novak", GOOD, DESK, code))


def test_a_new_password_ends_all_other_sessions(firm: Firm) -> None:
    """And gives this one a new cookie; the old password is none any more."""
    elsewhere, here = signed_in(firm), signed_in(firm)
    changed = firm.own.change_password(here.live, GOOD, OTHER, "", DESK)
    assert firm.gate.session(elsewhere.secret) is None
    assert firm.gate.session(here.secret) is None
    live = firm.gate.session(changed.secret)
    assert live is not None
    assert here.live.csrf != live.csrf
    refused(firm, "a.novak", GOOD)
    inside(firm.sign_in.begin("a.novak", OTHER, DESK))


def test_an_open_session_is_not_its_owner(strict: Firm) -> None:
    """Whoever sits down at it needs password and code to change either; guesses wait."""
    here = signed_in(strict)
    strict.clock.now += MINUTE
    own, code = strict.own, now_code(strict)
    with pytest.raises(NotSignedIn):
        own.change_password(here.live, "wrong", OTHER, code, DESK)
    with pytest.raises(NotSignedIn):
        own.change_password(here.live, GOOD, OTHER, "", DESK)
    with pytest.raises(NotSignedIn):
        own.begin_totp(here.live, GOOD, "000000", DESK)
    with pytest.raises(NotSignedIn):
        own.new_recovery_codes(here.live, "wrong", code, DESK)
    with pytest.raises(NotSignedIn):
        own.new_recovery_codes(here.live, GOOD, "", DESK)
    with pytest.raises(TooManyAttempts):
        own.change_password(here.live, GOOD, OTHER, code, DESK)
    assert "wait" == strict.records.last[2]["reason"]
    # As at sign-in: that a wait began is on record, and no line for each attempt in it.
    written = len(strict.records.said)
    for _ in range(50):
        with pytest.raises(TooManyAttempts):
            own.begin_totp(here.live, GOOD, code, DESK)
    assert written == len(strict.records.said)


def test_an_unfit_new_password_changes_nothing(firm: Firm) -> None:
    """The old one, a short one, one's name."""
    here = signed_in(firm)
    for new in (GOOD, "short", "a.novak a.novak"):
        with pytest.raises(Unfit):
            firm.own.change_password(here.live, GOOD, new, "", DESK)
    assert firm.gate.session(here.secret) is not None


def test_a_new_telephone(strict: Firm) -> None:
    """The old one's codes are none any more; neither are the old recovery codes."""
    here = signed_in(strict)
    strict.clock.now += MINUTE
    step = strict.own.begin_totp(here.live, GOOD, now_code(strict), DESK)
    made = strict.own.confirm_totp(here.live, step.ticket,
                                   code_at(step.secret, strict.clock.now), DESK)
    assert strict.gate.session(here.secret) is None
    assert strict.gate.session(made.secret) is not None
    assert 10 == len(made.recovery)
    strict.clock.now += MINUTE
    refused(strict, "a.novak", GOOD, code=now_code(strict))
    refused(strict, "a.novak", GOOD, code=RECOVERY)
    inside(strict.sign_in.begin("a.novak", GOOD, DESK, code_at(step.secret, strict.clock.now)))


def test_new_recovery_codes_replace_the_old(strict: Firm) -> None:
    """Asked for with one of the old ones, even."""
    here = signed_in(strict)
    made = strict.own.new_recovery_codes(here.live, GOOD, RECOVERY, DESK)
    assert 10 == len(strict.account(ANNA).recovery)
    refused(strict, "a.novak", GOOD, code=RECOVERY)
    inside(strict.sign_in.begin("a.novak", GOOD, DESK, made[0]))


def test_recovery_codes_stand_in_for_a_telephone(firm: Firm) -> None:
    """There are none without one: a password alone makes nothing that signs in."""
    here = signed_in(firm)
    with pytest.raises(Refused, match="an authenticator first"):
        firm.own.new_recovery_codes(here.live, GOOD, "", DESK)
    assert () == firm.account(ANNA).recovery


def test_ones_own_sessions(firm: Firm) -> None:
    """Seen and ended; recorded."""
    first, second, third = (signed_in(firm) for _ in range(3))
    assert 3 == len(firm.own.sessions(first.live))
    assert firm.own.end_session(first.live, second.live.session, DESK)
    assert not firm.own.end_session(first.live, second.live.session, DESK)
    assert 1 == firm.own.end_others(first.live, DESK)
    assert firm.gate.session(third.secret) is None
    assert firm.gate.session(first.secret) is not None
    assert 3 == firm.records.actions.count("session_ended")


def test_a_token_manages_nothing(firm: Firm) -> None:
    """And an account without a password has none to change."""
    token = Live("a.novak", "id", "", 0, 0, 0, 0, "token")
    for act in (lambda: firm.own.change_password(token, GOOD, OTHER, "", DESK),
                lambda: firm.own.begin_totp(token, GOOD, "", DESK),
                lambda: firm.own.end_others(token, DESK)):
        with pytest.raises(Denied):
            act()
    here = signed_in(firm)
    firm.has(ANNA, password="")
    with pytest.raises(Refused, match="signs in with your provider"):
        firm.own.change_password(here.live, "", OTHER, "", DESK)


# --- what an operator does ---------------------------------------------------------------------


def test_an_account_is_added_once(firm: Firm) -> None:
    """For somebody whom access.toml names, active."""
    initial = firm.admin.add("b.ito", "operator")
    assert ("account_added", "operator", {"person": "b.ito"}) == firm.records.last
    assert initial not in str(firm.accounts.book)
    with pytest.raises(Exists, match=r"account password b\.ito"):
        firm.admin.add("b.ito", "operator")
    with pytest.raises(Missing, match="nobody"):
        firm.admin.add("nobody", "operator")
    with pytest.raises(Refused, match="not active"):
        firm.admin.add("gone", "operator")


def test_a_given_password(firm: Firm) -> None:
    """Fit, or refused; one's own need not be changed."""
    with pytest.raises(Unfit):
        firm.admin.add("b.ito", "operator", "short")
    assert OTHER == firm.admin.add("b.ito", "operator", OTHER, is_own=True)
    inside(firm.sign_in.begin("b.ito", OTHER, DESK))
    firm.admin.new_password("b.ito", "operator", GOOD)
    assert isinstance(firm.sign_in.begin("b.ito", GOOD, DESK), NeedsNewPassword)


def test_a_new_password_from_an_operator_ends_sessions_and_waits(firm: Firm) -> None:
    """Whoever forgot it has guessed before."""
    here = signed_in(firm)
    for number in range(5):
        refused(firm, "a.novak", "wrong", Origin(f"10.4.0.{number}"))
    initial = firm.admin.new_password("a.novak", "operator")
    assert firm.gate.session(here.secret) is None
    assert isinstance(firm.sign_in.begin("a.novak", initial, DESK), NeedsNewPassword)


def test_a_lost_telephone(strict: Firm) -> None:
    """The old password alone lets nobody make a telephone known: a new one comes with it."""
    initial = strict.admin.forget_totp("a.novak", "operator")
    refused(strict, "a.novak", GOOD)
    refused(strict, "a.novak", GOOD, code=RECOVERY)
    step = strict.sign_in.begin("a.novak", initial, DESK)
    assert isinstance(step, NeedsNewPassword)
    assert isinstance(strict.sign_in.go_on(step.ticket, DESK, password=OTHER), NeedsTotp)


def test_disabling_closes_everything(firm: Firm) -> None:
    """Sessions, password; and enabling opens the way in again, not the sessions."""
    here = signed_in(firm)
    firm.admin.disable("a.novak", "operator")
    assert firm.gate.session(here.secret) is None
    refused(firm, "a.novak", GOOD)
    firm.admin.enable("a.novak", "operator")
    assert firm.gate.session(here.secret) is None
    inside(firm.sign_in.begin("a.novak", GOOD, DESK))


def test_disabling_works_for_whoever_has_no_account_yet(firm: Firm) -> None:
    """Somebody who signs in at the provider only; and one whom access.toml forgot."""
    firm.admin.disable("b.ito", "operator")
    with pytest.raises(NotSignedIn):
        firm.sign_in.open_for("b.ito", DESK, "oidc")
    firm.becomes(ANNA, person_id="renamed")
    firm.admin.disable("a.novak", "operator")
    assert firm.account(ANNA).disabled
    with pytest.raises(Missing):
        firm.admin.disable("nobody", "operator")


def test_an_operator_sees_and_ends_sessions(firm: Firm) -> None:
    """Everybody's or one person's; one or all."""
    first, second = signed_in(firm), signed_in(firm)
    firm.sign_in.open_for("b.ito", DESK, DEMO)
    assert (3, 2) == (len(firm.admin.sessions()), len(firm.admin.sessions("a.novak")))
    assert 1 == firm.admin.end_sessions("a.novak", "operator", first.live.session)
    assert 1 == firm.admin.end_sessions("a.novak", "operator")
    assert 0 == firm.admin.end_sessions("a.novak", "operator")
    assert firm.gate.session(second.secret) is None
    assert 1 == len(firm.admin.sessions())


def test_the_list_has_everybody(firm: Firm) -> None:
    """People without an account, and accounts without a person."""
    firm.accounts.book = firm.accounts.book.with_account(Account("left.behind"))
    listed = [(person.person_id if person else None, account.person_id if account else None)
              for person, account in firm.admin.accounts()]
    assert [("a.novak", "a.novak"), ("b.ito", None), ("gone", None), (None, "left.behind")
            ] == listed


def test_unrecorded_is_not_done(firm: Firm) -> None:
    """No act of an operator without its record."""
    firm.records.is_away = True
    before = firm.accounts.book
    for act in (lambda: firm.admin.add("b.ito", "operator"),
                lambda: firm.admin.disable("a.novak", "operator"),
                lambda: firm.admin.forget_totp("a.novak", "operator"),
                lambda: firm.admin.add_token("b.ito", "operator", "x", 1, frozenset({"search"}))):
        with pytest.raises(Transient):
            act()
    assert before == firm.accounts.book


def test_guesses_at_once_are_counted(firm: Firm) -> None:
    """Twenty threads at one name: five are looked at."""
    looked = []

    def guess(number: int) -> None:
        try:
            firm.sign_in.begin("a.novak", "wrong", Origin(f"10.5.0.{number}"))
        except TooManyAttempts:
            return
        except NotSignedIn:
            looked.append(number)
        except Refused:
            return

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looked) <= 5
