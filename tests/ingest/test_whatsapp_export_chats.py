"""Which chat an export is of: two are never made one, for what is taken for known is not stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from ingest.adapters.whatsapp_export import restore
from ingest.imports import EDIT, KNOWN, NEW, NOTED, RETRACTION, Answers, ImportedFile
from schemas import events
from schemas.identity import event_id
from tests.fakes.ledger import FakeLedger
from tests.ingest.exports import (
    ANSWERS,
    LRM,
    Said,
    android,
    file_of,
    import_of,
    ios,
    later,
    said,
    zip_of,
)

BOTH = replace(ANSWERS, me="Ann", account="+4915550001")
OPTIONS = [BOTH, replace(ANSWERS, me="Ann"), replace(ANSWERS, account="+4915550001"), ANSWERS]
GONE = f"{LRM}This message was deleted."


def talk(client: str, count: int, *, other: Sequence[int] = ()) -> list[Said]:
    """`count` lines of Ann and a client, each in its minute; those at `other` are this client's
    alone."""
    return [said(f"2024-03-{18 + n // 600} {8 + n // 60 % 10:02}:{n % 60:02}:01",
                 client if n % 2 else "Ann",
                 f"{client} alone has line {n}" if n in other else
                 f"a line that many clients were sent, number {n}")
            for n in range(count)]


def named(chat: Sequence[Said], client: str) -> ImportedFile:
    """As the app names it."""
    return file_of(ios(chat), f"WhatsApp Chat with {client}.txt")


def zipped(chat: Sequence[Said], client: str) -> ImportedFile:
    """As an iPhone's zip that somebody renamed."""
    return zip_of({"_chat.txt": ios(chat)}, f"export {len(client)}.zip")


def bare(chat: Sequence[Said], _client: str) -> ImportedFile:
    """A text of one name in every folder."""
    return file_of(ios(chat), "_chat.txt")


def plain(chat: Sequence[Said], _client: str) -> ImportedFile:
    """A name that somebody gave to all of them."""
    return file_of(ios(chat), "chat.txt")


FORMS = [named, zipped, bare, plain]
Form = Callable[[Sequence[Said], str], ImportedFile]


@pytest.mark.parametrize("answers", OPTIONS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("one", "two"), [
    ("Bob", "Carlo"), ("+49 155 5000222", "+49 1555 0003334"), ("Bob", "+49 1555 0003334")])
@pytest.mark.parametrize(("count", "other"), [(2, ()), (3, ()), (10, ()), (10, (3, 6)), (19, ())])
def test_equal_lines_of_two_clients_are_two_chats(
        answers: Answers, form: Form, one: str, two: str, count: int,
        other: tuple[int, ...]) -> None:
    """What two clients were sent and answered in the same minutes is stored for each of them,
    whatever the files are called and whatever was said of them; nobody edited anything."""
    ledger = FakeLedger()
    first, second = talk(one, count, other=other), talk(two, count, other=other)
    before = import_of(form(first, one), ledger, answers)
    after = import_of(form(second, two), ledger, answers)
    assert {NEW: count} == after.how()
    assert "renamed" not in after.remarks
    assert not {one.conversation for one in before.events()} & {
        one.conversation for one in after.events()}
    for chat, client in ((first, one), (second, two)):
        assert {KNOWN: count} == import_of(form(chat, client), ledger, answers).how()
        if form is bare and count < 3:
            continue                     # nothing says which chat it is; it is imported again
        grown = [*chat, said("2024-05-01 10:00:00", client, "and a line more")]
        assert {KNOWN: count, NEW: 1} == import_of(form(grown, client), ledger, answers).how()


