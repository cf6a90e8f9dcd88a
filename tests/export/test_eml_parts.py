"""The grammar of our emails, read back by the standard library's parser."""

from __future__ import annotations

import io
import unicodedata
from base64 import b64decode
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.export import eml_parts as parts

TEXT = st.text(alphabet=st.one_of(
    st.sampled_from("\r\n\t\x00\x0b\x85\u2028 =?\"\\<>@,;:()'%*_"), st.characters(codec="utf-8")))


def parsed(*headers: str) -> EmailMessage:
    """A message of these headers, checked: CRLF alone, short lines, no defects."""
    body = "".join(headers).encode("ascii")
    assert body.count(b"\r\n") == body.count(b"\n") == body.count(b"\r")
    assert max(map(len, body.split(b"\r\n"))) <= parts.LINE_MAX
    found = message_from_bytes(body + b"\r\nbody", policy=policy.default)
    assert [] == found.defects
    assert found.get_content() == "body"
    return found


def cleaned(text: str) -> str:
    """White space and control characters as single spaces."""
    return " ".join("".join(" " if unicodedata.category(one) == "Cc" else one
                            for one in text).split())


def mailboxes(body: bytes) -> list[tuple[str, str]]:
    """(name, address) of the first header, its encoded words joined as RFC 2047 says."""
    value = str(message_from_bytes(body)["To"]).replace("\r\n", "")
    return [(str(make_header(decode_header(name))) if "=?" in name else name, address)
            for name, address in getaddresses([value])]


@given(TEXT)
@example("Subject\r\nBcc: everybody@example.test")
@example("=?utf-8?B?aGFjaw==?=")
@example("合同 " * 60)
@example("x" * 300)
def test_any_text_is_one_header(text: str) -> None:
    """It reads back as it was, and no other header came with it."""
    found = parsed(parts.header("Subject", text), parts.header("X-Last", "end"))
    assert found.keys() == ["Subject", "X-Last"]
    assert cleaned(found["Subject"]) == cleaned(cleaned(text))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@example([("Lee, Ann", "+1"), ('a "b" \\ <c@d>', "x y"), ("نور", "王小明"), ("", "")])
@example([("word " * 80, "1" * 200)])
def test_any_names_are_so_many_mailboxes(people: list[tuple[str, str]]) -> None:
    """As many addresses as people, each with its own name."""
    given_people = [(name, f"{parts.local_part(native)}@chat.counterfoil.invalid")
                    for name, native in people]
    found = parsed(parts.addresses("To", given_people))
    assert found.keys() == ["To"]
    assert [address for _, address in given_people] == [
        one.addr_spec for one in found["To"].addresses]
    assert [(cleaned(name), address) for name, address in given_people] == mailboxes(
        parts.addresses("To", given_people).encode())


@given(TEXT)
@example("Vertrag: Müller 合同 " * 12 + ".pdf")
@example("100%'*.txt")
def test_any_file_name(name: str) -> None:
    """Short or long, in any script, a parameter reads back as it was."""
    found = parsed(parts.disposition("attachment", name))
    assert found.get_content_disposition() == "attachment"
    assert (found.get_filename() or "") == cleaned(name)


@given(st.text(max_size=200), st.text(max_size=200))
def test_an_address_is_one_persons(one: str, other: str) -> None:
    """Two ids never share an address, and it is an atom of at most 40 characters."""
    assert (parts.local_part(one) == parts.local_part(other)) == (one == other or (
        {one, other} == {"", "unknown"}))
    assert 0 < len(parts.local_part(one)) <= 40


@pytest.mark.parametrize(("said", "kind"), [
    ("image/jpeg", "image/jpeg"), ("IMAGE/JPEG; name=x", "image/jpeg"), (None, parts.OCTETS),
    ("", parts.OCTETS), ("jpeg", parts.OCTETS), ("image/jp\r\nBcc: x", parts.OCTETS),
    ("message/rfc822", parts.OCTETS), ("multipart/mixed", parts.OCTETS),
    ("text/html", "text/html"), ("a/" + "b" * 100, parts.OCTETS),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation",
     "application/vnd.openxmlformats-officedocument.presentationml.presentation")])
def test_a_media_type_that_a_source_stated(said: str | None, kind: str) -> None:
    """Only what is one is taken over; never one whose body would have to be an email."""
    assert parts.safe_type(said) == kind
    header = parts.content(kind).encode()
    assert len(header) <= parts.LINE_MAX
    assert message_from_bytes(header + b"\r\n", policy=policy.default).get_content_type() == kind


@pytest.mark.parametrize("at", [
    datetime(2026, 5, 14, 9, 15, 20, tzinfo=timezone(timedelta(hours=1))),
    datetime(2026, 2, 1, 23, 59, 59, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    datetime(1999, 12, 31, tzinfo=UTC),
])
def test_dates(at: datetime) -> None:
    """They read back with their offset."""
    found = parsedate_to_datetime(parts.date(at))
    assert found == at
    assert found.utcoffset() == at.utcoffset()


def test_a_date_of_an_odd_offset_is_in_utc() -> None:
    """An offset with seconds has no form in an email."""
    odd = timezone(timedelta(minutes=-1, seconds=-15))
    assert parts.date(datetime(1910, 1, 1, tzinfo=odd)) == "Sat, 01 Jan 1910 00:01:15 +0000"


@given(st.binary(max_size=400))
def test_bodies(body: bytes) -> None:
    """Lines of at most 76 characters that decode to the same bytes."""
    made = parts.encoded(body)
    assert b64decode(made) == body
    assert all(len(line) <= 76 for line in made.split(b"\r\n"))


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, (57 << 14) - 1, 57 << 14, (57 << 14) + 100])
def test_bodies_in_pieces(size: int) -> None:
    """A file that is encoded piece by piece gives the same lines, however it is read."""
    class Slow(io.BytesIO):
        """Gives less than it was asked for."""

        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100_003))

    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert b"".join(map(parts.encoded, parts.pieces(Slow(body)))) == parts.encoded(body)
