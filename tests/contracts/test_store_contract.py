"""The contract of the port ObjectStore, on the fake, the folder and S3; and doctor's checks."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archive.store import ObjectStore
from infra import s3, storecheck
from infra.embedded.store import FolderStore
from schemas.errors import Exists, Halt, Missing, Refused, Transient
from tests.conftest import S3Server
from tests.contracts.worlds import counted
from tests.fakes.store import WEAKNESSES, FakeStore

DAY_MS = 86_400_000
NOW_MS = 1_790_000_000_000
_names = itertools.count()


def now_ms() -> int:
    """The real clock: a real server compares a lock's end with its own."""
    return time.time_ns() // 1_000_000


def bucket_of(server: S3Server) -> s3.S3Settings:
    """A bucket name of this test's own."""
    return s3.S3Settings(
        bucket=f"contract-{os.getpid()}-{next(_names)}", endpoint=server.endpoint,
        region=server.region, access_key=server.access_key, secret_key=server.secret_key)


class StoreContract:
    """What every driver promises; a subclass brings the driver as the fixture `store`."""

    lock_mode = "COMPLIANCE"

    @pytest.fixture
    def clock(self) -> Callable[[], int]:
        """UTC ms."""
        return now_ms

    def test_what_was_put_comes_back(self, store: ObjectStore, clock: Callable[[], int]) -> None:
        """The bytes, their size and their time, under the version id that put returned."""
        body = bytes(range(256)) * 3
        version_id = store.put_once("segments/a/1", body, clock() + DAY_MS)
        assert body == store.get("segments/a/1")
        assert body == store.get("segments/a/1", version_id)
        (found,) = store.versions("segments/")
        assert ("segments/a/1", version_id, 768) == (found.key, found.version_id, found.size)
        assert found.is_latest
        assert not found.is_delete_marker
        assert abs(found.modified - clock()) < DAY_MS

    def test_an_empty_body_is_a_body(self, store: ObjectStore) -> None:
        """Zero bytes are stored and read, and take their name."""
        store.put_once("media/empty", b"", None)
        assert b"" == store.get("media/empty")
        with pytest.raises(Exists):
            store.put_once("media/empty", b"more", None)

    def test_a_key_is_written_once(self, store: ObjectStore, clock: Callable[[], int]) -> None:
        """A second put raises Exists, whoever wrote the first, and changes nothing."""
        until = clock() + DAY_MS
        store.put_once("segments/a", b"first", until)
        for body in (b"first", b"second"):
            with pytest.raises(Exists):
                store.put_once("segments/a", body, until)
        assert b"first" == store.get("segments/a")
        assert 1 == len(list(store.versions("segments/")))

    def test_of_many_at_once_one_wins(self, store: ObjectStore, clock: Callable[[], int]) -> None:
        """The conditional put is one step: the losers know that they lost."""
        until = clock() + DAY_MS

        def attempt(number: int) -> bool:
            try:
                store.put_once("segments/race", b"%d" % number, until)
            except Exists:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(attempt, range(8)))
        assert 1 == sum(won)
        assert b"%d" % won.index(True) == store.get("segments/race")

    def test_what_is_not_there_is_missing(self, store: ObjectStore) -> None:
        """No key, no version, a folder's name: Missing; an empty prefix lists nothing."""
        version_id = store.put_once("media/a/b", b"1", None)
        for key, which in (("media/c", None), ("media/a", None), ("media/a/b", "no-such-version"),
                           ("media/c", version_id)):
            with pytest.raises(Missing):
                store.get(key, which)
        with pytest.raises(Missing):
            store.lock("media/c", version_id)
        with pytest.raises(Missing):
            store.lock("media/a/b", "no-such-version")
        assert [] == list(store.versions("segments/"))

    @pytest.mark.parametrize(("start", "length"), [
        (0, 1), (0, 1024), (1, 5), (1023, 1), (1000, 24), (1000, 500), (1024, 1), (5000, 5),
        (0, None), (1000, None), (1024, None)])
    def test_a_range_is_exact(self, store: ObjectStore, start: int, length: int | None) -> None:
        """[start, start+length) of what there is; past the end there is nothing."""
        body = os.urandom(1024)
        version_id = store.put_once("media/range", body, None)
        wanted = body[start:] if length is None else body[start:start + length]
        assert wanted == store.get("media/range", version_id, start, length)

    def test_the_lock_is_recorded(self, store: ObjectStore, clock: Callable[[], int]) -> None:
        """Mode and end are read back; the end may be rounded up to a second, never down."""
        until = clock() + DAY_MS + 1
        version_id = store.put_once("segments/locked", b"1", until)
        lock = store.lock("segments/locked", version_id)
        assert self.lock_mode == lock.mode
        assert until <= lock.retain_until < until + 1000

    def test_a_lock_only_grows(self, store: ObjectStore, clock: Callable[[], int]) -> None:
        """Longer is longer, shorter changes nothing, none becomes one; who is not there is
        Missing."""
        until = clock() // 1000 * 1000 + DAY_MS
        version_id = store.put_once("schemas/a", b"1", until)
        ends = []
        for asked in (until + DAY_MS, until + DAY_MS, until):
            store.extend("schemas/a", version_id, asked)
            lock = store.lock("schemas/a", version_id)
            assert self.lock_mode == lock.mode
            ends.append(lock.retain_until)
        assert [until + DAY_MS] * 3 == ends
        assert b"1" == store.get("schemas/a", version_id)
        free = store.put_once("schemas/free", b"1", None)
        store.extend("schemas/free", free, until)
        assert self.lock_mode == store.lock("schemas/free", free).mode
        for key, which in (("schemas/none", free), ("schemas/a", "no-such-version")):
            with pytest.raises(Missing):
                store.extend(key, which, until)

    def test_a_legal_hold_comes_and_goes(self, store: ObjectStore,
                                         clock: Callable[[], int]) -> None:
        """On and off, as often as it is said; the lock beside it stays, and one that is extended
        keeps its hold. Who is not there is Missing."""
        until = clock() // 1000 * 1000 + DAY_MS
        locked = store.put_once("segments/held", b"1", until)
        free = store.put_once("media/held", b"1", None)
        assert not store.lock("segments/held", locked).legal_hold
        for on in (True, True, False, False, True):
            store.set_legal_hold("segments/held", locked, on=on)
            assert on == store.lock("segments/held", locked).legal_hold
            assert (self.lock_mode, until) == (
                store.lock("segments/held", locked).mode,
                store.lock("segments/held", locked).retain_until)
        store.extend("segments/held", locked, until + DAY_MS)
        kept = store.lock("segments/held", locked)
        assert (until + DAY_MS, True) == (kept.retain_until, kept.legal_hold)
        store.set_legal_hold("media/held", free, on=True)
        assert ("", 0, True) == (store.lock("media/held", free).mode,
                                 store.lock("media/held", free).retain_until,
                                 store.lock("media/held", free).legal_hold)
        store.set_legal_hold("media/held", free, on=False)
        assert not store.lock("media/held", free).legal_hold
        assert b"1" == store.get("media/held", free)
        for key, which in (("media/none", free), ("media/held", "no-such-version")):
            with pytest.raises(Missing):
                store.set_legal_hold(key, which, on=True)

    def test_without_a_lock_there_is_none(self, store: ObjectStore) -> None:
        """retain_until null locks nothing."""
        version_id = store.put_once("media/free", b"1", None)
        assert ("", 0) == (store.lock("media/free", version_id).mode,
                           store.lock("media/free", version_id).retain_until)

    def test_the_listing_is_in_the_order_of_bytes(self, store: ObjectStore) -> None:
        """By the key's UTF-8 bytes, folders or not, and only below the prefix."""
        names = ["0/2", "0/10", "00", "10/1", "1/1", "2.x/1", "2/1", "2/1.1", "a/b/c", "a-b",
                 "a.b", "é/1", "z", "Z", "a/b!"]
        for name in names:
            store.put_once(f"list/{name}", b"1", None)
        store.put_once("lisu", b"1", None)
        wanted = sorted((f"list/{name}" for name in names), key=str.encode)
        assert wanted == [one.key for one in store.versions("list/")]
        assert [*wanted, "lisu"] == [one.key for one in store.versions("li")]
        assert ["list/2/1", "list/2/1.1"] == [one.key for one in store.versions("list/2/1")]

    def test_a_listing_goes_on_after_any_key(self, store: ObjectStore) -> None:
        """start_after leaves out what is at or below it, whether or not it exists."""
        keys = [f"segments/t/{partition}/{offset:020d}.avro"
                for partition in (0, 1, 10) for offset in (0, 7, 12)]
        for key in keys:
            store.put_once(key, b"1", now_ms() + DAY_MS)
        wanted = sorted(keys, key=str.encode)
        for place, key in enumerate(wanted):
            assert wanted[place + 1:] == [one.key for one in store.versions("segments/", key)]
        prefix = "segments/t/0/"
        after = f"{prefix}{5:020d}"
        assert keys[1:3] == [one.key for one in store.versions(prefix, after)]
        assert [] == [one.key for one in store.versions(prefix, "segments/t/1/")]
        assert wanted == [one.key for one in store.versions("segments/", "aaa")]

    def test_many_keys_in_one_folder_are_listed_once_each(self, store: ObjectStore) -> None:
        """No page, cache or folder boundary loses or repeats a key."""
        for number in range(60):
            store.put_once(f"media/{number:04d}", b"1", None)
        assert [f"media/{number:04d}" for number in range(60)] == [
            one.key for one in store.versions("media/")]
        assert [f"media/{number:04d}" for number in range(51, 60)] == [
            one.key for one in store.versions("media/", "media/0050")]

    @pytest.mark.parametrize("body", [b"\x00", b"x" * 3_000_000])
    def test_bodies_of_any_size(self, store: ObjectStore, body: bytes) -> None:
        """Small and large bodies come back whole."""
        store.put_once("media/size", body, None)
        assert body == store.get("media/size")


