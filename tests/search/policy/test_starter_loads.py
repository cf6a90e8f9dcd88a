"""The starter pack as it is shipped: every policy reads, and every labelled text."""

from __future__ import annotations

from importlib import resources

import pytest

from search.policy import labelled, loading
from search.policy.match import Engine

PACK = resources.files("search.policy").joinpath("starter")
NAMES = sorted(one.name.removesuffix(".toml") for one in PACK.iterdir()
               if one.name.endswith(".toml"))


def test_the_pack_has_what_was_promised() -> None:
    """Seven policies, each with its texts."""
    assert ["complaints", "inside", "offchannel", "offensive", "outcome", "payment",
            "undertakings"] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_and_its_texts_read(name: str) -> None:
    """Every rule is understood; texts that should hit and texts that should not, in six languages
    and more."""
    policy = loading.load(PACK.joinpath(f"{name}.toml").read_bytes(), name)
    Engine([policy])
    texts = labelled.read(PACK.joinpath("texts", f"{name}.tsv").read_bytes(), name)
    assert len({one.language for one in texts}) >= 6
    assert {True, False} == {one.is_hit for one in texts}
