"""What the desk of a reviewer works with.

Owns the port People and the bundle of the others; `infra` fills it for each viewer's process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from schemas.assignment import Assignments
from schemas.recorder import Recorder
from search.access.state import StateStore
from search.access.viewer import Viewer
from search.audit import Auditor
from search.bodies import Reads
from search.index import Asked
from search.review.leases import LEASE_MS_DEFAULT
from search.review.timing import Timing
from search.tokens import Tokenizer


class People(Protocol):
    """What is asked of the firm's rules (search/access/people.py)."""

    def line(self, person: str) -> frozenset[str]:
        """Ids of the custodians whose messages a person may not review: his own, and those of
        everybody he reports to."""

    def reviewers(self) -> Iterable[str]:
        """Who can be given items: active, and with the right to decide."""


@dataclass(frozen=True)
class Ports:
    """What the desk works with. `index`: the index as one viewer may see it, null before there is
    one; `firm_years`: `Directory.firm_years()`; `rules`: the ids of the rules that are known, for
    facets; `clock`: UTC ms; `random`: that many bytes."""

    index: Callable[[Viewer], Asked | None]
    reader: Reads
    recorder: Recorder
    auditor: Auditor
    state: StateStore
    people: People
    tokenizer: Tokenizer
    assigned: Callable[[], Assignments]
    firm_years: Callable[[], int]
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    timing: Timing = field(default_factory=Timing)
    rules: Callable[[], Iterable[str]] = tuple
    claim_ms: int = LEASE_MS_DEFAULT
