"""Making an export: the archive, the index and the log of one data folder, put together.

Owns the composition and the two things that are done: a preview, and a package in a folder. Who may
have it is `infra/exportdesk.py`; what is in it is `search/export/`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from archive.media import MediaReader
from archive.tlog import checkpoint, note
from archive.tlog.batch import Read
from archive.tlog.prover import Prover
from archive.tlog.sequence import LogSequence
from infra.exportclaim import Claims
from infra.exportdesk import tool
from infra.exportfolder import ExportFolder
from infra.exportlog import checkpoint_for, log_of, signer_of, stamps_of
from infra.exporttags import Made, certificates, statics
from infra.exportwriters import writers
from infra.holds import Holding
from infra.reviewing import policy_of
from infra.wire import Wire
from schemas.directory import Directory
from schemas.document import Document
from schemas.errors import Exists, Missing, Refused
from schemas.wire import Pointer
from search.access.bound import Bound, Look
from search.access.people import withheld_conversations
from search.access.scope import EVERYTHING
from search.access.viewer import Viewer
from search.bodies import Bodies
from search.export import bagit, complete, frozen, wording
from search.export.cells import Cells
from search.export.frozen import Frozen
from search.export.gather import Gatherer
from search.export.gather import Ports as GatherPorts
from search.export.granted import Done, Granted, Preview, Progress, silent
from search.export.leaves import Leaves
from search.export.model import PRIVILEGED, Counts, Job
from search.export.native import Native
from search.export.package import Package, Parts
from search.export.plan import planned
from search.export.proof import Trust
from search.export.select import CAPTURED, Privilege, Selection, Selector, Ways, is_captured
from search.export.wanted import Wanted
from search.gaps import GapReader
from search.index import Asked, fetched
from search.links import LinkReader
from search.parse import parse
from search.query import Compiler, Or, TokenQuery, flatten, party_values
from search.reading import ReadingIndex
from search.tokens import NONE, Tokenizer

_SAID_EACH: Final = 500
_GROUNDS: Final = {PRIVILEGED: "privileged: the firm's rules withhold it (access.toml)"}
# What a package costs beside its files, a record: measured on the demo, with all formats.
_RECORD_BYTES: Final = 12_000


@dataclass(frozen=True, slots=True)
class _Log:
    """The transparency log of one export."""

    sequence: LogSequence
    last: Read
    leaves: Leaves


class _Custodians:
    """Whose messages are, as capture said. Somebody who is in the directory no more is named by the
    event itself, which is read once."""

    def __init__(self, tokenizer: Tokenizer, directory: Directory, bodies: Bodies) -> None:
        self._bodies = bodies
        self._named = {tokenizer.named("custodian", one.custodian_id): one.custodian_id
                       for one in directory.custodians}
        self._met: set[str] = set()

    def meet(self, found: Document) -> None:
        """One message."""
        for entry in found.entries:
            if entry.custodian in self._met or not entry.custodian:
                continue
            if entry.custodian not in self._named:
                with suppress(Missing, Refused):
                    self._named[entry.custodian] = self._bodies.event(found, entry).custodian
            if entry.custodian in self._named:
                self._met.add(entry.custodian)

    def met(self) -> frozenset[str]:
        """Their ids."""
        return frozenset(self._named[one] for one in self._met if self._named[one])


class Exporter:
    """For one viewer of one data folder. Belongs to one thread."""

    def __init__(self, wire: Wire, viewer: Viewer, progress: Progress = silent) -> None:
        """`viewer`: with whose eyes it is made: what he may not see is not in it."""
        if viewer.scope != EVERYTHING:
            # Not only what answers a search: everything that was captured of these messages.
            viewer = replace(viewer, scope=replace(viewer.scope, captured=True))
        self._wire, self._viewer, self._progress = wire, viewer, progress
        self._keys = wire.domain_keys()
        self._reader = wire.reader(self._keys)
        self._cells = Cells(self._reader)
        self._bodies = Bodies(self._cells)
        self._indexes = wire.indexes()
        self._tokenizer = wire.tokenizer()
        self._bound = Bound(self._indexes, self._bodies, self._tokenizer)
        self._links = LinkReader(self._bodies, self._tokenizer)
        self._directory: Directory = wire.directory()
        self._language = wire.language(self._indexes, self._reader)

    @property
    def read_bytes(self) -> int:
        """Of cells, so far."""
        return self._cells.opened_bytes

    # -- the preview

    def preview(self, wanted: Wanted) -> Preview:
        """What an export would be; writes nothing. Raises QueryError, Missing, Refused, Transient.
        """
        look = self._look()
        chosen = self._selection(wanted, look)
        try:
            leaves = Leaves(*log_of(self._wire))
        except Missing:
            leaves = None                    # it begins with the first turn of the notary
        records = files = unproved = 0
        for found in self._documents(chosen, look):
            if found.doc_id not in chosen.withheld:
                pointers = _records(found)
                records += len(pointers)
                unproved += sum(leaves is None or leaves.number(one) is None for one in pointers)
                files += found.attachments
        times = [one.sort_at for one in chosen.chosen]
        warnings = [*self._warnings(wanted)]
        if unproved:
            warnings.append(f"{unproved} records are not in the transparency log yet: an export "
                            "waits for that, and the notary has to run")
        return Preview(
            chosen.matched, len(chosen.chosen) - chosen.matched,
            dict(Counter(chosen.withheld.values())),
            len({one.conversation for one in chosen.chosen}),
            len({one.account for one in chosen.chosen}), records, files, records * _RECORD_BYTES,
            min(times, default=None), max(times, default=None), tuple(warnings))

    # -- the package

    def run(self, wanted: Wanted, facts: Granted, out: Path, progress: Progress) -> Done:
        """The package in `out`, whole and sealed; goes on where it was interrupted, and is found
        where it is whole. Raises Exists for a folder of something else, Missing, Refused,
        Transient."""
        self._progress = progress
        folder = ExportFolder(out.absolute())
        if (folder.out / bagit.SEAL).exists():
            return self._found(wanted, facts, folder)
        look = self._look()
        sequence, last = log_of(self._wire)
        log = _Log(sequence, last, Leaves(sequence, last))
        if folder.is_begun():
            kept = frozen.load(folder.resume())
            if (kept.export_id, kept.wanted.encode()) != (facts.export_id, wanted.body()):
                raise Exists(f"{folder.part} holds another export ({kept.export_id}): go on with "
                             "that one, or delete it")
            chosen = frozen.read_selection(folder.read(frozen.SELECTION), kept.selection)
        else:
            kept, chosen = self._freeze(wanted, facts, look, log, folder)
        parts = self._parts(wanted, facts, kept, chosen, look, log, folder)
        package = Package(parts, folder)
        total = len(chosen.chosen)
        counts = package.write(planned(chosen, parts.job.zone),
                               lambda done: self._progress("writing messages", done, total))
        digest = package.seal(lambda done, of: self._progress("hashing files", done, of))
        with folder.open("seal.note") as file:
            seal = file.read().decode()
        folder.finish()
        return Done(facts.export_id, str(folder.out), counts, digest, seal,
                    parts.trust.head.size, tuple(self._warnings(wanted)))

    def _found(self, wanted: Wanted, facts: Granted, folder: ExportFolder) -> Done:
        """A package that is whole already: sealed by us, over what lies there."""
        out = folder.out
        seal = (out / bagit.SEAL).read_text("utf-8")
        tags = sha256((out / bagit.TAG_MANIFEST).read_bytes()).hexdigest()
        sealed = note.read(seal)
        if sealed.text != bagit.sealed_text(facts.export_id, tags):
            raise Exists(f"{out} is another export, or was changed; name another folder")
        note.verify(sealed, [signer_of(self._wire).key])
        folder.tidy()
        certified = json.loads((out / "certificate.json").read_bytes())
        return Done(facts.export_id, str(out), _counted(certified), tags, seal,
                    certified["checkpoint"]["size"], tuple(self._warnings(wanted)))

    def _freeze(self, wanted: Wanted, granted: Granted, look: Look, log: _Log,
                folder: ExportFolder) -> tuple[Frozen, Selection]:
        chosen = self._selection(wanted, look)
        if not chosen.chosen:
            raise Missing("nothing in the archive matches this selection: there is nothing to "
                          "export")
        needed, custodians = self._needed(chosen, look, log.leaves)
        signed, witnesses = checkpoint_for(self._wire, log.sequence, log.last, needed)
        size = checkpoint.read_text(signed.text).head.size
        lines = frozen.selection_lines(chosen)
        kept = Frozen(granted.export_id, wanted.body().decode(), signed.render(), witnesses,
                      tuple(stamps_of(self._wire, log.sequence, log.last, size)),
                      tuple(sorted(custodians)), sha256(lines).hexdigest())
        folder.begin(kept.dump(), {frozen.SELECTION: lines})
        return kept, chosen

    def _parts(self, wanted: Wanted, granted: Granted, kept: Frozen, chosen: Selection,
               look: Look, log: _Log, folder: ExportFolder) -> Parts:
        signed = note.read(kept.checkpoint)
        head = checkpoint.read_text(signed.text).head
        signer = signer_of(self._wire)
        trust = Trust(log.sequence.origin, head, signed, self._wire.log_keys(), kept.witnesses,
                      kept.stamps, signer.key)
        # The period is half open, a gap's time is not.
        until = wanted.until - 1 if wanted.until is not None else None
        gaps = [one for one in GapReader(self._bodies).all(look.whole)
                if one.touches(wanted.since, until)]
        job = self._job(wanted, granted, trust)
        claims = Claims(self._keys, look.whole, self._bodies)
        return Parts(
            job, trust, writers(wanted),
            Gatherer(GatherPorts(
                look.shown, self._cells, log.leaves, head.size, look.assigned,
                MediaReader(self._wire.store).open, wanted.prefix, claims.is_erased,
                lambda token: sha256(f"{granted.export_id} {token}".encode()).hexdigest()[:16],
                gaps, _GROUNDS),
                chosen.withheld),
            Native(self._cells), log.leaves,
            lambda tags: claims.claim(wanted, frozenset(kept.custodians), tags,
                                      sees_all=not self._hidden(wanted, look)),
            complete.Ports(log.leaves, head.size,
                           lambda leaf: self._cells.of(complete.pointer_of(leaf)),
                           claims.is_erased, lambda: self._outside(wanted, look, log.leaves)),
            lambda: Prover(log.sequence, log.last).files(signed), granted.custody,
            lambda counts, sources, payload, manifest: certificates(
                self._wire, Made(job, trust, wanted, _noted(counts, folder), sources,
                                 tuple(payload), manifest, tuple(
                                     one for one in gaps if one.concerns(
                                         sources.channels, sources.accounts)), folder)),
            statics(job), signer)

    # -- what is chosen

    def _look(self) -> Look:
        look = self._bound.look(self._viewer)
        if look is None:
            raise Missing("nothing is indexed yet: `counterfoil run` archives and indexes")
        return look

    def _selection(self, wanted: Wanted, look: Look, index: Asked | None = None) -> Selection:
        policy = policy_of(self._wire)
        privilege = Privilege(frozenset(policy.privileged.compartments),
                              withheld_conversations(policy, self._directory))
        shown: Asked = look.shown if index is None else index
        if self._tokenizer.text == NONE:
            # The index holds no words: they are looked for in the texts themselves.
            shown = ReadingIndex(shown, self._bodies, self._language.stems,
                                 lambda done, of: self._progress("reading", done, of))
        return Selector(
            shown, self._tokenizer, privilege,
            Ways(lambda text: self._compiled(text, wanted, look),
                 lambda found: self._links.conversations(look.whole, found), self._held,
                 lambda custodian: look.assigned.windows(lambda one: one == custodian)),
            lambda found: self._progress("looking", found, 0)).select(wanted)

    def _compiled(self, text: str, wanted: Wanted, look: Look) -> TokenQuery:
        search = self._wire.config.search
        tree = parse(text, zone=_zone(wanted.zone), lists=self._language.lists)
        return Compiler(
            text, self._tokenizer, search.region, assigned=look.assigned,
            links=self._links.of_values(look.whole, party_values(tree), search.region),
            expander=self._language.expander, party=None,
            counts_exactly=self._viewer.scope == EVERYTHING).compiled(tree)

    def _whole(self, wanted: Wanted, look: Look, index: Asked) -> set[str]:
        """Ids of all that the question means there, whatever its period."""
        found = self._selection(replace(wanted, since=None, until=None), look, index)
        return {one.doc_id for one in found.chosen}

    def _hidden(self, wanted: Wanted, look: Look) -> bool:
        """Whether whoever asks does not see all of it: then nothing can be said of the rest."""
        if self._viewer.scope == EVERYTHING or not wanted.is_whole:
            return False
        return bool(self._whole(wanted, look, look.whole) - self._whole(wanted, look, look.shown))

    def _outside(self, wanted: Wanted, look: Look,
                 leaves: Leaves) -> frozenset[tuple[int, int]]:
        """(leaf, position) of every record of the same question outside of its period."""
        if (wanted.since, wanted.until) == (None, None):
            return frozenset()
        ids = sorted(self._whole(wanted, look, look.whole))
        return frozenset(
            (leaf, pointer.position)
            for _, found in fetched(look.whole, ids)
            if found is not None and not wanted.covers(found.sort_at)
            for pointer in _records(found) if (leaf := leaves.number(pointer)) is not None)

    def _held(self, hold_id: str) -> TokenQuery:
        holding = Holding(self._wire)
        index = holding.index()
        facts = holding.facts(index)
        hold = next((one for one in facts.holds() if one.hold_id == hold_id), None)
        if hold is None or index is None:
            raise Missing(f"there is no hold {hold_id}: see `counterfoil hold list`")
        sources = holding.sources(index)
        asked = [sources.asked(scope) for scope in hold.scopes]
        return TokenQuery(flatten(Or(tuple(one.root for one in asked))),
                          CAPTURED.intersection(frozenset().union(*(one.kinds for one in asked))))

    def _documents(self, chosen: Selection, look: Look) -> Iterator[Document]:
        ids = [one.doc_id for one in chosen.chosen]
        for at, (_, found) in enumerate(fetched(look.shown, ids)):
            if at % _SAID_EACH == 0:
                self._progress("looking", at, len(ids))
            if found is not None:
                yield found

    def _needed(self, chosen: Selection, look: Look, leaves: Leaves) -> tuple[int, frozenset[str]]:
        """(the size that a checkpoint must have, whose messages were chosen). Raises Refused where
        nothing of a message is in the log yet."""
        size, custodians = 0, _Custodians(self._tokenizer, self._directory, self._bodies)
        for found in self._documents(chosen, look):
            known = [one for one in map(leaves.number, _records(found)) if one is not None]
            if not known:
                raise Refused(f"message {found.doc_id} is not in the transparency log yet: "
                              "`counterfoil notary --once` brings it up to date; then export again")
            size = max(size, max(known) + 1)
            custodians.meet(found)
        return size, custodians.met()

    # -- what it says of itself

    def _job(self, wanted: Wanted, granted: Granted, trust: Trust) -> Job:
        config = self._wire.config
        scope = "; ".join(f"{name}: {value}" for name, value in wording.lines(wanted))
        if self._viewer.scope != EVERYTHING:
            scope += (f"; seen by {self._viewer.person}: what that person may not see is neither "
                      "here nor listed")
        return Job(
            granted.export_id, wanted.title or wanted.matter or "Export", wanted.matter,
            granted.requested_by, granted.requested_at, granted.approved_by, granted.approved_at,
            wanted.basis, wanted.query, scope, _zone(wanted.zone), wanted.zone, wanted.prefix,
            config.export.organisation, tool(), trust.origin, trust.head.size,
            trust.head.root.hex(), trust.signed.render(), config.retention.trial)

    def _warnings(self, wanted: Wanted) -> Iterator[str]:
        if wanted.matter and all(one.matter_id != wanted.matter
                                 for one in self._directory.matters):
            yield (f"the directory has no matter {wanted.matter}: the export is called after it "
                   "all the same")
        if self._wire.config.retention.trial:
            yield "this archive is a trial: its records are locked for a day only"


def _noted(counts: Counts, folder: ExportFolder) -> Counts:
    counts.notes = folder.notes
    return counts


def _counted(certified: Mapping[str, Any]) -> Counts:
    """The counts of a package that is whole, as its certificate has them."""
    said = certified["counts"]
    failed = {name: count for name, count in said["failed"].items()
              if count and name != "files_missing"}
    return Counts(
        said["matched"], said["context"], said["exported"], said["records"],
        said["conversations"], said["files"], said["file_bytes"],
        said["failed"]["files_missing"], said["withheld"] | failed, certified["notes"])


def _records(found: Document) -> list[Pointer]:
    """Each record of a message once, without what the firm says of it."""
    return list(dict.fromkeys(one.pointer for one in found.entries if is_captured(one)))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused(f"--zone {name}: no time zone; write Europe/London, for example") from error
