"""`counterfoil demo`: plays the week through the real doors, then shows what came of it.

Owns the order of the screens. Everything on them is made by the same verbs that a user types.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.config import load
from infra.demo import files
from infra.demo.week import ANNA, BEN, DIRECTORY, MARIA, Secrets, Step, week
from infra.exportlog import signer_of
from infra.serve import stop_folder
from infra.verbs import check, export, imports, refused, searching
from infra.verbs.screen import OUT, bad, good, shown, strong
from infra.wire import Wire, clock
from schemas.errors import Halt, Transient
from search.access.viewer import operator

FOLDER: Final = "counterfoil-demo"
EXPORT: Final = "export-demo-1"
PUBLIC_URL: Final = "https://hooks.harrow-lindt.example"
DAYS: Final = 7
_READY_S_MAX: Final = 30.0
_SETTLE_S_MAX: Final = 40.0


def demo(home: Path | None, *, keep: bool) -> int:
    """The whole demo in a fresh folder; `keep` leaves the system running at the end."""
    folder = fresh(home)
    given = Secrets(secrets.token_hex(16), secrets.token_hex(16), PUBLIC_URL)
    (folder / "directory.toml").write_text(DIRECTORY, "utf-8")
    wire = Wire(load(folder))
    wire.provision()
    start = clock() // 1000 - DAYS * 86_400
    with running(folder, given, keep=keep) as port:
        outcomes = play(port, list(week(given, start)))
        settle(wire, outcomes)
        _screens(wire, folder, outcomes, start)
        _next(wire, folder, keep=keep, port=port)
    wrong = [step for step, code in outcomes if code != step.expect]
    return 1 if wrong else 0


def fresh(home: Path | None) -> Path:
    """The demo's own folder, empty. Raises Transient for one of that name that is none of ours."""
    # The demo's folder is the demo's own: an earlier one is stopped and removed, nothing else is.
    folder = (home / FOLDER if home else Path(FOLDER)).absolute()
    if folder.exists():
        marker = folder / "this-is-a-demo"
        if not marker.exists():
            raise Transient(f"{folder} is there and is no demo of ours; move it away")
        stop_folder(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    (folder / "this-is-a-demo").touch()
    return folder


@contextmanager
def running(folder: Path, given: Secrets | None, *, keep: bool) -> Iterator[int]:
    """Everything runs on `folder`; the port of its doors. `keep`: it goes on afterwards. `given`:
    what the doors check with; null = they stay closed."""
    port = _free_port()
    environment = os.environ | {
        "COUNTERFOIL_HOME": str(folder),
    }
    if given is not None:
        environment |= {
            "COUNTERFOIL_WHATSAPP_APP_SECRET": given.whatsapp_app_secret,
            "COUNTERFOIL_WHATSAPP_VERIFY_TOKEN": secrets.token_hex(8),
            "COUNTERFOIL_TWILIO_AUTH_TOKEN": given.twilio_auth_token,
            "COUNTERFOIL_PUBLIC_URL": given.public_url,
        }
    if not keep:
        environment["COUNTERFOIL_PARENT_PID"] = str(os.getpid())
    (folder / "logs").mkdir(mode=0o700, exist_ok=True)
    with (folder / "logs" / "run.log").open("wb") as log:
        process = subprocess.Popen(  # our own interpreter and arguments
            [sys.executable, "-m", "infra.cli", "run", "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            start_new_session=keep)
    try:
        _await_ready(port, process, folder)
        yield port
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _await_ready(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + _READY_S_MAX
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Halt("halted", f"`run` ended: see {folder / 'logs' / 'run.log'}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            time.sleep(0.1)
    raise Transient(f"the doors did not open: see {folder / 'logs'}")


def play(port: int, steps: list[Step]) -> list[tuple[Step, int]]:
    """The week goes through the doors."""
    outcomes = []
    columns = (TextColumn("[bold]playing a week[/] {task.description:42}"), BarColumn(),
               MofNCompleteColumn(), TimeElapsedColumn())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with Progress(*columns, console=OUT) as progress:
        task = progress.add_task("", total=len(steps))
        for step in steps:
            progress.update(task, description=step.note[:42])
            connection.request("POST", f"/hooks/{step.door}", step.body, dict(step.headers))
            answer = connection.getresponse()
            answer.read()
            outcomes.append((step, answer.status))
            progress.advance(task)
    connection.close()
    return outcomes


def settle(wire: Wire, outcomes: list[tuple[Step, int]]) -> None:
    """Wait until everything that was captured can be found."""
    last = next(step for step, _ in reversed(outcomes) if b"MessageStatus" not in step.body)
    with OUT.status(f"sealed, archived, indexed: waiting for “{last.note}”"):
        until = time.monotonic() + _SETTLE_S_MAX
        while time.monotonic() < until:
            answer = wire.searcher().search('"I deleted that message"', operator("demo"), 1)
            if answer.hits:
                return
            time.sleep(0.3)
    raise Transient("the week did not become searchable in time: see the logs in the demo folder")


def _screens(wire: Wire, folder: Path, outcomes: list[tuple[Step, int]], start: int) -> None:
    _title(1, "Captured and refused")
    table = Table("what came in", "door", "answer", "as it must be")
    for step, code in outcomes:
        table.add_row(step.note, step.door, str(code),
                      good("yes") if code == step.expect else bad("NO"))
    OUT.print(table)
    OUT.print("In quarantine, its neighbours archived:")
    refused.quarantine_list(wire, json=False)
    OUT.print("Refused at the door, kept sealed:")
    refused.rejected_list(wire, json=False)

    _title(2, 'A phrase found:  counterfoil search \'"new account"\'')
    searching.search(wire, '"new account" OR 合同 OR "cousin\'s account"', json=False, limit=10,
                     cursor=None)

    _title(3, "The whole history of a retracted message:  counterfoil show ID")
    searching.show(wire, _retracted(wire), json=False, around=2)

    _title(4, "Handed in:  counterfoil import FILE")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        hand_in(wire, Path(place), start)
    searching.search(wire, "subsidence", json=False, limit=3, cursor=None)

    _title(5, "The segments and their locks:  counterfoil segments")
    check.segments(wire, json=False, limit=8)

    _title(6, "A verification:  counterfoil verify")
    check.verify(wire, json=False, head_file=None)

    _title(7, "For a court: the retracted conversation, exported, checked by a stranger")
    _export(wire, folder)


def _export(wire: Wire, folder: Path) -> None:
    """The package of a conversation with a retraction; its own verifier in an interpreter that has
    nothing of ours, told which keys log and package have. Raises Halt where it finds anything."""
    found = wire.searcher().search("state:retracted cousin", operator("demo"), 1).hits[0]
    out = folder / EXPORT
    export.export(wire, export.Typed(conversations=[found.conversation], matter="demo-1",
                                     title="The retracted conversation"),
                  export.How(out=out, agreed=True))
    command = [sys.executable, "-I", "-S", str(out / "verify.py"), "--log-key",
               wire.log_keys()[0].vkey(), "--package-key", signer_of(wire).key.vkey()]
    OUT.print(f"python3 -I -S {_as_typed(out / 'verify.py')} --log-key … --package-key …",
              highlight=False)
    done = subprocess.run(command, capture_output=True, check=False, cwd=folder.parent,
                          stdin=subprocess.DEVNULL)
    OUT.print(shown((done.stdout + done.stderr).decode("utf-8", "replace")), soft_wrap=True)
    if done.returncode:
        raise Halt("halted", "the package of the demo does not verify: see above")


def hand_in(wire: Wire, place: Path, start: int) -> None:
    """Anna's chat on Monday, the same chat again on Wednesday, and what was on Ben's telephone."""
    chat, backup = place / files.CHAT, place / files.BACKUP
    annas = imports.Wanted([chat], account=f"+{ANNA}", me="Anna Lindt", zone=files.ZONE)
    OUT.print(f"Anna's export of her chat with {files.PRIYA}, with a picture and a voice note:")
    chat.write_bytes(files.chat(start, again=False))
    imports.take_in(wire, annas, json=False)
    OUT.print("The same chat, exported again two days later. One message is gone from it:")
    chat.write_bytes(files.chat(start, again=True))
    imports.take_in(wire, annas, json=False)
    OUT.print("The backup of Ben's old telephone (SMS Backup & Restore):")
    backup.write_bytes(files.backup(start, BEN, MARIA))
    imports.take_in(wire, imports.Wanted([backup], account=f"+{BEN}"), json=False)
    OUT.print("What the second export no longer shows is here, with what became of it:")


def _retracted(wire: Wire) -> str:
    return wire.searcher().search("state:retracted cousin", operator("demo"), 1).hits[0].doc_id


def _next(wire: Wire, folder: Path, *, keep: bool, port: int) -> None:
    _title(8, "What to type next")
    lines = [
        f"export COUNTERFOIL_HOME={_as_typed(folder)}",
        ".venv/bin/counterfoil search 'from:maria deposit'",
        ".venv/bin/counterfoil search state:retracted --json",
        f".venv/bin/counterfoil show {_retracted(wire)}",
        ".venv/bin/counterfoil search kind:audit        # who looked: you, just now",
        f"open {_as_typed(folder / EXPORT)}/data/transcript/index.html   # what a judge reads",
        ".venv/bin/counterfoil export list              # who asked for it, what became of it",
        ".venv/bin/counterfoil status",
        ".venv/bin/counterfoil run                      # doors, archiver, indexer",
        ".venv/bin/counterfoil doctor                   # is this safe? in words",
        f".venv/bin/counterfoil {_home(folder)}console --demo           "
        "# the pages, in a browser: search, queue, audit",
    ]
    if keep:
        lines.append(f".venv/bin/counterfoil stop                     # it runs on port {port}")
    OUT.print(Panel("\n".join(lines), title="the demo folder stays; a second demo replaces it"))


def _home(folder: Path) -> str:
    """The option that finds the demo's folder again, where it is not here."""
    above = folder.parent
    return "" if above == Path.cwd() else f"--home {_as_typed(above)} "


def _as_typed(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _title(number: int, text: str) -> None:
    OUT.print()
    OUT.rule(strong(f"{number}  {text}"), align="left")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

