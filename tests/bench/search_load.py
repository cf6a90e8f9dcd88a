"""What the processes of the bench `search` do: make messages, and index them.

Owns the processes' side: each call is one partition's share, made or loaded alone. Loading is the
product's follower and projector into the product's index, as a rebuild does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.elastic import ElasticIndexSet, connect
from infra.process import settle_memory
from schemas.events import CapturedEvent
from search.follow import Follower
from search.project import Projector
from search.stems import Stemmer
from search.tokens import TextMode, Tokenizer
from tests.bench.meter import cpu_s
from tests.bench.search_archive import BenchArchive, write
from tests.bench.search_messages import Messages, on_the_log
from tests.bench.search_questions import Count, OneList, Right

INDEX_KEY: Final = b"bench-search-index-key--32-bytes"
LANGUAGES: Final = ("english", "german", "french", "spanish")


@dataclass(frozen=True, slots=True)
class Made:
    """One partition: its events, and how many of its messages answer each question."""

    events: int
    right: Right


@dataclass(frozen=True, slots=True)
class Loaded:
    """One partition in one index. `documents` were written, the changed ones again."""

    events: int
    documents: int
    cpu_s: float


def index_set(url: str, mode: TextMode) -> ElasticIndexSet:
    """The indexes of a mode. Nobody asks while they are filled: no refresh until it is asked for.
    """
    return ElasticIndexSet(connect(url, timeout_s=600), prefix_of(mode), refresh_interval="-1",
                           text=mode)


def prefix_of(mode: TextMode) -> str:
    """What the indexes of a mode are called."""
    return f"bench-search-{mode}"


def make(folder: Path, seed: int, partition: int, messages: int, asked: OneList) -> Made:
    """Write a partition of the archive, and count what answers."""
    count = Count(asked, Stemmer(LANGUAGES))

    def captured() -> Iterator[CapturedEvent]:
        for event, about in on_the_log(Messages(seed, partition).written(messages)):
            if about is not None:
                count.add(about)
            yield event

    return Made(write(folder, partition, captured()), count.right)


def fill(folder: Path, url: str, mode: TextMode, partition: int) -> Loaded:
    """Index a partition."""
    indexes = index_set(url, mode)
    index = indexes.open(indexes.current() or "")
    with BenchArchive(folder) as archive:
        follower = Follower(archive, index, Projector(Tokenizer(INDEX_KEY, text=mode)),
                            takes=lambda one: one[1] == partition)
        settle_memory()
        began = cpu_s()
        done = follower.run_to_end()
        return Loaded(done.events, done.documents, cpu_s() - began)


def ready() -> None:
    """A process that has answered this has imported everything."""
    settle_memory()
