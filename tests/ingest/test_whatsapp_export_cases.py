"""CAPTURE §14, cases 34-45: chat exports. Each test carries its case's number."""

from __future__ import annotations

import unicodedata
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest

from ingest.adapters.whatsapp_export_zip import DAMAGE
from ingest.imports import EDIT, KNOWN, NEW, NOTED, RETRACTION, NeedsAnswer
from schemas import events
from schemas.errors import Refused
from tests.fakes.ledger import FakeLedger
from tests.ingest.exports import (
    ANSWERS,
    LRM,
    NOW,
    READER,
    Said,
    android,
    file_of,
    import_of,
    ios,
    later,
    said,
    zip_of,
)

CHAT = [
    said("2024-03-18 14:56:01", "Ada", "hello there"),
    said("2024-03-18 14:56:05", "Bob", "ok"),
    said("2024-03-18 14:57:07", "Bob", "the price is 12"),
    said("2024-03-19 09:00:00", "Ada", "see you"),
    said("2024-03-20 10:00:00", "Bob", "bye"),
]
GONE = "This message was deleted"


def replaced(at: int, body: str) -> list[Said]:
    """CHAT with another body in one line."""
    return [replace(one, body=body) if n == at else one for n, one in enumerate(CHAT)]


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    """UTC ms."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def test_case_34_seconds_differ_by_one() -> None:
    """The same chat exported again, seconds off by one here and there, adds nothing."""
    ledger = FakeLedger()
    first = import_of(file_of(ios(CHAT)), ledger)
    again = import_of(file_of(ios([later(one, n % 2) for n, one in enumerate(CHAT)])), ledger)
    assert {NEW: 5} == first.how()
    assert {KNOWN: 5} == again.how()
    assert first.ids() == again.ids()


def test_case_34_other_telephone_and_language() -> None:
    """Minutes for seconds, another date form, another language in the file's name: one chat."""
    ledger = FakeLedger()
    first = import_of(file_of(ios(CHAT)), ledger)
    for name, form in (("Chat de WhatsApp con Ada.txt", "%d/%m/%y %H:%M"),
                       ("WhatsApp-Chat mit Ada (1).txt", "%d.%m.%y, %H:%M"),
                       ("Ada ile WhatsApp Sohbeti.txt", "%Y-%m-%d %H:%M"),
                       ("Чат WhatsApp с контактом Ada.txt", "%m/%d/%y, %I:%M %p"),
                       ("_chat.txt", "%d/%m/%Y, %H:%M")):
        again = import_of(file_of(android(CHAT, form), name), ledger)
        assert {KNOWN: 5} == again.how(), name
        assert first.ids() == again.ids()


def test_case_35_three_equals_in_a_minute() -> None:
    """Three "ok" in one minute are three messages with three ids, stable on re-import."""
    ledger = FakeLedger()
    chat = [*CHAT[:2], CHAT[1], CHAT[1], *CHAT[2:]]
    first = import_of(file_of(android(chat)), ledger)
    again = import_of(file_of(android(chat)), ledger)
    assert {NEW: 7} == first.how()
    assert 7 == len(set(first.ids()))
    assert {KNOWN: 7} == again.how()
    assert first.ids() == again.ids()


@pytest.mark.parametrize("marker", [
    LRM + GONE + ".", GONE, LRM + "Diese Nachricht wurde gelöscht."])
def test_case_36_tombstone_where_text_was(marker: str) -> None:
    """A retraction of the earlier line, in a window of time; the text is not touched."""
    ledger = FakeLedger()
    before = import_of(file_of(ios(CHAT)), ledger, replace(ANSWERS, now=NOW - 1000))
    after = import_of(file_of(ios(replaced(2, marker))), ledger, replace(ANSWERS, zone="UTC"))
    assert {KNOWN: 4, RETRACTION: 1} == after.how()
    event = after.events(RETRACTION)[0]
    assert events.RETRACTION == event.kind
    assert before.events()[2].native_id == event.target
    assert events.INFERRED == event.target_known
    assert event.text is None and event.occurred_at is None
    # The earlier export shows a line of 10:00: the text was there until then at least.
    assert at(2024, 3, 20, 10) == event.occurred_not_before
    assert str(NOW - 1000) == event.detail("previous_import_at")
    assert {KNOWN: 5} == import_of(file_of(ios(replaced(2, marker))), ledger).how()
    assert {KNOWN: 5} == import_of(file_of(ios(CHAT)), ledger).how()


