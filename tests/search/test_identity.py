"""A person is found by custodian, by name, by number in any form, by any other id."""

from __future__ import annotations

import pytest

from schemas.events import Identity
from search import identity
from search.identity import Fact
from tests.search import world

ANN = Identity("+442079460018", "e164", "Ann van der Lee")
WITHOUT_NUMBER = Identity("US.13491208655302741918", "bsuid", "王小明")


def is_found(value: str, who: Identity, region: str | None = None) -> bool:
    """Whether `value` means this person."""
    known = set(identity.facts(who))
    return any(known.issuperset(wanted) for wanted in identity.alternatives(value, region))


@pytest.mark.parametrize(("value", "region"), [
    ("+442079460018", None), ("+44 20 7946 0018", None), ("+44 (0)20 7946-0018", None),
    ("442079460018", None), ("0044 20 7946 0018", None), ("020 7946 0018", "GB"),
    ("(020) 7946 0018", "GB"), ("٠٢٠ ٧٩٤٦ ٠٠١٨", "GB"), ("\u202a+44 20 7946 0018\u202c", None),
    ("Ann", None), ("lee ann", None), ("ANN VAN DER LEE", None),
])
def test_ann_is_found(value: str, region: str | None) -> None:
    """However her number is punctuated, and by all or some words of her name."""
    assert is_found(value, ANN, region)


@pytest.mark.parametrize(("value", "region"), [
    ("020 7946 0018", None), ("020 7946 0018", "US"), ("7946", "GB"), ("44207946001", None),
    ("Anna", None), ("ann bob", None), ("+442079460019", None),
])
def test_ann_is_not_found(value: str, region: str | None) -> None:
    """A national number needs its country; a part of a number or name is another."""
    assert not is_found(value, ANN, region)


@pytest.mark.parametrize("value", ["US.13491208655302741918", "us.13491208655302741918", "王小明",
                                   "小明", "王"])
def test_a_user_without_a_number_is_found(value: str) -> None:
    """By the provider's id, in any case, and by the characters of the name."""
    assert is_found(value, WITHOUT_NUMBER)
    assert not is_found("明王", WITHOUT_NUMBER)


def test_a_user_name_is_found_with_and_without_at() -> None:
    """@zed and zed are one."""
    assert is_found("zed", Identity("@Zed", "user"))
    assert is_found("@zed", Identity("zed", "user"))


def test_words_of_two_people_make_no_third() -> None:
    """"Ann Lee" is not found where Ann Roe and Bob Lee stand on one side."""
    both: set[Fact] = {*identity.facts(Identity("1", "name", "Ann Roe")),
                       *identity.facts(Identity("2", "name", "Bob Lee"))}
    (name,) = [w for w in identity.alternatives("Ann Lee", None) if w[0][0] == "name"]
    assert not both.issuperset(name)


def test_the_firm_stands_on_the_side_that_the_direction_says() -> None:
    """Custodian and account wrote what went out, and received what came in."""
    firm = {("custodian", "carol"), ("phone", "15550783881")}
    incoming, outgoing = (identity.sides(world.event(direction=d, actor=a)) for d, a in (
        ("in", world.ANN), ("out", world.DESK)))
    assert firm <= incoming.recipients
    assert not firm & incoming.actor
    assert firm <= outgoing.actor
    assert firm <= identity.sides(world.event(direction=None)).recipients
