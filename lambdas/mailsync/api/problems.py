"""Every refusal as `application/problem+json` (RFC 9457).

`type` is a stable urn, `detail` one sentence that says what to do. What is not in the table
is a bug: it is logged by name and place, and answered without a word of it.
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
    """`kind` is the last word of the urn; an empty `detail` stands for the error's own message.

    advice: what the caller can do, where that message speaks to the operator.
    oauth_error: the identity platform's word or one of ours, where a sign-in was refused.
    """

    kind: str
    status: int
    title: str
    detail: str = ""
    advice: str = ""
    retry_after_s: int | None = None
    oauth_error: str = ""


class ApiError(Exception):
    """The request is answered with a problem; nothing in the product failed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


_PROVIDER_DOWN = Problem(
    kind="provider-unavailable",
    status=503,
    title="The mail provider does not answer",
    detail="The mail provider does not answer as it should; try again in a few minutes.",
    retry_after_s=60,
)
_OF_ERRORS: Mapping[type[MailsyncError], Problem] = {
    AccountNotFound: Problem(
        kind="account-not-found",
        status=404,
        title="Account not found",
        detail="You have no account of this id; correct the id or connect the mailbox.",
    ),
    AccountNotConnected: Problem(
        kind="account-not-connected", status=409, title="The account cannot be synced now"
    ),
    AccessRevoked: Problem(
        kind="access-revoked",
        status=409,
        title="The mail provider refuses access",
    ),
    ProviderRejected: Problem(
        kind="provider-rejected",
        status=502,
        title="The mail provider refuses the request",
        detail="The mail provider refuses the request; check the app registration.",
    ),
    ProviderThrottled: _PROVIDER_DOWN,
    ProviderUnavailable: _PROVIDER_DOWN,
    SchemaOutdated: Problem(
        kind="schema-outdated", status=503, title="The database needs a migration"
    ),
    SettingMissing: Problem(kind="setting-missing", status=503, title="A setting is missing"),
    StoreUnavailable: Problem(
        kind="store-unavailable",
        status=503,
        title="The database cannot be used now",
        advice="Send the request again in a few seconds.",
        retry_after_s=5,
    ),
}
_AWS_DOWN = Problem(
    kind="aws-unavailable",
    status=503,
    title="A service of AWS does not answer",
    detail="A service of AWS does not answer; send the request again in a few seconds.",
    retry_after_s=5,
)
_UNKNOWN_ROUTE = Problem(
    kind="route-not-found",
    status=404,
    title="Route not found",
    detail="There is no such route; compare method and path with the documentation.",
)
MALFORMED_BODY = Problem(
    kind="malformed-body",
    status=400,
    title="The body is not JSON",
    detail="The body could not be read as JSON; send a JSON object.",
)
_CONTENT_TYPE = Problem(
    kind="unsupported-content-type",
    status=415,
    title="The content type is not supported",
    detail="Send the body as application/json.",
)
_OF_RESOLVER: Mapping[type[Exception], Problem] = {
    NotFoundError: _UNKNOWN_ROUTE,
    RequestUnsupportedContentType: _CONTENT_TYPE,
    UnicodeDecodeError: MALFORMED_BODY,
    RecursionError: MALFORMED_BODY,
}
MAX_BODY_BYTES = 128 * 1024
"""A choice among a thousand folders has some fifty thousand."""
_TOO_LARGE = Problem(
    kind="body-too-large",
    status=413,
    title="The body is too large",
    detail=f"Send at most {MAX_BODY_BYTES} bytes in one request.",
)
_MAX_FAULTS = 10
_MAX_NAME_CHARS = 100
_UNEXPECTED = Problem(
    kind="unexpected",
    status=500,
    title="Something went wrong here",
    detail="The request failed for a reason of ours; quote the request id when you report it.",
)


def unknown_folder_problem(folder_ids: Iterable[int]) -> Problem:
    return Problem(
        kind="unknown-folder",
        status=422,
        title="A folder is not one of this account",
        detail=f"Take the ids of the account's own folders, not {sorted(folder_ids)}.",
    )


