"""The reader of chat exports beside its numbered cases: chats, files, identities, ids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.adapters.whatsapp_export import restore, restore_file
from ingest.imports import EDIT, KNOWN, NEW, NOTED, RETRACTION, Found
from schemas import codec, events, findings, limits
from schemas.errors import Refused
from schemas.identity import event_id
from tests.fakes.ledger import FakeLedger
from tests.ingest.exports import (
    ANSWERS,
    LRM,
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
    said("2024-03-18 14:56:01", "Ada", "the first of all words"),
    said("2024-03-18 14:56:05", "Bob", "an answer to that"),
    said("2024-03-19 09:00:00", "Ada", "and another remark"),
    said("2024-03-20 10:00:00", "Bob", "goodbye until Monday"),
]
GROUP = [*CHAT, said("2024-03-21 10:00:00", "Carol", "I am here as well")]


def test_every_event_can_be_stored_and_says_who_vouches() -> None:
    """Each event encodes, names its file and who handed it in, and its codes are known."""
    done = import_of(file_of(ios(CHAT)), FakeLedger())
    for event in done.events():
        assert event == codec.decode(codec.encode(event))
        assert events.CUSTODIAN_SUPPLIED == event.provenance
        assert ("clerk", file_of(ios(CHAT)).sha256) == (event.provenance_who,
                                                        event.provenance_sha256)
        assert set(event.observations) <= set(findings.OBSERVATIONS)
        assert event.kind in events.CAPTURE_KINDS
        assert "" == event.custodian
    assert 4 == len({event_id(one) for one in done.events()})


def test_me_gives_directions_and_nobody_gives_none() -> None:
    """Who is the custodian is said, never guessed."""
    unknown = import_of(file_of(ios(CHAT)), FakeLedger()).events()
    assert {None} == {one.direction for one in unknown}
    known = import_of(file_of(ios(CHAT)), FakeLedger(), replace(ANSWERS, me="Bob")).events()
    assert ["in", "out", "in", "out"] == [one.direction for one in known]


def test_known_numbers_make_the_conversation_of_the_providers_door() -> None:
    """Where both numbers are known, an export and a webhook are one conversation."""
    chat = [replace(one, sender="\u202a+44 7700 900123\u202c") if one.sender == "Ada" else one
            for one in CHAT]
    answers = replace(ANSWERS, account="+15550783881", me="Bob")
    found = import_of(file_of(ios(chat), "WhatsApp Chat with +44 7700 900123.txt"), FakeLedger(),
                      answers).events()
    assert {"pair:+15550783881|+447700900123"} == {one.conversation for one in found}
    assert ["+447700900123", "+15550783881"] * 2 == [
        one.actor.native_id for one in found if one.actor]
    assert {"+15550783881"} == {one.account for one in found}


def test_two_groups_of_one_name_stay_two() -> None:
    """Equal titles with other lines at the same time are two chats; each is found again."""
    ledger = FakeLedger()
    other = [replace(one, body=f"quite another thing, {one.body[::-1]}") for one in GROUP]
    name = "WhatsApp Chat with Deal team.txt"
    first = import_of(file_of(ios(GROUP), name), ledger)
    second = import_of(file_of(ios(other), name), ledger)
    assert {NEW: 5} == second.how()
    assert "same_title" in second.remarks
    assert not {one.conversation for one in first.events()} & {
        one.conversation for one in second.events()}
    assert {KNOWN: 5} == import_of(file_of(ios(GROUP), name), ledger).how()
    assert {KNOWN: 5} == import_of(file_of(ios(other), name), ledger).how()


def test_a_renamed_group_is_the_same_chat() -> None:
    """Many lines of several people say which chat it is when its name does not."""
    ledger = FakeLedger()
    group = [*GROUP, *(said(f"2024-03-22 10:{n:02}:00", ("Ada", "Bob")[n % 2],
                            f"a remark that only this group has, {n}") for n in range(24))]
    first = import_of(file_of(ios(group), "WhatsApp Chat with Deal team.txt"), ledger)
    grown = [*group, said("2024-04-01 10:00:00", "Ada", "a new name")]
    second = import_of(file_of(ios(grown), "WhatsApp Chat with Old deal.txt"), ledger)
    assert {KNOWN: 29, NEW: 1} == second.how()
    assert "other_title" in second.remarks
    assert {first.events()[0].conversation} == {one.conversation for one in second.events()}


def test_one_text_to_two_people_is_two_chats() -> None:
    """What one author sent to many at once, unanswered, is never taken for one chat."""
    ledger = FakeLedger()
    sent = [replace(one, sender="Me") for one in CHAT]
    import_of(file_of(ios(sent), "WhatsApp Chat with Ada.txt"), ledger)
    second = import_of(file_of(ios(sent), "WhatsApp Chat with Bob.txt"), ledger)
    assert {NEW: 4} == second.how()


def test_two_accounts_are_two_copies() -> None:
    """The same chat at another custodian's account is that custodian's copy (PROTOCOL I2)."""
    ledger = FakeLedger()
    import_of(file_of(ios(CHAT)), ledger, replace(ANSWERS, account="+15550001111"))
    other = replace(ANSWERS, account="+15550002222")
    assert {NEW: 4} == import_of(file_of(ios(CHAT)), ledger, other).how()


def test_two_custodians_without_an_account_stay_two() -> None:
    """Without an account the custodian's own name keeps the copies apart; without either, a title
    alone makes no chat one, and its lines do."""
    ledger = FakeLedger()
    name = "WhatsApp Chat with Deal team.txt"
    first = import_of(file_of(ios(GROUP), name), ledger, replace(ANSWERS, me="Bob"))
    second = import_of(file_of(ios(GROUP), name), ledger, replace(ANSWERS, me="~\u202fCarol"))
    assert {NEW: 5} == second.how()
    assert not {one.conversation for one in first.events()} & {
        one.conversation for one in second.events()}
    assert {KNOWN: 5} == import_of(file_of(ios(GROUP), name), ledger,
                                   replace(ANSWERS, me="Carol")).how()
    nobody = FakeLedger()
    import_of(file_of(ios(GROUP), name), nobody)
    other_year = [later(one, 400 * 86_400) for one in GROUP[:2]]
    unlike = [replace(one, body=f"unlike {n}") for n, one in enumerate(other_year)]
    assert {NEW: 2} == import_of(file_of(ios(unlike), name), nobody).how()
    assert 2 == len({one.event.conversation for one in import_of(
        file_of(ios(unlike), name), nobody).found
        + import_of(file_of(ios(GROUP), name), nobody).found})
    grown = [*GROUP, said("2024-04-01 10:00:00", "Ada", "more")]
    assert {KNOWN: 5, NEW: 1} == import_of(file_of(ios(grown), name), nobody).how()


def test_a_line_in_common_makes_no_chat_one() -> None:
    """Chats of two names are one only by several lines of two people; a short chat of one name is
    one when all its lines are the same."""
    answers = replace(ANSWERS, account="+15550001111")
    for chat, known in (
            ([said("2024-03-18 14:56:01", "Me", "ok")], False),
            ([said("2024-03-18 14:56:01", "Me", "ok"), said("2024-03-18 14:56:09", "Me", "yes"),
              said("2024-03-18 14:57:00", "Me", "ok then")], False),
            ([said("2024-03-18 14:56:01", "Me", "ok"), said("2024-03-18 14:56:09", "Z", "ok")],
             False),
            (GROUP, True)):
        ledger = FakeLedger()
        import_of(file_of(ios(chat), "Ada.txt"), ledger, answers)
        other = import_of(file_of(ios(chat), "Carla.txt"), ledger, answers)
        assert {KNOWN if known else NEW: len(chat)} == other.how()
        assert {KNOWN: len(chat)} == import_of(file_of(ios(chat), "Ada.txt"), ledger,
                                               answers).how()


def test_chats_without_a_name_and_with_equal_beginnings_are_two() -> None:
    """What one author wrote to two people, exported as `_chat.txt`, is two chats; each file is
    known when it is handed in again."""
    ledger = FakeLedger()
    sent = [replace(one, sender="Me") for one in CHAT]
    first = file_of(ios([*sent, said("2024-04-01 10:00:00", "Me", "x")]), "_chat.txt")
    second = file_of(ios([*sent, said("2024-04-01 10:00:00", "Me", "y")]), "_chat.txt")
    import_of(first, ledger)
    assert {NEW: 5} == import_of(second, ledger).how()
    for file in (first, second):
        assert {KNOWN: 5} == import_of(file, ledger).how()


def test_a_file_is_handed_over_until_it_is_stored() -> None:
    """The reader never says that a picture is stored: it gives it with every reading, of known
    lines too, until the importer said so."""
    ledger = FakeLedger()
    names = ("00000003-PHOTO.jpg", "loose.jpg")
    chat = [*CHAT, said("2024-03-21 10:00:00", "Ada", f"{LRM}<attached: {names[0]}>")]
    file = zip_of({"_chat.txt": ios(chat), names[0]: b"picture", names[1]: b"other"})
    first = import_of(file, ledger)
    assert {NEW: 5, NOTED: 1} == first.how()
    for done in (first, import_of(file, ledger)):
        members = [(one.event, member) for one in done.found for member in one.members]
        assert list(names) == [member.name for _, member in members]
        assert [one for one, _ in members] == first.events()[-2:]
    assert {KNOWN: 6} == done.how()
    for _, member in members:
        ledger.add(member.fact)
    ledger.made_durable()
    assert [()] * 6 == [one.members for one in import_of(file, ledger).found]


def test_a_file_that_a_later_export_brings_is_handed_over_until_it_is_stored() -> None:
    """A known line's file comes with the event that was recorded for it, again and again."""
    ledger = FakeLedger()
    name = "00000003-PHOTO.jpg"
    import_of(file_of(ios([*CHAT, said("2024-03-21 10:00:00", "Ada", f"{LRM}image omitted")])),
              ledger)
    chat = [*CHAT, said("2024-03-21 10:00:00", "Ada", f"{LRM}<attached: {name}>")]
    file = zip_of({"_chat.txt": ios(chat), name: b"picture"})
    done = import_of(file, ledger)
    again = import_of(file, ledger)
    assert {KNOWN: 4, NOTED: 1} == done.how()
    assert {KNOWN: 5} == again.how()
    assert event_id(done.events()[-1]) == event_id(again.events()[-1])
    assert 1 == len(again.found[-1].members)


