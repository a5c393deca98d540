"""Map requests that the Lambda function `api` receives to the Python functions of its routes.

The routes are divided into groups by the beginning of their path. Each group has a resolver of its
own. When a process starts, it imports only the routes of `/api/email/sync`, because most requests
are for them. It imports another group at the first request for a route of that group. To import all
groups at once would make each start 25 ms of CPU time slower.
"""

from functools import cache
from http import HTTPStatus
from importlib import import_module
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api import syncs
from mailsync.api.json_text import parse_untrusted_json
from mailsync.api.problems import register_problem_handler

_MODULE_BY_PATH_PREFIX = {
    syncs.SYNC_PATH: "syncs",
    "/api/email/runs": "runs",
    "/api/email/accounts": "accounts",
    "/api/openapi.json": "openapi_route",
    "/": "health",
}
"""For each group: the beginning of its paths, and the module that contains its router. The first
prefix that fits a path applies."""


def respond_to_api_gateway_event(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Call the route function for a request of API Gateway, and return the route's response."""
    path = APIGatewayProxyEventV2(event).path
    module = next(each for start, each in _MODULE_BY_PATH_PREFIX.items() if path.startswith(start))
    return _app_of_group(module).resolve(event, context)


def build_app_with_all_routes() -> APIGatewayHttpResolver:
    """Return a resolver with the routes of all groups, for the OpenAPI document."""
    app = _new_app()
    for module in _MODULE_BY_PATH_PREFIX.values():
        app.include_router(import_module(f"mailsync.api.{module}").router)
    return app


@cache
def _app_of_group(module: str) -> APIGatewayHttpResolver:
    app = _new_app()
    app.include_router(import_module(f"mailsync.api.{module}").router)
    return app


def _new_app() -> APIGatewayHttpResolver:
    app = APIGatewayHttpResolver(
        enable_validation=True,
        json_body_deserializer=parse_untrusted_json,
        # Powertools would report a response that violates its model as the caller's error (422).
        response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    register_problem_handler(app)
    return app


_app_of_group("syncs")
