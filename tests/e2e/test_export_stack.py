"""An export on the real servers, as two people make it in their browsers beside a running system:
asked for, agreed to, made, downloaded, and believed by whoever has nothing but the zip.

Owns the one walk there; each step is tested on the embedded line (tests/web/test_export_pages.py).
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import (
    Installation,
    end,
    free_port,
    real_configuration,
    unique_name,
    wait_for,
)
from tests.e2e.test_log import QUICK, captured, is_up
from tests.runtime.test_disposition_verbs import PASSWORD
from tests.runtime.test_replay import CAROL

pytestmark = pytest.mark.slow

ACCESS: Final = """
[[person]]
id = "lea"
name = "Lea Gal"
roles = ["legal"]
groups = ["*"]
[[person]]
id = "carl"
name = "Carl Own"
roles = ["compliance"]
[settings]
require_totp = false
"""
_CSRF: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_CHAT: Final = re.compile(r'href="/conversation/([0-9a-f]{16})')
# On a busy machine a process that is nice waits long.
_MADE_S_MAX: Final = 300


class Browser:
    """One person at the console."""

    def __init__(self, address: str, person: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=60, trust_env=False)
        self.post("/sign-in", at="/sign-in", person=person, password=PASSWORD)

    def page(self, path: str) -> str:
        """A page that is there."""
        answer = self._client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:2_000])
        return answer.text

    def post(self, path: str, *, at: str, **form: str) -> str:
        """A form of the page `at`; where it leads."""
        found = _CSRF.search(self.page(at))
        assert found is not None
        answer = self._client.post(path, data={"csrf": found[1], **form})
        assert answer.status_code == 303, (path, answer.status_code, answer.text[:2_000])
        return answer.headers["location"].partition("?")[0]

    def asked(self, path: str) -> Any:
        """What the API says."""
        return self._client.get(f"/api/v1{path}").json()

    def load(self, path: str, into: Path) -> int:
        """A download; its status."""
        with self._client.stream("GET", path) as answer, into.open("wb") as file:
            for piece in answer.iter_bytes():
                file.write(piece)
            return answer.status_code

    def close(self) -> None:
        """The window is closed."""
        self._client.close()


@contextmanager
def browsers(firm: Installation) -> Iterator[tuple[Browser, Browser]]:
    """The console, and two who are signed in."""
    port = free_port()
    process = firm.spawn("console", "--port", str(port))
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, firm.said()
        try:
            return httpx.get(f"{address}/sign-in", trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, "the console answers")
        both = Browser(address, "lea"), Browser(address, "carl")
        yield both
        for one in both:
            one.close()
    finally:
        end(process)


def configured(home: Path, packages: Path, servers: tuple[KafkaServer, S3Server,
                                                          ElasticsearchServer]) -> Installation:
    """Settings, people and their passwords."""
    kafka, s3, elasticsearch = servers
    real_configuration(home, unique_name("export"), kafka, s3, elasticsearch)
    with (home / "counterfoil.toml").open("a") as file:
        file.write(f'[export]\napproval = true\nfolder = "{packages}"\n')
    (home / "directory.toml").write_text(CAROL, "utf-8")
    (home / "access.toml").touch(mode=0o600)
    (home / "access.toml").write_text(ACCESS, "utf-8")
    firm = Installation(home, more=dict(QUICK))
    firm.cli("provision")
    word = home.parent / "password"
    word.write_text(PASSWORD + "\n", "utf-8")
    for person in ("lea", "carl"):
        firm.cli("account", "add", person, "--own", "--password-file", str(word), "--json")
    return firm


def test_two_people_make_a_package_in_the_console(
        tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
        elasticsearch_server: ElasticsearchServer) -> None:
    """A whole conversation through every part: who asked downloads it, the other does not; the
    script in the zip believes it under the keys that were told by another way, in an interpreter
    that has nothing of ours, and does not with one byte changed."""
    firm = configured(tmp_path / "home", tmp_path / "packages",
                      (kafka_server, s3_server, elasticsearch_server))
    with firm.running():
        ids = [captured(firm, number) for number in range(1, 4)]
        wait_for(lambda: is_up(firm), "the log is up to date")
        with browsers(firm) as (lea, carl):
            (token,) = set(_CHAT.findall(lea.page(f"/item/{ids[0]}")))
            (link,) = re.findall(r'href="(/exports/new[^"]+)"', lea.page(f"/conversation/{token}"))
            assert token in lea.page(link)
            page = lea.post("/exports", at=link, conversations=token, title="Quinces", context="0")
            carl.post(f"{page}/decide", at=page, decision="approve", reason="read it")
            lea.post(f"{page}/make", at=page)
            wait_for(lambda: lea.asked(page)["state"] == "finished", "the package is made",
                     _MADE_S_MAX, lambda: str(lea.asked(page)))
            file = tmp_path / "set.zip"
            assert 404 == carl.load(f"{page}/package.zip", tmp_path / "nothing")
            assert 200 == lea.load(f"{page}/package.zip", file)
        keys = firm.cli("log", "status", "--json", code=None).row()["keys"]
    with zipfile.ZipFile(file) as packed:
        packed.extractall(tmp_path / "received")
    (folder,) = (tmp_path / "received").iterdir()
    said = believed(folder, keys[0])
    assert 0 == said.returncode, said.stdout
    assert "Completeness: all 3 archived events of 1 conversations" in said.stdout
    events = folder / "data" / "native" / "events.jsonl"
    body = events.read_bytes()
    assert all(f"quinces number {number}".encode() in body for number in range(1, 4))
    events.write_bytes(body.replace(b"number 2", b"number 7"))
    assert 1 == believed(folder, keys[0]).returncode


def believed(folder: Path, key: str) -> subprocess.CompletedProcess[str]:
    """The script of the package, run as START-HERE.txt says."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "--log-key", key], cwd=folder, check=False,
        capture_output=True, text=True, env={})
