"""The queue as a page: what waits, whose it is, and several decided at once."""

from __future__ import annotations

import pytest

from schemas.errors import Transient
from search.access.people import Person
from search.review.decisions import CLEAR
from search.review.timing import BUCKETS
from tests.search.review.world import LATER
from tests.search.world import NOON
from tests.web.reviewing import (
    ANN,
    BEN,
    CAROL,
    CAT,
    DAN,
    EVE,
    LEO,
    PEOPLE,
    Reviewed,
    wall,
    words,
)

_HOUR = 3_600_000


def test_the_gravest_and_oldest_come_first() -> None:
    """High before medium before low; of one severity the older message."""
    firm = Reviewed()
    ids = [firm.world.message(number, ("cash", severity), occurred_at=NOON + number * 1000)
           for number, severity in enumerate(("low", "high", "medium", "high"))]
    page = firm.as_(DAN).get("/queue").text
    assert [ids[1], ids[3], ids[2], ids[0]] == sorted(ids, key=lambda one: page.index(
        f'href="/item/{one}'))
    assert "message 1" in page and "<strong>4 items</strong>" in page


def test_a_filter_is_an_address_and_a_count_is_a_link() -> None:
    """Each count leads to exactly so many items; a filter that is on leads back out."""
    firm = Reviewed()
    for number, severity in enumerate(("high", "high", "low")):
        firm.world.message(number, ("cash" if number else "coins", severity))
    browser = firm.as_(DAN)
    page = browser.get("/queue").text
    assert 'href="/queue?severity=high"><bdi>high</bdi><span class="count">2</span>' in page
    narrowed = browser.get("/queue?severity=high")
    assert "<strong>2 items</strong>" in narrowed.text
    assert '<a class="chip" href="/queue">' in narrowed.text
    both = browser.get("/queue?severity=high&rule=cash").text
    assert "<strong>1 item</strong>" in both
    assert 'href="/queue?rule=cash"' in both and 'href="/queue?severity=high"' in both


@pytest.mark.parametrize("address", [
    "severity=grave", "level=9", "status=gone", "age=old", "overdue=yes", "rule=" + "x" * 300,
    "outcome=maybe", "after=nowhere"])
def test_an_address_that_is_none_is_told_so(address: str) -> None:
    """400, and nothing is shown."""
    firm = Reviewed()
    firm.world.message(1, ("cash", "high"))
    answer = firm.as_(DAN).get(f"/queue?{address}")
    assert answer.status_code == 400 and "message 1" not in answer.text


def test_the_clock_is_said_in_words() -> None:
    """How long is left, and by how much it is late."""
    firm = Reviewed()
    firm.world.message(1, ("cash", "high"))
    browser = firm.as_(DAN)
    assert "due in 3 h" in words(browser.get("/queue"))
    firm.world.now = LATER + 50 * _HOUR
    page = browser.get("/queue")
    assert '<span class="due overdue">' in page.text and "1 d 22 h overdue" in words(page)
    assert "<strong>1 item</strong>" in browser.get("/queue?overdue=1").text
    assert "<strong>1 item</strong>" in browser.get("/queue?age=1+to+3+days").text
    assert "<strong>0 items</strong>" in browser.get(f"/queue?age={BUCKETS[0][0]}").text


def test_who_holds_an_item_is_said() -> None:
    """By name and until when; whoever holds it sees that it is theirs; nobody else may claim."""
    firm = Reviewed()
    one = firm.world.message(1, ("cash", "medium"))
    dan, cat = firm.as_(DAN), firm.as_(CAT)
    dan.get("/queue")
    dan.follow(dan.send(f"/item/{one}/claim"))
    assert "yours until 13:15" in dan.get("/queue").text
    page = cat.get("/queue")
    assert "held by Dan Dean until 13:15" in page.text
    assert not cat.has_form(f"/item/{one}/claim")


def test_a_look_at_the_queue_is_recorded_and_changes_nothing() -> None:
    """With the ids that it showed; no claim, no review."""
    firm = Reviewed()
    one = firm.world.message(1, ("cash", "medium"))
    firm.as_(DAN).get("/queue?severity=medium")
    (look,) = [event for event in firm.world.log.events if event.detail("action") == "queue"]
    assert (one, "severity=medium") == (look.detail("shown"), look.detail("filters"))
    assert firm.world.acts() == []


def test_where_a_look_cannot_be_recorded_nothing_is_shown() -> None:
    """503, without a word of a message."""
    firm = Reviewed()
    firm.world.message(1, ("cash", "medium"))
    dan = firm.as_(DAN)
    firm.world.log.down = True
    answer = dan.get("/queue")
    assert answer.status_code == 503 and "message 1" not in answer.text
    assert isinstance(firm.reported[-1], Transient)


