"""Whoever looks is recorded (G7, PROTOCOL I7).

Owns the audit event and nothing else: it is on the log before the answer is given, or there is no
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.errors import Transient
from schemas.events import CapturedEvent, Identity
from schemas.recorder import Recorder

SOURCE: Final = "search/1"
SEARCH: Final = "search"
EXPLAIN: Final = "explain"
VIEW: Final = "view"
ATTACHMENT: Final = "attachment"
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How long what was looked at is kept: the firm's longest class + 1 year (PROTOCOL K4)."""

    retention_class: str
    retention_years: int


class Auditor:
    """Writes down a look before it is answered."""

    def __init__(self, recorder: Recorder, settings: AuditSettings, clock: Callable[[], int],
                 random: Callable[[int], bytes]) -> None:
        """`clock`: UTC ms. `random`: that many random bytes."""
        self._recorder = recorder
        self._settings = settings
        self._clock = clock
        self._random = random

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """From here on the look is evidence: it is on the log when this returns.

        Raises Transient, with the reason, when it could not be recorded: then nothing is shown.
        """
        event = self.event(action, actor, text, details)
        try:
            self._recorder.record(event)
        except Transient as error:
            raise Transient(f"not answered, because the {action} could not be recorded: "
                            f"{error}") from error

    def event(self, action: str, actor: str, text: str | None,
              details: Mapping[str, str]) -> CapturedEvent:
        """The audit event of `actor` doing `action`; `text` is the query as typed."""
        now = self._clock()
        return CapturedEvent(
            kind=events.AUDIT, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
            conversation=events.FIRM_CHANNEL, captured_at=now, occurred_at=now,
            occurred_precision="ms", native_id=self._random(_ID_BYTES).hex(),
            actor=Identity(actor, "user"), text=text,
            details=tuple(sorted({**details, "action": action}.items())),
            provenance=events.OWN, retention_class=self._settings.retention_class,
            retention_years=self._settings.retention_years,
        )
