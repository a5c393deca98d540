"""The answers of a route as the OpenAPI document tells them; their schemas are in `openapi`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from mailsync.api.problems import PROBLEM_CONTENT_TYPE

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
GATEWAY_SCHEMA = {"$ref": "#/components/schemas/GatewayMessage"}
# What API Gateway says by itself, before a function is asked or when it does not answer.
_BY_GATEWAY = frozenset({401, 403, 413, 429, 500, 503})


def responses(
    successes: Mapping[int, type[BaseModel] | None], *problems: int, public: bool = False
) -> dict[int, Any]:
    """`successes` with their models; None: no body. To the problems, those of every route come."""
    always = (429, 500, 503) if public else (401, 403, 429, 500, 503)
    said = {status: _success(status, model) for status, model in successes.items()}
    return said | {status: problem_response(status) for status in sorted({*problems, *always})}


def problem_response(status: int) -> dict[str, Any]:
    content = {}
    if status != 403:
        content[PROBLEM_CONTENT_TYPE] = {"schema": PROBLEM_SCHEMA}
    if status in _BY_GATEWAY:
        content["application/json"] = {"schema": GATEWAY_SCHEMA}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _success(status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    said: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if model is not None:
        said["content"] = {"application/json": {"model": model}}
    return said
