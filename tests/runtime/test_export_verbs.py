"""The verbs `export`: from a question to a hand-over, as people type them. What makes packages is a
small one of the test's own; the real one has tests of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra import filelock
from infra.cli import app
from infra.config import load
from infra.disposition_who import Identity
from infra.exportdesk import HandOver, scope_digest
from infra.exportfolder import ExportFolder
from infra.exportpackage import MANIFEST
from infra.verbs import export as verbs
from infra.verbs.account import Given, add
from infra.verbs.export import How, Typed
from infra.wire import Wire
from schemas import events
from schemas.errors import Denied, Exists, Missing, Refused, Transient
from search.access.scope import EVERYTHING, NOTHING, Reach, Scope
from search.access.viewer import Viewer
from search.audit import Auditor
from search.export.granted import Done, Granted, Preview, Progress
from search.export.model import Counts
from search.export.wanted import Wanted
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_disposition import DAY, THEN, Clock
from tests.runtime.test_disposition_verbs import ACCESS, PASSWORD
from tests.runtime.test_replay import CAROL, archived
from tests.search.access.signin_world import FAST
from tests.search.policy.world import said

ANN, BOB, EVE = (Identity(who, PASSWORD) for who in ("ann", "bob", "eve"))
QUERY = Typed(query="closing", title="First set")


@dataclass
class Small:
    """Makes packages of two files. `breaks`: the run is interrupted half-way; `found`:
    how many messages fit. Remembers who looked, and what it was given."""

    breaks: bool = False
    found: int = 3
    viewers: list[Viewer] = field(default_factory=list)
    grants: list[Granted] = field(default_factory=list)

    def __call__(self, wire: Wire, viewer: Viewer, progress: Progress) -> _Exports:
        del wire, progress
        self.viewers.append(viewer)
        return _Exports(self)


@dataclass
class _Exports:
    """Implements infra.exportpackage.Exports."""

    small: Small

    def preview(self, wanted: Wanted) -> Preview:
        """See Exports."""
        del wanted
        return Preview(matched=self.small.found, context=1, withheld={"privileged": 2},
                       conversations=1, custodians=1, events=5, files=1, bytes_estimate=4096,
                       since=THEN, until=THEN + 1, warnings=("one is very long",))

    def run(self, wanted: Wanted, facts: Granted, out: Path, progress: Progress) -> Done:
        """See Exports."""
        self.small.grants.append(facts)
        part = ExportFolder(out)
        if not part.is_begun():
            part.begin(json.dumps({"export_id": facts.export_id}).encode(), {})
        if self.small.breaks:
            raise Transient("the disk is full")
        part.finish()
        (out / "custody.jsonl").write_text("".join(
            json.dumps(dict(row)) + "\n" for row in facts.custody), "utf-8")
        progress("writing", 1, 2)
        body = f"{facts.export_id} {wanted.digest}\n".encode()
        (out / MANIFEST).write_bytes(body)
        return Done(facts.export_id, str(out), Counts(matched=3, exported=3, records=5),
                    sha256(body).hexdigest(), "a seal", 9, ("two stayed behind",))


@pytest.fixture
def clock() -> Clock:
    """Set by hand."""
    return Clock(THEN)


@pytest.fixture
def wire(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """An embedded system with a message, and people."""
    return made(tmp_path, clock, monkeypatch)


def made(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, **export: Any) -> Wire:
    """The same, with a section `export`."""
    monkeypatch.setattr("infra.signin.parameters_for", lambda memory: FAST)
    wire = Wire(load(tmp_path / "home", export=export), clock)
    wire.provision_once()
    (wire.home / "directory.toml").write_text(CAROL, "utf-8")
    people(wire, ACCESS)
    word = tmp_path / "password"
    word.write_text(PASSWORD + "\n", "utf-8")
    for person in ("ann", "bob", "eve"):
        add(wire, person, Given(file=word, is_own=True), json=True)
    archived(wire, said("the closing is on Friday", THEN, "m1"))
    return wire


def people(wire: Wire, text: str) -> None:
    """access.toml."""
    path = wire.home / "access.toml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """The last line that a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0, **more: Any) -> dict[str, Any]:
        capsys.readouterr()
        assert verb(*said, **more) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        as_stated("export" if "export" in found else "export-preview", found)
        return found
    return run


def how(out: Path | None = None, maker: Small | None = None, **more: Any) -> How:
    """A command that agrees to everything."""
    return How(out, agreed=True, json=True, maker=maker or Small(), **more)


