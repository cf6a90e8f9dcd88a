"""One document per message: what the index holds (PROTOCOL I, DESIGN §7).

Owns the shape. A document is a set of entries, one per archived record; everything else in it is
derived from the entries by `search/project.py`, so that documents merge by union. Nothing here is
readable content: identities and words are tokens (HMAC under the index key, 16 hex digits), save in
the mode `plain`, whose words are words (search/tokens.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.wire import Pointer

# state
LIVE: Final = "live"
EDITED: Final = "edited"
RETRACTED: Final = "retracted"
NONE: Final = "none"         # nothing that could be edited or retracted: a receipt, an audit entry

# Kinds of documents that stand for a record without a readable event.
UNREADABLE: Final = "unreadable"
PART: Final = "part"         # some parts of a large event; the rest is not there (yet)
KEY_LOST: Final = "key_lost"
ERASED: Final = "erased"
STUB_KINDS: Final = frozenset({UNREADABLE, PART, KEY_LOST, ERASED})


@dataclass(frozen=True, slots=True)
class PartInfo:
    """Which part of which large event. `set_id`, `capture` and `session` are tokens: the set, and
    the process and the session that sealed this part."""

    set_id: str
    number: int
    total: int
    capture: str
    session: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One archived record about a message.

    `entry_id` is the token of its event_id: two captures of one fact share it; `digest` tells
    whether their content is equal (captured_at, delivery and raw apart), `text_digest` whether
    their text is. `words` is the stream of tokens at positions 0, 1, 2 …; `chars` the set of
    single units. In a document, one entry of each text keeps both, and one of each content its
    `marks`, sorted; each up to a limit for the document.
    Times are UTC ms; `captured_at` 0 = not known (the datum was not read).
    """

    entry_id: str
    pointer: Pointer
    kind: str
    captured_at: int
    occurred_at: int | None = None
    retain_until: int = 0                # of the segment, as its header says
    digest: str = ""
    text_digest: str = ""                # "" = no text
    direction: str | None = None
    content_state: str = ""
    target_known: str | None = None
    provenance: str = ""
    channel: str = ""
    account: str = ""                    # token
    conversation: str = ""               # token
    custodian: str = ""                  # token; "" = unassigned
    retention_class: str = ""
    compartment: str = ""                # token; "" = none
    actor: tuple[str, ...] = ()          # tokens: ids, numbers, name words, custodian; sorted
    recipients: tuple[str, ...] = ()     # the same of everyone else; sorted
    shared: str = ""                     # token of shared_key; "" = none
    words: tuple[str, ...] = ()
    chars: tuple[str, ...] = ()
    term_count: int = 0                  # words and chars of its text, kept here or not; in an
    #                                      index without words 1 = there are some
    marks: tuple[str, ...] = ()          # tokens of what it holds beside words (search/marks.py)
    mark_count: int = 0                  # marks of it, kept here or not
    attachments: int = 0
    observations: tuple[str, ...] = ()
    part: PartInfo | None = None
    joined: bool = False                 # made of parts; the pointer is that of part 0
    seen: str = ""                       # token of the sealed record: a record stored twice is one
    subkind: str = ""                    # status, audit action ...: never content
    unreadable: str = ""                 # why there is no event
    is_minute: bool = False              # its source tells the minute and no second
    local_at: int | None = None          # no occurred_at: of its line in a file (search/moments.py)
    review: tuple[str, ...] = ()         # of a flag or a review: search/review/facts.py


@dataclass(frozen=True, slots=True)
class Document:
    """What one message looks like to the index. `doc_id` is 32 hex digits."""

    doc_id: str
    entries: tuple[Entry, ...]           # sorted by pointer
    channel: str
    kind: str                            # of the leading entry: message before edit before ...
    kinds: tuple[str, ...]               # of all entries, sorted
    state: str                           # live | edited | retracted | none
    content_state: str                   # of the current version
    conversation: str
    direction: str | None
    occurred_at: int | None
    captured_at: int
    sort_at: int                         # its time where believable, else captured_at, and place
    version_count: int                   # distinct versions: message, edits, retractions ...
    sighting_count: int                  # how often those were captured, redeliveries included
    custodians: tuple[str, ...]
    compartments: tuple[str, ...]
    actors: tuple[str, ...]              # of its authors
    recipients: tuple[str, ...]
    accounts: tuple[str, ...]
    shared: str
    attachments: int
    observations: tuple[str, ...]
    subkinds: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]   # one stream per distinct text, in order of captured_at
    chars: tuple[str, ...]
    marks: tuple[str, ...]               # of its versions and of the flags on it, sorted
    review: tuple[str, ...] = ()         # codes of its review: search/review/projected.py
    review_times: tuple[str, ...] = ()   # since when it waits, or when it was closed, as rungs


def nothing(doc_id: str) -> Document:
    """A document of which no entry is left; it is never stored."""
    return Document(
        doc_id=doc_id, entries=(), channel="", kind="", kinds=(), state=NONE, content_state="",
        conversation="", direction=None, occurred_at=None, captured_at=0, sort_at=0,
        version_count=0, sighting_count=0, custodians=(), compartments=(), actors=(),
        recipients=(), accounts=(), shared="", attachments=0, observations=(), subkinds=(),
        words=(), chars=(), marks=())
