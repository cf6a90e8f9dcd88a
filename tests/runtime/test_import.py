"""An import on a data folder: files in order, several processes, and a ledger that was lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import pytest

from infra import carry, importer, importpool
from infra.config import load
from infra.embedded.ledger import Ledger, LedgerFile
from infra.importer import Given, Report
from infra.rebuildledger import archived, rebuild_ledger
from infra.wire import Wire
from ingest.imports import Answers
from schemas.errors import Missing, Transient
from schemas.identity import event_id
from tests.ingest import sms_backup_files
from tests.ingest.exports import Said, android, said, zip_of

pytestmark = pytest.mark.slow

NOW = 1_767_225_600_000
ANSWERS = Answers("olga", NOW, me="Ben", account="+4915550100009", zone="Europe/Berlin",
                  day_first=True)
NAME = "WhatsApp Chat with Ada.txt"
LINES = [said(f"2024-03-{1 + number % 27:02d} 14:{number % 60:02d}:00", ("Ada", "Ben")[number % 2],
              f"line number {number} of the engine's patterns") for number in range(60)]
LINES.sort(key=lambda one: one.at)


def wire_of(home: Path) -> Wire:
    """A data folder, provisioned."""
    wire = Wire(load(home))
    wire.provision_once()
    return wire


def backup(*bodies: str) -> str:
    """An SMS backup with these texts, a minute apart."""
    rows = "".join(
        f'<sms protocol="0" address="+4915550100001" date="{1_700_000_000_000 + at * 60_000}" '
        f'type="{1 + at % 2}" subject="null" body="{body}" read="1" status="-1" '
        'contact_name="Ada" />' for at, body in enumerate(bodies))
    return f'<?xml version="1.0" encoding="UTF-8"?><smses count="{len(bodies)}">{rows}</smses>'


def taken(wire: Wire, *paths: Path, processes: int = 1) -> Report:
    """Everything of these paths, durable."""
    report = Report()
    given = [Given(path, ANSWERS) for path, _ in importer.files_of(paths, report)]
    importpool.run(wire, given, report, lambda _read: None, processes)
    return report


def write(folder: Path, content: str, name: str = NAME) -> Path:
    """A file to hand in."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content, "utf-8")
    return path


def story(folder: Path) -> list[Path]:
    """Three exports of one chat, with all that can happen to a line; then one more."""
    def texts(lines: Sequence[Said], changes: dict[int, str]) -> str:
        return android([Said(one.at, one.sender, changes.get(at, one.body))
                        for at, one in enumerate(lines)])
    later = {5: "line five says this now <This message was edited>", 7: "This message was deleted"}
    return [
        write(folder / "1", texts(LINES[:40], {})),
        write(folder / "2", texts(LINES[:50], later)),
        write(folder / "3", texts(LINES[:20] + LINES[22:55], later)),
        write(folder / "4", texts(LINES, later | {
            30: "You deleted this message", 31: "and thirty-one that <This message was edited>"})),
    ]


def tallies(report: Report) -> list[tuple[int, ...]]:
    """What each file came to."""
    return [astuple(one.tally) for one in report.outcomes]


def test_a_rebuilt_ledger_gives_the_same_alignment(tmp_path: Path) -> None:
    """Lost, refused, made again from the archive: every export that was read is known, and the next
    one comes to what it would have come to; no id changes."""
    wire = wire_of(tmp_path / "home")
    first, second, third, fourth = story(tmp_path)
    sms = write(tmp_path / "5", backup("ok", "ok", "until tomorrow"), "sms.xml")
    for path in (first, second, third, sms):
        taken(wire, path)
    carry.carry(wire, unheard)
    shutil.copytree(wire.home, tmp_path / "twin")
    twin = Wire(load(tmp_path / "twin"))
    path = importer.ledger_path(wire)
    for name in path.parent.glob("ledger.db*"):
        name.unlink()
    with pytest.raises(Missing, match="ledger rebuild"):
        taken(wire, fourth)
    rebuild_ledger(wire)
    more = write(tmp_path / "6", backup("ok", "ok", "until tomorrow", "fine"), "sms.xml")
    for again in (first, second, third, sms):
        (outcome,) = taken(wire, again).outcomes
        assert (outcome.tally.new, outcome.tally.edits, outcome.tally.retractions) == (0, 0, 0)
    for again in (fourth, more):
        assert tallies(taken(twin, again)) == tallies(taken(wire, again))
    carry.carry(wire, unheard)
    carry.carry(twin, unheard)
    assert ids(twin) == ids(wire)


