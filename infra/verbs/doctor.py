"""`doctor`: tries whether this configuration is safe, and says in words what is not (K6, L, G3).

Owns the list of checks and the verdict. `safe` false = the archiver must not write for real.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from infra.doorsettings import door_settings
from infra.verbs.check import backup_checked_at
from infra.verbs.screen import ERR, OUT, bad, emit, good, short, trial_banner
from infra.wire import DAY_MS, Wire, clock
from ingest.coverage import COVERAGE, PARTS, YES
from schemas.errors import CounterfoilError
from search.index import Outdated

if TYPE_CHECKING:
    from infra.s3access import Tried

OK, WARNING, UNSAFE = "ok", "warning", "unsafe"
_STYLE = {OK: "green", WARNING: "yellow", UNSAFE: "bold red"}
_BACKUP_DAYS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """One check: its part, name, outcome (ok | warning | unsafe) and what to do."""

    part: str
    name: str
    outcome: str
    words: str


def doctor(wire: Wire, *, json: bool) -> int:
    """0 when nothing is unsafe."""
    lines: list[Line] = []
    try:
        wire.provision_once()
    except CounterfoilError as error:
        # What keeps `run` from starting is said beside everything else.
        lines.append(Line("setup", "provision", UNSAFE, str(error)))
    for part, checks in (("store", _store), ("gateway", _gateway), ("doors", _doors),
                         ("log", _log), ("index", _index), ("keys", _keys),
                         ("retention", _retention)):
        with ERR.status(f"checking the {part}"):
            try:
                lines += checks(wire)
            except CounterfoilError as error:
                lines.append(Line(part, "reachable", UNSAFE, str(error)))
    safe = all(line.outcome != UNSAFE for line in lines)
    if json:
        emit({"safe": safe, "green": all(line.outcome == OK for line in lines), "checks": [
            {"part": line.part, "name": line.name, "outcome": line.outcome, "words": line.words}
            for line in lines], "coverage": _coverage()})
        return 0 if safe else 1
    trial_banner(wire.config.retention.trial)
    table = Table("part", "check", "outcome", "in words")
    for line in lines:
        table.add_row(line.part, line.name, Text(line.outcome, style=_STYLE[line.outcome]),
                      line.words)
    OUT.print(table)
    _print_coverage()
    OUT.print(good("safe") if safe else
              bad("NOT SAFE: do not write real records with this configuration"))
    return 0 if safe else 1


def _coverage() -> list[dict[str, Any]]:
    return [{"source": one.source, "name": one.name,
             "covers": {part: {"answer": one.cover[part].answer, "words": one.cover[part].words}
                        for part in PARTS}} for one in COVERAGE]


def _print_coverage() -> None:
    table = Table("source", *PARTS, title="what each source covers (docs/COVERAGE.md)")
    for one in COVERAGE:
        table.add_row(one.name, *(one.cover[part].answer for part in PARTS))
    OUT.print(table)
    for one in COVERAGE:
        for part in PARTS:
            if one.cover[part].answer != YES:
                OUT.print(f"  {one.name}, {part}: {one.cover[part].words}")


def _store(wire: Wire) -> Iterator[Line]:
    for result in wire.check_store():
        if result.passed or result.required:
            yield Line("store", result.name, OK if result.passed else UNSAFE, result.detail)
    held = wire.check_hold()
    yield Line("store", held.name, OK if held.passed else WARNING, held.detail)
    if wire.config.store.driver == "folder":
        yield Line("store", "prevention", WARNING,
                   "detects only: the owner of this folder can delete it; use S3 with Object Lock "
                   "where deletion must be prevented")
        return
    from infra.s3 import check_bucket

    problems = check_bucket(wire.s3_settings(wire.config.store.bucket))
    for problem in problems:
        yield Line("store", "bucket", UNSAFE, problem)


def _gateway(wire: Wire) -> Iterator[Line]:
    """What the credentials that face the network may do with the store (PROTOCOL K)."""
    if wire.config.store.driver == "folder":
        return
    if wire.config.media.access_key_file is None:
        yield Line("gateway", "credentials", WARNING,
                   "files are put with the archiver's credentials: give the gateway its own, which "
                   "may only put below media/ (infra/examples/s3/gateway.json), in "
                   "media.access_key_file and media.secret_key_file")
        return
    from infra.s3access import try_gateway

    some = next(iter(wire.store.versions("")), None)
    for one in try_gateway(wire.media_settings(), some.key if some else None):
        yield gateway_line(one)


def _doors(wire: Wire) -> Iterator[Line]:
    """What is wrong with the providers' secrets; a door that nobody set up is no fault."""
    doors = door_settings(wire.config)
    for door, words in doors.closed.items():
        yield Line("doors", door, WARNING, f"closed: {words}")
    for words in doors.short:
        yield Line("doors", "secret", WARNING, words)


