"""Traffic for systems that are being killed, and the oracle that judges what is left of it.

Owns the providers' part (they deliver again until they hear 200) and what must then be true: every
acknowledged message exactly once, every log record in exactly one object version.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from schemas import events
from schemas.document import LIVE
from schemas.events import CapturedEvent
from search.follow import compare, rebuild
from search.review.history import history
from search.review.item import OPEN
from tests.e2e.installation import SECRETS, Inside, Installation, wait_for
from tests.ingest.doorway import hub_headers, twilio_form, twilio_headers
from tests.vendor import payloads

ACCOUNT = f"+{payloads.FIRM}"
APP_SECRET = SECRETS.whatsapp_app_secret.encode()
TWILIO_TOKEN = SECRETS.twilio_auth_token.encode()
SMS_URL = f"{SECRETS.public_url}/hooks/twilio"
# Acknowledged counters count as missing only after this; asked for that much later, none may be.
SETTLED_MS = 3 * 3_600_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery: the messages in it, as (channel, native id, text)."""

    path: str
    body: bytes
    headers: dict[str, str]
    messages: tuple[tuple[str, str, str], ...]


def deliveries(label: str) -> Iterator[Sent]:
    """Texts of several conversations, a batch now and then, and text messages between."""
    for number in itertools.count():
        if number % 5 == 4:
            said = f"{label} text {number}"
            form = twilio_form(number, MessageSid=f"SM{label}{number:08d}",
                               From=f"+1202555{number % 7:04d}", Body=said)
            yield Sent("/hooks/twilio", form, twilio_headers(SMS_URL, form, TWILIO_TOKEN),
                       (("sms", f"SM{label}{number:08d}", said),))
            continue
        size = 6 if number % 8 == 0 else 1
        named = [(f"wamid.{label}-{number}-{one}", f"{label} word {number} {one}")
                 for one in range(size)]
        peer = f"1202555{number % 11:04d}"
        body = payloads.messages(
            *({**payloads.text(*one), "from": peer} for one in named),
            contacts=[payloads.contact("Ada", peer)])
        yield Sent("/hooks/whatsapp", body, hub_headers(body, APP_SECRET),
                   tuple(("whatsapp", *one) for one in named))


