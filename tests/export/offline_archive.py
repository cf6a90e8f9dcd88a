"""A tiny real archive with its transparency log, opened cell by cell, for packages made by hand.

Owns the story that is archived and what a package needs of each cell: datums, salts, tags, trees.
Salts, tags and paths are computed here from docs/FORMAT.md §5 alone, not by the exporter's code.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from archive import cell as cells
from archive import layout, segment
from archive.cell import CellEvent, Dictionary, Place
from archive.tlog import note
from archive.tlog.leaf import Leaf
from archive.tlog.notary import Notary, Ports
from archive.tlog.note import COSIGNATURE, ED25519, Key, Note, Signer
from archive.tlog.prover import Prover
from ingest.transit import Item
from schemas import codec
from schemas.domains import facts_of
from schemas.events import Attachment, CapturedEvent, Delivery, EventPart
from schemas.identity import canonical, delivery_id, event_id, message_key
from tests.fakes.latest import FakeLatest
from tests.golden.firm import HOUR_MS, NOW, Firm
from tests.world import Random

ORIGIN: Final = "export.example/log"
UNTIL: Final = NOW + 20 * 366 * 86_400_000
FILE: Final = b"a picture, or something like it\n"
PARTS: Final = 3
# Conversations of the story: which partition, the how-manieth there.
ANN, BEN, CAT, DAN, EVE = (0, 0), (0, 1), (1, 0), (0, 2), (1, 1)


def signer(seed: str, name: str, kind: int = ED25519) -> Signer:
    """A key from a seed."""
    private = Ed25519PrivateKey.from_private_bytes(Random(f"export/{seed}")(32))
    return Signer(Key(name, kind, private.public_key().public_bytes_raw()), private.sign)


LOG: Final = signer("log", ORIGIN)
PACKAGE: Final = signer("package", "exports.example")
WITNESSES: Final = tuple(signer(f"witness {number}", f"witness{number}.example", COSIGNATURE)
                         for number in (1, 2))
THIEF: Final = signer("thief", ORIGIN)


def root_of(entries: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, by its own recursion."""
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1 << (len(entries) - 1).bit_length() - 1
    return sha256(b"\x01" + root_of(entries[:split]) + root_of(entries[split:])).digest()


def path_of(entries: Sequence[bytes], index: int) -> list[bytes]:
    """RFC 6962 §2.1.1, by its own recursion: the leaf's sibling first."""
    if len(entries) == 1:
        return []
    split = 1 << (len(entries) - 1).bit_length() - 1
    if index < split:
        return [*path_of(entries[:split], index), root_of(entries[split:])]
    return [*path_of(entries[split:], index - split), root_of(entries[:split])]


@dataclass(frozen=True)
class Opened:
    """One cell of the log, open. `tags`: blinded tag ‖ u32 count, sorted."""

    index: int
    leaf: Leaf
    place: Place
    events: tuple[CellEvent, ...]
    salts: tuple[bytes, ...]
    commitments: tuple[bytes, ...]
    tag_key: bytes
    tags: tuple[bytes, ...]

    def blinded(self, tag: bytes) -> bytes:
        """What a tag is called here."""
        return hmac.digest(self.tag_key, tag, "sha256")


@dataclass(frozen=True)
class Logged:
    """A head of the log and its static files."""

    signed: Note
    files: dict[str, bytes]


@dataclass(frozen=True)
class Archive:
    """The story, archived: its open cells in the log's order, two heads (the later last), and the
    tag of each conversation by its native name."""

    firm: Firm
    cells: tuple[Opened, ...]
    early: Logged
    late: Logged
    tags: dict[str, bytes]
    names: dict[tuple[int, int], str]

    @property
    def entries(self) -> list[bytes]:
        """Of the whole log."""
        return [one.leaf.entry() for one in self.cells]


@cache
def archive() -> Archive:
    """Made once; nobody changes it."""
    firm = Firm(seed="export")
    notary = Notary(Ports(firm.store, firm.authenticator(), FakeLatest(), LOG, firm.clock,
                          lambda _now: UNTIL, lambda _seconds: None))
    _first(firm)
    firm.archive()
    _second(firm)
    firm.archive()
    early = _logged(notary)
    firm.now += HOUR_MS
    _third(firm)
    firm.archive()
    late = _logged(notary)
    names = {one: firm.conversation(*one) for one in (ANN, BEN, CAT, DAN, EVE)}
    tags = {name: firm.router.tag(replace(firm.message(0, 0), conversation=name))
            for name in names.values()}
    return Archive(firm, tuple(_opened(firm, notary)), early, late, tags, names)


def message(firm: Firm, who: tuple[int, int], number: int, **changes: object) -> CapturedEvent:
    """Message `number` of a conversation."""
    values = {"conversation": firm.conversation(*who), "native_id": f"wamid.EXPORT{number:04d}",
              **changes}
    return firm.message(who[0], number, **values)


