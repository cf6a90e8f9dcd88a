"""Deliveries as providers send them, made from documented facts: names, shapes and spellings.

Owns the table PAYLOADS: (provider, name) -> exact body. Bodies are written the way each provider
writes them: Meta escapes every non-ASCII character and the slash, Twilio percent-encodes UTF-8.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

WABA: Final = "102290129340398"
PHONE_ID: Final = "106540352242922"
FIRM: Final = "15550783881"
PEER: Final = "16505551234"
BSUID: Final = "US.13491208655302741918"
AT: Final = "1749854575"

Json = Any


def meta(document: Json) -> bytes:
    """JSON as Meta writes it: compact, non-ASCII as \\u escapes, "/" as "\\/"."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).replace(
        "/", "\\/").encode("ascii")


def value(**members: Json) -> dict[str, Json]:
    """One `value` with its metadata."""
    metadata = {"display_phone_number": FIRM, "phone_number_id": PHONE_ID}
    return {"messaging_product": "whatsapp", "metadata": metadata, **members}


def envelope(*changes: Json, object_name: str = "whatsapp_business_account") -> dict[str, Json]:
    """A delivery of one entry."""
    return {"object": object_name, "entry": [{"id": WABA, "changes": list(changes)}]}


def change(field: str, held: Json) -> dict[str, Json]:
    """One change."""
    return {"value": held, "field": field}


def wamid(peer: str, stanza: str) -> str:
    """A message id of the usual anatomy: base64 over the peer's digits and the stanza id."""
    held = (b"\x1c\x18" + bytes([len(peer)]) + peer.encode() + b"\x15\x02\x00\x12\x18"
            + bytes([len(stanza)]) + stanza.encode() + b"\x00")
    return "wamid." + b64encode(held).decode()


def contact(name: str = "Ada Marsh", wa_id: str | None = PEER, **more: Json) -> dict[str, Json]:
    """One contact; null leaves the number out, as for a user with a username."""
    ids = {} if wa_id is None else {"wa_id": wa_id}
    return {"profile": {"name": name}, **ids, **more}


def message(native_id: str, kind: str, **members: Json) -> dict[str, Json]:
    """One message from the peer."""
    common = {"from": PEER, "id": native_id, "timestamp": AT, "type": kind}
    return {**common, **members}


def messages(*listed: Json, contacts: Json = None, **more: Json) -> bytes:
    """A delivery of messages from one person."""
    people = [contact()] if contacts is None else contacts
    return meta(envelope(change("messages", value(contacts=people, messages=list(listed), **more))))


def text(native_id: str, body: str, **members: Json) -> dict[str, Json]:
    """A text message from the peer."""
    return message(native_id, "text", text={"body": body}, **members)


def status(native_id: str, state: str, **members: Json) -> dict[str, Json]:
    """One delivery status."""
    common = {"id": native_id, "status": state, "timestamp": AT, "recipient_id": PEER}
    return {**common, **members}


def echoes(*listed: Json) -> bytes:
    """What the business itself wrote in its app."""
    common = {"from": FIRM, "to": PEER, "timestamp": AT}
    return meta(envelope(change("smb_message_echoes", value(
        message_echoes=[{**common, **one} for one in listed]))))


def form(*pairs: tuple[str, str]) -> bytes:
    """A form body as Twilio writes it."""
    return "&".join(f"{quote_plus(name)}={quote_plus(held)}" for name, held in pairs).encode()


_SHA_HEX: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bb8e6a0e5f7c1d2e3f405"
_SHA_BASE64: Final = "n4bQgYhMfWWaL+qgxVrQFaO/Txsrsw4cOoNBLZOj7K4="

_CARD: Final = {
    "name": {"formatted_name": "Bo Lindqvist", "first_name": "Bo", "last_name": "Lindqvist"},
    "org": {"company": "Fjord Freight"},
    "phones": [{"phone": "+46 8 123 45", "wa_id": "46812345", "type": "WORK"}],
    "emails": [{"email": "bo@fjord.example", "type": "WORK"}],
}

_ORDER: Final = {
    "catalog_id": "194836987003835", "text": "For Friday, please",
    "product_items": [
        {"product_retailer_id": "di9ozbzfi4", "quantity": 2, "item_price": 30, "currency": "USD"},
        {"product_retailer_id": "nqryix03ez", "quantity": 1, "item_price": 25.5,
         "currency": "USD"},
    ],
}


