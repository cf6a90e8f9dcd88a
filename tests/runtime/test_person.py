"""The verbs `person`: what is held, a request that waits for its ground, and a copy for them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.disposition_person import redacted
from infra.verbs import person as verbs
from infra.wire import Wire
from schemas import events
from schemas.errors import Exists, Refused
from schemas.events import Identity
from search.follow import rebuild
from tests.interface.test_json import as_stated
from tests.runtime.test_disposition import DAY, THEN, WORD, Clock, disposer, written
from tests.runtime.test_replay import CAROL, archived
from tests.search.policy.world import said
from tests.search.world import ANN

Verb = Callable[..., list[dict[str, Any]]]
SCHEMAS = {"held": "person-held", "erase": "person-erase", "listed": "person-requests",
           "access": "person-access"}
EVE = Identity("+15550009999", "e164", "Eve Poe")


@pytest.fixture
def clock() -> Clock:
    """The month in which the messages are written."""
    return Clock(THEN)


@pytest.fixture
def wire(tmp_path: Path, clock: Clock) -> Wire:
    """An embedded system of Carol's."""
    made = Wire(load(tmp_path / "home", disposition={"wait_days": 1}), clock)
    made.provision_once()
    (made.home / "directory.toml").write_text(CAROL, "utf-8")
    return made


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Verb:
    """What a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0, **more: Any) -> list[
            dict[str, Any]]:
        capsys.readouterr()
        assert verb(*said, json=True, **more) == code
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for one in found:
            as_stated(SCHEMAS[verb.__name__], one)
        return found
    return run


def test_what_is_held_about_somebody(wire: Wire, clock: Clock, lines: Verb) -> None:
    """Counts, identities, groups with ground and date; nobody is nobody."""
    written(wire, clock)
    (found,) = lines(verbs.held, wire, ANN.native_id)
    assert 5 == found["records"]
    assert [ANN.native_id] == [one["id"] for one in found["identities"]]
    due = {one["month"]: one for one in found["groups"]}
    assert due["2025-11"]["due"] and due["2025-11"]["alone"]
    later = due[max(due)]
    assert ("retention", False) == (later["why"], later["due"]) and later["until"]
    (nobody,) = lines(verbs.held, wire, "+15559990000")
    assert (0, []) == (nobody["records"], nobody["groups"])
    with pytest.raises(Refused, match="name a person"):
        verbs.held(wire, '"', json=True)


def test_a_request_waits_and_is_answered_by_the_disposition(
        wire: Wire, clock: Clock, lines: Verb) -> None:
    """What may not go keeps the request waiting, through a rebuild; when all of it is erased, it is
    answered."""
    written(wire, clock)
    with pytest.raises(Refused, match="on what ground"):
        verbs.erase(wire, ANN.native_id, " ", json=True)
    (asked,) = lines(verbs.erase, wire, ANN.native_id, "Article 17, letter of today")
    (row,) = lines(verbs.listed, wire)
    assert (asked["request"], 3, 3, 2) == (row["request"], row["groups"], row["left"], row["due"])
    assert row["until"] and "retention" in row["why"]
    rebuild(wire.reader(), wire.indexes(), wire.projector())
    listing = disposer(wire, "ann").make_list(
        [one["key"] for one in asked["groups"] if one["due"]])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    disposer(wire, "ann").run(listing.list_id)
    (row,) = lines(verbs.listed, wire)
    assert (1, 0) == (row["left"], row["due"])
    clock.now += 8 * 366 * DAY
    archived(wire, said("much later", clock.now, "m9"))
    clock.now += 8 * DAY
    archived(wire, said("later still", clock.now, "m10"))
    listing = disposer(wire, "ann").make_list(
        [one["key"] for one in asked["groups"] if not one["due"]])
    disposer(wire, "bob").approve(listing.list_id)
    clock.now += DAY + 1
    disposer(wire, "ann").run(listing.list_id)
    assert [] == lines(verbs.listed, wire)


def test_a_copy_for_somebody_marks_the_others(wire: Wire, clock: Clock, lines: Verb,
                                              tmp_path: Path) -> None:
    """JSON lines in a folder for its owner only; third parties are numbers, also in texts."""
    archived(wire, said(f"the {WORD}, says Eve Poe (+15550009999)", THEN, "m1",
                        direction=events.IN, actor=ANN, participants=(ANN, EVE)),
             said("nothing about her", THEN, "m2", participants=(EVE,), actor=EVE))
    out = tmp_path / "copy"
    (done,) = lines(verbs.access, wire, ANN.native_id, out)
    assert (1, 1) == (done["records"], done["third_parties"])
    (line,) = [json.loads(one) for one in (out / "messages.jsonl").read_text().splitlines()]
    assert f"the {WORD}, says [third party 1] ([third party 1])" == line["text"]
    assert (ANN.native_id, ["[third party 1]"]) == (line["from"], line["others"])
    assert "Eve" not in (out / "messages.jsonl").read_text()
    assert 0o700 == stat.S_IMODE(out.stat().st_mode)
    assert {0o600} == {stat.S_IMODE(one.stat().st_mode) for one in out.iterdir()}
    with pytest.raises(Exists):
        verbs.access(wire, ANN.native_id, out, json=True)


@pytest.mark.parametrize(("text", "expected"), [
    ("Eve, EVE poe and Everest", "[third party 1], [third party 1] and Everest"),
    ("call 15550009999", "call [third party 1]"),
    ("nobody", "nobody"),
])
def test_names_in_a_text_are_marked(text: str, expected: str) -> None:
    """Whole names, longer words of them, numbers; not inside of other words."""
    assert expected == redacted(text, [EVE], {EVE.native_id: "[third party 1]"})
