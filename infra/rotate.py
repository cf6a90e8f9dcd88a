"""Keys that take the place of keys: the order of the steps, so that a crash at any of them leaves
everything readable (docs/decisions/0034).

Owns the rotation of the local wrapping key (KEK), and of the keys that sign and that transit is
sealed to. No object of the archive is touched: what is wrapped anew is the records of the keyring.

    1  keys/kek/next.key is made; from here both keys open, and new wraps are under the new one
    2  every key record is wrapped anew, in each keyring; repeated until none was left to do
    3  finish: nothing is under the old key alone; next.key takes the name kek.key
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archive.keyring import Keyring, KeyService, opened, rewrapped
from infra.embedded import folder
from infra.embedded.keys import KEK_BYTES, NEXT_NAME, LocalKeyService
from schemas.errors import Exists, Missing, Refused

# A process that read the old key before the new one was there may be between its wrap and the
# record's creation: far longer than any of them takes.
GRACE_MS: Final = 15 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What one pass over a keyring did: records wrapped anew, records that were already, and names
    of those that neither key opens."""

    changed: int
    already: int
    unreadable: tuple[str, ...]


def begin(kek_file: Path, random: Callable[[int], bytes]) -> bool:
    """The new key is there when this returns; whether it was made now. A crash before the link
    leaves nothing, after it a rotation that goes on."""
    temporaries = kek_file.parent / "tmp"
    if not kek_file.exists():
        raise Missing(f"key file {kek_file.name} is not there")
    folder.make_folder(temporaries)
    with suppress(Exists), folder.temporary(temporaries, random(KEK_BYTES), 0o600) as source:
        folder.link_once(source, kek_file.with_name(NEXT_NAME))
        return True
    return False


def is_under_way(kek_file: Path) -> bool:
    """Whether a new key waits to take the old one's place."""
    return kek_file.with_name(NEXT_NAME).exists()


def rewrap(keyring: Keyring, reads: KeyService, writes: KeyService) -> Rewrapped:
    """Every record of `keyring` that `writes` does not open, or that does not bind its date, is
    wrapped by it, with the date that it states. Of each record the old one counts until the new one
    is in its place, in one step; so this may end anywhere and be called again. Raises Transient."""
    changed = already = 0
    unreadable: list[str] = []
    for name in keyring.names():
        try:
            was = keyring.read(name)
            record = rewrapped(was, name, reads, writes)
            if record is None:
                already += 1
                continue
            keyring.replace(name, was, record)
            if opened(keyring.read(name), name, writes) is None:
                raise Refused(f"{name} does not open under the new key after it was written")
        except Missing:
            continue  # destroyed in the meantime, by whoever may
        except Exists:
            already += 1  # another rotation was faster; the next pass looks again
        except Refused:
            unreadable.append(name)
        else:
            changed += 1
    return Rewrapped(changed, already, tuple(unreadable))


def left(keyring: Keyring, writes: KeyService) -> list[str]:
    """Names of records that do not open under the new key alone."""
    out = []
    for name in keyring.names():
        with suppress(Missing):
            if opened(keyring.read(name), name, writes) is None:
                out.append(name)
    return out


def finish(kek_file: Path, keyrings: Iterable[Keyring], random: Callable[[int], bytes],
           now: int) -> str:
    """The old key is gone and the new one stands in its place when this returns; the new key's id.
    Raises Refused while the rotation is younger than the grace, or where a record needs the old
    key. `now`: UTC ms."""
    fresh = kek_file.with_name(NEXT_NAME)
    if not fresh.exists():
        raise Refused("no rotation is under way: `counterfoil keys rotate` begins one")
    age = now - fresh.stat().st_mtime_ns // 1_000_000
    if age < GRACE_MS:
        raise Refused(f"the new key is {max(0, age) // 60_000} minutes old: call this again in "
                      f"{-(-(GRACE_MS - age) // 60_000)} minutes, when no process can be between "
                      "the old key and the record that it wraps with it")
    writes = LocalKeyService(fresh, random, alone=True)
    for keyring in keyrings:
        needing = left(keyring, writes)
        if needing:
            raise Refused(f"{len(needing)} key records do not open under the new key, first "
                          f"{needing[0]}: `counterfoil keys rotate` again; what it cannot open, "
                          "restore from a backup first")
    if not kek_file.exists():  # lost meanwhile: nothing needs it any more
        fresh.replace(kek_file)
        folder.sync_folder(kek_file.parent)
        return writes.key_id
    with kek_file.open("r+b", buffering=0) as old:
        fresh.replace(kek_file)
        folder.sync_folder(kek_file.parent)
        # From here the old key is gone by name. Its bytes go as well as this machine lets them:
        # a snapshot or a flash chip may keep them.
        os.pwrite(old.fileno(), bytes(KEK_BYTES), 0)
        os.fsync(old.fileno())
    return writes.key_id
