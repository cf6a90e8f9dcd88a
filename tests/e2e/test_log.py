"""The transparency log of a running installation: embedded, on the real servers, and moved from
the one to the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive.tlog import note
from tests.conftest import ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import (
    SECRETS,
    Installation,
    real_configuration,
    unique_name,
    wait_for,
)
from tests.ingest.doorway import hub_headers
from tests.interface.test_json import as_stated
from tests.vendor import payloads

pytestmark = pytest.mark.slow

QUICK = {"COUNTERFOIL_NOTARY__INTERVAL_S": "0.5"}


def captured(firm: Installation, number: int) -> str:
    """One message through the door, searchable; its id."""
    native = f"wamid.LOG{number}"
    body = payloads.messages(payloads.text(native, f"quinces number {number}"))
    assert 200 == firm.post("/hooks/whatsapp", body, hub_headers(
        body, SECRETS.whatsapp_app_secret.encode()))
    inside = firm.inside()
    doc_id = inside.document_id("whatsapp", f"+{payloads.FIRM}", native)
    inside.await_documents([doc_id])
    return doc_id


def is_up(firm: Installation) -> bool:
    """Whether everything that is archived is in the log."""
    return firm.cli("log", "status", "--json", code=None).code == 0


def proves_offline(firm: Installation, doc_id: str, folder: Path) -> None:
    """The cell of a message is proved, and checked with the verifier key and nothing else."""
    (version, *_) = firm.cli("show", doc_id, "--json").row()["versions"]
    made = firm.cli("log", "prove", version["segment"],
                    f"{version['offset']}/{version['index']}", "--out",
                    str(folder / f"{doc_id}.tlog-proof"), "--json").row()
    as_stated("log-prove", made)
    segment = folder / f"{doc_id}.avro"
    segment.write_bytes(firm.inside().wire.store.get(version["segment"]))
    key = firm.cli("log", "status", "--json", code=None).row()["keys"][0]
    stranger = Installation(folder / "stranger")
    checked = stranger.cli("log", "check-proof", made["file"], "--key", key, "--segment",
                           str(segment), "--json").row()
    as_stated("log-check-proof", checked)
    assert checked["ok"] and checked["segment"] == version["segment"]
    assert not stranger.home.exists()


def verified(firm: Installation, *more: str) -> dict[str, object]:
    """`verify --log` finds nothing, and everything is in the log."""
    row = firm.cli("verify", "--log", "--json", *more).row()
    as_stated("verify", row)
    assert row["findings"] == []
    log: dict[str, object] = row["log"]
    assert (log["waiting"], log["size"]) == (0, row["cells"])
    return log


def test_run_keeps_the_log_on_the_real_servers(
        tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
        elasticsearch_server: ElasticsearchServer) -> None:
    """Messages in, their cells in the log within seconds, `verify --log` clean, a proof that checks
    offline; a checkpoint that was kept is part of the log after a restart."""
    firm = Installation(tmp_path / "home", more=dict(QUICK))
    real_configuration(firm.home, unique_name("log"), kafka_server, s3_server,
                       elasticsearch_server)
    kept = tmp_path / "kept"
    with firm.running():
        first = captured(firm, 1)
        wait_for(lambda: is_up(firm), "the log is up to date")
        kept.write_text(firm.cli("log", "checkpoint").out, "utf-8")
        proves_offline(firm, first, tmp_path)
        status = firm.cli("status", "--json", code=None).row()
        (notary,) = [one for one in status["parts"] if one["role"] == "notary"]
        assert notary["leaves"] >= 1
        assert not [one for one in status["alarms"] if one["code"].startswith("tlog")]
    verified(firm, "--against", str(kept))
    with firm.running():
        captured(firm, 2)
    log = verified(firm, "--against", str(kept))
    assert int(str(log["size"])) > int(kept.read_text("utf-8").split("\n")[1])


def test_a_moved_log_goes_on_where_it_stood(
        tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
        elasticsearch_server: ElasticsearchServer) -> None:
    """`migrate` carries it along: the same name, the same leaves, and what was signed before the
    move is part of it after."""
    firm = Installation(tmp_path / "home", more=dict(QUICK))
    with firm.running():
        before = captured(firm, 1)
        wait_for(lambda: is_up(firm), "the log is up to date")
    verified(firm)
    kept = tmp_path / "kept"
    kept.write_text(firm.cli("log", "checkpoint").out, "utf-8")
    real_configuration(tmp_path / "servers", unique_name("movedlog"), kafka_server, s3_server,
                       elasticsearch_server)
    firm.cli("migrate", "--to", str(tmp_path / "servers" / "counterfoil.toml"), "--json")
    with firm.running():
        captured(firm, 2)
        wait_for(lambda: is_up(firm), "the log is up to date")
        proves_offline(firm, before, tmp_path)
    verified(firm, "--against", str(kept))
    now = note.read(firm.cli("log", "checkpoint").out)
    assert now.text.split("\n")[0] == note.read(kept.read_text("utf-8")).text.split("\n")[0]
