"""Store encrypted secrets: grants, access tokens, passwords, data keys and unfinished sign-ins.

This module handles ciphertext only; `mailsync.credentials` encrypts (seals) and decrypts it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.errors import AccountNotConnected
from mailsync.model import AccountId, Credentials, DataKey, ProviderName, SealedSecret
from mailsync.store.connection import Database, Transaction


@dataclass(frozen=True, slots=True)
class StoredSignIn:
    """A sign-in that a user has started and not finished yet.

    sealed_authorization_flow: encrypted data of the OAuth authorization flow, which is needed to
        finish the sign-in.
    """

    user_id: str
    sealed_authorization_flow: SealedSecret


@dataclass(frozen=True, slots=True)
class UnconfirmedMailbox:
    """A mailbox whose sign-in has succeeded, stored until the user who started the sign-in confirms
    the mailbox."""

    user_id: str
    sealed_address_and_tokens: SealedSecret


class CredentialsLockedForRenewal:
    """The credentials of one account, locked for a renewal so that no other worker renews them."""

    def __init__(self, tx: Transaction, account_id: AccountId, credentials: Credentials) -> None:
        self._tx = tx
        self._account_id = account_id
        self.credentials = credentials

    def save_credentials(self, credentials: Credentials) -> None:
        _save(self._tx, self._account_id, credentials)

    def postpone_token_renewal_until(self, until: datetime) -> None:
        """Store a pause that the identity platform requested: no worker may request a token of this
        account before `until`."""
        self._tx.run("postpone_renewal", account_id=self._account_id, renew_after=until)

    def mark_stored_grant_as_ended(self) -> None:
        """Record that the grant has ended or the password is refused; the account stays closed
        until it is connected again."""
        self._tx.run("grant_ended", account_id=self._account_id)


class CredentialStore:
    """Stores the encrypted (sealed) credentials of accounts. Raises StoreUnavailable and
    StoreRejected.

    Every method is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_credentials(self, account_id: AccountId) -> Credentials:
        """Return the account's credentials.

        Raises:
            AccountNotConnected: the account has no credentials.
        """
        with self._database.transaction() as tx:
            return _credentials(tx.run("read_credentials", account_id=account_id), account_id)

    def save_email_address(self, account_id: AccountId, address: str) -> None:
        """Store the email address that the account has now at its provider."""
        with self._database.transaction() as tx:
            tx.run("save_address", account_id=account_id, email_address=address)

    @contextmanager
    def lock_credentials_for_renewal(
        self, account_id: AccountId
    ) -> Iterator[CredentialsLockedForRenewal]:
        """Lock the account's credentials, and yield them for a renewal. Changes are saved when the
        `with` block ends without an error.

        Raises:
            AccountNotConnected: the account has no credentials.
        """
        with self._database.transaction() as tx:
            found = tx.run("lock_credentials", account_id=account_id)
            yield CredentialsLockedForRenewal(tx, account_id, _credentials(found, account_id))

    def connect_account(
        self,
        *,
        user_id: str,
        provider: ProviderName,
        provider_account_id: str,
        email_address: str,
        other_provider_account_id: str | None = None,
        seal: Callable[[AccountId], Credentials] | None = None,
    ) -> AccountId:
        """Store a connected mailbox and return its account id. A mailbox that the user connected
        before keeps its account and mail.

        other_provider_account_id: a second id of the mailbox at the provider. A mailbox that is
            already stored under this second id keeps it.
        seal: returns the encrypted credentials of the account whose id it is given. It is called
            inside the transaction and must not use the store. None: keep the stored credentials.
        """
        with self._database.transaction() as tx:
            found = tx.run(
                "save_account",
                user_id=user_id,
                provider=provider,
                provider_account_id=provider_account_id,
                other_provider_account_id=other_provider_account_id,
                email_address=email_address,
            )
            account_id = AccountId(found[0][0])
            if seal is not None:
                _save(tx, account_id, seal(account_id))
        return account_id

    def find_newest_data_key(self) -> DataKey | None:
        with self._database.transaction() as tx:
            found = tx.run("newest_data_key")
        return DataKey(*found[0]) if found else None

    def read_data_key(self, key_id: int) -> DataKey:
        with self._database.transaction() as tx:
            return DataKey(*tx.run("read_data_key", key_id=key_id)[0])

    def add_data_key(self, wrapped: bytes) -> DataKey:
        with self._database.transaction() as tx:
            return DataKey(*tx.run("add_data_key", wrapped=wrapped)[0])

    def save_sign_in(
        self,
        *,
        state_hash: bytes,
        cookie_hash: bytes,
        user_id: str,
        flow: SealedSecret,
        seconds: int,
    ) -> None:
        """Store a started sign-in for `seconds` seconds, and delete some sign-ins that have
        expired."""
        with self._database.transaction() as tx:
            tx.run("forget_sign_ins", limit=100)
            tx.run(
                "save_sign_in",
                state_hash=state_hash,
                cookie_hash=cookie_hash,
                user_id=user_id,
                flow_key_id=flow.key_id,
                flow_sealed=flow.sealed_bytes,
                seconds=seconds,
            )

    def pop_sign_in(self, *, state_hash: bytes, cookie_hash: bytes) -> StoredSignIn | None:
        """Delete and return the started sign-in that has these hashes of the OAuth state and the
        cookie. None: no started sign-in has these hashes."""
        with self._database.transaction() as tx:
            found = tx.run("take_sign_in", state_hash=state_hash, cookie_hash=cookie_hash)
        if not found:
            return None
        user_id, key_id, data = found[0]
        return StoredSignIn(user_id, SealedSecret(key_id, data))

    def save_unconfirmed_mailbox(
        self, *, token_hash: bytes, user_id: str, connection: SealedSecret, seconds: int
    ) -> None:
        """Store a mailbox that its user must still confirm, for `seconds` seconds. Afterwards
        `purge-accounts` deletes it."""
        with self._database.transaction() as tx:
            tx.run(
                "save_pending_connection",
                token_hash=token_hash,
                user_id=user_id,
                key_id=connection.key_id,
                sealed=connection.sealed_bytes,
                seconds=seconds,
            )

    def pop_unconfirmed_mailbox(self, token_hash: bytes) -> UnconfirmedMailbox | None:
        """Delete and return the unconfirmed mailbox whose token has this hash. None: there is no
        such mailbox.

        A request of another user deletes the mailbox as well, so that a leaked token becomes
        worthless.
        """
        with self._database.transaction() as tx:
            found = tx.run("take_pending_connection", token_hash=token_hash)
        if not found:
            return None
        user_id, key_id, data = found[0]
        return UnconfirmedMailbox(user_id, SealedSecret(key_id, data))


