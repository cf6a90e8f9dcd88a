"""An export that is killed goes on: real processes, `kill -9` at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.export import package
from search.export.wanted import Wanted
from tests.export import home
from tests.export.test_exporter import exported, files

ROOT = Path(__file__).parents[2]
WANTED = Wanted(custodians=("carol",), formats=("native", "csv", "rsmf", "eml"))
_CHILD = """
import sys
from pathlib import Path
from tests.export import home, test_killed
test_killed.run(Path(sys.argv[1]))
"""


def run(folder: Path) -> None:
    """The export, in a process that may be killed; durable after each message."""
    package._COMMIT_ITEMS = 1  # type: ignore[misc]
    exported(home.opened(folder / "home"), folder / "killed", WANTED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_killed_export_ends_as_if_nothing_had_happened(tmp_path: Path, seed: int) -> None:
    """Whenever it dies, the package does not stand under its name until it is whole, and then it is
    the same bytes as one that was never killed."""
    wire = home.made(tmp_path / "home")
    began = time.monotonic()
    exported(wire, tmp_path / "whole", WANTED)
    lasted = time.monotonic() - began
    draw, deaths = random.Random(seed), 0
    while not (tmp_path / "killed").exists():
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], cwd=ROOT)
        if deaths < 4:
            time.sleep(0.5 + draw.random() * lasted)   # half a second: before it, nothing is done
            child.kill()
            deaths += 1
        child.wait()
    exported(wire, tmp_path / "killed", WANTED)
    assert files(tmp_path / "whole") == files(tmp_path / "killed")
    assert [] == [one.name for one in tmp_path.iterdir() if ".part" in one.name]
