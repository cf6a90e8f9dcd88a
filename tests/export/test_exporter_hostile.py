"""What a hostile reader found in packages, and what they do instead: nothing is said to be complete
that is not, nothing is written over, nothing of somebody else's goes along."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from infra import carry, exportpackage
from infra.exportfolder import ExportFolder
from infra.exports import Exporter
from infra.wire import Wire
from schemas.assignment import Assignment, assignment_event
from schemas.errors import Refused
from search.access.scope import EVERYTHING, Reach, Scope
from search.access.viewer import Viewer, operator
from search.export.granted import Done
from search.export.select import Selection, Selector
from search.export.wanted import Wanted
from tests.export import home
from tests.export.home import NOON
from tests.export.test_exporter import GRANTED, NATIVE, Cut, exported, files, lines, silent, token
from tests.runtime.test_replay import archived


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Wire:
    """One archive for every test that only reads."""
    return home.made(tmp_path_factory.mktemp("archive") / "home")


def made_by(wire: Wire, out: Path, wanted: Wanted, scope: Scope) -> Done:
    """The package as somebody with that scope makes it."""
    viewer = Viewer("lena", scope, operator("x").may)
    return Exporter(wire, viewer).run(wanted, GRANTED, out, silent)


def claim_of(package: Path) -> dict[str, str]:
    """complete.json."""
    return dict(json.loads((package / "data/proof/complete.json").read_bytes()))


@pytest.mark.parametrize("period", [{"since": 1}, {"until": NOON + 400 * home.DAY}])
def test_a_period_hides_no_lag_of_the_index(wire: Wire, tmp_path: Path, period: dict[str, int],
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """What the index does not know is not called outside of a period that it is within."""
    select = Selector.select

    def forgetful(self: Selector, wanted: Wanted) -> Selection:
        found = select(self, wanted)
        return Selection(tuple(one for one in found.chosen if one.sort_at > NOON + home.DAY),
                         found.withheld)

    monkeypatch.setattr(Selector, "select", forgetful)
    with pytest.raises(Refused, match="not in the index"):
        exported(wire, tmp_path / "out", Wanted(
            conversations=(token(wire, home.WITH_ANN),), formats=NATIVE, **period))  # type: ignore[arg-type]


def test_who_sees_all_of_a_conversation_can_show_that_it_is_whole(wire: Wire,
                                                                  tmp_path: Path) -> None:
    """Reactions, retractions without a message and the like too, though no search answers with
    them."""
    wanted = Wanted(conversations=(token(wire, home.WITH_OMAR),), formats=NATIVE)
    done = made_by(wire, tmp_path / "out", wanted, Scope((Reach(None),)))
    assert "conversations" == claim_of(tmp_path / "out")["kind"]
    assert 0 == exportpackage.verified(tmp_path / "out").code
    exported(wire, tmp_path / "all", wanted)
    assert done.counts.records == len(lines(tmp_path / "all", "native/events.jsonl"))


def test_who_does_not_see_all_of_it_claims_nothing(wire: Wire, tmp_path: Path) -> None:
    """And is told so; what is hidden from that person is neither here nor counted."""
    hides = Scope((Reach(None),), withheld=frozenset({"privileged"}))
    done = made_by(wire, tmp_path / "out", Wanted(custodians=("carol",), formats=NATIVE), hides)
    claim = claim_of(tmp_path / "out")
    assert "none" == claim["kind"] and "does not see everything" in claim["why"]
    assert {} == done.counts.withheld and 0 == exportpackage.verified(tmp_path / "out").code
    certified = json.loads((tmp_path / "out/certificate.json").read_bytes())
    assert "seen by lena" in certified["scope"]


def test_two_telephones_in_one_group_have_their_own_files(tmp_path: Path) -> None:
    """No slice is written over another's, whatever the names of custodians look like."""
    wire = home.made(tmp_path / "home")
    group = home.event(native_id="g1", text="as the first has it", conversation="group:7",
                       account="+15550001111", custodian="")
    archived(wire, group, replace(group, account="+15550002222", text="as the second has it"))
    done = exported(wire, tmp_path / "out", Wanted(
        conversations=(token(wire, "group:7"),), formats=("native", "rsmf", "transcript", "eml")))
    assert 2 == done.counts.exported
    said = [one.read_text() for one in sorted((tmp_path / "out/data/transcript").glob("C-*.html"))]
    assert 2 == len(said) == len(list((tmp_path / "out/data/rsmf").iterdir()))
    assert "as the first has it" in "".join(said) and "as the second has it" in "".join(said)


def interrupted(wire: Wire, out: Path, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made up to its end, but for the last step."""
    def cut(_self: ExportFolder) -> None:
        raise Cut

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(ExportFolder, "finish", cut)
        exported(wire, out, wanted)


def test_a_selection_that_was_cut_is_not_taken_for_the_whole(
        wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a power cut shortened: refused, and said what to do."""
    wanted = Wanted(custodians=("carol",), formats=NATIVE)
    interrupted(wire, tmp_path / "out", wanted, monkeypatch)
    kept = tmp_path / "out.part/.work/selection.jsonl"
    kept.write_bytes(b"".join(kept.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(Refused, match="cut or changed"):
        exported(wire, tmp_path / "out", wanted)


def test_what_nobody_knows_of_goes_when_an_export_goes_on(
        wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a slice that was never finished, and what else came to lie there."""
    wanted = Wanted(custodians=("carol",), formats=NATIVE)
    exported(wire, tmp_path / "whole", wanted)
    interrupted(wire, tmp_path / "out", wanted, monkeypatch)
    (tmp_path / "out.part/data/native/raw/0000999.json").write_bytes(b"an orphan")
    (tmp_path / "out.part/data/notes.txt.making").write_bytes(b"half")
    exported(wire, tmp_path / "out", wanted)
    assert files(tmp_path / "whole") == files(tmp_path / "out")


def test_a_package_that_somebody_made_up_is_not_taken_for_ours(wire: Wire, tmp_path: Path) -> None:
    """A seal that we did not sign, or over other files than lie there."""
    wanted = Wanted(query="price", formats=NATIVE)
    exported(wire, tmp_path / "out", wanted)
    seal = tmp_path / "out/seal.note"
    text = seal.read_text()
    seal.write_text(text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:])
    with pytest.raises(Refused):
        exported(wire, tmp_path / "out", wanted)
    seal.write_text(text)
    (tmp_path / "out/tagmanifest-sha256.txt").write_text("something else")
    with pytest.raises(Exception, match="another export, or was changed"):
        exported(wire, tmp_path / "out", wanted)


def test_what_was_given_to_a_custodian_later_is_theirs(tmp_path: Path) -> None:
    """Messages of an account that was nobody's go along with whoever it was assigned to."""
    wire = home.made(tmp_path / "home")
    wanted = Wanted(custodians=("carol",), formats=NATIVE)
    before = exported(wire, tmp_path / "before", wanted).counts.exported
    with closing(wire.capture_log()) as log:
        wire.recorder("search", log).record(assignment_event(
            Assignment("a1", NOON + home.DAY, "whatsapp", "+15550009999", "carol"), "ann", 8))
    carry.carry(wire, lambda told: None)
    assert before + 1 == exported(wire, tmp_path / "after", wanted).counts.exported
    assert 0 == exportpackage.verified(tmp_path / "after").code


def test_the_operators_scope_is_everything() -> None:
    """Who makes packages at a command line without a name sees all, and is recorded."""
    assert EVERYTHING == operator("ann").scope