def acts(wire: Wire) -> list[tuple[str, str]]:
    """(kind, action) of what the firm itself recorded, in the order of the log, sign-ins apart."""
    return [(one.kind, one.detail("action") or "") for one in recorded(wire)
            if one.kind in (events.AUDIT, events.EXPORT)
            and not (one.detail("action") or "").startswith(("sign_", "account_"))]


def test_a_question_becomes_a_package_and_is_handed_over(
        wire: Wire, lines: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Preview, request, package, hand-over: each is on the log before the next; the package has the
    custody up to its beginning; the list says how far it came."""
    small, out = Small(), tmp_path / "set"
    made = lines(verbs.export, wire, QUERY, how(out, small))
    assert [("audit", "export_preview"), ("export", "requested"), ("audit", "export_run"),
            ("export", "begun"), ("export", "finished")] == acts(wire)
    manifest = sha256((out / MANIFEST).read_bytes()).hexdigest()
    assert ("finished", manifest, 3) == (
        made["state"], made["manifest_sha256"], made["counts"]["exported"])
    (granted,) = small.grants
    assert (made["export"], made["requested_by"], "") == (
        granted.export_id, granted.requested_by, granted.approved_by)
    packed = [json.loads(one) for one in (out / "custody.jsonl").read_text("utf-8").splitlines()]
    assert ["requested", "begun"] == [one["act"] for one in packed]
    assert packed == [{**one, "at": packed[number]["at"]}
                      for number, one in enumerate(made["custody"][:2])]

    given = HandOver("Roe LLP", "encrypted disk by courier")
    told = lines(verbs.hand_over, wire, made["export"], given, out, json=True)
    assert ("handed_over", manifest) == (told["state"], told["custody"][-1]["sha256"])
    file = tmp_path / "set.zip"
    file.write_bytes(b"zipped")
    told = lines(verbs.hand_over, wire, made["export"], given, file, json=True)
    assert sha256(b"zipped").hexdigest() == told["custody"][-1]["sha256"]
    assert told == lines(verbs.show, wire, made["export"], json=True)
    assert told == lines(verbs.listing, wire, json=True)
    (out / MANIFEST).write_bytes(b"changed")
    with pytest.raises(Refused, match="no package of this export, or it was changed"):
        verbs.hand_over(wire, made["export"], given, out, json=True)


def test_a_preview_says_how_much_and_asks_for_nothing(
        wire: Wire, lines: Callable[..., dict[str, Any]]) -> None:
    """Recorded as a look, with the query; no request, no folder needed."""
    told = lines(verbs.export, wire, QUERY, how(is_preview=True))
    assert (3, {"privileged": 2}, 4096, ["one is very long"]) == (
        told["matched"], told["withheld"], told["bytes_estimate"], told["warnings"])
    assert [("audit", "export_preview")] == acts(wire)
    (look,) = [one for one in recorded(wire) if one.detail("action") == "export_preview"]
    assert "closing" == look.detail("query")


def test_what_cannot_be_recorded_is_not_done(wire: Wire, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is down: nothing is read, nothing is made."""
    def down(*_given: object) -> None:
        raise Transient("no broker")

    small = Small()
    monkeypatch.setattr(Auditor, "record", down)
    with pytest.raises(Transient, match="no broker"):
        verbs.export(wire, QUERY, how(tmp_path / "set", small))
    assert [] == small.viewers


def test_two_people_are_needed_where_that_is_configured(
        tmp_path: Path, clock: Clock, lines: Callable[..., dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by one, agreed to by another with his password, for exactly that; then it is made,
    with the eyes of who asked. Nobody approves his own, a reviewer nothing."""
    wire = made(tmp_path, clock, monkeypatch, approval=True)
    out, small = tmp_path / "set", Small()
    asked = lines(verbs.export, wire, QUERY, how(out, small), ANN)
    assert ("requested", "ann", True) == (
        asked["state"], asked["requested_by"], asked["needs_approval"])
    assert [] == small.grants and not out.exists()
    with pytest.raises(Refused, match="waits for the approval of a second person"):
        verbs.run(wire, asked["export"], how(out, small))
    with pytest.raises(Refused, match="request of their own"):
        verbs.approve(wire, asked["export"], "", ANN, json=True)
    with pytest.raises(Denied, match="legal and compliance may"):
        verbs.approve(wire, asked["export"], "", EVE, json=True)
    agreed = lines(verbs.approve, wire, asked["export"], "read it", BOB, json=True)
    assert ("approved", "bob") == (agreed["state"], agreed["approved_by"])
    assert agreed["approved_until"] > agreed["approved_at"]
    done = lines(verbs.run, wire, asked["export"], how(out, small))
    assert "finished" == done["state"]
    assert ("ann", "bob") == (small.grants[0].requested_by, small.grants[0].approved_by)
    assert small.grants[0].approved_at > 0
    # Ann has no group: she sees nothing, and so does her export, whoever runs it.
    assert ["ann", "ann"] == [one.person for one in small.viewers]
    assert () == small.viewers[-1].scope.reaches


def test_an_approval_ends_and_a_refusal_stays(
        tmp_path: Path, clock: Clock, lines: Callable[..., dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """After export.approval_days it is given again; what was refused is asked for anew, and the
    second person is told so."""
    wire = made(tmp_path, clock, monkeypatch, approval=True, approval_days=3)
    asked = lines(verbs.export, wire, QUERY, how(), ANN)["export"]
    lines(verbs.approve, wire, asked, "", BOB, json=True)
    with pytest.raises(Refused, match="agreed to it already"):
        verbs.approve(wire, asked, "", BOB, json=True)
    clock.now += 3 * DAY + 1_000
    with pytest.raises(Refused, match="approval of this export has ended"):
        verbs.run(wire, asked, how(tmp_path / "set"))
    lines(verbs.approve, wire, asked, "", BOB, json=True)
    refused = lines(verbs.refuse, wire, asked, "too wide", BOB, json=True)
    assert ("refused", "bob", "too wide") == (
        refused["state"], refused["refused_by"], refused["reason"])
    with pytest.raises(Refused, match="bob refused"):
        verbs.run(wire, asked, how(tmp_path / "set"))
    with pytest.raises(Refused, match="bob refused"):
        verbs.approve(wire, asked, "", BOB, json=True)
    with pytest.raises(Refused, match="say why"):
        verbs.refuse(wire, asked, " ", BOB, json=True)


def test_what_somebody_may_see_is_part_of_what_was_agreed_to(
        tmp_path: Path, clock: Clock, lines: Callable[..., dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeing more or less since, or having left: nothing is made of the old request."""
    wire = made(tmp_path, clock, monkeypatch, approval=True)
    asked = lines(verbs.export, wire, QUERY, how(), ANN)["export"]
    lines(verbs.approve, wire, asked, "", BOB, json=True)
    wider = ACCESS.replace('roles = ["compliance"]', 'roles = ["compliance"]\ngroups = ["*"]')
    people(wire, wider)
    with pytest.raises(Refused, match="what ann may see has changed"):
        verbs.run(wire, asked, how(tmp_path / "set"))
    people(wire, ACCESS.replace('name = "Ann Lee"', 'name = "Ann Lee"\nactive = false'))
    with pytest.raises(Denied):
        verbs.run(wire, asked, how(tmp_path / "set"))
    people(wire, ACCESS)
    assert "finished" == lines(verbs.run, wire, asked, how(tmp_path / "set"))["state"]


def test_what_is_privileged_is_for_who_may_see_it(wire: Wire, tmp_path: Path) -> None:
    """Compliance leaves it out; so says the refusal."""
    with pytest.raises(Denied, match="privileged"):
        verbs.export(wire, replace(QUERY, is_privileged=True), how(tmp_path / "set"), ANN)
    assert 0 == verbs.export(wire, replace(QUERY, is_privileged=True), how(tmp_path / "set"), BOB)


def test_where_names_are_hidden_the_ground_is_asked_for_here_too(
        wire: Wire, lines: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """As in the console: no preview, no request and no package without it, and it is on record with
    the look; turned on later, it holds for what was asked for before."""
    early = lines(verbs.export, wire, replace(QUERY, title="Early"),
                  how(tmp_path / "early", Small()), BOB)
    hidden = ACCESS.replace("[settings]", "[settings]\npseudonyms = true")
    people(wire, hidden)
    before, small = len(acts(wire)), Small()
    for told in (how(is_preview=True, maker=small), how(tmp_path / "set", small)):
        with pytest.raises(Refused, match="on what legal ground"):
            verbs.export(wire, QUERY, told, BOB)
        with pytest.raises(Refused, match="on what legal ground"):
            verbs.export(wire, replace(QUERY, basis="  "), told, BOB)
    with pytest.raises(Refused, match="on what legal ground"):
        verbs.run(wire, early["export"], how(tmp_path / "again", small))
    assert before == len(acts(wire)) and [] == small.viewers
    grounded = replace(QUERY, basis="the letter of 3 May")
    assert "finished" == lines(verbs.export, wire, grounded, how(tmp_path / "set", small),
                               BOB)["state"]
    (look,) = [one for one in recorded(wire) if one.detail("basis")]
    assert ("export_preview", "the letter of 3 May") == (look.detail("action"),
                                                         look.detail("basis"))


def test_two_processes_do_not_make_one_package(wire: Wire, tmp_path: Path) -> None:
    """The second is told so; nothing is on record of its try but the look."""
    small = Small(breaks=True)
    with pytest.raises(Transient):
        verbs.export(wire, QUERY, how(tmp_path / "set", small))
    export_id = small.grants[0].export_id
    descriptor = filelock.take(wire.home / "run" / f"export-{export_id}.lock")
    before = [one for one in acts(wire) if one[0] == events.EXPORT]
    try:
        with pytest.raises(Refused, match="by another process"):
            verbs.run(wire, export_id, how(tmp_path / "set"))
    finally:
        os.close(descriptor)
    assert before == [one for one in acts(wire) if one[0] == events.EXPORT]
    verbs.run(wire, export_id, how(tmp_path / "set"))


@pytest.mark.parametrize("way", ["again", "resume", "run", "moved"])
def test_an_interrupted_export_goes_on(
        wire: Wire, lines: Callable[..., dict[str, Any]], tmp_path: Path, way: str) -> None:
    """By the same command, by --resume, by `run`, also where the folder was moved: one request, one
    beginning, the same facts; only then it is finished."""
    small, out = Small(breaks=True), tmp_path / "set"
    with pytest.raises(Transient, match="disk is full"):
        verbs.export(wire, QUERY, how(out, small))
    begun = lines(verbs.listing, wire, json=True)
    assert "begun" == begun["state"]
    small.breaks = False
    if way == "again":
        made = lines(verbs.export, wire, QUERY, how(out, small))
    elif way == "resume":
        made = lines(verbs.export, wire, Typed(), how(None, small, resume=out))
    else:
        place = tmp_path / "elsewhere" if way == "moved" else out
        out.with_name("set.part").rename(place.with_name(f"{place.name}.part"))
        made = lines(verbs.run, wire, begun["export"], how(place, small))
    assert (begun["export"], "finished") == (made["export"], made["state"])
    assert small.grants[0] == small.grants[1]
    counted = [action for kind, action in acts(wire) if kind == events.EXPORT]
    assert ["requested", "begun", "finished"] == counted


def test_a_folder_that_is_taken_is_refused_before_anything_is_asked_for(
        wire: Wire, tmp_path: Path) -> None:
    """Another selection in a folder where one was interrupted, any folder with something in it, one
    without a place; and there is nothing to go on with where nothing was begun."""
    out = tmp_path / "set"
    with pytest.raises(Transient):
        verbs.export(wire, QUERY, how(out, Small(breaks=True)))
    before = len(acts(wire))
    with pytest.raises(Exists, match="name a new folder"):
        verbs.export(wire, replace(QUERY, query="opening"), how(out))
    with pytest.raises(Missing, match="make it, or name another"):
        verbs.export(wire, QUERY, how(tmp_path / "no" / "where"))
    with pytest.raises(Missing, match="no export was interrupted"):
        verbs.export(wire, Typed(), how(resume=tmp_path))
    assert before == len(acts(wire))
    verbs.export(wire, QUERY, how(out))
    with pytest.raises(Exists, match="name a new folder"):
        verbs.export(wire, QUERY, how(out))


WRONG: list[tuple[Typed, dict[str, Any], str]] = [
    (Typed(), {}, "nothing is chosen"),
    (replace(QUERY, zone="Mars/Base"), {}, "no zone such as"),
    (replace(QUERY, formats=("rsmf", "doc")), {}, "not known: doc"),
    (replace(QUERY, prefix="cf"), {}, "capital letters"),
    (replace(QUERY, since="2026-02-01", until="2026-01-01"), {}, "not after"),
    (replace(QUERY, since="tomorrow"), {}, "--from"),
    (replace(QUERY, title="\udcff"), {}, "no UTF-8"),
    (QUERY, {"out": None}, "--out FOLDER"),
    (QUERY, {"agreed": False}, "--yes"),
    (QUERY, {"maker": Small(found=0)}, "nothing fits"),
]


def test_a_wrong_question_says_what_to_do(wire: Wire, tmp_path: Path) -> None:
    """In one sentence, and nothing was asked for."""
    for typed, given, words in WRONG:
        with pytest.raises(Refused, match=words):
            verbs.export(wire, typed, replace(how(tmp_path / "set"), **given))
    assert not [one for one in acts(wire) if one[0] == events.EXPORT]


def test_a_selection_is_the_same_however_it_is_typed(wire: Wire) -> None:
    """Ids in any order and twice, days in the zone that was named; native is always among the
    formats; without any all of them."""
    one = Typed(ids=("b" * 32, "a" * 32), since="2026-05-01", zone="Europe/Berlin",
                formats=("eml",)).wanted(wire)
    assert one == Typed(ids=("a" * 32, "b" * 32, "a" * 32), since="2026-05-01T00:00:00+02:00",
                        zone="Europe/Berlin", formats=("native", "eml", "eml")).wanted(wire)
    assert ("native", "eml") == one.formats
    assert Wanted(query="x").formats == Typed(query="x").wanted(wire).formats


def test_people_read_what_happened_and_what_to_do_next(
        wire: Wire, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts and warnings before, hashes and the next steps after."""
    out = tmp_path / "set"
    verbs.export(wire, QUERY, How(out, agreed=True, maker=Small()))
    told = capsys.readouterr()
    flat = " ".join(told.out.split())
    for words in ("3 messages of 1 conversation and 1 account", "2 stay behind: privileged",
                  "about 4.0 KiB",
                  "mind: one is very long", "made:", "counterfoil export verify",
                  "mind: two stayed"):
        assert words in flat, words
    one = json.loads(_printed(verbs.listing, wire, capsys))["export"]
    verbs.show(wire, one, json=False)
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("query: closing", "made, not handed over", "finished and sealed the package"):
        assert words in shown, words
    verbs.listing(wire, json=False)
    assert "First set" in capsys.readouterr().out


def _printed(verb: Callable[..., int], wire: Wire, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    verb(wire, json=True)
    return capsys.readouterr().out


def test_unknown_exports_are_named_as_such(wire: Wire, tmp_path: Path) -> None:
    """With where to look."""
    with pytest.raises(Missing, match="counterfoil export list"):
        verbs.show(wire, "ab" * 16, json=True)
    with pytest.raises(Missing, match="counterfoil export list"):
        verbs.run(wire, "ab" * 16, how(tmp_path / "set"))
    with pytest.raises(Missing, match="counterfoil export list"):
        verbs.hand_over(wire, "ab" * 16, HandOver("a", "b"), None, json=True)


def test_scopes_are_told_apart() -> None:
    """What is seen, not what else somebody may: firm records and what was opened for a time do not
    count; a command line that holds the keys has no scope."""
    one = Scope((Reach(frozenset({"b", "a"}), 5),), withheld=frozenset({"x", "y"}))
    assert "" == scope_digest(EVERYTHING) != scope_digest(NOTHING)
    assert scope_digest(one) == scope_digest(replace(one, firm_kinds=frozenset({"audit"}),
                                                     also=(NOTHING,)))
    others: Sequence[Scope] = (
        replace(one, reaches=(Reach(frozenset({"a"}), 5),)), replace(one, withheld=frozenset()),
        replace(one, reaches=(Reach(None),)), replace(one, walls=(Reach(None),)),
        replace(one, withheld_conversations=frozenset({"c"})), NOTHING)
    assert 1 + len(others) == len({scope_digest(each) for each in (one, *others)})


def test_options_before_a_verb_are_not_dropped_in_silence(tmp_path: Path) -> None:
    """`export --query x list` is an error, not a list; without anything there is help."""
    runner = CliRunner()
    wrong = runner.invoke(app, ["--home", str(tmp_path), "export", "--query", "x", "list"])
    assert isinstance(wrong.exception, Refused) and "after the verb" in str(wrong.exception)
    assert "handover" in runner.invoke(app, ["export"]).output


def test_a_command_line_reaches_the_verb(
        wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every option arrives where it is meant."""
    seen: list[Any] = []

    def heard(_wire: Wire, *said: Any) -> int:
        seen.append(said)
        return 0

    monkeypatch.setattr(verbs, "export", heard)
    out = str(tmp_path / "set")
    done = CliRunner().invoke(app, [
        "--home", str(wire.home), "export", "--query", "q", "--id", "i", "--conversation", "c",
        "--custodian", "u", "--hold", "h", "--from", "2026-01-01", "--until", "2026-02-01",
        "--context", "4", "--include-privileged", "--matter", "m", "--title", "t", "--basis", "b",
        "--format", "rsmf", "--zone", "UTC", "--prefix", "AB", "--out", out, "--yes", "--json"])
    assert 0 == done.exit_code, done.output
    ((typed, told, who),) = seen
    assert Typed("q", ["i"], ["c"], ["u"], "h", "2026-01-01", "2026-02-01", 4, True, "m", "t", "b",
                 ["rsmf"], "UTC", "AB") == typed
    assert (How(Path(out), agreed=True, json=True), Identity()) == (told, who)
