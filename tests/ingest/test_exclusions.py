"""Personal chats that the directory names are left out before anything of them is sealed; a daily
count for each conversation remains (PROTOCOL C4, S10)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.embedded.ring import SqliteRing
from infra.embedded.spool import SqliteSpool
from ingest.delivery import Deliverer, rebuild
from ingest.doors import Knock, readmit
from ingest.exclusion_counts import ExclusionCounts
from ingest.exclusions import Count, Counts, Day, added, count_events, counted, is_excluded
from ingest.quarantine import replay
from schemas import events, gaps, identity
from schemas.directory import Directory, Exclusion
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from tests.fakes.spool import FakeSpool
from tests.ingest import test_delivery as given_delivery
from tests.ingest.doorway import (
    APP_SECRET,
    DIRECTORY,
    FIRM_NUMBER,
    NOW,
    USUAL,
    Clock,
    Doorway,
    Random,
    change,
    hub_headers,
    text_message,
    twilio_form,
    twilio_headers,
    until,
    whatsapp_body,
)

ACCOUNT = "+" + FIRM_NUMBER
SPOUSE = "16505559999"
CANARY = "zephyr-marmalade"
EXCLUSION = Exclusion("whatsapp", ACCOUNT, "spouse", counterparty="+" + SPOUSE)
EXCLUDING = replace(DIRECTORY, exclusions=(EXCLUSION,), source=b"# with an exclusion\n")
DAY_MS = 86_400_000


def spouse(number: int, body: str = CANARY, **more: Any) -> dict[str, Any]:
    """What the spouse writes."""
    return {**text_message(number, body, SPOUSE), **more}


def post(doorway: Doorway, *bodies: bytes) -> list[int]:
    """The answers of a gateway that lives for these deliveries."""
    async def main() -> list[int]:
        async with doorway.running() as client:
            return [(await client.post("/hooks/whatsapp", content=body,
                                       headers=hub_headers(body))).status_code for body in bodies]
    return asyncio.run(main())


def counts_of(found: Iterable[CapturedEvent]) -> list[tuple[str, str, int, int]]:
    """(conversation, day, items, messages) of every count among events. One that a slow machine
    made the gateway say twice is one: they have one id."""
    said = {identity.event_id(one): one for one in found
            if one.kind == events.GAP and one.detail("reason") == "excluded"}
    return sorted((one.detail("conversation") or "", one.detail("day") or "",
                   int(one.detail("items") or 0), int(one.detail("messages") or 0))
                  for one in said.values())


PAIR = identity.pair(ACCOUNT, "+" + SPOUSE)


def test_an_excluded_chat_is_left_out_and_counted(tmp_path: Path) -> None:
    """Text, receipt and edit alike; 200, no event of it, one count for the day; the neighbour of
    another chat is there with its exact bytes, and says that its delivery was cut."""
    doorway = Doorway(tmp_path, directory=EXCLUDING)
    edit = {"from": SPOUSE, "id": "wamid.9", "timestamp": str(NOW // 1000 - 50), "type": "edit",
            "edit": {"original_message_id": "wamid.1", "message": {
                "type": "text", "text": {"body": CANARY}}}}
    receipt = json.dumps({"object": "whatsapp_business_account", "entry": [{
        "id": "1", "changes": [{"field": "messages", "value": {
            **change()["value"], "statuses": [{
                "id": "wamid.1", "status": "read", "timestamp": str(NOW // 1000 - 40),
                "recipient_id": SPOUSE}]}}]}]}).encode()
    assert post(doorway, whatsapp_body(spouse(1)), whatsapp_body(edit, text_message(2)),
                receipt) == [200, 200, 200]
    (kept,) = doorway.events("message")
    item = json.dumps(text_message(2), separators=(",", ":")).encode()
    assert (kept.native_id, kept.raw, kept.observations) == (
        "wamid.2", item, ("delivery_cut",))
    assert kept.delivery is not None
    assert (kept.delivery.headers, kept.delivery.verdict) == ((), "hub-sha256")
    assert counts_of(doorway.events()) == [(PAIR, "2025-11-21", 3, 1)]
    assert doorway.events("edit", "receipt", "quarantine", "unknown") == []


def test_a_count_says_where_and_when_and_how_much_and_no_more(tmp_path: Path) -> None:
    """Its time is the stop's or the day's end, never a message's; it lies in the firm's domain and
    is no gap that anybody would close."""
    doorway = Doorway(tmp_path, directory=EXCLUDING)
    post(doorway, whatsapp_body(spouse(1), spouse(2)))
    (count,) = doorway.events("gap")
    assert dict(count.details) == {
        "reason": "excluded", "phase": gaps.MEANT, "channel": "whatsapp", "account": ACCOUNT,
        "conversation": PAIR, "day": "2025-11-21", "why": "spouse", "items": "2",
        "messages": "2", "from": "1763683200000", "until": "1763769600000"}
    assert count.text == "2025-11-21: 2 items left out, 2 of them messages: spouse"
    assert (count.raw, count.actor, count.participants, count.delivery) == (None, None, (), None)
    assert gaps.gaps_of([count]) == []


def parts_of(body: bytes) -> list[dict[str, Any]]:
    """The items of a cut delivery: one on each line."""
    return [json.loads(line) for line in body.split(b"\n") if line]


def test_a_cut_delivery_of_several_custodians_keeps_each_slice(tmp_path: Path) -> None:
    """Slices under their own keys and a rest without envelope; what is rebuilt is the rest of the
    items, in order, and nobody's name but theirs."""
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        change(text_message(1), spouse(2), text_message(3)),
        change(text_message(4), number="15550009999")]}]}).encode()
    doorway = Doorway(tmp_path, directory=EXCLUDING)
    assert post(doorway, body) == [200]
    made = doorway.events()
    (rebuilt,) = rebuild(made)
    assert [one["id"] for one in parts_of(rebuilt.body)] == ["wamid.1", "wamid.3", "wamid.4"]
    assert {one.custodian for one in doorway.events("message")} == {"asmith", "bjones"}
    assert {one.observations for one in doorway.events("message")} == {("delivery_cut",)}
    assert all(SPOUSE.encode() not in (one.raw or b"") for one in made if one.kind != "directory")


