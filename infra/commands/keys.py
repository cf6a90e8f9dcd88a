"""Keys: kept, restored, split, changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.shared import Json, PassphraseFile, wire_of

keys_app = typer.Typer(no_args_is_help=True, help="Back up, restore and check the keys.")


@keys_app.command("backup")
def keys_backup(context: typer.Context, file: Path, passphrase_file: PassphraseFile = None,
                json: Json = False) -> None:
    """Write every key and key record to one encrypted file."""
    from infra.verbs.keys import backup

    raise typer.Exit(backup(wire_of(context), file, passphrase_file, json=json))


@keys_app.command("check")
def keys_check(context: typer.Context, file: Path, passphrase_file: PassphraseFile = None,
               json: Json = False) -> None:
    """Open a backup and compare it with the live keys; exit 1 if one is not in it."""
    from infra.verbs.keys import check

    raise typer.Exit(check(wire_of(context), file, passphrase_file, json=json))


@keys_app.command("restore")
def keys_restore(context: typer.Context, file: Path, passphrase_file: PassphraseFile = None,
                 also_erased: Annotated[bool, typer.Option(
                     "--also-erased", help="DANGER: also keys that were destroyed on purpose.")
                     ] = False,
                 json: Json = False) -> None:
    """Put keys and key records back where they are missing; nothing is overwritten. Keys that were
    erased since the backup are named and left out."""
    from infra.verbs.keys import restore

    raise typer.Exit(restore(wire_of(context, provision=False), file, passphrase_file, json=json,
                             also_erased=also_erased))


@keys_app.command("split")
def keys_split(
    context: typer.Context,
    shares: Annotated[int, typer.Option(min=2, max=32, help="So many shares are made.")],
    threshold: Annotated[int, typer.Option(min=2, max=32, help="So many of them restore it.")],
    out: Annotated[Path | None, typer.Option(help="An empty folder; one file for each share.")] = (
        None),
    on_screen: Annotated[bool, typer.Option(
        "--print", help="On the screen instead, to be written down.")] = False,
    what: Annotated[str, typer.Option(
        help="kek: the wrapping key. passphrase: what opens the key backups.")] = "kek",
    passphrase_file: PassphraseFile = None,
    backup: Annotated[Path | None, typer.Option(help=(
        "A key backup that the passphrase has to open, or nothing is made."))] = None,
    json: Json = False,
) -> None:
    """Give the wrapping key, or the backups' passphrase, to several officers in shares."""
    from infra.verbs.keyshares import Wanted
    from infra.verbs.keyshares import split as verb

    if (out is None) != on_screen:
        raise typer.BadParameter("give --out FOLDER, or --print to see them on the screen")
    raise typer.Exit(verb(wire_of(context), Wanted(what, shares, threshold, out, passphrase_file,
                                                 backup), json=json))


@keys_app.command("join")
def keys_join(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(metavar="FILE|FOLDER", help=(
        "Shares; without one you type them."))] = None,
    out: Annotated[Path | None, typer.Option(help=(
        "Where it is written, for its owner only; the wrapping key's own place unless said."))] = (
            None),
    json: Json = False,
) -> None:
    """The wrapping key, or the backups' passphrase, again from shares."""
    from infra.verbs.keyshares import join as verb

    raise typer.Exit(verb(wire_of(context, provision=False), paths or (), out, json=json))


@keys_app.command("rotate")
def keys_rotate(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help=(
        "kek, sealing, transit, gateway, archiver or search (the last three: capture keys)."))] = (
            "kek"),
    only_make: Annotated[bool, typer.Option(
        "--only-make", help="Make the new wrapping key and stop, to carry it to other machines."),
        ] = False,
    finish: Annotated[bool, typer.Option(
        "--finish", help="Nothing needs the old wrapping key any more: remove it.")] = False,
    json: Json = False,
) -> None:
    """A new key in the place of one in use; no archived object is written again."""
    from infra.verbs.rotate import Wanted
    from infra.verbs.rotate import rotate as verb

    raise typer.Exit(verb(wire_of(context), Wanted(key, only_make, finish), json=json))
