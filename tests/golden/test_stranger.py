"""docs/FORMAT.md is enough to write a reader: one that imports nothing of ours reads the archive.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

from tests.golden import stranger
from tests.golden.generate import golden_object
from tests.golden.load import V1, load, manifest

SCHEMAS = Path(__file__).parents[2] / "schemas" / "released" / "v1"
LIBRARIES = {"cryptography", "fastavro", "zstandard"}


def _stranger() -> stranger.Stranger:
    stated, firm = manifest(), load(clean=False)
    return stranger.Stranger(
        {key: (V1 / "objects" / key).read_bytes() for key in stated["objects"]},
        {name: bytes.fromhex(record) for name, record in stated["keyring"].items()},
        bytes.fromhex(stated["keys"]["kek"]),
        {writer.hex(): public for writer, public in firm.sealing_public.items()},
        SCHEMAS)


def _read() -> list[dict[str, Any]]:
    return list(_stranger().read())


def test_the_stranger_imports_nothing_of_ours() -> None:
    """The standard library, and three libraries that anybody can have."""
    tree = ast.parse(Path(stranger.__file__).read_text("utf-8"))
    names = {alias.name.partition(".")[0] for node in ast.walk(tree)
             if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module).partition(".")[0] for node in ast.walk(tree)
              if isinstance(node, ast.ImportFrom)}
    assert names - LIBRARIES <= sys.stdlib_module_names


def test_the_stranger_gets_what_our_reader_gets() -> None:
    """Every address, datum, session, counter and kind, in order."""
    expected = json.loads((V1 / "expected.json").read_text("utf-8"))
    got = _read()
    assert len(expected) == len(got)
    for wanted, one in zip(expected, got, strict=True):
        pointer = wanted["pointer"]
        assert (pointer["partition"], pointer["offset"], pointer["index"]) == (
            one["partition"], one["offset"], one["index"])
        assert wanted["datum"] == one["datum"].hex()
        for name in ("domain", "generation", "capture_id", "session_id", "counter", "kinds"):
            assert wanted[name] == one[name], name


def test_the_stranger_opens_a_file() -> None:
    """The committed object; and one of two chunks, made today."""
    said = json.loads((V1 / "media" / "expected.json").read_text("utf-8"))
    assert said["file"].encode() == stranger.open_media(
        said["object"], (V1 / "media" / "golden.object").read_bytes(),
        bytes.fromhex(said["key"]), said["size"], bytes.fromhex(said["sha256"]))
    file = bytes(2**20) + b"hello"
    name, body, stored = golden_object(bytes(16), file)
    assert file == stranger.open_media(name, body, stored.key, stored.size, stored.sha256)


def test_the_stranger_opens_words() -> None:
    """The committed chunks of the vocabulary, under a key of the committed keyring."""
    for one in json.loads((V1 / "words" / "expected.json").read_text("utf-8")):
        domain = bytes.fromhex(one["domain"])
        assert one["words"] == stranger.open_words(
            (V1 / "words" / one["file"]).read_bytes(), bytes.fromhex(one["id"]), domain,
            one["generation"], one["level"],
            _stranger().domain_key(domain, one["generation"]))


def test_the_stranger_decodes_what_we_decode() -> None:
    """Texts, times and ids, by the released schemas alone."""
    expected = json.loads((V1 / "expected.json").read_text("utf-8"))
    for wanted, one in zip(expected, _read(), strict=True):
        if wanted["decoded"] is None:
            assert {"reason", "value"} == set(one["decoded"])
            continue
        for name in set(wanted["decoded"]) & {"kind", "text", "captured_at", "native_id", "number",
                                              "total", "custodian", "conversation"}:
            assert wanted["decoded"][name] == one["decoded"][name]
