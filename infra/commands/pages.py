"""The console, and the demonstration."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.commands.shared import wire_of

verbs = typer.Typer()


@verbs.command()
def console(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(
        min=0, max=65535, help="Port; 0 = any that is free.")] = None,
    host: Annotated[str | None, typer.Option(help="Address; loopback unless told.")] = None,
    demo: Annotated[bool, typer.Option(
        "--demo", help="The demo's data, and a link that signs you in once.")] = False,
) -> None:
    """Pages for supervisors and compliance: search, conversations, review. Ends with Ctrl-C."""
    from infra.verbs.console import console as verb
    from infra.verbs.console import demo as demo_verb

    if demo:
        raise typer.Exit(demo_verb(context.find_root().obj, host, port))
    raise typer.Exit(verb(wire_of(context), host, port))


@verbs.command()
def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option(help="Leave the demo running at the end.")] = False,
) -> None:
    """A week of a small law firm, played through the real doors, and what came of it."""
    from infra.demo.show import demo as verb

    raise typer.Exit(verb(context.find_root().obj, keep=keep))
