"""Two identities of one person: what an event says of it (CAPTURE case 12).

Owns the link's shape and how it is read from an event. Nothing that was captured changes: who else
a person is, is looked up when somebody looks (docs/decisions/0018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.events import CapturedEvent, Identity
from schemas.identity import phone

# An address book's entry, as an adapter names it.
CONTACT: Final = "contact"
_ADDED: Final = "add"


@dataclass(frozen=True, slots=True)
class Link:
    """`before` were one person's identities until the change, `after` are from then on. Without
    `after` there was no change: all of `before` are one person's."""

    before: tuple[Identity, ...]
    after: tuple[Identity, ...] = ()


def link_of(event: CapturedEvent) -> Link | None:
    """What an event links, or null.

    A file that a custodian handed in links nobody: it could be made to (PROTOCOL C5).
    """
    if event.kind != events.IDENTITY or event.provenance == events.CUSTODIAN_SUPPLIED:
        return None
    if event.detail("type") == CONTACT:
        people = tuple(one for one in event.participants if one.native_id != event.account)
        named = people if event.detail("action") == _ADDED else ()
        return Link(named) if len(named) > 1 or any(one.display_name for one in named) else None
    after = _identities(event.detail("new_wa_id"), event.detail("new_user_id"))
    before = (*(one for one in (event.actor,) if one is not None),
              *_identities(None, event.detail("peer_user_id")))
    before = tuple({one.native_id: one for one in reversed(before)}.values())
    return Link(before, after) if before and after else None


def _identities(number: str | None, user_id: str | None) -> tuple[Identity, ...]:
    known = phone(number) if number else None
    return (*((known,) if known else ()),
            *((Identity(user_id, "bsuid"),) if user_id else ()))
