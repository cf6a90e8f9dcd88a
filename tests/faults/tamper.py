"""A whole small archive that somebody tampers with: store, keyring, transparency log, index.

Owns what is done to it, drawn from a seed, and what has to be said then. The archive is the golden
one with a log of several batches, witnessed and time-stamped, its key records wrapped anew (what
was written first binds less: `tests/archive/test_keyring.py`), and an index of it; a second one of
300 cells has what takes many leaves.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from archive import heads, layout
from archive.keyring import name_of
from archive.layout import SegmentName
from archive.replica import copy_keys
from archive.replicacheck import compare_keys
from archive.store import Lock
from archive.tlog import checkpoint, note
from archive.tlog.audit import LogAudit, Vouching
from archive.tlog.notary import Notary, Ports
from archive.tlog.note import Note
from archive.tlog.sequence import (
    LogSequence,
    batch_key,
    checkpoint_key,
    cosignature_key,
    timestamp_key,
)
from infra.embedded.keys import LocalKeyService
from infra.rotate import rewrap
from schemas.document import Document
from schemas.findings import Finding
from schemas.wire import Pointer
from search.follow import Follower, bind
from search.indexcheck import check as check_index
from search.project import Projector, document
from search.tokens import Tokenizer
from tests.archive import logs
from tests.archive.logs import Book
from tests.archive.tlog.test_audit import STAMPED, WITNESS, audited, grown
from tests.fakes.index import FakeIndexSet
from tests.fakes.keys import FakeKeyring
from tests.fakes.latest import FakeLatest
from tests.fakes.store import COMPLIANCE, FakeStore, StoredVersion
from tests.golden.firm import Firm
from tests.golden.load import load
from tests.golden.tlog import LOG, ORIGIN, YEARS_MS
from tests.golden.tlog import WITNESS as GOLDEN_WITNESS

LOCKED = Lock(COMPLIANCE, 10**14)
TOKENS = Tokenizer(bytes(32))
# What was said: (code, where and the particulars).
Said = set[tuple[str, str]]


@dataclass
class System:
    """One firm with all that is kept of it elsewhere: a head, a checkpoint, the second keyring."""

    firm: Firm
    indexes: FakeIndexSet
    kept: Note
    head: heads.Head
    second: FakeKeyring
    notes: list[str] = field(default_factory=list)

    def verify(self) -> Said:
        """Everything that we would say of it, with all that is kept elsewhere."""
        firm = self.firm
        sequence = LogSequence(firm.store, ORIGIN, (LOG.key,), judges_locks=False)
        report = firm.verify(head=self.head, log=sequence)
        log = LogAudit(firm.store, firm.authenticator(), ORIGIN, (LOG.key,), Vouching(
            (GOLDEN_WITNESS.key,), (STAMPED.authority(),))).run((self.kept,))
        self.notes = [*report.notes, *log.absent]
        return {(one.code, f"{one.where} {one.detail}")
                for one in (*report.findings, *log.faults)}

    def verify_index(self) -> Said:
        """What the index differs in."""
        found = check_index(self.indexes.open(bind(self.indexes)), self.firm.reader(), TOKENS,
                            FakeIndexSet())
        return {("index_differs", one.doc_id) for one in found.differences}

    def verify_keys(self) -> Said:
        """What the keyring differs in from the second one."""
        return {(one.code, one.where) for one in compare_keys(
            self.firm.keyring, self.second, self.firm.service, frozenset(), 0, self.firm.now)
            if isinstance(one, Finding)}

    @property
    def documents(self) -> dict[str, tuple[Document, int]]:
        """As they lie in the index."""
        return self.indexes._data[bind(self.indexes)].documents


@cache
def _made() -> System:
    firm = load()
    rewrap(firm.keyring, firm.service, firm.service)
    segments = sorted(key for key in firm.store.objects if key.startswith(layout.SEGMENTS))
    store = FakeStore(firm.clock)
    notary = Notary(Ports(store, firm.authenticator(), FakeLatest(), LOG, firm.clock,
                          lambda now: now + YEARS_MS, lambda _seconds: None))
    for key in segments:
        store.objects[key] = list(firm.store.objects[key])
        notary.turn()
    firm.store.objects |= {key: versions for key, versions in store.objects.items()
                           if key.startswith(layout.LOG)}
    signed = notary.checkpoint()
    assert signed is not None
    size = checkpoint.read_text(signed.text).head.size
    firm.store.plant(cosignature_key(size, GOLDEN_WITNESS.key), note.with_signatures(
        signed, [note.cosign(signed.text, GOLDEN_WITNESS, firm.now // 1000)]).render().encode(),
        LOCKED)
    firm.store.plant(timestamp_key(size, "tsa"), STAMPED.response(signed.render().encode()),
                     LOCKED)
    indexes = FakeIndexSet()
    index = indexes.open(bind(indexes))
    Follower(firm.reader(), index, Projector(TOKENS)).run_to_end()
    index.refresh()
    return System(firm, indexes, signed, heads.read(firm.head(), firm.sealing_public),
                  _second(firm))


def _second(firm: Firm) -> FakeKeyring:
    made = FakeKeyring()
    made.records = dict(firm.keyring.records)
    return made


@cache
def _stage() -> Firm:
    return load()


def fresh(*, alive: bool = False) -> System:
    """As it was made, for one test to do to it what it likes; the one before is over then.
    `alive`: it can go on, with a log of its own."""
    made, firm = _made(), load() if alive else _stage()
    firm.now = made.firm.now
    firm.store.objects = {key: list(versions) for key, versions in made.firm.store.objects.items()}
    firm.keyring.records = dict(made.firm.keyring.records)
    firm.keyring.destroyed.clear()
    indexes = FakeIndexSet()
    indexes._data = {name: copy.copy(data) for name, data in made.indexes._data.items()}
    for data in indexes._data.values():
        data.documents = dict(data.documents)
        data.visible = dict(data.visible)
        data.cursors = dict(data.cursors)
    indexes._current, indexes._made = made.indexes._current, made.indexes._made
    return System(firm, indexes, made.kept, made.head, _second(firm))


# -- what is done; each returns the names of which at least one must be said

Change = Callable[[System, random.Random], set[str]]


def _keys(system: System, *prefixes: str) -> list[str]:
    return sorted(key for key in system.firm.store.objects if key.startswith(prefixes))


def _body(system: System, key: str) -> bytes:
    return system.firm.store.objects[key][0].body


def _any(system: System, chance: random.Random) -> str:
    """Any object: half of the time one of the log."""
    prefix = chance.choice((layout.LOG, layout.SEGMENTS, layout.SEGMENTS, ""))
    return chance.choice(_keys(system, prefix))


def _flipped(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body) * 8)
    changed = bytearray(body)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def flip(system: System, chance: random.Random) -> set[str]:
    """Some bits of an object."""
    key = _any(system, chance)
    body = _body(system, key)
    for _ in range(chance.choice((1, 1, 1, 3, 40))):
        body = _flipped(body, chance)
    if body == _body(system, key):
        body = _flipped(body, chance)
    system.firm.store.damage(key, body)
    return {key}


def cut(system: System, chance: random.Random) -> set[str]:
    """An object is shorter, or longer, than it was."""
    key = _any(system, chance)
    body = _body(system, key)
    system.firm.store.damage(key, chance.choice((
        body[:chance.randrange(len(body))], body[chance.randrange(1, len(body)):],
        body + chance.randbytes(chance.randint(1, 20)), body + body, b"")))
    return {key}


def swap(system: System, chance: random.Random) -> set[str]:
    """Two objects of one kind change places."""
    prefix = chance.choice((layout.SEGMENTS, "log/batch/", "log/checkpoint/"))
    one, other = chance.sample(_keys(system, prefix), 2)
    first, second = _body(system, one), _body(system, other)
    system.firm.store.damage(one, second)
    system.firm.store.damage(other, first)
    return {one, other}


def remove(system: System, chance: random.Random) -> set[str]:
    """An object is gone, as from a folder. (What is optional, or made again, is not drawn.)"""
    key = chance.choice(_keys(system, layout.SEGMENTS, layout.DICTIONARIES, "log/batch/",
                              "log/checkpoint/"))
    system.firm.store.remove(key)
    if key.startswith(layout.SEGMENTS):
        name = layout.read_segment(key)
        assert name is not None
        # The hole has the segment's name; the log and the head name it or its partition.
        return {key, key.removesuffix(".avro"), f"{name.topic}/{name.partition}"}
    # Of the last batch the heads of its size say it.
    return {key, "log/checkpoint/", "log/cosignature/", "handed in"} if "batch" in key else {key}


def hide(system: System, chance: random.Random) -> set[str]:
    """A delete marker, a younger version, or both."""
    key = chance.choice(_keys(system, layout.SEGMENTS, layout.LOG))
    store = system.firm.store
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.5:
            store.add_marker(key)
        else:
            store.put_over(key, chance.choice((
                b"junk", _body(system, key), _body(system, _any(system, chance)))))
    return {key}


def squat(system: System, chance: random.Random) -> set[str]:
    """Somebody was there first, with something else."""
    key = chance.choice(_keys(system, layout.SEGMENTS, "log/batch/", "log/checkpoint/"))
    versions = system.firm.store.objects[key]
    versions.insert(0, StoredVersion("version-0", chance.randbytes(20), 0, chance.choice((
        Lock("", 0), LOCKED))))
    return {key}


def add(system: System, chance: random.Random) -> set[str]:
    """An object that is nobody's, or has a name that would be somebody's."""
    store, head = system.firm.store, checkpoint.read_text(system.kept.text).head.size
    batches = len(_keys(system, "log/batch/"))
    key = chance.choice((
        "readme.txt", "segments/x", "log/x", "log/tile/0/000.p/3", "log/tile/entries/000",
        "log/tile/0/000", "schemas/x", "media/x", batch_key(batches), batch_key(batches + 9),
        checkpoint_key(head + 1), f"{layout.SEGMENTS}capture/{'00' * 16}/0/{0:020d}.avro",
        cosignature_key(head, WITNESS.key), f"log/timestamp/{head:020d}/X"))
    store.plant(key, chance.randbytes(chance.randint(0, 300)), LOCKED)
    return {key}


def replay(system: System, chance: random.Random) -> set[str]:
    """Something real, under a name that is not its own."""
    store = system.firm.store
    key = chance.choice(_keys(system, layout.SEGMENTS, "log/batch/", "log/checkpoint/",
                              "log/cosignature/", "log/timestamp/"))
    if key.startswith(layout.SEGMENTS):
        name = layout.read_segment(key)
        assert name is not None
        other = chance.choice((
            replace(name, expected=name.expected + 1), replace(name, partition=2),
            replace(name, expected=10**19), replace(name, topic="other"),
            replace(name, topic_id=bytes(16)), replace(name, attempt=chance.randint(1, 9)),
            SegmentName(name.topic, name.topic_id, 1 - name.partition, 500, 0))).key()
    else:
        kind, _, number = key.rpartition("/")
        if "cosignature" in key or "timestamp" in key:
            other = key.replace(key.split("/")[2], f"{chance.randrange(1, 9):020d}")
        else:
            other = f"{kind}/{int(number) + chance.randint(20, 99):020d}"
    store.plant(other, _body(system, key), LOCKED)
    return {other}


def unlock(system: System, chance: random.Random) -> set[str]:
    """A lock that is none, of the wrong kind, or too short."""
    key = chance.choice(_keys(system, layout.SEGMENTS, layout.LOG))
    if "cosignature" in key or "timestamp" in key or chance.random() < 0.5:
        lock = Lock("GOVERNANCE", 10**14)
    else:
        lock = chance.choice((Lock("", 0), Lock(COMPLIANCE, 1),
                              Lock(COMPLIANCE, system.firm.now)))
    system.firm.store.relock(key, lock)
    return {key}


def roll_back(system: System, chance: random.Random) -> set[str]:
    """The end of a partition, with what the log has of it or without."""
    partition = chance.randrange(2)
    keys = system.firm.keys_of(partition)
    gone = keys[-chance.randint(1, len(keys)):]
    for key in gone:
        system.firm.store.remove(key)
    if chance.random() < 0.5:
        size = 0
        batches = _keys(system, "log/batch/")
        for key in batches[chance.randrange(len(batches)):]:
            system.firm.store.remove(key)
        size = len(_keys(system, "log/batch/"))
        for key in _keys(system, "log/checkpoint/")[size:]:
            system.firm.store.remove(key)
    name = layout.read_segment(gone[0])
    assert name is not None
    return {f"{name.topic}/{name.partition}", *gone}    # the head names the partition


def key_record(system: System, chance: random.Random) -> set[str]:
    """A record of the keyring: bits, its end, another's in its place, gone, or one too many."""
    ring = system.firm.keyring
    name, other = chance.sample(sorted(ring.records), 2)
    kind = chance.choice(("flip", "cut", "swap", "lose", "add"))
    if kind == "flip":
        ring.damage(name, _flipped(ring.records[name], chance))
    elif kind == "cut":
        ring.damage(name, ring.records[name][:chance.randrange(1, len(ring.records[name]))])
    elif kind == "swap":
        ring.damage(name, ring.records[other])
    elif kind == "lose":
        ring.lose(name)
    else:
        name = f"{chance.randbytes(16).hex()}/0"
        ring.records[name] = chance.choice((b"junk", ring.records[other]))
    return {name}


