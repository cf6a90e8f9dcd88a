"""A firm of two matters with a wall, a privileged talk and a group, in a real data folder, and the
real console on it, asked without a socket.

Owns who is there, what was said, and who may see what of it, said a second time in plain words. All
people are invented, all numbers kept for fiction.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import httpx
import pytest

from infra import console
from infra.access import load_access
from infra.accounts import AccountFile
from infra.config import load
from infra.console import ConsoleProcess
from infra.reviewing import Reviewing
from infra.signin import Desk, state_store
from infra.wire import Wire
from schemas import domains, events
from schemas.events import Attachment, CapturedEvent, Identity
from schemas.identity import event_id, message_key
from search.access import roles, tokens
from search.access.cookies import SESSION_COOKIE, csrf_of
from search.access.people import AccessPolicy
from search.access.sessions import DEMO, Origin
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.index import Index, IndexSet
from search.lately import Lately
from search.policy.flags import Flag, Place, flag_event
from search.review import decisions
from search.review.views import Form
from search.web.app import make_app
from tests.e2e.line import Clock, Line
from tests.world import Random

# Monday, 16 November 2026, 09:00 UTC.
START: Final = 1_794_819_600_000
_MINUTE: Final = 60_000
_DAY: Final = 24 * 60 * _MINUTE
MONTH: Final = "2026-11"
ANN: Final = Identity("+447700900301", "e164")
BOB: Final = Identity("+447700900302", "e164")
NORA: Final = Identity("+447700900401", "e164", "Nora Alphaclient")
PETRA: Final = Identity("+447700900402", "e164", "Petra Betaclient")
COUNSEL: Final = Identity("+447700900403", "e164", "Quentin Counsellor")
GREG: Final = Identity("+447700900404", "e164", "Greg Groupclient")
GROUP_CHAT: Final = "group:120363025246125999@g.us"

# What was said, by topic: a topic is seen whole or not at all.
ALPHA: Final = "alpha"
BETA: Final = "beta"
ADVICE: Final = "advice"
GROUP_ANN: Final = "group at ann's"
GROUP_BOB: Final = "group at bob's"
TOPICS: Final = (ALPHA, BETA, ADVICE, GROUP_ANN, GROUP_BOB)

# Person -> what they may see. A second time, and not by the product's own rules.
SEES: Final[Mapping[str, frozenset[str]]] = {
    "rita": frozenset({ALPHA, GROUP_ANN}),                            # reviewer of one group
    "sue": frozenset({ALPHA, GROUP_ANN}),                             # its supervisor
    "mia": frozenset({BETA, GROUP_BOB}),                              # reviewer of one matter
    "carl": frozenset({ALPHA, BETA, GROUP_ANN, GROUP_BOB}),           # compliance: not privileged
    "walt": frozenset({ALPHA}),                                       # the same, behind a wall
    "wes": frozenset({ALPHA}),                                        # a reviewer behind it
    "lea": frozenset(TOPICS),                                         # legal
    "nil": frozenset(),                                               # reviewer of nothing
    "otto": frozenset(),                                              # auditor
    "ada": frozenset(),                                               # administrator
}
# Words, names, numbers and files that stand in a topic's messages, flags and reviews alone.
SECRETS: Final[Mapping[str, tuple[str, ...]]] = {
    ALPHA: ("zebrafinch", "Alphaclient", "7700900401", "alphafile.pdf", "reasonalpha"),
    BETA: ("quicksilver", "quicksand", "mercurial", "Betaclient", "7700900402", "betafile.pdf",
           "reasonbeta", "betarule"),
    ADVICE: ("habeascorpus", "Counsellor", "7700900403", "advicefile.pdf", "reasonadvice",
             "advicerule"),
}
# Of the group, for those who see neither telephone's copy.
GROUP_SECRETS: Final = ("tangerine", "Groupclient", "7700900404")
# What colleagues wrote about a topic: of the firm's own records, for who may read these (AUDIT).
NOTES: Final[Mapping[str, tuple[str, ...]]] = {BETA: ("wombatnote", "betatag")}
# Custodian -> as the directory has him; said of a message, that it is one of his.
CUSTODIANS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "ann.archer": ("Annabel Archer", frozenset({ALPHA, ADVICE, GROUP_ANN})),
    "bob.vance": ("Robert Vancewick", frozenset({BETA, GROUP_BOB})),
}
DIRECTORY: Final = f"""
[classes]
default = 7

[[custodian]]
id = "ann.archer"
name = "Annabel Archer"

