"""`console`: pages for supervisors on a data folder; with `--demo` on the demo's."""

from __future__ import annotations

from pathlib import Path

from infra.console import ConsoleProcess
from infra.verbs.screen import ERR, OUT, bad, trial_banner
from infra.wire import Wire
from schemas.errors import Refused
from search.access.cookies import is_loopback


def console(wire: Wire, host: str | None, port: int | None) -> int:
    """Until Ctrl-C."""
    process = ConsoleProcess(wire, host, port)
    trial_banner(wire.config.retention.trial)
    if not (wire.home / "access.toml").exists():
        ERR.print(bad("nobody has access yet: write access.toml (docs/CONSOLE.md), then "
                      "`counterfoil account add NAME`"), soft_wrap=True)
    return process.run(lambda: _say(f"console {process.url}"))


def demo(home: Path | None, host: str | None, port: int | None) -> int:
    """The same on the demo's folder, which is made if it is not there, with a link that signs in
    once. Only on this machine: whoever has the link is in."""
    if host is not None and not is_loopback(host):
        raise Refused("--demo listens on this machine only: leave --host out")
    from infra.demo.console import PERSON, demo_wire, running

    wire = demo_wire(home)
    with running(wire):
        process = ConsoleProcess(wire, host, 0 if port is None else port, PERSON)
        return process.run(lambda: _say(f"demo console: {process.link}\n"
                                        "The link signs you in once. Ctrl-C ends everything."))


def _say(words: str) -> None:
    OUT.print(words, soft_wrap=True)
    OUT.file.flush()
