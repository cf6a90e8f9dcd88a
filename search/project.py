"""Events of one message -> one document (DESIGN §7, PROTOCOL I1-I3). Pure.

Owns what an archived event becomes in the index (`Projector`), and what a set of such entries
means together (`document`). A document is a function of its *set* of entries: any order, any
repetition, any split gives the same one, so a retraction before its message needs no special case
and a replay changes nothing. Each text's words and each content's marks are kept once, and a
document has a limit on them: see `_kept`.

State rules (CAPTURE §0, §14): nothing waits for an original and none is invented. A version whose
time is older than what we hold is kept and does not become current. What a custodian supplied
never changes a message that a provider or device vouches for (PROTOCOL C5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from archive.reader import ReadEvent
from schemas import codec, datum, events, limits, media
from schemas import document as shape
from schemas.document import Document, Entry, PartInfo
from schemas.errors import Refused
from schemas.events import CapturedEvent, EventPart
from schemas.identity import event_id, message_key, shared_key
from schemas.wire import Pointer
from search import identity, marks, moments
from search.review import facts
from search.review.projected import review_fields
from search.tokens import NONE, Tokenizer, stream_and_units

BASE_KINDS: Final = (events.MESSAGE, events.CALL, events.UNKNOWN)
VERSION_KINDS: Final = (*BASE_KINDS, events.EDIT, events.RETRACTION, events.RESTORATION)
# What a document is called after: the first of these that it holds. Others follow by name.
_LEADING: Final = (
    *VERSION_KINDS, events.REACTION, events.MEMBERSHIP, events.IDENTITY, events.RECEIPT,
)
_LAST: Final = (shape.PART, shape.UNREADABLE, shape.KEY_LOST, shape.ERASED)
# Kinds that say nothing a person would look for: they ride along in the archive only.
UNINDEXED_KINDS: Final = frozenset({events.HEARTBEAT})
_SUBKIND: Final = re.compile(r"[a-z_]{1,32}")
_CUT: Final = "text_cut_in_index"
_MARKS_CUT: Final = "marks_cut_in_index"
_PENDING: Final = "media_pending"
_ALONE_STATES: Final = {events.RETRACTION: shape.RETRACTED, events.EDIT: shape.EDITED}
_SUBKIND_DETAILS: Final = ("status", "action", "type", "phase")

EntryKey = tuple[str, int, int, int, bool]

Heard = dict[str, str]
"""Token -> term: the words of indexed texts (search/newwords.py)."""


def address(pointer: Pointer) -> tuple[str, int, int, int]:
    """Where on the log a pointer's datum came from; pointers sort by it."""
    return pointer.topic_id, pointer.partition, pointer.offset, pointer.index


def entry_key(entry: Entry) -> EntryKey:
    """What entries of one document are told apart by."""
    return (*address(entry.pointer), entry.joined)


