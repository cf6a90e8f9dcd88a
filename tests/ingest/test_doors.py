"""What a door lets in, and what an unknown sender can make it do before it is known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ingest import signatures
from ingest.doors import DOORS
from ingest.signatures import url_forms, verify_twilio
from schemas import limits
from tests.ingest.doorway import (
    PUBLIC_URL,
    TWILIO_TOKEN,
    Doorway,
    twilio_form,
    twilio_headers,
    twilio_signature,
)

TWILIO = "/hooks/twilio"
# User, port and a quote in each spelling: as many forms as a URL can have.
MANY_FORMS = "https://me:pw@firm.example:8443/h?a='b%27c"


@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 413)])
def test_a_form_is_small(tmp_path: Path, beyond: int, status: int) -> None:
    """A form is hashed once for each spelling of its URL before anybody is known: above 128 KiB it
    is 413 and a gap, as any delivery over its limit, and at the limit a message."""
    doorway = Doorway(tmp_path)
    room = limits.FORM_BYTES_MAX - len(twilio_form(1, Body=""))
    form = twilio_form(1, Body="x" * (room + beyond))
    assert limits.FORM_BYTES_MAX + beyond == len(form)

    async def main() -> None:
        async with doorway.running() as client:
            answer = await client.post(
                TWILIO, content=form, headers=twilio_headers(PUBLIC_URL + TWILIO, form))
            assert status == answer.status_code

    asyncio.run(main())
    assert (1 - beyond) == len(doorway.events("message"))
    gaps = doorway.events("gap")
    assert [str(limits.FORM_BYTES_MAX)] * beyond == [one.detail("bytes_max") for one in gaps]


def test_only_twilios_door_is_narrower() -> None:
    """Meta's deliveries may have the 3 MB that it documents."""
    assert {"whatsapp": limits.DELIVERY_BYTES_MAX, "twilio": limits.FORM_BYTES_MAX} == {
        name: door.body_bytes_max for name, door in DOORS.items()}


def test_pairs_are_sorted_once_for_every_spelling_and_token(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Eighteen spellings and two tokens cost one look at the form's pairs."""
    asked = []
    sign = signatures._signed_params

    def counted(params: list[tuple[str, str]]) -> bytes:
        asked.append(params)
        return sign(params)

    monkeypatch.setattr(signatures, "_signed_params", counted)
    params = [("Body", "hi")]
    forms = url_forms(MANY_FORMS)
    assert 18 == len(forms)
    for form in forms:
        asked.clear()
        header = twilio_signature(form, params)
        assert "2" == verify_twilio([b"other", TWILIO_TOKEN], header, MANY_FORMS, params, b"x")
        assert 1 == len(asked)
