"""Legal holds with real processes: placed, killed, restarted, indexed anew, released by two."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cases import FIRM_DIRECTORY
from tests.e2e.installation import Installation, end, wait_for
from tests.faults.kill_load import ACCOUNT, APP_SECRET
from tests.ingest.doorway import hub_headers
from tests.vendor import payloads

pytestmark = pytest.mark.slow

FAST = {"COUNTERFOIL_ARCHIVE__SEGMENT_AGE_S_MAX": "0.2",
        "COUNTERFOIL_ARCHIVE__SEGMENT_AGE_S_BUSY": "0.2"}


def start(firm: Installation) -> subprocess.Popen[bytes]:
    """`run`, with its doors open."""
    process = firm.spawn("run", "--port", str(firm.port))
    firm.await_ready(process)
    return process


def say(firm: Installation, number: int) -> None:
    """A message comes in, and is found."""
    body = payloads.messages(payloads.text(f"wamid.HOLD{number}", f"number {number}"))
    assert firm.post("/hooks/whatsapp", body, hub_headers(body, APP_SECRET)) == 200
    inside = firm.inside()
    inside.await_documents([inside.document_id("whatsapp", ACCOUNT, f"wamid.HOLD{number}")])


def is_held(firm: Installation, number: int) -> bool:
    """Whether the store holds the segment in which a message lies."""
    inside = firm.inside()
    doc_id = inside.document_id("whatsapp", ACCOUNT, f"wamid.HOLD{number}")
    pointer = inside.index().get([doc_id])[doc_id].document.entries[0].pointer
    return inside.wire.store.lock(pointer.segment, pointer.version).legal_hold


def kill(process: subprocess.Popen[bytes]) -> None:
    """`run` dies; its children die with it."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)


def test_a_hold_survives_everything_but_two_people(tmp_path: Path) -> None:
    """Placed, kill -9, a restart, a new message, kill -9 of the indexer, a new index, one person;
    then two people, and the store holds nothing."""
    firm = Installation(tmp_path / "home", more=dict(FAST))
    firm.write_directory(FIRM_DIRECTORY)
    second = Installation(firm.home, more={**FAST, "COUNTERFOIL_SEARCH__OPERATOR": "second"},
                          port=firm.port)
    process = start(firm)
    try:
        say(firm, 1)
        hold = firm.cli("hold", "place", "--name", "Doe v. Roe", "--ground", "a letter",
                        "--custodian", "anna.lindt", "--json").row()["id"]
        kill(process)
        wait_for(lambda: not firm.is_open(), "the doors closed")
        process = start(firm)
        wait_for(lambda: is_held(firm, 1), "what was there is held")
        say(firm, 2)
        wait_for(lambda: is_held(firm, 2), "what came is held")
        os.kill(firm.children()["index"], signal.SIGKILL)
        say(firm, 3)
        wait_for(lambda: is_held(firm, 3), "what came while the indexer was dead is held")
        firm.cli("rebuild")
        say(firm, 4)
        wait_for(lambda: is_held(firm, 4), "what came after the rebuild is held")
        firm.cli("hold", "release", hold, "--reason", "settled")
        wait_for(lambda: state(firm, hold) == "release_asked", "the request is found")
        firm.cli("hold", "release", hold, "--reason", "settled", "--grant", code=65)
        assert is_held(firm, 1) and is_held(firm, 4)
        second.cli("hold", "release", hold, "--reason", "agreed", "--grant")
        wait_for(lambda: not any(is_held(firm, number) for number in (1, 2, 3, 4)),
                 "the store holds nothing")
        status = firm.cli("status", "--json", code=None).row()
        assert "hold_not_set" not in {one["code"] for one in status["alarms"]}
    finally:
        end(process)


def state(firm: Installation, hold: str) -> Any:
    """Of a hold."""
    return firm.cli("hold", "show", hold, "--json").row()["state"]
