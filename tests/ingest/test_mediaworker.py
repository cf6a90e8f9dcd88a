"""Files of captured messages: fetched, sealed, stored, said; or their failure said (PROTOCOL M1).

Hard cases of CAPTURE §14 carry their number.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlencode

import httpx
import pytest

from archive.reader import ReadEvent
from infra.config import load
from infra.embedded.media import SqliteTaskList
from infra.wire import Wire
from ingest.media import FetchFailed
from ingest.mediatask import RetryRules, tasks_of
from ingest.mediaworker import MediaWorker
from schemas import codec, limits, media
from schemas.document import Document
from schemas.errors import Transient
from schemas.events import CAPTURE_KINDS, Attachment, CapturedEvent
from schemas.identity import event_id
from schemas.wire import Pointer
from search.project import Projector, document
from search.tokens import Tokenizer
from tests.e2e.canary import Detector
from tests.fakes.media_api import (
    AUTH_TOKEN,
    SID,
    VERSION,
    MediaApi,
    go_to,
    graph_error,
    say,
    serving,
    wait_for,
)
from tests.ingest.doorway import (
    FIRM_NUMBER,
    PUBLIC_URL,
    Doorway,
    hub_headers,
    text_message,
    twilio_headers,
    until,
    whatsapp_body,
)
from tests.ingest.mediadesk import (
    DAY_MS,
    Desk,
    Died,
    Steps,
    access,
    twilio_message,
    whatsapp_message,
)

pytestmark = pytest.mark.slow

PICTURE = b"\xff\xd8" + b"quastenfloesser" * 90_000
HASH = hashlib.sha256(PICTURE).digest()


@pytest.fixture
def api() -> Iterator[MediaApi]:
    """Both providers' media doors."""
    with serving() as made:
        yield made
        assert made.accusations == []


@pytest.fixture
def desk(tmp_path: Path, api: MediaApi) -> Iterator[Desk]:
    """A worker."""
    made = Desk(tmp_path, api)
    yield made
    made.close()


def test_a_whatsapp_file_is_fetched_by_its_id_and_stored_locked(desk: Desk) -> None:
    """Id, address, bytes, each with the token; one object under a lock; one fact that opens it."""
    desk.api.whatsapp("4711", PICTURE)
    desk.expect(whatsapp_message(Attachment("4711", "image/jpeg", sha256=HASH)))
    assert desk.turn() == 1
    assert desk.api.asked == [f"/{VERSION}/4711", "/bytes/4711"]
    (fact,) = desk.said
    assert desk.opened(fact) == PICTURE
    said = fact.attachments[0]
    assert (said.state, said.size, said.sha256) == ("stored", len(PICTURE), HASH)
    ((version,),) = desk.objects.objects.values()
    assert version.lock.mode == "COMPLIANCE" and version.lock.retain_until == desk.clock() + DAY_MS
    assert desk.turn() == 0 and desk.tasks.summary().count == 0 and desk.codes() == set()
    assert list((desk.folder / "sealed").iterdir()) == []


def test_a_twilio_file_is_fetched_by_its_address_and_its_bytes_from_elsewhere(desk: Desk) -> None:
    """The account's credentials open the address; where it leads to does not see them."""
    address = desk.api.twilio("ME1", PICTURE)
    desk.api.once(address.removeprefix(desk.api.base), go_to("/twilio-bytes/ME1"))
    other = desk.api.base.replace("127.0.0.1", "127.0.0.2")  # another origin, not configured
    desk.api.once("/twilio-bytes/ME1", say(307, b"", Location=f"{other}/x"))
    desk.expect(twilio_message(Attachment("ME1", url=address)))
    desk.turn()
    assert desk.reasons() == [("failed", "refused_host")]
    desk.expect(twilio_message(Attachment("ME2", url=desk.api.twilio("ME2", PICTURE)), number=2))
    desk.turn()
    assert desk.opened(desk.said[-1]) == PICTURE
    assert desk.said[-1].attachments[0].media_type == "image/png"
    assert desk.said[-1].attachments[0].url is None


