"""Encrypt the tokens or the password of a mailbox for the store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailsync.credentials.vault import SealedColumn, SealingContext, SealingKey
from mailsync.model import AccessToken, AccountId, Credentials


@dataclass(frozen=True, slots=True)
class TokenSet:
    """An access token, together with the grant or the tenant id that the request for the next token
    needs.

    access_token: the access token.
    grant: the user's grant. None: app-only access.
    organisation_id: tenant id of app-only access. None: access by a grant.
    address: the account's present email address, as the platform names it at a renewal. None: the
        platform named no address.
    """

    access_token: AccessToken
    grant: str | None = field(default=None, repr=False)
    organisation_id: str | None = None
    address: str | None = field(default=None, repr=False)

    def seal_for_account(self, account_id: AccountId, key: SealingKey) -> Credentials:
        """Encrypt the tokens with one data key, bound to the account; return the credentials for
        the store.

        Whenever an account's tokens are renewed, all its sealed values are replaced. So an old data
        key is needed only by accounts whose tokens have not been renewed since.
        """
        return Credentials(
            sealed_grant=None
            if self.grant is None
            else key.seal_text(grant_sealing_context(account_id), self.grant),
            sealed_access_token=key.seal_text(
                access_token_sealing_context(account_id), self.access_token.token
            ),
            access_expires_at=self.access_token.expires_at,
            organisation_id=self.organisation_id,
            access_issued_at=datetime.now(UTC),
        )


def grant_sealing_context(account_id: AccountId) -> SealingContext:
    """Return the sealing context of an account's grant: the column and the account that the sealed
    value is bound to."""
    return SealingContext(SealedColumn.GRANT, account_id)


def access_token_sealing_context(account_id: AccountId) -> SealingContext:
    """Return the sealing context of an account's access token: the column and the account that the
    sealed value is bound to."""
    return SealingContext(SealedColumn.ACCESS, account_id)


def seal_password(account_id: AccountId, password: str, key: SealingKey) -> Credentials:
    """Encrypt the password of a mailbox, bound to the account; return the credentials for the
    store."""
    sealed = key.seal_text(password_context(account_id), password)
    return Credentials(
        sealed_grant=None, sealed_access_token=None, access_expires_at=None, password=sealed
    )


def password_context(account_id: AccountId) -> SealingContext:
    """Return the sealing context of an account's password: the column and the account that the
    sealed value is bound to."""
    return SealingContext(SealedColumn.PASSWORD, account_id)
