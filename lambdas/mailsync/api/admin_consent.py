"""The page for an administrator whose consent page redirected to the callback of sign-ins.

The query of that redirect is not authenticated, so the handler connects no mailbox and only shows
the next step.
"""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.html_pages import to_notice_page
from mailsync.api.problems import ApiError, Problem
from mailsync.api.sign_in_errors import application_link
from mailsync.credentials.identity import AdminConsent

_TITLE = "Your organisation agreed to the app"


def finish_admin_consent(consent: AdminConsent, event: APIGatewayProxyEventV2) -> Response[str]:
    """Return a page that confirms the consent (200).

    Raises:
        ApiError: the administrator did not give consent (400).
    """
    if not consent.is_given:
        raise ApiError(
            Problem(
                kind="admin-consent-refused",
                status=400,
                title="Your organisation has not agreed to the app",
                detail=consent.message,
            )
        )
    return to_notice_page(_TITLE, consent.message, event, application_link(event.path))
