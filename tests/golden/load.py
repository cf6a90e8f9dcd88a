"""The committed golden archive as a firm that lives: for readers, and for damage to be done to it.

Owns the way from `v1/` back to fakes. Reads files only; nothing of the generator's story is here.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from archive.store import Lock
from tests.fakes.store import StoredVersion
from tests.golden.firm import Firm, FirmKeys

V1 = Path(__file__).parent / "v1"
CLEAN = (0, 1)


@cache
def manifest() -> dict[str, Any]:
    """The committed manifest."""
    read: dict[str, Any] = json.loads((V1 / "manifest.json").read_text("utf-8"))
    return read


@cache
def _committed() -> tuple[dict[int, dict[int, bytes]], dict[str, bytes]]:
    """(log records, objects): read once, never changed."""
    records: dict[int, dict[int, bytes]] = {}
    for path in sorted((V1 / "log").rglob("*.record")):
        records.setdefault(int(path.parent.name), {})[int(path.stem)] = path.read_bytes()
    return records, {key: (V1 / "objects" / key).read_bytes() for key in manifest()["objects"]}


@cache
def _logged() -> dict[str, bytes]:
    """The transparency log's objects, by their keys."""
    return {f"log/{kind}/{path.name}": path.read_bytes() for kind in ("batch", "checkpoint")
            for path in sorted((V1 / "tlog" / kind).iterdir())}


def with_log(firm: Firm, batches: int = 1) -> Firm:
    """The same firm with the log's first batches: of partitions 0 and 1 one, of all of it two."""
    until = Lock("COMPLIANCE", firm.now + 20 * 366 * 86_400_000)
    kept = sorted(_logged())
    for key in (*kept[:batches], *kept[len(kept) // 2:][:batches]):
        firm.store.plant(key, _logged()[key], until)
    return firm


def load(*, seed: str = "loaded", clean: bool = True) -> Firm:
    """A firm that holds the committed archive; `clean` leaves out partition 2, which is what it is
    for the findings in it."""
    stated = manifest()
    records, objects = _committed()
    keys = FirmKeys(**{name: bytes.fromhex(value) for name, value in stated["keys"].items()})
    firm = Firm(keys, seed=seed, now=stated["now"])
    ends = list(stated["ends"])
    if clean:
        records = {partition: records[partition] for partition in CLEAN}
        ends[2] = 0
    firm.log.restore(records, ends)
    for key, facts in stated["objects"].items():
        if clean and "/2/" in key:
            continue
        firm.store.objects[key] = [StoredVersion(
            facts["version"], objects[key], facts["modified"],
            Lock(facts["mode"], facts["retain_until"]))]
    firm.keyring.records = {name: bytes.fromhex(record)
                            for name, record in stated["keyring"].items()}
    return firm
