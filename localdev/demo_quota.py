"""Report how much of the provider's quota the demo's first sync used, and how accurate its ETAs
were.

An ETA is the API's estimate of the seconds until a first sync has stored all messages.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localdev.demo_account import DemoAccount, simulator
from localdev.stack import Stack
from mailsync.decisions.first_sync import estimate_first_sync
from mailsync.model import ProviderName
from mailsync.providers.kit import load_provider_kit
from mailsync.registry import find_provider

MIN_STORED_MESSAGE_SHARE_FOR_ETA = 0.1
"""Share of the messages that must be stored before an ETA is expected to be accurate."""
MESSAGE_SHARES_TO_SHOW_ETA_AT = (MIN_STORED_MESSAGE_SHARE_FOR_ETA, 0.25, 0.5, 0.75)
ALLOWED_RELATIVE_ETA_ERROR = 0.2
ALLOWED_ETA_ERROR_S = 1.0
"""Error of an ETA that is always allowed. An ETA is a number of whole seconds, and the demo reads
the ETA five times a second."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    stored: int
    total: int
    eta_s: int | None


@dataclass(slots=True)
class EtaRecord:
    """Records the ETAs that the API reports during a first sync. After the sync it compares each
    ETA with the seconds that the sync then really needed."""

    sync_status_readings: list[_Reading] = field(default_factory=list)

    def record_eta_of_sync_status(self, now: float, status: dict[str, Any]) -> None:
        """Record the ETA and the message counts of a sync status.

        now: time at which the status was read, in seconds of the monotonic clock.
        status: response of the API to a request for the sync status.
        """
        numbers = (status[name] for name in ("syncProgress", "syncTotal", "etaSeconds"))
        self.sync_status_readings.append(_Reading(now, *numbers))

    def share_eta_and_actual_remaining_s(self) -> list[tuple[float, int | None, float]]:
        """Return a triple for each recorded status: the stored share of the messages, the ETA in
        seconds, and the seconds that the sync really needed to store the remaining messages.

        Leave out statuses with less than a tenth of the messages, and statuses with all messages.
        Return an empty list if no status had all messages.
        """
        total = max((each.total for each in self.sync_status_readings), default=0)
        ended_at = next(
            (each.at for each in self.sync_status_readings if each.stored == total), None
        )
        if not total or ended_at is None:
            return []
        return [
            (each.stored / total, each.eta_s, ended_at - each.at)
            for each in self.sync_status_readings
            if each.at < ended_at and each.stored >= MIN_STORED_MESSAGE_SHARE_FOR_ETA * total
        ]

    def report_lines(self) -> Iterator[str]:
        """Yield two lines for the demo's report: some ETAs, each with the seconds that the sync
        then needed, and how many ETAs were accurate. Yield nothing if no ETA can be compared."""
        shown = self.share_eta_and_actual_remaining_s()
        if not shown:
            return
        firsts = [
            next((it for it in shown if it[0] >= share), None)
            for share in MESSAGE_SHARES_TO_SHOW_ETA_AT
        ]
        pairs = [f"{it[0]:.0%}: {it[1]} s ({it[2]:.0f} s)" for it in firsts if it]
        yield f"ETA, and the true time in parentheses, at {', '.join(dict.fromkeys(pairs))}."
        right = sum(is_eta_accurate(eta_s, true_s) for _, eta_s, true_s in shown)
        yield (
            f"From the tenth part of the messages on, {right} of {len(shown)} readings were within"
            f" {ALLOWED_RELATIVE_ETA_ERROR:.0%} of the truth, or within a second of it."
        )


def is_eta_accurate(eta_s: int | None, true_s: float) -> bool:
    """Return whether an ETA differs from `true_s`, the seconds that the sync then needed, by at
    most a fifth of `true_s` or by at most a second. Return False if the ETA is None."""
    return eta_s is not None and abs(eta_s - true_s) <= max(
        ALLOWED_RELATIVE_ETA_ERROR * true_s, ALLOWED_ETA_ERROR_S
    )


def quota_report_lines(stack: Stack, account: DemoAccount, estimates: EtaRecord) -> Iterator[str]:
    """Yield lines for the demo's report about the quota of the simulated provider: the units that
    the provider counted, the requests that it refused, the accuracy of the ETAs in `estimates`, and
    the time that a first sync takes with the quota of the real provider. Yield nothing if the
    provider has no quota."""
    provider = ProviderName(str(account.status()["provider"]))
    registered = find_provider(provider)
    if registered is None or registered.quota_settings is None:
        return
    counted = simulator(stack.provider, "GET", "gmail-quota")
    refused = sum(sum(each.values()) for each in counted["refused"].values())
    messages = max(each.total for each in estimates.sync_status_readings)
    units = counted["totalUnits"]
    yield f"{registered.display_name} counted {units:,} units and refused {refused} requests."
    yield from estimates.report_lines()
    per_minute = registered.quota_settings.mailbox_units_per_minute_setting.default
    cost = load_provider_kit(provider).first_sync_cost_rates
    took = estimate_first_sync(messages, cost, per_minute)
    minutes = math.ceil(took.duration_s / 60)
    yield (
        f"Here the quota is {stack.options.quota_scale:g} times that of a new project. With its"
        f" {per_minute:,} units per minute, {messages:,} messages take"
        f" {minutes} minute{'s'[: minutes - 1]}."
    )