def test_the_older_token_is_tried_when_the_newer_one_is_refused(tmp_path: Path,
                                                                api: MediaApi) -> None:
    """While a token changes both are configured; a wrong one alone waits for an operator."""
    address = api.twilio("ME1", PICTURE)
    desk = Desk(tmp_path, api, access=access(api, twilio_tokens=("newer-token", AUTH_TOKEN)))
    desk.expect(twilio_message(Attachment("ME1", url=address)))
    desk.turn()
    assert desk.reasons() == [("stored", None)]
    desk.close()
    wrong = Desk(tmp_path, api, access=access(api, twilio_tokens=("newer-token",)))
    wrong.expect(twilio_message(Attachment("ME1", url=address), number=2))
    wrong.turn()
    assert wrong.reasons() == [("pending", "unauthorized")]
    assert wrong.tasks.summary().count == 1
    wrong.close()


@pytest.mark.slow
def test_case_20_media_that_expires_is_a_fact_with_its_reason_and_its_retries(desk: Desk) -> None:
    """Seven days of an unreachable provider: tried again and again at growing pauses; the first
    failure is said, the end is said, and the text has nothing to do with it."""
    desk.api.whatsapp("1", PICTURE)
    tries: list[int] = []
    for _ in range(100):
        desk.api.once(f"/{VERSION}/1", say(503, b""))
    desk.expect(whatsapp_message(Attachment("1")))
    start = desk.clock()
    while desk.tasks.summary().count:
        before = len(desk.api.asked)
        desk.turn()
        if len(desk.api.asked) > before:
            tries.append(desk.clock() - start)
        desk.clock.now += 10_000 if desk.clock() - start < 7_200_000 else 600_000
        assert desk.clock() - start < 8 * DAY_MS
    pauses = [b - a for a, b in itertools.pairwise(tries)]
    assert 14 < len(tries) < 40 and tries[0] == 0
    assert pauses[:6] == sorted(pauses[:6]) and tries[-1] <= limits.MEDIA_KEPT_MS
    assert desk.reasons() == [("pending", "unreachable"), ("failed", "expired")]
    first, last = desk.said
    assert first.detail("retry_until") == str(start + limits.MEDIA_KEPT_MS)
    assert (last.detail("last"), last.detail("attempts")) == ("unreachable", str(len(tries)))
    assert event_id(first) != event_id(last) and last.observations == ("media_failed",)
    assert desk.codes() == {"media_failed"} and desk.objects.objects == {}


def test_case_20_media_that_is_not_there_is_looked_for_for_a_day(desk: Desk) -> None:
    """An id may be known late: a day of such answers is one, and not much more is asked for."""
    desk.expect(whatsapp_message(Attachment("gone")))
    desk.until_done()
    assert desk.reasons() == [("pending", "not_found"), ("failed", "not_found")]
    assert 5 <= len(desk.api.asked) <= 12
    assert DAY_MS <= desk.clock() - desk.said[0].captured_at < 2 * DAY_MS


def test_case_20_media_that_is_known_a_day_late_is_stored(desk: Desk) -> None:
    """Not there for 23 hours, and then it is."""
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    for _ in range(23):
        desk.turn()
        desk.clock.now += 3_600_000
    desk.api.whatsapp("1", PICTURE)
    desk.until_done()
    assert desk.reasons() == [("pending", "not_found"), ("stored", None)]


def test_case_20_restarts_in_a_row_use_up_no_file(tmp_path: Path, api: MediaApi) -> None:
    """Each start tries everything at once: ten in a minute are not an answer; nor is one miss at
    the end of a day whose other failures were the line's."""
    desk = Desk(tmp_path, api)
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    for _ in range(10):
        desk.turn()
        desk.clock.now += 6_000
        desk = desk.again()
    assert len(api.asked) == 10 and desk.reasons() == [("pending", "not_found")]
    desk.clock.now += 2 * DAY_MS
    api.once(f"/{VERSION}/1", say(503, b""))
    desk.turn()
    api.whatsapp("1", PICTURE)
    desk.until_done()
    assert desk.reasons() == [("pending", "not_found"), ("stored", None)]
    desk.close()


