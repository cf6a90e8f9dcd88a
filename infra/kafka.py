"""The log on Apache Kafka: the ports CaptureLog and ArchiveLog (PROTOCOL L).

Owns every option of the client and why it has its value, the mapping of the client's errors to
ours, and the rule that an assigned partition gives nothing until `seek`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import kafka.errors
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.record import util as record_util
from kafka.structs import OffsetAndMetadata

from archive.log import Polled
from infra.kafka_join import keep_joins
from infra.kafka_records import BATCH_BYTES_MAX, DamageSeen, ValueRecords
from infra.kafka_transport import client_of_large_reads
from schemas.errors import Ambiguous, Halt, Refused, Transient
from schemas.limits import RECORD_BYTES_MAX
from schemas.wire import LogIdentity, LogRecord

# Bytes of one fetch: what a worker holds of the log at a time, next to its batch.
_FETCH_BYTES_MAX: Final = 8 * 1024 * 1024
_PARTITION_FETCH_BYTES_MAX: Final = 2 * 1024 * 1024
_GROUP_FETCH_BYTES_MIN: Final = 256 * 1024
_GROUP_FETCH_MS_MAX: Final = 200
# Every call of CaptureLog ends within 30 s. The worst first append: connect and ask who the log is
# (5 + 5), connect the producer (5), learn the partitions (5), wait for the answer (8).
_CONNECT_MS_MAX: Final = 5_000
_REQUEST_MS_MAX: Final = 5_000
_DELIVERY_MS_MAX: Final = 7_000
_ANSWER_S_MAX: Final = 8.0
# After a failed connect, others fail at once for this long instead of queueing behind a time-out.
_RECONNECT_S: Final = 1.0
# One step of a poll: how soon another assignment is noticed while no records come.
_POLL_STEP_MS: Final = 100
_CLOSE_S_MAX: Final = 5.0
# Transient as well: a password or an ACL is put right while we wait, and `status` has the words.
_NOT_ALLOWED: Final = (kafka.errors.AuthorizationError, kafka.errors.SaslAuthenticationFailedError)
_TOO_LARGE: Final = (kafka.errors.MessageSizeTooLargeError, kafka.errors.RecordListTooLargeError)


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where the broker is, who we are to it, and which topic. Secrets stay out of repr."""

    bootstrap: str                                # host:port, host:port
    topic: str = "counterfoil.capture"
    group: str = "counterfoil.archiver"
    replication: int = 3
    min_insync: int = 2
    security_protocol: str = "PLAINTEXT"          # PLAINTEXT | SSL | SASL_PLAINTEXT | SASL_SSL
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    sasl_mechanism: str | None = None             # PLAIN | SCRAM-SHA-256 | SCRAM-SHA-512
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    client_id: str = "counterfoil"
    session_s: float = 10.0                       # a dead archiver's partitions are free after this


def provision(settings: KafkaSettings, partitions: int, *, strict: bool = False) -> LogIdentity:
    """Create the topic unless it is there; returns its identity once every partition has a leader.

    Raises Halt("partitions_changed") if it is there with another width, Halt("log_unsafe") if it is
    `strict` and the topic is there with settings that `check_topic` names, Transient.
    """
    with _administration(settings) as admin:
        # There already: a race, or the second start. What it is, is read back below.
        with suppress(kafka.errors.TopicAlreadyExistsError):
            admin.create_topics({settings.topic: {
                "num_partitions": partitions,
                "replication_factor": settings.replication,
                "configs": topic_configuration(settings),
            }}, timeout_ms=_REQUEST_MS_MAX)
        identity = _wait_for_topic(admin, settings.topic)
    if identity.partitions != partitions:
        raise Halt("partitions_changed", f"topic {settings.topic} has {identity.partitions} "
                                         f"partitions, not {partitions}")
    unsafe = check_topic(settings) if strict else []
    if unsafe:
        raise Halt("log_unsafe", f"topic {settings.topic}: {'; '.join(unsafe)}")
    return identity


