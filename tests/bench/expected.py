"""What a log holds, partition by partition, small enough to keep: a count and a running hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any


@dataclass(slots=True)
class Expected:
    """What a partition must hold: how many, and a hash over all in order."""

    count: int = 0
    running: Any = field(default_factory=sha256)

    def add(self, item: bytes) -> None:
        """The next item in order."""
        self.count += 1
        self.running.update(sha256(item).digest())


def expected_of(items: Mapping[int, Iterable[bytes]]) -> dict[int, Expected]:
    """What partitions with these items hold."""
    out: dict[int, Expected] = {}
    for partition, of in items.items():
        one = out[partition] = Expected()
        for item in of:
            one.add(item)
    return out


def difference(wanted: dict[int, Expected], got: dict[int, Expected]) -> str:
    """"" when every partition holds exactly what it must, in order; else what differs."""
    for partition, one in sorted(wanted.items()):
        other = got.get(partition, Expected())
        if other.count != one.count:
            return f"partition {partition}: {other.count} events, not {one.count}"
        if other.running.digest() != one.running.digest():
            return f"partition {partition}: other events, or in another order"
    return ""
