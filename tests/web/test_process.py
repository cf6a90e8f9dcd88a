"""What the console's process adds: a link that works once, saved searches on disk, its names."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.config import load
from infra.console import OneTimeLink
from infra.saved import SAVED_MAX, SavedFile
from infra.verbs import console as verb
from infra.verbs.console import console, demo
from infra.wire import Wire
from schemas.errors import Refused
from tests.search.access.signin_world import BEN, Firm


def test_a_link_signs_in_once() -> None:
    """The right one, the first time; recorded as what it is."""
    firm = Firm()
    firm.has(BEN)
    link = OneTimeLink("the token", lambda: firm.sign_in, BEN.person_id)
    assert link.take("another") is None
    signed = link.take("the token")
    assert signed is not None and (BEN.person_id, "demo") == (signed.live.person, signed.live.how)
    assert link.take("the token") is None
    assert ["sign_in"] == firm.records.actions


def test_saved_searches_are_their_owners_file(tmp_path: Path) -> None:
    """0600, whole after each change, each person's own, bounded."""
    saved = SavedFile(tmp_path, lambda: 7)
    saved.put("ann", "b", "state:retracted")
    saved.put("ann", "A", "cousin's \"account\" 合同")
    saved.put("ben", "b", "other")
    (file,) = (tmp_path / "console").glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ["A", "b"] == [one.name for one in SavedFile(tmp_path, lambda: 8).of("ann")]
    saved.remove("ann", "b")
    saved.remove("ann", "never there")
    assert [("A", "cousin's \"account\" 合同", 7)] == [
        (one.name, one.query, one.saved_at) for one in saved.of("ann")]
    for number in range(SAVED_MAX - 1):
        saved.put("ann", f"n{number}", "x")
    with pytest.raises(Refused, match="remove one"):
        saved.put("ann", "one more", "x")


def test_the_demo_is_for_this_machine_only(tmp_path: Path) -> None:
    """Whoever has its link is in."""
    with pytest.raises(Refused, match="this machine only"):
        demo(tmp_path, "0.0.0.0", None)  # noqa: S104 - refused is what is tested


class Look:
    """Stands in for the screen: looks at the address when it is said, then ends the process."""

    file = sys.stderr

    def __init__(self) -> None:
        self.said: list[str] = []
        self.answered = False

    def print(self, words: str, **_how: bool) -> None:
        """The words of the console; the first are its address."""
        self.said.append(words)
        at = urlsplit(words.rsplit(maxsplit=1)[-1])
        try:
            with socket.create_connection((str(at.hostname), at.port or 0), timeout=5):
                self.answered = True
        finally:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def signals() -> Iterator[None]:
    """What a console does with them ends with the test. Until then the end ends nothing here."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.usefixtures("signals")
def test_its_address_is_said_once_it_listens(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it may ask there at once."""
    wire, look = Wire(load(tmp_path / "home")), Look()
    wire.provision_once()
    monkeypatch.setattr(verb, "OUT", look)
    monkeypatch.setattr("infra.console.settle_memory", lambda: None)
    assert 0 == console(wire, "127.0.0.1", 0)
    assert look.answered
    assert [f"console http://127.0.0.1:{urlsplit(look.said[0].split()[-1]).port}"] == look.said
