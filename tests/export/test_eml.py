"""Emails of an export, read back by the standard library's parser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

import pytest

from schemas.errors import Refused
from schemas.events import Attachment, Identity
from search.export import canonical
from search.export.eml import FOLDER, Emails
from search.export.model import Slice
from tests.export.slices import (
    BIDI,
    CHINESE,
    EMOJI,
    FILE_BODY,
    MARKUP,
    NINE,
    RIGHT_TO_LEFT,
    VERY_LONG,
    MemorySink,
    Story,
    autumn_slice,
    counts,
    every_slice,
    group_slice,
    job,
    pair_slice,
    said,
    sink_for,
    slice_of,
    told,
)

GOLDEN = "6a28d6f1276823ac219aa654c4472ad8910bdb416d89a69442a7c8db060fa2c3"


def written(slices: Iterable[Slice], sink: MemorySink | None = None) -> MemorySink:
    """The emails of these slices."""
    slices = list(slices)
    sink, writer = sink or sink_for(slices), Emails()
    writer.begin(job(), sink)
    for one in slices:
        writer.slice(job(), one, sink)
    writer.end(job(), counts(), [one.name for one in slices], sink)
    return sink


def bytes_of(one: Slice, sink: MemorySink | None = None) -> bytes:
    """The email of a slice."""
    return written([one], sink).files[f"{FOLDER}/{one.name}.eml"]


def parsed(one: Slice) -> EmailMessage:
    """The email of a slice, without a defect in any of its parts."""
    found = message_from_bytes(bytes_of(one), policy=policy.default)
    assert isinstance(found, EmailMessage)
    for part in found.walk():
        assert [] == part.defects
        if not part.is_multipart():
            part.get_payload(decode=True)
            assert [] == part.defects
    return found


def record_of(found: EmailMessage) -> dict[str, Any]:
    """The JSON part."""
    (part,) = (one for one in found.iter_attachments()
               if one.get_content_type() == "application/json")
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    said_by: dict[str, Any] = json.loads(body)
    assert canonical.document(said_by) == body
    return said_by


def text_of(found: EmailMessage, kind: str) -> str:
    """The text or the HTML."""
    part = found.get_body((kind,))
    assert part is not None
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def test_the_parts() -> None:
    """Text and HTML as alternatives, then the record, then every file: there or not."""
    found = parsed(pair_slice())
    assert [one.get_content_type() for one in found.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/json",
        "application/pdf", "text/plain", "image/png", "text/plain", "image/png"]


def test_lines() -> None:
    """Every line ends with CRLF and none is longer than an email's may be; all of it is ASCII."""
    for one in every_slice():
        body = bytes_of(one)
        assert body.count(b"\r\n") == body.count(b"\n") == body.count(b"\r")
        assert max(map(len, body.split(b"\r\n"))) <= 100
        assert body.isascii() and b"\x00" not in body


def test_the_headers() -> None:
    """From the custodian to everybody; when it began; what it is called; where it is proved."""
    found = parsed(group_slice())
    assert str(found["From"]) == "Bob Jones <+442079460001@whatsapp.counterfoil.invalid>"
    assert [one.display_name for one in found["To"].addresses] == [
        "Ann Lee", "Bob Jones", "王小明", "نور", "+447700900123"]
    assert found["Subject"] == "Project Ölspur 项目 - WhatsApp - 2026-05-14"
    at = found["Date"].datetime
    assert (at.timestamp() * 1000, at.utcoffset()) == (NINE, timedelta(hours=1))
    assert {name: found[f"X-Archive-{name}"] for name in (
        "Conversation", "Custodian", "Documents", "Records", "Leaves", "Log", "Checkpoint-Size",
        "Checkpoint-Root", "Items", "Withheld", "Gaps", "Export", "Slice")} == {
        "Conversation": "C-0002", "Custodian": "bjones", "Documents": "CF-0000301-CF-0000334",
        "Records": "3010-3061", "Leaves": "7", "Log": "archive.firm.example/log1",
        "Checkpoint-Size": "1234", "Checkpoint-Root": "ab" * 32, "Items": "34", "Withheld": "2",
        "Gaps": "1", "Export": job().export_id, "Slice": group_slice().name}


