"""What a message is marked with is what a query looks for: the labels of both sides are one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, datum, events, limits
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent
from search import marks, patterns
from search.marks import Label, attachment_label, flag_label, marks_of, pattern_label
from tests.search import strategies, world


def with_file(name: str | None = None, media_type: str | None = None, **more: Any) -> CapturedEvent:
    """A message with one file."""
    return world.event(text=None, attachments=(Attachment("f1", media_type, name),), **more)


def kinds(event: CapturedEvent) -> set[str]:
    """What its files are, without their names."""
    return {label[1] for label in marks_of(event)
            if label[0] == "attachment" and len(label) == 2} - {"any"}


def is_found(event: CapturedEvent, *labels: Label) -> bool:
    """Whether a query for all of these answers with it."""
    return set(marks_of(event)).issuperset(labels)


def test_a_message_of_words_has_no_marks() -> None:
    """Nothing is nothing."""
    assert () == marks_of(world.event()) == marks_of(world.event(text=None))


@pytest.mark.parametrize(("name", "media_type", "expected"), [
    ("Invoice.PDF", "application/pdf", {"document", "pdf"}), ("a.pdf", None, {"document", "pdf"}),
    (None, "application/pdf; x=1", {"document", "pdf"}),
    ("b.docx", "application/octet-stream", {"document", "docx"}),
    ("c.csv", "text/plain", {"document", "text", "txt", "csv"}),
    ("holiday.JPEG", "image/jpeg", {"image", "jpg"}), (None, "image/x-new", {"image"}),
    (None, "video/*", {"video"}), ("voice.opus", "audio/ogg; codecs=opus", {"audio", "ogg"}),
    ("ann.vcf", "text/vcard", {"contact", "vcf"}), ("all.zip", None, {"archive", "zip"}),
    ("harmless.pdf", "application/x-msdownload", {"document", "pdf", "exe"}),
    (None, "text/x-notes", {"document", "text"}), (None, None, set()),
    ("no extension", None, set()),
    ("Ｉｎｖｏｉｃｅ．ｐｄｆ", None, {"document", "pdf"}),
])
def test_what_kind_of_file_it_is(name: str | None, media_type: str | None,
                                 expected: set[str]) -> None:
    """By its media type and by its name; both where they differ."""
    found = with_file(name, media_type)
    assert expected == kinds(found)
    assert is_found(found, ("attachment", "any"))


@pytest.mark.parametrize(("details", "expected"), [
    ((("type", "document"),), {"document"}), ((("type", "sticker"),), {"sticker"}),
    ((("type", "audio"), ("voice", "true")), {"audio", "voice"}), ((("type", "text"),), {"text"}),
    ((("type", "image"), ("voice", "false")), {"image"}), ((("type", "new_thing"),), set()),
])
def test_a_file_that_says_nothing_is_what_its_message_says(
        details: tuple[tuple[str, str], ...], expected: set[str]) -> None:
    """A sticker and a voice message are known by how they were sent."""
    assert expected == kinds(with_file(details=details))


def test_a_place_and_a_contact_are_attached_without_a_file() -> None:
    """As a person sees it in the chat."""
    place = world.event(details=(("latitude", "1.0"), ("longitude", "2.0"), ("type", "location")))
    card = world.event(details=(("contacts", "[]"), ("type", "contacts")))
    assert (("attachment", "any"), ("attachment", "location")) == marks_of(place)
    assert (("attachment", "any"), ("attachment", "contact")) == marks_of(card)
    assert () == marks_of(world.event(details=(("type", "image"),)))


@pytest.mark.parametrize(("value", "expected"), [
    ("yes", (("attachment", "any"),)), ("Any", (("attachment", "any"),)),
    ("PDF", (("attachment", "pdf"),)), ("image", (("attachment", "image"),)),
    ("jpeg", (("attachment", "jpg"),)), ("voice", (("attachment", "voice"),)),
    ("Invoice 12", (("attachment", "name", "12"), ("attachment", "name", "invoice"))),
    ("…", ()),
])
def test_a_query_for_attachments(value: str, expected: tuple[Label, ...]) -> None:
    """Any, a family, a well-known kind, or words of a name."""
    assert expected == attachment_label(value)


@pytest.mark.parametrize("value", [
    "invoice", "INVOICE.pdf", "2026 final", "发票", "票", "发票2026", "✅", "invoice_2026"])
def test_a_file_is_found_by_words_of_its_name(value: str) -> None:
    """In any order, in any case, and by any piece of a script without spaces."""
    asked = attachment_label(value)
    assert is_found(with_file("Final Invoice_2026 invoice 2026 发票2026 ✅.pdf"), *asked)
    assert not is_found(with_file("holiday.png"), *asked)


@given(strategies.texts(), st.data())
@settings(max_examples=100)
def test_a_name_holds_every_piece_of_itself(name: str, data: st.DataObject) -> None:
    """The words that a query asks for are made as those of the file are."""
    first = data.draw(st.integers(0, len(name)))
    for value in (name, name[first:].partition(" ")[2].rpartition(" ")[0]):
        asked = attachment_label(value)
        if asked and asked[0][1] == "name":
            assert is_found(with_file(name), *asked)


def test_an_identifier_marks_its_kind_and_its_value() -> None:
    """And it is asked for as it is typed."""
    found = world.event(text="DE89 3704 0044 0532 0130 00, +1 (650) 555-1234")
    assert is_found(found, pattern_label("iban"), pattern_label("phone"),
                    pattern_label("iban", "de89370400440532013000"),
                    pattern_label("phone", "+1 650 555 1234"))
    assert not is_found(found, pattern_label("card"))


def test_a_domain_stands_for_those_below_it() -> None:
    """Of an address, and of a mailbox exactly that one."""
    found = world.event(text="https://dl.files.example.co.uk/x and ann@mail.example.com")
    for value in ("dl.files.example.co.uk", "files.example.co.uk", "www.example.co.uk"):
        assert is_found(found, pattern_label("url", value))
    assert not is_found(found, pattern_label("url", "mail.example.com"))
    assert is_found(found, pattern_label("email", "mail.example.com"),
                    pattern_label("email", "ANN@mail.example.com"))
    assert not is_found(found, pattern_label("email", "example.com"))
    assert not is_found(world.event(text="http://10.0.0.1/"), ("pattern", "url", "0.0.1"))


def test_an_amount_is_found_without_its_currency_and_by_what_its_sign_may_mean() -> None:
    """"$5,000" may be US dollars; "¥" may be two; "€" is one."""
    assert (("pattern", "amount"), ("pattern", "amount", "$ 5000"), ("pattern", "amount", "5000"),
            ("pattern", "amount", "USD 5000")) == marks_of(world.event(text="$5,000.00"))
    yen = world.event(text="¥500")
    for value in ("500", "¥500", "500 JPY", "CNY 500"):
        assert is_found(yen, pattern_label("amount", value))
    assert not is_found(yen, pattern_label("amount", "500 EUR"))


@pytest.mark.parametrize(("kind", "value", "expected"), [
    ("iban", "DE00", "check digits"), ("colour", None, "iban, isin"), ("phone", "12", "7 to 15"),
    ("amount", "much", "a number"), ("url", "two words", "a domain"), ("email", "a@", "@"),
])
def test_a_pattern_that_no_text_can_hold_is_refused(
        kind: str, value: str | None, expected: str) -> None:
    """With what is expected, for the person who typed it."""
    with pytest.raises(Refused, match=expected):
        pattern_label(kind, value)


def flag(rule: str | None = "Guarantees", version: str | None = "3", **more: Any) -> CapturedEvent:
    """A policy's finding about m1."""
    said = {"action": "flag", "rule": rule, "version": version, "reason": "DE89370400440532013000"}
    return world.event(events.POLICY, "p1", more.pop("text", None), **{
        "target_key": b"k" * 16, "actor": None, "participants": (),
        "details": tuple(sorted((k, v) for k, v in said.items() if v is not None)), **more})


