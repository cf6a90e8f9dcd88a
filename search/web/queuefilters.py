"""The filters of the queue as an address says them, and the counts of a queue as links. Pure.

Owns the names in the address. A link to a queue asks the same question again, of whoever opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from schemas.errors import Refused
from search.review import item, rules
from search.review.questions import ME, NOBODY, Filters
from search.review.timing import BUCKETS

PATH: Final = "/queue"
AFTER: Final = "after"
ALL: Final = "all"
ADDRESS_CHARS_MAX: Final = 1_000
_VALUE_CHARS_MAX: Final = 200
_TEXTS: Final = ("severity", "rule", "assigned", "age", "why", "outcome", "tag")
_YES: Final = ("overdue", "conflict", "sample", "mandatory", "mine")
# In this order in every address, so that the same question has the same one.
_NAMES: Final = ("status", "level", *_TEXTS, *_YES)

STATUSES: Final[Mapping[str, str]] = {
    "": "Waiting", item.OPEN: "Open", item.ESCALATED: "Escalated",
    item.SECOND: "Second person", item.CLOSED: "Closed", ALL: "All"}
SEVERITIES: Final[Mapping[str, str]] = {"high": "high", "medium": "medium", "low": "low"}
WHY: Final[Mapping[str, str]] = {
    item.FLAGGED: "a rule flagged it", item.SAMPLED: "drawn as a sample",
    item.BY_HAND: "opened by hand", item.NEW_FLAG: "flagged again since it was decided",
    item.CHANGED: "the message changed since it was decided", item.REOPENED: "reopened",
    item.QUALITY: "a check of a cleared item", item.WENT_UP: "escalated",
    item.OBJECTED: "the second person objected",
    item.UNCONFIRMED: "waits for a second person"}
OUTCOMES: Final[Mapping[str, str]] = {
    "clear": "clear", "false_positive": "false positive", "breach": "breach"}
MARKS: Final[Mapping[str, str]] = {
    "overdue": "overdue", "conflict": "decided twice, differently", "sample": "samples",
    "mandatory": "mandatory"}
_ASSIGNED: Final[Mapping[str, str]] = {ME: "me", NOBODY: "nobody"}


@dataclass(frozen=True, slots=True)
class Line:
    """A value that the queue can be narrowed to. `count`: null = not counted."""

    label: str
    count: int | None
    url: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Values of one filter."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What an address asks for. `said`: the filters as it says them; `after`: a page's cursor."""

    said: tuple[tuple[str, str], ...]
    after: str
    filters: Filters

    @property
    def query(self) -> str:
        """What stands behind "?", the page's place with it."""
        return urlencode([*self.said, *([(AFTER, self.after)] if self.after else [])])

    def value(self, name: str) -> str:
        """Of one filter; "" = any."""
        return dict(self.said).get(name, "")

    def url(self, name: str = "", value: str = "", after: str = "") -> str:
        """The first page (or the one `after`) of the same question with `name` changed."""
        held = dict(self.said)
        if name:
            held[name] = value
        pairs = [(one, held[one]) for one in _NAMES if held.get(one)]
        said = urlencode([*pairs, *([(AFTER, after)] if after else [])])
        return f"{PATH}?{said}" if said else PATH


def read(query: Mapping[str, str]) -> Chosen:
    """What an address says. Raises Refused for what is no filter's value; names that are no
    filters' are left alone."""
    held = {name: query[name].strip() for name in _NAMES if query.get(name, "").strip()}
    if any(len(one) > _VALUE_CHARS_MAX for one in held.values()):
        raise Refused("a filter is too long")
    level = held.get("level", "")
    if level and level not in ("1", "2", "3"):
        raise Refused("level is 1 to 3")
    for name in _YES:
        if held.get(name, "1") != "1":
            raise Refused(f"{name} is 1 or nothing")
    status = held.get("status", "")
    statuses = {"": Filters().status, ALL: ()}.get(status, tuple(status.split(",")))
    after = query.get(AFTER, "")
    if len(after) > _VALUE_CHARS_MAX:
        raise Refused("the place is too long")
    return Chosen(
        tuple((name, held[name]) for name in _NAMES if name in held), after,
        Filters(status=statuses, level=int(level or 0),
                **{name: held[name] for name in _TEXTS if name in held},  # type: ignore[arg-type]
                **{name: name in held for name in _YES}))  # type: ignore[arg-type]


