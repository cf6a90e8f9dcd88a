"""Which reader takes a file, and which files must be read one after the other."""

from __future__ import annotations

import pytest

from ingest.readers import READERS, Sketch, groups_of, kind_of, sketch
from tests.ingest.exports import Said, android, file_of, ios, said, zip_of

ADA = [said(f"2024-03-{day:02d} 14:5{day % 10}:0{day % 7}", "Ada Lovelace",
            f"the engine weaves patterns, number {day} of them") for day in range(1, 28)]
BEN = [said(f"2024-03-{day:02d} 10:1{day % 10}:0{day % 7}", "Ben Okafor",
            f"another thing altogether, said on day {day}") for day in range(1, 28)]


def looked(lines: list[Said], name: str, account: str = "+491", *, iphone: bool = False) -> Sketch:
    """The sketch of a chat of these lines."""
    file = zip_of({"_chat.txt": ios(lines)}, name) if iphone else file_of(android(lines), name)
    kind = kind_of(file)
    assert kind is not None
    return sketch(file, kind, account)


def test_each_file_has_one_reader() -> None:
    """A chat, a zip with one, a backup; what is neither has none."""
    found = {name: kind_of(file) for name, file in {
        "txt": file_of(android(ADA)), "zip": zip_of({"_chat.txt": ios(ADA)}),
        "xml": file_of('<?xml version="1.0"?><smses count="0"></smses>', "sms.xml"),
        "text": file_of("a letter", "letter.txt"), "picture": file_of(b"\xff\xd8\xff", "a.jpg"),
        "empty": file_of(b"", "WhatsApp Chat with Ada.txt")}.items()}
    assert {name: kind and kind.name for name, kind in found.items()} == {
        "txt": "whatsapp-export", "zip": "whatsapp-export", "xml": "sms-backup", "text": None,
        "picture": None, "empty": None}
    assert {name: kind.reader.source for name, kind in READERS.items()} == {
        "whatsapp-export": "whatsapp-export/1", "sms-backup": "sms-backup/1"}


def test_chats_of_their_own_are_read_side_by_side() -> None:
    """Two chats by the app's own names, with nothing in common but its notice."""
    notice = said("2024-01-01 10:00:00", None, "Messages and calls are end-to-end encrypted. Tap.")
    assert groups_of([looked([notice, *ADA], "WhatsApp Chat with Ada Lovelace.txt"),
                      looked([notice, *BEN], "WhatsApp Chat with Ben Okafor.txt")]) == [[0], [1]]


@pytest.mark.parametrize(("first", "second"), [
    # The same title, of other times.
    (looked(ADA[:9], "WhatsApp Chat with Ada.txt"), looked(ADA[15:], "WhatsApp Chat with Ada.txt")),
    # A copy of a download.
    (looked(ADA, "WhatsApp Chat with Ada.txt"), looked(ADA, "WhatsApp Chat with Ada (1).txt")),
    # The contact was given another name.
    (looked(ADA, "WhatsApp Chat with Ada.txt"), looked(ADA[5:], "WhatsApp Chat with Countess.txt")),
    # From another telephone.
    (looked(ADA, "WhatsApp Chat with A.txt"), looked(ADA, "WhatsApp Chat - B.zip", iphone=True)),
    # A name of somebody's own: only the lines say whose chat it is.
    (looked(ADA, "WhatsApp Chat with Ada.txt"), looked(BEN, "for legal.txt")),
])
def test_what_may_be_one_chat_is_read_in_order(first: Sketch, second: Sketch) -> None:
    """One group, in the order in which the files were given."""
    assert groups_of([first, second]) == [[0, 1]]


def test_other_accounts_have_nothing_to_do_with_each_other() -> None:
    """The ledger is kept by account, and so are groups; backups of one telephone are one."""
    name = "WhatsApp Chat with Ada.txt"
    assert groups_of([looked(ADA, name, "+491"), looked(ADA, name, "+492"),
                      looked(ADA, name, "+491"), Sketch("sms-backup", "+491"),
                      Sketch("sms-backup", "+492"), Sketch("sms-backup", "+491")]) == [
        [0, 2], [1], [3, 5], [4]]
