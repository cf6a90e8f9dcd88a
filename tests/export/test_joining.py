"""A large event that no sighting holds whole: what its parts give together, and how it is tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.parts import split
from schemas import codec
from schemas.events import EventPart
from schemas.identity import event_id
from search.export import joining
from tests.search.world import NOON, event

LARGE = event(text="one sighting " * 400)


def parts(captured_at: int = NOON + 1_000, text: str | None = LARGE.text) -> list[EventPart]:
    """Of one sighting, three or so."""
    made = replace(LARGE, captured_at=captured_at, text=text)
    found = split(made, codec.encode(made), 2_200)
    assert 3 == len(found)
    return found


def test_parts_of_two_sightings_give_the_event() -> None:
    """Its first part is named by its place; what lies between does not matter."""
    one, two = parts(), parts(NOON + 9_000)
    assert (1, replace(LARGE, captured_at=NOON + 9_000)) == joining.put_together(
        [one[2], two[0], one[1], two[1]])
    assert (2, LARGE) == joining.put_together([one[1], one[2], one[0], two[0]])


@pytest.mark.parametrize("left", [0, 1, 2])
def test_without_one_of_its_numbers_there_is_none(left: int) -> None:
    """Nothing is made up."""
    assert joining.put_together([part for part in parts() if part.number != left]) is None
    assert joining.put_together([]) is None


def test_only_the_event_that_the_parts_name_is_taken() -> None:
    """A choice that does not decode, or to something else, is none, and the next is tried: the last
    number varies first."""
    other = parts(text="x" * len(LARGE.text or ""))
    true = parts()
    false = replace(true[0], body=bytes(len(true[0].body)))
    assert (1, LARGE) == joining.put_together([false, *true])
    assert joining.put_together([false, *true[1:]]) is None
    named = [replace(part, set_id=event_id(event(native_id="m2"))) for part in true]
    assert joining.put_together(named) is None
    assert (0, LARGE) == joining.put_together(
        [true[0], other[0], true[1], other[1], true[2], other[2]])
    found = joining.put_together([true[0], true[1], replace(true[2], body=true[2].body[:-1]),
                                  other[1], true[2]])
    assert (0, LARGE) == found


def test_so_many_are_tried_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their bytes, each as four million at least: who sends a thousand false parts does not
    hold an export up."""
    true = parts()
    false = [replace(true[2], body=bytes([value]) * len(true[2].body)) for value in range(5)]
    every = [true[0], true[1], *false, true[2]]
    size = len(codec.encode(LARGE)) + joining.TRIED_BYTES
    monkeypatch.setattr(joining, "JOINED_BYTES_MAX", 5 * size)
    assert (0, LARGE) == joining.put_together(every)
    monkeypatch.setattr(joining, "JOINED_BYTES_MAX", 5 * size - 1)
    assert joining.put_together(every) is None
