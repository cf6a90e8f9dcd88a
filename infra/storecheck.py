"""What an object store must refuse before a record may lie in it: doctor's and the tests' contract.

Owns the checks (STYLE's negative half, PEERS R6) and the verdict. Everything is written under
`doctor/` with a lock of minutes; what a store that works keeps of it is a few hundred bytes, until
that lock ends. One check asks to suspend versioning, and undoes it at once if the store agrees.

`lifecycle does not expire held objects` cannot be tried in minutes: `infra/s3.check_bucket` reads
the bucket's rules instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol

from archive.store import ObjectStore, ObjectVersion
from schemas.errors import Ambiguous, CounterfoilError, Exists, Missing, Refused

PREFIX: Final = "doctor/"
COMPLIANCE: Final = "COMPLIANCE"
LOCK_MS_MIN: Final = 60_000
LOCK_MS_MAX: Final = 86_400_000
LOCK_MS: Final = 10 * 60_000
# Longer apart than this, and a lock's end means another moment to the store than to us.
CLOCK_MS_MAX: Final = 5 * 60_000
RIVALS: Final = 20
_BODY: Final = bytes(range(256)) * 4


class StoreAdversary(Protocol):
    """What somebody with the bucket's credentials can try. Each call returns when the store
    allowed it, raises Refused when the store said no, Transient when it said nothing."""

    def delete_version(self, key: str, version_id: str, *, bypass: bool) -> None:
        """Delete one version, claiming the right to bypass governance if `bypass`."""

    def delete_versions(self, keys: list[tuple[str, str]]) -> None:
        """Delete named versions in bulk."""

    def add_marker(self, key: str) -> None:
        """Delete without naming a version: a marker on top."""

    def put_over(self, key: str, body: bytes) -> str:
        """Put unconditionally; the version id."""

    def put_damaged(self, key: str, body: bytes, other: bytes) -> None:
        """Put `body` under the checksum of `other`."""

    def set_retention(self, key: str, version_id: str, mode: str, retain_until: int, *,
                      bypass: bool) -> None:
        """Replace the lock of a version (UTC ms)."""

    def clear_retention(self, key: str, version_id: str) -> None:
        """Empty the lock of a version."""

    def suspend_versioning(self) -> None:
        """Stop keeping versions."""

    def resume_versioning(self) -> None:
        """Keep versions again."""


@dataclass(frozen=True, slots=True)
class StoreUnderTest:
    """A store and, where it claims to prevent, the hand that tries. Without one (a folder), the
    checks that need it are reported as not prevented, and the verdict is "detects only"."""

    store: ObjectStore
    adversary: StoreAdversary | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check. `required` false: a folder cannot pass it, and is not refused for it."""

    name: str
    passed: bool
    detail: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """`safe`: the system may start on this store. `text`: prevents | detects only | unsafe."""

    safe: bool
    text: str


def check(under_test: StoreUnderTest, *, clock: Callable[[], int],
          random: Callable[[int], bytes], lock_ms: int = LOCK_MS) -> list[CheckResult]:
    """Every check, in the order of `CHECKS`. Raises nothing that a check can report: a store that
    gives no answer fails the check, with the reason. `lock_ms`: 1 minute to 1 day."""
    if not LOCK_MS_MIN <= lock_ms <= LOCK_MS_MAX:
        raise Refused(f"a lock of {lock_ms} ms; {LOCK_MS_MIN} to {LOCK_MS_MAX} are allowed")
    run = _Run(under_test.store, f"{PREFIX}{random(8).hex()}/", clock, lock_ms)
    results = [_attempt(name, partial(one, run)) for name, one in CHECKS.items()]
    hand = under_test.adversary
    for name, prevention in PREVENTIONS.items():
        results.append(_attempt(name, partial(prevention, run, hand)) if hand else CheckResult(
            name, False, "detects only: whoever owns the folder can do it", required=False))
    return results


def check_hold(under_test: StoreUnderTest, *, clock: Callable[[], int],
               random: Callable[[int], bytes], lock_ms: int = LOCK_MS) -> CheckResult:
    """Whether these credentials can put a legal hold, see it, and end it. Never required: a store
    may be used without, and then a hold keeps keys alone."""
    run = _Run(under_test.store, f"{PREFIX}{random(8).hex()}/", clock, lock_ms)
    found = _attempt("legal_hold", partial(_hold, run, under_test.adversary))
    return replace(found, required=False)


