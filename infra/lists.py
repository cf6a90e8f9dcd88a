"""Saved lists of a data folder: `lists/NAME.txt`, read when a query calls for it.

Owns the folder. What a file says is `search/lists.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas import limits
from schemas.errors import Refused
from search import lists
from search.lists import SavedList

FOLDER: Final = "lists"


class ListFolder:
    """The lists in one folder, which need not exist. Implements `search.lists.Lists`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """The first LISTS_MAX names; other files are no lists."""
        try:
            found = sorted(one.stem for one in self._folder.glob("*.txt")
                           if lists.NAME.fullmatch(one.stem))
        except OSError as error:
            raise Refused(f"{self._folder}: {error.strerror}") from error
        return tuple(found[:limits.LISTS_MAX])

    def get(self, name: str) -> SavedList | None:
        """See `search.lists.Lists`."""
        if not lists.NAME.fullmatch(name):
            return None  # no name leaves the folder
        path = self._folder / f"{name}.txt"
        try:
            if not path.is_file():
                return None
            with path.open("rb") as file:
                body = file.read(limits.LIST_BYTES_MAX + 1)
        except OSError as error:
            raise Refused(f"it cannot be read: {error.strerror}") from error
        return lists.read(name, body)
