"""The log never forks: every fault twice, deaths, lost races, and notaries in any interleaving.

After each: start anew, bring the log up to date, and ask the auditor: every cell is in the log
once, and every head that anybody ever signed is a head of this one log.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.store import Lock, ObjectVersion
from archive.tlog import batch as batches
from archive.tlog import checkpoint, tiles
from archive.tlog.batch import End
from archive.tlog.checkpoint import Head, Latest
from archive.tlog.prover import Prover
from archive.tlog.relocking import Relocked, relock
from archive.tlog.sequence import LogTree, batch_key, checkpoint_key, tile_key
from archive.tlog.tree import leaf_hash
from schemas.errors import Halt, Transient
from tests.archive.logs import NOW, ORIGIN, Book, signer
from tests.fakes.faults import FAULTS, FaultPlan, Killed
from tests.fakes.latest import FakeLatest
from tests.fakes.store import COMPLIANCE, FakeStore
from tests.faults.schedule import Actor, SteppedLatest, SteppedStore, interleave

UNTIL = NOW + 8 * 366 * 86_400_000
NOTARY_FAULTS = [name for name, fault in FAULTS.items() if fault.operation in (
    "store.put_once", "store.versions", "store.get", "store.lock", "latest.load", "latest.swap")]


@dataclass
class Faulty:
    """A book on a store and a signer's memory that can go wrong."""

    plan: FaultPlan

    def __post_init__(self) -> None:
        self.store = FakeStore(lambda: NOW, faults=self.plan)
        self.latest = FakeLatest(self.plan)
        self.book = Book(self.store)
        self.book.grow(0, 2)
        self.book.grow(1, 1)

    def settle(self) -> None:
        """A new process without faults; then the oracle."""
        self.book.notary(self.latest).turn()
        report = self.book.check()
        assert (0, 0) == (report.waiting, report.tiles_absent)
        _every_cell_once(self.book)


def _every_cell_once(book: Book) -> None:
    notary = book.notary(FakeLatest())
    notary.turn()
    head = notary.head()
    entries = notary.tree().entries(0, head.size) if head else []
    assert len(entries) == len(set(entries))
    named = {entry.split(b'"key":"')[1].split(b'"')[0].decode() for entry in entries}
    # From the store: a segment whose put was applied with an error is there as well.
    assert {one.key for one in book.store.versions("segments/")} == named


def _calls(operation: str) -> int:
    """How often a turn without faults calls an operation."""
    line = Faulty(FaultPlan())
    before = line.plan.calls[operation]
    line.book.notary(line.latest).turn()
    return line.plan.calls[operation] - before


CALLS = {fault.operation: _calls(fault.operation)
         for name, fault in FAULTS.items() if name in NOTARY_FAULTS}
ROWS = [(name, nth) for name in NOTARY_FAULTS
        for nth in range(1, CALLS[FAULTS[name].operation] + 1)]


@pytest.mark.parametrize(("fault", "nth"), ROWS)
def test_a_fault_of_the_notary(fault: str, nth: int) -> None:
    """At every call of every operation, not applied and applied but error, and death before and
    after: the turn ends with an error that may be tried again, or not at all, and never forks."""
    line = Faulty(FaultPlan())
    notary = line.book.notary(line.latest)
    line.plan.arm(fault, nth)
    ended: type[BaseException] | None = None
    try:
        notary.turn()
    except (Transient, Killed) as error:
        ended = type(error)
    assert [FAULTS[fault]] == line.plan.fired
    assert (FAULTS[fault].raises is Killed) == (ended is Killed)
    if ended is Transient or ended is None:
        line.book.grow(0, 1)
        notary.turn()       # the same process may go on
        line.book.check()
    line.book.grow(1, 3)
    line.settle()


@pytest.mark.parametrize("nth", range(1, sum(CALLS.values()) + 1))
def test_a_race_that_was_lost(nth: int) -> None:
    """Somebody else archives and sequences more, just before each operation of ours: whoever
    wins, there is one log and both go on in it."""
    line = Faulty(FaultPlan())
    spread = [(operation, one) for operation, count in CALLS.items()
              for one in range(1, count + 1)]
    operation, one = spread[nth - 1]
    other = line.book.notary(FakeLatest())

    def faster() -> None:
        line.book.grow(0, 1)
        other.turn()

    ours = line.book.notary(line.latest)
    line.plan.before(operation, faster, one)
    ours.turn()
    line.book.grow(1, 1)
    assert ours.turn() > 0
    other.turn()
    assert ours.head() == other.head()
    line.settle()


