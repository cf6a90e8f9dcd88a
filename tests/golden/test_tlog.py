"""The golden log, checked by a stranger from docs/FORMAT.md alone, and read by today's code.

The stranger's part imports nothing of ours: hashes, Ed25519, base64, JSON and a plain Avro reader.
"""

from __future__ import annotations

import base64
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import fastavro
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from archive.tlog import note, proof, tiles, witness
from archive.tlog.audit import LogAudit
from archive.tlog.checkpoint import Head
from archive.tlog.witness import Witness
from tests.fakes.latest import FakeLatest
from tests.golden import tlog
from tests.golden.load import load, manifest

V1 = Path(__file__).parent / "v1"
GOLDEN = V1 / "tlog"
SAID: dict[str, Any] = json.loads((GOLDEN / "keys.json").read_text("utf-8"))


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _head(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return _node(_head(hashes[:split]), _head(hashes[split:]))


def _vkey(text: str) -> tuple[str, bytes, bytes]:
    """(name, key id, public key), the id computed again."""
    name, stated, body = text.split("+", 2)
    raw = base64.b64decode(body)
    key_id = sha256(name.encode() + b"\n" + raw).digest()[:4]
    assert stated == key_id.hex()
    return name, key_id, raw[1:]


def _signature(text: str, vkey: str) -> tuple[bytes, bytes]:
    """(the note's text, the signature of a key) in a note."""
    front, _, back = text.rpartition("\n\n")
    name, key_id, _ = _vkey(vkey)
    for line in back.splitlines():
        dash, who, body = line.split(" ")
        raw = base64.b64decode(body)
        if (dash, who, raw[:4]) == ("—", name, key_id):
            return front.encode() + b"\n", raw[4:]
    raise AssertionError("no such signature")


def _entries() -> list[bytes]:
    """The entries of the site's one bundle."""
    body = (GOLDEN / "site" / "tile" / "entries" / "000.p" / "15").read_bytes()
    out = []
    while body:
        size = int.from_bytes(body[:2], "big")
        out.append(body[2:2 + size])
        body = body[2 + size:]
    return out


def test_a_stranger_checks_the_proof_of_a_cell() -> None:
    """Entry to leaf, leaf to root, root to the log's signature."""
    text = (GOLDEN / "cell.tlog-proof").read_text("utf-8")
    front, _, signed = text.partition("\n\n")
    first, extra, number, *path = front.split("\n")
    assert ["c2sp.org/tlog-proof@v1", "extra Z29sZGVu"] == [first, extra]
    message, signature = _signature(signed, SAID["log"])
    Ed25519PublicKey.from_public_bytes(_vkey(SAID["log"])[2]).verify(signature, message)
    origin, size, root = message.decode().splitlines()
    assert _vkey(SAID["log"])[0] == origin
    index, last = int(number.removeprefix("index ")), int(size) - 1
    found = sha256(b"\x00" + (GOLDEN / "cell.leaf").read_bytes()).digest()
    for line in path:
        sibling = base64.b64decode(line)
        if index & 1 or index == last:
            found = _node(sibling, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = _node(found, sibling)
        index, last = index >> 1, last >> 1
    assert (0, base64.b64decode(root)) == (last, found)


def test_a_stranger_finds_the_leaf_in_its_segment() -> None:
    """Each leaf is what a plain Avro reader sees in the object that it names."""
    entries = _entries()
    assert (GOLDEN / "cell.leaf").read_bytes() == entries[SAID["index"]]
    for entry in entries:
        said = json.loads(entry)
        body = (V1 / "objects" / said["key"]).read_bytes()
        reader = fastavro.reader(io.BytesIO(body))
        cell: Any = list(reader)[said["cell"]]
        header: Any = reader.metadata
        assert sha256(body).hexdigest() == said["segment"]
        assert sha256(cell["ciphertext"]).hexdigest() == said["ciphertext"]
        assert (cell["root"].hex(), cell["tags_root"].hex(), cell["domain"].hex()) == (
            said["root"], said["tags_root"], said["domain"])
        assert (cell["count"], cell["generation"]) == (said["count"], said["generation"])
        assert cell["ciphertext"] in body[said["start"]:said["start"] + said["length"]]
        for name in ("first", "last", "retain_until"):
            assert str(said[name]) == header[f"counterfoil.{name}"]
        assert entry == json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def test_a_stranger_checks_tile_bundle_witness_and_both_heads() -> None:
    """The site's hashes are those of its entries; they make both heads; a witness saw the last."""
    hashes = [sha256(b"\x00" + entry).digest() for entry in _entries()]
    tile = (GOLDEN / "site" / "tile" / "0" / "000.p" / "15").read_bytes()
    assert b"".join(hashes) == tile
    for size, root in SAID["heads"]:
        assert root == _head(hashes[:size]).hex()
        text = (GOLDEN / "checkpoint" / f"{size:020d}").read_text("utf-8")
        message, signature = _signature(text, SAID["log"])
        Ed25519PublicKey.from_public_bytes(_vkey(SAID["log"])[2]).verify(signature, message)
        assert message.decode().splitlines()[1:] == [
            str(size), base64.b64encode(bytes.fromhex(root)).decode()]
    message, body = _signature((GOLDEN / "witnessed").read_text("utf-8"), SAID["witness"])
    time = int.from_bytes(body[:8], "big")
    Ed25519PublicKey.from_public_bytes(_vkey(SAID["witness"])[2]).verify(
        body[8:], f"cosignature/v1\ntime {time}\n".encode() + message)


def test_a_stranger_reads_the_batches() -> None:
    """Signature, chain and edge, as docs/FORMAT.md says."""
    origin, key_id, public = _vkey(SAID["log"])
    previous, size = "00" * 32, 0
    for number in range(2):
        data = (GOLDEN / "batch" / f"{number:020d}").read_bytes()
        body, last, rest = data.split(b"\n")
        word, who, signature = last.decode().split(" ")
        assert (b"", "signature", key_id.hex()) == (rest, word, who)
        message = b"".join(len(part).to_bytes(4, "big") + part for part in (
            b"counterfoil/log-batch/v1", origin.encode(), body))
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), message)
        said = json.loads(body)
        assert (number, size, previous) == (said["number"], said["start"], said["previous"])
        assert [said["size"], said["root"]] == SAID["heads"][number]
        folded = bytes.fromhex(said["edge"][-1])
        for left in reversed(said["edge"][:-1]):
            folded = _node(bytes.fromhex(left), folded)
        assert said["root"] == folded.hex()
        previous, size = sha256(data).hexdigest(), said["size"]


