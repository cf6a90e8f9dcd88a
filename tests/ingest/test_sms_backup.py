"""Phone backups: what rows become, what is known again, and what of a broken one is kept."""

from __future__ import annotations

import base64
import hashlib
import io
import json

import pytest

from ingest.adapters.sms_backup import SmsBackup
from ingest.imports import KNOWN, NEW, NOTED, ImportedFile, Remark
from schemas import events, findings, identity
from schemas.errors import Refused
from schemas.events import Identity
from tests.ingest.sms_backup_files import (
    FIXTURES,
    OWN,
    PEER,
    Remembered,
    addr,
    answers,
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

MESSAGES = (FIXTURES / "messages.xml").read_bytes()
CALLS = (FIXTURES / "calls.xml").read_bytes()
ERIKA = Identity(PEER, "e164", "Erika Muster")


def test_rows_of_every_kind() -> None:
    """Text with references, emoji, Chinese and Arabic; the box gives the direction."""
    items = found(read(MESSAGES))
    assert [
        ('Sell it at 10 & not at <9>\n"today"', events.IN, "inbox"),
        ("\U0001f600 ok", events.OUT, "sent"),
        ("Notiz\n你好，世界", events.IN, "inbox"),
        ("مرحبا بالعالم", events.IN, "inbox"),
        ("null", events.IN, "inbox"),
        ("never sent", events.OUT, "draft"),
        ("did not go", events.OUT, "failed"),
        ("see \U0001f601", events.IN, "inbox"),
        ("Hallo\nhi", events.OUT, "sent"),
    ] == [(one.event.text, one.event.direction, one.event.detail("box")) for one in items]
    assert [] == unreadable(read(MESSAGES))
    assert [] == remarks(read(MESSAGES))


def test_every_event_says_where_it_is_from() -> None:
    """Who handed the file in and which file it was stand beside each event; its bytes are those of
    the file; nothing is observed that has no name."""
    for body in (MESSAGES, CALLS):
        for one in found(read(body)):
            event = one.event
            assert (events.CUSTODIAN_SUPPLIED, "olga", hashlib.sha256(body).digest()) == (
                event.provenance, event.provenance_who, event.provenance_sha256)
            assert event.raw is not None and event.raw in body
            assert ("sms", OWN, "sms-backup/1") == (event.channel, event.account, event.source)
            assert set(event.observations) <= set(findings.OBSERVATIONS)
            assert body[:one.read].endswith(event.raw)


def test_sides_are_named_as_at_the_providers_door() -> None:
    """The conversation is Twilio's pair; the national spelling is the same person, because the
    owner's number says the country; the name is that of the contacts."""
    first, second = (one.event for one in found(read(MESSAGES))[:2])
    assert identity.pair(OWN, PEER) == first.conversation == second.conversation
    assert (ERIKA, (Identity(OWN, "e164"),)) == (first.actor, first.participants)
    assert (Identity(OWN, "e164"), (ERIKA,)) == (second.actor, second.participants)
    assert "device_received" == first.occurred_meaning
    assert "sent" == second.occurred_meaning


def test_custodian_has_the_name_that_was_given() -> None:
    """`me` is how the owner of the telephone is shown."""
    items = list(SmsBackup().read(imported(MESSAGES), answers(me="Ann"), Remembered()))
    assert Identity(OWN, "e164", "Ann") == found(items)[1].event.actor


def test_without_an_account_nothing_is_guessed() -> None:
    """No number of one's own: account "" (unassigned), a documented conversation, numbers as they
    are written, the direction still known."""
    first, second, *_ = (one.event for one in found(read(MESSAGES, account=None)))
    assert ("", f"pair:{PEER}|unknown", events.IN) == (
        first.account, first.conversation, first.direction)
    assert ("pair:01555 0100001|unknown", None, events.OUT) == (
        second.conversation, second.actor, second.direction)
    assert (Identity("01555 0100001", "unknown", "Erika Muster"),) == second.participants


@pytest.mark.parametrize(("written", "expected"), [
    ("+49 (1555) 010-0001", Identity(PEER, "e164")),
    ("01555 0100001", Identity(PEER, "e164")),
    ("72404", Identity("72404", "short_code")),
    ("BANK", Identity("BANK", "name")),
    ("a@example.com", Identity("a@example.com", "unknown")),
    ("null", None),
    ("", None),
])
def test_addresses(written: str, expected: Identity | None) -> None:
    """Numbers in every spelling, short codes, senders' names, mail addresses, nobody."""
    (one,) = found(read(backup(sms(address=written))))
    assert expected == one.event.actor


def test_the_word_null_is_kept_and_marked() -> None:
    """A body "null" is absent or was typed: the text stays, and says that it is open."""
    event = found(read(MESSAGES))[4].event
    assert ("null", ("ambiguous_marker",)) == (event.text, event.observations)
    assert all(value != "null" for one in found(read(MESSAGES)) for _, value in one.event.details)


def test_details_are_the_rows_own_facts() -> None:
    """Columns are kept under their names, unknown ones apart; what the owner of the telephone does
    later (read, locked) tells no message from itself."""
    (one,) = found(read(backup(sms(status="64", service_center="+49", rcs="7", read="1", _id="9"))))
    assert {("status", "64"), ("service_center", "+49"), ("backup.rcs", "7"), ("type", "1"),
            ("box", "inbox"), ("protocol", "0"), ("date_sent", "0")} == set(one.event.details)


def test_group_mms() -> None:
    """A group is its members, named as Twilio's is; the sender is the From address; layout is no
    attachment; other parts are, with their bytes."""
    one = found(read(MESSAGES))[7]
    event = one.event
    assert identity.group("|".join(sorted((OWN, PEER, "+4915550100002")))) == event.conversation
    assert Identity("+4915550100002", "e164") == event.actor
    assert {OWN, PEER} == {who.native_id for who in event.participants}
    assert [("image/jpeg", "a.jpg", 4, "pending"), ("text/x-vcard", "max.vcf", 11, "pending")] == [
        (a.media_type, a.name, a.size, a.state) for a in event.attachments]
    assert [(0, "a.jpg", b"\x01\x02\x03\xfa"), (1, "max.vcf", b"BEGIN:VCARD")] == [
        (member.attachment, member.name, member.open().read()) for member in one.members]
    assert ("mid-1@mmsc", "tr-1", "1", PEER) == tuple(
        event.detail(name) for name in ("m_id", "tr_id", "mms", "cc"))
    assert ("media_pending",) == event.observations


def test_mms_to_one_is_their_conversation() -> None:
    """The token is oneself, as sender and as recipient."""
    parts = part("text/plain", text="hi")
    rows = (mms(parts, addr("insert-address-token", "137") + addr(PEER, "151"), msg_box="2"),
            mms(parts, addr(PEER, "137") + addr("insert-address-token", "151")),
            mms(parts, addr("01555 0100001", "137") + addr(OWN, "151"), address="null"))
    sent, got, bare = (one.event for one in found(read(backup(*rows))))
    assert {identity.pair(OWN, PEER)} == {one.conversation for one in (sent, got, bare)}
    assert (OWN, PEER, PEER) == tuple(
        one.actor.native_id if one.actor else None for one in (sent, got, bare))
    assert (events.OUT, events.IN, events.IN) == (sent.direction, got.direction, bare.direction)


def test_parts_without_readable_bytes_are_facts() -> None:
    """A part that the backup left out and one that is no base64 are failed attachments with their
    reason; the message stays."""
    (one,) = found(read(backup(mms(
        part("text/plain", text="look") + part(cl="gone.jpg") + part(cl="bad.jpg", data="A*BC")
        + part(cl="null.jpg", data="null") + part(cl="ok.jpg", data="QUJD")))))
    assert "look" == one.event.text
    assert [("gone.jpg", "failed"), ("bad.jpg", "failed"), ("null.jpg", "failed"),
            ("ok.jpg", "pending")] == [(a.name, a.state) for a in one.event.attachments]
    assert all(a.reason for a in one.event.attachments if a.state == "failed")
    assert [3] == [member.attachment for member in one.members]


def test_text_in_data_is_text_too() -> None:
    """A long text that a telephone keeps as a file is read in its character set."""
    (one,) = found(read(backup(mms(
        part("text/plain", chset="106", data=base64.b64encode("Grüße".encode()).decode())
        + part("text/plain", chset="4", data=base64.b64encode(b"\xfc").decode())))))
    assert "Grüße\nü" == one.event.text
    assert [0, 1] == [member.attachment for member in one.members]


def test_calls() -> None:
    """Calls are in their conversation; their type is direction and detail, duration too; who
    withheld the number is nobody."""
    items = found(read(CALLS))
    assert {events.CALL} == {one.event.kind for one in items}
    assert [("incoming", events.IN), ("outgoing", events.OUT), ("missed", events.IN),
            ("voicemail", events.IN), ("rejected", events.IN), ("refused", events.IN),
            ("missed", events.IN), (None, None)] == [
                (one.event.detail("call"), one.event.direction) for one in items]
    assert ["61", "12", "0"] == [one.event.detail("duration") for one in items[:3]]
    assert identity.pair(OWN, PEER) == items[0].event.conversation
    assert (ERIKA, Identity(OWN, "e164")) == (items[0].event.actor, items[1].event.actor)
    assert (None, identity.pair(OWN, "unknown"), ("phone_absent",)) == (
        items[6].event.actor, items[6].event.conversation, items[6].event.observations)
    assert ("phone_absent", "unknown_type") == items[7].event.observations


def test_reading_again_finds_nothing_new() -> None:
    """The same file and one that overlaps it bring known events with the same ids."""
    ledger = Remembered()
    first = read(MESSAGES, ledger=ledger)
    again = read(MESSAGES, ledger=ledger)
    assert [NEW] * 9 == [one.how for one in found(first)]
    assert [KNOWN] * 9 == [one.how for one in found(again)]
    # Another backup: other formatting, other names, marked as read, later rows, other order.
    rows = MESSAGES.decode().split("\n")
    later = "\n".join([rows[0], '<smses count="4">', sms("new", "1717500000000"),
                       rows[6].replace('read="0"', 'read="1"').replace("(Unknown)", "Max"),
                       rows[5], rows[4].replace(" />", "/>"), "</smses>"]).encode()
    assert [NEW, KNOWN, KNOWN, KNOWN] == [one.how for one in found(read(later, ledger=ledger))]


def test_equals_are_counted() -> None:
    """Three "ok" of one moment are three, the same three in every backup that has them."""
    ledger = Remembered()
    ok = sms("ok")
    ids = [identity.event_id(one.event)
           for one in found(read(backup(ok, ok, sms("no"), ok), ledger=ledger))]
    assert 4 == len(set(ids))
    more = found(read(backup(sms("first"), ok, ok, ok, ok), ledger=ledger))
    assert [NEW, KNOWN, KNOWN, KNOWN, NEW] == [one.how for one in more]
    assert {*ids} > {identity.event_id(one.event) for one in more[1:4]}


def test_unit_and_spelling_do_not_change_the_id() -> None:
    """The same message with its date in seconds, or its number in national form, is known."""
    ledger = Remembered()
    read(backup(sms("hi", "1717401600000")), ledger=ledger)
    again = backup(sms("hi", "1717401600", address="01555 0100001", extra="1"))
    assert [KNOWN] == [one.how for one in found(read(again, ledger=ledger))]


def test_message_that_left_the_outbox_is_one_message() -> None:
    """Another box is another event about the same message."""
    ledger = Remembered()
    waiting, sent = (found(read(backup(sms(type=kind)), ledger=ledger))[0] for kind in "42")
    assert (NEW, NEW) == (waiting.how, sent.how)
    assert identity.event_id(waiting.event) != identity.event_id(sent.event)
    assert identity.message_key(waiting.event) == identity.message_key(sent.event)


def test_mms_of_one_id_with_other_parts_is_no_new_message() -> None:
    """A backup without pictures, then one with them: the fact is noted, the id is the same. The
    same id at another time is another message: centres repeat themselves."""
    ledger = Remembered()
    rows = [mms(part("text/plain", text="x") + picture, m_id="same", date=date)
            for picture, date in (("", "1717402020000"), (part(data="QUJD"), "1717402020000"),
                                  (part(data="QUJD"), "1717402020000"), ("", "1717402090000"))]
    items = [one for row in rows for one in found(read(backup(row), ledger=ledger))]
    assert [NEW, NOTED, KNOWN, NEW] == [one.how for one in items]
    keys = [identity.event_id(one.event) for one in items]
    assert keys[0] == keys[1] == keys[2] != keys[3]


def test_ledger_is_told_after_the_event_was_taken() -> None:
    """Who stops after an event and saves has not saved it as read: it comes again, as new."""
    ledger = Remembered()
    items = SmsBackup().read(imported(MESSAGES), answers(), ledger)
    next(items)
    assert set() == ledger.facts
    next(items)
    assert 1 == len(ledger.facts)
    assert [KNOWN] + [NEW] * 8 == [one.how for one in found(read(MESSAGES, ledger=ledger))]


@pytest.mark.parametrize("broken", [
    '<sms address="+1" date="1717401600123" body="no type" />',
    '<sms date="1717401600123" type="1" body="no address" />',
    sms("bad date", "yesterday"),
    sms("negative", "-5"),
    '<sms address="+1" date= body="no value" />',
    '<sms address="+1" date="1 type="1" body="quote missing" />',
    '<sms address="+1" date="1717401600123" type="1" body="never closed" >',
    '<sms address="+1" <b> />',
    '<mms address="+1"><parts></parts></mms>',
    '<mms address="+1" date="1717402020000"><parts><part seq="0" ct= /></parts></mms>',
    '<mms address="+1" date="1717402020000"><parts>',
    '<mms address="+1" date="1717402020000"><parts>text</parts></mms>',
    "<note>of another program</note>",
    "stray words",
    "<![CDATA[<not>]]>",
    '<!DOCTYPE late [<!ENTITY a "b">]>',
    '<call date="1717401600123" type="1" />',
])
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 18])
def test_one_broken_row_is_alone(broken: str, chunk_bytes: int) -> None:
    """What cannot be read is kept with its bytes and place; the rows beside it are unharmed."""
    body = backup(sms("before"), broken, sms("after", address="+4915550100002"))
    items = read(body, chunk_bytes=chunk_bytes)
    assert ["before", "after"] == [one.event.text for one in found(items)]
    kept = unreadable(items)
    assert broken.encode() == b"".join(one.raw for one in kept)
    assert all(one.reason and one.raw == body[one.start:one.end] for one in kept)


