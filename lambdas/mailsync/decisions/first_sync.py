"""Estimate what the first sync of a mailbox takes, before it begins. Pure functions."""

import math
from dataclasses import dataclass

from mailsync.decisions.remaining_time import QUOTA_SHARE_RESERVED_FOR_NEW_MAIL


@dataclass(frozen=True, slots=True)
class FirstSyncCostRates:
    """What a first sync costs at one provider. Each cost has a fixed part and a part per message.

    messages_per_s: number of messages that Mailsync stores per second if no quota limits it.
    fixed_quota_units_per_sync: units of the provider's quota that a first sync of an empty mailbox
        uses.
    quota_units_per_message: units of the quota that each message adds. The real number is lower if
        one request fetches several messages.
    fixed_aws_cost_usd_per_sync, aws_cost_usd_per_message: list price of the executions and
        functions on AWS, in US dollars.
    time_to_first_message_s: seconds from the start of the sync until the first message is stored.
    """

    messages_per_s: float
    fixed_quota_units_per_sync: float
    quota_units_per_message: float
    fixed_aws_cost_usd_per_sync: float
    aws_cost_usd_per_message: float
    time_to_first_message_s: float = 10.0


@dataclass(frozen=True, slots=True)
class FirstSyncEstimate:
    """An estimate of the time and the costs of the first sync of a mailbox.

    message_count: number of messages that the provider counts now.
    duration_s: seconds until all messages are stored.
    quota_units: units of the provider's quota that the first sync uses.
    cost_usd: list price on AWS in US dollars, without the database.
    """

    message_count: int
    duration_s: int
    quota_units: int
    cost_usd: float


def estimate_first_sync(
    messages: int, cost: FirstSyncCostRates, units_per_minute: int | None
) -> FirstSyncEstimate:
    """Return the estimated time and costs of a first sync of `messages` messages.

    units_per_minute: the quota of the mailbox in the provider's units. A first sync leaves
        `QUOTA_SHARE_RESERVED_FOR_NEW_MAIL` of the quota to new mail. None: no quota of the provider
        limits a first sync.
    """
    requests = math.ceil(cost.fixed_quota_units_per_sync + cost.quota_units_per_message * messages)
    duration_s = cost.time_to_first_message_s + messages / cost.messages_per_s
    if units_per_minute is not None:
        minutes = requests / (units_per_minute * (1 - QUOTA_SHARE_RESERVED_FOR_NEW_MAIL))
        duration_s = max(duration_s, cost.time_to_first_message_s + 60 * minutes)
    usd = cost.fixed_aws_cost_usd_per_sync + cost.aws_cost_usd_per_message * messages
    return FirstSyncEstimate(messages, math.ceil(duration_s), requests, round(usd, 4))
