"""docs/ACCESS.md says what the code does: its tables are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from infra.bulk import KINDS
from search.access.people import Settings
from search.access.roles import ROLES
from search.access.wording import WORDS

PAGE = (Path(__file__).parents[2] / "docs" / "ACCESS.md").read_text("utf-8")


def test_the_table_of_roles_is_the_codes() -> None:
    """Each capability in words, and which role has it."""
    head = "| what | " + " | ".join(ROLES) + " |"
    rows = [f"| {words} | " + " | ".join("yes" if capability in may else ""
                                         for may in ROLES.values()) + " |"
            for capability, words in WORDS.items()]
    section = PAGE[PAGE.index("## Roles"):PAGE.index("## Walls")]
    said = [re.sub(" +", " ", line) for line in section.splitlines() if line.startswith("| ")]
    assert [head, *(re.sub(" +", " ", row) for row in rows)] == said


def test_every_column_and_setting_is_named() -> None:
    """Of the CSV files with what must be there, and of [settings] with its default."""
    for name, kind in KINDS.items():
        columns = ", ".join(f"**{one}**" if is_required else one
                            for one, is_required in kind.columns.items())
        assert f"| {name} | `{kind.file}` | {columns}" in PAGE
    for one in fields(Settings):
        default = str(getattr(Settings(), one.name)).lower()
        assert f"| `{one.name}` | {default} |" in PAGE
