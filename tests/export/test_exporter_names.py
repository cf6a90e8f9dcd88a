"""A conversation under two names: a message came under the number, its receipt under the user id.

Owns what an export of either is; numbers that were linked to somebody are test_exporter_links.py.
"""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest

from infra import exportpackage
from infra.exports import Exporter
from infra.wire import Wire
from schemas import events
from schemas.events import Identity
from schemas.identity import pair
from search.access.viewer import operator
from search.export.model import NOT_CHOSEN
from search.export.select import Talks
from search.export.wanted import Wanted
from tests.export import home
from tests.export.home import NOON
from tests.export.test_exporter import NATIVE, exported, lines, token
from tests.runtime.test_replay import archived

USER = Identity("US.13491208655302741918", "bsuid", "Ann")
UNDER_USER = pair(home.DESK.native_id, USER.native_id)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """Ann writes under her number; that it was read, and what she writes next, come under her user
    id alone."""
    wire = home.made(tmp_path_factory.mktemp("archive") / "home")
    archived(
        wire, home.said_by(home.ANN, "k1", "under the number", NOON + 20_000),
        home.event(events.RECEIPT, None, None, conversation=UNDER_USER, target="k1",
                   target_known=events.EXPLICIT, revision="read|x|1", actor=USER,
                   participants=(home.DESK,), occurred_at=NOON + 21_000,
                   captured_at=NOON + 22_000),
        home.said_by(USER, "k2", "under the user id", NOON + 30_000))
    return wire


def texts(out: Path) -> set[str]:
    """What the messages in a package say."""
    return {one["event"].get("text") for one in lines(out, "native/events.jsonl")} - {None}


@pytest.mark.parametrize("names", [(home.WITH_ANN,), (home.WITH_ANN, UNDER_USER)])
def test_what_a_message_of_it_is_called_besides_belongs_to_it(
        wire: Wire, tmp_path: Path, names: tuple[str, ...]) -> None:
    """Both names are one conversation with one number, whole, whether one or both were asked for;
    a stranger's script agrees."""
    out = tmp_path / "out"
    exported(wire, out, Wanted(conversations=tuple(sorted(token(wire, one) for one in names)),
                               formats=NATIVE))
    assert {"under the number", "under the user id"} <= texts(out)
    assert {"C-0001"} == {one["conversation"] for one in lines(out, "native/events.jsonl")}
    said = json.loads((out / "data/proof/complete.json").read_bytes())
    assert ("conversations", 2) == (said["kind"], len(said["conversations"]))
    assert {"C-0001"} == {one["conversation"] for one in said["conversations"]}
    assert [] == lines(out, "proof/withheld.jsonl")
    assert 0 == exportpackage.verified(out).code


def test_a_receipt_of_another_conversations_message_is_listed(wire: Wire, tmp_path: Path) -> None:
    """Asked for by the user id alone: the receipt stands with its message, which nobody asked for.
    It is listed by place, and that is said."""
    out = tmp_path / "out"
    done = exported(wire, out, Wanted(conversations=(token(wire, UNDER_USER),), formats=NATIVE))
    assert {"under the user id"} == texts(out)
    assert [(NOT_CHOSEN, "")] == [(one["reason"], one["document"])
                                  for one in lines(out, "proof/withheld.jsonl")]
    assert any("a message stands in another conversation" in one for one in done.notes)
    assert 0 == exportpackage.verified(out).code


def test_a_preview_counts_it_once(wire: Wire) -> None:
    """Two names are one conversation before the export as after it."""
    wanted = Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE)
    assert 1 == Exporter(wire, operator("ann")).preview(wanted).conversations


def test_names_are_joined_in_any_order() -> None:
    """The first of them is the same, however their messages are met."""
    for some in permutations((("d", "c"), ("b", "c"), ("b", "a"), ("x", "y"))):
        talks = Talks()
        for one in some:
            talks.join(one)
        assert {"a"} == {talks.of(one) for one in "abcd"}
        assert {"x"} == {talks.of(one) for one in "xy"}
        assert "z" == talks.of("z")
