"""`access.toml` -> search.access.people.AccessPolicy, with every problem named by line and field.

Owns the file's format, what changed between two loads in words, and the event that says so before a
change takes effect. Nothing is guessed and nothing ignored: a typing error must open nothing.

    [[person]]
    id = "a.novak"            # as records name people; letters, digits and . _ @ -
    name = "Anna Novak"
    roles = ["supervisor"]    # reviewer supervisor compliance legal auditor administrator
    groups = ["litigation"]   # whose messages: groups of directory.toml, or ["*"] = everybody's
    matters = ["4711"]        # and these matters', or ["*"]
    custodian = "anovak"      # optional: the id under which her own messages are captured
    reports_to = ["c.park"]   # optional: people here; nobody decides on messages of his line
    email = "a.novak@example.com"  # optional: how a sign-in with the firm's own login names her
    active = true             # optional; false = no access, and the records still say who it was

    [[wall]]                  # beats every grant
    name = "Project Juniper"
    reason = "advises the other side"
    matter = "4711"           # or custodians = [...], conversations = [...], or both of these
    against = {people = ["b.ito"], groups = ["corporate"]}  # or: except_people = ["a.novak"]

    [privileged]              # withheld, but for roles that may see it (legal)
    compartments = ["privileged"]
    conversations = ["group:12036304"]  # designated afterwards

    [settings]
    pseudonyms = false        # names stay hidden until an item is escalated
    session_minutes = 30      # of rest, until a session ends
    session_hours_max = 10
    require_totp = true
    claim_minutes = 15        # how long an item stays with whoever took it
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from infra.embedded import folder
from infra.tomlrows import Lines, Reader, Row, parsed
from ingest.own import own_event
from schemas import events
from schemas.errors import Missing, Refused, Transient
from schemas.events import CapturedEvent, Identity
from search.access import roles
from search.access.people import ALL, AccessPolicy, Person, Privilege, Settings, Wall

FILE: Final = "access.toml"
ACTION: Final = "access"
PEOPLE_MAX: Final = 20_000
# Of the words of an event; the file itself is its raw bytes.
CHANGES_CHARS_MAX: Final = 4_000
_TABLES: Final = ("person", "wall")
_SINGLE: Final = ("privileged", "settings")
_PERSON_ID: Final = re.compile(r"[A-Za-z0-9._@-]{1,100}")
_EMAIL: Final = re.compile(r"[^@\s]{1,200}@[^@\s]{1,200}")


def load_access(path: Path) -> AccessPolicy:
    """The rules in the file at `path`.

    Raises Refused with a line for every problem, also for a file that others may read or change;
    Missing when there is no file, Transient when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            source = file.read()
    except FileNotFoundError as error:
        raise Missing(f"{path} is not there: nobody has access; docs/ACCESS.md says how to write "
                      "it") from error
    except OSError as error:
        raise Transient(f"{path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise Refused(f"{path} may be read or changed by others (mode {mode:03o}); run: "
                      f"chmod 600 {path}")
    return parse_access(source, path.name)


def parse_access(source: bytes, name: str = FILE) -> AccessPolicy:
    """The rules that `source` says. Raises Refused; `name` is the file's in the message."""
    tables, lines = parsed(source, name)
    reader = _Reader(tables, lines)
    found = reader.read(source)
    reader.require_none(name)
    return found


class _Reader(Reader):
    def __init__(self, tables: Mapping[str, Any], lines: Lines) -> None:
        super().__init__(tables, lines, _SINGLE, _TABLES)

    def read(self, source: bytes) -> AccessPolicy:
        """Everything; problems are collected on the way."""
        people = self.rows("person", Row, _person)
        if len(people) > PEOPLE_MAX:
            self.problems.append(f"{len(people)} people; at most {PEOPLE_MAX}")
        self._people(people)
        walls = self.rows("wall", Row, _wall)
        known = {one.person_id for one in people}
        for index, name in _twice(one.name for one in walls):
            self._row("wall", index).problem("name", f"{name!r} comes twice")
        for index, wall in enumerate(walls):
            for one in (*wall.against_people, *(wall.except_people or ())):
                if one not in known:
                    self._row("wall", index).problem(
                        "except_people" if wall.except_people else "against",
                        f"no [[person]] has the id {one!r}")
        privileged = Row(self, "privileged", 0, self.values("privileged"))
        settings = Row(self, "settings", 0, self.values("settings"))
        return AccessPolicy(tuple(people), tuple(walls), _privilege(privileged),
                            _settings(settings), source)

    def _people(self, people: Sequence[Person]) -> None:
        """What is said of one person must fit what is said of the others."""
        known = {one.person_id: one for one in people}
        for index, name in _twice(one.person_id for one in people):
            self._row("person", index).problem("id", f"{name!r} comes twice")
        for index, name in _twice(one.email.casefold() for one in people):
            self._row("person", index).problem("email", f"{name!r} is another person's too")
        for index, person in enumerate(people):
            for one in person.reports_to:
                if one not in known:
                    self._row("person", index).problem("reports_to",
                                                       f"no [[person]] has the id {one!r}")
            if _is_above_itself(person.person_id, known):
                self._row("person", index).problem("reports_to", "leads back to the same person")

    def _row(self, table: str, index: int) -> Row:
        return Row(self, table, index, {})


