"""The shapes of what the API answers, as JSON schemas: those of docs/interface, and its own. Pure.

Owns the components of the description. A schema of docs/interface is one component; what it defines
for itself becomes components beside it, under its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from search.access import roles

# docs/interface file -> component.
_FILES: Final[Mapping[str, str]] = {
    "hit": "Hit", "message": "Message", "explain": "Explain", "review-queue": "ReviewRow",
    "review-item": "ReviewItem", "review-report": "ReviewReport",
}
_DEFS: Final = "#/$defs/"
_TIME: Final = {"type": ["string", "null"], "format": "date-time"}
_TEXT: Final = {"type": "string"}
_NAME: Final = {"type": ["string", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 0}
_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}


def components(interface: Mapping[str, Any]) -> dict[str, Any]:
    """All of them, by name. `interface`: file name without `.schema.json` -> the schema."""
    found: dict[str, Any] = {}
    for file, name in _FILES.items():
        schema = {key: value for key, value in interface[file].items()
                  if key not in ("$schema", "$defs")}
        found[name] = _moved(schema, name)
        for inner, defined in interface[file].get("$defs", {}).items():
            found[f"{name}.{inner}"] = _moved(defined, name)
    return {**found, **OWN}


def _moved(schema: Any, name: str) -> Any:
    """With its references to its own definitions pointing to where these are now."""
    if isinstance(schema, Mapping):
        return {key: (f"#/components/schemas/{name}.{value.removeprefix(_DEFS)}"
                      if key == "$ref" and isinstance(value, str) and value.startswith(_DEFS)
                      else _moved(value, name)) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_moved(one, name) for one in schema]
    return schema


def _object(**properties: Any) -> dict[str, Any]:
    """Fields may be added; those that are named are always there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


OWN: Final[Mapping[str, Any]] = {
    "Anything": {"type": "object"},
    "Problem": {
        **_object(type=_TEXT, title=_TEXT, status={"type": "integer"},
                  code={**_TEXT, "description": "What a program tells errors apart by."},
                  detail={**_TEXT, "description": "In words, for a person."}),
        "description": "RFC 9457. `key`: which value is wrong; `position`: which character of the "
                       "query, from 0."},
    "Me": _object(
        person=_TEXT, name=_TEXT, how={"enum": ["password", "oidc", "token", "demo"]},
        session=_TEXT, until=_TIME, capabilities=_list({"enum": sorted(roles.CAPABILITIES)}),
        pseudonyms={"type": "boolean"},
        csrf={**_NAME, "description": "For the header X-CSRF-Token; null for a token."}),
    "SearchPage": _object(hits=_list(_of("Hit")), total=_COUNT, next=_NAME, unread=_COUNT),
    "Facets": _object(query=_TEXT, facets={
        "type": "object", "additionalProperties": _list(_object(
            value=_TEXT, label=_TEXT, count=_COUNT))}),
    "Conversation": _object(
        conversation=_TEXT, messages=_list(_of("Message")), before=_NAME, after=_NAME,
        total=_COUNT,
        gaps=_list(_object(reason=_TEXT, channel=_NAME, account=_NAME, since=_TIME, until=_TIME,
                           settled=_NAME, missing=_COUNT)),
        parties=_list(_object(id=_TEXT, type=_TEXT, name=_NAME)), accounts=_list(_TEXT)),
    "Queue": _object(items=_list(_of("ReviewRow")), total=_COUNT, next=_NAME),
    "Counts": _object(counts={"type": "object", "additionalProperties": _COUNT}),
    "Claim": _object(id=_ID, person=_TEXT, since=_TIME, until=_TIME),
    "Released": _object(id=_ID),
    "Narrowing": _object(proposals=_list(_object(
        rule=_TEXT, words=_TEXT, decided=_COUNT, false_positive=_COUNT, lost=_COUNT,
        gone=_COUNT))),
    "Trail": _object(
        records=_list(_object(
            id=_TEXT, kind=_TEXT, action=_TEXT, person=_TEXT, at=_TIME, text=_NAME,
            details={"type": "object", "additionalProperties": _TEXT}, document=_NAME,
            nth={"type": ["integer", "null"], "description": "The how-manieth look of this person "
                                                             "at that message."},
            nth_at_least={"type": "boolean"}, listed={"type": "boolean"}, problem=_NAME)),
        next=_NAME, is_partial={"type": "boolean", "description": "The page ended early: go on."}),
    "Policies": _object(policies=_list(_object(
        policy=_TEXT, version={"type": "integer"}, title=_TEXT, file=_TEXT,
        effective={**_TEXT, "format": "date"}, state=_TEXT, severity=_TEXT,
        mandatory={"type": "boolean"}, author=_TEXT, approver=_TEXT,
        rules=_list(_object(rule=_TEXT, why=_TEXT)), source=_TEXT))),
    "Run": _object(
        run=_TEXT, policy=_TEXT, title=_TEXT,
        state={"enum": ["running", "done", "stopped", "failed"]},
        percent={"type": "integer", "minimum": 0, "maximum": 100}, since=_TIME, until=_TIME,
        began_at=_TIME, is_cut={"type": "boolean"}, problem=_NAME, messages=_COUNT,
        rules=_list(_object(
            rule=_TEXT, why=_TEXT, flags=_COUNT, messages=_COUNT,
            samples=_list(_object(hit=_of("Hit"), reason=_TEXT, severity=_TEXT))))),
    "Runs": _object(runs=_list(_of("Run"))),
    "RunBegun": _object(run=_TEXT),
    "Bulk": _object(bulk=_TEXT, done=_list(_ID), left=_list(_object(id=_ID, reason=_TEXT))),
}