def test_what_is_behind_a_wall_is_in_no_queue() -> None:
    """Neither the item nor a number of it."""
    firm = Reviewed(walls=(wall("carol", against="dan"),))
    one = firm.world.message(1, ("cash", "high"))
    firm.world.message(2, ("cash", "high"), custodian="dora")
    page = firm.as_(DAN).get("/queue")
    assert one not in page.text and "<strong>1 item</strong>" in page.text
    assert one in firm.as_(ANN).get("/queue").text


@pytest.mark.parametrize("person", [EVE, LEO], ids=lambda one: one.roles[0])
def test_who_reviews_nothing_has_no_queue(person: Person) -> None:
    """Denied, and the denial is on record."""
    firm = Reviewed()
    assert firm.as_(person).get("/queue").status_code == 403
    assert [person.person_id] == firm.denials()


def test_a_queue_has_pages() -> None:
    """Every item on exactly one, in order; the counts stand on the first."""
    firm = Reviewed()
    ids = {firm.world.message(number, ("cash", "medium" if number % 3 else "high"))
           for number in range(60)}
    browser, seen, address = firm.as_(DAN), [], "/queue"
    while address:
        page = browser.get(address).text
        seen += [one.partition("?")[0].partition('"')[0] for one in page.split('href="/item/')[1:]]
        address = (page.partition('id="next" class="button" rel="next" href="')[2]
                   .partition('"')[0].replace("&amp;", "&"))
    assert len(seen) == len(set(seen)) == 60 and set(seen) == ids


def test_several_are_decided_with_one_reason() -> None:
    """Each is an event of its own; what cannot be decided so is left, with why."""
    firm = Reviewed()
    ids = [firm.world.message(number, ("cash", "medium")) for number in (1, 2, 3)]
    ann, ben = firm.as_(ANN), firm.as_(BEN)
    ben.get(f"/item/{ids[2]}")
    ben.send(f"/item/{ids[2]}/claim")
    ann.get("/queue")
    page = ann.send("/queue/bulk", decision="false_positive", reason="petty cash",
                    **{f"pick-{one}": "1" for one in ids})
    assert "2 items decided as false positive" in words(page)
    assert "ben is working on this item" in words(page)
    assert [("decide", "false_positive", "petty cash")] * 2 == [
        (one.detail("action"), one.detail("decision"), one.detail("reason"))
        for one in firm.world.acts()]
    left = ann.get("/queue").text
    assert ids[2] in left and ids[0] not in left and ids[1] not in left


@pytest.mark.parametrize(("said", "why"), [
    ({"decision": "clear", "reason": "fine by me"}, "Choose the items first"),
    ({"decision": "clear", "reason": " "}, "Say why these are decided together"),
    ({"decision": "breach", "reason": "it is one"}, "Several at once can be decided as")])
def test_a_bulk_form_that_is_wrong_says_how(said: dict[str, str], why: str) -> None:
    """The queue again, with what was typed and what was chosen; nothing is recorded."""
    firm = Reviewed()
    one = firm.world.message(1, ("cash", "medium"))
    ann = firm.as_(ANN)
    ann.get("/queue")
    picks = {} if "Choose" in why else {f"pick-{one}": "1"}
    answer = ann.send("/queue/bulk", **said, **picks)
    assert answer.status_code == 422 and why in words(answer)
    assert ("checked" in answer.text.partition(f"pick-{one}")[2][:40]) == bool(picks)
    assert firm.world.acts() == []


def test_a_bulk_form_sent_twice_is_one_act() -> None:
    """Also where the second one comes from another tab."""
    firm = Reviewed()
    one = firm.world.message(1, ("cash", "medium"))
    ann = firm.as_(ANN)
    ann.get("/queue")
    held = ann.hidden("/queue/bulk")
    for _ in range(2):
        held["csrf"] = ann.csrf
        answer = ann.ask("POST", "/queue/bulk", data={
            **held, "decision": CLEAR, "reason": "looked at", f"pick-{one}": "1"})
        assert "1 item decided" in words(answer)
    assert len(firm.world.acts()) == 1


def test_a_reviewer_decides_nothing_in_bulk() -> None:
    """No boxes, and a form of one's own is denied."""
    firm = Reviewed()
    one = firm.world.message(1, ("cash", "medium"))
    dan = firm.as_(DAN)
    assert "pick-" not in dan.get("/queue").text
    answer = dan.ask("POST", "/queue/bulk", data={
        "csrf": dan.csrf, "decision": CLEAR, "reason": "looked at", "key": "0" * 32,
        f"pick-{one}": "1"})
    assert answer.status_code == 403 and firm.world.acts() == []


def test_ones_own_messages_cannot_be_chosen() -> None:
    """Nor claimed; the row says so."""
    firm = Reviewed(people=(*PEOPLE, CAROL))
    one = firm.world.message(1, ("cash", "medium"))
    carol = firm.as_(CAROL)
    page = carol.get("/queue")
    assert "your own, or of somebody you report to" in page.text
    assert f"pick-{one}" not in page.text and not carol.has_form(f"/item/{one}/claim")