@pytest.mark.parametrize("name", ["cell.tlog-proof", "cell.leaf"])
def test_todays_code_reads_the_proof(name: str) -> None:
    """The committed proof holds for the committed entry."""
    given = proof.read((GOLDEN / "cell.tlog-proof").read_text("utf-8"))
    entry = (GOLDEN / "cell.leaf").read_bytes()
    found, _ = proof.check(given, entry, [note.read_vkey(SAID["log"])])
    assert SAID["heads"][1] == [found.head.size, found.head.root.hex()]
    assert (GOLDEN / name).stat().st_size < 1000


def test_todays_auditor_has_no_fault_to_find() -> None:
    """Over the committed archive and its committed log."""
    firm = load(clean=False)
    until = manifest()["now"] + tlog.YEARS_MS
    for kind in ("batch", "checkpoint"):
        for path in sorted((GOLDEN / kind).iterdir()):
            firm.store.put_once(f"log/{kind}/{path.name}", path.read_bytes(), until)
    report = LogAudit(firm.store, firm.authenticator(), tlog.ORIGIN,
                      (note.read_vkey(SAID["log"]),)).run()
    assert [] == report.faults
    assert (2, 2, 15, 0) == (report.batches, report.checkpoints, report.head.size, report.waiting)


def test_todays_witness_answers_the_golden_request() -> None:
    """One that knew the first head cosigns the second, with the committed bytes."""
    size, root = SAID["heads"][0]
    latest = FakeLatest()
    latest.heads[tlog.ORIGIN] = Head(size, bytes.fromhex(root))
    one = Witness(tlog.WITNESS, {tlog.ORIGIN: (tlog.LOG.key,)}, latest,
                  lambda: manifest()["now"])
    body = (GOLDEN / "witness.request").read_bytes()
    assert size == witness.read_request(body).old
    reply = one.add_checkpoint(body)
    assert 200 == reply.status
    assert (GOLDEN / "witnessed").read_bytes().endswith(reply.body)
    assert 15 == len(tiles.decode_tile(
        (GOLDEN / "site" / "tile" / "0" / "000.p" / "15").read_bytes(), 15))
