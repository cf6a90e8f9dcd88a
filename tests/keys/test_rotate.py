"""The wrapping key changes; wherever that stops, every key can be read, and no object changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from archive.keyring import DomainKeys, KeyService, _read_record, opened
from infra import rotate
from infra.embedded.keys import FolderKeyring, LocalKeyService, create_kek
from schemas.domains import DomainFacts
from schemas.errors import CounterfoilError, Exists, Missing, Refused
from tests.fakes.faults import FAULTS, FaultPlan, Killed
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.golden.firstform import in_first_form, restated
from tests.world import NOW, Random

DOMAINS = tuple(bytes([number]) * 16 for number in range(1, 6))
REPLACE_FAULTS = sorted(name for name, fault in FAULTS.items()
                        if fault.operation in ("keyring.replace", "keyring.read", "keyring.names",
                                               "keys.wrap", "keys.unwrap"))


class Both:
    """Opens with either key, wraps with the new one: as processes do while a rotation is under
    way."""

    def __init__(self, old: KeyService, new: KeyService) -> None:
        self.old, self.new = old, new

    @property
    def key_id(self) -> str:
        """Of the new one."""
        return self.new.key_id

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """By the new one."""
        return self.new.wrap(plain, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """By either."""
        try:
            return self.new.unwrap(wrapped, context)
        except Refused:
            return self.old.unwrap(wrapped, context)


def facts() -> DomainFacts:
    """Of every domain here."""
    return DomainFacts("anna", "seven", "2025-11", "", 7)


def filled(keyring: FakeKeyring | FolderKeyring, service: KeyService) -> dict[bytes, bytes]:
    """A key for each domain; the keys."""
    keys = DomainKeys(keyring, service, Random("keys"), lambda: NOW)
    return {domain: keys.current(domain, facts).key for domain in DOMAINS}


def keys_under(keyring: FakeKeyring | FolderKeyring, service: KeyService) -> dict[bytes, bytes]:
    """The keys as a process that starts now opens them."""
    keys = DomainKeys(keyring, service, Random("none"), lambda: NOW)
    return {domain: keys.open(domain, 0).key for domain in DOMAINS}


@pytest.mark.parametrize("nth", [1, 2, 5, 9])
@pytest.mark.parametrize("fault", REPLACE_FAULTS)
def test_a_fault_of_a_rotation(fault: str, nth: int) -> None:
    """Each call, applied and not, error and death: everything opens with the two keys at once, and
    after it was called again with the new one alone."""
    plan = FaultPlan()
    old, new = FakeKeyService("fake:old"), FakeKeyService("fake:new")
    keyring = FakeKeyring()
    before = filled(keyring, old)
    keyring.faults = old.faults = new.faults = plan
    plan.arm(fault, nth)
    with suppress(CounterfoilError, Killed):
        rotate.rewrap(keyring, Both(old, new), new)
    keyring.faults = old.faults = new.faults = FaultPlan()
    assert before == keys_under(keyring, Both(old, new))
    done = rotate.rewrap(keyring, Both(old, new), new)
    assert (done.changed + done.already, done.unreadable) == (len(DOMAINS), ())
    assert before == keys_under(keyring, new)
    assert [] == rotate.left(keyring, new)


def test_two_rotations_and_an_erasure_at_once() -> None:
    """Who is slower leaves the winner's record; a key that is destroyed in between stays so."""
    old, new = FakeKeyService("fake:old"), FakeKeyService("fake:new")
    keyring = FakeKeyring()
    before = filled(keyring, old)
    gone = sorted(keyring.records)[1]
    keyring.faults.before("keyring.replace", lambda: rotate.rewrap(keyring, Both(old, new), new))
    keyring.faults.before("keyring.replace", lambda: keyring.destroy(gone), nth=3)
    rotate.rewrap(keyring, Both(old, new), new)
    assert gone not in keyring.records
    assert len(before) - 1 == len(keyring.records)
    assert all(opened(record, name, new) for name, record in keyring.records.items())


def test_a_record_that_no_key_opens_is_named_and_left() -> None:
    """Nothing is written over what cannot be understood."""
    old, new = FakeKeyService("fake:old"), FakeKeyService("fake:new")
    keyring = FakeKeyring()
    filled(keyring, old)
    name = sorted(keyring.records)[2]
    record = keyring.records[name]
    damaged = record[:100] + bytes([record[100] ^ 1]) + record[101:]
    keyring.damage(name, damaged)
    done = rotate.rewrap(keyring, Both(old, new), new)
    assert (name,) == done.unreadable
    assert damaged == keyring.records[name]
    assert [name] == rotate.left(keyring, new)


