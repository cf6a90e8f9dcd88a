"""One's own account: sessions, password, second factor, recovery codes, tokens for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from schemas.errors import Denied, Missing, Refused
from search.access import roles, tokens, wording
from search.access.accounts import ServiceToken
from search.access.lockout import TooManyAttempts
from search.access.own import NewToken
from search.access.passwords import Unfit
from search.access.signin import NotSignedIn
from search.web.ask import Ask, sentence

_WRONG = "The password or the code is not right. Nothing was changed."
_DAYS: Final = 90
# Those that have ended are shown too, the youngest first: somebody looks for when one was used.
_ENDED_MAX: Final = 20
# A field of the form for each thing that a token may do.
_MAY: Final = "may-"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as the page shows it. `may`: in words; `used_day`: as 2026-11-22 in UTC, no more is
    kept; "" = not known: never, or nobody remembers."""

    token: ServiceToken
    may: tuple[str, ...]
    used_day: str
    is_good: bool


def show(ask: Ask, error: str = "", said: str = "", status: int = HTTPStatus.OK) -> Response:
    """The page."""
    account, live = ask.parts.account, ask.session
    has = account.state(live)
    may_have = roles.TOKENS in ask.who.may
    return ask.page("account.html", "Your account", status, sessions=account.sessions(live),
                    session=live, error=error, said=said or _said(ask), zones=_ZONES,
                    has_password=bool(has.password), has_totp=bool(has.totp),
                    codes_left=len(has.recovery), tokens=_tokens(ask),
                    can=_can(ask) if may_have else (), form=ask.form,
                    days=_DAYS, days_max=tokens.DAYS_MAX, name_max=tokens.NAME_CHARS_MAX)


def password(ask: Ask) -> Response:
    """A new one; all other sessions end."""
    new = ask.form.get("new", "")
    if new != ask.form.get("again", ""):
        return show(ask, "The two new passwords are not the same. Nothing was changed.",
                    status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        signed = ask.parts.account.change_password(
            ask.session, ask.form.get("old", ""), new, ask.form.get("code", "").strip(), ask.origin)
    except Unfit as error:
        return show(ask, str(error), status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except NotSignedIn:
        return show(ask, _WRONG, status=HTTPStatus.FORBIDDEN)
    ask.keep_session(signed.secret)
    return ask.go("/account?done=password")


def totp(ask: Ask) -> Response:
    """A new second factor: first the password, then the first code of the new one."""
    account, ticket = ask.parts.account, ask.form.get("ticket", "")
    try:
        if not ticket:
            begun = account.begin_totp(ask.session, ask.form.get("password", ""),
                                       ask.form.get("code", "").strip(), ask.origin)
            return ask.page("totp.html", "A second factor", next="/account", ticket=begun.ticket,
                            step="totp", secret=begun.secret, svg=begun.svg,
                            action="/account/totp", error="")
        signed = account.confirm_totp(
            ask.session, ticket, ask.form.get("code", "").strip(), ask.origin)
    except Unfit as error:
        return ask.page("code.html", "A second factor", HTTPStatus.UNPROCESSABLE_ENTITY,
                        next="/account", ticket=ticket, error=str(error), step="totp",
                        action="/account/totp")
    except NotSignedIn:
        return show(ask, _WRONG, status=HTTPStatus.FORBIDDEN)
    ask.sign(signed)
    return ask.page("recovery.html", "Recovery codes", codes=signed.recovery, next="/account")


def recovery(ask: Ask) -> Response:
    """New recovery codes, to be shown this once."""
    def made(password: str, code: str) -> Response:
        codes = ask.parts.account.new_recovery_codes(ask.session, password, code, ask.origin)
        return ask.page("recovery.html", "Recovery codes", codes=codes, next="/account")
    return _confirmed(ask, made)


def make_token(ask: Ask) -> Response:
    """A token for a program, to be shown this once."""
    days = ask.form.get("days", "").strip()
    wanted = NewToken(ask.form.get("name", "").strip(),
                      int(days) if days.isascii() and days.isdigit() and len(days) < 6 else 0,
                      frozenset(one for one in roles.CAPABILITIES if f"{_MAY}{one}" in ask.form))

    def made(password: str, code: str) -> Response:
        token, text = ask.parts.account.add_token(ask.session, wanted, password, code, ask.origin)
        return ask.page("token.html", "A new token", token=text,
                        row=_row(token, None, ask.parts.clock()))
    return _confirmed(ask, made)


def revoke_token(ask: Ask) -> Response:
    """One of one's own ends. Also for who may make none any more."""
    try:
        ask.parts.account.revoke_token(ask.session, ask.form.get("token", ""), ask.origin)
    except Denied:
        raise
    except Refused as error:
        raise Missing("no such token") from error
    return ask.go("/account?done=token")


def sessions(ask: Ask) -> Response:
    """End one session, or all others."""
    which = ask.form.get("session", "")
    if which == "others":
        ask.parts.account.end_others(ask.session, ask.origin)
    elif not ask.parts.account.end_session(ask.session, which, ask.origin):
        raise Missing("no such session")
    return ask.go("/account?done=sessions")


def _confirmed(ask: Ask, act: Callable[[str, str], Response]) -> Response:
    """What takes the password and the code again, in this order; where it is refused, the page
    with why."""
    try:
        return act(ask.form.get("password", ""), ask.form.get("code", "").strip())
    except NotSignedIn:
        return show(ask, _WRONG, status=HTTPStatus.FORBIDDEN)
    except (Denied, TooManyAttempts):
        raise
    except Refused as error:
        return show(ask, f"{sentence(str(error))} Nothing was changed.",
                    status=HTTPStatus.UNPROCESSABLE_ENTITY)


def _can(ask: Ask) -> tuple[tuple[str, str, str], ...]:
    """What a new token can be given: (the form's field, the capability, in words)."""
    return tuple((f"{_MAY}{one}", one, words) for one, words in wording.WORDS.items()
                 if one in ask.who.may - tokens.NEVER)


def _tokens(ask: Ask) -> tuple[TokenRow, ...]:
    """One's own: those that are good, then those that ended, each the youngest first."""
    now = ask.parts.clock()
    rows = [_row(one, used, now) for one, used in ask.parts.account.tokens(ask.session)]
    rows.sort(key=lambda row: -row.token.created_at)
    return (*(row for row in rows if row.is_good),
            *[row for row in rows if not row.is_good][:_ENDED_MAX])


def _row(token: ServiceToken, used_at: int | None, now: int) -> TokenRow:
    may = tuple(words for one, words in wording.WORDS.items() if one in token.capabilities)
    day = "" if used_at is None else f"{datetime.fromtimestamp(used_at / 1000, UTC):%Y-%m-%d}"
    return TokenRow(token, may, day, tokens.is_good(token, now))


def _said(ask: Ask) -> str:
    return {"password": "Your password is changed. Your other sessions have ended.",
            "sessions": "Done. What was signed in there is signed out.",
            "token": "The token is revoked. What uses it is refused from now on.",
            }.get(ask.text("done"), "")


# A choice for browsers that run no script; with one the browser's own zone is taken.
_ZONES = ("UTC", "Europe/London", "Europe/Dublin", "Europe/Paris", "Europe/Berlin",
          "Europe/Zurich", "Europe/Madrid", "Europe/Rome", "Europe/Amsterdam", "Europe/Stockholm",
          "Europe/Warsaw", "Europe/Athens", "Europe/Istanbul", "Asia/Dubai", "Asia/Kolkata",
          "Asia/Singapore", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney",
          "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
          "America/Toronto", "America/Sao_Paulo", "Africa/Johannesburg")
