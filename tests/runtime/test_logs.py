"""Log lines: fields kept, foreign fields dropped, and no line is worth a process."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from infra import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_fields_of_the_standard_library_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """"request rejected" says at which door and why; what a library adds of its own does not."""
    logs.set_up()
    logging.getLogger("ingest.gateway").warning(
        "request rejected", extra={"door": "twilio", "reason": "signature", "body": "words"})
    structlog.get_logger().warning("alarm", code="halted")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["door"], first["reason"], first["level"]) == (
        "request rejected", "twilio", "signature", "warning")
    assert "body" not in first and first["timestamp"]
    assert (second["event"], second["code"]) == ("alarm", "halted")


def test_an_error_keeps_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, with where it happened."""
    logs.set_up()
    try:
        raise RuntimeError("inside")
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    (line,) = capsys.readouterr().err.splitlines()
    assert "test_logs.py" in json.loads(line)["exception"]


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_line_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk under the log is no reason to lose a record."""
    monkeypatch.setattr(sys, "stderr", _Full())
    logs.set_up()
    structlog.get_logger().error("one")
    logging.getLogger("ingest").error("two")
