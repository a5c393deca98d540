"""Implement the interfaces through which the common code opens mailboxes and push subscriptions of
Microsoft Graph, and checks mailboxes of organisations (`ProviderKit`, `PushKit`).

The webhook imports this module at each cold start, so the module imports modules with an HTTP
client only when they are needed.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from mailsync.decisions.first_sync import FirstSyncCostRates
from mailsync.model import Account, SubscriptionNotification
from mailsync.providers import AccessTokenSource, MailProvider
from mailsync.providers.graph import notifications
from mailsync.providers.kit import MailboxIdentity, WebhookRequest, sum_folder_message_counts
from mailsync.providers.quota import QuotaUnitSource
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.registry import GRAPH_URL_SETTING
from mailsync.settings import Settings

if TYPE_CHECKING:
    from mailsync.providers.graph.provider import GraphMailbox
    from mailsync.providers.graph.subscriptions import GraphPush


class GraphPushKit:
    """Opens push subscriptions of Microsoft Graph and parses its webhook requests; implements
    `PushKit`."""

    requested_subscription_lifetime = timedelta(minutes=4_200)
    """The lifetime that Mailsync requests for a subscription. Microsoft documents a limit of 4,230
    minutes in some places, and 10,080 in others."""
    has_one_subscription_per_mailbox = False
    leftover_subscription_search_timeout_s = 20.0
    """The seconds that one invocation may search for leftover subscriptions. Microsoft allows 40
    lists of subscriptions in 20 s per application and tenant (microsoft-graph-docs #14784), and the
    list of an organisation is long. Creating and renewing subscriptions must not wait for the
    search."""

    def is_configured(self, settings: Settings) -> bool:
        return True

    def open_push_provider(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
    ) -> "GraphPush":
        from mailsync.providers.graph.owner import parse_user_id_of_remote_account
        from mailsync.providers.graph.subscriptions import GraphPush

        return GraphPush(
            base_url=settings.read_url_setting(GRAPH_URL_SETTING),
            access=access,
            ca_bundle=settings.provider_ca_bundle_path,
            owner=parse_user_id_of_remote_account(account.remote_account_id),
            user=_user(account),
            budget=budget,
        )

    def answer_validation_request(self, raw_query: str) -> str | None:
        return notifications.answer_validation_request(raw_query)

    def parse_notifications(
        self, request: WebhookRequest, settings: Settings
    ) -> Sequence[SubscriptionNotification]:
        return notifications.parse_notifications(request.body)


class GraphKit:
    """Opens mailboxes of Microsoft 365 for the common code; implements `ProviderKit`."""

    push_kit = GraphPushKit()
    first_sync_cost_rates = FirstSyncCostRates(
        messages_per_s=28,
        fixed_quota_units_per_sync=36,
        quota_units_per_message=0.01,
        fixed_aws_cost_usd_per_sync=0.0004,
        aws_cost_usd_per_message=0.0000005,
    )
    """The speed is that of a single folder (27.6 complete messages a second), because one folder
    often has most of the mail. The other numbers are those of docs/cost.md."""

    def open_mailbox(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
        memory: ResponseMemoryShare | None = None,
        *,
        quota: QuotaUnitSource | None = None,
    ) -> "GraphMailbox":
        from mailsync.providers.graph.provider import GraphMailbox

        return GraphMailbox(
            base_url=settings.read_url_setting(GRAPH_URL_SETTING),
            access=access,
            ca_bundle=settings.provider_ca_bundle_path,
            user=_user(account),
            budget=budget,
            max_in_flight=account.max_requests_in_flight,
            memory=memory,
        )

    def count_messages(self, mailbox: MailProvider) -> int:
        return sum_folder_message_counts(mailbox)

    def check_organisation_mailbox(
        self, organisation_id: str, address: str, access: AccessTokenSource, settings: Settings
    ) -> MailboxIdentity:
        from mailsync.providers.graph.owner import (
            build_remote_account_id,
            find_mailbox_owner_by_address,
        )

        owner = find_mailbox_owner_by_address(address, access, settings)
        remote_id = build_remote_account_id(owner.user_id, organisation_id)
        return MailboxIdentity(remote_id, owner.email_address)


KIT = GraphKit()


def _user(account: Account) -> str | None:
    """Return the user id for paths of requests if the application's own access token is used.
    Return None if the token is a person's; the paths then begin with `/me`."""
    from mailsync.providers.graph.owner import parse_user_id_of_remote_account

    return (
        parse_user_id_of_remote_account(account.remote_account_id)
        if account.granting_organisation_id
        else None
    )
