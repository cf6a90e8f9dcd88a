"""The sample files for a real installation agree with the defaults and the verbs of the program."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from archive import layout
from infra.config import GatewaySection, IndexSection, KeyringSection, LogSection, StoreSection
from infra.keyfiles import ROLES
from schemas.errors import Halt
from schemas.limits import DELIVERY_BYTES_MAX

EXAMPLES = Path(__file__).parent.parent.parent / "infra" / "examples"
UNITS = sorted(EXAMPLES.glob("systemd/*.service"))
Section = LogSection | StoreSection | KeyringSection | IndexSection


def default(section: type[Section], name: str) -> str:
    """A setting's default in counterfoil.toml."""
    return str(section.model_fields[name].default)


def read(name: str) -> str:
    """An example's text."""
    return (EXAMPLES / name).read_text("utf-8")


def test_every_example_is_in_the_list() -> None:
    """README.md names every file (units by their pattern), and no file that is not there."""
    named = set(re.findall(r"^\| (.*?) \|", read("README.md"), re.MULTILINE)) - {"file", "---"}
    patterns = [name for cell in named for name in re.findall(r"`([^`]+)`", cell)]
    listed = {path for pattern in patterns for path in EXAMPLES.glob(pattern)}
    assert {path for path in EXAMPLES.glob("*/*") if path.is_file()} == listed


def test_policies_name_the_default_buckets() -> None:
    """S3 policies are JSON, name our two buckets and nothing else, and cover all evidence."""
    archive, keyring = default(StoreSection, "bucket"), default(KeyringSection, "bucket")
    for path in sorted(EXAMPLES.glob("s3/*.json")):
        for statement in json.loads(path.read_text("utf-8"))["Statement"]:
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                assert re.match(rf"arn:aws:(kms:|s3:::({archive}|{keyring})(/|$))", resource)
    for prefix in (layout.SEGMENTS, layout.SCHEMAS, layout.DICTIONARIES, layout.MEDIA,
                   layout.LOG):
        assert 2 == read("s3/bucket-policy.json").count(f"{archive}/{prefix}*")


@pytest.mark.parametrize("name", ["archiver", "gateway", "indexer", "notary", "search"])
def test_no_process_may_delete_from_the_store(name: str) -> None:
    """No policy of a process allows a delete, a bypass or a change of the bucket."""
    for statement in json.loads(read(f"s3/{name}.json"))["Statement"]:
        assert "Allow" == statement["Effect"]
        for action in statement["Action"]:
            assert not re.match(r"s3:(Delete|Bypass|PutBucket|PutLifecycle|\*)", action)


def test_the_gateway_puts_media_and_reads_nothing() -> None:
    """PROTOCOL, keys: put-only access to `media/`."""
    (statement,) = json.loads(read("s3/gateway.json"))["Statement"]
    assert {"s3:PutObject", "s3:PutObjectRetention"} == set(statement["Action"])
    assert statement["Resource"].endswith(f"/{layout.MEDIA}*")


def test_the_notary_puts_the_log_and_reads_no_key() -> None:
    """PROTOCOL, keys: it writes below `log/` alone, reads segments, and reaches neither the keyring
    nor its key service."""
    text = read("s3/notary.json")
    assert "keyring" not in text and "kms" not in text
    for statement in json.loads(text)["Statement"]:
        if any(action.startswith("s3:Put") for action in statement["Action"]):
            assert statement["Resource"].endswith(f"/{layout.LOG}*")


def test_the_indexer_sets_holds_and_writes_nothing_else() -> None:
    """What a legal hold concerns are segments and files; otherwise it is the reader's policy."""
    indexer, reader = (json.loads(read(f"s3/{name}.json"))["Statement"]
                       for name in ("indexer", "search"))
    (more,) = [one for one in indexer if one not in reader]
    assert more["Action"] == "s3:PutObjectLegalHold" and more["Effect"] == "Allow"
    assert [one.partition("/")[2] for one in more["Resource"]] == [
        f"{layout.MEDIA}*", f"{layout.SEGMENTS}*"]


def test_the_reader_of_the_store_writes_nothing() -> None:
    """The search side's policy has no Put."""
    assert "Put" not in read("s3/search.json")


def test_acls_name_the_default_topic_and_group(tmp_path: Path) -> None:
    """The script runs, and asks for exactly the operations that each part needs."""
    topic, group = default(LogSection, "topic"), default(LogSection, "group")
    script = EXAMPLES / "kafka" / "acls.sh"
    done = subprocess.run(
        ["bash", str(script)],
        env={"KAFKA_ACLS": "echo", "PATH": "/usr/bin:/bin"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=30, check=True,
    )
    asked = [line.replace("--operation ", "") for line in done.stdout.splitlines()]
    allow = "--add --allow-principal User:counterfoil-"
    assert [
        f"{allow}gateway Write Describe --topic {topic}",
        f"{allow}archiver Read Write Describe DescribeConfigs Delete --topic {topic}",
        f"{allow}archiver Read Describe --group {group}",
        f"{allow}search Write Describe --topic {topic}",
    ] == asked


@pytest.mark.parametrize("name", ["indexer", "reader"])
def test_roles_name_the_default_index(name: str) -> None:
    """An Elasticsearch role covers the alias and the indices behind it; a reader cannot write."""
    index = default(IndexSection, "name")
    role = json.loads(read(f"elasticsearch/{name}-role.json"))
    assert [[index, f"{index}-*"]] == [one["names"] for one in role["indices"]]
    assert ("write" in role["indices"][0]["privileges"]) == (name == "indexer")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_one_part_with_its_own_keys(unit: Path) -> None:
    """A unit runs a verb that exists, sees no other part's keys, and stops at Halt for good."""
    text = unit.read_text("utf-8")
    (verb,) = re.findall(r"^ExecStart=\S+/counterfoil (\w+)$", text, re.MULTILINE)
    own = {"gateway": "gateway", "archive": "archiver", "index": "search",
           "notary": "notary"}[verb]
    hidden = set(re.findall(r"-/var/lib/counterfoil/keys/(\w+)", text))
    assert {*ROLES, "notary"} - {own} == hidden - {"kek"}
    assert ("kek" in hidden) == (verb in ("gateway", "notary"))
    assert f"RestartPreventExitStatus={Halt.exit_code}\n" in text
    assert "LimitCORE=0\n" in text


def test_the_proxy_passes_on_what_the_gateway_takes() -> None:
    """Same port and size limit as the gateway, no body on disk, no query string in a log."""
    text = read("proxy/nginx.conf")
    assert f"proxy_pass http://127.0.0.1:{GatewaySection.model_fields['port'].default};" in text
    assert f"client_max_body_size    {DELIVERY_BYTES_MAX // 1024 // 1024}m;" in text
    assert "proxy_request_buffering off;" in text
    assert "access_log off;" in text