class Projector:
    """Archived events -> (document id, entry). Holds the tokenizer, nothing else."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._people = identity.BlindSides(tokenizer)

    def project(self, read: ReadEvent, retain_until: int,
                heard: Heard | None = None) -> tuple[str, Entry] | None:
        """The entry of one archived event and the document it belongs to; null = not indexed. The
        words of its text are added to `heard`.

        Never raises for a datum's sake: what does not parse, or may not be said by its session,
        becomes a document of its own with the reason (PROTOCOL S5, T1).
        """
        if read.problem == shape.ERASED:
            return self.erased(read.pointer, retain_until)
        if read.problem or read.datum is None:
            return self._stub(read, retain_until, read.problem or "cell_unreadable")
        content: bytes | None = None
        quick = datum.read(read.datum)
        found: CapturedEvent | EventPart
        if quick is not None:
            found, content = quick
        else:
            try:
                found = codec.decode(read.datum)
            except Refused:
                return self._stub(read, retain_until, "datum_unreadable")
        if found.kind not in read.kinds:
            return self._stub(read, retain_until, "kind_not_enrolled")
        if isinstance(found, EventPart):
            return self._part(found, read, retain_until)
        if found.kind in UNINDEXED_KINDS:
            return None
        doc_id = self._tokenizer.document(message_key(found))
        return doc_id, self.entry(found, read.pointer, retain_until, seen=self._seen(read),
                                  content=content, heard=heard)

    def entry(self, event: CapturedEvent, pointer: Pointer, retain_until: int, *, seen: str,
              joined: bool = False, content: bytes | None = None,
              heard: Heard | None = None) -> Entry:
        """What the index keeps of `event`. `content`: its `codec.encode_content`, when at hand."""
        tokenizer = self._tokenizer
        actor, recipients = self._people.sides(event)
        shared = shared_key(event)
        words, chars, term_count, is_cut = self._words(event.text, heard)
        observations = (*event.observations, _CUT) if is_cut else event.observations
        held, are_cut = self._marks(event)
        if are_cut:
            observations = (*observations, _MARKS_CUT)
        return Entry(
            entry_id=tokenizer.entry(event_id(event)),
            pointer=pointer, kind=event.kind, captured_at=event.captured_at,
            occurred_at=event.occurred_at, retain_until=retain_until,
            digest=tokenizer.digest(
                "content", codec.encode_content(event) if content is None else content),
            text_digest="" if event.text is None else self._text_digest(event, event.text, shared),
            direction=event.direction, content_state=event.content_state,
            target_known=event.target_known, provenance=event.provenance, channel=event.channel,
            account=tokenizer.named("account", event.channel, event.account),
            conversation=tokenizer.named("conversation", event.conversation),
            custodian=tokenizer.named("custodian", event.custodian) if event.custodian else "",
            retention_class=event.retention_class,
            compartment=(
                tokenizer.named("compartment", event.compartment) if event.compartment else ""),
            actor=actor, recipients=recipients,
            shared=tokenizer.digest("shared", shared) if shared else "",
            words=words, chars=chars, term_count=term_count,
            marks=held, mark_count=len(held), attachments=len(event.attachments),
            observations=tuple(sorted(set(observations))) if observations else (), joined=joined,
            subkind=_subkind(event), seen=seen, is_minute=moments.is_of_a_minute(event),
            local_at=moments.local_time(event), review=facts.codes(event, tokenizer),
        )

    def _words(self, text: str | None, heard: Heard | None,
               ) -> tuple[tuple[str, ...], tuple[str, ...], int, bool]:
        """(words, chars, term_count, whether there are more) of a text.

        Without words in the index nothing is cut, and that there are some counts as one: how many
        is nobody's business who has the index alone.
        """
        if text is None:
            return (), (), 0, False
        terms, units = stream_and_units(text)
        if self._tokenizer.text == NONE:
            return (), (), min(1, len(terms)), False
        words, chars = self._tokenizer.tokens(terms, units)
        is_cut = max(len(words), len(chars)) > limits.INDEXED_TOKENS_MAX
        if is_cut:
            words = words[:limits.INDEXED_TOKENS_MAX]
            chars = chars[:limits.INDEXED_TOKENS_MAX]
        if heard is not None:
            heard.update(zip(words, terms, strict=False))  # of a cut text what is indexed
        return words, chars, len(words) + len(chars), is_cut

    def _text_digest(self, event: CapturedEvent, text: str, shared: bytes | None) -> str:
        """Equal texts of one message have equal digests, here and in its copies. Without words in
        the index those of two messages differ: else it would show who said the same."""
        body = text.encode("utf-8", "surrogatepass")
        if self._tokenizer.text == NONE:
            body = (shared or message_key(event)) + body
        return self._tokenizer.digest("text", body)

    def _marks(self, event: CapturedEvent) -> tuple[tuple[str, ...], bool]:
        """The tokens of its marks, and whether there may be more."""
        labels, are_cut = marks.marks_and_cut(event)
        if not labels:
            return (), are_cut
        return tuple(sorted({self._tokenizer.named("mark", *one) for one in labels})), are_cut

    def join(self, chain: Sequence[Entry], datums: Sequence[bytes],
             heard: Heard | None = None) -> Entry:
        """The entry of the large event whose parts are `chain`, in order (PROTOCOL C3).

        Deterministic: parts that do not make one event give an unreadable entry at part 0.
        """
        first = chain[0]
        try:
            event = joined_event(datums)
        except Refused:
            return self.unreadable(chain, "datum_unreadable")
        return self.entry(event, first.pointer, first.retain_until, seen=first.seen, joined=True,
                          heard=heard)

    def unreadable(self, chain: Sequence[Entry], reason: str) -> Entry:
        """What stands at part 0 when the large event cannot be read."""
        return replace(chain[0], kind=shape.UNREADABLE, part=None, joined=True, unreadable=reason)

    def _part(self, part: EventPart, read: ReadEvent, retain_until: int) -> tuple[str, Entry]:
        tokenizer = self._tokenizer
        if not 0 <= part.number < part.total <= limits.PARTS_MAX:
            return self._stub(read, retain_until, "datum_unreadable")
        info = PartInfo(
            set_id=tokenizer.digest("set", part.set_id), number=part.number, total=part.total,
            capture=tokenizer.digest("capture", read.capture_id),
            session=tokenizer.digest("capture", b"session" + read.session_id),
        )
        entry = Entry(
            entry_id=tokenizer.entry(part.set_id), pointer=read.pointer, kind=shape.PART,
            captured_at=0, retain_until=retain_until, part=info, seen=self._seen(read),
        )
        return tokenizer.document(part.message_key), entry

    def _stub(self, read: ReadEvent, retain_until: int, reason: str) -> tuple[str, Entry]:
        """A document that stands for a record without a readable event: its id is the place's."""
        kind = reason if reason in shape.STUB_KINDS else shape.UNREADABLE
        doc_id = self._tokenizer.place(*address(read.pointer))
        return doc_id, Entry(
            entry_id=doc_id[:16], pointer=read.pointer, kind=kind, captured_at=0,
            retain_until=retain_until, unreadable=reason, seen=doc_id[:16],
        )

    def erased(self, pointer: Pointer, retain_until: int) -> tuple[str, Entry]:
        """What stands for an event whose key was destroyed by right (PROTOCOL K3)."""
        doc_id = self._tokenizer.place(*address(pointer))
        return doc_id, Entry(
            entry_id=doc_id[:16], pointer=pointer, kind=shape.ERASED, captured_at=0,
            retain_until=retain_until, unreadable=shape.ERASED, seen=doc_id[:16])

    def _seen(self, read: ReadEvent) -> str:
        """One sealed record, however often it lies on the log, is one sighting (PROTOCOL T4)."""
        place = b"%d/%d" % (read.counter, read.pointer.index)
        return self._tokenizer.digest("capture", read.session_id + place)


