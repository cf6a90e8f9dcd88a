"""A small firm's archive and the real console on it, for tests that look through a browser.

Owns what was said: every state of a message, every way of writing, a gap, a flag, a picture, copies
on two telephones. All people are invented, all numbers kept for fiction.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final

import httpx

from infra.config import load
from infra.demo import files
from infra.demo.week import ANNA, BEN, DIRECTORY
from infra.signin import Desk, state_store
from infra.verbs import imports
from infra.wire import Wire
from schemas import domains, events, gaps
from schemas.events import CapturedEvent, Identity
from schemas.identity import event_id, message_key
from search.access.people import AccessPolicy
from search.audit import Auditor, AuditSettings
from search.policy.flags import Flag, Place, flag_event
from tests.e2e.line import Clock, Line
from tests.world import Random

# Monday, 16 November 2026, 09:00 UTC.
START: Final = 1_794_819_600_000
_MINUTE: Final = 60_000
PASSWORD: Final = "correct horse battery staple"
SUPERVISOR: Final = "dana.reyes"
ADMINISTRATOR: Final = "ada.hill"
ACCESS: Final = f"""
[[person]]
id = "{SUPERVISOR}"
name = "Dana Reyes"
roles = ["compliance"]
groups = ["*"]

[[person]]
id = "{ADMINISTRATOR}"
name = "Ada Hill"
roles = ["administrator"]

