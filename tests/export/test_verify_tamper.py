"""Whatever somebody does to a package, it is found; a clean one is accused of nothing.

Owns the flood: seeded changes of `offline_tamper.py` by hands, by who computes all hashes anew, and
by who seals anew with the package's own key. COUNTERFOIL_TAMPER says how many.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from search.export.offline import verify
from tests.export import offline_tamper
from tests.export.packages import Files, checked, package, write

pytestmark = pytest.mark.slow

MANY = int(os.environ.get("COUNTERFOIL_TAMPER", "300"))
CHUNKS = 6
BY_COMMAND = 6


class Folder:
    """A package on disk that is turned into another one; only what differs is written."""

    def __init__(self, path: Path) -> None:
        self.path, self._there = path, Files()

    def hold(self, files: Files) -> Path:
        """Exactly these files."""
        for path in set(self._there) - set(files):
            (self.path / path).unlink()
            for parent in Path(path).parents:
                if parent != Path() and not any((self.path / parent).iterdir()):
                    (self.path / parent).rmdir()
        write({path: body for path, body in files.items() if self._there.get(path) != body},
              self.path)
        self._there = dict(files)
        return self.path


def _chances(chunk: int, count: int) -> Iterator[tuple[int, random.Random]]:
    for seed in range(chunk, count, CHUNKS):
        yield seed, random.Random(seed)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same signatures come a thousand times: each is computed once."""
    monkeypatch.setattr(verify, "is_ed25519", cache(verify.is_ed25519))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_change_is_found(chunk: int, tmp_path: Path) -> None:
    """By the verifier that would lie in the package, with exit code 1."""
    folder = Folder(tmp_path / "package")
    for seed, chance in _chances(chunk, MANY):
        said, files = offline_tamper.attacked(chance)
        assert checked(folder.hold(files)).count, (seed, said)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_clean_package_is_accused_of_nothing(chunk: int, tmp_path: Path) -> None:
    """Of whatever conversations, with what stays behind, erased cells, any claim."""
    folder = Folder(tmp_path / "package")
    for seed, chance in _chances(chunk, max(MANY // 5, CHUNKS)):
        shape = offline_tamper.innocent(chance)
        assert [] == checked(folder.hold(package(shape))).problems, (seed, shape)


def test_a_handful_by_the_command_itself(tmp_path: Path) -> None:
    """In a clean interpreter, from outside the package: 1 for a change, 0 for none."""
    source = Path(__file__).parents[2] / "search" / "export" / "offline" / "verify.py"
    folder = Folder(tmp_path / "package")
    for seed in range(BY_COMMAND):
        said, files = offline_tamper.attacked(random.Random(1_000_000 + seed))
        for code, held in ((1, files), (0, package(offline_tamper.innocent(
                random.Random(seed))))):
            done = subprocess.run(
                [sys.executable, "-I", "-S", str(source), "--quiet", str(folder.hold(held))],
                capture_output=True, timeout=120, check=False)
            assert code == done.returncode, (seed, said, done.stdout, done.stderr)
