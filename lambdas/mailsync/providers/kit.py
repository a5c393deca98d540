"""Define the interface of a provider's kit, and load kits. A kit is what the package of one mail
provider supplies to the common code.

`mailsync.registry` names the module of each provider's kit. Common code imports no provider's
package. It opens mailboxes and push subscriptions, and parses webhook requests, through the kit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Protocol, cast

from mailsync.decisions.first_sync import FirstSyncCostRates
from mailsync.errors import ProviderRejected
from mailsync.model import (
    Account,
    FolderTreeReadingMode,
    NotificationByEmailAddress,
    ProviderName,
    Role,
    SubscriptionNotification,
)
from mailsync.providers import AccessTokenSource, MailProvider, PushProvider
from mailsync.providers.quota import QuotaUnitSource
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.registry import find_provider
from mailsync.settings import Settings


class MailboxUnreadableError(Exception):
    """Error: the mailbox cannot be read, for a reason that its owner or organisation can correct.

    The text is for the person who connects the mailbox. The workflow never receives this error.
    """


class MalformedNotification(Exception):
    """Error: a request to the webhook does not have the form that the provider documents."""


class NotificationResendNeededError(Exception):
    """Error: a request to the webhook cannot be verified at this moment, so the provider must send
    it again. The text names the reason and contains nothing of the request."""


class MailServerUnusable(Exception):
    """Error: the mail server that a person named does not exist, does not answer, has no valid
    certificate, or may not be used here. The text is for the person. The workflow never receives
    this error."""


class PasswordRejected(Exception):
    """Error: the mail server refused the user name or the password. The text is advice for this
    server, or empty. The workflow never receives this error."""


class AppPasswordNeeded(PasswordRejected):
    """Error: the mail server accepts only a password for apps, or no password until the mailbox's
    owner has switched on the access. The text says where the owner does so. The workflow never
    receives this error."""


@dataclass(frozen=True, slots=True)
class MailboxIdentity:
    """The address of a mailbox, and the id under which the mailbox is stored. The application has
    tested that it can read the mailbox, with a password or with the organisation's permission. The
    mailbox's owner needs no sign-in page.

    remote_account_id: the provider's id of the mailbox; it does not depend on how the mailbox was
        connected.
    email_address: the mailbox's primary email address.
    legacy_remote_account_id: another id under which the mailbox may be stored already,
        by a release that read such mailboxes in another way. An account that is stored under this
        id keeps it. None: there is no such id.
    """

    remote_account_id: str
    email_address: str
    legacy_remote_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request to the webhook of a provider.

    authorization: value of the header Authorization. Empty: no header.
    """

    body: bytes
    authorization: str = field(default="", repr=False)


class PushKit(Protocol):
    """Interface of the functions for push subscriptions that a provider's package supplies to the
    common code.

    requested_subscription_lifetime: lifetime that Mailsync requests for a subscription.
    has_one_subscription_per_mailbox: all accounts of a mailbox share one subscription. A new
        subscription replaces it. If it ends, no account of the mailbox gets notifications any more.
    leftover_subscription_search_timeout_s: seconds for which one invocation of
        `renew-subscriptions` may search, over all mailboxes, for leftover subscriptions: those that
        exist at the provider and that Mailsync no longer uses.
    """

    requested_subscription_lifetime: timedelta
    leftover_subscription_search_timeout_s: float
    has_one_subscription_per_mailbox: bool

    def is_configured(self, settings: Settings) -> bool:
        """Return whether this stage has the settings that the provider's notifications need."""
        ...

    def open_push_provider(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
    ) -> PushProvider:
        """Return a client for the push subscriptions of the account's mailbox."""
        ...

    def answer_validation_request(self, raw_query: str) -> str | None:
        """Return the text with which the webhook confirms a new subscription to the provider.
        Return None if the request does not validate a subscription.

        raw_query: the query string of the request's URL.

        Raises:
            MalformedNotification: the validation request is malformed.
        """
        ...

    def parse_notifications(
        self, request: WebhookRequest, settings: Settings
    ) -> Sequence[SubscriptionNotification | NotificationByEmailAddress]:
        """Return the notifications in one webhook request, each once.

        A forged NotificationByEmailAddress is left out. A SubscriptionNotification contains its
        client state, which the caller must verify.

        Raises:
            MalformedNotification: the body is malformed.
            NotificationResendNeededError: the request cannot be verified at this moment.
        """
        ...


