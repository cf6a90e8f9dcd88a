"""Seeded traffic of a firm: WhatsApp webhooks of conversations that come back.

Owns what a benchmark feeds to both sides: people, their contacts, dialogues, edits and retractions,
as the bytes that the provider would post. Equal seed, equal bytes. No real person's chat is used:
texts are new ones in the manner of open corpora where those are at hand, else made-up phrases.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Request
from ingest.routing import Router
from schemas.directory import Account, Custodian, Directory
from schemas.events import CapturedEvent

SECRET: Final = b"bench-app-secret"
# How a working day's messages lie in its hours: a morning, a lunch, an afternoon, an evening.
_HOURS: Final = (1, 1, 0, 0, 0, 1, 4, 15, 55, 90, 100, 90, 60, 70, 95, 95, 85, 65, 35, 20, 15, 10,
                 6, 3)
BEGAN: Final = 1_762_128_000                     # 2025-11-03T00:00:00Z, seconds
CORPORA: Final = Path(__file__).parents[3] / "shared" / "corpora"
_CORPUS_NAMES: Final = ("taskmaster4_dialogs.jsonl.gz", "chatterbot_multilingual.jsonl.gz")
MARKER: Final = "quagmirology"               # in no corpus
_WORDS_MAX: Final = 60
_WABA: Final = "102290129340398"
_FIRST: Final = ("Alex", "Maria", "Sam", "Fatima", "Jonas", "Priya", "Lucía", "Tom", "Aiko",
                 "Nina", "Omar", "Eva", "Pavel", "Grace", "Hugo", "Ines", "Leo", "Mei", "Noor")
_LAST: Final = ("Smith", "García", "Okafor", "Tanaka", "Rossi", "Novak", "Haddad", "Silva",
                "Kim", "Dubois", "Larsen", "Patel", "Wright", "Costa", "Fischer", "Ali", "Moreau")
_OPENERS: Final = ("please send", "can you confirm", "I have signed", "we need", "did you receive",
                   "let me check", "could you call me about", "thanks for", "I will forward",
                   "sorry, I cannot open", "are you happy with", "what happened to", "who has")
_THINGS: Final = ("the contract", "the transfer to the second account", "the form", "your offer",
                  "the meeting on Thursday", "our call", "the draft", "the price for 40 units",
                  "the order", "the report", "the invoice of last month", "the statement")
_ENDS: Final = ("today", "tomorrow morning", "by Friday", "next week", "before noon",
                "again", "when you can", "if that is all right with you", "👍", "🙏", "thank you")
_SHORT: Final = ("ok", "yes", "no", "thanks", "great, thank you", "on my way", "call me please",
                 "好的", "谢谢", "مرحبا", "شكرا", "gracias", "danke", "merci", "да", "спасибо")


@dataclass(frozen=True, slots=True)
class Webhook:
    """One POST: its body, when it reached us (UTC ms), and whose conversation with whom it is of
    (for who needs no more)."""

    body: bytes
    at: int
    person: int
    peer: str

    def signature(self) -> str:
        """The value of X-Hub-Signature-256 under `SECRET`."""
        return "sha256=" + hmac.new(SECRET, self.body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class _Contact:
    number: str
    name: str


@dataclass(slots=True)
class _Person:
    number: int
    account: str
    phone_id: str
    contacts: list[_Contact]
    weights: list[float]
    talking_to: _Contact
    dialogue: list[str] = field(default_factory=list)
    sent: list[tuple[_Contact, str]] = field(default_factory=list)


class Traffic:
    """A firm of `people`, each with contacts that come back; `step_s` is the mean between posts."""

    def __init__(self, seed: int, people: int, step_s: float = 6.0) -> None:
        self._chance = random.Random(seed)       # reproducible, not secret
        self._writer = Writer(self._chance)
        self._step_s = step_s
        self._people = [self._person(number) for number in range(people)]
        # Some write much more than others.
        self._weights = [1.0 / (1 + number % 17) ** 0.5 for number in range(people)]
        self._now = BEGAN * 1000.0

    def directory(self) -> Directory:
        """Who these accounts belong to."""
        return Directory(
            tuple(Custodian(f"person.{number:04d}", f"Person {number}")
                  for number in range(len(self._people))),
            tuple(Account("whatsapp", f"+{person.account}", f"person.{number:04d}")
                  for number, person in enumerate(self._people)))

    def webhooks(self, count: int) -> Iterator[Webhook]:
        """`count` posts in order of time, one message, edit, retraction or reaction in each."""
        for person in self._chance.choices(self._people, self._weights, k=count):
            self._now += self._chance.expovariate(1 / (self._step_s * 1000))
            yield self.webhook(person, int(self._now))

    def day(self, midnight: int, per_person: int) -> Iterator[Webhook]:
        """One working day from `midnight` (UTC ms) with its curve, in order of time."""
        chance = self._chance
        posts: list[tuple[int, int]] = []
        for person, weight in zip(self._people, self._weights, strict=True):
            count = round(per_person * weight * len(self._people) / sum(self._weights))
            posts += [(self._in_day(chance), person.number) for _ in range(count)]
        for within, number in sorted(posts):
            yield self.webhook(self._people[number], midnight + within)

    @staticmethod
    def _in_day(chance: random.Random) -> int:
        hour = chance.choices(range(24), _HOURS)[0]
        return hour * 3_600_000 + chance.randrange(3_600_000)

    def webhook(self, person: _Person, at: int) -> Webhook:
        """What `person` or somebody writing to them makes the provider post at `at` (UTC ms)."""
        chance = self._chance
        if not person.dialogue or chance.random() < 0.04:
            person.talking_to = chance.choices(person.contacts, person.weights)[0]
            person.dialogue = self._writer.dialogue()
        contact, text = person.talking_to, person.dialogue.pop()
        outgoing = len(person.dialogue) % 2 == 1 and chance.random() < 0.6
        sender = person.account if outgoing else contact.number
        roll = chance.random()
        item: dict[str, Any] = {"from": sender}
        if outgoing:
            item["to"] = contact.number
        item["id"] = self._message_id(contact.number, outgoing)
        item["timestamp"] = str(at // 1000 - chance.randrange(1, 3))
        past = person.sent[-1] if person.sent and person.sent[-1][0] is contact else None
        if past and roll < 0.03:
            item |= {"type": "edit", "edit": {
                "original_message_id": past[1],
                "message": {"context": {"id": "M0"}, "type": "text", "text": {"body": text}}}}
        elif past and roll < 0.045:
            item |= {"type": "revoke", "revoke": {"original_message_id": past[1]}}
        elif past and roll < 0.07:
            item |= {"type": "reaction", "reaction": {"message_id": past[1], "emoji": "👍"}}
        else:
            item |= {"type": "text", "text": {"body": text}}
            person.sent = [(contact, item["id"])]
        return Webhook(_body(person, contact, item, outgoing), at, person.number, contact.number)

    def _person(self, number: int) -> _Person:
        chance = self._chance
        contacts = [_Contact(_number(chance), f"{chance.choice(_FIRST)} {chance.choice(_LAST)}")
                    for _ in range(chance.randrange(6, 24))]
        return _Person(number, f"1555{number:07d}", f"1065{chance.randrange(10**11):011d}",
                       contacts, [1.0 / (1 + rank) for rank in range(len(contacts))], contacts[0])

    def _message_id(self, peer: str, outgoing: bool) -> str:
        stanza = self._chance.randbytes(10).hex().upper()
        data = (b"\x1c\x18" + bytes((len(peer),)) + peer.encode() + b"\x15\x02\x00"
                + (b"\x11" if outgoing else b"\x12") + b"\x18" + bytes((len(stanza),))
                + stanza.encode() + b"\x00")
        return "wamid." + base64.b64encode(data).decode()


class Writer:
    """Makes up dialogues: a chain over pairs of words, so that no text is anybody's and few come
    twice (a corpus said again and again would compress as no real traffic does)."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lengths: list[int] = []
        self._after: dict[tuple[str, str], list[str]] = {}
        for dialogue in _corpus():
            self._lengths.append(len(dialogue))
            for text in dialogue:
                before = ("", "")
                for word in (*text.split(" "), ""):
                    self._after.setdefault(before, []).append(word)
                    before = (before[1], word)

    def dialogue(self) -> list[str]:
        """The texts of one conversation, the last first."""
        if not self._after:
            return [_phrase(self._chance) for _ in range(self._chance.randrange(2, 12))]
        return [self._text() for _ in range(self._chance.choice(self._lengths))]

    def _text(self) -> str:
        words: list[str] = []
        before = ("", "")
        while len(words) < _WORDS_MAX:
            word = self._chance.choice(self._after[before])
            if not word:
                break
            words.append(word)
            before = (before[1], word)
        return " ".join(words) or "ok"


