"""Which key records of a backup may come back: not those that were erased since (PROTOCOL K3).

Owns the look into the archive, with the keys of the backup, for what was erased by right. Nothing
is written: a key that must not come back is in no keyring while it is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from archive.disposition import survey
from archive.keyring import Keyring
from infra.wire import Wire
from schemas.errors import Missing, Refused


@dataclass(frozen=True, slots=True)
class LeftOut:
    """`names`: key records that were erased; `doubts`: why there may be more, in words."""

    names: frozenset[str] = frozenset()
    doubts: tuple[str, ...] = ()


class Both:
    """Implements `archive.keyring.Keyring`: a keyring, and behind it the records of a backup. Both
    are read and neither is written to."""

    def __init__(self, live: Keyring, kept: Mapping[str, bytes]) -> None:
        self._live, self._kept = live, kept

    def create(self, name: str, record: bytes) -> None:
        """Refused."""
        raise Refused(f"{name} is not made while a backup is read")

    def read(self, name: str) -> bytes:
        """See Keyring."""
        try:
            return self._live.read(name)
        except Missing:
            found = self._kept.get(name)
            if found is None:
                raise
            return found

    def names(self, prefix: str = "") -> Iterator[str]:
        """See Keyring."""
        yield from sorted({one for one in (*self._live.names(prefix), *self._kept)
                           if one.startswith(prefix)})

    def replace(self, name: str, was: bytes, record: bytes) -> None:
        """Refused."""
        raise Refused(f"{name} is not changed while a backup is read")

    def destroy(self, name: str) -> None:
        """Refused."""
        raise Refused(f"{name} is not destroyed while a backup is read")


def left_out(wire: Wire, records: Mapping[str, bytes], missing: Iterable[str]) -> LeftOut:
    """Which of `missing`, names in `records` that would come back, were erased. The archive of
    `wire` is read for it, once, and not at all where nothing would come back. Raises Halt,
    Transient and Refused where it cannot be read."""
    wanted = frozenset(missing)
    if not wanted:
        return LeftOut()
    seeing = Wire(wire.config, wire.clock, wire.random)
    # In the place of the properties that are cached.
    vars(seeing)["keyring"] = Both(wire.keyring, records)
    if "store" in vars(wire):
        vars(seeing)["store"] = wire.store
    found = survey(seeing.reader())
    if not found.ends:
        return LeftOut(doubts=("there is no archive here yet, and only the archive says which keys "
                               "were erased",))
    return LeftOut(wanted & found.record.erased, tuple(sorted(found.doubts)))
