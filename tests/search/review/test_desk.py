"""What a reviewer is shown and may do; every act is on the log before it is answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.elastic import ElasticIndexSet, connect
from infra.elastic_words import words_name
from infra.embedded.index import SqliteIndexSet
from schemas.errors import Denied, Missing, Refused, Transient
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.access import roles
from search.access.scope import Reach, Scope
from search.policy import sampling
from search.policy.flags import flag_event
from search.review import decisions, facts, item
from search.review.decisions import (
    ASSIGN,
    BREACH,
    CLEAR,
    CONFIRM,
    DECIDE,
    ESCALATE,
    FALSE_POSITIVE,
    NOTE,
    OBJECT,
    TAG,
    UNMASK,
)
from search.review.leases import Taken
from search.review.questions import Filters
from search.review.recent import FormReused
from search.review.views import Form
from tests.conftest import ElasticsearchServer
from tests.e2e.installation import unique_name
from tests.search.review.world import ANN, BEN, CAT, YEARS, Firm, flag, viewer
from tests.search.world import NOON, edit, event, retraction

REVIEWER = viewer("dan", roles.REVIEWER)
SUPERVISOR = viewer("sue", roles.SUPERVISOR)


@pytest.fixture(params=["fake", "sqlite"])
def firm(request: pytest.FixtureRequest, tmp_path: Path) -> Firm:
    """A firm with nothing captured, on each index that needs no server."""
    return Firm(SqliteIndexSet(tmp_path) if request.param == "sqlite" else None)


def decide(decision: str = CLEAR, reason: str = "looked at it", **more: object) -> Form:
    """A decision as a form sends it."""
    return Form(DECIDE, decision, reason, **more)  # type: ignore[arg-type]


def looks(firm: Firm, action: str) -> list[CapturedEvent]:
    """What of that name is on record."""
    return [one for one in firm.log.events if one.kind == "audit"
            and one.detail("action") == action]


def test_opening_is_not_reviewing(firm: Firm) -> None:
    """A view is recorded, the item stays what it was, whoever opens it and how often."""
    one = firm.message(1, ("cash", "medium"))
    before = firm.desk.open(ANN, one)
    firm.desk.open(ANN, one)
    firm.index_log()
    after = firm.desk.open(BEN, one)
    assert before.state == after.state
    assert (after.state.status, after.history.acts, firm.acts()) == (item.OPEN, (), [])
    assert [("view", "ann", one), ("view", "ann", one), ("view", "ben", one)] == [
        (one.detail("action"), one.actor.native_id if one.actor else "", one.detail("document"))
        for one in firm.log.events if one.kind == "audit"]


def test_a_decision_has_the_four_fields(firm: Firm) -> None:
    """Reviewer, what (versions and flags, by id), when, action; it is the event on the log."""
    message, changed = event(native_id="m1"), edit("new", native_id="e1")
    firm.capture(message, changed, flag(message), flag(message, "coins"))
    (one,) = [row.doc_id for row in firm.desk.queue(ANN).rows]
    opened = firm.desk.open(ANN, one)
    done = firm.desk.act(ANN, one, decide(CLEAR, "agreed rate", basis=opened.basis))
    (said,) = map(decisions.read_review, firm.acts())
    assert (said.person, said.action, said.decision, said.reason, said.at) == (
        "ann", DECIDE, CLEAR, "agreed rate", firm.acts()[0].captured_at)
    assert len(said.seen.versions) == 2
    assert {*said.seen.rules} == {"money/cash/1", "money/coins/1"}
    assert firm.acts()[0].text is None
    assert (done.view.state.status, done.view.decided_by) == (item.CLOSED, "ann")


def test_it_is_shown_at_once_and_the_same_when_it_is_indexed(firm: Firm) -> None:
    """The index is seconds behind: who decided sees it all the same, in the item, in the queue and
    in its count; afterwards the index says the same."""
    first, second = firm.message(1, ("cash", "medium")), firm.message(2, ("cash", "low"))
    assert firm.desk.queue(ANN).total == 2
    shown = firm.desk.act(ANN, first, decide()).view
    assert shown.pending and shown.state.status == item.CLOSED
    page = firm.desk.queue(ANN)
    assert ([row.doc_id for row in page.rows], page.total) == ([second], 1)
    assert firm.desk.open(BEN, first).state == shown.state
    firm.index_log()
    page = firm.desk.queue(ANN)
    assert ([row.doc_id for row in page.rows], page.total) == ([second], 1)
    indexed = firm.desk.open(ANN, first)
    assert (indexed.state, indexed.pending) == (shown.state, False)
    assert firm.desk.queue(ANN, Filters(status=(item.CLOSED,), outcome=CLEAR)).total == 1


def test_without_the_state_store_s_memory_nothing_is_lost(firm: Firm) -> None:
    """Claims and recent decisions may be lost; what was decided is on the log."""
    one = firm.message(1, ("cash", "medium"))
    firm.desk.act(ANN, one, decide())
    firm.state._rows.clear()
    firm.index_log()
    assert firm.desk.open(ANN, one).state.status == item.CLOSED


def test_a_form_that_is_sent_twice_is_one_decision(firm: Firm) -> None:
    """Double click, a repeated request: one event. The same form with other words is refused."""
    one = firm.message(1, ("cash", "medium"))
    form = decide(CLEAR, key="form-1")
    assert not firm.desk.act(ANN, one, form).repeated
    assert firm.desk.act(ANN, one, form).repeated
    with pytest.raises(FormReused):
        firm.desk.act(ANN, one, replace(form, decision=BREACH))
    assert len(firm.acts()) == 1
    # Had the store forgotten: the same id, so one fact with two sightings.
    again = Firm()
    other = again.message(1, ("cash", "medium"))
    for _ in range(2):
        again.state._rows.clear()
        again.desk.act(ANN, other, form)
    assert len({one.native_id for one in again.acts()}) == 1
    again.index_log()
    assert len(again.desk.open(ANN, other).history.acts) == 1


def test_a_log_that_is_down_means_nothing_is_done(firm: Firm) -> None:
    """Refused with the reason; nothing changes, and the same form may be sent again."""
    one = firm.message(1, ("cash", "medium"))
    form = decide(key="form-1")
    firm.log.down = True
    for act in (lambda: firm.desk.act(ANN, one, form), lambda: firm.desk.open(ANN, one),
                lambda: firm.desk.queue(ANN)):
        with pytest.raises(Transient, match="recorded"):
            act()
    firm.log.down = False
    assert firm.desk.open(ANN, one).state.status == item.OPEN
    assert not firm.desk.act(ANN, one, form).repeated


def test_four_eyes(firm: Firm) -> None:
    """A grave item that was let go waits for another person with that right."""
    one = firm.message(1, ("cash", "high"))
    state = firm.desk.act(ANN, one, decide()).view.state
    assert (state.status, state.needs) == (item.SECOND, "second")
    with pytest.raises(Denied, match="another one"):
        firm.desk.act(ANN, one, Form(CONFIRM))
    with pytest.raises(Denied):
        firm.desk.act(REVIEWER, one, Form(CONFIRM))
    with pytest.raises(Refused, match="waits for a second"):
        firm.desk.act(BEN, one, decide())
    assert firm.desk.queue(ANN, Filters(mine=True)).total == 0   # the index does not know yet
    firm.index_log()
    assert firm.desk.queue(ANN, Filters(mine=True)).total == 0
    assert firm.desk.queue(BEN, Filters(mine=True)).total == 1
    view = firm.desk.act(BEN, one, Form(CONFIRM)).view
    assert (view.state.status, view.decided_by, view.confirmed_by) == (item.CLOSED, "ann", "ben")
    two = firm.message(2, ("cash", "high"))
    firm.desk.act(ANN, two, decide(FALSE_POSITIVE))
    view = firm.desk.act(BEN, two, Form(OBJECT, reason="not agreed")).view
    assert (view.state.status, view.state.level) == (item.ESCALATED, 2)


def test_nobody_reviews_himself_or_his_line(firm: Firm) -> None:
    """His own messages and those of whom he reports to: shown, not decided, not given to him."""
    firm.staff.lines["ann"] = frozenset({"carol"})
    one = firm.message(1, ("cash", "medium"))
    assert firm.desk.open(ANN, one).is_own
    for act in (lambda: firm.desk.act(ANN, one, decide()), lambda: firm.desk.claim(ANN, one)):
        with pytest.raises(Denied, match="your own messages"):
            act()
    with pytest.raises(Refused, match="may not review"):
        firm.desk.act(BEN, one, Form(ASSIGN, to="ann"))
    assert firm.desk.queue(ANN, Filters(mine=True)).total == 0
    assert firm.desk.queue(ANN).rows[0].is_own
    assert firm.desk.bulk(ANN, [one], decide()).left[0][0] == one
    assert firm.desk.act(BEN, one, decide()).view.state.status == item.CLOSED
    assert not [one for one in firm.acts() if one.actor and one.actor.native_id == "ann"]


def test_escalation_takes_it_from_who_may_not(firm: Firm) -> None:
    """A reviewer sends it up; above, he decides no more."""
    one = firm.message(1, ("cash", "medium"))
    with pytest.raises(Refused, match="say why"):
        firm.desk.act(REVIEWER, one, Form(DECIDE, ESCALATE))
    state = firm.desk.act(REVIEWER, one, decide(ESCALATE)).view.state
    assert (state.status, state.level) == (item.ESCALATED, 2)
    with pytest.raises(Denied, match="supervision"):
        firm.desk.act(REVIEWER, one, decide())
    with pytest.raises(Refused, match="escalate to level 3"):
        firm.desk.act(ANN, one, decide(ESCALATE, level=2))
    firm.index_log()
    assert firm.desk.queue(REVIEWER, Filters(mine=True)).total == 0
    assert firm.desk.queue(ANN, Filters(level=2, mine=True)).total == 1
    assert firm.desk.act(ANN, one, decide(ESCALATE)).view.state.level == 3
    assert firm.desk.act(BEN, one, decide(BREACH)).view.state.outcome == BREACH


def test_what_has_changed_since_it_was_opened_is_not_decided(firm: Firm) -> None:
    """A retraction, a flag or another's decision in between: look again."""
    one = firm.message(1, ("cash", "medium"))
    basis = firm.desk.open(ANN, one).basis
    firm.capture(retraction(target="m1"))
    with pytest.raises(Refused, match="look at it again"):
        firm.desk.act(ANN, one, decide(basis=basis))
    basis = firm.desk.open(ANN, one).basis
    firm.desk.act(ANN, one, decide(basis=basis))
    firm.index_log()
    firm.capture(flag(event(native_id="m1"), "coins", at=NOON + 9_000_000))
    state = firm.desk.open(ANN, one).state
    assert (state.status, state.why) == (item.OPEN, ("new_flag",))


