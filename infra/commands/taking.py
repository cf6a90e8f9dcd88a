"""What comes in other than by a door: exports, another archive, a provider's list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

verbs = typer.Typer()
ledger_app = typer.Typer(no_args_is_help=True, help="What importers remember of each chat.")


@verbs.command("import")
def import_files(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER", help=(
        "Chat exports (.txt, .zip), phone backups (.xml), or folders of them."))],
    me: Annotated[str | None, typer.Option(
        metavar="NAME", help="The custodian's own name, as the chat shows it.")] = None,
    account: Annotated[str | None, typer.Option(
        metavar="ID", help="The firm-side number or id; without it nobody's until assigned.")
        ] = None,
    zone: Annotated[str | None, typer.Option(
        help="The time zone of the telephone, as Europe/Berlin.")] = None,
    day_first: Annotated[bool | None, typer.Option(
        "--day-first/--month-first", help="What 05/06 means; inferred where it can be.")] = None,
    map_file: Annotated[Path | None, typer.Option(
        "--map", help="CSV or TOML that says me, account, zone, day_first of each file.")] = None,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="Say what would come of it; write nothing.")] = False,
    no_wait: Annotated[bool, typer.Option(
        "--no-wait", help="With `run`: return when it is durable, not when it can be found."),
        ] = False,
    processes: Annotated[int, typer.Option(
        min=0, max=64, help="That read at a time; 0 = as many as cores.")] = 0,
    json: Json = False,
) -> None:
    """Take in exports and backups; again and again, only what is new is added. Exit 3 when
    something was cut off or quarantined, 2 when only you can say what a file means."""
    from infra.verbs.imports import Wanted, take_in

    wanted = Wanted(paths, me, account, zone, day_first, map_file, dry_run, not no_wait, processes)
    raise typer.Exit(take_in(wire_of(context, provision=not dry_run), wanted, json=json))


@verbs.command()
def migrate(
    context: typer.Context,
    to: Annotated[Path, typer.Option("--to", metavar="CONFIG", help=(
        "A counterfoil.toml that names the servers; it becomes this folder's own."))],
    json: Json = False,
) -> None:
    """Move an embedded archive to Kafka, S3 and Elasticsearch, byte for byte; may be repeated."""
    from infra.verbs.migrate import migrate as verb

    raise typer.Exit(verb(wire_of(context), to, json=json))


@ledger_app.command("rebuild")
def ledger_rebuild(context: typer.Context, json: Json = False) -> None:
    """Make the import ledger again from the archive. Holds both sides' keys while it runs."""
    from infra.verbs.imports import rebuild as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@verbs.command()
def reconcile(
    context: typer.Context,
    channel: Annotated[str, typer.Option(help="sms; WhatsApp has no list to compare with.")],
    since: Annotated[str, typer.Option("--from", help="The first day, or time with its offset.")],
    until: Annotated[str, typer.Option(help="The first moment that is not meant; without it "
                                            "until now.")] = "",
    store: Annotated[bool, typer.Option("--import", help="Archive what is missing.")] = False,
    json: Json = False,
) -> None:
    """Compare with what the provider lists; the report closes gaps, or proves them."""
    from infra.verbs.reconcile import Wanted
    from infra.verbs.reconcile import reconcile as verb

    raise typer.Exit(verb(wire_of(context), Wanted(channel, since, until, store), json=json))
