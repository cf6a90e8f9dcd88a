"""Nothing beyond a person's scope is ever answered, and a wall beats every grant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from infra.embedded.index import SqliteIndexSet
from schemas import events
from schemas.assignment import Assignments
from schemas.document import Document
from schemas.events import CapturedEvent, Identity
from schemas.identity import message_key
from search import query
from search.access import people, roles
from search.access.people import AccessPolicy, Grant, Wall, viewer_of
from search.access.scope import EVERYTHING, NOTHING, Reach, Scope
from search.access.scoped import ScopedIndex, quiet, without_words
from search.explain import Explanation, Pattern, Step
from search.facets import Part
from search.index import Index, Stored, Write
from search.query import TokenQuery, TooManyWords
from tests.fakes.index import FakeIndexSet
from tests.search.access.firm import (
    DIRECTORY,
    GROUP_CHAT,
    POLICY,
    Filed,
    audit,
    filed,
    may_see,
    message,
    random_directory,
    random_firm,
    random_policy,
)
from tests.search.world import NOON, TOKENIZER

EVERY_KIND = events.ALL_KINDS
NO_ONE = Assignments()
BACKENDS = ("fake", "sqlite")
SEEDS = {"fake": 40, "sqlite": 10}


@pytest.fixture(params=BACKENDS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Index:
    """An empty index of each kind."""
    made = FakeIndexSet() if request.param == "fake" else SqliteIndexSet(tmp_path)
    return made.open(made.first())


def put(index: Index, *found: Filed) -> None:
    """Index them, to be seen."""
    assert index.put([Write(one.document, None) for one in found], {}) == frozenset()
    index.refresh()


def scoped(index: Index, person: str, policy: AccessPolicy = POLICY,
           assigned: Assignments = NO_ONE) -> ScopedIndex:
    """The index as a person sees it."""
    return ScopedIndex(index, viewer_of(policy, DIRECTORY, person, NOON).scope, TOKENIZER,
                       assigned)


def numbers(found: tuple[Document, ...], filed_: list[Filed]) -> set[int]:
    """Which of them."""
    places = {one.document.doc_id: place for place, one in enumerate(filed_)}
    return {places[one.doc_id] for one in found}


@pytest.mark.parametrize(("index", "seed"), [
    (backend, seed) for backend, count in SEEDS.items() for seed in range(count)],
    indirect=["index"])
def test_answers_are_what_may_be_seen_and_nothing_else(index: Index, seed: int) -> None:
    """Random rules, directories and messages: pages, totals, counts, facets and single documents
    are those of an index that holds what the person may see."""
    random = Random(seed)
    directory, policy = random_directory(random), random_policy(random)
    every, assigned = random_firm(random)
    put(index, *every)
    everything = TokenQuery(query.All(), EVERY_KIND)
    for person in policy.people:
        viewer = viewer_of(policy, directory, person.person_id, NOON)
        seen = ScopedIndex(index, viewer.scope, TOKENIZER, assigned)
        expected = {place for place, one in enumerate(every)
                    if may_see(person, policy, directory, assigned, one)}
        page = seen.search(everything, 100)
        assert expected == numbers(page.documents, every)
        assert len(expected) == page.total == seen.count(everything)
        shown = [every[place].document for place in expected]
        assert {one.document.doc_id for one in seen.get(
            one.document.doc_id for one in every).values()} == {one.doc_id for one in shown}
        facets = seen.facets(everything, ("kind", "custodian", "conversation"), 50)
        assert dict(facets["kind"]) == Counter(one.kind for one in shown)
        assert dict(facets["custodian"]) == Counter(
            name for one in shown for name in one.custodians)
        assert sum(count for _, count in facets["conversation"]) == len(shown)
        assert {one.doc_id for one in seen.each(everything, 100)} == {
            one.doc_id for one in shown}
        whole, none, texts = seen.counts(everything, [
            Part(query.All(), ("kind", "custodian"), 50), Part(query.Nothing()),
            Part(query.Or((query.Term("kind", "message"), query.Not(query.All()))))])
        assert (len(shown), 0) == (whole.total, none.total)
        assert {one: facets[one] for one in ("kind", "custodian")} == dict(whole.facets)
        assert sum(one.kind == "message" for one in shown) == texts.total
        assert () == seen.search(TokenQuery(query.Nothing(), EVERY_KIND), 100).documents


@pytest.mark.parametrize("root", [
    query.Or((query.All(), query.Nothing())), query.Not(query.Nothing()),
    query.Not(query.Term("channel", "sms")), query.Or((
        query.Term("channel", "whatsapp"), query.Not(query.Term("channel", "whatsapp")))),
])
def test_no_question_gets_around_the_scope(index: Index, root: query.Node) -> None:
    """OR and NOT at the top of a question stay inside the scope."""
    inside, outside = filed(1, message(1, "ann")), filed(2, message(2, "cleo"))
    put(index, inside, outside)
    page = scoped(index, "rita").search(TokenQuery(root), 10)
    assert [inside.document.doc_id] == [one.doc_id for one in page.documents]
    assert page.total == 1
    (counted,) = scoped(index, "rita").counts(TokenQuery(root), [Part(root)])
    (each,) = scoped(index, "rita").each(TokenQuery(root), 10)
    assert (1, inside.document.doc_id) == (counted.total, each.doc_id)


def test_a_reviewed_message_is_a_message(index: Index) -> None:
    """Who may see reviews sees reviews: not the messages that reviews and flags were written on."""
    said = message(1, "ann")
    reviewed = filed(1, said, _about(said, events.REVIEW), _about(said, events.POLICY))
    record = filed(2, audit(2, events.REVIEW))
    put(index, reviewed, record)
    assert {events.MESSAGE, events.REVIEW, events.POLICY} == set(reviewed.document.kinds)
    everything = TokenQuery(query.All(), EVERY_KIND)
    assert [record.document.doc_id] == [
        one.doc_id for one in scoped(index, "otto").search(everything, 10).documents]
    assert scoped(index, "otto").get([reviewed.document.doc_id]) == {}


def test_kinds_that_are_asked_for_are_those_that_are_shown(index: Index) -> None:
    """A question for audit records by somebody who may not see any finds none, and asks nothing
    wider in their place."""
    put(index, filed(1, message(1, "ann")), filed(2, audit(2)))
    asked = TokenQuery(query.All(), frozenset({events.AUDIT}))
    assert scoped(index, "rita").count(asked) == 0
    assert scoped(index, "otto").count(asked) == 1
    assert scoped(index, "ada").count(TokenQuery(query.All(), EVERY_KIND)) == 0


def test_the_operator_sees_everything(index: Index) -> None:
    """Also what stands for a record that cannot be read."""
    every = [filed(1, message(1, "")), filed(2, audit(2, events.QUARANTINE))]
    put(index, *every)
    seen = ScopedIndex(index, EVERYTHING, TOKENIZER, NO_ONE)
    assert seen.count(TokenQuery(query.All(), EVERY_KIND)) == 2
    assert len(seen.get(one.document.doc_id for one in every)) == 2
    nothing = ScopedIndex(index, NOTHING, TOKENIZER, NO_ONE)
    assert nothing.count(TokenQuery(query.All(), EVERY_KIND)) == 0


def test_a_wall_holds_for_a_colleagues_copy(index: Index) -> None:
    """What a person behind a wall wrote in a group is behind it on every phone that has it."""
    wall = Wall("w", "r", custodians=("ann",), against_people=("carl",))
    policy = replace(POLICY, walls=(wall,))
    own = filed(1, message(1, "ann", conversation=GROUP_CHAT))
    copied = filed(2, message(2, "cleo", conversation=GROUP_CHAT,
                              actor=Identity("+15550000001", "e164")))
    other = filed(3, message(3, "cleo", conversation=GROUP_CHAT))
    put(index, own, copied, other)
    assert [other.document.doc_id] == [one.doc_id for one in scoped(
        index, "carl", policy).search(TokenQuery(query.All()), 10).documents]


def test_a_wall_beats_what_two_people_opened_unless_they_named_it(index: Index) -> None:
    """A grant passes grants; a wall only when it was asked for by name."""
    wall = Wall("w", "r", custodians=("cleo",), against_people=("rita",))
    policy = replace(POLICY, walls=(wall,))
    put(index, filed(1, message(1, "cleo")), filed(2, message(2, "dora")))

    def count(grant: Grant, now: int = NOON) -> int:
        viewer = viewer_of(policy, DIRECTORY, "rita", now, (grant,))
        return ScopedIndex(index, viewer.scope, TOKENIZER, NO_ONE).count(
            TokenQuery(query.All()))
    plain = Grant("g", "rita", "everything", NOON + 1)
    assert count(plain) == 1
    assert count(Grant("g", "rita", "everything", NOON + 1, frozenset({"w"}))) == 2
    assert count(Grant("g", "rita", "custodian:dora", NOON + 1, frozenset({"w"}))) == 1
    assert count(plain, NOON + 1) == 0, "its time is over"
    assert count(Grant("g", "sue", "everything", NOON + 1)) == 0, "another person's"


class Counting:
    """An index that remembers what was read by id."""

    def __init__(self, index: Index) -> None:
        self.index, self.read = index, list[bool]()

    def get(self, doc_ids: Iterable[str]) -> dict[str, Stored]:
        """As the index; whether something was there is noted."""
        found = self.index.get(doc_ids)
        self.read.append(bool(found))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.index, name)


def test_what_is_not_shown_is_not_there_and_takes_the_same_steps(index: Index) -> None:
    """One document read and one looked for in vain, whichever it was."""
    shown, hidden = filed(1, message(1, "ann")), filed(2, message(2, "cleo"))
    put(index, shown, hidden)
    for doc_id in (hidden.document.doc_id, "f" * 32):
        counting = Counting(index)
        seen = ScopedIndex(cast(Index, counting), viewer_of(
            POLICY, DIRECTORY, "rita", NOON).scope, TOKENIZER, NO_ONE, shown.document.doc_id)
        assert seen.get([doc_id]) == {}
        assert sorted(counting.read) == [False, True]


def test_words_of_the_archive_are_not_told() -> None:
    """How many words a pattern stands for, and which, is said to the operator only."""
    error = TooManyWords("pay*", 0, "pay* stands for 5,000 words", 5_000)
    scope = Scope((Reach(frozenset({"ann"})),))
    assert quiet(error, EVERYTHING) is error
    assert "5,000" not in str(quiet(error, scope)) and "pattern" in str(quiet(error, scope))
    step = Step("text", "words like pay*", 0, 4, (Pattern("pay*", 2, ("pay", "payment")),), 7)
    explained = Explanation("pay*", Step("and", "all of", 0, 4, steps=(step,)), 7, 2, False)
    bare = without_words(explained, scope)
    assert (bare.words, bare.total, bare.root.steps[0].patterns) == (0, 7, ())
    assert without_words(explained, EVERYTHING) is explained


@pytest.mark.parametrize("role", sorted(roles.ROLES))
@pytest.mark.parametrize("is_walled", [False, True])
def test_role_and_wall(index: Index, role: str, is_walled: bool) -> None:
    """The matrix: of every role, what is seen of a message, a walled one, a privileged one, and
    each of the firm's own records."""
    walls = (Wall("w", "r", custodians=("ann",), except_people=()),) if is_walled else ()
    person = people.Person("x", "X", (role,), ("*",))
    policy = AccessPolicy((person,), walls)
    every = {"message": filed(1, message(1, "ann")),
             "privileged": filed(2, message(2, "dora", conversation="group:advice")),
             **{kind: filed(3 + place, audit(3 + place, kind)) for place, kind in enumerate((
                 events.AUDIT, events.REVIEW, events.POLICY, events.DIRECTORY))}}
    put(index, *every.values())
    scope = viewer_of(policy, DIRECTORY, "x", NOON).scope
    seen = ScopedIndex(index, scope, TOKENIZER, NO_ONE).get(
        one.document.doc_id for one in every.values())
    names = {name for name, one in every.items() if one.document.doc_id in seen}
    content = {"message"} if not is_walled else set()
    audited = {events.AUDIT, events.REVIEW, events.POLICY, events.DIRECTORY}
    assert names == {
        roles.REVIEWER: content | {events.POLICY},
        roles.SUPERVISOR: content | {events.POLICY, events.REVIEW},
        roles.COMPLIANCE: content | audited,
        roles.LEGAL: content | {"privileged"},
        roles.AUDITOR: audited,
        roles.ADMINISTRATOR: {events.DIRECTORY},
    }[role]


def _about(said: CapturedEvent, kind: str) -> CapturedEvent:
    return replace(audit(9, kind), target_key=message_key(said))
