"""Making an export: the archive, the index and the log of one data folder, put together.

Owns the composition and the two things that are done: a preview, and a package in a folder. Who may
have it is `infra/exportdesk.py`; what a selection means `infra/exportchoice.py`; what is in it is
`search/export/`.
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

from archive.media import MediaReader
from archive.tlog import checkpoint, note
from archive.tlog.batch import Read
from archive.tlog.prover import Prover
from archive.tlog.sequence import LogSequence
from infra.exportchoice import Asking, Choice, records, whose, zone_of
from infra.exportclaim import Claims
from infra.exportdesk import tool
from infra.exportfolder import ExportFolder
from infra.exportknown import Known
from infra.exportlog import checkpoint_for, log_of, signer_of, stamps_of
from infra.exporttags import Made, certificates, statics
from infra.exportwriters import writers
from infra.wire import Wire
from schemas.directory import Directory
from schemas.errors import Exists, Missing, Refused
from search.access.bound import Bound, Look
from search.access.scope import EVERYTHING
from search.access.viewer import Viewer
from search.bodies import Bodies
from search.export import bagit, complete, frozen, wording
from search.export.cells import Cells
from search.export.frozen import Beheld, Frozen
from search.export.gather import Gatherer
from search.export.gather import Ports as GatherPorts
from search.export.granted import Done, Granted, Preview, Progress, silent
from search.export.leaves import Leaves
from search.export.model import NOT_CHOSEN, OUTSIDE_PERIOD, PRIVILEGED, Counts, Job
from search.export.native import Native
from search.export.package import Package, Parts
from search.export.places import Place
from search.export.plan import planned
from search.export.proof import Trust
from search.export.select import Selection
from search.export.wanted import Wanted
from search.gaps import GapReader
from search.links import LinkReader

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


@dataclass(frozen=True, slots=True)
class _Begun:
    """What an export began with. `withheld`: doc_id -> why; `named`: tokens of the conversations
    that it is about."""

    kept: Frozen
    beheld: Beheld
    withheld: Mapping[str, str]
    named: frozenset[str]

    def elsewhere(self, place: Place) -> str:
        """See complete.Ports."""
        if place in self.beheld.beside:
            return NOT_CHOSEN
        return OUTSIDE_PERIOD if place in self.beheld.outside else ""


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
        choice = self._choice(self._look())
        chosen = choice.select(wanted)
        try:
            leaves = Leaves(*log_of(self._wire))
        except Missing:
            leaves = None                    # it begins with the first turn of the notary
        events = files = unproved = 0
        for found in choice.documents(chosen):
            if found.doc_id not in chosen.withheld:
                pointers = records(found)
                events += len(pointers)
                unproved += sum(leaves is None or leaves.number(one) is None for one in pointers)
                files += found.attachments
        times = [one.sort_at for one in chosen.chosen]
        warnings = [*self._warnings(wanted)]
        others = choice.others(wanted, chosen)
        if others:
            warnings.append(f"{others} messages of other people, who had a number of the "
                            "conversation at another time, are no part of it: a package that is "
                            "proved to be complete lists their records by place, without content")
        if unproved:
            warnings.append(f"{unproved} records are not in the transparency log yet: an export "
                            "waits for that, and the notary has to run")
        return Preview(
            chosen.matched, len(chosen.chosen) - chosen.matched,
            dict(Counter(chosen.withheld.values())),
            len({one.conversation for one in chosen.chosen}),
            len({one.account for one in chosen.chosen}), events, files, events * _RECORD_BYTES,
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
            beheld = frozen.read_beheld(folder.read(frozen.BEHELD), kept.beheld)
        else:
            kept, beheld, chosen = self._freeze(wanted, facts, look, log, folder)
        named = frozenset(wanted.conversations).union(
            one.conversation for one in chosen.chosen if wanted.conversations)
        parts = self._parts(wanted, facts, _Begun(kept, beheld, chosen.withheld, named),
                            whose(look, beheld.assignments), log, folder)
        package = Package(parts, folder)
        total = len(chosen.chosen)
        counts = package.write(planned(chosen, parts.job.zone),
                               lambda done: self._progress("writing messages", done, total))
        digest = package.seal(lambda done, of: self._progress("hashing files", done, of))
        with folder.open("seal.note") as file:
            seal = file.read().decode()
        folder.finish()
        return Done(facts.export_id, str(folder.out), counts, digest, seal,
                    parts.trust.head.size, tuple(self._notes(wanted, counts)))

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
        counts = _counted(certified)
        return Done(facts.export_id, str(out), counts, tags, seal,
                    certified["checkpoint"]["size"], tuple(self._notes(wanted, counts)))

    def _freeze(self, wanted: Wanted, granted: Granted, look: Look, log: _Log,
                folder: ExportFolder) -> tuple[Frozen, Beheld, Selection]:
        choice = self._choice(look)
        chosen = choice.select(wanted)
        if not chosen.chosen:
            raise Missing("nothing in the archive matches this selection: there is nothing to "
                          "export")
        needed, custodians = choice.needed(chosen, log.leaves)
        signed, witnesses = checkpoint_for(self._wire, log.sequence, log.last, needed)
        size = checkpoint.read_text(signed.text).head.size
        lines = frozen.selection_lines(chosen)
        beheld = self._behold(wanted, chosen, look, log.leaves)
        read = beheld.dump()
        kept = Frozen(granted.export_id, wanted.body().decode(), signed.render(), witnesses,
                      tuple(stamps_of(self._wire, log.sequence, log.last, size)),
                      tuple(sorted(custodians)), sha256(lines).hexdigest(),
                      sha256(read).hexdigest())
        folder.begin(kept.dump(), {frozen.SELECTION: lines, frozen.BEHELD: read})
        return kept, beheld, chosen

    def _behold(self, wanted: Wanted, chosen: Selection, look: Look, leaves: Leaves) -> Beheld:
        """What else is read of the index: once, so that no package is made of two answers."""
        # The period is half open, a gap's time is not.
        until = wanted.until - 1 if wanted.until is not None else None
        gaps = tuple(one for one in GapReader(self._bodies).all(look.whole)
                     if one.touches(wanted.since, until))
        choice, decided = self._choice(look), look.assigned.every()
        if not wanted.is_whole or choice.hides(wanted):
            return Beheld(gaps, decided, sees_all=not wanted.is_whole)
        return Beheld(gaps, decided, outside=choice.outside(wanted, leaves),
                      beside=choice.beside(wanted, chosen, leaves))

    def _parts(self, wanted: Wanted, granted: Granted, begun: _Begun, look: Look, log: _Log,
               folder: ExportFolder) -> Parts:
        kept, beheld = begun.kept, begun.beheld
        signed = note.read(kept.checkpoint)
        head = checkpoint.read_text(signed.text).head
        signer = signer_of(self._wire)
        trust = Trust(log.sequence.origin, head, signed, self._wire.log_keys(), kept.witnesses,
                      kept.stamps, signer.key)
        job = self._job(wanted, granted, trust)
        claims = Claims(self._keys, look.whole, self._bodies,
                        lambda domain: self._datums(domain, log.leaves, head.size))
        return Parts(
            job, trust, writers(wanted),
            Gatherer(GatherPorts(
                look.shown, self._cells, log.leaves, head.size, look.assigned,
                MediaReader(self._wire.store).open, wanted.prefix, claims.is_erased,
                lambda token: sha256(f"{granted.export_id} {token}".encode()).hexdigest()[:16],
                beheld.gaps, _GROUNDS),
                begun.withheld),
            Native(self._cells), log.leaves,
            lambda tags, within: complete.logged(claims.claim(
                wanted, frozenset(kept.custodians), tags, within,
                sees_all=beheld.sees_all), log.leaves, head.size),
            complete.Ports(log.leaves, head.size,
                           lambda leaf: self._cells.of(complete.pointer_of(leaf)),
                           claims.is_erased, begun.elsewhere,
                           Known(look.whole, self._tokenizer, log.leaves, head.size,
                                 begun.named).why),
            lambda: Prover(log.sequence, log.last).files(signed), granted.custody,
            lambda counts, sources, payload, manifest: certificates(
                self._wire, Made(job, trust, wanted, _noted(counts, folder), sources,
                                 tuple(payload), manifest, tuple(
                                     one for one in beheld.gaps if one.concerns(
                                         sources.channels, sources.accounts)), folder)),
            statics(job), signer)

    # -- what is chosen

    def _look(self) -> Look:
        look = self._bound.look(self._viewer)
        if look is None:
            raise Missing("nothing is indexed yet: `counterfoil run` archives and indexes")
        return look

    def _datums(self, domain: bytes, leaves: Leaves, size: int) -> Iterator[bytes]:
        """Those of a key domain that can be read."""
        for _, leaf in leaves.every(size):
            if leaf.cell.domain == domain.hex():
                with suppress(Missing, Refused):
                    yield from (one.datum for one in
                                self._cells.of(complete.pointer_of(leaf)).events)

    def _choice(self, look: Look) -> Choice:
        return Choice(Asking(self._wire, self._viewer, self._bodies, self._tokenizer, self._links,
                             self._directory, self._language,
                             self._progress), look)

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
            wanted.basis, wanted.query, scope, zone_of(wanted.zone), wanted.zone, wanted.prefix,
            config.export.organisation, tool(), trust.origin, trust.head.size,
            trust.head.root.hex(), trust.signed.render(), config.retention.trial)

    def _notes(self, wanted: Wanted, counts: Counts) -> Iterator[str]:
        yield from self._warnings(wanted)
        if NOT_CHOSEN in counts.left:
            yield ("records under a name of the conversation that belong to other messages are no "
                   "part of it (other people had the number at another time; a message stands in "
                   "another conversation): withheld.jsonl lists them by place (not_chosen), "
                   "without content")

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
    said = dict(certified["counts"])
    behind = said.pop("withheld")
    return Counts(
        **said, withheld={why: one["messages"] for why, one in behind.items() if one["messages"]},
        left={why: one["records"] for why, one in behind.items()}, notes=certified["notes"])