def test_whoever_dies_everywhere_gets_there() -> None:
    """A process that is killed at every call in turn, each time started anew, ends with one log."""
    line = Faulty(FaultPlan())
    for _ in range(60):
        line.plan.arm("store_put_once_killed_after", 1)
        try:
            line.book.notary(line.latest).turn()
        except Killed:
            continue
        break
    line.plan._armed.clear()
    line.settle()


def _two(choices: Iterator[int], *, shared: bool, faults: list[tuple[str, int]]) -> None:
    plan = FaultPlan()
    line = Faulty(plan)
    latest: list[Latest] = [line.latest, line.latest if shared else FakeLatest(plan)]
    for fault, nth in faults:
        plan.arm(fault, nth)
    actors: list[Actor] = []

    def process(number: int) -> Callable[[], None]:
        def act() -> None:
            actor = actors[number]
            notary = line.book.notary(SteppedLatest(latest[number], actor.step),
                                      store=SteppedStore(line.store, actor.step))
            for _ in range(2):
                notary.turn()
                line.book.grow(number, 1)
            notary.turn()
        return act

    actors += [Actor(process(0)), Actor(process(1))]
    interleave(actors, choices)
    for actor in actors:
        kind = actor.end.partition(":")[0]
        assert kind in ("ok", "Transient", "Ambiguous", "Killed"), actor.end
    plan._armed.clear()
    line.settle()


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("pattern", list(itertools.product((0, 1), repeat=5)))
def test_two_notaries_in_step(shared: bool, pattern: tuple[int, ...]) -> None:
    """Every pattern of five steps, repeated to the end, with one signer's memory and with two."""
    _two(itertools.cycle(pattern), shared=shared, faults=[])


@settings(max_examples=80)
@given(st.lists(st.integers(0, 1), max_size=200), st.booleans(),
       st.lists(st.tuples(st.sampled_from(NOTARY_FAULTS), st.integers(1, 60)), max_size=4))
def test_two_notaries_in_any_order(choices: list[int], shared: bool,
                                   faults: list[tuple[str, int]]) -> None:
    """Any interleaving of their store operations, with faults and deaths in it: one log."""
    _two(iter(choices), shared=shared, faults=faults)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300))
def test_two_notaries_from_a_seed(seed: int) -> None:
    """The same, longer and with more faults."""
    chance = random.Random(seed)
    faults = [(chance.choice(NOTARY_FAULTS), chance.randint(1, 150)) for _ in range(4)]
    _two((chance.randint(0, 1) for _ in itertools.count()), shared=bool(seed % 2), faults=faults)


def test_nothing_is_signed_before_its_batch_is_the_winner() -> None:
    """A notary that lost its race has signed no head of its own batch."""
    line = Faulty(FaultPlan())
    other = line.book.notary(FakeLatest())
    ours = line.book.notary(line.latest)

    def faster() -> None:
        line.book.grow(0, 1)
        other.turn()

    line.plan.before("store.put_once", faster)
    ours.turn()
    assert {4} == {head.size for head in line.book.signed}
    line.settle()


def _grown(count: int = 3) -> tuple[Book, FakeStore, FakeLatest]:
    store, latest = FakeStore(lambda: NOW, accuse=False), FakeLatest()
    book = Book(store)
    notary = book.notary(latest)
    for number in range(count):
        book.grow(number % 2, 2)
        notary.turn()
    return book, store, latest


def test_the_log_grows_batch_by_batch_and_a_turn_without_news_adds_nothing() -> None:
    """One leaf a cell; a checkpoint for each batch; the same for a notary that starts anew."""
    book, store, latest = _grown()
    notary = book.notary(latest)
    assert 6 == notary.turn()       # it looked for the first time
    assert 0 == notary.turn()
    assert notary.head() == latest.load(ORIGIN)
    report = book.check()
    assert (3, 3, 6) == (report.batches, report.checkpoints, report.head.size)
    assert [batch_key(0), batch_key(1), batch_key(2), checkpoint_key(2), checkpoint_key(4),
            checkpoint_key(6)] == [key for key in sorted(store.objects) if key.startswith("log/")]
    signed = notary.checkpoint()
    assert signed is not None
    assert signed.render().encode() == store.objects[checkpoint_key(6)][0].body


