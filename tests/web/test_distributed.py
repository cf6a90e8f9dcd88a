"""The console's process on the real Kafka, S3 and Elasticsearch: a supervisor's morning over HTTP.

Owns one walk through the pages and one through the API; what each shows in detail is tested on the
embedded line, where it is the same code.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from infra.access import load_access
from infra.config import load
from infra.signin import Desk, state_store
from infra.wire import Wire
from schemas import domains
from search.access.cookies import SESSION_COOKIE, csrf_of
from search.audit import Auditor, AuditSettings
from search.policy.flags import Flag, flag_event
from tests.browser import firm
from tests.browser.firm import PASSWORD, Site
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import real_configuration, unique_name, wait_for
from tests.e2e.line import Clock, Line
from tests.web.deskworld import ACCESS, ANN, BOB, DIRECTORY, MINUTE, POLICY, key, message
from tests.world import Random

pytestmark = pytest.mark.slow

_WAIT_S: Final = 30.0
_FIELD: Final = re.compile(r'name="(csrf|key|basis)" value="([0-9a-f]+)"')
_COUNT: Final = 6


class Browser:
    """Somebody who signed in with a password."""

    def __init__(self, url: str, person: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=_WAIT_S, headers={"origin": url})
        form = self.fields("/sign-in")
        answer = self.client.post("/sign-in", data={**form, "person": person, "password": PASSWORD})
        assert answer.status_code == 303, answer.text

    def page(self, path: str, status: int = 200) -> str:
        """A page's text."""
        answer = self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:1_000])
        return answer.text

    def fields(self, path: str) -> dict[str, str]:
        """What the forms of a page send unseen."""
        return dict(_FIELD.findall(self.page(path)))

    def post(self, path: str, form: Mapping[str, str]) -> str:
        """Where a form leads."""
        answer = self.client.post(path, data=dict(form))
        assert answer.status_code == 303, (path, answer.status_code, answer.text[:2_000])
        return answer.headers["location"]

    def api(self, path: str, body: Mapping[str, Any] | None = None, *, call: str = "") -> Any:
        """An answer of the API; with `body` and the key `call` something is done."""
        url = f"/api/v1{path}"
        if body is None:
            answer = self.client.get(url)
        else:
            answer = self.client.post(url, json=body, headers={
                "x-csrf-token": csrf_of(self.client.cookies[SESSION_COOKIE]),
                "idempotency-key": call})
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:2_000])
        return answer.json()


class Firm:
    """Ann's and Bob's messages of this hour, archived on the real servers; two are flagged."""

    def __init__(self, home: Path, now: int) -> None:
        for name, text in (("directory.toml", DIRECTORY), ("access.toml", ACCESS)):
            (home / name).touch(mode=0o600)
            (home / name).write_text(text, "utf-8")
        (home / "policies").mkdir()
        (home / "policies" / "money-1.toml").write_text(POLICY, "utf-8")
        clock = Clock(now)
        self.wire = Wire(load(home), clock, Random("distributed"))
        self.wire.provision()
        self.line = Line(self.wire, clock)
        said = [message(ANN, "ann", f"a{number}", now - (60 - number) * MINUTE, (
            "send it to the new account" if number == 3 else f"good morning {number}"))
            for number in range(_COUNT)]
        said.append(message(BOB, "bob", "b0", now - 30 * MINUTE, "my account is closed"))
        self.wire.recorder("gateway").record_all(said)
        self.wire.recorder("search").record_all([
            flag_event(Flag(key(one), "money", "account", 1, "medium", one.revision,
                            "Money is to go to another account.", "0" * 64), now - MINUTE, 8)
            for one in (said[3], said[-1])])
        self.line.archive()
        self._accounts()

    def _accounts(self) -> None:
        policy = load_access(self.wire.home / "access.toml")
        with closing(self.wire.capture_log()) as log:
            auditor = Auditor(self.wire.recorder("search", log), AuditSettings(
                domains.ROLE_NAMES[domains.FIRM], self.wire.directory().firm_years()),
                self.wire.clock, self.wire.random)
            admin = Desk(self.wire, lambda: policy, auditor, state_store(self.wire)).admin
            for person in ("sue", "dana", "lea"):
                admin.add(person, "the operator", PASSWORD, is_own=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, kafka_server: KafkaServer, s3_server: S3Server,
         elasticsearch_server: ElasticsearchServer) -> Firm:
    """Its data folder names the real servers."""
    home = tmp_path_factory.mktemp("pages") / "home"
    real_configuration(home, unique_name("pages"), kafka_server, s3_server, elasticsearch_server)
    # A real store locks only until a time that is still to come.
    return Firm(home, int(time.time()) * 1000)


