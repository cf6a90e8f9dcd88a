"""People, their roles and accounts, walls: as access.toml says them. Nothing is changed here."""

from __future__ import annotations

from starlette.responses import Response

from search.web.ask import Ask


def show(ask: Ask) -> Response:
    """The page."""
    found = ask.parts.watch.people.every(ask.who)
    return ask.page("people.html", "People", found=found, name=ask.parts.name)
