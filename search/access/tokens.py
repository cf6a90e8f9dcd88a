"""Service tokens: what a program signs in with (`cf_<id>_<secret>`).

Owns their form and rules: only a hash is kept, each ends within a year, each belongs to a person
and may do no more than that person may at the moment of use, and each can be revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from schemas.errors import Refused
from schemas.identity import canonical
from search.access.accounts import Book, ServiceToken
from search.access.roles import CAPABILITIES
from search.access.state import StateStore, hashed

DAYS_MAX: Final = 366
NAME_CHARS_MAX: Final = 80
# Of a person's that are neither revoked nor expired; more is refused.
OF_A_PERSON_MAX: Final = 20
DAY_MS: Final = 24 * 3_600_000
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_FORM: Final = re.compile(r"cf_([0-9a-f]{16})_([0-9a-f]{64})")
_LABEL: Final = "counterfoil/service-token/v1"
# What a token is compared with when its id is nobody's.
_NOBODYS: Final = "0" * 64
# A token never manages accounts, never opens doors for somebody else, and takes nothing out of the
# archive as a whole: who asks for an export and who agrees to it are people.
NEVER: Final = frozenset({"accounts", "tokens", "break_glass", "break_glass_approve", "export"})


def issue(book: Book, owner: str, owner_may: Iterable[str], name: str, days: int,
          capabilities: frozenset[str], now: int, random: Callable[[int], bytes],
          ) -> tuple[Book, ServiceToken, str]:
    """(the book with it, the token, what is shown once). Raises Refused in words.

    `owner_may`: the owner's capabilities now; `now`: UTC ms.
    """
    label = name.strip()
    if not label or len(label) > NAME_CHARS_MAX or not label.isprintable():
        raise Refused(f"give the token a name of 1 to {NAME_CHARS_MAX} characters that says what "
                      "it is for")
    if not 1 <= days <= DAYS_MAX:
        raise Refused(f"a token is good for 1 to {DAYS_MAX} days")
    if not capabilities:
        raise Refused("say what the token may do")
    if unknown := capabilities - CAPABILITIES:
        raise Refused(f"{', '.join(sorted(unknown))}: there is no such capability; there are "
                      f"{', '.join(sorted(CAPABILITIES - NEVER))}")
    if never := capabilities & NEVER:
        raise Refused(f"{', '.join(sorted(never))}: not for a token; only a person may do that")
    if more := capabilities - frozenset(owner_may):
        raise Refused(f"{', '.join(sorted(more))}: a token may do no more than its owner")
    if sum(is_good(one, now) for one in book.tokens if one.owner == owner) >= OF_A_PERSON_MAX:
        raise Refused(f"at most {OF_A_PERSON_MAX} tokens a person; revoke one first")
    token_id, secret = random(_ID_BYTES).hex(), random(_SECRET_BYTES).hex()
    if book.token(token_id) is not None:
        raise AssertionError("an id of random bits came twice")
    token = ServiceToken(token_id, owner, label, digest_of(token_id, secret), capabilities, now,
                         now + days * DAY_MS)
    return book.with_token(token), token, f"cf_{token_id}_{secret}"


def find(book: Book, text: str, now: int) -> ServiceToken | None:
    """The token that `text` is; null when it is none, or not good any more. The same is computed
    and compared for an id that nobody has."""
    read = _FORM.fullmatch(text)
    token_id, secret = read.groups() if read is not None else ("", "")
    token = book.token(token_id)
    is_its = hmac.compare_digest(digest_of(token_id, secret),
                                 token.digest if token is not None else _NOBODYS)
    return token if token is not None and is_its and is_good(token, now) else None


def is_good(token: ServiceToken, now: int) -> bool:
    """Neither revoked nor expired."""
    return token.revoked_at is None and now < token.expires_at


def revoke(book: Book, token_id: str, now: int, owner: str | None = None) -> Book:
    """Not good from the next request on. Raises Refused when there is no such token, or it is not
    `owner`'s."""
    token = book.token(token_id)
    if token is None or (owner is not None and token.owner != owner):
        raise Refused("there is no such token")
    if token.revoked_at is not None:
        return book
    return book.with_token(replace(token, revoked_at=now))


def digest_of(token_id: str, secret: str) -> str:
    """What is kept: 256 random bits need no slow hash."""
    return hashlib.sha256(canonical(_LABEL, token_id, secret)).hexdigest()


def used(state: StateStore, token_id: str, now: int) -> None:
    """Remember the day: no more often, no more exactly."""
    key, day = hashed("token", token_id), now // DAY_MS
    held = state.get(key)
    if held is None or int(held.value["day"]) < day:
        state.put(key, {"day": day}, now + 2 * DAYS_MAX * DAY_MS, held)


def last_used_at(state: StateStore, token_id: str) -> int | None:
    """The beginning of the day, UTC ms; null = never, or nobody remembers."""
    held = state.get(hashed("token", token_id))
    return None if held is None else int(held.value["day"]) * DAY_MS
