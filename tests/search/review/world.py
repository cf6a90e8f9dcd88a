"""A firm whose flagged messages are reviewed, in memory: what the review tests play with.

Owns the way of an event to an index and back: sealed, projected, asked with the scope and state
store of the tests. The index is seconds behind until `index_log()` is called.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.assignment import Assignments
from schemas.document import Document
from schemas.errors import Transient
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.access import roles
from search.access.scope import EVERYTHING
from search.access.scoped import ScopedIndex
from search.access.viewer import Viewer
from search.audit import Auditor, AuditSettings
from search.follow import Follower
from search.index import Asked, IndexSet
from search.policy.flags import Flag, flag_event
from search.review.desk import ReviewDesk
from search.review.ports import Ports
from search.review.timing import Timing
from tests.fakes.index import FakeIndexSet
from tests.fakes.state import FakeState
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive, event
from tests.world import Random

YEARS = 8
LATER = NOON + 3_600_000


def flag(message: CapturedEvent, rule: str = "cash", severity: str = "medium", *,
         at: int = NOON + 5_000, policy: str = "money", version: int = 1, revision: str = "",
         mandatory: bool = False) -> CapturedEvent:
    """A policy's flag on a message."""
    return flag_event(Flag(message_key(message), policy, rule, version, severity, revision,
                           "Cash.", "d" * 64, mandatory=mandatory), at, YEARS)


def viewer(person: str = "ann", role: str = roles.COMPLIANCE, **more: Any) -> Viewer:
    """Somebody with a role who sees everything."""
    return Viewer(person, EVERYTHING, roles.capabilities([role]), **more)


ANN, BEN, CAT = viewer("ann"), viewer("ben"), viewer("cat")


@dataclass
class Log:
    """A Recorder. `down`: nothing is taken."""

    events: list[CapturedEvent] = field(default_factory=list)
    down: bool = False

    def record(self, event: CapturedEvent) -> None:
        """See Recorder."""
        if self.down:
            raise Transient("no broker")
        self.events.append(event)


@dataclass
class Staff:
    """Implements `search.review.ports.People`."""

    lines: dict[str, frozenset[str]] = field(default_factory=dict)

    def line(self, person: str) -> frozenset[str]:
        """See People."""
        return self.lines.get(person, frozenset())

    def reviewers(self) -> Iterable[str]:
        """See People."""
        return ("ann", "ben", "cat", "dan")


class Firm:
    """Messages, flags, an index and a desk."""

    def __init__(self, indexes: IndexSet | None = None) -> None:
        self.now = LATER
        self.log, self.staff = Log(), Staff()
        self.archive = MemoryArchive()
        self.indexes: IndexSet = indexes or FakeIndexSet()
        self.index_name = self.indexes.first()
        self.state = FakeState(self.clock)
        self.random = Random("review")
        self._indexed = 0
        self.desk = ReviewDesk(self.ports())

    def clock(self) -> int:
        """UTC ms; each look at it is a moment later."""
        self.now += 1
        return self.now

    def ports(self, **more: Any) -> Ports:
        """What a desk works with."""
        return replace(Ports(
            index=self.index_of, reader=self.archive, recorder=self.log,
            auditor=Auditor(self.log, AuditSettings("firm", YEARS), self.clock, self.random),
            state=self.state, people=self.staff, tokenizer=TOKENIZER, assigned=Assignments,
            firm_years=lambda: YEARS, clock=self.clock, random=self.random, timing=Timing(),
            rules=lambda: ("cash", "coins")), **more)

    def index_of(self, who: Viewer) -> Asked | None:
        """The index as one person may see it."""
        return ScopedIndex(self.indexes.open(self.index_name), who.scope, TOKENIZER,
                           Assignments())

    def capture(self, *events: CapturedEvent) -> None:
        """Archived and indexed."""
        self.archive.seal(events)
        self._follow()

    def index_log(self) -> None:
        """What was recorded since is archived and indexed."""
        new = self.log.events[self._indexed:]
        self._indexed = len(self.log.events)
        self.capture(*new)

    def _follow(self) -> None:
        index = self.indexes.open(self.index_name)
        Follower(self.archive, index, PROJECTOR).run_to_end()
        index.refresh()

    def message(self, number: int = 1, *flags: tuple[str, str], **more: Any) -> str:
        """A captured message with flags (rule, severity); its id."""
        made = event(native_id=f"m{number}", text=f"message {number}", **more)
        self.capture(made, *(flag(made, rule, severity) for rule, severity in flags))
        return doc_id(made)

    def document(self, of: str) -> Document:
        """As the index has it."""
        return self.indexes.open(self.index_name).get([of])[of].document

    def acts(self, action: str = "") -> list[CapturedEvent]:
        """Review events on the log."""
        return [one for one in self.log.events if one.kind == "review"
                and action in ("", one.detail("action"))]


def doc_id(message: CapturedEvent) -> str:
    """The id of a message's document."""
    return TOKENIZER.document(message_key(message))