@dataclass
class Providers:
    """Several senders at once. `acknowledged`: native id -> (channel, text), after a 200."""

    firm: Installation
    senders: int = 3
    seed: int = 1
    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    again: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Send until told to stop."""
        self._threads = [threading.Thread(target=self._send, args=(one,))
                         for one in range(self.senders)]
        for one in self._threads:
            one.start()

    def stop(self) -> None:
        """Nothing new; what is under way is delivered again for a while, then given up."""
        self._stop.set()
        for one in self._threads:
            one.join()

    def _send(self, sender: int) -> None:
        chance = random.Random(f"{self.seed}/{sender}")
        for sent in deliveries(f"s{self.seed}x{sender}"):
            if self._stop.is_set() or not self._deliver(sent):
                return
            self.acknowledged.update(
                (native_id, (channel, text)) for channel, native_id, text in sent.messages)
            if chance.random() < 0.05:
                # A second subscribed app, or a retry whose answer was lost: 200 or not, it is the
                # same fact.
                self._once(sent)
            time.sleep(0.005)

    def _deliver(self, sent: Sent) -> bool:
        deadline: float | None = None
        while True:
            if self._once(sent):
                return True
            self.again += 1
            if self._stop.is_set():
                deadline = deadline or time.monotonic() + 3
                if time.monotonic() > deadline:
                    return False
            time.sleep(0.05)

    def _once(self, sent: Sent) -> bool:
        try:
            status = self.firm.post(sent.path, sent.body, sent.headers)
        except OSError:
            return False
        if status != 200:
            self.refused[status] += 1
        return status == 200


@dataclass
class Reviewer:
    """Somebody who reviews what comes in, in a process of his own (review_child.py). What the log
    took is a line of `said`, which outlives him."""

    firm: Installation
    deaths: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> Path:
        """Ids of messages, one a line."""
        return self.firm.home / "logs" / "reviews.out"

    def start(self) -> None:
        """Review until killed."""
        self.said.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.said.open("ab") as out, self.said.with_suffix(".err").open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.review_child", str(self.firm.home)],
                env=self.firm.environment, cwd=self.firm.home.parent, stdin=subprocess.DEVNULL,
                stdout=out, stderr=errors)

    def kill(self) -> None:
        """kill -9. That he had ended by himself is a failure."""
        process = self._process
        assert process is not None
        assert process.poll() is None, self.said.with_suffix(".err").read_text()[-4000:]
        process.kill()
        process.wait()
        self.deaths += 1

    def acknowledged(self) -> Counter[str]:
        """How often each message was said to be reviewed."""
        return Counter(line for line in self.said.read_text().split("\n") if len(line) == 32)


def assert_each_review_once(inside: Inside, reviewer: Reviewer) -> None:
    """Each decision that the log took is one act of its message, whoever died meanwhile; the item
    says so, and none is there that nobody made."""
    wanted = reviewer.acknowledged()
    assert wanted, "nobody reviewed anything"
    found: dict[str, list[CapturedEvent]] = {}
    for _, event in inside.events():
        if event.kind == events.REVIEW and event.target_key is not None:
            found.setdefault(inside.tokenizer.document(event.target_key), []).append(event)
    assert set(wanted) <= set(found), "a decision is lost"
    for doc_id, said in found.items():
        made = history(doc_id, said, inside.tokenizer)
        assert (len(made.acts), made.state.status) == (1, OPEN), doc_id
        # What he died over may be recorded and not yet said to be.
    assert len(set(found) - set(wanted)) <= reviewer.deaths, "an act that nobody made"


def document_ids(inside: Inside, providers: Providers) -> dict[str, tuple[str, str]]:
    """Document id -> (native id, text) of every acknowledged message."""
    return {inside.document_id(channel, ACCOUNT, native_id): (native_id, text)
            for native_id, (channel, text) in providers.acknowledged.items()}


def assert_nothing_lost(firm: Installation, providers: Providers) -> None:
    """0 lost, 0 doubled, the index equal to a rebuild, nothing for verify to find."""
    inside = firm.inside()
    wanted = document_ids(inside, providers)
    inside.await_documents(wanted)
    _assert_each_address_once(inside)
    said: dict[str, set[str]] = {}
    for _, event in inside.events():
        if event.kind == events.MESSAGE:
            said.setdefault(event.native_id or "", set()).add(event.text or "")
    for native_id, (_, text) in providers.acknowledged.items():
        assert said.get(native_id) == {text}, native_id
    found = inside.documents()
    for doc_id, (native_id, _) in wanted.items():
        document = found[doc_id]
        # Delivered again or not: one message, one version; the rest are sightings of it.
        assert (document.state, document.version_count) == (LIVE, 1), native_id
        assert document.sighting_count >= 1
    assert_index_is_a_rebuild(inside)
    answer = firm.cli("verify", "--log", "--json").row()
    assert answer["findings"] == []
    # Whoever was killed whenever: one log, and every cell in it once.
    assert answer["log"]["waiting"] == 0 and answer["log"]["size"] == answer["cells"]
    wire = inside.wire
    later = wire.verifier(lambda _done, _key: None).run(wire.clock() + SETTLED_MS)
    assert later.findings == []


def _assert_each_address_once(inside: Inside) -> None:
    """Each log record lies in exactly one object version, and none is left out between them."""
    versions = Counter(one.key for one in inside.wire.store.versions("segments/"))
    assert set(versions.values()) == {1}
    reader = inside.wire.reader()
    stored: Counter[tuple[str, int, int, int]] = Counter()
    keys = set()
    for topic_id, partition in reader.partitions():
        expected = 0
        for read in reader.follow(topic_id, partition, 0):
            keys.add(read.key)
            assert read.first == expected
            expected = read.last + 1
            stored.update((one.pointer.topic_id, one.pointer.partition, one.pointer.offset,
                           one.pointer.index) for one in read.events)
    assert keys == set(versions)
    assert set(stored.values()) == {1}


def assert_index_is_a_rebuild(inside: Inside) -> None:
    """G5, document for document. The writers have stopped, or what they still do is not looked
    at: the rebuilt index is compared when it has caught up."""
    indexes = inside.wire.indexes()
    live = inside.index()
    fresh = indexes.open(rebuild(inside.wire.reader(), indexes, inside.wire.projector()))
    assert list(compare(live, fresh)) == []


def await_traffic(providers: Providers, count: int) -> None:
    """Return when so many messages were acknowledged."""
    wait_for(lambda: len(providers.acknowledged) >= count, f"{count} acknowledged")
