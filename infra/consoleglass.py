"""Breaking the glass and the people's page in the console.

Owns how they are put together. Implements `search.web.oversight.GlassPort` and `PeoplePort`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from schemas.directory import Directory
from search.access import people, roles
from search.access.accounts import Account, Accounts
from search.access.breakglass import BreakGlass, Request
from search.access.lockout import Lockout
from search.access.people import AccessPolicy, Grant, Person
from search.access.sessions import TOKEN, Live
from search.access.viewer import Viewer
from search.access.wording import WORDS, behind, seen_by
from search.audit import Auditor
from search.web.oversight import DirectoryView, PeopleView, PersonView

ACCESS_READ: Final = "access_read"
PEOPLE_READ: Final = "people_read"
DIRECTORY_READ: Final = "directory_read"
_KNOWN_S: Final = 1.0


class ConsoleGlass:
    """`policy`, `directory`: as they are in force now."""

    def __init__(self, glass: BreakGlass, auditor: Auditor, policy: Callable[[], AccessPolicy],
                 directory: Callable[[], Directory],
                 monotonic: Callable[[], float] = time.monotonic) -> None:
        self._glass, self._auditor = glass, auditor
        self._policy, self._directory = policy, directory
        self._monotonic = monotonic
        # When it was asked, and who has asked for something that was not refused or ended.
        self._having: tuple[float, frozenset[str]] | None = None

    def grants(self, live: Live) -> tuple[Grant, ...]:
        """What is open to whoever is signed in; to a program nothing ever is. That somebody has
        nothing is known for a second, for it is asked with every page: what another process opens
        may be open a second later. What is closed is closed at once."""
        if live.how == TOKEN or not self._may_have(live.person):
            return ()
        return self._glass.grants(live.person, live.session)

    def _may_have(self, person: str) -> bool:
        now = self._monotonic()
        known = self._having
        if known is None or now - known[0] >= _KNOWN_S:
            known = now, frozenset(one.person for one in self._glass.requests())
            self._having = known
        return person in known[1]

    def sweep(self) -> int:
        """See BreakGlass.sweep."""
        return self._glass.sweep()

    def requests(self, viewer: Viewer) -> tuple[Request, ...]:
        """See GlassPort."""
        every = roles.BREAK_GLASS_APPROVE in viewer.may
        found = [one for one in self._glass.requests() if every or one.person == viewer.person]
        return tuple(sorted(found, key=lambda one: (-one.asked_at, one.request_id)))

    def ask(self, viewer: Viewer, what: str, reason: str, minutes: int, walls: tuple[str, ...],
            *, privileged: bool) -> Request:
        """See GlassPort."""
        asked = self._glass.ask(viewer, what, reason, minutes, walls, privileged=privileged)
        self._having = None
        return asked

    def approve(self, viewer: Viewer, request_id: str) -> Request:
        """See GlassPort."""
        return self._glass.approve(viewer, request_id, self._policy(), self._directory())

    def refuse(self, viewer: Viewer, request_id: str, reason: str) -> None:
        """See GlassPort."""
        self._glass.refuse(viewer, request_id, reason)

    def end(self, viewer: Viewer, request_id: str) -> None:
        """See GlassPort."""
        self._glass.end(viewer, request_id)

    def words(self, viewer: Viewer) -> Mapping[str, Sequence[str]]:
        """See GlassPort."""
        policy, directory = self._policy(), self._directory()
        person = policy.active(viewer.person)
        sees = seen_by(policy, directory, person)
        if viewer.pseudonyms:
            # Who is in a group is what pseudonyms hide.
            sees = [one.partition(":")[0] for one in sees]
        # That a wall is there, and its name; what is behind it is told to nobody whom it keeps out.
        kept = [f"the wall “{one.name}” ({one.reason})"
                for one in people.walls_of(policy, directory, person)] if sees else []
        if sees and roles.PRIVILEGED not in viewer.may:
            kept.append("what is privileged")
        self._auditor.record(ACCESS_READ, viewer.person, None, {"session": viewer.session})
        return {"may": [words for name, words in WORDS.items() if name in viewer.may],
                "sees": sees, "kept": kept}


class ConsolePeople:
    """`accounts`, `lockout`: of sign-in."""

    def __init__(self, auditor: Auditor, policy: Callable[[], AccessPolicy],
                 directory: Callable[[], Directory], accounts: Accounts,
                 lockout: Lockout) -> None:
        self._auditor, self._policy, self._directory = auditor, policy, directory
        self._accounts, self._lockout = accounts, lockout

    def every(self, viewer: Viewer) -> PeopleView:
        """See PeoplePort."""
        viewer.require(roles.ACCOUNTS)
        policy, directory, book = self._policy(), self._directory(), self._accounts.read()
        found = []
        for person in policy.people:
            account = book.of(person.person_id)
            found.append(PersonView(
                person, _state(person, account), bool(account and account.totp),
                self._lockout.wait_s(person.person_id)))
        self._auditor.record(PEOPLE_READ, viewer.person, None, {
            "count": str(len(found)), "session": viewer.session})
        known = _known(directory)
        return PeopleView(
            tuple(found), policy, known.groups, known.matters,
            tuple(people.problems(policy, directory)),
            {one.name: behind(one, directory) for one in policy.walls})

    def directory(self, viewer: Viewer) -> DirectoryView:
        """See PeoplePort."""
        viewer.require(roles.DIRECTORY)
        found = _known(self._directory())
        self._auditor.record(DIRECTORY_READ, viewer.person, None, {
            "count": str(len(found.groups) + len(found.matters)), "session": viewer.session})
        return found


def _known(directory: Directory) -> DirectoryView:
    return DirectoryView(
        tuple((one.name, one.members, one.supervisors) for one in directory.groups),
        tuple((one.matter_id, one.name, one.custodians) for one in directory.matters))


def _state(person: Person, account: Account | None) -> str:
    if not person.active:
        return "left"
    if account is None:
        return "none"
    if account.disabled:
        return "disabled"
    if account.must_change:
        return "not used yet"
    return "password" if account.password else "firm login"
