"""Twilio's webhooks: SMS, MMS, WhatsApp and delivery receipts."""

from __future__ import annotations

import json

import pytest

from ingest.adapters import ADAPTERS, twilio
from schemas import events, identity
from schemas.events import CapturedEvent, Identity, Quarantined
from tests.vendor.payloads import PAYLOADS, form

NOW = 1_749_854_600_000
FORM = "application/x-www-form-urlencoded"
SMS = (("MessageSid", "SM1"), ("AccountSid", "AC1"), ("From", "+14155550123"),
       ("To", "+15550783881"), ("SmsStatus", "received"))


def only(body: bytes, content_type: str = FORM) -> CapturedEvent:
    """The single event of a body."""
    result = twilio.parse(body, content_type, NOW)
    assert () == result.quarantined
    assert 1 == len(result.events)
    return result.events[0]


def test_adapters_are_a_visible_table() -> None:
    """Each door has a path and a reader whose events carry its source."""
    assert {"whatsapp": "/hooks/whatsapp", "twilio": "/hooks/twilio"} == {
        name: one.path for name, one in ADAPTERS.items()}
    for (provider, name), body in PAYLOADS.items():
        adapter = ADAPTERS[provider]
        for event in adapter.parse(body, "", NOW).events:
            assert adapter.source == event.source, name


def test_case_49_message_without_a_time_says_so() -> None:
    """An inbound message has no source time: null, observed, our clock beside it."""
    event = only(form(*SMS, ("Body", "hi")))
    assert (None, None, None, NOW) == (
        event.occurred_at, event.occurred_precision, event.occurred_meaning, event.captured_at)
    assert ("time_absent",) == event.observations


def test_case_47_fields_are_read_as_they_were_signed() -> None:
    """Plus, percent, emoji and empty values arrive as written; the new field is kept and flagged;
    of a repeated field the first counts."""
    body = (form(*SMS) + b"&Body=a+b%20c%2Bd+%F0%9F%98%80&FromCity=&New=x&Body=other")
    event = only(body)
    assert "a b c+d \U0001f600" == event.text
    assert "x" == event.detail("twilio.New")
    assert event.detail("from_city") is None
    assert {"extra_parameters", "time_absent"} == set(event.observations)


def test_sides_of_an_inbound_message() -> None:
    """The account is To, the actor From; the item is the whole body."""
    body = form(*SMS, ("Body", "hi"))
    event = only(body)
    assert (events.MESSAGE, "sms", events.IN) == (event.kind, event.channel, event.direction)
    assert ("+15550783881", "SM1") == (event.account, event.native_id)
    assert Identity("+14155550123", "e164") == event.actor
    assert identity.pair("+15550783881", "+14155550123") == event.conversation
    assert event.delivery is not None and (0, len(body)) == (
        event.delivery.start, event.delivery.end)


def test_picture_and_text_are_one_conversation() -> None:
    """SMS and MMS share channel, conversation and the form of their keys."""
    picture = only(form(*SMS, ("Body", ""), ("NumMedia", "1"), ("MediaUrl0", "https://t/ME9"),
                        ("MediaContentType0", "image/png")))
    words = only(form(*SMS, ("Body", "hi")))
    assert (words.channel, words.conversation) == (picture.channel, picture.conversation)
    assert ("1", None) == (picture.detail("mms"), words.detail("mms"))
    assert [("ME9", "image/png", "pending")] == [
        (one.native_id, one.media_type, one.state) for one in picture.attachments]
    assert picture.text is None


@pytest.mark.parametrize(("count", "states"), [
    ("2", ["pending", "failed"]), ("0", ["pending"]), ("many", ["pending"]), ("-1", ["pending"]),
    ("99999999999", ["pending"]), ("", ["pending"]), ("\u0661", ["pending"]),
])
def test_stated_number_of_media_is_not_trusted(count: str, states: list[str]) -> None:
    """What is there counts; what was announced and is not there is a failed attachment."""
    event = only(form(*SMS, ("NumMedia", count), ("MediaUrl0", "https://t/ME9")))
    assert states == [one.state for one in event.attachments]


