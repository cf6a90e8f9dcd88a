"""A gateway from start to a graceful stop: heartbeats, directory, status, restart (C1, C4, T4)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from infra.embedded.ring import SqliteRing
from infra.embedded.spool import SqliteSpool
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, rebuild
from ingest.exclusion_counts import ExclusionCounts
from ingest.gateway import Gateway, GatewayParts, create_app
from ingest.heartbeat import stated_in
from ingest.publish import Publisher
from ingest.status import AlarmBoard
from schemas.directory import Directory
from schemas.errors import Refused, Transient
from tests.ingest.doorway import (
    DIRECTORY,
    NOW,
    USUAL,
    Doorway,
    Sink,
    hub_headers,
    text_message,
    until,
    whatsapp_body,
)
from tests.world import Random, World

WHATSAPP = "/hooks/whatsapp"


async def deliver(client: httpx.AsyncClient, number: int) -> int:
    """One message."""
    body = whatsapp_body(text_message(number))
    return (await client.post(WHATSAPP, content=body, headers=hub_headers(body))).status_code


def test_a_graceful_stop_loses_nothing(tmp_path: Path) -> None:
    """Requests under way are answered, new ones are sent away, everything accepted is on the
    log, and the last heartbeat says that the process stops."""
    doorway = Doorway(tmp_path)

    async def main() -> None:
        async with doorway.running() as client:
            assert await deliver(client, 0) == 200
            doorway.log.hold()
            asked = [asyncio.create_task(deliver(client, number)) for number in range(1, 6)]
            await until(lambda: doorway.gateway.status().requests_in_flight == 5)
            stopping = asyncio.create_task(doorway.gateway.stop())
            await until(lambda: doorway.gateway.status().stopping)
            assert await deliver(client, 99) == 503
            assert (await client.get("/healthz")).status_code == 503
            doorway.log.release()
            assert [await one for one in asked] == [200] * 5
            await stopping

    asyncio.run(main())
    assert sorted(one.native_id or "" for one in doorway.events("message")) == [
        f"wamid.{n}" for n in range(6)]
    (last,) = [one for one in doorway.events("heartbeat") if one.detail("stopping") == "true"][:1]
    stated = stated_in(last)
    on_log = {(one.session.session_id, one.counter) for one in doorway.keys.opened(doorway.log)[0]}
    assert {(session, n) for session, ranges in stated.items()
            for first, end in ranges for n in range(first, end + 1)} < on_log


def test_over_the_embedded_drivers_into_the_archive(tmp_path: Path) -> None:
    """SQLite log and spool, real sealing, the real archiver: what was answered 200 is read back
    from the archive, whole, and verifies without a finding."""
    world = World(tmp_path / "world")
    spool = SqliteSpool(tmp_path / "spool.db")
    ring = SqliteRing(tmp_path / "rejected.db")
    alarms = AlarmBoard()
    publisher = Publisher(world.capture_log, world.sealer, world.router, spool, spool,
                          world.clock, alarms)
    gateway = Gateway(USUAL, GatewayParts(
        Deliverer(world.router, DIRECTORY), publisher, ring, spool, lambda plain: plain,
        {name: one.parse for name, one in ADAPTERS.items()}, world.sealer.capture_id,
        world.clock, alarms, Sink(), ExclusionCounts(
            spool, world.router.exclusion_key(), world.sealer.capture_id, Random("counts"))))
    transport = httpx.ASGITransport(app=create_app(gateway))

    async def main() -> None:
        await gateway.start()
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            for number in range(3):
                assert await deliver(client, number) == 200
        await gateway.stop()

    asyncio.run(main())
    spool.close()
    ring.close()
    world.archive()
    archived = world.events()
    assert [one.native_id for one in archived if one.kind == "message"] == [
        "wamid.0", "wamid.1", "wamid.2"]
    assert [one.kind for one in archived if one.channel == "firm"] == ["directory", "heartbeat"]
    assert [one.body for one in rebuild(archived)] == [
        whatsapp_body(text_message(n)) for n in range(3)]
    assert world.verify().findings == []


def test_a_stop_drains_the_spool_while_the_log_is_there(tmp_path: Path) -> None:
    """What waits is sent before the process goes, and stated in its last heartbeat."""
    doorway = Doorway(tmp_path, ack_s_max=0.02)

    async def main() -> None:
        async with doorway.running() as client:
            doorway.log.hold()
            for number in range(3):
                assert await deliver(client, number) == 200
            doorway.log.release()

    asyncio.run(main())
    assert doorway.spool.summary().count == 0
    assert [one.native_id for one in doorway.events("message")] == ["wamid.0", "wamid.1", "wamid.2"]


def test_a_stop_without_a_log_keeps_the_spool_for_the_next_start(tmp_path: Path) -> None:
    """Stopped while the log is away: nothing is lost; the next process drains it, in order."""
    doorway = Doorway(tmp_path / "1", replace(USUAL, stop_s_max=0.02))

    async def first() -> None:
        async with doorway.running() as client:
            assert await deliver(client, 0) == 200
            doorway.log.set_down(True)
            assert [await deliver(client, number) for number in range(1, 4)] == [200] * 3

    asyncio.run(first())
    assert doorway.spool.summary().count >= 3
    again = Doorway(tmp_path / "2", log=doorway.log, spool=doorway.spool, process="2")
    again.log.set_down(False)

    async def second() -> None:
        async with again.running() as client:
            assert await deliver(client, 4) == 200

    asyncio.run(second())
    assert [one.native_id for one in again.events("message")] == [f"wamid.{n}" for n in range(5)]
    assert again.spool.summary().count == 0
    assert doorway.log.accusations == []


def test_the_lifespan_starts_and_stops_it(tmp_path: Path) -> None:
    """What an ASGI server does is all that is needed."""
    doorway = Doorway(tmp_path)

    async def main() -> None:
        async with doorway.app.router.lifespan_context(doorway.app):
            transport = httpx.ASGITransport(app=doorway.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
                assert await deliver(client, 1) == 200

    asyncio.run(main())
    doorway.ring.close()
    assert len(doorway.events("message")) == 1
    assert doorway.sink.written[-1].stopping


def test_heartbeats_state_every_acknowledged_counter_once(tmp_path: Path) -> None:
    """Between them the heartbeats state all records before the last, and none twice."""
    doorway = Doorway(tmp_path, replace(USUAL, heartbeat_s=0.0))

    async def main() -> None:
        async with doorway.running() as client:
            for number in range(5):
                before = len(doorway.events("heartbeat"))
                assert await deliver(client, number) == 200
                await until(lambda before=before:  # type: ignore[misc]
                            len(doorway.events("heartbeat")) > before)

    asyncio.run(main())
    stated = [(session, n) for one in doorway.events("heartbeat")
              for session, ranges in stated_in(one).items()
              for first, last in ranges for n in range(first, last + 1)]
    on_log = [(one.session.session_id, one.counter)
              for one in doorway.keys.opened(doorway.log)[0]]
    assert len(stated) == len(set(stated))
    # Heartbeats have a session of their own, so the order within one statement is by session.
    assert sorted(stated) == sorted(on_log[:-1])


def test_a_heartbeat_that_cannot_be_published_is_stated_by_the_next(tmp_path: Path) -> None:
    """Not stated is not claimed, and not forgotten."""
    doorway = Doorway(tmp_path)

    async def main() -> None:
        async with doorway.running() as client:
            assert await deliver(client, 0) == 200
            doorway.spool.broken = True
            doorway.log.fail_next(Transient, False)
            await doorway.gateway._beat(stopping=False)
            doorway.spool.broken = False

    asyncio.run(main())
    (beat,) = doorway.events("heartbeat")
    assert list(stated_in(beat).values()) == [[(0, 1)]]


def test_a_directory_is_an_event_when_it_differs_from_the_last(tmp_path: Path) -> None:
    """C4: loaded, loaded again after a restart (nothing), changed, and changed back."""
    doorway = Doorway(tmp_path / "1")
    other = Directory(source=b"# other\n")

    async def main() -> None:
        async with doorway.running():
            doorway.clock.now += 1
            await doorway.gateway.use_directory(other)
            doorway.clock.now += 1
            await doorway.gateway.use_directory(other)
            await doorway.gateway.use_directory(DIRECTORY)

    asyncio.run(main())
    again = Doorway(tmp_path / "2", log=doorway.log, spool=doorway.spool, process="2")

    async def restart() -> None:
        async with again.running():
            pass

    asyncio.run(restart())
    found = again.events("directory")
    assert [one.raw for one in found] == [DIRECTORY.source, other.source, DIRECTORY.source]
    assert [one.detail("digest") for one in found] == [
        DIRECTORY.digest(), other.digest(), DIRECTORY.digest()]


def test_a_changed_directory_comes_into_force_and_a_broken_one_does_not(tmp_path: Path) -> None:
    """C4: the file is read again; one that cannot be read is an alarm, and the last load stays."""
    other = Directory(source=b"# other\n")
    answers: list[Directory | Refused | None] = [None, other, Refused("line 3: unknown key"), None]

    def reload() -> Directory | None:
        answer = answers.pop(0)
        if isinstance(answer, Refused):
            raise answer
        return answer

    doorway = Doorway(tmp_path, reload=reload)

    async def main() -> None:
        async with doorway.running():
            await doorway.gateway._tick()
            assert doorway.deliverer.directory == other
            await doorway.gateway._tick()
            assert doorway.deliverer.directory == other
            assert "directory_refused" in doorway.alarm_codes()
            await doorway.gateway._tick()

    asyncio.run(main())
    assert [one.raw for one in doorway.events("directory")] == [DIRECTORY.source, other.source]


def test_a_directory_that_could_not_be_recorded_is_recorded_later(tmp_path: Path) -> None:
    """The log was not there at the start: the load is recorded once it is."""
    doorway = Doorway(tmp_path)
    doorway.log.set_down(True)

    async def main() -> None:
        async with doorway.running():
            assert doorway.alarm_codes() == {"log_unreachable"}
            doorway.log.set_down(False)
            await until(lambda: bool(doorway.events("directory")))

    asyncio.run(main())
    assert len(doorway.events("directory")) == 1


def test_status_tells_what_an_operator_needs(tmp_path: Path) -> None:
    """Spool, rejections, alarms with since; written whenever it may have changed."""
    doorway = Doorway(tmp_path, ack_s_max=0.02)
    bad = whatsapp_body(text_message(1))

    async def main() -> None:
        async with doorway.running() as client:
            assert doorway.gateway.status().alarms == ()
            assert doorway.gateway.status().log == "capture"
            doorway.log.hold()
            assert await deliver(client, 1) == 200
            await client.post(WHATSAPP, content=bad, headers=hub_headers(bad, b"other"))
            doorway.clock.now += 1_000
            await doorway.publisher.look()
            status = doorway.gateway.status()
            assert (status.spool_count, status.spool_oldest_at) == (1, NOW)
            assert status.spool_bytes == doorway.spool.summary().size
            assert status.rejected_recently == 1
            assert {one.code: one.since for one in status.alarms} == {
                "log_unreachable": NOW, "spool_in_use": NOW, "rejected_requests": NOW}
            await until(lambda: any(one.rejected_recently for one in doorway.sink.written))
            doorway.clock.now += 6 * 60_000
            await until(lambda: doorway.gateway.status().rejected_recently == 0)
            doorway.log.release()

    asyncio.run(main())
    assert doorway.sink.written[-1].stopping
    assert doorway.sink.written[-1].alarms == ()


def test_a_spool_that_does_not_work_is_no_start(tmp_path: Path) -> None:
    """Nothing may be promised: the start fails, and says so."""
    doorway = Doorway(tmp_path)
    doorway.spool.broken = True

    async def main() -> None:
        with pytest.raises(Transient):
            await doorway.gateway.start()
        await doorway.publisher.stop()

    asyncio.run(main())
    doorway.ring.close()


def test_alarms_keep_their_since_and_occurrences_end() -> None:
    """A state stays until it is cleared, an occurrence for its time after the last one."""
    board = AlarmBoard()
    board.set("spool_full", 10)
    board.set("spool_full", 20, "more")
    board.set("delivery_oversized", 10, "twilio", hold_ms=100)
    board.set("delivery_oversized", 50, "whatsapp", hold_ms=100)
    assert [(one.code, one.since, one.detail) for one in board.active(120)] == [
        ("delivery_oversized", 10, "whatsapp"), ("spool_full", 10, "more")]
    assert [one.code for one in board.active(150)] == ["spool_full"]
    board.clear("spool_full")
    board.clear("spool_full")
    assert board.active(160) == ()
    with pytest.raises(AssertionError):
        board.set("no_such_code", 0)


def test_alarms_about_several_subjects_stand_side_by_side() -> None:
    """None hides another or ends it; each has its own time."""
    board = AlarmBoard()
    board.set("door_closed", 10, "twilio", hold_ms=100, subject="twilio")
    board.set("door_closed", 20, "whatsapp: a file is empty", subject="whatsapp")
    assert [(one.subject, one.since) for one in board.active(30)] == [
        ("twilio", 10), ("whatsapp", 20)]
    assert [(one.subject, until) for one, until in board.occurrences(30)] == [("twilio", 110)]
    board.clear("door_closed", "twilio")
    board.clear("door_closed")
    assert [one.subject for one in board.active(30)] == ["whatsapp"]
