"""Gauges that a collector reads from files (PROTOCOL C7)."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from infra.state import RoleState, StateFolder
from schemas.findings import ALARMS, Alarm


def test_every_alarm_has_a_gauge_that_says_whether_it_is_active(tmp_path: Path) -> None:
    """1 while it is active, 0 otherwise; an ended role leaves no file."""
    states = StateFolder(tmp_path)
    states.write(RoleState("gateway", 1, 5_000, alarms=(Alarm("spool_full", 1),),
                           facts={"spool_count": 7, "log": "a name"}))
    found = {(sample.name, sample.labels.get("code") or sample.labels.get("name")): sample.value
             for family in text_string_to_metric_families(
                 (tmp_path / "run" / "gateway.prom").read_text())
             for sample in family.samples}
    assert {code: float(code == "spool_full") for code in ALARMS} == {
        str(code): value for (name, code), value in found.items() if name == "counterfoil_alarm"}
    assert found["counterfoil_fact", "spool_count"] == 7
    assert found["counterfoil_state_written_seconds", None] == 5
    states.remove("gateway")
    assert list((tmp_path / "run").iterdir()) == []
