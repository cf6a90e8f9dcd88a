"""The notary's process: the log is brought up to date with the archive, and others vouch for it.

Owns the pace: a look now and then, many batches under load, witnesses and authorities on schedules
of their own (`infra/vouching.py`), and locks that are made longer. That the log forked stops this
process and no other (decision 0031).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from archive.tlog.relocking import AHEAD_MS, ROUND_MS, relock
from archive.tlog.witnessing import Witnessing
from infra.embedded import folder
from infra.process import Worker
from infra.state import StateFolder
from infra.vouching import Vouchers
from infra.wire import DAY_MS, Wire, clock

# After so many batches the process says how it goes before it makes more.
_BATCHES_A_TURN: Final = 16
_BEHIND_MS: Final = 10 * 60_000
_RELOCK_OBJECTS: Final = 1_000
_RELOCK_EVERY_MS: Final = 60_000
_SAY_S: Final = 1.0


class NotaryProcess:
    """One notary. Holds the log's signing key and no content key."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._notary = wire.notary()
        self._worker = Worker("notary", StateFolder(wire.home), "tlog_behind", facts={
            "leaves": 0, "origin": self._notary.origin, "trial": wire.config.retention.trial})
        store = wire.notary_store()
        self._vouchers = Vouchers(wire, self._worker, Witnessing(
            store, self._notary, self._lock_until), self._lock_until)
        self._relocking = Relocking(wire, self._lock_until)
        self._caught_up_at = clock()

    def run(self) -> int:
        """Until told to stop; the exit code."""
        self._worker.on_signals()
        return self._worker.run(self._turn, self._finish)

    def once(self) -> int:
        """The log is up to date and everybody was asked when this returns, for a timer; 1 when one
        of them did not vouch. Raises what a notary raises."""
        self._notary.turn()
        failed = self._vouchers.ask(clock(), self._notary.checkpoint(), is_due=True)
        self._relocking.step(clock())
        return 1 if failed else 0

    @property
    def leaves(self) -> int:
        """How many the log has."""
        head = self._notary.head()
        return head.size if head else 0

    @property
    def _batches(self) -> int:
        last = self._notary.last()
        return last.batch.number + 1 if last else 0

    def _turn(self) -> None:
        began_at, before, batches = clock(), self.leaves, self._batches
        self._notary.turn(_BATCHES_A_TURN)
        added = self.leaves - before
        # A turn that was not full reached the end of the archive as it was when it began.
        is_up = self._batches - batches < _BATCHES_A_TURN and not self._notary.held_back
        self._measure(began_at if is_up else self._caught_up_at)
        self._worker.facts["leaves"] = self.leaves
        if added:
            structlog.get_logger().info("log", leaves=self.leaves, added=added)
        self._vouchers.ask(clock(), self._notary.checkpoint())
        if is_up or not added:
            self._relocking.step(clock())
            self._rest()

    def _finish(self) -> None:
        # What the archiver closed on its way out; the next start would find it as well.
        self._notary.turn()

    def _rest(self) -> None:
        left = self._wire.config.notary_s
        while left > 0 and not self._worker.stop.wait(min(left, _SAY_S)):
            self._worker.say()
            left -= _SAY_S

    def _measure(self, caught_up_at: int) -> None:
        self._caught_up_at = caught_up_at
        late = clock() - caught_up_at
        if late > _BEHIND_MS:
            self._worker.alarm("tlog_behind", self._notary.held_back
                               or f"not caught up for {late // 60_000} minutes")
        else:
            self._worker.clear("tlog_behind")

    def _lock_until(self) -> int:
        last = self._notary.last()
        return max(last.batch.retain_until if last else 0, clock() + DAY_MS)


class Relocking:
    """Goes around the log's objects once in ROUND_MS, a thousand a minute, so that no lock ends
    while the log goes on. Trial mode has locks that are meant to end."""

    def __init__(self, wire: Wire, lock_until: Callable[[], int]) -> None:
        self._wire, self._lock_until = wire, lock_until
        self._store = wire.notary_store()
        self._path = wire.notary_folder / "relocking.json"
        self._after, self._round_at = _position(self._path)
        self._stepped_at = 0

    def step(self, now: int) -> None:
        """One step where one is due. Raises Transient."""
        if self._wire.config.retention.trial or 0 <= now - self._stepped_at < _RELOCK_EVERY_MS:
            return
        self._stepped_at = now
        if not self._after:
            if 0 <= now - self._round_at < ROUND_MS:
                return
            self._round_at = now
        done = relock(self._store, self._after, now + AHEAD_MS, self._lock_until(),
                      _RELOCK_OBJECTS)
        self._after = done.after
        if done.changed:
            structlog.get_logger().info("log locked for longer", objects=done.changed)
        self._keep()

    def _keep(self) -> None:
        # Lost, or put back from a backup, it costs a round that finds nothing to do.
        folder.make_folder(self._path.parent)
        body = json.dumps({"after": self._after, "round_at": self._round_at}).encode()
        folder.replace(self._path, body)


def _position(path: Path) -> tuple[str, int]:
    try:
        read = json.loads(path.read_text("utf-8"))
        return str(read["after"]), int(read["round_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0
