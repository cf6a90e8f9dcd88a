"""Logs as fields, one JSON object a line on stderr; never message content (G4)."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(*, verbose: bool = False) -> None:
    """Configure structlog for this process; libraries speak only from warning upwards."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
