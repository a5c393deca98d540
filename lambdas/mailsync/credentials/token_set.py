"""The tokens of a mailbox, from the sign-in to the sealed row."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailsync.credentials.vault import Column, Place, SealingKey
from mailsync.model import Access, AccountId, Credentials


@dataclass(frozen=True, slots=True)
class TokenSet:
    """An access token and what the next one is requested with.

    That is the grant of a person, or `organisation_id`: then the application has the token itself.
    """

    access: Access
    grant: str | None = field(default=None, repr=False)
    organisation_id: str | None = None

    def sealed(self, account_id: AccountId, key: SealingKey) -> Credentials:
        """Everything under this one key, so that no older key is needed for the account."""
        return Credentials(
            grant=None if self.grant is None else key.seal(grant_of(account_id), self.grant),
            access=key.seal(access_of(account_id), self.access.token),
            access_expires_at=self.access.expires_at,
            organisation_id=self.organisation_id,
            access_issued_at=datetime.now(UTC),
        )


def grant_of(account_id: AccountId) -> Place:
    """Where the grant of an account is stored."""
    return Place(Column.GRANT, account_id)


def access_of(account_id: AccountId) -> Place:
    """Where the access token of an account is stored."""
    return Place(Column.ACCESS, account_id)
