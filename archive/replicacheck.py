"""Compares an archive with its second copy and names every difference (`verify --replica`).

Owns what may be said of a copy: the same objects of record, byte for byte, locked at least as long,
the same keys, nothing missing and nothing else. Reads both, changes neither. Whether the first is
in order is `archive/verify.py`'s question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Final

from archive import layout
from archive.authentic import Authenticator
from archive.keyring import Keyring, KeyService, opened
from archive.replica import PREFIXES, Again, Walk, digest_of, records
from archive.store import ObjectStore, ObjectVersion
from schemas.errors import Missing
from schemas.findings import Finding

_KEYS: Final = "keyring/"
_MEND: Final = "; `counterfoil replicate --once` puts it there"


@dataclass(frozen=True, slots=True)
class Compared:
    """The two, and how they are to be read. `lock_mode`: what the copy's locks are called. What is
    younger than `lag_ms` may wait for the next turn. `locks_due`: by when (UTC ms) a turn has
    compared the locks again; till then a lock that grew, or a hold that was put, may be missing
    where the copy's own lock keeps the object for longer than that."""

    source: ObjectStore
    target: ObjectStore
    authenticator: Authenticator
    lock_mode: str
    lag_ms: int
    again: Again
    locks_due: int = 0


def compare(two: Compared, now: int,
            progress: Callable[[str], None] = lambda _key: None) -> Iterator[Finding | str]:
    """Findings, and notes as texts. `now`: UTC ms."""
    theirs = Walk(two.target.versions(""))
    waiting = same = unlocked = 0
    for prefix in sorted(PREFIXES):
        for record in records(two.source, two.authenticator, prefix):
            there = theirs.at(record.key)
            yield from _strangers(theirs.passed)
            theirs.passed.clear()
            if not any(not one.is_delete_marker for one in there):
                if now - record.modified < two.lag_ms:
                    waiting += 1
                else:
                    yield Finding("replica_missing", record.key)
                continue
            for found in _differences(two, record, there, now):
                if found is None:
                    unlocked += 1
                else:
                    yield found
            same += 1
            progress(record.key)
    yield from _strangers(theirs.rest())
    yield f"{same} objects of record compared with the copy"
    if waiting:
        yield f"{waiting} objects are not in the copy yet"
    if unlocked:
        yield f"{unlocked} longer locks or legal holds are not on the copy yet"


def compare_keys(source: Keyring, target: Keyring, service: KeyService, erased: frozenset[str],
                 lag_ms: int, now: int) -> Iterator[Finding | str]:
    """The same for the key records. `erased`: names that a signed erasure lists."""
    sides = merge(((name, 0) for name in source.names()), ((name, 1) for name in target.names()))
    waiting = otherwise = 0
    for name, group in groupby(sides, lambda side: side[0]):
        where = {side for _, side in group}
        if name in erased:
            if 1 in where:
                yield Finding("replica_key_kept", name)
        elif where == {1}:
            yield Finding("replica_foreign", f"{_KEYS}{name}",
                          "only the copy has this key record: no erasure names it, so it may be "
                          "lost where it should be")
        else:
            how = _key(source, target, service, name)
            if how == "missing" and _is_young(source, service, name, now, lag_ms):
                waiting += 1
            elif how == "otherwise":
                otherwise += 1
            elif how:
                yield Finding(f"replica_key_{how}", name)
    if waiting:
        yield f"{waiting} key records are not in the copy yet"
    if otherwise:
        yield f"{otherwise} key records are wrapped otherwise in the copy, and hold the same keys"


def _key(source: Keyring, target: Keyring, service: KeyService, name: str) -> str:
    """How the copy's record differs: "" | missing | differs | otherwise (only in its wrap)."""
    try:
        ours = source.read(name)
    except Missing:
        return ""  # destroyed while it was compared
    try:
        theirs = target.read(name)
    except Missing:
        return "missing"
    if ours == theirs:
        return ""
    here, there = opened(ours, name, service), opened(theirs, name, service)
    is_same = here is not None and there is not None and here.may_replace(there)
    return "otherwise" if is_same else "differs"


def _is_young(keyring: Keyring, service: KeyService, name: str, now: int, lag_ms: int) -> bool:
    """Whether the next turn is the first that could have copied a record. One that does not open,
    or is of a time far to come, waits for nothing."""
    try:
        record = opened(keyring.read(name), name, service)
    except Missing:
        return True  # destroyed while it was compared
    return record is not None and abs(now - record.created_at) < lag_ms


def _differences(two: Compared, record: ObjectVersion,
                 there: list[ObjectVersion], now: int) -> Iterator[Finding | None]:
    ours = digest_of(two.source, record, two.again)
    match = next((one for one in reversed(there) if not one.is_delete_marker
                  and one.size == record.size
                  and digest_of(two.target, one, two.again) == ours), None)
    if match is None:
        yield Finding("replica_differs", record.key)
    else:
        yield from _lock(two, record, match, now)
    for one in there:
        if one.is_delete_marker:
            yield Finding("replica_foreign", one.key, f"delete marker {one.version_id}")
        elif match is not None and one is not match:
            yield Finding("replica_foreign", one.key, f"another version {one.version_id}")


def _lock(two: Compared, record: ObjectVersion, match: ObjectVersion,
          now: int) -> Iterator[Finding | None]:
    """Null = it waits for the next turn that compares locks, and nothing can be deleted till then.
    """
    try:
        ours = two.source.lock(record.key, record.version_id)
        theirs = two.target.lock(match.key, match.version_id)
    except Missing:
        yield Finding("replica_missing", record.key, "gone while it was compared")
        return
    waits = now < two.locks_due < theirs.retain_until
    if theirs.mode != two.lock_mode:
        yield Finding("replica_lock", record.key, f"mode is {theirs.mode or 'none'}, not "
                                                  f"{two.lock_mode}")
    elif theirs.retain_until // 1000 < ours.retain_until // 1000:
        yield None if waits else Finding("replica_lock", record.key,
                                         f"locked for less than the object itself{_MEND}")
    if ours.legal_hold and not theirs.legal_hold:
        yield None if waits and theirs.mode == two.lock_mode else Finding(
            "replica_lock", record.key, f"the legal hold is not on the copy{_MEND}")


def _strangers(versions: Iterator[ObjectVersion] | list[ObjectVersion]) -> Iterator[Finding]:
    for one in versions:
        if not one.key.startswith(layout.DOCTOR):
            what = "delete marker" if one.is_delete_marker else "version"
            yield Finding("replica_foreign", one.key,
                          f"{what} {one.version_id}: the archive has no such object of record")
