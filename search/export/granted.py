"""What is agreed between who asks for an export and what makes it: the grant, the preview, the end.

Owns these shapes. Who may ask and who approves is `infra/exportdesk.py`; what is done is
`infra/exports.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from search.export.model import Counts

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, of how much (0 = not known)."""


def silent(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What an export may be made under, as it is on record. Times UTC ms. `approved_by` "" (then
    `approved_at` 0): no approval was needed. `custody`: the lines of custody.jsonl in their order
    (search/export/custody.py)."""

    export_id: str                    # 32 hex digits
    requested_by: str
    requested_at: int
    approved_by: str = ""
    approved_at: int = 0
    custody: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What an export would be. `matched`: messages that fit; `context`: further ones around them;
    `withheld`: reason (search/export/model.py) -> messages that would stay behind; `events`:
    archived records; `bytes_estimate`: of the package, attached files apart; `since`, `until`: UTC
    ms of the first and the last message, null = there is none. `warnings`: in words."""

    matched: int = 0
    context: int = 0
    withheld: Mapping[str, int] = field(default_factory=dict)
    conversations: int = 0
    custodians: int = 0
    events: int = 0
    files: int = 0
    bytes_estimate: int = 0
    since: int | None = None
    until: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A package that is whole. `folder`: where it lies; `manifest_sha256`: SHA-256 (hex) of its
    tagmanifest-sha256.txt, what the seal signs; `seal`: the text of seal.note; `checkpoint_size`:
    the log's size that everything is proved under; `notes`: what its reader should know, in words.
    """

    export_id: str
    folder: str
    counts: Counts
    manifest_sha256: str
    seal: str
    checkpoint_size: int
    notes: tuple[str, ...] = ()