TROUBLE: dict[str, Callable[[], Callable[..., None]]] = {
    **{f"code {code}": lambda code=code: graph_error(code)  # type: ignore[misc]
       for code in (4, 80007, 130429)},
    "400": lambda: say(400, b""), "429": lambda: say(429, b""),
    "no address": lambda: say(200, b"{}")}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_case_20_a_provider_that_wants_to_be_left_alone_costs_no_file(desk: Desk,
                                                                      trouble: str) -> None:
    """Four days of being told that we ask too often: then the file is fetched."""
    desk.api.whatsapp("1", PICTURE)
    desk.api.once(f"/{VERSION}/1", *[TROUBLE[trouble]() for _ in range(200)])
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    for _ in range(4 * 24):
        desk.turn()
        desk.clock.now += 3_600_000
    assert desk.reasons() == [("pending", "unreachable")] and desk.codes() == {"media_waiting"}
    assert 8 < len(desk.api.asked) < 40
    del desk.api.answers[f"/{VERSION}/1"]
    desk.until_done()
    assert desk.reasons() == [("pending", "unreachable"), ("stored", None)]


def test_case_20_a_line_that_breaks_for_days_costs_no_file(desk: Desk) -> None:
    """An answer that was cut off is trouble of the line, however often."""
    desk.api.whatsapp("1", PICTURE)
    desk.api.once("/bytes/1", *[say(200, b"x", Content_Length="99")] * 200)
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    for _ in range(4 * 24):
        desk.turn()
        desk.clock.now += 3_600_000
    assert desk.reasons() == [("pending", "cut_off")]
    del desk.api.answers["/bytes/1"]
    desk.until_done()
    assert desk.reasons() == [("pending", "cut_off"), ("stored", None)]


def test_case_20_media_of_another_hash_is_never_stored(desk: Desk) -> None:
    """The webhook's hash, or the media door's own, must be that of the bytes."""
    desk.api.whatsapp("1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1", sha256=bytes(32))))
    desk.until_done()
    assert desk.reasons() == [("pending", "hash_mismatch"), ("failed", "hash_mismatch")]
    assert desk.said[-1].attachments[0].sha256 == bytes(32)  # what the source stated stays
    desk.api.once("/bytes/2", *[say(200, b"another file")] * 20)
    desk.api.whatsapp("2", PICTURE)
    desk.expect(whatsapp_message(Attachment("2"), number=2))
    desk.until_done()
    assert desk.reasons()[2:] == [("pending", "hash_mismatch"), ("failed", "hash_mismatch")]
    assert desk.objects.objects == {} and list((desk.folder / "sealed").iterdir()) == []


def test_a_failure_that_passes_is_followed_by_its_file(desk: Desk) -> None:
    """A late success is a fact too, and the later one holds."""
    desk.api.whatsapp("1", PICTURE)
    desk.api.once("/bytes/1", say(500, b""), say(200, b"x", Content_Length="99"))
    desk.expect(whatsapp_message(Attachment("1")))
    desk.until_done()
    assert desk.reasons() == [("pending", "unreachable"), ("stored", None)]
    assert desk.opened(desk.said[-1]) == PICTURE and desk.said[-1].detail("attempts") == "3"


def test_a_file_over_the_limit_is_given_up_at_once(tmp_path: Path, api: MediaApi) -> None:
    """Whether its size was stated or not."""
    desk = Desk(tmp_path, api, access=access(api, bytes_max=1000), bytes_max=1000)
    api.whatsapp("1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1")))
    desk.turn()
    assert desk.reasons() == [("failed", "too_large")]
    desk.close()


