"""Writes docs/COVERAGE.md from the table: `python -m tests.docs.coverage`."""

from __future__ import annotations

from pathlib import Path

from ingest import coverage

PAGE = Path(__file__).parents[2] / "docs" / "COVERAGE.md"

if __name__ == "__main__":
    PAGE.write_text(coverage.page(), "utf-8")