def test_number_that_is_no_time_stays_a_message() -> None:
    """A date of 0 is a fact about the telephone: the text is kept, without a time."""
    (one,) = found(read(backup(sms("x", "0"))))
    assert (None, None, ("time_unusable",), "0") == (
        one.event.occurred_at, one.event.occurred_meaning, one.event.observations,
        one.event.detail("date"))


def test_what_somebody_forgot_to_escape_is_read() -> None:
    """A bare `<` or `&` in a text is no reason to lose it; it is named as a repair."""
    (one,) = found(read(backup(sms("I <3 you & me"))))
    assert ("I <3 you & me", ("less_than_raw", "reference_kept")) == (one.event.text, one.repairs)


def test_attributes_in_other_spellings() -> None:
    """Single quotes, line breaks between attributes and an end tag of its own are XML too."""
    row = (f"<sms\n\taddress='{PEER}'\r\n date = '1717401600123' type='1' "
           "body='say \"hi\"' contact_name='A'></sms>")
    (one,) = found(read(backup(row)))
    assert 'say "hi"' == one.event.text
    assert row.encode() == one.event.raw


def test_two_lists_in_one_file() -> None:
    """Backups that were put together are read to the end; what lies outside a list is told."""
    body = backup(sms("a")) + backup(sms("b"), count=2) + sms("c").encode()
    items = read(body)
    assert ["a", "b", "c"] == [one.event.text for one in found(items)]
    assert ["count_mismatch", "after_end"] == remarks(items)


