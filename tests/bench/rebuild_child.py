"""A rebuild beside Elasticsearch's own bulk rate: `python -m tests.bench.rebuild_child ARGUMENTS`.

The rebuild reads the archive, verifies, decrypts, projects and stores, with as many processes as
`counterfoil rebuild` takes here. The limit is the same bulk requests, made before and sent again as
they are into an index of the same mapping.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from infra.config import load
from infra.process import settle_memory
from infra.shares import fill, workers_for
from infra.wire import Wire
from search.follow import Follower
from tests.bench.meter import cpu_s, peak_mb

# In the name of the index that holds an index's sealed words.
_WORDS = "-words"


def rebuild(wire: Wire, workers: int) -> tuple[float, float]:
    """(seconds, CPU seconds, of the children too) of one index from zero."""
    indexes = wire.indexes()
    name = indexes.create()
    began, began_cpu = time.monotonic(), _cpu_s()
    fill(wire, workers)(name)
    Follower(wire.reader(), indexes.open(name), wire.projector()).run_to_end()
    return time.monotonic() - began, _cpu_s() - began_cpu


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_s() + children.ru_utime + children.ru_stime


def captured(wire: Wire) -> tuple[int, int, list[Any]]:
    """(events, documents, bulk requests) of a rebuild."""
    indexes: Any = wire.indexes()
    client, requests = indexes._client, []
    bulk, name = client.bulk, indexes.create()

    def keep(**asked: Any) -> Any:
        # The sealed words go to an index of their own.
        if _WORDS not in asked["index"]:
            requests.append(asked["operations"])
        return bulk(**asked)

    client.bulk = keep
    index = indexes.open(name)
    done = Follower(wire.reader(), index, wire.projector()).run_to_end()
    return done.events, done.documents, requests


def replay(wire: Wire, requests: list[Any]) -> float:
    """Seconds that the server takes for them."""
    indexes: Any = wire.indexes()
    name = indexes.create()
    began = time.monotonic()
    for operations in requests:
        answer = indexes._client.bulk(index=name, operations=operations, refresh=False)
        # A conflict was one in the rebuild as well: created unread, and it was there.
        if answer["errors"] and any(
                one["status"] not in (200, 201, 409)
                for item in answer["items"] for one in item.values()):
            raise SystemExit("a replayed bulk request had errors")
    return time.monotonic() - began


def main() -> None:
    """ARGUMENTS: home, repeats."""
    asked = json.loads(sys.argv[1])
    wire = Wire(load(Path(asked["home"])))
    events, documents, requests = captured(wire)
    settle_memory()
    workers = workers_for(wire, None)
    alone, shared, limit = [], [], []
    for _ in range(asked["repeats"]):
        alone.append(rebuild(wire, 1))
        shared.append(rebuild(wire, workers))
        limit += [replay(wire, requests), replay(wire, requests)]
        shared.append(rebuild(wire, workers))
    print(json.dumps({
        "events": events, "documents": documents, "workers": workers,
        "alone_s": [one[0] for one in alone], "rebuild_s": [one[0] for one in shared],
        "cpu_s": [one[1] for one in shared], "bulk_s": limit, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
