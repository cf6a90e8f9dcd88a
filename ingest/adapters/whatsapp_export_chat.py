"""Which chat an export is of: it says no id (docs/decisions/0017).

Owns the title that a file's name and notices give, and the choice among the chats that the ledger
knows: by title, where the lines do not speak against it, and by the lines themselves where the
title changed. Two chats are never made one because their names are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest import align
from ingest.adapters.whatsapp_export_text import compared, name_of
from ingest.align import Line
from ingest.ledger import ImportLedger, LedgerLine
from ingest.likeness import LINES_MIN, Likeness
from schemas import identity

_EXTENSION: Final = re.compile(r"\.(?:txt|zip)$", re.IGNORECASE)
_COPY: Final = re.compile(r"(?:\s?\(\d{1,3}\)|\s-\s(?:copy|kopie|copie|copia)(?:\s?\(\d{1,3}\))?)$",
                          re.IGNORECASE)
_APP: Final = re.compile(r"whats\s?app|واتساب|ватсап", re.IGNORECASE)
# The word before the name, after the app's: "WhatsApp Chat with", "Чат WhatsApp с контактом".
_BEFORE: Final = re.compile(
    r"(?P<head>(?:[^ ]+ ){1,5}?)(?:with|mit|con|avec|com|met|с контактом|с|з|s uživatelem|"
    r"s používateľom|s kontaktom|s korisnikom|s|sa|dengan|z|med|cu|με τον|με|עם|مع|با|cùng với|với|"
    r"amb|partneriga|kanssa|as|-|–) (?P<name>.+)", re.IGNORECASE)
_AFTER: Final = (
    re.compile(r"(?P<name>.+?) (?:ile|ilə) whatsapp .{1,20}", re.IGNORECASE),
    re.compile(r"(?P<name>.+?) ?(?:님과의|님과|さんとの|との) ?whatsapp.{0,20}", re.IGNORECASE),
    re.compile(r"(?:与|與|和) ?(?P<name>.+?) ?的 ?whatsapp.{0,20}", re.IGNORECASE),
)
_STEM_CHARS_MAX: Final = 300
_WEEK_MINUTES: Final = 7 * 1440
_LOCATORS_A_WEEK: Final = 4
_FIRST_LINES: Final = 4
_LOCATORS_MAX: Final = 4_000
_CANDIDATES_MAX: Final = 8
_ZEROS: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class Title:
    """What the chat is called. `is_sure` = a name of the app's own making, a notice or a sender
    says it; else it is only what somebody called the file."""

    text: str
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat: its id for good, its conversation, and how it was recognised: new | file | title |
    lines | other_title (another chat has this name) | resembles (new, though most of its lines
    are those of a chat of another name)."""

    chat_id: str
    conversation: str
    how: str


def title_of(names: Sequence[str], authors: Sequence[str], groups: Sequence[str],
             me: str | None) -> Title | None:
    """The title, from file names (the nearest first), the senders of messages, the senders that
    only notices have, and the custodian's own name; null where nothing says it."""
    stems = [stem_of(one) for one in names]
    for stem in stems:
        found = from_stem(stem)
        if found:
            return Title(found, True)
    if len(groups) == 1:
        return Title(groups[0], True)
    others = [one for one in authors if one != me]
    if me is not None and len(others) == 1 and len(authors) == 2:
        return Title(others[0], True)
    for stem in stems:
        named = [one for one in authors if one and one.casefold() in stem.casefold()]
        if len(authors) <= 2 and len(named) == 1:
            return Title(named[0], True)
    for stem in stems:
        if stem and stem.casefold() != "_chat":
            return Title(stem, False)
    return None


def stem_of(name: str) -> str:
    """A file's name without its ending and what a copy adds to it."""
    plain = _EXTENSION.sub("", unicodedata.normalize("NFC", name)[:_STEM_CHARS_MAX])
    return compared(_COPY.sub("", compared(plain)))


def from_stem(stem: str) -> str | None:
    """The chat's name in a file name of the app's own making, or null."""
    if not _APP.search(stem):
        return None
    for pattern in _AFTER:
        match = pattern.fullmatch(stem)
        if match:
            return name_of(match["name"])
    match = _BEFORE.fullmatch(stem)
    if match and _APP.search(match["head"]):
        return name_of(match["name"])
    return None


