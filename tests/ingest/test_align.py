"""The lines of an export against those read before: ids stay, nothing is lost, nothing doubled."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import align
from ingest.align import Alignment, Line, remembered
from ingest.ledger import LedgerLine

pytestmark = pytest.mark.slow

_MINUTE = 28_500_000


def token(text: str) -> bytes:
    """What stands for a name or a body."""
    return hashlib.sha256(text.encode()).digest()[:16]


def line(at: int, author: str, body: str, *, kind: str = align.MESSAGE, edited: bool = False,
         seconds: bool = True) -> Line:
    """A line `at` seconds after the beginning."""
    minute, second = divmod(at, 60)
    return Line(_MINUTE + minute, second if seconds else None, token(author), token(body), kind,
                edited)


def named(one: Line, ordinal: int) -> str:
    """An id from a line and its ordinal, as the reader makes them."""
    return hashlib.sha256(repr((one.minute, one.author, one.body, ordinal)).encode()).hexdigest()


class Memory:
    """What a ledger remembers of one chat."""

    def __init__(self) -> None:
        self.lines: Sequence[LedgerLine] = ()
        self.bodies: set[tuple[str, bytes]] = set()

    def read(self, new: Sequence[Line]) -> tuple[Alignment, list[str]]:
        """Read an export and remember it; (what its lines are, the id of each)."""
        found = align.align(self.lines, new, lambda name, body: (name, body) in self.bodies)
        for at, how, one in zip(found.known, found.how, new, strict=True):
            if at >= 0 and how != align.SAME:
                former = self.lines[at]
                self.bodies |= {(former.line_id, former.body), (former.line_id, one.body)}
        kept, lines = remembered(self.lines, new, found, named)
        assert len({one.line_id for one in kept}) == len(kept)
        taken = [at for at in found.known if at >= 0]
        assert len(set(taken)) == len(taken), "two lines are one known line"
        assert {one.line_id for one in self.lines} <= {one.line_id for one in kept}
        self.lines = kept
        return found, [one.line_id for one in lines]


def hows(memory: Memory, *new: Line) -> list[str]:
    """What the lines of an export are."""
    return memory.read(new)[0].how


def test_equals_in_a_minute_are_counted() -> None:
    """Three equal lines in a minute are three, again and again; a fourth is one more."""
    memory = Memory()
    three = [line(0, "a", "ok", seconds=False)] * 3
    assert [align.FRESH] * 3 == hows(memory, *three)
    assert [align.SAME] * 3 == hows(memory, *three)
    assert [align.SAME] * 3 + [align.FRESH] == hows(memory, *three, three[0])


def test_the_middle_one_of_three_equals_was_taken_back() -> None:
    """A tombstone between two equals takes the place of the one that stood between them."""
    memory = Memory()
    ok = line(0, "a", "ok", seconds=False)
    gone = line(0, "a", "deleted", kind=align.TOMBSTONE, seconds=False)
    _, before = memory.read([ok, ok, ok])
    found, after = memory.read([ok, gone, ok])
    assert [align.SAME, align.RETRACTED, align.SAME] == found.how
    assert before == after


def test_the_nearest_in_time_wins() -> None:
    """An equal line a second earlier that was not known does not take a known line's id."""
    memory = Memory()
    _, before = memory.read([line(5, "a", "ok")])
    found, after = memory.read([line(4, "a", "ok"), line(5, "a", "ok")])
    assert [align.FRESH, align.SAME] == found.how
    assert before == after[1:]


def test_two_seconds_are_two_messages() -> None:
    """Beyond the tolerance an equal body is another message."""
    memory = Memory()
    memory.read([line(5, "a", "ok"), line(30, "b", "yes")])
    assert [align.FRESH, align.SAME] == hows(memory, line(8, "a", "ok"), line(30, "b", "yes"))


def test_minutes_and_seconds_are_one_chat() -> None:
    """An export with minutes alone is the same as one with seconds, and back."""
    memory = Memory()
    exact = [line(0, "a", "one"), line(59, "b", "two"), line(61, "a", "three")]
    memory.read(exact)
    assert [align.SAME] * 3 == hows(memory, *(replace(one, second=None) for one in exact))
    assert [align.SAME] * 3 == hows(memory, *exact)


