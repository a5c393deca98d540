"""Make the page that an administrator sees after consenting, or declining to consent, to the
application for an organisation.

The identity platform redirects the administrator to the callback route of sign-ins. Mailsync cannot
authenticate the query of this redirect, so the handler connects no mailbox and only shows the next
step.
"""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.html_pages import to_notice_page
from mailsync.api.problems import ApiError, Problem
from mailsync.api.sign_in_errors import make_application_link
from mailsync.credentials.identity import AdminConsent

_TITLE = "Your organisation agreed to the app"


def finish_admin_consent(consent: AdminConsent, event: APIGatewayProxyEventV2) -> Response[str]:
    """Return a page (200) that confirms an administrator's consent.

    Raises:
        ApiError: the administrator did not consent (400).
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
    return to_notice_page(_TITLE, consent.message, event, make_application_link(event.path))
