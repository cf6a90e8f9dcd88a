"""A year of a firm's messages as captured events, and for each what a query may know of it.

Owns what the bench `search` fills both indexes with: conversations of people with contacts who come
back, in the languages of the corpora, with edits, retractions, reactions, flags, files and account
numbers. Equal seed, equal events. Beside the events of a message stands what it is, said by its
maker (`Subject`): the reference evaluator counts by that, and nothing of the index is asked.
"""

from __future__ import annotations

import base64
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from schemas import domains, events
from schemas.document import EDITED, LIVE, RETRACTED
from schemas.events import Attachment, CapturedEvent, Identity
from schemas.identity import message_key, pair
from search.evaluate import Subject
from search.identity import Sides, sides
from search.marks import Label
from search.policy.flags import ACTION
from tests.bench.traffic import BEGAN, Writer

PEOPLE: Final = 110
YEAR_MS: Final = 365 * 86_400_000
RARE: Final = "kestrelbank"                      # in no corpus
_RARE_EVERY: Final = 20_000
FLAG_RULE: Final = "off-channel"
IBANS: Final = ("DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606")
# What supervisors look for is said now and then, among what the corpora say.
PLANTED: Final = (
    "please transfer the payment to the account today", "call me on my private number now",
    "delete this chat before the meeting", "we can talk about the price on signal tomorrow",
    "your order is on hold until the transfer is done", "I confirm the payments of last month",
    "please do not send this to compliance", "the transfer goes to my own account",
    "I would like to confirm the order before it is ready", "can you please send it later",
    "we guarantee the price, please confirm", "remove my name from the contract please",
)
_FIRST: Final = ("Alex", "Maria", "Sam", "Fatima", "Jonas", "Priya", "Lucía", "Tom", "Aiko", "王")
_LAST: Final = ("Smith", "García", "Okafor", "Tanaka", "Rossi", "Novak", "Haddad", "小明", "Kim")
_FILES: Final = (("application/pdf", "invoice {}.pdf", "pdf", "document"),
                 ("image/jpeg", "photo {}.jpg", "jpg", "image"))


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what it is in the end, and all that was captured of it, the first first."""

    about: Subject
    captured: tuple[CapturedEvent, ...]


@dataclass(frozen=True, slots=True)
class _Contact:
    custodian: str
    account: str
    firm: Identity
    peer: Identity
    conversation: str
    others: tuple[Identity, ...]                 # of a group, its id included
    channel: str


class Messages:
    """One partition's part of the firm: of everybody some contacts."""

    def __init__(self, seed: int, partition: int) -> None:
        self._chance = random.Random(f"{seed}/{partition}")       # reproducible, not secret
        self._writer = Writer(self._chance)
        self._contacts = [one for person in range(PEOPLE) for one in self._of(person)]
        self._sides: dict[tuple[int, str], Sides] = {}

    def written(self, count: int) -> Iterator[Message]:
        """`count` messages in order of time."""
        chance, step = self._chance, YEAR_MS / max(count, 1)
        weights = [1 / (1 + number % 17) ** 0.5 for number in range(len(self._contacts))]
        now, left = BEGAN * 1000.0, count
        while left:
            at = chance.choices(range(len(self._contacts)), weights)[0]
            dialogue = self._writer.dialogue()[:left]
            for turn, text in enumerate(dialogue):
                now += chance.uniform(0, 2 * step)
                yield self._message(at, count - left + turn, text, int(now), outgoing=turn % 2 == 1)
            left -= len(dialogue)

    def _of(self, person: int) -> Iterator[_Contact]:
        chance = self._chance
        account = f"+1555{person:07d}"
        custodian = f"person.{person:04d}"
        firm = Identity(account, "e164", f"Person {person}")
        for _ in range(chance.randrange(1, 4)):
            peer = self._person()
            group = Identity(f"{chance.randrange(10**18)}@g.us", "group") if (
                chance.random() < 0.15) else None
            others = (*(self._person() for _ in range(chance.randrange(1, 4))), group) if (
                group) else ()
            channel = "whatsapp" if group or chance.random() < 0.9 else "sms"
            yield _Contact(custodian, account, firm, peer, f"group:{group.native_id}" if group
                           else pair(account, peer.native_id), others, channel)

    def _person(self) -> Identity:
        chance = self._chance
        return Identity(f"+44{chance.randrange(10**10):010d}", "e164",
                        f"{chance.choice(_FIRST)} {chance.choice(_LAST)}")

    def _message(self, contact: int, number: int, text: str, now: int, *,
                 outgoing: bool) -> Message:
        chance, place = self._chance, self._contacts[contact]
        if number % _RARE_EVERY == 7:
            text = f"{text} {RARE}"
        elif chance.random() < 0.006:
            text = chance.choice(PLANTED)
        marks: set[Label] = set()
        if chance.random() < 0.002:
            text = f"{text} IBAN {chance.choice(IBANS)}"
            marks.add(("pattern", "iban"))
        first = CapturedEvent(
            events.MESSAGE, place.channel, "bench/1", place.account, place.conversation,
            captured_at=now + 1_000, native_id=self._native_id(place),
            actor=place.firm if outgoing else place.peer,
            participants=(place.peer if outgoing else place.firm, *place.others),
            direction=events.OUT if outgoing else events.IN, occurred_at=now // 1000 * 1000,
            occurred_precision="s", occurred_meaning="sent", text=text,
            attachments=self._attachments(number, marks), custodian=place.custodian)
        later = list(self._later(first, marks))
        return Message(self._about(contact, first, later, marks), (first, *later))

    def _attachments(self, number: int, marks: set[Label]) -> tuple[Attachment, ...]:
        if self._chance.random() >= 0.03:
            return ()
        media_type, name, kind, family = self._chance.choice(_FILES)
        marks |= {("attachment", "any"), ("attachment", kind), ("attachment", family)}
        return (Attachment(f"media-{number}", media_type, name.format(number), 40_000,
                           self._chance.randbytes(32), "stored"),)

    def _later(self, first: CapturedEvent, marks: set[Label]) -> Iterator[CapturedEvent]:
        """What is said about a message afterwards."""
        chance = self._chance
        roll, delay = chance.random(), chance.randrange(5_000, 3_600_000)
        at = first.captured_at + delay
        said: dict[str, Any] = {}
        if roll < 0.03:
            said = {"kind": events.EDIT,
                    "text": f"{first.text} {chance.choice(self._writer.dialogue())}"}
        elif roll < 0.045:
            said = {"kind": events.RETRACTION, "text": None,
                    "content_state": events.ABSENT_BY_SOURCE}
        elif roll < 0.065:
            said = {"kind": events.REACTION, "text": "👍", "details": (("reaction", "added"),)}
        if said:
            yield replace(
                first, native_id=f"{first.native_id}/1", target=first.native_id,
                target_known=events.EXPLICIT, captured_at=at,
                occurred_at=at // 1000 * 1000 - 1_000, attachments=(), **said)
        if chance.random() < 0.005:
            marks |= {("flag",), ("flag", FLAG_RULE), ("flag", FLAG_RULE, "1")}
            yield CapturedEvent(
                events.POLICY, events.FIRM_CHANNEL, "policy/1", "", events.FIRM_CHANNEL,
                captured_at=at + 60_000, native_id=f"flag:bench:1:{FLAG_RULE}",
                target_key=message_key(first), provenance=events.OWN,
                details=(("action", ACTION), ("rule", FLAG_RULE), ("version", "1")),
                retention_class=domains.ROLE_NAMES[domains.FIRM], retention_years=8)

    def _about(self, contact: int, first: CapturedEvent, later: list[CapturedEvent],
               marks: set[Label]) -> Subject:
        direction = first.direction or ""
        said = self._sides.get((contact, direction))
        if said is None:
            said = self._sides[contact, direction] = sides(first)
        kinds = frozenset({first.kind, *(one.kind for one in later)})
        texts = [first.text, *(one.text for one in later if one.kind == events.EDIT)]
        state = RETRACTED if events.RETRACTION in kinds else EDITED if (
            events.EDIT in kinds) else LIVE
        return Subject(
            texts=tuple(text for text in texts if text is not None), actors=said.actor,
            recipients=said.recipients, channel=first.channel, state=state, kind=first.kind,
            kinds=kinds, sort_at=first.occurred_at or 0,
            conversations=frozenset({first.conversation}), direction=direction,
            marks=frozenset(marks))

    def _native_id(self, place: _Contact) -> str:
        """As the provider writes one: the peer and a stanza id inside."""
        stanza = self._chance.randbytes(10).hex().upper().encode()
        if place.channel == "sms":
            return f"SM{stanza.decode().lower()}"
        digits = place.peer.native_id.removeprefix("+").encode()
        data = b"".join((b"\x1c\x18", bytes((len(digits),)), digits, b"\x15\x02\x00\x12\x18",
                         bytes((len(stanza),)), stanza, b"\x00"))
        return "wamid." + base64.b64encode(data).decode()


def on_the_log(messages: Iterator[Message]) -> Iterator[tuple[CapturedEvent, Subject | None]]:
    """Everything that was captured, in the order of capture; with the first event of each message
    what the message is."""
    waiting: list[tuple[int, int, CapturedEvent]] = []
    count = 0
    for message in messages:
        first, *later = message.captured
        while waiting and waiting[0][0] <= first.captured_at:
            yield heapq.heappop(waiting)[2], None
        yield first, message.about
        for one in later:
            count += 1
            heapq.heappush(waiting, (one.captured_at, count, one))
    while waiting:
        yield heapq.heappop(waiting)[2], None