def verdict(results: Iterable[CheckResult]) -> Verdict:
    """What the results mean together."""
    results = list(results)
    if any(one.required and not one.passed for one in results):
        return Verdict(False, "unsafe")
    if any(not one.passed for one in results):
        return Verdict(True, "detects only")
    return Verdict(True, "prevents")


@dataclass(slots=True)
class _Run:
    """One run's place in the store."""

    store: ObjectStore
    prefix: str
    clock: Callable[[], int]
    lock_ms: int

    def put(self, name: str, body: bytes = _BODY) -> tuple[str, str, int]:
        """A new locked object: (key, version id, retain-until)."""
        key, until = self.prefix + name, self.clock() + self.lock_ms
        return key, self.store.put_once(key, body, until), until

    def listed(self, key: str) -> list[ObjectVersion]:
        """What lies at `key`, newest first."""
        return [one for one in self.store.versions(key) if one.key == key]

    def intact(self, key: str, version_id: str) -> bool:
        """Whether the version that we recorded still gives our bytes, and is listed."""
        try:
            body = self.store.get(key, version_id)
        except Missing:
            return False
        return body == _BODY and version_id in {one.version_id for one in self.listed(key)}


class _Failed(Exception):
    """A check's answer is no; the text says why."""


def _attempt(name: str, one: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name, True, one())
    except _Failed as failed:
        return CheckResult(name, False, str(failed))
    except CounterfoilError as error:
        # A store that answers nothing, or something else than the port allows, has not passed.
        return CheckResult(name, False, f"{type(error).__name__}: {error}")


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise _Failed(otherwise)


def _refused(act: Callable[[], object]) -> str:
    """How the store answered an attempt that must have no effect."""
    try:
        act()
    except Refused as refusal:
        return f"refused: {refusal}"
    return "answered yes, but nothing happened"


# ---- what every store must do, through the port alone

def _reads_back(run: _Run) -> str:
    key, version_id, _ = run.put("reads-back")
    _require(run.store.get(key) == _BODY, "the latest version gives other bytes")
    _require(run.intact(key, version_id), "the version gives other bytes, or is not listed")
    return "the bytes come back, and the version is listed"


def _lock_recorded(run: _Run) -> str:
    key, version_id, until = run.put("lock")
    lock = run.store.lock(key, version_id)
    _require(lock.mode in (COMPLIANCE, "FOLDER"), f"the lock's mode is {lock.mode!r}")
    _require(until <= lock.retain_until <= until + 1000,
             f"the lock ends {lock.retain_until - until} ms after the time asked for")
    return f"{lock.mode} until the time asked for"


def _no_lock_unasked(run: _Run) -> str:
    key = run.prefix + "no-lock"
    lock = run.store.lock(key, run.store.put_once(key, b"1", None))
    _require(lock.mode == "", f"an object without a lock has {lock.mode}: a default retention")
    return "an object that asks for no lock has none"


def _second_put(run: _Run) -> str:
    key, version_id, until = run.put("second-put")
    try:
        run.store.put_once(key, b"another", until)
    except Exists:
        _require(run.intact(key, version_id), "refused, but the first body is gone")
        return "the conditional put is refused"
    raise _Failed("a second conditional put of one key succeeded")


def _one_of_many(run: _Run) -> str:
    key, until = run.prefix + "race", run.clock() + run.lock_ms
    bodies = [b"rival %d" % number for number in range(RIVALS)]

    def rival(body: bytes) -> bytes | None:
        try:
            run.store.put_once(key, body, until)
        except Exists:
            return None
        return body

    with ThreadPoolExecutor(RIVALS) as pool:
        attempts = [pool.submit(rival, body) for body in bodies]
    undecided = [one for one in attempts if isinstance(one.exception(), Ambiguous)]
    winners = [one.result() for one in attempts if one.exception() is None and one.result()]
    stored = run.listed(key)
    _require(len(stored) == 1, f"{len(stored)} versions of one key were stored")
    _require(len(winners) == 1 or (not winners and bool(undecided)),
             f"{len(winners)} of {RIVALS} were told that they had won")
    _require(not winners or run.store.get(key) == winners[0], "the winner's body is not stored")
    return f"of {RIVALS} at once, one won"


