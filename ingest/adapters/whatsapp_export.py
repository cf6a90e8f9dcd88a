"""WhatsApp chat exports (.txt, .zip) -> events, once each however often a chat is exported.

Owns the three readings of a file: what its dates mean and where messages begin, which known line
each line is (`ingest/align.py`), and the events. An export is custody alone: no id, no signature,
no zone; what a custodian could have edited never changes what a provider signed (PROTOCOL C5).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import BinaryIO, Final, cast
from zoneinfo import ZoneInfo

from ingest import align
from ingest.adapters import whatsapp_export_bodies as bodies
from ingest.adapters import whatsapp_export_dates as dates
from ingest.adapters import whatsapp_export_lines as lines
from ingest.adapters import whatsapp_export_zip as container
from ingest.adapters.whatsapp_export_chat import (
    Chat,
    Chats,
    Title,
    from_stem,
    scope_of,
    stem_of,
    title_of,
)
from ingest.adapters.whatsapp_export_events import (
    CHANNEL,
    PLACEHOLDER_TYPE,
    SOURCE,
    Before,
    Setting,
    Shown,
    Writer,
    line_of,
)
from ingest.adapters.whatsapp_export_lines import Block, Scan
from ingest.adapters.whatsapp_export_text import identity_of, name_of
from ingest.adapters.whatsapp_export_zip import Container, Forgiving
from ingest.align import Alignment, Line
from ingest.imports import (
    EDIT,
    KNOWN,
    NEW,
    NOTED,
    RETRACTION,
    Answers,
    Found,
    ImportedFile,
    Item,
    Member,
    NeedsAnswer,
    Remark,
    Unreadable,
)
from ingest.ledger import ImportLedger, LedgerLine
from schemas import events, limits, media
from schemas.errors import Refused
from schemas.events import CapturedEvent

__all__ = ["CHANNEL", "SOURCE", "WhatsAppExport", "restore", "restore_file"]

_PROBE_BYTES: Final = 64 * 1024
# Fewer letters than this of a file's name do not tell a sender's.
_NAME_LETTERS_MIN: Final = 4
_HOW_KNOWN: Final = {"stated", "four_digits", "value", "same"}
_NO_HASH: Final = bytes(16)


class WhatsAppExport:
    """Implements `ingest.imports.Reader`."""

    source = SOURCE
    is_one_chat = True

    def recognises(self, file: ImportedFile) -> bool:
        """A zip that holds a text with messages, or such a text."""
        try:
            if file.size == 0:
                return False
            found = container.contained(file)
            with found.open_text() as stream:
                return container.looks_like_chat(stream.read(_PROBE_BYTES))
        except Refused:
            # A zip that names a chat is ours to refuse, with the reason.
            return "whatsapp" in file.name.casefold() and file.name.casefold().endswith(".zip")

    def read(self, file: ImportedFile, answers: Answers, ledger: ImportLedger) -> Iterator[Item]:
        """See `Reader.read`. `ledger` is told when the last item was taken, not before."""
        return _Reading(file, answers, ledger).items()


def restore(found: Sequence[CapturedEvent], ledger: ImportLedger) -> None:
    """Tell a ledger that was lost what the archive's events of one account and chat say of it, in
    order of capture. Its key must be the one that they were made with. Which files are stored is
    told by `restore_file`."""
    kept: dict[str, LedgerLine] = {}
    for event in found:
        text, line_id = event.detail("line"), event.target or event.native_id
        if text is not None and line_id is not None:
            line = line_of(line_id, text)
            _restore_line(event, line, kept, ledger)
            shown = event.actor.display_name if event.actor is not None else None
            if shown and identity_of(shown).id_type == "e164":
                ledger.add(_number(ledger, line.author))
    if not found:
        return
    first = found[0]
    chat = Chat(first.detail("chat") or "", first.conversation, "title")
    chats = Chats(ledger, first.account, first.detail("me"))
    told = sorted(kept.values(), key=lambda one: (one.minute, one.second or 0))
    ledger.remember(chats.key(chat.chat_id), told)
    title = first.detail("title")
    chats.remember(chat, Title(title, True) if title else None, [
        Line(one.minute, one.second, one.author, one.body, one.kind) for one in told])
    for name, sha256 in sorted({(one.detail("title") or "", one.provenance_sha256)
                                for one in found if one.provenance_sha256}):
        chats.remember_file(chat, Title(name, True) if name else None, sha256)
        _remember_options(ledger, sha256, _Options(first.account, first.detail("me") or "", name))


def _restore_line(event: CapturedEvent, line: LedgerLine, kept: dict[str, LedgerLine],
                  ledger: ImportLedger) -> None:
    line_id = line.line_id
    former = kept.get(line_id)
    if event.kind == events.DERIVED:
        if event.detail("type") == PLACEHOLDER_TYPE:
            ledger.add(_variant(ledger, line_id, ledger.digest("export/body", bodies.HIDDEN_SAME)))
        else:
            ledger.add(ledger.digest("export/absent", line_id))
    elif former is None:
        kept[line_id] = line
    elif event.kind in (events.EDIT, events.RETRACTION) or (
            event.revision and former.kind == align.PLACEHOLDER):
        _changed(ledger, former, line.body)
        kept[line_id] = line
    elif event.revision:
        ledger.add(_variant(ledger, line_id, line.body))
    if event.kind == events.RETRACTION:
        ledger.add(ledger.digest("export/retracted" if event.target else "export/unclear",
                                 line_id))
    if any(one.state != "failed" for one in event.attachments):
        ledger.add(ledger.digest("export/shown", line_id))
        if event.revision.startswith("completed_by_export"):
            ledger.add(ledger.digest("export/completed", line_id))


def restore_file(fact: CapturedEvent, ledger: ImportLedger) -> None:
    """Tell a ledger that was lost of one media fact (`schemas/media.py`) about a file of an export:
    what is stored is not handed over again. Any other event is nothing to it."""
    for one in fact.attachments:
        if one.state == media.STORED and fact.target is not None and one.name:
            ledger.add(_stored(ledger, fact.target, one.name))


@dataclass(frozen=True, slots=True)
class _Options:
    """What was said of a file when it was read, "" = nothing, and the title that it had by that."""

    account: str
    me: str
    title: str

    def are_of(self, account: str, me: str) -> bool:
        """Whether `account` and `me` say the same, or only more or less: of the same custodian."""
        if self.me and me and self.me != me:
            return False
        if self.account and account:
            return self.account == account
        return not self.account or me in ("", self.me)


def _options_key(ledger: ImportLedger, sha256: bytes) -> bytes:
    return ledger.digest("export/options", sha256)


def _known_options(ledger: ImportLedger, sha256: bytes) -> list[_Options]:
    return [_Options(*json.loads(one.line_id))
            for one in ledger.lines(_options_key(ledger, sha256))]


def _remember_options(ledger: ImportLedger, sha256: bytes, options: _Options) -> None:
    known = _known_options(ledger, sha256)
    if options not in known:
        ledger.remember(_options_key(ledger, sha256), [
            LedgerLine(json.dumps([one.account, one.me, one.title]), 0, None, _NO_HASH, _NO_HASH,
                       0, align.NOTICE) for one in (*known, options)])


def _number(ledger: ImportLedger, author: bytes) -> bytes:
    """That an author of lines is shown as a telephone number."""
    return ledger.digest("export/number", author)


def _stored(ledger: ImportLedger, line_id: str, name: str) -> bytes:
    """That a line's file is in the store. The importer alone says so."""
    return ledger.digest("export/media", line_id, name)


