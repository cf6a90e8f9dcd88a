"""Archived events, one after the other -> the flags that they raise (DESIGN §7). Pure.

Owns what is remembered of each conversation meanwhile, and which messages are looked at again when
something of one has come. The same for what comes in and for a replay over years: equal policies
and equal archives give equal flags. What is no longer remembered is recalled from the archive.
A run that is interrupted goes on with `memory` and `restore`: places of events, never their words.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

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

    def before(self, event: CapturedEvent) -> Iterable[tuple[CapturedEvent, Any]]:
        """The versions of the message of `event`, and of those around it in its conversation, as
        far as they were captured no later than it, each with its place; itself may be among them.
        """


@dataclass(frozen=True, slots=True)
class Memory:
    """What a run remembers, without a word of it. `talks`: of each conversation, the longest
    unheard first, its name and the places of its events as `Watch.take` was told them; `forgotten`:
    the names of those that had to make room."""

    talks: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    forgotten: frozenset[str] = frozenset()


class Watch:
    """One run over events in the archive's order. For one thread."""

    def __init__(self, engine: Engine, recall: Recall | None = None, *,
                 is_from_front: bool = False, name_of: Callable[[str], str] = str) -> None:
        """`recall`: null where nothing can be read back: what had to make room is then gone.
        `is_from_front`: the run begins with the first event of the archive, and recalls only what
        it has forgotten. `name_of`: a conversation -> what `Memory` calls it."""
        self._engine = engine
        self._recall = recall
        self._is_from_front = is_from_front
        self._name_of = name_of
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        # In whose conversation each remembered message lies: what is said of it later may be
        # captured under another name of the same person (decision 0018).
        self._homes: dict[bytes, str] = {}
        self._forgotten: set[str] = set()

    def use(self, engine: Engine) -> None:
        """Ask other policies from now on; what is remembered stays."""
        self._engine = engine

    def take(self, event: CapturedEvent, content: bytes | None = None,
             place: Any = None) -> tuple[Flag, ...]:
        """The flags that are due now and were not before. `content`: its `encode_content`, when at
        hand; `place`: where it lies, for `memory`."""
        if event.kind not in WATCHED_KINDS:
            return ()
        event = _bare(event)
        key = message_key(event)
        talk = self._talk_of(event, key)
        if self._recall is not None and not (event.kind in BASE_KINDS or key in talk.messages):
            # A change of something older than what is remembered.
            self._recalled(self._recall, talk, event)
        if not talk.add(key, event, content, place):
            return ()
        self._homes[key] = talk.name
        found = tuple(self._due(talk, key))
        self._forget(talk)
        return found

    def memory(self) -> Memory:
        """What is remembered now."""
        return Memory(tuple((name, tuple(place for one in talk.conversation
                                         for place in talk.places.get(one.key, ())))
                            for name, talk in self._talks.items()), frozenset(self._forgotten))

    def restore(self, known: Memory,
                read: Callable[[Any], CapturedEvent | None]) -> None:
        """Remember it all again; `read`: a place -> the event there, null where it cannot be read
        any more. Flags that were raised on them may be raised again: they are the same ones."""
        self._forgotten = set(known.forgotten)
        for name, places in known.talks:
            talk = self._talks[name] = _Talk(name)
            for place in places:
                event = read(place)
                if event is not None:
                    event = _bare(event)
                    key = message_key(event)
                    talk.add(key, event, None, place)
                    self._homes[key] = name

    def _talk_of(self, event: CapturedEvent, key: bytes) -> _Talk:
        name = self._name_of(event.conversation)
        home = self._homes.get(key)
        if home is not None and home != name:
            talk = self._talks[home]
            if event.kind not in BASE_KINDS or talk.messages[key].lead.kind in BASE_KINDS:
                self._talks.move_to_end(home)
                return talk
            # What was said of it came first, under another name: it lies where the message does.
            self._move(talk, self._opened(name, event), key)
        talk = self._opened(name, event)
        self._talks.move_to_end(name)
        return talk

    def _opened(self, name: str, event: CapturedEvent) -> _Talk:
        talk = self._talks.get(name)
        if talk is None:
            talk = self._talks[name] = _Talk(name)
            if self._recall is not None and (
                    not self._is_from_front or name in self._forgotten):
                self._forgotten.discard(name)
                self._recalled(self._recall, talk, event)
        return talk

    def _move(self, talk: _Talk, to: _Talk, key: bytes) -> None:
        places = talk.places.get(key, [])
        for event, place in zip(talk.remove(key).captured, places, strict=True):
            to.add(key, event, None, place)
        self._homes[key] = to.name

    def _recalled(self, recall: Recall, talk: _Talk, about: CapturedEvent) -> None:
        """Remember what came before; `about` itself is news still."""
        name = event_id(about)
        for event, place in recall.before(about):
            key = message_key(event)
            if event.kind in WATCHED_KINDS and event_id(event) != name and (
                    self._homes.get(key, talk.name) == talk.name):
                talk.add(key, _bare(event), None, place)
                if key in talk.messages:
                    self._homes[key] = talk.name

    def _due(self, talk: _Talk, key: bytes) -> Iterator[Flag]:
        conversation = talk.conversation
        for at in self._concerned(talk, key):
            for flag in self._engine.flags_at(conversation, at):
                name = (flag.message, flag.policy, flag.rule, flag.version, flag.revision)
                if name not in talk.said:
                    talk.said.add(name)
                    yield flag

    def _concerned(self, talk: _Talk, key: bytes) -> Iterable[int]:
        conversation = talk.conversation
        if conversation[-1].key == key:
            return (len(conversation) - 1,)
        return [talk.place_of(one) for one in self._engine.affected(conversation, key)]

    def _forget(self, talk: _Talk) -> None:
        for key in talk.shorten(TALK_MESSAGES_MAX):
            del self._homes[key]
        while len(self._homes) > MESSAGES_MAX and len(self._talks) > 1:
            name, oldest = self._talks.popitem(last=False)
            self._forgotten.add(name)
            for key in oldest.messages:
                del self._homes[key]


