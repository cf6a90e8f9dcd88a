"""The command line, put together. Every verb, its options and its help are in `infra/commands/`;
what a verb does is in `infra/verbs/`.

Owns exit codes: 0 done, 1 findings or an alarm, 2 a query or argument that cannot be read,
otherwise the code of the error (`schemas/errors.py`). Argument names are stable (docs/interface/).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.commands import (
    access,
    account,
    checking,
    directory,
    disposition,
    exports,
    finding,
    holds,
    keys,
    log,
    pages,
    policy,
    refused,
    review,
    running,
    sample,
    stack,
    taking,
)
from schemas.errors import CounterfoilError, QueryError

# As a shell names what Ctrl-C ended.
_INTERRUPTED = 130

app = typer.Typer(
    name="counterfoil", no_args_is_help=True, add_completion=True, rich_markup_mode="rich",
    pretty_exceptions_show_locals=False, pretty_exceptions_enable=False,
    help="Captures client messages, edits and retractions included; seals, archives, searches "
         "and proves them. The data folder is $COUNTERFOIL_HOME, by default ./counterfoil-data.")
for _verbs in (running.verbs, finding.verbs, taking.verbs, checking.verbs, pages.verbs, log.verbs):
    app.add_typer(_verbs)
for _name, _sub in (
    ("keys", keys.keys_app),
    ("stack", stack.stack_app),
    ("quarantine", refused.quarantine_app),
    ("rejected", refused.rejected_app),
    ("spool", refused.spool_app),
    ("directory", directory.directory_app),
    ("access", access.access_app),
    ("policy", policy.policy_app),
    ("sample", sample.sample_app),
    ("ledger", taking.ledger_app),
    ("account", account.account_app),
    ("token", account.token_app),
    ("review", review.review_app),
    ("log", log.log_app),
    ("hold", holds.hold_app),
    ("disposition", disposition.disposition_app),
    ("person", disposition.person_app),
    ("retention", holds.retention_app),
    ("export", exports.export_app),
):
    app.add_typer(_sub, name=_name)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(
        envvar="COUNTERFOIL_HOME", help="The data folder, made on first use.")] = None,
) -> None:
    """What all verbs share."""
    context.obj = home


def main() -> None:
    """The console script. Errors end with one sentence and their own exit code; Ctrl-C, where no
    verb has heard of it yet, with nothing and 130."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _run() -> None:
    from infra import hardening, logs

    hardening.harden()
    logs.set_up(verbose=bool(os.environ.get("COUNTERFOIL_VERBOSE")))
    parent = os.environ.pop("COUNTERFOIL_PARENT_PID", None)
    if parent:
        hardening.end_with_parent(int(parent))
    try:
        app()
    except QueryError as error:
        sys.stderr.write(error.pointed() + "\n")
        sys.exit(error.exit_code)
    except CounterfoilError as error:
        sys.stderr.write(f"counterfoil: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read us has read enough (`| head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
