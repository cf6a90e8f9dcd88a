"""`console`: fifty reviewers at once on a million messages, each page beside its bare question.

Owns the order: the firm's messages are captured, sealed in an archive and indexed by the product's
own parts (embedded log and store, the real Elasticsearch); then the real console is asked by
reviewers in a process of their own, first as people do, then as fast as it answers. A page that
does not say what an independent count says, one that shows what its viewer may not see, an error,
or a look that is not on the log: the run scores 0.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Any, Final
from urllib.parse import urlsplit

from infra import carry
from infra.config import load
from infra.process import settle_memory
from infra.reviewing import policy_of
from infra.shares import fill, workers_for
from infra.signin import Desk, state_store
from infra.stack import stack
from infra.wire import Wire
from schemas import codec, events
from schemas.events import CapturedEvent
from search.access import cookies
from search.access.sessions import PASSWORD, Origin
from search.audit import Auditor, AuditSettings
from search.follow import ready
from tests.bench.console_firm import (
    Made,
    Totals,
    allowed,
    capture,
    provision,
    reviewers,
    right_for,
    together,
)
from tests.bench.console_pages import mounted
from tests.bench.ground import ROOT, Ground
from tests.bench.procs import usage

_SETTLE_S: Final = 2.0
_SEED: Final = 0
_SERVER: Final = "elasticsearch"


@dataclass(frozen=True, slots=True)
class ConsolePlan:
    """`think_s`, `hurry_s`: between two pages of one reviewer, on average; `paced_s`, `full_s`: how
    long they are at it with and without that."""

    messages: int = 1_000_000
    reviewers: int = 50
    partitions: int = 4
    shares: int = 8
    workers: int = 2
    think_s: float = 10.0
    hurry_s: float = 2.0
    warm_up_s: float = 20.0
    paced_s: float = 120.0
    full_s: float = 60.0


@dataclass(frozen=True, slots=True)
class PageRun:
    """One page in one run. Times: p50, p95, p99 in ms; `bare` null = nothing was asked beside it.
    """

    name: str
    answered: int
    bytes: float
    page: dict[str, float]
    bare: dict[str, float] | None


@dataclass(frozen=True, slots=True)
class WorkRun:
    """Reviewers at work. `cpu_s`: of the console, the server and the clients. `wrong`: "" or why it
    scores 0."""

    what: str
    think_s: float
    seconds: float
    answered: int
    cpu_s: dict[str, float]
    pages: list[PageRun]
    wrong: str
    profile: dict[str, Any] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        """Pages a second; 0 for a run that was wrong."""
        return 0.0 if self.wrong else self.answered / self.seconds


@dataclass(slots=True)
class ConsoleRun:
    """All of it. Seconds of the preparation; MB of the console at the end."""

    plan: ConsolePlan
    events: int = 0
    capture_s: float = 0.0
    archive_s: float = 0.0
    index_s: float = 0.0
    first_pattern_s: float = 0.0
    peak_mb: float = 0.0
    runs: list[WorkRun] = field(default_factory=list)


class Console:
    """The bench on one ground."""

    def __init__(self, ground: Ground, plan: ConsolePlan, say: Callable[[str], None], *,
                 profile: bool = False) -> None:
        self._ground, self._plan, self._say = ground, plan, say
        self._home = ground.folder / "console"
        self._people = reviewers(plan.reviewers)
        self._profile = profile
        self._run = ConsoleRun(plan)
        self._looked_from: dict[int, int] = {}

    def run(self) -> ConsoleRun:
        """Prepare, then let them work."""
        provision(self._home, self._ground.address.elasticsearch_url, self._plan.partitions,
                  self._people)
        totals = self._prepared()
        settle_memory()
        with self._served() as server, self._at_work(server, totals) as clients:
            plan = self._plan
            self._warm(clients)
            before = self._records()
            for what, think_s, seconds in (("at work", plan.think_s, plan.paced_s),
                                           ("in a hurry", plan.hurry_s, plan.paced_s),
                                           ("as fast as it answers", 0.0, plan.full_s)):
                found = self._work(server, clients, what, think_s, seconds)
                before = self._checked(found, before)
            self._run.peak_mb = usage(server.process.pid).peak_mb
        return self._run

    # --- preparing -------------------------------------------------------------------------------

    def _prepared(self) -> Totals:
        plan, run = self._plan, self._run
        wire = Wire(load(self._home))
        began = time.monotonic()
        made = self._captured()
        run.events, run.capture_s = sum(one.events for one in made), time.monotonic() - began
        self._say(f"console: {run.events:,} events captured and counted in {run.capture_s:.0f} s")
        began = time.monotonic()
        with closing(wire.archive_log()) as log:
            carry._archive(wire, log, self._say)
            self._looked_from = {one: log.bounds(one)[1] for one in range(plan.partitions)}
        run.archive_s = time.monotonic() - began
        self._say(f"console: archived in {run.archive_s:.0f} s")
        began = time.monotonic()
        name = ready(wire.reader(), wire.indexes(), wire.projector())
        fill(wire, workers_for(wire, plan.workers))(name)
        carry.index_all(wire)
        run.index_s = time.monotonic() - began
        self._say(f"console: indexed in {run.index_s:.0f} s")
        return together(made)

    def _captured(self) -> list[Made]:
        plan = self._plan
        each, rest = divmod(plan.messages, plan.shares)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(plan.workers, mp_context=context) as pool:
            return [one.result() for one in [
                pool.submit(capture, self._home, _SEED, number, each + (number < rest))
                for number in range(plan.shares)]]

    def _clients(self, server: _Server, totals: Totals) -> dict[str, Any]:
        """Everybody's session, made by the service that makes them after a password was right."""
        wire = Wire(load(self._home))
        url = urlsplit(server.url)
        found = policy_of(wire)
        auditor = Auditor(wire.recorder("search"), AuditSettings("firm", 8), wire.clock,
                          wire.random)
        sessions = Desk(wire, lambda: found, auditor, state_store(wire)).parts.sessions
        name = cookies.name(cookies.SESSION_COOKIE, server.url)
        clients: list[dict[str, Any]] = []
        for number, one in enumerate(self._people):
            # Each from an address of its own: the console counts requests by address.
            address = f"127.0.0.{number + 10}"
            begun = sessions.begin(one.person, PASSWORD, Origin(address))
            if begun is None:
                raise AssertionError(f"{one.person} may not sign in")
            clients.append({"person": one.person, "is_first": not clients,
                            "cookie": f"{name}={begun[0]}", "address": address,
                            "right": right_for(one, totals), "allowed": allowed(one)})
        return {"home": str(self._home), "host": url.hostname, "port": url.port, "seed": _SEED,
                "clients": clients}

    # --- the processes ---------------------------------------------------------------------------

    @contextmanager
    def _served(self) -> Iterator[_Server]:
        process = _spawn("tests.bench.console_server", str(self._home), str(os.getpid()),
                         *(("--profile",) if self._profile else ()))
        try:
            yield _Server(process, _answer(process)["url"])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)

    @contextmanager
    def _at_work(self, server: _Server, totals: Totals) -> Iterator[subprocess.Popen[str]]:
        plan = self._home / "clients.json"
        plan.touch(mode=0o600)
        plan.write_text(json.dumps(self._clients(server, totals)), "utf-8")
        process = _spawn("tests.bench.console_clients", str(plan))
        try:
            began = time.monotonic()
            _answer(process)
            self._run.first_pattern_s = time.monotonic() - began
            yield process
        finally:
            process.communicate(timeout=60)

    def _warm(self, clients: subprocess.Popen[str]) -> None:
        plan = self._plan
        _ask(clients, {"seconds": plan.warm_up_s, "think_s": 0.2, "seed": "warm-up"})
        time.sleep(_SETTLE_S)

    def _work(self, server: _Server, clients: subprocess.Popen[str], what: str, think_s: float,
              seconds: float) -> dict[str, Any]:
        pids = {"console": server.process.pid, _SERVER: next(
            one.pid for one in stack.status(self._ground.stack_folder) if one.name == _SERVER)}
        if self._profile:
            _ask(server.process, {})
        before = {name: usage(pid).cpu_s for name, pid in pids.items()}
        found = _ask(clients, {"seconds": seconds, "think_s": think_s, "seed": what})
        used = {name: usage(pid).cpu_s - before[name] for name, pid in pids.items()}
        profile = _ask(server.process, {}) if self._profile else {}
        answered = sum(map(len, found["latencies"].values()))
        run = WorkRun(what, think_s, found["seconds"], answered,
                      {**used, "clients": found["cpu_s"]}, _pages(found),
                      _ended(server) or _wrong(found), profile)
        self._run.runs.append(run)
        self._say(f"console: {what}: {run.answered / run.seconds:,.1f} pages/s {run.wrong}")
        return found

    # --- what is on the log ----------------------------------------------------------------------

    def _checked(self, found: dict[str, Any], before: Counter[str]) -> Counter[str]:
        """Every look is on the log: as many of each action as the pages that were answered make."""
        after, run = self._records(), self._run.runs[-1]
        nobody_counts = {one.name for one in mounted() if one.records is None}
        for action, count in found["records"].items():
            made = after[action] - before[action]
            # A page of which nobody counts may leave one more.
            if made < count or (made > count and not nobody_counts & set(found["latencies"])):
                self._run.runs[-1] = replaced(run, f"{made} looks of {action} are on the log, "
                                                   f"{count} were answered")
        return after

    def _records(self) -> Counter[str]:
        """Records of audit on the log since everything was archived, by action."""
        wire = Wire(load(self._home))
        count: Counter[str] = Counter()
        unsealer = wire.unsealer()
        with closing(wire.archive_log()) as log:
            identity = log.identity()
            for partition, first in self._looked_from.items():
                for offset in range(first, log.bounds(partition)[1]):
                    record = log.fetch(partition, offset)
                    if record is None:
                        continue
                    opened = unsealer.open(identity.topic_id, partition, record.value)
                    at = 0
                    for _domain, _tag, length in opened.rows:
                        event = codec.decode(opened.plain[at:at + length])
                        at += length
                        if isinstance(event, CapturedEvent) and event.kind == events.AUDIT:
                            count[dict(event.details)["action"]] += 1
        return count


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[str]
    url: str