def test_more_lines_than_a_chat_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, or a chat with what is known of it, past the limit is refused with what to do;
    nothing was yielded or remembered."""
    ledger = FakeLedger()
    monkeypatch.setattr(limits, "EXPORT_LINES_MAX", 4)
    with pytest.raises(Refused, match="cut it into"):
        READER.read(file_of(ios(GROUP)), ANSWERS, ledger)
    import_of(file_of(ios(CHAT)), ledger)
    before = ledger.size()
    with pytest.raises(Refused, match="hand in what is newer"):
        next(READER.read(file_of(ios(GROUP[1:])), ANSWERS, ledger))
    assert before == ledger.size()


def test_pictures_with_and_without_the_export_are_one_message() -> None:
    """An omitted picture that a later export brings is the same message, completed once."""
    ledger = FakeLedger()
    name = "00000003-PHOTO-2024-03-19-09-00-00.jpg"
    without = [replace(one, body=f"{LRM}image omitted") if n == 2 else one
               for n, one in enumerate(CHAT)]
    with_it = [replace(one, body=f"{LRM}<attached: {name}>") if n == 2 else one
               for n, one in enumerate(CHAT)]
    first = import_of(file_of(ios(without)), ledger).events()[2]
    assert events.PLACEHOLDER == first.content_state
    assert ("failed", "omitted_by_export") == (first.attachments[0].state,
                                               first.attachments[0].reason)
    file = zip_of({"_chat.txt": ios(with_it), name: b"picture"})
    done = import_of(file, ledger)
    assert {KNOWN: 3, NOTED: 1} == done.how()
    second = done.events(NOTED)[0]
    assert (first.native_id, events.PRESENT) == (second.native_id, second.content_state)
    assert event_id(first) != event_id(second)
    assert {KNOWN: 4} == import_of(file, ledger).how()
    assert {KNOWN: 4} == import_of(file_of(ios(without)), ledger).how()


def test_what_the_app_puts_into_bodies() -> None:
    """Places, polls, calls, cards and captions have their facts; what is left out is a fact."""
    bodies = {
        "location: https://maps.google.com/?q=51.50214569326172,-0.12": "location",
        "POLL:\nLunch?\nOPTION: Soup (3 votes)\nOPTION: None (0 votes)": "poll",
        f"{LRM}Missed voice call": "call",
        "Ada.vcf (file attached)": "text",
        "IMG-20240318-WA0001.jpg (file attached)\nlook at this": "image",
        "<Media omitted>": "media",
        f"{LRM}Report.pdf • {LRM}2 pages {LRM}document omitted": "document",
    }
    chat = [said(f"2024-03-18 14:5{n}:00", "Ada", body) for n, body in enumerate(bodies)]
    found = import_of(file_of(android(chat)), FakeLedger()).events()
    assert list(bodies.values()) == [one.detail("type") for one in found]
    assert events.CALL == found[2].kind
    assert ("51.50214569326172", "-0.12") == (found[0].detail("latitude"),
                                              found[0].detail("longitude"))
    assert "text/vcard" == found[3].attachments[0].media_type
    assert "look at this" == found[4].text
    assert "Report.pdf" == found[6].attachments[0].name


def test_votes_that_were_counted_later_are_noted_once() -> None:
    """A poll stays one message; new counts are kept."""
    ledger = FakeLedger()
    poll = "POLL:\nLunch?\nOPTION: Soup ({} votes)"
    import_of(file_of(android([*CHAT, said("2024-03-22 10:00:00", "Ada", poll.format(1))])), ledger)
    more = file_of(android([*CHAT, said("2024-03-22 10:00:00", "Ada", poll.format(4))]))
    assert {KNOWN: 4, NOTED: 1} == import_of(more, ledger).how()
    assert {KNOWN: 5} == import_of(more, ledger).how()


def test_notices_in_another_language_are_not_new() -> None:
    """A notice at the same place in other words is the same notice; both wordings are kept."""
    ledger = FakeLedger()
    notice = said("2024-03-18 14:56:00", None, "Messages and calls are end-to-end encrypted.")
    german = replace(notice, body="Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.")
    import_of(file_of(android([notice, *CHAT])), ledger)
    again = file_of(android([german, *CHAT]))
    assert {KNOWN: 4, NOTED: 1} == import_of(again, ledger).how()
    assert {KNOWN: 5} == import_of(again, ledger).how()


def test_a_group_speaks_for_itself_on_ios() -> None:
    """A notice that iOS writes under the group's name has no sender, and gives the title."""
    chat = [said("2024-03-18 14:00:00", "Deal team", f"{LRM}Ada created this group"), *GROUP]
    first = import_of(zip_of({"_chat.txt": ios(chat)}, "export.zip"), FakeLedger()).events()[0]
    assert first.actor is None
    assert ("notice", "Deal team") == (first.detail("type"), first.detail("title"))