def gateway_line(one: Tried) -> Line:
    """What one right of the gateway's means."""
    if one.is_allowed == one.is_needed:
        words = "allowed" if one.is_needed else "refused, as it should be"
        return Line("gateway", one.name, OK, f"{words} ({one.answer})")
    if one.is_needed:
        return Line("gateway", one.name, UNSAFE,
                    f"not allowed ({one.answer}): files of messages cannot be stored")
    return Line("gateway", one.name, WARNING,
                f"allowed ({one.answer}): whoever takes over the gateway may do it too; "
                "infra/examples/s3/gateway.json is all that it needs")


def _log(wire: Wire) -> Iterator[Line]:
    log = wire.capture_log()
    try:
        identity = log.identity()
    finally:
        log.close()
    yield Line("log", "reachable", OK, f"{identity.topic}, {identity.partitions} partitions, "
                                       f"id {identity.topic_id.hex()}")
    if wire.config.log.driver == "embedded":
        yield Line("log", "durability", OK, "SQLite, synchronous=FULL, one disk")
        return
    from infra.kafka import check_topic

    problems = check_topic(wire.kafka_settings)
    for problem in problems:
        yield Line("log", "topic", WARNING if wire.config.retention.trial else UNSAFE, problem)
    if not problems:
        yield Line("log", "topic", OK, "kept until the archiver shortens it, acknowledged by all")


def _index(wire: Wire) -> Iterator[Line]:
    indexes = wire.indexes()
    name = indexes.current()
    yield Line("index", "reachable", OK, f"current index {name or 'not made yet'}")
    told = {
        "blind": "words are blind tokens, but order and equality leak",
        "plain": "search.text = plain: whoever has the index reads every word of every message",
        "none": "it holds no words, but who talked with whom and when, under keyed names",
    }[wire.config.search.text]
    try:
        if name is not None:
            indexes.open(name)
    except Outdated as error:
        yield Line("index", "shape", WARNING, str(error))
        told = f"{told}, once it is rebuilt; what older indexes hold stays until they are deleted"
    yield Line("index", "confidential", WARNING,
               f"{told}: restrict access, encrypt its disk (docs/THREATS.md)")


def _keys(wire: Wire) -> Iterator[Line]:
    count = 0
    for domain, generation, opened in wire.domain_keys().all():
        count += 1
        if isinstance(opened, CounterfoilError):
            yield Line("keys", f"{domain.hex()}/{generation}", UNSAFE, str(opened))
    yield Line("keys", "domain keys", OK, f"{count} live keys open")
    checked = backup_checked_at(wire)
    if checked is None:
        yield Line("keys", "backup", WARNING, "no backup was ever checked: without one, a broken "
                                              "disk makes the archive unreadable for ever. Run "
                                              "`counterfoil keys backup FILE`, then `keys check`")
    elif clock() - checked > _BACKUP_DAYS * DAY_MS:
        yield Line("keys", "backup", WARNING, f"last checked {short(checked)}: check it again")
    else:
        yield Line("keys", "backup", OK, f"checked {short(checked)}")
    if wire.config.keyservice.driver == "local":
        yield Line("keys", "key service", WARNING,
                   "the wrapping key is a file on this machine; a KMS keeps it elsewhere")


def _retention(wire: Wire) -> Iterator[Line]:
    directory, retention = wire.directory(), wire.config.retention
    for name, years in directory.classes:
        if years + 1 > retention.lock_years_max:
            yield Line("retention", f"class {name}", UNSAFE,
                       f"{years} years exceed lock_years_max = {retention.lock_years_max}")
            continue
        until = datetime.now(UTC).year + years
        words = (f"{years} years: what is captured today could be deleted by nobody before {until}"
                 if wire.config.store.driver == "s3" else
                 f"{years} years, to {until}: stated and checked, not enforced by a folder")
        yield Line("retention", f"class {name}", OK, words)
    yield Line("retention", "trial mode", WARNING if retention.trial else OK,
               "on: locks of one day" if retention.trial else
               "off: the first write is irreversible for the years above")


