"""Role × route × wall: nothing beyond what a person may see is in any answer, whatever is asked.

Every route of the table has to have its probes here: a new one fails until somebody has said how it
is asked for what is hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import pytest

from search.access import roles
from search.access.cookies import csrf_of
from search.web.routes import PUBLIC, ROUTES, SIGNED_IN, Route
from tests.web.walls import (
    ADVICE,
    ALPHA,
    BETA,
    CUSTODIANS,
    GROUP_ANN,
    GROUP_BOB,
    GROUP_SECRETS,
    MONTH,
    NOTES,
    SECRETS,
    SEES,
    Firm,
    capabilities,
)

pytestmark = pytest.mark.slow

PEOPLE: Final = tuple(SEES)
# Of one test, told at once; the first are enough.
WRONG_MAX: Final = 40
KEY: Final = "0123456789abcdef0123456789abcdef"
ABSENT: Final = {"id": "f" * 32, "talk": "e" * 16, "word": "quicksilvex", "client": "Betacliens",
                 "rule": "betarulf", "tag": "betataj"}
# What differs between two answers although nothing else does: keys of forms, made at random.
_RANDOM: Final = re.compile(r'(?<=name="key" value=")[0-9a-f]{32}')
# A topic's word, client, rule and tag, as somebody would guess them; absent ones are as long.
GUESSES: Final[Mapping[str, Mapping[str, str]]] = {
    ALPHA: {"word": "zebrafinch", "client": "Alphaclient", "rule": "alpharule", "tag": "nonesuch"},
    BETA: {"word": "quicksilver", "client": "Betaclient", "rule": "betarule", "tag": "betatag"},
    ADVICE: {"word": "habeascorpus", "client": "Counsellor", "rule": "advicerule",
             "tag": "nonesuch"},
    **{topic: {"word": "tangerine", "client": "Groupclient", "rule": "norule", "tag": "nonesuch"}
       for topic in (GROUP_ANN, GROUP_BOB)},
}


@dataclass(frozen=True, slots=True)
class Probe:
    """How a route is asked. `path`, `query`, `form` and `body` hold {id}, {talk}, {word}, {client},
    {rule}, {tag} in the places of a guess. `own`: also asked of what the person does see."""

    query: tuple[tuple[str, str], ...] = ()
    form: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    own: bool = True


def q(**query: str) -> Probe:
    """With these values in the address."""
    return Probe(tuple(query.items()))


_WORDS: Final = (q(q="{word}"), q(q='from:"{client}"'), q(q="conversation:{talk}"),
                 q(q="{word} OR common"), q(q="NOT {word}"), q(q="kind:message"), q(q="common"))
_PATTERNS: Final = (q(q="quick*"), q(q="stem:words"), q(q="quicksilvr~1"), q(q="*i*"))
_PLACE: Final = "9999999999999.{id}"
_ITEM: Final = Probe(form={
    "basis": KEY, "key": KEY, "decision": "clear", "reason": "a reason", "note": "a note",
    "tag": "a tag", "to": "", "agrees": "yes"}, own=False)
_QUEUE: Final = (
    q(), q(status="all"), q(rule="{rule}"), q(tag="{tag}"), q(assigned="carl"), q(mine="true"),
    q(after="0." + _PLACE))
_QUEUE_PAGE: Final = (*_QUEUE[:5], q(mine="1"), _QUEUE[-1])
_ACT: Final = Probe(body={"reason": "a reason", "note": "a note"}, own=False)
_NONE: Final = (Probe(),)
# A selection that takes messages out as a whole: by words, patterns, people, places and numbers.
_SELECTIONS: Final = tuple(Probe(form={**form, "basis": "a ground"}) for form in (
    {"query": "{word}"}, {"query": "{word} OR common", "context": "2"}, {"query": "NOT {word}"},
    {"query": 'from:"{client}"'}, {"query": "quick*"}, {"query": "stem:words"},
    {"conversations": "{talk}"}, {"ids": "{id}"}))
_SELECTED: Final = tuple(Probe(body={**body, "basis": "a ground"}) for body in (
    {"query": "{word}"}, {"query": "{word} OR common", "context": 2},
    {"conversations": ["{talk}"]}, {"ids": ["{id}"]}))

# Every route; null = left out of the questions, with the reason beside it.
PROBES: Final[Mapping[tuple[str, str], tuple[Probe, ...] | None]] = {
    ("GET", "/healthz"): None,                     # says nothing to anybody
    ("GET", "/static/{digest}/{name}"): None,      # files of ours
    ("GET", "/enter/{token}"): None,               # a demo's link
    ("GET", "/sign-in"): _NONE,
    ("POST", "/sign-in"): None,                    # tests/search/access
    ("GET", "/sign-in/oidc"): None,                # the same
    ("GET", "/sign-in/callback"): None,            # the same
    ("POST", "/sign-out"): None,                   # would end the sessions of this test
    ("POST", "/preferences"): _NONE,
    ("GET", "/"): _NONE,
    ("GET", "/account"): _NONE,
    ("POST", "/account/password"): None,           # tests/search/access: it shows no message
    ("POST", "/account/totp"): None,               # the same
    ("POST", "/account/sessions"): (Probe(form={"session": "0" * 16}),),
    ("POST", "/account/recovery"): None,           # as the password: it shows no message
    ("POST", "/account/tokens"): None,             # tests/web/test_account_pages.py
    ("POST", "/account/tokens/revoke"): (Probe(form={"token": "0" * 16}),),
    ("GET", "/help"): _NONE,
    ("GET", "/search"): (*_WORDS, *_PATTERNS, q(q="common", after=_PLACE), q(),
                         Probe((("q", "common"), ("in", "{talk}")))),
    ("GET", "/search/explain"): (*_WORDS, *_PATTERNS),
    ("POST", "/search/saved"): (Probe(form={"name": "mine", "q": "common"}),),
    ("POST", "/search/saved/remove"): (Probe(form={"name": "mine"}),),
    ("GET", "/conversation/{token}"): (q(), q(before=_PLACE), q(after=_PLACE), q(at="{id}")),
    ("GET", "/message/{id}"): _NONE,
    ("GET", "/message/{id}/picture/{number}"): _NONE,
    ("GET", "/message/{id}/file/{number}"): _NONE,
    ("GET", "/dashboard"): (q(), q(days="30")),
    ("GET", "/audit"): (q(), q(document="{id}"), q(person="carl")),
    ("GET", "/audit/records.csv"): (q(), q(document="{id}")),
    ("GET", "/policies"): _NONE,
    ("GET", "/policies/test"): _NONE,
    ("POST", "/policies/test"): (Probe(form={"policy": "none/1"}),),
    ("GET", "/policies/test/{run}"): _NONE,
    ("POST", "/policies/test/{run}/stop"): _NONE,
    ("GET", "/access"): _NONE,
    ("POST", "/access"): (Probe(form={
        "what": "conversation:{talk}", "reason": "a long enough reason", "minutes": "0"}),),
    ("POST", "/access/{request}/decide"): (Probe(form={"decision": "approve"}),),
    ("POST", "/access/{request}/end"): _NONE,
    ("GET", "/people"): _NONE,
    ("GET", "/exports"): _NONE,
    ("POST", "/exports"): (Probe(form={"query": "{word}", "context": "no number"}),),
    ("GET", "/exports/new"): (q(q="{word}"), q(conversation="{talk}")),
    ("POST", "/exports/new"): _SELECTIONS,
    ("GET", "/exports/{export}"): _NONE,
    ("POST", "/exports/{export}/decide"): (Probe(form={"decision": "approve"}),),
    ("POST", "/exports/{export}/make"): _NONE,
    ("POST", "/exports/{export}/handover"): (Probe(form={"to": "a", "how": "b"}),),
    ("GET", "/exports/{export}/package.zip"): _NONE,
    ("GET", "/queue"): _QUEUE_PAGE,
    ("GET", "/queue/next"): (q(), Probe((("not", "{id}"),)), q(back="rule={rule}")),
    ("POST", "/queue/bulk"): (Probe(form={
        "pick-{id}": "1", "decision": "clear", "reason": "a reason", "key": KEY}, own=False),),
    ("GET", "/item/{id}"): _NONE,
    ("POST", "/item/{id}/claim"): (_ITEM,),
    ("POST", "/item/{id}/release"): (_ITEM,),
    ("POST", "/item/{id}/decide"): (_ITEM,),
    ("POST", "/item/{id}/second"): (_ITEM,),
    ("POST", "/item/{id}/assign"): (_ITEM,),
    ("POST", "/item/{id}/note"): (_ITEM,),
    ("POST", "/item/{id}/tag"): (_ITEM,),
    ("POST", "/item/{id}/reopen"): (_ITEM,),
    ("POST", "/item/{id}/unmask"): (_ITEM,),
    ("GET", "/reports"): (q(), q(month=MONTH)),
    ("GET", "/reports/items.csv"): (q(month=MONTH),),
    ("GET", "/reports/reviewers"): (q(), q(month=MONTH)),
    ("GET", "/reports/signed.json"): (q(month=MONTH),),
    ("GET", "/reports/rules"): _NONE,
    ("GET", "/api/v1/me"): _NONE,
    ("GET", "/api/v1/openapi.json"): _NONE,
    ("GET", "/api/v1/search"): (*_WORDS, *_PATTERNS, q(q="common", after=_PLACE),
                                q(q="{word} OR common", fields="state,custodian,conversation")),
    ("GET", "/api/v1/facets"): (*_WORDS, *_PATTERNS),
    ("GET", "/api/v1/explain"): (*_WORDS, *_PATTERNS),
    ("GET", "/api/v1/messages/{id}"): (q(), q(around="50")),
    ("GET", "/api/v1/messages/{id}/files/{number}"): _NONE,
    ("GET", "/api/v1/conversations/{token}"): (q(), q(before=_PLACE), q(after=_PLACE),
                                               q(at="{id}")),
    ("GET", "/api/v1/queue"): (*_QUEUE, q(counts="true")),
    ("GET", "/api/v1/queue/counts"): _QUEUE[:-1],
    ("GET", "/api/v1/items/{id}"): _NONE,
    ("POST", "/api/v1/items/{id}/claim"): (Probe(own=False),),
    ("POST", "/api/v1/items/{id}/release"): (Probe(own=False),),
    ("POST", "/api/v1/items/{id}/decide"): (Probe(body={"decision": "clear"}, own=False),),
    ("POST", "/api/v1/items/{id}/confirm"): (_ACT,),
    ("POST", "/api/v1/items/{id}/object"): (_ACT,),
    ("POST", "/api/v1/items/{id}/assign"): (Probe(body={"to": "carl"}, own=False),),
    ("POST", "/api/v1/items/{id}/reopen"): (_ACT,),
    ("POST", "/api/v1/items/{id}/note"): (Probe(body={"note": "a note"}, own=False),),
    ("POST", "/api/v1/items/{id}/tag"): (Probe(body={"tag": "a tag"}, own=False),),
    ("POST", "/api/v1/items/{id}/untag"): (Probe(body={"tag": "a tag"}, own=False),),
    ("POST", "/api/v1/items/{id}/unmask"): (Probe(body={"reason": "a reason"}, own=False),),
    ("POST", "/api/v1/bulk"): (Probe(body={
        "ids": ["{id}"], "decision": "clear", "reason": "a reason"}, own=False),),
    ("GET", "/api/v1/reports/period"): (q(month=MONTH),),
    ("GET", "/api/v1/reports/accountability"): (q(month=MONTH),),
    ("GET", "/api/v1/reports/narrowing"): _NONE,
    ("GET", "/api/v1/audit"): (q(), q(document="{id}"), q(person="carl"), q(group="reviews")),
    ("GET", "/api/v1/policies"): _NONE,
    ("GET", "/api/v1/policies/runs"): _NONE,
    ("POST", "/api/v1/policies/runs"): (Probe(body={"policy": "none/1"}),),
    ("GET", "/api/v1/policies/runs/{run}"): _NONE,
    ("POST", "/api/v1/policies/runs/{run}/stop"): _NONE,
    ("GET", "/api/v1/me/sessions"): _NONE,
    ("POST", "/api/v1/me/sessions/end"): (Probe(body={"session": "0" * 16}),),
    ("GET", "/api/v1/saved"): _NONE,
    ("POST", "/api/v1/saved"): (Probe(body={"name": "mine", "query": "common"}),),
    ("POST", "/api/v1/saved/remove"): (Probe(body={"name": "mine"}),),
    ("GET", "/api/v1/reviewers"): _NONE,
    ("GET", "/api/v1/dashboard"): (q(), q(days="14")),
    ("GET", "/api/v1/people"): _NONE,
    ("GET", "/api/v1/directory"): _NONE,
    ("GET", "/api/v1/exports"): _NONE,
    ("POST", "/api/v1/exports"): (Probe(body={"query": "{word}", "context": -1}),),
    ("POST", "/api/v1/exports/preview"): _SELECTED,
    ("GET", "/api/v1/exports/{export}"): _NONE,
    ("POST", "/api/v1/exports/{export}/approve"): (Probe(body={"note": "a note"}),),
    ("POST", "/api/v1/exports/{export}/refuse"): (Probe(body={"reason": "a reason"}),),
    ("POST", "/api/v1/exports/{export}/make"): _NONE,
    ("POST", "/api/v1/exports/{export}/handover"): (Probe(body={"to": "a", "how": "b"}),),
    ("GET", "/api/v1/exports/{export}/package"): _NONE,
    ("GET", "/api/v1/access"): _NONE,
    ("POST", "/api/v1/access/requests"): (Probe(body={
        "what": "conversation:{talk}", "reason": "a long enough reason", "minutes": 0}),),
    ("POST", "/api/v1/access/requests/{request}/approve"): _NONE,
    ("POST", "/api/v1/access/requests/{request}/refuse"): (Probe(body={"reason": "no"}),),
    ("POST", "/api/v1/access/requests/{request}/end"): _NONE,
}
# Answers that are of the whole firm by design: the trail of who did what (AUDIT), and the figures
# of who sees no message (REPORTS without content). They hold ids, and no word of a message.
_TRAILS: Final = frozenset({"/audit", "/audit/records.csv", "/api/v1/audit"})
_FIGURES: Final = frozenset({
    "/reports", "/reports/items.csv", "/reports/reviewers", "/reports/signed.json",
    "/api/v1/reports/period", "/api/v1/reports/accountability"})


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """Built once: nothing that is asked here changes what is hidden."""
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path_factory.mktemp("walls") / "home", patch)
        yield made
        made.close()


def test_every_route_has_its_probes() -> None:
    """A new route fails here, until it is said how it is asked for what is hidden."""
    assert set(PROBES) == {(method, one.path) for one in ROUTES for method in one.methods}


def routes() -> Iterator[tuple[str, Route]]:
    """(method, route) of those that are asked."""
    for one in ROUTES:
        for method in one.methods:
            if PROBES.get((method, one.path)) is not None:
                yield method, one


def asked(firm: Firm, person: str, method: str, route: Route, probe: Probe,
          guess: Mapping[str, str]) -> httpx.Response:
    """One probe, with these guesses in their places."""
    def put(text: str) -> str:
        for name, value in guess.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    path = put(route.path.replace("{token}", "{talk}"))
    for name, value in (("number", "1"), ("run", "0" * 16), ("request", "0" * 16),
                        ("export", "0" * 32)):
        path = path.replace(f"{{{name}}}", value)
    if probe.query:
        path += "?" + urlencode([(name, put(value)) for name, value in probe.query])
    form = {put(name): put(value) for name, value in probe.form.items()}
    body = json.loads(put(json.dumps(probe.body)))
    # A key makes the id of a bulk act the same each time.
    return firm.ask(person, method, path, form=form, body=body, key=KEY)


def guess_of(firm: Firm, topic: str) -> dict[str, str]:
    """Somebody knows all of it."""
    return {"id": firm.ids(topic)[0], "talk": firm.talk(topic), **GUESSES[topic]}


def absent(guess: Mapping[str, str]) -> dict[str, str]:
    """As long, and nowhere."""
    made = {name: ABSENT.get(name, "x") for name in guess}
    return made | {name: value[:-1] + ("x" if value[-1] != "x" else "y")
                   for name, value in guess.items() if name not in ("id", "talk")}


Said = tuple[int, list[tuple[str, str]], str]


def used(route: Route, probe: Probe, guess: Mapping[str, str]) -> dict[str, str]:
    """Of the guesses those that this question has a place for."""
    asked_for = f"{route.path.replace('{token}', '{talk}')}{probe}"
    return {name: value for name, value in guess.items() if f"{{{name}}}" in asked_for}


def said(answer: httpx.Response, guess: Mapping[str, str]) -> Said:
    """Status, headers and body, with the guesses taken out."""
    def bare(text: str) -> str:
        for name, value in sorted(guess.items(), key=lambda one: -len(one[1])):
            text = text.replace(value, f"<{name}>")
            if name == "id":
                text = text.replace(value[:12], "<id, short>")
        return _RANDOM.sub("", text)

    return (answer.status_code, sorted((name, bare(value)) for name, value in answer.headers.items()
                                       if name != "set-cookie"), bare(answer.text))


def may_ask(person: str, route: Route) -> bool:
    """Whether the guard lets a person in."""
    return route.guard in (PUBLIC, SIGNED_IN) or route.guard in capabilities(person)


def forbidden(firm: Firm, person: str, path: str) -> dict[str, str]:
    """What must not stand in an answer of `path` to a person -> what it would tell."""
    may = capabilities(person)
    sees = SEES[person]
    sees_content = roles.sees_content(may)
    out: dict[str, str] = {}
    is_firms = (path in _TRAILS and roles.AUDIT in may) or (
        path in _FIGURES and (not sees_content or roles.AUDIT in may))
    for topic in firm.hidden(person):
        out |= {one: f"{topic}: what was said" for one in SECRETS.get(topic, ())
                if not (one.endswith("rule") and (is_firms or not sees_content))}
        if roles.AUDIT not in may:
            out |= dict.fromkeys(NOTES.get(topic, ()), f"{topic}: a note")
        if not is_firms:
            out |= dict.fromkeys(firm.ids(topic), f"{topic}: an id")
        if not (topic in (GROUP_ANN, GROUP_BOB) and sees & {GROUP_ANN, GROUP_BOB}):
            out[firm.talk(topic)] = f"{topic}: a conversation"
    if not sees & {GROUP_ANN, GROUP_BOB}:
        out |= dict.fromkeys(GROUP_SECRETS, "the group: what was said")
    # A page on one's own access names the members of one's own groups, a wall before them or not.
    if not path.removeprefix("/api/v1").startswith("/access") and not may & {
            roles.AUDIT, roles.ACCOUNTS, roles.DIRECTORY, roles.DASHBOARD}:
        for custodian, (name, topics) in CUSTODIANS.items():
            if not sees & topics:
                out |= {custodian: "whose messages there are", name: "whose messages there are"}
    return out


def leaks(firm: Firm, person: str, route: Route, answer: httpx.Response,
          guess: Mapping[str, str]) -> list[str]:
    """What an answer tells that it must not. What was asked for may be repeated."""
    text = answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    for value in guess.values():
        text = text.replace(value, "")
    text = text.replace(csrf_of(firm.secrets[person]), "")
    return [f"{word!r}: {what}" for word, what in forbidden(firm, person, route.path).items()
            if word in text]


@pytest.mark.parametrize("person", PEOPLE)
def test_no_answer_holds_what_is_hidden(firm: Firm, person: str) -> None:
    """Whatever is asked of every route, with every guess: no word, name, id, file or number of what
    is hidden; who may not ask is denied; nothing fails."""
    wrong = []
    for method, route in routes():
        for probe in PROBES[method, route.path] or ():
            for topic in SECRETS:
                if topic in SEES[person] and not probe.own:
                    continue
                guess = guess_of(firm, topic)
                answer = asked(firm, person, method, route, probe, guess)
                where = f"{method} {route.path} {probe.query} [{topic}] {answer.status_code}"
                wrong += [f"{where}: {one}" for one in leaks(firm, person, route, answer, guess)]
                if answer.status_code >= 500:
                    wrong.append(f"{where}: failed")
                if (answer.status_code == 403) != (not may_ask(person, route)):
                    wrong.append(f"{where}: the guard is {route.guard!r}")
    assert "" == "\n".join(wrong[:WRONG_MAX])


def test_the_check_has_teeth(firm: Firm) -> None:
    """What must not stand anywhere does stand in the answers to whoever may see it."""
    missing = []
    for topic, words in SECRETS.items():
        guess = {"id": firm.ids(topic)[0]}
        for path in (f"/message/{guess['id']}", f"/api/v1/messages/{guess['id']}",
                     f"/conversation/{firm.talk(topic)}",
                     f"/api/v1/conversations/{firm.talk(topic)}"):
            text = firm.ask("lea", "GET", path).text
            missing += [f"{path}: {word}" for word in words if word not in text
                        and not ("message" in path and word == "mercurial")]
    assert [] == missing


@pytest.mark.parametrize("person", PEOPLE)
def test_what_is_hidden_answers_as_what_is_not_there(firm: Firm, person: str) -> None:
    """Byte for byte, with the same headers, and for the same work: the same questions to the index,
    with as much found, the same reads of the archive, the same records."""
    wrong = []
    for method, route in routes():
        if not may_ask(person, route) or route.path in _TRAILS:
            continue
        for probe in PROBES[method, route.path] or ():
            for topic in firm.hidden(person):
                guess = used(route, probe, guess_of(firm, topic))
                other = absent(guess)
                if not guess or _is_seen(firm, person, topic):
                    continue
                asked(firm, person, method, route, probe, other)
                firm.tally.taken()
                hidden = said(asked(firm, person, method, route, probe, guess), guess)
                work = firm.tally.taken()
                nothing = said(asked(firm, person, method, route, probe, other), other)
                where = f"{method} {route.path} {probe.query} [{topic}]"
                if hidden != nothing:
                    wrong.append(f"{where}: {_difference(hidden, nothing)}")
                if work != (none := firm.tally.taken()):
                    wrong.append(f"{where}: {work} and not {none}")
    assert "" == "\n".join(wrong[:WRONG_MAX])


def _is_seen(firm: Firm, person: str, topic: str) -> bool:
    """One telephone's copy of the group is seen: then its words and its conversation are."""
    return topic in (GROUP_ANN, GROUP_BOB) and bool(SEES[person] & {GROUP_ANN, GROUP_BOB})


