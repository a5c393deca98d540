"""Define accounts (connected mailboxes), their credentials, and the notifications of their
providers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

from mailsync.model.ids import AccountId, RemoteId

ProviderName = NewType("ProviderName", str)
"""The name of a mail provider as stored in the database; `mailsync.registry` lists all names."""
NO_EXPIRY = datetime.max.replace(tzinfo=UTC)
"""The value of `AccessToken.expires_at` for a password, which does not expire."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret encrypted with AES-256-GCM.

    key_id: id of the data key (`DataKey`) that encrypts the secret.
    sealed_bytes: nonce, ciphertext and authentication tag.
    """

    key_id: int
    sealed_bytes: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """A connected mailbox, without its credentials and its email address.

    status: status of the account as stored, such as `active` or `paused`.
    is_initial_sync_completed: whether the first sync of the mailbox has ended successfully.
    remote_account_id: the provider's id of the mailbox or of the mailbox's user.
    granting_organisation_id: tenant id of the organisation that grants access. None: a person
        grants access.
    max_requests_in_flight: number of concurrent requests that the provider last accepted. None: the
        number that the provider documents applies.
    remaining_provider_pause_s: remaining seconds of a pause that the provider requested. 0: there
        is no pause.
    has_placements_of_all_messages: whether every stored message has its placements. False: earlier
        releases stored messages without placements, and a sync must still add the placements.
    """

    id: AccountId
    provider: ProviderName
    status: str
    is_initial_sync_completed: bool = False
    remote_account_id: str = ""
    granting_organisation_id: str | None = None
    max_requests_in_flight: int | None = None
    remaining_provider_pause_s: float = 0.0
    has_placements_of_all_messages: bool = True


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token with its expiry. It is only kept in memory; its `repr` hides the token.

    For a mailbox that is opened with a password, `token` contains the password, and
    `expires_at` is `NO_EXPIRY`.
    """

    token: str = field(repr=False)
    expires_at: datetime

    @property
    def holds_mailbox_password(self) -> bool:
        """Return whether `token` contains the password of the mailbox, not an access token."""
        return self.expires_at == NO_EXPIRY


@dataclass(frozen=True, slots=True)
class Credentials:
    """The stored credentials of an account. Access to the mailbox is granted in one of three ways:
    by a person's grant (a refresh token), by an organisation, or by the mailbox's password.

    sealed_refresh_token: the person's refresh token, encrypted. None: access by an organisation or
        by a password.
    sealed_access_token: the last access token, encrypted. None: no access token was requested yet,
        or access by a password.
    access_token_expires_at: when the last access token expires. None: there is no access token.
    granting_organisation_id: tenant id of the organisation that grants access. None: access by a
        grant or by a password.
    access_token_issued_at: when the last access token was issued. None: unknown.
    token_requests_paused_until: end of a pause that the identity platform requested. Before this
        time no token may be requested. None: no pause.
    sealed_password: password of the mailbox, encrypted. None: access by a grant or an organisation.
    """

    sealed_refresh_token: SealedSecret | None
    sealed_access_token: SealedSecret | None
    access_token_expires_at: datetime | None
    granting_organisation_id: str | None = None
    access_token_issued_at: datetime | None = None
    token_requests_paused_until: datetime | None = None
    sealed_password: SealedSecret | None = None


@dataclass(frozen=True, slots=True)
class DataKey:
    """A stored data key. A data key encrypts the secrets of accounts, and AWS KMS encrypts the data
    key.

    wrapped_key: the data key, encrypted by AWS KMS.
    """

    id: int
    wrapped_key: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """A push subscription: the provider's agreement to send notifications for one mailbox.

    remote_id: the provider's id of the subscription.
    expires_at: when the subscription ends unless it is renewed.
    """

    remote_id: RemoteId
    expires_at: datetime


class NotificationKind(StrEnum):
    """What a provider's notification reports: changed mail, or the end of a push subscription."""

    MAIL_CHANGED = "changed"
    SUBSCRIPTION_EXPIRING = "expiring"
    SUBSCRIPTION_REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class SubscriptionNotification:
    """A notification that the webhook received from a subscription and has not verified yet.

    subscription_remote_id: the provider's id of the subscription.
    client_state: the client state of the subscription. Only Mailsync and the provider know it, so
        it proves that the provider sent the notification.
    """

    subscription_remote_id: RemoteId
    client_state: str = field(repr=False)
    kind: NotificationKind


@dataclass(frozen=True, slots=True)
class NotificationByEmailAddress:
    """A notification of changed mail that names a mailbox and no subscription.

    Mailsync's code for the provider has already verified that the provider sent the notification.

    email_address: the mailbox's email address in lower case.
    """

    email_address: str = field(repr=False)
