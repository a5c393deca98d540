"""The resolver of the function `api`: routers put together."""

from http import HTTPStatus

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from mailsync.api import accounts, checks, runs, syncs
from mailsync.api.json_text import read_json
from mailsync.api.openapi import publish
from mailsync.api.problems import answer_with_problems


def build_app() -> APIGatewayHttpResolver:
    app = APIGatewayHttpResolver(
        enable_validation=True,
        json_body_deserializer=read_json,
        # Without this an answer that breaks its own model would blame the caller with a 422.
        response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    answer_with_problems(app)
    app.include_router(syncs.router)
    app.include_router(runs.router)
    app.include_router(accounts.router)
    app.include_router(checks.router)
    publish(app)
    return app
