"""Locks of the log that end before the log does are made longer, a few objects at a time.

Owns which objects are due. A proof needs the oldest batch as long as it needs the newest: a log
that outlives its first locks is locked again, one request an object (decision 0031).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archive.retention import DAY_MS
from archive.store import ObjectStore
from archive.tlog.sequence import PREFIX
from schemas.errors import Missing

# An object is looked at once a round, and locked again while its lock has this long to run: far
# longer than a round, so that nobody's holiday lets one end.
ROUND_MS: Final = 30 * DAY_MS
AHEAD_MS: Final = 180 * DAY_MS


@dataclass(frozen=True, slots=True)
class Relocked:
    """One step: the key up to which all were looked at, "" at the end of the round; how many were
    looked at, and how many locked for longer."""

    after: str
    seen: int
    changed: int


def relock(store: ObjectStore, after: str, due: int, until: int, objects_max: int) -> Relocked:
    """Looks at the next `objects_max` objects of the log behind the key `after` ("" = from the
    first), and locks each until `until` whose lock ends before `due` and before `until` (UTC ms).

    Done twice it changes nothing the second time. Raises Transient.
    """
    seen = changed = 0
    last = after
    for version in store.versions(PREFIX, after):
        # A key's versions stay together: `after` leaves out all of one key or none.
        if seen >= objects_max and version.key != last:
            return Relocked(last, seen, changed)
        last = version.key
        seen += 1
        if version.is_delete_marker:
            continue
        try:
            ends = store.lock(version.key, version.version_id).retain_until
            if ends < due and ends < until:
                store.extend(version.key, version.version_id, until)
                changed += 1
        except Missing:
            continue  # a stranger's version that somebody took away meanwhile
    return Relocked("", seen, changed)