def test_a_claim_keeps_others_away(firm: Firm) -> None:
    """Whoever claimed decides; others are told who; a decision ends the claim, as time does."""
    one = firm.message(1, ("cash", "medium"))
    firm.desk.claim(ANN, one)
    with pytest.raises(Taken, match="ann"):
        firm.desk.act(BEN, one, decide())
    row = firm.desk.queue(BEN).rows[0]
    assert row.claim is not None and row.claim.person == "ann"
    firm.desk.act(ANN, one, decide())
    two = firm.message(2, ("cash", "medium"))
    firm.desk.claim(ANN, two)
    firm.now += 16 * 60_000
    assert firm.desk.claim(BEN, two).person == "ben"
    with pytest.raises(Refused, match="nobody is wanted"):
        firm.desk.claim(CAT, one)


def test_who_could_not_act_does_not_claim(firm: Firm) -> None:
    """Nobody keeps an item from others that he may not decide or confirm himself."""
    grave, up = firm.message(1, ("cash", "high")), firm.message(2, ("cash", "medium"))
    firm.desk.act(ANN, grave, decide())
    with pytest.raises(Denied, match="another one"):
        firm.desk.claim(ANN, grave)
    with pytest.raises(Denied, match="second person"):
        firm.desk.claim(REVIEWER, grave)
    firm.desk.act(ANN, up, decide(ESCALATE, level=3))
    for person in (REVIEWER, SUPERVISOR):
        with pytest.raises(Denied, match="level 3"):
            firm.desk.claim(person, up)
    assert {firm.desk.claim(BEN, one).person for one in (grave, up)} == {"ben"}


