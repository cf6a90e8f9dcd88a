"""The real Kafka, S3 and Elasticsearch start, do what the design relies on, and end completely."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from elasticsearch import Elasticsearch
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from infra.stack import processes, seaweedfs, stack
from infra.stack.server import NotReady, Place, Server
from schemas.errors import Missing, Refused, Transient
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

WAIT_S_MAX = 60


def wait_for(holds: Callable[[], bool]) -> None:
    """Return when `holds`; fail loudly after a minute."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < deadline, "did not happen within a minute"
        time.sleep(0.05)


def s3_client(endpoint: str, access_key: str, secret_key: str) -> S3Client:
    """A client that does not retry: what the server says is what the test sees."""
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    return client


@pytest.fixture
def s3(s3_server: S3Server) -> Iterator[S3Client]:
    """The session's store."""
    client = s3_client(s3_server.endpoint, s3_server.access_key, s3_server.secret_key)
    yield client
    client.close()


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    """Status and code of an S3 refusal."""
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_kafka_keeps_what_was_sent(kafka_server: KafkaServer) -> None:
    """A record that the broker acknowledged is read back, at the offset it was given."""
    admin = KafkaAdminClient(bootstrap_servers=kafka_server.bootstrap)
    admin.create_topics([NewTopic("stack-test", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka_server.bootstrap, acks="all")
    sent = [producer.send("stack-test", b"%d" % n, partition=0).get(30).offset for n in range(3)]
    producer.close()
    consumer = KafkaConsumer(
        bootstrap_servers=kafka_server.bootstrap,
        auto_offset_reset="none",
        enable_auto_commit=False,
        consumer_timeout_ms=30_000,
    )
    partition = TopicPartition("stack-test", 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    read = [next(consumer) for _ in range(3)]
    consumer.close()
    assert [0, 1, 2] == sent
    assert [(0, b"0"), (1, b"1"), (2, b"2")] == [(record.offset, record.value) for record in read]


def test_s3_locks_and_creates_once(s3: S3Client) -> None:
    """A locked version cannot be deleted or shortened, and a name is created only once."""
    bucket, until = "stack-test", datetime.now(UTC) + timedelta(days=1)
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    put = s3.put_object(
        Bucket=bucket, Key="a", Body=b"first", IfNoneMatch="*",
        ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until,
    )
    with pytest.raises(ClientError) as second:
        s3.put_object(Bucket=bucket, Key="a", Body=b"second", IfNoneMatch="*")
    assert (412, "PreconditionFailed") == refusal(second)
    with pytest.raises(ClientError) as deleted:
        s3.delete_object(
            Bucket=bucket, Key="a", VersionId=put["VersionId"], BypassGovernanceRetention=True
        )
    assert (403, "AccessDenied") == refusal(deleted)
    with pytest.raises(ClientError) as shortened:
        s3.put_object_retention(
            Bucket=bucket, Key="a", VersionId=put["VersionId"],
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(hours=1)},
        )
    assert (403, "AccessDenied") == refusal(shortened)
    body = s3.get_object(Bucket=bucket, Key="a", VersionId=put["VersionId"])["Body"]
    assert b"first" == body.read()


def test_a_bucket_is_never_made_by_a_typing_error(s3: S3Client) -> None:
    """A PUT to a bucket that is not there fails; it does not make one without a lock."""
    with pytest.raises(ClientError) as missing:
        s3.put_object(Bucket="stack-tset", Key="a", Body=b"x")
    assert (404, "NoSuchBucket") == refusal(missing)


def test_elasticsearch_finds_a_phrase(elasticsearch_server: ElasticsearchServer) -> None:
    """The bare core indexes, finds a phrase by positions, and takes a strict mapping."""
    client = Elasticsearch(elasticsearch_server.url)
    client.indices.create(
        index="stack-test",
        settings={"number_of_replicas": 0},
        mappings={"dynamic": "strict", "properties": {"words": {"type": "text"}}},
    )
    client.index(index="stack-test", id="1", document={"words": "x7 q2 z9"}, refresh=True)
    phrase = client.search(index="stack-test", query={"match_phrase": {"words": "q2 z9"}})
    reversed_phrase = client.search(index="stack-test", query={"match_phrase": {"words": "z9 q2"}})
    client.close()
    assert 1 == phrase["hits"]["total"]["value"]
    assert 0 == reversed_phrase["hits"]["total"]["value"]


@pytest.mark.real
def test_up_twice_is_once_and_down_leaves_nothing(tmp_path: Path) -> None:
    """`up` again changes nothing, `status` tells the truth, after `down` no process is left."""
    folder = tmp_path / "stack"
    first = stack.up(folder, servers=("s3",))
    (before,) = stack.status(folder)
    assert first == stack.up(folder, servers=("s3",))
    (after,) = stack.status(folder)
    assert before == after
    assert after.ready
    assert 0o600 == (folder / "s3" / "identities.json").stat().st_mode & 0o777
    assert ["s3"] == stack.down(folder)
    assert "" == processes.started_at(after.pid)
    assert [False] == [server.ready for server in stack.status(folder)]
    assert [] == stack.down(folder)


@pytest.mark.real
@pytest.mark.slow
def test_acknowledged_data_and_addresses_survive_a_kill(tmp_path: Path) -> None:
    """kill -9 of all three servers, then `up`: same addresses, same credentials, nothing lost.

    In a folder with a space, an umlaut, Chinese and a character beyond 16 bits in its name.
    """
    folder = tmp_path / "Kanzlei Müller 律所 𠮷"
    owner = processes.this_process()
    first = stack.up(folder, tied_to=owner)
    admin = KafkaAdminClient(bootstrap_servers=first.kafka_bootstrap)
    admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=first.kafka_bootstrap, acks="all")
    producer.send("kept", b"record", partition=0).get(30)
    producer.close()
    store = s3_client(first.s3_endpoint, first.s3_access_key, first.s3_secret_key)
    store.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
    store.put_object(Bucket="kept", Key="object", Body=b"object", IfNoneMatch="*")
    index = Elasticsearch(first.elasticsearch_url)
    index.indices.create(index="kept")
    index.index(index="kept", id="1", document={"kept": True})

    for server in stack.status(folder):
        os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: not any(server.pid for server in stack.status(folder)))
    try:
        assert first == stack.up(folder, tied_to=owner)
        consumer = KafkaConsumer(bootstrap_servers=first.kafka_bootstrap)
        assert {TopicPartition("kept", 0): 1} == consumer.end_offsets([TopicPartition("kept", 0)])
        consumer.close()
        assert b"object" == store.get_object(Bucket="kept", Key="object")["Body"].read()
        assert {"kept": True} == index.get(index="kept", id="1")["_source"]
    finally:
        store.close()
        index.close()
        stack.down(folder, grace_s=0)