def _interactive(native_id: str, kind: str, reply: Json) -> dict[str, Json]:
    return message(native_id, "interactive", context={"from": FIRM, "id": "wamid.MENU"},
                   interactive={"type": kind, kind: reply})


def _whatsapp_writing() -> dict[str, bytes]:
    return {
        "text": messages(text("wamid.TEXT", "Caf\u00e9 at 5? \U0001f600 https://x.example/a")),
        "stanza": messages(text(wamid(PEER, "3AADF8441347E8571C10"), "A usual id")),
        "scripts": messages(
            text("wamid.ZH", "\u8bf7\u628a\u5408\u540c\u53d1\u7ed9\u6211"),
            text("wamid.AR", "\u0623\u0631\u0633\u0644 \u0627\u0644\u0639\u0642\u062f"),
            text("wamid.NUL", "a\x00b"),
        ),
        "context": messages(
            text("wamid.REPLY", "Yes", context={"from": FIRM, "id": "wamid.ASKED"}),
            text("wamid.FWD", "Look", context={"forwarded": True}),
            text("wamid.CHAIN", "Look!", context={"frequently_forwarded": True}),
            text("wamid.SHOP", "This one?", context={
                "from": FIRM, "id": "wamid.SHOWN",
                "referred_product": {"catalog_id": "1", "product_retailer_id": "2"}}),
            text("wamid.AD", "Hello", referral={
                "source_url": "https://fb.example/ad", "source_type": "ad", "headline": "Loans"}),
        ),
        "media": messages(
            message("wamid.IMG", "image", image={
                "id": "1003383421387256", "mime_type": "image/jpeg", "sha256": _SHA_BASE64,
                "caption": "The signed page"}),
            message("wamid.DOC", "document", document={
                "id": "1003383421387257", "mime_type": "application/pdf", "sha256": _SHA_HEX,
                "filename": "terms.pdf", "url": "https://lookaside.example/d?mid=1"}),
            message("wamid.VOICE", "audio", audio={
                "id": "1003383421387258", "mime_type": "audio/ogg; codecs=opus",
                "sha256": "not a hash", "voice": True}),
            message("wamid.STICKER", "sticker", sticker={
                "id": "1003383421387259", "mime_type": "image/webp", "animated": False}),
        ),
        "location": messages(
            message("wamid.LOC", "location", location={
                "latitude": 38.9806263495, "longitude": -131.9428612257,
                "name": "Main Street Beach", "address": "Main Street Beach, Santa Cruz, CA"}),
            message("wamid.PIN", "location", location={"latitude": 59.91, "longitude": 10.75}),
        ),
        "contacts": messages(message("wamid.CARD", "contacts", contacts=[_CARD])),
        "order": messages(message("wamid.ORDER", "order", order=_ORDER)),
        "buttons": messages(
            message("wamid.BTN", "button", context={"from": FIRM, "id": "wamid.TPL"},
                    button={"payload": "STOP-1", "text": "Stop promotions"}),
            _interactive("wamid.BR", "button_reply", {"id": "yes", "title": "I agree"}),
            _interactive("wamid.LR", "list_reply", {
                "id": "p2", "title": "Priority", "description": "Next day"}),
            _interactive("wamid.FLOW", "nfm_reply", {
                "name": "flow", "body": "Sent", "response_json": "[\"not\",\"an\",\"object\"]"}),
            _interactive("wamid.CALL", "call_permission_reply", {
                "response": "accept", "response_source": "user_action"}),
            _interactive("wamid.NEW", "hologram_reply", {"title": "Blue one"}),
        ),
        "welcome": messages(message("wamid.HELLO", "request_welcome")),
    }