def test_a_flag_marks_its_rule_and_its_version() -> None:
    """`flag:RULE` any version's, `flag:*` any rule's."""
    assert {flag_label("*"), flag_label("guarantees"), flag_label("GUARANTEES", "3")} == set(
        marks_of(flag(text="pay DE89370400440532013000")))
    assert (flag_label("*"),) == marks_of(flag(rule=None))
    assert not is_found(flag(), flag_label("guarantees", "2"))


def test_what_is_about_no_message_or_no_flag_is_no_mark() -> None:
    """A change of a policy quotes what it likes."""
    assert () == marks_of(flag(target_key=None))
    assert () == marks_of(flag(details=(("action", "approved"), ("rule", "r"))))


def test_more_than_is_indexed_is_said() -> None:
    """Too many of one kind; those there are, are marks."""
    text = " ".join(f"€{number}" for number in range(limits.MARKS_MAX))
    found, is_cut = marks.marks_and_cut(world.event(text=text))
    assert is_cut and ("pattern", "amount", "EUR 1") in found
    assert not marks.marks_and_cut(world.event(text="€1"))[1]


def test_the_quick_reader_gives_what_marks_need() -> None:
    """Attachments and details of a datum, as the codec reads them."""
    event = with_file("Invoice.pdf", "application/pdf", details=(("type", "document"),))
    for one in (event, flag()):
        quick = datum.read(codec.encode(one))
        assert quick is not None
        decoded = codec.decode(codec.encode(one))
        assert isinstance(decoded, CapturedEvent)
        assert marks_of(one) == marks_of(quick[0]) == marks_of(decoded) != ()


def test_every_kind_of_pattern_can_be_asked_for() -> None:
    """Each has its words for what is expected."""
    assert all(pattern_label(kind) == ("pattern", kind) for kind in patterns.KINDS)
    assert set(patterns.KINDS) == set(marks._EXPECTED)
    assert not set(marks.FAMILIES) & set(marks.KINDS)
