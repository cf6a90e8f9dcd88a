"""Makes docs/interface/openapi.json, and the copy that is installed: python -m tests.web.openapi

Owns the two files' bytes; what they say is search/web/api/describe.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from search.web.api import describe
from search.web.routes import ROUTES

ROOT: Final = Path(__file__).parents[2]
INTERFACE: Final = ROOT / "docs" / "interface"
FILES: Final = (INTERFACE / "openapi.json", ROOT / "search" / "web" / "api" / "openapi.json")


def interface() -> dict[str, Any]:
    """The schemas of docs/interface, by name."""
    return {path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8"))
            for path in sorted(INTERFACE.glob("*.schema.json"))}


def made() -> bytes:
    """What the files have to hold."""
    found = describe.document(ROUTES, interface())
    return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


if __name__ == "__main__":
    for file in FILES:
        file.write_bytes(made())
