"""Whose mailbox it is, before an application reads it in the name of an organisation.

An account is called by the id of its user and that of the user's tenant, as in tokens of a
signed-in person, so a mailbox stays the same account whoever let the application in.

Sources: Microsoft Graph docs, "Get a user", "Resolve authorization errors"; Exchange Online docs,
"Role based access control for applications".
"""

from dataclasses import dataclass

from mailsync.providers import AccessTokenSource
from mailsync.providers.graph.errors import GraphResponse, Target, to_error
from mailsync.providers.graph.http import GraphClient, mailbox_path
from mailsync.providers.graph.messages import read_id
from mailsync.providers.retry_budget import RetryBudget
from mailsync.response_body import SMALL_BODY_BYTES
from mailsync.settings import Settings

LOOKUP_TIMEOUT_S = 8.0
"""A person waits for the answer, and the API gives up after 29 s: as long as this, asked again
once, and what came before it leave time for an answer in words."""
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
# What an application access policy says: its code is that of a permission which is missing.
_POLICY = "[RAOP]"
_MISSING_USER = frozenset({"Request_ResourceNotFound", "ErrorInvalidUser"})


class MailboxUnavailable(Exception):
    """The mailbox cannot be read, for a reason that its organisation can mend.

    Not a failure of a sync, so the workflow does not know it.
    """


@dataclass(frozen=True, slots=True)
class Owner:
    """`address` is the primary one, or the sign-in name of a user without one."""

    user_id: str
    address: str


def account_of(user_id: str, tenant_id: str) -> str:
    """What the account of this user is called, wherever it is connected from."""
    return f"{user_id}.{tenant_id}"


def user_of(account: str) -> str:
    return account.partition(".")[0]


def look_up_owner(address: str, access: AccessTokenSource, settings: Settings) -> Owner:
    """Asks the directory for the user of this address, and then looks into the mailbox.

    Raises:
        MailboxUnavailable: there is no such mailbox, or the application may not read it.
        ProviderUnavailable, ProviderThrottled, ProviderRejected, AccessRevoked: see `MailProvider`.
    """
    graph = GraphClient(
        base_url=settings.graph_url,
        mailbox=mailbox_path(address),
        access=access,
        ca_bundle=settings.ca_bundle,
        budget=RetryBudget(total_s=_RETRY_S),
        on_request=lambda _: None,
        answers_in_s=LOOKUP_TIMEOUT_S,
        limit_bytes=SMALL_BODY_BYTES,
    )
    try:
        return _find_owner(graph)
    finally:
        graph.close()


def _find_owner(graph: GraphClient) -> Owner:
    found = graph.get(f"{graph.mailbox}?$select=id,mail,userPrincipalName")
    if not found.ok:
        raise _not_found(found)
    read = graph.get(f"{graph.mailbox}/mailFolders/inbox?$select=id")
    if not read.ok:
        raise _not_read(read)
    address = found.body.get("mail") or found.body.get("userPrincipalName") or ""
    return Owner(read_id(found.body), str(address))


def _not_found(answer: GraphResponse) -> Exception:
    if answer.status == 404 and answer.code in _MISSING_USER:
        return MailboxUnavailable(_UNKNOWN)
    if answer.status == 403:
        return MailboxUnavailable(_HIDDEN)
    return to_error(answer, Target.MAILBOX)


def _not_read(answer: GraphResponse) -> Exception:
    if answer.code == "MailboxNotEnabledForRESTAPI" or answer.code in _MISSING_USER:
        return MailboxUnavailable(_INACTIVE)
    if answer.status == 403:
        return MailboxUnavailable(_OUT_OF_SCOPE if _POLICY in str(answer.body) else _DENIED)
    return to_error(answer, Target.MAILBOX)
