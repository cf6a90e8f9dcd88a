"""The bench of exports runs and checks itself, small, on an embedded folder."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from infra.embedded.store import FolderStore
from schemas import codec, events
from schemas.errors import Missing
from tests.bench import export_peer, report, results
from tests.bench.__main__ import is_right
from tests.bench.export import ExportPlan, Exports, missed
from tests.bench.export_archive import DAY, FEW, MESSAGE, Chosen, marked, place
from tests.bench.export_check import EVENTS, held
from tests.bench.export_peer import CHECK, RESTORE, STORE, Peer
from tests.bench.export_store import CountingStore
from tests.bench.traffic import MARKER, Traffic, Webhook
from tests.search.world import event

SMALL = ExportPlan(1_200, every=20, rounds=2, repeats=1)


def quiet(_line: str) -> None:
    """Nobody looks."""


def test_one_message_of_so_many_is_chosen_and_only_it_has_the_word() -> None:
    """As many as were due; every other post is the traffic's own, byte for byte, in both passes."""
    plain = list(Traffic(11, 5).webhooks(400))
    first, second = (list(marked(Traffic(11, 5).webhooks(400), 10)) for _ in range(2))
    assert first == second
    chosen = [one for one in first if one[1]]
    assert 40 == len({native_id for _, native_id, _ in chosen})
    assert 2 == sum(FEW in text for _, _, text in chosen)
    for (webhook, native_id, text), was in zip(first, plain, strict=True):
        assert (MARKER.encode() in webhook.body) == bool(native_id)
        if native_id:
            assert (native_id, text) == said_by(webhook)
            assert text.removesuffix(f" {FEW}").removesuffix(f" {MARKER}") == said_by(was)[1]
        else:
            assert was == webhook


def said_by(webhook: Webhook) -> tuple[str, str]:
    """Native id and text of a post with a message."""
    said = json.loads(webhook.body)["entry"][0]["changes"][0]["value"]
    item = (said.get("messages") or said["message_echoes"])[0]
    return item["id"], item["text"]["body"]


def test_a_message_lies_in_one_file_of_each_layout() -> None:
    """Alone, or with its conversation's day."""
    webhooks = list(Traffic(11, 5).webhooks(50))
    alone = [place(MESSAGE, one, number) for number, one in enumerate(webhooks)]
    assert len(set(alone)) == 50
    days = [place(DAY, one, number) for number, one in enumerate(webhooks)]
    assert all(path.startswith(day.removesuffix(".jsonl") + "/")
               for path, day in zip(alone, days, strict=True))


def test_reads_are_counted_by_what_is_read(tmp_path: Path) -> None:
    """Requests and the bytes that came back; a read of nothing is a request, too."""
    store = CountingStore(FolderStore(tmp_path))
    version = store.put_once("segments/a", b"0123456789", None)
    assert {} == store.reads
    assert b"234" == store.get("segments/a", version, 2, 3)
    assert b"0123456789" == store.get("segments/a")
    with pytest.raises(Missing):
        store.get("log/a")
    assert ["segments/a"] == [one.key for one in store.versions("segments/")]
    assert [] == list(store.versions("log/"))
    store.lock("segments/a", version)
    segments, log = store.reads["segments"], store.reads["log"]
    assert (2, 13, 1, 1) == (segments.gets, segments.bytes, segments.lists, segments.heads)
    assert (1, 0, 1, 0) == (log.gets, log.bytes, log.lists, log.heads)


def package(folder: Path, *texts: tuple[str, str]) -> Path:
    """What the check reads of a package: records of these (native id, text), in one cell."""
    for name in ("data/native", "data/proof"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (native_id, text) in enumerate(texts, 1):
        said = event(events.MESSAGE, native_id, text)
        lines.append(json.dumps({"record": number, "event": {"text": text},
                                 "datum": base64.b64encode(codec.encode(said)).decode()}))
    (folder / EVENTS).write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "data/proof/cells.jsonl").write_text(json.dumps(
        {"entry": json.dumps({"length": 70, "key": "segments/a"})}) + "\n", "utf-8")
    return folder


@pytest.mark.parametrize(("texts", "wrong"), [
    ([("a", "one"), ("b", "two")], ""), ([("a", "one")], "missing"),
    ([("a", "one"), ("b", "three")], "another text"),
    ([("a", "one"), ("b", "two"), ("c", "three")], "not chosen"),
    ([("a", "one"), ("b", "two"), ("b", "two")], "twice")])
