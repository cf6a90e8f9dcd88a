"""Help: how to write a query (docs/QUERY.md, the one source), and the keys."""

from __future__ import annotations

from starlette.responses import Response

from search.web.ask import Ask
from search.web.assets import query_help
from search.web.markdown import blocks

KEYS = (
    ("/", "to the search box"), ("j", "next message"), ("k", "message before"),
    ("Enter", "open the message"), ("i", "everything known of the message"),
    ("n", "next page"), ("p", "page before"), ("g then s", "to the search"),
    ("g then q", "to the queue"), ("c", "claim the item"), ("x", "choose it for a decision"),
    ("d", "to the decision"),
    ("t", "light or dark"), ("?", "this help"), ("Esc", "out of the search box"),
)


def show(ask: Ask) -> Response:
    """The page."""
    # What stands before the first section is about the command line and our tests.
    top, mark, sections = query_help().partition("\n## ")
    title = top.partition("\n")[0]
    return ask.page("help.html", "Help", blocks=blocks(f"{title}\n{mark}{sections}"), keys=KEYS)
