"""One conditional PUT: the whole commit protocol (PROTOCOL S8).

Owns what each answer of the store means. After `commit` returns, exactly one authentic segment
begins at the expected offset, whoever wrote it, and the caller goes on at its last + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from archive.authentic import Authentic, Authenticator, winner
from archive.layout import SegmentName
from archive.seal import Sealed
from archive.store import ObjectStore
from schemas.errors import Ambiguous, Exists, Halt, Transient
from schemas.findings import Finding

_ATTEMPTS_MAX: Final = 8          # junk at the key and all its alternatives: an attack, stop
_TRIES_MAX: Final = 6             # then the process stops with the batch undecided and starts anew
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Committed:
    """The segment of record at the expected offset. `ours` is false when a race was lost."""

    authentic: Authentic
    ours: bool
    findings: tuple[Finding, ...]


class Committer:
    """Puts segments. `sleep` takes seconds; `still_ours` is asked before every PUT and raises Halt
    when the log is no longer the one that the batch was read from (PROTOCOL L2)."""

    def __init__(self, store: ObjectStore, authenticator: Authenticator,
                 sleep: Callable[[float], None]) -> None:
        self._store = store
        self._authenticator = authenticator
        self._sleep = sleep

    def commit(self, sealed: Sealed, still_ours: Callable[[], None]) -> Committed:
        """Raises Transient when the store cannot be reached: the same bytes may be tried again."""
        header = sealed.header
        findings: list[Finding] = []
        for attempt in range(_ATTEMPTS_MAX):
            name = SegmentName(header.topic, header.topic_id, header.partition, header.first,
                               attempt)
            found, seen = self._put(name, sealed, still_ours)
            findings += seen
            if found is not None:
                ours = found.segment.sha256 == sha256(sealed.body).digest()
                return Committed(found, ours, tuple(findings))
            # The key is squatted by something that is no segment: alarm, and the next name.
        raise Halt("put_undecided", f"{_ATTEMPTS_MAX} names at offset {header.first} are squatted")

    def _put(self, name: SegmentName, sealed: Sealed, still_ours: Callable[[], None],
             ) -> tuple[Authentic | None, list[Finding]]:
        for delay in _BACKOFF_S:
            still_ours()
            try:
                self._store.put_once(name.key(), sealed.body, sealed.header.retain_until)
            except Exists:
                pass      # somebody's object is there: read who won
            except Ambiguous:
                pass      # perhaps applied: read back; if absent, the same bytes again
            except Transient:
                self._sleep(delay)
                continue  # not applied: the same bytes again
            # From here either our bytes or somebody's lie at the key. Also after a plain success
            # the versions are listed: over a delete marker a conditional PUT succeeds a second
            # time [R], and then the older version is the record, not ours.
            found, findings = winner(self._store, self._authenticator, name)
            if found is not None:
                return found, findings
            if findings:
                return None, findings
            self._sleep(delay)  # absent after an ambiguous answer: not applied, try again
        raise Transient(f"segment at offset {name.expected} could not be stored")
