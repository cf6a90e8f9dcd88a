"""The files that the demo's people hand in: a chat exported twice, and an old telephone's backup.

Owns their bytes. Pure and deterministic as the week is; the picture and the voice note are made
here, so that nobody's are in it.
"""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

PRIYA: Final = "Priya Nair"
ZONE: Final = "Europe/London"
CHAT: Final = f"WhatsApp Chat with {PRIYA}.zip"
BACKUP: Final = "sms-20251101.xml"
PICTURE: Final = "IMG-20251103-WA0002.png"
VOICE: Final = "PTT-20251103-WA0003.opus"
# What the first export still shows, and the second does not.
TAKEN_BACK: Final = "Between us: the survey found the subsidence. Do not tell the lender."
_TOMBSTONE: Final = "This message was deleted"
_OGG_POLYNOMIAL: Final = 0x04C11DB7


@dataclass(frozen=True, slots=True)
class _Line:
    minutes: int
    sender: str
    text: str


def chat(start: int, *, again: bool) -> bytes:
    """Anna's export of her chat with Priya as a zip; `again`: two days later, a message deleted
    in between and one more at the end. `start`: unix seconds."""
    lines = [
        _Line(0, PRIYA, "Hello Anna, the survey of 14 Elm Street is back."),
        _Line(1, "Anna Lindt", "Thank you. Can you send me the page about the cellar?"),
        _Line(4, PRIYA, f"{PICTURE} (file attached)"),
        _Line(6, PRIYA, _TOMBSTONE if again else TAKEN_BACK),
        _Line(7, PRIYA, f"{VOICE} (file attached)"),
        _Line(9, "Anna Lindt", "I have to note that. Please call me."),
        _Line(9, PRIYA, "ok"), _Line(9, PRIYA, "ok"),
    ]
    if again:
        lines.append(_Line(2_880, "Anna Lindt", "For the file: we spoke on Wednesday."))
    began = datetime.fromtimestamp(start, UTC)
    text = "".join(
        f"{began + timedelta(minutes=one.minutes):%d/%m/%Y, %H:%M} - {one.sender}: {one.text}\n"
        for one in lines)
    return _zip({CHAT.removesuffix(".zip") + ".txt": text.encode(), PICTURE: picture(),
                 VOICE: voice_note()})


def backup(start: int, own: str, peer: str) -> bytes:
    """An SMS Backup & Restore file of two messages and a picture message with `peer` (digits)."""
    def at(minutes: int) -> int:
        return (start + minutes * 60) * 1000

    image = base64.b64encode(picture()).decode()
    return f"""<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<smses count="3" backup_date="{at(600)}" type="full">
  <sms protocol="0" address="+{peer}" date="{at(0)}" type="1" subject="null" body="Ben, it is \
Maria. This number until Friday &#55357;&#56841;" toa="null" sc_toa="null" service_center="null" \
read="1" status="-1" locked="0" date_sent="{at(0)}" contact_name="Maria Souza" />
  <sms protocol="0" address="+{peer}" date="{at(3)}" type="2" subject="null" body="Noted, thank \
you." toa="null" sc_toa="null" service_center="null" read="1" status="0" locked="0" date_sent="0" \
contact_name="Maria Souza" />
  <mms date="{at(5)}" date_sent="{at(5) // 1000}" msg_box="1" address="+{peer}" m_type="132" \
m_id="demo-mms-1" tr_id="null" ct_t="application/vnd.wap.multipart.related" sub="null" read="1" \
contact_name="Maria Souza">
    <parts>
      <part seq="0" ct="text/plain" name="null" chset="106" cl="text.txt" text="the meter, as \
asked" />
      <part seq="0" ct="image/png" name="meter.png" chset="null" cl="meter.png" text="null" \
data="{image}" />
    </parts>
    <addrs>
      <addr address="+{peer}" type="137" charset="106" />
      <addr address="+{own}" type="151" charset="106" />
    </addrs>
  </mms>
</smses>
""".encode()


def picture() -> bytes:
    """A PNG of 64 by 64 points (RFC 2083): a shade from blue to white."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + name + data
                + struct.pack(">I", zlib.crc32(name + data)))

    rows = b"".join(b"\0" + bytes(value for column in range(64) for value in
                                  (row * 4, column * 4, 255)) for row in range(64))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def voice_note() -> bytes:
    """A second of silence as Opus in Ogg (RFC 7845, RFC 3533)."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 11) + b"counterfoil" + struct.pack("<I", 0)
    silence = b"\xf8\xff\xfe"                        # 20 ms
    return (_ogg(head, 0, 0, 2) + _ogg(tags, 1, 0, 0)
            + b"".join(_ogg(silence, 2 + number, 960 * (number + 1), 4 if number == 49 else 0)
                       for number in range(50)))


def _ogg(packet: bytes, number: int, position: int, flags: int) -> bytes:
    front = struct.pack("<4sBBqII", b"OggS", 0, flags, position, 0x0C0FFEE0, number)
    rest = bytes((1, len(packet))) + packet
    return front + struct.pack("<I", _checksum(front + bytes(4) + rest)) + rest


def _checksum(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ _OGG_POLYNOMIAL if value >> 31 else value << 1) & 0xFFFFFFFF
    return value


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 11, 3, 9, 0, 0)), body)
    return out.getvalue()
