"""The numbered hard cases of phone backups, 56 to 59."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.adapters.sms_backup import SmsBackup
from schemas.errors import Refused
from tests.ingest.sms_backup_files import (
    FIXTURES,
    backup,
    found,
    imported,
    mms,
    part,
    read,
    remarks,
    sms,
    unreadable,
)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 64, 1 << 18])
def test_case_56_references_that_are_no_xml(chunk_bytes: int) -> None:
    """An emoji written as two references is one character; halves of one and `&#0;` become U+FFFD;
    each repair is named, and the bytes stay what they were, however the file is read."""
    rows = (sms("a &#55357;&#56832; b &#xD83D;&#56833;"), sms("half &#55357; of one"),
            sms("&#56832;&#55357;"), sms("nul &#0; and &#11; and &#1114112;"), sms("&#10;plain"))
    body = backup(*rows)
    events = found(read(body, chunk_bytes=chunk_bytes))
    assert ["a \U0001f600 b \U0001f601", "half \ufffd of one", "\ufffd\ufffd",
            "nul \ufffd and \ufffd and \ufffd", "\nplain"] == [one.event.text for one in events]
    assert [("surrogates_joined",), ("lone_surrogate_replaced",), ("lone_surrogate_replaced",),
            ("control_replaced",), ()] == [one.repairs for one in events]
    assert [(), ("lone_surrogate_replaced",), ("lone_surrogate_replaced",), ("bytes_replaced",),
            ()] == [one.event.observations for one in events]
    assert [row.encode() for row in rows] == [one.event.raw for one in events]


def test_case_56_in_the_parts_of_an_mms() -> None:
    """The text of a part is put right in the same way."""
    (one,) = found(read(backup(mms(part("text/plain", text="hi &#55357;&#56833; &#0;")))))
    assert "hi \U0001f601 \ufffd" == one.event.text
    assert ("control_replaced", "surrogates_joined") == one.repairs


def test_case_57_everything_before_the_cut() -> None:
    """A file that ends anywhere gives all that is whole before its end, says that it is cut off,
    that its count is another, and keeps the bytes of what was being written."""
    body = (FIXTURES / "messages.xml").read_bytes()
    whole = found(read(body))
    root = body.index(b"<smses") + body[body.index(b"<smses"):].index(b">") + 1
    for cut in range(root, len(body.rstrip()), 97):
        items = read(body[:cut])
        events = found(items)
        ends = [one.read for one in whole if one.read <= cut]
        # The file's own hash is another: all else of an event is what the whole file gives.
        assert [replace(one.event, provenance_sha256=b"") for one in whole[:len(ends)]] == [
            replace(one.event, provenance_sha256=b"") for one in events]
        assert ["cut_off"] == [code for code in remarks(items) if code != "count_mismatch"]
        # The row that is cut counts, where enough of it is left to see that it is one.
        assert len(ends) >= 8 or "count_mismatch" in remarks(items)
        rest = body[ends[-1] if ends else root:cut].strip()
        assert rest == b"".join(one.raw for one in unreadable(items)).strip()


def test_case_57_count_is_compared() -> None:
    """A count that is not the file's is told; it is no reason to take less."""
    items = read(backup(sms(), sms("b"), count=7))
    assert ["count_mismatch"] == remarks(items)
    assert 2 == len(found(items))
    assert [] == remarks(read(backup(sms(), sms("b"))))


def test_case_58_unit_by_magnitude() -> None:
    """Seconds where milliseconds are usual, and the other way round, are the same instant."""
    rows = (sms("ms", "1717401600123"), sms("s", "1717401600"),
            mms(part("text/plain", text="a"), date="1717402020000", date_sent="1717402019"),
            mms(part("text/plain", text="b"), date="1717402020000", date_sent="1717402019000"),
            mms(part("text/plain", text="c"), date="1717402020", date_sent="0"))
    events = [one.event for one in found(read(backup(*rows)))]
    assert [(1717401600123, "ms"), (1717401600000, "s"), (1717402020000, "s"),
            (1717402020000, "s"), (1717402020000, "s")] == [
                (one.occurred_at, one.occurred_precision) for one in events]
    assert [(), ("time_unit_guessed",), (), (), ("time_unit_guessed",)] == [
        one.observations for one in events]
    assert [None, None, "1717402019000", "1717402019000", None] == [
        one.detail("date_sent_ms") for one in events]
    assert ["1717402019", "1717402019000"] == [one.detail("date_sent") for one in events[2:4]]


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 18])
@pytest.mark.parametrize("prolog", [
    b'<?xml version="1.0"?><!DOCTYPE smses [<!ENTITY a "b">]>',
    b'<!DOCTYPE smses SYSTEM "file:///etc/passwd">',
    b'<!-- harmless --><!DOCTYPE smses [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>',
    b"\xef\xbb\xbf<!ENTITY x 'y'>",
])
def test_case_59_document_type_is_refused(prolog: bytes, chunk_bytes: int) -> None:
    """A file with a DTD is refused as a whole, before anything of it is taken."""
    body = prolog + b'<smses count="1">' + sms("&b;").encode() + b"</smses>"
    with pytest.raises(Refused, match="document type"):
        read(body, chunk_bytes=chunk_bytes)


def test_case_59_nothing_is_ever_expanded() -> None:
    """A reference to an entity that is not XML's own stays as it is written."""
    (one,) = found(read(backup(sms("&lol; &amp;lol; & so"))))
    assert "&lol; &lol; & so" == one.event.text
    assert ("reference_kept",) == one.repairs


def test_case_59_refused_files_are_recognised() -> None:
    """The reader takes such a file as its own, so that it is refused with the reason."""
    assert SmsBackup().recognises(imported(b'<!DOCTYPE smses [<!ENTITY a "b">]><smses/>'))
