"""A small archive on a data folder with what an export has to get right.

Owns the events: edits, a retraction, a retraction without its message, two conversations in one
cell, a privileged chat, an unassigned account, a message in parts, and two captures.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from infra import carry
from infra.config import load
from infra.wire import Wire
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Request
from ingest.routing import Router
from schemas import events
from schemas.events import CapturedEvent, Identity
from schemas.identity import pair
from tests.ingest.doorway import hub_headers, text_message, whatsapp_body
from tests.runtime.test_replay import archived
from tests.search.world import ANN, DESK, NOON, edit, event, retraction

__all__ = ["ANN", "DESK", "NOON", "edit", "event"]

DAY = 86_400_000
OMAR = Identity("+16505550000", "e164", "عمر حسن")
LAWYER = Identity("+16505557777", "e164", "Outside Counsel")
WITH_ANN = pair(DESK.native_id, ANN.native_id)
WITH_OMAR = pair(DESK.native_id, OMAR.native_id)
WITH_LAWYER = pair(DESK.native_id, LAWYER.native_id)
DIRECTORY = f"""
[classes]
default = 7
[[custodian]]
id = "carol"
name = "Carol"
[[account]]
channel = "whatsapp"
account = "{DESK.native_id}"
custodian = "carol"
[[conversation]]
conversation = "{WITH_LAWYER}"
compartment = "privileged"
"""


class Clock:
    """Set by hand."""

    def __init__(self, now: int = NOON + 40 * DAY) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def said_by(who: Identity, native_id: str, text: str, at: int, **more: Any) -> CapturedEvent:
    """A message of that person to the desk."""
    return event(native_id=native_id, text=text, **{
        "conversation": pair(DESK.native_id, who.native_id), "actor": who,
        "participants": (who, DESK), "occurred_at": at, "captured_at": at + 1_000, **more})


def first() -> list[CapturedEvent]:
    """What is captured together: several conversations in one segment."""
    return [
        said_by(ANN, "m1", "The price is 100.", NOON),
        said_by(OMAR, "o1", "صباح الخير 👋 你好", NOON + 1_000),
        edit("The price is 120.", NOON + 60_000, participants=(ANN, DESK), conversation=WITH_ANN),
        edit("The price is 130.", NOON + 90_000, "e2", participants=(ANN, DESK),
             conversation=WITH_ANN),
        said_by(OMAR, "o2", "Between us: move the 50,000.", NOON + 2_000),
        retraction(NOON + 62_000, "r2", "o2", conversation=WITH_OMAR, actor=OMAR,
                   participants=(OMAR, DESK)),
        said_by(LAWYER, "l1", "Our advice is to settle.", NOON + 3_000, compartment="privileged"),
        retraction(NOON + 70_000, "r9", "never-captured", conversation=WITH_ANN,
                   participants=(ANN, DESK)),
        said_by(ANN, "m2", "x" * 900_000, NOON + 4_000),
        event(events.REACTION, "re1", "👍", conversation=WITH_OMAR, actor=DESK,
              participants=(OMAR, DESK), target="o1", target_known=events.EXPLICIT,
              occurred_at=NOON + 5_000, captured_at=NOON + 6_000, direction="out"),
        said_by(ANN, "n1", "Sent to nobody's phone.", NOON + 7_000, account="+15550009999",
                custodian="", conversation=pair("+15550009999", ANN.native_id)),
    ]


def later() -> list[CapturedEvent]:
    """A month on: another cell of another domain, and another segment."""
    at = NOON + 31 * DAY
    return [said_by(ANN, "m3", "And the deposit?", at), said_by(OMAR, "o3", "Later.", at + 1_000)]


def delivered(wire: Wire, body: bytes, at: int) -> tuple[CapturedEvent, ...]:
    """A webhook of WhatsApp's, through the door's own parts; archived and indexed."""
    router = Router(wire.keys_folder.routing_key(), bytes(16))
    taken = Deliverer(router, wire.directory()).deliver(
        Request("whatsapp", "whatsapp", "application/json", body, at,
                tuple(sorted(hub_headers(body).items())), "hub-sha256", "1"),
        ADAPTERS["whatsapp"].parse)
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_all(taken)
    carry.carry(wire, lambda told: None)
    return taken


def webhooks() -> tuple[bytes, bytes]:
    """One client's two messages in one delivery; one of each of two clients in another."""
    at = (NOON + 32 * DAY) // 1000
    return (whatsapp_body(text_message(1, "first of two", at=at),
                          text_message(2, "second of two", at=at + 1)),
            whatsapp_body(text_message(3, "only Ann's", at=at + 2),
                          text_message(4, "only Omar's", sender=OMAR.native_id[1:], at=at + 3)))


def opened(home: Path) -> Wire:
    """The same archive, as another process opens it."""
    return Wire(load(home), Clock())


def made(home: Path, clock: Clock | None = None, **sections: Any) -> Wire:
    """The archive, indexed and in the log."""
    wire = Wire(load(home, **sections), clock or Clock())
    wire.provision_once()
    (wire.home / "directory.toml").write_text(DIRECTORY, "utf-8")
    archived(wire, *first())
    archived(wire, *later())
    for number, body in enumerate(webhooks()):
        delivered(wire, body, NOON + 32 * DAY + 10_000 * (number + 1))
    return wire
