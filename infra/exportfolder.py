"""A package as a folder: written beside its name, moved there when it is whole.

Owns files and the journal. `<out>.part` is the package in the making; its `.work/journal` says how
long each growing file was, and which others there were, at the end of the last whole slice. After a
crash at any line the same export goes on from there; nobody finds half a package under the name
that was asked for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

from infra.embedded import folder
from schemas.errors import Exists, Missing, Refused, Transient
from search.export.bagit import SEAL, Listed

WORK: Final = ".work"
_JOURNAL: Final = "journal"
_PUTS: Final = "puts"
_PIECE: Final = 1 << 20


class ExportFolder:
    """Implements `search.export.package.PackageSink`. One process at a time."""

    def __init__(self, out: Path) -> None:
        self.out: Final = out
        self.part: Final = out.with_name(out.name + ".part")
        self._hidden: Final = out.with_name(out.name + ".part-work")
        self._lengths: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        self._state = b""
        self._made: set[Path] = set()
        self._fresh: list[str] = []

    def is_begun(self) -> bool:
        """Whether an export into this folder was interrupted."""
        if self._hidden.exists() and self.part.exists():
            self._hidden.rename(self.part / WORK)
        return (self.part / WORK / "job.json").exists()

    def begun_id(self) -> str:
        """The export that lies here, whole or half made; "" = none that reads."""
        try:
            if self.is_begun():
                return str(json.loads((self.part / WORK / "job.json").read_bytes())["export_id"])
            seal = (self.out / SEAL).read_text("utf-8").splitlines()
            return seal[1] if len(seal) > 1 else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def begin(self, job: bytes, work: Mapping[str, bytes]) -> None:
        """A new package; `work`: files below .work/ that it goes on with. Raises Exists where the
        name is taken, Missing without a place for it."""
        self._require_free()
        if not self.out.parent.is_dir():
            raise Missing(f"{self.out.parent} is no folder")
        try:
            for left in (self.part, self._hidden):
                if left.exists():
                    shutil.rmtree(left)       # no job in it: it had not begun, or it is done
            (self.part / WORK).mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise Refused(f"{self.part}: {error.strerror}") from error
        for path, body in work.items():
            folder.replace(self.part / path, body)
        folder.replace(self.part / WORK / "job.json", job)     # last: from here it goes on

    def resume(self) -> bytes:
        """Every growing file as long as it was; the job that was begun. Raises Refused where the
        journal does not fit what is there."""
        job = (self.part / WORK / "job.json").read_bytes()
        journal = self.part / WORK / _JOURNAL
        said: dict[str, Any] = json.loads(journal.read_bytes()) if journal.exists() else {
            "lengths": {}, "notes": {}, "state": "", "puts": 0}
        self._lengths, self._noted = said["lengths"], said["notes"]
        self._state = said["state"].encode()
        for path, length in self._lengths.items():
            file = self.part / path
            if not file.exists() or file.stat().st_size < length:
                raise Refused(f"{file} is shorter than it was: delete {self.part} and begin anew")
            os.truncate(file, length)
        puts = self.part / WORK / _PUTS
        if puts.exists():
            os.truncate(puts, said["puts"])
        known = {*self._lengths, *(puts.read_text("utf-8").splitlines() if puts.exists() else ())}
        for file in self.part.rglob("*"):
            # Made after the last whole slice: it is made again, and perhaps not the same.
            name = file.relative_to(self.part).as_posix()
            if file.is_file() and not name.startswith(f"{WORK}/") and name not in known:
                file.unlink()
        return job

    def read(self, path: str) -> bytes:
        """A file below .work/."""
        with self.open(path) as file:
            return file.read()

    def tidy(self) -> None:
        """What a crash left beside a package that is whole."""
        if not self.part.exists():
            shutil.rmtree(self._hidden, ignore_errors=True)

    # -- Sink

    def put(self, path: str, body: bytes) -> None:
        """See Sink."""
        self.put_pieces(path, (body,))

    def put_pieces(self, path: str, pieces: Iterable[bytes]) -> tuple[int, str]:
        """See FileSink."""
        target, size, digest = self._place(path), 0, sha256()
        # What an interrupted export left and nobody knows of went when it was taken up again.
        if os.path.lexists(target):
            raise Refused(f"{path} would be written twice: this is a fault of the program")
        beside = target.with_name(target.name + ".making")
        try:
            with beside.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                    digest.update(piece)
                    size += len(piece)
            beside.replace(target)
        except OSError as error:
            raise Transient(f"{target}: {error.strerror}") from error
        finally:
            beside.unlink(missing_ok=True)
        self._fresh.append(path)
        return size, digest.hexdigest()

    def append(self, path: str, body: bytes) -> None:
        """See Sink."""
        try:
            with self._place(path).open("ab") as file:
                file.write(body)
        except OSError as error:
            raise Transient(f"{self.part / path}: {error.strerror}") from error
        self._lengths[path] = self._lengths.get(path, 0) + len(body)

    def open(self, path: str) -> BinaryIO:
        """See Sink."""
        return (self.part / path).open("rb")

    def note(self, what: str, times: int = 1) -> None:
        """See Sink."""
        self._noted[what] = self._noted.get(what, 0) + times

    @property
    def notes(self) -> dict[str, int]:
        """What formats had to change, and how often."""
        return dict(sorted(self._noted.items()))

    # -- PackageSink

    def state(self) -> bytes:
        """See PackageSink."""
        return self._state

    def commit(self, state: bytes) -> None:
        """See PackageSink."""
        self._state = state
        puts = self.part / WORK / _PUTS
        try:
            with puts.open("a", encoding="utf-8") as names:
                names.writelines(f"{path}\n" for path in self._fresh)
            for path in (*self._lengths, *self._fresh, f"{WORK}/{_PUTS}"):
                folder.sync_file(self.part / path)
            for place in {(self.part / path).parent for path in (*self._lengths, *self._fresh)}:
                folder.sync_folder(place)
            self._fresh.clear()
            folder.replace(self.part / WORK / _JOURNAL, json.dumps(
                {"lengths": self._lengths, "notes": self._noted, "state": state.decode(),
                 "puts": puts.stat().st_size}).encode())
        except OSError as error:
            raise Transient(f"{self.part}: {error.strerror}: make room, then type the same command "
                            "again") from error

    def listed(self, progress: Callable[[int, int], None]) -> list[Listed]:
        """See PackageSink."""
        paths = sorted(self._files(""))
        total, done, out = sum((self.part / path).stat().st_size for path in paths), 0, []
        for path in paths:
            digest, size = sha256(), 0
            with (self.part / path).open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
                    size += len(piece)
                    progress(done + size, total)
            done += size
            out.append(Listed(path, size, digest.hexdigest()))
        return out

    def finish(self) -> None:
        """The package stands under its name, whole and durable."""
        for path in self._fresh:
            folder.sync_file(self.part / path)         # the others were, at a commit
        folder.sync_folder(self.part)
        self._require_free()
        # Between the two moves it is a whole package without a name: `is_begun` puts the journal
        # back, and the next call ends here again.
        (self.part / WORK).rename(self._hidden)
        self.part.rename(self.out)
        folder.sync_folder(self.out.parent)
        shutil.rmtree(self._hidden, ignore_errors=True)

    def is_free(self) -> bool:
        """Whether the name is. An empty folder is free: somebody made it for this."""
        return not os.path.lexists(self.out) or (
            self.out.is_dir() and not self.out.is_symlink() and not any(self.out.iterdir()))

    def _files(self, below: str) -> Iterator[str]:
        """The paths of a folder of the package; as text, which is a tenth of what a Path is."""
        with os.scandir(self.part / below) as found:
            for one in found:
                path = f"{below}{one.name}"
                if one.is_dir(follow_symlinks=False):
                    if path != WORK:
                        yield from self._files(f"{path}/")
                elif one.is_file():
                    yield path

    def _require_free(self) -> None:
        if not self.is_free():
            raise Exists(f"{self.out} is there already; name another folder")

    def _place(self, path: str) -> Path:
        target = self.part / path
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._made.add(target.parent)
        return target