def unheard(said: str) -> None:
    """Nothing is to be told of."""
    raise AssertionError(said)


def test_a_rebuilt_ledger_knows_the_files_that_no_message_names(tmp_path: Path) -> None:
    """What lay in the zip beside the chat is not taken a second time."""
    wire = wire_of(tmp_path / "home")
    made = zip_of({"WhatsApp Chat with Ada.txt": android(LINES[:3]), "notes.pdf": b"%PDF-1.7"},
                  "WhatsApp Chat - Ada.zip")
    path = tmp_path / made.name
    path.write_bytes(made.open().read())
    assert (taken(wire, path).tally.noted, taken(wire, path).tally.noted) == (1, 0)
    carry.carry(wire, unheard)
    rebuild_ledger(wire)
    tally = taken(wire, path).tally
    assert (tally.noted, tally.recorded, tally.known) == (0, 0, 4)


def test_a_rebuilt_ledger_tells_pictures_of_one_id_apart(tmp_path: Path) -> None:
    """The centre's id says nothing of the parts: the same row is known, another one is not."""
    wire = wire_of(tmp_path / "home")

    def taken_with(text: str) -> tuple[int, int]:
        body = sms_backup_files.mms(sms_backup_files.part("text/plain", text=text), m_id="same")
        (tmp_path / "sms.xml").write_bytes(sms_backup_files.backup(body))
        tally = taken(wire, tmp_path / "sms.xml").tally
        return tally.known, tally.recorded

    assert [taken_with("x"), taken_with("x")] == [(0, 1), (1, 0)]
    carry.carry(wire, unheard)
    rebuild_ledger(wire)
    assert [taken_with("x"), taken_with("y")] == [(1, 0), (0, 1)]


def test_a_rebuilt_ledger_knows_which_files_are_stored(tmp_path: Path) -> None:
    """A picture of a message that lies in the store is not put there a second time."""
    wire = wire_of(tmp_path / "home")
    lines = [*LINES[:3], said("2024-03-28 14:00:00", "Ada", "a.png (file attached)")]
    made = zip_of({"WhatsApp Chat with Ada.txt": android(lines), "a.png": b"\x89PNG a picture"},
                  "WhatsApp Chat - Ada.zip")
    path = tmp_path / made.name
    path.write_bytes(made.open().read())
    assert [taken(wire, path).tally.files_stored for _ in range(2)] == [1, 0]
    carry.carry(wire, unheard)
    rebuild_ledger(wire)
    tally = taken(wire, path).tally
    assert (tally.new, tally.known, tally.files_stored) == (0, 4, 0)


def ids(wire: Wire) -> set[bytes]:
    """Every imported event that is archived."""
    return {event_id(event) for event in archived(wire) if event.provenance == "custodian_supplied"}


def test_a_ledger_of_another_key_is_not_rebuilt_over_silently(tmp_path: Path) -> None:
    """The key is lost with its folder: nothing is made anew, the backup is asked for."""
    wire = wire_of(tmp_path / "home")
    taken(wire, write(tmp_path, android(LINES[:3])))
    (wire.keys_folder.root / "importer" / "ledger.key").unlink()
    for act in (lambda: taken(wire, tmp_path / NAME), lambda: rebuild_ledger(wire)):
        with pytest.raises(Missing, match=r"ledger\.key"):
            act()


def test_several_processes_come_to_what_one_does(tmp_path: Path) -> None:
    """The same tallies, events and ledger, file for file; exports of one chat in their order."""
    folder = tmp_path / "exports"
    story(folder)
    for name in ("Bob", "Carl", "Dora"):
        write(folder, android([Said(one.at, name if one.sender == "Ada" else "Ben",
                                    f"{one.body} for {name}") for one in LINES]),
              f"WhatsApp Chat with {name}.txt")
    write(folder, backup(*(f"text {at}" for at in range(40))), "sms.xml")
    write(folder, "a letter to nobody", "letter.txt")
    one, many = wire_of(tmp_path / "one"), wire_of(tmp_path / "many")
    # The ids of lines come from the key.
    shutil.copyfile(one.keys_folder.root / "importer" / "ledger.key",
                    many.keys_folder.root / "importer" / "ledger.key")
    alone, together = taken(one, folder), taken(many, folder, processes=2)
    assert tallies(alone) == tallies(together)
    assert alone.tally.quarantined == 1 and alone.tally.edits == 2
    for wire in (one, many):
        carry.carry(wire, unheard)
    assert ids(one) == ids(many)
    shelves = [LedgerFile(importer.ledger_path(wire)) for wire in (one, many)]
    assert len({frozenset(shelf.digests()) for shelf in shelves}) == 1
    for shelf in shelves:
        shelf.close()


