"""Who is who in one `value` of a WhatsApp webhook.

Owns the capturing account (from `metadata`), the people (from `contacts` and an item's own
fields) and the conversation that follows from both. A phone number is not guaranteed: then the
business-scoped user id (BSUID) is the identity, treated as opaque (CAPTURE §1).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.values import Facts, Fields, soft_string
from schemas import identity
from schemas.events import Identity

CHANNEL: Final = "whatsapp"
SOURCE: Final = "whatsapp-cloud/1"

# Meta's documents show `CC.<digits>`, `CC.ENT.<digits>` and, in one sample, a three-letter typo.
_BSUID: Final = re.compile(r"[A-Za-z]{2,3}\.[0-9A-Za-z.]{1,200}")
_PUNCTUATION: Final = re.compile(r"[ ()+.-]")
# A string of the envelope goes into every item's event. No real one comes near; a longer one would
# make of one body as many bodies as it has items. The raw bytes keep it whole.
SHARED_CHARS_MAX: Final = 256
_DIGEST_CHARS: Final = 64
# The place of a party that the delivery does not name, so that the conversation id has two sides.
NOBODY: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry of `contacts`; every field may be missing."""

    wa_id: str | None
    user_id: str | None
    parent_user_id: str | None
    name: str | None
    username: str | None


@dataclass(frozen=True, slots=True)
class Party:
    """One person in one item: the identity to use, and the other ids that were given."""

    identity: Identity | None
    user_id: str | None = None
    parent_user_id: str | None = None
    username: str | None = None
    known: bool = False                           # whether the delivery's contacts name them

    @property
    def has_phone(self) -> bool:
        """Whether a phone number is known."""
        return self.identity is not None and self.identity.id_type == "e164"

    def side(self) -> str:
        """This party's half of a conversation id."""
        return self.identity.native_id if self.identity else NOBODY

    def add_to(self, facts: Facts, prefix: str) -> None:
        """Write the ids that the identity does not show."""
        facts.add(f"{prefix}_user_id", self.user_id)
        facts.add(f"{prefix}_parent_user_id", self.parent_user_id)
        facts.add(f"{prefix}_username", self.username)


@dataclass(frozen=True, slots=True)
class Context:
    """What the items of one `value` share."""

    account: str
    firm: Identity
    captured_at: int
    waba_id: str | None = None
    phone_number_id: str | None = None
    field_name: str = ""
    entry_time: str = ""
    contacts: Mapping[str, Contact] = field(default_factory=dict)   # by wa_id and by user_id
    only_contact: Contact | None = None           # where the value has exactly one

    def facts(self) -> Facts:
        """The details that every event of this value carries."""
        facts = Facts()
        facts.add("field", self.field_name)
        facts.add("phone_number_id", self.phone_number_id)
        facts.add("waba_id", self.waba_id)
        return facts

    def is_firm(self, native_id: str | None) -> bool:
        """Whether an id as the webhook writes it is the capturing account itself."""
        if native_id is None:
            return False
        known = identity.phone(native_id)
        return native_id == self.phone_number_id or (known is not None
                                                     and known.native_id == self.account)

    def pair(self, party: Party) -> str:
        """The conversation of this account with one person."""
        return identity.pair(self.account, party.side())

    def party(self, named: str | None, user_id: str | None, parent: str | None) -> Party:
        """The person whom an item calls `named` (a phone or a BSUID) and `user_id`.

        The phone wins where it is known, from the item or from the contact with the same ids, so
        that a conversation stays one when later webhooks leave the phone out again.
        """
        contact = self._contact(named, user_id)
        phone = identity.phone(named) if named else None
        if phone is None and contact and contact.wa_id:
            phone = identity.phone(contact.wa_id)
        if user_id is None and named and identity.phone(named) is None:
            user_id = named
        if contact:
            user_id = user_id or contact.user_id
            parent = parent or contact.parent_user_id
        name = contact.name if contact else None
        chosen = None
        if phone:
            chosen = Identity(phone.native_id, phone.id_type, name)
        elif user_id:
            kind = "bsuid" if _BSUID.fullmatch(user_id) else "unknown"
            chosen = Identity(user_id, kind, name)
        return Party(chosen, user_id, parent, contact.username if contact else None,
                     known=contact is not None)

    def _contact(self, named: str | None, user_id: str | None) -> Contact | None:
        for one in (named, user_id):
            contact = self.contacts.get(one.removeprefix("+")) if one else None
            if contact:
                return contact
        # An item that says nothing of its sender beside a single contact: nobody else is meant.
        return None if named or user_id else self.only_contact


def shared(fields: object, name: str) -> str | None:
    """As `soft_string`, for what many events will hold: above SHARED_CHARS_MAX its beginning and
    its SHA-256 in hex, so that two that differ stay two."""
    text = soft_string(fields, name)
    if text is None or len(text) <= SHARED_CHARS_MAX:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return text[:SHARED_CHARS_MAX - _DIGEST_CHARS] + digest


def account_of(metadata: object, waba_id: str | None) -> tuple[str, Identity]:
    """The capturing account: its number if it is one, else the provider's id of the number.

    Without metadata (account-level webhooks) it is the WhatsApp Business Account's id.
    """
    shown = shared(metadata, "display_phone_number")
    phone = identity.phone(_PUNCTUATION.sub("", shown)) if shown else None
    if phone:
        return phone.native_id, phone
    native_id = shared(metadata, "phone_number_id") or waba_id or NOBODY
    return native_id, Identity(native_id, "unknown")


def contacts_of(value: object) -> tuple[dict[str, Contact], Contact | None]:
    """The readable entries of `contacts` by each of their ids, and the only one if it is alone.

    Contacts are a help: what is wrong in them is passed over.
    """
    entries = value if isinstance(value, list) else []
    listed = [_contact(one) for one in entries if isinstance(one, dict)]
    by_id: dict[str, Contact] = {}
    for contact in listed:
        for one in (contact.wa_id, contact.user_id):
            if one:
                by_id.setdefault(one.removeprefix("+"), contact)
    return by_id, listed[0] if len(listed) == 1 else None


def _contact(entry: Fields) -> Contact:
    profile = entry.get("profile")
    return Contact(
        wa_id=shared(entry, "wa_id"),
        user_id=shared(entry, "user_id"),
        parent_user_id=shared(entry, "parent_user_id"),
        name=shared(profile, "name"),
        username=shared(profile, "username") or shared(entry, "username"),
    )
