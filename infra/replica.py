"""The second copy of bucket and keyring: made, brought up to date, compared.

Owns which driver stands behind it, that an unmounted disk is not taken for an empty copy, and when
a turn was last whole. What is copied and what is a difference is `archive/replica.py` and
`archive/replicacheck.py`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

from archive import layout
from archive.consume import retry
from archive.disposition import survey
from archive.keyring import Keyring
from archive.replica import CopyStore, KeyTurn, Ports, Replicator, Turn, copy_keys
from archive.replicacheck import Compared, compare, compare_keys
from infra import storecheck
from infra.embedded import folder
from infra.embedded.keys import FolderKeyring
from infra.embedded.store import FolderStore
from infra.wire import DAY_MS, Wire
from schemas.errors import Halt, Missing, Refused, Transient
from schemas.findings import Alarm, Finding

_MARK: Final = "counterfoil-copy"
_STATE: Final = "state.json"
_RETRY_S: Final = (0.2, 1.0, 3.0)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Done:
    """One whole turn: objects, then keys."""

    objects: Turn
    keys: KeyTurn

    @property
    def refused(self) -> tuple[str, ...]:
        """What could not be copied, each with its reason."""
        return self.objects.refused + tuple(f"keyring/{one}" for one in self.keys.refused)


class Replica:
    """The second copy of one data folder's archive. Opened when asked for."""

    def __init__(self, wire: Wire) -> None:
        """Raises Refused where none is configured."""
        self._wire = wire
        self._section = wire.config.replica
        self._state = wire.home / "replica"
        if not self._section.driver:
            raise Refused("no second copy is configured: set replica.driver, and replica.folder "
                          "or replica.bucket")
        # Null: it lies in buckets.
        self._folder = self._section.folder if self._section.driver == "folder" else None
        if self._section.driver == "folder" and self._folder is None:
            raise Refused("replica.folder is not set")
        if self._is_the_archive():
            raise Refused("replica.* names a place of the archive itself: a copy lies elsewhere")

    @property
    def name(self) -> str:
        """Where it lies, for people."""
        section = self._section
        if self._folder is not None:
            return str(self._folder)
        return f"bucket {section.bucket}" + (f" at {section.endpoint}" if section.endpoint else "")

    @property
    def lock_mode(self) -> str:
        """What its locks are called."""
        return "COMPLIANCE" if self._folder is None else "FOLDER"

    @cached_property
    def store(self) -> CopyStore:
        """Its objects."""
        if self._folder is not None:
            self._require_mounted(self._folder)
            return FolderStore(self._folder / "store")
        from infra.s3 import S3Store

        return S3Store(self._s3(self._section.bucket))

    @cached_property
    def keyring(self) -> Keyring:
        """Its key records."""
        if self._folder is not None:
            self._require_mounted(self._folder)
            return FolderKeyring(self._folder / "keyring")
        from infra.s3keyring import S3Keyring

        return S3Keyring(self._s3(self._section.keyring_bucket))

    def is_begun(self) -> bool:
        """Whether this data folder has a copy there already."""
        return (self._state / _MARK).exists()

    def begin(self) -> None:
        """Make it where it is not there yet, and try whether the store keeps what is locked.
        Raises Refused for a folder that is not there or not empty, Halt("store_unsafe")."""
        if self.is_begun():
            return
        section = self._section
        if self._folder is None:
            from infra import s3, s3keyring

            s3.provision(self._s3(section.bucket))
            s3keyring.provision(self._s3(section.keyring_bucket))
            results = storecheck.check(
                storecheck.StoreUnderTest(self.store, s3.S3Adversary(self._s3(section.bucket))),
                clock=self._wire.clock, random=self._wire.random)
            if not storecheck.verdict(results).safe:
                raise Halt("store_unsafe", "; ".join(
                    f"{one.name}: {one.detail}" for one in results
                    if one.required and not one.passed))
        else:
            if not self._folder.is_dir():
                raise Refused(f"{self._folder} is not there: make it, on another disk or machine")
            if not (self._folder / _MARK).exists():
                if any(self._folder.iterdir()):
                    raise Refused(f"{self._folder} is not empty: name a folder of its own")
                _write(self._folder / _MARK, f"{self._wire.random(16).hex()}\n")
        self._require_ours()
        # Last: a crash before this line is a first turn that begins again.
        _write(self._state / _MARK, self._mark())

    def turn(self, *, locks: bool, copies_max: int | None = None,
             progress: Callable[[int, int, int], None] = lambda _seen, _copied, _bytes: None,
             ) -> Done:
        """Bring it up to date. `locks`: what was there before is compared too, locks, holds and
        key records. Raises Transient; whatever stops it, the next turn goes on."""
        wire = self._wire
        # Keys first: a crash between the two leaves keys of segments that come.
        began = wire.clock()
        erased = self._erased_if_asked()
        keys = copy_keys(wire.keyring, self.keyring, wire.key_service, erased, deep=locks)
        objects = Replicator(Ports(wire.store, self.store, wire.authenticator(), self._scratch,
                                   _again, wire.clock), progress).turn(
            locks=locks, copies_max=copies_max)
        if objects.copied:
            # A key that was made while objects were copied: its segment may be in the copy by now.
            keys = _both(keys, copy_keys(wire.keyring, self.keyring, wire.key_service, erased,
                                         deep=False))
        done = Done(objects, keys)
        if copies_max is None or objects.copied < copies_max:
            _write(self._state / _STATE, json.dumps({
                "at": wire.clock(), "objects": objects.objects, "keys": keys.records,
                "refused": len(done.refused),
                "locks_at": began if locks else self.locks_at()}))
        return done

    def locks_at(self) -> int:
        """When the last whole turn began that compared locks (UTC ms); 0 = none is known."""
        return (self._noted("locks_at") or {"locks_at": 0})["locks_at"]

    def differences(self, erased: frozenset[str],
                    progress: Callable[[int], None]) -> Iterator[Finding | str]:
        """What `verify --replica` finds, and notes. `erased`: names of keys that were destroyed by
        right."""
        wire, lag_ms = self._wire, int(self._section.lag_s_max * 1000)
        now, done = wire.clock(), 0
        yield f"compared with the copy in {self.name}"

        def told(_key: str) -> None:
            nonlocal done
            done += 1
            progress(done)

        yield from compare(Compared(wire.store, self.store, wire.authenticator(), self.lock_mode,
                                    lag_ms, _again, self.locks_at() + DAY_MS + lag_ms), now, told)
        yield from compare_keys(wire.keyring, self.keyring, wire.key_service, erased, lag_ms, now)

    def last_whole(self) -> dict[str, int] | None:
        """The last turn that ended: at (UTC ms), objects, keys, refused; null before there was one.
        """
        return self._noted("at", "objects", "keys", "refused")

    def _noted(self, *names: str) -> dict[str, int] | None:
        """What the last whole turn left; null where it, or one of these, is not there."""
        try:
            read = json.loads((self._state / _STATE).read_text("utf-8"))
            return {name: int(read[name]) for name in names}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _require_ours(self) -> None:
        """What a copy holds already must be of this archive: two in one would be neither's. Nor may
        it be the archive's own bucket under another name: no two objects share a version's name.
        """
        there = next((one for one in self.store.versions(layout.SEGMENTS)
                      if not one.is_delete_marker), None)
        if there is None:
            return
        ours = [one for one in self._wire.store.versions(there.key) if one.key == there.key]
        if self._folder is None and there.version_id in {one.version_id for one in ours}:
            raise Refused("replica.bucket is the archive's own bucket under another name")
        if not ours:
            raise Refused(f"{self.name} holds {there.key}, which this archive does not: name an "
                          "empty place, or let the configuration read the archive from there")

    def _erased_if_asked(self) -> frozenset[str]:
        """What was erased by right; the archive is read for it only where the copy has a key record
        that the keyring lacks."""
        live = set(self._wire.keyring.names())
        if all(name in live for name in self.keyring.names()):
            return frozenset()
        return survey(self._wire.reader()).record.erased

    def _is_the_archive(self) -> bool:
        section, config = self._section, self._wire.config
        if self._folder is not None:
            # A folder in the data folder is lost with it.
            return any(one.resolve() in (there := self._folder.resolve(), *there.parents)
                       for one in (self._wire.home, self._wire.store_folder))
        if config.store.driver != "s3" or _server(section.endpoint) != _server(
                config.store.endpoint):
            return False
        ours = {config.store.bucket, config.keyring.bucket}
        return bool(ours & {section.bucket, section.keyring_bucket})

    def _require_mounted(self, place: Path) -> None:
        if not (place / _MARK).exists():
            raise Transient(f"{place} holds no copy: is its disk mounted? To begin a new copy "
                            f"elsewhere, remove {self._state} first")
        if self.is_begun() and (self._state / _MARK).read_text("ascii") != self._mark():
            raise Refused(f"{place} holds the copy of another archive")

    def _mark(self) -> str:
        if self._folder is not None:
            return (self._folder / _MARK).read_text("ascii")
        return f"{self._section.endpoint or ''} {self._section.bucket}\n"

    def _s3(self, bucket: str) -> Any:
        return self._wire.s3_settings(bucket, self._section)

    @contextmanager
    def _scratch(self, pieces: Iterator[bytes]) -> Iterator[BinaryIO]:
        """A file without a name: gone however this process ends. What it holds is sealed."""
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=self._state) as file:
            for piece in pieces:
                file.write(piece)
            yield cast(BinaryIO, file)


