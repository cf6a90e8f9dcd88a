"""How long an answer takes, and where: in the server, on the way to it, in our Python.

Owns the taking of time around the client's requests. A question that is asked again is a new one
here: what the server keeps of answers is asked to stay out of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

from elasticsearch import Elasticsearch


@dataclass(slots=True)
class Requests:
    """What was asked of the server since the last `taken`. Seconds; `took` as the server says."""

    count: int = 0
    wall_s: float = 0.0
    took_s: float = 0.0


class Meter:
    """Every request of one client, measured."""

    def __init__(self, client: Elasticsearch) -> None:
        self._now = Requests()
        perform: Callable[..., Any] = client.transport.perform_request

        def measured(method: str, target: str, **more: Any) -> Any:
            if "/_search" in target:
                target += ("&" if "?" in target else "?") + "request_cache=false"
            began = time.perf_counter()
            answer = perform(method, target, **more)
            self._now.wall_s += time.perf_counter() - began
            self._now.count += 1
            if isinstance(answer.body, dict):
                self._now.took_s += answer.body.get("took", 0) / 1000
            return answer

        client.transport.perform_request = measured  # type: ignore[method-assign]

    def taken(self) -> Requests:
        """Since the last time, and from now on anew."""
        found, self._now = self._now, Requests()
        return found


@dataclass(frozen=True, slots=True)
class Cut:
    """Of many times: ms."""

    p50: float
    p95: float


def cut(seconds: list[float]) -> dict[str, float]:
    """p50 and p95 of some times, as plain data, ms."""
    every = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return asdict(Cut(every[49] * 1000, every[94] * 1000))
