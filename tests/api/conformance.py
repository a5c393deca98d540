"""Each response that a test of the API receives is one that the OpenAPI document describes."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from openapi_schema_validator import OAS31Validator

from mailsync.registry import implemented_providers
from tests.api.requests import ApiResponse

Document = dict[str, Any]
Operation = dict[str, Any]


def documented(route: str, response: ApiResponse) -> ApiResponse:
    """Return the response; raise AssertionError when the document lacks its status or type, or
    describes another body."""
    operation = next((each for pattern, each in _operations() if pattern.fullmatch(route)), None)
    if operation:
        described = operation["responses"].get(str(response.status))
        assert described is not None, f"{route}: {response.status} is not documented"
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        content = described.get("content", {})
        assert not response.text or kind in content, f"{route}: {kind}"
        if response.text and kind.endswith("json"):
            assert [*_body_errors(content[kind]["schema"], response.json)] == [], route
    return response


def _body_errors(schema: Document, body: Any) -> Iterator[str]:
    whole = {**schema, "components": _document()["components"]}
    checked = OAS31Validator(whole, format_checker=OAS31Validator.FORMAT_CHECKER)
    return (f"{error.json_path}: {error.message}" for error in checked.iter_errors(body))


def pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub("{[^}]+}", "[^/]+", route))


@cache
def _document() -> Document:
    """As a client reads it."""
    from mailsync.api.app import build_app_with_all_routes
    from mailsync.api.openapi import build_openapi_document

    text = json.dumps(build_openapi_document(build_app_with_all_routes(), implemented_providers()))
    document: Document = json.loads(text)
    return document


@cache
def _operations() -> tuple[tuple[re.Pattern[str], Operation], ...]:
    """Of every route, those without parameters first."""
    paths = sorted(_document()["paths"].items(), key=lambda each: each[0].count("{"))
    return tuple(
        (pattern(f"{method.upper()} {path}"), operation)
        for path, methods in paths
        for method, operation in methods.items()
    )
