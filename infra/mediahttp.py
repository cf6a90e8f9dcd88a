"""One GET of an address that a stranger may have written: only where it may go, only so much of it.

Owns the guard against being sent elsewhere (SSRF): https to a listed host, whose name is resolved
once, all of whose addresses must be public, and to which we then connect (a second answer of the
name server cannot matter). Each redirect goes through the same gate. Addresses are never logged.

Environment proxies are not used: the check would be theirs to undo.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from ingest.media import FetchFailed
from schemas.errors import Transient

_CONNECT_S_MAX: Final = 5.0
_READ_S_MAX: Final = 20.0
_HOPS_MAX: Final = 3
_PIECE_BYTES: Final = 1 << 16
_URL_CHARS_MAX: Final = 4096
_AFTER_S_MAX: Final = 3600
_ERROR_BYTES_MAX: Final = 1 << 16
# (code, error_subcode) of Meta's answer for an object that it does not know (any more).
_UNKNOWN_OBJECT: Final = (100, 33)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# Beside what the library calls not global: networks through which another one, perhaps ours, is
# reached (the inner address is not looked at), and two that it takes for somebody's.
_NEVER: Final = tuple(ipaddress.ip_network(one) for one in (
    "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.0.0.0/24",
    "192.88.99.0/24"))

Resolve = Callable[[str, int], Sequence[Any]]
HeadersOf = Callable[[SplitResult], Mapping[str, str]]


def resolve(host: str, port: int) -> Sequence[Any]:
    """The system's own name service. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def is_loopback(url: SplitResult) -> bool:
    """Whether the host is written as a loopback address: a test's server, never a name."""
    try:
        return ipaddress.ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


def origin_of(url: SplitResult) -> tuple[str, str, int]:
    """(scheme, host, port). Raises ValueError for a port that is none."""
    port = url.port if url.port is not None else {"https": 443, "http": 80}.get(url.scheme, 0)
    return url.scheme, (url.hostname or "").rstrip("."), port


