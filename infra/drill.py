"""A restore that is tried: an empty folder, the keys of a backup, the archive, and nothing else.

Owns the steps and what counts as restored. The archive is read and never written to; what is made
on the way is wiped, keys first. Which files and shares the keys come from is the verb's.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from archive.keyring import Keyring
from archive.store import Lock, ObjectStore, ObjectVersion
from infra.config import IndexSection, KeyringSection, ReplicaSection
from infra.embedded.folder import make_folder
from infra.restoring import left_out
from infra.verbs.keyshares import write_private
from infra.wire import Wire
from schemas.document import STUB_KINDS, Document
from schemas.errors import CounterfoilError, Missing, Refused
from search.follow import rebuild
from search.index import Index, Outdated
from search.query import Term, TokenQuery

_KEYRING: Final = "keyring/"
_NAMED_MAX: Final = 50


@dataclass
class Drilled:
    """What a drill did: seconds of each step, counts, what failed and what is to be known."""

    seconds: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, told: Callable[[str], None]) -> Iterator[None]:
        """One step, timed; what it raises is a failure, and ends the drill."""
        told(name)
        began = time.monotonic()
        try:
            yield
        except CounterfoilError as error:
            self.failures.append(f"{name}: {error}")
            raise
        finally:
            self.seconds[name] = round(time.monotonic() - began, 3)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a drill restores from. `kept`: the backup's entries; `store`: the archive's objects, of
    the first place or of the copy; `keyring`: the copy's key records, null = the backup's alone."""

    kept: Mapping[str, bytes]
    store: ObjectStore
    keyring: Keyring | None


class ReadOnly:
    """`ObjectStore` that reads another and refuses to write."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """See ObjectStore."""
        return self._store.versions(prefix, start_after)

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore."""
        return self._store.get(key, version_id, start, length)

    def lock(self, key: str, version_id: str) -> Lock:
        """See ObjectStore."""
        return self._store.lock(key, version_id)

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """Refused."""
        raise Refused(f"a drill does not write {key}")

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """Refused."""
        raise Refused(f"a drill does not lock {key}")

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """Refused."""
        raise Refused(f"a drill does not hold {key}")


def run(wire: Wire, ground: Ground, work: Path, *, samples: int, media: bool,
        told: Callable[[str], None]) -> Drilled:
    """Restore into `work`, which is there and empty, and compare with the live index of `wire`.
    What fails is in the result, never raised; `work` holds what was made, for `wipe`."""
    done = Drilled()
    with suppress(CounterfoilError):
        with done.step("keys", told):
            restored = _restored(wire, ground, work, done)
        with done.step("verify", told):
            _verify(restored, done, media=media)
        with done.step("index", told):
            indexes = restored.indexes()
            fresh = indexes.open(rebuild(restored.reader(), indexes, restored.projector()))
        with done.step("compare", told):
            _compare(wire, restored, fresh, samples, done)
    return done


