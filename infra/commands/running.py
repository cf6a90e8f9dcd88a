"""Starting and stopping: everything, or one part alone."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.commands.shared import provisioned, wire_of

verbs = typer.Typer()


@verbs.command()
def run(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port of the doors.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; loopback unless told.")] = None,
) -> None:
    """Start everything on this data folder: doors, archiver, indexer. Ends with Ctrl-C."""
    from infra.verbs.running import run as verb

    raise typer.Exit(verb(provisioned(context), port, host))


@verbs.command()
def gateway(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port of the doors.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; loopback unless told.")] = None,
) -> None:
    """One part alone: the doors. Holds its own keys only."""
    from infra.verbs.running import gateway as verb

    raise typer.Exit(verb(wire_of(context, provision=False), port, host))


@verbs.command()
def archive(context: typer.Context) -> None:
    """One part alone: log to object store."""
    from infra.verbs.running import archive as verb

    raise typer.Exit(verb(wire_of(context, provision=False)))


@verbs.command()
def index(context: typer.Context) -> None:
    """One part alone: object store to index."""
    from infra.verbs.running import index as verb

    raise typer.Exit(verb(wire_of(context, provision=False)))


@verbs.command()
def notary(
    context: typer.Context,
    once: Annotated[bool, typer.Option(
        "--once", help="One turn, for a timer; exit 1 if a witness or authority did not answer.")
        ] = False,
) -> None:
    """One part alone: the transparency log over the archive. Holds the log's key only."""
    from infra.verbs.running import notary as verb

    raise typer.Exit(verb(wire_of(context, provision=False), once=once))


@verbs.command()
def provision(context: typer.Context) -> None:
    """Make keys, topic, buckets and formats, where they are not there yet."""
    from infra.verbs.screen import OUT

    OUT.print(f"ready: {provisioned(context).home}")


@verbs.command()
def stop(context: typer.Context) -> None:
    """Ask the `run` of this data folder to end in order, and wait for it."""
    from infra.verbs.running import stop as verb

    raise typer.Exit(verb(wire_of(context, provision=False)))
