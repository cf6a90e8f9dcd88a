"""One way to damage the golden archive per finding, named by its code.

Owns the broken fixtures: each takes a fresh clean firm, does one thing to its store, keyring or
log, and returns what the system then says. Some damage needs our own sealing or domain key: a bug
or a thief of ours must be named as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archive import cell as cells
from archive import heads, layout, segment
from archive.cell import Cell
from archive.segment import Header
from archive.store import Lock
from archive.tlog import checkpoint, note
from archive.tlog.audit import LogAudit, Vouching
from archive.tlog.checkpoint import Head
from archive.tlog.note import Note
from archive.tlog.sequence import (
    LogSequence,
    batch_key,
    checkpoint_key,
    cosignature_key,
    tile_key,
    timestamp_key,
)
from archive.tlog.tiles import Tile
from archive.tlog.timestamp import Authority
from ingest.heartbeat import heartbeat
from ingest.media import stored_fact
from schemas import codec, disposition, holdacts, limits
from schemas.errors import Halt, Refused
from schemas.events import CONSOLE_KINDS, Attachment
from schemas.findings import Finding
from schemas.kinds import mask_of
from schemas.pack import Item
from tests.fakes.store import StoredVersion
from tests.golden.firm import HOUR_MS, Firm
from tests.golden.generate import cut, golden_object
from tests.golden.load import load, with_log
from tests.golden.tlog import LOG, ORIGIN, WITNESS

Said = set[str]
LOCKED_MS = 21 * 366 * 24 * HOUR_MS


def verified(firm: Firm, **options: Any) -> Said:
    """The codes of a full verification."""
    return {finding.code for finding in firm.verify(**options).findings}


def archived(firm: Firm) -> Said:
    """The codes that an archiver said, its last word included."""
    try:
        firm.archive()
    except Halt as halt:
        return {halt.finding} | codes(firm.watcher.findings)
    return codes(firm.watcher.findings)


def codes(findings: Sequence[Finding]) -> Said:
    """The codes among findings."""
    return {finding.code for finding in findings}


# -- what somebody does to objects


def segment_unreadable(firm: Firm) -> Said:
    """The newest segment of a partition loses its last byte."""
    key = _newest(firm)
    firm.store.damage(key, _body(firm, key)[:-1])
    return verified(firm)


def segment_not_canonical(firm: Firm) -> Said:
    """The number of cells is spelled longer than needed; it means the same."""
    key = _newest(firm)
    body = _body(firm, key)
    read = segment.decode(body)
    at = read.cells[0].start
    while body[at - 16:at] != body[-16:]:
        at -= 1
    assert body[at] == 2 * len(read.cells)
    firm.store.damage(key, body[:at] + bytes([body[at] | 128, 0]) + body[at + 1:])
    return verified(firm)


def segment_signature(firm: Firm) -> Said:
    """Another signature stands in the header."""
    key = _newest(firm)
    body = _body(firm, key)
    signature = segment.decode(body).signature.hex()
    other = ("0" if signature[0] != "0" else "1") + signature[1:]
    firm.store.damage(key, body.replace(signature.encode(), other.encode()))
    return verified(firm)


def segment_misplaced(firm: Firm) -> Said:
    """A segment is played back under the next name, lock and all."""
    _plant(firm, _next_key(firm), _body(firm, firm.keys_of(1)[0]))
    return verified(firm)


def segment_oversized(firm: Firm) -> Said:
    """Something larger than any segment lies at the next name; nobody fetches it."""
    _plant(firm, _next_key(firm), bytes(limits.SEGMENT_OBJECT_BYTES_MAX + 1))
    said = verified(firm)
    assert firm.store.faults.calls["store.get"] < 50
    return said


def segment_missing(firm: Firm) -> Said:
    """A segment in the middle is gone."""
    firm.store.remove(firm.keys_of(1)[1])
    return verified(firm)


def chain_broken(firm: Firm) -> Said:
    """A segment, signed by us, follows another one than lies before it."""
    _sign_again(firm, _newest(firm), lambda header: replace(header, previous=bytes(32)))
    return verified(firm)


def key_squatted(firm: Firm) -> Said:
    """Somebody was at the key first, with something else."""
    key = _newest(firm)
    firm.store.objects[key].insert(0, StoredVersion("version-0", b"junk", 0, Lock("", 0)))
    return verified(firm)


def younger_version(firm: Firm) -> Said:
    """Somebody put another version over a segment."""
    key = firm.keys_of(1)[1]
    firm.store.put_over(key, _body(firm, firm.keys_of(1)[0]))
    return verified(firm)


def delete_marker(firm: Firm) -> Said:
    """Somebody deleted a segment, as far as the lock allows."""
    firm.store.add_marker(_newest(firm))
    return verified(firm)


def lock_missing(firm: Firm) -> Said:
    """A segment's lock is of the kind that a manager may lift."""
    key = _newest(firm)
    firm.store.relock(key, Lock("GOVERNANCE", firm.store.objects[key][0].lock.retain_until))
    return verified(firm)


