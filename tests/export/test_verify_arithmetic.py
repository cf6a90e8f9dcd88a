"""The arithmetic of the stand-alone verifier against other people's: signatures, trees, schemas.

Owns what of `verify.py` can be compared with a library or a vector; and that it needs no library.
"""

from __future__ import annotations

import ast
import io
import json
import shutil
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from fastavro.schema import fingerprint, to_parsing_canonical_form
from hypothesis import given
from hypothesis import strategies as st

from archive.tlog import note, tiles
from archive.tlog.tree import leaf_hash
from schemas import codec
from schemas.events import EventPart
from schemas.identity import event_id, message_key
from search.export.offline import verify
from tests.archive.test_wycheproof import both, vectors
from tests.archive.tlog import tsa
from tests.export.offline_archive import LOG, WITNESSES, Logged, archive, path_of, root_of
from tests.export.packages import RELEASED, SHAPES, Files, checked, package, write

SOURCE = Path(verify.__file__)
absent = pytest.mark.allowed_skip("openssl is a program of the machine, not of the repository")


# -- Ed25519

@both
def test_wycheproof_signatures(folder: Path) -> None:
    """Malleable, truncated and foreign signatures are refused, valid ones accepted."""
    done = set()
    for group, test in vectors(folder, "ed25519_test.json"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
        assert (test["result"] == "valid") == verify.is_ed25519(public, signature, message), (
            test["tcId"])
        done.add(test["result"])
    assert {"valid", "invalid"} == done


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=99), st.integers(0, 511))
def test_signatures_of_the_library_are_accepted_and_no_flipped_bit(
        seed: bytes, message: bytes, bit: int) -> None:
    """Any key, any message; a bit of the signature, or of the key."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify.is_ed25519(public, signature, message)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not verify.is_ed25519(public, bytes(flipped), message)
    other = bytearray(public)
    other[bit % 32] ^= 1
    assert not verify.is_ed25519(bytes(other), signature, message)
    assert not verify.is_ed25519(public, signature, message + b"x")


@pytest.mark.parametrize("public", [
    bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")])
def test_a_key_that_signs_everything_is_none(public: bytes) -> None:
    """The points of small order: under them a signature of nothing fits every message."""
    for signature in (b"\x01" + bytes(63), public + bytes(32)):
        assert not any(verify.is_ed25519(public, signature, bytes([one])) for one in range(16))


@pytest.mark.parametrize("public", [
    b"\xed" + b"\xff" * 30 + b"\x7f", b"\xee" + b"\xff" * 30 + b"\x7f", b"\xff" * 32,
    b"\x01" + bytes(30) + b"\x80"])
def test_another_spelling_of_a_point_is_none(public: bytes) -> None:
    """y of p or more, and minus zero (RFC 8032 §5.1.3)."""
    assert verify._point(public) is None


# -- notes

def test_notes_and_keys_are_read_as_ours_are() -> None:
    """A head of ours, cosigned; each key; a note that is cut anywhere is refused."""
    made = archive().late.signed
    body = note.with_signatures(made, [note.cosign(made.text, WITNESSES[0], 77)]).render().encode()
    keys = [verify.read_key(LOG.key.vkey(), 1), verify.read_key(WITNESSES[0].key.vkey(), 4)]
    _, head, by = verify.head_signed(body, keys)
    assert (7, [None, 77]) == (head.size, list(by.values()))
    assert LOG.key.vkey() == verify.vkey(keys[0])
    alone = made.render().encode()
    for cut in range(len(alone)):
        with pytest.raises(verify.Wrong):
            verify.head_signed(alone[:cut], keys)
    with pytest.raises(verify.Wrong):
        verify.head_signed(body, keys[1:])
    for other in ("", "x", LOG.key.vkey() + "=", LOG.key.vkey()[1:], WITNESSES[0].key.vkey()):
        with pytest.raises(verify.Wrong):
            verify.read_key(other, 1)


# -- trees

def test_every_path_of_every_small_tree_leads_to_its_root() -> None:
    """And to no other leaf's place, and to no tree of another size that it does not fit."""
    for size in range(1, 34):
        entries = [bytes([one]) for one in range(size)]
        root = root_of(entries)
        edge = verify.Edge()
        for one in entries:
            edge.add(leaf_hash(one))
        assert root == edge.root()
        for index, entry in enumerate(entries):
            path = path_of(entries, index)
            assert root == verify.climbs(entry, index, size, path)
            assert root != verify.climbs(entry, index ^ 1, size, path) or size == 1
            assert root != verify.climbs(b"x", index, size, path)
            assert root != verify.climbs(entry, index, size, [*path, root])
    assert verify.climbs(b"", 0, 0, []) is None


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_the_log_is_recomputed_from_its_files(size: int, tmp_path: Path) -> None:
    """Tiles of every level and bundles, whole and partial; leaves of a domain are found."""
    leaf = archive().cells[0].leaf
    entries = [replace(leaf, cell=replace(leaf.cell, domain=f"{one % 7:032x}")).entry()
               for one in range(size)]
    hashes = [leaf_hash(one) for one in entries]
    files: Files = {"checkpoint": b""}
    for tile in tiles.tiles_of(size):
        step, first = 256 ** tile.level, tile.index * 256
        files[tile.path()] = b"".join(
            root_of(entries[at * step:(at + 1) * step]) if tile.level else hashes[at]
            for at in range(first, first + tile.width))
    for bundle in tiles.bundles_of(size):
        first = bundle.index * 256
        files[bundle.path()] = tiles.encode_bundle(entries[first:first + bundle.width])
    write({f"data/proof/log/{path}": body for path, body in files.items()}, tmp_path)
    report, bag, log = verify.Report(lambda _line: None), verify.Bag(str(tmp_path)), \
        verify.WholeLog()
    bag.walk(report)
    expected = log.read(bag, report, size, {f"{3:032x}"}, {1, 256})
    assert ([], set(bag.sizes)) == (report.problems, expected)
    assert log.root == (root_of(entries) if entries else verify.sha256(b""))
    assert [one for one in range(size) if one % 7 == 3] == [one for one, _ in log.claimed]
    assert {one: root_of(entries[:one]) for one in (1, 256) if one <= size} == log.roots