def _person(row: Row) -> Person:
    row.known("id", "name", "roles", "groups", "matters", "custodian", "reports_to", "email",
              "active")
    person_id, email = row.text("id"), row.text("email", required=False)
    if person_id and not _PERSON_ID.fullmatch(person_id):
        row.problem("id", "may have letters, digits and . _ @ -, at most 100")
    if email and not _EMAIL.fullmatch(email):
        row.problem("email", "is no address: name@example.com")
    named = row.texts("roles")
    for one in named:
        if one not in roles.ROLES:
            row.problem("roles", f"{one!r} is unknown; known are {', '.join(roles.ROLES)}")
    may = roles.capabilities(named)
    if roles.ADMINISTRATOR in named and roles.sees_content(may):
        row.problem("roles", "an administrator sees no messages, so this may not be one person's "
                             "other role; write a second [[person]] for the other work")
    groups, matters = _names(row, "groups"), _names(row, "matters")
    if (groups or matters) and named and not roles.sees_content(may):
        row.problem("groups" if groups else "matters",
                    f"whoever is only {' and '.join(named)} sees no messages, so this would mean "
                    "nothing; leave it out")
    return Person(person_id, row.text("name"), named, groups, matters,
                  row.text("custodian", required=False), row.texts("reports_to", required=False),
                  email, row.flag("active", True))


def _names(row: Row, key: str) -> tuple[str, ...]:
    found = row.texts(key, required=False)
    if ALL in found and len(found) > 1:
        row.problem(key, f'write ["{ALL}"] alone, or names')
    return found


def _wall(row: Row) -> Wall:
    row.known("name", "reason", "matter", "custodians", "conversations", "against",
              "except_people")
    said = {key for key in ("matter", "custodians", "conversations") if row.has(key)}
    if not said or ("matter" in said and len(said) > 1):
        row.problem("name", "say what is behind it: matter, or custodians, or conversations, or "
                            "custodians and conversations")
    if row.has("against") == row.has("except_people"):
        row.problem("name", "say whom it keeps out: against, or except_people; one of the two")
    people, groups = row.pair("against", "people", "groups")
    return Wall(
        row.text("name"), row.text("reason"), row.text("matter", required=False),
        row.texts("custodians", required="custodians" in said),
        row.texts("conversations", required="conversations" in said), people, groups,
        row.texts("except_people", required=False) if row.has("except_people") else None)


def _privilege(row: Row) -> Privilege:
    row.known("compartments", "conversations")
    default = Privilege()
    return Privilege(
        row.texts("compartments", required=False) if row.has("compartments")
        else default.compartments, row.texts("conversations", required=False))


def _settings(row: Row) -> Settings:
    row.known(*(one.name for one in fields(Settings)))
    default = Settings()
    found = Settings(
        row.flag("pseudonyms", default.pseudonyms),
        row.whole("session_minutes", default.session_minutes, 5, 480),
        row.whole("session_hours_max", default.session_hours_max, 1, 24),
        row.flag("require_totp", default.require_totp),
        row.whole("claim_minutes", default.claim_minutes, 1, 480))
    if found.session_minutes > found.session_hours_max * 60:
        row.problem("session_minutes", "is longer than session_hours_max")
    return found


