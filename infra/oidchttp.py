"""To an OpenID provider over HTTP (port Http of search/access/oidc.py).

Owns the sockets: TLS is checked, no redirect is followed, an answer has a size and a time.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

import httpx

from schemas.errors import Transient
from search.access.oidc import BODY_BYTES_MAX, Reply

_TIMEOUT_S: Final = 10.0


class ProviderHttp:
    """Implements `search.access.oidc.Http`. A connection a request: there are few."""

    def __init__(self) -> None:
        # The machine's own list of authorities: a firm adds its own there. Read once.
        self._trusted = ssl.create_default_context()

    def get(self, url: str, bearer: str = "") -> Reply:
        """See Http."""
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return self._send(httpx.Request("GET", url, headers=headers))

    def post(self, url: str, fields: Mapping[str, str], basic: tuple[str, str] | None) -> Reply:
        """See Http."""
        request = httpx.Request("POST", url, data=dict(fields))
        if basic is not None:
            request = next(httpx.BasicAuth(*basic).auth_flow(request))
        return self._send(request)

    def _send(self, request: httpx.Request) -> Reply:
        request.headers["accept"] = "application/json"
        request.headers["accept-encoding"] = "identity"  # the size that comes is the size there is
        try:
            # trust_env: a firm's proxy is in the environment, as for every other program.
            with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False, verify=self._trusted,
                              trust_env=True) as client:
                response = client.send(request, stream=True)
                try:
                    body = b""
                    for piece in response.iter_bytes():
                        body += piece
                        if len(body) > BODY_BYTES_MAX:
                            break  # refused by whoever reads it
                    return Reply(response.status_code, body)
                finally:
                    response.close()
        except httpx.HTTPError as error:
            # Never the address with its query, nor what was sent.
            raise Transient(f"the OpenID provider at {request.url.host} does not answer: "
                            f"{type(error).__name__}") from error
