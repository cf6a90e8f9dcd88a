"""Identifiers are found however they are typed, and what looks like one is left alone."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import limits
from search import patterns, registries
from search.patterns import canonical, domain, found, values
from tests.search import strategies


def held(text: str) -> list[tuple[str, str]]:
    """(kind, value) in the text's order."""
    return [(one.kind, one.value) for one in found(text)]


def only(text: str, kind: str) -> list[str]:
    """The values of one kind."""
    return [one.value for one in found(text) if one.kind == kind]


IBAN = "DE89370400440532013000"


@pytest.mark.parametrize("text", [
    "DE89370400440532013000", "de89 3704 0044 0532 0130 00", "IBAN:DE89.3704.0044.0532.0130.00.",
    "DE89-3704-0044-0532-0130-00", "DE 89 3704 0044 0532 0130 00 for the rent",
    "ＤＥ８９ ３７０４ ００４４ ０５３２ ０１３０ ００", "DE٨٩ 3704 0044 ٠٥٣٢ 0130 00",
    "DE89 37\u200b04 00\u206044 0532 01\ufeff30 00", "账号DE89370400440532013000谢谢",
    "DE89\u00a03704\u202f0044 0532 0130 00",
])
def test_an_account_number_is_one_however_it_is_typed(text: str) -> None:
    """Case, separators, scripts of digits and invisible characters do not hide it."""
    assert [("iban", IBAN)] == held(text)


@pytest.mark.parametrize("value", [
    "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NL91ABNA0417164300",
    "MT84MALT011000012345MTLCAST001S", "NO9386011117947", "CH9300762011623852957",
    "BR9700360305000010009795493P1", "SA0380000000608010167519", "PL61109010140000071219812874",
    "LC55HEMM000100010012001200023015", "AE070331234567890123456", "BE68539007547034",
])
def test_account_numbers_of_many_countries(value: str) -> None:
    """Each country has its own length and structure; the registry's own examples."""
    grouped = " ".join(value[at:at + 4] for at in range(0, len(value), 4))
    assert [("iban", value)] == held(f"pay to {grouped.lower()}, please") == held(value)


@pytest.mark.parametrize("text", [
    "DE88370400440532013000",               # the check digits
    "DE8937040044053201300",                # one short
    "DE893704004405320130001",              # one long
    "ZZ89370400440532013000",               # no such country
    "at 10 oclock we will meet me there",   # the length of an Austrian one, with letters
    "XDE89370400440532013000",              # within a longer word
])
def test_what_is_no_account_number(text: str) -> None:
    """Country, structure, check digits and edges must all fit."""
    assert [] == only(text, "iban")


@pytest.mark.parametrize(("text", "expected"), [
    ("buy US0378331005 now", ["US0378331005"]), ("us0378331005", ["US0378331005"]),
    ("DE000BAY0017, GB0002634946", ["DE000BAY0017", "GB0002634946"]),
    ("US-037833100-5", ["US0378331005"]), ("XS1311459694", ["XS1311459694"]),
    ("US0378331006", []), ("appointment1", []), ("ZZ0378331005", []),
    ("b08b982f-8f26-4e03-b853-de044e741567", []),
])
def test_securities_have_their_check_digit(text: str, expected: list[str]) -> None:
    """Luhn over letters; a word, a wrong digit or a piece of a random id is none."""
    assert expected == only(text, "isin")


@pytest.mark.parametrize(("text", "expected"), [
    ("4111 1111 1111 1111", ["4111111111111111"]), ("4111-1111-1111-1111", ["4111111111111111"]),
    ("4111111111111111 exp 12/27", ["4111111111111111"]),
    ("card 4111 1111 1111 1111 12/27 and 123", ["4111111111111111"]),
    ("3782 822463 10005", ["378282246310005"]), ("5555555555554444", ["5555555555554444"]),
    ("２２２３００３１２２００３２２２", ["2223003122003222"]),
    ("6200000000000005", ["6200000000000005"]),
    ("4111 1111 1111 1112", []), ("9111 1111 1111 1111", []), ("+49 151 12345678", []),
    ("x4111111111111111", []), ("41111111111111111111", []),
])
def test_cards_have_a_known_beginning_and_the_check_digit(text: str, expected: list[str]) -> None:
    """In groups or in one piece; the expiry date behind it is no part of it."""
    assert expected == only(text, "card")


