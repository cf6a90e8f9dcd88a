"""`policy list | check | test | replay`: which policies are in force, what one would flag in the
archive, and what a new version finds that the one before it missed.

Owns what these say; the way over the archive is `infra/replay.py`. A dry run and a replay are
events.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from infra import filelock
from infra.carry import carry_if_idle
from infra.embedded.folder import make_folder
from infra.embedded.replays import ReplayState
from infra.policies import (
    REPLAY,
    PolicyFile,
    engine,
    in_force,
    policy_event,
    read_each,
    read_file,
    read_folder,
)
from infra.policyrun import Found, dry_run, file_of, record_of
from infra.replay import Replay, current
from infra.verbs.assign import moment_of
from infra.verbs.audit import acting
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short, shown
from infra.wire import Wire
from schemas.errors import Refused
from search.policy.flags import Flag, flag_event
from search.policy.habitdays import Raised

SAMPLES_DEFAULT: Final = 5
# Of the data folder: a file for each replay that is under way.
FOLDER: Final = "replay"
# As a shell names what Ctrl-C ended.
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed. `policy`: a file, or the id of one in the policies folder (the highest version, or
    `id/version`). A day begins at midnight in the firm's zone."""

    policy: str
    since: str = ""
    until: str = ""
    samples: int = SAMPLES_DEFAULT


def policy_list(wire: Wire, *, json: bool) -> int:
    """Every version on disk, and which are in force. One that does not read is said beside the
    others and is the error: while it lies there none of them flags anything."""
    known, problems = read_each(wire)
    for problem in problems:
        ERR.print(bad(shown(problem)), soft_wrap=True)
    ended = Refused.exit_code if problems else 0
    chosen = in_force(wire, known)
    if json:
        for one in known:
            emit(_described(one, is_in_force=one in chosen))
        return ended
    table = Table("policy", "version", "title", "from", "in force", "severity", "rules", "author",
                  "approver")
    for one in known:
        policy = one.policy
        table.add_row(policy.policy_id, str(policy.version), policy.title,
                      policy.effective.isoformat(), "yes" if one in chosen else "-",
                      policy.severity, str(len(policy.rules)), policy.author, policy.approver)
    OUT.print(table)
    return ended


def policy_check(wire: Wire, path: Path, *, json: bool) -> int:
    """Whether a file reads; every problem with its line."""
    found = read_file(path, ZoneInfo(wire.config.search.zone))
    engine(wire, [found.policy])
    if json:
        emit(_described(found, is_in_force=False))
    else:
        OUT.print(good(f"{path.name}: {found.policy.policy_id} version {found.policy.version}, "
                       f"{len(found.policy.rules)} rules, reads"))
    return 0


