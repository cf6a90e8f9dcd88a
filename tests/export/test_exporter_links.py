"""Conversations that go on under another number, and numbers that were another person's before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from infra import exportpackage
from infra.exports import Exporter
from infra.wire import Wire
from schemas import events
from schemas.document import Document
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import pair
from search.access.viewer import operator
from search.export.select import Chosen, Selection, Selector
from search.export.wanted import Wanted
from tests.export import home
from tests.export.home import DAY, NOON
from tests.export.test_exporter import NATIVE, exported, lines, texts, token
from tests.runtime.test_replay import archived

NEW = Identity("+16505559999", "e164", "Ann")
ZOE = Identity(NEW.native_id, "e164", "Zoe Zimmer")
MOVED = NOON + 35 * DAY
UNDER_NEW = pair(home.DESK.native_id, NEW.native_id)


def moved() -> CapturedEvent:
    """Ann's number becomes another."""
    return home.said_by(home.ANN, "moved", "", MOVED, kind=events.IDENTITY,
                        details=(("new_wa_id", NEW.native_id.lstrip("+")),
                                 ("type", "user_changed_number")))


def story() -> list[CapturedEvent]:
    """The number was Zoe's, then it is Ann's."""
    return [home.said_by(ZOE, "z1", "Zoe's own matter", NOON + DAY),
            home.said_by(ZOE, "z2", "Zoe again", NOON + 2 * DAY),
            moved(), home.said_by(NEW, "a8", "Ann under her new number", MOVED + DAY),
            home.said_by(NEW, "a9", "and once more", MOVED + 2 * DAY)]


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """One archive for every test that only reads."""
    made = home.made(tmp_path_factory.mktemp("archive") / "home")
    archived(made, *story())
    return made


def chosen(wire: Wire, **more: int) -> Wanted:
    """Ann's conversation, from its beginning."""
    return Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("period", [{}, {"since": NOON + 1_500}, {"until": MOVED}])
def test_who_had_the_number_before_is_listed_and_not_shown(
        wire: Wire, tmp_path: Path, period: dict[str, int]) -> None:
    """The conversation under both numbers, whole; of the other person's messages the places alone,
    with a reason of their own; said before and after, and believed by a stranger's script."""
    is_there = "until" not in period
    seen = Exporter(wire, operator("ann")).preview(chosen(wire, **period))
    assert is_there is any(one.startswith("2 messages of other people") for one in seen.warnings)
    done = exported(wire, tmp_path / "out", chosen(wire, **period))
    assert is_there is any("lists them by place" in one for one in done.notes)
    assert is_there is ("Ann under her new number" in dict(texts(tmp_path / "out")).values())
    left = [one for one in lines(tmp_path / "out", "proof/withheld.jsonl")
            if one["reason"] == "not_chosen"]
    assert 2 * is_there == len(left)
    assert {""} >= {one["document"] for one in left}
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or b"Zoe" not in file.read_bytes()
    assert 0 == exportpackage.verified(tmp_path / "out").code
    assert done == exported(wire, tmp_path / "out", chosen(wire, **period))


def test_asked_for_by_the_new_number_it_is_everything_of_it(wire: Wire, tmp_path: Path) -> None:
    """Who names that conversation means all of it, and nothing of it is called another's."""
    wanted = Wanted(conversations=(token(wire, UNDER_NEW),), formats=NATIVE)
    done = exported(wire, tmp_path / "out", wanted)
    assert {"Zoe's own matter", "Ann under her new number"} <= set(
        dict(texts(tmp_path / "out")).values())
    assert () == tuple(one for one in done.notes if "other people" in one)
    both = Wanted(conversations=(token(wire, UNDER_NEW), token(wire, home.WITH_ANN)),
                  formats=NATIVE)
    exported(wire, tmp_path / "both", both)
    assert [] == lines(tmp_path / "both", "proof/withheld.jsonl")


def test_what_the_index_does_not_know_is_nobody_elses(
        wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of that number that is missing from the index is refused as ever, before the change
    and after it."""
    select, beside = Selector.select, Selector.beside

    def forgets_ann(self: Selector, wanted: Wanted) -> Selection:
        found = select(self, wanted)
        return Selection(found.chosen[:-1], found.withheld)

    def forgets_zoe(self: Selector, wanted: Wanted,
                    chosen: Iterable[Chosen]) -> Iterator[Document]:
        yield from list(beside(self, wanted, chosen))[1:]

    for name, forgetful in (("select", forgets_ann), ("beside", forgets_zoe)):
        with monkeypatch.context() as patched, pytest.raises(Refused, match="not in the index"):
            patched.setattr(Selector, name, forgetful)
            exported(wire, tmp_path / name, chosen(wire))