def topic_configuration(settings: KafkaSettings) -> dict[str, str]:
    """What the capture topic must be (PROTOCOL L1, L3)."""
    return {
        "cleanup.policy": "delete",               # never compacted: each record is evidence
        "retention.ms": "-1",                     # only the archiver shortens the log
        "retention.bytes": "-1",
        "min.insync.replicas": str(settings.min_insync),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(BATCH_BYTES_MAX),
        # Ciphertext does not compress; what somebody else compressed, the broker expands, within
        # the limit above, and no reader has to.
        "compression.type": "uncompressed",
        "message.timestamp.type": "CreateTime",
    }


def check_topic(settings: KafkaSettings) -> list[str]:
    """What about the topic is unsafe, in words; empty when nothing is. For doctor."""
    wanted = topic_configuration(settings)
    with _administration(settings) as admin:
        found = _configuration(admin, settings.topic, wanted)
        replicas = [len(one["replica_nodes"])
                    for one in _describe(admin, settings.topic)["partitions"]]
    unsafe = [f"{name} is {found.get(name)}, not {wanted[name]}"
              for name in ("cleanup.policy", "retention.ms", "retention.bytes",
                           "unclean.leader.election.enable", "compression.type")
              if found.get(name) != wanted[name]]
    if int(found.get("min.insync.replicas", "1")) < settings.min_insync:
        unsafe.append(f"min.insync.replicas is below {settings.min_insync}")
    if int(found.get("max.message.bytes", "0")) < BATCH_BYTES_MAX:
        unsafe.append(f"max.message.bytes is below {BATCH_BYTES_MAX}")
    if min(replicas) < settings.replication:
        unsafe.append(f"a partition has {min(replicas)} replicas, not {settings.replication}")
    return unsafe


def delete_topic(settings: KafkaSettings) -> None:
    """Delete the topic and wait until it is gone: tests, and a demo's clean-up."""
    with _administration(settings) as admin:
        try:
            admin.delete_topics([settings.topic], timeout_ms=_REQUEST_MS_MAX)
        except kafka.errors.UnknownTopicOrPartitionError:
            return
        deadline = time.monotonic() + _ANSWER_S_MAX
        while _describe(admin, settings.topic)["error_code"] == 0:
            if time.monotonic() > deadline:
                raise Transient(f"topic {settings.topic} is still being deleted")
            time.sleep(0.05)


