"""`counterfoil stack up | status | down`: the three real servers in one folder, supervised.

Owns the folder's `stack.json` (ports, process ids with their start times), readiness and clean
ends. What each server is lies in its own file; how a process is held in `processes.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from infra.stack import elasticsearch, kafka, processes, seaweedfs
from infra.stack.processes import Process
from infra.stack.server import LOOPBACK, NotReady, Place, Server
from schemas.errors import Missing, Refused, Transient

# In order of starting: the slowest first, so that it warms up while the others are prepared.
SERVERS: Final[Mapping[str, Server]] = {
    server.name: server for server in (elasticsearch.SERVER, seaweedfs.SERVER, kafka.SERVER)
}
ALL: Final = ("kafka", "s3", "elasticsearch")

READY_S_MAX = 180
PROBE_EVERY_S = 0.1
PORT_S_MAX = 10
LOG_TAIL_LINES = 40
# Below the range from which the kernel takes ports for outgoing connections: a port that is free
# now cannot be lost to a client before the server binds it.
PORTS: Final = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class StackAddress:
    """Where to reach the servers; "" for one that is not part of this stack."""

    kafka_bootstrap: str = ""
    s3_endpoint: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = field(default="", repr=False)
    s3_region: str = seaweedfs.REGION
    elasticsearch_url: str = ""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One line of `stack status`: `pid` is 0 when it does not run; `detail` says why not ready."""

    name: str
    pid: int
    ready: bool
    detail: str
    log: str


@dataclass(slots=True)
class _State:
    """What `stack.json` holds."""

    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)


