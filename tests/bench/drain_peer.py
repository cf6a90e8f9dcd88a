"""One drain by the peer, measured: `python -m tests.bench.drain_peer ARGUMENTS`.

mq-bridge (a Rust core behind a thin Python binding) takes the same events, or bare webhooks, in
the clear from the same Kafka: zstd, AES-256-GCM, objects in the same S3 named by source position.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import mq_bridge

from tests.bench.expected import Expected
from tests.bench.meter import cpu_s, peak_mb


def drain(route_configuration: dict[str, Any]) -> dict[str, Any]:
    """One run of a route until its source is empty."""
    route = mq_bridge.Route.from_config(route_configuration)
    began_cpu, began = cpu_s(), time.monotonic()
    route.start()
    route.join()
    return {"cpu_s": cpu_s() - began_cpu, "wall_s": time.monotonic() - began,
            "peak_mb": peak_mb()}


def read_back(source: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    """What lies in the objects, by partition: how many, and a hash over all in order.

    Objects are named by partition and offset, and read in order of the name: a partition's items
    are `counts` long, unless some are lost or doubled, and then the hashes differ.
    """
    consumer = mq_bridge.Consumer.from_config({"object_store": source})
    got = {partition: Expected() for partition in counts}
    order = iter(sorted(counts, key=int))
    partition = next(order)
    with consumer:
        while not consumer.exhausted:
            batch = consumer.poll(max=5000, timeout_ms=3000)
            if not batch:
                break
            for message in batch:
                if got[partition].count == counts[partition]:
                    partition = next(order, partition)
                got[partition].add(message.payload)
            consumer.commit()
    return {partition: [one.count, one.running.hexdigest()] for partition, one in got.items()}


def main() -> None:
    """ARGUMENTS: {route} to drain, or {source, counts} to read back."""
    asked: dict[str, Any] = json.loads(sys.argv[1])
    found = (drain(asked["route"]) if "route" in asked
             else read_back(asked["source"], asked["counts"]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