def _twice(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen: Counter[str] = Counter()
    for index, name in enumerate(names):
        seen[name] += 1
        if name and seen[name] > 1:
            yield index, name


def _is_above_itself(person_id: str, known: Mapping[str, Person]) -> bool:
    seen: set[str] = set()
    ahead = list(known[person_id].reports_to)
    while ahead:
        one = ahead.pop()
        if one == person_id:
            return True
        if one not in seen and one in known:
            seen.add(one)
            ahead += known[one].reports_to
    return False


# --- what changed ------------------------------------------------------------------------------


def changes(before: AccessPolicy, after: AccessPolicy) -> list[str]:
    """What is otherwise now, each as a sentence; empty when only the file's form changed."""
    out = list(_changed("person", {one.person_id: one for one in before.people},
                        {one.person_id: one for one in after.people}))
    out += _changed("wall", {one.name: one for one in before.walls},
                    {one.name: one for one in after.walls})
    out += _fields("privileged", before.privileged, after.privileged)
    return [*out, *_fields("settings", before.settings, after.settings)]


def _changed(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            said = ", ".join(f"{key} {value}" for key, value in _said(after[name]) if value)
            yield f"{what} {name} added: {said}"
        elif name not in after:
            yield f"{what} {name} removed"
        else:
            yield from _fields(f"{what} {name}", before[name], after[name])


def _fields(what: str, before: Any, after: Any) -> Iterator[str]:
    for (key, old), (_, new) in zip(_said(before), _said(after), strict=True):
        if old != new:
            yield f"{what}: {key} was {old or 'nothing'}, is {new or 'nothing'}"


def _said(one: Any) -> list[tuple[str, str]]:
    return [(field.name, _text(getattr(one, field.name))) for field in fields(one)
            if field.name not in ("person_id", "source")]


def _text(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def access_event(found: AccessPolicy, said: Sequence[str], actor: str, captured_at: int,
                 firm_years: int) -> CapturedEvent:
    """A load of the rules that differs from the last: who (or what process) brought it into force,
    what changed, and the file as raw. Loading A, B and A again are three facts."""
    words = "\n".join(said)
    if len(words) > CHANGES_CHARS_MAX:
        words = words[:CHANGES_CHARS_MAX] + "\n... the file itself is kept with this record"
    event = own_event(
        events.DIRECTORY, f"{ACTION}:{found.digest()}", captured_at, firm_years,
        {"action": ACTION, "digest": found.digest(), "people": str(len(found.people)),
         "walls": str(len(found.walls)), "changed": str(len(said)), "changes": words})
    return replace(event, revision=str(captured_at), raw=found.source, source="search/1",
                   actor=Identity(actor, "user"), raw_type="application/toml")


class AccessFile:
    """The rules in force, followed while a process runs. `record`: puts an event on the log and
    returns when it is durable; `clock`: UTC ms; `firm_years`: of today's directory.

    What was recorded last is kept in `<home>/watch/access.toml`; without it the whole file counts
    as new. A crash between the event and that copy says the same change again.
    """

    def __init__(self, home: Path, record: Callable[[CapturedEvent], None],
                 clock: Callable[[], int], firm_years: Callable[[], int], actor: str) -> None:
        self._path = home / FILE
        self._kept = home / "watch" / FILE
        self._record, self._clock, self._firm_years = record, clock, firm_years
        self._actor = actor
        self._signature: tuple[int, ...] | None = None
        self._in_force: AccessPolicy | None = None
        self.problem = ""

    def policy(self) -> AccessPolicy:
        """The rules in force now; call it for every request, it reads the file when it changed.

        A file that does not read leaves the last one in force and says why in `problem`. Raises
        what `load_access` raises where there is none yet, and Transient when a change could not be
        recorded: then it is not in force, and nobody may look meanwhile.
        """
        signature = self._stamp()
        if self._in_force is not None and signature == self._signature:
            return self._in_force
        try:
            found = load_access(self._path)
        except (Refused, Missing) as error:
            if self._in_force is None:
                raise
            self.problem = str(error).splitlines()[0]
            return self._in_force
        self._record_change(found)
        # Recorded: from here it holds.
        self._in_force, self._signature, self.problem = found, signature, ""
        return found

    def _record_change(self, found: AccessPolicy) -> None:
        before = self._in_force or self._last()
        if before is not None and before.digest() == found.digest():
            return
        said = changes(before or AccessPolicy(), found)
        self._record(access_event(found, said, self._actor, self._clock(), self._firm_years()))
        folder.make_folder(self._kept.parent)
        folder.replace(self._kept, found.source)

    def _last(self) -> AccessPolicy | None:
        try:
            return parse_access(self._kept.read_bytes(), self._kept.name)
        except (OSError, Refused):
            return None  # everything counts as new, and is recorded

    def _stamp(self) -> tuple[int, ...]:
        try:
            seen = self._path.stat()
        except OSError:
            return ()
        return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode
