"""`stack up | status | down`: the real servers beside a data folder, and the configuration for it.

The servers' data lies in `<home>/stack`. Trial mode is on: what is learnt here locks nothing long.
"""

from __future__ import annotations

import os
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.config import CONFIG_NAME, DEFAULT_HOME
from infra.stack import stack
from infra.stack.stack import StackAddress
from infra.verbs.screen import ERR, OUT, emit
from schemas.errors import Missing


def up(home: Path | None, *, json: bool) -> int:
    """Start what does not run, and write counterfoil.toml unless there is one."""
    home = folder_of(home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as progress:
        task = progress.add_task("starting", total=None)
        address = stack.up(home / "stack",
                           progress=lambda line: progress.update(task, description=line))
    path = home / CONFIG_NAME
    written = not path.exists()
    if written:
        write_configuration(home, address)
    if json:
        emit({"kafka": address.kafka_bootstrap, "s3": address.s3_endpoint,
              "elasticsearch": address.elasticsearch_url, "configuration": str(path)})
        return 0
    OUT.print(f"Kafka          {address.kafka_bootstrap}\nS3             {address.s3_endpoint}\n"
              f"Elasticsearch  {address.elasticsearch_url}")
    OUT.print(f"configuration  {path}" + ("" if written else "  (was there; left as it is)"))
    OUT.print("next: counterfoil provision, then counterfoil doctor, then counterfoil run")
    return 0


def write_configuration(home: Path, address: StackAddress) -> None:
    """counterfoil.toml for these servers, with the S3 credentials in 0600 files beside it."""
    for name, value in (("s3-access.key", address.s3_access_key),
                        ("s3-secret.key", address.s3_secret_key)):
        descriptor = os.open(home / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(value)
    (home / CONFIG_NAME).write_text(f"""\
# Written by `counterfoil stack up`: real servers on this machine, for trying out.
[log]
driver = "kafka"
bootstrap = "{address.kafka_bootstrap}"
replication = 1
min_insync = 1

[store]
driver = "s3"
endpoint = "{address.s3_endpoint}"
region = "{address.s3_region}"
access_key_file = "{home / 's3-access.key'}"
secret_key_file = "{home / 's3-secret.key'}"

[keyring]
driver = "s3"

[index]
driver = "elasticsearch"
url = "{address.elasticsearch_url}"

[archive]
segment_age_s_max = 2

[retention]
trial = true
""", "utf-8")


def status(home: Path | None, *, json: bool) -> int:
    """1 while a server is not ready."""
    servers = stack.status(folder_of(home) / "stack")
    if json:
        for one in servers:
            emit({"name": one.name, "pid": one.pid, "ready": one.ready, "detail": one.detail,
                  "log": one.log})
    else:
        table = Table("server", "pid", "ready", "log")
        for one in servers:
            table.add_row(one.name, str(one.pid), "yes" if one.ready else one.detail, one.log)
        OUT.print(table)
    return 0 if servers and all(one.ready for one in servers) else 1


def down(home: Path | None, *, json: bool) -> int:
    """Idempotent."""
    try:
        names = stack.down(folder_of(home) / "stack")
    except Missing:
        names = []
    if json:
        emit({"stopped": names})
    else:
        OUT.print(f"stopped: {', '.join(names) or 'nothing ran'}")
    return 0


def folder_of(home: Path | None) -> Path:
    """The data folder that a verb means."""
    return (home or Path(DEFAULT_HOME)).absolute()