def test_objects_of_the_log_are_locked_as_long_as_what_they_speak_of() -> None:
    """And longer where it is asked for; a relock reaches every one."""
    book, store, _ = _grown()
    for key in (batch_key(0), checkpoint_key(2)):
        assert Lock(COMPLIANCE, UNTIL) == store.objects[key][0].lock
    short = Book(FakeStore(lambda: NOW))
    short.grow(0)
    short.notary(lock_until=lambda now: now + 1).turn()
    assert isinstance(short.store, FakeStore)
    assert NOW + 7 * 366 * 86_400_000 == short.store.objects[batch_key(0)][0].lock.retain_until
    book.check()


def test_locks_that_end_before_the_log_does_are_made_longer_bit_by_bit() -> None:
    """A few objects a step, each once a round; what is locked for longer stays as it is, and what
    a stranger put there is no obstacle."""
    _, store, _ = _grown()
    store.add_marker(checkpoint_key(4))
    until = UNTIL + 5
    assert Relocked("", 7, 0) == relock(store, "", UNTIL, until, 100)   # none is due
    after, changed, steps = "", 0, 0
    while steps == 0 or after:
        done = relock(store, after, UNTIL + 1, until, 2)
        after, changed, steps = done.after, changed + done.changed, steps + 1
    assert (6, 4) == (changed, steps)
    assert {Lock(COMPLIANCE, until)} == {
        one.lock for key, versions in store.objects.items() if key.startswith("log/")
        for one in versions if not one.is_delete_marker}
    assert 0 == relock(store, "", UNTIL + 10, until, 100).changed


def test_an_empty_archive_has_an_empty_log() -> None:
    """Nothing is signed, nothing stored."""
    book = Book()
    notary = book.notary()
    assert 0 == notary.turn()
    assert (None, None, []) == (notary.head(), notary.checkpoint(), book.signed)
    assert 0 == book.check().head.size


def test_an_unlocked_segment_waits() -> None:
    """What somebody can take away is not put into the log."""
    store = FakeStore(lambda: NOW, accuse=False)
    book = Book(store)
    book.grow(0)
    key = book.grow(0)
    lock = store.objects[key][0].lock
    store.relock(key, Lock("", 0))
    notary = book.notary()
    assert 1 == notary.turn()
    assert 1 == book.audit().waiting
    store.relock(key, lock)
    assert 1 == notary.turn()
    assert 0 == book.check().waiting


@pytest.mark.parametrize(("damage", "finding"), [
    (lambda book, store: store.remove(book.segments[-2]), "segment_missing"),
    (lambda book, store: book.grow(0, 1, chained=False), "chain_broken"),
])
def test_a_hole_in_the_archive_stops_the_notary(
        damage: Callable[[Book, FakeStore], object], finding: str) -> None:
    """The log does not go on past it as if there were none."""
    book, store, latest = _grown()
    book.grow(0)
    book.grow(0)
    damage(book, store)
    with pytest.raises(Halt, match=finding):
        book.notary(latest).turn()


def test_a_store_that_was_rolled_back_is_not_signed() -> None:
    """A signer that remembers more than the store holds stops; so does one that meets another log
    of the same size."""
    book, store, latest = _grown()
    kept = {key: list(versions) for key, versions in store.objects.items()}
    notary = book.notary(latest)
    book.grow(0, 5)
    notary.turn()
    store.objects = kept
    with pytest.raises(Halt, match="tlog_forked"):
        book.notary(latest).turn()
    with pytest.raises(Halt, match="tlog_forked"):
        other = FakeLatest()
        other.heads[ORIGIN] = Head(6, b"x" * 32)
        book.notary(other).turn()
    with pytest.raises(Halt, match="tlog_forked"):
        other = FakeLatest()
        other.heads[ORIGIN] = Head(3, b"x" * 32)
        book.notary(other).turn()


def test_a_signer_that_missed_batches_checks_them_before_it_signs() -> None:
    """It signs what contains the last that it signed, and nothing else."""
    book, _, _ = _grown()
    middle = FakeLatest()
    tree = book.notary()
    tree.turn()
    middle.heads[ORIGIN] = Head(3, tree._root_at(3))
    late = book.notary(middle)
    late.turn()
    assert late.head() == middle.load(ORIGIN)
    book.check()


def test_a_rewritten_bucket_is_not_signed() -> None:
    """Whoever holds the log's key and rewrites every object cannot make this signer follow."""
    _, _, latest = _grown()
    other = Book(FakeStore(lambda: NOW))
    other.random = Book().random
    other.random(1)     # other salts: another archive of the same shape
    for number in range(4):
        other.grow(number % 2, 2)
    with pytest.raises(Halt, match="tlog_forked"):
        other.notary(latest).turn()


