"""Saved searches: one file of one data folder, whole or not at all, for its owner only.

Owns the file. The words of a query are nobody's business but the searcher's, so they lie where the
keys lie, and never in an index. Losing it loses convenience.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.embedded import folder
from schemas.errors import Refused, Transient
from schemas.limits import QUERY_CHARS_MAX
from search.web.ports import Saved

SAVED_MAX: Final = 200
_NAME_CHARS_MAX: Final = 80
_FILE: Final = "saved-searches.json"

Rows = dict[str, dict[str, list[str | int]]]


class SavedFile:
    """Implements `search.web.ports.SavedSearches`. For any number of threads and processes."""

    def __init__(self, home: Path, clock: Callable[[], int]) -> None:
        self._path = home / "console" / _FILE
        self._clock = clock
        self._lock = threading.Lock()

    def of(self, person: str) -> tuple[Saved, ...]:
        """See SavedSearches."""
        rows = self._read().get(person, {})
        return tuple(Saved(name, str(query), int(at)) for name, (query, at) in sorted(
            rows.items(), key=lambda one: one[0].casefold()))

    def put(self, person: str, name: str, query: str) -> None:
        """See SavedSearches."""
        if not name or len(name) > _NAME_CHARS_MAX or len(query) > QUERY_CHARS_MAX:
            raise Refused("a name of 80 characters at most, and a query that can be searched for")

        def change(rows: Rows) -> None:
            own = rows.setdefault(person, {})
            if name not in own and len(own) >= SAVED_MAX:
                raise Refused(f"{SAVED_MAX} saved searches are the most; remove one")
            own[name] = [query, self._clock()]

        self._change(change)

    def remove(self, person: str, name: str) -> None:
        """See SavedSearches."""
        self._change(lambda rows: rows.get(person, {}).pop(name, None))

    def _change(self, change: Callable[[Rows], object]) -> None:
        try:
            folder.make_folder(self._path.parent)
            with self._lock, folder.exclusive(self._path.with_suffix(".lock")):
                rows = self._read()
                change(rows)
                body = json.dumps(rows, ensure_ascii=False).encode()
                folder.replace(self._path, body)
        except OSError as error:
            raise Transient(f"saved searches: {error.strerror}") from error

    def _read(self) -> Rows:
        try:
            found: Rows = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Transient(f"{self._path.name} does not read") from error
        return found
