"""`migrate`: from the embedded archive to servers, once (`infra/migrate.py` owns the order)."""

from __future__ import annotations

from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from infra.migrate import migrate as move
from infra.migrate import target_of
from infra.verbs.audit import record_act
from infra.verbs.screen import ERR, OUT, emit, good, shown
from infra.wire import Wire


def migrate(wire: Wire, file: Path, *, json: bool) -> int:
    """Move, and say what is where now."""
    there = target_of(wire, file)  # refused before anything is recorded of it
    record_act(wire, "migrate", {"topic": there.config.log.topic,
                                 "bucket": there.config.store.bucket})
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TimeRemainingColumn())
    with Progress(*columns, console=ERR, transient=True, disable=json) as bar:
        task = bar.add_task("copying objects", total=None)
        done = move(wire, file, lambda said: ERR.print(shown(said)),
                    lambda read, total: bar.update(task, completed=read, total=total))
    if json:
        emit({"objects": done.objects, "copied": done.copied, "bytes": done.bytes,
              "keys": done.keys, "documents": done.documents,
              "topic": there.config.log.topic, "bucket": there.config.store.bucket})
        return 0
    OUT.print(good("moved:"), f"{done.objects} objects ({done.bytes} bytes, {done.copied} of them "
              f"copied now), {done.keys} key records, {done.documents} documents indexed")
    OUT.print("next: counterfoil verify, then counterfoil run. The old folders log/, store/, "
              "keyring/ and index/ are as they were; keep them until you have verified")
    return 0
