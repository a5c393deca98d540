"""Sealed secrets: grants, access tokens, data keys and sign-ins under way.

This module never sees a secret in the clear; `mailsync.credentials` seals and opens them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.errors import AccountNotConnected
from mailsync.model import AccountId, Credentials, DataKey, Provider, Sealed
from mailsync.store.connection import Database, Transaction


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that was begun by a user and waits for the provider's answer."""

    user_id: str
    flow: Sealed


@dataclass(frozen=True, slots=True)
class PendingConnection:
    """A mailbox that was signed in to and waits for the user who began."""

    user_id: str
    connection: Sealed


class Renewal:
    """The credentials of one account while nobody else may renew them."""

    def __init__(self, tx: Transaction, account_id: AccountId, credentials: Credentials) -> None:
        self._tx = tx
        self._account_id = account_id
        self.credentials = credentials

    def save(self, credentials: Credentials) -> None:
        _save(self._tx, self._account_id, credentials)

    def postpone(self, until: datetime) -> None:
        """Keep every worker from asking the identity platform before then."""
        self._tx.run("postpone_renewal", account_id=self._account_id, renew_after=until)

    def end_grant(self) -> None:
        """Record that the grant has ended: the account stays closed until a new sign-in."""
        self._tx.run("grant_ended", account_id=self._account_id)


class CredentialStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def credentials(self, account_id: AccountId) -> Credentials:
        """Raises AccountNotConnected when the account has none."""
        with self._database.transaction() as tx:
            return _credentials(tx.run("find_credentials", account_id=account_id), account_id)

    @contextmanager
    def renewing(self, account_id: AccountId) -> Iterator[Renewal]:
        """The credentials under a row lock, saved when the block ends without an error.

        Raises:
            AccountNotConnected: the account has none.
        """
        with self._database.transaction() as tx:
            found = tx.run("lock_credentials", account_id=account_id)
            yield Renewal(tx, account_id, _credentials(found, account_id))

    def connect_account(
        self,
        *,
        user_id: str,
        provider: Provider,
        provider_account_id: str,
        email_address: str,
        seal: Callable[[AccountId], Credentials] | None = None,
    ) -> AccountId:
        """A mailbox that was signed in to; one that was known keeps its data.

        `seal` makes what it signs in with, which is stored in the same transaction; nothing
        else may be asked of the store meanwhile. None leaves what is stored.
        """
        with self._database.transaction() as tx:
            found = tx.run(
                "save_account",
                user_id=user_id,
                provider=provider,
                provider_account_id=provider_account_id,
                email_address=email_address,
            )
            account_id = AccountId(found[0][0])
            if seal is not None:
                _save(tx, account_id, seal(account_id))
        return account_id

    def newest_data_key(self) -> DataKey | None:
        with self._database.transaction() as tx:
            found = tx.run("newest_data_key")
        return DataKey(*found[0]) if found else None

    def data_key(self, key_id: int) -> DataKey:
        with self._database.transaction() as tx:
            return DataKey(*tx.run("find_data_key", key_id=key_id)[0])

    def add_data_key(self, wrapped: bytes) -> DataKey:
        with self._database.transaction() as tx:
            return DataKey(*tx.run("add_data_key", wrapped=wrapped)[0])

    def save_sign_in(
        self, *, state_hash: bytes, cookie_hash: bytes, user_id: str, flow: Sealed, seconds: int
    ) -> None:
        """Open for so many seconds; some of those that were never finished are forgotten."""
        with self._database.transaction() as tx:
            tx.run("forget_sign_ins", limit=100)
            tx.run(
                "save_sign_in",
                state_hash=state_hash,
                cookie_hash=cookie_hash,
                user_id=user_id,
                flow_key_id=flow.key_id,
                flow_sealed=flow.data,
                seconds=seconds,
            )

    def take_sign_in(self, *, state_hash: bytes, cookie_hash: bytes) -> SignIn | None:
        """The sign-in of this state and this browser, once; None when there is none."""
        with self._database.transaction() as tx:
            found = tx.run("take_sign_in", state_hash=state_hash, cookie_hash=cookie_hash)
        if not found:
            return None
        user_id, key_id, data = found[0]
        return SignIn(user_id, Sealed(key_id, data))

    def save_pending_connection(
        self, *, token_hash: bytes, user_id: str, connection: Sealed, seconds: int
    ) -> None:
        """Store it for `seconds`; `purge-accounts` deletes it if it was not confirmed by then."""
        with self._database.transaction() as tx:
            tx.run(
                "save_pending_connection",
                token_hash=token_hash,
                user_id=user_id,
                key_id=connection.key_id,
                sealed=connection.data,
                seconds=seconds,
            )

    def take_pending_connection(self, token_hash: bytes) -> PendingConnection | None:
        """Delete and return what waits under this token; None when there is nothing.

        It is gone also for its own user when another one asks: a token that strayed is worthless.
        """
        with self._database.transaction() as tx:
            found = tx.run("take_pending_connection", token_hash=token_hash)
        if not found:
            return None
        user_id, key_id, data = found[0]
        return PendingConnection(user_id, Sealed(key_id, data))


def _credentials(found: list[list[Any]], account_id: AccountId) -> Credentials:
    if not found:
        raise AccountNotConnected(f"Account {account_id} has no credentials; connect it again.")
    return read_credentials(found[0])


def read_credentials(row: list[Any]) -> Credentials:
    """From a row of `find_credentials`."""
    grant_key_id, grant, access_key_id, access, expires_at, organisation_id, *times = row
    issued_at, renew_after = times
    return Credentials(
        grant=Sealed(grant_key_id, grant) if grant is not None else None,
        access=Sealed(access_key_id, access) if access is not None else None,
        access_expires_at=expires_at,
        organisation_id=organisation_id,
        access_issued_at=issued_at,
        renew_after=renew_after,
    )


def _save(tx: Transaction, account_id: AccountId, credentials: Credentials) -> None:
    grant, access = credentials.grant, credentials.access
    tx.run(
        "save_credentials",
        account_id=account_id,
        grant_key_id=grant.key_id if grant else None,
        grant_sealed=grant.data if grant else None,
        access_key_id=access.key_id if access else None,
        access_sealed=access.data if access else None,
        access_expires_at=credentials.access_expires_at,
        organisation_id=credentials.organisation_id,
        access_issued_at=credentials.access_issued_at,
    )
