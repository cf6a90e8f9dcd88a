"""Twilio messaging webhooks (SMS, MMS, WhatsApp and other prefixed channels) -> events.

Owns the meaning of the form fields. A request is one item, the whole body. SMS and MMS are one
channel, "sms", with the detail `mms` = "1": a picture belongs to the same conversation, and a
status callback, which cannot tell the two apart by its fields, must find its message's key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ingest import forms, spans, values
from ingest.values import Facts
from schemas import events, identity
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent, Delivery, Identity, Parsed, Quarantined
from schemas.limits import JSON_DEPTH_MAX

SOURCE: Final = "twilio/1"
PATH: Final = "/hooks/twilio"

# Of what we sent; `received` and `receiving` are an inbound message's own.
STATUSES: Final = frozenset({
    "accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed",
    "read", "canceled", "partially_delivered",
})
_INBOUND_STATUSES: Final = frozenset({"received", "receiving"})
_RECIPIENTS_DOING: Final = frozenset({"delivered", "read"})

_PREFIX: Final = re.compile(r"([a-z]{2,20}):(.+)", re.DOTALL)
_E164: Final = re.compile(r"\+[0-9]{5,20}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_BSUID: Final = re.compile(r"[A-Za-z]{2,3}\.[0-9A-Za-z.]{1,200}")
_NUMBERED: Final = re.compile(r"(MediaUrl|MediaContentType|MediaSid|OtherRecipients)([0-9]{1,3})")
_NOBODY: Final = "unknown"

# Form field -> detail. Fields that have a place of their own in the event are in _CONSUMED.
_DETAILS: Final[Mapping[str, str]] = {
    "AccountSid": "account_sid",
    "MessagingServiceSid": "messaging_service_sid",
    "ApiVersion": "api_version",
    "NumMedia": "num_media",
    "NumSegments": "num_segments",
    "SmsStatus": "sms_status",
    "MessageStatus": "status",
    "ErrorCode": "error_code",
    "ErrorMessage": "error_message",
    "RawDlrDoneDate": "raw_dlr_done_date",
    "EventType": "event_type",
    "ChannelPrefix": "channel_prefix",
    "ChannelToAddress": "channel_to_address",
    "ChannelInstallSid": "channel_install_sid",
    "ChannelStatusMessage": "channel_status_message",
    "ChannelMetadata": "channel_metadata",
    "StructuredMessage": "structured_message",
    "MessageType": "message_type",
    "ProfileName": "profile_name",
    "WaId": "wa_id",
    "ExternalUserId": "external_user_id",
    "ParentExternalUserId": "parent_external_user_id",
    "ButtonText": "button_text",
    "ButtonPayload": "button_payload",
    "ButtonType": "button_type",
    "ListId": "list_id",
    "ListTitle": "list_title",
    "ListDescription": "list_description",
    "InteractiveData": "interactive_data",
    "FlowData": "flow_data",
    "OriginalRepliedMessageSid": "reply_to",
    "OriginalRepliedMessageSender": "reply_to_from",
    "Latitude": "latitude",
    "Longitude": "longitude",
    "Address": "address",
    "Label": "label",
    "OptOutType": "opt_out_type",
    "AddOns": "add_ons",
    "FromCity": "from_city",
    "FromState": "from_state",
    "FromZip": "from_zip",
    "FromCountry": "from_country",
    "ToCity": "to_city",
    "ToState": "to_state",
    "ToZip": "to_zip",
    "ToCountry": "to_country",
}
_CONSUMED: Final = frozenset({
    "MessageSid", "SmsSid", "SmsMessageSid", "From", "To", "Body", "Forwarded",
    "FrequentlyForwarded",
})
_MEDIA_MAX: Final = 100
_FACT_CHARS_MAX: Final = 2_000


def parse(body: bytes, content_type: str, captured_at: int) -> Parsed:
    """The one event of a webhook request, or its body quarantined.

    `body` is a form; for a GET request, its query string. A JSON body (other Twilio products) is
    one `unknown` event. `captured_at` is our clock in UTC ms: messages carry no time of their own.
    Never raises for any bytes.
    """
    try:
        return Parsed((_read(body, content_type, captured_at),))
    except Refused as error:
        return Parsed((), (Quarantined(str(error), body, 0, len(body)),))


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, read. `fields` holds the first value of each name."""

    fields: Mapping[str, str]
    captured_at: int
    delivery: Delivery
    observations: tuple[str, ...]

    def get(self, name: str) -> str | None:
        """The value of `name`, or null where it is absent or empty."""
        return self.fields.get(name) or None


