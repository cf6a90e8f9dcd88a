"""What a person wrote or chose, by WhatsApp message type.

Owns the table READERS: one reader per type, each turning a message object into text, attachments
and facts. Who, when and which message it is about is `whatsapp_items.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.values import (
    Facts,
    Fields,
    object_of,
    objects_of,
    soft_string,
    spelled,
    string_of,
    words_of,
)
from schemas.events import ABSENT_BY_SOURCE, PLACEHOLDER, PRESENT, Attachment

# Fields of every message: no words of its writer.
_COMMON: Final = frozenset({
    "id", "from", "from_user_id", "from_parent_user_id", "to", "to_user_id", "to_parent_user_id",
    "group_id", "timestamp", "type", "context", "referral", "identity", "errors",
    "history_context",
})
_HEX_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Content:
    """The readable part of one message. `details` are sorted by name."""

    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    observations: tuple[str, ...] = ()
    state: str = PRESENT


ABSENT: Final = Content(observations=("content_absent",), state=ABSENT_BY_SOURCE)


def content_of(message: Fields, kind: str) -> Content:
    """The content of a message of type `kind`.

    An unknown type gives every word in it and the observation unknown_type; a known one without
    its object gives `content_absent`. Raises Refused where a type's own object has a wrong shape.
    """
    reader = READERS.get(kind)
    if reader is not None:
        return reader(message)
    unread = {name: value for name, value in message.items() if name not in _COMMON}
    return Content(text=words_of(message.get(kind, unread)), observations=("unknown_type",))


def _text(message: Fields) -> Content:
    body = object_of(message, "text")
    if body is None:
        return ABSENT
    written = string_of(body, "body")
    if written is None and body.get("body") is None:
        return ABSENT
    return Content(text=written or "")


def _media(kind: str) -> Callable[[Fields], Content]:
    def read(message: Fields) -> Content:
        media = object_of(message, kind)
        if media is None:
            return ABSENT
        facts = Facts()
        observations = []
        facts.add("voice", media.get("voice"))
        facts.add("animated", media.get("animated"))
        stated = string_of(media, "sha256")
        digest = _sha256(stated) if stated else None
        if stated and digest is None:
            observations.append("hash_unreadable")
            facts.add("sha256", stated)
        native_id = string_of(media, "id")
        url = string_of(media, "url") or string_of(media, "link")
        fetchable = native_id is not None or url is not None
        observations.append("media_pending" if fetchable else "content_absent")
        attachment = Attachment(
            native_id=native_id or "",
            media_type=string_of(media, "mime_type"),
            name=string_of(media, "filename"),
            sha256=digest,
            state="pending" if fetchable else "failed",
            reason=None if fetchable else "neither an id nor an address was delivered",
            url=url,
        )
        return Content(string_of(media, "caption"), (attachment,), facts.pairs(),
                       tuple(observations))
    return read


def _sha256(stated: str) -> bytes | None:
    """32 bytes from base64 (as captured) or hex (as in some samples), or null."""
    if _HEX_SHA256.fullmatch(stated):
        return bytes.fromhex(stated)
    try:
        digest = base64.b64decode(stated.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == 32 else None


def _location(message: Fields) -> Content:
    place = object_of(message, "location")
    if place is None:
        return ABSENT
    facts = Facts()
    facts.add("latitude", place.get("latitude"))
    facts.add("longitude", place.get("longitude"))
    facts.add("location_url", soft_string(place, "url"))
    named = [one for one in (string_of(place, "name"), string_of(place, "address")) if one]
    point = [soft_string(place, "latitude"), soft_string(place, "longitude")]
    text = "\n".join(named) or ", ".join(one for one in point if one)
    return Content(text=text or None, details=facts.pairs())


def _contacts(message: Fields) -> Content:
    cards = objects_of(message, "contacts")
    if cards is None:
        return ABSENT
    facts = Facts()
    facts.add("contacts", cards)
    return Content(text="\n".join(filter(None, map(_card, cards))) or None, details=facts.pairs())


def _card(card: Fields) -> str:
    name = card.get("name")
    shown = soft_string(name, "formatted_name") or " ".join(filter(None, (
        soft_string(name, "first_name"), soft_string(name, "last_name"))))
    company = soft_string(card.get("org"), "company")
    parts = [shown, company]
    for listed, key in (("phones", "phone"), ("emails", "email"), ("urls", "url")):
        entries = card.get(listed)
        if isinstance(entries, list):
            parts += [soft_string(entry, key) for entry in entries]
    return " · ".join(part for part in parts if part)


def _button(message: Fields) -> Content:
    pressed = object_of(message, "button")
    if pressed is None:
        return ABSENT
    facts = Facts()
    facts.add("button_payload", soft_string(pressed, "payload"))
    return Content(text=string_of(pressed, "text"), details=facts.pairs())


def _interactive(message: Fields) -> Content:
    chosen = object_of(message, "interactive")
    if chosen is None:
        return ABSENT
    kind = string_of(chosen, "type") or ""
    facts = Facts()
    facts.add("interactive_type", kind)
    reader = INTERACTIVE.get(kind)
    reply = object_of(chosen, kind) if reader else None
    if reader is None:
        unread = {name: value for name, value in chosen.items() if name != "type"}
        return Content(words_of(unread), details=facts.pairs(), observations=("unknown_type",))
    if reply is None:
        return Content(details=facts.pairs(), observations=ABSENT.observations, state=ABSENT.state)
    return Content(text=reader(reply, facts), details=facts.pairs())


def _choice(reply: Fields, facts: Facts) -> str | None:
    facts.add("reply_id", soft_string(reply, "id"))
    lines = (string_of(reply, "title"), string_of(reply, "description"))
    return "\n".join(line for line in lines if line) or None


def _flow(reply: Fields, facts: Facts) -> str | None:
    """A filled-in form. `response_json` is a JSON string, of any shape: it stays the string."""
    facts.add("flow_name", soft_string(reply, "name"))
    facts.add("flow_body", soft_string(reply, "body"))
    answers = reply.get("response_json")
    return None if answers is None else spelled(answers)


def _call_permission(reply: Fields, facts: Facts) -> str | None:
    facts.add("call_permission_source", soft_string(reply, "response_source"))
    facts.add("call_permission_until", soft_string(reply, "expiration_timestamp"))
    return soft_string(reply, "response")


INTERACTIVE: Final[Mapping[str, Callable[[Fields, Facts], str | None]]] = {
    "button_reply": _choice,
    "list_reply": _choice,
    "nfm_reply": _flow,
    "call_permission_reply": _call_permission,
}


def _order(message: Fields) -> Content:
    order = object_of(message, "order")
    if order is None:
        return ABSENT
    facts = Facts()
    facts.add("catalog_id", soft_string(order, "catalog_id"))
    facts.add("product_items", order.get("product_items"))
    lines = [string_of(order, "text")]
    lines += [_ordered(product) for product in objects_of(order, "product_items") or []]
    return Content(text="\n".join(line for line in lines if line) or None, details=facts.pairs())


def _ordered(product: Fields) -> str:
    count = soft_string(product, "quantity") or "?"
    price = " ".join(filter(None, (soft_string(product, "item_price"),
                                   soft_string(product, "currency"))))
    what = soft_string(product, "product_retailer_id") or "?"
    return f"{count} × {what}" + (f" ({price})" if price else "")


def _system(message: Fields) -> Content:
    notice = object_of(message, "system")
    if notice is None:
        return ABSENT
    facts = Facts()
    facts.add("system_type", soft_string(notice, "type"))
    # The new number is `wa_id`, in older versions `new_wa_id`.
    facts.add("new_wa_id", soft_string(notice, "wa_id") or soft_string(notice, "new_wa_id"))
    facts.add("new_user_id", soft_string(notice, "user_id"))
    facts.add("new_parent_user_id", soft_string(notice, "parent_user_id"))
    facts.add("new_identity", soft_string(notice, "identity"))
    facts.add("customer", soft_string(notice, "customer"))
    return Content(text=string_of(notice, "body"), details=facts.pairs())


def _unsupported(message: Fields) -> Content:
    """Something was sent whose content the provider does not deliver; it may say what it was."""
    facts = Facts()
    facts.add("unsupported_type", soft_string(message.get("unsupported"), "type"))
    return Content(details=facts.pairs(), observations=ABSENT.observations, state=ABSENT.state)


def _placeholder(_message: Fields) -> Content:
    """History names a media message before it brings it, under the same id (CAPTURE case 14)."""
    return Content(state=PLACEHOLDER)


def _welcome(_message: Fields) -> Content:
    """The user opened the chat for the first time: nothing was written."""
    return Content()


READERS: Final[Mapping[str, Callable[[Fields], Content]]] = {
    "text": _text,
    "image": _media("image"),
    "video": _media("video"),
    "audio": _media("audio"),
    "voice": _media("voice"),
    "document": _media("document"),
    "sticker": _media("sticker"),
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
    "system": _system,
    "unsupported": _unsupported,
    "media_placeholder": _placeholder,
    "request_welcome": _welcome,
}
