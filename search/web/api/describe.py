"""The OpenAPI 3.1 description of the API, made of its routes and of docs/interface. Pure.

Owns what is said of each call. A route without a word here, or a word without a route, is an error
of whoever makes the document; what the calls accept is read from the same constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from schemas import limits
from search import trail
from search.access import breakglass
from search.conversation import PAGE_MAX
from search.export.wanted import CONTEXT_MAX, FORMATS
from search.review import decisions, rules
from search.review.facts import SEVERITIES
from search.web.api import exports, firm, glass, office, own, saved, shapes
from search.web.api.given import BYTES_MAX, DEPTH_MAX
from search.web.api.problems import MEDIA_TYPE
from search.web.api.reads import AROUND_MAX, CURSOR_CHARS_MAX, FACETS
from search.web.api.review import AGES, NAME_CHARS_MAX, STATUSES, WHYS
from search.web.exporting import VALUE_CHARS_MAX, VALUES_MAX, WORDS_CHARS_MAX
from search.web.routes import SIGNED_IN, Route

VERSION: Final = "1"
_OCTETS: Final = "application/octet-stream"
_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_HEX16: Final = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_COUNT: Final = {"type": "integer", "minimum": 0}
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of an address."""

    name: str
    schema: Schema
    said: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What a route does. `answer`: a component's name, "" = the bytes of a file; `body`: the
    properties of the JSON object that it takes, null = none; `required`: of these; `is_act`:
    Idempotency-Key is heard; `can`: statuses besides those of every call."""

    said: str
    group: str
    answer: str
    query: tuple[Value, ...] = ()
    body: Mapping[str, Schema] | None = None
    required: tuple[str, ...] = ()
    is_act: bool = False
    can: tuple[HTTPStatus, ...] = ()


def _text(chars_max: int, chars_min: int = 0, **more: Any) -> Schema:
    made: dict[str, Any] = {"type": "string", "maxLength": chars_max}
    return {**made, **({"minLength": chars_min} if chars_min else {}), **more}


def _one_of(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(values)}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _several(values: Iterable[str]) -> Schema:
    choice = "|".join(values)
    return {"type": "string", "pattern": f"^({choice})(,({choice}))*$"}


_Q: Final = Value("q", _text(limits.QUERY_CHARS_MAX, 1), "The query; see docs/QUERY.md.", True)
_AFTER: Final = Value("after", _text(CURSOR_CHARS_MAX, 1), "The `next` of the page before.")
_MONTH: Final = Value("month", {"type": "string", "pattern": "^[1-9][0-9]{3}-(0[1-9]|1[0-2])$"},
                      "As 2026-11, in the firm's zone.", True)
_LEVEL: Final = _whole(decisions.LEVEL_FIRST, decisions.LEVEL_LAST)
_REASON: Final = _text(decisions.REASON_CHARS_MAX,
                       description="Why, in a few words; does not quote the message.")
_NOTE: Final = _text(decisions.NOTE_CHARS_MAX)
_BASIS: Final = _text(200, description="The `basis` of the item as it was read. If it has changed "
                                       "since, the act is refused.")
_FLAG: Final = {"type": "boolean"}
_MOMENT: Final = _text(40, pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]+)?)?$")
_FILTERS: Final = (
    Value("status", _several(STATUSES), "What waits, unless it is said; `all` = everything."),
    Value("level", _LEVEL, "1 review, 2 supervision, 3 compliance."),
    Value("severity", _one_of(SEVERITIES), "Of the gravest flag."),
    Value("outcome", _one_of(decisions.DECISIONS), "What was decided."),
    Value("assigned", _text(NAME_CHARS_MAX, 1), "`me`, `nobody`, or a person."),
    Value("rule", _text(NAME_CHARS_MAX, 1), "The id of a rule."),
    Value("tag", _text(decisions.TAG_CHARS_MAX, 1), "A tag."),
    Value("why", _one_of(WHYS), "Why it waits."),
    Value("age", _one_of(AGES), "How long it waits."),
    Value("overdue", _FLAG, "Past its hours."),
    Value("conflict", _FLAG, "Two people decided without knowing of each other."),
    Value("sample", _FLAG, "Drawn, not flagged."),
    Value("mandatory", _FLAG, "Has to be reviewed whatever else is."),
    Value("mine", _FLAG, "Only what the caller may decide now."),
)
_QUERY_ERRORS: Final = (HTTPStatus.UNPROCESSABLE_ENTITY,)
_MISSING: Final = (HTTPStatus.NOT_FOUND,)
_ACT_ERRORS: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_PARTS: Final[Mapping[str, Schema]] = {
    "id": _ID, "token": _HEX16, "number": {"type": "integer", "minimum": 1, "maximum": 99_999},
    "run": _text(office.RUN_CHARS_MAX, 1), "request": _ID, "export": _ID}
# Denied to a token, whatever it may: its owner does this.
_PERSON: Final = " For a person's session, not for a token."


def _act(said: str, required: tuple[str, ...] = (), **body: Schema) -> Call:
    return Call(said, "review", "ReviewItem", body=body, required=required, is_act=True,
                can=_ACT_ERRORS)


def _each(chars_max: int, said: str) -> Schema:
    return {"type": "array", "maxItems": VALUES_MAX, "items": _text(chars_max, 1),
            "description": said}


_SELECTION: Final[Mapping[str, Schema]] = {
    "query": _text(limits.QUERY_CHARS_MAX, description="What fits it; see docs/QUERY.md."),
    "ids": _each(VALUE_CHARS_MAX, "Messages."),
    "conversations": _each(VALUE_CHARS_MAX, "Whole conversations, by token."),
    "custodians": _each(VALUE_CHARS_MAX, "All of these people's."),
    "hold": _text(exports.HOLD_CHARS_MAX, description="What a legal hold concerns."),
    "since": _MOMENT, "until": _MOMENT,
    "context": _whole(0, CONTEXT_MAX), "privileged": {**_FLAG, "description": (
        "With what is privileged; without it that stays behind, and is listed.")},
    "matter": _text(WORDS_CHARS_MAX), "title": _text(WORDS_CHARS_MAX),
    "basis": _text(WORDS_CHARS_MAX, description="The legal ground, in words."),
    "formats": {"type": "array", "maxItems": len(FORMATS), "items": _one_of(FORMATS),
                "description": "native is always among them; without any all."},
    "zone": _text(exports.ZONE_CHARS_MAX, description="Europe/Berlin.")}


def _export_act(said: str, required: tuple[str, ...] = (), **body: Schema) -> Call:
    return Call(f"{said}{_PERSON}", "exports", "Export", body=body, required=required,
                can=_ACT_ERRORS)


CALLS: Final[Mapping[tuple[str, str], Call]] = {
    ("GET", "/me"): Call("Who calls, and what they may do.", "self", "Me"),
    ("GET", "/me/sessions"): Call(f"Where the caller is signed in.{_PERSON}", "self", "Sessions"),
    ("POST", "/me/sessions/end"): Call(
        f"End one session, or `others`: all but this one.{_PERSON}", "self", "SessionsEnded",
        body={"session": _text(own.SESSION_CHARS_MAX, 1)}, required=("session",), can=_MISSING),
    ("GET", "/openapi.json"): Call("This description.", "self", "Anything"),
    ("GET", "/search"): Call(
        "Messages that match, the newest first; with `fields` the first page has facets too, in "
        "the same record. Recorded before it is answered.", "search", "SearchPage",
        (_Q, Value("limit", _whole(1, limits.PAGE_HITS_MAX), "Hits a page."), _AFTER,
         Value("fields", _several(FACETS), "Facets, with commas between; none where it is not "
                                           "said. With the first page only."),
         Value("top", _whole(1, limits.FACET_VALUES_MAX), "Values of each; only with `fields`.")),
        can=_QUERY_ERRORS),
    ("GET", "/facets"): Call(
        "How many answers hold each value of some fields, exactly.", "search", "Facets",
        (_Q, Value("fields", _several(FACETS), "With commas between; all where it is not said."),
         Value("top", _whole(1, limits.FACET_VALUES_MAX), "Values of each field.")),
        can=_QUERY_ERRORS),
    ("GET", "/explain"): Call("How a query is understood, and what each part finds.", "search",
                              "Explain", (_Q,), can=_QUERY_ERRORS),
    ("GET", "/saved"): Call("The caller's own saved searches, by name.", "search", "Saved"),
    ("POST", "/saved"): Call(
        "Keep a query under a name, in place of one of the same name.", "search", "SavedOne",
        body={"name": _text(saved.NAME_CHARS_MAX, 1), "query": _text(limits.QUERY_CHARS_MAX, 1)},
        required=("name", "query"), can=(HTTPStatus.CONFLICT,)),
    ("POST", "/saved/remove"): Call(
        "Remove one. One that is not there is removed already.", "search", "SavedRemoved",
        body={"name": _text(saved.NAME_CHARS_MAX, 1)}, required=("name",)),
    ("GET", "/messages/{id}"): Call(
        "One message with all its versions, files and flags.", "messages", "Message",
        (Value("around", _whole(0, AROUND_MAX), "Lines of the conversation on each side."),
         Value("item", _FLAG, "As an item under review: with names, where it was escalated or "
                              "the caller has said why (`unmask`).")),
        can=_MISSING),
    ("GET", "/messages/{id}/files/{number}"): Call(
        "The bytes of a file, as they were captured.", "messages", "", can=_MISSING),
    ("GET", "/conversations/{token}"): Call(
        "A page of a conversation: about a message, before or after a cursor, or the newest.",
        "messages", "Conversation",
        (Value("at", _ID, "A message that the page is to hold."),
         Value("before", _text(CURSOR_CHARS_MAX, 1), "The `before` of a page: what was earlier."),
         Value("after", _text(CURSOR_CHARS_MAX, 1), "The `after` of a page: what came later."),
         Value("limit", _whole(1, PAGE_MAX), "Messages a page.")), can=_MISSING),
    ("GET", "/queue"): Call(
        "What waits for a reviewer, the gravest first.", "review", "Queue",
        (*_FILTERS, Value("limit", _whole(1, 200), "Items a page."),
         Value("after", _text(80, 1), "The `next` of the page before."),
         Value("counts", _FLAG, "With what `/queue/counts` says, in the same record.")),
        can=(HTTPStatus.CONFLICT, *_QUERY_ERRORS)),
    ("GET", "/queue/counts"): Call("How many items hold each value.", "review", "Counts",
                                   _FILTERS, can=(HTTPStatus.CONFLICT, *_QUERY_ERRORS)),
    ("GET", "/reviewers"): Call("Who can be given items.", "review", "Reviewers", can=_MISSING),
    ("GET", "/items/{id}"): Call("One item. Opening it is not reviewing it.", "review",
                                 "ReviewItem", can=_MISSING),
    ("POST", "/items/{id}/claim"): Call("Take an item for a while; again to renew it.", "review",
                                        "Claim", body={}, can=_ACT_ERRORS),
    ("POST", "/items/{id}/release"): Call(
        "Give it back, if it was the caller's. Who may assign ends another's claim too; else it "
        "stays.", "review", "Released", body={}, can=_ACT_ERRORS),
    ("POST", "/items/{id}/decide"): _act(
        "Decide. Of high severity, clear and false_positive wait for a second person.",
        ("decision",), decision=_one_of(decisions.DECISIONS), reason=_REASON, note=_NOTE,
        level=_LEVEL, basis=_BASIS),
    ("POST", "/items/{id}/confirm"): _act("The second person agrees.", reason=_REASON, note=_NOTE,
                                          basis=_BASIS),
    ("POST", "/items/{id}/object"): _act("The second person objects: the item goes up a level.",
                                         reason=_REASON, note=_NOTE, basis=_BASIS),
    ("POST", "/items/{id}/assign"): _act("Give it to somebody; an empty `to` = to nobody.",
                                         to=_text(NAME_CHARS_MAX), note=_NOTE),
    ("POST", "/items/{id}/reopen"): _act(
        "Open a closed item again, or put a message that nothing flagged into the queue.",
        reason=_REASON, note=_NOTE, level=_LEVEL),
    ("POST", "/items/{id}/note"): _act("Words for the next reader.", ("note",), note=_text(
        decisions.NOTE_CHARS_MAX, 1)),
    ("POST", "/items/{id}/tag"): _act("Put a tag on.", ("tag",),
                                      tag=_text(decisions.TAG_CHARS_MAX, 1)),
    ("POST", "/items/{id}/untag"): _act("Take a tag off.", ("tag",),
                                        tag=_text(decisions.TAG_CHARS_MAX, 1)),
    ("POST", "/items/{id}/unmask"): _act("See the names behind the pseudonyms of this item.",
                                         reason=_REASON),
    ("POST", "/bulk"): Call(
        "One decision on several items, with one reason. What cannot be decided so is left, and "
        "named.", "review", "Bulk", body={
            "ids": {"type": "array", "items": _ID, "minItems": 1, "maxItems": rules.BULK_MAX},
            "decision": _one_of(rules.BULK_DECISIONS), "reason": _REASON, "note": _NOTE,
            "level": _LEVEL},
        required=("ids", "decision", "reason"), is_act=True, can=(HTTPStatus.CONFLICT,)),
    ("GET", "/reports/period"): Call("The reviews of a month, item by item.", "watching",
                                     "ReviewReport", (_MONTH,), can=_QUERY_ERRORS),
    ("GET", "/reports/accountability"): Call(
        "The same and about those who reviewed, signed: `counterfoil review verify-report` checks "
        "the bytes. Needs the capability `reports` too.", "watching", "Anything", (_MONTH,),
        can=_QUERY_ERRORS),
    ("GET", "/reports/narrowing"): Call(
        "Words of rules that mostly hit what is nothing. Nothing changes by itself.", "watching",
        "Narrowing", can=_QUERY_ERRORS),
    ("GET", "/audit"): Call(
        "Who did what, the newest first.", "watching", "Trail",
        (Value("person", _text(office.NAME_CHARS_MAX, 1), "Whose."),
         Value("action", _text(office.NAME_CHARS_MAX, 1), "search, view, decide …"),
         Value("group", _one_of(trail.GROUPS), "Which records."),
         Value("since", _MOMENT, "A day, or an RFC 3339 time."),
         Value("until", _MOMENT, "The same; before it."),
         Value("document", _ID, "A message that was opened, listed or decided on."),
         Value("limit", _whole(1, office.PAGE_MAX), "Records a page."), _AFTER),
        can=(*_MISSING, *_QUERY_ERRORS)),
    ("GET", "/policies"): Call("Every version of every policy.", "policies", "Policies",
                               can=_MISSING),
    ("GET", "/policies/runs"): Call("The caller's own dry runs, the youngest first.", "policies",
                                    "Runs", can=_MISSING),
    ("POST", "/policies/runs"): Call(
        "Begin a dry run: what a policy would flag. Nothing is flagged.", "policies", "RunBegun",
        body={"policy": _text(office.NAME_CHARS_MAX, description="`id` or `id/version`."),
              "source": _text(office.SOURCE_CHARS_MAX, description="A policy, as TOML."),
              "since": _MOMENT, "until": _MOMENT}, can=_MISSING),
    ("GET", "/policies/runs/{run}"): Call(
        "How far a dry run is, or what it found among the messages that the caller may see.",
        "policies", "Run", can=_MISSING),
    ("POST", "/policies/runs/{run}/stop"): Call("End a dry run.", "policies", "RunBegun", body={},
                                                can=_MISSING),
    ("GET", "/dashboard"): Call(
        "How capture goes, how reviews go: of the firm for who sees no message, else of what the "
        "caller may see.", "watching", "Dashboard",
        (Value("days", _whole(1, firm.DAYS_MAX), "So many days, in the firm's zone; 30."),),
        can=_MISSING),
    ("GET", "/people"): Call(
        f"Who signs in and with what, groups, matters, walls.{_PERSON}", "firm", "People",
        can=_MISSING),
    ("GET", "/directory"): Call("Groups and matters.", "firm", "Directory", can=_MISSING),
    ("GET", "/exports"): Call(
        f"Every export there ever was, the youngest first.{_PERSON}", "exports", "Exports",
        can=_MISSING),
    ("POST", "/exports/preview"): Call(
        f"How much an export would be, of what the caller may see.{_PERSON}", "exports",
        "ExportPreview", body=_SELECTION, can=(*_MISSING, *_QUERY_ERRORS)),
    ("POST", "/exports"): Call(
        "Ask for an export, of what the caller may see. Where the firm wants it so, a second "
        f"person has to agree.{_PERSON}", "exports", "Export", body=_SELECTION,
        can=(*_MISSING, *_QUERY_ERRORS)),
    ("GET", "/exports/{export}"): Call(
        f"One export and its chain of custody.{_PERSON}", "exports", "Export", can=_MISSING),
    ("POST", "/exports/{export}/approve"): _export_act(
        "The second person agrees, to exactly what was asked for.", note=_text(WORDS_CHARS_MAX)),
    ("POST", "/exports/{export}/refuse"): _export_act(
        "No, or never mind: nothing is made of it.", ("reason",),
        reason=_text(WORDS_CHARS_MAX, 1)),
    ("POST", "/exports/{export}/make"): _export_act(
        "Begin the package, or go on with it; `making` and `percent` say how far it is."),
    ("POST", "/exports/{export}/handover"): _export_act(
        "Somebody got the package.", ("to", "how"), to=_text(exports.PART_CHARS_MAX, 1),
        how=_text(exports.PART_CHARS_MAX, 1), note=_text(WORDS_CHARS_MAX),
        file=_text(exports.PART_CHARS_MAX, description="The name of what was given."),
        file_sha256=_text(64, pattern="^([0-9a-f]{64})?$", description="Of its bytes.")),
    ("GET", "/exports/{export}/package"): Call(
        f"The package as a zip file, for whoever asked for it.{_PERSON}", "exports", "",
        can=_ACT_ERRORS),
    ("GET", "/access"): Call(
        "What the caller may do and see, in words, and what was asked for beyond it: their own "
        f"requests, or everybody's for who may approve.{_PERSON}", "access", "Access",
        can=_MISSING),
    ("POST", "/access/requests"): Call(
        f"Break the glass: ask for more, for a time. Another person has to approve.{_PERSON}",
        "access", "AccessRequest", body={
            "what": _text(breakglass.WHAT_CHARS_MAX, 1, pattern=(
                f"^({glass.EVERYTHING}|({'|'.join(glass.NAMED)}):.*[^ ].*)$"),
                description="`everything`, or `custodian:ID`, `group:NAME`, `matter:ID`, "
                            "`conversation:ID`."),
            "reason": _text(breakglass.REASON_CHARS_MAX, breakglass.REASON_CHARS_MIN),
            "minutes": _whole(1, breakglass.MINUTES_MAX),
            "walls": {"type": "array", "maxItems": breakglass.WALLS_MAX,
                      "items": _text(glass.WALL_CHARS_MAX, 1),
                      "description": "Names of walls that are to be passed."},
            "privileged": _FLAG},
        required=("what", "reason", "minutes"), can=_ACT_ERRORS),
    ("POST", "/access/requests/{request}/approve"): Call(
        f"The second person opens it, from now on.{_PERSON}", "access", "AccessRequest", body={},
        can=_ACT_ERRORS),
    ("POST", "/access/requests/{request}/refuse"): Call(
        f"The second person says no.{_PERSON}", "access", "AccessEnded",
        body={"reason": _text(breakglass.REASON_CHARS_MAX)}, can=_ACT_ERRORS),
    ("POST", "/access/requests/{request}/end"): Call(
        f"Close what is open, or take a request back.{_PERSON}", "access", "AccessEnded", body={},
        can=_ACT_ERRORS),
}


def document(routes: Iterable[Route], interface: Mapping[str, Any]) -> dict[str, Any]:
    """The description. `interface`: file name without `.schema.json` -> the schema. Raises KeyError
    for a route of the API that nothing is said of, ValueError for a word about none."""
    ours = [one for one in routes if one.is_api]
    known = {(method, _short(one.path)) for one in ours for method in one.methods}
    if gone := CALLS.keys() - known:
        raise ValueError(f"there is no such route: {sorted(gone)}")
    paths: dict[str, dict[str, Any]] = {}
    for one in ours:
        for method in one.methods:
            paths.setdefault(one.path, {})[method.lower()] = _operation(one, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Counterfoil", "version": VERSION, "description": (
            "The console's functions for programs. Everything is within what the caller may see, "
            "and recorded before it is answered. What is not there and what may not be seen are "
            "the same answer. Stable within /api/v1: fields may be added; none changes its "
            "meaning or goes."), "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/", "description": "This console."}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.group for one in CALLS.values())],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "cf_…",
                          "description": "A service token: `counterfoil token add`."},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-counterfoil",
                            "description": "The console's own pages; a POST sends the `csrf` of "
                                           "/me as X-CSRF-Token."}},
            "responses": {_named(status): _problem(status) for status in _STATUSES},
            "schemas": shapes.components(interface),
        },
    }


_EVERY: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN,
                 HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_BODY: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_STATUSES: Final = (*_EVERY, *_BODY, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT,
                    HTTPStatus.UNPROCESSABLE_ENTITY)


def _operation(route: Route, method: str) -> dict[str, Any]:
    call = CALLS[method, _short(route.path)]
    statuses = sorted({*_EVERY, *call.can, *(() if call.body is None else _BODY)})
    made: dict[str, Any] = {
        "operationId": _operation_id(method, route.path), "summary": call.said,
        "tags": [call.group],
        "description": ("For whoever is signed in." if route.guard == SIGNED_IN
                        else f"Needs the capability `{route.guard}`."),
        "x-capability": None if route.guard == SIGNED_IN else route.guard,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": dict(schema)}
              for name, schema in _PARTS.items() if f"{{{name}}}" in route.path),
            *({"name": one.name, "in": "query", "required": one.required,
               "description": one.said, "schema": dict(one.schema)} for one in call.query),
            *([_KEY] if call.is_act else [])],
        "responses": {
            "200": _answer(call),
            **{str(one.value): {"$ref": f"#/components/responses/{_named(one)}"}
               for one in statuses}},
    }
    if call.body is not None:
        made["requestBody"] = {
            "required": bool(call.required),
            "description": f"At most {BYTES_MAX} bytes, {DEPTH_MAX} deep. A key that is not named "
                           "here is refused.",
            "content": {"application/json": {"schema": {
                "type": "object", "additionalProperties": False,
                "properties": {name: dict(one) for name, one in call.body.items()},
                **({"required": list(call.required)} if call.required else {})}}}}
    return made


_KEY: Final = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "description": "A call that is sent again with the same key is the same act; the answer then "
                   "has `Idempotency-Replayed: true`. The same key with another body is a "
                   "conflict. Remembered for a day; after that it is still one event.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[ -~]+$"}}


def _answer(call: Call) -> dict[str, Any]:
    if not call.answer:
        return {"description": "The file.", "content": {
            _OCTETS: {"schema": {"type": "string", "format": "binary"}}}}
    return {"description": "Done.", "content": {"application/json": {
        "schema": {"$ref": f"#/components/schemas/{call.answer}"}}}}


def _problem(status: HTTPStatus) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": status.phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        made["headers"] = {"Retry-After": {"description": "Seconds.", "schema": dict(_COUNT)}}
    return made


def _named(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.name.split("_"))


def _short(path: str) -> str:
    return path.removeprefix("/api/v1")


def _operation_id(method: str, path: str) -> str:
    words = [one.strip("{}").replace(".", "_") for one in _short(path).split("/") if one]
    return "_".join((method.lower(), *words))
