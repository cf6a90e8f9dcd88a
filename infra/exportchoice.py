"""What a selection means for one viewer, at one look at the index.

Owns the ways from a selection to messages and to the places of their records; what is chosen by
them is `search/export/select.py`, what is made of it `infra/exports.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.holds import Holding
from infra.reviewing import policy_of
from infra.wire import Wire
from schemas.assignment import Assignment, Assignments
from schemas.directory import Directory
from schemas.document import Document
from schemas.errors import Missing, Refused
from schemas.wire import Pointer
from search.access.bound import Look
from search.access.people import withheld_conversations
from search.access.scope import EVERYTHING
from search.access.viewer import Viewer
from search.bodies import Bodies
from search.export.granted import Progress
from search.export.leaves import Leaves
from search.export.places import Places
from search.export.select import CAPTURED, Privilege, Selection, Selector, Ways, is_captured
from search.export.wanted import Wanted
from search.index import Asked, fetched
from search.links import LinkReader
from search.parse import parse
from search.query import Compiler, Or, TokenQuery, flatten, party_values
from search.reading import ReadingIndex
from search.searcher import Language
from search.tokens import NONE, Tokenizer

_SAID_EACH: Final = 500


class _Custodians:
    """Whose messages are, as capture said. Somebody who is in the directory no more is named by the
    event itself, which is read once."""

    def __init__(self, tokenizer: Tokenizer, directory: Directory, bodies: Bodies) -> None:
        self._bodies = bodies
        self._named = {tokenizer.named("custodian", one.custodian_id): one.custodian_id
                       for one in directory.custodians}
        self._met: set[str] = set()

    def meet(self, found: Document) -> None:
        """One message."""
        for entry in found.entries:
            if entry.custodian in self._met or not entry.custodian:
                continue
            if entry.custodian not in self._named:
                with suppress(Missing, Refused):
                    self._named[entry.custodian] = self._bodies.event(found, entry).custodian
            if entry.custodian in self._named:
                self._met.add(entry.custodian)

    def met(self) -> frozenset[str]:
        """Their ids."""
        return frozenset(self._named[one] for one in self._met if self._named[one])


@dataclass(frozen=True, slots=True)
class Asking:
    """What every question of one export is asked with."""

    wire: Wire
    viewer: Viewer
    bodies: Bodies
    tokenizer: Tokenizer
    links: LinkReader
    directory: Directory
    language: Language
    progress: Progress


class Choice:
    """Of one viewer. Everything raises Transient, QueryError, Missing and Refused."""

    def __init__(self, asking: Asking, look: Look) -> None:
        self._asking, self._look = asking, look

    def select(self, wanted: Wanted) -> Selection:
        """What is chosen of what the viewer sees."""
        return self._selector(wanted, self._look.shown).select(wanted)

    def hides(self, wanted: Wanted) -> bool:
        """Whether the viewer does not see all of it: then nothing can be said of the rest."""
        if self._asking.viewer.scope == EVERYTHING or not wanted.is_whole:
            return False
        return any(self._look.whole.count(asked) != self._look.shown.count(asked)
                   for asked in self._selector(wanted, self._look.whole).whole(wanted))

    def outside(self, wanted: Wanted, leaves: Leaves) -> Places:
        """Places of the same question's records outside of its period."""
        return _places(self._selector(wanted, self._look.whole).outside(wanted), leaves)

    def beside(self, wanted: Wanted, chosen: Selection, leaves: Leaves) -> Places:
        """Places of other people's records under a number of the conversation."""
        return _places(self._beside(wanted, chosen, self._look.whole), leaves)

    def others(self, wanted: Wanted, chosen: Selection) -> int:
        """How many messages of other people the viewer sees under a number of the conversation."""
        return sum(1 for _ in self._beside(wanted, chosen, self._look.shown))

    def documents(self, chosen: Selection) -> Iterator[Document]:
        """What was chosen, as the index has it."""
        ids = [one.doc_id for one in chosen.chosen]
        for at, (_, found) in enumerate(fetched(self._look.shown, ids)):
            if at % _SAID_EACH == 0:
                self._asking.progress("looking", at, len(ids))
            if found is not None:
                yield found

    def needed(self, chosen: Selection, leaves: Leaves) -> tuple[int, frozenset[str]]:
        """(the size that a checkpoint must have, whose messages were chosen). Raises Refused where
        nothing of a message is in the log yet."""
        asking = self._asking
        size, custodians = 0, _Custodians(asking.tokenizer, asking.directory, asking.bodies)
        for found in self.documents(chosen):
            known = [one for one in map(leaves.number, records(found)) if one is not None]
            if not known:
                raise Refused(f"message {found.doc_id} is not in the transparency log yet: "
                              "`counterfoil notary --once` brings it up to date; then export again")
            size = max(size, max(known) + 1)
            custodians.meet(found)
        return size, custodians.met()

    # -- helpers

    def _beside(self, wanted: Wanted, chosen: Selection, index: Asked) -> Iterator[Document]:
        taken: set[str] = set()
        for found in self._selector(wanted, index).beside(wanted, chosen.chosen):
            taken = taken or {one.doc_id for one in chosen.chosen}
            if found.doc_id not in taken:
                yield found

    def _selector(self, wanted: Wanted, index: Asked) -> Selector:
        asking, look = self._asking, self._look
        policy = policy_of(asking.wire)
        privilege = Privilege(frozenset(policy.privileged.compartments),
                              withheld_conversations(policy, asking.directory))
        if asking.tokenizer.text == NONE:
            # The index holds no words: they are looked for in the texts themselves.
            index = ReadingIndex(index, asking.bodies, asking.language.stems,
                                 lambda done, of: asking.progress("reading", done, of))
        return Selector(
            index, asking.tokenizer, privilege,
            Ways(lambda text: self._compiled(text, wanted),
                 lambda found: asking.links.conversations(look.whole, found), self._held,
                 lambda custodian: look.assigned.windows(lambda one: one == custodian)),
            lambda found: asking.progress("looking", found, 0))

    def _compiled(self, text: str, wanted: Wanted) -> TokenQuery:
        asking, look = self._asking, self._look
        region = asking.wire.config.search.region
        tree = parse(text, zone=zone_of(wanted.zone), lists=asking.language.lists)
        return Compiler(
            text, asking.tokenizer, region, assigned=look.assigned,
            links=asking.links.of_values(look.whole, party_values(tree), region),
            expander=asking.language.expander, party=None,
            counts_exactly=asking.viewer.scope == EVERYTHING).compiled(tree)

    def _held(self, hold_id: str) -> TokenQuery:
        holding = Holding(self._asking.wire)
        index = holding.index()
        facts = holding.facts(index)
        hold = next((one for one in facts.holds() if one.hold_id == hold_id), None)
        if hold is None or index is None:
            raise Missing(f"there is no hold {hold_id}: see `counterfoil hold list`")
        sources = holding.sources(index)
        asked = [sources.asked(scope) for scope in hold.scopes]
        return TokenQuery(flatten(Or(tuple(one.root for one in asked))),
                          CAPTURED.intersection(frozenset().union(*(one.kinds for one in asked))))


def records(found: Document) -> list[Pointer]:
    """Each record of a message once, without what the firm says of it."""
    return list(dict.fromkeys(one.pointer for one in found.entries if is_captured(one)))


def zone_of(name: str) -> ZoneInfo:
    """Raises Refused."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused(f"--zone {name}: no time zone; write Europe/London, for example") from error


def whose(look: Look, every: Iterable[Assignment]) -> Look:
    """The look with these decisions alone on whose unassigned messages are."""
    return replace(look, assigned=Assignments(every))


def _places(found: Iterable[Document], leaves: Leaves) -> Places:
    return Places((leaf, pointer.position) for one in found for pointer in records(one)
                  if (leaf := leaves.number(pointer)) is not None)