def _variant(ledger: ImportLedger, line_id: str, body: bytes) -> bytes:
    return ledger.digest("export/variant", line_id, body)


def _changed(ledger: ImportLedger, former: LedgerLine, body: bytes) -> None:
    """A line has two bodies now: an export that shows either is known."""
    ledger.add(_variant(ledger, former.line_id, former.body))
    ledger.add(_variant(ledger, former.line_id, body))


@dataclass(slots=True)
class _Told:
    """What the ledger is told when all was read."""

    facts: list[bytes] = field(default_factory=list)
    changed: list[tuple[LedgerLine, bytes]] = field(default_factory=list)


class _Reading:
    """One file on its way to items."""

    def __init__(self, file: ImportedFile, answers: Answers, ledger: ImportLedger, *,
                 has_other_options: bool = False) -> None:
        """`has_other_options`: `answers` are those of an earlier reading of this very file."""
        self._file = file
        self._answers = answers
        self._ledger = ledger
        self._has_other_options = has_other_options
        self._numbers: set[bytes] = set()     # authors that are shown as a telephone number
        self._scope = scope_of(answers.account or "", answers.me)
        self._zone = _zone_of(answers.zone)
        self._container: Container = container.contained(file)
        self._damage: str | None = None
        with closing(self._text()) as stream:
            self._scan: Scan = lines.scan(stream)
            self._damage = cast("Forgiving", stream).reason
        self._order = self._order_of()
        last_year = datetime.fromtimestamp(answers.now / 1000, UTC).year + 1
        self._days = [dates.day_of(one, self._order.name, last_year)
                      for one in self._scan.stamps]
        lines.decide(self._scan, self._seconds)
        self._extended = self._names_with_colon()
        self._told = _Told()
        self._named: set[int] = set()         # files that a message names, by their place

    def _text(self) -> BinaryIO:
        return cast("BinaryIO", Forgiving(self._container.open_text()))

    # --- what the file is ---

    def _order_of(self) -> dates.Order:
        found = dates.order_of(self._scan.day_sequence(), self._scan.named_days,
                               self._answers.now, self._answers.day_first)
        if found.is_known:
            return found
        for order in (dates.DAY_FIRST, dates.MONTH_FIRST):
            if self._ledger.has(self._order_fact(order)):
                return dates.Order(order, "remembered")
        raise NeedsAnswer(
            "day_first", ("true", "false"),
            f"{self._file.name}: nothing in the file says whether 05/06 is the fifth of June or "
            "the sixth of May")

    def _order_fact(self, order: str) -> bytes:
        """That this very file was read in this order: it is not asked again."""
        return self._ledger.digest("export/order", self._file.sha256, order)

    def _seconds(self, number: int) -> int | None:
        day = self._days[self._scan.days[number]]
        if day is None:
            return None
        return day.number * 86_400 + self._scan.times[number] // 2

    def _names_with_colon(self) -> frozenset[str]:
        """Senders whose name goes on after the first colon: the file's name, a notice or the
        operator says so, never how often. Once decided, it stays decided."""
        stems = [stem_of(one) for one in (self._file.name, self._container.text_name)]
        titles = {_letters(from_stem(one) or one) for one in stems}
        me = name_of(self._answers.me) if self._answers.me is not None else None
        found: set[str] = set()
        for (name, more), marked in self._scan.colons.items():
            whole = name_of(f"{name}: {more}")
            letters = _letters(whole)
            is_named = (
                whole == me
                or (len(letters) >= _NAME_LETTERS_MIN and letters in titles)
                or any(whole in one for one in self._scan.colon_notices)
                or (marked and bodies.read(marked, has_sender=True).kind == align.NOTICE))
            if self._ledger.has(self._colon_fact(whole, is_whole=True)) or (
                    is_named and not self._ledger.has(self._colon_fact(whole, is_whole=False))):
                found.add(whole)
        return frozenset(found)

    def _colon_fact(self, whole: str, *, is_whole: bool) -> bytes:
        return self._ledger.digest("export/colon", self._scope, whole,
                                   "whole" if is_whole else "plain")

    def _colon_facts(self) -> Iterator[bytes]:
        for name, more in self._scan.colons:
            whole = name_of(f"{name}: {more}")
            yield self._colon_fact(whole, is_whole=whole in self._extended)

    # --- the readings ---

    def _shown(self) -> Iterator[Shown | Block]:
        """The messages in order; a block without a header as it is."""
        with closing(self._text()) as stream:
            for block in lines.blocks(stream, self._scan):
                yield block if block.number < 0 else self._message(block)

    def _message(self, block: Block) -> Shown:
        number = block.number
        first = block.lines[0]
        shape = self._scan.shape_names[self._scan.shapes[number]]
        sender, rest = lines.sender_of(first[lines.rest_at(first, shape):], self._extended)
        shown = "\n".join((rest, *block.lines[1:])) if len(block.lines) > 1 else rest
        seconds = self._seconds(number)
        day = self._days[self._scan.days[number]]
        assert seconds is not None
        assert day is not None
        minute, second = divmod(seconds, 60)
        return Shown(
            block, sender, bodies.read(shown, has_sender=sender is not None), minute,
            second if self._scan.times[number] % 2 else None, day.calendar,
            number in self._scan.displaced)

    def _lines(self) -> tuple[list[Line], list[str], list[str]]:
        """(the lines as the ledger sees them, senders of messages, senders of notices alone)."""
        found: list[Line] = []
        authors: dict[str, bytes] = {}
        said: Counter[str] = Counter()
        nobody = self._ledger.digest("export/author", "notice")
        for shown in self._shown():
            if isinstance(shown, Block):
                continue
            author = nobody
            name = name_of(shown.sender) if shown.sender is not None else ""
            if name:
                said[name] += shown.body.kind != align.NOTICE
            if shown.body.kind != align.NOTICE:
                if name not in authors:
                    authors[name] = self._ledger.digest("export/author", "name", name)
                    if identity_of(name).id_type == "e164":
                        self._numbers.add(authors[name])
                author = authors[name]
            body = self._ledger.digest("export/body", shown.body.same)
            found.append(Line(shown.minute, shown.second, author, body, shown.body.kind,
                              shown.body.edited, len(shown.body.text or "")))
        return (found, sorted(one for one, count in said.items() if count),
                sorted(one for one, count in said.items() if not count))

    def items(self) -> Iterator[Item]:
        found, authors, groups = self._lines()
        names = (self._file.name, self._container.text_name)
        me = name_of(self._answers.me) if self._answers.me is not None else None
        title = title_of(names, authors, groups, me)
        earlier = self._earlier_answers(names, authors, groups)
        if earlier is not None:
            yield from _Reading(self._file, earlier, self._ledger,
                                has_other_options=True).items()
            return
        peer = self._peer(title, authors, me)
        chats = Chats(self._ledger, self._answers.account or "", self._answers.me,
                      self._is_number)
        number = identity_of(peer) if peer is not None else None
        chat = chats.find(title, found,
                          number.native_id if number and number.id_type == "e164" else None,
            self._file.sha256)
        old = chats.lines(chat.chat_id)
        aligned = align.align(old, found, self._was_seen,
                              chats.renamed(chat.chat_id, found))
        kept, given = align.remembered(old, found, aligned, partial(self._line_id, chat.chat_id))
        if len(kept) > limits.EXPORT_LINES_MAX:
            raise Refused(f"{self._file.name}: with what is known of its chat it has more than "
                          f"{limits.EXPORT_LINES_MAX} messages: hand in what is newer alone, under "
                          "another --account or with another name of the chat in the file's name")
        until = max(((one.minute, one.second) for one in found), default=None,
                    key=lambda one: one[0])
        writer = Writer(Setting(
            self._answers, self._file.sha256, chat, title, peer is None, peer, self._zone,
            f"{self._order.name}:{self._order.how}:{self._order.votes}",
            dates.shown(*until) if until else ""))
        history = _History(self._ledger, self._scope, chat.chat_id)
        yield from self._remarks(chat, aligned)
        yield from self._events(_Aligned(old, aligned, given, history), writer)
        if not history.has(self._file.sha256):
            for at in aligned.absent:
                yield from self._absent(writer, old[at], history)
        yield from self._files(writer, chat)
        for info, reason in self._container.refused:
            yield from container.quarantined(self._file, info, reason)
        if self._damage is not None:
            yield Remark("cut_off", f"the text ends where it is damaged: {self._damage}", True)
        elif not found:
            yield Remark("no_messages", "no line of the text begins a message", True)
        if found:
            self._tell(chats, chat, title, found, kept)
            # The ledger is told of the file last: its facts are there when the file is.
            history.add(self._file.sha256, self._answers.now, found)

    def _tell(self, chats: Chats, chat: Chat, title: Title | None, found: Sequence[Line],
              kept: Sequence[LedgerLine]) -> None:
        """From here the ledger knows; whoever asked saves it when the events are durable."""
        ledger = self._ledger
        for former, body in self._told.changed:
            _changed(ledger, former, body)
        for fact in (*self._told.facts, *self._colon_facts(), self._order_fact(self._order.name)):
            ledger.add(fact)
        chats.remember(chat, title, found)
        chats.remember_file(chat, title, self._file.sha256)
        for author in sorted(self._numbers):
            ledger.add(_number(ledger, author))
        _remember_options(ledger, self._file.sha256, _Options(
            self._answers.account or "", self._me(), title.text if title else ""))
        ledger.remember(chats.key(chat.chat_id), kept)

    def _me(self) -> str:
        return name_of(self._answers.me) if self._answers.me is not None else ""

    def _is_number(self, author: bytes) -> bool:
        return author in self._numbers or self._ledger.has(_number(self._ledger, author))

    def _earlier_answers(self, names: Sequence[str], authors: Sequence[str],
                         groups: Sequence[str]) -> Answers | None:
        """Where this very file was read with other options that may be of the same custodian:
        with them it is known. Null = read it as it is said now."""
        known = _known_options(self._ledger, self._file.sha256)
        account, me = self._answers.account or "", self._me()
        if self._has_other_options or any((one.account, one.me) == (account, me) for one in known):
            return None
        for one in known:
            title = title_of(names, authors, groups, one.me or None)
            if one.are_of(account, me) and one.title == (title.text if title else ""):
                return replace(self._answers, account=one.account or None, me=one.me or None)
        return None

    def _peer(self, title: Title | None, authors: Sequence[str], me: str | None) -> str | None:
        """The other side where only two speak, else null."""
        if len(authors) > 2:
            return None
        if title is not None and title.is_sure and (title.text in authors or len(authors) < 2):
            return title.text
        others = [one for one in authors if one != me]
        if me is not None and len(others) == 1 and title is None:
            return others[0]
        return None

    def _was_seen(self, line_id: str, body: bytes) -> bool:
        return self._ledger.has(_variant(self._ledger, line_id, body))

    def _line_id(self, chat_id: str, line: Line, ordinal: int) -> str:
        digest = self._ledger.digest("export/line", chat_id, str(line.minute), line.author,
                                     line.body, str(ordinal))
        return f"export:{digest.hex()}"

    # --- items ---

    def _remarks(self, chat: Chat, aligned: Alignment) -> Iterator[Remark]:
        if self._container.others:
            yield Remark("two_texts", f"{self._container.text_name} is read as the chat; further "
                         f"texts: {', '.join(sorted(self._container.others))}")
        if self._order.how not in _HOW_KNOWN and self._scan.starts:
            yield Remark("date_order", f"{self._order.name}, told by {self._order.how}")
        if chat.how == "other_title":
            yield Remark("same_title", "another chat of this title is known; this is a second one")
        if chat.how == "lines":
            yield Remark("other_title", "recognised by its lines, not by its name")
        if chat.how == "resembles":
            yield Remark("maybe_renamed", "most of its lines are those of a chat of another name. "
                         "They are too few, or something speaks against it: it is taken for "
                         "another chat, and every line of it is imported")
        if self._has_other_options:
            yield Remark("other_options", "this very file was imported before with another "
                         "--account or --me: it stays as it was imported then, and what they say "
                         "now is not applied")
        if aligned.shift:
            yield Remark("zone_shift", f"its times lie {aligned.shift // 60} minutes after those "
                         "of an earlier export: it was made in another time zone")
        if aligned.renamed:
            yield Remark("renamed", f"{len(aligned.renamed)} senders have other names than in an "
                         "earlier export")

    def _events(self, known: _Aligned, writer: Writer) -> Iterator[Item]:
        number = -1
        for shown in self._shown():
            if isinstance(shown, Block):
                reason = "no message begins here" if shown.start == 0 else "more than a message"
                yield Unreadable(reason, shown.raw, shown.start, shown.end)
                continue
            number += 1
            yield from self._of_line(shown, known, number, writer)

    def _of_line(self, shown: Shown, known: _Aligned, number: int,
                 writer: Writer) -> Iterator[Found]:
        line, how = known.given[number], known.aligned.how[number]
        has_file, members = self._members(shown, line.line_id)
        is_more = self._is_more(shown, line, has_file)
        again = partial(writer.again, shown, line, has_file=has_file)
        if how == align.SAME:
            if is_more:
                self._completed(line, has_file)
                yield self._found(again("completed_by_export"), NOTED, shown, members)
            else:
                event = self._known(shown, line, writer, has_file)
                yield self._found(event, KNOWN, shown, members)
            return
        if how == align.FRESH:
            yield self._found(self._fresh(shown, line, known, number, writer, has_file), NEW,
                              shown, members)
            return
        former = known.old[known.aligned.known[number]]
        before = known.history.before(former)
        body = self._ledger.digest("export/body", shown.body.same)
        self._told.changed.append((former, body))
        if how == align.RETRACTED:
            self._told.facts.append(self._fact("retracted", line))
            yield self._found(writer.retraction(shown, line, before), RETRACTION, shown, ())
        elif how == align.HIDDEN:
            yield self._found(writer.hidden(shown, line, before), NOTED, shown, ())
        elif how == align.COMPLETED:
            self._completed(line, has_file)
            yield self._found(again("completed_by_export"), NOTED, shown, members)
        elif how == align.REVEALED:
            # Its tombstone was counted as new already.
            yield self._found(again("revealed_by_export"), NOTED, shown, members)
            if not self._ledger.has(self._fact("retracted", line)):
                # The deletion was taken for a message that somebody typed, or for anybody's: now
                # it is known better.
                event = writer.retraction(shown, line, None)
                yield self._found(event, RETRACTION, shown, ())
                self._told.facts.append(self._fact("retracted", line))
        elif how == align.REWORDED:
            yield self._found(again("reworded_by_export"), NOTED, shown, members)
        else:
            event = writer.edit(shown, line, before, marked=how == align.EDITED,
                                has_file=has_file)
            yield self._found(event, EDIT, shown, members)

    def _fresh(self, shown: Shown, line: LedgerLine, known: _Aligned, number: int, writer: Writer,
               has_file: bool) -> CapturedEvent:
        """What was never read before."""
        candidates = known.aligned.unclear.get(number, ())
        if candidates:
            self._told.facts.append(self._fact("unclear", line))
            return writer.unclear(shown, line, [known.old[at].line_id for at in candidates])
        if shown.body.kind == align.TOMBSTONE and not shown.body.is_ambiguous:
            self._told.facts.append(self._fact("retracted", line))
        return writer.message(shown, line, has_file=has_file)

    def _known(self, shown: Shown, line: LedgerLine, writer: Writer,
               has_file: bool) -> CapturedEvent:
        """What was read before, under the id that its event has: its file may still be missing."""
        if shown.body.kind == align.TOMBSTONE and self._ledger.has(self._fact("unclear", line)):
            return writer.unclear(shown, line, ())
        if has_file and self._ledger.has(self._fact("completed", line)):
            return writer.again(shown, line, "completed_by_export", has_file=True)
        return writer.message(shown, line, has_file=has_file)

    def _fact(self, label: str, line: LedgerLine) -> bytes:
        return self._ledger.digest(f"export/{label}", line.line_id)

    def _completed(self, line: LedgerLine, has_file: bool) -> None:
        if has_file:
            self._told.facts.append(self._fact("completed", line))

    def _is_more(self, shown: Shown, line: LedgerLine, has_file: bool) -> bool:
        """Whether this export shows of a line what none did before: its file, caption or votes.
        Whether the file was then stored is another question (`Member.fact`)."""
        facts = []
        if has_file:
            facts.append(self._fact("shown", line))
        if shown.body.extra:
            facts.append(self._ledger.digest("export/extra", line.line_id, shown.body.extra))
        fresh = [one for one in facts if not self._ledger.has(one)]
        self._told.facts += fresh
        return bool(fresh)

    def _found(self, event: CapturedEvent, how: str, shown: Shown,
               members: tuple[Member, ...]) -> Found:
        return Found(event, how, shown.block.repairs, members, self._behind(shown.block.end))

    def _behind(self, end: int) -> int:
        return self._file.size * end // max(1, self._scan.size)

    def _members(self, shown: Shown, line_id: str) -> tuple[bool, tuple[Member, ...]]:
        """(whether the line's file lies in the zip, the file, unless it is stored already)."""
        said = shown.body.media
        info = self._container.member(said.name) if said and said.name else None
        if info is None or said is None or said.name is None:
            return False, ()
        self._named.add(info.header_offset)
        stored = _stored(self._ledger, line_id, said.name)
        if self._ledger.has(stored):
            return True, ()
        return True, (Member(0, said.name, said.media_type, info.file_size,
                             partial(container.opened, self._file, info), stored),)

    def _absent(self, writer: Writer, line: LedgerLine, history: _History) -> Iterator[Found]:
        fact = self._ledger.digest("export/absent", line.line_id)
        # The app's own notices differ from one telephone to the next.
        if line.kind == align.NOTICE or self._ledger.has(fact):
            return
        self._told.facts.append(fact)
        yield Found(writer.absent(line, history.before(line)), NOTED, read=self._file.size)

    def _files(self, writer: Writer, chat: Chat) -> Iterator[Found]:
        """Files in the zip that no message names: they were handed over, so they are kept."""
        if not self._container.members:
            return
        for name, info in self._container.members.items():
            if info.header_offset in self._named:
                continue
            fact = self._ledger.digest("export/file", chat.chat_id, name, str(info.file_size),
                                       str(info.CRC))
            media_type = bodies.media_type_of(name)
            event = writer.file(name, info.file_size, media_type, f"export:{fact.hex()}")
            how = KNOWN if self._ledger.has(fact) else NOTED
            self._told.facts.append(fact)
            stored = _stored(self._ledger, event.native_id or "", name)
            member = Member(0, name, media_type, info.file_size,
                            partial(container.opened, self._file, info), stored)
            yield Found(event, how, (), () if self._ledger.has(stored) else (member,),
                        self._file.size)