def test_a_folder_is_read_in_the_order_of_its_exports(tmp_path: Path) -> None:
    """The oldest first; of one time by name, copies behind what they are copies of; what is no
    export is noted, hidden files and links are nobody's."""
    names = ["Chat (10).txt", "Chat.txt", "Chat (2).txt", "b/older.zip", "photo.jpg", ".hidden.txt"]
    for name in names:
        path = write((tmp_path / name).parent, "x", Path(name).name)
        os.utime(path, (1_700_000_000, 1_700_000_000 - 86_400 * (name == "b/older.zip")))
    (tmp_path / "link.txt").symlink_to(tmp_path / "Chat.txt")
    report = Report()
    found = [path.relative_to(tmp_path).as_posix()
             for path, _ in importer.files_of([tmp_path], report)]
    assert found == ["b/older.zip", "Chat.txt", "Chat (2).txt", "Chat (10).txt"]
    assert report.skipped == [str(tmp_path / "photo.jpg")]


def test_a_second_import_is_told(tmp_path: Path) -> None:
    """One at a time: the other one hears which process it waits for."""
    wire = wire_of(tmp_path / "home")
    path = write(tmp_path, android(LINES[:3]))
    with importer.ledger_file(wire), pytest.raises(Transient, match="another import"):
        taken(wire, path)
    assert taken(wire, path).tally.new == 3


def test_a_picture_in_the_zip_is_stored(tmp_path: Path) -> None:
    """Its fact is in the archive with the message, and the import says that it is there."""
    wire = wire_of(tmp_path / "home")
    lines = [said("2024-03-01 10:00:00", "Ada", "IMG-20240301-WA0001.jpg (file attached)")]
    made = zip_of({"WhatsApp Chat with Ada.txt": android(lines),
                   "IMG-20240301-WA0001.jpg": b"\xff\xd8\xff picture"}, "WhatsApp Chat - Ada.zip")
    path = tmp_path / made.name
    path.write_bytes(made.open().read())
    report = taken(wire, path)
    assert (report.tally.new, report.tally.files_stored) == (1, 1)
    assert taken(wire, path).tally.files_stored == 0
    carry.carry(wire, unheard)
    (fact,) = [one for one in archived(wire) if one.kind == "derived"]
    assert fact.attachments[0].state == "stored"
    checked = wire.verifier(lambda _done, _what: None).run(wire.clock())
    assert list(checked.findings) == []


def test_waiting_ends_when_nothing_moves(tmp_path: Path) -> None:
    """Nobody archives: it says that all is durable, and gives up when nothing has changed."""
    wire = wire_of(tmp_path / "home")
    report = taken(wire, write(tmp_path, android(LINES[:3])))
    ticks = iter(range(1000))
    with pytest.raises(Transient, match="durable and not searchable"):
        carry.await_searchable(wire, report.offsets, clock=lambda: float(next(ticks)),
                               sleep=lambda _s: None, stall_s=5)
    carry.carry(wire, unheard)
    carry.await_searchable(wire, report.offsets, sleep=lambda _s: None)


def test_a_dry_run_leaves_no_trace(tmp_path: Path) -> None:
    """Not a file is made, on a folder that has nothing and on one that has all."""
    path = write(tmp_path, android(LINES[:3]))
    empty = Wire(load(tmp_path / "empty"))
    report = Report()
    importer.rehearse(empty, [Given(path, ANSWERS)], report, lambda _read: None)
    assert report.tally.new == 3 and not (tmp_path / "empty").exists()
    wire = wire_of(tmp_path / "home")
    taken(wire, path)
    shelf = LedgerFile(importer.ledger_path(wire))
    before = set(shelf.digests())
    more = write(tmp_path / "2", android(LINES[:5]))
    report = Report()
    importer.rehearse(wire, [Given(more, ANSWERS)], report, lambda _read: None)
    assert (report.tally.new, report.tally.known) == (2, 3)
    assert before == set(shelf.digests())
    Ledger(shelf, wire.keys_folder.ledger_key(may_make=False), wire.random).check()
    shelf.close()
