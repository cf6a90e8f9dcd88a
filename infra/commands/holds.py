"""What may not end, and when the rest does."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.commands.shared import As, AsCode, AsPasswordFile, Json, identity_of, wire_of

hold_app = typer.Typer(no_args_is_help=True, help="Legal holds: what may not end, and why.")
retention_app = typer.Typer(no_args_is_help=True, help="When what is kept ends.")

HoldId = Annotated[str, typer.Argument(metavar="ID", help="16 hexadecimal digits, as listed.")]
Custodians = Annotated[list[str] | None, typer.Option(
    "--custodian", help="An id of the directory; may be repeated: any of them.")]
Matters = Annotated[list[str] | None, typer.Option(
    "--matter", help="An id of the directory, with all that it ever was; may be repeated.")]
Conversations = Annotated[list[str] | None, typer.Option(
    "--conversation", help="An id or a token, as a search shows it; may be repeated.")]
FromDay = Annotated[str, typer.Option("--from", help="The first day; its whole month is held.")]
ToDay = Annotated[str, typer.Option("--to", help="The last day; its whole month is held.")]
HoldQuery = Annotated[str, typer.Option("--query", help="As for `search`, without lists.")]


@hold_app.command("place")
def hold_place(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="What people call it: Doe v. Roe.")],
    ground: Annotated[str, typer.Option(help="Why: the claim, the letter, the court's number.")],
    custodian: Custodians = None, matter: Matters = None, conversation: Conversations = None,
    since: FromDay = "", until: ToDay = "", query: HoldQuery = "", json: Json = False,
) -> None:
    """Place a legal hold on whatever fits all of the options. Two people release it."""
    from infra.verbs.hold import Wanted
    from infra.verbs.hold import place as verb

    raise typer.Exit(verb(wire_of(context), name, ground, Wanted(
        custodian or (), matter or (), conversation or (), since, until, query), json=json))


@hold_app.command("list")
def hold_list(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Released ones, too.")] = False,
    json: Json = False,
) -> None:
    """The legal holds in force."""
    from infra.verbs.hold import listing as verb

    raise typer.Exit(verb(wire_of(context), json=json, every=every))


@hold_app.command("show")
def hold_show(context: typer.Context, hold: HoldId, json: Json = False) -> None:
    """One legal hold: what it keeps now, and what was done with it."""
    from infra.verbs.hold import show as verb

    raise typer.Exit(verb(wire_of(context), hold, json=json))


@hold_app.command("release")
def hold_release(
    context: typer.Context, hold: HoldId,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")],
    grant: Annotated[bool, typer.Option(
        "--grant", help="As the second person: the hold ends.")] = False,
    refuse: Annotated[bool, typer.Option(
        "--refuse", help="Say no to the request: the hold stays.")] = False,
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "",
    json: Json = False,
) -> None:
    """Ask for the release of a legal hold, or answer somebody else's request."""
    from infra.verbs.hold import release as verb

    raise typer.Exit(verb(wire_of(context), hold, reason, identity_of(person, password_file, code),
                          grant=grant, refuse=refuse, json=json))


@hold_app.command("simulate")
def hold_simulate(
    context: typer.Context,
    custodian: Custodians = None, matter: Matters = None, conversation: Conversations = None,
    since: FromDay = "", until: ToDay = "", query: HoldQuery = "", json: Json = False,
) -> None:
    """What a legal hold would keep, and how many requests it would cost. Places nothing."""
    from infra.verbs.hold import Wanted
    from infra.verbs.hold import simulate as verb

    raise typer.Exit(verb(wire_of(context), Wanted(
        custodian or (), matter or (), conversation or (), since, until, query), json=json))


@hold_app.command("apply")
def hold_apply(
    context: typer.Context,
    again: Annotated[bool, typer.Option(
        "--again", help="Tell the store everything once more.")] = False,
    json: Json = False,
) -> None:
    """Tell the store now what `run` would tell it."""
    from infra.verbs.hold import apply as verb

    raise typer.Exit(verb(wire_of(context), again=again, json=json))


@retention_app.command("simulate")
def retention_simulate(
    context: typer.Context,
    at: Annotated[str, typer.Option(help="A day: 2033-06-01.")],
    retention_class: Annotated[str, typer.Option(
        "--class", help="A class whose years are changed, only in thought.")] = "",
    years: Annotated[int | None, typer.Option(help="Its years then.")] = None,
    json: Json = False,
) -> None:
    """What would end at a date, what would stay and why, and what another class would mean."""
    from infra.verbs.retention import simulate as verb

    raise typer.Exit(verb(wire_of(context), at, retention_class, years, json=json))
