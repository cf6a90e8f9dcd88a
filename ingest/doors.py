"""The doors that providers knock at: what each accepts, and how it tells who knocks.

Owns the visible table of doors and the checks, pure over a `Knock`. HTTP is `ingest/gateway.py`,
the signature schemes are `ingest/signatures.py`. A door without a secret is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ingest import forms
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer, Parse, Request
from ingest.exclusions import added, count_events
from ingest.signatures import verify_hub, verify_twilio
from schemas import limits
from schemas.errors import Refused
from schemas.events import CapturedEvent

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Knock:
    """One request as a check needs it. `url` is the public one, with its query; `headers` are the
    door's kept headers, names in lower case, each at most once; `content_type` has no parameters
    and is "" for a GET."""

    door: str
    method: str
    url: str = field(repr=False)
    content_type: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The header called `name` (lower case), or null."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Passed:
    """The check that a knock passed, and which secret of the list passed it."""

    verdict: str
    secret_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a knock was not let in; never anything that was in it."""

    reason: str


@dataclass(frozen=True, slots=True)
class DoorKind:
    """What is fixed about a door. `methods` maps each method that delivers to the content types
    that it may have; `headers` are kept with the delivery, `signs_url` says that URL and method
    are, too. A body above `body_bytes_max` is 413 before it is checked."""

    name: str
    path: str
    channel: str
    methods: Mapping[str, frozenset[str]]
    headers: tuple[str, ...]
    signs_url: bool
    check: Callable[[Sequence[bytes], Knock], Passed | Failed]
    body_bytes_max: int = limits.DELIVERY_BYTES_MAX


def check_whatsapp(secrets: Sequence[bytes], knock: Knock) -> Passed | Failed:
    """X-Hub-Signature-256 over the bytes as they came."""
    header = knock.header("x-hub-signature-256")
    if header is None:
        return Failed("signature missing")
    secret_id = verify_hub(secrets, header, knock.body)
    return Passed("hub-sha256", secret_id) if secret_id else Failed("signature wrong")


def check_twilio(tokens: Sequence[bytes], knock: Knock) -> Passed | Failed:
    """X-Twilio-Signature over the public URL and the form's pairs."""
    header = knock.header("x-twilio-signature")
    if header is None:
        return Failed("signature missing")
    try:
        pairs = forms.decode(knock.body) if knock.content_type == FORM else []
    except Refused:
        return Failed("form not readable")
    secret_id = verify_twilio(tokens, header, knock.url, pairs, knock.body)
    return Passed("twilio-sha1", secret_id) if secret_id else Failed("signature wrong")


DOORS: Final[dict[str, DoorKind]] = {
    "whatsapp": DoorKind(
        "whatsapp", ADAPTERS["whatsapp"].path, "whatsapp", {"POST": frozenset({JSON})},
        ("content-type", "x-hub-signature-256"), False, check_whatsapp),
    "twilio": DoorKind(
        "twilio", ADAPTERS["twilio"].path, "sms",
        {"POST": frozenset({FORM, JSON}), "GET": frozenset()},
        ("content-type", "x-twilio-signature", "i-twilio-idempotency-token"), True, check_twilio,
        limits.FORM_BYTES_MAX),
}


def request_of(knock: Knock, passed: Passed, captured_at: int) -> Request:
    """The request that passed, ready for its adapter. A GET's form is its query."""
    door = DOORS[knock.door]
    headers = knock.headers
    if door.signs_url:
        headers = (*headers, (":method", knock.method), (":url", knock.url))
    body, content_type = knock.body, knock.content_type
    if knock.method == "GET":
        query = knock.url.partition("#")[0].partition("?")[2]
        body, content_type = query.encode("utf-8", "surrogateescape"), FORM
    return Request(knock.door, door.channel, content_type, body, captured_at, headers,
                   passed.verdict, passed.secret_id)


def readmit(knock: Knock, came_at: int, secrets: Mapping[str, Sequence[bytes]],
            deliverer: Deliverer, parses: Mapping[str, Parse]) -> tuple[CapturedEvent, ...] | None:
    """The events of a request that was rejected when it came and passes its check now, or null.

    They were captured when they came, and say that they were let in later. Of what is excluded
    there is the count, one for each request.
    """
    door = DOORS.get(knock.door)
    if door is None:
        return None
    passed = door.check(secrets.get(knock.door, ()), knock)
    if isinstance(passed, Failed):
        return None
    taken = deliverer.take(request_of(knock, passed, came_at), parses[knock.door])
    named = f"rejected:{came_at}:{len(knock.body)}"
    counts = count_events(added({}, taken.excluded), named, came_at,
                          deliverer.directory.firm_years())
    return tuple(replace(one, observations=(*one.observations, "replayed_from_rejected"))
                 for one in taken.events) + counts