def test_receipt_is_about_its_message() -> None:
    """A status callback joins its message by sid; each status is one fact, a retry the same."""
    def callback(status: str) -> CapturedEvent:
        return only(form(("MessageSid", "SM1"), ("AccountSid", "AC1"), ("From", "+15550783881"),
                         ("To", "+14155550123"), ("MessageStatus", status)))
    sent, delivered = callback("sent"), callback("delivered")
    assert (events.RECEIPT, None, "SM1", "sent", None) == (
        sent.kind, sent.native_id, sent.target, sent.revision, sent.direction)
    assert ("+15550783881", "delivered") == (sent.account, delivered.detail("status"))
    assert identity.message_key(sent) == identity.message_key(delivered)
    assert identity.key_of("sms", "+15550783881", "SM1") == identity.message_key(sent)
    assert identity.event_id(sent) != identity.event_id(delivered)
    assert identity.event_id(sent) == identity.event_id(callback("sent"))
    assert only(form(*SMS)).conversation == sent.conversation


def test_case_19_unknown_status_is_archived_as_unknown() -> None:
    """A status of tomorrow stays with its message."""
    event = only(PAYLOADS["twilio", "status_unknown"])
    assert events.UNKNOWN == event.kind
    assert "unknown_status" in event.observations


@pytest.mark.parametrize(("sender", "more", "actor"), [
    ("whatsapp:+16505551234", (), Identity("+16505551234", "e164", "Kai")),
    ("whatsapp:US.1234", (), Identity("US.1234", "bsuid", "Kai")),
    ("whatsapp:US.1234", (("WaId", "16505551234"),), Identity("+16505551234", "e164", "Kai")),
    ("", (("ExternalUserId", "whatsapp:US.1234"),), Identity("US.1234", "bsuid", "Kai")),
])
def test_case_11_whatsapp_through_twilio(sender: str, more: tuple[tuple[str, str], ...],
                                         actor: Identity) -> None:
    """The prefix gives the channel; a BSUID is no phone; a known number keeps the conversation."""
    event = only(form(("MessageSid", "SM1"), ("AccountSid", "AC1"), ("From", sender),
                      ("To", "whatsapp:+15550783881"), ("Body", "hi"), ("ProfileName", "Kai"),
                      *more))
    assert ("whatsapp", "+15550783881") == (event.channel, event.account)
    assert actor == event.actor
    assert identity.pair("+15550783881", actor.native_id) == event.conversation


@pytest.mark.parametrize(("body", "content_type", "reason"), [
    (b"", FORM, "neither a message nor an account is named"),
    (b"MessageSid=SM1&Body=x", FORM, "To is missing"),
    (b"MessageSid=SM1&To=%2B15550783881", "multipart/form-data; boundary=x", "not a form"),
    (b"\xff\x00", "application/json", "invalid UTF-8"),
    (b"[" * 70 + b"]" * 70, "application/json", "nested too deep"),
    (b"{", "application/json; charset=utf-8", "malformed JSON"),
    (b"a&" * 5000, FORM, "more than 2000 form fields"),
])
def test_what_cannot_be_read_is_quarantined_whole(body: bytes, content_type: str,
                                                  reason: str) -> None:
    """A request that is no message leaves its exact bytes and the reason."""
    result = twilio.parse(body, content_type, NOW)
    assert ((), (Quarantined(reason, body, 0, len(body)),)) == (
        result.events, result.quarantined)


def test_json_of_another_product_is_archived_as_unknown() -> None:
    """A JSON body is kept, its words searchable, its id made from its bytes."""
    body = json.dumps({"EventType": "onMessageUpdated", "Body": "caf\u00e9"}).encode()
    event = only(body, "application/json")
    assert (events.UNKNOWN, "onMessageUpdated\ncaf\u00e9") == (event.kind, event.text)
    again = only(body, "application/json")
    assert identity.event_id(event) == identity.event_id(again)


def test_bytes_that_are_no_utf8_are_replaced_and_said() -> None:
    """A stray byte becomes U+FFFD in the text and an observation; NUL stays."""
    event = only(form(*SMS) + b"&Body=a%FFb%00c")
    assert "a\ufffdb\0c" == event.text
    assert "bytes_replaced" in event.observations
