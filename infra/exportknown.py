"""Why a record that was not chosen is known all the same: what a package lists it as.

Owns one question about one record, asked of the index as it was at the export's checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from archive.cell import CellEvent
from archive.tlog.leaf import Leaf
from infra.exportchoice import records
from schemas import codec
from schemas.document import Document
from schemas.errors import Refused
from schemas.events import EventPart
from schemas.identity import message_key
from search import project
from search.export import complete
from search.export.gather import at_checkpoint
from search.export.leaves import Leaves
from search.export.model import NOT_CHOSEN, UNREADABLE
from search.export.places import Place
from search.index import Asked, fetched
from search.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Known:
    """Of one export. `index`: all of it, whoever asks; `size`: leaves of the checkpoint; `named`:
    tokens of the conversations that it is about, none = it is about whole custodians."""

    index: Asked
    tokenizer: Tokenizer
    leaves: Leaves
    size: int
    named: frozenset[str]

    def why(self, leaf: Leaf, place: Place, event: CellEvent) -> str:
        """NOT_CHOSEN of a message that stands in a conversation which nobody named: a receipt may
        come under another name than its message. UNREADABLE of what the index holds as a record
        and not as a message. "" where the index does not know it, or should have given it.

        Raises Refused where a message of a named conversation stands under another name, and would
        be left out.
        """
        found = self._document(event)
        if found is None or not any(
                (self.leaves.number(one), one.position) == place for one in records(found)):
            return UNREADABLE if self._is_kept_only(leaf, event) else ""
        if not found.conversation and all(one.part is not None for one in found.entries):
            return UNREADABLE                  # nobody can put them together
        if not self.named or found.conversation in self.named:
            return ""
        if any(one.conversation in self.named and one.kind in project.VERSION_KINDS
               for one in found.entries):
            raise Refused(
                f"a message of the conversation stands under another name of it, too: name both, "
                f"with --conversation {found.conversation} besides, in another folder")
        return NOT_CHOSEN

    def _document(self, event: CellEvent) -> Document | None:
        """As it was at the checkpoint: what came later may have given it another conversation."""
        try:
            said = codec.decode(event.datum)
        except Refused:
            return None
        key = said.message_key if isinstance(said, EventPart) else message_key(said)
        ((_, found),) = fetched(self.index, [self.tokenizer.document(key)])
        return at_checkpoint(found, self.leaves, self.size) if found else None

    def _is_kept_only(self, leaf: Leaf, event: CellEvent) -> bool:
        where = complete.pointer_of(leaf)
        name = self.tokenizer.place(where.topic_id, where.partition, event.offset, event.index)
        ((_, found),) = fetched(self.index, [name])
        return found is not None
