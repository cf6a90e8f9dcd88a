"""Files of a message: sealed in chunks, stored once, and what became of each as an event (M1).

Owns the sealing (bounded memory, whatever the size), the fact events, and `MediaWriter`, which an
importer uses for the files inside a file. Fetching from a provider is `ingest/mediaworker.py`;
opening is `archive/media.py`.

The plain bytes exist in this process only, a chunk at a time: what is kept on disk before the PUT
is sealed already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import BinaryIO, Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import domains, events, limits, media
from schemas.errors import Ambiguous, Exists, Refused
from schemas.events import Attachment, CapturedEvent
from schemas.identity import event_id, message_key
from schemas.media import StoredMedia

SOURCE: Final = "media/1"
_PIECE_BYTES: Final = 1 << 16
# Of a store that says neither yes nor no; then the caller tries again later.
_PUTS_MAX: Final = 3


# Why a file is not stored, as `Attachment.reason` says it.
REASONS: Final[dict[str, str]] = {
    "expired": "the time in which the provider hands it out is over",
    "not_found": "the provider does not know it (any more)",
    "hash_mismatch": "the bytes are not those whose hash the source stated",
    "too_large": "it is larger than media.mb_max",
    "refused_host": "its address is not on the list of hosts, or is a private one",
    "unauthorized": "the provider did not accept our credentials",
    "unreachable": "the provider could not be reached, or failed",
    "cut_off": "the answer ended before its stated length",
    "damaged": "its bytes could not be read out of the file it came in",
}


class FetchFailed(Refused):
    """A file was not fetched. `reason` is a code of REASONS; `final`: no later attempt can do
    better; `after_ms`: the provider asked not to be asked before."""

    def __init__(self, reason: str, *, final: bool = False, after_ms: int = 0) -> None:
        if reason not in REASONS:
            raise AssertionError(f"unknown reason {reason}")
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.after_ms = after_ms


class MediaStore(Protocol):
    """The object store as capture sees it: it may put, never read or list (PROTOCOL, keys)."""

    def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
        """Create `key` from all bytes of `body` (seekable) with a conditional PUT, locked in
        compliance mode until `retain_until` (UTC ms). Durable when it returns; bounded memory.

        Raises Exists when the key is taken, Transient, Ambiguous (it may have been applied).
        """


class Scratch(Protocol):
    """Room on this machine's disk for sealed bytes before their PUT. No plain byte goes there."""

    def create(self) -> AbstractContextManager[BinaryIO]:
        """An empty private file, readable and writable; gone when the context ends."""


class ChunkSealer:
    """Plain bytes in, a media object out: written to `out` chunk by chunk, never more than two
    chunks in memory. `key` must be fresh: the nonce is a counter."""

    def __init__(self, out: BinaryIO, name: str, domain: bytes, key: bytes,
                 bytes_max: int) -> None:
        self._out, self._name, self._domain, self._key = out, name, domain, key
        self._bytes_max = bytes_max
        self._cipher = AESGCM(key)
        self._waiting = bytearray()
        self._hash = hashlib.sha256()
        self._size = 0
        self._index = 0
        out.write(media.header(domain))

    def write(self, piece: bytes) -> None:
        """The next bytes of the file. Raises FetchFailed("too_large") past the limit."""
        self._size += len(piece)
        if self._size > self._bytes_max:
            raise FetchFailed("too_large", final=True)
        self._hash.update(piece)
        view = memoryview(piece)
        while view:
            # A full chunk waits until more comes: only then is it known not to be the last.
            if len(self._waiting) == media.CHUNK_BYTES:
                self._seal(final=False)
            taken = media.CHUNK_BYTES - len(self._waiting)
            self._waiting += view[:taken]
            view = view[taken:]

    def finish(self) -> StoredMedia:
        """The file has ended. From here the object is whole."""
        self._seal(final=True)
        return StoredMedia(self._name, self._size, self._hash.digest(), self._key)

    def _seal(self, *, final: bool) -> None:
        bound = media.associated(self._name, self._domain, self._index, final=final)
        self._out.write(self._cipher.encrypt(
            media.nonce(self._index), bytes(self._waiting), bound))
        self._waiting.clear()
        self._index += 1


def put_sealed(store: MediaStore, stored: StoredMedia, body: BinaryIO, retain_until: int) -> None:
    """The sealed file `body` is the object of `stored` when this returns. Raises Transient.

    We may not read back. A name is 128 random bits that nobody else knows, so one that is taken was
    taken by this very file: an earlier PUT of ours that seemed to fail.
    """
    for attempt in range(_PUTS_MAX):
        try:
            store.put_file(stored.object, body, retain_until)
        except Exists:
            return
        except Ambiguous:
            if attempt == _PUTS_MAX - 1:
                raise
            continue
        return


