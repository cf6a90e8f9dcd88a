"""The starter pack as it is shipped: every policy reads, and does on every labelled text what the
text says, but for the faults that stand beside the texts with their reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from importlib import resources

import pytest

from search.policy import labelled, loading
from search.policy.labelled import SETS, TUNED, Labelled
from search.policy.lexicon import Lexicon
from search.policy.precision import Outcome, outcomes

PACK = resources.files("search.policy").joinpath("starter")
NAMES = sorted(one.name.removesuffix(".toml") for one in PACK.iterdir()
               if one.name.endswith(".toml"))
LANGUAGES = {"ar", "de", "en", "es", "fr", "it", "pt", "zh"}


def policy_of(name: str) -> Lexicon:
    """A policy of the pack."""
    return loading.load(PACK.joinpath(f"{name}.toml").read_bytes(), name)


def texts_of(name: str) -> tuple[Labelled, ...]:
    """Its texts."""
    return labelled.read(PACK.joinpath("texts", f"{name}.tsv").read_bytes(), f"{name}.tsv")


def told(found: Iterable[Outcome]) -> str:
    """Each text by name, as somebody needs it who changed a rule."""
    return "\n".join(
        f"  line {one.labelled.line} {one.labelled.language} {one.labelled.kind}: "
        f"{one.labelled.text!r} hit by {sorted(one.rules) or 'nothing'}" for one in found)


def test_the_pack_has_what_was_promised() -> None:
    """Seven policies, each with its texts, and a page for people."""
    assert ["complaints", "inside", "offchannel", "offensive", "outcome", "payment",
            "undertakings"] == NAMES
    page = PACK.joinpath("README.md").read_text("utf-8")
    assert all(f"| `{name}` |" in page for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_has_signed_a_policy_of_the_pack(name: str) -> None:
    """Copied as it is it flags nothing: its first day never comes."""
    policy = policy_of(name)
    assert (name, 1, date(9999, 12, 31)) == (policy.policy_id, policy.version, policy.effective)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_has_texts_of_every_kind(name: str) -> None:
    """In each of eight languages and each set, some that must be hit and some that must not; a text
    stands once, and a rule that it names exists."""
    texts = texts_of(name)
    assert {(language, kind, is_hit) for language in LANGUAGES for kind in SETS
            for is_hit in (True, False)} == {
        (one.language, one.kind, one.is_hit) for one in texts}
    seen = [(one.text, one.before, one.reply, one.then, one.direction) for one in texts]
    assert len(seen) == len(set(seen))
    assert {one.rule for one in texts} <= {"", *(one.rule_id for one in policy_of(name).rules)}


@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_hit_or_not_as_it_says(name: str) -> None:
    """Must-hit texts are hit and must-not-hit texts are not; those `known` to be wrong are exactly
    those that are: one that is right now is to be taken off the list."""
    found = outcomes(policy_of(name), texts_of(name))
    wrong = [one for one in found if not one.is_right]
    missed = [one for one in wrong if one.labelled.is_hit and not one.labelled.known]
    hit = [one for one in wrong if not one.labelled.is_hit and not one.labelled.known]
    right = [one for one in found if one.is_right and one.labelled.known]
    assert not missed, f"must be hit, and are not:\n{told(missed)}"
    assert not hit, f"must not be hit, and are:\n{told(hit)}"
    assert not right, f"no longer wrong, empty their cell `known`:\n{told(right)}"


@pytest.mark.parametrize("name", NAMES)
def test_few_texts_for_which_the_rules_were_changed_are_wrong(name: str) -> None:
    """`known` is for what words cannot tell; it is no place for rules that were not finished."""
    texts = [one for one in texts_of(name) if one.kind == TUNED]
    assert sum(bool(one.known) for one in texts) <= len(texts) // 100