@pytest.fixture(scope="module")
def console(made: Firm) -> Iterator[Site]:
    """The process, as an operator starts it; it ends when it is told to."""
    with firm.serving(made.wire.home) as found:
        yield found


def test_a_morning_with_the_pages(made: Firm, console: Site) -> None:
    """Search and facets, conversation, message, claim and decision, figures; then it is archived,
    and the audit tells it."""
    dana = Browser(console.url, "dana")
    found = dana.page("/search?q=account")
    assert "2 messages" in found and "Ann Roe" in found and "Bob Vale" in found
    (item,) = _documents(dana, '"new account"')
    (talk,) = re.findall(r'href="(/conversation/[^"?]+)', dana.page("/search?q=%22new+account%22"))
    shown = dana.page(talk)
    assert all(f"good morning {number}" in shown for number in range(_COUNT) if number != 3)
    provenance = dana.page(f"/message/{item}")
    assert "segments/" in provenance and "Locked until" in provenance

    assert f"/item/{item}" in dana.page("/queue")
    hidden = dana.fields(f"/item/{item}")
    dana.post(f"/item/{item}/claim", {"csrf": hidden["csrf"]})
    assert "yours until" in dana.page(f"/item/{item}")
    hidden = dana.fields(f"/item/{item}")
    dana.post(f"/item/{item}/decide", {
        **hidden, "decision": "clear", "reason": "the client confirmed it"})
    assert "Closed: clear" in dana.page(f"/item/{item}")
    figures = dana.page("/dashboard")
    assert "7 messages" in figures and "does not run" in figures

    made.line.archive()
    assert f"/item/{item}" not in dana.page("/queue")
    trail = dana.page("/audit?person=dana")
    assert "decided on" in trail and f"/message/{item}" in trail and "searched for" in trail
    told = dana.api("/audit?person=dana&limit=200")["records"]
    assert {"search", "view", "decide", "claim", "dashboard"} <= {one["action"] for one in told}


def test_a_morning_with_the_api(console: Site) -> None:
    """The same answers, within what each may see; and a dry run to its end."""
    dana, sue, lea = (Browser(console.url, person) for person in ("dana", "sue", "lea"))
    (closed,) = _documents(dana, "closed")
    for person in (sue, lea):                     # of another group; behind the wall
        assert [] == _documents(person, "closed")
        person.page(f"/message/{closed}", 404)
    counted = dana.api("/facets?q=kind:message")["facets"]["custodian"]
    assert {("ann", _COUNT), ("bob", 1)} == {(one["value"], one["count"]) for one in counted}
    assert 2 == dana.api("/explain?q=acc*")["total"]
    assert "my account is closed" == dana.api(f"/messages/{closed}")["text"]
    assert closed in {one["id"] for one in dana.api("/queue")["items"]}
    dana.api(f"/items/{closed}/claim", {}, call="claim")
    dana.api(f"/items/{closed}/decide", {
        "decision": "false_positive", "reason": "another account"}, call="decide")
    assert "closed" == dana.api(f"/items/{closed}")["status"]

    run = sue.api("/policies/runs", {"policy": "money/1"}, call="run")["run"]
    wait_for(lambda: sue.api(f"/policies/runs/{run}")["state"] != "running", "the dry run ended",
             _WAIT_S)
    ended = sue.api(f"/policies/runs/{run}")
    assert ("done", [1]) == (ended["state"], [one["messages"] for one in ended["rules"]])


def _documents(person: Browser, query: str) -> list[str]:
    return [one["id"] for one in person.api(f"/search?q={query}")["hits"]]
