"""The publisher: durable before it returns, in order, through whatever the log does (C1, T3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from ingest.pace import Pace
from ingest.publish import Publisher
from ingest.record import LogRecorder
from ingest.spool import SpoolEntry, recover
from ingest.status import AlarmBoard
from schemas import limits
from schemas.errors import Ambiguous, CounterfoilError, Refused, Transient
from schemas.events import CapturedEvent, Identity
from schemas.pack import Item
from schemas.wire import LogIdentity
from tests.fakes.capture_log import FakeCaptureLog
from tests.fakes.spool import FakeSpool
from tests.ingest.doorway import NOW, Clock, Keys, datums, events_of, once, until

pytestmark = pytest.mark.slow

PATIENT, IMPATIENT = 20.0, 0.02


def message(number: int, peer: int = 1, text: str = "") -> CapturedEvent:
    """One message; `peer` decides the conversation."""
    return CapturedEvent(
        kind="message", channel="whatsapp", source="test/1", account="+15550783881",
        conversation=f"pair:{peer}", captured_at=NOW, native_id=f"wamid.{number}",
        actor=Identity("+1650", "e164"), text=text or f"text {number}", custodian="asmith")


@dataclass
class Bench:
    """A publisher over fakes; `run` drives it on an event loop and checks the accusations."""

    partitions: int = 1
    ack_s_max: float = PATIENT
    batch_bytes_max: int = limits.PUBLISH_BYTES_MAX
    pace: Pace = field(default_factory=Pace)
    spool: FakeSpool = field(default_factory=FakeSpool)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.log = FakeCaptureLog(self.partitions)
        self.keys = Keys(self.clock)
        self.alarms = AlarmBoard()

    def publisher(self) -> Publisher:
        """A new process over the same spool, log and keys."""
        return Publisher(self.log, self.keys.sealer, self.keys.router, self.spool, self.spool,
                         self.clock, self.alarms, self.ack_s_max, retry_s=0.005,
                         batch_bytes_max=self.batch_bytes_max, pace=self.pace)

    def run(self, act: Callable[[Publisher], Awaitable[None]], settle: bool = True) -> None:
        """Start, act, settle and stop in order."""

        async def main() -> None:
            publisher = self.publisher()
            await publisher.start()
            try:
                await act(publisher)
                if settle:
                    await publisher.settle(PATIENT)
            finally:
                await publisher.stop()

        asyncio.run(main())
        assert self.log.accusations == []

    def ids(self) -> list[list[str | None]]:
        """Native ids on the log by partition, each sealing once."""
        return [[one.native_id for one in events_of(once(records))]
                for records in self.keys.opened(self.log)]

    def codes(self) -> set[str]:
        """Active alarms."""
        return {one.code for one in self.alarms.active(self.clock())}


async def entered(log: FakeCaptureLog) -> None:
    """Until an append has begun."""
    assert await asyncio.to_thread(log.entered.acquire, True, PATIENT)


def test_returns_only_after_the_log_has_it() -> None:
    """While the append is in flight nobody is told that the event is safe."""
    bench = Bench()

    async def act(publisher: Publisher) -> None:
        bench.log.hold()
        task = asyncio.create_task(publisher.publish([message(1)]))
        await entered(bench.log)
        await asyncio.sleep(0)
        assert not task.done()
        bench.log.release()
        await task
        assert bench.ids() == [["wamid.1"]]

    bench.run(act)
    assert bench.spool.puts == 0


def test_packs_what_waits_while_the_last_append_is_in_flight() -> None:
    """One record for the first event, one for the hundred that came meanwhile, in order."""
    bench = Bench()

    async def act(publisher: Publisher) -> None:
        bench.log.hold()
        tasks = [asyncio.create_task(publisher.publish([message(0)]))]
        await entered(bench.log)
        tasks += [asyncio.create_task(publisher.publish([message(n)])) for n in range(1, 101)]
        await asyncio.sleep(0)
        bench.log.release()
        await asyncio.gather(*tasks)

    bench.run(act)
    assert [len(one.rows) for one in bench.keys.opened(bench.log)[0]] == [1, 100]
    assert bench.ids() == [[f"wamid.{n}" for n in range(101)]]


def test_under_load_events_gather_until_the_round_is_over() -> None:
    """What comes one by one after the free ones is one record, in order; a record that is full
    does not wait."""
    bench = Bench(pace=Pace(round_s=0.4, free_items=1))

    async def act(publisher: Publisher) -> None:
        await publisher.publish([message(0)])
        tasks = []
        for number in range(1, 31):
            tasks.append(asyncio.create_task(publisher.publish([message(number)])))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        await publisher.publish([message(n) for n in range(31, 31 + limits.PACK_EVENTS_MAX + 1)])

    bench.run(act)
    assert [len(one.rows) for one in bench.keys.opened(bench.log)[0]] == [
        1, 30, limits.PACK_EVENTS_MAX, 1]
    assert bench.ids() == [[f"wamid.{n}" for n in range(31 + limits.PACK_EVENTS_MAX + 1)]]


def test_a_silent_log_means_the_spool_and_a_late_append_is_not_sent_twice() -> None:
    """C1: no acknowledgement in time spools the sealed record; when the append lands after all,
    its copy on the spool is forgotten."""
    bench = Bench(ack_s_max=IMPATIENT)

    async def act(publisher: Publisher) -> None:
        bench.log.hold()
        await publisher.publish([message(1)])
        assert bench.spool.summary().count == 1
        assert {"log_unreachable", "spool_in_use"} <= bench.codes()
        bench.log.release()
        await publisher.settle(PATIENT)
        await publisher.look()
        assert bench.codes() == set()

    bench.run(act)
    assert bench.ids() == [["wamid.1"]]
    assert bench.log.appends == 1
    assert bench.spool.summary().count == 0


def test_nothing_overtakes_a_record_that_is_late() -> None:
    """While a record may still land, newer ones of its partition wait behind it on the spool."""
    bench = Bench(ack_s_max=IMPATIENT)

    async def act(publisher: Publisher) -> None:
        bench.log.hold()
        for number in range(5):
            await publisher.publish([message(number)])
        assert bench.log.appends == 1
        assert bench.spool.summary().count == 5
        bench.log.release()

    bench.run(act)
    assert bench.ids() == [[f"wamid.{n}" for n in range(5)]]


@pytest.mark.parametrize("error", [Transient, Ambiguous])
@pytest.mark.parametrize("applied", [False, True])
def test_an_append_that_fails_is_spooled_and_drained_once(
        error: type[CounterfoilError], applied: bool) -> None:
    """Both ways of failing end with every event on the log, each sealing seen as one sighting."""
    bench = Bench()

    async def act(publisher: Publisher) -> None:
        bench.log.fail_next(error, applied)
        await publisher.publish([message(1)])
        await publisher.publish([message(2)])

    bench.run(act)
    assert bench.ids() == [["wamid.1", "wamid.2"]]
    assert bench.spool.summary().count == 0
    records = bench.keys.opened(bench.log)[0]
    assert len(records) == (3 if applied else 2)
    assert len(once(records)) == 2


def test_drains_in_order_and_new_records_go_behind() -> None:
    """While the spool holds records of a partition, newer ones of it go behind them; another
    partition is not held up."""
    bench = Bench(partitions=2)

    async def act(publisher: Publisher) -> None:
        bench.log.set_down(True)
        for number in range(10):
            await publisher.publish([message(number, peer=number % 5)])
        assert bench.spool.summary().count == 10
        bench.log.set_down(False)
        for number in range(10, 20):
            await publisher.publish([message(number, peer=number % 5)])

    bench.run(act)
    found = bench.ids()
    assert sorted(one for lane in found for one in lane if one) == sorted(
        f"wamid.{n}" for n in range(20))
    for lane in found:
        assert lane == sorted(lane, key=lambda one: int(str(one).removeprefix("wamid.")))
    assert all(found), "the test wants both partitions used"


def test_drain_survives_failures_both_ways() -> None:
    """A drain that fails, applied or not, is tried again and loses and doubles nothing."""
    bench = Bench()

    async def act(publisher: Publisher) -> None:
        bench.log.set_down(True)
        for number in range(4):
            await publisher.publish([message(number)])
        bench.log.fail_next(Transient, False)
        bench.log.fail_next(Ambiguous, True)
        bench.log.fail_next(Ambiguous, False)
        bench.log.set_down(False)

    bench.run(act)
    assert bench.ids() == [[f"wamid.{n}" for n in range(4)]]


def test_a_log_that_was_never_reached_is_said() -> None:
    """Without topic id and width nothing can be sealed: Transient, and well as soon as it is
    reached."""
    bench = Bench()
    bench.log.set_down(True)

    async def act(publisher: Publisher) -> None:
        with pytest.raises(Transient):
            await publisher.publish([message(1)])
        bench.log.set_down(False)
        await until(lambda: publisher.identity is not None)
        await publisher.publish([message(1)])

    bench.run(act)
    assert bench.ids() == [["wamid.1"]]


def test_a_restart_without_a_log_seals_for_the_one_it_knew() -> None:
    """Topic id and width are kept beside the spool: the gateway goes on, and appends nothing
    until the log itself has confirmed who it is."""
    bench = Bench()

    async def first(publisher: Publisher) -> None:
        await publisher.publish([message(1)])

    async def second(publisher: Publisher) -> None:
        await publisher.publish([message(2)])
        assert bench.log.appends == 1
        bench.log.set_down(False)

    bench.run(first)
    bench.log.set_down(True)
    bench.run(second, settle=False)
    assert bench.spool.summary().count == 1

    async def third(publisher: Publisher) -> None:
        await publisher.publish([message(3)])

    bench.run(third)
    assert bench.ids() == [["wamid.1", "wamid.2", "wamid.3"]]


def test_a_full_spool_is_transient_and_an_alarm() -> None:
    """Neither log nor spool: the caller must not acknowledge. A smaller record that still fits does
    not end the alarm; a drained spool does."""
    bench = Bench(spool=FakeSpool(bytes_max=10))

    async def act(publisher: Publisher) -> None:
        bench.log.set_down(True)
        with pytest.raises(Transient):
            await publisher.publish([message(1)])
        assert "spool_full" in bench.codes()
        bench.spool.bytes_max = 1 << 20
        await publisher.publish([message(1)])
        assert "spool_full" in bench.codes()
        bench.log.set_down(False)
        await publisher.settle(PATIENT)
        await publisher.look()
        assert "spool_full" not in bench.codes()

    bench.run(act)
    assert bench.ids() == [["wamid.1"]]


def test_a_broken_disk_is_transient() -> None:
    """A spool that cannot write makes nothing durable."""
    bench = Bench()

    async def act(publisher: Publisher) -> None:
        bench.log.set_down(True)
        bench.spool.broken = True
        with pytest.raises(Transient):
            await publisher.publish([message(1)])
        bench.spool.broken = False
        bench.log.set_down(False)

    bench.run(act)


def test_records_for_a_replaced_log_stay_until_they_are_recovered() -> None:
    """A record is bound to its topic id: after log_replaced it is not drained; new ones go to
    the new log; `recover` opens the old ones and records them again."""
    bench = Bench()
    old = bench.log.identity()

    async def act(publisher: Publisher) -> None:
        bench.log.set_down(True)
        await publisher.publish([message(1), message(2)])
        bench.log.replace(b"another topic id")
        bench.log.set_down(False)
        await publisher.look()
        assert "log_replaced" in bench.codes()
        await publisher.publish([message(3)])

    bench.run(act)
    assert bench.ids() == [["wamid.3"]]
    assert bench.spool.summary().waiting(old.topic_id) == {0: 1}

    recorder = LogRecorder(bench.log, bench.keys.sealer, bench.keys.router)

    def opener(entry: SpoolEntry) -> list[Item]:
        opened = bench.keys.unsealer.open(entry.topic_id, entry.partition, entry.value)
        return [Item(domain, tag, datum) for (domain, tag, _), datum
                in zip(opened.rows, datums(opened), strict=True)]

    done = recover(bench.spool, bench.log.identity(), opener, recorder.record_items)
    assert (done.records, done.events, done.unopened) == (1, 2, ())
    assert bench.ids() == [["wamid.3", "wamid.1", "wamid.2"]]
    assert bench.spool.summary().count == 0


def test_nothing_sealed_for_one_log_reaches_another() -> None:
    """The log is made anew while the publisher still seals for the old one: its records go to the
    spool, under the old name, and are acknowledged from there; the new log holds none of them."""
    bench = Bench()
    old = bench.log.identity()

    async def act(publisher: Publisher) -> None:
        bench.log.replace(b"another topic id")
        await publisher.publish([message(1)])
        assert bench.log.records == [[]]
        await publisher.look()
        await publisher.publish([message(2)])

    bench.run(act)
    assert bench.ids() == [["wamid.2"]]
    assert bench.spool.summary().waiting(old.topic_id) == {0: 1}
    assert "log_replaced" in bench.codes()


def test_a_recorder_speaks_to_the_log_that_it_sealed_for() -> None:
    """Replaced between the question and the append: Transient, and nothing is on the new one."""
    bench = Bench()

    class Replaced(FakeCaptureLog):
        """Made anew right after it said who it is."""

        def identity(self) -> LogIdentity:
            told = super().identity()
            self.replace(b"another topic id")
            return told

    log = Replaced()
    with pytest.raises(Transient):
        LogRecorder(log, bench.keys.sealer, bench.keys.router).record(message(1))
    assert log.records == [[]]


def test_a_large_delivery_is_encoded_in_batches() -> None:
    """What a body becomes is held a few datums at a time; all are durable, in order, and one that
    does not encode still refuses before any is queued."""
    bench = Bench(batch_bytes_max=1)
    several = [message(n) for n in range(7)]

    async def act(publisher: Publisher) -> None:
        with pytest.raises(Refused):
            await publisher.publish([*several, message(8, text="\ud800")])
        assert bench.log.appends == 0
        await publisher.publish(several)
        await publisher.publish([])

    bench.run(act)
    assert bench.ids() == [[f"wamid.{n}" for n in range(7)]]
    assert [len(one.rows) for one in bench.keys.opened(bench.log)[0]] == [1] * 7


def test_recover_keeps_what_does_not_open() -> None:
    """A record for a transit key that is not held stays on the spool and is named."""
    spool = FakeSpool()
    spool.put(SpoolEntry(b"old", 0, b"s" * 16, 0, NOW, b"sealed"))
    spool.put(SpoolEntry(b"old", 0, b"s" * 16, 1, NOW, b"sealed"))

    def opener(entry: SpoolEntry) -> list[Item]:
        if entry.counter == 0:
            raise Refused("no such key")
        return []

    done = recover(spool, FakeCaptureLog().identity(), opener, lambda _items: None)
    assert done.records == 1
    assert done.unopened == ((1, "no such key"),)
    assert [one.entry.counter for one in spool.oldest(b"old", 0, 0, 9, 99)] == [0]


def test_acknowledged_counters_are_exactly_those_on_the_log() -> None:
    """T4: what a heartbeat will state is what the log has acknowledged, drained records too."""
    bench = Bench()
    stated: list[dict[bytes, list[tuple[int, int]]]] = []

    def take(publisher: Publisher) -> None:
        taken = publisher.acknowledged.take()
        stated.append({name: list(ranges) for name, ranges in taken.items()})

    async def act(publisher: Publisher) -> None:
        await publisher.publish([message(1)])
        bench.log.set_down(True)
        await publisher.publish([message(2)])
        take(publisher)
        bench.log.set_down(False)
        await publisher.settle(PATIENT)
        await publisher.publish([message(3)])
        take(publisher)

    bench.run(act)
    session = bench.keys.opened(bench.log)[0][0].session.session_id
    assert stated == [{session: [(0, 0)]}, {session: [(1, 2)]}]


def test_a_large_event_goes_as_parts_in_several_packs() -> None:
    """C3: no record is above the limit of a pack, and the parts join to the very event."""
    bench = Bench()
    large = message(1, text="x" * (2 * limits.PART_BYTES_MAX))

    async def act(publisher: Publisher) -> None:
        await publisher.publish([message(0), large, message(2)])

    bench.run(act)
    records = bench.keys.opened(bench.log)[0]
    assert [one.native_id for one in events_of(records)] == ["wamid.0", "wamid.1", "wamid.2"]
    assert events_of(records)[1] == large
    assert len(records) > 1
    assert all(len(value) <= limits.PACK_BYTES_MAX for value in bench.log.records[0])


def test_an_event_that_does_not_encode_refuses_before_anything_is_queued() -> None:
    """Refused means that nothing of the call was published."""
    bench = Bench()

    async def act(publisher: Publisher) -> None:
        with pytest.raises(Refused):
            await publisher.publish([message(1), message(2, text="\ud800")])

    bench.run(act)
    assert bench.ids() == [[]]


def test_record_is_on_the_log_when_it_returns() -> None:
    """The console's way (I7): acknowledged by the log, or an exception; no spool."""
    bench = Bench()
    recorder = LogRecorder(bench.log, bench.keys.sealer, bench.keys.router)
    recorder.record(message(1))
    assert bench.ids() == [["wamid.1"]]
    bench.log.set_down(True)
    with pytest.raises(Transient):
        recorder.record(message(2))
    bench.log.set_down(False)
    assert bench.ids() == [["wamid.1"]]
