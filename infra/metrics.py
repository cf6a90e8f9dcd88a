"""Gauges for whoever collects them: one Prometheus text file a role under `run/` (PROTOCOL C7).

Owns the names of the metrics. A file and not a port: a collector on the machine reads it (the
textfile collector of the node exporter), and nothing new listens. Numbers and codes only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from infra.state import RoleState
from schemas.findings import ALARMS

ALARM: Final = "counterfoil_alarm"
WRITTEN: Final = "counterfoil_state_written_seconds"
FACT: Final = "counterfoil_fact"


def write(folder: Path, state: RoleState) -> None:
    """Replace `folder/<role>.prom`: 1 for each active alarm and 0 for each other, when this was
    written (unix seconds), and the role's numbers. Raises OSError."""
    registry = CollectorRegistry()
    alarm = Gauge(ALARM, "1 while the alarm is active", ("role", "code"), registry=registry)
    active = {one.code for one in state.alarms}
    for code in ALARMS:
        alarm.labels(state.role, code).set(code in active)
    written = Gauge(WRITTEN, "when this was written", ("role",), registry=registry)
    written.labels(state.role).set(state.at / 1000)
    fact = Gauge(FACT, "a number that status shows", ("role", "name"), registry=registry)
    for name, value in state.facts.items():
        if isinstance(value, int | float):
            fact.labels(state.role, name).set(value)
    write_to_textfile(str(folder / f"{state.role}.prom"), registry)
