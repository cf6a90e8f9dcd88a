"""What a process has used: CPU, wall time, memory. Taken inside the process that is measured."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def cpu_s() -> float:
    """CPU seconds of this process, user and system, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """The most memory that this process ever held resident, MB. Not ru_maxrss: that begins with
    what the parent held at the fork."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM: this is not Linux")


def read_bytes() -> int:
    """Bytes that this process, and every child that it waited for, has read from files."""
    for line in Path("/proc/self/io").read_text("ascii").splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise AssertionError("no rchar: this is not Linux")


@dataclass
class Shares:
    """CPU of the calling thread inside wrapped calls, by name. Nested calls count once."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    _inside: bool = False

    def of(self, name: str, call: Callable[P, R]) -> Callable[P, R]:
        """`call`, with its CPU counted under `name`."""
        self.seconds.setdefault(name, 0.0)
        self.calls.setdefault(name, 0)

        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            if self._inside:
                return call(*args, **kwargs)
            self._inside = True
            began = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[name] += time.thread_time() - began
                self.calls[name] += 1
                self._inside = False

        return counted
