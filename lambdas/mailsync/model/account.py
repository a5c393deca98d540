"""An account, its credentials, and its provider's notifications."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailsync.model.ids import AccountId, RemoteId


class Provider(StrEnum):
    MICROSOFT = "microsoft"
    GOOGLE = "google"
    IMAP = "imap"


SYNCABLE_PROVIDERS = frozenset({Provider.MICROSOFT})
"""Providers whose mailboxes this release can sync."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret, encrypted (AES-256-GCM) under a data key: nonce, ciphertext and tag."""

    key_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """An account without its secrets and addresses.

    remote_id: the provider's id of the mailbox or its user.
    organisation_id: set where an organisation grants access to the mailbox, None where a person
        does.
    max_in_flight: the number of concurrent requests that the provider last accepted; None for the
        number that it documents.
    throttled_for_s: seconds until the pause that the provider asked for ends; 0 without a pause.
    """

    id: AccountId
    provider: Provider
    status: str
    initial_sync_completed: bool = False
    remote_id: str = ""
    organisation_id: str | None = None
    max_in_flight: int | None = None
    throttled_for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, in memory only; its `repr` hides the token."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of an account: a person's grant (refresh token) or an organisation's id.

    access: the last access token; None before the first one.
    renew_after: the identity platform asked for no request for this account before that time.
    """

    grant: SealedSecret | None
    access: SealedSecret | None
    access_expires_at: datetime | None
    organisation_id: str | None = None
    access_issued_at: datetime | None = None
    renew_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key, encrypted by the key service (KMS)."""

    id: int
    wrapped: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """The provider's push channel for one mailbox. It ends at `expires_at` unless it is renewed."""

    remote_id: RemoteId
    expires_at: datetime


class NotificationKind(StrEnum):
    """What a notification reports: changed mail, or a subscription that expires or was removed."""

    MAIL_CHANGED = "changed"
    SUBSCRIPTION_EXPIRING = "expiring"
    SUBSCRIPTION_REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as received. `secret` is the client state, which shows that it is genuine."""

    remote_id: RemoteId
    secret: str = field(repr=False)
    kind: NotificationKind
