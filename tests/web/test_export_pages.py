"""Exports in the console: nobody takes out more than he sees, two people agree, and what is
downloaded proves itself."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from infra import carry
from infra.config import Config, load
from infra.exportpackage import verified
from infra.exportrun import Run, packed
from schemas import events, limits
from search.access import roles
from search.query import Term, TokenQuery
from search.web.exporting import FAILED
from search.web.routes import ROUTES
from tests.e2e.installation import wait_for
from tests.web.test_matrix import (
    PROBES,
    WRONG_MAX,
    absent,
    asked,
    guess_of,
    leaks,
    said,
    used,
)
from tests.web.walls import ADVICE, ALPHA, BETA, GROUP_ANN, SEES, Firm, capabilities, said_of

pytestmark = pytest.mark.slow

PEOPLE: Final = tuple(one for one in SEES if roles.EXPORT in capabilities(one))
ALL: Final[dict[str, Any]] = {"query": "kind:message", "formats": ["native"]}


class InTurn(Run):
    """Makes the package at once, in the console's own process and by its clock."""

    firm: Firm
    breaks: bool = False

    def start(self) -> None:
        """See Run."""
        _home, export_id, person = self._told
        told = io.BytesIO()
        code = 75 if self.breaks else packed(self.firm.process._wire, export_id, person, told)
        self.state = "" if code == 0 else FAILED
        self.problem = "" if code == 0 else told.getvalue().decode()


def made(home: Path, patch: pytest.MonkeyPatch, settings: str) -> Firm:
    """The firm of the walls, with a transparency log and these settings."""
    def loaded(folder: Path) -> Config:
        (folder / "counterfoil.toml").write_text(f"[export]\n{settings}\n", "utf-8")
        return load(folder)

    patch.setattr("tests.web.walls.load", loaded)
    firm = Firm(home, patch)
    carry.log_all(firm.process._wire, lambda _words: None)
    return firm


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """Two people are needed, and the console makes packages, in turn."""
    folder = tmp_path_factory.mktemp("exports")
    with pytest.MonkeyPatch.context() as patch:
        found = made(folder / "home", patch, f'approval = true\nfolder = "{folder / "packages"}"')
        found.process._exports._run = type("Turn", (InTurn,), {"firm": found})
        yield found
        found.close()


def api(firm: Firm, person: str, method: str, path: str, status: int = 200, **body: Any) -> Any:
    """A call's answer."""
    answer = firm.ask(person, method, f"/api/v1/exports{path}", body=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_who_asks_and_who_agrees(firm: Firm) -> None:
    """Legal and compliance, and no program: a token never has it."""
    assert {"carl", "walt", "lea"} == set(PEOPLE)
    assert 403 == firm.ask("lea", "GET", "/api/v1/exports", token=True).status_code


@pytest.mark.parametrize("person", PEOPLE)
def test_a_preview_counts_what_is_seen(firm: Firm, person: str) -> None:
    """No message more; what is privileged is withheld from who may see it, and for who may not it
    is not there."""
    seen = {one for topic in SEES[person] for one in firm.ids(topic)}
    found = api(firm, person, "POST", "/preview", **ALL)
    assert len(seen) == found["matched"]
    hidden = len(firm.ids(ADVICE)) if ADVICE in SEES[person] else 0
    assert ({"privileged": hidden} if hidden else {}) == found["withheld"]
    page = firm.ask(person, "POST", "/exports/new", form={"query": "kind:message"})
    assert f"This would be {len(seen)} message" in page.text


@pytest.mark.parametrize("person", PEOPLE)
def test_what_is_hidden_is_asked_for_as_what_is_not_there(firm: Firm, person: str) -> None:
    """However it is chosen: the same answer, byte for byte, for the same work; and no word of it.
    """
    wrong = []
    mine = [one for one in ROUTES if "/exports" in one.path]
    assert mine
    for route in mine:
        for probe in PROBES[route.methods[0], route.path] or ():
            for topic in firm.hidden(person):
                guess = used(route, probe, guess_of(firm, topic))
                if topic == GROUP_ANN or not guess:
                    continue
                other = absent(guess)
                asked(firm, person, route.methods[0], route, probe, other)
                firm.tally.taken()
                answer = asked(firm, person, route.methods[0], route, probe, guess)
                hidden, work = said(answer, guess), firm.tally.taken()
                nothing = said(asked(firm, person, route.methods[0], route, probe, other), other)
                where = f"{route.path} {probe.form or probe.body} [{topic}]"
                wrong += [f"{where}: {one}" for one in leaks(firm, person, route, answer, guess)]
                if hidden != nothing:
                    wrong.append(f"{where}: {hidden[0]} {hidden[2][:300]} and {nothing[2][:300]}")
                if work != (none := firm.tally.taken()):
                    wrong.append(f"{where}: {work} and not {none}")
    assert "" == "\n".join(wrong[:WRONG_MAX])


def test_from_a_search_to_a_package_that_proves_itself(firm: Firm, tmp_path: Path) -> None:
    """Asked for on a page that the search fills in, agreed to by another, made, downloaded by who
    asked and by nobody else, verified by the recipient, handed over; every step is on its page."""
    page = firm.ask("lea", "GET", "/search?q=zebrafinch").text
    (link,) = re.findall(r'href="(/exports/new\?q=[^"]+)"', page)
    assert 'value="zebrafinch"' in firm.ask("lea", "GET", link).text
    form = {"query": "zebrafinch", "title": "The finch", "context": "0"}
    shown = firm.ask("lea", "POST", "/exports/new", form=form).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown))
    assert form == {name: hidden[name] for name in form}
    path = firm.ask("lea", "POST", "/exports", form=form).headers["location"].partition("?")[0]

    assert "Agree to this export" not in firm.ask("lea", "GET", path).text
    own = firm.ask("lea", "POST", f"{path}/decide", form={"decision": "approve"})
    assert 422 == own.status_code and "request of their own" in own.text
    early = firm.ask("lea", "POST", f"{path}/make")
    assert 422 == early.status_code and "approval of a second person" in early.text
    assert "Agree to this export" in firm.ask("carl", "GET", path).text
    firm.ask("carl", "POST", f"{path}/decide", form={"decision": "approve", "reason": "read it"})
    assert "you may agree" not in firm.ask("carl", "GET", "/exports").text
    assert 404 == firm.ask("lea", "GET", f"{path}/package.zip").status_code
    assert 303 == firm.ask("lea", "POST", f"{path}/make").status_code

    assert "Download the package" in firm.ask("lea", "GET", path).text
    answer = firm.ask("lea", "GET", f"{path}/package.zip")
    assert (200, "application/zip") == (answer.status_code, answer.headers["content-type"])
    assert answer.content == firm.ask("lea", "GET", f"{path}/package.zip").content
    for other in ("carl", "walt"):
        assert 404 == firm.ask(other, "GET", f"{path}/package.zip").status_code
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed_files:
        packed_files.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    assert 0 == verified(folder).code
    assert b"zebrafinch" in b"".join(
        one.read_bytes() for one in folder.rglob("events.jsonl")) and not any(
        b"quicksilver" in one.read_bytes() for one in folder.rglob("*") if one.is_file())

    given = {"to": "Roe LLP", "how": "by courier", "file": "set.zip", "file_sha256": "no hash"}
    assert 422 == firm.ask("lea", "POST", f"{path}/handover", form=given).status_code
    firm.ask("lea", "POST", f"{path}/handover", form={**given, "file_sha256": "ab" * 32})
    last = firm.ask("carl", "GET", path).text
    for words in ("handed over", "handed it over to Roe LLP, by courier (file set.zip)",
                  "agreed to this request: read it", "began to make the package"):
        assert words in last, words


