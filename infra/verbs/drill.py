"""`drill`: a restore that is tried, with times and counts (`infra/drill.py` owns the steps)."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from infra import drill as drills
from infra.drill import Drilled, Ground
from infra.keyshares import PASSPHRASE
from infra.replica import Replica
from infra.verbs import keys
from infra.verbs.audit import record_act
from infra.verbs.keyshares import joined_of
from infra.verbs.screen import ERR, OUT, bad, emit, good, shown
from infra.wire import Wire
from schemas.errors import Refused

_SIGNALLED = 128
# A terminal that is closed ends a command too.
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the keys come from, where the work is done, and how much is compared. `shares`: of the
    backup's passphrase."""

    backup: Path
    work: Path
    replica: bool = False
    shares: Path | None = None
    passphrase_file: Path | None = None
    samples: int = 50
    media: bool = True


def drill(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Try it; 0 only where everything was restored and agrees."""
    kept = keys.open_backup(wanted.backup, _passphrase(wanted))  # refused before anything is made
    copy = Replica(wire) if wanted.replica else None
    ground = Ground(kept, copy.store if copy else wire.store, copy.keyring if copy else None)
    where = copy.name if copy else "the archive"
    record_act(wire, "drill", {"backup": wanted.backup.name, "from": where})
    with _folder(wanted.work) as work:
        done = drills.run(wire, ground, work, samples=wanted.samples, media=wanted.media,
                          told=lambda step: ERR.print(f"drill: {step}") if not json else None)
    _say(done, where, json=json)
    return 1 if done.failures else 0


def _passphrase(wanted: Wanted) -> bytes:
    if wanted.shares is None:
        return keys.passphrase_of(wanted.passphrase_file, twice=False)
    joined = joined_of([wanted.shares])
    if joined.kind != PASSPHRASE:
        raise Refused(f"{wanted.shares} holds shares of another secret than the backups' "
                      "passphrase")
    return joined.secret


@contextmanager
def _folder(work: Path) -> Iterator[Path]:
    """An empty folder for its owner only; empty again at the end, gone if it was made here."""
    is_new = not work.exists()
    if not is_new and (not work.is_dir() or any(work.iterdir())):
        raise Refused(f"{work} is not an empty folder. If a drill was killed there, its keys are "
                      "still in it: remove them")
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    work.chmod(0o700)
    before = {one: signal.signal(one, _end) for one in _ENDING}
    try:
        yield work.absolute()
    finally:
        # An impatient second Ctrl-C must not end the wiping of keys.
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        drills.wipe(work)
        if is_new:
            work.rmdir()
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(_SIGNALLED + number)  # so that what was restored is wiped


def _say(done: Drilled, where: str, *, json: bool) -> None:
    if json:
        emit({"ok": not done.failures, "from": where, "seconds": done.seconds,
              "counts": done.counts, "failures": done.failures, "notes": done.notes})
        return
    for name, words in (("from_backup", "keys, records and settings came from the backup"),
                        ("segments", f"segments were read and verified, from {where}"),
                        ("events", "events in them"),
                        ("documents", "messages stand in the index that was made of them"),
                        ("compared", f"of {done.counts.get('samples', 0)} samples are as in the "
                                     "live index")):
        if name in done.counts:
            OUT.print(f"{done.counts[name]:>9} {words}")
    for name, seconds in done.seconds.items():
        OUT.print(f"{seconds:>9.1f} s {name}")
    for one in done.notes:
        OUT.print(f"  note: {shown(one)}")
    for one in done.failures:
        OUT.print(bad("failed:"), shown(one))
    if not done.failures:
        OUT.print(good("restored:"), f"in {sum(done.seconds.values()):.0f} s, and wiped again")
