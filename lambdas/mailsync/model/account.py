"""Accounts: connected mailboxes, their credentials, and notifications of their providers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from mailsync.model.ids import AccountId, RemoteId

Provider = NewType("Provider", str)
"""The stored name of a mail provider; `mailsync.registry` lists all."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret encrypted with AES-256-GCM: nonce, ciphertext and tag.

    key_id: id of the data key that encrypts it.
    """

    key_id: int
    sealed_bytes: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """A connected mailbox without its secrets and addresses.

    remote_id: the provider's id of the mailbox or of its user.
    organisation_id: tenant id of the organisation that grants access. None: a person grants access.
    max_requests_in_flight: concurrent requests that the provider last accepted. None: the number
        that the provider documents.
    throttled_for_s: seconds that remain of a pause that the provider requested; 0 without a pause.
    are_placements_filled: whether all messages have placements, including those that an earlier
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
    are_placements_filled: bool = True


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token with its expiry, in memory only; its `repr` hides the token."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """The stored credentials of an account, sealed: a grant, an organisation's id or a password.

    grant: refresh token of a person. None: access by an organisation or a password.
    access: the last access token. None: no token was requested yet, or access by a password.
    organisation_id: tenant id of the organisation that grants access. None: a person does.
    renew_after: the identity platform requested that no token is requested before this time.
    password: password of the mailbox. None: access by a grant or an organisation.
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
    """A key that encrypts secrets of accounts, itself encrypted by AWS KMS."""

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
    """A notification as received from the webhook, not verified yet.

    remote_id: the provider's id of the subscription.
    secret: client state that proves that the provider sent the notification.
    """

    remote_id: RemoteId
    secret: str = field(repr=False)
    kind: NotificationKind