def test_a_request_is_refused_or_taken_back(firm: Firm) -> None:
    """By the second person or by who asked; afterwards nothing is made of it."""
    for person in ("carl", "lea"):
        asked_for = api(firm, "lea", "POST", "", title="Never", **ALL)
        assert (["refuse"], ["approve", "refuse"]) == (
            asked_for["may"], api(firm, "carl", "GET", f"/{asked_for['export']}")["may"])
        path = f"/{asked_for['export']}"
        done = api(firm, person, "POST", f"{path}/refuse", reason="too wide")
        assert ("refused", person, "too wide", []) == (
            done["state"], done["refused_by"], done["reason"], done["may"])
        for act in ("approve", "make"):
            assert "refused this" in api(firm, "carl", "POST", f"{path}/{act}", 409)["detail"]


def test_a_package_that_was_interrupted_goes_on(firm: Firm) -> None:
    """The page says that it failed, and the button begins it again."""
    one = api(firm, "carl", "POST", "", **ALL)["export"]
    api(firm, "lea", "POST", f"/{one}/approve")
    run: Any = firm.process._exports._run
    firm.process._exports._run = type("Broken", (run,), {"breaks": True})
    try:
        assert "failed" == api(firm, "carl", "POST", f"/{one}/make")["making"]
        assert "was not finished" in firm.ask("carl", "GET", f"/exports/{one}").text
    finally:
        firm.process._exports._run = run
    api(firm, "carl", "POST", f"/{one}/make")
    done = api(firm, "carl", "GET", f"/{one}")
    assert (None, "finished", True) == (done["making"], done["state"], "download" in done["may"])
    assert "this package is made" in api(firm, "carl", "POST", f"/{one}/make", 409)["detail"]


@pytest.mark.parametrize(("body", "words"), [
    ({}, "nothing is chosen"), ({"query": "("}, ""), ({"query": "zebrafinch", "zone": "Mars"}, ""),
    ({"query": "zebrafinch", "formats": ["doc"]}, "not known: doc"),
    ({"query": "nothingatall"}, "nothing that you may see fits"),
    ({"conversations": ["e" * 16]}, "no conversation"),
    ({"query": "zebrafinch", "since": "2026-12-01", "until": "2026-11-01"}, "not after")])
def test_a_wrong_selection_is_told_why(firm: Firm, body: dict[str, Any], words: str) -> None:
    """In words, and nothing is on record but the look."""
    before = _exports(firm)
    answer = firm.ask("lea", "POST", "/api/v1/exports", body=body)
    assert answer.status_code in (400, 422), answer.text
    assert words in answer.json()["detail"].lower()
    assert before == _exports(firm)


