"""Trains `archive/dictionary-1.zdict` from synthetic traffic: `python -m tests.golden.dictionary`.

The dictionary is part of the format: segments name it by its SHA-256 and it lies in the archive
beside them. It must never see a real message, so everything here is made up from word lists.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import zstandard

from archive.cell import CellEvent, _layout
from archive.unseal import Session
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Request
from ingest.heartbeat import heartbeat
from ingest.routing import Router
from schemas import codec
from schemas.directory import Account, Custodian, Directory
from schemas.events import CapturedEvent
from schemas.kinds import mask_of

TARGET = Path(__file__).parents[2] / "archive" / "dictionary-1.zdict"
DICTIONARY_BYTES = 24 * 1024
_SUBJECTS = ("the contract", "the transfer", "the form", "your account", "the meeting", "our call",
             "the draft", "the price", "the order", "the report", "the invoice", "the statement")
_VERBS = ("please send", "can you confirm", "I have signed", "we need", "did you receive",
          "let me check", "could you call me about", "thanks for", "I will forward",
          "sorry, I cannot see", "are you happy with", "what is the status of")
_ENDS = ("today", "tomorrow morning", "by Friday", "next week", "before noon", "when you can",
         "as discussed", "again", "", "", "?", "!", "👍", "🙏", "ok", "thank you")
_LINES = ("ok", "yes", "no", "thanks", "👍", "great, thank you", "on my way", "call me please",
          "好的", "谢谢", "مرحبا", "شكرا", "gracias", "danke", "merci", "obrigado", "да", "спасибо")


def _sentence(chance: random.Random) -> str:
    if chance.random() < 0.3:
        return chance.choice(_LINES)
    return " ".join((chance.choice(_VERBS), chance.choice(_SUBJECTS), chance.choice(_ENDS))).strip()


def _number(chance: random.Random) -> str:
    return chance.choice(("1555", "4477009", "4420794", "4930", "336", "8613", "9715")) + "".join(
        chance.choice("0123456789") for _ in range(7))


def _wamid(chance: random.Random, peer: str, direction: bytes = b"\x12") -> str:
    stanza = "".join(chance.choice("0123456789ABCDEF") for _ in range(20))
    data = (b"\x1c\x18" + bytes([len(peer)]) + peer.encode() + b"\x15\x02\x00" + direction
            + b"\x18" + bytes([len(stanza)]) + stanza.encode() + b"\x00")
    return "wamid." + base64.b64encode(data).decode()


def _whatsapp(chance: random.Random, account: str, phone_id: str, at: int) -> bytes:
    peer = _number(chance)
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": account, "phone_number_id": phone_id},
        "contacts": [{"profile": {"name": chance.choice(("Alex", "Sam K", "Maria", "J. Doe"))},
                      "wa_id": peer}]}
    common = {"from": peer, "id": _wamid(chance, peer), "timestamp": str(at)}
    roll = chance.random()
    if roll < 0.72:
        value["messages"] = [common | {"type": "text", "text": {"body": _sentence(chance)}}]
    elif roll < 0.82:
        del value["contacts"]
        value["statuses"] = [{
            "id": _wamid(chance, peer, b"\x11"), "timestamp": str(at), "recipient_id": peer,
            "status": chance.choice(("sent", "delivered", "read"))}]
    elif roll < 0.87:
        value["messages"] = [common | {"type": "reaction", "reaction": {
            "message_id": _wamid(chance, peer, b"\x11"), "emoji": "👍"}}]
    elif roll < 0.91:
        value["messages"] = [common | {"type": "revoke", "revoke": {
            "original_message_id": _wamid(chance, peer)}}]
    elif roll < 0.95:
        value["messages"] = [common | {"type": "edit", "edit": {
            "original_message_id": _wamid(chance, peer),
            "message": {"context": {"id": "M0"}, "type": "text",
                        "text": {"body": _sentence(chance)}}}}]
    else:
        value["messages"] = [common | {"type": "image", "image": {
            "id": "".join(chance.choice("0123456789") for _ in range(16)),
            "mime_type": "image/jpeg",
            "sha256": base64.b64encode(chance.randbytes(32)).decode()}}]
    return json.dumps({"object": "whatsapp_business_account", "entry": [
        {"id": "102290129340398", "changes": [{"value": value, "field": "messages"}]}]},
        separators=(",", ":")).replace("/", "\\/").encode()


def _twilio(chance: random.Random, account: str) -> bytes:
    sid = "SM" + chance.randbytes(16).hex()
    return urlencode({
        "ToCountry": "GB", "ToState": "", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "",
        "FromZip": "", "SmsSid": sid, "FromState": "", "SmsStatus": "received", "FromCity": "",
        "Body": _sentence(chance), "FromCountry": "GB", "To": f"+{account}", "ToZip": "",
        "NumSegments": "1", "MessageSid": sid, "AccountSid": "AC" + "0" * 32,
        "From": "+" + _number(chance), "ApiVersion": "2010-04-01"}).encode()


def events(seed: int, count: int) -> Iterator[CapturedEvent]:
    """Synthetic captured events as the gateway makes them, raw bytes and headers included."""
    chance = random.Random(seed)  # reproducible, not secret
    at = 1_760_000_000
    while count > 0:
        account, phone_id = _number(chance), "".join(
            chance.choice("0123456789") for _ in range(15))
        directory = Directory((Custodian("a.person", "A Person"),), tuple(
            Account(channel, f"+{account}", "a.person") for channel in ("whatsapp", "sms")))
        deliverer = Deliverer(Router(bytes(32), bytes(16)),
                              directory if chance.random() < 0.7 else Directory())
        for _ in range(min(count, chance.choice((1, 3, 8)))):
            at += chance.randrange(1, 4000)
            whatsapp = chance.random() < 0.8
            body = (_whatsapp(chance, account, phone_id, at) if whatsapp
                    else _twilio(chance, account))
            door = "whatsapp" if whatsapp else "twilio"
            content_type = "application/json" if whatsapp else "application/x-www-form-urlencoded"
            headers: tuple[tuple[str, str], ...] = (
                ("content-type", content_type),
                ("x-hub-signature-256", "sha256=" + chance.randbytes(32).hex()))
            if not whatsapp:
                headers = (("content-type", content_type),
                           ("x-twilio-signature", base64.b64encode(chance.randbytes(20)).decode()),
                           (":method", "POST"), (":url", "https://example.com/hooks/twilio"))
            request = Request(door, "whatsapp" if whatsapp else "sms", content_type, body,
                              at * 1000 + chance.randrange(1000), headers,
                              "hub-sha256" if whatsapp else "twilio-sha1", "1")
            yield from deliverer.deliver(request, ADAPTERS[door].parse)
            count -= 1
        if chance.random() < 0.05:
            yield heartbeat({chance.randbytes(16): [(0, chance.randrange(1, 900))]},
                            chance.randbytes(16), at * 1000, 8)


def train() -> bytes:
    """The dictionary's bytes; the same for the same zstd release."""
    chance = random.Random(7)  # reproducible, not secret
    made = [codec.encode(event) for event in events(1, 12_000)]
    session = mask_of({"message"})
    samples: list[bytes | bytearray | memoryview[int]] = []
    at = 0
    while at < len(made):
        width = chance.choice((1, 1, 1, 2, 3))
        group = [CellEvent(0, index, chance.randbytes(16),
                           Session(chance.randbytes(16), chance.randbytes(16), session), 0, datum)
                 for index, datum in enumerate(made[at:at + width])]
        samples.append(_layout(group)[0])
        at += width
    return zstandard.train_dictionary(DICTIONARY_BYTES, samples, level=3).as_bytes()


if __name__ == "__main__":
    TARGET.write_bytes(train())
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
