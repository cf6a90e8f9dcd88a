"""A person under several identities: found under each, never rewritten (CAPTURE case 12)."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.adapters import ADAPTERS
from schemas import events
from schemas.events import CapturedEvent, Identity
from schemas.links import Link, link_of
from search.access.viewer import operator
from search.bodies import Bodies
from search.evaluate import answers, subject
from search.follow import Follower, bind, compare, rebuild
from search.links import REACHED_MAX, LinkReader
from search.parse import parse
from search.query import compile_query, party_values
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.test_searcher import Office
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive
from tests.vendor.payloads import change, contact, envelope, messages, meta, text, value

FIRM = "+15550783881"
OLD, NEW, LATER = "16505551234", "16505559999", "16505550000"
HOUR = 3_600_000


def said(number: str, words: str, at: int, native_id: str | None = None) -> CapturedEvent:
    """A message from a number, as the webhook brings it."""
    return read(messages({**text(native_id or f"wamid.{words}", words), "from": number,
                          "timestamp": str(at // 1000)}, contacts=[contact("Ada", number)]), at)


def moved(at: int, old: str = OLD, kind: str = "user_changed_number",
          native_id: str = "", **ids: str) -> CapturedEvent:
    """The notice of a change."""
    return read(messages({
        "from": old, "id": native_id or f"wamid.S{old}{at}", "timestamp": str(at // 1000),
        "type": "system", "system": {"type": kind, "body": "changed", **(
            ids or {"wa_id": NEW})}}, contacts=[]), at)


def read(body: bytes, at: int) -> CapturedEvent:
    """The one event of a delivery."""
    (event,) = ADAPTERS["whatsapp"].parse(body, "application/json", at + 1_000).events
    return event


def texts(office: Office, query: str) -> set[str]:
    """What a search answers with."""
    return {hit.text or "" for hit in office.searcher.search(query, operator("x")).hits}


STORY = (said(OLD, "first", NOON), said(OLD, "second", NOON + HOUR), moved(NOON + 2 * HOUR),
         said(NEW, "third", NOON + 3 * HOUR), said("4790000000", "other", NOON + 3 * HOUR))


def test_case_12_either_number_finds_both() -> None:
    """`from:` and `with:` cross the link from both sides; nobody else is found, and NOT is the
    rest."""
    office = Office(*STORY)
    for number in (OLD, "+" + NEW):
        for side in ("from", "with"):
            assert texts(office, f"{side}:{number}") == {"first", "second", "third"}
    assert texts(office, f"NOT with:+{NEW}") == {"other"}
    assert texts(office, f"to:+{NEW}") == set()
    assert texts(office, f"with:{FIRM}") == {"first", "second", "third", "other"}


def test_case_12_the_conversation_goes_on() -> None:
    """What stands around a message is what the two said before and after the change; each line
    keeps the conversation that it was captured in."""
    office = Office(*STORY)
    for word in ("second", "third"):
        (hit,) = office.searcher.search(word, operator("x")).hits
        lines = office.searcher.view(hit.doc_id, operator("x")).conversation
        assert [line.hit.text for line in lines] == ["first", "second", "third"]
        assert len({line.hit.conversation for line in lines}) == 2


def test_case_12_nothing_that_was_stored_changes() -> None:
    """The same documents with and without the notice, but for its own."""
    lines = [one for one in STORY if one.kind != events.IDENTITY]
    plain, full = Office(*lines), Office(*lines, moved(NOON + 2 * HOUR))
    (difference,) = compare(plain.indexes.open(bind(plain.indexes)),
                            full.indexes.open(bind(full.indexes)))
    assert difference.how == "only_second"


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
def test_case_12_answers_are_a_function_of_the_set(order: tuple[int, ...]) -> None:
    """Any order on the log, a notice that came twice, and a rebuild: the same answers."""
    office = Office(*(STORY[place] for place in order), moved(NOON + 2 * HOUR))
    for _ in range(2):
        assert texts(office, f"with:+{OLD}") == {"first", "second", "third"}
        (hit,) = office.searcher.search("first", operator("x")).hits
        assert len(office.searcher.view(hit.doc_id, operator("x")).conversation) == 3
        rebuild(office.archive, office.indexes, PROJECTOR)
        office.index()


def test_case_12_a_new_user_id_is_linked() -> None:
    """`user_changed_user_id` without a number: the talk under the new id is the same person's."""
    nameless = {"id": "wamid.N", "from_user_id": "US.222", "type": "text",
                "timestamp": str((NOON + HOUR) // 1000), "text": {"body": "from the new id"}}
    office = Office(
        said(OLD, "first", NOON),
        moved(NOON + 1_000, kind="user_changed_user_id", user_id="US.222",
              parent_user_id="US.ENT.9"),
        read(messages(nameless, contacts=[]), NOON + HOUR))
    both = {"first", "from the new id"}
    assert texts(office, f"with:+{OLD}") == texts(office, "with:US.222") == both
    (hit,) = office.searcher.search('"new id"', operator("x")).hits
    assert len(office.searcher.view(hit.doc_id, operator("x")).conversation) == 2


def test_case_12_a_number_given_up_is_another_persons_later() -> None:
    """Who has the old number after the change is found under it, and is nobody's earlier self."""
    office = Office(*STORY, said(OLD, "stranger", NOON + 4 * HOUR),
                    moved(NOON + 5 * HOUR, wa_id=LATER), said(LATER, "still", NOON + 6 * HOUR))
    assert texts(office, f"with:+{NEW}") == {"first", "second", "third"}
    assert texts(office, f"with:+{OLD}") == {"first", "second", "third", "stranger", "still"}


def test_case_12_changes_follow_each_other() -> None:
    """Three numbers, one person; also a step back to the first."""
    office = Office(*STORY, moved(NOON + 5 * HOUR, NEW, wa_id=LATER),
                    said(LATER, "fourth", NOON + 6 * HOUR),
                    moved(NOON + 7 * HOUR, LATER, wa_id=OLD),
                    said(OLD, "home", NOON + 8 * HOUR))
    everything = {"first", "second", "third", "fourth", "home"}
    for number in (OLD, NEW, LATER):
        assert texts(office, f"with:+{number}") == everything


def synced(*contacts: dict[str, Any]) -> list[CapturedEvent]:
    """The address book of the business app."""
    body = meta(envelope(change("smb_app_state_sync", value(state_sync=[
        {"type": "contact", "metadata": {"timestamp": str(NOON // 1000)}, **one}
        for one in contacts]))))
    return list(ADAPTERS["whatsapp"].parse(body, "", NOON + 1_000).events)


def test_a_name_in_the_address_book_finds_its_number() -> None:
    """A chat whose deliveries name nobody is found by the contact's name; a removed contact names
    nobody; a name that a crowd has is only words."""
    nameless = read(messages({**text("wamid.Q", "quiet"), "from": OLD}, contacts=[]), NOON)
    card = {"full_name": "Grace Hopper", "phone_number": OLD}
    assert texts(Office(nameless, *synced({"action": "add", "contact": card})),
                 'with:"grace hopper"') == {"quiet"}
    assert texts(Office(nameless, *synced({"action": "remove", "contact": card})),
                 'with:"grace hopper"') == set()
    crowd = synced({"action": "add", "contact": card}, *(
        {"action": "add", "contact": {"full_name": f"Grace {n}", "phone_number": f"4790000{n:03}"}}
        for n in range(REACHED_MAX)))
    office = Office(nameless, *crowd)
    assert (texts(office, "with:grace"), texts(office, 'with:"grace hopper"')) == (
        set(), {"quiet"})


def test_what_links_nobody() -> None:
    """A security code, a notice without a new identity, a file that a custodian handed in."""
    assert link_of(moved(NOON, kind="customer_identity_changed", identity="x")) is None
    assert link_of(said(OLD, "x", NOON)) is None
    event = moved(NOON)
    assert link_of(event) == Link((Identity("+" + OLD, "e164"),), (Identity("+" + NEW, "e164"),))
    handed = world.event(events.IDENTITY, "i", None, actor=event.actor, details=event.details,
                         provenance=events.CUSTODIAN_SUPPLIED)
    assert link_of(handed) is None


def test_a_link_that_cannot_be_read_links_nobody() -> None:
    """Its key is lost: an index that is rebuilt does not know it either."""
    office = Office(*STORY)
    assert texts(office, f"with:+{NEW}") == {"first", "second", "third"}
    archive = MemoryArchive()
    archive.seal(STORY)
    office = Office()
    office.archive._segments, office.archive._datums = archive._segments, archive._datums
    office.index()
    office.archive._datums[0, 2, 0] = None
    assert texts(office, f"with:+{NEW}") == {"third"}


def test_the_log_of_a_firms_own_number_is_not_read() -> None:
    """Every notice came on the firm's number; a search for it looks at none of them."""
    office = Office(*STORY)
    index = office.indexes.open(bind(office.indexes))
    reader = LinkReader(Bodies(office.archive), TOKENIZER)
    assert reader.of_values(index, [FIRM], None) == {}
    assert reader._known == {}


_NUMBERS = ("16505550001", "16505550002", "16505550003")


@given(
    st.lists(st.tuples(st.permutations(_NUMBERS), st.integers(0, 9)), max_size=4),
    st.lists(st.tuples(st.sampled_from(_NUMBERS), st.integers(0, 9)), max_size=6))
def test_the_index_finds_what_the_reference_finds(
        changes: list[tuple[list[str], int]], lines: list[tuple[str, int]]) -> None:
    """Any changes, also to and fro: the token query answers as the evaluator does."""
    archive = MemoryArchive()
    archive.seal([
        *(moved(NOON + at * HOUR, old, native_id=f"wamid.C{number}", wa_id=new)
          for number, ((old, new, _), at) in enumerate(changes)),
        *(said(who, f"line{number}", NOON + at * HOUR + 1_800_000)
          for number, (who, at) in enumerate(lines)), b""])
    indexes = FakeIndexSet()
    index = indexes.open(bind(indexes))
    Follower(archive, index, PROJECTOR).run_to_end()
    index.refresh()
    bodies = Bodies(archive)
    reader = LinkReader(bodies, TOKENIZER)
    for asked_for in ("with:+16505550001", "from:16505550002", "NOT with:+16505550003"):
        links = reader.of_values(index, party_values(parse(asked_for)), None)
        tree, asked = compile_query(asked_for, TOKENIZER, links=links)
        expected = {one.doc_id for one in index.scan() if one.kind == events.MESSAGE and answers(
            tree, subject(one, partial(bodies.event, one)), links=links)}
        assert expected == {one.doc_id for one in index.search(asked, 100).documents}


def nameless(words: str, at: int, user_id: str = "US.777") -> CapturedEvent:
    """A message of somebody whose number the provider leaves out."""
    return read(messages({"id": f"wamid.{words}", "from_user_id": user_id, "type": "text",
                          "timestamp": str(at // 1000), "text": {"body": words}}, contacts=[
        {"profile": {"name": "Kai", "username": "@kai"}, "user_id": user_id}]), at)


def numbered(words: str, at: int, number: str = OLD, user_id: str = "US.777") -> CapturedEvent:
    """A message of somebody who is known by both."""
    return read(messages({**text(f"wamid.{words}", words), "from": number, "from_user_id": user_id,
                          "timestamp": str(at // 1000)}, contacts=[]), at)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_a_number_that_is_known_later_joins_the_talk(order: tuple[int, ...]) -> None:
    """Before, between and after: found under the number and under the user id, one conversation,
    whatever came first."""
    story = (nameless("before", NOON), numbered("both", NOON + HOUR),
             nameless("after", NOON + 2 * HOUR), said("4790000000", "other", NOON))
    office = Office(*(story[place] for place in order))
    for query in (f"from:+{OLD}", "from:US.777", f"with:{OLD}"):
        assert texts(office, query) == {"before", "both", "after"}
    for word in ("before", "both"):
        (hit,) = office.searcher.search(word, operator("x")).hits
        seen = office.searcher.view(hit.doc_id, operator("x"))
        assert ["before", "both", "after"] == [line.hit.text for line in seen.conversation]


def test_a_user_id_and_a_change_of_number_join_too() -> None:
    """Old number, its user id, the new user id, the new number: one person."""
    office = Office(
        numbered("one", NOON, user_id="US.1"), nameless("two", NOON + HOUR, "US.1"),
        moved(NOON + 2 * HOUR, kind="user_changed_user_id", user_id="US.2"),
        nameless("three", NOON + 3 * HOUR, "US.2"),
        numbered("four", NOON + 4 * HOUR, NEW, "US.2"))
    for query in (f"with:+{OLD}", f"with:+{NEW}", "with:US.1", "with:US.2"):
        assert texts(office, query) == {"one", "two", "three", "four"}
