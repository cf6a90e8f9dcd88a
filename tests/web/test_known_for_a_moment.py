"""What the console keeps for a moment is asked seldom, opens nothing, and holds nobody up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from infra.consoleglass import ConsoleGlass
from search.access.breakglass import Request
from search.access.people import Grant
from search.access.sessions import Live

GRANT = Grant("g", "ann", "everything", 10)


class _Glass:
    """What is open, and how often it was asked for."""

    def __init__(self) -> None:
        self.people: tuple[str, ...] = ()
        self.scans = 0

    def requests(self) -> tuple[Request, ...]:
        """See BreakGlass."""
        self.scans += 1
        return tuple(Request(one, one, "everything", "because", 5, 0) for one in self.people)

    def grants(self, person: str, _session: str) -> tuple[Grant, ...]:
        """See BreakGlass."""
        return (replace(GRANT, person_id=person),) if person in self.people else ()

    def ask(self, *_: object, **__: object) -> None:
        """See BreakGlass."""
        self.people = ("ann",)


def test_that_nobody_broke_the_glass_is_asked_once_a_second() -> None:
    """Nothing open: one look for all. What is asked for here counts at once, what elsewhere after a
    second; what is closed is closed at once."""
    glass: Any = _Glass()
    now = [100.0]
    office: Any = ConsoleGlass(glass, None, None, None, lambda: now[0])  # type: ignore[arg-type]
    ann, ben = (Live(one, "s", "", 0, 0, 0, 0, "password") for one in ("ann", "ben"))
    assert not [grant for one in (ann, ben) for _ in range(5) for grant in office.grants(one)]
    assert glass.scans == 1
    office.ask(None, "everything", "because it burns", 5, (), privileged=False)
    assert office.grants(ann) and not office.grants(ben) and glass.scans == 2
    glass.people = ("ben",)
    assert not office.grants(ann) and not office.grants(ben)
    now[0] += 1.0
    assert office.grants(ben) and glass.scans == 3
