"""A chunk of the sealed vocabulary, as it lies beside an index (PROTOCOL I6, docs/FORMAT.md §13).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SealedChunk:
    """Words of one generation of a key domain. `id` (16 bytes) is a keyed digest of all that;
    `level` counts how often chunks were merged into one; `body` is what only the domain key opens.
    """

    id: bytes
    domain: bytes
    generation: int
    level: int
    body: bytes
