"""Channels that notify us in vain, found and ended.

The provider made one and its answer was lost, or it said that one was gone which goes on notifying.
Nothing depends on finding them: they expire, and what they send until then is ignored.
"""

import time
from collections.abc import Sequence

from mailsync.errors import MailsyncError
from mailsync.model import RemoteId
from mailsync.providers import PushProvider
from mailsync.store.push_store import Claim, PushStore


class Leftovers:
    """Finds and ends them for `total_s` seconds over all calls; after that, ends named ones only.

    Not for use by several threads, except `give_up`.
    """

    def __init__(self, store: PushStore, total_s: float) -> None:
        self._store = store
        self._left_s = total_s
        self._over_at = 0.0
        self._has_given_up = False

    def give_up(self) -> None:
        """Send no further request, also when this process is frozen now and goes on later."""
        self._has_given_up = True

    def end(
        self,
        push: PushProvider,
        claim: Claim,
        *,
        named: RemoteId | None,
        callback_urls: Sequence[str],
    ) -> int:
        """End `named`, and what else leads to `callback_urls` from the claim's mailbox, unused.

        Never ends what any account's row holds, except `named`.

        Returns how many the provider has ended. Raises MailsyncError for what could not be listed
        or ended, after the rest was tried.
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
        claim: Claim,
        named: RemoteId | None,
        callback_urls: Sequence[str],
    ) -> int:
        outcomes: dict[RemoteId, bool | MailsyncError] = {}
        if named is not None and not self._has_given_up:
            outcomes[named] = _ended(push, named)
        found, incomplete = self._find(push, callback_urls)
        # The row may still hold the named one, which is listed if "gone" was a mistake.
        again = [named] if named in found else []
        for each in dict.fromkeys([*again, *self._store.unheld(claim, found)]):
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
        """Return what was listed in time, and why the rest could not be, if so.

        All of it before any is ended: a list that shrinks while it is read would skip some.
        """
        found: list[RemoteId] = []
        if self._is_over():
            return found, None
        try:
            for page in push.find(callback_urls):
                found += page
                if self._is_over():
                    break
        except MailsyncError as failure:
            return found, failure
        return found, None

    def _is_over(self) -> bool:
        return self._has_given_up or time.monotonic() > self._over_at


def _ended(push: PushProvider, remote_id: RemoteId) -> bool | MailsyncError:
    """Return what `end` returns, or the failure, which must not keep the others."""
    try:
        return push.unsubscribe(remote_id)
    except MailsyncError as failure:
        return failure
