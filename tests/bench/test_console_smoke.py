"""The bench of the console runs and checks itself, small, on the real server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.__main__ import is_right, run_console
from tests.bench.console_firm import SECRETS, WALLED, allowed, reviewers, secret
from tests.bench.ground import Ground
from tests.conftest import STACK_FOLDER, ElasticsearchServer


@pytest.fixture
def ground(elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> Ground:
    """The session's server, and a data folder of our own."""
    from infra.stack import stack

    folder = Path(os.environ[STACK_FOLDER])
    return Ground(stack.address(folder), tmp_path, folder)


def test_reviewers_see_their_desk_or_all_but_what_is_behind_the_wall() -> None:
    """Who may see what in the bench is what its access.toml says."""
    everybody, tenth, one = (reviewers(11)[number] for number in (5, 10, 3))
    assert everybody.sees(WALLED) and not tenth.sees(WALLED) and one.sees(WALLED)
    assert one.sees("person.0013") and not one.sees("person.0014")
    assert allowed(one) == [secret(3)] and len(allowed(tenth)) == 10
    assert all(SECRETS.fullmatch(each) for each in allowed(tenth))


@pytest.mark.slow
def test_console_is_right_for_everybody(ground: Ground) -> None:
    """Two thousand messages, twelve reviewers: no error, each total as counted apart, no secret of
    another desk, each look on the log; a run that is wrong scores 0."""
    found = run_console(ground, quick=True, profile=True)
    assert is_right({"console": found}), [run["wrong"] for run in found["runs"]]
    for run in found["runs"]:
        pages = {one["name"]: one for one in run["pages"]}
        assert {"search", "next page", "conversation", "message"} <= set(pages)
        assert pages["search"]["bare"] and run["profile"]["parts"]
    assert "÷ its bare question" in report.render({"console": found})
    found["runs"][0] |= {"wrong": "search: the: not 7", "per_s": 0.0}
    assert not is_right({"console": found})
    assert "**0: search: the" in report.render({"console": found})
