"""What the verbs share: options that mean the same everywhere, and the wiring behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from infra.wire import Wire

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
PassphraseFile = Annotated[Path | None, typer.Option(
    "--passphrase-file", help="A file that holds the passphrase; without it you are asked.")]
As = Annotated[str, typer.Option("--as", metavar="PERSON", help=(
    "A person of access.toml; your password is asked for. Needed outside a trial."))]
AsPasswordFile = Annotated[Path | None, typer.Option(
    "--password-file", metavar="FILE", help="Its first line is the password; - is a pipe.")]
AsCode = Annotated[str, typer.Option("--code", help="The code that your telephone shows.")]


def wire_of(context: typer.Context, *, provision: bool = True, **override: Any) -> Wire:
    """The parts of this data folder; keys and formats are made on first use, where wanted."""
    from infra.config import load

    wire = Wire(load(context.find_root().obj, **override))
    context.call_on_close(wire.last_words)
    if provision:
        wire.provision_once()
    return wire


def provisioned(context: typer.Context) -> Wire:
    """The same, with everything made that `run` needs, on servers too."""
    wire = wire_of(context, provision=False)
    wire.provision()
    return wire


def identity_of(person: str, password_file: Path | None, code: str) -> Any:
    """Who acts, as they say it; the password is asked for, or read from a file."""
    from infra.disposition_who import Identity
    from infra.verbs.account import password_typed

    password = password_typed(password_file) if person else ""
    return Identity(person, password, code)
