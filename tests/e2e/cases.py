"""The requests that both lines are played: the demo's week, then the hard cases of CAPTURE §14.

Owns the bodies and their order. Each case writes to a conversation of its own, so that what comes
of it can be told apart.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from infra.demo.week import DIRECTORY, week
from tests.e2e.installation import SECRETS
from tests.e2e.line import SECOND_APP, Posted
from tests.ingest.doorway import twilio_form, twilio_headers
from tests.vendor.payloads import (
    BSUID,
    FIRM,
    change,
    contact,
    envelope,
    meta,
    status,
    value,
)

ACCOUNT: Final = f"+{FIRM}"
WHATSAPP, TWILIO = "/hooks/whatsapp", "/hooks/twilio"
FIRM_DIRECTORY: Final = DIRECTORY + f"""
[[account]]
channel = "whatsapp"
account = "{ACCOUNT}"
custodian = "anna.lindt"

[[account]]
channel = "sms"
account = "{ACCOUNT}"
custodian = "anna.lindt"
"""
BATCH: Final = 1000
# So many texts make a body of three megabytes.
LARGE: Final = 740
MALFORMED: Final = 500
AT: Final = 1_749_854_575
TIMES: Final[dict[str, Any]] = {
    "INT": AT, "STRING": str(AT), "MS": f"{AT}000", "ZERO": "0"}


def peer(case: int) -> str:
    """Whom the firm talks with in a case: nobody's number (kept for fiction)."""
    return f"1202555{case:04d}"


def requests(start: int) -> list[Posted]:
    """All of them from `start` (unix seconds), in order."""
    played = [Posted(f"/hooks/{step.door}", step.body, dict(step.headers))
              for step in week(SECRETS, start - 7 * 86_400)]
    return [*played, *_changes(), *_repeats(), *_doors(), *_people(), *_odd()]


def signed(body: bytes, secret: bytes = SECRETS.whatsapp_app_secret.encode()) -> Posted:
    """A delivery with its signature."""
    digest = hmac.digest(secret, body, "sha256").hex()
    return Posted(WHATSAPP, body, {"content-type": "application/json",
                                   "x-hub-signature-256": f"sha256={digest}"})


def delivery(case: int, *messages: dict[str, Any], name: str = "Ada Marsh", **more: Any) -> bytes:
    """The body of a case: messages of its peer."""
    return meta(envelope(change("messages", value(
        contacts=[contact(name, peer(case))], messages=list(messages), **more))))


def said(case: int, native_id: str, kind: str, **members: Any) -> dict[str, Any]:
    """One message of a case's peer."""
    return {"from": peer(case), "id": native_id, "timestamp": str(AT), "type": kind, **members}


def text(case: int, native_id: str, body: str, **members: Any) -> dict[str, Any]:
    """One text."""
    return said(case, native_id, "text", text={"body": body}, **members)


def revoke(case: int, native_id: str, target: str, at: int = AT + 60) -> dict[str, Any]:
    """A retraction."""
    return said(case, native_id, "revoke", revoke={"original_message_id": target},
                timestamp=str(at))


def _changes() -> list[Posted]:
    edit = {"original_message_id": "wamid.C21", "message": {
        "context": {"id": "M0"}, "type": "text", "text": {"body": "At half past six, sorry"}}}
    echo = {"from": FIRM, "to": peer(21), "timestamp": str(AT)}
    return [
        signed(delivery(1, revoke(1, "wamid.C1R", "wamid.C1"))),
        signed(delivery(2, revoke(2, "wamid.C2R", "wamid.C2"))),
        signed(delivery(2, text(2, "wamid.C2", "the retry brings the original"))),
        signed(delivery(3, said(3, "wamid.C3", "unsupported", unsupported={"type": "edit"},
                                errors=[{"code": 131051}]))),
        signed(delivery(13, text(13, "wamid.C13", "shall we?"))),
        signed(delivery(
            13, said(13, "wamid.C13A", "reaction", reaction={
                "message_id": "wamid.C13", "emoji": "\U0001f44d"}),
            said(13, "wamid.C13B", "reaction", reaction={"message_id": "wamid.C13", "emoji": ""}),
            said(13, "wamid.C13C", "reaction", reaction={"message_id": "wamid.C13"}))),
        signed(meta(envelope(change("smb_message_echoes", value(message_echoes=[
            {**echo, "id": "wamid.C21", "type": "text", "text": {"body": "At six then"}},
            {**echo, "id": "wamid.C21E", "type": "edit", "edit": edit,
             "timestamp": str(AT + 30)}]))))),
    ]