def test_case_36_edit_gained_the_marker() -> None:
    """A changed body with the edited marker is an edit of the known line, without the marker."""
    ledger = FakeLedger()
    before = import_of(file_of(android(CHAT)), ledger)
    changed = replaced(2, "the price is 14 <This message was edited>")
    after = import_of(file_of(android(changed)), ledger)
    assert {KNOWN: 4, EDIT: 1} == after.how()
    event = after.events(EDIT)[0]
    assert (events.EDIT, "the price is 14") == (event.kind, event.text)
    assert before.events()[2].native_id == event.target
    assert {KNOWN: 5} == import_of(file_of(android(changed)), ledger).how()


def test_case_36_change_without_marker_is_flagged() -> None:
    """Another body without the marker is a version that an export shows, and says so."""
    ledger = FakeLedger()
    import_of(file_of(ios(CHAT)), ledger)
    after = import_of(file_of(ios(replaced(2, "the price is 15"))), ledger)
    assert {KNOWN: 4, EDIT: 1} == after.how()
    assert "changed_without_marker" in after.events(EDIT)[0].observations


def test_case_36_missing_line_is_absent_never_deleted() -> None:
    """A line that a later export lacks is noted once, and is no retraction."""
    ledger = FakeLedger()
    before = import_of(file_of(ios(CHAT)), ledger)
    fewer = [*CHAT[:2], *CHAT[3:], said("2024-03-21 10:00:00", "Ada", "more")]
    after = import_of(file_of(ios(fewer)), ledger)
    assert {KNOWN: 4, NEW: 1, NOTED: 1} == after.how()
    event = after.events(NOTED)[0]
    assert events.DERIVED == event.kind
    assert ("absent_in_export",) == event.observations
    assert before.events()[2].native_id == event.target
    assert {KNOWN: 5} == import_of(file_of(ios(fewer)), ledger).how()
    assert {KNOWN: 5} == import_of(file_of(ios(CHAT)), ledger).how()


@pytest.mark.parametrize("typed", [GONE, "You deleted this message"])
def test_case_37_marker_text_that_somebody_typed(typed: str) -> None:
    """Without the app's mark and an earlier text it is a message, flagged; else retracted."""
    ledger = FakeLedger()
    alone = import_of(file_of(android(replaced(2, typed))), ledger)
    event = alone.events()[2]
    assert (events.MESSAGE, typed) == (event.kind, event.text)
    assert "ambiguous_marker" in event.observations
    assert {KNOWN: 5} == import_of(file_of(android(replaced(2, typed))), ledger).how()
    ledger = FakeLedger()
    import_of(file_of(android(CHAT)), ledger)
    assert {KNOWN: 4, RETRACTION: 1} == import_of(
        file_of(android(replaced(2, typed))), ledger).how()


@pytest.mark.parametrize("shown", [
    "null", "Waiting for this message. This may take a while.",
    LRM + "Esperando el mensaje. Esto puede tomar tiempo."])
def test_case_37_a_placeholder_is_never_a_deletion(shown: str) -> None:
    """What the app writes where it has nothing to show is completed by a later export that shows
    it, in either order of import; nobody retracted or edited anything."""
    ledger = FakeLedger()
    first = import_of(file_of(android(replaced(2, shown))), ledger).events()[2]
    assert (events.MESSAGE, events.PLACEHOLDER) == (first.kind, first.content_state)
    assert (LRM not in shown) == ("ambiguous_marker" in first.observations)
    later_one = import_of(file_of(android(CHAT)), ledger)
    assert {KNOWN: 4, NOTED: 1} == later_one.how()
    event = later_one.events(NOTED)[0]
    assert (events.MESSAGE, events.PRESENT, "the price is 12") == (
        event.kind, event.content_state, event.text)
    assert first.native_id == event.native_id
    assert "completed_by_export" in event.observations
    for again in (CHAT, replaced(2, shown), replaced(2, "null")):
        assert {KNOWN: 5} == import_of(file_of(android(again)), ledger).how()
    # Taken back after it was shown: that is a retraction, by the app's words for one.
    assert {KNOWN: 4, RETRACTION: 1} == import_of(
        file_of(android(replaced(2, GONE))), ledger).how()


