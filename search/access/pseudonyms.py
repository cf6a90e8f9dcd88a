"""Names behind pseudonyms: who somebody is stays hidden until an item is escalated.

Owns the pseudonyms of one firm, what of a view is put behind them, and what may be asked under
them. A pseudonym is the same every time, on every machine with this index key, and says nothing
without it. Texts and file names are not altered: who is named in a text can be read there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from schemas import events
from schemas.assignment import Assignments
from schemas.directory import Directory
from schemas.errors import QueryError
from schemas.events import Identity
from search import identity, query, tree
from search.access.scope import unassigned
from search.conversation import ConversationView
from search.facets import Facets
from search.results import HitView, SeenBy
from search.thread import ConversationLine, MessageView, RelatedView, VersionView
from search.tokens import Tokenizer
from search.tree import Tree, leaves

ID_TYPE: Final = "pseudonym"
CUSTODIAN: Final = "K-"
CLIENT: Final = "C-"
HIDDEN: Final = "names are hidden"

_FORM: Final = re.compile(r"([KC]-)([0-9A-F]{16})")
_TOKEN: Final = re.compile(r"[0-9a-f]{16}")
_LABELS: Final = {CUSTODIAN: "Custodian", CLIENT: "Client"}
# Digits that a person is shown. Of 1,000 people two share them in 3 of 100 firms; the whole
# pseudonym, which links and queries use, is shared by none.
_SHOWN: Final = 6
_ROUNDS: Final = 4
# Kinds whose text is about who somebody is.
_ABOUT_PEOPLE: Final = frozenset({events.IDENTITY, events.MEMBERSHIP})


class Pseudonyms:
    """Of one firm. `directory`: which accounts are custodians'."""

    def __init__(self, tokenizer: Tokenizer, directory: Directory) -> None:
        self._tokenizer = tokenizer
        self._directory = directory
        self._tokens = {tokenizer.named("custodian", one.custodian_id): one.custodian_id
                        for one in directory.custodians}

    # --- one name ----------------------------------------------------------------------------

    def custodian(self, custodian_id: str) -> str:
        """The pseudonym of a custodian, "K-" and 16 digits; "" of nobody."""
        if not custodian_id:
            return ""
        return CUSTODIAN + self._mixed(self._tokenizer.named("custodian", custodian_id))

    def person(self, who: Identity, channel: str, at: int) -> Identity:
        """Whoever stands there, behind the pseudonym: a custodian's where the account was one's at
        that time (UTC ms), else a client's."""
        custodian = self._owner(channel, who.native_id, at)
        name = (self.custodian(custodian) if custodian else
                CLIENT + self._mixed(self._tokenizer.party(*_own_fact(who))))
        return Identity(name, ID_TYPE, label(name))

    # --- what is shown -----------------------------------------------------------------------

    def hit(self, found: HitView) -> HitView:
        """A hit with nobody's name, number or id beside its text."""
        at = _time(found)
        return replace(
            found, actor=self._actor(found.actor, found.channel, at),
            custodian=self.custodian(found.custodian),
            seen_by=tuple(self._copy(one) for one in found.seen_by))

    def message(self, found: MessageView) -> MessageView:
        """A message, its versions and the talk around it, likewise."""
        channel = found.hit.channel
        return replace(
            found, hit=self.hit(found.hit),
            versions=tuple(self._version(one, channel) for one in found.versions),
            related=tuple(self._related(one, channel) for one in found.related),
            conversation=tuple(ConversationLine(self.hit(one.hit), one.is_this)
                               for one in found.conversation))

    def conversation(self, found: ConversationView) -> ConversationView:
        """A conversation, likewise."""
        channel = found.messages[0].hit.channel if found.messages else ""
        at = _time(found.messages[-1].hit) if found.messages else 0
        return replace(found, messages=tuple(map(self.message, found.messages)), accounts=(),
                       parties=tuple(self.person(one, channel, at) for one in found.parties),
                       # What is missing and when; an account, a note and a name hold numbers.
                       gaps=tuple(replace(one, account="", note="", name="")
                                  for one in found.gaps))

    def facets(self, found: Facets) -> Facets:
        """Facets with custodians by pseudonym, for whoever shows them by name otherwise."""
        return {field: tuple((self._facet(field, value), count) for value, count in values)
                for field, values in found.items()}

    # --- what may be asked -------------------------------------------------------------------

    def check(self, asked: Tree, typed: str) -> None:
        """Raises QueryError for a query that would tell who is behind a pseudonym: a name or a
        number in from:, to: or with:, or a conversation by its id, which holds numbers."""
        for leaf in leaves(asked):
            if isinstance(leaf, tree.Party):
                self._meant(leaf, typed)
            elif isinstance(leaf, tree.Value) and leaf.name == "conversation" \
                    and not _TOKEN.fullmatch(leaf.value.lower()):
                raise QueryError(typed, leaf.start, "names are hidden here: take the 16 digits of "
                                                    "a conversation from a message that it holds")

    def node(self, asked: tree.Party, typed: str, assigned: Assignments) -> query.Node:
        """What from:, to: or with: a pseudonym asks an index. Raises QueryError as `check` does.
        """
        kind, token = self._meant(asked, typed)
        sides = {"from": ("actors",), "to": ("recipients",),
                 "with": ("actors", "recipients")}[asked.side]
        if kind == CLIENT:
            return query.Or(tuple(query.Term(side, token) for side in sides))
        custodian = self._tokens.get(token)
        if custodian is None:
            return query.Nothing()
        facts = tuple(identity.custodian_facts(custodian))
        some: list[query.Node] = [query.Term(side, one) for side in sides
                                  for one in identity.blind(self._tokenizer, facts)]
        some += [unassigned(window, self._tokenizer, sides)
                 for window in assigned.windows(custodian.__eq__)]
        return query.Or(tuple(some))

    def _meant(self, asked: tree.Party, typed: str) -> tuple[str, str]:
        """(kind, token) of a pseudonym."""
        form = _FORM.fullmatch(asked.value.strip().upper())
        if form is None:
            raise QueryError(typed, asked.start, f"names are hidden here: after {asked.side}: "
                                                 "write a pseudonym, as C-0123456789ABCDEF")
        return form[1], self._unmixed(form[2])

    # --- parts -------------------------------------------------------------------------------

    def _actor(self, who: Identity | None, channel: str, at: int) -> Identity | None:
        return None if who is None else self.person(who, channel, at)

    def _copy(self, one: SeenBy) -> SeenBy:
        return replace(one, custodian=self.custodian(one.custodian), account="")

    def _version(self, one: VersionView, channel: str) -> VersionView:
        at = one.captured_at if one.occurred_at is None else one.occurred_at
        return replace(one, actor=self._actor(one.actor, channel, at))

    def _related(self, one: RelatedView, channel: str) -> RelatedView:
        at = one.occurred_at or one.captured_at or 0
        masked = replace(one, actor=self._actor(one.actor, channel, at))
        if one.kind in _ABOUT_PEOPLE and one.text:
            return replace(masked, text=None, problem=HIDDEN)
        return masked

    def _facet(self, field: str, value: str) -> str:
        return CUSTODIAN + self._mixed(value) if field == "custodian" else value

    def _owner(self, channel: str, account: str, at: int) -> str:
        channel = "sms" if channel == "mms" else channel
        return next((one.custodian_id for one in self._directory.accounts
                     if (one.channel, one.account) == (channel, account) and one.covers(at)), "")

    def _mixed(self, token: str) -> str:
        """16 digits for 16 digits, the other way by `_unmixed`: whoever holds a copy of the index
        cannot tell which of its tokens a pseudonym on a screen is (a Feistel network under the
        index key)."""
        left, right = int(token[:8], 16), int(token[8:], 16)
        for number in range(_ROUNDS):
            left, right = right, left ^ self._round(number, right)
        return f"{left:08X}{right:08X}"

    def _unmixed(self, digits: str) -> str:
        left, right = int(digits[:8], 16), int(digits[8:], 16)
        for number in reversed(range(_ROUNDS)):
            left, right = right ^ self._round(number, left), left
        return f"{left:08x}{right:08x}"

    def _round(self, number: int, half: int) -> int:
        return int(self._tokenizer.named("pseudonym", str(number), f"{half:08x}")[:8], 16)


def label(pseudonym: str) -> str:
    """How a person is shown a pseudonym: "Client C-4F2A9C"."""
    kind = pseudonym[:2]
    return f"{_LABELS[kind]} {pseudonym[:2 + _SHOWN]}" if kind in _LABELS else pseudonym


def _own_fact(who: Identity) -> identity.Fact:
    """The one fact that an identity is known by: its number, or its id."""
    known: Iterable[identity.Fact] = list(identity.facts(who))
    return next((one for one in known if one[0] == "phone"), next(iter(known)))


def _time(found: HitView) -> int:
    return found.occurred_at if found.occurred_at is not None else found.captured_at or 0
