"""What a provider lists against what is archived: Twilio's messages, read back from its API (G8).

Owns the reading of a page of the list, what a listed message becomes where it is missing, and the
comparison. Pure: who asks the provider and the index is `infra/verbs/reconcile.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from ingest import spans, values
from ingest.adapters import twilio
from ingest.spans import Shape
from schemas import events, gaps
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent
from schemas.gaps import Gap

SOURCE: Final = "twilio-list/1"
RAW_TYPE: Final = "application/json"
_LIST: Final = Shape(members={"messages": Shape(element=Shape(marks=("sid", "body")))})
_FORM: Final = "application/x-www-form-urlencoded"
# Never sent: nothing was said.
_UNSENT: Final = frozenset({"scheduled", "canceled", "accepted", "queued"})
# Member of a listed message -> form field of the webhook that would have brought it.
_FIELDS: Final = (
    ("sid", "MessageSid"), ("account_sid", "AccountSid"),
    ("messaging_service_sid", "MessagingServiceSid"), ("body", "Body"), ("num_media", "NumMedia"),
    ("num_segments", "NumSegments"), ("api_version", "ApiVersion"), ("error_code", "ErrorCode"),
    ("error_message", "ErrorMessage"),
)
_FILE_ID: Final = re.compile(r"ME[0-9a-fA-F]{32}")
_KEPT: Final = ("status", "direction", "date_created", "date_sent", "date_updated")


@dataclass(frozen=True, slots=True)
class Listed:
    """One message as the provider lists it: the event that it is, and when it was (UTC ms)."""

    event: CapturedEvent
    at: int

    @property
    def sid(self) -> str:
        """The provider's id."""
        return self.event.native_id or ""


