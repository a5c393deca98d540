"""Estimate the first sync of a connected mailbox, with the message count of its provider."""

from contextlib import closing, nullcontext

from mailsync.credentials import make_access_token_source
from mailsync.decisions.first_sync import FirstSyncEstimate, estimate_first_sync
from mailsync.model import AccountId
from mailsync.providers.kit import load_provider_kit
from mailsync.providers.retry_budget import RetryBudget
from mailsync.settings import load_settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.quota_store import find_mailbox_quota_units_per_minute, open_mailbox_quota
from mailsync.sync.mailbox import open_encryption_vault, require_no_provider_pause


def estimate_first_sync_of_account(account_id: AccountId) -> FirstSyncEstimate:
    """Request the number of messages in the mailbox from the provider. Return an estimate of the
    time, the quota units and the price on AWS of the first sync of these messages.

    The estimate takes no lease and writes nothing, so a sync may run at the same time. A failed
    request is not repeated, because a person waits for the estimate.

    Raises:
        AccountNotFound, AccountNotConnected: the account cannot be synced.
        AccessRevoked: no access token is available until a person acts.
        MailsyncError: any other error of the provider.
    """
    database, settings = open_database(), load_settings()
    account = AccountStore(database).read_active_account(account_id)
    require_no_provider_pause(account)
    access = make_access_token_source(
        account, CredentialStore(database), open_encryption_vault(), settings
    )
    kit, no_retries = load_provider_kit(account.provider), RetryBudget(total_s=0)
    quota = open_mailbox_quota(database, account, settings)
    mailbox = kit.open_mailbox(account, access, settings, no_retries, quota=quota)
    with quota or nullcontext(), closing(mailbox):
        messages = kit.count_messages(mailbox)
    per_minute = find_mailbox_quota_units_per_minute(account.provider, settings)
    return estimate_first_sync(messages, kit.first_sync_cost_rates, per_minute)