def joined_event(datums: Sequence[bytes]) -> CapturedEvent:
    """The event whose parts are `datums`, in order.

    Raises Refused when they are no parts, or not those of one event.
    """
    parts = [codec.decode(datum) for datum in datums]
    bodies: list[bytes] = []
    for number, part in enumerate(parts):
        if not isinstance(part, EventPart) or part.number != number:
            raise Refused("not the parts of one event")
        bodies.append(part.body)
    event = codec.decode(b"".join(bodies))
    first = parts[0]
    if not isinstance(event, CapturedEvent) or not isinstance(first, EventPart):
        raise Refused("parts inside parts")
    said = (event_id(event), message_key(event), event.kind)
    if said != (first.set_id, first.message_key, first.kind):
        raise Refused("the parts do not make the event that they name")
    return event


# --- a set of entries -> a document --------------------------------------------------------------


def document(doc_id: str, entries: Iterable[Entry]) -> Document:
    """What the entries mean together. Closed under union: order and repetition do not matter."""
    entries = tuple(entries)
    if len(entries) == 1 and _is_plain(entries[0]):
        return _alone(doc_id, entries[0])
    return _together(doc_id, entries)


def _together(doc_id: str, entries: Sequence[Entry]) -> Document:
    union, cuts = _trimmed(_union(entries))
    whole = [e for e in union if e.kind not in shape.STUB_KINDS]
    versions = [e for e in whole if e.kind in VERSION_KINDS]
    leads = _leads(versions)
    deciding = _deciding(leads)
    current = _current(leads, deciding)
    leading = _leading(deciding or whole or union)
    counted = versions or [e for e in union if e.kind == leading.kind]
    authors = _authors(versions) or whole
    revisions = _revisions(_worded(union))
    kinds = {e.kind for e in union}
    review = review_fields(whole)
    return Document(
        doc_id=doc_id, entries=union, channel=leading.channel, kind=leading.kind,
        kinds=tuple(sorted(kinds)),
        state=_state(deciding),
        content_state=_content_state(current, leads, leading),
        conversation=leading.conversation, direction=leading.direction,
        occurred_at=leading.occurred_at, captured_at=leading.captured_at,
        sort_at=sort_time(leading),
        version_count=len({e.entry_id for e in counted}),
        sighting_count=len({(e.entry_id, e.seen) for e in counted}),
        custodians=_collected((e.custodian,) for e in whole),
        compartments=_collected((e.compartment,) for e in whole),
        actors=_collected(e.actor for e in authors),
        recipients=_collected(e.recipients for e in authors),
        accounts=_collected((e.account,) for e in whole),
        shared=leading.shared or max((e.shared for e in whole), default=""),
        attachments=max((e.attachments for e in whole), default=0),
        observations=_observations(whole, versions, leads, cuts),
        subkinds=_collected((e.subkind,) for e in whole),
        words=tuple(e.words for e in revisions),
        chars=_collected(e.chars for e in revisions),
        marks=_collected(e.marks for e in _marking(union)),
        review=review.codes, review_times=review.times,
    )


