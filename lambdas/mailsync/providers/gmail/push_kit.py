"""Manage the push subscriptions of Gmail mailboxes, and parse the requests that Pub/Sub sends to
the webhook.

The webhook imports this module at each cold start, so the module imports modules with an HTTP
client only when they are needed.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from mailsync.model import Account, NotificationByEmailAddress
from mailsync.providers import AccessTokenSource
from mailsync.providers.gmail.push_settings import GmailPushSettings
from mailsync.providers.kit import WebhookRequest
from mailsync.providers.retry_budget import RetryBudget
from mailsync.registry import GMAIL_URL_SETTING
from mailsync.settings import Settings

if TYPE_CHECKING:
    from mailsync.providers.gmail.subscriptions import GmailPush


class GmailPushKit:
    """Opens the watch of Gmail mailboxes and parses Pub/Sub's pushes; implements `PushKit`."""

    requested_subscription_lifetime = timedelta(hours=50)
    """A watch lasts up to 7 days, and Google advises to call `watch` once a day (Gmail API
    documentation, "Push notifications"). A subscription is renewed after 0.4 to 0.5 of its
    lifetime, here 20 to 25 hours. If every renewal fails, it counts as lapsed after 50 hours."""
    leftover_subscription_search_timeout_s = 0.0
    has_one_subscription_per_mailbox = True

    def is_configured(self, settings: Settings) -> bool:
        return settings.read_settings_section(GmailPushSettings).is_configured

    def open_push_provider(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
    ) -> "GmailPush":
        from mailsync.providers.gmail.subscriptions import GmailPush

        return GmailPush(
            base_url=settings.read_url_setting(GMAIL_URL_SETTING),
            account_id=account.id,
            topic=settings.read_settings_section(GmailPushSettings).pubsub_topic_name,
            access=access,
            tls=settings.provider_tls_context(),
        )

    def answer_validation_request(self, raw_query: str) -> str | None:
        """Return None: Pub/Sub does not validate an endpoint by a request."""
        return None

    def parse_notifications(
        self, request: WebhookRequest, settings: Settings
    ) -> Sequence[NotificationByEmailAddress]:
        from mailsync.providers.gmail.notifications import parse_pubsub_push

        return parse_pubsub_push(request, settings)
