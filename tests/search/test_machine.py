"""The machine interface does not change: JSON Schemas and golden lines (issue 3, line 12).

`python -m tests.search.test_machine` writes the golden files anew; a diff there is a promise
broken, unless it only adds.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import events
from search import machine
from search.bodies import Bodies
from search.follow import Follower, bind
from search.parse import parse
from search.results import hit
from search.thread import conversation_around, message
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.world import NOON, PROJECTOR, MemoryArchive

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
REQUIRED = {
    "hit": {"id", "channel", "kind", "conversation", "actor", "direction", "occurred_at",
            "captured_at", "state", "text", "version_count"},
    "version": {"kind", "text", "actor", "occurred_at", "captured_at", "content_state",
                "target_known", "provenance", "segment", "offset"},
}


def rendered() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Hits and views of a small conversation, an unreadable record included."""
    archive = MemoryArchive()
    archive.seal([
        world.retraction(), world.event(text="Please pay 王小明 👍"), world.edit("Paid"),
        world.event(events.RECEIPT, "m2", None, target="m2", revision="read",
                    details=(("status", "read"),)),
        world.event(native_id="m2", text="pay?", direction="out", actor=world.DESK,
                    occurred_at=None, captured_at=NOON + 500_000),
        world.edit(None, native_id="x", target=None, target_known=events.ABSENT,
                   content_state=events.ABSENT_BY_SOURCE, actor=world.BOB),
        b"junk",
    ])
    indexes = FakeIndexSet()
    index = indexes.open(bind(indexes))
    Follower(archive, index, PROJECTOR).run_to_end()
    index.refresh()
    bodies, tree = Bodies(archive), parse("pay")
    found = list(index.scan())
    return ([machine.hit(hit(one, bodies, tree)) for one in found],
            [machine.message(message(one, bodies, conversation_around(one, index), tree))
             for one in found])


def schema(name: str) -> dict[str, Any]:
    """The published schema."""
    text = (ROOT / "docs" / "interface" / f"{name}.schema.json").read_text("utf-8")
    published: dict[str, Any] = json.loads(text)
    Draft202012Validator.check_schema(published)
    return published


@pytest.mark.parametrize("name", ["hit", "message"])
def test_the_lines_are_those_of_version_1(name: str) -> None:
    """Byte for byte what the golden file says."""
    lines = rendered()[0 if name == "hit" else 1]
    golden = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    assert golden == lines


@pytest.mark.parametrize("name", ["hit", "message"])
def test_the_lines_are_as_the_published_schema_says(name: str) -> None:
    """Every field of a line is described, and every described field is there."""
    published = schema(name)
    for line in rendered()[0 if name == "hit" else 1]:
        Draft202012Validator(published).validate(line)
        assert set(line) == set(published["properties"])
    for one in published.get("$defs", {}).values():
        assert set(one["required"]) == set(one["properties"])


def test_what_was_promised_is_there() -> None:
    """The fields of the interface's first version, and as many versions as are counted."""
    for line in rendered()[1]:
        assert set(line) >= REQUIRED["hit"]
        assert line["version_count"] == len(line["versions"])
        for version in line["versions"]:
            assert set(version) >= REQUIRED["version"]


def test_ids_and_times_carry_no_number_and_no_name() -> None:
    """Ids are keyed; only `actor`, `actor_name` and texts are readable."""
    for line in rendered()[1]:
        for field in ("id", "conversation", "occurred_at", "captured_at"):
            assert "6505551234" not in str(line[field])
        for version in line["versions"]:
            assert "6505551234" not in version["segment"]


@pytest.mark.parametrize(("at", "expected"), [
    (None, None), (0, "1970-01-01T00:00:00.000Z"), (NOON + 7, "2026-01-15T12:00:00.007Z"),
    (-1, "1969-12-31T23:59:59.999Z"), (10 ** 18, None),
])
def test_times_are_rfc_3339_with_milliseconds(at: int | None, expected: str | None) -> None:
    """UTC, three decimals, Z; what has no such form is null."""
    shown = machine.rfc3339(at)
    assert expected == shown
    assert shown is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown)


def main() -> None:
    """Write the golden files."""
    for name, lines in zip(("hit", "message"), rendered(), strict=True):
        text = json.dumps(lines, indent=1, ensure_ascii=False)
        (GOLDEN / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
