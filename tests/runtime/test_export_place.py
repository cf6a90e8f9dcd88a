"""One folder has one writer, however its path is spelled: real processes, links, relative paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.config import load
from infra.exportpackage import Exports
from infra.exportplace import alone, place_of
from infra.verbs import export as verbs
from infra.verbs.export import Typed
from infra.wire import Wire
from schemas.errors import Missing, Refused, Transient
from search.access.viewer import Viewer
from search.export.granted import Done, Granted, Preview, Progress
from search.export.wanted import Wanted
from tests.runtime.test_disposition import THEN, Clock
from tests.runtime.test_export_verbs import QUERY, Small, how, made

ROOT = Path(__file__).parents[2]
_CHILD = """
import sys
from pathlib import Path
from tests.runtime import test_export_place
test_export_place.hold(Path(sys.argv[1]), Path(sys.argv[2]))
"""
SPELLED = ["real/set", "link/set", "real/../link/set", "./real/set/", "linked-twice/set"]


@dataclass
class _Holding:
    """Makes packages as `Small`, when it is told to go on: until then nothing is in the folder."""

    small: Small = field(default_factory=Small)

    def __call__(self, wire: Wire, viewer: Viewer, progress: Progress) -> Exports:
        return _Held(self.small(wire, viewer, progress))


@dataclass
class _Held:
    """Implements infra.exportpackage.Exports."""

    real: Exports

    def preview(self, wanted: Wanted) -> Preview:
        """See Exports."""
        return self.real.preview(wanted)

    def run(self, wanted: Wanted, facts: Granted, out: Path, progress: Progress) -> Done:
        """See Exports."""
        print("making", flush=True)
        sys.stdin.readline()
        return self.real.run(wanted, facts, out, progress)


def hold(home: Path, out: Path) -> None:
    """What the other process does."""
    verbs.export(Wire(load(home), Clock(THEN)), QUERY, how(out, _Holding()))  # type: ignore[arg-type]


@contextmanager
def another(home: Path, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is about to write into `out`."""
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(home), str(out)], cwd=ROOT,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and b"making\n" == child.stdout.readline()
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A data folder, and one folder by several names; where the test stands."""
    found = made(tmp_path, Clock(THEN), monkeypatch)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "linked-twice").symlink_to("link")
    monkeypatch.chdir(tmp_path)
    return found


def test_two_processes_do_not_write_into_one_folder(wire: Wire, tmp_path: Path) -> None:
    """Two exports, one folder, several spellings: the second is told so before anything of it is on
    record as begun; the first ends whole, and then the place is taken."""
    others = [Typed(query=f"closing {number}") for number in range(len(SPELLED))]
    with another(wire.home, tmp_path / "real" / "set") as first:
        for spelled, typed in zip(SPELLED, others, strict=True):
            small = Small()
            with pytest.raises(Refused, match="by another process"):
                verbs.export(wire, typed, how(Path(spelled), small))
            assert [] == small.grants
        out, _ = first.communicate(b"go on\n")
        assert 0 == first.returncode
    finished = json.loads(out.splitlines()[-1])
    assert "finished" == finished["state"]
    assert ["set"] == [one.name for one in (tmp_path / "real").iterdir()]
    with pytest.raises(Exception, match="is there already"):
        verbs.export(wire, others[0], how(Path("link/set")))


def test_who_is_killed_leaves_a_place_that_can_be_used(wire: Wire, tmp_path: Path) -> None:
    """Its lock goes with it."""
    with another(wire.home, tmp_path / "real" / "set") as first:
        first.kill()
        first.wait()
    assert 0 == verbs.export(wire, QUERY, how(Path("link/set")))
    assert ["set"] == [one.name for one in (tmp_path / "real").iterdir()]


def test_another_data_folder_is_kept_out_as_well(wire: Wire, tmp_path: Path) -> None:
    """A lock that lay in one data folder would not be seen from another."""
    with alone(place_of(tmp_path / "link" / "set")):
        code = subprocess.run([sys.executable, "-c", """
import sys
from pathlib import Path
from infra.exportplace import alone, place_of
from schemas.errors import Refused
try:
    with alone(place_of(Path(sys.argv[1]))):
        sys.exit(0)
except Refused:
    sys.exit(65)
""", str(tmp_path / "real" / "set")], cwd=ROOT, check=False).returncode
    assert 65 == code


def test_an_export_goes_on_by_another_spelling(wire: Wire, tmp_path: Path) -> None:
    """What was begun in a folder is found in it, whatever it is called now."""
    with pytest.raises(Transient, match="disk is full"):
        verbs.export(wire, QUERY, how(tmp_path / "real" / "set", Small(breaks=True)))
    assert 0 == verbs.export(wire, Typed(), how(None, Small(), resume=Path("link/set")))
    assert ["set"] == [one.name for one in (tmp_path / "real").iterdir()]


def test_what_is_no_place_is_said_to_be_none(wire: Wire, tmp_path: Path) -> None:
    """A loop of links, the root, no parent, a half-made package that is somewhere else."""
    (tmp_path / "loop").symlink_to("loop")
    for wrong in (tmp_path / "loop" / "set", Path("/")):
        with pytest.raises(Refused, match="name"):
            place_of(wrong)
    assert tmp_path == place_of(tmp_path / "real" / "..")
    with pytest.raises(Missing, match="is not there"), alone(tmp_path / "no" / "set"):
        pass
    os.symlink(tmp_path / "real", tmp_path / "set.part")
    with pytest.raises(Refused, match="is a link"), alone(tmp_path / "set"):
        pass
    assert not (tmp_path / "set.part-lock").exists()


@pytest.mark.parametrize("what", ["a link", "a link to nothing", "a folder", "a pipe"])
def test_what_lies_where_the_lock_belongs_is_not_written(tmp_path: Path, what: str) -> None:
    """Whoever may write beside the package cannot have another file written; the error names what
    to take away."""
    other, lock = tmp_path / "other", tmp_path / "set.part-lock"
    if what == "a folder":
        lock.mkdir()
    elif what == "a pipe":
        os.mkfifo(lock)
    else:
        lock.symlink_to(other)
    if what == "a link":
        other.write_text("somebody's words")
    with pytest.raises(Refused, match=r"part-lock cannot be a lock .*take it away"), \
            alone(place_of(tmp_path / "set")):
        pytest.fail("it was taken for a lock")
    assert what != "a link" or "somebody's words" == other.read_text()
    assert what != "a link to nothing" or not other.exists()
