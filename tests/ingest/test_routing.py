"""Key domains: whose words lie under one key, as the broker sees it (PROTOCOL T4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.routing import Router
from tests.golden.firm import Firm


@pytest.mark.parametrize("changes", [
    {"retention_years": 10}, {"retention_class": "advice"}, {"compartment": "matter-1"},
    {"custodian": "b.person"}, {"occurred_at": None, "captured_at": 0}])
def test_what_decides_a_lock_or_an_erasure_is_another_domain(changes: dict[str, Any]) -> None:
    """A class whose years were raised in mid-month too: the keyring says a domain's years once."""
    event = Firm().message(1, 1)
    router = Router(bytes(32), bytes(16))
    assert router.domain(event) != router.domain(replace(event, **changes))
    assert router.domain(event) == router.domain(replace(event, text="other", native_id="x"))