class MediaWriter:
    """Stores the files inside a file and gives the facts about them. Synchronous; one at a time.

    `domain_of` is the router's, `retain_until` maps an event and our clock (UTC ms) to the end of
    the lock (UTC ms).
    """

    def __init__(self, store: MediaStore, scratch: Scratch,
                 domain_of: Callable[[CapturedEvent], bytes],
                 retain_until: Callable[[CapturedEvent, int], int],
                 clock: Callable[[], int], random: Callable[[int], bytes],
                 bytes_max: int = limits.MEDIA_BYTES_MAX) -> None:
        self._store = store
        self._scratch = scratch
        self._domain_of = domain_of
        self._retain_until = retain_until
        self._clock = clock
        self._random = random
        self._bytes_max = bytes_max

    def write(self, event: CapturedEvent, place: int,
              open_file: Callable[[], BinaryIO]) -> CapturedEvent:
        """The fact about the file at `place` (from 0) among `event`'s attachments: stored, or
        failed with the reason when its bytes cannot be read (`open_file` or a read of what it gives
        raises Refused) or are too many.

        `event` must be as it is published: custodian, class and compartment decide the key. The
        object is durable and locked when this returns; publish the fact then. Raises Transient when
        the store cannot be reached: nothing was said, call again.
        """
        said = event.attachments[place]
        with self._scratch.create() as out:
            try:
                stored = self._seal(event, open_file, out)
            except FetchFailed as error:
                return failed_fact(event, place, error.reason, self._clock())
            except Refused:
                return failed_fact(event, place, "damaged", self._clock())
            if said.sha256 is not None and said.sha256 != stored.sha256:
                return failed_fact(event, place, "hash_mismatch", self._clock())
            put_sealed(self._store, stored, out, self._retain_until(event, self._clock()))
        # From here the object is locked. A crash before the fact is durable leaves an orphan, which
        # `verify` names a day later; the importer reads the member again.
        return stored_fact(event, place, stored, self._clock())

    def _seal(self, event: CapturedEvent, open_file: Callable[[], BinaryIO],
              out: BinaryIO) -> StoredMedia:
        sealer = ChunkSealer(out, media.object_name(self._random(16)), self._domain_of(event),
                             self._random(media.KEY_BYTES), self._bytes_max)
        with open_file() as source:
            while piece := source.read(_PIECE_BYTES):
                sealer.write(piece)
        stored = sealer.finish()
        out.flush()
        return stored


def stored_fact(event: CapturedEvent, place: int, stored: StoredMedia, now: int, *,
                attempts: int = 1, media_type: str | None = None) -> CapturedEvent:
    """The file at `place` of `event` lies under its object. `media_type`: as it was delivered,
    where the event does not say."""
    said = event.attachments[place]
    attachment = replace(
        said, state=media.STORED, reason=None, size=stored.size, sha256=stored.sha256,
        media_type=said.media_type or media_type, url=None)
    made = _fact(event, place, attachment, now, {
        media.OBJECT: stored.object, media.CHUNKS: str(stored.chunks),
        media.ATTEMPTS: str(attempts)})
    return replace(made, key_material=stored.key)


def failed_fact(event: CapturedEvent, place: int, reason: str, now: int, *, attempts: int = 1,
                last: str = "", retry_until: int | None = None) -> CapturedEvent:
    """The file at `place` of `event` is not there, and why. With `retry_until` (UTC ms) it is tried
    again until then and its state stays pending; without, that is the end of it."""
    is_final = retry_until is None
    attachment = replace(event.attachments[place], reason=reason, url=None,
                         state=media.FAILED if is_final else media.PENDING)
    details = {media.ATTEMPTS: str(attempts)}
    if retry_until is not None:
        details[media.RETRY_UNTIL] = str(retry_until)
    if last and last != reason:
        details[media.LAST] = last
    made = _fact(event, place, attachment, now, details)
    return replace(made, observations=("media_failed",)) if is_final else made


def _fact(event: CapturedEvent, place: int, attachment: Attachment, now: int,
          details: dict[str, str]) -> CapturedEvent:
    """In the message's key domain, conversation and document; each state is a fact of its own, and
    said twice it is the same one."""
    of, ground = event_id(event).hex(), domains.ground_time(event)
    vouched = event.provenance in (events.PROVIDER_SIGNED, events.PROVIDER_FETCHED)
    subject = event.target if event.target is not None else event.native_id
    return CapturedEvent(
        kind=events.DERIVED, channel=event.channel, source=SOURCE, account=event.account,
        conversation=event.conversation,
        # The month of the key is counted from these, and must be the message's.
        captured_at=max(now, ground) if vouched else event.captured_at,
        occurred_at=ground if vouched else None,
        native_id=attachment.native_id or None, target=subject, target_known=events.EXPLICIT,
        target_key=message_key(event) if subject is None else event.target_key,
        revision=f"media|{of}|{place}|{attachment.state}",
        direction=event.direction, attachments=(attachment,),
        details=tuple(sorted({**details, media.WHAT: media.MEDIA, media.OF: of,
                              media.PLACE: str(place), media.STATUS: attachment.state}.items())),
        provenance=events.PROVIDER_FETCHED if vouched else event.provenance,
        provenance_who=event.provenance_who, provenance_sha256=event.provenance_sha256,
        custodian=event.custodian, retention_class=event.retention_class,
        retention_years=event.retention_years, compartment=event.compartment,
    )
