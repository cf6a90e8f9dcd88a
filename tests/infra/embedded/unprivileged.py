"""Runs a function as somebody without privileges: root ignores file modes, so tests of them lie.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that anybody may reach and that `run` may write to."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-unprivileged-"))
    try:
        folder.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder)


def run(act: Callable[[], str]) -> str:
    """What `act` returns, or the name and text of what it raises, in a child that dropped root."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Other tests' clients have threads; this child calls nothing that takes their locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _in_child(act, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


def _in_child(act: Callable[[], str], writing: int) -> None:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        said = act()
    except Exception as error:  # noqa: BLE001 - the parent's assertion judges it
        said = f"{type(error).__name__}: {error}"
    os.write(writing, said.encode())
    os._exit(0)