def read_text(address: str) -> Chosen:
    """The same of what stands behind "?"; everything that waits where that is no queue's."""
    try:
        if len(address) > ADDRESS_CHARS_MAX:
            raise Refused("the address is too long")
        return read(dict(parse_qsl(address, max_num_fields=30)))
    except (Refused, ValueError):
        return read({})


def tabs(chosen: Chosen, counts: Mapping[str, int]) -> tuple[Line, ...]:
    """The states of items, one of which is looked at."""
    counted: dict[str, int | None] = dict.fromkeys(STATUSES)
    wanted = chosen.filters.status or item.STATUSES
    for one in wanted:
        counted[one] = counts.get(f"status:{one}", 0)
    if counts and set(item.WAITING) <= set(wanted):
        counted[""] = sum(counted[one] or 0 for one in item.WAITING)
    if counts and not chosen.filters.status:
        counted[ALL] = counts.get("item", 0)
    return tuple(Line(label, counted[one] if counts else None, chosen.url("status", one),
                      chosen.value("status") == one) for one, label in STATUSES.items())


def groups(chosen: Chosen, counts: Mapping[str, int]) -> tuple[Group, ...]:
    """What the queue can be narrowed to, with how many items each leaves; a filter that is on
    leads back out."""
    found = [
        _group(chosen, counts, "Severity", "severity", SEVERITIES),
        _marks(chosen, counts),
        _group(chosen, counts, "Waiting for", "age", {name: name for name, _ in BUCKETS}),
        _group(chosen, counts, "Assigned to", "assigned", _ASSIGNED),
        _group(chosen, counts, "Level", "level", {
            str(level): f"{level} {name}" for level, name in rules.LEVEL_NAMES.items()}),
        _group(chosen, counts, "Rule", "rule", _rules(counts)),
        _group(chosen, counts, "Why it waits", "why", WHY),
        _group(chosen, counts, "Decided as", "outcome", OUTCOMES)]
    return tuple(one for one in found if one.lines)


def chips(chosen: Chosen) -> tuple[Line, ...]:
    """The filters that are on, each with the address without it; of the states there are tabs."""
    return tuple(Line(_said(name, value), None, chosen.url(name), is_on=True)
                 for name, value in chosen.said if name != "status")


def _group(chosen: Chosen, counts: Mapping[str, int], title: str, name: str,
           labels: Mapping[str, str]) -> Group:
    on = chosen.value(name)
    lines = tuple(
        Line(label, counts.get(f"{name}:{value}", 0),
             chosen.url(name, "" if value == on else value), value == on)
        for value, label in labels.items() if counts.get(f"{name}:{value}") or value == on)
    return Group(title, lines)


def _marks(chosen: Chosen, counts: Mapping[str, int]) -> Group:
    lines = [Line(label, counts.get(name, 0), chosen.url(name, "" if chosen.value(name) else "1"),
                  bool(chosen.value(name)))
             for name, label in MARKS.items() if counts.get(name) or chosen.value(name)]
    lines.append(Line("only what I may decide", None,
                      chosen.url("mine", "" if chosen.value("mine") else "1"),
                      bool(chosen.value("mine"))))
    return Group("Only", tuple(lines))


def _rules(counts: Mapping[str, int]) -> Mapping[str, str]:
    named = [(count, one.removeprefix("rule:")) for one, count in counts.items()
             if one.startswith("rule:")]
    return {name: name for _, name in sorted(named, key=lambda one: (-one[0], one[1]))}


def _said(name: str, value: str) -> str:
    if name in MARKS:
        return MARKS[name]
    words = {"mine": "only what I may decide", "level": f"level {value}",
             "severity": f"severity {value}", "age": f"waiting {value}", "rule": f"rule {value}",
             "tag": f"tag {value}", "outcome": OUTCOMES.get(value, value),
             "why": WHY.get(value, value), "assigned": f"assigned to {value}"}
    return words[name]