class KafkaCaptureLog:
    """`CaptureLog`. For any number of threads; connects at the first call, and again by itself."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Raises Refused when kafka-python's C checksum is missing. Does not connect."""
        require_fast_checksum()
        self._settings = settings
        self._mutex = threading.Lock()
        self._producer: Any = None
        self._admin: Any = None
        self._failed_at = -_RECONNECT_S
        self._told: LogIdentity | None = None

    def identity(self) -> LogIdentity:
        """See CaptureLog: one metadata request; the topic's UUID is its 16 bytes."""
        with _mapped():
            self._told = _identity(self._connected("_admin", _admin), self._settings.topic)
            return self._told

    def append(self, partition: int, value: bytes, topic_id: bytes) -> int:
        """See CaptureLog. Refused for a size or partition that the topic does not take.

        BUG: a produce request names the topic, not its id (kafka-python 3.0.12 speaks version 9):
        one deleted and made anew under us takes records until `identity` is next asked, 5 s at
        most. The archiver refuses those by name, and nothing of them is trimmed.
        """
        if not 0 < len(value) <= RECORD_BYTES_MAX:
            raise Refused(f"a record of {len(value)} bytes; 1 to {RECORD_BYTES_MAX} are allowed")
        told = self._told or self.identity()
        if not 0 <= partition < told.partitions:
            raise Refused(f"partition {partition} of {told.partitions}")
        with _mapped():
            producer = self._connected("_producer", _producer)
            # Waits until the client knows the topic, so that there is an id to compare.
            producer.partitions_for(self._settings.topic)
            if not self._is_current(producer, topic_id):
                # The next append's client knows only the one that is there.
                self._drop(producer)
                raise Transient(f"topic {self._settings.topic} was made anew")
            # No key, no headers, no timestamp of ours: a reader would decode each (PROTOCOL T3).
            future = producer.send(self._settings.topic, value=value, partition=partition)
        # From here the record may be on its way whatever is answered: only the offset settles it.
        try:
            offset = int(future.get(timeout=_ANSWER_S_MAX).offset)
        except _TOO_LARGE as error:
            raise Refused(f"the topic does not take {len(value)} bytes") from error
        except kafka.errors.KafkaError as error:
            # [R] kafka-python 3.0.12 never sends to a partition again after a batch of it expired.
            self._drop(producer)
            raise Ambiguous(f"an append was not answered: {type(error).__name__}") from error
        if not self._is_current(producer, topic_id):
            # The client asks anew and sends again when a leader is gone: perhaps to the other one.
            self._drop(producer)
            raise Ambiguous(f"topic {self._settings.topic} was made anew during an append")
        return offset

    def close(self) -> None:
        """See CaptureLog."""
        with self._mutex:
            producer, admin = self._producer, self._admin
            self._producer = self._admin = None
        if producer is not None:
            try:
                producer.close(timeout=_CLOSE_S_MAX)
            except kafka.errors.KafkaError:
                _abandon(producer)
        if admin is not None:
            admin.close()

    def _is_current(self, producer: Any, topic_id: bytes) -> bool:
        """Whether the topic still has the id that a record was sealed for, as far as we know: from
        `identity`, and from the client's metadata, renewed each 30 s and at each error."""
        seen = producer._metadata.topic_id(self._settings.topic)
        known = {told.topic_id} if (told := self._told) else set()
        if seen is not None and seen.int:
            known.add(seen.bytes)
        return known <= {topic_id}

    def _connected(self, name: str, connect: Callable[[KafkaSettings], Any]) -> Any:
        with self._mutex:
            client = getattr(self, name)
            if client is None:
                if time.monotonic() - self._failed_at < _RECONNECT_S:
                    raise Transient("the broker could not be reached a moment ago")
                try:
                    client = connect(self._settings)
                except (kafka.errors.KafkaError, OSError):
                    self._failed_at = time.monotonic()
                    raise
                setattr(self, name, client)
            return client

    def _drop(self, producer: Any) -> None:
        # Whoever waits on it for another partition is answered Ambiguous too; the next append
        # connects anew.
        with self._mutex:
            if self._producer is not producer:
                return
            self._producer = None
        _abandon(producer)


