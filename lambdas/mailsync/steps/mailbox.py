"""One mailbox, opened for one step of one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from mailsync.access import open_access
from mailsync.access.vault import Vault
from mailsync.log import logger
from mailsync.model import RunRef
from mailsync.providers import AccessSource, MailProvider, open_provider
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What a step works with: the provider's side and ours."""

    run: RunRef
    access: AccessSource
    provider: MailProvider
    mail: MailStore
    runs: RunStore


@contextmanager
def open_mailbox(run: RunRef) -> Iterator[Mailbox]:
    """Renews the lease, opens both sides, and counts the requests when the step ends.

    Raises:
        AccountNotFound, AccountNotConnected: there is nothing to sync any more.
        LeaseLost: another execution owns the mailbox.
        AccessRevoked: no usable token can be had.
    """
    settings = load_settings()
    database = open_database()
    runs = RunStore(database)
    account = runs.active_account(run.account_id)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id, provider=account.provider)
    runs.renew_lease(run)
    credentials = CredentialStore(database)
    access = open_access(account.id, credentials, _open_vault(), settings)
    provider = open_provider(account.provider, access, settings)
    try:
        yield Mailbox(run, access, provider, MailStore(database), runs)
    finally:
        provider.close()
    runs.renew_lease(run, requests=provider.requests)


@cache
def _open_vault() -> Vault:
    """The vault of this process: one that is kept remembers the data key."""
    return Vault(load_settings().token_key_arn, CredentialStore(open_database()))
