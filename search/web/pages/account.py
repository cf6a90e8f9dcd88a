"""One's own account: sessions, password, second factor."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from schemas.errors import Missing
from search.access.passwords import Unfit
from search.access.signin import NotSignedIn
from search.web.ask import Ask

_WRONG = "The password or the code is not right. Nothing was changed."


def show(ask: Ask, error: str = "", said: str = "", status: int = HTTPStatus.OK) -> Response:
    """The page."""
    account, live = ask.parts.account, ask.session
    has = account.state(live)
    return ask.page("account.html", "Your account", status, sessions=account.sessions(live),
                    session=live, error=error, said=said or _said(ask), zones=_ZONES,
                    has_password=bool(has.password), has_totp=bool(has.totp),
                    codes_left=len(has.recovery))


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


def sessions(ask: Ask) -> Response:
    """End one session, or all others."""
    which = ask.form.get("session", "")
    if which == "others":
        ask.parts.account.end_others(ask.session, ask.origin)
    elif not ask.parts.account.end_session(ask.session, which, ask.origin):
        raise Missing("no such session")
    return ask.go("/account?done=sessions")


def _said(ask: Ask) -> str:
    return {"password": "Your password is changed. Your other sessions have ended.",
            "sessions": "Done. What was signed in there is signed out.",
            }.get(ask.text("done"), "")


# A choice for browsers that run no script; with one the browser's own zone is taken.
_ZONES = ("UTC", "Europe/London", "Europe/Dublin", "Europe/Paris", "Europe/Berlin",
          "Europe/Zurich", "Europe/Madrid", "Europe/Rome", "Europe/Amsterdam", "Europe/Stockholm",
          "Europe/Warsaw", "Europe/Athens", "Europe/Istanbul", "Asia/Dubai", "Asia/Kolkata",
          "Asia/Singapore", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney",
          "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
          "America/Toronto", "America/Sao_Paulo", "Africa/Johannesburg")