def _repeats() -> list[Posted]:
    again = delivery(4, text(4, "wamid.C4", "sent once, delivered three times"))
    twice = text(5, "wamid.C5", "the same item twice in one body")
    batch: list[Any] = [text(6, f"wamid.C6-{number}", f"update number{number} of many")
                        for number in range(BATCH)]
    batch[MALFORMED] = {"from": peer(6), "id": 6, "timestamp": {}, "type": ["text"]}
    large = [text(7, f"wamid.C7-{number}", f"page{number} of a long delivery {'x' * 4000}")
             for number in range(LARGE)]
    return [signed(again), signed(again), signed(again, SECOND_APP),
            signed(delivery(5, twice, twice)), signed(delivery(6, *batch)),
            signed(delivery(7, *large))]


def _doors() -> list[Posted]:
    """Cases 8 and 9: what is signed are bytes, and in one spelling."""
    escaped = delivery(8, text(8, "wamid.C8", "Caf\u00e9 \u4e94 \U0001f600"))
    decoded = escaped.replace(b"Caf\\u00e9", "Caf\u00e9".encode()).replace(b"wamid.C8", b"wamid.D8")
    assert escaped != decoded
    over_the_first = Posted(WHATSAPP, decoded, signed(escaped).headers)
    body = delivery(9, text(9, "wamid.C9", "never let in"))
    mac = hmac.digest(SECRETS.whatsapp_app_secret.encode(), body, "sha256").hex()
    sha1 = hmac.digest(SECRETS.whatsapp_app_secret.encode(), body, "sha1").hex()
    json = {"content-type": "application/json"}
    return [signed(escaped), over_the_first,
            Posted(WHATSAPP, body, {**json, "x-hub-signature-256": f"sha256={mac.upper()}"}),
            Posted(WHATSAPP, body, json),
            Posted(WHATSAPP, body, {**json, "x-hub-signature": f"sha1={sha1}"})]


def _people() -> list[Posted]:
    nameless = {name: held for name, held in text(10, "wamid.C10", "by username").items()
                if name != "from"}
    user = {"profile": {"name": "Kai", "username": "@kai"}, "user_id": BSUID}
    group = {"group_id": "120363025246125486@g.us"}
    return [
        signed(meta(envelope(change("messages", value(contacts=[user], messages=[
            {**nameless, "from_user_id": BSUID}]))))),
        signed(delivery(17, {**text(17, "wamid.C17A", "first in the group"), **group})),
        signed(meta(envelope(change("messages", value(
            contacts=[contact("Bo", peer(18))], messages=[
                {**text(18, "wamid.C17B", "second in the group"), **group}]))))),
    ]


def _odd() -> list[Posted]:
    form = twilio_form(49, From=f"+{peer(49)}", Body="a text without a time")
    return [
        signed(meta(envelope(change("moon_phase", value(phase="gibbous"))))),
        signed(delivery(19, said(19, "wamid.C19T", "poll", poll={"question": "Which evening?"}))),
        signed(meta(envelope(change("messages", value(
            statuses=[status("wamid.C19S", "in_orbit", recipient_id=peer(19))]))))),
        *(signed(delivery(22, text(22, f"wamid.C22{name}", f"time {name}", timestamp=at)))
          for name, at in TIMES.items()),
        Posted(TWILIO, form, twilio_headers(f"{SECRETS.public_url}{TWILIO}", form,
                                            SECRETS.twilio_auth_token.encode())),
    ]