def _is_plain(entry: Entry) -> bool:
    """Whether nothing of it can be trimmed, and it is no stub."""
    return (entry.kind not in shape.STUB_KINDS
            and entry.term_count <= limits.DOCUMENT_TOKENS_MAX
            and (entry.term_count > 0 or not (entry.words or entry.chars))
            and entry.mark_count <= limits.DOCUMENT_MARKS_MAX
            and (entry.mark_count > 0 or not entry.marks))


def _alone(doc_id: str, entry: Entry) -> Document:
    """`_together` of one plain entry, said without the sorting and grouping that one does not need:
    most documents are one message that nobody edits. A test compares the two."""
    state, content_state = shape.NONE, entry.content_state
    if entry.kind in VERSION_KINDS:
        state = _ALONE_STATES.get(entry.kind, shape.LIVE)
        if entry.kind in (events.RETRACTION, events.RESTORATION):
            content_state = events.ABSENT_BY_SOURCE
    review = review_fields((entry,))
    return Document(
        doc_id=doc_id, entries=(entry,), channel=entry.channel, kind=entry.kind,
        kinds=(entry.kind,), state=state, content_state=content_state,
        conversation=entry.conversation, direction=entry.direction,
        occurred_at=entry.occurred_at, captured_at=entry.captured_at,
        sort_at=sort_time(entry), version_count=1, sighting_count=1,
        custodians=(entry.custodian,) if entry.custodian else (),
        compartments=(entry.compartment,) if entry.compartment else (),
        actors=_collected((entry.actor,)), recipients=_collected((entry.recipients,)),
        accounts=(entry.account,) if entry.account else (),
        shared=entry.shared, attachments=entry.attachments,
        observations=tuple(sorted(set(entry.observations))) if entry.observations else (),
        subkinds=(entry.subkind,) if entry.subkind else (),
        words=(entry.words,) if entry.words else (),
        chars=_collected((entry.chars,)) if entry.chars else (),
        marks=_collected((entry.marks,)) if entry.marks else (),
        review=review.codes, review_times=review.times,
    )


def merge(first: Document, second: Document) -> Document:
    """The document of both sets of entries."""
    if first.doc_id != second.doc_id:
        raise ValueError("documents of different messages do not merge")
    return document(first.doc_id, (*first.entries, *second.entries))


def version_order(entry: Entry) -> tuple[int, int, EntryKey]:
    """Versions in the order in which they happened, as far as it is known."""
    return effective_time(entry), entry.captured_at, entry_key(entry)


def effective_time(entry: Entry) -> int:
    """When it happened: as its source says where that is believable, else when it was captured.
    UTC ms. A line of no known zone is taken as UTC."""
    # A later file says when the line stood, not when it was changed or taken back.
    local_at = entry.local_at if entry.kind in BASE_KINDS else None
    at = moments.believed(entry.occurred_at, local_at, entry.captured_at)
    return entry.captured_at if at is None else at


