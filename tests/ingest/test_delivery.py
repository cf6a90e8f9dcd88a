"""Raw bytes: kept once, never under another's key, rebuilt byte for byte (PROTOCOL S10, C4, K4)."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Parse, Request, only_encodable, rebuild
from ingest.signatures import verify_hub
from schemas import codec, domains, events
from schemas.directory import Account, ConversationRule, Custodian, Directory
from schemas.errors import Refused
from schemas.events import CapturedEvent, Delivery, Parsed, Quarantined
from schemas.identity import delivery_id, event_id
from tests.ingest.doorway import (
    APP_SECRET,
    DIRECTORY,
    FIRM_NUMBER,
    NOW,
    Clock,
    Keys,
    change,
    hub_headers,
    text_message,
    whatsapp_body,
)

ROUTER = Keys(Clock()).router
WHATSAPP = ADAPTERS["whatsapp"].parse
NUMBERS = (FIRM_NUMBER, "15550009999", "15557777777")


def request(body: bytes) -> Request:
    """An authenticated WhatsApp delivery."""
    return Request("whatsapp", "whatsapp", "application/json", body, NOW,
                   tuple(sorted(hub_headers(body).items())), "hub-sha256", "1")


def deliver(body: bytes, parse: Parse = WHATSAPP,
            directory: Directory = DIRECTORY) -> tuple[CapturedEvent, ...]:
    """Through the codec and back, as the archive would give it."""
    made = Deliverer(ROUTER, directory).deliver(request(body), parse)
    decoded = tuple(codec.decode(codec.encode(one)) for one in made)
    assert decoded == made
    return made


def cut(*items: tuple[str, int, int], body: bytes, bad: Sequence[tuple[int, int]] = (),
        kind: str = events.MESSAGE) -> Parse:
    """An adapter that finds an item for each (account, start, end)."""
    return lambda _body, _type, at: Parsed(
        tuple(CapturedEvent(
            kind=kind, channel="whatsapp", source="test/1", account=account,
            conversation=f"pair:{number}", captured_at=at, native_id=f"id{number}",
            delivery=Delivery(b"", start, end))
            for number, (account, start, end) in enumerate(items)),
        tuple(Quarantined("bad", body[start:end], start, end) for start, end in bad))


def check(body: bytes, made: Sequence[CapturedEvent]) -> None:
    """S10's promises for one delivery."""
    rebuilt = rebuild(made)
    assert [one.body for one in rebuilt] == [body]
    headers = dict(rebuilt[0].headers)
    assert verify_hub([APP_SECRET], headers["x-hub-signature-256"], rebuilt[0].body) == "1"
    assert (rebuilt[0].verdict, rebuilt[0].secret_id) == ("hub-sha256", "1")
    # Every byte once.
    assert sum(len(one.raw or b"") for one in made) == len(body)
    found = {ROUTER.domain(one) for one in made}
    if len(found) > 1:
        for one in made:
            assert one.delivery is not None and not one.delivery.whole


def test_one_custodian_keeps_the_body_whole_in_the_first_event() -> None:
    """The others refer to it by delivery id and range; nothing is copied."""
    body = whatsapp_body(*(text_message(n) for n in range(5)))
    made = deliver(body)
    check(body, made)
    assert [one.raw for one in made] == [body, None, None, None, None]
    assert [one.custodian for one in made] == ["asmith"] * 5
    named = delivery_id(NOW, body)
    for number, one in enumerate(made):
        assert one.delivery is not None
        assert one.delivery.delivery_id == (named if number else b"")
        item = json.loads(body[one.delivery.start:one.delivery.end])
        assert item["id"] == f"wamid.{number}"


def test_two_clients_of_one_custodian_get_their_own_slices() -> None:
    """An export of one conversation hands out archived bytes: never another client's with them."""
    made = deliver(whatsapp_body(text_message(1, "alpha"),
                                 text_message(2, "bravo", sender="16505550000")))
    check(whatsapp_body(text_message(1, "alpha"),
                        text_message(2, "bravo", sender="16505550000")), made)
    first, second, rest = made
    assert first.custodian == second.custodian == "asmith"
    assert b"alpha" in (first.raw or b"") and b"bravo" not in (first.raw or b"")
    assert b"bravo" in (second.raw or b"") and b"alpha" not in (second.raw or b"")
    assert rest.kind == events.DELIVERY


