"""What Twilio lists against what is archived, over HTTP against a local fake of its API (G8)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jsonschema import Draft202012Validator

from infra.config import load
from infra.embedded.media import SqliteTaskList
from infra.media import MediaAccess
from infra.twilio_poll import TwilioMessages
from infra.verbs.reconcile import Wanted, reconcile
from infra.wire import DAY_MS, Wire
from ingest import reconcile as comparing
from ingest.adapters import twilio
from ingest.delivery import Deliverer
from ingest.own import own_event
from ingest.publish import CaptureLog
from ingest.reconcile import Listed, read_page
from ingest.routing import Router
from ingest.status import AlarmBoard
from schemas import codec, events, gaps, identity
from schemas.errors import Refused, Transient
from schemas.events import CapturedEvent
from schemas.gaps import gaps_of
from search.access.viewer import operator
from search.bodies import Bodies
from search.follow import Follower, bind
from search.gaps import GapReader
from tests.ingest.doorway import twilio_form
from tests.runtime.test_acts import recorded
from tests.runtime.test_voice import Clock
from tests.world import NOW, Watcher

SID, TOKEN, OLD_TOKEN = "AC" + "0" * 32, "secret-token-1", "secret-token-0"
DESK, CLIENT = "+15550783881", "+16505551234"
DIRECTORY = f"""
[[custodian]]
id = "asmith"
name = "Alice Smith"
[[account]]
channel = "sms"
account = "{DESK}"
custodian = "asmith"
[[exclusion]]
channel = "sms"
account = "{DESK}"
counterparty = "+16505559999"
reason = "spouse"
"""


def sent(number: int, status: str = "sent") -> dict[str, Any]:
    """One that the firm sent over the API."""
    return {**item(number), "direction": "outbound-api", "status": status, "from": DESK,
            "to": CLIENT}


def item(number: int, at: int = NOW, **more: Any) -> dict[str, Any]:
    """A message as the API lists it."""
    said = datetime.fromtimestamp(at / 1000, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    return {
        "sid": f"SM{number:032x}", "account_sid": SID, "messaging_service_sid": None,
        "from": CLIENT, "to": DESK, "body": f"message {number}", "status": "received",
        "direction": "inbound", "num_media": "0", "num_segments": "1", "api_version": "2010-04-01",
        "date_created": said, "date_sent": said, "date_updated": said, "error_code": None,
        "error_message": None, "price": None, "price_unit": "USD",
        "uri": f"/2010-04-01/Accounts/{SID}/Messages/SM{number:032x}.json",
        "subresource_uris": {"media": "/2010-04-01/x.json"}, **more}


@dataclass
class FakeTwilio:
    """The list of messages, `page` a page; `answers` are given first, as they are."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    page: int = 2
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    following: Callable[[str], str] = lambda path: path
    files: dict[str, bytes] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, target: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """What a GET gives."""
        self.asked.append(target)
        if self.answers:
            return self.answers.pop(0)
        if authorization != "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode():
            return 401, {}, b"{}"
        parts = urlsplit(target)
        if parts.path in self.files:
            return 200, {}, self.files[parts.path]
        if parts.path != f"/2010-04-01/Accounts/{SID}/Messages.json":
            return 404, {}, b"{}"
        query = parse_qs(parts.query)
        number = int(query.get("Page", ["0"])[0])
        lines = self.messages[number * self.page:(number + 1) * self.page]
        more = (number + 1) * self.page < len(self.messages)
        following = self.following(f"{parts.path}?PageSize=1000&Page={number + 1}&PageToken=PA")
        return 200, {"Content-Type": "application/json"}, json.dumps({
            "messages": lines, "page": number, "page_size": self.page,
            "first_page_uri": target, "next_page_uri": following if more else None}).encode()


@pytest.fixture
def provider() -> Iterator[FakeTwilio]:
    """A fake of the API on loopback."""
    fake = FakeTwilio()

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:
            """See BaseHTTPRequestHandler."""
            status, headers, body = fake.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, said in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, said)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - theirs
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()


def poll(provider: FakeTwilio, *tokens: str, slept: list[float] | None = None) -> TwilioMessages:
    """A client of it."""
    access = MediaAccess(twilio_url=provider.url, twilio_account=SID,
                         twilio_tokens=tokens or (TOKEN,))
    return TwilioMessages(access, lambda: NOW, (slept if slept is not None else []).append)