@pytest.mark.parametrize(("declared", "spelled"), [
    ("utf-8", "Gr\u00fc\u00dfe".encode()), ("UTF-8", "Gr\u00fc\u00dfe".encode()),
    ("ISO-8859-1", b"Gr\xfc\xdfe"), ("windows-1252", b"Gr\xfc\xdfe"),
])
def test_declared_encodings(declared: str, spelled: bytes) -> None:
    """What is declared is how it is read; a byte order mark is no text."""
    body = (f'<?xml version="1.0" encoding="{declared}"?><smses count="1">'.encode()
            + sms("@@").encode().replace(b"@@", spelled) + b"</smses>")
    for mark in (b"", b"\xef\xbb\xbf"):
        (one,) = found(read(mark + body))
        assert ("Gr\u00fc\u00dfe", ()) == (one.event.text, one.repairs)


@pytest.mark.parametrize("body", [
    b"", b"   ", b"<", b"<smses", b"hello", b"<html><body/></html>", b"\x00\x01", b"{}",
    backup(sms()).decode().encode("utf-16"),
    backup(sms()).replace(b"UTF-8", b"Shift_JIS"),
    sms().encode(),
])
def test_other_files_are_refused(body: bytes) -> None:
    """What is no backup, or is in an encoding that is not read, is refused with the reason."""
    with pytest.raises(Refused):
        read(body)


