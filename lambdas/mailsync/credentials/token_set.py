"""Encrypt the tokens or the password of a mailbox for the store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailsync.credentials.vault import SealedColumn, SealingContext, SealingKey
from mailsync.model import AccessToken, AccountId, Credentials


@dataclass(frozen=True, slots=True)
class TokenSet:
    """An access token, together with the grant or the tenant id that the request for the next
    access token needs.

    renewal_grant: the user's grant: a refresh token, and for Entra also the data with which to use
        it. None: app-only access, which an organisation has granted.
    granting_organisation_id: tenant id of the organisation that granted app-only access. None:
        access by a user's grant.
    email_address: the account's present email address, if the identity platform named it with the
        access token. None: the platform named no address.
    """

    access_token: AccessToken
    renewal_grant: str | None = field(default=None, repr=False)
    granting_organisation_id: str | None = None
    email_address: str | None = field(default=None, repr=False)

    def seal_tokens_for_account(self, account_id: AccountId, key: SealingKey) -> Credentials:
        """Encrypt the tokens with one data key, bound to the account; return the credentials for
        the store.

        Each renewal encrypts the tokens of the account again, with the newest data key. So no token
        needs a data key any more when every account has renewed its tokens with a newer data key.
        """
        return Credentials(
            sealed_refresh_token=None
            if self.renewal_grant is None
            else key.seal_text(make_grant_sealing_context(account_id), self.renewal_grant),
            sealed_access_token=key.seal_text(
                make_access_token_sealing_context(account_id), self.access_token.token
            ),
            access_token_expires_at=self.access_token.expires_at,
            granting_organisation_id=self.granting_organisation_id,
            access_token_issued_at=datetime.now(UTC),
        )


def make_grant_sealing_context(account_id: AccountId) -> SealingContext:
    """Return the sealing context of an account's grant: the column and the account to which the
    sealed grant is bound."""
    return SealingContext(SealedColumn.GRANT, account_id)


def make_access_token_sealing_context(account_id: AccountId) -> SealingContext:
    """Return the sealing context of an account's access token: the column and the account to which
    the sealed token is bound."""
    return SealingContext(SealedColumn.ACCESS_TOKEN, account_id)


def seal_password(account_id: AccountId, password: str, key: SealingKey) -> Credentials:
    """Encrypt the password of a mailbox, bound to the account; return the credentials for the
    store."""
    sealed = key.seal_text(make_password_sealing_context(account_id), password)
    return Credentials(
        sealed_refresh_token=None,
        sealed_access_token=None,
        access_token_expires_at=None,
        sealed_password=sealed,
    )


def make_password_sealing_context(account_id: AccountId) -> SealingContext:
    """Return the sealing context of an account's password: the column and the account to which the
    sealed password is bound."""
    return SealingContext(SealedColumn.PASSWORD, account_id)
