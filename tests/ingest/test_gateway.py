"""The doors over HTTP: every answer, and 200 only for what is durable (PROTOCOL C1-C3).

Hard cases of CAPTURE §14 carry their number.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from ingest.delivery import rebuild
from ingest.signatures import verify_hub, verify_twilio
from schemas import events, limits
from schemas.errors import Ambiguous, Transient
from schemas.events import CapturedEvent, Parsed
from schemas.identity import event_id
from tests.ingest.doorway import (
    APP_SECRET,
    FIRM_NUMBER,
    NOW,
    PUBLIC_URL,
    TWILIO_TOKEN,
    USUAL,
    Doorway,
    hub_headers,
    text_message,
    twilio_form,
    twilio_headers,
    twilio_signature,
    until,
    whatsapp_body,
)

WHATSAPP, TWILIO = "/hooks/whatsapp", "/hooks/twilio"
Act = Callable[[httpx.AsyncClient], Awaitable[None]]


def run(doorway: Doorway, act: Act) -> None:
    """Start the gateway, act as a provider, stop in order."""

    async def main() -> None:
        async with doorway.running() as client:
            await act(client)

    asyncio.run(main())
    assert doorway.log.accusations == []


def post(doorway: Doorway, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """One request to a gateway that lives for it."""
    answers: list[httpx.Response] = []

    async def act(client: httpx.AsyncClient) -> None:
        answers.append(await client.post(path, content=body, headers=headers))

    run(doorway, act)
    return answers[0]


async def knock(app: Any, path: str, headers: dict[str, str], chunks: list[bytes],
                ends: str = "complete") -> tuple[int, dict[str, str]]:
    """One POST by hand: `ends` is complete, disconnect or silence."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": one, "more_body": True} for one in chunks]
    if ends == "complete":
        waiting.append({"type": "http.request", "body": b"", "more_body": False})
    elif ends == "disconnect":
        waiting.append({"type": "http.disconnect"})

    async def receive() -> Any:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}, receive, send)
    start = sent[0]
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}


# -- the handshake


