"""What ends, and what is held about a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import As, AsCode, AsPasswordFile, Json, identity_of, wire_of

disposition_app = typer.Typer(no_args_is_help=True, help=(
    "What is due is listed, approved by a second person, and destroyed."))
person_app = typer.Typer(no_args_is_help=True, help=(
    "What is held about a person, their request to erase it, and a copy for them."))

ListId = Annotated[str, typer.Argument(metavar="LIST", help="As `disposition status` prints it.")]
Somebody = Annotated[str, typer.Argument(metavar="PERSON", help=(
    "A number, an id, an address or a name, as in a search after with:."))]


@disposition_app.command("due")
def disposition_due(
    context: typer.Context,
    at: Annotated[str, typer.Option(help="As if it were this day; destroys nothing.")] = "",
    every: Annotated[bool, typer.Option(
        "--all", help="Also what may not go, with the ground and the date.")] = False,
    json: Json = False,
) -> None:
    """What has reached the end of its time, and why the rest has not. Reads the whole archive."""
    from infra.verbs.disposition import due as verb

    raise typer.Exit(verb(wire_of(context), at, json=json, every=every))


@disposition_app.command("list")
def disposition_list(
    context: typer.Context,
    custodian: Annotated[str, typer.Option(help="Only of this custodian.")] = "",
    month: Annotated[str, typer.Option(help="Only of this month, as 2019-05.")] = "",
    key: Annotated[list[str] | None, typer.Option(
        help="Only this key, as `due` prints it; may be repeated.")] = None,
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "",
    json: Json = False,
) -> None:
    """Put a list of what is due on record, for somebody else to approve. Destroys nothing."""
    from infra.verbs.disposition import Wanted
    from infra.verbs.disposition import make_list as verb

    raise typer.Exit(verb(wire_of(context), Wanted(custodian, month, key or ()),
                          identity_of(person, password_file, code), json=json))


@disposition_app.command("approve")
def disposition_approve(
    context: typer.Context, list_id: ListId, person: As = "",
    password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """The second person's word on a list; then it waits for disposition.wait_days."""
    from infra.verbs.disposition import approve as verb

    raise typer.Exit(verb(wire_of(context), list_id, identity_of(person, password_file, code),
                          json=json))


@disposition_app.command("refuse")
def disposition_refuse(
    context: typer.Context, list_id: ListId,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with who said it.")],
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """No: nothing of this list is destroyed. Until it runs."""
    from infra.verbs.disposition import refuse as verb

    raise typer.Exit(verb(wire_of(context), list_id, reason,
                          identity_of(person, password_file, code), json=json))


@disposition_app.command("run")
def disposition_run(context: typer.Context, list_id: ListId, json: Json = False) -> None:
    """Destroy what an approved list names, for ever. Interrupted, run it again: it goes on."""
    from infra.verbs.disposition import run as verb

    raise typer.Exit(verb(wire_of(context), list_id, json=json))


@disposition_app.command("status")
def disposition_status(context: typer.Context, json: Json = False) -> None:
    """Every list and how far it came; exit 1 while one is begun and not finished."""
    from infra.verbs.disposition import status as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@disposition_app.command("certificate")
def disposition_certificate(
    context: typer.Context, list_id: ListId,
    out: Annotated[Path | None, typer.Option(help="Write it here; else on the screen.")] = None,
    json: Json = False,
) -> None:
    """The signed certificate of what a list erased."""
    from infra.verbs.disposition import certificate as verb

    raise typer.Exit(verb(wire_of(context), list_id, out, json=json))


@disposition_app.command("check-certificate")
def disposition_check_certificate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `certificate --out` wrote.")],
    json: Json = False,
) -> None:
    """Whether a certificate is what this firm's key signed; exit 1 if not."""
    from infra.verbs.disposition import check_certificate as verb

    raise typer.Exit(verb(wire_of(context, provision=False), file, json=json))


@disposition_app.command("backup-destroyed")
def disposition_backup_destroyed(
    context: typer.Context,
    backup: Annotated[str, typer.Argument(metavar="ID", help="As a certificate names it.")],
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """Put on record that the file of a key backup was destroyed."""
    from infra.verbs.disposition import backup_destroyed as verb

    raise typer.Exit(verb(wire_of(context), backup, identity_of(person, password_file, code),
                          json=json))


@person_app.command("held")
def person_held(context: typer.Context, person: Somebody, json: Json = False) -> None:
    """What is held about somebody: how much, of when, on what ground, and until when."""
    from infra.verbs.person import held as verb

    raise typer.Exit(verb(wire_of(context), person, json=json))


@person_app.command("erase")
def person_erase(
    context: typer.Context, person: Somebody,
    ground: Annotated[str, typer.Option(help="On what ground they ask; it is recorded.")],
    json: Json = False,
) -> None:
    """Put a request to erase on record. What may not go yet is named with its date, and waits."""
    from infra.verbs.person import erase as verb

    raise typer.Exit(verb(wire_of(context), person, ground, json=json))


@person_app.command("requests")
def person_requests(context: typer.Context, json: Json = False) -> None:
    """Requests that wait, and what of them may go now."""
    from infra.verbs.person import listed as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@person_app.command("access")
def person_access(
    context: typer.Context, person: Somebody,
    out: Annotated[Path, typer.Option(help="A new folder, for its owner only.")],
    json: Json = False,
) -> None:
    """A copy of what is held about somebody, as JSON lines, other people marked."""
    from infra.verbs.person import access as verb

    raise typer.Exit(verb(wire_of(context), person, out, json=json))