def test_a_line_without_seconds_may_slip_into_the_next_minute() -> None:
    """Rounding over a minute's edge is no new message, unless something else stands there."""
    memory = Memory()
    memory.read([line(59, "a", "ok", seconds=False), line(300, "b", "x", seconds=False)])
    assert [align.SAME, align.SAME] == hows(
        memory, line(60, "a", "ok", seconds=False), line(300, "b", "x", seconds=False))


def test_a_missing_line_is_absent_only_between_known_ones() -> None:
    """What lies before or after all that a file shows is not missing from it."""
    memory = Memory()
    memory.read([line(60 * n, "a", str(n)) for n in range(5)])
    found, _ = memory.read([line(60, "a", "1"), line(180, "a", "3")])
    assert (2,) == found.absent


def test_an_older_export_read_again_is_known() -> None:
    """After an edit and a retraction, the export from before them brings nothing new."""
    memory = Memory()
    old = [line(0, "a", "one"), line(60, "a", "two"), line(120, "b", "three")]
    memory.read(old)
    assert [align.EDITED, align.RETRACTED, align.SAME] == hows(
        memory, line(0, "a", "uno", edited=True),
        line(60, "a", "deleted", kind=align.TOMBSTONE), old[2])
    assert [align.SAME] * 3 == hows(memory, *old)


def test_a_change_without_a_mark_must_stand_in_the_same_place() -> None:
    """Another body between the same neighbours is a change; elsewhere it is a message."""
    memory = Memory()
    memory.read([line(0, "b", "x"), line(5, "a", "one"), line(9, "b", "y")])
    assert [align.SAME, align.CHANGED, align.SAME] == hows(
        memory, line(0, "b", "x"), line(5, "a", "uno"), line(9, "b", "y"))


def test_a_tombstone_without_a_line_of_that_author_is_new() -> None:
    """Nobody's message is retracted by a tombstone of somebody else."""
    memory = Memory()
    memory.read([line(0, "a", "one")])
    assert [align.FRESH] == hows(memory, line(0, "b", "deleted", kind=align.TOMBSTONE))


def test_text_under_a_known_tombstone() -> None:
    """An export from before the deletion, read later, reveals the text under the same id."""
    memory = Memory()
    gone = line(5, "a", "deleted", kind=align.TOMBSTONE)
    _, before = memory.read([line(0, "b", "x"), gone])
    found, after = memory.read([line(0, "b", "x"), line(5, "a", "secret")])
    assert [align.SAME, align.REVEALED] == found.how
    assert before == after


def test_a_contact_that_was_renamed_is_the_same_author() -> None:
    """All lines of an author under a new name are that author's; without one they are another's."""
    old = [line(60 * n, "+44 7700", str(n)) for n in range(4)]
    new = [*(replace(one, author=token("Ada")) for one in old), line(999, "me", "x"),
           line(2000, "Ada", "new")]
    for renamed, how in (({token("Ada"): token("+44 7700")}, align.SAME), ({}, align.FRESH)):
        memory = Memory()
        memory.read([*old, line(999, "me", "x")])
        found = align.align(memory.lines, new, renamed=renamed)
        assert [how] * 4 + [align.SAME, align.FRESH] == found.how
        kept, given = remembered(memory.lines, new, found, named)
        assert len({one.line_id for one in kept}) == len(kept)
        former = token("+44 7700") if renamed else token("Ada")
        assert {former, token("me")} == {one.author for one in given}


def test_another_time_zone_is_the_same_chat() -> None:
    """All times shifted by whole quarters of an hour: the telephone was elsewhere."""
    memory = Memory()
    old = [line(600 * n, "a", str(n)) for n in range(8)]
    memory.read(old)
    found, _ = memory.read([replace(one, minute=one.minute + 330) for one in old])
    assert [align.SAME] * 8 == found.how
    assert 330 * 60 == found.shift


