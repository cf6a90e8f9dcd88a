"""One data folder as an operator has it: settings in the environment and a file, everything else
through the executable and the doors.

Owns starting and ending processes, requests to the doors, and reading the result without a trace
(`Inside`: the index and the archive themselves, not the searcher, which would write audit events).
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.config import load
from infra.demo.week import DIRECTORY, Secrets, Step
from infra.state import is_alive
from infra.wire import Wire
from ingest.parts import join
from schemas import codec, identity
from schemas.document import Document
from schemas.errors import Transient
from schemas.events import CapturedEvent, EventPart
from search.index import Index, Retired
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server

ROOT: Final = Path(__file__).parents[2]
SECRETS: Final = Secrets("an app secret", "a twilio token", "https://hooks.firm.example")
VERIFY_TOKEN: Final = "a verify token"
WAIT_S_MAX: Final = 60.0
_NAMES: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call of the executable gave."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """One object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def row(self) -> dict[str, Any]:
        """The only object."""
        (row,) = self.rows()
        return row


@dataclass
class Installation:
    """One data folder. `module` is the program; `secrets` null closes every door."""

    home: Path
    secrets: Secrets | None = SECRETS
    module: str = "infra.cli"
    more: dict[str, str] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    @property
    def environment(self) -> dict[str, str]:
        """What the processes see: nothing of whoever runs the tests but the bare necessities."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("COUNTERFOIL_")}
        given = {"COUNTERFOIL_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        if self.secrets is not None:
            given |= {
                "COUNTERFOIL_WHATSAPP_APP_SECRET": self.secrets.whatsapp_app_secret,
                "COUNTERFOIL_WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
                "COUNTERFOIL_TWILIO_AUTH_TOKEN": self.secrets.twilio_auth_token,
                "COUNTERFOIL_PUBLIC_URL": self.secrets.public_url}
        return kept | given | self.more

    def cli(self, *arguments: str, code: int | None = 0) -> Answer:
        """Run the executable to its end; `code` is what it must exit with, null = any."""
        done = subprocess.run(
            [sys.executable, "-m", self.module, *arguments], env=self.environment,
            cwd=self.home.parent, capture_output=True, text=True, timeout=120, check=False)
        assert code is None or done.returncode == code, (
            f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout[-2000:]}\n"
            f"{done.stderr[-4000:]}")
        return Answer(done.returncode, done.stdout, done.stderr)

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a part; what it says is appended to `logs/<part>.out` of the data folder."""
        logs = self.home / "logs"
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (logs / f"{arguments[0]}.out").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", self.module, *arguments], env=self.environment,
                cwd=self.home.parent, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`run`, ready; ended in order, its children too, whatever happens inside."""
        process = self.spawn("run", "--port", str(self.port))
        try:
            self.await_ready(process)
            yield process
        finally:
            end(process)
            wait_for(lambda: not any(map(is_alive, self.children().values())), "children ended")

    def await_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the doors answer; fail with the logs when the process ends instead."""
        def ready() -> bool:
            assert process.poll() is None, self.said()
            return self.is_open()
        wait_for(ready, f"the doors open\n{self.said()}")

    def is_open(self) -> bool:
        """Whether a gateway answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """One request at a door; its status. Raises OSError when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def play(self, steps: Iterable[Step]) -> None:
        """Requests one after the other, each answered as it must be."""
        for step in steps:
            status = self.post(f"/hooks/{step.door}", step.body, dict(step.headers))
            assert step.expect == status, step.note

    def children(self) -> dict[str, int]:
        """Process ids of the parts, as `run` last said."""
        try:
            state = json.loads((self.home / "run" / "run.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return dict(state["facts"]["children"])

    def said(self) -> str:
        """The end of every log of the data folder."""
        return "\n".join(f"== {path.name}\n{path.read_text('utf-8', 'replace')[-1500:]}"
                         for path in sorted((self.home / "logs").glob("*")))

    def write_directory(self, content: str = DIRECTORY) -> None:
        """Who is who."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.home / "directory.toml").write_text(content, "utf-8")

    def inside(self) -> Inside:
        """The stores themselves."""
        return Inside(Wire(load(self.home)))


class Inside:
    """Reads what the processes of a data folder made, with the same parts that they use."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.tokenizer = wire.tokenizer()

    def document_id(self, channel: str, account: str, native_id: str) -> str:
        """The id under which the message can be shown."""
        return self.tokenizer.document(identity.key_of(channel, account, native_id))

    def index(self) -> Index:
        """The current index, with everything that was put visible."""
        indexes = self.wire.indexes()
        name = indexes.current()
        assert name is not None, "nothing was indexed"
        index = indexes.open(name)
        index.refresh()
        return index

    def await_documents(self, wanted: Iterable[str], seconds: float = WAIT_S_MAX) -> None:
        """Return when every id is in the index."""
        missing = set(wanted)

        def found() -> bool:
            indexes = self.wire.indexes()
            current = indexes.current()
            if current is None:
                return not missing
            try:
                missing.difference_update(indexes.open(current).get(missing))
            except (Transient, Retired):
                return False  # it was made this moment, or another one takes its place
            return not missing
        wait_for(found, "indexed", seconds, lambda: f"{len(missing)} documents are missing")

    def documents(self) -> dict[str, Document]:
        """Every document by its id."""
        return {one.doc_id: one for one in self.index().scan()}

    def events(self) -> Iterator[tuple[tuple[str, int, int, int], CapturedEvent]]:
        """Every archived event with its address, in the order of each partition; a large one
        stands where its last part does."""
        reader = self.wire.reader()
        parts: dict[bytes, list[EventPart]] = {}
        for topic_id, partition in reader.partitions():
            for read in reader.follow(topic_id, partition, 0):
                for one in read.events:
                    assert one.datum is not None and not one.problem, one
                    event = codec.decode(one.datum)
                    if isinstance(event, EventPart):
                        several = parts.setdefault(event.set_id, [])
                        several.append(event)
                        if len(several) < event.total:
                            continue
                        event = codec.decode(join(parts.pop(event.set_id)))
                    assert isinstance(event, CapturedEvent)
                    place = one.pointer
                    yield (place.topic_id, place.partition, place.offset, place.index), event


def real_configuration(home: Path, name: str, kafka: KafkaServer, s3: S3Server,
                       elasticsearch: ElasticsearchServer) -> None:
    """counterfoil.toml for the session's real servers, with names of its own."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, value in (("s3-access.key", s3.access_key), ("s3-secret.key", s3.secret_key)):
        (home / file).touch(mode=0o600)
        (home / file).write_text(value, "utf-8")
    (home / "counterfoil.toml").write_text(f"""\
[log]
driver = "kafka"
topic = "{name}"
group = "{name}-archiver"
bootstrap = "{kafka.bootstrap}"
replication = 1
min_insync = 1
[store]
driver = "s3"
endpoint = "{s3.endpoint}"
region = "{s3.region}"
bucket = "{name}-archive"
access_key_file = "{home / 's3-access.key'}"
secret_key_file = "{home / 's3-secret.key'}"
[keyring]
driver = "s3"
bucket = "{name}-keyring"
[index]
driver = "elasticsearch"
url = "{elasticsearch.url}"
name = "{name}"
[archive]
segment_age_s_max = 1
segment_age_s_busy = 1
""", "utf-8")


def unique_name(label: str) -> str:
    """A name for topic, buckets and index that no other test of the session has."""
    return f"{label}-{os.getpid()}-{next(_NAMES)}"


def wait_for(holds: Callable[[], bool], what: str, seconds: float = WAIT_S_MAX,
             detail: Callable[[], str] = str) -> None:
    """Return when `holds`; fail saying what did not happen. A bound, not a promise about time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not happen: {what} {detail()}"
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM, and the exit code."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    return process.wait(60)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