def test_two_custodians_get_their_own_slices() -> None:
    """Nobody's words lie under another's key; the envelope lies under the firm's."""
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        change(text_message(1, "alpha"), number=NUMBERS[0]),
        change(text_message(2, "bravo"), number=NUMBERS[1])]}]}).encode()
    made = deliver(body)
    check(body, made)
    first, second, rest = made
    assert (first.custodian, second.custodian) == ("asmith", "bjones")
    assert b"alpha" in (first.raw or b"") and b"bravo" not in (first.raw or b"")
    assert b"bravo" in (second.raw or b"") and b"alpha" not in (second.raw or b"")
    assert rest.kind == events.DELIVERY
    assert domains.role_of(rest) == domains.FIRM
    assert b"alpha" not in (rest.raw or b"") and b"bravo" not in (rest.raw or b"")
    assert (rest.retention_class, rest.retention_years) == ("firm", 11)


@given(st.integers(0, 2**32), st.integers(1, 12), st.sampled_from([0, 1, 2, 3]))
def test_any_split_over_custodians_rebuilds_and_verifies(seed: int, count: int, bad: int) -> None:
    """Whoever the items belong to, whatever is malformed, wherever a month ends: the body comes
    back byte for byte and its signature verifies, and no byte is kept twice."""
    chance = random.Random(seed)
    changes = []
    for number in range(count):
        item = text_message(number, chance.choice(["ok", "caf\u00e9 \U0001f600", "\u4e2d\u6587"]),
                            at=NOW // 1000 - chance.choice([60, 40 * 86_400]))
        changes.append(change(item, number=chance.choice(NUMBERS)))
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{
        "id": "1", "changes": changes}]}).encode()
    for _ in range(min(bad, count)):
        good = f'"id": "wamid.{chance.randrange(count)}"'.encode()
        body = body.replace(good, chance.choice([b'"id": ]', b'"id": nul']), 1)
    check(body, deliver(body))


@given(st.integers(0, 2**32))
def test_any_ranges_of_an_adapter_rebuild(seed: int) -> None:
    """Overlapping, equal and empty ranges, of several custodians, some quarantined: never a byte
    lost or doubled, whatever an adapter says."""
    chance = random.Random(seed)
    body = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 40)))

    def span() -> tuple[int, int]:
        start = chance.randrange(len(body) + 1)
        return start, chance.randrange(start, len(body) + 1)

    items = [(f"+{chance.choice(NUMBERS)}", *span()) for _ in range(chance.randrange(5))]
    bad = [span() for _ in range(chance.randrange(3))]
    made = deliver(body, cut(*items, body=body, bad=bad))
    check(body, made)
    assert len({event_id(one) for one in made}) == len(made) or len(set(bad)) < len(bad)


def test_overlapping_items_of_two_custodians_lie_in_quarantine() -> None:
    """Bytes that are two people's at once are put under neither's key."""
    body = b"0123456789"
    made = deliver(body, cut(("+15550783881", 1, 6), ("+15550009999", 4, 9), body=body))
    check(body, made)
    assert [one.raw for one in made] == [None, None, b"12345678", b"09"]
    assert made[2].kind == events.QUARANTINE
    assert made[2].detail("reason") == "items under different keys overlap"


def test_an_item_that_is_also_the_firms_lies_with_its_custodian() -> None:
    """A gap that an adapter makes of a message does not move the words under the firm's key."""
    body = b"0123456789"

    def parse(at_body: bytes, content_type: str, at: int) -> Parsed:
        gap = cut(("+15550783881", 2, 5), body=body, kind=events.GAP)(at_body, content_type, at)
        said = cut(("+15550783881", 2, 5), body=body)(at_body, content_type, at)
        return Parsed(gap.events + said.events)

    made = deliver(body, parse)
    check(body, made)
    assert [(one.kind, one.raw) for one in made] == [
        (events.GAP, None), (events.MESSAGE, b"234"), (events.DELIVERY, b"0156789")]


