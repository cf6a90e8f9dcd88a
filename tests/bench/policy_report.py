"""The bench `policy` in the report: its rows among the targets, and its section."""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from tests.bench.policy import ENGINE, READ, REPLAY, RESUMED
from tests.bench.report_parts import table, where

_PER_S: Final = 20_000


def targets(found: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(what, target, measured, whether it is met), as issue and DESIGN §9 say it."""
    rules = max(one["rules"] for one in found["runs"])
    rows: list[tuple[str, str, str, bool]] = []
    for what, said in ((ENGINE, "the engine alone"), (REPLAY, "archive and engine")):
        for number in (1, rules):
            rate = _rate(found, what, number)
            rows.append((f"policy replay, {said}, {number} rule{'s' * (number > 1)}",
                         f"≥ {_PER_S:,} messages/s of one core", f"{rate:,.0f}/s", rate >= _PER_S))
    return rows


def section(found: dict[str, Any]) -> str:
    """The section `policy`."""
    limit = _rate(found, READ, 0)
    rows = [("what", "policies", "rules", "events per CPU second: median", "÷ reading alone",
             "flags", "peak MB", "")]
    done: set[tuple[str, int]] = set()
    for one in found["runs"]:
        name = one["what"], one["rules"]
        if name in done:
            continue
        done.add(name)
        rate = _rate(found, *name)
        wrong = next((other["wrong"] for other in _same(found, *name) if other["wrong"]), "")
        rows.append((_NAMES[one["what"]], str(one["policies"]), str(one["rules"]), f"{rate:,.0f}",
                     f"{rate / limit:.2f}" if limit else "", f"{one['flags']:,}",
                     f"{one['peak_mb']:.0f}", f"**0: {wrong}**" if wrong else "checked"))
    return "\n\n".join((
        "## `policy`: a replay over an archive", where(found),
        f"{found['plan']['events']:,} events of {found['people']} people's conversations (texts: "
        f"{found['texts']}) in an embedded archive of 4 partitions; one process. *Reading alone* "
        "is the limit: segments verified, decrypted and decoded in one order, and nothing asked. "
        "*Engine*: events at hand, remembered by conversation, each looked at by every rule. "
        "*Replay*: `counterfoil policy replay` but for the flags' way to the log, from an empty "
        "memory of words, places of what it remembers kept every ten seconds. The starter pack "
        "has rules in several languages, most of them on disguised words too.", table(rows),
        "Each word is looked up once, so that a short archive says less than a long one; a rule "
        "that asks for one rare word costs next to nothing, a hundred that share common words do "
        "not."))


_NAMES: Final = {READ: "reading alone", ENGINE: "engine alone", REPLAY: "replay",
                 RESUMED: "replay, interrupted half-way"}


def _same(found: dict[str, Any], what: str, rules: int) -> list[dict[str, Any]]:
    return [one for one in found["runs"] if (one["what"], one["rules"]) == (what, rules)]


def _rate(found: dict[str, Any], what: str, rules: int) -> float:
    return float(median(one["per_s"] for one in _same(found, what, rules)))