def wipe(work: Path) -> None:
    """Nothing of a drill is left in `work`: keys are overwritten first, as well as this machine
    lets them."""
    for path in sorted(work.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.is_relative_to(work / "keys") or path.is_relative_to(work / "keyring"):
            path.chmod(0o600)
            with path.open("r+b", buffering=0) as file:
                file.write(bytes(os.fstat(file.fileno()).st_size))
                os.fsync(file.fileno())
    for path in work.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _restored(wire: Wire, ground: Ground, work: Path, done: Drilled) -> Wire:
    """The parts of the restored folder. They see the archive read-only, and nothing else of the
    live one."""
    config = wire.config.model_copy(update={
        "home": work, "keyring": KeyringSection(driver="folder"), "replica": ReplicaSection(),
        "index": IndexSection(driver="sqlite")})
    for name, content in sorted(ground.kept.items()):
        if not name.startswith(_KEYRING):
            make_folder((work / name).parent)
            write_private(work / name, content)
    records = {name.removeprefix(_KEYRING): content for name, content in ground.kept.items()
               if name.startswith(_KEYRING)}
    done.counts["from_backup"] = len(ground.kept)
    if ground.keyring is not None:
        for name in ground.keyring.names():
            if name not in records:
                with suppress(Missing):           # destroyed just now
                    records[name] = ground.keyring.read(name)
        more = len(records.keys() - {one.removeprefix(_KEYRING) for one in ground.kept})
        done.notes.append(f"{more} key records that the backup lacks came from the copy")
        done.counts["from_copy"] = more
    else:
        done.counts["from_copy"] = 0
    restored = Wire(config, wire.clock, wire.random)
    vars(restored)["store"] = ReadOnly(ground.store)  # in the place of the property that is cached
    _fill(restored, records, records.keys() - frozenset(wire.keyring.names()), done)
    return restored


def _fill(restored: Wire, records: Mapping[str, bytes], missing: Iterable[str],
          done: Drilled) -> None:
    """The key records, but for those that were erased since the backup. `missing`: what the live
    keyring does not have."""
    out = left_out(restored, records, missing)
    for name in sorted(records.keys() - out.names):
        restored.keyring.create(name, records[name])
    if out.names:
        done.notes.append(f"{len(out.names)} keys of the backup were erased since, and were left "
                          "out")


def _verify(restored: Wire, done: Drilled, *, media: bool) -> None:
    report = restored.verifier(lambda _done, _key: None).run(restored.clock(), None, deep=media)
    done.counts |= {"segments": report.segments, "events": report.events, "bytes": report.bytes}
    for one in report.findings[:_NAMED_MAX]:
        done.failures.append(f"verify: {one.code}: {one.where} {one.detail}".rstrip())
    if len(report.findings) > _NAMED_MAX:
        done.failures.append(f"verify: {len(report.findings) - _NAMED_MAX} more findings")
    if any(one.code == "key_lost" for one in report.findings):
        done.notes.append("keys that were made after the backup are not in it: make one daily")
    if not report.segments:
        done.failures.append("verify: the archive is empty: nothing was tried")


def _compare(wire: Wire, restored: Wire, fresh: Index, samples: int, done: Drilled) -> None:
    chosen, count = _sample(fresh, samples, wire)
    done.counts |= {"documents": count, "samples": len(chosen)}
    reader = restored.reader()
    for one in chosen:
        try:
            if one.kind not in STUB_KINDS:
                reader.read(one.entries[0].pointer)
        except (Missing, Refused) as error:
            done.failures.append(f"message {one.doc_id} cannot be read: {error}")
    live = _live(wire)
    if live is None:
        done.notes.append("there is no live index of this version: the samples were read and not "
                          "compared")
        return
    _answers(fresh, live, chosen, done)


def _answers(fresh: Index, live: Index, chosen: list[Document], done: Drilled) -> None:
    """The live index may know more by now, never less."""
    theirs = live.get(one.doc_id for one in chosen)
    cursors, ahead = fresh.state().cursors, live.state().cursors
    done.counts["compared"] = 0
    for one in chosen:
        stored = theirs.get(one.doc_id)
        token = next((word for stream in one.words for word in stream), "")
        query = TokenQuery(Term("words", token) if token else Term("kinds", one.kinds[0]))
        if stored is None:
            behind = any(ahead.get(place, 0) < at for place, at in cursors.items())
            (done.notes if behind else done.failures).append(
                f"message {one.doc_id} is not in the live index" + (
                    ", which is behind" if behind else ": `counterfoil rebuild`"))
        elif not {entry.entry_id for entry in one.entries} <= {
                entry.entry_id for entry in stored.document.entries}:
            done.failures.append(f"message {one.doc_id} has captures that the live index does not")
        elif ahead == cursors and _plain(stored.document) != _plain(one):
            done.failures.append(f"message {one.doc_id} differs from the live index")
        elif ahead == cursors and fresh.count(query) != live.count(query):
            done.failures.append(f"a search for a word of {one.doc_id} finds another number")
        else:
            done.counts["compared"] += 1


def _plain(one: Document) -> Document:
    """Without the names that a store gave to versions: the copy's are others."""
    return replace(one, entries=tuple(
        replace(entry, pointer=replace(entry.pointer, version="")) for entry in one.entries))


def _sample(fresh: Index, samples: int, wire: Wire) -> tuple[list[Document], int]:
    """So many documents, each as likely as every other, and how many there are."""
    chosen: list[Document] = []
    count = 0
    for count, one in enumerate(fresh.scan(), 1):
        place = int.from_bytes(wire.random(8), "big") % count
        if len(chosen) < samples:
            chosen.append(one)
        elif place < samples:
            chosen[place] = one
    return chosen, count


def _live(wire: Wire) -> Index | None:
    indexes = wire.indexes()
    name = indexes.current()
    try:
        return indexes.open(name) if name is not None else None
    except Outdated:
        return None
