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
_FLAG: Final = {"type": "boolean"}
_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_MAYBE_COUNT: Final = {"type": ["integer", "null"], "minimum": 0}
_COUNTS: Final = {"type": "object", "additionalProperties": _COUNT}


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


def _and(shape: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """With fields that are there when they were asked for."""
    return {**shape, "properties": {**shape["properties"], **properties}}


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_FACETS: Final = {"type": "object", "additionalProperties": _list(_object(
    value=_TEXT, label=_TEXT, count=_COUNT))}
_GAP: Final = _object(reason=_TEXT, channel=_NAME, account=_NAME, since=_TIME, until=_TIME,
                      settled=_NAME, missing=_COUNT)
_GROUPS: Final = _list(_object(group=_TEXT, members=_list(_TEXT), supervisors=_list(_TEXT)))
_MATTERS: Final = _list(_object(matter=_TEXT, name=_TEXT, custodians=_list(_TEXT)))
# What is of the firm, of the caller's account, and of access for a time.
_FIRM: Final[Mapping[str, Any]] = {
    "Sessions": _object(sessions=_list(_object(
        session=_TEXT, is_this=_FLAG, how=_TEXT, began_at=_TIME, seen_at=_TIME, until=_TIME,
        address=_TEXT, agent=_TEXT))),
    "SessionsEnded": _object(ended=_COUNT),
    "Saved": _object(saved=_list(_object(name=_TEXT, query=_TEXT, saved_at=_TIME))),
    "SavedOne": _object(name=_TEXT, query=_TEXT),
    "SavedRemoved": _object(name=_TEXT),
    "Dashboard": _object(
        is_whole={**_FLAG, "description": "Of the whole firm."}, problem=_NAME,
        days=_list(_object(day={**_TEXT, "format": "date"}, channels=_COUNTS, total=_COUNT)),
        reviews={**_object(
            waiting=_COUNTS, ageing=_COUNTS, overdue=_COUNT,
            rules=_list(_object(
                rule=_TEXT, items=_COUNT, decided=_COUNT, false_positive=_COUNT, clear=_COUNT,
                breach=_COUNT, precision={"type": ["number", "null"]}))),
            "type": ["object", "null"]},
        health=_object(
            at=_TIME, parts=_list(_object(part=_TEXT, runs=_FLAG)),
            alarms=_list(_object(code=_TEXT, words=_TEXT, since=_TIME, detail=_TEXT)),
            unsealed={**_MAYBE_COUNT, "description": "Records on the log that are not archived "
                                                     "yet; null = not known."},
            oldest_unsealed_ms=_MAYBE_COUNT, unindexed=_MAYBE_COUNT,
            accounts=_list(_object(
                channel=_TEXT, account=_TEXT, whose=_NAME, last_at=_TIME,
                silence_hours_max={"type": ["number", "null"]}, is_silent=_FLAG,
                has_notice=_FLAG)),
            accounts_count=_COUNT, silent_count=_COUNT, unheard_count=_COUNT,
            custodians_count=_COUNT, custodians_without_account=_COUNT, gaps=_list(_GAP),
            coverage=_list(_object(source=_TEXT, parts=_list(_object(
                part=_TEXT, answer=_TEXT, words=_TEXT)))), problem=_NAME)),
    "People": _object(
        people=_list(_object(
            person=_TEXT, name=_TEXT, active=_FLAG, roles=_list(_TEXT), groups=_list(_TEXT),
            matters=_list(_TEXT), custodian=_NAME, reports_to=_list(_TEXT),
            account={"enum": ["left", "none", "disabled", "not_used_yet", "password",
                              "firm_login"]},
            has_totp=_FLAG, wait_s=_COUNT)),
        groups=_GROUPS, matters=_MATTERS,
        walls=_list(_object(
            wall=_TEXT, reason=_TEXT, behind=_TEXT,
            against={"type": ["array", "null"], "items": _TEXT},
            everybody_but={"type": ["array", "null"], "items": _TEXT})),
        problems=_list(_TEXT)),
    "Directory": _object(groups=_GROUPS, matters=_MATTERS),
    "Access": _object(may=_list(_TEXT), sees=_list(_TEXT), kept=_list(_TEXT),
                      requests=_list(_of("AccessRequest"))),
    "AccessRequest": _object(
        request=_ID, state={"enum": ["waiting", "open"]}, person=_TEXT, what=_TEXT, reason=_TEXT,
        minutes=_COUNT, walls=_list(_TEXT), privileged=_FLAG, asked_at=_TIME, second=_NAME,
        until=_TIME),
    "AccessEnded": _object(request=_ID, state={"enum": ["refused", "ended"]}),
    "Reviewers": _object(reviewers=_list(_object(person=_TEXT, name=_TEXT))),
}
_EXPORTS: Final[Mapping[str, Any]] = {
    "Export": _object(
        export=_ID, title=_TEXT,
        state={"enum": ["requested", "approved", "refused", "begun", "finished", "handed_over"]},
        words={**_TEXT, "description": "The state, and what it waits for."},
        requested_by=_TEXT, requested_at=_TIME,
        request={**_HASH, "description": "Of the selection: what an approval is for."},
        needs_approval=_FLAG, asked=_list(_object(what=_TEXT, value=_TEXT)), approved_by=_NAME,
        approved_until=_TIME, refused_by=_NAME, reason=_NAME, counted=_NAME,
        manifest_sha256=_NAME,
        making={"enum": ["running", "failed", None], "description": "What this console does."},
        percent={"type": "integer", "minimum": 0, "maximum": 100}, problem=_NAME,
        may=_list({"enum": ["approve", "refuse", "make", "download", "hand_over"]}),
        custody=_list(_object(act=_TEXT, at=_TIME, line=_COUNT, sha256=_TEXT, tool=_TEXT,
                              who=_TEXT, words=_TEXT))),
    "Exports": _object(exports=_list(_of("Export")), problems=_list(_TEXT)),
    "ExportPreview": _object(
        matched=_COUNT, context=_COUNT, withheld=_COUNTS, conversations=_COUNT, custodians=_COUNT,
        events=_COUNT, files=_COUNT, bytes_estimate=_COUNT, since=_TIME, until=_TIME,
        warnings=_list(_TEXT)),
}
OWN: Final[Mapping[str, Any]] = {
    **_FIRM,
    **_EXPORTS,
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
    "SearchPage": _and(
        _object(hits=_list(_of("Hit")), total=_COUNT, next=_NAME, unread=_COUNT),
        facets={**_FACETS, "type": ["object", "null"], "description":
                "Where `fields` asked for it. Null: it could not be counted now; `/facets` tells "
                "why."}),
    "Facets": _object(query=_TEXT, facets=_FACETS),
    "Conversation": _object(
        conversation=_TEXT, messages=_list(_of("Message")), before=_NAME, after=_NAME,
        total=_COUNT,
        gaps=_list(_GAP),
        parties=_list(_object(id=_TEXT, type=_TEXT, name=_NAME)), accounts=_list(_TEXT)),
    "Queue": _and(_object(items=_list(_of("ReviewRow")), total=_COUNT, next=_NAME),
                  counts={**_COUNTS, "description": "Where `counts=true` asked for it."}),
    "Counts": _object(counts=_COUNTS),
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
