"""Sync a mailbox as the guide's application did: folders one after another, pages of the default
size, one INSERT per message, and 100 ms between pages.

One connection to Graph and one to Postgres stay open, and the INSERT is a prepared statement: what
is slow is the way, not its program.
"""

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import orjson

from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.simulator import SimulatedGraph
from mailsync.settings import Settings
from mailsync.store.connection import Connection, connect

PAUSE_S = 0.1
_TABLES = (
    "DROP TABLE IF EXISTS guide_emails",
    """
CREATE TABLE guide_emails (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), folder_id text NOT NULL,
    message_id text NOT NULL UNIQUE, thread_id text, subject text, from_address jsonb,
    to_addresses jsonb, cc_addresses jsonb, snippet text, body_html text,
    received_at timestamptz, sent_at timestamptz, is_read boolean, is_starred boolean,
    has_attachments boolean, created_at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX ON guide_emails (folder_id, received_at)",
)
_INSERT = """
INSERT INTO guide_emails (folder_id, message_id, thread_id, subject, from_address, to_addresses,
    cc_addresses, snippet, body_html, received_at, sent_at, is_read, is_starred, has_attachments)
VALUES (:folder_id, :message_id, :thread_id, :subject, :from_address, :to_addresses, :cc_addresses,
    :snippet, :body_html, :received_at, :sent_at, :is_read, :is_starred, :has_attachments)
ON CONFLICT (message_id) DO NOTHING"""
_COUNTS = (
    "SELECT count(*) FROM guide_emails WHERE folder_id = :folder",
    "SELECT count(*) FROM guide_emails WHERE folder_id = :folder AND NOT is_read",
)


@dataclass(slots=True)
class GuideSync:
    """A sync in the guide's way.

    newest_s: seconds until the newest messages of the inbox were stored. None: they were not, since
        `max_pages` were read before.
    page_s: mean seconds of a page with messages, the pause included.
    """

    wall_s: float
    newest_s: float | None
    messages: int
    pages: int
    page_s: float
    cpu_s: float


class _Guide:
    def __init__(self, http: httpx.Client, database: Connection, shape: MailboxShape) -> None:
        self._http, self._database, self._shape = http, database, shape
        self._since = shape.newest_since()
        self._insert = database.prepare(_INSERT)
        self._newest = 0
        self.began = time.perf_counter()
        self.newest_s: float | None = None
        self.messages = self.pages = 0
        self.page_s = 0.0

    def sync(self, max_pages: int) -> None:
        for folder in self._folders():
            is_inbox = folder["displayName"] == "Inbox"
            link: str | None = f"/me/mailFolders/{folder['id']}/messages/delta"
            while link:
                if self.pages >= max_pages:
                    return
                link = self._store_page(link, folder["id"], is_inbox=is_inbox)
            for statement in _COUNTS:
                self._database.run(statement, folder=folder["id"])

    def _folders(self) -> list[dict[str, Any]]:
        folders: list[dict[str, Any]] = []
        link: str | None = "/me/mailFolders"
        while link:
            page = self._get(link)
            folders += page["value"]
            link = page.get("@odata.nextLink")
        return folders

    def _store_page(self, link: str, folder: str, *, is_inbox: bool) -> str | None:
        began = time.perf_counter()
        page = self._get(link)
        for message in page["value"]:
            self._insert.run(**_row(message, folder))
            received_at = datetime.fromisoformat(message["receivedDateTime"])
            self._newest += is_inbox and received_at >= self._since
            if self._newest == self._shape.newest_count() and self.newest_s is None:
                self.newest_s = time.perf_counter() - self.began
        following: str | None = page.get("@odata.nextLink")
        if following:
            time.sleep(PAUSE_S)
        if page["value"]:
            self.messages += len(page["value"])
            self.pages += 1
            self.page_s += time.perf_counter() - began
        return following

    def _get(self, link: str) -> Any:
        response = self._http.get(link)
        response.raise_for_status()
        return orjson.loads(response.content)


def sync_as_guide(
    graph: SimulatedGraph, database_url: str, shape: MailboxShape, max_pages: int
) -> GuideSync:
    """Sync the mailbox, at most `max_pages` pages of it, into a table of its own."""
    headers = {"Authorization": f"Bearer {graph.mailbox.token}"}
    with (
        closing(connect(Settings({"DATABASE_URL": database_url}))) as database,
        httpx.Client(base_url=graph.graph_url, headers=headers, timeout=60) as http,
    ):
        for statement in _TABLES:
            database.run(statement)
        cpu_began = time.process_time()
        guide = _Guide(http, database, shape)
        guide.sync(max_pages)
        wall_s = time.perf_counter() - guide.began
        cpu_s = time.process_time() - cpu_began
    page_s = guide.page_s / max(1, guide.pages)
    return GuideSync(wall_s, guide.newest_s, guide.messages, guide.pages, page_s, cpu_s)


def _row(message: dict[str, Any], folder: str) -> dict[str, Any]:
    return {
        "folder_id": folder,
        "message_id": message["id"],
        "thread_id": message["conversationId"],
        "subject": message["subject"],
        "from_address": orjson.dumps(message.get("from")).decode(),
        "to_addresses": orjson.dumps(message["toRecipients"]).decode(),
        "cc_addresses": orjson.dumps(message["ccRecipients"]).decode(),
        "snippet": message["bodyPreview"],
        "body_html": message["body"]["content"],
        "received_at": message["receivedDateTime"],
        "sent_at": message["sentDateTime"],
        "is_read": message["isRead"],
        "is_starred": message["flag"]["flagStatus"] == "flagged",
        "has_attachments": message["hasAttachments"],
    }
