"""The Kafka driver beyond its ports: record batches read by our loop, foreign records, options."""

from __future__ import annotations

import gzip
import itertools
import os
import signal
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import (
    CorruptRecordError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
)
from kafka.record import MemoryRecords, MemoryRecordsBuilder
from kafka.record import util as record_util

from infra import kafka
from infra.kafka_records import DamageSeen, ValueRecords
from infra.stack import stack
from infra.stack.processes import this_process
from schemas.errors import Ambiguous, Halt, Refused, Transient
from schemas.wire import LogRecord
from tests.conftest import KafkaServer
from tests.contracts.worlds import poll_until

_names = itertools.count()
AT = TopicPartition("capture", 0)
FOREIGN = st.tuples(
    st.one_of(st.none(), st.binary(max_size=300)),                       # key
    st.one_of(st.none(), st.binary(max_size=20_000)),                    # value
    st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=9)), max_size=2))


def batch_of(records: list[tuple[Any, Any, list[tuple[str, bytes]]]], base: int) -> bytes:
    """A record batch as a broker stores it."""
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1 << 26)
    for number, (key, value, headers) in enumerate(records):
        builder.append(timestamp=1_790_000_000_000 + number * 100, key=key, value=value,
                       headers=headers)
    builder.close()
    made = bytearray(builder.buffer())
    made[0:8] = base.to_bytes(8, "big")        # the broker gives the offset; no checksum covers it
    return bytes(made)


def read(data: bytes, offset: int) -> list[LogRecord]:
    """What our loop makes of fetched bytes."""
    return list(ValueRecords(offset, AT, MemoryRecords(data)).take(None))


@given(st.lists(FOREIGN, min_size=1, max_size=20), st.integers(0, 2**40))
def test_our_loop_reads_every_record(
        records: list[tuple[Any, Any, list[tuple[str, bytes]]]], base: int) -> None:
    """Offset and value of any record, ours or not, are those that the library would give."""
    found = read(batch_of(records, base), base)
    assert [LogRecord(base + number, value or b"") for number, (_, value, _) in
            enumerate(records)] == found


def test_batches_follow_each_other_and_reading_may_begin_inside_one() -> None:
    """A fetch begins in the middle of a batch and goes on into the next."""
    first = batch_of([(None, b"%d" % number, []) for number in range(5)], 10)
    second = batch_of([(None, b"next", [])], 20)
    assert [(13, b"3"), (14, b"4"), (20, b"next")] == [
        (one.offset, one.value) for one in read(first + second, 13)]


def test_a_changed_byte_is_an_error() -> None:
    """No record of a batch that fails its checksum is given out."""
    data = bytearray(batch_of([(None, b"value", []), (None, b"another", [])], 0))
    for at in range(21, len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1:]
        with pytest.raises(CorruptRecordError):
            read(bytes(changed), 0)


@pytest.mark.parametrize("at", [61, 65, 66])
def test_a_length_that_lies_is_an_error(at: int) -> None:
    """A batch with a right checksum and a wrong length inside reads nothing beyond itself."""
    data = bytearray(batch_of([(None, b"value", [])], 0))
    data[at] = 0x7E
    data[17:21] = record_util.calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    with pytest.raises(CorruptRecordError):
        read(bytes(data), 0)


def compressed(codec: int, payload: bytes, count: int) -> bytes:
    """A batch whose records are `payload`, said to be compressed with `codec`."""
    made = bytearray(batch_of([(None, b"x", [])], 0)[:61]) + payload
    made[8:12] = (len(made) - 12).to_bytes(4, "big")
    made[21:23] = codec.to_bytes(2, "big")
    made[57:61] = count.to_bytes(4, "big")
    made[17:21] = record_util.calc_crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


