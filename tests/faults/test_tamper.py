"""Whatever somebody does to the bytes, it is found and named, and no reader is fooled by it.

Owns the flood: seeded bit flips, cuts, swaps, removals, replays and rollbacks of the golden
archive. One careful fixture per finding is `tests/golden/damage.py`. The last tests are the whole
system's (`tests/faults/tamper.py`): COUNTERFOIL_TAMPER says how many changes and clean runs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest

from archive import heads, layout
from archive.layout import SegmentName
from archive.store import Lock
from infra.rotate import rewrap
from schemas.errors import Halt, Missing, Refused
from tests.fakes.store import COMPLIANCE
from tests.faults import tamper
from tests.faults.tamper import truth
from tests.golden.firm import Firm
from tests.golden.load import load

pytestmark = pytest.mark.slow

FLIPS = 300
CHUNKS = 6
HEAD = heads.read(load().head(), load().sealing_public)
LOCKED = Lock(COMPLIANCE, 10**14)


TRUTH = truth(load())


def found(firm: Firm) -> list[tuple[str, str]]:
    """(code, where) of a full verification against the kept head."""
    return [(finding.code, finding.where) for finding in firm.verify(head=HEAD).findings]


def require_unfooled(firm: Firm, keys: set[str] | None = None) -> None:
    """No reader gets another datum than was sealed: by following, or by a pointer into `keys`."""
    by_address = {(one.topic_id, one.partition, one.offset, one.index): datum
                  for one, datum in TRUTH.items()}
    for topic_id, partition in firm.reader().partitions():
        with suppress(Halt):
            for read in firm.reader().follow(topic_id, partition, 0):
                for event in read.events:
                    one = event.pointer
                    address = (one.topic_id, one.partition, one.offset, one.index)
                    assert event.problem or by_address[address] == event.datum
    reader = firm.reader()
    for pointer, datum in TRUTH.items():
        if keys is None or pointer.segment in keys:
            try:
                assert datum == reader.read(pointer)
            except (Refused, Missing):
                continue


def _segments(firm: Firm) -> list[str]:
    return [key for key in firm.store.objects if key.startswith(layout.SEGMENTS)]


def _chances(chunk: int, count: int) -> Iterator[random.Random]:
    for seed in range(chunk, count, CHUNKS):
        yield random.Random(seed)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_flipped_bit_is_found_and_named(chunk: int) -> None:
    """Any bit of any object: a finding that names the object, or the dictionary's users."""
    for chance in _chances(chunk, FLIPS):
        firm = load()
        key = chance.choice(sorted(firm.store.objects))
        body = bytearray(firm.store.objects[key][0].body)
        at = chance.randrange(len(body) * 8)
        body[at // 8] ^= 1 << at % 8
        firm.store.damage(key, bytes(body))
        said = found(firm)
        assert any(key in where for _, where in said), (key, at, said)
        if at % 3 == 0:
            require_unfooled(firm, {key})


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_flipped_bit_of_a_key_record_is_found(chunk: int) -> None:
    """Any bit of any record that the program writes. Of a record of the first form a date and a
    KEK's name are plain; they decide nothing."""
    for chance in _chances(chunk, FLIPS // 3):
        for is_bound in (True, False):
            firm = load()
            if is_bound:
                rewrap(firm.keyring, firm.service, firm.service)
            name = chance.choice(sorted(firm.keyring.records))
            record = bytearray(firm.keyring.records[name])
            at = chance.randrange(len(record) * 8)
            record[at // 8] ^= 1 << at % 8
            firm.keyring.damage(name, bytes(record))
            said = found(firm)
            assert ("key_unreadable", name) in said or not is_bound
            assert said or TRUTH == truth(firm)


@pytest.mark.parametrize("seed", range(40))
def test_every_cut_and_every_addition_is_found(seed: int) -> None:
    """An object that is shorter or longer than it was."""
    firm, chance = load(), random.Random(seed)
    key = chance.choice(_segments(firm))
    body = firm.store.objects[key][0].body
    changed = chance.choice((
        body[:chance.randrange(len(body))], body + chance.randbytes(chance.randint(1, 20)),
        body[chance.randrange(1, len(body)):], body + body))
    firm.store.damage(key, changed)
    assert any(where == key and code.startswith("segment_") for code, where in found(firm))
    require_unfooled(firm, {key})


def test_every_swap_of_two_segments_is_found() -> None:
    """All pairs, within a partition and across."""
    keys = _segments(load())
    for number, one in enumerate(keys):
        for other in keys[number + 1:]:
            firm = load()
            first, second = (firm.store.objects[key][0].body for key in (one, other))
            firm.store.damage(one, second)
            firm.store.damage(other, first)
            said = found(firm)
            assert {("segment_misplaced", one), ("segment_misplaced", other)} <= set(said)
    require_unfooled(firm)


def test_every_removal_is_found() -> None:
    """Each segment, each pair, each whole partition: the kept head knows the end."""
    keys = _segments(load())
    for gone in [*([key] for key in keys), *(list(pair) for pair in pairwise(keys)),
                 load().keys_of(0), load().keys_of(1), keys]:
        firm = load()
        for key in gone:
            firm.store.remove(key)
        assert {"segment_missing", "head_rollback"} & {code for code, _ in found(firm)}
        require_unfooled(firm)


def test_every_rollback_is_found() -> None:
    """Any number of segments off the end of any partition, against the kept head."""
    for partition in (0, 1):
        for count in range(1, len(load().keys_of(partition)) + 1):
            firm = load()
            for key in firm.keys_of(partition)[-count:]:
                firm.store.remove(key)
            assert "head_rollback" in {code for code, _ in found(firm)}


@pytest.mark.parametrize("rename", [
    lambda name: SegmentName(name.topic, name.topic_id, name.partition, name.expected + 1, 0),
    lambda name: SegmentName(name.topic, name.topic_id, name.partition, 10**19, 0),
    lambda name: SegmentName(name.topic, name.topic_id, 1 - name.partition, 500, 0),
    lambda name: SegmentName(name.topic, name.topic_id, 2, name.expected, 0),
    lambda name: SegmentName(name.topic, bytes(16), name.partition, name.expected, 0),
    lambda name: SegmentName("other", name.topic_id, name.partition, name.expected, 0)])
def test_every_replay_under_another_name_is_found(
        rename: Callable[[SegmentName], SegmentName]) -> None:
    """Another offset, partition, topic id or topic: a segment is good at its own place only."""
    for key in _segments(load()):
        firm = load()
        name = layout.read_segment(key)
        assert name is not None
        other = rename(name).key()
        firm.store.plant(other, firm.store.objects[key][0].body, LOCKED)
        assert ({"segment_misplaced", "key_squatted", "younger_version"}
                & {code for code, where in found(firm) if where == other})
        require_unfooled(firm)


@pytest.mark.parametrize("attempt", [1, 7])
def test_a_copy_under_a_later_attempt_is_found_and_not_followed(attempt: int) -> None:
    """The same words twice are one record and a finding."""
    for key in _segments(load()):
        firm = load()
        copy = key.replace(".avro", f".{attempt}.avro")
        firm.store.plant(copy, firm.store.objects[key][0].body, LOCKED)
        assert [("younger_version", copy)] == found(firm)
        assert TRUTH == truth(firm)


def test_every_younger_version_and_delete_marker_is_found_and_hides_nothing() -> None:
    """Junk or real bytes, one or many, in any order: the oldest stays the record."""
    for key in _segments(load()):
        firm = load()
        other = firm.store.objects[_segments(firm)[0]][0].body
        firm.store.put_over(key, b"junk")
        firm.store.add_marker(key)
        firm.store.put_over(key, other)
        assert {("younger_version", key), ("delete_marker", key)} == set(found(firm))
        assert TRUTH == truth(firm)


def test_junk_before_a_segment_is_found_and_hides_nothing() -> None:
    """A squatter's older version at the key, locked or not."""
    for key in _segments(load()):
        firm = load()
        [real] = firm.store.objects[key]
        firm.store.objects[key].insert(0, replace(real, version_id="older", body=b"junk",
                                                  lock=Lock("", 0)))
        assert [("key_squatted", key)] == found(firm)
        assert set(TRUTH.values()) == set(truth(firm).values())


@pytest.mark.parametrize("lock", [Lock("", 0), Lock("GOVERNANCE", 10**14), Lock(COMPLIANCE, 1)])
def test_every_missing_or_weaker_lock_is_found(lock: Lock) -> None:
    """None, the wrong kind, too short."""
    for key in _segments(load()):
        firm = load()
        firm.store.relock(key, lock)
        assert [("lock_missing", key)] == found(firm)


@pytest.mark.parametrize("seed", range(60))
def test_no_flipped_bit_of_a_head_is_read(seed: int) -> None:
    """The kept head is signed to the last character."""
    firm, chance = load(), random.Random(seed)
    text = bytearray(firm.head().rstrip("\n").encode())
    at = chance.randrange(len(text) * 8)
    text[at // 8] ^= 1 << at % 8
    with pytest.raises(Refused, match="head_signature"):
        heads.read(text.decode("latin-1"), firm.sealing_public)


# Changes of the whole system in all chunks together, and as many runs without one.
MANY = int(os.environ.get("COUNTERFOIL_TAMPER", "300"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_change_of_the_whole_system_is_found_and_named(chunk: int) -> None:
    """Store, keyring, log and index: what was done is named by where it was done."""
    for chance in _chances(chunk, MANY):
        tamper.attack(chance)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_an_honest_life_is_accused_of_nothing(chunk: int) -> None:
    """Time passes, messages are archived, the log and the index lag or catch up, locks grow,
    witnesses sign, a notary dies in the middle, the wrapping key changes: no finding, not one."""
    for chance in _chances(chunk, MANY):
        system = tamper.fresh(alive=True)
        tamper.live(system, chance)
        assert set() == system.verify()
        assert set() == system.verify_index()
        assert set() == system.verify_keys()
