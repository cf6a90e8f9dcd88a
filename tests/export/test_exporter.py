"""Packages out of a real embedded archive: what is in them, that they go on, and are the same."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from archive.tlog import note
from infra import exportpackage
from infra.demo import files as demo
from infra.exportfolder import ExportFolder
from infra.exports import Exporter
from infra.verbs import hold, imports
from infra.wire import Wire
from schemas import codec
from schemas.errors import Exists, Missing, Refused
from schemas.events import CapturedEvent
from search.access.viewer import operator
from search.export import certificate
from search.export.granted import Done, Granted
from search.export.select import Selection, Selector
from search.export.wanted import FORMATS, INCLUDE, Wanted
from tests.export import home
from tests.export.bags import bagit
from tests.export.home import NOON
from tests.runtime.test_replay import archived

NATIVE = ("native",)
GRANTED = Granted("ab" * 16, "ann", NOON, custody=({"act": "requested", "who": "ann"},))


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """One archive for every test that only reads."""
    return home.made(tmp_path_factory.mktemp("archive") / "home")


def silent(_what: str, _done: int, _of: int) -> None:
    """Nobody looks."""


def exported(wire: Wire, out: Path, wanted: Wanted, granted: Granted = GRANTED) -> Done:
    """The package."""
    return Exporter(wire, operator("ann")).run(wanted, granted, out, silent)


def token(wire: Wire, native: str) -> str:
    """What a search calls a conversation."""
    return wire.tokenizer().named("conversation", native)


def lines(package: Path, name: str) -> list[dict[str, Any]]:
    """Of a `.jsonl` file."""
    return [json.loads(one) for one in (package / "data" / name).read_bytes().splitlines()]


def texts(package: Path) -> list[tuple[str, str]]:
    """(document id, text) of every message, edit and retraction, in order."""
    return [(one["document"], (one["event"].get("text") or "")[:30])
            for one in lines(package, "native/events.jsonl") if "kind" in one["event"]
            and "set_id" not in one["event"]]


def test_a_whole_conversation_with_every_version(wire: Wire, tmp_path: Path) -> None:
    """Each captured version is in it, the retraction without its message too; parts are parts, with
    the whole beside the first."""
    wanted = Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE)
    done = exported(wire, tmp_path / "out", wanted)
    found = texts(tmp_path / "out")
    assert [("CF-0000001", "The price is 100."), ("CF-0000001", "The price is 120."),
            ("CF-0000001", "The price is 130.")] == found[:3]
    assert ("CF-0000004", "And the deposit?") in found
    records = lines(tmp_path / "out", "native/events.jsonl")
    parts = [one for one in records if "set_id" in one["event"]]
    assert 2 == len(parts) and "whole" in parts[0] and "whole" not in parts[1]
    assert {"bytes": len("x" * 900_000)} != parts[0]["whole"]["text"]
    assert "x" * 900_000 == parts[0]["whole"]["text"]
    assert list(range(1, done.counts.records + 1)) == [one["record"] for one in records]
    assert 7 == done.counts.exported


def test_the_datums_are_what_was_captured(wire: Wire, tmp_path: Path) -> None:
    """Every record decodes to the event that came in, whatever its kind."""
    exported(wire, tmp_path / "out",
             Wanted(conversations=(token(wire, home.WITH_OMAR),), formats=NATIVE))
    captured = {one.native_id: one for one in (*home.first(), *home.later())}
    seen = set()
    for one in lines(tmp_path / "out", "native/events.jsonl"):
        event = codec.decode(base64.b64decode(one["datum"]))
        assert isinstance(event, CapturedEvent)
        if event.native_id in captured:
            meant = captured[event.native_id]
            assert (meant.kind, meant.text, meant.occurred_at, meant.actor) == (
                event.kind, event.text, event.occurred_at, event.actor)
            seen.add(event.native_id)
    assert {"o1", "o2", "r2", "re1", "o3"} == seen


def test_raw_bytes_are_the_providers_and_nobody_elses(wire: Wire, tmp_path: Path) -> None:
    """A delivery of one client whole, its second item as a range of it; of a delivery of two
    clients each conversation gets its own bytes and no byte of the other."""
    alone, both = home.webhooks()
    raws: dict[str, dict[str, bytes]] = {}
    for native in (home.WITH_ANN, home.WITH_OMAR):
        out = tmp_path / native[-4:]
        exported(wire, out, Wanted(conversations=(token(wire, native),), formats=NATIVE))
        raws[native] = {}
        for one in lines(out, "native/events.jsonl"):
            if one["raw"] is not None:
                raw = (out / one["raw"]["file"]).read_bytes()
                assert one["raw"]["sha256"] == sha256(raw).hexdigest()
                raws[native][one["event"]["native_id"]] = raw
                if one["raw"]["kind"] == "slice":
                    assert one["raw"]["of"] == one["record"] - 1
    ann, omar = raws[home.WITH_ANN], raws[home.WITH_OMAR]
    assert ann["wamid.1"] == alone and json.loads(ann["wamid.2"])["id"] == "wamid.2"
    assert b"only Ann's" in ann["wamid.3"] and b"only Omar's" in omar["wamid.4"]
    assert ann["wamid.3"] in both and omar["wamid.4"] in both
    for package, foreign in ((tmp_path / home.WITH_ANN[-4:], b"only Omar's"),
                             (tmp_path / home.WITH_OMAR[-4:], b"only Ann's")):
        for file in package.rglob("*"):
            body = file.read_bytes() if file.is_file() else b""
            assert foreign not in body and base64.b64encode(foreign)[4:-4] not in body


@pytest.mark.parametrize("query", ["price", "state:retracted", "from:+16505550000"])
def test_a_query_chooses_what_a_search_finds(wire: Wire, tmp_path: Path, query: str) -> None:
    """The same messages, and no claim of completeness."""
    found = wire.searcher().search(query, operator("ann"), limit=100)
    done = exported(wire, tmp_path / "out", Wanted(query=query, formats=NATIVE))
    assert found.total == done.counts.matched > 0
    claim = json.loads((tmp_path / "out/data/proof/complete.json").read_bytes())
    assert "none" == claim["kind"] and "query" in claim["why"]


def test_what_is_privileged_stays_behind_and_is_listed(wire: Wire, tmp_path: Path) -> None:
    """By cell and place, with a ground and no word of it; who may can include it."""
    wanted = Wanted(custodians=("carol",), formats=NATIVE)
    done = exported(wire, tmp_path / "out", wanted)
    assert {"privileged": 1} == done.counts.withheld
    (left,) = lines(tmp_path / "out", "proof/withheld.jsonl")
    assert ("privileged", "CF-W-0001") == (left["reason"], left["document"])
    package = b"".join(one.read_bytes() for one in (tmp_path / "out").rglob("*") if one.is_file())
    assert b"advice is to settle" not in package
    done = exported(wire, tmp_path / "in", Wanted(custodians=("carol",), formats=NATIVE,
                                                  privileged=INCLUDE))
    assert {} == done.counts.withheld
    assert "Our advice is to settle." in dict(texts(tmp_path / "in")).values()


def test_a_privileged_conversation_is_complete_without_a_word(wire: Wire, tmp_path: Path) -> None:
    """All of it stays behind; its tag is open all the same, so that nothing more can hide."""
    wanted = Wanted(conversations=(token(wire, home.WITH_LAWYER),), formats=NATIVE)
    done = exported(wire, tmp_path / "out", wanted)
    assert (0, {"privileged": 1}) == (done.counts.exported, done.counts.withheld)
    claim = json.loads((tmp_path / "out/data/proof/complete.json").read_bytes())
    assert ["C-0001"] == [one["conversation"] for one in claim["conversations"]]
    assert 0 == exportpackage.verified(tmp_path / "out").code


@pytest.mark.parametrize("mode", ["none", "plain"])
def test_a_query_finds_the_same_whatever_the_index_holds(tmp_path: Path, mode: str) -> None:
    """Also where the index has no words, and the texts are read."""
    wire = home.made(tmp_path / "home", search={"text": mode})
    done = exported(wire, tmp_path / "out", Wanted(query="price", formats=NATIVE))
    assert (1, 3) == (done.counts.exported, done.counts.records)


@pytest.mark.parametrize("wanted", [
    Wanted(custodians=("carol",)), Wanted(custodians=("carol",), privileged=INCLUDE),
    Wanted(query="price OR deposit", context=1), Wanted(custodians=("carol",), until=NOON + 1),
], ids=["custodian", "with privileged", "query", "period"])
def test_a_strangers_script_believes_it(wire: Wire, tmp_path: Path, wanted: Wanted) -> None:
    """Every package verifies, in an interpreter that has nothing of ours; one changed byte of any
    record's text does not."""
    exported(wire, tmp_path / "out", wanted)
    certified = json.loads((tmp_path / "out/certificate.json").read_bytes())
    keys = certified["log_keys"][0], certified["package_key"]
    found = exportpackage.verified(tmp_path / "out", *keys)
    assert 0 == found.code and "VERDICT: nothing in this package was changed" in found.said
    assert certificate.with_key(*keys) == certified["verify"]["with_key"]
    events = tmp_path / "out/data/native/events.jsonl"
    events.write_bytes(events.read_bytes().replace(b"The price is 100", b"The price is 900"))
    assert 1 == exportpackage.verified(tmp_path / "out").code


