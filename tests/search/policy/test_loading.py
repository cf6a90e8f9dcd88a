"""A policy's file: every problem named by line, rule and field, nothing guessed at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Refused
from search.policy import lexicon, loading
from search.policy.lexicon import Hours, in_force, together
from search.policy.loading import load
from tests.search.policy.world import HEAD, policy

WHOLE = HEAD.encode() + b"""
mandatory = true
disclaimers = ["Past performance is no guarantee"]
exempt = ["newsletter", "group:desk"]

[lists]
win = ["win", "profit*", '"no risk"']

[[rule]]
id = "guarantee"
why = "Nobody may promise an outcome."
query = 'guarantee* w/5 @win'
direction = "out"
from = ["group:sales", "+1 650 555 1234"]
channels = ["whatsapp"]
times = ["mon-fri 19:00-07:00", "sat,sun", "20:00-24:00", "sat-mon"]
languages = ["de", "en"]
zones_out = []
exempt = ["asmith"]
window = { messages = 5, minutes = 10, same_sender = true }
obfuscation = true
revision = { retracted_within_s = 60 }

[[rule]]
id = "points"
why = "Words that count."
threshold = 3
terms = [
  { find = "guarantee*", weight = 2 },
  { find = '"no risk"' },
  { find = "cannot", weight = -2 },
]

