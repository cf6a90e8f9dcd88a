"""The matrix of routes once more, with pseudonyms switched on: names and numbers of custodians and
clients are in no answer to whoever sees messages, until an item is escalated or they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from schemas import events, gaps
from schemas.events import CapturedEvent
from search.access import roles
from search.access.cookies import csrf_of
from tests.web.test_matrix import PROBES, WRONG_MAX, asked, guess_of, may_ask, routes
from tests.web.walls import (
    ADVICE,
    ALPHA,
    ANN,
    BETA,
    CUSTODIANS,
    SECRETS,
    SEES,
    START,
    Firm,
    capabilities,
)

pytestmark = pytest.mark.slow

ON: Final = "pseudonyms = true\n"
# Clients by topic, as they are named beside a message.
CLIENTS: Final = {ALPHA: ("Nora", "Alphaclient", "7700900401"),
                  BETA: ("Petra", "Betaclient", "7700900402"),
                  ADVICE: ("Quentin", "Counsellor", "7700900403")}
NAMES: Final = (
    *(one for several in CLIENTS.values() for one in several), "Groupclient", "7700900404",
    *CUSTODIANS, *(name for name, _ in CUSTODIANS.values()), "Archer", "Vancewick",
    "7700900301", "7700900302")
BEHIND: Final = tuple(one for one in SEES if roles.sees_content(capabilities(one)))


def _gap() -> CapturedEvent:
    """Capture of Ann's account ended; its event names the account in three places."""
    number = ANN.native_id
    return CapturedEvent(
        kind=events.GAP, channel="whatsapp", source="test/1", account=number, conversation="gap",
        captured_at=START + 1, native_id=f"offboarded:{number}", custodian="ann.archer",
        details=tuple(sorted(gaps.details("account_offboarded", gaps.OVER, since=START, until=START
                                          + 60_000, session=number).items())))


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """Built once, with a gap of capture: nothing that is asked here shows a name."""
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path_factory.mktemp("names") / "home", patch, ON, [_gap()])
        yield made
        made.close()


def names_in(firm: Firm, person: str, answer: httpx.Response,
             guess: dict[str, str]) -> list[str]:
    """Which names an answer holds, in its head or its body. What was asked for is repeated."""
    text = answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    for value in (csrf_of(firm.secrets[person]), *guess.values()):
        text = text.replace(value, "")
    return [name for name in NAMES if name.lower() in text.lower()]


@pytest.mark.parametrize("person", BEHIND)
def test_no_answer_names_anybody(firm: Firm, person: str) -> None:
    """Whatever is asked of every route: pages, facets, errors, sheets, JSON, figures and gaps."""
    wrong = []
    for method, route in routes():
        if not may_ask(person, route) or route.path.endswith("/unmask"):
            continue
        for probe in PROBES[method, route.path] or ():
            for topic in SECRETS:
                if not probe.own and topic in SEES[person]:
                    continue
                guess = guess_of(firm, topic)
                answer = asked(firm, person, method, route, probe, guess)
                where = f"{method} {route.path} {probe.query} [{topic}] {answer.status_code}"
                wrong += [f"{where}: {one}" for one in names_in(firm, person, answer, guess)]
    assert "" == "\n".join(wrong[:WRONG_MAX])


def test_the_check_has_teeth(firm: Firm, tmp_path: Path) -> None:
    """The names stand in the answers where pseudonyms are off; and here pseudonyms stand there."""
    with pytest.MonkeyPatch.context() as patch:
        plain = Firm(tmp_path / "home", patch, "", [_gap()])
        try:
            for topic, names in CLIENTS.items():
                for named, hidden in zip(_pages(plain, topic), _pages(firm, topic), strict=True):
                    text = plain.ask("lea", "GET", named).text
                    assert [] == [one for one in names if one not in text], named
                    assert "C-" in firm.ask("lea", "GET", hidden).text, hidden
            assert ANN.native_id in plain.ask("carl", "GET", "/dashboard").text
        finally:
            plain.close()


def _pages(firm: Firm, topic: str) -> tuple[str, ...]:
    """Where a message is shown with who wrote it."""
    message, talk = firm.ids(topic)[0], firm.talk(topic)
    return (f"/message/{message}", f"/conversation/{talk}", f"/api/v1/messages/{message}",
            f"/api/v1/conversations/{talk}")


@pytest.fixture
def own_firm(tmp_path: Path) -> Iterator[Firm]:
    """For a test that shows names."""
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path / "home", patch, ON)
        yield made
        made.close()


def test_whoever_may_sees_the_names_of_one_item_for_a_reason(own_firm: Firm) -> None:
    """Of that item and nowhere else; a reviewer may not, and a colleague sees nothing of it."""
    item, names = own_firm.ids(ALPHA)[0], CLIENTS[ALPHA]
    path, message = f"/api/v1/items/{item}", f"/api/v1/messages/{item}?item=true"
    assert own_firm.ask("rita", "POST", f"{path}/unmask", body={"reason": "I want to know"},
                        key="1").status_code == 403
    assert own_firm.ask("carl", "POST", f"{path}/unmask", body={"reason": "to call the client"},
                        key="2").status_code == 200
    for shown in (message, f"/item/{item}"):
        text = own_firm.ask("carl", "GET", shown).text
        assert [] == [one for one in names if one not in text], shown
        for person in ("rita", "sue"):
            assert [] == names_in(own_firm, person, own_firm.ask(person, "GET", shown), {})
    for elsewhere in (*_pages(own_firm, ALPHA), "/api/v1/search?q=zebrafinch", "/queue"):
        assert [] == names_in(own_firm, "carl", own_firm.ask("carl", "GET", elsewhere), {})


def test_an_escalated_item_has_names(own_firm: Firm) -> None:
    """For whoever decides on it then; every other item goes on without."""
    item = own_firm.ids(ALPHA)[0]
    decided = own_firm.ask("rita", "POST", f"/api/v1/items/{item}/decide", body={
        "decision": "escalate", "reason": "over my head"}, key="3")
    assert decided.status_code == 200, decided.text
    for path in (f"/api/v1/messages/{item}?item=true", f"/item/{item}"):
        text = own_firm.ask("sue", "GET", path).text
        assert [] == [one for one in CLIENTS[ALPHA] if one not in text], path
    other = own_firm.ask("carl", "GET", f"/item/{own_firm.ids(BETA)[0]}")
    assert other.status_code == 200
    assert [] == names_in(own_firm, "carl", other, {})
