"""Who may see what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

access_app = typer.Typer(no_args_is_help=True, help="Who may see what: the file access.toml.")


@access_app.command("check")
def access_check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Another file than the one in force.")] = None,
    json: Json = False,
) -> None:
    """Whether the file would be taken, and the directory knows what it names; exit 1 if not."""
    from infra.verbs.access import check as verb

    raise typer.Exit(verb(wire_of(context, provision=False), file, json=json))


@access_app.command("show")
def access_show(context: typer.Context, json: Json = False) -> None:
    """People, walls, what is privileged, and settings, as the file says."""
    from infra.verbs.access import show as verb

    raise typer.Exit(verb(wire_of(context, provision=False), json=json))


@access_app.command("who")
def access_who(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="An id of access.toml.")],
    json: Json = False,
) -> None:
    """What this person may do and see, and what they are kept from, in words."""
    from infra.verbs.access import who as verb

    raise typer.Exit(verb(wire_of(context, provision=False), person, json=json))


@access_app.command("matrix")
def access_matrix(json: Json = False) -> None:
    """Which role may do what."""
    from infra.verbs.access import matrix as verb

    raise typer.Exit(verb(json=json))
