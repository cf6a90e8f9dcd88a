"""Policies on a data folder: dry run, replay, flags on what comes in, and a file that breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import carry
from infra.config import load
from infra.policywatch import PolicyWatch
from infra.process import Worker
from infra.state import StateFolder
from infra.verbs import policy as verbs
from infra.verbs.policy import Wanted
from infra.voice import Voice
from infra.wire import Wire
from ingest.adapters import twilio
from schemas import events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from search.access.viewer import operator
from search.follow import bind, rebuild
from search.index import Index
from search.policy.flags import is_flag
from tests.ingest.doorway import twilio_form
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_reconcile import capture
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
