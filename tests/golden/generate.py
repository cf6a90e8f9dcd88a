"""The story of the golden archive, and its bytes: `python -m tests.golden.generate` writes `v1/`.

Owns what version 1 must be able to read for ever. The committed bytes are never changed once a
release has written any: a new version adds a folder beside this one (docs/FORMAT.md, F3).

    v1/manifest.json       keys, clock, log, locks, key records; the zstd that made the bytes
    v1/log/<partition>/<offset>.record
    v1/objects/<key>       segments and the dictionary
    v1/datums/<name>       single datums
    v1/golden.head         a signed head
    v1/expected.json       what a reader must get out of all that
    v1/media/              a file's object, its fact as a datum, and what opens it
    v1/words/              chunks of the sealed vocabulary, and what is in them
    v1/tlog/               the transparency log of the archive (see `tlog.py`)
    v1/suite-2.record      a pack under the hybrid suite: read, never made again (see `hybrid`)
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import zstandard
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from archive import keyring, layout
from archive.cell import Dictionary
from archive.keyring import DomainKeys
from archive.seal import encode_refused
from archive.wordbook import Wordbook
from infra.embedded.keys import NONCE_BYTES, LocalKeyService
from ingest.heartbeat import heartbeat
from ingest.media import ChunkSealer, stored_fact
from ingest.own import own_event
from ingest.transit import ArchiverPublic, TransitSealer
from schemas import codec, events, media, pack
from schemas.domains import facts_of
from schemas.events import CAPTURE_KINDS, Attachment, CapturedEvent, Delivery, EventPart, Identity
from schemas.identity import event_id, message_key
from schemas.media import StoredMedia
from schemas.pack import Item
from schemas.wire import LogIdentity
from tests.golden import tlog
from tests.golden.firm import DICTIONARY, HOUR_MS, NOW, Firm
from tests.golden.firstform import in_first_form
from tests.world import Random

V1 = Path(__file__).parent / "v1"
HYBRID = "suite-2.record"
HYBRID_SEED = Random("golden/hybrid")(96)
HYBRID_KEY_ID = bytes.fromhex("676f6c64656e2d32")
YEARS_LOCKED_MAX = 15


def build() -> Firm:
    """The golden firm at the end of its story. Partitions 0 and 1 are without findings; 2 is not.
    """
    firm = Firm()
    _first_day(firm)
    _second_month(firm)
    _other_partition(firm)
    _marked(firm)
    for name, record in firm.keyring.records.items():
        # The same nonce for the same plaintext: only golden bytes may do that.
        nonce = keyring._read_record(record)["facts"][1:13]
        firm.keyring.records[name] = in_first_form(
            record, name, LocalKeyService.of(firm.keys.kek, {NONCE_BYTES: nonce}.__getitem__))
    return firm


def _first_day(firm: Firm) -> None:
    firm.capture(0, own_event(events.DIRECTORY, "golden-directory", firm.now, 8, {"digest": "00"}))
    text = firm.message(0, 1)
    edit = firm.message(0, 2, kind="edit", target=text.native_id, target_known="explicit",
                        text="golden text, corrected")
    retraction = firm.message(0, 3, kind="retraction", target=text.native_id,
                              target_known="explicit", text=None,
                              content_state="absent_by_source")
    firm.capture(0, text, edit, retraction, firm.message(0, 4, custodian="b.person",
                                                         compartment="matter-7"),
                 firm.message(0, 5, custodian="", retention_class="unassigned"))
    firm.capture(0, _quarantined(firm), own_event(events.GAP, "golden-gap", firm.now, 8,
                                                  {"reason": "delivery_oversized"}))
    firm.archive()


def _second_month(firm: Firm) -> None:
    firm.now += 31 * 24 * HOUR_MS
    firm.store.put_once(layout.dictionary(Dictionary(DICTIONARY).digest.hex()), DICTIONARY,
                        firm.now + YEARS_LOCKED_MAX * 366 * 24 * HOUR_MS)
    large = firm.message(0, 6, text="golden and large " * 60)
    parts = [Item(firm.router.domain(large), firm.router.tag(large), codec.encode_part(part))
             for part in cut(large, 3)]
    firm.append(0, parts[:2])
    firm.append(0, parts[2:])
    firm.capture(0, firm.message(0, 7, kind="reaction", target="wamid.GOLDEN0006",
                                 target_known="explicit", text="👍"), full_event(firm.now))
    firm.archive(dictionary=DICTIONARY)
    stated = firm.acknowledged.take()
    firm.capture(0, heartbeat(stated, firm.sealer.capture_id, firm.now, 8))
    firm.archive()
    _new_generation(firm, firm.message(0, 8))
    firm.capture(0, firm.message(0, 8, text="under a second generation: 你好 مرحبا 👩‍👩‍👧"))
    firm.archive()


def cut(event: CapturedEvent, total: int) -> list[EventPart]:
    """`event` in `total` parts (docs/FORMAT.md, part datum)."""
    datum, facts = codec.encode(event), facts_of(event)
    width = -(-len(datum) // total)
    return [EventPart(event_id(event), message_key(event), event.kind, number, total,
                      datum[number * width:(number + 1) * width], facts.custodian,
                      facts.retention_class, facts.years, facts.compartment, facts.month,
                      facts.role) for number in range(total)]


def _new_generation(firm: Firm, event: CapturedEvent) -> None:
    keys: DomainKeys = firm.domain_keys()
    keys._make(firm.router.domain(event), 1, facts_of(event))


def _other_partition(firm: Firm) -> None:
    for number in (20, 21, 22):
        firm.capture(1, firm.message(1, number), firm.message(1, number + 10, direction="out"))
        firm.archive(dictionary=DICTIONARY if number == 21 else None)


def _marked(firm: Firm) -> None:
    """What an archive may hold and verify must name: partition 2."""
    firm.capture(2, firm.message(2, 40))
    firm.log.skip(2)
    tampered = bytearray(firm.seal(2, [firm.item(firm.message(2, 41))]).value)
    tampered[-1] ^= 1
    firm.log.append(2, bytes(tampered))
    firm.log.append(2, b"not a pack at all")
    firm.trial = True
    firm.archive()
    firm.trial = False
    squatted = layout.segment(firm.log.now(), 2, firm.log.ends()[2])
    firm.store.plant(squatted.key(), b"squatter")
    firm.capture(2, firm.message(2, 42))
    firm.archive()


def _quarantined(firm: Firm) -> CapturedEvent:
    return CapturedEvent(
        kind=events.QUARANTINE, channel="whatsapp", source="whatsapp-cloud/1",
        account="+15550783881", conversation="firm", captured_at=firm.now,
        native_id="golden-quarantine", content_state="placeholder",
        details=(("reason", "item is not an object"),), raw=b'{"object": 7}',
        raw_type="application/json", retention_years=8)


def full_event(now: int) -> CapturedEvent:
    """Every field of the schema set."""
    return CapturedEvent(
        kind="message", channel="whatsapp", source="whatsapp-cloud/1", account="+15550783881",
        conversation="group:golden", captured_at=now, native_id="wamid.FULL", target="wamid.T",
        target_key=bytes(range(16)), target_known="inferred", revision="r:1",
        actor=Identity("bsuid.1", "bsuid", "Ａｎｎａ"),
        participants=(Identity("+16505550001", "e164"), Identity("lid.2", "lid", None)),
        direction="out", occurred_at=now - 10, occurred_not_before=now - 70,
        occurred_precision="minute", occurred_meaning="provider_webhook",
        occurred_local="2026-02-15T11:00", zone="Europe/Zurich", fold=1,
        text="everything\n\u0000 set", content_state="placeholder",
        attachments=(Attachment("m1", "image/jpeg", "a.jpg", 2**40, bytes(32), "failed",
                                "404", "https://example.com/a"), Attachment("m2")),
        observations=("media_pending", "forwarded"), details=(("a", "1"), ("b", "")),
        key_material=bytes(range(32)), provenance="custodian_supplied", provenance_who="c.person",
        provenance_sha256=bytes(range(32)), custodian="c.person", retention_class="long",
        retention_years=10, compartment="matter-7", raw=bytes(range(256)),
        raw_type="application/octet-stream",
        delivery=Delivery(bytes(range(16)), 3, 77, False, (("content-type", "text/plain"),),
                          "hub-sha256", "1"))


def datums() -> dict[str, bytes]:
    """Single datums by name."""
    least = CapturedEvent(kind="unknown", channel="sms", source="twilio/1", account="",
                          conversation="", captured_at=0)
    part = EventPart(bytes(16), bytes(range(16)), "message", 1, 2, b"body", "a.person", "default",
                     7, "", "2026-01", "")
    return {
        "full.datum": codec.encode(full_event(NOW)), "least.datum": codec.encode(least),
        "part.datum": codec.encode_part(part),
        "refused.datum": encode_refused("not a pack", b"\x00\x01not a pack"),
    }


def golden_object(domain: bytes, file: bytes = b"the golden file\n",
                  ) -> tuple[str, bytes, StoredMedia]:
    """(name, bytes, what opens it) of the media object that holds `file`."""
    random, out = Random("golden/media"), io.BytesIO()
    name, key = media.object_name(random(16)), random(media.KEY_BYTES)
    sealer = ChunkSealer(out, name, domain, key, len(file))
    sealer.write(file)
    stored = sealer.finish()
    return name, out.getvalue(), stored


def media_files(firm: Firm) -> dict[str, bytes]:
    """A file as it lies in the store, the event that names it, and what a reader makes of both."""
    said = firm.message(1, 60, attachments=(Attachment("golden-file", "text/plain", "a.txt"),))
    domain = firm.router.domain(said)
    name, body, stored = golden_object(domain)
    fact = stored_fact(said, 0, stored, NOW)
    return {
        "media/golden.object": body, "media/fact.datum": codec.encode(fact),
        "media/expected.json": _json({
            "object": name, "domain": domain.hex(), "key": stored.key.hex(),
            "size": stored.size, "sha256": stored.sha256.hex(), "chunks": stored.chunks,
            "of": event_id(said).hex(), "file": "the golden file\n"})}


def word_files(firm: Firm) -> dict[str, bytes]:
    """Chunks of the vocabulary under a key of the golden keyring, and their words."""
    domain, generation = bytes(16), 0
    for name in firm.keyring.names():
        if name.endswith("/1"):
            domain, generation = bytes.fromhex(name.partition("/")[0]), 1
    book, out = Wordbook(firm.domain_keys()), {}
    said: list[dict[str, Any]] = []
    for level, words in ((0, ["golden"]), (1, ["golden", "naïve", "مرحبا", "👩‍👩‍👧", "words"])):
        for chunk in book.seal(domain, generation, level, words):
            file = f"{len(said)}.chunk"
            out[f"words/{file}"] = chunk.body
            said.append({"file": file, "id": chunk.id.hex(), "domain": domain.hex(),
                         "generation": generation, "level": level, "words": sorted(words)})
    return out | {"words/expected.json": _json(said)}


def hybrid() -> bytes:
    """A pack under suite 2. The library gives its encapsulation no seed, so each run makes another:
    the committed one is read back, never compared."""
    lattice = MLKEM768PrivateKey.from_seed_bytes(HYBRID_SEED[:64])
    curve = X25519PrivateKey.from_private_bytes(HYBRID_SEED[64:])
    firm = Firm()
    public = ArchiverPublic(
        HYBRID_KEY_ID, pack.SUITE_MLKEM768_X25519,
        lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw())
    sealer = TransitSealer(public, firm.capture_key, CAPTURE_KINDS, Random("golden/suite2"),
                           firm.clock, lambda: 1)
    return sealer.seal(LogIdentity("capture", bytes(15) + b"\x01", 3), 1,
                       [firm.item(firm.message(1, 50))]).value


def files(firm: Firm) -> dict[str, bytes]:
    """Every file of `v1/` but the hybrid record, by its name."""
    out = {f"datums/{name}": body for name, body in datums().items()}
    for partition in range(firm.log.partitions):
        for offset, value in firm.log.values(partition).items():
            out[f"log/{partition}/{offset}.record"] = value
    for key, versions in firm.store.objects.items():
        assert len(versions) == 1
        out[f"objects/{key}"] = versions[0].body
    out |= media_files(Firm())
    out |= word_files(firm)
    out |= tlog.files(firm)
    out["golden.head"] = firm.head().encode()
    out["manifest.json"] = _json(_manifest(firm))
    out["expected.json"] = _json(expected(firm))
    return out


def _manifest(firm: Firm) -> dict[str, Any]:
    identity = firm.log.now()
    return {
        "zstd": ".".join(map(str, zstandard.ZSTD_VERSION)), "now": firm.now,
        "keys": {name: value.hex() for name, value in asdict(firm.keys).items()},
        "transit_id": firm.transit_id.hex(), "topic": identity.topic,
        "topic_id": identity.topic_id.hex(), "ends": firm.log.ends(),
        "objects": {key: {"version": one.version_id, "modified": one.modified,
                          "mode": one.lock.mode, "retain_until": one.lock.retain_until}
                    for key, [one] in sorted(firm.store.objects.items())},
        "keyring": {name: record.hex() for name, record in sorted(firm.keyring.records.items())},
    }


def expected(firm: Firm) -> list[dict[str, Any]]:
    """What a reader gets, one entry per address, in order."""
    reader, out = firm.reader(), []
    for topic_id, partition in reader.partitions():
        for read in reader.follow(topic_id, partition, 0):
            for event in read.events:
                assert event.datum is not None
                pointer = replace(event.pointer, version="")
                out.append({
                    "pointer": asdict(pointer), "problem": event.problem,
                    "datum": event.datum.hex(), "domain": event.domain.hex(),
                    "generation": event.generation, "capture_id": event.capture_id.hex(),
                    "session_id": event.session_id.hex(), "counter": event.counter,
                    "kinds": sorted(event.kinds),
                    "decoded": None if event.problem else plain(codec.decode(event.datum))})
    return out


def plain(value: CapturedEvent | EventPart) -> dict[str, Any]:
    """An event as JSON can hold it: bytes in hex."""
    def simple(one: Any) -> Any:
        if isinstance(one, bytes):
            return one.hex()
        if isinstance(one, dict):
            return {name: simple(inner) for name, inner in one.items()}
        return [simple(inner) for inner in one] if isinstance(one, list | tuple) else one

    return {name: simple(one) for name, one in asdict(value).items()}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=True) + "\n").encode()


def main() -> None:
    """Write everything; the hybrid record only where there is none."""
    made = files(build())
    for name, body in made.items():
        path = V1 / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    if not (V1 / HYBRID).exists():
        (V1 / HYBRID).write_bytes(hybrid())
    known = set(made) | {HYBRID}
    for path in V1.rglob("*"):
        if path.is_file() and str(path.relative_to(V1)) not in known:
            path.unlink()


if __name__ == "__main__":
    main()
