"""Where the console's time goes, from inside its process: its threads' stacks, many times a second.

Owns the sampling and the names of the parts. A sample is of what a thread stands in, whether it
works, waits for a server, or waits for the interpreter: a wait is told by where it stands.
"""

from __future__ import annotations

import linecache
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

from elastic_transport import Transport

_EVERY_S: Final = 0.01
_TICKS: Final = os.sysconf("SC_CLK_TCK")
# (end of the file, function) -> what it is part of; the innermost that is known counts.
_PARTS: Final = {
    ("search/audit.py", "record"): "audit record",
    ("access/gate.py", "session"): "session",
    ("infra/console.py", "_viewer"): "viewer",
    ("web/ask.py", "page"): "page: template",
    ("web/pages/conversation.py", "show"): "page: rest",
    ("web/pages/conversation.py", "message"): "page: rest",
    ("web/pages/search.py", "show"): "page: rest",
    ("infra/saved.py", "of"): "saved searches",
    ("search/assigned.py", "all"): "assignments",
    ("search/gaps.py", "all"): "gaps",
    ("search/links.py", "of_values"): "links of who is asked for",
    ("search/links.py", "conversations"): "links of a conversation",
    ("search/copies.py", "linked"): "copies",
    ("search/copies.py", "copies_of"): "copies",
    ("infra/elastic.py", "current"): "which index is current",
    ("search/bodies.py", "event"): "archive: read, decrypt, decode",
    ("infra/consoledesk.py", "expand"): "words of a pattern",
    ("search/query.py", "compiled"): "query: compile",
    ("search/parse.py", "parse"): "query: parse",
    ("search/access/scope.py", "node"): "scope",
    ("search/evaluate.py", "highlights"): "highlights",
    ("infra/elastic_reader.py", "search"): "index: page",
    ("infra/elastic_reader.py", "facets"): "index: facets",
    ("infra/elastic_reader.py", "count"): "index: count",
    ("infra/elastic_reader.py", "counts"): "index: counts of parts",
    ("infra/elastic_reader.py", "newest"): "index: newest of several",
    ("infra/consolefigures.py", "_ask"): "figures of the firm",
    ("infra/consolefigures.py", "_count"): "figures of a scope",
    ("infra/elastic.py", "get"): "index: get",
    ("infra/elastic_state.py", "get"): "state",
    ("infra/elastic_state.py", "scan"): "state",
    ("infra/elastic_state.py", "put"): "state",
}
# Of these an outer part is named instead: a page of the index that is asked for assignments is of
# the assignments.
_INNER: Final = frozenset({"index: page", "index: facets", "index: count", "index: get", "state",
                           "index: counts of parts", "index: newest of several",
                           "archive: read, decrypt, decode"})
_OUTER: Final = frozenset({"page: rest"})
_WAITS: Final = frozenset({
    ("socket.py", "readinto"), ("selectors.py", "select"), ("threading.py", "wait"),
    ("connection.py", "connect"), ("connection.py", "create_connection"),
    ("thread.py", "_worker"), ("connectionpool.py", "_get_conn"),
})
_IDLE: Final = frozenset({("thread.py", "_worker")})


class Sampler:
    """Of this process, from a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: Counter[tuple[str, str]] = Counter()
        self._leaves: Counter[str] = Counter()
        self._asked: Counter[tuple[str, str]] = Counter()
        self._samples = 0
        self._cpu = _cpu_of_threads()

    def start(self) -> None:
        """From now on, until the process ends."""
        perform: Callable[..., Any] = Transport.perform_request

        def counted(transport: Transport, *given: Any, **more: Any) -> Any:
            with self._lock:
                self._asked[_page(sys._getframe()), _part(sys._getframe())] += 1
            return perform(transport, *given, **more)

        Transport.perform_request = counted  # type: ignore[assignment,method-assign]
        threading.Thread(target=self._run, name="sampler", daemon=True).start()

    def taken(self) -> dict[str, Any]:
        """Since the last time: samples by part and how a thread stood there (it "works", "waits"
        for a server, for the "disk", for a "lock"), the places most often stood in, requests to
        Elasticsearch by page and part, and CPU seconds by kind of thread."""
        with self._lock:
            parts, leaves, samples, asked = self._parts, self._leaves, self._samples, self._asked
            self._parts, self._leaves, self._samples = Counter(), Counter(), 0
            self._asked = Counter()
        cpu = _cpu_of_threads()
        used = {name: seconds - self._cpu.get(name, 0.0) for name, seconds in cpu.items()}
        self._cpu = cpu
        return {"samples": samples, "cpu_s": used,
                "requests": [[*name, count] for name, count in asked.most_common()],
                "parts": [[*name, count] for name, count in parts.most_common()],
                "places": leaves.most_common(40)}

    def _run(self) -> None:
        own = threading.get_ident()
        while True:
            time.sleep(_EVERY_S)
            names = {one.ident: one.name for one in threading.enumerate()}
            frames = sys._current_frames()
            with self._lock:
                self._samples += 1
                for ident, frame in frames.items():
                    name = names.get(ident, "")
                    if ident != own and name.startswith("page"):
                        self._take(frame)

    def _take(self, frame: FrameType) -> None:
        leaf = _name(frame)
        if leaf in _IDLE:
            return
        how = "waits" if leaf in _WAITS else "works"
        if how == "works":
            line = _line(frame)
            if line.startswith(("with self._lock", "with self._mutex")):
                how = "lock"
            elif '"COMMIT"' in line:
                how = "disk"
        self._parts[_part(frame), how] += 1
        if how in ("works", "lock"):
            self._leaves[f"{_short(frame.f_code.co_filename)}:{frame.f_code.co_name}"] += 1


def _part(frame: FrameType) -> str:
    found = ""
    for one in _outwards(frame):
        code = one.f_code
        known = _PARTS.get((_short(code.co_filename), code.co_name))
        if known is None or (found and known in _OUTER):
            continue
        found = known
        if known not in _INNER:
            break
    return found or "the rest"


def _page(frame: FrameType) -> str:
    """Which page is being made, as its module and function; "" before that is known."""
    for one in _outwards(frame):
        code = one.f_code
        if "/web/pages/" in code.co_filename and not code.co_name.startswith("_"):
            return f"{Path(code.co_filename).stem}.{code.co_name}"
    return ""


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    one: FrameType | None = frame
    while one is not None:
        yield one
        one = one.f_back


def _name(frame: FrameType) -> tuple[str, str]:
    return Path(frame.f_code.co_filename).name, frame.f_code.co_name


def _short(path: str) -> str:
    """The last parts of a file's path: as the table above names it, the longest that it knows."""
    pieces = path.split("/")
    for count in (3, 2):
        short = "/".join(pieces[-count:])
        if short in _FILES:
            return short
    return "/".join(pieces[-2:])


_FILES: Final = frozenset(file for file, _ in _PARTS)


def _line(frame: FrameType) -> str:
    # Between two lines a frame stands on none.
    number: int | None = frame.f_lineno
    return linecache.getline(frame.f_code.co_filename, number).strip() if number else ""


def _cpu_of_threads() -> dict[str, float]:
    """CPU seconds by kind of thread: pages, the main thread (HTTP), the others."""
    out: dict[str, float] = defaultdict(float)
    for one in threading.enumerate():
        if one.native_id is None:
            continue
        try:
            stat = Path(f"/proc/self/task/{one.native_id}/stat").read_text("ascii")
        except OSError:
            continue
        used = stat.rpartition(")")[2].split()
        out[one.name.split("_")[0].split("-")[0]] += (int(used[11]) + int(used[12])) / _TICKS
    return dict(out)