@dataclass(slots=True)
class _Talk:
    """One conversation, as far as it is remembered: `conversation` in order; `messages`: the same
    by key; `places`: where the events of each lie; `said`: the flags on its messages."""

    name: str
    conversation: list[Message] = field(default_factory=list)
    messages: dict[bytes, Message] = field(default_factory=dict)
    places: dict[bytes, list[Any]] = field(default_factory=dict)
    said: set[_FlagId] = field(default_factory=set)

    def add(self, key: bytes, event: CapturedEvent, content: bytes | None, place: Any) -> bool:
        """Whether it says anything new."""
        before = self.messages.get(key)
        captured: tuple[CapturedEvent, ...] = ()
        if before is not None:
            captured = before.captured
            name = event_id(event)
            content = encode_content(event) if content is None else content
            if any(event_id(one) == name and encode_content(one) == content for one in captured):
                return False
        made = message_of(key, (*captured, event))
        if made is None:
            return False                          # about a message that nothing is known of
        if before is not None:
            del self.conversation[self.place_of(before)]
        self.messages[key] = made
        self.places.setdefault(key, []).append(place)
        conversation = self.conversation
        if not conversation or windows.place(conversation[-1]) < windows.place(made):
            conversation.append(made)
        else:
            insort(conversation, made, key=windows.place)
        return True

    def remove(self, key: bytes) -> Message:
        """Take one out; what was said of it stays said."""
        gone = self.messages.pop(key)
        self.places.pop(key, None)
        del self.conversation[self.place_of(gone)]
        return gone

    def place_of(self, message: Message) -> int:
        return bisect_left(self.conversation, windows.place(message), key=windows.place)

    def shorten(self, most: int) -> list[bytes]:
        """Forget the oldest; which."""
        if len(self.conversation) <= most:
            return []
        gone = [one.key for one in self.conversation[:-most]]
        del self.conversation[:len(gone)]
        for key in gone:
            del self.messages[key]
            self.places.pop(key, None)
        self.said = {one for one in self.said if one[0] in self.messages}
        return gone


def _bare(event: CapturedEvent) -> CapturedEvent:
    """Without the bytes that it came in: only they are large."""
    if event.raw is None and event.delivery is None:
        return event
    return replace(event, raw=None, delivery=None)
