"""What a capture process says of itself: gaps and loads of the directory (PROTOCOL C3, C4, K4).

Owns the shape that all events of our own share: the firm's channel, domain and retention class.
`ingest/heartbeat.py` builds the heartbeat on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from schemas import domains, events, gaps
from schemas.directory import Directory
from schemas.events import CapturedEvent

SOURCE: Final = "capture/1"


def own_event(kind: str, native_id: str, captured_at: int, firm_years: int,
              details: Mapping[str, str]) -> CapturedEvent:
    """An event in the firm's domain. `firm_years` is `Directory.firm_years()`."""
    return CapturedEvent(
        kind=kind,
        channel=events.FIRM_CHANNEL,
        source=SOURCE,
        account="",
        conversation="firm",
        captured_at=captured_at,
        native_id=native_id,
        details=tuple(sorted(details.items())),
        provenance=events.OWN,
        retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=firm_years,
    )


def oversized_gap(door: str, requests: int, bytes_max: int, capture_id: bytes, captured_at: int,
                  firm_years: int) -> CapturedEvent:
    """Requests at `door` were larger than `bytes_max` and refused with 413: a capture gap."""
    return own_event(
        events.GAP, f"oversized:{capture_id.hex()}:{door}:{captured_at}", captured_at, firm_years,
        gaps.details("delivery_oversized", gaps.OVER, door=door, requests=str(requests),
                     bytes_max=str(bytes_max)))


def directory_event(directory: Directory, captured_at: int) -> CapturedEvent:
    """A load of the directory that differs from the last one: its digest, and the file as raw.

    Loading A, B and A again are three facts, so the time is part of the identity.
    """
    # The later parts are counted where there are any: a file without them makes the same event.
    later = {"groups": directory.groups, "matters": directory.matters,
             "notices": directory.notices, "exclusions": directory.exclusions}
    more = {name: str(len(rows)) for name, rows in later.items() if rows}
    event = own_event(
        events.DIRECTORY, directory.digest(), captured_at, directory.firm_years(),
        {"digest": directory.digest(), "custodians": str(len(directory.custodians)),
         "accounts": str(len(directory.accounts)), "classes": str(len(directory.classes)), **more})
    return replace(event, revision=str(captured_at), raw=directory.source,
                   raw_type="application/toml")
