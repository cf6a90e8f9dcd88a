"""What the indexer does for holds: media too, a store that refuses, a crash at any request, a
doubt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from archive.store import Lock, ObjectStore, ObjectVersion
from infra import holdwatch
from infra.carry import index_all
from infra.holdmap import HoldMap
from infra.holds import Holding, verifying
from infra.holdwatch import HoldWatch
from infra.verbs import hold as verbs
from infra.wire import Wire
from ingest.media import stored_fact
from schemas.errors import Transient
from schemas.events import Attachment, CapturedEvent
from schemas.media import StoredMedia, header
from search.index import Index
from tests.runtime.test_hold import (
    Verb,
    alice,
    arrive,
    bob,
    held,
    lines,
    missing,
    other,
    placed,
    segments,
    wire,
)

__all__ = ["lines", "wire"]


class Board:
    """Alarms and figures."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.alarms: dict[str, str] = {}

    def alarm(self, code: str, detail: str) -> None:
        """Raised."""
        self.alarms[code] = detail

    def clear(self, code: str) -> None:
        """Over."""
        self.alarms.pop(code, None)


class Refusing:
    """A store that takes no legal hold until it is told to; `left`: how many it takes first."""

    def __init__(self, store: ObjectStore, left: int) -> None:
        self.store, self.left = store, left
        self.requests = 0

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """Refused after `left`."""
        self.requests += 1
        if self.left <= 0:
            raise Transient("403 AccessDenied")
        self.left -= 1
        self.store.set_legal_hold(key, version_id, on=on)

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """As the store says."""
        return self.store.get(key, version_id, start, length)

    def lock(self, key: str, version_id: str) -> Lock:
        """As the store says."""
        return self.store.lock(key, version_id)

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """As the store says."""
        return self.store.versions(prefix, start_after)


def index_of(wire: Wire) -> Index:
    """The index in force."""
    found = Holding(wire).index()
    assert found is not None
    return found


