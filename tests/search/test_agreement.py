"""Every index answers as the reference evaluator does, on generated queries and texts, whatever it
holds of words: so the modes answer alike."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from elasticsearch import Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.elastic import ElasticIndexSet, connect
from infra.elastic_words import words_name
from infra.embedded.index import SqliteIndexSet
from schemas import events
from schemas.document import Entry
from schemas.events import CapturedEvent
from search.bodies import Bodies
from search.evaluate import Subject, answers, subject
from search.follow import Follower, bind
from search.index import Asked, Index, IndexSet
from search.parse import parse
from search.project import Projector
from search.query import compile_query
from search.reading import ReadingIndex
from search.stems import Stemmer
from search.tokens import BLIND, NONE, TextMode, Tokenizer
from tests.conftest import ElasticsearchServer
from tests.fakes.index import FakeIndexSet
from tests.search import strategies, world
from tests.search.test_evaluate import Vocabulary
from tests.search.world import NOON, MemoryArchive

REGION = "GB"
ENGLISH = Stemmer(["english"])
MANY = 10_000
_folders = itertools.count()


@dataclass(frozen=True)
class Corpus:
    """Messages in an archive, and what a query sees of each."""

    archive: MemoryArchive
    subjects: dict[str, Subject]

    @property
    def vocabulary(self) -> Vocabulary:
        """What patterns stand for in it."""
        return Vocabulary([text for about in self.subjects.values() for text in about.texts])


@dataclass(frozen=True)
class Mode:
    """What an index holds of words, and how it is asked."""

    tokenizer: Tokenizer

    @property
    def projector(self) -> Projector:
        """Its own."""
        return Projector(self.tokenizer)

    def asked(self, index: Index, archive: MemoryArchive) -> Asked:
        """The index as a searcher asks it."""
        if self.tokenizer.text == NONE:
            return ReadingIndex(index, Bodies(archive), ENGLISH)
        return index


MODES = {text: Mode(Tokenizer(world.INDEX_KEY, text=text)) for text in get_args(TextMode)}


def corpus(messages: Sequence[Sequence[CapturedEvent]]) -> Corpus:
    """An archive of messages whose events are spread over two partitions."""
    archive = MemoryArchive()
    for number, one in enumerate(itertools.chain.from_iterable(messages)):
        archive.seal([one], partition=number % 2)
    archive.seal([b"junk", world.event(events.AUDIT, "a", "pay the invoice", channel="firm",
                                       provenance=events.OWN)])
    index = followed(FakeIndexSet(), archive, MODES[BLIND])
    bodies = Bodies(archive)
    subjects = {}
    for found in index.scan():
        def event_of(entry: Entry) -> CapturedEvent:
            return bodies.event(found, entry)  # noqa: B023 (used at once)
        if found.kind == "unreadable":
            continue
        subjects[found.doc_id] = subject(found, event_of)
    return Corpus(archive, subjects)


def followed(indexes: IndexSet, archive: MemoryArchive, mode: Mode) -> Index:
    """The current index, up to date."""
    index = indexes.open(bind(indexes))
    Follower(archive, index, mode.projector).run_to_end()
    index.refresh()
    return index


def filled(indexes: IndexSet, archive: MemoryArchive, mode: Mode) -> Asked:
    """The current index, up to date, as a searcher asks it."""
    return mode.asked(followed(indexes, archive, mode), archive)


def meant(known: Corpus, text: str) -> set[str]:
    """The messages that the evaluator says a query answers with."""
    tree = parse(text)
    return {doc_id for doc_id, about in known.subjects.items()
            if answers(tree, about, region=REGION, stems=ENGLISH)}


def agree(index: Asked, known: Corpus, text: str, vocabulary: Vocabulary, mode: Mode,
          expected: set[str] | None = None) -> int:
    """The index answers with exactly what the evaluator says, in order; returns how many."""
    asked = compile_query(text, mode.tokenizer, region=REGION, expander=vocabulary)[1]
    expected = meant(known, text) if expected is None else expected
    page = index.search(asked, 1_000)
    got = [one.doc_id for one in page.documents]
    assert expected == set(got)
    assert (len(expected), None) == (page.total, page.next)
    assert sorted(got, key=lambda one: (-known.subjects[one].sort_at, one)) == got
    return len(got)


@st.composite
def corpora(draw: st.DrawFn, count: int = 5) -> Corpus:
    """A few messages, each with its own events and time."""
    return corpus([
        draw(strategies.message_events(f"m{number}", NOON + number * 10 ** 9, 4))
        for number in range(draw(st.integers(1, count)))])


FAST = settings(max_examples=60, suppress_health_check=[
    HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large])


@pytest.mark.slow
@FAST
@given(corpora(), st.lists(strategies.language, min_size=1, max_size=8),
       st.sampled_from(sorted(MODES)))
def test_the_fake_agrees(known: Corpus, asked: list[str], mode: TextMode) -> None:
    """Tokens mean what words mean."""
    index = filled(FakeIndexSet(), known.archive, MODES[mode])
    for text in asked:
        agree(index, known, text, known.vocabulary, MODES[mode])


@pytest.mark.slow
@FAST
@given(corpora(), st.lists(strategies.language, min_size=1, max_size=8),
       st.sampled_from(sorted(MODES)))
def test_sqlite_agrees(known: Corpus, asked: list[str], text_mode: TextMode) -> None:
    """FTS5 over tokens answers as the evaluator over words."""
    mode = MODES[text_mode]
    with tempfile.TemporaryDirectory() as folder:
        indexes = SqliteIndexSet(Path(folder), text=text_mode)
        index = filled(indexes, known.archive, mode)
        for text in asked:
            agree(index, known, text, known.vocabulary, mode)
        indexes.open(bind(indexes)).close()


def _drawn(strategy: st.SearchStrategy[object], count: int, seed: int) -> list[object]:
    """`count` values of a strategy, the same each time, outside of hypothesis' own loop."""
    out: list[object] = []

    @settings(max_examples=count, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(value: object) -> None:
        out.append(value)

    collect()
    random.Random(seed).shuffle(out)
    return out[:count]


@pytest.fixture(scope="module")
def client(elasticsearch_server: ElasticsearchServer) -> Iterator[Elasticsearch]:
    """One client for all."""
    client = connect(elasticsearch_server.url)
    yield client
    client.close()


@cache
def office() -> Corpus:
    """Ninety messages, the same each time."""
    drawn = _drawn(st.tuples(*(strategies.message_events(f"m{n}", NOON + n * 10 ** 8, 4)
                               for n in range(3))), 30, 1)
    messages = []
    for number, group in enumerate(drawn):
        for inside, one in enumerate(group):  # type: ignore[arg-type,var-annotated]
            messages.append([_renamed(e, f"m{number}-{inside}") for e in one])
    return corpus(messages)


def agree_on_all(made: Callable[[TextMode], IndexSet], count: int) -> None:
    """`count` generated queries of the whole language, each asked in every mode."""
    known = office()
    indexes = {text: filled(made(text), known.archive, mode) for text, mode in MODES.items()}
    vocabulary = known.vocabulary
    answered = 0
    for text in map(str, _drawn(strategies.language, count, 2)):
        expected = meant(known, text)
        answered += 0 < len(expected) < len(known.subjects)
        for name, index in indexes.items():
            agree(index, known, text, vocabulary, MODES[name], expected)
    # The comparison is worth something: many answers, many partial ones.
    assert answered > count / 3


COUNTS = pytest.mark.parametrize("count", [200, pytest.param(MANY, marks=pytest.mark.slow)])


@COUNTS
def test_sqlite_agrees_on_many(tmp_path: Path, count: int) -> None:
    """Ten thousand queries on one corpus, in each mode."""
    agree_on_all(lambda text: SqliteIndexSet(tmp_path / text, text=text), count)


@COUNTS
def test_elasticsearch_agrees(client: Elasticsearch, count: int) -> None:
    """The real server over tokens answers as the evaluator over words, in each mode."""
    made = {text: ElasticIndexSet(client, f"agreement-{next(_folders)}", text=text)
            for text in MODES}
    try:
        agree_on_all(made.__getitem__, count)
    finally:
        for indexes in made.values():
            for name in indexes.names():
                client.indices.delete(index=[name, words_name(name)])


def _renamed(event: CapturedEvent, name: str) -> CapturedEvent:
    """The same event, about another message."""
    if event.kind == events.MESSAGE:
        return replace(event, native_id=name)
    return replace(event, target=name, native_id=f"{event.native_id}-{name}")
