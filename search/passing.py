"""A reader in front of a reader: passes on what it does not change.

Owns nothing; who looks at the archive in a way of its own overrides what it does otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from archive.reader import SegmentRead
from schemas.wire import Pointer
from search.follow import Reader
from search.index import Partition
from search.vocabulary import Book


class Passing:
    """Implements `search.follow.Reader` by another."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def partitions(self) -> list[Partition]:
        """See Reader."""
        return self._reader.partitions()

    def follow(self, topic_id: str, partition: int, next_offset: int) -> Iterator[SegmentRead]:
        """See Reader."""
        return self._reader.follow(topic_id, partition, next_offset)

    def read(self, pointer: Pointer) -> bytes:
        """See Reader."""
        return self._reader.read(pointer)

    def home(self, pointer: Pointer) -> tuple[bytes, int]:
        """See Reader."""
        return self._reader.home(pointer)

    @property
    def wordbook(self) -> Book:
        """See Reader."""
        return self._reader.wordbook