def test_a_second_signed_head_of_one_size_stops_the_notary() -> None:
    """It is the proof that somebody else signs with this key."""
    book, store, latest = _grown()
    book.grow(0, 2)
    forged = checkpoint.signed(ORIGIN, Head(8, b"x" * 32), signer())
    store.plant(checkpoint_key(8), forged.render().encode(), Lock(COMPLIANCE, UNTIL))
    with pytest.raises(Halt, match="tlog_forked"):
        book.notary(latest).turn()
    assert {"tlog_forked"} == {fault.code for fault in book.audit().faults}


def test_a_squatted_name_stops_and_a_delete_marker_frees_it() -> None:
    """No second name is tried: there is one name for each batch."""
    book, store, latest = _grown()
    store.plant(batch_key(3), b"junk")
    book.grow(0)
    notary = book.notary(latest)
    with pytest.raises(Halt, match="tlog_squatted"):
        notary.turn()
    assert {"tlog_damaged", "tlog_unlocked"} == {fault.code for fault in book.audit().faults}
    store.add_marker(batch_key(3))
    notary.turn()
    assert Head(7, notary._root_at(7)) == notary.head()
    assert {"tlog_damaged", "tlog_hidden", "tlog_unlocked"} == {
        fault.code for fault in book.audit().faults}


def test_junk_beyond_the_end_leads_nobody_astray() -> None:
    """Numbers far ahead, names that are none, a batch of another log."""
    book, store, latest = _grown()
    for key in (batch_key(9), batch_key(4), "log/batch/5", "log/batch/" + "9" * 20):
        store.plant(key, b"junk")
    book.grow(0)
    assert 7 == book.notary(latest).turn()


def test_a_younger_batch_over_the_record_is_never_followed() -> None:
    """Also one that the log's own key signed for this very place, under a delete marker or not:
    the oldest counts."""
    book, store, latest = _grown()
    sequence = book.notary().sequence
    before, record = sequence.present(1), sequence.present(2)
    rival = batches.following(before, ORIGIN, record.batch.segments, record.batch.ends, NOW + 5,
                              UNTIL)
    body = batches.encode(rival, signer().key, signer().sign)
    for marker in (False, True):
        if marker:
            store.add_marker(batch_key(2))
        store.plant(batch_key(2), body, Lock(COMPLIANCE, UNTIL))
        book.grow(0)
        notary = book.notary(latest)
        notary.turn()
        assert record.sha256 == notary.sequence.present(3).batch.previous
    assert {"tlog_hidden"} == {fault.code for fault in book.audit().faults}


@pytest.mark.parametrize("signed", [Head(3, b"x" * 32), Head(1, b"x" * 32)])
def test_what_another_process_signed_meanwhile_is_looked_at(signed: Head) -> None:
    """Between the look at the store and the signature the same memory got a head of another log,
    of this size or of a smaller one: nothing is signed beside it."""
    line = Faulty(FaultPlan())
    line.plan.before("latest.load", lambda: line.latest.heads.update({ORIGIN: signed}), 2)
    with pytest.raises(Halt, match="tlog_forked"):
        line.book.notary(line.latest).turn()
    assert [] == line.book.signed
    assert [] == list(line.store.versions("log/checkpoint/"))


def test_a_zombie_that_comes_under_a_delete_marker_loses() -> None:
    """Its PUT succeeds, and the batch of record is still the first: it goes on from that one."""
    line = Faulty(FaultPlan())
    line.store.accuse = False
    other = line.book.notary(FakeLatest())

    def faster() -> None:
        line.book.grow(0, 1)
        other.turn()
        line.store.add_marker(batch_key(0))

    ours = line.book.notary(line.latest)
    line.plan.before("store.put_once", faster)
    ours.turn()
    assert 3 == len(line.store.objects[batch_key(0)])
    assert ours.head() == other.head()
    assert {"tlog_hidden"} == {fault.code for fault in line.book.audit().faults}


def test_a_batch_that_nothing_holds_stops_the_notary() -> None:
    """To go on from it would be to build on what somebody can take away."""
    book, store, latest = _grown()
    store.relock(batch_key(2), Lock("", 0))
    with pytest.raises(Halt, match="store_unsafe"):
        book.notary(latest).turn()


def test_a_batch_that_is_gone_is_named() -> None:
    """A later one is there: the log has a hole. Heads behind it are counted, not called forked."""
    book, store, _ = _grown(6)
    store.remove(batch_key(2))
    report = book.audit()
    assert {"tlog_missing"} == {fault.code for fault in report.faults}
    assert report.unjudged > 0


