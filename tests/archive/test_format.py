"""docs/FORMAT.md says what is true: each requirement has a test that exists, each number is right.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from archive import layout
from infra.embedded.log import EmbeddedArchiveLog, EmbeddedCaptureLog, provision
from infra.embedded.store import FolderStore
from schemas import limits
from tests.archive.test_released import FINGERPRINTS
from tests.world import NOW, Random

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "FORMAT.md").read_text("utf-8")
REQUIREMENTS = re.findall(r"^- \*\*F(\d+)\*\* (.+?)(?=^- \*\*F|^\S|\Z)", TEXT,
                          re.MULTILINE | re.DOTALL)
TESTS = [(number, *one) for number, body in REQUIREMENTS
         for one in re.findall(r"`(tests/[a-z_/0-9]+\.py)::(test_\w+)`", body)]


def test_requirements_are_numbered_without_a_gap() -> None:
    """F1, F2, F3 …, each once; a later one may stand where it belongs. The introduction names the
    last."""
    numbers = sorted(int(number) for number, _ in REQUIREMENTS)
    assert list(range(1, len(numbers) + 1)) == numbers
    assert f"**F1 … F{numbers[-1]}**" in TEXT


def test_every_requirement_names_its_test() -> None:
    """None stands on its word alone."""
    assert {number for number, _ in REQUIREMENTS} == {number for number, _, _ in TESTS}


@pytest.mark.parametrize(("number", "path", "name"), TESTS)
def test_the_named_test_exists(number: str, path: str, name: str) -> None:
    """In that file, under that name."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
        f"F{number}")


def test_the_fingerprints_on_the_page_are_the_released_ones() -> None:
    """A reader compares the first ten bytes with this table."""
    rows = re.findall(r"\| `(\w+\.avsc)` \| `c301` `([0-9a-f]{16})` \|", TEXT)
    assert 4 == len(rows)
    assert all(FINGERPRINTS[name]["crc64"] == mark for name, mark in rows)


@pytest.mark.parametrize("value", [
    limits.PACK_BYTES_MAX, limits.PACK_EVENTS_MAX, limits.PART_BYTES_MAX, limits.PARTS_MAX,
    limits.SEGMENT_OBJECT_BYTES_MAX, limits.CELL_PLAIN_BYTES_MAX, limits.SESSION_RECORDS_MAX])
def test_the_limits_on_the_page_are_those_of_the_code(value: int) -> None:
    """A number that changes here changes there."""
    assert re.search(rf"(?<![\d,]){value:,}(?![\d,])", TEXT)


def test_a_folder_never_claims_a_compliance_lock(tmp_path: Path) -> None:
    """Its word is FOLDER, whatever was asked for."""
    store = FolderStore(tmp_path)
    key = layout.schema("ab" * 32)
    version = store.put_once(key, b"body", NOW)
    assert ("FOLDER", NOW) == (store.lock(key, version).mode, store.lock(key, version).retain_until)
    assert (tmp_path / "locks" / f"{key}.lock").read_bytes() == (
        b'{"mode": "FOLDER", "retain_until": %d}' % NOW)
    assert b"body" == (tmp_path / "objects" / key).read_bytes()


def test_an_embedded_log_never_gives_an_offset_twice(tmp_path: Path) -> None:
    """Also after everything was trimmed."""
    topic_id = provision(tmp_path / "log.db", "capture", 1, Random("log")).topic_id
    writer = EmbeddedCaptureLog(tmp_path / "log.db")
    assert [0, 1, 2] == [writer.append(0, b"record", topic_id) for _ in range(3)]
    archiver = EmbeddedArchiveLog(tmp_path / "log.db", "archiver")
    archiver.trim(0, 3)
    assert 3 == writer.append(0, b"record", topic_id)
    assert (3, 4) == archiver.bounds(0)
    archiver.close()
    writer.close()
