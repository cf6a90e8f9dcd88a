"""The end of what was archived: acts, their event, and what a set of them means (PROTOCOL D1, K3).

Owns the shape of an act and the fold: which lists there are, how far each came, and which keys are
erased by right. A function of the set of acts: order and repetition do not matter. What is due is
`archive/disposition.py`; who does it is `infra/disposition.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from schemas import domains, events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity

SOURCE: Final = "disposition/1"

LISTED: Final = "listed"
APPROVED: Final = "approved"
REFUSED: Final = "refused"
INTENT: Final = "intent"
COUNTED: Final = "counted"             # what the certificate will say, taken while it can be read
ERASED: Final = "erased"
CERTIFIED: Final = "certificate"
REQUESTED: Final = "requested"         # of a person: that what is held about them goes
ANSWERED: Final = "answered"           # how such a request ended
BACKUP_GONE: Final = "backup_destroyed"
ACTIONS: Final = frozenset({LISTED, APPROVED, REFUSED, INTENT, COUNTED, ERASED, CERTIFIED,
                            REQUESTED, ANSWERED, BACKUP_GONE})

# Of one list: an act, the certificate too, stays below the size at which an event is cut into
# parts. Who has more makes another list.
KEYS_MAX: Final = 500
_ID_CHARS: Final = 32
_BODY_BYTES_MAX: Final = 800_000
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done. `subject`: the list or request (32 hex digits); `at`: our clock, UTC
    ms; `by`: who; `said`: why, in words; `body`: canonical JSON, what the action needs."""

    action: str
    subject: str
    at: int
    by: str
    said: str = ""
    body: bytes = b"{}"

    @property
    def digest(self) -> str:
        """SHA-256 of the body, hex: what a later act means by "this list"."""
        return sha256(self.body).hexdigest()

    def value(self, name: str) -> Any:
        """What the body says of `name`, or null."""
        return self.values().get(name)

    def values(self) -> Mapping[str, Any]:
        """The body; empty for one that does not read."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def keys(self) -> frozenset[str]:
        """Names of key records, "<domain hex>/<generation>"."""
        said = self.value("keys")
        return frozenset(one for one in said if isinstance(one, str)) if isinstance(
            said, list) else frozenset()

    @property
    def list_digest(self) -> str:
        """Which list an act is about."""
        return str(self.value("list") or "")


@dataclass(frozen=True, slots=True)
class Listing:
    """One list and how far it came. An act stands here only where what it needs was there before.
    `intents`, `erasures`: in order of time. `certificate`: the last one."""

    listed: Act
    approved: Act | None = None
    refused: Act | None = None
    intents: tuple[Act, ...] = ()
    counted: tuple[Act, ...] = ()
    erasures: tuple[Act, ...] = ()
    certificate: Act | None = None

    @property
    def list_id(self) -> str:
        """32 hex digits."""
        return self.listed.subject

    @property
    def keys(self) -> frozenset[str]:
        """What was listed."""
        return self.listed.keys

    @property
    def meant(self) -> frozenset[str]:
        """What an intent names."""
        return frozenset().union(*(one.keys for one in self.intents))

    @property
    def erased(self) -> frozenset[str]:
        """What is gone by right."""
        return frozenset().union(*(one.keys for one in self.erasures))

    @property
    def wait_ms(self) -> int:
        """How long after its approval nothing is destroyed."""
        said = self.listed.value("wait_ms")
        return said if isinstance(said, int) and said >= 0 else 0

    @property
    def state(self) -> str:
        """listed | refused | approved | intent | erased | certificate: the last that was reached.
        """
        if self.certificate is not None:
            return CERTIFIED
        if self.erasures:
            return ERASED
        if self.intents:
            return INTENT
        if self.refused is not None:
            return REFUSED
        return APPROVED if self.approved is not None else LISTED


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that was done, as one answer. `unfounded`: erasures that no list, approval by a
    second person and intent precede; what they name is not erased by right."""

    listings: tuple[Listing, ...] = ()
    unfounded: tuple[Act, ...] = ()
    others: tuple[Act, ...] = field(default=())

    @property
    def erased(self) -> frozenset[str]:
        """Names of key records that are gone by right."""
        return frozenset().union(*(one.erased for one in self.listings))

    def waiting(self) -> tuple[Act, ...]:
        """Requests of people that were not answered, the oldest first."""
        answered = {one.subject for one in self.others if one.action == ANSWERED}
        return tuple(one for one in self.others
                     if one.action == REQUESTED and one.subject not in answered)

    def listing(self, list_id: str) -> Listing | None:
        """By id."""
        return next((one for one in self.listings if one.list_id == list_id), None)


