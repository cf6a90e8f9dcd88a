"""Operator's commands that read content or act on it are recorded before they do (PROTOCOL I7).

Owns that one event; `search` and `show` record their own (search/audit.py).
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress

from infra.wire import Wire
from ingest.record import LogRecorder
from schemas import domains
from schemas.errors import CounterfoilError
from search.access.viewer import Viewer, operator
from search.audit import Auditor, AuditSettings


def record_act(wire: Wire, action: str, details: Mapping[str, str] | None = None) -> None:
    """`action` is on the log when this returns. Raises Transient: then nothing may be done."""
    years = wire.directory().firm_years()
    settings = AuditSettings(domains.ROLE_NAMES[domains.FIRM], years)
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("search", log)
        auditor = Auditor(recorder, settings, wire.clock, wire.random)
        auditor.record(action, acting(wire), None, details or {})
        recorder.beat(wire.clock(), years, stopping=True)


@contextmanager
def recording(wire: Wire) -> Iterator[LogRecorder]:
    """What says what an operator does at a desk; what is recorded is stated at the end."""
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("search", log)
        try:
            yield recorder
        finally:
            if recorder.unstated:
                # What cannot be stated any more is not claimed; the records are on the log.
                with suppress(CounterfoilError):
                    recorder.beat(wire.clock(), wire.directory().firm_years(), stopping=True)


def operating(wire: Wire) -> Viewer:
    """Who acts on a command line, holding the data folder's keys: sees all, and it is recorded."""
    return operator(acting(wire))


def acting(wire: Wire) -> str:
    """Who acts on a command line, as records name them."""
    return f"{wire.config.search.operator} ({getpass.getuser()})"