def _pages(found: dict[str, Any]) -> list[PageRun]:
    return [PageRun(name, len(seconds), found["bytes"][name] / len(seconds), cut(seconds),
                    cut(found["bare"][name]) if found["bare"].get(name) else None)
            for name in (one.name for one in mounted())
            if (seconds := found["latencies"].get(name))]


def _ended(server: _Server) -> str:
    code = server.process.poll()
    return "" if code is None else f"the console ended with {code}"


def _wrong(found: dict[str, Any]) -> str:
    if found["errors"]:
        return ", ".join(f"{count} × {status}" for status, count in found["errors"].items())
    if not found["secrets_seen"]:
        return "nobody asked for a secret"
    return "; ".join(found["wrong"])


def replaced(run: WorkRun, wrong: str) -> WorkRun:
    """The run, which was wrong."""
    return WorkRun(**{**{name: getattr(run, name) for name in (
        "what", "think_s", "seconds", "answered", "cpu_s", "pages", "profile")},
        "wrong": run.wrong or wrong})


def cut(seconds: list[float]) -> dict[str, float]:
    """p50, p95 and p99 of some times, ms."""
    every = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return {f"p{at}": every[at - 1] * 1000 for at in (50, 95, 99)}


def as_data(run: ConsoleRun) -> dict[str, Any]:
    """The section, as plain data."""
    found = asdict(run)
    for one, made in zip(found["runs"], run.runs, strict=True):
        one["per_s"] = made.per_s
    return found


def _spawn(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _ask(process: subprocess.Popen[str], asked: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    return _answer(process)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"{process.args!r} ended with {process.wait(30)}")
    found: dict[str, Any] = json.loads(line)
    return found