def up(
    folder: Path,
    *,
    servers: Sequence[str] = ALL,
    ports: Mapping[str, int] | None = None,
    tied_to: Process | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> StackAddress:
    """Start what does not run yet and return when every one of `servers` does real work.

    Idempotent, and safe to call from several processes at once. Data, ports and credentials of an
    earlier start in `folder` are used again. `ports` may name "kafka", "s3", "elasticsearch" (and
    any inner port); the rest are free ones. With `tied_to` the servers started here end when that
    process ends, kill -9 included; without, they stay until `down`.

    Raises Refused (an unknown name, a taken port, a jar of another content) or Transient (a
    server did not come up: the message holds the end of its log; what was started is stopped).
    """
    _check(folder, servers)
    folder = folder.absolute()
    with _guarded(folder, create=True):
        state = _load(folder)
        started: list[Process] = []
        try:
            for name in _in_order(servers):
                if name not in state.running or not state.running[name].alive():
                    _choose_ports(state, SERVERS[name], ports or {})
                    progress(f"starting {name}")
                    started.append(_start(folder, state, SERVERS[name], tied_to))
            for name in _in_order(servers):
                _await_ready(folder, state, SERVERS[name])
                progress(f"{name} is ready")
        except BaseException:
            # Nothing half-started stays behind, on Ctrl-C neither.
            processes.stop(dict.fromkeys(started, 0.0))
            _forget_dead(folder, state)
            raise
        return _address(folder, state)


def down(folder: Path, *, grace_s: float | None = None) -> list[str]:
    """Stop whatever runs in `folder` and keep its data; returns the names. Idempotent.

    Each server may end politely for its own time (or for `grace_s` seconds), then it is killed. A
    process that has taken over the id of a dead server is left alone.
    """
    folder = folder.absolute()
    if not _state_file(folder).exists():
        return []
    with _guarded(folder):
        state = _load(folder)
        names = [name for name, process in state.running.items() if process.alive()]
        processes.stop({
            state.running[name]: SERVERS[name].grace_s if grace_s is None else grace_s
            for name in names
        })
        _forget_dead(folder, state)
        return names


def status(folder: Path) -> list[ServerStatus]:
    """Every server that was ever started in `folder`, asked just now. Raises Missing if none."""
    folder = folder.absolute()
    if not _state_file(folder).exists():
        raise Missing(f"no stack was started in {folder}")
    state = _load(folder)
    return [
        _status(folder, state, server)
        for server in SERVERS.values()
        if server.port_names[0] in state.ports
    ]


def address(folder: Path) -> StackAddress:
    """The addresses of a stack that was started in `folder`. Raises Missing if none was."""
    folder = folder.absolute()
    if not _state_file(folder).exists():
        raise Missing(f"no stack was started in {folder}")
    return _address(folder, _load(folder))


def credentials_file(folder: Path) -> Path:
    """Where the S3 credentials of a stack lie (0600)."""
    return seaweedfs.identities_file(folder.absolute() / seaweedfs.SERVER.name)


def _check(folder: Path, servers: Sequence[str]) -> None:
    unknown = sorted(set(servers) - set(SERVERS))
    if unknown:
        raise Refused(f"no such server: {', '.join(unknown)}; there are {', '.join(ALL)}")
    # These separate values in the servers' own options: "a,b" would become two data folders.
    if any(character in str(folder.absolute()) for character in ",:;\\\n"):
        raise Refused(f"{folder}: a stack's folder may not have , : ; \\ in its path")


def _in_order(servers: Sequence[str]) -> list[str]:
    return [name for name in SERVERS if name in servers]


@contextlib.contextmanager
def _guarded(folder: Path, *, create: bool = False) -> Iterator[None]:
    """One `up` or `down` at a time; the kernel drops the lock with the process."""
    if create:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "stack.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _choose_ports(state: _State, server: Server, asked: Mapping[str, int]) -> None:
    for name in server.port_names:
        port = asked.get(name) or state.ports.get(name)
        if port is None:
            state.ports[name] = _free_port(taken=set(state.ports.values()))
        elif _is_free(port) or (port == state.ports.get(name) and _becomes_free(port)):
            state.ports[name] = port
        else:
            raise Refused(f"port {port} for {name} is taken by another program")


def _free_port(taken: set[int]) -> int:
    first = random.randrange(len(PORTS))  # noqa: S311 (a starting point, not a secret)
    for step in range(len(PORTS)):
        port = PORTS[(first + step) % len(PORTS)]
        if port not in taken and _is_free(port):
            return port
    raise Transient(f"no free port between {PORTS[0]} and {PORTS[-1]}")


def _becomes_free(port: int) -> bool:
    # Ours a moment ago: a server whose keeper was killed is still on its way out.
    deadline = time.monotonic() + PORT_S_MAX
    while not _is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(PROBE_EVERY_S)
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a connection that only waits out its end does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _start(folder: Path, state: _State, server: Server, tied_to: Process | None) -> Process:
    place = _place(folder, state, server)
    place.folder.mkdir(exist_ok=True, mode=0o700)
    command = server.prepare(place)
    process = processes.start(command, _log(folder, server), tied_to)
    # A crash exactly here leaves a server that stack.json does not know. It holds its port, so
    # the next `up` says "taken" instead of starting a second one on the same data.
    state.running[server.name] = process
    _save(folder, state)
    return process


def _await_ready(folder: Path, state: _State, server: Server) -> None:
    process = state.running[server.name]
    deadline = time.monotonic() + READY_S_MAX
    why = ""
    while process.alive() and time.monotonic() < deadline:
        try:
            return server.probe(_place(folder, state, server))
        except NotReady as not_ready:
            why = str(not_ready)
            time.sleep(PROBE_EVERY_S)
    ended = f"not ready after {READY_S_MAX} s" if process.alive() else "ended by itself"
    log = _log(folder, server)
    lines = log.read_text("utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    tail = "\n".join(f"    {line}" for line in lines)
    raise Transient(f"{server.name} {ended} ({why}); the end of {log}:\n{tail}")


def _status(folder: Path, state: _State, server: Server) -> ServerStatus:
    log = str(_log(folder, server))
    process = state.running.get(server.name)
    if process is None or not process.alive():
        return ServerStatus(server.name, 0, ready=False, detail="not running", log=log)
    try:
        server.probe(_place(folder, state, server))
    except NotReady as not_ready:
        return ServerStatus(server.name, process.pid, ready=False, detail=str(not_ready), log=log)
    return ServerStatus(server.name, process.pid, ready=True, detail="", log=log)


def _address(folder: Path, state: _State) -> StackAddress:
    known = {name: _place(folder, state, SERVERS[name]) for name in state.running}
    s3 = known.get("s3")
    credentials = seaweedfs.credentials(s3) if s3 else seaweedfs.Credentials("", "")
    return StackAddress(
        kafka_bootstrap=kafka.bootstrap(known["kafka"]) if "kafka" in known else "",
        s3_endpoint=seaweedfs.endpoint(s3) if s3 else "",
        s3_access_key=credentials.access_key,
        s3_secret_key=credentials.secret_key,
        elasticsearch_url=(
            elasticsearch.url(known["elasticsearch"]) if "elasticsearch" in known else ""
        ),
    )


def _place(folder: Path, state: _State, server: Server) -> Place:
    return Place(folder / server.name, {name: state.ports[name] for name in server.port_names})


def _log(folder: Path, server: Server) -> Path:
    return folder / f"{server.name}.log"


def _state_file(folder: Path) -> Path:
    return folder / "stack.json"


def _load(folder: Path) -> _State:
    try:
        stored = json.loads(_state_file(folder).read_text("utf-8"))
    except FileNotFoundError:
        return _State()
    running = {name: Process(**process) for name, process in stored["running"].items()}
    return _State(ports=stored["ports"], running=running)


def _save(folder: Path, state: _State) -> None:
    draft = _state_file(folder).with_suffix(".new")
    draft.write_text(json.dumps(asdict(state), indent=2), "utf-8")
    # Whole or not at all: a reader without the guard (`status`) never sees half a file.
    draft.replace(_state_file(folder))
    for name in SERVERS:
        pid_file = folder / f"{name}.pid"
        if name in state.running:
            pid_file.write_text(f"{state.running[name].pid}\n", "ascii")
        else:
            pid_file.unlink(missing_ok=True)


def _forget_dead(folder: Path, state: _State) -> None:
    dead = [name for name, process in state.running.items() if not process.alive()]
    for name in dead:
        for path in SERVERS[name].litter(_place(folder, state, SERVERS[name])):
            path.unlink(missing_ok=True)
        del state.running[name]
    _save(folder, state)