def _whatsapp_changes() -> dict[str, bytes]:
    edit_message = {"context": {"id": "M0"}, "type": "text", "text": {"body": "At 6, sorry"}}
    return {
        "reactions": messages(
            message("wamid.R1", "reaction", reaction={
                "message_id": "wamid.TEXT", "emoji": "\U0001f44d"}),
            message("wamid.R2", "reaction", reaction={"message_id": "wamid.TEXT", "emoji": ""}),
            message("wamid.R3", "reaction", reaction={"message_id": "wamid.TEXT"}),
        ),
        "edit": messages(message("wamid.EDIT", "edit", edit={
            "original_message_id": "wamid.TEXT", "message": edit_message})),
        "edit_media": messages(message("wamid.EDIT2", "edit", edit={
            "original_message_id": "wamid.IMG", "message": {"type": "image", "image": {
                "id": "1003383421387256", "mime_type": "image/jpeg", "sha256": _SHA_BASE64,
                "caption": "The page, signed"}}})),
        "revoke": messages(message("wamid.GONE", "revoke", revoke={
            "original_message_id": "wamid.TEXT"})),
        "unsupported": messages(
            message("wamid.UE", "unsupported", unsupported={"type": "edit"}, errors=[
                {"code": 131051, "title": "Message type is not currently supported"}]),
            message("wamid.UP", "unsupported", unsupported={"type": "poll_creation"}, errors=[
                {"code": 131051, "title": "Message type is not currently supported"}]),
            message("wamid.UK", "unsupported", unsupported={"type": "keep_in_chat"}),
            message("wamid.UN", "unsupported", errors=[{"code": 131060}]),
        ),
        "system": messages(
            message("wamid.SYS1", "system", system={
                "type": "user_changed_number", "wa_id": "16505559999",
                "body": "Ada changed from 16505551234 to 16505559999"}),
            message("wamid.SYS2", "system", system={
                "type": "user_changed_user_id", "user_id": "US.222", "parent_user_id": "US.ENT.9",
                "body": "Ada has a new user id"}),
            message("wamid.SYS3", "system", system={
                "type": "customer_identity_changed", "identity": "DF2lS5v2W6x="}),
            message("wamid.SYS4", "system", system={"type": "moon_phase", "body": "Full moon"}),
            contacts=[],
        ),
        "echoes": echoes(
            {"id": "wamid.OUT", "type": "text", "text": {"body": "We can offer 3.5%"}},
            {"id": "wamid.OUTE", "type": "edit", "edit": {
                "original_message_id": "wamid.OUT", "message": {
                    "type": "text", "text": {"body": "We can offer 3.7%"}}}},
            {"id": "wamid.OUTR", "type": "revoke", "revoke": {
                "original_message_id": "wamid.OUT"}, "to_user_id": BSUID},
        ),
        "unknown_type": messages(message("wamid.POLL", "poll", poll={
            "question": "Which day?", "options": [{"name": "Monday"}, {"name": "Friday"}]})),
    }


def _whatsapp_people() -> dict[str, bytes]:
    nameless = {"id": "wamid.NOPHONE", "from_user_id": BSUID, "timestamp": AT, "type": "text",
                "text": {"body": "No number here"}}
    return {
        "bsuid": messages(nameless, contacts=[{
            "profile": {"name": "Kai", "username": "@kai"}, "user_id": BSUID,
            "parent_user_id": "US.ENT.118"}]),
        "bsuid_in_from": messages({**nameless, "from": "US.1234"}, contacts=[]),
        "bsuid_with_number": messages(
            {**nameless, "id": "wamid.KNOWN"}, contacts=[contact("Kai", PEER, user_id=BSUID)]),
        "group": messages(
            text("wamid.G1", "Hi all", group_id="Y2FwaV9ncm91cDox"),
            text("wamid.G2", "Hello", group_id="Y2FwaV9ncm91cDox", **{"from": "4790000000"}),
            contacts=[contact("Ada Marsh"), contact("Nils", "4790000000")]),
        "statuses": meta(envelope(change("messages", value(statuses=[
            status("wamid.S", "sent", conversation={"id": "c1", "origin": {"type": "service"}},
                   pricing={"billable": True, "category": "service"}),
            status("wamid.S", "delivered"),
            status("wamid.S", "read"),
            status("wamid.A", "played"),
            status("wamid.F", "failed", errors=[{"code": 131026, "title": "Undeliverable"}]),
            status("wamid.O", "in_orbit"),
            status("wamid.G", "delivered", recipient_id="Y2FwaV9ncm91cDox",
                   recipient_type="group", recipient_participant_id="4790000000"),
            {"id": "wamid.B", "status": "read", "timestamp": AT, "recipient_user_id": BSUID,
             "parent_recipient_user_id": "US.ENT.118"},
        ])))),
    }


