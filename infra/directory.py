"""`directory.toml` -> schemas.directory.Directory, with every problem named by line and field.

Owns the file's format. Nothing is guessed and nothing ignored: an unknown key, a name that nothing
defines, two owners of one account at a time each refuse the whole file, so that a typing error
cannot send a person's messages under another's key.

    [classes]                 # retention class -> years
    default = 7

    [[custodian]]
    id = "asmith"
    name = "Alice Smith"
    class = "default"         # optional

    [[account]]
    channel = "whatsapp"      # whatsapp | sms
    account = "+15550783881"  # or the provider's id of the number
    custodian = "asmith"
    from = 2026-01-01         # optional; a date is midnight UTC, a time states its offset
    until = 2027-01-01        # optional, the first moment that is not covered
    max_silence_h = 72        # optional: an alarm after so many hours without an event of it

    [[conversation]]
    conversation = "group:12036304"
    compartment = "matter-4711"
    class = "default"         # optional

    [[group]]
    name = "litigation"
    members = ["asmith"]      # ids of custodians
    supervisors = ["c.park"]  # optional: who supervises them, as `search.operator` names people

    [[matter]]
    id = "4711"
    name = "Doe v. Roe"
    custodians = ["asmith"]
    from = 2026-01-01         # optional, as `until`
    conversations = ["group:12036304"]  # optional; without it any of the custodians' own

    [[notice]]                # who was told of the capture: a custodian, or an account outside
    custodian = "asmith"      # or: channel = "whatsapp" and account = "+16505551234"
    at = 2026-01-01
    how = "letter"
    text = "..."              # or document = "notices/2026-01.pdf", or both

    [[exclusion]]             # a personal chat on an account of the firm's
    channel = "whatsapp"
    account = "+15550783881"
    counterparty = "+16505559999"  # or conversation = "group:..."
    from = 2026-01-01         # optional, as `until`
    reason = "spouse"
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from infra.tomlrows import Lines, Reader, Row, parsed
from schemas.directory import (
    Account,
    ConversationRule,
    Custodian,
    Directory,
    Exclusion,
    Group,
    Matter,
    Notice,
)
from schemas.domains import ROLE_NAMES
from schemas.errors import Missing, Refused, Transient

CHANNELS: Final = ("whatsapp", "sms")
TABLES: Final = ("classes", "custodian", "account", "conversation", "group", "matter", "notice",
                 "exclusion")
YEARS_MAX: Final = 100
# How long an account may be silent before it is an alarm: a quarter of an hour to a year.
HOURS_MIN: Final = 0.25
HOURS_MAX: Final = 8_784
# Of a notice's words, which may have lines.
NOTICE_CHARS_MAX: Final = 20_000
# What people put between the digits of a number.
_PUNCTUATION: Final = re.compile(r"[\s().\-/]+")


def load_directory(path: Path) -> Directory:
    """The directory in the file at `path`.

    Raises Refused with a line for every problem, Missing when there is no file, Transient when it
    cannot be read.
    """
    try:
        source = path.read_bytes()
    except FileNotFoundError as error:
        raise Missing(f"{path} is not there") from error
    except OSError as error:
        raise Transient(f"{path} cannot be read: {error.strerror}") from error
    return parse_directory(source, path.name)


class DirectoryFile:
    """The directory as the file says it now, for any number of threads: parsed when it has
    changed, not each time that somebody asks. `check`: raises Refused for what may not be in
    force; `problem`: why what stands there now is not, "" = it is."""

    def __init__(self, path: Path, check: Callable[[Directory], None]) -> None:
        self._path, self._check = path, check
        self._lock = threading.Lock()
        self._signature: tuple[int, ...] | None = None
        self._in_force: Directory | None = None
        self.problem = ""

    def __call__(self) -> Directory:
        """The one in force; empty without a file. A file that does not read leaves the last one in
        force. Raises what `load_directory` raises where there is none yet."""
        with self._lock:
            signature = self._stamp()
            if self._in_force is not None and signature == self._signature:
                return self._in_force
            try:
                found = load_directory(self._path) if signature else Directory()
                if not signature and self._in_force is not None:
                    raise Missing(f"{self._path} is not there")
                self._check(found)
            except (Refused, Missing, Transient) as error:
                if self._in_force is None:
                    raise
                self.problem = str(error).splitlines()[0]
                return self._in_force
            self._in_force, self._signature, self.problem = found, signature, ""
            return found

    def _stamp(self) -> tuple[int, ...]:
        try:
            seen = self._path.stat()
        except OSError:
            return ()
        return seen.st_mtime_ns, seen.st_size, seen.st_ino


def parse_directory(source: bytes, name: str = "directory.toml") -> Directory:
    """The directory that `source` says. Raises Refused; `name` is the file's in the message."""
    reader = _Reader(*parsed(source, name))
    directory = reader.read(source)
    reader.require_none(name)
    return directory


