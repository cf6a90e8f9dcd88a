"""Named faults, each both ways, and the death of a process: what the fakes are told to do.

Deterministic: a fault is armed for the n-th call of an operation and fires once. A table, so that
a test can go through all of it: `for name in FAULTS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from schemas.errors import Ambiguous, CounterfoilError, Transient

T = TypeVar("T")

OPERATIONS: Final = (
    "log.append", "log.identity", "log.poll", "log.commit", "log.bounds", "log.fetch", "log.trim",
    "store.put_once", "store.versions", "store.get", "store.lock",
    "store.extend",
    "keyring.create", "keyring.read", "keyring.names", "keyring.replace", "keyring.destroy",
    "keys.wrap", "keys.unwrap",
    "index.get", "index.put", "index.cursor", "index.state", "index.search", "index.swap",
    "words.add", "words.since", "words.remove",
    "latest.load", "latest.swap",
)
# What a caller cannot tell apart from "not done" is Ambiguous, whichever way it went.
_WRITES: Final = frozenset({
    "log.append", "store.put_once", "keyring.create", "keyring.replace", "keyring.destroy",
    "index.put", "index.cursor", "index.swap", "words.add", "words.remove", "latest.swap",
})


class Killed(BaseException):
    """The process died here: no handler of the code under test may catch it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a call: whether it is applied, and what its caller sees."""

    operation: str
    applied: bool
    raises: type[CounterfoilError | Killed]


def _table() -> dict[str, Fault]:
    table = {}
    for operation in OPERATIONS:
        name = operation.replace(".", "_")
        unclear: type[CounterfoilError] = Ambiguous if operation in _WRITES else Transient
        table[f"{name}_not_applied"] = Fault(operation, False, unclear)
        table[f"{name}_applied_but_error"] = Fault(operation, True, unclear)
        table[f"{name}_killed_before"] = Fault(operation, False, Killed)
        table[f"{name}_killed_after"] = Fault(operation, True, Killed)
    return table


FAULTS: Final = _table()


class FaultPlan:
    """Which calls go wrong. One plan can be shared by all fakes of a test."""

    def __init__(self) -> None:
        self._armed: dict[tuple[str, int], Fault] = {}
        self._before: dict[tuple[str, int], Callable[[], object]] = {}
        self.calls: Counter[str] = Counter()
        self.fired: list[Fault] = []

    def arm(self, name: str, nth: int = 1) -> None:
        """The `nth` call from now on of the fault's operation goes wrong, once."""
        fault = FAULTS[name]
        self._armed[fault.operation, self.calls[fault.operation] + nth] = fault

    def before(self, operation: str, act: Callable[[], object], nth: int = 1) -> None:
        """Run `act` just before the `nth` call from now: somebody else who is faster."""
        assert operation in OPERATIONS, f"unknown operation {operation}"
        self._before[operation, self.calls[operation] + nth] = act

    def idle(self) -> bool:
        """Whether everything that was armed has fired."""
        return not self._armed and not self._before

    def run(self, operation: str, apply: Callable[[], T]) -> T:
        """Called by the fakes: one call of `operation`."""
        self.calls[operation] += 1
        at = (operation, self.calls[operation])
        act = self._before.pop(at, None)
        if act is not None:
            act()
        fault = self._armed.pop(at, None)
        if fault is None:
            return apply()
        self.fired.append(fault)
        if fault.applied:
            apply()
        raise fault.raises(f"injected: {operation}, applied={fault.applied}")
