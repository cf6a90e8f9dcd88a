"""When what waits for the log may go: at once while little comes, in rounds under load."""

from __future__ import annotations

from ingest.pace import Pace


def test_a_trickle_is_never_delayed() -> None:
    """Fewer than the free items in each round, for as long as it lasts."""
    pace = Pace(round_s=1.0, free_items=3)
    for tenth in range(100):
        now = tenth / 2
        assert pace.wait_s(now) == 0.0
        pace.sent(1, now)


def test_under_load_the_rest_of_the_round_is_waited_for() -> None:
    """Then all that came goes, and a round begins anew."""
    pace = Pace(round_s=1.0, free_items=3)
    pace.sent(3, 10.0)
    assert pace.wait_s(10.25) == 0.75
    assert pace.wait_s(11.0) == 0.0
    pace.sent(20, 11.0)
    assert pace.wait_s(11.5) == 0.5


def test_the_first_of_all_goes_at_once() -> None:
    """Whatever the clock says."""
    assert Pace().wait_s(0.0) == 0.0
