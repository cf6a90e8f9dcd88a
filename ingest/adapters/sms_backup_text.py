"""One attribute's bytes -> its text, with what had to be put right.

Owns the references and bytes that are no XML although every backup has them: an emoji is written as
its two surrogates, and `&#0;` as itself (CAPTURE §6). Standard parsers stop there.
"""

from __future__ import annotations

import re
from typing import Final

# What was put right, as `Found.repairs` names it.
JOINED: Final = "surrogates_joined"
LONE: Final = "lone_surrogate_replaced"
CONTROL: Final = "control_replaced"
BYTES: Final = "bytes_replaced"
REFERENCE: Final = "reference_kept"
LESS_THAN: Final = "less_than_raw"
REPEATED: Final = "attribute_repeated"

# Encodings in which every byte below 128 is ASCII, so that markup is what it looks like.
CODECS: Final = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "iso-8859-1": "iso-8859-1", "latin1": "iso-8859-1", "windows-1252": "windows-1252",
}

_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_REFERENCE: Final = re.compile(
    r"&(?:(?:#0{0,20}([0-9]{1,8})|#[xX]0{0,20}([0-9A-Fa-f]{1,7})|([A-Za-z]{1,8}));)?")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SPECIAL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f&\x80-\xff]")


def text_of(raw: bytes, codec: str, repairs: set[str]) -> str:
    """The text that the value `raw` stands for; what was put right is added to `repairs`.

    Surrogate references join to one character; halves of one, controls and bytes that are no text
    become U+FFFD; what only looks like a reference stays as it is written. Never raises.
    """
    if _SPECIAL.search(raw) is None:
        return raw.decode("ascii")
    text = _decoded(raw, codec, repairs)
    if "&" in text:
        text = _REFERENCE.sub(lambda match: _character(match, repairs), text)
    if _SURROGATE.search(text):
        text, pairs = _PAIR.subn(_joined, text)
        text, halves = _SURROGATE.subn("\ufffd", text)
        repairs.update([JOINED] * (pairs > 0) + [LONE] * (halves > 0))
    text, controls = _CONTROL.subn("\ufffd", text)
    if controls:
        repairs.add(CONTROL)
    return text


def _decoded(raw: bytes, codec: str, repairs: set[str]) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        pass  # decided below: neither way loses anything, the raw bytes are kept
    if codec == "utf-8":
        try:
            # Java's writers may spell a surrogate as three bytes of its own.
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            pass
    repairs.add(BYTES)
    return raw.decode(codec, "replace")


def _character(match: re.Match[str], repairs: set[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name in _NAMED:
        return _NAMED[name]
    if decimal or hexadecimal:
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if code <= 0x10FFFF:
            return chr(code)
        repairs.add(CONTROL)
        return "\ufffd"
    repairs.add(REFERENCE)
    return match[0]


def _joined(match: re.Match[str]) -> str:
    return match[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
