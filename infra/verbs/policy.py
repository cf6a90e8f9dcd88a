"""`policy list | check | test | replay`: which policies are in force, what one would flag in the
archive, and what a new version finds that the one before it missed.

Owns the way over the archive for that: from its front, in its own order, with nothing left out, so
that two runs over one archive say the same. A dry run and a replay are events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from infra.archived import Joiner
from infra.carry import carry_if_idle
from infra.policies import (
    DRY_RUN,
    REPLAY,
    PolicyFile,
    engine,
    in_force,
    policy_event,
    read_file,
    read_folder,
)
from infra.verbs.assign import moment_of
from infra.verbs.audit import acting
from infra.verbs.screen import ERR, OUT, emit, good, instant, short, shown
from infra.wire import Wire
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.policy.flags import Flag, flag_event
from search.policy.watch import WATCHED_KINDS, Watch

SAMPLES_DEFAULT: Final = 5
_FLAGS_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed. `policy`: a file, or the id of one in the policies folder (the highest version, or
    `id/version`)."""

    policy: str
    since: str = ""
    until: str = ""
    samples: int = SAMPLES_DEFAULT


@dataclass(slots=True)
class Found:
    """What a run over the archive came to."""

    messages: int = 0
    flags: list[Flag] = field(default_factory=list)
    times: dict[bytes, int] = field(default_factory=dict)     # of flagged messages, UTC ms


def policy_list(wire: Wire, *, json: bool) -> int:
    """Every version on disk, and which are in force."""
    known = read_folder(wire)
    chosen = in_force(wire, known)
    if json:
        for one in known:
            emit(_described(one, is_in_force=one in chosen))
        return 0
    table = Table("policy", "version", "title", "from", "in force", "severity", "rules", "author",
                  "approver")
    for one in known:
        policy = one.policy
        table.add_row(policy.policy_id, str(policy.version), policy.title,
                      policy.effective.isoformat(), "yes" if one in chosen else "-",
                      policy.severity, str(len(policy.rules)), policy.author, policy.approver)
    OUT.print(table)
    return 0


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
    file = _chosen(wire, wanted.policy)
    since, until = moment_of("--from", wanted.since), moment_of("--until", wanted.until)
    event = policy_event(wire, DRY_RUN, [file], {"from": since, "until": until,
                                                 "who": acting(wire)})
    wire.recorder("search").record(event)
    # Recorded: from here what it finds may be seen.
    found = Found()
    found.flags = list(_run(wire, [file], found, since, until))
    _print_test(wire, file, found, wanted.samples, json=json)
    return 0


def policy_replay(wire: Wire, name: str, *, json: bool) -> int:
    """The version over all of the archive; what it flags is on the log when this returns. Run twice
    it says the same flags again: they are the same ones."""
    known = read_folder(wire)
    file = _chosen(wire, name)
    if not any(one.policy.digest() == file.policy.digest() for one in in_force(wire, known)):
        raise Refused(f"{file.policy.policy_id} version {file.policy.version} is not in force: put "
                      f"it into {wire.home / 'policies'}, or wait for its day")
    earlier = [one for one in known if one.policy.policy_id == file.policy.policy_id
               and one.policy.version < file.policy.version][-1:]
    found, before = Found(), Found()
    compared = [file, *earlier]
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("search", log)
        recorder.record(policy_event(wire, REPLAY, [file], {"who": acting(wire)}))
        years = wire.directory().firm_years()
        batch: list[CapturedEvent] = []
        for flag in _run(wire, compared, found, None, None):
            if flag.version != file.policy.version:
                before.flags.append(flag)
                continue
            found.flags.append(flag)
            batch.append(flag_event(flag, wire.clock(), years))
            if len(batch) >= _FLAGS_BATCH:
                recorder.record_all(batch)
                batch.clear()
        recorder.record_all(batch)
        recorder.beat(wire.clock(), years, stopping=True)
    # Without a `run` this process carries them on: they are found when it returns.
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    _print_replay(file, earlier, found, before, json=json)
    return 0


def _chosen(wire: Wire, name: str) -> PolicyFile:
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return read_file(path, ZoneInfo(wire.config.search.zone))
    wanted, _, version = name.partition("/")
    fitting = [one for one in read_folder(wire) if one.policy.policy_id == wanted
               and version in ("", str(one.policy.version))]
    if not fitting:
        raise Missing(f"no policy file and no policy of the firm is called {name}: see "
                      "`counterfoil policy list`")
    return fitting[-1]


def _run(wire: Wire, files: Sequence[PolicyFile], found: Found, since: int | None,
         until: int | None) -> Iterator[Flag]:
    """The flags that each of `files` raises, in the archive's order."""
    reader, indexes = wire.reader(), wire.indexes()
    name = indexes.current()
    index = None if name is None else indexes.open(name)
    engines = [engine(wire, [one.policy], index) for one in files]
    seen: set[bytes] = set()
    partitions = reader.partitions()
    with Progress(TextColumn("reading the archive"), BarColumn(), MofNCompleteColumn(),
                  TextColumn("partitions, {task.fields[messages]} messages"), console=ERR,
                  transient=True) as progress:
        task = progress.add_task("", total=len(partitions), messages=0)
        for topic_id, partition in partitions:
            # A conversation lies in one partition; what is remembered of it starts anew in the
            # next, where an import may have put more of it.
            watches, joiner = [Watch(one) for one in engines], Joiner()
            for read in reader.follow(topic_id, partition, 0):
                for event in joiner.events(read.events):
                    if event.kind not in WATCHED_KINDS:
                        continue
                    seen.add(message_key(event))
                    yield from _of_event(event, watches, found, since, until)
                found.messages = len(seen)
                progress.update(task, messages=len(seen))
            progress.advance(task)


def _of_event(event: CapturedEvent, watches: Sequence[Watch], found: Found, since: int | None,
              until: int | None) -> Iterator[Flag]:
    at = event.occurred_at or event.captured_at
    is_meant = (since is None or since <= at) and (until is None or at < until)
    for watch in watches:
        # Also what lies outside the time is taken: it may be part of a conversation inside.
        for flag in watch.take(event):
            if is_meant:
                found.times.setdefault(flag.message, at)
                yield flag


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


def _print_replay(file: PolicyFile, earlier: Sequence[PolicyFile], found: Found, before: Found, *,
                  json: bool) -> None:
    now, then = ({(one.message, one.rule) for one in several.flags} for several in (found, before))
    now_flagged, then_flagged = {one for one, _ in now}, {one for one, _ in then}
    line = {"policy": file.policy.policy_id, "version": file.policy.version,
            "before": earlier[0].policy.version if earlier else None, "messages": found.messages,
            "flags": len(found.flags), "flagged": len(now_flagged),
            "missed_before": len(now_flagged - then_flagged) if earlier else None,
            "no_longer": len(then_flagged - now_flagged) if earlier else None}
    if json:
        emit(line)
        return
    OUT.print(good(f"{line['policy']} version {line['version']}: {line['flags']} flags on "
                   f"{line['flagged']} of {line['messages']} messages, on the log"))
    if earlier:
        OUT.print(f"version {line['before']} missed {line['missed_before']} of these messages; "
                  f"{line['no_longer']} that it flagged are no longer flagged")