def test_without_credentials_files_wait_and_it_is_an_alarm(tmp_path: Path, api: MediaApi) -> None:
    """The gateway starts all the same; a restart with a token fetches what waited; and what waited
    too long is said to be over."""
    api.whatsapp("1", PICTURE)
    desk = Desk(tmp_path, api, access=access(api, whatsapp_tokens=(), twilio_account=""))
    desk.expect(whatsapp_message(Attachment("1")), twilio_message(Attachment("ME1", url="x")))
    assert desk.turn() == 0 and api.asked == [] and desk.codes() == {"media_off"}
    desk.access = access(api)
    desk = desk.again()
    desk.turn()
    assert desk.reasons() == [("failed", "refused_host"), ("stored", None)] or desk.reasons() == [
        ("stored", None), ("failed", "refused_host")]
    assert desk.codes() == {"media_failed"}
    desk.access = access(api, whatsapp_tokens=())
    desk = desk.again()
    desk.expect(whatsapp_message(Attachment("2"), number=2))
    desk.turn()
    assert desk.codes() == {"media_off"}
    desk.clock.now += limits.MEDIA_KEPT_MS
    desk.turn()
    assert desk.reasons()[2:] == [("failed", "expired")] and desk.codes() == {"media_failed"}
    desk.close()


def test_a_redelivery_is_not_fetched_again(desk: Desk) -> None:
    """Not while it waits and not when it is done: one object, one fact."""
    desk.api.whatsapp("1", PICTURE)
    message = whatsapp_message(Attachment("1"))
    for _ in range(2):
        desk.expect(message, replace(message, captured_at=message.captured_at + 5))
        desk.turn()
    assert len(desk.said) == 1 and len(desk.objects.objects) == 1
    desk.clock.now += 9 * DAY_MS
    asyncio.run(desk.worker.recover())
    with sqlite3.connect(desk.folder / "media.db") as database:
        assert database.execute("SELECT count(*) FROM task").fetchone() == (0,)
    database.close()


def test_a_store_that_is_away_costs_no_second_fetch(desk: Desk) -> None:
    """Fetched once; the sealed bytes wait on disk, and it is an alarm when that takes long."""
    desk.api.whatsapp("1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1")))
    for nth in range(1, 10):
        desk.objects.faults.arm("store_put_once_not_applied", nth)
    for _ in range(3):
        desk.turn()
        desk.clock.now += 600_000
    assert desk.said == [] and len(desk.api.asked) == 2
    assert desk.codes() == {"media_waiting"}
    desk.until_done()
    assert desk.opened(desk.said[0]) == PICTURE and len(desk.api.asked) == 2
    assert desk.codes() == set()


def test_a_list_that_cannot_be_written_keeps_no_text_out(desk: Desk) -> None:
    """The rows wait in memory, with an alarm, and are written when the disk is back."""
    desk.api.whatsapp("1", PICTURE)
    put = desk.tasks.put

    def full(_rows: object) -> None:
        raise Transient("disk full")

    desk.tasks.put = full  # type: ignore[method-assign, assignment]
    desk.expect(whatsapp_message(Attachment("1")))
    with pytest.raises(Transient):
        desk.turn()
    assert desk.codes() == {"media_waiting"}
    desk.tasks.put = put  # type: ignore[method-assign]
    desk.until_done()
    assert desk.reasons() == [("stored", None)] and desk.codes() == set()


class FullDisk:
    """A file of which the first `room` bytes go onto the disk."""

    def __init__(self, out: BinaryIO, room: int) -> None:
        self._out, self._room = out, room

    def write(self, piece: bytes) -> int:
        """See BinaryIO."""
        self._room -= len(piece)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/the/sealed/file")
        return self._out.write(piece)


def fill_disk(desk: Desk, room: int) -> Callable[[], None]:
    """This machine's disk takes only the first `room` bytes of each file; gives what mends it."""
    create = desk.files.create

    @contextmanager
    def full(name: bytes) -> Iterator[BinaryIO]:
        with create(name) as out:
            yield cast("BinaryIO", FullDisk(out, room))

    desk.files.create = full  # type: ignore[method-assign]
    return lambda: setattr(desk.files, "create", create)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, media.HEADER_BYTES, len(PICTURE)],
                         ids=["header", "first chunk", "last chunk"])
