"""Find and end leftover subscriptions. A leftover subscription exists at the provider and is in no
database row.

Such a subscription remains if the response to its creation was lost, or if the provider wrongly
reported it as gone. It expires without further action, and its notifications have no effect.
"""

import time
from collections.abc import Sequence

from mailsync.errors import MailsyncError
from mailsync.model import RemoteId
from mailsync.providers import PushProvider
from mailsync.store.push_store import PushStore, SubscriptionClaim


class LeftoverSubscriptionCleaner:
    """Finds and ends leftover subscriptions, which exist at the provider but in no database row.
    Only `stop_sending_requests` may be called from another thread.

    total_s: seconds for searching, over all calls. After that time only subscriptions that are
        named by id are ended.
    """

    def __init__(self, store: PushStore, total_s: float) -> None:
        self._store = store
        self._left_s = total_s
        self._over_at = 0.0
        self._has_given_up = False

    def stop_sending_requests(self) -> None:
        """Make this object send no further request, even if Lambda freezes the process and resumes
        it later."""
        self._has_given_up = True

    def end_leftover_subscriptions(
        self,
        push: PushProvider,
        claim: SubscriptionClaim,
        *,
        named: RemoteId | None,
        callback_urls: Sequence[str],
    ) -> int:
        """End the subscription `named`, and all unused subscriptions of the mailbox that notify one
        of `callback_urls`. Return the number of subscriptions that the provider has ended.

        Except for `named`, a subscription that is in a database row of any account is never ended.

        Raises:
            MailsyncError: a subscription could not be listed or ended; the others were tried first.
        """
        began = time.monotonic()
        self._over_at = began + self._left_s
        try:
            return self._end(push, claim, named, callback_urls)
        finally:
            self._left_s -= time.monotonic() - began

    def _end(
        self,
        push: PushProvider,
        claim: SubscriptionClaim,
        named: RemoteId | None,
        callback_urls: Sequence[str],
    ) -> int:
        outcomes: dict[RemoteId, bool | MailsyncError] = {}
        if named is not None and not self._has_given_up:
            outcomes[named] = _ended(push, named)
        found, incomplete = self._find(push, callback_urls)
        # The account's row may still contain `named`, so the store does not return it as unused.
        again = [named] if named in found else []
        for each in dict.fromkeys(
            [*again, *self._store.find_unused_remote_subscription_ids(claim, found)]
        ):
            for _ in range(2):
                if outcomes.get(each) is not True and not self._is_over():
                    outcomes[each] = _ended(push, each)
        for outcome in (*outcomes.values(), incomplete):
            if isinstance(outcome, MailsyncError):
                raise outcome
        return sum(outcome is True for outcome in outcomes.values())

    def _find(
        self, push: PushProvider, callback_urls: Sequence[str]
    ) -> tuple[list[RemoteId], MailsyncError | None]:
        """Return the subscriptions that were listed in time, and the failure that ended the
        listing, if any.

        The list is read completely before any is ended: a shrinking list would skip entries.
        """
        found: list[RemoteId] = []
        if self._is_over():
            return found, None
        try:
            for page in push.find_subscriptions(callback_urls):
                found += page
                if self._is_over():
                    break
        except MailsyncError as failure:
            return found, failure
        return found, None

    def _is_over(self) -> bool:
        return self._has_given_up or time.monotonic() > self._over_at


def _ended(push: PushProvider, remote_id: RemoteId) -> bool | MailsyncError:
    """End one subscription; return whether it existed, or the failure, so that the caller
    can end the remaining subscriptions."""
    try:
        return push.unsubscribe(remote_id)
    except MailsyncError as failure:
        return failure
