"""Archived events, one after the other -> the flags that they raise (DESIGN §7). Pure.

Owns what is remembered of each conversation meanwhile, and which messages are looked at again when
something of one has come. The same for what comes in and for a replay over years: equal policies
and equal archives give equal flags. What is no longer remembered is recalled from the archive.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from schemas import events
from schemas.codec import encode_content
from schemas.events import CapturedEvent
from schemas.identity import event_id, message_key
from search.policy import windows
from search.policy.flags import Flag
from search.policy.match import Engine
from search.policy.message import Message, message_of
from search.project import BASE_KINDS, VERSION_KINDS

# Messages remembered of one conversation, and of all together.
TALK_MESSAGES_MAX: Final = 200
MESSAGES_MAX: Final = 50_000

# A reaction may be the other side's OK.
WATCHED_KINDS: Final = frozenset({*VERSION_KINDS, events.REACTION})

_FlagId = tuple[bytes, str, str, int, str]


class Recall(Protocol):
    """What was archived before, read back."""

    def before(self, event: CapturedEvent) -> Iterable[CapturedEvent]:
        """The versions of the message of `event`, and of those around it in its conversation, as
        far as they were captured no later than it; itself may be among them."""


class Watch:
    """One run over events in the archive's order. For one thread."""

    def __init__(self, engine: Engine, recall: Recall | None = None) -> None:
        """`recall`: null where the run begins with the first event of the archive."""
        self._engine = engine
        self._recall = recall
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        self._count = 0

    def use(self, engine: Engine) -> None:
        """Ask other policies from now on; what is remembered stays."""
        self._engine = engine

    def take(self, event: CapturedEvent) -> tuple[Flag, ...]:
        """The flags that are due now and were not before."""
        if event.kind not in WATCHED_KINDS:
            return ()
        event = replace(event, raw=None, delivery=None)
        key = message_key(event)
        talk = self._talk_of(event)
        if self._recall is not None and not (event.kind in BASE_KINDS or talk.knows(key)):
            # A change of something older than what is remembered.
            self._count += talk.add_all(self._recall.before(event))
        before = talk.message(key)
        if not talk.add(event):
            return ()
        self._count += before is None
        found = tuple(self._due(talk, key))
        self._forget(talk)
        return found

    def _talk_of(self, event: CapturedEvent) -> _Talk:
        talk = self._talks.get(event.conversation)
        if talk is None:
            talk = self._talks[event.conversation] = _Talk()
            if self._recall is not None:
                self._count += talk.add_all(
                    one for one in self._recall.before(event)
                    if event_id(one) != event_id(event))
        self._talks.move_to_end(event.conversation)
        return talk

    def _due(self, talk: _Talk, key: bytes) -> Iterator[Flag]:
        conversation = talk.conversation
        for message in self._concerned(conversation, key):
            at = talk.place_of(message)
            for flag in self._engine.flags_at(conversation, at):
                name = (flag.message, flag.policy, flag.rule, flag.version, flag.revision)
                if name not in talk.said:
                    talk.said.add(name)
                    yield flag

    def _concerned(self, conversation: Sequence[Message], key: bytes) -> Sequence[Message]:
        last = conversation[-1]
        return [last] if last.key == key else self._engine.affected(conversation, key)

    def _forget(self, talk: _Talk) -> None:
        self._count -= talk.shorten(TALK_MESSAGES_MAX)
        while self._count > MESSAGES_MAX and len(self._talks) > 1:
            _, oldest = self._talks.popitem(last=False)
            self._count -= len(oldest.conversation)


@dataclass(slots=True)
class _Talk:
    """One conversation, as far as it is remembered: `conversation` in order; `said`: the flags on
    its messages."""

    conversation: list[Message] = field(default_factory=list)
    said: set[_FlagId] = field(default_factory=set)
    _messages: dict[bytes, Message] = field(default_factory=dict)

    def knows(self, key: bytes) -> bool:
        return key in self._messages

    def message(self, key: bytes) -> Message | None:
        return self._messages.get(key)

    def add(self, event: CapturedEvent) -> bool:
        """Whether it says anything new."""
        key = message_key(event)
        before = self._messages.get(key)
        captured = before.captured if before else ()
        name, content = event_id(event), encode_content(event)
        if any(event_id(one) == name and encode_content(one) == content for one in captured):
            return False
        made = message_of(key, (*captured, event))
        if made is None:
            return False                          # about a message that nothing is known of
        if before is not None:
            del self.conversation[self.place_of(before)]
        self._messages[key] = made
        insort(self.conversation, made, key=windows.place)
        return True

    def add_all(self, found: Iterable[CapturedEvent]) -> int:
        """How many messages became known."""
        before = len(self._messages)
        for event in found:
            if event.kind in WATCHED_KINDS:
                self.add(replace(event, raw=None, delivery=None))
        return len(self._messages) - before

    def place_of(self, message: Message) -> int:
        return bisect_left(self.conversation, windows.place(message), key=windows.place)

    def shorten(self, most: int) -> int:
        """Forget the oldest; how many."""
        gone = self.conversation[:-most]
        if gone:
            del self.conversation[:len(gone)]
            for one in gone:
                del self._messages[one.key]
            self.said = {one for one in self.said if one[0] in self._messages}
        return len(gone)