def test_a_package_that_holds_too_little_or_too_much_is_named(
        tmp_path: Path, texts: list[tuple[str, str]], wrong: str) -> None:
    """What is missing, changed, twice or not chosen scores 0."""
    chosen = {name: Chosen(text, few=False, files={}) for name, text in (("a", "one"),
                                                                         ("b", "two"))}
    found = held(package(tmp_path / "package", *texts), chosen)
    assert wrong in found.wrong and bool(wrong) == bool(found.wrong)
    assert (len(texts), 1, 70, 1) == (found.records, found.cells, found.cell_bytes, found.segments)


@pytest.mark.slow
@pytest.mark.allowed_skip("borg is a program of the machine, not of the repository")
@pytest.mark.skipif(not export_peer.installed(), reason="there is no borg here")
def test_the_peer_restores_what_was_asked_and_a_wrong_file_is_seen(tmp_path: Path) -> None:
    """Exactly the named files, equal to the originals; another digest, or a file that the
    repository does not have, scores 0."""
    bodies = {f"a/{number}": b"%d" % number * 100 for number in range(5)}
    with tarfile.open(tmp_path / "files.tar", "w") as tar:
        for path, body in bodies.items():
            about = tarfile.TarInfo(path)
            about.size = len(body)
            tar.addfile(about, io.BytesIO(body))
    peer = Peer(tmp_path, DAY)
    assert "" == peer.store(tmp_path / "files.tar", 5, 500).wrong
    wanted = {path: sha256(bodies[path]).hexdigest() for path in ("a/1", "a/3")}
    restored = peer.restore(wanted)
    assert (2, 200, "") == (restored.files, restored.bytes, restored.wrong)
    assert peer.restore(wanted | {"a/3": "00" * 32}).wrong
    assert peer.restore(wanted | {"a/9": "00" * 32}).wrong
    assert "" == peer.check(5).wrong
    for one in (tmp_path / f"borg-{DAY}" / "repository" / "data").rglob("*"):
        if one.is_file() and one.stat().st_size > 500:
            changed = bytearray(one.read_bytes())
            changed[len(changed) // 2] ^= 1
            one.write_bytes(changed)
    assert "borg ended with" in peer.check(5).wrong


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One small run."""
    exports = Exports(tmp_path_factory.mktemp("export"), SMALL, quiet)
    return results.of_export(exports.run(), quick=True)


@pytest.mark.slow
def test_exports_run_and_check_themselves(found: dict[str, Any]) -> None:
    """Sixty messages out of 1,200: all are in the package, its verifier agrees and finds a changed
    byte, the cells that were needed were read; the peer gives the same back, where there is one."""
    assert is_right({"export": found}), (found["exports"], found["verifies"], found["peers"])
    large, few, formats = found["exports"]
    assert (60, 3, 3) == (large["messages"], few["messages"], formats["messages"])
    assert found["made"]["segments"] == large["held"]["segments"]
    assert (large["reads"]["segments"]["bytes"] >= large["cell_bytes"]
            >= large["held"]["cell_bytes"] > 0)
    assert formats["held"]["bytes"] > few["held"]["bytes"]
    assert 3 == len(found["verifies"]) and all(one["records"] for one in found["verifies"])
    if export_peer.installed():
        assert {STORE, RESTORE, CHECK} == {one["what"] for one in found["peers"]}
    json.dumps(found)


@pytest.mark.slow
@pytest.mark.parametrize("many", ["exports", "verifies"])
def test_a_wrong_run_scores_nothing(found: dict[str, Any], many: str) -> None:
    """It is said where the figure would stand, and the bench ends with 1."""
    assert "÷" in report.render({"export": found})
    first, *others = found[many]
    broken = found | {many: [first | {"wrong": "3 of 60 are missing"}, *others]}
    assert not is_right({"export": broken})
    assert "**0: 3 of 60" in report.render({"export": broken})


@pytest.mark.slow
def test_without_the_peer_the_bench_says_so(found: dict[str, Any]) -> None:
    """No failure, and no figure that is made up."""
    said = report.render({"export": found | {"peer": "", "peers": [], "repository_bytes": {}}})
    assert "is not installed" in said and "restore the chosen" not in said


@pytest.mark.slow
def test_a_verifier_that_finds_nothing_would_be_seen(tmp_path: Path) -> None:
    """A package whose verifier always agrees: the changed byte is not found, and that scores 0."""
    out = package(tmp_path / "package", ("a", "one"))
    (out / "verify.py").write_text('print(\'{"wrong": 0, "problems": []}\')\n', "utf-8")
    assert "was not found" in missed(out)
