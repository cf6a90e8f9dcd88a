"""`verify --index`: the index in force against a projection of the archive, made for that alone.

Owns where the projection lies while it is compared: a folder of the data folder, for its owner
only, gone at the end; with `search.text = plain` it holds words, as the index does.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from archive.verify import Report
from infra.embedded.index import SqliteIndexSet
from infra.wire import Wire
from search.index import Retired
from search.indexcheck import Share, check

_PREFIX: Final = "index-check-"
_NAMED_MAX: Final = 1_000


def take_index(wire: Wire, report: Report, of: int) -> None:
    """Compare one document in `of` and add what differs (`index_differs`) to the report. Raises
    what a reader raises, and Transient when the index cannot be asked."""
    indexes = wire.indexes()
    name = indexes.current()
    if name is None:
        report.notes.append("there is no index yet")
        return
    share = Share(of, int.from_bytes(wire.random(4)) % of)
    run = wire.home / "run"
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in run.glob(f"{_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)  # of a check that was killed
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=run) as folder:
        scratch = SqliteIndexSet(Path(folder), text=wire.config.search.text)
        try:
            found = check(indexes.open(name), wire.reader(), wire.tokenizer(), scratch, share)
        except Retired:
            report.notes.append("the index was rebuilt while it was compared: run it again")
            return
    for one in found.differences[:_NAMED_MAX]:
        report.add("index_differs", one.doc_id, one.how.replace("_", " "))
    report.notes.append(f"the index {name}: {found.documents} documents compared"
                        + (f", one in {of}" if of > 1 else ""))
    if len(found.differences) > _NAMED_MAX:
        report.notes.append(f"{len(found.differences)} documents differ; the first {_NAMED_MAX} "
                            "are named")
    if found.changed:
        report.notes.append(f"{found.changed} documents changed while they were compared: not "
                            "judged")
