"""A consumer group without a server: locks on files, released by the kernel when a member dies.

Owns who reads which partition of an embedded log. A member holds the exclusive lock of a member
file, which is how the others count it, and one of each partition that it owns.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from infra.embedded import folder

# How often a member looks whether others came or went.
BALANCE_S: Final = 0.1


class GroupMember:
    """One member; `balance` is called before each read. Not for several threads."""

    def __init__(self, root: Path, partitions: int) -> None:
        folder.make_folder(root)
        self._root = root
        self._partitions = partitions
        self._slot: tuple[int, int] | None = None     # (number, handle)
        self._owned: dict[int, int] = {}              # partition -> handle
        self._balanced_at: float | None = None

    def is_due(self, now_s: float) -> bool:
        """Whether `balance` would look again."""
        return self._balanced_at is None or now_s - self._balanced_at >= BALANCE_S

    def balance(self, now_s: float) -> frozenset[int]:
        """Take a fair share of the partitions, release what is over it; returns what we own.

        A partition is given up only here, so its owner knows before the next one can read it.
        """
        if self.is_due(now_s):
            self._balanced_at = now_s
            share = self._share()
            for partition in sorted(self._owned, reverse=True)[:max(0, len(self._owned) - share)]:
                os.close(self._owned.pop(partition))
            for partition in range(self._partitions):
                if len(self._owned) >= share:
                    break
                self._take(partition)
        return frozenset(self._owned)

    def leave(self) -> None:
        """Release everything."""
        for handle in self._owned.values():
            os.close(handle)
        self._owned.clear()
        if self._slot is not None:
            os.close(self._slot[1])
            self._slot = None

    def _share(self) -> int:
        """How many partitions are ours: all members that see the same group add up to all."""
        if self._slot is None:
            self._slot = self._free_slot()
        if self._slot is None:
            return 0                    # more members than partitions: the others wait
        number = self._slot[0]
        living = [one for one in range(self._partitions) if one == number or self._lives(one)]
        whole, rest = divmod(self._partitions, len(living))
        return whole + (1 if living.index(number) < rest else 0)

    def _free_slot(self) -> tuple[int, int] | None:
        for number in range(self._partitions):
            handle = self._locked(f"member-{number}", fcntl.LOCK_EX)
            if handle is not None:
                return number, handle
        return None

    def _lives(self, number: int) -> bool:
        # Shared, so that two members who look at once do not take each other for a third.
        handle = self._locked(f"member-{number}", fcntl.LOCK_SH)
        if handle is None:
            return True
        os.close(handle)
        return False

    def _take(self, partition: int) -> None:
        if partition not in self._owned:
            handle = self._locked(f"partition-{partition}", fcntl.LOCK_EX)
            if handle is not None:
                self._owned[partition] = handle

    def _locked(self, name: str, mode: int) -> int | None:
        handle = os.open(self._root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle
