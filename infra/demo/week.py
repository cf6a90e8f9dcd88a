"""The demo's week: signed provider requests, in the order in which they arrive.

Owns the script only. Pure and deterministic: the same start gives the same bytes, so that the
end-to-end test can play it on the real servers and compare. All numbers are from ranges kept for
fiction, all people are invented.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

ANNA: Final = "442079460101"      # custodian, WhatsApp
BEN: Final = "442079460102"       # custodian, WhatsApp and SMS
MARIA: Final = "447700900123"
CHEN: Final = "447700900456"
OMAR: Final = "447700900789"
LOST: Final = "GB.8812004417265530"   # a user with a name and no phone number
WABA: Final = "102290129340398"
PHONE_IDS: Final = {ANNA: "106540352242922", BEN: "106540352242923"}
BAD_BATCH: Final = 200

DIRECTORY: Final = f"""# Who is who at Harrow & Lindt LLP (a demo: nobody here exists).
[classes]
default = 7

[[custodian]]
id = "anna.lindt"
name = "Anna Lindt"

[[custodian]]
id = "ben.okafor"
name = "Ben Okafor"

[[account]]
channel = "whatsapp"
account = "+{ANNA}"
custodian = "anna.lindt"

[[account]]
channel = "whatsapp"
account = "+{BEN}"
custodian = "ben.okafor"

[[account]]
channel = "sms"
account = "+{BEN}"
custodian = "ben.okafor"
"""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the providers sign with."""

    whatsapp_app_secret: str
    twilio_auth_token: str
    public_url: str


@dataclass(frozen=True, slots=True)
class Step:
    """One request, the status it must get, and what it shows."""

    door: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    expect: int
    note: str


