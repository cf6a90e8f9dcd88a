"""A checkpoint's witnesses and time stamps, kept beside it in the store.

Owns asking them about the head that the notary stands at, and where the answers lie. All of it is
optional: a witness that does not answer stops nothing, and is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from archive.store import ObjectStore
from archive.tlog import checkpoint, note
from archive.tlog.checkpoint import Head
from archive.tlog.notary import Notary
from archive.tlog.note import Key, Note, Signed
from archive.tlog.prover import Prover
from archive.tlog.sequence import LogSequence, cosignature_key
from archive.tlog.witness import Asked, ask
from schemas.errors import Exists, Refused, Transient


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one witness: its cosignature, or why there is none. `forked`: it has seen
    another tree, which is an alarm."""

    key: Key
    problem: str = ""
    forked: bool = False


class Witnessing:
    """Collects cosignatures for one notary. Remembers, in memory only, what each witness knows.
    `lock_until`: the end of their lock (UTC ms), that of the last batch or later."""

    def __init__(self, store: ObjectStore, notary: Notary,
                 lock_until: Callable[[], int]) -> None:
        self._store = store
        self._notary = notary
        self._lock_until = lock_until
        self._known: dict[Key, int] = {}

    def collect(self, witnesses: Sequence[tuple[Key, Asked]]) -> list[Outcome]:
        """Asks every witness about the head of the notary's last turn and keeps what it says."""
        signed, last = self._notary.checkpoint(), self._notary.last()
        if signed is None or last is None:
            return []
        prover, head = Prover(self._notary.sequence, last), last.batch.head
        return [self._ask(key, witness, signed, head, prover) for key, witness in witnesses]

    def _ask(self, key: Key, witness: Asked, signed: Note, head: Head,
             prover: Prover) -> Outcome:
        try:
            signature = ask(witness, key, signed,
                            lambda old: prover.consistency_from(old, head),
                            self._known.get(key, 0))
        except Transient as error:
            return Outcome(key, str(error))
        except Refused as error:
            return Outcome(key, str(error), str(error).startswith("tlog_witness_fork"))
        self._known[key] = head.size
        body = note.with_signatures(signed, [signature]).render().encode()
        try:
            self._store.put_once(cosignature_key(head.size, key), body, self._lock_until())
        except Exists:
            pass    # said before: the earlier time is the better one
        except Transient as error:
            return Outcome(key, str(error))
        return Outcome(key)


def witnessed(sequence: LogSequence, signed: Note,
              keys: Iterable[Key]) -> tuple[Note, list[Signed]]:
    """A checkpoint with the cosignatures of `keys` that are kept for it, and who they are. What
    does not verify is left out."""
    size = checkpoint.read_text(signed.text).head.size
    found: list[Signed] = []
    for key in keys:
        for body in sequence.bodies(cosignature_key(size, key), note.NOTE_BYTES_MAX):
            try:
                kept = note.read_bytes(body)
                by = note.verify(kept, [key])
            except Refused:
                continue
            if kept.text == signed.text:
                found += by
                break
    return note.with_signatures(signed, [one.signature for one in found]), found