@pytest.mark.parametrize(("query", "status"), [
    ({"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-token"},
     200),
    ({"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "other"}, 403),
    ({"hub.mode": "subscribe", "hub.challenge": "1158201444"}, 403),
    ({"hub.mode": "unsubscribe", "hub.challenge": "1", "hub.verify_token": "verify-token"}, 403),
    ({"hub.mode": "subscribe", "hub.verify_token": "verify-token"}, 403),
    ({"hub.mode": "subscribe", "hub.challenge": "x" * 300, "hub.verify_token": "verify-token"},
     403),
    ({"hub.mode": "subscribe", "hub.challenge": "a\nb", "hub.verify_token": "verify-token"}, 403),
    ({"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ["verify-token", "x"]},
     403),
])
def test_handshake(tmp_path: Path, query: dict[str, Any], status: int) -> None:
    """The challenge comes back to who knows the token, as plain text, and to nobody else."""
    doorway = Doorway(tmp_path)

    async def act(client: httpx.AsyncClient) -> None:
        answer = await client.get(WHATSAPP, params=query)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert (answer.text == query.get("hub.challenge")) == (status == 200)

    run(doorway, act)


# -- what is accepted


def test_a_signed_message_is_on_the_log_before_200(tmp_path: Path) -> None:
    """While the append is in flight there is no answer; afterwards 200 and the event."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1, "caf\u00e9 \U0001f600"))

    async def act(client: httpx.AsyncClient) -> None:
        doorway.log.hold()
        asked = asyncio.create_task(client.post(WHATSAPP, content=body, headers=hub_headers(body)))
        before = doorway.log.appends
        await until(lambda: doorway.log.appends > before)
        assert not asked.done()
        assert doorway.events("message") == []
        doorway.log.release()
        assert (await asked).status_code == 200

    run(doorway, act)
    (event,) = doorway.events("message")
    assert event.text == "caf\u00e9 \U0001f600"
    assert (event.custodian, event.captured_at) == ("asmith", NOW)
    assert event.raw == body
    (rebuilt,) = rebuild([event])
    assert rebuilt.body == body
    assert verify_hub([APP_SECRET], dict(rebuilt.headers)["x-hub-signature-256"], body) == "1"


def test_a_signed_sms_answers_empty_twiml(tmp_path: Path) -> None:
    """Twilio is told that there is nothing to say, in the form that it does not complain of; the
    kept headers let anybody with the token verify the kept body again."""
    doorway = Doorway(tmp_path)
    form = twilio_form(1)
    answer = post(doorway, TWILIO, form, twilio_headers(PUBLIC_URL + TWILIO, form))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.text.endswith("<Response/>")
    (event,) = doorway.events("message")
    assert (event.channel, event.text, event.custodian) == ("sms", "hello", "asmith")
    (rebuilt,) = rebuild([event])
    headers = dict(rebuilt.headers)
    pairs = [("MessageSid", f"SM{1:032x}"), ("AccountSid", "AC1"), ("Body", "hello"),
             ("From", "+16505551234"), ("To", f"+{FIRM_NUMBER}"), ("NumMedia", "0"),
             ("ApiVersion", "2010-04-01")]
    assert headers[":method"] == "POST"
    assert verify_twilio([TWILIO_TOKEN], headers["x-twilio-signature"], headers[":url"], pairs,
                         rebuilt.body) == "1"


def test_either_secret_of_the_list_passes_and_is_named(tmp_path: Path) -> None:
    """C2: old and new while a provider rotates."""
    doorway = Doorway(tmp_path, replace(USUAL, whatsapp_secrets=(b"new", APP_SECRET)))
    body = whatsapp_body(text_message(1))
    assert post(doorway, WHATSAPP, body, hub_headers(body)).status_code == 200
    (event,) = doorway.events("message")
    assert event.delivery is not None
    assert event.delivery.secret_id == "2"


def test_a_twilio_get_carries_its_form_in_the_query(tmp_path: Path) -> None:
    """Twilio may be told to use GET: the query is the form, and the signature covers the URL."""
    doorway = Doorway(tmp_path)
    path = f"{TWILIO}?{twilio_form(1).decode()}"
    signature = twilio_signature(PUBLIC_URL + path, [])

    async def act(client: httpx.AsyncClient) -> None:
        good = await client.get(path, headers={"x-twilio-signature": signature})
        assert good.status_code == 200
        bad = await client.get(path + "0", headers={"x-twilio-signature": signature})
        assert bad.status_code == 401

    run(doorway, act)
    assert [one.text for one in doorway.events("message")] == ["hello"]


def test_a_twilio_json_body_is_tied_to_the_url_by_its_hash(tmp_path: Path) -> None:
    """bodySHA256 in the signed URL, and the body must have that hash; what the adapter cannot
    read of it is kept."""
    doorway = Doorway(tmp_path)
    body = b'{"specversion":"1.0"}'
    path = f"{TWILIO}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {"content-type": "application/json",
               "x-twilio-signature": twilio_signature(PUBLIC_URL + path, [])}

    async def act(client: httpx.AsyncClient) -> None:
        assert (await client.post(path, content=body, headers=headers)).status_code == 200
        forged = await client.post(path, content=body + b" ", headers=headers)
        assert forged.status_code == 401

    run(doorway, act)
    assert [one.body for one in rebuild(doorway.events())] == [body]


def test_case_4_a_redelivery_is_one_fact_seen_twice(tmp_path: Path) -> None:
    """The same body twice: 200 both times, two records, one identity."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1))

    async def act(client: httpx.AsyncClient) -> None:
        for later in (0, 5_000):
            doorway.clock.now = NOW + later
            answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
            assert answer.status_code == 200

    run(doorway, act)
    first, second = doorway.events("message")
    assert event_id(first) == event_id(second)
    assert (first.captured_at, second.captured_at) == (NOW, NOW + 5_000)


def test_case_6_one_malformed_item_of_1000_costs_nobody(tmp_path: Path) -> None:
    """999 messages and one quarantined item with its raw bytes; 200 once all are durable."""
    doorway = Doorway(tmp_path)
    items = [text_message(n) for n in range(1000)]
    body = whatsapp_body(*items).replace(b'"id":"wamid.500"', b'"id":nul')
    assert post(doorway, WHATSAPP, body, hub_headers(body)).status_code == 200
    found = doorway.events("message")
    assert [one.native_id for one in found] == [f"wamid.{n}" for n in range(1000) if n != 500]
    (bad,) = doorway.events("quarantine")
    assert b'"id":nul' in (bad.raw or b"")
    assert [one.body for one in rebuild(doorway.events())] == [body]
    assert "quarantine_waiting" in doorway.alarm_codes()


def test_case_7_a_body_of_3_mb_is_accepted(tmp_path: Path) -> None:
    """Meta's documented maximum: archived in parts, rebuilt byte for byte."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(*(text_message(n, "x" * 3_000) for n in range(1000)))
    assert 3_000_000 < len(body) <= limits.DELIVERY_BYTES_MAX
    assert post(doorway, WHATSAPP, body, hub_headers(body)).status_code == 200
    assert len(doorway.events("message")) == 1000
    assert [one.body for one in rebuild(doorway.events())] == [body]
    assert all(len(one) <= limits.PACK_BYTES_MAX for one in doorway.log.records[0])


@pytest.mark.parametrize("stated", ["true", "absent", "a lie"])
def test_case_7_a_body_over_the_limit_is_413_and_a_gap(tmp_path: Path, stated: str) -> None:
    """Refused while it streams, whatever Content-Length says: an alarm and a gap event, not
    silence; and a flood of them makes one gap event a minute, which counts them."""
    doorway = Doorway(tmp_path, replace(USUAL, body_bytes_max=1_000))
    headers = {"content-type": "application/json"}
    if stated != "absent":
        headers["content-length"] = "1001" if stated == "true" else "10"

    async def act(client: httpx.AsyncClient) -> None:
        for _ in range(3):
            status, answered = await knock(doorway.app, WHATSAPP, headers, [b"x" * 600] * 2)
            assert (status, "connection" in answered) == (413, False)
        assert "delivery_oversized" in doorway.alarm_codes()
        (gap,) = doorway.events("gap")
        assert (gap.detail("reason"), gap.detail("requests")) == ("delivery_oversized", "1")

    run(doorway, act)
    assert [one.detail("requests") for one in doorway.events("gap")] == ["1", "2"]


def test_a_body_without_end_is_cut_off(tmp_path: Path) -> None:
    """A sender that goes on and on hears 413 and loses its connection; nothing of it is held."""
    doorway = Doorway(tmp_path, replace(USUAL, body_bytes_max=1_000, buffered_bytes_max=1_000))

    async def act(client: httpx.AsyncClient) -> None:
        for ends in ("complete", "silence"):
            status, answered = await knock(doorway.app, WHATSAPP,
                                           {"content-type": "application/json"},
                                           [b"x" * 500] * 20, ends)
            assert (status, answered["connection"]) == (413, "close")
        body = whatsapp_body(text_message(1))
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
        assert answer.status_code == 200

    run(doorway, act)


def test_case_8_the_signature_is_over_the_raw_bytes(tmp_path: Path) -> None:
    """Non-ASCII is escaped in what Meta signs: the same JSON written otherwise must fail."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1, "caf\u00e9 / <b>"))
    assert b"\\u00e9" in body and b"\\/" in body
    other = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()

    async def act(client: httpx.AsyncClient) -> None:
        headers = hub_headers(body)
        assert (await client.post(WHATSAPP, content=body, headers=headers)).status_code == 200
        assert (await client.post(WHATSAPP, content=other, headers=headers)).status_code == 401

    run(doorway, act)
    assert [one.text for one in doorway.events("message")] == ["caf\u00e9 / <b>"]


@pytest.mark.parametrize("spelling", ["upper", "missing", "sha1", "wrong", "empty", "twice"])
def test_case_9_any_other_signature_is_401_and_kept_sealed(tmp_path: Path, spelling: str) -> None:
    """Not trusted, not captured, not lost: sealed in the ring, listed without content, alarmed."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1, "secret words"))
    good = hub_headers(body)["x-hub-signature-256"]
    headers = [("content-type", "application/json")]
    headers += {
        "upper": [("x-hub-signature-256", "sha256=" + good[7:].upper())],
        "missing": [],
        "sha1": [("x-hub-signature", "sha1=" + "0" * 40)],
        "wrong": [("x-hub-signature-256", "sha256=" + "0" * 64)],
        "empty": [("x-hub-signature-256", "")],
        "twice": [("x-hub-signature-256", good), ("x-hub-signature-256", "sha256=" + "0" * 64)],
    }[spelling]
    kept: list[bytes] = []

    async def act(client: httpx.AsyncClient) -> None:
        answer = await client.post(WHATSAPP, content=body, headers=headers)
        assert answer.status_code == 401
        (row,) = doorway.ring.rows()
        assert (row.at, row.door, row.size) == (NOW, "whatsapp", len(body))
        assert row.reason.startswith("signature ")
        kept.append(doorway.ring.blob(row.sequence))
        assert "rejected_requests" in doorway.alarm_codes()

    run(doorway, act)
    assert doorway.events("message", "quarantine", "unknown") == []
    assert b"secret words" not in kept[0]
    assert doorway.keys.open_blob(kept[0]).endswith(body)


@pytest.mark.parametrize("signed", [
    "https://hooks.firm.example/hooks/twilio?a=1",
    "https://hooks.firm.example:443/hooks/twilio?a=1",
])
def test_case_46_behind_a_proxy_the_public_url_counts(tmp_path: Path, signed: str) -> None:
    """Signed with or without :443, for another host than the one the request has inside."""
    doorway = Doorway(tmp_path)
    form = twilio_form(1)

    async def act(client: httpx.AsyncClient) -> None:
        answer = await client.post("http://10.0.0.7:8080/hooks/twilio?a=1", content=form,
                                   headers=twilio_headers(signed, form))
        assert answer.status_code == 200
        inside = twilio_headers("http://10.0.0.7:8080/hooks/twilio?a=1", form)
        answer = await client.post("http://10.0.0.7:8080/hooks/twilio?a=1", content=form,
                                   headers=inside)
        assert answer.status_code == 401

    run(doorway, act)
    assert len(doorway.events("message")) == 1


def test_case_46_a_public_url_may_have_a_path_and_without_one_the_requests_counts(
        tmp_path: Path) -> None:
    """A proxy that serves several applications; and a gateway that stands alone."""
    form = twilio_form(1)
    for number, (public, signed) in enumerate([
            ("https://x.example/counterfoil/", "https://x.example/counterfoil/hooks/twilio"),
            ("", "http://inside/hooks/twilio")]):
        folder = tmp_path / str(number)
        doorway = Doorway(folder, replace(USUAL, public_url=public))
        assert post(doorway, TWILIO, form, twilio_headers(signed, form)).status_code == 200


@pytest.mark.parametrize("form", [
    twilio_form(1, NewFieldOfTwilio="1"),
    twilio_form(1) + b"&MediaUrl0=b&MediaUrl0=a&MediaUrl0=b",
    twilio_form(1, FromCity="", ToCity=""),
    twilio_form(1).replace(b"hello", b"a+b%20c"),
    twilio_form(1).replace(b"hello", quote("\U0001f600 caf\u00e9").encode()),
    twilio_form(1).replace(b"hello", b"a%2Bb"),
])
def test_case_47_the_forms_odd_spellings_are_valid(tmp_path: Path, form: bytes) -> None:
    """New fields, repeated keys, empty values, plus and %20, emoji: signed is signed."""
    doorway = Doorway(tmp_path)
    answer = post(doorway, TWILIO, form, twilio_headers(PUBLIC_URL + TWILIO, form))
    assert answer.status_code == 200
    assert len(doorway.events("message")) == 1


@pytest.mark.parametrize("change", [
    lambda form: form.replace(b"hello", b"hullo"), lambda form: form + b"&x=1",
    lambda form: form.replace(b"&NumMedia=0", b""),
    lambda form: form + b"&y=%ff", lambda form: b"&".join([form] * 400),
])
def test_a_changed_form_is_401(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """Any other pairs, bytes that are no UTF-8, and more pairs than a form may have."""
    doorway = Doorway(tmp_path)
    form = twilio_form(1)
    headers = twilio_headers(PUBLIC_URL + TWILIO, form)
    assert post(doorway, TWILIO, change(form), headers).status_code == 401
    assert doorway.events("message") == []


# -- what is not durable


def test_503_when_neither_log_nor_spool_has_it(tmp_path: Path) -> None:
    """Not durable is not acknowledged, whether the append was applied or not; the redelivery is
    a sighting of the same fact."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1))

    async def act(client: httpx.AsyncClient) -> None:
        doorway.spool.broken = True
        doorway.log.fail_next(Ambiguous, True)
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        doorway.log.fail_next(Transient, False)
        form = twilio_form(1)
        answer = await client.post(TWILIO, content=form,
                                   headers=twilio_headers(PUBLIC_URL + TWILIO, form))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        doorway.spool.broken = False
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
        assert answer.status_code == 200

    run(doorway, act)
    assert len({event_id(one) for one in doorway.events("message")}) == 1


def test_200_from_the_spool_while_the_log_is_silent(tmp_path: Path) -> None:
    """C1: Twilio does not send an SMS again, so a silent log must not cost it."""
    doorway = Doorway(tmp_path, ack_s_max=0.02)

    async def act(client: httpx.AsyncClient) -> None:
        doorway.log.hold()
        for number in range(3):
            form = twilio_form(number)
            answer = await client.post(TWILIO, content=form,
                                       headers=twilio_headers(PUBLIC_URL + TWILIO, form))
            assert answer.status_code == 200
        assert doorway.spool.summary().count == 3
        assert {"log_unreachable", "spool_in_use"} <= doorway.alarm_codes()
        doorway.log.release()

    run(doorway, act)
    assert [one.native_id for one in doorway.events("message")] == [
        f"SM{n:032x}" for n in range(3)]


def test_503_while_the_log_was_never_reached(tmp_path: Path) -> None:
    """A sealed record is bound to its log: without one nothing can be promised."""
    doorway = Doorway(tmp_path)
    doorway.log.set_down(True)
    body = whatsapp_body(text_message(1))
    assert post(doorway, WHATSAPP, body, hub_headers(body)).status_code == 503


# -- what is refused at the door


@pytest.mark.parametrize(("path", "content_type"), [
    (WHATSAPP, "application/x-www-form-urlencoded"), (WHATSAPP, ""), (WHATSAPP, "text/json"),
    (TWILIO, "text/plain"), (TWILIO, "multipart/form-data; boundary=x"),
])
def test_415_for_another_content_type(tmp_path: Path, path: str, content_type: str) -> None:
    """What no adapter reads is not taken, and the sender is told."""
    doorway = Doorway(tmp_path)
    assert post(doorway, path, b"x", {"content-type": content_type}).status_code == 415


def test_415_for_a_compressed_body(tmp_path: Path) -> None:
    """The signature is over the bytes as they came, and so is the parse: nothing is unpacked."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1))
    headers = {**hub_headers(body), "content-encoding": "gzip"}
    assert post(doorway, WHATSAPP, body, headers).status_code == 415


def test_a_content_type_may_have_parameters(tmp_path: Path) -> None:
    """charset=utf-8 is the same type."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1))
    headers = {**hub_headers(body), "content-type": "Application/JSON; charset=utf-8"}
    assert post(doorway, WHATSAPP, body, headers).status_code == 200


def test_a_door_without_a_secret_is_closed_and_named(tmp_path: Path) -> None:
    """503 with Retry-After: the provider keeps what it has; the other door is open."""
    doorway = Doorway(tmp_path, replace(USUAL, whatsapp_secrets=(b"",),
                                        whatsapp_verify_tokens=(b"",)))
    body, form = whatsapp_body(text_message(1)), twilio_form(1)

    async def act(client: httpx.AsyncClient) -> None:
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body, b""))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        answer = await client.get(WHATSAPP, params={
            "hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""})
        assert answer.status_code == 503
        answer = await client.post(TWILIO, content=form,
                                   headers=twilio_headers(PUBLIC_URL + TWILIO, form))
        assert answer.status_code == 200
        assert doorway.gateway.status().closed_doors == ("whatsapp",)
        (alarm,) = (one for one in doorway.gateway.status().alarms if one.code == "door_closed")
        assert alarm.detail == "whatsapp"

    run(doorway, act)


def test_a_door_that_lacks_its_file_is_an_alarm_from_the_start(tmp_path: Path) -> None:
    """With the reason, and it stays so when somebody knocks; the other door's is its own."""
    doorway = Doorway(tmp_path, replace(
        USUAL, whatsapp_secrets=(), twilio_tokens=(),
        closed={"whatsapp": "whatsapp_app_secret_file: /s is empty"}))
    body, form = whatsapp_body(text_message(1)), twilio_form(1)

    def said() -> list[str]:
        return [one.detail for one in doorway.gateway.status().alarms]

    async def act(client: httpx.AsyncClient) -> None:
        closed = "whatsapp: whatsapp_app_secret_file: /s is empty"
        assert said() == [closed]
        for _ in range(2):
            answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
            assert answer.status_code == 503
        assert said() == [closed]
        await client.post(TWILIO, content=form, headers=twilio_headers(PUBLIC_URL + TWILIO, form))
        assert said() == ["twilio", closed]
        doorway.clock.now += 25 * 3_600_000
        assert said() == [closed]

    run(doorway, act)


def account_update(said: str, account: str, at: int) -> bytes:
    """An account that left, or came back."""
    return json.dumps({"object": "whatsapp_business_account", "entry": [{
        "id": account, "time": at, "changes": [{
            "field": "account_update", "value": {"event": said}}]}]}).encode()


def test_an_account_that_comes_back_does_not_end_the_others_alarm(tmp_path: Path) -> None:
    """Each account's silence is its own; refused history stands beside it; and no alarm holds a
    number."""
    doorway = Doorway(tmp_path)
    refused = json.dumps({"object": "whatsapp_business_account", "entry": [{
        "id": "1", "time": NOW // 1000, "changes": [{"field": "history", "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": FIRM_NUMBER, "phone_number_id": "1"},
            "history": [{"errors": [{"code": 2593109, "title": "x", "message": "x"}]}]}}]}],
    }).encode()

    async def act(client: httpx.AsyncClient) -> None:
        async def say(body: bytes) -> list[str]:
            answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
            assert answer.status_code == 200
            return [one.detail for one in doorway.gateway.status().alarms
                    if one.code == "capture_gap"]

        at = NOW // 1000
        assert await say(account_update("ACCOUNT_OFFBOARDED", "901", at)) == ["account_offboarded"]
        both = "account_offboarded: 2 accounts"
        assert await say(account_update("ACCOUNT_OFFBOARDED", "902", at)) == [both]
        assert await say(refused) == [both, "history_refused"]
        assert await say(account_update("ACCOUNT_RECONNECTED", "901", at + 1)) == [
            "account_offboarded", "history_refused"]
        assert await say(account_update("ACCOUNT_RECONNECTED", "902", at + 1)) == [
            "history_refused"]

    run(doorway, act)