def test_a_message_id_of_its_content() -> None:
    """It follows from the record, so that other content has another."""
    found = parsed(pair_slice())
    digest = sha256(canonical.document(record_of(found))).hexdigest()
    assert found["Message-ID"] == f"<{digest[:40]}@counterfoil.invalid>"
    assert found["X-Archive-Record-SHA256"] == digest
    other = replace(pair_slice(), items=pair_slice().items[1:])
    assert parsed(other)["Message-ID"] != found["Message-ID"]


def test_no_name_or_title_adds_a_header() -> None:
    """Ends of lines, commas and encoded words in names stay names."""
    evil = Identity("+1\r\nBcc: x@y", "e164", "Eve\r\nBcc: all@example.test, =?utf-8?B?eA==?=")
    one = slice_of([Story((said(NINE, actor=evil),))], parties=(evil,), title="a\nBcc: b",
                   custodian="c\r\nBcc: d", account="e\r\nBcc: f", channel="g\r\nBcc: h")
    found = parsed(one)
    assert not [name for name in found.keys() if name.lower() == "bcc"]  # noqa: SIM118
    assert len(found["To"].addresses) == 1
    assert "".join(found["To"].addresses[0].display_name.split()) == \
        "Eve[U+000D]Bcc:all@example.test,=?utf-8?B?eA==?="
    assert found["Subject"] == "a Bcc: b - g Bcc: h - 2026-05-14"


def test_attachments_are_the_same_bytes() -> None:
    """Under a name that begins with the document id; hash and id stand beside them."""
    found = parsed(pair_slice())
    packed = [(f"{item.document_id}.{file.view.number:03d}", file)
              for item in pair_slice().items for file in item.files]
    parts = [one for one in found.iter_attachments() if one["X-Archive-Document"]]
    assert [identity for identity, _ in packed] == [one["X-Archive-Document"] for one in parts]
    bodies = [one.get_payload(decode=True) for one in parts]
    assert [FILE_BODY, b"first", b""] == [
        body for body, (_, file) in zip(bodies, packed, strict=True) if file.path]
    for part, (identity, file) in zip(parts, packed, strict=True):
        assert (part.get_filename() or "").startswith(identity)
        if file.path:
            assert part["X-Archive-SHA256"] == file.sha256
    assert str(parts[0].get_filename()).endswith("Vertrag_ Müller_合同.pdf")
    assert not [one for one in parts if set("/\\:") & set(one.get_filename() or "")]


def test_a_file_that_is_not_there() -> None:
    """A small text in its place says why."""
    (part,) = (one for one in parsed(slice_of(told(["attachment_unavailable"]))).iter_attachments()
               if one["X-Archive-Document"])
    assert part.get_filename() == "CF-0000001.001_UNAVAILABLE.txt"
    assert "could not be fetched: expired" in part.get_content()
    assert "1234 bytes" in part.get_content()


def test_an_attachment_that_changed_is_refused() -> None:
    """Bytes that are not those that were packed never go out under their name."""
    one = slice_of(told(["attachment"]))
    sink = sink_for([one])
    (path,) = sink.files
    sink.files[path] = FILE_BODY + b"!"
    with pytest.raises(Refused, match=r"CF-0000001\.001"):
        Emails().slice(job(), one, sink)


def test_large_files_go_out_in_pieces() -> None:
    """More than is held at once is the same email, and its file the same bytes."""
    body = bytes(range(251)) * 40_000
    one = slice_of([Story((said(NINE, attachments=(
        Attachment("f", "video/mp4", "long.mp4"),)),), (body,))])
    sink = sink_for([])
    sink.put(one.items[0].files[0].path, body)
    appended: list[int] = []

    class Watched(MemorySink):
        """Counts what is appended."""

        def append(self, path: str, body: bytes) -> None:
            appended.append(len(body))
            super().append(path, body)

    found = message_from_bytes(bytes_of(one, Watched(sink.files)), policy=policy.default)
    assert len(appended) > 1 and max(appended) < 10 << 20
    assert list(found.iter_attachments())[-1].get_payload(decode=True) == body


