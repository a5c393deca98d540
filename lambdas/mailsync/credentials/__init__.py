"""Usable access tokens of an account, and nobody else's.

One writer renews at a time: the identity platform hands out a new grant with each access token,
and two workers that save theirs one after the other would keep the wrong one.

What the identity platform says about the next request is stored beside the token, so that every
worker respects it: the pause that it asked for, and that a grant has ended.
"""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mailsync.credentials.token_set import TokenSet, access_of, grant_of
from mailsync.credentials.vault import SealingKey, Vault
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import Access, AccountId, Credentials
from mailsync.settings import Settings

FRESH_FOR = timedelta(minutes=5)
"""An access token with less time left is renewed before it is used."""
MIN_AGE = timedelta(minutes=5)
"""A younger access token is not renewed when the mail provider refuses it: that is an outage, and
10,000 mailboxes that renew with each request would only add one of the identity platform."""
PAUSE_S = 60.0
"""After a throttled renewal whose answer names no time; 60 is what Microsoft usually names
(MSAL.NET docs, "Understanding client and server throttling")."""
_ATTEMPTS = 3


class Renewal(Protocol):
    @property
    def credentials(self) -> Credentials: ...

    def save(self, credentials: Credentials) -> None: ...

    def postpone(self, until: datetime) -> None:
        """Keep every worker from asking the identity platform before then."""
        ...

    def end_grant(self) -> None:
        """Record that the grant has ended: the account stays closed until a new sign-in."""
        ...


class CredentialStore(Protocol):
    def credentials(self, account_id: AccountId) -> Credentials:
        """Raises AccountNotConnected when the account has none."""
        ...

    def renewing(self, account_id: AccountId) -> AbstractContextManager[Renewal]:
        """The same under a lock; inside the block nothing else may be asked of the store."""
        ...


class StoredAccess:
    """The access token of one account, kept sealed in the store; implements `AccessTokenSource`.

    Where an organisation lets the application in there is no grant, and a new token is simply
    asked for; it is kept in the same way.

    Both methods raise:
        AccountNotConnected: there is nothing to sign in with.
        AccessRevoked: the grant is refused, and a person must connect the mailbox again; or
            the organisation no longer admits the application.
        ProviderRejected: the app registration is refused.
        ProviderThrottled: the identity platform asked for a pause, now or of another worker.
        ProviderUnavailable: the identity platform does not answer.
    """

    def __init__(
        self,
        account_id: AccountId,
        store: CredentialStore,
        vault: Vault,
        settings: Settings,
        known: Credentials | None = None,
    ) -> None:
        self._known = known
        self._account_id = account_id
        self._store = store
        self._vault = vault
        self._settings = settings
        self._access: Access | None = None

    def current(self) -> Access:
        """A token with at least 5 minutes left."""
        if self._access is None or not _is_fresh(self._access):
            self._access = self._renewed(refused=None)
        return self._access

    def renew(self, refused: Access) -> Access:
        """Return another token than the refused one; a token that another worker renewed will do.

        Returns the refused token itself while it is younger than `MIN_AGE`.
        """
        self._access = self._renewed(refused)
        return self._access

    def _renewed(self, refused: Access | None) -> Access:
        for _ in range(_ATTEMPTS):
            before = self._known or self._store.credentials(self._account_id)
            self._known = None
            stored = _stored(self._account_id, before, self._vault)
            if stored and _is_fresh(stored) and _is_usable(stored, before, refused):
                return stored
            _respect_pause(before)
            grant = _grant(self._account_id, before, self._vault)
            key = self._vault.sealing_key()
            with self._store.renewing(self._account_id) as renewal:
                if renewal.credentials != before:
                    continue
                outcome = self._exchange(grant, key, renewal)
            # What is to be remembered of a refusal is committed by now.
            if isinstance(outcome, MailsyncError):
                raise outcome
            return outcome
        raise ProviderUnavailable(
            f"Others keep renewing the access of account {self._account_id}; trying again."
        )

    def _exchange(
        self, grant: str | None, key: SealingKey, renewal: Renewal
    ) -> Access | AccessRevoked | ProviderThrottled:
        try:
            renewed = _tokens(self._settings, grant, renewal.credentials.organisation_id)
        except ProviderThrottled as throttled:
            wait_s = PAUSE_S if throttled.retry_after_s is None else throttled.retry_after_s
            renewal.postpone(datetime.now(UTC) + timedelta(seconds=wait_s))
            return ProviderThrottled(str(throttled), retry_after_s=wait_s)
        except AccessRevoked as refusal:
            if refusal.is_final:
                renewal.end_grant()
            return refusal
        renewal.save(renewed.sealed(self._account_id, key))
        return renewed.access


class HeldAccess:
    """An access token by itself, nothing stored behind it; an `AccessTokenSource` that never renews."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def current(self) -> Access:
        return self._access

    def renew(self, refused: Access) -> Access:
        return self._access


def open_access(
    account_id: AccountId,
    store: CredentialStore,
    vault: Vault,
    settings: Settings,
    known: Credentials | None = None,
) -> StoredAccess:
    """The access of one account; asks nobody until a token is needed.

    known: what was read of its credentials a moment ago.
    """
    return StoredAccess(account_id, store, vault, settings, known)


def last_access(
    account_id: AccountId, store: CredentialStore, vault: Vault, settings: Settings
) -> HeldAccess:
    """For the last requests of an account whose credentials are about to go.

    Nothing is locked and what had to be renewed is not stored, so nobody waits for it.

    Raises what `StoredAccess` raises.
    """
    credentials = store.credentials(account_id)
    stored = _stored(account_id, credentials, vault)
    if stored and _is_fresh(stored):
        return HeldAccess(stored)
    _respect_pause(credentials)
    grant = _grant(account_id, credentials, vault)
    return HeldAccess(_tokens(settings, grant, credentials.organisation_id).access)


def _grant(account_id: AccountId, credentials: Credentials, vault: Vault) -> str | None:
    if credentials.grant is None:
        return None
    return vault.open(grant_of(account_id), credentials.grant)


def _stored(account_id: AccountId, credentials: Credentials, vault: Vault) -> Access | None:
    if credentials.access is None or credentials.access_expires_at is None:
        return None
    token = vault.open(access_of(account_id), credentials.access)
    return Access(token, credentials.access_expires_at)


def _is_usable(stored: Access, credentials: Credentials, refused: Access | None) -> bool:
    """Whether the stored token answers the need: any, or another one than was refused."""
    if refused is None or stored.token != refused.token:
        return True
    issued_at = credentials.access_issued_at
    return issued_at is not None and datetime.now(UTC) - issued_at < MIN_AGE


def _respect_pause(credentials: Credentials) -> None:
    """Raises ProviderThrottled while the pause lasts that the identity platform asked for."""
    if credentials.renew_after is None:
        return
    left_s = (credentials.renew_after - datetime.now(UTC)).total_seconds()
    if left_s > 0:
        raise ProviderThrottled(
            f"The sign-in service wants a pause of {left_s:.0f} more seconds; the sync waits.",
            retry_after_s=left_s,
        )


def _tokens(settings: Settings, grant: str | None, organisation_id: str | None) -> TokenSet:
    from mailsync.credentials.microsoft import app_only_tokens, refresh

    if organisation_id is None:
        return refresh(settings, grant)
    return app_only_tokens(settings, organisation_id)


def _is_fresh(access: Access) -> bool:
    return access.expires_at - datetime.now(UTC) > FRESH_FOR