def _whatsapp_envelopes() -> dict[str, bytes]:
    def thread(*listed: Json) -> Json:
        return {"id": PEER, "messages": list(listed)}

    seen = {"history_context": {"status": "READ"}}
    chunk = {"metadata": {"phase": 1, "chunk_order": 2, "progress": 55}, "threads": [thread(
        {**text("wamid.OLD1", "Old question"), **seen},
        {**text("wamid.OLD2", "Old answer"), "from": FIRM, **seen},
        {**message("wamid.OLD3", "media_placeholder"), **seen},
    )]}
    later, sooner = ({"metadata": {"phase": phase, "chunk_order": order, "progress": 100},
                      "threads": [thread({**text(f"wamid.P{phase}C{order}", "Said long ago"),
                                          "timestamp": str(int(AT) - 86_400 * (phase + 1)),
                                          **seen})]}
                     for phase, order in ((1, 3), (0, 1)))
    offboarded = {"event": "ACCOUNT_OFFBOARDED", "phone_number": FIRM}
    sync = {"state_sync": [{"type": "contact", "action": "add", "metadata": {"timestamp": AT},
                            "contact": {"full_name": "Ada Marsh", "phone_number": PEER}}]}
    second = {"id": "2099", "time": 1749854580, "changes": [change("messages", {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "+1 555-078-3882", "phone_number_id": "2"},
        "contacts": [contact("Cy", "447700900123")],
        "messages": [{**text("wamid.TWO", "To another number"), "from": "447700900123"}],
    })]}
    both = envelope(change("messages", value(contacts=[contact()], messages=[
        text("wamid.ONE", "To the first number")])))
    both["entry"].append(second)
    return {
        "history": meta(envelope(change("history", value(history=[chunk])))),
        "history_media": meta(envelope(change("history", value(messages=[
            message("wamid.OLD3", "image", image={
                "id": "5", "mime_type": "image/jpeg", "sha256": _SHA_BASE64})])))),
        "history_chunks": meta(envelope(change("history", value(history=[later, sooner])))),
        "history_sent_media": meta(envelope(change("history", value(messages=[
            {**message(wamid(PEER, "3AADF8441347E8571C11"), "image", image={
                "id": "6", "mime_type": "image/jpeg", "sha256": _SHA_BASE64}), "from": FIRM}])))),
        "history_refused": meta(envelope(change("history", value(history=[{
            "errors": [{"code": 2593109, "title": "History sharing is turned off"}]}])))),
        "account_update": meta({"object": "whatsapp_business_account", "entry": [{
            "id": WABA, "time": 1749854575, "changes": [change("account_update", offboarded)]}]}),
        "app_state_sync_more": meta(envelope(change("smb_app_state_sync", value(state_sync=[
            {"type": "contact", "action": "remove", "metadata": {"timestamp": int(AT)},
             "contact": {"phone_number": PEER}},
            {"type": "contact", "action": "add", "metadata": {"timestamp": AT},
             "contact": {"first_name": "Kai", "user_id": BSUID}},
            {"type": "label", "action": "add", "label": {"name": "Family"}},
            {"type": "contact", "action": "add", "contact": "none"},
        ])))),
        "app_state_sync": meta(envelope(change("smb_app_state_sync", value(**sync)))),
        "value_errors": messages(
            message("wamid.BARE", "interactive"),
            errors=[{"code": 131000, "title": "Something went wrong"}]),
        "value_empty": meta(envelope(change("messages", value()))),
        "value_new_list": messages(
            text("wamid.NL", "Hi"), holograms=[{"id": "h1", "caption": "Wave"}]),
        "two_accounts": meta(both),
        "other_object": meta(envelope(change("feed", {"item": "post"}), object_name="page")),
    }


def _whatsapp_broken() -> dict[str, bytes]:
    good = messages(*(text(f"wamid.N{number}", f"number {number}") for number in range(5)))
    return {
        "duplicate": messages(text("wamid.TWICE", "Once"), text("wamid.TWICE", "Once")),
        "malformed_item": messages(
            text("wamid.OK1", "before"), {"from": PEER, "timestamp": AT, "type": "text"},
            text("wamid.OK2", "after")),
        "missing_comma": good.replace(b'"wamid.N2",', b'"wamid.N2" '),
        "open_string": good.replace(b'"wamid.N2"', b'"wamid.N2'),
        "open_brace": good.replace(b'"number 2"}}', b'"number 2"}'),
        "cut": good[:good.index(b'"wamid.N3"') + 4],
        "lone_surrogate": messages(text("wamid.HALF", "half \ud83d of it")),
    }


