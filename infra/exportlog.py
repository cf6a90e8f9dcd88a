"""What an export is proved under: the log's checkpoint, who vouches for it, and the package's key.

Owns finding them for one export; how a proof looks is `search/export/proof.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from archive.tlog import published, stamping
from archive.tlog.batch import Read
from archive.tlog.note import ED25519, Key, Note, Signer
from archive.tlog.sequence import LogSequence
from archive.tlog.witnessing import witnessed
from infra.vouching import authorities_of, witnesses_of
from infra.wire import Wire
from schemas.errors import Missing, Refused
from search.export.proof import Stamp

PACKAGE_KEY: Final = "counterfoil/export"
# So many checkpoints back somebody's word is looked for: some hours of one a minute.
_BACK_MAX: Final = 200
_BEHIND: Final = ("`counterfoil notary --once` brings the transparency log up to date; then export "
                  "again")


def log_of(wire: Wire) -> tuple[LogSequence, Read]:
    """The transparency log as it is now. Raises Missing where there is none."""
    sequence = wire.log_sequence()
    last = sequence.last() if sequence is not None else None
    if sequence is None or last is None:
        raise Missing("there is no transparency log yet, so nothing could be proved: start "
                      "`counterfoil run`, or `counterfoil notary --once`")
    return sequence, last


def checkpoint_for(wire: Wire, sequence: LogSequence, last: Read,
                   size: int) -> tuple[Note, tuple[Key, ...]]:
    """The newest checkpoint of at least `size` leaves, one that others vouch for if there is one
    (a time stamp before a witness); with its cosignatures, and whose they are. Raises Refused where
    none is large enough."""
    keys = wire.log_keys()
    witnesses = tuple(key for key, _ in witnesses_of(wire.config))
    authorities = [one for one, _ in authorities_of(wire.config)]
    best: tuple[tuple[bool, bool], Note, tuple[Key, ...]] | None = None
    for read in _backwards(sequence, last, size):
        found = published.at_size(sequence, last, keys, read.batch.head.size)
        if found is None:
            continue
        whole, by = witnessed(sequence, found, witnesses)
        stamped = any(stamping.kept(wire.store, found, one) is not None for one in authorities)
        rank = stamped or not authorities, bool(by) or not witnesses
        if best is None or rank > best[0]:
            best = rank, whole, tuple(dict.fromkeys(one.key for one in by))
        if best[0] == (True, True):
            break
    if best is None:
        raise Refused(f"the newest checkpoint does not hold everything that was chosen: {_BEHIND}")
    return best[1:]


def stamps_of(wire: Wire, sequence: LogSequence, last: Read, size: int) -> Iterator[Stamp]:
    """The time stamps of the checkpoint of `size`; where an authority has not stamped that one, of
    the newest before it that it has: what it saw is the beginning of the same log."""
    sections = {one.name: one for one in wire.config.notary.authority}
    at = sequence.holding(size - 1, last)
    for authority, _ in authorities_of(wire.config):
        for read in _backwards(sequence, at, 1):
            stated = read.batch.head.size
            own = published.at_size(sequence, last, wire.log_keys(), stated)
            found = stamping.kept(wire.store, own, authority) if own is not None else None
            if own is not None and found is not None:
                yield Stamp(authority.name, found[0], sections[authority.name].roots.read_bytes(),
                            stated, own.render().encode(), found[1].at)
                break


def _backwards(sequence: LogSequence, last: Read, size: int) -> Iterator[Read]:
    """Batches from `last` back that end at `size` leaves or more, as far as we look."""
    for number in range(last.batch.number, max(-1, last.batch.number - _BACK_MAX), -1):
        read = last if number == last.batch.number else sequence.present(number)
        if read.batch.head.size < size:
            return
        yield read


def signer_of(wire: Wire) -> Signer:
    """Signs packages: the search role's capture key, which says what the console says."""
    key = wire.keys_folder.capture_key("search")
    return Signer(Key(PACKAGE_KEY, ED25519, key.public_key().public_bytes_raw()), key.sign)
