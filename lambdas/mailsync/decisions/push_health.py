"""Decide whether the provider's notifications for a mailbox work: whether a notification came
before each change that a sync found."""

from datetime import datetime, timedelta
from enum import StrEnum

MAX_TIME_FROM_NOTIFICATION_TO_FOUND_CHANGE = timedelta(minutes=15)
"""The longest usual time between a notification and the end of the sync that finds the announced
change."""


class PushHealth(StrEnum):
    """Whether the provider's notifications for a mailbox work.

    WORKING: there is a push subscription, and a notification announced the last change.
    SILENT: there is a push subscription, but no notification announced the
        last change that a sync found.
    LAPSED: there is no push subscription, or it has expired.
    """

    WORKING = "working"
    SILENT = "silent"
    LAPSED = "lapsed"


def classify_push_health(
    *,
    expires_at: datetime | None,
    subscribed_at: datetime,
    notified_at: datetime | None,
    changed_at: datetime,
    now: datetime,
) -> PushHealth:
    """Return whether the provider's notifications for a mailbox work.

    The last change counts as announced if the sync that found the change ended at most
    `MAX_TIME_FROM_NOTIFICATION_TO_FOUND_CHANGE` after the last notification or after the first
    request for a subscription.

    expires_at: expiry of the mailbox's push subscription. None: there is no subscription.
    subscribed_at: when Mailsync first requested a subscription for the mailbox.
    notified_at: when the last genuine notification arrived. None: no notification has arrived yet.
    changed_at: when the last sync that found a change ended.
    now: the present time.
    """
    if expires_at is None or expires_at <= now:
        return PushHealth.LAPSED
    announced_at = max(filter(None, (notified_at, subscribed_at)))
    is_announced = changed_at <= announced_at + MAX_TIME_FROM_NOTIFICATION_TO_FOUND_CHANGE
    return PushHealth.WORKING if is_announced else PushHealth.SILENT