def test_context_stands_around_what_was_found(wire: Wire, tmp_path: Path) -> None:
    """As many as asked for on each side, of the same conversation, told apart in the counts."""
    done = exported(wire, tmp_path / "out", Wanted(query="deposit", context=2, formats=NATIVE))
    assert (1, 4) == (done.counts.exported, done.counts.context)
    assert all(one["conversation"] == "C-0001"
               for one in lines(tmp_path / "out", "native/events.jsonl"))


def test_a_period_narrows_and_the_rest_is_listed(wire: Wire, tmp_path: Path) -> None:
    """What lies outside it is named by its place, so that nothing is silently missing."""
    wanted = Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE,
                    until=NOON + 10 * home.DAY)
    exported(wire, tmp_path / "out", wanted)
    assert "And the deposit?" not in dict(texts(tmp_path / "out")).values()
    left = lines(tmp_path / "out", "proof/withheld.jsonl")
    assert {"outside_period"} == {one["reason"] for one in left} and 4 == len(left)


def test_the_same_input_gives_the_same_bytes(wire: Wire, tmp_path: Path) -> None:
    """Two runs, file for file."""
    wanted = Wanted(custodians=("carol",), formats=FORMATS)
    one, two = (exported(wire, tmp_path / name, wanted) for name in ("one", "two"))
    assert one.manifest_sha256 == two.manifest_sha256
    assert files(tmp_path / "one") == files(tmp_path / "two")


