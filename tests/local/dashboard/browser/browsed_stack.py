"""A running stack as its dashboard shows it, and what a test does behind the dashboard's back."""

from typing import Any

import httpx

from localdev.engine.dev_login import DEMO_USER_ID
from tests.api.hidden_mail import hide_mail
from tests.local.mirror import Mirror, when

INTERRUPTIBLE_S = 0.2
EMPTIED = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address, status)
VALUES (:user, 'microsoft', 'emptied', 'emptied@example.com', 'paused') RETURNING id::text"""
SMALL_PAGES = "UPDATE mailsync.change_feeds SET page_size = 3 RETURNING 1"


class BrowsedStack(Mirror):
    @property
    def url(self) -> str:
        return self.stack.dashboard_server.url

    def data(self, path: str) -> Any:
        return httpx.get(f"{self.url}/data/{path}", timeout=30).raise_for_status().json()

    def provider_counts(self) -> dict[str, int]:
        """Return how many messages each folder of the simulated mailbox holds, by its name."""
        counts: dict[str, int] = {}
        for folder in self.control("GET", "state")["mailboxes"][0]["folders"]:
            query = f"mailbox={self.account.address}&folder={folder['id']}"
            name, found = folder["display_name"], self.control("GET", f"messages?{query}")
            counts[name] = counts.get(name, 0) + len(found)
        return counts

    def slow_small_pages(self) -> None:
        """Let a sync take long enough to be interrupted."""
        self.rows(SMALL_PAGES)
        self.latency(INTERRUPTIBLE_S)
        self.control("DELETE", "requests")

    def at_rest(self) -> None:
        """End whatever a test did to the provider, and wait for every sync that it began."""
        self.control("DELETE", "faults")
        self.latency()
        when(lambda: self.data("overview")["runsOpen"] == 0)

    def emptied_account(self) -> str:
        """Insert a paused account: 30 of its 40 messages are gone, and one more is hidden."""
        ((account_id,),) = self.rows(EMPTIED, user=DEMO_USER_ID)
        hide_mail(self.rows, account_id, messages=40, gone=30)
        return str(account_id)

    def is_removal_confirmed(self, account_id: str) -> bool:
        confirmed = "SELECT removal_confirmed_at IS NOT NULL FROM mailsync.email_accounts WHERE id"
        return bool(self.rows(f"{confirmed} = :id", id=account_id)[0][0])

    def initial_sync_completed(self, address: str) -> bool:
        completed = "SELECT initial_sync_completed FROM mailsync.email_accounts WHERE email_address"
        return bool(self.rows(f"{completed} = :address", address=address)[0][0])
