"""The desk of a reviewer: what waits, one item, and what can be done about it.

Owns the order of things. A look is recorded before it is answered and changes nothing: opening is
not reviewing. An act is checked against the item as it is now, recorded, and on the log before this
returns; it is shown at once although the index is seconds behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from schemas import limits
from schemas.document import Document
from schemas.errors import Denied, Missing, Refused, Transient
from schemas.events import CapturedEvent
from schemas.identity import canonical, event_id
from search import query
from search.access import roles
from search.access.viewer import Viewer
from search.audit import VIEW
from search.bodies import Bodies
from search.candidates import matcher
from search.facets import Counted, Part
from search.index import Asked, PageCursor
from search.query import TokenQuery
from search.review import decisions, facts, item, projected, questions, rules
from search.review.decisions import DECISIVE, Review, Seen
from search.review.history import History
from search.review.item import ItemState
from search.review.items import Items, Loaded
from search.review.leases import Claim, Leases
from search.review.ports import Ports
from search.review.questions import Asking, Filters
from search.review.recent import Recent, Said
from search.review.timing import BUCKETS
from search.review.views import BulkDone, Done, Form, ItemView, Pending, QueuePage, QueueRow

# What a look is recorded as.
QUEUE: Final = "queue"
CLAIM: Final = "claim"
RELEASE: Final = "release"      # of somebody else's claim
DENIED: Final = "denied"
PAGE_DEFAULT: Final = 50
# Fields whose values are names of this program, not tokens.
_PLAIN: Final = frozenset({projected.STATUS, projected.LEVEL, projected.SEVERITY, projected.WHY,
                           projected.OUTCOME})
# What is counted beside a page.
_ALL: Final = "all"
_BANDS: Final = tuple(f"band {number}" for number in range(len(questions.bands())))
_AGES: Final = {f"age:{name}": name for name, _ in BUCKETS}
_OVERDUE: Final = "overdue"
_ID_CHARS: Final = frozenset("0123456789abcdef")
_UNKNOWN: Final = "no message has the id {}"


class ReviewDesk:
    """Everything that can be done with items. One instance belongs to one thread.

    Every method raises Denied for what the viewer may not do, Missing for what is not there for
    him, Refused with words for what cannot be done, Transient when it could not be recorded or
    read: then nothing has happened, or the same form may be sent again.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._items = Items(Bodies(ports.reader), ports.tokenizer, ports.assigned)
        self._recent = Recent(ports.state, ports.clock)
        self._leases = Leases(ports.state, ports.clock, ports.claim_ms)

    # -- looking

    def queue(self, viewer: Viewer, filters: Filters | None = None, limit: int = PAGE_DEFAULT,
              after: str | None = None, *, with_counts: bool = False) -> QueuePage:
        """What waits: the gravest first, of these the oldest message. `after`: the `next` of the
        page before. `with_counts`: the counts beside it, of the total's moment and in the same
        record."""
        viewer.require(roles.QUEUE)
        filters = filters or Filters()
        limit = max(1, min(limit, limits.PAGE_HITS_MAX))
        band, place = _read_cursor(after)
        index = self._ports.index(viewer)
        if index is None:
            self._ports.auditor.record(QUEUE, viewer.person, None, {
                "filters": _said(filters), "total": "0"})
            return QueuePage((), 0, None)
        asking = self._asking(viewer)
        asked = questions.node(filters, asking)
        counted = _counted(index, filters, asking, with_counts=with_counts)
        total = counted[_ALL].total
        found, cursor = _page(index, asked, [counted[one].total for one in _BANDS], limit, band,
                              place)
        mine = self._mine(viewer, index)
        is_asked = matcher(asked)
        gone = {one.doc_id for one in mine.values() if is_asked(one.document)
                and not questions.fits(filters, one.state, asking)}
        claims = {one.doc_id: one for one in self._leases.all()}
        names = self._names()
        rows = [self._row(one, mine.get(one.doc_id), claims, asking, names) for one in found
                if one.doc_id not in gone]
        self._ports.auditor.record(QUEUE, viewer.person, None, {
            "filters": _said(filters), "total": str(total - len(gone)),
            "shown": " ".join(one.doc_id for one in rows),
            **({"counts": "true"} if with_counts else {})})
        # Recorded: from here the page may be seen.
        return QueuePage(tuple(rows), total - len(gone), cursor,
                         self._counts(viewer, counted) if with_counts else {})

    def counts(self, viewer: Viewer, filters: Filters | None = None) -> Mapping[str, int]:
        """How many items hold each value: "status:open", "severity:high", "assigned:ann",
        "rule:new-account", "conflict" ...; and "age:under 4 h" ..., "overdue". Names that are not
        known here are left out. Recorded as a look at the queue."""
        viewer.require(roles.QUEUE)
        filters = filters or Filters()
        index = self._ports.index(viewer)
        asking = self._asking(viewer)
        found = {} if index is None else self._counts(
            viewer, _counted(index, filters, asking, with_counts=True))
        self._ports.auditor.record(QUEUE, viewer.person, None, {
            "filters": _said(filters), "counts": "true"})
        return found

    def open(self, viewer: Viewer, doc_id: str) -> ItemView:
        """One item. Recorded as a view; its state stays what it was."""
        viewer.require(roles.VIEW)
        found = self._found(viewer, doc_id)
        loaded = self._loaded(found)
        self._leases.renew(doc_id, viewer.person)
        self._look(viewer, loaded, "review")
        return self._view(viewer, found, loaded)

    # -- claims

    def claim(self, viewer: Viewer, doc_id: str) -> Claim:
        """The item is the viewer's for a while. Raises Taken, and Denied for whoever could not act
        on it now."""
        viewer.require(roles.DECIDE)
        loaded = self._loaded(self._found(viewer, doc_id))
        rules.check_claim(loaded.state, viewer, self._me(viewer),
                          is_own=self._is_own(viewer, loaded))
        held = self._leases.of(doc_id)
        claimed = self._leases.claim(doc_id, viewer.person)
        if held is None:
            self._ports.auditor.record(CLAIM, viewer.person, None, {"document": doc_id})
        return claimed

    def release(self, viewer: Viewer, doc_id: str) -> None:
        """The item is free again, if it was the viewer's. Whoever may give items to others ends
        another's claim too: that is recorded first."""
        viewer.require(roles.DECIDE)
        held = self._leases.of(doc_id)
        if held is None or held.person == viewer.person or roles.ASSIGN not in viewer.may:
            self._leases.release(doc_id, viewer.person)
            return
        if self._is_own(viewer, self._loaded(self._found(viewer, doc_id))):
            raise Denied(rules.OWN)
        self._ports.auditor.record(RELEASE, viewer.person, None, {
            "document": doc_id, "of": held.person})
        self._leases.release(doc_id, held.person)

    # -- acting

    def act(self, viewer: Viewer, doc_id: str, form: Form) -> Done:
        """Any act. On the log when this returns."""
        needed = rules.NEEDS.get(form.action)
        if needed is None:
            raise Refused(f"the action is one of {', '.join(decisions.ACTIONS)}")
        if not needed <= viewer.may:
            raise Denied                          # before anything is looked up
        found = self._found(viewer, doc_id)
        key = form.key or self._ports.random(16).hex()
        content = repr((doc_id, replace(form, key="")))
        if not self._recent.begin(key, viewer.person, content):
            # Nothing is done, but the item is shown: without a record a key would be a free look.
            loaded = self._loaded(found)
            self._look(viewer, loaded, "replay")
            return Done(self._view(viewer, found, loaded), repeated=True)
        try:
            loaded = self._loaded(found)
            review = self._review(viewer, loaded, form, _review_id(viewer.person, key, content))
            event = decisions.review_event(review, self._ports.firm_years())
            self._record(event, form.action)
        except (Refused, Missing, Transient):
            # Of a Transient nobody knows; recorded again it is another sighting of one event.
            with suppress(Transient):
                self._recent.fail(key, viewer.person)
            raise
        # From here the act is evidence. What follows only shows it sooner.
        with suppress(Transient):
            self._show(viewer, doc_id, review, event, key, content)
        return Done(self._view(viewer, found, self._loaded(found)))

    def reopen(self, viewer: Viewer, doc_id: str, form: Form) -> Done:
        """A closed item again, or a message that nothing flagged."""
        return self.act(viewer, doc_id, replace(form, action=decisions.REOPEN))

    def bulk(self, viewer: Viewer, doc_ids: Sequence[str], form: Form) -> BulkDone:
        """One decision on several items, each recorded by itself. What cannot be decided so is left
        and named; where the log goes down, what was recorded until then stays, and the same form
        sent again goes on."""
        viewer.require(roles.BULK)
        wanted = list(dict.fromkeys(doc_ids))
        rules.check_bulk(len(wanted), form.decision, form.reason)
        key = form.key or self._ports.random(16).hex()
        bulk = hashlib.sha256(canonical("counterfoil/bulk/v1", viewer.person, key)).hexdigest()[:32]
        done: list[str] = []
        left: list[tuple[str, str]] = []
        for doc_id in wanted:
            one = replace(form, action=decisions.DECIDE, bulk=bulk, basis="",
                          key=hashlib.sha256(canonical(key, doc_id)).hexdigest())
            try:
                self.act(viewer, doc_id, one)
            except Denied as error:
                self._ports.auditor.record(DENIED, viewer.person, None, {
                    "route": "bulk", "document": doc_id, "bulk": bulk})
                left.append((doc_id, str(error)))
            except (Refused, Missing) as error:
                left.append((doc_id, str(error)))
            else:
                done.append(doc_id)
        return BulkDone(bulk, tuple(done), tuple(left))

    # -- how

    def _look(self, viewer: Viewer, loaded: Loaded, how: str) -> None:
        """On the log when this returns. Raises Transient: then nothing is shown."""
        versions = loaded.history.versions
        self._ports.auditor.record(VIEW, viewer.person, None, {
            "document": loaded.document.doc_id, "as": how, "status": loaded.state.status,
            "version": versions[-1].hex() if versions else ""})

    def _review(self, viewer: Viewer, loaded: Loaded, form: Form, review_id: str) -> Review:
        """What is recorded. Raises Denied and Refused."""
        state, made = loaded.state, loaded.history
        me = self._me(viewer)
        intent = rules.Intent(form.action, form.decision, form.level, form.reason,
                              form.to == viewer.person or not form.to, bool(form.bulk),
                              form.quality)
        if form.action in DECISIVE or form.action == decisions.ASSIGN:
            self._leases.require_free(loaded.document.doc_id, viewer.person)
        rules.check(intent, state, viewer, me, is_own=self._is_own(viewer, loaded))
        if form.basis and form.basis != loaded.basis and form.action in DECISIVE:
            raise Refused("it has changed since you opened it: look at it again")
        if form.to and form.to not in {*self._ports.people.reviewers()}:
            raise Refused("nobody of that name reviews messages")
        if form.to and not self._ports.people.line(form.to).isdisjoint(made.custodians):
            raise Refused("that person may not review these messages: they are their own, or those "
                          "of somebody they report to")
        if not made.message:
            raise Refused("nothing of this message can be read: `counterfoil verify` says why")
        about = next((one.act_id for one in made.acts if one.name == state.lead and form.action in (
            decisions.CONFIRM, decisions.OBJECT)), b"")
        return Review(
            message=made.message, person=viewer.person, action=form.action,
            at=self._ports.clock(), review_id=review_id,
            decision=(form.decision if form.action == decisions.DECIDE else
                      state.outcome if form.action == decisions.CONFIRM else ""),
            level=rules.level_after(intent, state), severity=state.severity,
            reason=form.reason.strip(), note=form.note.strip(), seen=self._seen(made),
            second=form.action == decisions.DECIDE and rules.wants_second(
                form.decision, state.severity),
            about=about,
            to=form.to if form.action == decisions.ASSIGN else "",
            tag=form.tag.strip() if form.action in (decisions.TAG, decisions.UNTAG) else "",
            bulk=form.bulk, quality=form.quality and form.action == decisions.REOPEN)

    def _seen(self, made: History) -> Seen:
        heads = frozenset(made.state.heads)
        return Seen(
            versions=made.versions, flags=tuple(one.flag_id for one in made.flags),
            after=tuple(one.act_id for one in made.acts if one.name in heads),
            rules=tuple(dict.fromkeys(one.title() for one in made.flags)))

    def _record(self, event: CapturedEvent, action: str) -> None:
        try:
            self._ports.recorder.record(event)
        except Transient as error:
            raise Transient(f"not done, because the {action} could not be recorded: "
                            f"{error}") from error

    def _show(self, viewer: Viewer, doc_id: str, review: Review, event: CapturedEvent,
              key: str, content: str) -> None:
        tokenizer = self._ports.tokenizer
        fact = facts.of_event(event, tokenizer)
        assert fact is not None
        names = {facts.person_token(tokenizer, one): one
                 for one in (review.person, review.to) if one}
        if review.tag:
            names[facts.tag_token(tokenizer, review.tag)] = review.tag
        self._recent.add(doc_id, self._me(viewer), Said(fact, event_id(event), names),
                         facts.codes(event, tokenizer))
        self._recent.done(key, viewer.person, content)
        if review.action in DECISIVE:
            self._leases.release(doc_id, viewer.person)
        else:
            self._leases.renew(doc_id, viewer.person)

    def _found(self, viewer: Viewer, doc_id: str) -> Document:
        if len(doc_id) != 32 or not set(doc_id) <= _ID_CHARS:
            raise Refused("an id has 32 hexadecimal digits")
        index = self._ports.index(viewer)
        stored = index.get([doc_id]).get(doc_id) if index is not None else None
        if stored is None:
            raise Missing(_UNKNOWN.format(doc_id))
        return stored.document

    def _loaded(self, found: Document) -> Loaded:
        return self._items.load(found, self._recent.of(found.doc_id))

    def _view(self, viewer: Viewer, found: Document, loaded: Loaded) -> ItemView:
        state, made = loaded.state, loaded.history
        are_shown = self._names_shown(viewer, made)
        indexed = {one.entry_id for one in found.entries}
        return ItemView(
            doc_id=found.doc_id, document=found, state=state,
            history=made if are_shown else replace(made, custodians=()),
            assigned_to=made.name_of(state.assigned_to) if state.assigned_to else "",
            decided_by=made.decider,
            confirmed_by=made.name_of(state.confirmed_by) if state.confirmed_by else "",
            tags=tuple(sorted(map(made.name_of, state.tags))),
            rules=tuple(sorted(map(made.name_of, state.rules))),
            due_at=self._due(state), claim=self._leases.of(found.doc_id),
            is_own=self._is_own(viewer, loaded), names_shown=are_shown, basis=loaded.basis,
            pending=any(one.name not in indexed for one in made.facts))

    def _names_shown(self, viewer: Viewer, made: History) -> bool:
        """Pseudonyms hold until somebody escalates, or asks for the names and says why."""
        me = self._me(viewer)
        return (not viewer.pseudonyms or made.state.level > decisions.LEVEL_FIRST
                or any(one.what == decisions.UNMASK and one.person == me for one in made.facts))

    def _is_own(self, viewer: Viewer, loaded: Loaded) -> bool:
        line = self._ports.people.line(viewer.person)
        named = self._ports.tokenizer.named
        return rules.is_conflict(loaded.history.custodians, line) or rules.is_conflict(
            loaded.document.custodians, [named("custodian", one) for one in line])

    def _me(self, viewer: Viewer) -> str:
        return facts.person_token(self._ports.tokenizer, viewer.person)

    def _asking(self, viewer: Viewer) -> Asking:
        ports = self._ports
        line = frozenset(ports.tokenizer.named("custodian", one)
                         for one in ports.people.line(viewer.person))
        return Asking(self._me(viewer), line, viewer.may, ports.clock(), ports.timing,
                      ports.tokenizer)

    def _mine(self, viewer: Viewer, index: Asked) -> dict[str, Pending]:
        """What the viewer did lately and the index does not show yet, by document."""
        me, found = self._me(viewer), {}
        mine = dict(self._recent.mine(me))
        for doc_id, stored in index.get(mine).items() if mine else ():
            document = stored.document
            if any(one.entry_id == mine[doc_id] for one in document.entries):
                self._recent.settle(me, doc_id)
                continue
            said = [one.fact for one in self._recent.of(doc_id)]
            found[doc_id] = Pending(doc_id, document, item.fold(
                (*facts.of_entries(document.entries), *said)))
        return found

    def _row(self, found: Document, pending: Pending | None, claims: Mapping[str, Claim],
             asking: Asking, names: Mapping[str, str]) -> QueueRow:
        state = pending.state if pending else item.fold(facts.of_entries(found.entries))
        return QueueRow(
            doc_id=found.doc_id, document=found, state=state,
            assigned_to=names.get(state.assigned_to, state.assigned_to),
            decided_by=names.get(state.decided_by, state.decided_by),
            rules=tuple(sorted(names.get(one, one) for one in state.rules)),
            due_at=self._due(state), claim=claims.get(found.doc_id),
            is_own=not asking.line.isdisjoint(found.custodians))

    def _names(self) -> dict[str, str]:
        """Token -> person or rule, of those that are known today."""
        tokenizer = self._ports.tokenizer
        return {**{facts.person_token(tokenizer, one): one
                   for one in self._ports.people.reviewers()},
                **{facts.rule_token(tokenizer, one): one for one in self._ports.rules()}}

    def _due(self, state: ItemState) -> int | None:
        if state.waiting_since is None:
            return None
        return self._ports.timing.due_at(state.waiting_since, state.severity)

    def _counts(self, viewer: Viewer, counted: Mapping[str, Counted]) -> dict[str, int]:
        """What was counted, by names that a person reads."""
        found = dict(self._readable(viewer, counted[_ALL].facets[questions.CODES]))
        return found | {name: counted[name].total for name in (*_AGES, _OVERDUE)}

    def _readable(self, viewer: Viewer, counted: Iterable[tuple[str, int]],
                  ) -> Iterable[tuple[str, int]]:
        ports = self._ports
        known = {projected.RULE: {facts.rule_token(ports.tokenizer, one): one
                                  for one in ports.rules()},
                 projected.ASSIGNED: {self._me(viewer): questions.ME,
                                      projected.NOBODY: questions.NOBODY}}
        for written, count in counted:
            name, value = projected.name_and_value(written)
            if not value:
                yield name, count
            elif name in _PLAIN:
                yield f"{name}:{value}", count
            elif value in known.get(name, {}):
                yield f"{name}:{known[name][value]}", count