@dataclass(frozen=True, slots=True)
class Page:
    """`unread`: items that could not be read. `next`: the path of the next page, "" = the last."""

    listed: tuple[Listed, ...]
    unread: int
    next: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`missing`: listed and not archived, oldest first. `extra`: how many are archived and not
    listed (the provider deletes; so may the firm, there). `excluded`: personal, by the directory.
    `unread`: items of the list that could not be read: then nothing is complete."""

    listed: int
    missing: tuple[Listed, ...]
    extra: int
    excluded: int
    unread: int


def read_page(body: bytes, captured_at: int) -> Page:
    """One page of `Messages.json`. `captured_at`: our clock, UTC ms. Raises Refused for what is no
    such page."""
    walked = spans.walk(body, _LIST)
    root = walked.root
    lists = [] if root is None else list(root.all("messages"))
    # One that breaks off would prove a gap closed that it never looked at.
    if root is None or walked.broken or not root.complete or len(lists) != 1 \
            or lists[0].kind != "array" or not lists[0].complete:
        raise Refused("the provider's answer is no list of messages")
    found: list[Listed] = []
    unread = 0
    for node in (one for several in lists for one in several.elements):
        try:
            item, _ = values.decode(body[node.start:node.end])
            listed = _listed(item, body[node.start:node.end], captured_at)
        except Refused:
            unread += 1
            continue
        if listed is not None:
            found.append(listed)
    following = root.last("next_page_uri")
    path: Any = None
    if following is not None:
        path, _ = values.decode(body[following.start:following.end])
    return Page(tuple(found), unread, path if isinstance(path, str) else "")


def read_files(body: bytes) -> tuple[tuple[str, str | None], ...]:
    """(id, media type) of each file that the provider keeps of one message, in its order: a page of
    `Media.json`. Raises Refused for what is no such page."""
    said, _ = values.decode(body)
    found = said.get("media_list") if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise Refused("the provider's answer is no list of files")
    return tuple((sid, values.soft_string(one, "content_type"))
                 for one in found if isinstance(one, dict)
                 and (sid := values.soft_string(one, "sid")) and _FILE_ID.fullmatch(sid))


def with_files(one: Listed, files: Sequence[tuple[str, str | None]],
               address_of: Callable[[str, str], str]) -> Listed:
    """Its files are to be fetched. `address_of(message id, file id)` is where one lies; of a file
    that the message had and the provider no longer keeps the fact remains."""
    event = one.event
    kept = tuple(Attachment(sid, media_type, url=address_of(one.sid, sid))
                 for sid, media_type in files)
    if not kept:
        return one
    return replace(one, event=replace(
        event, attachments=(*kept, *event.attachments[len(kept):]),
        observations=tuple(sorted({*event.observations, "media_pending"}))))


def compare(listed: Iterable[Listed], is_archived: Callable[[Listed], bool],
            is_excluded: Callable[[CapturedEvent], bool], extra: int = 0,
            unread: int = 0) -> Comparison:
    """The comparison of everything in `listed`, each id once."""
    unique = {one.sid: one for one in listed}
    personal = {sid for sid, one in unique.items() if is_excluded(one.event)}
    missing = [one for sid, one in unique.items() if sid not in personal and not is_archived(one)]
    return Comparison(len(unique), tuple(sorted(missing, key=lambda one: (one.at, one.sid))),
                      extra, len(personal), unread)


def within(listed: Iterable[Listed], channel: str, since: int, until: int) -> list[Listed]:
    """Those of a channel in [since, until), UTC ms."""
    return [one for one in listed if one.event.channel == channel and since <= one.at < until]


def touched(before: Collection[Gap], after: Iterable[Gap]) -> list[Gap]:
    """The gaps that a report changed or made, as they are now."""
    return [one for one in after if one not in before]


def _listed(item: Any, raw: bytes, captured_at: int) -> Listed | None:
    """Null for what was never sent. Raises Refused."""
    if not isinstance(item, dict):
        raise Refused("a message is not an object")
    status = values.soft_string(item, "status") or ""
    if status in _UNSENT:
        return None
    at = _moment(item, "date_sent") or _moment(item, "date_created")
    if at is None:
        raise Refused("a message without a time")
    is_in = (values.soft_string(item, "direction") or "").startswith("inbound")
    firm, peer = ("to", "from") if is_in else ("from", "to")
    form = [("From", values.soft_string(item, peer) or ""),
            ("To", values.soft_string(item, firm) or "")]
    form += [(name, said) for member, name in _FIELDS if (said := values.soft_string(item, member))]
    parsed = twilio.parse(urlencode(form).encode(), _FORM, captured_at)
    if len(parsed.events) != 1 or parsed.events[0].native_id is None:
        raise Refused("a message that does not read")
    return Listed(_event(parsed.events[0], item, raw, at, is_in), at)


def _event(read: CapturedEvent, item: dict[str, Any], raw: bytes, at: int,
           is_in: bool) -> CapturedEvent:
    """`read` is the message as the webhook would have brought it, the firm on the near side."""
    kept = {f"list.{name}": said for name in _KEPT if (said := values.soft_string(item, name))}
    codes = set(read.observations) - {"time_absent", "media_pending"}
    firm = read.participants[0]
    actor = read.actor
    if not is_in:
        read = replace(read, actor=firm, direction=events.OUT,
                       participants=tuple(one for one in (actor,) if one is not None))
    return replace(
        read, source=SOURCE, provenance=events.PROVIDER_FETCHED, occurred_at=at,
        occurred_precision="s", occurred_meaning="sent", observations=tuple(sorted(codes)),
        attachments=tuple(_unfetched(one) for one in read.attachments),
        details=tuple(sorted({**dict(read.details), **kept}.items())),
        raw=raw, raw_type=RAW_TYPE, delivery=None)


def _unfetched(one: Attachment) -> Attachment:
    return replace(one, state="failed", reason="the provider lists no such file")


def _moment(item: dict[str, Any], name: str) -> int | None:
    """UTC ms of an RFC 2822 date, or null."""
    said = item.get(name)
    if not isinstance(said, str) or len(said) > 64:
        return None
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def report_event(channel: str, since: int, until: int, compared: Comparison, archived: int,
                 at: int) -> tuple[str, dict[str, str]]:
    """(native id, details) of the report: see `schemas.gaps.compared`. What could not be read
    counts as missing: nothing is proved complete by a list that was not read whole."""
    return gaps.compared(channel, since, until, compared.listed + compared.unread,
                         len(compared.missing) + compared.unread, archived, at)
