"""The ring of rejected requests: bounded, sealed, replayable once the secret is right (C2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.embedded.ring import SqliteRing
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from ingest.doors import DOORS, Knock, Passed, readmit
from ingest.rejected import decode, encode, replay
from schemas.errors import Missing, Refused, Transient
from schemas.events import CapturedEvent
from tests.ingest.doorway import (
    APP_SECRET,
    DIRECTORY,
    NOW,
    Clock,
    Keys,
    hub_headers,
    text_message,
    whatsapp_body,
)

KEYS = Keys(Clock())


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[SqliteRing]:
    """A ring of 1,000 bytes and 100 ms."""
    one = SqliteRing(tmp_path / "ring.db", bytes_max=1_000, age_ms_max=100)
    yield one
    one.close()


def whatsapp_knock(number: int, secret: bytes) -> Knock:
    """A delivery signed with `secret`."""
    body = whatsapp_body(text_message(number))
    return Knock("whatsapp", "POST", "https://x/hooks/whatsapp", "application/json",
                 tuple(hub_headers(body, secret).items()), body)


def test_the_oldest_go_when_it_is_full(ring: SqliteRing) -> None:
    """Bounded in bytes; the newest is always kept, even if it is larger than the ring."""
    for number in range(10):
        ring.put(number, "twilio", "signature wrong", 200, bytes(200))
    assert [one.at for one in ring.rows()] == [7, 8, 9]
    ring.put(10, "twilio", "signature wrong", 5_000, bytes(5_000))
    assert [(one.at, one.size) for one in ring.rows()] == [(10, 5_000)]


def test_the_old_go_by_age(ring: SqliteRing) -> None:
    """Bounded in time."""
    for at in (0, 50, 120):
        ring.put(at, "twilio", "signature missing", 1, b"x")
    assert [one.at for one in ring.rows()] == [50, 120]
    assert ring.count_since(100) == 1


def test_survives_a_restart(tmp_path: Path) -> None:
    """What is in the ring, and how much it is, is still known."""
    first = SqliteRing(tmp_path / "ring.db", bytes_max=600)
    first.put(1, "twilio", "signature wrong", 200, bytes(200))
    first.close()
    again = SqliteRing(tmp_path / "ring.db", bytes_max=600)
    row = next(again.rows())
    assert (row.at, row.door, row.reason, row.size) == (1, "twilio", "signature wrong", 200)
    assert again.blob(row.sequence) == bytes(200)
    again.put(2, "twilio", "signature wrong", 200, bytes(200))
    assert [one.at for one in again.rows()] == [2]
    with pytest.raises(Missing):
        again.blob(row.sequence)
    again.remove(row.sequence)
    again.close()


def test_a_file_that_is_no_ring_is_said(tmp_path: Path) -> None:
    """Damage is Transient at the start."""
    (tmp_path / "ring.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Transient):
        SqliteRing(tmp_path / "ring.db")


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(), st.text()), max_size=4), st.text())
def test_what_is_sealed_comes_back(body: bytes, headers: list[tuple[str, str]], url: str) -> None:
    """Any body, headers and URL, the unpaired surrogates of a raw query included."""
    knock = Knock("twilio", "POST", url, "text/plain", tuple(headers), body)
    assert decode(encode(knock)) == knock
    strange = Knock("twilio", "GET", "https://x/\udcff", "", (), b"\n")
    assert decode(encode(strange)) == strange


@pytest.mark.parametrize("plain", [b"", b"{}\nbody", b"[1]\n", b"\xff\n", b'{"door":"x"}'])
def test_what_does_not_parse_is_refused(plain: bytes) -> None:
    """A blob of another version is no request."""
    with pytest.raises(Refused):
        decode(plain)


def test_what_was_signed_with_a_new_secret_is_taken_in_once_it_is_known(tmp_path: Path) -> None:
    """C2: rotated at the provider before it was changed here: replay accepts what passes now,
    with the time at which it came; forged requests stay refused; what does not open stays."""
    ring = SqliteRing(tmp_path / "ring.db")
    for number, secret in enumerate([b"new-secret", b"forged", b"new-secret"]):
        knock = whatsapp_knock(number, secret)
        ring.put(NOW + number, "whatsapp", "signature wrong", len(knock.body),
                 KEYS.seal(encode(knock)))
    ring.put(NOW, "whatsapp", "signature wrong", 1, b"not sealed by us")
    deliverer = Deliverer(KEYS.router, DIRECTORY)
    parses = {name: one.parse for name, one in ADAPTERS.items()}
    taken: list[CapturedEvent] = []

    def accept(knock: Knock, came_at: int) -> bool:
        made = readmit(knock, came_at, {"whatsapp": [APP_SECRET, b"new-secret"]}, deliverer, parses)
        taken.extend(made or ())
        return made is not None

    done = replay(ring, KEYS.open_blob, accept)
    assert (done.accepted, done.still_refused, done.unopened) == (2, 1, 1)
    assert [(one.native_id, one.captured_at) for one in taken] == [
        ("wamid.0", NOW), ("wamid.2", NOW + 2)]
    assert all(one.observations[-1] == "replayed_from_rejected" for one in taken)
    assert taken[0].delivery is not None
    assert (taken[0].delivery.verdict, taken[0].delivery.secret_id) == ("hub-sha256", "2")
    assert len(list(ring.rows())) == 2
    ring.close()


def test_a_replay_that_cannot_be_made_durable_keeps_the_request(tmp_path: Path) -> None:
    """Only what is durable leaves the ring."""
    ring = SqliteRing(tmp_path / "ring.db")
    ring.put(NOW, "whatsapp", "signature wrong", 1,
             KEYS.seal(encode(whatsapp_knock(1, APP_SECRET))))

    def accept(_knock: Knock, _came_at: int) -> bool:
        raise Transient("down")

    with pytest.raises(Transient):
        replay(ring, KEYS.open_blob, accept)
    assert len(list(ring.rows())) == 1
    ring.close()


def test_a_knock_at_no_door_is_not_let_in() -> None:
    """A ring of a later version may know doors that this one does not."""
    deliverer = Deliverer(KEYS.router, DIRECTORY)
    knock = Knock("telegram", "POST", "https://x/", "", (), b"")
    assert readmit(knock, NOW, {}, deliverer, {}) is None


def test_doors_and_adapters_are_the_same_table() -> None:
    """Every door has a reader at the same path, and a check that no secret passes."""
    assert {name: one.path for name, one in DOORS.items()} == {
        name: one.path for name, one in ADAPTERS.items()}
    for name, door in DOORS.items():
        assert not isinstance(door.check([], Knock(name, "POST", "", "", (), b"")), Passed)
        assert not isinstance(door.check([b""], whatsapp_knock(1, b"")), Passed)
