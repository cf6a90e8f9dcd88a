"""The transparency log, and a witness of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

verbs = typer.Typer()
log_app = typer.Typer(no_args_is_help=True, help="The transparency log over the archive.")


@log_app.command("status")
def log_status(context: typer.Context, json: Json = False) -> None:
    """Its name and keys, how far it reaches, who confirmed it; exit 1 while segments wait."""
    from infra.verbs.log import status as verb

    raise typer.Exit(verb(wire_of(context, provision=False), json=json))


@log_app.command("checkpoint")
def log_checkpoint(
    context: typer.Context,
    witnessed: Annotated[bool, typer.Option(
        "--witnessed", help="Only one that a witness has confirmed.")] = False,
) -> None:
    """The newest checkpoint, signed, for somebody to keep: `verify --against` compares it."""
    from infra.verbs.log import newest_checkpoint as verb

    raise typer.Exit(verb(wire_of(context, provision=False), witnessed=witnessed))


@log_app.command("prove")
def log_prove(
    context: typer.Context,
    segment: Annotated[str, typer.Argument(help="A segment's name, as `show --json` prints it.")],
    cell: Annotated[str, typer.Argument(
        help="The cell's number from 0, or OFFSET/INDEX of an event in it.")],
    out: Annotated[Path, typer.Option(help="Where the .tlog-proof is written.")],
    json: Json = False,
) -> None:
    """Write the proof that a cell is in the log; anybody can check it without us."""
    from infra.verbs.log import prove as verb

    raise typer.Exit(verb(wire_of(context, provision=False), segment, cell, out, json=json))


@log_app.command("files")
def log_files(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="An empty folder.")],
    json: Json = False,
) -> None:
    """Write the whole log as static files (C2SP tiles), for an auditor or a web server."""
    from infra.verbs.log import files as verb

    raise typer.Exit(verb(wire_of(context, provision=False), out, json=json))


@log_app.command("check-proof")
def log_check_proof(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A .tlog-proof.")],
    key: Annotated[list[str] | None, typer.Option(
        metavar="VKEY", help="Whom to believe: the log's verifier key, and witnesses'; without it "
                             "this data folder's.")] = None,
    segment: Annotated[Path | None, typer.Option(
        help="A copy of the segment's object, to be compared too.")] = None,
    json: Json = False,
) -> None:
    """Whether a proof holds; offline, and without a data folder where --key is given."""
    from infra.verbs.log import check_proof as verb

    wire = None if key else wire_of(context, provision=False)
    raise typer.Exit(verb(wire, file, key or [], segment, json=json))


@verbs.command()
def witness(
    context: typer.Context,
    log: Annotated[list[str], typer.Option(
        metavar="VKEY|FILE", help="A log's verifier key, or a file of them; may be repeated.")],
    name: Annotated[str, typer.Option(
        help="What a new witness is called, for ever: witness.firm.example.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port.")] = 8095,
    host: Annotated[str, typer.Option(help="Address; loopback unless told.")] = "127.0.0.1",
) -> None:
    """A witness of other people's logs, with a folder (--home) and a key of its own. Ends with
    Ctrl-C."""
    from infra.verbs.witness import witness as verb

    home = context.find_root().obj
    if home is None:
        raise typer.BadParameter("give the witness a folder of its own: --home, before `witness`")
    raise typer.Exit(verb(home, name, log, host, port))
