"""The Java libraries of Kafka and Elasticsearch: pinned, fetched once, checked at every start.

Owns `jars.lock` (server, Maven coordinate, SHA-256) and the cache folder. Which jar goes on which
path is the servers' business. `python -m infra.stack.jars` resolves the lock file anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import Refused, Transient

LOCK_FILE = Path(__file__).with_name("jars.lock")
DOWNLOAD_THREADS = 8
DOWNLOAD_TIMEOUT_S = 60

# What is asked for; jars.lock holds what that resolved to, transitively.
WANTED = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.3.1", "org.slf4j:slf4j-simple:2.0.17"),
    "elasticsearch": (
        "org.elasticsearch:elasticsearch:9.5.3",
        "org.elasticsearch.plugin:transport-netty4:9.5.3",
    ),
}


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned library. `sha256` is lower-case hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """`group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """The file's name in the cache and on the class path."""
        return f"{self.artifact}-{self.version}.jar"

    def path(self, cache: Path) -> Path:
        """Where the file lies in a Maven-shaped cache."""
        folder = cache.joinpath(*self.group.split("."), self.artifact, self.version)
        return folder / self.file_name


def cache_folder() -> Path:
    """`$COUNTERFOIL_CACHE/jars`, or `~/.cache/counterfoil/jars`."""
    chosen = os.environ.get("COUNTERFOIL_CACHE")
    root = Path(chosen) if chosen else Path.home() / ".cache" / "counterfoil"
    return root.absolute() / "jars"


def locked(server: str) -> list[Jar]:
    """The jars of one server in the order of the lock file. A malformed line is Refused."""
    found = []
    for number, line in enumerate(LOCK_FILE.read_text("utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        coordinate = words[1].split(":") if len(words) == 3 else []
        if len(coordinate) != 3 or len(words[2]) != 64:
            raise Refused(f"jars.lock line {number}: expected 'server group:artifact:version hash'")
        if words[0] == server:
            group, artifact, version = coordinate
            found.append(Jar(group, artifact, version, sha256=words[2]))
    return found


def verified(
    server: str, cache: Path | None = None, fetch: Callable[[Jar, Path], None] | None = None
) -> list[Path]:
    """The paths of a server's jars, each present and of exactly the pinned content.

    Missing ones are fetched. A file with another hash is thrown away and fetched once more (a
    download that was cut short heals itself); if it still differs: Refused, and nothing starts.
    """
    cache = cache or cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    # Two starts at a time must not write one file: the second waits, then finds it there.
    with (cache / ".lock").open("w") as guard, ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
        fcntl.flock(guard, fcntl.LOCK_EX)
        return list(threads.map(lambda jar: _verified(jar, cache, fetch or _fetch), locked(server)))


def _verified(jar: Jar, cache: Path, fetch: Callable[[Jar, Path], None]) -> Path:
    path = jar.path(cache)
    for _attempt in range(2):
        if path.exists():
            if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
                return path
            path.unlink()
        fetch(jar, cache)
    if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
        return path
    path.unlink()
    raise Refused(f"{jar.coordinate}: the file fetched does not have the hash in jars.lock")


def _fetch(jar: Jar, cache: Path) -> None:
    # Imported here: a start that finds every jar in the cache needs neither jgo nor a network.
    import requests
    from jgo.maven import MavenContext

    maven = MavenContext(repo_cache=cache, timeout=DOWNLOAD_TIMEOUT_S)
    project = maven.project(jar.group, jar.artifact)
    try:
        project.at_version(jar.version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise Transient(f"{jar.coordinate} could not be fetched: {error}") from error


def resolve(servers: Iterable[str] = tuple(WANTED)) -> str:
    """The text of a new jars.lock: resolves `WANTED` transitively and hashes what it got."""
    from jgo.maven import MavenContext
    from jgo.parse import Coordinate

    maven = MavenContext(repo_cache=cache_folder(), timeout=DOWNLOAD_TIMEOUT_S)
    lines = [
        "# The Java libraries of the real servers: server, Maven coordinate, SHA-256 of the jar.",
        "# Made by `make lock-jars` from WANTED in jars.py; every start checks every hash.",
    ]
    for server in servers:
        wanted = [
            Coordinate(group, artifact, version, scope="compile")
            for group, artifact, version in (text.split(":") for text in WANTED[server])
        ]
        inputs, transitive = maven.resolver.resolve([maven.create_dependency(c) for c in wanted])
        rows = []
        for dependency in [*inputs, *transitive]:
            if dependency.classifier or dependency.type != "jar":
                raise Refused(f"{dependency}: the lock file knows plain jars only")
            content = dependency.artifact.resolve().read_bytes()
            name = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            rows.append(f"{server} {name} {hashlib.sha256(content).hexdigest()}")
        lines += sorted(rows)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LOCK_FILE.write_text(resolve(), "utf-8")
    sys.stdout.write(f"{LOCK_FILE.name}: {sum(len(locked(server)) for server in WANTED)} jars\n")
