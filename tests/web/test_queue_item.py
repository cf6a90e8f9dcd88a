"""One item as a page: opening it is no review, a decision is one; each rule is told in words."""

from __future__ import annotations

import pytest

from search.review.decisions import BREACH, CLEAR, ESCALATE, FALSE_POSITIVE
from search.review.views import Form
from tests.search.review.world import flag, viewer
from tests.search.world import NOON, edit, event
from tests.web.reviewing import (
    ANN,
    BEN,
    CAROL,
    CAT,
    DAN,
    EVE,
    LEO,
    PEOPLE,
    Reader,
    Reviewed,
    wall,
    words,
)

_FORMS = ("claim", "decide", "second", "assign", "note", "tag", "reopen", "unmask")


def firm_with(severity: str = "medium", **more: object) -> tuple[Reviewed, str]:
    """A firm with one item, and its id."""
    firm = Reviewed(**more)  # type: ignore[arg-type]
    return firm, firm.world.message(1, ("cash", severity))


def decide(reader: Reader, one: str, decision: str, reason: str = "", **more: str) -> str:
    """Decides and goes where it leads; what the page says then."""
    reader.get(f"/item/{one}")
    return words(reader.follow(reader.send(
        f"/item/{one}/decide", decision=decision, reason=reason, **more)))


def test_opening_is_not_reviewing() -> None:
    """A view is on record, the item stays open, and the page says that nothing was done yet."""
    firm, one = firm_with()
    page = firm.as_(DAN).get(f"/item/{one}")
    assert "message 1" in page.text and "The rule cash of money, version 1, flagged it" in words(
        page)
    assert firm.world.acts() == [] and firm.world.state.get(f"claim:{one}") is None
    assert [one] == [each.detail("document") for each in firm.world.log.events
                     if each.detail("as") == "review"]


def test_a_decision_is_shown_at_once() -> None:
    """To who made it, before the index has it; gone from their queue; with the way to the next."""
    firm, one = firm_with()
    other = firm.world.message(2, ("cash", "medium"), occurred_at=NOON + 9_000)
    dan = firm.as_(DAN)
    dan.get("/queue?severity=medium")
    dan.get(f"/item/{one}?back=severity%3Dmedium")
    answer = dan.follow(dan.send(f"/item/{one}/decide", decision=CLEAR, reason="a joke"))
    assert "Recorded: you cleared it" in words(answer) and "Closed: clear" in words(answer)
    (act,) = firm.world.acts()
    assert ("dan", "clear", "a joke") == (
        act.actor and act.actor.native_id, act.detail("decision"), act.detail("reason"))
    assert one not in dan.get("/queue").text
    following = dan.get(f"/queue/next?back=severity%3Dmedium&not={one}")
    assert following.headers["location"].startswith(f"/item/{other}?back=severity%3Dmedium")
    firm.world.index_log()
    assert "a joke" in dan.get(f"/item/{one}").text


def test_a_form_sent_twice_is_one_decision() -> None:
    """A double click, and a page that is loaded again."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    dan.get(f"/item/{one}")
    held = dan.hidden(f"/item/{one}/decide")
    for _ in range(2):
        answer = dan.ask("POST", f"/item/{one}/decide", data={
            **held, "decision": CLEAR, "reason": "", "note": ""})
        assert answer.status_code == 303
    assert len(firm.world.acts()) == 1


def test_what_changed_meanwhile_is_looked_at_again() -> None:
    """A decision on what is not on the screen any more is refused, with what was typed kept."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    dan.get(f"/item/{one}")
    firm.world.capture(edit("no, the other account", target="m1"))
    answer = dan.send(f"/item/{one}/decide", decision=BREACH, reason="as it says")
    assert answer.status_code == 409 and "look at it again" in words(answer)
    assert "as it says</textarea>" in answer.text and "the other account" in answer.text
    assert firm.world.acts() == []
    dan.follow(dan.send(f"/item/{one}/decide", decision=BREACH, reason="as it says"))
    assert len(firm.world.acts()) == 1


def test_what_changed_since_the_decision_is_said() -> None:
    """The banner names who decided and what came after; the item is open again."""
    firm, one = firm_with()
    decide(firm.as_(DAN), one, CLEAR)
    firm.world.index_log()
    firm.world.capture(flag(event(native_id="m1", text="message 1"), "coins",
                            at=firm.world.now + 60_000))
    page = words(firm.as_(CAT).get(f"/item/{one}"))
    assert "Changed since it was reviewed. Dan Dean decided" in page
    assert "flagged by coins" in page and "Open" in page


