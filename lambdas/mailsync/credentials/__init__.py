"""Read, renew and replace the access tokens and passwords of accounts. The store keeps access
tokens and passwords encrypted. Access tokens are renewed before they expire.

A grant is the permission of a person to read the mailbox, in the form of a refresh token. The
identity platform may issue a new grant with an access token. A lock lets only one worker at a time
renew an account's token. Without the lock, the slower of two workers could overwrite the newer
grant with the older grant.

The store also keeps the end of a pause that the identity platform requested, and whether the grant
has ended. So every worker respects the pause and uses no ended grant.
"""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mailsync.credentials.identity import import_identity_platform, require_oauth_access_of_provider
from mailsync.credentials.token_set import (
    TokenSet,
    make_access_token_sealing_context,
    make_grant_sealing_context,
    make_password_sealing_context,
    seal_password,
)
from mailsync.credentials.vault import SealingKey, Vault
from mailsync.errors import (
    AccessRevoked,
    AccountNotConnected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import NO_EXPIRY, AccessToken, Account, AccountId, Credentials, ProviderName
from mailsync.registry import find_provider
from mailsync.settings import Settings

MIN_REMAINING_LIFETIME_TO_USE_TOKEN = timedelta(minutes=5)
"""The shortest remaining lifetime with which an access token is used. A token that expires sooner
is renewed first."""
MIN_AGE_TO_RENEW_REJECTED_TOKEN = timedelta(minutes=5)
"""The minimum age of an access token that is renewed after the mail provider rejected it. If the
provider rejects a younger token, the provider has an outage, and renewing the tokens of 10,000
mailboxes at each request would overload the identity platform as well."""
DEFAULT_RENEWAL_PAUSE_IF_THROTTLED_S = 60.0
"""The pause in seconds after the identity platform throttled a renewal without a Retry-After
header; 60 s are usual (MSAL.NET docs, "Understanding client and server throttling")."""
_MAX_ATTEMPTS = 3


class LockedCredentials(Protocol):
    """The stored credentials of one account, locked for a renewal."""

    @property
    def credentials(self) -> Credentials: ...

    def save_credentials(self, credentials: Credentials) -> None: ...

    def postpone_token_renewal_until(self, until: datetime) -> None:
        """Store a pause that the identity platform requested: no worker may request a token of this
        account before `until`."""
        ...

    def mark_stored_grant_as_ended(self) -> None:
        """Record that the grant has ended, or that the mail server refused the password. The
        account stays closed until a person connects the mailbox again."""
        ...


class CredentialStore(Protocol):
    """Interface of the store of sealed (encrypted) credentials."""

    def read_credentials(self, account_id: AccountId) -> Credentials:
        """Return the credentials of the account.

        Raises:
            AccountNotConnected: the account has no credentials.
        """
        ...

    def save_email_address(self, account_id: AccountId, address: str) -> None:
        """Store the email address that the account has now at its provider."""
        ...

    def lock_credentials_for_renewal(
        self, account_id: AccountId
    ) -> AbstractContextManager[LockedCredentials]:
        """Lock the account's credentials for a renewal. Inside the `with` block only the locked
        credentials may be used, not the store.

        Raises:
            AccountNotConnected: the account has no credentials.
        """
        ...


class StoredAccessTokenSource:
    """A source of the access token of one account; implements `AccessTokenSource`. The source reads
    the sealed token from the store, and renews the token when necessary.

    For app-only access (an organisation grants access, not a person) there is no grant. The
    application requests a new token with the application's own secret or certificate.

    Both methods raise:
        AccountNotConnected: the account has no credentials.
        AccessRevoked: the identity platform rejected the grant, a stored token cannot be decrypted,
            or the organisation withdrew its consent (see `AccessRevoked.is_final`).
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

    def get_current_token(self) -> AccessToken:
        """Return a token that is valid for at least 5 minutes."""
        if self._access is None or not _is_fresh(self._access):
            self._access = self._renewed(refused=None)
        return self._access

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        """Replace the access token `refused` and return the new token. If another worker has just
        renewed the token, return that worker's token.

        refused: the token that the provider rejected. If it is younger than
            `MIN_AGE_TO_RENEW_REJECTED_TOKEN`, this method returns `refused` itself, because a
            renewal would not help.
        """
        self._access = self._renewed(refused)
        return self._access

    def _renewed(self, refused: AccessToken | None) -> AccessToken:
        for _ in range(_MAX_ATTEMPTS):
            before = self._known or self._store.read_credentials(self._account_id)
            self._known = None
            stored = _stored(self._account_id, before, self._vault)
            if stored and _is_fresh(stored) and _is_usable(stored, before, refused):
                return stored
            _respect_pause(before)
            grant = decrypt_grant(self._account_id, before, self._vault)
            key = self._vault.find_or_make_newest_sealing_key()
            with self._store.lock_credentials_for_renewal(self._account_id) as renewal:
                if renewal.credentials != before:
                    continue
                outcome = self._exchange(grant, key, renewal)
            # In a transaction of its own: a disconnection locks the account before the credentials.
            if isinstance(outcome, TokenSet):
                if outcome.email_address is not None:
                    self._store.save_email_address(self._account_id, outcome.email_address)
                return outcome.access_token
            # Raised here and not in the block, so that the pause or the end of the grant is
            # committed first.
            raise outcome
        raise ProviderUnavailable(
            f"Other workers kept renewing the token of account {self._account_id}. Stored mail"
            " stays readable; the sync is retried."
        )

    def _exchange(
        self, grant: str | None, key: SealingKey, renewal: LockedCredentials
    ) -> TokenSet | AccessRevoked | ProviderThrottled:
        try:
            renewed = _tokens(
                self._settings, self._provider, grant, renewal.credentials.granting_organisation_id
            )
        except ProviderThrottled as throttled:
            wait_s = (
                DEFAULT_RENEWAL_PAUSE_IF_THROTTLED_S
                if throttled.retry_after_s is None
                else throttled.retry_after_s
            )
            renewal.postpone_token_renewal_until(datetime.now(UTC) + timedelta(seconds=wait_s))
            return ProviderThrottled(str(throttled), retry_after_s=wait_s)
        except AccessRevoked as error:
            if error.is_final:
                renewal.mark_stored_grant_as_ended()
            return error
        renewal.save_credentials(renewed.seal_tokens_for_account(self._account_id, key))
        return renewed


class StoredPasswordAsTokenSource:
    """A source of the password of one account; implements `AccessTokenSource`. The source reads the
    sealed password from the store.

    The password takes the place of the access token. A password has no expiry, and only the user
    can replace it.

    Both methods raise:
        AccountNotConnected: the account has no password.
        AccessRevoked: the password cannot be decrypted; the user must connect the mailbox again.
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

    def get_current_token(self) -> AccessToken:
        """Return the password. If the stored password is encrypted with an older data key, encrypt
        and store it again with the newest data key."""
        if self._access is None:
            stored = self._known or self._store.read_credentials(self._account_id)
            self._access = _password(self._account_id, stored, self._vault)
            self._seal_under_newest_key(stored, self._access)
        return self._access

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        """Return the newer password that the user has stored in place of the password `refused`.

        If the stored password still equals `refused`, record in the store that the mail server
        refused it, so that no worker sends this password again.

        Raises:
            AccessRevoked: the user has stored no newer password.
        """
        for _ in range(_MAX_ATTEMPTS):
            stored = self._store.read_credentials(self._account_id)
            self._access = _password(self._account_id, stored, self._vault)
            if self._access.token != refused.token:
                return self._access
            with self._store.lock_credentials_for_renewal(self._account_id) as renewal:
                is_current = renewal.credentials == stored
                if is_current:
                    renewal.mark_stored_grant_as_ended()
            if is_current:
                break
        raise AccessRevoked(
            "The mail server refused the user name or the password, so new mail is not synced."
            " Stored mail stays readable; connect the mailbox again with its present password.",
            is_final=True,
        )

    def _seal_under_newest_key(self, stored: Credentials, access: AccessToken) -> None:
        """Store the password again, encrypted with the newest data key, unless the stored password
        is already encrypted with this key.

        Each renewal of a token encrypts the grant again. A password is never renewed, so without
        this method its old data key would be needed for ever.
        """
        key = self._vault.find_or_make_newest_sealing_key()
        if stored.sealed_password is None or stored.sealed_password.key_id == key.data_key_id:
            return
        with self._store.lock_credentials_for_renewal(self._account_id) as renewal:
            if renewal.credentials == stored:
                renewal.save_credentials(seal_password(self._account_id, access.token, key))


class FixedAccessTokenSource:
    """A source that always returns the access token that was passed to its constructor; implements
    `AccessTokenSource`. The source neither stores nor renews the token."""

    def __init__(self, access: AccessToken) -> None:
        self._access = access

    def get_current_token(self) -> AccessToken:
        return self._access

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        return self._access


def make_access_token_source(
    account: Account,
    store: CredentialStore,
    vault: Vault,
    settings: Settings,
    known: Credentials | None = None,
) -> StoredAccessTokenSource | StoredPasswordAsTokenSource:
    """Return a source of the account's access token or password. The source reads the stored
    credentials when the caller first requests a token.

    known: the account's credentials, if the caller has just read them. Then the source does not
        read the credentials again. None: the source reads the credentials when needed.

    Raises:
        SettingMissing: the stage lacks a setting that the account's provider needs.
    """
    settings.require_provider_is_enabled(account.provider)
    registration = find_provider(account.provider)
    if registration and registration.uses_password:
        return StoredPasswordAsTokenSource(account.id, store, vault, known)
    return StoredAccessTokenSource(account, store, vault, settings, known)


def make_fixed_token_source_without_lock(
    account: Account, store: CredentialStore, vault: Vault, settings: Settings
) -> FixedAccessTokenSource:
    """Return a source of the account's access token or password, without locking the account's
    credentials. Use this function for the last requests before the credentials are deleted.

    If the token must be renewed, the new token is not stored. Without a lock other workers do not
    wait for this function. The function raises the errors that `StoredAccessTokenSource` lists.
    """
    credentials = store.read_credentials(account.id)
    if credentials.sealed_password is not None:
        return FixedAccessTokenSource(_password(account.id, credentials, vault))
    stored = _stored(account.id, credentials, vault)
    if stored and _is_fresh(stored):
        return FixedAccessTokenSource(stored)
    _respect_pause(credentials)
    grant = decrypt_grant(account.id, credentials, vault)
    issued = _tokens(settings, account.provider, grant, credentials.granting_organisation_id)
    return FixedAccessTokenSource(issued.access_token)


def decrypt_grant(account_id: AccountId, credentials: Credentials, vault: Vault) -> str | None:
    """Decrypt and return the account's grant (refresh token). Return None if the account has no
    grant."""
    if credentials.sealed_refresh_token is None:
        return None
    context = make_grant_sealing_context(account_id)
    return vault.decrypt_sealed_text(context, credentials.sealed_refresh_token)


def _password(account_id: AccountId, credentials: Credentials, vault: Vault) -> AccessToken:
    """Return the password as an access token without expiry.

    Raises:
        AccountNotConnected: the account has no password.
        AccessRevoked: the password cannot be decrypted.
    """
    if credentials.sealed_password is None:
        raise AccountNotConnected(
            f"Account {account_id} has no password, so new mail is not synced. Stored mail stays"
            " readable; connect the mailbox again."
        )
    text = vault.decrypt_sealed_text(
        make_password_sealing_context(account_id), credentials.sealed_password
    )
    return AccessToken(text, NO_EXPIRY)


def _stored(account_id: AccountId, credentials: Credentials, vault: Vault) -> AccessToken | None:
    if credentials.sealed_access_token is None or credentials.access_token_expires_at is None:
        return None
    token = vault.decrypt_sealed_text(
        make_access_token_sealing_context(account_id), credentials.sealed_access_token
    )
    return AccessToken(token, credentials.access_token_expires_at)


def _is_usable(stored: AccessToken, credentials: Credentials, refused: AccessToken | None) -> bool:
    """Return False if `stored` is the token that the mail provider has rejected (`refused`) and is
    old enough to be renewed, else True. `refused` is None if no token was rejected."""
    if refused is None or stored.token != refused.token:
        return True
    issued_at = credentials.access_token_issued_at
    return issued_at is not None and datetime.now(UTC) - issued_at < MIN_AGE_TO_RENEW_REJECTED_TOKEN


def _respect_pause(credentials: Credentials) -> None:
    """Check that no pause is in effect.

    Raises:
        ProviderThrottled: the pause that the identity platform requested has not ended.
    """
    if credentials.token_requests_paused_until is None:
        return
    left_s = (credentials.token_requests_paused_until - datetime.now(UTC)).total_seconds()
    if left_s > 0:
        raise ProviderThrottled(
            f"The sign-in service requested a pause, which lasts {left_s:.0f} more seconds. Stored"
            " mail stays readable; the sync resumes after the pause.",
            retry_after_s=left_s,
        )


def _tokens(
    settings: Settings, provider: ProviderName, grant: str | None, organisation_id: str | None
) -> TokenSet:
    oauth = require_oauth_access_of_provider(provider)
    platform = import_identity_platform(oauth)
    if organisation_id is None:
        return platform.refresh_tokens(settings, oauth, grant)
    return platform.request_app_only_tokens(settings, oauth, organisation_id)


def _is_fresh(access: AccessToken) -> bool:
    return access.expires_at - datetime.now(UTC) > MIN_REMAINING_LIFETIME_TO_USE_TOKEN
