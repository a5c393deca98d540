"""Mail for simulated mailboxes; a test states only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from localdev.mail.item import MailItem
from mailsync.model import Address

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def a_mail(subject: str = "Hello", *, minutes: int = 0, **fields: Any) -> MailItem:
    """Received so many minutes after noon."""
    received_at = NOON + timedelta(minutes=minutes)
    given = {"sender": Address("Grace", "grace@example.com"), "body": "Hi there.", **fields}
    return MailItem(subject=subject, received_at=received_at, sent_at=received_at, **given)
