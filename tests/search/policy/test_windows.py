"""Messages of a conversation read together: the same whatever the order they came in."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from search.policy import windows
from search.policy.flags import Flag
from search.policy.lexicon import Window
from search.policy.match import Engine
from search.policy.message import Message
from tests.search.policy.world import MINUTE, NOON, edit, flags, of, policy, retraction, said, talk
from tests.search.policy.world import shown as words_of

NEAR = "query = 'pay w/4 cash'\nwindow = { messages = 3 }"


def flagged(rule: str, conversation: list[Message]) -> list[tuple[str, list[str]]]:
    """(native id of the flagged message, what is shown) of each flag."""
    engine = Engine([policy(rule)])
    return [(one.lead.native_id or "", words_of(flag, *conversation))
            for at, one in enumerate(conversation) for flag in engine.flags_at(conversation, at)]


def test_words_of_several_messages_are_near_each_other() -> None:
    """The flag is on the message that completes it; the places of both are named."""
    conversation = talk("Could you pay me", "in", "cash", "thanks")
    assert [("m2", ["pay", "cash"])] == flagged(NEAR, conversation)
    (flag,) = Engine([policy(NEAR)]).flags_at(conversation, 2)
    assert [conversation[0].key, conversation[2].key] == [one.message for one in flag.places]
    assert "together with 1 message before it" in flag.reason


def test_a_message_is_flagged_for_what_it_adds() -> None:
    """A hit of an earlier message alone is that one's, not that of each window it lies in."""
    conversation = talk("pay in cash", "ok", "fine", "yes")
    assert [("m0", ["pay", "cash"])] == flagged(NEAR, conversation)


def test_a_window_ends_at_so_many_messages_or_minutes() -> None:
    """Both bounds hold where both are stated; a message without a text is not counted."""
    conversation = talk("pay", "a", "b", "cash")
    assert [] == flagged("query = 'pay cash'\nwindow = { messages = 3 }", conversation)
    assert ["m3"] == [one for one, _ in flagged(
        "query = 'pay cash'\nwindow = { messages = 4 }", conversation)]
    assert [] == flagged("query = 'pay cash'\nwindow = { minutes = 2 }", conversation)
    assert ["m3"] == [one for one, _ in flagged(
        "query = 'pay cash'\nwindow = { minutes = 3 }", conversation)]
    assert [] == flagged("query = 'pay cash'\nwindow = { minutes = 9, messages = 2 }",
                         conversation)
    picture = of(said(None, NOON + 150_000, "m9"))
    assert ["m1"] == [one for one, _ in flagged(
        "query = 'pay cash'\nwindow = { messages = 2 }",
        windows.in_order([picture, *talk("pay", "cash", every=5 * MINUTE)]))]


def test_only_the_same_sender_where_it_says_so() -> None:
    """What the other side says in between is left out, or counts."""
    conversation = talk("pay", ("by card?", False), "cash", ("cash", False))
    rule = "query = '\"pay cash\"'\nwindow = { messages = 2, same_sender = true }"
    assert [("m2", ["pay", "cash"])] == flagged(rule, conversation)
    assert [] == flagged(rule.replace(", same_sender = true", ""), conversation)


def test_words_sent_letter_by_letter_are_read() -> None:
    """Each letter a message of its own: disguised, in a window."""
    conversation = talk(*"bribe", "ok")
    rule = "query = 'bribe'\nobfuscation = true\nwindow = { messages = 8 }"
    assert [("m4", list("bribe"))] == flagged(rule, conversation)


def test_an_edited_message_is_read_in_each_of_its_texts() -> None:
    """Edited away before the other half was said, or edited in after it: both are found."""
    gone = of(said("pay", NOON, "m1"), edit("talk", NOON + 1_000))
    late = of(said("talk", NOON, "m1"), edit("pay", NOON + 9 * MINUTE))
    second = of(said("cash", NOON + MINUTE, "m2"))
    for first in (gone, late, of(said("pay", NOON, "m1"), retraction(NOON + 1_000))):
        (flag,) = flags(NEAR, second, [first])
        assert ["pay", "cash"] == words_of(flag, first, second)


def test_zones_of_the_messages_before_do_not_count() -> None:
    """A signature in between neither hits nor keeps words apart."""
    conversation = talk("please pay\n--\ncash and more words here", "in dollars", "tomorrow")
    assert [] == flagged(NEAR, conversation)
    conversation = talk("please pay\n--\nAnn Lee of somewhere and more", "me cash")
    assert [("m1", ["pay", "cash"])] == flagged(NEAR, conversation)


def live(rule: str, messages: list[Message]) -> set[Flag]:
    """Every flag that is raised while messages come in this order, each once or again."""
    engine = Engine([policy(rule)])
    known: list[Message] = []
    found: set[Flag] = set()
    for one in messages:
        known = windows.in_order([*known, one])
        for again in engine.affected(known, one.key):
            found.update(engine.flags_at(known, known.index(again)))
    return found


def test_a_late_message_has_its_windows_looked_at_again() -> None:
    """Whatever the order of arrival, the flags are those of the whole conversation."""
    conversation = talk("pay", "me", "cash")
    rule = "query = 'pay w/9 cash'\nwindow = { minutes = 60 }"
    engine = Engine([policy(rule)])
    whole = {flag for at in range(3) for flag in engine.flags_at(conversation, at)}
    assert 1 == len(whole)
    for order in permutations(conversation):
        assert whole == {one for one in live(rule, list(order)) if len(one.places) == 2}


@given(st.permutations(range(7)), st.sampled_from((
    "query = 'a b'\nwindow = { messages = 3 }",
    "query = 'a w/3 b'\nwindow = { minutes = 3 }",
    "query = 'a pre/2 b'\nwindow = { messages = 4, minutes = 2, same_sender = true }",
    "threshold = 2\nterms = [{ find = 'a' }, { find = 'b' }, { find = 'c' }]\n"
    "window = { messages = 3 }")), st.lists(st.sampled_from(("a", "b", "c", "d", ("b", False))),
                                            min_size=7, max_size=7))
@settings(max_examples=60, deadline=None)
def test_order_of_arrival_does_not_matter(
        order: list[int], rule: str, texts: list[str | tuple[str, bool]]) -> None:
    """The flags of a conversation are a function of it, not of how it was put together; and who
    looks again at what `affected` names misses none of them."""
    conversation = talk(*texts)
    engine = Engine([policy(rule)])
    whole = [engine.flags_at(conversation, at) for at in range(7)]
    shuffled = [conversation[at] for at in order]
    assert whole == [engine.flags(one, shuffled) for one in conversation]
    flat = {flag for several in whole for flag in several}
    assert flat <= live(rule, shuffled)


def test_affected_is_what_the_window_reaches() -> None:
    """The message itself and those whose windows hold it; nothing where it is not known."""
    conversation = talk("a", "b", "c", "d", "e")
    found = windows.affected(conversation, conversation[1].key, [Window(messages=3)])
    assert conversation[1:4] == found
    assert [] == windows.affected(conversation, b"x", [Window(messages=3)])
    assert [conversation[1]] == windows.affected(conversation, conversation[1].key, [])


def test_a_window_looks_back_so_far_and_no_further() -> None:
    """However long a conversation is, a message is read with a bounded part of it."""
    many = talk("pay", *[("x", False)] * 600, "cash", every=10)
    rule = "query = 'pay cash'\nwindow = { messages = 2, same_sender = true }"
    assert () == Engine([policy(rule)]).flags_at(many, len(many) - 1)
    assert len(windows.window(many, len(many) - 1, Window(minutes=100))) == windows.MESSAGES_MAX
