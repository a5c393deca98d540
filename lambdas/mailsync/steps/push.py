"""Having the providers notify us of changes, beside the syncs and never in their way.

Notifications are hints that make a mailbox due earlier; the schedule finds what they miss.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe

from mailsync.access import open_access
from mailsync.errors import MailsyncError
from mailsync.log import logger
from mailsync.model import AccountId, Provider, PushChannel
from mailsync.providers import PUSHING, PushProvider, open_push, webhook_path
from mailsync.settings import load_settings
from mailsync.steps.mailbox import open_vault
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.push_store import Claim, PushStore
from mailsync.store.run_store import RunStore

LASTS = timedelta(minutes=4_200)
"""Asked for; Microsoft grants 4,230 minutes in places, 10,080 in others."""
MOST_AT_ONCE = 100
CLAIMED_FOR_S = 600
ENOUGH_TIME_S = 30
"""For one mailbox: a new token, and a call of ours by the provider in between."""


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
            if _renew(store, claim, provider, callback_url):
                renewed += 1
            else:
                failed += 1
    return Renewals(renewed, failed)


def end_push(account_id: AccountId) -> None:
    """No notifications of this account any more, at the provider either if it lets us.

    To be called before the credentials go. One that the provider keeps expires within 70 hours,
    and what it sends until then is ignored.
    """
    remote_id = PushStore(open_database()).forget(account_id)
    if remote_id is None:
        return
    provider = RunStore(open_database()).account(account_id).provider
    try:
        with _push_of(account_id, provider) as push:
            push.end(remote_id)
    except MailsyncError as failure:
        logger.warning("push_not_ended", account_id=account_id, cause=type(failure).__name__)


def _renew(store: PushStore, claim: Claim, provider: Provider, callback_url: str) -> bool:
    try:
        with _push_of(claim.account_id, provider) as push:
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
    store.made(claim.account_id, channel, secret)
    logger.info("push_opened", account_id=claim.account_id)


@contextmanager
def _push_of(account_id: AccountId, provider: Provider) -> Iterator[PushProvider]:
    settings, credentials = load_settings(), CredentialStore(open_database())
    push = open_push(
        provider, open_access(account_id, credentials, open_vault(), settings), settings
    )
    try:
        yield push
    finally:
        push.close()