def _twilio() -> dict[str, bytes]:
    account = ("AccountSid", "AC" + "0" * 32)
    sms = (("MessageSid", "SM" + "1" * 32), ("SmsSid", "SM" + "1" * 32),
           ("SmsMessageSid", "SM" + "1" * 32), account, ("From", "+14155550123"),
           ("To", "+15550783881"), ("NumMedia", "0"), ("NumSegments", "1"),
           ("SmsStatus", "received"), ("ApiVersion", "2010-04-01"), ("FromCity", ""),
           ("FromCountry", "US"))
    mms = tuple((name, held.replace("SM1", "MM1")) for name, held in sms if name != "NumMedia")
    media = "https://api.twilio.example/2010-04-01/Accounts/AC0/Messages/MM1/Media/ME"
    chat = (("MessageSid", "SM" + "2" * 32), account, ("To", "whatsapp:+15550783881"),
            ("NumMedia", "0"), ("SmsStatus", "received"), ("ProfileName", "Ada Marsh"))
    callback = (("MessageSid", "SM" + "3" * 32), account, ("From", "+15550783881"),
                ("To", "+14155550123"), ("ApiVersion", "2010-04-01"))
    return {
        "sms": form(*sms, ("Body", "Caf\u00e9 + 5%? \U0001f600\nline two")),
        "sms_empty": form(*sms, ("Body", "")),
        "short_code": form(*(pair for pair in sms if pair[0] != "From"), ("From", "72345"),
                           ("Body", "Your code is 1234"), ("OptOutType", "STOP")),
        "extra_parameters": form(*sms, ("Body", "Hi"), ("Hologram", "yes"), ("Body", "Ho")),
        "mms": form(*mms, ("Body", ""), ("NumMedia", "3"), ("MediaUrl0", media + "a"),
                    ("MediaContentType0", "image/jpeg"), ("MediaUrl1", media + "b"),
                    ("MediaContentType1", "text/vcard")),
        "mms_group": form(*mms, ("Body", "All of you"), ("NumMedia", "0"),
                          ("OtherRecipients0", "+14155550199")),
        "whatsapp": form(*chat, ("From", f"whatsapp:+{PEER}"), ("WaId", PEER),
                         ("MessageType", "text"), ("Body", "Over Twilio"), ("Forwarded", "true"),
                         ("OriginalRepliedMessageSid", "SM9"), ("ReferralHeadline", "Loans")),
        "whatsapp_bsuid": form(*chat, ("From", "whatsapp:US.1234"), ("Body", "No number"),
                               ("ExternalUserId", "whatsapp:US.1234")),
        "whatsapp_location": form(*chat, ("From", f"whatsapp:+{PEER}"), ("Body", ""),
                                  ("Latitude", "59.91"), ("Longitude", "10.75"),
                                  ("Label", "Opera"), ("Address", "Oslo")),
        "whatsapp_button": form(*chat, ("From", f"whatsapp:+{PEER}"), ("Body", "I agree"),
                                ("ButtonText", "I agree"), ("ButtonPayload", "yes")),
        "status_delivered": form(*callback, ("MessageStatus", "delivered"),
                                 ("SmsStatus", "delivered"), ("RawDlrDoneDate", "2506132243")),
        "status_failed": form(*callback, ("MessageStatus", "failed"), ("ErrorCode", "30003")),
        "status_unknown": form(*callback, ("MessageStatus", "in_orbit")),
        "status_early": form(*(pair for pair in callback if pair[0] != "From"),
                             ("MessageStatus", "accepted"), ("MessagingServiceSid", "MG1")),
        "other_product": form(account, ("CallSid", "CA1"), ("CallStatus", "ringing")),
        "no_ids": form(("Body", "who am I")),
    }


PAYLOADS: Final[Mapping[tuple[str, str], bytes]] = {
    **{("whatsapp", name): body for table in (
        _whatsapp_writing(), _whatsapp_changes(), _whatsapp_people(), _whatsapp_envelopes(),
        _whatsapp_broken()) for name, body in table.items()},
    **{("twilio", name): body for name, body in _twilio().items()},
}