[[rule]]
id = "habit"
why = "Takes much back."
[rule.revision]
retractions_above_habit = true
tail = "0.0001"
"""


def test_a_file_says_all_of_it() -> None:
    """Every field is read; what is not stated has its default."""
    found = load(WHOLE)
    rule, points, habit = found.rules
    assert ("outcome", 1, date(2026, 1, 1), "high", True) == (
        found.policy_id, found.version, found.effective, found.severity, found.mandatory)
    assert ("newsletter", "group:desk") == found.exempt
    assert (("win", ("win", "profit*", '"no risk"')),) == found.lists
    assert ("out", ("group:sales", "+1 650 555 1234"), ("whatsapp",), ("de", "en"), ()) == (
        rule.conditions.direction, rule.conditions.senders, rule.conditions.channels,
        rule.conditions.languages, rule.zones_out)
    week = tuple(range(5))
    assert (Hours(week, 19 * 60, 7 * 60), Hours((5, 6)), Hours(tuple(range(7)), 1200, 1440),
            Hours((0, 5, 6))) == rule.conditions.times
    assert lexicon.Window(5, 10, True) == rule.window and rule.obfuscation
    assert lexicon.RetractedSoon(60) == rule.revision
    assert [2, 1, -2] == [one.weight for one in points.terms] and 3 == points.threshold
    assert lexicon.ZONES == points.zones_out
    assert lexicon.AboveHabit(24, 30, 5, Decimal("0.0001")) == habit.revision


@pytest.mark.parametrize(("old", "new", "problem"), [
    ('approver = "Bob Roe"', 'approver = "ann  LEE"',
     "line 6, approver: must be another person than the author"),
    ('approver = "Bob Roe"', 'approver = "to be named by the firm"',
     "line 6, approver: name who approved it"),
    ("version = 1", "version = 0", "line 3, version: must be 1 to"),
    ("version = 1", "version = true", "line 3, version: must be a whole number"),
    ("version = 1", 'version = "1"', "line 3, version: must be a whole number"),
    ('severity = "high"', 'severity = "urgent"', "severity: 'urgent' is unknown; known are low"),
    ('severity = "high"', "", "severity: is missing"),
    ("effective = 2026-01-01", 'effective = "soon"', "line 7, effective: must be a date"),
    ("effective = 2026-01-01", "effective = 2026-01-01T10:00:00Z", "a date without a time"),
    ('id = "outcome"', 'id = "Out Come"', "line 2, id: must be 1 to 64 of a-z"),
    ('title = "Promises of an outcome"', 'titel = "x"', "titel: unknown key; known are id,"),
    ("@win'", "@lose'", "line 20, rule 1 'guarantee', query: there is no list @lose"),
    ("'guarantee* w/5 @win'", "'(guarantee'", "rule 1 'guarantee', query: this bracket is never "
                                               "closed: expected ) (at character 1)"),
    ("'guarantee* w/5 @win'", "'flag:other guarantee'", "no ground for a flag"),
    ("'guarantee* w/5 @win'", "'kind:review guarantee'", "no ground for a flag"),
    ("'guarantee* w/5 @win'", "'guarantee* kind:receipt'",
     "query: a policy never looks at kind:receipt (at character 12); it looks at call, edit"),
    ("'guarantee* w/5 @win'", "'from:carol'", "names no word that could be read in a window"),
    ('direction = "out"', 'direction = "up"', "rule 1 'guarantee', direction: 'up' is unknown"),
    ('"whatsapp"]', '"Whats App"]', "channels: 'Whats App' is no channel"),
    ('"sat,sun"', '"sat,xun"', "times: 'xun' is no day"),
    ('"sat,sun"', '"19:00-19:00"', "times: '19:00-19:00' is no time: it ends when it begins"),
    ('"sat,sun"', '"25:00-26:00"', "times: 25:00 is no time of a day"),
    ('"sat,sun"', '"late"', "times: 'late' is no"),
    ('"sat,sun"', '""', "times: each must be"),
    ('["de", "en"]', '["xx"]', "languages: 'xx' is unknown; known are ar"),
    ("zones_out = []", 'zones_out = ["quote"]', "zones_out: 'quote' is unknown"),
    ('exempt = ["asmith"]', 'exempt = ["group: "]', "exempt: 'group:' names nobody"),
    ("messages = 5", "messages = 1", "rule 1 'guarantee', window, messages: must be 2 to"),
    ("messages = 5, minutes = 10, ", "", "window, messages: is missing: state messages"),
    ("messages = 5", "mesages = 5", "window, mesages: unknown key"),
    ("retracted_within_s = 60", "removed = true, retracted_within_s = 60", "name one of"),
    ("retracted_within_s = 60", "removed = true", "window: has no meaning"),
    ("retracted_within_s = 60", "", "name one of retracted_within_s"),
    ("threshold = 3", "threshold = 4", "rule 2 'points', threshold: is more than all terms"),
    ("threshold = 3", "", "rule 2 'points', threshold: belongs to terms"),
    ("weight = -2", "weight = 0", "rule 2 'points', terms 3, weight: 0 points say nothing"),
    ('find = "cannot"', 'fnd = "cannot"', "terms 3, fnd: unknown key"),
    ('id = "points"', 'id = "guarantee"', "rule: the id 'guarantee' comes twice"),
    ('tail = "0.0001"', 'tail = "2"', "rule 3 'habit', revision, tail: must be a probability"),
    ('tail = "0.0001"', 'tail = "x"', "tail: must be a probability"),
    ('why = "Takes much back."', 'why = "x"\nquery = "pay"', "it has no query, terms, window"),
    ("retractions_above_habit = true", "retractions_above_habit = false", "is true, or is left"),
    ("win = [", "Win! = [", "Expected"),
    ('win = ["win"', 'win = ["win", "win"', "lists, win: 'win' comes twice"),
    ('"profit*"', '"(profit"', "in the list @win line 2"),
])
def test_problems_are_named(old: str, new: str, problem: str) -> None:
    """Line, rule, field, and what is expected."""
    text = WHOLE.decode()
    assert old in text
    with pytest.raises(Refused) as refused:
        load(text.replace(old, new, 1).encode(), "outcome.toml")
    assert problem in str(refused.value)
    assert str(refused.value).startswith("outcome.toml")


def test_all_problems_are_told_at_once() -> None:
    """One run shows everything that has to be put right."""
    with pytest.raises(Refused) as refused:
        load(b'id = "x"\nversion = 0\n[[rule]]\nid = "a"\n[[rule]]\nquery = "("\n')
    lines = str(refused.value).splitlines()
    assert len(lines) >= 9
    assert any("rule 1 'a', why: is missing" in line for line in lines)
    assert any("rule 2, query" in line for line in lines)


@pytest.mark.parametrize("source", [
    b"\xff\xfe", b"id = ", b"[[rule]]\n" * 2_000, b"x" * (loading.BYTES_MAX + 1), b"", b"rule = 1",
    b"a = " + b"[" * 5_000, b"lists = 3", b"[[lists]]", b"[rule]\nid = 3",
])
def test_what_is_no_policy_is_refused(source: bytes) -> None:
    """Whatever the bytes: refused with a reason, bounded."""
    with pytest.raises(Refused):
        load(source)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@settings(max_examples=100)
def test_any_bytes_are_refused_or_read(source: bytes) -> None:
    """Never another error."""
    with pytest.raises(Refused):
        load(source + b"\n[[rule]]")


def test_a_number_rule_asks_for_words() -> None:
    """Its own OK is a query of words; a field says nothing of a text."""
    with pytest.raises(Refused, match="asks for words only"):
        policy("revision = { number_changed = true, ok = 'from:carol' }")


def test_the_digest_is_of_what_is_said() -> None:
    """Comments, spaces and the order of keys do not change it; each word does."""
    text = WHOLE.decode()
    same = "# new\n" + text.replace('title = "Promises of an outcome"\n', "").replace(
        "[lists]", 'title   =   "Promises of an outcome"\n[lists]')
    assert load(WHOLE).digest() == load(same.encode()).digest()
    for old, new in (("weight = 2", "weight = 3"), ('"out"', '"in"'), ("Ann Lee", "Ann Roe"),
                     ("profit*", "profit"), ("_s = 60", "_s = 61"), ("guarantee*", "guarant*")):
        changed = text.replace(old, new, 1)
        assert changed != text
        assert load(WHOLE).digest() != load(changed.encode()).digest()


def at(day: int, hour: int = 0) -> int:
    """That hour of a day of January 2026, UTC ms."""
    return int(datetime(2026, 1, day, hour, tzinfo=UTC).timestamp() * 1_000)


def test_the_highest_version_whose_day_has_come_is_in_force() -> None:
    """By the day in the firm's zone; before its first day a policy is not."""
    def version(number: int, day: int) -> lexicon.Lexicon:
        return policy("query = 'pay'", HEAD.replace("version = 1", f"version = {number}").replace(
            "2026-01-01", f"2026-01-{day:02d}"))
    known = [version(2, 10), version(1, 5), version(3, 20)]
    assert [] == [one.version for one in in_force(known, at(4))]
    assert [1] == [one.version for one in in_force(known, at(5))]
    assert [2] == [one.version for one in in_force(known, at(19, 23))]
    assert [3] == [one.version for one in in_force(known, at(19, 23), timezone(timedelta(hours=1)))]


def test_one_version_says_one_thing() -> None:
    """Two files that differ under one number are refused; the same file twice is one."""
    first, other = policy("query = 'pay'"), policy("query = 'cash'")
    assert (first,) == together([first, policy("query = 'pay'")])
    with pytest.raises(Refused, match="outcome version 1"):
        together([first, other])
