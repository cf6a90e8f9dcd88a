"""A gateway in one process for tests: real sealing, fake log and spool, requests as signed ones.

Owns the composition, what is then read back from the log by opening it, and the signing of
requests as Meta and Twilio do it (written here a second time, from CAPTURE §1 and §4).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from archive.unseal import Enrolled, Opened, TransitPrivate, Unsealer
from infra.embedded.ring import SqliteRing
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Parse
from ingest.exclusion_counts import ExclusionCounts
from ingest.gateway import Gateway, GatewayParts, GatewaySettings, create_app
from ingest.mediaworker import MediaWorker
from ingest.parts import join
from ingest.publish import Publisher
from ingest.rejected import SEAL_LABEL
from ingest.routing import Router
from ingest.status import AlarmBoard, GatewayStatus
from ingest.transit import ArchiverPublic, TransitSealer, seal_once
from schemas import codec
from schemas.directory import Account, Custodian, Directory
from schemas.events import CAPTURE_KINDS, CapturedEvent, EventPart
from schemas.kinds import mask_of
from tests.fakes.capture_log import FakeCaptureLog
from tests.fakes.spool import FakeSpool

NOW = 1_763_700_000_000
APP_SECRET = b"app-secret"
VERIFY_TOKEN = b"verify-token"
TWILIO_TOKEN = b"twilio-token"
PUBLIC_URL = "https://hooks.firm.example"
FIRM_NUMBER = "15550783881"

DIRECTORY = Directory(
    custodians=(Custodian("asmith", "Alice Smith"), Custodian("bjones", "Bob Jones", "long")),
    accounts=(Account("whatsapp", f"+{FIRM_NUMBER}", "asmith"),
              Account("sms", f"+{FIRM_NUMBER}", "asmith"),
              Account("whatsapp", "+15550009999", "bjones")),
    classes=(("default", 7), ("long", 10)),
    source=b"# a directory\n",
)
USUAL = GatewaySettings(
    whatsapp_secrets=(APP_SECRET,), whatsapp_verify_tokens=(VERIFY_TOKEN,),
    twilio_tokens=(TWILIO_TOKEN,), public_url=PUBLIC_URL, tick_s=0.01, stop_s_max=5.0)


class Clock:
    """UTC ms; moves only when told."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Random:
    """A deterministic stream of bytes."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed.encode(), 0

    def __call__(self, length: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + self._count.to_bytes(8, "big")).digest(length)


class Sink:
    """Remembers every status."""

    def __init__(self) -> None:
        self.written: list[GatewayStatus] = []

    def write(self, status: GatewayStatus) -> None:
        """See StatusSink."""
        self.written.append(status)


class Keys:
    """The archiver's and the capture process's keys, and what both sides make of them. `process`
    tells two lives of one gateway apart: the same keys, other sessions."""

    def __init__(self, clock: Callable[[], int], process: str = "1") -> None:
        self.random = Random("keys")
        self.private = Ed25519PrivateKey.from_private_bytes(self.random(32))
        transit = X25519PrivateKey.from_private_bytes(self.random(32))
        self.archiver = ArchiverPublic(b"transit1", 1, transit.public_key().public_bytes_raw())
        self.sealer = TransitSealer(self.archiver, self.private, CAPTURE_KINDS,
                                    Random(f"seal {process}"), clock, lambda: 1)
        self.router = Router(self.random(32), self.sealer.capture_id)
        self.unsealer = Unsealer(
            {b"transit1": TransitPrivate(b"transit1", 1, transit.private_bytes_raw())},
            {self.sealer.capture_id: Enrolled(self.private.public_key().public_bytes_raw(),
                                              mask_of(CAPTURE_KINDS))})

    def seal(self, plain: bytes) -> bytes:
        """For the ring."""
        return seal_once(self.archiver, self.private, SEAL_LABEL, plain)

    def open_blob(self, blob: bytes) -> bytes:
        """The archiver's half of `seal`."""
        return self.unsealer.open_once(SEAL_LABEL, blob)

    def opened(self, log: FakeCaptureLog) -> list[list[Opened]]:
        """Every record of each partition, opened."""
        topic_id = log.identity().topic_id
        return [[self.unsealer.open(topic_id, partition, value) for value in values]
                for partition, values in enumerate(log.records)]


def datums(opened: Opened) -> list[bytes]:
    """The datums of one record, in order."""
    out, at = [], 0
    for _domain, _tag, length in opened.rows:
        out.append(opened.plain[at:at + length])
        at += length
    return out


def once(records: Sequence[Opened]) -> list[Opened]:
    """Each sealing once, in the order of the log: two records with one (session, counter) are
    one sighting (T4)."""
    seen: set[tuple[bytes, int]] = set()
    out = []
    for one in records:
        named = (one.session.session_id, one.counter)
        if named not in seen:
            seen.add(named)
            out.append(one)
    return out


def events_of(records: Iterable[Opened]) -> list[CapturedEvent]:
    """Every event in order; parts are joined where their last one stands."""
    out: list[CapturedEvent] = []
    parts: dict[bytes, list[EventPart]] = {}
    for record in records:
        for datum in datums(record):
            one = codec.decode(datum)
            if isinstance(one, EventPart):
                several = parts.setdefault(one.set_id, [])
                several.append(one)
                if len(several) < one.total:
                    continue
                one = codec.decode(join(several))
                assert isinstance(one, CapturedEvent)
            out.append(one)
    return out


