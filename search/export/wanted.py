"""What somebody wants exported: the selection and how it is to be shown. Pure.

Owns the shape, its canonical JSON (what a second person approves is exactly that, by its digest)
and its words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any, Final

from schemas.errors import Refused

FORMATS: Final = ("native", "rsmf", "transcript", "pdf", "eml", "loadfile", "csv")
WITHHOLD: Final = "withhold"     # privileged messages stay behind, and are listed
INCLUDE: Final = "include"
CONTEXT_MAX: Final = 500
_IDS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """One selection. At least one of `query`, `ids` (message ids as search shows them),
    `conversations` (tokens as search shows them: whole ones), `custodians` (everything of theirs)
    and `hold` (id of a legal hold: what it concerns); they add up. `since`, `until`: UTC ms, half
    open, null = open; they narrow all of it. `context`: messages before and after each that was
    found. `privileged`: WITHHOLD | INCLUDE. `formats`: of FORMATS, native always among them.
    `zone`: IANA name. `prefix`: of document ids, 1 to 10 capital letters."""

    query: str = ""
    ids: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    custodians: tuple[str, ...] = ()
    hold: str = ""
    since: int | None = None
    until: int | None = None
    context: int = 0
    privileged: str = WITHHOLD
    matter: str = ""
    title: str = ""
    basis: str = ""
    formats: tuple[str, ...] = FORMATS
    zone: str = "UTC"
    prefix: str = "CF"

    def __post_init__(self) -> None:
        if not (self.query or self.ids or self.conversations or self.custodians or self.hold):
            raise Refused("nothing is chosen: give --query, --id, --conversation, --custodian or "
                          "--hold")
        if len(self.ids) + len(self.conversations) + len(self.custodians) > _IDS_MAX:
            raise Refused(f"more than {_IDS_MAX} ids: use a query or a conversation")
        if not 0 <= self.context <= CONTEXT_MAX:
            raise Refused(f"--context: 0 to {CONTEXT_MAX} messages")
        if self.privileged not in (WITHHOLD, INCLUDE):
            raise Refused("privileged: withhold or include")
        unknown = sorted(set(self.formats) - set(FORMATS))
        if unknown or "native" not in self.formats:
            raise Refused("--format: of " + ", ".join(FORMATS) + "; native is always among them"
                          + (f"; not known: {', '.join(unknown)}" if unknown else ""))
        if not (1 <= len(self.prefix) <= 10 and self.prefix.isascii() and self.prefix.isalpha()
                and self.prefix.isupper()):
            raise Refused("--prefix: 1 to 10 capital letters")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise Refused("--until is not after --from")

    @property
    def is_whole(self) -> bool:
        """Whether completeness can be claimed: whole conversations or custodians, nothing else."""
        return bool(self.conversations or self.custodians) and not (
            self.query or self.ids or self.hold or (self.conversations and self.custodians))

    def covers(self, at: int) -> bool:
        """Whether a time (UTC ms) is in the period."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def body(self) -> bytes:
        """Canonical JSON: sorted names, no spaces; what is as by default is there too."""
        return json.dumps({"v": 1, **asdict(self)}, sort_keys=True, separators=(",", ":"),
                          ensure_ascii=False).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of `body`, hex."""
        return sha256(self.body()).hexdigest()


def formats_of(given: Sequence[str]) -> tuple[str, ...]:
    """In one order, native always among them; all of them where none is given. What is no format
    stands at the end, for `Wanted` to refuse."""
    if not given:
        return FORMATS
    asked = {*given, "native"}
    return (*(one for one in FORMATS if one in asked), *sorted(asked - set(FORMATS)))


def read(body: bytes) -> Wanted:
    """What `body` gave. Raises Refused for anything else."""
    try:
        said: dict[str, Any] = json.loads(body)
        known = {one.name for one in fields(Wanted)}
        if said.pop("v") != 1 or set(said) != known:
            raise Refused("a selection of another version")
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                                  for name, value in said.items()}
        return Wanted(**values)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refused("not a selection") from error
