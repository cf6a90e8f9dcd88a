"""Events one after the other: each flag once, and the same ones whoever looks and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.policy import watch as watching
from search.policy.flags import Flag
from search.policy.match import Engine
from search.policy.watch import Watch
from tests.search.policy.world import MINUTE, NOON, edit, policy, retraction, said

NEAR = "query = 'pay w/4 cash'\nwindow = { messages = 3 }"
GONE = "query = 'cash'\nrevision = { removed = true }"


class Archive:
    """Everything that was told so far, read back."""

    def __init__(self, before: Iterable[CapturedEvent]) -> None:
        self.known, self.asked = list(before), 0

    def before(self, event: CapturedEvent) -> Iterator[tuple[CapturedEvent, int]]:
        """See Recall."""
        self.asked += 1
        yield from ((one, number) for number, one in enumerate(self.known)
                    if one.captured_at <= event.captured_at)


def run(rule: str, events: Iterable[CapturedEvent], recall: Archive | None = None) -> list[Flag]:
    """Every flag, in the order in which they were raised."""
    watch = Watch(Engine([policy(rule)]), recall)
    return [flag for event in events for flag in watch.take(event)]


def test_each_flag_is_raised_once() -> None:
    """A sighting, an edit of something else in the conversation, a second run of the event: the
    flag is the same one."""
    first, second = said("pay", NOON, "m1"), said("cash", NOON + MINUTE, "m2")
    found = run(NEAR, [first, second, second, edit("pay now", NOON + 2 * MINUTE), first])
    assert [message_key(second)] == [one.message for one in found[:1]]
    assert len(found) == len({(one.message, one.rule, one.revision) for one in found})


def test_what_comes_late_completes_a_window() -> None:
    """The first half arrives after the second: the message that completes it in time is flagged."""
    late, early = said("pay", NOON, "m1"), said("cash", NOON + MINUTE, "m2")
    (flag,) = run(NEAR, [early, late])
    assert message_key(early) == flag.message


def test_a_change_of_what_is_no_longer_remembered_is_recalled() -> None:
    """An edit takes away a word of a message that an earlier process saw."""
    old = said("cash, please", NOON, "m1")
    archive = Archive([old])
    (flag,) = run(GONE, [edit("thanks", NOON + MINUTE)], archive)
    assert message_key(old) == flag.message and archive.asked
    assert not run(GONE, [edit("thanks", NOON + MINUTE)])


def test_a_retraction_before_its_message_is_the_same() -> None:
    """In either order the removed word is flagged."""
    message, gone = said("cash", NOON, "m1"), retraction(NOON + MINUTE)
    assert 1 == len(run(GONE, [message, gone])) == len(run(GONE, [gone, message]))


def test_memory_is_bounded_and_the_rest_recalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """More messages than are remembered: what changes among the forgotten is found all the same."""
    monkeypatch.setattr(watching, "TALK_MESSAGES_MAX", 5)
    events = [said("cash" if not n else "talk", NOON + n * MINUTE, f"m{n}") for n in range(20)]
    last = edit("nothing", NOON + 30 * MINUTE, target="m0")
    archive = Archive([*events, last])           # an index has what is being looked at
    found = run(GONE, [*events, last], archive)
    assert [message_key(events[0])] == [one.message for one in found]
    monkeypatch.setattr(watching, "MESSAGES_MAX", 8)
    assert found == run(GONE, [*events, last], Archive([*events, last]))


@settings(max_examples=60)
@given(st.permutations(range(6)))
def test_any_order_raises_what_the_last_state_has(order: list[int]) -> None:
    """Whatever comes first: nothing that the whole conversation is flagged for is missed."""
    events = [said("pay", NOON, "m1"), said("cash", NOON + MINUTE, "m2"),
              said("ok", NOON + 2 * MINUTE, "m3"), edit("cash now", NOON + 3 * MINUTE, target="m3"),
              retraction(NOON + 4 * MINUTE, target="m2"), said("pay cash", NOON + 5 * MINUTE, "m4")]
    whole = {(one.message, one.revision) for one in run(NEAR, events)}
    assert whole <= {(one.message, one.revision) for one in run(NEAR, [events[n] for n in order])}
