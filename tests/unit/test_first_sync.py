"""The estimate of a first sync, and the record of the demo's ETAs."""

import pytest

from localdev.demo_quota import EtaRecord
from mailsync.decisions.first_sync import FirstSyncCostRates, estimate_first_sync
from mailsync.providers.kit import load_provider_kit
from mailsync.registry import GOOGLE, implemented_providers
from tests.support.paths import ROOT

COST = FirstSyncCostRates(
    messages_per_s=10,
    fixed_quota_units_per_sync=100,
    quota_units_per_message=20,
    fixed_aws_cost_usd_per_sync=0.001,
    aws_cost_usd_per_message=0.00001,
)


@pytest.mark.parametrize(
    ("messages", "units_per_minute", "minutes"),
    [(6_000, None, 10), (6_000, 6_000, 22.24), (6_000, 1_000_000, 10), (0, None, 0)],
    ids=["at its own speed", "by the quota", "the quota is larger", "empty"],
)
def test_a_first_sync_takes_as_long_as_the_slower_of_speed_and_quota(
    messages: int, units_per_minute: int | None, minutes: float
) -> None:
    """A tenth of the quota is left to new mail."""
    found = estimate_first_sync(messages, COST, units_per_minute)

    assert found.duration_s == pytest.approx(60 * minutes + COST.time_to_first_message_s, abs=1)
    assert found.quota_units == 100 + 20 * messages
    assert found.cost_usd == pytest.approx(0.001 + 0.00001 * messages)


def test_every_provider_states_what_its_first_sync_costs() -> None:
    """The issue's measure for Gmail: at most 20.1 units for a message of a mailbox of 10,000."""
    for each in implemented_providers():
        cost = load_provider_kit(each.provider_name).first_sync_cost_rates
        assert 0 < cost.fixed_aws_cost_usd_per_sync + 10_000 * cost.aws_cost_usd_per_message < 0.1
        assert cost.messages_per_s > 0
    gmail = load_provider_kit(GOOGLE).first_sync_cost_rates
    assert 20 <= estimate_first_sync(10_000, gmail, 6_000).quota_units / 10_000 <= 20.1


def test_the_record_of_a_sync_says_which_estimates_were_right() -> None:
    record = EtaRecord()
    for at, stored, eta_s in ((0, 0, None), (10, 100, 120), (50, 500, 50), (90, 900, 7)):
        record.record_eta_of_sync_status(
            at, {"syncProgress": stored, "syncTotal": 1000, "etaSeconds": eta_s}
        )
    record.record_eta_of_sync_status(
        100, {"syncProgress": 1000, "syncTotal": 1000, "etaSeconds": None}
    )

    pairs, counts = record.report_lines()

    assert "at 10%: 120 s (90 s), 50%: 50 s (50 s), 90%: 7 s (10 s)." in pairs
    assert "1 of 3 readings" in counts


def test_the_page_shows_what_the_estimate_says() -> None:
    page = (ROOT / "docs" / "cost.md").read_text()
    for registered in implemented_providers():
        cost = load_provider_kit(registered.provider_name).first_sync_cost_rates
        per_minute = (
            registered.quota_settings.mailbox_units_per_minute_setting.default
            if registered.quota_settings
            else None
        )
        for messages in (1_000, 10_000, 100_000):
            found = estimate_first_sync(messages, cost, per_minute)
            minutes = max(1, round(found.duration_s / 60))
            row = f"| {registered.display_name} | {messages:,} | {minutes:,} min |"
            assert f"{row} {found.quota_units:,} | {found.cost_usd:.3f} |" in page
