"""`line`: signed webhooks in, found by a search: the whole road on the real servers (DESIGN §9).

Owns the processes (`counterfoil run` as an operator starts it), the load, the markers that are
looked for while it lasts, and the check after: every request that was answered with 200 lies in the
archive exactly once and in the index exactly once. A run that loses or doubles one scores 0.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from infra.stack import stack
from infra.state import StateFolder
from ingest.routing import Router
from schemas import codec
from schemas.events import CapturedEvent
from schemas.identity import event_id, message_key
from search.query import compile_query
from tests.bench.ground import ROOT, Ground
from tests.bench.load import PATH
from tests.bench.procs import Usage, all_usage
from tests.bench.traffic import MARKER, SECRET, Capture, Traffic, Webhook, marker

PEOPLE: Final = 110
CONNECTIONS: Final = 64
AGE_S_MAX: Final = 2
_MARKER_EVERY_S: Final = 0.25
_LOOK_EVERY_S: Final = 0.2
_PAGE_MAX: Final = 1_000
_PAGE_MORE: Final = 8
_READY_S_MAX: Final = 60.0
_SETTLE_S_MAX: Final = 180.0


@dataclass(frozen=True, slots=True)
class LinePlan:
    """One load. `rate` 0 = closed loop: as fast as it answers."""

    rate: float
    seconds: float
    count_max: int = 60_000
    warms_up: bool = False       # checked as the others, not quoted

    @property
    def count(self) -> int:
        """Requests to make."""
        return min(self.count_max, round((self.rate or 4_000) * self.seconds))


# Two servers of the three compile themselves while they run, at the cost of those who ask.
WARM_UP: Final = LinePlan(1_000, 40, warms_up=True)


@dataclass(frozen=True, slots=True)
class LineRun:
    """What one load gave. Times in seconds; `wrong` is "" or why it scores 0."""

    plan: LinePlan
    load: dict[str, Any]
    archived_per_s: float
    searchable_s: tuple[float, float, float]     # p50, p95, p99 of the markers
    markers: int
    caught_up_s: float                           # last answer -> everything is in the index
    cpu_s: dict[str, float]
    peak_mb: dict[str, float]
    wrong: str


@dataclass(slots=True)
class _Markers:
    """Posted at moments, looked for until seen."""

    posted: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    accepted: list[Webhook] = field(default_factory=list)

    def page(self) -> int:
        """How many of the newest it takes to see those that were not seen yet; 0 if all were."""
        posted = list(self.posted)
        oldest = next((at for at, one in enumerate(posted) if one not in self.seen), len(posted))
        unseen = len(posted) - oldest
        # Several are of one second, in no order; a page more than that is enough.
        return unseen and min(unseen + _PAGE_MORE, _PAGE_MAX)


class Line:
    """A running system on a ground with all three servers."""

    def __init__(self, ground: Ground, port: int) -> None:
        self._ground = ground
        self._port = port
        self._home = ground.home()
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._expected: Counter[bytes] = Counter()
        self._archived: Counter[bytes] = Counter()
        self._next: dict[tuple[str, int], int] = {}
        self._entries: Counter[tuple[str, str]] = Counter()   # of this load: (document, entry)
        traffic = Traffic(0, PEOPLE)
        lines = ["[classes]", "default = 7"]
        for one in traffic.directory().custodians:
            lines += ["[[custodian]]", f'id = "{one.custodian_id}"', f'name = "{one.name}"']
        for account in traffic.directory().accounts:
            lines += ["[[account]]", 'channel = "whatsapp"', f'account = "{account.account}"',
                      f'custodian = "{account.custodian_id}"']
        (self._home / "directory.toml").write_text("\n".join(lines), "utf-8")

    def start(self) -> None:
        """`counterfoil run`, until its door answers."""
        environment = {**os.environ, "COUNTERFOIL_HOME": str(self._home),
                       "COUNTERFOIL_WHATSAPP_APP_SECRET": SECRET.decode(),
                       "COUNTERFOIL_WHATSAPP_VERIFY_TOKEN": "bench-verify"}
        with (self._ground.folder / "run.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.cli", "run", "--port", str(self._port)], cwd=ROOT,
                env=environment, stderr=log)
        deadline = time.monotonic() + _READY_S_MAX
        while not self._answers() or len(self._pids()) < 6:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"the system did not start: see {self._ground.folder}/run.log")
            time.sleep(0.1)

    def stop(self) -> None:
        """In order, as an operator would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def run(self, plan: LinePlan) -> LineRun:
        """One load, and what became of it."""
        self._number += 1
        markers, over = _Markers(), threading.Event()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            child = self._load(plan, folder)
            while not (folder / "ready").exists():
                time.sleep(0.05)
            before = all_usage(self._pids())
            began = time.time()
            threads = [threading.Thread(target=target, args=(markers, over))
                       for target in (self._post_markers, self._look_for_markers)]
            for thread in threads:
                thread.start()
            output, _ = child.communicate()
            ended = time.monotonic()
            over.set()
            for thread in threads:
                thread.join()
            load = json.loads(output.splitlines()[-1])
            accepted = set(json.loads((folder / "accepted").read_text("ascii")))
        caught_up = self._settle(ended)
        posts = list(Traffic(self._number, PEOPLE).webhooks(plan.count))
        self._expect([posts[number] for number in accepted] + markers.accepted)
        after = all_usage(self._pids())
        archived_per_s, wrong = self._check(began)
        if len(markers.seen) != len(markers.posted):
            wrong = wrong or f"{len(markers.posted) - len(markers.seen)} markers were not found"
        waits = [markers.seen[one] - at for one, at in markers.posted.items()
                 if one in markers.seen]
        cuts = quantiles(waits, n=100, method="inclusive")
        return LineRun(plan, load, archived_per_s, (cuts[49], cuts[94], cuts[98]), len(waits),
                       caught_up, *_used(before, after), wrong)

    def _load(self, plan: LinePlan, folder: Path) -> subprocess.Popen[bytes]:
        arguments = {
            "seed": self._number, "people": PEOPLE, "count": plan.count, "rate": plan.rate,
            "port": self._port, "connections": CONNECTIONS, "accepted": str(folder / "accepted"),
            "ready": str(folder / "ready")}
        return subprocess.Popen([sys.executable, "-m", "tests.bench.load", json.dumps(arguments)],
                                cwd=ROOT, stdout=subprocess.PIPE)

    def _post_markers(self, markers: _Markers, over: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        number = self._number * 100_000
        tokenizer = self._ground.wire().tokenizer()
        capture = self._capture()
        while not over.wait(_MARKER_EVERY_S):
            number += 1
            posted = marker(number, time.time_ns() // 1_000_000)
            event, = capture.events(posted)
            began = time.monotonic()
            connection.request("POST", PATH, posted.body, {
                "Content-Type": "application/json", "X-Hub-Signature-256": posted.signature()})
            answer = connection.getresponse()
            answer.read()
            if answer.status == http.HTTPStatus.OK:
                markers.accepted.append(posted)
                markers.posted[tokenizer.document(message_key(event))] = began
        connection.close()

    def _look_for_markers(self, markers: _Markers, over: threading.Event) -> None:
        wire = self._ground.wire()
        indexes = wire.indexes()
        _, query = compile_query(MARKER, wire.tokenizer())
        deadline = None
        while True:
            limit, current = markers.page(), indexes.current()
            if limit and current is not None:
                page = indexes.open(current).search(query, limit)
                now = time.monotonic()
                for document in page.documents:
                    if document.doc_id in markers.posted:
                        markers.seen.setdefault(document.doc_id, now)
            if over.is_set():
                deadline = deadline or time.monotonic() + _SETTLE_S_MAX
                if len(markers.seen) == len(markers.posted) or time.monotonic() > deadline:
                    return
            time.sleep(_LOOK_EVERY_S)

    def _expect(self, posts: list[Webhook]) -> None:
        capture, tokenizer = self._capture(), self._ground.wire().tokenizer()
        self._entries.clear()
        for post in posts:
            for event in capture.events(post):
                self._expected[event_id(event)] += 1
                self._entries[tokenizer.document(message_key(event)),
                              tokenizer.entry(event_id(event))] += 1

    def _settle(self, ended: float) -> float:
        """Seconds from the last answer until the index has seen everything."""
        deadline = time.monotonic() + _SETTLE_S_MAX
        wire = self._ground.wire()
        index = wire.indexes().open(wire.indexes().current() or "")
        reader = wire.reader()
        while time.monotonic() < deadline:
            facts = {state.role: state.facts for state in StateFolder(self._home).read()}
            waiting = facts.get("archiver", {}).get("waiting", 1)
            # Only then is the archive looked at: that reads whole segments.
            if not waiting and not any(
                    next(iter(reader.follow(*partition, index.state().cursors.get(partition, 0))),
                         None) is not None for partition in reader.partitions()):
                index.refresh()
                return time.monotonic() - ended
            time.sleep(0.25)
        return _SETTLE_S_MAX

    def _check(self, began: float) -> tuple[float, str]:
        """(archived events per second of this load, "" or what is wrong). The archive is read on
        from where the last check ended; everything that was ever accepted must be in it once."""
        reader = self._ground.wire().reader()
        sealed: list[tuple[int, int]] = []
        for partition in reader.partitions():
            for read in reader.follow(*partition, self._next.get(partition, 0)):
                events = [codec.decode(one.datum) for one in read.events if one.datum]
                ours = [one for one in events if isinstance(one, CapturedEvent)
                        and one.channel == "whatsapp"]
                self._archived.update(event_id(one) for one in ours)
                self._next[partition] = read.last + 1
                if read.sealed_at >= began * 1000:
                    sealed.append((read.sealed_at, len(ours)))
        seconds = (max(at for at, _ in sealed) - began * 1000) / 1000
        rate = sum(count for _, count in sealed) / seconds
        if self._archived != self._expected:
            return rate, (f"archive: {(self._expected - self._archived).total()} of "
                          f"{self._expected.total()} lost, "
                          f"{(self._archived - self._expected).total()} doubled or strange")
        return rate, self._check_index()

    def _check_index(self) -> str:
        """Whether every event of this load is one entry of its document."""
        indexes = self._ground.wire().indexes()
        wanted = {doc_id for doc_id, _ in self._entries}
        stored = indexes.open(indexes.current() or "").get(wanted)
        found = Counter((doc_id, entry.entry_id) for doc_id, one in stored.items()
                        for entry in one.document.entries)
        missing = self._entries - found
        doubled = [one for one, count in found.items() if count > 1]
        if missing or doubled:
            return f"index: {missing.total()} entries missing, {len(doubled)} doubled"
        return ""

    def _capture(self) -> Capture:
        wire = self._ground.wire()
        return Capture(wire.directory(), Router(wire.keys_folder.routing_key(), bytes(16)))

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _pids(self) -> dict[str, int]:
        servers = {one.name: one.pid for one in stack.status(self._ground.stack_folder) if one.pid}
        parts = {state.role: state.pid for state in StateFolder(self._home).read()
                 if state.role in ("gateway", "archiver", "indexer")}
        return servers | parts


def _used(before: dict[str, Usage],
          after: dict[str, Usage]) -> tuple[dict[str, float], dict[str, float]]:
    return ({name: one.cpu_s - before[name].cpu_s for name, one in after.items()
             if name in before}, {name: one.peak_mb for name, one in after.items()})