def files(package: Path) -> dict[str, str]:
    """Every file with its hash."""
    return {one.relative_to(package).as_posix(): sha256(one.read_bytes()).hexdigest()
            for one in package.rglob("*") if one.is_file()}


class Cut(Exception):
    """The process ends here."""


@pytest.mark.parametrize("breaks_at", [1, 2, 3, 5, 8, 13, 21, 34, 55])
def test_an_interrupted_export_goes_on(wire: Wire, tmp_path: Path, breaks_at: int,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off at any write it stands under no name, and ends as if nothing had happened; what came
    into the archive meanwhile changes nothing."""
    wanted = Wanted(custodians=("carol",), formats=NATIVE)
    monkeypatch.setattr("search.export.package._COMMIT_ITEMS", 1)
    exported(wire, tmp_path / "whole", wanted)
    left, append = [breaks_at], ExportFolder.append

    def counted(self: ExportFolder, path: str, body: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            append(self, path, body[:len(body) // 2])
            raise Cut
        append(self, path, body)

    monkeypatch.setattr(ExportFolder, "append", counted)
    try:
        exported(wire, tmp_path / "cut", wanted)
    except Cut:
        assert not (tmp_path / "cut").exists() and (tmp_path / "cut.part").exists()
    monkeypatch.setattr(ExportFolder, "append", append)
    exported(wire, tmp_path / "cut", wanted)
    assert files(tmp_path / "whole") == files(tmp_path / "cut")
    assert not (tmp_path / "cut.part").exists() and not (tmp_path / "cut.part-work").exists()


def test_what_comes_later_is_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that is archived while an export is interrupted belongs to the next one."""
    wire = home.made(tmp_path / "home")
    wanted = Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE)
    exported(wire, tmp_path / "before", wanted)
    seal = ExportFolder.finish

    def cut(_self: ExportFolder) -> None:
        raise Cut

    monkeypatch.setattr(ExportFolder, "finish", cut)
    with pytest.raises(Cut):
        exported(wire, tmp_path / "out", wanted)
    monkeypatch.setattr(ExportFolder, "finish", seal)
    archived(wire, home.edit("The price is 140.", NOON + 200_000, "e3",
                             participants=(home.ANN, home.DESK), conversation=home.WITH_ANN))
    exported(wire, tmp_path / "out", wanted)
    assert files(tmp_path / "before") == files(tmp_path / "out")
    exported(wire, tmp_path / "after", wanted)
    assert "The price is 140." in [text for _, text in texts(tmp_path / "after")]


def test_a_folder_of_somebody_else_is_left_alone(wire: Wire, tmp_path: Path) -> None:
    """Neither what has the name, nor another export that was begun there."""
    wanted = Wanted(query="price", formats=NATIVE)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(Exists, match="name another folder"):
        exported(wire, tmp_path / "out", wanted)
    with pytest.raises(Missing, match="is no folder"):
        exported(wire, tmp_path / "no" / "out", wanted)
    done = exported(wire, tmp_path / "new", wanted)
    assert done == exported(wire, tmp_path / "new", wanted)
    with pytest.raises(Exists, match="another export"):
        exported(wire, tmp_path / "new", wanted, Granted("cd" * 16, "ann", NOON))


def test_nothing_that_matches_is_no_package(wire: Wire, tmp_path: Path) -> None:
    """Said, and nothing is made."""
    with pytest.raises(Missing, match="nothing in the archive matches"):
        exported(wire, tmp_path / "out", Wanted(query="zzzzz", formats=NATIVE))
    assert [] == list(tmp_path.iterdir())


