"""How often somebody may ask."""

from __future__ import annotations

import threading

import pytest

from search.access.ratelimit import Buckets
from tests.search.access.signin_world import Clock


def test_a_burst_and_then_the_rate() -> None:
    """Three at once, then one each two seconds; whoever waits as told gets through."""
    clock = Clock()
    buckets = Buckets(0.5, 3, clock)
    assert [0, 0, 0, 2] == [buckets.take("a") for _ in range(4)]
    clock.now += 1_999
    assert 1 == buckets.take("a")
    clock.now += 1
    assert [0, 2] == [buckets.take("a") for _ in range(2)]
    clock.now += 3_600_000
    assert [0, 0, 0, 2] == [buckets.take("a") for _ in range(4)]


def test_each_has_its_own() -> None:
    """One address does not use up another's."""
    buckets = Buckets(1, 1, Clock())
    assert [0, 1, 0] == [buckets.take("a"), buckets.take("a"), buckets.take("b")]


def test_a_clock_set_back_gives_nothing() -> None:
    """And takes nothing."""
    clock = Clock()
    buckets = Buckets(1, 2, clock)
    assert 0 == buckets.take("a")
    clock.now -= 10_000
    assert [0, 1] == [buckets.take("a") for _ in range(2)]


def test_memory_is_bounded() -> None:
    """Of very many addresses the ones that ask are remembered."""
    buckets = Buckets(0.001, 1, Clock(), keys_max=3)
    assert 0 == buckets.take("hot")
    for number in range(10):
        assert 0 == buckets.take(f"cold{number}")
        assert 0 < buckets.take("hot")
    assert 3 == len(buckets._levels)


def test_threads_share_a_bucket() -> None:
    """Twenty threads, five tokens."""
    buckets = Buckets(0.0001, 5, Clock())
    got = []
    threads = [threading.Thread(target=lambda: got.append(buckets.take("a"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 5 == got.count(0)


def test_a_bucket_that_never_fills_is_a_mistake() -> None:
    """Of whoever made it."""
    with pytest.raises(AssertionError):
        Buckets(0, 1, Clock())