[[custodian]]
id = "bob.vance"
name = "Robert Vancewick"

[[account]]
channel = "whatsapp"
account = "{ANN.native_id}"
custodian = "ann.archer"

[[account]]
channel = "whatsapp"
account = "{BOB.native_id}"
custodian = "bob.vance"

[[group]]
name = "team-a"
members = ["ann.archer"]
supervisors = ["sue"]

[[group]]
name = "team-b"
members = ["bob.vance"]

[[matter]]
id = "m-2"
name = "Lease"
custodians = ["bob.vance"]
"""
_ROLES: Final = (
    ("rita", "reviewer", 'groups = ["team-a"]'), ("sue", "supervisor", ""),
    ("mia", "reviewer", 'matters = ["m-2"]'), ("carl", "compliance", 'groups = ["*"]'),
    ("walt", "compliance", 'groups = ["*"]'),
    ("wes", "reviewer", 'groups = ["team-a", "team-b"]'), ("lea", "legal", 'groups = ["*"]'),
    ("nil", "reviewer", ""), ("otto", "auditor", ""), ("ada", "administrator", ""))
ACCESS: Final = "\n".join(
    f'[[person]]\nid = "{name}"\nname = "{name.title()}"\nroles = ["{role}"]\n{more}\n'
    for name, role, more in _ROLES) + """
[[wall]]
name = "the wall"
reason = "he acts against them"
custodians = ["bob.vance"]
against = { people = ["walt", "wes"] }

[settings]
require_totp = false
"""


@dataclass
class Tally:
    """What was asked of index and archive, and written down, since it was emptied."""

    done: list[tuple[str, int]] = field(default_factory=list)

    def note(self, what: str, count: int = 0) -> None:
        """One more."""
        self.done.append((what, count))

    def taken(self) -> list[tuple[str, int]]:
        """All of it, in an order of no meaning; empty from now on."""
        found, self.done = sorted(self.done), []
        return found


class CountingIndex:
    """An index that tells what was asked of it, and how much it answered."""

    def __init__(self, index: Index, tally: Tally) -> None:
        self._index, self._tally = index, tally

    def get(self, doc_ids: Iterable[str]) -> Any:
        """See Asked."""
        found = self._index.get(doc_ids)
        self._tally.note("get", len(found))
        return found

    def search(self, *given: Any, **named: Any) -> Any:
        """See Asked."""
        page = self._index.search(*given, **named)
        self._tally.note("search", len(page.documents))
        return page

    def count(self, query: Any) -> int:
        """See Asked."""
        self._tally.note("count")
        return self._index.count(query)

    def facets(self, *given: Any) -> Any:
        """See Asked."""
        self._tally.note("facets")
        return self._index.facets(*given)

    def counts(self, *given: Any) -> Any:
        """See Asked."""
        self._tally.note("counts")
        return self._index.counts(*given)

    def each(self, *given: Any, **named: Any) -> Any:
        """See Asked."""
        self._tally.note("each")
        return self._index.each(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)


class CountingSet:
    """Indexes that do."""

    def __init__(self, indexes: IndexSet, tally: Tally) -> None:
        self._indexes, self._tally = indexes, tally

    def open(self, name: str) -> Index:
        """See IndexSet."""
        return cast(Index, CountingIndex(self._indexes.open(name), self._tally))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._indexes, name)


class CountingReader:
    """A reader of the archive that tells what it read."""

    def __init__(self, reader: Any, tally: Tally) -> None:
        self._reader, self._tally = reader, tally

    def read(self, pointer: Any) -> bytes:
        """See Reads."""
        found: bytes = self._reader.read(pointer)
        self._tally.note("read", len(found))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class Firm:
    """The firm, its console, and everybody's session."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch, settings: str = "",
                 more: Iterable[CapturedEvent] = ()) -> None:
        """`settings`: more lines of access.toml's last table; `more` was captured too."""
        self.said = {topic: list(several) for topic, several in said_of().items()}
        self.tally = Tally()
        wire, line = _built(home, self.said, settings, more)
        self.tokenizer = wire.tokenizer()
        policy = load_access(home / "access.toml")
        self.secrets, self.bearer = _signed_in(wire, policy)
        _reviewed(wire, policy, self.ids(BETA)[0])
        line.archive()
        self.index = line.index()
        self._watch(patch)
        self.process = ConsoleProcess(wire, "127.0.0.1", 0)
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            # One person here asks for all of a firm: nobody waits.
            transport=httpx.ASGITransport(app=make_app(
                replace(self.process.parts, wait_s=lambda _key: 0))),
            base_url=self.process.url)

    def _watch(self, patch: pytest.MonkeyPatch) -> None:
        """One thread, so that each call finds the same things warm; nothing is remembered for a
        moment; no limit of requests; and everything is counted."""
        indexes, reader, record = Wire.indexes, Wire.reader, Auditor.record
        tally = self.tally

        def noted(auditor: Auditor, action: str, *given: Any) -> None:
            tally.note(f"record {action}")
            record(auditor, action, *given)

        patch.setattr(Lately, "current", lambda _lately, ask: ask())
        patch.setattr(Lately, "assigned", lambda _lately, _name, ask: ask())
        patch.setattr(console, "_THREADS", 1)
        patch.setattr(console, "_BURST", 10_000_000)
        patch.setattr(Wire, "indexes", lambda wire: CountingSet(indexes(wire), tally))
        patch.setattr(Wire, "reader", lambda wire, *keys: CountingReader(
            reader(wire, *keys), tally))
        patch.setattr(Auditor, "record", noted)

    def close(self) -> None:
        """Nothing is left open."""
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()
        self.process.close()

    # -- ids

    def ids(self, topic: str) -> list[str]:
        """Of its messages, in order."""
        return [self.tokenizer.document(message_key(one)) for one in self.said[topic]
                if one.kind == events.MESSAGE]

    def talk(self, topic: str) -> str:
        """The token of its conversation."""
        return self.tokenizer.named("conversation", self.said[topic][0].conversation)

    def hidden(self, person: str) -> list[str]:
        """Topics that somebody does not see."""
        return [one for one in TOPICS if one not in SEES[person]]

    # -- asking

    def ask(self, person: str | None, method: str, path: str, *,
            form: Mapping[str, str] | None = None, body: Any = None, token: bool = False,
            key: str | None = None) -> httpx.Response:
        """One request, as a person's browser sends it, or with his token. `key`: of the call."""
        given: dict[str, str] = {} if key is None else {"idempotency-key": key}
        more: dict[str, Any] = {}
        if person is not None and token:
            given["authorization"] = f"Bearer {self.bearer[person]}"
        elif person is not None:
            given["cookie"] = f"{SESSION_COOKIE}={self.secrets[person]}"
        csrf = csrf_of(self.secrets[person]) if person is not None else ""
        if method == "POST" and path.startswith("/api/"):
            given["x-csrf-token"] = csrf
            more["json"] = body if body is not None else {}
        elif method == "POST":
            more["data"] = {"csrf": csrf, **(form or {})}
        return self._loop.run_until_complete(
            self._client.request(method, path, headers=given, **more))

    def send(self, method: str, path: str, content: bytes = b"", /,
             **headers: str) -> httpx.Response:
        """One request as it is given."""
        return self._loop.run_until_complete(self._client.request(
            method, path, content=content or None,
            headers={name.replace("_", "-"): value for name, value in headers.items()}))


