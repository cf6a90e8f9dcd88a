"""Composition: from a configuration to the parts of each process.

Owns which driver stands behind which port. Drivers of servers are imported only where they are
configured, so that an embedded command starts without them.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from archive import formats, layout
from archive.authentic import Authenticator
from archive.batch import BatchLimits
from archive.cell import Dictionary
from archive.commit import Committer
from archive.consume import Archiver, Observer, Ports
from archive.keyring import DomainKeys, Keyring, KeyService
from archive.log import ArchiveLog
from archive.reader import ArchiveReader, Dictionaries
from archive.retention import retain_until
from archive.seal import SealPolicy, SegmentSealer
from archive.segment import CELL_SCHEMA
from archive.store import ObjectStore
from archive.tlog.audit import LogAudit, Vouching
from archive.tlog.notary import Notary
from archive.tlog.notary import Ports as NotaryPorts
from archive.tlog.note import Key, Signer
from archive.tlog.sequence import LogSequence
from archive.unseal import Unsealer
from archive.verify import Verifier
from infra import storecheck
from infra.config import Config, ReplicaSection, StoreSection, text_of
from infra.directory import load_directory
from infra.embedded.keys import FolderKeyring, LocalKeyService
from infra.embedded.log import EmbeddedArchiveLog, EmbeddedCaptureLog
from infra.embedded.log import provision as provision_log
from infra.embedded.media import ScratchFolder, SealedFolder, SqliteTaskList
from infra.embedded.store import FolderStore
from infra.keyfiles import ROLES, KeyFolder, writer_id
from infra.lasthead import FolderLatest
from ingest.media import MediaStore, MediaWriter
from ingest.mediatask import TaskCipher, tasks_of
from ingest.mediaworker import MediaWorker, TaskList, WorkerParts
from ingest.publish import CaptureLog
from ingest.record import LogRecorder
from ingest.routing import Router
from ingest.status import AlarmBoard
from ingest.transit import TransitSealer
from schemas import domains
from schemas.directory import Directory
from schemas.errors import CounterfoilError, Halt, Missing, Refused
from schemas.events import CapturedEvent
from search.access.pseudonyms import Pseudonyms
from search.audit import Auditor, AuditSettings
from search.index import IndexSet
from search.project import Projector
from search.reading import Progress, silent
from search.searcher import Language, Locale, Searcher
from search.tokens import Tokenizer

DAY_MS = 86_400_000


def clock() -> int:
    """UTC ms of the system clock."""
    return time.time_ns() // 1_000_000


def random(length: int) -> bytes:
    """Bytes of the system's generator."""
    return secrets.token_bytes(length)