def test_a_quarantined_item_has_its_bytes_its_reason_and_an_id_of_its_own() -> None:
    """It lies in the quarantine domain, kept for the longest class and a year; two of one
    delivery, and the same bytes in two deliveries, are different items."""
    body = whatsapp_body(text_message(1), text_message(2), text_message(3))
    for number in (2, 3):
        body = body.replace(f'"id":"wamid.{number}"'.encode(), b'"id":nul')
    made = deliver(body)
    check(body, made)
    held = [one for one in made if one.kind == events.QUARANTINE]
    assert [one.native_id for one in made if one.kind == events.MESSAGE] == ["wamid.1"]
    assert len(held) == 2
    for one in held:
        assert domains.role_of(one) == domains.QUARANTINE
        assert (one.text, one.native_id, one.account) == (None, None, f"+{FIRM_NUMBER}")
        assert one.detail("reason") and one.detail("door") == "whatsapp"
        assert (one.retention_class, one.retention_years) == ("quarantine", 11)
        assert b'"id":nul' in (one.raw or b"")
    later = Deliverer(ROUTER, DIRECTORY).deliver(
        replace(request(body), captured_at=NOW + 1), WHATSAPP)
    assert len({event_id(one) for one in [*made, *later] if one.kind == events.QUARANTINE}) == 4


@pytest.mark.parametrize("body", [b"", b"{}", b'{"object":"whatsapp_business_account"}', b"[]",
                                  b"not json at all", b"\x00\xff", b'{"entry":[{'])
def test_nothing_is_ever_dropped(body: bytes) -> None:
    """A delivery without an item, or that is no delivery at all, is one event with its bytes."""
    made = deliver(body)
    assert len(made) >= 1
    check(body, made)


def test_an_empty_delivery_is_unknown() -> None:
    """No item and nothing malformed: archived as unknown, not as quarantine."""
    made = deliver(b"{}", lambda _body, _type, _at: Parsed(()))
    assert [(one.kind, one.raw, one.observations) for one in made] == [
        (events.UNKNOWN, b"{}", ("delivery_empty",))]


def _raises(_body: bytes, _type: str, _at: int) -> Parsed:
    raise RuntimeError("content that must not be named")


@pytest.mark.parametrize("parse", [
    _raises,
    cut(("+1", 0, 99), body=b"12345"), cut(("+1", 3, 2), body=b"12345"),
    cut(("+1", -1, 2), body=b"12345"), cut(("+1", 0, 2), body=b"12345", bad=[(0, 99)]),
])
def test_an_adapter_that_fails_costs_nothing(parse: Parse) -> None:
    """An exception, or items outside the body: the whole body is one quarantine event."""
    made = deliver(b"12345", parse)
    check(b"12345", made)
    assert [one.kind for one in made] == [events.QUARANTINE]
    assert (made[0].detail("reason") or "").startswith("adapter failed: ")
    assert "content" not in (made[0].detail("reason") or "")


def test_an_event_that_cannot_be_written_is_quarantined_alone() -> None:
    """Half a UTF-16 pair that an adapter let through costs its neighbours nothing."""
    body = b"0123456789"
    inner = cut(("+15550783881", 1, 4), ("+15550783881", 5, 8), body=body)

    def parse(at_body: bytes, content_type: str, at: int) -> Parsed:
        good, bad = inner(at_body, content_type, at).events
        return Parsed((good, replace(bad, text="\ud800")))

    made = deliver(body, only_encodable(parse))
    check(body, made)
    assert [(one.kind, one.raw) for one in made] == [
        (events.MESSAGE, b"123"), (events.QUARANTINE, b"567"), (events.DELIVERY, b"0489")]