def hold_missing(firm: Firm) -> Said:
    """A hold was placed, the store was told of every object of the person but one, and somebody
    took one hold away."""
    act = holdacts.Act("0" * 16, holdacts.PLACED, "ann", firm.now, "0" * 16, "Doe v. Roe",
                       "a claim", holdacts.Scope(("a.person",)))
    console = firm.new_sealer(CONSOLE_KINDS)
    who = firm.enrolled[console.capture_id]
    firm.enrolled[console.capture_id] = replace(who, kinds=who.kinds | mask_of(CONSOLE_KINDS))
    firm.append(0, [firm.item(holdacts.act_event(act, 8))], console)
    firm.archive()
    for key, versions in firm.store.objects.items():
        firm.store.set_legal_hold(key, versions[0].version_id, on=True)
    assert not verified(firm)
    firm.store.set_legal_hold(firm.keys_of(1)[0], firm.store.objects[firm.keys_of(1)[0]][
        0].version_id, on=False)
    return verified(firm)


def record_duplicated(firm: Firm) -> Said:
    """We ourselves signed a second segment over addresses that lie in the first."""
    first = firm.keys_of(0)[0]
    read = segment.decode(_body(firm, first))
    inner = replace(read.header, first=1, previous=bytes(32))
    sealer = firm.segment_sealer()
    records = [one for one in firm.log.read(0, 1, 2) if one.offset <= read.header.last]
    sealed = sealer.seal(firm.log.now(), 0, 1, inner.previous, records, firm.now)
    _plant(firm, layout.segment(firm.log.now(), 0, 1).key(), sealed.body)
    return verified(firm)


def foreign_object(firm: Firm) -> Said:
    """A file of somebody's lies among the segments."""
    firm.store.plant("segments/capture/readme.txt", b"hello")
    return verified(firm)


# -- what our own keys could do


def cell_unreadable(firm: Firm) -> Said:
    """A cell's ciphertext changed before it was signed."""
    def flip(one: Cell, _header: Header) -> Cell:
        return replace(one, ciphertext=bytes([one.ciphertext[0] ^ 1]) + one.ciphertext[1:])

    _cells_again(firm, _newest(firm), flip)
    return verified(firm)


def cell_root(firm: Firm) -> Said:
    """A cell opens under its key and holds other events than it is committed to."""
    def other_root(one: Cell, header: Header) -> Cell:
        return _encrypted(firm, replace(one, root=bytes(32)), header, _packed(firm, one, header))

    _cells_again(firm, _newest(firm), other_root)
    return verified(firm)


def cell_oversized(firm: Firm) -> Said:
    """A cell's frame states 300 MiB: a bomb, refused before it is unpacked."""
    frame = b"\x28\xb5\x2f\xfd\xa0" + (300 * 2**20).to_bytes(4, "little") + b"\x01\x00\x00"
    assert 300 * 2**20 == zstandard.frame_content_size(frame)

    def bomb(one: Cell, header: Header) -> Cell:
        return _encrypted(firm, one, header, frame)

    _cells_again(firm, _newest(firm), bomb)
    return verified(firm)


def dictionary_missing(firm: Firm) -> Said:
    """The dictionary that some cells were packed with is gone."""
    [key] = [key for key in firm.store.objects if key.startswith(layout.DICTIONARIES)]
    firm.store.remove(key)
    return verified(firm)


