"""`search`: a million messages in the real Elasticsearch, twelve questions, blind beside plain.

Owns the order: the same messages are made once, loaded into an index of each mode in turns, then
asked in turns. What is right is counted while they are made, by the reference evaluator; a total
that is another one, or two modes that do not show the same, score 0.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from elasticsearch import Elasticsearch

from infra.elastic import connect
from infra.elastic_words import words_name
from infra.process import settle_memory
from search import facets
from search.tokens import BLIND, PLAIN, TextMode
from tests.bench.ground import Ground
from tests.bench.search_archive import BenchArchive, provision
from tests.bench.search_ask import Answered, Asker, Times
from tests.bench.search_load import Loaded, Made, fill, index_set, make, ready
from tests.bench.search_meter import cut
from tests.bench.search_questions import QUESTIONS, Right, conduct, together

_SETTLE_S_MAX: Final = 180.0
_TEMPLATE: Final = "bench-search"


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How much of it. `workers` load as many partitions at a time, then the other mode does."""

    messages: int = 1_000_000
    partitions: int = 8
    repeats: int = 60
    warm_ups: int = 20
    workers: int = 2
    modes: tuple[TextMode, ...] = (BLIND, PLAIN)


@dataclass(slots=True)
class ModeRun:
    """One index. `load_s`: of all turns; `cpu_s`: of our processes; bytes as the server says, of
    documents and of sealed words; `vocabulary_s`: until the first pattern is answered. `wrong`: ""
    or why it scores 0."""

    mode: str
    events: int = 0
    writes: int = 0
    load_s: float = 0.0
    cpu_s: float = 0.0
    documents: int = 0
    bytes: int = 0
    words_bytes: int = 0
    segments: int = 0
    settle_s: float = 0.0
    vocabulary_s: float = 0.0
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class QuestionRun:
    """One question. `times`: by mode, by step (`search_ask`), p50 and p95 in ms; `requests`: by
    mode, to the server for the page and for the whole answer."""

    name: str
    query: str
    total: int
    times: dict[str, dict[str, dict[str, float]]]
    requests: dict[str, tuple[int, int]]


@dataclass(slots=True)
class SearchRun:
    """All of it. `made_s`: making the messages and counting what is right."""

    plan: SearchPlan
    made_s: float = 0.0
    modes: list[ModeRun] = field(default_factory=list)
    questions: list[QuestionRun] = field(default_factory=list)


