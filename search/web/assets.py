"""The console's own files: templates, the stylesheet, the script, the help page's text.

Owns their reading, once, when the process starts, and the digest in a file's address that lets a
browser keep it for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Final

_TYPES: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that browsers fetch."""

    name: str
    media_type: str
    body: bytes
    url: str


@lru_cache(maxsize=1)
def assets() -> dict[str, Asset]:
    """By name."""
    found = {}
    for name, media_type in _TYPES.items():
        body = _file("static").joinpath(name).read_bytes()
        url = f"/static/{sha256(body).hexdigest()[:16]}/{name}"
        found[name] = Asset(name, media_type, body, url)
    return found


@lru_cache(maxsize=1)
def query_help() -> str:
    """docs/QUERY.md, as it is installed with the console (a test compares them)."""
    return _file("help").joinpath("query.md").read_text("utf-8")


def _file(folder: str) -> resources.abc.Traversable:
    return resources.files("search.web").joinpath(folder)
