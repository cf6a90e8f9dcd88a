"""`leakage`: what a thief of the index would read, measured on a corpus or on the firm's own texts.

The archive's texts are read after the audit event is on the log (PROTOCOL I7), stay in this
process and its helpers, and only shares are printed: no word leaves.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, cast

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.demo import talk
from infra.hardening import end_with_parent, harden
from infra.rebuildledger import archived
from infra.verbs.audit import record_act
from infra.verbs.screen import ERR, OUT, emit, shown
from infra.wire import Wire
from schemas.errors import Missing, Refused
from schemas.identity import event_id
from schemas.limits import EXPORT_LINE_BYTES_MAX, LEAKAGE_MESSAGES_MAX
from search import leakage as leaks
from search.leakage import Corpus, Report, Sample, Share, Shares, Split
from search.project import VERSION_KINDS
from search.tokens import BLIND, NONE

ARCHIVE: Final = "the archive"
# Below this a second process costs more than it saves.
_WORTH_MESSAGES: Final = 5_000
_SHARES: Final = ("distinct", "occurrences", "messages", "right")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured: files, or the archive, or (neither) a built-in text; and what the thief has
    of his own, where that is not the other half."""

    corpus: Sequence[Path]
    auxiliary: Sequence[Path]
    archive: bool
    splits: int


def leakage(wire: Wire | None, wanted: Wanted, *, json: bool) -> int:
    """Measure, and say. `wire`: of the archive, where that is wanted."""
    if wanted.archive and wanted.corpus:
        raise Refused("--archive and --corpus are two measurements: ask for one at a time")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as progress:
        task = progress.add_task("reading", total=None)
        # Files first: what is wrong with one is said before anything is recorded or read.
        auxiliary = of_files(wanted.auxiliary) if wanted.auxiliary else None
        corpus = _corpus(wire, wanted)
        progress.update(task, description="attacking", total=wanted.splits)
        report = measured(corpus, auxiliary, wanted.splits,
                          lambda: progress.update(task, advance=1))
    if json:
        emit(_line(report))
    else:
        _print(report)
    return 0


def measured(corpus: Corpus, auxiliary: Corpus | None, splits: int,
             done: Callable[[], None]) -> Report:
    """The report; a large corpus by as many processes as there are cores. `done`: one more split
    is."""
    def told() -> Iterator[Split]:
        for one in _splits(corpus, auxiliary, splits):
            done()
            yield one
    return leaks.measure(corpus, auxiliary, told())


def of_files(paths: Sequence[Path]) -> Corpus:
    """The corpus of these files together: `.jsonl` with `text` and, of one conversation, the same
    `conv` (and `lang`); or text, a message a line, conversations parted by empty lines; each may be
    packed (`.gz`). Raises Missing, or Refused with the line that cannot be read."""
    sample = Sample(LEAKAGE_MESSAGES_MAX)
    for number, path in enumerate(paths):
        for conversation, text in _texts(path):
            sample.add(f"{number}/{conversation}", text)
    return sample.corpus(" + ".join(path.name for path in paths))


def built_in() -> Corpus:
    """The text that needs no file."""
    sample = Sample(LEAKAGE_MESSAGES_MAX)
    for conversation, texts in talk.conversations():
        for text in texts:
            sample.add(conversation, text)
    return sample.corpus(talk.NAME)


def _corpus(wire: Wire | None, wanted: Wanted) -> Corpus:
    if wire is not None:
        return _of_archive(wire, wanted)
    return of_files(wanted.corpus) if wanted.corpus else built_in()


def _of_archive(wire: Wire, wanted: Wanted) -> Corpus:
    """Every text of a message that the archive holds. One chat that several custodians captured is
    one conversation: its halves would be the same."""
    record_act(wire, "leakage", {"splits": str(wanted.splits)})
    sample = Sample(LEAKAGE_MESSAGES_MAX)
    for event in archived(wire):
        if event.text is not None and event.kind in VERSION_KINDS:
            sample.add(f"{event.channel}\0{event.conversation}", event.text, event_id(event))
    return sample.corpus(ARCHIVE)