@dataclass(frozen=True, slots=True)
class HttpRules:
    """Where requests may go. `hosts`: names, reached by https on 443 at public addresses.
    `trusted`: origins on loopback that an operator configured (tests), reached as they are.
    `total_s_max`: for one file with all its redirects."""

    hosts: frozenset[str]
    trusted: frozenset[tuple[str, str, int]] = frozenset()
    total_s_max: float = 600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 that was read to its end. `media_type` as the header says it, without parameters."""

    media_type: str | None
    size: int


@dataclass
class CheckedClient:
    """GETs under `rules`. Thread-safe: a connection of its own for each."""

    rules: HttpRules
    resolve: Resolve = resolve
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    _live: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def get(self, address: str, headers_of: HeadersOf, sink: Callable[[bytes], None],
            bytes_max: int) -> Answer:
        """All of a body into `sink`, in pieces. `headers_of` gives the headers for each address on
        the way: a credential must not follow a redirect to another host.

        Raises FetchFailed; Transient when `sink` raises OSError: that is this machine's trouble,
        and nothing was learned of the provider. What else `sink` raises passes through.
        """
        kept = _kept_by(sink)
        with self._deadline() as deadline:
            try:
                for _hop in range(_HOPS_MAX + 1):
                    found = self._hop(address, headers_of, kept, bytes_max, deadline)
                    if isinstance(found, Answer):
                        return found
                    address = found
                raise FetchFailed("refused_host", final=True)
            except FetchFailed:
                raise
            except (OSError, http.client.HTTPException) as error:
                # Broken, slow, cut by the deadline, or not HTTP: nothing was decided.
                raise FetchFailed("unreachable") from error

    def close(self) -> None:
        """Whatever is under way fails now, and nothing begins any more."""
        with self._lock:
            self._closed = True
            for one in self._live:
                _cut(one)

    @contextmanager
    def _deadline(self) -> Iterator[_Deadline]:
        # A reader's own timeout starts anew with each byte; who drips one in 19 s is cut by this.
        deadline = _Deadline()
        timer = threading.Timer(self.rules.total_s_max, deadline.cut)
        timer.daemon = True
        timer.start()
        try:
            yield deadline
        finally:
            timer.cancel()

    def _hop(self, address: str, headers_of: HeadersOf, sink: Callable[[bytes], None],
             bytes_max: int, deadline: _Deadline) -> Answer | str:
        """The answer, or the next address."""
        url, addresses = self._checked(address)
        scheme, host, port = origin_of(url)
        sock = raw = self._connect(addresses)
        try:
            self._begin(raw, deadline)
            connection: http.client.HTTPConnection
            if scheme == "https":
                connection = http.client.HTTPSConnection(host, port, context=self.context)
                # The certificate must be the name's, whatever address we connected to. The
                # handshake is a step of its own, so that it too can be cut.
                secured = self.context.wrap_socket(raw, server_hostname=host,
                                                   do_handshake_on_connect=False)
                sock = secured
                self._begin(secured, deadline)
                secured.do_handshake()
            else:
                connection = http.client.HTTPConnection(host, port)
            connection.sock = sock
            return _asked(connection, url, headers_of(url), sink, bytes_max)
        finally:
            with self._lock:
                self._live.discard(raw)
                self._live.discard(sock)
            sock.close()
            raw.close()

    def _begin(self, one: socket.socket, deadline: _Deadline) -> None:
        """It is in use: a close of ours, or the end of the time, ends it."""
        with self._lock:
            if self._closed:
                raise FetchFailed("unreachable")
            self._live.add(one)
        deadline.guard(one)

    def _checked(self, address: str) -> tuple[SplitResult, Sequence[Any]]:
        """The address and where its host really lies. Raises FetchFailed("refused_host")."""
        try:
            if len(address) > _URL_CHARS_MAX or not address.isascii() or not address.isprintable():
                raise ValueError("not an address")
            url = urlsplit(address)
            origin = origin_of(url)
        except ValueError as error:
            raise FetchFailed("refused_host", final=True) from error
        _, host, port = origin
        trusted = origin in self.rules.trusted
        listed = origin == ("https", host, 443) and host in self.rules.hosts
        if "@" in url.netloc or " " in address or not (trusted or listed):
            raise FetchFailed("refused_host", final=True)
        try:
            found = self.resolve(host, port)
        except OSError as error:
            raise FetchFailed("unreachable") from error
        if not found:
            raise FetchFailed("unreachable")
        if not trusted and not all(is_public(one[4][0]) for one in found):
            # One private address among public ones is enough: the next try might take it.
            raise FetchFailed("refused_host", final=True)
        return url, found

    def _connect(self, addresses: Iterable[Any]) -> socket.socket:
        """A connection to one of the addresses that were checked, and to nothing else."""
        failed: OSError = OSError("no address")
        for family, kind, protocol, _name, where in addresses:
            one = socket.socket(family, kind, protocol)
            try:
                one.settimeout(_CONNECT_S_MAX)
                one.connect(where)
            except OSError as error:
                one.close()
                failed = error
                continue
            one.settimeout(_READ_S_MAX)
            return one
        raise failed


def is_public(address: str) -> bool:
    """Whether an address is somebody's on the internet: not private, loopback, link-local, shared,
    multicast, reserved, nor a tunnel to such."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found.is_site_local:
            return False
    if any(found.version == one.version and found in one for one in _NEVER):
        return False
    return (found.is_global and not found.is_multicast and not found.is_reserved
            and not found.is_unspecified and not found.is_loopback and not found.is_link_local)