def sort_time(entry: Entry) -> int:
    """Where a list puts a document that is named after `entry`. UTC ms: its time, and within what
    its source rounded off the place on the log, so that what was said in one second or minute
    stays in the order in which it came."""
    at = moments.believed(entry.occurred_at, entry.local_at, entry.captured_at)
    if at is None:
        return entry.captured_at
    return at + moments.place(at, entry.pointer, of_a_minute=entry.is_minute)


def leading_entry(found: Document) -> Entry:
    """The entry that a document is named and dated after."""
    whole = [e for e in found.entries if e.kind not in shape.STUB_KINDS]
    leads = _leads([e for e in whole if e.kind in VERSION_KINDS])
    return _leading(_deciding(leads) or whole or found.entries)


def version_leads(found: Document) -> list[Entry]:
    """One entry per distinct version, the leading sighting of each, in order."""
    versions = [e for e in found.entries if e.kind in VERSION_KINDS]
    return sorted(_leads(versions), key=version_order)


def author_entries(found: Document) -> list[Entry]:
    """The entries that say who wrote it: what `from:` and `to:` look at."""
    whole = [e for e in found.entries if e.kind not in shape.STUB_KINDS]
    return _authors([e for e in whole if e.kind in VERSION_KINDS]) or whole


def revision_entries(found: Document) -> list[Entry]:
    """The entries whose words are searched, one per distinct text, in order of capture; also where
    the index holds no words."""
    worded = _worded(found.entries)
    kept, _ = _kept_words(worded)
    return sorted((e for e in worded if entry_key(e) in kept), key=_capture_order)


def marked_entries(found: Document) -> list[Entry]:
    """The entries whose marks are searched: those of its versions, and the flags on it."""
    return [e for e in _marking(found.entries) if e.marks]


def text_entry(found: Document) -> Entry | None:
    """The version that holds the current text, or the last known one; null = no text is known."""
    leads = _leads([e for e in found.entries if e.kind in VERSION_KINDS])
    deciding = _deciding(leads)
    current = _current(leads, deciding)
    if current is not None and current.content_state == events.PRESENT:
        return current if current.text_digest else None
    known = [e for e in deciding if e.text_digest] or [e for e in leads if e.text_digest]
    if known:
        return max(known, key=_currency)
    if not leads:
        return next((e for e in found.entries if e.text_digest), None)
    return None


def complete_sets(entries: Iterable[Entry]) -> list[tuple[Entry, ...]]:
    """The parts of each large event that are all there, in order, by address of the last part.

    Parts of one set follow each other in one partition as one capture process sent them; two
    sightings of a set may lie in between each other. A later part never changes an earlier set.
    """
    growing: dict[tuple[str, int, str, str, int], _Sightings] = {}
    done: list[tuple[Entry, ...]] = []
    for entry in sorted((e for e in entries if e.part is not None), key=entry_key):
        info = entry.part
        assert info is not None
        place = entry.pointer
        group = (info.set_id, info.total, info.capture, place.topic_id, place.partition)
        chain = growing.setdefault(group, _Sightings()).take(entry, info)
        if chain is not None:
            done.append(tuple(chain))
    return done


class _Sightings:
    """The sightings of one set by one capture process, while they grow.

    A session sends one sighting after the other, and a sighting may outlive its session: the next
    part then is the first that a new session says of this set.
    """

    def __init__(self) -> None:
        self._open: list[list[Entry]] = []
        self._of_session: dict[str, list[Entry]] = {}
        self._seen: set[str] = set()

    def take(self, entry: Entry, info: PartInfo) -> list[Entry] | None:
        """The sighting that `entry` completes, else null."""
        if entry.seen in self._seen:
            return None  # one record, stored twice
        self._seen.add(entry.seen)
        chain = self._of_session.get(info.session)
        if info.number == 0:
            # The session has begun anew: what it left unfinished stays so.
            self._open = [one for one in self._open if one is not chain]
            chain = []
            self._open.append(chain)
        elif chain is None:
            chain = next((one for one in self._open if len(one) == info.number), [])
        self._of_session[info.session] = chain
        if len(chain) != info.number:
            return None  # a part that came twice, or whose predecessors are not there
        chain.append(entry)
        if len(chain) < info.total:
            return None
        self._open = [one for one in self._open if one is not chain]
        return chain


