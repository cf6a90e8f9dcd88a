"""`run`, `stop`, the doors and what `status` and `verify` say: as a machine uses them."""

from __future__ import annotations

import http.client
import http.server
import os
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Final

import pytest

from infra.demo.week import Secrets
from infra.state import is_alive
from schemas import limits
from tests.e2e.installation import (
    ROOT,
    SECRETS,
    VERIFY_TOKEN,
    Installation,
    end,
    wait_for,
)
from tests.ingest.doorway import hub_headers, twilio_form, twilio_headers
from tests.interface.test_json import golden
from tests.vendor import payloads

pytestmark = pytest.mark.slow

ACCOUNT: Final = f"+{payloads.FIRM}"
BODY: Final = payloads.messages(payloads.text("wamid.FIRST", "the first words"))
HEADERS: Final = hub_headers(BODY, SECRETS.whatsapp_app_secret.encode())
FORM: Final = twilio_form(1, Body="by text")
TWILIO_HEADERS: Final = twilio_headers(f"{SECRETS.public_url}/hooks/twilio", FORM,
                                       SECRETS.twilio_auth_token.encode())


def get(firm: Installation, path: str) -> tuple[int, str]:
    """Status and body of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", firm.port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def first_is_indexed(firm: Installation, sightings: int = 1) -> None:
    """Return when the first message can be found, with everything that came of it."""
    inside = firm.inside()
    doc_id = inside.document_id("whatsapp", ACCOUNT, "wamid.FIRST")
    inside.await_documents([doc_id])
    wait_for(lambda: inside.documents()[doc_id].sighting_count == sightings, "both sightings")


def test_run_needs_no_configuration(tmp_path: Path) -> None:
    """No file, no secret, no data folder: it makes the folder where it stands, opens what it can,
    names each closed door and what it lacks, and says so again in `status`."""
    firm = Installation(tmp_path / "counterfoil-data", secrets=None)
    environment = {name: value for name, value in firm.environment.items()
                   if not name.startswith("COUNTERFOIL_")}
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "run", "--port", str(firm.port)], cwd=tmp_path,
            env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        firm.await_ready(process)
        assert (firm.home / "keys").is_dir()
        told = " ".join(said.read_text().split())
        assert ("/hooks/whatsapp is closed: COUNTERFOIL_WHATSAPP_APP_SECRET, "
                "COUNTERFOIL_WHATSAPP_VERIFY_TOKEN not set") in told
        assert "/hooks/twilio is closed: COUNTERFOIL_TWILIO_AUTH_TOKEN not set" in told
        assert get(firm, "/healthz")[0] == 200

        line = firm.cli("status", "--json").row()
        golden("status", line)
        assert line["ok"] and line["running"]
        (gateway,) = [part for part in line["parts"] if part["role"] == "gateway"]
        assert gateway["closed_doors"] == ["twilio", "whatsapp"]

        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 503
        assert firm.post("/hooks/twilio", FORM, TWILIO_HEADERS) == 503
        # Somebody expects it to be open: now it is an alarm.
        wait_for(lambda: firm.cli("status", "--json", code=None).code == 1, "an alarm")
        assert {"door_closed"} == {
            one["code"] for one in firm.cli("status", "--json", code=1).row()["alarms"]}
    finally:
        assert end(process) == 0


def test_one_secret_opens_one_door(tmp_path: Path) -> None:
    """Each door on its own: the other stays closed and is named."""
    firm = Installation(tmp_path / "home", secrets=Secrets(
        SECRETS.whatsapp_app_secret, "", SECRETS.public_url))
    with firm.running():
        assert "/hooks/twilio is closed: COUNTERFOIL_TWILIO_AUTH_TOKEN" in firm.said()
        assert "/hooks/whatsapp is closed" not in firm.said()
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        assert firm.post("/hooks/twilio", FORM, TWILIO_HEADERS) == 503
        assert get(firm, "/hooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444"
                         f"&hub.verify_token={VERIFY_TOKEN.replace(' ', '%20')}"
                   ) == (200, "1158201444")
        assert get(firm, "/hooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444"
                         "&hub.verify_token=another")[0] == 403


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    """Each as NAME_FILE; a trailing line end is not part of it."""
    given = {"WHATSAPP_APP_SECRET": SECRETS.whatsapp_app_secret,
             "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
             "TWILIO_AUTH_TOKEN": SECRETS.twilio_auth_token, "PUBLIC_URL": SECRETS.public_url}
    more = {}
    for name, value in given.items():
        (tmp_path / name).write_text(value + "\n")
        more[f"COUNTERFOIL_{name}_FILE"] = str(tmp_path / name)
    firm = Installation(tmp_path / "home", secrets=None, more=more)
    with firm.running():
        assert "is closed" not in firm.said()
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        assert firm.post("/hooks/twilio", FORM, TWILIO_HEADERS) == 200


def test_short_secrets_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The operator's choice is taken; a door whose file is missing is closed alone, named at the
    start and an alarm; everything else runs."""
    missing = tmp_path / "nowhere"
    firm = Installation(tmp_path / "home", secrets=None, more={
        "COUNTERFOIL_WHATSAPP_APP_SECRET": "secret", "COUNTERFOIL_WHATSAPP_VERIFY_TOKEN": "verify",
        "COUNTERFOIL_TWILIO_AUTH_TOKEN_FILE": str(missing)})
    with firm.running():
        said = " ".join(firm.said().split())
        assert "/hooks/twilio is closed: twilio_auth_token_file:" in said
        assert "warning: whatsapp_app_secret has a value of fewer than 8 characters" in said
        assert firm.post("/hooks/whatsapp", BODY, hub_headers(BODY, b"secret")) == 200
        assert firm.post("/hooks/twilio", FORM, TWILIO_HEADERS) == 503
        assert get(firm, "/hooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444"
                         "&hub.verify_token=verify") == (200, "1158201444")
        (alarm,) = firm.cli("status", "--json", code=1).row()["alarms"]
        assert alarm["code"] == "door_closed" and str(missing) in alarm["detail"]
    firm.more["COUNTERFOIL_PUBLIC_URL"] = "hooks.firm.example"
    assert "https://hooks.firm.example" in firm.cli("run", code=65).err