def _ranges(run: _Run) -> str:
    key, version_id, _ = run.put("range")
    for start, length in ((0, 1), (0, 256), (255, 2), (1000, 24), (1000, 500), (1023, 1)):
        found = run.store.get(key, version_id, start, length)
        _require(found == _BODY[start:start + length],
                 f"bytes {start} to {start + length} came as {len(found)} others")
    _require(run.store.get(key, version_id, 1000) == _BODY[1000:], "an open range is wrong")
    return "ranges are exact"


def _listing(run: _Run) -> str:
    # The shapes of archive/layout.py: partitions of one and two digits, attempts at one offset,
    # and a topic whose name begins another's: "." comes before "/".
    names = [f"list/{place}" for place in (
        "topic.b/0/00000000000000000000.avro", "topic/0/00000000000000000000.avro",
        "topic/0/00000000000000000007.1.avro", "topic/0/00000000000000000007.avro",
        "topic/1/00000000000000000000.avro", "topic/10/00000000000000000000.avro",
        "topic/2/00000000000000000000.avro")]
    for name in reversed(names):
        run.put(name, b"1")
    prefix = run.prefix + "list/"
    wanted = sorted((run.prefix + name for name in names), key=str.encode)
    for place in range(len(wanted) + 1):
        after = wanted[place - 1] if place else ""
        found = [one.key for one in run.store.versions(prefix, after)]
        _require(found == wanted[place:], f"after {after[len(prefix):] or 'nothing'!r} the listing "
                                          f"gives {len(found)} of {len(wanted) - place} keys, "
                                          "or in another order")
    return "in the order of the keys' bytes, from any key on"


def _clock_agrees(run: _Run) -> str:
    key, version_id, _ = run.put("clock")
    modified = next(one.modified for one in run.listed(key) if one.version_id == version_id)
    apart = modified - run.clock()
    _require(abs(apart) <= CLOCK_MS_MAX, f"the store's clock is {apart // 1000} s from ours")
    return f"the store's clock is within {CLOCK_MS_MAX // 60_000} minutes of ours"


def _hold(run: _Run, hand: StoreAdversary | None) -> str:
    key = run.prefix + "hold"
    version_id = run.store.put_once(key, _BODY, None)
    try:
        run.store.set_legal_hold(key, version_id, on=True)
    except CounterfoilError as error:
        raise _Failed(f"these credentials cannot put a legal hold: {error}. The indexer's need "
                      "s3:PutObjectLegalHold and s3:GetObjectLegalHold "
                      "(infra/examples/s3/indexer.json); without them a hold keeps keys, and the "
                      "store may lose objects") from error
    try:
        _require(run.store.lock(key, version_id).legal_hold,
                 "a legal hold was put, and the store does not say so: it ignores it, or these "
                 "credentials lack s3:GetObjectLegalHold")
        if hand is not None:
            _refused(lambda: hand.delete_version(key, version_id, bypass=True))
            _require(run.intact(key, version_id), "an object under a legal hold was deleted")
    finally:
        # What was tried must not stay held for ever.
        with suppress(Missing):
            run.store.set_legal_hold(key, version_id, on=False)
    _require(not run.store.lock(key, version_id).legal_hold, "a legal hold cannot be ended")
    return "comes, keeps what it is on, and goes" if hand else "comes and goes"


CHECKS: Final[dict[str, Callable[[_Run], str]]] = {
    "body_reads_back": _reads_back,
    "lock_is_recorded": _lock_recorded,
    "no_default_lock": _no_lock_unasked,
    "second_put_refused": _second_put,
    "one_of_many_puts_wins": _one_of_many,
    "ranges_are_exact": _ranges,
    "listing_is_ordered": _listing,
    "clock_agrees": _clock_agrees,
}


# ---- what only a store with locks can prevent

def _damaged_put(run: _Run, hand: StoreAdversary) -> str:
    key = run.prefix + "checksum"
    said = _refused(lambda: hand.put_damaged(key, b"the bytes that arrived", b"the bytes sent"))
    _require(not run.listed(key), "a body under another body's SHA-256 was stored")
    return said


def _delete(run: _Run, hand: StoreAdversary) -> str:
    key, version_id, _ = run.put("delete")
    said = _refused(lambda: hand.delete_version(key, version_id, bypass=False))
    _require(run.intact(key, version_id), "a locked version was deleted")
    return said


