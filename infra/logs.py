"""Logs as fields, one JSON object a line on stderr; never message content (G4)."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog

# The fields that our packages below `infra` put beside a message. What a library adds of its own
# accord stays out: it may be anything.
_FIELDS: Final = frozenset({"door", "reason", "error", "alarm", "detail"})


class Errors:
    """stderr, but a line that cannot be written (a full disk) is lost and stops nobody."""

    def write(self, text: str) -> int:
        """See io.TextIOBase."""
        try:
            return sys.stderr.write(text)
        except OSError:
            return 0

    def flush(self) -> None:
        """See io.TextIOBase."""
        try:
            sys.stderr.flush()
        except OSError:
            return


def set_up(*, verbose: bool = False) -> None:
    """Configure structlog for this process; libraries speak only from warning upwards."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    line = structlog.processors.JSONRenderer(sort_keys=True)
    errors: Any = Errors()
    handler = logging.StreamHandler(errors)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow=_FIELDS),
                           structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info, line]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, line],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=errors),
        cache_logger_on_first_use=False,
    )
