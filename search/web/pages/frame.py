"""What is no page of its own: the first address, files of ours, the choice of theme and zone."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from schemas.errors import Missing
from search.web.ask import NAVIGATION, THEME_COOKIE, THEMES, ZONE_COOKIE, Ask
from search.web.assets import assets

_FOR_EVER = "public, max-age=31536000, immutable"


def health(_ask: Ask) -> Response:
    """The process answers; it says nothing else to strangers."""
    return Response(status_code=HTTPStatus.NO_CONTENT)


def static(ask: Ask) -> Response:
    """A file of ours; its address holds its digest, so a browser may keep it."""
    found = assets().get(ask.params["name"])
    if found is None or found.url != ask.path:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    return Response(found.body, media_type=found.media_type,
                    headers={"cache-control": _FOR_EVER})


def first(ask: Ask) -> Response:
    """To the first page that is for this person."""
    return ask.go(next((path for _, path, needs in NAVIGATION if needs in ask.who.may),
                       "/account"))


def preferences(ask: Ask) -> Response:
    """How pages look to this browser: kept in it and nowhere else."""
    theme, zone = ask.form.get("theme"), ask.form.get("zone")
    if theme in THEMES:
        ask.keep_choice(THEME_COOKIE, theme)
    if zone:
        if ask.parts.zones(zone) is None:
            raise Missing("no such zone")
        ask.keep_choice(ZONE_COOKIE, zone)
    return ask.go(ask.form.get("next", "/"))