@pytest.mark.parametrize(("text", "value"), [
    ("+44 (0)20 7946 0018", "442079460018"), ("0044 20 7946 0018", "442079460018"),
    ("+1 (650) 555-1234", "16505551234"), ("+1.650.555.1234 2 people", "16505551234"),
    ("+86 138 1234 5678", "8613812345678"), ("tel:+4915112345678", "4915112345678"),
    ("+٤٤ ٢٠ ٧٩٤٦ ٠٠١٨", "442079460018"), ("+44 20–7946–0018", "442079460018"),
    ("(650) 555-1234", "6505551234"), ("650-555-1234 at 5pm", "6505551234"),
    ("1-650-555-1234", "16505551234"), ("020 7946 0018", "02079460018"),
    ("07700900123", "07700900123"), ("030/123456", "030123456"), ("(030) 123456", "030123456"),
    ("01.23.45.67.89", "0123456789"), ("01 23 45 67 89", "0123456789"),
    ("612 345 678", "612345678"), ("13812345678", "13812345678"),
    ("138 1234 5678", "13812345678"), ("98765 43210", "9876543210"),
    ("9123 4567", "91234567"), ("(11) 91234-5678", "11912345678"), ("22 34 56 78", "22345678"),
    ("8 (916) 123-45-67", "89161234567"), ("电话13812345678谢谢", "13812345678"),
    ("call me on 5551234", "5551234"), ("Tel. 456 78 90", "4567890"),
])
def test_telephone_numbers_as_they_are_written(text: str, value: str) -> None:
    """International, or as a country writes them at home, or behind a word that announces one."""
    assert [("phone", value)] == held(text)


@pytest.mark.parametrize("text", [
    "15.01.2026", "2026-01-15 12:30", "15.01.2026 12:30", "01/02/2026-03/02/2026", "15 01 2026",
    "01.02-03.02.2026", "2025-2026", "2025 2026", "call on 15.01.2026", "09.30-10.15",
    "08 15 16 30", "1.234.567", "1 250 000", "1,234,567", "500-1000 pieces", "1000-2000",
    "10 20 30 40 50 60", "192.168.100.200", "48.858844, 2.294351", "0.123456789", "order 12345678",
    "1768478400000", "0000000000", "10.0.19041.1", "12", "C++ 20260115",
    "dlg-4e90530e-594c-49e8-b142-083195075687",
])
def test_dates_prices_ranges_and_ids_are_no_telephone_numbers(text: str) -> None:
    """Seven digits are not enough."""
    assert [] == only(text, "phone")


@pytest.mark.parametrize(("text", "expected"), [
    ("John.Doe+x@Example.COM", ["john.doe+x@example.com"]),
    ("mailto:a@b.co.uk.", ["a@b.co.uk"]), ("<o'neil@x-y.org>", ["o'neil@x-y.org"]),
    ("邮箱john@example.com谢谢", ["john@example.com"]),
    ("jo\u200bhn＠example．com", ["john@example.com"]),
    ("x@münchen.de x@xn--mnchen-3ya.de", ["x@xn--mnchen-3ya.de"] * 2),
    ("josé@x.es", ["josé@x.es"]), ("a@b.com.Then", ["a@b.com"]), ("...john@x.com", ["john@x.com"]),
    ("@john", []), ("john@work", []), ("a@b.1", []), ("@@@", []),
])
def test_mail_addresses(text: str, expected: list[str]) -> None:
    """With the domain in its one spelling."""
    assert expected == only(text, "email")


@pytest.mark.parametrize(("text", "expected"), [
    ("https://www.Example.com/a?b=5551234567#c", ["example.com"]),
    ("(see http://user@mail.example.org:8080/x)", ["mail.example.org"]),
    ("http://10.0.0.1:80/ and https://example.com.", ["10.0.0.1", "example.com"]),
    ("请看www.example.com谢谢", ["example.com"]), ("https://example.com请看", ["example.com"]),
    ("https://例子.中国/路", ["xn--fsqu00a.xn--fiqs8s"]), ("пример.рф", ["xn--e1afmkfd.xn--p1ai"]),
    ("münchen.de = XN--MNCHEN-3YA.DE", ["xn--mnchen-3ya.de"] * 2),
    ("t.me/john wa.me/16505551234 bit.ly/x", ["t.me", "wa.me", "bit.ly"]),
    ("example.it/offer", ["example.it"]), ("sub.example.it", ["sub.example.it"]),
    ("example.de, example.co.uk", ["example.de", "example.co.uk"]),
    ("fine.it was", []), ("so.be it", []), ("e.g. p.m. 3.14 v1.2.3 report.pdf app.py", []),
    ("first one.Then two", []), ("15.am", []), ("a.b", []),
])
def test_web_addresses_have_their_domain(text: str, expected: list[str]) -> None:
    """With "https://" always; without it only what is no end of a sentence."""
    assert expected == only(text, "url")


