"""A file as an object of its own: its name, its frame, and the fact that names it (PROTOCOL M1).

Owns what the sealing side (`ingest/media.py`) and the opening side (`archive/media.py`) must spell
alike. Neither may import the other; the ciphers are theirs.

    media/<32 hex digits>
    object = "CFM" 01 ‖ domain id (16) ‖ chunk 0 ‖ chunk 1 ‖ …
    chunk  = AES-256-GCM of 1 MiB (the last: of what is left), its 16-byte tag behind it

A file's fate is an event of kind `derived` whose detail `what` is "media". It stands in the key
domain, conversation and document of the message that the file came with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from schemas import events
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent
from schemas.identity import canonical

PREFIX: Final = "media/"
MAGIC: Final = b"CFM\x01"
DOMAIN_BYTES: Final = 16
HEADER_BYTES: Final = len(MAGIC) + DOMAIN_BYTES
KEY_BYTES: Final = 32
CHUNK_BYTES: Final = 1 << 20
TAG_BYTES: Final = 16
_LABEL: Final = "counterfoil/media/v1"
_NAME: Final = re.compile(r"media/[0-9a-f]{32}")

# Attachment.state of a fact.
STORED: Final = "stored"
PENDING: Final = "pending"
FAILED: Final = "failed"

# Names of a fact's details.
WHAT: Final = "what"
MEDIA: Final = "media"
OF: Final = "of"                    # event_id, in hex, of the event that the file came with
PLACE: Final = "attachment"         # the file's place among that event's, from 0
OBJECT: Final = "object"
CHUNKS: Final = "chunks"
STATUS: Final = "status"            # the state once more, where the index sees it
ATTEMPTS: Final = "attempts"
LAST: Final = "last"                # what the last attempt said, where the reason is "expired"
RETRY_UNTIL: Final = "retry_until"  # UTC ms, decimal: until when it is tried again


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file under its object: what is needed to open it. `size` and `sha256` (32 bytes) are the
    plain file's, `key` is the file's own 32-byte key."""

    object: str
    size: int
    sha256: bytes
    key: bytes = field(repr=False)

    @property
    def chunks(self) -> int:
        """How many chunks the object has."""
        return chunks_of(self.size)

    @property
    def sealed_size(self) -> int:
        """How many bytes the object has."""
        return HEADER_BYTES + self.size + TAG_BYTES * self.chunks


@dataclass(frozen=True, slots=True)
class MediaFact:
    """What one event says of one file. `of` is the event_id of the event that it came with, `place`
    its place there from 0; `stored` is null unless the state is STORED."""

    of: bytes
    place: int
    attachment: Attachment
    stored: StoredMedia | None


def object_name(random: bytes) -> str:
    """The key of an object; `random` is 16 fresh random bytes: nobody can be there first."""
    if len(random) != 16:
        raise AssertionError("a name is 16 random bytes")
    return f"{PREFIX}{random.hex()}"


def is_object_name(key: str) -> bool:
    """Whether `key` is a media object's."""
    return _NAME.fullmatch(key) is not None


def header(domain: bytes) -> bytes:
    """The front of an object. It names the key domain, so that what an erased event named is not
    taken for an orphan."""
    if len(domain) != DOMAIN_BYTES:
        raise AssertionError("a domain id is 16 bytes")
    return MAGIC + domain


def domain_of(front: bytes) -> bytes:
    """The domain that the front of an object names. Raises Refused when it is no object's."""
    if len(front) < HEADER_BYTES or not front.startswith(MAGIC):
        raise Refused("not a media object")
    return front[len(MAGIC):HEADER_BYTES]


def chunks_of(size: int) -> int:
    """How many chunks a file of `size` bytes takes; an empty one takes one."""
    return max(1, -(-size // CHUNK_BYTES))


def nonce(index: int) -> bytes:
    """A counter: the key is used for one file only."""
    return index.to_bytes(12, "big")


def associated(name: str, domain: bytes, index: int, *, final: bool) -> bytes:
    """What a chunk is bound to: its object, its domain, its place, and whether it is the last, so
    that nothing can be moved, exchanged, left out, cut off or put behind."""
    return canonical(_LABEL, name, domain, index, int(final))


def read_fact(event: CapturedEvent) -> MediaFact | None:
    """What `event` says of a file, or null when it is no fact of that kind.

    Raises Refused for one that says it senselessly.
    """
    if event.kind != events.DERIVED or event.detail(WHAT) != MEDIA:
        return None
    of, place = event.detail(OF) or "", event.detail(PLACE) or ""
    if not re.fullmatch(r"[0-9a-f]{32}", of) or not re.fullmatch(r"[0-9]{1,6}", place):
        raise Refused("a media fact does not say which file it is about")
    if len(event.attachments) != 1:
        raise Refused("a media fact is about one file")
    said, = event.attachments
    stored = _stored(event, said) if said.state == STORED else None
    return MediaFact(bytes.fromhex(of), int(place), said, stored)


def _stored(event: CapturedEvent, said: Attachment) -> StoredMedia:
    name, key = event.detail(OBJECT) or "", event.key_material or b""
    if not is_object_name(name) or len(key) != KEY_BYTES:
        raise Refused("a stored file without its object or its key")
    if said.size is None or said.size < 0 or said.sha256 is None or len(said.sha256) != 32:
        raise Refused("a stored file without its size or its hash")
    return StoredMedia(name, said.size, said.sha256, key)
