"""Time stamps of checkpoints, from a list of authorities, kept beside the checkpoint.

Owns which bytes are stamped (the checkpoint as it lies in the store, the log's signature included)
and where the answers lie. Optional: an authority that does not answer stops nothing, and is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from archive.store import ObjectStore
from archive.tlog import checkpoint, timestamp
from archive.tlog.note import Note
from archive.tlog.sequence import timestamp_key
from archive.tlog.timestamp import Authority, Timestamp
from schemas.errors import Exists, Refused, Transient

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


class Stamper(Protocol):
    """An authority as we reach it."""

    def stamp(self, query: bytes) -> bytes:
        """Its answer to a TimeStampReq, at most RESPONSE_BYTES_MAX of it. Raises Transient."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """What came of one authority: its stamp, or why there is none."""

    name: str
    stamp: Timestamp | None
    problem: str = ""


def collect(store: ObjectStore, signed: Note, authorities: Sequence[tuple[Authority, Stamper]],
            random: Callable[[int], bytes], until: int) -> list[Stamped]:
    """Asks each authority that has not stamped this checkpoint, checks its answer and keeps it,
    locked until `until` (UTC ms). Nothing that does not verify is kept."""
    return [_ask(store, signed, authority, stamper, random, until)
            for authority, stamper in authorities]


def kept(store: ObjectStore, signed: Note, authority: Authority) -> tuple[bytes, Timestamp] | None:
    """The answer that is kept for a checkpoint, and what it says; or null."""
    size = checkpoint.read_text(signed.text).head.size
    key = timestamp_key(size, _name(authority))
    for version in reversed(list(store.versions(key))):
        if (version.key != key or version.is_delete_marker
                or version.size > timestamp.RESPONSE_BYTES_MAX):
            continue
        body = store.get(key, version.version_id)
        try:
            return body, timestamp.check(body, signed.render().encode(), authority)
        except Refused:
            continue
    return None


def _ask(store: ObjectStore, signed: Note, authority: Authority, stamper: Stamper,
         random: Callable[[int], bytes], until: int) -> Stamped:
    message = signed.render().encode()
    size = checkpoint.read_text(signed.text).head.size
    try:
        there = kept(store, signed, authority)
        if there is not None:
            return Stamped(authority.name, there[1])
        # An authority of one policy is asked for that one.
        policy = next(iter(authority.policies)) if len(authority.policies) == 1 else ""
        request = timestamp.request_of(message, random, policy)
        response = stamper.stamp(request.der())
        stamp = timestamp.check(response, message, authority, request.nonce)
        store.put_once(timestamp_key(size, _name(authority)), response, until)
    except Exists:
        return Stamped(authority.name, None, "another object holds its name")
    except (Transient, Refused) as error:
        return Stamped(authority.name, None, str(error))
    return Stamped(authority.name, stamp)


def _name(authority: Authority) -> str:
    if _NAME.fullmatch(authority.name) is None:
        raise Refused("tlog_timestamp: an authority's name is of a-z, 0-9, dots and hyphens")
    return authority.name
