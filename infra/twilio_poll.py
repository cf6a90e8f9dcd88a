"""Twilio's list of messages, page by page (CAPTURE §4).

Owns the address, the credentials and what is tried again. Where it may connect to is the same gate
that media go through (`infra/mediahttp.py`): the provider's host alone, or a test's on loopback.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from infra.media import MediaAccess
from infra.mediahttp import CheckedClient, HttpRules, is_loopback, origin_of
from ingest.media import FetchFailed
from ingest.reconcile import Page, read_files, read_page
from schemas.errors import Missing, Refused, Transient

PAGE_SIZE: Final = 1_000
_PAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_PAGES_MAX: Final = 20_000
_TRIES_S: Final = (0.0, 1.0, 5.0, 20.0)
_WAIT_S_MAX: Final = 60.0
_RIGHT: Final = "are twilio_account_sid and twilio_auth_token right?"


class TwilioMessages:
    """The messages of one Twilio account."""

    def __init__(self, access: MediaAccess, clock: Callable[[], int],
                 sleep: Callable[[float], None], client: CheckedClient | None = None) -> None:
        """Raises Refused without credentials, or for a base that is neither https nor loopback."""
        if not access.twilio_account or not access.twilio_tokens:
            raise Refused("twilio_account_sid and twilio_auth_token are needed to ask Twilio")
        base = urlsplit(access.twilio_url)
        if not base.hostname or not (
                base.scheme == "https" or (base.scheme == "http" and is_loopback(base))):
            raise Refused("media.twilio_url begins with https://")
        self._access, self._clock, self._sleep = access, clock, sleep
        self._origin = origin_of(base)
        self._base = access.twilio_url.rstrip("/")
        self._messages = f"/2010-04-01/Accounts/{quote(access.twilio_account, safe='')}/Messages"
        self._list = f"{self._messages}.json"
        self._client = client or CheckedClient(HttpRules(
            frozenset({base.hostname}),
            frozenset({self._origin}) if is_loopback(base) else frozenset(), total_s_max=120.0))

    def pages(self, since: int, until: int) -> Iterator[Page]:
        """Everything that was sent in [since, until) (UTC ms), and up to a day more on each side:
        the list is asked for by days.

        Raises Transient when Twilio cannot be reached, Refused when it does not let us or its
        answer is no list.
        """
        path = f"{self._list}?" + urlencode({
            "PageSize": str(PAGE_SIZE), "DateSent>": _day(since, -1), "DateSent<": _day(until, 1)})
        seen: set[str] = set()
        while path:
            parts = urlsplit(path)
            # A path of ours on their host, and never one twice.
            if parts.scheme or parts.netloc or parts.path != self._list or path in seen \
                    or len(seen) >= _PAGES_MAX:
                raise Refused("the provider's list does not end, or leads elsewhere")
            seen.add(path)
            try:
                page = read_page(self._get(path), self._clock())
            except Missing as error:
                raise Refused(f"Twilio's list: not_found; {_RIGHT}") from error
            yield page
            path = page.next

    def files(self, message: str) -> tuple[tuple[str, str | None], ...]:
        """(id, media type) of each file of a message; none where the provider does not know it any
        more. Raises as `pages`."""
        path = f"{self._messages}/{quote(message, safe='')}/Media.json?PageSize={PAGE_SIZE}"
        try:
            body = self._get(path)
        except Missing:
            return ()
        return read_files(body)

    def address_of(self, message: str, file: str) -> str:
        """Where a file lies."""
        return f"{self._base}{self._messages}/{quote(message, safe='')}/Media/{file}"

    def _get(self, path: str) -> bytes:
        """Raises Missing, Refused, Transient."""
        wait_s = 0.0
        for pause_s in _TRIES_S:
            self._sleep(max(pause_s, wait_s))
            try:
                return self._with_any(path)
            except FetchFailed as failure:
                if failure.reason == "not_found":
                    raise Missing("Twilio does not know it") from failure
                if failure.final or failure.reason == "unauthorized":
                    raise Refused(f"Twilio's list: {failure.reason}; {_RIGHT}") from failure
                wait_s = min(failure.after_ms / 1000, _WAIT_S_MAX)
        raise Transient("Twilio's list cannot be reached")

    def _with_any(self, path: str) -> bytes:
        """With the newest token that is accepted."""
        tokens = self._access.twilio_tokens
        for number, token in enumerate(tokens, 1):
            body = bytearray()
            pair = base64.b64encode(f"{self._access.twilio_account}:{token}".encode()).decode()

            def headers_of(url: SplitResult, pair: str = pair) -> Mapping[str, str]:
                return {"Authorization": f"Basic {pair}"} if origin_of(url) == self._origin else {}

            try:
                self._client.get(self._base + path, headers_of, body.extend, _PAGE_BYTES_MAX)
            except FetchFailed as failure:
                if failure.reason != "unauthorized" or number == len(tokens):
                    raise
                continue
            return bytes(body)
        raise AssertionError("no token was tried")


def _day(at: int, more: int) -> str:
    return (datetime.fromtimestamp(at / 1000, UTC) + timedelta(days=more)).date().isoformat()
