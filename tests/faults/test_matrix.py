"""The crash matrix: every fault twice (not applied, applied but error), then start anew and ask.

Each row says whether the archive moves on in spite of the fault, and whether the process must
stop. After each: restart, replay, verify: every acknowledged event exactly once, no gap, no
finding. The simulation below does the same with many faults at once, from a seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from archive.batch import BatchLimits
from archive.layout import segment
from archive.store import Lock
from schemas.errors import Transient
from tests.fakes.faults import FAULTS, Killed
from tests.fakes.store import COMPLIANCE
from tests.faults.line import PARTITIONS, Line, Outcome, Process

pytestmark = pytest.mark.slow

SEEDS = int(os.environ.get("COUNTERFOIL_SIMULATIONS", "300"))
CHUNKS = 10
NOT_THE_ARCHIVERS = {"log.append", "log.trim", "keyring.replace", "keyring.destroy"}
ARCHIVER_FAULTS = [name for name, fault in FAULTS.items()
                   if fault.operation.partition(".")[0] in ("log", "store", "keyring", "keys")
                   and fault.operation not in NOT_THE_ARCHIVERS]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `progress`: the segment is stored in this very turn. `stops`: the process ends."""

    fault: str
    progress: bool
    stops: bool
    prepare: Callable[[Line], None] = lambda _line: None


def _somebody_is_faster(line: Line) -> None:
    """Another process stores the same records between our look and our PUT."""
    def win() -> None:
        for member in list(line.log.members):
            line.log.kill(member)       # whoever waits in its PUT is a zombie now
        other = line.start()
        for _ in range(4):
            assert "ok" == line.step(other).end
        line.stop(other)

    line.plan.before("store.put_once", win)


ROWS = {
    "segment put, not applied": Row("store_put_once_not_applied", True, False),
    "segment put, applied but error": Row("store_put_once_applied_but_error", True, False),
    "segment put, died before": Row("store_put_once_killed_before", False, True),
    "segment put, died after": Row("store_put_once_killed_after", True, True),
    "poll after rebalance, not applied": Row("log_poll_not_applied", False, False),
    "poll after rebalance, applied but error": Row("log_poll_applied_but_error", False, False),
    "poll, died before": Row("log_poll_killed_before", False, True),
    "poll, died after": Row("log_poll_killed_after", False, True),
    "domain key, not applied": Row("keyring_create_not_applied", False, False),
    "domain key, applied but error": Row("keyring_create_applied_but_error", False, False),
    "domain key, died before": Row("keyring_create_killed_before", False, True),
    "domain key, died after": Row("keyring_create_killed_after", False, True),
    "offset commit, not applied": Row("log_commit_not_applied", True, False),
    "offset commit, applied but error": Row("log_commit_applied_but_error", True, False),
    "offset commit, died before": Row("log_commit_killed_before", True, True),
    "offset commit, died after": Row("log_commit_killed_after", True, True),
}


def _segments(line: Line) -> int:
    return len(line.store.objects)


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_of_the_archiver(name: str, tmp_path: Path) -> None:
    """Progress and stop as the row says; nothing lost, doubled or unclear afterwards."""
    row, line = ROWS[name], Line(tmp_path)
    process = line.start()
    line.step(process)
    line.capture(3, per_pack=2)
    line.review(2)
    before = _segments(line)
    line.plan.arm(row.fault)
    outcome = line.step(process)
    assert [FAULTS[row.fault]] == line.plan.fired
    assert row.progress == (_segments(line) > before)
    assert row.stops == (outcome.end in ("killed", "halt"))
    line.capture(2)
    line.review()
    line.settle()
    line.check()


@pytest.mark.parametrize("fault", ["store_put_once_not_applied",
                                   "store_put_once_applied_but_error",
                                   "store_put_once_killed_before", "store_put_once_killed_after"])
def test_a_segment_put_that_lost_a_race(fault: str, tmp_path: Path) -> None:
    """Somebody was faster and the answer is unclear as well: one segment, whoever wrote it."""
    line = Line(tmp_path)
    process = line.start()
    line.step(process)
    line.capture(3, per_pack=2)
    _somebody_is_faster(line)
    line.plan.arm(fault)
    outcome = line.step(process)
    assert outcome.end in ("ok", "transient", "killed")
    assert _segments(line) >= 1
    line.settle()
    line.check()


@pytest.mark.parametrize("fault", ["log_append_not_applied", "log_append_applied_but_error",
                                   "log_append_killed_before", "log_append_killed_after"])
def test_a_broker_append(fault: str, tmp_path: Path) -> None:
    """The writer tries again: a record that came twice is stored twice as two records of the log,
    and is one sighting to whoever reads (its session and counter are the same)."""
    line = Line(tmp_path)
    line.plan.arm(fault)
    line.capture(2)
    line.settle()
    line.check()
    twice = "applied_but" in fault or "after" in fault
    records = sum(len(line.log.values(partition)) for partition in range(PARTITIONS))
    assert 2 + twice == records
    events = line.world.events()
    assert records == len(events)
    assert 2 == len({event.native_id for event in events})


@pytest.mark.parametrize("fault", ["log_append_not_applied", "log_append_applied_but_error",
                                   "log_append_killed_before", "log_append_killed_after"])