class KafkaArchiveLog:
    """`ArchiveLog`: one member of the consumer group. For one thread."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Joins at the first poll. Raises Refused (C checksum), Transient (no broker, no topic)."""
        require_fast_checksum()
        self._settings = settings
        self._reader: Any = None
        with _mapped():
            self._admin = _admin(settings)
            try:
                self._began = _identity(self._admin, settings.topic)
                self._consumer = _consumer(settings, settings.group)
            except BaseException:
                self._admin.close()               # its thread would outlive us
                raise
        self._assignment = _Assignment(self._consumer)
        self._consumer.subscribe(topics=[settings.topic], listener=self._assignment)
        self._told: frozenset[int] = frozenset()
        self._damage = DamageSeen()

    def identity(self) -> LogIdentity:
        """See ArchiveLog."""
        with _mapped():
            found = _identity(self._admin, self._settings.topic)
        if found.topic_id != self._began.topic_id:
            raise Halt("log_replaced", f"topic {found.topic} has another id than it began with")
        return found

    def poll(self, timeout_s: float, records_max: int) -> Polled:
        """See ArchiveLog. A topic made anew is not seen here but by `identity`: the broker lets a
        reader go on by name."""
        deadline = time.monotonic() + timeout_s
        while True:
            left_ms = max(0, int((deadline - time.monotonic()) * 1000))
            with _mapped(), self._damage.twice():
                # The timeout is the step, so that an assignment is not kept waiting for records.
                fetched = self._consumer.poll(timeout_ms=min(left_ms, _POLL_STEP_MS),
                                              max_records=records_max)
            assigned = self._assignment.take()
            records: dict[int, Sequence[LogRecord]] = {
                one.partition: found for one, found in fetched.items()
                if one.partition in assigned and self._assignment.is_sought(one.partition)}
            if records or assigned != self._told or left_ms == 0:
                self._told = assigned
                return Polled(assigned, records)

    def seek(self, partition: int, offset: int) -> None:
        """See ArchiveLog. Raises Refused for a partition that poll did not name as ours; one that
        was lost since is left alone, and the next poll says so."""
        if partition not in self._told:
            raise Refused(f"partition {partition} is not assigned")
        self._assignment.seek(TopicPartition(self._settings.topic, partition), offset)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """See ArchiveLog. An old generation's commit is dropped by the broker, and by us."""
        hints = {TopicPartition(self._settings.topic, partition): OffsetAndMetadata(offset, "", -1)
                 for partition, offset in offsets.items() if partition in self._told}
        if not hints:
            return
        try:
            self._consumer.commit(hints, timeout_ms=_REQUEST_MS_MAX)
        except kafka.errors.KafkaError:
            # The port allows it: the archive itself says where to go on.
            return

    def committed(self, partition: int) -> int | None:
        """The hint that the group holds for `partition`, or null."""
        with _mapped():
            found = self._consumer.committed(TopicPartition(self._settings.topic, partition),
                                             timeout_ms=_REQUEST_MS_MAX)
        return None if found is None or found < 0 else int(found)

    def bounds(self, partition: int) -> tuple[int, int]:
        """See ArchiveLog."""
        at = TopicPartition(self._settings.topic, partition)
        with _mapped():
            first = self._consumer.beginning_offsets([at], timeout_ms=_REQUEST_MS_MAX)[at]
            following = self._consumer.end_offsets([at], timeout_ms=_REQUEST_MS_MAX)[at]
        return int(first), int(following)

    def fetch(self, partition: int, offset: int) -> LogRecord | None:
        """See ArchiveLog: read by a consumer of its own, without a group."""
        first, following = self.bounds(partition)
        if not first <= offset < following:
            return None
        at = TopicPartition(self._settings.topic, partition)
        deadline = time.monotonic() + _ANSWER_S_MAX
        with _mapped(), self._damage.twice():
            if self._reader is None:
                self._reader = _consumer(self._settings, None)
            self._reader.assign([at])
            self._reader.seek(at, offset)
            try:
                while time.monotonic() < deadline:
                    found = self._reader.poll(timeout_ms=_POLL_STEP_MS, max_records=1).get(at)
                    if found:
                        return found[0] if found[0].offset == offset else None
                    if self._reader.position(at, timeout_ms=_REQUEST_MS_MAX) > offset:
                        return None               # only transaction markers lie there
            except kafka.errors.OffsetOutOfRangeError:
                return None                       # trimmed since the bounds were read
            finally:
                # Nothing is fetched ahead between two calls.
                self._reader.assign([])
        raise Transient(f"no answer for offset {offset} of partition {partition}")

    def trim(self, partition: int, before: int) -> None:
        """See ArchiveLog: DeleteRecords. Raises Halt("log_out_of_range") past the end."""
        first, _ = self.bounds(partition)
        if before <= first:
            return
        at = TopicPartition(self._settings.topic, partition)
        with _mapped():
            self._admin.delete_records({at: before}, timeout_ms=_REQUEST_MS_MAX)

    def close(self) -> None:
        """See ArchiveLog."""
        with _mapped():
            try:
                # Nothing to commit: hints were given. Leaving frees the partitions at once.
                self._consumer.close(autocommit=False, timeout_ms=_CLOSE_S_MAX * 1000)
            finally:
                if self._reader is not None:
                    self._reader.close(autocommit=False, timeout_ms=_CLOSE_S_MAX * 1000)
                self._admin.close()