def test_a_port_that_somebody_else_uses(tmp_path: Path) -> None:
    """Never "ready" because another program answers there: said in words and an alarm, at once;
    and when the port is free, it goes on by itself."""
    firm = Installation(tmp_path / "home")
    other = http.server.HTTPServer(("127.0.0.1", firm.port), _Healthy)
    answering = threading.Thread(target=other.serve_forever)
    answering.start()
    process = None
    try:
        process = firm.spawn("run", "--port", str(firm.port))
        wait_for(lambda: f"port {firm.port} of 127.0.0.1 is used" in " ".join(
            firm.said().split()), "said which port", detail=firm.said)
        (alarm,) = [one for one in firm.cli("status", "--json", code=1).row()["alarms"]
                    if one["code"] == "process_down"]
        assert str(firm.port) in alarm["detail"] and "--port" in alarm["detail"]
        assert "ready" not in (firm.home / "logs" / "run.out").read_text().split()
        other.shutdown()
        other.server_close()
        wait_for(lambda: "ready" in (firm.home / "logs" / "run.out").read_text().split(), "ready",
                 detail=firm.said)
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
    finally:
        other.shutdown()
        other.server_close()
        answering.join()
        if process is not None:
            assert end(process) == 0


class _Healthy(http.server.BaseHTTPRequestHandler):
    """Somebody else's program, which is well."""

    def do_GET(self) -> None:
        """200."""
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Says nothing."""


def test_a_fresh_system_with_a_message_is_well(tmp_path: Path) -> None:
    """Exit 0 of `status`, found by `search`, no findings of `verify`; and only the loopback
    listens."""
    firm = Installation(tmp_path / "home")
    with firm.running():
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        first_is_indexed(firm)
        assert firm.cli("status", "--json").row()["alarms"] == []
        assert firm.cli("search", "\"first words\"", "--json").row()["text"] == "the first words"
        golden("verify", firm.cli("verify", "--json").row())
        assert listening(firm.port) == {"0100007F"}


def listening(port: int) -> set[str]:
    """The addresses, as the kernel writes them, on which somebody listens at `port`."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add(address)
    return found


@pytest.fixture
def stopped(tmp_path: Path) -> Installation:
    """A system that captured one message and was stopped."""
    firm = Installation(tmp_path / "home")
    with firm.running():
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
    return firm


