"""A package as one zip file, made while it is read: nothing is written, nothing is held in memory.

Owns the bytes: stored, sorted, with one fixed time, so that the same package is the same file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.errors import Missing
from search.export.bagit import SEAL

_PIECE: Final = 1 << 20
# The earliest that a zip can say: a package has no time of its own.
_WHEN: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16


class _Pipe:
    """Where the zip is written: what came since it was emptied. It has no place to go back to, so
    that sizes and sums follow each file."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep it until it is taken."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        """All of it; empty from now on."""
        found, self._pieces = b"".join(self._pieces), []
        return found


def zipped(folder: Path, top: str) -> Iterator[bytes]:
    """The package in `folder` as a zip with one folder, `top`. Raises Missing at once where there
    is no whole package."""
    if not (folder / SEAL).is_file():
        raise Missing(f"there is no finished package in {folder}")
    files = sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink())
    return _pieces(folder, top, files)


def _pieces(folder: Path, top: str, files: list[Path]) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in files:
            entry = zipfile.ZipInfo(f"{top}/{path.relative_to(folder).as_posix()}", _WHEN)
            entry.external_attr = _MODE
            with path.open("rb") as file, archive.open(entry, "w", force_zip64=True) as into:
                while piece := file.read(_PIECE):
                    into.write(piece)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()