@pytest.mark.parametrize("body", [
    whatsapp_body(spouse(1)),
    whatsapp_body(text_message(2), spouse(1), {"id": 7}, text_message(3)),
    json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "history", "value": {**change()["value"], "messages": [], "history": [{
            "metadata": {"phase": 0, "chunk_order": 1}, "threads": [
                {"id": SPOUSE, "messages": [spouse(1), {
                    **spouse(2), "from": FIRM_NUMBER}]},
                {"id": "16505551234", "messages": [text_message(3)]}]}]}}]}]}).encode(),
])
def test_the_excluded_text_is_nowhere(tmp_path: Path, body: bytes) -> None:
    """Not on the log, opened; not in a file of the gateway's, spool and counts; not in a name or a
    hash's input that is kept; with a control run that finds it without the exclusion."""
    for directory, found in ((EXCLUDING, False), (DIRECTORY, True)):
        folder = tmp_path / str(found)
        folder.mkdir()
        spool = SqliteSpool(folder / "spool.db")
        doorway = Doorway(folder, directory=directory, spool=cast(Any, spool))
        post(doorway, body)
        spool.close()
        opened = [one.plain for records in doorway.keys.opened(doorway.log) for one in records]
        files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        assert any(CANARY.encode() in one for one in (*opened, *files)) is found
        # Who wrote is in the count alone.
        named = [one for one in doorway.events() if SPOUSE in repr(one)]
        kinds = {one.kind for one in named}
        assert kinds >= {events.MESSAGE} if found else kinds == {events.GAP}


def test_what_waits_is_sealed_and_survives(tmp_path: Path) -> None:
    """Killed before the day's end: the next process says the count; the file names nobody."""
    spool = SqliteSpool(tmp_path / "spool.db")
    key, clock = bytes(32), Clock()
    day = Day("whatsapp", ACCOUNT, PAIR, "2025-11-21", "spouse")
    first = ExclusionCounts(spool, key, b"c" * 16, Random("one"))
    first.add([(day, Count(2, 1))], clock())
    first.add([(day, Count(1, 1))], clock() + 5)
    spool.close()
    assert SPOUSE.encode() not in b"".join(
        one.read_bytes() for one in tmp_path.iterdir() if one.is_file())
    spool = SqliteSpool(tmp_path / "spool.db")
    second = ExclusionCounts(spool, key, b"c" * 16, Random("two"))
    assert second.ready(clock() + 10) == ()
    (ready,) = second.ready(clock() + DAY_MS)
    assert ready.counts == {day: Count(3, 2)}
    # Said, but killed before that was noted: the same again, beside what came since.
    third = ExclusionCounts(spool, key, b"c" * 16, Random("three"))
    third.add([(day, Count(1, 1))], clock() + DAY_MS)
    again, later = third.ready(clock() + DAY_MS, stopping=True)
    assert (again, later.counts) == (ready, {day: Count(1, 1)})
    third.said(again)
    third.said(later)
    assert ExclusionCounts(spool, key, b"c" * 16, Random("four")).ready(0, stopping=True) == ()
    spool.close()


