"""Who is meant: an identity as blind tokens, and a value of `from:` as the tokens to look for.

Owns the rule that a person is found by custodian id, by the words of a name (all of them, within
one person's name), by a number however it is punctuated, or by any other id of the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import phonenumbers

from schemas.events import IDENTITY, OUT, CapturedEvent, Identity
from schemas.links import link_of
from search import tokens

# Name words taken into account; more are no name but a text.
_NAME_WORDS_MAX: Final = 8
# People and accounts whose tokens are remembered; the rest are computed again.
_PEOPLE_CACHE: Final = 20_000
_NUMBER: Final = re.compile(r"\+?\(?[0-9][0-9 ()./\-\u00a0\u2010-\u2015]*")
_DIGITS: Final = re.compile(r"[0-9]+")
_NUMBER_DIGITS_MIN: Final = 5
_NUMBER_DIGITS_MAX: Final = 20

# Beside a message whose sender is known by a number and by another id: it links the two.
SEVERAL_IDS: Final[tuple[str, str]] = ("ids", "several")

Fact = tuple[str, str]
"""("id" | "phone" | "custodian" | "unassigned" | "name" | "names", value): one thing known of
a person."""


def facts(identity: Identity) -> Iterator[Fact]:
    """What one identity can be found by."""
    yield "id", _plain(identity.native_id)
    digits = identity.native_id.removeprefix("+")
    if identity.id_type in ("e164", "wa_id") and _DIGITS.fullmatch(digits):
        yield "phone", digits
    name = identity.display_name or (
        identity.native_id if identity.id_type in ("name", "user") else "")
    if name:
        yield from _name_facts(name)


def account_facts(account: str) -> Iterator[Fact]:
    """What a firm-side account can be found by."""
    if not account:
        return
    yield "id", _plain(account)
    digits = account.removeprefix("+")
    if account.startswith("+") and _DIGITS.fullmatch(digits):
        yield "phone", digits


def custodian_facts(custodian: str) -> Iterator[Fact]:
    """What a custodian can be found by."""
    if custodian:
        yield "custodian", _plain(custodian)


def unassigned_fact(account: str) -> Fact:
    """What the firm's side of an event is known by that was captured on an account of nobody's:
    no query names it, an assignment does (decision 0015)."""
    return "unassigned", _plain(account)


def linked(fact: Fact) -> Fact:
    """What a link is known by, for one fact of somebody whom it names: no query of a person's names
    it, so that a search for the firm's own number does not read every link of the firm's."""
    kind, value = fact
    return f"link-{kind}", value


@dataclass(frozen=True, slots=True)
class Sides:
    """Who said it, and everyone else: facts, unordered."""

    actor: frozenset[Fact]
    recipients: frozenset[Fact]


def sides(event: CapturedEvent) -> Sides:
    """The two sides of an event. The firm's account and custodian stand on the side that the
    direction says; without a direction with the recipients."""
    actor = set(facts(event.actor)) if event.actor else set()
    recipients = {fact for one in _others(event) for fact in facts(one)}
    if event.kind == IDENTITY:
        recipients.update(_link_facts(event))
    also = also_known_as(event)
    if also is not None:
        (recipients if event.direction == OUT else actor).update((*facts(also), SEVERAL_IDS))
    (actor if event.direction == OUT else recipients).update(
        _firm_facts(event.account, event.custodian))
    return Sides(frozenset(actor), frozenset(recipients))


class BlindSides:
    """`sides` as tokens. A person writes often: the tokens of an identity are remembered."""

    def __init__(self, tokenizer: tokens.Tokenizer) -> None:
        @lru_cache(maxsize=_PEOPLE_CACHE)
        def person(identity: Identity) -> frozenset[str]:
            return frozenset(blind(tokenizer, facts(identity)))

        @lru_cache(maxsize=_PEOPLE_CACHE)
        def firm(account: str, custodian: str) -> frozenset[str]:
            return frozenset(blind(tokenizer, _firm_facts(account, custodian)))

        self._person, self._firm = person, firm
        self._tokenizer = tokenizer
        self._several, = blind(tokenizer, (SEVERAL_IDS,))

    def sides(self, event: CapturedEvent) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The sorted tokens of `sides(event)`: actor, recipients."""
        actor: set[str] = set()
        if event.actor is not None:
            actor.update(self._person(event.actor))
        recipients: set[str] = set()
        for one in _others(event):
            recipients.update(self._person(one))
        if event.kind == IDENTITY:
            recipients.update(blind(self._tokenizer, _link_facts(event)))
        also = also_known_as(event)
        if also is not None:
            (recipients if event.direction == OUT else actor).update(
                (*self._person(also), self._several))
        (actor if event.direction == OUT else recipients).update(
            self._firm(event.account, event.custodian))
        return tuple(sorted(actor)), tuple(sorted(recipients))