class TestFakeStore(StoreContract):
    """In memory."""

    @pytest.fixture
    def store(self, clock: Callable[[], int]) -> ObjectStore:
        """Accusing."""
        return FakeStore(clock)


class TestFolderStore(StoreContract):
    """The embedded folder."""

    lock_mode = "FOLDER"

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """A folder of its own."""
        return FolderStore(tmp_path / "store")


class TestS3Store(StoreContract):
    """A real S3 server with Object Lock."""

    @pytest.fixture
    def settings(self, s3_server: S3Server) -> s3.S3Settings:
        """A provisioned bucket of its own; the second provision finds it."""
        settings = bucket_of(s3_server)
        s3.provision(settings)
        s3.provision(settings)
        return settings

    @pytest.fixture
    def store(self, settings: s3.S3Settings) -> ObjectStore:
        """One bucket."""
        return s3.S3Store(settings)

    def test_pages_lose_and_repeat_nothing(self, settings: s3.S3Settings) -> None:
        """Versions of one key that lie on several pages stay together, newest first."""
        hand, store = s3.S3Adversary(settings), s3.S3Store(settings)
        for name in ("a", "b", "c"):
            store.put_once(f"media/{name}", b"0", None)
        newest = [hand.put_over("media/b", b"%d" % number) for number in range(4)][-1]
        for page_keys in (1, 2, 3, 1000):
            found = list(s3.S3Store(settings, page_keys).versions("media/"))
            assert ["a", "b", "b", "b", "b", "b", "c"] == [one.key[6:] for one in found]
            assert newest == found[1].version_id
            assert [True, True, False, False, False, False, True] == [
                one.is_latest for one in found]

    def test_a_marker_is_listed_over_its_version(self, settings: s3.S3Settings) -> None:
        """A deleted key is Missing, its version is not; the listing shows both (PROTOCOL S3)."""
        store = s3.S3Store(settings)
        version_id = store.put_once("media/a", b"1", None)
        s3.S3Adversary(settings).add_marker("media/a")
        with pytest.raises(Missing):
            store.get("media/a")
        assert b"1" == store.get("media/a", version_id)
        marker, below = store.versions("media/")
        assert (True, True) == (marker.is_delete_marker, marker.is_latest)
        assert (version_id, False) == (below.version_id, below.is_latest)
        with pytest.raises(Missing):
            store.get("media/a", marker.version_id)

    def test_a_held_version_cannot_be_deleted(self, settings: s3.S3Settings) -> None:
        """Not even where no lock is, nor with the right to bypass one; then it can. A marker over
        it is no version: it has neither lock nor hold."""
        hand, store = s3.S3Adversary(settings), s3.S3Store(settings)
        version_id = store.put_once("media/held", b"1", None)
        store.set_legal_hold("media/held", version_id, on=True)
        for bypass in (True, False):
            with pytest.raises(Refused):
                hand.delete_version("media/held", version_id, bypass=bypass)
        hand.add_marker("media/held")
        marker = next(iter(store.versions("media/held")))
        with pytest.raises(Missing):
            store.lock("media/held", marker.version_id)
        assert store.lock("media/held", version_id).legal_hold
        store.set_legal_hold("media/held", version_id, on=False)
        hand.delete_version("media/held", version_id, bypass=False)
        with pytest.raises(Missing):
            store.lock("media/held", version_id)

    def test_a_bucket_without_locks_is_halt(self, s3_server: S3Server) -> None:
        """An unsafe bucket that is already there is named, not used."""
        settings = bucket_of(s3_server)
        s3.connect(settings).create_bucket(Bucket=settings.bucket)
        with pytest.raises(Halt) as halted:
            s3.provision(settings)
        assert "store_unsafe" == halted.value.finding
        assert "object lock is not enabled" in halted.value.detail

    def test_doctor_finds_it_safe(self, settings: s3.S3Settings) -> None:
        """Every check passes: this store prevents."""
        results = storecheck.check(
            storecheck.StoreUnderTest(s3.S3Store(settings), s3.S3Adversary(settings)),
            clock=now_ms, random=counted())
        assert [] == [one for one in results if not one.passed]
        assert storecheck.Verdict(True, "prevents") == storecheck.verdict(results)
        held = storecheck.check_hold(
            storecheck.StoreUnderTest(s3.S3Store(settings), s3.S3Adversary(settings)),
            clock=now_ms, random=counted())
        assert held.passed and "keeps what it is on" in held.detail