@dataclass(frozen=True, slots=True)
class _Address:
    """One side: the channel that its prefix names, and who it is (null: not said)."""

    channel: str
    identity: Identity | None

    def side(self) -> str:
        return self.identity.native_id if self.identity else _NOBODY


def _read(body: bytes, content_type: str, captured_at: int) -> CapturedEvent:
    delivery = Delivery(delivery_id=b"", start=0, end=len(body))
    essence = content_type.partition(";")[0].strip().lower()
    if essence == "application/json" or essence.endswith("+json"):
        if spans.is_deeper(body.decode("latin-1"), 0, len(body), JSON_DEPTH_MAX):
            raise Refused("nested too deep")
        value, replaced = values.decode(body)
        codes = ("lone_surrogate_replaced",) if replaced else ()
        request = _Request({}, captured_at, delivery, codes)
        return _unknown(request, body, values.words_of(value), "unknown_type")
    if essence not in ("", "application/x-www-form-urlencoded"):
        raise Refused("not a form")
    request = _request(body, captured_at, delivery)
    sid = request.get("MessageSid") or request.get("SmsMessageSid") or request.get("SmsSid")
    if sid is None:
        if request.get("AccountSid") is None:
            raise Refused("neither a message nor an account is named")
        words = values.words_of(dict(request.fields))
        return _unknown(request, body, words, "unknown_type")
    status = request.get("MessageStatus") or request.get("SmsStatus")
    if status is None or status.lower() in _INBOUND_STATUSES:
        return _message(request, sid)
    return _receipt(request, sid, status.lower())


def _request(body: bytes, captured_at: int, delivery: Delivery) -> _Request:
    fields: dict[str, str] = {}
    codes: set[str] = set()
    for raw_name, raw_value in forms.decode(body):
        name, name_bad = values.scrub(raw_name)
        value, value_bad = values.scrub(raw_value)
        if name_bad or value_bad:
            codes.add("bytes_replaced")
        if fields.setdefault(name, value) != value or not _is_known(name):
            codes.add("extra_parameters")
    return _Request(fields, captured_at, delivery, tuple(sorted(codes)))


def _is_known(name: str) -> bool:
    return (name in _DETAILS or name in _CONSUMED or name.startswith("Referral")
            or _NUMBERED.fullmatch(name) is not None)


def _message(request: _Request, sid: str) -> CapturedEvent:
    """What somebody sent to a number of the firm."""
    firm = _address(request.get("To"))
    if firm.identity is None:
        raise Refused("To is missing")
    sender = _sender(request)
    facts = _facts(request)
    observations = [*request.observations, "time_absent"]
    if request.get("Forwarded") == "true":
        observations.append("forwarded")
    if request.get("FrequentlyForwarded") == "true":
        observations.append("frequently_forwarded")
    if sender.identity is None or sender.identity.id_type == "bsuid":
        observations.append("phone_absent")
    attachments = _attachments(request, sid)
    if any(one.state == "pending" for one in attachments):
        observations.append("media_pending")
    if firm.channel == "sms" and (attachments or sid.startswith("MM")):
        facts.add("mms", "1")
    others = _other_recipients(request)
    return CapturedEvent(
        kind=events.MESSAGE,
        channel=firm.channel,
        source=SOURCE,
        account=firm.side(),
        conversation=_conversation(firm, sender, others),
        captured_at=request.captured_at,
        native_id=sid,
        actor=sender.identity,
        participants=(firm.identity, *others),
        direction=events.IN,
        text=_text(request, bool(attachments)),
        attachments=attachments,
        observations=tuple(sorted(set(observations))),
        details=facts.pairs(),
        delivery=request.delivery,
    )


def _receipt(request: _Request, sid: str, status: str) -> CapturedEvent:
    """What became of a message of the firm: `From` is the firm's side here."""
    firm, peer = _address(request.get("From")), _address(request.get("To"))
    # Before a sender is picked from a messaging service's pool there is no From.
    account = firm.side() if firm.identity else (
        request.get("MessagingServiceSid") or request.get("AccountSid") or _NOBODY)
    facts = _facts(request)
    facts.add("status", status)
    observations = [*request.observations, "time_absent"]
    if (request.get("ErrorCode") or "0") != "0":
        observations.append("provider_error")
    known = status in STATUSES
    if not known:
        observations.append("unknown_status")
    actor = peer.identity if status in _RECIPIENTS_DOING else None
    return CapturedEvent(
        kind=events.RECEIPT if known else events.UNKNOWN,
        channel=peer.channel if peer.identity else firm.channel,
        source=SOURCE,
        account=account,
        conversation=identity.pair(account, peer.side()),
        captured_at=request.captured_at,
        target=sid,
        target_known=events.EXPLICIT,
        revision=status,
        actor=actor,
        participants=tuple(one for one in (firm.identity, peer.identity)
                           if one and one is not actor),
        observations=tuple(sorted(set(observations))),
        details=facts.pairs(),
        delivery=request.delivery,
    )


