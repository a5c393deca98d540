"""Connect mailboxes by app-only access: the organisation of the mailboxes grants the application
access to them, and the owners of the mailboxes do not sign in.

Only an administrator of the application can connect such a mailbox, and only in organisations that
the operator allows. Otherwise any user could mirror the mail of a colleague.
"""

import re
from dataclasses import dataclass
from typing import Any

from mailsync.api.account_connector import (
    AccountConnector,
    ConnectedAccount,
    make_unreadable_mailbox_problem,
)
from mailsync.api.problems import ApiError, Problem, make_invalid_field_problem
from mailsync.credentials import FixedAccessTokenSource
from mailsync.credentials.identity import (
    OrganisationNotAllowed,
    import_identity_platform,
    require_oauth_access_of_provider,
)
from mailsync.model import MAX_USER_ID_CHARS
from mailsync.providers.kit import MailboxUnreadableError, load_provider_kit
from mailsync.settings import Settings

_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"[^@\s/\\]{1,64}@[^@\s/\\]{1,255}")
_USER = re.compile(rf"\S{{1,{MAX_USER_ID_CHARS}}}")


@dataclass(frozen=True, slots=True)
class OrganisationMailboxRequest:
    """The validated body of a request to connect a mailbox of an organisation.

    user_id: the user of the application who will own the account.
    organisation_id: tenant id of the organisation, in lower case.
    address: email address of the mailbox.
    """

    user_id: str
    organisation_id: str
    address: str

    @classmethod
    def from_body(cls, body: Any, caller: str) -> "OrganisationMailboxRequest":
        """Validate the JSON body and return it as an OrganisationMailboxRequest; a missing `userId`
        becomes `caller`.

        Raises:
            ApiError: a field is missing or malformed; the problem names the field (422).
        """
        fields = body if isinstance(body, dict) else {}
        return cls(
            _field(fields, "userId", _USER) if "userId" in fields else caller,
            _field(fields, "tenantId", _TENANT, lower=True),
            _field(fields, "emailAddress", _ADDRESS),
        )


def connect_organisation_mailbox(
    wanted: OrganisationMailboxRequest, connector: AccountConnector, settings: Settings
) -> ConnectedAccount:
    """Verify that the mailbox is readable, store its account and start the first sync. Return the
    account and the run of the sync.

    If the user already has an account for this mailbox, that account and its mail are kept.

    Raises:
        ApiError: the organisation is not allowed (403), or the mailbox cannot be read (422).
        AccessRevoked: the organisation has not given the application admin consent.
        ProviderRejected, ProviderThrottled, ProviderUnavailable: no mailbox was connected.
        SettingMissing, StoreUnavailable, AwsError: see `AccountConnector.connect`.
    """
    provider, organisation_id = connector.provider_name, wanted.organisation_id
    oauth = require_oauth_access_of_provider(provider)
    platform = import_identity_platform(oauth)
    try:
        platform.require_operator_allows_organisation(settings, organisation_id)
    except OrganisationNotAllowed as error:
        raise ApiError(_organisation_problem(error)) from None
    tokens = platform.request_app_only_tokens(settings, oauth, organisation_id)
    access = FixedAccessTokenSource(tokens.access_token)
    try:
        found = load_provider_kit(provider).check_organisation_mailbox(
            organisation_id, wanted.address, access, settings
        )
    except MailboxUnreadableError as error:
        raise ApiError(make_unreadable_mailbox_problem(error)) from None
    return connector.connect(wanted.user_id, found, tokens.seal_tokens_for_account)


def _field(fields: dict[str, Any], name: str, form: re.Pattern[str], *, lower: bool = False) -> str:
    value = fields.get(name)
    text = (value.lower() if lower else value) if isinstance(value, str) else ""
    # Neither a URL nor Postgres accepts lone surrogates or NUL.
    if not form.fullmatch(text) or not text.isprintable():
        raise ApiError(make_invalid_field_problem(name))
    return text


def _organisation_problem(error: OrganisationNotAllowed) -> Problem:
    if error.is_any_allowed:
        return Problem(
            type_urn_suffix="organisation-not-allowed",
            http_status=403,
            title="The organisation is not allowed",
            detail=str(error),
        )
    return Problem(
        type_urn_suffix="organisations-not-enabled",
        http_status=403,
        title="Mailboxes of organisations are not connected here",
        detail=str(error),
    )
