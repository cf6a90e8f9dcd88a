"""Who may do what with a hold; what is refused is not recorded, what cannot be recorded is not
done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from archive.holds import HoldFacts, facts_of
from schemas.errors import Denied, Missing, Refused, Transient
from schemas.events import CapturedEvent
from schemas.holdacts import Scope
from search.access import roles
from search.access.scope import EVERYTHING
from search.access.viewer import Viewer
from search.hold.desk import HoldDesk, Ports
from tests.world import NOW, Random

SCOPE = Scope(("asmith",))


class World:
    """A log, and a desk at it."""

    def __init__(self) -> None:
        self.events: list[CapturedEvent] = []
        self.looks: list[str] = []
        self.is_down = False
        self.now = NOW
        self.desk = HoldDesk(Ports(
            recorder=self, records=_Looks(self), facts=self.facts, check=lambda scope: scope,
            firm_years=lambda: 8, clock=lambda: self.now, random=Random("holds")))

    def facts(self) -> HoldFacts:
        """What is on record."""
        return facts_of(self.events)

    def record(self, event: CapturedEvent) -> None:
        """On the log, if there is one."""
        if self.is_down:
            raise Transient("the log is down")
        self.events.append(event)


class _Looks:
    def __init__(self, world: World) -> None:
        self._world = world

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        if self._world.is_down:
            raise Transient("the log is down")
        self._world.looks.append(action)


def who(name: str, *of: str) -> Viewer:
    """Somebody with these roles."""
    return Viewer(name, EVERYTHING, roles.capabilities(of))


ANN, BOB = who("ann", roles.LEGAL), who("bob", roles.COMPLIANCE)
ACTS: dict[str, tuple[str, Callable[[HoldDesk, Viewer, str], Any]]] = {
    "holds": (roles.HOLD_READ, lambda desk, one, _hold: desk.holds(one)),
    "hold": (roles.HOLD_READ, lambda desk, one, hold: desk.hold(one, hold)),
    "doubts": (roles.HOLD_READ, lambda desk, one, _hold: desk.doubts(one)),
    "look_ahead": (roles.HOLD_READ, lambda desk, one, _hold: desk.look_ahead(one, SCOPE)),
    "place": (roles.HOLD_PLACE, lambda desk, one, _hold: desk.place(one, "Doe", "letter", SCOPE)),
    "ask": (roles.HOLD_RELEASE, lambda desk, one, hold: desk.ask(one, hold, "settled")),
    "grant": (roles.HOLD_RELEASE, lambda desk, one, hold: desk.grant(one, hold, "agreed")),
    "refuse": (roles.HOLD_RELEASE, lambda desk, one, hold: desk.refuse(one, hold, "not yet")),
}


def test_every_act_of_the_desk_is_in_the_table() -> None:
    """None is left without a right."""
    assert set(ACTS) == {name for name in vars(HoldDesk) if not name.startswith("_")}


@pytest.mark.parametrize("name", ACTS)
def test_an_act_needs_its_right_and_no_other(name: str) -> None:
    """Whoever has all the others is denied, and nothing is written down; with it alone it goes."""
    needed, act = ACTS[name]
    world = World()
    hold = world.desk.place(ANN, "Doe", "letter", SCOPE).hold_id
    if name in ("grant", "refuse"):
        world.desk.ask(ANN, hold, "settled")
    before = len(world.events), len(world.looks)
    with pytest.raises(Denied):
        act(world.desk, replace(BOB, may=roles.CAPABILITIES - {needed}), hold)
    assert (len(world.events), len(world.looks)) == before
    act(world.desk, replace(BOB, may=frozenset({needed})), hold)


@pytest.mark.parametrize("name", [one for one in ACTS if one != "doubts"])
def test_without_the_log_nothing_is_done_or_shown(name: str) -> None:
    """The act is an event before it takes effect; a look is one before it is answered."""
    world = World()
    hold = world.desk.place(ANN, "Doe", "letter", SCOPE).hold_id
    if name in ("grant", "refuse"):
        world.desk.ask(ANN, hold, "settled")
    world.is_down = True
    state = world.facts().holds()
    with pytest.raises(Transient):
        ACTS[name][1](world.desk, replace(BOB, may=roles.CAPABILITIES), hold)
    assert world.facts().holds() == state


def test_one_name_in_two_spellings_is_one_person() -> None:
    """Case and outer spaces make no second person."""
    world = World()
    hold = world.desk.place(ANN, "Doe", "letter", SCOPE).hold_id
    world.desk.ask(ANN, hold, "settled")
    with pytest.raises(Refused, match="second person"):
        world.desk.grant(who("Ann ", roles.LEGAL), hold, "agreed")
    with pytest.raises(Refused, match="waits already"):
        world.desk.ask(who("ANN", roles.LEGAL), hold, "settled")
    assert world.desk.grant(BOB, hold, "agreed").released_at is not None


def test_a_clock_that_went_back_changes_no_order() -> None:
    """An answer is never earlier than what it answers."""
    world = World()
    hold = world.desk.place(ANN, "Doe", "letter", SCOPE).hold_id
    world.now -= 3_600_000
    asked = world.desk.ask(ANN, hold, "settled")
    assert asked.asks[0].act.at == NOW
    assert world.desk.grant(BOB, hold, "agreed").state == "released"


def test_two_requests_are_answered_by_the_other() -> None:
    """Both asked: each may grant the other's, whichever was first."""
    world = World()
    hold = world.desk.place(ANN, "Doe", "letter", SCOPE).hold_id
    world.desk.ask(ANN, hold, "settled")
    world.now += 1
    world.desk.ask(BOB, hold, "settled")
    done = world.desk.grant(ANN, hold, "agreed")
    assert done.state == "released" and not done.asks
    with pytest.raises(Missing):
        world.desk.hold(ANN, "0" * 16)
