"""What leaves the archive: a package for a court or the other side, and who agreed to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import As, AsCode, AsPasswordFile, Json, identity_of, wire_of
from schemas.errors import Refused

export_app = typer.Typer(
    invoke_without_command=True, no_args_is_help=True,
    help="Messages as a package that proves itself: asked for, agreed to, made, handed over.")

ExportId = Annotated[str, typer.Argument(metavar="ID", help="32 hexadecimal digits, as listed.")]
Out = Annotated[Path | None, typer.Option(
    help="A new folder for the package; the same one again goes on where it was interrupted.")]


@export_app.callback()
def export(
    context: typer.Context,
    query: Annotated[str, typer.Option(help="What fits it, as for `search`.")] = "",
    ids: Annotated[list[str] | None, typer.Option(
        "--id", help="A message by the id that a search printed; may be repeated.")] = None,
    conversation: Annotated[list[str] | None, typer.Option(
        help="A whole conversation, by its token or id; may be repeated.")] = None,
    custodian: Annotated[list[str] | None, typer.Option(
        help="Everything of this custodian; may be repeated.")] = None,
    hold: Annotated[str, typer.Option(help="What this legal hold concerns.")] = "",
    since: Annotated[str, typer.Option(
        "--from", help="The first day, or time with its offset.")] = "",
    until: Annotated[str, typer.Option(help="The first moment that is not meant.")] = "",
    around: Annotated[int, typer.Option(
        "--context", min=0, max=500, help="Messages before and after each that fits.")] = 0,
    include_privileged: Annotated[bool, typer.Option(
        "--include-privileged", help="Without it what is privileged stays behind, and is listed."),
        ] = False,
    matter: Annotated[str, typer.Option(help="The matter that it is for.")] = "",
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    basis: Annotated[str, typer.Option(help="On what legal ground, in words.")] = "",
    formats: Annotated[list[str] | None, typer.Option(
        "--format", help="rsmf, transcript, pdf, eml, loadfile or csv, beside native; may be "
                         "repeated. All, if none is named.")] = None,
    zone: Annotated[str, typer.Option(help="Whose days and times it shows: Europe/Berlin.")] = "",
    prefix: Annotated[str, typer.Option(help="What document ids begin with.")] = "",
    out: Out = None,
    resume: Annotated[Path | None, typer.Option(
        help="Go on with the export that was interrupted in this folder.")] = None,
    preview: Annotated[bool, typer.Option(
        "--preview", help="Only say how much it would be.")] = False,
    agreed: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "",
    json: Json = False,
) -> None:
    """Messages as a package that proves itself: asked for, agreed to, made, handed over."""
    if context.invoked_subcommand is not None:
        _require_nothing(context)
        return
    from infra.verbs.export import How, Typed
    from infra.verbs.export import export as verb

    typed = Typed(query, ids or (), conversation or (), custodian or (), hold, since, until,
                  around, include_privileged, matter, title, basis, formats or (), zone, prefix)
    raise typer.Exit(verb(wire_of(context), typed, How(out, resume, preview, agreed, json),
                          identity_of(person, password_file, code)))


@export_app.command("approve")
def export_approve(
    context: typer.Context, export_id: ExportId,
    note: Annotated[str, typer.Option(help="What should be remembered with it.")] = "",
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """The second person's word on a request: for exactly what was asked for."""
    from infra.verbs.export import approve as verb

    raise typer.Exit(verb(wire_of(context), export_id, note,
                          identity_of(person, password_file, code), json=json))


@export_app.command("refuse")
def export_refuse(
    context: typer.Context, export_id: ExportId,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with who said it.")],
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """No, or never mind: nothing is made of this request."""
    from infra.verbs.export import refuse as verb

    raise typer.Exit(verb(wire_of(context), export_id, reason,
                          identity_of(person, password_file, code), json=json))


@export_app.command("run")
def export_run(context: typer.Context, export_id: ExportId, out: Out = None,
               json: Json = False) -> None:
    """Make the package of a request. Interrupted, run it again: it goes on."""
    from infra.verbs.export import How
    from infra.verbs.export import run as verb

    raise typer.Exit(verb(wire_of(context), export_id, How(out, json=json)))


@export_app.command("list")
def export_list(context: typer.Context, json: Json = False) -> None:
    """Every export and how far it came; exit 1 where one was made that nobody agreed to."""
    from infra.verbs.export import listing as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@export_app.command("show")
def export_show(context: typer.Context, export_id: ExportId, json: Json = False) -> None:
    """One export: what was asked for, and its chain of custody."""
    from infra.verbs.export import show as verb

    raise typer.Exit(verb(wire_of(context), export_id, json=json))


@export_app.command("handover")
def export_handover(
    context: typer.Context, export_id: ExportId,
    to: Annotated[str, typer.Option(help="Who got it.")],
    how: Annotated[str, typer.Option(help="By what way: encrypted disk by courier.")],
    note: Annotated[str, typer.Option(help="What should be remembered with it.")] = "",
    file: Annotated[Path | None, typer.Option(
        help="What was given: a zip, or the folder of the package. Its hash is recorded.")] = None,
    person: As = "", password_file: AsPasswordFile = None, code: AsCode = "", json: Json = False,
) -> None:
    """Put on record that somebody got the package."""
    from infra.exportdesk import HandOver
    from infra.verbs.export import hand_over as verb

    raise typer.Exit(verb(wire_of(context), export_id, HandOver(to, how, note), file,
                          identity_of(person, password_file, code), json=json))


@export_app.command("keys")
def export_keys(context: typer.Context, json: Json = False) -> None:
    """The two keys that a recipient checks a package with; tell them by another way than it."""
    from infra.verbs.exportkeys import keys as verb

    raise typer.Exit(verb(wire_of(context), json=json))


@export_app.command("verify")
def export_verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A package.")],
    log_key: Annotated[str, typer.Option(help=(
        "The log's key as somebody told it; else the one that the package brings."))] = "",
    package_key: Annotated[str, typer.Option(help="The same of the package's key.")] = "",
    json: Json = False,
) -> None:
    """Check a package as its recipient does: an interpreter that has nothing of ours."""
    from infra.verbs.export import verify as verb

    raise typer.Exit(verb(folder, log_key, package_key, json=json))


def _require_nothing(context: typer.Context) -> None:
    """Options of `export` itself mean nothing to another verb of it: left out silently, somebody
    would believe that they had been heard."""
    if any(context.params.values()):
        raise Refused("options stand after the verb: counterfoil export "
                      f"{context.invoked_subcommand} …")
