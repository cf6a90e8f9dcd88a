"""The archive as one thread of the console's pool asks it.

Owns which parts are a thread's own; what they know of the index for a moment is shared.
"""

from __future__ import annotations

import threading

from infra.wire import Wire
from search.access.bound import Bound
from search.bodies import Bodies
from search.lately import Lately
from search.tokens import Tokenizer
from search.trail import Trail


class Own:
    """The parts of one thread."""

    def __init__(self, wire: Wire, tokenizer: Tokenizer, lately: Lately) -> None:
        self.tokenizer = tokenizer
        self.bodies = Bodies(wire.reader())
        self.bound = Bound(wire.indexes(), self.bodies, tokenizer, lately)
        self.trail = Trail(self.bodies, tokenizer)


class Threads:
    """One `Own` for each thread that asks."""

    def __init__(self, wire: Wire, lately: Lately) -> None:
        """`lately`: what all desks of this console share of the index."""
        self._wire = wire
        self._tokenizer = wire.tokenizer()
        self._lately = lately
        self._local = threading.local()

    def own(self) -> Own:
        """This thread's."""
        found: Own | None = getattr(self._local, "own", None)
        if found is None:
            found = self._local.own = Own(self._wire, self._tokenizer, self._lately)
        return found
