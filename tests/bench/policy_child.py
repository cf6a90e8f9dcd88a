"""One measured run of policies: `python -m tests.bench.policy_child ARGUMENTS`.

`read`: the archive, verified, decrypted, decoded, and nothing more: the limit. `engine`: policies
over events that are at hand. `replay`: what `counterfoil policy replay` does, but for the flags'
way to the log. `resumed`: that, interrupted half-way.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from infra import replay as replaying
from infra.archived import Found, Joiner, in_one_order
from infra.config import load
from infra.embedded.replays import ReplayState
from infra.policies import PolicyFile, engine, read_file
from infra.process import settle_memory
from infra.replay import Replay, current
from infra.wire import Wire
from search.policy.flags import Flag
from search.policy.habitdays import Raised
from search.policy.watch import Watch
from tests.bench.meter import cpu_s, peak_mb
from tests.bench.policy import ENGINE, READ, RESUMED, STARTER


class _Stopped(Exception):
    """Half-way."""


def read_all(wire: Wire, take: Callable[[Found], object]) -> int:
    """How many events the archive has."""
    joiners: dict[tuple[str, int], Joiner] = {}
    count, until = 0, dict(current(wire).state().cursors)
    for read in in_one_order(wire.reader(), {}, until):
        for found in joiners.setdefault((read.topic_id, read.partition),
                                        Joiner()).found(read.events):
            count += 1
            take(found)
    return count


def files_of(wire: Wire, *, starter: bool) -> list[PolicyFile]:
    """The bench's own policy, and the starter pack."""
    paths = [wire.home / "policies" / "bench.toml",
             *(sorted(STARTER.glob("*.toml")) if starter else ())]
    return [read_file(path, ZoneInfo(wire.config.search.zone)) for path in paths]


def with_engine(wire: Wire, files: Sequence[PolicyFile]) -> tuple[float, list[Flag]]:
    """CPU seconds and flags of the policies alone."""
    events: list[Found] = []
    read_all(wire, events.append)
    watch = Watch(engine(wire, [one.policy for one in files]))
    settle_memory()
    flags: list[Flag] = []
    began = cpu_s()
    for one in events:
        flags += watch.take(one.event, one.content, one.pointers)
    return cpu_s() - began, flags


def with_replay(wire: Wire, files: Sequence[PolicyFile], *,
                is_interrupted: bool) -> tuple[float, list[Flag]]:
    """CPU seconds and flags of the whole way."""
    flags: list[Flag] = []

    def take(several: Sequence[Raised]) -> None:
        flags.extend(one.flag for one in several)

    def stop(done: int, whole: int) -> None:
        if done * 2 > whole:
            raise _Stopped

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        settle_memory()
        began = cpu_s()
        if is_interrupted:
            replaying.KEEP_S = 0.0                  # type: ignore[misc]
            state = ReplayState(path)
            half = Replay(wire, files, current(wire), state)
            half.begin()
            try:
                half.run(take, stop)
            except _Stopped:
                state.close()
        state = ReplayState(path)
        run = Replay(wire, files, current(wire), state)
        if run.begin() != is_interrupted:
            raise SystemExit("it did not go on where it was")
        run.run(take, _silent)
        state.close()
        return cpu_s() - began, flags


def main() -> None:
    """ARGUMENTS: home, what, starter."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    wire = Wire(load(Path(asked["home"])))
    what, files = asked["what"], files_of(wire, starter=asked["starter"])
    flags: list[Flag] = []
    count, used = 0, 0.0
    settle_memory()
    if what == READ:
        began = cpu_s()
        count = read_all(wire, _nothing)
        used = cpu_s() - began
    elif what == ENGINE:
        used, flags = with_engine(wire, files)
    else:
        used, flags = with_replay(wire, files, is_interrupted=what == RESUMED)
    count = count or read_all(wire, _nothing)
    said = {(one.message, one.policy, one.rule, one.version, one.revision) for one in flags}
    print(json.dumps({
        "events": count, "cpu_s": used, "flags": len(said), "peak_mb": peak_mb(),
        "marked": sum(one[2] == _MARKER for one in said),
        "policies": 0 if what == READ else len(files),
        "rules": 0 if what == READ else sum(len(one.policy.rules) for one in files)}))


_MARKER: Final = "marker"


def _nothing(_found: Found) -> None:
    """Reading alone."""


def _silent(_done: int, _whole: int) -> None:
    """No progress is shown."""


if __name__ == "__main__":
    main()
