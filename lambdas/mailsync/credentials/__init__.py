"""Access tokens and passwords of accounts: stored sealed; tokens are renewed before they expire.

One worker renews at a time, under a lock. The identity platform issues a new grant with each access
token, and of two workers without a lock the slower one could store the older grant.

The store keeps two facts beside the token, so that every worker respects them: the pause that the
identity platform requested, and the end of a grant.
"""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mailsync.credentials.identity import open_identity_platform, require_oauth_access
from mailsync.credentials.token_set import (
    TokenSet,
    access_token_sealing_context,
    grant_sealing_context,
    password_context,
    seal_password,
)
from mailsync.credentials.vault import SealingKey, Vault
from mailsync.errors import (
    AccessRevoked,
    AccountNotConnected,
    MailsyncError,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import AccessToken, Account, AccountId, Credentials, Provider
from mailsync.registry import find_provider
from mailsync.settings import Settings

MIN_REMAINING_TOKEN_LIFETIME = timedelta(minutes=5)
"""A token that expires sooner is renewed before use."""
MIN_TOKEN_AGE_FOR_RENEWAL = timedelta(minutes=5)
"""A younger token is not renewed when the mail provider rejects it. That rejection is an outage,
and renewals of 10,000 mailboxes with each request would overload the identity platform as well."""
DEFAULT_IDENTITY_PLATFORM_PAUSE_S = 60.0
"""Pause after a throttled renewal without Retry-After; 60 s are usual
(MSAL.NET docs, "Understanding client and server throttling")."""
_MAX_ATTEMPTS = 3


class LockedCredentials(Protocol):
    """The stored credentials of one account, locked for a renewal."""

    @property
    def credentials(self) -> Credentials: ...

    def save(self, credentials: Credentials) -> None: ...

    def postpone_renewal(self, until: datetime) -> None:
        """Store a pause that the identity platform requested: no worker may request a token of this
        account before `until`."""
        ...

    def end_grant(self) -> None:
        """Record that the grant has ended or the password is refused. The account stays closed
        until it is connected again."""
        ...


class CredentialStore(Protocol):
    """Stores the sealed credentials of accounts."""

    def credentials(self, account_id: AccountId) -> Credentials:
        """Return the credentials of the account.

        Raises:
            AccountNotConnected: the account has no credentials.
        """
        ...

    def lock_for_renewal(self, account_id: AccountId) -> AbstractContextManager[LockedCredentials]:
        """Lock the account's credentials for a renewal. Inside the `with` block only the locked
        credentials may be used, not the store.

        Raises:
            AccountNotConnected: the account has no credentials.
        """
        ...


class StoredAccessToken:
    """The access token of one account, sealed in the store; implements `AccessTokenSource`.

    App-only access has no grant: the application requests a new token with its own credential.

    Both methods raise:
        AccountNotConnected: the account has no credentials.
        AccessRevoked: the identity platform rejected the grant, and the user must connect the
            mailbox again; or the organisation withdrew its consent to the application.
        ProviderRejected: the identity platform rejected the app registration.
        ProviderThrottled: the identity platform requested a pause, from this or another worker.
        ProviderUnavailable: the identity platform is unavailable.
    """

    def __init__(
        self,
        account: Account,
        store: CredentialStore,
        vault: Vault,
        settings: Settings,
        known: Credentials | None = None,
    ) -> None:
        self._known = known
        self._account_id = account.id
        self._provider = account.provider
        self._store = store
        self._vault = vault
        self._settings = settings
        self._access: AccessToken | None = None

    def current_token(self) -> AccessToken:
        """Return a token that is valid for at least 5 minutes."""
        if self._access is None or not _is_fresh(self._access):
            self._access = self._renewed(refused=None)
        return self._access

    def renew_token(self, refused: AccessToken) -> AccessToken:
        """Renew the access token and return the new one; return the token of another worker if that
        worker has just renewed it.

        refused: the token that the provider rejected. It is returned itself if it is younger than
            `MIN_TOKEN_AGE_FOR_RENEWAL`, because a renewal would not help then.
        """
        self._access = self._renewed(refused)
        return self._access

    def _renewed(self, refused: AccessToken | None) -> AccessToken:
        for _ in range(_MAX_ATTEMPTS):
            before = self._known or self._store.credentials(self._account_id)
            self._known = None
            stored = _stored(self._account_id, before, self._vault)
            if stored and _is_fresh(stored) and _is_usable(stored, before, refused):
                return stored
            _respect_pause(before)
            grant = _grant(self._account_id, before, self._vault)
            key = self._vault.newest_sealing_key()
            with self._store.lock_for_renewal(self._account_id) as renewal:
                if renewal.credentials != before:
                    continue
                outcome = self._exchange(grant, key, renewal)
            # Raised here and not in the block, so that the pause or the end of the grant is
            # committed first.
            if isinstance(outcome, MailsyncError):
                raise outcome
            return outcome
        raise ProviderUnavailable(
            f"Other workers kept renewing the token of account {self._account_id}. Stored mail"
            " stays readable; the sync is retried."
        )

    def _exchange(
        self, grant: str | None, key: SealingKey, renewal: LockedCredentials
    ) -> AccessToken | AccessRevoked | ProviderThrottled:
        try:
            renewed = _tokens(
                self._settings, self._provider, grant, renewal.credentials.organisation_id
            )
        except ProviderThrottled as throttled:
            wait_s = (
                DEFAULT_IDENTITY_PLATFORM_PAUSE_S
                if throttled.retry_after_s is None
                else throttled.retry_after_s
            )
            renewal.postpone_renewal(datetime.now(UTC) + timedelta(seconds=wait_s))
            return ProviderThrottled(str(throttled), retry_after_s=wait_s)
        except AccessRevoked as error:
            if error.is_final:
                renewal.end_grant()
            return error
        renewal.save(renewed.seal_for_account(self._account_id, key))
        return renewed.access_token


class StoredPassword:
    """The password of one account, sealed in the store; implements `AccessTokenSource`.

    The access token is the password. It has no expiry, and only the user can replace it.

    Both methods raise:
        AccountNotConnected: the account has no password.
        AccessRevoked: the mail server refused the password, or it cannot be decrypted; the user
            must connect the mailbox again.
    """

    def __init__(
        self,
        account_id: AccountId,
        store: CredentialStore,
        vault: Vault,
        known: Credentials | None = None,
    ) -> None:
        self._account_id = account_id
        self._store = store
        self._vault = vault
        self._known = known
        self._access: AccessToken | None = None

    def current_token(self) -> AccessToken:
        """Return the password. A password under an older data key is sealed anew."""
        if self._access is None:
            stored = self._known or self._store.credentials(self._account_id)
            self._access = _password(self._account_id, stored, self._vault)
            self._seal_under_newest_key(stored, self._access)
        return self._access

    def renew_token(self, refused: AccessToken) -> AccessToken:
        """Return the password that has replaced `refused`; without one, end the access.

        Raises:
            AccessRevoked: the mail server refused the stored password. That is recorded, so no
                worker sends the password again.
        """
        for _ in range(_MAX_ATTEMPTS):
            stored = self._store.credentials(self._account_id)
            self._access = _password(self._account_id, stored, self._vault)
            if self._access.token != refused.token:
                return self._access
            with self._store.lock_for_renewal(self._account_id) as renewal:
                is_current = renewal.credentials == stored
                if is_current:
                    renewal.end_grant()
            if is_current:
                break
        raise AccessRevoked(
            "The mail server refused the user name or the password, so new mail is not synced."
            " Stored mail stays readable; connect the mailbox again with its present password.",
            is_final=True,
        )

    def _seal_under_newest_key(self, stored: Credentials, access: AccessToken) -> None:
        """Grants are sealed anew at each renewal; without this, a password would keep its data key
        in use for ever."""
        key = self._vault.newest_sealing_key()
        if stored.password is None or stored.password.key_id == key.id:
            return
        with self._store.lock_for_renewal(self._account_id) as renewal:
            if renewal.credentials == stored:
                renewal.save(seal_password(self._account_id, access.token, key))


class UnrenewableAccessToken:
    """An access token that is neither stored nor renewed; implements `AccessTokenSource`."""

    def __init__(self, access: AccessToken) -> None:
        self._access = access

    def current_token(self) -> AccessToken:
        return self._access

    def renew_token(self, refused: AccessToken) -> AccessToken:
        return self._access


def open_stored_access_token(
    account: Account,
    store: CredentialStore,
    vault: Vault,
    settings: Settings,
    known: Credentials | None = None,
) -> StoredAccessToken | StoredPassword:
    """Return a source of the account's access token or password; the first use reads the stored
    credentials.

    known: the account's credentials, if the caller has just read them. None: read them when needed.

    Raises:
        SettingMissing: the stage lacks a setting that the account's provider needs.
    """
    settings.require_enabled(account.provider)
    registration = find_provider(account.provider)
    if registration and registration.uses_password:
        return StoredPassword(account.id, store, vault, known)
    return StoredAccessToken(account, store, vault, settings, known)


def get_access_token_without_lock(
    account: Account, store: CredentialStore, vault: Vault, settings: Settings
) -> UnrenewableAccessToken:
    """Return the access token or password for the last requests before the account's credentials
    are deleted.

    No lock is taken and a renewed token is not stored, so other workers never wait. Raises the
    errors of `StoredAccessToken`.
    """
    credentials = store.credentials(account.id)
    if credentials.password is not None:
        return UnrenewableAccessToken(_password(account.id, credentials, vault))
    stored = _stored(account.id, credentials, vault)
    if stored and _is_fresh(stored):
        return UnrenewableAccessToken(stored)
    _respect_pause(credentials)
    grant = _grant(account.id, credentials, vault)
    issued = _tokens(settings, account.provider, grant, credentials.organisation_id)
    return UnrenewableAccessToken(issued.access_token)


def _grant(account_id: AccountId, credentials: Credentials, vault: Vault) -> str | None:
    if credentials.sealed_grant is None:
        return None
    return vault.open_sealed_text(grant_sealing_context(account_id), credentials.sealed_grant)


def _password(account_id: AccountId, credentials: Credentials, vault: Vault) -> AccessToken:
    """Return the password as an access token without expiry.

    Raises:
        AccountNotConnected: the account has no password.
        AccessRevoked: the password cannot be decrypted.
    """
    if credentials.password is None:
        raise AccountNotConnected(
            f"Account {account_id} has no password, so new mail is not synced. Stored mail stays"
            " readable; connect the mailbox again."
        )
    text = vault.open_sealed_text(password_context(account_id), credentials.password)
    return AccessToken(text, datetime.max.replace(tzinfo=UTC))


def _stored(account_id: AccountId, credentials: Credentials, vault: Vault) -> AccessToken | None:
    if credentials.sealed_access_token is None or credentials.access_expires_at is None:
        return None
    token = vault.open_sealed_text(
        access_token_sealing_context(account_id), credentials.sealed_access_token
    )
    return AccessToken(token, credentials.access_expires_at)


def _is_usable(stored: AccessToken, credentials: Credentials, refused: AccessToken | None) -> bool:
    """Return whether to use the stored token: it was not rejected, or is too young to renew."""
    if refused is None or stored.token != refused.token:
        return True
    issued_at = credentials.access_issued_at
    return issued_at is not None and datetime.now(UTC) - issued_at < MIN_TOKEN_AGE_FOR_RENEWAL


def _respect_pause(credentials: Credentials) -> None:
    """Check that no pause is in effect.

    Raises:
        ProviderThrottled: the pause that the identity platform requested has not ended.
    """
    if credentials.earliest_renewal_at is None:
        return
    left_s = (credentials.earliest_renewal_at - datetime.now(UTC)).total_seconds()
    if left_s > 0:
        raise ProviderThrottled(
            f"The sign-in service requested a pause, which lasts {left_s:.0f} more seconds. Stored"
            " mail stays readable; the sync resumes after the pause.",
            retry_after_s=left_s,
        )


def _tokens(
    settings: Settings, provider: Provider, grant: str | None, organisation_id: str | None
) -> TokenSet:
    oauth = require_oauth_access(provider)
    platform = open_identity_platform(oauth)
    if organisation_id is None:
        return platform.refresh_tokens(settings, oauth, grant)
    return platform.request_app_only_tokens(settings, oauth, organisation_id)


def _is_fresh(access: AccessToken) -> bool:
    return access.expires_at - datetime.now(UTC) > MIN_REMAINING_TOKEN_LIFETIME