def marker(number: int, at: int) -> Webhook:
    """A message that one word finds, `MARKER`, on an account of its own."""
    peer = f"1999{number:07d}"
    stanza = f"{number:020d}"
    item = {"from": peer, "id": f"wamid.{stanza}", "timestamp": str(at // 1000), "type": "text",
            "text": {"body": f"{MARKER} number {number}"}}
    person = _Person(0, "15559999999", "106500000000000", [], [], _Contact(peer, "Marker"))
    return Webhook(_body(person, person.talking_to, item, outgoing=False), at, -1, peer)


class Capture:
    """What the gateway makes of webhooks, without its HTTP: parsed, stamped, raw bytes placed."""

    def __init__(self, directory: Directory, router: Router) -> None:
        self._deliverer = Deliverer(router, directory)

    def events(self, webhook: Webhook) -> tuple[CapturedEvent, ...]:
        """The events of one post, with the headers that the gateway keeps."""
        request = Request(
            "whatsapp", "whatsapp", "application/json", webhook.body, webhook.at,
            (("content-type", "application/json"), ("x-hub-signature-256", webhook.signature())),
            "hub-sha256", "1")
        return self._deliverer.deliver(request, ADAPTERS["whatsapp"].parse)


def texts_are() -> str:
    """Where the texts come from, for the report."""
    return ("a word chain over the Taskmaster-4 and ChatterBot corpora"
            if all((CORPORA / name).is_file() for name in _CORPUS_NAMES) else "made-up phrases")


def _corpus() -> list[list[str]]:
    """Dialogues as lists of texts: facts for a chain of words, never copied into the traffic."""
    paths = [CORPORA / name for name in _CORPUS_NAMES]
    out: dict[str, list[str]] = {}
    for path in paths if all(path.is_file() for path in paths) else []:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                said = json.loads(line)
                out.setdefault(said.get("lang", "") + said["conv"], []).append(said["text"])
    return list(out.values())


def _phrase(chance: random.Random) -> str:
    if chance.random() < 0.25:
        return chance.choice(_SHORT)
    return " ".join((chance.choice(_OPENERS), chance.choice(_THINGS), chance.choice(_ENDS)))


def _number(chance: random.Random) -> str:
    return chance.choice(("1415", "1646", "4477009", "4420794", "4930", "336", "8613", "9715")) + (
        f"{chance.randrange(10**7):07d}")


def _body(person: _Person, contact: _Contact, item: dict[str, Any], outgoing: bool) -> bytes:
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": person.account, "phone_number_id": person.phone_id}}
    if outgoing:
        value["message_echoes"] = [item]
    else:
        value["contacts"] = [{"profile": {"name": contact.name}, "wa_id": contact.number}]
        value["messages"] = [item]
    return json.dumps({"object": "whatsapp_business_account", "entry": [
        {"id": _WABA, "changes": [
            {"value": value, "field": "smb_message_echoes" if outgoing else "messages"}]}]},
        separators=(",", ":")).replace("/", "\\/").encode()
