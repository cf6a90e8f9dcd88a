"""Phone backups under fire: any bytes, and any damage to a good file."""

from __future__ import annotations

import base64
import contextlib
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.adapters import sms_backup_base64
from ingest.adapters.sms_backup_text import text_of
from ingest.imports import Found, Item, Unreadable
from schemas import codec
from schemas.errors import Refused
from tests.ingest.sms_backup_files import FIXTURES, backup, mms, part, read, sms

pytestmark = pytest.mark.slow

GOOD = (FIXTURES / "messages.xml").read_bytes()
ROWS = [one for one in read(GOOD) if isinstance(one, Found)]
HEAD = b'<smses count="1">'
MARKUP = [b"<sms ", b"<mms ", b"</mms>", b"<part ", b"/>", b">", b'"', b"'", b"=", b"<!--", b"-->",
          b"<![CDATA[", b"<!DOCTYPE", b"<?", b"?>", b"&#55357;", b"&#0;", b"\0", b"</smses>",
          b"<calls>", b'data="', b"<", b"&", b"\xff"]


def covered(body: bytes, items: list[Item]) -> bytes:
    """What of `body` is in no item."""
    left = bytearray(body)
    for one in items:
        if isinstance(one, Unreadable):
            assert body[one.start:one.end] == one.raw
            left[one.start:one.end] = b" " * len(one.raw)
        elif isinstance(one, Found):
            raw = one.event.raw or b""
            assert body[one.read - len(raw):one.read] == raw
            left[one.read - len(raw):one.read] = b" " * len(raw)
    return bytes(left)


@given(st.binary(max_size=400), st.sampled_from([1, 3, 1 << 18]))
def test_any_bytes_after_a_beginning(noise: bytes, chunk_bytes: int) -> None:
    """No bytes crash the reader; all that is no white space, comment or list tag is in an item."""
    with contextlib.suppress(Refused):
        read(noise, chunk_bytes=chunk_bytes)
    items = read(HEAD + noise, chunk_bytes=chunk_bytes)
    assert items == read(HEAD + noise)
    left = covered(HEAD + noise, items)[len(HEAD):]
    if b"<" not in noise:
        assert b"" == left.strip(b" \t\r\n")


@given(st.lists(st.sampled_from([*MARKUP, b"a", b" ", sms().encode(), mms(part()).encode()]),
                max_size=25), st.sampled_from([1, 5, 1 << 18]))
def test_any_markup(pieces: list[bytes], chunk_bytes: int) -> None:
    """Markup in any order is read the same way however it comes, and nothing of it is lost."""
    body = HEAD + b"".join(pieces)
    items = read(body, chunk_bytes=chunk_bytes)
    assert items == read(body)
    left = covered(body, items)
    assert b"<sms " not in left.replace(b"<!--", b"") or b"-->" in left or b"?>" in left
    for one in items:
        if isinstance(one, Found):
            codec.encode(one.event)


@given(st.integers(len(GOOD) // 5, len(GOOD) - 1), st.binary(max_size=6) | st.sampled_from(MARKUP),
       st.integers(0, 40), st.sampled_from([64, 1 << 18]))
@example(GOOD.index(b"<parts>"), b"<!--", 0, 64)
def test_damage_anywhere(at: int, put: bytes, gone: int, chunk_bytes: int) -> None:
    """Everything that ends before a damage is what it was; a damage without markup of comments
    reaches no further than the row it is in and the one after."""
    body = GOOD[:at] + put + GOOD[at + gone:]
    items = read(body, chunk_bytes=chunk_bytes)
    events = [one for one in items if isinstance(one, Found)]
    before = [one for one in ROWS if one.read <= at]
    assert [one.event.raw for one in before] == [one.event.raw for one in events[:len(before)]]
    covered(body, items)
    if not any(mark in put for mark in (b"<", b">", b"-", b"?", b'"', b"'", b"/")):
        starts = [one for one in ROWS if one.read - len(one.event.raw or b"") >= at + gone]
        kept = {one.event.raw for one in events}
        assert all(one.event.raw in kept for one in starts[1:])


@given(st.binary(max_size=200), st.integers(1, 7), st.sampled_from([b"", b"\n", b"&#10;", b" "]))
def test_base64_in_any_pieces(data: bytes, width: int, between: bytes) -> None:
    """A value decodes to what it was made of, wherever it is broken and however it is read."""
    letters = base64.b64encode(data)
    value = between.join(letters[i:i + width] for i in range(0, len(letters), width))
    one = sms_backup_base64.Survey()
    for i in range(0, len(value), width):
        one.feed(value[i:i + width])
    surveyed = one.result()
    assert surveyed == sms_backup_base64.survey(value)
    assert (True, len(data)) == (surveyed.sound, surveyed.size)
    source = io.BytesIO(b"xx" + value + b"yy")
    with sms_backup_base64.opened(source, 2, 2 + len(value)) as stream:
        assert data == b"".join(iter(lambda: stream.read(width), b""))
    assert source.closed


@given(st.binary(max_size=60))
def test_whatever_is_surveyed_as_sound_decodes(value: bytes) -> None:
    """A value that is called sound can be read to its end, in the size that was stated."""
    surveyed = sms_backup_base64.survey(value)
    if surveyed.sound:
        stream = sms_backup_base64.opened(io.BytesIO(value), 0, len(value))
        assert surveyed.size == len(stream.read())


@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
def test_any_value_becomes_text(value: bytes) -> None:
    """Any bytes are a text that can be written down, the same each time."""
    text = text_of(value, "utf-8", set())
    text.encode("utf-8")
    assert not set(text) & {"\0", "\x0b", "\ufffe"}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"],
                             exclude_characters="\ufffe\uffff"), max_size=60))
def test_text_survives_a_telephone(text: str) -> None:
    """What was written comes back, each character above 16 bits as its two references."""
    def spelled(char: str) -> str:
        if char in '<>&"':
            return {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"}[char]
        if ord(char) > 0xFFFF:
            units = char.encode("utf-16-be")
            return "".join(f"&#{int.from_bytes(units[i:i + 2])};" for i in (0, 2))
        return char

    (one,) = read(backup(sms("".join(map(spelled, text)))))
    assert isinstance(one, Found)
    assert text == one.event.text


@pytest.mark.parametrize("piece", [
    b"<!--" + sms().encode(), b"<?" + sms().encode(), b"<sms ", b"<sms a='", b'<mms a="1"><parts>',
    b"<mms><part/>", b"<", b"&", b'"', b"</mms", b"<sms a=", b'<part data="', b"</sms>",
    b"<mms><!--", b'<sms a="1"\n',
])
def test_hostile_repetition_takes_no_longer_than_its_length(piece: bytes) -> None:
    """No beginning without an end makes the rest of the file be searched for it each time."""
    body = HEAD + piece * (200_000 // len(piece))
    covered(body, read(body))