[settings]
require_totp = false
"""
MARIA: Final = Identity("+447700900123", "e164", "Maria Souza")
OMAR: Final = Identity("+447700900789", "e164", "عمر حسن")
CHEN: Final = Identity("+447700900456", "e164", "陈伟")
ANNA_AS: Final = Identity(f"+{ANNA}", "e164", "Anna Lindt")
BEN_AS: Final = Identity(f"+{BEN}", "e164", "Ben Okafor")
GROUP: Final = "group:120363025246125486@g.us"
RETRACTED_TEXT: Final = "Between us: move the 50,000 to my cousin's account before the audit."
_READY_S_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class Site:
    """A console that runs. `url` without a slash at the end."""

    url: str
    home: Path
    log: Path


def build(home: Path, access_toml: str = ACCESS,
          people: Iterable[str] = (SUPERVISOR, ADMINISTRATOR)) -> None:
    """The data folder: captured, archived, indexed. `people` of `access_toml` have PASSWORD."""
    home.mkdir(mode=0o700)
    (home / "directory.toml").write_text(DIRECTORY, "utf-8")
    access = home / "access.toml"
    access.touch(mode=0o600)
    access.write_text(access_toml, "utf-8")
    clock = Clock(START)
    wire = Wire(load(home), clock, Random("browser"))
    wire.provision()
    line = Line(wire, clock)
    told = list(said())
    wire.recorder("gateway").record_all(told)
    wire.recorder("search").record(_flag(told))
    line.archive()
    clock.now = START + 24 * 60 * _MINUTE
    _hand_in(wire, home)  # archives and indexes what it reads, since nobody else does
    _accounts(wire, people)
    wire.last_words()


@contextmanager
def serving(home: Path, port: int = 0) -> Iterator[Site]:
    """The console as an operator starts it; `port` 0 = one that is free."""
    log = home / "console.log"
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("COUNTERFOIL_")}
    environment |= {"COUNTERFOIL_HOME": str(home), "COUNTERFOIL_PARENT_PID": str(os.getpid())}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "console", "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment,
            text=True)
        try:
            url = _url(process, log)
            # It says where it is once it is there.
            assert _answers(url), log.read_text("utf-8")
            yield Site(url, home, log)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
        assert code == 0, log.read_text("utf-8")


def _answers(url: str) -> bool:
    try:
        return (httpx.get(f"{url}/healthz", timeout=_READY_S_MAX).status_code
                == HTTPStatus.NO_CONTENT)
    except httpx.TransportError:
        return False


def _url(process: subprocess.Popen[str], log: Path) -> str:
    lines: Queue[str] = Queue()

    def listen() -> None:
        for line in process.stdout or ():
            lines.put(line)

    Thread(target=listen, daemon=True).start()
    try:
        while True:
            line = lines.get(timeout=_READY_S_MAX)
            if line.startswith("console http"):
                return line.split()[1]
    except Empty:
        raise AssertionError(f"the console did not start: {log.read_text('utf-8')}") from None


def _accounts(wire: Wire, people: Iterable[str]) -> None:
    with closing(wire.capture_log()) as log:
        auditor = Auditor(wire.recorder("search", log), AuditSettings(
            domains.ROLE_NAMES[domains.FIRM], wire.directory().firm_years()), wire.clock,
            wire.random)
        from infra.access import load_access

        policy: AccessPolicy = load_access(wire.home / "access.toml")
        admin = Desk(wire, lambda: policy, auditor, state_store(wire)).admin
        for person in people:
            admin.add(person, "the operator", PASSWORD, is_own=True)


def _hand_in(wire: Wire, home: Path) -> None:
    """A chat with a picture and a voice note, exported twice; a message is gone from the second."""
    place = home / files.CHAT
    wanted = imports.Wanted([place], account=f"+{ANNA}", me="Anna Lindt", zone=files.ZONE,
                            wait=False, processes=1)
    for again in (False, True):
        place.write_bytes(files.chat(START // 1000, again=again))
        imports.take_in(wire, wanted, json=True)
    place.unlink()


def said() -> Iterator[CapturedEvent]:
    """What was captured."""
    yield from _anna_and_maria()
    yield from _ben_and_omar()
    yield from _the_group()
    yield _event(ANNA_AS, CHEN, "c1", 200, "请把合同的最终版本发给我,明天上午签字。👍🏽 "
                 "ขอบคุณ 한국어 日本語 ελληνικά עברית हिन्दी")
    yield _event(ANNA_AS, CHEN, "c2", 205, "", kind=events.CALL)
    yield _event(ANNA_AS, MARIA, "gap", 130, None, kind=events.GAP, actor=None, direction=None,
                 details=tuple(sorted(gaps.details(
                     "account_offboarded", gaps.OVER, since=START + 130 * _MINUTE,
                     until=START + 190 * _MINUTE).items())))


def _anna_and_maria() -> Iterator[CapturedEvent]:
    yield _event(ANNA_AS, MARIA, "m1", 0, "Good morning Anna, is the completion date still fixed?")
    yield _event(ANNA_AS, MARIA, "a1", 1, "Yes. Completion is on 12 March, the deposit is due on "
                 "Friday.", ours=True)
    yield _event(ANNA_AS, MARIA, "a1e", 3, "Yes. Completion is on 21 March, the deposit is due on "
                 "Friday.", ours=True, kind=events.EDIT, target="a1", target_known=events.EXPLICIT)
    yield _event(ANNA_AS, MARIA, "m2", 13, "Thank you! 🙏🏽 I will transfer the deposit tomorrow.")
    yield _event(ANNA_AS, MARIA, "m3", 14, "👍", kind=events.REACTION, target="a1",
                 target_known=events.EXPLICIT)
    yield _event(ANNA_AS, MARIA, "s1", 14, None, kind=events.RECEIPT, target="a1",
                 target_known=events.EXPLICIT, revision="read")
    for number in range(60):
        yield _event(ANNA_AS, MARIA, f"b{number}", 240 + number,
                     _CHATTER[number % len(_CHATTER)], ours=number % 3 == 1)


def _ben_and_omar() -> Iterator[CapturedEvent]:
    yield _event(BEN_AS, OMAR, "o1", 60, "صباح الخير، هل وصلت الحوالة من البنك؟")
    yield _event(BEN_AS, OMAR, "o2", 65, RETRACTED_TEXT)
    yield _event(BEN_AS, OMAR, "o2r", 66, None, kind=events.RETRACTION, target="o2",
                 target_known=events.EXPLICIT, content_state=events.ABSENT_BY_SOURCE,
                 occurred_at=START + 65 * _MINUTE + 42_000)
    yield _event(BEN_AS, OMAR, "ben1", 70, "Omar, I cannot do that. Please call the office.",
                 ours=True)
    # What reads as "pdf.exe" the other way round is shown as what it is.
    yield _event(BEN_AS, OMAR, "o3", 75, "The invoice is \u202efdp.exe\u202c, please open it.")


def _the_group() -> Iterator[CapturedEvent]:
    for account, name in ((ANNA_AS, "anna.lindt"), (BEN_AS, "ben.okafor")):
        more: dict[str, Any] = {"conversation": GROUP, "account": account.native_id,
                                "custodian": name, "participants": (MARIA, ANNA_AS, BEN_AS)}
        yield _event(account, MARIA, "g1", 100, "Hello all, this is the chat for the Elm Street "
                     "purchase.", **more)
        yield _event(account, MARIA, "g2", 101, "The seller agreed to leave the curtains.", **more)
        if name == "anna.lindt":
            yield _event(account, MARIA, "g2r", 103, None, kind=events.RETRACTION, target="g2",
                         target_known=events.EXPLICIT, content_state=events.ABSENT_BY_SOURCE,
                         **more)


def _flag(said: list[CapturedEvent]) -> CapturedEvent:
    flagged = next(one for one in said if one.native_id == _wamid("o2"))
    return flag_event(Flag(
        message_key(flagged), "demo", "new-account", 3, "high", flagged.revision,
        "Money is to go to another account than before: call the client on the number on file.",
        "0" * 64, (Place(message_key(flagged), event_id(flagged), ((12, 27), (34, 50))),)),
        START + 70 * _MINUTE, 8)


def _wamid(name: str) -> str:
    """An id as WhatsApp makes them; the same message has the same on every telephone."""
    stanza = ("3A" + sha256(name.encode()).hexdigest()[:18]).upper().encode()
    inner = (b"\x1c\x18\x0c447700900123\x15\x02\x00\x12\x18" + bytes((len(stanza),)) + stanza
             + b"\x00")
    return "wamid." + base64.b64encode(inner).decode()


def _event(own: Identity, peer: Identity, name: str, minutes: int, text: str | None, *,
           ours: bool = False, kind: str = events.MESSAGE, **more: Any) -> CapturedEvent:
    at = START + minutes * _MINUTE
    ids = sorted((own.native_id, peer.native_id))
    values: dict[str, Any] = {
        "channel": "whatsapp", "source": "test/1", "account": own.native_id,
        "conversation": f"pair:{ids[0]}|{ids[1]}", "captured_at": at + 1_000, "occurred_at": at,
        "occurred_precision": "s", "occurred_meaning": "sent", "native_id": _wamid(name),
        "text": text,
        "actor": own if ours else peer, "participants": (own, peer),
        "direction": events.OUT if ours else events.IN,
        "custodian": "anna.lindt" if own is ANNA_AS else "ben.okafor"}
    if "target" in more:
        more["target"] = _wamid(more["target"])
    return CapturedEvent(kind=kind, **{**values, **more})


_CHATTER: Final = (
    "Is the searches report back?", "Not yet, the council promised it for Thursday.",
    "The lender wants the form by noon.", "ok", "👍", "Can we move the call to three?",
    "Of course. I have signed and sent the contract.",
    "Please confirm the account number before I transfer anything.", "Thank you, that is clear.",
)
