"""A running stack with a connected mailbox, and what a test does behind the dashboard's back."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from localdev.demo_account import DemoAccount, simulator
from localdev.engine.dev_login import DEMO_USER
from localdev.stack import Stack
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database
from tests.api.hidden_mail import hide_mail

LIMIT_S = 60
SLOW = {"fixed_s": 0.5}
EMPTIED = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address, status)
VALUES (:user, 'microsoft', 'emptied', 'emptied@example.com', 'paused') RETURNING id::text"""
SMALL_PAGES = "UPDATE mailsync.folder_cursors SET page_size = 3 RETURNING 1"


@dataclass(frozen=True)
class Office:
    stack: Stack
    account: DemoAccount

    @property
    def url(self) -> str:
        return self.stack.dashboard.url

    def simulate(self, method: str, action: str, **fields: Any) -> Any:
        return simulator(self.stack.provider, method, action, **fields)

    def deliver(self, address: str, **fields: Any) -> None:
        self.simulate("POST", "deliver", mailbox=address, **fields)

    def provider_counts(self, address: str) -> dict[str, int]:
        """How many messages each folder of the simulated mailbox holds, by its name."""
        state = self.simulate("GET", "state")["mailboxes"]
        mailbox = next(each for each in state if each["address"] == address)
        counts: dict[str, int] = {}
        for folder in mailbox["folders"]:
            asked = f"messages?mailbox={address}&folder={folder['id']}"
            name = folder["display_name"]
            counts[name] = counts.get(name, 0) + len(self.simulate("GET", asked))
        return counts

    def slow_small_pages(self) -> None:
        """From now on a sync takes long enough to be interrupted."""
        self.rows(SMALL_PAGES)
        self.simulate("POST", "latency", **SLOW)
        self.simulate("DELETE", "requests")

    def at_full_speed(self) -> None:
        self.simulate("POST", "latency", model="none")

    def at_rest(self) -> None:
        """Whatever a test did to the provider is over, and so is every sync that it began."""
        self.simulate("DELETE", "faults")
        self.at_full_speed()
        self.when(lambda: self.data("overview")["runsOpen"] == 0)

    def pages_asked_for(self) -> list[tuple[str, str]]:
        """The folder's path and the page, of each request for a page behind a folder's first."""
        seen = self.simulate("GET", "requests")
        return [(each["path"], each["query"]) for each in seen if each["link"] == "next"]

    def is_within_inbox(self) -> bool:
        """Whether a sync has got behind the first page of an inbox."""
        inboxes = self.rows("SELECT remote_id FROM mailsync.email_folders WHERE role = 'inbox'")
        return any(inbox in path for path, _ in self.pages_asked_for() for (inbox,) in inboxes)

    def pages_asked_again(self) -> dict[str, set[str]]:
        """Pages that the simulator was asked for more than once, by their folder."""
        again: dict[str, set[str]] = defaultdict(set)
        for (path, page), times in Counter(self.pages_asked_for()).items():
            if times > 1:
                again[path].add(page)
        return again

    def rows(self, sql: str) -> list[list[Any]]:
        connection = connect_database(Settings({"DATABASE_URL": self.stack.database_url}))
        try:
            return connection.run(sql) or []
        finally:
            connection.close()

    def emptied_account(self) -> str:
        """A paused account of the demo user: 30 of its 40 messages are gone, and one more is
        hidden."""
        connection = connect_database(Settings({"DATABASE_URL": self.stack.database_url}))
        try:
            ((account_id,),) = connection.run(EMPTIED, user=DEMO_USER) or []
            hide_mail(connection.run, account_id, messages=40, gone=30)
        finally:
            connection.close()
        return str(account_id)

    def is_removal_confirmed(self, account_id: str) -> bool:
        asked = "SELECT removal_confirmed_at IS NOT NULL FROM mailsync.email_accounts WHERE id"
        return bool(self.rows(f"{asked} = '{account_id}'")[0][0])

    def when(self, condition: Callable[[], Any]) -> Any:
        """What the condition gives once it is true."""
        deadline = time.monotonic() + LIMIT_S
        while not (found := condition()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return found

    def data(self, path: str) -> Any:
        return httpx.get(f"{self.url}/data/{path}", timeout=30).raise_for_status().json()

    def initial_sync_completed(self, address: str) -> bool:
        asked = "SELECT initial_sync_completed FROM mailsync.email_accounts WHERE email_address"
        completed: bool = self.rows(f"{asked} = '{address}'")[0][0]
        return completed