class Search:
    """The bench on one ground."""

    def __init__(self, ground: Ground, plan: SearchPlan, say: Callable[[str], None]) -> None:
        self._url = ground.address.elasticsearch_url
        self._folder = ground.folder / "search-archive"
        self._plan = plan
        self._say = say
        self._lists = conduct(0)
        self._run = SearchRun(plan, modes=[ModeRun(mode) for mode in plan.modes])

    def run(self) -> SearchRun:
        """Make, load, ask."""
        provision(self._folder)
        client = connect(self._url, timeout_s=600)
        # A question is asked many times here and seldom there: its answer is not to be kept.
        client.indices.put_index_template(
            name=_TEMPLATE, index_patterns=[f"{_TEMPLATE}-*"],
            template={"settings": {"index.queries.cache.enabled": False}})
        try:
            for mode in self._plan.modes:
                index_set(self._url, mode).first()
            right = self._filled()
            for one, mode in zip(self._run.modes, self._plan.modes, strict=True):
                self._settled(client, one, mode)
            with BenchArchive(self._folder) as archive:
                self._ask(archive, right)
        finally:
            client.indices.delete_index_template(name=_TEMPLATE)
        return self._run

    # --- loading ---------------------------------------------------------------------------------

    def _filled(self) -> Right:
        plan = self._plan
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(plan.workers, mp_context=context) as pool:
            for imported in [pool.submit(ready) for _ in range(plan.workers * 2)]:
                imported.result()
            began = time.monotonic()
            made = self._made(pool)
            self._run.made_s = time.monotonic() - began
            self._say(f"search: {sum(one.events for one in made):,} events made and counted in "
                      f"{self._run.made_s:.0f} s")
            for turn, share in enumerate(self._shares()):
                runs = list(zip(self._run.modes, plan.modes, strict=True))
                # Forth and back: the server is warmer each time, and its index larger.
                for one, mode in runs if turn % 2 == 0 else runs[::-1]:
                    self._load(pool, one, mode, share)
        return together(one.right for one in made)

    def _made(self, pool: ProcessPoolExecutor) -> list[Made]:
        plan = self._plan
        each, rest = divmod(plan.messages, plan.partitions)
        waiting: list[Future[Made]] = [
            pool.submit(make, self._folder, 0, number, each + (number < rest), self._lists)
            for number in range(plan.partitions)]
        return [one.result() for one in waiting]

    def _shares(self) -> Iterator[range]:
        step = self._plan.workers
        for first in range(0, self._plan.partitions, step):
            yield range(first, min(first + step, self._plan.partitions))

    def _load(self, pool: ProcessPoolExecutor, run: ModeRun, mode: TextMode,
              share: range) -> None:
        began = time.monotonic()
        waiting: list[Future[Loaded]] = [
            pool.submit(fill, self._folder, self._url, mode, number) for number in share]
        done = [one.result() for one in waiting]
        taken = time.monotonic() - began
        run.load_s += taken
        for one in done:
            run.events += one.events
            run.writes += one.documents
            run.cpu_s += one.cpu_s
        self._say(f"search: {mode}: {sum(one.events for one in done) / taken:,.0f} events/s")

    def _settled(self, client: Elasticsearch, run: ModeRun, mode: TextMode) -> None:
        """Everything is visible and on the disk, and nothing is merged any more."""
        name = index_set(self._url, mode).current() or ""
        began = time.monotonic()
        client.indices.refresh(index=[name, words_name(name)])
        while time.monotonic() - began < _SETTLE_S_MAX:
            merging = client.indices.stats(index=name, metric="merge")
            if not merging["_all"]["total"]["merges"]["current"]:
                break
            time.sleep(0.5)
        client.indices.flush(index=[name, words_name(name)], wait_if_ongoing=True)
        run.settle_s = time.monotonic() - began
        stats = client.indices.stats(index=[name, words_name(name)],
                                     metric=["store", "docs", "segments"])["indices"]
        run.bytes = stats[name]["total"]["store"]["size_in_bytes"]
        run.words_bytes = stats[words_name(name)]["total"]["store"]["size_in_bytes"]
        run.segments = stats[name]["total"]["segments"]["count"]
        # One document of the index is its cursors.
        run.documents = stats[name]["total"]["docs"]["count"] - 1
        if run.documents != self._plan.messages:
            run.wrong = f"{run.documents:,} documents, not {self._plan.messages:,}"

    # --- asking ----------------------------------------------------------------------------------

    def _ask(self, archive: BenchArchive, right: Right) -> None:
        plan = self._plan
        askers = {mode: Asker(archive, self._url, mode, self._lists) for mode in plan.modes}
        for run, (mode, asker) in zip(self._run.modes, askers.items(), strict=True):
            began = time.monotonic()
            asker.ask(QUESTIONS["wildcard"], Times())
            run.vocabulary_s = time.monotonic() - began
            self._say(f"search: {mode}: the first pattern after {run.vocabulary_s:.1f} s")
        settle_memory()
        times: dict[str, dict[TextMode, Times]] = {}
        for number in range(plan.warm_ups + plan.repeats):
            if number in (0, plan.warm_ups):
                times = defaultdict(lambda: defaultdict(Times))
            order = plan.modes if number % 2 == 0 else plan.modes[::-1]
            for name, query in QUESTIONS.items():
                answered = {mode: askers[mode].ask(query, times[name][mode]) for mode in order}
                self._check(name, answered, right[name])
        for name, query in QUESTIONS.items():
            self._run.questions.append(QuestionRun(
                name, query, right[name].total(),
                {mode: {step: cut(taken) for step, taken in one.seconds.items()}
                 for mode, one in times[name].items()},
                {mode: (one.page_requests, one.whole_requests)
                 for mode, one in times[name].items()}))

    def _check(self, name: str, answered: dict[TextMode, Answered], right: Counter[str]) -> None:
        """Totals, counts and months are those that were counted while making; the modes show the
        same messages in the same order, and count the same facets."""
        first = answered[self._plan.modes[0]]
        for run, mode in zip(self._run.modes, self._plan.modes, strict=True):
            one = answered[mode]
            months = dict(one.facets[facets.MONTH])
            wanted = dict(sorted(right.items(), reverse=True)[:10])
            if not one.total == one.counted == right.total():
                run.wrong = run.wrong or (
                    f"{name}: {one.total} found, {one.counted} counted, {right.total()} are right")
            elif months != wanted:
                run.wrong = run.wrong or f"{name}: other months than are right"
            elif (one.ids, one.facets) != (first.ids, first.facets):
                run.wrong = run.wrong or f"{name}: other messages or facets than {first}"
