"""Withdraw the application's access at the identity platform after an account was disconnected.

A platform may end all tokens of a person and an application at once when one of them is revoked.
Therefore a grant is revoked only with the last connection of its mailbox (googleapis/
google-auth-library-nodejs #1338, Significant-Gravitas/AutoGPT PR 10493).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from threading import Thread

from mailsync.credentials import decrypt_grant
from mailsync.credentials.identity import import_identity_platform, require_oauth_access_of_provider
from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.log import logger
from mailsync.model import Account, AccountId, Credentials
from mailsync.registry import find_provider
from mailsync.settings import load_settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.sync.mailbox import open_encryption_vault

REVOCATION_TIMEOUT_S = 5.0
"""The longest time in seconds that a user's request to disconnect a mailbox waits for the identity
platform."""


class RevocationOutcome(StrEnum):
    """What happened to the application's access to a mailbox when the mailbox was disconnected.

    REVOKED: the identity platform has confirmed that the tokens no longer work.
    GRANT_KEPT_FOR_OTHER_ACCOUNT: the tokens still work, because another account uses the mailbox.
    REVOCATION_UNCONFIRMED: Mailsync has deleted its copies of the tokens. The identity platform
        has not confirmed that the tokens no longer work.
    """

    REVOKED = "revoked"
    GRANT_KEPT_FOR_OTHER_ACCOUNT = "kept for other connections"
    REVOCATION_UNCONFIRMED = "forgotten"


@dataclass(frozen=True, slots=True)
class Revocation:
    """The revocation of an account's grant, prepared before the account is disconnected.

    credentials: the account's credentials, with the encrypted grant.
    """

    account: Account
    credentials: Credentials = field(repr=False)

    def revoke_grant(self) -> RevocationOutcome:
        """Revoke the grant unless another account uses the mailbox; return the outcome.

        Call this after the account was disconnected. If two accounts of a mailbox are disconnected
        at the same time, the later call then finds no other account and revokes the grant. Errors
        of the identity platform and of KMS are logged and not raised, because the disconnection
        must not depend on them.
        """
        account = self.account
        if AccountStore(open_database()).is_mailbox_in_another_account(account):
            return RevocationOutcome.GRANT_KEPT_FOR_OTHER_ACCOUNT
        ended: list[bool] = []
        revoking = Thread(
            name=f"revoke-{account.id}", target=self._revoke, args=(ended,), daemon=True
        )
        revoking.start()
        revoking.join(REVOCATION_TIMEOUT_S)
        is_revoked = ended == [True]
        logger.info("grant_revoked" if is_revoked else "grant_forgotten", account_id=account.id)
        return RevocationOutcome.REVOKED if is_revoked else RevocationOutcome.REVOCATION_UNCONFIRMED

    def _revoke(self, ended: list[bool]) -> None:
        account, settings = self.account, load_settings()
        try:
            grant = decrypt_grant(account.id, self.credentials, open_encryption_vault())
            oauth = require_oauth_access_of_provider(account.provider)
            platform = import_identity_platform(oauth)
            if grant is not None:
                ended.append(platform.try_to_revoke_all_grants_of_user(settings, oauth, grant))
        except Exception as failure:
            cause = type(failure).__name__
            logger.warning("grant_not_revoked", account_id=account.id, cause=cause)


def prepare_revocation(account_id: AccountId) -> Revocation | None:
    """Prepare the revocation of an account's grant. Call this before the account's credentials are
    deleted.

    Returns None if the account does not exist or has no credentials, or if the identity platform
    cannot revoke grants.
    """
    database = open_database()
    try:
        account = AccountStore(database).read_account(account_id)
        registration = find_provider(account.provider)
        oauth = registration.oauth_settings if registration else None
        if oauth is None or not oauth.can_revoke_grants:
            return None
        return Revocation(account, CredentialStore(database).read_credentials(account_id))
    except (AccountNotFound, AccountNotConnected):
        return None
