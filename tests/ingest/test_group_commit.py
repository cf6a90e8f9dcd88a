"""Those who speak to the log at the same time: `ingest/record.py` joins them into one record."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ingest.record import LogRecorder
from schemas.errors import Transient
from tests.fakes.capture_log import FakeCaptureLog
from tests.ingest.test_publish import Bench, message


class Held(FakeCaptureLog):
    """A log whose first append takes until it is let go, and then succeeds or fails."""

    def __init__(self, wrong: BaseException | None = None) -> None:
        super().__init__()
        self.wrong = wrong
        self.begun, self.go = threading.Event(), threading.Event()

    def append(self, partition: int, value: bytes, topic_id: bytes) -> int:
        if not self.begun.is_set():
            self.begun.set()
            assert self.go.wait(20)
        elif self.wrong is not None:
            raise self.wrong
        return super().append(partition, value, topic_id)


def together(log: Held, recorder: LogRecorder, count: int) -> list[BaseException | None]:
    """One records; while it is written `count` others come. What became of each, it the first."""
    found: list[BaseException | None] = [None] * (count + 1)

    def said(number: int) -> Callable[[], None]:
        def run() -> None:
            try:
                recorder.record(message(number))
            except BaseException as error:  # noqa: BLE001 - every outcome is looked at below
                found[number] = error
        return run

    threads = [threading.Thread(target=said(number)) for number in range(count + 1)]
    threads[0].start()
    assert log.begun.wait(20)
    for one in threads[1:]:
        one.start()
    while len(recorder._joined) < count:
        threading.Event().wait(0.001)
    log.go.set()
    for one in threads:
        one.join(20)
    return found


def test_who_waits_is_joined_into_the_next_record() -> None:
    """Nine who come while one record is written share the next, each event once."""
    bench, log = Bench(), Held()
    recorder = LogRecorder(log, bench.keys.sealer, bench.keys.router)
    assert [None] * 10 == together(log, recorder, 9)
    opened = bench.keys.opened(log)[0]
    assert [1, 9] == [len(one.rows) for one in opened]
    bench.log = log
    ids = [str(one) for one in bench.ids()[0]]
    assert ids[0] == "wamid.0"
    assert sorted(ids) == sorted(f"wamid.{number}" for number in range(10))


def test_a_failure_reaches_everybody_who_waited_for_it() -> None:
    """The one whose record was appended is told so, all others that it was not."""
    bench, log = Bench(), Held(Transient("down"))
    recorder = LogRecorder(log, bench.keys.sealer, bench.keys.router)
    first, *others = together(log, recorder, 5)
    assert first is None
    assert [Transient] * 5 == [type(one) for one in others]
    log.wrong = None
    recorder.record(message(7))
    bench.log = log
    assert [["wamid.0", "wamid.7"]] == bench.ids()


def test_a_writer_that_is_ended_tells_nobody_that_they_are_recorded() -> None:
    """One of them has the end itself, the others have an error; the recorder works on."""
    bench, log = Bench(), Held(SystemExit())
    recorder = LogRecorder(log, bench.keys.sealer, bench.keys.router)
    _, *others = together(log, recorder, 4)
    kinds = sorted(type(one).__name__ for one in others)
    assert ["SystemExit", "Transient", "Transient", "Transient"] == kinds
    log.wrong = None
    recorder.record(message(7))
    bench.log = log
    assert [["wamid.0", "wamid.7"]] == bench.ids()


def test_what_was_appended_before_a_failure_is_not_refused() -> None:
    """Several records are needed: those who are in the first of them are on the log."""
    bench, log = Bench(), FakeCaptureLog()
    recorder = LogRecorder(log, bench.keys.sealer, bench.keys.router)
    large = [message(number, text="x" * 500_000) for number in range(4)]
    appended = log.append

    def failing(partition: int, value: bytes, topic_id: bytes) -> int:
        if log.appends:
            raise Transient("down")
        return appended(partition, value, topic_id)

    log.append = failing  # type: ignore[method-assign]
    with pytest.raises(Transient):
        recorder.record_all(large)
    bench.log = log
    assert [1] == [len(one) for one in log.records]
