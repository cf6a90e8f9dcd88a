"""One package from its plan to its seal: the order of everything in it.

Owns the order and what is remembered between slices, so that an export that was interrupted goes on
with the next slice and gives the same bytes. Files are the sink's; who may have it was decided
before; what is counted is `tally.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final, Protocol

from archive.tlog.note import Note, Signer, sign
from schemas.errors import Refused
from search.export import bagit, canonical, complete, proof, tally
from search.export.bagit import Listed
from search.export.complete import Claim
from search.export.gather import FileSink, Gatherer, Numbers
from search.export.leaves import Leaves
from search.export.model import ERASED, Counts, Job, Writer
from search.export.native import Native
from search.export.plan import Planned
from search.export.proof import Trust

_SLICES: Final = ".work/slices"
_TAGS: Final = ".work/tags"
# So many messages are at most made again after a crash: to make each slice durable costs more.
_COMMIT_ITEMS: Final = 500
CUSTODY: Final = "custody.jsonl"


class PackageSink(FileSink, Protocol):
    """The whole package as files. What `commit` was given is what `state` gives after a crash, and
    then every file is as it was at that moment. Paths below .work/ are no part of the package."""

    def state(self) -> bytes:
        """What was committed last; b"" at the beginning."""

    def commit(self, state: bytes) -> None:
        """Everything up to here is durable."""

    def listed(self, progress: Callable[[int, int], None]) -> list[Listed]:
        """Every file of the package with its hash. `progress`: bytes done, of how many."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what is exported came from, for the certificate: adapters with their versions,
    accounts, channels, how it is known (schemas/events.py), until when it is locked (UTC ms), the
    names of the keys that it was sealed under (never keys)."""

    sources: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    provenances: tuple[str, ...] = ()
    retain_first: int = 0
    retain_last: int = 0
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """What a package is made with. `custody`: lines of custody.jsonl; `certificates`: the tag files
    that certify (by path), from the counts, what the data came from, the payload's files and its
    manifest; `statics`: other tag files; `signer`: of seal.note; `claim`: from the tags that were
    met, and the key domains in which something lies that is here or listed."""

    job: Job
    trust: Trust
    writers: Sequence[Writer]
    gatherer: Gatherer
    native: Native
    leaves: Leaves
    claim: Callable[[Sequence[tuple[str, bytes]], Collection[bytes]], Claim]
    completeness: complete.Ports
    static_log: Callable[[], Iterable[tuple[str, bytes]]]
    custody: Sequence[Mapping[str, Any]]
    certificates: Callable[[Counts, Sources, Sequence[Listed], bytes], Mapping[str, bytes]]
    statics: Mapping[str, bytes]
    signer: Signer


@dataclass(slots=True)
class _State:
    """What is remembered between slices. `opened`, `erased`: names of keys under which something is
    in the package, and under which something is gone."""

    slices: int = 0
    is_begun: bool = False
    is_written: bool = False
    numbers: Numbers = field(default_factory=Numbers)
    counts: Counts = field(default_factory=Counts)
    fingerprints: list[str] = field(default_factory=list)
    sources: dict[str, list[str]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)

    def dump(self) -> bytes:
        """As JSON."""
        return canonical.document(asdict(self))

    @staticmethod
    def load(body: bytes) -> _State:
        """What `dump` gave; a new one from nothing."""
        if not body:
            return _State()
        said = json.loads(body)
        return _State(said["slices"], said["is_begun"], said["is_written"],
                      Numbers(**said["numbers"]), Counts(**said["counts"]), said["fingerprints"],
                      said["sources"], said["opened"], said["erased"])


class Package:
    """Makes one package into a sink, or goes on with it."""

    def __init__(self, parts: Parts, sink: PackageSink) -> None:
        self._parts, self._sink = parts, sink
        self._state = _State.load(sink.state())

    @property
    def slices_done(self) -> int:
        """How many slices there are already."""
        return self._state.slices

    def write(self, plan: Iterable[Planned],
              progress: Callable[[int], None] = lambda _items: None) -> Counts:
        """Every slice of the plan, those that are there already apart; then the package's end.
        `progress`: is told how many messages are done. Raises what the gatherer does."""
        sink, state = self._sink, self._state
        if not state.is_begun:
            self._begin()
        done = waiting = 0
        for number, planned in enumerate(plan):
            done += len(planned.chosen)
            if number >= state.slices:
                self._slice(planned)
                waiting += len(planned.chosen)
                if waiting >= _COMMIT_ITEMS:
                    sink.commit(state.dump())
                    waiting = 0
            progress(done)
        if not state.is_written:
            self._end()
            state.is_written = True
            sink.commit(state.dump())
        return state.counts

    def seal(self, progress: Callable[[int, int], None] = lambda _done, _of: None) -> str:
        """Manifests, certificate and seal, over everything that was written; the SHA-256 (hex) of
        the tag manifest. Called again it makes the same."""
        parts, sink = self._parts, self._sink
        payload = [one for one in sink.listed(progress) if one.path.startswith(bagit.PAYLOAD)]
        manifest = bagit.manifest(payload)
        tags = dict(parts.statics)
        tags["bagit.txt"] = bagit.DECLARATION
        tags["bag-info.txt"] = bagit.info(parts.job, payload)
        tags[bagit.MANIFEST] = manifest
        tags[CUSTODY] = b"".join(canonical.line(one) for one in parts.custody)
        tags |= parts.certificates(self._state.counts, self._sources(), payload, manifest)
        listed = []
        for path, body in sorted(tags.items()):
            sink.put(path, body)
            listed.append(Listed(path, len(body), sha256(body).hexdigest()))
        tag_manifest = bagit.manifest(listed)
        sink.put(bagit.TAG_MANIFEST, tag_manifest)
        digest = sha256(tag_manifest).hexdigest()
        text = bagit.sealed_text(parts.job.export_id, digest)
        sink.put(bagit.SEAL, Note(text, (sign(text, parts.signer),)).render().encode())
        return digest

    def _begin(self) -> None:
        parts, sink = self._parts, self._sink
        proof.begin(parts.trust, sink)
        parts.native.begin(sink)
        for path in (_SLICES, _TAGS):
            sink.append(path, b"")
        for one in parts.writers:
            one.begin(parts.job, sink)
        self._state.is_begun = True
        sink.commit(self._state.dump())

    def _slice(self, planned: Planned) -> None:
        parts, sink, state = self._parts, self._sink, self._state
        found = parts.gatherer.gather(planned, state.numbers, sink)
        state.fingerprints = sorted({*state.fingerprints, *parts.native.slice(found.slice, sink)})
        proof.slice_of(found, sink)
        if found.slice.items or found.slice.withheld:
            for one in parts.writers:
                one.slice(parts.job, found.slice, sink)
            sink.append(_SLICES, f"{found.slice.name}\n".encode())
        for tag in sorted(found.tags):
            sink.append(_TAGS, f"{found.slice.conversation} {tag.hex()}\n".encode())
        tally.count(state.counts, found.slice, found.left)
        tally.remember(state.sources, found.slice)
        state.opened = self._keys(state.opened, (one.leaf for one in found.places.values()))
        state.erased = self._keys(state.erased, (
            one.leaf for one in found.left if one.reason == ERASED))
        state.slices += 1

    def _end(self) -> None:
        parts, sink, state = self._parts, self._sink, self._state
        proof.schemas(state.fingerprints, sink)
        known = complete.accounted(proof.lines(sink, proof.EVENTS),
                                   proof.lines(sink, proof.WITHHELD))
        leaves = {leaf for leaf, _ in known}
        claim = parts.claim(self._tags(), {
            bytes.fromhex(parts.leaves.at(one).cell.domain) for one in leaves})
        left = complete.write(claim, parts.completeness, known, sink)
        self._require_one_state(claim, [one.leaf for one in left if one.reason == ERASED])
        proof.withheld(left, sink)
        names = [one.decode("utf-8").rstrip("\n") for one in self._lines(_SLICES)]
        tally.count_left(state.counts, left, names)
        proof.cells(parts.leaves, parts.trust.head, leaves.union(one.leaf for one in left), sink)
        if claim.kind != complete.NONE:
            for path, body in parts.static_log():
                sink.put(f"{proof.FOLDER}/log/{path}", body)
        for one_writer in parts.writers:
            one_writer.end(parts.job, state.counts, names, sink)

    def _require_one_state(self, claim: Claim, left: Iterable[int]) -> None:
        """A package says of a key either what lies under it or that it is gone. `left`: leaves of
        what the claim found erased. Raises Refused."""
        opened = set(self._state.opened)
        erased = set(self._keys(self._state.erased, left))
        if claim.kind == complete.CONVERSATIONS:
            for one in proof.lines(self._sink, complete.TAGS):
                name = tally.key_of(self._parts.leaves.at(one["leaf"]))
                (erased if "erased" in one else opened).add(name)
        if not erased.isdisjoint(opened):
            raise Refused("a key was destroyed while this export was made: begin it anew, in "
                          "another folder")

    def _keys(self, known: Iterable[str], leaves: Iterable[int]) -> list[str]:
        """Those, and the names of the keys that the cells of these leaves are sealed under."""
        found = (self._parts.leaves.at(one) for one in set(leaves))
        return sorted({*known, *(tally.key_of(one) for one in found)})

    def _tags(self) -> list[tuple[str, bytes]]:
        found = {tuple(one.decode("ascii").split()) for one in self._lines(_TAGS)}
        return sorted((name, bytes.fromhex(tag)) for name, tag in found)

    def _lines(self, path: str) -> Iterator[bytes]:
        with self._sink.open(path) as file:
            yield from file

    def _sources(self) -> Sources:
        kept = {name: tuple(value) for name, value in self._state.sources.items()}
        leaves = [self._parts.leaves.at(one["leaf"])
                  for one in proof.lines(self._sink, proof.CELLS)]
        retained = [one.segment.retain_until for one in leaves]
        return Sources(**kept, retain_first=min(retained, default=0),
                       retain_last=max(retained, default=0),
                       keys=tuple(sorted({tally.key_of(one) for one in leaves})))
