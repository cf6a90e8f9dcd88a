"""A time-stamping authority over HTTP (RFC 3161 §3.4): the client that a notary asks.

Owns the socket. An answer counts by its signature alone, which `archive/tlog/timestamp.py` checks,
so that plain http is as good as https.
"""

from __future__ import annotations

import ssl
from typing import Final

import httpx

from archive.tlog.timestamp import QUERY_TYPE, RESPONSE_BYTES_MAX
from schemas.errors import Transient

_TIMEOUT_S: Final = 20.0


class HttpStamper:
    """Implements `archive.tlog.stamping.Stamper` against one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._trusted = ssl.create_default_context()

    def stamp(self, query: bytes) -> bytes:
        """See Stamper."""
        host = httpx.URL(self._url).host
        try:
            with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False, verify=self._trusted,
                              trust_env=True) as client, client.stream(
                    "POST", self._url, content=query,
                    headers={"content-type": QUERY_TYPE, "accept-encoding": "identity"}) as answer:
                if answer.status_code != 200:
                    raise Transient(f"the authority at {host} answers {answer.status_code}")
                got = b""
                for piece in answer.iter_bytes():
                    got += piece
                    if len(got) > RESPONSE_BYTES_MAX:
                        raise Transient(f"the authority at {host} answers too much")
                return got
        except httpx.HTTPError as error:
            raise Transient(f"the authority at {host} does not answer: {type(error).__name__}"
                            ) from error
