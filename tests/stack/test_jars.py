"""The pinned Java libraries: complete, fetched when missing, and never used with other content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.stack import jars
from infra.stack.jars import Jar
from schemas.errors import Refused

CONTENT = {"a": b"jar a", "b": b"jar b"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache beside a lock file of two jars of a server called "toy"."""
    lines = [
        f"toy org.example:{name}:1.0 {hashlib.sha256(content).hexdigest()}"
        for name, content in CONTENT.items()
    ]
    lock = tmp_path / "jars.lock"
    lock.write_text("# a comment\n\n" + "\n".join(lines) + "\n", "utf-8")
    monkeypatch.setattr(jars, "LOCK_FILE", lock)
    return tmp_path / "cache"


def registry(content: dict[str, bytes], asked: list[str]) -> Callable[[Jar, Path], None]:
    """A registry that serves `content` and notes what it was asked for."""

    def fetch(jar: Jar, cache: Path) -> None:
        asked.append(jar.artifact)
        jar.path(cache).parent.mkdir(parents=True, exist_ok=True)
        jar.path(cache).write_bytes(content[jar.artifact])

    return fetch


def test_jars_are_fetched_once(cache: Path) -> None:
    """Missing jars are fetched, in the order of the lock file; the second start asks nobody."""
    asked: list[str] = []
    paths = jars.verified("toy", cache, registry(CONTENT, asked))
    assert [b"jar a", b"jar b"] == [path.read_bytes() for path in paths]
    assert ["a", "b"] == sorted(asked)
    assert paths == jars.verified("toy", cache, registry({}, asked))
    assert 2 == len(asked)


def test_a_jar_cut_short_heals(cache: Path) -> None:
    """A download that a crash cut short has another hash, and is fetched anew."""
    paths = jars.verified("toy", cache, registry(CONTENT, []))
    paths[0].write_bytes(b"jar")
    asked: list[str] = []
    assert paths == jars.verified("toy", cache, registry(CONTENT, asked))
    assert ["a"] == asked
    assert b"jar a" == paths[0].read_bytes()


def test_a_changed_jar_starts_nothing(cache: Path) -> None:
    """A registry that serves other bytes under the same name is refused, and they are not kept."""
    with pytest.raises(Refused, match=r"org\.example:b:1\.0"):
        jars.verified("toy", cache, registry({**CONTENT, "b": b"evil"}, []))
    assert [] == [path for path in cache.rglob("*.jar") if path.read_bytes() == b"evil"]


@pytest.mark.parametrize("line", ["toy org.example:a 00", "toy org.example:a:1 00", "toy"])
def test_a_malformed_lock_is_named_by_line(cache: Path, line: str) -> None:
    """A broken line of the lock file is refused with its number."""
    jars.LOCK_FILE.write_text(f"# first\n{line}\n", "utf-8")
    with pytest.raises(Refused, match=r"jars\.lock line 2"):
        jars.verified("toy", cache, registry({}, []))


def test_the_committed_lock_holds_what_is_wanted() -> None:
    """jars.lock has a row for each jar that we ask for, in exactly that version."""
    for server, wanted in jars.WANTED.items():
        assert set(wanted) <= {jar.coordinate for jar in jars.locked(server)}
