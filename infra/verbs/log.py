"""`log status | checkpoint | prove | files | check-proof`: the transparency log, for people who
must be able to check it without us.

Owns what is printed and written. The log's key is not needed for any of it; nothing here opens a
message.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Final

from archive import cell as cells
from archive import layout
from archive.authentic import winner
from archive.tlog import checkpoint, leaf, note, proof, published
from archive.tlog.batch import Read
from archive.tlog.leaf import Leaf
from archive.tlog.note import ED25519, Key, Note, Signed
from archive.tlog.prover import Prover
from archive.tlog.sequence import LogSequence
from infra.verbs.newfile import write_new
from infra.verbs.screen import OUT, emit, good, instant, shown
from infra.vouching import authorities_of, witnesses_of
from infra.wire import Wire
from schemas.errors import Exists, Missing, Refused

_FILE_BYTES_MAX: Final = 1 << 30
# A checkpoint, 63 hashes and one leaf.
_PROOF_BYTES_MAX: Final = 2 * note.NOTE_BYTES_MAX


def status(wire: Wire, *, json: bool) -> int:
    """What the log is called, how far it reaches and who vouches for it; 1 while segments wait."""
    sequence, last = current(wire)
    batch = last.batch
    waiting = published.waiting(wire.store, wire.authenticator(), batch.ends)
    confirmed = published.vouched(wire.store, sequence, last, wire.log_keys(),
                                  [key for key, _ in witnesses_of(wire.config)])
    confirmed_size = checkpoint.read_text(confirmed[0].text).head.size if confirmed else None
    said = {
        "origin": sequence.origin, "keys": [key.vkey() for key in wire.log_keys()],
        "size": batch.head.size, "root": batch.head.root.hex(), "batches": batch.number + 1,
        "at": instant(batch.at), "locked_until": instant(batch.retain_until),
        "waiting": waiting,
        "partitions": [asdict(end) for end in batch.ends],
        "witnesses": [key.vkey() for key, _ in witnesses_of(wire.config)],
        "authorities": [one.name for one, _ in authorities_of(wire.config)],
        "confirmed_size": confirmed_size,
        "confirmed_at": instant(max((one.time or 0) * 1000 for one in confirmed[1]))
        if confirmed else None}
    if json:
        emit(said)
        return 1 if waiting else 0
    OUT.print(f"{shown(sequence.origin)}: {batch.head.size} cells in {batch.number + 1} batches, "
              f"the last {instant(batch.at)}")
    OUT.print(f"root {batch.head.root.hex()}")
    for key in wire.log_keys():
        OUT.print(f"verifier key {key.vkey()}", soft_wrap=True)
    OUT.print(f"{waiting} partitions have segments that are not in the log yet" if waiting
              else good("everything that is archived is in the log"))
    if confirmed:
        OUT.print(f"witnesses have confirmed {confirmed_size} cells "
                  f"({', '.join(shown(one.key.name) for one in confirmed[1])})")
    elif wire.config.notary.witness:
        OUT.print("no witness has confirmed it yet")
    else:
        OUT.print("no witness is configured: who holds the log's key could show two people two "
                  "different logs")
    return 1 if waiting else 0


def newest_checkpoint(wire: Wire, *, witnessed: bool) -> int:
    """The newest checkpoint as a signed note, for somebody to keep; `witnessed`: the newest that a
    witness confirmed. Raises Missing."""
    sequence, last = current(wire)
    signed, _ = _signed(wire, sequence, last, 0, witnessed=witnessed)
    sys.stdout.write(signed.render())  # a file's bytes: no screen may wrap or colour them
    return 0


def prove(wire: Wire, segment: str, place: str, out: Path, *, json: bool) -> int:
    """Write the proof that a cell is in the log, with all that its check needs. `place`: the
    cell's number from 0, or OFFSET/INDEX of an event in it. Raises Missing and Exists."""
    sequence, last = current(wire)
    number = _cell_number(wire, segment, place)
    prover = Prover(sequence, last)
    index, found = prover.locate(segment, number)
    signed, by = _signed(wire, sequence, last, index + 1, witnessed=False)
    made, _ = prover.cell(segment, number, signed, found.entry())
    write_new(out, made.render().encode(), 0o644)
    said = {"file": str(out), "index": index, "size": checkpoint.read_text(signed.text).head.size,
            "origin": sequence.origin, "segment": segment, "cell": number,
            "witnesses": [one.key.name for one in by]}
    if json:
        emit(said)
    else:
        OUT.print(f"{out}: leaf {index} of {said['size']}; check it anywhere with")
        keys = [wire.log_keys()[0], *(one.key for one in by)]
        OUT.print(f"  counterfoil log check-proof {out} "
                  + " ".join(f"--key '{key.vkey()}'" for key in keys), soft_wrap=True)
    return 0