def _difference(one: Said, other: Said) -> str:
    if one[:2] != other[:2]:
        return f"{one[0]} and {other[0]}, {sorted({*one[1]} ^ {*other[1]})}"
    place = next((at for at, (a, b) in enumerate(zip(one[2], other[2], strict=False)) if a != b),
                 min(len(one[2]), len(other[2])))
    around = slice(max(0, place - 60), place + 60)
    return f"…{one[2][around]!r} and …{other[2][around]!r}"


@pytest.mark.parametrize("person", PEOPLE)
def test_counts_are_of_what_is_seen(firm: Firm, person: str) -> None:
    """Totals, facets, explanations, the queue and the report add up to what the person sees."""
    may, sees = capabilities(person), SEES[person]
    count = sum(len(firm.ids(topic)) for topic in sees)
    flagged = {firm.ids(topic)[0] for topic in sees if topic in SECRETS}

    def get(path: str) -> Any:
        answer = firm.ask(person, "GET", f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    if roles.SEARCH in may:
        for query in ("kind:message", "NOT nonsense"):
            found = get(f"/search?{urlencode({'q': query, 'limit': '100'})}")
            assert count == found["total"]
            assert {one["id"] for one in found["hits"]} | {
                each for one in found["hits"] for each in one["copies"]} == {
                    one for topic in sees for one in firm.ids(topic)}
        assert count == get("/explain?q=kind:message")["total"]
        for field_name, values in get("/facets?q=kind:message")["facets"].items():
            total = sum(one["count"] for one in values)
            assert total == count or field_name == "month", field_name
    if roles.QUEUE in may:
        page = get("/queue?limit=100")
        assert flagged == {one["id"] for one in page["items"]} and page["total"] == len(flagged)
        assert len(flagged) == get("/queue/counts")["counts"].get("item", 0)
    if roles.REPORTS in may:
        whole = not roles.sees_content(may)
        report = get(f"/reports/period?month={MONTH}")
        assert report["population"] == (3 if whole else len(flagged))


def test_a_strangers_answers_tell_nothing(firm: Firm) -> None:
    """Every route but the public ones: to sign in, or 401; the same for what is there."""
    for method, route in routes():
        if route.guard == PUBLIC:
            continue
        for topic in SECRETS:
            guess = guess_of(firm, topic)
            path = route.path.replace("{id}", guess["id"]).replace("{token}", guess["talk"])
            firm.tally.taken()
            answer = firm.ask(None, method, path)
            expected = (401,) if route.is_api else (303,) if method == "GET" else (400, 403)
            assert answer.status_code in expected, f"{method} {path}"
            if answer.status_code == 303:
                assert answer.headers["location"].startswith("/sign-in")
            assert [] == firm.tally.taken()


def test_a_token_sees_what_its_owner_sees(firm: Firm) -> None:
    """No more, whatever the door: the same answers with a token as with a session."""
    for person in ("rita", "walt", "lea"):
        for path in ("/api/v1/search?q=common", "/api/v1/facets?q=kind:message",
                     *(f"/api/v1/messages/{firm.ids(topic)[0]}" for topic in SECRETS)):
            with_cookie = firm.ask(person, "GET", path)
            with_token = firm.ask(person, "GET", path, token=True)
            assert with_cookie.status_code == with_token.status_code, path
            assert with_cookie.text == with_token.text, path
