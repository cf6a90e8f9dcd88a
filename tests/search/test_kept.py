"""What many ask for at once is asked for once, and shown to nobody else (`search/kept.py`)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas.errors import Transient
from search.kept import Kept

KEEP, SHOWN = 15, 60


class Asking:
    """Counts what is asked, and answers with how often that was."""

    def __init__(self) -> None:
        self.now = 1_000
        self.count = 0
        self.later: list[Callable[[], object]] = []

    def kept(self, *, beside: bool = False, keys_max: int = 9) -> Kept[str, int]:
        """By this clock; what is begun beside waits in `later`."""
        return Kept(lambda: self.now, KEEP, SHOWN, keys_max, self.later.append if beside else None)

    def __call__(self) -> int:
        self.count += 1
        return self.count


def test_an_answer_serves_for_its_time_and_its_key_alone() -> None:
    """Fresh: nothing is asked. Another key is another answer. Older: it is asked again, and so it
    is when the clock goes back."""
    asking = Asking()
    kept = asking.kept()
    assert (1, 1) == (kept.get("a", asking).value, kept.get("a", asking).value)
    assert 2 == kept.get("b", asking).value
    asking.now += KEEP - 1
    assert (1, 1_000) == ((known := kept.get("a", asking)).value, known.at)
    asking.now += 1
    assert (3, 1_000 + KEEP) == ((known := kept.get("a", asking)).value, known.at)
    asking.now = 500
    assert 4 == kept.get("a", asking).value


def test_nobody_waits_for_a_newer_answer() -> None:
    """One refresh beside, however many come; the old answer meanwhile, with its time; once it is
    too old, whoever comes asks."""
    asking = Asking()
    kept = asking.kept(beside=True)
    assert 1 == kept.get("a", asking).value
    asking.now += KEEP
    for _ in range(5):
        assert (1, 1_000) == ((known := kept.get("a", asking)).value, known.at)
    assert 1 == len(asking.later) and 1 == asking.count
    asking.later.pop()()
    assert (2, 1_000 + KEEP) == ((known := kept.get("a", asking)).value, known.at)
    asking.now += SHOWN
    assert 3 == kept.get("a", asking).value and not asking.later


def test_many_who_come_first_wait_for_one() -> None:
    """Eight at once: one asks, all have its answer; an error reaches all of them, and is not kept.
    """
    asking, go = Asking(), threading.Event()
    kept = asking.kept()

    def slow() -> int:
        assert go.wait(20)
        if asking() == 1:
            raise Transient("down")
        return asking.count

    def one(_: int) -> object:
        try:
            return kept.get("a", slow).value
        except Transient as error:
            return str(error)

    for said in ("down", 2):
        go.clear()
        with ThreadPoolExecutor(8) as threads:
            found = [threads.submit(one, number) for number in range(8)]
            while not kept._asking:
                threading.Event().wait(0.001)
            # All of them have come: the others wait for the one who asks.
            threading.Event().wait(0.05)
            go.set()
            assert [said] * 8 == [each.result(20) for each in found]


def test_an_error_beside_leaves_the_old_answer_until_it_is_too_old() -> None:
    """Then it is told."""
    asking = Asking()
    kept = asking.kept(beside=True)
    kept.get("a", asking)

    def down() -> int:
        raise Transient("down")

    asking.now += KEEP
    assert 1 == kept.get("a", down).value
    asking.later.pop()()
    assert 1 == kept.get("a", down).value
    asking.later.pop()()
    asking.now += SHOWN
    with pytest.raises(Transient):
        kept.get("a", down)


def test_answers_are_bounded() -> None:
    """The one that was asked for first goes first."""
    asking = Asking()
    kept = asking.kept(keys_max=2)
    assert [1, 2, 3] == [kept.get(one, asking).value for one in "abc"]
    assert [2, 3, 4] == [kept.get(one, asking).value for one in "bca"]


def test_the_end_of_the_threads_beside_is_no_end_of_answers() -> None:
    """Asked in place."""
    asking = Asking()
    threads = ThreadPoolExecutor(1)
    kept: Kept[str, int] = Kept(lambda: asking.now, KEEP, SHOWN, 9, threads.submit)
    kept.get("a", asking)
    threads.shutdown()
    asking.now += KEEP
    assert 1 == kept.get("a", asking).value
    assert 2 == kept.get("a", asking).value
