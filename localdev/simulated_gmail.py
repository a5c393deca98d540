"""Set the quota of the simulated Gmail of a local stack, and the URL of its push notifications.

With Google's quota a first sync of 2,000 messages takes seven minutes. The local stack multiplies
the limits of the simulator and the limits that the functions know by the same factor. So a first
sync waits less for the quota, but costs as many units as at Google.
"""

from collections.abc import Iterator

from localdev.simulators.google.push_tokens import PUSH_SERVICE_ACCOUNT
from mailsync.providers.kit import webhook_path
from mailsync.registry import GOOGLE, NumberSetting, find_provider

PUBSUB_TOPIC_NAME = "projects/simulated-project/topics/mailsync"
QUOTA_UNITS_PER_MESSAGE_FETCH = 20
"""Quota units that fetching a message costs in projects created since May 2026 (Gmail API
documentation, "Usage limits")."""


def _limits() -> tuple[NumberSetting, NumberSetting]:
    registered = find_provider(GOOGLE)
    assert registered
    assert registered.quota_settings
    return (
        registered.quota_settings.mailbox_units_per_minute_setting,
        registered.quota_settings.project_units_per_minute_setting,
    )


def scale_quota_limits(quota_scale: float) -> tuple[int, int]:
    """Return the quota units per minute of one mailbox and of the project: the limits of a new
    project at Google, multiplied by `quota_scale`. Each limit is at least 1."""
    per_mailbox, per_project = (max(1, round(each.default * quota_scale)) for each in _limits())
    return per_mailbox, per_project


def build_simulator_arguments(quota_scale: float, api_url: str) -> list[str]:
    """Return the command-line arguments of the simulators' process that set up the simulated Gmail
    of this stack."""
    return [
        *("--gmail-quota-scale", str(quota_scale)),
        *("--gmail-push-url", api_url + webhook_path(GOOGLE)),
    ]


def build_lambda_environment_variables(quota_scale: float, api_url: str) -> dict[str, str]:
    """Return the environment variables of the functions for the quota and the notifications of
    Gmail."""
    return dict(_quota_settings(quota_scale)) | {
        "GOOGLE_PUBSUB_TOPIC": PUBSUB_TOPIC_NAME,
        "GOOGLE_PUSH_SERVICE_ACCOUNT": PUSH_SERVICE_ACCOUNT,
        "GOOGLE_PUSH_AUDIENCE": api_url + webhook_path(GOOGLE),
    }


def _quota_settings(quota_scale: float) -> Iterator[tuple[str, str]]:
    for setting, units in zip(_limits(), scale_quota_limits(quota_scale), strict=True):
        yield setting.name, str(units)