@dataclass(frozen=True, slots=True)
class _Aligned:
    """The known lines, what the file's lines are to them, and what each is remembered as."""

    old: Sequence[LedgerLine]
    aligned: Alignment
    given: Sequence[LedgerLine]
    history: _History


class _History:
    """Which files of a chat were read: from which local minute to which, and when."""

    def __init__(self, ledger: ImportLedger, scope: str, chat_id: str) -> None:
        self._ledger = ledger
        self._key = ledger.digest("export/files", scope, chat_id)
        self._known = list(ledger.lines(self._key))

    def has(self, sha256: bytes) -> bool:
        """Whether this very file was read."""
        return any(one.body == sha256[:16] for one in self._known)

    def before(self, line: LedgerLine) -> Before:
        """The last export that showed a line as it is remembered. A message is there at its own
        time at the earliest; an export was made after the last line that it shows."""
        found = Before(line.minute, None)
        for one in self._known:
            last = one.minute + one.ordinal
            if one.minute <= line.minute <= last and last >= found.minute:
                found = Before(last, max(found.imported_at or 0, int(one.line_id)))
        return found

    def add(self, sha256: bytes, now: int, found: Sequence[Line]) -> None:
        """Remember a file that was read."""
        if self.has(sha256):
            return
        first = min(one.minute for one in found)
        last = max(one.minute for one in found)
        note = LedgerLine(str(now), first, None, _NO_HASH, sha256[:16], last - first,
                          align.NOTICE)
        self._ledger.remember(self._key, (*self._known, note))


def _zone_of(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Refused(f"no time zone is called {name}") from error


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