def test_who_assigns_ends_another_s_claim_on_the_record(firm: Firm) -> None:
    """Recorded before the item is free; without that right, on one's own messages, or where it
    cannot be recorded, the claim stays."""
    one = firm.message(1, ("cash", "medium"))
    firm.desk.claim(BEN, one)
    firm.desk.release(REVIEWER, one)
    firm.staff.lines["cat"] = frozenset({"carol"})
    with pytest.raises(Denied, match="your own messages"):
        firm.desk.release(CAT, one)
    firm.log.down = True
    with pytest.raises(Transient):
        firm.desk.release(ANN, one)
    firm.log.down = False
    with pytest.raises(Taken, match="ben"):
        firm.desk.act(ANN, one, decide())
    firm.desk.release(ANN, one)
    (said,) = looks(firm, "release")
    assert (said.actor and said.actor.native_id, said.detail("document"), said.detail("of")) == (
        "ann", one, "ben")
    assert firm.desk.claim(ANN, one).person == "ann"
    firm.desk.release(ANN, one)
    assert len(looks(firm, "release")) == 1


def test_what_a_level_closed_opens_at_that_level_by_it(firm: Firm) -> None:
    """A supervisor does not take from compliance what compliance closed; nobody reopens it lower
    down. A check of quality is drawn by whoever may reopen, and lies where it was closed."""
    one = firm.message(1, ("cash", "medium"))
    firm.desk.act(ANN, one, decide(ESCALATE, level=3))
    firm.desk.act(ANN, one, decide(BREACH))
    again = Form("", reason="new facts")
    for form in (again, replace(again, level=1), replace(again, level=3)):
        with pytest.raises(Denied, match="compliance"):
            firm.desk.reopen(SUPERVISOR, one, form)
    with pytest.raises(Refused, match="level 3"):
        firm.desk.reopen(BEN, one, replace(again, level=2))
    with pytest.raises(Refused, match="level 3"):
        firm.desk.reopen(SUPERVISOR, one, replace(again, level=1, quality=True))
    assert firm.desk.open(BEN, one).state.status == item.CLOSED
    state = firm.desk.reopen(SUPERVISOR, one, replace(again, quality=True)).view.state
    assert (state.status, state.level) == (item.OPEN, 3)
    with pytest.raises(Denied, match="compliance"):
        firm.desk.act(SUPERVISOR, one, decide())
    firm.desk.act(BEN, one, decide(BREACH))
    assert firm.desk.reopen(ANN, one, again).view.state.level == 3
    two = firm.message(2, ("cash", "medium"))
    firm.desk.act(REVIEWER, two, decide())
    assert firm.desk.reopen(SUPERVISOR, two, replace(again, level=2)).view.state.level == 2


