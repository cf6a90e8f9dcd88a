"""`stack` and `doctor` on real servers: the configuration that `stack up` writes is one that works.

The session's own servers stand in for fresh ones: `stack up` finds them running.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import STACK_FOLDER, ElasticsearchServer, KafkaServer, S3Server
from tests.e2e.installation import SECRETS, Installation, unique_name
from tests.ingest.doorway import hub_headers
from tests.interface.test_json import as_stated
from tests.vendor import payloads


@pytest.mark.slow
def test_stack_up_gives_a_configuration_that_works(
        tmp_path: Path, kafka_server: KafkaServer, s3_server: S3Server,
        elasticsearch_server: ElasticsearchServer) -> None:
    """Servers up, configuration written, doctor finds nothing unsafe, and a message goes the whole
    line; every verb prints what it states."""
    firm = Installation(tmp_path / "home")
    firm.home.mkdir()
    (firm.home / "stack").symlink_to(os.environ[STACK_FOLDER])
    up = firm.cli("stack", "up", "--json").row()
    as_stated("stack-up", up)
    assert (up["kafka"], up["s3"], up["elasticsearch"]) == (
        kafka_server.bootstrap, s3_server.endpoint, elasticsearch_server.url)
    written = Path(up["configuration"])
    assert written == firm.home / "counterfoil.toml"
    assert s3_server.secret_key not in written.read_text("utf-8")
    for line in firm.cli("stack", "status", "--json").rows():
        as_stated("stack-status", line)
        assert line["ready"]
    # The session's servers are everybody's: this firm takes names of its own on them.
    name = unique_name("servers")
    text = written.read_text("utf-8")
    for section, setting in (("[log]", f'topic = "{name}"'), ("[store]", f'bucket = "{name}"'),
                          ("[keyring]", f'bucket = "{name}-keyring"'),
                          ("[index]", f'name = "{name}"')):
        assert section in text
        text = text.replace(section, f"{section}\n{setting}")
    written.write_text(text, "utf-8")
    firm.cli("provision")
    doctor = firm.cli("doctor", "--json").row()
    as_stated("doctor", doctor)
    assert doctor["safe"]
    checks = {one["name"]: one["outcome"] for one in doctor["checks"] if one["part"] == "store"}
    assert {"delete_refused", "lock_is_recorded"} & set(checks) and set(checks.values()) == {"ok"}
    with firm.running():
        body = payloads.messages(payloads.text("wamid.SERVERS", "from end to end"))
        assert firm.post("/hooks/whatsapp", body, hub_headers(
            body, SECRETS.whatsapp_app_secret.encode())) == 200
        inside = firm.inside()
        inside.await_documents([
            inside.document_id("whatsapp", f"+{payloads.FIRM}", "wamid.SERVERS")])
        line = firm.cli("search", "\"end to end\"", "--json").row()
        as_stated("hit", line)
        shown = firm.cli("show", line["id"], "--json").row()
        as_stated("message", shown)
        assert shown["versions"][0]["segment"].startswith(f"segments/{name}/")
        status = firm.cli("status", "--json").row()
        as_stated("status", status)
        assert status["mode"] == "log kafka, store s3, index elasticsearch"
    assert firm.cli("verify", "--json").row()["ok"]