def _credentials(found: list[list[Any]], account_id: AccountId) -> Credentials:
    if not found:
        raise AccountNotConnected(f"Account {account_id} has no credentials; connect it again.")
    return row_to_credentials(found[0])


def row_to_credentials(row: list[Any]) -> Credentials:
    """Convert a row that the query `read_credentials` returned to Credentials."""
    grant_key_id, grant, access_key_id, access, expires_at, organisation_id, *rest = row
    issued_at, renew_after, password_key_id, password = rest
    return Credentials(
        sealed_refresh_token=SealedSecret(grant_key_id, grant) if grant is not None else None,
        sealed_access_token=SealedSecret(access_key_id, access) if access is not None else None,
        access_token_expires_at=expires_at,
        granting_organisation_id=organisation_id,
        access_token_issued_at=issued_at,
        token_requests_paused_until=renew_after,
        sealed_password=SealedSecret(password_key_id, password) if password is not None else None,
    )


def _save(tx: Transaction, account_id: AccountId, credentials: Credentials) -> None:
    grant, access, password = (
        credentials.sealed_refresh_token,
        credentials.sealed_access_token,
        credentials.sealed_password,
    )
    tx.run(
        "save_credentials",
        account_id=account_id,
        grant_key_id=grant.key_id if grant else None,
        grant_sealed=grant.sealed_bytes if grant else None,
        access_key_id=access.key_id if access else None,
        access_sealed=access.sealed_bytes if access else None,
        access_expires_at=credentials.access_token_expires_at,
        organisation_id=credentials.granting_organisation_id,
        access_issued_at=credentials.access_token_issued_at,
        password_key_id=password.key_id if password else None,
        password_sealed=password.sealed_bytes if password else None,
    )
