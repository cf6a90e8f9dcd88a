"""What is due, and why something is not (PROTOCOL D1, docs/decisions/0033). Pure.

Owns the survey of an archive (which key holds how much, until when it has to be kept, and what was
already done) and the judgement of one key. It destroys nothing: that is `infra/disposition.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from archive.holds import Ground, Grounds
from archive.keyring import name_of, read_name
from archive.reader import CellSeen, ReadEvent
from archive.retention import ended_at
from schemas import codec, domains, events
from schemas.disposition import Act, Record, read_act, record_of
from schemas.domains import DomainFacts
from schemas.errors import Refused
from schemas.events import CapturedEvent

# why of a standing
DUE: Final = "due"
RETENTION: Final = "retention"         # its class has not ended yet
HOLD: Final = "hold"                   # a legal hold keeps it, or may
RECORD: Final = "record"               # what says what was erased lies in it
LOG: Final = "log"                     # records of it are still on the log
UNREADABLE: Final = "unreadable"       # its key does not open: nobody can say whose it is
NO_GROUND: Final = "no_ground"         # no class or no years: nobody may have made such a key
TRIAL: Final = "trial"                 # archived for real, and the folder says that it is a trial
EMPTY: Final = "empty"                 # nothing lies under it
ERASED: Final = "erased"

Partition = tuple[str, int]


class Surveyed(Protocol):
    """What is asked of the archive (`archive.reader.ArchiveReader`)."""

    def partitions(self) -> list[Partition]:
        """Every partition that has a segment."""

    def survey(self, topic_id: str, partition: int,
               opens: Callable[[bytes], bool]) -> Iterator[CellSeen]:
        """Every cell, in order."""


@dataclass(slots=True)
class KeySeen:
    """What lies under one key. `last`: by partition, the highest offset of a record with something
    of it; `locked_until`: the latest lock of a segment that it lies in (UTC ms); `has_record`: an
    act that explains why keys are gone lies under it; `is_real`: something was not archived in a
    trial."""

    domain: bytes
    generation: int
    events: int = 0
    segments: int = 0
    locked_until: int = 0
    last: dict[Partition, int] = field(default_factory=dict)
    has_record: bool = False
    is_real: bool = False

    @property
    def name(self) -> str:
        """Of its key record."""
        return name_of(self.domain, self.generation)

    def take(self, cell: CellSeen) -> None:
        """One cell more."""
        self.events += len(cell.addresses)
        self.segments += 1  # a segment has one cell of a domain
        self.locked_until = max(self.locked_until, cell.retain_until)
        self.is_real = self.is_real or not cell.trial
        place = cell.topic_id, cell.partition
        self.last[place] = max([self.last.get(place, 0), *(offset for offset, _ in cell.addresses)])


@dataclass(slots=True)
class Survey:
    """An archive as it was read. `ends`: the next offset of each partition; `acts`, `holds`:
    what the firm's own records say of erasures and of holds; `doubts`: why there may be more."""

    keys: dict[str, KeySeen] = field(default_factory=dict)
    ends: dict[Partition, int] = field(default_factory=dict)
    acts: set[Act] = field(default_factory=set)
    holds: list[CapturedEvent] = field(default_factory=list)
    doubts: set[str] = field(default_factory=set)

    @property
    def record(self) -> Record:
        """What was done so far: folded anew each time it is asked for."""
        return record_of(self.acts)

    def key(self, name: str) -> KeySeen:
        """What lies under a key; nothing, where nothing was seen."""
        return self.keys.get(name) or KeySeen(*read_name(name))


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be said of a key. `why`: DUE or one of the grounds; `until`: UTC ms from which the
    ground is gone, null where no date can be named; `words`: for a person."""

    name: str
    why: str
    words: str
    until: int | None
    facts: DomainFacts | None
    seen: KeySeen

    @property
    def is_due(self) -> bool:
        """Whether it may go."""
        return self.why == DUE


def survey(reader: Surveyed) -> Survey:
    """Read all of the archive once; only the firm's own cells are decrypted. Raises Halt where the
    chain does not hold: then nothing can be said, and nothing is destroyed."""
    found = Survey()
    for place in reader.partitions():
        for cell in reader.survey(*place, domains.is_reserved):
            name = name_of(cell.domain, cell.generation)
            seen = found.keys.get(name)
            if seen is None:
                seen = found.keys[name] = KeySeen(cell.domain, cell.generation)
            seen.take(cell)
            for event in cell.events:
                _read(found, seen, event)
            found.ends[place] = max(found.ends.get(place, 0), seen.last[place] + 1)
    return found


def _read(found: Survey, seen: KeySeen, read: ReadEvent) -> None:
    if not read.kinds & {events.DISPOSITION, events.HOLD}:
        return
    if read.datum is None:
        found.doubts.add(f"a record in {seen.name} cannot be read ({read.problem})")
        return
    try:
        event = codec.decode(read.datum)
    except Refused:
        return                                    # the indexer and verify say so
    if not isinstance(event, CapturedEvent) or event.kind not in read.kinds:
        return
    if event.kind == events.HOLD:
        found.holds.append(event)
    elif event.kind == events.DISPOSITION:
        seen.has_record = True
        try:
            found.acts.add(read_act(event))
        except Refused as error:
            found.doubts.add(str(error))


def judge(seen: KeySeen, facts: DomainFacts | None, grounds: Grounds, now: int, *,
          log_starts: Mapping[Partition, int] | None = None,
          erased: frozenset[str] = frozenset(), trial: bool = False) -> Standing:
    """Whether a key may be destroyed at `now` (UTC ms, the store's clock), and if not, why and
    until when. `facts`: what the keyring says that it stands for, null where it does not open;
    `log_starts`: the first offset that the log still has, where it is known; `trial`: whether the
    folder says that it is one, where a login is a person and nothing has to be waited for.

    The first ground that applies is named; a hold before a date, because it has none.
    """
    def stands(why: str, words: str, until: int | None = None) -> Standing:
        return Standing(seen.name, why, words, until, facts, seen)

    if seen.name in erased:
        return stands(ERASED, "erased")
    senseless = _senseless(facts)
    if senseless is not None or facts is None:
        return stands(*(senseless or (UNREADABLE, "")))
    held = grounds(seen.domain, facts)
    if held:
        return stands(HOLD, _held(held))
    ends = ended_at(facts)
    if now < ends:
        return stands(RETENTION, f"class {facts.retention_class}, {facts.years} years from the end "
                                 f"of {facts.month}", ends)
    if trial and seen.is_real:
        return stands(TRIAL, "it was archived for real, and retention.trial is on now, where one "
                             "person can be two: set retention.trial = false")
    kept = _kept(seen, log_starts)
    if kept is not None:
        return stands(*kept)
    return stands(DUE, f"class {facts.retention_class}, {facts.years} years, ended")


def _senseless(facts: DomainFacts | None) -> tuple[str, str] | None:
    """Why nobody can say until when it has to be kept."""
    if facts is None:
        return UNREADABLE, ("its key does not open, so nobody can say what it stands for: find the "
                            "reason first (`counterfoil verify`)")
    if not facts.retention_class or facts.years <= 0 or not _is_month(facts.month):
        return NO_GROUND, ("it has no retention class, no years or no month: kept without a "
                           "ground. Give the class its years in directory.toml, and ask who made "
                           "this key")
    return None


def _held(held: Sequence[Ground]) -> str:
    first = held[0]
    named = f"the hold {first.name!r}" if first.hold_id else "a hold that nobody can name"
    more = f" and {len(held) - 1} more" if len(held) > 1 else ""
    return f"{named}{more} keeps it ({first.why}{': ' + first.detail if first.detail else ''})"


def _kept(seen: KeySeen, log_starts: Mapping[Partition, int] | None) -> tuple[str, str] | None:
    """Why a key whose time is over stays all the same."""
    if seen.has_record:
        return RECORD, "it holds the record of what was erased, and stays with it"
    if not seen.events:
        return EMPTY, "nothing lies under it"
    for place, last in sorted(seen.last.items()):
        if log_starts is not None and log_starts.get(place, last + 1) <= last:
            return LOG, ("records of it are still on the log; the archiver shortens the log seven "
                         "days after a record was archived")
    return None


def _is_month(text: str) -> bool:
    try:
        domains.month_start(text)
    except (ValueError, OverflowError):
        return False
    return True
