"""Each part holds its own keys and no other's (PROTOCOL "Who holds which key").

Shown twice: the gateway works where nothing but its own keys lies, and of the parts that `run`
starts, every file that they open is written down by Python itself (an audit hook in each process).
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.installation import SECRETS, VERIFY_TOKEN, Installation, end
from tests.ingest.doorway import hub_headers
from tests.vendor import payloads

pytestmark = pytest.mark.slow

# Role -> what it may open below keys/, by folder. `run` itself makes what is missing.
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "gateway": frozenset({"gateway", "public"}),
    "archive": frozenset({"archiver", "public", "kek"}),
    "index": frozenset({"search", "public", "kek"}),
    "notary": frozenset({"notary", "public"}),
}
BODY: Final = payloads.messages(payloads.text("wamid.KEYS", "words"))
HEADERS: Final = hub_headers(BODY, SECRETS.whatsapp_app_secret.encode())
STRANGER: Final = "of another program"
# Runs in every child before its first line: what is opened from then on is written down.
_HOOK: Final = """\
import os, sys
_where = os.environ.get("PYTHON_OPENED_FILES")
if _where:
    _out = os.open(os.path.join(_where, str(os.getpid())), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    def _note(event, arguments):
        if event in ("open", "os.listdir", "os.scandir") and isinstance(
                arguments[0], (str, bytes)):
            os.write(_out, os.fsencode(event + " " + os.fsdecode(arguments[0]) + "\\n"))
    sys.addaudithook(_note)
"""


def key_files(home: Path) -> dict[str, bytes]:
    """Every secret key of a data folder, by its name below keys/."""
    keys = home / "keys"
    return {str(path.relative_to(keys)): path.read_bytes() for path in sorted(keys.rglob("*.key"))}


def spelled(key: bytes) -> set[bytes]:
    """How a key could stand in text: raw, hex, base64 of both alphabets."""
    secret = key[-32:]
    return {secret, secret.hex().encode(), secret.hex().upper().encode(),
            base64.b64encode(secret).rstrip(b"="), base64.urlsafe_b64encode(secret).rstrip(b"=")}


def assert_holds_only(pid: int, home: Path, allowed: frozenset[str]) -> None:
    """No open file, no mapping and no variable of the process is another part's key."""
    process = Path(f"/proc/{pid}")
    files = [str(one.readlink()) for one in (process / "fd").iterdir() if one.is_symlink()]
    files += [line.split(maxsplit=5)[5] for line in (process / "maps").read_text().splitlines()
              if len(line.split(maxsplit=5)) == 6]
    for file in files:
        below = file.partition(f"{home}/keys/")[2]
        assert not below or below.split("/")[0] in allowed, file
    environment = (process / "environ").read_bytes()
    for name, key in key_files(home).items():
        assert not any(one in environment for one in spelled(key)), name


def test_the_gateway_works_where_only_its_own_keys_lie(tmp_path: Path) -> None:
    """A folder with keys/gateway, keys/public and the log: it captures there, has no other key open
    or in its environment, and what it took is archived by who holds the other keys."""
    firm = Installation(tmp_path / "firm")
    firm.cli("provision")
    alone = Installation(tmp_path / "alone")
    for name in ("keys/gateway", "keys/public"):
        shutil.copytree(firm.home / name, alone.home / name)
    # The same log: as a broker would be, it is reached from both.
    (alone.home / "log").symlink_to(firm.home / "log")
    process = alone.spawn("gateway", "--port", str(alone.port))
    try:
        alone.await_ready(process)
        assert alone.post("/hooks/whatsapp", BODY, HEADERS) == 200
        assert_holds_only(process.pid, firm.home, frozenset())
        assert_holds_only(process.pid, alone.home, ALLOWED["gateway"])
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        others = [key for name, key in key_files(firm.home).items()
                  if not name.startswith("gateway/")]
        assert len(others) >= 5
        assert not any(one in environment for key in others for one in spelled(key))
    finally:
        end(process)
    assert sorted(key_files(alone.home)) == [
        "gateway/capture.key", "gateway/media.key", "gateway/routing.key"]
    with firm.running():
        inside = firm.inside()
        inside.await_documents([
            inside.document_id("whatsapp", f"+{payloads.FIRM}", "wamid.KEYS")])


def test_the_parts_of_a_run_open_their_own_keys_only(tmp_path: Path) -> None:
    """`run` starts each part as a process of its own: between them every secret key is read, by
    nobody whose it is not; and only the gateway is told the providers' secrets."""
    hook, opened = tmp_path / "hook", tmp_path / "opened"
    hook.mkdir()
    opened.mkdir()
    (hook / "sitecustomize.py").write_text(_HOOK)
    firm = Installation(tmp_path / "home", more={
        "PYTHON_OPENED_FILES": str(opened), "STRANGERS_PASSWORD": STRANGER})
    firm.more["PYTHONPATH"] = f"{hook}:{firm.environment['PYTHONPATH']}"
    with firm.running():
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        inside = firm.inside()
        inside.await_documents([
            inside.document_id("whatsapp", f"+{payloads.FIRM}", "wamid.KEYS")])
        for role, pid in firm.children().items():
            assert_holds_only(pid, firm.home, ALLOWED[role])
            _assert_told(role, pid)
        children = firm.children()
    for role, pid in children.items():
        seen = _keys_opened(opened / str(pid), firm.home)
        assert seen, f"the hook wrote nothing for {role}"
        assert {name.split("/")[0] for name in seen} <= ALLOWED[role], role
    assert "gateway/routing.key" in _keys_opened(opened / str(children["gateway"]), firm.home)
    assert "archiver/sealing.key" in _keys_opened(opened / str(children["archive"]), firm.home)
    assert "search/index.key" in _keys_opened(opened / str(children["index"]), firm.home)
    assert "notary/log.key" in _keys_opened(opened / str(children["notary"]), firm.home)


def _assert_told(role: str, pid: int) -> None:
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    for secret in (SECRETS.whatsapp_app_secret, SECRETS.twilio_auth_token, VERIFY_TOKEN):
        assert (secret.encode() in environment) == (role == "gateway"), role
    # What the operator's shell holds besides is nobody's business.
    assert STRANGER.encode() not in environment
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert SECRETS.whatsapp_app_secret.encode() not in arguments


def _keys_opened(written: Path, home: Path) -> set[str]:
    """Names below keys/ that a process opened or listed."""
    prefix = f"{home}/keys/"
    found = set()
    for line in written.read_text("utf-8", "replace").splitlines():
        path = line.partition(" ")[2]
        if path.startswith(prefix):
            found.add(path.removeprefix(prefix))
    return found