def test_a_full_disk_of_ours_is_no_fact_about_the_provider(
        desk: Desk, caplog: pytest.LogCaptureFixture, room: int) -> None:
    """Wherever in the file it fills up: nothing is said of the file, the alarm names the disk at
    once, the provider is not asked without pause, and the file is stored when there is room."""
    address = desk.api.twilio("ME1", PICTURE)
    mend = fill_disk(desk, room)
    desk.expect(twilio_message(Attachment("ME1", url=address)))
    desk.turn()
    (alarm,) = desk.alarms.active(desk.clock())
    assert (alarm.code, alarm.detail.partition(": ")[0]) == (
        "media_waiting", "1 files are kept out by this machine's disk")
    assert alarm.detail.endswith("No space left on device")
    for _ in range(720):
        desk.clock.now += 5_000
        desk.turn()
    assert desk.said == [] and desk.tasks.summary().count == 1
    assert len(desk.api.asked) < 60  # each try asks for the address and then for the bytes
    (alarm,) = desk.alarms.active(desk.clock())
    assert alarm.detail.startswith("1 files wait, 1 files are kept out by this machine's disk: ")
    assert list((desk.folder / "sealed").iterdir()) == []
    mend()
    desk.until_done()
    assert desk.reasons() == [("stored", None)] and desk.said[0].detail("attempts") == "1"
    assert desk.opened(desk.said[0]) == PICTURE and desk.codes() == set()
    words = Detector({"address": "/2010-04-01/", "path": "/the/sealed/file", "sid": SID,
                      "token": AUTH_TOKEN})
    assert words.look("log", f"{caplog.text} {alarm.detail}".encode()) == set()


def test_a_list_that_takes_no_change_is_named_as_the_disk(desk: Desk) -> None:
    """A full disk may fail there first: then nobody is asked for anything."""
    desk.api.whatsapp("1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    save = desk.tasks.save

    def full(_row: object) -> None:
        raise Transient("media list: database or disk is full")

    desk.tasks.save = full  # type: ignore[method-assign, assignment]
    desk.turn()
    (alarm,) = desk.alarms.active(desk.clock())
    assert alarm.detail.endswith("machine's disk: media list: database or disk is full")
    assert desk.said == [] and desk.api.asked == []
    desk.tasks.save = save  # type: ignore[method-assign]
    desk.until_done()
    assert desk.reasons() == [("stored", None)] and desk.codes() == set()


def test_a_row_that_does_not_open_is_an_alarm_and_stops_nobody(desk: Desk) -> None:
    """Another key, or a damaged disk."""
    desk.api.whatsapp("1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1")))
    (task,) = tasks_of([whatsapp_message(Attachment("2"), number=2)])
    row = desk.cipher.row(task, desk.clock())
    desk.tasks.put([replace(row, blob=row.blob[:-1] + b"x")])
    desk.until_done()
    assert desk.reasons() == [("stored", None)] and desk.codes() == {"media_failed"}


def stored_once(desk: Desk) -> None:
    """One file, stored once; its facts are one fact, and so is its document."""
    stored = desk.facts("stored")
    assert stored and len({event_id(one) for one in desk.said}) == len(
        {(one.attachments[0].state, one.detail("attachment")) for one in desk.said})
    assert {codec.encode_content(one) for one in stored} == {codec.encode_content(stored[0])}
    assert desk.opened(stored[0]) == PICTURE
    found = projected([whatsapp_message(Attachment("1", sha256=HASH)), *desk.said])
    assert "occurrence_differs" not in found.observations
    assert "media_pending" not in found.observations


def projected(events: list[CapturedEvent]) -> Document:
    """The document of events of one message."""
    projector = Projector(Tokenizer(bytes(32)))
    entries = []
    for place, event in enumerate(events):
        pointer = Pointer("ab" * 16, 0, place, 0, "segments/x", place, 1, 1, 0, "v")
        made = projector.project(ReadEvent(
            pointer, codec.encode(event), bytes(16), bytes(16), bytes(16), CAPTURE_KINDS,
            place), 1)
        assert made is not None
        entries.append(made[1])
    return document("00" * 16, entries)


