"""Make the page that an administrator sees after consenting, or declining to consent, to the
application for an organisation.

The identity platform redirects the administrator to the callback route of sign-ins. Mailsync cannot
authenticate the query of this redirect, so the handler connects no mailbox and only shows the next
step.
"""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.html_pages import make_html_or_json_success_response
from mailsync.api.problems import ApiError, Problem
from mailsync.api.sign_in_errors import make_link_to_application
from mailsync.credentials.identity import AdminConsent

_TITLE = "Your organisation agreed to the app"


def make_admin_consent_response(
    consent: AdminConsent, event: APIGatewayProxyEventV2
) -> Response[str]:
    """Return a page (200) that confirms an administrator's consent.

    Raises:
        ApiError: the administrator did not consent (400).
    """
    if not consent.has_admin_consented:
        raise ApiError(
            Problem(
                type_urn_suffix="admin-consent-refused",
                http_status=400,
                title="Your organisation has not agreed to the app",
                detail=consent.text_to_show_admin,
            )
        )
    return make_html_or_json_success_response(
        _TITLE, consent.text_to_show_admin, event, make_link_to_application(event.path)
    )