def _delete_bypass(run: _Run, hand: StoreAdversary) -> str:
    key, version_id, _ = run.put("delete-bypass")
    said = _refused(lambda: hand.delete_version(key, version_id, bypass=True))
    _require(run.intact(key, version_id), "a locked version was deleted with the bypass header")
    return said


def _bulk_delete(run: _Run, hand: StoreAdversary) -> str:
    key, version_id, _ = run.put("bulk")
    said = _refused(lambda: hand.delete_versions([(key, version_id)]))
    _require(run.intact(key, version_id), "a locked version was deleted in bulk")
    return said


def _unchanged(run: _Run, name: str, tampering: Callable[[str, str, int], object]) -> str:
    key, version_id, _ = run.put(name)
    before = run.store.lock(key, version_id)
    said = _refused(lambda: tampering(key, version_id, before.retain_until))
    after = run.store.lock(key, version_id)
    _require(before == after, f"the lock became {after.mode or 'none'}, "
                              f"{(after.retain_until - before.retain_until) // 1000} s later")
    return said


def _shorten(run: _Run, hand: StoreAdversary) -> str:
    return _unchanged(run, "shorten", lambda key, version_id, until: hand.set_retention(
        key, version_id, COMPLIANCE, until - run.lock_ms // 2, bypass=True))


def _downgrade(run: _Run, hand: StoreAdversary) -> str:
    return _unchanged(run, "downgrade", lambda key, version_id, until: hand.set_retention(
        key, version_id, "GOVERNANCE", until, bypass=True))


def _empty(run: _Run, hand: StoreAdversary) -> str:
    return _unchanged(run, "empty", lambda key, version_id, until: hand.clear_retention(
        key, version_id))


def _extend(run: _Run, hand: StoreAdversary) -> str:
    key, version_id, until = run.put("extend")
    later = until + 60_000
    hand.set_retention(key, version_id, COMPLIANCE, later, bypass=False)
    lock = run.store.lock(key, version_id)
    _require(lock.mode == COMPLIANCE and later <= lock.retain_until <= later + 1000,
             "an extended lock does not say so")
    return "a lock can be made longer"


def _marker(run: _Run, hand: StoreAdversary) -> str:
    key, version_id, until = run.put("marker")
    hand.add_marker(key)
    _require(run.intact(key, version_id), "a delete marker took the version below it away")
    found = run.listed(key)
    _require(len(found) == 2 and found[0].is_delete_marker and found[0].is_latest,
             "the marker is not listed over the version")
    try:
        run.store.put_once(key, b"over the marker", until)
        then = "the conditional put passes over a marker, so listings must show versions"
    except Exists:
        then = "the conditional put is refused under a marker too"
    _require(run.intact(key, version_id), "a put over the marker took the first version away")
    return then


def _second_version(run: _Run, hand: StoreAdversary) -> str:
    key, version_id, _ = run.put("second-version")
    before = run.store.lock(key, version_id)
    try:
        hand.put_over(key, b"a younger version")
    except Refused as refusal:
        return f"an unconditional put is refused: {refusal}"
    _require(run.intact(key, version_id), "an unconditional put took the first version away")
    _require(run.listed(key)[-1].version_id == version_id, "the first version is not the oldest")
    _require(run.store.lock(key, version_id) == before, "a younger version changed the lock")
    said = _refused(lambda: hand.delete_version(key, version_id, bypass=True))
    _require(run.intact(key, version_id), "a younger version unlocked the first one")
    return f"the first version stays, locked; {said}"


def _suspend(run: _Run, hand: StoreAdversary) -> str:
    try:
        hand.suspend_versioning()
    except Refused as refusal:
        return f"refused: {refusal}"
    hand.resume_versioning()
    raise _Failed("versioning was suspended; it was turned on again at once")


PREVENTIONS: Final[dict[str, Callable[[_Run, StoreAdversary], str]]] = {
    "damaged_put_refused": _damaged_put,
    "delete_refused": _delete,
    "delete_with_bypass_refused": _delete_bypass,
    "bulk_delete_refused": _bulk_delete,
    "lock_not_shortened": _shorten,
    "lock_not_downgraded": _downgrade,
    "lock_not_emptied": _empty,
    "lock_can_be_extended": _extend,
    "marker_does_not_hide_the_version": _marker,
    "second_version_does_not_unlock": _second_version,
    "versioning_not_suspended": _suspend,
}

