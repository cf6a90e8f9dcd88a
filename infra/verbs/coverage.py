"""`coverage`: what is known of capture in a period, as a file that can be checked years later.

Owns the file: the statement of `archive/watched.py` and the checkpoint of the log that it was made
under. Whoever has the archive makes it again from the same prefix of the log and compares.
"""

from __future__ import annotations

import json as jsonlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from archive import watched
from archive.tlog import checkpoint, note, published
from archive.tlog.batch import Read
from archive.tlog.checkpoint import Head
from archive.tlog.prover import Prover
from archive.tlog.sequence import LogSequence
from archive.tlog.witnessing import witnessed
from archive.watched import GAPS, LATE_MS, NO_KNOWN_GAP, Asked
from infra.verbs.assign import moment_of
from infra.verbs.log import current
from infra.verbs.newfile import write_new
from infra.verbs.screen import OUT, bad, emit, good, instant, shown
from infra.vouching import witnesses_of
from infra.wire import Wire
from schemas.errors import Exists, Missing, Refused
from schemas.gaps import REASONS

_FILE_BYTES_MAX: Final = 64 << 20
_WORDS: Final = {
    NO_KNOWN_GAP: "no known gap",
    watched.NOT_WATCHED: "no gap is known, but not all of the time was watched",
    GAPS: "there are gaps"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed; "" = not given."""

    since: str
    until: str = ""
    channel: str = ""
    account: str = ""
    out: Path | None = None


def coverage(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Make the statement; 0 only for "no known gap"."""
    zone = ZoneInfo(wire.config.search.zone)
    since = moment_of("--from", wanted.since, zone)
    until = moment_of("--until", wanted.until, zone)
    if since is None:
        raise Refused("--from: the first day, 2026-01-31")
    if wanted.out is not None and os.path.lexists(wanted.out):
        raise Exists(f"{wanted.out} is there already; name another file")
    sequence, last = current(wire)
    signed = published.newest(sequence, last, wire.log_keys())
    if signed is None:
        raise Missing("there is no checkpoint yet: `counterfoil notary --once` signs one")
    read = sequence.holding(checkpoint.read_text(signed.text).head.size - 1, last)
    # What comes after the checkpoint is not under it, nor the heartbeats of the last minutes.
    reached = read.batch.at - LATE_MS
    until = min(until or reached, reached)
    if until <= since:
        raise Refused(f"--until is not after --from: the log speaks of the time up to "
                      f"{instant(reached)}")
    signed, _ = witnessed(sequence, signed, [key for key, _ in witnesses_of(wire.config)])
    said = _statement(wire, sequence, read, Asked(since, until, wanted.channel, wanted.account))
    said |= {"checkpoint": signed.render()}
    if wanted.out is not None:
        write_new(wanted.out,
                  (jsonlib.dumps(said, indent=1, ensure_ascii=False) + "\n").encode())
    _print(said, json=json)
    return 0 if said["verdict"] == NO_KNOWN_GAP else 1


def check(wire: Wire, file: Path, *, json: bool) -> int:
    """Whether a statement is what the archive still says; 0 only then. Raises Refused for a file
    that is none."""
    said = _read(file)
    sequence, last = current(wire)
    head, problem = _head(wire, said), ""
    found: dict[str, Any] = {}
    if head is None:
        problem = "its checkpoint is not signed by this archive's log"
    elif not 0 < head.size <= last.batch.head.size:
        problem = f"its checkpoint is of {head.size} cells, this log has {last.batch.head.size}"
    else:
        read = sequence.holding(head.size - 1, last)
        if read.batch.head != head:
            problem = "its checkpoint is of another log: see `verify --against`"
        else:
            found = _statement(wire, sequence, read, _asked(said))
    differs = watched.differences(found, {name: value for name, value in said.items()
                                          if name != "checkpoint"}) if found else []
    ok = not problem and not differs
    if json:
        emit({"ok": ok, "problem": problem or None, "differs": differs,
              "verdict": said.get("verdict"), "now": found.get("verdict")})
    elif ok:
        OUT.print(good("the archive says the same today:"), _WORDS[said["verdict"]])
    elif problem:
        OUT.print(bad("not checked:"), problem)
    else:
        OUT.print(bad("the archive says otherwise today:"), ", ".join(map(shown, differs)))
        if found["unreadable"] > said.get("unreadable", 0):
            OUT.print("records were erased, or cannot be read any more, since the statement was "
                      "made")
    return 0 if ok else 1


def _statement(wire: Wire, sequence: LogSequence, read: Read, asked: Asked) -> dict[str, Any]:
    prover = Prover(sequence, read)
    return watched.statement(wire.reader(), read.batch, asked,
                             lambda place: prover.leaf_at(place.segment, place.start))


def _head(wire: Wire, said: dict[str, Any]) -> Head | None:
    try:
        found, _ = checkpoint.opened(note.read(said["checkpoint"]), wire.log_keys())
    except Refused:
        return None
    return found.head


def _asked(said: dict[str, Any]) -> Asked:
    try:
        return Asked(int(said["from"]), int(said["until"]), str(said["channel"]),
                     str(said["account"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("the statement does not say of what it is") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _FILE_BYTES_MAX:
            raise Refused(f"{file} is larger than a statement can be")
        said = jsonlib.loads(file.read_bytes())
    except OSError as error:
        raise Missing(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{file} is no statement: it is not JSON") from error
    if (not isinstance(said, dict) or said.get("v") != watched.VERSION
            or not isinstance(said.get("checkpoint"), str) or said.get("verdict") not in _WORDS):
        raise Refused(f"{file} is no statement that this version knows")
    return said


def _print(said: dict[str, Any], *, json: bool) -> None:
    if json:
        emit(said)
        return
    words = _WORDS[said["verdict"]]
    of = " ".join(one for one in (said["channel"], said["account"]) if one) or "all sources"
    OUT.print(good(words) if said["verdict"] == NO_KNOWN_GAP else bad(words),
              f"for {shown(of)}, {instant(said['from'])} to {instant(said['until'])}")
    for gap in said["gaps"]:
        OUT.print(f"  {REASONS.get(gap['reason'], shown(gap['reason']))}: "
                  f"{instant(gap['from']) or 'before anything is known'} to "
                  f"{instant(gap['until']) or 'now'}"
                  + (f" ({gap['settled'].replace('_', ' ')})" if gap["settled"] else ""))
    for begin, end in said["not_watched"]:
        OUT.print(f"  not watched: {instant(begin)} to {instant(end)}")
    for one in said["counters_missing"]:
        OUT.print(f"  {one['count']} acknowledged records of session {one['session']} are missing")
    if said["unreadable"]:
        OUT.print(f"  {said['unreadable']} records cannot be read: what they say of gaps is not "
                  "known")
    if said["erased"]:
        OUT.print(f"  {said['erased']} records were erased by right: what they said of gaps is not "
                  "known any more")
    OUT.print(f"{said['events']} events, {sum(one['heartbeats'] for one in said['processes'])} "
              f"heartbeats of {len(said['processes'])} capture processes; under the checkpoint of "
              f"{said['under']['size']} cells")
    OUT.print("it says what is known here, never that a provider sent no more: see "
              "docs/COVERAGE.md for what each source does not tell")
