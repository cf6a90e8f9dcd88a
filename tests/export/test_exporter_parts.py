"""Large events that were captured twice: each sighting is whole in the package, whatever differs.

Owns real packages; which parts are tried together is test_joining.py.
"""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import carry, exportpackage
from infra.wire import Wire
from ingest.parts import items_of
from ingest.routing import Router
from schemas.events import CapturedEvent
from schemas.identity import pair
from search.export.wanted import Wanted
from tests.export import home
from tests.export.home import NOON
from tests.export.test_exporter import NATIVE, exported, lines, token

OTHER_NAME = pair(home.DESK.native_id, "US.13491208655302741918")
LATER = NOON + 68_000


def captured(wire: Wire, event: CapturedEvent) -> int:
    """Into how many parts it was cut."""
    items = items_of(event, Router(wire.keys_folder.routing_key(), bytes(16)))
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_items(items)
    carry.carry(wire, lambda _told: None)
    return len(items)


@pytest.mark.parametrize(("size", "cuts", "changes"), [
    (0, (2, 3), {"raw": b"r" * 900_000, "raw_type": "application/json"}),
    (7 * 819_200 + 1_000, (8, 8), {"custodian": "dave"}),
    (0, (2, 2), {"conversation": OTHER_NAME})],
    ids=["other parts", "every part differs", "another name"])
def test_both_sightings_are_whole(size: int, cuts: tuple[int, int], changes: dict[str, Any],
                                  tmp_path: Path) -> None:
    """Cut into more parts the second time; for another custodian, so that no part is the same and
    there are 256 ways to put them together; under another name of its conversation."""
    wire = home.made(tmp_path / "home")
    raw = random.Random(1).randbytes(size) or None
    first = home.said_by(home.ANN, "huge", "short" if size else "z" * 900_000, NOON + 8_000,
                         raw=raw, raw_type="application/octet-stream" if size else "",
                         custodian="carol")
    assert cuts == (captured(wire, first),
                    captured(wire, replace(first, captured_at=LATER, **changes)))
    out = tmp_path / "out"
    exported(wire, out, Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE))
    wholes = [one["whole"] for one in lines(out, "native/events.jsonl") if "whole" in one]
    assert {first.captured_at, LATER} == {one["captured_at"] for one in wholes
                                          if one["native_id"] == "huge"}
    found = exportpackage.verified(out)
    assert (0, True) == (found.code, "VERDICT: this package is whole" in found.said)
