"""The product's view of a mailbox on an IMAP server on a loopback port."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from mailsync.credentials import UnrenewableAccessToken
from mailsync.model import AccessToken, FeedId, FeedRef, FolderId, FolderRef, RemoteId
from mailsync.providers.imap.address import MailboxAddress
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.providers.response_memory import MemoryShare
from mailsync.providers.retry_budget import RetryBudget

INBOX = FeedRef(FeedId(1), FolderRef(FolderId(1), RemoteId("INBOX")))


def open_imap_mailbox(
    port: int,
    certificate: Path,
    user: str,
    password: str,
    *,
    budget: RetryBudget | None = None,
    memory: MemoryShare | None = None,
) -> ImapMailbox:
    access = UnrenewableAccessToken(AccessToken(password, datetime.max.replace(tzinfo=UTC)))
    return ImapMailbox(
        MailboxAddress("localhost", port, user),
        access,
        AllowedServers(frozenset({f"localhost:{port}"}), is_any_public=False),
        ssl.create_default_context(cafile=certificate),
        budget=budget,
        memory=memory,
    )