def test_stop_ends_everything_in_order(tmp_path: Path) -> None:
    """`stop` returns when `run` has ended with 0; what was taken is searchable, nothing is left to
    alarm about, and a second `stop` has nothing to do."""
    firm = Installation(tmp_path / "home")
    process = firm.spawn("run", "--port", str(firm.port))
    try:
        firm.await_ready(process)
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        children = firm.children()
        assert "stopped" in firm.cli("stop").err
        assert process.wait(10) == 0
    finally:
        end(process)
    assert not any(map(is_alive, children.values()))
    assert firm.cli("search", "\"first words\"", "--json").row()["state"] == "live"
    line = firm.cli("status", "--json").row()
    assert line["ok"] and not line["running"] and line["parts"] == []
    assert "nothing runs" in firm.cli("stop").err


def test_a_flipped_bit_is_found_and_named(stopped: Installation) -> None:
    """`verify` exits 0 before and 1 after, with the object's name; nothing is repaired."""
    assert stopped.cli("verify", "--json").row()["ok"]
    path = max((stopped.home / "store").rglob("*.avro*"), key=lambda one: one.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    line = stopped.cli("verify", "--json", code=1).row()
    golden("verify", line)
    assert not line["ok"] and line["findings"]
    assert any("segments/" in one["where"] for one in line["findings"])


def test_a_removed_segment_is_noticed(stopped: Installation) -> None:
    """The chain alone cannot show a missing tail; the head that the archiver kept can, and does
    without being asked for."""
    head = max((stopped.home / "heads").glob("*.head"))
    assert stopped.cli("verify", "--json", "--head", str(head)).row()["ok"]
    segments = sorted(path for path in (stopped.home / "store").rglob("*") if path.is_file()
                      and "segments" in str(path))
    assert segments
    for path in segments:
        path.unlink()
    for asked in ((), ("--head", str(head))):
        line = stopped.cli("verify", "--json", *asked, code=1).row()
        assert "head_rollback" in {one["code"] for one in line["findings"]}
    forged = stopped.home / "forged.head"
    forged.write_text(head.read_text("utf-8").replace("/0", "/1").replace(" 0", " 1"), "utf-8")
    assert stopped.cli("verify", "--json", "--head", str(forged), code=1).row()["findings"]


def test_a_rejected_request_is_let_in_once_the_secret_is_right(tmp_path: Path) -> None:
    """The provider's secret was rotated before ours: the refused request was kept, and is captured
    when the secret is put right, at the time when it came."""
    body = payloads.messages(payloads.text("wamid.EARLY", "signed with the new secret"))
    headers = hub_headers(body, b"a rotated secret")
    firm = Installation(tmp_path / "home")
    with firm.running():
        assert firm.post("/hooks/whatsapp", body, headers) == 401
        (kept,) = firm.cli("rejected", "list", "--json").rows()
        firm.secrets = Secrets(f"a rotated secret,{SECRETS.whatsapp_app_secret}",
                               SECRETS.twilio_auth_token, SECRETS.public_url)
        assert firm.cli("rejected", "replay", "--json").row() == {
            "accepted": 1, "still_refused": 0, "unopened": 0}
        assert firm.cli("rejected", "list", "--json").rows() == []
        inside = firm.inside()
        inside.await_documents([inside.document_id("whatsapp", ACCOUNT, "wamid.EARLY")])
        line = firm.cli("search", "\"new secret\"", "--json").row()
        assert "replayed_from_rejected" in line["observations"]
        assert line["captured_at"] == kept["at"]
    with firm.running():
        # Both secrets are good now: a list, the newest first.
        assert firm.post("/hooks/whatsapp", body, headers) == 200
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200


def test_the_doors_answer_as_they_must(tmp_path: Path) -> None:
    """Over HTTP, on the address that was asked for: 404, 405, 413, 415; nothing else is open, and
    what was too large is an alarm."""
    firm = Installation(tmp_path / "home")
    process = firm.spawn("run", "--port", str(firm.port), "--host", "0.0.0.0")  # noqa: S104
    try:
        firm.await_ready(process)
        assert listening(firm.port) == {"00000000"}
        plain = {**HEADERS, "content-type": "text/plain"}
        large = b" " * (limits.DELIVERY_BYTES_MAX + 1)
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        assert firm.post("/hooks/whatsapp", BODY, plain) == 415
        assert firm.post("/hooks/whatsapp", large, HEADERS) == 413
        assert firm.post("/hooks/whatsapp/", BODY, HEADERS) == 404
        assert firm.post("/healthz", b"", {}) == 405
        assert get(firm, "/")[0] == get(firm, "/metrics")[0] == get(firm, "/docs")[0] == 404
        wait_for(lambda: firm.cli("status", "--json", code=None).code == 1, "an alarm")
        assert "delivery_oversized" in {
            one["code"] for one in firm.cli("status", "--json", code=1).row()["alarms"]}
    finally:
        assert end(process) == 0


def test_a_killed_run_leaves_nothing_to_clear_up(tmp_path: Path) -> None:
    """After kill -9 of `run` the same command on the same folder and port works at once, without a
    hand, and the children of the first are gone."""
    firm = Installation(tmp_path / "home")
    first = firm.spawn("run", "--port", str(firm.port))
    second = None
    try:
        firm.await_ready(first)
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        orphans = firm.children()
        assert len(orphans) == 4 and all(map(is_alive, orphans.values()))
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = firm.spawn("run", "--port", str(firm.port))
        wait_for(lambda: firm.children() not in ({}, orphans), "children of its own")
        firm.await_ready(second)
        wait_for(lambda: not any(map(is_alive, orphans.values())), "the first's children end")
        assert firm.post("/hooks/whatsapp", BODY, HEADERS) == 200
        first_is_indexed(firm, sightings=2)
        line = firm.cli("search", "\"first words\"", "--json").row()
        assert (line["version_count"], line["sighting_count"]) == (1, 2)
        assert firm.cli("verify", "--json").row()["ok"]
    finally:
        for process in (first, second):
            if process is not None:
                end(process)


def test_a_dead_part_is_an_alarm_until_it_is_back(tmp_path: Path) -> None:
    """A part that was killed is started again by itself, and `status` is well again after that."""
    firm = Installation(tmp_path / "home")
    with firm.running():
        killed = firm.children()["archive"]
        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: firm.cli("status", "--json", code=None).code == 1
                 or firm.children()["archive"] != killed, "noticed")
        wait_for(lambda: firm.children()["archive"] != killed, "started again")
        wait_for(lambda: firm.cli("status", "--json", code=None).code == 0, "well again")


