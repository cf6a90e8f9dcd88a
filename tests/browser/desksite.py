"""A firm for the pages that watch over things, in a browser: a month of messages on two channels,
flags, reviews, searches, a request that waits, and an account for everybody.

Owns what was done before a browser opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra.access import load_access
from infra.signin import Desk as SignInDesk
from infra.signin import state_store
from infra.wire import clock as system_clock
from schemas import domains, events, gaps
from schemas.events import CapturedEvent
from search.audit import Auditor, AuditSettings
from search.policy.flags import Flag, flag_event
from tests.browser.firm import PASSWORD
from tests.web.deskworld import ANN, BOB, DAY, MINUTE, Desk, desk, key, message

PEOPLE: Final = ("sue", "dana", "lea", "otto", "ada")
DAYS: Final = 25
_HIDDEN: Final = re.compile(r'name="(key|basis)" value="([0-9a-f]*)"')


def build(home: Path) -> None:
    """The data folder of `tests.web.deskworld`, until today."""
    now = system_clock()
    start = now - (DAYS + 3) * DAY
    more = list(_month(start))
    with desk(home, start, more) as made:
        made.clock.now = now - 2 * 60 * MINUTE
        flagged = more[::9][:12]
        for place, one in enumerate(flagged):
            made.wire.recorder("search").record(flag_event(Flag(
                key(one), "money", "account" if place % 3 else "bank", 1,
                ("high", "medium", "low")[place % 3], one.revision,
                "Money is to go to another account.", "0" * 64),
                made.clock.now - place * 5 * 60 * MINUTE, 8))
        made.index()
        _work(made)
        made.clock.now = now - MINUTE
        made.post("sue", "/access", {
            "kind": "matter", "name": "4711", "minutes": "60",
            "reason": "the client called, and the supervisor of this matter is on leave"})
        made.index()
        _accounts(made)


def _month(start: int) -> Iterator[CapturedEvent]:
    for day in range(DAYS):
        weekend = (start // DAY + day + 4) % 7 in (0, 6)
        for number in range(2 if weekend else 7 + day * 5 % 11):
            at = start + (day + 1) * DAY + number * 17 * MINUTE
            own, custodian = ((ANN, "ann"), (BOB, "bob"))[number % 2]
            yield message(own, custodian, f"d{day}.{number}", at,
                          f"please use the new account, number {number}")
        for number in range(day * 3 % 5):
            found = message(BOB, "bob", f"s{day}.{number}", start + (day + 1) * DAY + number,
                            "call me back")
            yield replace(found, channel="sms", native_id=f"SM{day}.{number}")
    yield CapturedEvent(
        kind=events.GAP, channel="whatsapp", source="test/1", account=BOB.native_id,
        conversation="gap", captured_at=start + DAY, native_id="gap.1", custodian="bob",
        details=tuple(sorted(gaps.details("account_offboarded", gaps.OVER, since=start + DAY,
                                          until=start + 2 * DAY).items())))


def _work(made: Desk) -> None:
    """A morning of three people."""
    documents = made.documents("account")
    made.page("sue", "/search?q=account+from%3Amaria")
    made.clock.now += MINUTE
    for document in (documents[0], documents[1], documents[0]):
        made.clock.now += MINUTE
        made.page("dana", f"/message/{document}")
    made.clock.now += MINUTE
    made.page("dana", '/search?q="new account" AND NOT closed')
    made.clock.now += MINUTE
    made.page("dana", "/search?q=%22%E2%80%AEevil%22")
    made.get("lea", "/audit")
    made.get("rita", "/dashboard")
    for document, decision in zip(_flagged(made), ("false_positive", "clear", "breach"),
                                  strict=False):
        made.clock.now += MINUTE
        hidden = dict(_HIDDEN.findall(made.page("dana", f"/item/{document}")))
        made.clock.now += 20_000
        made.post("dana", f"/item/{document}/decide", {
            **hidden, "decision": decision, "reason": "looked at it with the client file"})


def _flagged(made: Desk) -> list[str]:
    return list(dict.fromkeys(re.findall(r"/item/([0-9a-f]{32})", made.page("dana", "/queue"))))


def _accounts(made: Desk) -> None:
    wire = made.wire
    auditor = Auditor(wire.recorder("search"), AuditSettings(
        domains.ROLE_NAMES[domains.FIRM], wire.directory().firm_years()), wire.clock, wire.random)
    policy = load_access(wire.home / "access.toml")
    admin = SignInDesk(wire, lambda: policy, auditor, state_store(wire)).admin
    for person in PEOPLE:
        admin.add(person, "the operator", PASSWORD, is_own=True)
