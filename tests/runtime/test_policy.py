"""Policies on a data folder: dry run, replay, flags on what comes in, and a file that breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra import carry
from infra.config import load
from infra.policies import IN_FORCE, policy_event
from infra.policywatch import PolicyWatch
from infra.process import Worker
from infra.state import StateFolder
from infra.verbs import policy as verbs
from infra.verbs import searching
from infra.verbs.audit import acting
from infra.verbs.policy import Wanted
from infra.voice import Voice
from infra.wire import Wire
from ingest.adapters import twilio
from ingest.delivery import Deliverer
from ingest.routing import Router
from schemas import events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, Identity
from search import identity, machine
from search.access.viewer import operator
from search.follow import bind, rebuild
from search.index import Index
from search.policy.flags import is_flag
from search.query import And, Term, TokenQuery
from tests.ingest.doorway import twilio_form
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_reconcile import capture
from tests.search.policy.world import said
from tests.world import NOW

FIRST = """
id = "money"
version = 1
title = "Money"
author = "Ann Lee"
approver = "Bob Roe"
effective = 2024-01-01
severity = "high"
[[rule]]
id = "cash"
why = "Cash."
query = "cash"
"""
SECOND = FIRST.replace("version = 1", "version = 2").replace(
    'query = "cash"', 'query = "cash OR coins"')
Verb = Callable[..., dict[str, Any]]


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    (made.home / "policies").mkdir()
    return made


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str]) -> Verb:
    """What a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any) -> dict[str, Any]:
        capsys.readouterr()
        assert verb(*said, json=True) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert isinstance(found, dict)
        return found
    return run


def texts(*said: str, first: int = 0) -> list[CapturedEvent]:
    """Messages as the door captures them."""
    return [event for number, text in enumerate(said, first)
            for event in twilio.parse(twilio_form(number, Body=text), "", NOW).events]


def put(wire: Wire, source: str, name: str = "money.toml") -> None:
    """A policy of the firm."""
    (wire.home / "policies" / name).write_text(source, "utf-8")


def found_by(wire: Wire, query: str) -> int:
    """How many messages a search answers with."""
    return wire.searcher().search(query, operator("dana")).total


def test_a_dry_run_counts_and_flags_nothing(wire: Wire, line: Verb) -> None:
    """Counts and samples of each rule; that it was made is an event, a flag is not."""
    capture(wire, *texts("bring cash", "a call", "cash again"))
    put(wire, FIRST)
    said = line(verbs.policy_test, wire, Wanted("money", samples=1))
    as_stated("policy-test", said)
    assert (said["messages"], said["flags"], said["flagged"]) == (3, 2, 2)
    (rule,) = said["rules"]
    assert len(rule["samples"]) == 1
    assert wire.searcher().view(rule["samples"][0]["id"], operator("dana")).hit.text == "bring cash"
    carry.carry(wire, lambda said: None)
    assert ["dry_run"] == [one.detail("action") for one in recorded(wire)
                           if one.kind == events.POLICY]
    assert found_by(wire, "flag:*") == 0


def test_who_tried_or_replayed_a_policy_is_on_its_record(wire: Wire, line: Verb) -> None:
    """Records of a person are found by their actor: dry runs and replays too; nobody did what came
    into force by itself. A rebuild finds the same."""
    capture(wire, *texts("bring cash"))
    put(wire, FIRST)
    line(verbs.policy_test, wire, Wanted("money"))
    line(verbs.policy_replay, wire, "money")
    wire.recorder("search").record(policy_event(wire, IN_FORCE, (), {"policies": []}))
    carry.carry(wire, lambda said: None)
    who = Identity(acting(wire), "user")
    assert {("dry_run", who), ("replay", who), ("in_force", None)} == {
        (one.detail("action"), one.actor) for one in recorded(wire)
        if one.kind == events.POLICY and not is_flag(one)}
    (token,) = [wire.tokenizer().party(*one) for one in identity.facts(who) if one[0] == "id"]
    asked = TokenQuery(And((Term("kind", events.POLICY), Term("actors", token))),
                       frozenset({events.POLICY}))

    def found() -> int:
        return wire.indexes().open(bind(wire.indexes())).count(asked)

    assert found() == 2
    rebuild(wire.reader(), wire.indexes(), wire.projector())
    assert found() == 2


