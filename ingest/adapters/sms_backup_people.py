"""Whose numbers stand in a backup -> identities, and the conversation that they make.

Owns the spelling of a number: as it is written, in international form where the backup's owner
shows which country it is read in. Conversations have the names that `ingest/adapters/twilio.py`
gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import phonenumbers

from schemas import identity
from schemas.events import Identity

# Stands for oneself in the addresses of an MMS.
SELF: Final = "insert-address-token"
# The side that nobody named: the owner of a backup read without `--account`, a caller who withheld
# the number.
NOBODY: Final = "unknown"
# How a telephone spells "no number": restricted, unknown, payphone.
_WITHHELD: Final = frozenset({"-1", "-2", "-3"})
_INTERNATIONAL: Final = re.compile(r"\+[0-9 ().\-/]{5,30}")
_NATIONAL: Final = re.compile(r"[0-9(][0-9 ().\-/]{5,30}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,6}")
_E164: Final = re.compile(r"\+[0-9]{5,20}")
_PUNCTUATION: Final = re.compile(r"[ ().\-/]")
_ADDRESSES_MAX: Final = 500


def region_of(account: str | None) -> str | None:
    """The country that the owner's own number shows ("US"), or null: nothing is guessed."""
    if account is None or not _INTERNATIONAL.fullmatch(account.strip()):
        return None
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(account, None))
    except phonenumbers.NumberParseException:
        return None


@lru_cache(maxsize=20_000)
def person(written: str | None, region: str | None) -> Identity | None:
    """Who an address is; null where it names nobody."""
    text = (written or "").strip()
    if not text or text == "null" or text in _WITHHELD or text == SELF:
        return None
    if _INTERNATIONAL.fullmatch(text):
        number = _PUNCTUATION.sub("", text)
        if _E164.fullmatch(number):
            return Identity(number, "e164")
    if _SHORT_CODE.fullmatch(text):
        return Identity(text, "short_code")
    if _NATIONAL.fullmatch(text):
        number = _international(text, region)
        return Identity(number, "e164") if number else Identity(text, "unknown")
    return Identity(text, "unknown" if "@" in text else "name")


def _international(text: str, region: str | None) -> str:
    """The number as `region` dials it, in international form, or ""."""
    if region is None:
        return ""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if phonenumbers.is_possible_number_with_reason(number) \
            != phonenumbers.ValidationResult.IS_POSSIBLE:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def people(written: str | None, region: str | None) -> tuple[Identity, ...]:
    """Everybody in `a~b~c`, each once, in its order."""
    pieces = (written or "").split("~")[:_ADDRESSES_MAX]
    return distinct(person(one, region) for one in pieces)


def distinct(found: Iterable[Identity | None], apart_from: Identity | None = None,
             ) -> tuple[Identity, ...]:
    """Those that are somebody, each once, without `apart_from`; the first spelling stays."""
    seen: dict[str, Identity] = {}
    for one in found:
        if one is not None and (apart_from is None or one.native_id != apart_from.native_id):
            seen.setdefault(one.native_id, one)
    return tuple(seen.values())


def conversation(own: Identity | None, peers: tuple[Identity, ...]) -> str:
    """`pair:a|b`; a group is its members. Whoever is not known is `unknown` in it."""
    mine = own.native_id if own else NOBODY
    if len(peers) > 1:
        return identity.group("|".join(sorted({mine, *(one.native_id for one in peers)})))
    return identity.pair(mine, peers[0].native_id if peers else NOBODY)
