"""The manifest of an RSMF file against the official schema: bounded parsing, then each violation.

Owns the reading of the JSON and of the schema (Relativity's own, see NOTICE), and which properties
the specification knows. What the schema cannot say is `rsmfrules.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, Final, cast

from jsonschema import Draft7Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from search.export.rsmffindings import Findings, quoted
from search.export.rsmfopen import MANIFEST_BYTES_MAX

SCHEMA_FILE: Final = "rsmf_schema_2_0_0.json"
_DEPTH_MAX: Final = 32
# Values in one manifest: 10,000 events have some 600,000.
_VALUES_MAX: Final = 5_000_000
_VIOLATIONS_MAX: Final = 1_000
_MARK: Final = b"\xef\xbb\xbf"
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?([Zz]|[+-]\d\d:\d\d)?",
    re.ASCII)


class _Twice(ValueError):
    """A name that stands twice in one object."""


def parsed(data: bytes, findings: Findings) -> Any:
    """The manifest, or null and the reason among the findings."""
    if data.startswith(_MARK):
        findings.add("json_mark")
        data = data[len(_MARK):]
    if len(data) > MANIFEST_BYTES_MAX or sum(
            data.count(one) for one in (b",", b"[", b"{")) > _VALUES_MAX:
        findings.add("json_too_large")
        return None
    try:
        said = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no)
    except _Twice as error:
        findings.add("json_name_twice", found=quoted(error))
        return None
    except RecursionError:
        findings.add("json_too_large", found="too deep")
        return None
    except ValueError as error:
        findings.add("json_unreadable", found=quoted(error, bare=True))
        return None
    if _is_deep(said):
        findings.add("json_too_large", found="too deep")
        return None
    if said is None:
        findings.add("json_unreadable", found="null")
    return said


def violations(said: Any, findings: Findings) -> bool:
    """Whether the schema holds; each violation, and each property that it does not know, is added.
    """
    holds = True
    for error in islice(_validator().iter_errors(said), _VIOLATIONS_MAX):
        holds = False
        findings.add("ManifestSchemaViolation", _place(error), _found(error))
    for place in islice(_undefined(schema(), said, ""), _VIOLATIONS_MAX):
        findings.add("ManifestUndefinedProperty", place)
    return holds


@cache
def schema() -> Mapping[str, Any]:
    """The official one, as it was published."""
    text = resources.files("search.export").joinpath(SCHEMA_FILE).read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def moment(said: Any) -> datetime | None:
    """An RFC 3339 time, or one without a zone, which is taken as UTC; null = it is neither."""
    found = _TIME.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[place]) for place in range(1, 7))
    zone = found[8] if found[8] and found[8] not in "Zz" else "+00:00"
    micro = int((found[7] or "").ljust(6, "0")[:6])
    try:
        # A leap second is the end of the one before it.
        bare = datetime(year, month, day, hour, minute, min(second, 59), micro, UTC)
        return datetime.fromisoformat(f"{bare:%Y-%m-%dT%H:%M:%S.%f}".rjust(26, "0") + zone
                                      ) if second <= 60 else None
    except ValueError:
        return None


def has_zone(said: str) -> bool:
    """Whether such a time says its zone."""
    found = _TIME.fullmatch(said)
    return found is not None and found[8] is not None


@cache
def _validator() -> Draft7Validator:
    formats = FormatChecker(formats=())
    formats.checks("date-time")(lambda said: not isinstance(said, str) or moment(said) is not None)
    formats.checks("idn-email")(lambda said: not isinstance(said, str) or "@" in said)
    return Draft7Validator(dict(schema()), format_checker=formats)


def _place(error: ValidationError) -> str:
    return "/".join(map(str, error.absolute_path))


def _found(error: ValidationError) -> str:
    """What is wrong, without what the file says at length."""
    rule, value = str(error.validator), cast("Any", error.validator_value)
    if rule == "required":
        missing = [one for one in value if one not in cast("Any", error.instance)]
        return f"{', '.join(missing)} is required"
    if rule == "type":
        return f"it must be of type {value}"
    if rule == "enum":
        return f"{quoted(error.instance)} is none of {', '.join(value)}"
    if rule == "format":
        return f"{quoted(error.instance)} is no {value}"
    return f"{rule} {value}"


def _undefined(rule: Mapping[str, Any], said: Any, place: str) -> Iterator[str]:
    """Properties that no rule describes. Goes no deeper than the schema."""
    if isinstance(said, dict) and "properties" in rule:
        for name, value in said.items():
            below = f"{place}/{name}" if place else name
            known = rule["properties"].get(name)
            if known is None:
                yield below
            else:
                yield from _undefined(known, value, below)
    elif isinstance(said, list) and "items" in rule:
        for number, value in enumerate(said):
            yield from _undefined(rule["items"], value, f"{place}/{number}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return found


def _no(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _is_deep(said: Any) -> bool:
    level = [said]
    for _ in range(_DEPTH_MAX):
        level = [inner for one in level if isinstance(one, dict | list)
                 for inner in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return False
    return True