def policy_test(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """A dry run: counts and samples. Nothing is flagged."""
    file = file_of(wire, wanted.policy)
    zone = ZoneInfo(wire.config.search.zone)
    since = moment_of("--from", wanted.since, zone)
    until = moment_of("--until", wanted.until, zone)
    if since is not None and until is not None and since >= until:
        raise Refused("--until is not after --from: no message is between them")
    # What came before this moment is meant, also where nobody has carried it on yet.
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    wire.recorder("search").record(record_of(wire, file, since, until, acting(wire)))
    # Recorded: from here what it finds may be seen.
    with _shown() as progress:
        found, _ = dry_run(wire, file, since, until, progress)
    _print_test(wire, file, found, wanted.samples, json=json)
    return 0


def policy_replay(wire: Wire, name: str, *, json: bool, restart: bool = False) -> int:
    """The version over all of the archive; what it flags is on the log when this returns. Run twice
    it says the same flags again: they are the same ones. Interrupted, it goes on where it was."""
    known = read_folder(wire)
    now = in_force(wire, known)
    # Where no version is named, a later one whose day has not come does not stand in the way.
    file = next((one for one in now if one.policy.policy_id == name), None) or file_of(wire, name)
    policy = file.policy
    if not any(one.policy.digest() == policy.digest() for one in now):
        raise Refused(f"{policy.policy_id} version {policy.version} is not in force: put "
                      f"it into {wire.home / 'policies'}, or wait for its day")
    # What came before this moment is meant, also where nobody has carried it on yet.
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    earlier = [one for one in known if one.policy.policy_id == policy.policy_id
               and one.policy.version < policy.version][-1:]
    path = wire.home / FOLDER / f"{policy.policy_id}-{policy.version}.db"
    make_folder(path.parent)
    descriptor = filelock.take(path.with_suffix(".lock"))
    try:
        state = ReplayState(path)
        try:
            is_resumed = _replay(wire, [file, *earlier], state, restart=restart)
        except KeyboardInterrupt:
            state.close()
            ERR.print("interrupted. The same command goes on where it was; with --restart it "
                      "begins anew")
            return INTERRUPTED
        except BaseException:
            state.close()
            raise
        # Without a `run` this process carries them on: they are found when it returns.
        carry_if_idle(wire, lambda said: ERR.print(shown(said)))
        _print_replay(file, earlier, state, is_resumed=is_resumed, json=json)
        state.close(is_done=True)
    finally:
        os.close(descriptor)
    return 0


def _replay(wire: Wire, files: Sequence[PolicyFile], state: ReplayState, *, restart: bool) -> bool:
    """Whether it went on with one that was interrupted."""
    version = files[0].policy.version
    with closing(wire.capture_log()) as log:
        recorder, years = wire.recorder("search", log), wire.directory().firm_years()

        def take(several: Sequence[Raised]) -> None:
            recorder.record_all([flag_event(one.flag, wire.clock(), years) for one in several
                                 if one.flag.version == version])

        run = Replay(wire, files, current(wire), state)
        is_resumed = run.begin(restart=restart)
        if run.why_anew:
            ERR.print(f"{run.why_anew}: this replay begins anew")
        said = {"who": acting(wire), **({"resumed": True} if is_resumed else {})}
        recorder.record(policy_event(wire, REPLAY, files[:1], said))
        with _shown() as progress:
            run.run(take, progress)
        recorder.beat(wire.clock(), years, stopping=True)
    return is_resumed


@contextmanager
def _shown() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr."""
    with Progress(TextColumn("reading the archive"), BarColumn(), MofNCompleteColumn(),
                  TextColumn("records,"), TimeRemainingColumn(), TextColumn("left"), console=ERR,
                  transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, whole: progress.update(task, completed=done, total=whole)


def _described(file: PolicyFile, *, is_in_force: bool) -> dict[str, Any]:
    policy = file.policy
    return {"policy": policy.policy_id, "version": policy.version, "title": policy.title,
            "file": file.path.name, "effective": policy.effective.isoformat(),
            "in_force": is_in_force, "severity": policy.severity, "mandatory": policy.mandatory,
            "author": policy.author, "approver": policy.approver, "digest": policy.digest(),
            "rules": [one.rule_id for one in policy.rules]}


def _print_test(wire: Wire, file: PolicyFile, found: Found, samples: int, *, json: bool) -> None:
    id_of = wire.tokenizer().document
    by_rule = Counter(one.rule for one in found.flags)
    flagged = {one.rule: {flag.message for flag in found.flags if flag.rule == one.rule}
               for one in found.flags}
    shown = {rule.rule_id: [one for one in found.flags if one.rule == rule.rule_id][:samples]
             for rule in file.policy.rules}
    if json:
        emit({"policy": file.policy.policy_id, "version": file.policy.version,
              "messages": found.messages, "flags": len(found.flags),
              "flagged": len({one.message for one in found.flags}),
              "rules": [{"rule": rule.rule_id, "flags": by_rule[rule.rule_id],
                         "messages": len(flagged.get(rule.rule_id, ())),
                         "samples": [_sample(one, found, id_of) for one in shown[rule.rule_id]]}
                        for rule in file.policy.rules]})
        return
    OUT.print(f"{file.policy.policy_id} version {file.policy.version}: a dry run over "
              f"{found.messages} messages, nothing is flagged")
    table = Table("rule", "flags", "messages", "why")
    for rule in file.policy.rules:
        table.add_row(rule.rule_id, str(by_rule[rule.rule_id]),
                      str(len(flagged.get(rule.rule_id, ()))), rule.why)
    OUT.print(table)
    for rule_id, flags in shown.items():
        for one in flags:
            OUT.print(f"  {rule_id}: {short(found.times[one.message])}  {id_of(one.message)}  "
                      f"{one.reason}")


def _sample(flag: Flag, found: Found, id_of: Callable[[bytes], str]) -> dict[str, Any]:
    return {"id": id_of(flag.message), "at": instant(found.times[flag.message]),
            "reason": flag.reason, "severity": flag.severity, "score": flag.score,
            "revision": flag.revision}


def _print_replay(file: PolicyFile, earlier: Sequence[PolicyFile], state: ReplayState, *,
                  is_resumed: bool, json: bool) -> None:
    then_version = earlier[0].policy.version if earlier else None
    now = state.counts(file.policy.version, then_version)
    then = None if then_version is None else state.counts(then_version, file.policy.version)
    line = {"policy": file.policy.policy_id, "version": file.policy.version,
            "before": then_version, "messages": int(state.said()["messages"]),
            "flags": now.flags, "flagged": now.flagged,
            "missed_before": None if then is None else now.alone,
            "no_longer": None if then is None else then.alone, "resumed": is_resumed}
    if json:
        emit(line)
        return
    OUT.print(good(f"{line['policy']} version {line['version']}: {line['flags']} flags on "
                   f"{line['flagged']} of {line['messages']} messages, on the log"))
    if earlier:
        OUT.print(f"version {line['before']} missed {line['missed_before']} of these messages; "
                  f"{line['no_longer']} that it flagged are no longer flagged")
    else:
        OUT.print("no earlier version of it lies in policies/: there is nothing to compare with")
