"""A message that stands in several conversations: under a number and under a user id, or a receipt
of it in a conversation of whom nobody is named.

Owns whose messages an export of one of them holds; numbers that were linked to somebody are
test_exporter_links.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from infra import exportpackage
from infra.exports import Exporter
from infra.wire import Wire
from schemas import events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import pair
from search.access.viewer import operator
from search.export.model import NOT_CHOSEN, PRIVILEGED
from search.export.wanted import Wanted
from tests.export import home
from tests.export.home import NOON
from tests.export.test_exporter import NATIVE, exported, lines, token
from tests.runtime.test_replay import archived

USER = Identity("US.13491208655302741918", "bsuid", "Ann")
UNDER_USER = pair(home.DESK.native_id, USER.native_id)
NOBODY = pair(home.DESK.native_id, "unknown")


def read(target: str, at: int, conversation: str, actor: Identity | None = None) -> CapturedEvent:
    """A receipt: that a message was read."""
    return home.event(
        events.RECEIPT, None, None, conversation=conversation, target=target,
        target_known=events.EXPLICIT, revision=f"read|{conversation}|{at}", actor=actor,
        participants=(home.DESK,), occurred_at=at, captured_at=at + 1_000)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """Ann writes under her number; that it was read, and what she writes next, come under her user
    id alone. Omar writes, too; receipts for both come without a name."""
    wire = home.made(tmp_path_factory.mktemp("archive") / "home")
    archived(
        wire, home.said_by(home.ANN, "k1", "under the number", NOON + 20_000),
        read("k1", NOON + 21_000, UNDER_USER, USER),
        home.said_by(USER, "k2", "under the user id", NOON + 30_000),
        home.said_by(home.OMAR, "o1", "Omar's own matter", NOON + 31_000),
        read("k1", NOON + 32_000, NOBODY), read("o1", NOON + 33_000, NOBODY),
        read("never captured", NOON + 34_000, NOBODY))
    return wire


def package(wire: Wire, out: Path, *names: str) -> tuple[str, ...]:
    """The export of these conversations, which its recipient's script believes; its notes."""
    done = exported(wire, out, Wanted(
        conversations=tuple(sorted(token(wire, one) for one in names)), formats=NATIVE))
    found = exportpackage.verified(out)
    assert 0 == found.code, found.said
    return done.notes


def texts(out: Path) -> set[str]:
    """What the messages in a package say."""
    return {one["event"].get("text") for one in lines(out, "native/events.jsonl")} - {None}


def claim(out: Path) -> Sequence[tuple[str, str]]:
    """(number, tag) of what is claimed to be complete."""
    said = json.loads((out / "data/proof/complete.json").read_bytes())
    assert "conversations" == said["kind"]
    return [(one["conversation"], one["tag"]) for one in said["conversations"]]


def test_nobody_elses_messages_come_along_with_a_receipt(wire: Wire, tmp_path: Path) -> None:
    """Of Ann's conversation a receipt stands where Omar's do: his messages stay out of it, their
    records there are listed by place, and that is said. Her other name is not added unasked."""
    notes = package(wire, tmp_path / "out", home.WITH_ANN)
    said = texts(tmp_path / "out")
    assert "under the number" in said
    assert not {"Omar's own matter", "under the user id"} & said
    assert {(NOT_CHOSEN, "")} == {(one["reason"], one["document"])
                                  for one in lines(tmp_path / "out", "proof/withheld.jsonl")}
    assert any("a message stands in another conversation" in one for one in notes)


def test_two_that_share_a_name_stay_two(wire: Wire, tmp_path: Path) -> None:
    """Each has its number, and both are complete: what they share is counted once."""
    out = tmp_path / "out"
    package(wire, out, home.WITH_ANN, home.WITH_OMAR)
    of = {one["event"].get("text"): one["conversation"]
          for one in lines(out, "native/events.jsonl")}
    assert of["under the number"] != of["Omar's own matter"]
    tags = [tag for _, tag in claim(out)]
    assert len(set(tags)) < len(tags)
    assert 2 == Exporter(wire, operator("ann")).preview(Wanted(conversations=tuple(sorted(
        token(wire, one) for one in (home.WITH_ANN, home.WITH_OMAR))))).conversations


@pytest.mark.parametrize("names", [(UNDER_USER,), (home.WITH_ANN, UNDER_USER)])
def test_a_name_that_is_asked_for_is_whole(wire: Wire, tmp_path: Path,
                                           names: tuple[str, ...]) -> None:
    """By itself the receipt that stands with a message of the other is listed; with it all is here.
    """
    out = tmp_path / "out"
    package(wire, out, *names)
    assert "under the user id" in texts(out)
    assert ("under the number" in texts(out)) == (len(names) == 2)


def test_a_message_under_two_names_is_not_left_out(tmp_path: Path) -> None:
    """It was seen under the user id first: an export of the number says which name to give besides,
    in place of one without the message; with both it is there."""
    wire = home.made(tmp_path / "home")
    first = home.said_by(USER, "k1", "seen twice", NOON + 20_000)
    archived(wire, first, replace(
        home.said_by(home.ANN, "k1", "seen twice", NOON + 20_000), captured_at=NOON + 60_000))
    other = token(wire, UNDER_USER)
    with pytest.raises(Refused, match=f"under another name.*--conversation {other}"):
        package(wire, tmp_path / "number", home.WITH_ANN)
    package(wire, tmp_path / "both", home.WITH_ANN, UNDER_USER)
    assert "seen twice" in texts(tmp_path / "both")


def test_what_is_privileged_under_one_name_is_under_the_other(tmp_path: Path) -> None:
    """A message that was seen under the user id first, and then in the designated conversation, is
    withheld, whatever is asked for."""
    wire = home.made(tmp_path / "home")
    user = Identity("US.999999999999", "bsuid", "Omar")
    archived(wire, home.said_by(user, "p1", "counsel's advice", NOON + 20_000),
             replace(home.said_by(home.OMAR, "p1", "counsel's advice", NOON + 20_000),
                     captured_at=NOON + 60_000))
    rules = wire.home / "access.toml"
    rules.write_text(f'[privileged]\ncompartments=[]\nconversations=["{home.WITH_OMAR}"]\n')
    rules.chmod(0o600)
    out = tmp_path / "out"
    done = exported(home.opened(wire.home), out, Wanted(custodians=("carol",), formats=NATIVE))
    assert "counsel's advice" not in texts(out)
    assert done.counts.withheld[PRIVILEGED] >= 1
    assert 0 == exportpackage.verified(out).code
