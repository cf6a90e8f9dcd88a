"""The hard cases of the WhatsApp Cloud API that an adapter decides, by their number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ingest.adapters import whatsapp
from schemas import events, identity
from schemas.events import CapturedEvent, Identity, Parsed
from schemas.limits import DELIVERY_BYTES_MAX
from tests.vendor import payloads
from tests.vendor.payloads import (
    AT,
    BSUID,
    FIRM,
    PEER,
    change,
    contact,
    echoes,
    envelope,
    message,
    messages,
    meta,
    status,
    text,
    value,
)

NOW = 1_749_854_600_000
ACCOUNT = "+" + FIRM


def parsed(body: bytes, captured_at: int = NOW) -> Parsed:
    """What the adapter makes of a body."""
    return whatsapp.parse(body, "application/json", captured_at)


def only(body: bytes) -> CapturedEvent:
    """The single event of a body."""
    result = parsed(body)
    assert () == result.quarantined
    assert 1 == len(result.events)
    return result.events[0]


def revoke(native_id: str = "wamid.GONE", target: str = "wamid.ORIG") -> dict[str, Any]:
    """A retraction of `target`."""
    return message(native_id, "revoke", revoke={"original_message_id": target})


def test_case_01_revoke_of_an_unknown_message_is_an_orphan_with_its_targets_key() -> None:
    """The retraction carries the key of a message never seen, so that no lookup joins them."""
    orphan = only(messages(revoke()))
    assert (events.RETRACTION, "wamid.ORIG", events.EXPLICIT) == (
        orphan.kind, orphan.target, orphan.target_known)
    assert orphan.text is None
    assert events.ABSENT_BY_SOURCE == orphan.content_state
    assert identity.key_of("whatsapp", ACCOUNT, "wamid.ORIG") == identity.message_key(orphan)


def test_case_02_original_after_its_revoke_has_the_same_message_key() -> None:
    """Whichever comes first, both are kept in full and meet under one key, in one conversation."""
    orphan, original = only(messages(revoke())), only(messages(text("wamid.ORIG", "the words")))
    assert identity.message_key(orphan) == identity.message_key(original)
    assert orphan.conversation == original.conversation
    assert identity.event_id(orphan) != identity.event_id(original)
    assert ("the words", events.PRESENT) == (original.text, original.content_state)


def test_case_03_unsupported_edit_says_that_content_and_target_are_missing() -> None:
    """An edit happened; what and of which message was not delivered, and that is what is kept."""
    edit = only(messages(message("wamid.E", "unsupported", unsupported={"type": "edit"},
                                 errors=[{"code": 131051}])))
    assert (events.EDIT, None, events.ABSENT) == (edit.kind, edit.target, edit.target_known)
    assert events.ABSENT_BY_SOURCE == edit.content_state
    assert {"target_absent", "content_absent"} <= set(edit.observations)
    assert identity.key_of("whatsapp", ACCOUNT, "wamid.E") == identity.message_key(edit)


def test_case_04_redelivery_has_the_same_event_ids() -> None:
    """The same body again, later, from a second app: the same facts, whatever the kind."""
    for (provider, name), body in payloads.PAYLOADS.items():
        if provider != "whatsapp":
            continue
        first, again = parsed(body, NOW).events, parsed(body, NOW + 3_600_000).events
        assert [identity.event_id(one) for one in first] == [
            identity.event_id(one) for one in again], name
        assert len(first) == len({identity.event_id(one) for one in first}), name


def test_case_05_message_twice_in_one_body_is_one_event() -> None:
    """Two equal items are one fact; the same id with other words is a second sighting."""
    twice = parsed(messages(text("wamid.A", "one"), text("wamid.B", "b"), text("wamid.A", "one")))
    assert ["wamid.A", "wamid.B"] == [one.native_id for one in twice.events]
    differing = parsed(messages(text("wamid.A", "one"), text("wamid.A", "two"))).events
    assert ["one", "two"] == [one.text for one in differing]
    assert identity.event_id(differing[0]) == identity.event_id(differing[1])


def _missing_id(item: dict[str, Any]) -> Any:
    return {name: held for name, held in item.items() if name != "id"}


@pytest.mark.parametrize("spoil", [
    _missing_id,
    lambda item: {**item, "id": 500},
    lambda item: {**item, "id": ""},
    lambda item: {**item, "text": "no object"},
    lambda item: {**item, "text": {"body": ["no", "string"]}},
    lambda item: {**item, "type": 7},
    lambda item: {**item, "from": {"no": "string"}},
    lambda item: "no object",
    lambda item: None,
    lambda item: [item],
])
def test_case_06_one_malformed_item_of_a_thousand_costs_itself(
        spoil: Callable[[dict[str, Any]], Any]) -> None:
    """999 events in order, and one quarantined piece with exactly the item's bytes."""
    listed: list[Any] = [text(f"wamid.{number}", f"words {number}") for number in range(1000)]
    listed[500] = spoil(listed[500])
    result = parsed(messages(*listed))
    assert [f"wamid.{number}" for number in range(1000) if number != 500] == [
        one.native_id for one in result.events]
    assert [meta(listed[500])] == [one.raw for one in result.quarantined]


