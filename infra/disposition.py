"""Disposition on a data folder: list, approve, and destroy what is due (PROTOCOL D1, K3).

Owns the order of the steps, each of which may be the last before a crash; running it again goes on
where it stopped (docs/decisions/0033). What is due is `archive/disposition.py`, what an act means
is `schemas/disposition.py`, what the certificate says is `infra/disposition_told.py`.

    close the domains -> intent on the log -> archive and index past it -> wait for other processes
    -> holds again -> what will be said is on the log -> keys destroyed in each copy, ours last
    -> erasure on the log -> stubs, words, files of the index -> certificate on the log
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from archive import certificate, holds
from archive.certificate import moment
from archive.disposition import (
    DUE,
    HOLD,
    Partition,
    Standing,
    Survey,
    judge,
    survey,
)
from archive.holds import Grounds
from archive.keyring import KEPT_MS, DomainKeys, Keyring, read_name
from archive.retention import ended_at
from archive.tlog.note import ED25519, Key, Signer
from archive.trim import SAFETY_MS, Trimmer
from infra import carry, filelock
from infra.disposition_told import Still, Told
from infra.embedded.keys import FolderKeyring
from infra.holds import sources_of
from infra.wire import DAY_MS, Wire
from schemas import disposition, domains, events
from schemas.directory import Directory, Matter
from schemas.disposition import Act, Listing, Record, body_of
from schemas.domains import DomainFacts
from schemas.errors import Halt, Missing, Refused, Transient
from schemas.holdacts import Scope
from schemas.kinds import kinds_of

# Beyond the age of keys in memory: a segment that is sealed and being written.
_MARGIN_MS: Final = 60_000
_LOCK: Final = "disposition.lock"


@dataclass(frozen=True)
class KeyCopy:
    """One place where key records lie, as a person knows it."""

    name: str
    keyring: Keyring


class CautiousSources:
    """What holds ask of content, answered with a doubt: who cannot look keeps. Implements
    `archive.holds.Sources`."""

    def __init__(self, wire: Wire) -> None:
        self._directory = wire.directory()

    def matter(self, matter_id: str) -> tuple[Matter, ...]:
        """What today's directory says; earlier loads may have said more, so a doubt remains."""
        return tuple(one for one in self._directory.matters if one.matter_id == matter_id)

    def content(self, scope: Scope) -> holds.Content:
        """See Sources."""
        return holds.Content(frozenset(), "what a hold's query or conversation concerns was not "
                                          "looked up")


def grounds_of(wire: Wire, found: Survey) -> Grounds:
    """What the holds on record say of each domain: the acts from the archive itself, what their
    scopes mean from the index, where a doubt keeps. Raises Transient."""
    facts = holds.facts_of(found.holds) | holds.HoldFacts(doubts=frozenset(found.doubts))
    sources = sources_of(wire, found.ends) or CautiousSources(wire)
    return holds.judged(facts, sources)


