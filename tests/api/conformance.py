"""Each response that a test of the API receives is one that the OpenAPI document describes."""

import re
from functools import cache
from typing import Any

from mailsync.registry import syncable_providers
from tests.api.requests import ApiResponse

Operation = dict[str, Any]


def documented(route: str, response: ApiResponse) -> ApiResponse:
    """Return the response; raise AssertionError when the document lacks its status or type."""
    operation = next((each for pattern, each in _operations() if pattern.fullmatch(route)), None)
    if operation:
        described = operation["responses"].get(str(response.status))
        assert described is not None, f"{route}: {response.status} is not documented"
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        assert not response.text or kind in described.get("content", {}), f"{route}: {kind}"
    return response


def pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub("{[^}]+}", "[^/]+", route))


@cache
def _operations() -> tuple[tuple[re.Pattern[str], Operation], ...]:
    """Of every route, those without parameters first."""
    from mailsync.api.app import build_app
    from mailsync.api.openapi import build_openapi_document

    paths = sorted(
        build_openapi_document(build_app(), syncable_providers())["paths"].items(),
        key=lambda each: each[0].count("{"),
    )
    return tuple(
        (pattern(f"{method.upper()} {path}"), operation)
        for path, methods in paths
        for method, operation in methods.items()
    )
