"""Implement the interface through which the common code opens mailboxes on IMAP servers and checks
their passwords (`ProviderKit`, `PasswordKit`)."""

from typing import TYPE_CHECKING

from mailsync.decisions.first_sync import FirstSyncCostRates
from mailsync.errors import ProviderRejected
from mailsync.model import Account
from mailsync.providers import AccessTokenSource, MailProvider
from mailsync.providers.imap.address import mailbox_location_from_remote_id
from mailsync.providers.kit import MailboxIdentity, PasswordLogin, sum_folder_message_counts
from mailsync.providers.quota import QuotaUnitSource
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.settings import Settings

if TYPE_CHECKING:
    from mailsync.providers.imap.provider import ImapMailbox


class ImapKit:
    """Opens mailboxes on IMAP servers; implements `ProviderKit` and `PasswordKit`."""

    push_kit = None
    first_sync_cost_rates = FirstSyncCostRates(
        messages_per_s=50,
        fixed_quota_units_per_sync=60,
        quota_units_per_message=0.012,
        fixed_aws_cost_usd_per_sync=0.0006,
        aws_cost_usd_per_message=0.0000003,
    )
    """Most servers deliver fewer messages per second than the nearby Dovecot server that
    docs/performance.md measures, so the speed is chosen low. The AWS cost is that of one function
    of 1 GB for the time that a sync takes at this speed."""

    def open_mailbox(
        self,
        account: Account,
        access: AccessTokenSource,
        settings: Settings,
        budget: RetryBudget | None = None,
        memory: ResponseMemoryShare | None = None,
        *,
        quota: QuotaUnitSource | None = None,
    ) -> "ImapMailbox":
        from mailsync.providers.imap.gmail_mailbox import GmailImapMailbox
        from mailsync.providers.imap.provider import ImapMailbox
        from mailsync.providers.imap.servers import ImapSettings

        address = mailbox_location_from_remote_id(account.remote_account_id)
        kind = GmailImapMailbox if address.is_mirrored_with_gmail_labels else ImapMailbox
        return kind(
            address,
            access,
            settings.read_settings_section(ImapSettings).allowed_servers,
            settings.provider_tls_context(),
            account.max_requests_in_flight,
            budget=budget,
            memory=memory,
        )

    def count_messages(self, mailbox: MailProvider) -> int:
        return sum_folder_message_counts(mailbox)

    def check_organisation_mailbox(
        self, organisation_id: str, address: str, access: AccessTokenSource, settings: Settings
    ) -> MailboxIdentity:
        raise ProviderRejected("IMAP servers have no access for organisations.")

    def check_password(self, login: PasswordLogin, settings: Settings) -> MailboxIdentity:
        from mailsync.providers.imap.password_check import check_password

        return check_password(login, settings)


KIT = ImapKit()