STEPS = ["save", "seal", "save", "save", "put", "publish", "finish", "remove"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_a_crash_at_any_step_is_taken_up_where_it_was(tmp_path: Path, api: MediaApi, step: int,
                                                      after: bool) -> None:
    """Before or after any of them: the file is stored, said in the same words, and there is no
    second object."""
    api.whatsapp("1", PICTURE)
    desk = Desk(tmp_path, api, steps=Steps(step, after))
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    with pytest.raises(Died, match=STEPS[step - 1]):
        desk.turn()
    desk = desk.again()
    if desk.tasks.summary().count:
        desk.until_done(step_ms=60_000)
    stored_once(desk)
    assert len(desk.objects.objects) == 1
    assert list((tmp_path / "sealed").iterdir()) == []
    desk.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 8))
def test_a_crash_around_a_failure_says_it_in_the_same_words(tmp_path: Path, api: MediaApi,
                                                            step: int, after: bool) -> None:
    """Said twice it is one fact."""
    rules = RetryRules(misses_min=2, misses_ms_min=0)
    desk = Desk(tmp_path, api, steps=Steps(step, after), rules=rules)
    desk.expect(whatsapp_message(Attachment("gone")))
    with pytest.raises(Died):
        desk.until_done(step_ms=60_000)
    desk = desk.again()
    if desk.tasks.summary().count:
        desk.until_done(step_ms=60_000)
    by_id: dict[bytes, set[bytes]] = {}
    for one in desk.said:
        by_id.setdefault(event_id(one), set()).add(codec.encode_content(one))
    assert {len(words) for words in by_id.values()} == {1}
    assert desk.reasons()[-1] == ("failed", "not_found")
    desk.close()


def test_the_put_that_seemed_to_fail_is_the_object(desk: Desk) -> None:
    """Applied but error: put again under its name, which is taken, and so it is ours."""
    desk.api.whatsapp("1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)))
    desk.objects.faults.arm("store_put_once_applied_but_error")
    desk.turn()
    stored_once(desk)
    assert len(desk.objects.objects) == 1


def test_nothing_of_a_picture_lies_anywhere_in_clear(desk: Desk,
                                                     caplog: pytest.LogCaptureFixture) -> None:
    """Not in the list, not in the sealed file while it waits, not in the store, not in a log; nor
    who it is from, nor where it lies."""
    detector = Detector({"picture": "quastenfloesser", "caption": "a secret caption",
                         "address": "/2010-04-01/Accounts", "id": "wamid.1",
                         "number": "16505551234", "hash": HASH.hex()})
    desk.api.whatsapp("1", PICTURE)
    address = desk.api.twilio("ME1", PICTURE)
    desk.expect(whatsapp_message(Attachment("1", sha256=HASH)),
                twilio_message(Attachment("ME1", url=address)))
    desk.objects.faults.arm("store_put_once_not_applied", 1)
    for nth in range(1, 7):
        desk.objects.faults.arm("store_put_once_not_applied", nth)
    desk.turn()
    waiting = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sealed" and path.stat().st_size > len(PICTURE)
               for path in waiting)
    assert detector.look_in_files("disk", waiting) == set()
    assert all(path.stat().st_mode & 0o077 == 0 for path in waiting)
    desk.clock.now += 60_000
    desk.until_done()
    for (version,) in desk.objects.objects.values():
        assert detector.look("store", version.body) == set()
    assert detector.look("log", caplog.text.encode()) == set()
    assert len(desk.facts("stored")) == 2


def test_retry_rules_end_before_the_provider_forgets() -> None:
    """The last attempt is a minute before the end, and then there is none."""
    rules, failure = RetryRules(), FetchFailed("unreachable")
    (task,) = tasks_of([whatsapp_message(Attachment("1"))])
    task = rules.failed(task, failure, 0)
    assert rules.again_at(task, failure, 0, 1_000_000) == 10_000
    assert rules.again_at(task, FetchFailed("unreachable", after_ms=50_000), 0, 1_000_000) == 50_000
    assert rules.again_at(task, failure, 995_000 - 60_000, 1_000_000) == 945_000
    assert rules.again_at(task, failure, 935_000, 940_000) == 940_000
    assert rules.again_at(task, failure, 1_000_000, 1_000_000) is None
    assert rules.again_at(task, FetchFailed("too_large", final=True), 0, 1_000_000) is None


