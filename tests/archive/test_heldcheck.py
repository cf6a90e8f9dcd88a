"""What `verify` says of holds, of what it gathered."""

from __future__ import annotations

from archive.heldcheck import SETTLE_MS, HoldCheck
from archive.keyring import DomainKeys, name_of
from schemas import holdacts
from schemas.domains import DomainFacts
from schemas.findings import Finding
from tests.fakes.keys import FakeKeyring, FakeKeyService
from tests.fakes.store import FakeStore
from tests.world import Random

NOW = 1_780_272_000_000
DOMAIN = bytes(range(16))
FACTS = DomainFacts("a.person", "default", "2026-05", "", 7)


def test_an_older_generation_that_was_destroyed_hides_no_hold() -> None:
    """In whatever order segments are read: what the newest key stands for is asked."""
    keyring = FakeKeyring()
    keys = DomainKeys(keyring, FakeKeyService(), Random("held"), lambda: NOW)
    keys.current(DOMAIN, lambda: FACTS)
    assert keys.close(DOMAIN, 0, FACTS) == 1
    keyring.destroy(name_of(DOMAIN, 0))
    check = HoldCheck()
    act = holdacts.Act("0" * 16, holdacts.PLACED, "ann", NOW, "0" * 16, "Doe v. Roe", "a claim",
                       holdacts.Scope(("a.person",)))
    check.act(holdacts.act_event(act, 8), "segments/acts")
    check.segment("segments/new", NOW, [(DOMAIN, 1)], is_held=False)
    check.segment("segments/old", NOW, [(DOMAIN, 0)], is_held=False)
    found = check.findings(NOW + 2 * SETTLE_MS, FakeStore(lambda: NOW), keys, None)
    assert ["segments/new", "segments/old"] == [
        one.where for one in found if isinstance(one, Finding)]