def test_408_for_a_body_that_does_not_come(tmp_path: Path) -> None:
    """A slow sender holds a connection for a bounded time."""
    doorway = Doorway(tmp_path, replace(USUAL, body_s_max=0.01))

    async def act(client: httpx.AsyncClient) -> None:
        status, headers = await knock(doorway.app, WHATSAPP, {"content-type": "application/json"},
                                      [b"{"], ends="silence")
        assert (status, headers["connection"]) == (408, "close")

    run(doorway, act)


def test_a_sender_that_hangs_up_changes_nothing(tmp_path: Path) -> None:
    """Half a body is no delivery."""
    doorway = Doorway(tmp_path)

    async def act(client: httpx.AsyncClient) -> None:
        status, _ = await knock(doorway.app, WHATSAPP, {"content-type": "application/json"},
                                [b"{"], ends="disconnect")
        assert status == 400
        assert doorway.gateway.status().requests_in_flight == 0

    run(doorway, act)


def test_503_when_all_bodies_together_are_too_large(tmp_path: Path) -> None:
    """Memory is bounded; what was held is given back."""
    doorway = Doorway(tmp_path, replace(USUAL, buffered_bytes_max=1_000))
    body = whatsapp_body(text_message(1, "x" * 1_000))
    small = whatsapp_body(text_message(1))

    async def act(client: httpx.AsyncClient) -> None:
        for _ in range(3):
            answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            answer = await client.post(WHATSAPP, content=small, headers=hub_headers(small))
            assert answer.status_code == 200

    run(doorway, act)