def test_show_says_why_a_message_is_flagged(
        wire: Wire, line: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule, version, severity, reason and the words, as a table and as JSON; a hit says none of it,
    and a message without flags has an empty list."""
    capture(wire, *texts("bring cash", "a call"))
    put(wire, FIRST)
    line(verbs.policy_replay, wire, "money")
    found = wire.searcher().search("channel:sms", operator("dana"))
    by_text = {one.text: one.doc_id for one in found.hits}
    said = line(lambda *of, json: searching.show(*of, json=json, around=1), wire,
                by_text["bring cash"])
    as_stated("message", said)
    (flag,) = said["flags"]
    assert ("money", "cash", 1, "high") == tuple(
        flag[key] for key in ("policy", "rule", "version", "severity"))
    assert flag["reason"] == "Cash (words of the rule are in the text)."
    assert flag["places"] == [{"version": 1, "ranges": [[6, 10]]}]
    assert "flags" not in machine.hit(found.hits[0])
    bare = line(lambda *of, json: searching.show(*of, json=json, around=1), wire,
                by_text["a call"])
    as_stated("message", bare)
    assert bare["flags"] == []
    assert searching.show(wire, by_text["bring cash"], json=False, around=1) == 0
    screen = " ".join(capsys.readouterr().out.split())
    for words in ("why it is flagged", "of money, version 1", "high", "Cash (words of",
                  "6-10 cash"):
        assert words in screen
    searching.show(wire, by_text["a call"], json=False, around=1)
    assert "why it is flagged" not in capsys.readouterr().out


@pytest.mark.parametrize("json_lines", [False, True])
def test_one_broken_file_does_not_hide_the_others(
        wire: Wire, capsys: pytest.CaptureFixture[str], json_lines: bool) -> None:
    """The list shows what reads, one line for each file that does not, and ends with 65."""
    put(wire, FIRST)
    put(wire, "id = 'other'\nversion = 0\n", "broken.toml")
    put(wire, FIRST.replace("Cash.", "Coins."), "twice.toml")
    capsys.readouterr()
    assert verbs.policy_list(wire, json=json_lines) == Refused.exit_code == 65
    shown = capsys.readouterr()
    broken, twice = shown.err.splitlines()
    assert broken.startswith("broken.toml line ") and "version: must be 1" in broken
    assert twice.startswith("twice.toml: two different policies are both money version 1")
    if json_lines:
        (only,) = shown.out.splitlines()
        as_stated("policy", json.loads(only))
    else:
        assert "money" in shown.out


def test_a_replay_flags_and_says_what_was_missed_before(wire: Wire, line: Verb) -> None:
    """Found by `flag:`, the same after a second replay and after a rebuild; the next version names
    what the first one missed."""
    capture(wire, *texts("bring cash", "bring coins", "a call"))
    put(wire, FIRST)
    said = line(verbs.policy_replay, wire, "money")
    as_stated("policy-replay", said)
    assert (said["flags"], said["before"]) == (1, None)
    as_stated("policy", line(verbs.policy_list, wire))
    assert (found_by(wire, "flag:cash"), found_by(wire, "flag:* coins")) == (1, 0)
    put(wire, SECOND, "money-2.toml")
    said = line(verbs.policy_replay, wire, "money")
    assert (said["version"], said["flagged"], said["missed_before"], said["no_longer"]) == (
        2, 2, 1, 0)
    line(verbs.policy_replay, wire, "money")
    assert found_by(wire, "flag:cash") == 2
    names = {(one.native_id, one.target_key, one.revision) for one in recorded(wire)
             if is_flag(one)}
    assert len(names) == 3
    rebuild(wire.reader(), wire.indexes(), wire.projector())
    assert found_by(wire, "flag:cash") == 2


def test_a_version_that_is_not_in_force_is_not_replayed(wire: Wire, line: Verb) -> None:
    """Its day has not come; a dry run of it is possible."""
    capture(wire, *texts("cash"))
    put(wire, FIRST.replace("2024-01-01", "2999-01-01"))
    with pytest.raises(Refused, match="not in force"):
        verbs.policy_replay(wire, "money", json=True)
    assert line(verbs.policy_test, wire, Wanted("money"))["flags"] == 1
    with pytest.raises(Missing, match="policy list"):
        verbs.policy_replay(wire, "monkey", json=True)


def test_a_later_version_does_not_stand_in_the_way(wire: Wire, line: Verb,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    """The one in force is replayed where none is named; one that is named is that one. Where none
    came before it, it says so."""
    capture(wire, *texts("cash", "coins"))
    put(wire, FIRST)
    put(wire, SECOND.replace("2024-01-01", "2999-01-01"), "money-2.toml")
    assert line(verbs.policy_replay, wire, "money")["version"] == 1
    assert line(verbs.policy_test, wire, Wanted("money/1"))["flags"] == 1
    assert line(verbs.policy_test, wire, Wanted("money"))["flags"] == 2
    with pytest.raises(Refused, match="version 2 is not in force"):
        verbs.policy_replay(wire, "money/2", json=True)
    assert verbs.policy_replay(wire, "money/1", json=False) == 0
    assert "no earlier version of it lies in policies/" in capsys.readouterr().out


def test_a_dry_run_of_some_days_is_of_the_firms_days(wire: Wire, line: Verb) -> None:
    """A day begins at midnight in the firm's zone; only messages in between are counted; a time
    that is empty is refused before anything is on record."""
    day = 1_763_247_600_000                       # 2025-11-16, 00:00 in Berlin
    put(wire, FIRST)
    capture(wire, *(said("cash", day + offset, f"m{offset}") for offset in (-1, 0, 60_000)))
    berlin = Wire(load(wire.home, search={"zone": "Europe/Berlin"}))
    found = line(verbs.policy_test, berlin, Wanted("money", "2025-11-16", "2025-11-17"))
    assert (found["messages"], found["flags"]) == (2, 2)
    found = line(verbs.policy_test, berlin, Wanted("money", "", "2025-11-16"))
    assert (found["messages"], found["flags"]) == (1, 1)
    before = len(recorded(wire))
    with pytest.raises(Refused, match="not after --from"):
        verbs.policy_test(berlin, Wanted("money", "2025-11-16", "2025-11-16"), json=True)
    assert len(recorded(wire)) == before


def test_a_dry_run_sees_what_nobody_has_indexed_yet(wire: Wire, line: Verb) -> None:
    """On the log and not archived: carried on first, as a replay does."""
    put(wire, FIRST)
    router = Router(wire.keys_folder.routing_key(), bytes(16))
    deliverer = Deliverer(router, wire.directory())
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_all(
            deliverer.stamp(one, None) for one in texts("cash", "a call"))
    found = line(verbs.policy_test, wire, Wanted("money"))
    assert (found["messages"], found["flags"]) == (2, 1)


class Live:
    """The indexer's watch, looked after by hand."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.worker = Worker("indexer", StateFolder(wire.home), "index_behind")
        self.index: Index = wire.indexes().open(bind(wire.indexes()))
        self.watch = PolicyWatch(wire, self.worker, Voice(wire, "search"))
        self.watch.begin(self.index)

    def look(self) -> set[tuple[str | None, bytes | None, str]]:
        """Everything that is due is raised; the flags on the log."""
        self.watch._loaded_at = -10**9
        while self.watch.look(self.wire.clock(), self.index):
            pass
        carry.carry(self.wire, lambda said: None)
        return {(one.native_id, one.target_key, one.revision) for one in recorded(self.wire)
                if is_flag(one)}


def test_what_comes_in_is_flagged(wire: Wire) -> None:
    """What was there before is history; what comes is flagged, once, also when the process died
    between the flag and its cursor."""
    capture(wire, *texts("old cash"))
    put(wire, FIRST)
    live = Live(wire)
    assert live.look() == set()
    capture(wire, *texts("new cash", "nothing", first=5))
    cursors = (wire.home / "watch" / "cursors.json").read_bytes()
    flagged = live.look()
    assert len(flagged) == 1 and found_by(wire, "flag:cash") == 1
    (wire.home / "watch" / "cursors.json").write_bytes(cursors)
    assert Live(wire).look() == flagged
    hits = wire.searcher().search("flag:cash", operator("dana")).hits
    assert [1] == [one.version_count for one in hits]


def test_a_policy_that_breaks_leaves_the_last_one_in_force(wire: Wire) -> None:
    """An alarm names the file, and flags go on; put right, it is in force and that is an event."""
    capture(wire, *texts("a call"))
    put(wire, FIRST)
    live = Live(wire)
    live.look()
    put(wire, FIRST.replace("query", "qeury"))
    capture(wire, *texts("cash", first=5))
    assert len(live.look()) == 1
    assert "money.toml" in live.worker.alarms["policy_refused"].detail
    put(wire, SECOND)
    capture(wire, *texts("coins", first=7))
    assert len(live.look()) == 2
    assert "policy_refused" not in live.worker.alarms
    said = [one.detail("policies") for one in recorded(wire)
            if one.detail("action") == "in_force"]
    assert said == ["money/1", "money/2"]
