"""An answer for a person in front of a browser: a few words, no script, nothing embedded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import Problem, problem_headers, to_json_response

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<h1>{title}</h1>
<p>{detail}</p>
{way_on}<p>Request {request_id}</p>
</html>
"""
_WAY_ON = '<p><a href="{href}">{text}</a></p>\n'


@dataclass(frozen=True, slots=True)
class PageLink:
    """Where a person goes on from a page; `href` is our own or a setting's."""

    href: str
    text: str


def to_problem_page(
    problem: Problem, event: APIGatewayProxyEventV2, way_on: PageLink | None = None
) -> Response[str]:
    """HTML when the caller takes it, as a browser says, else a problem in JSON."""
    if not accepts_html(event):
        return to_json_response(problem, event)
    return _page(
        problem.status,
        problem.title,
        problem.detail,
        problem_headers(problem),
        event,
        way_on=way_on,
    )


def to_notice_page(
    title: str, detail: str, event: APIGatewayProxyEventV2, way_on: PageLink | None = None
) -> Response[str]:
    """What a person who did nothing wrong is to know (200), as a page or in JSON."""
    never_kept: dict[str, str | list[str]] = {"Cache-Control": "no-store"}
    if accepts_html(event):
        return _page(HTTPStatus.OK, title, detail, never_kept, event, way_on=way_on)
    body = json.dumps({"success": True, "message": f"{title}. {detail}"})
    return Response(HTTPStatus.OK, APPLICATION_JSON, body, never_kept)


def accepts_html(event: APIGatewayProxyEventV2) -> bool:
    return "text/html" in event.headers.get("accept", "")


def _page(
    status: int,
    title: str,
    detail: str,
    more: Mapping[str, str | list[str]],
    event: APIGatewayProxyEventV2,
    *,
    way_on: PageLink | None,
) -> Response[str]:
    page = _PAGE.format(
        title=escape(title),
        detail=escape(detail),
        way_on=_WAY_ON.format(href=escape(way_on.href), text=escape(way_on.text)) if way_on else "",
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
