"""A word store in memory that accuses: the port WordStore with the hardest allowed behaviour.

What was seen comes again, and several chunks may be stored when an error says that none was. Misuse
is an AssertionError: another body under a known id, or words removed that nothing higher holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from schemas.wordchunk import SealedChunk
from tests.fakes.faults import FaultPlan


@dataclass
class WordData:
    """What one index's store holds, for all who open it."""

    chunks: dict[bytes, tuple[int, SealedChunk]] = field(default_factory=dict)
    places: int = 0
    ever: dict[bytes, SealedChunk] = field(default_factory=dict)


class FakeWordStore:
    """See `search.vocabulary.WordStore`. `check` raises once the index was dropped."""

    def __init__(self, data: WordData, faults: FaultPlan,
                 check: Callable[[], None] = lambda: None) -> None:
        self._data = data
        self._faults = faults
        self._check = check

    def add(self, chunks: Sequence[SealedChunk]) -> None:
        """See WordStore."""
        self._check()
        assert chunks, "asked to add nothing"
        self._faults.run("words.add", lambda: self._add(chunks))

    def since(self, place: int) -> Iterator[tuple[int, SealedChunk]]:
        """See WordStore. The last one that was seen comes again."""
        self._check()
        found = self._faults.run("words.since", lambda: sorted(
            (at, chunk) for at, chunk in self._data.chunks.values() if at >= place))
        yield from found

    def of(self, domain: bytes, generation: int, level: int, limit: int) -> list[SealedChunk]:
        """See WordStore."""
        self._check()
        return [chunk for _, chunk in self._data.chunks.values()
                if (chunk.domain, chunk.generation, chunk.level) == (domain, generation, level)
                ][:limit]

    def remove(self, ids: Iterable[bytes]) -> None:
        """See WordStore."""
        self._check()
        self._faults.run("words.remove", lambda: self._remove(list(ids)))

    def drop(self, domain: bytes, generation: int) -> None:
        """See WordStore."""
        self._check()
        self._faults.run("words.remove", lambda: self._drop(domain, generation))

    def _drop(self, domain: bytes, generation: int) -> None:
        self._data.chunks = {
            one: (at, chunk) for one, (at, chunk) in self._data.chunks.items()
            if (chunk.domain, chunk.generation) != (domain, generation)}

    def _add(self, chunks: Sequence[SealedChunk]) -> None:
        for chunk in chunks:
            assert self._data.ever.setdefault(chunk.id, chunk) == chunk, "one id, two chunks"
            if chunk.id not in self._data.chunks:
                self._data.places += 1
                self._data.chunks[chunk.id] = self._data.places, chunk

    def _remove(self, ids: Iterable[bytes]) -> None:
        for one in ids:
            _, chunk = self._data.chunks.get(one, (0, None))
            if chunk is not None:
                assert any(other.level > chunk.level and other.domain == chunk.domain
                           for _, other in self._data.chunks.values()), "nothing holds its words"
                del self._data.chunks[one]
