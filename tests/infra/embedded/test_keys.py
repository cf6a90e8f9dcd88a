"""The key file and the keyring folder: who may read them, and what is left after destruction."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.embedded.keys import FolderKeyring, LocalKeyService, create_kek
from schemas.errors import Exists, Halt, Missing, Refused
from tests.contracts.worlds import counted
from tests.infra.embedded import unprivileged

NAME = "0123456789abcdef" * 2 + "/1"


def test_a_key_file_is_made_once_for_its_owner(tmp_path: Path) -> None:
    """0600, 32 bytes, never overwritten: a lost KEK is a lost archive."""
    path = tmp_path / "keys/kek"
    create_kek(path, counted())
    assert 0o600 == path.stat().st_mode & 0o777
    before = path.read_bytes()
    assert 32 == len(before)
    with pytest.raises(Exists):
        create_kek(path, counted(1))
    assert before == path.read_bytes()
    assert [] == list((tmp_path / "keys/tmp").iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_file_that_others_can_read_is_halt(tmp_path: Path, mode: int) -> None:
    """A KEK that others could copy is not used as if it were secret."""
    path = tmp_path / "kek"
    create_kek(path, counted())
    path.chmod(mode)
    with pytest.raises(Halt) as halted:
        LocalKeyService(path, counted())
    assert "key_service" == halted.value.finding
    assert "chmod 600" in halted.value.detail


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * 64])
def test_a_key_file_of_another_size_is_halt(tmp_path: Path, content: bytes) -> None:
    """A truncated key is not padded."""
    path = tmp_path / "kek"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Halt):
        LocalKeyService(path, counted())


def test_a_missing_or_linked_key_file_is_not_used(tmp_path: Path) -> None:
    """No file is Missing; a link to one is Halt."""
    with pytest.raises(Missing):
        LocalKeyService(tmp_path / "kek", counted())
    create_kek(tmp_path / "kek", counted())
    (tmp_path / "link").symlink_to(tmp_path / "kek")
    with pytest.raises(Halt):
        LocalKeyService(tmp_path / "link", counted())


def test_a_key_file_of_somebody_else_is_halt() -> None:
    """A process without the right to the file says so and stops."""
    with unprivileged.open_folder() as root:
        create_kek(root / "kek", counted())
        (root / "kek").chmod(0)

        def act() -> str:
            LocalKeyService(root / "kek", counted())
            return "read"

        assert unprivileged.run(act).startswith("Halt: key_service")


def test_a_wrap_names_its_format(tmp_path: Path) -> None:
    """The first byte is the format; another one is refused, not guessed at."""
    create_kek(tmp_path / "kek", counted())
    service = LocalKeyService(tmp_path / "kek", counted())
    wrapped = service.wrap(bytes(32), b"context")
    assert (1, 1 + 12 + 32 + 16) == (wrapped[0], len(wrapped))
    with pytest.raises(Refused):
        service.unwrap(b"\x02" + wrapped[1:], b"context")


def test_records_are_for_their_owner_only(tmp_path: Path) -> None:
    """Files 0600 in folders 0700."""
    FolderKeyring(tmp_path / "keyring").create(NAME, b"record")
    path = tmp_path / "keyring/records" / NAME
    assert 0o600 == path.stat().st_mode & 0o777
    assert 0o700 == path.parent.stat().st_mode & 0o777


def test_destruction_overwrites_the_bytes(tmp_path: Path) -> None:
    """A second name of the file, as a careless copy would be, shows that the bytes are gone."""
    keyring = FolderKeyring(tmp_path / "keyring")
    keyring.create(NAME, b"record")
    kept = tmp_path / "kept"
    kept.hardlink_to(tmp_path / "keyring/records" / NAME)
    keyring.destroy(NAME)
    assert bytes(6) == kept.read_bytes()


@pytest.mark.parametrize("name", ["", "../1", "a//1", "/a/1", "a/\x00"])
def test_a_name_cannot_leave_the_keyring(tmp_path: Path, name: str) -> None:
    """As with objects."""
    keyring = FolderKeyring(tmp_path / "keyring")
    for act in (lambda: keyring.create(name, b"1"), lambda: keyring.read(name),
                lambda: keyring.destroy(name)):
        with pytest.raises(Refused):
            act()
