"""Reading one request body: bounded in size, time, number and in what all together may hold.

Owns the refusals for that, each with the status that it becomes. A stated Content-Length is only
good for refusing early; what counts is what arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

# How much of a refused body is still read and thrown away, in multiples of what is accepted: a
# sender whose connection is cut while it sends may never see the answer.
_DISCARD_FACTOR: Final = 4


class BodyRefused(Exception):
    """The body is not taken. `status` is the HTTP answer; `ended` says that all of it has arrived
    and was thrown away, so that the connection can be used again."""

    status = 400

    def __init__(self, ended: bool = False) -> None:
        super().__init__(self.status)
        self.ended = ended


class BodyTooLarge(BodyRefused):
    """Over the limit: never stored, so the caller raises the gap alarm."""

    status = 413


class BodyTooSlow(BodyRefused):
    """It did not arrive in time."""

    status = 408


class BodyBusy(BodyRefused):
    """All bodies together are at their limit; the sender comes again."""

    status = 503


@dataclass(slots=True)
class BodyBudget:
    """Bytes that requests under way may hold together, and how many bodies are read at a time.

    One body too many and the one that has been coming for longest is given up: a body of ours is
    here within milliseconds, one that trickles to hold the door shut is not.
    """

    bytes_max: int
    readers_max: int
    taken: int = 0
    _reading: dict[asyncio.Timeout, None] = field(default_factory=dict)

    def begin(self, deadline: asyncio.Timeout, now: float) -> None:
        """A body is read from now on (loop time), until `deadline`; the caller calls `end`."""
        while len(self._reading) >= self.readers_max:
            oldest = next(iter(self._reading))
            del self._reading[oldest]
            if not oldest.expired():
                oldest.reschedule(now)  # 408
        self._reading[deadline] = None

    def end(self, deadline: asyncio.Timeout) -> None:
        """It is read, or refused."""
        self._reading.pop(deadline, None)


async def read_body(chunks: AsyncIterator[bytes], stated: str | None, bytes_max: int,
                    seconds_max: float, budget: BodyBudget) -> bytes:
    """The whole body, or a BodyRefused. The caller gives the budget `len(body)` back when it is
    done with it; a refused body has given back its own.

    `stated` is the Content-Length header.
    """
    refused: type[BodyRefused] | None = None
    if stated and stated.isascii() and stated.isdigit() and int(stated[:20]) > bytes_max:
        refused = BodyTooLarge
    read: list[bytes] = []
    size = held = 0
    try:
        async with asyncio.timeout(seconds_max) as deadline:
            budget.begin(deadline, asyncio.get_running_loop().time())
            try:
                async for chunk in chunks:
                    size += len(chunk)
                    if refused is None:
                        held += len(chunk)
                        budget.taken += len(chunk)
                        read.append(chunk)
                        refused = _refusal(size, bytes_max, budget)
                    if refused is not None:
                        read.clear()
                        budget.taken -= held
                        held = 0
                        if size > _DISCARD_FACTOR * bytes_max:
                            raise refused
            finally:
                budget.end(deadline)
    except TimeoutError as error:
        budget.taken -= held
        raise (refused or BodyTooSlow)() from error
    except BaseException:
        budget.taken -= held
        raise
    if refused is not None:
        raise refused(ended=True)
    return b"".join(read)


def _refusal(size: int, bytes_max: int, budget: BodyBudget) -> type[BodyRefused] | None:
    if size > bytes_max:
        return BodyTooLarge
    return BodyBusy if budget.taken > budget.bytes_max else None