def test_case_37_a_placeholder_where_text_was_known() -> None:
    """An export that hides a known message is noted about it, flagged; the message stays."""
    ledger = FakeLedger()
    before = import_of(file_of(android(CHAT)), ledger)
    done = import_of(file_of(android(replaced(2, "null"))), ledger)
    assert {KNOWN: 4, NOTED: 1} == done.how()
    event = done.events(NOTED)[0]
    assert events.DERIVED == event.kind
    assert before.events()[2].native_id == event.target
    assert {"ambiguous_marker", "hidden_by_export"} <= set(event.observations)
    for again in (replaced(2, "null"), CHAT):
        assert {KNOWN: 5} == import_of(file_of(android(again)), ledger).how()


@pytest.mark.parametrize(("known", "shown", "candidates"), [
    # The file begins later, and either of two may be the one.
    ([("10:05:00", "Ada", "m1"), ("10:05:00", "Ada", "m2 destroy it"), ("10:06:00", "Ben", "ok")],
     [("10:05:00", "Ada", GONE), ("10:06:00", "Ben", "ok")], (0, 1)),
    # The tombstone stands behind the answer: what was before it is not what it replaced.
    ([("10:05:00", "Ada", "pay him"), ("10:05:00", "Ben", "ok")],
     [("10:05:00", "Ben", "ok"), ("10:05:00", "Ada", GONE)], (0,)),
])
def test_case_36_a_tombstone_accuses_nobody_by_a_guess(
        known: list[tuple[str, str, str]], shown: list[tuple[str, str, str]],
        candidates: tuple[int, ...]) -> None:
    """A tombstone that could be about several lines, or stands elsewhere, is an event without a
    target that names them; no message is retracted by it, now or by the next import."""
    ledger = FakeLedger()
    first = import_of(file_of(android(
        said(f"2024-03-18 {at}", who, body) for at, who, body in known)), ledger)
    after = android(said(f"2024-03-18 {at}", who, body) for at, who, body in shown)
    done = import_of(file_of(after), ledger)
    assert RETRACTION not in done.how()
    event = next(one for one in done.events(NEW) if one.kind == events.RETRACTION)
    assert (None, events.ABSENT) == (event.target, event.target_known)
    assert {"target_ambiguous", "ambiguous_marker"} <= set(event.observations)
    assert str(len(candidates)) == event.detail("candidates")
    assert [first.events()[n].native_id for n in candidates] == (
        event.detail("candidate_ids") or "").split()
    assert {KNOWN: len(shown)} == import_of(file_of(after), ledger).how()
    assert {KNOWN: len(known)} == import_of(file_of(android(
        said(f"2024-03-18 {at}", who, body) for at, who, body in known)), ledger).how()


def test_case_36_a_sure_tombstone_between_two_seconds() -> None:
    """The app's own mark says that something was deleted, not which of two lines a second away."""
    ledger = FakeLedger()
    chat = [said("2024-03-18 14:00:01", "Ada", "one"), said("2024-03-18 14:00:03", "Ada", "two"),
            said("2024-03-18 14:10:00", "Ben", "ok")]
    import_of(file_of(ios(chat)), ledger)
    gone = [said("2024-03-18 14:00:02", "Ada", f"{LRM}{GONE}."), chat[2]]
    done = import_of(file_of(ios(gone)), ledger)
    assert {NEW: 1, KNOWN: 1} == done.how()
    assert (None, "2") == (done.events(NEW)[0].target, done.events(NEW)[0].detail("candidates"))