class _Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Which partitions are ours. Called from the client's thread and from poll's."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._mutex = threading.Lock()
        self._owned: set[int] = set()
        self._sought: set[int] = set()
        self._lost: set[int] = set()

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Paused at a position that nobody reads, so that the client asks no one for another."""
        with self._mutex:
            for one in assigned:
                self._consumer.seek(one, 0)
                self._consumer.pause(one)
                self._sought.discard(one.partition)
                self._owned.add(one.partition)

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Ours until now; whatever was read of them is void."""
        with self._mutex:
            for one in revoked:
                self._owned.discard(one.partition)
                self._sought.discard(one.partition)
                self._lost.add(one.partition)

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        """As revoked: others may have owned them already."""
        self.on_partitions_revoked(lost)

    def take(self) -> frozenset[int]:
        """What is ours now. What was taken and given back since is left out once, so that its
        owner sees that it has to seek again."""
        with self._mutex:
            assigned = frozenset(self._owned - self._lost)
            self._lost.clear()
            return assigned

    def is_sought(self, partition: int) -> bool:
        """Whether records of `partition` belong to the present ownership."""
        with self._mutex:
            return partition in self._sought

    def seek(self, at: Any, offset: int) -> None:
        """Go on at `offset`, unless the partition was lost in the meantime."""
        with self._mutex:
            if at.partition not in self._owned or at.partition in self._lost:
                return
            try:
                self._consumer.seek(at, offset)
                self._consumer.resume(at)
            except (ValueError, KeyError):
                return                            # revoked this instant; its notice follows
            self._sought.add(at.partition)


def require_fast_checksum() -> None:
    """Raises Refused without the C checksum: the Python one makes reading thirteen times slower."""
    if record_util.crc32c_c is None:
        raise Refused("kafka-python's C checksum is missing: install kafka-python[crc32c]")


@contextmanager
def _mapped() -> Iterator[None]:
    """The client's errors as ours. What is not named here can be tried again."""
    try:
        yield
    except kafka.errors.OffsetOutOfRangeError as error:
        raise Halt("log_out_of_range", str(error)) from error
    except kafka.errors.LogTruncationError as error:
        raise Halt("log_diverged", str(error)) from error
    except _NOT_ALLOWED as error:
        raise Transient(f"the log does not let us, an operator has to: {type(error).__name__}: "
                        f"{error}") from error
    except kafka.errors.KafkaError as error:
        raise Transient(f"the log answered {type(error).__name__}: {error}") from error
    except OSError as error:
        raise Transient(f"the log could not be reached: {error}") from error


def _common(settings: KafkaSettings) -> dict[str, Any]:
    """Options of every client."""
    return {
        "bootstrap_servers": [one.strip() for one in settings.bootstrap.split(",")],
        "client_id": settings.client_id,
        "security_protocol": settings.security_protocol,
        "ssl_check_hostname": True,
        "ssl_cafile": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
        "ssl_password": settings.key_password,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password,
        "request_timeout_ms": _REQUEST_MS_MAX,
        "bootstrap_timeout_ms": _CONNECT_MS_MAX,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 1_000,        # a broker that is back is used within a second
        "metadata_max_age_ms": 30_000,            # a moved leader, or a topic made anew, is seen
    }


