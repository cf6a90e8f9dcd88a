"""An embedded archive moved to servers, as it is: not a byte is opened or encrypted again.

Owns the order of the move, which makes every crash harmless: nothing of the old place is changed
until the configuration is replaced, which is the last step and one rename. Before it the old system
goes on as if nothing had been; a second call skips what is there already and compares it.

    1  nothing runs, nothing waits on the spool; the log is archived to its end
    2  key records, then every object with its lock: put once, read back, compared byte for byte;
       the transparency log as well, which goes on there where it stood here
    3  the new log, at a topic of its own; the index, from the new archive
    4  counterfoil.toml
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from archive import layout
from archive.consume import retry
from archive.keyring import Keyring
from archive.replica import PIECE_BYTES, digest_of, put_at
from archive.store import ObjectStore, ObjectVersion
from infra import carry
from infra.config import CONFIG_NAME, load
from infra.embedded import folder
from infra.embedded.spool import SqliteSpool
from infra.s3 import S3Store
from infra.wire import DAY_MS, Wire
from ingest.spool import remember_log
from schemas.errors import Exists, Refused

_COPIES: Final = 8
_RETRY_S: Final = (0.2, 1.0, 3.0, 10.0)
# A lock of less than this may be over before the PUT arrives, and a store refuses one in the past.
_LOCK_MS_MIN: Final = DAY_MS
# What `doctor` tried the old store with is nobody's record.
_LEFT: Final = (layout.DOCTOR,)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Moved:
    """What is in the new place now: `copied` of the objects were not there before."""

    objects: int
    copied: int
    bytes: int
    keys: int
    documents: int


def target_of(wire: Wire, file: Path) -> Wire:
    """The parts of the same data folder under another configuration. Raises Refused for a move that
    this is not."""
    if not file.is_file():
        raise Refused(f"{file} is not there")
    there = Wire(load(wire.home, file), wire.clock, wire.random)
    here, then = wire.config, there.config
    if not (here.embedded and here.store.driver == "folder"):
        raise Refused("this data folder is on servers already: nothing is left to move")
    if then.embedded or then.store.driver != "s3":
        raise Refused(f"{file}: log.driver must be kafka and store.driver s3")
    if then.log.topic == here.log.topic:
        raise Refused(f"{file}: log.topic must be another name than {here.log.topic}, which the "
                      "archived segments have in theirs: a topic of that name that is made anew "
                      "looks like one that was lost")
    if then.keyservice.driver != here.keyservice.driver:
        raise Refused(f"{file}: keyservice.driver must stay {here.keyservice.driver}: key records "
                      "are moved as they are")
    if (then.retention.trial, then.index.driver) != (here.retention.trial, "elasticsearch"):
        raise Refused(f"{file}: index.driver must be elasticsearch, and retention.trial stay "
                      f"{str(here.retention.trial).lower()}")
    return there


def migrate(wire: Wire, file: Path, told: Callable[[str], None],
            progress: Callable[[int, int], None] = lambda _done, _of: None) -> Moved:
    """Move the archive of `wire` to what `file` configures, and let the folder use that from now
    on. Raises Refused while `run` is up or records wait on the spool, and for anything in the new
    place that is not ours; Transient: call again."""
    there = target_of(wire, file)
    with carry.if_nobody_runs(wire.home) as is_ours:
        if not is_ours:
            raise Refused("`run` is up on this data folder: end it with `counterfoil stop`")
        _require_empty_spool(wire)
        carry.carry(wire, told)
        # From here the archive holds everything that the old log does.
        there.provision()
        keys = _copy_keys(wire.keyring, there.keyring)
        objects = _objects(wire.store)
        _require_no_strangers(there.store, {one.key for one in objects})
        copied = _Copier(wire, there, progress).copy(objects)
        documents = carry.index_all(there)
        _remember_log(wire, there)
        # Until this line the old configuration is in force, and all it knows is as it was.
        _replace_configuration(wire.home, file)
    return Moved(len(objects), copied, sum(one.size for one in objects), keys, documents)


def _require_empty_spool(wire: Wire) -> None:
    path = wire.home / "gateway" / "spool.db"
    if not path.exists():
        return
    with closing(SqliteSpool(path)) as spool:
        waiting = spool.summary().count
    if waiting:
        raise Refused(f"{waiting} records on the gateway's spool wait for the old log: start `run` "
                      "until `counterfoil spool list` is empty")


def _remember_log(wire: Wire, there: Wire) -> None:
    """A gateway that starts while the new log is silent must not seal for the old one."""
    (wire.home / "gateway").mkdir(exist_ok=True, mode=0o700)
    with closing(SqliteSpool(wire.home / "gateway" / "spool.db")) as spool, \
            closing(there.capture_log()) as log:
        remember_log(spool, log.identity())


def _copy_keys(source: Keyring, target: Keyring) -> int:
    count = 0
    for name in source.names():
        record = source.read(name)
        with suppress(Exists):  # an earlier call, or somebody else: what follows tells
            _again(partial(target.create, name, record))
        if target.read(name) != record:
            raise Refused(f"the new keyring holds another record at {name}: it is of another "
                          "archive")
        count += 1
    return count


def _objects(store: ObjectStore) -> list[ObjectVersion]:
    return [one for one in store.versions("") if not one.is_delete_marker
            and not one.key.startswith(_LEFT)]


def _require_no_strangers(target: ObjectStore, ours: set[str]) -> None:
    """A bucket with segments, files or a log of somebody else would be read as one archive with
    ours."""
    for prefix in (layout.SEGMENTS, layout.MEDIA, layout.LOG):
        for one in target.versions(prefix):
            if one.key not in ours:
                raise Refused(f"the bucket holds {one.key}, which this archive does not: name an "
                              "empty one")


class _Copier:
    """Object by object: put once, locked, read back."""

    def __init__(self, wire: Wire, there: Wire, progress: Callable[[int, int], None]) -> None:
        self._source, self._target = wire.store, there.store
        self._large = S3Store(there.s3_settings(there.config.store.bucket))
        self._files = wire.store_folder / "objects"
        self._clock = wire.clock
        self._progress = progress

    def copy(self, objects: list[ObjectVersion]) -> int:
        """All of them are in the new place, equal and locked, when this returns; how many were
        not there before."""
        total = sum(one.size for one in objects)
        done = copied = 0
        with ThreadPoolExecutor(_COPIES) as threads:
            for one, is_new in zip(objects, threads.map(self._copy, objects), strict=True):
                done, copied = done + one.size, copied + is_new
                self._progress(done, total)
        return copied

    def _copy(self, one: ObjectVersion) -> bool:
        lock = self._source.lock(one.key, one.version_id)
        # The lock that it has; where that is over, or was never written, the shortest there is.
        until = max(lock.retain_until, self._clock() + _LOCK_MS_MIN)
        is_new = True
        try:
            _again(lambda: self._put(one, until))
        except Exists:
            is_new = False
        # The oldest version: what was put over it since changes nothing.
        version = put_at(self._target, one.key)
        if self._target.lock(one.key, version.version_id).retain_until // 1000 < \
                lock.retain_until // 1000:
            _again(lambda: self._target.extend(one.key, version.version_id, lock.retain_until))
        self._require_equal(one, version)
        return is_new

    def _put(self, one: ObjectVersion, until: int) -> None:
        if one.size <= PIECE_BYTES:
            self._target.put_once(one.key, self._source.get(one.key, one.version_id), until)
            return
        with (self._files / one.key).open("rb") as body:
            self._large.put_file(one.key, body, until)

    def _require_equal(self, one: ObjectVersion, version: ObjectVersion) -> None:
        if one.size != version.size or digest_of(self._source, one, _again) != digest_of(
                self._target, version, _again):
            raise Refused(f"the bucket holds other bytes at {one.key}: name an empty one")
        lock = self._target.lock(version.key, version.version_id)
        if lock.mode != "COMPLIANCE" or lock.retain_until <= self._clock():
            raise Refused(f"{one.key} lies in the bucket without a lock: name an empty one")


def _replace_configuration(home: Path, file: Path) -> None:
    path = home / CONFIG_NAME
    body = file.read_bytes()
    if path.exists():
        kept = home / f"{CONFIG_NAME}.embedded"
        kept.write_bytes(path.read_bytes())
    folder.replace(path, body, temporaries=home / "run")


def _again(call: Callable[[], _T]) -> _T:
    """A PUT that may have been applied after all is put again: then it Exists, and is compared."""
    return retry(call, time.sleep, pauses_s=_RETRY_S)