@pytest.mark.parametrize(("text", "expected"), [
    ("€1.234,50", ["EUR 1234.5"]), ("1,234.50 EUR", ["EUR 1234.5"]),
    ("EUR 1 234,50", ["EUR 1234.5"]),
    ("CHF 1'234.50 CHF 1’234.–", ["CHF 1234.5", "CHF 1234"]), ("€1.500", ["EUR 1500"]),
    ("€0.125", ["EUR 0.125"]), ("KWD 1.500", ["KWD 1.5"]), ("Rs. 5,00,000/-", ["rs 500000"]),
    ("$5k, $1.5m and USD 2 bn", ["$ 5000", "$ 1500000", "USD 2000000000"]),
    ("5 mio. €", ["EUR 5000000"]), ("5 lakh rupees", ["rs 500000"]), ("5万元", ["CNY 50000"]),
    ("请付100元，谢谢", ["CNY 100"]), ("￥500 ₹７００", ["¥ 500", "INR 700"]),
    ("٥٠٠ €", ["EUR 500"]),
    ("5€ 6 EUR 7eur eur8", ["EUR 5", "EUR 6", "EUR 7", "EUR 8"]),
    ("EUR 5 EUR 6", ["EUR 5", "EUR 6"]),
    ("$500 CAD", ["CAD 500"]), ("$500 EUR 300", ["$ 500", "EUR 300"]),
    ("US$5 HK$ 6", ["USD 5", "HKD 6"]), ("500 kr. kr 500", ["kr 500", "kr 500"]),
    ("cost$5", ["$ 5"]), ("TRY 5, 5 SEK", ["TRY 5", "SEK 5"]),
    ("1\u200b00 €", ["EUR 100"]), ("50 dollars", ["$ 50"]), ("0050.00 €", ["EUR 50"]),
    ("try 5, 5 sek, 5 kgs, all 3, top 10", []), ("€ 12.05.2026", []), ("1,2,3 €", []),
    ("€", []), ("5 eu", []), ("5 eurocents", []), ("1234567890123456789012345 €", []),
])
def test_amounts_are_a_currency_and_a_number(text: str, expected: list[str]) -> None:
    """Both kinds of separators, both sides; a sign of several countries stays the sign."""
    assert expected == only(text, "amount")


def test_an_identifier_is_found_where_it_stands() -> None:
    """In the text as it was written, and none within another."""
    number = "ＤＥ８９ 3704\u200b 0044 0532 0130 00"
    text = f"ﬁrst İ: {number} – pay 1.000 € to a@b.de, https://x.de/5551234567"
    assert [("iban", number), ("amount", "1.000 €"), ("email", "a@b.de"),
            ("url", "https://x.de/5551234567")] == [
        (one.kind, text[one.start:one.end]) for one in found(text)]


_pieces = st.sampled_from((
    "DE89 3704 0044 0532 0130 00", "US0378331005", "4111 1111 1111 1111", "+44 20 7946 0018",
    "a@b.de", "https://x.de/", "x.de", "5 €", "€", "TRY 5", "1.5", "@", ".", "xn--a.de", "www.",
    "a", "元", "9", "(", ")", "+", "-", " ", "\u200b", "\u0661", "İ", "ß", "://", "_",
    "ﷺ", "①", "\0"))
_texts = st.lists(_pieces, max_size=12).map("".join) | strategies.wild_texts


@given(_texts)
@settings(max_examples=300)
def test_both_ways_to_read_a_text_agree(text: str) -> None:
    """With places and without; no text makes either fail, and places are in order and apart."""
    there = found(text)
    assert (frozenset((one.kind, one.value) for one in there), False) == values(text)
    assert all(a.end <= b.start for a, b in pairwise(there))
    assert all(0 <= one.start < one.end <= len(text) for one in there)


