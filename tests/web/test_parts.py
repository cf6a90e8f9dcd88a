"""What pages are made of: texts, times, differences, filters, the chat's rows. No request."""

from __future__ import annotations

import difflib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.gaps import Gap
from search.access.viewer import operator
from search.web import chat, diff, markdown, narrow, texts, times
from search.web.times import Zone
from tests.search.world import NOON
from tests.web.office import filled

LONDON = Zone("Europe/London", ZoneInfo("Europe/London"))
KOLKATA = Zone("Asia/Kolkata", ZoneInfo("Asia/Kolkata"))


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(-3, 70), st.integers(-3, 70))))
def test_no_character_of_a_text_is_lost(text: str, ranges: list[tuple[int, int]]) -> None:
    """Whatever is marked: the pieces are the text."""
    assert text == "".join(one.text for one in texts.pieces(text, texts.marks(ranges)))


@given(st.text(max_size=60))
def test_no_text_becomes_markup(text: str) -> None:
    """Nothing that somebody wrote opens a tag or leaves an attribute."""
    shown = str(texts.shown(text))
    for ours in ("<bdi class=\"control\" title=\"", "</bdi>", ": shown, not obeyed\">"):
        shown = shown.replace(ours, "")
    assert "<" not in shown


@pytest.mark.parametrize(("text", "seen"), [
    ("a\u202egpj.exe", "a[RLO]gpj.exe"), ("a\u200fb", "a[RLM]b"), ("a\x07b", "a[U+0007]b"),
    ("pass\u200bword", "pass[ZWSP]word"), ("a\U000e0041b", "a[TAG]b"), ("line\nnext", "line\nnext"),
    ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
     "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
    ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"), ("می\u200cخواهم", "می\u200cخواهم")])
def test_what_is_unseen_is_seen(text: str, seen: str) -> None:
    """Direction marks, controls, hidden tags; but not what emoji and Persian are made of."""
    assert seen == texts.plain(text)


def test_a_range_may_be_marked_twice() -> None:
    """Found by the query and flagged by a rule: both are told, neither hides the other."""
    marked = (texts.Mark(0, 4), texts.Mark(2, 6, texts.FLAG))
    assert [("ab", {"hit"}), ("cd", {"hit", "flag"}), ("ef", {"flag"}), ("g", set())] == [
        (one.text, set(one.marks)) for one in texts.pieces("abcdefg", marked)]


@pytest.mark.parametrize(("ms", "said"), [
    (0, "less than a second"), (42_000, "42 s"), (95_000, "1 min 35 s"), (60_000, "1 min"),
    (3_600_000 * 26, "1 d 2 h"), (3_600_000 * 24 + 5_000, "1 d"), (-5, "less than a second")])
def test_how_long_something_lasted(ms: int, said: str) -> None:
    """Two units at most, none between them left out."""
    assert said == times.lasted(ms)


def test_a_moment_is_the_viewers_and_the_source_s_meaning_stays() -> None:
    """Another day elsewhere; the same moment for machines; a half-hour zone is right."""
    evening = NOON + 7 * 3_600_000
    here, there = times.stamp(evening, LONDON, "as sent"), times.stamp(evening, KOLKATA)
    assert ("Thu 15 Jan 2026", "19:00:00") == (here.day, here.clock)
    assert ("Fri 16 Jan 2026", "00:30:00") == (there.day, there.clock)
    assert here.iso == there.iso == "2026-01-15T19:00:00.000Z"
    assert "As sent" in here.title and "UTC+05:30" in there.title


def test_a_time_that_is_none_is_said_to_be_none() -> None:
    """Beyond the calendar, or not there."""
    assert times.NONE == times.stamp(None, LONDON).clock
    assert "" == times.stamp(10**17, LONDON).iso


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_difference_holds_both_texts(before: str, after: str) -> None:
    """What went and what stayed is the old text, what came and what stayed the new one."""
    found = diff.changes(before, after)
    assert before == "".join(one.text for one in found if one.kind != diff.NEW)
    assert after == "".join(one.text for one in found if one.kind != diff.GONE)


def test_a_very_long_difference_is_bounded() -> None:
    """Two books are shown whole, in no time."""
    found = diff.changes("a " * 9_000, "b " * 9_000)
    assert [diff.GONE, diff.NEW, diff.SAME] == [one.kind for one in found]


def test_a_word_that_stands_everywhere_is_compared_within_bounds(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is bounded and not the words alone: commas that pair with every comma are shown
    whole, and nothing is compared."""
    asked: list[int] = []
    compare = difflib.SequenceMatcher

    def counted(_junk: None, old: list[str], new: list[str], *, autojunk: bool) -> object:
        asked.append(sum(new.count(word) for word in old))
        return compare(None, old, new, autojunk=autojunk)

    monkeypatch.setattr(difflib, "SequenceMatcher", counted)
    before, after = "," * 1_000, ",." * 500
    assert before == "".join(one.text for one in diff.changes(before, after)
                             if one.kind != diff.NEW)
    before, after = "," * 299 + "!", ".," * 150
    assert [diff.GONE, diff.NEW] == [one.kind for one in diff.changes(before * 2, after * 2)]
    assert [] == asked
    diff.changes("," * 250 + "!", ".," * 150)
    assert asked and max(asked) <= diff._PAIRS_MAX


def test_a_small_edit_of_a_long_text_is_shown_as_one() -> None:
    """What both begin and end with is not compared, however long it is."""
    found = diff.changes("pay it " * 9_000 + "now" + " or not" * 9_000,
                         "pay it " * 9_000 + "never" + " or not" * 9_000)
    assert [(diff.GONE, "now"), (diff.NEW, "never")] == [
        (one.kind, one.text) for one in found[1:-1]]


class Counted(texts.Mark):
    """A mark that counts how often it is looked at."""

    looks = 0

    def __getattribute__(self, name: str) -> object:
        if name in ("start", "end", "why"):
            Counted.looks += 1
        return super().__getattribute__(name)


def test_each_mark_is_looked_at_once() -> None:
    """A word that stands a thousand times in a text has a thousand marks; each costs the same."""
    def looks(count: int) -> int:
        Counted.looks = 0
        found = list(texts.pieces("a " * count, [
            Counted(2 * one, 2 * one + 1) for one in range(count)]))
        assert 2 * count == len(found)
        return Counted.looks

    assert looks(1_000) == 10 * looks(100)


@given(st.text(max_size=30), st.lists(st.tuples(
    st.integers(-3, 33), st.integers(-3, 33), st.sampled_from([texts.HIT, texts.FLAG]))))
def test_a_character_is_marked_as_the_marks_over_it_say(
        text: str, ranges: list[tuple[int, int, str]]) -> None:
    """However marks overlap, begin together or say nothing."""
    marked = [texts.Mark(*one) for one in ranges]
    at = 0
    for piece in texts.pieces(text, marked):
        for place in range(at, at + len(piece.text)):
            assert piece.marks == {one.why for one in marked if one.start <= place < one.end}
        at += len(piece.text)


@pytest.mark.parametrize(("query", "field", "value", "after"), [
    ("*", "channel", "sms", "channel:sms"), ("", "state", "edited", "state:edited"),
    ("pay", "channel", "sms", "pay channel:sms"),
    ("pay OR settle", "channel", "sms", "(pay OR settle) channel:sms"),
    ('"pay OR settle"', "channel", "sms", '"pay OR settle" channel:sms'),
    ("pay channel:sms", "channel", "sms", "pay channel:sms"),
    ("pay", "custodian", "Ann Lee", 'pay with:"Ann Lee"'),
    ("pay", "custodian", "ann~2", 'pay with:"ann~2"')])
def test_a_query_is_narrowed(query: str, field: str, value: str, after: str) -> None:
    """By one filter, whatever the query is made of."""
    assert after == narrow.narrowed(query, field, value)


@pytest.mark.parametrize(("query", "without"), [
    ("pay channel:sms", ["pay"]), ("channel:sms", ["*"]),
    ('with:"Ann Lee" state:edited', ["state:edited", 'with:"Ann Lee"']),
    ("NOT channel:sms", []), ("(channel:sms)", []), ("a OR channel:sms", []),
    ('"channel:sms"', []), ("channel:sms AND pay", [])])
def test_a_filter_is_taken_away_only_where_that_is_plain(query: str, without: list[str]) -> None:
    """At the top level, standing alone."""
    assert without == [one.without for one in narrow.chips(query)]


def test_a_chat_has_days_sides_and_gaps_in_order() -> None:
    """Of a day once; a gap between the messages that it lies between."""
    office = filled()
    searcher = office.desk.searcher
    hit = searcher.search("plain", operator("a test")).hits[0]
    view = searcher.conversation(hit.conversation, operator("a test"))
    gap = Gap("account_offboarded", "whatsapp", "", NOON + 1, NOON + 2)
    rows = chat.rows(view.__class__(view.conversation, view.messages, None, None, view.total,
                                    (gap,)), LONDON, hit.doc_id)
    kinds = [type(one).__name__ for one in rows]
    assert ["Day", "Bubble", "Bubble", "Bubble", "Hole"] == kinds
    bubbles = [one for one in rows if isinstance(one, chat.Bubble)]
    assert {"in"} == {one.side for one in bubbles}
    assert [True, False, False] == [one.begins for one in bubbles]
    assert [hit.doc_id] == [one.id for one in bubbles if one.is_this]
    taken = [one.taken for one in bubbles if one.taken]
    assert ["2 min"] == [one.visible for one in taken]


def test_our_markdown_is_read() -> None:
    """Headings, tables with bars in code, lists, links to their words."""
    found = markdown.blocks("# A b\n\ntext `a < b` [x](y.md)\nmore\n\n| h | i |\n|---|---|\n"
                            "| `a \\| b` | **c** |\n\n* one\n  two\n* three\n")
    assert ["heading", "text", "table", "list"] == [one.kind for one in found]
    assert ("a-b", 1) == (found[0].anchor, found[0].level)
    assert found[1].body == 'text <code dir="auto">a &lt; b</code> x more'
    assert found[2].rows == (('<code dir="auto">a | b</code>', "<strong>c</strong>"),)
    assert found[3].rows == (("one two",), ("three",))
