"""What an edit or a retraction did: removed words, numbers changed after an OK, taken back."""

from __future__ import annotations

import pytest

from schemas import events
from schemas.events import CapturedEvent
from search.policy.match import Engine
from search.policy.numbers import changed, numbers
from tests.search.policy.world import (
    MINUTE,
    NOON,
    edit,
    flags,
    of,
    policy,
    retraction,
    said,
    shown,
)

SOON = "query = 'guarantee*'\nrevision = { retracted_within_s = 60 }"
GONE = "query = 'guarantee* OR \"no risk\"'\nrevision = { removed = true }"
NUMBER = "revision = { number_changed = true }"


@pytest.mark.parametrize(("captured", "seconds"), [
    ((said("I guarantee it"), retraction(NOON + 12_000)), 12),
    ((said("I guarantee it"), retraction(NOON + 60_000)), 60),
    ((said("I guarantee it"), retraction(NOON)), 0),
    ((said("hello"), edit("I guarantee it", NOON + 300_000), retraction(NOON + 310_000)), 10),
    ((said("I guarantee it"), edit("hello", NOON + 5_000), retraction(NOON + 20_000)), 20),
    ((said("I guarantee it"), retraction(NOON + 61_000)), None),
    ((said("I guarantee it"), edit("hello", NOON + 5_000)), None),
    ((said("hello"), retraction(NOON + 12_000)), None),
    ((said("I guarantee it"),), None),
])
def test_taken_back_soon_after_a_hit(captured: tuple[CapturedEvent, ...],
                                     seconds: int | None) -> None:
    """The flag is on the retraction, its place is the text that was taken back."""
    message = of(*captured)
    found = flags(SOON, message)
    assert ([] if seconds is None else [f"taken back {seconds} second"]) == [
        flag.reason[flag.reason.index("taken"):].split("second")[0] + "second" for flag in found]
    for flag in found:
        assert message.versions[-1].revision() == flag.revision
        assert ["guarantee"] == shown(flag, message)


@pytest.mark.parametrize(("captured", "words"), [
    ((said("I guarantee 8 %, no risk"), edit("I hope for 8 %, no risk")), ["guarantee"]),
    ((said("guaranteed, guaranteed"), edit("guaranteed")), ["guaranteed"]),
    ((said("I guarantee it"), edit("I guarantee it, my friend")), []),
    ((said("I GUARANTEE it"), edit("i guarantee it")), []),
    ((said("I guarantee it"), retraction()), ["guarantee"]),
    ((said("hello"), edit("I guarantee it"), retraction()), ["guarantee"]),
    ((said("I guarantee it"), edit("hello"), retraction(NOON + 120_000)), ["guarantee"]),
    ((said("hello"), edit("I guarantee it")), []),
    ((said("I guarantee it"),), []),
])
def test_removed_words(captured: tuple[CapturedEvent, ...], words: list[str]) -> None:
    """Shown where they stood; words that only moved or changed their case were not removed."""
    message = of(*captured)
    assert words == [word for flag in flags(GONE, message) for word in shown(flag, message)]


def test_what_is_removed_twice_is_flagged_twice() -> None:
    """Each edit that takes words away is one event, with a flag of its own."""
    message = of(said("guaranteed, no risk"), edit("no risk", NOON + 5_000, "e1"),
                 edit("hello", NOON + 9_000, "e2"))
    found = flags(GONE, message)
    assert [["guaranteed"], ["no risk"]] == [shown(flag, message) for flag in found]
    assert 2 == len({flag.revision for flag in found})
    assert "removed by an edit, 4 seconds after they were written" in found[1].reason


@pytest.mark.parametrize(("before", "after", "ok", "what"), [
    ("Send 1,000 EUR", "Send 10,000 EUR", "ok", "changed"),
    ("Pay to DE89 3704 0044 0532 0130 00", "Pay to DE02 1203 0000 0000 2020 51", "Agreed!",
     "changed"),
    ("Pay to the usual account", "Pay to DE02120300000000202051", "👍", "added"),
    ("We meet at 10:30", "We meet at 11:30", "einverstanden", "changed"),
    ("On 12.01.2026", "On 13.01.2026", "d'accord", "changed"),
    ("Son 500 euros", "Son 5000 euros", "De acuerdo", "changed"),
    ("转 5万", "转 50万", "好的", "changed"),
    ("المبلغ ٥٠٠ دولار", "المبلغ ٥٠٠٠ دولار", "موافق", "changed"),
    ("5k tomorrow", "50k tomorrow", "sounds good", "changed"),
    ("at 3.5%, for 100 shares", "at 3.5%", "ok", "removed"),
])
def test_a_number_changed_after_an_ok(before: str, after: str, ok: str, what: str) -> None:
    """Amounts, accounts, times and dates, after the other side said OK in its language."""
    message = of(said(before), edit(after, NOON + 5 * MINUTE))
    answer = of(said(ok, NOON + 2 * MINUTE, "m2", out=False))
    (flag,) = flags(NUMBER, message, [answer])
    assert f"a number was {what} by an edit, 180 seconds after" in flag.reason
    assert message.versions[1].revision() == flag.revision
    assert answer.key in {place.message for place in flag.places}
    assert all(shown(flag, message, answer))


