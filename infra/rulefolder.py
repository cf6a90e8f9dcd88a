"""The folders of rules that a firm writes: policies, sampling plans. One file each, `*.toml`.

Owns how they are found and read as bytes; what they say is `search/policy`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas.errors import Missing, Refused

FILES_MAX: Final = 1_000


def files(folder: Path, what: str) -> list[Path]:
    """The files, in order; none where there is no folder. `what` they are, for the message. Raises
    Refused for too many."""
    paths = sorted(one for one in folder.glob("*.toml") if one.is_file())
    if len(paths) > FILES_MAX:
        raise Refused(f"{folder} holds more than {FILES_MAX} {what}")
    return paths


def source_of(path: Path) -> bytes:
    """Raises Missing."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Missing(f"{path} cannot be read: {error.strerror}") from error
