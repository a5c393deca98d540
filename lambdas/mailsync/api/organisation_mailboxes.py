"""Connection of a mailbox by app-only access, granted by its organisation instead of its owner.

Only an administrator can connect it, and only in organisations that MICROSOFT_TENANTS lists. Any
other user could mirror the mail of a colleague.
"""

import re
from dataclasses import dataclass
from typing import Any

from mailsync.api.problems import ApiError, Problem, invalid_field_problem
from mailsync.credentials.vault import Vault
from mailsync.model import MAX_USER_ID_CHARS, AccountId, Provider, RunId, SyncScope, SyncType
from mailsync.runs.trigger import Trigger
from mailsync.settings import Settings
from mailsync.store.credential_store import CredentialStore

_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"[^@\s/\\]{1,64}@[^@\s/\\]{1,255}")
_USER = re.compile(rf"\S{{1,{MAX_USER_ID_CHARS}}}")

_NO_ORGANISATION = Problem(
    kind="organisations-not-enabled",
    status=403,
    title="Mailboxes of organisations are not connected here",
    detail="This deployment allows no organisation, so the mailbox was not connected; list the"
    " tenant id in MICROSOFT_TENANTS.",
)
_OTHER_ORGANISATION = Problem(
    kind="organisation-not-allowed",
    status=403,
    title="The organisation is not allowed",
    detail="This deployment does not allow the organisation, so the mailbox was not connected; list"
    " its tenant id in MICROSOFT_TENANTS.",
)


@dataclass(frozen=True, slots=True)
class OrganisationMailboxRequest:
    """The validated body of the request.

    user_id: the user of the application who will own the account.
    organisation_id: tenant id of the organisation, in lower case.
    address: email address of the mailbox.
    """

    user_id: str
    organisation_id: str
    address: str

    @classmethod
    def from_body(cls, body: Any, caller: str) -> "OrganisationMailboxRequest":
        """Return the request; `userId` defaults to `caller`.

        Raises:
            ApiError: a field is missing or malformed; the problem names it (422).
        """
        fields = body if isinstance(body, dict) else {}
        return cls(
            _field(fields, "userId", _USER) if "userId" in fields else caller,
            _field(fields, "tenantId", _TENANT, lower=True),
            _field(fields, "emailAddress", _ADDRESS),
        )


@dataclass(frozen=True, slots=True)
class ConnectedMailbox:
    """The account of a connected mailbox, its first run and its email address."""

    account_id: AccountId
    run_id: RunId
    address: str


def connect_mailbox(
    wanted: OrganisationMailboxRequest,
    *,
    settings: Settings,
    credentials: CredentialStore,
    vault: Vault,
    trigger: Trigger,
) -> ConnectedMailbox:
    """Verify that the mailbox is readable, store its account and start the first sync.

    An account that the user already has for this mailbox keeps its mail.

    Raises:
        ApiError: the organisation is not allowed (403), or the mailbox cannot be read (422).
        AccessRevoked: the organisation has not given the application admin consent.
        ProviderRejected, ProviderUnavailable, StoreUnavailable: no mailbox was connected.
    """
    from mailsync.credentials import FixedAccessToken
    from mailsync.credentials.microsoft import app_only_tokens
    from mailsync.providers.graph.owner import (
        MailboxUnavailable,
        build_remote_account_id,
        look_up_owner,
    )

    if not settings.microsoft_tenants:
        raise ApiError(_NO_ORGANISATION)
    if wanted.organisation_id not in settings.microsoft_tenants:
        raise ApiError(_OTHER_ORGANISATION)
    tokens = app_only_tokens(settings, wanted.organisation_id)
    try:
        owner = look_up_owner(wanted.address, FixedAccessToken(tokens.access), settings)
    except MailboxUnavailable as error:
        raise ApiError(_unreadable_mailbox(error)) from None
    key = vault.sealing_key()
    account_id = credentials.connect_account(
        user_id=wanted.user_id,
        provider=Provider.MICROSOFT,
        provider_account_id=build_remote_account_id(owner.user_id, wanted.organisation_id),
        email_address=owner.address,
        seal=lambda account_id: tokens.seal(account_id, key),
    )
    run = trigger.sync(account_id, SyncScope(SyncType.INITIAL), "connect")
    return ConnectedMailbox(account_id, run.id, owner.address)


def _field(fields: dict[str, Any], name: str, form: re.Pattern[str], *, lower: bool = False) -> str:
    value = fields.get(name)
    text = (value.lower() if lower else value) if isinstance(value, str) else ""
    # Neither a URL nor Postgres accepts lone surrogates or NUL.
    if not form.fullmatch(text) or not text.isprintable():
        raise ApiError(invalid_field_problem(name))
    return text


def _unreadable_mailbox(error: Exception) -> Problem:
    return Problem(
        kind="mailbox-refused",
        status=422,
        title="The mailbox was not connected",
        detail=str(error),
    )
