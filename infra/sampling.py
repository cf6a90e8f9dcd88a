"""The firm's sampling plans on disk, what of them is on record, and the way over the archive.

Owns `<data folder>/sampling/*.toml` (one version of one plan a file), the seeds that the indexer
puts on record before each period (`SeedWatch`), and the reading that a draw and its check share:
everything up to stated offsets, so that both see the same messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from infra import rulefolder
from infra.archived import Joiner, Place, in_one_order
from infra.voice import Voice
from infra.wire import Wire
from schemas import events
from schemas.document import Document, Entry
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.identity import key_of, message_key
from search.bodies import Bodies
from search.index import Index, pages
from search.policy import plans, sampling
from search.policy.flags import is_flag, read_flag
from search.policy.message import listed_at
from search.policy.plans import Period, SamplePlan
from search.policy.population import Population
from search.policy.sampling import Item, Seed, is_mark
from search.project import BASE_KINDS, address
from search.query import Term, TokenQuery
from search.tokens import Tokenizer

FOLDER: Final = "sampling"
# What was done with policies and samples; flags are part of their messages.
_OWN: Final = TokenQuery(Term("kind", events.POLICY), frozenset({events.POLICY}))

Progress = Callable[[int, int], None]
"""(records read, of so many)."""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A file that was read. `source`: its bytes."""

    path: Path
    plan: SamplePlan
    source: bytes


@dataclass(frozen=True, slots=True)
class Seeded:
    """A seed on record: with the plan as it was then, and what it was read with. `others`: seeds
    that were recorded later for the same period, and count for nothing; `earlier`: events among
    them that say they were made before this one, which is not so."""

    plan: SamplePlan
    seed: Seed
    period: Period
    at: int
    actor: str
    zone: ZoneInfo
    region: str | None
    languages: tuple[str, ...]
    others: int
    earlier: int = 0


@dataclass(frozen=True, slots=True)
class Recorded:
    """That a seed is on record: of which plan and period, in which zone its days begin."""

    plan_id: str
    period: Period
    zone: str


@dataclass(slots=True)
class Read:
    """What a pass over the archive found. `later`: messages of the period that were archived after
    the heads; `marks`: the messages that carry the sample's mark, wherever that was archived."""

    items: tuple[Item, ...] = ()
    later: int = 0
    marks: set[bytes] = field(default_factory=set)


def read_file(path: Path, zone: ZoneInfo) -> PlanFile:
    """One plan. Raises Missing, Refused with a line for every problem."""
    source = rulefolder.source_of(path)
    return PlanFile(path, plans.load(source, path.name, zone=zone), source)


def read_folder(wire: Wire) -> tuple[PlanFile, ...]:
    """Every plan of the firm, of each the highest version, by id. Raises Refused for one that does
    not read, or two that say different things under one version."""
    paths = rulefolder.files(wire.home / FOLDER, "plans")
    zone = ZoneInfo(wire.config.search.zone)
    found: dict[str, PlanFile] = {}
    for one in (read_file(path, zone) for path in paths):
        held = found.setdefault(one.plan.plan_id, one)
        if held.plan.version == one.plan.version and (
                held.plan.plan().digest() != one.plan.plan().digest()):
            raise Refused(f"{held.path.name} and {one.path.name} are both {one.plan.plan_id} "
                          f"version {one.plan.version}: give the changed one a higher version")
        if one.plan.version > held.plan.version:
            found[one.plan.plan_id] = one
    return tuple(found[name] for name in sorted(found))


def next_period(file: PlanFile, now: int, zone: ZoneInfo) -> Period:
    """The first period of a plan that has not begun at `now` (UTC ms)."""
    kind = file.plan.period
    found = plans.period_after(kind, plans.period_at(kind, now, zone), zone)
    while datetime.fromtimestamp(found.since / 1000, zone).date() < file.plan.effective:
        found = plans.period_after(kind, found, zone)
    return found


def new_seed(wire: Wire, file: PlanFile, period: Period, actor: str) -> CapturedEvent:
    """The event that puts a new seed on record. Raises Refused once the period has begun."""
    search = wire.config.search
    said = {"zone": search.zone, "region": search.region, "languages": list(search.languages),
            "version": file.plan.version, "period": period.name}
    seed = Seed(wire.random(sampling.SEED_BYTES), period.since, period.until)
    return sampling.seed_event(
        file.plan.plan(), seed, actor, wire.clock(), wire.directory().firm_years(),
        source=file.source, said=json.dumps(said, sort_keys=True, separators=(",", ":")))


