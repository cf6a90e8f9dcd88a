"""The contracts of the ports KeyService and Keyring, on fakes, files, S3 and KMS (moto)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from archive.keyring import Keyring, KeyService
from infra import s3, s3keyring
from infra.embedded.keys import FolderKeyring, LocalKeyService, create_kek
from infra.kms import KmsKeyService, KmsSettings
from schemas.errors import Exists, Halt, Missing, Refused, Transient
from tests.conftest import S3Server
from tests.contracts.worlds import counted
from tests.fakes.keys import FakeKeyring, FakeKeyService

pytestmark = pytest.mark.slow

DOMAIN, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
_names = itertools.count()


class KeyServiceContract:
    """What every driver promises; a subclass brings `service` and `stranger`, another KEK."""

    @pytest.mark.parametrize("plain", [b"\x00", bytes(32), b"x" * 4096])
    def test_what_was_wrapped_comes_back(self, service: KeyService, plain: bytes) -> None:
        """unwrap is the inverse of wrap under the same context."""
        assert plain == service.unwrap(service.wrap(plain, b"domain 1"), b"domain 1")

    def test_a_wrap_does_not_show_its_key(self, service: KeyService) -> None:
        """Neither the key nor a repeated key can be seen in the wraps."""
        key = bytes(range(32))
        first, second = (service.wrap(key, b"context") for _ in range(2))
        assert key not in first
        assert first != second

    def test_the_context_is_bound(self, service: KeyService) -> None:
        """A wrap moved to another domain or generation does not open."""
        wrapped = service.wrap(bytes(32), b"domain 1, generation 1")
        for context in (b"domain 1, generation 2", b"domain 1, generation 1\x00", b"x"):
            with pytest.raises(Refused):
                service.unwrap(wrapped, context)

    def test_a_changed_wrap_is_refused(self, service: KeyService) -> None:
        """Every byte counts: flipped, cut, lengthened, empty."""
        wrapped = service.wrap(bytes(32), b"context")
        flipped = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1:]
                   for at in (len(wrapped) // 2, len(wrapped) - 1)]
        for bad in (*flipped, wrapped[:-1], wrapped + b"\x00", wrapped[:5], b"\x00"):
            with pytest.raises(Refused):
                service.unwrap(bad, b"context")

    def test_another_key_does_not_open_it(self, service: KeyService, stranger: KeyService) -> None:
        """A wrap belongs to its KEK, whose name differs."""
        assert service.key_id != stranger.key_id
        with pytest.raises(Refused):
            stranger.unwrap(service.wrap(bytes(32), b"context"), b"context")

    def test_what_is_too_large_is_refused(self, service: KeyService) -> None:
        """4 KiB is the limit of every service."""
        for plain in (b"", bytes(4097)):
            with pytest.raises(Refused):
                service.wrap(plain, b"context")

    def test_the_name_of_the_key_is_printable(self, service: KeyService) -> None:
        """key_id is stable and can be shown."""
        assert service.key_id == service.key_id
        assert service.key_id.isprintable()
        assert service.key_id


class TestFakeKeyService(KeyServiceContract):
    """In memory."""

    @pytest.fixture
    def service(self) -> KeyService:
        """One KEK."""
        return FakeKeyService("fake:1")

    @pytest.fixture
    def stranger(self) -> KeyService:
        """Another KEK."""
        return FakeKeyService("fake:2")


class TestLocalKeyService(KeyServiceContract):
    """A key file."""

    @pytest.fixture
    def service(self, tmp_path: Path) -> KeyService:
        """A new file."""
        create_kek(tmp_path / "kek", counted(1))
        return LocalKeyService(tmp_path / "kek", counted())

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> KeyService:
        """Another file."""
        create_kek(tmp_path / "other", counted(2))
        return LocalKeyService(tmp_path / "other", counted())


@pytest.fixture
def kms_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A KMS of this test's own, with one key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        made = boto3.client("kms", region_name="us-east-1").create_key()
        yield made["KeyMetadata"]["KeyId"]


class TestKmsKeyService(KeyServiceContract):
    """AWS KMS, shown against moto."""

    @pytest.fixture
    def service(self, kms_key: str) -> KeyService:
        """One KMS key."""
        return KmsKeyService(KmsSettings(key_id=kms_key))

    @pytest.fixture
    def stranger(self, service: KeyService) -> KeyService:
        """Another key of the same account."""
        made = boto3.client("kms", region_name="us-east-1").create_key()
        return KmsKeyService(KmsSettings(key_id=made["KeyMetadata"]["KeyId"]))

    def test_another_key_does_not_open_it(self, service: KeyService, stranger: KeyService) -> None:
        """As elsewhere, but moto answers AccessDenied where AWS says IncorrectKey."""
        assert service.key_id != stranger.key_id
        with pytest.raises((Refused, Transient)):
            stranger.unwrap(service.wrap(bytes(32), b"context"), b"context")

    @pytest.mark.parametrize(("code", "raised"), [
        ("IncorrectKeyException", Refused), ("InvalidCiphertextException", Refused),
        ("DisabledException", Halt), ("NotFoundException", Halt),
        ("KMSInvalidStateException", Halt), ("ThrottlingException", Transient),
        ("KMSInternalException", Transient), ("AccessDeniedException", Transient)])
    def test_each_answer_says_what_to_do(
            self, kms_key: str, code: str, raised: type[Exception]) -> None:
        """Wrong wraps are refused, a KEK that is gone stops the process, the rest waits."""
        service = KmsKeyService(KmsSettings(key_id=kms_key))
        with Stubber(service._client) as answers:
            answers.add_client_error("decrypt", service_error_code=code)
            with pytest.raises(raised):
                service.unwrap(b"wrapped", b"context")

    def test_no_answer_is_transient(self) -> None:
        """A KMS that cannot be reached decides nothing."""
        service = KmsKeyService(KmsSettings(key_id="x", endpoint="http://127.0.0.1:1",
                                            access_key="a", secret_key="b"))
        with pytest.raises(Transient):
            service.wrap(bytes(32), b"context")


class KeyringContract:
    """What every driver promises; a subclass brings the driver as the fixture `keyring`."""

    def test_what_was_created_comes_back(self, keyring: Keyring) -> None:
        """read gives the record's bytes."""
        record = bytes(range(256))
        keyring.create(f"{DOMAIN}/1", record)
        assert record == keyring.read(f"{DOMAIN}/1")

    def test_a_name_is_created_once(self, keyring: Keyring) -> None:
        """The loser is told, and reads the winner's record (PROTOCOL K1)."""
        keyring.create(f"{DOMAIN}/1", b"winner")
        for record in (b"winner", b"loser"):
            with pytest.raises(Exists):
                keyring.create(f"{DOMAIN}/1", record)
        assert b"winner" == keyring.read(f"{DOMAIN}/1")

    def test_of_many_at_once_one_wins(self, keyring: Keyring) -> None:
        """Workers that meet a new domain together end with one key."""
        def attempt(number: int) -> bool:
            try:
                keyring.create(f"{DOMAIN}/1", b"%d" % number)
            except Exists:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            won = list(pool.map(attempt, range(6)))
        assert 1 == sum(won)
        assert b"%d" % won.index(True) == keyring.read(f"{DOMAIN}/1")

    def test_names_are_ascending_and_live(self, keyring: Keyring) -> None:
        """Every live name under a prefix, once, in order."""
        names = [f"{OTHER}/1", f"{DOMAIN}/2", f"{DOMAIN}/10", f"{DOMAIN}/1"]
        for name in names:
            keyring.create(name, b"record")
        assert sorted(names) == list(keyring.names())
        assert sorted(names[1:]) == list(keyring.names(f"{DOMAIN}/"))
        assert [] == list(keyring.names("aaaa"))

    def test_what_is_destroyed_is_missing(self, keyring: Keyring) -> None:
        """Destruction is for good and touches no neighbour."""
        keyring.create(f"{DOMAIN}/1", b"first")
        keyring.create(f"{DOMAIN}/10", b"tenth")
        keyring.destroy(f"{DOMAIN}/1")
        with pytest.raises(Missing):
            keyring.read(f"{DOMAIN}/1")
        assert [f"{DOMAIN}/10"] == list(keyring.names())
        assert b"tenth" == keyring.read(f"{DOMAIN}/10")
        with pytest.raises(Missing):
            keyring.destroy(f"{DOMAIN}/1")

    def test_a_record_is_replaced_by_who_knows_it(self, keyring: Keyring) -> None:
        """In one step, for whoever named the record that is there; it stays one name, and its
        destruction takes all of it."""
        name = f"{DOMAIN}/1"
        with pytest.raises(Missing):
            keyring.replace(name, b"first", b"second")
        keyring.create(name, b"first")
        keyring.create(f"{DOMAIN}/10", b"tenth")
        with pytest.raises(Exists):
            keyring.replace(name, b"another", b"second")
        assert b"first" == keyring.read(name)
        keyring.replace(name, b"first", b"second, and longer")
        keyring.replace(name, b"second, and longer", b"3")
        assert b"3" == keyring.read(name)
        with pytest.raises(Exists):
            keyring.create(name, b"fourth")
        assert [name, f"{DOMAIN}/10"] == list(keyring.names(f"{DOMAIN}/"))
        keyring.destroy(name)
        with pytest.raises(Missing):
            keyring.replace(name, b"3", b"fourth")
        assert [f"{DOMAIN}/10"] == list(keyring.names())

    def test_what_is_not_there_is_missing(self, keyring: Keyring) -> None:
        """A name that begins another's is not that other."""
        keyring.create(f"{DOMAIN}/10", b"tenth")
        for act in (keyring.read, keyring.destroy):
            with pytest.raises(Missing):
                act(f"{DOMAIN}/1")


