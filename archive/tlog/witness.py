"""C2SP tlog-witness: both ends of `add-checkpoint`, without a socket.

Owns the request's and the reply's bytes, what a witness must check before it signs, and what a log
believes of an answer. A witness says: as of this time, this is the largest tree of this log that I
have seen, and it contains all that I saw before.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from archive.merkle import EMPTY_ROOT
from archive.tlog import checkpoint, note, tree
from archive.tlog.checkpoint import Checkpoint, Head, Latest, read_size
from archive.tlog.note import Key, Note, Signature, Signer
from archive.tlog.proof import read_hashes
from schemas.errors import Refused

PATH: Final = "/add-checkpoint"
SIZE_TYPE: Final = "text/x.tlog.size"
_TEXT: Final = "text/plain; charset=utf-8"
# A checkpoint with its signatures, and 63 lines of proof.
REQUEST_BYTES_MAX: Final = note.NOTE_BYTES_MAX + 64 * 64
REPLY_BYTES_MAX: Final = 64 * 1024
_ATTEMPTS: Final = 4     # a witness that names another size each time is no use


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size that the witness is thought to know, the proof from there, the note."""

    old: int
    proof: tuple[bytes, ...]
    signed: Note


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = _TEXT


class Asked(Protocol):
    """A witness as a log reaches it."""

    def add_checkpoint(self, body: bytes) -> Reply:
        """Its answer, whatever its status. Raises Transient when there is none. At most
        REPLY_BYTES_MAX of the body; a redirect is not followed."""


class Witness:
    """One witness: its key, the logs that it knows (origin -> their keys), its memory, its clock
    (UTC ms). Any number of threads and processes on one memory are one witness."""

    def __init__(self, signer: Signer, logs: Mapping[str, tuple[Key, ...]], latest: Latest,
                 clock: Callable[[], int]) -> None:
        self._signer = signer
        self._logs = logs
        self._latest = latest
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> Reply:
        """The answer to one request; the new head is durable before it is given. Raises Transient
        where the memory cannot be reached."""
        try:
            request = read_request(body)
            said = checkpoint.read_text(request.signed.text)
        except Refused:
            return Reply(400, b"not a request\n")
        keys = self._logs.get(said.origin)
        if keys is None:
            return Reply(404, b"unknown log\n")
        try:
            checkpoint.opened(request.signed, keys)
        except Refused:
            return Reply(403, b"no signature of the log\n")
        if request.old > said.head.size:
            return Reply(400, b"the old size is larger than the checkpoint\n")
        return self._decide(request, said)

    def _decide(self, request: AddCheckpoint, said: Checkpoint) -> Reply:
        known = self._latest.load(said.origin)
        before = known or Head(0, EMPTY_ROOT)
        if request.old != before.size:
            return _conflict(before)
        try:
            tree.check_consistency(before.size, said.head.size, request.proof, before.root,
                                   said.head.root)
        except Refused:
            return Reply(422, b"not consistent with what this witness has seen\n")
        # One step with the comparison: of two that were checked against the same head one is
        # stored, and the other must ask again. Nothing is signed that is not remembered.
        if not self._latest.swap(said.origin, known, said.head):
            return _conflict(self._latest.load(said.origin) or before)
        signature = note.cosign(request.signed.text, self._signer, self._clock() // 1000)
        return Reply(200, signature.line().encode())


def request_body(old: int, proof: tuple[bytes, ...], signed: Note) -> bytes:
    """What is POSTed."""
    lines = [f"old {old}", *(base64.b64encode(one).decode() for one in proof)]
    return ("\n".join(lines) + "\n\n" + signed.render()).encode()


def read_request(body: bytes) -> AddCheckpoint:
    """Raises Refused("tlog_request…" | "tlog_note…")."""
    if len(body) > REQUEST_BYTES_MAX:
        raise Refused("tlog_request: too large")
    try:
        front, blank, back = body.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError as error:
        raise Refused("tlog_request: not UTF-8") from error
    lines = front.split("\n")
    name, _, number = lines[0].partition(" ")
    old = read_size(number) if name == "old" else None
    proof = read_hashes(lines[1:])
    if not blank or old is None or proof is None:
        raise Refused("tlog_request: its size or proof does not parse")
    return AddCheckpoint(old, proof, note.read(back))


def ask(witness: Asked, key: Key, signed: Note,
        consistency: Callable[[int], tuple[bytes, ...]], guess: int = 0) -> Signature:
    """The witness's cosignature under a checkpoint of ours. `consistency` proves from an older
    size of our tree; `guess` is the size that this witness is thought to know.

    Raises Transient when it cannot be reached, and Refused("tlog_witness…") when it does not sign:
    "tlog_witness_fork" where it has seen a tree that ours does not contain, which is an alarm.
    """
    head = checkpoint.read_text(signed.text).head
    old = min(guess, head.size)
    for _ in range(_ATTEMPTS):
        reply = witness.add_checkpoint(request_body(old, consistency(old), signed))
        if reply.status == 200:
            return _cosignature(reply, key, signed)
        known = _known_size(reply)
        if known is None:
            break
        if known > head.size:
            raise Refused(f"tlog_witness_fork: {key.name} has seen a tree of {known} leaves, this "
                          f"one has {head.size}")
        old = known
    if reply.status in (409, 422):
        # C2SP's earlier text answers another tree of the same size with 409, its later with 422.
        raise Refused(f"tlog_witness_fork: {key.name} has seen a tree that this one does not "
                      "contain")
    raise Refused(f"tlog_witness: {key.name} answered {reply.status}")


def _cosignature(reply: Reply, key: Key, signed: Note) -> Signature:
    try:
        lines = reply.body.decode("utf-8")
        if not lines.endswith("\n") or len(lines) > REPLY_BYTES_MAX:
            raise Refused("tlog_witness: an answer that does not parse")
        found = [note.read_signature(line) for line in lines[:-1].split("\n")]
    except UnicodeDecodeError as error:
        raise Refused("tlog_witness: an answer that does not parse") from error
    for one in found:
        if note.check(signed.text, one, key) is not None:
            return one
    raise Refused(f"tlog_witness: no cosignature of {key.name} in its answer")


def _known_size(reply: Reply) -> int | None:
    if reply.status != 409 or reply.content_type.partition(";")[0].strip() != SIZE_TYPE:
        return None
    text = reply.body.decode("ascii", "replace")
    return read_size(text[:-1]) if text.endswith("\n") else None


def _conflict(known: Head) -> Reply:
    return Reply(409, f"{known.size}\n".encode(), SIZE_TYPE)