@pytest.mark.real
def test_tied_servers_die_with_their_owner(tmp_path: Path) -> None:
    """kill -9 of the process that a stack is tied to leaves no server behind."""
    program = (
        "import sys, time; from pathlib import Path; from infra.stack import processes, stack;"
        "stack.up(Path(sys.argv[1]), servers=['s3'], tied_to=processes.this_process());"
        "print('up', flush=True); time.sleep(600)"
    )
    folder = tmp_path / "stack"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert b"up\n" == owner.stdout.readline()
        (keeper,) = stack.status(folder)
        servers = _children(keeper.pid)
        assert servers
        owner.kill()
    wait_for(lambda: not any(processes.started_at(pid) for pid in (keeper.pid, *servers)))
    stack.down(folder)


@pytest.mark.real
def test_a_killed_keeper_takes_its_server_along(tmp_path: Path) -> None:
    """The server of a keeper that was killed is killed by the kernel, not orphaned."""
    folder = tmp_path / "stack"
    stack.up(folder, servers=("s3",), tied_to=processes.this_process())
    (keeper,) = stack.status(folder)
    servers = _children(keeper.pid)
    assert servers
    os.kill(keeper.pid, signal.SIGKILL)
    wait_for(lambda: not any(processes.started_at(pid) for pid in servers))
    stack.down(folder)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(word) for word in listed.split()]