class _Deadline:
    """Cuts whichever socket is in use when the time is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False

    def guard(self, one: socket.socket) -> None:
        """From here on it is this one."""
        with self._lock:
            self._socket = one
            if self._over:
                _cut(one)

    def cut(self) -> None:
        """The time is over."""
        with self._lock:
            self._over = True
            if self._socket is not None:
                _cut(self._socket)


def _cut(one: socket.socket) -> None:
    try:
        # Of the plain socket below TLS too: whoever waits in a read wakes up with an error.
        socket.socket.shutdown(one, socket.SHUT_RDWR)
    except OSError:
        return  # closed already


def _kept_by(sink: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """`sink`, whose OSError cannot be taken for one of the line."""
    def keep(piece: bytes) -> None:
        try:
            sink(piece)
        except OSError as error:
            # Without the path: the words are shown as an alarm.
            raise Transient(f"disk: {error.strerror or type(error).__name__}") from error
    return keep


def _asked(connection: http.client.HTTPConnection, url: SplitResult, headers: Mapping[str, str],
           sink: Callable[[bytes], None], bytes_max: int) -> Answer | str:
    target = url.path or "/"
    if url.query:
        target += f"?{url.query}"
    try:
        connection.request("GET", target, headers={
            "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "counterfoil",
            "Connection": "close", **headers})
    except ValueError as error:
        raise FetchFailed("refused_host", final=True) from error
    with closing(connection.getresponse()) as answer:
        return _read(answer, url, sink, bytes_max)


def _read(answer: http.client.HTTPResponse, url: SplitResult, sink: Callable[[bytes], None],
          bytes_max: int) -> Answer | str:
    if answer.status in _REDIRECTS:
        location = answer.getheader("Location")
        if not location:
            raise FetchFailed("unreachable")
        try:
            return urljoin(url.geturl(), location)
        except ValueError as error:
            raise FetchFailed("refused_host", final=True) from error
    if answer.status != http.HTTPStatus.OK:
        raise _refusal(answer)
    if (answer.getheader("Content-Encoding") or "identity").lower() != "identity":
        raise FetchFailed("unreachable")  # we asked for the bytes as they are
    stated = _length(answer)
    if stated is not None and stated > bytes_max:
        raise FetchFailed("too_large", final=True)
    size = 0
    while piece := answer.read(_PIECE_BYTES):
        size += len(piece)
        if size > bytes_max:
            raise FetchFailed("too_large", final=True)
        sink(piece)
    if stated is not None and size != stated:
        raise FetchFailed("cut_off")
    return Answer(_media_type(answer.getheader("Content-Type")), size)


def _length(answer: http.client.HTTPResponse) -> int | None:
    """What Content-Length says; null for a chunked body. A sender that says it twice, or says no
    number, is not understood; of a body that ends where the connection does nobody knows whether
    it was cut."""
    lengths = answer.headers.get_all("Content-Length") or []
    if answer.chunked:
        return None
    if not lengths:
        raise FetchFailed("cut_off")
    if len(set(lengths)) != 1 or not lengths[0].isascii() or not lengths[0].isdigit():
        raise FetchFailed("unreachable")
    return int(lengths[0])


def _refusal(answer: http.client.HTTPResponse) -> FetchFailed:
    status = answer.status
    if status in (404, 410) or (status == http.HTTPStatus.BAD_REQUEST and _is_unknown(answer)):
        return FetchFailed("not_found")
    if status in (401, 403):
        return FetchFailed("unauthorized")
    after = answer.getheader("Retry-After") or ""
    seconds = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0
    return FetchFailed("unreachable", after_ms=min(seconds, _AFTER_S_MAX) * 1000)


def _is_unknown(answer: http.client.HTTPResponse) -> bool:
    """Whether a 400 says that there is no such object. Meta answers 400 for that, and for being
    asked too often (codes 4, 80007, 130429) too. What is not understood says nothing."""
    body = answer.read(_ERROR_BYTES_MAX + 1)
    if len(body) > _ERROR_BYTES_MAX:
        return False
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    error = said.get("error") if isinstance(said, dict) else None
    return (isinstance(error, dict)
            and (error.get("code"), error.get("error_subcode")) == _UNKNOWN_OBJECT)


def _media_type(stated: str | None) -> str | None:
    """A media type that is one: short, printable, of the form a/b."""
    found = (stated or "").partition(";")[0].strip().lower()
    good = found.isascii() and found.isprintable() and found.count("/") == 1 and " " not in found
    return found if good and len(found) <= 127 else None