def _union(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    known: dict[EntryKey, Entry] = {}
    for entry in entries:
        key = entry_key(entry)
        held = known.get(key)
        # One address has one entry. Should two projections of it differ, the choice must not
        # depend on the order in which they came, nor on whose words were trimmed before.
        if held is None or (held != entry and _preferred(entry) < _preferred(held)):
            known[key] = entry
    return tuple(known[key] for key in sorted(known))


def _preferred(entry: Entry) -> tuple[str, bool, str]:
    held = (entry.words, entry.chars, entry.marks)
    return repr(_without(entry, words=True, marked=True)), not any(held), repr(held)


def _without(entry: Entry, *, words: bool, marked: bool) -> Entry:
    """The entry without its words, its marks, or both."""
    if words and (entry.words or entry.chars):
        entry = replace(entry, words=(), chars=())
    return replace(entry, marks=()) if marked and entry.marks else entry


def _worded(union: Sequence[Entry]) -> list[Entry]:
    """The entries whose words are searched: those of versions, else of all that could be read."""
    whole = [e for e in union if e.kind not in shape.STUB_KINDS]
    return [e for e in whole if e.kind in VERSION_KINDS] or whole


def _marking(union: Sequence[Entry]) -> list[Entry]:
    """The entries whose marks are searched."""
    return [*(e for e in _worded(union) if e.kind != marks.FLAG_KIND),
            *(e for e in union if e.kind == marks.FLAG_KIND)]


def _trimmed(union: tuple[Entry, ...]) -> tuple[tuple[Entry, ...], set[str]]:
    """(the entries, words and marks only where a search needs them; what is cut for its length)."""
    worded, words_cut = _kept_words(_worded(union))
    marked, marks_cut = _kept(
        sorted(_marking(union), key=_mark_order), lambda e: (e.entry_id, e.digest),
        lambda e: e.mark_count, limits.DOCUMENT_MARKS_MAX)
    trimmed = tuple(_without(e, words=entry_key(e) not in worded,
                             marked=entry_key(e) not in marked) for e in union)
    return trimmed, {code for code, is_cut in ((_CUT, words_cut), (_MARKS_CUT, marks_cut))
                     if is_cut}


def _kept_words(worded: Iterable[Entry]) -> tuple[set[EntryKey], bool]:
    """Of the entries whose words are searched: see `_kept`."""
    return _kept(sorted(worded, key=_text_order), lambda e: (e.entry_id, e.text_digest),
                 lambda e: e.term_count, limits.DOCUMENT_TOKENS_MAX)


def _kept(ordered: Iterable[Entry], same: Callable[[Entry], tuple[str, str]],
          count: Callable[[Entry], int], count_max: int) -> tuple[set[EntryKey], bool]:
    """(which entries keep what they hold, whether one does not for the limit).

    The first of each `same` keeps it while those before it and its own are within the limit. The
    order is the entries' own, and leaving entries out moves none of them back: whoever keeps it in
    a set keeps it in each of its subsets, so that documents trimmed apart hold, together, all that
    their union keeps.
    """
    kept: set[EntryKey] = set()
    seen: set[tuple[str, str]] = set()
    total = 0
    for entry in ordered:
        if not count(entry) or same(entry) in seen:
            continue
        seen.add(same(entry))
        total += count(entry)
        if total <= count_max:
            kept.add(entry_key(entry))
    return kept, total > count_max


def _text_order(entry: Entry) -> tuple[bool, tuple[int, int, EntryKey]]:
    # What a custodian supplied, whatever its times, never takes the room of what is vouched for.
    return not _strong(entry), version_order(entry)


def _mark_order(entry: Entry) -> tuple[bool, tuple[bool, tuple[int, int, EntryKey]]]:
    # Nor does anything that a text holds take the room of a flag on it.
    return entry.kind != marks.FLAG_KIND, _text_order(entry)


def _strong(entry: Entry) -> bool:
    return entry.provenance != events.CUSTODIAN_SUPPLIED


def _leads(versions: Sequence[Entry]) -> list[Entry]:
    """The leading sighting of each version: vouched for before supplied, with content before
    without (a stub is completed, CAPTURE case 33), then the earliest."""
    best: dict[str, Entry] = {}
    for entry in sorted(versions, key=lambda e: (
            not _strong(e), e.content_state != events.PRESENT, e.captured_at, entry_key(e))):
        best.setdefault(entry.entry_id, entry)
    return list(best.values())


def _deciding(leads: Sequence[Entry]) -> list[Entry]:
    """The versions that may change the state: PROTOCOL C5."""
    return [e for e in leads if _strong(e)] or list(leads)


def _currency(entry: Entry) -> tuple[bool, bool, tuple[int, int, EntryKey]]:
    """An edit before a base; among bases content before a stub; then the later."""
    is_edit = entry.kind == events.EDIT
    return is_edit, is_edit or entry.content_state == events.PRESENT, version_order(entry)


def _current(leads: Sequence[Entry], deciding: Sequence[Entry]) -> Entry | None:
    """The version that a reader sees last; null where only retractions are known."""
    shown = (*BASE_KINDS, events.EDIT)
    candidates = [e for e in deciding if e.kind in shown]
    candidates = candidates or [e for e in leads if e.kind in shown]
    return max(candidates, key=_currency) if candidates else None


def _state(deciding: Sequence[Entry]) -> str:
    if not deciding:
        return shape.NONE
    turns = [e for e in deciding if e.kind in (events.RETRACTION, events.RESTORATION)]
    if turns and max(turns, key=version_order).kind == events.RETRACTION:
        return shape.RETRACTED
    if any(e.kind == events.EDIT for e in deciding):
        return shape.EDITED
    return shape.LIVE


def _content_state(current: Entry | None, leads: Sequence[Entry], leading: Entry) -> str:
    if current is not None:
        return current.content_state
    return events.ABSENT_BY_SOURCE if leads else leading.content_state


def _leading(candidates: Sequence[Entry]) -> Entry:
    """The entry that a document is named and dated after."""
    def rank(entry: Entry) -> tuple[int, str, tuple[int, int, EntryKey]]:
        if entry.kind in _LEADING:
            return _LEADING.index(entry.kind), "", version_order(entry)
        return len(_LEADING) + (entry.kind in _LAST), entry.kind, version_order(entry)
    return min(candidates, key=rank)


def _authors(versions: Sequence[Entry]) -> list[Entry]:
    """The entries that say who wrote it; of an orphan retraction, who retracted."""
    wrote = [e for e in versions if e.kind in BASE_KINDS or e.kind == events.EDIT]
    return wrote or list(versions)


def _revisions(entries: Sequence[Entry]) -> list[Entry]:
    """Those that keep words, in order of capture."""
    return sorted((e for e in entries if e.words), key=_capture_order)


def _capture_order(entry: Entry) -> tuple[int, EntryKey]:
    return entry.captured_at, entry_key(entry)


def _observations(whole: Sequence[Entry], versions: Sequence[Entry],
                  leads: Sequence[Entry], cuts: set[str]) -> tuple[str, ...]:
    codes = {code for e in whole for code in e.observations} | cuts
    if _PENDING in codes and _is_settled(whole):
        codes.discard(_PENDING)
    digests: dict[str, set[str]] = {}
    for entry in whole:
        digests.setdefault(entry.entry_id, set()).add(entry.digest)
    if any(len(found) > 1 for found in digests.values()):
        codes.add("occurrence_differs")
    if any(map(_strong, versions)) and any(
            not _strong(e) and e.kind != events.MESSAGE for e in versions):
        codes.add("claimed_by_export")
    texts = [e.text_digest for e in sorted(leads, key=lambda e: (
        e.kind == events.EDIT, version_order(e))) if e.kind in (*BASE_KINDS, events.EDIT)]
    if any(a == b != "" for a, b in pairwise(texts)):
        codes.add("text_unchanged")
    return tuple(sorted(codes))


def _is_settled(whole: Sequence[Entry]) -> bool:
    """Whether as many files as any version has are stored or given up (schemas/media.py)."""
    done = {e.entry_id for e in whole
            if e.kind == events.DERIVED and e.subkind in (media.STORED, media.FAILED)}
    return len(done) >= max(e.attachments for e in whole)


def _collected(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({one for group in groups for one in group if one}))


def _subkind(event: CapturedEvent) -> str:
    """A status, type or action; only where it looks like a code, never content."""
    for name in _SUBKIND_DETAILS:
        value = event.detail(name)
        if value is not None and _SUBKIND.fullmatch(value):
            return value
    return ""