def _counted(index: Asked, filters: Filters, asking: Asking, *,
             with_counts: bool) -> dict[str, Counted]:
    """What of a queue is counted, all of one moment and in one question: _ALL, _BANDS, and
    `with_counts` also _AGES and _OVERDUE."""
    waits = questions.waits(filters, asking)
    parts = {_ALL: Part(waits, (questions.CODES,) if with_counts else (),
                        limits.FACET_VALUES_MAX)}
    for name, band in zip(_BANDS, questions.bands(), strict=True):
        parts[name] = Part(query.flatten(query.And((waits, band))))
    if with_counts:
        # Each of them as if it had been chosen, besides what is chosen.
        parts |= {name: Part(questions.waits(replace(filters, age=age), asking))
                  for name, age in _AGES.items()}
        parts[_OVERDUE] = Part(questions.waits(replace(filters, overdue=True), asking))
    return dict(zip(parts, index.counts(TokenQuery(questions.common(filters, asking)),
                                        list(parts.values())), strict=True))


def _page(index: Asked, asked: query.Node, counts: Sequence[int], limit: int, band: int,
          place: PageCursor | None) -> tuple[list[Document], str | None]:
    """Up to `limit` documents from a place on, band by band, and where the next page begins.
    `counts`: how many each band has; one without any is not asked for."""
    found: list[Document] = []
    every = questions.bands()
    for number in range(band, len(every)):
        if not counts[number]:
            place = None
            continue
        page = index.search(TokenQuery(query.flatten(query.And((asked, every[number])))),
                            limit - len(found), place, oldest_first=True)
        found += page.documents
        place = None
        if page.next is not None:
            return found, f"{number}.{page.next.text()}"
        if len(found) >= limit:
            following = next((one for one in range(number + 1, len(every)) if counts[one]), None)
            return found, None if following is None else f"{following}."
    return found, None


def _read_cursor(text: str | None) -> tuple[int, PageCursor | None]:
    if text is None:
        return 0, None
    band, dot, place = text.partition(".")
    if not dot or not band.isascii() or not band.isdigit() or len(band) > 2:
        raise Refused("this is no page cursor of a queue")
    return int(band), PageCursor.read(place) if place else None


def _review_id(person: str, key: str, content: str) -> str:
    """The same form sent twice is one event. Another one under the same key is another event: its
    words are never lost as a sighting of the first."""
    return "review:" + hashlib.sha256(
        canonical("counterfoil/review-form-id/v2", person, key, content)).hexdigest()[:32]


def _said(filters: Filters) -> str:
    """Filters as an audit record says them."""
    plain = replace(filters, also=None)
    default = Filters()
    return " ".join(f"{name}={' '.join(value) if isinstance(value, tuple) else value}"
                    for name in plain.__dataclass_fields__
                    if (value := getattr(plain, name)) != getattr(default, name))
