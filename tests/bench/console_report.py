"""The bench `console` in the report: its rows among the targets, and its section.

No target has a number (issue 6, line 11): each page stands beside its bare question.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from tests.bench.report_parts import table, where

_PLACES: Final = 12


def targets(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(what, target, measured)."""
    plan, rows = found["plan"], []
    for run in found["runs"]:
        with_bare = [one for one in run["pages"] if one["bare"]]
        if not with_bare:
            continue
        said = "; ".join(f"{one['name']} {one['page']['p95']:,.0f} ms, {_ratio(one, 'p95'):.1f} ×"
                         for one in with_bare)
        rows.append((f"console, {plan['reviewers']} reviewers {run['what']}, "
                     f"{plan['messages']:,} messages: p95 of each page, and ÷ its bare question",
                     "none set", f"**0: {run['wrong']}**" if run["wrong"] else
                     f"{said}; {run['per_s']:,.0f} pages/s"))
    return rows


def section(found: dict[str, Any]) -> str:
    """The section `console`."""
    plan = found["plan"]
    parts = [
        "## `console`: reviewers at work", where(found),
        f"{found['events']:,} events ({plan['messages']:,} messages of the bench `search`) "
        "captured on the embedded log, sealed in an embedded archive and indexed in Elasticsearch "
        f"(blind) by the product's own parts. {plan['reviewers']} reviewers with sessions of their "
        "own, each from an address of its own; four of five see one desk of ten, one of ten has a "
        "wall before it. *At work*: a question, often its next page, a conversation, a message, "
        f"now and then the queue and the dashboard, {plan['think_s']:g} s between two pages on "
        f"average. *In a hurry*: the same with {plan['hurry_s']:g} s. *As fast as it answers*: "
        "without thinking. The console is the process of `counterfoil console`; each look is on "
        "the log (with an fsync) before it is answered. Console, Elasticsearch, log and clients "
        "share the cores named above.",
        "*Bare* is what the index has to be asked for a page, as its viewer may see it (of a "
        "search the page and its five facets; of a conversation 50 messages; of a message its "
        "document; of the queue its counts and 25 items), asked of Elasticsearch directly beside "
        "every fourth page, in the same seconds. ms: p50 / p95 / p99.", _pages(found),
        _runs(found),
        "Checked on each page: the total is what the reference evaluator counted while the "
        "messages were made, for this viewer; a conversation holds the message it was opened at; a "
        "retracted text is told in full to whoever may see it; no page holds a secret of another "
        "desk. After each run the looks on the log are counted.",
        f"Until the console's data folder was ready: {found['capture_s']:,.0f} s to capture and "
        f"count, {found['archive_s']:,.0f} s to archive, {found['index_s']:,.0f} s to index. The "
        f"console's most memory: {found['peak_mb']:,.0f} MB."]
    for run in found["runs"]:
        if run["profile"]:
            parts += [f"Where the time of the threads that make pages goes, {run['what']}:",
                      profile(run)]
    return "\n\n".join(parts)


def profile(run: dict[str, Any]) -> str:
    """Shares of the time of the threads that make pages, and what the CPU of the process does."""
    shares: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    whole = sum(count for _, _, count in run["profile"]["parts"]) or 1
    for part, how, count in run["profile"]["parts"]:
        shares[part][how] += count / whole
    rows: list[tuple[str, ...]] = [
        ("part", "of the time", "works", "waits for a server", "disk", "lock")]
    rows += [(part, f"{sum(one.values()):.1%}",
              *(f"{one[how]:.1%}" for how in ("works", "waits", "disk", "lock")))
             for part, one in sorted(shares.items(), key=lambda item: -sum(item[1].values()))]
    places = ", ".join(f"`{place}` {count / whole:.1%}"
                       for place, count in run["profile"]["places"][:_PLACES])
    threads = ", ".join(f"{name} {seconds / max(run['answered'], 1) * 1000:.1f} ms"
                        for name, seconds in sorted(run["profile"]["cpu_s"].items(),
                                                    key=lambda item: -item[1]) if seconds)
    return (f"{table(rows)}\n\nPlaces: {places}.\n\nCPU a page, by kind of thread: {threads}.\n\n"
            f"Requests to Elasticsearch a page, by what they are for: {_requests(run)}.")


def _requests(run: dict[str, Any]) -> str:
    """Of all pages together: who asks comes before any page is known."""
    count: dict[str, float] = defaultdict(float)
    for _, part, number in run["profile"]["requests"]:
        count[part] += number / max(run["answered"], 1)
    said = ", ".join(f"{part} {number:.1f}" for part, number in sorted(
        count.items(), key=lambda item: -item[1]) if number >= 0.05)
    return f"{sum(count.values()):.1f} ({said})"


def _pages(found: dict[str, Any]) -> str:
    rows = [("reviewers", "page", "answered", "KB", "page", "bare", "÷ at p50", "÷ at p95")]
    for run in found["runs"]:
        for one in run["pages"]:
            bare = one["bare"]
            rows.append((run["what"], one["name"], f"{one['answered']:,}",
                         f"{one['bytes'] / 1000:.0f}", _cuts(one["page"]),
                         _cuts(bare) if bare else "",
                         f"{_ratio(one, 'p50'):.1f}" if bare else "",
                         f"{_ratio(one, 'p95'):.1f}" if bare else ""))
    return table(rows)


def _runs(found: dict[str, Any]) -> str:
    rows = [("reviewers", "pages", "pages/s", "CPU ms a page: console", "Elasticsearch",
             "clients, bare questions", "")]
    for run in found["runs"]:
        each = {name: seconds / max(run["answered"], 1) * 1000
                for name, seconds in run["cpu_s"].items()}
        rows.append((run["what"], f"{run['answered']:,}", f"{run['per_s']:,.1f}",
                     f"{each['console']:.1f}", f"{each['elasticsearch']:.1f}",
                     f"{each['clients']:.1f}",
                     f"**0: {run['wrong']}**" if run["wrong"] else "checked"))
    return table(rows)


def _cuts(times: dict[str, float]) -> str:
    return " / ".join(f"{times[at]:,.0f}" for at in ("p50", "p95", "p99"))


def _ratio(one: dict[str, Any], at: str) -> float:
    return float(one["page"][at] / one["bare"][at])
