"""Define the route that returns the OpenAPI document of the API."""

import json
from functools import cache

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from mailsync.api.openapi import OPENAPI_DOCUMENT_PATH, build_openapi_document
from mailsync.api.openapi_responses import describe_responses
from mailsync.settings import load_settings

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    OPENAPI_DOCUMENT_PATH,
    summary="Return this document",
    operation_id="get_openapi_document",
    responses=describe_responses({200: None}, public=True),
)
def show_openapi_document() -> Response[str]:
    return Response(200, APPLICATION_JSON, _text())


@cache
def _text() -> str:
    # Not at the top: `app` imports this module.
    from mailsync.api.app import build_app_with_all_routes

    return json.dumps(
        build_openapi_document(build_app_with_all_routes(), load_settings().enabled_providers())
    )
