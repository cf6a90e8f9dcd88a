"""What the indexer watches besides indexing: messages on which a policy in force raises a flag.

Owns how far each partition was looked at (`<data folder>/watch/`), the event for each flag, and the
alarm for policies that cannot be read. It follows behind the index, so that everything that a rule
may have to know of a conversation is found there. History is `counterfoil policy replay`'s.

    flags of a segment on the log -> its cursor on disk

A crash in between says the same flags again: they have the same ids.

Retractions far above habit are decided when their day is over (search/policy/habitdays.py): what
was taken back on which day, and is not decided yet, stands beside the cursors.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from archive.reader import SegmentRead
from infra.archived import Joiner
from infra.embedded import folder
from infra.policies import IN_FORCE, PolicyFile, engine, in_force, policy_event, read_folder
from infra.process import Worker
from infra.sampling import SeedWatch
from infra.voice import Voice
from infra.wire import Wire
from schemas.errors import Missing, Refused
from schemas.identity import message_key
from search.bodies import Bodies
from search.index import Index, Partition
from search.policy.flags import Flag, flag_event
from search.policy.habitdays import HabitDays, bounds, day_of, is_settled
from search.policy.lexicon import Lexicon
from search.policy.match import Engine
from search.policy.recall import IndexRecall
from search.policy.watch import Watch

_LOAD_MS: Final = 10_000
_SAVE_MS: Final = 30_000
_WHO_MS: Final = 60_000
# Before a day is decided nothing of it must have come for so long, and this process must have
# looked for as long: what waited while the machine was off is archived first.
_QUIET_MS: Final = 300_000
# Of one look; then the follower has its turn.
_LOOK_S: Final = 0.5


class Cursors:
    """Which segments were looked at, on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.places: dict[Partition, int] = {}
        self.in_force: list[str] = []
        self.due: dict[date, set[str]] = {}          # of days not decided yet, by document id
        self.is_new = not path.exists()
        if not self.is_new:
            try:
                said = json.loads(path.read_text("utf-8"))
                self.places = {(one[0], one[1]): one[2] for one in said["places"]}
                self.in_force = said["in_force"]
                self.due = {date.fromisoformat(day): set(several)
                            for day, several in said.get("due", {}).items()}
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                raise Refused(f"{path} does not read: remove it, and run `counterfoil policy "
                              "replay` for what was missed") from error

    def save(self) -> None:
        """Whole or not at all."""
        folder.make_folder(self._path.parent)
        said = json.dumps({"places": [[*one, at] for one, at in sorted(self.places.items())],
                           "in_force": self.in_force,
                           "due": {day.isoformat(): sorted(several)
                                   for day, several in sorted(self.due.items())}})
        with folder.temporary(self._path.parent, said.encode(), 0o600) as draft:
            os.replace(draft, self._path)