@pytest.mark.parametrize(("before", "after", "answer"), [
    ("Send 1000 EUR", "Send 1,000.00 EUR now", said("ok", NOON + MINUTE, "m2", out=False)),
    ("Send 1.000 EUR", "Send 1 000 EUR", said("ok", NOON + MINUTE, "m2", out=False)),
    ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
     said("ok", NOON + MINUTE, "m2", out=False)),
    ("at 10:30", "at 10h30", said("ok", NOON + MINUTE, "m2", out=False)),
    ("Send 1000", "Send 2000", said("ok", NOON + MINUTE, "m2")),               # own words
    ("Send 1000", "Send 2000", said("ok", NOON - MINUTE, "m2", out=False)),    # before it
    ("Send 1000", "Send 2000", said("ok", NOON + 9 * MINUTE, "m2", out=False)),  # after it
    ("Send 1000", "Send 2000", said("not ok for me", NOON + MINUTE, "m2", out=False)),
    ("Send 1000", "Send 2000", said("nicht einverstanden", NOON + MINUTE, "m2", out=False)),
    ("Send 1000", "Send 2000", said("why?", NOON + MINUTE, "m2", out=False)),
    ("Send it", "Please send it", said("ok", NOON + MINUTE, "m2", out=False)),
])
def test_a_number_that_did_not_change_after_an_ok(before: str, after: str,
                                                  answer: CapturedEvent) -> None:
    """Written otherwise, or before anybody had agreed: no flag."""
    message = of(said(before), edit(after, NOON + 5 * MINUTE))
    assert () == flags(NUMBER, message, [of(answer)])


@pytest.mark.parametrize(("texts", "flagged"), [
    (("Send 1000", "Please send 1000", "Please send 2000"), True),
    (("Send 1000", "send 1000", "Please send 1000", "Please send 2000"), True),
    (("Send 1000", "Please send 1000", "Please send 1000!"), False),
    (("Send 500", "Send 1000", "Please send 1000", "Send 500"), True),
])
def test_words_edited_after_an_ok_do_not_hide_a_number(texts: tuple[str, ...],
                                                       flagged: bool) -> None:
    """Who said OK said so to the numbers that stood; edits that leave them alone change nothing of
    that."""
    first, *edits = texts
    message = of(said(first), *(edit(text, NOON + (n * 3 - 2) * MINUTE, f"e{n}")
                                for n, text in enumerate(edits, 1)))
    at = NOON + 2 * MINUTE if first == "Send 500" else NOON + MINUTE // 2
    answer = of(said("ok", at, "m2", out=False))
    found = flags(NUMBER, message, [answer])
    assert flagged == any(one.revision == message.versions[-1].revision() for one in found)
    assert len(found) == flagged


def test_a_reaction_is_an_ok_and_words_may_be_asked_for() -> None:
    """A thumb on the message counts; a rule may name its own words, and a query beside them."""
    thumb = said("👍", NOON + MINUTE, "r9", out=False, target="m1")
    thumb = CapturedEvent(**{**{name: getattr(thumb, name) for name in thumb.__slots__},
                             "kind": events.REACTION})
    captured = (said("Send 1000"), edit("Send 2000", NOON + 5 * MINUTE))
    assert flags(NUMBER, of(*captured, thumb))
    answer = of(said("aye", NOON + MINUTE, "m2", out=False))
    own = "revision = { number_changed = true, ok = 'aye' }"
    assert flags(own, of(*captured), [answer])
    assert () == flags(NUMBER, of(*captured), [answer])
    assert flags(f"query = 'send'\n{own}", of(*captured), [answer])
    assert () == flags(f"query = 'transfer'\n{own}", of(*captured), [answer])


@pytest.mark.parametrize(("text", "values"), [
    ("1,000.00 1.000,00 1 000 1000 1'000", ["1000"] * 5),
    ("1.50 1,5 15 1.500 0.5", ["1.5", "1.5", "15", "1500", "0.5"]),
    ("1.234.567,89 and 1,234,567.89", ["1234567.89"] * 2),
    ("10:30 10h30 9h 09:00", ["10:30", "10:30", "9:00", "9:00"]),
    ("12.01.2026 2026-01-12", ["12-1-2026", "2026-1-12"]),
    ("BE68 5390 0754 7034 asap", ["BE68539007547034"]),
    ("٥٠٠، ٥٠٠٫٥ and ５００", ["500", "500.5", "500"]),
    ("5k 5 k 3.5% 10万 5m", ["5k", "5k", "3.5%", "10万", "5m"]),
    ("pay 1000 100 times", ["1000", "100"]),
    ("room5 v2 mp3 covid19", []),
    ("", []),
])
def test_numbers_have_one_form(text: str, values: list[str]) -> None:
    """However a number is written it is the same one; different ones stay different."""
    assert values == [one.value for one in numbers(text)]
    for one in numbers(text):
        assert text[one.start:one.end].strip()


def test_each_number_counts_as_often_as_it_stands() -> None:
    """Two of one amount and then one of it: one is gone."""
    gone, new = changed("100 and 100 and 7", "7 and 100")
    assert ["100"] == [one.value for one in gone] and () == new
    assert (8, 11) == (gone[0].start, gone[0].end)


def test_an_ok_that_comes_late_is_looked_at_again() -> None:
    """The edit was there before the OK was captured: `affected` names the edited message."""
    engine = Engine([policy(NUMBER)])
    message = of(said("Send 1000"), edit("Send 2000", NOON + 5 * MINUTE))
    answer = of(said("ok", NOON + MINUTE, "m2", out=False))
    later = of(said("ok", NOON + 9 * MINUTE, "m3", out=False))
    conversation = [message, answer, later]
    assert [message, answer] == engine.affected(conversation, answer.key)
    assert [later] == engine.affected(conversation, later.key)
