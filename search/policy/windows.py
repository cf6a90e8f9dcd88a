"""Several messages of one conversation, read as one text: chats are short, and what is said in one
message is often half of what was meant. Pure.

Owns which messages are read together and in which of their texts. All of it is a function of the
conversation as it is known, in its own order, never of the order in which its messages came. A
message that comes late changes the windows that it lies in: `affected` names their messages, which
are looked at again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from search.policy.lexicon import Window
from search.policy.message import Message, Version

# Messages of a window that states minutes alone; in a busier conversation the oldest are left out.
MESSAGES_MAX: Final = 50
# Messages of the conversation that are looked back over, other senders' and those without a text
# included.
LOOK_BACK_MAX: Final = 500
_MINUTE_MS: Final = 60_000

Lane = tuple[Version, ...]
"""One text of each message of a window, in the conversation's order."""


def place(message: Message) -> tuple[int, bytes]:
    """What a conversation is in the order of."""
    return message.at, message.key


def in_order(messages: Iterable[Message]) -> list[Message]:
    """A conversation, each message once."""
    return sorted({one.key: one for one in messages}.values(), key=place)


def window(conversation: Sequence[Message], at: int, bounds: Window) -> list[Message]:
    """The message at index `at` of a conversation in order, and those read before it. A message
    without any text is not counted."""
    last = conversation[at]
    most = bounds.messages or MESSAGES_MAX
    since = last.at - bounds.minutes * _MINUTE_MS if bounds.minutes is not None else None
    found = [last]
    for number in range(at - 1, max(-1, at - 1 - LOOK_BACK_MAX), -1):
        one = conversation[number]
        if len(found) >= most or (since is not None and one.at < since):
            break
        if one.texts and (not bounds.same_sender or one.sender == last.sender):
            found.append(one)
    found.reverse()
    return found


def lanes(together: Sequence[Message]) -> Iterator[Lane]:
    """Every way in which a window with a text in each message is to be read, in order of time: for
    each text of each message, that text, and of the others what stood there then, or came first.

    So each text is read once beside the others as its readers saw them, also one that was edited
    away before the last message came; and a window without edits is read once.
    """
    held = [(one.texts or one.versions[:1]) for one in together]
    moments = sorted(((version.at, number, choice) for number, versions in enumerate(held)
                      for choice, version in enumerate(versions)))
    seen: set[tuple[int, ...]] = set()
    for at, number, choice in moments:
        chosen = tuple(choice if other == number else _as_of(versions, at)
                       for other, versions in enumerate(held))
        if chosen not in seen:
            seen.add(chosen)
            yield tuple(versions[one] for versions, one in zip(held, chosen, strict=True))


def affected(conversation: Sequence[Message], key: bytes, bounds: Iterable[Window],
             ) -> list[Message]:
    """The messages, in order, whose windows hold the message `key`, itself included: those to be
    looked at again when something of it has come."""
    at = next((n for n, one in enumerate(conversation) if one.key == key), None)
    if at is None:
        return []
    shapes = tuple(bounds)
    end = min(len(conversation), at + 1 + LOOK_BACK_MAX)
    return [conversation[at], *(
        conversation[later] for later in range(at + 1, end)
        if any(one.key == key for shape in shapes for one in window(conversation, later, shape)))]


def between(conversation: Sequence[Message], since: int, until: int) -> Sequence[Message]:
    """The messages of a conversation in order with since <= at < until (UTC ms)."""
    times = [one.at for one in conversation]
    return conversation[bisect_left(times, since):bisect_left(times, until)]


def _as_of(versions: Sequence[Version], at: int) -> int:
    """The last of `versions` that was there at `at`, or the first."""
    found = 0
    for number, one in enumerate(versions):
        if one.at <= at:
            found = number
    return found