@dataclass
class Disposer:
    """Disposition of one data folder. `by`: who acts. `told`: progress in words. `pause`: waits so
    many ms, or raises. `is_alone`: nobody else archives or indexes meanwhile."""

    wire: Wire
    by: str
    told: Callable[[str], None] = lambda _words: None
    pause: Callable[[int], None] = lambda _ms: None
    is_alone: bool = False
    grounds: Callable[[Wire, Survey], Grounds] = grounds_of
    _copies: tuple[KeyCopy, ...] | None = field(default=None, repr=False)

    # -- what may be asked

    def standings(self, at: int | None = None, found: Survey | None = None) -> list[Standing]:
        """What is to be said of every key that the archive knows, by name. `at`: as if it were
        then, UTC ms; nothing is destroyed by that."""
        found = found or self.survey()
        names = sorted(found.keys)
        return self._judged(found, names, self.store_now() if at is None else at)

    def survey(self) -> Survey:
        """The archive, read once. Raises Halt, Transient."""
        return survey(self.wire.reader())

    def listing(self, list_id: str, record: Record | None = None) -> Listing:
        """One list as `record` has it; without one, as everything that is on the log now makes it.
        Raises Missing."""
        if record is None:
            self.settle()
            record = self.survey().record
        listing = record.listing(list_id)
        if listing is None:
            raise Missing(f"there is no list {list_id}: see `counterfoil disposition status`")
        return listing

    def store_now(self) -> int:
        """The store's clock decides (PROTOCOL D1); ours, where it is behind. UTC ms."""
        return min(self.wire.clock(), store_time(self.wire))

    # -- the acts of people

    def make_list(self, names: Iterable[str] | None = None) -> Listing:
        """Put a list on record: of everything that is due, or of `names`, each of which has to be
        due. Raises Refused with the ground and the date where one is not."""
        found = self.settled()
        judged = {one.name: one for one in self.standings(found=found)}
        wanted = sorted(set(names)) if names is not None else [
            name for name, one in judged.items() if one.is_due]
        self._require_due(judged, wanted)
        if not wanted:
            raise Refused("nothing is due: " + _soonest(judged.values()))
        if len(wanted) > disposition.KEYS_MAX:
            self.told(f"{len(wanted)} groups are due; a list has {disposition.KEYS_MAX} at most: "
                      "list the others when this one is done")
            wanted = wanted[:disposition.KEYS_MAX]
        act = Act(disposition.LISTED, self.wire.random(16).hex(), self.wire.clock(), self.by,
                  body=body_of({
                      "keys": wanted, "wait_ms": self.wait_ms,
                      "domains": [_row(judged[name]) for name in wanted]}))
        self.say(act)
        return Listing(act)

    @property
    def wait_ms(self) -> int:
        """How long after its approval nothing of a list is destroyed."""
        days = self.wire.config.disposition.wait_days
        if days == 0 and not self.wire.config.retention.trial:
            raise Refused("disposition.wait_days = 0 is for a trial only: give it 1 or more days")
        return days * DAY_MS

    def approve(self, list_id: str) -> Listing:
        """The second person's word; the list with it. Raises Refused for whoever made the list."""
        listing = self.listing(list_id)
        if disposition.same_person(listing.listed.by, self.by):
            raise Refused("nobody approves a list of their own: ask a second person")
        if listing.refused is not None:
            raise Refused(f"{listing.refused.by} refused this list: make another")
        if listing.approved is not None:
            raise Refused(f"{listing.approved.by} approved this list already")
        return replace(listing, approved=self._about(listing, disposition.APPROVED))

    def refuse(self, list_id: str, reason: str) -> Listing:
        """No, and why; the list, which is dead. Raises Refused once an intent is on the log."""
        if not reason.strip():
            raise Refused("--reason: say why, in a few words")
        listing = self.listing(list_id)
        if listing.intents:
            raise Refused("what this list names is being destroyed: it is too late to refuse it")
        act = self._about(listing, disposition.REFUSED, said=reason.strip())
        return replace(listing, refused=listing.refused or act)    # the first no counts

    # -- the destruction

    def run(self, list_id: str) -> Listing:
        """Destroy what an approved list names, as far as nothing stands against it now. Returns
        with the certificate on the log, or raises; called again it goes on. Raises Refused with
        the grounds where nothing may go."""
        with self._only_one():
            found = self.settled()
            record = found.record
            listing = self._again(self.listing(list_id, record), found)
            if _is_done(listing, record):
                return listing
            if not listing.intents:
                listing = self._intend(listing, found)
            else:
                self._close(listing.meant - record.erased)
            # From here the intent is on the log, and nothing new is sealed under these keys once
            # other processes have dropped what they remember.
            found, listing = self._followed(listing)
            counted = self._counted(listing, found)
            if counted is not None:
                self._destroy(listing, counted.keys)
            elif not listing.erasures:
                raise Refused("another list erased everything that this one names: see "
                              "`counterfoil disposition status`")
            return self._finish(list_id)

    def _again(self, listing: Listing, found: Survey) -> Listing:
        """A key that was erased and is there again (`key_resurrected`: somebody brought back a
        backup) goes again, unless a hold keeps it by now."""
        back = [name for name in sorted(listing.erased) if not _is_gone(self.wire.keyring, name)]
        if not back:
            return listing
        held = [one for one in self._judged(found, back, self.store_now(), frozenset())
                if one.why == HOLD]
        if held:
            raise Refused("keys that were erased are there again, and nothing is destroyed: "
                          + _against(held))
        self.told(f"{len(back)} keys that were erased are there again: they go again")
        self._destroy(listing, back)
        return self.listing(listing.list_id)

    def _intend(self, listing: Listing, found: Survey) -> Listing:
        approved = listing.approved
        if listing.refused is not None:
            raise Refused(f"{listing.refused.by} refused this list: make another")
        if approved is None:
            raise Refused("this list waits for the approval of a second person: "
                          f"`counterfoil disposition approve {listing.list_id}`")
        ends = approved.at + listing.wait_ms
        if self.store_now() < ends:
            raise Refused(f"approved, and nothing is destroyed before {moment(ends)}")
        judged = self._judged(found, sorted(listing.keys), self.store_now())
        goes = [one.name for one in judged if one.is_due]
        if not goes:
            raise Refused("nothing of this list may go: " + _against(judged))
        # First the new generations: the domain must never begin at 0 again, and whoever reads the
        # intent may count on them. A crash here leaves keys that nothing lies under yet.
        self._close(goes)
        act = self._about(listing, disposition.INTENT, {"keys": goes})
        self.told(f"announced: {len(goes)} keys")
        return replace(listing, intents=(act,))

    def _close(self, names: Iterable[str]) -> None:
        keys = self.wire.domain_keys()
        for name in sorted(names):
            facts = self._facts(keys, name)
            if facts is not None:                 # else it is destroyed already, and was closed
                domain, generation = read_name(name)
                keys.close(domain, generation, facts)

    def _followed(self, listing: Listing) -> tuple[Survey, Listing]:
        """Archive and index are past the intent on every partition (D1), and every other process
        has dropped the keys that it remembered."""
        if not self.is_alone:
            self.settle()
            left = listing.intents[-1].at + KEPT_MS + _MARGIN_MS - self.wire.clock()
            if left > 0:
                self.told(f"waiting {left // 1000} s: until then another process may still "
                          "remember these keys")
                self.pause(left)
                if self.wire.clock() < listing.intents[-1].at + KEPT_MS + _MARGIN_MS:
                    raise Refused("announced; other processes may still remember these keys: run "
                                  "it again in a quarter of an hour")
        # What others sealed until then is seen, counted and indexed.
        found = self.settled()
        now = self.listing(listing.list_id, found.record)
        if not now.intents:
            # Somebody's no was recorded before our intent: of two words at once that one counts.
            raise Refused("this list was refused while it was announced; nothing was destroyed")
        return found, now

    def _counted(self, listing: Listing, found: Survey) -> Act | None:
        """Holds were read again just now; what goes, with what can only be said of it while it can
        be read. Null = everything that was meant is gone, by this list or by another."""
        open_now = listing.meant - found.record.erased
        if not open_now:
            return None
        self._require_indexed(found)
        gone = {name for name in open_now if _is_gone(self.wire.keyring, name)}
        earlier = {str(row["key"]): row for one in listing.counted
                   for row in one.value("domains") or ()}
        if not gone <= earlier.keys():
            lost = sorted(gone - earlier.keys())[0]
            raise Halt("key_service", f"key {lost} is gone, and this list did not destroy it: see "
                                      "`counterfoil verify`")
        judged = self._judged(found, sorted(open_now - gone), self.store_now())
        goes = {one.name: one for one in judged if one.is_due}
        kept = [one for one in judged if not one.is_due]
        if not goes and not gone:
            raise Refused("announced, and nothing may go now: " + _against(judged))
        for one in kept:
            self.told(f"kept: {one.name}: {one.words}")
        going = goes.keys() | gone
        last = listing.counted[-1] if listing.counted else None
        if last is not None and last.keys == going:
            return last                           # counted before a crash: it says more than we can
        told = Told(self.wire, self.told)
        values = {
            "keys": sorted(going),
            "domains": [earlier.get(name) or _row(goes[name]) for name in sorted(going)],
            "kept": [{"key": one.name, "why": one.why, "words": one.words, "until": one.until or 0}
                     for one in kept],
            **told.traces(set(goes), last.values() if last else {}),
        }
        return self._about(listing, disposition.COUNTED, values)

    def _destroy(self, listing: Listing, goes: Iterable[str]) -> None:
        """Each key in each copy, then in ours: while ours is there it can be read whose it was.
        Then the copies again: somebody may have copied from ours meanwhile (`replicate`). A copy
        that cannot be reached stops it, and the next run goes on."""
        names = sorted(goes)
        for copy in (*self.copies, KeyCopy(self._ours, self.wire.keyring), *self.copies):
            for name in names:
                try:
                    with suppress(Missing):       # destroyed before a crash, or never copied
                        copy.keyring.destroy(name)
                    if not _is_gone(copy.keyring, name):
                        raise Transient("it is still there after its destruction")
                except Transient as error:
                    raise Transient(f"key {name} may remain in {copy.name}, so this is not done: "
                                    f"{error}. Make it reachable and run this again") from error
            self.told(f"destroyed in {copy.name}: {len(names)} keys")
        # From here their content is gone. A crash before the next line is `key_lost` for verify
        # until this runs again.
        self._about(listing, disposition.ERASED, {
            "keys": names, "copies": [*(one.name for one in self.copies), self._ours]})

    def _finish(self, list_id: str) -> Listing:
        self.settle()
        said = self._purge_index()
        record = self.survey().record
        listing = self.listing(list_id, record)
        if not listing.erasures:
            raise Transient("the erasure is on the log and not archived yet: run this again")
        told = Told(self.wire, self.told)
        still = told.still(record.listings)
        values = told.certificate(listing, self._copy_rows(record, said, listing, still), still)
        text = certificate.signed(values, signer(self.wire))
        act = self._about(listing, disposition.CERTIFIED, {
            "keys": sorted(listing.erased), "text": text})
        self.told("certificate on record")
        self._answer(record, act)
        self.settle()
        return replace(listing, certificate=act)

    def _answer(self, record: Record, certified: Act) -> None:
        """Requests of people of whom nothing that was asked for is left."""
        erased = record.erased
        for one in record.waiting():
            if one.keys <= erased:
                self.say(Act(disposition.ANSWERED, one.subject, self.wire.clock(), self.by,
                             "everything that was asked for is erased",
                             body_of({"certificate": certified.subject})))

    def _purge_index(self) -> str:
        """Older indexes go, and the current one is written anew; what that says of its files, in
        its own words, for the certificate."""
        indexes = self.wire.indexes()
        current = indexes.current()
        if current is None:
            return "there is no index"
        younger = [name for name in indexes.names() if name > current]
        if younger:
            raise Refused(f"a rebuild is under way, or was left unfinished ({younger[-1]}): run "
                          "`counterfoil rebuild` to its end, then this again")
        older = [name for name in indexes.names() if name < current]
        for name in older:
            indexes.drop(name)
        index = indexes.open(current)
        index.refresh()
        said = index.purge()
        return said + (f"; {len(older)} older indexes were removed" if older else "")

    # -- helpers

    @property
    def _ours(self) -> str:
        keyring = self.wire.config.keyring
        return ("the keyring of this data folder" if keyring.driver == "folder"
                else f"the keyring bucket {keyring.bucket}, every version")

    @property
    def copies(self) -> tuple[KeyCopy, ...]:
        """The further copies of the keyring, as the configuration names them."""
        if self._copies is None:
            from infra.replica import key_copies

            self._copies = tuple(KeyCopy(name, keyring)
                                 for name, keyring in key_copies(self.wire).items())
        return self._copies

    def _copy_rows(self, record: Record, index_said: str, listing: Listing,
                   still: Still) -> list[dict[str, str]]:
        rows = [{"what": "keys", "said": f"destroyed in {name}"}
                for name in listing.erasures[-1].value("copies") or ()]
        rows.append({"what": "index", "said": index_said})
        rows.append({"what": "vocabulary of the index",
                     "said": "the words of these groups were removed from it"})
        rows.append({"what": "log", "said": "shortened past every record of it, each of which was "
                                            "sealed"})
        if self.wire.keys_folder.has_ledger:
            rows.append({"what": "import ledger", "said": (
                "keeps ids and keyed hashes of imported lines, so that they are not imported "
                "again; no word of them")})
        rows += [{"what": f"file {name}", "said": (
            "quotes a word that was said nowhere else. People wrote it, and it was not changed: "
            "take the word out yourself")} for name in listing.counted[-1].value("files") or ()]
        done = {one.subject: one for one in record.others
                if one.action == disposition.BACKUP_GONE}
        for backup_id, words in sorted(still.backups.items()):
            gone = done.get(backup_id)
            rows.append({"what": f"key backup {words} (record {backup_id})", "said": (
                f"{gone.by} says that it was destroyed" if gone else
                "NOT destroyed by this: whoever has the file and its passphrase can bring the keys "
                "back. Destroy it, and say so: counterfoil disposition backup-destroyed "
                f"{backup_id}")})
        return rows + [{"what": f"export (record {one})",
                        "said": "is not in our hands: whoever received it has it"}
                       for one in sorted(still.exports)]

    def _judged(self, found: Survey, names: Iterable[str], now: int,
                erased: frozenset[str] | None = None) -> list[Standing]:
        keys, starts = self.wire.domain_keys(), self._log_starts()
        grounds, directory = self.grounds(self.wire, found), self.wire.directory()
        gone = found.record.erased if erased is None else erased
        return [judge(found.key(name), _of_today(self._facts(keys, name), directory), grounds, now,
                      log_starts=starts, erased=gone, trial=self.wire.config.retention.trial)
                for name in names]

    def _facts(self, keys: DomainKeys, name: str) -> DomainFacts | None:
        try:
            return keys.open(*read_name(name)).facts
        except (Missing, Refused):
            return None

    def _log_starts(self) -> Mapping[Partition, int]:
        with closing(self.wire.archive_log()) as log:
            identity = log.identity()
            return {(identity.topic_id.hex(), partition): log.bounds(partition)[0]
                    for partition in range(identity.partitions)}

    def _require_due(self, judged: Mapping[str, Standing], wanted: Iterable[str]) -> None:
        for name in wanted:
            one = judged.get(name)
            if one is None:
                raise Missing(f"the archive knows no key {name}")
            if not one.is_due:
                until = f", until {moment(one.until)}" if one.until else ""
                raise Refused(f"{name} may not go: {one.words}{until}")

    def _require_indexed(self, found: Survey) -> None:
        """Nothing of it may enter the index after it was swept: what is archived is indexed."""
        indexes = self.wire.indexes()
        name = indexes.current()
        cursors = indexes.open(name).state().cursors if name else {}
        behind = [place for place, end in found.ends.items() if cursors.get(place, 0) < end]
        if behind:
            raise Transient(f"the index is behind the archive in {len(behind)} partitions: start "
                            "`counterfoil run`, wait, and run this again")

    def _about(self, listing: Listing, action: str, values: Mapping[str, Any] | None = None,
               said: str = "") -> Act:
        """On the log when it returns."""
        # A clock that was set back must not make an act older than what it is about.
        at = max([self.wire.clock(), listing.listed.at, *(one.at for one in (
            listing.approved, *listing.intents, *listing.erasures) if one is not None)])
        act = Act(action, listing.list_id, at, self.by, said,
                  body_of({"list": listing.listed.digest, **(values or {})}))
        self.say(act)
        return act

    def say(self, act: Act) -> None:
        """On the log when it returns."""
        years = self.wire.directory().firm_years()
        with closing(self.wire.capture_log()) as log:
            recorder = self.wire.recorder("search", log)
            recorder.record(disposition.act_event(act, years))
            recorder.beat(self.wire.clock(), years, stopping=True)

    def settle(self) -> None:
        """Everything that is on the log now is archived and indexed when this returns."""
        if self.is_alone:
            carry.carry(self.wire, self.told)
            self._trim()
            return
        ends = carry.log_ends(self.wire)
        if not carry.is_searchable(self.wire, ends):
            with suppress(FileNotFoundError):
                carry.ask_to_close(self.wire.home)
            carry.await_searchable(self.wire, ends)

    def settled(self) -> Survey:
        """What was on the log, archived and read; and all that was read is indexed, what came
        meanwhile too. Else holds would be in doubt for as long as anybody writes."""
        self.settle()
        found = self.survey()
        if not self.is_alone:
            carry.await_searchable(
                self.wire, {place: end - 1 for place, end in found.ends.items() if end})
        return found

    def _trim(self) -> None:
        """As the archiver would within the hour, were it running."""
        with closing(self.wire.archive_log()) as log:
            identity = log.identity()
            trimmer = Trimmer(log, self.wire.reader(), SAFETY_MS)
            for partition in range(identity.partitions):
                _, end = log.bounds(partition)
                trimmer.trim(partition, end, self.wire.clock())

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        folder = self.wire.home / "run"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = filelock.take(folder / _LOCK)
        try:
            yield
        finally:
            os.close(descriptor)