def test_a_form_sent_again_is_a_look_on_the_record(firm: Firm) -> None:
    """The answer to a repetition shows the item: recorded first, or it is not shown."""
    one = firm.message(1, ("cash", "medium"))
    form = decide(key="form-1")
    firm.desk.act(ANN, one, form)
    assert looks(firm, "view") == []
    assert firm.desk.act(ANN, one, form).repeated
    (said,) = looks(firm, "view")
    assert (said.actor and said.actor.native_id, said.detail("document"), said.detail("as")) == (
        "ann", one, "replay")
    firm.log.down = True
    with pytest.raises(Transient, match="recorded"):
        firm.desk.act(ANN, one, form)


def test_two_forms_under_one_key_are_two_events(firm: Firm) -> None:
    """Where the first one's memory is lost, the second is no sighting of it: both are kept."""
    one = firm.message(1, ("cash", "medium"))
    forms = [Form(NOTE, note=words, key="form-1") for words in ("ask the desk", "asked, all well")]
    for form in (forms[0], forms[0], forms[1]):
        firm.state._rows.clear()
        firm.desk.act(ANN, one, form)
    with pytest.raises(FormReused):
        firm.desk.act(ANN, one, forms[0])
    firm.index_log()
    assert [act.note for act in firm.desk.open(ANN, one).history.acts] == [
        "ask the desk", "asked, all well"]
    assert len({act.native_id for act in firm.acts()}) == 2