def test_edited_before_it_was_ever_exported() -> None:
    """The first export of an edited message says that its first text is not known."""
    found = import_of(file_of(android(
        [*CHAT, said("2024-03-22 10:00:00", "Ada", "final <This message was edited>")])),
        FakeLedger()).events()[-1]
    assert (events.MESSAGE, "final") == (found.kind, found.text)
    assert "edited_before_import" in found.observations


def test_a_crash_before_the_end_is_read_again_under_the_same_ids() -> None:
    """What was told and not saved is forgotten; the same events come again."""
    ledger = FakeLedger()
    reading = READER.read(file_of(ios(CHAT)), ANSWERS, ledger)
    halfway = [next(reading) for _ in range(2)]
    ledger.crash()
    again = import_of(file_of(ios(CHAT)), ledger)
    assert halfway == again.items[:2]
    assert {NEW: 4} == again.how()


def test_the_ledger_can_be_made_again_from_the_archive() -> None:
    """With its key, a lost ledger is rebuilt from the events: nothing is new, nothing doubled."""
    changed = [replace(CHAT[0], body=f"{LRM}This message was deleted."),
               replace(CHAT[1], body="an edit <This message was edited>"), *CHAT[2:]]
    hidden = [*CHAT[:2], replace(CHAT[2], body="null"), CHAT[3]]
    waiting = [*CHAT[:3], replace(CHAT[3], body="null")]
    chats = (waiting, CHAT, changed, hidden)
    for answers in (ANSWERS, replace(ANSWERS, me="Bob")):
        ledger = FakeLedger()
        stored = [one.event for chat in chats
                  for one in import_of(file_of(ios(chat)), ledger, answers).found
                  if one.how != KNOWN]
        assert 8 == len(stored)
        rebuilt = FakeLedger()
        restore(stored, rebuilt)
        for chat in chats:
            assert {KNOWN: 4} == import_of(file_of(ios([later(one, 1) for one in chat])), rebuilt,
                                           answers).how()


