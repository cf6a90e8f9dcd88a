"""Questions of the console: a Searcher for each thread of its pool, over one vocabulary.

Owns which parts are a thread's own (an index is) and which are shared (the words of the archive,
under a lock, because there may be millions).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import structlog

from infra.wire import Wire
from schemas.directory import Directory
from schemas.errors import CounterfoilError
from search.access.pseudonyms import Pseudonyms
from search.access.viewer import Viewer
from search.audit import Auditor
from search.conversation import PAGE_DEFAULT, ConversationView
from search.explain import Explanation
from search.facets import Facets
from search.files import FileView
from search.index import Retired
from search.lately import Lately
from search.searcher import Answer, Beside, Language, Locale, Searcher
from search.thread import MessageView
from search.vocabulary import Expander
from search.web.ports import FacetsView, FacetValue
from search.words import Exact, Slot

T = TypeVar("T")

_LABELS: Final = {
    "in": "received", "out": "sent", "whatsapp": "WhatsApp", "sms": "SMS", "mms": "MMS",
}


class SharedExpander:
    """One vocabulary for all threads, one at a time: whoever has a pattern while the words are
    read waits for that, and nothing is read twice."""

    def __init__(self, expander: Expander) -> None:
        self._expander = expander
        self._lock = threading.Lock()

    def expand(self, slot: Slot, terms_max: int) -> tuple[str, ...]:
        """See Expander."""
        if isinstance(slot, Exact):
            return (slot.term,)
        with self._lock:
            return self._expander.expand(slot, terms_max)

    def read(self) -> None:
        """See Expander."""
        with self._lock:
            self._expander.read()


class SearchDesk:
    """Implements `search.web.ports.SearchPort`. For any number of threads."""

    def __init__(self, wire: Wire, auditor: Auditor, directory: Callable[[], Directory],
                 lately: Lately) -> None:
        """`lately`: what all desks of this console share of the index."""
        self._wire, self._auditor, self._directory = wire, auditor, directory
        self._tokenizer = wire.tokenizer()
        search = wire.config.search
        self._locale = Locale(ZoneInfo(search.zone), search.region)
        language = wire.language(wire.indexes(), wire.reader())
        expander = language.expander
        self._words = SharedExpander(expander) if expander else None
        self._language = Language(language.lists, language.stems, self._words)
        self._lately = lately
        self._local = threading.local()

    def preload(self) -> None:
        """Read the words of the archive, for the first pattern that somebody asks for. What goes
        wrong is that one's to say: it reads them then."""
        if self._words is None:
            return
        try:
            self._words.read()
        except CounterfoilError as error:
            structlog.get_logger().bind(role="console").warning(
                "words not read yet", error=type(error).__name__)

    def search(self, query: str, viewer: Viewer, limit: int, after: str | None) -> Answer:
        """See SearchPort."""
        return self._ask(lambda own: own.search(query, viewer, limit, after))

    def page(self, query: str, viewer: Viewer, limit: int, fields: Sequence[str],
             top: int) -> tuple[Answer, FacetsView]:
        """See SearchPort."""
        found = self._ask(lambda own: own.search(query, viewer, limit,
                                                 beside=Beside(tuple(fields), top)))
        return found, self._view(found.facets or {}, viewer)

    def explain(self, query: str, viewer: Viewer) -> Explanation:
        """See SearchPort."""
        return self._ask(lambda own: own.explain(query, viewer))

    def view(self, doc_id: str, viewer: Viewer, around: int) -> MessageView:
        """See SearchPort."""
        return self._ask(lambda own: own.view(doc_id, viewer, around))

    def file(self, doc_id: str, number: int, viewer: Viewer) -> FileView:
        """See SearchPort."""
        return self._ask(lambda own: own.file(doc_id, number, viewer))

    def conversation(self, token: str, viewer: Viewer, *, at: str | None = None,
                     before: str | None = None, after: str | None = None,
                     limit: int = PAGE_DEFAULT) -> ConversationView:
        """See SearchPort."""
        return self._ask(lambda own: own.conversation(
            token, viewer, at=at, before=before, after=after, limit=limit))

    def facets(self, query: str, viewer: Viewer, fields: Sequence[str], top: int) -> FacetsView:
        """See SearchPort."""
        found = self._ask(lambda own: own.facets(query, viewer, fields, top))
        return self._view(found, viewer)

    def _view(self, found: Facets, viewer: Viewer) -> FacetsView:
        return {field: self._named(field, values, viewer) for field, values in found.items()}

    def _named(self, field: str, values: Sequence[tuple[str, int]],
               viewer: Viewer) -> tuple[FacetValue, ...]:
        """Values as a query takes them. An index knows custodians by their tokens only."""
        if field != "custodian" or viewer.pseudonyms:
            return tuple(FacetValue(value, _LABELS.get(value, value), count)
                         for value, count in values)
        people = {self._tokenizer.named("custodian", one.custodian_id): one
                  for one in self._directory().custodians}
        return tuple(FacetValue(people[value].custodian_id, people[value].name, count)
                     for value, count in values if value in people)

    def _ask(self, ask: Callable[[Searcher], T]) -> T:
        """An answer of this thread's searcher. An index that was current a moment ago may be gone:
        the next one is asked. Nothing of the first try is recorded, for nothing was shown."""
        try:
            return ask(self._own())
        except Retired:
            self._lately.forget()
            return ask(self._own())

    def _own(self) -> Searcher:
        own: Searcher | None = getattr(self._local, "searcher", None)
        if own is None:
            wire = self._wire
            own = self._local.searcher = Searcher(
                wire.indexes(), wire.reader(), self._tokenizer, self._auditor, self._locale,
                self._language, pseudonyms=lambda: Pseudonyms(self._tokenizer, self._directory()),
                lately=self._lately)
        return own