def index_document(system: System, chance: random.Random) -> set[str]:
    """A document of the index: gone, another's, older, changed, or one too many."""
    documents = system.documents
    doc_id, other = chance.sample(sorted(documents), 2)
    found, version = documents[doc_id]
    kind = chance.choice(("gone", "moved", "older", "changed", "added"))
    before = documents[doc_id]
    if kind == "gone":
        del documents[doc_id]
    elif kind == "moved":
        documents[doc_id] = replace(documents[other][0], doc_id=doc_id), version
    elif kind == "older" and len(found.entries) > 1:
        documents[doc_id] = document(doc_id, found.entries[:-1]), version
    elif kind == "added":
        doc_id = chance.randbytes(16).hex()
        documents[doc_id] = document(doc_id, found.entries), version
    else:
        first = found.entries[0]
        entry = chance.choice((
            replace(first, captured_at=first.captured_at + 1), replace(first, kind="audit"),
            replace(first, digest="00" * 8), replace(first, seen="00" * 8),
            replace(first, custodian="00" * 8),
            replace(first, pointer=replace(first.pointer, start=first.pointer.start + 1))))
        documents[doc_id] = document(doc_id, (entry, *found.entries[1:])), version
    if documents.get(doc_id) == before:
        del documents[doc_id]
    system.indexes.open(bind(system.indexes)).refresh()
    return {doc_id}


