"""Schemas and dictionaries stay as long as what needs them, and their locks only grow (S5)."""

from __future__ import annotations

from hashlib import sha256

import pytest

from archive import layout
from archive.formats import keep, locked_until
from archive.retention import DAY_MS, end_of
from archive.store import Lock
from schemas.domains import DomainFacts, month_text
from schemas.errors import Halt
from tests.fakes.store import FakeStore

NOW = 1_768_471_200_000          # 2026-01-15T10:00:00Z
BODY = b'{"type": "string"}'
KEY = layout.schema(sha256(BODY).hexdigest())


def _locks(store: FakeStore) -> list[tuple[str, int]]:
    return [(one.lock.mode, one.lock.retain_until) for one in store.objects[KEY]]


def test_from_trial_to_real_the_lock_grows() -> None:
    """The first start in trial mode locks for a day; the first real one must not leave it so."""
    store = FakeStore(lambda: NOW)
    trial = locked_until(NOW, trial=True, lock_years_max=15)
    real = locked_until(NOW, trial=False, lock_years_max=15)
    assert [1, 0, 1, 0, 0] == [keep(store, {KEY: BODY}, until)
                               for until in (trial, trial, real, real, trial)]
    assert [("COMPLIANCE", real)] == _locks(store)
    assert trial <= NOW + DAY_MS + 60_000


@pytest.mark.parametrize("day", range(0, 400, 7))
def test_no_segment_of_the_next_month_is_locked_longer(day: int) -> None:
    """Whatever day it is, the longest class from the end of its month; and asking each day changes
    the date once a month at most."""
    now = NOW + day * DAY_MS
    until = locked_until(now, trial=False, lock_years_max=15)
    sealed = now + 28 * DAY_MS      # the archiver asks each day; four weeks is more than enough
    longest = end_of(DomainFacts("", "", month_text(sealed), "", 15)) + DAY_MS
    assert longest <= until
    assert until <= now + (366 * 15 + 92) * DAY_MS


def test_what_lies_over_a_format_changes_nothing() -> None:
    """A younger version, a marker and another's bytes below: ours is found by its hash."""
    store = FakeStore(lambda: NOW, accuse=False)
    store.plant(KEY, b"junk")
    store.plant(KEY, BODY, Lock("COMPLIANCE", NOW + DAY_MS))
    store.add_marker(KEY)
    assert 1 == keep(store, {KEY: BODY}, NOW + 2 * DAY_MS)
    assert [("", 0), ("COMPLIANCE", NOW + 2 * DAY_MS), ("", 0)] == _locks(store)


def test_a_name_that_is_taken_and_a_lock_that_does_not_hold_stop_the_start() -> None:
    """Neither may be passed over in silence: segments would be unreadable in seven years."""
    store = FakeStore(lambda: NOW)
    store.plant(KEY, b"junk")
    with pytest.raises(Halt, match="put_undecided"):
        keep(store, {KEY: BODY}, NOW + DAY_MS)
    weak = FakeStore(lambda: NOW, weaknesses=frozenset({"cannot_extend"}))
    keep(weak, {KEY: BODY}, NOW + DAY_MS)
    with pytest.raises(Halt, match="store_unsafe"):
        keep(weak, {KEY: BODY}, NOW + 2 * DAY_MS)
