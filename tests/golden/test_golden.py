"""The golden bytes of version 1: made again they are the same, and today's code reads them."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import Any

import fastavro
import pytest
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from archive import heads, segment
from archive.media import MediaReader
from archive.seal import decode_refused
from archive.unseal import TransitPrivate, Unsealer
from schemas import codec, media, pack
from schemas.errors import Halt
from schemas.events import CapturedEvent, EventPart
from tests.fakes.store import FakeStore
from tests.golden import generate, hpke
from tests.golden.firm import NOW
from tests.golden.load import V1, load, manifest

GOLDEN_BYTES_MAX = 300_000


def _expected() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads((V1 / "expected.json").read_text("utf-8"))
    return read


@pytest.mark.allowed_skip("another zstd packs the same content into other bytes")
def test_made_again_the_golden_files_are_the_same_bytes() -> None:
    """No change of the code changes what version 1 writes."""
    if manifest()["zstd"] != ".".join(map(str, zstandard.ZSTD_VERSION)):
        pytest.skip("made with another zstd")
    made = generate.files(generate.build())
    committed = {str(path.relative_to(V1)): path.read_bytes()
                 for path in sorted(V1.rglob("*")) if path.is_file()}
    committed.pop(generate.HYBRID)
    assert sorted(made) == sorted(committed)
    different = [name for name in made if made[name] != committed[name]]
    assert [] == different


def test_the_golden_files_are_small() -> None:
    """They stay in the repository for ever."""
    size = sum(path.stat().st_size for path in V1.rglob("*") if path.is_file())
    assert size < GOLDEN_BYTES_MAX


def test_todays_reader_gets_what_was_sealed() -> None:
    """Every address, datum, session and decoded field of the committed archive, to the letter."""
    firm = load(clean=False)
    assert _expected() == json.loads(json.dumps(generate.expected(firm)))


def test_the_golden_file_is_named_by_its_fact_and_opens() -> None:
    """Today's reader gets from the committed object what the committed fact says."""
    said = json.loads((V1 / "media" / "expected.json").read_text("utf-8"))
    event = codec.decode((V1 / "media" / "fact.datum").read_bytes())
    assert isinstance(event, CapturedEvent)
    fact = media.read_fact(event)
    assert fact is not None and fact.stored is not None
    assert (said["object"], said["size"], said["chunks"], said["of"]) == (
        fact.stored.object, fact.stored.size, fact.stored.chunks, fact.of.hex())
    store = FakeStore(lambda: NOW)
    store.plant(fact.stored.object, (V1 / "media" / "golden.object").read_bytes())
    assert said["file"].encode() == b"".join(MediaReader(store).open(fact.stored))


def test_the_clean_part_has_no_finding_and_the_marked_part_has_its_own() -> None:
    """The committed archive verifies against its committed head."""
    assert [] == load().verify().findings
    firm = load(clean=False)
    head = heads.read((V1 / "golden.head").read_text("utf-8"), firm.sealing_public)
    report = firm.verify(head=head)
    assert {"record_refused", "records_missing", "key_squatted"} == {
        finding.code for finding in report.findings}
    assert 2 == sum(finding.code == "record_refused" for finding in report.findings)
    assert (3, 9) == (report.partitions, report.segments)


def test_every_golden_datum_is_read_by_its_pointer() -> None:
    """One range of the object is enough, whichever dictionary its segment names."""
    firm = load(clean=False)
    reader = firm.reader()
    for topic_id, partition in reader.partitions():
        for read in reader.follow(topic_id, partition, 0):
            for event in read.events:
                assert event.datum == reader.read(event.pointer)


def test_the_golden_log_seals_again_into_the_same_events() -> None:
    """An archive made today from the committed log holds what the committed archive holds."""
    firm = load(clean=False)
    firm.store.objects.clear()
    firm.archive()
    wanted = [(one["pointer"]["partition"], one["pointer"]["offset"], one["pointer"]["index"],
               one["datum"]) for one in _expected()]
    got = [(one["pointer"]["partition"], one["pointer"]["offset"], one["pointer"]["index"],
            one["datum"]) for one in generate.expected(firm)]
    assert wanted == got


def test_golden_datums_decode_to_what_they_were() -> None:
    """Every field of an event, the least event, a part and a refused record."""
    read = {name: (V1 / "datums" / name).read_bytes() for name in generate.datums()}
    assert generate.full_event(NOW) == codec.decode(read["full.datum"])
    least = codec.decode(read["least.datum"])
    assert isinstance(least, CapturedEvent) and "unknown" == least.kind
    part = codec.decode(read["part.datum"])
    assert isinstance(part, EventPart) and (1, 2, b"body") == (part.number, part.total, part.body)
    assert ("not a pack", b"\x00\x01not a pack") == decode_refused(read["refused.datum"])


def test_the_golden_parts_make_their_event_again() -> None:
    """The bodies of a set, in order of their numbers, are one datum."""
    parts = [one for one in (codec.decode(bytes.fromhex(read["datum"])) for read in _expected()
                             if not read["problem"]) if isinstance(one, EventPart)]
    assert [0, 1, 2] == [part.number for part in parts]
    whole = codec.decode(b"".join(part.body for part in parts))
    assert isinstance(whole, CapturedEvent)
    assert "golden and large " * 60 == whole.text
    assert ("a.person", 7, "2026-02") == (parts[0].custodian, parts[0].retention_years,
                                          parts[0].month)


def test_the_golden_hybrid_pack_opens() -> None:
    """A pack under ML-KEM-768 + X25519 that was sealed once opens with its key, and no other."""
    firm = load()
    value = (V1 / generate.HYBRID).read_bytes()
    key = TransitPrivate(generate.HYBRID_KEY_ID, pack.SUITE_MLKEM768_X25519, generate.HYBRID_SEED)
    opened = Unsealer({key.key_id: key}, firm.enrolled).open(firm.log.now().topic_id, 1, value)
    event = codec.decode(opened.plain)
    assert isinstance(event, CapturedEvent) and "golden text 50" == event.text
    with pytest.raises(Halt, match="transit_key_missing"):
        Unsealer({firm.transit_id: firm.transit}, firm.enrolled).open(
            firm.log.now().topic_id, 1, value)


def test_a_golden_segment_opens_with_plain_avro_tools() -> None:
    """Nothing of ours is needed to see header and cells; nothing readable is in them."""
    for key, facts in manifest()["objects"].items():
        body = (V1 / "objects" / key).read_bytes()
        if not key.endswith(".avro") or body == b"squatter":
            continue
        reader = fastavro.reader(io.BytesIO(body))
        cells: list[Any] = list(reader)
        assert cells and all(b"golden" not in cell["ciphertext"] for cell in cells)
        metadata = reader.metadata
        assert str(facts["retain_until"]) == metadata["counterfoil.retain_until"]
        assert sha256(body).digest() == segment.decode(body).sha256


def test_hpke_written_out_is_opened_by_the_library() -> None:
    """The wrap as FORMAT.md describes it is RFC 9180's, with its info bound."""
    private = X25519PrivateKey.from_private_bytes(bytes(range(32)))
    sealed = hpke.seal(private.public_key().public_bytes_raw(), bytes(range(1, 33)), b"key",
                       b"info")
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    assert b"key" == suite.decrypt(sealed, private, info=b"info")
    with pytest.raises(InvalidTag):
        suite.decrypt(sealed, private, info=b"other")