def account_of(text: str) -> str:
    """An account as capture spells it: a number without what people put between its digits.

    Raises Refused for a + that no number follows.
    """
    if not text.startswith("+"):
        return text
    account = _PUNCTUATION.sub("", text)
    if not (account[1:].isascii() and account[1:].isdigit()):
        raise Refused("a number is + and digits")
    return account


class _Row(Row):
    """One table of the directory while it is read."""

    def channel(self, required: bool = True) -> str:
        """A channel that is known."""
        channel = self.text("channel", required)
        if channel and channel not in CHANNELS:
            self.problem("channel", f"{channel!r} is unknown; known are {', '.join(CHANNELS)}")
        return channel

    def number(self, key: str, required: bool = True) -> str:
        """An account; a number without what people put between its digits."""
        try:
            return account_of(self.text(key, required))
        except Refused as error:
            self.problem(key, str(error))
            return ""

    def period(self) -> tuple[int | None, int | None]:
        """`from` and `until`."""
        since, until = self.moment("from"), self.moment("until")
        if since is not None and until is not None and since >= until:
            self.problem("until", "is not after `from`")
        return since, until

    def hours(self, key: str) -> float | None:
        """Hours, or null; a problem for what is no length of time."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) \
                or not HOURS_MIN <= value <= HOURS_MAX:
            self.problem(key, f"must be hours, {HOURS_MIN} to {HOURS_MAX}")
            return None
        return float(value)


class _Reader(Reader):
    def __init__(self, tables: Mapping[str, Any], lines: Lines) -> None:
        super().__init__(tables, lines, ("classes",), TABLES)

    def read(self, source: bytes) -> Directory:
        """Everything; problems are collected on the way."""
        classes = self._classes()
        custodians = self._rows("custodian", lambda row: self._custodian(row, classes))
        seen: dict[str, int] = {}
        for index, one in enumerate(custodians):
            if seen.setdefault(one.custodian_id, index) != index:
                self._row("custodian", index).problem("id", f"{one.custodian_id!r} comes twice")
        accounts = self._rows("account", lambda row: self._account(row, seen))
        self._once_at_a_time("account", "account", accounts,
                             lambda one: (one.channel, one.account))
        rules = self._rows("conversation", lambda row: self._rule(row, classes))
        ruled: dict[str, int] = {}
        for index, rule in enumerate(rules):
            if ruled.setdefault(rule.conversation, index) != index:
                self._row("conversation", index).problem("conversation", "comes twice")
        groups = self._named("group", "name", lambda row: self._group(row, seen))
        matters = self._named("matter", "id", lambda row: self._matter(row, seen))
        notices = self._rows("notice", lambda row: self._notice(row, seen))
        owned = {(one.channel, one.account) for one in accounts}
        exclusions = self._rows("exclusion", lambda row: self._exclusion(row, owned))
        self._once_at_a_time("exclusion", "conversation", exclusions, lambda one: (
            one.channel, one.account, one.conversation, one.counterparty))
        return Directory(
            tuple(custodians), tuple(accounts), tuple(rules), tuple(classes.items()),
            groups=groups, matters=matters, notices=tuple(notices),
            exclusions=tuple(exclusions), source=source)

    def _named(self, table: str, key: str, read: Callable[[_Row], Any]) -> tuple[Any, ...]:
        """Rows that are called by `key`, each name once."""
        rows = self._rows(table, read)
        seen: set[str] = set()
        for index, one in enumerate(rows):
            name = one.matter_id if isinstance(one, Matter) else one.name
            if name and name in seen:
                self._row(table, index).problem(key, f"{name!r} comes twice; join the two tables, "
                                                     "or name one of them otherwise")
            seen.add(name)
        return tuple(rows)

    def _rows(self, table: str, read: Callable[[_Row], Any]) -> list[Any]:
        return self.rows(table, _Row, read)

    def _row(self, table: str, index: int) -> _Row:
        return _Row(self, table, index, {})

    def _classes(self) -> dict[str, int]:
        table = self.values("classes")
        row = _Row(self, "classes", 0, table)
        classes = {"default": 7}
        for name, years in table.items():
            if name in ROLE_NAMES.values():
                row.problem(name, "is a name of the system's own")
            elif isinstance(years, bool) or not isinstance(years, int) \
                    or not 1 <= years <= YEARS_MAX:
                row.problem(name, f"must be whole years, 1 to {YEARS_MAX}")
            else:
                classes[name] = years
        return classes

    def _class(self, row: _Row, classes: Mapping[str, int]) -> str:
        name = row.text("class", required=False)
        if name and name not in classes:
            row.problem("class", f"{name!r} is not in [classes]; known are {', '.join(classes)}")
        return name

    def _custodian(self, row: _Row, classes: Mapping[str, int]) -> Custodian:
        row.known("id", "name", "class")
        return Custodian(row.text("id"), row.text("name"), self._class(row, classes) or "default")

    def _account(self, row: _Row, custodians: Mapping[str, int]) -> Account:
        row.known("channel", "account", "custodian", "from", "until", "max_silence_h")
        channel = row.channel()
        (custodian,) = self._known((row.text("custodian"),), row, "custodian", custodians)
        return Account(channel, row.number("account"), custodian, *row.period(),
                       row.hours("max_silence_h"))

    @staticmethod
    def _known(names: tuple[str, ...], row: _Row, key: str,
               custodians: Mapping[str, int]) -> tuple[str, ...]:
        """`names`, with a problem for each that is no custodian's id."""
        for name in names:
            if name and name not in custodians:
                row.problem(key, f"no [[custodian]] has the id {name!r}")
        return names

    def _group(self, row: _Row, custodians: Mapping[str, int]) -> Group:
        row.known("name", "members", "supervisors")
        return Group(row.text("name"),
                     self._known(row.texts("members"), row, "members", custodians),
                     row.texts("supervisors", required=False))

    def _matter(self, row: _Row, custodians: Mapping[str, int]) -> Matter:
        row.known("id", "name", "custodians", "from", "until", "conversations")
        since, until = row.period()
        return Matter(row.text("id"), row.text("name"),
                      self._known(row.texts("custodians"), row, "custodians", custodians),
                      since, until, row.texts("conversations", required=False))

    def _notice(self, row: _Row, custodians: Mapping[str, int]) -> Notice:
        row.known("custodian", "channel", "account", "at", "how", "text", "document")
        (custodian,) = self._known((row.text("custodian", required=False),), row, "custodian",
                                   custodians)
        if custodian and (row.has("channel") or row.has("account")):
            row.problem("custodian", "name a custodian, or a channel and an account; not both")
        outside = not row.has("custodian")
        at = row.moment("at")
        if not row.has("at"):
            row.problem("at", "is missing: the day, 2026-01-31")
        text, document = row.words("text", NOTICE_CHARS_MAX), row.text("document", required=False)
        if not row.has("text") and not row.has("document"):
            row.problem("text", "is missing: the words of the notice, or `document`, where they "
                                "stand")
        return Notice(at or 0, row.text("how"), custodian, row.channel(outside),
                      row.number("account", outside), text, document)

    def _exclusion(self, row: _Row, owned: set[tuple[str, str]]) -> Exclusion:
        row.known("channel", "account", "conversation", "counterparty", "from", "until", "reason")
        channel, account = row.channel(), row.number("account")
        if channel and account and (channel, account) not in owned:
            row.problem("account", f"no [[account]] of the channel {channel!r} is {account}: only "
                                   "what would be captured can be excluded")
        if row.has("conversation") == row.has("counterparty"):
            row.problem("conversation", "name a conversation or a counterparty: one of the two")
        since, until = row.period()
        return Exclusion(channel, account, row.text("reason"),
                         row.text("conversation", required=False),
                         row.number("counterparty", required=False), since, until)

    def _rule(self, row: _Row, classes: Mapping[str, int]) -> ConversationRule:
        row.known("conversation", "compartment", "class")
        return ConversationRule(row.text("conversation"), row.text("compartment"),
                                self._class(row, classes) or None)

    def _once_at_a_time(self, table: str, key: str, rows: list[Any],
                        name: Callable[[Any], tuple[str, ...]]) -> None:
        """A problem for each row whose time overlaps that of another of one `name`."""
        by_name: dict[tuple[str, ...], list[tuple[float, float, int]]] = {}
        for index, one in enumerate(rows):
            since = float("-inf") if one.since is None else one.since
            until = float("inf") if one.until is None else one.until
            by_name.setdefault(name(one), []).append((since, until, index))
        held = "has an owner" if table == "account" else "is excluded"
        for spans in by_name.values():
            spans.sort()
            for (_, until, first), (since, _, second) in pairwise(spans):
                if since < until:
                    self._row(table, max(first, second)).problem(
                        key, f"{held} at that time already ({table} {min(first, second) + 1})")
