"""A disposition that dies at any step, or whose step fails without a word, is finished by the next.

Each fault twice: before the step took effect, and after it with its answer lost. The oracle is
`verify`, both keyrings, every file of the folder, and a rebuilt index.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from archive import certificate
from infra.config import load
from infra.disposition import Disposer, verifiers
from infra.embedded.index import SqliteIndex, SqliteIndexSet
from infra.embedded.keys import FolderKeyring
from infra.embedded.words import SqliteWords
from infra.wire import Wire
from schemas.errors import Ambiguous, Missing, Transient
from search.follow import compare, rebuild
from search.tokens import stream_and_units
from tests.fakes.faults import Killed
from tests.runtime import test_disposition as quiet
from tests.runtime.test_replay import CAROL

STEPS: tuple[tuple[type, str], ...] = (
    (FolderKeyring, "create"), (FolderKeyring, "destroy"), (Disposer, "say"),
    (SqliteIndex, "put"), (SqliteIndex, "purge"), (SqliteWords, "drop"), (SqliteIndexSet, "drop"))


class Tripwire:
    """Counts steps that change something; the n-th goes wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at = 0
        self.is_applied = False
        self.raises: type[BaseException] = Killed
        for owner, name in STEPS:
            monkeypatch.setattr(owner, name, self._wrapped(getattr(owner, name)))

    def arm(self, at: int, *, is_applied: bool, raises: type[BaseException]) -> None:
        """The `at`-th step from now."""
        self.count, self.at, self.is_applied, self.raises = 0, at, is_applied, raises

    def _wrapped(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            self.count += 1
            if self.count != self.at:
                return step(*args, **options)
            if self.is_applied:
                with suppress(Missing):           # destroyed already: applied as well
                    step(*args, **options)
            raise self.raises(f"injected at {step.__qualname__}")
        return run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str, int]:
    """A folder with an approved list that may run: (folder, list, key, now)."""
    folder = tmp_path_factory.mktemp("disposition")
    clock = quiet.Clock(quiet.THEN)
    wire = opened(folder, clock)
    wire.provision_once()
    (wire.home / "directory.toml").write_text(CAROL, "utf-8")
    quiet.written(wire, clock)
    copy = FolderKeyring(folder / "copy")
    for one in wire.keyring.names():
        copy.create(one, wire.keyring.read(one))
    rebuild(wire.reader(), wire.indexes(), wire.projector())  # an older index lies about
    (name,) = quiet.names(wire, "2025-11")
    listing = quiet.disposer(wire, "ann").make_list([name])
    quiet.disposer(wire, "bob").approve(listing.list_id)
    return folder, listing.list_id, name, clock.now + quiet.DAY + 1


def opened(folder: Path, clock: Callable[[], int]) -> Wire:
    """The system in a folder, its keyring's copy beside it."""
    return Wire(load(folder / "home", disposition={"wait_days": 1},
                     keyring={"copies": [str(folder / "copy")]}), clock)


def faults() -> Iterator[tuple[bool, type[BaseException]]]:
    """Dead, or an answer that never came; each both ways."""
    for raises in (Killed, Ambiguous):
        for is_applied in (False, True):
            yield is_applied, raises


def finished(wire: Wire, list_id: str, name: str) -> None:
    """Everything that a disposition promises is so."""
    done = quiet.disposer(wire, "ann").run(list_id)
    assert {name} == done.erased
    for keyring in (wire.keyring, FolderKeyring(wire.home.parent / "copy")):
        with pytest.raises(Missing):
            keyring.read(name)
    assert [] == quiet.findings(wire)
    token = wire.tokenizer().tokens(*stream_and_units(quiet.WORD))[0][0]
    for path, body in quiet.files(wire):
        assert token.encode() not in body, path
    indexes = wire.indexes()
    live = indexes.current()
    assert live is not None
    rebuilt = rebuild(wire.reader(), indexes, wire.projector())
    assert [] == list(compare(indexes.open(live), indexes.open(rebuilt)))
    assert done.certificate is not None
    values = certificate.check(str(done.certificate.value("text")), verifiers(wire))
    assert [2] == [one["events"] for one in values["domains"]]


def steps_of(folder: Path, target: Path, wire: Tripwire, list_id: str, now: int) -> int:
    """How many steps an undisturbed run has."""
    shutil.copytree(folder, target)
    wire.arm(0, is_applied=False, raises=Killed)
    quiet.disposer(opened(target, lambda: now), "ann").run(list_id)
    return wire.count


@pytest.mark.slow
def test_any_step_may_be_the_last(prepared: tuple[Path, str, str, int], tmp_path: Path,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead before or after each step, or its answer lost: run again, it is whole."""
    folder, list_id, name, now = prepared
    trip = Tripwire(monkeypatch)
    steps = steps_of(folder, tmp_path / "whole", trip, list_id, now)
    assert steps > 10
    for number in range(1, steps + 1):
        for is_applied, raises in faults():
            target = tmp_path / f"{number}-{is_applied}-{raises.__name__}"
            shutil.copytree(folder, target)
            wire = opened(target, lambda: now)
            trip.arm(number, is_applied=is_applied, raises=raises)
            # How many segments a run closes, and so how often the index is put, depends on how
            # quick the machine is: the last steps may not come.
            with suppress(raises, Transient):
                quiet.disposer(wire, "ann").run(list_id)
                assert trip.count < number
            trip.arm(0, is_applied=False, raises=Killed)
            finished(opened(target, lambda: now), list_id, name)
            shutil.rmtree(target)
