"""Timestamps as providers write them -> UTC milliseconds.

Owns the reading of an epoch number whose unit may be wrong (CAPTURE case 22): the unit follows
from the magnitude, what was odd is observed, and the source's own spelling is kept.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Final

# More than 24 digits is no time in any unit, and int() of a long string is quadratic.
_NUMBER: Final = re.compile(r"\s*([0-9]{1,24})(?:\.([0-9]{1,9})[0-9]*)?\s*")
_RAW_CHARS_MAX: Final = 100
_FUTURE_MS: Final = 10 * 60 * 1000

# The first value of each unit is the same instant, 1973-03-03T09:46:40Z: below it lies no message.
_SECONDS: Final = 10**8
_MILLISECONDS: Final = 10**11
_MICROSECONDS: Final = 10**14
_NANOSECONDS: Final = 10**17
_BEYOND: Final = 10**20


@dataclass(frozen=True, slots=True)
class Moment:
    """What a source said of the time. `at` is UTC ms or null, `precision` s | ms | null.

    `raw` is the source's spelling where something about it was odd, else null.
    """

    at: int | None
    precision: str | None = None
    raw: str | None = None
    observations: tuple[str, ...] = ()


ABSENT: Final = Moment(None, observations=("time_absent",))


def from_epoch(value: object, captured_at: int, *, number_documented: bool = False) -> Moment:
    """The moment that an epoch number means; seconds are expected, other units are recognised.

    `value` is whatever stood in the JSON; `captured_at` is our clock (UTC ms), used only to say
    that a time lies ahead of it. `number_documented`: the source documents a number here, not a
    string. Never raises: what cannot be read has `at` null and the observation time_unusable.
    """
    if value is None:
        return ABSENT
    spelled = _spelling(value)
    match = _NUMBER.fullmatch(spelled)
    whole = int(match[1]) if match and not isinstance(value, bool) else 0
    if match is None or not _SECONDS <= whole < _BEYOND:
        return Moment(None, raw=spelled, observations=("time_unusable",))
    at, precision = _to_milliseconds(whole, match[2])
    observations = []
    if whole >= _MILLISECONDS:
        observations.append("time_unit_guessed")
    if not isinstance(value, str) and not number_documented:
        observations.append("time_was_number")
    if at > captured_at + _FUTURE_MS:
        observations.append("time_in_future")
    return Moment(at, precision, spelled if observations else None, tuple(observations))


def _to_milliseconds(whole: int, fraction: str | None) -> tuple[int, str]:
    if whole >= _NANOSECONDS:
        return whole // 1_000_000, "ms"
    if whole >= _MICROSECONDS:
        return whole // 1_000, "ms"
    if whole >= _MILLISECONDS:
        return whole, "ms"
    if fraction:
        return whole * 1_000 + int(fraction.ljust(3, "0")[:3]), "ms"
    return whole * 1_000, "s"


def _spelling(value: object) -> str:
    if isinstance(value, str):
        return value[:_RAW_CHARS_MAX]
    if isinstance(value, float) and math.isfinite(value) and 0 <= value < _BEYOND:
        # repr would switch to an exponent at 1e16, which is a plausible time in microseconds.
        return f"{value:.0f}" if value.is_integer() else f"{value:.3f}"
    if isinstance(value, int) and not -_BEYOND < value < _BEYOND:
        return "a number of more than 20 digits"
    return json.dumps(value, ensure_ascii=True, default=repr)[:_RAW_CHARS_MAX]