def test_case_36_as_many_tombstones_as_lines_are_sure() -> None:
    """Two lines of a minute, both taken back: each tombstone is about its own, in order."""
    ledger = FakeLedger()
    chat = [said("2024-03-18 10:05:00", "Ada", "m1"), said("2024-03-18 10:05:00", "Ada", "m2"),
            said("2024-03-18 10:06:00", "Ben", "ok")]
    first = import_of(file_of(android(chat)), ledger)
    gone = [replace(chat[0], body=GONE), replace(chat[1], body=GONE), chat[2]]
    done = import_of(file_of(android(gone)), ledger)
    assert {RETRACTION: 2, KNOWN: 1} == done.how()
    assert [one.native_id for one in first.events()[:2]] == [
        one.target for one in done.events(RETRACTION)]


def test_case_37_mark_makes_it_sure_and_sentences_are_no_markers() -> None:
    """With the app's mark it is a retraction of what nobody knew; inside a sentence it is text."""
    found = import_of(file_of(ios(replaced(2, LRM + GONE + "."))), FakeLedger()).events()[2]
    assert events.RETRACTION == found.kind
    assert found.text is None
    assert "ambiguous_marker" not in found.observations
    text = f"he wrote: {GONE}"
    found = import_of(file_of(ios(replaced(2, text))), FakeLedger()).events()[2]
    assert (events.MESSAGE, text, ("zone_unknown",)) == (found.kind, found.text,
                                                         found.observations)


def test_case_37_text_found_later_under_a_tombstone() -> None:
    """The export from before the deletion, imported second, reveals the text and the retraction of
    a message that was counted before."""
    ledger = FakeLedger()
    first = import_of(file_of(android(replaced(2, GONE))), ledger)
    second = import_of(file_of(android(CHAT)), ledger)
    assert {KNOWN: 4, NOTED: 1, RETRACTION: 1} == second.how()
    revealed = second.events(NOTED)[0]
    assert "the price is 12" == revealed.text
    assert first.events()[2].native_id == revealed.native_id
    assert second.events(RETRACTION)[0].target == revealed.native_id
    assert {KNOWN: 5} == import_of(file_of(android(CHAT)), ledger).how()


def test_case_38_ambiguous_date_is_asked_for() -> None:
    """05/06/24 alone stops for the operator; nothing was yielded or remembered before."""
    chat = [said("2024-06-05 10:00:00", "Ada", "a"), said("2024-06-05 10:01:00", "Bob", "b")]
    ledger = FakeLedger()
    file = file_of(android(chat, "%d/%m/%y, %H:%M"))
    with pytest.raises(NeedsAnswer) as raised:
        next(READER.read(file, ANSWERS, ledger))
    assert "day_first" == raised.value.option
    assert 0 == ledger.size()
    day = import_of(file, FakeLedger(), replace(ANSWERS, day_first=True)).events()[0]
    assert "2024-06-05T10:00" == day.occurred_local
    month = import_of(file, FakeLedger(), replace(ANSWERS, day_first=False)).events()[0]
    assert "2024-05-06T10:00" == month.occurred_local


def test_case_38_an_answer_is_not_asked_for_twice() -> None:
    """A file that was read once is read again in the same order."""
    ledger = FakeLedger()
    file = file_of(android([said("2024-06-05 10:00:00", "Ada", "a")], "%d/%m/%y, %H:%M"))
    import_of(file, ledger, replace(ANSWERS, day_first=False))
    assert {KNOWN: 1} == import_of(file, ledger).how()


def test_case_38_order_is_told_by_what_the_file_shows() -> None:
    """A value above 12, the row of dates, or a file's own name decide; the event says which."""
    days = [said(f"2024-06-{day:02d} 10:00:00", "Ada", str(day)) for day in (5, 6, 7, 12)]
    # 10/11, 02/12, 03/12: only one reading goes forward.
    turn = [said(f"{day} 10:00:00", "Ada", day)
            for day in ("2023-11-10", "2023-12-02", "2023-12-03")]
    photo = [said("2024-06-05 10:00:00", "Ada", "IMG-20240605-WA0001.jpg (file attached)")]
    for chat, how in (([*days, said("2024-06-13 10:00:00", "Ada", "x")], "value"),
                      (turn, "sequence"), (photo, "file_names")):
        found = import_of(file_of(android(chat, "%d/%m/%y, %H:%M")), FakeLedger()).events()
        assert chat[0].at.strftime("%Y-%m-%dT%H:%M") == found[0].occurred_local
        assert f"day_first:{how}" in (found[0].detail("date_order") or "")