@dataclass
class Doorway:
    """One gateway and everything around it."""

    folder: Path
    settings: GatewaySettings = USUAL
    log: FakeCaptureLog = field(default_factory=FakeCaptureLog)
    spool: FakeSpool = field(default_factory=FakeSpool)
    clock: Clock = field(default_factory=Clock)
    directory: Directory = DIRECTORY
    ack_s_max: float = 10.0
    process: str = "1"
    reload: Callable[[], Directory | None] = lambda: None
    media: Callable[[Doorway], MediaWorker] | None = None
    parses: dict[str, Parse] = field(
        default_factory=lambda: {name: one.parse for name, one in ADAPTERS.items()})

    def __post_init__(self) -> None:
        self.keys = Keys(self.clock, self.process)
        self.alarms = AlarmBoard()
        self.sink = Sink()
        self.ring = SqliteRing(self.folder / "rejected.db")
        self.publisher = Publisher(self.log, self.keys.sealer, self.keys.router, self.spool,
                                   self.spool, self.clock, self.alarms, self.ack_s_max,
                                   retry_s=0.01)
        self.deliverer = Deliverer(self.keys.router, self.directory)
        self.gateway = Gateway(self.settings, GatewayParts(
            self.deliverer, self.publisher, self.ring, self.spool, self.keys.seal, self.parses,
            self.keys.sealer.capture_id, self.clock, self.alarms, self.sink,
            ExclusionCounts(self.spool, self.keys.router.exclusion_key(),
                            self.keys.sealer.capture_id, Random(f"counts {self.process}")),
            self.reload, self.media(self) if self.media else None))
        self.app = create_app(self.gateway)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the started gateway; stopped in order afterwards."""
        await self.gateway.start()
        transport = httpx.ASGITransport(app=self.app)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
                yield client
        finally:
            await self.gateway.stop()
            self.ring.close()

    def events(self, *kinds: str) -> list[CapturedEvent]:
        """Every event on the log (of `kinds`, if given), each sealing once."""
        found = [one for records in self.keys.opened(self.log)
                 for one in events_of(once(records))]
        return [one for one in found if not kinds or one.kind in kinds]

    def alarm_codes(self) -> set[str]:
        """What is active now."""
        return {one.code for one in self.alarms.active(self.clock())}


async def until(true: Callable[[], bool]) -> None:
    """Until something that will happen has happened; a test that waits long is wrong."""
    async with asyncio.timeout(20.0):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


def text_message(number: int, body: str = "hello", sender: str = "16505551234",
                 at: int = NOW // 1000 - 60) -> dict[str, Any]:
    """One item of `messages[]`."""
    return {"from": sender, "id": f"wamid.{number}", "timestamp": str(at), "type": "text",
            "text": {"body": body}}


def whatsapp_body(*messages: Mapping[str, Any], number: str = FIRM_NUMBER) -> bytes:
    """A delivery as Meta writes it: compact, non-ASCII and slashes escaped."""
    return json.dumps({"object": "whatsapp_business_account", "entry": [{
        "id": "102290129340398", "changes": [change(*messages, number=number)]}],
    }, separators=(",", ":")).replace("/", "\\/").encode()


def change(*messages: Mapping[str, Any], number: str = FIRM_NUMBER) -> dict[str, Any]:
    """One entry of `changes[]`."""
    senders = sorted({str(one["from"]) for one in messages if "from" in one})
    return {"field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": number, "phone_number_id": f"1065{number}"},
        "contacts": [{"profile": {"name": "N"}, "wa_id": one} for one in senders],
        "messages": list(messages)}}


def hub_headers(body: bytes, secret: bytes = APP_SECRET) -> dict[str, str]:
    """The headers of a signed WhatsApp delivery."""
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}


def twilio_form(number: int, **more: str) -> bytes:
    """An inbound SMS."""
    return urlencode({"MessageSid": f"SM{number:032x}", "AccountSid": "AC1", "Body": "hello",
                      "From": "+16505551234", "To": f"+{FIRM_NUMBER}", "NumMedia": "0",
                      "ApiVersion": "2010-04-01", **more}).encode()


def twilio_headers(url: str, form: bytes, token: bytes = TWILIO_TOKEN) -> dict[str, str]:
    """The headers of a signed Twilio POST."""
    pairs = parse_qsl(form.decode(), keep_blank_values=True)
    return {"content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": twilio_signature(url, pairs, token)}


def twilio_signature(url: str, pairs: Sequence[tuple[str, str]],
                     token: bytes = TWILIO_TOKEN) -> str:
    """HMAC-SHA1 over the URL and each key's sorted distinct values, by sorted key."""
    signed = url
    for name in sorted({key for key, _ in pairs}):
        signed += "".join(name + value for value in sorted({v for k, v in pairs if k == name}))
    return base64.b64encode(hmac.new(token, signed.encode(), hashlib.sha1).digest()).decode()
