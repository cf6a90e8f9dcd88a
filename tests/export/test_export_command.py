"""`counterfoil export` with the real thing behind it: a package that its recipient can check."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.exportpackage import Exports, exporter
from infra.exportrun import packed
from infra.exportzip import zipped
from infra.verbs import export as verbs
from infra.verbs.export import How, Typed
from infra.verbs.exportkeys import keys
from infra.wire import Wire
from schemas.errors import Missing, Transient
from search.access.viewer import Viewer
from search.export.granted import Done, Granted, Preview, Progress
from search.export.wanted import Wanted
from tests.export import home
from tests.export.offline_archive import THIEF
from tests.interface.test_json import as_stated

NATIVE = ("native",)


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """A small archive."""
    return home.made(tmp_path_factory.mktemp("archive") / "home")


def typed(wire: Wire, **more: Any) -> Typed:
    """A whole conversation."""
    talk = wire.tokenizer().named("conversation", home.WITH_ANN)
    return Typed(conversations=(talk,), formats=NATIVE, **more)


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line of JSON that was printed."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


class Breaking:
    """The real one, interrupted when `at` begins."""

    def __init__(self, at: str) -> None:
        self._at = at

    def __call__(self, wire: Wire, viewer: Viewer, progress: Progress) -> Exports:
        return _Broken(exporter(wire, viewer, progress), self._at)


class _Broken:
    """Implements infra.exportpackage.Exports."""

    def __init__(self, real: Exports, at: str) -> None:
        self._real, self._at = real, at

    def preview(self, wanted: Wanted) -> Preview:
        """See Exports."""
        return self._real.preview(wanted)

    def run(self, wanted: Wanted, facts: Granted, out: Path, progress: Progress) -> Done:
        """See Exports."""
        def told(what: str, done: int, of: int) -> None:
            progress(what, done, of)
            if what.startswith(self._at):
                raise Transient("the machine was switched off")

        return self._real.run(wanted, facts, out, told)


def test_a_package_is_made_and_its_recipient_checks_it(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A matter that the directory lacks is a warning; the package verifies in a clean interpreter,
    and with one byte changed it does not; the hashes on record are those of the folder."""
    out = tmp_path / "set"
    verbs.export(wire, typed(wire, matter="Doe v. Roe", title="First set"),
                 How(out, agreed=True, json=True))
    told = capsys.readouterr()
    made = json.loads(told.out.splitlines()[-1])
    as_stated("export", made)
    assert "no matter Doe v. Roe" in told.err
    documents = {json.loads(one)["document"] for one in (
        out / "data" / "native" / "events.jsonl").read_bytes().splitlines()}
    assert ("finished", "Doe v. Roe", len(documents)) == (
        made["state"], made["wanted"]["matter"], made["counts"]["exported"])
    bag = (out / "bag-info.txt").read_text("utf-8")
    assert made["export"] in bag
    custody = [json.loads(one) for one in (out / "custody.jsonl").read_text("utf-8").splitlines()]
    assert ["requested", "begun"] == [one["act"] for one in custody]

    assert 0 == verbs.verify(out, json=True)
    good = last(capsys)
    as_stated("export-verify", good)
    assert good["ok"] and any("VERDICT" in one for one in good["said"])
    key = wire.log_keys()[0].vkey()
    assert 0 == verbs.verify(out, key, json=True)
    last(capsys)
    file = out / "data" / "native" / "events.jsonl"
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(bytes(body))
    assert 1 == verbs.verify(out, json=True)
    assert not last(capsys)["ok"]
    with pytest.raises(Missing):
        verbs.verify(tmp_path / "nowhere", json=True)


def test_the_keys_that_a_recipient_is_told_are_those_of_the_package(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With both the verdict is whole; another archive's log is not taken for this one's."""
    out = tmp_path / "set"
    verbs.export(wire, typed(wire, title="For the keys"), How(out, agreed=True, json=True))
    capsys.readouterr()
    assert 0 == keys(wire, json=True)
    told = last(capsys)
    as_stated("export-keys", told)
    assert 0 == verbs.verify(out, told["log"][0], told["package"], json=True)
    assert "NOT KNOWN" not in last(capsys)["said"][-1]
    assert 1 == verbs.verify(out, THIEF.key.vkey(), told["package"], json=True)
    capsys.readouterr()
    assert 0 == keys(wire, json=False)
    shown = capsys.readouterr().out
    assert f"--log-key {told['log'][0]} --package-key {told['package']}" in shown
    assert "by another way" in shown


@pytest.mark.parametrize("at", ["writing messages", "hashing files"])
def test_an_interrupted_package_is_the_same_as_an_uninterrupted_one(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str], at: str) -> None:
    """The same command goes on: one request, one beginning; the folder appears whole."""
    out = tmp_path / "set"
    asked = typed(wire, title=f"Interrupted while {at}")
    with pytest.raises(Transient, match="switched off"):
        verbs.export(wire, asked, How(out, agreed=True, json=True, maker=Breaking(at)))
    assert not out.exists()
    verbs.export(wire, asked, How(out, agreed=True, json=True))
    assert ["requested", "begun", "finished"] == [
        one["act"] for one in last(capsys)["custody"]]
    assert 0 == verbs.verify(out, json=True)


def test_a_package_is_zipped_the_same_each_time(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its content alone; of half a package there is no zip."""
    out = tmp_path / "set"
    verbs.export(wire, typed(wire), How(out, agreed=True, json=True))
    capsys.readouterr()
    first = b"".join(zipped(out, "set"))
    for one in out.rglob("*"):
        one.touch()
    assert first == b"".join(zipped(out, "set"))
    (out / "seal.note").unlink()
    with pytest.raises(Missing, match="no finished package"):
        zipped(out, "set")


def test_the_process_of_the_console_says_why_it_could_not(
        wire: Wire, tmp_path: Path) -> None:
    """No folder, no such export: a line of JSON in words, and the code of the error."""
    told = io.BytesIO()
    assert 65 == packed(wire, "ab" * 16, "ann", told)
    assert "export.folder" in json.loads(told.getvalue())["problem"]
    config = wire.config.model_copy(update={"export": wire.config.export.model_copy(
        update={"folder": tmp_path / "packages"})})
    told = io.BytesIO()
    assert 66 == packed(replace(wire, config=config), "ab" * 16, "ann", told)
    assert "there is no export" in json.loads(told.getvalue())["problem"]
