"""Where a benchmark runs: the real servers, a data folder for each archive, and child processes.

Owns set-up that is not timed. What is timed runs in a process of its own (`measured_child`), so
that its CPU and memory are nobody else's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.config import load
from infra.s3 import S3Settings, connect
from infra.stack.stack import StackAddress
from infra.verbs.stack import write_configuration
from infra.wire import Wire

CHILD_S_MAX: Final = 1200
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ground:
    """A stack and a folder of its own."""

    address: StackAddress
    folder: Path
    stack_folder: Path

    def home(self) -> Path:
        """The data folder of this run: keys of every role, and the configuration."""
        home = self.folder / "home"
        if not home.exists():
            home.mkdir(parents=True, mode=0o700)
            write_configuration(home, self.address)
            self.wire().keys_folder.provision("x25519", with_kek=True)
        return home

    def wire(self, **sections: Any) -> Wire:
        """The composition of the product over these servers; `sections` override settings."""
        return Wire(load(self.folder / "home", **sections))

    def bucket(self, name: str, *, lock_all: bool = False) -> str:
        """A bucket with Object Lock. `lock_all`: a compliance lock of a day on every object, for a
        writer that asks for none itself."""
        client = connect(self.s3(name))
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        if lock_all:
            client.put_object_lock_configuration(
                Bucket=name, ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}})
        return name

    def s3(self, bucket: str) -> S3Settings:
        """How to reach a bucket."""
        return S3Settings(bucket, self.address.s3_endpoint, self.address.s3_region,
                          self.address.s3_access_key, self.address.s3_secret_key)


def measured_child(module: str, arguments: dict[str, Any],
                   environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run `python -m module ARGUMENTS` and give back the JSON object on its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(arguments)], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, timeout=CHILD_S_MAX, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