@pytest.mark.parametrize(("sound", "broken"), [
    (b'"wamid.500",', b'"wamid.500" '),
    (b'"wamid.500",', b'"wamid.500,'),
    (b'"words 500"}}', b'"words 500"}'),
    (b'"words 500"}}', b'"words 500"}}}'),
    (b'"words 500"', b'"words 500\xff"'),
])
def test_case_06_broken_json_in_one_item_costs_itself(sound: bytes, broken: bytes) -> None:
    """Also where the JSON itself breaks, the items before and after it are read."""
    body = messages(*(text(f"wamid.{number}", f"words {number}") for number in range(1000)))
    result = parsed(body.replace(sound, broken))
    expected = [f"wamid.{number}" for number in range(1000)]
    if broken != b'"words 500"}}}':
        expected.remove("wamid.500")
    assert expected == [one.native_id for one in result.events]
    assert 1 == len(result.quarantined)


def test_case_06_updates_in_entries_of_their_own() -> None:
    """A malformed entry or change costs itself, and no update moves to another account."""
    entries = [{"id": str(number), "changes": [change("messages", {
        "metadata": {"display_phone_number": str(100_000 + number)},
        "messages": [text(f"wamid.{number}", "x")]})]} for number in range(100)]
    body = meta({"object": "whatsapp_business_account", "entry": entries})
    result = parsed(body.replace(b'"wamid.50",', b'"wamid.50,'))
    assert {f"wamid.{number}": f"+{100_000 + number}" for number in range(100) if number != 50} == {
        one.native_id: one.account for one in result.events}
    assert 1 == len(result.quarantined)


def test_case_07_three_megabytes_are_read() -> None:
    """A legal body of 3 MB is within the limit and every item of it is read."""
    assert DELIVERY_BYTES_MAX >= 3 * 1024 * 1024
    body = messages(*(text(f"wamid.{number}", "w\u00f6rd " * 300) for number in range(1000)))
    assert len(body) > 2_900_000
    result = parsed(body)
    assert (1000, ()) == (len(result.events), result.quarantined)


def test_case_10_no_phone_number_anywhere_is_the_user_id() -> None:
    """A user with a username: the BSUID is the identity, and no empty phone appears."""
    nameless = {name: held for name, held in text("wamid.K", "hi").items() if name != "from"}
    user = {"profile": {"name": "Kai", "username": "@kai"}, "user_id": BSUID}
    for item in ({**nameless, "from_user_id": BSUID}, nameless,
                 {**nameless, "from": "", "from_user_id": BSUID}):
        event = only(messages(item, contacts=[user]))
        assert Identity(BSUID, "bsuid", "Kai") == event.actor
        assert identity.pair(ACCOUNT, BSUID) == event.conversation
        assert ("phone_absent",) == event.observations
        assert ("@kai", BSUID) == (event.detail("peer_username"), event.detail("peer_user_id"))


def test_case_10_nobody_named_is_kept() -> None:
    """Without any id of the sender the message is kept, and says so."""
    nameless = {name: held for name, held in text("wamid.K", "hi").items() if name != "from"}
    event = only(messages(nameless, contacts=[]))
    assert (None, "hi") == (event.actor, event.text)
    assert {"phone_absent", "contact_absent"} == set(event.observations)


@pytest.mark.parametrize("user_id", ["US.1234", BSUID, "US.ENT.11815799212886844830", "uUS.99"])
def test_case_11_user_id_in_from_is_no_phone(user_id: str) -> None:
    """A BSUID where a number used to be stays opaque: no plus, no digits cut out of it."""
    event = only(messages({**text("wamid.K", "hi"), "from": user_id}, contacts=[]))
    assert Identity(user_id, "bsuid") == event.actor
    assert identity.pair(ACCOUNT, user_id) == event.conversation


def test_case_11_number_from_the_contact_keeps_the_conversation() -> None:
    """With the phone known beside the BSUID, the conversation is the phone's."""
    known = only(messages({**text("wamid.K", "hi"), "from": BSUID},
                          contacts=[contact("Kai", PEER, user_id=BSUID)]))
    assert Identity("+" + PEER, "e164", "Kai") == known.actor
    assert only(messages(text("wamid.L", "hi"))).conversation == known.conversation