def capabilities(person: str) -> frozenset[str]:
    """What a person may do."""
    return roles.capabilities([next(role for name, role, _ in _ROLES if name == person)])


def _built(home: Path, said: Mapping[str, list[CapturedEvent]],
           settings: str, more: Iterable[CapturedEvent]) -> tuple[Wire, Line]:
    home.mkdir(mode=0o700)
    (home / "directory.toml").write_text(DIRECTORY, "utf-8")
    access = home / "access.toml"
    access.touch(mode=0o600)
    access.write_text(ACCESS + settings, "utf-8")
    clock = Clock(START)
    wire = Wire(load(home), clock, Random("walls"))
    wire.provision()
    line = Line(wire, clock)
    wire.recorder("gateway").record_all(
        [*(one for several in said.values() for one in several), *more])
    for topic, rule, severity in ((ALPHA, "alpharule", "medium"), (BETA, "betarule", "high"),
                                  (ADVICE, "advicerule", "low")):
        wire.recorder("search").record(_flag(said[topic][0], rule, severity, f"reason{topic}"))
    line.archive()
    clock.now = START + _DAY
    return wire, line


def _signed_in(wire: Wire, policy: AccessPolicy) -> tuple[dict[str, str], dict[str, str]]:
    """(person -> what his cookie holds, person -> his service token)."""
    secrets: dict[str, str] = {}
    bearer: dict[str, str] = {}
    with closing(wire.capture_log()) as log:
        auditor = Auditor(wire.recorder("search", log), AuditSettings(
            domains.ROLE_NAMES[domains.FIRM], wire.directory().firm_years()), wire.clock,
            wire.random)
        desk = Desk(wire, lambda: policy, auditor, state_store(wire))
        for person in SEES:
            secrets[person] = desk.sign_in.open_for(person, Origin("", "a test"), DEMO).secret
            book, _, shown = tokens.issue(
                AccountFile(wire.home).read(), person, capabilities(person), "matrix", 30,
                capabilities(person) - tokens.NEVER, wire.clock(), wire.random)
            AccountFile(wire.home).change(_to(book))
            bearer[person] = shown
    return secrets, bearer