def test_503_when_too_many_are_under_way(tmp_path: Path) -> None:
    """Bounded concurrency: the one too many comes again, the others are served."""
    doorway = Doorway(tmp_path, replace(USUAL, requests_max=2, working_max=1))

    async def act(client: httpx.AsyncClient) -> None:
        doorway.log.hold()
        bodies = [whatsapp_body(text_message(n)) for n in range(3)]
        asked = [asyncio.create_task(client.post(WHATSAPP, content=one, headers=hub_headers(one)))
                 for one in bodies[:2]]
        await until(lambda: doorway.gateway.status().requests_in_flight == 2)
        answer = await client.post(WHATSAPP, content=bodies[2], headers=hub_headers(bodies[2]))
        assert answer.status_code == 503
        doorway.log.release()
        assert [(await one).status_code for one in asked] == [200, 200]

    run(doorway, act)
    assert len(doorway.events("message")) == 2


def test_bodies_that_trickle_do_not_shut_the_door(tmp_path: Path) -> None:
    """A thousand senders of one byte each: the oldest are given up, and a genuine delivery is
    read and served. What is not read to its end does not count as under way."""
    doorway = Doorway(tmp_path, replace(USUAL, readers_max=3, requests_max=1))
    body = whatsapp_body(text_message(1))

    async def act(client: httpx.AsyncClient) -> None:
        slow = [asyncio.create_task(knock(
            doorway.app, WHATSAPP, {"content-type": "application/json"}, [b"{"], ends="silence"))
            for _ in range(20)]
        await until(lambda: sum(one.done() for one in slow) == 17)
        assert {(await one)[0] for one in slow[:17]} == {408}
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
        assert answer.status_code == 200
        assert (await slow[17])[0] == 408
        for one in slow[18:]:
            one.cancel()
        await asyncio.wait(slow)

    run(doorway, act)
    assert len(doorway.events("message")) == 1


