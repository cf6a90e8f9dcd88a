"""Who signs in: people and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, wire_of

account_app = typer.Typer(no_args_is_help=True, help="How people sign in to the console.")
token_app = typer.Typer(no_args_is_help=True, help="How programs sign in to the console's API.")

PersonArgument = Annotated[str, typer.Argument(
    metavar="PERSON", help="The id of a [[person]] in access.toml.")]
AskOption = Annotated[bool, typer.Option("--ask", help="Type the password here.")]
PasswordFileOption = Annotated[Path | None, typer.Option(
    "--password-file", metavar="FILE", help="Its first line is the password; - is a pipe.")]
OwnOption = Annotated[bool, typer.Option(
    "--own", help="The person chose it: it need not be changed at the first sign-in.")]


@account_app.command("add")
def account_add(context: typer.Context, person: PersonArgument, ask: AskOption = False,
                password_file: PasswordFileOption = None, own: OwnOption = False,
                json: Json = False) -> None:
    """A first password for a person of access.toml: a one-time one, unless you give one."""
    from infra.verbs.account import Given
    from infra.verbs.account import add as verb

    raise typer.Exit(verb(wire_of(context), person, Given(ask, password_file, own), json=json))


@account_app.command("password")
def account_password(context: typer.Context, person: PersonArgument, ask: AskOption = False,
                     password_file: PasswordFileOption = None, own: OwnOption = False,
                     json: Json = False) -> None:
    """A new password, one-time unless you give one; every session of the person ends."""
    from infra.verbs.account import Given
    from infra.verbs.account import password as verb

    raise typer.Exit(verb(wire_of(context), person, Given(ask, password_file, own), json=json))


@account_app.command("totp")
def account_totp(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """The telephone is lost: forget it, and make a one-time password to sign in with anew."""
    from infra.verbs.account import totp as verb

    raise typer.Exit(verb(wire_of(context), person, json=json))


@account_app.command("disable")
def account_disable(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """No way in from now on; every session and token of the person is dead."""
    from infra.verbs.account import disable as verb

    raise typer.Exit(verb(wire_of(context), person, json=json))


@account_app.command("enable")
def account_enable(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """The way in is open again; wrong guesses are forgotten, so that nobody has to wait."""
    from infra.verbs.account import enable as verb

    raise typer.Exit(verb(wire_of(context), person, json=json))


@account_app.command("forget")
def account_forget(context: typer.Context, person: PersonArgument, json: Json = False) -> None:
    """Forget which identity at your OpenID provider is the person's; the next one counts."""
    from infra.verbs.account import forget as verb

    raise typer.Exit(verb(wire_of(context), person, json=json))


@account_app.command("list")
def account_list(context: typer.Context, json: Json = False) -> None:
    """Everybody, what they sign in with, and who is signed in."""
    from infra.verbs.account import listed as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@account_app.command("sessions")
def account_sessions(
    context: typer.Context,
    person: Annotated[str, typer.Argument(help="One person; everybody without.")] = "",
    json: Json = False,
) -> None:
    """Who is signed in now, since when and from where."""
    from infra.verbs.account import sessions as verb

    raise typer.Exit(verb(wire_of(context), person, json=json))


@account_app.command("revoke")
def account_revoke(
    context: typer.Context, person: PersonArgument,
    session: Annotated[str, typer.Argument(help="As `sessions` prints it; all without.")] = "",
    json: Json = False,
) -> None:
    """End a session, or all of a person's; exit 1 when there was none."""
    from infra.verbs.account import revoke as verb

    raise typer.Exit(verb(wire_of(context), person, session, json=json))


@token_app.command("add")
def token_add(
    context: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="PERSON", help="Whose it is: it may do no more.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    may: Annotated[list[str], typer.Option(help="A capability, such as search; may be repeated.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="It is good for so long.")] = 90,
    json: Json = False,
) -> None:
    """A token for a program; it is shown once, and only its hash is kept."""
    from infra.verbs.account import token_add as verb

    raise typer.Exit(verb(wire_of(context), owner, name, days, may, json=json))


@token_app.command("list")
def token_list(context: typer.Context, json: Json = False) -> None:
    """Every token, what it may do, until when, and the day of its last use."""
    from infra.verbs.account import token_list as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@token_app.command("revoke")
def token_revoke(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="As `list` prints it.")],
    json: Json = False,
) -> None:
    """Not good from the next request on."""
    from infra.verbs.account import token_revoke as verb

    raise typer.Exit(verb(wire_of(context), token, json=json))