def test_four_eyes_are_two_people() -> None:
    """The first cannot confirm; the second can; the story names both."""
    firm, one = firm_with("high")
    ann, ben = firm.as_(ANN), firm.as_(BEN)
    said = decide(ann, one, CLEAR, "the client called")
    assert "Waits for a second person" in said
    assert "The second person is another one than the first" in said
    assert not ann.has_form(f"/item/{one}/second")
    firm.world.index_log()
    page = ben.get(f"/item/{one}")
    assert "Ann Ash decided clear" in words(page) and "the client called" in page.text
    said = words(ben.follow(ben.send(f"/item/{one}/second", agrees="yes")))
    assert "Recorded: you confirmed Ann Ash’s decision" in said
    assert "Clear, by Ann Ash, confirmed by Ben Birch" in said


def test_the_second_person_may_object() -> None:
    """With a reason; then it is a level up."""
    firm, one = firm_with("high")
    decide(firm.as_(DAN), one, FALSE_POSITIVE)
    firm.world.index_log()
    ben = firm.as_(BEN)
    ben.get(f"/item/{one}")
    answer = ben.send(f"/item/{one}/second", agrees="no")
    assert answer.status_code == 409 and "Say why" in words(answer)
    said = words(ben.follow(ben.send(f"/item/{one}/second", agrees="no", reason="it is grave")))
    assert "Escalated, with supervision (level 2)" in said
    assert ben.post(f"/item/{one}/second").status_code == 409