def test_doctor_finds_the_folder_detects_only(tmp_path: Path) -> None:
    """The folder passes what a port can promise and is not refused for what it cannot prevent."""
    under_test = storecheck.StoreUnderTest(FolderStore(tmp_path))
    results = storecheck.check(under_test, clock=now_ms, random=counted())
    assert set(storecheck.CHECKS) == {one.name for one in results if one.passed}
    assert set(storecheck.PREVENTIONS) == {one.name for one in results if not one.required}
    assert storecheck.Verdict(True, "detects only") == storecheck.verdict(results)


# Each weakness that a real store may have, and the checks that must name it.
CAUGHT_BY = {
    "cannot_extend": {"lock_can_be_extended"},
    "clock_is_off": {"clock_agrees"},
    "downgrades": {"lock_not_downgraded"},
    "empties": {"lock_not_emptied"},
    "ignores_locks": {"delete_refused"},
    "ignores_locks_in_bulk": {"bulk_delete_refused"},
    "ignores_locks_with_bypass": {"delete_with_bypass_refused", "second_version_does_not_unlock"},
    "ignores_requested_lock": {
        "lock_is_recorded", "delete_refused", "delete_with_bypass_refused", "bulk_delete_refused",
        "lock_not_downgraded", "second_version_does_not_unlock"},
    "lists_by_folder": {"listing_is_ordered"},
    "marker_hides_version": {"marker_does_not_hide_the_version"},
    "new_version_unlocks": {"second_version_does_not_unlock"},
    "no_checksums": {"damaged_put_refused"},
    "overwrites": {"second_version_does_not_unlock"},
    "ranges_off_by_one": {"ranges_are_exact"},
    "shortens": {"lock_not_shortened"},
    "suspends": {"versioning_not_suspended"},
    "unconditional": {"second_put_refused", "one_of_many_puts_wins"},
}