def test_a_reused_process_id_is_never_killed(tmp_path: Path) -> None:
    """A living process that only shares the recorded id with a dead server is left alone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        impostor = processes.Process(stranger.pid, "another boot:1")
        assert not impostor.alive()
        processes.stop({impostor: 0})
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert 0 == stranger.returncode


def test_a_server_that_fails_shows_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ends by itself is named with the end of its log, and is not left recorded."""
    broken = Server(
        name="s3",
        port_names=("s3",),
        prepare=lambda _place: ["/bin/sh", "-c", "echo the disk is on fire; exit 3"],
        probe=_never_ready,
    )
    monkeypatch.setattr(stack, "SERVERS", {"s3": broken})
    with pytest.raises(Transient, match="the disk is on fire"):
        stack.up(tmp_path / "stack", servers=("s3",))
    assert [0] == [server.pid for server in stack.status(tmp_path / "stack")]


def _never_ready(_place: Place) -> None:
    raise NotReady("nobody home")


def test_a_taken_port_is_refused_by_name(tmp_path: Path) -> None:
    """Asking for a port that another program holds names the port instead of hanging."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Refused, match=f"port {port} for s3 is taken"):
            stack.up(tmp_path / "stack", servers=("s3",), ports={"s3": port})


@pytest.mark.parametrize("folder", ["a,b", "a:b"])
def test_a_folder_that_would_be_misread_is_refused(tmp_path: Path, folder: str) -> None:
    """A comma or colon in the path would split it in a server's options: refused before that."""
    with pytest.raises(Refused, match="in its path"):
        stack.up(tmp_path / folder, servers=("s3",))


def test_a_folder_too_long_for_a_socket_goes_without(tmp_path: Path) -> None:
    """The kernel's limit is in bytes: 25 characters beyond the basic plane are 100 of them."""
    folder = tmp_path / ("\N{CJK UNIFIED IDEOGRAPH-20BB7}" * 25)
    folder.mkdir()
    server = seaweedfs.SERVER
    command = server.prepare(Place(folder, dict.fromkeys(server.port_names, 1)))
    assert not [one for one in command if "localSocket" in one]


def test_an_unknown_server_and_an_unknown_folder_are_named(tmp_path: Path) -> None:
    """A typing error is answered with what there is."""
    with pytest.raises(Refused, match="no such server: redis"):
        stack.up(tmp_path, servers=("redis",))
    with pytest.raises(Missing, match="no stack was started"):
        stack.status(tmp_path / "nowhere")


@pytest.mark.real
def test_the_module_is_a_program(tmp_path: Path) -> None:
    """`python -m infra.stack` starts, reports and stops; it prints no secret, only its file."""

    def run(verb: str, *more: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "infra.stack", verb, "--folder", str(tmp_path / "s")]
        done = subprocess.run(
            [*command, *more], capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout

    try:
        code, shown = run("up", "--server", "s3", "--json")
        assert 0 == code
        file = Path(json.loads(shown)["s3_credentials_file"])
        secret = json.loads(file.read_text("utf-8"))["identities"][0]["credentials"][0]["secretKey"]
        assert secret not in shown
        assert (0, [True]) == (
            run("status", "--json")[0],
            [server["ready"] for server in json.loads(run("status", "--json")[1])],
        )
    finally:
        assert (0, "stopped: s3\n") == run("down")
    assert 1 == run("status")[0]
    assert (0, "stopped: nothing ran\n") == run("down")
