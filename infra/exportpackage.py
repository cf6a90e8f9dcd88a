"""Packages as folders and files: where one may be made, whose it is, and whether it is whole.

Owns the port of what makes packages, and the run of the verifier in an interpreter of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import Final, Protocol

from infra.exportdesk import HandOver
from infra.exportfolder import ExportFolder
from infra.exportplace import place_of
from infra.wire import Wire
from schemas.errors import Exists, Missing, Refused
from search import export
from search.access.viewer import Viewer
from search.export import bagit
from search.export.granted import Done, Granted, Preview, Progress
from search.export.wanted import Wanted

# Of a package, what its seal signs the hash of.
MANIFEST: Final = bagit.TAG_MANIFEST
_VERIFIER: Final = Path(export.__file__).parent / "offline" / "verify.py"


class Exports(Protocol):
    """What makes packages (`infra.exports.Exporter`)."""

    def preview(self, wanted: Wanted) -> Preview:
        """What it would be; writes nothing. Raises QueryError, Refused, Missing, Transient."""

    def run(self, wanted: Wanted, facts: Granted, out: Path, progress: Progress) -> Done:
        """The package in `out`; where one of the same export was interrupted there it goes on, and
        where it is whole it is found so. Raises Exists for a folder that holds something else."""


Maker = Callable[[Wire, Viewer, Progress], Exports]


def exporter(wire: Wire, viewer: Viewer, progress: Progress) -> Exports:
    """The one that makes packages. What it needs (fonts, PDF) is imported when it is asked."""
    from infra.exports import Exporter

    return Exporter(wire, viewer, progress)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier said, and its exit code: 0 = whole and proved, 1 = not."""

    code: int
    said: str


def require_place(folder: Path) -> None:
    """Before anything is asked for: a package can be made here. Raises Exists, Missing."""
    place = ExportFolder(place_of(folder))
    if place.part.exists() or not place.is_free():
        raise Exists(f"{folder} is there already: name a new folder. To go on with an export that "
                     "was interrupted in it, use --resume")
    if not place.out.parent.is_dir():
        raise Missing(f"{place.out.parent} is not there: make it, or name another folder")


def hand_over_of(given: HandOver, file: Path | None) -> HandOver:
    """The hand-over with the hash of what was handed over: a file, or the folder of a package.
    Raises Missing."""
    if file is None:
        return given
    if file.is_dir():
        return replace(given, manifest_sha256=sha256_of(file / MANIFEST))
    return replace(given, file=file.name, file_sha256=sha256_of(file))


def sha256_of(path: Path) -> str:
    """Of a file's bytes, hex. Raises Missing where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Missing(f"{path}: {error.strerror}") from error


def verified(folder: Path, log_key: str = "", package_key: str = "") -> Verdict:
    """What the verifier of this installation says of a package: not the one that lies in it, which
    whoever changed the package could have changed. It runs in an interpreter that has nothing of
    ours. `log_key`, `package_key`: verifier keys as somebody told them, "" = those that the package
    brings. Raises Missing, Refused where it could not run."""
    if not folder.is_dir():
        raise Missing(f"{folder} is not there, or is no folder")
    try:
        # -I and -S: no path of ours, no site packages, no environment.
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-X", "utf8", str(_VERIFIER), str(folder.absolute()),
             *(["--log-key", log_key] if log_key else []),
             *(["--package-key", package_key] if package_key else [])],
            capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise Refused(f"the verifier did not start: {error.strerror}") from error
    return Verdict(done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace"))