def test_every_weakness_has_a_check() -> None:
    """The table of what is caught is complete."""
    assert set(CAUGHT_BY) == WEAKNESSES


@pytest.mark.parametrize("weakness", sorted(WEAKNESSES))
def test_doctor_refuses_a_weak_store(weakness: str) -> None:
    """A store that fails in one way is unsafe, for that reason and no other."""
    store = FakeStore(lambda: NOW_MS, weaknesses=frozenset({weakness}), accuse=False)
    results = storecheck.check(storecheck.StoreUnderTest(store, store),
                               clock=lambda: NOW_MS, random=counted())
    assert CAUGHT_BY[weakness] == {one.name for one in results if not one.passed}
    assert storecheck.Verdict(False, "unsafe") == storecheck.verdict(results)
    assert store.versioning, "doctor left versioning suspended"


def test_doctor_writes_under_its_prefix_only() -> None:
    """Nothing of the archive is touched, and no lock outlives its minutes."""
    store = FakeStore(lambda: NOW_MS, accuse=False)
    storecheck.check(storecheck.StoreUnderTest(store, store), clock=lambda: NOW_MS,
                     random=counted(), lock_ms=storecheck.LOCK_MS_MIN)
    assert all(key.startswith("doctor/") for key in store.objects)
    ends = [one.lock.retain_until for every in store.objects.values() for one in every]
    assert max(ends) <= NOW_MS + 2 * storecheck.LOCK_MS_MIN


