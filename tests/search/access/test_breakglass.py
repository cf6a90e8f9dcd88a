"""More than one's rules give, for a time, because two people say so; on the log before it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from schemas.errors import Denied, Missing, Refused, Transient
from search.access import breakglass
from search.access.breakglass import BreakGlass, KeptOut, Request
from search.access.people import AccessPolicy, Wall, viewer_of
from search.access.viewer import Viewer
from tests.fakes.state import FakeState
from tests.search.access.firm import DIRECTORY, POLICY
from tests.search.world import NOON
from tests.world import Random

MINUTE = 60_000
WHY = "a client's complaint about messages of 3 March"
WALLED: AccessPolicy = replace(POLICY, walls=(
    Wall("juniper", "advises the other side", custodians=("cleo",),
         against_people=("rita", "lea")),))


@dataclass
class Log:
    """What was written down, in order. `is_down`: nothing can be."""

    said: list[tuple[str, str, str | None, dict[str, str]]] = field(default_factory=list)
    is_down: bool = False

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """See Records."""
        if self.is_down:
            raise Transient("the log is down")
        self.said.append((action, actor, text, dict(details)))

    def actions(self) -> list[tuple[str, str]]:
        """(action, who) of each."""
        return [(action.removeprefix("break_glass_"), actor)
                for action, actor, _, _ in self.said]


class Firm:
    """One installation at one moment."""

    def __init__(self) -> None:
        self.now = NOON
        self.log = Log()
        self.store = FakeState(lambda: self.now)
        self.glass = BreakGlass(self.store, self.log, lambda: self.now, Random("glass"))

    def asked(self, what: str = "custodian:cleo", minutes: int = 60,
              walls: tuple[str, ...] = (), *, privileged: bool = False) -> Request:
        """Rita's request."""
        return self.glass.ask(who("rita"), what, WHY, minutes, walls, privileged=privileged)

    def approved(self, request: Request, by: str = "carl") -> Request:
        """Approved by somebody else."""
        return self.glass.approve(who(by), request.request_id, WALLED, DIRECTORY)


def who(person: str) -> Viewer:
    """Somebody, signed in."""
    return viewer_of(WALLED, DIRECTORY, person, NOON)


@pytest.fixture
def firm() -> Firm:
    """A new one."""
    return Firm()


def test_two_people_open_it_for_a_time(firm: Firm) -> None:
    """Asked, approved by another, used, over: each on the log, and open only in between."""
    request = firm.asked()
    assert firm.glass.grants("rita", "s1") == ()
    opened = firm.approved(request)
    assert (opened.second, opened.until) == ("carl", NOON + 60 * MINUTE)
    grant, = firm.glass.grants("rita", "s1")
    assert (grant.what, grant.walls, grant.privileged) == (
        "custodian:cleo", frozenset(), False)
    assert firm.glass.grants("rita", "s1") == (grant,)
    assert firm.glass.grants("sue", "s1") == ()
    firm.now = NOON + 60 * MINUTE
    assert firm.glass.grants("rita", "s1") == ()
    assert firm.glass.requests() == ()
    assert firm.glass.sweep() == 1
    assert firm.glass.sweep() == 0
    assert firm.log.actions() == [
        ("requested", "rita"), ("approved", "carl"), ("used", "rita"), ("ended", "rita")]
    assert all(details["request"] == request.request_id for *_, details in firm.log.said)
    assert {text for _, _, text, _ in firm.log.said} == {WHY}


def test_each_session_that_uses_it_is_written_down(firm: Firm) -> None:
    """Once a session, before it is open there."""
    firm.approved(firm.asked())
    for session in ("s1", "s2", "s2"):
        assert len(firm.glass.grants("rita", session)) == 1
    assert [details["session"] for action, _, _, details in firm.log.said
            if action == breakglass.USED] == ["s1", "s2"]


def test_nobody_approves_his_own(firm: Firm) -> None:
    """Nor who may not approve, nor who is not known any more."""
    request = firm.glass.ask(who("carl"), "everything", WHY, 5)
    with pytest.raises(Refused, match="his own request"):
        firm.glass.approve(who("carl"), request.request_id, WALLED, DIRECTORY)
    for person in ("rita", "sue", "ada", "otto"):
        with pytest.raises(Denied):
            firm.approved(request, person)
    one = replace(POLICY, people=tuple(replace(each, custodian="ann") for each in POLICY.people))
    with pytest.raises(Refused, match="his own request"):
        firm.glass.approve(who("lea"), request.request_id, one, DIRECTORY)
    assert firm.log.actions() == [("requested", "carl")]
    assert firm.approved(request, "lea").second == "lea"


