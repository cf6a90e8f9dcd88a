"""What threads share of the index for a moment: asked seldom, never older than said."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import load
from infra.consoledesk import SearchDesk
from infra.wire import Wire
from schemas.assignment import Assignments
from schemas.directory import Directory
from schemas.errors import Transient
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.follow import rebuild
from search.index import Retired
from search.lately import AGE_S, Lately
from search.searcher import Searcher
from tests.search.test_assigned import decided, said, unassigned
from tests.search.test_searcher import MemoryRecorder, Office
from tests.search.world import PROJECTOR, TOKENIZER


class _Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_age_and_no_longer() -> None:
    """Within the age nobody asks again; after it, and for another index, everybody does."""
    clock = _Clock()
    lately = Lately(clock)
    asked: list[str] = []

    def current(name: str | None) -> str | None:
        def ask() -> str | None:
            asked.append(name or "none")
            return name
        return lately.current(ask)

    assert current(None) is None and current("a") == "a"    # that there is none is not kept
    clock.now += AGE_S - 0.001
    assert current("b") == "a"
    clock.now += 0.001
    assert current("b") == "b" and asked == ["none", "a", "b"]
    lately.forget()
    assert current("c") == "c"
    first, second = Assignments([decided()]), Assignments()
    assert lately.assigned("c", lambda: first) is first
    assert lately.assigned("c", lambda: second) is first
    assert lately.assigned("d", lambda: second) is second
    clock.now += AGE_S
    assert lately.assigned("d", lambda: first) is first


def test_what_could_not_be_asked_is_not_kept() -> None:
    """An error is the asker's, and the next one asks again."""
    lately = Lately(_Clock())

    def away() -> str:
        raise Transient("away")

    with pytest.raises(Transient):
        lately.current(away)
    assert lately.current(lambda: "a") == "a"


def test_a_searcher_sees_a_decision_and_another_index_after_the_age() -> None:
    """What is remembered is never wrong for longer than it is remembered."""
    clock = _Clock()
    lately = Lately(clock)
    office = Office(unassigned())
    searcher = Searcher(office.indexes, office.archive, TOKENIZER, Auditor(
        office.recorder, AuditSettings("longest", 8), lambda: 0, bytes), lately=lately)

    def whose() -> list[str]:
        return [one.custodian for one in searcher.search("hello", operator("x")).hits]

    assert whose() == [""]
    office.archive.seal(said(decided()))
    office.index()
    assert whose() == [""]
    clock.now += AGE_S
    assert whose() == ["dora"]
    old = office.indexes.current()
    new = rebuild(office.archive, office.indexes, PROJECTOR)
    assert lately.current(office.indexes.current) == old != new
    clock.now += AGE_S
    assert whose() == ["dora"] and lately.current(office.indexes.current) == new


def test_a_desk_asks_once_more_where_an_index_is_gone(tmp_path: Path) -> None:
    """What was current a moment ago may be dropped: nobody is told so. Twice is an error."""
    wire = Wire(load(tmp_path / "home"))
    wire.provision_once()
    asked: list[str] = []

    class Desk(SearchDesk):
        """One whose index is gone so many times."""

        gone = 1

        def _own(self) -> Searcher:
            asked.append("own")
            if len(asked) <= self.gone:
                raise Retired("it was dropped")
            return super()._own()

    desk = Desk(wire, Auditor(MemoryRecorder(), AuditSettings("longest", 8), wire.clock,
                              wire.random), Directory, Lately(_Clock()))
    assert desk.search("hello", operator("x"), 10, None).total == 0 and len(asked) == 2
    asked.clear()
    desk.gone = 2
    with pytest.raises(Retired):
        desk.search("hello", operator("x"), 10, None)
