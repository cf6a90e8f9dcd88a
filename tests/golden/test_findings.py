"""Each finding has a fixture that shows it, and nothing else is said of that fixture."""

from __future__ import annotations

import pytest

from schemas.findings import FINDINGS
from tests.golden.damage import DAMAGES, ELSEWHERE, logged, verified
from tests.golden.load import load, with_log


def test_every_finding_has_a_fixture_of_its_name() -> None:
    """A code that nothing can show is a promise without a test."""
    assert set(FINDINGS) == set(DAMAGES) | set(ELSEWHERE)
    assert not set(DAMAGES) & set(ELSEWHERE)


def test_a_clean_archive_has_no_finding() -> None:
    """The fixtures differ from this one by one thing each."""
    assert set() == verified(load())


@pytest.mark.parametrize("batches", [1, 2])
def test_a_clean_log_has_no_finding(batches: int) -> None:
    """The golden log is that of the golden archive, and what stands below log/ is nobody's foreign
    object."""
    clean = set() if batches == 1 else verified(load(clean=False))
    assert clean == logged(with_log(load(clean=batches == 1), batches))


@pytest.mark.parametrize("code", DAMAGES)
def test_a_damage_is_named_by_exactly_its_code(code: str) -> None:
    """What happened is what is said: no code too few and none too many."""
    assert {code} == DAMAGES[code](load(seed=code))
