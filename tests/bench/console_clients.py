"""The reviewers of the bench `console` at work: `python -m tests.bench.console_clients FILE`.

Owns what they do (a closed loop: ask, read on, open a conversation or a message, look at the queue,
think), what is right on each page, and the bare question beside every so many pages, asked by
another connection in the same moments. FILE holds the plan as JSON; the result is on stdout.
"""

from __future__ import annotations

import asyncio
import gc
import html
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import uvloop

from infra.config import load
from infra.wire import Wire
from search.web.render import counted
from tests.bench.console_firm import COMMON, FLAGGED, PLANTED, QUESTIONS, SECRETS
from tests.bench.console_http import Browser, Fetched
from tests.bench.console_pages import CONVERSATION, MESSAGE, NEXT, QUEUE, SEARCH, Bare, mounted
from tests.bench.meter import cpu_s

_TALK: Final = re.compile(r'href="(/conversation/([0-9a-f]{16})\?[^"#]*at=([0-9a-f]{32})[^"#]*)')
_NEXT: Final = re.compile(r'<a id="next"[^>]* href="([^"]+)"')
_WRONG_MAX: Final = 5
# A question is bare beside one page in so many.
_BARE_EVERY: Final = 4


@dataclass(slots=True)
class Told:
    """What came of it. `latencies` and `bare`: seconds, by page; `records`: of audit, by action,
    that these pages must have left; null = a page was among them of which nobody counts."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    bare: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    bytes: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    errors: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    secrets_seen: int = 0


class Client:
    """One reviewer."""

    def __init__(self, given: dict[str, Any], plan: dict[str, Any], bare: Bare,
                 threads: ThreadPoolExecutor) -> None:
        self._person, self._given, self._plan = given["person"], given, plan
        self._chance = random.Random(f"{plan['seed']}/{self._person}")  # reproducible, no secret
        self._browser = Browser(plan["host"], plan["port"], given["cookie"], given["address"])
        self._allowed = frozenset(given["allowed"])
        self._bare, self._threads = bare, threads
        self._kinds = {one.name: one for one in mounted()}
        self._count = self._chance.randrange(2 * _BARE_EVERY)
        self.told = Told()

    async def work(self, until: float) -> None:
        """Question after question, each with what follows from it."""
        await asyncio.sleep(self._chance.random() * self._plan["think_s"])
        # Each opens each kind of page at least once, however slow the machine is; what is of no
        # message, one of them.
        for query in (PLANTED, COMMON):
            await self._question(query, lambda page: self._given["is_first"]
                                 or not self._kinds[page].path)
        while time.monotonic() < until:
            query = self._chance.choices(list(QUESTIONS), list(QUESTIONS.values()))[0]
            await self._question(query, lambda page: time.monotonic() < until
                                 and self._chance.randrange(100) < self._kinds[page].often)
        self._browser.close()

    async def _question(self, query: str, does: Callable[[str], bool]) -> None:
        found = await self._open(SEARCH, "/search", q=query)
        if found is None:
            return
        hits = _TALK.findall(found)
        following = _NEXT.search(found)
        if following and does(NEXT):
            after = parse_qs(urlsplit(html.unescape(following[1])).query)["after"][0]
            await self._open(NEXT, "/search", q=query, after=after)
        if hits and does(CONVERSATION):
            _, token, at = self._chance.choice(hits)
            await self._open(CONVERSATION, f"/conversation/{token}", token=token, at=at, q=query)
        if hits and does(MESSAGE):
            _, _, doc_id = self._chance.choice(hits)
            await self._open(MESSAGE, f"/message/{doc_id}", id=doc_id, of=query)
        for one in self._kinds.values():
            if one.path and does(one.name):
                await self._open(one.name, one.path)

    async def _open(self, page: str, path: str, **given: str) -> str | None:
        """The page's text, or null where it is none."""
        asked = {name: value for name, value in given.items()
                 if name in ("q", "after", "at")}
        address = f"{path}?{urlencode(asked, quote_via=quote)}" if asked else path
        self._count += 1
        is_beside = self._count % _BARE_EVERY == 0
        # Forth and back, so that neither is always the one that finds the server warm.
        if is_beside and self._count % (2 * _BARE_EVERY) == 0:
            await self._beside(page, given)
        told = self.told
        told.requests += 1
        try:
            fetched = await self._browser.get(address)
        except (OSError, asyncio.IncompleteReadError):
            told.errors[0] += 1
            return None
        if fetched.status != 200:
            told.errors[fetched.status] += 1
            return None
        told.latencies[page].append(fetched.seconds)
        told.bytes[page] += len(fetched.body)
        told.records.update(self._kinds[page].records or {})
        self._check(page, fetched, given)
        if is_beside and self._count % (2 * _BARE_EVERY):
            await self._beside(page, given)
        if self._plan["think_s"]:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._plan["think_s"])
        return fetched.body

    async def _beside(self, page: str, given: dict[str, str]) -> None:
        call = self._bare.of(page, self._person, given)
        if call is not None:
            loop = asyncio.get_running_loop()
            self.told.bare[page].append(
                await loop.run_in_executor(self._threads, _seconds, call))

    def _check(self, page: str, fetched: Fetched, given: dict[str, str]) -> None:
        """What an independent count says, and nothing of what others may see."""
        body, right = fetched.body, self._given["right"]
        secrets = set(SECRETS.findall(body))
        self.told.secrets_seen += len(secrets)
        if not secrets <= self._allowed:
            self._wrong(f"{page}: {sorted(secrets - self._allowed)} shown to {self._person}")
        if page in (SEARCH, NEXT):
            said = f"<strong>{counted(right[given['q']], 'message')}</strong>"
            if said not in body:
                self._wrong(f"{page}: {given['q']}: not {right[given['q']]} for {self._person}")
            if page == SEARCH and given["q"] == PLANTED and secrets != self._allowed:
                self._wrong(f"{page}: {sorted(self._allowed - secrets)} not shown")
        elif page == CONVERSATION and f'id="m-{given["at"]}"' not in body:
            self._wrong(f"{page}: {given['at']} is not in it")
        elif page == MESSAGE:
            if f"<code>{given['id']}</code>" not in body:
                self._wrong(f"{page}: not {given['id']}")
            # It was retracted, and its text stands there in full.
            if given["of"] == PLANTED and (len(secrets) != 1 or "Retracted" not in body):
                self._wrong(f"{page}: a retracted text is not told")
        elif page == QUEUE and f"<strong>{counted(right[FLAGGED], 'item')}</strong>" not in body:
            self._wrong(f"{page}: not {right[FLAGGED]} for {self._person}")

    def _wrong(self, what: str) -> None:
        if len(self.told.wrong) < _WRONG_MAX:
            self.told.wrong.append(what)