def _splits(corpus: Corpus, auxiliary: Corpus | None, splits: int) -> Iterable[Split]:
    one = partial(leaks.split, corpus, auxiliary)
    workers = min(len(os.sched_getaffinity(0)), splits)
    if workers < 2 or sum(map(len, corpus.conversations)) < _WORTH_MESSAGES:
        yield from map(one, range(splits))
        return
    # Spawned, not forked: clients and threads of this process are not theirs.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_began,
                             initargs=(os.getpid(),)) as pool:
        yield from pool.map(one, range(splits))


def _began(parent_pid: int) -> None:
    harden()
    end_with_parent(parent_pid)


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    """(conversation, text) of each message of a file."""
    is_json = ".jsonl" in path.suffixes
    part = 0
    for number, line in enumerate(_lines(path), 1):
        try:
            text = line.decode("utf-8").strip()
            if is_json and text:
                yield _message(text)
            elif text:
                yield str(part), text
            else:
                part += 1
        except (UnicodeDecodeError, ValueError) as error:
            raise Refused(f"{path}: line {number} cannot be read: a JSON object with `text`, or "
                          "UTF-8 text, is expected") from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with _opened(path) as handle:
            while line := handle.readline(EXPORT_LINE_BYTES_MAX):
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused(f"{path}: not a whole .gz file") from error
    except OSError as error:
        raise Missing(f"{path}: {error.strerror}") from error


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _message(line: str) -> tuple[str, str]:
    """Raises ValueError for what is no message."""
    said = json.loads(line)
    if not isinstance(said, dict) or not isinstance(said.get("text"), str):
        raise ValueError("no message")
    return f"{said.get('lang', '')}/{said.get('conv', '')}", said["text"]


def _line(report: Report) -> dict[str, Any]:
    return {
        "corpus": report.corpus, "auxiliary": report.auxiliary, "splits": report.splits,
        "conversations": report.conversations, "messages": report.messages,
        "terms": report.terms, "distinct": report.distinct, "left_out": report.left_out,
        "ceiling": _numbers(report.ceiling),
        "attacks": [{"mode": one.mode, "attack": one.name, "parameter": one.parameter,
                     **_numbers(one.shares)} for one in report.results],
    }


def _numbers(shares: Shares) -> dict[str, dict[str, float]]:
    return {name: {"mean": round(share.mean, 4), "low": round(share.low, 4),
                   "high": round(share.high, 4)}
            for name in _SHARES for share in (getattr(shares, name),)}


def _print(report: Report) -> None:
    has = report.auxiliary or "the other half"
    if report.left_out:
        OUT.print(f"{report.left_out} more messages were left out: a sample is measured")
    OUT.print(f"Half of the conversations are in the index; the thief has {shown(has)}, and no "
              f"key. Percent ± half of the 95 % interval over {report.splits} splits.",
              soft_wrap=True)
    table = Table("attack", "words", "said", "whole messages", "right guesses", title=_size(report))
    table.columns[0].no_wrap = True
    for one in report.results:
        if one.mode == BLIND:
            table.add_row(leaks.LABELS[one.name].format(one.parameter), *_cells(one.shares))
    table.add_section()
    table.add_row("all words that he has", *_cells(report.ceiling))
    none = max((one.shares for one in report.results if one.mode == NONE),
               key=lambda shares: shares.occurrences.high)
    table.add_row("no words in the index, any", *_cells(none))
    OUT.print(table)
    OUT.print(_LEGEND, soft_wrap=True)


def _size(report: Report) -> str:
    return (f"{shown(report.corpus)}: {report.messages:,} messages, {report.terms:,} words, "
            f"{report.distinct:,} of them different, in {report.conversations:,} conversations")


def _cells(shares: Shares) -> list[str]:
    return [_percent(getattr(shares, name)) for name in _SHARES]


def _percent(share: Share) -> str:
    return f"{100 * share.mean:.0f} ± {50 * (share.high - share.low):.0f}"


_LEGEND: Final = (
    "words: different words that are read. said: of all that was said. whole messages: read "
    "without a word missing or wrong. right guesses: of those that he makes; he does not know "
    f"which. injected: messages of {leaks.MESSAGE_CHARS_MAX} characters, read off in their order; "
    "without order: messages of any length, each with half of the words. An index with "
    "search.text = plain needs no attack: every word stands in it as it was said.")