def test_what_a_bulk_act_was_denied_is_on_record(firm: Firm) -> None:
    """Each by its document and the bulk act; what merely cannot be done is not."""
    up, upper, taken, fine = (firm.message(number, ("cash", "low")) for number in range(4))
    for one in (up, upper):
        firm.desk.act(BEN, one, decide(ESCALATE, level=3))
    firm.desk.claim(BEN, taken)
    done = firm.desk.bulk(SUPERVISOR, [up, upper, taken, fine], decide())
    assert (done.done, [one for one, _ in done.left]) == ((fine,), [up, upper, taken])
    assert [(one.actor and one.actor.native_id, one.detail("document"), one.detail("bulk"))
            for one in looks(firm, "denied")] == [("sue", one, done.bulk) for one in (up, upper)]
    firm.log.down = True
    with pytest.raises(Transient, match="recorded"):
        firm.desk.bulk(SUPERVISOR, [up], decide())


def test_assign_note_tag_and_reopen(firm: Firm) -> None:
    """Each an event; what they say is found by the queue."""
    one = firm.message(1, ("cash", "medium"))
    firm.desk.act(ANN, one, Form(ASSIGN, to="ben"))
    firm.desk.act(ANN, one, Form(TAG, tag="FX"))
    firm.desk.act(ANN, one, Form(NOTE, note="ask the desk head"))
    with pytest.raises(Denied, match="take an item"):
        firm.desk.act(REVIEWER, one, Form(ASSIGN, to="ben"))
    with pytest.raises(Refused, match="nobody of that name"):
        firm.desk.act(ANN, one, Form(ASSIGN, to="zoe"))
    firm.index_log()
    assert firm.desk.queue(BEN, Filters(assigned="me", tag="fx")).total == 1
    assert firm.desk.queue(ANN, Filters(assigned="nobody")).total == 0
    view = firm.desk.open(BEN, one)
    assert (view.assigned_to, view.tags) == ("ben", ("FX",))
    assert "ask the desk head" in {act.note for act in view.history.acts}
    firm.desk.act(BEN, one, decide())
    with pytest.raises(Refused, match="reopen it first"):
        firm.desk.act(BEN, one, decide())
    state = firm.desk.reopen(ANN, one, Form("", reason="new facts")).view.state
    assert (state.status, state.why) == (item.OPEN, ("reopened",))


def test_a_sampled_message_is_an_item(firm: Firm) -> None:
    """What a sample drew waits like what a rule flagged, and says so; with a flag besides it is
    more than sampled."""
    message = event(native_id="m1")
    drawn = sampling.Drawn(sampling.Item(message_key(message), "carol", "all"), "stratum",
                           "0" * 64, 1, 9)
    mark = sampling.mark(sampling.Plan("desk", (("all", 100),)), 1,
                         sampling.Seed(bytes(32), 0, NOON), drawn, "2026-01")
    firm.capture(message, flag_event(mark, NOON + 9_000, YEARS))
    assert facts.SAMPLE_PREFIX == sampling.MARK_POLICY
    (row,) = firm.desk.queue(ANN, Filters(sample=True, severity="low")).rows
    assert (row.state.why, row.state.is_sample) == (("sampled",), True)
    firm.capture(flag(message))
    assert firm.desk.queue(ANN, Filters(sample=True)).total == 0
    (row,) = firm.desk.queue(ANN).rows
    assert (row.state.why, row.state.severity) == (("flagged", "sampled"), "medium")


