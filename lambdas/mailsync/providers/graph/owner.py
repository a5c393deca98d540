"""Find the owner of a mailbox before the application reads the mailbox on behalf of an
organisation.

An account is identified by the id of its user together with the id of the user's tenant, as in the
tokens of a signed-in person. So a mailbox stays the same account, whether its user or an
organisation grants the access.

Sources: Microsoft Graph docs, "Get a user", "Resolve authorization errors"; Exchange Online docs,
    "Role based access control for applications".
"""

from dataclasses import dataclass

from mailsync.providers import AccessTokenSource
from mailsync.providers.graph.errors import GraphResponse, RequestedResourceKind, to_mailsync_error
from mailsync.providers.graph.http import GraphClient, build_mailbox_path
from mailsync.providers.graph.messages import read_object_id
from mailsync.providers.kit import MailboxUnreadableError
from mailsync.providers.retry_budget import RetryBudget
from mailsync.registry import GRAPH_URL_SETTING
from mailsync.response_body import MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL
from mailsync.settings import Settings

OWNER_LOOKUP_REQUEST_TIMEOUT_S = 8.0
"""The time limit in seconds of each request that looks up a mailbox's owner. A person waits for the
result, and API Gateway gives up after 29 s. Two such requests and the work before them leave time
for an error message."""
_RETRY_S = 4.0

_UNKNOWN = "The organisation has no user of this address; correct it."
_HIDDEN = (
    "The app may not look up users of the organisation; an administrator must grant it the"
    " application permission User.Read.All."
)
_INACTIVE = "This user has no mailbox in Exchange Online, or it is inactive."
_DENIED = (
    "The app may not read this mailbox; an administrator must grant it the application permission"
    " Mail.Read, or a role that has this mailbox in its scope."
)
_OUT_OF_SCOPE = (
    "The organisation lets the app read certain mailboxes only; an administrator must put this"
    " one into its scope."
)
# The text with which an application access policy rejects a request. The error code is the same as
# for a missing permission.
_POLICY = "[RAOP]"
_MISSING_USER = frozenset({"Request_ResourceNotFound", "ErrorInvalidUser"})


@dataclass(frozen=True, slots=True)
class MailboxOwner:
    """The user to whom a mailbox belongs.

    email_address: the user's primary email address. A user without an email address has the sign-in
        name here.
    """

    user_id: str
    email_address: str


def build_remote_account_id(user_id: str, tenant_id: str) -> str:
    """Return the provider's id of a mailbox: the id of its user and the id of the user's tenant."""
    return f"{user_id}.{tenant_id}"


def parse_user_id_of_remote_account(account: str) -> str:
    """Return the user id that is part of the provider's id of a mailbox."""
    return account.partition(".")[0]


def find_mailbox_owner_by_address(
    address: str, access: AccessTokenSource, settings: Settings
) -> MailboxOwner:
    """Find the user with this email address in the organisation's directory, and test that the
    application can read the user's mailbox; return the user.

    Raises:
        MailboxUnreadableError: there is no such mailbox, or the application may not read it.
        ProviderUnavailable, ProviderThrottled, ProviderRejected, AccessRevoked: see `MailProvider`.
    """
    graph = GraphClient(
        base_url=settings.read_url_setting(GRAPH_URL_SETTING),
        mailbox=build_mailbox_path(address),
        access=access,
        ca_bundle=settings.provider_ca_bundle_path,
        budget=RetryBudget(total_s=_RETRY_S),
        on_request=lambda _: None,
        timeout_s=OWNER_LOOKUP_REQUEST_TIMEOUT_S,
        limit_bytes=MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL,
    )
    try:
        return _find_owner(graph)
    finally:
        graph.close()


def _find_owner(graph: GraphClient) -> MailboxOwner:
    found = graph.get(f"{graph.mailbox}?$select=id,mail,userPrincipalName")
    if not found.has_status_200:
        raise _not_found(found)
    read = graph.get(f"{graph.mailbox}/mailFolders/inbox?$select=id")
    if not read.has_status_200:
        raise _not_read(read)
    address = found.body.get("mail") or found.body.get("userPrincipalName") or ""
    return MailboxOwner(read_object_id(found.body), str(address))


def _not_found(response: GraphResponse) -> Exception:
    if response.status == 404 and response.error_code in _MISSING_USER:
        return MailboxUnreadableError(_UNKNOWN)
    if response.status == 403:
        return MailboxUnreadableError(_HIDDEN)
    return to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)


def _not_read(response: GraphResponse) -> Exception:
    if response.error_code == "MailboxNotEnabledForRESTAPI" or response.error_code in _MISSING_USER:
        return MailboxUnreadableError(_INACTIVE)
    if response.status == 403:
        return MailboxUnreadableError(_OUT_OF_SCOPE if _POLICY in str(response.body) else _DENIED)
    return to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