def _first(firm: Firm) -> None:
    """One delivery of three messages; two more conversations beside it; a file."""
    body = b'{"items":["one","two","three"]}'
    spans = [(10, 15), (16, 21), (22, 29)]
    name = delivery_id(firm.now, body)
    firm.capture(0, *(message(
        firm, ANN, number, raw=None if number else body, raw_type="application/json",
        delivery=Delivery(name if number else b"", start, end, whole=not number,
                          headers=(("x-hub-signature-256", "sha256=00"),)))
        for number, (start, end) in enumerate(spans)))
    firm.capture(0, message(firm, BEN, 10, text="Ürgent 🙂 \u202e日本 \" \\ \n"),
                 message(firm, BEN, 11, raw=b"<Message/>", raw_type="application/xml"))
    picture = message(firm, CAT, 20, attachments=(Attachment("file1", "image/png", "a.png"),))
    firm.capture(1, picture, message(firm, CAT, 21), replace(
        picture, kind="derived", native_id=None, target=picture.native_id, text=None,
        revision=f"media|{event_id(picture).hex()}|0|stored",
        details=(("attachment", "0"), ("of", event_id(picture).hex()), ("what", "media")),
        key_material=bytes(32), attachments=(Attachment(
            "file1", "image/png", "a.png", len(FILE), sha256(FILE).digest(), "stored"),)))
    firm.capture(0, message(firm, DAN, 30), message(firm, DAN, 31))


def _second(firm: Firm) -> None:
    """An edit and a retraction, an event in parts, somebody else's custodian."""
    firm.capture(0, message(firm, ANN, 3, kind="edit", target="wamid.EXPORT0001", text="edited"),
                 message(firm, ANN, 4, kind="retraction", target="wamid.EXPORT0002", text=None))
    large = message(firm, ANN, 5, text="large " * 40, raw=b"<large/>", raw_type="text/xml")
    datum, size = codec.encode(large), -(-len(codec.encode(large)) // PARTS)
    facts = facts_of(large)
    for number in range(PARTS):
        part = EventPart(event_id(large), message_key(large), large.kind, number, PARTS,
                         datum[number * size:(number + 1) * size], facts.custodian,
                         facts.retention_class, facts.years, facts.compartment, facts.month,
                         facts.role)
        again = [replace(part, body=b"\x00" + part.body[1:])] if not number else []
        # The first part came twice: a sender began again. What it said first is another body.
        for one in (*again, part):
            firm.append(0, [Item(firm.router.domain(large), firm.router.tag(large),
                                 codec.encode_part(one))])
    firm.capture(1, message(firm, EVE, 40, custodian="b.person"),
                 message(firm, EVE, 41, custodian="b.person"))


def _third(firm: Firm) -> None:
    """Later than the first head."""
    firm.capture(0, message(firm, ANN, 6), message(firm, BEN, 12))
    firm.capture(1, message(firm, CAT, 22), message(firm, EVE, 42, custodian="b.person"))


def _logged(notary: Notary) -> Logged:
    notary.turn()
    signed, last = notary.checkpoint(), notary.last()
    assert signed is not None and last is not None
    return Logged(signed, dict(Prover(notary.sequence, last).files(signed)))


def _opened(firm: Firm, notary: Notary) -> list[Opened]:
    last = notary.last()
    assert last is not None
    leaves = [leaf for number in range(last.batch.number + 1)
              for leaf in notary.sequence.present(number).batch.leaves()]
    return [_open(firm, index, leaf) for index, leaf in enumerate(leaves)]


def _open(firm: Firm, index: int, leaf: Leaf) -> Opened:
    name = layout.read_segment(leaf.segment.key)
    assert name is not None
    sealed = segment.decode(firm.store.objects[leaf.segment.key][0].body).cells[leaf.cell.cell].cell
    place = Place(name.topic_id, name.partition, leaf.segment.first, leaf.segment.last)
    key = firm.domain_keys().open(sealed.domain, sealed.generation).key
    events = cells.open_cell(sealed, place, key, Dictionary(None))
    context = canonical(place.topic_id, place.partition, place.first, place.last, sealed.domain,
                        sealed.generation)
    extracted = hmac.digest(sealed.salt, key, "sha256")
    salt_key, tag_key = (hmac.digest(extracted, b"counterfoil/v1/" + label + context + b"\x01",
                                     "sha256") for label in (b"cell-salt", b"cell-tag"))
    stream = Cipher(algorithms.AES256(salt_key), modes.CTR(bytes(16))).encryptor().update(
        bytes(32 * len(events)))
    salts = tuple(stream[32 * row:32 * row + 32] for row in range(len(events)))
    commitments = tuple(
        sha256(b"counterfoil/commit/v1" + salt + place.topic_id + struct.pack(
            ">IQI", place.partition, one.offset, one.index) + one.datum).digest()
        for salt, one in zip(salts, events, strict=True))
    counts: dict[bytes, int] = {}
    for one in events:
        counts[one.tag] = counts.get(one.tag, 0) + 1
    tags = sorted(hmac.digest(tag_key, tag, "sha256") + struct.pack(">I", count)
                  for tag, count in counts.items())
    return Opened(index, leaf, place, events, salts, commitments, tag_key, tuple(tags))


def cosigned(signed: Note, *witnesses: Signer) -> bytes:
    """A checkpoint as witnesses saw it, an hour after the story began."""
    return note.with_signatures(signed, [
        note.cosign(signed.text, one, NOW // 1000 + 3600) for one in witnesses]).render().encode()