def _both(first: KeyTurn, then: KeyTurn) -> KeyTurn:
    """Two passes of one turn, as one."""
    return KeyTurn(then.records, first.copied + then.copied, first.replaced + then.replaced,
                   first.destroyed + then.destroyed,
                   tuple(dict.fromkeys(first.refused + then.refused)))


def key_copies(wire: Wire) -> dict[str, Keyring]:
    """Every further keyring that holds this archive's key records, by name: those of
    `keyring.copies`, and the second copy's. Raises Transient where one is not there."""
    from infra.disposition import opened_copy

    copies = [opened_copy(wire, place) for place in wire.config.keyring.copies]
    found = {copy.name: copy.keyring for copy in copies}
    if wire.config.replica.driver:
        replica = Replica(wire)
        if replica.is_begun():
            found[f"the second copy, {replica.name}"] = replica.keyring
    return found


def compared(wire: Wire, erased: frozenset[str],
             progress: Callable[[int], None]) -> Iterator[Finding | str]:
    """What `verify --replica` says; `erased` as `Report` has it. Raises Refused without a copy."""
    replica = Replica(wire)
    if not replica.is_begun():
        raise Missing("there is no second copy yet: `counterfoil replicate --once` makes it")
    yield from replica.differences(erased, progress)


def replica_alarms(wire: Wire, now: int) -> list[Alarm]:
    """That the copy is behind, where one is configured."""
    section = wire.config.replica
    if not section.driver:
        return []
    try:
        last = Replica(wire).last_whole()
    except Refused as error:
        return [Alarm("replica_behind", now, str(error))]
    if last is None:
        return [Alarm("replica_behind", now, "no turn has ended yet: `counterfoil replicate`")]
    if last["refused"]:
        return [Alarm("replica_behind", last["at"], f"{last['refused']} objects or key records "
                      "cannot be copied: `counterfoil replicate --once` names them")]
    if now - last["at"] > section.lag_s_max * 1000:
        return [Alarm("replica_behind", last["at"], "`counterfoil replicate` has not ended a turn "
                                                    "since")]
    return []


def facts_of(done: Done) -> dict[str, Any]:
    """A turn as JSON."""
    objects, keys = asdict(done.objects), asdict(done.keys)
    return {"objects": objects["objects"], "copied": objects["copied"], "bytes": objects["bytes"],
            "relocked": objects["relocked"], "keys": keys["records"],
            "keys_copied": keys["copied"], "keys_replaced": keys["replaced"],
            "keys_destroyed": keys["destroyed"], "refused": list(done.refused)}


def _server(endpoint: str | None) -> str:
    return (endpoint or "").rstrip("/").lower()


def _again(call: Callable[[], _T]) -> _T:
    return retry(call, time.sleep, pauses_s=_RETRY_S)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporaries = path.parent / "tmp"
    folder.make_folder(temporaries)
    folder.replace(path, text.encode(), temporaries=temporaries)
