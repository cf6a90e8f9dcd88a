"""Where files lie at a provider and how they are asked for: WhatsApp by id, Twilio by address.

Owns the providers' media doors (port Fetcher), their credentials, and the composition of the
gateway's MediaWorker. The guarded GET is `infra/mediahttp.py`, the order of steps
`ingest/mediaworker.py`.

WhatsApp: GET <base>/<version>/<media id> with the token gives an address that works for 5 minutes;
GET of that with the token gives the bytes. Twilio: GET of the address in the webhook with account
SID and auth token; the bytes come from a redirect to its file host, which must not see those.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import structlog

from infra.config import Config, NotRead
from infra.mediahttp import CheckedClient, HeadersOf, HttpRules, is_loopback, origin_of
from ingest.media import FetchFailed
from ingest.mediatask import source_of
from ingest.mediaworker import Fetched
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent

WHATSAPP: Final = "whatsapp-cloud"
TWILIO: Final = "twilio"
TWILIO_LIST: Final = "twilio-list"        # what `reconcile` found there (ingest/reconcile.py)
# Beside the host of `media.whatsapp_url`: where the bytes lie, which wants the token too.
_WHATSAPP_FILES: Final = "lookaside.fbsbx.com"
_FACTS_BYTES_MAX: Final = 64 * 1024
_ID_CHARS_MAX: Final = 512
_T = TypeVar("_T")
Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class MediaAccess:
    """Who we are to the providers. Tokens are lists, newest first; empty = nothing is fetched."""

    whatsapp_url: str = "https://graph.facebook.com"
    whatsapp_version: str = "v24.0"
    whatsapp_tokens: Sequence[str] = field(default=(), repr=False)
    twilio_url: str = "https://api.twilio.com"
    twilio_account: str = ""
    twilio_tokens: Sequence[str] = field(default=(), repr=False)
    hosts: Collection[str] = ()
    bytes_max: int = 256 << 20


class ProviderFetcher:
    """See ingest.mediaworker.Fetcher. Thread-safe."""

    def __init__(self, access: MediaAccess, client: CheckedClient | None = None) -> None:
        """Raises Refused for a base address that is neither https nor loopback."""
        self._access = access
        bases = [_base(access.whatsapp_url), _base(access.twilio_url)]
        self._whatsapp, self._twilio = map(origin_of, bases)
        self._client = client or CheckedClient(HttpRules(
            frozenset(access.hosts) | {host for _, host, _ in (self._whatsapp, self._twilio)},
            frozenset(origin_of(one) for one in bases if is_loopback(one))))

    def sources(self) -> Collection[str]:
        """See ingest.mediaworker.Fetcher."""
        found = {WHATSAPP} if self._access.whatsapp_tokens else set()
        if self._access.twilio_account and self._access.twilio_tokens:
            found |= {TWILIO, TWILIO_LIST}
        return found

    def fetch(self, event: CapturedEvent, attachment: Attachment, sink: Sink) -> Fetched:
        """See ingest.mediaworker.Fetcher."""
        ways = {WHATSAPP: self._from_whatsapp, TWILIO: self._from_twilio,
                TWILIO_LIST: self._from_twilio}
        way = ways.get(source_of(event))
        if way is None:
            raise FetchFailed("not_found", final=True)  # no door of ours gives such files
        return way(attachment, sink)

    def close(self) -> None:
        """See ingest.mediaworker.Fetcher."""
        self._client.close()

    def _from_whatsapp(self, said: Attachment, sink: Sink) -> Fetched:
        return _with_any(self._access.whatsapp_tokens,
                         lambda token: self._whatsapp_file(said, token, sink))

    def _whatsapp_file(self, said: Attachment, token: str, sink: Sink) -> Fetched:
        headers = {"Authorization": f"Bearer {token}"}

        def headers_of(url: SplitResult) -> Mapping[str, str]:
            origin = origin_of(url)
            ours = origin in (self._whatsapp, ("https", _WHATSAPP_FILES, 443))
            return headers if ours else {}

        address, digest, media_type = said.url, None, None
        # An address in the webhook is minutes old at best; the id is good for a week.
        if said.native_id:
            address, digest, media_type = self._whatsapp_facts(said.native_id, headers_of)
            if not address:
                raise FetchFailed("unreachable")  # a 200 without it: an answer to something else
        if not address:
            raise FetchFailed("not_found", final=True)  # the webhook named no file
        answer = self._client.get(address, headers_of, sink, self._access.bytes_max)
        return Fetched(answer.media_type or media_type, digest)

    def _whatsapp_facts(self, native_id: str, headers_of: HeadersOf,
                        ) -> tuple[str | None, bytes | None, str | None]:
        if len(native_id) > _ID_CHARS_MAX:
            raise FetchFailed("not_found", final=True)
        base = self._access.whatsapp_url.rstrip("/")
        body = bytearray()
        self._client.get(f"{base}/{self._access.whatsapp_version}/{quote(native_id, safe='')}",
                         headers_of, body.extend, _FACTS_BYTES_MAX)
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise FetchFailed("unreachable") from error
        if not isinstance(said, dict):
            raise FetchFailed("unreachable")
        size, address = said.get("file_size"), said.get("url")
        if isinstance(size, int) and size > self._access.bytes_max:
            raise FetchFailed("too_large", final=True)
        media_type = said.get("mime_type")
        return (address if isinstance(address, str) else None, _digest(said.get("sha256")),
                media_type if isinstance(media_type, str) and len(media_type) < 128 else None)

    def _from_twilio(self, said: Attachment, sink: Sink) -> Fetched:
        return _with_any(self._access.twilio_tokens,
                         lambda token: self._twilio_file(said, token, sink))

    def _twilio_file(self, said: Attachment, token: str, sink: Sink) -> Fetched:
        pair = base64.b64encode(f"{self._access.twilio_account}:{token}".encode()).decode()

        def headers_of(url: SplitResult) -> Mapping[str, str]:
            return {"Authorization": f"Basic {pair}"} if origin_of(url) == self._twilio else {}

        if not said.url:
            raise FetchFailed("not_found", final=True)
        answer = self._client.get(said.url, headers_of, sink, self._access.bytes_max)
        return Fetched(answer.media_type)


def _with_any(tokens: Sequence[str], ask: Callable[[str], _T]) -> _T:
    """With the newest token that is accepted. None of the bytes came with one that was not."""
    for token in tokens[:-1]:
        try:
            return ask(token)
        except FetchFailed as failure:
            if failure.reason != "unauthorized":
                raise
    if not tokens:
        raise FetchFailed("unauthorized")
    return ask(tokens[-1])


def _base(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        origin = origin_of(url)
    except ValueError as error:
        raise Refused(f"{address}: not an address") from error
    if not url.hostname or not (is_loopback(url) or origin[0] == "https"):
        raise Refused(f"{address}: a provider's base address begins with https://")
    return url


def _digest(stated: Any) -> bytes | None:
    """32 bytes from hex or base64, as the provider likes; else null."""
    if not isinstance(stated, str):
        return None
    try:
        found = bytes.fromhex(stated) if len(stated) == 64 else base64.b64decode(
            stated, validate=True)
    except (ValueError, binascii.Error):
        return None
    return found if len(found) == 32 else None


def access_of(config: Config) -> MediaAccess:
    """What the configuration says. A credential whose file cannot be read is none: files wait."""
    section = config.media

    def words(name: str) -> tuple[str, ...]:
        try:
            return tuple(one.decode() for one in config.secrets_of(name))
        except NotRead as error:
            structlog.get_logger().warning("credential not read", detail=str(error))
            return ()

    account = words("twilio_account_sid")
    return MediaAccess(
        whatsapp_url=section.whatsapp_url, whatsapp_version=section.whatsapp_version,
        whatsapp_tokens=words("whatsapp_token"), twilio_url=section.twilio_url,
        twilio_account=account[0] if account else "", twilio_tokens=words("twilio_auth_token"),
        hosts=section.hosts, bytes_max=section.mb_max << 20)
