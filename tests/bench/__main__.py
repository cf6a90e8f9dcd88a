"""`python -m tests.bench [WHAT] [--quick] [--profile] [--json] [--write]`.

Without arguments everything is run and docs/BENCHMARKS.md is written. Servers are started for the
run and end with it.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.bench import report, results, sizes
from tests.bench.console import Console, ConsolePlan
from tests.bench.drain import Drain, Plan
from tests.bench.export import ExportPlan, Exports
from tests.bench.ground import Ground, measured_child
from tests.bench.imports import ImportPlan, Imports
from tests.bench.line import WARM_UP, Line, LinePlan
from tests.bench.policy import Policies, PolicyPlan
from tests.bench.search import Search, SearchPlan
from tests.bench.servers import servers

_PROFILE_LINES: Final = 40


def run_drain(ground: Ground, quick: bool) -> dict[str, Any]:
    """The section `drain`."""
    plan = Plan(events=20_000, repeats=2, packs=(1, 32)) if quick else Plan()
    drain = Drain(ground, plan)
    _say(f"drain: {plan.events:,} events onto the logs")
    drain.prepare()
    runs = []
    for run in drain.runs():
        runs.append(run)
        _say(f"drain: {run.who}: {run.rate:,.0f} events/CPU-s {run.wrong}")
    return results.of_drain(plan, runs, drain.body_bytes, drain.datum_bytes, drain.memory(), quick)


def run_sizes(quick: bool) -> dict[str, Any]:
    """The section `sizes`."""
    _say("sizes")
    firms = ((50, 1, 60), (50, 4, 60), (50, 4, 5), (500, 4, 60), (5000, 4, 60))
    traces = []
    for people, partitions, age_s_max in firms[:2] if quick else firms:
        traces.append(sizes.trace(people, age_s_max, partitions))
        _say(f"sizes: {people} people: {traces[-1].puts_per_day:,} PUTs a day")
    return results.of_sizes(sizes.full_segments(), sizes.bare_segment(), sizes.small_segments(),
                            traces, quick)


def run_line(ground: Ground, quick: bool) -> dict[str, Any]:
    """The section `line`."""
    plans = ([LinePlan(100, 4)] if quick else
             [WARM_UP, LinePlan(500, 20), LinePlan(1_000, 20), LinePlan(2_000, 20),
              LinePlan(0, 20)])
    line = Line(ground, _free_port())
    _say("line: starting the system")
    line.start()
    runs = []
    try:
        for plan in plans:
            runs.append(line.run(plan))
            _say(f"line: {plan.rate or 'closed'}: accepted {runs[-1].load['per_s']:,.0f}/s, "
                 f"searchable p95 {runs[-1].searchable_s[1]:.1f} s {runs[-1].wrong}")
    finally:
        line.stop()
    _say("line: rebuild beside the bare bulk")
    rebuild = measured_child("tests.bench.rebuild_child", {
        "home": str(ground.home()), "repeats": 1 if quick else 2})
    return results.of_line(runs, rebuild, quick)


def run_imports(folder: Path, quick: bool) -> dict[str, Any]:
    """The section `import`."""
    plan = ImportPlan(4, 1_000, 4_000) if quick else ImportPlan()
    imports = Imports(folder, plan)
    _say(f"import: writing {plan.chats} exports of {plan.lines:,} and a backup of {plan.texts:,}")
    imports.prepare()
    runs = []
    for one in imports.runs():
        runs.append(one)
        _say(f"import: {one.what} by {one.processes}: {one.per_s:,.0f}/s, {one.peak_mb:.0f} MB "
             f"{one.wrong}")
    return results.of_imports(plan, runs, quick)


def run_policies(folder: Path, quick: bool) -> dict[str, Any]:
    """The section `policy`."""
    plan = PolicyPlan(5_000, repeats=1) if quick else PolicyPlan()
    _say(f"policy: archiving {plan.events:,} events")
    policies = Policies(folder, plan)
    policies.prepare()
    runs = policies.runs()
    for one in runs:
        _say(f"policy: {one.what}, {one.rules} rules: {one.per_s:,.0f}/CPU-s, {one.flags:,} flags "
             f"{one.wrong}")
    return results.of_policies(plan, runs, quick)


def run_search(ground: Ground, quick: bool) -> dict[str, Any]:
    """The section `search`."""
    plan = SearchPlan(1_000, partitions=2, repeats=2, warm_ups=1) if quick else SearchPlan()
    _say(f"search: {plan.messages:,} messages in {len(plan.modes)} indexes")
    return results.of_search(Search(ground, plan, _say).run(), quick)


def run_console(ground: Ground, quick: bool, *, profile: bool = False) -> dict[str, Any]:
    """The section `console`."""
    plan = ConsolePlan(2_000, reviewers=12, partitions=2, shares=2, think_s=0.5, hurry_s=0.2,
                       warm_up_s=2, paced_s=6, full_s=4) if quick else ConsolePlan()
    _say(f"console: {plan.messages:,} messages for {plan.reviewers} reviewers")
    return results.of_console(Console(ground, plan, _say, profile=profile).run(), quick)


def run_export(folder: Path, quick: bool, *, profile: bool = False) -> dict[str, Any]:
    """The section `export`: the packages, and `verify` of them."""
    plan = ExportPlan(20_000, every=10, rounds=4, repeats=1) if quick else ExportPlan()
    _say(f"export: {plan.events:,} events archived, one message of {plan.every} chosen")
    exports = Exports(folder, plan, _say, profile_lines=_PROFILE_LINES if profile else 0)
    return results.of_export(exports.run(), quick)


def run(what: str, quick: bool, *, profile: bool = False) -> dict[str, Any]:
    """The sections that were asked for."""
    found: dict[str, Any] = {}
    if what in ("drain", "all"):
        with servers(("kafka", "s3")) as ground:
            found["drain"] = run_drain(ground, quick)
    if what in ("sizes", "all"):
        found["sizes"] = run_sizes(quick)
    if what in ("line", "all"):
        with servers(("kafka", "s3", "elasticsearch")) as ground:
            found["line"] = run_line(ground, quick)
    if what in ("import", "all"):
        with tempfile.TemporaryDirectory() as folder:
            found["import"] = run_imports(Path(folder), quick)
    if what in ("policy", "all"):
        with tempfile.TemporaryDirectory() as folder:
            found["policy"] = run_policies(Path(folder), quick)
    if what in ("search", "all"):
        with servers(("elasticsearch",)) as ground:
            found["search"] = run_search(ground, quick)
    if what in ("console", "all"):
        with servers(("elasticsearch",)) as ground:
            found["console"] = run_console(ground, quick, profile=profile)
    if what in ("export", "all"):
        with tempfile.TemporaryDirectory() as folder:
            found["export"] = run_export(Path(folder), quick, profile=profile)
    return found


def is_right(found: dict[str, Any]) -> bool:
    """Whether no run lost, doubled or changed anything."""
    sections = (("drain", "rows"), ("line", "runs"), ("import", "runs"),
                ("policy", "runs"), ("search", "modes"), ("console", "runs"),
                ("export", "exports"), ("export", "verifies"), ("export", "peers"))
    return not any(one["wrong"] for name, many in sections
                   if name in found for one in found[name][many])


def main() -> int:
    """Exit code 1 when a run scored 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=(
        "drain", "sizes", "line", "import", "policy", "search", "console", "export",
        "all"))
    parser.add_argument("--quick", action="store_true", help="small; checks, says little")
    parser.add_argument("--profile", action="store_true",
                        help="console, export: where the time goes (a little slower)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    parser.add_argument("--write", action="store_true", help="write docs/BENCHMARKS.md")
    asked = parser.parse_args()
    found = run(asked.what or "all", asked.quick, profile=asked.profile)
    everything = results.merged(found)
    if asked.write or asked.what is None:
        results.keep(everything)
        report.write(everything)
    if asked.json:
        print(json.dumps(found))
    else:
        print(report.render(found))
    return 0 if is_right(found) else 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
