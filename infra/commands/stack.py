"""The real servers on this machine."""

from __future__ import annotations

import typer

from infra.commands.shared import Json

stack_app = typer.Typer(no_args_is_help=True, help="Real Kafka, S3 and Elasticsearch on loopback.")


@stack_app.command("up")
def stack_up(context: typer.Context, json: Json = False) -> None:
    """Start the real servers and write a configuration that uses them."""
    from infra.verbs.stack import up

    raise typer.Exit(up(context.find_root().obj, json=json))


@stack_app.command("status")
def stack_status(context: typer.Context, json: Json = False) -> None:
    """Which of the real servers run, and where they listen."""
    from infra.verbs.stack import status as verb

    raise typer.Exit(verb(context.find_root().obj, json=json))


@stack_app.command("down")
def stack_down(context: typer.Context, json: Json = False) -> None:
    """Stop the real servers of this data folder; their data stays."""
    from infra.verbs.stack import down

    raise typer.Exit(down(context.find_root().obj, json=json))
