"""Define accounts (connected mailboxes), their credentials, and the notifications of their
providers."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

from mailsync.model.ids import AccountId, RemoteId

Provider = NewType("Provider", str)
"""The name of a mail provider as stored in the database; `mailsync.registry` lists all names."""
NEVER = datetime.max.replace(tzinfo=UTC)
"""The expiry of what does not expire."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret encrypted with AES-256-GCM.

    key_id: id of the data key that encrypts it.
    sealed_bytes: nonce, ciphertext and tag.
    """

    key_id: int
    sealed_bytes: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """A connected mailbox, without its credentials and its email address.

    remote_id: the provider's id of the mailbox or of its user.
    organisation_id: tenant id of the organisation that grants access. None: a person grants access.
    max_requests_in_flight: number of concurrent requests that the provider last accepted. None: the
        number that the provider documents.
    throttled_for_s: seconds that remain of a pause that the provider requested; 0 without a pause.
    are_placements_backfilled: whether all messages have placements, including those that an earlier
        version stored.
    """

    id: AccountId
    provider: Provider
    status: str
    initial_sync_completed: bool = False
    remote_id: str = ""
    organisation_id: str | None = None
    max_requests_in_flight: int | None = None
    throttled_for_s: float = 0.0
    are_placements_backfilled: bool = True


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token with its expiry, held only in memory; its `repr` hides the token.

    A password takes the place of a token that never expires: `expires_at` is `NEVER`.
    """

    token: str = field(repr=False)
    expires_at: datetime

    @property
    def is_password(self) -> bool:
        """Return whether this is the password of the mailbox."""
        return self.expires_at == NEVER


@dataclass(frozen=True, slots=True)
class Credentials:
    """The stored credentials of an account: an encrypted grant, an organisation's id, or an
    encrypted password.

    sealed_grant: encrypted refresh token of a person. None: access by an organisation or a
        password.
    sealed_access_token: the last access token, encrypted. None: no token was requested yet, or
        access by a password.
    organisation_id: tenant id of the organisation that grants access. None: a person grants access.
    earliest_renewal_at: time before which no token may be requested, as the identity platform
        demanded.
    password: encrypted password of the mailbox. None: access by a grant or an organisation.
    """

    sealed_grant: SealedSecret | None
    sealed_access_token: SealedSecret | None
    access_expires_at: datetime | None
    organisation_id: str | None = None
    access_issued_at: datetime | None = None
    earliest_renewal_at: datetime | None = None
    password: SealedSecret | None = None


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that encrypts the secrets of accounts, as stored: AWS KMS has encrypted the key
    itself."""

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
class Notification:
    """A notification that the webhook received and has not verified yet.

    remote_id: the provider's id of the subscription.
    secret: client state, which proves that the provider sent the notification.
    """

    remote_id: RemoteId
    secret: str = field(repr=False)
    kind: NotificationKind


@dataclass(frozen=True, slots=True)
class MailboxNotification:
    """A notification of changed mail that names a mailbox and no subscription.

    The provider's package has verified that the provider sent it.

    address: the mailbox's email address in lower case.
    """

    address: str = field(repr=False)
