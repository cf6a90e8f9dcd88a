"""`replicate`: the second copy, brought up to date once or from now on (`infra/replica.py`)."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from infra.replica import Done, Replica, facts_of
from infra.verbs.audit import record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good, shown
from infra.wire import DAY_MS, Wire
from schemas.errors import Transient


@dataclass(frozen=True, slots=True)
class Wanted:
    """`follow`: until it is ended. `copies_max`: no more new objects than that in a turn."""

    follow: bool
    copies_max: int | None


def replicate(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """One turn, or turn after turn; 1 where something could not be copied."""
    replica = Replica(wire)
    if not replica.is_begun():
        record_act(wire, "replica_begun", {"where": replica.name})
        replica.begin()
    while True:
        # Asked for once, it is compared: that is how what is missing is put there.
        locks = not wanted.follow or wire.clock() - replica.locks_at() >= DAY_MS
        try:
            done = _turn(replica, wanted, locks=locks, json=json)
        except Transient as error:
            if not wanted.follow:
                raise
            ERR.print(bad("waiting:"), shown(str(error)))
        else:
            _say(replica, done, json=json)
            if not wanted.follow:
                return 1 if done.refused else 0
        time.sleep(wire.config.replica.interval_s)


def _turn(replica: Replica, wanted: Wanted, *, locks: bool, json: bool) -> Done:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as bar:
        task = bar.add_task("copying", total=None)
        return replica.turn(
            locks=locks, copies_max=wanted.copies_max,
            progress=lambda seen, copied, size: bar.update(
                task, completed=size, description=f"{seen} objects seen, {copied} copied"))


def _say(replica: Replica, done: Done, *, json: bool) -> None:
    if json:
        emit(facts_of(done))
        return
    objects, keys = done.objects, done.keys
    OUT.print(good("copied:"), f"{objects.copied} of {objects.objects} objects "
              f"({objects.bytes} bytes), {objects.relocked} locks made longer; {keys.copied} of "
              f"{keys.records} key records, {keys.replaced} wrapped anew, {keys.destroyed} erased; "
              f"in {replica.name}")
    for one in done.refused:
        OUT.print(bad("not copied:"), shown(one))