def test_invalid_utf_8_is_replaced_and_named() -> None:
    """Bytes that are no text become U+FFFD; surrogates that were spelled as bytes join."""
    body = backup(sms("@1"), sms("@2")).replace(b"@1", b"a\xff\xfeb").replace(
        b"@2", b"\xed\xa0\xbd\xed\xb8\x80")
    first, second = found(read(body))
    assert ("a\ufffd\ufffdb", ("bytes_replaced",)) == (first.event.text, first.repairs)
    assert ("\U0001f600", ("surrogates_joined",)) == (second.event.text, second.repairs)


@pytest.mark.parametrize(("name", "body", "expected"), [
    ("sms.xml", MESSAGES, True), ("calls.xml", CALLS, True), ("x.bin", b"\xef\xbb\xbf" + CALLS,
                                                              True),
    ("sms.xml", backup(sms()).decode().encode("utf-16"), True),
    ("chat.txt", b"[05/06/24, 10:00:00] Ann: <smses>", False), ("sms.xml", b"<html/>", False),
    ("sms.xml", b"", False), ("sms.xml", b"\x00\xff", False), ("x.zip", b"PK\x03\x04", False),
])
def test_recognises_its_files(name: str, body: bytes, expected: bool) -> None:
    """A file is known by its root, whatever its name is."""
    assert expected == SmsBackup().recognises(imported(body, name))