def test_stored_files_are_told_to_a_ledger_that_is_made_again() -> None:
    """A media fact says that a file needs not be handed over again; a failed one says nothing."""
    name = "00000003-PHOTO.jpg"
    chat = [*CHAT, said("2024-03-21 10:00:00", "Ada", f"{LRM}<attached: {name}>")]
    file = zip_of({"_chat.txt": ios(chat), name: b"picture"})
    ledger = FakeLedger()
    event = import_of(file, ledger).events()[-1]
    for state, members in (("failed", 1), ("stored", 0)):
        attachment = replace(event.attachments[0], state=state)
        restore_file(replace(event, kind=events.DERIVED, target=event.native_id,
                             attachments=(attachment,)), ledger)
        ledger.made_durable()
        assert members == len(import_of(file, ledger).found[-1].members)


def test_a_cut_zip_member_gives_all_before_the_cut() -> None:
    """A text that is damaged in the middle is read up to there, and the import says so."""
    raw = bytearray(zip_of({"_chat.txt": ios(CHAT)}).open().read())
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 16] ^= 0xff          # the checksum
    done = import_of(file_of(bytes(raw), "x.zip"), FakeLedger())
    assert {NEW: 4} == done.how()
    assert done.remarks["cut_off"].incomplete


def test_a_text_without_messages_is_kept_and_said() -> None:
    """Bytes without a header are quarantined whole, and the file counts as not read."""
    raw = b"just some notes\nof mine\n"
    done = import_of(file_of(raw, "notes.txt"), FakeLedger())
    assert [raw] == [one.raw for one in done.unreadable]
    assert done.remarks["no_messages"].incomplete
    assert not READER.recognises(file_of(raw, "notes.txt"))


