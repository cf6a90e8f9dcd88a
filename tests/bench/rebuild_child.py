"""A rebuild beside Elasticsearch's own bulk rate: `python -m tests.bench.rebuild_child ARGUMENTS`.

The rebuild reads the archive, verifies, decrypts, projects and stores. The limit is the same bulk
requests, made before and sent again as they are into an index of the same mapping.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from infra.config import load
from infra.process import settle_memory
from infra.wire import Wire
from search.follow import Follower
from tests.bench.meter import cpu_s, peak_mb


def rebuild(wire: Wire) -> tuple[int, int, float, float, str]:
    """(events, documents, seconds, CPU seconds, index) of one run of the follower from zero."""
    indexes = wire.indexes()
    name = indexes.create()
    began, began_cpu = time.monotonic(), cpu_s()
    done = Follower(wire.reader(), indexes.open(name), wire.projector()).run_to_end()
    return done.events, done.documents, time.monotonic() - began, cpu_s() - began_cpu, name


def captured(wire: Wire) -> list[Any]:
    """The bulk requests of a rebuild."""
    indexes: Any = wire.indexes()
    client, requests = indexes._client, []
    bulk = client.bulk

    def keep(**asked: Any) -> Any:
        requests.append(asked["operations"])
        return bulk(**asked)

    client.bulk = keep
    index = indexes.open(indexes.create())
    Follower(wire.reader(), index, wire.projector()).run_to_end()
    return requests


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
    requests = captured(wire)
    settle_memory()
    ours, limit = [], []
    for _ in range(asked["repeats"]):
        ours.append(rebuild(wire))
        limit += [replay(wire, requests), replay(wire, requests)]
        ours.append(rebuild(wire))
    events, documents = ours[0][:2]
    print(json.dumps({
        "events": events, "documents": documents, "rebuild_s": [one[2] for one in ours],
        "cpu_s": [one[3] for one in ours], "bulk_s": limit, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