def test_status_of_a_killed_system_is_an_alarm(tmp_path: Path) -> None:
    """Everything was killed: `status` does not say that all is well."""
    firm = Installation(tmp_path / "home")
    process = firm.spawn("run", "--port", str(firm.port))
    firm.await_ready(process)
    wait_for(lambda: len(list((firm.home / "run").glob("*.json"))) == 5, "each part has spoken")
    for pid in (process.pid, *firm.children().values()):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    line = firm.cli("status", "--json", code=1).row()
    assert {"process_down"} == {one["code"] for one in line["alarms"]}


@pytest.mark.parametrize("arguments", [
    (), ("search",), ("search", "x", "--limit", "0"), ("run", "--port", "http"), ("frobnicate",)])
def test_a_wrong_call_is_told_apart(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Exit 2 for arguments that cannot be read; nothing is made on disk for them."""
    firm = Installation(tmp_path / "home")
    assert firm.cli(*arguments, code=2).out == "" or not arguments
    assert not firm.home.exists()


def test_an_unknown_setting_is_refused(tmp_path: Path) -> None:
    """A typing error in counterfoil.toml is named, not passed over."""
    firm = Installation(tmp_path / "home")
    firm.home.mkdir()
    (firm.home / "counterfoil.toml").write_text("[gateway]\nprot = 8080\n")
    answer = firm.cli("status", "--json", code=65)
    assert "gateway.prot" in answer.err and answer.out == ""


def test_the_folder_that_is_asked_for_is_used(tmp_path: Path) -> None:
    """--home comes before COUNTERFOIL_HOME."""
    firm = Installation(tmp_path / "home")
    firm.cli("--home", str(tmp_path / "other"), "provision")
    assert (tmp_path / "other" / "keys").is_dir() and not firm.home.exists()


def test_the_console_script_is_the_same_program() -> None:
    """`counterfoil` in the project's metadata starts what these tests start."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"counterfoil": "infra.cli:main"}
