"""A policy's file -> `lexicon.Lexicon`, or every problem in it by line, rule and field. Pure.

    id = "outcome"                  # what it is called; version 2 has the same
    version = 1                     # a change is a new version
    title = "Promises of an outcome"
    author = "Ann Lee"
    approver = "Bob Roe"            # somebody else
    effective = 2026-02-01          # its first day, in the firm's zone
    severity = "high"               # low | medium | high
    mandatory = true                # optional: reviewed whether the sample draws it or not
    disclaimers = ["Past performance is no guarantee"]   # optional: phrases of the firm's own
    exempt = ["newsletter"]         # optional: senders, or "group:NAME", never flagged

    [lists]                         # optional: @win in a query of this file
    win = ["win", "profit", '"no risk"']

    [[rule]]
    id = "guarantee"
    why = "Nobody may promise what a case or an investment will bring."
    query = 'guarantee* w/5 @win'
    # or points:  threshold = 3
    #             terms = [{ find = "guarantee*", weight = 2 }, { find = '"no risk"' }]
    direction = "out"               # in | out | any, the default
    from = ["group:sales"]          # as `to` and `with`: one of them is enough
    channels = ["whatsapp"]
    times = ["mon-fri 19:00-07:00", "sat,sun"]
    languages = ["en", "de"]
    zones_out = ["disclaimer"]      # the default is all: signature, quoted, forwarded, system
    exempt = ["asmith"]
    window = { messages = 5, minutes = 10, same_sender = true }
    obfuscation = true              # g u a r a n t e e, gu4r4ntee, guaraaantee, Cyrillic letters
    revision = { retracted_within_s = 60 }
    # or { removed = true } or { number_changed = true, ok = "ok OR agreed" }
    # or { retractions_above_habit = true, period_h = 24, history_d = 30, least = 5,
    #      tail = "0.001" }, without a query
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, tzinfo
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Final

from schemas import events
from schemas.errors import QueryError
from schemas.identity import canonical
from search import tree
from search.evaluate import has_words
from search.lists import Line, SavedList
from search.parse import parse
from search.policy import lexicon
from search.policy.languages import LANGUAGES
from search.policy.lexicon import Conditions, Hours, Lexicon, Rule, Term, Window
from search.policy.oks import OK_QUERY
from search.policy.tables import Table, read_tables
from search.policy.watch import WATCHED_KINDS
from search.tokens import Wanted, normalise, wanted
from search.tree import Everything, Tree, leaves

# Of the file; larger is refused.
BYTES_MAX: Final = 1024 * 1024
RULES_MAX: Final = 500
# What the starter pack says until the firm has named somebody; it is in force in this year.
UNNAMED: Final = "to be named by the firm"
NEVER: Final = 9999
TERMS_MAX: Final = 2_000
LISTS_MAX: Final = 200
NAMES_MAX: Final = 2_000
VERSION_MAX: Final = 1_000_000
WEIGHT_MAX: Final = 1_000
# Messages that are read as one text, and how far they may lie apart.
WINDOW_MESSAGES_MAX: Final = 50
WINDOW_MINUTES_MAX: Final = 7 * 24 * 60
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CHANNEL: Final = re.compile(r"[a-z0-9_-]+")
_TIMES: Final = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*))?\s*"
    r"(?:(?P<since>[0-2][0-9]:[0-5][0-9])-(?P<until>[0-2][0-9]:[0-5][0-9]))?", re.ASCII)
# What a policy may not ask for: flags and reviews would be grounds for flags.
_OWN_KINDS: Final = events.ALL_KINDS - events.CAPTURE_KINDS

_NOTHING: Final = Everything(0, 0)


def load(source: bytes, name: str = "policy.toml", *, zone: tzinfo = UTC) -> Lexicon:
    """The policy that `source` states; days of `date:` begin in `zone`.

    Raises Refused with a line for every problem; `name` is the file's in the message.
    """
    top = read_tables(source, name, BYTES_MAX)
    top.known("id", "version", "title", "author", "approver", "effective", "severity",
              "mandatory", "disclaimers", "exempt", "lists", "rule")
    author, approver = top.text("author"), top.text("approver")
    effective = top.day("effective")
    if author and _person(author) == _person(approver):
        top.problem("approver", "must be another person than the author")
    if approver == UNNAMED and effective.year < NEVER:
        top.problem("approver", "name who approved it, before the day from which it is in force")
    lists = _lists(top)
    reader = _Reader(zone, _OwnLists(lists))
    rules = [reader.rule(row) for row in top.rows("rule", RULES_MAX, required=True)]
    seen: set[str] = set()
    for rule in rules:
        if rule.rule_id and rule.rule_id in seen:
            top.problem("rule", f"the id {rule.rule_id!r} comes twice")
        seen.add(rule.rule_id)
    if not rules:
        top.problem("rule", "a policy has at least one [[rule]]")
    found = Lexicon(
        policy_id=top.name("id"), version=top.integer("version", 1, VERSION_MAX),
        title=top.text("title"), author=author, approver=approver, effective=effective,
        severity=top.choice("severity", lexicon.SEVERITIES), rules=tuple(rules),
        mandatory=top.yes("mandatory"), disclaimers=top.texts("disclaimers", LISTS_MAX),
        exempt=_parties(top, "exempt"), lists=lists)
    top.refuse(name)
    return found


def _person(name: str) -> str:
    return " ".join(normalise(name).split())


def _lists(top: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    table = top.table("lists")
    if table is None:
        return ()
    for name in table.named():
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
            table.problem(name, "a list is called by a-z, 0-9, - and _")
    return tuple(sorted((name, table.texts(name, TERMS_MAX)) for name in table.named()))


class _OwnLists:
    """The lists of the file itself. Those of the installation may change without a new version of
    the policy, and a flag names the version: they mean nothing here."""

    def __init__(self, lists: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        self._lists = {name: SavedList(
            name, tuple(Line(number, text) for number, text in enumerate(lines, 1)),
            sha256(canonical(*lines)).hexdigest()) for name, lines in lists if lines}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._lists))

    def get(self, name: str) -> SavedList | None:
        return self._lists.get(name)


class _Reader:
    """Reads rules; holds what all of them are read with."""

    def __init__(self, zone: tzinfo, lists: _OwnLists) -> None:
        self._zone = zone
        self._lists = lists

    def rule(self, row: Table) -> Rule:
        """One rule, whatever is wrong with it on record."""
        row.known("id", "why", "query", "terms", "threshold", "direction", "from", "to", "with",
                  "channels", "times", "languages", "zones_out", "exempt", "window",
                  "obfuscation", "revision")
        query = row.words("query", required=False)
        zones = row.choices("zones_out", lexicon.ZONES)
        rule = Rule(
            rule_id=row.name("id"), why=row.words("why"), query=query,
            tree=self._tree(row, "query", query) if query else None,
            terms=tuple(map(self._term, row.rows("terms", TERMS_MAX))),
            threshold=row.integer("threshold", 1, WEIGHT_MAX * TERMS_MAX, 0),
            conditions=_conditions(row), zones_out=lexicon.ZONES if zones is None else zones,
            exempt=_parties(row, "exempt"), window=_window(row.table("window")),
            obfuscation=row.yes("obfuscation"))
        return self._checked(row, replace(rule, revision=self._revision(row.table("revision"))))

    def _checked(self, row: Table, rule: Rule) -> Rule:
        """What fields must be together."""
        if row.has("query") and row.has("terms", "threshold"):
            row.problem("query", "is either a query, or terms with a threshold")
        if row.has("terms") != row.has("threshold"):
            row.problem("threshold", "belongs to terms: how many points make a hit")
        if rule.terms and sum(max(0, one.weight) for one in rule.terms) < rule.threshold:
            row.problem("threshold", "is more than all terms together can reach")
        is_without = not row.has("query", "terms")
        if isinstance(rule.revision, lexicon.AboveHabit):
            if not is_without or row.has("window", "obfuscation"):
                row.problem("revision", "retractions_above_habit counts retractions: it has no "
                                        "query, terms, window or obfuscation")
        elif is_without and not isinstance(rule.revision, lexicon.NumberChanged):
            row.problem("query", "is missing: a query, or terms with a threshold")
        needs_words = isinstance(rule.revision, lexicon.Removed) or rule.window or rule.obfuscation
        trees = [one for one in rule.trees() if one is not _NOTHING]
        if needs_words and trees and not any(map(has_words, trees)):
            row.problem("query", "names no word that could be read in a window, in disguise, or "
                                 "be removed")
        if rule.window is not None and isinstance(
                rule.revision, lexicon.Removed | lexicon.NumberChanged):
            row.problem("window", "has no meaning for what an edit changed")
        return rule

    def _term(self, row: Table) -> Term:
        row.known("find", "weight")
        find = row.words("find")
        weight = row.integer("weight", -WEIGHT_MAX, WEIGHT_MAX, 1)
        if weight == 0:
            row.problem("weight", "0 points say nothing")
        return Term(find, weight, self._tree(row, "find", find) if find else _NOTHING)

    def _tree(self, row: Table, key: str, query: str) -> Tree:
        try:
            found = parse(query, zone=self._zone, lists=self._lists)
        except QueryError as error:
            row.problem(key, f"{error.message} (at character {error.position + 1})")
            return _NOTHING
        for leaf in leaves(found):
            if _is_own(leaf):
                row.problem(key, f"what stands at character {leaf.start + 1} says what we did, not "
                                 "what somebody wrote: it is no ground for a flag")
            elif isinstance(leaf, tree.Value) and leaf.name == "kind" and (
                    leaf.value not in WATCHED_KINDS):
                row.problem(key, f"a policy never looks at kind:{leaf.value} (at character "
                                 f"{leaf.start + 1}); it looks at "
                                 f"{', '.join(sorted(WATCHED_KINDS))}")
        return found

    def _revision(self, table: Table | None) -> lexicon.Revision | None:
        if table is None:
            return None
        named = [name for name in _REVISIONS if table.has(name)]
        if len(named) != 1:
            table.problem(next(iter(named), next(iter(table.named()), "")),
                          f"name one of {', '.join(_REVISIONS)}")
            return None
        return _REVISIONS[named[0]](self, table)

    def retracted_soon(self, table: Table) -> lexicon.Revision:
        table.known("retracted_within_s")
        return lexicon.RetractedSoon(table.integer("retracted_within_s", 1, 31 * 86_400))

    def removed(self, table: Table) -> lexicon.Revision:
        table.known("removed")
        _only_true(table, "removed")
        return lexicon.Removed()

    def number_changed(self, table: Table) -> lexicon.Revision:
        table.known("number_changed", "ok")
        _only_true(table, "number_changed")
        query = table.words("ok", required=False) or OK_QUERY
        asked = self._tree(table, "ok", query)
        if asked is not _NOTHING and not all(isinstance(one, tree.Text) for one in leaves(asked)):
            table.problem("ok", "asks for words only")
        return lexicon.NumberChanged(query, asked)

    def above_habit(self, table: Table) -> lexicon.Revision:
        table.known("retractions_above_habit", "period_h", "history_d", "least", "tail")
        _only_true(table, "retractions_above_habit")
        return lexicon.AboveHabit(
            table.integer("period_h", 1, 31 * 24, 24), table.integer("history_d", 1, 366, 30),
            table.integer("least", 2, 1_000_000, 5), _tail(table))


_REVISIONS: Final[dict[str, Callable[[_Reader, Table], lexicon.Revision]]] = {
    "retracted_within_s": _Reader.retracted_soon, "removed": _Reader.removed,
    "number_changed": _Reader.number_changed, "retractions_above_habit": _Reader.above_habit,
}


def _is_own(leaf: Tree) -> bool:
    return (isinstance(leaf, tree.Marked) and leaf.name == "flag") or (
        isinstance(leaf, tree.Value) and leaf.name == "kind" and leaf.value in _OWN_KINDS)


def _only_true(table: Table, key: str) -> None:
    if not table.yes(key):
        table.problem(key, "is true, or is left out")


def _tail(table: Table) -> Decimal:
    text = table.text("tail", required=False) or "0.001"
    try:
        tail = Decimal(text)
    except InvalidOperation:
        tail = Decimal(0)
    if not (tail.is_finite() and Decimal("1e-12") <= tail <= Decimal("0.1")):
        table.problem("tail", 'must be a probability in quotes, "1e-12" to "0.1"')
    return tail


def _window(table: Table | None) -> Window | None:
    if table is None:
        return None
    table.known("messages", "minutes", "same_sender")
    if not table.has("messages", "minutes"):
        table.problem("messages", "is missing: state messages, minutes or both")
    return Window(
        table.integer("messages", 2, WINDOW_MESSAGES_MAX) if table.has("messages") else None,
        table.integer("minutes", 1, WINDOW_MINUTES_MAX) if table.has("minutes") else None,
        table.yes("same_sender"))


def _conditions(row: Table) -> Conditions:
    channels = row.texts("channels", 50)
    for one in channels:
        if not _CHANNEL.fullmatch(one):
            row.problem("channels", f"{one!r} is no channel such as whatsapp or sms")
    return Conditions(
        direction=row.choice("direction", lexicon.DIRECTIONS, lexicon.ANY),
        senders=_parties(row, "from"), recipients=_parties(row, "to"),
        parties=_parties(row, "with"), channels=channels,
        times=tuple(_hours(row, one) for one in row.texts("times", 50)),
        languages=row.choices("languages", LANGUAGES) or ())


def _parties(row: Table, key: str) -> tuple[str, ...]:
    """People as the query language names them, or "group:NAME"."""
    named = row.texts(key, NAMES_MAX)
    for one in named:
        if not one.removeprefix(lexicon.GROUP).strip() or wanted(one) == Wanted():
            row.problem(key, f"{one!r} names nobody: a custodian's id, words of a name, a number, "
                             "or group:NAME")
    return named


def _hours(row: Table, text: str) -> Hours:
    match = _TIMES.fullmatch(text.lower())
    if match is None or not (match["days"] or match["since"]):
        row.problem("times", f"{text!r} is no time such as \"mon-fri 19:00-07:00\", \"sat,sun\" "
                             "or \"20:00-06:00\"")
        return Hours(())
    days = _days(row, match["days"]) if match["days"] else tuple(range(7))
    if not match["since"]:
        return Hours(days)
    since, until = _minute(row, match["since"]), _minute(row, match["until"])
    if since == until:
        row.problem("times", f"{text!r} is no time: it ends when it begins")
    return Hours(days, since, until)


def _days(row: Table, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            row.problem("times", f"{part!r} is no day; known are {', '.join(DAYS)}")
            continue
        day, end = DAYS.index(first), DAYS.index(last or first)
        found.add(day)
        while day != end:  # "sat-mon" goes over the end of the week
            day = (day + 1) % 7
            found.add(day)
    return tuple(sorted(found))


def _minute(row: Table, text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if (hour, minute) > (24, 0):
        row.problem("times", f"{text} is no time of a day")
    return hour * 60 + minute
