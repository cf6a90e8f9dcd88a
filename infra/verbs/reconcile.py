"""`reconcile`: what the provider lists against what is archived; missing messages are archived.

Owns the way from the list to the report, which is an event: it closes the gaps that it covers, or
proves them (schemas/gaps.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.table import Table

from infra.media import access_of
from infra.twilio_poll import TwilioMessages
from infra.verbs.assign import moment_of
from infra.verbs.audit import record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short
from infra.wire import Wire
from ingest import reconcile as comparing
from ingest.delivery import Deliverer
from ingest.exclusions import is_excluded
from ingest.own import own_event
from ingest.reconcile import Comparison, Listed
from ingest.routing import Router
from schemas import events, identity
from schemas.document import Document
from schemas.errors import Refused
from schemas.events import CapturedEvent
from search import query
from search.index import Index, pages
from search.query import Between, Term, TokenQuery
from search.tokens import Tokenizer

CHANNELS: Final = ("sms",)
# What came just now may still be on its way through the archive; it is left to the next time.
_FRESH_MS: Final = 5 * 60_000
_SHOWN_MAX: Final = 50
_LISTED_MAX: Final = 1_000
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed: a day is midnight UTC, a time states its offset."""

    channel: str
    since: str
    until: str
    store: bool = False


def reconcile(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Compare, archive what is missing if that is wanted, record the report; 1 while something is
    missing. Raises Refused, and Transient when provider, index or log cannot be reached."""
    channel, since, until = _window(wire, wanted)
    provider = TwilioMessages(access_of(wire.config), wire.clock, time.sleep)
    record_act(wire, "reconcile", {"channel": channel, "from": str(since), "until": str(until),
                                   "import": str(wanted.store).lower()})
    with ERR.status("asking the provider"):
        pages = list(provider.pages(since, until))
    listed = [one for page in pages for one in page.listed]
    unread = sum(page.unread for page in pages)
    compared = _compared(wire, listed, channel, since, until, unread)
    with closing(wire.capture_log()) as log:
        recorder = wire.recorder("gateway", log)
        stored = 0
        if wanted.store and compared.missing:
            for made in _final(wire, provider, compared.missing):
                # First that their files are wanted: a crash then leaves a file too many to look
                # for, never a message whose picture nobody fetches.
                wire.expect_media(made)
                # On the log, one batch after the other: a second run finds them or says them
                # again, and they are further sightings.
                recorder.record_all(made)
                stored += len(made)
        now, years = wire.clock(), wire.directory().firm_years()
        name, details = comparing.report_event(channel, since, until, compared, stored, now)
        recorder.record(own_event(events.GAP, name, now, years, details))
        recorder.beat(now, years, stopping=True)
    # From here the report is evidence; gaps are closed or proved by it when it is indexed.
    left = len(compared.missing) - stored + unread
    _print(wanted, (since, until), compared, stored, json=json)
    return 1 if left else 0


def _window(wire: Wire, wanted: Wanted) -> tuple[str, int, int]:
    if wanted.channel not in CHANNELS:
        raise Refused("--channel: only sms can be compared; WhatsApp has no list of what was sent "
                      "(docs/COVERAGE.md)")
    since, until = moment_of("--from", wanted.since), moment_of("--until", wanted.until)
    if since is None:
        raise Refused("--from: the first day, 2026-01-31")
    newest = wire.clock() - _FRESH_MS
    until = newest if until is None else min(until, newest)
    if since >= until:
        raise Refused("--until is not after --from, or is minutes ago: what came just now is still "
                      "on its way")
    return wanted.channel, since, until


def _compared(wire: Wire, listed: Sequence[Listed], channel: str, since: int, until: int,
              unread: int) -> Comparison:
    wire_directory, tokenizer = wire.directory(), wire.tokenizer()
    indexes = wire.indexes()
    name = indexes.current()
    index = None if name is None else indexes.open(name)
    ours = comparing.within(listed, channel, since, until)
    archived: set[str] = set()
    extra = 0
    if index is not None:
        index.refresh()
        archived = set(_archived(index, tokenizer, ours))
        known = {_doc_id(tokenizer, one.event) for one in listed}
        extra = sum(1 for found in _captured(index, channel, since, until)
                    if found.doc_id not in known)
    return comparing.compare(
        ours, lambda one: _doc_id(tokenizer, one.event) in archived,
        lambda event: is_excluded(wire_directory, event) is not None, extra, unread)


def _archived(index: Index, tokenizer: Tokenizer, listed: Sequence[Listed]) -> Iterator[str]:
    """Ids of the documents that hold the message itself, not only receipts of it."""
    for at in range(0, len(listed), _BATCH):
        wanted = [_doc_id(tokenizer, one.event) for one in listed[at:at + _BATCH]]
        for doc_id, stored in index.get(wanted).items():
            if events.MESSAGE in stored.document.kinds:
                yield doc_id


def _captured(index: Index, channel: str, since: int, until: int) -> Iterator[Document]:
    """Messages of the time that the provider itself delivered to us. Its times and ours differ:
    the edges are left out."""
    asked = TokenQuery(query.flatten(query.And((
        Term("channel", channel), Term("kinds", events.MESSAGE),
        Between(since + _FRESH_MS, until - _FRESH_MS)))), frozenset({events.MESSAGE}))
    return (found for found in pages(index, asked) if any(
        entry.kind == events.MESSAGE and entry.provenance == events.PROVIDER_SIGNED
        for entry in found.entries))


def _doc_id(tokenizer: Tokenizer, event: CapturedEvent) -> str:
    return tokenizer.document(identity.message_key(event))


def _final(wire: Wire, provider: TwilioMessages,
           missing: Sequence[Listed]) -> Iterator[list[CapturedEvent]]:
    """Their events as they are archived, with what the directory says of each and where their files
    lie."""
    deliverer = Deliverer(Router(wire.keys_folder.routing_key(), bytes(16)), wire.directory())
    for at in range(0, len(missing), _BATCH):
        found = [comparing.with_files(one, provider.files(one.sid), provider.address_of)
                 if one.event.attachments else one for one in missing[at:at + _BATCH]]
        yield [replace(deliverer.stamp(one.event, None), raw=one.event.raw) for one in found]


def _print(wanted: Wanted, window: tuple[int, int], compared: Comparison, stored: int, *,
           json: bool) -> None:
    since, until = window
    if json:
        emit(_line(wanted, since, until, compared, stored))
        return
    OUT.print(f"{wanted.channel}, {short(since)} to {short(until)} UTC: the provider lists "
              f"{compared.listed} messages")
    table = Table("when (UTC)", "direction", "provider's id")
    for one in compared.missing[:_SHOWN_MAX]:
        table.add_row(short(one.at), one.event.direction or "-", one.sid)
    if compared.missing:
        OUT.print(table)
    if compared.excluded:
        OUT.print(f"{compared.excluded} are excluded as personal")
    if compared.extra:
        OUT.print(f"{compared.extra} are archived and not listed: deleted at the provider?")
    if compared.unread:
        OUT.print(bad(f"{compared.unread} items of the list could not be read"))
    if not compared.missing:
        OUT.print(good("nothing is missing") if not compared.unread else "")
    elif stored:
        OUT.print(good(f"{stored} missing messages are archived now"))
    else:
        OUT.print(bad(f"{len(compared.missing)} messages are not archived;"),
                  "`--import` archives them")


def _line(wanted: Wanted, since: int, until: int, compared: Comparison,
          stored: int) -> dict[str, Any]:
    return {
        "channel": wanted.channel, "from": instant(since), "until": instant(until),
        "listed": compared.listed, "missing": len(compared.missing), "archived": stored,
        "extra": compared.extra, "excluded": compared.excluded, "unread": compared.unread,
        "complete": not compared.unread and len(compared.missing) == stored,
        "messages": [{"id": one.sid, "at": instant(one.at), "direction": one.event.direction}
                     for one in compared.missing[:_LISTED_MAX]]}