def test_a_wall_is_passed_only_by_name_and_not_by_whom_it_keeps_out(firm: Firm) -> None:
    """Lea stands before the same wall: she may not open it for Rita. A wall that is not there is
    told to whoever approves, not to whoever asks."""
    request = firm.asked(walls=("juniper",))
    with pytest.raises(KeptOut, match="keeps you out too"):
        firm.approved(request, "lea")
    assert firm.approved(request, "carl").walls == ("juniper",)
    grant, = firm.glass.grants("rita", "s")
    assert grant.walls == {"juniper"}
    unknown = firm.asked(walls=("no such wall",))
    with pytest.raises(Refused, match="no wall"):
        firm.approved(unknown)
    gone = firm.asked("matter:gone")
    with pytest.raises(Refused, match="a name that directory"):
        firm.approved(gone)


def test_a_request_is_decided_once(firm: Firm) -> None:
    """Of two who approve at once one opens it, and the other is told."""
    request = firm.asked()
    held = firm.store.get(f"breakglass:{request.request_id}")
    assert held is not None
    assert firm.store.put(f"breakglass:{request.request_id}",
                          {**held.value, "state": breakglass.OPEN, "until": NOON + 1},
                          held.expires_at, held)
    with pytest.raises(Refused, match="decided already"):
        firm.approved(request)
    other = firm.asked()
    firm.glass.refuse(who("carl"), other.request_id, "not needed")
    with pytest.raises(Missing):
        firm.approved(other)
    assert firm.log.actions()[-1] == ("refused", "carl")


def test_it_can_be_ended_early(firm: Firm) -> None:
    """By whoever asked or may approve; nobody else learns that it is there."""
    for by in ("rita", "carl"):
        request = firm.approved(firm.asked())
        with pytest.raises(Missing):
            firm.glass.end(who("sue"), request.request_id)
        firm.glass.end(who(by), request.request_id)
        assert firm.glass.grants("rita", "s") == ()
        assert firm.log.actions()[-1] == ("ended", by)
    waiting = firm.asked()
    firm.glass.end(who("rita"), waiting.request_id)
    with pytest.raises(Missing):
        firm.approved(waiting)
    with pytest.raises(Missing):
        firm.glass.end(who("rita"), "x" * 32)


@pytest.mark.parametrize(("what", "reason", "minutes"), [
    ("everything", "short", 60), ("everything", WHY, 0), ("everything", WHY, 241),
    ("", WHY, 60), ("everything", "x" * 401, 60), ("x" * 201, WHY, 60)])
def test_what_is_asked_for_has_limits(firm: Firm, what: str, reason: str, minutes: int) -> None:
    """A reason in words, at most four hours."""
    with pytest.raises(Refused):
        firm.glass.ask(who("rita"), what, reason, minutes)
    assert firm.log.said == []


def test_nobody_without_content_asks(firm: Firm) -> None:
    """An administrator's emergency is not to read messages."""
    for person in ("ada", "otto"):
        with pytest.raises(Denied):
            firm.glass.ask(who(person), "everything", WHY, 5)
    for _ in range(breakglass.REQUESTS_MAX):
        firm.asked()
    with pytest.raises(Refused, match="already"):
        firm.asked()


def test_what_cannot_be_written_down_does_not_happen(firm: Firm) -> None:
    """Log down: nothing is asked, opened or used."""
    request = firm.asked()
    other = firm.approved(firm.asked())
    firm.log.is_down = True
    with pytest.raises(Transient):
        firm.asked()
    with pytest.raises(Transient):
        firm.approved(request)
    with pytest.raises(Transient):
        firm.glass.grants("rita", "s1")
    assert len(firm.glass.requests()) == 2
    # Closing is never kept waiting: it is closed although nobody could be told yet.
    with pytest.raises(Transient):
        firm.glass.end(who("rita"), other.request_id)
    firm.log.is_down = False
    assert firm.glass.grants("rita", "s1") == ()
    assert firm.glass.sweep() == 1


def test_a_lost_state_is_closed(firm: Firm) -> None:
    """The store may be lost; then nothing is open, and a request waits a day at most."""
    firm.approved(firm.asked())
    firm.glass = BreakGlass(FakeState(lambda: firm.now), firm.log, lambda: firm.now, Random("x"))
    assert firm.glass.grants("rita", "s") == ()
    request = firm.asked()
    firm.now += 24 * 60 * MINUTE
    with pytest.raises(Missing):
        firm.approved(request)
