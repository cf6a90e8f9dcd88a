"""`counterfoil rsmf-check`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.verbs.rsmf import rsmf_check
from schemas.errors import Missing, Refused
from tests.export.rsmffiles import Parts, manifest
from tests.interface.test_json import as_stated


def files(folder: Path) -> tuple[Path, Path]:
    """(A good file, a bad one.)"""
    good, bad = folder / "good.rsmf", folder / "bad.rsmf"
    good.write_bytes(Parts().made())
    parts = Parts()
    parts.headers["X-RSMF-EventCount"] = "9"
    parts.headers["Date"] = "Thu, 14 May 2026 09:00:00 +0000"
    bad.write_bytes(parts.made())
    return good, bad


def test_people_read_what_is_wrong(tmp_path: Path) -> None:
    """The verdict of each file, and each finding with its layer, place, words and code."""
    good, bad = files(tmp_path)
    result = CliRunner().invoke(app, ["rsmf-check", str(good), str(bad)],
                                env={"COLUMNS": "300"})
    said = " ".join(result.stdout.split())
    assert 1 == result.exit_code
    assert f"passed {good} (3 events)" in said and f"failed {bad} (3 events)" in said
    assert 'error eml X-RSMF-EventCount: a header says something else than the manifest: "9", ' \
           "and there are 3 [eml_header_differs]" in said
    assert "warning eml Date: " in said


def test_machines_read_a_line_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As docs/interface says, with these keys."""
    assert 1 == rsmf_check(files(tmp_path), json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        as_stated("rsmf-check", line)
        assert ("file", "ok", "verdict", "events", "findings") == tuple(line)
    assert [(True, "passed"), (False, "failed")] == [(one["ok"], one["verdict"]) for one in lines]
    assert {"eml_header_differs", "eml_date_differs"} == {
        one["code"] for one in lines[1]["findings"]}


def test_warnings_fail_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, and the warning is said."""
    parts = Parts(text=None)
    (tmp_path / "quiet.rsmf").write_bytes(parts.made())
    assert 0 == rsmf_check([tmp_path / "quiet.rsmf"], json=False)
    said = capsys.readouterr().out
    assert "passed, with warnings" in said and "[eml_text_missing]" in said


def test_a_manifest_alone_is_checked_as_one(tmp_path: Path) -> None:
    """By the end of its name."""
    (tmp_path / "rsmf_manifest.json").write_text(json.dumps(manifest()), "utf-8")
    assert 0 == rsmf_check([tmp_path / "rsmf_manifest.json"], json=True)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    """Not there, or not to be read: an error of its own, before anything is printed."""
    with pytest.raises(Missing, match="there is no file"):
        rsmf_check([tmp_path / "none.rsmf"], json=True)
    with pytest.raises(Refused, match="cannot be read"):
        rsmf_check([tmp_path], json=True)
    huge = tmp_path / "huge.rsmf"
    with huge.open("wb") as file:
        file.truncate(2_000_000_001)
    with pytest.raises(Refused, match="larger than 2 GB"):
        rsmf_check([huge], json=True)