def invalid_field_problem(name: str) -> Problem:
    """For functions that do without models."""
    return Problem(
        kind="invalid-field",
        status=422,
        title="A field is missing or invalid",
        detail=f"Correct and send again: {name}.",
    )


def to_json_response(problem: Problem, event: APIGatewayProxyEventV2) -> Response[str]:
    body = {
        "type": f"urn:mailsync:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "requestId": event.request_context.request_id,
    }
    return Response(
        status_code=problem.status,
        content_type=PROBLEM_CONTENT_TYPE,
        body=json.dumps(body),
        headers=problem_headers(problem),
    )


def problem_headers(problem: Problem) -> dict[str, str | list[str]]:
    """What goes with a problem, whichever way it is shown."""
    if problem.retry_after_s is None:
        return {"Cache-Control": "no-store"}
    return {"Cache-Control": "no-store", "Retry-After": str(problem.retry_after_s)}


def reject_large_body(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a function answers to a body of more than `MAX_BODY_BYTES`; None: it is not.

    Asked before anything is parsed: a list of all that is wrong in some megabytes takes longer
    than the gateway waits, and is longer than Lambda may answer.
    """
    if len(event.get("body") or "") <= MAX_BODY_BYTES:
        return None
    answer = to_json_response(_TOO_LARGE, APIGatewayProxyEventV2(dict(event)))
    return {
        "statusCode": answer.status_code,
        "headers": {**answer.headers, "Content-Type": PROBLEM_CONTENT_TYPE},
        "body": answer.body,
    }


RenderProblem = Callable[[Problem, APIGatewayProxyEventV2], Response[str]]


def register_problem_handler(
    app: APIGatewayHttpResolver, render: RenderProblem = to_json_response
) -> None:
    """Whatever a route raises, and a route that does not exist, is answered with a problem."""

    def refuse(error: Exception) -> Response[str]:
        problem = problem_for(error)
        if problem is _UNEXPECTED and _is_multipart(app.current_event):
            problem = _CONTENT_TYPE  # Powertools has no name for one that it cannot take apart
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _report(error, problem)
        return render(problem, app.current_event)

    app.exception_handler(Exception)(refuse)


def _is_multipart(event: APIGatewayProxyEventV2) -> bool:
    return event.headers.get("content-type", "").startswith("multipart/")


def problem_for(error: Exception) -> Problem:
    match error:
        case ApiError():
            return error.problem
        case MailsyncError():
            return _of_product_error(error)
        case RequestValidationError():
            return _of_invalid_fields(error.errors())
    return _AWS_DOWN if _is_of_aws(error) else _OF_RESOLVER.get(type(error), _UNEXPECTED)


def _is_of_aws(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, BotoCoreError | ClientError)


def _of_product_error(error: MailsyncError) -> Problem:
    problem = _OF_ERRORS.get(type(error), _UNEXPECTED)
    if isinstance(error, ProviderThrottled) and error.retry_after_s is not None:
        problem = replace(problem, retry_after_s=math.ceil(error.retry_after_s))
    return (
        problem if problem.detail else replace(problem, detail=f"{error} {problem.advice}".strip())
    )


def _of_invalid_fields(errors: Sequence[Mapping[str, Any]]) -> Problem:
    if any(each["type"] == "json_invalid" for each in errors):
        return MALFORMED_BODY
    named = [f"{str(each['loc'][-1])[:_MAX_NAME_CHARS]} ({each['msg']})" for each in errors]
    faults = "; ".join([*named[:_MAX_FAULTS], *(["and more"] if len(named) > _MAX_FAULTS else [])])
    return Problem(
        kind="invalid-field",
        status=422,
        title="A field is missing or invalid",
        detail=f"Correct and send again: {faults}.",
    )


def _report(error: Exception, problem: Problem) -> None:
    """Name and place only: the text of a foreign error may quote a token or a URL."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-5:]]
    logger.error("request_failed", error=type(error).__name__, problem=problem.kind, where=where)