@pytest.mark.parametrize("answers", OPTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_two_numbers_are_two_clients_however_much_is_equal(answers: Answers, form: Form) -> None:
    """Hundreds of equal lines make no number another number."""
    ledger = FakeLedger()
    one, two = "+49 155 5000222", "+49 1555 0003334"
    import_of(form(talk(one, 200), one), ledger, answers)
    assert {NEW: 200} == import_of(form(talk(two, 200), two), ledger, answers).how()


@pytest.mark.parametrize("other", [(50,), (51,)])
def test_one_line_that_differs_makes_two_chats_of_two_names(other: tuple[int, ...]) -> None:
    """However much is equal, a line in the midst of it that only one of them has speaks against
    it, whoever said it; a line that says that it was edited does not."""
    ledger = FakeLedger()
    import_of(named(talk("Bob", 100), "Bob"), ledger, BOTH)
    done = import_of(named(talk("Carl", 100, other=other), "Carl"), ledger, BOTH)
    assert {NEW: 100} == done.how()
    ledger = FakeLedger()
    import_of(named(talk("Bob", 100), "Bob"), ledger, BOTH)
    changed = [replace(one, body=f"{one.body} <This message was edited>") if n in other else one
               for n, one in enumerate(talk("Carl", 100))]
    assert {KNOWN: 99, EDIT: 1} == import_of(named(changed, "Carl"), ledger, BOTH).how()


@pytest.mark.parametrize("former", ["Bob", "+49 155 5000222"])
@pytest.mark.parametrize("answers", OPTIONS)
def test_a_long_chat_of_a_renamed_contact_is_known(answers: Answers, former: str) -> None:
    """Twenty long and different lines of a sender, at their minutes, and nothing against it: a
    contact that was saved or renamed."""
    ledger = FakeLedger()
    import_of(named(talk(former, 60), former), ledger, answers)
    grown = [*talk("Robert", 60), said("2024-05-01 10:00:00", "Robert", "more")]
    done = import_of(named(grown, "Robert"), ledger, answers)
    assert {KNOWN: 60, NEW: 1} == done.how()
    assert {"renamed", "other_title"} <= set(done.remarks)
    assert {KNOWN: 61} == import_of(named(grown, "Robert"), ledger, answers).how()


def test_a_renamed_contact_in_doubt_is_imported_again_and_it_is_said() -> None:
    """A few lines do not tell a renamed contact from a second client: both are kept."""
    ledger = FakeLedger()
    import_of(named(talk("Bob", 20), "Bob"), ledger, BOTH)
    done = import_of(named(talk("Robert", 20), "Robert"), ledger, BOTH)
    assert {NEW: 20} == done.how()
    assert "maybe_renamed" in done.remarks


def test_short_lines_do_not_tell_who_was_renamed() -> None:
    """A hundred "ok" at equal minutes are no evidence."""
    ledger = FakeLedger()
    short = [replace(one, body="ok") for one in talk("Bob", 100)]
    import_of(named(short, "Bob"), ledger, BOTH)
    other = [replace(one, sender="Carl") if one.sender == "Bob" else one for one in short]
    assert {NEW: 100} == import_of(named(other, "Carl"), ledger, BOTH).how()


@pytest.mark.parametrize("answers", OPTIONS)
@pytest.mark.parametrize("count", [3, 10, 30])
def test_groups_of_one_name_with_other_people_stay_two(answers: Answers, count: int) -> None:
    """Two groups are called the same, and half of their people are: each line is stored for
    each of them."""
    ledger = FakeLedger()
    people = {"Bob": ("Ann", "Zoe", "Bob"), "Carl": ("Ann", "Zoe", "Carl")}
    chats = {name: [replace(one, sender=who[n % 3], body=f"{one.body} by {who[n % 3]}"
                            if n % 3 == 2 else one.body)
                    for n, one in enumerate(talk(name, count))] for name, who in people.items()}
    import_of(named(chats["Bob"], "Deal team"), ledger, answers)
    done = import_of(named(chats["Carl"], "Deal team"), ledger, answers)
    assert {NEW: count} == done.how()


@pytest.mark.parametrize("answers", OPTIONS)
def test_groups_of_two_names_with_the_same_people_stay_two(answers: Answers) -> None:
    """What three people posted in two groups in the same minutes is in both."""
    ledger = FakeLedger()
    who = ("Ann", "Zoe", "Bob")
    chat = [replace(one, sender=who[n % 3]) for n, one in enumerate(talk("Bob", 12))]
    import_of(named(chat, "Deal"), ledger, answers)
    assert {NEW: 12} == import_of(named(chat, "Deal, internal"), ledger, answers).how()


def test_a_member_of_a_large_group_who_was_saved_is_the_same_person() -> None:
    """Where the lines of the others say which chat it is, few lines tell who was renamed."""
    ledger = FakeLedger()
    who = ("Ann", "Zoe", "Bob", "Zoe", "Ann")
    chat = [replace(one, sender=who[n % 5]) for n, one in enumerate(talk("Bob", 60))]
    chat.append(said("2024-03-19 10:00:00", "+49 155 5000222", "hi"))
    import_of(named(chat, "Deal team"), ledger, BOTH)
    saved = [*chat[:-1], replace(chat[-1], sender="Dora")]
    done = import_of(named(saved, "Deal team"), ledger, BOTH)
    assert {KNOWN: 61} == done.how()
    assert "renamed" in done.remarks


def test_what_is_known_of_numbers_survives_the_loss_of_the_ledger() -> None:
    """A ledger made again from the archive still knows that two numbers are two people."""
    one, two = "+49 155 5000222", "+49 1555 0003334"
    ledger = FakeLedger()
    stored = import_of(named(talk(one, 60), one), ledger, BOTH).events()
    rebuilt = FakeLedger()
    restore(stored, rebuilt)
    assert {NEW: 60} == import_of(named(talk(two, 60), two), rebuilt, BOTH).how()
    assert {KNOWN: 60} == import_of(named(talk(one, 60), one), rebuilt, BOTH).how()


# --- the third tombstone ---


@pytest.mark.parametrize("form", [android, ios])
@pytest.mark.parametrize("first", ["one", "two", "three"])
def test_the_last_of_three_that_is_taken_back_is_retracted(
        form: Callable[[Sequence[Said]], str], first: str) -> None:
    """Two of three lines of a minute were taken back, and then the third: every one of them is
    retracted by its own tombstone, and all three exports are known."""
    ledger = FakeLedger()
    chat = [said("2024-03-18 14:56:01", "Ada", body) for body in ("one", "two", "three")]
    two = [one if one.body == first else replace(one, body=GONE) for one in chat]
    three = [replace(one, body=GONE) for one in chat]
    ids = import_of(file_of(form(chat)), ledger).ids()
    assert {KNOWN: 1, RETRACTION: 2} == import_of(file_of(form(two)), ledger).how()
    done = import_of(file_of(form(three)), ledger)
    assert {KNOWN: 2, RETRACTION: 1} == done.how()
    left = ids[("one", "two", "three").index(first)]
    assert [left] == [one.target for one in done.events(RETRACTION)]
    for export in (chat, two, three):
        assert {KNOWN: 3} == import_of(file_of(form(export)), ledger).how()


# --- what counts as new ---


def test_a_revealed_text_is_more_of_a_message_that_was_counted() -> None:
    """The tombstone was new; the text that an older export shows of it is not new once more, and
    its deletion is counted once."""
    chat = talk("Ada", 4)
    ledger = FakeLedger()
    gone = [*chat[:2], replace(chat[2], body=GONE), chat[3]]
    assert {NEW: 4} == import_of(file_of(ios(gone)), ledger).how()
    done = import_of(file_of(ios(chat)), ledger)
    assert {KNOWN: 3, NOTED: 1} == done.how()
    assert chat[2].body == done.events(NOTED)[0].text


# --- the same file with other options ---


@pytest.mark.parametrize("form", [named, zipped, plain])
@pytest.mark.parametrize(("first", "second"), [
    (ANSWERS, replace(ANSWERS, me="Ann")), (ANSWERS, BOTH), (replace(ANSWERS, me="Ann"), BOTH),
    (ANSWERS, replace(ANSWERS, account="+4915550001")), (BOTH, ANSWERS),
    (BOTH, replace(ANSWERS, me="Ann"))])
def test_the_very_same_file_with_other_options_is_known(
        form: Form, first: Answers, second: Answers) -> None:
    """What was forgotten the first time doubles nothing: the file is known, and it is said."""
    ledger = FakeLedger()
    file = form(talk("Bob", 10), "Bob")
    before = import_of(file, ledger, first)
    done = import_of(file, ledger, second)
    assert {KNOWN: 10} == done.how()
    assert [event_id(one) for one in before.events()] == [event_id(one) for one in done.events()]
    assert "other_options" in done.remarks
    assert "other_options" not in import_of(file, ledger, first).remarks


@pytest.mark.parametrize(("first", "second"), [
    (BOTH, replace(BOTH, account="+4915550002")), (BOTH, replace(BOTH, me="Bob", account="+4916")),
    (replace(ANSWERS, me="Ann"), replace(ANSWERS, me="Bob")),
    (replace(ANSWERS, me="Ann"), replace(ANSWERS, me="Bob", account="+4916")),
    (replace(ANSWERS, account="+4916"), replace(ANSWERS, me="Bob"))])
def test_the_same_file_of_two_custodians_is_two_copies(first: Answers, second: Answers) -> None:
    """Equal bytes at two custodians are a copy of each of them."""
    ledger = FakeLedger()
    file = named(talk("Bob", 10), "Bob")
    import_of(file, ledger, first)
    done = import_of(file, ledger, second)
    assert {NEW: 10} == done.how()
    assert "other_options" not in done.remarks


def test_equal_bytes_under_another_name_are_another_chat_whatever_the_options() -> None:
    """One unanswered text to two clients is stored for each, though its options differ."""
    ledger = FakeLedger()
    sent = [replace(one, sender="Ann") for one in talk("Ann", 4)]
    import_of(named(sent, "Bob"), ledger, ANSWERS)
    assert {NEW: 4} == import_of(named(sent, "Carl"), ledger, BOTH).how()


def test_a_file_that_grew_with_other_options_is_taken_anew() -> None:
    """Only the very same bytes are told: all else is stored under what is said now."""
    ledger = FakeLedger()
    chat = talk("Bob", 10)
    import_of(named(chat, "Bob"), ledger, ANSWERS)
    grown = [*chat, later(chat[-1], 3600)]
    done = import_of(named(grown, "Bob"), ledger, BOTH)
    assert {NEW: 11} == done.how()
    assert {"+4915550001"} == {one.account for one in done.events()}
    assert events.MESSAGE == done.events()[0].kind
