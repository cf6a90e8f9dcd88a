"""A small firm whose policies have flagged messages, and the people who review them.

Owns who they are and what was flagged; the messages are those of tests/browser/firm.py. All people
are invented, all numbers kept for fiction.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from infra.access import load_access
from infra.config import load
from infra.demo.week import DIRECTORY
from infra.reviewing import Reviewing
from infra.signin import Desk, state_store
from infra.wire import Wire
from schemas import domains
from schemas.events import CapturedEvent
from schemas.identity import event_id, message_key
from search.access.people import viewer_of
from search.audit import Auditor, AuditSettings
from search.policy.flags import Flag, Place, flag_event
from search.review.questions import Filters
from search.review.views import Form
from tests.browser import firm
from tests.browser.firm import PASSWORD, START
from tests.e2e.line import Clock, Line
from tests.world import Random

_MINUTE: Final = 60_000
SUPERVISOR: Final = "dana.reyes"
SECOND: Final = "cara.voss"
REVIEWER: Final = "rob.quinn"
WALLED: Final = "wanda.ives"
OWN: Final = "ben.okafor"
PEOPLE: Final = (SUPERVISOR, SECOND, REVIEWER, WALLED, OWN)
ACCESS: Final = f"""
[[person]]
id = "{SUPERVISOR}"
name = "Dana Reyes"
roles = ["compliance"]
groups = ["*"]

[[person]]
id = "{SECOND}"
name = "Cara Voss"
roles = ["compliance"]
groups = ["*"]

[[person]]
id = "{REVIEWER}"
name = "Rob Quinn"
roles = ["reviewer"]
groups = ["*"]

[[person]]
id = "{WALLED}"
name = "Wanda Ives"
roles = ["reviewer"]
groups = ["*"]

[[person]]
id = "{OWN}"
name = "Ben Okafor"
roles = ["supervisor"]
groups = ["*"]
custodian = "ben.okafor"

[[wall]]
name = "Elm Street"
reason = "advises the other side"
custodians = ["ben.okafor"]
against = {{people = ["{WALLED}"]}}

[settings]
require_totp = false
"""
# What it would flag is flagged below by hand: this one only names the rules.
POLICY: Final = """id = "conduct"
version = 3
title = "Conduct"
author = "Dana Reyes"
approver = "Cara Voss"
effective = 2020-01-01
severity = "medium"
""" + "".join(f"""
[[rule]]
id = "{rule}"
why = "{rule}"
query = "{rule}"
""" for rule in ("new-account", "secrecy", "attachments", "side-promise", "payments"))
# Of a message: rule, severity, why, the words that were hit.
_FOUND: Final = (
    ("cousin", "new-account", "high", "Money is to go to another account than before.",
     "cousin's account"),
    ("cousin", "secrecy", "medium", "Somebody asks that a thing be kept quiet.", "Between us"),
    ("invoice", "attachments", "low", "A file that is asked to be opened.", "open it"),
    ("curtains", "side-promise", "medium", "A promise beside the contract.", "agreed"),
    ("account number", "payments", "low", "Somebody asks for an account number.",
     "account number"),
    ("lender", "payments", "low", "A lender is named.", "lender"),
)


def build(home: Path) -> None:
    """The data folder: captured, flagged, reviewed in part, archived, indexed."""
    home.mkdir(mode=0o700)
    (home / "directory.toml").write_text(DIRECTORY, "utf-8")
    access = home / "access.toml"
    access.touch(mode=0o600)
    access.write_text(ACCESS, "utf-8")
    (home / "policies").mkdir(mode=0o700)
    (home / "policies" / "conduct.toml").write_text(POLICY, "utf-8")
    clock = Clock(START)
    wire = Wire(load(home), clock, Random("review"))
    wire.provision()
    line = Line(wire, clock)
    said = list(firm.said())
    wire.recorder("gateway").record_all(said)
    wire.recorder("search").record_all(list(_flags(said)))
    line.archive()
    clock.now = START + 6 * 60 * _MINUTE
    _reviewed(wire, clock)
    line.archive()
    _accounts(wire)
    wire.last_words()


def _flags(said: list[CapturedEvent]) -> list[CapturedEvent]:
    out = []
    for words, rule, severity, why, hit in _FOUND:
        for one in said:
            text = one.text or ""
            if words not in text or hit not in text:
                continue
            start = text.index(hit)
            out.append(flag_event(Flag(
                message_key(one), "conduct", rule, 3, severity, one.revision, why, "0" * 64,
                (Place(message_key(one), event_id(one), ((start, start + len(hit)),)),)),
                one.captured_at + 5 * _MINUTE, 8))
    return out


def _reviewed(wire: Wire, clock: Clock) -> None:
    """Some of what was flagged is decided: by three people, at different paces."""
    policy = load_access(wire.home / "access.toml")
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("search", log)
        parts = Reviewing(wire, state_store(wire), lambda: policy, recorder)
        viewers = [viewer_of(policy, wire.directory(), one, clock.now)
                   for one in (SUPERVISOR, SECOND, REVIEWER)]
        rows = parts.desk.queue(viewers[0], Filters(rule="payments"), 50).rows
        said = (("false_positive", "The number of our own client account."), ("clear", ""),
                ("breach", "Sent to a private address, against the procedure."),
                ("escalate", "I cannot tell who the lender is."))
        for number, row in enumerate(rows[:9]):
            viewer, (decision, reason) = viewers[number % 3], said[number % 4]
            parts.desk.open(viewer, row.doc_id)
            clock.now += (4 + 20 * (number % 3)) * 1_000
            parts.desk.act(viewer, row.doc_id, Form("decide", decision, reason))
            clock.now += _MINUTE
        recorder.beat(clock.now, wire.directory().firm_years(), stopping=True)


def _accounts(wire: Wire) -> None:
    policy = load_access(wire.home / "access.toml")
    with closing(wire.capture_log()) as log:
        auditor = Auditor(wire.recorder("search", log), AuditSettings(
            domains.ROLE_NAMES[domains.FIRM], wire.directory().firm_years()), wire.clock,
            wire.random)
        admin = Desk(wire, lambda: policy, auditor, state_store(wire)).admin
        for person in PEOPLE:
            admin.add(person, "the operator", PASSWORD, is_own=True)
