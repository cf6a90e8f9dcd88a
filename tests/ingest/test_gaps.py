"""What gap events say, and what a set of them means together (G8, CAPTURE case 16)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import permutations
from pathlib import Path

from ingest.adapters import whatsapp
from ingest.own import own_event
from schemas import codec, domains, events, gaps
from schemas.events import CapturedEvent
from schemas.gaps import Gap, compared, gaps_of
from schemas.identity import event_id
from tests.ingest.doorway import (
    NOW,
    PUBLIC_URL,
    TWILIO_TOKEN,
    Doorway,
    hub_headers,
    twilio_form,
    twilio_headers,
    until,
)
from tests.vendor.payloads import FIRM, change, envelope, meta, value

AT = 1_749_854_575
DAY = 86_400_000


def update(event: str, at: int = AT, **more: str) -> bytes:
    """An `account_update` about the firm's number."""
    return meta({"object": "whatsapp_business_account", "entry": [{
        "id": "102290129340398", "time": at,
        "changes": [change("account_update", {"event": event, "phone_number": FIRM, **more})]}]})


def read(body: bytes, captured_at: int = NOW) -> CapturedEvent:
    """The one event of a delivery."""
    parsed = whatsapp.parse(body, "application/json", captured_at)
    assert not parsed.quarantined
    (event,) = parsed.events
    codec.encode(event)
    return event


def said(reason: str, phase: str, at: int = NOW, name: str = "x", since: int | None = None,
         until: int | None = None, **more: str) -> CapturedEvent:
    """A gap event of our own."""
    return own_event(events.GAP, name, at, 8, gaps.details(reason, phase, since=since,
                                                           until=until, **more))


def report(since: int, end: int, missing: int, archived: int, at: int) -> CapturedEvent:
    """Of a comparison of SMS."""
    name, details = compared("sms", since, end, 10, missing, archived, at)
    return own_event(events.GAP, name, at, 8, details)


def refuse(door: Doorway, nothing: bool) -> None:
    """Neither log nor spool take anything, or both do again."""
    door.log.set_down(nothing)
    door.spool.bytes_max = 0 if nothing else 1 << 30


def test_case_16_an_offboarded_account_is_a_gap_from_that_time_on() -> None:
    """Its beginning is the provider's time; it goes on until the account is connected again."""
    begins = read(update("ACCOUNT_OFFBOARDED"))
    assert (events.GAP, f"+{FIRM}", AT * 1000) == (begins.kind, begins.account, begins.occurred_at)
    assert domains.role_of(begins) == domains.FIRM
    (gap,) = gaps_of([begins])
    assert gap == Gap("account_offboarded", "whatsapp", f"+{FIRM}", AT * 1000, None)
    assert gap.is_open
    ends = read(update("ACCOUNT_RECONNECTED", AT + 3600))
    (gap,) = gaps_of([ends, begins])
    assert (gap.since, gap.until) == (AT * 1000, (AT + 3600) * 1000)


def test_case_16_refused_history_is_a_gap_of_what_it_would_have_held() -> None:
    """180 days before the refusal, with the time of the entry or else of the capture."""
    body = envelope(change("history", value(history=[{
        "errors": [{"code": 2593109, "title": "History sharing is turned off"}]}])))
    (gap,) = gaps_of([read(meta(body))])
    assert (gap.reason, gap.since, gap.until) == ("history_refused", NOW - 180 * DAY, NOW)
    body["entry"][0]["time"] = AT
    (gap,) = gaps_of([read(meta(body))])
    assert (gap.since, gap.until) == (AT * 1000 - 180 * DAY, AT * 1000)


def test_case_16_a_retry_of_a_gap_is_the_same_gap() -> None:
    """The same bytes again, later: one fact."""
    first, again = (read(update("ACCOUNT_OFFBOARDED"), at) for at in (NOW, NOW + DAY))
    assert event_id(first) == event_id(again)
    assert len(gaps_of([first, again])) == 1
    refused = meta(envelope(change("history", value(history=[{"errors": [{"code": 2593109}]}]))))
    assert len(gaps_of([read(refused, at) for at in (NOW, NOW + DAY)])) == 1


def test_another_update_or_error_stays_what_it_was() -> None:
    """Only what is known to be a gap is called one; the rest is kept as unknown, words and all."""
    for body in (update("PARTNER_ADDED"), meta(envelope(change("history", value(history=[{
            "errors": [{"code": 1, "title": "other"}]}])))),
            update("X", event_two="ACCOUNT_OFFBOARDED")):
        assert read(body).kind == events.UNKNOWN
    odd = meta({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        change("account_update", {"event": ["ACCOUNT_OFFBOARDED"]})]}]})
    assert read(odd).kind == events.UNKNOWN


def test_gaps_are_a_function_of_the_set() -> None:
    """In any order, said twice or not: the same gaps."""
    offboarded = [read(update(name, AT + at)) for name, at in (
        ("ACCOUNT_OFFBOARDED", 0), ("ACCOUNT_RECONNECTED", 60), ("ACCOUNT_OFFBOARDED", 120))]
    overflow = said("spool_overflow", gaps.OVER, name="o", door="twilio", since=NOW,
                    until=NOW + 5)
    expected = gaps_of([*offboarded, overflow])
    assert [(one.reason, one.until is None) for one in expected] == [
        ("spool_overflow", False), ("account_offboarded", True), ("account_offboarded", False)]
    assert (expected[0].channel, expected[0].note) == ("sms", "door twilio")
    for order in permutations([*offboarded, overflow]):
        assert gaps_of([*order, order[0]]) == expected


