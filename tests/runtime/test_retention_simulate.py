"""What would end at a date, as the operator asks it beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from infra.verbs import retention
from infra.wire import Wire
from schemas.errors import Refused
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_hold import Verb, alice, arrive, bob, lines, placed, segments, wire

__all__ = ["lines", "wire"]


def asked(wire: Wire, lines: Verb, at: str, name: str = "",
          years: int | None = None) -> dict[str, Any]:
    """One answer."""
    (said,) = lines(retention.simulate, wire, at, name, years)
    as_stated("retention-simulate", said)
    return said


def test_a_date_and_a_hold(wire: Wire, lines: Verb) -> None:
    """Nothing ends before its time; then what is not held does, with its cost; what stays has a
    ground and, where there is one, a date. Asking changes nothing and is on record."""
    arrive(wire, alice(1), bob(1))
    before = len(segments(wire))
    early = asked(wire, lines, "2033-05-31")
    assert early["ends"] == [] and early["requests"] == 0
    mine = next(one for one in early["stays"] if one["custodian"] == "asmith")
    assert (mine["why"], mine["until"]) == ("retention", "2033-06-02T00:00:00.000Z")
    late = asked(wire, lines, "2033-06-03")
    ended = {one["custodian"]: one["why"] for one in late["ends"] + late["stays"]}
    # Their records are still on the log, which is shortened days later.
    assert ended["asmith"] == ended["bjones"] == "log" or ended["asmith"] == "due"
    placed(wire, lines, custodians=["asmith"])
    held = {one["custodian"]: one for one in asked(wire, lines, "2033-06-03")["stays"]}["asmith"]
    assert held["why"] == "hold" and "Doe v. Roe" in held["words"] and held["until"] is None
    assert "retention_simulated" in [one.detail("action") for one in recorded(wire)]
    assert len(segments(wire)) >= before
    assert retention.simulate(wire, "2033-06-03", "default", 9, json=False) == 0


def test_another_class(wire: Wire, lines: Verb) -> None:
    """Longer costs requests for what is archived, shorter changes nothing of it."""
    arrive(wire, alice(1), bob(1))
    longer = asked(wire, lines, "2033-06-03", "default", 9)["change"]
    assert (longer["longer"], longer["shorter"]) == (2, 0)
    assert longer["requests"] == 2 * longer["segments"] > 0
    shorter = asked(wire, lines, "2033-06-03", "default", 3)["change"]
    assert (shorter["longer"], shorter["requests"], shorter["shorter"]) == (0, 0, 2)


@pytest.mark.parametrize(("at", "name", "years", "why"), [
    ("soon", "", None, "write 2033"), ("2033-06-01", "default", None, "go together"),
    ("2033-06-01", "", 9, "go together"), ("2033-06-01", "default", 900, "--years")])
def test_what_cannot_be_meant(wire: Wire, at: str, name: str, years: int | None,
                              why: str) -> None:
    """Refused with words."""
    with pytest.raises(Refused, match=why):
        retention.simulate(wire, at, name, years, json=True)