@pytest.mark.parametrize(("kind", "ids"), [
    ("user_changed_number", {"wa_id": "16505559999"}),
    ("user_changed_user_id", {"user_id": "US.222"}),
])
def test_changed_identity_is_an_event_that_links_both(kind: str, ids: dict[str, str]) -> None:
    """The notice stays in the old conversation and names old and new."""
    event = only(messages(message("wamid.S", "system", system={"type": kind, "body": "b", **ids}),
                          contacts=[]))
    new = "+16505559999" if "wa_id" in ids else "US.222"
    assert events.IDENTITY == event.kind
    assert event.actor is not None and "+" + PEER == event.actor.native_id
    assert new in {one.native_id for one in event.participants}
    assert identity.pair(ACCOUNT, "+" + PEER) == event.conversation


def test_case_13_empty_and_missing_emoji_are_removals() -> None:
    """Both spellings remove; each reaction keeps its own id and its target's key."""
    target = {"message_id": "wamid.T"}
    added, empty, missing = parsed(messages(
        message("wamid.1", "reaction", reaction={**target, "emoji": "\U0001f44d"}),
        message("wamid.2", "reaction", reaction={**target, "emoji": ""}),
        message("wamid.3", "reaction", reaction=target))).events
    assert ["added", "removed", "removed"] == [
        one.detail("reaction") for one in (added, empty, missing)]
    assert ["\U0001f44d", None, None] == [one.text for one in (added, empty, missing)]
    keys = {identity.message_key(one) for one in (added, empty, missing)}
    assert {identity.key_of("whatsapp", ACCOUNT, "wamid.T")} == keys
    assert 3 == len({identity.event_id(one) for one in (added, empty, missing)})


def test_case_14_placeholder_and_its_media_are_two_facts_of_one_message() -> None:
    """The content class is in the id, so that the media is no duplicate of its placeholder."""
    first, second = (payloads.PAYLOADS["whatsapp", name] for name in ("history", "history_media"))
    held = next(one for one in parsed(first).events if one.native_id == "wamid.OLD3")
    media = only(second)
    assert (events.PLACEHOLDER, events.PRESENT) == (held.content_state, media.content_state)
    assert identity.message_key(held) == identity.message_key(media)
    assert identity.event_id(held) != identity.event_id(media)


def test_case_17_group_is_the_conversation() -> None:
    """Whoever of the group writes, the conversation is the group; the actor is the person."""
    first, second = parsed(payloads.PAYLOADS["whatsapp", "group"]).events
    assert {identity.group("Y2FwaV9ncm91cDox")} == {first.conversation, second.conversation}
    assert ["+" + PEER, "+4790000000"] == [
        one.actor.native_id for one in (first, second) if one.actor]


def test_case_17_group_receipt_is_the_participants() -> None:
    """A status of a group message belongs to the group; its reader is the participant."""
    event = only(meta(envelope(change("messages", value(statuses=[status(
        "wamid.G", "read", recipient_id="GROUP", recipient_type="group",
        recipient_participant_id=PEER)])))))
    assert identity.group("GROUP") == event.conversation
    assert Identity("+" + PEER, "e164") == event.actor
    assert f"read|{PEER}|{AT}" == event.revision


@pytest.mark.parametrize("answers", [
    '["not","an","object"]', '{"a":"b"}', "null", "not json", '"x"', "{",
])
def test_case_18_form_answers_stay_the_string(answers: str) -> None:
    """`response_json` is kept as it came, of whatever shape, and is what search reads."""
    event = only(messages(message("wamid.F", "interactive", interactive={
        "type": "nfm_reply", "nfm_reply": {"name": "flow", "response_json": answers}})))
    assert (events.MESSAGE, answers) == (event.kind, event.text)


def test_case_19_unknown_field_is_archived_as_unknown() -> None:
    """The whole change is one event; its range holds the exact bytes, its words are searchable."""
    body = meta(envelope(change("moon_phase", value(phase="full", messages=[text("x", "y")]))))
    event = only(body)
    assert (events.UNKNOWN, ("unknown_field",)) == (event.kind, event.observations)
    assert event.delivery is not None
    assert meta(change("moon_phase", value(phase="full", messages=[text("x", "y")]))) == body[
        event.delivery.start:event.delivery.end]
    assert event.text is not None and "full" in event.text


