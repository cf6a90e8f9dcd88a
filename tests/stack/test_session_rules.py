"""The rules of a test run itself: skips are counted, and in CI an unexpected one is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

SKIPPED = """
import pytest

def test_green() -> None:
    pass

{marker}
def test_skipped() -> None:
    pytest.skip("the server is not here")
"""


def run(folder: Path, marker: str, *, ci: bool) -> tuple[int, str]:
    """Exit code and output of a session of its own over one file with a skip."""
    file = folder / "test_inner.py"
    file.write_text(SKIPPED.format(marker=marker), "utf-8")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={folder}"]
    environment = {**os.environ, "CI": "true" if ci else "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", str(ROOT / "pyproject.toml"), str(file)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("marker", "ci", "code", "counted"),
    [
        ("", True, 1, "skips: 0 allowed, 1 unexpected"),
        ("", False, 0, "skips: 0 allowed, 1 unexpected"),
        ("@pytest.mark.allowed_skip('needs fonts')", True, 0, "skips: 1 allowed, 0 unexpected"),
    ],
)
def test_an_unexpected_skip_fails_in_ci(
    tmp_path: Path, marker: str, ci: bool, code: int, counted: str
) -> None:
    """A green run with a skip that nobody allowed exits 1 in CI, and says which test it was."""
    exit_code, output = run(tmp_path, marker, ci=ci)
    assert counted in output
    assert code == exit_code
    assert ("test_skipped" in output.split("skips:")[1]) == (not marker)


@pytest.mark.slow
def test_an_unknown_mark_is_an_error(tmp_path: Path) -> None:
    """A misspelt mark cannot silently take a test out of a selection."""
    exit_code, output = run(tmp_path, "@pytest.mark.raal", ci=False)
    assert 0 != exit_code
    assert "raal" in output