def _is_gone(keyring: Keyring, name: str) -> bool:
    try:
        keyring.read(name)
    except Missing:
        return True
    return False


def _is_done(listing: Listing, record: Record) -> bool:
    """Everything that was meant is gone and certified, and nothing was said since that a
    certificate would say."""
    last = listing.certificate
    return last is not None and record.erased >= listing.meant \
        and last.at >= listing.erasures[-1].at and not any(
            one.action == disposition.BACKUP_GONE and one.at >= last.at
            for one in record.others)


def _of_today(facts: DomainFacts | None, directory: Directory) -> DomainFacts | None:
    """A reserved domain is one for all classes of its month: it has the years of its first event,
    and what came later may have asked for more. So the longest class of today counts there too."""
    if facts is None or not facts.role:
        return facts
    firm = facts.role != domains.ROLE_NAMES[domains.UNASSIGNED]
    least = directory.firm_years() if firm else directory.longest()
    return replace(facts, years=max(facts.years, least)) if facts.years > 0 else facts


def store_time(wire: Wire) -> int:
    """What time it is at the object store, UTC ms, to the second; a folder has our clock. Raises
    Transient where it does not say."""
    if wire.config.store.driver == "folder":
        return wire.clock()
    from infra.s3 import connect, mapped

    settings = wire.s3_settings(wire.config.store.bucket)
    with mapped(settings.bucket):
        answer = connect(settings).head_bucket(Bucket=settings.bucket)
    stated = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        return round(parsedate_to_datetime(stated).timestamp() * 1000)
    except (ValueError, TypeError) as error:
        raise Transient("the store does not say what time it is") from error