def _large() -> tuple[Book, FakeStore]:
    store = FakeStore(lambda: NOW, accuse=False)
    book = Book(store)
    notary = book.notary()
    for count in (200, 100, 1, 255, 256, 5):
        book.grow(0, count)
        notary.turn()
    return book, store


def test_full_tiles_are_stored_and_every_cell_is_proved() -> None:
    """With tiles, without, and where somebody changed one: the proof holds all the same."""
    book, store = _large()
    assert 817 == book.check().head.size
    assert [0, 1, 2] == [index for index in range(9)
                         if tile_key(tiles.Tile(0, index)) in store.objects]
    notary = book.notary()
    notary.turn()
    signed = notary.checkpoint()
    last = notary.sequence.last()
    assert signed is not None and last is not None
    damaged = store.objects[tile_key(tiles.Tile(0, 1))][0]
    for change in (damaged.body, bytes(8192), b"short"):
        store.damage(tile_key(tiles.Tile(0, 1)), change, damaged.version_id)
        prover = Prover(notary.sequence, last)
        for key, cell in ((book.segments[0], 0), (book.segments[1], 56), (book.segments[3], 7),
                          (book.segments[5], 4)):
            proof, leaf = prover.cell(key, cell, signed)
            assert (key, cell) == (leaf.segment.key, leaf.cell.cell)
            assert 10 >= len(proof.path)
    assert {"tlog_tile_damaged"} == {fault.code for fault in book.audit().faults}


def test_the_static_files_are_the_log() -> None:
    """Tiles, bundles and checkpoint by C2SP's paths, made again from the batches alone; what is
    stored of them is the same."""
    book, store = _large()
    notary = book.notary()
    notary.turn()
    signed, last = notary.checkpoint(), notary.sequence.last()
    assert signed is not None and last is not None
    files = dict(Prover(notary.sequence, last).files(signed))
    assert {"checkpoint", "tile/0/000", "tile/0/001", "tile/0/002", "tile/0/003.p/49",
            "tile/1/000.p/3", "tile/entries/000", "tile/entries/001", "tile/entries/002",
            "tile/entries/003.p/49"} == set(files)
    for index in range(3):
        assert files[f"tile/0/00{index}"] == store.objects[tile_key(tiles.Tile(0, index))][0].body
        hashes = tiles.decode_tile(files[f"tile/0/00{index}"])
        entries = tiles.decode_bundle(files[f"tile/entries/00{index}"])
        assert hashes == tuple(leaf_hash(entry) for entry in entries)


def test_any_two_heads_are_consistent_and_are_proved_so() -> None:
    """From every batch's head to every later one."""
    book, _ = _large()
    notary = book.notary()
    notary.turn()
    last = notary.sequence.last()
    assert last is not None
    heads = [notary.sequence.present(number).batch.head
             for number in range(last.batch.number + 1)]
    prover = Prover(notary.sequence, last)
    for old, new in itertools.combinations(heads, 2):
        prover.consistency(old, new)
        assert prover.consistency(old, new) == prover.consistency_from(old.size, new)
    assert 817 == LogTree(notary.sequence, last).head.size


def test_a_long_archive_is_taken_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends with the segment that fills it, and nothing is left out."""
    monkeypatch.setattr("archive.tlog.notary.LEAVES", 5)
    book = Book()
    for number in range(12):
        book.grow(number % 3, 2)
    notary = book.notary()
    assert 6 == notary.turn(1)
    assert 18 == notary.turn()
    assert (4, 24) == (book.check().batches, book.check().head.size)
    _every_cell_once(book)


def test_ends_say_where_every_partition_is() -> None:
    """The last batch is all that a notary needs to go on."""
    book, _, _ = _grown()
    notary = book.notary()
    notary.turn()
    last = notary.sequence.last()
    assert last is not None
    assert [(0, 4), (1, 2)] == [(one.partition, one.next_offset) for one in last.batch.ends]
    assert all(isinstance(one, End) for one in last.batch.ends)


class _Lagging(FakeStore):
    """A store whose listing of batches is one behind, once: no store that we accept does that."""

    lags = 0

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        if self.lags and prefix.startswith("log/batch/"):
            self.lags -= 1
            return iter(())
        return super().versions(prefix, start_after)


def test_a_listing_that_lags_cannot_make_it_fork() -> None:
    """The conditional PUT decides, not what was listed."""
    store = _Lagging(lambda: NOW, accuse=False)
    book = Book(store)
    book.grow(0)
    first, second = book.notary(), book.notary()
    first.turn()
    book.grow(0)
    store.lags = 2
    second.turn()
    assert 2 == book.check().head.size
