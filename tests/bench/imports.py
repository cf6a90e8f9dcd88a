"""`import`: files that are handed in, until they are durable: messages a second, and memory.

Owns the generated chats and backups, and the check: what is on the log afterwards is opened, and
its texts are exactly those that were written into the files, each once.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.bench.ground import CHILD_S_MAX, ROOT
from tests.bench.procs import usage

ACCOUNT: Final = "+4915550100009"
_LOOK_S: Final = 0.2
_WORDS: Final = (
    "account", "alpha", "beta", "buy", "confirm", "contract", "delivery", "friday", "gamma",
    "invoice", "lunch", "meeting", "okay", "order", "please", "price", "quantity", "sell",
    "thanks", "today", "tomorrow", "transfer", "until", "wait", "yes")


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """`chats` exports of `lines` messages each, and a backup of `texts`."""

    chats: int = 20
    lines: int = 50_000
    texts: int = 1_000_000


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One measured import. `peak_mb`: of all its processes together. `wrong`: "" or what was lost,
    doubled or changed."""

    what: str
    processes: int
    messages: int
    bytes: int
    seconds: float
    cpu_s: float
    peak_mb: float
    wrong: str

    @property
    def per_s(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


class Imports:
    """The files, and the runs over them."""

    def __init__(self, folder: Path, plan: ImportPlan) -> None:
        self._folder, self._plan = folder, plan
        self._exports, self._backups = folder / "exports", folder / "backups"
        self._expected: dict[Path, str] = {}

    def prepare(self) -> None:
        """Write the files; not timed."""
        self._expected[self._exports] = self._write_chats()
        self._expected[self._backups] = self._write_backup()

    def runs(self) -> Iterator[ImportRun]:
        """Exports by one process and by as many as there are cores; a backup; each once more."""
        cores = len(os.sched_getaffinity(0))
        chats, texts = self._plan.chats * self._plan.lines, self._plan.texts
        exports = f"{self._plan.chats} chat exports"
        yield self._run(exports, self._exports, "alone", 1, chats)
        yield self._run(exports, self._exports, "together", cores, chats)
        yield self._run(f"{exports}, again", self._exports, "together", cores, chats, again=True)
        yield self._run("one backup", self._backups, "backup", 1, texts)
        yield self._run("one backup, again", self._backups, "backup", 1, texts, again=True)

    def _run(self, what: str, source: Path, home: str, processes: int, messages: int, *,
             again: bool = False) -> ImportRun:
        arguments = {"home": str(self._folder / home), "source": str(source), "account": ACCOUNT,
                     "processes": processes}
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.import_child", json.dumps(arguments)], cwd=ROOT,
            stdout=subprocess.PIPE)
        peak, until = 0.0, time.monotonic() + CHILD_S_MAX
        while child.poll() is None and time.monotonic() < until:
            with suppress(OSError):  # a process of it ended while it was looked at
                peak = max(peak, usage(child.pid).peak_mb)
            time.sleep(_LOOK_S)
        out, _ = child.communicate(timeout=CHILD_S_MAX)
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        size = sum(one.stat().st_size for one in source.iterdir())
        wrong = self._wrong(found, source, messages, again=again)
        return ImportRun(what, processes, messages, size, found["seconds"], found["cpu_s"], peak,
                         wrong)

    def _wrong(self, found: dict[str, Any], source: Path, messages: int, *, again: bool) -> str:
        told = found["known"] if again else found["new"]
        if told != messages:
            return f"{told} of {messages} messages were told"
        if found["events"] != messages or found["digest"] != self._expected[source]:
            return f"{found['events']} events on the log, not the {messages} that were written"
        return ""

    def _write_chats(self) -> str:
        digest = Digest()
        self._exports.mkdir(parents=True)
        for number in range(self._plan.chats):
            chance, at = random.Random(number), datetime(2024, 1, 15, 8, tzinfo=UTC)
            path = self._exports / f"WhatsApp Chat with Peer {number}.txt"
            with path.open("w", encoding="utf-8") as out:
                for line in range(self._plan.lines):
                    at += timedelta(seconds=chance.randrange(20, 600))
                    who = "Me" if chance.random() < 0.5 else f"Peer {number}"
                    text = f"{_text(chance)} {number}.{line}"
                    digest.add(text)
                    out.write(f"{at:%d/%m/%Y, %H:%M} - {who}: {text}\n")
        return digest.hex()

    def _write_backup(self) -> str:
        digest, chance = Digest(), random.Random(7)
        self._backups.mkdir(parents=True)
        with (self._backups / "sms-20260101.xml").open("w", encoding="utf-8") as out:
            out.write('<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\n'
                      f'<smses count="{self._plan.texts}">\n')
            for number in range(self._plan.texts):
                text = f"{_text(chance)} {number}"
                digest.add(text)
                sent = 1_700_000_000_000 + number * 30_000
                out.write(
                    f'  <sms protocol="0" address="+49155501{number % 200:05d}" date="{sent}" '
                    f'type="{1 + number % 2}" subject="null" body="{text}" toa="null" '
                    'sc_toa="null" service_center="null" read="1" status="-1" locked="0" '
                    f'date_sent="{sent - 900}" sub_id="1" readable_date="x" '
                    f'contact_name="Peer {number % 200}" />\n')
            out.write("</smses>\n")
        return digest.hex()


class Digest:
    """Of a bag of texts: the same in any order, another one where one is lost, doubled, changed."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, text: str) -> None:
        """One text."""
        self._sum += int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())

    def hex(self) -> str:
        """The sum."""
        return f"{self._sum % (1 << 128):032x}"


def _text(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randrange(2, 16)))