def _to(book: Any) -> Callable[[Any], Any]:
    return lambda _old: book


def _reviewed(wire: Wire, policy: AccessPolicy, doc_id: str) -> None:
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("search", log)
        desk = Reviewing(wire, state_store(wire), lambda: policy, recorder).desk
        viewer = operator("carl")
        desk.act(viewer, doc_id, Form(decisions.NOTE, note="wombatnote: ask the bank"))
        desk.act(viewer, doc_id, Form(decisions.TAG, tag="betatag"))


def said_of() -> dict[str, list[CapturedEvent]]:
    """What was said, by topic."""
    group: dict[str, Any] = {"conversation": GROUP_CHAT, "participants": (GREG, ANN, BOB)}
    beta = _event(BOB, PETRA, "b1", 10, "the quicksilver account", custodian="bob.vance",
                  attachments=(_file("betafile.pdf"),))
    gone = _event(BOB, PETRA, "b2", 12, "mercurial words", custodian="bob.vance")
    return {
        ALPHA: [_event(ANN, NORA, "a1", 1, "the zebrafinch papers", attachments=(
                    _file("alphafile.pdf"),)),
                _event(ANN, NORA, "a2", 2, "zebrafinch again, common word")],
        BETA: [beta, gone,
               _event(BOB, PETRA, "b1e", 11, "the quicksand account", kind=events.EDIT,
                      target="b1", custodian="bob.vance"),
               _event(BOB, PETRA, "b2r", 13, None, kind=events.RETRACTION, target="b2",
                      content_state=events.ABSENT_BY_SOURCE, custodian="bob.vance")],
        ADVICE: [_event(ANN, COUNSEL, "v1", 20, "the habeascorpus, common word",
                        compartment="privileged", attachments=(_file("advicefile.pdf"),)),
                 _event(ANN, COUNSEL, "v2", 21, "more habeascorpus", compartment="privileged")],
        GROUP_ANN: [_event(ANN, GREG, "g1", 30, "a tangerine common word", **group)],
        GROUP_BOB: [_event(BOB, GREG, "g1", 30, "a tangerine common word", **group,
                           custodian="bob.vance")],
    }


def _event(own: Identity, peer: Identity, name: str, minutes: int, text: str | None, *,
           kind: str = events.MESSAGE, **more: Any) -> CapturedEvent:
    at = START + minutes * _MINUTE
    ids = sorted((own.native_id, peer.native_id))
    values: dict[str, Any] = {
        "channel": "whatsapp", "source": "test/1", "account": own.native_id,
        "conversation": f"pair:{ids[0]}|{ids[1]}", "captured_at": at + 1_000, "occurred_at": at,
        "occurred_precision": "s", "occurred_meaning": "sent", "native_id": _wamid(name),
        "text": text, "actor": peer, "participants": (own, peer), "direction": events.IN,
        "custodian": "ann.archer"}
    if "target" in more:
        more |= {"target": _wamid(more["target"]), "target_known": events.EXPLICIT}
    return CapturedEvent(kind=kind, **{**values, **more})


def _file(name: str) -> Attachment:
    return Attachment(f"id of {name}", "application/pdf", name, 1_000)


def _flag(on: CapturedEvent, rule: str, severity: str, reason: str) -> CapturedEvent:
    return flag_event(Flag(
        message_key(on), "demo", rule, 3, severity, on.revision, reason, "0" * 64,
        (Place(message_key(on), event_id(on), ((0, 3),)),)), START + 70 * _MINUTE, 8)


def _wamid(name: str) -> str:
    """An id as WhatsApp makes them; the same message has the same on every telephone."""
    stanza = ("3A" + sha256(name.encode()).hexdigest()[:18]).upper().encode()
    inner = (b"\x1c\x18\x0c447700900123\x15\x02\x00\x12\x18" + bytes((len(stanza),)) + stanza
             + b"\x00")
    return "wamid." + base64.b64encode(inner).decode()
