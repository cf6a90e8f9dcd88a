"""Who vouches for the log besides its own key: the witnesses and time-stamping authorities of the
configuration.

Owns the way from settings to keys, roots and addresses, and when they are asked. Whether an answer
counts is decided in `archive/tlog` by its signature alone. Optional: one that does not answer is an
alarm and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from archive.tlog import checkpoint, note, stamping
from archive.tlog.note import COSIGNATURE, Key, Note
from archive.tlog.timestamp import Authority, pem_certificates
from archive.tlog.witnessing import Witnessing
from infra.config import Config
from infra.process import Worker
from infra.wire import Wire
from schemas.errors import Missing, Refused

# One answer that fails is a network; two in a row are a state.
_FAILURES: Final = 2


def witnesses_of(config: Config) -> list[tuple[Key, str]]:
    """(key, prefix of the address) of each witness. Raises Refused for what is no witness's key."""
    found: list[tuple[Key, str]] = []
    for number, one in enumerate(config.notary.witness, 1):
        try:
            key = note.read_vkey(one.vkey.strip())
        except Refused as error:
            raise Refused(f"notary.witness {number}: {error}") from error
        if key.kind != COSIGNATURE:
            raise Refused(f"notary.witness {number}: {key.name} is a log's key, not a witness's")
        if key in [known for known, _ in found]:
            raise Refused(f"notary.witness {number}: {key.name} is named twice")
        found.append((key, one.url))
    return found


def authorities_of(config: Config) -> list[tuple[Authority, str]]:
    """(what is believed of it, its address) of each time-stamping authority. Raises Refused and
    Missing for its files."""
    names = [one.name for one in config.notary.authority]
    if len(set(names)) < len(names):
        raise Refused("notary.authority: two have one name")
    return [(Authority(one.name, _certificates(one.roots), frozenset(one.policies),
                       _certificates(one.certificates) if one.certificates else ()), one.url)
            for one in config.notary.authority]


def _certificates(path: Path) -> tuple[bytes, ...]:
    try:
        return pem_certificates(path.read_bytes())
    except OSError as error:
        raise Missing(f"notary.authority: {path}: {error.strerror}") from error
    except Refused as error:
        raise Refused(f"notary.authority: {path}: {error}") from error


class Vouchers:
    """Asks for one notary, each kind on its own schedule and while the head is a new one.
    `lock_until`: the end of the lock of what is kept (UTC ms)."""

    def __init__(self, wire: Wire, worker: Worker, witnessing: Witnessing,
                 lock_until: Callable[[], int]) -> None:
        self._wire, self._worker, self._witnessing = wire, worker, witnessing
        self._lock_until = lock_until
        self._store = wire.notary_store()
        # Read at the start: a setting that does not read ends the process, and says so.
        self._witnesses = witnesses_of(wire.config)
        self._authorities = authorities_of(wire.config)
        self._failures: dict[str, int] = {}
        self._asked_at = {"witness": 0, "authority": 0}
        self._vouched = {"witness": -1, "authority": -1}    # the size that all of a kind confirmed

    def ask(self, now: int, signed: Note | None, *, is_due: bool = False) -> bool:
        """Asks whoever is due (`is_due`: everybody) about the head `signed`; whether somebody
        failed. Raises Transient, and Halt where the log is gone."""
        if signed is None:
            return False
        size = checkpoint.read_text(signed.text).head.size
        section = self._wire.config.notary
        failed = False
        if self._witnesses and (is_due or self._is_due("witness", now, size,
                                                       section.witness_interval_s)):
            failed = self._ask_witnesses(size)
        if self._authorities and (is_due or self._is_due("authority", now, size,
                                                         section.stamp_interval_s)):
            failed = self._ask_authorities(signed, size) or failed
        return failed

    def _is_due(self, kind: str, now: int, size: int, interval_s: float) -> bool:
        if self._vouched[kind] == size or 0 <= now - self._asked_at[kind] < interval_s * 1000:
            return False
        self._asked_at[kind] = now
        return True

    def _ask_witnesses(self, size: int) -> bool:
        from infra.witness import HttpWitness

        outcomes = self._witnessing.collect([(key, HttpWitness(url))
                                             for key, url in self._witnesses])
        forked = [f"{one.key.name}: {one.problem}" for one in outcomes if one.forked]
        if forked:
            self._worker.alarm("tlog_witness_forked", "; ".join(forked))
        else:
            self._worker.clear("tlog_witness_forked")
        return self._judge("witness", "tlog_unwitnessed", size,
                           [(one.key.name, one.problem) for one in outcomes])

    def _ask_authorities(self, signed: Note, size: int) -> bool:
        from infra.timestamping import HttpStamper

        outcomes = stamping.collect(self._store, signed, [
            (one, HttpStamper(url)) for one, url in self._authorities], self._wire.random,
            self._lock_until())
        return self._judge("authority", "tlog_unstamped", size,
                           [(one.name, one.problem) for one in outcomes])

    def _judge(self, kind: str, code: str, size: int,
               outcomes: Sequence[tuple[str, str]]) -> bool:
        failing = []
        for name, problem in outcomes:
            named = f"{kind} {name}"
            self._failures[named] = self._failures.get(named, 0) + 1 if problem else 0
            if self._failures[named] >= _FAILURES:
                failing.append(f"{name}: {problem}")
        if failing:
            self._worker.alarm(code, "; ".join(failing))
        elif code in self._worker.alarms:
            self._worker.clear(code)
        vouched = sum(not problem for _, problem in outcomes)
        self._worker.facts[f"{kind}_vouched"] = f"{vouched} of {len(outcomes)} for {size} leaves"
        if vouched == len(outcomes):
            self._vouched[kind] = size
        return vouched < len(outcomes)
