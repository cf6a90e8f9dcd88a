"""What the directory excludes is nowhere after the whole road; with a control run that finds it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.config import load
from infra.wire import Wire
from schemas import codec
from tests.e2e.installation import SECRETS
from tests.e2e.line import Clock, Line, Posted
from tests.ingest.doorway import FIRM_NUMBER, hub_headers, text_message, whatsapp_body
from tests.world import Random

pytestmark = pytest.mark.slow

START = 1_763_700_000_000
CANARY = "zephyrmarmalade"
SPOUSE = "16505559999"
FIRM = f"""
[[custodian]]
id = "asmith"
name = "Alice Smith"
[[account]]
channel = "whatsapp"
account = "+{FIRM_NUMBER}"
custodian = "asmith"
"""
EXCLUDED = f"""
[[exclusion]]
channel = "whatsapp"
account = "+{FIRM_NUMBER}"
counterparty = "+{SPOUSE}"
reason = "spouse"
"""


def played(home: Path, directory: str) -> Line:
    """A firm's deliveries from the door to the index."""
    clock = Clock(START)
    line = Line(Wire(load(home), clock, Random("line")), clock)
    home.mkdir(exist_ok=True, mode=0o700)
    (home / "directory.toml").write_text(directory, "utf-8")
    line.wire.provision()
    bodies = [whatsapp_body(text_message(1, CANARY, SPOUSE)),
              whatsapp_body(text_message(2, "figures"), text_message(3, CANARY, SPOUSE))]
    line.play([Posted("/hooks/whatsapp", body, hub_headers(
        body, SECRETS.whatsapp_app_secret.encode())) for body in bodies])
    line.archive()
    return line


def said(line: Line) -> Iterator[bytes]:
    """Every event of the archive as its bytes, and every file of the firm's but its directory."""
    for _, event in line.inside().events():
        yield codec.encode(event)
    for path in line.wire.home.rglob("*"):
        if path.is_file() and "directory" not in path.name:
            yield path.read_bytes()


def test_what_is_excluded_is_nowhere(tmp_path: Path) -> None:
    """Neither in what the archive opens to nor in a file of log, spool, store or index; a search
    finds the neighbour and the count; verify finds nothing."""
    line = played(tmp_path / "home", FIRM + EXCLUDED)
    assert not [one for one in said(line) if CANARY.encode() in one]
    assert line.count(CANARY) == line.count(f"with:+{SPOUSE}") == 0
    (kept,) = line.search("figures")
    assert kept["observations"] == ["delivery_cut"]
    (count,) = line.search("kind:gap")
    assert (count["channel"], count["text"]) == (
        "firm", "2025-11-21: 2 items left out, 2 of them messages: spouse")
    assert line.findings() == []
    shutil.rmtree(tmp_path / "home")
    control = played(tmp_path / "home", FIRM)
    assert [one for one in said(control) if CANARY.encode() in one]
    assert control.count(CANARY) == 2