def files(wire: Wire, out: Path, *, json: bool) -> int:
    """Write the log as C2SP's static files into an empty folder: tiles, entries, checkpoint. Raises
    Exists where the folder holds something."""
    sequence, last = current(wire)
    signed, _ = _signed(wire, sequence, last, 0, witnessed=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise Exists(f"{out} is not empty; name another folder")
    except OSError as error:
        raise Exists(f"{out}: {error.strerror}") from error
    count = 0
    for path, body in Prover(sequence, last).files(signed):
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        count += 1
    size = checkpoint.read_text(signed.text).head.size
    if json:
        emit({"folder": str(out), "files": count, "size": size, "origin": sequence.origin})
    else:
        OUT.print(f"{count} files of {size} cells written to {out}")
    return 0


def check_proof(wire: Wire | None, file: Path, vkeys: Sequence[str], segment: Path | None, *,
                json: bool) -> int:
    """Whether a proof holds, offline: under the keys that were given, else this folder's own.
    `segment`: a copy of the segment's object, to be compared too. Raises Refused where it does not.
    """
    keys = [note.read_vkey(one.strip()) for one in vkeys]
    if not keys and wire is not None:
        keys = [*wire.log_keys(), *(key for key, _ in witnesses_of(wire.config))]
    if not any(key.kind == ED25519 for key in keys):
        raise Refused("no key of a log is known: give --key with the log's verifier key, as `log "
                      "status` prints it")
    given = _proof(file)
    found, by, entry = _checked(given, keys)
    if segment is not None:
        _check_segment(segment, entry)
    said = {
        "ok": True, "origin": found.origin, "index": given.index, "size": found.head.size,
        "root": found.head.root.hex(), "segment": entry.segment.key, "cell": entry.cell.cell,
        "segment_sha256": entry.segment.segment, "ciphertext_sha256": entry.cell.ciphertext,
        "events": entry.cell.count, "segment_checked": segment is not None,
        "signed_by": [one.key.name for one in by],
        "witnessed_at": instant(max((one.time or 0 for one in by), default=0) * 1000 or None)}
    if json:
        emit(said)
        return 0
    OUT.print(good("it holds:"), f"cell {entry.cell.cell} of {shown(entry.segment.key)}, "
              f"{entry.cell.count} events, is leaf {given.index} of {found.head.size} in "
              f"{shown(found.origin)}")
    OUT.print(f"signed by {', '.join(shown(one.key.name) for one in by)}")
    OUT.print("the segment's bytes are those that the leaf names" if segment is not None else
              "the segment itself was not compared: give --segment with a copy of the object")
    return 0


def current(wire: Wire) -> tuple[LogSequence, Read]:
    """The log and its last batch. Raises Missing while it is empty."""
    sequence = wire.log_sequence()
    last = sequence.last() if sequence else None
    if sequence is None or last is None:
        raise Missing("the transparency log is empty: `counterfoil run` brings it up to date, or "
                      "`counterfoil notary --once`")
    return sequence, last


def _signed(wire: Wire, sequence: LogSequence, last: Read, size_min: int, *,
            witnessed: bool) -> tuple[Note, list[Signed]]:
    """The newest checkpoint that a witness confirmed, else the newest."""
    keys = wire.log_keys()
    found = published.vouched(wire.store, sequence, last, keys,
                              [key for key, _ in witnesses_of(wire.config)], size_min)
    if found is not None:
        return found
    if witnessed:
        raise Missing("no witness has confirmed a checkpoint yet")
    signed = published.newest(sequence, last, keys)
    if signed is None or checkpoint.read_text(signed.text).head.size < size_min:
        raise Missing("there is no checkpoint yet: `counterfoil notary --once` signs one")
    return signed, []


def _cell_number(wire: Wire, segment: str, place: str) -> int:
    if place.isascii() and place.isdigit():
        return int(place)
    offset, slash, index = place.partition("/")
    if not slash or not (offset.isdigit() and index.isdigit() and place.isascii()):
        raise Refused(f"{place!r} is neither a cell's number nor OFFSET/INDEX, as `show --json` "
                      "prints them")
    name = layout.read_segment(segment)
    found = winner(wire.store, wire.authenticator(), name)[0] if name else None
    if found is None:
        raise Missing(f"{segment} is no segment of this archive")
    wanted = int(offset), int(index)
    for number, placed in enumerate(found.segment.cells):
        if wanted in cells.read_addresses(placed.cell.addresses, found.segment.header.place()):
            return number
    raise Missing(f"{segment} holds no event {place}")


def _proof(file: Path) -> proof.TlogProof:
    try:
        with file.open("rb") as given:
            body = given.read(_PROOF_BYTES_MAX + 1)
        if len(body) > _PROOF_BYTES_MAX:
            raise Refused(f"{file} is larger than a proof can be")
        return proof.read(body.decode("utf-8"))
    except OSError as error:
        raise Missing(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no proof: it is not UTF-8") from error


def _checked(given: proof.TlogProof, keys: Sequence[Key],
             ) -> tuple[checkpoint.Checkpoint, tuple[Signed, ...], Leaf]:
    if given.extra is None:
        raise Refused("the proof does not bring its entry (line `extra`); it was not made by "
                      "`counterfoil log prove`")
    # Not authenticated by itself: what the proof leads from is this entry and no other.
    found, by = proof.check(given, given.extra, keys)
    return found, by, leaf.read(given.extra)


def _check_segment(file: Path, entry: Leaf) -> None:
    try:
        if file.stat().st_size > _FILE_BYTES_MAX:
            raise Refused(f"{file} is larger than a segment can be")
        body = file.read_bytes()
    except OSError as error:
        raise Missing(f"{file}: {error.strerror}") from error
    if sha256(body).hexdigest() != entry.segment.segment:
        raise Refused(f"tlog_leaf: {file} is not the segment that the leaf names")