def test_case_19_unknown_type_is_archived_as_unknown() -> None:
    """A message type of tomorrow keeps its id, its sender and its words."""
    event = only(messages(message("wamid.P", "poll", poll={"question": "Which day?"})))
    assert (events.UNKNOWN, "wamid.P", "Which day?") == (event.kind, event.native_id, event.text)
    assert ("unknown_type",) == event.observations


def test_case_19_unknown_status_is_archived_as_unknown() -> None:
    """A status of tomorrow stays with its message."""
    listed = [status("wamid.S", "in_orbit")]
    event = only(meta(envelope(change("messages", value(statuses=listed)))))
    assert (events.UNKNOWN, "wamid.S", "in_orbit") == (
        event.kind, event.target, event.detail("status"))
    assert ("unknown_status",) == event.observations


def test_case_19_unknown_occurrences_are_told_apart_by_time() -> None:
    """Two account notices that read the same are two; a retry of one is one."""
    def notice(at: int) -> bytes:
        return meta({"object": "whatsapp_business_account", "entry": [{
            "id": "1", "time": at, "changes": [change("account_update", {"event": "X"})]}]})
    first, retry, second = (only(notice(at)) for at in (1, 1, 2))
    assert identity.event_id(first) == identity.event_id(retry)
    assert identity.event_id(first) != identity.event_id(second)


def test_case_21_echo_of_an_edit_is_the_businesss_own() -> None:
    """An edit made by the employee goes out; its actor is the business."""
    event = only(echoes({"id": "wamid.E", "type": "edit", "edit": {
        "original_message_id": "wamid.O", "message": {"type": "text", "text": {"body": "new"}}}}))
    assert (events.EDIT, events.OUT, "wamid.O", "new") == (
        event.kind, event.direction, event.target, event.text)
    assert Identity(ACCOUNT, "e164") == event.actor
    assert (Identity("+" + PEER, "e164"),) == event.participants
    assert identity.pair(ACCOUNT, "+" + PEER) == event.conversation


@pytest.mark.parametrize(("stamp", "expected", "flagged"), [
    (AT, 1_749_854_575_000, False),
    (int(AT), 1_749_854_575_000, True),
    (AT + "000", 1_749_854_575_000, True),
    (AT + "000000", 1_749_854_575_000, True),
    ("0", None, True),
    (-5, None, True),
    ("soon", None, True),
    ([1], None, True),
])
def test_case_22_timestamps_are_read_by_magnitude(stamp: object, expected: int | None,
                                                  flagged: bool) -> None:
    """A wrong unit or garbage never costs the message; what was odd is flagged and kept raw."""
    event = only(messages(text("wamid.T", "x", timestamp=stamp)))
    assert expected == event.occurred_at
    assert flagged == bool(event.observations)
    assert flagged == (event.detail("timestamp") is not None)
    receipt = only(meta(envelope(change("messages", value(statuses=[
        status("wamid.S", "read", timestamp=stamp)])))))
    assert expected == receipt.occurred_at


def test_receipts_keep_their_dedup_key() -> None:
    """id, status, recipient and time make a receipt; its message's key joins it."""
    def receipt(**members: Any) -> CapturedEvent:
        return only(meta(envelope(change("messages", value(statuses=[
            {**status("wamid.S", "read"), **members}])))))
    base = receipt()
    assert (None, "wamid.S", f"read|{PEER}|{AT}") == (base.native_id, base.target, base.revision)
    assert identity.key_of("whatsapp", ACCOUNT, "wamid.S") == identity.message_key(base)
    for other in (receipt(status="delivered"), receipt(timestamp="1749854576"),
                  receipt(recipient_id="16505550000")):
        assert identity.event_id(base) != identity.event_id(other)
    assert identity.event_id(base) == identity.event_id(receipt(biz_opaque_callback_data="x"))


def test_copies_at_two_accounts_are_linked_not_merged() -> None:
    """One message captured on two numbers: two message keys, one shared key."""
    body = payloads.PAYLOADS["whatsapp", "stanza"]
    mine, theirs = only(body), only(body.replace(FIRM.encode(), b"15550783999"))
    assert identity.message_key(mine) != identity.message_key(theirs)
    assert identity.shared_key(mine) is not None
    assert identity.shared_key(mine) == identity.shared_key(theirs)


def test_only_facts_of_the_delivery_are_left_to_the_gateway() -> None:
    """An adapter says nothing of custodians, raw bytes, headers or delivery ids."""
    for (provider, name), body in payloads.PAYLOADS.items():
        if provider != "whatsapp":
            continue
        for event in parsed(body).events:
            assert event.delivery is not None, name
            bare = replace(event, delivery=None)
            assert (None, "", "", b"") == (
                bare.raw, bare.raw_type, bare.custodian, event.delivery.delivery_id), name