def format_damaged(firm: Firm) -> Said:
    """A schema lies under a hash that is not its own."""
    _plant(firm, layout.schema("00" * 32), b'"string"')
    return verified(firm)


# -- what came over the log


def records_missing(firm: Firm) -> Said:
    """Offsets of the log held no record."""
    firm.log.skip(1, 3)
    firm.capture(1, firm.message(1, 90))
    firm.archive()
    return verified(firm)


def record_refused(firm: Firm) -> Said:
    """A record did not authenticate; it is kept as it came."""
    firm.log.append(1, b"whoever can write to the broker can write this")
    said = archived(firm)
    assert {"record_refused"} == said
    return verified(firm)


def kind_not_enrolled(firm: Firm) -> Said:
    """A session that may say `receipt` carries a message."""
    firm.append(1, [firm.item(firm.message(1, 91))], firm.new_sealer(frozenset({"receipt"})))
    firm.archive()
    return verified(firm)


def datum_unreadable(firm: Firm) -> Said:
    """A datum does not parse."""
    item = firm.item(firm.message(1, 92))
    firm.append(1, [Item(item.domain, item.tag, item.datum + b"\x00")])
    firm.archive()
    return verified(firm)


def parts_incomplete(firm: Firm) -> Said:
    """Two of three parts arrived."""
    event = firm.message(1, 93)
    whole = firm.item(event)
    firm.append(1, [Item(whole.domain, whole.tag, codec.encode_part(part))
                    for part in cut(event, 3)[:2]])
    firm.archive()
    return verified(firm)


def counter_missing(firm: Firm) -> Said:
    """A record was acknowledged and never came."""
    lost = firm.seal(1, [firm.item(firm.message(1, 94))])
    firm.append(0, [firm.item(heartbeat({lost.session_id: [(lost.counter, lost.counter)]},
                                        firm.sealer.capture_id, firm.now, 8))])
    firm.archive()
    return verified(firm)


def log_replaced(firm: Firm) -> Said:
    """The topic is deleted and made again while an archiver runs."""
    archiver = firm.archiver()
    archiver.turn(0.0)
    firm.log.make_anew()
    try:
        archiver.turn(0.0, flush=True)
    except Halt as halt:
        return {halt.finding}
    return set()


def lost_before_archive(firm: Firm) -> Said:
    """The log is trimmed past what was archived."""
    for number in (95, 96):
        firm.capture(1, firm.message(1, number))
    firm.log.trim(1, firm.log.ends()[1] - 1)
    return archived(firm)


def log_diverged(firm: Firm) -> Said:
    """The log's last archived record is another one now."""
    firm.log.damage(1, firm.log.ends()[1] - 1, b"another record")
    return archived(firm)


# -- media


def orphan_media(firm: Firm) -> Said:
    """A file was put, its event never came, and a day has passed."""
    name, body, _ = golden_object(firm.router.domain(firm.message(1, 97)))
    _plant(firm, name, body)
    firm.now += 24 * HOUR_MS
    return verified(firm)


def media_missing(firm: Firm) -> Said:
    """An event names a file, and the store has none of that name."""
    message = firm.message(1, 97, attachments=(Attachment("golden-file"),))
    _, _, stored = golden_object(firm.router.domain(message))
    firm.capture(1, stored_fact(message, 0, stored, firm.now))
    firm.archive()
    return verified(firm)


def media_damaged(firm: Firm) -> Said:
    """A bit of a stored file has changed."""
    message = firm.message(1, 97, attachments=(Attachment("golden-file"),))
    name, body, stored = golden_object(firm.router.domain(message))
    firm.capture(1, stored_fact(message, 0, stored, firm.now))
    firm.archive()
    _plant(firm, name, body)
    assert set() == verified(firm)
    firm.store.damage(name, body[:-1] + bytes([body[-1] ^ 1]))
    return verified(firm)


# -- keys and heads


def key_lost(firm: Firm) -> Said:
    """A domain key is gone, and nobody erased it."""
    firm.keyring.lose(_used_key(firm))
    return verified(firm)


def key_unreadable(firm: Firm) -> Said:
    """A key record was changed."""
    name = _used_key(firm)
    record = firm.keyring.records[name]
    at = len(record) // 2
    firm.keyring.damage(name, record[:at] + bytes([record[at] ^ 1]) + record[at + 1:])
    return verified(firm)