def test_an_escalation_goes_up_and_leaves_the_reviewer() -> None:
    """A reviewer is told with whom it is; the form is not there any more."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    dan.get(f"/item/{one}")
    assert "Say why" in words(dan.send(f"/item/{one}/decide", decision=ESCALATE))
    said = decide(dan, one, ESCALATE, "over my head")
    assert "you escalated it to level 2, supervision" in said
    assert "The item is with supervision (level 2)." in said
    assert not dan.has_form(f"/item/{one}/decide")
    firm.world.index_log()
    assert "Clear You looked" in words(firm.as_(CAT).get(f"/item/{one}"))


def test_the_conflict_rule_is_said_plainly() -> None:
    """Own messages, and those of whom one reports to; a form of one's own is denied, recorded,
    and told why."""
    firm, one = firm_with(people=(*PEOPLE, CAROL))
    carol = firm.as_(CAROL)
    said = words(carol.get(f"/item/{one}"))
    assert "These are your own messages, or those of somebody you report to: another person has " \
           "to review them." in said
    assert not any(carol.has_form(f"/item/{one}/{each}") for each in _FORMS)
    answer = carol.post(f"/item/{one}/decide", decision=CLEAR, key="0" * 32, basis="0" * 32)
    assert answer.status_code == 403 and "Nothing was recorded." in words(answer)
    assert ["carol"] == firm.denials() and firm.world.acts() == []


def test_a_claim_keeps_others_off_until_it_ends() -> None:
    """Told by name and until when; the holder may give it back; in time it ends by itself."""
    firm, one = firm_with()
    dan, cat = firm.as_(DAN), firm.as_(CAT)
    dan.get(f"/item/{one}")
    assert "Give it back" in words(dan.follow(dan.send(f"/item/{one}/claim")))
    said = words(cat.get(f"/item/{one}"))
    assert "This item is held by Dan Dean until 13:15" in said
    assert not cat.has_form(f"/item/{one}/decide")
    answer = cat.post(f"/item/{one}/decide", decision=CLEAR, key="0" * 32, basis="0" * 32)
    assert answer.status_code == 409
    assert "Dan Dean is working on this item until 13:15. Nothing was recorded." in words(answer)
    dan.follow(dan.send(f"/item/{one}/release"))
    cat.get(f"/item/{one}")
    assert cat.has_form(f"/item/{one}/decide")


def test_who_gives_items_out_ends_another_s_claim() -> None:
    """A button for them alone, and for nobody on their own messages; it is on record."""
    firm, one = firm_with()
    dan, cat = firm.as_(DAN), firm.as_(CAT)
    cat.get(f"/item/{one}")
    assert not cat.has_form(f"/item/{one}/release")
    cat.follow(cat.send(f"/item/{one}/claim"))
    dan.get(f"/item/{one}")
    assert not dan.has_form(f"/item/{one}/release")
    ben = firm.as_(BEN)
    assert "Ends the claim of Cat Cole" in words(ben.get(f"/item/{one}"))
    ben.follow(ben.send(f"/item/{one}/release"))
    assert "held by" not in words(ben.get(f"/item/{one}"))
    assert ben.has_form(f"/item/{one}/decide")
    assert [("ben", "cat")] == [
        (each.actor and each.actor.native_id, each.detail("of")) for each in
        firm.world.log.events if each.detail("action") == "release"]


def test_assign_note_and_tag() -> None:
    """Each is an act on record and told in words; none decides anything."""
    firm, one = firm_with()
    cat, dan = firm.as_(CAT), firm.as_(DAN)
    cat.get(f"/item/{one}")
    cat.follow(cat.send(f"/item/{one}/assign", to="dan"))
    cat.follow(cat.send(f"/item/{one}/note", note="ask the client"))
    cat.follow(cat.send(f"/item/{one}/tag", tag="probate"))
    firm.world.index_log()
    said = words(dan.get(f"/item/{one}"))
    assert "Cat Cole gave it to Dan Dean." in said and "Cat Cole tagged it “probate”." in said
    assert "Note: ask the client" in said and "assigned to you" in said and "Open" in said
    assert "<strong>1 item</strong>" in dan.get("/queue?assigned=me").text
    assert "<strong>1 item</strong>" in dan.get("/queue?tag=probate&status=all").text
    cat.get(f"/item/{one}")
    cat.follow(cat.send(f"/item/{one}/tag", off="probate"))
    firm.world.index_log()
    assert "took the tag “probate” off" in words(dan.get(f"/item/{one}"))
    # A reviewer may take an item and give none.
    assert "Assign to nobody" in words(dan.get(f"/item/{one}"))
    answer = dan.post(f"/item/{one}/assign", to="cat", key="0" * 32, basis="0" * 32)
    assert answer.status_code == 403 and "not give it to somebody else" in words(answer)


def test_a_closed_item_is_opened_again_with_a_reason() -> None:
    """And a message that nothing flagged is put into the queue."""
    firm, one = firm_with()
    plain = firm.world.message(2)
    decide(firm.as_(DAN), one, CLEAR)
    firm.world.index_log()
    cat = firm.as_(CAT)
    assert "Closed: clear" in words(cat.get(f"/item/{one}"))
    assert "Say why" in words(cat.send(f"/item/{one}/reopen"))
    cat.follow(cat.send(f"/item/{one}/reopen", reason="new facts"))
    assert "Cat Cole opened it" in words(cat.get(f"/item/{one}"))
    assert "Not in the queue" in words(cat.get(f"/item/{plain}"))
    said = words(cat.follow(cat.send(f"/item/{plain}/reopen", reason="odd tone")))
    assert "Opened by hand" in said and "none, opened by hand" in said
    firm.world.index_log()
    assert [plain] == [each for each in (one, plain) if each in cat.get("/queue?why=by_hand").text]


def test_two_decisions_that_did_not_know_of_each_other_are_both_told() -> None:
    """Until one follows both."""
    firm, one = firm_with()
    first, second = viewer("ann"), viewer("ben")
    for who, decision in ((first, CLEAR), (second, BREACH)):
        firm.world.desk.act(who, one, Form("decide", decision, "looked at it"))
        for key, _ in list(firm.world.state.scan("recent:")):
            firm.world.state.remove(key)
    firm.world.index_log()
    said = words(firm.as_(CAT).get(f"/item/{one}"))
    assert "Decided twice, differently." in said
    assert "Ann Ash cleared it" in said and "Ben Birch found a breach" in said
    assert "<strong>1 item</strong>" in firm.as_(CAT).get("/queue?conflict=1&status=all").text


def test_what_is_behind_a_wall_is_not_there() -> None:
    """The same page, word for word, as for an id that nobody has."""
    firm = Reviewed(walls=(wall("carol", against="dan"),))
    one = firm.world.message(1, ("cash", "high"))
    dan = firm.as_(DAN)
    missing = "0" * 32
    answers = [dan.get(f"/item/{one}"), dan.get(f"/item/{missing}")]
    assert [404, 404] == [answer.status_code for answer in answers]
    plain = [answer.text.replace(one, missing) for answer in answers]
    assert plain[0] == plain[1]
    for action in _FORMS[1:]:
        assert dan.post(f"/item/{one}/{action}", decision=CLEAR, agrees="yes", key="0" * 32,
                        basis="0" * 32).status_code in (403, 404)
    assert firm.world.acts() == []


def test_who_may_look_and_not_decide_is_shown_no_form() -> None:
    """Legal sees the item and its story; an auditor sees no message at all."""
    firm, one = firm_with()
    leo = firm.as_(LEO)
    said = words(leo.get(f"/item/{one}"))
    assert "Your account may look at items and not decide on them." in said
    assert not any(leo.has_form(f"/item/{one}/{each}") for each in _FORMS)
    assert leo.post(f"/item/{one}/decide", decision=CLEAR).status_code == 403
    assert firm.as_(EVE).get(f"/item/{one}").status_code == 403
    assert ["leo", "eve"] == firm.denials()


def test_names_are_hidden_until_somebody_says_why() -> None:
    """One reader sees them then, of one item; an escalation shows them to everybody."""
    firm, one = firm_with(pseudonyms=True)
    cat, dan = firm.as_(CAT), firm.as_(DAN)
    assert "Ann Lee" not in cat.get("/queue").text
    page = cat.get(f"/item/{one}")
    assert "Names are hidden" in words(page) and "Ann Lee" not in page.text
    assert "Say why" in words(cat.send(f"/item/{one}/unmask", reason=""))
    shown = cat.follow(cat.send(f"/item/{one}/unmask", reason="the client called"))
    assert "Ann Lee" in shown.text and "you asked to see the names" in words(shown)
    assert "Ann Lee" not in dan.get(f"/item/{one}").text
    assert not dan.has_form(f"/item/{one}/unmask")
    (act,) = firm.world.acts("unmask")
    assert act.detail("reason") == "the client called"
    said = dan.send(f"/item/{one}/decide", decision=ESCALATE, reason="over my head")
    assert "Ann Lee" in dan.follow(said).text


@pytest.mark.parametrize("said", [
    {"key": "short"}, {"basis": "x"}, {"level": "9", "decision": "escalate"},
    {"decision": "maybe"}, {"decision": "clear", "reason": "x" * 501}])
def test_a_form_of_ones_own_records_nothing(said: dict[str, str]) -> None:
    """Refused with words, whatever is in it."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    dan.get(f"/item/{one}")
    answer = dan.send(f"/item/{one}/decide", **{"decision": CLEAR, **said})
    assert answer.status_code == 409 and "Nothing was recorded." in words(answer)
    assert firm.world.acts() == []


