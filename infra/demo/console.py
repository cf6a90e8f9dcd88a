"""The demo's data for `counterfoil console --demo`: the week, policies that flag it, and a
supervisor to look at it.

Owns who that is. The folder is the one that `counterfoil demo` makes; one that is there is used as
it is, with what it lacks added.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra.config import load
from infra.demo import show
from infra.demo.week import DIRECTORY, Secrets, week
from infra.wire import Wire, clock

PERSON: Final = "dana.reyes"
ACCESS: Final = f"""# Who may see what at Harrow & Lindt LLP (a demo: nobody here exists).
[[person]]
id = "{PERSON}"
name = "Dana Reyes"
roles = ["compliance"]
groups = ["*"]

[settings]
require_totp = false
"""
POLICY: Final = """id = "demo"
version = 1
title = "What a small firm looks for first"
author = "Dana Reyes"
approver = "Ann Lindt"
effective = 2020-01-01
severity = "medium"

[[rule]]
id = "new-account"
why = "Money is to go to another account than before: call the client on the number on file."
query = '"new account" OR (account w/8 cousin)'
severity = "high"

[[rule]]
id = "secrecy"
why = "Somebody asks that a thing be kept quiet."
query = '"between us" OR "do not tell" OR "nobody needs to see"'
"""


def demo_wire(home: Path | None) -> Wire:
    """The demo's folder with its data; made where it is not there, which takes half a minute."""
    folder = (home / show.FOLDER if home else Path(show.FOLDER)).absolute()
    if not (folder / "this-is-a-demo").exists():
        return _made(home)
    _prepare(folder)
    return Wire(load(folder))


@contextmanager
def running(wire: Wire) -> Iterator[None]:
    """What is looked at and decided is archived and indexed meanwhile; the doors stay closed."""
    with show.running(wire.home, None, keep=False):
        yield


def _made(home: Path | None) -> Wire:
    folder = show.fresh(home)
    given = Secrets(secrets.token_hex(16), secrets.token_hex(16), show.PUBLIC_URL)
    (folder / "directory.toml").write_text(DIRECTORY, "utf-8")
    _prepare(folder)
    wire = Wire(load(folder))
    wire.provision()
    start = clock() // 1000 - show.DAYS * 86_400
    with show.running(folder, given, keep=False) as port:
        outcomes = show.play(port, list(week(given, start)))
        show.settle(wire, outcomes)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            show.hand_in(wire, Path(place), start)
    return wire


def _prepare(folder: Path) -> None:
    """Somebody who may look, and rules that flag; what is there is left."""
    access, policy = folder / "access.toml", folder / "policies" / "demo.toml"
    if not access.exists():
        access.touch(mode=0o600)
        access.write_text(ACCESS, "utf-8")
    if not policy.exists():
        policy.parent.mkdir(mode=0o700, exist_ok=True)
        policy.write_text(POLICY, "utf-8")
