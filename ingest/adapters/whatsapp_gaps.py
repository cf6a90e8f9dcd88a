"""What a WhatsApp webhook says of its own silence: an account that left, history that is withheld.

Owns which updates are gaps of capture (CAPTURE §1, case 16). The item stays what it was, words and
bytes; it is only called by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ingest import times
from ingest.values import soft_string
from schemas import events, gaps
from schemas.events import CapturedEvent

# `account_update`: from the one to the other nothing of the account reaches us.
_PHASES: Final[Mapping[str, str]] = {
    "ACCOUNT_OFFBOARDED": gaps.BEGINS, "ACCOUNT_RECONNECTED": gaps.ENDS,
}
_HISTORY_REFUSED: Final = "2593109"
# How far back a number's history goes that its owner may share or not.
_HISTORY_DAYS: Final = 180


def told(event: CapturedEvent, said: Any) -> CapturedEvent:
    """`event`, an `unknown` that stands for `said`; the gap that it is, where it is one."""
    if not isinstance(said, dict):
        return event
    field = event.detail("field")
    phase = _PHASES.get(soft_string(said, "event") or "")
    if field == "account_update" and phase is not None:
        more = gaps.details("account_offboarded", phase)
    elif field == "history" and soft_string(said, "code") == _HISTORY_REFUSED:
        more = gaps.details("history_refused", gaps.OVER, window_days=str(_HISTORY_DAYS))
    else:
        return event
    moment = times.from_epoch(event.detail("entry_time"), event.captured_at)
    codes = set(event.observations) - {"unknown_field"} | set(moment.observations)
    return replace(
        event, kind=events.GAP, occurred_at=moment.at, occurred_precision=moment.precision,
        occurred_meaning="provider_webhook" if moment.at is not None else None,
        observations=tuple(sorted(codes)),
        details=tuple(sorted({**dict(event.details), **more}.items())))
