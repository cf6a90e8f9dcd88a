"""Transit: what an enrolled process sealed opens for its archiver, here, and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from archive.unseal import COUNTER_MAX, Enrolled, TransitPrivate, Unsealer
from ingest.transit import ArchiverPublic, TransitSealer, capture_id_of, seal_once
from schemas import limits, pack
from schemas.errors import Halt, Refused
from schemas.kinds import mask_of
from schemas.pack import Item
from schemas.wire import LogIdentity
from tests.world import Random

LOG = LogIdentity("capture", bytes(range(16)), 4)
KINDS = frozenset({"message", "receipt"})
ITEMS = [Item(b"d" * 16, b"t" * 16, b"first"), Item(b"e" * 16, b"u" * 16, b"second")]
SUITES = (pack.SUITE_X25519, pack.SUITE_MLKEM768_X25519)


@dataclass
class Pair:
    """A capture process and its archiver."""

    suite: int = pack.SUITE_X25519
    kinds: frozenset[str] = KINDS
    allowed: frozenset[str] = KINDS
    now: int = 1_000_000
    pid: int = 1
    random: Callable[[int], bytes] = field(default_factory=lambda: Random("pair"))

    def __post_init__(self) -> None:
        seed = Random("transit key")
        curve = X25519PrivateKey.from_private_bytes(seed(32))
        private, public = curve.private_bytes_raw(), curve.public_key().public_bytes_raw()
        if self.suite == pack.SUITE_MLKEM768_X25519:
            lattice = MLKEM768PrivateKey.from_seed_bytes(seed(64))
            private = lattice.private_bytes_raw() + private
            public = lattice.public_key().public_bytes_raw() + public
        self.capture_key = Ed25519PrivateKey.from_private_bytes(seed(32))
        raw = self.capture_key.public_key().public_bytes_raw()
        self.capture_id = capture_id_of(raw)
        self.public = ArchiverPublic(b"transit1", self.suite, public)
        self.private = TransitPrivate(b"transit1", self.suite, private)
        self.enrolled = {self.capture_id: Enrolled(raw, mask_of(self.allowed))}
        self.sealer = TransitSealer(self.public, self.capture_key, self.kinds, self.random,
                                    lambda: self.now, lambda: self.pid)

    def unsealer(self) -> Unsealer:
        """An archiver that remembers nothing."""
        return Unsealer({self.private.key_id: self.private}, self.enrolled)

    def value(self) -> bytes:
        """One record for partition 2."""
        return self.sealer.seal(LOG, 2, ITEMS).value


@pytest.mark.parametrize("suite", SUITES)
def test_what_was_sealed_opens(suite: int) -> None:
    """Both suites: rows, datums, session and counter."""
    pair = Pair(suite)
    sealed = pair.sealer.seal(LOG, 2, ITEMS)
    opened = pair.unsealer().open(LOG.topic_id, 2, sealed.value)
    assert b"firstsecond" == opened.plain
    assert [(one.domain, one.tag, len(one.datum)) for one in ITEMS] == list(opened.rows)
    assert (pair.capture_id, sealed.session_id, mask_of(KINDS)) == (
        opened.session.capture_id, opened.session.session_id, opened.session.kinds)
    assert sealed.counter == opened.counter


@pytest.mark.parametrize("suite", SUITES)
def test_nothing_readable_is_on_the_wire(suite: int) -> None:
    """Domains, tags and lengths are; datums and the session key are not."""
    value = Pair(suite).value()
    assert b"first" not in value and b"second" not in value


def _refusal(pair: Pair, value: bytes, topic_id: bytes = LOG.topic_id, partition: int = 2) -> str:
    with pytest.raises(Refused) as refused:
        pair.unsealer().open(topic_id, partition, value)
    return str(refused.value)


def test_a_pack_moved_to_another_topic_or_partition_is_refused() -> None:
    """A record counts where it was sealed for, and only there."""
    pair = Pair()
    assert "another place" in _refusal(pair, pair.value(), partition=3)
    assert "another place" in _refusal(pair, pair.value(), topic_id=bytes(16))


def test_a_process_that_is_not_enrolled_is_refused() -> None:
    """The public key alone lets nobody speak."""
    pair = Pair()
    value = pair.value()
    pair.enrolled.clear()
    assert "not enrolled" in _refusal(pair, value)


def test_an_opening_signed_by_another_key_is_refused() -> None:
    """Somebody names an enrolled process and signs with a key of his own."""
    pair, thief = Pair(), Ed25519PrivateKey.from_private_bytes(bytes(32))
    sealer = TransitSealer(pair.public, thief, KINDS, Random("thief"), lambda: 1, lambda: 1)
    sealer.capture_id = pair.capture_id
    assert "does not verify" in _refusal(pair, sealer.seal(LOG, 2, ITEMS).value)


def test_a_kind_that_is_not_enrolled_is_refused_with_the_whole_session() -> None:
    """A gateway may not say `hold`, not even in a session that says it may."""
    pair = Pair(kinds=KINDS | {"hold"})
    assert "may not say" in _refusal(pair, pair.value())


def test_what_an_enrolled_process_sealed_to_a_key_that_is_missing_stops() -> None:
    """It was acknowledged and is ours to read: the record waits on the log for its key. Whoever is
    not enrolled, or signs with a key of his own, stops nobody with a made-up key id."""
    pair = Pair()
    value = pair.value()
    hybrid = replace(pair.private, suite=2, private=bytes(96))
    held: dict[bytes, TransitPrivate]
    for held in ({}, {hybrid.key_id: hybrid}):
        with pytest.raises(Halt) as halted:
            Unsealer(held, pair.enrolled).open(LOG.topic_id, 2, value)
        assert "transit_key_missing" == halted.value.finding
        assert pair.private.key_id.hex() in halted.value.detail
    with pytest.raises(Refused, match="not enrolled"):
        Unsealer({}, {}).open(LOG.topic_id, 2, value)
    thief = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(Refused, match="does not verify"):
        Unsealer({}, {pair.capture_id: Enrolled(thief, mask_of(KINDS))}).open(
            LOG.topic_id, 2, value)


def test_a_pack_for_another_archiver_is_refused() -> None:
    """A transit key that is held under that id but is another."""
    pair = Pair()
    value = pair.value()
    other = replace(pair.private, private=bytes(range(32)))
    with pytest.raises(Refused, match="does not open"):
        Unsealer({other.key_id: other}, pair.enrolled).open(LOG.topic_id, 2, value)


@pytest.mark.parametrize("suite", SUITES)
def test_every_cut_of_a_pack_is_refused(suite: int) -> None:
    """Truncation is never a shorter record."""
    pair = Pair(suite)
    value, unsealer = pair.value(), pair.unsealer()
    for end in range(0, len(value), 1 if suite == 1 else 7):
        with pytest.raises(Refused):
            unsealer.open(LOG.topic_id, 2, value[:end])


def test_a_domain_tag_or_length_cannot_be_exchanged() -> None:
    """The table is bound to the ciphertext: nobody moves words under another key."""
    pair = Pair()
    value, table = pair.value(), len(pack.take_apart(pair.value()).associated) - 2 * pack.ROW_BYTES
    rows = value[table:table + 2 * pack.ROW_BYTES]
    swapped = value[:table] + rows[pack.ROW_BYTES:] + rows[:pack.ROW_BYTES] + value[
        table + len(rows):]
    assert "does not authenticate" in _refusal(pair, swapped)


def test_two_packs_of_a_session_cannot_exchange_their_counters() -> None:
    """The counter is nonce and associated data."""
    pair = Pair()
    first, second = pack.take_apart(pair.value()), pack.take_apart(pair.value())
    assert (0, 1) == (first.counter, second.counter)
    assert "does not authenticate" in _refusal(
        pair, bytes(first.associated) + bytes(second.ciphertext))


def test_a_counter_that_no_cell_can_hold_is_refused() -> None:
    """An enrolled process gone wrong must not make a cell that nobody can read back."""
    pair = Pair()
    pair.value()
    session = next(iter(pair.sealer._sessions.values()))
    session.next_counter = COUNTER_MAX + 1
    head = pack.head(session.opening, COUNTER_MAX + 1, LOG.topic_id, 2, ITEMS)
    sealed = session.cipher.encrypt((COUNTER_MAX + 1).to_bytes(12, "big"), b"firstsecond", head)
    assert "no session reaches" in _refusal(pair, head + sealed)


@given(st.lists(st.tuples(st.integers(0, 1_500), st.integers(1, 3), st.booleans()), max_size=40))
def test_no_nonce_is_used_twice_under_one_key(steps: list[tuple[int, int, bool]]) -> None:
    """Over time, rotation, quiet sessions, and forks that come and go, a (session, counter) is
    used once."""
    pair = Pair(kinds=KINDS | {"heartbeat"}, allowed=KINDS | {"heartbeat"})
    seen = set()
    for passed, pid, quiet in steps:
        pair.now, pair.pid = pair.now + passed, pid
        items = [replace(one, quiet=quiet) for one in ITEMS]
        sealed = pair.sealer.seal(LOG, 2, items)
        name = (pack.take_apart(sealed.value).opening, sealed.counter)
        assert name not in seen
        seen.add(name)


def test_a_session_ends_by_age_count_fork_topic_and_a_clock_that_goes_back() -> None:
    """Each of them makes a new key, with counters from 0."""
    pair = Pair()

    def opening() -> bytes:
        return pack.take_apart(pair.value()).opening

    first = opening()
    assert first == opening()
    pair.now += limits.SESSION_AGE_MS_MAX
    second = opening()
    pair.pid = 2
    third = opening()
    pair.now -= 1
    fourth = opening()
    other = replace(LOG, topic_id=bytes(16))
    fifth = pack.take_apart(pair.sealer.seal(other, 2, ITEMS).value).opening
    assert 5 == len({first, second, third, fourth, fifth})
    counters = [pack.take_apart(pair.value()).counter
                for _ in range(limits.SESSION_RECORDS_MAX + 2)]
    assert [*range(limits.SESSION_RECORDS_MAX), 0, 1] == counters


def test_a_session_is_unwrapped_once_and_remembered_within_bounds() -> None:
    """The asymmetric work is per session; memory does not grow with them."""
    pair = Pair()
    unsealer = pair.unsealer()
    for _ in range(3):
        unsealer.open(LOG.topic_id, 2, pair.value())
    assert 1 == len(unsealer._sessions)


@pytest.mark.parametrize("suite", SUITES)
def test_a_blob_sealed_once_opens_under_its_label_only(suite: int) -> None:
    """The ring of rejected requests: signed, labelled, for the archiver's key."""
    pair = Pair(suite)
    blob = seal_once(pair.public, pair.capture_key, "rejected", b"request")
    assert b"request" == pair.unsealer().open_once("rejected", blob)
    with pytest.raises(Refused):
        pair.unsealer().open_once("other", blob)
    for at in range(0, len(blob), 1 if suite == 1 else 11):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(Refused):
            pair.unsealer().open_once("rejected", bytes(changed))
        with pytest.raises(Refused):
            pair.unsealer().open_once("rejected", blob[:at])