# -- through the doors


def mms(api: MediaApi, count: int) -> bytes:
    """An MMS with `count` files, of which the fourth is not there."""
    fields = {"MessageSid": "MM1", "AccountSid": SID, "From": "+16505551234",
              "To": f"+{FIRM_NUMBER}", "Body": "ten of them", "NumMedia": str(count)}
    for place in range(count):
        address = api.twilio(f"ME{place}", PICTURE[:1000 + place])
        if place == 3:
            del api.files[address.removeprefix(api.base)]
        fields |= {f"MediaUrl{place}": address, f"MediaContentType{place}": "image/png"}
    return urlencode(fields).encode()


def test_case_48_ten_files_one_of_them_404(tmp_path: Path, api: MediaApi) -> None:
    """The text is archived at once; nine files are stored, and one failure is a fact."""
    desk = Desk(tmp_path, api)
    doorway = Doorway(tmp_path, media=lambda one: _worker_of(desk, one))
    form = mms(api, 10)
    url = f"{PUBLIC_URL}/hooks/twilio"

    async def act() -> None:
        async with doorway.running() as client:
            answer = await client.post("/hooks/twilio", content=form,
                                       headers=twilio_headers(url, form))
            assert answer.status_code == 200
            assert [one.text for one in doorway.events("message")] == ["ten of them"]
            await until(lambda: len(doorway.events("derived")) == 10)
            for _ in range(6):
                doorway.clock.now += 43_200_000
                desk.worker._wake.set()
                await asyncio.sleep(0.05)
            await until(lambda: len(doorway.events("derived")) == 11)

    asyncio.run(act())
    facts = [one.attachments[0] for one in doorway.events("derived")]
    assert sorted((one.state, one.reason or "") for one in facts) == [
        ("failed", "not_found"), ("pending", "not_found"), *[("stored", "")] * 9]
    desk.close()


def _worker_of(desk: Desk, doorway: Doorway) -> MediaWorker:
    desk.worker._parts = replace(desk.worker._parts, publish=doorway.publisher.publish,
                                 clock=doorway.clock, alarms=doorway.alarms)
    return desk.worker


def test_the_answer_does_not_wait_for_the_file(tmp_path: Path, api: MediaApi) -> None:
    """200 while the provider's media door says nothing; the row is on disk before it."""
    gate = threading.Event()
    api.whatsapp("1", PICTURE)
    api.once(f"/{VERSION}/1", wait_for(gate, say(503, b"")))
    desk = Desk(tmp_path, api)
    doorway = Doorway(tmp_path, media=lambda one: _worker_of(desk, one))
    item = {**text_message(1), "type": "image", "image": {"id": "1", "mime_type": "image/jpeg"}}
    del item["text"]
    body = whatsapp_body(item)

    async def act() -> None:
        async with doorway.running() as client:
            answer: httpx.Response = await client.post(
                "/hooks/whatsapp", content=body, headers=hub_headers(body))
            assert answer.status_code == 200
            assert desk.tasks.summary().count == 1
            assert len(doorway.events("message")) == 1 and doorway.events("derived") == []
            assert doorway.gateway.status().media_waiting in (0, 1)
            gate.set()

    asyncio.run(act())
    desk.close()


def test_an_operators_command_puts_files_on_the_gateways_list(tmp_path: Path) -> None:
    """What is read again from quarantine has its files fetched like everything else."""
    wire = Wire(load(tmp_path / "home"))
    wire.provision()
    wire.expect_media([whatsapp_message(number=3)])
    assert not (tmp_path / "home" / "gateway" / "media.db").exists()
    wire.expect_media([whatsapp_message(Attachment("1"), Attachment("2"))])
    tasks = SqliteTaskList(tmp_path / "home" / "gateway" / "media.db")
    assert tasks.summary().count == 2
    tasks.close()
