"""Fixture files: each payload, and the events that it must become.

Run `python -m tests.vendor.golden` to write them anew after a change that is meant; the diff is
then the change that a reviewer reads. `test_vendor.py` compares.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from ingest.adapters import ADAPTERS
from schemas import identity
from schemas.events import Attachment, CapturedEvent, Delivery, Identity, Parsed
from tests.vendor.payloads import PAYLOADS

FOLDER: Final = Path(__file__).parent
CAPTURED_AT: Final = 1_749_854_600_000
_SUFFIX: Final = {"whatsapp": ".json", "twilio": ".form"}
_CONTENT_TYPE: Final = {
    "whatsapp": "application/json", "twilio": "application/x-www-form-urlencoded",
}


def payload_path(provider: str, name: str) -> Path:
    """Where a payload's exact bytes lie."""
    return FOLDER / provider / (name + _SUFFIX[provider])


def expected_path(provider: str, name: str) -> Path:
    """Where the events lie that it must become."""
    return FOLDER / provider / (name + ".expected.json")


def expected_bytes(provider: str, name: str) -> bytes:
    """What the adapter makes of a payload now, as it is written to the expected file."""
    body = PAYLOADS[provider, name]
    parsed = ADAPTERS[provider].parse(body, _CONTENT_TYPE[provider], CAPTURED_AT)
    return _written(parsed).encode("ascii")


def _written(parsed: Parsed) -> str:
    """One line a field, so that a changed field is one changed line."""
    listed = [",\n".join(f"  {_line(name)}: {_line(held)}" for name, held in _event(one).items())
              for one in parsed.events]
    quarantined = [_line({"reason": one.reason, "range": [one.start, one.end]})
                   for one in parsed.quarantined]
    shown = ",\n".join(f" {{\n{one}\n }}" for one in listed)
    return (f'{{"events": [\n{shown}\n],\n"quarantined": [\n'
            + ",\n".join(f" {one}" for one in quarantined) + "\n]}\n")


def _line(held: Any) -> str:
    return json.dumps(held, ensure_ascii=True, sort_keys=True)


def _event(event: CapturedEvent) -> dict[str, Any]:
    """Every field that differs from its default, and the ids that follow from them."""
    shared = identity.shared_key(event)
    shown: dict[str, Any] = {
        "event_id": identity.event_id(event).hex(),
        "message_key": identity.message_key(event).hex(),
        "shared_key": shared.hex() if shared else None,
    }
    for one in fields(CapturedEvent):
        held = getattr(event, one.name)
        if held != one.default:
            shown[one.name] = _plain(held)
    shown["details"] = dict(event.details)
    return shown


def _plain(held: Any) -> Any:
    if isinstance(held, Delivery):
        return [held.start, held.end]
    if isinstance(held, Identity):
        return [held.id_type, held.native_id, held.display_name]
    if isinstance(held, Attachment):
        named = {one.name: getattr(held, one.name) for one in fields(Attachment)}
        return {name: _plain(one) for name, one in named.items() if one is not None}
    if isinstance(held, bytes):
        return held.hex()
    if isinstance(held, tuple):
        return [_plain(one) for one in held]
    return held


def main() -> None:
    """Write every fixture anew and remove what no payload stands for."""
    written = set()
    for (provider, name), body in PAYLOADS.items():
        for path, held in ((payload_path(provider, name), body),
                           (expected_path(provider, name), expected_bytes(provider, name))):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(held)
            written.add(path)
    for provider in _SUFFIX:
        for path in (FOLDER / provider).iterdir():
            if path not in written:
                path.unlink()


if __name__ == "__main__":
    main()