@dataclass(frozen=True)
class Wire:
    """The parts of one data folder, made when asked for. Each opens only its own keys.

    `clock`: UTC ms. `random`: that many bytes.
    """

    config: Config
    clock: Callable[[], int] = clock
    random: Callable[[int], bytes] = random
    _spoken: list[LogRecorder] = field(default_factory=list, repr=False)

    @property
    def home(self) -> Path:
        """The data folder."""
        return self.config.home

    @property
    def keys_folder(self) -> KeyFolder:
        """The key files."""
        return KeyFolder(self.home / "keys")

    def provision_once(self) -> None:
        """`provision` on the first use of an embedded folder; never afterwards, and never where
        servers are configured: there `provision` or `run` is an operator's own step."""
        if not self.config.embedded:
            return
        if not self.keys_folder.provisioned:
            self.provision()
        elif not self.keys_folder.is_enrolled:
            self.keys_folder.enrol()

    def provision(self) -> None:
        """Make the data folder, its keys, log, bucket and topic, where they are not there yet."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory()  # refused before anything is made: years that no lock may have
        self.keys_folder.provision(self.config.gateway.transit_suite,
                                   with_kek=self.config.keyservice.driver == "local",
                                   origin=self.config.notary.origin)
        if self.config.log.driver == "embedded":
            (self.home / "log").mkdir(exist_ok=True, mode=0o700)
            provision_log(self._log_path, self.config.log.topic, self.config.partitions,
                          self.random)
        else:
            from infra.kafka import provision as provision_topic

            # A trial may run on one broker, and on a topic that somebody made by hand.
            provision_topic(self.kafka_settings, self.config.partitions,
                            strict=not self.config.retention.trial)
        if self.config.store.driver == "s3":
            from infra.s3 import provision as provision_bucket

            provision_bucket(self.s3_settings(self.config.store.bucket))
            self._require_safe_store_once()
        if self.config.keyring.driver == "s3":
            from infra.s3keyring import provision as provision_keyring

            provision_keyring(self.s3_settings(self.config.keyring.bucket))
        self.keep_formats()

    def check_store(self) -> list[storecheck.CheckResult]:
        """The store's contract, run on the configured store (PROTOCOL S, G3)."""
        return storecheck.check(self._store_under_test(), clock=self.clock, random=self.random)

    def check_hold(self) -> storecheck.CheckResult:
        """Whether the configured store takes a legal hold from these credentials."""
        return storecheck.check_hold(self._store_under_test(), clock=self.clock,
                                     random=self.random)

    def _store_under_test(self) -> storecheck.StoreUnderTest:
        hand: storecheck.StoreAdversary | None = None
        if self.config.store.driver == "s3":
            from infra.s3 import S3Adversary

            hand = S3Adversary(self.s3_settings(self.config.store.bucket))
        return storecheck.StoreUnderTest(self.store, hand)

    def _require_safe_store_once(self) -> None:
        # Before the first record, not after: what a store does not enforce cannot be taken back.
        # Once per bucket and data folder: the checks leave locked objects behind.
        marker = self.home / "store-checked"
        stated = _digest(self.config.store.model_dump_json().encode())
        if marker.exists() and marker.read_text("ascii") == stated:
            return
        results = self.check_store()
        if not storecheck.verdict(results).safe:
            failed = [f"{one.name}: {one.detail}" for one in results
                      if one.required and not one.passed]
            raise Halt("store_unsafe", "; ".join(failed))
        marker.write_text(stated, "ascii")

    def keep_formats(self) -> None:
        """Schemas and dictionaries lie beside what they explain, locked as long as any segment."""
        bodies = {layout.schema(_digest(CELL_SCHEMA)): CELL_SCHEMA}
        for name in ("captured.avsc", "part.avsc", "refused.avsc"):
            body = resources.files("schemas").joinpath(name).read_bytes()
            bodies[layout.schema(_digest(body))] = body
        if self.dictionary.digest:
            bodies[layout.dictionary(self.dictionary.digest.hex())] = _dictionary_bytes()
        formats.keep(self.store, bodies, formats.locked_until(
            self.clock(), trial=self.config.retention.trial,
            lock_years_max=self.config.retention.lock_years_max))

    @property
    def _log_path(self) -> Path:
        return self.home / "log" / "capture.db"

    @property
    def kafka_settings(self) -> Any:
        """How to reach Kafka."""
        from infra.kafka import KafkaSettings

        log = self.config.log
        password = log.sasl_password_file.read_text().strip() if log.sasl_password_file else None
        return KafkaSettings(
            bootstrap=log.bootstrap, topic=log.topic, group=log.group,
            security_protocol=log.security_protocol, sasl_mechanism=log.sasl_mechanism,
            sasl_username=log.sasl_username, sasl_password=password,
            ca_file=str(log.ca_file) if log.ca_file else None, replication=log.replication,
            min_insync=log.min_insync)

    def s3_settings(self, bucket: str,
                    section: StoreSection | ReplicaSection | None = None) -> Any:
        """How to reach a bucket, by the store's own section unless another is given."""
        from infra.s3 import S3Settings

        store = section or self.config.store
        return S3Settings(
            endpoint=store.endpoint, region=store.region, bucket=bucket,
            access_key=text_of(store.access_key_file), secret_key=text_of(store.secret_key_file),
            ca_file=str(store.ca_file) if store.ca_file else None)

    def capture_log(self) -> CaptureLog:
        """The writing half of the log."""
        if self.config.log.driver == "embedded":
            return EmbeddedCaptureLog(self._log_path)
        from infra.kafka import KafkaCaptureLog

        return KafkaCaptureLog(self.kafka_settings)

    def archive_log(self) -> ArchiveLog:
        """A member of the archivers' group."""
        if self.config.log.driver == "embedded":
            return EmbeddedArchiveLog(self._log_path, "archiver")
        from infra.kafka import KafkaArchiveLog

        return KafkaArchiveLog(self.kafka_settings)

    @property
    def store_folder(self) -> Path:
        """Where the embedded store lies."""
        return self.config.store.folder or self.home / "store"

    @cached_property
    def store(self) -> ObjectStore:
        """Where segments lie."""
        if self.config.store.driver == "folder":
            return FolderStore(self.store_folder)
        from infra.s3 import S3Store

        return S3Store(self.s3_settings(self.config.store.bucket))

    @cached_property
    def keyring(self) -> Keyring:
        """Where wrapped domain keys lie."""
        if self.config.keyring.driver == "folder":
            return FolderKeyring(self.config.keyring.folder or self.home / "keyring")
        from infra.s3keyring import S3Keyring

        return S3Keyring(self.s3_settings(self.config.keyring.bucket))

    @cached_property
    def key_service(self) -> KeyService:
        """What wraps them."""
        if self.config.keyservice.driver == "local":
            return LocalKeyService(self.keys_folder.kek_path(), self.random)
        from infra.kms import KmsKeyService, KmsSettings

        service = self.config.keyservice
        return KmsKeyService(KmsSettings(key_id=service.kms_key_id, region=service.kms_region,
                                         endpoint=service.kms_endpoint))

    @cached_property
    def dictionary(self) -> Dictionary:
        """The compression dictionary that new segments use."""
        return Dictionary(_dictionary_bytes() if self.config.archive.dictionary else None)

    def domain_keys(self) -> DomainKeys:
        """A fresh view of the ring of domain keys."""
        return DomainKeys(self.keyring, self.key_service, self.random, self.clock)

    def authenticator(self) -> Authenticator:
        """Knows the sealing keys."""
        return Authenticator(self.keys_folder.sealing_public())

    def reader(self, keys: DomainKeys | None = None) -> ArchiveReader:
        """A reader of the archive."""
        return ArchiveReader(self.store, self.authenticator(), keys or self.domain_keys(),
                             Dictionaries(self.store, (self.dictionary,)))

    def verifier(self, progress: Callable[[int, str], None]) -> Verifier:
        """Checks everything."""
        keys = self.domain_keys()
        mode = "FOLDER" if self.config.store.driver == "folder" else "COMPLIANCE"
        return Verifier(self.store, self.authenticator(), self.reader(keys), keys, mode, progress,
                        self.log_sequence(judges_locks=False))

    def log_keys(self) -> tuple[Key, ...]:
        """The transparency log's verifier keys, the one that signs first; none in a folder that is
        older than the log. Raises Refused where the configuration calls the log otherwise."""
        keys, origin = self.keys_folder.log_public(), self.config.notary.origin
        if keys and origin not in ("", keys[0].name):
            raise Refused(f"notary.origin is {origin}, and the log of this archive is called "
                          f"{keys[0].name} since it began: a log keeps its name. Take the setting "
                          "out")
        return keys

    def log_sequence(self, *, judges_locks: bool = True) -> LogSequence | None:
        """Reads the transparency log; null where there is none yet."""
        keys = self.log_keys()
        return LogSequence(self.store, keys[0].name, keys, judges_locks=judges_locks) \
            if keys else None

    def log_audit(self, progress: Callable[[int], None]) -> LogAudit:
        """Checks the whole log. Raises Missing where there is none."""
        from infra.vouching import authorities_of, witnesses_of

        keys = self.log_keys()
        if not keys:
            raise Missing("there is no transparency log yet: `counterfoil run`, or `counterfoil "
                          "provision` and `counterfoil notary --once`, begin one")
        return LogAudit(self.store, self.authenticator(), keys[0].name, keys, Vouching(
            tuple(key for key, _ in witnesses_of(self.config)),
            tuple(one for one, _ in authorities_of(self.config))), progress)

    def notary(self) -> Notary:
        """Brings the transparency log up to date. Holds its key and no content key. Raises Missing
        where that key is not on this machine."""
        key, keys = self.keys_folder.log_key(), self.log_keys()
        public = key.public_key().public_bytes_raw()
        if not keys or keys[0].public != public:
            raise Refused("keys/notary/log.key is not the key whose public half stands first in "
                          "keys/public/log.json")
        return Notary(NotaryPorts(
            self.notary_store(), self.authenticator(),
            FolderLatest(self.config.notary.memory_folder or self.notary_folder / "heads"),
            Signer(keys[0], key.sign), self.clock, lambda now: now + DAY_MS, time.sleep, keys[1:]))

    @property
    def notary_folder(self) -> Path:
        """What the notary remembers."""
        return self.home / "notary"

    def notary_store(self) -> ObjectStore:
        """The store, with credentials that may read segments and put below log/."""
        section = self.config.notary
        if self.config.store.driver == "folder" or section.access_key_file is None:
            return self.store
        from infra.s3 import S3Store

        return S3Store(replace(self.s3_settings(self.config.store.bucket),
                               access_key=text_of(section.access_key_file),
                               secret_key=text_of(section.secret_key_file)))

    def unsealer(self) -> Unsealer:
        """Opens packs: the archiver's, and operator's commands that say so."""
        return Unsealer(self.keys_folder.transit_private(), self.keys_folder.enrolled())

    def directory(self) -> Directory:
        """Who is who, as the file says now; empty without one."""
        path = self.directory_path
        found = load_directory(path) if path.exists() else Directory()
        self.require_years(found)
        return found

    def require_years(self, found: Directory) -> None:
        """Raises Refused for a directory that asks for longer locks than the configuration lets.

        Before the first event is captured: what is sealed with these years asks for them.
        """
        years, limit = found.firm_years(), self.config.retention.lock_years_max
        if years > limit:
            raise Refused(f"{self.directory_path}: the longest class is {years - 1} years, and the "
                          "firm's own records are kept one more; retention.lock_years_max is "
                          f"{limit}")

    @property
    def directory_path(self) -> Path:
        """The file that says who is who."""
        return self.home / "directory.toml"

    def archiver(self, log: ArchiveLog, observer: Observer) -> Archiver:
        """One archiver on `log`."""
        sealing = self.keys_folder.sealing_key()
        retention = self.config.retention
        policy = SealPolicy(retention.trial, retention.lock_years_max,
                            min(self.directory().longest() + 1, retention.lock_years_max))
        sealer = SegmentSealer(
            self.unsealer(), self.domain_keys(), self.dictionary, sealing.sign,
            writer_id(sealing.public_key().public_bytes_raw()), policy, self.random)
        limits = BatchLimits(age_ms_max=self.config.segment_age_ms,
                             age_ms_busy=int(self.config.archive.segment_age_s_busy * 1000))
        committer = Committer(self.store, self.authenticator(), time.sleep)
        return Archiver(Ports(log, self.store, self.authenticator(), sealer, committer, observer,
                              self.clock), limits)

    def media_store(self) -> MediaStore:
        """Where capture puts files: the store, with credentials that may put there and no more."""
        if self.config.store.driver == "folder":
            return FolderStore(self.store_folder)
        from infra.s3 import S3Store

        return S3Store(self.media_settings())

    def media_settings(self) -> Any:
        """The bucket, with the credentials that capture puts files with."""
        section, settings = self.config.media, self.s3_settings(self.config.store.bucket)
        if section.access_key_file is not None:
            settings = replace(settings, access_key=text_of(section.access_key_file),
                               secret_key=text_of(section.secret_key_file))
        return settings

    def media_locked_until(self, event: CapturedEvent, now: int) -> int:
        """How long a file of `event` is locked (UTC ms): as a segment with it would be."""
        return retain_until((domains.facts_of(event),), now, trial=self.config.retention.trial,
                            lock_years_max=self.config.retention.lock_years_max)

    def media_writer(self) -> MediaWriter:
        """Stores the files that an importer finds inside a file. Holds the routing key."""
        sealer = self.sealer("gateway")
        router = Router(self.keys_folder.routing_key(), sealer.capture_id)
        return MediaWriter(
            self.media_store(), ScratchFolder(self.home / "gateway" / "scratch"), router.domain,
            self.media_locked_until, self.clock, self.random, self.config.media.mb_max << 20)

    def media_worker(self, publish: Callable[[Sequence[CapturedEvent]], Awaitable[None]],
                     router: Router, alarms: AlarmBoard, tasks: TaskList,
                     threads: Executor) -> MediaWorker:
        """Fetches the files of what the gateway captures."""
        from infra.media import ProviderFetcher, access_of

        section = self.config.media
        kept: list[MediaStore] = []

        def store() -> MediaStore:
            # Made when the first file is put: a gateway starts without its store.
            if not kept:
                kept.append(self.media_store())
            return kept[0]

        return MediaWorker(
            WorkerParts(
                tasks, SealedFolder(self.home / "gateway" / "media", section.scratch_mb_max << 20),
                ProviderFetcher(access_of(self.config)), store,
                TaskCipher(self.keys_folder.media_key(), self.random), publish, router.domain,
                self.media_locked_until, self.clock, self.random, alarms, threads),
            fetches_max=section.fetches_max, bytes_max=section.mb_max << 20)

    def expect_media(self, events: Iterable[CapturedEvent]) -> None:
        """The gateway fetches the files of events that an operator's command records; it looks at
        its list each second. On disk when this returns. Raises Transient."""
        cipher, now = TaskCipher(self.keys_folder.media_key(), self.random), self.clock()
        rows = [cipher.row(task, now) for task in tasks_of(events)]
        if rows:
            with closing(SqliteTaskList(self.home / "gateway" / "media.db")) as tasks:
                tasks.put(rows)

    def indexes(self) -> IndexSet:
        """The indexes of this archive."""
        if self.config.index.driver == "sqlite":
            from infra.embedded.index import SqliteIndexSet

            return SqliteIndexSet(self.home / "index", text=self.config.search.text)
        from infra.elastic import ElasticIndexSet, connect

        index = self.config.index
        client = connect(index.url, api_key=text_of(index.api_key_file),
                         ca_certs=str(index.ca_file) if index.ca_file else None)
        return ElasticIndexSet(client, index.name, text=self.config.search.text)

    def tokenizer(self) -> Tokenizer:
        """Words to tokens, under the index key."""
        return Tokenizer(self.keys_folder.index_key(), text=self.config.search.text)

    def projector(self) -> Projector:
        """Events to entries."""
        return Projector(self.tokenizer())

    def searcher(self, progress: Progress = silent) -> Searcher:
        """Search and show, each recorded before it answers. `progress`: told how far a search is
        that has to read texts."""
        directory = self.directory()
        settings = AuditSettings(domains.ROLE_NAMES[domains.FIRM], directory.firm_years())
        auditor = Auditor(self.recorder("search"), settings, self.clock, self.random)
        search = self.config.search
        indexes, reader = self.indexes(), self.reader()
        return Searcher(indexes, reader, self.tokenizer(), auditor,
                        Locale(ZoneInfo(search.zone), search.region),
                        self.language(indexes, reader), progress,
                        lambda: Pseudonyms(self.tokenizer(), self.directory()))

    def language(self, indexes: IndexSet, reader: ArchiveReader) -> Language:
        """What the words of a query may stand for."""
        # The stemmers are many; only who searches waits for them.
        from infra.lists import FOLDER, ListFolder
        from search.expander import CurrentExpander
        from search.stems import Stemmer

        stems = Stemmer(self.config.search.languages)
        return Language(ListFolder(self.home / FOLDER), stems,
                        CurrentExpander(indexes, reader.wordbook, stems,
                                        self.config.search.vocabulary_words_max))

    def sealer(self, role: str) -> TransitSealer:
        """Seals for transit as `role` (gateway | archiver | search)."""
        return TransitSealer(self.keys_folder.archiver_public(), self.keys_folder.capture_key(role),
                             ROLES[role], self.random, self.clock, os.getpid)

    def recorder(self, role: str, log: CaptureLog | None = None) -> LogRecorder:
        """How a role says something that is evidence. With a `log` of the caller's the caller also
        states what was acknowledged (`LogRecorder.beat`); without one `last_words` does."""
        sealer = self.sealer(role)
        routing = self.keys_folder.routing_key() if role == "gateway" else None
        made = LogRecorder(log or self.capture_log(), sealer, Router(routing, sealer.capture_id))
        if log is None:
            self._spoken.append(made)
        return made

    def last_words(self) -> None:
        """A command ends: what the log acknowledged to it is stated (PROTOCOL T4). What cannot be
        stated any more is not claimed; the records are on the log all the same."""
        for recorder in self._spoken:
            if recorder.unstated:
                with suppress(CounterfoilError):
                    recorder.beat(self.clock(), self.directory().firm_years(), stopping=True)


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _dictionary_bytes() -> bytes:
    return resources.files("archive").joinpath("dictionary-1.zdict").read_bytes()
