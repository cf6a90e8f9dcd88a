"""The real console on a small data folder, asked as a browser asks, without a socket.

Owns the firm: six people of all roles, a wall, a policy, a week of messages. `Desk` signs people in
and reads pages; what they did is indexed when a test asks for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from infra.config import load
from infra.console import ConsoleProcess
from infra.wire import Wire
from schemas import events
from schemas.events import CapturedEvent, Identity
from schemas.identity import message_key
from search.access import cookies
from search.access.sessions import DEMO, Origin
from search.access.signin import NotSignedIn, TooManyAttempts
from search.web.oversight import PoliciesPort
from tests.browser import firm as browser_firm
from tests.e2e.line import Clock, Line
from tests.world import Random

START: Final = browser_firm.START
MINUTE: Final = 60_000
DAY: Final = 24 * 60 * MINUTE
CLIENT: Final = Identity("+447700900123", "e164", "Maria Souza")
ANN: Final = Identity("+442079460101", "e164", "Ann Roe")
BOB: Final = Identity("+442079460102", "e164", "Bob Vale")
DIRECTORY: Final = """
[[custodian]]
id = "ann"
name = "Ann Roe"
[[custodian]]
id = "bob"
name = "Bob Vale"
[[custodian]]
id = "cy"
name = "Cy Park"
[[account]]
channel = "whatsapp"
account = "+442079460101"
custodian = "ann"
max_silence_h = 48
[[account]]
channel = "whatsapp"
account = "+442079460102"
custodian = "bob"
[[group]]
name = "litigation"
members = ["ann"]
supervisors = ["sue"]
"""
ACCESS: Final = """
[[person]]
id = "sue"
name = "Sue Hart"
roles = ["supervisor"]
groups = ["litigation"]
[[person]]
id = "dana"
name = "Dana Cole"
roles = ["compliance"]
groups = ["*"]
[[person]]
id = "lea"
name = "Lea Moor"
roles = ["legal"]
groups = ["*"]
[[person]]
id = "otto"
name = "Otto Lenz"
roles = ["auditor"]
[[person]]
id = "ada"
name = "Ada Hill"
roles = ["administrator"]
[[person]]
id = "rita"
name = "=Rita"
roles = ["reviewer"]
groups = ["litigation"]
[[wall]]
name = "Juniper"
reason = "advises the other side"
custodians = ["bob"]
against = {people = ["lea"]}
[settings]
require_totp = false
"""
POLICY: Final = """id = "money"
version = 1
title = "Money"
author = "Ann Lee"
approver = "Bob Roe"
effective = 2020-01-01
severity = "high"
[[rule]]
id = "account"
why = "Money is to go to another account."
query = "account"
"""
_CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Desk:
    """One console and who uses it."""

    def __init__(self, wire: Wire, clock: Clock, process: ConsoleProcess) -> None:
        self.wire, self.clock = wire, clock
        self._process = process
        self._line = Line(wire, clock)
        self._secrets: dict[str, str] = {}

    def sign_in(self, person: str) -> str:
        """The secret of a session."""
        since = f"{person} {self.clock.now // (10 * MINUTE)}"
        if since not in self._secrets:
            signed = self._process.parts.signin.open_for(
                person, Origin("127.0.0.1", "a browser"), DEMO)
            self._secrets[since] = signed.secret
        return self._secrets[since]

    def get(self, person: str, path: str) -> httpx.Response:
        """A page, as it answers."""
        return self._ask(person, "GET", path)

    def page(self, person: str, path: str) -> str:
        """A page that is there."""
        found = self.get(person, path)
        assert found.status_code == 200, (found.status_code, found.text[:2_000])
        return found.text

    def post(self, person: str, path: str, form: Mapping[str, str]) -> httpx.Response:
        """A form, sent as from its page."""
        token = _CSRF.search(self.page(person, "/account"))
        assert token is not None
        return self._ask(person, "POST", path, {"csrf": token[1], **form})

    @property
    def policies(self) -> PoliciesPort:
        """The console's own."""
        return self._process.parts.watch.policies

    def sweep(self) -> None:
        """What the console does each minute."""
        self._process._sweep()

    def guess(self, person: str) -> None:
        """Somebody tries a password that is none."""
        with suppress(NotSignedIn, TooManyAttempts):
            self._process.parts.signin.begin(person, "wrong", Origin("127.0.0.1", "a browser"))

    def index(self) -> None:
        """What was done until now is found from now on."""
        self._line.archive()

    def documents(self, text: str) -> list[str]:
        """Ids of messages that hold a word."""
        return [one["id"] for one in self._line.search(text)]

    def _ask(self, person: str, method: str, path: str,
             form: Mapping[str, str] | None = None) -> httpx.Response:
        url = self._process.url
        name = cookies.name(cookies.SESSION_COOKIE, url)
        headers = {"cookie": f"{name}={self.sign_in(person)}; counterfoil-zone=UTC"}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._process._app)
            async with httpx.AsyncClient(transport=transport, base_url=url) as client:
                return await client.request(method, path, data=form, headers=headers)
        # In a thread: a browser's driver has a loop of its own in this one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(ask())).result()


@contextmanager
def desk(home: Path, start: int = START,
         more: Iterable[CapturedEvent] = ()) -> Iterator[Desk]:
    """The firm, its messages from `start` (UTC ms) on and `more`, and a console on it."""
    home.mkdir(mode=0o700)
    (home / "directory.toml").write_text(DIRECTORY, "utf-8")
    (home / "policies").mkdir()
    (home / "policies" / "money-1.toml").write_text(POLICY, "utf-8")
    access = home / "access.toml"
    access.touch(mode=0o600)
    access.write_text(ACCESS, "utf-8")
    clock = Clock(start)
    wire = Wire(load(home), clock, Random("desk"))
    wire.provision()
    wire.recorder("gateway").record_all([*said(start), *more])
    Line(wire, clock).archive()
    clock.now = start + 3 * DAY
    process = ConsoleProcess(wire, None, 0)
    try:
        yield Desk(wire, clock, process)
    finally:
        process.close()


def said(start: int = START) -> Iterator[CapturedEvent]:
    """Six messages of Ann's on three days, two of Bob's."""
    for number in range(6):
        yield message(ANN, "ann", f"a{number}", start + number // 2 * DAY + number * MINUTE,
                      "send it to the new account" if number == 3 else f"good morning {number}")
    yield message(BOB, "bob", "b0", start + 5 * MINUTE, "my account is closed")
    yield message(BOB, "bob", "b1", start + DAY, "thank you")


def message(own: Identity, custodian: str, name: str, at: int, text: str,
            **more: Any) -> CapturedEvent:
    """A client's message to somebody of the firm at `at` (UTC ms)."""
    values: dict[str, Any] = {
        "channel": "whatsapp", "source": "test/1", "account": own.native_id,
        "conversation": f"pair:{own.native_id}|{CLIENT.native_id}",
        "captured_at": at + 1_000, "occurred_at": at,
        "occurred_precision": "s", "occurred_meaning": "sent", "native_id": f"wamid.{name}",
        "text": text, "actor": CLIENT, "participants": (own, CLIENT), "direction": events.IN,
        "custodian": custodian, **more}
    return CapturedEvent(kind=events.MESSAGE, **values)


def key(event: CapturedEvent) -> bytes:
    """What a message is known by."""
    return message_key(event)
