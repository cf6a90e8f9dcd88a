"""What every test may ask for: the real servers, and the rules of a run.

Owns the session's one stack (started when first asked for, shared by all xdist workers, ended
with the session even by kill -9), the options, and "in CI a skip is a failure".
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from infra.stack import processes

if TYPE_CHECKING:
    from infra.stack.stack import StackAddress

# Deterministic, and no deadline: a shared machine's pause is not a failure of ours.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci")

KILLS_DEFAULT = 30
FIXTURES = {"kafka_server": "kafka", "s3_server": "s3", "elasticsearch_server": "elasticsearch"}
NOT_SEEN = "ask for a server by a parameter's name: getfixturevalue comes too late to start it"

# The controller of the session writes these before any worker starts; workers inherit them.
STACK_FOLDER = "COUNTERFOIL_TEST_STACK_FOLDER"
STACK_OWNER = "COUNTERFOIL_TEST_STACK_OWNER"


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """The real broker; `bootstrap` is host:port."""

    bootstrap: str


@dataclass(frozen=True, slots=True)
class S3Server:
    """The real store; path-style addressing. Buckets are shared by the session: name your own."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True)
class ElasticsearchServer:
    """The real index server. Indices are shared by the session: name your own."""

    url: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kills N`: how often the fault tests kill each process."""
    parser.addoption(
        "--kills",
        type=int,
        default=KILLS_DEFAULT,
        metavar="N",
        help=f"how many kill -9 the fault tests make (default {KILLS_DEFAULT})",
    )


@pytest.fixture(scope="session")
def kills(pytestconfig: pytest.Config) -> int:
    """How many times a fault test kills its process."""
    return int(pytestconfig.getoption("--kills"))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """The controller decides where the servers live and whose end is theirs."""
    if not _is_worker(config):
        owner = processes.this_process()
        os.environ[STACK_OWNER] = f"{owner.pid} {owner.started}"
        # Made with the first server; short, for the sockets in it.
        name = f"counterfoil-test-{secrets.token_hex(8)}"
        os.environ[STACK_FOLDER] = str(Path(tempfile.gettempdir()) / name)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller ends the servers after the last worker; their data is of no more use."""
    if not _is_worker(config):
        folder = Path(os.environ.pop(STACK_FOLDER))
        if folder.exists():
            _stack().down(folder, grace_s=0)
            shutil.rmtree(folder)


def _stack() -> ModuleType:
    # Imported when a server is wanted: the clients of three servers cost every run a second.
    from infra.stack import stack

    return stack


@pytest.fixture(scope="session")
def real_servers(request: pytest.FixtureRequest) -> StackAddress:
    """Every real server that any collected test asks for, started together."""
    wanted = {
        FIXTURES[name]
        for item in request.session.items
        for name in getattr(item, "fixturenames", ())
        if name in FIXTURES
    }
    pid, started = os.environ[STACK_OWNER].split()
    owner = processes.Process(int(pid), started)
    folder = Path(os.environ[STACK_FOLDER])
    address: StackAddress = _stack().up(folder, servers=sorted(wanted), tied_to=owner)
    return address


@pytest.fixture(scope="session")
def kafka_server(real_servers: StackAddress) -> KafkaServer:
    """A real Apache Kafka."""
    assert real_servers.kafka_bootstrap, NOT_SEEN
    return KafkaServer(real_servers.kafka_bootstrap)


@pytest.fixture(scope="session")
def s3_server(real_servers: StackAddress) -> S3Server:
    """A real S3 server with Object Lock."""
    assert real_servers.s3_endpoint, NOT_SEEN
    return S3Server(
        real_servers.s3_endpoint,
        real_servers.s3_access_key,
        real_servers.s3_secret_key,
        real_servers.s3_region,
    )


@pytest.fixture(scope="session")
def elasticsearch_server(real_servers: StackAddress) -> ElasticsearchServer:
    """A real Elasticsearch core."""
    assert real_servers.elasticsearch_url, NOT_SEEN
    return ElasticsearchServer(real_servers.elasticsearch_url)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a real server is marked so: nobody has to remember."""
    for item in items:
        if set(getattr(item, "fixturenames", ())) & set(FIXTURES):
            item.add_marker(pytest.mark.real)


class SkipCounter:
    """Counts skips; in CI one that no `allowed_skip` explains fails the run."""

    def __init__(self) -> None:
        self.allowed: list[str] = []
        self.unexpected: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Runs on the controller for every worker's report too."""
        if report.skipped and not hasattr(report, "wasxfail"):
            is_allowed = "allowed_skip" in report.keywords
            (self.allowed if is_allowed else self.unexpected).append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A whole file that skips itself is never allowed."""
        if report.skipped:
            self.unexpected.append(report.nodeid)


def in_ci() -> bool:
    """Whether this run decides over a submission."""
    return os.environ.get("CI", "").lower() in ("1", "true")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """The counter listens on the controller only: it hears the workers' reports."""
    if not _is_worker(session.config):
        session.config.pluginmanager.register(SkipCounter(), "skip_counter")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI an unexpected skip turns a green run red."""
    counter = session.config.pluginmanager.get_plugin("skip_counter")
    if counter and counter.unexpected and in_ci() and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The number of skips, always; and which ones were not expected."""
    counter = config.pluginmanager.get_plugin("skip_counter")
    if counter is None:
        return
    allowed, unexpected = len(counter.allowed), len(counter.unexpected)
    terminalreporter.write_line(f"skips: {allowed} allowed, {unexpected} unexpected")
    for name in counter.unexpected:
        verdict = "a failure in CI" if in_ci() else "would fail in CI"
        terminalreporter.write_line(f"  unexpected skip ({verdict}): {name}")
