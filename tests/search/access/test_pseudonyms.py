"""Names behind pseudonyms: the same each time, nowhere beside a text, and no way to ask behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.assignment import Assignment, Assignments
from schemas.directory import Account, Custodian, Directory
from schemas.errors import QueryError
from schemas.events import IDENTITY, Identity
from schemas.gaps import PROVED, Gap
from search import query, tree
from search.access.pseudonyms import HIDDEN, Pseudonyms, label
from search.candidates import holds
from search.conversation import ConversationView
from search.parse import parse
from search.results import HitView, SeenBy
from search.thread import ConversationLine, MessageView, RelatedView, VersionView
from search.tokens import Tokenizer
from search.tree import leaves
from tests.search.access.firm import (
    CLIENT,
    DIRECTORY,
    NUMBERS,
    SPARE,
    filed,
    message,
)
from tests.search.world import NOON, TOKENIZER

MASK = Pseudonyms(TOKENIZER, DIRECTORY)
ANN = Identity(NUMBERS["ann"], "e164", "Ann Novak")
SECRETS = ("Maria", "Souza", "6505551234", "5550000001", "Ann", "Novak", "'ann'")


def hit(**more: object) -> HitView:
    """A client's message to Ann."""
    plain = HitView(
        "0" * 32, "whatsapp", "message", ("message",), "a" * 16, CLIENT, "in", NOON, NOON, "live",
        "present", "call me", (), 1, 1, 0, (), custodian="ann", seen_by=(
            SeenBy("0" * 32, "ann", NUMBERS["ann"], "live", "same"),))
    return replace(plain, **more)  # type: ignore[arg-type]


def version(actor: Identity | None) -> VersionView:
    """One version of it."""
    return VersionView("message", "call me", (), actor, NOON, NOON, "present", None,
                       "provider_signed", (), 0, "segment", 0, 0, NOON, ())


def test_a_pseudonym_is_the_same_each_time_and_nothing_without_the_key() -> None:
    """Of one firm; another firm's is another, and it is no token of the index."""
    assert MASK.custodian("ann") == Pseudonyms(TOKENIZER, Directory()).custodian("ann")
    other = Pseudonyms(Tokenizer(bytes(32)), DIRECTORY)
    assert MASK.custodian("ann") != other.custodian("ann")
    assert MASK.custodian("ann") != MASK.custodian("ben")
    assert TOKENIZER.named("custodian", "ann") not in MASK.custodian("ann").lower()
    assert MASK.custodian("") == ""
    shown = label(MASK.custodian("ann"))
    assert shown.startswith("Custodian K-") and len(shown) == len("Custodian K-4F2A9C")
    assert label("somebody") == "somebody"


def test_thousands_of_people_have_pseudonyms_of_their_own() -> None:
    """It is one to one: no two people share one."""
    names = {MASK.custodian(f"person {number}") for number in range(5_000)}
    assert len(names) == 5_000


def test_nothing_beside_the_text_names_anybody() -> None:
    """Names, numbers and ids of a message, its versions, its copies and the talk around it."""
    found = MessageView(
        hit(), (version(CLIENT), version(ANN)),
        (RelatedView("receipt", "read", None, ANN, NOON, NOON, "s", 0, 0),
         RelatedView(IDENTITY, "", "Maria Souza has a new number", CLIENT, None, NOON, "s", 0, 0)),
        (ConversationLine(hit(actor=ANN, direction="out"), False),))
    masked = MASK.message(found)
    assert not [word for word in SECRETS if word in repr(masked)]
    assert masked.hit.text == "call me"
    assert masked.related[1].problem == HIDDEN
    client, ann = masked.versions[0].actor, masked.versions[1].actor
    assert client is not None and ann is not None
    assert client == masked.hit.actor and (client.display_name or "").startswith("Client C-")
    assert ann.native_id == masked.hit.custodian == masked.hit.seen_by[0].custodian