def test_a_rotation_keeps_the_date_and_binds_it() -> None:
    """Of records of the first form too, and of those that were under the new key already."""
    old, new = FakeKeyService("fake:old"), FakeKeyService("fake:new")
    keyring = FakeKeyring()
    filled(keyring, old)
    first, late = sorted(keyring.records)[1:3]
    keyring.damage(first, in_first_form(keyring.records[first], first, old))
    rotate.rewrap(keyring, Both(old, new), new)
    keyring.damage(late, in_first_form(keyring.records[late], late, new))
    assert rotate.rewrap(keyring, Both(old, new), new).changed == 1
    for name, record in keyring.records.items():
        there = opened(record, name, new)
        assert there is not None and (NOW, True) == (there.created_at, there.is_bound)
        assert opened(restated(record, created_at=NOW + 1), name, new) is None
        assert opened(restated(record, kek="fake:old"), name, new) is None


def test_a_record_names_the_key_that_wraps_it(kek: Path) -> None:
    """Of a process that began before a rotation and makes its first key in the middle of it: both
    wraps are under the key that the record names."""
    keyring, running = FakeKeyring(), LocalKeyService(kek, Random("running"))
    rotate.begin(kek, Random("new"))
    filled(keyring, running)
    writes = LocalKeyService(kek.with_name("next.key"), Random("writes"), alone=True)
    assert [] == rotate.left(keyring, writes)
    assert {writes.key_id} == {_read_record(record)["kek"] for record in keyring.records.values()}


@pytest.fixture
def kek(tmp_path: Path) -> Path:
    """A key file."""
    create_kek(tmp_path / "kek" / "kek.key", Random("kek"))
    return tmp_path / "kek" / "kek.key"


def later(file: Path) -> int:
    """A clock that reads past the grace of the rotation in this folder."""
    return file.with_name("next.key").stat().st_mtime_ns // 1_000_000 + rotate.GRACE_MS


@pytest.mark.parametrize("make", [
    FakeKeyring, lambda: None], ids=["fake", "folder"])
def test_a_process_that_runs_goes_on(kek: Path, tmp_path: Path,
                                     make: Callable[[], FakeKeyring | None]) -> None:
    """Before, during and after a rotation it opens every key and its new wraps are under the key of
    the hour; a process that begins at any time agrees."""
    keyring = make() or FolderKeyring(tmp_path / "ring")
    running = LocalKeyService(kek, Random("running"))
    before = filled(keyring, running)
    old_id = running.key_id
    assert rotate.begin(kek, Random("new"))
    assert not rotate.begin(kek, Random("other"))
    assert before == keys_under(keyring, running)
    fresh = LocalKeyService(kek, Random("fresh"))
    writes = LocalKeyService(kek.with_name("next.key"), Random("writes"), alone=True)
    assert fresh.key_id == writes.key_id != old_id
    late = bytes(16)
    DomainKeys(keyring, running, Random("late"), lambda: NOW).current(late, facts)
    assert rotate.rewrap(keyring, fresh, writes).changed == len(DOMAINS)  # late is under the new
    assert before == keys_under(keyring, running) == keys_under(keyring, fresh)
    with pytest.raises(Refused, match="minutes"):
        rotate.finish(kek, [keyring], Random("x"), later(kek) - 60_001)
    assert writes.key_id == rotate.finish(kek, [keyring], Random("x"), later(kek))
    assert not rotate.is_under_way(kek)
    for service in (running, fresh, LocalKeyService(kek, Random("after"))):
        assert before == keys_under(keyring, service)
        service.wrap(bytes(32), b"context")
        assert service.key_id == writes.key_id


def test_the_old_key_stays_while_anything_needs_it(kek: Path) -> None:
    """In any keyring; and its bytes are gone from the file once it may go."""
    live, copy = FakeKeyring(), FakeKeyring()
    service = LocalKeyService(kek, Random("service"))
    filled(live, service)
    copy.records = dict(live.records)
    rotate.begin(kek, Random("new"))
    writes = LocalKeyService(kek.with_name("next.key"), Random("writes"), alone=True)
    rotate.rewrap(live, LocalKeyService(kek, Random("reads")), writes)
    with pytest.raises(Refused, match=f"{len(DOMAINS)} key records"):
        rotate.finish(kek, [live, copy], Random("x"), later(kek))
    rotate.rewrap(copy, LocalKeyService(kek, Random("reads")), writes)
    descriptor = os.open(kek, os.O_RDONLY)
    try:
        rotate.finish(kek, [live, copy], Random("x"), later(kek))
        assert os.pread(descriptor, 64, 0) == bytes(32)
    finally:
        os.close(descriptor)
    with pytest.raises(Refused, match="no rotation"):
        rotate.finish(kek, [live, copy], Random("x"), NOW)


def test_a_folder_replaces_in_one_step(tmp_path: Path) -> None:
    """The record that was meant, and no other; nothing that is gone comes back."""
    keyring = FolderKeyring(tmp_path)
    name = f"{DOMAINS[0].hex()}/0"
    with pytest.raises(Missing):
        keyring.replace(name, b"old", b"new")
    keyring.create(name, b"old")
    with pytest.raises(Exists):
        keyring.replace(name, b"other", b"new")
    keyring.replace(name, b"old", b"new and longer")
    assert b"new and longer" == keyring.read(name)
    assert [name] == list(keyring.names())
    keyring.destroy(name)
    with pytest.raises(Missing):
        keyring.replace(name, b"new and longer", b"again")
    assert [] == list(keyring.names())