def _unknown(request: _Request, body: bytes, words: str | None, code: str) -> CapturedEvent:
    """A request of another Twilio product: kept, its words searchable."""
    account = request.get("AccountSid") or _NOBODY
    return CapturedEvent(
        kind=events.UNKNOWN,
        channel="sms",
        source=SOURCE,
        account=account,
        conversation=f"account:{account}",
        captured_at=request.captured_at,
        revision=hashlib.sha256(body).hexdigest(),
        text=words,
        observations=tuple(sorted({*request.observations, code, "time_absent"})),
        details=_facts(request).pairs(),
        delivery=request.delivery,
    )


def _address(written: str | None, name: str | None = None) -> _Address:
    """`+1…`, a short code, a sender's name, or one of them behind a channel's prefix."""
    match = _PREFIX.fullmatch(written or "")
    channel, bare = (match[1], match[2]) if match else ("sms", written or "")
    if not bare:
        return _Address(channel, None)
    for pattern, id_type in ((_E164, "e164"), (_SHORT_CODE, "short_code"), (_BSUID, "bsuid")):
        if pattern.fullmatch(bare) and (id_type != "bsuid" or channel == "whatsapp"):
            return _Address(channel, Identity(bare, id_type, name))
    return _Address(channel, Identity(bare, "name" if channel == "sms" else "unknown", name))


def _sender(request: _Request) -> _Address:
    """`From`; where it is a user id and the number is known beside it, the number, so that a
    conversation stays one whichever of them a webhook shows."""
    name = request.get("ProfileName")
    sender = _address(request.get("From") or request.get("ExternalUserId"), name)
    number = request.get("WaId")
    if sender.channel == "whatsapp" and number and (
            sender.identity is None or sender.identity.id_type != "e164"):
        known = identity.phone(number)
        if known:
            return _Address(sender.channel, Identity(known.native_id, known.id_type, name))
    return sender


def _other_recipients(request: _Request) -> tuple[Identity, ...]:
    """The further parties of a group MMS."""
    numbered = sorted(name for name in request.fields if name.startswith("OtherRecipients"))
    found = (_address(request.get(name)).identity for name in numbered[:_MEDIA_MAX])
    return tuple(dict.fromkeys(one for one in found if one))


def _conversation(firm: _Address, sender: _Address, others: tuple[Identity, ...]) -> str:
    if not others:
        return identity.pair(firm.side(), sender.side())
    # A group MMS has no id: its members are what makes it one conversation.
    parties = {firm.side(), sender.side(), *(one.native_id for one in others)}
    return identity.group("|".join(sorted(parties)))


def _text(request: _Request, has_media: bool) -> str | None:
    """What was written or chosen, or the place that was shared."""
    place = "\n".join(filter(None, (request.get("Label"), request.get("Address"))))
    point = ", ".join(filter(None, (request.get("Latitude"), request.get("Longitude"))))
    for candidate in (request.get("Body"), request.get("ButtonText"), request.get("ListTitle"),
                      request.get("InteractiveData"), request.get("FlowData"), place, point):
        if candidate:
            return candidate
    return None if has_media else request.fields.get("Body")


def _attachments(request: _Request, sid: str) -> tuple[Attachment, ...]:
    """One attachment per media address that is there, and one failed per address that is not."""
    stated = request.get("NumMedia") or "0"
    count = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 4 else 0
    places = {int(match[2]) for name in request.fields
              if (match := _NUMBERED.fullmatch(name)) and match[1] == "MediaUrl"}
    places.update(range(min(count, _MEDIA_MAX)))
    return tuple(_attachment(request, sid, place) for place in sorted(places))


def _attachment(request: _Request, sid: str, place: int) -> Attachment:
    url = request.get(f"MediaUrl{place}")
    media_type = request.get(f"MediaContentType{place}")
    if url is None:
        return Attachment(f"{sid}/{place}", media_type, state="failed",
                          reason="no address was delivered")
    last = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    native_id = request.get(f"MediaSid{place}") or (last if last.startswith("ME") else "")
    return Attachment(native_id or f"{sid}/{place}", media_type, url=url)


def _facts(request: _Request) -> Facts:
    facts = Facts()
    for name, value in request.fields.items():
        if name in _DETAILS:
            facts.add(_DETAILS[name], value)
        elif not _is_known(name) or name.startswith("Referral"):
            # Twilio adds parameters without notice: each is kept under its own name.
            facts.add(f"twilio.{name}"[:_FACT_CHARS_MAX], value[:_FACT_CHARS_MAX])
    return facts