def key_resurrected(firm: Firm) -> Said:
    """A key that an erasure names can be opened."""
    return verified(firm, erased=[_used_key(firm)])


def erasure_unfounded(firm: Firm) -> Said:
    """Somebody says that a key was erased, and nobody listed it or agreed to that."""
    console = firm.new_sealer(CONSOLE_KINDS)
    who = firm.enrolled[console.capture_id]
    firm.enrolled[console.capture_id] = replace(who, kinds=who.kinds | mask_of(CONSOLE_KINDS))
    event = disposition.act_event(disposition.Act(
        disposition.ERASED, "ab" * 16, firm.now, "one alone",
        body=disposition.body_of({"keys": [_used_key(firm)], "list": ""})), 8)
    firm.append(1, [firm.item(event)], console)
    firm.archive()
    return verified(firm)


def head_rollback(firm: Firm) -> Said:
    """The newest segment is gone, and a head remembers it."""
    head = heads.read(firm.head(), firm.sealing_public)
    firm.store.remove(_newest(firm))
    assert set() == verified(firm)      # the chain alone does not show a missing tail
    return verified(firm, head=head)


def head_signature(firm: Firm) -> Said:
    """A digit of a head was changed."""
    text = firm.head()
    at = text.index("signature") - 2
    other = "0" if text[at] != "0" else "1"
    try:
        heads.read(text[:at] + other + text[at + 1:], firm.sealing_public)
    except Refused as error:
        return {str(error).partition(":")[0]}
    return set()


# -- the transparency log


def logged(firm: Firm, *against: Note) -> Said:
    """The codes of a verification of archive and log."""
    report = LogAudit(firm.store, firm.authenticator(), ORIGIN, (LOG.key,), Vouching(
        (WITNESS.key,), (Authority("tsa", ()),))).run(against)
    sequence = LogSequence(firm.store, ORIGIN, (LOG.key,), judges_locks=False)
    return codes(report.faults) | verified(firm, log=sequence)


def tlog_damaged(firm: Firm) -> Said:
    """Junk lies where the log's next batch has to lie."""
    _plant(with_log(firm), batch_key(1), b"junk")
    return logged(firm)


def tlog_missing(firm: Firm) -> Said:
    """The first batch is gone, and the second one is there."""
    with_log(firm, 2).store.remove(batch_key(0))
    return logged(firm)


def tlog_forked(firm: Firm) -> Said:
    """A head by the log's own key, of a tree that is not this one."""
    size = checkpoint.read_text(_head(with_log(firm)).text).head.size
    forged = checkpoint.signed(ORIGIN, Head(size - 1, bytes(32)), LOG)
    _plant(firm, checkpoint_key(size - 1), forged.render().encode())
    assert {"tlog_forked"} == logged(with_log(load()), forged)     # kept elsewhere, it shows too
    return logged(firm)


def tlog_leaf_differs(firm: Firm) -> Said:
    """The newest segment is gone: the log remembers it, as a head would."""
    with_log(firm).store.remove(_newest(firm))
    return logged(firm)


def tlog_tile_damaged(firm: Firm) -> Said:
    """A tile of leaves that the log has not."""
    _plant(with_log(firm), tile_key(Tile(0, 0)), bytes(256 * 32))
    return logged(firm)


def tlog_checkpoint_damaged(firm: Firm) -> Said:
    """An object that is no checkpoint has a checkpoint's name."""
    _plant(with_log(firm), checkpoint_key(1), b"junk")
    return logged(firm)


def tlog_cosignature_damaged(firm: Firm) -> Said:
    """A witness's cosignature without the witness's signature."""
    signed = _head(with_log(firm))
    size = checkpoint.read_text(signed.text).head.size
    _plant(firm, cosignature_key(size, WITNESS.key), signed.render().encode())
    return logged(firm)


def tlog_timestamp_damaged(firm: Firm) -> Said:
    """A time stamp that is none."""
    size = checkpoint.read_text(_head(with_log(firm)).text).head.size
    _plant(firm, timestamp_key(size, "tsa"), b"junk")
    return logged(firm)


