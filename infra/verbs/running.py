"""`run`, `gateway`, `archive`, `index`, `notary`, `stop`: the processes."""

from __future__ import annotations

import http.client

from infra import serve
from infra.doorsettings import door_settings
from infra.process import run_told
from infra.state import RoleState, StateFolder
from infra.verbs.screen import ERR, trial_banner
from infra.wire import Wire


def run(wire: Wire, port: int | None, host: str | None) -> int:
    """Everything, supervised."""
    host = host or wire.config.gateway.host
    port = wire.config.gateway.port if port is None else port
    trial_banner(wire.config.retention.trial)
    ERR.print(f"data folder {wire.home}")
    doors = door_settings(wire.config)
    for door in ("whatsapp", "twilio"):
        lacks = doors.lacks(door)
        if lacks:
            ERR.print(f"door /hooks/{door} is closed: {lacks}")
        else:
            ERR.print(f"door http://{host}:{port}/hooks/{door}")
    for words in doors.short:
        ERR.print(f"warning: {words}")

    def ready(gateway: RoleState) -> bool:
        connection = http.client.HTTPConnection(host, gateway.facts.get("port", port), timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    asked = ("--port", str(port), "--host", host)
    supervisor = serve.Supervisor(wire.home, {"gateway": asked}, ERR.print)
    return supervisor.run(ready)


def gateway(wire: Wire, port: int | None, host: str | None) -> int:
    """The doors."""
    from infra.gateway import GatewayProcess

    return run_told("gateway", StateFolder(wire.home), lambda: GatewayProcess(
        wire, host or wire.config.gateway.host,
        wire.config.gateway.port if port is None else port).run())


def archive(wire: Wire) -> int:
    """The archiver."""
    from infra.archiver import ArchiverProcess

    return run_told("archiver", StateFolder(wire.home), lambda: ArchiverProcess(wire).run())


def index(wire: Wire) -> int:
    """The indexer."""
    from infra.indexer import IndexerProcess

    return run_told("indexer", StateFolder(wire.home), lambda: IndexerProcess(wire).run())


def notary(wire: Wire, *, once: bool = False) -> int:
    """The notary; `once`: one turn, for a timer."""
    from infra.notary import NotaryProcess

    if once:
        return NotaryProcess(wire).once()
    return run_told("notary", StateFolder(wire.home), lambda: NotaryProcess(wire).run())


def stop(wire: Wire) -> int:
    """The end of `run`, in order."""
    if serve.stop_folder(wire.home):
        ERR.print("stopped")
    else:
        ERR.print("nothing runs on this data folder")
    return 0