CHANGES: tuple[Change, ...] = (
    flip, flip, flip, cut, cut, swap, remove, hide, squat, add, replay, unlock, roll_back,
    key_record, key_record, index_document, index_document)


def is_named(said: Said, notes: list[str], names: set[str]) -> bool:
    """Whether something was said, and of the right thing."""
    return any(name in where for _, where in said for name in names) or any(
        name in one for one in notes for name in names if name)


# -- what happens in an honest life, in any order; nothing of it is to be said


def live(system: System, chance: random.Random) -> None:
    """A few steps of it."""
    for _ in range(chance.randint(0, 5)):
        chance.choice((_time, _locks, _archive, _log, _index, _witness, _unsigned, _kept,
                       _rotate))(system, chance)
    _copy(system)


def _time(system: System, chance: random.Random) -> None:
    system.firm.now += chance.randrange(10**9)


def _locks(system: System, chance: random.Random) -> None:
    for key in chance.sample(sorted(system.firm.store.objects), 3):
        first = system.firm.store.objects[key][0]
        system.firm.store.relock(key, Lock(COMPLIANCE, first.lock.retain_until
                                           + chance.randrange(10**10)))


def _archive(system: System, chance: random.Random) -> None:
    firm = system.firm
    firm.seed = f"live/{chance.random()}"
    for number in range(chance.randint(1, 4)):
        firm.capture(chance.randrange(2), firm.message(chance.randrange(2), 200 + number))
    firm.archive()