def test_the_bag_is_one_by_the_specification(wire: Wire, tmp_path: Path) -> None:
    """An independent reader of BagIt validates it; a change, an extra file and a missing one are
    found by it."""
    exported(wire, tmp_path / "out", Wanted(query="price", formats=NATIVE))
    (tmp_path / "out" / "seal.note").rename(tmp_path / "seal.note")
    bag = bagit.Bag(str(tmp_path / "out"))
    bag.validate()
    assert ("1.0", "ab" * 16) == (bag.version, bag.info["External-Identifier"])
    shutil.copy(tmp_path / "seal.note", tmp_path / "out" / "seal.note")
    bagit.Bag(str(tmp_path / "out")).validate()
    (tmp_path / "out" / "data" / "more.txt").write_text("more")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(tmp_path / "out")).validate()


def test_the_seal_is_signed_by_the_console(wire: Wire, tmp_path: Path) -> None:
    """Over the tag manifest, under the key that the package names."""
    done = exported(wire, tmp_path / "out", Wanted(query="price", formats=NATIVE))
    trust = json.loads((tmp_path / "out/data/proof/trust.json").read_bytes())
    sealed = note.read((tmp_path / "out" / "seal.note").read_text())
    key = note.read_vkey(trust["package"])
    assert [key] == [one.key for one in note.verify(sealed, [key])]
    tags = sha256((tmp_path / "out" / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    assert f"counterfoil export package v1\n{'ab' * 16}\n{tags}\n" == sealed.text
    assert tags == done.manifest_sha256


def test_an_index_that_lags_is_no_ground_to_claim_completeness(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the conversation that the index does not know: refused, and said what to do."""
    wire = home.made(tmp_path / "home")
    select = Selector.select

    def forgetful(self: Selector, wanted: Wanted) -> Selection:
        found = select(self, wanted)
        return Selection(found.chosen[:-1], found.withheld)

    monkeypatch.setattr(Selector, "select", forgetful)
    with pytest.raises(Refused, match="not in the index"):
        exported(wire, tmp_path / "out",
                 Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE))


def test_a_preview_counts_what_a_package_has(wire: Wire, tmp_path: Path) -> None:
    """Messages, records, what stays behind; and writes nothing."""
    wanted = Wanted(custodians=("carol",), matter="no-such-matter", formats=NATIVE)
    seen = Exporter(wire, operator("ann")).preview(wanted)
    done = exported(wire, tmp_path / "out", wanted)
    assert (seen.matched, seen.events, seen.withheld) == (
        done.counts.matched, done.counts.records, done.counts.withheld)
    assert any("no-such-matter" in one for one in seen.warnings)


def test_files_go_along_and_are_those_that_were_sent(tmp_path: Path) -> None:
    """Through the real media objects of the archive: byte for byte, in every format that carries
    files; what is not there is said."""
    wire = home.made(tmp_path / "home")
    chat = tmp_path / demo.CHAT
    chat.write_bytes(demo.chat(NOON // 1000, again=False))
    imports.take_in(wire, imports.Wanted([chat], account=home.DESK.native_id, me="Anna Lindt",
                                         zone=demo.ZONE), json=False)
    done = exported(wire, tmp_path / "out", Wanted(query="attachment:yes"))
    with zipfile.ZipFile(chat) as sent:
        bodies = {sent.read(name) for name in sent.namelist() if not name.endswith(".txt")}
    folder = tmp_path / "out/data/native/attachments"
    assert bodies == {one.read_bytes() for one in folder.iterdir()}
    assert (len(bodies), sum(map(len, bodies))) == (done.counts.files, done.counts.file_bytes)
    assert 0 == exportpackage.verified(tmp_path / "out").code
    carried = set()
    for one in (tmp_path / "out/data/eml").iterdir():
        mail = email.message_from_bytes(one.read_bytes(), policy=email.policy.default)
        carried |= {part.get_payload(decode=True) for part in mail.walk() if part.get_filename()}
    assert bodies <= carried
    for one in folder.iterdir():
        one.write_bytes(one.read_bytes() + b"!")
    assert 1 == exportpackage.verified(tmp_path / "out").code


def test_what_a_hold_concerns_is_exported_by_its_id(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The messages of its scope; an id that is none is said to be none."""
    wire = home.made(tmp_path / "home")
    hold.place(wire, "Doe", "a claim", hold.Wanted(query="price"), json=True)
    (placed,) = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    done = exported(wire, tmp_path / "out", Wanted(hold=placed["id"], formats=NATIVE))
    assert (1, 3) == (done.counts.exported, done.counts.records)
    assert 0 == exportpackage.verified(tmp_path / "out").code
    with pytest.raises(Missing, match="there is no hold"):
        exported(wire, tmp_path / "no", Wanted(hold="0" * 16, formats=NATIVE))
