"""A dry run of one policy: what it would flag in the archive, and nothing is flagged.

Owns the run and which file is meant by a name. The verb `policy test` and the console's dry runs
are this one; whoever calls it has recorded it before (`record_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from infra.embedded.replays import ReplayState
from infra.policies import DRY_RUN, PolicyFile, policy_event, read_file, read_folder
from infra.replay import Replay, current
from infra.wire import Wire
from schemas.errors import Missing
from schemas.events import CapturedEvent
from search.policy import loading
from search.policy.flags import Flag
from search.policy.habitdays import Raised
from search.project import VERSION_KINDS
from search.query import Between, TokenQuery

# A file that was pasted, and lies nowhere.
TYPED: Final = "as typed.toml"

Progress = Callable[[int, int], None]
"""Is told (records of the log, of so many)."""


@dataclass(slots=True)
class Found:
    """What a dry run came to. `messages`: within the time; `times`: of flagged messages, UTC ms."""

    messages: int = 0
    flags: list[Flag] = field(default_factory=list)
    times: dict[bytes, int] = field(default_factory=dict)


class TooManyFlags(Exception):
    """More than the caller keeps: the run ends here, with what was found."""


def chosen(wire: Wire, name: str) -> PolicyFile:
    """`name`: the id of a policy in the folder, or `id/version`. Raises Missing."""
    wanted, _, version = name.partition("/")
    fitting = [one for one in read_folder(wire) if one.policy.policy_id == wanted
               and version in ("", str(one.policy.version))]
    if not fitting:
        raise Missing(f"no policy file and no policy of the firm is called {name}: see "
                      "`counterfoil policy list`")
    return fitting[-1]


def file_of(wire: Wire, name: str) -> PolicyFile:
    """The same, or a file by its path. Raises Missing, Refused."""
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return read_file(path, ZoneInfo(wire.config.search.zone))
    return chosen(wire, name)


def typed(wire: Wire, source: bytes) -> PolicyFile:
    """A policy that somebody typed. Raises Refused with a line for every problem."""
    return PolicyFile(Path(TYPED), loading.load(source, TYPED, zone=ZoneInfo(
        wire.config.search.zone)), source)


def record_of(wire: Wire, file: PolicyFile, since: int | None, until: int | None,
              who: str) -> CapturedEvent:
    """The event that says so; the policy as it was is its raw bytes."""
    return policy_event(wire, DRY_RUN, [file], {"from": since, "until": until, "who": who})


def dry_run(wire: Wire, file: PolicyFile, since: int | None, until: int | None,
            progress: Progress, flags_max: int | None = None) -> tuple[Found, bool]:
    """(what was found, whether that is all). `since`, `until`: UTC ms, half open. Over all of the
    archive, also what lies outside the time: it may be part of a conversation inside. `flags_max`:
    ends after so many; null = never."""
    found, state, is_whole = Found(), ReplayState(None), True
    with closing(state):
        index = current(wire)
        run = Replay(wire, [file], index, state)
        run.begin()
        found.messages = index.count(TokenQuery(Between(since, until), frozenset(VERSION_KINDS)))

        def take(several: Sequence[Raised]) -> None:
            for one in several:
                if (since is None or since <= one.at) and (until is None or one.at < until):
                    found.flags.append(one.flag)
                    found.times.setdefault(one.flag.message, one.at)
            if flags_max is not None and len(found.flags) > flags_max:
                raise TooManyFlags

        try:
            run.run(take, progress)
        except TooManyFlags:
            is_whole = False
    return found, is_whole