class ProviderKit(Protocol):
    """Interface of what a provider's package supplies to the common code.

    The registry names one module per provider. The module's constant `KIT` implements this
    interface.

    push_kit: functions for push subscriptions. None: the provider sends no notifications.
    first_sync_cost_rates: figures for the estimate of a first sync: requests, seconds and US
        dollars per message and per sync.
    """

    push_kit: PushKit | None
    """The provider's functions for push subscriptions. None: the provider sends no notifications.
    """
    first_sync_cost_rates: FirstSyncCostRates

    def open_mailbox(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
        memory: ResponseMemoryShare | None = None,
        *,
        quota: QuotaUnitSource | None = None,
    ) -> MailProvider:
        """Return a client for the account's mailbox.

        memory: the mailbox's share of the memory for responses, if one Lambda function opens
            several mailboxes. A call of the client raises ProviderUnavailable if a response does
            not fit into the share. None: no limit.
        quota: the quota from which the client takes units before each request. None: no limit.
        """
        ...

    def count_messages(self, mailbox: MailProvider) -> int:
        """Return the approximate number of messages in a mailbox, in as few requests as possible.
        Raises the errors of `MailProvider`.

        mailbox: a client from `open_mailbox`.
        """
        ...

    def check_organisation_mailbox(
        self, organisation_id: str, address: str, access: AccessTokenSource, settings: Settings
    ) -> MailboxIdentity:
        """Find the organisation's mailbox with this address, test that the application may read the
        mailbox, and return its identity.

        Raises:
            MailboxUnreadableError: there is no such mailbox, or the application may not read it.
            errors of `MailProvider`
        """
        ...


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """The user name and password with which a person signs in to a mailbox.

    host, port: the mail server. None: the provider finds the server by the user name, or uses its
        default port.
    """

    user_name: str
    password: str = field(repr=False)
    host: str | None = None
    port: int | None = None


class PasswordKit(Protocol):
    """Interface of the functions that a provider's kit also supplies if the provider's mailboxes
    are opened with a password."""

    def check_password(self, login: PasswordLogin, settings: Settings) -> MailboxIdentity:
        """Sign in to the mailbox once and return its identity. No error contains the password.

        Raises:
            PasswordRejected: the server refused the user name or the password.
            AppPasswordNeeded: the server accepts only a password for apps, or the mailbox's owner
                must switch on the access first.
            MailServerUnusable: the server cannot be used as it was named.
            MailboxUnreadableError: the sign-in succeeded, but the mailbox cannot be read.
            errors of `MailProvider`
        """
        ...


def load_provider_kit(provider: ProviderName) -> ProviderKit:
    """Import and return the kit of a provider. Packages of other providers are not imported.

    Raises:
        ProviderRejected: this release has no kit for the provider.
    """
    registration = find_provider(provider)
    if registration is None or registration.implementation_module is None:
        raise ProviderRejected(f"Accounts of provider '{provider}' cannot be synced yet.")
    return cast(ProviderKit, import_module(registration.implementation_module).KIT)


def load_password_kit(provider: ProviderName) -> PasswordKit:
    """Return the kit of a provider whose mailboxes are opened with a password.

    Raises:
        ProviderRejected: this release has no kit for the provider.
    """
    return cast(PasswordKit, load_provider_kit(provider))


def load_push_kit(provider: ProviderName) -> PushKit:
    """Import the kit of a provider, and return its functions for push subscriptions.

    Raises:
        ProviderRejected: this release has no kit for the provider, or the provider sends no
            notifications.
    """
    push = load_provider_kit(provider).push_kit
    if push is None:
        raise ProviderRejected(f"The provider '{provider}' does not notify of changes.")
    return push


def sum_folder_message_counts(mailbox: MailProvider) -> int:
    """Return the number of messages in the folders of a mailbox, according to the provider's
    counts, each message once.

    If the mailbox has a folder of all mail, only this folder, trash and junk are counted. A folder
    without a count of the provider counts as empty.
    """
    folders = mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS).folders
    all_mail = mailbox.provider_traits.all_mail_folder_id
    beside = (Role.TRASH, Role.JUNK)
    return sum(
        folder.message_count or 0
        for folder in folders
        if all_mail is None or folder.remote_id == all_mail or folder.role in beside
    )


def webhook_path(provider: ProviderName) -> str:
    """Return the path of the API route that receives the provider's notifications."""
    return f"/api/webhooks/{provider}"
