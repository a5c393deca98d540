"""Where Microsoft sends an administrator who was asked to agree for a whole organisation.

The consent page takes our callback as its redirect address, but it returns no code, and no sign-in
was begun here. So nothing is connected, nothing of the query is believed, and a page says how to
go on. Source: Microsoft identity platform docs, "Admin consent on the Microsoft identity platform".
"""

from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.html_pages import to_notice_page
from mailsync.api.problems import ApiError, Problem
from mailsync.api.sign_in_errors import application_link

_TITLE = "Your organisation agreed to the app"
_DETAIL = (
    "Microsoft reports that an administrator agreed. No mailbox was connected by that: open the"
    " application and connect yours. A mailbox that waited for this consent goes on by itself."
)


def is_admin_consent(query: Mapping[str, str]) -> bool:
    """A redirect with a code is a sign-in, whoever agreed on the way."""
    return "admin_consent" in query and "code" not in query


def finish_admin_consent(event: APIGatewayProxyEventV2) -> Response[str]:
    """Raises ApiError (400) when the administrator did not agree."""
    from mailsync.credentials.microsoft_refusals import of_admin_consent

    query = event.query_string_parameters
    if "error" in query or query["admin_consent"].lower() != "true":
        raise ApiError(
            Problem(
                kind="admin-consent-refused",
                status=400,
                title="Your organisation has not agreed to the app",
                detail=of_admin_consent(query),
            )
        )
    return to_notice_page(_TITLE, _DETAIL, event, application_link())
