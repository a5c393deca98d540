"""An account, what it signs in with, and how its provider notifies us."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mailsync.model.ids import AccountId, RemoteId


class Provider(StrEnum):
    MICROSOFT = "microsoft"
    GOOGLE = "google"
    IMAP = "imap"


SYNCABLE_PROVIDERS = frozenset({Provider.MICROSOFT})
"""Whose mailboxes can be synced yet."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret under a data key: nonce, ciphertext and tag."""

    key_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a function needs it; no secret is in here, and no address.

    `remote_id` is the provider's own id of it. `organisation_id` is set where an organisation
    lets the application read the mailbox, None where a person does. `max_in_flight` is how many
    requests at a time the provider was last found to take, None: as many as it documents.
    `throttled_for_s` seconds from now the provider may be asked again; 0: at once.
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
class Access:
    """A usable access token, in memory only; never printed."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account signs in with: a person's grant, or the id of an organisation.

    `access` is the last access token, if there was one. Before `renew_after` the identity
    platform wants no request for this account; None: it named no time.
    """

    grant: Sealed | None
    access: Sealed | None
    access_expires_at: datetime | None
    organisation_id: str | None = None
    access_issued_at: datetime | None = None
    renew_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key, wrapped by the key service."""

    id: int
    wrapped: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """The provider's push channel for one mailbox; it ends at `expires_at` unless renewed."""

    remote_id: RemoteId
    expires_at: datetime


class NotificationKind(StrEnum):
    """What a notification reports of its mailbox or its subscription."""

    CHANGED = "changed"
    EXPIRING = "expiring"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification as received. `secret` is the client state, which shows that it is genuine."""

    remote_id: RemoteId
    secret: str = field(repr=False)
    kind: NotificationKind