PACKERS = {1: gzip.compress, 4: zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("codec", PACKERS)
def test_a_compressed_batch_is_read(codec: int) -> None:
    """Somebody else's producer may compress, where the topic lets it."""
    plain = batch_of([(None, b"one", []), (b"key", b"two", [])], 0)[61:]
    assert [LogRecord(0, b"one"), LogRecord(1, b"two")] == read(
        compressed(codec, PACKERS[codec](plain), 2), 0)


@pytest.mark.parametrize("codec", PACKERS)
def test_a_batch_that_expands_without_end_is_halt(codec: int) -> None:
    """No more than a batch's bytes are ever expanded; the words say what to set."""
    bomb = compressed(codec, PACKERS[codec](bytes(64 << 20)), 1)
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(Halt, match=r"expands to more than .* compression\.type") as halted:
        read(bomb, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "log_damaged" == halted.value.finding
    assert peak < 8 << 20


def test_a_codec_without_a_limit_is_halt() -> None:
    """lz4 and snappy are not expanded at all."""
    for codec in (2, 3, 5):
        with pytest.raises(Halt, match=f"codec {codec}, .* compression.type"):
            read(compressed(codec, b"whatever", 1), 0)


@pytest.mark.parametrize("codec", PACKERS)
def test_a_compressed_batch_that_does_not_expand_is_an_error(codec: int) -> None:
    """Named by partition and offset, as every damage is."""
    with pytest.raises(CorruptRecordError, match=r"capture.*at 0"):
        read(compressed(codec, b"\x1f\x8b neither gzip nor zstd", 1), 0)


def test_damage_is_halt_at_the_second_look_and_only_then() -> None:
    """The network may have done it once; the records before it are given out, and the library is
    left with nothing that it could look through for ever."""
    good, bad = batch_of([(None, b"good", [])], 0), bytearray(batch_of([(None, b"bad", [])], 1))
    bad[-1] ^= 1
    seen = DamageSeen()
    for raised in (CorruptRecordError, Halt):
        share = ValueRecords(0, AT, MemoryRecords(good + bytes(bad)))
        assert [LogRecord(0, b"good")] == share.take(None)
        assert share.record_iterator is None
        share = ValueRecords(1, AT, MemoryRecords(bytes(bad)))
        with pytest.raises(raised, match="the batch at 1 is damaged"), seen.twice():
            share.take(None)
        assert share.record_iterator is None


def test_damage_elsewhere_is_damage_for_the_first_time() -> None:
    """Partition and offset tell one from the other."""
    seen = DamageSeen()
    for partition, base in ((0, 0), (0, 1), (1, 0)):
        bad = bytearray(batch_of([(None, b"bad", [])], base))
        bad[-1] ^= 1
        share = ValueRecords(base, TopicPartition("capture", partition),
                             MemoryRecords(bytes(bad)))
        with pytest.raises(CorruptRecordError), seen.twice():
            share.take(None)


def test_what_we_may_not_do_is_said_in_words() -> None:
    """It is tried again for as long as it takes: the operator reads why."""
    for error in (TopicAuthorizationFailedError, GroupAuthorizationFailedError,
                  SaslAuthenticationFailedError):
        expected = f"an operator has to: {error.__name__}"
        with pytest.raises(Transient, match=expected), kafka._mapped():
            raise error("capture")


def test_the_topic_keeps_no_compressed_batch() -> None:
    """The broker expands what others compress, before it weighs it."""
    assert "uncompressed" == kafka.topic_configuration(
        kafka.KafkaSettings(bootstrap="b"))["compression.type"]


def test_without_the_c_checksum_it_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirteen times slower is not a mode; the message names the package."""
    monkeypatch.setattr(record_util, "crc32c_c", None)
    settings = kafka.KafkaSettings(bootstrap="127.0.0.1:1")
    for driver in (kafka.KafkaCaptureLog, kafka.KafkaArchiveLog):
        with pytest.raises(Refused, match=r"kafka-python\[crc32c\]"):
            driver(settings)


def test_passwords_are_not_shown() -> None:
    """repr of the settings is safe to log."""
    settings = kafka.KafkaSettings(bootstrap="b", sasl_password="hunter2", key_password="hunter3")
    assert "hunter" not in repr(settings)


@pytest.fixture
def settings(kafka_server: KafkaServer) -> Iterator[kafka.KafkaSettings]:
    """A provisioned topic of one partition."""
    topic = f"driver-{os.getpid()}-{next(_names)}"
    made = kafka.KafkaSettings(bootstrap=kafka_server.bootstrap, topic=topic, group=topic,
                               replication=1, min_insync=1, session_s=6)
    kafka.provision(made, 1)
    yield made
    kafka.delete_topic(made)


def test_the_topic_is_what_the_protocol_asks_for(settings: kafka.KafkaSettings) -> None:
    """Provisioned twice it is the same topic, and doctor finds nothing."""
    assert kafka.provision(settings, 1) == kafka.provision(settings, 1, strict=True)
    assert [] == kafka.check_topic(settings)


def test_an_unsafe_topic_is_described(kafka_server: KafkaServer) -> None:
    """A topic that somebody made with other settings: each of them in words."""
    topic = f"unsafe-{os.getpid()}"
    settings = kafka.KafkaSettings(bootstrap=kafka_server.bootstrap, topic=topic)
    admin = KafkaAdminClient(bootstrap_servers=[kafka_server.bootstrap])
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1, "configs": {
        "cleanup.policy": "compact", "retention.ms": "1000", "max.message.bytes": "1000",
        "unclean.leader.election.enable": "true"}}})
    admin.close()
    found = " · ".join(kafka.check_topic(settings))
    assert 1 == kafka.provision(settings, 1).partitions
    with pytest.raises(Halt) as halted:
        kafka.provision(settings, 1, strict=True)
    assert "log_unsafe" == halted.value.finding
    kafka.delete_topic(settings)
    for word in ("cleanup.policy", "retention.ms", "max.message.bytes", "unclean.leader",
                 "min.insync.replicas", "replicas", "compression.type"):
        assert word in found


def test_foreign_records_are_read_as_they_are(settings: kafka.KafkaSettings) -> None:
    """Keys, headers, null values, compression, transactions: nothing that somebody writes to the
    topic is skipped, and a transaction's marker is an offset without a record."""
    producer = KafkaProducer(bootstrap_servers=[settings.bootstrap], compression_type="gzip",
                             transactional_id=f"{settings.topic}-writer")
    producer.init_transactions()
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.send(settings.topic, key=b"key", value=b"value", headers=[("name", b"header")])
        producer.send(settings.topic, key=b"key", value=None)
        producer.flush()
        end()
    producer.close()
    log = kafka.KafkaArchiveLog(settings)
    found: dict[int, list[LogRecord]] = {}
    poll_until(log, lambda: len(found.get(0, [])) >= 4, found)
    assert [(0, b"value"), (1, b""), (3, b"value"), (4, b"")] == [
        (one.offset, one.value) for one in found[0]]
    assert (0, 6) == log.bounds(0)
    assert LogRecord(3, b"value") == log.fetch(0, 3)
    assert log.fetch(0, 2) is None
    assert log.fetch(0, 5) is None
    log.close()


def test_polls_that_hardly_wait_still_join(settings: kafka.KafkaSettings) -> None:
    """A join that takes longer than every single poll is not forgotten between them."""
    for _ in range(5):
        log = kafka.KafkaArchiveLog(settings)
        for _ in range(10_000):
            if log.poll(0.002, 1).assigned:
                break
        else:
            raise AssertionError("the member never learned what is its own")
        log.close()


def test_an_answer_between_two_polls_is_not_lost(settings: kafka.KafkaSettings) -> None:
    """Members that never wait in a poll share the partitions all the same: the client alone would
    throw each join's answer away, and join again for ever."""
    kafka.delete_topic(settings)
    kafka.provision(settings, 2)
    members = [kafka.KafkaArchiveLog(settings) for _ in range(2)]
    for _ in range(300):
        shares = [member.poll(0.0, 1).assigned for member in members]
        if [1, 1] == [len(share) for share in shares]:
            break
        time.sleep(0.1)
    assert {0, 1} == shares[0] ^ shares[1], shares
    for member in members:
        member.close()


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_transient() -> None:
    """The gateway starts without it; each call ends in its time, the second at once."""
    log = kafka.KafkaCaptureLog(kafka.KafkaSettings(bootstrap="127.0.0.1:1"))
    for _ in range(2):
        with pytest.raises(Transient):
            log.identity()
    with pytest.raises(Transient):
        log.append(0, b"record", bytes(16))
    log.close()


@pytest.mark.slow
@pytest.mark.real
def test_a_broker_that_falls_silent_and_comes_back(tmp_path: Path) -> None:
    """An append that got no answer is Ambiguous; when the broker is back the next goes through.
    [R] kafka-python's own producer would never send to that partition again."""
    address = stack.up(tmp_path, servers=["kafka"], tied_to=this_process())
    (server,) = stack.status(tmp_path)
    # What the stack started is its keeper; the broker is the keeper's only child.
    broker = int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text())
    settings = kafka.KafkaSettings(bootstrap=address.kafka_bootstrap, replication=1, min_insync=1)
    try:
        topic_id = kafka.provision(settings, 1).topic_id
        log = kafka.KafkaCaptureLog(settings)
        assert 0 == log.append(0, b"before", topic_id)
        os.kill(broker, signal.SIGSTOP)
        with pytest.raises(Ambiguous):
            log.append(0, b"unanswered", topic_id)
        os.kill(broker, signal.SIGCONT)
        for _ in range(20):
            try:
                offset = log.append(0, b"after", topic_id)
                break
            except Transient:
                continue
        reader = kafka.KafkaArchiveLog(settings)
        assert LogRecord(offset, b"after") == reader.fetch(0, offset)
        reader.close()
        log.close()
    finally:
        stack.down(tmp_path, grace_s=0)
