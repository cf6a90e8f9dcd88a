"""What a coexistence account shared of its past, between door and search (CAPTURE cases 14, 15)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest

from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from schemas import events
from schemas.events import CapturedEvent
from search.access.viewer import operator
from search.searcher import Searcher
from tests.ingest.doorway import DIRECTORY, Clock, Keys
from tests.ingest.test_delivery import request
from tests.search.test_searcher import Office
from tests.search.world import NOON
from tests.vendor.payloads import (
    FIRM,
    PEER,
    change,
    contact,
    envelope,
    message,
    messages,
    meta,
    text,
    value,
    wamid,
)

ROUTER = Keys(Clock()).router
DAY_S = 86_400
PICTURE = {"image": {"id": "5", "mime_type": "image/jpeg"}}
SECONDS = NOON // 1000


def stanza(number: int) -> str:
    """A usual id."""
    return wamid(PEER, f"3AADF8441347E8571C{number:02}")


def archived(bodies: Sequence[bytes]) -> list[CapturedEvent]:
    """Deliveries in the order of their arrival, each a second after the one before."""
    deliverer = Deliverer(ROUTER, DIRECTORY)
    made: list[CapturedEvent] = []
    for number, body in enumerate(bodies):
        asked = request(body)
        made += deliverer.deliver(type(asked)(**{
            **{name: getattr(asked, name) for name in asked.__slots__},
            "captured_at": NOON + number * 1_000}), ADAPTERS["whatsapp"].parse)
    return made


def past(phase: int, order: int, *listed: dict[str, Any]) -> dict[str, Any]:
    """One chunk of one chat."""
    return {"metadata": {"phase": phase, "chunk_order": order, "progress": 50}, "threads": [
        {"id": PEER, "messages": [
            {**one, "history_context": {"status": "READ"}} for one in listed]}]}


def shared(*chunks: dict[str, Any]) -> bytes:
    """A delivery of chunks."""
    return meta(envelope(change("history", value(history=list(chunks)))))


def of_past(*listed: dict[str, Any]) -> bytes:
    """The media that history announced."""
    return meta(envelope(change("history", value(messages=list(listed)))))


def old(number: int, words: str, days: int, **more: Any) -> dict[str, Any]:
    """A message of days ago."""
    return {**text(stanza(number), words), "timestamp": str(SECONDS - days * DAY_S), **more}


def seen(searcher: Searcher, query: str = "*") -> list[tuple[Any, ...]]:
    """What a person sees of every hit, in order, but for where it lies."""
    return [(hit.doc_id, hit.text, hit.direction, hit.conversation, hit.state, hit.content_state,
             hit.attachments, hit.version_count, hit.sighting_count, hit.occurred_at)
            for hit in searcher.search(query, operator("x"), 100).hits]


@pytest.mark.parametrize("is_sent", [False, True])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_case_14_the_media_completes_its_placeholder(order: tuple[int, int],
                                                     is_sent: bool) -> None:
    """Both are archived, in either order, one message, in the chat that the thread names; the
    completed one is shown, the placeholder stays a version."""
    side = {"from": FIRM} if is_sent else {}
    deliveries = (
        shared(past(0, 1, {**message(stanza(1), "media_placeholder"), **side})),
        of_past({**message(stanza(1), "image"), **PICTURE, **side}))
    made = archived([deliveries[place] for place in order])
    assert len([one for one in made if one.kind == events.MESSAGE]) == 2
    searcher = Office(*made).searcher
    (hit,) = searcher.search("*", operator("x")).hits
    assert (hit.content_state, hit.attachments, hit.version_count, hit.direction) == (
        events.PRESENT, 1, 2, "out" if is_sent else "in")
    versions = searcher.view(hit.doc_id, operator("x")).versions
    assert {(one.content_state, one.attachments) for one in versions} == {
        (events.PLACEHOLDER, 0), (events.PRESENT, 1)}
    assert {one.conversation for one in made if one.kind == events.MESSAGE} == {
        f"pair:+{FIRM}|+{PEER}"}
    assert len(searcher.search(f"with:+{PEER}", operator("x")).hits) == 1


LIVE = messages(old(7, "said live", 0), contacts=[contact("Ada", PEER)])
POSTS = (
    shared(past(1, 2, old(1, "third", 5), old(2, "fourth", 4, **{"from": FIRM}))),
    shared(past(1, 1, old(3, "second", 6)), past(0, 1, old(4, "fifth", 1), old(7, "said live", 0))),
    shared(past(1, 2, old(1, "third", 5))),
    LIVE,
)
ORDERS = list(itertools.permutations(range(len(POSTS))))


@pytest.mark.parametrize("order", random.Random(15).sample(ORDERS, 8))
def test_case_15_the_order_of_arrival_does_not_matter(order: tuple[int, ...]) -> None:
    """Chunks out of order, some of them twice, a live message among them: each message once, in
    the order of the talk, in the live talk's conversation."""
    expected = seen(Office(*archived(POSTS)).searcher)
    assert [one[1] for one in expected] == [
        "said live", "fifth", "fourth", "third", "second"]
    assert [one[2] for one in expected] == ["in", "in", "out", "in", "in"]
    assert len({one[3] for one in expected}) == 1
    assert expected == seen(Office(*archived([POSTS[place] for place in order])).searcher)


def test_case_15_a_copy_of_a_live_message_is_a_sighting() -> None:
    """One version, seen twice; its history copy says that its time is a device's."""
    made = archived([LIVE, POSTS[1]])
    searcher = Office(*made).searcher
    (hit,) = searcher.search('"said live"', operator("x")).hits
    assert (hit.version_count, hit.sighting_count, hit.state) == (1, 2, "live")
    live, copy = (one for one in made if one.text == "said live")
    assert (live.occurred_meaning, copy.occurred_meaning) == (
        "provider_webhook", "device_received")
    assert copy.detail("history_status") == "READ"


def test_case_15_chunks_of_one_delivery_go_by_their_own_order() -> None:
    """(phase, chunk_order), not the list's; one that says neither comes last."""
    body = shared({**past(0, 0, old(9, "d", 1)), "metadata": None}, past(1, 2, old(1, "c", 5)),
                  past(0, 5, old(2, "b", 1)), past(0, 1, old(3, "a", 2)))
    made = ADAPTERS["whatsapp"].parse(body, "", NOON).events
    assert [one.text for one in made] == ["a", "b", "c", "d"]
    assert [(one.detail("history_phase"), one.detail("history_chunk_order")) for one in made] == [
        ("0", "1"), ("0", "5"), ("1", "2"), (None, None)]
