"""Who is asking: made once per request by whoever signed the person in.

Owns Viewer: without one nothing is asked, shown or decided. It holds no secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.errors import Denied
from search.access.roles import CAPABILITIES
from search.access.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class Viewer:
    """`person`: the id, as audit records name people. `may`: capabilities (roles.py).
    `pseudonyms`: custodians and counterparties are shown as pseudonyms until escalation.
    `session`: the id of the session or token, for records; never a secret. `opened_until`: until
    when something is open that two people opened (UTC ms), null = nothing is."""

    person: str
    scope: Scope
    may: frozenset[str]
    pseudonyms: bool = False
    session: str = ""
    opened_until: int | None = None

    def require(self, capability: str) -> None:
        """Raises Denied, in words that say nothing of what exists."""
        if capability not in CAPABILITIES:
            raise ValueError(f"{capability!r} is no capability")
        if capability not in self.may:
            raise Denied()


def operator(name: str) -> Viewer:
    """Whoever holds the data folder's keys at the command line: everything, and it is recorded."""
    return Viewer(name, EVERYTHING, CAPABILITIES)