def test_case_39_pasted_header_inside_a_body() -> None:
    """A line that looks like a header, by somebody who is not in the chat, at another time, stays
    in the body that holds it; flagged."""
    pasted = "look:\n12/01/2023, 10:00 - Mallory: I sold\n12/01/2023, 10:01 - Eve: when?"
    chat = replaced(2, pasted)
    found = import_of(file_of(android(chat)), FakeLedger())
    assert {NEW: 5} == found.how()
    assert pasted == found.events()[2].text
    assert "pasted_header" in found.events()[2].observations


def test_case_39_pasted_from_another_telephone() -> None:
    """A header in a form that this file does not have is no header of this file."""
    pasted = "look:\n[18/03/2024, 14:57:01] Ada: hello"
    found = import_of(file_of(android(replaced(2, pasted))), FakeLedger())
    assert {NEW: 5} == found.how()
    assert pasted == found.events()[2].text


def test_case_39_out_of_order_lines_of_the_app_are_messages() -> None:
    """Android's own lines are not sorted: they stay lines of their own."""
    notices = [said("2024-03-23 08:00:00", None, "Messages are end-to-end encrypted."), *CHAT,
               said("2024-03-20 09:58:00", None, "Bob left"),
               said("2024-03-20 09:57:00", None, "Ada added Bob")]
    found = import_of(file_of(android(notices)), FakeLedger())
    assert {NEW: 8} == found.how()
    assert found.events()[0].actor is None
    assert "notice" == found.events()[0].detail("type")


@pytest.mark.parametrize(("stamp", "local"), [
    ("[3/18/2565 BE, 14:56:01]", "2022-03-18T14:56:01"),
    ("[18/3/65 14:56:01]", "2022-03-18T14:56:01"),
    ("[3/18/R4, 14:56:01]", "2022-03-18T14:56:01"),
    ("[令和4年3月18日 14:56:01]", "2022-03-18T14:56:01"),
    ("[١٨/٣/٢٠٢٢، ٢:٥٦:٠١ م]", "2022-03-18T14:56:01"),
    ("[\u200f18\u200f/3\u200f/2022، 14:56:01]", "2022-03-18T14:56:01"),
    ("[14:56:01, 18/3/22]", "2022-03-18T14:56:01"),
    ("[18/3/22 14.56.01]", "2022-03-18T14:56:01"),
    ("[2022. 3. 18. 오후 2:56:01]", "2022-03-18T14:56:01"),
    ("[2022/3/18 下午2:56:01]", "2022-03-18T14:56:01"),
    ("[18.3.2022 klo 14.56.01]", "2022-03-18T14:56:01"),
    ("[18/3/22, 24:05:00]", "2022-03-18T00:05:00"),
    ("[3/18/22, 12:00:00 AM]", "2022-03-18T00:00:00"),
    ("[3/18/22, 12:00:00\u202fPM]", "2022-03-18T12:00:00"),
    ("[18/3/22, 2:56:01 p.\u00a0m.]", "2022-03-18T14:56:01"),
    ("\u200e[18/3/22, 14:56:01]", "2022-03-18T14:56:01"),
])
def test_case_40_calendars_digits_and_halves_of_the_day(stamp: str, local: str) -> None:
    """Every spelling of a stamp gives the same instant."""
    answers = replace(ANSWERS, zone="UTC")
    event = import_of(file_of(f"{stamp} Ada: hi\r\n"), FakeLedger(), answers).events()[0]
    assert local == event.occurred_local
    assert datetime.fromisoformat(local + "+00:00").timestamp() * 1000 == event.occurred_at
    assert "hi" == event.text


def test_case_40_android_forms() -> None:
    """The forms of Android, minutes alone."""
    for stamp in ("18/03/2022, 14:56", "18.03.22 14:56", "18-03-2022 14:56", "3/18/22, 2:56 PM",
                  "3/18/22, 2:56 p.m.", "2022/03/18, 14:56", "18/03/2022 à 14:56",
                  "14:56, 18/03/2022"):
        event = import_of(file_of(f"{stamp} - Ada: hi\n"), FakeLedger()).events()[0]
        assert "2022-03-18T14:56" == event.occurred_local, stamp
        assert "minute" == event.occurred_precision