def test_each_verify_token_shakes_hands(tmp_path: Path) -> None:
    """Old and new while it is changed (C2); an empty one is none."""
    doorway = Doorway(tmp_path, replace(USUAL, whatsapp_verify_tokens=(b"new", b"", b"old")))

    async def act(client: httpx.AsyncClient) -> None:
        for token, status in (("new", 200), ("old", 200), ("", 403), ("other", 403)):
            answer = await client.get(WHATSAPP, params={
                "hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": token})
            assert answer.status_code == status

    run(doorway, act)


def test_a_chunked_body_is_read(tmp_path: Path) -> None:
    """No Content-Length, many small chunks."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1))

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 7):
            yield body[at:at + 7]

    async def act(client: httpx.AsyncClient) -> None:
        answer = await client.post(WHATSAPP, content=chunks(), headers=hub_headers(body))
        assert answer.status_code == 200

    run(doorway, act)
    assert len(doorway.events("message")) == 1


# -- what goes wrong inside


def _fails(_body: bytes, _type: str, _at: int) -> Parsed:
    raise RuntimeError("words of a client")


def _unwritable(body: bytes, _type: str, at: int) -> Parsed:
    return Parsed((CapturedEvent(
        kind="message", channel="whatsapp", source="test/1", account="+1", conversation="pair:1",
        captured_at=at, native_id="x", text="\ud800"),))


@pytest.mark.parametrize("parse", [_fails, _unwritable])
def test_an_adapters_defect_costs_no_delivery(tmp_path: Path, parse: Any) -> None:
    """200, and the body waits in quarantine: a provider that hears 500 gives up in the end."""
    doorway = Doorway(tmp_path, parses={"whatsapp": parse, "twilio": parse})
    body = whatsapp_body(text_message(1))
    assert post(doorway, WHATSAPP, body, hub_headers(body)).status_code == 200
    (held,) = doorway.events(events.QUARANTINE)
    assert held.raw == body


def test_events_of_nobodys_account_and_edits_without_content_are_alarms(tmp_path: Path) -> None:
    """C7: what an operator must hear of."""
    doorway = Doorway(tmp_path)
    edit = {"from": "16505551234", "id": "wamid.2", "timestamp": str(NOW // 1000),
            "type": "unsupported", "errors": [{"code": 131051}], "unsupported": {"type": "edit"}}
    body = whatsapp_body(text_message(1), edit, number="15557777777")
    assert post(doorway, WHATSAPP, body, hub_headers(body)).status_code == 200
    assert {"unassigned_traffic", "edit_without_content"} <= doorway.alarm_codes()
    doorway.clock.now += 25 * 3_600_000
    assert not {"unassigned_traffic", "edit_without_content"} & doorway.alarm_codes()


def test_nothing_of_a_message_is_ever_logged(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Accepted, rejected, quarantined, not durable: no content, number or id in any log line."""
    doorway = Doorway(tmp_path)
    caplog.set_level(logging.DEBUG)
    body = whatsapp_body(text_message(1, "secretword"))
    broken = body.replace(b'"id":"wamid.1"', b'"id":nul')

    async def act(client: httpx.AsyncClient) -> None:
        for one in (body, broken, b"not json secretword"):
            await client.post(WHATSAPP, content=one, headers=hub_headers(one))
        await client.post(WHATSAPP, content=body, headers=hub_headers(body, b"other"))
        await client.post(TWILIO, content=b"Body=secretword", headers={
            "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "x"})
        doorway.spool.broken = True
        doorway.log.fail_next(Transient, False)
        await client.post(WHATSAPP, content=body, headers=hub_headers(body))
        doorway.spool.broken = False

    run(doorway, act)
    lines = [json.dumps(vars(one), default=str) for one in caplog.records
             if not one.name.startswith(("httpx", "asyncio", "httpcore"))]
    assert lines
    for secret in ("secretword", "wamid", "16505551234", "app-secret", "twilio-token"):
        assert not [one for one in lines if secret in one]


def test_a_ring_that_cannot_keep_a_request_changes_no_answer(tmp_path: Path) -> None:
    """401 all the same, the alarm is up, and the other requests are captured."""
    doorway = Doorway(tmp_path)
    body = whatsapp_body(text_message(1))

    async def act(client: httpx.AsyncClient) -> None:
        doorway.ring.close()
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body, b"other"))
        assert answer.status_code == 401
        assert "rejected_requests" in doorway.alarm_codes()
        answer = await client.post(WHATSAPP, content=body, headers=hub_headers(body))
        assert answer.status_code == 200

    run(doorway, act)


def test_query_of_a_url_is_taken_as_it_came(tmp_path: Path) -> None:
    """Escapes are not undone and not added before the signature is checked."""
    doorway = Doorway(tmp_path)
    query = urlencode({"a": "1 2", "b": "\u00e9"}) + "&c=%2f&d=x%27y"
    form = twilio_form(1)
    headers = twilio_headers(f"{PUBLIC_URL}{TWILIO}?{query}", form)
    assert post(doorway, f"{TWILIO}?{query}", form, headers).status_code == 200