class TestFakeKeyring(KeyringContract):
    """In memory."""

    @pytest.fixture
    def keyring(self) -> Keyring:
        """Accusing."""
        return FakeKeyring()


class TestFolderKeyring(KeyringContract):
    """A folder."""

    @pytest.fixture
    def keyring(self, tmp_path: Path) -> Keyring:
        """A folder of its own."""
        return FolderKeyring(tmp_path / "keyring")


class TestS3Keyring(KeyringContract):
    """A real S3 server; a bucket of its own, versioned, without locks."""

    @pytest.fixture
    def settings(self, s3_server: S3Server) -> s3.S3Settings:
        """Provisioned; the second provision finds it."""
        settings = s3.S3Settings(
            bucket=f"keyring-{os.getpid()}-{next(_names)}", endpoint=s3_server.endpoint,
            region=s3_server.region, access_key=s3_server.access_key,
            secret_key=s3_server.secret_key)
        s3keyring.provision(settings)
        s3keyring.provision(settings)
        return settings

    @pytest.fixture
    def keyring(self, settings: s3.S3Settings) -> Keyring:
        """One bucket."""
        return s3keyring.S3Keyring(settings)

    def test_a_record_under_a_marker_is_still_the_record(
            self, settings: s3.S3Settings, keyring: Keyring) -> None:
        """Nobody hides a key by deleting its name, nor takes the name for another key."""
        keyring.create(f"{DOMAIN}/1", b"ours")
        s3.S3Adversary(settings).add_marker(f"keys/{DOMAIN}/1")
        assert b"ours" == keyring.read(f"{DOMAIN}/1")
        assert [f"{DOMAIN}/1"] == list(keyring.names())
        with pytest.raises(Exists):
            keyring.create(f"{DOMAIN}/1", b"theirs")
        assert b"ours" == keyring.read(f"{DOMAIN}/1")

    def test_a_record_written_over_is_still_the_record(
            self, settings: s3.S3Settings, keyring: Keyring) -> None:
        """The oldest version is the record: a younger one changes nothing."""
        keyring.create(f"{DOMAIN}/1", b"ours")
        s3.S3Adversary(settings).put_over(f"keys/{DOMAIN}/1", b"theirs")
        assert b"ours" == keyring.read(f"{DOMAIN}/1")

    def test_a_replacement_leaves_no_junk_behind(
            self, settings: s3.S3Settings, keyring: Keyring) -> None:
        """What somebody put over the old record, or a replacement that died half way, goes with it:
        else the junk would be the oldest version, and so the record."""
        name = f"{DOMAIN}/1"
        keyring.create(name, b"ours")
        hand = s3.S3Adversary(settings)
        hand.put_over(f"keys/{name}", b"theirs")
        hand.add_marker(f"keys/{name}")
        keyring.replace(name, b"ours", b"ours anew")
        assert b"ours anew" == keyring.read(name)
        assert [len(b"ours anew")] == [one.size for one in s3.S3Store(settings).versions("keys/")]

    def test_a_key_that_is_destroyed_while_it_is_replaced_stays_so(
            self, settings: s3.S3Settings, keyring: Keyring,
            monkeypatch: pytest.MonkeyPatch) -> None:
        """The new record does not bring it back."""
        name = f"{DOMAIN}/1"
        keyring.create(name, b"ours")
        assert isinstance(keyring, s3keyring.S3Keyring)
        put = keyring._client.put_object

        def after_an_erasure(**request: Any) -> Any:
            s3keyring.S3Keyring(settings).destroy(name)
            return put(**request)

        monkeypatch.setattr(keyring._client, "put_object", after_an_erasure)
        with pytest.raises(Missing):
            keyring.replace(name, b"ours", b"ours anew")
        assert [] == list(s3.S3Store(settings).versions("keys/"))

    def test_destruction_takes_every_version(
            self, settings: s3.S3Settings, keyring: Keyring) -> None:
        """Versions and markers alike: nothing at the name can be brought back."""
        keyring.create(f"{DOMAIN}/1", b"ours")
        hand = s3.S3Adversary(settings)
        hand.put_over(f"keys/{DOMAIN}/1", b"theirs")
        hand.add_marker(f"keys/{DOMAIN}/1")
        keyring.destroy(f"{DOMAIN}/1")
        assert [] == list(s3.S3Store(settings).versions("keys/"))