def test_case_41_zone_fold_and_none() -> None:
    """Without a zone there is a local time and no instant; with one, an hour that occurs twice says
    so, and the second time is told by the lines that go back."""
    chat = [said(f"2024-10-27 {time}", "Ada", time)
            for time in ("01:59:00", "02:10:00", "02:50:00", "02:20:00", "03:10:00")]
    none = import_of(file_of(ios(chat)), FakeLedger()).events()
    assert all(one.occurred_at is None and "zone_unknown" in one.observations for one in none)
    assert "2024-10-27T02:10:00" == none[1].occurred_local
    found = import_of(file_of(ios(chat)), FakeLedger(),
                      replace(ANSWERS, zone="Europe/Berlin")).events()
    assert [None, 0, 0, 1, None] == [one.fold for one in found]
    assert [at(2024, 10, 26, 23, 59), at(2024, 10, 27, 0, 10), at(2024, 10, 27, 0, 50),
            at(2024, 10, 27, 1, 20), at(2024, 10, 27, 2, 10)] == [
                one.occurred_at for one in found]
    assert "local_time_ambiguous" in found[1].observations
    assert "Europe/Berlin" == found[1].zone
    missing = import_of(file_of(ios([said("2024-03-31 02:30:00", "Ada", "x")])), FakeLedger(),
                        replace(ANSWERS, zone="Europe/Berlin")).events()[0]
    assert "local_time_missing" in missing.observations
    with pytest.raises(Refused, match="no time zone"):
        list(READER.read(file_of(ios(CHAT)), replace(ANSWERS, zone="../x"), FakeLedger()))


def test_case_42_line_ends_and_broken_bytes() -> None:
    """BOM, CRLF, U+2028, NUL and invalid UTF-8 are read, named as repairs, and kept in the raw
    bytes as they are."""
    raw = (b"\xef\xbb\xbf[18/03/2024, 14:56:01] Ada: one\xe2\x80\xa8two\r\n"
           b"[18/03/2024, 14:57:01] Bob: nul\x00here\r\n"
           b"[18/03/2024, 14:58:01] Ada: bad \xff byte\n")
    found = import_of(file_of(raw), FakeLedger())
    assert ["one\ntwo", "nulhere", "bad \ufffd byte"] == [one.text for one in found.events()]
    assert [("byte_order_mark", "line_end_replaced"), ("nul_removed",), ("bytes_replaced",)] == [
        one.repairs for one in found.found]
    assert raw == b"".join(one.raw or b"" for one in found.events())
    assert "bytes_replaced" in found.events()[2].observations


def test_case_43_senders_are_one_participant() -> None:
    """Marks, isolates and the `~` of an unsaved contact make no other person; the name as shown
    is kept. A colon can be part of a name."""
    names = ["\u202a+44 7700 900123\u202c", "+44 7700 900123", "~\u202fZoë 😀", "Zoë 😀",
             "\u2068Zoe\u0308 😀\u2069"]
    chat = [said(f"2024-03-18 14:5{n}:00", name, "hi") for n, name in enumerate(names)]
    actors = [one.actor for one in import_of(file_of(android(chat)), FakeLedger()).events()]
    assert all(actors)
    assert ["+447700900123"] * 2 + ["Zoë 😀"] * 3 == [one.native_id for one in actors if one]
    assert ["e164"] * 2 + ["name"] * 3 == [one.id_type for one in actors if one]
    assert names == [one.display_name for one in actors if one]


@pytest.mark.parametrize(("name", "me", "notice"), [
    ("WhatsApp Chat with Desk_ Ada.txt", None, None), ("chat.txt", "Desk: Ada", None),
    ("chat.txt", None, f"{LRM}Messages and calls are end-to-end encrypted.")])