def test_too_many_words_say_the_same_on_both_sides_of_a_wall(tmp_path: Path) -> None:
    """A pattern that stands for too many words, all of them behind a wall: no count of them is
    told, and the same to who is behind it and to who is not."""
    long = replace(said_of()[BETA][0], native_id="wamid.LONG", attachments=(), text=" ".join(
        f"qx{number}" for number in range(limits.QUERY_EXPANSION_MAX + 100)))
    with pytest.MonkeyPatch.context() as patch:
        many = Firm(tmp_path / "home", patch, "", [long])
        try:
            told = {many.ask(person, "POST", "/api/v1/exports/preview", body={
                "query": "qx*"}).text for person in PEOPLE}
        finally:
            many.close()
    (words,) = told
    assert '"code":"query"' in words
    assert str(limits.QUERY_EXPANSION_MAX + 100) not in words.replace(",", "")


def test_what_is_privileged_leaves_only_with_who_may_see_it(firm: Firm) -> None:
    """Compliance may not even ask for it; the form has no place for it."""
    assert 403 == firm.ask("carl", "POST", "/api/v1/exports/preview",
                           body={**ALL, "privileged": True}).status_code
    assert {} == api(firm, "lea", "POST", "/preview", **ALL, privileged=True)["withheld"]
    assert ('name="privileged"' in firm.ask("lea", "GET", "/exports/new").text,
            'name="privileged"' in firm.ask("carl", "GET", "/exports/new").text) == (True, False)


def test_where_names_are_hidden_a_ground_is_needed(tmp_path: Path) -> None:
    """What can be counted by name is known by name: it is on record why."""
    with pytest.MonkeyPatch.context() as patch:
        hidden = Firm(tmp_path / "home", patch, "pseudonyms = true\n")
        carry.log_all(hidden.process._wire, lambda _words: None)
        try:
            told = api(hidden, "lea", "POST", "/preview", 422, query='from:"Alphaclient"')
            assert "on what legal ground" in told["detail"]
            found = api(hidden, "lea", "POST", "/preview", query='from:"Alphaclient"',
                        basis="the letter of 3 May")
            assert len(hidden.ids(ALPHA)) == found["matched"]
        finally:
            hidden.close()


def test_every_look_is_on_record(firm: Firm) -> None:
    """The list, one of them, a preview with its query, a download."""
    one = api(firm, "lea", "GET", "")["exports"][0]["export"]
    api(firm, "lea", "GET", f"/{one}")
    api(firm, "lea", "POST", "/preview", query="zebrafinch OR tangerine")
    carry.carry(firm.process._wire, lambda _words: None)
    records = firm.ask("carl", "GET", "/api/v1/audit?person=lea&limit=200").json()["records"]
    done = {each["action"]: each for each in records}
    assert {"exports_listed", "export_shown", "export_preview", "export_downloaded"} <= set(done)
    assert one == done["export_shown"]["details"]["export"]
    assert any(each["details"].get("query") == "zebrafinch OR tangerine" for each in records)
    assert "asked for the export" in firm.ask("carl", "GET", "/audit?records=exports").text


def test_a_console_without_a_folder_says_what_an_operator_types(tmp_path: Path) -> None:
    """And makes nothing; without an approval needed nobody is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        plain = made(tmp_path / "home", patch, "")
        try:
            one = api(plain, "lea", "POST", "", **ALL)
            assert (False, "asked for, not made") == (one["needs_approval"], one["words"])
            page = plain.ask("lea", "GET", f"/exports/{one['export']}").text
            assert f"counterfoil export run {one['export']} --out FOLDER" in page
            assert "Make the package" not in page
            refused = api(plain, "lea", "POST", f"/{one['export']}/make", 409)
            assert "counterfoil export run" in refused["detail"]
        finally:
            plain.close()


def test_a_package_is_made_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The real one, beside the console, which says how far it is."""
    with pytest.MonkeyPatch.context() as patch:
        beside = made(tmp_path / "home", patch, f'folder = "{tmp_path / "packages"}"')
        try:
            one = api(beside, "lea", "POST", "", **ALL)["export"]
            assert "running" == api(beside, "lea", "POST", f"/{one}/make")["making"]
            busy = api(beside, "carl", "POST", "", **ALL)["export"]
            assert "another package" in api(beside, "carl", "POST", f"/{busy}/make", 409)["detail"]
            wait_for(lambda: api(beside, "lea", "GET", f"/{one}")["state"] == "finished",
                     "the package is made")
            assert 0 == verified(tmp_path / "packages" / one).code
        finally:
            beside.close()


def _exports(firm: Firm) -> int:
    """How many there are on the log and in the console."""
    index = firm.process._wire.indexes()
    name = index.current()
    assert name is not None
    opened = index.open(name)
    opened.refresh()
    return opened.count(TokenQuery(Term("kinds", events.EXPORT), frozenset({events.EXPORT}))) + len(
        firm.process._exports._said)