def test_opened_by_hand(firm: Firm) -> None:
    """What no policy flagged can be put into the queue."""
    one = firm.message(1)
    assert firm.desk.queue(ANN).total == 0
    firm.desk.reopen(ANN, one, Form("", reason="heard of it"))
    firm.index_log()
    assert [row.state.why for row in firm.desk.queue(ANN).rows] == [("by_hand",)]


def test_bulk_needs_a_reason_and_says_what_it_left(firm: Firm) -> None:
    """Each item by itself, all under one id; grave ones wait for a second person all the same."""
    ids = [firm.message(number, ("cash", "low")) for number in range(3)]
    grave = firm.message(9, ("cash", "high"))
    for form in (decide(CLEAR, ""), decide(BREACH)):
        with pytest.raises(Refused):
            firm.desk.bulk(ANN, ids, form)
    with pytest.raises(Denied):
        firm.desk.bulk(REVIEWER, ids, decide())
    firm.desk.claim(BEN, ids[0])
    done = firm.desk.bulk(ANN, [*ids, grave, "0" * 32], decide(FALSE_POSITIVE, "same newsletter"))
    assert (done.done, {one for one, _ in done.left}) == ((*ids[1:], grave), {ids[0], "0" * 32})
    assert {one.detail("bulk") for one in firm.acts()} == {done.bulk}
    firm.index_log()
    assert firm.desk.open(ANN, grave).state.status == item.SECOND


def test_the_scope_is_part_of_everything(firm: Firm) -> None:
    """What a viewer may not see is not in his queue, its counts, or to be opened or decided: it is
    not there, in the words for an id that never was."""
    one = firm.message(1, ("cash", "medium"))
    blind = replace(ANN, scope=Scope((Reach(frozenset({"dora"})),)))
    assert firm.desk.queue(blind).total == 0
    assert not any(firm.desk.counts(blind).values())
    words = set()
    for act in (lambda: firm.desk.open(blind, one), lambda: firm.desk.act(blind, one, decide()),
                lambda: firm.desk.claim(blind, one), lambda: firm.desk.open(ANN, "0" * 32)):
        with pytest.raises(Missing) as refused:
            act()
        words.add(str(refused.value).replace(one, "0" * 32))
    assert len(words) == 1
    with pytest.raises(Denied):
        firm.desk.queue(viewer("adm", roles.ADMINISTRATOR))
    with pytest.raises(Denied):
        firm.desk.open(viewer("aud", roles.AUDITOR), one)


def test_the_queue_in_order_page_by_page(firm: Firm) -> None:
    """The gravest first, of these the oldest; each once, whatever the size of a page."""
    expected = []
    for place, severity in enumerate(("high", "medium", "low")):
        expected += [firm.message(10 * place + number, ("cash", severity),
                                  occurred_at=NOON + number * 60_000,
                                  captured_at=NOON + number * 60_000 + 1_000)
                     for number in range(3)]
    for limit in (1, 2, 3, 4, 50):
        found: list[str] = []
        after = None
        while True:
            page = firm.desk.queue(ANN, limit=limit, after=after)
            assert page.total == 9
            found += [row.doc_id for row in page.rows]
            after = page.next
            if after is None:
                break
        assert found == expected
    with pytest.raises(Refused, match="page cursor"):
        firm.desk.queue(ANN, after="x")


