"""`counterfoil demo`: what a newcomer sees first, and sees again the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.installation import Installation

SCREENS = (
    "1  Captured and refused", "2  A phrase found", "3  The whole history of a retracted message",
    "4  Handed in", "5  The segments and their locks", "6  A verification",
    "7  For a court", "8  What to type next")


@pytest.mark.slow
def test_the_demo_works_twice(tmp_path: Path) -> None:
    """Every screen, every request answered as it must be, no findings, the trial banner; a second
    run replaces the first, with one that was left running; `stop` ends that."""
    place = Installation(tmp_path / "home", secrets=None, more={"COLUMNS": "150"})
    folder = tmp_path / "home" / "counterfoil-demo"
    try:
        for arguments in (("--keep",), ()):
            answer = place.cli("demo", *arguments)
            out = answer.out
            at = [out.index(screen) for screen in SCREENS]
            assert at == sorted(at)
            captured = out[at[0]:at[1]]
            assert captured.count("│ yes ") == 25 and "│ NO " not in captured
            assert "a retraction that arrives before its message" in captured
            assert "id is not a string" in captured and "signature wrong" in captured
            assert "new account" in out[at[1]:at[2]]
            assert "[withdrawn]" in out[at[2]:at[3]] and "cousin's account" in out[at[2]:at[3]]
            handed_in = out[at[3]:at[4]]
            assert handed_in.count("│ read ") == 3 and "retracted" in handed_in
            assert "the survey found the subsidence" in handed_in
            assert "locked until" in out[at[4]:at[5]] and "TRIAL MODE" in answer.err
            assert "no findings" in out[at[5]:at[6]]
            court = " ".join(out[at[6]:at[7]].split())
            assert "8. Records: 5 records of 4 messages" in court
            assert "VERDICT: nothing in this package was changed" in court
            assert "counterfoil search" in out[at[7]:]
            assert "console --demo" in out[at[7]:]
    finally:
        Installation(folder).cli("stop", code=None)
    assert Installation(folder).cli("verify", "--json").row()["ok"]


@pytest.mark.slow
def test_the_demo_never_removes_what_is_not_its_own(tmp_path: Path) -> None:
    """A folder of that name that it did not make is left alone, and named."""
    mine = tmp_path / "home" / "counterfoil-demo"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("years of work")
    answer = Installation(tmp_path / "home").cli("demo", code=75)
    assert str(mine) in answer.err.replace("\n", "")
    assert (mine / "thesis.txt").read_text() == "years of work"