def tlog_hidden(firm: Firm) -> Said:
    """Somebody deleted a batch, as far as the lock allows."""
    with_log(firm).store.add_marker(batch_key(0))
    return logged(firm)


def tlog_unlocked(firm: Firm) -> Said:
    """A batch's lock is of the kind that a manager may lift."""
    store = with_log(firm).store
    store.relock(batch_key(0), Lock("GOVERNANCE", store.objects[batch_key(0)][0].lock.retain_until))
    return logged(firm)


def tlog_foreign_object(firm: Firm) -> Said:
    """A file of somebody's lies in the log."""
    _plant(with_log(firm), "log/readme.txt", b"hello")
    return logged(firm)


DAMAGES: dict[str, Callable[[Firm], Said]] = {one.__name__: one for one in (
    segment_unreadable, segment_not_canonical, segment_signature, segment_misplaced,
    segment_oversized, segment_missing, chain_broken, key_squatted, younger_version, delete_marker,
    lock_missing, hold_missing, cell_unreadable, cell_root, cell_oversized, record_duplicated,
    records_missing, record_refused, kind_not_enrolled, datum_unreadable, parts_incomplete,
    counter_missing, key_lost, key_unreadable, key_resurrected, erasure_unfounded,
    dictionary_missing, format_damaged, head_rollback, head_signature,
    log_replaced, lost_before_archive, log_diverged, foreign_object, orphan_media, media_missing,
    media_damaged,
    tlog_damaged, tlog_missing, tlog_forked, tlog_leaf_differs, tlog_tile_damaged,
    tlog_checkpoint_damaged, tlog_cosignature_damaged, tlog_timestamp_damaged, tlog_hidden,
    tlog_unlocked, tlog_foreign_object)}

# Findings whose fixture lies with the part that says them.
ELSEWHERE = {"index_differs": "tests/search: an index is compared with a rebuild",
             **dict.fromkeys(("replica_missing", "replica_differs", "replica_lock",
                              "replica_foreign", "replica_key_missing", "replica_key_differs",
                              "replica_key_kept"),
                             "tests/archive/test_replica.py: two archives are compared")}


def _newest(firm: Firm) -> str:
    return firm.keys_of(1)[-1]


def _next_key(firm: Firm) -> str:
    return layout.segment(firm.log.now(), 1, firm.log.ends()[1]).key()


def _body(firm: Firm, key: str) -> bytes:
    return firm.store.objects[key][0].body


def _plant(firm: Firm, key: str, body: bytes) -> None:
    firm.store.plant(key, body, Lock("COMPLIANCE", firm.now + LOCKED_MS))


def _head(firm: Firm) -> Note:
    [key] = [key for key in firm.store.objects if key.startswith("log/checkpoint/")]
    return note.read_bytes(_body(firm, key))


def _used_key(firm: Firm) -> str:
    one = segment.decode(_body(firm, _newest(firm))).cells[0].cell
    return f"{one.domain.hex()}/{one.generation}"


def _sign_again(firm: Firm, key: str, change: Callable[[Header], Header]) -> None:
    read = segment.decode(_body(firm, key))
    firm.store.damage(key, segment.encode(
        change(read.header), [placed.cell for placed in read.cells], firm.sealing_key.sign))


def _cells_again(firm: Firm, key: str, change: Callable[[Cell, Header], Cell]) -> None:
    read = segment.decode(_body(firm, key))
    firm.store.damage(key, segment.encode(
        read.header, [change(placed.cell, read.header) for placed in read.cells],
        firm.sealing_key.sign))


def _cipher(firm: Firm, one: Cell, header: Header) -> AESGCM:
    key = firm.domain_keys().open(one.domain, one.generation).key
    return AESGCM(cells._keys(key, one.salt, header.place(), one.domain, one.generation).enc)


def _packed(firm: Firm, one: Cell, header: Header) -> bytes:
    return _cipher(firm, one, header).decrypt(
        one.nonce, one.ciphertext, cells._associated(one, header.place(), header.dictionary))


def _encrypted(firm: Firm, one: Cell, header: Header, packed: bytes) -> Cell:
    return replace(one, ciphertext=_cipher(firm, one, header).encrypt(
        one.nonce, packed, cells._associated(one, header.place(), header.dictionary)))
