"""What the supervisor knows of a server: how to prepare it, how to start it, when it answers.

Owns the value types between `stack.py` and the three servers. Starts nothing itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"


class NotReady(Exception):
    """The server does not answer yet; the message says to what. Never leaves `infra.stack`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server lives: its own folder and its ports by name, all on the loopback."""

    folder: Path
    ports: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Server:
    """One row of the table in `stack.py`.

    `prepare` writes what the server needs into its folder, keeping the data of an earlier start,
    and returns the command line. `probe` asks the running server for real work and raises
    `NotReady` until it does it. `litter` names what a dead server leaves outside its folder.
    """

    name: str
    port_names: tuple[str, ...]
    prepare: Callable[[Place], list[str]]
    probe: Callable[[Place], None]
    litter: Callable[[Place], list[Path]] = lambda _place: []
    # How long it may take to end politely before it is killed.
    grace_s: float = 30


def fresh_folder(path: Path) -> Path:
    """`path`, empty and private to this user: for what each start writes anew."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True, mode=0o700)
    return path