def alternatives(value: str, region: str | None) -> list[tuple[Fact, ...]]:
    """What a value of `from:` may mean: any of these, each needing all of its facts.

    `region`: two letters of the country whose national number forms are understood, or null.
    """
    out: list[tuple[Fact, ...]] = [(("custodian", _plain(value)),), (("id", _plain(value)),)]
    out.extend((("phone", digits),) for digits in _numbers(value, region))
    name = tuple(_wanted_name(value))
    if name:
        out.append(name)
    return list(dict.fromkeys(out))


def blind(tokenizer: tokens.Tokenizer, found: Iterable[Fact]) -> tuple[str, ...]:
    """The tokens of facts, sorted."""
    return tuple(sorted({tokenizer.party(kind, value) for kind, value in found}))


def _others(event: CapturedEvent) -> Iterator[Identity]:
    native = event.actor.native_id if event.actor else None
    return (one for one in event.participants if one.native_id != native)


def also_known_as(event: CapturedEvent) -> Identity | None:
    """The user id of the person on the far side, where a number stands for them."""
    user_id = event.detail("peer_user_id") if event.channel == "whatsapp" else None
    if user_id is None or event.kind == IDENTITY:
        return None
    peers = event.participants if event.direction == OUT else (event.actor,)
    return Identity(user_id, "bsuid") if any(
        one is not None and one.id_type == "e164" and one.native_id != event.account
        for one in peers) else None


def _link_facts(event: CapturedEvent) -> Iterator[Fact]:
    link = link_of(event)
    for one in (*link.before, *link.after) if link else ():
        yield from map(linked, facts(one))


def _firm_facts(account: str, custodian: str) -> Iterator[Fact]:
    yield from account_facts(account)
    yield from custodian_facts(custodian)
    if account and not custodian:
        yield unassigned_fact(account)


def _plain(value: str) -> str:
    return tokens.normalise(value).strip().removeprefix("@")


def _name_facts(name: str) -> Iterator[Fact]:
    """Each word, each unit of a script without spaces, and each pair of words: the pairs keep
    "Ann Lee" from being found in "Ann Roe" and "Bob Lee" on one side."""
    words = _name_words(name)
    for word in words:
        yield "name", word
    for unit in tokens.units(name):
        yield "name", unit
    for first, second in combinations(sorted(words), 2):
        yield "names", f"{first} {second}"


def _wanted_name(value: str) -> Iterator[Fact]:
    words = _name_words(value)
    for word in words:
        yield "name", word
    single = tokens.wanted(value).unit
    if single:
        yield "name", single
    for first, second in combinations(sorted(words), 2):
        yield "names", f"{first} {second}"


def _name_words(name: str) -> list[str]:
    """Distinct words, pairs of units instead of runs; single units are left out."""
    words = dict.fromkeys(tokens.pairs_and_words(name))
    return list(words)[:_NAME_WORDS_MAX]


def _numbers(value: str, region: str | None) -> Iterator[str]:
    """The digits, in international form, that a number as typed may stand for."""
    text = tokens.normalise(value).strip()
    if not _NUMBER.fullmatch(text):
        return
    digits = "".join(_DIGITS.findall(text))
    if not _NUMBER_DIGITS_MIN <= len(digits) <= _NUMBER_DIGITS_MAX:
        return
    if text.startswith("+"):
        # "+44 (0)20 …": the trunk zero in brackets is never dialled from abroad.
        yield "".join(_DIGITS.findall(text.replace("(0)", "")))
        return
    yield digits
    if digits.startswith("00"):
        yield digits[2:]
    if region is None:
        return
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return  # no number of that country: the digits as typed still stand
    yield phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
