"""`python -m infra.stack up | status | down --folder F [--json]`.

Owns the words only; `counterfoil stack` calls the same functions.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from infra.stack import stack
from schemas.errors import CounterfoilError


def main(arguments: list[str]) -> int:
    """The exit code: 0, that of the error, or 1 from `status` while a server is not ready."""
    parser = argparse.ArgumentParser(prog="python -m infra.stack")
    parser.add_argument("verb", choices=("up", "status", "down"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--server", action="append", choices=stack.ALL, help="default: all three")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        return _VERBS[chosen.verb](chosen)
    except CounterfoilError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _up(chosen: argparse.Namespace) -> int:
    address = stack.up(
        chosen.folder,
        servers=chosen.server or stack.ALL,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    # The secret stays in its file: a terminal's history and a log are no place for it.
    shown = {name: value for name, value in asdict(address).items() if value}
    if shown.pop("s3_secret_key", None):
        shown["s3_credentials_file"] = str(stack.credentials_file(chosen.folder))
    if chosen.json:
        print(json.dumps(shown))
    else:
        for name, value in shown.items():
            print(f"{name:20} {value}")
    return 0


def _status(chosen: argparse.Namespace) -> int:
    servers = stack.status(chosen.folder)
    if chosen.json:
        print(json.dumps([asdict(server) for server in servers]))
    else:
        for server in servers:
            word = "ready" if server.ready else f"not ready: {server.detail}"
            print(f"{server.name:14} pid {server.pid:<8} {word}  {server.log}")
    return 0 if all(server.ready for server in servers) else 1


def _down(chosen: argparse.Namespace) -> int:
    stopped = stack.down(chosen.folder)
    print(json.dumps(stopped) if chosen.json else f"stopped: {', '.join(stopped) or 'nothing ran'}")
    return 0


_VERBS = {"up": _up, "status": _status, "down": _down}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
