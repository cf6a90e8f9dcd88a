"""The two lines that end-to-end tests share: one embedded, one on the session's real servers.

Owns what both are given: one clock's start, one set of keys, the same requests.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from infra.config import load
from infra.wire import Wire
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.cases import FIRM_DIRECTORY, requests
from tests.e2e.installation import real_configuration, unique_name
from tests.e2e.line import Clock, Line
from tests.world import Random


@pytest.fixture(scope="session")
def start_ms() -> int:
    """When both lines begin: now, in whole seconds, because a real store locks only until a time
    that is still to come. Every later time of a line is counted from it."""
    return int(time.time()) * 1000


@pytest.fixture(scope="session")
def shared_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of key files: ids are keyed, so that equal keys give equal ids."""
    home = tmp_path_factory.mktemp("keys")
    Wire(load(home)).keys_folder.provision("x25519", with_kek=True)
    return home / "keys"


def _played(home: Path, keys: Path, start_ms: int) -> Line:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(keys, home / "keys")
    clock = Clock(start_ms)
    line = Line(Wire(load(home), clock, Random("line")), clock)
    (home / "directory.toml").write_text(FIRM_DIRECTORY, "utf-8")
    line.wire.provision()
    line.posted = requests(start_ms // 1000)
    line.play(line.posted)
    line.archive()
    return line


@pytest.fixture(scope="session")
def embedded_line(tmp_path_factory: pytest.TempPathFactory, shared_keys: Path,
                  start_ms: int) -> Line:
    """Everything was played, archived and indexed, without a server."""
    return _played(tmp_path_factory.mktemp("embedded") / "home", shared_keys, start_ms)


@pytest.fixture(scope="session")
def real_line(tmp_path_factory: pytest.TempPathFactory, shared_keys: Path, start_ms: int,
              kafka_server: KafkaServer, s3_server: S3Server,
              elasticsearch_server: ElasticsearchServer) -> Line:
    """The same requests, on the real servers."""
    home = tmp_path_factory.mktemp("real") / "home"
    real_configuration(home, unique_name("line"), kafka_server, s3_server, elasticsearch_server)
    return _played(home, shared_keys, start_ms)
