"""A member's joins of its group, none forgotten.

Owns two replacements in kafka-python 3.0.12. It runs a join beside the polls, and
1. throws its answer away when that came between two polls, and joins again: members that poll in
   short steps then make each other rebalance, for minutes;
2. forgets the join when a change of metadata was its only reason: the broker counts us as a
   member, and we never hear what is ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from kafka.coordinator.base import MemberState


def keep_joins(consumer: Any) -> None:
    """Put both right in the one consumer."""
    coordinator = consumer._coordinator
    coordinator.need_rejoin = partial(_need_rejoin, coordinator, coordinator.need_rejoin)
    coordinator.join_group_async = partial(_join, coordinator, coordinator.join_group_async)


def _need_rejoin(coordinator: Any, asked: Any) -> bool:
    return bool(coordinator.rejoining or asked())


async def _join(coordinator: Any, join: Any, timeout_ms: float | None = None) -> bool:
    """As the client's `join_group_async`; an answer that is there already is taken."""
    task = coordinator._join_task
    if task is None or not task.succeeded() or coordinator.state is not MemberState.REBALANCING:
        return bool(await join(timeout_ms=timeout_ms))
    coordinator._join_task = None
    with coordinator._lock:
        coordinator.rejoining = coordinator.rejoin_needed = False
        coordinator.state = MemberState.STABLE
        coordinator._enable_heartbeat()
        mine = coordinator._generation
    await coordinator._on_join_complete_async(mine.generation_id, mine.member_id, mine.protocol,
                                              task.value)
    return True
