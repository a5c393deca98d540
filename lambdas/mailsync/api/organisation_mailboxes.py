"""Connecting a mailbox that its organisation lets the application read, without its owner.

Only an administrator may, and only in organisations that a setting names: anybody else could
mirror a colleague's mail.
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
    detail="No organisation is allowed here; list its tenant id in MICROSOFT_TENANTS.",
)
_OTHER_ORGANISATION = Problem(
    kind="organisation-not-allowed",
    status=403,
    title="The organisation is not allowed",
    detail="This organisation is not allowed here; list its tenant id in MICROSOFT_TENANTS.",
)


@dataclass(frozen=True, slots=True)
class MailboxRequest:
    """Whose mailbox is to be connected, and for which user of the application."""

    user_id: str
    organisation_id: str
    address: str

    @classmethod
    def from_body(cls, body: Any, caller: str) -> "MailboxRequest":
        """Raises ApiError (422) and names the field at fault."""
        fields = body if isinstance(body, dict) else {}
        return cls(
            _field(fields, "userId", _USER) if "userId" in fields else caller,
            _field(fields, "tenantId", _TENANT, lower=True),
            _field(fields, "emailAddress", _ADDRESS),
        )


@dataclass(frozen=True, slots=True)
class ConnectedMailbox:
    account_id: AccountId
    run_id: RunId
    address: str


def connect_mailbox(
    wanted: MailboxRequest,
    *,
    settings: Settings,
    credentials: CredentialStore,
    vault: Vault,
    trigger: Trigger,
) -> ConnectedMailbox:
    """Stores the account after a look into its mailbox, and starts its first sync.

    A mailbox that the user has already keeps its data, whoever let the application in before.

    Raises:
        ApiError: the organisation is not allowed (403), or its mailbox cannot be read (422).
        AccessRevoked: the organisation does not admit the application.
        ProviderRejected, ProviderUnavailable, StoreUnavailable: nothing is connected.
    """
    from mailsync.credentials import HeldAccess
    from mailsync.credentials.microsoft import app_only_tokens
    from mailsync.providers.graph.owner import MailboxRefused, account_of, look_up

    if not settings.microsoft_tenants:
        raise ApiError(_NO_ORGANISATION)
    if wanted.organisation_id not in settings.microsoft_tenants:
        raise ApiError(_OTHER_ORGANISATION)
    tokens = app_only_tokens(settings, wanted.organisation_id)
    try:
        owner = look_up(wanted.address, HeldAccess(tokens.access), settings)
    except MailboxRefused as refusal:
        raise ApiError(_refusal(refusal)) from None
    key = vault.sealing_key()
    account_id = credentials.connect_account(
        user_id=wanted.user_id,
        provider=Provider.MICROSOFT,
        provider_account_id=account_of(owner.user_id, wanted.organisation_id),
        email_address=owner.address,
        seal=lambda account_id: tokens.sealed(account_id, key),
    )
    run = trigger.sync(account_id, SyncScope(SyncType.INITIAL), "connect")
    return ConnectedMailbox(account_id, run.id, owner.address)


def _field(fields: dict[str, Any], name: str, form: re.Pattern[str], *, lower: bool = False) -> str:
    value = fields.get(name)
    text = (value.lower() if lower else value) if isinstance(value, str) else ""
    # Neither a URL nor a row takes halves of a surrogate pair or NUL.
    if not form.fullmatch(text) or not text.isprintable():
        raise ApiError(invalid_field_problem(name))
    return text


def _refusal(refusal: Exception) -> Problem:
    return Problem(
        kind="mailbox-refused",
        status=422,
        title="The mailbox was not connected",
        detail=str(refusal),
    )
