"""An export that goes on is made of one answer: what was read when it began, whatever was said
between."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from infra import carry, exportpackage
from infra.exports import Exporter
from infra.wire import Wire
from schemas import events, gaps
from schemas.assignment import Assignment, assignment_event
from schemas.errors import Refused
from search.access.scope import Reach, Scope
from search.access.viewer import Viewer, operator
from search.export import canonical
from search.export.gather import FileSink, Gathered, Gatherer, Numbers
from search.export.places import Places
from search.export.plan import Planned
from search.export.wanted import FORMATS, Wanted
from tests.export import home
from tests.export.home import DAY, NOON
from tests.export.test_exporter import GRANTED, NATIVE, Cut, exported, files, lines, silent, token
from tests.runtime.test_replay import archived

NOBODYS = "+15550009999"
PRIVILEGE = f"""
[privileged]
compartments = ["privileged"]
conversations = ["{home.WITH_OMAR}"]
"""
QUERY = Wanted(query="price OR phone OR deposit OR Later", formats=FORMATS)


def cut_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The process ends before its slice of that number; what came before is durable."""
    gather, seen = Gatherer.gather, [0]

    def counted(self: Gatherer, plan: Planned, numbers: Numbers, sink: FileSink) -> Gathered:
        seen[0] += 1
        if seen[0] == number:
            raise Cut
        return gather(self, plan, numbers, sink)

    monkeypatch.setattr("search.export.package._COMMIT_ITEMS", 1)
    monkeypatch.setattr(Gatherer, "gather", counted)


def said_between(wire: Wire) -> None:
    """A gap of capture, somebody's account, and what is privileged."""
    archived(wire, home.event(
        events.GAP, "gap-1", None, actor=None, participants=(), conversation="",
        occurred_at=NOON, captured_at=NOON + 36 * DAY, details=tuple(sorted(gaps.details(
            "account_offboarded", gaps.OVER, since=NOON, until=NOON + 2 * DAY).items()))))
    with closing(wire.capture_log()) as log:
        wire.recorder("search", log).record(assignment_event(
            Assignment("a1", NOON + 36 * DAY, "whatsapp", NOBODYS, "carol"), "ann", 8))
    carry.carry(wire, lambda told: None)
    rules = wire.home / "access.toml"
    rules.write_text(PRIVILEGE, "utf-8")
    rules.chmod(0o600)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_said_between_belongs_to_the_next_export(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Gaps, assignments and privilege that came while an export was interrupted: the same bytes as
    if nothing had been said; begun anew it has all of them."""
    wire = home.made(tmp_path / "home")
    exported(wire, tmp_path / "whole", QUERY)
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_at(patched, number)
        exported(wire, tmp_path / "cut", QUERY)
    said_between(wire)
    exported(wire, tmp_path / "cut", QUERY)
    assert files(tmp_path / "whole") == files(tmp_path / "cut")
    assert 0 == exportpackage.verified(tmp_path / "cut").code
    exported(wire, tmp_path / "anew", QUERY)
    assert "offboarded" not in (tmp_path / "cut/data/gaps.csv").read_text()
    assert "stopped delivering" in (tmp_path / "anew/data/gaps.csv").read_text()
    whose = {one["event"]["account"]: one["custodian"] for one in lines(
        tmp_path / "anew", "native/events.jsonl") if "account" in one["event"]}
    assert "carol" == whose[NOBODYS]
    certified = json.loads((tmp_path / "anew/certificate.json").read_bytes())
    assert "privileged" in certified["counts"]["withheld"]


def test_a_claim_is_that_of_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that come between and that the requester may not see change nothing of it; and what
    lay outside of the period is what lay outside of it then."""
    wire = home.made(tmp_path / "home")
    viewer = Viewer("lena", Scope((Reach(frozenset({"carol"})),)), operator("x").may)
    wanted = Wanted(conversations=(token(wire, home.WITH_ANN),), formats=NATIVE, since=NOON + DAY)

    def run(name: str) -> None:
        Exporter(wire, viewer).run(wanted, GRANTED, tmp_path / name, silent)

    run("whole")
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_at(patched, 2)
        run("cut")
    archived(wire, home.said_by(home.ANN, "hidden", "to nobody of hers", NOON + 36 * DAY,
                                account=NOBODYS, conversation=home.WITH_ANN, custodian=""))
    run("cut")
    assert files(tmp_path / "whole") == files(tmp_path / "cut")
    claim = json.loads((tmp_path / "cut/data/proof/complete.json").read_bytes())
    assert "conversations" == claim["kind"]
    run("anew")
    claim = json.loads((tmp_path / "anew/data/proof/complete.json").read_bytes())
    assert "none" == claim["kind"]


def test_what_was_read_and_is_cut_is_not_believed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a power cut shortened: refused, and said what to do."""
    wire = home.made(tmp_path / "home")
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_at(patched, 2)
        exported(wire, tmp_path / "out", QUERY)
    kept = tmp_path / "out.part/.work/beheld.json"
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(Refused, match="was cut or changed: delete the folder"):
        exported(wire, tmp_path / "out", QUERY)


def test_a_long_document_is_the_same_bytes() -> None:
    """Element by element as in one go: names sorted, empty lists, lists in lists, any letters."""
    said = {"b": [], "a": [{"y": 1, "x": "é\n"}, [1, [2]], None], "ü": {"z": [1], "k": True}, "": 0}
    assert canonical.document(said) == canonical.long_document(said)
    assert b"{}" == canonical.long_document({})


def test_places_are_a_set_in_eight_bytes_each() -> None:
    """In order, each once, told apart by both numbers; read back as written, and not if cut."""
    every = [(3, 0), (0, 7), (3, 0), (1 << 31, (1 << 32) - 1), (0, 1 << 31)]
    found = Places(every)
    assert sorted(set(every)) == list(found) and 4 == len(found)
    assert all(one in found for one in every)
    assert all(one not in found for one in ((7, 0), (0, 0), (3, 1), (1 << 31, 0), "(3, 0)"))
    assert found == Places.load(found.dump()) != Places()
    assert bytes.fromhex("0000000000000007") == found.dump()[:8]
    with pytest.raises(Refused):
        Places.load(found.dump()[:-1])
