"""People, groups, matters and access in bulk: CSV rows -> what would change in a TOML file. Pure.

Owns what each column means. Rows add and change; nothing that a file does not name is touched,
unless the caller says that the file is complete: then the rest is ended, never forgotten. An empty
cell says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final

from infra.csvfile import CsvFile, CsvRow
from infra.directory import account_of
from infra.tomledit import Add, Change, Drop, Edit, Value
from schemas.errors import Refused

ADDED: Final = "added"
CHANGED: Final = "changed"
ENDED: Final = "ended"
# Between several names in one cell.
SEVERAL: Final = "|"


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the preview. `how`: added | changed | ended; `what`: "person asmith"."""

    how: str
    what: str
    words: str = ""


@dataclass(slots=True)
class Plan:
    """What would be written, and how it is told. `left`: what is in the TOML file and not in the
    CSV, and stays as it is."""

    edits: list[Edit] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left: int = 0


Tables = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of CSV. `file`: which TOML file it goes to; `columns`: and whether they must be
    there; `plan`: rows, tables of the TOML file, complete?, today (UTC) -> what would change."""

    file: str
    columns: Mapping[str, bool]
    plan: Callable[[CsvFile, Tables, bool, date], Plan]


def people(csv: CsvFile, tables: Tables, complete: bool, today: date) -> Plan:
    """Custodians, and their accounts with the time in which they were theirs."""
    plan = Plan()
    custodians = {str(one.get("id")): (at, one)
                  for at, one in enumerate(tables.get("custodian", []))}
    seen: dict[str, dict[str, Value]] = {}
    for row in csv.rows:
        wanted = _values(row, ("name", "class"))
        custodian_id = _required(row, "id", plan)
        first = seen.setdefault(custodian_id, wanted)
        if any(first.get(key, value) != value for key, value in wanted.items()):
            plan.problems.append(f"line {row.line}: {custodian_id} has another name or class here "
                                 "than above")
        first.update(wanted)
    for custodian_id, wanted in seen.items():
        known = custodians.get(custodian_id)
        if known is None:
            if "name" not in wanted:
                plan.problems.append(f"{custodian_id} is new and has no name")
            _add(plan, "custodian", f"custodian {custodian_id}", {"id": custodian_id, **wanted})
        else:
            _change(plan, "custodian", known, f"custodian {custodian_id}", wanted)
    _accounts(csv, tables, plan, complete, today)
    plan.left += sum(one not in seen for one in custodians)
    return plan


def groups(csv: CsvFile, tables: Tables, complete: bool, today: date) -> Plan:
    """Groups with members and supervisors; several rows of one name are one group."""
    del today
    plan = Plan()
    wanted = _joined(csv, plan, "name", ("members", "supervisors"))
    known = {str(one.get("name")): (at, one) for at, one in enumerate(tables.get("group", []))}
    for name, (_, lists) in wanted.items():
        _lists(plan, "group", "name", name, known.get(name), lists, complete)
    for name, (at, _) in known.items():
        if name in wanted:
            continue
        if complete:
            plan.edits.append(Drop("group", at))
            plan.said.append(Said(ENDED, f"group {name}", "is not in the file"))
        else:
            plan.left += 1
    return plan


def matters(csv: CsvFile, tables: Tables, complete: bool, today: date) -> Plan:
    """Matters with custodians, time and conversations; several rows of one id are one matter."""
    plan = Plan()
    wanted = _joined(csv, plan, "id", ("custodians", "conversations"))
    known = {str(one.get("id")): (at, one) for at, one in enumerate(tables.get("matter", []))}
    for matter_id, (rows, lists) in wanted.items():
        values = _together(rows, ("name", "from", "until"), plan)
        _lists(plan, "matter", "id", matter_id, known.get(matter_id), lists, complete, values)
    for name, (at, one) in known.items():
        if name not in wanted:
            _end(plan, "matter", f"matter {name}", (at, one), complete, today)
    return plan


def access(csv: CsvFile, tables: Tables, complete: bool, today: date) -> Plan:
    """Who signs in: one row a person; a cell of several names says all of them."""
    del today
    plan = Plan()
    known = {str(one.get("id")): (at, one) for at, one in enumerate(tables.get("person", []))}
    seen: set[str] = set()
    for row in csv.rows:
        person_id = _required(row, "id", plan)
        if person_id in seen:
            plan.problems.append(f"line {row.line}: {person_id} comes twice; write one row, and "
                                 f"several names with {SEVERAL} between them")
            continue
        seen.add(person_id)
        wanted = _values(row, ("name", "roles", "groups", "matters", "custodian", "reports_to",
                               "email", "active"), plan)
        there = known.get(person_id)
        if there is None:
            _add(plan, "person", f"person {person_id}", {"id": person_id, **wanted})
        else:
            _change(plan, "person", there, f"person {person_id}", wanted)
    for name, (at, one) in known.items():
        if name in seen or one.get("active") is False:
            continue
        if complete:
            plan.edits.append(Change("person", at, {"active": False}))
            plan.said.append(Said(ENDED, f"person {name}", "is not in the file: no access"))
        else:
            plan.left += 1
    return plan


_PERIOD: Final = {"from": False, "until": False}
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({
    "people": Kind("directory.toml", {
        "id": True, "name": True, "class": False, "channel": False, "account": False, **_PERIOD,
        "max_silence_h": False}, people),
    "groups": Kind("directory.toml", {"name": True, "members": True, "supervisors": False},
                   groups),
    "matters": Kind("directory.toml", {
        "id": True, "name": True, "custodians": True, **_PERIOD, "conversations": False}, matters),
    "access": Kind("access.toml", {
        "id": True, "name": True, "roles": True, "groups": False, "matters": False,
        "custodian": False, "reports_to": False, "email": False, "active": False}, access),
})
_LISTS: Final = frozenset({
    "members", "supervisors", "custodians", "conversations", "roles", "groups", "matters",
    "reports_to"})
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


# --- accounts ----------------------------------------------------------------------------------


def _accounts(csv: CsvFile, tables: Tables, plan: Plan, complete: bool, today: date) -> None:
    known = list(enumerate(tables.get("account", [])))
    taken: set[int] = set()
    for row in csv.rows:
        channel, number = row.cells.get("channel", ""), row.cells.get("account", "")
        if not channel and not number:
            continue
        if not channel or not number:
            plan.problems.append(f"line {row.line}: channel and account go together")
            continue
        account = _number(row, number, plan)
        wanted = _values(row, ("from", "until", "max_silence_h"), plan)
        owner = row.cells.get("id", "")
        there = _same_account(known, taken, (channel, account, owner), wanted.get("from"))
        what = f"account {channel} {account} of {owner}"
        if there is None:
            _add(plan, "account", what, {"channel": channel, "account": account,
                                         "custodian": owner, **wanted})
        else:
            taken.add(there[0])
            _change(plan, "account", there, what, wanted)
    for at, one in known:
        if at not in taken:
            what = f"account {one.get('channel')} {one.get('account')} of {one.get('custodian')}"
            _end(plan, "account", what, (at, one), complete, today)


def _same_account(known: Sequence[tuple[int, dict[str, Any]]], taken: set[int],
                  wanted: tuple[str, str, str],
                  since: Value | None) -> tuple[int, dict[str, Any]] | None:
    """The row that a line of the CSV is about: the same owner's, and of several the one that
    begins when it says."""
    found = [(at, one) for at, one in known if at not in taken and (
        one.get("channel"), _plain(one.get("account")), one.get("custodian")) == wanted]
    if since is not None:
        exact = [one for one in found if _same(one[1].get("from"), since)]
        # One without a beginning may be given one; one that begins otherwise is another time.
        found = exact or [one for one in found if "from" not in one[1]]
    return found[0] if found else None


def _number(row: CsvRow, number: str, plan: Plan) -> str:
    try:
        return account_of(number)
    except Refused as error:
        plan.problems.append(f"line {row.line}, account: {error}")
        return number


def _plain(value: object) -> str:
    try:
        return account_of(str(value))
    except Refused:
        return str(value)


# --- rows ----------------------------------------------------------------------------------------


def _joined(csv: CsvFile, plan: Plan, key: str,
            lists: Sequence[str]) -> dict[str, tuple[list[CsvRow], dict[str, list[str]]]]:
    """Rows of one name together, with all that their lists name, in order."""
    out: dict[str, tuple[list[CsvRow], dict[str, list[str]]]] = {}
    for row in csv.rows:
        rows, names = out.setdefault(_required(row, key, plan), ([], {one: [] for one in lists}))
        rows.append(row)
        for one in lists:
            names[one] += [name for name in _names(row.cells.get(one, ""))
                           if name not in names[one]]
    return out


def _lists(plan: Plan, table: str, key: str, name: str,
           known: tuple[int, dict[str, Any]] | None, lists: Mapping[str, list[str]],
           complete: bool, values: Mapping[str, Value] | None = None) -> None:
    """A table whose lists are added to, or, where the CSV is complete, are as it says."""
    what = f"{table} {name}"
    if known is None:
        _add(plan, table, what, {key: name, **(values or {}),
                                 **{one: found for one, found in lists.items() if found}})
        return
    wanted: dict[str, Value] = dict(values or {})
    for one, found in lists.items():
        held = [str(member) for member in known[1].get(one, [])]
        gone = [member for member in held if member not in found] if complete and found else []
        plan.said += [Said(ENDED, f"{one} of {what}", member) for member in gone]
        whole = [*(member for member in held if member not in gone),
                 *(member for member in found if member not in held)]
        if whole != held:
            wanted[one] = whole
    _change(plan, table, known, what, wanted)


def _add(plan: Plan, table: str, what: str, values: Mapping[str, Value]) -> None:
    plan.edits.append(Add(table, values))
    plan.said.append(Said(ADDED, what, ", ".join(
        f"{key} {_text(value)}" for key, value in values.items()
        if key not in _NAMING.get(table, ("id",)))))


# What the preview says already by naming the thing.
_NAMING: Final[Mapping[str, tuple[str, ...]]] = {
    "group": ("name",), "account": ("channel", "account", "custodian")}


def _change(plan: Plan, table: str, known: tuple[int, dict[str, Any]], what: str,
            wanted: Mapping[str, Value]) -> None:
    at, held = known
    values = {key: value for key, value in wanted.items()
              if not _same(held.get(key, _DEFAULTS.get(key)), value)}
    if not values:
        return
    plan.edits.append(Change(table, at, values))
    plan.said += [Said(CHANGED, what, f"{key} was {_text(held.get(key)) or 'nothing'}, is "
                                      f"{_text(value) or 'nothing'}")
                  for key, value in values.items()]


_DEFAULTS: Final[Mapping[str, Value]] = {"class": "default", "active": True}


def _end(plan: Plan, table: str, what: str, known: tuple[int, dict[str, Any]], complete: bool,
         today: date) -> None:
    """What has a time and is not in a complete file ends today."""
    at, held = known
    until, since = _moment(held.get("until")), _moment(held.get("from"))
    now = _moment(today)
    if (until is not None and now is not None and until <= now) or (
            since is not None and now is not None and since >= now):
        return  # it is over, or has not begun
    if not complete:
        plan.left += 1
        return
    plan.edits.append(Change(table, at, {"until": today}))
    plan.said.append(Said(ENDED, what, f"until {today.isoformat()}"))


def _together(rows: Iterable[CsvRow], keys: Sequence[str], plan: Plan) -> dict[str, Value]:
    """What several rows of one thing say of it; they may not contradict each other."""
    out: dict[str, Value] = {}
    for row in rows:
        for key, value in _values(row, keys, plan).items():
            if out.setdefault(key, value) != value:
                plan.problems.append(f"line {row.line}, {key}: another one than above")
    return out


def _values(row: CsvRow, keys: Sequence[str], plan: Plan | None = None) -> dict[str, Value]:
    out: dict[str, Value] = {}
    for key in keys:
        cell = row.cells.get(key, "")
        if not cell:
            continue
        try:
            out[key] = _value(key, cell)
        except ValueError as error:
            if plan is not None:
                plan.problems.append(f"line {row.line}, {key}: {error}")
    return out


def _value(key: str, cell: str) -> Value:
    if key in _LISTS:
        return _names(cell)
    if key in ("from", "until"):
        return _date(cell)
    if key == "max_silence_h":
        try:
            hours = float(cell.replace(",", "."))
        except ValueError:
            raise ValueError("write hours, as 72") from None
        return int(hours) if hours.is_integer() else hours
    if key == "active":
        if cell.lower() not in _TRUTH:
            raise ValueError("write yes or no")
        return _TRUTH[cell.lower()]
    return cell


def _date(cell: str) -> Value:
    """A day, or a time with its offset."""
    try:
        if len(cell) <= len("2026-01-31"):
            return date.fromisoformat(cell)
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError("write a day as 2026-01-31, or a time as "
                         "2026-01-31T17:00:00+01:00") from None
    if moment.tzinfo is None:
        raise ValueError("a time must state its offset: 2026-01-31T17:00:00+01:00")
    return moment


def _names(cell: str) -> list[str]:
    found = [one.strip() for one in cell.replace("\r", "").replace("\n", SEVERAL).split(SEVERAL)]
    return list(dict.fromkeys(one for one in found if one))


def _required(row: CsvRow, key: str, plan: Plan) -> str:
    value = row.cells.get(key, "")
    if not value:
        plan.problems.append(f"line {row.line}, {key}: is empty")
    return value


def _same(held: object, wanted: Value) -> bool:
    if isinstance(wanted, date) and isinstance(held, date):
        return _moment(held) == _moment(wanted)
    return held == wanted


def _moment(value: object) -> float | None:
    """UTC seconds of a day (midnight UTC) or a time."""
    if isinstance(value, datetime):
        return value.timestamp() if value.tzinfo else None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