def test_a_gap_beside_a_conversation_names_no_account() -> None:
    """That and when something is missing is shown; whose it is, in account, note or name, is not.
    """
    gap = Gap("account_offboarded", "whatsapp", NUMBERS["ann"], NOON, NOON + 5, PROVED, 2,
              f"session {NUMBERS['ann']}", f"offboarded:{NUMBERS['ann']}")
    found = MASK.conversation(ConversationView("a" * 16, (), None, None, 0, (gap,)))
    assert found.gaps == (Gap("account_offboarded", "whatsapp", "", NOON, NOON + 5, PROVED, 2),)


def test_an_account_is_its_owners_of_that_time() -> None:
    """A number that was handed on is each owner's in their time, else a client's."""
    directory = Directory((Custodian("ann", "Ann"), Custodian("ben", "Ben")), (
        Account("sms", "+1555", "ann", None, NOON), Account("sms", "+1555", "ben", NOON, NOON + 5)))
    mask = Pseudonyms(TOKENIZER, directory)
    who = Identity("+1555", "e164")
    assert mask.person(who, "mms", NOON - 1).native_id == mask.custodian("ann")
    assert mask.person(who, "sms", NOON).native_id == mask.custodian("ben")
    assert mask.person(who, "sms", NOON + 5).native_id.startswith("C-")
    assert mask.person(who, "whatsapp", NOON).native_id.startswith("C-")


def test_facets_say_custodians_by_pseudonym() -> None:
    """The same one as beside a message."""
    token = TOKENIZER.named("custodian", "ann")
    masked = MASK.facets({"custodian": ((token, 7),), "channel": (("sms", 3),)})
    assert masked == {"custodian": ((MASK.custodian("ann"), 7),), "channel": (("sms", 3),)}


def test_a_pseudonym_finds_whom_it_stands_for() -> None:
    """Client and custodian, on the side that was asked for; small letters too."""
    found = filed(1, message(1, "ann")).document
    client = MASK.person(CLIENT, "whatsapp", NOON).native_id
    assert holds(_node(f"from:{client}"), found)
    assert holds(_node(f"with:{client.lower()}"), found)
    assert not holds(_node(f"to:{client}"), found)
    assert holds(_node(f"to:{MASK.custodian('ann')}"), found)
    assert not holds(_node(f"from:{MASK.custodian('ann')}"), found)
    assert not holds(_node(f"with:{MASK.custodian('ben')}"), found)
    assert _node("with:K-0123456789ABCDEF") == query.Nothing()


def test_what_was_assigned_afterwards_is_found_by_pseudonym() -> None:
    """As by name."""
    found = filed(1, message(1, "")).document
    assigned = Assignments([Assignment("a", NOON, "whatsapp", SPARE, "ann")])
    assert holds(_node(f"to:{MASK.custodian('ann')}", assigned), found)
    assert not holds(_node(f"to:{MASK.custodian('ben')}", assigned), found)


@pytest.mark.parametrize("asked", [
    "from:maria", "to:+16505551234", "with:ann", "hello AND NOT from:Souza", "from:C-01",
    'conversation:"pair:+15550000001|+16505551234"', "conversation:group:1"])
def test_a_name_is_no_question(asked: str) -> None:
    """Otherwise an answer, or its absence, would say who somebody is."""
    with pytest.raises(QueryError, match="names are hidden"):
        MASK.check(parse(asked), asked)


def test_what_names_nobody_may_be_asked() -> None:
    """Words, dates, a conversation by the digits that its messages show."""
    asked = f"hello conversation:{'a' * 16} from:{MASK.custodian('ann')} channel:sms"
    MASK.check(parse(asked), asked)


def _node(asked: str, assigned: Assignments | None = None) -> query.Node:
    party, = leaves(parse(asked))
    assert isinstance(party, tree.Party)
    return query.flatten(MASK.node(party, asked, assigned or Assignments()))