def test_the_directory_is_asked_for_the_time_that_retention_counts_from() -> None:
    """C4: custodian, class, years and compartment of that moment are written into the event."""
    handed_on = Directory(
        custodians=(Custodian("a", "A"), Custodian("b", "B", "long")),
        accounts=(Account("whatsapp", "+1", "a", until=NOW - 30_000),
                  Account("whatsapp", "+1", "b", since=NOW - 30_000)),
        conversations=(ConversationRule("pair:1", "matter"),),
        classes=(("default", 7), ("long", 10)))
    body = b"0123456789"
    inner = cut(("+1", 0, 1), ("+1", 1, 2), ("+2", 2, 3), body=body)

    def parse(at_body: bytes, content_type: str, at: int) -> Parsed:
        early, late, nobody = inner(at_body, content_type, at).events
        return Parsed((replace(early, occurred_at=NOW - 60_000), replace(late, occurred_at=NOW),
                       nobody))

    made = deliver(body, parse, handed_on)
    assert [(one.custodian, one.retention_class, one.retention_years, one.compartment)
            for one in made[:3]] == [
        ("a", "default", 7, ""), ("b", "long", 10, "matter"), ("", "unassigned", 10, "")]


_DAY = 86_400_000


@pytest.mark.parametrize(("before", "is_ground"), [
    (0, True), (60_000, True), (399 * _DAY, True), (400 * _DAY, True), (400 * _DAY + 1, False),
    (NOW - 100_000_000_000, False), (-1, False), (-60 * _DAY, False),
])
def test_a_time_of_long_ago_is_no_ground(before: int, is_ground: bool) -> None:
    """Retention counts from the provider's time only within the 400 days before ours: a time of
    1973 would lock for a day. Where the month is another one for it, the event says so."""
    event = CapturedEvent(
        kind=events.MESSAGE, channel="whatsapp", source="test/1", account="+1",
        conversation="pair:1", captured_at=NOW, native_id="1", occurred_at=NOW - before)
    assert (NOW - before if is_ground else NOW) == domains.ground_time(event)
    stamped = Deliverer(ROUTER, DIRECTORY).stamp(event, None)
    assert NOW - before == stamped.occurred_at
    assert domains.month_of(event) == domains.month_of(stamped)
    said = not is_ground and abs(before) > _DAY
    assert (("month_from_capture",) if said else ()) == stamped.observations
    assert stamped == Deliverer(ROUTER, DIRECTORY).stamp(stamped, None)


def test_a_time_that_nobody_vouches_for_is_no_ground_and_no_remark() -> None:
    """What an owner supplies counts from our time; that is the rule, not an oddity of the event."""
    event = CapturedEvent(
        kind=events.MESSAGE, channel="whatsapp", source="test/1", account="+1",
        conversation="pair:1", captured_at=NOW, native_id="1", occurred_at=NOW - 90 * _DAY,
        provenance=events.CUSTODIAN_SUPPLIED)
    assert NOW == domains.ground_time(event)
    assert () == Deliverer(ROUTER, DIRECTORY).stamp(event, None).observations


def test_another_directory_is_in_force_from_the_next_request_on() -> None:
    """A reload needs no restart."""
    deliverer = Deliverer(ROUTER, DIRECTORY)
    body = whatsapp_body(text_message(1))
    assert deliverer.deliver(request(body), WHATSAPP)[0].custodian == "asmith"
    deliverer.use(Directory())
    assert deliverer.deliver(request(body), WHATSAPP)[0].custodian == ""
    assert deliverer.directory == Directory()


def test_rebuild_says_when_bytes_are_missing_or_differ() -> None:
    """An erased custodian's slice, or two that contradict: never a body that was not received."""
    body = b"0123456789"
    made = list(deliver(body, cut(("+15550783881", 1, 4), ("+15550009999", 5, 8), body=body)))
    for wrong in (made[1:], [replace(made[0], raw=b"xyz"), *made[1:]],
                  [*made, replace(made[0], raw=b"xyz")]):
        with pytest.raises(Refused):
            rebuild(wrong)
    # The same delivery archived twice, and several deliveries, are fine.
    other = deliver(b"other", cut(("+15550783881", 1, 4), body=b"other"))
    assert [one.body for one in rebuild([*made, *other, *made])] == [b"other", body]