def test_a_decision_whose_answer_is_unclear(fault: str, tmp_path: Path) -> None:
    """The form is sent again: it may lie on the log twice, sealed anew; it is one act."""
    line = Line(tmp_path)
    line.capture(2)
    line.plan.arm(fault)
    line.review(2)
    line.settle()
    line.check()
    twice = "applied_but" in fault or "after" in fault
    records = sum(len(line.log.values(partition)) for partition in range(PARTITIONS))
    assert (4 + twice, 2) == (records, len(line.decided))


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("fault", ARCHIVER_FAULTS)
def test_any_call_of_any_port(fault: str, nth: int, tmp_path: Path) -> None:
    """Every operation that the archiver uses, each of its first calls, all four ways."""
    line = Line(tmp_path)
    line.capture(2, per_pack=2)
    process: Process | None = None
    line.plan.arm(fault, nth)
    for _ in range(4):
        process = process or _started(line)
        if process is not None:
            outcome = line.step(process)
            assert outcome.end != "halt", outcome.detail
            if outcome.end == "killed":
                line.stop(process)
                process = None
        line.capture(1)
    line.settle()
    line.check()


def _started(line: Line) -> Process | None:
    """A process, unless it died while it started."""
    before = list(line.log.members)
    try:
        return line.start()
    except (Transient, Killed):
        for member in line.log.members[len(before):]:
            line.log.kill(member)
        return None


# -- deterministic simulation

_HOOKS = ["store.put_once", "store.versions", "store.get", "store.lock", "log.commit",
          "log.identity", "log.poll", "keyring.create", "keyring.read", "keys.wrap"]


class Simulation:
    """One seed: processes that start, turn, die and come back as zombies, and faults everywhere."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.line = Line(folder)
        self.processes: list[Process] = []
        self.nested = False
        self.line.limits = BatchLimits(age_ms_max=0, records_max=self.chance.choice((1, 2, 9, 99)))

    def run(self, rounds: int = 5) -> None:
        """Rounds of trouble, then quiet, then the oracle."""
        trouble = [self._start, self._die, self._zombie, self._zombie, self._rebalance, self._wait,
                   self._vandalise]
        for _ in range(rounds):
            self._capture()
            for _ in range(self.chance.randint(0, 3)):
                self._arm()
            for act in self.chance.sample(trouble, self.chance.randint(0, 2)):
                act()
            if not self.processes:
                self._start()
            for _ in range(self.chance.randint(1, 3)):
                self._turn()
        self.line.settle()
        self.clean_up()
        self.line.check()

    def clean_up(self) -> None:
        """Take away what the vandal left: verify names it, and nothing else may be different."""
        store = self.line.store
        for key in list(store.objects):
            for one in store.objects[key]:
                if one.is_delete_marker or one.body == b"junk":
                    store.remove(key, one.version_id)

    def _capture(self) -> None:
        self.line.capture(self.chance.randint(1, 3), self.chance.randint(1, 3))
        self.line.review()

    def _start(self) -> None:
        if len(self.processes) < 3:
            process = _started(self.line)
            if process is not None:
                self.processes.append(process)

    def _turn(self) -> None:
        if self.processes:
            self._step(self.chance.choice(self.processes))

    def _step(self, process: Process) -> Outcome:
        outcome = self.line.step(process)
        assert outcome.end != "halt", outcome.detail
        if outcome.end == "killed" or process.member not in self.line.log.members:
            self._bury(process)         # dead, or a zombie that has had its last turn
        return outcome

    def _die(self) -> None:
        if self.processes:
            self._bury(self.chance.choice(self.processes))

    def _bury(self, process: Process) -> None:
        self.line.stop(process)
        if process in self.processes:
            self.processes.remove(process)

    def _arm(self) -> None:
        self.line.plan.arm(self.chance.choice(ARCHIVER_FAULTS), self.chance.randint(1, 5))

    def _zombie(self) -> None:
        """At some call of somebody, another process takes over everything and works, while the
        first one stands still and then goes on as if nothing had happened."""
        if self.nested:
            return

        def take_over() -> None:
            self.nested = True
            for process in self.processes:
                self.line.log.kill(process.member)    # zombies: they do not know
            rival = _started(self.line)
            if rival is not None:
                for _ in range(self.chance.randint(1, 3)):
                    if self.line.step(rival).end == "killed":
                        break
                self.line.stop(rival)
            self.nested = False

        self.line.plan.before(self.chance.choice(_HOOKS), take_over, self.chance.randint(1, 5))

    def _rebalance(self) -> None:
        if self.processes:
            self.line.log.rebalance(self.chance.choice(self.processes).member)

    def _wait(self) -> None:
        self.line.world.now += self.chance.choice((500, 5_000, 70_000))

    def _vandalise(self) -> None:
        """Somebody with the bucket's credentials: junk where the next segment will begin, junk or
        a delete marker over one that is there."""
        store, log = self.line.store, self.line.log
        partition = self.chance.randrange(PARTITIONS)
        key = segment(log.now(), partition, log.bounds(partition)[1]).key()
        if self.chance.random() < 0.3 and key not in store.objects:
            store.plant(key, b"junk", Lock(COMPLIANCE, 10**15))
        elif store.objects:
            key = self.chance.choice(sorted(store.objects))
            self.chance.choice((store.add_marker, lambda key: store.put_over(key, b"junk")))(key)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_seed_loses_doubles_or_confuses_anything(chunk: int, tmp_path: Path) -> None:
    """COUNTERFOIL_SIMULATIONS seeds (300 by default), the same every time; the failing one is
    named."""
    for seed in range(chunk, SEEDS, CHUNKS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            Simulation(seed, folder).run()
        except BaseException as error:
            error.add_note(f"simulation seed {seed}")
            raise
