"""Do the last step of connecting a mailbox, whether by sign-in, by password or by an organisation:
store the account and start its first sync."""

from collections.abc import Callable
from dataclasses import dataclass

from mailsync.api.problems import Problem
from mailsync.credentials.vault import SealingKey, Vault
from mailsync.model import AccountId, Credentials, ProviderName, RunId, SyncType, SyncTypeAndFolders
from mailsync.providers.kit import MailboxIdentity, MailboxUnreadableError
from mailsync.runs.trigger import SyncStarter
from mailsync.store.credential_store import CredentialStore

CredentialSealer = Callable[[AccountId, SealingKey], Credentials]
"""A function that encrypts credentials for the store, given the account id and the data key."""


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """The result of connecting a mailbox: the stored account and the run of its first sync."""

    user_id: str
    account_id: AccountId
    address: str
    run_id: RunId


@dataclass(frozen=True, slots=True)
class AccountConnector:
    """Stores accounts for mailboxes of one provider and starts their first syncs."""

    provider_name: ProviderName
    credential_store: CredentialStore
    encryption_vault: Vault
    sync_starter: SyncStarter

    def connect(
        self, user_id: str, mailbox: MailboxIdentity, seal: CredentialSealer
    ) -> ConnectedAccount:
        """Store the account with its sealed credentials and start the first sync; return the
        account and the run of the sync.

        If the user already has an account for this mailbox, that account and its mail are kept, and
        the account gets the new credentials.

        seal: encrypts the credentials, given the account id and the data key.

        Raises:
            SettingMissing, StoreUnavailable, AwsError: the first sync was not started. If the
                account is already stored, a scheduled check starts the sync.
        """
        key = self.encryption_vault.find_or_make_newest_sealing_key()
        account_id = self.credential_store.connect_account(
            user_id=user_id,
            provider=self.provider_name,
            provider_account_id=mailbox.remote_account_id,
            other_provider_account_id=mailbox.legacy_remote_account_id,
            email_address=mailbox.email_address,
            seal=lambda account_id: seal(account_id, key),
        )
        run = self.sync_starter.start_sync(
            account_id, SyncTypeAndFolders(SyncType.INITIAL), "connect"
        )
        return ConnectedAccount(user_id, account_id, mailbox.email_address, run.id)


def make_unreadable_mailbox_problem(error: MailboxUnreadableError) -> Problem:
    """Return the problem (422) for a mailbox that Mailsync cannot read and therefore does not
    connect."""
    return Problem(
        type_urn_suffix="mailbox-refused",
        http_status=422,
        title="The mailbox was not connected",
        detail=str(error),
    )
