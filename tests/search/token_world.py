"""Documents and token queries of a small alphabet, the same each time: what backends are compared
on. Few words, so that most queries are true of some documents and of others not.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from schemas import events, limits
from schemas.document import Document, Entry
from schemas.wire import Pointer
from search import query
from search.project import document

TOKENS = tuple(f"{number:016x}" for number in range(1, 8))
PEOPLE = tuple(f"{number:016x}" for number in range(100, 104))
CONVERSATIONS = tuple(f"{number:016x}" for number in range(200, 205))
CHANNELS = ("whatsapp", "sms", "signal")
START = 1_767_200_000_000            # 2025-12-31T16:53:20Z
DAY = 86_400_000
_FAR = limits.REVISION_POSITION_GAP


def documents(count: int, seed: int) -> list[Document]:
    """`count` messages with one to four versions, over three months."""
    random = Random(seed)
    return [_document(random, number) for number in range(count)]


def _document(random: Random, number: int) -> Document:
    doc_id = f"{number * 7919 + 1:032x}"
    at = START + random.randrange(90) * DAY + random.choice((0, 0, random.randrange(DAY)))
    channel, conversation = random.choice(CHANNELS), random.choice(CONVERSATIONS)
    direction = random.choice((events.IN, events.OUT, None))
    made = []
    for version in range(random.choice((1, 1, 1, 2, 3, 4))):
        kind = events.MESSAGE if version == 0 else random.choice(
            (events.EDIT, events.EDIT, events.RETRACTION, events.RECEIPT))
        words = () if kind in (events.RETRACTION, events.RECEIPT) else tuple(
            random.choice(TOKENS) for _ in range(random.choice((0, 1, 2, 4, 7, 12, 30))))
        marks = tuple(sorted(random.sample(PEOPLE, random.randrange(3))))
        made.append(Entry(
            entry_id=f"{number:08x}{version:08x}", kind=kind, captured_at=at + version,
            pointer=Pointer("ab" * 16, 0, number * 10 + version, 0, "key", 0, 1, 2, 0),
            occurred_at=at + version, digest=f"{version:016x}",
            text_digest=f"{version:016x}" if words else "", direction=direction,
            content_state=events.PRESENT, provenance=events.PROVIDER_SIGNED, channel=channel,
            conversation=conversation, custodian=random.choice(("", *PEOPLE[:2])),
            actor=(random.choice(PEOPLE),),
            recipients=tuple(sorted(random.sample(PEOPLE, random.randrange(3)))),
            shared=random.choice(("", *PEOPLE)), words=words,
            chars=tuple(sorted(random.sample(TOKENS, random.randrange(2)))) if words else (),
            term_count=len(words) + 1 if words else 0, marks=marks, mark_count=len(marks)))
    return document(doc_id, made)


def queries(count: int, seed: int) -> list[query.TokenQuery]:
    """`count` queries; text in nine of ten."""
    random = Random(seed)
    return [query.TokenQuery(query.flatten(tree(random, random.choice((0, 1, 1, 2, 3)))),
                             events.ANSWERING_KINDS | random.choice(
                                 (frozenset(), frozenset({events.RECEIPT}))))
            for _ in range(count)]


def tree(random: Random, depth: int) -> query.Node:
    """A query of at most so many And, Or and Not inside each other."""
    if depth == 0:
        return random.choice((text, text, text, text, _other))(random)
    kind = random.randrange(5)
    if kind == 0:
        return query.Not(tree(random, depth - 1))
    children = tuple(tree(random, depth - 1) for _ in range(random.choice((2, 2, 3))))
    return query.And(children) if kind < 3 else query.Or(children)


def text(random: Random) -> query.Node:
    """A Phrase, Words or Near."""
    return random.choice((phrase, words, near, near, near))(random)


def phrase(random: Random) -> query.Node:
    """One to three tokens."""
    return query.Phrase(tuple(random.choices(TOKENS, k=random.choice((1, 1, 2, 3)))))


def words(random: Random) -> query.Node:
    """One to three places, with alternatives."""
    return query.Words(tuple(
        tuple(sorted(random.sample(TOKENS, random.choice((1, 2, 3)))))
        for _ in range(random.choice((1, 1, 2, 3)))))


def near(random: Random, depth: int = 2) -> query.Node:
    """Two sides, each of which may be a Near again."""
    return query.Near(
        _side(random, depth), _side(random, depth),
        random.choice((1, 1, 2, 3, 4, 6, 10, _FAR - 1, _FAR, _FAR + 1, _FAR + 30, 500)),
        random.random() < 0.5)


def _side(random: Random, depth: int) -> query.Node:
    kinds: list[Callable[[Random], query.Node]] = [
        phrase, phrase, words, words, lambda _: query.Nothing() if random.random() < 0.2
        else query.Phrase((TOKENS[0],))]
    if depth:
        kinds += [lambda again: near(again, depth - 1), lambda again: query.Or(tuple(
            _side(again, depth - 1) for _ in range(random.choice((2, 3)))))]
    return random.choice(kinds)(random)


def _other(random: Random) -> query.Node:
    kinds: tuple[Callable[[], query.Node], ...] = (
        query.All, query.Nothing,
        lambda: query.Term("channel", random.choice(CHANNELS)),
        lambda: query.Term("state", random.choice(("live", "edited", "retracted"))),
        lambda: query.Term("kinds", random.choice((events.EDIT, events.RETRACTION))),
        lambda: query.Term("direction", random.choice((events.IN, events.OUT))),
        lambda: query.Term(random.choice(("actors", "recipients", "shared", "marks")),
                           random.choice(PEOPLE)),
        lambda: query.Term("conversation", random.choice(CONVERSATIONS)),
        lambda: query.Term("chars", random.choice(TOKENS)),
        lambda: query.Between(START + random.randrange(60) * DAY, None),
        lambda: query.Between(START + random.randrange(30) * DAY,
                              START + random.randrange(30, 90) * DAY),
    )
    return random.choice(kinds)()
