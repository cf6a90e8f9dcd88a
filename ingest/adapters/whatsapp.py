"""WhatsApp Business Platform (Cloud API) webhooks -> events.

Owns the envelope: which lists of `entry[].changes[].value` are read, which fields are known, and
that every byte of a delivery is either an item of an event, quarantined, or part of the envelope.
An item is read by `whatsapp_items.py`; its byte range comes from `ingest/spans.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ingest import spans, values
from ingest.adapters import whatsapp_gaps
from ingest.adapters import whatsapp_items as items
from ingest.adapters.whatsapp_context import (
    CHANNEL,
    SOURCE,
    Context,
    account_of,
    contacts_of,
    shared,
)
from ingest.spans import Node, Shape
from schemas.errors import Refused
from schemas.events import CapturedEvent, Delivery, Parsed, Quarantined

__all__ = ["CHANNEL", "PATH", "SOURCE", "parse"]

PATH: Final = "/hooks/whatsapp"

# No item has one of these keys: each says that another change, entry or thread has begun.
_FENCES: Final = ("changes", "value", "metadata", "messaging_product", "messages",
                  "message_echoes", "statuses", "history", "threads")
_MESSAGES: Final = Shape(element=Shape(marks=("id", "timestamp"), fences=_FENCES))
_STATUSES: Final = Shape(element=Shape(marks=("id", "status"), fences=_FENCES))
_ERRORS: Final = Shape(element=Shape(marks=("code",), fences=_FENCES))
_THREAD: Final = Shape(
    members={"messages": _MESSAGES}, marks=("messages", "id"),
    fences=("changes", "value", "metadata", "history", "threads"),
)
_CHUNK: Final = Shape(
    members={"threads": Shape(element=_THREAD), "errors": _ERRORS}, marks=("threads",),
    fences=("changes", "value", "history"),
)
_STATES: Final = Shape(element=Shape(
    marks=("type", "action"), fences=("changes", "value", "messaging_product", "state_sync")))
_VALUE: Final = Shape(members={
    "messages": _MESSAGES,
    "message_echoes": _MESSAGES,
    "statuses": _STATUSES,
    "errors": _ERRORS,
    "history": Shape(element=_CHUNK),
    "state_sync": _STATES,
})
_CHANGE: Final = Shape(members={"value": _VALUE}, marks=("value", "field"), fences=("changes",))
_ENTRY: Final = Shape(members={"changes": Shape(element=_CHANGE)}, marks=("changes",))
ENVELOPE: Final = Shape(members={"entry": Shape(element=_ENTRY)})

# Fields whose values hold the lists above. Any other field is one unknown event: a list of the
# same name elsewhere need not mean the same.
_FIELDS: Final = frozenset({"messages", "message_echoes", "smb_message_echoes", "history",
                            "smb_app_state_sync", ""})
# Members of a value that are context, not content.
_CONTEXT_MEMBERS: Final = frozenset({"messaging_product", "metadata", "contacts"})
_OBJECT: Final = "whatsapp_business_account"
# The place of a chunk of history that does not name its own.
_LAST: Final = 1 << 62


def parse(body: bytes, content_type: str, captured_at: int) -> Parsed:
    """The events of one webhook body, in its order (chunks of history in theirs), and what could
    not be read.

    `captured_at` is our clock in UTC ms. `content_type` is not looked at: a JSON body is a JSON
    body. Never raises for any bytes. Every event's delivery holds the byte range of its item and
    nothing else; ranges of events and of quarantined pieces never overlap.
    """
    return _Reading(body, captured_at).parsed()


class _Reading:
    """One body on its way to `Parsed`."""

    def __init__(self, body: bytes, captured_at: int) -> None:
        self.body = body
        self.captured_at = captured_at
        walked = spans.walk(body, ENVELOPE)
        self.root = walked.root
        self.events: list[CapturedEvent] = []
        self.seen: set[CapturedEvent] | None = None     # made when there is a second event
        # Then a value that the walk read may hold half of one: each is read anew, and scrubbed.
        self.has_surrogates = values.SURROGATE_ESCAPE.search(body) is not None
        self.quarantined = [
            Quarantined(one.reason, body[one.start:one.end], one.start, one.end)
            for one in walked.broken
        ]
        self.breaks = [one.start for one in walked.broken]
        self.handled = 0                          # items that became something, repeats included

    def parsed(self) -> Parsed:
        if self.root is not None:
            self._envelope(self.root)
        # A container refused as a whole swallows the breaks inside it.
        self.quarantined.sort(key=lambda one: (one.start, -one.end))
        kept: list[Quarantined] = []
        for one in self.quarantined:
            if not kept or one.start >= kept[-1].end:
                kept.append(one)
        return Parsed(tuple(self.events), tuple(kept))

    def _envelope(self, root: Node) -> None:
        entries = [one for node in root.all("entry") for one in node.elements]
        stated = self._scalar(root, "object")
        for entry in entries:
            waba_id = self._scalar(entry, "id") or None
            changes = [one for node in entry.all("changes") for one in node.elements]
            entry_time = self._scalar(entry, "time")
            if stated not in ("", _OBJECT) or (not changes and entry.kind == "object"):
                context = self._context(None, waba_id, "", entry_time)
                self._unknown(entry, context, "unknown_field")
                continue
            if entry.kind != "object":
                self._refuse(entry, "an entry is not an object")
            for change in changes:
                self._change(change, waba_id, entry_time)
        if not self.handled and not self.breaks:
            # Nothing in it was an item: the delivery itself is kept.
            self._unknown(root, self._context(None, None, "", ""), "delivery_empty")

    def _change(self, change: Node, waba_id: str | None, entry_time: str) -> None:
        if change.kind != "object":
            self._refuse(change, "a change is not an object")
            return
        field = self._scalar(change, "field")
        before = self.handled
        value = None
        for value in change.all("value"):
            context = self._context(value, waba_id, field, entry_time)
            if field not in _FIELDS:
                self._unknown(change, context, "unknown_field", is_change=True)
                return
            if value.kind == "object":
                self._value(value, context)
            elif value.readable:
                self._unknown(value, context, "unknown_field")
        if self.handled == before and not self._is_broken(change):
            # A value without items: the change is what happened.
            context = self._context(value, waba_id, field, entry_time)
            self._unknown(change, context, "delivery_empty", is_change=True)

    def _value(self, value: Node, context: Context) -> None:
        for name, node in value.members:
            if name in _CONTEXT_MEMBERS or not node.readable:
                continue
            if name == "history" and node.kind == "array":
                # Chunks come in any order; whatever depends on one goes by theirs.
                for chunk in sorted(node.elements, key=self._chunk_place):
                    self._chunk(chunk, context)
            elif name in _VALUE.members and node.kind == "array":
                self._list(name, node, context)
            elif name in _VALUE.members:
                self._refuse(node, f"{name} is not a list")
            else:
                self._unknown(node, context, "unknown_field")

    def _list(self, name: str, node: Node, context: Context) -> None:
        way = items.Way(outgoing=name == "message_echoes")
        if context.field_name == "history":
            # Media that history announced come as plain messages, of either side.
            way = items.Way(None, "device_received", facts=(("history", "true"),))
        for element in node.elements:
            if name == "errors":
                self._unknown(element, context, "provider_error")
            elif name == "statuses":
                self._item(element, partial(items.read_status, context=context))
            elif name == "state_sync":
                self._item(element, partial(items.read_state, context=context))
            else:
                self._item(element, partial(items.read_message, context=context, way=way))

    def _chunk_place(self, chunk: Node) -> tuple[int, int]:
        """(phase, chunk_order); one that does not say comes last."""
        metadata = self._decoded(chunk.last("metadata"))
        place = [int(said) if (said := shared(metadata, name) or "").isdecimal() else _LAST
                 for name in ("phase", "chunk_order")]
        return place[0], place[1]

    def _chunk(self, chunk: Node, context: Context) -> None:
        """One chunk of history: threads of messages, or errors where sharing was refused."""
        if chunk.kind != "object":
            self._refuse(chunk, "a history chunk is not an object")
            return
        before = self.handled
        for node in chunk.all("errors"):
            for element in node.elements:
                self._unknown(element, context, "provider_error")
        facts = values.Facts()
        facts.add("history", "true")
        metadata = self._decoded(chunk.last("metadata"))
        for name in ("phase", "chunk_order", "progress"):
            facts.add(f"history_{name}", shared(metadata, name))
        for threads in chunk.all("threads"):
            for thread in threads.elements:
                way = items.Way(None, "device_received", self._scalar(thread, "id") or None,
                                facts.pairs())
                self._thread(thread, context, way)
        if self.handled == before and not self._is_broken(chunk):
            self._unknown(chunk, context, "delivery_empty")

    def _thread(self, thread: Node, context: Context, way: items.Way) -> None:
        if thread.kind != "object":
            self._refuse(thread, "a history thread is not an object")
            return
        for node in thread.all("messages"):
            for element in node.elements:
                self._item(element, partial(items.read_message, context=context, way=way))

    def _item(self, node: Node, read: Callable[..., CapturedEvent]) -> None:
        """Read one item; whatever is wrong with it costs this item only."""
        try:
            item, replaced = self._value_of(node)
            if not isinstance(item, dict):
                raise Refused("an item is not an object")
            event = read(item, delivery=_place(node))
        except Refused as error:
            self._refuse(node, str(error))
        except Exception as error:  # noqa: BLE001
            # A defect of ours: the item waits in quarantine until it is mended, and is replayed.
            # An error to Meta would cost its neighbours too, once the retries have run out.
            self._refuse(node, f"the reader failed: {type(error).__name__}")
        else:
            self._keep(event, replaced)

    def _unknown(self, node: Node, context: Context, *codes: str, is_change: bool = False) -> None:
        raw = self.body[node.start:node.end]
        if not node.complete:
            # Its rest is among the broken ranges; a part of JSON has no meaning of its own.
            self._refuse(node, "malformed JSON")
            return
        try:
            value, replaced = values.decode(raw)
        except Refused as error:
            self._refuse(node, str(error))
            return
        said = value
        if is_change and isinstance(value.get("value"), dict):
            said = {name: one for name, one in value["value"].items()
                    if name not in _CONTEXT_MEMBERS}
        event = items.read_unknown(said, raw, context, _place(node), *codes)
        self._keep(whatsapp_gaps.told(event, said), replaced)

    def _keep(self, event: CapturedEvent, replaced: bool) -> None:
        if replaced:
            codes = {*event.observations, "lone_surrogate_replaced"}
            event = replace(event, observations=tuple(sorted(codes)))
        # One POST can hold a message twice (CAPTURE case 5). Equal but for its place is a repeat;
        # the same id with other content is a second sighting and stays (PROTOCOL I2).
        self.handled += 1
        if not self.events:
            self.events.append(event)
            return
        if self.seen is None:
            self.seen = {replace(self.events[0], delivery=None)}
        bare = replace(event, delivery=None)
        if bare not in self.seen:
            self.seen.add(bare)
            self.events.append(event)

    def _refuse(self, node: Node, reason: str) -> None:
        self.handled += 1
        raw = self.body[node.start:node.end]
        self.quarantined.append(Quarantined(reason, raw, node.start, node.end))

    def _is_broken(self, node: Node) -> bool:
        """Whether the walk met a break inside `node`: its bytes are quarantined already."""
        at = bisect_left(self.breaks, node.start)
        return not node.complete or (at < len(self.breaks) and self.breaks[at] < node.end)

    def _context(self, value: Node | None, waba_id: str | None, field: str,
                 entry_time: str) -> Context:
        metadata = self._decoded(value.last("metadata")) if value else None
        contacts, only = contacts_of(self._decoded(value.last("contacts")) if value else None)
        if metadata is None and value is not None:
            # Account-level webhooks have no metadata; some name the number itself.
            metadata = {"display_phone_number": self._scalar(value, "phone_number")}
        account, firm = account_of(metadata, waba_id)
        return Context(
            account=account,
            firm=firm,
            captured_at=self.captured_at,
            waba_id=waba_id,
            phone_number_id=shared(metadata, "phone_number_id"),
            field_name=field,
            entry_time=entry_time,
            contacts=contacts,
            only_contact=only,
        )

    def _decoded(self, node: Node | None) -> Any:
        """The value of a part of the envelope, or null where it is absent or unreadable."""
        if node is None or not node.readable or not node.complete:
            return None
        try:
            value, _ = self._value_of(node)
        except Refused:
            # Only context is read through here; the items keep their bytes either way.
            return None
        return value

    def _value_of(self, node: Node) -> tuple[Any, bool]:
        """See values.decode; of the bytes of `node`."""
        if node.value is not spans.UNREAD and not self.has_surrogates:
            return node.value, False
        return values.decode(self.body[node.start:node.end])

    def _scalar(self, node: Node, name: str) -> str:
        member = node.last(name)
        if member is None:
            return ""
        return shared({name: self._decoded(member)}, name) or ""


def _place(node: Node) -> Delivery:
    return Delivery(delivery_id=b"", start=node.start, end=node.end)
