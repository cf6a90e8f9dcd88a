"""A file that people write is changed line by line: comments and order stay, or nothing changes."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.tomledit import Add, Change, Drop, Edit, edited, written
from schemas.errors import Refused

FILE = '''\
# Who is who.
[classes]
default = 7

# The desk.
[[custodian]]
id = "asmith"      # do not rename
name = "Alice # Smith"  # née Jones

[[group]]
name = "litigation"
members = [
    "asmith",  # since 2024
    "bjones",
]

# Others.
[[custodian]]
id = "bjones"
name = "Bob"
'''


def test_only_what_changes_is_written() -> None:
    """A value keeps its comment, a new key goes to its table, a new table behind its like."""
    made = edited(FILE, [
        Change("custodian", 0, {"name": "Alice \"A\" Smith", "class": "advice"}),
        Change("group", 0, {"members": ["asmith"]}),
        Add("custodian", {"id": "new", "name": "Ünal"}),
        Add("account", {"channel": "sms", "from": date(2026, 1, 31), "max_silence_h": 0.5})])
    assert made == '''\
# Who is who.
[classes]
default = 7

# The desk.
[[custodian]]
id = "asmith"      # do not rename
name = "Alice \\"A\\" Smith"  # née Jones
class = "advice"

[[group]]
name = "litigation"
members = ["asmith"]

# Others.
[[custodian]]
id = "bjones"
name = "Bob"

[[custodian]]
id = "new"
name = "Ünal"

[[account]]
channel = "sms"
from = 2026-01-31
max_silence_h = 0.5
'''


def test_a_table_goes_with_its_own_lines() -> None:
    """And a key with its line; comments that stand between stay."""
    made = edited(FILE, [Drop("group", 0), Change("custodian", 1, {"name": None})])
    assert "litigation" not in made and '"Bob"' not in made
    assert "# Others." in made and "# since 2024" not in made
    assert tomllib.loads(made)["custodian"][1] == {"id": "bjones"}


def test_ends_of_lines_stay() -> None:
    """A file of Windows, a file without a last line end, a file without anything."""
    made = edited('[[group]]\r\nname = "a"', [Add("group", {"name": "b"})])
    assert made == '[[group]]\r\nname = "a"\r\n\r\n[[group]]\r\nname = "b"\r\n'
    assert edited("", [Add("group", {"name": "b"})]) == '[[group]]\nname = "b"\n'
    assert edited(FILE, []) == FILE


@pytest.mark.parametrize("text", [
    'group = [{name = "a"}]\n',
    '[[group]]\n"na\\u006de" = "a"\n[[group]]\nname = "b"\n',
])
def test_what_lines_cannot_say_is_left_to_a_person(text: str) -> None:
    """Nothing is written that does not read as what was wanted."""
    edits: list[Edit] = [Change("group", 0, {"name": "c"}), Add("group", {"name": "d"})]
    with pytest.raises(Refused, match="by hand"):
        edited(text, edits)


_VALUES = st.one_of(
    st.text(), st.integers(-10**9, 10**9), st.booleans(), st.dates(),
    st.datetimes(timezones=st.just(UTC)), st.lists(st.text(), max_size=30),
    st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(st.sampled_from(("custodian", "group", "matter")), st.dictionaries(
    st.from_regex("[a-z_]{1,8}", fullmatch=True), _VALUES, max_size=3)), max_size=5),
    st.lists(st.tuples(st.sampled_from((("custodian", 0), ("custodian", 1), ("group", 0))),
                       st.dictionaries(st.sampled_from(("name", "id", "more")),
                                       st.none() | _VALUES, max_size=3)),
             max_size=3, unique_by=lambda one: one[0]))
def test_what_is_written_reads_as_what_was_wanted(
        added: list[tuple[str, dict[str, str]]],
        changed: list[tuple[tuple[str, int], dict[str, str | None]]]) -> None:
    """Any value of any table, and every comment that belongs to no changed line."""
    edits: list[Edit] = [Add(table, values) for table, values in added]
    edits += [Change(table, index, values) for (table, index), values in changed]
    made = edited(FILE, edits)
    tables = tomllib.loads(made)
    for table, values in added:
        assert values in tables[table]
    assert "# Others." in made and "# Who is who." in made


def test_values_are_written_as_toml() -> None:
    """A time states its offset; a long list has a line for each."""
    assert written(datetime(2026, 1, 31, 17, tzinfo=UTC)) == "2026-01-31T17:00:00+00:00"
    assert written(["x" * 60, "y" * 60]).count("\n") == 3
    assert written("a\x7f\u2028") == '"a\\u007f\u2028"'