def test_an_end_without_a_beginning_is_a_gap_whose_start_nobody_knows() -> None:
    """It ended, so it was."""
    (gap,) = gaps_of([read(update("ACCOUNT_RECONNECTED"))])
    assert (gap.since, gap.until) == (None, AT * 1000)


def test_a_comparison_closes_what_it_covers_and_proves_what_is_missing() -> None:
    """Nothing missing: complete. Missing and archived: filled. Missing still: proved, and a gap of
    its own until a later comparison finds it archived."""
    gap = said("spool_overflow", gaps.OVER, door="twilio", since=NOW, until=NOW + 5)
    assert [one.settled for one in gaps_of([gap, report(NOW, NOW + 6, 0, 0, NOW + DAY)])] == [
        gaps.COMPLETE]
    assert [one.settled for one in gaps_of([gap, report(NOW, NOW + 6, 2, 2, NOW + DAY)])] == [
        gaps.FILLED]
    proved = report(NOW - 1, NOW + 6, 2, 0, NOW + DAY)
    found = gaps_of([gap, proved])
    assert {(one.reason, one.settled, one.missing, one.is_open) for one in found} == {
        ("spool_overflow", gaps.PROVED, 2, True), ("provider_lists_more", gaps.PROVED, 2, True)}
    later = report(NOW - DAY, NOW + DAY, 0, 0, NOW + 2 * DAY)
    assert not any(one.is_open for one in gaps_of([later, proved, gap]))
    # Not all of it, or another channel: nothing is said.
    for other in (report(NOW + 1, NOW + 6, 0, 0, NOW + DAY), report(NOW, NOW + 4, 0, 0, NOW + DAY)):
        assert gaps_of([gap, other])[0].settled == gaps.OPEN
    whatsapp_gap = replace(gap, details=tuple(sorted({
        **dict(gap.details), "door": "whatsapp"}.items())))
    assert gaps_of([whatsapp_gap, report(NOW, NOW + 6, 0, 0, NOW + DAY)])[0].is_open


def test_what_came_late_closes_its_gap() -> None:
    """By name, and no other."""
    first, second = (said("parts_incomplete", gaps.OVER, name=f"parts_incomplete:{n}", set=n)
                     for n in ("a", "b"))
    late = said("settled", gaps.SETTLES, NOW + 1, name="settled:a", gap="parts_incomplete:a")
    assert {(one.note, one.settled) for one in gaps_of([late, first, second])} == {
        ("set a", gaps.CAME_LATE), ("set b", gaps.OPEN)}


def test_what_was_left_out_on_purpose_is_no_gap() -> None:
    """A personal chat's daily count (ingest/exclusions.py)."""
    assert gaps_of([said("excluded", gaps.MEANT)]) == []


def test_an_offboarded_account_is_an_alarm_at_once(tmp_path: Path) -> None:
    """The door that hears it says it, and that it is over."""
    async def play() -> None:
        door = Doorway(tmp_path)
        async with door.running() as client:
            for name, active in (("ACCOUNT_OFFBOARDED", True), ("ACCOUNT_RECONNECTED", False)):
                body = update(name)
                answer = await client.post("/hooks/whatsapp", content=body,
                                           headers=hub_headers(body))
                assert answer.status_code == 200
                assert ("capture_gap" in door.alarm_codes()) is active
        assert len(door.events(events.GAP)) == 2

    asyncio.run(play())


def test_a_spool_overflow_is_a_gap_with_start_and_end(tmp_path: Path) -> None:
    """What was answered 503 is said when the log is back: which door, from when until when, and
    how many requests."""
    async def play() -> None:
        door = Doorway(tmp_path, ack_s_max=0.05)
        url = f"{PUBLIC_URL}/hooks/twilio"
        async with door.running() as client:
            refuse(door, True)
            for number in range(3):
                form = twilio_form(number)
                answer = await client.post("/hooks/twilio", content=form,
                                           headers=twilio_headers(url, form, TWILIO_TOKEN))
                assert answer.status_code == 503
                door.clock.now += 1_000
            refuse(door, False)
            assert door.events(events.GAP) == []
            door.clock.now += 10_000
            await until(lambda: bool(door.events(events.GAP)))
            (event,) = door.events(events.GAP)
            (gap,) = gaps_of([event])
            assert (gap.reason, gap.channel, gap.since, gap.until) == (
                "spool_overflow", "sms", NOW, NOW + 2_000)
            assert event.detail("requests") == "3"
            await until(lambda: "capture_gap" in door.alarm_codes())
        assert len(door.events(events.GAP)) == 1

    asyncio.run(play())


def test_an_overflow_outlives_its_process(tmp_path: Path) -> None:
    """A gateway that is killed while it refuses says at its next start since when it did."""
    async def play() -> None:
        door = Doorway(tmp_path, ack_s_max=0.05)
        url = f"{PUBLIC_URL}/hooks/twilio"
        async with door.running() as client:
            refuse(door, True)
            form = twilio_form(1)
            assert (await client.post("/hooks/twilio", content=form,
                                      headers=twilio_headers(url, form))).status_code == 503
        later = Doorway(tmp_path, spool=door.spool, log=door.log, process="2")
        refuse(door, False)
        later.clock.now = NOW + DAY
        async with later.running():
            later.clock.now += 10_000
            await until(lambda: bool(later.events(events.GAP)))
        (gap,) = gaps_of(later.events(events.GAP))
        assert (gap.since, gap.until) == (NOW, NOW + DAY)

    asyncio.run(play())