def test_many_equals_are_linear() -> None:
    """Ten thousand equal lines are aligned without comparing all with all."""
    memory = Memory()
    many = [line(n // 4, "a", "ok") for n in range(10_000)]
    memory.read(many)
    assert {align.SAME} == set(hows(memory, *many[1:]))


def test_a_tombstone_of_one_of_two_is_pinned_on_none() -> None:
    """Two lines are gone and one tombstone is there: it names both, and takes neither's place."""
    memory = Memory()
    memory.read([line(1, "a", "one"), line(3, "a", "two"), line(60, "b", "x")])
    gone = line(2, "a", "deleted", kind=align.TOMBSTONE)
    found, _ = memory.read([gone, line(60, "b", "x")])
    assert [align.FRESH, align.SAME] == found.how
    assert {0: (0, 1)} == found.unclear
    assert [align.SAME, align.SAME] == hows(memory, gone, line(60, "b", "x"))


@pytest.mark.parametrize("left", range(3))
def test_the_last_of_three_is_taken_back_after_two(left: int) -> None:
    """One tombstone more than are known, and one message of its author that is gone: that one was
    taken back, wherever it stands among them."""
    memory = Memory()
    three = [line(0, "a", body, seconds=False) for body in ("one", "two", "three")]
    gone = line(0, "a", "deleted", kind=align.TOMBSTONE, seconds=False)
    _, ids = memory.read(three)
    two = [one if n == left else gone for n, one in enumerate(three)]
    memory.read(two)
    found, after = memory.read([gone] * 3)
    assert [align.RETRACTED if n == left else align.SAME for n in range(3)] == found.how
    assert ids == after
    for again in (three, two, [gone] * 3):
        assert [align.SAME] * 3 == hows(memory, *again)


def test_a_third_tombstone_of_one_of_two_is_pinned_on_none() -> None:
    """One tombstone more, and two messages are gone: it names those two, never a tombstone."""
    memory = Memory()
    old = [line(0, "a", body, seconds=False) for body in ("one", "two", "three")]
    gone = line(0, "a", "deleted", kind=align.TOMBSTONE, seconds=False)
    memory.read(old)
    memory.read([*old[:2], gone])
    found, _ = memory.read([gone, gone])
    assert [align.SAME, align.FRESH] == sorted(found.how, reverse=True)
    assert [(0, 1)] == list(found.unclear.values())


def test_a_disputed_line_is_not_called_changed() -> None:
    """What a tombstone may be about is not accused of a change by the line beside it either."""
    memory = Memory()
    memory.read([line(0, "b", "x"), line(5, "a", "one", seconds=False),
                 line(5, "a", "two", seconds=False), line(90, "b", "y")])
    assert [align.SAME, align.FRESH, align.FRESH, align.SAME] == hows(
        memory, line(0, "b", "x"),
        line(5, "a", "deleted", kind=align.TOMBSTONE, seconds=False),
        line(5, "a", "three", seconds=False), line(90, "b", "y"))


def test_a_placeholder_is_completed_and_hides() -> None:
    """From a placeholder to words and back: one line, one id, and nothing was deleted."""
    memory = Memory()
    empty = line(5, "a", "null", kind=align.PLACEHOLDER)
    _, before = memory.read([line(0, "b", "x"), empty])
    found, after = memory.read([line(0, "b", "x"), line(5, "a", "words")])
    assert [align.SAME, align.COMPLETED] == found.how
    assert before == after
    assert [align.SAME, align.SAME] == hows(memory, line(0, "b", "x"), empty)
    memory = Memory()
    memory.read([line(0, "b", "x"), line(5, "a", "words")])
    assert [align.SAME, align.HIDDEN] == hows(memory, line(0, "b", "x"), empty)
    assert [align.SAME, align.SAME] == hows(memory, line(0, "b", "x"), line(5, "a", "words"))


class Counting(Memory):
    """A memory that counts how often it is asked whether a line had another body."""

    asked = 0

    def read(self, new: Sequence[Line]) -> tuple[Alignment, list[str]]:
        def was_seen(name: str, body: bytes) -> bool:
            self.asked += 1
            return (name, body) in self.bodies

        found = align.align(self.lines, new, was_seen)
        for at, how, one in zip(found.known, found.how, new, strict=True):
            if at >= 0 and how != align.SAME:
                former = self.lines[at]
                self.bodies |= {(former.line_id, former.body), (former.line_id, one.body)}
        self.lines, lines = remembered(self.lines, new, found, named)
        return found, [one.line_id for one in lines]


def test_a_minute_of_replaced_lines_takes_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of lines of one author and minute, replaced by others, are not compared all with
    all; tombstones for each are paired in order, and both exports are known afterwards."""
    count = 3_000
    compared = 0
    near = align.seconds_between

    def counting(first: Line | LedgerLine, second: Line | LedgerLine) -> int:
        nonlocal compared
        compared += 1
        return near(first, second)

    monkeypatch.setattr(align, "seconds_between", counting)
    old = [line(0, "a", f"old {n}", seconds=False) for n in range(count)]
    for kind, how in ((align.MESSAGE, align.FRESH), (align.TOMBSTONE, align.RETRACTED)):
        memory = Counting()
        memory.read(old)
        new = [line(0, "a", f"new {n}", seconds=False, kind=kind) for n in range(count)]
        assert [how] * count == memory.read(new)[0].how
        assert {align.SAME} == set(memory.read(old)[0].how)
        assert {align.SAME} == set(memory.read(new)[0].how)
        assert memory.asked < 100 * count
    fewer = [line(0, "a", f"gone {n}", seconds=False, kind=align.TOMBSTONE)
             for n in range(count // 2)]
    memory = Counting()
    memory.read(old)
    found, _ = memory.read(fewer)
    assert {align.FRESH} == set(found.how)
    assert count // 2 == len(found.unclear)
    assert compared < 400 * count


def test_equals_of_two_minutes_take_linear_time() -> None:
    """Thousands of equal lines that all slipped into the next minute are each looked at once."""
    memory = Memory()
    memory.read([line(59, "a", "ok", seconds=False)] * 4_000)
    assert {align.SAME} == set(hows(memory, *[line(60, "a", "ok", seconds=False)] * 4_000))


# --- any chat, exported again and again ---


@st.composite
def chats(draw: st.DrawFn) -> list[tuple[int, str, str]]:
    """A chat: (second, author, body), in order, with equals."""
    steps = draw(st.lists(st.tuples(
        st.sampled_from((0, 0, 1, 3, 20, 61, 4000)), st.sampled_from("ab"),
        st.sampled_from(("ok", "yes", "no", "one", "two"))), min_size=1, max_size=25))
    at = 0
    chat = []
    for step, author, body in steps:
        at += step
        chat.append((at, author, body))
    return chat


def exported(chat: Sequence[tuple[int, str, str]], jitter: Sequence[int], *,
             seconds: bool = True) -> list[Line]:
    """The lines of an export whose seconds are off by 0 or 1."""
    return [line(at + jitter[n % len(jitter)], author, body, seconds=seconds)
            for n, (at, author, body) in enumerate(chat)]


_JITTER = st.lists(st.integers(0, 1), min_size=1, max_size=7)


@given(chats(), _JITTER, st.booleans())
@settings(max_examples=200)
def test_the_same_export_again_adds_nothing(chat: list[tuple[int, str, str]], jitter: list[int],
                                            seconds: bool) -> None:
    """A second import of one file knows every line, by the same id."""
    memory = Memory()
    lines = exported(chat, jitter, seconds=seconds)
    _, first = memory.read(lines)
    size = len(memory.lines)
    found, second = memory.read(lines)
    assert {align.SAME} == set(found.how)
    assert first == second
    assert size == len(memory.lines) == len(chat)


@given(chats(), _JITTER, _JITTER, st.integers(0, 25), st.integers(0, 25))
@settings(max_examples=200)
def test_growth_and_seconds_add_only_what_is_new(
        chat: list[tuple[int, str, str]], one: list[int], two: list[int], cut: int,
        begin: int) -> None:
    """A later, longer export adds as many lines as it has more; each line keeps its id."""
    memory = Memory()
    begin, end = min(begin, len(chat)), max(1, len(chat) - cut)
    part = chat[begin:end] or chat[:1]
    memory.read(exported(part, one))
    memory.read(exported(chat, two))
    # Two exports that are one second off each may disagree by as much: never more lines than
    # both show apart, never fewer than the chat has.
    assert len(memory.lines) == len(chat)
    found, _ = memory.read(exported(chat, two))
    assert {align.SAME} == set(found.how)


@given(chats(), st.data())
@settings(max_examples=200)
def test_tombstones_and_edits_never_lose_or_double(
        chat: list[tuple[int, str, str]], data: st.DataObject) -> None:
    """Whatever became of each line, the chat has as many lines as before, and all of their ids."""
    memory = Memory()
    _, ids = memory.read(exported(chat, [0]))
    fates = data.draw(st.lists(st.sampled_from(("stays", "stays", "gone", "edited")),
                               min_size=len(chat), max_size=len(chat)))
    after = []
    for fate, one in zip(fates, exported(chat, [0]), strict=True):
        if fate == "gone":
            after.append(replace(one, body=token("deleted"), kind=align.TOMBSTONE))
        elif fate == "edited":
            after.append(replace(one, body=token("edited"), edited=True))
        else:
            after.append(one)
    found, again = memory.read(after)
    assert len(memory.lines) == len(chat)
    assert sorted(ids) == sorted(again)
    assert fates.count("gone") == found.how.count(align.RETRACTED)
    assert fates.count("edited") == found.how.count(align.EDITED)
    assert {align.SAME} == set(memory.read(after)[0].how)
    assert {align.SAME} == set(memory.read(exported(chat, [0]))[0].how)
    assert len(memory.lines) == len(chat)


@given(chats(), st.data())
@settings(max_examples=200)
def test_whatever_an_export_lacks_nobody_is_accused_by_a_guess(
        chat: list[tuple[int, str, str]], data: st.DataObject) -> None:
    """Lines that are missing, hidden or taken back, in an export of any part of a chat: only lines
    that were taken back are called so, ids stay, and both exports are known again."""
    memory = Memory()
    _, ids = memory.read(exported(chat, [0], seconds=False))
    fates = data.draw(st.lists(st.sampled_from(("stays", "stays", "gone", "missing", "hidden")),
                               min_size=len(chat), max_size=len(chat)))
    kinds = {"gone": align.TOMBSTONE, "hidden": align.PLACEHOLDER}
    after = [replace(one, body=token(fate), kind=kinds[fate]) if fate in kinds else one
             for fate, one in zip(fates, exported(chat, [0], seconds=False), strict=True)
             if fate != "missing"]
    known = list(memory.lines)
    found, _ = memory.read(after)
    accused = Counter(known[at].body for at, how in zip(found.known, found.how, strict=True)
                      if how == align.RETRACTED)
    assert accused <= Counter(token(body) for fate, (_, _, body) in zip(fates, chat, strict=True)
                              if fate == "gone")
    assert found.how.count(align.RETRACTED) + len(found.unclear) <= fates.count("gone")
    assert found.how.count(align.HIDDEN) <= fates.count("hidden")
    assert not {align.EDITED, align.CHANGED, align.REVEALED, align.COMPLETED} & set(found.how)
    assert set(ids) <= {one.line_id for one in memory.lines}
    size = len(memory.lines)
    for again in (after, exported(chat, [0], seconds=False), after):
        assert {align.SAME} >= set(memory.read(again)[0].how)
        assert size == len(memory.lines)


@given(chats(), st.data())
@settings(max_examples=200)
def test_one_deletion_after_the_other_accuses_nobody_by_a_guess(
        chat: list[tuple[int, str, str]], data: st.DataObject) -> None:
    """Lines are taken back or go missing between three exports: whom a tombstone is pinned on was
    taken back, whatever earlier tombstones stand beside it, and all exports are known again."""
    memory = Memory()
    memory.read(exported(chat, [0], seconds=False))
    fates = data.draw(st.lists(st.tuples(
        st.sampled_from(("stays", "gone", "missing")), st.integers(1, 2)),
        min_size=len(chat), max_size=len(chat)))
    gone = Counter(token(body) for (fate, _), (_, _, body) in zip(fates, chat, strict=True)
                   if fate == "gone")
    accused: Counter[bytes] = Counter()
    shown: list[list[Line]] = []
    for step in (1, 2):
        shown.append([
            replace(one, body=token("gone"), kind=align.TOMBSTONE) if fate == "gone" else one
            for (fate, when), one in ((fates[n] if fates[n][1] <= step else ("stays", 0), one)
                                      for n, one in enumerate(exported(chat, [0], seconds=False)))
            if fate != "missing"])
        known = list(memory.lines)
        found, _ = memory.read(shown[-1])
        accused.update(known[at].body for at, how in zip(found.known, found.how, strict=True)
                       if how == align.RETRACTED)
    assert accused <= gone
    size = len(memory.lines)
    for again in (*shown, exported(chat, [0], seconds=False)):
        assert {align.SAME} >= set(memory.read(again)[0].how)
        assert size == len(memory.lines)
