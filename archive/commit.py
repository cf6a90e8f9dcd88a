"""One conditional PUT: the whole commit protocol (PROTOCOL S8).

Owns what each answer of the store means. After `commit` returns, exactly one authentic segment
begins at the expected offset, whoever wrote it, and the caller goes on at its last + 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from archive import layout, segment
from archive.authentic import UNKNOWN_WRITER, Authentic, Authenticator, is_locked, winner
from archive.layout import SegmentName
from archive.seal import Sealed
from archive.store import ObjectStore, ObjectVersion
from schemas import limits
from schemas.errors import Ambiguous, Exists, Halt, Missing, Refused, Transient
from schemas.findings import Finding
from schemas.wire import LogRecord

_OFFSETS_END: Final = 2**63     # what a log can number
_ATTEMPTS_MAX: Final = 8          # junk at the key and all its alternatives: an attack, stop
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)   # then Transient: nothing is decided


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
        self._known_to_ourselves = False

    def commit(self, sealed: Sealed, still_ours: Callable[[], None],
               record_at: Callable[[int], LogRecord | None]) -> Committed:
        """`record_at` gives the log's record at an offset of this partition, or null: what a
        segment of an unknown key is measured by.

        Raises Transient when the store cannot be reached: the same records may be sealed and
        committed again, because an earlier attempt that arrives late takes the same name.

        Raises Halt("store_unsafe") when our own object is there without the lock that we asked
        for, Halt("sealing_key_unknown"), Halt("put_undecided").
        """
        header = sealed.header
        seen: dict[Finding, None] = {}
        for attempt in range(_ATTEMPTS_MAX):
            name = SegmentName(header.topic, header.topic_id, header.partition, header.first,
                               attempt)
            self._check_ourselves(name, sealed)
            found = self._put(name, sealed, still_ours, record_at, seen)
            if found is not None:
                ours = found.segment.sha256 == sealed.sha256
                return Committed(found, ours, tuple(seen))
            # The key is squatted by something that is no segment: alarm, and the next name.
        raise Halt("put_undecided", f"{_ATTEMPTS_MAX} names at offset {header.first} are squatted")

    def _put(self, name: SegmentName, sealed: Sealed, still_ours: Callable[[], None],
             record_at: Callable[[int], LogRecord | None],
             seen: dict[Finding, None]) -> Authentic | None:
        for delay in _BACKOFF_S:
            # Looked at first: over a delete marker a conditional PUT succeeds a second time [R],
            # and the record would lie in two locked versions for years.
            found, taken = self._look(name, sealed, record_at, seen)
            if found is not None or taken:
                return found
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
            # From here either our bytes or somebody's lie at the key, or nothing does. Also after
            # a plain success the store is asked: what it holds is what counts, not what it said.
            found, taken = self._look(name, sealed, record_at, seen)
            if found is not None or taken:
                return found
            self._sleep(delay)  # absent after an ambiguous answer: not applied, try again
        raise Transient(f"segment at offset {name.expected} could not be stored")

    def _look(self, name: SegmentName, sealed: Sealed,
              record_at: Callable[[int], LogRecord | None],
              seen: dict[Finding, None]) -> tuple[Authentic | None, bool]:
        """(the record at this offset, whether this very name is taken by something else)."""
        prefix = layout.partition_prefix(name.topic, name.topic_id, name.partition)
        versions = list(self._store.versions(layout.just_before(prefix, name.expected)))
        found, findings = winner(self._store, self._authenticator, name, versions)
        seen.update(dict.fromkeys(findings))
        if found is not None:
            if is_locked(self._store, found):
                return found, True
            if found.segment.sha256 == sealed.sha256:
                raise Halt("store_unsafe", f"{found.key} is not locked as it was asked for")
            # Words of ours that nothing holds: whoever put them there can take them away. A buffer
            # is dropped for a locked segment only (PROTOCOL S2, S8).
            seen[Finding("lock_missing", found.key,
                         f"version {found.version_id} authenticates and is not locked")] = None
        for finding in findings:
            if finding.detail == UNKNOWN_WRITER and self._knows_the_log(
                    finding.where, versions, record_at):
                # A whole segment for exactly this place by somebody who reads our log. Were it
                # another archiver's of ours, then writing beside it would store every record
                # twice: an operator must look. One that does not know the log is a squatter's
                # (docs/decisions/0012-segments-of-unknown-keys.md).
                raise Halt("sealing_key_unknown", f"{finding.where} holds records of this log and "
                                                  "is signed by a sealing key that this process "
                                                  "does not know")
        # A delete marker takes no name: whoever comes first under it still wins alone.
        taken = any(one.key == name.key() and not one.is_delete_marker for one in versions)
        return None, taken

    def _knows_the_log(self, key: str, versions: Iterable[ObjectVersion],
                       record_at: Callable[[int], LogRecord | None]) -> bool:
        """Whether a segment at `key` names the hash of the very record that it says it ends with:
        nobody can who has not read that record from the log."""
        for version in versions:
            if (version.key != key or version.is_delete_marker
                    or version.size > limits.SEGMENT_OBJECT_BYTES_MAX):
                continue
            try:
                header = segment.decode(self._store.get(key, version.version_id)).header
            except (Refused, Missing):
                continue  # not the one that was named
            record = record_at(header.last) if 0 <= header.last < _OFFSETS_END else None
            if record is not None and sha256(record.value).digest() == header.last_record:
                return True
        return False

    def _check_ourselves(self, name: SegmentName, sealed: Sealed) -> None:
        """Before the first PUT: would we read our own segment? Else eight names get locked junk."""
        if self._known_to_ourselves:
            return
        if layout.read_segment(name.key()) != name:
            raise Halt("put_undecided", f"{name.key()} is no name of a segment")
        try:
            self._authenticator.segment(name, sealed.body)
        except Refused as error:
            raise Halt("sealing_key_unknown", f"our own segment is refused: {error}") from error
        self._known_to_ourselves = True
