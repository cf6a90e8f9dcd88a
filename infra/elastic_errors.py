"""What Elasticsearch's client raises, as errors of ours: grouped by what the caller must do.

Owns the translation; the server's own words, which may quote a query, go nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from elasticsearch import (
    ApiError,
    ConflictError,
    ConnectionTimeout,
    NotFoundError,
    SerializationError,
    TransportError,
)
from elasticsearch import ConnectionError as Unreachable

from schemas.errors import Ambiguous, Halt, Missing, Refused, Transient
from search.index import Retired

# Tried again as they are: for 401 and 403 somebody changes a key, a role or a block meanwhile, for
# 413 a limit on requests in the server or in a proxy before it.
TRANSIENT_STATUS: Final = frozenset({401, 403, 408, 413, 429, 500, 502, 503, 504})
_TOO_LARGE: Final = 413
_WORDS: Final = {
    401: "the server does not accept our credentials",
    403: "the server does not let us: a missing privilege, or a block on the index",
    _TOO_LARGE: "one document is larger than the server or a proxy before it takes: raise "
                "http.max_content_length",
}

# A look at the index that the server kept has ended.
_NOT_KEPT: Final = frozenset({
    "search_phase_execution_exception", "search_context_missing_exception"})
# Its limit (1,024 at least) depends on its memory and processors.
_TOO_MANY_CLAUSES: Final = frozenset({"too_many_clauses", "too_many_nested_clauses"})


class Taken(Refused):
    """The name of a new index is taken."""


class TooManyClauses(Refused):
    """The query has more parts than the server's memory allows it."""


class Oversized(Transient):
    """The request is larger than the server takes; nothing of it was looked at."""


@contextmanager
def translated() -> Iterator[None]:
    """What the client raises inside is raised as an error of ours."""
    try:
        yield
    except ConnectionTimeout as error:
        raise Ambiguous("index: no answer in time") from error
    except Unreachable as error:
        raise Transient(f"index: {type(error).__name__}") from error
    except NotFoundError as error:
        kind = _kind_of(error)
        if kind == "index_not_found_exception":
            raise Retired("index: it is not there, or takes no writes any more") from error
        if kind in _NOT_KEPT:
            raise Transient("index: the server has let go of what it kept for us") from error
        raise Missing(f"index: {kind}") from error
    except ConflictError as error:
        raise Transient(f"index: {_kind_of(error)}") from error
    except ApiError as error:
        if _kind_of(error) == "resource_already_exists_exception":
            raise Taken("index: the name is taken") from error
        if not _TOO_MANY_CLAUSES.isdisjoint(_shard_causes(error)):
            raise TooManyClauses(
                "the query stands for more words than the index server takes") from error
        if error.meta.status in TRANSIENT_STATUS:
            raise transient(error.meta.status, _kind_of(error)) from error
        raise Halt("index_refused", f"{error.meta.status} {_kind_of(error)}") from error
    except (SerializationError, TransportError) as error:
        raise Transient(f"index: {type(error).__name__}") from error


def transient(status: int, kind: str) -> Transient:
    """For a status of TRANSIENT_STATUS, with what somebody has to do about it."""
    words = f": {_WORDS[status]}" if status in _WORDS else ""
    made = Oversized if status == _TOO_LARGE else Transient
    return made(f"index: {status} {kind}{words}")


def _kind_of(error: ApiError) -> str:
    """The server's code for what went wrong; never its message, which may quote a query."""
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        return str(body["error"].get("type", "unknown"))
    return type(error).__name__


def _shard_causes(error: ApiError) -> Iterator[str]:
    """The codes of what shards said to a search."""
    body = error.body
    if not isinstance(body, dict) or not isinstance(body.get("error"), dict):
        return
    for failed in body["error"].get("failed_shards", ()):
        cause = failed.get("reason", {})
        while isinstance(cause, dict):
            yield str(cause.get("type", "unknown"))
            cause = cause.get("caused_by")
