"""One message of a chat export, and what it is to the lines known before -> its event.

Owns the fields: who, when (a local time has an instant only in a zone that somebody named), what,
and the ids. A line's id is its native id; what happens to the line later is about that id, and
never rewrites it (PROTOCOL C5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Final

from ingest import align
from ingest.adapters import whatsapp_export_dates as dates
from ingest.adapters.whatsapp_export_bodies import Body
from ingest.adapters.whatsapp_export_chat import Chat, Title
from ingest.adapters.whatsapp_export_lines import Block
from ingest.adapters.whatsapp_export_text import identity_of, name_of
from ingest.imports import Answers
from ingest.ledger import LedgerLine
from ingest.values import Facts
from schemas import events, identity
from schemas.events import Attachment, CapturedEvent, Delivery, Identity

SOURCE: Final = "whatsapp-export/1"
CHANNEL: Final = "whatsapp"
RAW_TYPE: Final = "text/plain"
_FUTURE_MS: Final = 10 * 60 * 1000
# No zone is further from UTC: without one, nothing is earlier than this before the local time.
_ZONE_MINUTES_MAX: Final = 14 * 60
_FOLD_MINUTES_MAX: Final = 180
# How many of the lines that an unclear tombstone may be about are named; all are counted.
_CANDIDATES_MAX: Final = 20
# The detail `type` of a placeholder where a message was known.
PLACEHOLDER_TYPE: Final = "placeholder_in_export"
_REPAIRS_OBSERVED: Final = {"bytes_replaced": "bytes_replaced", "nul_removed": "bytes_replaced"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for every event of a file. `peer` is the other side in a chat of two."""

    answers: Answers
    sha256: bytes
    chat: Chat
    title: Title | None
    is_group: bool
    peer: str | None
    zone: tzinfo | None
    order: str
    until: str                 # the last local time that the file shows

    @property
    def account(self) -> str:
        """The firm-side account, or "" where nobody said it."""
        return self.answers.account or ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as the file shows it: its bytes, sender (null = a notice), body and time."""

    block: Block
    sender: str | None
    body: Body
    minute: int
    second: int | None
    calendar: str
    displaced: bool


@dataclass(frozen=True, slots=True)
class Before:
    """What is known of the time before a change: the last local minute of an export that showed
    the line unchanged, and when that was imported (UTC ms)."""

    minute: int
    imported_at: int | None


class Writer:
    """Makes the events of one file, in its order."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._folded: tuple[int, bool] | None = None    # last local minute that occurred twice
        self._known_others: dict[str | None, tuple[Identity, ...]] = {}
        self._same: dict[str, Any] = {
            "kind": events.UNKNOWN, "channel": CHANNEL, "source": SOURCE,
            "account": setting.account, "conversation": setting.chat.conversation,
            "captured_at": setting.answers.now, "provenance": events.CUSTODIAN_SUPPLIED,
            "provenance_who": setting.answers.who, "provenance_sha256": setting.sha256,
            "zone": setting.answers.zone}

    def message(self, shown: Shown, line: LedgerLine, *, has_file: bool) -> CapturedEvent:
        """The line itself: a message, a call, a notice; of a sure tombstone, the retraction of
        what nobody knows."""
        body = shown.body
        if body.kind == align.TOMBSTONE and not body.is_ambiguous:
            return self.retraction(shown, line, None)
        observations = []
        if body.is_ambiguous:
            observations.append("ambiguous_marker")
        if body.edited:
            observations.append("edited_before_import")
        state, attachments = self._files(body, line.line_id, has_file)
        if body.kind == align.PLACEHOLDER:
            state = events.PLACEHOLDER
        return self._base(
            shown, line, kind=events.CALL if body.is_call else events.MESSAGE,
            native_id=line.line_id, text=body.text, content_state=state,
            attachments=attachments, observations=observations)

    def again(self, shown: Shown, line: LedgerLine, code: str, *,
              has_file: bool) -> CapturedEvent:
        """More of a known line, or other words for it: the same message told once more."""
        event = self.message(replace(shown, body=_plain(shown.body)), line, has_file=has_file)
        said = _short(code, shown.body.same, shown.body.extra, str(has_file))
        return replace(event, revision=f"{code}:{said}",
                       observations=tuple(sorted({*event.observations, code})))

    def edit(self, shown: Shown, line: LedgerLine, before: Before, *, marked: bool,
             has_file: bool) -> CapturedEvent:
        """Another body where a known one was. When is known as a window only."""
        state, attachments = self._files(shown.body, line.line_id, has_file)
        event = self._base(
            shown, line, kind=events.EDIT, content_state=state, text=shown.body.text,
            native_id=f"{line.line_id}.{_short(shown.body.same)}", attachments=attachments,
            observations=() if marked else ("changed_without_marker",))
        return self._about(event, line, before)

    def retraction(self, shown: Shown, line: LedgerLine, before: Before | None) -> CapturedEvent:
        """A tombstone. `before` is null where its text was never known."""
        event = self._taken_back(shown, line, native_id=f"{line.line_id}.retracted")
        # What was taken back was there at its own time at the earliest.
        return self._about(event, line, before or Before(shown.minute, None))

    def unclear(self, shown: Shown, line: LedgerLine,
                candidates: Sequence[str]) -> CapturedEvent:
        """A tombstone that is about one of several known lines, ids `candidates`: it accuses none
        of them. `line` is its own."""
        event = self._taken_back(shown, line, native_id=line.line_id)
        facts = Facts()
        facts.add("candidates", str(len(candidates)))
        facts.add("candidate_ids", " ".join(candidates[:_CANDIDATES_MAX]) or None)
        facts.update(event.details)
        event = self._about(
            replace(event, details=facts.pairs(),
                    observations=tuple(sorted({*event.observations, "target_ambiguous"}))),
            line, Before(shown.minute, None))
        return replace(event, target=None, target_known=events.ABSENT)

    def hidden(self, shown: Shown, line: LedgerLine, before: Before) -> CapturedEvent:
        """A placeholder where `line` was known. It says nothing of the message but that."""
        observations = ["hidden_by_export"]
        if shown.body.is_ambiguous:
            observations.append("ambiguous_marker")
        body = replace(shown.body, details=(("type", PLACEHOLDER_TYPE),))
        event = self._base(replace(shown, body=body), line, kind=events.DERIVED,
                           native_id=f"{line.line_id}.hidden", observations=observations)
        return self._about(event, line, before)

    def _taken_back(self, shown: Shown, line: LedgerLine, native_id: str) -> CapturedEvent:
        event = self._base(
            shown, line, kind=events.RETRACTION, native_id=native_id,
            content_state=events.ABSENT_BY_SOURCE,
            observations=("ambiguous_marker",) if shown.body.is_ambiguous else ())
        if dict(shown.body.details).get("deleted_by") == "admin":
            # Who it was stands in the details, as the name that the app shows.
            event = replace(event, actor=None, direction=None)
        return event

    def absent(self, line: LedgerLine, before: Before) -> CapturedEvent:
        """A known line that this file lacks. It says nothing about the message but that."""
        facts = self._facts(line)
        facts.add("type", "absent_in_export")
        facts.add("export_until", self._setting.until)
        event = replace(
            self._empty(), kind=events.DERIVED, native_id=f"{line.line_id}.absent",
            details=facts.pairs(), observations=("absent_in_export",))
        return self._about(event, line, before)

    def file(self, name: str, size: int, media_type: str | None, key: str) -> CapturedEvent:
        """A file in the zip that no message names."""
        facts = Facts()
        facts.add("type", "file_without_message")
        facts.add("chat", self._setting.chat.chat_id)
        attachment = Attachment(f"{key}/0", media_type, name, size)
        return replace(self._empty(), kind=events.UNKNOWN, native_id=key,
                       attachments=(attachment,), details=facts.pairs())

    def _empty(self) -> CapturedEvent:
        return CapturedEvent(**self._same, participants=self._others(None))

    def _base(self, shown: Shown, line: LedgerLine, **said: Any) -> CapturedEvent:
        """The event of a line with the fields `said`; observations are added to those."""
        observations = {_REPAIRS_OBSERVED[one] for one in shown.block.repairs
                        if one in _REPAIRS_OBSERVED}
        observations.update(said.pop("observations", ()))
        if shown.block.has_pasted:
            observations.add("pasted_header")
        if shown.displaced:
            observations.add("out_of_order")
        at, fold = self._instant(shown, observations)
        actor, direction = self._actor(shown)
        facts = self._facts(line)
        facts.update(shown.body.details)
        if shown.calendar != dates.GREGORIAN:
            facts.add("calendar", shown.calendar)
        facts.add("media", shown.body.media.name if shown.body.media else None)
        block = shown.block
        # One construction an event: `replace` on an event takes longer than all the rest of it.
        fields = {
            **self._same, "actor": actor, "direction": direction,
            "participants": self._others(actor), "occurred_at": at,
            "occurred_precision": "minute" if shown.second is None else "s",
            "occurred_meaning": "sent",
            "occurred_local": dates.shown(shown.minute, shown.second), "fold": fold,
            "observations": tuple(sorted(observations)), "details": facts.pairs(),
            "raw": block.raw, "raw_type": RAW_TYPE,
            "delivery": Delivery(self._setting.sha256[:16], block.start, block.end), **said}
        return CapturedEvent(**fields)

    def _facts(self, line: LedgerLine) -> Facts:
        setting = self._setting
        facts = Facts()
        facts.add("chat", setting.chat.chat_id)
        if not setting.account and setting.answers.me is not None:
            # Part of the chat's scope: the ledger is made again from the archive with it.
            facts.add("me", name_of(setting.answers.me))
        facts.add("line", line_text(line))
        facts.add("date_order", setting.order)
        facts.add("title", setting.title.text if setting.title else None)
        return facts

    def _about(self, event: CapturedEvent, line: LedgerLine, before: Before) -> CapturedEvent:
        """Give an event its target and its window: after `before`, not after it was imported."""
        facts = Facts()
        facts.add("not_before_local", dates.shown(before.minute, None))
        facts.add("previous_import_at", before.imported_at)
        facts.add("line_local", event.occurred_local)
        facts.update(event.details)
        return replace(
            event, target=line.line_id, target_known=events.INFERRED, occurred_at=None,
            occurred_precision=None, occurred_meaning=None, occurred_local=None, fold=None,
            occurred_not_before=self._not_before(before.minute), details=facts.pairs())

    def _not_before(self, minute: int) -> int:
        if self._setting.zone is None:
            return (minute - _ZONE_MINUTES_MAX) * dates.MINUTE_MS
        return dates.instant(minute, None, self._setting.zone).at

    def _instant(self, shown: Shown, observations: set[str]) -> tuple[int | None, int | None]:
        zone = self._setting.zone
        if shown.calendar == dates.UNKNOWN:
            observations.add("calendar_unknown")
            return None, None
        if zone is None:
            observations.add("zone_unknown")
            return None, None
        found = dates.instant(shown.minute, shown.second, zone)
        if found.is_missing:
            observations.add("local_time_missing")
        if found.fold is not None:
            observations.add("local_time_ambiguous")
            found = self._second_time(shown, zone, found)
        if found.at > self._setting.answers.now + _FUTURE_MS:
            observations.add("time_in_future")
        return found.at, found.fold

    def _second_time(self, shown: Shown, zone: tzinfo, first: dates.Instant) -> dates.Instant:
        """Of an hour that occurs twice: the first time, until the lines go back in time in it."""
        is_second = False
        if self._folded is not None and abs(shown.minute - self._folded[0]) < _FOLD_MINUTES_MAX:
            is_second = self._folded[1] or shown.minute < self._folded[0]
        self._folded = shown.minute, is_second
        if not is_second:
            return first
        return dates.instant(shown.minute, shown.second, zone, second_time=True)

    def _actor(self, shown: Shown) -> tuple[Identity | None, str | None]:
        setting = self._setting
        if shown.sender is None:
            return None, None
        who = identity_of(shown.sender)
        title = setting.title.text if setting.title else None
        if shown.body.kind == align.NOTICE and setting.is_group and who.native_id == title:
            return None, None             # the group itself, on iOS
        me = setting.answers.me
        if me is None:
            return who, None
        if name_of(me) != who.native_id:
            return who, None if shown.body.kind == align.NOTICE else events.IN
        own = identity.phone(setting.account)
        if own is not None and own.native_id == setting.account:
            who = Identity(own.native_id, own.id_type, shown.sender)
        return who, events.OUT

    def _others(self, actor: Identity | None) -> tuple[Identity, ...]:
        name = actor.native_id if actor else None
        known = self._known_others.get(name)
        if known is None:
            known = self._known_others[name] = self._sides(actor)
        return known

    def _sides(self, actor: Identity | None) -> tuple[Identity, ...]:
        """Everyone that is known of the chat, apart from `actor`."""
        setting = self._setting
        found: list[Identity] = []
        own = identity.phone(setting.account)
        if own is not None and own.native_id == setting.account:
            found.append(own)
        elif setting.account:
            found.append(Identity(setting.account, "unknown"))
        elif setting.answers.me:
            found.append(identity_of(setting.answers.me))
        if setting.peer is not None and not setting.is_group:
            found.append(identity_of(setting.peer))
        elif setting.title is not None:
            found.append(Identity(setting.title.text, "group", setting.title.text))
        return tuple(one for one in found if actor is None or one.native_id != actor.native_id)

    def _files(self, body: Body, line_id: str, has_file: bool) -> tuple[
            str, tuple[Attachment, ...]]:
        media = body.media
        if media is None:
            return events.PRESENT, ()
        reason = None
        if not has_file:
            reason = "omitted_by_export" if media.omitted else "not_in_export"
        attachment = Attachment(
            f"{line_id}/0", media.media_type, media.name,
            state="pending" if has_file else "failed", reason=reason)
        # Its words are all here; of a file alone nothing is, until an export brings it.
        is_here = has_file or body.text is not None
        return events.PRESENT if is_here else events.PLACEHOLDER, (attachment,)


def line_text(line: LedgerLine) -> str:
    """A ledger's line as one detail: the ledger is made again from the archive with it."""
    second = "" if line.second is None else str(line.second)
    return "|".join((str(line.minute), second, line.author.hex(), line.body.hex(),
                     str(line.ordinal), line.kind))


def line_of(line_id: str, text: str) -> LedgerLine:
    """The line that `line_text` wrote. Raises ValueError for anything else."""
    minute, second, author, body, ordinal, kind = text.split("|")
    return LedgerLine(line_id, int(minute), int(second) if second else None,
                      bytes.fromhex(author), bytes.fromhex(body), int(ordinal), kind)


def _plain(body: Body) -> Body:
    return replace(body, is_ambiguous=False)


def _short(*parts: str) -> str:
    return hashlib.sha256(identity.canonical(*parts)).hexdigest()[:16]


