"""Convert exceptions to error responses of type `application/problem+json` (RFC 9457).

`type` is a stable URN. `detail` says what happened and what to do. The tables of this module map
exceptions to problems. An exception in none of the tables is a defect of Mailsync: the log gets its
name and location, and the response contains no detail of the exception.
"""

import json
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.aws.errors import AwsError
from mailsync.errors import (
    AccessRevoked,
    AccountNotConnected,
    AccountNotFound,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    SchemaOutdated,
    SettingMissing,
    StoreUnavailable,
)
from mailsync.log import logger

PROBLEM_CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem: one kind of error response.

    type_urn_suffix: last part of the URN in the response's `type`.
    http_status: HTTP status code.
    title: summary of the kind, the same in every response.
    detail: what happened and what to do. Empty: the message of the exception is used instead.
    advice: what the caller can do. The response's detail is the message of the exception and the
        advice. Unused if `detail` is not empty.
    retry_after_s: value of the header Retry-After in seconds. None: no header.
    oauth_error_code: error code of a rejected sign-in, from the identity platform or from Mailsync.
    """

    type_urn_suffix: str
    http_status: int
    title: str
    detail: str = ""
    advice: str = ""
    retry_after_s: int | None = None
    oauth_error_code: str = ""


class ApiError(Exception):
    """Raised if a request is wrong, or its caller may not make it. The API responds with
    `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


_PROVIDER_DOWN = Problem(
    type_urn_suffix="provider-unavailable",
    http_status=503,
    title="The mail provider does not answer",
    detail="The mail provider is unavailable. Stored mail is not affected; try again in a few"
    " minutes.",
    retry_after_s=60,
)
_OF_ERRORS: Mapping[type[MailsyncError], Problem] = {
    AccountNotFound: Problem(
        type_urn_suffix="account-not-found",
        http_status=404,
        title="Account not found",
        detail="You have no account with this id; correct the id or connect the mailbox.",
    ),
    AccountNotConnected: Problem(
        type_urn_suffix="account-not-connected",
        http_status=409,
        title="The account cannot be synced now",
    ),
    AccessRevoked: Problem(
        type_urn_suffix="access-revoked", http_status=409, title="The mail provider refuses access"
    ),
    ProviderRejected: Problem(
        type_urn_suffix="provider-rejected",
        http_status=502,
        title="The mail provider refuses the request",
        detail="The mail provider rejected a request of Mailsync. Stored mail is not affected; ask"
        " the operator to check the app registration.",
    ),
    ProviderThrottled: _PROVIDER_DOWN,
    ProviderUnavailable: _PROVIDER_DOWN,
    SchemaOutdated: Problem(
        type_urn_suffix="schema-outdated", http_status=503, title="The database needs a migration"
    ),
    SettingMissing: Problem(
        type_urn_suffix="setting-missing", http_status=503, title="A setting is missing"
    ),
    StoreUnavailable: Problem(
        type_urn_suffix="store-unavailable",
        http_status=503,
        title="The database cannot be used now",
        advice="Send the request again in a few seconds.",
        retry_after_s=5,
    ),
}
_AWS_DOWN = Problem(
    type_urn_suffix="aws-unavailable",
    http_status=503,
    title="A service of AWS does not answer",
    detail="A service of AWS is unavailable. Stored mail is not affected; send the request again"
    " in a few seconds.",
    retry_after_s=5,
)
_UNKNOWN_ROUTE = Problem(
    type_urn_suffix="route-not-found",
    http_status=404,
    title="Route not found",
    detail="The API has no route with this method and path; compare both with the documentation.",
)
MALFORMED_BODY_PROBLEM = Problem(
    type_urn_suffix="malformed-body",
    http_status=400,
    title="The body is not JSON",
    detail="The body is not valid JSON; send a JSON object.",
)
UNSUPPORTED_CONTENT_TYPE_PROBLEM = Problem(
    type_urn_suffix="unsupported-content-type",
    http_status=415,
    title="The content type is not supported",
    detail="The content type of the body is not supported; send application/json.",
)
_OF_RESOLVER: Mapping[type[Exception], Problem] = {
    NotFoundError: _UNKNOWN_ROUTE,
    RequestUnsupportedContentType: UNSUPPORTED_CONTENT_TYPE_PROBLEM,
    UnicodeDecodeError: MALFORMED_BODY_PROBLEM,
    RecursionError: MALFORMED_BODY_PROBLEM,
}
MAX_REQUEST_BODY_BYTES = 128 * 1024
"""Maximum size of a request body. The largest valid body, a selection of a thousand folders, has
about 50,000 bytes."""
BODY_TOO_LARGE_PROBLEM = Problem(
    type_urn_suffix="body-too-large",
    http_status=413,
    title="The body is too large",
    detail=f"The body is too large; send at most {MAX_REQUEST_BODY_BYTES} bytes in one request.",
)
_MAX_FAULTS = 10
_MAX_NAME_CHARS = 100
UNEXPECTED_EXCEPTION_PROBLEM = Problem(
    type_urn_suffix="unexpected",
    http_status=500,
    title="Something went wrong here",
    detail="The request failed because of a defect in Mailsync. Stored mail is not affected; report"
    " the request id to the operator.",
)


def make_unknown_folder_problem(folder_ids: Iterable[int]) -> Problem:
    """Return the problem for folder ids that do not belong to the account (422)."""
    return Problem(
        type_urn_suffix="unknown-folder",
        http_status=422,
        title="A folder is not one of this account",
        detail=f"The account has no folders with the ids {sorted(folder_ids)}; send ids that"
        " GET /api/email/accounts/{accountId} lists.",
    )


def make_invalid_field_problem(name: str) -> Problem:
    """Return the problem for one invalid field (422), for routes without pydantic models."""
    return Problem(
        type_urn_suffix="invalid-field",
        http_status=422,
        title="A field is missing or invalid",
        detail=f"Correct and send again: {name}.",
    )


def problem_to_json(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the body of a problem's response."""
    return {
        "type": f"urn:mailsync:problem:{problem.type_urn_suffix}",
        "title": problem.title,
        "status": problem.http_status,
        "detail": problem.detail,
        "requestId": request_id,
    }


def problem_to_json_response(problem: Problem, event: APIGatewayProxyEventV2) -> Response[str]:
    """Return the problem as an `application/problem+json` response."""
    return Response(
        status_code=problem.http_status,
        content_type=PROBLEM_CONTENT_TYPE,
        body=json.dumps(problem_to_json(problem, event.request_context.request_id)),
        headers=make_problem_headers(problem),
    )


def make_problem_headers(problem: Problem) -> dict[str, str | list[str]]:
    """Return the headers of a problem's response, which are the same for JSON and HTML."""
    if problem.retry_after_s is None:
        return {"Cache-Control": "no-store"}
    return {"Cache-Control": "no-store", "Retry-After": str(problem.retry_after_s)}


def make_large_body_response_or_none(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a 413 response in Lambda's format if the request's body exceeds
    `MAX_REQUEST_BODY_BYTES`. Return None if the body is small enough.

    Handlers call this function before they parse the body. The validation of some megabytes can
    take longer than API Gateway's time-out, and the list of validation errors can exceed Lambda's
    limit for a response.
    """
    if len(event.get("body") or "") <= MAX_REQUEST_BODY_BYTES:
        return None
    response = problem_to_json_response(BODY_TOO_LARGE_PROBLEM, APIGatewayProxyEventV2(dict(event)))
    return {
        "statusCode": response.status_code,
        "headers": {**response.headers, "Content-Type": PROBLEM_CONTENT_TYPE},
        "body": response.body,
    }


ProblemRenderer = Callable[[Problem, APIGatewayProxyEventV2], Response[str]]


def register_problem_handler(
    app: APIGatewayHttpResolver, render: ProblemRenderer = problem_to_json_response
) -> None:
    """Make `app` respond with a problem to every exception that a route raises, and to requests for
    unknown routes.

    Args:
        render: makes the response from a problem, as JSON or HTML.
    """

    def respond(error: Exception) -> Response[str]:
        problem = exception_to_problem(error)
        if problem is UNEXPECTED_EXCEPTION_PROBLEM and _is_multipart(app.current_event):
            # Powertools raises no error of its own for multipart bodies that it cannot parse.
            problem = UNSUPPORTED_CONTENT_TYPE_PROBLEM
        if problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log_server_error(error, problem)
        return render(problem, app.current_event)

    app.exception_handler(Exception)(respond)


def _is_multipart(event: APIGatewayProxyEventV2) -> bool:
    return event.headers.get("content-type", "").startswith("multipart/")


def exception_to_problem(error: Exception) -> Problem:
    """Return the problem for an exception. An exception in no table of this module gets the problem
    `unexpected` (500)."""
    match error:
        case ApiError():
            return error.problem
        case MailsyncError():
            return _of_product_error(error)
        case RequestValidationError():
            return _of_invalid_fields(error.errors())
        case AwsError():
            return _AWS_DOWN
    return _OF_RESOLVER.get(type(error), UNEXPECTED_EXCEPTION_PROBLEM)


def _of_product_error(error: MailsyncError) -> Problem:
    problem = _OF_ERRORS.get(type(error), UNEXPECTED_EXCEPTION_PROBLEM)
    if isinstance(error, ProviderThrottled) and error.retry_after_s is not None:
        problem = replace(problem, retry_after_s=math.ceil(error.retry_after_s))
    return (
        problem if problem.detail else replace(problem, detail=f"{error} {problem.advice}".strip())
    )


def _of_invalid_fields(errors: Sequence[Mapping[str, Any]]) -> Problem:
    if any(each["type"] == "json_invalid" for each in errors):
        return MALFORMED_BODY_PROBLEM
    named = [f"{str(each['loc'][-1])[:_MAX_NAME_CHARS]} ({each['msg']})" for each in errors]
    faults = "; ".join([*named[:_MAX_FAULTS], *(["and more"] if len(named) > _MAX_FAULTS else [])])
    return Problem(
        type_urn_suffix="invalid-field",
        http_status=422,
        title="A field is missing or invalid",
        detail=f"Correct and send again: {faults}.",
    )


def _log_server_error(error: Exception, problem: Problem) -> None:
    """Log the exception's name and location, not its text, which may quote a token or a URL."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-5:]]
    logger.error(
        "request_failed", error=type(error).__name__, problem=problem.type_urn_suffix, where=where
    )