def signer(wire: Wire) -> Signer:
    """The search role's key, under the name of certificates: the one that every act is signed
    with."""
    key = wire.keys_folder.capture_key("search")
    return Signer(Key(certificate.KEY_NAME, ED25519, key.public_key().public_bytes_raw()), key.sign)


def verifiers(wire: Wire) -> tuple[Key, ...]:
    """The keys that may sign certificates here: those that may say what was erased."""
    return tuple(Key(certificate.KEY_NAME, ED25519, one.public)
                 for one in wire.keys_folder.enrolled().values()
                 if events.DISPOSITION in kinds_of(one.kinds))


def opened_copy(wire: Wire, place: str) -> KeyCopy:
    """A further copy of the keyring. Raises Transient where its disk is not there."""
    if place.startswith("s3://"):
        from infra.s3keyring import S3Keyring

        bucket = place.removeprefix("s3://")
        return KeyCopy(f"the copy in bucket {bucket}, every version",
                       S3Keyring(wire.s3_settings(bucket)))
    path = Path(place)
    if not (path / "records").is_dir():
        # Not made here: an unmounted disk would look like a copy without keys.
        raise Transient(f"the keyring's copy {place} is not there: mount it, and run this again")
    return KeyCopy(f"the copy in {place}", FolderKeyring(path))


def _row(one: Standing) -> dict[str, Any]:
    facts = one.facts
    assert facts is not None
    return {"key": one.name, "custodian": facts.custodian, "class": facts.retention_class,
            "month": facts.month, "compartment": facts.compartment, "years": facts.years,
            "role": facts.role, "events": one.seen.events, "segments": one.seen.segments,
            "locked_until": one.seen.locked_until, "ended_at": ended_at(facts)}


def _against(judged: Iterable[Standing]) -> str:
    found = [one for one in judged if one.why != DUE]
    said = "; ".join(dict.fromkeys(
        one.words + (f" (until {moment(one.until)})" if one.until else "") for one in found[:5]))
    return said or "it is gone already"


def _soonest(judged: Iterable[Standing]) -> str:
    dates = [one.until for one in judged if one.until is not None]
    return f"the next date is {moment(min(dates))}" if dates else "no date can be named"