def test_case_43_a_colon_can_be_part_of_a_name(name: str, me: str | None,
                                               notice: str | None) -> None:
    """The file's name, the operator or the app's own notice says that a name goes on after the
    colon; what other people say after a word and a colon stays text."""
    chat = [said(f"2024-03-18 14:5{n}:00", "Desk: Ada", f"line {n}") for n in range(3)]
    chat.append(said("2024-03-18 14:54:00", "Desk", "Note: hello"))
    if notice:
        chat.insert(0, said("2024-03-18 14:49:00", "Desk: Ada", notice))
    found = import_of(file_of(android(chat), name), FakeLedger(), replace(ANSWERS, me=me))
    messages = [one for one in found.events() if one.detail("type") != "notice"]
    assert ["Desk: Ada"] * 3 + ["Desk"] == [one.actor.native_id for one in messages if one.actor]
    assert ["line 0", "line 1", "line 2", "Note: hello"] == [one.text for one in messages]


def test_case_43_a_word_that_repeats_is_no_name() -> None:
    """However often somebody begins with the same word and a colon, it is what he said; the next
    export, in which he says something else, knows every line."""
    ledger = FakeLedger()
    chat = [said(f"2024-03-18 14:5{n}:00", "Ada", f"Invoice: {n} paid") for n in range(3)]
    first = import_of(file_of(android(chat)), ledger)
    assert {"Ada"} == {one.actor.native_id for one in first.events() if one.actor}
    assert "Invoice: 0 paid" == first.events()[0].text
    grown = [*chat, said("2024-03-18 15:00:00", "Ada", "thank you")]
    again = import_of(file_of(android(grown)), ledger)
    assert {KNOWN: 3, NEW: 1} == again.how()
    assert first.ids() == again.ids()[:3]


def test_case_43_what_was_decided_of_a_name_stays() -> None:
    """Evidence that comes later, or is missing later, changes no name: no line comes twice."""
    chat = [said(f"2024-03-18 14:5{n}:00", "Desk: Ada", f"line {n}") for n in range(4)]
    plain, sure = "chat of two.txt", "WhatsApp Chat with Desk_ Ada.txt"
    for names in ((plain, sure), (sure, plain)):
        ledger = FakeLedger()
        answers = replace(ANSWERS, account="+15550001111")
        first = import_of(file_of(android(chat), names[0]), ledger, answers)
        second = import_of(file_of(android([*chat, said("2024-03-19 10:00:00", "Bob", "hi")]),
                                   names[1]), ledger, answers)
        assert first.events()[0].actor == second.events()[0].actor
        assert first.events()[0].text == second.events()[0].text


def test_case_43_a_name_with_a_colon_stays_what_it_was_taken_for() -> None:
    """When a longer export makes the name plain, lines that were read keep their ids."""
    ledger = FakeLedger()
    chat = [said(f"2024-03-18 14:5{n}:00", "Desk: Ada", f"line {n}") for n in range(5)]
    name = "WhatsApp Chat with Team.txt"
    import_of(file_of(android(chat[:1]), name), ledger)
    assert {KNOWN: 1, NEW: 4} == import_of(file_of(android(chat), name), ledger).how()


def test_case_44_names_that_leave_the_folder() -> None:
    """Such a member is quarantined alone, whatever its spelling; all others are read."""
    evil = ["../evil.jpg", "/etc/passwd", "a/../../b.jpg", "..\\c.jpg", "C:/d.jpg"]
    file = zip_of({"_chat.txt": ios(CHAT), **dict.fromkeys(evil, b"bytes"), "ok.jpg": b"fine"})
    found = import_of(file, FakeLedger())
    assert {NEW: 5, NOTED: 1} == found.how()
    assert sorted(evil) == sorted(one.member for one in found.unreadable)
    assert {b"bytes"} == {one.raw for one in found.unreadable}
    assert "ok.jpg" == found.events(NOTED)[0].attachments[0].name


