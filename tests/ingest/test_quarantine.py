"""Quarantined items: listed without content, and read again in the delivery that they came in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Parse, rebuild
from ingest.quarantine import ReadAgain, belongs_to, replay, rows
from schemas import codec, events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Parsed, Quarantined
from schemas.identity import event_id
from tests.ingest.doorway import DIRECTORY, NOW, text_message, whatsapp_body
from tests.ingest.test_delivery import ROUTER, WHATSAPP, request

BODY = whatsapp_body(text_message(1), text_message(2, "later readable"), text_message(3))
DELIVERER = Deliverer(ROUTER, DIRECTORY)


def blind_to(native_id: str) -> Parse:
    """The adapter, before a defect was mended: it cannot read one item."""

    def parse(body: bytes, content_type: str, at: int) -> Parsed:
        parsed = WHATSAPP(body, content_type, at)
        bad = next(one for one in parsed.events if one.native_id == native_id)
        assert bad.delivery is not None
        start, end = bad.delivery.start, bad.delivery.end
        return Parsed(tuple(one for one in parsed.events if one is not bad),
                      (Quarantined("a defect", body[start:end], start, end),))

    return parse


def captured() -> list[CapturedEvent]:
    """What the archive holds of the delivery."""
    return list(DELIVERER.deliver(request(BODY), blind_to("wamid.2")))


def read_again(made: list[CapturedEvent], parse: Parse = WHATSAPP) -> ReadAgain:
    """Replay the one quarantined item."""
    item = next(one for one in made if one.kind == events.QUARANTINE)
    siblings = [one for one in made if belongs_to(one) == belongs_to(item)]
    return replay(item, siblings, {"whatsapp": parse}, DELIVERER)


def test_lists_what_waits_without_content() -> None:
    """Id, time, door, reason and size; never what was said."""
    made = captured()
    item = next(one for one in made if one.kind == events.QUARANTINE)
    found = list(rows(made))
    assert [(one.id, one.at, one.door, one.reason) for one in found] == [
        (event_id(item).hex(), NOW, "whatsapp", "a defect")]
    assert found[0].size == len(item.raw or b"")
    assert "readable" not in repr(found)


def test_reads_an_item_again_as_it_would_have_been() -> None:
    """Same identity, captured_at, provenance, custodian and bytes as without the defect, marked
    as replayed; its neighbours are not made again; the delivery still rebuilds."""
    made = captured()
    done = read_again(made)
    expected = next(one for one in DELIVERER.deliver(request(BODY), WHATSAPP)
                    if one.native_id == "wamid.2")
    assert done.reason == ""
    assert len(done.events) == 1
    again = done.events[0]
    assert event_id(again) == event_id(expected)
    assert again.observations == (*expected.observations, "replayed_from_quarantine")
    assert b"later readable" in (again.raw or b"")
    plain = replace(again, observations=expected.observations, raw=None, delivery=None)
    assert plain == replace(expected, raw=None, delivery=None)
    assert codec.decode(codec.encode(again)) == again
    assert [one.body for one in rebuild([*made, *done.events])] == [BODY]


def test_an_item_that_still_cannot_be_read_stays() -> None:
    """The reason of today is said, and nothing is made."""
    assert read_again(captured(), blind_to("wamid.2")) == ReadAgain((), "a defect")


def test_an_adapter_that_fails_is_said() -> None:
    """Replaying is safe, whatever the adapter does."""

    def parse(_body: bytes, _type: str, _at: int) -> Parsed:
        raise RuntimeError

    assert read_again(captured(), parse).reason == "adapter failed: RuntimeError"


def test_a_whole_body_in_quarantine_is_read_again() -> None:
    """A defect that cost the whole delivery is mended for the whole delivery."""

    def failing(_body: bytes, _type: str, _at: int) -> Parsed:
        raise RuntimeError

    made = list(DELIVERER.deliver(request(BODY), failing))
    done = read_again(made)
    assert [one.native_id for one in done.events] == ["wamid.1", "wamid.2", "wamid.3"]
    assert [one.custodian for one in done.events] == ["asmith"] * 3


def test_an_item_whose_delivery_is_gone_is_refused() -> None:
    """Without the envelope nobody can say whose item it is."""
    made = captured()
    item = next(one for one in made if one.kind == events.QUARANTINE)
    parses = {name: one.parse for name, one in ADAPTERS.items()}
    with pytest.raises(Refused):
        replay(item, [], parses, DELIVERER)
    with pytest.raises(Refused):
        replay(item, made, {}, DELIVERER)
