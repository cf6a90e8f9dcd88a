"""What is reviewed although nothing flagged it."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

sample_app = typer.Typer(no_args_is_help=True, help=(
    "What is reviewed although nothing flagged it: sampling/*.toml."))


@sample_app.command("list")
def sample_list(context: typer.Context, json: Json = False) -> None:
    """Every plan, and of its last periods what is on record."""
    from infra.verbs.sample import sample_list as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@sample_app.command("plan")
def sample_plan(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="The id of a plan in sampling/, or a file.")],
    check: Annotated[bool, typer.Option(
        "--check", help="Only whether the file reads; record nothing.")] = False,
    json: Json = False,
) -> None:
    """Put the seed of a plan's next period on record; the indexer does it by itself."""
    from infra.verbs.sample import sample_plan as verb

    raise typer.Exit(verb(wire_of(context), plan, json=json, check=check))


@sample_app.command("draw")
def sample_draw(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="The id of a plan in sampling/.")],
    period: Annotated[str, typer.Option(
        help="2026-11-21, 2026-W47, 2026-11 or 2026-Q4; without it the last that has ended.")
        ] = "",
    json: Json = False,
) -> None:
    """Draw a period that has ended, and mark what was drawn for search and review."""
    from infra.verbs.sample import sample_draw as verb

    raise typer.Exit(verb(wire_of(context), plan, period, json=json))


@sample_app.command("verify")
def sample_verify(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="The id of a plan in sampling/.")],
    period: Annotated[str, typer.Option(
        help="2026-11-21, 2026-W47, 2026-11 or 2026-Q4; without it the last that has ended.")
        ] = "",
    json: Json = False,
) -> None:
    """Draw again from seed and archive and compare item by item; exit 1 if something differs."""
    from infra.verbs.sample import sample_verify as verb

    raise typer.Exit(verb(wire_of(context), plan, period, json=json))