def test_text_before_the_first_message_is_quarantined() -> None:
    """A file that begins in the middle of a message loses nothing."""
    raw = "the rest of a message\n" + android(CHAT)
    done = import_of(file_of(raw), FakeLedger())
    assert {NEW: 4} == done.how()
    assert [(0, 22)] == [(one.start, one.end) for one in done.unreadable]


@pytest.mark.parametrize(("file", "expected"), [
    (file_of(android(CHAT), "anything.txt"), True),
    (file_of(ios(CHAT), "x"), True),
    (zip_of({"_chat.txt": ios(CHAT)}), True),
    (zip_of({"a.jpg": b"x"}, "photos.zip"), False),
    (zip_of({"a.jpg": b"x"}, "WhatsApp Chat - Ada.zip"), True),
    (file_of(b"", "empty.txt"), False),
    (file_of(b"PK\x03\x04broken", "broken.zip"), False),
    (file_of(b"<?xml version='1.0'?><smses/>", "sms.xml"), False),
])
def test_recognises(file: object, expected: bool) -> None:
    """A chat is known by what is in the file; a WhatsApp zip without one is ours to refuse."""
    assert READER.recognises(file) is expected  # type: ignore[arg-type]


def test_another_time_zone_is_remarked() -> None:
    """A chat exported after a journey is the same chat, an hour off all over."""
    ledger = FakeLedger()
    import_of(file_of(ios(GROUP)), ledger)
    done = import_of(file_of(ios([later(one, 5 * 3600) for one in GROUP])), ledger)
    assert {KNOWN: 5} == done.how()
    assert "zone_shift" in done.remarks


def test_progress_reaches_the_file() -> None:
    """How much of the file is behind us grows to all of it."""
    done = import_of(file_of(ios(CHAT)), FakeLedger())
    steps = [one.read for one in done.items if isinstance(one, Found)]
    assert steps == sorted(steps)
    assert file_of(ios(CHAT)).size == steps[-1]


def test_an_unknown_zone_is_refused_before_anything_is_read() -> None:
    """A typing error does not become a time."""
    with pytest.raises(Refused):
        READER.read(file_of(ios(CHAT)), replace(ANSWERS, zone="Europe/Brelin"), FakeLedger())


def test_retraction_and_edit_of_one_line() -> None:
    """A line that was edited and then taken back has both, about one id."""
    ledger = FakeLedger()
    steps: list[Said] = [CHAT[1], replace(CHAT[1], body="new <This message was edited>"),
                         replace(CHAT[1], body=f"{LRM}This message was deleted.")]
    hows = []
    for one in steps:
        done = import_of(file_of(ios([CHAT[0], one, *CHAT[2:]])), ledger)
        hows.append(done.found[1].how)
        assert done.ids()[1] == done.ids()[1]
    assert [NEW, EDIT, RETRACTION] == hows
