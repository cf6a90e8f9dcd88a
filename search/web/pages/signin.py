"""Sign-in and sign-out: a password, then a code; or the firm's OpenID provider; or a demo's link.

Owns the screens and their order. Who may in is decided below `search/access/`; what goes wrong has
one wording, whoever it was.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from schemas.errors import Missing, Refused
from search.access import cookies
from search.access.federated import OidcSignIn
from search.access.oidc import NotBelieved
from search.access.passwords import Unfit
from search.access.signin import (
    NeedsCode,
    NeedsNewPassword,
    NeedsTotp,
    NotSignedIn,
    Signed,
    Step,
    TooManyAttempts,
)
from search.web.ask import Ask, local, sentence

_WRONG = "That did not work. Check the name, the password and the code, and try again."
_WRONG_CODE = ("That code does not fit, or was used before: each is good once. Wait for the next "
               "one and type that, or a recovery code.")


def form(ask: Ask) -> Response:
    """The empty form; somebody who is signed in goes where they wanted."""
    to = local(ask.text("next"))
    if ask.viewer is not None:
        return ask.go(to)
    return _form(ask, to)


def submit(ask: Ask) -> Response:
    """One step of signing in."""
    to, ticket = local(ask.form.get("next", "/")), ask.form.get("ticket", "")
    code = ask.form.get("code", "").strip()
    password = ask.form.get("password", "")
    try:
        if ticket:
            step = ask.parts.signin.go_on(ticket, ask.origin, code=code, password=password)
        else:
            step = ask.parts.signin.begin(ask.form.get("person", "").strip(), password, ask.origin)
    except Unfit as error:
        if ask.form.get("step") == "totp":
            return _code(ask, to, ticket, str(error), HTTPStatus.UNPROCESSABLE_ENTITY, "totp")
        return _new_password(ask, to, ticket, str(error))
    except NotSignedIn:
        if ticket and ask.form.get("step") == "code":
            return _code(ask, to, ticket, _WRONG_CODE, HTTPStatus.FORBIDDEN)
        return _form(ask, to, _WRONG, HTTPStatus.FORBIDDEN)
    except TooManyAttempts as error:
        return _waits(ask, to, error)
    return _stepped(ask, to, step)


def leave(ask: Ask) -> Response:
    """Signed out, recorded, everywhere."""
    ask.parts.gate.sign_out(ask.secret, ask.origin)
    ask.keep_session("")
    return ask.go("/sign-in")


def oidc_begin(ask: Ask) -> Response:
    """To the provider."""
    begun = _oidc(ask).begin(local(ask.text("next")))
    ask.keep_oidc(begun.cookie)
    return ask.answered(RedirectResponse(begun.url, HTTPStatus.SEE_OTHER))


def oidc_finish(ask: Ask) -> Response:
    """Back from the provider."""
    cookie = ask.cookie(cookies.OIDC_COOKIE)
    ask.keep_oidc("")
    try:
        done = _oidc(ask).finish(cookie, ask.query, ask.origin)
    except NotBelieved as error:
        return _form(ask, "/", sentence(str(error)), HTTPStatus.FORBIDDEN)
    except TooManyAttempts as error:
        return _waits(ask, "/", error)
    except NotSignedIn:
        return _form(ask, "/", "The provider's answer does not let you in here. Try again, or ask "
                     "your administrator whether you have an account.", HTTPStatus.FORBIDDEN)
    except Refused:
        return _form(ask, "/", "Signing in with the provider did not work. Try again.",
                     HTTPStatus.FORBIDDEN)
    return _signed(ask, local(done.return_to), done.signed)


def enter(ask: Ask) -> Response:
    """A demo's link, the first time."""
    once = ask.parts.one_time
    signed = once.take(ask.params["token"]) if once is not None else None
    if signed is None:
        raise Missing("no such link")
    return _signed(ask, "/", signed)


def _stepped(ask: Ask, to: str, step: Step) -> Response:
    if isinstance(step, NeedsCode):
        return _code(ask, to, step.ticket)
    if isinstance(step, NeedsNewPassword):
        return _new_password(ask, to, step.ticket)
    if isinstance(step, NeedsTotp):
        return ask.page("totp.html", "A second factor", next=to, ticket=step.ticket, step="totp",
                        secret=step.secret, svg=step.svg, action="/sign-in", error="")
    return _signed(ask, to, step)


def _signed(ask: Ask, to: str, signed: Signed) -> Response:
    if not signed.recovery:
        ask.keep_session(signed.secret)
        return ask.go(to)
    ask.sign(signed)
    return ask.page("recovery.html", "Recovery codes", codes=signed.recovery, next=to)


def _form(ask: Ask, to: str, error: str = "", status: int = HTTPStatus.OK) -> Response:
    return ask.page(
        "signin.html", "Sign in", status, next=to, error=error,
        name=ask.form.get("person", "")[:200], oidc=ask.parts.oidc.name if ask.parts.oidc else "",
        has_accounts=ask.parts.signin.any_account())


def _code(ask: Ask, to: str, ticket: str, error: str = "", status: int = HTTPStatus.OK,
          step: str = "code") -> Response:
    return ask.page("code.html", "Your code", status, next=to, ticket=ticket, error=error,
                    step=step, action="/sign-in")


def _new_password(ask: Ask, to: str, ticket: str, error: str = "") -> Response:
    return ask.page("newpassword.html", "A new password",
                    HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
                    next=to, ticket=ticket, error=error)


def _waits(ask: Ask, to: str, error: TooManyAttempts) -> Response:
    response = _form(ask, to, sentence(str(error)), HTTPStatus.TOO_MANY_REQUESTS)
    response.headers["retry-after"] = str(max(1, error.retry_after_s))
    return response


def _oidc(ask: Ask) -> OidcSignIn:
    if ask.parts.oidc is None:
        raise Missing("no provider")
    return ask.parts.oidc
