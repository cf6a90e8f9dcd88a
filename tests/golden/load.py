"""The committed golden archive as a firm that lives: for readers, and for damage to be done to it.

Owns the way from `v1/` back to fakes. Reads files only; nothing of the generator's story is here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from archive.store import Lock
from tests.fakes.store import StoredVersion
from tests.golden.firm import Firm, FirmKeys

V1 = Path(__file__).parent / "v1"
CLEAN = (0, 1)


def manifest() -> dict[str, Any]:
    """The committed manifest."""
    read: dict[str, Any] = json.loads((V1 / "manifest.json").read_text("utf-8"))
    return read


def load(*, seed: str = "loaded", clean: bool = True) -> Firm:
    """A firm that holds the committed archive; `clean` leaves out partition 2, which is what it is
    for the findings in it."""
    stated = manifest()
    keys = FirmKeys(**{name: bytes.fromhex(value) for name, value in stated["keys"].items()})
    firm = Firm(keys, seed=seed, now=stated["now"])
    ends = list(stated["ends"])
    records: dict[int, dict[int, bytes]] = {}
    for path in sorted((V1 / "log").rglob("*.record")):
        partition = int(path.parent.name)
        if not clean or partition in CLEAN:
            records.setdefault(partition, {})[int(path.stem)] = path.read_bytes()
    if clean:
        ends[2] = 0
    firm.log.restore(records, ends)
    for key, facts in stated["objects"].items():
        if clean and f"/{2}/000" in key:
            continue
        firm.store.objects[key] = [StoredVersion(
            facts["version"], (V1 / "objects" / key).read_bytes(), facts["modified"],
            Lock(facts["mode"], facts["retain_until"]))]
    firm.keyring.records = {name: bytes.fromhex(record)
                            for name, record in stated["keyring"].items()}
    return firm