def test_case_44_links_and_encrypted_members() -> None:
    """A link and an encrypted member are quarantined alone."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("_chat.txt", ios(CHAT))
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("secret.jpg", b"sealed")
    raw = bytearray(out.getvalue())
    # The flag "encrypted" in the directory's entry for secret.jpg.
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 8] |= 1
    found = import_of(file_of(bytes(raw), "WhatsApp Chat - Ada.zip"), FakeLedger())
    assert {NEW: 5} == found.how()
    assert {"link.jpg": b"/etc/passwd", "secret.jpg": b"sealed"} == {
        one.member: one.raw for one in found.unreadable}


def test_case_44_chat_txt_beats_others_and_none_is_refused() -> None:
    """`_chat.txt` is the chat; without it one export among the texts is; two or none are refused
    with their names."""
    both = zip_of({"notes.txt": "my notes", "_chat.txt": ios(CHAT)})
    found = import_of(both, FakeLedger())
    assert {NEW: 5, NOTED: 1} == found.how()
    assert "notes.txt" in found.remarks["two_texts"].text
    one = zip_of({"notes.txt": "my notes", "WhatsApp Chat with Ada.txt": android(CHAT)})
    assert {NEW: 5, NOTED: 1} == import_of(one, FakeLedger()).how()
    two = zip_of({"a.txt": android(CHAT), "b.txt": android(CHAT)})
    with pytest.raises(Refused, match=r"a\.txt, b\.txt"):
        READER.read(two, ANSWERS, FakeLedger())
    with pytest.raises(Refused, match="no chat"):
        READER.read(zip_of({"a.jpg": b"x"}), ANSWERS, FakeLedger())


def test_case_44_bombs_are_refused_before_they_are_unpacked() -> None:
    """Ten gigabytes in ten megabytes are refused by what the zip states of itself; a member that
    gives more than it states is cut there."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", ios(CHAT))
        with archive.open("bomb.jpg", "w") as member:
            for _ in range(100):
                member.write(bytes(1024 * 1024))
    with pytest.raises(Refused, match="times its size"):
        READER.read(file_of(out.getvalue(), "x.zip"), ANSWERS, FakeLedger())
    small = bytearray(zip_of({"_chat.txt": ios(CHAT), "a.jpg": bytes(100_000)}).open().read())
    entry = small.rindex(b"PK\x01\x02")
    small[entry + 24:entry + 28] = (10).to_bytes(4, "little")
    found = import_of(file_of(bytes(small), "x.zip"), FakeLedger())
    stream = found.events(NOTED) and found.found[-1].members[0].open()
    assert stream
    with stream, pytest.raises(Refused, match="checksum"):
        stream.read()


def test_case_44_overlapping_and_cut_zips_are_refused() -> None:
    """Members that share bytes, and a zip without its end, are refused; nothing escapes."""
    whole = zip_of({"_chat.txt": ios(CHAT), "a.jpg": b"x" * 500}).open().read()
    with pytest.raises(Refused, match="damaged"):
        READER.read(file_of(whole[:-30], "x.zip"), ANSWERS, FakeLedger())
    assert issubclass(zipfile.BadZipFile, DAMAGE)
    raw = bytearray(whole)
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 42:entry + 46] = (0).to_bytes(4, "little")
    with pytest.raises(Refused, match="overlap"):
        READER.read(file_of(bytes(raw), "x.zip"), ANSWERS, FakeLedger())


def test_case_44_names_match_after_nfc() -> None:
    """A picture whose name lies decomposed in the zip belongs to the line that names it."""
    name = "Übersicht é.jpg"
    chat = [*CHAT, said("2024-03-21 10:00:00", "Ada", f"{LRM}<attached: {name}>")]
    file = zip_of({"_chat.txt": ios(chat), unicodedata.normalize("NFD", name): b"picture"})
    found = import_of(file, FakeLedger())
    assert {NEW: 6} == found.how()
    member = found.found[-1].members[0]
    with member.open() as stream:
        assert b"picture" == stream.read()
    attachment = found.events()[-1].attachments[member.attachment]
    assert (name, "pending", "image/jpeg") == (attachment.name, attachment.state,
                                               attachment.media_type)


def test_case_45_last_line_and_empty_message() -> None:
    """A multi-line message that ends the file without a line end, and a message of a header
    alone, are kept."""
    raw = ("18/03/2024, 14:56 - Luke: \n18/03/2024, 14:57 - Leia:\n"
           "18/03/2024, 14:58 - Luke: first\n\nthird line")
    found = import_of(file_of(raw), FakeLedger())
    assert [("Luke", ""), ("Leia", ""), ("Luke", "first\n\nthird line")] == [
        (one.actor.native_id, one.text) for one in found.events() if one.actor]
    assert raw.encode() == b"".join(one.raw or b"" for one in found.events())