def sids(client: TwilioMessages) -> list[str]:
    """Of everything that it lists."""
    return [one.sid for page in client.pages(NOW - DAY_MS, NOW) for one in page.listed]


def test_the_list_is_read_page_by_page_to_its_end(provider: FakeTwilio) -> None:
    """Every message once, asked for by days with a day to spare on each side."""
    provider.messages = [item(n) for n in range(5)]
    assert sids(poll(provider)) == [f"SM{n:032x}" for n in range(5)]
    assert len(provider.asked) == 3
    query = parse_qs(urlsplit(provider.asked[0]).query)
    day = datetime.fromtimestamp(NOW / 1000, UTC).date()
    assert query["PageSize"] == ["1000"]
    assert query["DateSent>"][0] < day.isoformat() < query["DateSent<"][0]


def test_a_token_that_is_no_longer_good_is_followed_by_the_next(provider: FakeTwilio) -> None:
    """Tokens are lists; none that is good is a refusal that says what to look at."""
    provider.messages = [item(1)]
    assert len(sids(poll(provider, OLD_TOKEN, TOKEN))) == 1
    with pytest.raises(Refused, match="twilio_auth_token"):
        sids(poll(provider, OLD_TOKEN))


def test_what_fails_is_tried_again_when_the_provider_says(provider: FakeTwilio) -> None:
    """429 and 503 for a while; then Transient, and nothing was concluded."""
    provider.messages = [item(1)]
    provider.answers = [(429, {"Retry-After": "7"}, b""), (503, {}, b"")]
    slept: list[float] = []
    assert len(sids(poll(provider, slept=slept))) == 1
    assert slept == [0.0, 7.0, 5.0]
    provider.answers = [(503, {}, b"")] * 4
    with pytest.raises(Transient):
        sids(poll(provider))


@pytest.mark.parametrize("elsewhere", [
    "http://127.0.0.2:1/2010-04-01/Accounts/x/Messages.json", "//evil.example/x",
    "/2010-04-01/Accounts/other/Messages.json?Page=1", "https://evil.example/"])
def test_a_page_that_leads_elsewhere_is_not_followed(provider: FakeTwilio, elsewhere: str) -> None:
    """The credentials go to one host and one path."""
    provider.messages = [item(n) for n in range(3)]
    provider.following = lambda _path: elsewhere
    with pytest.raises(Refused, match="leads elsewhere"):
        sids(poll(provider))
    assert len(provider.asked) == 1


def test_a_list_without_an_end_is_refused(provider: FakeTwilio) -> None:
    """The same page again and again."""
    provider.messages = [item(n) for n in range(9)]
    provider.following = lambda path: path.partition("?")[0] + "?Page=1"
    with pytest.raises(Refused, match="does not end"):
        sids(poll(provider))


def test_only_the_provider_itself_is_asked() -> None:
    """Another host than https, or no credentials: refused before anything is sent."""
    for url in ("http://api.twilio.com", "ftp://127.0.0.1", "http://10.0.0.1"):
        with pytest.raises(Refused):
            sids(TwilioMessages(MediaAccess(twilio_url=url, twilio_account=SID,
                                            twilio_tokens=(TOKEN,)),
                                lambda: NOW, lambda _s: None))
    with pytest.raises(Refused, match="needed"):
        TwilioMessages(MediaAccess(), lambda: NOW, lambda _s: None)


def only(said: dict[str, Any]) -> Listed:
    """The one message of a page."""
    (listed,) = read_page(json.dumps({"messages": [said]}).encode(), NOW).listed
    codec.encode(listed.event)
    return listed