def test_counts_are_the_queue_s(firm: Firm) -> None:
    """Each count is the total of the queue with that filter; ages add up to all that waits."""
    ids = [firm.message(number, ("cash", severity)) for number, severity in enumerate(
        ("high", "medium", "medium", "low"))]
    firm.desk.act(ANN, ids[0], Form(ASSIGN, to="ann"))
    firm.desk.act(ANN, ids[1], decide(ESCALATE))
    firm.index_log()
    counts = firm.desk.counts(ANN)
    assert counts["item"] == 4
    for key, filters in (("status:open", Filters(status=(item.OPEN,))),
                         ("severity:medium", Filters(severity="medium")),
                         ("assigned:me", Filters(assigned="me")),
                         ("level:2", Filters(level=2)), ("rule:cash", Filters(rule="cash")),
                         ("overdue", Filters(overdue=True)),
                         ("age:under 4 h", Filters(age="under 4 h"))):
        assert counts[key] == firm.desk.queue(ANN, filters).total, key
    assert sum(count for key, count in counts.items() if key.startswith("age:")) == 4
    firm.now += 5 * 3_600_000
    assert firm.desk.queue(ANN, Filters(overdue=True)).total == 1
    firm.now += 300 * 3_600_000
    assert firm.desk.counts(ANN)["overdue"] == 4


def test_pseudonyms_until_escalation_or_a_reason(firm: Firm) -> None:
    """Names are shown after an escalation, or to whoever asked for them and said why."""
    masked = replace(ANN, pseudonyms=True)
    one = firm.message(1, ("cash", "medium"))
    view = firm.desk.open(masked, one)
    assert (view.names_shown, view.history.custodians) == (False, ())
    with pytest.raises(Refused, match="say why"):
        firm.desk.act(masked, one, Form(UNMASK))
    view = firm.desk.act(masked, one, Form(UNMASK, reason="same client twice")).view
    assert (view.names_shown, view.history.custodians) == (True, ("carol",))
    assert not firm.desk.open(replace(BEN, pseudonyms=True), one).names_shown
    firm.desk.act(BEN, one, decide(ESCALATE))
    assert firm.desk.open(replace(CAT, pseudonyms=True), one).names_shown


def test_two_who_did_not_know_of_each_other(firm: Firm) -> None:
    """Two consoles that share no memory: both decisions stay, the item shows the conflict."""
    one = firm.message(1, ("cash", "medium"))
    firm.desk.act(ANN, one, decide(CLEAR))
    firm.state._rows.clear()
    firm.desk.act(BEN, one, decide(ESCALATE))
    firm.index_log()
    view = firm.desk.open(CAT, one)
    assert (view.state.status, view.state.conflict, len(view.history.acts)) == (
        item.ESCALATED, True, 2)
    assert firm.desk.queue(CAT, Filters(conflict=True)).total == 1
    firm.desk.act(CAT, one, decide(BREACH))
    firm.index_log()
    assert not firm.desk.open(CAT, one).state.conflict


def test_the_queue_on_elasticsearch(elasticsearch_server: ElasticsearchServer) -> None:
    """The same order, totals, counts and ages as on the others, over scopes and levels."""
    client = connect(elasticsearch_server.url)
    indexes = ElasticIndexSet(client, unique_name("review"))
    firm = Firm(indexes)
    try:
        test_the_queue_in_order_page_by_page(firm)
        counts = firm.desk.counts(ANN)
        assert (counts["item"], counts["severity:high"], counts["age:4 to 24 h"]) == (9, 3, 0)
        assert sum(count for key, count in counts.items() if key.startswith("age:")) == 9
        one = firm.desk.queue(ANN, limit=1).rows[0].doc_id
        firm.desk.act(ANN, one, decide(ESCALATE))
        firm.index_log()
        assert firm.desk.queue(REVIEWER, Filters(mine=True)).total == 8
        assert firm.desk.queue(ANN, Filters(level=2, why="escalated")).total == 1
        firm.now += 300 * 3_600_000
        assert firm.desk.counts(ANN)["overdue"] == 9
    finally:
        for name in indexes.names():
            client.indices.delete(index=[name, words_name(name)])
