"""The visible table of capture adapters: which door leads to which reader.

An adapter is one pure function from a request's bytes to events. Authentication, raw bytes,
custodian and delivery ids are the gateway's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.adapters import twilio, whatsapp
from schemas.events import Parsed


@dataclass(frozen=True, slots=True)
class Adapter:
    """One door. `parse(body, content_type, captured_at)` never raises; `captured_at` is UTC ms.

    `path` is where the gateway serves it; `source` names reader and version in every event.
    """

    name: str
    path: str
    parse: Callable[[bytes, str, int], Parsed]
    source: str


ADAPTERS: Final[Mapping[str, Adapter]] = {
    "whatsapp": Adapter("whatsapp", whatsapp.PATH, whatsapp.parse, whatsapp.SOURCE),
    "twilio": Adapter("twilio", twilio.PATH, twilio.parse, twilio.SOURCE),
}
