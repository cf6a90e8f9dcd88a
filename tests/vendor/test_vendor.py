"""Golden payloads: what each provider delivery becomes."""

from __future__ import annotations

import pytest

from tests.vendor.golden import FOLDER, expected_bytes, expected_path, payload_path
from tests.vendor.payloads import PAYLOADS

_NAMES = sorted(PAYLOADS)


@pytest.mark.parametrize(("provider", "name"), _NAMES)
def test_payload_file_is_what_the_generator_writes(provider: str, name: str) -> None:
    """The bytes on disk are those that the table of facts gives."""
    assert PAYLOADS[provider, name] == payload_path(provider, name).read_bytes()


@pytest.mark.parametrize(("provider", "name"), _NAMES)
def test_payload_becomes_its_expected_events(provider: str, name: str) -> None:
    """Every field and id of every event, and every quarantined range, is as it was reviewed."""
    assert expected_path(provider, name).read_bytes() == expected_bytes(provider, name)


def test_no_fixture_is_left_over() -> None:
    """Every file in the fixture folders belongs to a payload."""
    known = {path for name in _NAMES for path in (payload_path(*name), expected_path(*name))}
    found = {path for provider in ("whatsapp", "twilio") for path in (FOLDER / provider).iterdir()}
    assert known == found
