"""What a chat export claims beside what a provider signed (PROTOCOL C5), from file to document."""

from __future__ import annotations

from dataclasses import replace

from schemas import document as shape
from schemas import events
from schemas.events import CapturedEvent
from schemas.identity import message_key
from search.project import document
from tests.fakes.ledger import FakeLedger
from tests.ingest.exports import ANSWERS, LRM, file_of, import_of, ios, said
from tests.search import world
from tests.search.test_project import entries_of

_CHAT = [said("2026-01-15 12:00:00", "Ann Lee", "hello"),
         said("2026-01-15 12:01:00", "Desk", "good morning"),
         said("2026-01-15 12:02:00", "Ann Lee", "we sell at noon")]
_ANSWERS = replace(ANSWERS, account="+15550783881", me="Desk", zone="UTC",
                   now=world.NOON + 86_400_000)


def imported() -> list[CapturedEvent]:
    """A chat, and then the export in which its last message was taken back."""
    ledger = FakeLedger()
    gone = [*_CHAT[:2], replace(_CHAT[2], body=f"{LRM}This message was deleted.")]
    return [one.event for chat in (_CHAT, gone)
            for one in import_of(file_of(ios(chat)), ledger, _ANSWERS).found
            if one.how != "known"]


def test_an_export_is_no_version_of_a_signed_message() -> None:
    """The same words at the same account are a document of their own: ids are the export's own."""
    signed = world.event(text="hello")
    exported = imported()
    assert "hello" == exported[0].text
    assert signed.account == exported[0].account
    assert message_key(signed) not in {message_key(one) for one in exported}
    assert {events.CUSTODIAN_SUPPLIED} == {one.provenance for one in exported}


def test_an_exports_line_and_its_tombstone_are_one_document() -> None:
    """Message and retraction meet by the line's id; the text stays."""
    exported = imported()
    line = [one for one in exported if message_key(one) == message_key(exported[2])]
    assert [events.MESSAGE, events.RETRACTION] == [one.kind for one in line]
    found = document("d", entries_of(line))
    assert shape.RETRACTED == found.state
    assert 2 == found.version_count
    assert found.words


def test_a_claim_about_a_signed_message_is_shown_and_changes_nothing() -> None:
    """Even an export's retraction that named a signed message would not retract it."""
    signed = world.event(text="we sell at noon")
    claim = replace(imported()[-1], target=signed.native_id)
    assert message_key(signed) == message_key(claim)
    found = document("d", entries_of([signed, claim]))
    assert shape.LIVE == found.state
    assert "claimed_by_export" in found.observations
