"""A refusal for a person in front of a browser: one sentence, no script, nothing embedded."""

from html import escape

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import Problem, as_json, headers

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>
<p>Request {request_id}</p>
</html>
"""


def as_page_or_json(problem: Problem, event: APIGatewayProxyEventV2) -> Response[str]:
    """HTML when the caller takes it, as a browser says, else a problem in JSON."""
    if "text/html" not in event.headers.get("accept", ""):
        return as_json(problem, event)
    page = _PAGE.format(
        title=escape(problem.title),
        detail=escape(problem.detail),
        request_id=escape(event.request_context.request_id),
    )
    return Response(
        status_code=problem.status,
        content_type="text/html; charset=utf-8",
        body=page,
        headers={
            **headers(problem),
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
        },
    )
