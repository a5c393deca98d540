"""The product's view of a mailbox on an IMAP server on a loopback port."""

import json
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

from mailsync.credentials import FixedAccessTokenSource
from mailsync.errors import MailsyncError
from mailsync.model import (
    AccessToken,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    RemoteId,
    UnreadableMessage,
)
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.servers import AllowedServers
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget

INBOX = FeedRef(FeedId(1), FolderRef(FolderId(1), RemoteId("INBOX")))


def open_imap_mailbox(
    port: int,
    certificate: Path,
    user: str,
    password: str,
    *,
    budget: RetryBudget | None = None,
    memory: ResponseMemoryShare | None = None,
) -> ImapMailbox:
    access = FixedAccessTokenSource(AccessToken(password, datetime.max.replace(tzinfo=UTC)))
    return ImapMailbox(
        ImapMailboxLocation("localhost", port, user),
        access,
        AllowedServers(frozenset({f"localhost:{port}"}), is_any_public_server_allowed=False),
        ssl.create_default_context(cafile=certificate),
        budget=budget,
        memory=memory,
    )


def read_first_message(mailbox: ImapMailbox) -> object:
    """Return the text of the inbox's first message and whether it has attachments; the cause if it
    is unreadable, or the name of the error."""
    try:
        page = mailbox.fetch_feed_page(INBOX, None, limit=100)
        [found] = mailbox.fetch_messages([page.changes[0].remote_id])
    except MailsyncError as error:
        return type(error).__name__
    if isinstance(found, UnreadableMessage):
        return found.cause_name
    return [getattr(found, "body_text", None), getattr(found, "has_attachments", None)]


def main() -> None:
    """Read the first message in this process; print the result and the peak memory in KB."""
    port, certificate, user, password = sys.argv[1:]
    result = read_first_message(open_imap_mailbox(int(port), Path(certificate), user, password))
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    print(json.dumps([result, int(peak.split()[1])]))


if __name__ == "__main__":
    main()
