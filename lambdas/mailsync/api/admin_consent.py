"""The redirect that ends Microsoft's admin consent page.

Microsoft redirects the administrator to the callback of sign-ins, but without a code and without a
sign-in that this API started. The query is not authenticated, so the handler connects no mailbox
and only shows a page with the next step.
Source: Microsoft identity platform docs, "Admin consent on the Microsoft identity platform".
"""

from collections.abc import Mapping

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.html_pages import to_notice_page
from mailsync.api.problems import ApiError, Problem
from mailsync.api.sign_in_errors import application_link

_TITLE = "Your organisation agreed to the app"
_DETAIL = (
    "Microsoft reports that an administrator gave consent. This connected no mailbox: open the"
    " application and connect your mailbox. A mailbox that waited for this consent resumes its"
    " sync without further action."
)


def is_admin_consent(query: Mapping[str, str]) -> bool:
    """Return whether the redirect ends an admin consent; a redirect with a code ends a sign-in."""
    return "admin_consent" in query and "code" not in query


def finish_admin_consent(event: APIGatewayProxyEventV2) -> Response[str]:
    """Return a page that confirms the consent (200).

    Raises:
        ApiError: the administrator did not give consent (400).
    """
    from mailsync.credentials.microsoft_errors import admin_consent_message

    query = event.query_string_parameters
    if "error" in query or query["admin_consent"].lower() != "true":
        raise ApiError(
            Problem(
                kind="admin-consent-refused",
                status=400,
                title="Your organisation has not agreed to the app",
                detail=admin_consent_message(query),
            )
        )
    return to_notice_page(_TITLE, _DETAIL, event, application_link())