def test_without_the_page_s_own_token_nothing_happens() -> None:
    """A form that another site made is refused before it is read."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    dan.get(f"/item/{one}")
    held = dan.hidden(f"/item/{one}/decide") | {"csrf": "0" * 64}
    assert dan.ask("POST", f"/item/{one}/decide", data={**held, "decision": CLEAR}
                   ).status_code == 403
    assert firm.world.acts() == []


def test_where_it_cannot_be_recorded_it_did_not_happen() -> None:
    """503; the same form sent again is one decision."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    dan.get(f"/item/{one}")
    held = {**dan.hidden(f"/item/{one}/decide"), "decision": CLEAR}
    firm.world.log.down = True
    assert dan.ask("POST", f"/item/{one}/decide", data=held).status_code == 503
    firm.world.log.down = False
    assert dan.ask("POST", f"/item/{one}/decide", data=held).status_code == 303
    assert len(firm.world.acts()) == 1


def test_the_next_item_is_one_that_is_ours_to_do() -> None:
    """Not what somebody else holds; what was passed over comes last; then the queue says so."""
    firm = Reviewed()
    ids = [firm.world.message(number, ("cash", "medium"), occurred_at=NOON + number)
           for number in range(3)]
    dan, cat = firm.as_(DAN), firm.as_(CAT)
    cat.get(f"/item/{ids[1]}")
    cat.send(f"/item/{ids[1]}/claim")

    def after(one: str, place: int) -> str:
        return str(dan.get(f"/queue/next?not={one}&n={place}").headers["location"])

    assert after(ids[0], 0) == f"/item/{ids[2]}?n=2"
    assert after(ids[2], 2) == f"/item/{ids[0]}"
    for one in (ids[0], ids[2]):
        decide(dan, one, CLEAR)
    assert after(ids[2], 2) == "/queue?end=1"
    assert "Nothing more in this queue is for you" in words(dan.get("/queue?end=1"))


def test_a_way_back_that_is_none_leads_to_the_queue() -> None:
    """Nobody is sent elsewhere."""
    firm, one = firm_with()
    dan = firm.as_(DAN)
    page = dan.get(f"/item/{one}?back=https%3A%2F%2Fevil.example%2F&n=x")
    assert 'href="/queue"' in page.text and "evil" not in page.text.partition("<main")[2]