def test_every_script_in_text_and_html() -> None:
    """What people wrote stands in both; in the HTML it is text and turns nothing."""
    found = parsed(group_slice())
    plain, html = text_of(found, "plain"), text_of(found, "html")
    for words in (RIGHT_TO_LEFT, EMOJI, CHINESE, VERY_LONG):
        assert f"    {words}\n" in plain
        assert words in html
    assert f"    {BIDI}\n" in plain
    assert "\u202e" not in html and "[RLO]</bdi>gnp.exe" in html
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "    " + MARKUP.replace("\n", "\n    ") in plain
    assert not re.search(r"https?://(?!example\.test)|src=|href=", html)


def test_gaps_and_what_was_withheld_are_said_in_their_place() -> None:
    """Between the items of nine o'clock and of ten past nine, in text and HTML."""
    found = parsed(group_slice())
    for kind in ("plain", "html"):
        text = text_of(found, kind)
        places = [text.index(one) for one in (
            "CF-0000301: ", "Gap of capture from Thu 14 May 2026 09:05:00", "CF-W-0001: ",
            "CF-W-0002: ", "CF-0000302: ")]
        assert places == sorted(places)
        assert "privileged; legal advice" in text


def test_the_record() -> None:
    """Every item with its documents, records, leaves, versions and states, untouched."""
    found = record_of(parsed(group_slice()))
    assert [one["document"] for one in found["items"]] == [
        item.document_id for item in group_slice().items]
    for said_of, item in zip(found["items"], group_slice().items, strict=True):
        assert [(one["record"], one["leaf"], one["datum_sha256"]) for one in said_of["records"]] \
            == [(one.number, one.leaf, sha256(one.datum).hexdigest()) for one in item.records]
        assert [(one["kind"], one["text"]) for one in said_of["versions"]] == [
            (one.kind, one.text) for one in item.view.versions]
        assert {one["record"] for one in said_of["versions"]} <= {
            one.number for one in item.records}
        assert said_of["state"] == item.view.hit.state
        assert [(one["sha256"], one["path"]) for one in said_of["files"]] == [
            (one.sha256 or None, one.path or None) for one in item.files]
    assert [one["document_id"] for one in found["withheld"]] == ["CF-W-0001", "CF-W-0002"]
    assert [one["reason"] for one in found["gaps"]] == ["spool_overflow"]


def test_a_day_without_items() -> None:
    """All of it withheld: an email of that day that says so."""
    one = replace(group_slice(), items=())
    found = parsed(one)
    assert found["Date"].datetime.isoformat() == "2026-05-14T00:00:00+01:00"
    assert "CF-W-0001" in text_of(found, "plain")
    assert "X-Archive-Documents" not in found


@pytest.mark.parametrize("at", [10**17, -(10**14)])
def test_a_time_that_no_email_can_say(at: int) -> None:
    """The day of the slice stands for it; the record has the number."""
    one = slice_of(told(["plain"]))
    one = replace(one, items=(replace(one.items[0], at=at),))
    found = parsed(one)
    assert found["Date"].datetime.isoformat() == "2026-05-14T00:00:00+01:00"
    assert record_of(found)["items"][0]["at"] == at


def test_a_long_file_name_is_cut_and_counted() -> None:
    """Its end stays; the record has all of it."""
    name = "合" * 200 + ".pdf"
    one = slice_of([Story((said(NINE, attachments=(
        Attachment("f", "application/pdf", name),)),), (FILE_BODY,))])
    sink = written([one])
    assert sink.notes["email: a file's name was cut; the JSON has all of it"] == 1
    found = parsed(one)
    assert list(found.iter_attachments())[-1].get_filename() == f"CF-0000001.001 {'合' * 76}.pdf"
    assert record_of(found)["items"][0]["files"][0]["name"] == name


def test_both_half_past_ones() -> None:
    """In the night of two half past ones, UTC tells them apart."""
    text = text_of(parsed(autumn_slice()), "plain")
    assert "01:30:00 (2026-10-25 00:30:00.000 UTC)" in text
    assert "01:30:00 (2026-10-25 01:30:00.000 UTC)" in text


def test_the_same_bytes() -> None:
    """Two runs give one email, and it is the one of yesterday."""
    assert written(every_slice()).files == written(every_slice()).files
    small = slice_of(told(["edit_chain", "retracted", "emoji", "attachment"]))
    assert sha256(bytes_of(small)).hexdigest() == GOLDEN