def _seconds(call: Any) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


async def _run(plan: dict[str, Any], bare: Bare) -> dict[str, Any]:
    with ThreadPoolExecutor(4, thread_name_prefix="bare") as threads:
        clients = [Client(one, plan, bare, threads) for one in plan["clients"]]
        began, began_cpu = time.monotonic(), cpu_s()
        await asyncio.gather(*(one.work(began + plan["seconds"]) for one in clients))
        seconds = time.monotonic() - began
    told = [one.told for one in clients]
    return {
        "seconds": seconds, "cpu_s": cpu_s() - began_cpu,
        "requests": sum(one.requests for one in told),
        "latencies": _joined(one.latencies for one in told),
        "bare": _joined(one.bare for one in told),
        "bytes": dict(sum((one.bytes for one in told), Counter())),
        "records": dict(sum((one.records for one in told), Counter())),
        "errors": {str(status): count for status, count in sum(
            (one.errors for one in told), Counter()).items()},
        "secrets_seen": sum(one.secrets_seen for one in told),
        "wrong": [what for one in told for what in one.wrong][:_WRONG_MAX]}


def _joined(several: Any) -> dict[str, list[float]]:
    out: dict[str, list[float]] = defaultdict(list)
    for one in several:
        for page, seconds in one.items():
            out[page] += seconds
    return out


def main() -> None:
    """Each line of stdin: the seconds and the think time of a run, as JSON; each line of stdout its
    result. The first line says that all is ready."""
    plan: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    bare = Bare(Wire(load(plan["home"])))
    for one in plan["clients"]:
        bare.prepare(one["person"], tuple(QUESTIONS))
    print("{}", flush=True)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(uvloop.run(_run(plan | json.loads(line), bare))), flush=True)


if __name__ == "__main__":
    main()
