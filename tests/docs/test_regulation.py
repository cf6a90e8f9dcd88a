"""docs/REGULATION.md answers for each rule: by tests that exist, or "not covered"."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "REGULATION.md").read_text("utf-8")
SHARED = ROOT.parent / "shared" / "FIELD.md"
# The rules that the page must answer for, by what its first column begins with.
RULES = (
    "SEC 17a-4(b)(4)", "SEC 17a-4(f)(2)(i)(A)", "SEC 17a-4(f)(2)(i)(B)", "SEC 17a-4(f)(2)(ii)",
    "SEC 17a-4(f)(2)(iii)", "SEC 17a-4(f)(2)(iv)", "SEC 17a-4(f)(2)(v)", "SEC 17a-4(f)(3)",
    "SEC 17a-4(j)", "FINRA 3110(b)(4), .06, .07", "FINRA 07-59", "FINRA 4511; CFTC 1.31",
    "MiFID II Art 16(7)", "CDR 2017/565 Art 72(1)", "CDR 2017/565 Art 76", "FCA SYSC 10A",
    "FCA COBS 11.8", "SRA Code for Firms", "SRA warning notice on offensive communications",
    "Legal privilege", "UK GDPR 5(1)(e), 15, 17, 32, 35", "ICO, monitoring workers",
    "ABA Model Rules 1.6, 5.1", "NIST 800-88r2", "Object Lock caveat",
    "eIDAS Art 41–42, RFC 3161", "EDRM, ISO 27037, ISO 15489", "FIPS 140-3")
_MARK = re.compile(r" \(([ABC])(?:, [ABC]| in part)?\)$")


def rows() -> list[tuple[str, str, str, str]]:
    """(rule, what it asks, what the system does, tests) of every row."""
    found = []
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 4 and cells[0] != "rule":
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return found


def named_in(cell: str) -> list[tuple[str, str]]:
    """(file, name) of the tests that a cell names."""
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)


@cache
def functions_of(path: str) -> frozenset[str]:
    """Names of the functions in a file; read, not run."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree)
                     if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_each_rule_has_its_row_once() -> None:
    """None is left out, none is there twice, and each says how well its text is known."""
    assert sorted(RULES) == sorted(_MARK.sub("", rule) for rule, _, _, _ in rows())
    assert all(_MARK.search(rule) for rule, _, _, _ in rows())


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[0]))
def test_a_row_names_tests_that_exist(row: tuple[str, str, str, str]) -> None:
    """At least one, and nothing in the last column but tests; or it says that it is not covered."""
    _, asks, does, shown = row
    assert asks
    assert does
    named = named_in(shown)
    assert named or "**Not covered" in does
    assert re.sub(r"`[^`]*`|[, ]", "", shown) == ""
    assert len(named) == shown.count("::")
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in functions_of(path), f"{path}::{name}"


@pytest.mark.allowed_skip("the shared notes are not part of the repository")
def test_no_rule_of_the_field_notes_was_overlooked() -> None:
    """The notes on the field have as many rows as this page."""
    if not SHARED.exists():
        pytest.skip("no shared notes")
    text = SHARED.read_text("utf-8")
    section = text[text.index("## 3. "):text.index("## 4. ")]
    noted = [line for line in section.splitlines()
             if line.startswith("| ") and not line.startswith("| Rule ")]
    assert len(noted) == len(RULES)
