"""An embedded archive moved to the real servers: the same answers, and new messages go on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.demo.week import week
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import (
    SECRETS,
    Installation,
    real_configuration,
    unique_name,
    wait_for,
)
from tests.ingest.doorway import hub_headers
from tests.ingest.exports import android, said, zip_of
from tests.interface.test_json import golden
from tests.vendor import payloads

pytestmark = pytest.mark.slow

START = 1_763_000_000
EVERYTHING = "kind:message OR kind:edit OR kind:retraction OR kind:unknown"


def configured(folder: Path, kafka: KafkaServer, s3: S3Server,
               elasticsearch: ElasticsearchServer) -> Path:
    """A configuration of the session's servers, as a file to move to."""
    real_configuration(folder, unique_name("moved"), kafka, s3, elasticsearch)
    return folder / "counterfoil.toml"


def export(folder: Path) -> Path:
    """A chat with a picture of several chunks."""
    made = zip_of({"WhatsApp Chat with Ada.txt": android([
        said("2024-03-18 10:00:00", "Ada", "IMG-20240318-WA0001.jpg (file attached)")]),
        "IMG-20240318-WA0001.jpg": random.Random(1).randbytes(9 << 20)}, "WhatsApp Chat - Ada.zip")
    path = folder / made.name
    path.write_bytes(made.open().read())
    return path


def answers(firm: Installation) -> list[dict[str, object]]:
    """What is found, and every tenth of it as it is shown."""
    hits = firm.cli("search", EVERYTHING, "--json", "--limit", "1000").rows()
    shown = [firm.cli("show", hit["id"], "--json").row() for hit in hits[::40]]
    return [*hits, *shown]


def test_a_moved_archive_answers_as_before(tmp_path: Path, kafka_server: KafkaServer,
                                           s3_server: S3Server,
                                           elasticsearch_server: ElasticsearchServer) -> None:
    """Refused while `run` is up; killed in the middle, called again; then search, show and verify
    say what they said, a picture opens, a re-import knows its chat, and new messages go on."""
    firm = Installation(tmp_path / "home")
    firm.write_directory()
    target = configured(tmp_path / "servers", kafka_server, s3_server, elasticsearch_server)
    chat = export(tmp_path)
    with firm.running():
        firm.play(week(SECRETS, START))
        row = firm.cli("import", str(chat), "--me", "Ben", "--zone", "UTC", "--json").row()
        assert (row["new"], row["files_stored"]) == (1, 1)
        refused = firm.cli("migrate", "--to", str(target), "--json", code=65)
        assert "counterfoil stop" in refused.err
    before = answers(firm)
    assert len(before) > 200
    picture = next(one["id"] for one in before if one["attachments"] == 1
                   and one["channel"] == "whatsapp" and one["actor"] == "Ada")
    process = subprocess.Popen([sys.executable, "-m", firm.module, "migrate", "--to", str(target)],
                               env=firm.environment, cwd=tmp_path)
    # Written when the store was tried, right before the first object is copied.
    wait_for((firm.home / "store-checked").exists, "the copying begins")
    time.sleep(random.Random(2).uniform(0.2, 0.5))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (firm.home / "counterfoil.toml").exists()
    moved = firm.cli("migrate", "--to", str(target), "--json").row()
    golden("migrate", moved)
    assert moved["objects"] > 3 and moved["keys"] > 0
    assert before == answers(firm)
    assert firm.cli("verify", "--json").row()["findings"] == []
    out = tmp_path / "picture"
    firm.cli("attachment", str(picture), "1", "--out", str(out))
    assert out.read_bytes() == random.Random(1).randbytes(9 << 20)
    with firm.running():
        body = payloads.messages(payloads.text("wamid.AFTER", "tangerines after the move"))
        assert firm.post("/hooks/whatsapp", body,
                         hub_headers(body, SECRETS.whatsapp_app_secret.encode())) == 200
        row = firm.cli("import", str(chat), "--me", "Ben", "--zone", "UTC", "--json").row()
        assert (row["new"], row["known"]) == (0, 1)
        inside = firm.inside()
        inside.await_documents([
            inside.document_id("whatsapp", f"+{payloads.FIRM}", "wamid.AFTER")])
        status = firm.cli("status", "--json", code=None).row()
        assert not {"log_replaced", "halted"} & {one["code"] for one in status["alarms"]}
    assert firm.cli("verify", "--json").row()["findings"] == []
    assert "already" in firm.cli("migrate", "--to", str(target), code=65).err


@pytest.mark.parametrize(("line", "complaint"), [
    ('topic = "counterfoil.capture"', "log.topic must be another name"),
    ('driver = "embedded"', "must be kafka"),
])
def test_a_move_that_could_not_be_meant_is_refused(tmp_path: Path, line: str,
                                                   complaint: str) -> None:
    """Before anything is written anywhere, with the setting by name."""
    firm = Installation(tmp_path / "home")
    firm.cli("provision")
    target = tmp_path / "counterfoil.toml"
    driver = "" if "driver" in line else 'driver = "kafka"\n'
    target.write_text(f'[log]\n{driver}{line}\n[store]\ndriver = "s3"\n'
                      '[index]\ndriver = "elasticsearch"\n')
    assert complaint in firm.cli("migrate", "--to", str(target), code=65).err
    assert not (firm.home / "counterfoil.toml").exists()
