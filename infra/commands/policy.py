"""What flags messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

policy_app = typer.Typer(no_args_is_help=True, help="What flags messages: policies/*.toml.")


@policy_app.command("list")
def policy_list(context: typer.Context, json: Json = False) -> None:
    """Every version of every policy, and which are in force."""
    from infra.verbs.policy import policy_list as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@policy_app.command("check")
def policy_check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A policy file.")],
    json: Json = False,
) -> None:
    """Whether a file reads; every problem with its line if not."""
    from infra.verbs.policy import policy_check as verb

    raise typer.Exit(verb(wire_of(context), file, json=json))


@policy_app.command("test")
def policy_test(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(
        help="A file, or ID or ID/VERSION of one in policies/; without a version the highest.")],
    since: Annotated[str, typer.Option(
        "--from", help="The first day, in the firm's zone, or time with its offset.")] = "",
    until: Annotated[str, typer.Option(
        help="The first day, or time with its offset, that is not meant.")] = "",
    samples: Annotated[int, typer.Option(min=0, max=1_000, help="Of each rule.")] = 5,
    json: Json = False,
) -> None:
    """A dry run over what is archived: counts and samples, before it goes live."""
    from infra.verbs.policy import Wanted
    from infra.verbs.policy import policy_test as verb

    raise typer.Exit(verb(wire_of(context), Wanted(policy, since, until, samples), json=json))


@policy_app.command("replay")
def policy_replay(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(help="ID or ID/VERSION of a policy in force.")],
    restart: Annotated[bool, typer.Option(
        "--restart", help="Begin anew, not where it was interrupted.")] = False,
    json: Json = False,
) -> None:
    """A policy over all of the archive: flags it, and says what the version before missed."""
    from infra.verbs.policy import policy_replay as verb

    raise typer.Exit(verb(wire_of(context), policy, json=json, restart=restart))


@policy_app.command("starter")
def policy_starter(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(
        help="One of the pack, or your own file of one; all without it.")] = "",
    check: Annotated[bool, typer.Option(
        "--check", help="Precision and recall on texts that a person has labelled.")] = False,
    languages: Annotated[bool, typer.Option("--languages", help="... of each language.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="... of each rule.")] = False,
    misses: Annotated[bool, typer.Option(
        "--misses", help="... and each text that is missed, or hit and should not be.")] = False,
    install: Annotated[bool, typer.Option(
        "--install", help="Copy them into policies/; nothing there is overwritten.")] = False,
    json: Json = False,
) -> None:
    """The policies that come with Counterfoil, for a firm to change and sign."""
    from infra.verbs.starter import Wanted
    from infra.verbs.starter import policy_starter as verb

    raise typer.Exit(verb(wire_of(context, provision=install), Wanted(
        policy, check, languages, rules, misses, install), json=json))
