"""What the console's process adds: a link that works once, saved searches on disk, its names."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.console import OneTimeLink
from infra.saved import SAVED_MAX, SavedFile
from infra.verbs.console import demo
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