@dataclass(slots=True)
class _Writer:
    """Writes requests as the providers do, with a clock of its own (unix seconds)."""

    secrets: Secrets
    at: int
    serial: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def later(self, seconds: int) -> None:
        self.at += seconds

    def wamid(self, name: str, peer: str, *, ours: bool = False) -> str:
        """A WhatsApp id with the real anatomy: peer's digits and a stanza id inside."""
        if name not in self.ids:
            stanza = "3A" + hashlib.sha256(f"demo {name}".encode()).hexdigest()[:18].upper()
            data = (b"\x1c\x18" + bytes([len(peer)]) + peer.encode() + b"\x15\x02\x00"
                    + (b"\x11" if ours else b"\x12") + b"\x18" + bytes([len(stanza)])
                    + stanza.encode() + b"\x00")
            self.ids[name] = "wamid." + base64.b64encode(data).decode()
        return self.ids[name]

    def whatsapp(self, field_name: str, value: Mapping[str, Any], note: str, *,
                 expect: int = 200, secret: str | None = None) -> Step:
        document = {"object": "whatsapp_business_account", "entry": [
            {"id": WABA, "changes": [{"field": field_name, "value": value}]}]}
        body = json.dumps(document, separators=(",", ":")).replace("/", "\\/").encode()
        return self.signed(body, note, expect=expect, secret=secret)

    def signed(self, body: bytes, note: str, *, expect: int = 200,
               secret: str | None = None) -> Step:
        key = (secret or self.secrets.whatsapp_app_secret).encode()
        mac = hmac.digest(key, body, "sha256").hex()
        return Step("whatsapp", body, (("content-type", "application/json"),
                                       ("x-hub-signature-256", f"sha256={mac}")), expect, note)

    def twilio(self, parameters: Mapping[str, str], note: str) -> Step:
        url = f"{self.secrets.public_url}/hooks/twilio"
        signed = url + "".join(name + parameters[name] for name in sorted(parameters))
        mac = hmac.digest(self.secrets.twilio_auth_token.encode(), signed.encode(), "sha1")
        return Step("twilio", urlencode(parameters).encode(), (
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-twilio-signature", base64.b64encode(mac).decode())), 200, note)

    def incoming(self, account: str, peer: str, name: str, messages: Sequence[Mapping[str, Any]],
                 note: str) -> Step:
        contact: dict[str, Any] = {"profile": {"name": name}}
        contact |= {"user_id": peer} if "." in peer else {"wa_id": peer}
        return self.whatsapp("messages", {
            "messaging_product": "whatsapp", "metadata": _metadata(account),
            "contacts": [contact], "messages": list(messages)}, note)

    def text(self, name: str, peer: str, body: str) -> dict[str, Any]:
        sender = {"from_user_id": peer} if "." in peer else {"from": peer}
        return sender | {"id": self.wamid(name, peer.partition(".")[2] or peer),
                         "timestamp": str(self.at), "type": "text", "text": {"body": body}}

    def echo(self, account: str, peer: str, item: Mapping[str, Any], note: str) -> Step:
        return self.whatsapp("smb_message_echoes", {
            "messaging_product": "whatsapp", "metadata": _metadata(account),
            "message_echoes": [{"from": account, "to": peer, **item}]}, note)

    def sms(self, sid: str, sender: str, recipient: str, body: str, note: str,
            **more: str) -> Step:
        return self.twilio({
            "MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid,
            "AccountSid": "AC" + "0" * 31 + "1", "From": sender, "To": recipient, "Body": body,
            "NumMedia": "0", "NumSegments": "1", "SmsStatus": "received", "FromCity": "",
            "ApiVersion": "2010-04-01", **more}, note)


def week(secrets: Secrets, start: int) -> Iterator[Step]:
    """The whole week from `start` (unix seconds), as requests in order of arrival."""
    writer = _Writer(secrets, start)
    for part in (_monday, _tuesday, _wednesday, _thursday, _friday):
        yield from part(writer)
        writer.later(80_000)


def _monday(w: _Writer) -> Iterator[Step]:
    yield w.incoming(ANNA, MARIA, "Maria Souza", [w.text(
        "m1", MARIA, "Good morning Anna, is the completion date still fixed?")], "a message")
    w.later(40)
    yield w.echo(ANNA, MARIA, {
        "id": w.wamid("a1", MARIA, ours=True), "timestamp": str(w.at), "type": "text",
        "text": {"body": "Yes. Completion is on 12 March, the deposit is due on Friday."}},
        "an answer from the phone")
    w.later(120)
    yield w.echo(ANNA, MARIA, {
        "id": w.wamid("a1e", MARIA, ours=True), "timestamp": str(w.at), "type": "edit",
        "edit": {"original_message_id": w.wamid("a1", MARIA, ours=True), "message": {
            "context": {"id": "M0"}, "type": "text",
            "text": {"body": "Yes. Completion is on 21 March, the deposit is due on Friday."}}}},
        "an edit: 12 March became 21 March")
    w.later(600)
    again = w.incoming(ANNA, MARIA, "Maria Souza", [w.text(
        "m2", MARIA, "Thank you! 🙏🏽 I will transfer the deposit tomorrow.")], "emoji")
    yield again
    yield Step(again.door, again.body, again.headers, 200, "the same request again: a redelivery")
    w.later(30)
    yield w.whatsapp("messages", {
        "messaging_product": "whatsapp", "metadata": _metadata(ANNA), "statuses": [
            {"id": w.wamid("a1", MARIA, ours=True), "status": "read", "timestamp": str(w.at),
             "recipient_id": MARIA}]}, "a read receipt")
    yield w.incoming(ANNA, MARIA, "Maria Souza", [{
        "from": MARIA, "id": w.wamid("m3", MARIA), "timestamp": str(w.at), "type": "reaction",
        "reaction": {"message_id": w.wamid("a1", MARIA, ours=True), "emoji": "👍"}}], "a reaction")


def _tuesday(w: _Writer) -> Iterator[Step]:
    yield w.incoming(BEN, CHEN, "陈伟", [w.text(
        "c1", CHEN, "请把合同的最终版本发给我,明天上午签字。")], "Chinese")
    w.later(200)
    yield w.incoming(BEN, OMAR, "عمر حسن", [w.text(
        "o1", OMAR, "صباح الخير، هل وصلت الحوالة من البنك؟")], "Arabic")
    w.later(300)
    yield w.incoming(BEN, OMAR, "عمر حسن", [w.text(
        "o2", OMAR, "Between us: move the 50,000 to my cousin's account before the audit.")],
        "a message that will be retracted")
    w.later(95)
    yield w.incoming(BEN, OMAR, "عمر حسن", [{
        "from": OMAR, "id": w.wamid("o2r", OMAR), "timestamp": str(w.at), "type": "revoke",
        "revoke": {"original_message_id": w.wamid("o2", OMAR)}}], "its retraction, 95 s later")
    w.later(400)
    yield w.echo(BEN, OMAR, {
        "id": w.wamid("b1", OMAR, ours=True), "timestamp": str(w.at), "type": "text",
        "text": {"body": "Omar, I cannot do that. Please call the office."}}, "an answer")
    forged = w.incoming(BEN, OMAR, "عمر حسن", [w.text("x1", OMAR, "forged")], "")
    yield Step(forged.door, forged.body, (
        ("content-type", "application/json"),
        ("x-hub-signature-256", "sha256=" + "0" * 64)), 401, "a request with a bad signature")


def _wednesday(w: _Writer) -> Iterator[Step]:
    early = w.text("m4", MARIA, "Please ignore the surveyor's report, nobody needs to see it.")
    w.later(60)
    yield w.incoming(ANNA, MARIA, "Maria Souza", [{
        "from": MARIA, "id": w.wamid("m4r", MARIA), "timestamp": str(w.at), "type": "revoke",
        "revoke": {"original_message_id": w.wamid("m4", MARIA)}}],
        "a retraction that arrives before its message")
    w.later(5)
    yield w.incoming(ANNA, MARIA, "Maria Souza", [early], "the message it retracts, late")
    w.later(500)
    yield w.incoming(ANNA, MARIA, "Maria Souza", [{
        "from": MARIA, "id": w.wamid("m5", MARIA), "timestamp": str(w.at), "type": "unsupported",
        "errors": [{"code": 131051, "title": "Message type unknown"}],
        "unsupported": {"type": "edit"}}], "an edit without content or target")
    w.later(20)
    yield w.incoming(BEN, LOST, "riverboat", [w.text(
        "l1", LOST, "Hello, I found you by name. Can you take on a tenancy dispute?")],
        "a user without a phone number")


def _thursday(w: _Writer) -> Iterator[Step]:
    messages: list[Any] = []
    for number in range(BAD_BATCH):
        w.later(7)
        messages.append(w.text(f"batch{number}", MARIA, _PHRASES[number % len(_PHRASES)]))
    messages[117] = {"from": MARIA, "id": 5, "timestamp": {}, "type": ["text"]}
    yield w.incoming(ANNA, MARIA, "Maria Souza", messages,
                     f"a batch of {BAD_BATCH}, one item malformed")
    yield w.incoming(ANNA, MARIA, "Maria Souza", [{
        "from": MARIA, "group_id": "120363025246125486@g.us", "id": w.wamid("g1", MARIA),
        "timestamp": str(w.at), "type": "text",
        "text": {"body": "Hello all, this is the chat for the Elm Street purchase."}}],
        "a group message")
    w.later(50)
    yield w.incoming(ANNA, MARIA, "Maria Souza", [{
        "from": MARIA, "id": w.wamid("m6", MARIA), "timestamp": str(w.at), "type": "image",
        "image": {"id": "1479537139650973", "mime_type": "image/jpeg", "caption": "signed page 4",
                  "sha256": base64.b64encode(hashlib.sha256(b"page 4").digest()).decode()}}],
        "a picture with a caption")


def _friday(w: _Writer) -> Iterator[Step]:
    yield w.sms("SM" + "a" * 31 + "1", f"+{MARIA}", f"+{BEN}",
                "Ben, the new account for the deposit is 20-00-00 55779911", "an SMS")
    w.later(60)
    yield w.sms("SM" + "a" * 31 + "2", f"+{CHEN}", f"+{BEN}", "收到了,谢谢 👌", "an SMS in Chinese")
    yield w.sms("MM" + "b" * 31 + "1", f"+{CHEN}", f"+{BEN}", "the stamped copy", "an MMS",
                NumMedia="1", MediaContentType0="image/png",
                MediaUrl0="https://media.invalid/MM1/ME1")
    yield w.sms("SM" + "c" * 31 + "1", f"whatsapp:+{OMAR}", f"whatsapp:+{BEN}",
                "I deleted that message, yes? Please confirm.", "WhatsApp by way of Twilio",
                ProfileName="عمر حسن", WaId=OMAR)
    yield w.twilio({"MessageSid": "SM" + "d" * 31 + "1", "MessageStatus": "delivered",
                    "AccountSid": "AC" + "0" * 31 + "1", "From": f"+{BEN}", "To": f"+{MARIA}",
                    "ApiVersion": "2010-04-01"}, "a delivery receipt")


_PHRASES: Final = (
    "Is the searches report back?", "The lender wants the form by noon.", "ok", "ok", "👍",
    "Can we move the call to three?", "I have signed and sent the contract.",
    "Please confirm the account number before I transfer anything.",
    "The seller agreed to leave the curtains.", "Thank you, that is clear.",
)


def _metadata(account: str) -> dict[str, str]:
    return {"display_phone_number": account, "phone_number_id": PHONE_IDS[account]}
