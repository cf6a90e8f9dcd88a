"""What the console asks for a page: seldom, once for many, and never for another's eyes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from infra.consoledesk import SharedExpander
from infra.embedded.index import SqliteIndex
from schemas.errors import Transient
from search.expander import CurrentExpander
from search.kept import Kept
from search.policy.flags import Flag, flag_event
from search.words import Exact, Slot, Wild
from tests.search.test_vocabulary import Ends
from tests.search.test_vocabulary import Office as Archived
from tests.web.deskworld import ANN, DAY, START, Desk, desk, key, message, said
from tests.web.office import COMPLIANCE, Browser, filled

_ASKS: Final = ("search", "count", "facets", "counts", "newest", "each")
_SECOND_MS: Final = 1_000


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[Desk]:
    """Of two messages that are flagged one is Bob's, whom Sue does not see."""
    with desk(tmp_path / "home") as made:
        events = {one.native_id: one for one in said()}
        for name in ("wamid.a3", "wamid.b0"):
            made.wire.recorder("search").record(flag_event(Flag(
                key(events[name]), "money", "account", 1, "high", events[name].revision, "why",
                "0" * 64), START + DAY, 8))
        made.index()
        yield made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What indexes are asked, by whatever asks."""
    count: Counter[str] = Counter()

    def counting(name: str) -> Any:
        real = getattr(SqliteIndex, name)

        def ask(*given: Any, **named: Any) -> Any:
            count[name] += 1
            return real(*given, **named)
        return ask
    for name in _ASKS:
        monkeypatch.setattr(SqliteIndex, name, counting(name))
    return count


def test_a_dashboard_is_two_questions_for_many(firm: Desk, asked: Counter[str]) -> None:
    """Days and reviews are one question each; who may see the same is shown the same for a while,
    each look on record; the firm's own figures are asked for once for everybody."""
    first = firm.page("dana", "/dashboard")
    assert asked["counts"] == 2 and not asked["facets"] and not asked["count"]
    assert asked["newest"] <= 2
    asked.clear()
    for _ in range(3):
        assert first == firm.page("dana", "/dashboard")
    assert {"counts", "newest", "search"}.isdisjoint(+asked)
    firm.page("sue", "/dashboard")
    assert (2, 0) == (asked["counts"], asked["newest"])
    firm.index()
    trail = firm.page("otto", "/audit?action=dashboard&person=dana")
    assert 4 == trail.count("looked at the dashboard")


def test_whatever_decides_a_figure_parts_those_who_are_shown_it(
        firm: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scope, walls, what somebody may do, the number of days and the zone: each its own figures,
    whoever looked before, in either order."""
    seen: list[object] = []
    real = Kept.get

    def noting(self: Any, key: Any, ask: Any) -> Any:
        seen.append(key)
        return real(self, key, ask)
    monkeypatch.setattr(Kept, "get", noting)
    expected = {"sue": ("6 messages", "<td>1</td>"), "dana": ("8 messages", "<td>2</td>"),
                "otto": ("8 messages", "<td>2</td>"), "ada": ("8 messages", "")}
    for order in (("dana", "sue", "otto", "ada"), ("sue", "ada", "otto", "dana")):
        for person in order:
            page = firm.page(person, "/dashboard")
            count, rule = expected[person]
            assert f'<span class="muted">{count}</span>' in page
            row = f'<th scope="row"><bdi>account</bdi></th>{rule}'
            assert (row in page) if rule else ("Reviews</h2>" not in page)
    keys = {one for one in seen if one is not None}
    assert len(keys) == 4
    firm.page("dana", "/dashboard?days=90")
    assert len({one for one in seen if one is not None}) == 5


def test_figures_are_as_old_as_they_say(firm: Desk) -> None:
    """What comes is counted once they are too old to be shown, and the page says as of when."""
    before = firm.page("dana", "/dashboard")
    firm.wire.recorder("gateway").record(message(
        ANN, "ann", "new", firm.clock.now - 10_000, "one more"))
    firm.index()
    firm.clock.now += 10 * _SECOND_MS
    assert before == firm.page("dana", "/dashboard")
    firm.clock.now += 120 * _SECOND_MS
    after = firm.page("dana", "/dashboard")
    assert "9 messages" in after and "9 messages" not in before


def test_a_queue_is_counted_in_one_question(firm: Desk, asked: Counter[str]) -> None:
    """Total, bands, values and ages together; of the bands only those with items are read."""
    firm.page("dana", "/queue")
    asked.clear()
    assert "new account" in firm.page("dana", "/queue")
    assert asked["counts"] == 1 and asked["count"] == asked["facets"] == 0
    # The page of the one band that has items; who else is asked for is not of the queue.
    assert asked["search"] <= 3


def test_a_search_page_is_one_record(firm: Desk, asked: Counter[str]) -> None:
    """Answers and counts, one look; the JSON API's two questions stay two."""
    firm.page("dana", "/search?q=account")
    firm.index()
    trail = firm.page("otto", "/audit?action=search&person=dana")
    assert trail.count("(2 found, 2 shown)") == 1 and "counts for narrowing" not in trail


def test_counts_that_cannot_be_had_are_left_out() -> None:
    """The answer stands without them, says nothing of them on record, and the error is told."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    bound = office.desk.searcher._bound.whole()

    def down(*_: object) -> object:
        raise Transient("the index went away")
    assert bound is not None
    bound.facets = down  # type: ignore[method-assign,assignment]
    page = browser.get("/search?q=secret")
    assert page.status_code == 200 and "class=\"facets\"" not in page.text
    (record,) = [one for one in office.recorder.recorded if one.detail("action") == "search"]
    assert "1" == record.detail("total") and not record.detail("counted")
    assert ["the index went away"] == list(map(str, office.reported))


def test_the_counts_of_a_search_are_on_its_record() -> None:
    """Which fields were counted stands beside what was shown."""
    office = filled()
    browser = Browser(office)
    browser.sign_in(COMPLIANCE)
    assert "class=\"facets\"" in browser.get("/search?q=secret").text
    (record,) = [one for one in office.recorder.recorded if one.detail("action") == "search"]
    assert "state channel direction custodian month" == record.detail("counted")


def test_a_pattern_waits_for_the_words_that_are_being_read() -> None:
    """They are read once, whoever asks meanwhile; a plain word waits for nothing."""
    office = Archived()
    office.say("alpha", "alphabet")
    reads, begun, go = [0], threading.Event(), threading.Event()

    class Slow(CurrentExpander):
        """Reads until it is let go."""

        def read(self) -> None:
            reads[0] += 1
            begun.set()
            assert go.wait(20)
            super().read()

    shared = SharedExpander(Slow(office.indexes, office.archive.wordbook, Ends()))
    found: list[tuple[str, ...]] = []

    def ask(slot: Slot) -> None:
        found.append(shared.expand(slot, 9))
    threads = [threading.Thread(target=shared.read),
               *(threading.Thread(target=ask, args=(Wild("al*"),)) for _ in range(3))]
    threads[0].start()
    assert begun.wait(20)
    for one in threads[1:]:
        one.start()
    assert ("never",) == shared.expand(Exact("never"), 9) and not found
    go.set()
    for one in threads:
        one.join(20)
    assert [("alpha", "alphabet")] * 3 == found
    assert [1] == reads


def test_the_desks_of_a_console_share_what_they_know(firm: Desk) -> None:
    """One memory of which index is current, for search, queue and figures."""
    process: Any = firm._process
    assert process._search._lately is process._lately
    assert process.parts.review._lately is process._lately
    assert process._figures._threads._lately is process._lately
