"""Estimate what the first sync of a mailbox takes, before it begins. Pure functions."""

import math
from dataclasses import dataclass

from mailsync.decisions.remaining_time import RESERVED_QUOTA_SHARE


@dataclass(frozen=True, slots=True)
class FirstSyncCost:
    """What a first sync costs at one provider: a part for each message, and a part beside them.

    messages_per_s: messages that are stored in a second, if no quota limits them.
    requests, requests_per_message: requests, in units of the provider's quota. The true number is
        lower where one request brings several messages.
    usd, usd_per_message: list price of the executions and functions on AWS, in US dollars.
    start_s: seconds until the first message is stored.
    """

    messages_per_s: float
    requests: float
    requests_per_message: float
    usd: float
    usd_per_message: float
    start_s: float = 10.0


@dataclass(frozen=True, slots=True)
class FirstSyncEstimate:
    """What the first sync of a mailbox takes, about.

    messages: number of messages that the provider counts now.
    duration_s: seconds until all messages are stored.
    requests: requests, in units of the provider's quota.
    usd: list price on AWS in US dollars, without the database.
    """

    messages: int
    duration_s: int
    requests: int
    usd: float


def estimate_first_sync(
    messages: int, cost: FirstSyncCost, units_per_minute: int | None
) -> FirstSyncEstimate:
    """Return what a first sync of this number of messages takes.

    units_per_minute: the provider's quota of the mailbox, of which a first sync leaves a share to
        new mail. None: the provider has no quota, or none that limits a first sync.
    """
    requests = math.ceil(cost.requests + cost.requests_per_message * messages)
    duration_s = cost.start_s + messages / cost.messages_per_s
    if units_per_minute is not None:
        minutes = requests / (units_per_minute * (1 - RESERVED_QUOTA_SHARE))
        duration_s = max(duration_s, cost.start_s + 60 * minutes)
    usd = cost.usd + cost.usd_per_message * messages
    return FirstSyncEstimate(messages, math.ceil(duration_s), requests, round(usd, 4))
