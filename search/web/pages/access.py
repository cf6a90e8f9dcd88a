"""What somebody may see, in words; and breaking the glass, which takes two people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from schemas.errors import Denied, Missing, Refused
from search.access import breakglass, roles
from search.access.breakglass import KeptOut
from search.web.ask import Ask, sentence

KINDS: Final = (("custodian", "one person’s messages"), ("group", "a group’s messages"),
                ("matter", "a matter"), ("conversation", "one conversation"),
                ("everything", "everything"))
MINUTES: Final = (15, 30, 60, 120, 240)
_GONE: Final = ("This request is not there any more: it was decided, taken back, or it waited "
                "for more than a day.")


def show(ask: Ask, error: str = "", status: int = HTTPStatus.OK) -> Response:
    """The page."""
    glass, may = ask.parts.watch.glass, ask.who.may
    requests = glass.requests(ask.who)
    return ask.page(
        "access.html", "Access", status, words=glass.words(ask.who), error=error,
        done=_done(ask), kinds=KINDS, minutes=MINUTES, said=ask.form,
        waiting=[one for one in requests if one.state == breakglass.WAITING],
        open=[one for one in requests if one.state == breakglass.OPEN],
        may_ask=roles.BREAK_GLASS in may, may_approve=roles.BREAK_GLASS_APPROVE in may,
        name=ask.parts.name, now=ask.parts.clock(), reason_min=breakglass.REASON_CHARS_MIN,
        reason_max=breakglass.REASON_CHARS_MAX)


def request(ask: Ask) -> Response:
    """Ask for more, for a time."""
    form = ask.form
    kind, name = form.get("kind", ""), form.get("name", "").strip()
    what = kind if kind == "everything" else f"{kind}:{name}"
    walls = tuple(one.strip() for one in form.get("walls", "").splitlines() if one.strip())
    minutes = form.get("minutes", "")
    try:
        if kind not in dict(KINDS) or not minutes.isascii() or not minutes.isdigit():
            raise Refused("choose what you need, and for how long")
        if kind != "everything" and not name:
            raise Refused("write which one: the id or the name, as your directory has it")
        ask.parts.watch.glass.ask(ask.who, what, form.get("reason", ""), int(minutes[:4]), walls,
                                  privileged=form.get("privileged") == "yes")
    except Denied:
        raise
    except Refused as error:
        return show(ask, sentence(str(error)), HTTPStatus.UNPROCESSABLE_ENTITY)
    return ask.go("/access?done=asked")


def decide(ask: Ask) -> Response:
    """A second person opens it, or refuses."""
    glass, request_id = ask.parts.watch.glass, ask.params["request"]
    decision = ask.form.get("decision")
    try:
        if decision == "approve":
            glass.approve(ask.who, request_id)
        elif decision == "refuse":
            reason = ask.form.get("reason", "").strip()
            if len(reason) > breakglass.REASON_CHARS_MAX:
                raise Refused(f"say why in at most {breakglass.REASON_CHARS_MAX} characters")
            glass.refuse(ask.who, request_id, reason)
        else:
            raise Refused("choose one of the two")
    except Missing:
        return show(ask, _GONE, HTTPStatus.NOT_FOUND)
    except KeptOut as error:
        ask.record_denial("wall", request=request_id)
        return show(ask, sentence(str(error)), HTTPStatus.FORBIDDEN)
    except Denied:
        raise
    except Refused as error:
        return show(ask, sentence(str(error)), HTTPStatus.UNPROCESSABLE_ENTITY)
    return ask.go(f"/access?done={'opened' if decision == 'approve' else 'refused'}")


def end(ask: Ask) -> Response:
    """Close what is open, or take a request back."""
    try:
        ask.parts.watch.glass.end(ask.who, ask.params["request"])
    except Missing:
        return show(ask, _GONE, HTTPStatus.NOT_FOUND)
    return ask.go("/access?done=ended")


def _done(ask: Ask) -> str:
    return {"asked": "Your request waits for a second person. It is on record.",
            "opened": "It is open. It ends by itself.",
            "refused": "The request is refused.",
            "ended": "It is ended."}.get(ask.text("done"), "")
