"""Decide whether the provider's notifications of a mailbox work, from what was received so far."""

from datetime import datetime, timedelta
from enum import StrEnum

MAX_TIME_FROM_NOTIFICATION_TO_SYNC = timedelta(minutes=15)
"""The longest usual time between a notification and the end of the sync that finds its change."""


class PushHealth(StrEnum):
    """Whether the notifications of a mailbox work.

    SILENT: the provider has a subscription, and no notification announced the last change.
    LAPSED: the provider has no subscription.
    """

    WORKING = "working"
    SILENT = "silent"
    LAPSED = "lapsed"


def classify_push(
    *,
    expires_at: datetime | None,
    subscribed_at: datetime,
    notified_at: datetime | None,
    changed_at: datetime,
    now: datetime,
) -> PushHealth:
    """Return whether the notifications of a mailbox work.

    expires_at: expiry of the subscription. None: there is no subscription.
    subscribed_at: when a subscription was first requested.
    notified_at: when the last genuine notification arrived. None: no notification arrived yet.
    changed_at: when the last sync ended that found a change.
    """
    if expires_at is None or expires_at <= now:
        return PushHealth.LAPSED
    announced_at = max(filter(None, (notified_at, subscribed_at)))
    is_announced = changed_at <= announced_at + MAX_TIME_FROM_NOTIFICATION_TO_SYNC
    return PushHealth.WORKING if is_announced else PushHealth.SILENT