def test_a_store_that_does_not_answer_fails_its_checks() -> None:
    """An error is a failed check with its reason, not a crash of doctor."""
    store = FakeStore(lambda: NOW_MS, accuse=False)
    store.faults.arm("store_put_once_not_applied")
    results = storecheck.check(storecheck.StoreUnderTest(store, store),
                               clock=lambda: NOW_MS, random=counted())
    (failed,) = [one for one in results if not one.passed]
    assert "body_reads_back" == failed.name
    assert failed.detail.startswith("Ambiguous")


@pytest.mark.parametrize(("may", "words"), [
    (False, "need s3:PutObjectLegalHold"), (True, "comes, keeps")])
def test_doctor_tries_a_legal_hold(may: bool, words: str,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that cannot hold are told so in words; that alone makes no store unsafe. Nothing
    stays held."""
    store = FakeStore(lambda: NOW_MS, accuse=False)

    def denied(*_: object, **__: object) -> None:
        raise Transient("403 AccessDenied")

    if not may:
        monkeypatch.setattr(store, "set_legal_hold", denied)
    found = storecheck.check_hold(storecheck.StoreUnderTest(store, store),
                                  clock=lambda: NOW_MS, random=counted())
    assert words in found.detail and found.passed is may
    assert storecheck.verdict([found]).safe
    assert not any(one.lock.legal_hold for every in store.objects.values() for one in every)


@pytest.mark.parametrize("how", ["ignored", "deleted"])
def test_doctor_does_not_believe_a_hold_that_holds_nothing(
        how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that says yes and does nothing, or that lets the held be deleted, is told from one
    that holds."""
    store = FakeStore(lambda: NOW_MS, accuse=False)
    if how == "ignored":
        monkeypatch.setattr(store, "set_legal_hold", lambda *_, **__: None)
    else:
        monkeypatch.setattr(store, "_is_locked", lambda *_: False)
    found = storecheck.check_hold(storecheck.StoreUnderTest(store, store),
                                  clock=lambda: NOW_MS, random=counted())
    assert not found.passed
    assert ("does not say so" if how == "ignored" else "was deleted") in found.detail