# -- Avro

MORE: list[Any] = [
    "int", ["null", "string"], {"type": "array", "items": "long"},
    {"type": "map", "values": {"type": "fixed", "name": "a.b.F", "size": 3}},
    {"type": "enum", "name": "E", "namespace": "x", "symbols": ["A", "B"], "doc": "no"},
    {"type": "record", "name": "x.R", "doc": "no", "aliases": ["Q"], "fields": [
        {"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A"]}, "default": "A"},
        {"name": "b", "type": ["null", "E", "R"]}, {"name": "c", "type": {"type": "int"}}]},
]


@pytest.mark.parametrize("schema", [
    *(json.loads((RELEASED / name).read_bytes()) for name in (
        "captured.avsc", "part.avsc", "refused.avsc", "cell.avsc", "keyrecord.avsc")), *MORE])
def test_the_canonical_form_is_the_librarys(schema: Any) -> None:
    """And so is the fingerprint."""
    form = verify.canonical_form(schema)
    assert to_parsing_canonical_form(schema) == form
    assert fingerprint(form, "CRC-64-AVRO") == verify.fingerprint(form)


def test_released_schemas_are_known_by_their_bytes() -> None:
    """The table in the verifier is that of the release."""
    known = json.loads((RELEASED / "fingerprints.json").read_bytes())
    names = ("captured.avsc", "part.avsc", "refused.avsc")
    assert {known[name]["crc64"]: known[name]["sha256"] for name in names} == verify.RELEASED


def test_datums_are_read_as_the_library_reads_them() -> None:
    """Every datum of the story and of the golden archive; its ids too."""
    golden = sorted((Path(__file__).parents[1] / "golden" / "v1" / "datums").iterdir())
    datums = [one.datum for cell in archive().cells for one in cell.events]
    datums += [path.read_bytes() for path in golden if path.is_file()]
    done = 0
    for datum in datums:
        name = {verify.CAPTURED: "captured.avsc", verify.PART: "part.avsc"}.get(datum[2:10].hex())
        if name is None:
            continue
        source = json.loads((RELEASED / name).read_bytes())
        said = verify.Schema(verify.canonical_form(source)).read(datum, 10)
        assert codec.fields(datum) == said
        if name == "captured.avsc":
            event = codec.decode(datum)
            assert not isinstance(event, EventPart)
            assert (event_id(event), message_key(event)) == (verify.event_id(said),
                                                             verify.message_key(said))
        done += 1
    assert done > 20


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_stumble(body: bytes) -> None:
    """They are read as the library reads them, or refused."""
    source = MORE[5]
    reader = verify.Schema(verify.canonical_form(source))
    try:
        said = reader.read(body, 0)
    except verify.Wrong:
        return
    assert fastavro.schemaless_reader(io.BytesIO(body), source, None) == said


