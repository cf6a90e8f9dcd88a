"""CPU and memory of processes that are not ours to instrument, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far, and the peak of resident memory in MB (of several, the peaks' sum)."""

    cpu_s: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Of a process, its children that live (a server runs under a keeper) and every one that it
    waited for. Raises OSError when it is gone."""
    folder = Path("/proc") / str(pid)
    # After the name, which may hold anything.
    numbers = folder.joinpath("stat").read_text("utf-8").rpartition(")")[2].split()
    cpu_s, peak = sum(map(int, numbers[11:15])) / _TICKS, 0.0
    for line in folder.joinpath("status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            peak = int(line.split()[1]) / 1024
    for thread in folder.joinpath("task").iterdir():
        for child in thread.joinpath("children").read_text("ascii").split():
            theirs = usage(int(child))
            cpu_s, peak = cpu_s + theirs.cpu_s, peak + theirs.peak_mb
    return Usage(cpu_s, peak)


def all_usage(pids: Mapping[str, int]) -> dict[str, Usage]:
    """By name."""
    return {name: usage(pid) for name, pid in pids.items()}
