"""The documentation says what is true: names, codes, settings, links are compared with code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer

from infra.cli import app
from infra.config import Config
from ingest import coverage
from ingest.adapters import ADAPTERS
from schemas import findings
from tests.docs import life

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
OPERATIONS = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")


def test_the_life_of_a_message_was_seen() -> None:
    """The page is what the walk through the code gives today."""
    assert life.page() == life.PAGE.read_text("utf-8")


def test_the_road_has_the_files_that_the_page_names() -> None:
    """Every file of the road exists and has its station, in order."""
    text = life.PAGE.read_text("utf-8")
    stations = re.findall(r"^## \d+\. `([^`]+)`$", text, re.MULTILINE)
    assert list(life.ROAD) == stations
    assert all((ROOT / name).is_file() for name in life.ROAD)


@pytest.mark.parametrize("table", ["ALARMS", "FINDINGS", "HALTS", "OBSERVATIONS"])
def test_every_code_has_its_line_in_the_runbook(table: str) -> None:
    """An operator who meets a code finds it in docs/OPERATIONS.md."""
    for code in getattr(findings, table):
        assert f"| `{code}` |" in OPERATIONS, code


def test_the_runbook_names_no_code_that_does_not_exist() -> None:
    """No line of the runbook is about something that the code cannot say."""
    known = {*findings.ALARMS, *findings.FINDINGS, *findings.HALTS, *findings.OBSERVATIONS}
    section = OPERATIONS[OPERATIONS.index("## Alarms"):OPERATIONS.index("## Backups")]
    assert set(re.findall(r"^\| `([a-z_0-9]+)` \|", section, re.MULTILINE)) <= known


def test_every_setting_is_documented() -> None:
    """docs/OPERATIONS.md lists every key of the configuration and no other."""
    expected = set()
    for name, entry in Config.model_fields.items():
        fields = getattr(entry.annotation, "model_fields", None)
        if name != "home":
            expected |= {f"{name}.{key}" for key in fields} if fields else {name}
    section = OPERATIONS[OPERATIONS.index("## Configuration"):OPERATIONS.index("## Alarms")]
    assert expected == set(re.findall(r"^\| `([a-z_.0-9]+)` \|", section, re.MULTILINE))


def test_every_verb_is_documented() -> None:
    """docs/OPERATIONS.md names every verb that `counterfoil --help` lists."""
    command = typer.main.get_command(app)
    section = OPERATIONS[:OPERATIONS.index("## Configuration")]
    for name, verb in command.commands.items():  # type: ignore[attr-defined]
        subverbs = getattr(verb, "commands", {})
        for full in [f"{name} {sub}" for sub in subverbs] or [name]:
            assert re.search(rf"[`, ]{re.escape(full)}[`, ]", section), full
        assert verb.help or subverbs, f"{name} has no help"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_path_resolves(page: Path) -> None:
    """What a page points at exists."""
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    for path in re.findall(r"`((?:tests|ingest|archive|search|schemas|infra|docs)/[\w./-]+\.\w+)`",
                           text):
        assert (ROOT / path).exists(), path


def test_coverage_is_the_page_of_its_table() -> None:
    """docs/COVERAGE.md is what the table says, and each part of each source is answered."""
    assert coverage.page() == (ROOT / "docs" / "COVERAGE.md").read_text("utf-8")
    for one in coverage.COVERAGE:
        assert set(one.cover) == set(coverage.PARTS), one.source
        assert all(cover.answer in (coverage.YES, coverage.PARTLY, coverage.NO) and cover.words
                   for cover in one.cover.values())
    assert {one.source for one in ADAPTERS.values()} <= {one.source for one in coverage.COVERAGE}


def test_each_guarantee_names_its_test_or_says_not_yet() -> None:
    """No row of the README's table promises without showing."""
    rows = re.findall(r"^\| \*\*(G\d)\*\* \|(.*)\|$", (ROOT / "README.md").read_text("utf-8"),
                      re.MULTILINE)
    assert [f"G{number}" for number in range(1, 10)] == [name for name, _ in rows]
    for name, row in rows:
        assert "not yet" in row or "`tests/" in row, name


def test_done_has_a_line_for_each_number_of_the_issue() -> None:
    """docs/DONE.md answers for every numbered line."""
    text = (ROOT / "docs" / "DONE.md").read_text("utf-8")
    numbers = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert [str(number) for number in range(1, 18)] == numbers


def test_nothing_names_this_workplace() -> None:
    """No registry's host and no machine's path stands in a tracked file."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    words = [b"pypi" + b".org", b"pythonhosted" + b".org", b"repo1.maven" + b".org",
             b"repo.maven.apache" + b".org", b"registry.npmjs" + b".org", b"/wo" + b"rk/main",
             b"/ro" + b"ot/"]
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            body = path.read_bytes()
            assert not [word for word in words if word in body], name
