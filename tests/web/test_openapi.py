"""The description of the API is current, valid, and true of what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from search.web.api import describe
from search.web.api.routes import ROWS
from search.web.routes import ROUTES
from tests.web import openapi
from tests.web.walls import ALPHA, BETA, MONTH, Firm


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """As it is in docs/interface."""
    found: dict[str, Any] = json.loads(openapi.FILES[0].read_bytes())
    return found


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    """A console with something to answer."""
    with pytest.MonkeyPatch.context() as patch:
        made = Firm(tmp_path_factory.mktemp("described") / "home", patch)
        yield made
        made.close()


def test_the_description_is_current() -> None:
    """Both files are what the routes and schemas of today make: python -m tests.web.openapi"""
    for file in openapi.FILES:
        assert file.read_bytes() == openapi.made(), file


def test_the_description_is_openapi(described: dict[str, Any]) -> None:
    """Valid by the specification's own schema, references included."""
    assert [] == list(OpenAPIV31SpecValidator(described).iter_errors())


def test_every_call_is_described(described: dict[str, Any]) -> None:
    """Each route with its method, its capability and who may call it; and nothing else."""
    stated = {(method.upper(), path): call["x-capability"]
              for path, calls in described["paths"].items() for method, call in calls.items()}
    assert stated == {(method, f"/api/v1{path}"): guard for path, method, _, guard in ROWS}
    assert set(describe.CALLS) == {(method, path) for path, method, _, _ in ROWS}
    names = [call["operationId"] for calls in described["paths"].values()
             for call in calls.values()]
    assert len(names) == len(set(names)) == sum(one.is_api for one in ROUTES)


def test_a_route_without_words_is_an_error() -> None:
    """Neither a call that nothing is said of, nor words about no call."""
    with pytest.raises(ValueError, match="no such route"):
        describe.document([one for one in ROUTES if "search" not in one.path], openapi.interface())


@pytest.mark.slow
def test_answers_are_as_described(firm: Firm, described: dict[str, Any]) -> None:
    """Each call that reads, and each kind of error, against the schema that the description has."""
    message, other = firm.ids(ALPHA)[0], firm.ids(BETA)[0]
    for person, path, query in (
            ("carl", "/me", ""), ("carl", "/search", "?q=common"),
            ("carl", "/search", "?q=common&fields=state,month"), ("carl", "/queue", "?counts=true"),
            ("carl", "/facets", "?q=common"), ("carl", "/explain", "?q=quick* OR common"),
            ("carl", f"/messages/{message}", ""), ("carl", f"/messages/{other}", ""),
            ("carl", f"/messages/{'0' * 32}", ""), ("rita", f"/messages/{other}", ""),
            ("carl", f"/conversations/{firm.talk(BETA)}", "?limit=1"), ("carl", "/queue", ""),
            ("carl", "/queue/counts", ""), ("carl", f"/items/{other}", ""),
            ("carl", "/reports/period", f"?month={MONTH}"), ("carl", "/reports/narrowing", ""),
            ("carl", "/audit", ""), ("carl", "/audit", "?group=reviews&limit=3"),
            ("carl", "/policies", ""), ("carl", "/policies/runs", ""),
            ("carl", "/me/sessions", ""), ("carl", "/saved", ""), ("carl", "/reviewers", ""),
            ("carl", "/dashboard", "?days=3"), ("ada", "/dashboard", ""), ("ada", "/people", ""),
            ("ada", "/directory", ""), ("carl", "/access", ""), ("otto", "/access", ""),
            ("carl", "/search", ""), ("carl", "/search", "?q=("), ("rita", "/audit", ""),
            ("carl", "/people", ""), ("carl", "/dashboard", "?days=0")):
        answer = firm.ask(person, "GET", f"/api/v1{path}{query}")
        as_described(described, "get", path, answer.status_code, answer.json(),
                     answer.headers["content-type"])


@pytest.mark.slow
def test_the_description_is_served(firm: Firm) -> None:
    """As it is in docs/interface, to whoever is signed in and to nobody else."""
    answer = firm.ask("nil", "GET", "/api/v1/openapi.json")
    assert answer.content == openapi.FILES[0].read_bytes()
    assert 401 == firm.ask(None, "GET", "/api/v1/openapi.json").status_code


def as_described(described: dict[str, Any], method: str, path: str, status: int, body: Any,
                 media_type: str) -> None:
    """An answer is what the description says of its call and status."""
    call = next(calls[method] for known, calls in described["paths"].items()
                if fits(known.removeprefix("/api/v1"), path))
    said = call["responses"][str(status)]
    if "$ref" in said:
        said = described["components"]["responses"][said["$ref"].rsplit("/", 1)[1]]
    schema = said["content"][media_type]["schema"]
    Draft202012Validator(
        {**schema, "components": described["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)


def fits(known: str, path: str) -> bool:
    """Whether `path` is one of `known`, whose parts in braces stand for anything."""
    ours, theirs = known.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(
        one == other or one.startswith("{") for one, other in zip(ours, theirs, strict=True))