def three_of_hers(wire: Wire, lines: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three segments, and a hold that nobody has told the store of."""
    for number in range(3):
        arrive(wire, alice(number))
    with monkeypatch.context() as patch:
        patch.setattr("infra.carry.hold_all", lambda *_: None)
        placed(wire, lines, custodians=["asmith"])
    assert held(wire) == set()


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_a_store_that_refuses_is_an_alarm_and_asked_again(
        wire: Wire, lines: Verb, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    """Said at once, tried again after a while from where it stopped, over when it is done; a
    process that died in between goes on, and no request is made twice that was noted."""
    three_of_hers(wire, lines, monkeypatch)
    store = Refusing(wire.store, left)
    wire.__dict__["store"] = store
    board, index = Board(), index_of(wire)
    watch = HoldWatch(wire, board)
    now = wire.clock()
    watch.look(now, index)
    assert "AccessDenied" in board.alarms["hold_not_set"]
    assert len(held(wire)) == left
    assert not watch.look(now + 2_500, index)             # not at once
    assert store.requests == left + 1
    watch.close()                                         # kill -9, as far as the disk knows
    store.left = 100
    after = HoldWatch(wire, board)
    assert not after.look(now + 30_000, index)
    assert board.alarms == {}
    assert store.requests == left + 1 + (4 - left)        # her three, and the hold's own record
    assert board.facts["held_objects"] == 4
    after.look(now + 60_000, index)
    assert store.requests == 5                            # nothing is new
    after.close()


def test_a_file_is_held_with_its_message(wire: Wire, lines: Verb) -> None:
    """The media object that an event of a held domain names, and no other's; verify looks too."""
    his, hers = bob(1), alice(1)
    names = {}
    for who, event in (("his", his), ("hers", hers)):
        name = f"media/{'0' * 31}{1 if who == 'his' else 2}"
        stored = StoredMedia(name, 5, bytes(32), bytes(32))
        wire.store.put_once(name, header(bytes(16)) + bytes(21), wire.clock() + 86_400_000)
        names[who] = name
        said = replace(event, attachments=(Attachment("M1", "image/png"),))
        arrive(wire, said, stored_fact(said, 0, stored, said.captured_at))
    hold = placed(wire, lines, custodians=["asmith"])
    assert names["hers"] in held(wire) and names["his"] not in held(wire)
    (version,) = wire.store.versions(names["hers"])
    wire.store.set_legal_hold(version.key, version.version_id, on=False)
    assert missing(wire) == [names["hers"]]
    (kept,) = lines(verbs.show, wire, hold)
    assert kept["keeps"]["objects"] == 2


def test_a_query_that_cannot_be_answered_any_more_holds_all_and_says_so(
        wire: Wire, lines: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of a pattern have become too many: every domain of the hold's is held until
    somebody puts that right, and an alarm says it."""
    arrive(wire, alice(1, "secret plan"))
    arrive(wire, bob(1, "lunch"))
    placed(wire, lines, query="secr*")
    mine, his = segments(wire)[:2]
    assert mine in held(wire) and his not in held(wire)
    monkeypatch.setattr("schemas.limits.QUERY_EXPANSION_MAX", 0)
    arrive(wire, alice(2))
    assert his in held(wire)
    board = Board()
    watch = HoldWatch(wire, board)
    watch.look(wire.clock(), index_of(wire))
    assert "cannot be read" in board.alarms["hold_not_set"]
    monkeypatch.undo()
    watch.close()
    lines(verbs.apply, wire, again=False)
    assert his not in held(wire) and mine in held(wire)


@pytest.mark.parametrize("is_new", [False, True])
def test_a_directory_that_does_not_read_lets_nothing_go(wire: Wire, lines: Verb, *,
                                                        is_new: bool) -> None:
    """A typing error in `directory.toml` is a doubt and an alarm: it ends neither the process nor a
    hold, whether the process had read the file before or not."""
    arrive(wire, bob(1))
    placed(wire, lines, matters=["4711"])
    before = held(wire)
    board, index = Board(), index_of(wire)
    watch = HoldWatch(wire, board)
    if not is_new:
        watch.look(wire.clock(), index)
        assert board.alarms == {}
    arrive_alone(wire, bob(2))
    path = wire.home / "directory.toml"
    good = path.read_text("utf-8")
    path.write_text("[[custodian", "utf-8")
    watch.look(wire.clock() + 20_000, index)
    assert "directory" in board.alarms["hold_not_set"]
    assert before <= held(wire) and segments(wire)[-1] in held(wire)
    path.write_text(good, "utf-8")
    watch.look(wire.clock() + 40_000, index)
    assert board.alarms == {}
    watch.close()


def arrive_alone(wire: Wire, *said: CapturedEvent) -> None:
    """Archived and indexed, and nobody looks at holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.carry.hold_all", lambda *_: None)
        arrive(wire, *said)


def test_a_key_that_is_taken_away_lets_no_object_go(wire: Wire, lines: Verb) -> None:
    """What it was of cannot be told while it is away; the store goes on holding. When the last hold
    has ended there is nothing to hold."""
    arrive(wire, alice(1))
    first = segments(wire)[0]
    hold = placed(wire, lines, custodians=["asmith"])
    assert first in held(wire)
    (name,) = (one for one in wire.keyring.names() if not one.startswith("0" * 24))
    wire.keyring.destroy(name)
    lines(verbs.apply, wire, again=True)
    assert first in held(wire)
    lines(verbs.release, wire, hold, "settled", grant=False, refuse=False)
    lines(verbs.release, other(wire), hold, "agreed", grant=True, refuse=False)
    assert held(wire) == set()


def test_without_a_hold_nothing_is_read_or_asked(wire: Wire) -> None:
    """One question to the index; no map, no request."""
    arrive(wire, alice(1))
    board = Board()
    watch = HoldWatch(wire, board)
    assert not watch.look(wire.clock(), index_of(wire))
    assert board.facts == {"holds": 0} and board.alarms == {}
    assert not (wire.home / "watch" / "holds.db").exists()


def test_a_new_index_that_is_behind_lets_nothing_go(wire: Wire, lines: Verb) -> None:
    """Before it has what the one before had, it knows no hold: that is no reason to free what one
    keeps."""
    arrive(wire, alice(1))
    placed(wire, lines, custodians=["asmith"])
    before = held(wire)
    indexes = wire.indexes()
    empty = indexes.open(indexes.create())
    board = Board()
    watch = HoldWatch(wire, board)
    now = wire.clock()
    for late in (0, holdwatch.LATE_MS * 2):
        assert not watch.look(now + late, empty)
    assert held(wire) == before != set()
    assert "behind" in board.alarms["hold_not_set"]
    watch.close()


def test_another_store_is_told_everything(wire: Wire, lines: Verb) -> None:
    """The archive was moved: what the store before was told is no word about this one."""
    arrive(wire, alice(1))
    placed(wire, lines, custodians=["asmith"])
    parts = Holding(wire)
    with closing(parts.map()) as known:
        assert known.held_count() == 2 and not known.is_new
    path = wire.home / "watch" / "holds.db"
    for name, count in (("s3 https://elsewhere archive", 0), ("s3 https://elsewhere archive", 0)):
        with closing(HoldMap(path, name)) as moved:
            assert (moved.held_count(), moved.cursors, moved.is_new) == (count, {}, True)


def test_a_damaged_map_is_made_anew(wire: Wire, lines: Verb) -> None:
    """It is only a projection."""
    arrive(wire, alice(1))
    placed(wire, lines, custodians=["asmith"])
    for path in (wire.home / "watch").glob("holds.db*"):
        path.unlink()
    (wire.home / "watch" / "holds.db").write_bytes(b"no database" * 1000)
    arrive(wire, alice(2))
    assert set(segments(wire)[-1:]) <= held(wire) and missing(wire) == []


def test_disposition_is_told_where_the_index_is_behind(wire: Wire, lines: Verb,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a key's grounds before everything is indexed hears a doubt, not a no."""
    from archive.holds import DOUBT, judged
    from infra.holds import sources_of
    arrive(wire, alice(1, "secret plan"), bob(1))
    placed(wire, lines, query="secret")
    parts = Holding(wire)
    facts = parts.facts(index_of(wire))
    domain, generation = next(
        one for one in _domains(parts) if _custodian(parts, one) == "bjones")
    about = parts.domain(domain, generation)
    sources = sources_of(wire)
    assert sources is not None and judged(facts, sources)(domain, about) == ()
    with monkeypatch.context() as patch:
        patch.setattr("infra.carry.index_all", lambda _wire: 0)
        arrive(wire, bob(2))
    behind = sources_of(wire)
    assert behind is not None
    assert [one.why for one in judged(facts, behind)(domain, about)] == [DOUBT]
    # Who read the archive up to where the index is judges only that: no doubt; one further, doubt.
    done = index_of(wire).state().cursors
    for ends, why in ((done, []), ({place: end + 1 for place, end in done.items()}, [DOUBT])):
        bounded = sources_of(wire, ends)
        assert bounded is not None
        assert [one.why for one in judged(facts, bounded)(domain, about)] == why
    index_all(wire)
    caught_up = sources_of(wire)
    assert caught_up is not None and judged(facts, caught_up)(domain, about) == ()


def _domains(parts: Holding) -> list[tuple[bytes, int]]:
    with closing(parts.map()) as known:
        return list(known.domains())


def _custodian(parts: Holding, one: tuple[bytes, int]) -> str:
    facts = parts.domain(*one)
    return facts.custodian if facts else ""


def test_the_pace_is_bounded(wire: Wire, lines: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look takes its half second and leaves the rest for the next, the follower's turn between;
    an evaluation that took long is not made again at once."""
    three_of_hers(wire, lines, monkeypatch)
    ticks = iter(range(1_000_000))
    board, index = Board(), index_of(wire)
    watch = HoldWatch(wire, board, monotonic=lambda: float(next(ticks)))
    now, looks = wire.clock(), 1
    while watch.look(now, index):
        looks, now = looks + 1, now + holdwatch.LATE_MS
        assert looks < 100
    assert looks > 3 and board.alarms == {}
    assert len(held(wire)) == 4
    watch.close()
    assert verifying(wire) is not None and missing(wire) == []
