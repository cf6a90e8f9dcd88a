"""Golden exports: what each text becomes."""

from __future__ import annotations

import pytest

from tests.vendor.whatsapp_export_golden import (
    EXPORTS,
    FOLDER,
    expected_bytes,
    expected_path,
    text_path,
)


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_export_becomes_its_expected_events(name: str) -> None:
    """The bytes on disk are the table's, and every field of every event is as it was reviewed."""
    assert EXPORTS[name][1].encode("utf-8") == text_path(name).read_bytes()
    assert expected_path(name).read_bytes() == expected_bytes(name)


def test_no_fixture_is_left_over() -> None:
    """Every file in the folder belongs to an export."""
    known = {path for name in EXPORTS for path in (text_path(name), expected_path(name))}
    assert known == set(FOLDER.iterdir())