def test_a_listed_message_is_the_one_that_the_webhook_brings() -> None:
    """Same message key, conversation and account; fetched, with its time and its exact bytes."""
    (hook,) = twilio.parse(twilio_form(7, Body="message 7"), "", NOW).events
    listed = only(item(7, NOW - 60_000)).event
    assert identity.message_key(hook) == identity.message_key(listed)
    assert identity.event_id(hook) == identity.event_id(listed)
    assert (hook.conversation, hook.account, hook.text, hook.direction) == (
        listed.conversation, listed.account, listed.text, listed.direction)
    assert (listed.provenance, listed.occurred_at) == (
        events.PROVIDER_FETCHED, (NOW - 60_000) // 1000 * 1000)
    assert json.loads(listed.raw or b"") == item(7, NOW - 60_000)


def test_a_message_of_the_firm_is_outgoing() -> None:
    """The firm's number is the account, in the same conversation."""
    out = only(sent(1)).event
    assert (out.account, out.direction, out.actor and out.actor.native_id) == (
        DESK, events.OUT, DESK)
    assert [one.native_id for one in out.participants] == [CLIENT]
    assert out.conversation == only(item(2)).event.conversation


def test_what_cannot_be_read_is_counted_and_what_was_never_sent_left_out() -> None:
    """One bad item costs itself alone; a page that is none is refused."""
    body = json.dumps({"messages": [
        item(1), {"sid": "SM2"}, 3, item(3, status="scheduled"), item(4, date_sent="never",
                                                                   date_created=None),
        item(5, num_media="2")]}).encode()
    page = read_page(body, NOW)
    assert ([one.sid[-1] for one in page.listed], page.unread, page.next) == (["1", "5"], 3, "")
    assert [one.state for one in page.listed[1].event.attachments] == ["failed", "failed"]
    for bad in (b"", b"[]", b'{"messages": 1}', b'{"messages": [', b'{"code": 20003}', b"\xff"):
        with pytest.raises(Refused):
            read_page(bad, NOW)


def test_the_comparison_counts_each_message_once() -> None:
    """Missing oldest first; personal ones are nobody's business."""
    listed = [only(item(n, NOW - n * 60_000)) for n in (1, 2, 3, 2)]
    found = comparing.compare(listed, lambda one: one.sid.endswith("1"),
                              lambda event: (event.native_id or "").endswith("3"))
    assert (found.listed, [one.sid[-1] for one in found.missing], found.excluded) == (3, ["2"], 1)


# --- the verb


@pytest.fixture
def time() -> Clock:
    """A day later than what is compared."""
    made = Clock()
    made.now = NOW + DAY_MS
    return made


@pytest.fixture
def wire(tmp_path: Path, time: Clock, provider: FakeTwilio) -> Wire:
    """An embedded system with a directory, whose Twilio is the fake."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "counterfoil.toml").write_text(
        f'twilio_account_sid = "{SID}"\ntwilio_auth_token = "{OLD_TOKEN},{TOKEN}"\n'
        f'[media]\ntwilio_url = "{provider.url}"\n')
    made = Wire(load(home), clock=time)
    made.provision_once()
    made.directory_path.write_text(DIRECTORY)
    return made


def capture(wire: Wire, *said: CapturedEvent) -> None:
    """On the log, and everything on it archived and indexed."""
    deliverer = Deliverer(Router(wire.keys_folder.routing_key(), bytes(16)), wire.directory())
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_all(deliverer.stamp(one, None) for one in said)
    with closing(wire.archive_log()) as archive_log:
        archiver = wire.archiver(archive_log, Watcher())
        for _ in range(3):
            archiver.turn(0.0, flush=True)
    indexes = wire.indexes()
    index = indexes.open(bind(indexes))
    Follower(wire.reader(), index, wire.projector()).run_to_end()


def webhook(number: int, at: int = NOW) -> CapturedEvent:
    """As the door captured it."""
    (event,) = twilio.parse(twilio_form(number, Body=f"message {number}"), "", at).events
    return event


def run(wire: Wire, capsys: pytest.CaptureFixture[str],
        store: bool = False) -> tuple[int, dict[str, Any]]:
    """(exit code, line) of `reconcile --json` over two days."""
    day = datetime.fromtimestamp(NOW / 1000 - 86_400, UTC).date().isoformat()
    capsys.readouterr()
    code = reconcile(wire, Wanted("sms", day, "", store), json=True)
    line = json.loads(capsys.readouterr().out)
    assert isinstance(line, dict)
    return code, line


def fetch_files(wire: Wire) -> None:
    """What the gateway does of its list, until nothing of it is due."""
    router = Router(wire.keys_folder.routing_key(), bytes(16))

    async def act(log: CaptureLog, tasks: SqliteTaskList, threads: Executor) -> None:
        recorder = wire.recorder("gateway", log)

        async def publish(made: Sequence[CapturedEvent]) -> None:
            recorder.record_all(made)

        worker = wire.media_worker(publish, router, AlarmBoard(), tasks, threads)
        while await worker.turn():
            pass

    with (closing(wire.capture_log()) as log, ThreadPoolExecutor() as threads,
          closing(SqliteTaskList(wire.home / "gateway" / "media.db")) as tasks):
        asyncio.run(act(log, tasks, threads))
    capture(wire)


def known_gaps(wire: Wire) -> list[gaps.Gap]:
    """As the index knows them after everything was carried there."""
    capture(wire)
    indexes = wire.indexes()
    return GapReader(Bodies(wire.reader())).all(indexes.open(bind(indexes)))


def overflow() -> CapturedEvent:
    """The door of Twilio answered 503 for a minute."""
    return own_event(events.GAP, "overflow", NOW, 8, gaps.details(
        "spool_overflow", gaps.OVER, since=NOW - 60_000, until=NOW, door="twilio", requests="1"))


def test_a_comparison_without_a_difference_closes_the_gap(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that is listed is archived: the report says so, and it is an event."""
    provider.messages = [item(1), item(2), {**item(3), "from": "+16505559999"}]
    capture(wire, webhook(1), webhook(2), overflow())
    code, line = run(wire, capsys)
    assert (code, line["complete"], line["missing"], line["excluded"], line["extra"]) == (
        0, True, 0, 1, 0)
    assert [(one.reason, one.settled) for one in known_gaps(wire)] == [
        ("spool_overflow", gaps.COMPLETE)]


def test_missing_messages_are_proved_then_archived_and_the_gap_is_closed(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """First only compared: exit 1 and a proved gap. Then imported: fetched from the provider, under
    the custodian's key, found by search; and once more: nothing is missing."""
    provider.messages = [item(1), item(2, NOW - 30_000), item(3, NOW - 20_000)]
    capture(wire, webhook(1), overflow())
    code, line = run(wire, capsys)
    assert (code, line["missing"], line["archived"], line["complete"]) == (1, 2, 0, False)
    assert [one["id"][-1] for one in line["messages"]] == ["2", "3"]
    assert {(one.reason, one.settled, one.missing) for one in known_gaps(wire)} == {
        ("spool_overflow", gaps.PROVED, 2), ("provider_lists_more", gaps.PROVED, 2)}
    code, line = run(wire, capsys, store=True)
    assert (code, line["missing"], line["archived"], line["complete"]) == (0, 2, 2, True)
    assert not any(one.is_open for one in known_gaps(wire))
    fetched = [one for one in recorded(wire) if one.provenance == events.PROVIDER_FETCHED]
    assert [(one.custodian, one.text) for one in fetched] == [
        ("asmith", "message 2"), ("asmith", "message 3")]
    assert json.loads(fetched[0].raw or b"")["sid"].endswith("2")
    assert wire.searcher().search('"message 3"', operator("dana")).total == 1
    code, line = run(wire, capsys, store=True)
    assert (code, line["missing"], line["archived"]) == (0, 0, 0)


def of_message(number: int) -> str:
    """Where what belongs to a message lies."""
    return f"/2010-04-01/Accounts/{SID}/Messages/SM{number:032x}"


def test_pictures_of_missing_messages_are_fetched(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """The provider's list of a message's files says where they lie; the gateway fetches them, and
    each is stored and opens. What the provider no longer keeps stays a failed file."""
    picture, note = f"ME{1:032x}", f"ME{2:032x}"
    provider.messages = [item(1, num_media="3"), item(2, num_media="1")]
    provider.files = {
        f"{of_message(1)}/Media.json": json.dumps({"media_list": [
            {"sid": picture, "content_type": "image/png"}, {"sid": "ME/../x"}, 7,
            {"sid": note, "content_type": None}]}).encode(),
        f"{of_message(1)}/Media/{picture}": b"a picture", f"{of_message(1)}/Media/{note}": b"note"}
    code, line = run(wire, capsys, store=True)
    assert (code, line["archived"]) == (0, 2)
    fetch_files(wire)
    said = recorded(wire)
    messages = {one.native_id: one for one in said if one.kind == events.MESSAGE}
    states = [[one.state for one in messages[f"SM{number:032x}"].attachments] for number in (1, 2)]
    assert states == [["pending", "pending", "failed"], ["failed"]]
    stored = {one.attachments[0].native_id: one.attachments[0] for one in said
              if one.kind == events.DERIVED and one.attachments}
    assert {name: (one.state, one.sha256) for name, one in stored.items()} == {
        picture: ("stored", hashlib.sha256(b"a picture").digest()),
        note: ("stored", hashlib.sha256(b"note").digest())}


def test_a_provider_that_gives_no_list_of_files_loses_no_message(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is recorded until it is known; the next run archives it."""
    provider.messages = [item(1, num_media="1")]
    provider.files = {f"{of_message(1)}/Media.json": b"<html>"}
    with pytest.raises(Refused):
        run(wire, capsys, store=True)
    assert not [one for one in recorded(wire) if one.kind == events.MESSAGE]
    provider.files = {}
    assert run(wire, capsys, store=True)[1]["archived"] == 1


def test_a_receipt_is_not_the_message(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """What the firm sent over the API came as a status callback only: its text is missing."""
    provider.messages = [sent(4, "delivered")]
    (receipt,) = twilio.parse(twilio_form(4, MessageStatus="delivered", From=DESK, To=CLIENT), "",
                              NOW).events
    assert receipt.kind == events.RECEIPT
    capture(wire, receipt)
    assert run(wire, capsys)[1]["missing"] == 1
    run(wire, capsys, store=True)
    capture(wire)
    (hit,) = wire.searcher().search('"message 4"', operator("dana")).hits
    assert (hit.direction, hit.kinds) == ("out", ("message", "receipt"))


def test_what_is_archived_and_not_listed_is_counted(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """Deleted at the provider; ours stays. An import's messages are not the provider's."""
    provider.messages = [item(1)]
    capture(wire, webhook(1), webhook(9), replace(
        webhook(8), provenance=events.CUSTODIAN_SUPPLIED, source="sms-backup/1"))
    code, line = run(wire, capsys)
    assert (code, line["extra"], line["complete"]) == (0, 1, True)


def test_a_list_that_could_not_be_read_whole_closes_nothing(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str]) -> None:
    """One odd item, and the gap stays open."""
    provider.messages = [item(1), {"sid": "SMx"}]
    capture(wire, webhook(1), overflow())
    code, line = run(wire, capsys)
    assert (code, line["unread"], line["complete"]) == (1, 1, False)
    assert all(one.is_open for one in known_gaps(wire))


def test_nothing_is_concluded_from_a_provider_that_does_not_answer(
        wire: Wire, provider: FakeTwilio, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """No report, no gap closed; that somebody tried is recorded."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    provider.answers = [(503, {}, b"")] * 4
    capture(wire, overflow())
    with pytest.raises(Transient):
        run(wire, capsys)
    assert [one.is_open for one in known_gaps(wire)] == [True]
    (act,) = (one for one in recorded(wire) if one.kind == events.AUDIT)
    assert act.detail("action") == "reconcile"


@pytest.mark.parametrize(("wanted", "said"), [
    (Wanted("whatsapp", "2026-01-01", ""), "only sms"), (Wanted("sms", "", ""), "--from"),
    (Wanted("sms", "2026-01-01", "2025-01-01"), "not after"), (Wanted("sms", "x", ""), "--from")])
def test_a_comparison_that_cannot_be_meant_is_refused(wire: Wire, wanted: Wanted,
                                                      said: str) -> None:
    """Before anybody is asked."""
    with pytest.raises(Refused, match=said):
        reconcile(wire, wanted, json=True)


def test_gaps_of_the_reports_alone_are_none() -> None:
    """A comparison that found nothing is no gap."""
    name, details = gaps.compared("sms", 1, 2, 5, 0, 0, NOW)
    assert gaps_of([own_event(events.GAP, name, NOW, 8, details)]) == []


def test_the_line_is_as_its_schema_says(wire: Wire, provider: FakeTwilio,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    """docs/interface/reconcile.schema.json, with exactly the keys of the first day."""
    schema = json.loads((Path(__file__).parents[2] / "docs" / "interface"
                         / "reconcile.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    provider.messages = [item(1)]
    _, line = run(wire, capsys)
    Draft202012Validator(schema).validate(line)
    assert tuple(line) == tuple(schema["required"])
