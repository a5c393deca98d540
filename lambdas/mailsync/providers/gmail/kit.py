"""Open Gmail mailboxes for the common code: the provider's kit."""

from typing import TYPE_CHECKING, cast

from mailsync.decisions.first_sync import FirstSyncCostRates
from mailsync.errors import ProviderRejected
from mailsync.model import Account
from mailsync.providers import AccessTokenSource, MailProvider
from mailsync.providers.gmail.push_kit import GmailPushKit
from mailsync.providers.kit import MailboxIdentity
from mailsync.providers.quota import QuotaUnitSource
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.registry import GMAIL_URL_SETTING
from mailsync.settings import Settings

if TYPE_CHECKING:
    from mailsync.providers.gmail.provider import GmailMailbox


class GmailKit:
    """The part of this package through which the common code opens Gmail mailboxes; implements
    `ProviderKit`."""

    push_kit = GmailPushKit()
    first_sync_cost_rates = FirstSyncCostRates(
        messages_per_s=30,
        fixed_quota_units_per_sync=100,
        quota_units_per_message=20.05,
        fixed_aws_cost_usd_per_sync=0.0009,
        aws_cost_usd_per_message=0.0000025,
    )
    """A message costs 20 quota units, and its share of the lists of ids. Threads that are fetched
    as a whole cost less. The AWS costs are those of docs/cost.md."""

    def open_mailbox(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
        memory: ResponseMemoryShare | None = None,
        *,
        quota: QuotaUnitSource | None = None,
    ) -> "GmailMailbox":
        from mailsync.providers.gmail.provider import GmailMailbox

        return GmailMailbox(
            base_url=settings.read_url_setting(GMAIL_URL_SETTING),
            access=access,
            ca_bundle=settings.provider_ca_bundle_path,
            budget=budget,
            max_in_flight=account.max_requests_in_flight,
            memory=memory,
            quota=quota,
        )

    def count_messages(self, mailbox: MailProvider) -> int:
        return cast("GmailMailbox", mailbox).count_messages()

    def check_organisation_mailbox(
        self, organisation_id: str, address: str, access: AccessTokenSource, settings: Settings
    ) -> MailboxIdentity:
        raise ProviderRejected(
            "Gmail mailboxes of an organisation are connected one by one, each by its owner;"
            " access for a whole organisation is not supported."
        )


KIT = GmailKit()
