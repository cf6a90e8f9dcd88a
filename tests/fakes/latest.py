"""The last head that a signer or witness put its name to, in memory (port Latest)."""

from __future__ import annotations

from archive.tlog.checkpoint import Head
from tests.fakes.faults import FaultPlan


class FakeLatest:
    """`Latest`. It accuses whoever goes back, or signs another tree of the same size."""

    def __init__(self, faults: FaultPlan | None = None) -> None:
        self.faults = faults or FaultPlan()
        self.heads: dict[str, Head] = {}

    def load(self, origin: str) -> Head | None:
        """See Latest."""
        return self.faults.run("latest.load", lambda: self.heads.get(origin))

    def swap(self, origin: str, known: Head | None, new: Head) -> bool:
        """See Latest."""
        assert known is None or new.size >= known.size, "a signer goes back"
        assert known is None or new.size > known.size or new == known, "two trees of one size"
        return self.faults.run("latest.swap", lambda: self._swap(origin, known, new))

    def _swap(self, origin: str, known: Head | None, new: Head) -> bool:
        if self.heads.get(origin) != known:
            return False
        self.heads[origin] = new
        return True
