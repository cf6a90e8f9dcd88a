"""Fixture exports: each text, and the events that it must become when it is read first.

Run `python -m tests.vendor.whatsapp_export_golden` to write them anew after a change that is meant;
the diff is then the change that a reviewer reads. `test_whatsapp_export_vendor.py` compares.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

from ingest.imports import Found
from schemas.events import CapturedEvent
from tests.fakes.ledger import FakeLedger
from tests.ingest.exports import ANSWERS, file_of, import_of

FOLDER: Final = Path(__file__).parent / "whatsapp_export"
_L: Final = "\u200e"

# name -> (the file's own name, its text). Forms as CAPTURE §3 states them; every word is ours.
EXPORTS: Final[dict[str, tuple[str, str]]] = {
    "android": ("WhatsApp Chat with Greta Lind.txt", (
        "23/03/2024, 08:00 - Messages and calls are end-to-end encrypted.\n"
        "18/03/2024, 14:56 - Greta Lind: The term sheet is in your inbox\n"
        "18/03/2024, 14:57 - Sam Rowe: Read it.\nTwo questions:\n- price\n- date\n"
        "18/03/2024, 14:57 - Sam Rowe: ok\n18/03/2024, 14:57 - Sam Rowe: ok\n"
        "18/03/2024, 14:58 - Greta Lind: IMG-20240318-WA0004.jpg (file attached)\nthe first page\n"
        "18/03/2024, 14:59 - Greta Lind: <Media omitted>\n"
        "18/03/2024, 15:01 - Greta Lind: This message was deleted\n"
        "18/03/2024, 15:02 - Sam Rowe: null\n"
        "18/03/2024, 15:03 - Sam Rowe: Monday then <This message was edited>\n"
        "18/03/2024, 15:04 - Greta Lind: location: https://maps.google.com/?q=59.3293,18.0686\n"
        "18/03/2024, 15:05 - Missed voice call\n")),
    "ios": ("_chat.txt", (
        f"[3/18/24, 2:56:01\u202fPM] Deal team: {_L}Messages and calls are encrypted.\r\n"
        f"{_L}[3/18/24, 2:56:09\u202fPM] \u202a+46 70 123 45 67\u202c: "
        f"{_L}<attached: 00000002-PHOTO-2024-03-18-14-56-09.jpg>\r\n"
        f"[3/18/24, 2:57:30\u202fPM] ~\u202fGreta: see {_L}<This message was edited>\r\n"
        f"[3/18/24, 2:58:30\u202fPM] Sam Rowe: {_L}You deleted this message.\r\n"
        f"[3/18/24, 2:59:30\u202fPM] Sam Rowe: {_L}This message was deleted by admin Greta.\r\n"
        f"[3/18/24, 3:00:30\u202fPM] Sam Rowe: Terms.pdf • {_L}2 pages {_L}document omitted\r\n"
        f"[3/19/24, 12:00:00\u202fAM] Greta: {_L}Missed video call\r\n")),
    "german": ("WhatsApp-Chat mit Greta Lind.txt", (
        "18.03.24, 14:56 - Greta Lind: Diese Nachricht wurde gelöscht\n"
        "18.03.24, 14:57 - Sam Rowe: <Medien weggelassen>\n"
        "18.03.24, 14:58 - Sam Rowe: Bild.jpg (Datei angehängt)\n")),
    "arabic": ("chat.txt", (
        "[\u200f١٨\u200f/٣\u200f/٢٠٢٤، ٢:٥٦:٠٠ م] غريتا: مرحبا\r\n"
        "[\u200f١٨\u200f/٣\u200f/٢٠٢٤، ٢:٥٧:٠٠ م] غريتا: \u200fتم حذف هذه الرسالة.\r\n")),
    "korean": ("Greta님과의 WhatsApp 대화.txt", (
        "2024. 3. 18. 오후 2:56 - Greta: 안녕\n"
        "2024. 3. 18. 오후 2:57 - Sam: 이 메시지는 삭제되었습니다\n")),
    "pasted": ("WhatsApp Chat with Greta Lind.txt", (
        "18/03/2024, 14:56 - Greta Lind: forwarding:\n02/01/2023, 09:00 - Mallory: sell it all\n"
        "18/03/2024, 14:57 - Sam Rowe: who is that?\n")),
}


def text_path(name: str) -> Path:
    """Where an export's exact bytes lie."""
    return FOLDER / f"{name}.txt"


def expected_path(name: str) -> Path:
    """Where the events lie that it must become."""
    return FOLDER / f"{name}.expected.json"


def expected_bytes(name: str) -> bytes:
    """What the reader makes of an export now, as it is written to the expected file."""
    file_name, text = EXPORTS[name]
    answers = replace(ANSWERS, zone="Europe/Stockholm")
    done = import_of(file_of(text, file_name), FakeLedger(), answers)
    out = []
    for item in done.items:
        if isinstance(item, Found):
            shown: dict[str, Any] = {"how": item.how, "repairs": item.repairs}
            shown.update(_plain(item.event))
        else:
            shown = _plain(item)
        rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(held, sort_keys=True)}"
                          for key, held in shown.items())
        out.append(f" {{\n{rows}\n }}")
    return ("[\n" + ",\n".join(out) + "\n]\n").encode("ascii")


def _plain(held: Any) -> Any:
    """Bytes as hex or ASCII, dataclasses as the fields that differ from their defaults."""
    if isinstance(held, bytes):
        return held.hex()
    if isinstance(held, tuple):
        return [_plain(one) for one in held]
    if not is_dataclass(held) or isinstance(held, type):
        return held
    # A message's bytes are the fixture's own; the file's hash is in every event.
    left_out = {"raw", "provenance_sha256", "delivery"} if isinstance(held, CapturedEvent) else {}
    return {one.name: _plain(getattr(held, one.name)) for one in fields(held)
            if one.name not in left_out and getattr(held, one.name) != one.default}


def main() -> None:
    """Write all fixtures."""
    FOLDER.mkdir(exist_ok=True)
    for name, (_, text) in EXPORTS.items():
        text_path(name).write_bytes(text.encode("utf-8"))
        expected_path(name).write_bytes(expected_bytes(name))


if __name__ == "__main__":
    main()
