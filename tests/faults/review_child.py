"""A reviewer in a process of its own, to be killed: opens and decides until it dies.

Owns nothing but the loop. It takes the console's own road (infra/reviewing.py), sends each decision
with a form of its own, and prints the id of a message only when the decision is on the log.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from infra.config import load
from infra.reviewing import Reviewing, policy_of
from infra.signin import state_store
from infra.wire import Wire
from schemas import events
from schemas.errors import Missing, Refused, Transient
from search import query
from search.access.viewer import operator
from search.query import Term, TokenQuery
from search.review.views import Form

REASON = "opened by the kill test"
_PAGE = 5


def main(home: Path) -> None:
    """Until somebody kills it."""
    wire = Wire(load(home))
    with closing(wire.capture_log()) as log:
        while True:
            try:
                work(wire, Reviewing(wire, state_store(wire), lambda: policy_of(wire),
                                     wire.recorder("search", log)))
            except Transient:
                time.sleep(0.1)


def work(wire: Wire, parts: Reviewing) -> None:
    """Open what nobody has reviewed yet, one after the other."""
    unseen = TokenQuery(query.Not(Term("kinds", events.REVIEW)), frozenset({events.MESSAGE}))
    viewer = operator("killed reviewer")
    while True:
        index = parts.bound.whole()
        found = index.search(unseen, _PAGE, oldest_first=True).documents if index else ()
        for one in found:
            try:
                parts.desk.open(viewer, one.doc_id)
                # The form's key is the same after a death: it is the same decision.
                parts.desk.reopen(viewer, one.doc_id, Form(
                    "", reason=REASON, key=f"kill:{one.doc_id}"))
            except (Refused, Missing):
                continue
            sys.stdout.write(one.doc_id + "\n")
            sys.stdout.flush()
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
