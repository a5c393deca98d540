"""Having the providers notify us of changes, beside the syncs and never in their way.

Notifications are hints that make a mailbox due earlier; the schedule finds what they miss.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from threading import Thread

from mailsync.access import last_access, open_access
from mailsync.access.vault import Vault
from mailsync.errors import MailsyncError
from mailsync.log import logger
from mailsync.model import AccountId, PushChannel, RemoteId
from mailsync.providers import PUSHING, PushProvider, open_push, webhook_path
from mailsync.providers.patience import Patience
from mailsync.settings import load_settings
from mailsync.steps.mailbox import open_vault
from mailsync.store.connection import Database, open_database
from mailsync.store.control_store import OwnAccount
from mailsync.store.credential_store import CredentialStore
from mailsync.store.push_store import Claim, PushStore
from mailsync.store.run_store import RunStore

LASTS = timedelta(minutes=4_200)
"""Asked for; Microsoft grants 4,230 minutes in places, 10,080 in others."""
MOST_AT_ONCE = 100
CLAIMED_FOR_S = 600
ENOUGH_TIME_S = 30
"""For one mailbox: a new token, and a call of ours by the provider in between."""
END_S = 5.0
"""How long somebody who disconnects a mailbox waits for its provider; a second is usual."""


@dataclass(frozen=True, slots=True)
class Renewals:
    renewed: int = 0
    failed: int = 0


def renew_push(public_url: str, remaining_s: Callable[[], float]) -> Renewals:
    """Makes and renews what is due, at most `MOST_AT_ONCE`, while there is time.

    A mailbox whose provider refuses is put off and counted; the others have their turn.
    """
    renewed = failed = 0
    store = PushStore(open_database())
    for provider in PUSHING:
        callback_url = f"{public_url}{webhook_path(provider)}"
        store.add_missing(provider, callback_url)
        while renewed + failed < MOST_AT_ONCE and remaining_s() > ENOUGH_TIME_S:
            claim = store.claim(provider, callback_url, CLAIMED_FOR_S)
            if claim is None:
                break
            if _renew(store, claim, callback_url):
                renewed += 1
            else:
                failed += 1
    return Renewals(renewed, failed)


def end_push(own: OwnAccount) -> None:
    """No more notifications of this account by its provider, if that lets us within `END_S`.

    To be called before the account's credentials are deleted, and its channel with them; that
    must not depend on it, so nothing is raised for what the provider or the key service does.
    What the provider keeps expires within 70 hours, and what it sends until then is ignored.
    """
    remote_id = PushStore(open_database()).withdraw(own.id, own.user_id)
    if remote_id is None:
        return
    # The provider's libraries bound single reads, not their sum; what is too slow is left behind.
    ending = Thread(target=_end, args=(own.id, remote_id), daemon=True)
    ending.start()
    ending.join(END_S)
    if ending.is_alive():
        logger.warning("push_not_ended", account_id=own.id, cause="TooSlow")


def _end(account_id: AccountId, remote_id: RemoteId) -> None:
    """With a connection of its own, since the caller's is not for two threads."""
    settings = load_settings()
    database = Database(settings)
    try:
        account = RunStore(database).account(account_id)
        credentials = CredentialStore(database)
        vault = Vault(settings.token_key_arn, credentials)
        access = last_access(account_id, credentials, vault, settings)
        with closing(open_push(account, access, settings, Patience(total_s=0))) as push:
            push.end(remote_id)
        logger.info("push_ended", account_id=account_id)
    except Exception as failure:
        logger.warning("push_not_ended", account_id=account_id, cause=type(failure).__name__)
    finally:
        database.close()


def _renew(store: PushStore, claim: Claim, callback_url: str) -> bool:
    try:
        with _push_of(claim.account_id) as push:
            if not _extend(store, claim, push):
                _open(store, claim, push, callback_url)
    except MailsyncError as failure:
        cause = type(failure).__name__
        store.failed(claim.account_id, cause)
        logger.warning("push_not_renewed", account_id=claim.account_id, cause=cause)
        return False
    return True


def _extend(store: PushStore, claim: Claim, push: PushProvider) -> bool:
    if claim.remote_id is None:
        return False
    expires_at = push.extend(claim.remote_id, datetime.now(UTC) + LASTS)
    if expires_at is None:
        return False
    store.renewed(claim.account_id, PushChannel(claim.remote_id, expires_at))
    logger.info("push_renewed", account_id=claim.account_id)
    return True


def _open(store: PushStore, claim: Claim, push: PushProvider, callback_url: str) -> None:
    """A death before it is stored leaves one at the provider that notifies in vain and expires."""
    secret = token_urlsafe(32)
    channel = push.open(callback_url, secret, datetime.now(UTC) + LASTS)
    if store.made(claim, channel, secret):
        logger.info("push_opened", account_id=claim.account_id)
    else:
        push.end(channel.remote_id)


@contextmanager
def _push_of(account_id: AccountId) -> Iterator[PushProvider]:
    settings, credentials = load_settings(), CredentialStore(open_database())
    account = RunStore(open_database()).account(account_id)
    access = open_access(account_id, credentials, open_vault(), settings)
    with closing(open_push(account, access, settings)) as push:
        yield push
