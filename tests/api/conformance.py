"""Every answer that a test of the API sees is one that the OpenAPI document tells of."""

import re
from functools import cache
from typing import Any

from tests.api.requests import Answer

Operation = dict[str, Any]


def documented(route: str, answer: Answer) -> Answer:
    """The answer; raises AssertionError when its status or type is in no document of the route."""
    found = [each for pattern, each in _operations() if pattern.fullmatch(route)]
    if found:
        said = found[0]["responses"].get(str(answer.status))
        assert said is not None, f"{route} answers {answer.status}, which is not documented"
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        assert not answer.text or kind in said.get("content", {}), f"{route} answers {kind}"
    return answer


@cache
def _operations() -> tuple[tuple[re.Pattern[str], Operation], ...]:
    """Of every route, those without parameters first."""
    from mailsync.api.app import build_app
    from mailsync.api.openapi import build_document

    paths = sorted(
        build_document(build_app())["paths"].items(), key=lambda each: each[0].count("{")
    )
    return tuple(
        (re.compile(f"{method.upper()} {re.sub('{[^}]+}', '[^/]+', path)}"), operation)
        for path, methods in paths
        for method, operation in methods.items()
    )