@given(_texts)
@settings(max_examples=300)
def test_what_a_message_holds_can_be_asked_for(text: str) -> None:
    """The value of each identifier, and the identifier as it stands there, typed into a query."""
    for one in found(text):
        assert one.value == canonical(one.kind, text[one.start:one.end])
        assert one.value == canonical(one.kind, one.value)


def test_no_character_slips_through_the_first_look() -> None:
    """Whatever normalisation makes a digit, an @ or a point of, of every script."""
    missed = [hex(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000
              and set(unicodedata.normalize("NFKC", chr(point))) & set("0123456789@")
              and not patterns._is_worth_it(chr(point) + "é")]
    assert [] == missed
    assert patterns._is_worth_it("é a．b") and not patterns._is_worth_it("wait. what? 好。")


@pytest.mark.parametrize(("kind", "typed", "expected"), [
    ("iban", "de89 3704 0044 0532 0130 00", IBAN), ("iban", "DE88370400440532013000", None),
    ("phone", "+44 (0)20 7946 0018", "442079460018"), ("phone", "4567890", "4567890"),
    ("phone", "12", None), ("email", "A@B.de", "a@b.de"), ("email", "@Example.com", "example.com"),
    ("email", "example.com", "example.com"), ("url", "example.it", "example.it"),
    ("url", "https://www.Example.com/x", "example.com"), ("url", "MÜNCHEN.de", "xn--mnchen-3ya.de"),
    ("url", "two words", None), ("amount", "1.234,50", "1234.5"), ("amount", "$5k", "$ 5000"),
    ("amount", "EUR 5", "EUR 5"), ("amount", "five", None), ("card", "4111 1111 1111 1112", None),
    ("isin", "us0378331005", "US0378331005"), ("isin", "", None),
])
def test_a_value_as_a_person_types_it(kind: str, typed: str, expected: str | None) -> None:
    """The same spelling as in a text; null is what no text could hold."""
    assert expected == canonical(kind, typed)


def test_a_domain_has_one_spelling() -> None:
    """Also where its ASCII form says nothing."""
    assert "xn--mnchen-3ya.de" == domain("www.münchen.de") == domain("xn--mnchen-3ya.de.")
    assert "xn--999999999.de" == domain("xn--999999999.de")
    assert "www.de" == domain("www.de")


def test_many_of_one_kind_hide_none_of_another() -> None:
    """The limit is shared out; and it is said that there may be more."""
    text = " ".join(f"€{number}" for number in range(1_000)) + f" {IBAN} +44 20 7946 0018"
    held_there, is_cut = values(text)
    assert is_cut and {("iban", IBAN), ("phone", "442079460018")} <= held_there
    assert len(found(text)) == len(held_there) < limits.MARKS_MAX
    assert not values("€1 €2")[1]


@pytest.mark.slow
@pytest.mark.parametrize("piece", [
    "1 ", "12 ", "4111 ", "44 ", "1.", "1,", "1-", "+1 ", "(0", "00 ", "0171/", "a.", "a@", "@a.",
    "a@a.", "https://", "https://a?", "https://a@", "www.a-", "xn--a.", "de89 ", "de", "$1,1",
    "de12 3704 0044 0532 0130 0", "1 111 ", "$1 eur ", "kr ", "TRY 5 é", "tel 1", "12.05.2026 ",
    "a-b-", "12345678-1234-1234-1234-", "元1", "\u200b1", "٣", "é", "ab0123456789", "a",
])
def test_a_hostile_text_takes_no_longer_than_its_length(piece: str) -> None:
    """A megabyte of what an expression could stumble over is read to its end."""
    held_there, _ = values(piece * (1_000_000 // len(piece)))
    assert len(held_there) <= limits.MARKS_MAX


def test_the_registries_agree_with_each_other() -> None:
    """Words are top domains, capitals are currencies, signs are signs."""
    assert registries.TOP_DOMAIN_WORDS <= registries.TOP_DOMAINS
    assert registries.CURRENCIES_IN_CAPITALS <= registries.CURRENCIES.keys()
    assert registries.CURRENCY_READINGS.keys() <= set(registries.CURRENCIES.values())
    assert registries.IBAN_STRUCTURES.keys() - registries.COUNTRIES == {"xk"}