def test_empty_list() -> None:
    """A backup of nothing is read without a word."""
    assert [] == read(backup()) == read(b'<smses count="0"/>') == read(b"<calls></calls>")


def test_long_picture_is_not_in_the_raw_bytes() -> None:
    """A large picture is cut out of the raw bytes, which say where, how long and what hash; it and
    they give the file's own bytes again. How the file was read makes no difference."""
    picture = bytes(range(256)) * 1000
    value = base64.b64encode(picture)
    small = part("text/plain", text="look") + part(data="QUJD")
    body = backup(sms("before"), mms(small + part(cl="big.jpg", data=value.decode())), sms("after"))
    seen = []
    for chunk_bytes in (1000, 70_000, 1 << 20):
        items = read(body, chunk_bytes=chunk_bytes)
        assert ["before", "look", "after"] == [one.event.text for one in found(items)]
        one = found(items)[1]
        seen.append(one.event)
        cut = json.loads(one.event.detail("raw_cut.0") or "")
        raw = one.event.raw or b""
        assert raw[:cut["at"]] + value + raw[cut["at"]:] in body
        assert (len(value), hashlib.sha256(value).hexdigest()) == (cut["bytes"], cut["sha256"])
        assert [b"ABC", picture] == [member.open().read() for member in one.members]
        assert [3, len(picture)] == [member.size for member in one.members]
    assert seen[0] == seen[1] == seen[2]


def test_long_picture_that_is_damaged_is_kept() -> None:
    """Its bytes go to quarantine, because neither event nor attachment holds them."""
    value = "QUJD" * 50_000 + "!"
    body = backup(mms(part("text/plain", text="look") + part(data=value)), sms("after"))
    for chunk_bytes in (1000, 1 << 20):
        items = read(body, chunk_bytes=chunk_bytes)
        first, after = found(items)
        assert ("look", "failed", "after") == (
            first.event.text, first.event.attachments[0].state, after.event.text)
        assert value.encode() == b"".join(one.raw for one in unreadable(items))
        assert {first.event.attachments[0].native_id} == {one.member for one in unreadable(items)}


@pytest.mark.parametrize("chunk_bytes", [1000, 1 << 20])
def test_large_ruin_is_kept_in_pieces(chunk_bytes: int) -> None:
    """A picture whose quote is missing, and a text larger than a message may be, are kept whole."""
    value = "QUJD" * 600_000
    ruin = f'<mms date="1717402020000" address="+1"><parts><part data="{value}></parts></mms>'
    huge = sms("x" * (17 << 20))
    body = backup(sms("a"), ruin, sms("b"), huge, sms("c"))
    items = read(body, chunk_bytes=max(chunk_bytes, 65_536))
    assert ["a", "b", "c"] == [one.event.text for one in found(items)]
    kept = unreadable(items)
    assert len(kept) > 2
    assert (ruin + huge).encode() == b"".join(one.raw for one in kept)


def test_stream_gives_items_while_it_reads() -> None:
    """The first message is given before the file was read to its end."""
    body = backup(*(sms(str(number)) for number in range(5_000)))

    reads: list[int] = []

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(size)
            reads.append(len(piece))
            return piece

    file = ImportedFile("x.xml", b"\0" * 32, len(body), lambda: Stream(body))
    items = SmsBackup(4096).read(file, answers(), Remembered())
    assert not isinstance(next(items), Remark)
    assert sum(reads) < len(body) / 4
    assert 4_999 == len(list(items))