def body_of(values: Mapping[str, Any]) -> bytes:
    """The one way to write a body: sorted names, no spaces. Raises Refused when it is too large."""
    body = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    if len(body) > _BODY_BYTES_MAX:
        raise Refused(f"more than {_BODY_BYTES_MAX:,} bytes to say in one record: list fewer keys")
    return body


def act_event(act: Act, firm_years: int) -> CapturedEvent:
    """The event that says so, in the firm's domain. Each act is a document of its own."""
    if act.action not in ACTIONS or not is_id(act.subject):
        raise ValueError("no act of a disposition")
    said = sha256(f"{act.at}:{act.by}:{act.digest}".encode()).hexdigest()
    return CapturedEvent(
        kind=events.DISPOSITION, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=act.at, occurred_at=act.at,
        occurred_precision="ms",
        # Said again after a crash it is the same act only if it says the same.
        native_id=f"disposition:{act.subject}:{act.action}:{said[:32]}",
        actor=Identity(act.by, "user"), text=act.said or None,
        details=(("action", act.action), ("subject", act.subject)),
        provenance=events.OWN, retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=firm_years, raw=act.body, raw_type="application/json")


def read_act(event: CapturedEvent) -> Act:
    """The act that an event states. Raises Refused for one that states none."""
    action, subject = event.detail("action") or "", event.detail("subject") or ""
    if event.kind != events.DISPOSITION or action not in ACTIONS or not is_id(subject) \
            or event.actor is None or event.raw is None:
        raise Refused("a disposition that does not read")
    return Act(action, subject, event.captured_at, event.actor.native_id, event.text or "",
               event.raw)


def is_id(text: str) -> bool:
    """Whether a list or request may be called so."""
    return len(text) == _ID_CHARS and set(text) <= _HEX


def same_person(one: str, other: str) -> bool:
    """Whether two names are those of one person: case and outer spaces do not tell."""
    return one.strip().casefold() == other.strip().casefold()


def record_of(acts: Iterable[Act]) -> Record:
    """What they mean together."""
    known = sorted(set(acts), key=_order)
    listed: dict[str, Act] = {}
    for act in known:
        if act.action == LISTED:
            listed.setdefault(act.subject, act)   # an id is used once; the first one counts
    listings = tuple(_listing(one, [act for act in known if act.subject == one.subject])
                     for one in sorted(listed.values(), key=_order))
    founded = {act for one in listings for act in one.erasures}
    return Record(
        listings,
        tuple(one for one in known if one.action == ERASED and one not in founded),
        tuple(one for one in known if one.action in (REQUESTED, ANSWERED, BACKUP_GONE)))


def _listing(listed: Act, acts: list[Act]) -> Listing:
    about = [one for one in acts if one.at >= listed.at and one.list_digest == listed.digest]
    found = Listing(listed)
    approved = next((one for one in about if one.action == APPROVED
                     and not same_person(one.by, listed.by)), None)
    refused = next((one for one in about if one.action == REFUSED), None)
    if approved is None:
        return Listing(listed, refused=refused)
    begins = approved.at + found.wait_ms
    intents = tuple(one for one in about if one.action == INTENT and one.at >= begins
                    and one.keys <= listed.keys
                    # Of two words at once the cautious one counts.
                    and (refused is None or one.at < refused.at))
    if not intents:
        return Listing(listed, approved, refused)

    def after(action: str) -> tuple[Act, ...]:
        return tuple(one for one in about if one.action == action and one.keys <= frozenset().union(
            *(intent.keys for intent in intents if intent.at <= one.at)))

    erasures = tuple(one for one in after(ERASED) if one.at >= intents[0].at)
    certificates = [one for one in after(CERTIFIED) if erasures and one.at >= erasures[0].at]
    return Listing(listed, approved, None, intents, after(COUNTED), erasures,
                   certificates[-1] if certificates else None)


def _order(act: Act) -> tuple[int, str, str, str, bytes, str]:
    return act.at, act.action, act.subject, act.by, act.body, act.said
