"""How reviews, audit and holds enter at the front.

One port, declared once: whoever has something to say that is evidence says it here, and it is on
the log before the call returns. `infra` joins it to `ingest/publish.py`.
"""

from __future__ import annotations

from typing import Protocol

from schemas.events import CapturedEvent


class Recorder(Protocol):
    """Durable when it returns; raises Transient when the log cannot be reached (I7: refuse)."""

    def record(self, event: CapturedEvent) -> None:
        """Seal `event` and append it to the log. Not idempotent: one call, one event on the log.
        Those who call at the same time may share a record of it."""
