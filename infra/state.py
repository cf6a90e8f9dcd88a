"""What each running part says of itself: one small JSON file a role under `run/` (PROTOCOL C7).

Owns those files. No evidence: they may be lost, and a stale one is an alarm, not a fact.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from schemas.findings import Alarm

STALE_MS: Final = 30_000
EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class RoleState:
    """One part's last word. `at` is UTC ms; `facts` are numbers and names, never content."""

    role: str
    pid: int
    at: int
    stopping: bool = False
    alarms: tuple[Alarm, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class StateFolder:
    """The folder `run/` of a data folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "run"

    def write(self, state: RoleState) -> None:
        """Replace a role's file and its gauges; readers never see half of either."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{state.role}.json"
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(asdict(state)), "utf-8")
        temporary.replace(path)
        # Only processes that run on write states; a command that reads them needs no metrics.
        from infra import metrics

        metrics.write(self._folder, state)

    def read(self) -> list[RoleState]:
        """Every role's last word, by role; an unreadable file is left out."""
        out = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                values = json.loads(path.read_text("utf-8"))
                alarms = tuple(Alarm(**one) for one in values.pop("alarms", ()))
                out.append(RoleState(**values, alarms=alarms))
            except (OSError, ValueError, TypeError, AssertionError):
                continue
        return out

    def remove(self, role: str) -> None:
        """A role that ended in order leaves no file."""
        (self._folder / f"{role}.json").unlink(missing_ok=True)
        (self._folder / f"{role}.prom").unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether a process of that id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