def _log(system: System, chance: random.Random) -> None:
    firm = system.firm
    Notary(Ports(firm.store, firm.authenticator(), FakeLatest(), LOG, firm.clock,
                 lambda now: now + YEARS_MS, lambda _seconds: None)).turn(chance.randint(1, 3))


def _index(system: System, _chance: random.Random) -> None:
    index = system.indexes.open(bind(system.indexes))
    Follower(system.firm.reader(), index, Projector(TOKENS)).run_to_end()
    index.refresh()


def _witness(system: System, chance: random.Random) -> None:
    key = chance.choice(_keys(system, "log/checkpoint/"))
    size, store = int(key.rpartition("/")[2]), system.firm.store
    signed = note.read_bytes(_body(system, key))
    if cosignature_key(size, GOLDEN_WITNESS.key) not in store.objects:
        store.plant(cosignature_key(size, GOLDEN_WITNESS.key), note.with_signatures(
            signed, [note.cosign(signed.text, GOLDEN_WITNESS, system.firm.now // 1000)],
            ).render().encode(), LOCKED)
    if timestamp_key(size, "tsa") not in store.objects:
        store.plant(timestamp_key(size, "tsa"), STAMPED.response(_body(system, key)), LOCKED)


def _unsigned(system: System, _chance: random.Random) -> None:
    """A notary that died between its batch and the checkpoint."""
    key = _keys(system, "log/checkpoint/")[-1]
    size = int(key.rpartition("/")[2])
    for one in (key, cosignature_key(size, GOLDEN_WITNESS.key), timestamp_key(size, "tsa")):
        if one in system.firm.store.objects:
            system.firm.store.remove(one)
    _log(system, random.Random(0))


def _kept(system: System, chance: random.Random) -> None:
    system.kept = note.read_bytes(_body(system, chance.choice(_keys(system, "log/checkpoint/"))))


def _rotate(system: System, chance: random.Random) -> None:
    old, firm = system.firm.service, system.firm
    firm.service = LocalKeyService.of(chance.randbytes(32), chance.randbytes)
    for keyring in (firm.keyring, system.second):
        rewrap(keyring, old, firm.service)


def _copy(system: System) -> None:
    done = copy_keys(system.firm.keyring, system.second, system.firm.service, frozenset())
    assert () == done.refused


# -- a log of many leaves, with a tile


@cache
def _book() -> tuple[Book, FakeStore]:
    return grown()


def fresh_book() -> tuple[Book, FakeStore]:
    """300 cells in three batches, one full tile, a cosignature and a time stamp."""
    made, store = _book()
    mine = FakeStore(lambda: logs.NOW, accuse=False)
    mine.objects = {key: list(versions) for key, versions in store.objects.items()}
    book = copy.copy(made)
    book.store = mine
    return book, mine


def book_change(store: FakeStore, chance: random.Random) -> str:
    """One change of an object of that log or archive; its key."""
    key = chance.choice(sorted(store.objects))
    body = store.objects[key][0].body
    kind = chance.choice(("flip", "flip", "cut", "marker", "over", "unlock"))
    if kind == "flip":
        store.damage(key, _flipped(body, chance))
    elif kind == "cut":
        store.damage(key, body[:chance.randrange(len(body))])
    elif not key.startswith(layout.LOG):
        store.damage(key, body[1:])     # what lies over a segment is `verify`'s to say
    elif kind == "marker":
        store.add_marker(key)
    elif kind == "over":
        store.put_over(key, body)
    else:
        store.relock(key, Lock("GOVERNANCE", 10**14))
    return key


def audit_book(book: Book) -> Said:
    """What an auditor says of it."""
    return {(one.code, one.where) for one in audited(book).faults}


def attack(chance: random.Random) -> str:
    """One change of one of the two systems; returns who named it by where it was done: "verify", or
    "second keyring" where a key record is gone under which nothing lies, so that the archive knows
    nothing of it. Raises AssertionError for all else."""
    if chance.random() < 0.15:
        book, store = fresh_book()
        key = book_change(store, chance)
        said = audit_book(book)
        assert is_named(said, [], {key}), (key, said)
        return "verify"
    system = fresh()
    change = chance.choice(CHANGES)
    names = change(system, chance)
    said = system.verify_index() if change is index_document else system.verify()
    if is_named(said, system.notes, names):
        return "verify"
    assert change is key_record and not said, (change.__name__, names, said)
    assert not names & (system.firm.keyring.records.keys() | _used()), names
    assert {("replica_foreign", f"keyring/{name}") for name in names} == system.verify_keys()
    return "second keyring"


@cache
def _used() -> frozenset[str]:
    """Names of the keys under which something lies."""
    firm = load()
    return frozenset(name_of(event.domain, event.generation)
                     for topic_id, partition in firm.reader().partitions()
                     for read in firm.reader().follow(topic_id, partition, 0)
                     for event in read.events)


def truth(firm: Firm) -> dict[Pointer, bytes]:
    """Every datum that can be read, by where it lies."""
    return {event.pointer: event.datum
            for topic_id, partition in firm.reader().partitions()
            for read in firm.reader().follow(topic_id, partition, 0)
            for event in read.events if event.datum is not None}
