"""What was not taken: quarantine, refused requests, records that wait."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

quarantine_app = typer.Typer(no_args_is_help=True, help="Input that could not be read.")
rejected_app = typer.Typer(no_args_is_help=True, help="Requests that failed authentication.")
spool_app = typer.Typer(no_args_is_help=True, help="Records that wait for the log.")


@quarantine_app.command("list")
def quarantine_list(context: typer.Context, json: Json = False) -> None:
    """What could not be read, with the reason; never its content."""
    from infra.verbs.refused import quarantine_list as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@quarantine_app.command("replay")
def quarantine_replay(
    context: typer.Context,
    item: Annotated[str | None, typer.Argument(metavar="ID", help="One item; all without.")] = None,
    json: Json = False,
) -> None:
    """Read quarantined items again with today's adapters. Holds both sides' keys while it runs."""
    from infra.verbs.refused import quarantine_replay as verb

    raise typer.Exit(verb(wire_of(context), item, json=json))


@rejected_app.command("list")
def rejected_list(context: typer.Context, json: Json = False) -> None:
    """Requests that failed authentication: when, which door, why."""
    from infra.verbs.refused import rejected_list as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@rejected_app.command("replay")
def rejected_replay(context: typer.Context, json: Json = False) -> None:
    """Check rejected requests again, after a secret was put right, and capture those that pass."""
    from infra.verbs.refused import rejected_replay as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@spool_app.command("list")
def spool_list(context: typer.Context, json: Json = False) -> None:
    """What waits on the gateway's spool, by log and partition."""
    from infra.verbs.refused import spool_list as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@spool_app.command("recover")
def spool_recover(context: typer.Context, json: Json = False) -> None:
    """Seal spooled records of a log that was replaced anew, for the log of today."""
    from infra.verbs.refused import spool_recover as verb

    raise typer.Exit(verb(wire_of(context), json=json))
