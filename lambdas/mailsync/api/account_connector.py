"""The last step of every way to connect a mailbox: store its account and start its first sync."""

from collections.abc import Callable
from dataclasses import dataclass

from mailsync.api.problems import Problem
from mailsync.credentials.vault import SealingKey, Vault
from mailsync.model import AccountId, Credentials, Provider, RunId, SyncScope, SyncType
from mailsync.providers.kit import MailboxIdentity, MailboxUnavailable
from mailsync.runs.trigger import SyncStarter
from mailsync.store.credential_store import CredentialStore

SealCredentials = Callable[[AccountId, SealingKey], Credentials]


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """A connected account with the run of its first sync."""

    user_id: str
    account_id: AccountId
    address: str
    run_id: RunId


@dataclass(frozen=True, slots=True)
class AccountConnector:
    """Connects mailboxes of one provider."""

    provider: Provider
    credentials: CredentialStore
    vault: Vault
    trigger: SyncStarter

    def connect(
        self, user_id: str, mailbox: MailboxIdentity, seal: SealCredentials
    ) -> ConnectedAccount:
        """Store the account with its sealed credentials and start the first sync.

        An account that the user already has for this mailbox keeps its mail.

        Raises:
            SettingMissing, StoreUnavailable: no mailbox was connected.
        """
        key = self.vault.newest_sealing_key()
        account_id = self.credentials.connect_account(
            user_id=user_id,
            provider=self.provider,
            provider_account_id=mailbox.remote_account_id,
            email_address=mailbox.address,
            seal=lambda account_id: seal(account_id, key),
        )
        run = self.trigger.start_sync(account_id, SyncScope(SyncType.INITIAL), "connect")
        return ConnectedAccount(user_id, account_id, mailbox.address, run.id)


def unreadable_mailbox_problem(error: MailboxUnavailable) -> Problem:
    """Return the problem of a mailbox that cannot be read (422)."""
    return Problem(
        kind="mailbox-refused",
        status=422,
        title="The mailbox was not connected",
        detail=str(error),
    )
