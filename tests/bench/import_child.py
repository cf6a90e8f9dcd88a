"""One measured import: `python -m tests.bench.import_child ARGUMENTS`. Embedded, until durable.

Afterwards, and not timed, the log is opened record by record and its messages are counted.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from infra import importer, importpool
from infra.config import load
from infra.importer import Given, Report
from infra.process import settle_memory
from infra.wire import Wire
from ingest.imports import Answers
from schemas import codec, events
from schemas.events import CapturedEvent
from tests.bench.imports import Digest


def taken(wire: Wire, source: Path, account: str, processes: int) -> Report:
    """Everything of a folder is durable when this returns."""
    report = Report()
    answers = Answers("bench", wire.clock(), me="Me", account=account, zone="Europe/Berlin")
    given = [Given(path, answers) for path, _ in importer.files_of([source], report)]
    importpool.run(wire, given, report, lambda _read: None, processes)
    return report


def on_log(wire: Wire) -> tuple[int, str]:
    """(messages, digest of their texts) of all records, opened."""
    count, digest, unsealer = 0, Digest(), wire.unsealer()
    with closing(wire.archive_log()) as log:
        identity = log.identity()
        for partition in range(identity.partitions):
            start, end = log.bounds(partition)
            for offset in range(start, end):
                record = log.fetch(partition, offset)
                assert record is not None
                opened = unsealer.open(identity.topic_id, partition, record.value)
                at = 0
                for _domain, _tag, length in opened.rows:
                    event = codec.decode(opened.plain[at:at + length])
                    at += length
                    if isinstance(event, CapturedEvent) and event.kind == events.MESSAGE:
                        count += 1
                        digest.add(event.text or "")
    return count, digest.hex()


def main() -> None:
    """Print the result."""
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    wire = Wire(load(arguments["home"]))
    wire.provision_once()
    settle_memory()
    began = time.monotonic()
    report = taken(wire, Path(arguments["source"]), arguments["account"], arguments["processes"])
    seconds = time.monotonic() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    count, digest = on_log(wire)
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "new": report.tally.new,
                      "known": report.tally.known, "events": count, "digest": digest}))


if __name__ == "__main__":
    main()