def test_counts_that_another_key_sealed_are_not_passed_over() -> None:
    """They are refused by name, not begun anew."""
    memory = FakeSpool()
    ExclusionCounts(memory, bytes(32), b"c" * 16, Random("one")).add(
        [(Day("sms", "a", "b", "2025-01-01", "w"), Count(1, 1))], NOW)
    with pytest.raises(Refused, match="do not open"):
        ExclusionCounts(memory, b"1" * 32, b"c" * 16, Random("two")).ready(NOW)


def test_a_count_that_cannot_be_kept_is_no_answer(tmp_path: Path) -> None:
    """The provider is told to come again: nothing may be left out in silence."""
    doorway = Doorway(tmp_path, directory=EXCLUDING)
    remember = doorway.spool.remember

    def broken(name: str, value: bytes) -> None:
        doorway.spool.broken = name == "exclusions"
        try:
            remember(name, value)
        finally:
            doorway.spool.broken = False

    doorway.spool.remember = broken  # type: ignore[method-assign]
    assert post(doorway, whatsapp_body(spouse(1)), whatsapp_body(text_message(2))) == [503, 200]
    assert [one.native_id for one in doorway.events("message")] == ["wamid.2"]


def test_a_day_ends_while_the_gateway_runs(tmp_path: Path) -> None:
    """Each day has its own count, by the items' own time; what came over the log and what waits
    is counted once."""
    doorway = Doorway(tmp_path, settings=replace(USUAL, tick_s=0.005), directory=EXCLUDING)

    async def main() -> None:
        async with doorway.running() as client:
            async def say(number: int, at: int) -> None:
                body = whatsapp_body(spouse(number, timestamp=str(at // 1000)))
                answer = await client.post("/hooks/whatsapp", content=body,
                                           headers=hub_headers(body))
                assert answer.status_code == 200
            await say(1, NOW)
            await say(2, NOW - DAY_MS)
            doorway.clock.now += DAY_MS
            await until(lambda: bool(counts_of(doorway.events())))
            await say(3, NOW + DAY_MS)
    asyncio.run(main())
    assert counts_of(doorway.events()) == [
        (PAIR, "2025-11-20", 1, 1), (PAIR, "2025-11-21", 1, 1), (PAIR, "2025-11-22", 1, 1)]


def test_a_load_without_the_exclusion_captures_again(tmp_path: Path) -> None:
    """From the next delivery on; each load is an event, with the list in it."""
    doorway = Doorway(tmp_path, directory=EXCLUDING)

    async def main() -> None:
        async with doorway.running() as client:
            for number, directory in enumerate((EXCLUDING, DIRECTORY)):
                await doorway.gateway.use_directory(directory)
                body = whatsapp_body(spouse(number))
                await client.post("/hooks/whatsapp", content=body, headers=hub_headers(body))
    asyncio.run(main())
    assert [one.native_id for one in doorway.events("message")] == ["wamid.1"]
    assert [one.detail("exclusions") for one in doorway.events("directory")] == ["1", None]


def test_a_text_message_is_excluded_with_its_pictures(tmp_path: Path) -> None:
    """A delivery that is one item leaves nothing at all; Twilio gets its answer."""
    directory = replace(EXCLUDING, exclusions=(replace(EXCLUSION, channel="sms"),))
    doorway = Doorway(tmp_path, directory=directory)

    async def main() -> list[int]:
        async with doorway.running() as client:
            out = []
            for number, sender in enumerate(("+" + SPOUSE, "+16505551234")):
                form = twilio_form(number, From=sender, Body=CANARY, NumMedia="1",
                                   MediaUrl0="https://api.twilio.com/x", MediaContentType0="a/b")
                headers = twilio_headers("https://hooks.firm.example/hooks/twilio", form)
                answer = await client.post("/hooks/twilio", content=form, headers=headers)
                out.append(answer.status_code)
            return out
    assert asyncio.run(main()) == [200, 200]
    (kept,) = doorway.events("message")
    assert (kept.actor and kept.actor.native_id, kept.observations.count("delivery_cut")) == (
        "+16505551234", 0)
    assert [one[2:] for one in counts_of(doorway.events())] == [(1, 1)]


MESSAGE = CapturedEvent(
    kind=events.MESSAGE, channel="whatsapp", source="test/1", account=ACCOUNT, conversation=PAIR,
    captured_at=NOW, occurred_at=NOW - 60_000, actor=Identity("+" + SPOUSE, "e164"))
GROUP = replace(MESSAGE, conversation="group:1")
HANDED_IN = replace(MESSAGE, occurred_at=None, provenance=events.CUSTODIAN_SUPPLIED)


@pytest.mark.parametrize(("exclusion", "event", "meant"), [
    (EXCLUSION, MESSAGE, True),
    (EXCLUSION, replace(MESSAGE, account="+15550009999"), False),
    (EXCLUSION, replace(MESSAGE, channel="sms"), False),
    (replace(EXCLUSION, channel="sms"), replace(MESSAGE, channel="mms"), True),
    (EXCLUSION, GROUP, False),
    (Exclusion("whatsapp", ACCOUNT, "choir", conversation="group:1"), GROUP, True),
    (replace(EXCLUSION, since=NOW), MESSAGE, False),
    (replace(EXCLUSION, until=NOW), MESSAGE, True),
    (replace(EXCLUSION, since=NOW - 60_000, until=NOW), MESSAGE, True),
    (replace(EXCLUSION, until=NOW - 60_000), MESSAGE, False),
    (Exclusion("whatsapp", ACCOUNT, "x", counterparty="US.12"),
     replace(MESSAGE, details=(("peer_user_id", "US.12"),)), True),
    (Exclusion("whatsapp", ACCOUNT, "x", counterparty="US.12"),
     replace(GROUP, details=(("peer_user_id", "US.12"),)), False),
    # An export knows its other side by the telephone's name for it; a provider's word is no title.
    (Exclusion("whatsapp", ACCOUNT, "x", counterparty="My Spouse"), replace(
        HANDED_IN, conversation="export:1", details=(("title", "my  spouse"),)), True),
    (Exclusion("whatsapp", ACCOUNT, "x", counterparty="My Spouse"), replace(
        HANDED_IN, conversation="export:1", details=(("title", "My Spouse's boss"),)), False),
    (Exclusion("whatsapp", ACCOUNT, "x", counterparty="My Spouse"), replace(
        GROUP, details=(("title", "My Spouse"),)), False),
    # A provider's time of 1970 is not believed, a handed-in file's is.
    (replace(EXCLUSION, until=NOW - DAY_MS), replace(MESSAGE, occurred_at=5), False),
    (replace(EXCLUSION, until=NOW - DAY_MS), replace(
        MESSAGE, occurred_at=5, provenance=events.CUSTODIAN_SUPPLIED), True),
    # What a later export says of a line is of that line's time, with a zone or without.
    (replace(EXCLUSION, until=NOW - DAY_MS), replace(
        HANDED_IN, kind=events.EDIT, details=(("line_local", "2020-03-13T10:05"),)), True),
    (replace(EXCLUSION, since=NOW - DAY_MS), replace(
        HANDED_IN, kind=events.EDIT, details=(("line_local", "2020-03-13T10:05"),)), False),
    (replace(EXCLUSION, until=NOW - DAY_MS), replace(
        HANDED_IN, kind=events.DERIVED, details=(("not_before_local", "2020-03-13T10:05"),)), True),
    (replace(EXCLUSION, since=NOW - DAY_MS), replace(
        HANDED_IN, occurred_local="2020-03-13T10:05"), False),
])
def test_which_events_an_exclusion_means(exclusion: Exclusion, event: CapturedEvent,
                                         meant: bool) -> None:
    """The account, the talk of two or the named conversation, within its time; an importer asks
    the same."""
    directory = Directory(exclusions=(exclusion,))
    assert (is_excluded(directory, event) is exclusion) is meant
    assert is_excluded(DIRECTORY, event) is None


def test_a_replay_leaves_out_too() -> None:
    """What was rejected or in quarantine and is the spouse's: a count each, no message."""
    body = whatsapp_body(spouse(1), text_message(2))
    deliverer = Deliverer(given_delivery.ROUTER, EXCLUDING)
    knock = Knock("whatsapp", "POST", "", "application/json",
                  tuple(hub_headers(body).items()), body)
    made = readmit(knock, NOW, {"whatsapp": (APP_SECRET,)}, deliverer,
                   {"whatsapp": given_delivery.WHATSAPP})
    assert made is not None
    assert [one.kind for one in made] == ["message", "gap"]
    request = given_delivery.request(body)

    def failing(_body: bytes, _type: str, _at: int) -> Any:
        raise ValueError("a defect")

    (item,) = deliverer.deliver(request, failing)
    again = replay(item, (), {"whatsapp": given_delivery.WHATSAPP}, deliverer)
    assert [(one.kind, one.native_id) for one in again.events if one.kind == "message"] == [
        ("message", "wamid.2")]
    assert counts_of(again.events) == [(PAIR, "2025-11-21", 1, 1)]


def test_what_cannot_be_written_is_set_aside_without_the_excluded(tmp_path: Path) -> None:
    """Neither the second nor the third way to keep a delivery keeps what is excluded."""
    def broken(body: bytes, content_type: str, at: int) -> Any:
        parsed = given_delivery.WHATSAPP(body, content_type, at)
        return replace(parsed, events=tuple(
            replace(one, details=(("x", 5),)) for one in parsed.events))  # type: ignore[arg-type]

    doorway = Doorway(tmp_path, directory=EXCLUDING, parses={"whatsapp": broken})
    assert post(doorway, whatsapp_body(text_message(1), spouse(2))) == [200]
    kept = doorway.events("quarantine")
    assert kept
    assert any(b"wamid.1" in (one.raw or b"") for one in kept)
    assert not any(CANARY.encode() in (one.raw or b"") for one in doorway.events())
    assert counts_of(doorway.events()) == [(PAIR, "2025-11-21", 1, 1)]


ITEMS = st.lists(st.tuples(st.booleans(), st.sampled_from((FIRM_NUMBER, "15550009999"))),
                 min_size=1, max_size=12)


@given(ITEMS, ITEMS)
def test_any_mixture_keeps_the_others_exactly(first: list[tuple[bool, str]],
                                              second: list[tuple[bool, str]]) -> None:
    """Of any batch: the others with their own bytes, each once; the number of the left out."""
    numbered = iter(range(100))
    bodies: dict[str, bytes] = {}

    def item(is_spouse: bool) -> Mapping[str, Any]:
        number = next(numbered)
        made = spouse(number) if is_spouse else text_message(number, f"n{number}")
        bodies[str(made["id"])] = json.dumps(made, separators=(",", ":")).encode()
        return made

    changes = [change(item(one), number=number) for one, number in (*first, *second)]
    body = json.dumps({"object": "whatsapp_business_account", "entry": [
        {"id": "1", "changes": changes}]}, separators=(",", ":")).encode()
    directory = replace(EXCLUDING, exclusions=(EXCLUSION, replace(
        EXCLUSION, account="+15550009999")))
    taken = Deliverer(given_delivery.ROUTER, directory).take(
        given_delivery.request(body), given_delivery.WHATSAPP)
    left_out = sum(one for one, _ in (*first, *second))
    assert sum(count.items for _, count in taken.excluded) == left_out
    kept = [one for one in taken.events if one.kind == events.MESSAGE]
    assert len(kept) == len(bodies) - left_out
    assert not any(SPOUSE in repr(one) for one in taken.events)
    if kept:
        (rebuilt,) = rebuild(taken.events)
        assert [one for one in rebuilt.body.split(b"\n") if one] == (
            [bodies[one.native_id or ""] for one in kept] if left_out else [body])


def test_counts_add_up_in_any_order() -> None:
    """And name themselves: recorded twice under one name they are the same events."""
    one, two = (Day("sms", "a", conversation, "2025-01-01", "w") for conversation in "bc")
    counts: Counts = added({}, [(one, Count(1, 1)), (two, Count(2, 0)), (one, Count(1, 0))])
    assert counts == {one: Count(2, 1), two: Count(2, 0)}
    first, again = (count_events(counts, "n", at, 8) for at in (NOW, NOW + 9))
    assert [identity.event_id(event) for event in first] == [
        identity.event_id(event) for event in again]
    assert [replace(event, captured_at=NOW) for event in again] == list(first)
    assert counted(MESSAGE, EXCLUSION) == (
        Day("whatsapp", ACCOUNT, PAIR, "2025-11-21", "spouse"), Count(1, 1))


def test_the_ring_is_named_for_what_it_is(tmp_path: Path) -> None:
    """A request that fails its check is sealed before anybody knows whose it is: bounded, opened by
    the archiver's key alone, and left out when it is read again."""
    doorway = Doorway(tmp_path, directory=EXCLUDING)
    body = whatsapp_body(spouse(1))

    async def main() -> int:
        async with doorway.running() as client:
            answer = await client.post("/hooks/whatsapp", content=body,
                                       headers=hub_headers(body, b"another"))
            return answer.status_code
    assert asyncio.run(main()) == 401
    assert not any(CANARY.encode() in path.read_bytes() for path in tmp_path.iterdir())
    ring = SqliteRing(tmp_path / "rejected.db")
    assert CANARY.encode() in doorway.keys.open_blob(ring.blob(next(ring.rows()).sequence))
    ring.close()
