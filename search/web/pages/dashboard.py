"""The dashboard: how capture goes, how reviews go. Numbers, no message."""

from __future__ import annotations

from datetime import date
from typing import Final

from starlette.responses import Response

from schemas.gaps import REASONS
from search import figures
from search.access import roles
from search.web import chat, plots
from search.web.ask import Ask
from search.web.oversight import Figures
from search.web.plots import Plot

DAYS: Final = (14, 30, 90)
_DAYS_DEFAULT: Final = 30


def show(ask: Ask) -> Response:
    """The page."""
    said = ask.text("days", 4)
    days = int(said) if said in {str(one) for one in DAYS} else _DAYS_DEFAULT
    found = ask.parts.watch.figures.figures(ask.who, days, ask.zone)
    channels = figures.channels(found.days)
    health = found.health
    silent = [one for one in health.accounts if one.is_silent]
    return ask.page(
        "dashboard.html", "Dashboard", found=found, health=health, days=days, choices=DAYS,
        channels=channels, plots=_plots(found, channels), silent=silent,
        others=[one for one in health.accounts if not one.is_silent], reasons=REASONS,
        share=plots.share, nice_day=_day, now=ask.parts.clock(),
        may_search=roles.SEARCH in ask.who.may, may_queue=roles.QUEUE in ask.who.may)


def _plots(found: Figures, channels: tuple[str, ...]) -> tuple[Plot, ...]:
    return tuple(plots.plot(chat.channel(channel), [
        (f"{_day(one.day.name)}: {one.of(channel):,}", one.of(channel)) for one in found.days])
        for channel in channels)


def _day(name: str) -> str:
    day = date.fromisoformat(name)
    return f"{day:%a} {day.day} {day:%b %Y}"
