"""Whatever bytes arrive: nothing raises, nothing is lost, nothing is counted twice."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.adapters import ADAPTERS
from schemas import codec, findings, identity
from schemas.events import ALL_KINDS, CAPTURE_KINDS, CapturedEvent, Parsed
from tests.vendor.payloads import PAYLOADS, change, envelope, messages, meta, text, value

pytestmark = pytest.mark.slow

NOW = 1_749_854_600_000
_KEYS = st.sampled_from([
    "object", "entry", "changes", "value", "field", "messages", "statuses", "message_echoes",
    "errors", "history", "threads", "metadata", "contacts", "id", "from", "type", "timestamp",
    "text", "body", "image", "interactive", "nfm_reply", "reaction", "edit", "revoke", "message",
    "original_message_id", "system", "unsupported", "context", "status", "recipient_id", "wa_id",
    "profile", "name", "order", "product_items", "location", "display_phone_number",
])
_WORDS = st.sampled_from([
    "messages", "history", "text", "image", "reaction", "edit", "revoke", "system", "interactive",
    "unsupported", "contacts", "order", "location", "nfm_reply", "16505551234", "wamid.A", "",
    "1749854575", "read", "group", "\ud83d", "\x00", "US.1",
])
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=12,
)


def check(body: bytes, result: Parsed) -> None:
    """What holds for every result: ranges in the body, disjoint, and every event encodable."""
    ranges = [(one.delivery.start, one.delivery.end) for one in result.events if one.delivery]
    assert len(ranges) == len(result.events)
    for one in result.quarantined:
        assert one.raw == body[one.start:one.end]
        ranges.append((one.start, one.end))
    ranges.sort()
    assert all(0 <= start <= end <= len(body) for start, end in ranges)
    assert all(one[1] <= two[0] for one, two in pairwise(ranges))
    for event in result.events:
        assert event == codec.decode(codec.encode(event))
        assert event.kind in ALL_KINDS & CAPTURE_KINDS
        assert set(event.observations) <= set(findings.OBSERVATIONS)
        assert event.details == tuple(sorted(event.details))
        assert len(event.details) == len({name for name, _ in event.details})
        identity.message_key(event)
        identity.shared_key(event)


def parse(provider: str, body: bytes, content_type: str = "") -> Parsed:
    """The result of a body, checked."""
    result = ADAPTERS[provider].parse(body, content_type, NOW)
    check(body, result)
    assert result.events or result.quarantined, "a delivery left no trace"
    return result


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_kept(body: bytes) -> None:
    """Bytes that are nothing at all are quarantined whole; none raises."""
    parse("whatsapp", body)
    for content_type in ("", "application/json", "text/plain"):
        parse("twilio", body, content_type)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(_ANY)
def test_any_json_in_any_place_is_kept(noise: Any) -> None:
    """Known keys with values of any type, at every level of the envelope."""
    sound = text("wamid.SOUND", "words")
    members = noise if isinstance(noise, dict) else {"messages": noise}
    for document in (
        noise,
        {"entry": noise},
        {"entry": [{"changes": noise}]},
        envelope(change("messages", noise)),
        envelope(change("history", {"history": noise})),
        envelope({"value": value(messages=[sound]), "field": noise}),
        envelope(change("messages", {**value(), **members})),
        envelope(change("messages", {**value(), "contacts": noise, "messages": [sound]})),
        envelope(change("messages", value(messages=[noise, {**sound, **members}]))),
        envelope(change("messages", value(statuses=[noise, {"id": "S", "status": "read",
                                                            **members}]))),
    ):
        parse("whatsapp", json.dumps(document).encode())


@settings(derandomize=True, deadline=None, max_examples=100)
@given(_ANY)
def test_neighbours_of_any_item_are_read(noise: Any) -> None:
    """Whatever stands between two messages, both are events."""
    body = json.dumps(envelope(change("messages", value(messages=[
        text("wamid.FIRST", "a"), noise, text("wamid.LAST", "b")])))).encode()
    found = [one.native_id for one in parse("whatsapp", body).events]
    assert ("wamid.FIRST", "wamid.LAST") == (found[0], found[-1])


@pytest.mark.parametrize("provider", ["whatsapp", "twilio"])
def test_damaged_payloads_are_kept(provider: str) -> None:
    """Every golden payload with bytes cut out, doubled or replaced: no exception, no overlap."""
    chance = random.Random(20)
    for (owner, _), body in sorted(PAYLOADS.items()):
        if owner != provider:
            continue
        for _ in range(40):
            at, width = chance.randrange(len(body)), chance.choice((0, 1, 1, 7, 60))
            put = chance.choice((b"", b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\xff", b"%",
                                 b"&", body[at:at + 50]))
            parse(provider, body[:at] + put + body[at + width:])


def test_no_message_moves_to_another_account() -> None:
    """Whichever byte of the envelope is damaged, a message keeps its account or is quarantined."""
    def held(number: str, *ids: str) -> Any:
        metadata = {"display_phone_number": number, "phone_number_id": number}
        return change("messages", {"metadata": metadata,
                                   "messages": [text(one, "x") for one in ids]})
    body = meta({"object": "whatsapp_business_account", "entry": [
        {"id": "1", "changes": [held("111110", "A1", "A2"), held("222220", "B1", "B2")]},
        {"id": "2", "changes": [held("333330", "C1", "C2")]}]})
    owners = {one.native_id: one.account for one in parse("whatsapp", body).events}
    assert 6 == len(owners)
    for at in range(0, len(body), 5):
        for put, width in ((b'"', 1), (b"}", 1), (b"]}", 7), (b"", 40)):
            damaged = body[:at] + put + body[at + width:]
            for event in parse("whatsapp", damaged).events:
                known = owners.get(event.native_id, event.account)
                if event.account in owners.values():
                    assert known == event.account


def test_every_cut_keeps_what_was_complete() -> None:
    """A body cut off anywhere: each item that came whole is an event, the rest is quarantined."""
    body = messages(*(text(f"wamid.{number}", f"n {number}") for number in range(4)))
    whole = parse("whatsapp", body).events
    for end in range(0, len(body), 3):
        found = [one.native_id for one in parse("whatsapp", body[:end]).events
                 if one.kind == "message"]
        assert [one.native_id for one in whole if one.delivery and one.delivery.end <= end] == found


@pytest.mark.parametrize("body", [
    b"[" * 200_000,
    b'{"entry":[' * 50_000,
    b'{"entry":[{"changes":[' + b"{}," * 25_000,
    b'{"entry":[{"changes":[{"value":{' + b'"a":1,' * 25_000,
    b'{"entry":[{"changes":[{"value":{"messages":[' + b'{"' * 100_000,
    b'{"entry":[{"changes":[{"value":{"messages":[' + b"{}," * 25_000,
    b'{"entry":[{"changes":[{"value":{"messages":[' + b'{"id":[}]},' * 25_000,
    b'{"entry":[{"changes":[{"value":{"messages":[{"id":' + b"[" * 100_000,
    b'{"entry":[{"changes":[{"value":{"messages":[{"id":' + b"9" * 200_000 + b"}]}}]}]}",
    b'{"a":' * 100_000,
])
def test_hostile_bodies_are_kept(body: bytes) -> None:
    """Depth, counts and digits without end: bounded work, a bounded number of pieces."""
    result = parse("whatsapp", body)
    assert len(result.events) + len(result.quarantined) <= 40_002


def test_big_numbers_and_control_characters_are_read() -> None:
    """A number of a thousand digits or a raw line break costs neither the item nor its words."""
    body = messages(text("wamid.A", "one"), text("wamid.B", "two"))
    body = body.replace(b'"one"', b'"one\nline"').replace(
        b'"wamid.B"', b'"wamid.B","serial":' + b"7" * 5000)
    assert ["one\nline", "two"] == [one.text for one in parse("whatsapp", body).events]


def test_lone_surrogates_are_replaced_and_said() -> None:
    """Half a pair cannot be encoded: it becomes U+FFFD, in values and in names, and is observed."""
    first, second = parse("whatsapp", messages(
        text("wamid.A", "half \ud83d here"), text("wamid.B", "whole \U0001f600"))).events
    assert ("half \ufffd here", "whole \U0001f600") == (first.text, second.text)
    assert (("lone_surrogate_replaced",), ()) == (first.observations, second.observations)


def test_the_envelope_multiplies_no_body() -> None:
    """What every item's event repeats of the envelope is short, whatever its length in the bytes:
    a thousand items with an account of 100,000 characters stay as small as a thousand items. Two
    long accounts with one beginning stay two."""
    long = "9" * 100_000

    def events(tail: str) -> tuple[CapturedEvent, ...]:
        said = value(messages=[text(f"wamid.{n}", "hi") for n in range(100)])
        said["metadata"] = {"display_phone_number": long + tail, "phone_number_id": long + tail}
        said["contacts"] = [{"wa_id": "16505551234", "profile": {"name": long + tail},
                             "user_id": long + tail}]
        body = json.dumps({"object": "whatsapp_business_account", "entry": [{
            "id": long + tail, "time": long + tail,
            "changes": [{"field": "messages", "value": said}]}]}).encode()
        return parse("whatsapp", body).events

    made = events("1")
    assert 100 == len(made)
    assert sum(len(codec.encode(one)) for one in made) < 100 * 4_096
    assert made[0].account != events("2")[0].account
    assert made[0].account == events("1")[0].account
