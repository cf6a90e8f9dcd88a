"""The directory file: read exactly, and every problem named with its line and field (C4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.directory import load_directory, parse_directory
from schemas.errors import Missing, Refused

GOOD = b"""\
[classes]
default = 7
advice = 10

[[custodian]]
id = "asmith"
name = "Alice Smith"
class = "advice"

[[custodian]]
id = "bjones"
name = "Bob Jones"

[[account]]
channel = "whatsapp"
account = "+1 (555) 078-3881"
custodian = "asmith"
until = 2026-01-01

[[account]]
channel = "whatsapp"
account = "+15550783881"
custodian = "bjones"
from = 2026-01-01T00:00:00+00:00

[[conversation]]
conversation = "group:1"
compartment = "matter-1"
"""
JANUARY = 1_767_225_600_000


def test_reads_who_had_an_account_when() -> None:
    """A number that was handed on belongs to each owner in their time, class and years with it."""
    directory = parse_directory(GOOD)
    before = directory.resolve("whatsapp", "+15550783881", "pair:x", JANUARY - 1)
    after = directory.resolve("whatsapp", "+15550783881", "group:1", JANUARY)
    assert (before.custodian, before.retention_class, before.retention_years) == (
        "asmith", "advice", 10)
    assert (after.custodian, after.retention_years, after.compartment) == ("bjones", 7, "matter-1")
    assert directory.source == GOOD
    assert directory.firm_years() == 11


def test_an_empty_file_is_a_directory() -> None:
    """Everything is unassigned, kept for the longest class."""
    said = parse_directory(b"").resolve("sms", "+1", "pair:x", 0)
    assert (said.custodian, said.retention_class, said.retention_years) == ("", "unassigned", 7)


def test_unassigned_traffic_is_kept_for_the_longest_class() -> None:
    """Also where a conversation's rule names a shorter one: all that nobody has claimed lies under
    one key a month, and the first event must not decide for the others."""
    rule = b'compartment = "matter-1"'
    source = GOOD.replace(rule, rule + b'\nclass = "default"')
    said = parse_directory(source).resolve("whatsapp", "+15550000000", "group:1", JANUARY)
    assert ("", "unassigned", 10, "matter-1") == (
        said.custodian, said.retention_class, said.retention_years, said.compartment)


@pytest.mark.parametrize(("change", "problem"), [
    ((b'id = "asmith"', b'idd = "asmith"'), "line 6, custodian 1, idd: unknown key; known are"),
    ((b'id = "asmith"', b""), "line 5, custodian 1, id: is missing"),
    ((b'id = "bjones"', b'id = "asmith"'), "line 11, custodian 2, id: 'asmith' comes twice"),
    ((b'id = "bjones"', b"id = 7"), 'line 11, custodian 2, id: must be a text in "quotes"'),
    ((b'"Bob Jones"', b'" "'), "line 12, custodian 2, name: must be 1 to 500 printable"),
    ((b'"Bob Jones"', b'"Bob\\u202e Jones"'), "line 12, custodian 2, name: must be 1 to 500"),
    ((b'class = "advice"', b'class = "advise"'),
     "line 8, custodian 1, class: 'advise' is not in [classes]"),
    ((b"advice = 10", b"advice = 0"), "line 3, classes, advice: must be whole years, 1 to 100"),
    ((b"advice = 10", b"advice = true"), "line 3, classes, advice: must be whole years"),
    ((b"advice = 10", b"advice = 10\nfirm = 3"), "line 4, classes, firm: is a name of the system"),
    ((b'channel = "whatsapp"', b'channel = "whatsap"'),
     "line 15, account 1, channel: 'whatsap' is unknown; known are whatsapp, sms"),
    ((b'custodian = "asmith"', b'custodian = "nobody"'),
     "line 17, account 1, custodian: no [[custodian]] has the id 'nobody'"),
    ((b"(555) 078-3881", b"(555) 078-388I"), "line 16, account 1, account: a number is + and"),
    ((b"until = 2026-01-01", b'until = "2026-01-01"'), "line 18, account 1, until: must be a date"),
    ((b"until = 2026-01-01", b"until = 2026-01-01T00:00:00"),
     "line 18, account 1, until: a time must state its offset"),
    ((b"until = 2026-01-01", b"until = 2026-02-01"),
     "line 22, account 2, account: has an owner at that time already (account 1)"),
    ((b"until = 2026-01-01", b"from = 2026-02-01\nuntil = 2026-01-01"),
     "line 19, account 1, until: is not after `from`"),
    ((b'compartment = "matter-1"', b""), "line 26, conversation 1, compartment: is missing"),
    ((b"[[conversation]]", b"[[conversations]]"), "line 26, conversations: unknown table or key"),
    ((b"[classes]", b"zone = 1\n[classes]"), "line 1, zone: unknown table or key"),
    ((b"[[conversation]]", b"[conversation]"), "line 26, conversation: write [[conversation]]"),
    ((b"Alice", b"\xff"), "line 7: not UTF-8"),
    ((b"default = 7", b"default = = 7"), "at line 2, column"),
])
def test_names_the_line_and_the_field(change: tuple[bytes, bytes], problem: str) -> None:
    """Nothing is guessed and nothing ignored: the whole file is refused, with where and why."""
    assert change[0] in GOOD
    with pytest.raises(Refused) as caught:
        parse_directory(GOOD.replace(*change, 1))
    assert problem in str(caught.value)
    assert str(caught.value).startswith("directory.toml")


def test_names_every_problem_at_once() -> None:
    """Nobody mends a file one error at a time."""
    broken = GOOD.replace(b"advice = 10", b"advice = 0").replace(b'"bjones"\nname', b'""\nname')
    with pytest.raises(Refused) as caught:
        parse_directory(broken)
    assert len(str(caught.value).splitlines()) >= 3


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """No file is not an empty one: the caller decides."""
    with pytest.raises(Missing):
        load_directory(tmp_path / "directory.toml")
    (tmp_path / "directory.toml").write_bytes(GOOD)
    assert load_directory(tmp_path / "directory.toml") == parse_directory(GOOD)
