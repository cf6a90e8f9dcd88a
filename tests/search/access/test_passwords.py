"""Passwords: what is taken, how it is kept, that nobody's name costs the same work."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from unittest.mock import patch

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from schemas.errors import Refused
from search.access.passwords import (
    CHARS_MAX,
    CHARS_MIN,
    RECOMMENDED,
    SMALL,
    Parameters,
    Passwords,
    Unfit,
    initial,
    parameters_for,
    require_fit,
)
from tests.search.access.signin_world import FAST, GOOD


def counted() -> Callable[[int], bytes]:
    """Bytes that are never the same."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(8, "big").rjust(size, b"\x07")[-size:]


@pytest.fixture
def made() -> Passwords:
    """With parameters that take a millisecond."""
    return Passwords(counted(), FAST)


def test_the_right_one_fits_and_no_other(made: Passwords) -> None:
    """Case, spaces and length count."""
    kept = made.hashed(GOOD)
    assert made.matches(kept, GOOD)
    for wrong in (GOOD.upper(), GOOD + " ", GOOD[:-1], "", "x" * 1000):
        assert not made.matches(kept, wrong)


def test_it_is_argon2id_with_a_salt_of_its_own(made: Passwords) -> None:
    """Two accounts with one password do not show it."""
    first, second = made.hashed(GOOD), made.hashed(GOOD)
    assert first != second
    read = extract_parameters(first)
    assert (Type.ID, 16, 32) == (read.type, read.salt_len, read.hash_len)
    assert GOOD not in first


def test_the_parameters_are_those_of_the_rfc() -> None:
    """RFC 9106 §4, second recommended option; less only where the memory is not there."""
    assert Parameters(time_cost=3, memory_kib=64 * 1024, lanes=4) == RECOMMENDED
    assert RECOMMENDED == parameters_for(2 << 30)
    assert SMALL == parameters_for(512 << 20)
    read = extract_parameters(Passwords(counted()).hashed(GOOD))
    assert (3, 65_536, 4) == (read.time_cost, read.memory_cost, read.parallelism)


def test_other_parameters_are_seen(made: Passwords) -> None:
    """So that the next sign-in hashes anew; the old hash still fits."""
    older = Passwords(counted(), Parameters(2, 16, 1)).hashed(GOOD)
    assert made.matches(older, GOOD)
    assert made.is_outdated(older)
    assert not made.is_outdated(made.hashed(GOOD))


def test_nobodys_password_takes_the_same_work(made: Passwords) -> None:
    """One verification, with the same parameters, whether there is a password or not."""
    kept = made.hashed(GOOD)
    seen = []
    real = PasswordHasher.verify

    def verify(self: PasswordHasher, encoded: str, password: str) -> bool:
        seen.append(extract_parameters(encoded))
        return real(self, encoded, password)

    with patch.object(PasswordHasher, "verify", verify):
        assert not made.matches("", GOOD)
        assert not made.matches(kept, "wrong")
        assert not made.matches("", "x" * (CHARS_MAX + 1))
        assert not made.matches(kept, "x" * (CHARS_MAX + 1))
    assert 4 == len(seen)
    assert 1 == len(set(map(repr, seen)))


def test_a_broken_hash_is_said(made: Passwords) -> None:
    """The file was damaged: nobody gets in, and the operator is told what to do."""
    with pytest.raises(Refused, match="set a new password"):
        made.matches("$argon2id$nonsense", GOOD)


def test_one_typed_two_ways_is_one(made: Passwords) -> None:
    """é as one character or as two, a full-width letter: NFKC."""
    kept = made.hashed("caf\u00e9 und ein Stuhl")
    assert made.matches(kept, "cafe\u0301 und ein Stuhl")
    assert made.matches(made.hashed("ＡＢ und ein Stuhl"), "AB und ein Stuhl")


@pytest.mark.parametrize(("password", "words"), [
    ("x" * (CHARS_MIN - 1), "at least 12"),
    ("ﬃﬃ", "at least 12"),  # six letters when it is written out
    ("correct horse " * 30, "at most 256"),
    ("\ufdfa" * 200, "at most 256"),  # 18 characters each when it is written out
    ("three brown\tfoxes", "control"),
    ("aaaaaaaaaaaaaaaa", "simple pattern"),
    ("abcabcabcabc", "simple pattern"),
    ("foxes foxes foxes", "simple pattern"),
    ("abcdefghijklmnop", "simple pattern"),
    ("ponmlkjihgfedcba", "simple pattern"),
    ("Password1234", "first that are guessed"),
    ("qwertyuiop12", "first that are guessed"),
    ("1234567890123", "first that are guessed"),
    ("counterfoil2026", "first that are guessed"),
    ("Novak&Partners", "first that are guessed"),
    ("anna.novak2026", "first that are guessed"),
])
def test_what_is_not_taken(password: str, words: str) -> None:
    """With a sentence that says why."""
    with pytest.raises(Unfit, match=words):
        require_fit(password, ("a.novak", "Anna Novak", "Novak & Partners LLP"))


@pytest.mark.parametrize("password", [
    GOOD, "correct horse battery staple", "пять синих стульев стоят", "zwölf Äpfel im Schrank",
    "五匹の青い猫が屋根で静かに眠る", "kV7-pQ2!xM9@", "my password is a long sentence indeed",
    "Anna walks to the lake on Sundays"])
def test_what_is_taken(password: str) -> None:
    """Long ones in any script; no rule on kinds of characters."""
    require_fit(password, ("a.novak", "Anna Novak"))


def test_a_one_time_password_is_long_and_readable() -> None:
    """Four groups of five of letters that are not mistaken; fit as a password; never the same."""
    numbers = itertools.count()
    random = lambda size: bytes((next(numbers) * 37 + 11) % 256 for _ in range(size))  # noqa: E731
    made = [initial(random) for _ in range(50)]
    assert 50 == len(set(made))
    for one in made:
        assert [5, 5, 5, 5] == [len(group) for group in one.split("-")]
        assert not set(one) & set("ilo01ILO")
        require_fit(one)