def scope_of(account: str, me: str | None) -> str:
    """Within what chats are told apart: the account, else the custodian's own name, else "". A
    chat of one custodian is never another's."""
    if account:
        return account
    return f"me:{name_of(me)}" if me is not None and name_of(me) else ""


class Chats:
    """The chats that the ledger knows for one account, or for one custodian without an account."""

    def __init__(self, ledger: ImportLedger, account: str, me: str | None = None,
                 is_number: Callable[[bytes], bool] = lambda _author: False) -> None:
        """`is_number` says whether an author of a line is shown as a telephone number."""
        self._ledger = ledger
        self._account = account
        self._is_number = is_number
        self._renamed: dict[str, Mapping[bytes, bytes]] = {}
        self._scope = scope_of(account, me)

    def find(self, title: Title | None, lines: Sequence[Line], peer: str | None,
             sha256: bytes) -> Chat:
        """The chat that `lines` are of. `peer` is the other side's number in a chat of two,
        `sha256` the file's: the very same file is of the same chat, whatever it shows."""
        for known in self._ledger.lines(self._file_key(title, sha256)):
            return Chat(known.line_id, self._conversation(known.line_id)
                        or f"export:{known.line_id}", "file")
        titled = self._titled(title) if title else []
        best: tuple[int, str, str] | None = None
        for chat_id in titled:
            likeness = self._likeness(chat_id, lines)
            if title is not None and self._is_of_title(title, likeness):
                best = max(best or (-1, "", ""), (likeness.common, chat_id, "title"))
        resembles = False
        if best is None or best[0] == 0:
            for chat_id in self._located(lines):
                if chat_id in titled:
                    continue
                likeness = self._likeness(chat_id, lines)
                if self._is_of_lines(title, chat_id, likeness):
                    best = max(best or (-1, "", ""), (likeness.common, chat_id, "lines"))
                resembles = resembles or likeness.is_like
        if best is not None:
            _, chat_id, how = best
            return Chat(chat_id, self._conversation(chat_id) or f"export:{chat_id}", how)
        chat_id = self._new_id(title, lines, len(titled))
        conversation = f"export:{chat_id}"
        own = identity.phone(self._account)
        if peer is not None and own is not None and own.native_id == self._account:
            # Both numbers are known: the conversation that the provider's door makes too.
            conversation = identity.pair(self._account, peer)
        how = "other_title" if titled else "resembles" if resembles else "new"
        return Chat(chat_id, conversation, how)

    def renamed(self, chat_id: str, lines: Sequence[Line]) -> Mapping[bytes, bytes]:
        """Authors of `lines`, those that `find` was asked about -> whom of the chat they are."""
        if chat_id not in self._renamed:
            self._likeness(chat_id, lines)
        return self._renamed[chat_id]

    def _likeness(self, chat_id: str, lines: Sequence[Line]) -> Likeness:
        found = Likeness(self.lines(chat_id), lines, self._is_number)
        self._renamed[chat_id] = found.renamed
        return found

    def _is_of_title(self, title: Title, likeness: Likeness) -> bool:
        """Whether a chat of this very title is this one."""
        if likeness.differs:
            return False
        if not title.is_sure and (likeness.has_other_people
                                  or (likeness.common and likeness.authors < 2)):
            # Somebody called two files the same; one text to many makes lines of one author equal.
            return False
        if likeness.common:
            return likeness.is_partly_known
        # Where nobody said whose chat it is, a title alone could be anybody's.
        return likeness.is_at_other_hours or bool(self._scope and not likeness.speaks_against)

    def _is_of_lines(self, title: Title | None, chat_id: str, likeness: Likeness) -> bool:
        """Whether a chat of another title is this one."""
        if likeness.common < LINES_MIN or likeness.authors < 2:
            return False
        if likeness.is_overwhelming:
            return True
        if title is not None and title.is_sure and self._ledger.has(self._sure_fact(chat_id)):
            return False             # both have a name of their own
        # A file without a name: the same people, and all of the shorter one is in the other.
        return (not likeness.renamed and likeness.common == likeness.shorter
                and likeness.is_without_contradiction)

    def lines(self, chat_id: str) -> Sequence[LedgerLine]:
        """What is remembered of a chat."""
        return self._ledger.lines(self.key(chat_id))

    def key(self, chat_id: str) -> bytes:
        """The name of a chat's lines in the ledger."""
        return self._ledger.digest("export/lines", self._scope, chat_id)

    def remember(self, chat: Chat, title: Title | None, lines: Sequence[Line]) -> None:
        """Remember by what the chat will be found again."""
        if not self._conversation(chat.chat_id):
            self._ledger.remember(self._chat_key(chat.chat_id), (_note(chat.conversation),))
        if title is not None and title.is_sure:
            self._ledger.add(self._sure_fact(chat.chat_id))
        names = [self._title_key(title)] if title else []
        for key in (*names, *self._locators(lines)):
            known = self._ledger.lines(key)
            if all(one.line_id != chat.chat_id for one in known):
                self._ledger.remember(key, (*known, _note(chat.chat_id)))

    def remember_file(self, chat: Chat, title: Title | None, sha256: bytes) -> None:
        """That a file under a title is of this chat."""
        self._ledger.remember(self._file_key(title, sha256), (_note(chat.chat_id),))

    def _titled(self, title: Title) -> list[str]:
        return [one.line_id for one in self._ledger.lines(self._title_key(title))]

    def _located(self, lines: Sequence[Line]) -> list[str]:
        hits: Counter[str] = Counter()
        for key in self._locators(lines):
            hits.update({one.line_id for one in self._ledger.lines(key)})
        ranked = sorted(hits.items(), key=lambda one: (-one[1], one[0]))
        return [chat_id for chat_id, _ in ranked[:_CANDIDATES_MAX]]

    def _conversation(self, chat_id: str) -> str:
        notes = self._ledger.lines(self._chat_key(chat_id))
        return notes[0].line_id if notes else ""

    def _new_id(self, title: Title | None, lines: Sequence[Line], others: int) -> str:
        parts: list[str | bytes] = [title.text] if title is not None else [
            line.author + line.body + str(line.minute).encode() for line in lines[:_FIRST_LINES]]
        while True:
            found = self._ledger.digest("export/chat-id", self._scope, str(others), *parts).hex()
            # What is no known chat's by its lines must not become one by its id.
            if not self._conversation(found):
                return found
            others += 1

    def _title_key(self, title: Title) -> bytes:
        return self._ledger.digest("export/title", self._scope, title.text)

    def _file_key(self, title: Title | None, sha256: bytes) -> bytes:
        return self._ledger.digest("export/of-file", self._scope, title.text if title else "",
                                   sha256)

    def _sure_fact(self, chat_id: str) -> bytes:
        """That a chat has a name that is not only a file's."""
        return self._ledger.digest("export/sure-title", self._scope, chat_id)

    def _chat_key(self, chat_id: str) -> bytes:
        return self._ledger.digest("export/chat", self._scope, chat_id)

    def _locators(self, lines: Sequence[Line]) -> list[bytes]:
        """A few lines of each week, the same ones whichever export they are read from."""
        weeks: dict[int, set[bytes]] = {}
        said = [line for line in lines if line.kind == align.MESSAGE]
        chosen = [(line.minute // _WEEK_MINUTES, line.body) for line in said[:_FIRST_LINES]]
        for line in said:
            weeks.setdefault(line.minute // _WEEK_MINUTES, set()).add(line.body)
        for week, bodies in sorted(weeks.items()):
            chosen += [(week, body) for body in sorted(bodies)[:_LOCATORS_A_WEEK]]
        distinct = dict.fromkeys(chosen[:_LOCATORS_MAX])
        return [self._ledger.digest("export/where", self._scope, str(week), body)
                for week, body in distinct]


def _note(said: str) -> LedgerLine:
    return LedgerLine(said, 0, None, _ZEROS, _ZEROS, 0, align.NOTICE)
