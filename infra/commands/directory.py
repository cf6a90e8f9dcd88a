"""Who is who."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

directory_app = typer.Typer(no_args_is_help=True, help="Who is who: the file directory.toml.")


@directory_app.command("show")
def directory_show(context: typer.Context, json: Json = False) -> None:
    """Custodians, accounts, groups, matters, notices, exclusions and classes, as the file says."""
    from infra.verbs.directory import show as verb

    raise typer.Exit(verb(wire_of(context, provision=False), json=json))


@directory_app.command("check")
def directory_check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Another file than the one in force.")] = None,
    json: Json = False,
) -> None:
    """Whether the file would be taken; exit 1 and every problem with its line if not."""
    from infra.verbs.directory import check as verb

    raise typer.Exit(verb(wire_of(context, provision=False), file, json=json))


@directory_app.command("import")
def directory_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="people.csv, groups.csv, matters.csv, access.csv.")],
    kind: Annotated[str, typer.Option("--as", help=(
        "people, groups, matters or access, where the file is not called so."))] = "",
    check: Annotated[bool, typer.Option(
        "--check", help="Say what would change; write nothing.")] = False,
    complete: Annotated[bool, typer.Option("--complete", help=(
        "The file names everything: what it does not name ends today."))] = False,
    json: Json = False,
) -> None:
    """People, groups, matters and access in bulk; shown, recorded, then written."""
    from infra.verbs.directory_import import Wanted
    from infra.verbs.directory_import import import_csv as verb

    wanted = Wanted(file, kind, complete, check)
    raise typer.Exit(verb(wire_of(context, provision=not check), wanted, json=json))
