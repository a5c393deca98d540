"""Build HTML pages for people in a browser: plain text without scripts or embedded resources."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import Problem, make_problem_headers, problem_to_json_response

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>
{link}<p>Request {request_id}</p>
</html>
"""
_LINK = '<p><a href="{href}">{text}</a></p>\n'


@dataclass(frozen=True, slots=True)
class PageLink:
    """The link at the end of a page.

    href: the target, a path of the API or a URL from the settings.
    text: the visible text.
    """

    href: str
    text: str


def problem_to_html_or_json_response(
    problem: Problem, event: APIGatewayProxyEventV2, link: PageLink | None = None
) -> Response[str]:
    """Return the problem as an HTML page if the request accepts HTML, else as JSON."""
    if not accepts_html(event):
        return problem_to_json_response(problem, event)
    return _page(
        problem.http_status,
        problem.title,
        problem.detail,
        make_problem_headers(problem),
        event,
        link=link,
    )


def make_html_or_json_success_response(
    title: str, detail: str, event: APIGatewayProxyEventV2, link: PageLink | None = None
) -> Response[str]:
    """Return a notice (200) as an HTML page if the request accepts HTML, else as JSON."""
    no_store: dict[str, str | list[str]] = {"Cache-Control": "no-store"}
    if accepts_html(event):
        return _page(HTTPStatus.OK, title, detail, no_store, event, link=link)
    body = json.dumps({"success": True, "message": f"{title}. {detail}"})
    return Response(HTTPStatus.OK, APPLICATION_JSON, body, no_store)


def accepts_html(event: APIGatewayProxyEventV2) -> bool:
    """Return whether the request's Accept header names HTML, as browsers do."""
    return "text/html" in event.headers.get("accept", "")


def _page(
    status: int,
    title: str,
    detail: str,
    more: Mapping[str, str | list[str]],
    event: APIGatewayProxyEventV2,
    *,
    link: PageLink | None,
) -> Response[str]:
    page = _PAGE.format(
        title=escape(title),
        detail=escape(detail),
        link=_LINK.format(href=escape(link.href), text=escape(link.text)) if link else "",
        request_id=escape(event.request_context.request_id),
    )
    return Response(
        status_code=status,
        content_type="text/html; charset=utf-8",
        body=page,
        headers={
            **more,
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
        },
    )
