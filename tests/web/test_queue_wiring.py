"""The console's desk on a data folder: what `infra/consolereview.py` puts together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest

from infra.config import load
from infra.consolereview import ConsoleReviews
from infra.reviewing import verify
from infra.signin import state_store
from infra.verbs import policy as policies
from infra.wire import Wire
from search.access.people import AccessPolicy, Person
from search.access.viewer import Viewer, operator
from search.lately import Lately
from search.review.questions import Filters
from search.review.views import Form, QueuePage
from tests.runtime.test_policy import put, texts
from tests.runtime.test_reconcile import capture
from tests.runtime.test_review import MEDIUM

_ANN = Person("ann", "Ann Ash", ("compliance",), ("*",))


@pytest.fixture
def reviews(tmp_path: Path) -> Iterator[tuple[Wire, ConsoleReviews]]:
    """Two flagged messages."""
    wire = Wire(load(tmp_path / "home"))
    wire.provision_once()
    (wire.home / "policies").mkdir()
    capture(wire, *texts("a call", "bring cash 1", "bring cash 2"))
    put(wire, MEDIUM)
    policies.policy_replay(wire, "money", json=True)
    with closing(wire.capture_log()) as log:
        yield wire, ConsoleReviews(wire, state_store(wire), lambda: AccessPolicy((_ANN,)),
                                   wire.recorder("search", log), wire.directory, Lately(monotonic))


def test_a_page_of_the_queue_has_its_messages(reviews: tuple[Wire, ConsoleReviews]) -> None:
    """With what the rule hit; names behind pseudonyms until the item went up."""
    wire, desk = reviews
    viewer = operator("ann")
    page = desk.queue(viewer, Filters(), 25, None)
    found = desk.messages(viewer, page.rows)
    assert {"bring cash 1", "bring cash 2"} == {one.hit.text for one in found}
    assert all(one.flags and one.flags[0].places for one in found)
    masked = replace(viewer, pseudonyms=True)
    desk.act(viewer, page.rows[0].doc_id, Form("decide", "escalate", "over my head"))
    rows = desk.queue(masked, Filters(status=()), 25, None).rows
    hidden = {one.hit.doc_id for one in desk.messages(masked, rows)
              if one.hit.actor and one.hit.actor.id_type == "pseudonym"}
    assert hidden == {row.doc_id for row in rows if row.state.level == 1}
    assert ["ann"] == desk.reviewers()
    assert wire.indexes().current()


def test_each_thread_has_a_desk_of_its_own(reviews: tuple[Wire, ConsoleReviews]) -> None:
    """An index belongs to one thread; what one decides the others are shown."""
    _, desk = reviews
    viewer: Viewer = operator("ann")
    first = desk.queue(viewer, Filters(), 25, None)
    desk.act(viewer, first.rows[0].doc_id, Form("decide", "clear", "looked at it"))
    seen: list[QueuePage] = []
    other = Thread(target=lambda: seen.append(desk.queue(viewer, Filters(), 25, None)))
    other.start()
    other.join()
    assert [row.doc_id for row in seen[0].rows] == [first.rows[1].doc_id]


def test_the_signed_report_is_the_firms(reviews: tuple[Wire, ConsoleReviews]) -> None:
    """It verifies with the keys of the data folder."""
    wire, desk = reviews
    viewer = operator("ann")
    now = wire.clock()
    body = desk.signed(viewer, "2026-11", now - 86_400_000, now + 86_400_000)
    read, _ = verify(wire, body)
    assert (read["month"], read["made_by"]) == ("2026-11", "ann")
    period = desk.period(viewer, now - 86_400_000, now + 86_400_000)
    assert read["period"]["population"] == period.population == 2
    assert desk.proposals(viewer) == ()
    assert desk.accountability(viewer, now - 86_400_000, now)["made_by"] == "ann"