def _producer(settings: KafkaSettings) -> Any:
    return KafkaProducer(
        **_common(settings),
        acks="all",                               # acknowledged = on every in-sync replica
        enable_idempotence=True,                  # the client's own retries write nothing twice
        retries=float("inf"),                     # bounded by delivery_timeout_ms instead
        max_in_flight_requests_per_connection=5,  # the most that keeps order with idempotence
        delivery_timeout_ms=_DELIVERY_MS_MAX,     # then we say Ambiguous, and the spool takes over
        linger_ms=0,                              # a pack is a batch already: it adds no delay
        batch_size=BATCH_BYTES_MAX,
        max_request_size=BATCH_BYTES_MAX,
        max_block_ms=_CONNECT_MS_MAX,
        compression_type=None,                    # ciphertext does not compress
        allow_auto_create_topics=False,           # one with default retention would lose records
        metrics_enabled=False,
    )


def _abandon(producer: Any) -> None:
    """Give a producer up at once: its own close() flushes first, and while a record cannot be
    sent that raises and leaves the thread and the record behind."""
    producer._unregister_cleanup()
    producer._closed = True
    producer._sender.force_close()


def _consumer(settings: KafkaSettings, group: str | None) -> Any:
    consumer = KafkaConsumer(
        **_common(settings),
        group_id=group,
        enable_auto_commit=False,                 # offsets follow the object in the store
        auto_offset_reset="none",                 # out of range is Halt, never a jump (PROTOCOL L2)
        isolation_level="read_uncommitted",       # nobody's open transaction can hold us (L3)
        check_crcs=True,
        allow_auto_create_topics=False,
        # A group's fetch waits for company: answered at each pack, the client's own work for an
        # answer was most of what an event cost. What asks for one record has it at once.
        fetch_min_bytes=_GROUP_FETCH_BYTES_MIN if group else 1,
        fetch_max_wait_ms=_GROUP_FETCH_MS_MAX if group else 500,
        fetch_max_bytes=_FETCH_BYTES_MAX,
        max_partition_fetch_bytes=_PARTITION_FETCH_BYTES_MAX,
        max_poll_interval_ms=300_000,             # a slow PUT with its retries is no death
        session_timeout_ms=int(settings.session_s * 1000),
        heartbeat_interval_ms=int(settings.session_s * 1000 / 4),
        # Members that stay keep their partitions, positions and buffers when others come and go.
        partition_assignment_strategy=(CooperativeStickyAssignor,),
        metrics_enabled=False,                    # several Python calls per record otherwise
        kafka_client=client_of_large_reads,
    )
    consumer._fetcher.PartitionRecords = ValueRecords
    if group:
        keep_joins(consumer)
    return consumer


def _admin(settings: KafkaSettings) -> Any:
    return KafkaAdminClient(**_common(settings))


@contextmanager
def _administration(settings: KafkaSettings) -> Iterator[Any]:
    with _mapped():
        admin = _admin(settings)
        try:
            yield admin
        finally:
            admin.close()


def _describe(admin: Any, topic: str) -> dict[str, Any]:
    found: dict[str, Any] = admin.describe_topics([topic])[0]
    return found


def _identity(admin: Any, topic: str) -> LogIdentity:
    found = _describe(admin, topic)
    if found["error_code"]:
        raise kafka.errors.for_code(found["error_code"])(topic)
    topic_id = uuid.UUID(str(found["topic_id"]))
    if not topic_id.int:
        raise Halt("format_unknown", "the broker gives its topics no ids: Kafka 2.8 or later")
    return LogIdentity(topic, topic_id.bytes, len(found["partitions"]))


def _wait_for_topic(admin: Any, topic: str) -> LogIdentity:
    deadline = time.monotonic() + _ANSWER_S_MAX
    while True:
        found = _describe(admin, topic)
        parts = found["partitions"]
        if not found["error_code"] and parts and all(one["leader_id"] >= 0 for one in parts):
            return _identity(admin, topic)
        if time.monotonic() > deadline:
            raise Transient(f"topic {topic} has no leaders yet")
        time.sleep(0.05)


def _configuration(admin: Any, topic: str, names: Iterable[str]) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, list(names))
    found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: str(one["value"]) for name, one in found.items()}
