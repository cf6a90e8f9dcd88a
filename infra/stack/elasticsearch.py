"""Elasticsearch 9.5.3, the core alone: its home folder, and readiness.

Owns what lies in the home folder; `elasticsearch_node.py` is the program that runs in it. The
core has no security, ILM or `_update_by_query`: what we use must work without them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from infra.stack import jars
from infra.stack.server import LOOPBACK, NotReady, Place, Server, fresh_folder

VERSION = "9.5.3"
HEAP_MB = 1024
NODE_PROGRAM = Path(__file__).with_name("elasticsearch_node.py")

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""

# The HTTP server is a module of the distribution; Maven has its jar without this description.
_TRANSPORT = f"""\
description=Netty 4 based transport implementation
version={VERSION}
name=transport-netty4
classname=org.elasticsearch.transport.netty4.Netty4Plugin
java.version=21
elasticsearch.version={VERSION}
has.native.controller=false
"""


def url(place: Place) -> str:
    """The URL for a client."""
    return f"http://{LOOPBACK}:{place.ports['elasticsearch']}"


def _prepare(place: Place) -> list[str]:
    home = place.folder
    for name in ("config", "modules", "plugins", "tmp"):
        fresh_folder(home / name)
    for name in ("data", "logs"):
        (home / name).mkdir(exist_ok=True, mode=0o700)
    (home / "config" / "log4j2.properties").write_text(_LOGGING, "utf-8")
    module = fresh_folder(home / "modules" / "transport-netty4")
    (module / "plugin-descriptor.properties").write_text(_TRANSPORT, "utf-8")
    class_path = []
    for jar in jars.verified("elasticsearch"):
        if jar.name.startswith(("netty-", "transport-netty4-")):
            (module / jar.name).symlink_to(jar)
        else:
            class_path.append(str(jar))
    settings = {
        "cluster.name": "counterfoil",
        "node.name": "counterfoil-1",
        "path.home": str(home),
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "network.host": LOOPBACK,
        "http.port": str(place.ports["elasticsearch"]),
        "transport.port": str(place.ports["elasticsearch_transport"]),
        "discovery.type": "single-node",
        # An index is made on purpose, with its strict mapping, or not at all.
        "action.auto_create_index": "false",
        # A full laptop is not a reason to turn an index read-only.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    start = {"class_path": class_path, "settings": settings, "heap_mb": HEAP_MB}
    (home / "start.json").write_text(json.dumps(start, indent=2), "utf-8")
    return [sys.executable, "-I", str(NODE_PROGRAM), str(home)]


def _probe(place: Place) -> None:
    # `GET /` answers 405 in the bare core, so health is the question that a client would ask.
    client = Elasticsearch(url(place), request_timeout=5, max_retries=0)
    try:
        status = client.cluster.health()["status"]
    except (TransportError, ApiError) as error:
        raise NotReady(f"no cluster health yet: {error}") from error
    finally:
        client.close()
    if status == "red":
        raise NotReady("the cluster's health is red")


SERVER = Server("elasticsearch", ("elasticsearch", "elasticsearch_transport"), _prepare, _probe)
