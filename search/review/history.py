"""Everything that was flagged and done about one message, readable, and what became of it. Pure.

Owns the readable side of an item: what the fold (item.py) says in tokens, here with the names that
the archived events hold. Reports, pages and the command line are made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.errors import Refused
from schemas.events import CapturedEvent
from schemas.identity import event_id, message_key
from search.policy.flags import is_flag
from search.review import decisions, facts, item
from search.review.facts import Fact
from search.review.item import ItemState
from search.review.recent import Said
from search.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag. `at`: when it was first raised (UTC ms)."""

    flag_id: bytes
    name: str
    policy: str
    rule: str
    version: str
    severity: str
    at: int
    reason: str = ""

    def title(self) -> str:
        """As evidence names it."""
        return f"{self.policy}/{self.rule}/{self.version}"


@dataclass(frozen=True, slots=True)
class Act:
    """What a reviewer did: decisions.Review with the ids of its event."""

    act_id: bytes
    name: str
    person: str
    action: str
    decision: str
    level: int
    at: int
    reason: str = ""
    note: str = ""
    to: str = ""
    tag: str = ""
    bulk: str = ""
    second: bool = False
    quality: bool = False
    version: str = ""             # event_id of the newest version that was seen, hex
    rules: tuple[str, ...] = ()
    about: str = ""               # name of the act that is confirmed or objected to
    pending: bool = False         # on the log, not in the archive yet: without its words

    def says(self) -> str:
        """The action in one word: what the four fields call it."""
        return self.decision if self.action == decisions.DECIDE else self.action


@dataclass(frozen=True, slots=True)
class History:
    """One item. `flags`, `acts`: in order; `versions`: event ids in order of capture. `message`:
    its message_key, b"" where nothing of it could be read. `custodians`: ids, sorted. `names`: what
    the tokens of its state stand for. `unread`: records about it that could not be read."""

    doc_id: str
    message: bytes
    flags: tuple[Raised, ...]
    acts: tuple[Act, ...]
    versions: tuple[bytes, ...]
    custodians: tuple[str, ...]
    state: ItemState
    names: Mapping[str, str]
    facts: tuple[Fact, ...] = ()
    unread: int = 0

    def name_of(self, token: str) -> str:
        """The person, tag or rule of a token; the token where no event tells."""
        return self.names.get(token, token)

    @property
    def decider(self) -> str:
        """Who decided last, "" = nobody yet."""
        return self.name_of(self.state.decided_by) if self.state.decided_by else ""

    @property
    def leading_flag(self) -> Raised | None:
        """The gravest flag, the earliest of several: the one that an item is counted under."""
        return min(self.flags, key=lambda one: (
            -facts.SEVERITIES.index(one.severity), one.at, one.title()), default=None)


def history(doc_id: str, found: Iterable[CapturedEvent], tokenizer: Tokenizer, *,
            until: int | None = None, more: Iterable[Said] = (),
            custodians: Iterable[str] = (), unread: int = 0) -> History:
    """The history of one message.

    `found`: its versions, flags and reviews. `until`: only what was captured before (UTC ms).
    `more`: acts that are on the log and may not be archived yet. `custodians`: whose it is beside
    what capture wrote.
    """
    events = _first_sightings(one for one in found if until is None or one.captured_at < until)
    more = tuple(more)
    acts = [act for one in events if (act := _act(one, tokenizer)) is not None]
    names = {token: name for one in more for token, name in one.names.items()}
    names.update(_names(acts, tokenizer))
    archived = {one.name for one in acts}
    acts += [_pending(one, names) for one in more if one.fact.name not in archived]
    acts.sort(key=lambda one: (one.at, one.name))
    flags = tuple(_raised(one, tokenizer) for one in events if is_flag(one))
    names.update((facts.rule_token(tokenizer, one.rule), one.rule) for one in flags)
    versions = [one for one in events if one.kind in facts.VERSION_KINDS]
    known = {*facts.of_events(events, tokenizer), *(one.fact for one in more)}
    owners = {one.custodian for one in versions if one.custodian} | {*custodians}
    message = next((message_key(one) for one in events), b"")
    return History(
        doc_id=doc_id, message=message, flags=flags, acts=tuple(acts),
        versions=tuple(event_id(one) for one in versions),
        custodians=tuple(sorted(owners)), state=item.fold(known), names=names,
        facts=tuple(sorted(known)), unread=unread)


def _first_sightings(found: Iterable[CapturedEvent]) -> list[CapturedEvent]:
    """Each event once, in order of capture; of several sightings the earliest (PROTOCOL I2)."""
    known: dict[bytes, CapturedEvent] = {}
    for one in found:
        name = event_id(one)
        held = known.get(name)
        if held is None or (one.captured_at, repr(one.details)) < (
                held.captured_at, repr(held.details)):
            known[name] = one
    return [known[name] for name in sorted(known, key=lambda key: (known[key].captured_at, key))]


def _raised(event: CapturedEvent, tokenizer: Tokenizer) -> Raised:
    flag_id = event_id(event)
    severity = event.detail("severity") or ""
    return Raised(
        flag_id, tokenizer.entry(flag_id), event.detail("policy") or "",
        event.detail("rule") or "", event.detail("version") or "",
        severity if severity in facts.SEVERITIES else facts.HIGH, event.captured_at,
        event.detail("reason") or "")


def _act(event: CapturedEvent, tokenizer: Tokenizer) -> Act | None:
    if not decisions.is_review(event):
        return None
    try:
        said = decisions.read_review(event)
    except Refused:
        return None                               # counted nowhere, as in the fold
    act_id = event_id(event)
    return Act(
        act_id, tokenizer.entry(act_id), said.person, said.action, said.decision, said.level,
        said.at, said.reason, said.note, said.to, said.tag, said.bulk, said.second, said.quality,
        said.seen.versions[-1].hex() if said.seen.versions else "", said.seen.rules,
        tokenizer.entry(said.about) if said.about else "")


def _pending(said: Said, names: Mapping[str, str]) -> Act:
    fact = said.fact
    return Act(
        said.act_id, fact.name, names.get(fact.person, fact.person), fact.what, fact.decision,
        fact.level, fact.at, to=names.get(fact.to, fact.to), tag=names.get(fact.tag, fact.tag),
        second=fact.second, quality=fact.is_quality, about=fact.about, pending=True)


def _names(acts: Iterable[Act], tokenizer: Tokenizer) -> Iterable[tuple[str, str]]:
    for one in acts:
        for person in (one.person, one.to):
            if person:
                yield facts.person_token(tokenizer, person), person
        if one.tag:
            yield facts.tag_token(tokenizer, one.tag), one.tag