class Records:
    """What of samples is on record, as an index knows it; each read from the archive."""

    def __init__(self, wire: Wire, index: Index) -> None:
        self._index, self._tokenizer = index, wire.tokenizer()
        self._bodies = Bodies(wire.reader())

    def seeded(self, name: str, period: Period) -> Seeded | None:
        """The seed of a plan's period that was recorded first; null = none was. Raises Refused for
        one that does not read."""
        found = self._events(sampling.seed_id(name, period.since, period.until))
        if not found:
            return None
        event = found[0]
        said = json.loads(event.detail("said") or "{}")
        zone = ZoneInfo(said["zone"])
        plan = plans.load(event.raw or b"", f"{name} as it was seeded", zone=zone,
                          is_recorded=True)
        seed = sampling.read_seed(event, plan.plan())
        return Seeded(plan, seed, period, event.captured_at,
                      event.actor.native_id if event.actor else "", zone, said["region"],
                      tuple(said["languages"]),
                      len({one.detail("seed") for one in found}) - 1, _earlier(found))

    def drawn(self, name: str, period: Period) -> CapturedEvent | None:
        """The draw of a plan's period that was recorded first; null = none was."""
        return next(iter(self._draws(name, period)), None)

    def draws_earlier(self, name: str, period: Period) -> int:
        """Draws that were recorded after the first and say they were made before it."""
        return _earlier(self._draws(name, period))

    def recorded(self) -> tuple[Recorded, ...]:
        """Every seed on record, whatever zone and folder say today: by plan, the first on the log
        first; one that cannot be read any more is left out."""
        found: dict[tuple[str, int, int], tuple[tuple[str, int, int, int], Recorded]] = {}
        for document in pages(self._index, _OWN):
            for entry in document.entries:
                if entry.kind != events.POLICY or entry.subkind != sampling.ACTION:
                    continue
                one = self._recorded(document, entry)
                if one is None:
                    continue
                name = one.plan_id, one.period.since, one.period.until
                place = address(entry.pointer)
                if name not in found or place < found[name][0]:
                    found[name] = place, one
        return tuple(one for _, one in sorted(
            found.values(), key=lambda known: (known[1].plan_id, known[0])))

    def _recorded(self, document: Document, entry: Entry) -> Recorded | None:
        try:
            event = self._bodies.event(document, entry)
            said = json.loads(event.detail("said") or "")
            return Recorded(event.detail("plan_name") or "", Period(
                str(said["period"]), int(event.detail("since") or ""),
                int(event.detail("until") or "")), str(said["zone"]))
        except (Missing, Refused, ValueError, KeyError, TypeError):
            return None                           # of another kind (review), or its key is lost

    def _draws(self, name: str, period: Period) -> list[CapturedEvent]:
        return self._events(sampling.draw_id(name, period.since, period.until))

    def _events(self, native_id: str) -> list[CapturedEvent]:
        return on_record(self._index, self._bodies, self._tokenizer, native_id)


def on_record(index: Index, bodies: Bodies, tokenizer: Tokenizer,
              native_id: str) -> list[CapturedEvent]:
    """The firm's own events of an id (a seed's, a draw's), in the order of the log: nobody can set
    it back, as our clock can be. Raises Missing, Refused for one that cannot be read."""
    doc_id = tokenizer.document(key_of(events.FIRM_CHANNEL, "", native_id))
    stored = index.get([doc_id]).get(doc_id)
    if stored is None:
        return []
    return [bodies.event(stored.document, one) for one in sorted(
        stored.document.entries, key=lambda one: address(one.pointer))
        if one.kind == events.POLICY]


def _earlier(found: Sequence[CapturedEvent]) -> int:
    return sum(one.captured_at < found[0].captured_at for one in found[1:])


def read_archive(wire: Wire, seeded: Seeded, heads: Mapping[Place, int], until: Mapping[Place, int],
                 progress: Progress) -> Read:
    """The population as the archive had it at `heads`; what came after, up to `until`, is counted.
    """
    from search.stems import Stemmer

    seed = seeded.seed
    tokenizer = wire.tokenizer()
    population = Population(seeded.plan, seed.since, seed.until, region=seeded.region,
                            stems=Stemmer(seeded.languages),
                            token_of=lambda name: tokenizer.named("conversation", name))
    found, joiners, done = Read(), {one: Joiner() for one in until}, 0
    later: set[bytes] = set()
    revision = f"{seed.since}:{seed.until}"
    whole = sum(until.values())
    for read in in_one_order(wire.reader(), {}, until):
        place = read.topic_id, read.partition
        is_before = read.last < heads.get(place, 0)
        for event, _, _ in joiners[place].found(read.events):
            if is_before:
                population.take(event)
            elif event.kind in BASE_KINDS and seed.since <= listed_at(event) < seed.until:
                later.add(message_key(event))
            if is_flag(event) and event.revision == revision and event.target_key is not None:
                flag = read_flag(event)
                if is_mark(flag) and flag.rule == sampling.mark_rule(seeded.plan.plan_id):
                    found.marks.add(event.target_key)
        done += read.last - read.first + 1
        progress(done, whole)
    found.items = population.items()
    found.later = len(later - {one.item_id for one in found.items})
    return found


class SeedWatch:
    """Puts the seed of each plan's next period on record, in the indexer: nobody has to remember.
    """

    def __init__(self, wire: Wire, voice: Voice) -> None:
        self._wire, self._voice = wire, voice
        self._said: set[str] = set()

    def look(self, index: Index) -> str:
        """Record what is due; "" or why a plan cannot be read. Raises Transient."""
        try:
            self._look(index)
        except (Refused, Missing) as error:
            return str(error).splitlines()[0]
        return ""

    def _look(self, index: Index) -> None:
        zone = ZoneInfo(self._wire.config.search.zone)
        records: Records | None = None
        for file in read_folder(self._wire):
            period = next_period(file, self._wire.clock(), zone)
            name = sampling.seed_id(file.plan.plan_id, period.since, period.until)
            if name in self._said:
                continue
            records = records or Records(self._wire, index)
            if records.seeded(file.plan.plan_id, period) is None:
                self._voice.say(new_seed(self._wire, file, period, "counterfoil indexer"))
            # On the log, or known to the index.
            self._said.add(name)

