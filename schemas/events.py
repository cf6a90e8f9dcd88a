"""What a captured event is.

Owns the in-memory shape of everything that happens: one frozen value per event. Bytes on the wire
are `schemas/codec.py`, keys that join events are `schemas/identity.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

# The kinds that a provider's traffic can become. A string on the wire: an Avro enum cannot grow.
MESSAGE: Final = "message"
EDIT: Final = "edit"
RETRACTION: Final = "retraction"
RESTORATION: Final = "restoration"
REACTION: Final = "reaction"
RECEIPT: Final = "receipt"
MEMBERSHIP: Final = "membership"
IDENTITY: Final = "identity"
CALL: Final = "call"
GAP: Final = "gap"
HEARTBEAT: Final = "heartbeat"
UNKNOWN: Final = "unknown"
# An item that could not be read: its bytes and the reason, kept in the quarantine domain.
QUARANTINE: Final = "quarantine"
# What is left of a delivery whose items went to several domains (PROTOCOL S10).
DELIVERY: Final = "delivery"
DIRECTORY: Final = "directory"
ASSIGNMENT: Final = "assignment"
AUDIT: Final = "audit"
REVIEW: Final = "review"
HOLD: Final = "hold"
NOTICE: Final = "notice"
CONSENT: Final = "consent"
DEVICE: Final = "device"
POLICY: Final = "policy"
EXPORT: Final = "export"
# The end of what was archived: lists, approvals, intents, erasures (schemas/disposition.py).
DISPOSITION: Final = "disposition"
DERIVED: Final = "derived"

# What a gateway or importer may say (PROTOCOL T1).
CAPTURE_KINDS: Final = frozenset({
    MESSAGE, EDIT, RETRACTION, RESTORATION, REACTION, RECEIPT, MEMBERSHIP, IDENTITY, CALL, GAP,
    HEARTBEAT, UNKNOWN, QUARANTINE, DELIVERY, DIRECTORY, CONSENT, DEVICE, DERIVED,
})
# What the archiver may say.
ARCHIVER_KINDS: Final = frozenset({GAP, HEARTBEAT})
# What the search side (indexer, console) may say.
CONSOLE_KINDS: Final = frozenset({
    AUDIT, REVIEW, HOLD, POLICY, DIRECTORY, ASSIGNMENT, GAP, EXPORT, NOTICE, HEARTBEAT,
    DISPOSITION,
})
ALL_KINDS: Final = CAPTURE_KINDS | ARCHIVER_KINDS | CONSOLE_KINDS

# Kinds that carry or change what a person wrote: they make a message document.
CONTENT_KINDS: Final = frozenset({MESSAGE, EDIT, RETRACTION, RESTORATION})
# Kinds that a search answers with when the query names no kind.
ANSWERING_KINDS: Final = frozenset({MESSAGE, EDIT, RETRACTION, RESTORATION, CALL, UNKNOWN})

# content_state
PRESENT: Final = "present"
ABSENT_BY_SOURCE: Final = "absent_by_source"
UNDECRYPTABLE: Final = "undecryptable"
PLACEHOLDER: Final = "placeholder"

# target_known
EXPLICIT: Final = "explicit"
INFERRED: Final = "inferred"
ABSENT: Final = "absent"

# provenance
PROVIDER_SIGNED: Final = "provider_signed"
PROVIDER_FETCHED: Final = "provider_fetched"
DEVICE_SUPPLIED: Final = "device"
CUSTODIAN_SUPPLIED: Final = "custodian_supplied"
OWN: Final = "own"  # said by a process of ours: heartbeats, audit, directory

# direction
IN: Final = "in"
OUT: Final = "out"

# The pseudo channel of events that are not a conversation.
FIRM_CHANNEL: Final = "firm"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who: the id as the source wrote it, what kind of id that is, and a name if one was given.

    `id_type`: e164 | wa_id | bsuid | lid | user | group | name | short_code | unknown. A phone
    number is not guaranteed (CAPTURE §1, BSUID). `native_id` of an e164 begins with "+".
    """

    native_id: str
    id_type: str
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to an event: the fact and its ids; the bytes are PROTOCOL M.

    `state`: stored | pending | failed. `sha256` is 32 raw bytes as the provider stated, or null.
    """

    native_id: str
    media_type: str | None = None
    name: str | None = None
    size: int | None = None
    sha256: bytes | None = None
    state: str = "pending"
    reason: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The request that an event came in, and where in its body the event's item lies (S10).

    `delivery_id` is 16 bytes, the same for all items of one request; empty where `whole` is true,
    because it is derived from that event (`identity.delivery_id`). `start`,`end` is the item's
    half-open byte range in the body. In the first item of a delivery of one domain and conversation
    `whole` is true and the event's `raw` is the whole body; in the others `raw` is null; else each
    item's `raw` is its own slice and a `delivery` event holds the rest. `headers` are those that
    were signed or decide the meaning; `verdict` names the check that passed ("hub-sha256", ...)
    and `secret_id` which secret of the list passed it.
    """

    delivery_id: bytes
    start: int
    end: int
    whole: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    verdict: str = ""
    secret_id: str = ""


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """One thing that happened, as one source told it. Never rewritten.

    Times are UTC milliseconds since 1970, or null where the source has none. Ids that join
    events (`event_id`, `message_key`, `shared_key`) are derived from these fields by
    `schemas/identity.py` and are not stored (docs/decisions/0001).
    """

    kind: str
    channel: str                       # whatsapp, sms, mms, firm ...
    source: str                        # adapter and version: "whatsapp-cloud/1"
    account: str                       # the firm-side identity it was captured on
    conversation: str                  # group id, or the sorted pair of parties
    captured_at: int                   # our clock
    native_id: str | None = None       # the source's id of this event
    target: str | None = None          # the source's id of the message it is about
    target_key: bytes | None = None    # the message_key it is about, for events of our own
    target_known: str | None = None    # explicit | inferred | absent; null where none is needed
    revision: str = ""                 # what the source's dedup key adds (status, time, class ...)
    actor: Identity | None = None
    participants: tuple[Identity, ...] = ()
    direction: str | None = None       # in | out | null, seen from the custodian
    occurred_at: int | None = None
    occurred_not_before: int | None = None
    occurred_precision: str | None = None   # ms | s | minute | day
    occurred_meaning: str | None = None     # sent | provider_webhook | device_received
    occurred_local: str | None = None
    zone: str | None = None
    fold: int | None = None
    text: str | None = None
    content_state: str = PRESENT
    attachments: tuple[Attachment, ...] = ()
    observations: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()  # kind-specific facts, sorted by name
    key_material: bytes | None = None
    provenance: str = PROVIDER_SIGNED
    provenance_who: str | None = None
    provenance_sha256: bytes | None = None
    custodian: str = ""                # "" = unassigned
    retention_class: str = "default"
    retention_years: int = 7
    compartment: str = ""
    raw: bytes | None = None
    raw_type: str = ""
    delivery: Delivery | None = None

    def detail(self, name: str) -> str | None:
        """The kind-specific fact called `name`, or null."""
        for key, value in self.details:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class EventPart:
    """One numbered part of an event too large for a pack (PROTOCOL C3).

    `set_id` is the event_id of the whole, `message_key` that of the whole (so that all parts meet
    in one document), `number` counts from 0 to `total` - 1, `body` is a slice of the datum. The
    fields from `custodian` to `role` are its `domains.facts_of`: a part may be the first that a
    domain ever sees.
    """

    set_id: bytes
    message_key: bytes
    kind: str
    number: int
    total: int
    body: bytes
    custodian: str = ""
    retention_class: str = "default"
    retention_years: int = 7
    compartment: str = ""
    month: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An input item that an adapter could not read: its exact bytes and why."""

    reason: str
    raw: bytes
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Parsed:
    """What an adapter made of one delivery: events in the body's order, and what it refused."""

    events: tuple[CapturedEvent, ...]
    quarantined: tuple[Quarantined, ...] = field(default=())
