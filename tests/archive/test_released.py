"""What was released stays: schemas, fingerprints, bits and labels of version 1 are frozen.

Owns the comparison with `schemas/released/v1`. Nothing there is ever changed; a later version adds
a folder beside it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from archive import cell, segment
from archive.keyring import _MARK as KEY_MARK
from archive.seal import REFUSED_MARK
from schemas import codec, pack
from schemas.kinds import KIND_BITS

SCHEMAS = Path(__file__).parents[2] / "schemas"
RELEASED = SCHEMAS / "released" / "v1"
FINGERPRINTS: dict[str, dict[str, str]] = json.loads(
    (RELEASED / "fingerprints.json").read_text("utf-8"))


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_schemas_are_the_released_ones(name: str) -> None:
    """Byte for byte; and the frozen copy itself is what its hash says."""
    frozen = (RELEASED / name).read_bytes()
    assert FINGERPRINTS[name]["sha256"] == sha256(frozen).hexdigest()
    assert frozen == (SCHEMAS / name).read_bytes()
    canonical_form = to_parsing_canonical_form(json.loads(frozen))
    assert FINGERPRINTS[name]["crc64"] == fingerprint(canonical_form, "CRC-64-AVRO")
    fastavro.parse_schema(json.loads(frozen))


def test_every_schema_is_released() -> None:
    """None is used that is not frozen."""
    assert set(FINGERPRINTS) == {path.name for path in SCHEMAS.glob("*.avsc")}
    assert {*FINGERPRINTS, "fingerprints.json"} == {path.name for path in RELEASED.iterdir()}


def test_every_released_schema_has_its_own_fingerprint() -> None:
    """A datum's first ten bytes say which schema it is, and the code knows the same ones."""
    marks = {name: b"\xc3\x01" + bytes.fromhex(one["crc64"]) for name, one in FINGERPRINTS.items()}
    assert len(marks) == len(set(marks.values()))
    assert (codec.CAPTURED_PREFIX, codec.PART_PREFIX, REFUSED_MARK, KEY_MARK) == tuple(
        marks[f"{name}.avsc"] for name in ("captured", "part", "refused", "keyrecord"))
    assert sha256(segment.CELL_SCHEMA + b"\n").hexdigest() == FINGERPRINTS["cell.avsc"]["sha256"]


def test_the_fingerprint_is_avros() -> None:
    """The specification's own example of the algorithm, in the byte order of a datum."""
    assert "8f5c393f1ad57572" == fingerprint('"int"', "CRC-64-AVRO")


def test_the_bits_of_kinds_are_those_that_were_released() -> None:
    """New kinds come behind; none moves."""
    released = ("message edit retraction restoration reaction receipt membership identity call gap "
                "heartbeat unknown quarantine delivery directory assignment audit review hold "
                "notice consent device policy export derived")
    assert released.split(" ") == sorted(KIND_BITS, key=KIND_BITS.__getitem__)[:25]
    assert list(range(25)) == [KIND_BITS[kind] for kind in released.split(" ")]


def test_labels_and_versions_are_those_that_were_released() -> None:
    """Each label is written once in the code, as it was in version 1: to change one is to change
    the format."""
    released = {
        "archive/cell.py": ["counterfoil/commit/v1", "counterfoil/v1/"],
        "archive/segment.py": ["counterfoil/segment/v1", "counterfoil/sync/v1"],
        "archive/keyring.py": ["counterfoil/domain-key/v1", "counterfoil/key-record/v2"],
        "archive/heads.py": ["counterfoil head v1"],
        "archive/unseal.py": ["counterfoil/opening/v1", "counterfoil/transit/v1",
                              "counterfoil/once/v1"],
        "ingest/transit.py": ["counterfoil/opening/v1", "counterfoil/transit/v1",
                              "counterfoil/once/v1", "counterfoil/capture/v1"],
        "ingest/routing.py": ["counterfoil/routing/v1"],
        "ingest/rejected.py": ["counterfoil/rejected/v1"],
        "schemas/media.py": ["counterfoil/media/v1"],
        "infra/keyfiles.py": ["counterfoil/sealing-key/v1", "counterfoil/transit-key/v1"],
        "infra/embedded/keys.py": ["counterfoil/kek-id/v1"],
        "schemas/identity.py": [f"counterfoil/{name}/v1" for name in (
            "event", "message", "alone", "shared", "delivery")],
    }
    for name, labels in released.items():
        text = (SCHEMAS.parent / name).read_text("utf-8")
        assert [] == [label for label in labels if f'"{label}"' not in text], name
    assert (1, "1", b"CFP1", 1) == (cell.VERSION, segment.FORMAT_VERSION, pack.MAGIC,
                                    pack.OPENING_VERSION)
