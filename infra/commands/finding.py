"""Finding a message, reading it, and saying whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of
from schemas.limits import SEARCH_ROWS_MAX

verbs = typer.Typer()


@verbs.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help='For example: transfer AND "new account" from:anna')],
    json: Json = False,
    limit: Annotated[int, typer.Option(min=1, max=SEARCH_ROWS_MAX, help="So many rows.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the last page ended.")] = None,
    explain: Annotated[bool, typer.Option(
        "--explain", help="How the query is understood and what it costs, without messages.")] = (
            False),
) -> None:
    """Find messages; every version of a message is searched."""
    from infra.verbs.searching import explain as explained
    from infra.verbs.searching import search as verb

    if explain:
        raise typer.Exit(explained(wire_of(context), query, json=json))
    raise typer.Exit(verb(wire_of(context), query, json=json, limit=limit, cursor=cursor))


@verbs.command()
def show(
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="ID", help="The id that a search printed.")],
    json: Json = False,
    around: Annotated[int, typer.Option(min=0, max=200, help="Messages before and after.")] = 3,
) -> None:
    """One message: every version, who and when, how each is known, and what was said around it."""
    from infra.verbs.searching import show as verb

    raise typer.Exit(verb(wire_of(context), message, json=json, around=around))


@verbs.command()
def attachment(
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="ID", help="The id that a search printed.")],
    number: Annotated[int, typer.Argument(metavar="N", min=1, help="As `show` numbers them.")],
    out: Annotated[Path, typer.Option(help="Where the file is written, for its owner only.")],
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    json: Json = False,
) -> None:
    """One file of a message: opened, checked against its hash, written; recorded before."""
    from infra.verbs.attachment import attachment as verb

    raise typer.Exit(verb(wire_of(context), message, number, out, force=force, json=json))


@verbs.command()
def assign(
    context: typer.Context,
    channel: Annotated[str, typer.Option(help="whatsapp or sms.")],
    account: Annotated[str, typer.Option(help="The account whose messages nobody has claimed.")],
    custodian: Annotated[str, typer.Option(help="An id of the directory.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded with who said it.")],
    since: Annotated[str, typer.Option(
        "--from", help="The first day, or time with its offset; without it from the start.")] = "",
    until: Annotated[str, typer.Option(help="The first moment that is not meant.")] = "",
    json: Json = False,
) -> None:
    """Give an account's unassigned messages to a custodian; recorded, and put right by another."""
    from infra.verbs.assign import Wanted
    from infra.verbs.assign import assign as verb

    wanted = Wanted(channel, account, custodian, since, until, reason)
    raise typer.Exit(verb(wire_of(context), wanted, json=json))