# -- time stamps

def stamped(made: tsa.Authorities, head: Logged, name: str = "tsa") -> Any:
    """What a shape's `stamps` holds."""
    body = head.signed.render().encode()
    return name, head.signed, made.response(body), made.root.public_bytes(Encoding.PEM)


@absent
def test_time_stamps_are_checked_by_openssl(tmp_path: Path) -> None:
    """Over this head and over an earlier one; another's are refused, none is believed unchecked."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    made, other = tsa.Authorities(), tsa.Authorities()
    late, early = archive().late, archive().early
    shape = replace(SHAPES["a custodian"], stamps=(stamped(made, late), stamped(made, early)))
    report = checked(write(package(shape), tmp_path / "good"))
    assert [] == report.problems
    said = {one["title"]: one["said"] for one in report.steps}["Time stamps"]
    assert 2 == said.count("at 2026-11-22 10:00:00 UTC (checked by openssl)")
    assert any("earlier head" in one for one in report.notes)
    name, signed, token, roots = stamped(made, late)
    for number, (stamp, what) in enumerate((
            ((name, signed, token, stamped(other, late)[3]), "openssl says"),
            ((name, signed, stamped(other, late)[2], roots), "openssl says"),
            ((name, signed, stamped(made, early)[2], roots), "openssl says"),
            ((name, signed, b"no token", roots), "no time stamp"),
            ((name, signed, made.response(signed.render().encode(), status=2), roots), "no time"))):
        files = package(replace(shape, stamps=(stamp,)))
        found = checked(write(files, tmp_path / str(number))).problems
        assert [one for one in found if one["item"].endswith("tsa.tsr") and what in one["what"]], (
            number, found)


@absent
def test_a_stamp_outlives_the_certificate(tmp_path: Path) -> None:
    """The chain is looked at as of the stamp's time; one that had ended by then is refused."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    for name, ends, good in (("after", 1, True), ("before", -1, False)):
        made = tsa.Authorities(ends=tsa.MOMENT + timedelta(days=ends))
        shape = replace(SHAPES["one record"], stamps=(stamped(made, archive().late),))
        assert good == (not checked(write(package(shape), tmp_path / name)).count)


def test_a_stamp_without_openssl_is_not_checked_and_said(tmp_path: Path) -> None:
    """A note, never a yes; a head that the log has not signed is refused all the same."""
    shape = replace(SHAPES["one record"], stamps=(stamped(tsa.Authorities(), archive().early),))
    files = package(shape)
    report = checked(write(files, tmp_path / "one"), "--openssl", str(tmp_path / "none"))
    assert [] == report.problems
    assert any("was not checked" in one for one in report.notes)
    assert any("cannot be computed here" in one for one in report.notes)
    said = {one["title"]: one["said"] for one in report.steps}["Time stamps"]
    assert "NOT CHECKED" in said
    path = next(one for one in files if one.startswith("data/proof/timestamps/")
                and one.endswith("/checkpoint"))
    lie = note.Note(archive().early.signed.text, (note.sign("x\n", LOG),)).render().encode()
    found = checked(write(files | {path: lie}, tmp_path / "two")).problems
    assert any(path == one["item"] and "not verify" in one["what"] for one in found)


# -- the file itself

def test_it_needs_the_standard_library_alone() -> None:
    """Every import is of it; none is of ours."""
    names = {alias.name for node in ast.walk(ast.parse(SOURCE.read_text("utf-8")))
             if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(ast.parse(SOURCE.read_text("utf-8")))
              if isinstance(node, ast.ImportFrom)}
    assert set() == {one.split(".")[0] for one in names} - set(sys.stdlib_module_names)


def test_python_3_9_can_read_it() -> None:
    """No syntax that came later, and none of the names that did."""
    text = SOURCE.read_text("utf-8")
    ast.parse(text, feature_version=(3, 9))
    for later in ("pairwise(", "strict=True", "import UTC", "slots=True", "match ", "bit_count",
                  "ExceptionGroup", "tomllib"):
        assert f" {later}" not in text.replace("(", " ("), later
