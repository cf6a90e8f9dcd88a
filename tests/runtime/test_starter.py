"""`policy starter`: the pack is listed, measured, and copied for the firm to sign."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.policies import in_force, read_folder
from infra.verbs import starter as verbs
from infra.verbs.starter import COPIED, KEPT, README_COPY, Wanted
from infra.wire import Wire
from schemas.errors import Missing, Refused
from search.policy.labelled import CHECK
from tests.interface.test_json import as_stated
from tests.runtime.test_policy import FIRST

Lines = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    return made


@pytest.fixture
def lines(wire: Wire, capsys: pytest.CaptureFixture[str]) -> Lines:
    """Policy -> what the verb prints of it with --json."""
    def run(**wanted: Any) -> dict[str, dict[str, Any]]:
        capsys.readouterr()
        assert verbs.policy_starter(wire, Wanted(**wanted), json=True) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for one in found:
            as_stated("policy-starter", one)
        return {one["policy"]: one for one in found}
    return run


def test_the_pack_is_listed(lines: Lines) -> None:
    """Seven policies in eight languages; nothing is measured or written unasked."""
    found = lines()
    assert len(found) == 7
    assert {8} == {len(one["languages"]) for one in found.values()}
    assert all((None, [], None) == (one["install"], one["scores"], one["wrong"])
               for one in found.values())


def test_a_policy_is_measured(lines: Lines) -> None:
    """By set; by language and rule where asked; each text that is wrong with the reason."""
    (plain,) = lines(policy="undertakings", check=True).values()
    assert {(None, None)} == {(one["rule"], one["language"]) for one in plain["scores"]}
    (check,) = [one for one in plain["scores"] if one["set"] == CHECK]
    assert check["recall"] == round(check["found"] / check["due"], 4)
    (full,) = lines(policy="undertakings", languages=True, rules=True, misses=True).values()
    assert {"en", "zh", None} <= {one["language"] for one in full["scores"]}
    assert {"hold-fr", None} <= {one["rule"] for one in full["scores"]}
    assert full["wrong"] and all(one["known"] for one in full["wrong"])


def test_a_copy_waits_for_a_signature(wire: Wire, lines: Lines) -> None:
    """All of it reads, none is in force, and what to do stands beside it."""
    assert {COPIED} == {one["install"] for one in lines(install=True).values()}
    known = read_folder(wire)
    assert len(known) == 7 and not in_force(wire, known)
    assert (wire.home / "policies" / README_COPY).is_file()
    assert 8 == len(list((wire.home / "policies").iterdir()))


def test_nothing_of_the_firm_is_overwritten(wire: Wire, lines: Lines) -> None:
    """Neither a file of the same name nor a policy of the same id in another file."""
    folder = wire.home / "policies"
    folder.mkdir()
    (folder / "outcome.toml").write_text(FIRST, "utf-8")
    own = FIRST.replace('id = "money"', 'id = "payment"', 1)
    (folder / "ours.toml").write_text(own, "utf-8")
    found = lines(install=True)
    assert {"outcome", "payment"} == {name for name, one in found.items()
                                      if one["install"] == KEPT}
    assert FIRST == (folder / "outcome.toml").read_text("utf-8")
    assert not (folder / "payment.toml").exists()
    assert {KEPT} == {one["install"] for one in lines(install=True).values()}


def test_a_file_of_the_firm_is_measured_on_the_packs_texts(wire: Wire, lines: Lines) -> None:
    """Whoever takes a language out sees what it cost."""
    path = wire.home / "ours.toml"
    path.write_text(FIRST.replace('id = "money"', 'id = "payment"', 1), "utf-8")
    (said,) = lines(policy=str(path), check=True).values()
    assert ["cash"] == said["rules"]
    assert 0 == sum(one["found"] for one in said["scores"])


def test_what_cannot_be_is_refused(wire: Wire, tmp_path: Path) -> None:
    """A name that is none, a file that is not there, to copy and measure at once."""
    for wanted in (Wanted("monkey"), Wanted(str(tmp_path / "none.toml"))):
        with pytest.raises(Missing):
            verbs.policy_starter(wire, wanted, json=True)
    with pytest.raises(Refused, match="by itself"):
        verbs.policy_starter(wire, Wanted(check=True, install=True), json=True)


def test_people_read_what_to_do_next(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """The list, the numbers with what they are worth, the copies with the next step."""
    assert verbs.policy_starter(wire, Wanted(), json=False) == 0
    assert "no legal advice" in capsys.readouterr().out
    assert verbs.policy_starter(wire, Wanted("payment", misses=True), json=False) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "15/20 75 % were found" in said and "missed:" in said and "known:" in said
    assert verbs.policy_starter(wire, Wanted(install=True), json=False) == 0
    assert "approver" in capsys.readouterr().out
