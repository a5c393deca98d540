"""Build the resolver of the function `api`, which maps requests to the functions of its routes."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from mailsync.api import accounts, health, runs, syncs
from mailsync.api.json_text import parse_untrusted_json
from mailsync.api.openapi import add_openapi_document_route
from mailsync.api.problems import register_problem_handler


def build_app() -> APIGatewayHttpResolver:
    app = APIGatewayHttpResolver(
        enable_validation=True,
        json_body_deserializer=parse_untrusted_json,
        # Powertools would report a response that violates its model as the caller's error (422).
        response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    register_problem_handler(app)
    app.include_router(syncs.router)
    app.include_router(runs.router)
    app.include_router(accounts.router)
    app.include_router(health.router)
    add_openapi_document_route(app)
    return app
