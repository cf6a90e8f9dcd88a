"""State that is no evidence and may be lost: sessions, claims, lock-outs, pending break-glass.

Owns the port, and what a key and a value may be. Drivers: `infra/embedded/state.py` (SQLite),
`infra/elastic_state.py` (Elasticsearch). Never message content, never a secret: what a browser or
a program presents is stored as its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from schemas.errors import Refused
from schemas.identity import canonical

KEY_CHARS_MAX: Final = 200
# Of the value as JSON; larger is refused: this is no place for documents.
VALUE_BYTES_MAX: Final = 4_096
_KEY: Final = re.compile(rf"[A-Za-z0-9:._-]{{1,{KEY_CHARS_MAX}}}")
_LABEL: Final = "counterfoil/state/v1"
_TRIES_MAX: Final = 20

Value = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Held:
    """What lies under a key. `version`: the driver's own, for a compare-and-set. `expires_at`:
    UTC ms, the first moment at which it is not there any more."""

    value: dict[str, str | int]
    version: int | tuple[int, int]
    expires_at: int


class StateStore(Protocol):
    """Small expiring values under keys, shared by every process of one installation.

    Everything raises Transient when the store cannot be reached, and Refused for a key or a value
    that is none (`checked`).
    """

    def get(self, key: str) -> Held | None:
        """What every put before this call left; null where nothing is, or it is expired."""

    def put(self, key: str, value: Value, expires_at: int, expected: Held | None) -> bool:
        """Compare and set: True when `value` now lies there. `expected`: what `get` gave, which
        must lie there unchanged and unexpired; null = nothing may lie there. False: somebody else
        was first, nothing was done. Ambiguous: it may have been done; read it."""

    def remove(self, key: str) -> None:
        """Whatever lies there is gone; nothing there is no error."""

    def scan(self, prefix: str) -> Iterator[tuple[str, Held]]:
        """Everything unexpired whose key begins so, by key, that was put before this call. What is
        put or removed meanwhile may be seen or not. "" = all."""


def checked(key: str, value: Value | None = None) -> None:
    """Raises Refused for a key or a value that no driver takes."""
    if _KEY.fullmatch(key) is None:
        raise Refused(f"state key: 1 to {KEY_CHARS_MAX} letters, digits and :._- are allowed")
    if value is None:
        return
    for name, one in value.items():
        # Exactly: a bool is an int to Python and none to a server.
        if type(name) is not str or type(one) not in (str, int):
            raise Refused("state value: texts and whole numbers under names")
    if len(json.dumps(dict(value)).encode()) > VALUE_BYTES_MAX:
        raise Refused(f"state value: at most {VALUE_BYTES_MAX} bytes")


def hashed(kind: str, *parts: str | bytes) -> str:
    """The key for what may not, or cannot, stand in one: `kind`, a colon, 64 hex digits."""
    return f"{kind}:{hashlib.sha256(canonical(_LABEL, kind, *parts)).hexdigest()}"


def update(store: StateStore, key: str,
           change: Callable[[Held | None], tuple[Value, int]]) -> Value:
    """What `change` makes of what lies there, (value, expires_at), put whoever else writes.

    Returns the value. Raises Refused after many lost races: somebody hammers one key.
    """
    for _ in range(_TRIES_MAX):
        held = store.get(key)
        value, expires_at = change(held)
        if store.put(key, value, expires_at, held):
            return value
    raise Refused("too many changes of the same thing at once; try again")