class PolicyWatch:
    """One index's."""

    def __init__(self, wire: Wire, worker: Worker, voice: Voice) -> None:
        self._wire, self._worker, self._voice = wire, worker, voice
        self._reader = wire.reader()
        self._bodies = Bodies(wire.reader())
        self._cursors = Cursors(wire.home / "watch" / "cursors.json")
        self._files: tuple[PolicyFile, ...] = ()
        self._loaded_at = -_LOAD_MS
        self._signature: object = None
        self._watch: Watch | None = None
        self._engine: Engine | None = None
        self._joiners: dict[Partition, Joiner] = {}
        self._saved_at = 0
        self._seeds = SeedWatch(wire, voice)
        self._zone = ZoneInfo(wire.config.search.zone)
        self._tokenizer = wire.tokenizer()
        # When something last came of a day that is over and not decided (our clock).
        self._came_at = wire.clock()

    def begin(self, index: Index) -> None:
        """Before anything is indexed into `index` by this process. An archive that is there already
        when nobody watched is history."""
        self._watch, self._signature, self._loaded_at = None, None, -_LOAD_MS
        if self._cursors.is_new:
            self._cursors.places = dict(index.state().cursors)
            self._cursors.save()
            self._cursors.is_new = False

    def look(self, now: int, index: Index) -> bool:
        """Raise what is due; whether there is more. Raises Transient."""
        self._load(now, index)
        done = index.state().cursors
        if self._watch is None:
            # Nobody asks: what comes now is history once somebody does.
            if self._cursors.places != dict(done) and now - self._saved_at >= _SAVE_MS:
                self._saved_at = now
                self._cursors.places = dict(done)
                self._cursors.save()
            return False
        until = time.monotonic() + _LOOK_S
        for partition, end in sorted(done.items()):
            at = self._cursors.places.get(partition, 0)
            if at >= end:
                continue
            for read in self._reader.follow(*partition, at):
                if read.last >= end:
                    break
                self._take(self._watch, partition, read)
                # Every flag of it is on the log.
                self._cursors.places[partition] = read.last + 1
                self._cursors.save()
                if time.monotonic() > until:
                    return True
        return self._decide(index)

    def _take(self, watch: Watch, partition: Partition, read: SegmentRead) -> None:
        joiner = self._joiners.setdefault(partition, Joiner())
        over = max((bounds(day, self._zone)[1] for day in self._cursors.due), default=0)
        for event, pointers, content in joiner.found(read.events):
            for flag in watch.take(event, content, pointers):
                self._raise(flag)
            day = day_of(event, self._zone)
            if day is not None:
                self._cursors.due.setdefault(day, set()).add(
                    self._tokenizer.document(message_key(event)))
            if event.captured_at < over:
                self._came_at = self._wire.clock()

    def _decide(self, index: Index) -> bool:
        """Decide the first day that is settled; whether there may be another. Only called at the
        end of what is indexed."""
        now, due, engine = self._wire.clock(), self._cursors.due, self._engine
        if engine is None or now - self._came_at < _QUIET_MS:
            return False
        day = next((day for day in sorted(due) if is_settled(day, self._zone, now)), None)
        if day is None:
            return False
        days = HabitDays(index, self._bodies, self._tokenizer, self._zone)
        for raised in days.flags(engine, day, due[day]):
            self._raise(raised.flag)
        # Its flags are on the log.
        del due[day]
        self._cursors.save()
        return True

    def _raise(self, flag: Flag) -> None:
        self._voice.say(flag_event(flag, self._wire.clock(), self._years()))
        self._worker.facts["flags"] = self._worker.facts.get("flags", 0) + 1

    def _years(self) -> int:
        return self._wire.directory().firm_years()

    def _load(self, now: int, index: Index) -> None:
        if now - self._loaded_at < _LOAD_MS:
            return
        self._loaded_at = now
        refused = self._seeds.look(index)
        if refused:
            self._worker.alarm("sampling_refused", refused)
        else:
            self._worker.clear("sampling_refused")
        try:
            self._files = read_folder(self._wire)
            chosen = in_force(self._wire, self._files)
            named = [f"{one.policy.policy_id}/{one.policy.version}/{one.policy.digest()}"
                     for one in chosen]
            # Who is who may have changed; it is asked anew once a minute.
            signature = (tuple(named), self._wire.directory().digest(), now // _WHO_MS)
            if signature != self._signature:
                self._ask([one.policy for one in chosen], index)
                self._signature = signature
        except (Refused, Missing) as error:
            # What was in force stays so: a typing error must not end supervision in silence.
            self._worker.alarm("policy_refused", str(error).splitlines()[0])
            return
        self._worker.clear("policy_refused")
        if named != self._cursors.in_force:
            self._voice.say(policy_event(self._wire, IN_FORCE, chosen, {"policies": named}))
            self._cursors.in_force = named
            self._cursors.save()

    def _ask(self, policies: Sequence[Lexicon], index: Index) -> None:
        if not policies:
            self._watch = self._engine = None
            return
        self._engine = made = engine(self._wire, policies, index)
        if self._watch is not None:
            self._watch.use(made)
            return
        self._watch = Watch(made, IndexRecall(index, self._bodies, self._wire.tokenizer()))
