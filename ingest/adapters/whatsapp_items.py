"""One item of a WhatsApp webhook -> one event: messages, echoes, history, statuses, errors.

Owns which kind of event an item is, what it is about, and the ids that CAPTURE's dedup keys ask
for: a message is its id plus a content class, a reaction, edit or revoke its own id plus its
target, a status `status|recipient|timestamp` about its message. Pure; raises Refused for an item
whose load-bearing fields cannot be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ingest import times
from ingest.adapters import whatsapp_content
from ingest.adapters.whatsapp_content import Content
from ingest.adapters.whatsapp_context import CHANNEL, SOURCE, Context, Party
from ingest.values import (
    Facts,
    Fields,
    compact,
    object_of,
    soft_string,
    spelled,
    string_of,
    words_of,
)
from schemas import events, identity, links
from schemas.errors import Refused
from schemas.events import CapturedEvent, Delivery, Identity

STATUSES: Final = frozenset({"sent", "delivered", "read", "played", "failed", "deleted"})
# Whose doing a status is: these are the recipient's, the others the provider's.
_RECIPIENTS_DOING: Final = frozenset({"delivered", "read", "played", "deleted"})
_IDENTITY_CHANGES: Final = frozenset({
    "user_changed_number", "user_changed_user_id", "customer_identity_changed",
    "customer_changed_number",
})
# `unsupported.type` of what somebody did to another message; any other is a message of its own.
_UNSUPPORTED_DEEDS: Final = {"edit": events.EDIT, "revoke": events.RETRACTION}
_UNSUPPORTED_UNKNOWN: Final = frozenset({"pin", "unpin", "keep_in_chat", "poll_update"})
# What Meta writes as `context.id` of an edited message when it names none.
_PLACEHOLDER_TARGET: Final = "M0"
_FACT_CHARS_MAX: Final = 2_000
_UNKNOWN_FACTS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Way:
    """How messages of one list came: `outgoing` null means that each item's sender decides.

    `peer` is the other side where the list belongs to one chat; `facts` are further details.
    """

    outgoing: bool | None = False
    meaning: str = "provider_webhook"
    peer: str | None = None
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Deed:
    """What an item does: its kind, what it is about, and its content."""

    kind: str
    content: Content
    target: str | None = None
    target_known: str | None = None
    revision: str = ""
    details: tuple[tuple[str, str], ...] = ()
    observations: tuple[str, ...] = ()


def read_message(item: Fields, context: Context, way: Way, delivery: Delivery) -> CapturedEvent:
    """The event of one entry of `messages`, `message_echoes` or a history thread."""
    native_id = _required(item, "id")
    kind = string_of(item, "type") or ""
    outgoing = way.outgoing
    if outgoing is None:
        outgoing = context.is_firm(string_of(item, "from"))
    group_id = string_of(item, "group_id")
    peer, is_inferred = _peer(item, context, way, outgoing), False
    if peer.identity is None and not group_id:
        # Media that history announced name no `to`; the chat is known from the id alone.
        peer = replace(peer, identity=identity.peer_of(native_id))
        is_inferred = peer.identity is not None
    moment = times.from_epoch(item.get("timestamp"), context.captured_at)
    facts = context.facts()
    facts.add("type", kind)
    facts.add("timestamp", moment.raw)
    facts.add("history_status", soft_string(item.get("history_context"), "status"))
    peer.add_to(facts, "peer")
    observations = [*moment.observations, *_beside(item, facts)]
    if not peer.has_phone:
        observations.append("phone_absent")
    if is_inferred:
        observations.append("party_from_id")
    # Notices, echoes and history come without contacts.
    if way.outgoing is False and not peer.known and kind != "system":
        observations.append("contact_absent")
    deed = DEEDS.get(kind, _message)(item, kind)
    facts.update(deed.details)
    facts.update(deed.content.details)
    facts.update(way.facts)
    return CapturedEvent(
        kind=deed.kind,
        channel=CHANNEL,
        source=SOURCE,
        account=context.account,
        conversation=identity.group(group_id) if group_id else context.pair(peer),
        captured_at=context.captured_at,
        native_id=native_id,
        target=deed.target,
        target_known=deed.target_known,
        revision=deed.revision,
        actor=context.firm if outgoing else peer.identity,
        participants=_others(context, peer, group_id, outgoing, facts),
        direction=events.OUT if outgoing else events.IN,
        occurred_at=moment.at,
        occurred_precision=moment.precision,
        occurred_meaning=way.meaning if moment.at is not None else None,
        text=deed.content.text,
        content_state=deed.content.state,
        attachments=deed.content.attachments,
        observations=_codes(observations, deed.content.observations, deed.observations),
        details=facts.pairs(),
        delivery=delivery,
    )


def read_status(item: Fields, context: Context, delivery: Delivery) -> CapturedEvent:
    """The receipt that one entry of `statuses` is; a status nobody knows stays `unknown`."""
    target = _required(item, "id")
    status = _required(item, "status")
    named = string_of(item, "recipient_id")
    in_group = string_of(item, "recipient_type") == "group"
    group = Identity(named, "group") if in_group and named else None
    reader = string_of(item, "recipient_participant_id") if group else named
    party, is_inferred = context.party(reader, *_recipient_user_ids(item)), False
    if party.identity is None and not group:
        party = replace(party, identity=identity.peer_of(target))
        is_inferred = party.identity is not None
    actor = party.identity if status in _RECIPIENTS_DOING else None
    moment = times.from_epoch(item.get("timestamp"), context.captured_at)
    facts = context.facts()
    facts.add("status", status)
    facts.add("timestamp", moment.raw)
    party.add_to(facts, "recipient")
    for name in ("recipient_type", "type", "biz_opaque_callback_data", "conversation", "pricing"):
        facts.add(name, item.get(name))
    observations = [*moment.observations, *_errors(item, facts)]
    if is_inferred:
        observations.append("party_from_id")
    known = status in STATUSES
    if not known:
        observations.append("unknown_status")
    recipient = reader or named or party.user_id or ""
    return CapturedEvent(
        kind=events.RECEIPT if known else events.UNKNOWN,
        channel=CHANNEL,
        source=SOURCE,
        account=context.account,
        conversation=identity.group(group.native_id) if group else context.pair(party),
        captured_at=context.captured_at,
        target=target,
        target_known=events.EXPLICIT,
        revision=f"{status}|{recipient}|{spelled(item.get('timestamp'))}",
        actor=actor,
        participants=tuple(one for one in (context.firm, party.identity, group)
                           if one and one is not actor),
        occurred_at=moment.at,
        occurred_precision=moment.precision,
        occurred_meaning="provider_webhook" if moment.at is not None else None,
        observations=_codes(observations),
        details=facts.pairs(),
        delivery=delivery,
    )


def read_state(item: Fields, context: Context, delivery: Delivery) -> CapturedEvent:
    """One entry of `state_sync`: a contact that the business's address book gained or lost. Any
    other type stays `unknown`, its words searchable."""
    kind = string_of(item, "type") or ""
    contact = object_of(item, "contact") if kind == links.CONTACT else None
    moment = times.from_epoch(soft_string(item.get("metadata"), "timestamp"), context.captured_at)
    number = soft_string(contact, "phone_number")
    user_id = soft_string(contact, "user_id")
    party = context.party(number, user_id, None) if number or user_id else None
    person = party.identity if party else None
    facts = context.facts()
    facts.add("type", kind)
    facts.add("action", soft_string(item, "action"))
    facts.add("timestamp", moment.raw)
    for one in ("full_name", "first_name", "phone_number", "user_id", "username"):
        facts.add(one, soft_string(contact, one))
    name = facts.get("full_name") or facts.get("first_name")
    others = [Identity(person.native_id, person.id_type, name)] if person else []
    if person and user_id and person.native_id != user_id:
        others.append(Identity(user_id, "bsuid"))
    digest = hashlib.sha256(compact(item).encode("utf-8", "surrogatepass")).hexdigest()
    return CapturedEvent(
        kind=events.IDENTITY if person else events.UNKNOWN,
        channel=CHANNEL,
        source=SOURCE,
        account=context.account,
        conversation=context.pair(party) if party and person else f"account:{context.account}",
        captured_at=context.captured_at,
        revision=f"state|{moment.raw or ''}|{digest}",
        participants=(context.firm, *others),
        occurred_at=moment.at,
        occurred_precision=moment.precision,
        occurred_meaning="provider_webhook" if moment.at is not None else None,
        text=None if person else words_of(item),
        observations=_codes(moment.observations, [] if person else ["unknown_type"]),
        details=facts.pairs(),
        delivery=delivery,
    )


def read_unknown(value: Any, raw: bytes, context: Context, delivery: Delivery,
                 *observations: str) -> CapturedEvent:
    """What this version has no reader for, kept with every word in it so that search finds it.

    It has no id of its own: the hash of its bytes tells a retry from another one, and the entry's
    time tells one occurrence from the next that reads the same.
    """
    facts = context.facts()
    facts.add("entry_time", context.entry_time)
    if isinstance(value, dict):
        for name, one in list(value.items())[:_UNKNOWN_FACTS_MAX]:
            facts.add(f"value.{name}"[:_FACT_CHARS_MAX], spelled(one)[:_FACT_CHARS_MAX])
    digest = hashlib.sha256(raw).hexdigest()
    return CapturedEvent(
        kind=events.UNKNOWN,
        channel=CHANNEL,
        source=SOURCE,
        account=context.account,
        conversation=f"account:{context.account}",
        captured_at=context.captured_at,
        revision=f"{context.field_name}|{context.entry_time}|{digest}",
        participants=(context.firm,),
        text=words_of(value),
        observations=_codes(observations),
        details=facts.pairs(),
        delivery=delivery,
    )


def _message(item: Fields, kind: str) -> _Deed:
    content = whatsapp_content.content_of(item, kind)
    if kind not in whatsapp_content.READERS:
        return _Deed(events.UNKNOWN, content)
    # The content class: a placeholder and the media that follows under the same id are two facts.
    revision = "" if content.state == events.PRESENT else content.state
    return _Deed(events.MESSAGE, content, revision=revision)


def _reaction(item: Fields, _kind: str) -> _Deed:
    reaction = object_of(item, "reaction") or {}
    # A removal comes with an empty emoji or with none (CAPTURE case 13).
    emoji = string_of(reaction, "emoji")
    facts = Facts()
    facts.add("reaction", "added" if emoji else "removed")
    return _about(events.REACTION, string_of(reaction, "message_id"), Content(text=emoji),
                  facts.pairs())


def _edit(item: Fields, _kind: str) -> _Deed:
    edit = object_of(item, "edit") or {}
    written = object_of(edit, "message")
    if written is None:
        return _about(events.EDIT, string_of(edit, "original_message_id"), whatsapp_content.ABSENT)
    kind = string_of(written, "type") or ""
    content = whatsapp_content.content_of(written, kind)
    facts = Facts()
    facts.add("edited_type", kind)
    observations = _beside(written, facts)
    deed = _about(events.EDIT, string_of(edit, "original_message_id"), content, facts.pairs())
    return replace(deed, observations=(*deed.observations, *observations))


def _revoke(item: Fields, _kind: str) -> _Deed:
    revoke = object_of(item, "revoke") or {}
    # A retraction brings no text by its nature; whether the text is known is the message's matter.
    content = Content(state=events.ABSENT_BY_SOURCE)
    return _about(events.RETRACTION, string_of(revoke, "original_message_id"), content)


def _system(item: Fields, kind: str) -> _Deed:
    content = whatsapp_content.content_of(item, kind)
    system_type = dict(content.details).get("system_type")
    if system_type in _IDENTITY_CHANGES:
        return _Deed(events.IDENTITY, content)
    return _Deed(events.UNKNOWN, content, observations=("unknown_type",))


def _unsupported(item: Fields, kind: str) -> _Deed:
    content = whatsapp_content.content_of(item, kind)
    what = dict(content.details).get("unsupported_type", "")
    if what in _UNSUPPORTED_DEEDS:
        return _about(_UNSUPPORTED_DEEDS[what], None, content)
    if what in _UNSUPPORTED_UNKNOWN:
        return _Deed(events.UNKNOWN, content)
    return _Deed(events.MESSAGE, content, revision=content.state)


def _about(kind: str, target: str | None, content: Content,
           details: tuple[tuple[str, str], ...] = ()) -> _Deed:
    if target is not None:
        return _Deed(kind, content, target, events.EXPLICIT, details=details)
    return _Deed(kind, content, None, events.ABSENT, details=details,
                 observations=("target_absent",))


DEEDS: Final[Mapping[str, Callable[[Fields, str], _Deed]]] = {
    "reaction": _reaction,
    "edit": _edit,
    "revoke": _revoke,
    "system": _system,
    "unsupported": _unsupported,
}


def _peer(item: Fields, context: Context, way: Way, outgoing: bool) -> Party:
    """The side that is not the firm."""
    side = "to" if outgoing else "from"
    named = string_of(item, side) or way.peer
    return context.party(named, string_of(item, f"{side}_user_id"),
                         string_of(item, f"{side}_parent_user_id"))


def _others(context: Context, peer: Party, group_id: str | None, outgoing: bool,
            facts: Facts) -> tuple[Identity, ...]:
    """Everyone but the actor; of a changed number or user id, the new one too."""
    others = []
    if not outgoing:
        others.append(context.firm)
    if group_id:
        others.append(Identity(group_id, "group"))
    elif outgoing and peer.identity:
        others.append(peer.identity)
    wa_id, user_id = facts.get("new_wa_id"), facts.get("new_user_id")
    if wa_id is not None or user_id is not None:
        successor = context.party(wa_id, user_id, None).identity
        if successor:
            others.append(successor)
    return tuple(others)


def _beside(item: Fields, facts: Facts) -> list[str]:
    """What stands beside the content of any message; returns observations."""
    observations = _errors(item, facts)
    for name in ("referral", "identity"):
        facts.add(name, item.get(name))
    about = item.get("context")
    if not isinstance(about, dict):
        return observations
    reply_to = soft_string(about, "id")
    if reply_to == _PLACEHOLDER_TARGET:
        observations.append("placeholder_target")
    else:
        facts.add("reply_to", reply_to)
    facts.add("reply_to_from", soft_string(about, "from"))
    facts.add("referred_product", about.get("referred_product"))
    if about.get("forwarded") is True:
        observations.append("forwarded")
    if about.get("frequently_forwarded") is True:
        observations.append("frequently_forwarded")
    return observations


def _errors(item: Fields, facts: Facts) -> list[str]:
    errors = item.get("errors")
    if not errors:
        return []
    facts.add("errors", compact(errors))
    return ["provider_error"]


def _recipient_user_ids(item: Fields) -> tuple[str | None, str | None]:
    """(user id, parent user id) of a status; Meta's pages disagree on the parent's name."""
    user_id = (soft_string(item, "recipient_user_id")
               or soft_string(item, "recipient_participant_user_id"))
    for name in ("parent_recipient_user_id", "recipient_parent_user_id", "parent_user_id"):
        parent = soft_string(item, name)
        if parent:
            return user_id, parent
    return user_id, None


def _required(item: Fields, name: str) -> str:
    value = string_of(item, name)
    if value is None:
        raise Refused(f"{name} is missing")
    return value


def _codes(*groups: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set().union(*groups)))

